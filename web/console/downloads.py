"""Lists of the console as spreadsheets, sent while nobody waits for their transaction.

    @pages.act("/volunteers/export", again=show)
    async def export(visit: Visit) -> Later:
        columns = await sheets.permitted(visit.work, COLUMNS, Right.SEE_VOLUNTEERS, ...)
        return spreadsheet(visit, "volunteers.xlsx", columns, rows)

`rows` is given a `Work` of its own to read by, and yields values in the order of the columns.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from services import sheets
from services.sheets import Column
from services.work import Work
from web.console.framework import Later, Visit, headers, saved_as
from web.keys import CLOCK, DATABASE, MAKING, POLICY

PIECE = 1 << 18
"""Bytes that are sent at a time."""

Rows = Callable[[Work], AsyncIterable[Sequence[Any]]]


def spreadsheet(visit: Visit, filename: str, columns: Sequence[Column], rows: Rows) -> Later:
    """An .xlsx of what `rows` yields, in a reading transaction of the visitor's."""
    person = visit.logged_in.person

    async def send(request: web.Request) -> web.StreamResponse:
        """Only the file outlasts the transaction: a browser may take as long as it likes."""
        app = request.app
        async with AsyncExitStack() as kept:
            async with app[MAKING], app[DATABASE].read() as session:
                work = Work(session, app[CLOCK](), app[POLICY], person)
                making = sheets.made(columns, rows(work), zone=work.policy.zone)
                path = await kept.enter_async_context(making)
            return await _sent(request, path, filename)

    return Later(send)


async def _sent(request: web.Request, path: Path, filename: str) -> web.StreamResponse:
    size = (await asyncio.to_thread(path.stat)).st_size
    answer = web.StreamResponse(
        headers={
            **headers(),
            "Content-Type": sheets.CONTENT_TYPE,
            "Content-Disposition": saved_as(filename),
            "Content-Length": str(size),
        }
    )
    await answer.prepare(request)
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            await answer.write(piece)
    await answer.write_eof()
    return answer

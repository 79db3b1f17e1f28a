"""The report of a call-out as a page and as PDF: opened once by a link; nothing on it can act."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from models import ScreenPage
from services import aftermath, typesetting
from services.errors import Refusal
from web import doors
from web.doors import HEADERS, Door
from web.keys import CLOCK, DATABASE, WORDS

routes = web.RouteTableDef()

DOOR = Door(ScreenPage.REPORT, "/report")
DOOR.add_to(routes)


@routes.get("/report")
async def show(request: web.Request) -> web.Response:
    try:
        language, report = await _look(request)
    except Refusal:
        return DOOR.refused(request)
    return doors.page(request, "callouts/report", language, opens=DOOR.opens.value, **report)


@routes.get("/report/paper.pdf")
async def paper(request: web.Request) -> web.Response:
    """The same to be filed."""
    try:
        language, report = await _look(request)
    except Refusal:
        return DOOR.refused(request)
    values = request.app[WORDS].values("callouts/report", language, **report)
    made = await asyncio.to_thread(typesetting.pdf, "callouts/report", values, report["made_at"])
    name = f"callout-{report['callout_id']}.pdf"
    return web.Response(
        body=made,
        content_type="application/pdf",
        headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _look(request: web.Request) -> tuple[str, Mapping[str, Any]]:
    """The language of the page, and all that its maker may see now. Raises Refusal."""
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        opened = await DOOR.opened(request, work)
        shown = await aftermath.whole_of(work, opened.callout)
        return opened.screen.language, {**shown, "made_at": request.app[CLOCK]()}

"""The board of a call-out on a big screen: opened once by a link, then live by server-sent events.

What may be seen is asked at every look.
"""

import asyncio
import io
from collections.abc import Mapping
from typing import Any

import segno
from aiohttp import web
from aiohttp_sse import sse_response

from models import Callout, CalloutState, ScreenPage
from services import codes, screens
from services.errors import Refusal
from web import doors
from web.doors import Door
from web.keys import BOT_USERNAME, CLOCK, DATABASE, POLICY, STOPPING, WORDS

routes = web.RouteTableDef()

LOOKS_EVERY = 2.0
"""Seconds between two looks at the tables, and at most one event."""
DOOR = Door(ScreenPage.BOARD, "/board")
DOOR.add_to(routes)


@routes.get("/board")
async def show(request: web.Request) -> web.Response:
    try:
        language, shown = await _look(request)
    except Refusal:
        return DOOR.refused(request)
    return doors.page(request, "screens/board", language, opens=DOOR.opens.value, **shown)


@routes.get("/board/events")
async def follow(request: web.Request) -> web.StreamResponse:
    """The inside of the page anew, whenever it has changed; ends when it may not be seen any more.

    Between two looks it holds nothing but its connection.
    """
    last = ""
    stopping = request.app[STOPPING]
    async with sse_response(request, headers={"X-Robots-Tag": "noindex"}) as stream:
        while stream.is_connected() and not stopping.is_set():
            try:
                language, shown = await _look(request)
            except Refusal:
                ended = request.app[WORDS].page("screens/ended", doors.language(request))
                await stream.send(ended, event="gone")
                break
            inside = request.app[WORDS].page("screens/inside", language, **shown)
            if inside != last:
                await stream.send(inside, event="board")
                last = inside
            await _pause(stopping)
    return stream


async def _pause(stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOKS_EVERY):
            await stopping.wait()
    except TimeoutError:
        return


async def _look(request: web.Request) -> tuple[str, Mapping[str, Any]]:
    """What this browser may see now. Raises Refusal."""
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        opened = await DOOR.opened(request, work)
        shown = await screens.shown(work, opened.callout)
        return opened.screen.language, {**shown, "code": _code(request, opened.callout)}


def _code(request: web.Request, callout: Callout) -> str:
    """The present code of the rally point as a drawing; none once it is over."""
    if callout.state is not CalloutState.ACTIVE:
        return ""
    payload = codes.rally(callout.id, request.app[CLOCK](), request.app[POLICY].code_seconds)
    out = io.BytesIO()
    segno.make(f"https://t.me/{request.app[BOT_USERNAME]}?start={payload}", error="m").save(
        out, kind="svg", border=2, xmldecl=False, svgns=True, omitsize=True
    )
    return out.getvalue().decode()

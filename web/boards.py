"""The board of a call-out on a big screen: opened once by a link, then live by server-sent events.

What may be seen is asked at every look.
"""

import io
from collections.abc import Mapping
from typing import Any

import segno
from aiohttp import web

from models import Callout, CalloutState, ScreenPage
from services import codes, screens
from services.errors import Refusal
from web import doors, live
from web.doors import Door
from web.keys import BOT_USERNAME, CLOCK, DATABASE, POLICY, WORDS

routes = web.RouteTableDef()

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
    """The inside of the page anew as it changes; ends when it may not be seen any more."""

    async def look() -> str:
        language, shown = await _look(request)
        return request.app[WORDS].page("screens/inside", language, **shown)

    def ended() -> str:
        return request.app[WORDS].page("screens/ended", doors.language(request))

    return await live.follow(request, look, ended, event="board")


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

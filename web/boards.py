"""The board of a call-out on a big screen: opened once by a link, then live by server-sent events.

No login, no outside resource, no script but our own; what may be seen is asked at every look.
"""

import asyncio
import io
from collections.abc import Mapping
from typing import Any

import segno
from aiohttp import web
from aiohttp_sse import sse_response

from models import Callout, CalloutState
from services import codes, screens
from services.errors import Refusal
from services.work import Work
from web.keys import BOT_USERNAME, CLOCK, DATABASE, POLICY, STOPPING, WORDS

routes = web.RouteTableDef()

COOKIE = "muster_board"
HOURS_12 = 12 * 3600
LOOKS_EVERY = 2.0
"""Seconds between two looks at the tables, and at most one event."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}
LINK = "/board/open/{secret:[0-9A-Za-z_-]{10,60}}"


@routes.get(LINK)
async def offer(request: web.Request) -> web.Response:
    """Asks for a press, since previews and scanners open links as well."""
    async with request.app[DATABASE].read() as session:
        if not await screens.is_open(_work(request, session), request.match_info["secret"]):
            return _refused(request)
    return _page(request, "screens/open", _language(request))


@routes.post(LINK)
async def open_board(request: web.Request) -> web.Response:
    try:
        async with request.app[DATABASE].write() as session:
            cookie = await screens.open_once(_work(request, session), request.match_info["secret"])
    except Refusal:
        return _refused(request)
    opened = web.HTTPSeeOther("/board", headers=HEADERS)
    opened.set_cookie(
        COOKIE, cookie, max_age=HOURS_12, httponly=True, samesite="Strict", path="/board",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )  # fmt: skip
    raise opened


@routes.get("/board")
async def show(request: web.Request) -> web.Response:
    try:
        language, shown = await _look(request)
    except Refusal:
        return _refused(request)
    return _page(request, "screens/board", language, **shown)


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
                ended = request.app[WORDS].page("screens/ended", _language(request))
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
        work = _work(request, session)
        opened = await screens.opened(work, request.cookies.get(COOKIE, ""))
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


def _work(request: web.Request, session: Any) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


def _language(request: web.Request) -> str:
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    return request.app[WORDS].language_for(wanted)


def _page(
    request: web.Request, template: str, language: str, status: int = 200, **parameters: Any
) -> web.Response:
    text = request.app[WORDS].page(template, language, language=language, **parameters)
    return web.Response(text=text, content_type="text/html", headers=HEADERS, status=status)


def _refused(request: web.Request) -> web.Response:
    """Used up, too old, closed, or its maker no longer commands here: how to get another."""
    return _page(request, "screens/gone", _language(request), web.HTTPGone.status_code)

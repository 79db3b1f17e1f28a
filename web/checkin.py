"""The page for a screen on site: a check-in code that changes all the time.

Whoever was given its address may open it; it says nothing of anybody but how many are there.
"""

import io
from typing import Any

import segno
from aiohttp import web

from services import activities, attendance, codes
from services.errors import Gone
from services.work import Work
from web.keys import BOT_USERNAME, CLOCK, DATABASE, POLICY, WORDS

routes = web.RouteTableDef()


@routes.get("/checkin/{shift_id:[0-9]{1,18}}/{key}")
async def screen(request: web.Request) -> web.Response:
    language = request.app[WORDS].language_for(_first_language(request))
    async with request.app[DATABASE].read() as session:
        shift, activity = await _opened(request, _work(request, session))
        page = request.app[WORDS].page(
            "attendance/screen",
            language,
            activity=activity,
            shift=shift,
            code_address=f"{request.path}/code",
            seconds=request.app[POLICY].code_seconds,
        )
    return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})


@routes.get("/checkin/{shift_id:[0-9]{1,18}}/{key}/code")
async def code(request: web.Request) -> web.Response:
    """The present code as a drawing, milliseconds until the next, and how many are there."""
    now = request.app[CLOCK]()
    seconds = request.app[POLICY].code_seconds
    async with request.app[DATABASE].read() as session:
        work = _work(request, session)
        shift, activity = await _opened(request, work)
        there, expected = await attendance.headcount(work, shift.id)
    payload = codes.rotating(shift.id, now, seconds)
    return web.json_response(
        {
            "drawing": _drawn(f"https://t.me/{request.app[BOT_USERNAME]}?start={payload}"),
            "changes_in": round(codes.next_change(now, seconds) * 1000),
            "there": there,
            "expected": expected,
            "state": activity.state.value,
            "over": now >= shift.ends_at,
        },
        headers={"Cache-Control": "no-store"},
    )


def _work(request: web.Request, session: Any) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


async def _opened(request: web.Request, work: Work) -> Any:
    """The shift and its activity. Raises HTTPNotFound without the key."""
    shift_id = int(request.match_info["shift_id"])
    if not codes.is_screen_key(shift_id, request.match_info["key"]):
        raise web.HTTPNotFound
    try:
        return await activities.published_shift(work, shift_id)
    except Gone:
        raise web.HTTPNotFound from None


def _drawn(link: str) -> str:
    """SVG without a size of its own, for the page to scale."""
    out = io.BytesIO()
    segno.make(link, error="m").save(
        out, kind="svg", border=2, xmldecl=False, svgns=True, omitsize=True, dark="#1d1714"
    )
    return out.getvalue().decode()


def _first_language(request: web.Request) -> str:
    wanted = request.query.get("lang") or request.headers.get("Accept-Language", "")
    return str(wanted).split(",")[0].split(";")[0].strip()

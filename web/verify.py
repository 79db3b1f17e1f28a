"""Anyone's page: whether a certificate is genuine, and what it says, masked. Nothing is asked for.

What is no code and what is none of ours are answered alike.
"""

from typing import Any

from aiohttp import web

from services import verifying
from web import doors
from web.keys import CLOCK, DATABASE
from web.limits import LIMITS, Rate, client

routes = web.RouteTableDef()

LOOKS = Rate("verify", most=30)
"""By one address in a minute: an office with a pile of papers, but nobody who counts through."""
LONGEST = 100


@routes.get("/verify")
async def ask(request: web.Request) -> web.Response:
    """A code can be typed in as well as scanned."""
    typed = request.query.get("code", "").strip()
    if typed:
        return await _look(request, typed)
    return doors.page(request, "verify/ask", doors.language(request), typed="")


@routes.get("/verify/{code:.+}")
async def show(request: web.Request) -> web.Response:
    return await _look(request, request.match_info["code"])


async def _look(request: web.Request, typed: str) -> web.Response:
    language = doors.language(request)
    now = request.app[CLOCK]().timestamp()
    if request.app[LIMITS].exceeded(LOOKS, client(request), now):
        status = web.HTTPTooManyRequests.status_code
        return doors.page(request, "verify/too_often", language, status, typed="")
    async with request.app[DATABASE].read() as session:
        found: dict[str, Any] = await verifying.look(doors.work(request, session), typed[:LONGEST])
    unknown = found["verdict"] == verifying.Verdict.UNKNOWN.value
    status = web.HTTPNotFound.status_code if unknown else web.HTTPOk.status_code
    shown = {"now": verifying.NOTHING, "checked_at": request.app[CLOCK](), **found}
    return doors.page(request, "verify/said", language, status, typed=typed[:LONGEST], **shown)

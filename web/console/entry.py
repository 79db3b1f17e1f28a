"""Coming into the console: by a link that opens once, or inside of Telegram. No password."""

import re

from aiohttp import web

from services import browsers, mini_app, sessions
from services.errors import Refusal
from services.work import Work
from web.console.framework import BASE, COOKIE, IN_TELEGRAM, headers, is_secure, stranger
from web.keys import CLOCK, DATABASE, MINI_APP_KEYS, POLICY
from web.limits import LIMITS, Rate, client

routes = web.RouteTableDef()

LINK = BASE + "/open/{secret:[0-9A-Za-z_-]{10,60}}"
APP = BASE + "/app"
PAGE = re.compile(r"(/[a-z0-9_]+)+")
"""Of the console, to which a link from the chat may lead."""
TRIES = Rate("console_entry", most=20)
"""From one address; a link is opened once."""
STAYS = 12 * 3600
"""Seconds that the browser keeps the cookie after it was last renewed."""


@routes.get(LINK)
async def offer(request: web.Request) -> web.Response:
    """Asks for a press, since previews and scanners open links as well."""
    if _too_often(request):
        return _refused(request, web.HTTPTooManyRequests.status_code)
    async with request.app[DATABASE].read() as session:
        if not await sessions.is_open(_work(request, session), request.match_info["secret"]):
            return _refused(request)
    return stranger(request, "console/open")


@routes.post(LINK)
async def open_once(request: web.Request) -> web.Response:
    if _too_often(request):
        return _refused(request, web.HTTPTooManyRequests.status_code)
    browser = browsers.named(request.headers.get("User-Agent", ""))
    secret = request.match_info["secret"]
    try:
        cookie = await request.app[DATABASE].transact(
            lambda session: sessions.open_once(_work(request, session), secret, browser)
        )
    except Refusal:
        return _refused(request)
    return _opened(request, cookie, same_site="Lax")


@routes.get(APP)
async def app(request: web.Request) -> web.Response:
    """Hands over what Telegram puts behind the address, which only the browser sees."""
    return stranger(request, "console/app", sources=_in_telegram())


@routes.post(APP)
async def open_app(request: web.Request) -> web.Response:
    """Nothing but Telegram's signature says who this is."""
    if _too_often(request):
        return _refused(request, web.HTTPTooManyRequests.status_code)
    said = str((await request.post()).get("init_data", ""))
    browser = browsers.named(request.headers.get("User-Agent", ""))
    try:
        vouched = mini_app.check(said, request.app[MINI_APP_KEYS], request.app[CLOCK]())
        cookie = await request.app[DATABASE].transact(
            lambda session: sessions.open_in_telegram(
                _work(request, session), vouched.telegram_id, vouched.signature, browser
            )
        )
    except Refusal:
        return _refused(request)
    return _opened(request, cookie, same_site="None" if is_secure(request) else "Lax")


def _opened(request: web.Request, cookie: str, same_site: str) -> web.Response:
    wanted = request.query.get("to", "")
    where = BASE + (wanted if PAGE.fullmatch(wanted) else "")
    response = web.Response(
        status=web.HTTPSeeOther.status_code, headers={**headers(), "Location": where}
    )
    response.set_cookie(
        COOKIE, cookie, max_age=STAYS, httponly=True, samesite=same_site, path=BASE,
        secure=is_secure(request), partitioned=True if same_site == "None" else None,
    )  # fmt: skip
    return response


def _refused(request: web.Request, status: int = web.HTTPGone.status_code) -> web.Response:
    return stranger(request, "console/closed", status, sources=_in_telegram())


def _in_telegram() -> dict[str, str]:
    return dict(IN_TELEGRAM)


def _too_often(request: web.Request) -> bool:
    now = request.app[CLOCK]().timestamp()
    return request.app[LIMITS].exceeded(TRIES, client(request), now)


def _work(request: web.Request, session: object) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])  # type: ignore[arg-type]

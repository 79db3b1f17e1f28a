"""Pages that a link from the chat opens once, without a login: the door, not what is behind it.

No outside resource, no script but our own; the opened page is bound to one browser by a cookie.
"""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from models import ScreenPage
from services import screens
from services.errors import Refusal
from services.work import Work
from web.keys import CLOCK, DATABASE, POLICY, WORDS

HOURS_12 = 12 * 3600
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


@dataclass(frozen=True, slots=True)
class Door:
    """Links at `<path>/open/<secret>` lead to the page at `path`."""

    opens: ScreenPage
    path: str

    @property
    def cookie(self) -> str:
        return f"muster_{self.opens.value}"

    def add_to(self, routes: web.RouteTableDef) -> None:
        link = f"{self.path}/open/{{secret:[0-9A-Za-z_-]{{10,60}}}}"
        routes.get(link)(self._offer)
        routes.post(link)(self._open)

    async def _offer(self, request: web.Request) -> web.Response:
        """Asks for a press, since previews and scanners open links as well."""
        async with request.app[DATABASE].read() as session:
            secret = request.match_info["secret"]
            if not await screens.is_open(work(request, session), secret, self.opens):
                return self.refused(request)
        return page(request, "screens/open", language(request), opens=self.opens.value)

    async def _open(self, request: web.Request) -> web.Response:
        try:
            async with request.app[DATABASE].write() as session:
                secret = request.match_info["secret"]
                cookie = await screens.open_once(work(request, session), secret, self.opens)
        except Refusal:
            return self.refused(request)
        opened = web.HTTPSeeOther(self.path, headers=HEADERS)
        opened.set_cookie(
            self.cookie, cookie, max_age=HOURS_12, httponly=True, samesite="Strict",
            path=self.path,
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )  # fmt: skip
        raise opened

    async def opened(self, request: web.Request, work: Work) -> screens.Opened:
        """What this browser may see now. Raises Refusal."""
        return await screens.opened(work, request.cookies.get(self.cookie, ""), self.opens)

    def refused(self, request: web.Request) -> web.Response:
        """Used up, too old, closed, or its maker no longer commands: how to get another."""
        shown = {"opens": self.opens.value}
        return page(request, "screens/gone", language(request), web.HTTPGone.status_code, **shown)


def work(request: web.Request, session: Any) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


def language(request: web.Request) -> str:
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    return request.app[WORDS].language_for(wanted)


def page(
    request: web.Request, template: str, language: str, status: int = 200, **parameters: Any
) -> web.Response:
    text = request.app[WORDS].page(template, language, language=language, **parameters)
    return web.Response(text=text, content_type="text/html", headers=HEADERS, status=status)

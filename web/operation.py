"""For whoever operates Muster: whether it is alive, whether it can do its work, and its figures.

Anybody may ask whether; what exactly, and the figures, is for operators: those on this machine, so
that a Prometheus beside Muster needs no secret, and those with the token from the settings. There
is no list of networks: behind proxies and in containers an address proves nothing.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Protocol

from aiohttp import web

FORWARDED = ("X-Forwarded-For", "Forwarded", "Via")
"""What a proxy adds: such a request does not come from this machine."""
BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Part:
    """How one part of the program is: `text` says what is missing, if anything."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts.values())


class Health(Protocol):
    async def alive(self) -> Report: ...

    async def ready(self) -> Report: ...


HEALTH: web.AppKey[Health] = web.AppKey("health")
FIGURES: web.AppKey[Callable[[], Awaitable[tuple[bytes, str]]]] = web.AppKey("figures")
"""All that is measured, and its content type."""
METRICS_TOKEN = web.AppKey("metrics_token", str)
"""Empty: nobody outside this machine reads them."""


async def healthz(request: web.Request) -> web.Response:
    return _answer(request, await request.app[HEALTH].alive())


async def readyz(request: web.Request) -> web.Response:
    return _answer(request, await request.app[HEALTH].ready())


async def metrics(request: web.Request) -> web.Response:
    if not _is_operator(request):
        raise web.HTTPForbidden
    body, kind = await request.app[FIGURES]()
    return web.Response(body=body, headers={"Content-Type": kind})


ROUTES: list[web.AbstractRouteDef] = [
    web.get("/healthz", healthz),
    web.get("/readyz", readyz),
    web.get("/metrics", metrics),
]


def _answer(request: web.Request, report: Report) -> web.Response:
    shown: dict[str, object] = {"ok": report.ok}
    if _is_operator(request):
        shown["parts"] = {
            name: {"ok": part.ok, "text": part.text} for name, part in report.parts.items()
        }
    status = HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response(shown, status=status, headers={"Cache-Control": "no-store"})


def _is_operator(request: web.Request) -> bool:
    token = request.app[METRICS_TOKEN]
    given = request.headers.get("Authorization", "")
    if token and hmac.compare_digest(given.encode(), f"{BEARER}{token}".encode()):
        return True
    proxied = any(name in request.headers for name in FORWARDED)
    return not proxied and ip_address(request.remote or "0.0.0.0").is_loopback  # noqa: S104

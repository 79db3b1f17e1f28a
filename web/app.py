"""The web application: pages, operators' questions, and where Telegram delivers updates."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from web.keys import MAKING, STOPPING, STREAMS
from web.operation import ROUTES as OPERATION

TELEGRAM_PATH = "/telegram/"
"""Below it Telegram delivers updates; everything else is for people and programs."""
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
LARGEST_UPDATE = 1024 * 1024
SPREADSHEETS = 2
"""That are made at the same time."""

Take = Callable[[list[dict[str, Any]]], Awaitable[None]]


def laid_out(routes: Iterable[web.AbstractRouteDef]) -> tuple[web.AbstractResource, ...]:
    """Once a process for all that serve them: hundreds of addresses take their time."""
    router = web.UrlDispatcher()
    router.add_routes(routes)
    return tuple(router.resources())


def make_app(resources: Iterable[web.AbstractResource]) -> web.Application:
    """Pages and operators' questions; the caller fills in what the keys name."""
    app = web.Application(client_max_size=LARGEST_UPDATE)
    app[STOPPING] = asyncio.Event()
    app[STREAMS] = Counter()
    app[MAKING] = asyncio.Semaphore(SPREADSHEETS)
    app.on_shutdown.append(_end_streams)
    app.add_routes(OPERATION)
    for resource in resources:
        app.router.register_resource(resource)
    return app


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()


def webhook_path(number: int) -> str:
    """Where Telegram delivers the updates of a bot, by the city's own number of it."""
    return f"{TELEGRAM_PATH}webhook/{number}"


def add_webhook(app: web.Application, number: int, secret: str, take: Take) -> None:
    """Accepts a bot's updates that carry the secret; answers 200 once they are stored.

    A process that is about to end takes nothing more: Telegram asks again, and reaches another.
    """

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, secret.encode()):
            raise web.HTTPForbidden
        try:
            update = await request.json()
        except (ValueError, RecursionError):
            raise web.HTTPBadRequest from None
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            raise web.HTTPBadRequest
        if request.app[STOPPING].is_set():
            raise web.HTTPServiceUnavailable
        await take([update])
        return web.Response()

    app.router.add_post(webhook_path(number), receive)

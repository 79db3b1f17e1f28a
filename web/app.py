"""The web application: pages, operators' questions, and where Telegram delivers updates."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from web.keys import MAKING, STOPPING, STREAMS
from web.operation import ROUTES as OPERATION

WEBHOOK_PATH = "/telegram/webhook"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
LARGEST_UPDATE = 1024 * 1024
SPREADSHEETS = 2
"""That are made at the same time."""

Take = Callable[[list[dict[str, Any]]], Awaitable[None]]


def make_app(routes: Iterable[web.AbstractRouteDef]) -> web.Application:
    """Pages and operators' questions; the caller fills in what the keys name."""
    app = web.Application(client_max_size=LARGEST_UPDATE)
    app[STOPPING] = asyncio.Event()
    app[STREAMS] = Counter()
    app[MAKING] = asyncio.Semaphore(SPREADSHEETS)
    app.on_shutdown.append(_end_streams)
    app.add_routes(OPERATION)
    app.add_routes(routes)
    return app


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()


def add_webhook(app: web.Application, secret: str, take: Take) -> None:
    """Accepts updates that carry the secret; answers 200 once they are stored."""

    async def receive(request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, ""), secret):
            raise web.HTTPForbidden
        try:
            update = await request.json()
        except ValueError:
            raise web.HTTPBadRequest from None
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            raise web.HTTPBadRequest
        await take([update])
        return web.Response()

    app.router.add_post(WEBHOOK_PATH, receive)

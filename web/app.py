"""The web application: pages, health, and the address at which Telegram delivers updates."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web
from sqlalchemy import text

from web.keys import DATABASE, MAKING, STOPPING, STREAMS

TELEGRAM_PATH = "/telegram/"
"""Below it Telegram delivers updates; everything else is for people and programs."""
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
LARGEST_UPDATE = 1024 * 1024
SPREADSHEETS = 2
"""That are made at the same time."""

Take = Callable[[list[dict[str, Any]]], Awaitable[None]]


def make_app(routes: Iterable[web.AbstractRouteDef]) -> web.Application:
    """Pages and health; the caller fills in what `web.keys` names."""
    app = web.Application(client_max_size=LARGEST_UPDATE)
    app[STOPPING] = asyncio.Event()
    app[STREAMS] = Counter()
    app[MAKING] = asyncio.Semaphore(SPREADSHEETS)
    app.on_shutdown.append(_end_streams)
    app.router.add_get("/healthz", healthz)
    app.add_routes(routes)
    return app


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()


async def healthz(request: web.Request) -> web.Response:
    """200 while the database answers."""
    async with request.app[DATABASE].read() as session:
        await session.execute(text("SELECT 1"))
    return web.json_response({"ok": True})


def webhook_path(number: int) -> str:
    """Where Telegram delivers the updates of a bot, by the city's own number of it."""
    return f"{TELEGRAM_PATH}webhook/{number}"


def add_webhook(app: web.Application, number: int, secret: str, take: Take) -> None:
    """Accepts a bot's updates that carry the secret; answers 200 once they are stored.

    A process that is about to end takes nothing more: Telegram asks again, and reaches another.
    """

    async def receive(request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, ""), secret):
            raise web.HTTPForbidden
        try:
            update = await request.json()
        except ValueError:
            raise web.HTTPBadRequest from None
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            raise web.HTTPBadRequest
        if request.app[STOPPING].is_set():
            raise web.HTTPServiceUnavailable
        await take([update])
        return web.Response()

    app.router.add_post(webhook_path(number), receive)

"""Parts of pages that stay true by themselves, by server-sent events."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp_sse import sse_response

from services.errors import Refusal
from web.keys import STOPPING

LOOKS_EVERY = 2.0
"""Seconds between two looks at the tables, and at most one event."""


async def follow(
    request: web.Request,
    look: Callable[[], Awaitable[str]],
    ended: Callable[[], str],
    event: str = "change",
) -> web.StreamResponse:
    """Sends what `look` answers whenever it has changed.

    Ends with what `ended` says, as the event "gone", once `look` raises a Refusal. Between two
    looks it holds nothing but its connection.
    """
    last = ""
    stopping = request.app[STOPPING]
    async with sse_response(request, headers={"X-Robots-Tag": "noindex"}) as stream:
        while stream.is_connected() and not stopping.is_set():
            try:
                inside = await look()
            except Refusal:
                await stream.send(ended(), event="gone")
                break
            if inside != last:
                await stream.send(inside, event=event)
                last = inside
            await _pause(stopping)
    return stream


async def _pause(stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOKS_EVERY):
            await stopping.wait()
    except TimeoutError:
        return

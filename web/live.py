"""Parts of pages that stay true by themselves, by server-sent events."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp_sse import sse_response

from services.errors import Refusal
from web.keys import STOPPING

APART = 1.0
"""Seconds between two looks at the tables at least, and at most one event."""
LOOKS_EVERY = 5.0
"""Seconds after which it is looked without a cause: time passes, and others write as well."""


class Commits:
    """Lets streams wait until this program has written something."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notice(self, _info: Mapping[str, Any]) -> None:
        """A transaction has been committed: whoever waits looks."""
        before, self._next = self._next, asyncio.Event()
        before.set()

    @property
    def next(self) -> asyncio.Event:
        """Set by the next commit from now on."""
        return self._next


COMMITS = web.AppKey("commits", Commits)


async def follow(
    request: web.Request,
    look: Callable[[], Awaitable[str]],
    ended: Callable[[], str],
    event: str = "change",
) -> web.StreamResponse:
    """Sends what `look` answers whenever it has changed, as soon as something was written.

    Ends with what `ended` says, as the event "gone", once `look` raises a Refusal. Between two
    looks it holds nothing but its connection.
    """
    last = ""
    stopping = request.app[STOPPING]
    async with sse_response(request, headers={"X-Robots-Tag": "noindex"}) as stream:
        while stream.is_connected() and not stopping.is_set():
            written = request.app[COMMITS].next  # what is written while it looks counts as well
            try:
                inside = await look()
            except Refusal:
                await stream.send(ended(), event="gone")
                break
            if inside != last:
                try:
                    await stream.send(inside, event=event)
                except ConnectionResetError:
                    break  # the browser left while it was being rendered
                last = inside
            await _pause(stopping, APART)
            await _pause(written, LOOKS_EVERY - APART, stopping)
    return stream


async def _pause(until: asyncio.Event, seconds: float, *others: asyncio.Event) -> None:
    """Until one of them is set, or so many seconds have passed."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (until, *others)]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()

"""Who writes next where only one may write at a time: emergencies first, others as they came."""

import asyncio
from collections import deque
from contextvars import ContextVar

WRITES_FIRST: ContextVar[bool] = ContextVar("writes_first", default=False)
"""Whether what is done here goes before what waits already."""


class Turn:
    """A lock: `async with turn`. What has begun is never interrupted."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    async def __aenter__(self) -> None:
        if not self._taken:
            self._taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting[WRITES_FIRST.get()].append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._hand_on()  # it had just become our turn
            raise

    async def __aexit__(self, *_: object) -> None:
        self._hand_on()

    def _hand_on(self) -> None:
        for line in self._waiting.values():
            while line:
                following = line.popleft()
                if not following.done():  # or it has given up
                    following.set_result(None)
                    return
        self._taken = False

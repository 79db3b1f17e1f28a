"""The engine that fetches copies of photos and voice messages from Telegram."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from telegram.error import BadRequest, TelegramError

from handlers.dispatch import Clock
from models import Database, Enclosure
from services import enclosures
from services.policy import Policy
from services.work import Work

log = logging.getLogger(__name__)

AT_ONCE = 4
LOOKS_EVERY = 30.0
"""Seconds; what is due again is looked for so often at least."""

Fetch = Callable[[str], Awaitable[bytes]]
"""The bytes of a file by Telegram's file id. Raises TelegramError."""


class Fetching:
    """`run` fetches until `stop`; what was under way then is fetched at the next start."""

    def __init__(self, database: Database, policy: Policy, clock: Clock, fetch: Fetch) -> None:
        self.database = database
        self.policy = policy
        self.clock = clock
        self._fetch = fetch
        self._wake = asyncio.Event()
        self._one = asyncio.Lock()
        """Nothing is fetched twice at a time."""
        self._stopping = False

    def notice(self, info: Mapping[str, Any]) -> None:
        """A listener of commits."""
        if info.get(enclosures.NOTED):
            self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                while not self._stopping and await self.turn():
                    pass
            except Exception:  # everything else goes on meanwhile, and it is tried again
                log.exception("fetching failed")
            try:
                async with asyncio.timeout(LOOKS_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                pass
        self._stopping = False

    async def turn(self) -> int:
        """Fetches some of what is due now; answers how many."""
        async with self._one:
            async with self.database.read() as session:
                due = await enclosures.waiting(self._work(session), AT_ONCE)
            await asyncio.gather(*(self._take(one) for one in due))
        return len(due)

    async def _take(self, one: Enclosure) -> None:
        try:
            raw = await self._fetch(one.telegram_id)
            copy = await asyncio.to_thread(enclosures.tidied, one.kind, raw)
        except (TelegramError, enclosures.NotAPictureError) as fault:
            log.info("not fetched: %s", type(fault).__name__, extra={"enclosure": one.id})
            lost = isinstance(fault, BadRequest | enclosures.NotAPictureError)
            await self._write(enclosures.failed, one.id, for_good=lost)
        else:
            await self._write(enclosures.keep, one.id, copy)

    async def _write(self, do: Callable[..., Awaitable[None]], *about: Any, **more: Any) -> None:
        async with self.database.write() as session:
            await do(self._work(session), *about, **more)

    def _work(self, session: AsyncSession) -> Work:
        return Work(session, self.clock(), self.policy)

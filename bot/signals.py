"""Wakes engines in other processes: PostgreSQL's LISTEN and NOTIFY.

Nothing depends on a signal: whoever is woken asks the tables, and looks from time to time unasked.
So signals are sent after the commit, several at once, and no transaction waits for another one's.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from bot.schema import NO_ANSWER
from models import Database

log = logging.getLogger(__name__)

CHANNEL = "muster"
TOGETHER = 0.01
"""Seconds in which signals are collected."""
ASKS_EVERY = 30.0
"""Seconds after which a silent connection is tried."""
PAUSE = 1.0


class Signals:
    """`names` are the keys of `session.info` that others are told of. Does nothing on SQLite."""

    def __init__(self, database: Database, names: Collection[str]) -> None:
        self.database = database
        self.names = frozenset(names)
        self.process_id = 0
        self.listening = asyncio.Event()
        """Set while the others are heard."""
        self._to_tell: set[str] = set()
        self._wake = asyncio.Event()
        self._telling = False

    def notice(self, info: Mapping[str, Any]) -> None:
        """A listener of commits; not of those that it is telling of itself."""
        named = self.names & info.keys()
        if named and not self._telling:
            self._to_tell |= named
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except NO_ANSWER as fault:
                log.warning("other processes are not heard: %s", type(fault).__name__)
            finally:
                self.listening.clear()
            await asyncio.sleep(PAUSE)

    async def _listen(self) -> None:
        url = self.database.url.set(drivername="postgresql")
        connection = await asyncpg.connect(url.render_as_string(hide_password=False), timeout=5)
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self.listening.set()
            self._tell(self.names)  # whatever was missed meanwhile
            while True:
                await self._pass_on(connection)
        finally:
            with suppress(Exception):
                connection.terminate()

    async def _pass_on(self, connection: Any) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ASKS_EVERY):
                await self._wake.wait()
                await asyncio.sleep(TOGETHER)
        self._wake.clear()
        names, self._to_tell = self._to_tell, set()
        said = f"{self.process_id} {' '.join(sorted(names))}"
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, said, timeout=5)

    def _heard(self, _connection: object, _pid: int, _channel: str, said: str) -> None:
        process_id, *names = said.split()
        if process_id != str(self.process_id):
            self._tell(names)

    def _tell(self, names: Collection[str]) -> None:
        self._telling = True
        try:
            self.database.tell(dict.fromkeys(names, True))
        finally:
            self._telling = False

"""Tells operators of errors: a log handler takes them, a task writes them down and posts reports.

By the outbox, so that no report is lost; straight to Telegram only where the database takes
nothing. What goes wrong here is logged, and never reported.
"""

import asyncio
import logging
import socket
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot import tracing
from handlers.dispatch import Clock
from models import Database
from services import error_reports
from services.error_reports import Occurrence, Readers
from services.policy import Policy
from services.words import Words
from services.work import Work

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
TELLS_EVERY = 60.0
"""Seconds; what may be told again by then is."""
WRITES_WITHIN = 5.0
"""Seconds; a database that takes longer is not waited for."""
KINDS_AT_ONCE = 100
"""Kinds of errors kept in memory until they are written."""

Say = Callable[[int, str], Awaitable[object]]
"""Sends a text, as HTML, to a chat at once. May raise anything."""


class Reporter(logging.Handler):
    """`run` reports until `stop`. Without readers errors are noted down all the same."""

    def __init__(
        self,
        *,
        database: Database,
        words: Words,
        policy: Policy,
        clock: Clock,
        readers: Readers,
        say: Say,
        role: str = "all",
    ) -> None:
        super().__init__(logging.ERROR)
        self.database = database
        self.words = words
        self.policy = policy
        self.clock = clock
        self.readers = readers
        self.say = say
        self.about: dict[str, Any] = {
            "version": version("muster"), "host": socket.gethostname(), "role": role,
        }  # fmt: skip
        self.on_error: Callable[[], object] = lambda: None
        """Called for each error."""
        self._loop = asyncio.get_running_loop()
        self._new: dict[str, Occurrence] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._said: deque[float] = deque(maxlen=error_reports.AT_MOST)
        """When something was said straight."""
        self._said_of: dict[str, float] = {}

    # Taking errors

    def emit(self, record: logging.LogRecord) -> None:
        """From any thread. What is no exception is a line in the log and no more."""
        fault = record.exc_info[1] if record.exc_info else None
        if record.name == __name__ or fault is None or self._loop.is_closed():
            return
        kind = f"{type(fault).__module__}.{type(fault).__qualname__}"
        origin = getattr(record, "origin", None) or tracing.current()
        one = Occurrence(kind, place_of(fault, record), origin=origin, **self.about)
        self._loop.call_soon_threadsafe(self._take, one)

    def _take(self, one: Occurrence) -> None:
        self.on_error()
        known = self._new.get(one.fingerprint)
        if known is not None:
            self._new[one.fingerprint] = replace(one, count=known.count + 1)
        elif len(self._new) < KINDS_AT_ONCE:
            self._new[one.fingerprint] = one
        self._wake.set()

    # Reporting them

    async def run(self) -> None:
        while not self._stopping:
            await self.turn()
            try:
                await asyncio.wait_for(self._wake.wait(), timeout=TELLS_EVERY)
            except TimeoutError:
                continue
        await self.turn()

    def stop(self) -> None:
        """What is known by now is still written down."""
        self._stopping = True
        self._wake.set()

    async def turn(self) -> None:
        """Writes down what is new and posts what may be told. Never raises."""
        self._wake.clear()
        await asyncio.sleep(0)  # what another thread has handed over comes in
        taken, self._new = list(self._new.values()), {}

        async def write(session: AsyncSession) -> None:
            work = Work(session, self.clock(), self.policy)
            await error_reports.note(work, taken)
            if self.readers.chat_ids:
                await error_reports.tell(work, self.readers)

        try:
            async with asyncio.timeout(WRITES_WITHIN):
                await self.database.transact(write)
        except Exception:
            log.exception("errors not written down")
            for one in taken:
                await self._say(one)

    async def _say(self, one: Occurrence) -> None:
        """The same bounds, in memory."""
        now, apart = time.monotonic(), error_reports.APART.total_seconds()
        full = len(self._said) == self._said.maxlen and self._said[0] > now - apart
        if full or self._said_of.get(one.fingerprint, -apart) > now - apart:
            return
        self._said.append(now)
        self._said_of[one.fingerprint] = now
        about = error_reports.about(one)
        text = self.words.render(error_reports.TEMPLATE, self.readers.language, **about).text
        for chat_id in self.readers.chat_ids:
            try:
                await self.say(chat_id, text)
            except Exception:
                log.exception("error not reported")


def place_of(fault: BaseException, record: logging.LogRecord) -> str:
    """The innermost place in our own code, else where it was logged."""
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)]
    if not own:
        return f"{Path(record.pathname).name}:{record.lineno}"
    last = own[-1]
    return f"{Path(last.filename).resolve().relative_to(ROOT)}:{last.lineno} {last.name}"


def _is_own(file: str) -> bool:
    path = Path(file).resolve()
    return path.is_relative_to(ROOT) and "site-packages" not in path.parts

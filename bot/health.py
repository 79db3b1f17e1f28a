"""Whether the program is alive, and whether it can do its work: named checks that parts register.

Alive: its event loop turns and none of its engines has died; a supervisor restarts it otherwise.
Ready: it can do its work now; whoever spreads the load leaves it alone otherwise.
"""

import asyncio
import logging
import shutil
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import text
from telegram import Bot
from telegram.error import TelegramError

from bot import schema
from bot.request import AiohttpRequest
from bot.settings import Settings
from models import Database
from models.sealed import keyring
from web.operation import Part, Report

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""How long a check may take."""
LOOKED_AT_MOST_EVERY = 1.0
SPOKEN_WITHIN = 60.0
"""Seconds since Telegram last answered after which it is asked for a sign of life."""
LAG_EVERY = 0.5
LAG_KEPT = 60
"""Measurements of the lag that are looked at: half a minute."""
LARGEST_LAG = 2.0
"""Seconds; everything waits so long for its turn."""
LEAST_ROOM = 200 * 1024 * 1024
"""Bytes on the disk of the database."""

Check = Callable[[], Awaitable[str]]
"""Says in a few words how it is. Raises Amiss with what is missing."""


class Amiss(Exception):
    """A part can't do its work; the text says what is missing, and holds no secret."""


class Health:
    """`needs` and `lives_by` add checks; what a check raises otherwise counts as amiss, too."""

    def __init__(self) -> None:
        self._alive: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._last = Report()
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self.draining = False

    def lives_by(self, name: str, check: Check) -> None:
        self._alive[name] = check

    def needs(self, name: str, check: Check) -> None:
        self._ready[name] = check

    def drain(self) -> None:
        """It is about to end: nothing new is to be given to it."""
        self.draining = True

    async def alive(self) -> Report:
        return await _examine(self._alive)

    async def ready(self) -> Report:
        if self.draining:
            return Report({"draining": Part(False, "is ending")})
        async with self._looking:
            if time.monotonic() - self._looked_at > LOOKED_AT_MOST_EVERY:
                before, self._last = self._last, await _examine(self._alive | self._ready)
                _note(before, self._last)
                self._looked_at = time.monotonic()
        return self._last


async def _examine(checks: dict[str, Check]) -> Report:
    parts = await asyncio.gather(*(_part(check) for check in checks.values()))
    return Report(dict(zip(checks, parts, strict=True)))


def _note(before: Report, now: Report) -> None:
    """What has changed since it was last asked."""
    for name, part in now.parts.items():
        was = before.parts.get(name)
        if part.ok != (was is None or was.ok):
            level = logging.INFO if part.ok else logging.WARNING
            log.log(level, "ready again" if part.ok else "not ready", extra={
                "part": name, "is": part.text,
            })  # fmt: skip


async def _part(check: Check) -> Part:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return Part(True, await check())
    except Amiss as fault:
        return Part(False, str(fault))
    except TimeoutError:
        return Part(False, f"no answer within {CHECK_SECONDS:g} s")
    except Exception as fault:  # whatever it is, it is not well
        return Part(False, type(fault).__name__)


# What can be checked


class LoopLag:
    """How late the event loop is: `run` measures until cancelled."""

    def __init__(self, seen: Callable[[float], object]) -> None:
        self._seen = seen
        self._lags: deque[float] = deque([0.0], LAG_KEPT)

    @property
    def worst(self) -> float:
        return max(self._lags)

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(LAG_EVERY)
            self._lags.append(max(0.0, time.monotonic() - began - LAG_EVERY))
            self._seen(self.worst)

    async def check(self) -> str:
        if self.worst > LARGEST_LAG:
            raise Amiss(f"was {self.worst:.1f} s late")
        return f"{self.worst * 1000:.0f} ms late at worst"


def engines(tasks: Callable[[], list["asyncio.Task[None]"]]) -> Check:
    """None of them has ended in an exception."""

    async def check() -> str:
        running = tasks()
        dead = [
            task.get_name()
            for task in running
            if task.done() and not task.cancelled() and task.exception() is not None
        ]
        if dead:
            raise Amiss(f"died: {', '.join(dead)}")
        return ", ".join(task.get_name() for task in running if not task.done())

    return check


def database(opened: Database) -> Check:
    """It answers, and its tables are those of this program."""
    wanted = schema.newest()

    async def check() -> str:
        async with opened.read() as session:
            found = await session.scalar(text("SELECT version_num FROM alembic_version"))
        if found != wanted:
            raise Amiss(f"tables of revision {found}, {wanted} is needed: `{schema.COMMAND}`")
        return f"revision {found}"

    return check


async def keys() -> str:
    keyring()
    return "read"


def telegram(bot: Bot, *requests: AiohttpRequest) -> Check:
    """It has answered lately, or answers now."""

    async def check() -> str:
        since = time.monotonic() - max(request.answered_at for request in requests)
        if since < SPOKEN_WITHIN:
            return f"answered {since:.0f} s ago"
        try:
            await bot.get_me()
        except TelegramError as fault:
            raise Amiss(f"does not answer: {type(fault).__name__}") from None
        return "answers"

    return check


def disk(settings: Settings, opened: Database) -> Check:
    """There is room where the database is; of a server's, where the keys are."""
    kept = Path(str(opened.url.database)) if opened.is_sqlite else settings.security.key_file
    folder = next(one for one in kept.absolute().parents if one.exists())

    async def check() -> str:
        free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
        megabytes = free // (1024 * 1024)
        if free < LEAST_ROOM:
            raise Amiss(f"{megabytes} MB are left")
        return f"{megabytes} MB are left"

    return check

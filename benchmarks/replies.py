"""How long a press takes while letters go out, beside the same bot with nothing to send.

The real program, once with each backlog; they take turns, and those whose turn it is not sleep.
"""

import asyncio
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import city, outbox_city
from benchmarks.__main__ import variables
from benchmarks.chats import Chats, Press, Telegram
from benchmarks.measuring import started
from benchmarks.processes import Command, Running, finish
from models import Database

LONGEST_PAUSE = 0.2
"""Seconds between an answer and the next press at most; what has the length of chance."""
SETTLING = 2.0
"""Seconds after waking that do not count."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Where the databases lie, the core of the bots, and their messages a second."""

    folder: Path
    core: int
    rate: int


@dataclass(slots=True)
class Measured:
    """Milliseconds of each press, round by round; MiB; letters a second beside the presses."""

    rounds: list[list[float]] = field(default_factory=list)
    memory: float = 0.0
    letters_a_second: float = 0.0

    @property
    def all(self) -> list[float]:
        return [took for one in self.rounds for took in one]


@dataclass(frozen=True, slots=True)
class Case:
    running: Running
    chats: Chats
    presses: Iterator[Press]
    measured: Measured = field(default_factory=Measured)

    async def take_turn(self, seconds: float) -> None:
        self.running.wake()
        await self._press_for(SETTLING)
        before, began = self.chats.letters, time.perf_counter()
        self.measured.rounds.append(await self._press_for(seconds))
        sent = self.chats.letters - before
        self.measured.letters_a_second = sent / (time.perf_counter() - began)
        self.measured.memory = self.running.memory()
        self.running.sleep()

    async def _press_for(self, seconds: float) -> list[float]:
        chance = random.Random(1)
        took = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            press = await self.chats.press(next(self.presses))
            took.append(1000 * (press.shown - press.handed_over))
            await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE))
        return took


async def measure(
    crowd: Crowd, backlogs: Mapping[str, int], rounds: int, seconds: float
) -> dict[str, Measured]:
    """Presses for `seconds` in each round, once for each backlog of so many letters."""
    telegram = Telegram()
    async with AsyncExitStack() as stack:
        await telegram.start()
        stack.push_async_callback(telegram.stop)
        full = await _city(crowd.folder, telegram, max(backlogs.values()))
        cases = {}
        for name, backlog in backlogs.items():
            path = crowd.folder / f"replies-{backlog}.db"
            shutil.copy(full, path)
            cases[name] = await _case(crowd, path, backlog, telegram, stack)
        for _ in range(rounds):
            for case in cases.values():
                await case.take_turn(seconds)
    return {name: case.measured for name, case in cases.items()}


async def _city(folder: Path, telegram: Telegram, readers: int) -> Path:
    """The database of a city with activities to look at, and so many people."""
    path = folder / "replies.db"
    url = _url(path)
    given = variables(folder, url, telegram.url, "")
    await finish(Command(("bot.cli", "init", "--sample", "zhongshan"), given, folder))
    await city.fill(url, folder / "muster.keys")
    database = Database(url)
    await outbox_city.people(database, readers)
    await database.close()
    return path


async def _case(
    crowd: Crowd, path: Path, backlog: int, telegram: Telegram, stack: AsyncExitStack
) -> Case:
    database = Database(_url(path))
    if backlog:
        await outbox_city.newsletter(database, backlog)
    await database.close()
    token, chats = telegram.add_bot(wants_screen=True, wants_letters=True)
    given = variables(crowd.folder, _url(path), telegram.url, token)
    given |= {
        "MUSTER_TELEGRAM__MESSAGES_PER_SECOND": str(crowd.rate),
        "MUSTER_LOG__LEVEL": "ERROR",  # the clock's work is late once it has slept
    }
    looks = city.looks(await city.open_shifts(_url(path)))
    command = Command(("bot.cli", "run"), given, crowd.folder)
    running, _ = await stack.enter_async_context(started(command, crowd.core, chats, next(looks)))
    stack.callback(running.wake)
    running.sleep()
    return Case(running, chats, looks)


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"

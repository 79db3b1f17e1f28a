"""What is measured of a running bot: how long one press takes, how many a second, how it starts."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.chats import Chats, Press
from benchmarks.figures import percentile
from benchmarks.processes import Command, Running, start

PAUSE = 0.005
"""Seconds between an answer and the next press, when one is sent at a time."""
IN_FLIGHT = 128
"""Chats that wait for an answer at the same time, when the bot is kept busy."""
FIRST_SECONDS = 60.0
"""How long a bot may take to start."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one case."""

    p50_ms: float
    p99_ms: float
    acknowledged_p50_ms: float
    updates_per_second: float
    cpu_ms: float
    """Processor time per update under load, of the bot's process."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Under load: how many updates, how many a second, and processor time for each."""

    updates: int
    a_second: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Case:
    """A bot and what is pressed in its chats."""

    name: str
    running: Running
    chats: Chats
    presses: Iterator[Press]

    async def warm_up(self, count: int) -> None:
        for press in (next(self.presses) for _ in range(count)):
            await self.chats.press(press)

    async def measure(self, seconds: float) -> Round:
        """Half of the time one at a time, half of it kept busy."""
        answered = await self._one_at_a_time(seconds / 2)
        shown = [1000 * ((p.shown or p.acknowledged) - p.handed_over) for p in answered]
        acknowledged = [1000 * (p.acknowledged - p.handed_over) for p in answered]
        busy = await self.kept_busy(seconds / 2)
        return Round(
            percentile(shown, 0.5),
            percentile(shown, 0.99),
            percentile(acknowledged, 0.5),
            busy.a_second,
            busy.cpu_ms,
        )

    async def kept_busy(self, seconds: float, at_once: int = IN_FLIGHT) -> Busy:
        """With so many chats that wait for an answer at the same time."""
        done = 0
        until = time.perf_counter() + seconds

        async def keep_pressing() -> None:
            nonlocal done
            while time.perf_counter() < until:
                await self.chats.press(next(self.presses))
                done += 1

        began, cpu = time.perf_counter(), self.running.cpu_seconds()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(keep_pressing())
        took = time.perf_counter() - began
        return Busy(done, done / took, 1000 * (self.running.cpu_seconds() - cpu) / done)

    async def _one_at_a_time(self, seconds: float) -> list[Press]:
        answered = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            answered.append(await self.chats.press(next(self.presses)))
            await asyncio.sleep(PAUSE)
        return answered


@asynccontextmanager
async def started(
    command: Command, core: int, chats: Chats, press: Press
) -> AsyncIterator[tuple[Running, float]]:
    """The bot with the seconds from its start to its first answer, of a press that waited."""
    began = time.perf_counter()
    running = await start(command, core)
    try:
        await chats.press(press, FIRST_SECONDS)
        yield running, time.perf_counter() - began
    finally:
        await running.stop()

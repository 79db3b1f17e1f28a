"""Emergencies while 10,000 people flood the bot: `python -m benchmarks.flood`.

The real program at Telegram's own rate. A second commander's press lets each call-out go; whoever
is called presses "coming". Measured from the moment when Telegram has the press: until the first
call has arrived, and until "coming" is answered. Beside it, in the same run, the same bot with
nobody flooding, and one that looks at everything.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import audience_city
from benchmarks.__main__ import machine, variables
from benchmarks.chats import Press, Telegram
from benchmarks.declaration import CALL, SECOND, SETTLED, Bench, make_city
from benchmarks.figures import percentile
from benchmarks.measuring import started
from benchmarks.processes import Command, Running, cores

VOLUNTEERS, FLOODERS = 20_000, 10_000
STRANGERS = 9_000_000
"""From which their chats count: nobody of the city's."""
A_SECOND = 1_000
"""Messages of them all: each writes one in ten seconds."""
WARM = 10.0
"""Seconds of flood before the first call-out."""
LOOK_AT_ALL = {
    "MUSTER_TELEGRAM__CHAT_UPDATES_PER_SECOND": "1000000",
    "MUSTER_TELEGRAM__CHAT_UPDATES_BURST": "1000000",
    "MUSTER_TELEGRAM__CHAT_UPDATES_WAITING": "1000000",
    "MUSTER_TELEGRAM__UPDATES_WAITING": "100000000",
}


@dataclass(slots=True)
class Measured:
    calls: list[float] = field(default_factory=list)
    """Seconds from the press that lets a call-out go to its first call."""
    answers: list[float] = field(default_factory=list)
    """Seconds from a press on "coming" to its answer."""
    flooded: int = 0
    memory: float = 0.0
    cpu: float = 0.0
    """Share of a core."""


class Flooded(Bench):
    """Call-outs while others write; `flood` are their messages a second."""

    async def measure_both(self, launches: int, flood: int, running: Running) -> Measured:
        found = Measured()
        task = asyncio.create_task(self._flood(flood, found))
        try:
            await asyncio.sleep(WARM)
            began, cpu = time.perf_counter(), running.cpu_seconds()
            for key in await self._declare(launches):
                await self._one(key, found)
            found.cpu = (running.cpu_seconds() - cpu) / (time.perf_counter() - began)
            found.memory = running.memory()
        finally:
            task.cancel()
        return found

    async def _flood(self, a_second: int, found: Measured) -> None:
        chance = random.Random(1)
        began = time.perf_counter()
        while a_second:
            await asyncio.sleep(0.02)
            due = int((time.perf_counter() - began) * a_second)
            for _ in range(due - found.flooded):
                self.chats.say(STRANGERS + chance.randrange(FLOODERS), "/start")
            found.flooded = due

    async def _one(self, key: int, found: Measured) -> None:
        chats = self.chats
        chats.seen.clear()
        chats.seen_by.clear()
        chats.came.clear()
        pressed = time.perf_counter()
        await chats.press(Press(self.chat_id, f"callout.second:{key}"), SETTLED)
        async with asyncio.timeout(SETTLED):
            await chats.came.wait()
        found.calls.append(chats.seen[0] - pressed)
        called = chats.seen_by[0]
        pressed = time.perf_counter()
        answer = await chats.press(Press(called, f"callout.coming:{key}:15"), SETTLED)
        found.answers.append(answer.shown - pressed)
        await self._end(key)


async def run(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    core, others = cores()
    os.sched_setaffinity(0, others)
    telegram = Telegram()
    rows: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        await telegram.start()
        stack.push_async_callback(telegram.stop)
        city = await make_city(folder, telegram, given.volunteers)
        for name, flood, limits in (
            ("nobody floods", 0, {}),
            ("10,000 flood", given.rate, {}),
            ("10,000 flood, all is looked at", given.rate, LOOK_AT_ALL),
        ):
            path = folder / f"{len(rows)}.db"
            shutil.copy(city, path)
            found = await _case(given, folder, telegram, path, flood, limits, core)
            rows.append(
                {
                    "case": name,
                    "messages of the flood": found.flooded,
                    "call p50 ms": 1000 * percentile(found.calls, 0.5),
                    "call p99 ms": 1000 * percentile(found.calls, 0.99),
                    "coming p50 ms": 1000 * percentile(found.answers, 0.5),
                    "coming p99 ms": 1000 * percentile(found.answers, 0.99),
                    "MiB": found.memory,
                    "CPU %": 100 * found.cpu,
                }
            )
    return rows


async def _case(  # noqa: PLR0917 - one line of the table
    given: argparse.Namespace, folder: Path, telegram: Telegram, path: Path,
    flood: int, limits: dict[str, str], core: int,
) -> Measured:  # fmt: skip
    url = f"sqlite+aiosqlite:///{path}"
    token, chats = telegram.add_bot(wants_screen=True, wants_letters=True)
    chats.watched = CALL
    settings = variables(folder, url, telegram.url, token)
    settings |= {"MUSTER_TELEGRAM__MESSAGES_PER_SECOND": "30"}
    del settings["MUSTER_TELEGRAM__CHAT_UPDATES_PER_SECOND"]  # as operators have it
    settings |= {"MUSTER_LOG__LEVEL": "ERROR"} | limits
    chat_id = audience_city.FIRST_CHAT + SECOND - 1
    command = Command(("bot.cli", "run"), settings, folder)
    async with started(command, core, chats, Press(chat_id, "callouts")) as (running, _):
        bench = Flooded(url, chats, chat_id)
        try:
            return await bench.measure_both(given.launches, flood, running)
        finally:
            await bench.database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--volunteers", type=int, default=VOLUNTEERS)
    parser.add_argument("--launches", type=int, default=20)
    parser.add_argument("--rate", type=int, default=A_SECOND, help="messages a second of them all")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        rows = uvloop.run(run(given, Path(folder)))
    table = Table(*rows[0], title="Emergencies while 10,000 people flood the bot")
    for row in rows:
        table.add_row(*(one if isinstance(one, str) else f"{one:.0f}" for one in row.values()))
    Console(width=None if os.isatty(1) else 140).print(table)
    if given.json is not None:
        written = {"machine": machine(), "figures": rows}
        given.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

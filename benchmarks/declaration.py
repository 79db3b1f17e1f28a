"""From a commander's press to the first call on a phone: `python -m benchmarks.declaration`.

The real program, a city of volunteers, and a newsletter to all of them under way; beside it the
same bot with nothing to send. A second commander's press lets each call-out go, the same step as
the typed word of a small one.
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import select, update

from benchmarks import audience_city, outbox_city
from benchmarks.__main__ import machine, variables
from benchmarks.chats import Chats, Press, Telegram
from benchmarks.figures import percentile
from benchmarks.measuring import started
from benchmarks.processes import Command, cores, finish
from models import (
    Callout,
    CalloutState,
    Database,
    Delivery,
    DeliveryState,
    Emergency,
    Lane,
    Need,
    Person,
)
from models.sealed import Keyring, use_keyring
from services import traits
from services.policy import Policy
from services.work import Work

VOLUNTEERS, QUOTA = 400_000, 3
RATES = (30, 1_000)
"""Messages a second that the bot may send."""
AIM = 0.300
"""Seconds, to which one slot of the limiter is added."""
CALL = "需要你"
COMMANDER, SECOND = 2, 1
SETTLED = 60.0
"""Seconds within which the calls of one call-out have all gone out."""


class Bench:
    """Call-outs of one city, at one rate."""

    def __init__(self, url: str, chats: Chats, chat_id: int) -> None:
        self.database = Database(url)
        self.chats = chats
        self.chat_id = chat_id

    async def measure(self, launches: int) -> list[float]:
        """Seconds from handing over the press to the arrival of the first call, each launch."""
        keys = await self._declare(launches)
        taken = []
        for key in keys:
            self.chats.seen.clear()
            self.chats.came.clear()
            press = await self.chats.press(Press(self.chat_id, f"callout.second:{key}"))
            async with asyncio.timeout(SETTLED):
                await self.chats.came.wait()
            taken.append(self.chats.seen[0] - press.handed_over)
            await self._end(key)
        return taken

    async def _declare(self, launches: int) -> list[int]:
        """Call-outs that wait for a second commander, spread over the city's towns."""
        now = datetime.now(UTC)
        async with self.database.write() as session:
            words = await audience_city.terms(self.database)
            made = [
                Callout(
                    organisation_id=words.root, commander_id=COMMANDER, kind=Emergency.TYPHOON,
                    drill=False, address="", latitude=town.latitude or 0.0,
                    longitude=town.longitude or 0.0, radius=20_000.0, word="",
                    state=CalloutState.AWAITING_SECOND, created_at=now,
                    lapses_at=now + timedelta(days=1),
                )
                for number in range(launches)
                for town in [words.towns[number % len(words.towns)]]
            ]  # fmt: skip
            session.add_all(made)
            await session.flush()
            session.add_all(
                Need(callout_id=one.id, quota=QUOTA, skills=[], qualifications=[], languages=[])
                for one in made
            )
        return [one.id for one in made]

    async def _end(self, key: int) -> None:
        """It is over once all that it said has gone out, so that the next one begins afresh."""
        waiting = select(Delivery.id).where(
            Delivery.lane == Lane.EMERGENCY,
            Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.SENDING)),
        )
        over = update(Callout).where(Callout.id == key).values(state=CalloutState.LAPSED)
        async with self.database.write() as session:
            await session.execute(over)
        async with asyncio.timeout(SETTLED):
            while await self._any(waiting):
                self.chats.came.clear()
                await asyncio.wait({asyncio.create_task(self.chats.came.wait())}, timeout=0.2)

    async def _any(self, waiting: Any) -> bool:
        async with self.database.read() as session:
            return await session.scalar(waiting.limit(1)) is not None


async def make_city(folder: Path, telegram: Telegram, size: int) -> Path:
    """The database of a city with so many volunteers, of whom one commands."""
    path = folder / "city.db"
    given = variables(folder, _url(path), telegram.url, "")
    await finish(Command(("bot.cli", "init", "--sample", "zhongshan"), given, folder))
    use_keyring(Keyring.read(folder / "muster.keys"))
    database = Database(_url(path))
    at = datetime.now(UTC)
    words = await audience_city.terms(database)
    people = audience_city.crowd(words, size, at.date())
    people.account[SECOND - 1], people.blocked[SECOND - 1] = True, False
    await audience_city.write(database, words, people, at)
    async with database.write() as session:
        await traits.renew_all(Work(session, at, Policy()))
        await session.execute(
            update(Person).where(Person.id.in_((COMMANDER, SECOND))).values(emergency_opt_in=False)
        )
    await database.close()
    return path


async def run(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    core, others = cores()
    os.sched_setaffinity(0, others)
    telegram = Telegram()
    rows = []
    async with AsyncExitStack() as stack:
        await telegram.start()
        stack.push_async_callback(telegram.stop)
        city = await make_city(folder, telegram, given.volunteers)
        for rate in RATES:
            for backlog in (0, given.volunteers):
                path = folder / f"{rate}-{backlog}.db"
                shutil.copy(city, path)
                rows.append(await _case(given, folder, telegram, path, rate, backlog, core))
                path.unlink()
    return rows


async def _case(  # noqa: PLR0917 - one cell of the table
    given: argparse.Namespace, folder: Path, telegram: Telegram, path: Path,
    rate: int, backlog: int, core: int,
) -> dict[str, Any]:  # fmt: skip
    database = Database(_url(path))
    written = await outbox_city.newsletter(database, backlog) if backlog else 0
    await database.close()
    token, chats = telegram.add_bot(wants_screen=True, wants_letters=True)
    chats.watched = CALL
    settings = variables(folder, _url(path), telegram.url, token)
    settings["MUSTER_TELEGRAM__MESSAGES_PER_SECOND"] = str(rate)
    command = Command(("bot.cli", "run"), settings, folder)
    chat_id = audience_city.FIRST_CHAT + SECOND - 1
    async with started(command, core, chats, Press(chat_id, "callouts")):
        bench = Bench(_url(path), chats, chat_id)
        taken = await bench.measure(given.launches)
        await bench.database.close()
    return {
        "messages_a_second": rate,
        "letters_under_way": written,
        "launches": len(taken),
        "p50_ms": 1000 * percentile(taken, 0.5),
        "p99_ms": 1000 * percentile(taken, 0.99),
        "aim_ms": 1000 * (AIM + 1 / rate),
    }


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.declaration", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--volunteers", type=int, default=VOLUNTEERS)
    parser.add_argument("--launches", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        rows = uvloop.run(run(given, Path(folder)))
    table = Table(*rows[0], title="From the press to the first call on a phone")
    for row in rows:
        table.add_row(*(f"{value:.0f}" for value in row.values()))
    Console(width=None if os.isatty(1) else 120).print(table)
    if given.json is not None:
        written = {"machine": machine(), "figures": rows}
        given.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

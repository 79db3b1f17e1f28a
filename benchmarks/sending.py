"""How fast and how punctually Muster sends: `python -m benchmarks.sending --help`."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import databases, outbox_city, replies
from benchmarks.__main__ import machine
from benchmarks.figures import Figure, percentile
from benchmarks.postbox import Postbox
from benchmarks.processes import ROOT, cores
from bot import schema
from models import Database, DeliveryState, Lane
from models.sealed import Keyring, use_keyring
from services import outbox
from services.founding import found_city
from services.outbox import Receipt

BACKLOG = 400_000
PORTIONS = (50, 400)
"""Deliveries a transaction: as the sender takes them at 30 and at 1000 a second."""
CLAIMED = 20_000
FREE, PAID = 30, 1000
SMALL = 10_000
"""A backlog that lasts as long as the measurement."""
LATENCY = 0.02
"""Seconds that the server takes for an answer where the rate is looked at."""
SAMPLE = ROOT / "samples" / "zhongshan"

Row = tuple[str, str, str]
"""What, how much, and beside what."""


class Bench:
    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self.backlog: int = asked.backlog
        self.rounds: int = asked.rounds
        self.seconds: float = asked.seconds
        self.folder = folder
        self.core, self.others = cores()
        self.rows: list[Row] = []
        self.figures: dict[str, Any] = {}

    def note(self, what: str, figure: Any, beside: str = "") -> None:
        self.rows.append((what, str(figure), beside))
        self.figures[what] = figure if isinstance(figure, int | float | str) else vars_of(figure)
        print(f"{what}: {figure} {beside}", file=sys.stderr)

    # The outbox alone

    async def outbox(self, kind: str, url: str) -> None:
        database = await self._city(url)
        began = time.perf_counter()
        written = await outbox_city.newsletter(database, self.backlog)
        self.note(f"{kind}: enqueue {written} deliveries, s", time.perf_counter() - began)
        for portion in PORTIONS:
            rates = [await self._claim_and_mark(database, portion) for _ in range(self.rounds)]
            self.note(f"{kind}: claim and mark by {portion}, deliveries/s", Figure.of(rates))
        await database.close()

    async def _claim_and_mark(self, database: Database, portion: int) -> float:
        rooms = dict.fromkeys(Lane, portion)
        now = datetime.now(UTC)
        done = 0
        began = time.perf_counter()
        receipts: list[Receipt] = []
        for _ in range(CLAIMED // portion):
            async with database.write() as session:
                await outbox.record(session, receipts, now)
                claimed = await outbox.claim_due(session, now, rooms)
            receipts = [Receipt(due.id, DeliveryState.SENT, due.id) for due in claimed]
            done += len(claimed)
        async with database.write() as session:
            await outbox.record(session, receipts, now)
        return done / (time.perf_counter() - began)

    async def _city(self, url: str) -> Database:
        database = Database(url)
        await schema.upgrade(database)
        async with database.write() as session:
            await found_city(session, SAMPLE)
        await outbox_city.people(database, self.backlog)
        return database

    # The whole sender, as a process of its own

    async def costs(self, url: str) -> None:
        """Processor time for 1000 messages, beside a bare loop and beside the library."""
        database = await self._city(url)
        total = 10_000
        ratios: dict[str, list[float]] = {"bare": [], "library": []}
        costs: dict[str, list[float]] = {"muster": [], "bare": [], "library": []}
        for _ in range(self.rounds):
            for kind, spent in costs.items():
                spent.append(await self._cost(kind, url, database, total))
            for yardstick, ratio in ratios.items():
                ratio.append(costs["muster"][-1] / costs[yardstick][-1])
        for kind, values in costs.items():
            self.note(f"CPU s for 1000 messages, {kind}", Figure.of(values))
        for yardstick, values in ratios.items():
            self.note(f"CPU, Muster as a ratio to {yardstick}", Figure.of(values))
        await database.close()

    async def _cost(self, kind: str, url: str, database: Database, total: int) -> float:
        """Without what starting costs."""
        postbox = Postbox()
        await postbox.start()
        few = max(total // 8, 1) if kind == "library" else total
        start = await self._run(kind, postbox, url, 0, PAID)
        await outbox_city.newsletter(database, total)
        spent = await self._run(kind, postbox, url, few, PAID)
        await postbox.stop()
        await self._empty(database)
        return 1000 * (spent["cpu"] - start["cpu"]) / len(postbox.arrivals)

    async def _empty(self, database: Database) -> None:
        from sqlalchemy import delete

        from models import Delivery

        async with database.write() as session:
            await session.execute(delete(Delivery))

    async def _run(
        self, kind: str, postbox: Postbox, url: str, total: int, rate: float
    ) -> dict[str, float]:
        process = await self._begin(kind, postbox, url, total, rate)
        out, _ = await process.communicate()
        found: dict[str, float] = json.loads(out)
        return found

    async def _begin(
        self, kind: str, postbox: Postbox, url: str, total: int, rate: float
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.senders",
            kind, postbox.url, url, str(total), str(rate),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        os.sched_setaffinity(process.pid, {self.core})
        return process

    async def draining(self, kind: str, url: str, rate: int, seconds: float) -> None:
        """The share of a strict server's rate that is used in a steady state, with its 429s."""
        database = await self._city(url)
        await outbox_city.newsletter(database, self.backlog)
        postbox = Postbox(per_second=rate, latency=LATENCY)
        await postbox.start()
        process = await self._begin("muster", postbox, url, 0, rate)
        await postbox.until(rate * 2)
        postbox.refused = 0
        began, before = time.monotonic(), len(postbox.arrivals)
        memory = resident(process.pid)
        await asyncio.sleep(seconds)
        taken = len(postbox.arrivals) - before
        share = taken / (time.monotonic() - began) / rate
        self.note(f"{kind}: share of {rate}/s used over {seconds:.0f} s", share)
        self.note(f"{kind}: 429s at {rate}/s", postbox.refused)
        self.note(
            f"{kind}: memory while draining at {rate}/s, MiB",
            resident(process.pid),
            f"at first {memory:.0f}",
        )
        await self._emergencies(kind, database, postbox, rate)
        process.terminate()
        await process.wait()
        await postbox.stop()
        await database.close()

    async def _emergencies(
        self, kind: str, database: Database, postbox: Postbox, rate: int
    ) -> None:
        firsts: list[float] = []
        for _ in range(30):
            before = len(postbox.arrivals)
            await outbox_city.emergency(database, 1)
            launched = time.monotonic()
            firsts.append(1000 * (await self._arrived(postbox, before, 1) - launched))
        self.note(f"{kind}: first emergency at {rate}/s, p99 ms", percentile(firsts, 0.99))
        before = len(postbox.arrivals)
        await outbox_city.emergency(database, 300)
        began = time.monotonic()
        last = await self._arrived(postbox, before, 300)
        self.note(
            f"{kind}: 300 emergencies at {rate}/s, s", last - began, f"300/rate = {300 / rate:.1f}"
        )

    async def _arrived(self, postbox: Postbox, before: int, count: int) -> float:
        """When so many messages to emergency chats had come."""
        while True:
            urgent = [
                at for at, chat in postbox.arrivals[before:] if chat >= outbox_city.EMERGENCY_CHAT
            ]
            if len(urgent) >= count:
                return urgent[count - 1]
            await postbox.until(len(postbox.arrivals) + 1)

    async def replies(self, rate: int, seconds: float) -> None:
        """A press on the real program while a broadcast drains, beside one with nothing to send."""
        backlogs = {"idle": 0, "a letter draining": SMALL, "the backlog draining": self.backlog}
        crowd = replies.Crowd(self.folder, self.core, rate)
        found = await replies.measure(crowd, backlogs, self.rounds, seconds)
        idle = found["idle"]
        for name, measured in found.items():
            for share in (0.5, 0.99):
                figure = Figure.of([percentile(took, share) for took in measured.rounds])
                self.note(f"reply p{100 * share:.0f} ms, {name}", figure)
            self.note(f"memory MiB, {name}", round(measured.memory))
        for name, measured in list(found.items())[1:]:
            self.note(f"letters/s meanwhile, {name}", round(measured.letters_a_second, 1))
            for share in (0.5, 0.99):
                title = f"reply p{100 * share:.0f} as a ratio to idle, {name}"
                ratios = [
                    percentile(own, share) / percentile(other, share)
                    for own, other in zip(measured.rounds, idle.rounds, strict=True)
                ]
                of_all = percentile(measured.all, share) / percentile(idle.all, share)
                self.note(title, Figure.of(ratios), f"of all rounds {of_all:.2f}")


def resident(pid: int) -> float:
    """MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def vars_of(figure: Figure) -> dict[str, float]:
    return {"median": figure.median, "least": figure.least, "most": figure.most}


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sending", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--backlog", type=int, default=BACKLOG)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60, help="at 30 a second; half at 1000")
    parser.add_argument("--postgresql", action="store_true", help="the outbox there as well")
    parser.add_argument("--only", choices=["outbox", "costs", "30", "1000", "replies"])
    return parser.parse_args()


async def run(given: argparse.Namespace, folder: Path) -> Bench:
    use_keyring(Keyring.fresh())
    bench = Bench(given, folder)
    os.sched_setaffinity(0, bench.others)
    steps: dict[str, Callable[[], Awaitable[None]]] = {
        "outbox": lambda: bench.outbox("SQLite", f"sqlite+aiosqlite:///{folder}/outbox.db"),
        "costs": lambda: bench.costs(f"sqlite+aiosqlite:///{folder}/costs.db"),
        "30": lambda: bench.draining(
            "SQLite", f"sqlite+aiosqlite:///{folder}/free.db", FREE, given.seconds
        ),
        "1000": lambda: bench.draining(
            "SQLite", f"sqlite+aiosqlite:///{folder}/paid.db", PAID, given.seconds / 2
        ),
        "replies": lambda: bench.replies(FREE, given.seconds / 3),
    }
    for name, step in steps.items():
        if given.only in (None, name):
            await step()
    if given.postgresql:
        server = databases.Postgres(folder / "postgresql")
        await bench.outbox("PostgreSQL", await server.create("outbox"))
        await server.stop()
    return bench


def main() -> None:
    given = asked()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        bench = uvloop.run(run(given, Path(folder)))
    table = Table("", "measured", "beside", title="Sending")
    for row in bench.rows:
        table.add_row(*row)
    Console(width=None if os.isatty(1) else 120).print(table)
    if given.json is not None:
        text = json.dumps({"machine": machine(), **bench.figures}, ensure_ascii=False, indent=2)
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

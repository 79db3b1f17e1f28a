"""How long a big city's statistics take: `python -m benchmarks.statistics`.

The page through the web application over HTTP, the picture for the chat, and the sweeps that keep
the counts; beside them the key figures counted row by row, which must be the same.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks import audience_city, databases, service_city
from benchmarks.__main__ import machine
from benchmarks.figures import percentile
from benchmarks.processes import ROOT
from bot import schema
from models import Database, Person
from models.sealed import Keyring, use_keyring
from services import counting, sessions, statistics, traits, typesetting
from services.formats import named
from services.founding import found_city
from services.policy import Policy
from services.statistics import Period
from services.words import Words
from services.work import Work
from web.app import make_app
from web.console.framework import COOKIE
from web.keys import CLOCK, DATABASE, POLICY, PUBLIC_URL, WORDS
from web.limits import LIMITS, Limits
from web.pages import RESOURCES

SAMPLE = ROOT / "samples" / "zhongshan"
LANGUAGE = "zh_Hans"
AIM = 300.0
"""Milliseconds in which the city's page is to open, in 95 of 100 cases."""
FRESH = 50_000
"""Entries that are recorded behind the sweep's back, which it then catches up with."""
ROW_BY_ROW = {
    "registered": "SELECT count(*) FROM person WHERE standing = 'active'",
    "active": (
        "SELECT count(*) FROM (SELECT e.person_id FROM ledger_entry e JOIN person p"
        " ON p.id = e.person_id WHERE p.standing = 'active' AND e.served_at >= :first"
        " GROUP BY e.person_id HAVING sum(e.minutes) > 0)"
    ),
    "minutes": "SELECT sum(minutes) FROM ledger_entry WHERE served_at >= :first",
    "activities": (
        "SELECT count(DISTINCT activity_id) FROM shift WHERE starts_at >= :first"
        " AND starts_at <= :now"
    ),
    "attended": (
        "SELECT count(*) FROM enrolment e JOIN shift s ON s.id = e.shift_id"
        " WHERE s.starts_at >= :first AND s.starts_at <= :now AND e.state = 'attended'"
    ),
    "no_shows": (
        "SELECT count(*) FROM enrolment e JOIN shift s ON s.id = e.shift_id"
        " WHERE s.starts_at >= :first AND s.starts_at <= :now AND e.state = 'no_show'"
    ),
}

Row = dict[str, Any]


class Bench:
    def __init__(self, rounds: int, folder: Path) -> None:
        self.rounds = rounds
        self.rows: list[Row] = []
        self.at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.database = Database(databases.sqlite(folder))
        self.words = Words(Policy())

    def work(self, session: Any, actor: Person | None = None) -> Work:
        return Work(session, self.at, Policy(), actor)

    def note(
        self, what: str, taken: list[float], aim: float | None = None, cpu: float | None = None
    ) -> None:
        """Milliseconds; `cpu` is what this process worked for each."""
        row = {
            "what": what,
            "p50_ms": percentile(taken, 0.5),
            "p95_ms": percentile(taken, 0.95),
            "most_ms": max(taken),
            "times": len(taken),
            "aim_ms": aim,
            "cpu_ms": cpu,
        }
        self.rows.append(row)
        print(row, file=sys.stderr)

    async def timed(self, what: str, times: int, run: Callable[[], Awaitable[Any]]) -> Any:
        """The first one warms up, where there are several."""
        taken, answer = [], None
        for _ in range(times + (times > 1)):
            began = time.perf_counter()
            answer = await run()
            taken.append(1000 * (time.perf_counter() - began))
        self.note(what, taken[times > 1 :])
        return answer

    async def run(self, volunteers: int, entries: int) -> None:
        await self._build(volunteers, entries)
        await self.timed("all counts made anew", 1, self._recount)
        await self._page("the city's page", "/console/statistics", AIM)
        await self._page("a town's page", "/console/statistics/2", AIM)
        await self._page(
            "the city's page, last quarter", "/console/statistics?period=quarter&back=1", AIM
        )
        await self.timed("/stats: the figures and the picture", self.rounds, self._picture)
        shown = await self._shown()
        counted = await self.timed("key figures row by row", 3, self._row_by_row)
        for name, number in counted.items():
            assert getattr(shown, name) == number, (name, getattr(shown, name), number)
        await self._sweeps()
        await self.database.close()

    async def _build(self, volunteers: int, entries: int) -> None:
        await schema.upgrade(self.database)
        async with self.database.write() as session:
            await found_city(session, SAMPLE)
        words = await audience_city.terms(self.database)
        people = audience_city.crowd(words, volunteers, self.at.date())
        await audience_city.write(self.database, words, people, self.at)
        await service_city.write(self.database, words, people, entries, self.at)
        async with self.database.write() as session:
            await traits.renew_all(self.work(session))

    async def _recount(self) -> None:
        async with self.database.write() as session:
            await counting.recount_all(self.work(session))

    # Looking

    async def _page(self, what: str, path: str, aim: float) -> None:
        async with self._visit() as session:
            taken, worked = [], 0.0
            for number in range(self.rounds + 1):
                began, cpu = time.perf_counter(), time.process_time()
                async with session.get(path) as answer:
                    body = await answer.read()
                if number:
                    taken.append(1000 * (time.perf_counter() - began))
                    worked += time.process_time() - cpu
                assert answer.status == 200 and b"<svg" in body
        self.note(f"{what}, whole HTTP request", taken, aim, 1000 * worked / self.rounds)

    @asynccontextmanager
    async def _visit(self) -> AsyncIterator[aiohttp.ClientSession]:
        """The federation's administrator at a browser, before the application as it is served."""
        app = make_app(RESOURCES)
        app[DATABASE], app[WORDS], app[POLICY] = self.database, self.words, Policy()
        app[CLOCK], app[LIMITS], app[PUBLIC_URL] = (lambda: self.at), Limits(), "http://127.0.0.1"
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with self.database.write() as session:
            actor = await session.get_one(Person, 1)
            secret = await sessions.offer(self.work(session, actor))
            cookie = await sessions.open_once(self.work(session), secret, "benchmark")
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        headers = {"Cookie": f"{COOKIE}={cookie}"}
        async with aiohttp.ClientSession(base, headers=headers) as session:
            yield session
        await runner.cleanup()

    async def _overview(self) -> statistics.Overview:
        async with self.database.read() as session:
            actor = await session.get_one(Person, 1)
            return await statistics.overview(self.work(session, actor), 1, Period.TWELVE_MONTHS)

    async def _shown(self) -> statistics.Figures:
        return (await self._overview()).own.figures

    async def _picture(self) -> None:
        seen = await self._overview()
        drawings = statistics.drawings(seen, partial(named, language=LANGUAGE))
        values = self.words.values("statistics/picture", LANGUAGE, seen=seen, **drawings)
        await asyncio.to_thread(typesetting.png, "statistics/picture", values)

    async def _row_by_row(self) -> dict[str, int]:
        async with self.database.read() as session:
            work = self.work(session)
            first = counting.starts(work, counting.month_of(work, self.at) - 11)
            moments = {"first": _written(first), "now": _written(self.at)}
            return {
                name: await session.scalar(
                    text(question), {k: v for k, v in moments.items() if f":{k}" in question}
                )
                for name, question in ROW_BY_ROW.items()
            }

    # Keeping

    async def _sweeps(self) -> None:
        await self.timed("sweep of the ledger, nothing new", self.rounds, self._keep_hours)
        await self._record(FRESH)
        taken, done = [], 1
        while done:
            began = time.perf_counter()
            done = await self._keep_hours()
            if done:
                taken.append(1000 * (time.perf_counter() - began))
        self.note(f"sweep of the ledger, {counting.ENTRIES_AT_ONCE:,} entries at a time", taken)
        await self.timed("sweep of people, looking", 3, self._looked(counting.find_moves))
        await self.timed("sweep of activities, looking", 3, self._looked(counting.find_activities))
        await self.timed("sweep of abilities, looking", 3, self._looked(counting.find_abilities))

        async def compare() -> dict[str, int]:
            async with self.database.write() as session:
                await counting.catch_up(self.work(session))
                return await counting.differences(self.work(session))

        assert await self.timed("muster doctor --statistics", 1, compare) == {}

    async def _keep_hours(self) -> int:
        async with self.database.write() as session:
            return await counting.keep_hours(self.work(session))

    def _looked(self, look: Callable[[Work], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
        async def looked() -> Any:
            async with self.database.read() as session:
                return await look(self.work(session))

        return looked

    async def _record(self, entries: int) -> None:
        """Half an hour more for somebody of each of so many attendances, served today."""
        salt = secrets.token_hex(4)
        async with self.database.write() as session:
            await session.execute(
                text(
                    "INSERT INTO ledger_entry (organisation_id, sequence, kind, person_id,"
                    " attendance_id, field_id, corrects_id, minutes, served_at, recorded_at,"
                    " recorded_by_id, previous_hash, hash) SELECT e.organisation_id,"
                    " o.ledger_length + row_number() OVER (PARTITION BY e.organisation_id),"
                    " 'correction', e.person_id, e.attendance_id, e.field_id, e.id, 30, :at, :at,"
                    " 1, '', :salt || e.id FROM ledger_entry e JOIN organisation o"
                    " ON o.id = e.organisation_id WHERE e.id % :every = 0 LIMIT :entries"
                ),
                {"at": _written(self.at), "salt": salt, "entries": entries, "every": 7},
            )
            await session.execute(
                text(
                    "UPDATE organisation SET ledger_length = (SELECT count(*) FROM ledger_entry"
                    " WHERE organisation_id = organisation.id)"
                )
            )


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=None).strftime(service_city.FORMAT)


async def run(asked: argparse.Namespace, folder: Path) -> list[Row]:
    use_keyring(Keyring.fresh())
    bench = Bench(asked.rounds, folder)
    await bench.run(asked.volunteers, asked.entries)
    return bench.rows


def table(rows: list[Row], asked: argparse.Namespace) -> Table:
    shown = Table(
        "", "p50 ms", "p95 ms", "most ms", "CPU ms", "times", "aim ms",
        title=f"Statistics: {asked.volunteers:,} volunteers, {asked.entries:,} entries, SQLite",
    )  # fmt: skip
    for row in rows:
        figures = (f"{row[name]:,.1f}" for name in ("p50_ms", "p95_ms", "most_ms"))
        aim = f"{row['aim_ms']:.0f}" if row["aim_ms"] else ""
        cpu = f"{row['cpu_ms']:.0f}" if row["cpu_ms"] else ""
        shown.add_row(row["what"], *figures, cpu, str(row["times"]), aim)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--volunteers", type=int, default=400_000)
    parser.add_argument("--entries", type=int, default=5_000_000)
    asked = parser.parse_args()
    described = machine()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        rows = uvloop.run(run(asked, Path(folder)))
    out = Console(width=None if os.isatty(1) else 160)
    out.print(table(rows, asked))
    out.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if asked.json is not None:
        written = json.dumps({"machine": described, "figures": rows}, indent=2)
        asked.json.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

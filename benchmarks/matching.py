"""How fast those who may be called are found: `python -m benchmarks.matching --postgresql`.

The 200 nearest with skills and qualifications, and by all rules of call-outs at eleven at night,
beside the same questions asked of NumPy arrays in memory, the practical floor, in the same run.
Both must name the same people on every question.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks import audience_city, databases
from benchmarks.__main__ import machine
from benchmarks.audience_city import Array, Crowd, Terms
from benchmarks.figures import percentile
from benchmarks.processes import ROOT
from bot import schema
from models import Callout, Database, Need
from models.sealed import Keyring, use_keyring
from services import candidates, geo, nearest, traits
from services.audiences import years_before
from services.founding import found_city
from services.nearest import Wanted
from services.policy import Policy
from services.work import Work

QUESTIONS, NEAREST = 200, 200
COMMON = 20
"""The most popular terms of a kind, which are asked for."""
SAMPLE = ROOT / "samples" / "zhongshan"
SKILLED, BY_ALL_RULES = "skills and qualification", "by all rules"
AIMS = {
    ("SQLite", SKILLED): 1.5,
    ("PostgreSQL", SKILLED): 2.0,
    ("SQLite", BY_ALL_RULES): 2.5,
    ("PostgreSQL", BY_ALL_RULES): 3.5,
}
"""The p99 of the database's answers as a ratio to NumPy's, at a million."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Who is wanted where; degrees and metres, terms by key."""

    latitude: float
    longitude: float
    metres: float
    skills: list[int]
    kinds: list[int]
    languages: list[int]


def some_questions(words: Terms, *, spoken: bool, seed: int = 5) -> list[Question]:
    """Each wants one to three skills, a third of them a document, and if `spoken` a language."""
    chance = random.Random(seed)

    def keys(terms: Array, most: int) -> list[int]:
        return chance.sample(terms[:COMMON].tolist(), chance.randint(1, most))

    def question() -> Question:
        town = chance.choice(words.towns)
        return Question(
            (town.latitude or 0.0) + chance.gauss(0, 0.02),
            (town.longitude or 0.0) + chance.gauss(0, 0.02),
            chance.uniform(2_000, 30_000),
            keys(words.skills, 3),
            keys(words.kinds, 1) if chance.random() < 0.3 else [],
            keys(words.spoken, 1) if spoken and chance.random() < 0.3 else [],
        )

    return [question() for _ in range(QUESTIONS)]


class Floor:
    """Looks at everybody who may be called, in memory: what they have first, then the rest."""

    def __init__(self, words: Terms, people: Crowd, today: date) -> None:
        may = np.flatnonzero(people.callable & ~np.isnan(people.latitude))
        self.words = words
        self.key = may + 1
        self.latitude, self.longitude = people.latitude[may], people.longitude[may]
        self.skills = audience_city.masks(people.skills[may])
        self.valid = audience_city.masks(people.valid[may])
        self.spoken = audience_city.masks(people.spoken[may])
        self.reachable = (people.account & ~people.blocked & ~people.paused)[may]
        adult = np.datetime64(years_before(today, Policy().adult_age))
        self.free = self.reachable & ~(people.sleeps | people.engaged)[may]
        self.free &= people.born[may] <= adult
        reach = people.reach[may] * 1000.0
        self.reach_squared = np.where(reach == 0, np.inf, reach**2)

    def nearest(self, asked: Question) -> list[int]:
        """With what is wanted, reachable and not paused."""
        at = self._having(asked)
        at = at[self.reachable[at]]
        squared = self._squared(at, asked)
        return self._first(at, squared, squared <= asked.metres**2)

    def by_all_rules(self, asked: Question) -> list[int]:
        at = self._having(asked)
        at = at[self.free[at]]
        squared = self._squared(at, asked)
        within = (squared <= asked.metres**2) & (squared <= self.reach_squared[at])
        return self._first(at, squared, within)

    def _having(self, asked: Question) -> Array:
        words = self.words
        fits = np.ones(len(self.key), dtype=bool)
        for held, terms, keys in (
            (self.skills, words.skills, asked.skills),
            (self.valid, words.kinds, asked.kinds),
            (self.spoken, words.spoken, asked.languages),
        ):
            if keys:
                wanted = audience_city.mask(terms, keys)
                fits &= held & wanted == wanted
        return np.flatnonzero(fits)

    def _squared(self, at: Array, asked: Question) -> Array:
        north = (self.latitude[at] - asked.latitude) * geo.METRES_PER_DEGREE
        per_degree = geo.metres_per_degree_east(asked.latitude)
        east = (self.longitude[at] - asked.longitude) * per_degree
        return north * north + east * east

    def _first(self, at: Array, squared: Array, within: Array) -> list[int]:
        """The keys of the nearest; of those who live together, the lowest first."""
        key, squared = self.key[at[within]], squared[within]
        if len(squared) > NEAREST:
            near = squared <= np.partition(squared, NEAREST - 1)[NEAREST - 1]
            key, squared = key[near], squared[near]
        found: list[int] = key[np.lexsort((key, squared))][:NEAREST].tolist()
        return found


# Measuring


class Bench:
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.rows: list[Row] = []

    def note(self, engine: str, size: int, what: str, taken: list[float], **more: Any) -> Row:
        row = {
            "engine": engine,
            "volunteers": size,
            "what": what,
            "p50_ms": percentile(taken, 0.5),
            "p99_ms": percentile(taken, 0.99),
            **more,
        }
        self.rows.append(row)
        print(row, file=sys.stderr)
        return row

    async def run(self, engine: str, url: str, size: int) -> None:
        database = Database(url)
        at = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0)
        words, people = await _settle(database, size, at)
        await self._keeping(engine, database, size, at)
        floor = Floor(words, people, at.date())
        del people
        await database.close()
        await self.ask(engine, url, words, floor, size, at)

    async def ask(  # noqa: PLR0917 - two who answer, and when
        self, engine: str, url: str, words: Terms, floor: Floor, size: int, at: datetime
    ) -> None:
        """At 15:00 UTC it is eleven at night in the city. Nothing is kept in memory beforehand."""
        database = Database(url)
        async with database.read() as session:
            work = Work(session, at, Policy())
            asked = some_questions(words, spoken=False)
            await self._compare(
                engine, size, SKILLED, asked, partial(_by_skill, work), floor.nearest
            )
            asked = some_questions(words, spoken=True)
            answer = partial(_by_all_rules, work, words.root)
            await self._compare(engine, size, BY_ALL_RULES, asked, answer, floor.by_all_rules)
        await database.close()
        with get_context("spawn").Pool(1) as others:
            self.rows[-1]["memory_mib"] = await asyncio.to_thread(others.apply, memory, (url, at))
        print(self.rows[-1], file=sys.stderr)

    async def _keeping(self, engine: str, database: Database, size: int, at: datetime) -> None:
        """What it costs to keep the postings: all made anew, and one person's when they move."""
        began = time.perf_counter()
        async with database.write() as session:
            await traits.renew_all(Work(session, at, Policy()))
        self.note(engine, size, "all rows made anew", [1000 * (time.perf_counter() - began)])
        taken = []
        for key in range(1, QUESTIONS):
            began = time.perf_counter()
            async with database.write() as session:
                await traits.renew(Work(session, at, Policy()), [key])
            taken.append(1000 * (time.perf_counter() - began))
        self.note(engine, size, "one person's rows made anew", taken)
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))

    async def _compare(  # noqa: PLR0917 - two who answer, and what
        self,
        engine: str,
        size: int,
        what: str,
        asked: list[Question],
        ask: Callable[[Question], Any],
        floor: Callable[[Question], list[int]],
    ) -> None:
        """Both in turns, round by round, after one that warms up."""
        taken: list[float] = []
        lowest: list[float] = []
        for number in range(self.rounds + 1):
            answers, right = [], []
            for question in asked:
                began = time.perf_counter()
                answers.append(await ask(question))
                if number:
                    taken.append(1000 * (time.perf_counter() - began))
            for question in asked:
                began = time.perf_counter()
                right.append(floor(question))
                if number:
                    lowest.append(1000 * (time.perf_counter() - began))
            for question, answer, expected in zip(asked, answers, right, strict=True):
                assert answer == expected, question
        below = self.note("NumPy", size, what, lowest)
        ratio = percentile(taken, 0.99) / below["p99_ms"]
        self.note(engine, size, what, taken, p99_ratio=ratio)


def memory(url: str, at: datetime) -> float:
    """MiB that all questions add to a process which has done nothing else with its connection."""

    async def ask() -> float:
        database = Database(url)
        words = await audience_city.terms(database)
        await database.close()
        asked = some_questions(words, spoken=True)
        database = Database(url)
        async with database.read() as session:
            work = Work(session, at, Policy())
            await _by_all_rules(work, words.root, asked[0])
            before = _resident()
            for question in asked:
                await _by_all_rules(work, words.root, question)
        added = _resident() - before
        await database.close()
        return added

    use_keyring(Keyring.fresh())
    return asyncio.run(ask())


def _resident() -> float:
    """MiB of this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def _by_skill(work: Work, asked: Question) -> list[int]:
    wanted = Wanted(asked.skills, asked.kinds)
    found = await nearest.nearest(
        work, asked.latitude, asked.longitude, asked.metres, wanted, NEAREST
    )
    return [one.person_id for one in found]


async def _by_all_rules(work: Work, root: int, asked: Question) -> list[int]:
    callout = Callout(
        id=0, organisation_id=root, drill=False, critical=False,
        latitude=asked.latitude, longitude=asked.longitude,
    )  # fmt: skip
    need = Need(skills=asked.skills, qualifications=asked.kinds, languages=asked.languages)
    found = await candidates.within(work, callout, need, asked.metres, NEAREST)
    return [one.person_id for one in found]


async def _settle(database: Database, size: int, at: datetime) -> tuple[Terms, Crowd]:
    """A city full of volunteers, some of them at another call-out."""
    await schema.upgrade(database)
    async with database.write() as session:
        await found_city(session, SAMPLE)
    words = await audience_city.terms(database)
    people = audience_city.crowd(words, size, at.date())
    await audience_city.write(database, words, people, at)
    await audience_city.engage(database, words, people, at)
    return words, people


async def run(asked: argparse.Namespace, folder: Path) -> list[Row]:
    use_keyring(Keyring.fresh())
    bench = Bench(asked.rounds)
    async with AsyncExitStack() as stack:
        server = None
        if asked.postgresql:
            server = databases.Postgres(folder / "postgresql")
            stack.push_async_callback(server.stop)
        for size in asked.sizes:
            place = folder / str(size)
            place.mkdir()
            await bench.run("SQLite", databases.sqlite(place), size)
            if server is not None:
                await bench.run("PostgreSQL", await server.create(f"muster{size}"), size)
    return bench.rows


def table(rows: list[Row]) -> Table:
    columns = ("", "volunteers", "", "p50 ms", "p99 ms", "p99 / NumPy", "aim", "MiB added")
    shown = Table(*columns, title=f"The {NEAREST} nearest who may be called")
    for row in rows:
        aim = AIMS.get((row["engine"], row["what"]))
        shown.add_row(
            row["what"],
            f"{row['volunteers']:,}",
            row["engine"],
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['p99_ratio']:.2f}" if "p99_ratio" in row else "",
            str(aim or ""),
            f"{row['memory_mib']:.0f}" if "memory_mib" in row else "",
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matching", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[400_000, 1_000_000])
    parser.add_argument("--postgresql", action="store_true", help="there as well")
    asked = parser.parse_args()
    described = machine()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        rows = uvloop.run(run(asked, Path(folder)))
    out = Console(width=None if os.isatty(1) else 160)
    out.print(table(rows))
    out.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if asked.json is not None:
        written = json.dumps({"machine": described, "figures": rows}, indent=2)
        asked.json.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

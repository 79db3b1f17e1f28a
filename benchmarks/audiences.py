"""How long it takes to count an audience: `python -m benchmarks.audiences`.

Beside it the same questions asked of NumPy arrays in memory, the practical floor; both must answer
alike on every question.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
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
from models import Database, Person
from models.sealed import Keyring, use_keyring
from services import audiences, geo, traits
from services.audiences import Audience, Near
from services.founding import found_city
from services.policy import Policy
from services.work import Work

AUDIENCES = 30
SAMPLE = ROOT / "samples" / "zhongshan"

Row = dict[str, Any]


# What is asked


def some_audiences(words: Terms, seed: int = 7) -> list[Audience]:
    """Each makes some of the choices; the first makes none but the whole city."""
    chance = random.Random(seed)
    city = words.root
    return [Audience(organisations=(city,))] + [
        _some_audience(chance, words, city) for _ in range(AUDIENCES - 1)
    ]


def _some_audience(chance: random.Random, words: Terms, city: int) -> Audience:
    town = chance.choice(words.towns)
    chosen: dict[str, Any] = {"organisations": (city,)}
    if chance.random() < 0.4:
        chosen["organisations"] = tuple(
            one.id for one in chance.sample(words.towns, chance.randint(1, 3))
        )
    if chance.random() < 0.3:
        chosen["near"] = Near(
            latitude=town.latitude or 0.0,
            longitude=town.longitude or 0.0,
            metres=chance.choice((2_000, 5_000, 10_000, 20_000)),
        )
    if chance.random() < 0.5:
        chosen["skills"] = _keys(chance, words.skills, 3)
        chosen["skills_all"] = chance.random() < 0.5
    if chance.random() < 0.2:
        chosen["qualifications"] = _keys(chance, words.kinds, 1)
    if chance.random() < 0.3:
        chosen["interests"] = _keys(chance, words.fields, 2)
    if chance.random() < 0.2:
        chosen["languages"] = _keys(chance, words.spoken, 2)
    if chance.random() < 0.4:
        chosen["age_from"], chosen["age_to"] = 18, chance.randint(30, 70)
    if chance.random() < 0.2:
        chosen["written"] = chance.choice(("zh_Hans", "en"))
    if chance.random() < 0.4:
        chosen["active_within_days"] = chance.choice((7, 30, 90))
    if chance.random() < 0.2:
        chosen["stars_from"] = chance.randint(1, 3)
    if chance.random() < 0.3:
        chosen["experience"] = chance.choice(("enrolled", "attended", "never"))
    return Audience(**chosen)


def _keys(chance: random.Random, keys: Array, most: int) -> tuple[int, ...]:
    return tuple(chance.sample(keys[:20].tolist(), chance.randint(1, most)))


# The same by brute force


class Brute:
    """Looks at everybody, in memory."""

    def __init__(self, words: Terms, people: Crowd, today: date) -> None:
        self.words, self.people = words, people
        self.today = np.datetime64(today)
        self.related = np.array([self._related(field) for field in words.fields])
        self.interested = people.interests.astype(np.float32) @ self.related > 0
        self.bits = {
            "skills": audience_city.masks(people.skills),
            "interests": audience_city.masks(self.interested),
            "valid": audience_city.masks(people.valid),
            "spoken": audience_city.masks(people.spoken),
        }
        homes = {one.id: (one.latitude, one.longitude) for one in words.places}
        at_home = np.array([homes[key] for key in people.organisation.tolist()], dtype=float)
        unknown = np.isnan(people.latitude)
        self.latitude = np.where(unknown, at_home[:, 0], people.latitude)
        self.longitude = np.where(unknown, at_home[:, 1], people.longitude)

    def _related(self, field: int) -> Array:
        """Which fields somebody who named this one is interested in."""
        words = self.words
        parent = words.parents[words.fields == field][0]
        near: Array = (words.fields == field) | (words.parents == field) | (words.fields == parent)
        return near.astype(np.float32)

    def count(self, audience: Audience) -> tuple[int, int]:
        """How many it fits, and how many of them a newsletter reaches."""
        people = self.people
        fits = np.ones(len(people.organisation), dtype=bool)
        for condition in self._conditions(audience):
            fits &= condition
        reached = fits & people.account & ~people.blocked & ~people.paused & ~people.opted_out
        return int(fits.sum()), int(reached.sum())

    def _conditions(self, audience: Audience) -> Iterable[Array]:
        people, words = self.people, self.words
        below = [
            one.id
            for one in words.places
            if any(f".{key}." in f".{one.path}" for key in audience.organisations)
        ]
        if len(below) < len(words.places):
            yield np.isin(people.organisation, below)
        if audience.near is not None:
            at = audience.near
            yield self._squared(at.latitude, at.longitude) <= at.metres**2
        yield from self._held(audience)
        yield from self._described(audience)

    def _held(self, audience: Audience) -> Iterable[Array]:
        words = self.words
        if audience.skills:
            wanted = audience_city.mask(words.skills, audience.skills)
            held = self.bits["skills"] & wanted
            yield held == wanted if audience.skills_all else held != 0
        if audience.qualifications:
            wanted = audience_city.mask(words.kinds, audience.qualifications)
            yield self.bits["valid"] & wanted == wanted
        if audience.interests:
            yield self.bits["interests"] & audience_city.mask(words.fields, audience.interests) != 0
        if audience.languages:
            yield self.bits["spoken"] & audience_city.mask(words.spoken, audience.languages) != 0

    def _described(self, audience: Audience) -> Iterable[Array]:
        people, day = self.people, self.today.astype(date)
        if audience.age_from is not None:
            yield people.born <= np.datetime64(audiences.years_before(day, audience.age_from))
        if audience.age_to is not None:
            yield people.born > np.datetime64(audiences.years_before(day, audience.age_to + 1))
        if audience.written is not None:
            yield audience_city.LANGUAGES[people.language] == audience.written
        if audience.active_within_days is not None:
            yield (people.seen >= 0) & (people.seen <= audience.active_within_days)
        if audience.stars_from:
            hours = Policy().star_hours[audience.stars_from - 1]
            yield people.minutes >= 60 * hours
        if audience.experience == "never":
            yield (people.enrolled == 0) & (people.attended == 0)
        elif audience.experience:
            yield getattr(people, audience.experience) > 0

    def _squared(self, latitude: float, longitude: float) -> Array:
        north = (self.latitude - latitude) * geo.METRES_PER_DEGREE
        east = (self.longitude - longitude) * geo.metres_per_degree_east(latitude)
        return north * north + east * east


# Measuring


async def measured(
    rounds: int, asked: list[Any], ask: Callable[[Any], Awaitable[Any]]
) -> tuple[list[float], list[Any]]:
    """Milliseconds of each question of each round, after one that warms up; the last answers."""
    taken: list[float] = []
    answers: list[Any] = []
    for number in range(rounds + 1):
        answers = []
        for question in asked:
            began = time.perf_counter()
            answers.append(await ask(question))
            if number:
                taken.append(1000 * (time.perf_counter() - began))
    return taken, answers


class Bench:
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.rows: list[Row] = []

    def note(self, kind: str, size: int, what: str, taken: list[float]) -> None:
        row = {
            "engine": kind,
            "volunteers": size,
            "what": what,
            "p50_ms": percentile(taken, 0.5),
            "p99_ms": percentile(taken, 0.99),
        }
        self.rows.append(row)
        print(row, file=sys.stderr)

    async def run(self, kind: str, url: str, size: int) -> None:
        database = Database(url)
        await schema.upgrade(database)
        async with database.write() as session:
            await found_city(session, SAMPLE)
        at = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0)
        words = await audience_city.terms(database)
        people = audience_city.crowd(words, size, at.date())
        await audience_city.write(database, words, people, at)
        await self._fill(kind, database, people, at)
        brute = Brute(words, people, at.date())
        async with database.read() as session:
            actor = await session.get_one(Person, 1)
            work = Work(session, at, Policy(), actor)
            await self._counts(kind, work, brute, size)
        await database.close()

    async def _fill(self, kind: str, database: Database, people: Crowd, at: datetime) -> None:
        size = len(people.born)
        began = time.perf_counter()
        async with database.write() as session:
            await traits.renew_all(Work(session, at, Policy()))
        self.note(kind, size, "all rows made anew", [1000 * (time.perf_counter() - began)])
        began = time.perf_counter()
        async with database.read() as session:
            wrong = await traits.differences(Work(session, at, Policy()))
        self.note(kind, size, "all rows compared", [1000 * (time.perf_counter() - began)])
        assert wrong == []
        await audience_city.put_in_service(database, people)
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE"))

    async def _counts(self, kind: str, work: Work, brute: Brute, size: int) -> None:
        asked = some_audiences(brute.words)

        async def count(audience: Audience) -> tuple[int, int]:
            found = await audiences.count(work, audience, "newsletter")
            return found.total, found.reachable

        async def by_numpy(audience: Audience) -> tuple[int, int]:
            return brute.count(audience)

        taken, answers = await measured(self.rounds, asked, count)
        floor, right = await measured(self.rounds, asked, by_numpy)
        for audience, answer, expected in zip(asked, answers, right, strict=True):
            assert answer == expected, (audience, answer, expected)
        self.note(kind, size, "count of an audience", taken)
        self.note("NumPy", size, "count of an audience", floor)


async def run(asked: argparse.Namespace, folder: Path) -> list[Row]:
    use_keyring(Keyring.fresh())
    bench = Bench(asked.rounds)
    async with AsyncExitStack() as stack:
        for size in asked.volunteers:
            place = folder / str(size)
            place.mkdir()
            await bench.run("SQLite", databases.sqlite(place), size)
        if asked.postgresql:
            server = databases.Postgres(folder / "postgresql")
            stack.push_async_callback(server.stop)
            size = asked.volunteers[0]
            await bench.run("PostgreSQL", await server.create("muster"), size)
    return bench.rows


def table(rows: list[Row]) -> Table:
    shown = Table("", "volunteers", "", "p50 ms", "p99 ms", title="Audiences")
    for row in rows:
        figures = (f"{row[name]:.1f}" for name in ("p50_ms", "p99_ms"))
        shown.add_row(row["what"], f"{row['volunteers']:,}", row["engine"], *figures)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audiences", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--volunteers", type=int, nargs="+", default=[400_000, 1_000_000])
    parser.add_argument(
        "--postgresql", action="store_true", help="the first number of volunteers there as well"
    )
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

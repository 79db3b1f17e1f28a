"""A big city's volunteers for the benchmark of audiences: in the database, and as NumPy arrays.

They live round the towns of the sample city; skills are as unequally known as words (Zipf).
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import repeat
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import numpy as np
from sqlalchemy import insert, make_url, select, text

from models import (
    Callout,
    CalloutState,
    Database,
    Emergency,
    Need,
    Organisation,
    OrganisationKind,
    QualificationKind,
    Response,
    ResponseState,
    ServiceField,
    Skill,
    SpokenLanguage,
)

Array = np.ndarray[Any, np.dtype[Any]]

FIRST_CHAT = 5_000_000
SKILLS_EACH, INTERESTS_EACH, LANGUAGES_EACH, QUALIFICATIONS_EACH = 2.6, 1.5, 1.7, 0.3
TOWN_METRES = 2_500.0
"""Spread of the homes round a town's middle."""
METRES_PER_DEGREE = 111_195.0
LANGUAGES = np.array(["zh_Hans", "en"])
LOT = 50_000
"""Rows that are handed to the database at a time."""


@dataclass(slots=True)
class Terms:
    """The city's words and where its towns are."""

    skills: Array
    fields: Array
    parents: Array
    """Of the fields, 0 for none."""
    kinds: Array
    spoken: Array
    places: list[Organisation]
    """Every organisation."""
    towns: list[Organisation]
    homes: dict[int, list[int]]
    """Town -> itself and the organisations below."""

    @property
    def root(self) -> int:
        return next(one.id for one in self.places if one.parent_id is None)


@dataclass(slots=True)
class Crowd:
    """A row for each volunteer, in the order of their keys 1, 2, ...; pairs for what is many."""

    organisation: Array
    latitude: Array
    longitude: Array
    born: Array
    language: Array
    skills: Array
    """volunteer x term, true where it is held; the others alike."""
    interests: Array
    qualifications: Array
    valid: Array
    spoken: Array
    paused: Array
    callable: Array
    account: Array
    blocked: Array
    opted_out: Array
    seen: Array
    """Days since they last wrote."""
    enrolled: Array
    attended: Array
    minutes: Array
    sleeps: Array
    """Not to be called from ten at night to seven in the morning."""
    reach: Array
    """Kilometres that they go; 0 for any distance."""
    engaged: Array
    """Under way to another call-out."""


async def terms(database: Database) -> Terms:
    async with database.read() as session:
        everywhere = list(await session.scalars(select(Organisation).order_by(Organisation.id)))
        fields = list(await session.scalars(select(ServiceField).order_by(ServiceField.id)))
        keys = [
            np.array(list(await session.scalars(select(kind.id).order_by(kind.id))))
            for kind in (Skill, QualificationKind, SpokenLanguage)
        ]
    towns = [one for one in everywhere if one.kind is OrganisationKind.TOWN_ASSOCIATION]
    return Terms(
        skills=keys[0],
        fields=np.array([field.id for field in fields]),
        parents=np.array([field.parent_id or 0 for field in fields]),
        kinds=keys[1],
        spoken=keys[2],
        places=everywhere,
        towns=towns,
        homes={
            town.id: [one.id for one in everywhere if one.path.startswith(town.path)]
            for town in towns
        },
    )


def crowd(words: Terms, size: int, today: date, seed: int = 1) -> Crowd:
    chance = np.random.default_rng(seed)
    weights = np.array([town.weight for town in words.towns])
    town = chance.choice(len(words.towns), size, p=weights / weights.sum())
    middle = np.array([(one.latitude, one.longitude) for one in words.towns])[town]
    spread = chance.normal(0.0, TOWN_METRES / METRES_PER_DEGREE, (size, 2))
    place = np.round(middle + spread, 3)
    place[chance.random(size) < 0.1] = np.nan
    homes = [np.array(words.homes[one.id]) for one in words.towns]
    pick = chance.random(size)
    organisation = np.array(
        [homes[t][int(p * len(homes[t]))] for t, p in zip(town, pick, strict=True)]
    )
    account = chance.random(size) < 0.97
    enrolled = chance.poisson(chance.gamma(0.7, 4.0, size)).astype(np.int64)
    attended = chance.binomial(enrolled, 0.8)
    qualifications = _held(chance, size, len(words.kinds), QUALIFICATIONS_EACH)
    return Crowd(
        organisation=organisation,
        latitude=place[:, 0],
        longitude=place[:, 1],
        born=np.datetime64(today) - chance.integers(10 * 365, 80 * 365, size),
        language=(chance.random(size) < 0.08).astype(np.int8),
        skills=_held(chance, size, len(words.skills), SKILLS_EACH),
        interests=_held(chance, size, len(words.fields), INTERESTS_EACH),
        qualifications=qualifications,
        valid=qualifications & (chance.random(qualifications.shape) < 0.9),
        spoken=_held(chance, size, len(words.spoken), LANGUAGES_EACH),
        paused=chance.random(size) < 0.03,
        callable=chance.random(size) < 0.6,
        account=account,
        blocked=account & (chance.random(size) < 0.04),
        opted_out=chance.random(size) < 0.06,
        seen=np.where(account, (chance.exponential(60.0, size)).astype(np.int64), -1),
        enrolled=enrolled,
        attended=attended,
        minutes=attended * chance.integers(60, 300, size),
        sleeps=chance.random(size) < 0.3,
        reach=chance.choice([0, 0, 0, 5, 10, 20], size),
        engaged=chance.random(size) < 0.12,
    )


def _held(chance: np.random.Generator, size: int, number: int, each: float) -> Array:
    """Which of `number` terms each holds: the n-th most popular one a 1/n as often."""
    shares = 1.0 / np.arange(1, number + 1)
    shares *= each / shares.sum()
    return chance.random((size, number)) < np.minimum(shares, 0.9)


def masks(held: Array) -> Array:
    """What each holds as bits by position."""
    bits = np.zeros(len(held), dtype=np.uint64)
    for at in range(held.shape[1]):
        bits |= held[:, at].astype(np.uint64) << np.uint64(at)
    return bits


def mask(terms: Array, keys: Iterable[int]) -> Any:
    """Bits by position, which are no one's to share: the arrays hold at most 64 terms."""
    return np.uint64(sum(1 << int(np.flatnonzero(terms == key)[0]) for key in keys))


# Into the database

Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What lists know somebody by; those of other benchmarks are all called the same."""

    standing: str = "active"
    name: str = "志愿者"
    search: str = "zhiyuanzhe"
    number: str | None = None
    phone: bytes | None = None
    """Sealed."""
    phone_tail_hash: str | None = None


async def write(
    database: Database,
    words: Terms,
    people: Crowd,
    work_at: datetime,
    identities: Iterable[Identity] | None = None,
) -> None:
    tables: tuple[tuple[str, tuple[str, ...], Rows], ...] = (
        (
            "person",
            ("id", "standing", "organisation_id", "language", "name", "name_search", "birth_date",
             "phone_verified", "latitude", "longitude", "availability", "emergency_opt_in",
             "paused_until", "applied_at", "call_from", "call_until", "number", "phone",
             "phone_tail_hash"),
            _people(people, work_at, identities or repeat(Identity())),
        ),
        (
            "account",
            ("telegram_id", "person_id", "language", "language_chosen", "unreachable_since",
             "first_seen_at", "last_seen_at"),
            _accounts(people, work_at),
        ),
        ("person_skill", ("person_id", "skill_id"), _pairs(people.skills, words.skills)),
        ("person_interest", ("person_id", "field_id"), _pairs(people.interests, words.fields)),
        (
            "person_language",
            ("person_id", "spoken_language_id"),
            _pairs(people.spoken, words.spoken),
        ),
        (
            "qualification",
            ("person_id", "kind_id", "state", "expires_on", "submitted_at"),
            _documents(people, words, work_at),
        ),
        (
            "role",
            ("id", "person_id", "organisation_id", "kind", "granted_at"),
            iter([(1, 1, words.root, "administrator", work_at)]),
        ),
        (
            "opt_out",
            ("person_id", "kind", "since"),
            ((int(n) + 1, "newsletter", work_at) for n in np.flatnonzero(people.opted_out)),
        ),
        (
            "readiness",
            ("person_id", "reach", "when_critical", "confirmed_at", "asks"),
            (
                (int(n) + 1, int(people.reach[n]) or None, False, work_at, 0)
                for n in np.flatnonzero(people.callable)
            ),
        ),
    )  # fmt: skip
    fill = _into_sqlite if database.is_sqlite else _into_postgresql
    await fill(database, tables)


def _people(people: Crowd, now: datetime, identities: Iterable[Identity]) -> Rows:
    until = now.date() + timedelta(days=30)
    columns = zip(
        people.organisation.tolist(),
        people.language.tolist(),
        people.born.tolist(),
        people.latitude.tolist(),
        people.longitude.tolist(),
        people.callable.tolist(),
        people.paused.tolist(),
        people.sleeps.tolist(),
        strict=True,
    )
    for number, (who, row) in enumerate(zip(identities, columns, strict=False), 1):
        home, language, born, latitude, longitude, may, rests, sleeps = row
        somewhere = latitude == latitude  # noqa: PLR0124 - NaN is the place of nobody
        yield (
            number, who.standing, home, str(LANGUAGES[language]), who.name, who.search, born, True,
            latitude if somewhere else None, longitude if somewhere else None,
            (1 << 21) - 1, may, until if rests else None, now,
            22 * 60 if sleeps else None, 7 * 60 if sleeps else None,
            who.number, who.phone, who.phone_tail_hash,
        )  # fmt: skip


def _accounts(people: Crowd, now: datetime) -> Rows:
    for at in np.flatnonzero(people.account).tolist():
        seen = now - timedelta(days=int(people.seen[at]))
        blocked = now if people.blocked[at] else None
        language = str(LANGUAGES[people.language[at]])
        yield FIRST_CHAT + at, at + 1, language, True, blocked, seen, seen


def _pairs(held: Array, keys: Array) -> Rows:
    for person, term in np.argwhere(held).tolist():
        yield person + 1, int(keys[term])


def _documents(people: Crowd, words: Terms, now: datetime) -> Rows:
    for person, kind in np.argwhere(people.qualifications).tolist():
        days = 100 if people.valid[person, kind] else -100
        expires = now.date() + timedelta(days=days)
        yield person + 1, int(words.kinds[kind]), "verified", expires, now


def _lots(rows: Rows) -> Iterator[list[tuple[Any, ...]]]:
    lot: list[tuple[Any, ...]] = []
    for row in rows:
        lot.append(row)
        if len(lot) == LOT:
            yield lot
            lot = []
    yield lot


async def _into_sqlite(database: Database, tables: Iterable[tuple[Any, ...]]) -> None:
    def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            value.replace(tzinfo=None).isoformat(" ", "microseconds")
            if isinstance(value, datetime)
            else value.isoformat()
            if isinstance(value, date)
            else value
            for value in row
        )

    def fill() -> None:
        with sqlite3.connect(str(database.url.database)) as connection:
            for table, columns, rows in tables:
                marks = ", ".join("?" * len(columns))
                statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
                for lot in _lots(rows):
                    connection.executemany(statement, map(plain, lot))
        connection.close()

    await asyncio.to_thread(fill)


async def _into_postgresql(database: Database, tables: Iterable[tuple[Any, ...]]) -> None:
    address = make_url(database.url).set(drivername="postgresql")
    connection = await asyncpg.connect(address.render_as_string(hide_password=False))
    for table, columns, rows in tables:
        for lot in _lots(rows):
            await connection.copy_records_to_table(table, records=lot, columns=columns)
    await connection.close()


async def put_in_service(database: Database, people: Crowd) -> None:
    """What traits say of service is put in by hand: no shift was held."""
    numbers = zip(
        people.enrolled.tolist(), people.attended.tolist(), people.minutes.tolist(), strict=True
    )
    rows = [
        {"e": enrolled, "a": attended, "m": minutes, "p": number}
        for number, (enrolled, attended, minutes) in enumerate(numbers, 1)
        if enrolled
    ]
    changed = "UPDATE trait SET enrolled = :e, attended = :a, minutes = :m WHERE person_id = :p"
    async with database.write() as session:
        for start in range(0, len(rows), LOT):
            await session.execute(text(changed), rows[start : start + LOT])


async def engage(database: Database, words: Terms, people: Crowd, now: datetime) -> None:
    """Some are under way to another call-out; it is written through the models."""
    async with database.write() as session:
        callout = Callout(
            organisation_id=words.root, commander_id=1, kind=Emergency.FIRE, drill=False,
            address="", latitude=22.5, longitude=113.4, radius=20_000.0,
            state=CalloutState.ACTIVE, word="", created_at=now, holds=True,
        )  # fmt: skip
        session.add(callout)
        await session.flush()
        need = Need(callout_id=callout.id, quota=1, skills=[], qualifications=[], languages=[])
        session.add(need)
        await session.flush()
        rows = [
            {
                "callout_id": callout.id, "person_id": int(at) + 1, "need_id": need.id, "wave": 1,
                "state": ResponseState.COMING, "metres": 0.0, "probability": 0.2, "asked_at": now,
            }
            for at in np.flatnonzero(people.engaged)
        ]  # fmt: skip
        for start in range(0, len(rows), LOT):
            await session.execute(insert(Response), rows[start : start + LOT])

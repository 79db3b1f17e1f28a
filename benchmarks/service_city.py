"""Five years of service of a big city for the benchmark of statistics: shifts, places, the ledger.

Comes after `audience_city`, whose volunteers it gives a past. SQLite only; the chains of the ledger
are numbered but not hashed as `services.ledger` would.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.audience_city import Array, Crowd, Terms
from models import Database

YEARS = 5
SHIFT_HOURS, A_SHIFT = 3, 20
"""Length, and places that are filled."""
SHOWS_UP = 0.93
ACTIVE_SHARE = 0.45
"""Of the volunteers, who ever serve."""
LOT = 100_000
SEED = 3
FORMAT = "%Y-%m-%d %H:%M:%S.%f"


async def write(
    database: Database, words: Terms, people: Crowd, entries: int, now: datetime
) -> None:
    """So many entries of the ledger, and what they rest on."""
    past = _Past(words, people, entries, now, np.random.default_rng(SEED))

    def fill() -> None:
        connection = sqlite3.connect(str(database.url.database), isolation_level=None)
        for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -500000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement, rows in past.statements():
            lot: list[Any] = []
            for row in rows:
                lot.append(row)
                if len(lot) == LOT:
                    connection.executemany(statement, lot)
                    lot.clear()
            connection.executemany(statement, lot)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()

    await database.engine.dispose()  # so that the file may be written without a journal
    await asyncio.to_thread(fill)


class _Past:
    def __init__(
        self, words: Terms, people: Crowd, entries: int, now: datetime, chance: np.random.Generator
    ) -> None:
        self.now = now
        self.field = int(words.fields[0])
        size = len(people.organisation)
        days = YEARS * 365
        self.signed_up = now - _days(days * chance.random(size) ** 1.2)
        self.shifts = int(entries / SHOWS_UP) // A_SHIFT
        began = np.sort(chance.random(self.shifts) ** 0.7) * (days - 1)
        self.day = (days - began).astype(np.int64)
        self.hour = chance.integers(8, 18, self.shifts)
        organisations = np.array([one.id for one in words.places if one.parent_id is not None])
        self.organisation = chance.choice(organisations, self.shifts)
        self.waits = chance.exponential(30.0, self.shifts).astype(np.int64)
        """Hours until the hours of a shift are confirmed."""
        serving = chance.choice(size - A_SHIFT, int(size * ACTIVE_SHARE), replace=False)
        eager = chance.gamma(0.6, 1.0, len(serving))
        picked = chance.choice(serving, self.shifts * A_SHIFT, p=eager / eager.sum())
        self.person = _apart(picked.reshape(self.shifts, A_SHIFT)) + 1
        self.there = chance.random((self.shifts, A_SHIFT)) < SHOWS_UP
        self.minutes = chance.integers(60, SHIFT_HOURS * 60, (self.shifts, A_SHIFT))
        starts = [self._start(shift) for shift in range(self.shifts)]
        length = timedelta(hours=SHIFT_HOURS)
        self.starts = [_written(start) for start in starts]
        self.ends = [_written(start + length) for start in starts]
        self.decisions = [
            _written(start + length + timedelta(hours=int(hours)))
            for start, hours in zip(starts, self.waits, strict=True)
        ]

    def statements(self) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
        at = _written
        yield (
            "UPDATE person SET registered_at = ? WHERE id = ?",
            ((at(moment), number) for number, moment in enumerate(self.signed_up, 1)),
        )
        yield (
            "INSERT INTO activity (id, organisation_id, field_id, state, title, description,"
            " address, latitude, longitude, radius, confirmation, bring, contact, created_by_id,"
            " created_at) VALUES (?, ?, ?, 'published', '', '', '', 22.5, 113.4, 300, 'automatic',"
            " '', '', 1, ?)",
            (
                (number, int(home), self.field, at(self.now))
                for number, home in enumerate(self.organisation, 1)
            ),
        )
        yield (
            "INSERT INTO shift (id, activity_id, title, starts_at, ends_at, quota, taken,"
            " least_age) VALUES (?, ?, '', ?, ?, ?, ?, 0)",
            (
                (number + 1, number + 1, self.starts[number], self.ends[number],
                 A_SHIFT + 4, A_SHIFT)
                for number in range(self.shifts)
            ),
        )  # fmt: skip
        yield (
            "INSERT INTO enrolment (id, shift_id, person_id, state, walk_in, queued_at, reconfirm,"
            " cancelled_late) VALUES (?, ?, ?, ?, 0, ?, 0, 0)",
            self._enrolments(),
        )
        yield (
            "INSERT INTO attendance (id, enrolment_id, checked_in_at, in_means, checked_out_at,"
            " out_means, state, minutes, decided_at, decided_by_id)"
            " VALUES (?, ?, ?, 'roll', ?, 'roll', 'confirmed', ?, ?, 1)",
            self._attendances(),
        )
        yield (
            "INSERT INTO ledger_entry (id, organisation_id, sequence, kind, person_id,"
            " attendance_id, field_id, minutes, served_at, recorded_at, recorded_by_id,"
            " previous_hash, hash) VALUES (?, ?, ?, 'confirmation', ?, ?, ?, ?, ?, ?, 1, '', ?)",
            self._entries(),
        )
        yield (
            "UPDATE organisation SET ledger_length ="
            " (SELECT count(*) FROM ledger_entry WHERE organisation_id = organisation.id)"
            " WHERE ? = 1",
            iter([(1,)]),
        )

    def _start(self, shift: int) -> datetime:
        day = self.now - timedelta(days=int(self.day[shift]))
        return day.replace(hour=0, minute=0) + timedelta(hours=int(self.hour[shift]) - 8)

    def _enrolments(self) -> Iterator[tuple[Any, ...]]:
        key = 0
        for shift in range(self.shifts):
            queued = self.starts[shift]
            for person, came in zip(
                self.person[shift].tolist(), self.there[shift].tolist(), strict=True
            ):
                key += 1
                state = "attended" if came else "no_show"
                yield key, shift + 1, person, state, queued

    def _present(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Key of the attendance, shift, key of the enrolment, person and minutes."""
        key = 0
        for shift in range(self.shifts):
            rows = zip(
                self.there[shift].tolist(),
                self.person[shift].tolist(),
                self.minutes[shift].tolist(),
                strict=True,
            )
            for place, (came, person, minutes) in enumerate(rows, 1):
                if came:
                    key += 1
                    yield key, shift, shift * A_SHIFT + place, person, minutes

    def _attendances(self) -> Iterator[tuple[Any, ...]]:
        for key, shift, enrolment, _, minutes in self._present():
            yield (
                key, enrolment, self.starts[shift], self.ends[shift], minutes,
                self.decisions[shift],
            )  # fmt: skip

    def _entries(self) -> Iterator[tuple[Any, ...]]:
        homes = self.organisation.tolist()
        lengths = dict.fromkeys(homes, 0)
        for key, shift, _, person, minutes in self._present():
            home = homes[shift]
            lengths[home] += 1
            yield (
                key, home, lengths[home], person, key, self.field, minutes, self.starts[shift],
                self.decisions[shift], f"{key:064x}",
            )  # fmt: skip


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=None).strftime(FORMAT)


def _days(numbers: Array) -> Array:
    return np.array([timedelta(days=float(number)) for number in numbers])


def _apart(people: Array) -> Array:
    """Nobody stands twice in a row: who does gives way to a neighbour by key."""
    ordered = np.sort(people, axis=1)
    for _ in range(people.shape[1]):
        twice = ordered[:, 1:] <= ordered[:, :-1]
        if not twice.any():
            break
        ordered[:, 1:] = np.where(twice, ordered[:, :-1] + 1, ordered[:, 1:])
    return ordered

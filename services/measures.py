"""The figures of all topics beside hours and activities: kept by organisation and month.

A sweep counts the present month and the one before it every ten minutes, and all of them once a
day, since what is long over can still be put right.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select

from models import MeasureCount, Organisation
from services import (
    activity_files,
    affiliations,
    care_measures,
    complaints,
    counting,
    drills,
    incidents,
    insurance,
    marks,
    organisations,
    parties,
    plans,
    project_list,
    ratings,
    recognition,
    reliability,
    remote,
    reorganising,
    series,
    stories,
    together,
    training,
)
from services.measuring import Measure, Unit
from services.statistics import Span, check_sees, span
from services.work import Work

MEASURES: tuple[Measure, ...] = (
    *stories.MEASURES,
    *series.MEASURES,
    *drills.MEASURES,
    *incidents.MEASURES,
    *insurance.MEASURES,
    *reorganising.MEASURES,
    *plans.MEASURES,
    *activity_files.MEASURES,
    *training.MEASURES,
    *recognition.MEASURES,
    *project_list.MEASURES,
    *ratings.MEASURES,
    *complaints.MEASURES,
    *reliability.MEASURES,
    *remote.MEASURES,
    *together.MEASURES,
    *parties.MEASURES,
    *affiliations.MEASURES,
    *marks.MEASURES,
    *care_measures.MEASURES,
)
"""In the order in which they are shown; those of a topic stand together."""
MONTHS_LATELY = 2
AT_ONCE = 1_000

Cell = tuple[int, int, str]
"""Organisation, month, measure."""


# Keeping


@dataclass(frozen=True, slots=True)
class Found:
    """What was counted from a month on; None: in all of them."""

    since: int | None
    numbers: dict[Cell, int]


async def look(work: Work) -> Found | None:
    """Counts what is due, in a transaction that nobody waits for."""
    if await counting.is_due(work, counting.ALL_MEASURES):
        return await count(work, None)
    if await counting.is_due(work, counting.MEASURES):
        return await count(work, counting.month_of(work, work.now) - MONTHS_LATELY + 1)
    return None


async def count(work: Work, since: int | None) -> Found:
    """From the tables themselves."""
    numbers: dict[Cell, int] = {}
    on_postgresql, offset = counting.is_postgresql(work), counting.offset_of(work)
    begins = {} if since is None else {"begins": counting.starts(work, since)}
    for measure in MEASURES:
        by_month = _by_month(measure, on_postgresql, offset, bounded=since is not None)
        for key, at, total in await work.session.execute(by_month, begins):
            if total:
                numbers[key, at, measure.name] = int(total)
    return Found(since, numbers)


@cache
def _by_month(
    measure: Measure, on_postgresql: bool, offset: timedelta, *, bounded: bool
) -> Select[*tuple[Any, ...]]:
    """Made once, since making these many takes as long as running them."""
    organisation_id, moment, number = measure.rows().subquery().c
    month = counting.month_by(on_postgresql, offset, moment)
    rows = select(organisation_id, month, func.sum(number)).where(moment.is_not(None))
    if bounded:
        rows = rows.where(moment >= bindparam("begins", type_=moment.type))
    return rows.group_by(organisation_id, month)


async def keep(work: Work, found: Found | None) -> int:
    """Sweep: writes down what differs; answers how much that is."""
    if found is None:
        return 0
    kept = await _kept(work, found.since)
    counted = found.numbers
    changed = [cell for cell in kept.keys() | counted if kept.get(cell) != counted.get(cell)]
    for some in (changed[start : start + AT_ONCE] for start in range(0, len(changed), AT_ONCE)):
        await _write(work, some, found)
    await counting.note(work, counting.MEASURES)
    if found.since is None:
        await counting.note(work, counting.ALL_MEASURES)
    return len(changed)


async def _write(work: Work, cells: Sequence[Cell], found: Found) -> None:
    for organisation_id, month, name in cells:
        await work.session.execute(
            delete(MeasureCount).where(
                MeasureCount.organisation_id == organisation_id,
                MeasureCount.month == month,
                MeasureCount.name == name,
            )
        )
    rows = [
        {"organisation_id": key, "month": month, "name": name, "number": number}
        for key, month, name in cells
        if (number := found.numbers.get((key, month, name)))
    ]
    if rows:
        await work.session.execute(insert(MeasureCount), rows)


async def _kept(work: Work, since: int | None) -> dict[Cell, int]:
    rows = select(
        MeasureCount.organisation_id, MeasureCount.month, MeasureCount.name, MeasureCount.number
    )
    if since is not None:
        rows = rows.where(MeasureCount.month >= since)
    return {(row[0], row[1], row[2]): row[3] for row in await work.session.execute(rows)}


async def differences(work: Work) -> int:
    """How many kept figures are not what the tables say; `keep` with `count` comes first."""
    found, kept = await count(work, None), await _kept(work, None)
    return sum(kept.get(cell) != found.numbers.get(cell) for cell in kept.keys() | found.numbers)


# Reading


@dataclass(frozen=True, slots=True)
class Row:
    """A measure in a period, and in the one before it."""

    name: str
    unit: Unit
    now: int
    before: int


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    rows: list[Row]


async def seen(work: Work, organisation_id: int, shown: Span) -> list[Topic]:
    """Of an organisation and all below it. Raises Gone, NotAllowed."""
    await check_sees(work, organisation_id)
    organisation = await work.session.get_one(Organisation, organisation_id)
    return await of(work, organisation, shown)


async def of(work: Work, organisation: Organisation, shown: Span) -> list[Topic]:
    """As `seen`, for whoever has been asked for their rights already; topics with a figure."""
    now = await _sums(work, organisation, shown)
    before = await _sums(work, organisation, span(work, shown.period, shown.back + 1))
    topics: defaultdict[str, list[Row]] = defaultdict(list)
    for one in MEASURES:
        if not one.listed:
            continue
        row = Row(one.name, one.unit, now.get(one.name, 0), before.get(one.name, 0))
        topics[one.topic].append(row)
    return [
        Topic(name, rows) for name, rows in topics.items() if any(r.now or r.before for r in rows)
    ]


async def by_organisation(
    work: Work, organisation: Organisation, shown: Span
) -> dict[int, dict[str, int]]:
    """What each organisation of the subtree itself has, for whoever may see it."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    rows = await work.session.execute(
        select(MeasureCount.organisation_id, MeasureCount.name, func.sum(MeasureCount.number))
        .join(Organisation, Organisation.id == MeasureCount.organisation_id)
        .where(_in(organisation, shown))
        .group_by(MeasureCount.organisation_id, MeasureCount.name)
    )
    for key, name, number in rows:
        found[key][name] = int(number)
    return found


async def _sums(work: Work, organisation: Organisation, shown: Span) -> dict[str, int]:
    rows = await work.session.execute(
        select(MeasureCount.name, func.sum(MeasureCount.number))
        .join(Organisation, Organisation.id == MeasureCount.organisation_id)
        .where(_in(organisation, shown))
        .group_by(MeasureCount.name)
    )
    return {name: int(number) for name, number in rows}


def _in(organisation: Organisation, shown: Span) -> ColumnElement[bool]:
    months = MeasureCount.month.between(shown.first, shown.last)
    return organisations.within(organisation.path) & months

"""The volunteers who may be called and are nearest to a place, out of millions in milliseconds.

Asks `Posting`: a row for each skill and qualification of each of them, in the order of places. The
rarest of the wanted attributes is read off in ever larger disks, each of them a few ranges of the
key; what changes often, and what must be exact, is looked up only for the few rows that are left.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import floor, sqrt
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    Double,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
)

from models import PersonSkill, Posting, Qualification, QualificationState, Trait
from services import geo
from services.traits import (
    AXIS,
    CELLS,
    EVERYONE,
    mask,
    qualification_attribute,
    skill_attribute,
)
from services.work import Work

ACROSS = 4
"""A disk is covered by cells of which this many reach from its middle to its rim at most."""
COUNTED = 5_000
"""Rows up to which it is worth knowing how rare an attribute is."""
CITY = 20_000.0
"""Metres across which a city's volunteers live, for the first guess of a radius."""
FIRST, GROWS = 500.0, 2.0
"""The least radius in metres to begin with, and by how much it grows."""
TOLERANCE = 1e-6
"""Of squared metres: a place on the edge of a cell is rather read in vain than missed."""
SPARE, SPARE_QUALIFIED, MORE = 1.5, 2.0, 4
"""How many more rows than wanted are read, since some people are paused or a document expired."""


@dataclass(frozen=True, eq=False, slots=True)
class Rules:
    """What else must be true of somebody: a condition on `Trait` with bound names.

    Made once, of the column that holds the squared distance in metres.
    """

    condition: Callable[[ColumnElement[float]], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who may be called, and how far away they live, in metres."""

    person_id: int
    metres: float


async def nearest(  # noqa: PLR0917 - where, who, how many
    work: Work,
    latitude: float,
    longitude: float,
    metres: float,
    skills: Sequence[int],
    qualifications: Sequence[int],
    limit: int,
    rules: Rules | None = None,
    values: Mapping[str, Any] | None = None,
) -> list[Found]:
    """The `limit` nearest within `metres` who may be called, the nearest first.

    They have all of the skills and all of the qualifications, valid today; they are not paused,
    they can be reached, and the `rules`, with these values, hold for them. Distances are those on
    the plane at the place.
    """
    attribute, rows = await _rarest(work, skills, qualifications)
    if limit <= 0 or not rows:
        return []
    wanted = {
        "attribute": attribute,
        "latitude": latitude,
        "longitude": longitude,
        "per_degree": geo.metres_per_degree_east(latitude),
        "skill_mask": mask(skills),
        "kind_mask": mask(qualifications),
        "skills": list(skills),
        "kinds": list(qualifications),
        "skill_count": len(set(skills)),
        "kind_count": len(set(qualifications)),
        "today": work.today,
        **(values or {}),
    }
    radius = min(metres, max(FIRST, CITY * sqrt(2 * limit / rows)))
    while True:
        spare = SPARE_QUALIFIED if qualifications else SPARE
        read = int(limit * spare) + 1
        found = await _within(work, wanted, radius, limit, read, rules)
        if len(found) >= limit or radius >= metres:
            return found
        radius = min(metres, radius * GROWS)


async def _rarest(
    work: Work, skills: Sequence[int], qualifications: Sequence[int]
) -> tuple[int, int]:
    """Which attribute to drive from, and how many have it, if those are few."""
    attributes = [skill_attribute(key) for key in skills]
    attributes += [qualification_attribute(key) for key in qualifications]
    counted = []
    for attribute in attributes or [EVERYONE]:
        rows = await work.session.scalar(_COUNT, {"attribute": attribute})
        counted.append((rows or 0, attribute))
    rows, attribute = min(counted)
    return attribute, rows


async def _within(  # noqa: PLR0917 - where, how many, by which rules
    work: Work,
    wanted: dict[str, Any],
    radius: float,
    limit: int,
    read: int,
    rules: Rules | None,
) -> list[Found]:
    """The nearest in a disk; reads more when too many of those read can't be called."""
    disk = {
        **wanted,
        **_as_parameters(work, ranges(wanted["latitude"], wanted["longitude"], radius)),
        "squared": radius**2,
    }
    statement = _disk(_is_postgresql(work), rules)
    while True:
        rows = (await work.session.execute(statement, {**disk, "read": read})).all()
        able = [Found(row.person_id, sqrt(row.squared)) for row in rows if row.able]
        if len(able) >= limit or len(rows) < read:
            return able[:limit]
        read *= MORE


def _is_postgresql(work: Work) -> bool:
    return work.session.get_bind().dialect.name == "postgresql"


def _as_parameters(work: Work, found: list[tuple[int, int]]) -> dict[str, Any]:
    if _is_postgresql(work):
        return {"low": [low for low, _ in found], "high": [high for _, high in found]}
    return {"ranges": json.dumps(found)}


# The disk as ranges of cells


def ranges(latitude: float, longitude: float, radius: float) -> list[tuple[int, int]]:
    """Ranges of Morton codes, first and last cell, that certainly hold the disk (metres)."""
    box = geo.box_around(latitude, longitude, radius)
    west, east = _cell_of(box.west + 180.0, 360.0), _cell_of(box.east + 180.0, 360.0)
    south, north = _cell_of(box.south + 90.0, 180.0), _cell_of(box.north + 90.0, 180.0)
    level = max((max(east - west, north - south) // (2 * ACROSS)).bit_length(), 0)
    codes = sorted(
        _interleaved(x) | _interleaved(y) << 1
        for x in range(west >> level, (east >> level) + 1)
        for y in range(south >> level, (north >> level) + 1)
        if _touches(x << level, y << level, 1 << level, latitude, longitude, radius)
    )
    found: list[tuple[int, int]] = []
    for code in codes:
        first, last = code << 2 * level, ((code + 1) << 2 * level) - 1
        if found and found[-1][1] + 1 == first:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found


def _cell_of(degrees: float, whole: float) -> int:
    return min(max(floor(degrees / whole * CELLS), 0), CELLS - 1)


def _interleaved(number: int) -> int:
    """Its bits at the even places."""
    return sum((number >> at & 1) << 2 * at for at in range(AXIS))


def _touches(  # noqa: PLR0917 - a square and a disk
    x: int, y: int, size: int, latitude: float, longitude: float, radius: float
) -> bool:
    """Whether a square of cells may hold a place in the disk."""
    west, east = (edge / CELLS * 360.0 - 180.0 for edge in (x, x + size))
    south, north = (edge / CELLS * 180.0 - 90.0 for edge in (y, y + size))
    up = (min(max(latitude, south), north) - latitude) * geo.METRES_PER_DEGREE
    across = min(max(longitude, west), east) - longitude
    across *= geo.metres_per_degree_east(latitude)
    return up * up + across * across <= radius * radius * (1 + TOLERANCE)


# The statements


_COUNT = select(func.count()).select_from(
    select(Posting.person_id)
    .where(Posting.attribute == bindparam("attribute", type_=Integer))
    .limit(COUNTED)
    .subquery()
)


@cache
def _disk(postgresql: bool, rules: Rules | None) -> Select[Any]:
    """The nearest rows of an attribute in a disk, and whether each person can be called now."""
    rows = (_on_postgresql() if postgresql else _on_sqlite()).subquery()
    some = (
        select(rows.c.person_id, rows.c.squared)
        .where(rows.c.squared <= bindparam("squared", type_=Double))
        .order_by(rows.c.squared, rows.c.person_id)
        .limit(bindparam("read", type_=Integer))
        .subquery()
    )
    able = _able(some.c.person_id)
    if rules is not None:
        able = and_(able, rules.condition(some.c.squared))
    return (
        select(some.c.person_id, some.c.squared, able.label("able"))
        .join(Trait, Trait.person_id == some.c.person_id)
        .order_by(some.c.squared, some.c.person_id)
    )


def _on_sqlite() -> Any:
    each = func.json_each(bindparam("ranges", type_=String)).table_valued("value", name="disk")
    low = func.json_extract(each.c.value, "$[0]", type_=BigInteger)
    high = func.json_extract(each.c.value, "$[1]", type_=BigInteger)
    return _read().join(each, Posting.cell.between(low, high))


def _on_postgresql() -> Select[Any]:
    """OFFSET 0 keeps the planner from reading the whole attribute and then joining."""
    arrays = (bindparam(name, type_=ARRAY(BigInteger)) for name in ("low", "high"))
    disk = func.unnest(*arrays).table_valued("low", "high", name="disk").render_derived()
    within = _read().where(Posting.cell.between(disk.c.low, disk.c.high)).offset(0).lateral()
    return select(within).select_from(disk.join(within, true()))


def _read() -> Any:
    """Rows of the attribute whose bits say that the person has everything wanted."""
    skills = bindparam("skill_mask", type_=BigInteger)
    kinds = bindparam("kind_mask", type_=BigInteger)
    latitude, longitude = (bindparam(name, type_=Double) for name in ("latitude", "longitude"))
    north = (Posting.latitude - latitude) * geo.METRES_PER_DEGREE
    east = (Posting.longitude - longitude) * bindparam("per_degree", type_=Double)
    return select(Posting.person_id, (north * north + east * east).label("squared")).where(
        Posting.attribute == bindparam("attribute", type_=Integer),
        Posting.skills.bitwise_and(skills) == skills,
        Posting.qualifications.bitwise_and(kinds) == kinds,
    )


def _able(person: ColumnElement[int]) -> ColumnElement[bool]:
    """Not paused, can be reached, and surely has what the bits, which may be shared, promise."""
    today = bindparam("today", type_=Date)
    skills = bindparam("skills", expanding=True, type_=BigInteger)
    kinds = bindparam("kinds", expanding=True, type_=BigInteger)
    held = select(func.count()).where(
        PersonSkill.person_id == person, PersonSkill.skill_id.in_(skills)
    )
    valid = select(func.count()).where(
        Qualification.person_id == person,
        Qualification.kind_id.in_(kinds),
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= today),
    )
    return and_(
        Trait.reachable,
        or_(Trait.paused_until.is_(None), Trait.paused_until <= today),
        held.scalar_subquery() == bindparam("skill_count", type_=Integer),
        valid.scalar_subquery() == bindparam("kind_count", type_=Integer),
    )

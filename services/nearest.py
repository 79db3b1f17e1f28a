"""The volunteers who may be called and are nearest to a place, out of millions in milliseconds.

Asks `Posting`: a row for each skill, qualification, language and piece of equipment of each of
them, in the order of places. The rarest of the wanted attributes is read off in a disk that is
thought to hold enough, and in larger ones if it does not: each of them a few ranges of the key.
What changes often, and what must be exact, is looked up only for the few rows that are left. The
members of a team are few, and are read off by themselves.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import floor, hypot, pi, prod, sqrt
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
    type_coerce,
    union,
)

from models import (
    Equipment,
    Frequency,
    MemberState,
    Person,
    PersonEquipment,
    PersonLanguage,
    PersonSkill,
    Posting,
    Qualification,
    QualificationState,
    Role,
    Skill,
    SpokenLanguage,
    TeamMember,
    Trait,
)
from services import geo
from services.traits import (
    BITS,
    CELLS,
    COARSE,
    EVERYONE,
    equipment_attribute,
    language_attribute,
    mask,
    qualification_attribute,
    skill_attribute,
)
from services.work import Work

ACROSS = 4
"""A disk is covered by cells of which this many reach from its middle to its rim at most."""
SPREAD = ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
          (2, 0x3333333333333333), (1, 0x5555555555555555))  # fmt: skip
"""By how much the bits of a number move apart, and which are kept then."""
TOLERANCE = 1e-6
"""Of squared metres: a place on the edge of a cell is rather read in vain than missed."""
SPARE, SPARE_QUALIFIED, MORE = 1.5, 2.0, 4
"""How many more rows than wanted are read, since some people are paused or a document expired."""
AMPLE = 1.4
"""How many more than wanted a disk is to hold, for what is known of places is coarse."""
MAY = 0.8
"""Share of those who may be called that can be, if nothing else is asked of them."""
FIRST, GROWS = 200.0, 1.4
"""The least radius in metres to begin with, and by how much it grows at least."""


@dataclass(frozen=True, eq=False, slots=True)
class Rules:
    """What else must be true of somebody, with bound names; made once.

    `posted` is a condition on the columns of `Posting` and on the squared distance in metres,
    `looked_up` one on `Trait`, for the few whom the rest fits; `share` roughly how many fit both.
    """

    posted: Callable[[ColumnElement[float]], ColumnElement[bool]]
    looked_up: Callable[[], ColumnElement[bool]]
    share: float


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who may be called, and how far away they live, in metres."""

    person_id: int
    metres: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of these skills, qualifications and languages, by key, and all of the equipment.

    Of a team, those alone who are registered in one of its organisations, hold a role there, or
    have joined it; or of some `people` alone.
    """

    skills: Sequence[int] = ()
    qualifications: Sequence[int] = ()
    languages: Sequence[int] = ()
    equipment: Sequence[Equipment] = ()
    team: Sequence[int] = ()
    people: Sequence[int] = ()

    @property
    def few(self) -> bool:
        """Whether those who may be meant are few, wherever they live."""
        return bool(self.team or self.people)

    @property
    def attributes(self) -> list[int]:
        return [
            *map(skill_attribute, self.skills),
            *map(qualification_attribute, self.qualifications),
            *map(language_attribute, self.languages),
            *map(equipment_attribute, self.equipment),
        ]

    def beside(self, attribute: int) -> "Wanted":
        """What else is wanted of those who have it; but a document may have expired."""
        return Wanted(
            [key for key in self.skills if skill_attribute(key) != attribute],
            self.qualifications,
            [key for key in self.languages if language_attribute(key) != attribute],
            [kind for kind in self.equipment if equipment_attribute(kind) != attribute],
            self.team,
            self.people,
        )


async def nearest(  # noqa: PLR0917 - where, who, how many
    work: Work,
    latitude: float,
    longitude: float,
    metres: float,
    wanted: Wanted,
    limit: int,
    rules: Rules | None = None,
    values: Mapping[str, Any] | None = None,
) -> list[Found]:
    """The `limit` nearest within `metres` who may be called, the nearest first.

    They have all that is wanted, the qualifications valid today; they are not paused, they can be
    reached, and the `rules`, with these values, hold for them. Distances are those on the plane at
    the place.
    """
    if limit <= 0:
        return []
    guess = await _guess(work, wanted, rules)
    if wanted.few:
        guess = replace(guess, rarest=EVERYONE)
    beside = wanted.beside(guess.rarest)
    asked = {
        "attribute": guess.rarest,
        "latitude": latitude,
        "longitude": longitude,
        "per_degree": geo.metres_per_degree_east(latitude),
        **_terms(beside),
        "today": work.today,
        **(values or {}),
    }
    disk = _Disk(work, asked, _Shape.of(work, beside, rules, shared=guess.shared))
    ample = AMPLE * limit
    radius = min(metres, max(FIRST, guess.radius(latitude, longitude, ample)))
    if wanted.few:
        radius = metres
    while True:
        found = await disk.nearest(radius, limit)
        if len(found) >= limit or radius >= metres:
            return found
        ample *= max(AMPLE, AMPLE * limit / max(1, len(found)))
        radius = min(metres, max(GROWS * radius, guess.radius(latitude, longitude, ample)))


# Guesses: which attribute is the rarest, and how far around enough people live


@dataclass(frozen=True, slots=True)
class _Guess:
    rarest: int
    share: float
    """Of everyone, of whom the rules and all that is wanted hold, if each is independent."""
    places: Sequence[Sequence[int]]
    shared: bool
    """Whether some terms may share a bit."""

    def radius(self, latitude: float, longitude: float, people: float) -> float:
        """Metres around a place within which so many people probably are; infinite if too many."""
        if not self.share:
            return float("inf")
        needed = people / self.share
        east = 360.0 / (CELLS >> COARSE) * geo.metres_per_degree_east(latitude)
        north = 180.0 / (CELLS >> COARSE) * geo.METRES_PER_DEGREE
        x = (longitude + 180.0) / 360.0 * (CELLS >> COARSE) - 0.5
        y = (latitude + 90.0) / 180.0 * (CELLS >> COARSE) - 0.5
        near = sorted((hypot((cx - x) * east, (cy - y) * north), n) for cx, cy, n in self.places)
        held = cells = 0.0
        for metres, living in near:
            part = min(1.0, (needed - held) / living)
            cells += part
            held += part * living
            if held >= needed:
                around = sqrt(cells * east * north / pi)
                return max(around, metres) if cells > 1 else around
        return float("inf")


async def _guess(work: Work, wanted: Wanted, rules: Rules | None) -> _Guess:
    attributes = wanted.attributes
    rows = await work.session.execute(_FREQUENCY, {"attributes": [EVERYONE, *attributes]})
    people: dict[int, int] = {}
    places: Sequence[Sequence[int]] = ()
    most = 0
    for attribute, number, living, skills, languages in rows:
        people[attribute] = number
        places = living or places
        most = max(skills or 0, languages or 0)
    everyone = people.get(EVERYONE, 0)
    rarest = min(attributes, key=lambda one: people.get(one, 0), default=EVERYONE)
    shares = (people.get(one, 0) / everyone for one in attributes) if everyone else (0.0,)
    share = prod(shares) * (rules.share if rules else MAY)
    return _Guess(rarest, share, places, shared=not 0 < most <= BITS)


_FREQUENCY = select(
    *Frequency.__table__.columns["attribute", "people", "places"],
    *(select(func.max(term.id)).scalar_subquery() for term in (Skill, SpokenLanguage)),
).where(Frequency.attribute.in_(bindparam("attributes", expanding=True)))


# A disk and what is asked of it


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the statements differ by: the kind of database, what is wanted, the rules."""

    postgresql: bool
    skills: bool
    qualifications: bool
    languages: bool
    equipment: bool
    team: bool
    people: bool
    shared: bool
    """Whether some terms may share a bit, so that bits only promise."""
    rules: Rules | None

    @property
    def few(self) -> bool:
        return self.team or self.people

    @classmethod
    def of(cls, work: Work, wanted: Wanted, rules: Rules | None, *, shared: bool) -> "_Shape":
        return cls(
            work.session.get_bind().dialect.name == "postgresql",
            bool(wanted.skills),
            bool(wanted.qualifications),
            bool(wanted.languages),
            bool(wanted.equipment),
            bool(wanted.team),
            bool(wanted.people),
            shared,
            rules,
        )


def _terms(wanted: Wanted) -> dict[str, Any]:
    things = {kind.value for kind in wanted.equipment}
    found: dict[str, Any] = {
        "thing_keys": list(things), "thing_count": len(things), "team": list(wanted.team),
        "people": list(wanted.people),
    }  # fmt: skip
    for name, keys in (
        ("skill", set(wanted.skills)),
        ("kind", set(wanted.qualifications)),
        ("language", set(wanted.languages)),
    ):
        found |= {
            f"{name}_mask": mask(keys),
            f"{name}_keys": list(keys),
            f"{name}_count": len(keys),
        }
    return found


@dataclass(frozen=True, slots=True)
class _Disk:
    work: Work
    asked: Mapping[str, Any]
    shape: _Shape

    async def nearest(self, radius: float, limit: int) -> list[Found]:
        """The nearest in a disk; reads more when too many of those read can't be called."""
        asked = {**self.asked, "squared": radius**2}
        if not self.shape.few:
            covered = ranges(self.asked["latitude"], self.asked["longitude"], radius)
            asked |= self._as_parameters(covered)
        read = int(limit * (SPARE_QUALIFIED if self.shape.qualifications else SPARE)) + 1
        statement = _statement(self.shape)
        while True:
            rows = (await self.work.session.execute(statement, {**asked, "read": read})).all()
            able = [Found(person, sqrt(squared)) for person, squared, able in rows if able]
            if len(able) >= limit or len(rows) < read:
                return able[:limit]
            read *= MORE

    def _as_parameters(self, found: list[tuple[int, int]]) -> dict[str, Any]:
        if self.shape.postgresql:
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
    """Its bits at the even places, by halves of halves; of 32 at most."""
    for shift, kept in SPREAD:
        number = (number | number << shift) & kept
    return number


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


@cache
def _statement(shape: _Shape) -> Select[Any]:
    """The nearest rows of an attribute in a disk, and whether each person can be called now."""
    if shape.few:
        rows = _of_team(shape).subquery()
    else:
        rows = (_on_postgresql(shape) if shape.postgresql else _on_sqlite(shape)).subquery()
    some = (
        select(rows.c.person_id, rows.c.squared)
        .order_by(rows.c.squared, rows.c.person_id)
        .limit(bindparam("read", type_=Integer))
        .subquery()
    )
    able = and_(
        _can_be_called(),
        *_exactly(shape, some.c.person_id),
        *([shape.rules.looked_up()] if shape.rules else []),
    )
    return (
        select(some.c.person_id, some.c.squared, able.label("able"))
        .join(Trait, Trait.person_id == some.c.person_id)
        .order_by(some.c.squared, some.c.person_id)
    )


def _on_sqlite(shape: _Shape) -> Any:
    each = func.json_each(bindparam("ranges", type_=String)).table_valued("value", name="disk")
    low = func.json_extract(each.c.value, "$[0]", type_=BigInteger)
    high = func.json_extract(each.c.value, "$[1]", type_=BigInteger)
    return _read(shape).join(each, Posting.cell.between(low, high))


def _on_postgresql(shape: _Shape) -> Select[Any]:
    """OFFSET 0 keeps the planner from reading the whole attribute and then joining."""
    arrays = (bindparam(name, type_=ARRAY(BigInteger)) for name in ("low", "high"))
    disk = func.unnest(*arrays).table_valued("low", "high", name="disk").render_derived()
    within = _read(shape).where(Posting.cell.between(disk.c.low, disk.c.high)).offset(0).lateral()
    return select(within).select_from(disk.join(within, true()))


def _of_team(shape: _Shape) -> Any:
    """Found by person: the sum keeps SQLite from walking through everyone's rows instead."""
    attribute = Posting.attribute + 0
    return _read(shape, attribute).where(Posting.person_id.in_(_few(shape)))


def _few(shape: _Shape) -> Any:
    if shape.people:
        return bindparam("people", expanding=True, type_=BigInteger)
    team = bindparam("team", expanding=True, type_=BigInteger)
    return union(
        select(Person.id).where(Person.organisation_id.in_(team)),
        select(Role.person_id).where(Role.organisation_id.in_(team)),
        select(TeamMember.person_id).where(
            TeamMember.organisation_id.in_(team), TeamMember.state == MemberState.ACTIVE
        ),
    )


def _read(shape: _Shape, attribute: Any = Posting.attribute) -> Any:
    """Rows of the attribute that say that the person has everything wanted and is within reach."""
    latitude, longitude = (bindparam(name, type_=Double) for name in ("latitude", "longitude"))
    north = (Posting.latitude - latitude) * geo.METRES_PER_DEGREE
    east = (Posting.longitude - longitude) * bindparam("per_degree", type_=Double)
    squared = north * north + east * east
    return select(Posting.person_id, squared.label("squared")).where(
        attribute == bindparam("attribute", type_=Integer),
        *_promised(shape),
        squared <= bindparam("squared", type_=Double),
        *([shape.rules.posted(squared)] if shape.rules else []),
    )


def _promised(shape: _Shape) -> list[ColumnElement[bool]]:
    """By bits."""
    masks = (
        (shape.skills, Posting.skills, "skill_mask"),
        (shape.qualifications, Posting.qualifications, "kind_mask"),
        (shape.languages, Posting.spoken, "language_mask"),
    )
    wanted = [(held, bindparam(name, type_=BigInteger)) for some, held, name in masks if some]
    return [held.bitwise_and(bits) == bits for held, bits in wanted]


def _can_be_called() -> ColumnElement[bool]:
    today = bindparam("today", type_=Date)
    return and_(Trait.reachable, or_(Trait.paused_until.is_(None), Trait.paused_until <= today))


def _exactly(shape: _Shape, person: ColumnElement[int]) -> list[ColumnElement[bool]]:
    """Surely has what the bits promise, and the documents are valid."""
    today = bindparam("today", type_=Date)
    valid = (
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= today),
    )
    terms: tuple[tuple[bool, str, Any, Any, Sequence[Any]], ...] = (
        (shape.skills and shape.shared, "skill", PersonSkill, PersonSkill.skill_id, ()),
        (
            shape.languages and shape.shared,
            "language",
            PersonLanguage,
            PersonLanguage.spoken_language_id,
            (),
        ),
        (shape.qualifications, "kind", Qualification, Qualification.kind_id, valid),
        (shape.equipment, "thing", PersonEquipment, type_coerce(PersonEquipment.kind, String), ()),
    )
    found = []
    for some, name, table, key, conditions in terms:
        if some:
            keys = bindparam(f"{name}_keys", expanding=True, type_=key.type)
            held = select(func.count()).where(table.person_id == person, key.in_(keys), *conditions)
            number = bindparam(f"{name}_count", type_=Integer)
            found.append(held.scalar_subquery() == number)
    return found

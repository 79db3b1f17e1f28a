"""Keeps `Trait`, `Posting` and `Directory`: narrow copies that audiences, call-outs and lists ask.

Whatever changes what they copy calls `renew` or `recount` in the same transaction. All of them can
be made anew from the others at any time with `renew_all`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Date,
    Insert,
    Integer,
    Select,
    SmallInteger,
    Subquery,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    distinct,
    except_,
    exists,
    false,
    func,
    insert,
    inspect,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models import (
    Account,
    Attendance,
    Directory,
    Enrolment,
    EnrolmentState,
    Equipment,
    Frequency,
    LedgerEntry,
    MarkKind,
    OptOut,
    Person,
    PersonEquipment,
    PersonInterest,
    PersonLanguage,
    PersonMark,
    PersonSkill,
    Posting,
    Qualification,
    QualificationState,
    Readiness,
    ServiceField,
    Standing,
    Telegram,
    Trait,
)
from services.work import Work

BITS = 63
"""Of a mask; terms whose keys are equal modulo this share a bit."""
AXIS = 20
"""Bits of a place's latitude, and of its longitude, in the Morton code of its cell."""
CELLS = 1 << AXIS
EVERYONE = 0
"""The attribute that all have who may be called; no skill has the key 0."""
COARSE = 7
"""Bits of each axis that a coarse cell leaves out: 2.4 km from south to north."""
AT_ONCE = 1000
"""People whose rows are renewed by one statement."""
KINDS = ("announcement", "newsletter", "survey", "notice", "greeting")
"""What can be opted out of; their bits in `Trait.refuses` are in this order, so add at the end."""
DAY = 24 * 60
"""Minutes."""
Counts = dict[int, tuple[int, list[list[int]] | None]]
"""Attribute -> how many have it, and for `EVERYONE` where they live, as in `Frequency`."""
THINGS = tuple(Equipment)
"""Their attributes are in this order, so add at the end."""
STANDINGS = tuple(Standing)
"""Their numbers in `Directory.standing` are in this order, so add at the end."""
MARKS = tuple(MarkKind)
"""Their bits in `Trait.marks` are in this order, so add at the end."""
SERVED = ("active_on", "enrolled", "attended", "minutes")
"""What changes by serving, not by what somebody says of themselves."""
COPIES: tuple[Any, ...] = (Directory, Posting, Trait)


def mask(keys: Iterable[int]) -> int:
    """The bits of terms by key."""
    bits = 0
    for key in keys:
        bits |= 1 << key % BITS
    return bits


def mark_bits(kinds: Iterable[MarkKind]) -> int:
    """The bits of marks in `Trait.marks`."""
    return sum(1 << MARKS.index(kind) for kind in set(kinds))


def skill_attribute(skill_id: Any) -> Any:
    return 4 * skill_id


def qualification_attribute(kind_id: Any) -> Any:
    return 4 * kind_id + 1


def language_attribute(spoken_language_id: Any) -> Any:
    return 4 * spoken_language_id + 2


def equipment_attribute(kind: Equipment) -> int:
    return 4 * THINGS.index(kind) + 3


def local_day(zone: ZoneInfo, moment: datetime) -> date:
    """The day by the zone's standard time, which databases can count without knowing of zones."""
    return (moment + _offset(zone, moment)).date()


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    local = moment.astimezone(zone)
    return (local.utcoffset() or timedelta()) - (local.dst() or timedelta())


# Keeping


async def renew(work: Work, people: Iterable[int]) -> None:
    """Makes the rows of these people what the other tables say."""
    await work.session.flush()
    for some in _portions(people):
        await _take_turn(work.session, some)
        whose = {"people": some}
        for table in COPIES:
            await _delete(work.session, table, table.person_id.in_(some))
        await work.session.execute(_filling_traits(_Where.of(work), some=True), whose)
        await work.session.execute(_filling_postings(some=True), whose)
        await work.session.execute(_filling_directory(_Where.of(work), some=True), whose)


async def renew_all(work: Work) -> None:
    """Makes everybody's rows anew: after an upgrade, an import, or what `differences` found."""
    await work.session.flush()
    for table in COPIES:
        await _delete(work.session, table)
    await work.session.execute(_filling_traits(_Where.of(work), some=False))
    await work.session.execute(_filling_postings(some=False))
    await work.session.execute(_filling_directory(_Where.of(work), some=False))
    await keep_counts(work, await count(work))


async def recount(work: Work, people: Iterable[int]) -> None:
    """As `renew` for those who have only served or enrolled: leaves postings alone."""
    await work.session.flush()
    for some in _portions(people):
        await _take_turn(work.session, some)
        await work.session.execute(
            _recounting(_Where.of(work)),
            {"people": some},
            execution_options={"synchronize_session": False},
        )


async def _take_turn(session: AsyncSession, people: Sequence[int]) -> None:
    """Whoever else is about to write down the same people's rows waits until we are done.

    A statement of its own, so that the one that follows sees what they have written.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(
            select(Person.id)
            .where(Person.id.in_(people))
            .order_by(Person.id)
            .with_for_update(key_share=True)
        )


async def was_seen(session: AsyncSession, person_id: int, day: date) -> None:
    """Somebody has written on that local day, so they can also be reached."""
    await session.execute(
        update(Trait)
        .where(
            Trait.person_id == person_id,
            or_(Trait.active_on.is_(None), Trait.active_on < day, ~Trait.reachable),
        )
        .values(active_on=day, reachable=True, blocked=False)
        .execution_options(synchronize_session=False)
    )
    await _reached(session, Directory.person_id == person_id, Telegram.REACHABLE)


async def is_blocked(session: AsyncSession, telegram_id: int) -> None:
    """The account can't be written to any more."""
    owner = select(Account.person_id).where(
        Account.telegram_id == telegram_id, Account.person_id.is_not(None)
    )
    await session.execute(
        update(Trait)
        .where(Trait.person_id.in_(owner))
        .values(reachable=False, blocked=True)
        .execution_options(synchronize_session=False)
    )
    await _reached(session, Directory.person_id.in_(owner), Telegram.BLOCKED)


async def _reached(session: AsyncSession, whose: ColumnElement[bool], now: Telegram) -> None:
    await session.execute(
        update(Directory)
        .where(whose, Directory.telegram != int(now))
        .values(telegram=int(now))
        .execution_options(synchronize_session=False)
    )


async def differences(work: Work) -> list[int]:
    """Keys of the people whose rows are not what the other tables say; for `muster doctor`."""
    wrong: set[int] = set()
    where = _Where.of(work)
    for table, rows in (
        (Trait, _traits(where)),
        (Posting, _postings()),
        (Directory, _directory(where)),
    ):
        should = rows.subquery()
        wrong |= set(await work.session.scalars(_lacking(table, should)))
        kept = await work.session.scalar(select(func.count()).select_from(table))
        if kept != await work.session.scalar(select(func.count()).select_from(should)):
            spare = except_(select(*table.__table__.columns), rows).subquery()
            wrong |= set(await work.session.scalars(select(spare.c.person_id).distinct()))
    return sorted(wrong)


def _lacking(table: Any, should: Subquery) -> Select[int]:
    """Whose rows are missing, or say something else."""
    kept = aliased(table)
    alike = (getattr(kept, column.name).is_not_distinct_from(column) for column in should.c)
    keys = (getattr(kept, key.name) == should.c[key.name] for key in inspect(table).primary_key)
    return select(should.c.person_id).where(~exists().where(*keys, *alike)).distinct()


def _portions(people: Iterable[int]) -> Iterable[list[int]]:
    keys = sorted(set(people))
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))


async def _delete(session: AsyncSession, table: Any, *which: ColumnElement[bool]) -> None:
    await session.execute(delete(table).where(*which).execution_options(synchronize_session=False))


# Counting


async def count(work: Work) -> Counts:
    """How many have each attribute."""
    people = await work.session.execute(
        select(Posting.attribute, func.count()).group_by(Posting.attribute)
    )
    cell = Posting.cell.bitwise_rshift(cast(literal(2 * COARSE), Integer))
    living = await work.session.execute(
        select(cell, func.count())
        .where(Posting.attribute == EVERYONE)
        .group_by(cell)
        .order_by(cell)
    )
    places = [[_even(code), _even(code >> 1), number] for code, number in living]
    return {
        attribute: (number, places if attribute == EVERYONE else None)
        for attribute, number in people
    }


def _even(code: int) -> int:
    """The number whose bits are those at the even places of a Morton code."""
    return sum((code >> 2 * at & 1) << at for at in range(AXIS))


async def keep_counts(work: Work, counts: Counts) -> int:
    """Sweep: writes down what `count` found; answers of how many attributes, 0 for nothing new."""
    columns = Frequency.__table__.columns
    kept = await work.session.execute(select(*columns))
    if {attribute: (people, places) for attribute, people, places in kept} == counts:
        return 0
    await _delete(work.session, Frequency)
    rows = [
        {"attribute": attribute, "people": people, "places": places}
        for attribute, (people, places) in counts.items()
    ]
    if rows:
        await work.session.execute(insert(Frequency), rows)
    return len(rows)


# The statements, each built once: SQLAlchemy takes longer over them than SQLite


@dataclass(frozen=True, slots=True)
class _Where:
    """What the statements differ by: the kind of database, and the zone's standard time."""

    postgresql: bool
    offset: timedelta

    @classmethod
    def of(cls, work: Work) -> "_Where":
        dialect = work.session.get_bind().dialect.name
        return cls(dialect == "postgresql", _offset(work.policy.zone, work.now))


@cache
def _filling_traits(where: _Where, *, some: bool) -> Insert:
    rows = _traits(where)
    return _filling(Trait, rows.where(Person.id.in_(_people())) if some else rows)


@cache
def _filling_postings(*, some: bool) -> Insert:
    return _filling(Posting, _postings(Trait.person_id.in_(_people())) if some else _postings())


@cache
def _filling_directory(where: _Where, *, some: bool) -> Insert:
    rows = _directory(where)
    return _filling(Directory, rows.where(Person.id.in_(_people())) if some else rows)


@cache
def _recounting(where: _Where) -> Update:
    columns = _columns(where)
    served = {name: _of_trait(columns[name]) for name in SERVED}
    return update(Trait).where(Trait.person_id.in_(_people())).values(served)


def _people() -> BindParameter[Any]:
    return bindparam("people", expanding=True)


def _filling(table: Any, rows: Select[Any]) -> Insert:
    names = [column.name for column in table.__table__.columns]
    return insert(table.__table__).from_select(names, rows, include_defaults=False)


# What the rows ought to be


def _traits(where: _Where) -> Select[Any]:
    found = _columns(where)
    return (
        select(*(found[column.name].label(column.name) for column in Trait.__table__.columns))
        .select_from(Person)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.standing == Standing.ACTIVE)
    )


def _directory(where: _Where) -> Select[Any]:
    number = func.coalesce(literal(" ") + Person.number, "")
    found: dict[str, Any] = {
        **_columns(where),
        "standing": case(
            {one: at for at, one in enumerate(STANDINGS)}, value=Person.standing, else_=0
        ),
        "telegram": case(
            (Account.id.is_(None), int(Telegram.NONE)),
            (Account.unreachable_since.is_(None), int(Telegram.REACHABLE)),
            else_=int(Telegram.BLOCKED),
        ),
        "search": func.lower(literal(" ") + Person.name_search + number),
    }
    return (
        select(*(found[column.name].label(column.name) for column in Directory.__table__.columns))
        .select_from(Person)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.standing != Standing.ERASED)
    )


def _columns(where: _Where) -> dict[str, ColumnElement[Any]]:
    """By the names of `Trait`'s own."""
    verified = Qualification.state == QualificationState.VERIFIED
    field, named = aliased(ServiceField), aliased(ServiceField)
    related = or_(field.id == named.id, field.parent_id == named.id, field.id == named.parent_id)
    found: dict[str, Any] = {
        "person_id": Person.id,
        "organisation_id": Person.organisation_id,
        "latitude": Person.latitude,
        "longitude": Person.longitude,
        "born": Person.birth_date,
        "language": Person.language,
        "marks": _own(_marked(), PersonMark),
        "skills": _own(_bits(where, PersonSkill.skill_id), PersonSkill),
        "interests": _of_person(
            select(_bits(where, field.id))
            .select_from(PersonInterest)
            .join(named, named.id == PersonInterest.field_id)
            .join(field, related)
            .where(PersonInterest.person_id == Person.id)
        ),
        "qualifications": _own(_bits(where, Qualification.kind_id), Qualification, verified),
        "spoken": _own(_bits(where, PersonLanguage.spoken_language_id), PersonLanguage),
        "availability": Person.availability,
        "paused_until": Person.paused_until,
        "callable": Person.emergency_opt_in,
        "reachable": and_(Account.id.is_not(None), Account.unreachable_since.is_(None)),
        "blocked": and_(Account.id.is_not(None), Account.unreachable_since.is_not(None)),
        "refuses": _own(_refused(), OptOut),
        "active_on": _active_on(where),
        "enrolled": _own(func.count(Enrolment.id), Enrolment),
        "attended": _own(
            func.count(Enrolment.id), Enrolment, Enrolment.state == EnrolmentState.ATTENDED
        ),
        "minutes": cast(
            _own(func.coalesce(func.sum(LedgerEntry.minutes), 0), LedgerEntry), Integer
        ),
    }
    return found


def _own(column: ColumnElement[Any], table: Any, *conditions: ColumnElement[bool]) -> Any:
    """An aggregate over the person's own rows of a table."""
    return _of_person(select(column).where(table.person_id == Person.id, *conditions))


def _of_person(rows: Select[Any]) -> Any:
    return rows.correlate(Person).scalar_subquery()


def _of_trait(column: ColumnElement[Any]) -> Any:
    """A column of `_columns` for the row of `Trait` that an UPDATE is at."""
    return (
        select(column)
        .select_from(Person)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id == Trait.person_id)
        .correlate(Trait)
        .scalar_subquery()
    )


def _bits(where: _Where, key: Any) -> ColumnElement[int]:
    """The mask of all the keys of a group of rows."""
    bit = cast(literal(1), BigInteger).bitwise_lshift(cast(key % BITS, Integer))
    # SQLite has no OR over rows; each bit counts once.
    every = func.bit_or(bit) if where.postgresql else func.sum(distinct(bit))
    return func.coalesce(every, 0)


def _refused() -> ColumnElement[int]:
    bit = case({kind: 1 << at for at, kind in enumerate(KINDS)}, value=OptOut.kind, else_=0)
    return cast(func.coalesce(func.sum(bit), 0), SmallInteger)


def _marked() -> ColumnElement[int]:
    bit = case({kind: 1 << at for at, kind in enumerate(MARKS)}, value=PersonMark.kind, else_=0)
    return cast(func.coalesce(func.sum(bit), 0), SmallInteger)


def _active_on(where: _Where) -> ColumnElement[date]:
    served = _of_person(
        select(func.max(Attendance.checked_in_at))
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id == Person.id)
    )
    seen = Account.last_seen_at
    if where.postgresql:
        last = func.timezone("UTC", func.greatest(seen, served)) + where.offset
        return cast(last, Date)
    minutes = f"{where.offset // timedelta(minutes=1):+d} minutes"
    last = func.max(func.coalesce(seen, served), func.coalesce(served, seen))
    return type_coerce(func.date(last, minutes), Date)


def _postings(whose: ColumnElement[bool] | None = None) -> Select[Any]:
    """Rows in the order of `Posting`'s columns; `Trait` is up to date already."""
    may = and_(Trait.callable, Trait.latitude.is_not(None), Trait.longitude.is_not(None))
    columns = _posted()
    placed = (
        select(*(column.label(name) for name, column in columns.items()))
        .join(Person, Person.id == Trait.person_id)
        .outerjoin(Readiness, Readiness.person_id == Trait.person_id)
        .where(may if whose is None else and_(may, whose))
        .cte("placed")
        .prefix_with("MATERIALIZED")  # a cell costs more than a look into what was kept
    )
    held = [select(cast(literal(EVERYONE), Integer).label("attribute"), *placed.c)]
    for attribute, table, *conditions in (
        (skill_attribute(PersonSkill.skill_id), PersonSkill),
        (
            qualification_attribute(Qualification.kind_id),
            Qualification,
            Qualification.state == QualificationState.VERIFIED,
        ),
        (language_attribute(PersonLanguage.spoken_language_id), PersonLanguage),
        (
            case({kind: equipment_attribute(kind) for kind in THINGS}, value=PersonEquipment.kind),
            PersonEquipment,
        ),
    ):
        rows = select(attribute, *placed.c).join(table, table.person_id == placed.c.person_id)
        held.append(rows.where(*conditions))
    return select(*union_all(*held).subquery().c)


def _posted() -> dict[str, ColumnElement[Any]]:
    """Of `Posting`, in the order of its own, all but the attribute."""
    found: dict[str, Any] = {
        "cell": _cell(),
        "silent_from": func.coalesce(Person.call_from, 0),
        "silent_for": func.coalesce((Person.call_until - Person.call_from + DAY) % DAY, 0),
        "when_critical": func.coalesce(Readiness.when_critical, false()),
        "reach": Readiness.reach,
    }
    names = (column.name for column in Posting.__table__.columns if column.name != "attribute")
    return {name: found[name] if name in found else getattr(Trait, name) for name in names}


def _cell() -> ColumnElement[int]:
    """The Morton code: bits of the longitude at the even places, of the latitude at the odd."""
    x = cast(func.trunc((Trait.longitude + 180.0) / 360.0 * CELLS), BigInteger)
    y = cast(func.trunc((Trait.latitude + 90.0) / 180.0 * CELLS), BigInteger)
    code: Any = literal(0)
    for at in range(AXIS):
        for shift, axis in enumerate((x, y)):
            bit = axis.bitwise_and(literal(1 << at, BigInteger))
            code += bit.bitwise_lshift(cast(literal(at + shift), Integer))
    return code  # type: ignore[no-any-return]

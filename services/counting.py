"""Keeps the counts that statistics are read from, so that a city's page needs not count its city.

What counts for whom: volunteers count where they are registered, hours and activities for the
organisation that holds them (the chain of the ledger in which the hours stand). A month is local,
by the zone's standard time, and numbered `12 * year + month - 1`.

Hours follow the ledger entry by entry: a mark by chain says how far. What changes for a person is
taken out of the counts as it was and put back as it is. Activities are counted anew for months in
which something can have changed: lately begun or called off, hours still waiting, new entries of
the ledger. `recount_all` makes everything anew from the tables, `differences` compares.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    cast,
    delete,
    except_,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from models import (
    AbilityCount,
    Activity,
    ActivityCount,
    ActivityState,
    Attendance,
    CohortCount,
    CountMark,
    DelayCount,
    Enrolment,
    EnrolmentState,
    EntryKind,
    HoursCount,
    HoursState,
    LedgerEntry,
    LedgerMark,
    Membership,
    Organisation,
    OrganisationKind,
    PeopleCount,
    Person,
    PersonSkill,
    Posting,
    Qualification,
    QualificationKind,
    QualificationState,
    ReachCount,
    Served,
    Shift,
    Skill,
    Standing,
    Trait,
)
from services import declaring, geo, traits
from services.attendance import WITH_A_PLACE
from services.roll import OPEN_FOR
from services.work import Work

YEAR, QUARTER = 12, 3
"""Months; who served in the last twelve is active."""
SIGNED_UP = -1
"""In `CohortCount.after`: all who signed up in the quarter."""
BUCKETS = (1, 2, 4, 8, 12, 24, 36, 48, 72, 96, 120, 168, 240, 336, 504, 720, 1440)
"""Hours below which a decision on hours fell, each bucket from the one before; then all longer."""
ENTRIES_AT_ONCE = 500
PEOPLE_AT_ONCE = 1_000
"""That a sweep takes in, some tenths of a second: on SQLite all others wait meanwhile."""
ROWS_AT_ONCE = 1_000
SETTLING = OPEN_FOR + timedelta(days=1)
"""After its end a shift's figures change only by decisions on hours."""
COUNTING = 20_261_126
"""The number of the lock that whoever counts holds on PostgreSQL."""
ACTIVITIES, ABILITIES = "activities", "abilities"
MEASURES, ALL_MEASURES = "measures", "all_measures"
EVERY = {
    ACTIVITIES: timedelta(minutes=10),
    ABILITIES: timedelta(hours=3),
    MEASURES: timedelta(minutes=10),
    ALL_MEASURES: timedelta(days=1),
}
"""How often what costs a second or more in a big city is counted."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
RADIUS = declaring.Usual().radius
"""Metres from a town's middle within which people are called."""
DOCUMENTS = ("first_aider", "doctor", "nurse", "water_rescuer", "firefighter", "boat_licence")
"""Kinds of document that emergencies ask for, beside the skills of `declaring.USUAL`."""

Counts = dict[tuple[int, ...], tuple[int, ...]]
"""Rows of a count by their keys."""


# Months


def month_of(work: Work, moment: datetime) -> int:
    """The number of the local month."""
    day = traits.local_day(work.policy.zone, moment)
    return YEAR * day.year + day.month - 1


def month_column(work: Work, moment: Any) -> ColumnElement[int]:
    """The same, counted by the database."""
    return month_by(is_postgresql(work), offset_of(work), moment)


def month_by(on_postgresql: bool, offset: timedelta, moment: Any) -> ColumnElement[int]:
    if on_postgresql:
        local = func.timezone("UTC", moment) + offset
        return cast(func.extract("year", local) * YEAR + func.extract("month", local) - 1, Integer)
    shift = f"{offset // timedelta(minutes=1):+d} minutes"
    year, month = (cast(func.strftime(part, moment, shift), Integer) for part in ("%Y", "%m"))
    return year * YEAR + month - 1


def starts(work: Work, month: int) -> datetime:
    """When a month begins."""
    first = datetime(month // YEAR, month % YEAR + 1, 1, tzinfo=UTC)
    return first - offset_of(work)


def offset_of(work: Work) -> timedelta:
    """Of the zone's standard time, as `traits.local_day` has it."""
    local = work.now.astimezone(work.policy.zone)
    return (local.utcoffset() or timedelta()) - (local.dst() or timedelta())


def is_postgresql(work: Work) -> bool:
    return work.session.get_bind().dialect.name == "postgresql"


# People


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody is registered with another organisation than their membership says, or nowhere."""

    person_id: int
    organisation_id: int | None
    registered: int
    """The month of their registration."""


async def find_moves(work: Work) -> list[Move]:
    """The next of those who signed up, moved, left, came back or were erased."""
    return await _find_moves(work, PEOPLE_AT_ONCE)


async def _find_moves(work: Work, limit: int | None) -> list[Move]:
    open_one = and_(Membership.person_id == Person.id, Membership.until.is_(None))
    registered = month_column(work, func.coalesce(Person.registered_at, Person.applied_at))
    elsewhere = (
        select(Person.id, Person.organisation_id, registered)
        .outerjoin(Membership, open_one)
        .where(
            Person.standing == Standing.ACTIVE,
            or_(
                Membership.person_id.is_(None),
                Membership.organisation_id != Person.organisation_id,
            ),
        )
        .limit(limit)
    )
    nowhere = (
        select(Membership.person_id)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.until.is_(None), Person.standing != Standing.ACTIVE)
        .limit(limit)
    )
    found = [Move(*row) for row in await work.session.execute(elsewhere)]
    return found + [Move(key, None, 0) for key in await work.session.scalars(nowhere)]


async def keep_people(work: Work, moves: Sequence[Move]) -> int:
    """Sweep: takes in what `find_moves` found."""
    people = [move.person_id for move in moves]
    if not people:
        return 0
    await _take_turn(work)
    before = await _of_people(work, people)
    await _move(work, moves)
    await _exchange(work, before, await _of_people(work, people))
    return len(people)


async def _move(work: Work, moves: Sequence[Move]) -> None:
    """A month is the finest: who moves twice in one was never at the place between."""
    now = month_of(work, work.now)
    people = [move.person_id for move in moves]
    kept = await work.session.scalars(
        select(Membership)
        .where(Membership.person_id.in_(people))
        .order_by(Membership.person_id, Membership.since)
    )
    last = {row.person_id: row for row in kept}
    fresh: list[dict[str, Any]] = []
    for move in moves:
        row = last.get(move.person_id)
        since = min(move.registered, now) if row is None else now
        if row is not None and row.since == now:
            row.until = None if move.organisation_id else now
            row.organisation_id = move.organisation_id or row.organisation_id
            continue
        if row is not None and row.until is None:
            row.until = now
        if move.organisation_id:
            whose = {"person_id": move.person_id, "organisation_id": move.organisation_id}
            fresh.append({**whose, "since": since, "until": None})
    await work.session.flush()
    if fresh:
        await work.session.execute(insert(Membership), fresh)


@dataclass(frozen=True, slots=True)
class _Share:
    """What some people are in the counts of people and of cohorts."""

    people: Counts
    cohorts: Counts


async def _of_people(work: Work, people: Sequence[int] | None) -> _Share:
    """The share of these people; of all for None."""
    whose = {} if people is None else {"people": list(people)}
    some = people is not None
    moved = await work.session.execute(_changes(some=some), whose)
    served = await work.session.execute(_cohorts(some=some), whose)
    return _Share(
        {row[:2]: tuple(map(int, row[2:])) for row in map(tuple, moved) if any(row[2:])},
        {row[:3]: (int(row[3]),) for row in map(tuple, served)},
    )


def _changes(*, some: bool) -> Select[Any]:
    """As `PeopleCount`, from memberships and service."""
    own = Membership.person_id.in_(_people()) if some else literal(1) == 1
    earlier = aliased(Membership)
    is_first = ~exists().where(
        earlier.person_id == Membership.person_id, earlier.since < Membership.since
    )
    nought = literal(0)
    began = select(
        Membership.organisation_id,
        Membership.since.label("month"),
        case((is_first, 1), else_=0).label("new"),
        literal(1).label("joined"),
        nought.label("left"),
        nought.label("active"),
    ).where(own)
    ended = select(
        Membership.organisation_id, Membership.until, nought, nought, literal(1), nought
    ).where(own, Membership.until.is_not(None))
    covered = _covered(some=some)
    starts = _greater(covered.c.starts, Membership.since)
    ends = _lesser(covered.c.ends, Membership.until)
    lasts = (Membership.person_id == covered.c.person_id, starts < ends)
    active = select(Membership.organisation_id, starts, nought, nought, nought, literal(1))
    passive = select(Membership.organisation_id, ends, nought, nought, nought, literal(-1))
    every = union_all(
        began,
        ended,
        active.where(*lasts),
        passive.where(*lasts),
    ).subquery()
    names = ("new", "joined", "left", "active")
    return select(
        every.c.organisation_id, every.c.month, *(func.sum(every.c[name]) for name in names)
    ).group_by(every.c.organisation_id, every.c.month)


def _covered(*, some: bool) -> Any:
    """Months for which a month of service makes somebody active, up to their next one."""
    following = func.lead(Served.month).over(partition_by=Served.person_id, order_by=Served.month)
    ends = Served.month + YEAR
    rows = select(
        Served.person_id, Served.month.label("starts"), _lesser(ends, following).label("ends")
    ).where(Served.minutes > 0)
    return (rows.where(Served.person_id.in_(_people())) if some else rows).cte("covered")


def _cohorts(*, some: bool) -> CompoundSelect[Any]:
    """As `CohortCount`: the first membership says when somebody signed up, the last one where."""
    first, latest = func.min(Membership.since), func.max(Membership.since)
    spans = select(Membership.person_id, first.label("first"), latest.label("latest")).group_by(
        Membership.person_id
    )
    quarters = select(Served.person_id, (Served.month // QUARTER).label("quarter"))
    quarters = quarters.where(Served.minutes > 0).distinct()
    if some:
        spans = spans.where(Membership.person_id.in_(_people()))
        quarters = quarters.where(Served.person_id.in_(_people()))
    span = spans.cte("span")
    home = and_(Membership.person_id == span.c.person_id, Membership.since == span.c.latest)
    signed_up = (
        select(
            span.c.person_id, Membership.organisation_id, (span.c.first // QUARTER).label("quarter")
        )
        .join(Membership, home)
        .cte("signed_up")
    )
    served = quarters.cte("quarters")
    since = (
        select(
            signed_up.c.organisation_id,
            signed_up.c.quarter,
            (served.c.quarter - signed_up.c.quarter).label("after"),
        )
        .join(served, served.c.person_id == signed_up.c.person_id)
        .where(served.c.quarter >= signed_up.c.quarter)
        .subquery()
    )
    keys = (signed_up.c.organisation_id, signed_up.c.quarter)
    return union_all(
        select(*keys, literal(SIGNED_UP), func.count()).group_by(*keys),
        select(*since.c, func.count()).group_by(*since.c),
    )


def _people() -> BindParameter[Any]:
    return bindparam("people", expanding=True)


def _greater(one: Any, other: Any) -> ColumnElement[int]:
    return case((one > other, one), else_=other)


def _lesser(one: Any, other: Any) -> ColumnElement[int]:
    """`other` may be unknown."""
    return case((other < one, other), else_=one)


async def _exchange(work: Work, before: _Share, after: _Share) -> None:
    for table, old, new in (
        (PeopleCount, before.people, after.people),
        (CohortCount, before.cohorts, after.cohorts),
    ):
        await _add(work, table, _difference(old, new))


def _difference(old: Counts, new: Counts) -> Counts:
    changed: Counts = {}
    for key in old.keys() | new.keys():
        width = len(old.get(key) or new[key])
        nothing = (0,) * width
        pairs = zip(new.get(key, nothing), old.get(key, nothing), strict=True)
        grown = tuple(now - was for now, was in pairs)
        if any(grown):
            changed[key] = grown
    return changed


# Hours


async def keep_hours(work: Work) -> int:
    """Sweep: takes in the next entries of the ledger; answers how many."""
    await _take_turn(work)
    entries = await _next_entries(work)
    if not entries:
        return 0
    minutes: defaultdict[tuple[int, int], int] = defaultdict(int)
    served: defaultdict[tuple[int, int], int] = defaultdict(int)
    marks: dict[tuple[int, ...], tuple[int, ...]] = {}
    for entry in entries:
        minutes[entry.organisation_id, entry.month] += entry.minutes
        served[entry.person_id, entry.month] += entry.minutes
        marks[entry.organisation_id,] = (entry.sequence,)
    await _serve(work, served)
    await _add(work, HoursCount, {key: (value,) for key, value in minutes.items()})
    await _put(work, LedgerMark, marks)
    await _write_activities(work, await _count_activities(work, set(minutes)))
    return len(entries)


async def _next_entries(work: Work) -> Sequence[Any]:
    """In the order of their chains: what a chain's length says is there can be read."""
    counted = func.coalesce(LedgerMark.entries, 0)
    rows = await work.session.execute(
        select(
            LedgerEntry.organisation_id,
            LedgerEntry.sequence,
            LedgerEntry.person_id,
            LedgerEntry.minutes,
            month_column(work, LedgerEntry.served_at).label("month"),
        )
        .select_from(Organisation)
        .outerjoin(LedgerMark, LedgerMark.organisation_id == Organisation.id)
        .join(LedgerEntry, LedgerEntry.organisation_id == Organisation.id)
        .where(Organisation.ledger_length > counted, LedgerEntry.sequence > counted)
        .order_by(Organisation.id, LedgerEntry.sequence)
        .limit(ENTRIES_AT_ONCE)
    )
    return rows.all()


async def _serve(work: Work, served: Mapping[tuple[int, int], int]) -> None:
    """Adds minutes; people's shares change where a month begins or ceases to have any."""
    kept: dict[tuple[int, int], int] = {}
    for people in _lots(sorted({person for person, _ in served})):
        rows = await work.session.execute(
            select(Served.person_id, Served.month, Served.minutes).where(
                Served.person_id.in_(people)
            )
        )
        kept |= {(person, month): minutes for person, month, minutes in rows}
    turned = {
        key[0]
        for key, minutes in served.items()
        if (kept.get(key, 0) > 0) != (kept.get(key, 0) + minutes > 0)
    }
    people = sorted(turned)
    before = await _of_people(work, people)
    await _add(work, Served, {key: (minutes,) for key, minutes in served.items()})
    await _exchange(work, before, await _of_people(work, people))


# Activities


@dataclass(frozen=True, slots=True)
class Found:
    """Months of organisations that were counted anew, and what was found in them."""

    cells: set[tuple[int, int]]
    activities: Counts
    delays: Counts


async def look_at_activities(work: Work) -> Found | None:
    """As `find_activities`, from time to time."""
    return await find_activities(work) if await is_due(work, ACTIVITIES) else None


async def find_activities(work: Work) -> Found:
    """Counts anew where something may have changed; answers only where something has."""
    found = await _count_activities(work, await _unsettled(work))
    kept, now = _by_cell(await _kept_activities(work, found.cells)), _by_cell(found)
    changed = {cell for cell in found.cells if now.get(cell) != kept.get(cell)}
    return Found(
        changed,
        {key: row for key, row in found.activities.items() if key[:2] in changed},
        {key: row for key, row in found.delays.items() if key[:2] in changed},
    )


def _by_cell(found: Found) -> dict[tuple[int, ...], Counts]:
    cells: defaultdict[tuple[int, ...], Counts] = defaultdict(dict)
    for counts in (found.activities, found.delays):
        for key, row in counts.items():
            cells[key[:2]][key] = row
    return cells


async def keep_activities(work: Work, found: Found | None) -> int:
    """Sweep: writes down what was found; answers for how many months."""
    if found is None:
        return 0
    await _take_turn(work)
    await _write_activities(work, found)
    await note(work, ACTIVITIES)
    return len(found.cells)


async def _write_activities(work: Work, found: Found) -> None:
    for cells in _lots(sorted(found.cells)):
        for table in (ActivityCount, DelayCount):
            where = tuple_(table.organisation_id, table.month).in_(cells)
            await work.session.execute(
                delete(table).where(where).execution_options(synchronize_session=False)
            )
    await _put(work, ActivityCount, found.activities)
    await _put(work, DelayCount, found.delays)


async def _unsettled(work: Work) -> set[tuple[int, int]]:
    """Organisations' months with shifts that ended or were called off lately, or with open hours.

    Lately is since the last look, and as long before it as the roll of a shift is open. Hours
    that were open when last counted may have been rejected, which the ledger does not tell.
    """
    month = month_column(work, Shift.starts_at)
    shifts = select(Activity.organisation_id, month).join(
        Activity, Activity.id == Shift.activity_id
    )
    lately = (await _counted_at(work, ACTIVITIES) or LONG_AGO) - SETTLING
    open_hours = (HoursState.OPEN, HoursState.PROPOSED)
    attended = (
        select(Enrolment.shift_id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Attendance.state.in_(open_hours))
    )
    found = await work.session.execute(
        union(
            shifts.where(Shift.starts_at <= work.now, Shift.ends_at > lately),
            shifts.where(Activity.cancelled_at > lately),
            shifts.where(Shift.id.in_(attended)),
            select(ActivityCount.organisation_id, ActivityCount.month).where(
                ActivityCount.waiting > 0
            ),
        )
    )
    return {(organisation, month) for organisation, month in found}


async def _kept_activities(work: Work, cells: Iterable[tuple[int, int]]) -> Found:
    kept = Found(set(cells), {}, {})
    for some in _lots(sorted(kept.cells)):
        for table, counts in ((ActivityCount, kept.activities), (DelayCount, kept.delays)):
            columns = table.__table__.columns
            rows = await work.session.execute(
                select(*columns).where(tuple_(columns.organisation_id, columns.month).in_(some))
            )
            counts.update(_counts(table, rows))
    return kept


async def _count_activities(work: Work, cells: set[tuple[int, int]] | None) -> Found:
    """Of these organisations' months; of all for None."""
    if cells is not None and not cells:
        return Found(set(), {}, {})
    where = await _begun(work, cells)
    cell = (Activity.organisation_id, month_column(work, Shift.starts_at).label("month"))
    grouped = (Activity.organisation_id, "month")
    shifts = await work.session.execute(
        select(
            *cell, func.sum(case((_is_first(), 1), else_=0)), func.count(), func.sum(Shift.quota)
        )
        .select_from(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(where)
        .group_by(*grouped)
    )
    attendances = (
        select(*cell)
        .select_from(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(where, Activity.import_id.is_(None))
    )
    people = await work.session.execute(
        attendances.add_columns(
            _number(Enrolment.state.in_(WITH_A_PLACE)),
            _number(Enrolment.state == EnrolmentState.ATTENDED),
            _number(Enrolment.state == EnrolmentState.NO_SHOW),
            _number(Attendance.state.in_((HoursState.OPEN, HoursState.PROPOSED))),
        ).group_by(*grouped)
    )
    first = and_(
        LedgerEntry.attendance_id == Attendance.id, LedgerEntry.kind == EntryKind.CONFIRMATION
    )
    delays = await work.session.execute(
        attendances.outerjoin(LedgerEntry, first)
        .where(Attendance.state.in_((HoursState.CONFIRMED, HoursState.REJECTED)))
        .add_columns(_bucket(work).label("bucket"), func.count())
        .group_by(*grouped, "bucket")
    )
    with_people = {(row[0], row[1]): tuple(map(int, row[2:])) for row in people}
    return Found(
        cells or set(),
        {
            (row[0], row[1]): (*map(int, row[2:]), *with_people.get((row[0], row[1]), (0, 0, 0, 0)))
            for row in shifts
        },
        {(row[0], row[1], row[2]): (row[3],) for row in delays},
    )


async def _begun(work: Work, cells: set[tuple[int, int]] | None) -> ColumnElement[bool]:
    """Shifts that have begun and were not called off, of these cells."""
    begun = and_(
        Activity.state.in_((ActivityState.PUBLISHED, ActivityState.CLOSED)),
        Shift.starts_at <= work.now,
    )
    if cells is None:
        return begun
    months = [month for _, month in cells]
    return and_(
        begun,
        Shift.starts_at >= starts(work, min(months)),
        Shift.starts_at < starts(work, max(months) + 1),
        Activity.organisation_id.in_({organisation for organisation, _ in cells}),
        tuple_(Activity.organisation_id, month_column(work, Shift.starts_at)).in_(sorted(cells)),
    )


def _is_first() -> ColumnElement[bool]:
    other = aliased(Shift)
    before = or_(
        other.starts_at < Shift.starts_at,
        and_(other.starts_at == Shift.starts_at, other.id < Shift.id),
    )
    return ~exists().where(other.activity_id == Shift.activity_id, before)


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _bucket(work: Work) -> ColumnElement[int]:
    """By the hours from leaving, when hours are proposed, to the first decision on them."""
    decided = func.coalesce(LedgerEntry.recorded_at, Attendance.decided_at)
    seconds = _seconds(work, decided) - _seconds(work, Attendance.checked_out_at)
    limits = ((seconds < hours * 3600, place) for place, hours in enumerate(BUCKETS))
    return case(*limits, else_=len(BUCKETS))


def _seconds(work: Work, moment: Any) -> ColumnElement[int]:
    """Whole ones, since 1970."""
    if is_postgresql(work):
        return cast(func.floor(func.extract("epoch", moment)), Integer)
    return cast(func.strftime("%s", moment), Integer)


# What people can do


@dataclass(frozen=True, slots=True)
class Abilities:
    held: Counts
    in_reach: Counts


async def look_at_abilities(work: Work) -> Abilities | None:
    """As `find_abilities`, from time to time."""
    return await find_abilities(work) if await is_due(work, ABILITIES) else None


async def find_abilities(work: Work) -> Abilities:
    """Who can do what where, and who could come to each town."""
    return Abilities(await _held(work), await _in_reach(work))


async def keep_abilities(work: Work, found: Abilities | None) -> int:
    """Sweep: writes down what was found; answers how many counts have changed."""
    if found is None:
        return 0
    await _take_turn(work)
    await note(work, ABILITIES)
    changed = 0
    for table, counts in ((AbilityCount, found.held), (ReachCount, found.in_reach)):
        kept = await _all(work, table)
        gone = sorted(kept.keys() - counts.keys())
        fresh = {key: row for key, row in counts.items() if kept.get(key) != row}
        for keys in _lots(gone):
            where = tuple_(table.organisation_id, table.attribute).in_(keys)
            await work.session.execute(
                delete(table).where(where).execution_options(synchronize_session=False)
            )
        await _put(work, table, fresh)
        changed += len(gone) + len(fresh)
    return changed


def _is_valid(work: Work) -> ColumnElement[bool]:
    return and_(
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= work.today),
    )


async def _held(work: Work) -> Counts:
    where, number = Trait.organisation_id, func.count()
    skill = traits.skill_attribute(PersonSkill.skill_id)
    document = traits.qualification_attribute(Qualification.kind_id)
    found = await work.session.execute(
        union_all(
            select(where, literal(traits.EVERYONE), number).group_by(where),
            select(where, skill, number)
            .join(PersonSkill, PersonSkill.person_id == Trait.person_id)
            .group_by(where, PersonSkill.skill_id),
            select(where, document, number)
            .join(Qualification, Qualification.person_id == Trait.person_id)
            .where(_is_valid(work))
            .group_by(where, Qualification.kind_id),
        )
    )
    return {(row[0], row[1]): (row[2],) for row in found}


async def _in_reach(work: Work) -> Counts:
    """Volunteers who agreed to be called and can be written to, as far as they said they go."""
    wanted = await emergency_attributes(work)
    valid = exists().where(
        Qualification.person_id == Posting.person_id,
        traits.qualification_attribute(Qualification.kind_id) == Posting.attribute,
        _is_valid(work),
    )
    people = (
        select(Posting.attribute, Posting.latitude, Posting.longitude, Posting.reach)
        .join(Trait, Trait.person_id == Posting.person_id)
        .where(
            Posting.attribute.in_(wanted),
            Trait.reachable,
            or_(Trait.paused_until.is_(None), Trait.paused_until <= work.today),
            or_(Posting.attribute % 4 != 1, valid),
        )
        .cte("people")
        .prefix_with("MATERIALIZED")
    )
    towns = select(
        Organisation.id,
        Organisation.latitude,
        Organisation.longitude,
        (geo.METRES_PER_DEGREE * func.cos(func.radians(Organisation.latitude))).label("east"),
    ).where(
        Organisation.kind == OrganisationKind.TOWN_ASSOCIATION, Organisation.latitude.is_not(None)
    )
    town = towns.cte("town").prefix_with("MATERIALIZED")
    north = (people.c.latitude - town.c.latitude) * geo.METRES_PER_DEGREE
    east = (people.c.longitude - town.c.longitude) * town.c.east
    far = case((people.c.reach * 1000.0 < RADIUS, people.c.reach * 1000.0), else_=RADIUS)
    found = await work.session.execute(
        select(town.c.id, people.c.attribute, func.count())
        .select_from(town)
        .join(people, north * north + east * east <= far * far)
        .group_by(town.c.id, people.c.attribute)
    )
    return {(row[0], row[1]): (row[2],) for row in found}


async def emergency_attributes(work: Work) -> list[int]:
    """Everyone, then the skills and documents that emergencies ask for, in the city's order."""
    codes = {code for usual in declaring.USUAL.values() for code in usual.skills}
    skills = await work.session.scalars(
        select(Skill.id).where(Skill.code.in_(codes)).order_by(Skill.position)
    )
    kinds = await work.session.scalars(
        select(QualificationKind.id)
        .where(QualificationKind.code.in_(DOCUMENTS))
        .order_by(QualificationKind.position)
    )
    return [
        traits.EVERYONE,
        *map(traits.skill_attribute, skills),
        *map(traits.qualification_attribute, kinds),
    ]


# From time to time


async def is_due(work: Work, what: str) -> bool:
    last = await _counted_at(work, what)
    return last is None or not last <= work.now < last + EVERY[what]


async def _counted_at(work: Work, what: str) -> datetime | None:
    return await work.session.scalar(select(CountMark.at).where(CountMark.what == what))


async def _take_turn(work: Work) -> None:
    """Whoever else counts waits until we are done: the sweeps, and `muster doctor` beside them.

    What somebody adds is a difference between what they saw before and after.
    """
    if is_postgresql(work):
        await work.session.execute(select(func.pg_advisory_xact_lock(COUNTING)))


async def note(work: Work, what: str) -> None:
    await work.session.merge(CountMark(what=what, at=work.now))
    await work.session.flush()


# All anew


async def is_counted(work: Work) -> bool:
    """Whether anything has ever been counted, or there is nobody to count."""
    counted = await work.session.scalar(select(exists().select_from(Membership)))
    return bool(counted) or not await work.session.scalar(select(exists().select_from(Trait)))


async def catch_up(work: Work) -> None:
    """All that the sweeps would do, at once."""
    while moves := await find_moves(work):
        await keep_people(work, moves)
    while await keep_hours(work):
        pass
    await keep_activities(work, await find_activities(work))
    await keep_abilities(work, await find_abilities(work))


async def recount_all(work: Work) -> None:
    """Makes every count anew from the tables, and memberships true of today."""
    await _take_turn(work)
    await _register(work)
    for moves in _lots(await _find_moves(work, None)):
        await _move(work, moves)
    for table, rows in _from_ledger(work).items():
        await work.session.execute(delete(table))
        await _fill(work, table, rows)
    for table, counts in (await _recounted(work)).items():
        await work.session.execute(delete(table))
        await _put(work, table, counts)
    for what in (ACTIVITIES, ABILITIES):
        await note(work, what)


async def _register(work: Work) -> None:
    """Memberships of all who have none yet, at once."""
    registered = month_column(work, func.coalesce(Person.registered_at, Person.applied_at))
    now = literal(month_of(work, work.now))
    none = ~exists().where(Membership.person_id == Person.id)
    nowhere = cast(null(), Integer)
    await _fill(
        work,
        Membership,
        select(
            Person.id, case((registered > now, now), else_=registered), Person.organisation_id,
            nowhere,
        ).where(Person.standing == Standing.ACTIVE, none),
    )  # fmt: skip


def _from_ledger(work: Work) -> dict[Any, Select[Any]]:
    return {
        Served: _by_month(work, LedgerEntry.person_id),
        HoursCount: _by_month(work, LedgerEntry.organisation_id),
        LedgerMark: select(Organisation.id, Organisation.ledger_length).where(
            Organisation.ledger_length > 0
        ),
    }


async def differences(work: Work) -> dict[str, int]:
    """Of which tables how many counts are not what the tables say that they rest on.

    `catch_up` comes first; for `muster doctor`.
    """
    wrong: dict[str, int] = {}
    for table, rows in _from_ledger(work).items():
        kept = select(*table.__table__.columns)
        lacking = except_(rows, kept).subquery()
        spare = except_(kept, rows).subquery()
        for unlike in (lacking, spare):
            number = await work.session.scalar(select(func.count()).select_from(unlike)) or 0
            wrong[table.__tablename__] = max(number, wrong.get(table.__tablename__, 0))
    for table, counts in (await _recounted(work)).items():
        wrong[table.__tablename__] = len(_unlike(counts, await _all(work, table)))
    return {name: number for name, number in wrong.items() if number}


def _unlike(some: Counts, others: Counts) -> list[tuple[int, ...]]:
    """Keys of what differs; a row of noughts and none are the same."""
    return [
        key
        for key in some.keys() | others.keys()
        if any(some.get(key, ())) or any(others.get(key, ()))
        if some.get(key) != others.get(key)
    ]


async def _recounted(work: Work) -> dict[Any, Counts]:
    people = await _of_people(work, None)
    activities = await _count_activities(work, None)
    abilities = await find_abilities(work)
    return {
        PeopleCount: people.people,
        CohortCount: people.cohorts,
        ActivityCount: activities.activities,
        DelayCount: activities.delays,
        AbilityCount: abilities.held,
        ReachCount: abilities.in_reach,
    }


def _by_month(work: Work, whose: Any) -> Select[Any]:
    """Minutes of the ledger, by people or by organisations."""
    month = month_column(work, LedgerEntry.served_at).label("month")
    minutes = cast(func.sum(LedgerEntry.minutes), Integer)
    return select(whose, month, minutes.label("minutes")).group_by(whose, "month")


# Rows


def _columns(table: Any) -> tuple[list[str], list[str]]:
    """Names of its keys and of what is counted, in their order."""
    columns = table.__table__.columns
    return [c.name for c in columns if c.primary_key], [
        c.name for c in columns if not c.primary_key
    ]


def _counts(table: Any, rows: Iterable[Any]) -> Counts:
    """Rows as they stand in the table."""
    width = len(_columns(table)[0])
    return {tuple(row)[:width]: tuple(row)[width:] for row in rows}


async def _all(work: Work, table: Any) -> Counts:
    return _counts(table, await work.session.execute(select(*table.__table__.columns)))


async def _fill(work: Work, table: Any, rows: Select[Any]) -> None:
    names = [column.name for column in table.__table__.columns]
    await work.session.execute(
        insert(table.__table__).from_select(names, rows, include_defaults=False)
    )


async def _add(work: Work, table: Any, counts: Counts) -> None:
    """Adds to what is counted."""
    await _upsert(work, table, counts, adding=True)


async def _put(work: Work, table: Any, counts: Counts) -> None:
    """Counts as they are now, whatever they were."""
    await _upsert(work, table, counts, adding=False)


async def _upsert(work: Work, table: Any, counts: Counts, *, adding: bool) -> None:
    keys, values = _columns(table)
    dialect: Any = postgresql if is_postgresql(work) else sqlite
    statement = dialect.insert(table.__table__)
    given = statement.excluded
    columns = table.__table__.columns
    changed = {name: columns[name] + given[name] if adding else given[name] for name in values}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    rows = [dict(zip(keys + values, key + row, strict=True)) for key, row in counts.items()]
    for some in _lots(sorted(rows, key=lambda row: tuple(row[key] for key in keys))):
        await work.session.execute(statement, some)


def _lots(rows: Sequence[Any]) -> Iterable[list[Any]]:
    return (list(rows[start : start + ROWS_AT_ONCE]) for start in range(0, len(rows), ROWS_AT_ONCE))

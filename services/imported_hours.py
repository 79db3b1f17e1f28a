"""Rows of past hours: whose, at what, when, how long; each becomes what hours always are.

An activity that is marked as imported, a shift, an enrolment, an attendance and an entry of the
ledger. No line is counted twice: it is known by its reference, else by person, activity, day and
minutes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import BindParameter, Table, and_, bindparam, insert, or_, select, update

from models import (
    Activity,
    ActivityState,
    Attendance,
    Confirmation,
    Enrolment,
    EnrolmentState,
    HoursState,
    Import,
    ImportedHours,
    Means,
    Shift,
    Standing,
)
from models.sealed import keyring
from services import bulk, columns, ledger, organisations
from services.columns import CellError, Cells, Fault
from services.entering import (
    Context,
    Index,
    Known,
    Outcome,
    Verdict,
    Who,
    known,
    mark,
    met,
    read_named,
    remember,
    the_one,
    wrong,
)
from services.files import Row
from services.work import Work

USUAL_START = time(9)
"""Where the file does not say when on that day."""
SERVED_BY = (Standing.ACTIVE, Standing.WITHDRAWN)
AT_ONCE = 50
"""Activities whose shifts are looked up by one statement."""
Key = tuple[int, datetime, int]
"""A shift by activity, start and minutes."""
Place = tuple[int, str, int, int]
"""A person at an activity: its organisation, title and field, and the person."""
TITLE, REFERENCE = 80, 100
"""Characters."""


@dataclass(slots=True)
class Entry:
    line: int
    who: Who
    title: str
    organisation_id: int
    field_id: int
    day: date
    starts_at: datetime
    given: bool
    """Whether the file says when; else it is `USUAL_START` or what follows upon it."""
    minutes: int
    reference: str
    faults: list[Fault] = field(default_factory=list)
    person_id: int = 0
    service: str = ""
    key: str = ""

    @property
    def place(self) -> Place:
        return self.organisation_id, self.title, self.field_id, self.person_id

    @property
    def beginning(self) -> int:
        """The mark of this person's beginning there at that moment."""
        return mark("begins", f"{self.place}:{self.starts_at}")


@dataclass(slots=True)
class Counted:
    """The lines that have been counted: by `ImportedHours.key`, and how often each service.

    `starts`: when everybody began at each activity, since nobody begins there twice at once.
    """

    keys: set[str]
    services: Counter[str]
    starts: dict[Place, set[datetime]] = field(default_factory=dict)


def parse(context: Context, rows: Sequence[Row]) -> list[Entry]:
    """Takes some hundredths of a second: call it in a thread."""
    return [_entry(context, line, Cells(context.mapping, cells)) for line, cells in rows]


def _entry(context: Context, line: int, cells: Cells) -> Entry:
    named = read_named(context, cells)
    cells.require("activity")
    title = cells.read("activity", columns.bounded(TITLE)) or ""
    cells.require("date")
    day = cells.read("date", columns.past_day(context.today)) or context.today
    starts = cells.read("starts", columns.clock)
    starts_at = datetime.combine(day, starts or USUAL_START, context.policy.zone).astimezone(UTC)
    return Entry(
        line,
        named.who,
        title,
        cells.read("organisation", context.organisations.find) or context.organisation_id,
        cells.read("field", context.fields.find) or context.default_field,
        day,
        starts_at,
        starts is not None,
        _minutes(cells),
        cells.read("reference", columns.bounded(REFERENCE)) or "",
        cells.faults,
    )


def _minutes(cells: Cells) -> int:
    if cells.text("minutes"):
        return cells.read("minutes", columns.minutes) or 0
    if not cells.text("hours"):
        cells.wrong("hours", "missing")
        return 0
    return cells.read("hours", columns.hours) or 0


# Whose, and whether they are counted already


async def judge(
    work: Work, context: Context, entries: Sequence[Entry], *, checking: bool
) -> list[Verdict]:
    """What becomes of each row. What is only checked is remembered for the rows further down."""
    index = await known(work, [entry.who for entry in entries if not entry.faults])
    people: dict[int, Known] = {}
    for entry in entries:
        if not entry.faults:
            _find(work, entry, index, people)
    fit = [entry for entry in entries if not entry.faults]
    counted = await _counted(work, fit)
    if checking:
        await _count_checked(work, context, fit, counted)
    # Who gives a start gets it; the others take what is free.
    in_turn = sorted(entries, key=lambda entry: not entry.given)
    judged = {entry.line: _judged(context, entry, counted, people) for entry in in_turn}
    verdicts = [judged[entry.line] for entry in entries]
    if checking:
        fresh = [v for v in verdicts if v.outcome is Outcome.NEW]
        lines = {
            key: Known(v.line, 0, None)
            for v in fresh
            for key in (mark("line", v.entry.key), v.entry.beginning)
        }
        await remember(work, context.import_id, lines)
    return verdicts


async def _count_checked(
    work: Work, context: Context, entries: Sequence[Entry], counted: Counted
) -> None:
    """Adds the lines further up in a file that is only being checked."""
    keys = {key for one in entries for key in (mark("line", one.key), one.beginning)}
    before = await met(work, context.import_id, keys)
    for one in entries:
        if mark("line", one.key) in before:
            counted.keys.add(one.key)
        if one.beginning in before:
            counted.starts.setdefault(one.place, set()).add(one.starts_at)


def _find(work: Work, entry: Entry, index: Index, people: dict[int, Known]) -> None:
    """Whose hours these are; notes it as a fault where that can't be told."""
    try:
        one = the_one(entry.who, index)
        if one is None:
            raise CellError("unknown_person")
        if one.standing not in SERVED_BY:
            raise CellError("not_active")
        if one.person_id == work.person.id:
            raise CellError("own_hours")
    except CellError as fault:
        entry.faults.append(Fault(None, fault.code, fault.parameters))
        return
    people[entry.line] = one
    entry.person_id = one.person_id or 0
    ring = keyring()
    entry.service = ring.fingerprint(
        f"served:{entry.organisation_id}:{entry.title}:{entry.person_id}:{entry.day}:{entry.minutes}"
    )
    entry.key = entry.service
    if entry.reference:
        entry.key = ring.fingerprint(f"reference:{entry.person_id}:{entry.reference}")


async def _counted(work: Work, entries: Sequence[Entry]) -> Counted:
    found = Counted(set(), Counter())
    if not entries:
        return found
    rows = await work.session.execute(
        select(ImportedHours.key, ImportedHours.service).where(
            or_(
                ImportedHours.key.in_({entry.key for entry in entries}),
                ImportedHours.service.in_({entry.service for entry in entries}),
            )
        )
    )
    for key, service in rows:
        found.keys.add(key)
        found.services[service] += 1
    found.starts = await _starts(work, entries)
    return found


async def _starts(work: Work, entries: Sequence[Entry]) -> dict[Place, set[datetime]]:
    """When the people of the entries began at their activities, from the earliest entry on."""
    found: dict[Place, set[datetime]] = {}
    rows = await work.session.execute(
        select(
            Activity.organisation_id,
            Activity.title,
            Activity.field_id,
            Enrolment.person_id,
            Shift.starts_at,
        )
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            Activity.import_id.is_not(None),
            Activity.organisation_id.in_({entry.organisation_id for entry in entries}),
            Activity.title.in_({entry.title for entry in entries}),
            Enrolment.person_id.in_({entry.person_id for entry in entries}),
            Shift.starts_at >= min(entry.starts_at for entry in entries),
        )
    )
    for organisation_id, title, field_id, person_id, starts_at in rows:
        place = (organisation_id, title, field_id, person_id)
        found.setdefault(place, set()).add(starts_at)
    return found


def _judged(context: Context, entry: Entry, counted: Counted, people: dict[int, Known]) -> Verdict:
    if entry.faults:
        return wrong(entry.line, entry, entry.faults)
    one = people[entry.line]
    without_reference = entry.key == entry.service
    again = entry.key in counted.keys or entry.service in counted.keys
    if again or (without_reference and counted.services[entry.service]):
        return Verdict(entry.line, Outcome.KNOWN, entry, known=one)
    taken = counted.starts.setdefault(entry.place, set())
    if entry.given and entry.starts_at in taken:
        fault = Fault(context.mapping.get("starts"), "begins_twice")
        return wrong(entry.line, entry, [fault])
    # Who served more than once on one day did so one after the other.
    while entry.starts_at in taken:
        entry.starts_at += timedelta(minutes=entry.minutes)
    taken.add(entry.starts_at)
    counted.keys.add(entry.key)
    counted.services[entry.service] += 1
    return Verdict(entry.line, Outcome.NEW, entry, known=one)


# Writing them


async def apply(work: Work, found: Import, verdicts: Sequence[Verdict]) -> None:
    entries = [verdict.entry for verdict in verdicts if verdict.outcome is Outcome.NEW]
    if not entries:
        return
    activities = await _activities(work, found, entries)
    shifts = await _shifts(work, activities, entries)
    enrolments = await bulk.add(
        work,
        Enrolment,
        [
            {
                "shift_id": shift_id,
                "person_id": entry.person_id,
                "state": EnrolmentState.ATTENDED,
                "queued_at": entry.starts_at,
            }
            for entry, shift_id in zip(entries, shifts, strict=True)
        ],
    )
    attendances = await bulk.add(
        work,
        Attendance,
        [_attendance(work, entry, key) for entry, key in zip(entries, enrolments, strict=True)],
    )
    await work.session.execute(
        insert(ImportedHours),
        [
            {
                "attendance_id": attendance_id,
                "import_id": found.id,
                "key": entry.key,
                "service": entry.service,
            }
            for entry, attendance_id in zip(entries, attendances, strict=True)
        ],
    )
    await _enter(work, entries, attendances)


async def _activities(work: Work, found: Import, entries: Sequence[Entry]) -> list[Activity]:
    """The activity of each entry; one for all hours of an organisation under a title and field."""
    wanted = {(entry.organisation_id, entry.title, entry.field_id) for entry in entries}
    rows = await work.session.scalars(
        select(Activity)
        .where(
            Activity.import_id.is_not(None),
            Activity.organisation_id.in_({key[0] for key in wanted}),
            Activity.title.in_({key[1] for key in wanted}),
        )
        .order_by(Activity.id.desc())
    )
    there = {(row.organisation_id, row.title, row.field_id): row for row in rows}
    missing = sorted(wanted - set(there))
    places = await _places(work, {key[0] for key in missing})
    for key in missing:
        there[key] = _activity(work, found, key, places[key[0]])
    work.session.add_all(there[key] for key in missing)
    await work.session.flush()
    return [there[entry.organisation_id, entry.title, entry.field_id] for entry in entries]


async def _places(work: Work, keys: set[int]) -> dict[int, tuple[float, float]]:
    """Where organisations are; the nearest above that is anywhere stands in."""
    found = {}
    for one in await organisations.by_keys(work.session, sorted(keys)):
        found[one.id] = (0.0, 0.0)
        for step in await organisations.chain(work.session, one):
            if step.latitude is not None and step.longitude is not None:
                found[one.id] = (step.latitude, step.longitude)
    return found


def _activity(
    work: Work, found: Import, key: tuple[int, str, int], place: tuple[float, float]
) -> Activity:
    organisation_id, title, field_id = key
    return Activity(
        organisation_id=organisation_id,
        field_id=field_id,
        state=ActivityState.CLOSED,
        title=title,
        description="",
        address="",
        latitude=place[0],
        longitude=place[1],
        confirmation=Confirmation.BY_HAND,
        created_by_id=work.person.id,
        created_at=work.now,
        import_id=found.id,
    )


async def _shifts(
    work: Work, activities: Sequence[Activity], entries: Sequence[Entry]
) -> list[int]:
    """The key of each entry's shift, with room for exactly those who were there."""
    keys = [
        (activity.id, entry.starts_at, entry.minutes)
        for activity, entry in zip(activities, entries, strict=True)
    ]
    wanted = Counter(keys)
    there = await _existing(work, wanted)
    await _widen(work, [(there[key], more) for key, more in wanted.items() if key in there])
    missing = [key for key in wanted if key not in there]
    if missing:
        rows = [
            {
                "activity_id": activity_id,
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(minutes=minutes),
                "quota": wanted[activity_id, starts_at, minutes],
                "taken": wanted[activity_id, starts_at, minutes],
            }
            for activity_id, starts_at, minutes in missing
        ]
        there |= dict(zip(missing, await bulk.add(work, Shift, rows), strict=True))
    return [there[key] for key in keys]


async def _existing(work: Work, wanted: Iterable[Key]) -> dict[Key, int]:
    moments: dict[int, set[datetime]] = {}
    for activity_id, starts_at, _ in wanted:
        moments.setdefault(activity_id, set()).add(starts_at)
    found: dict[Key, int] = {}
    activities = list(moments.items())
    for at in range(0, len(activities), AT_ONCE):
        some = activities[at : at + AT_ONCE]
        rows = await work.session.execute(
            select(Shift.id, Shift.activity_id, Shift.starts_at, Shift.ends_at).where(
                or_(
                    *(
                        and_(Shift.activity_id == key, Shift.starts_at.in_(starts))
                        for key, starts in some
                    )
                )
            )
        )
        for key, activity_id, starts_at, ends_at in rows:
            found[activity_id, starts_at, (ends_at - starts_at) // timedelta(minutes=1)] = key
    return found


async def _widen(work: Work, shifts: Sequence[tuple[int, int]]) -> None:
    if not shifts:
        return
    table = Shift.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    more: BindParameter[int] = bindparam("more")
    await (await work.session.connection()).execute(
        update(table)
        .where(table.c.id == bindparam("key"))
        .values(quota=table.c.quota + more, taken=table.c.taken + more),
        [{"key": key, "more": number} for key, number in shifts],
    )


def _attendance(work: Work, entry: Entry, enrolment_id: int) -> dict[str, Any]:
    return {
        "enrolment_id": enrolment_id,
        "checked_in_at": entry.starts_at,
        "in_means": Means.IMPORTED,
        "checked_out_at": entry.starts_at + timedelta(minutes=entry.minutes),
        "out_means": Means.IMPORTED,
        "state": HoursState.CONFIRMED,
        "minutes": entry.minutes,
        "decided_at": work.now,
        "decided_by_id": work.person.id,
    }


async def _enter(work: Work, entries: Sequence[Entry], attendances: Sequence[int]) -> None:
    """The chains of the organisations in the order of their keys, so that no two wait for each
    other."""
    drafts: dict[int, list[ledger.Draft]] = {}
    for entry, attendance_id in zip(entries, attendances, strict=True):
        drafts.setdefault(entry.organisation_id, []).append(
            ledger.Draft(
                person_id=entry.person_id,
                attendance_id=attendance_id,
                field_id=entry.field_id,
                minutes=entry.minutes,
                served_at=entry.starts_at,
            )
        )
    for organisation_id in sorted(drafts):
        await ledger.append(work, organisation_id, drafts[organisation_id])

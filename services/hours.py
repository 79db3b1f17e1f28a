"""Hours: from proposed minutes to entries of the ledger. A coordinator confirms, corrects, rejects.

Nobody decides on their own hours. Each decision is made under a lock on its attendances, so that
two coordinators at once make one entry.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, select

from models import (
    Account,
    Activity,
    Attendance,
    AuditEntry,
    Dispute,
    Enrolment,
    HoursState,
    LedgerEntry,
    Person,
    Shift,
    Trait,
)
from services import (
    access,
    activities,
    audit,
    delivery,
    events,
    ledger,
    lengths,
    listing,
    oddities,
    ratings,
    sheets,
)
from services.errors import Gone, Refusal
from services.listing import Slice
from services.oddities import Odd
from services.work import Work

KIND = "hours"
PAGE = 8
REASON = (2, 200)
"""Characters of the reason for a correction or a rejection."""
BEYOND_SHIFT = timedelta(hours=4)
"""A correction may give so much more than the shift's length, for those who stayed to help."""


@dataclass(frozen=True, slots=True)
class Record:
    """Somebody's attendance with what it was at."""

    attendance: Attendance
    person: Person
    shift: Shift
    activity: Activity
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Pile:
    """A shift with proposed hours, and how many."""

    shift: Shift
    activity: Activity
    count: int
    odd: int = 0
    """How many of them look odd."""


@dataclass(frozen=True, slots=True)
class Line:
    """An attendance as a desk lists it: what looks odd, and what was objected."""

    record: Record
    odd: list[Odd]
    dispute: Dispute | None


@dataclass(frozen=True, slots=True)
class Desk:
    """A shift's hours at the desk; `sound` of the `left` that wait look right."""

    shift: Shift
    activity: Activity
    page: Slice[Line]
    left: int
    sound: int


@dataclass(frozen=True, slots=True)
class History:
    """What became of an attendance: its entries in the ledger, and who did what to it."""

    line: Line
    people: dict[int, str]
    """Key -> name of whoever ticked, decided, recorded."""
    entries: list[LedgerEntry]
    decisions: list[AuditEntry]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of a shift's hours; those proposed come first. `left` still wait for a decision."""

    shift: Shift
    activity: Activity
    records: list[Record]
    page: int
    pages: int
    left: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`own`, `empty` and `odd` tell how many were left out, and why."""

    count: int
    own: int
    empty: int
    odd: int = 0


# What waits


async def waiting(work: Work) -> int:
    """How many proposals wait for the actor's decision."""
    found = select(func.count()).select_from((await _waiting(work)).subquery())
    return await work.session.scalar(found) or 0


async def piles(work: Work) -> list[Pile]:
    """Shifts with proposals that the actor decides on, the longest ago first."""
    waits = (await _waiting(work)).subquery()
    rows = await work.session.execute(
        select(Shift, Activity, func.count())
        .join(Activity, Activity.id == Shift.activity_id)
        .join(waits, waits.c.shift_id == Shift.id)
        .group_by(Shift.id, Activity.id)
        .order_by(Shift.starts_at, Shift.id)
        .limit(PAGE)
    )
    return [Pile(row[0], row[1], row[2]) for row in rows]


async def listed_piles(work: Work, number: int, typed: str = "") -> Slice[Pile]:
    """The same a page at a time, with how many look odd; `typed` is in the activity's title."""
    waits = (await _waiting(work)).add_columns(oddities.is_odd().label("odd")).subquery()
    found: Any = (
        select(Shift, Activity, func.count(), func.sum(case((waits.c.odd, 1), else_=0)))
        .join(Activity, Activity.id == Shift.activity_id)
        .join(waits, waits.c.shift_id == Shift.id)
        .where(activities.is_titled_like(work, typed))
        .group_by(Shift.id, Activity.id)
        .order_by(Shift.starts_at, Shift.id)
    )
    page = await listing.of(work, found, number)
    piles = [Pile(row[0], row[1], row[2], int(row[3])) for row in page.rows]
    return Slice(piles, page.number, page.more)


async def _waiting(work: Work) -> Any:
    reach = await access.within_reach(work, access.Right.CONFIRM_HOURS, Activity.organisation_id)
    return (
        select(Attendance.id, Enrolment.shift_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Attendance.state == HoursState.PROPOSED,
            Enrolment.person_id != work.person.id,
            reach,
        )
    )


async def remind_coordinators(work: Work) -> int:
    """Sweep: once everybody has left a shift, its coordinators learn that hours wait. Once each."""
    grace = timedelta(minutes=work.policy.check_out_grace)
    rows = await work.session.execute(
        select(Shift, Activity, func.count())
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(
            Attendance.state == HoursState.PROPOSED,
            Shift.ends_at <= work.now - grace,
            Shift.ends_at > work.now - grace - timedelta(days=1),
        )
        .group_by(Shift.id, Activity.id)
    )
    reminded = 0
    for shift, activity, count in rows.all():
        dedupe = f"hours:{shift.id}"
        if await work.session.scalar(delivery.posted(work, dedupe)):
            continue
        post = delivery.Post(
            "hours/waiting",
            {
                "shift_id": shift.id,
                "title": activity.title,
                "starts_at": shift.starts_at,
                "ends_at": shift.ends_at,
                "count": count,
            },
            kind=KIND,
            subject=f"shift:{shift.id}",
            dedupe=dedupe,
        )
        right = access.Right.CONFIRM_HOURS
        await delivery.tell(work, post, await access.holders(work, right, activity.organisation_id))
        reminded += 1
    return reminded


# Looking


async def sheet(work: Work, shift_id: int, page: int = 0) -> Sheet:
    """The hours of a shift, page by page. Raises Gone or NotAllowed."""
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, access.Right.CONFIRM_HOURS, activity.organisation_id)
    counts = await work.session.execute(
        select(Attendance.state, func.count())
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.shift_id == shift_id)
        .group_by(Attendance.state)
    )
    by_state = {row[0]: row[1] for row in counts}
    pages = max(1, -(-sum(by_state.values()) // PAGE))
    page = max(0, min(page, pages - 1))
    rows = await work.session.execute(
        _records()
        .where(Shift.id == shift_id)
        .order_by(
            (Attendance.state == HoursState.PROPOSED).desc(), Person.name_search, Attendance.id
        )
        .limit(PAGE)
        .offset(page * PAGE)
    )
    left = by_state.get(HoursState.PROPOSED, 0)
    return Sheet(shift, activity, [Record(*row) for row in rows], page, pages, left)


async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
    """All that waits for the actor, for a spreadsheet: activity, start, name, number, arrival and
    leaving each with its means, minutes; then whether each of `oddities` is found.
    """
    waits = (await _waiting(work)).with_only_columns(Attendance.id)
    found = (
        select(
            Activity.title, Shift.starts_at, Person.name, Person.number,
            Attendance.checked_in_at, Attendance.in_means, Attendance.checked_out_at,
            Attendance.out_means, Attendance.minutes, *oddities.columns(),
        )
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Person, Person.id == Enrolment.person_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Attendance.id.in_(waits))
        .order_by(Shift.starts_at, Shift.id, Person.name_search, Attendance.id)
    )  # fmt: skip
    async for row in sheets.rows_of(work, found):
        yield row


async def desk(work: Work, shift_id: int, number: int) -> Desk:
    """The hours of a shift as a desk lists them: what waits first, the odd before the others.

    Raises Gone or NotAllowed.
    """
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, access.Right.CONFIRM_HOURS, activity.organisation_id)
    waits = Attendance.state == HoursState.PROPOSED
    odd = oddities.is_odd()
    left, sound = (
        await work.session.execute(
            select(func.count(), func.coalesce(func.sum(case((odd, 0), else_=1)), 0))
            .select_from(Attendance)
            .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
            .where(Enrolment.shift_id == shift_id, waits, Enrolment.person_id != work.person.id)
        )
    ).one()
    rank = case((waits & odd, 0), (waits, 1), else_=2)
    found = _lines().where(Shift.id == shift_id)
    page = await listing.of(work, found.order_by(rank, Person.name_search, Attendance.id), number)
    lines = [_line(row) for row in page.rows]
    return Desk(shift, activity, Slice(lines, page.number, page.more), left, int(sound))


async def history(work: Work, attendance_id: int) -> History:
    """One attendance with all that was decided on it. Raises Gone or NotAllowed."""
    found = (await work.session.execute(_lines().where(Attendance.id == attendance_id))).all()
    if not found:
        raise Gone
    line = _line(found[0])
    organisation_id = line.record.activity.organisation_id
    await access.require(work, access.Right.CONFIRM_HOURS, organisation_id)
    entries = await ledger.of_attendance(work, attendance_id)
    subjects = [f"attendance:{attendance_id}"]
    if line.dispute is not None:
        subjects.append(f"dispute:{line.dispute.id}")
    decisions = list(
        await work.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject.in_(subjects))
            .order_by(AuditEntry.at, AuditEntry.id)
        )
    )
    attendance = line.record.attendance
    keys = {attendance.in_by_id, attendance.out_by_id, attendance.decided_by_id}
    keys |= {entry.recorded_by_id for entry in entries} | {one.actor_id for one in decisions}
    rows = await work.session.execute(select(Person.id, Person.name).where(Person.id.in_(keys)))
    return History(line, {row[0]: row[1] for row in rows}, entries, decisions)


def _lines() -> Any:
    return _records().add_columns(Dispute, *oddities.columns())


def _line(row: Any) -> Line:
    record = Record(*row[:5])
    waits = record.attendance.state is HoursState.PROPOSED
    return Line(record, oddities.found_in(row) if waits else [], row[5])


async def record(work: Work, attendance_id: int) -> Record:
    """One attendance, for those who decide on it. Raises Gone or NotAllowed."""
    found = await find(work, attendance_id)
    await access.require(work, access.Right.CONFIRM_HOURS, found.activity.organisation_id)
    return found


async def find(work: Work, attendance_id: int) -> Record:
    """Whoever asks. Raises Gone."""
    found = await find_all(work, [attendance_id])
    if not found:
        raise Gone
    return found[0]


async def find_all(work: Work, attendance_ids: Sequence[int]) -> list[Record]:
    """Whoever asks; in the order of keys."""
    rows = await work.session.execute(
        _records().where(Attendance.id.in_(attendance_ids)).order_by(Attendance.id)
    )
    return [Record(*row) for row in rows]


def _records() -> Any:
    return (
        select(Attendance, Person, Shift, Activity, Dispute.id.is_not(None))
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Person, Person.id == Enrolment.person_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Dispute, Dispute.attendance_id == Attendance.id)
    )


# Deciding


async def confirm_all(work: Work, shift_id: int, *, sound_only: bool = False) -> Confirmed:
    """Confirms what is proposed for a shift. Raises Gone or NotAllowed.

    The actor's own hours wait for somebody else, and proposals of 0 minutes for a single decision;
    with `sound_only` those that look odd wait for one as well.
    """
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, access.Right.CONFIRM_HOURS, activity.organisation_id)
    enrolled = select(Enrolment.id).where(Enrolment.shift_id == shift_id)
    held = await _lock(
        work, Attendance.enrolment_id.in_(enrolled), Attendance.state == HoursState.PROPOSED
    )
    proposed = await find_all(work, held)
    others = [one for one in proposed if one.person.id != work.person.id]
    odd = await _odd(work, shift_id) if sound_only else set()
    sound = [one for one in others if one.attendance.id not in odd]
    due = [one for one in sound if one.attendance.minutes]
    await _confirm(work, due)
    audit.note(
        work,
        "hours.confirmed_all",
        f"shift:{shift.id}",
        organisation_id=activity.organisation_id,
        count=len(due),
    )
    left_out = len(others) - len(sound)
    return Confirmed(len(due), len(proposed) - len(others), len(sound) - len(due), left_out)


async def _odd(work: Work, shift_id: int) -> set[int]:
    """Keys of a shift's proposals that look odd."""
    found = await work.session.scalars(
        select(Attendance.id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(
            Enrolment.shift_id == shift_id,
            Attendance.state == HoursState.PROPOSED,
            oddities.is_odd(),
        )
    )
    return set(found)


async def confirm(work: Work, attendance_id: int) -> Record:
    """Confirms one proposal as it is. Raises Gone, NotAllowed or Refusal."""
    found = await _to_decide(work, attendance_id)
    if found.attendance.state is not HoursState.PROPOSED:
        raise _decided(found)
    if not found.attendance.minutes:
        raise Refusal("hours_nothing")
    await _confirm(work, [found])
    _note(work, "hours.confirmed", found)
    return found


async def _confirm(work: Work, records: Sequence[Record]) -> None:
    if not records:
        return
    for one in records:
        decide(work, one, HoursState.CONFIRMED, one.attendance.minutes or 0, None)
    await work.session.flush()
    organisation_id = records[0].activity.organisation_id
    drafts = [draft(one, one.attendance.minutes or 0) for one in records]
    await ledger.append(work, organisation_id, drafts)
    await _tell(work, "confirmed", records, counted=0)
    await _share(work, events.Kind.HOURS_CONFIRMED, records)


async def correct(work: Work, attendance_id: int, minutes: int, reason: str) -> Record:
    """Confirms other minutes than proposed, or puts an earlier decision right by a further entry.

    Raises Gone, NotAllowed or Refusal.
    """
    found = await _to_decide(work, attendance_id)
    before = found.attendance.minutes or 0
    if found.attendance.state is HoursState.OPEN:
        raise Refusal("hours_open")
    check_minutes(found.shift, minutes)
    lengths.check("reason", reason, REASON)
    was_confirmed = found.attendance.state is HoursState.CONFIRMED
    if was_confirmed and minutes == before:
        raise Refusal("hours_same", minutes=minutes)
    await enter(work, found, minutes, reason)
    await _tell(work, "corrected", [found], counted=before if was_confirmed else 0)
    _note(work, "hours.corrected", found, before=before, minutes=minutes)
    return found


async def reject(work: Work, attendance_id: int, reason: str) -> Record:
    """No hours for this attendance. Raises Gone, NotAllowed or Refusal."""
    found = await _to_decide(work, attendance_id)
    if found.attendance.state is HoursState.OPEN:
        raise Refusal("hours_open")
    if found.attendance.state is not HoursState.PROPOSED:
        raise _decided(found)
    lengths.check("reason", reason, REASON)
    decide(work, found, HoursState.REJECTED, found.attendance.minutes or 0, reason)
    await work.session.flush()
    await _tell(work, "rejected", [found])
    _note(work, "hours.rejected", found)
    return found


def check_minutes(shift: Shift, minutes: int) -> None:
    """Raises Refusal for more than can have been served, or nothing at all."""
    most = most_minutes(shift)
    if not 1 <= minutes <= most:
        raise Refusal("hours_range", most=most)


def most_minutes(shift: Shift) -> int:
    """More can't have been served at a shift."""
    return (shift.ends_at - shift.starts_at + BEYOND_SHIFT) // timedelta(minutes=1)


async def enter(work: Work, found: Record, minutes: int, reason: str | None) -> None:
    """Writes a decision for `minutes` into the ledger: what was confirmed before is corrected."""
    earlier = await ledger.entry_to_correct(work, found.attendance.id)
    before = found.attendance.minutes or 0 if earlier is not None else 0
    corrects_id = None if earlier is None else earlier.id
    decide(work, found, HoursState.CONFIRMED, minutes, reason)
    await work.session.flush()
    await ledger.append(
        work, found.activity.organisation_id, [draft(found, minutes - before, corrects_id)]
    )
    first = corrects_id is None
    kind = events.Kind.HOURS_CONFIRMED if first else events.Kind.HOURS_CORRECTED
    await _share(work, kind, [found])


async def _share(work: Work, kind: events.Kind, records: Sequence[Record]) -> None:
    """Other programs hear what is confirmed now of attendances at one activity."""
    happened = [
        {
            "attendance_id": one.attendance.id,
            "volunteer_id": one.person.id,
            "shift_id": one.shift.id,
            "activity_id": one.activity.id,
            "minutes": one.attendance.minutes,
        }
        for one in records
    ]
    await events.note_all(work, kind, records[0].activity.organisation_id, happened)


def draft(found: Record, minutes: int, corrects_id: int | None = None) -> ledger.Draft:
    return ledger.Draft(
        person_id=found.person.id,
        attendance_id=found.attendance.id,
        field_id=found.activity.field_id,
        minutes=minutes,
        served_at=found.shift.starts_at,
        corrects_id=corrects_id,
    )


def decide(work: Work, found: Record, state: HoursState, minutes: int, reason: str | None) -> None:
    found.attendance.state = state
    found.attendance.minutes = minutes
    found.attendance.reason = reason
    found.attendance.decided_at = work.now
    found.attendance.decided_by_id = work.person.id


async def check_may_decide(work: Work, attendance_id: int) -> Record:
    """Before somebody is asked for a reason. Raises Gone, NotAllowed or Refusal."""
    found = await _to_decide(work, attendance_id)
    if found.attendance.state is HoursState.OPEN:
        raise Refusal("hours_open")
    return found


async def _to_decide(work: Work, attendance_id: int) -> Record:
    """Locked for a decision by the actor. Raises Gone, NotAllowed or Refusal."""
    await _lock(work, Attendance.id == attendance_id)
    found = await record(work, attendance_id)
    if found.person.id == work.person.id:
        raise Refusal("hours_own")
    if found.disputed:
        raise Refusal("hours_disputed")
    if found.attendance.state is HoursState.TRAINING:
        raise Refusal("hours_training")
    return found


async def lock(work: Work, attendance_id: int) -> None:
    """Whoever else decides on this attendance waits until we are done."""
    await _lock(work, Attendance.id == attendance_id)


async def _lock(work: Work, *conditions: Any) -> list[int]:
    """Locks in the order of keys, so that two who lock the same rows never wait for each other.

    Answers the keys of what is locked.
    """
    held = await work.session.scalars(
        select(Attendance)
        .where(*conditions)
        .order_by(Attendance.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [one.id for one in held]


def _decided(found: Record) -> Refusal:
    if found.attendance.state is HoursState.OPEN:
        return Refusal("hours_open")
    return Refusal("hours_decided", state=found.attendance.state.value)


def _note(work: Work, action: str, found: Record, **details: int) -> None:
    audit.note(
        work,
        action,
        f"attendance:{found.attendance.id}",
        organisation_id=found.activity.organisation_id,
        **details,
    )


# Telling


async def _tell(
    work: Work, template: str, records: Sequence[Record], *, counted: int | None = None
) -> None:
    """Each volunteer learns their minutes, until when they may object, and of a new star.

    `counted` are the minutes that had been confirmed before; None where nothing is confirmed.
    """
    first = records[0]
    keys = [one.attendance.id for one in records]
    asked = case((ratings.is_to_be_asked(), 1), else_=0)
    own = ["attendance_id", Attendance.id, "minutes", Attendance.minutes, "asked", asked]
    if counted is not None:
        own += ["star", _new_star(work, Attendance.minutes - counted)]
    recipients = (
        select(
            Enrolment.person_id,
            Account.telegram_id,
            Person.language,
            delivery.own_parameters(work, *own).label("parameters"),
        )
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(Account, Account.person_id == Person.id)
        .outerjoin(Trait, Trait.person_id == Person.id)
        .where(Attendance.id.in_(keys))
    )
    post = delivery.Post(
        f"hours/{template}",
        {
            "title": first.activity.title,
            "starts_at": first.shift.starts_at,
            "ends_at": first.shift.ends_at,
            "reason": first.attendance.reason,
            "until": work.now + timedelta(days=work.policy.dispute_days),
        },
        kind=KIND,
        subject=f"attendance:{first.attendance.id}" if len(records) == 1 else None,
    )
    await delivery.tell_all(work, post, recipients)


def _new_star(work: Work, gained: ColumnElement[int | None]) -> ColumnElement[int]:
    """The star that somebody has reached with these minutes, which already count; 0 for none."""
    reached = [
        (and_(Trait.minutes >= hours * 60, Trait.minutes - gained < hours * 60), star)
        for star, hours in enumerate(sorted(work.policy.star_hours), start=1)
    ]
    return case(*reversed(reached), else_=0)

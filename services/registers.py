"""Registers: what an actor's organisations have, in portions for programs. Changes nothing.

A portion begins behind a key and not at a number, so that what is added meanwhile neither doubles
nor hides a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from models import (
    Activity,
    ActivityState,
    Attendance,
    Callout,
    CalloutState,
    Enrolment,
    EnrolmentState,
    HoursState,
    LedgerEntry,
    Need,
    Organisation,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Response,
    ResponseState,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    ShiftSkill,
    Standing,
)
from services import access, audit, organisations, people
from services.access import Right
from services.errors import Gone, Refusal
from services.work import Work

R = TypeVar("R")

After = tuple[Any, ...] | None
"""The keys of the last row that is known; None to begin with the first."""


@dataclass(frozen=True, slots=True)
class Portion(Generic[R]):
    """Rows, and the keys after which the next portion begins; None at the end."""

    rows: Sequence[R]
    after: After


@dataclass(frozen=True, slots=True)
class Window:
    """Which portion is asked for."""

    after: After
    limit: int


async def _portion(
    work: Work, query: Select[Any], window: Window, *keys: Any
) -> Portion[tuple[Any, ...]]:
    """Rows of a query in the order of `keys`; those of the last row are where the next begins."""
    if window.after is not None:
        query = query.where(_behind(keys, window.after))
    marks = [key.label(f"mark_{at}") for at, key in enumerate(keys)]
    found = await work.session.execute(
        query.add_columns(*marks).order_by(*keys).limit(window.limit + 1)
    )
    rows = [tuple(row) for row in found]
    if len(rows) <= window.limit:
        return Portion([row[: -len(keys)] for row in rows], None)
    rows = rows[: window.limit]
    return Portion([row[: -len(keys)] for row in rows], rows[-1][-len(keys) :])


def _behind(keys: Sequence[Any], after: Sequence[Any]) -> ColumnElement[bool]:
    """Raises Refusal("api_cursor") for a mark of another order."""
    if len(keys) != len(after):
        raise Refusal("api_cursor")
    first, mark = keys[0], after[0]
    if len(keys) == 1:
        return first > mark  # type: ignore[no-any-return]
    return and_(first >= mark, or_(first > mark, _behind(keys[1:], after[1:])))


async def _within(work: Work, organisation_id: int | None) -> list[ColumnElement[bool]]:
    """The condition that `Organisation` lies below the one asked for. Raises Gone."""
    if organisation_id is None:
        return []
    organisation = await work.session.get(Organisation, organisation_id)
    if organisation is None:
        raise Gone
    return [organisations.within(organisation.path)]


# Organisations


async def organisations_in_reach(work: Work, window: Window) -> Portion[tuple[Any, ...]]:
    """(organisation,)"""
    reach = await access.within_reach(work, Right.EXCHANGE, Organisation.id)
    return await _portion(
        work, select(Organisation).where(reach, organisations.IS_OPEN), window, Organisation.id
    )


async def organisation(work: Work, organisation_id: int) -> Organisation:
    """Raises Gone."""
    reach = await access.within_reach(work, Right.EXCHANGE, Organisation.id)
    found = await work.session.scalar(
        select(Organisation).where(Organisation.id == organisation_id, reach)
    )
    if found is None:
        raise Gone
    return found


# Volunteers


@dataclass(frozen=True, slots=True)
class Terms:
    """Keys of what somebody can do, likes and speaks."""

    skills: list[int]
    interests: list[int]
    languages: list[int]


async def volunteers(
    work: Work,
    window: Window,
    *,
    organisation_id: int | None,
    standing: Standing | None,
    number: str | None,
    changed_since: datetime | None,
) -> Portion[tuple[Any, ...]]:
    """(person,); in the order of their changes where only those since a moment are asked for."""
    reach = await people.in_reach(work, Right.SEE_VOLUNTEERS)
    query = select(Person).where(reach, Person.standing != Standing.ERASED)
    if organisation_id is not None:
        below = select(Organisation.id).where(*await _within(work, organisation_id))
        query = query.where(Person.organisation_id.in_(below))
    if standing is not None:
        query = query.where(Person.standing == standing)
    if number is not None:
        query = query.where(Person.number == number)
    if changed_since is None:
        return await _portion(work, query, window, Person.id)
    query = query.where(Person.changed_at >= changed_since)
    return await _portion(work, query, window, Person.changed_at, Person.id)


async def terms_of(work: Work, person_ids: Sequence[int]) -> dict[int, Terms]:
    found = {key: Terms([], [], []) for key in person_ids}
    for link, column, name in (
        (PersonSkill, PersonSkill.skill_id, "skills"),
        (PersonInterest, PersonInterest.field_id, "interests"),
        (PersonLanguage, PersonLanguage.spoken_language_id, "languages"),
    ):
        rows = await work.session.execute(
            select(link.person_id, column).where(link.person_id.in_(person_ids)).order_by(column)
        )
        for person_id, key in rows:
            getattr(found[person_id], name).append(key)
    return found


def note_personal_look(work: Work, seen: Sequence[Person]) -> None:
    """Phone and ID number were handed out in full."""
    for person in seen:
        subject = f"person:{person.id}"
        audit.note(work, "person.seen", subject, organisation_id=person.organisation_id)


# Activities


async def activities_in_reach(
    work: Work,
    window: Window,
    *,
    organisation_id: int | None,
    state: ActivityState | None,
    changed_since: datetime | None,
) -> Portion[tuple[Any, ...]]:
    """(activity,)"""
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Activity.organisation_id)
    query = select(Activity).where(reach)
    if organisation_id is not None:
        below = select(Organisation.id).where(*await _within(work, organisation_id))
        query = query.where(Activity.organisation_id.in_(below))
    if state is not None:
        query = query.where(Activity.state == state)
    if changed_since is None:
        return await _portion(work, query, window, Activity.id)
    query = query.where(Activity.changed_at >= changed_since)
    return await _portion(work, query, window, Activity.changed_at, Activity.id)


@dataclass(frozen=True, slots=True)
class Planned:
    """A shift and the keys of what it needs."""

    shift: Shift
    skills: list[int]
    qualifications: list[int]
    languages: list[int]


async def shifts_of(work: Work, activity_ids: Sequence[int]) -> dict[int, list[Planned]]:
    """By activity, in the order of time."""
    found = await work.session.scalars(
        select(Shift)
        .where(Shift.activity_id.in_(activity_ids))
        .order_by(Shift.starts_at, Shift.id)
        .execution_options(populate_existing=True)
    )
    planned = {shift.id: Planned(shift, [], [], []) for shift in found}
    for link, column, name in (
        (ShiftSkill, ShiftSkill.skill_id, "skills"),
        (ShiftQualification, ShiftQualification.kind_id, "qualifications"),
        (ShiftLanguage, ShiftLanguage.spoken_language_id, "languages"),
    ):
        rows = await work.session.execute(
            select(link.shift_id, column).where(link.shift_id.in_(planned)).order_by(column)
        )
        for shift_id, key in rows:
            getattr(planned[shift_id], name).append(key)
    by_activity: dict[int, list[Planned]] = {key: [] for key in activity_ids}
    for one in planned.values():
        by_activity[one.shift.activity_id].append(one)
    return by_activity


# Enrolments, attendances, hours


async def enrolments(
    work: Work,
    window: Window,
    *,
    shift_id: int | None,
    volunteer_id: int | None,
    state: EnrolmentState | None,
) -> Portion[tuple[Any, ...]]:
    """(enrolment, shift, attendance or None)"""
    query = await _enrolments(work)
    if shift_id is not None:
        query = query.where(Enrolment.shift_id == shift_id)
    if volunteer_id is not None:
        query = query.where(Enrolment.person_id == volunteer_id)
    if state is not None:
        query = query.where(Enrolment.state == state)
    return await _portion(work, query, window, Enrolment.id)


async def enrolment(work: Work, enrolment_id: int) -> tuple[Any, ...]:
    """(enrolment, shift, attendance or None) Raises Gone."""
    return await _one(work, (await _enrolments(work)).where(Enrolment.id == enrolment_id))


async def _enrolments(work: Work) -> Select[Any]:
    query: Any = (
        select(Enrolment, Shift, Attendance)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
    )
    reach = await access.within_reach(work, Right.TAKE_ROLL, Activity.organisation_id)
    return query.where(reach)  # type: ignore[no-any-return]


async def _one(work: Work, query: Select[Any]) -> tuple[Any, ...]:
    row = (await work.session.execute(query)).one_or_none()
    if row is None:
        raise Gone
    return tuple(row)


async def attendances(
    work: Work,
    window: Window,
    *,
    shift_id: int | None,
    volunteer_id: int | None,
    state: HoursState | None,
) -> Portion[tuple[Any, ...]]:
    """(attendance, enrolment, shift)"""
    query = await _attendances(work)
    if shift_id is not None:
        query = query.where(Enrolment.shift_id == shift_id)
    if volunteer_id is not None:
        query = query.where(Enrolment.person_id == volunteer_id)
    if state is not None:
        query = query.where(Attendance.state == state)
    return await _portion(work, query, window, Attendance.id)


async def attendance(work: Work, attendance_id: int) -> tuple[Any, ...]:
    """(attendance, enrolment, shift) Raises Gone."""
    return await _one(work, (await _attendances(work)).where(Attendance.id == attendance_id))


async def _attendances(work: Work) -> Select[Any]:
    reach = await access.within_reach(work, Right.CONFIRM_HOURS, Activity.organisation_id)
    query: Any = (
        select(Attendance, Enrolment, Shift)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
    )
    return query.where(reach)  # type: ignore[no-any-return]


async def entries(
    work: Work,
    window: Window,
    *,
    organisation_id: int | None,
    volunteer_id: int | None,
    recorded_since: datetime | None,
) -> Portion[tuple[Any, ...]]:
    """(ledger entry,): an entry is never changed, so what is new is all there is to know."""
    reach = await access.within_reach(work, Right.CONFIRM_HOURS, LedgerEntry.organisation_id)
    query = select(LedgerEntry).where(reach)
    if organisation_id is not None:
        below = select(Organisation.id).where(*await _within(work, organisation_id))
        query = query.where(LedgerEntry.organisation_id.in_(below))
    if volunteer_id is not None:
        query = query.where(LedgerEntry.person_id == volunteer_id)
    if recorded_since is not None:
        query = query.where(LedgerEntry.recorded_at >= recorded_since)
    return await _portion(work, query, window, LedgerEntry.id)


# Call-outs

DECLARED = (CalloutState.ACTIVE, CalloutState.ENDED)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many a call-out asked for, and what became of those who were asked."""

    wanted: int
    asked: int
    coming: int
    on_scene: int
    home: int


async def callouts(
    work: Work, window: Window, *, state: CalloutState | None
) -> Portion[tuple[Any, ...]]:
    """(callout,)"""
    reach = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    query = select(Callout).where(reach, Callout.state.in_(DECLARED))
    if state is not None:
        query = query.where(Callout.state == state)
    return await _portion(work, query, window, Callout.id)


async def callout(work: Work, callout_id: int) -> Callout:
    """Raises Gone."""
    reach = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    found = await work.session.scalar(
        select(Callout).where(Callout.id == callout_id, reach, Callout.state.in_(DECLARED))
    )
    if found is None:
        raise Gone
    return found


async def counts_of(work: Work, callout_ids: Sequence[int]) -> dict[int, Counts]:
    quotas = await work.session.execute(
        select(Need.callout_id, func.sum(Need.quota))
        .where(Need.callout_id.in_(callout_ids))
        .group_by(Need.callout_id)
    )
    wanted = {key: int(quota) for key, quota in quotas}
    rows = await work.session.execute(
        select(Response.callout_id, Response.state, func.count())
        .where(Response.callout_id.in_(callout_ids))
        .group_by(Response.callout_id, Response.state)
    )
    by_state: dict[int, dict[ResponseState, int]] = {key: {} for key in callout_ids}
    for key, state, count in rows:
        by_state[key][state] = count
    return {
        key: Counts(
            wanted=wanted.get(key, 0),
            asked=sum(states.values()),
            coming=states.get(ResponseState.COMING, 0),
            on_scene=states.get(ResponseState.ON_SCENE, 0),
            home=states.get(ResponseState.HOME, 0),
        )
        for key, states in by_state.items()
    }

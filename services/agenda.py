"""Activities as a desk lists them: searched, paged, by the day; how full each of them is.

Whoever takes the roll of an activity sees it; drafts only who plans.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.orm import aliased

from models import (
    Activity,
    ActivityState,
    Enrolment,
    EnrolmentState,
    Organisation,
    ServiceField,
    Shift,
)
from services import access, activities, listing, organisations, sheets
from services.access import Right
from services.errors import Gone, NotAllowed
from services.listing import Slice
from services.work import Work

Names = dict[str, str]

DAYS_OF_WEEK = 7
ONE_DAY = timedelta(days=1)
MOST_SHIFTS = 5000
"""Of one calendar; a city has about as many in two months."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; `since` and `until` are local days, both included."""

    typed: str = ""
    organisation_id: int | None = None
    field_id: int | None = None
    state: ActivityState | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """Places of shifts: taken, wanted, and how many people wait for one."""

    taken: int
    quota: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list; an activity without shifts has no times."""

    activity: Activity
    organisation: Names
    field: ServiceField
    starts_at: datetime | None
    ends_at: datetime | None
    shifts: int
    fill: Fill


@dataclass(frozen=True, slots=True)
class Slot:
    """A shift in the calendar."""

    fill: Fill
    shift_id: int
    activity_id: int
    title: str
    post: str
    state: ActivityState
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """A local day; `more` shifts are not shown."""

    day: date
    slots: list[Slot]
    more: int


# What is seen


async def within_reach(work: Work) -> ColumnElement[bool]:
    """The condition that the actor sees an activity."""
    leads = await access.within_reach(work, Right.TAKE_ROLL, Activity.organisation_id)
    plans = await access.within_reach(work, Right.PLAN_ACTIVITIES, Activity.organisation_id)
    return leads & or_(Activity.state != ActivityState.DRAFT, plans)


async def places(work: Work) -> list[Organisation]:
    """The organisations whose activities the actor sees, each above those below it."""
    return await access.subtrees_with(work, Right.TAKE_ROLL)


async def _conditions(work: Work, wanted: Wanted) -> list[ColumnElement[bool]]:
    found = [await within_reach(work)]
    if wanted.typed.strip():
        found.append(activities.is_titled_like(work, wanted.typed))
    if wanted.organisation_id is not None:
        top = await work.session.get(Organisation, wanted.organisation_id)
        below = select(Organisation.id).where(organisations.within(top.path if top else "-"))
        found.append(Activity.organisation_id.in_(below))
    if wanted.field_id is not None:
        found.append(Activity.field_id == wanted.field_id)
    if wanted.state is not None:
        found.append(Activity.state == wanted.state)
    return found


def start_of(work: Work, day: date) -> datetime:
    """The first moment of a local day."""
    return datetime.combine(day, time(), work.policy.zone)


# As a list


async def listed(work: Work, wanted: Wanted, number: int) -> Slice[Entry]:
    """A page of activities: in a period by time, the latest first where it has only an end.

    Without a period, what was planned last comes first.
    """
    conditions = await _conditions(work, wanted)
    if wanted.since is None and wanted.until is None:
        found = select(Activity.id).where(*conditions).order_by(Activity.id.desc())
    elif wanted.typed or wanted.organisation_id is not None or not await _sees_all(work):
        found = _few_in_period(work, wanted, select(Activity.id).where(*conditions))
    else:
        found = _many_in_period(work, wanted).where(*conditions)
    page = await listing.of(work, found, number)
    return Slice(await _entries(work, [row[0] for row in page.rows]), page.number, page.more)


async def _sees_all(work: Work) -> bool:
    """Whether the actor leads at the root of the tree."""
    tops = await access.organisations_with(work, Right.TAKE_ROLL)
    return any(top.parent_id is None for top in tops)


def _few_in_period(work: Work, wanted: Wanted, which: Select[int]) -> Select[Any]:
    """Those activities by their first shift in the period, or by their last if it has no beginning.

    For few: the shifts of each are looked up.
    """
    backwards = wanted.since is None
    nearest = func.max(Shift.starts_at) if backwards else func.min(Shift.starts_at)
    return (
        select(Shift.activity_id)
        .where(Shift.activity_id.in_(which), *_within(work, wanted, Shift))
        .group_by(Shift.activity_id)
        .order_by(
            nearest.desc() if backwards else nearest,
            Shift.activity_id.desc() if backwards else Shift.activity_id,
        )
    )


def _many_in_period(work: Work, wanted: Wanted) -> Select[Any]:
    """The same for most of them: read off the index of times, a page costs what it shows."""
    other = aliased(Shift)
    here, there = tuple_(Shift.starts_at, Shift.id), tuple_(other.starts_at, other.id)
    backwards = wanted.since is None
    nearer = select(other.id).where(
        other.activity_id == Shift.activity_id,
        *_within(work, wanted, other),
        there > here if backwards else there < here,
    )
    order = (Shift.starts_at, Shift.id)
    return (
        select(Activity.id)
        .join(Shift, Shift.activity_id == Activity.id)
        .where(*_within(work, wanted, Shift), ~nearer.exists())
        .order_by(*(column.desc() for column in order) if backwards else order)
    )


def _within(work: Work, wanted: Wanted, shift: Any) -> list[ColumnElement[bool]]:
    found = []
    if wanted.since is not None:
        found.append(shift.starts_at >= start_of(work, wanted.since))
    if wanted.until is not None:
        found.append(shift.starts_at < start_of(work, wanted.until + ONE_DAY))
    return found


async def _entries(work: Work, keys: Sequence[int]) -> list[Entry]:
    """In the order of the keys."""
    rows = await work.session.execute(
        select(
            Activity,
            Organisation.names,
            ServiceField,
            func.min(Shift.starts_at),
            func.max(Shift.ends_at),
            func.count(Shift.id),
            func.coalesce(func.sum(Shift.taken), 0),
            func.coalesce(func.sum(Shift.quota), 0),
        )
        .join(Organisation, Organisation.id == Activity.organisation_id)
        .join(ServiceField, ServiceField.id == Activity.field_id)
        .outerjoin(Shift, Shift.activity_id == Activity.id)
        .where(Activity.id.in_(keys))
        .group_by(Activity.id, Organisation.id, ServiceField.id)
    )
    found = {row[0].id: row for row in rows}
    waiting = await _waiting(work, Shift.activity_id, Shift.activity_id.in_(keys))
    return [
        Entry(*found[key][:6], Fill(int(found[key][6]), int(found[key][7]), waiting.get(key, 0)))
        for key in keys
    ]


async def _waiting(work: Work, by: Any, which: ColumnElement[bool]) -> dict[int, int]:
    """Key -> how many stand on waitlists."""
    rows = await work.session.execute(
        select(by, func.count())
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(which, Enrolment.state == EnrolmentState.WAITLISTED)
        .group_by(by)
    )
    return {row[0]: row[1] for row in rows}


async def rows(work: Work, wanted: Wanted) -> AsyncIterator[Sequence[Any]]:
    """All of a list, for a spreadsheet: title, names of organisation and field, state, first start,
    last end, shifts, places taken and wanted, and how many wait.
    """
    waiting = (
        select(func.count())
        .select_from(Enrolment)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Shift.activity_id == Activity.id, Enrolment.state == EnrolmentState.WAITLISTED)
        .correlate(Activity)
        .scalar_subquery()
    )
    starts_at = func.min(Shift.starts_at)
    period = _within(work, wanted, Shift)
    found = (
        select(
            Activity.title, Organisation.names, ServiceField.names, Activity.state, starts_at,
            func.max(Shift.ends_at), func.count(Shift.id), func.sum(Shift.taken),
            func.sum(Shift.quota), waiting,
        )
        .join(Organisation, Organisation.id == Activity.organisation_id)
        .join(ServiceField, ServiceField.id == Activity.field_id)
        .join(Shift, Shift.activity_id == Activity.id, isouter=not period)
        .where(*await _conditions(work, wanted), *period)
        .group_by(Activity.id, Organisation.id, ServiceField.id)
        .order_by(starts_at, Activity.id)
    )  # fmt: skip
    async for row in sheets.rows_of(work, found):
        yield row


# As a calendar


async def calendar(work: Work, wanted: Wanted, *, most: int) -> list[Day]:
    """Each day from `wanted.since` until `wanted.until`, with `most` of its shifts."""
    if wanted.since is None or wanted.until is None:
        return []
    rows = await work.session.execute(
        select(Shift.id, Shift.starts_at)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(*await _conditions(work, wanted), *_within(work, wanted, Shift))
        .order_by(Shift.starts_at, Shift.id)
        .limit(MOST_SHIFTS)
    )
    by_day: dict[date, list[int]] = {}
    for key, starts_at in rows:
        by_day.setdefault(starts_at.astimezone(work.policy.zone).date(), []).append(key)
    slots = await _slots(work, [key for keys in by_day.values() for key in keys[:most]])
    days = []
    for step in range((wanted.until - wanted.since).days + 1):
        day = wanted.since + step * ONE_DAY
        keys = by_day.get(day, [])
        days.append(Day(day, [slots[key] for key in keys[:most]], max(0, len(keys) - most)))
    return days


async def _slots(work: Work, keys: Sequence[int]) -> dict[int, Slot]:
    """By the key of the shift."""
    waiting = await _waiting(work, Shift.id, Shift.id.in_(keys))
    rows = await work.session.execute(
        select(
            Shift.id, Activity.id, Activity.title, Shift.title, Activity.state,
            Shift.starts_at, Shift.ends_at, Shift.taken, Shift.quota,
        )
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Shift.id.in_(keys))
    )  # fmt: skip
    return {
        row[0]: Slot(Fill(row.taken, row.quota, waiting.get(row[0], 0)), *row[:7]) for row in rows
    }


def week_of(day: date) -> tuple[date, date]:
    """Monday and Sunday."""
    monday = day - day.weekday() * ONE_DAY
    return monday, monday + (DAYS_OF_WEEK - 1) * ONE_DAY


def weeks_of_month(day: date) -> tuple[date, date]:
    """From the Monday before the month's first day to the Sunday after its last."""
    first = day.replace(day=1)
    last = (first + 31 * ONE_DAY).replace(day=1) - ONE_DAY
    return week_of(first)[0], week_of(last)[1]


# One of them


@dataclass(frozen=True, slots=True)
class Shown:
    """An activity that the actor sees; `plans`: whether they may change it as well."""

    activity: Activity
    plans: bool
    about: dict[str, Any]
    """As `activities.describe` gives it."""
    waiting: dict[int, int]
    """Shift -> how many stand on its waitlist."""
    applications: int
    over: bool


async def shown(work: Work, activity_id: int) -> Shown:
    """Raises Gone or NotAllowed."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    rights = await access.rights_in(work, activity.organisation_id)
    plans = Right.PLAN_ACTIVITIES in rights
    if not plans and (Right.TAKE_ROLL not in rights or activity.state is ActivityState.DRAFT):
        raise NotAllowed
    applied = (
        select(func.count())
        .select_from(Enrolment)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Shift.activity_id == activity_id, Enrolment.state == EnrolmentState.APPLIED)
    )
    about = await activities.describe(work.session, activity)
    ends = [datetime.fromisoformat(shift["ends_at"]) for shift in about["shifts"]]
    return Shown(
        activity,
        plans,
        about,
        await _waiting(work, Shift.id, Shift.activity_id == activity_id),
        await work.session.scalar(applied) or 0,
        bool(ends) and max(ends) < work.now,
    )

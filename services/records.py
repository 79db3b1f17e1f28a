"""The service record: what the ledger and the attendances say of one volunteer. Changes nothing."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import and_, exists, func, select

from models import (
    Activity,
    Attendance,
    Dispute,
    Enrolment,
    HoursState,
    LedgerEntry,
    ServiceField,
    Shift,
)
from services.policy import Policy
from services.work import Work

LAST = 5
"""Activities that the record lists."""
MONTHS = 12
"""Months that the chart shows, the present one last."""


@dataclass(frozen=True, slots=True)
class Stars:
    """`to_next` are the minutes to the next star; None with the last one."""

    count: int
    most: int
    to_next: int | None
    next_hours: int | None
    share: float
    """How far from the present star to the next, 0 to 1; 1 with the last one."""


@dataclass(frozen=True, slots=True)
class FieldTotal:
    """Minutes in a field of service, its sub-fields included."""

    names: dict[str, str]
    emoji: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Served:
    """An activity that somebody took part in, and what has become of the hours."""

    attendance_id: int
    title: str
    starts_at: datetime
    minutes: int | None
    state: HoursState
    open_to_objection: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Confirmed minutes: in all, this year, by field, by month (the first day of each)."""

    total: int
    this_year: int
    times: int
    fields: list[FieldTotal]
    months: list[tuple[date, int]]
    last: list[Served]
    waiting: int
    """Minutes proposed and not yet decided."""
    stars: Stars


async def record_of_actor(work: Work) -> Record:
    """Confirmed hours come from the ledger alone."""
    person_id = work.person.id
    rows = await work.session.execute(
        select(LedgerEntry.served_at, LedgerEntry.minutes, LedgerEntry.field_id).where(
            LedgerEntry.person_id == person_id
        )
    )
    served = [(row[0].astimezone(work.policy.zone).date(), row[1], row[2]) for row in rows]
    total = sum(minutes for _, minutes, _ in served)
    return Record(
        total=total,
        this_year=sum(minutes for day, minutes, _ in served if day.year == work.today.year),
        times=await _times(work),
        fields=await by_field(work, served),
        months=_by_month(work.today, served),
        last=await _last(work),
        waiting=await _waiting(work),
        stars=stars(total, work.policy),
    )


def stars(minutes: int, policy: Policy) -> Stars:
    """The star level of confirmed minutes by the policy's thresholds."""
    thresholds = sorted(policy.star_hours)
    count = sum(minutes >= hours * 60 for hours in thresholds)
    if count == len(thresholds):
        return Stars(count, len(thresholds), None, None, 1.0)
    wanted = thresholds[count]
    base = thresholds[count - 1] * 60 if count else 0
    share = (minutes - base) / (wanted * 60 - base)
    return Stars(count, len(thresholds), wanted * 60 - minutes, wanted, max(share, 0.0))


async def _times(work: Work) -> int:
    """Attendances with confirmed hours."""
    found = (
        select(func.count())
        .select_from(Attendance)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id == work.person.id, Attendance.state == HoursState.CONFIRMED)
    )
    return await work.session.scalar(found) or 0


async def _waiting(work: Work) -> int:
    found = (
        select(func.sum(Attendance.minutes))
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id == work.person.id, Attendance.state == HoursState.PROPOSED)
    )
    return int(await work.session.scalar(found) or 0)


async def by_field(work: Work, served: list[tuple[date, int, int]]) -> list[FieldTotal]:
    """Most first."""
    if not served:
        return []
    fields = {field.id: field for field in await work.session.scalars(select(ServiceField))}
    totals: dict[int, int] = {}
    for _, minutes, field_id in served:
        top = fields[field_id].parent_id or field_id
        totals[top] = totals.get(top, 0) + minutes
    ordered = sorted(totals.items(), key=lambda item: (-item[1], fields[item[0]].position))
    return [FieldTotal(fields[key].names, fields[key].emoji, minutes) for key, minutes in ordered]


def _by_month(today: date, served: list[tuple[date, int, int]]) -> list[tuple[date, int]]:
    index = today.year * 12 + today.month - 1
    months = [date(i // 12, i % 12 + 1, 1) for i in range(index - MONTHS + 1, index + 1)]
    totals = dict.fromkeys(months, 0)
    for day, minutes, _ in served:
        first = day.replace(day=1)
        if first in totals:
            totals[first] += minutes
    return list(totals.items())


async def _last(work: Work) -> list[Served]:
    objectable_since = work.now - timedelta(days=work.policy.dispute_days)
    rows = await work.session.execute(
        select(
            Attendance.id,
            Activity.title,
            Shift.starts_at,
            Attendance.minutes,
            Attendance.state,
            and_(
                Attendance.state.in_((HoursState.CONFIRMED, HoursState.REJECTED)),
                Attendance.decided_at >= objectable_since,
                ~exists().where(Dispute.attendance_id == Attendance.id),
            ),
        )
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Enrolment.person_id == work.person.id)
        .order_by(Shift.starts_at.desc(), Attendance.id.desc())
        .limit(LAST)
    )
    return [Served(*row[:5], bool(row[5])) for row in rows]

"""The yearly personal review: what somebody's year of service was, in figures for a picture."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from models import (
    Activity,
    Attendance,
    Enrolment,
    LedgerEntry,
    Recognition,
    RecognitionState,
    Shift,
    ThanksLetter,
)
from services import recognition, records
from services.errors import Gone
from services.records import FieldTotal
from services.work import Work

FIELDS = 4
"""Shown one by one, most hours first."""
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """A service that is remembered."""

    day: date
    title: str


@dataclass(frozen=True, slots=True)
class Review:
    """A year; `minutes` by month from January on. `years` are those that have a review."""

    year: int
    years: list[int]
    goes_on: bool
    minutes: int
    times: int
    days: int
    """On which they served."""
    months: list[int]
    fields: list[FieldTotal]
    first: Moment | None
    last: Moment | None
    star: int
    """Awarded, by the end of the year."""
    awards: int
    thanks: int
    """Letters of thanks in that year."""


async def of_actor(work: Work, year: int | None = None) -> Review:
    """A year of the actor's, the latest with service unless given. Raises Gone for none."""
    rows = await work.session.execute(
        select(LedgerEntry.served_at, LedgerEntry.minutes, LedgerEntry.field_id).where(
            LedgerEntry.person_id == work.person.id
        )
    )
    served = [(row[0].astimezone(work.policy.zone).date(), row[1], row[2]) for row in rows]
    years = sorted({day.year for day, _, _ in served}, reverse=True)
    year = year or (years[0] if years else work.today.year)
    if year not in years and year != work.today.year:
        raise Gone
    own = [one for one in served if one[0].year == year]
    start, end = _bounds(work, year)
    first, last, times = await _remembered(work, start, end)
    return Review(
        year=year,
        years=years,
        goes_on=year == work.today.year,
        minutes=sum(minutes for _, minutes, _ in own),
        times=times,
        days=len({day for day, _, _ in own}),
        months=[
            sum(minutes for day, minutes, _ in own if day.month == month + 1)
            for month in range(MONTHS)
        ],
        fields=(await records.by_field(work, own))[:FIELDS],
        first=first,
        last=last,
        star=await _star(work, end),
        awards=await _count(work, start, end),
        thanks=await _thanks(work, start, end),
    )


def _bounds(work: Work, year: int) -> tuple[datetime, datetime]:
    zone = work.policy.zone
    return datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)


async def _remembered(
    work: Work, start: datetime, end: datetime
) -> tuple[Moment | None, Moment | None, int]:
    """The first and the last service with confirmed hours, and how many there were."""
    counted = (
        select(LedgerEntry.attendance_id)
        .where(
            LedgerEntry.person_id == work.person.id,
            LedgerEntry.served_at >= start,
            LedgerEntry.served_at < end,
        )
        .group_by(LedgerEntry.attendance_id)
        .having(func.sum(LedgerEntry.minutes) > 0)
    )
    rows = (
        await work.session.execute(
            select(Shift.starts_at, Activity.title)
            .join(Activity, Activity.id == Shift.activity_id)
            .join(Enrolment, Enrolment.shift_id == Shift.id)
            .join(Attendance, Attendance.enrolment_id == Enrolment.id)
            .where(Attendance.id.in_(counted))
            .order_by(Shift.starts_at, Attendance.id)
        )
    ).all()
    if not rows:
        return None, None, 0
    zone = work.policy.zone
    first, last = (Moment(row[0].astimezone(zone).date(), row[1]) for row in (rows[0], rows[-1]))
    return first, last, len(rows)


async def _star(work: Work, end: datetime) -> int:
    highest = select(func.max(Recognition.star)).where(
        Recognition.person_id == work.person.id,
        Recognition.state == RecognitionState.AWARDED,
        Recognition.awarded_at < end,
    )
    return await work.session.scalar(highest) or 0


async def _count(work: Work, start: datetime, end: datetime) -> int:
    held = await recognition.of_person(work, work.person.id)
    moments = [one.recognition.awarded_at for one in held]
    return sum(at is not None and start <= at < end for at in moments)


async def _thanks(work: Work, start: datetime, end: datetime) -> int:
    letters = (
        select(func.count())
        .select_from(ThanksLetter)
        .where(
            ThanksLetter.person_id == work.person.id,
            ThanksLetter.at >= start,
            ThanksLetter.at < end,
        )
    )
    return await work.session.scalar(letters) or 0

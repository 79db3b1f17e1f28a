"""What minors may do: how long, when, and what kinds of work.

Under the policy's `adult_age`. A guardian's consent is asked for at sign-up (`services.guardians`);
these limits hold besides (Regulation on Voluntary Service, order 685: minors serve only what fits
their age). The numbers are the city's own.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlalchemy import select

from models import ENGAGED, Activity, Enrolment, Person, ServiceField, Shift
from services.errors import Refusal
from services.work import Work

WEEK = timedelta(days=7)
HOUR = 60


def is_minor(work: Work, person: Person, day: date) -> bool:
    """On that day. Whose date of birth is not known counts as of age: sign-up asks everyone."""
    if person.birth_date is None:
        return False
    return years(person.birth_date, day) < work.policy.adult_age


def years(born: date, day: date) -> int:
    """Whole years of age on a day."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


async def check(work: Work, shift: Shift) -> None:
    """Raises Refusal that says which limit the actor would pass by this shift."""
    zone = work.policy.zone
    starts_at, ends_at = shift.starts_at.astimezone(zone), shift.ends_at.astimezone(zone)
    if not is_minor(work, work.person, starts_at.date()):
        return
    if await _is_for_adults(work, shift):
        raise Refusal("minor_field", age=work.policy.adult_age)
    if _is_at_night(work, starts_at, ends_at):
        raise Refusal(
            "minor_night", since=work.policy.minor_night_from, until=work.policy.minor_night_until
        )
    await _check_hours(work, shift, starts_at)


async def _is_for_adults(work: Work, shift: Shift) -> bool:
    field = await work.session.scalar(
        select(ServiceField)
        .join(Activity, Activity.field_id == ServiceField.id)
        .where(Activity.id == shift.activity_id)
    )
    if field is None or field.adults_only or field.parent_id is None:
        return field is not None and field.adults_only
    above = await work.session.get_one(ServiceField, field.parent_id)
    return above.adults_only


def _is_at_night(work: Work, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether any part of it lies in the night hours, local."""
    policy = work.policy
    for day in _days(starts_at.date() - timedelta(days=1), ends_at.date()):
        begins = datetime.combine(day, policy.minor_night_from, policy.zone)
        ends = datetime.combine(day + timedelta(days=1), policy.minor_night_until, policy.zone)
        if starts_at < ends and begins < ends_at:
            return True
    return False


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


async def _check_hours(work: Work, shift: Shift, starts_at: datetime) -> None:
    """Counts what they are engaged in already, on the day and in the week from Monday on."""
    zone, policy = work.policy.zone, work.policy
    monday = starts_at.date() - timedelta(days=starts_at.weekday())
    first = datetime.combine(monday, datetime.min.time(), zone)
    rows = await work.session.execute(
        select(Shift.starts_at, Shift.ends_at)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            Enrolment.person_id == work.person.id,
            Enrolment.state.in_(ENGAGED),
            Shift.id != shift.id,
            Shift.starts_at >= first,
            Shift.starts_at < first + WEEK,
        )
    )
    engaged = [(begun.astimezone(zone).date(), _minutes(begun, ended)) for begun, ended in rows]
    own = _minutes(shift.starts_at, shift.ends_at)
    on_day = own + sum(minutes for day, minutes in engaged if day == starts_at.date())
    if on_day > policy.minor_minutes_per_day:
        raise Refusal("minor_day", hours=policy.minor_minutes_per_day / HOUR)
    if own + sum(minutes for _, minutes in engaged) > policy.minor_minutes_per_week:
        raise Refusal("minor_week", hours=policy.minor_minutes_per_week / HOUR)


def _minutes(starts_at: datetime, ends_at: datetime) -> int:
    return int((ends_at - starts_at).total_seconds() // 60)

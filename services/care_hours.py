"""Hours of visits and of help: proposed as the volunteer says, within the city's limit.

Hours belong to a shift of an activity. Each organisation has one activity a month for them, which
makes itself with the first visit and says nothing of any recipient; each visit is a shift in it.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update

from models import (
    Activity,
    ActivityState,
    Attendance,
    CareMonth,
    Confirmation,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Organisation,
    Person,
    ServiceField,
    Shift,
    Standing,
)
from services import access, organisations
from services.access import Right
from services.errors import Gone
from services.work import Work

FIELD = "care"
"""Code of the service field that these hours belong to."""


async def propose(
    work: Work, organisation_id: int, minutes: int, ended_at: datetime, title: str
) -> int | None:
    """The actor's hours up to `ended_at`, for a coordinator to confirm; answers the attendance.

    `title` names the month's activity. None where nothing was served.
    """
    minutes = min(minutes, work.policy.care_longest_minutes)
    if minutes <= 0:
        return None
    activity = await _of_month(work, organisation_id, title)
    began = ended_at - timedelta(minutes=minutes)
    shift = Shift(activity_id=activity, starts_at=began, ends_at=ended_at, quota=1, taken=1)
    work.session.add(shift)
    await work.session.flush()
    enrolment = Enrolment(
        shift_id=shift.id,
        person_id=work.person.id,
        state=EnrolmentState.ATTENDED,
        queued_at=work.now,
    )
    work.session.add(enrolment)
    await work.session.flush()
    attendance = Attendance(
        enrolment_id=enrolment.id,
        checked_in_at=began,
        in_means=Means.SELF,
        checked_out_at=ended_at,
        out_means=Means.SELF,
        state=HoursState.PROPOSED,
        minutes=minutes,
    )
    work.session.add(attendance)
    await work.session.flush()
    return attendance.id


async def take_back(work: Work, attendance_id: int | None) -> None:
    """Hours of what was not done after all are none, unless a coordinator has decided already."""
    await work.session.execute(
        update(Attendance)
        .where(Attendance.id == attendance_id, Attendance.state == HoursState.PROPOSED)
        .values(state=HoursState.REJECTED, decided_at=work.now)
        .execution_options(synchronize_session=False)
    )


async def _of_month(work: Work, organisation_id: int, title: str) -> int:
    """The activity of the present month; the organisation's row keeps two from making it."""
    first = work.today.replace(day=1)
    known = await work.session.get(CareMonth, (organisation_id, first))
    if known is not None:
        return known.activity_id
    home = await work.session.get_one(Organisation, organisation_id, with_for_update=True)
    known = await work.session.scalar(
        select(CareMonth).where(
            CareMonth.organisation_id == organisation_id, CareMonth.month == first
        )
    )
    if known is None:
        known = await _make(work, home, first, title)
    return known.activity_id


async def _make(work: Work, home: Organisation, first: date, title: str) -> CareMonth:
    by_code = (ServiceField.code != FIELD, ServiceField.id)
    field_id = await work.session.scalar(select(ServiceField.id).order_by(*by_code).limit(1))
    if field_id is None:
        raise Gone
    latitude, longitude = await _place_of(work, home)
    activity = Activity(
        organisation_id=home.id,
        field_id=field_id,
        state=ActivityState.PUBLISHED,
        title=title,
        description="",
        address="",
        latitude=latitude,
        longitude=longitude,
        confirmation=Confirmation.AUTOMATIC,
        created_by_id=await _in_charge(work, home),
        created_at=work.now,
        published_at=work.now,
    )
    work.session.add(activity)
    await work.session.flush()
    made = CareMonth(organisation_id=home.id, month=first, activity_id=activity.id)
    work.session.add(made)
    await work.session.flush()
    return made


async def _in_charge(work: Work, home: Organisation) -> int:
    """Who answers for it: a coordinator, never whoever happened to visit first."""
    holders = await access.holders(work, Right.CARE, home.id)
    active = await work.session.scalar(
        select(func.min(Person.id)).where(
            Person.id.in_(holders), Person.standing == Standing.ACTIVE
        )
    )
    return active or work.person.id


async def _place_of(work: Work, home: Organisation) -> tuple[float, float]:
    """Of the organisation, or the nearest above it that has one: never of a recipient."""
    for one in reversed(await organisations.chain(work.session, home)):
        if one.latitude is not None and one.longitude is not None:
            return one.latitude, one.longitude
    return 0.0, 0.0

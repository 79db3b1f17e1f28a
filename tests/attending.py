"""Places in a shift and finished attendances, for tests that begin where enrolment has ended."""

from datetime import timedelta

from sqlalchemy import select

from models import (
    Attendance,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Person,
    ServiceField,
    Shift,
)
from tests.making import Making


async def field_of(making: Making, code: str) -> int:
    """Key of a field of service."""
    async with making.database.read() as session:
        found = select(ServiceField.id).where(ServiceField.code == code)
        return (await session.scalars(found)).one()


async def place(
    making: Making,
    shift: Shift,
    person: Person,
    state: EnrolmentState = EnrolmentState.CONFIRMED,
) -> Enrolment:
    """A place in the shift; the shift's own count is not raised."""
    async with making.database.write() as session:
        enrolment = Enrolment(
            shift_id=shift.id, person_id=person.id, state=state, queued_at=making.clock()
        )
        session.add(enrolment)
    return enrolment


async def propose(making: Making, shift: Shift, person: Person, minutes: int = 180) -> int:
    """Somebody was at a shift; the key of their attendance with `minutes` proposed."""
    enrolment = await place(making, shift, person, EnrolmentState.ATTENDED)
    async with making.database.write() as session:
        attendance = Attendance(
            enrolment_id=enrolment.id,
            checked_in_at=shift.starts_at,
            in_means=Means.ROLL,
            checked_out_at=shift.starts_at + timedelta(minutes=minutes),
            out_means=Means.ROLL,
            state=HoursState.PROPOSED,
            minutes=minutes,
        )
        session.add(attendance)
    return attendance.id

"""Places in shifts: enrolling, deciding, cancelling, and who was there."""

from pydantic import Field

from models import Attendance, Enrolment, EnrolmentState, HoursState, Means, Shift
from services import enrolment, registers, roll
from services.tokens import Scope
from web.api import cursors
from web.api.declaring import Call, Endpoints
from web.api.shapes import Asked, AskedId, Id, Listing, Moment, Paged, Reasoned, Shape

endpoints = Endpoints("enrolments")


class AttendanceShape(Shape):
    """`minutes` are a proposal until they are confirmed."""

    id: Id
    enrolment_id: Id
    volunteer_id: Id
    shift_id: Id
    activity_id: Id
    state: HoursState
    checked_in_at: Moment
    in_means: Means
    checked_out_at: Moment | None
    out_means: Means | None
    minutes: int | None
    decided_at: Moment | None


class EnrolmentShape(Shape):
    id: Id
    volunteer_id: Id
    shift_id: Id
    activity_id: Id
    state: EnrolmentState
    walk_in: bool
    queued_at: Moment
    cancelled_at: Moment | None
    attendance: AttendanceShape | None


class EnrolmentsAsked(Paged):
    shift_id: AskedId | None = None
    volunteer_id: AskedId | None = None
    state: EnrolmentState | None = None


class NewEnrolment(Asked):
    volunteer_id: Id = Field(description="One of the token's organisations.")


def attendance_shape(attendance: Attendance, own: Enrolment, shift: Shift) -> AttendanceShape:
    return AttendanceShape(
        id=attendance.id,
        enrolment_id=own.id,
        volunteer_id=own.person_id,
        shift_id=shift.id,
        activity_id=shift.activity_id,
        state=attendance.state,
        checked_in_at=attendance.checked_in_at,
        in_means=attendance.in_means,
        checked_out_at=attendance.checked_out_at,
        out_means=attendance.out_means,
        minutes=attendance.minutes,
        decided_at=attendance.decided_at,
    )


def _shape(own: Enrolment, shift: Shift, there: Attendance | None) -> EnrolmentShape:
    return EnrolmentShape(
        id=own.id,
        volunteer_id=own.person_id,
        shift_id=own.shift_id,
        activity_id=shift.activity_id,
        state=own.state,
        walk_in=own.walk_in,
        queued_at=own.queued_at,
        cancelled_at=own.cancelled_at,
        attendance=attendance_shape(there, own, shift) if there else None,
    )


async def _one(call: Call, enrolment_id: int) -> EnrolmentShape:
    return _shape(*await registers.enrolment(call.work, enrolment_id))


@endpoints.look("/enrolments", Scope.ENROLMENTS_READ)
async def list_enrolments(call: Call, query: EnrolmentsAsked) -> Listing[EnrolmentShape]:
    """Who applied, has a place, waits, cancelled or was there."""
    found = await registers.enrolments(
        call.work,
        cursors.window(call, query),
        shift_id=query.shift_id,
        volunteer_id=query.volunteer_id,
        state=query.state,
    )
    return Listing(items=[_shape(*row) for row in found.rows], next=cursors.next_of(call, found))


@endpoints.look("/enrolments/{enrolment_id}", Scope.ENROLMENTS_READ)
async def get_enrolment(call: Call, enrolment_id: int) -> EnrolmentShape:
    """One enrolment."""
    return await _one(call, enrolment_id)


@endpoints.make("/shifts/{shift_id}/enrolments", Scope.ENROLMENTS_WRITE)
async def enrol_volunteer(call: Call, shift_id: int, body: NewEnrolment) -> EnrolmentShape:
    """A place for a volunteer, or one on the waitlist if all are taken.

    The volunteer is told. What the organiser asks for is confirmed already.
    """
    own = await enrolment.enrol_other(call.work, shift_id, body.volunteer_id)
    return await _one(call, own.id)


@endpoints.act("/enrolments/{enrolment_id}/cancel", Scope.ENROLMENTS_WRITE)
async def cancel_enrolment(call: Call, enrolment_id: int, body: Reasoned) -> EnrolmentShape:
    """The place goes to the next on the waitlist; the volunteer reads why."""
    await enrolment.remove(call.work, enrolment_id, body.reason)
    return await _one(call, enrolment_id)


@endpoints.act("/enrolments/{enrolment_id}/accept", Scope.ENROLMENTS_WRITE)
async def accept_application(call: Call, enrolment_id: int) -> EnrolmentShape:
    """An application becomes a place."""
    await enrolment.decide(call.work, enrolment_id, accept=True)
    return await _one(call, enrolment_id)


@endpoints.act("/enrolments/{enrolment_id}/decline", Scope.ENROLMENTS_WRITE)
async def decline_application(call: Call, enrolment_id: int) -> EnrolmentShape:
    """An application is declined; its place goes to the next."""
    await enrolment.decide(call.work, enrolment_id, accept=False)
    return await _one(call, enrolment_id)


@endpoints.act("/enrolments/{enrolment_id}/check-in", Scope.HOURS_WRITE)
async def check_in(call: Call, enrolment_id: int) -> EnrolmentShape:
    """You vouch that this person is there, as who takes the roll does.

    After the shift's end it stands for the whole shift, and the hours are proposed at once.
    """
    await roll.tick(call.work, enrolment_id)
    return await _one(call, enrolment_id)


@endpoints.act("/enrolments/{enrolment_id}/check-out", Scope.HOURS_WRITE)
async def check_out(call: Call, enrolment_id: int) -> EnrolmentShape:
    """This person leaves now; their minutes are proposed."""
    await roll.check_out(call.work, enrolment_id)
    return await _one(call, enrolment_id)

"""Hours: attendances with what is proposed, decisions on them, and the ledger."""

from pydantic import Field

from models import EntryKind, HoursState, LedgerEntry
from services import hours, registers
from services.tokens import Scope
from web.api import cursors
from web.api.declaring import Call, Endpoints
from web.api.enrolments import AttendanceShape, attendance_shape
from web.api.shapes import Asked, AskedId, Id, Listing, Moment, Paged, Reason, Reasoned, Shape

endpoints = Endpoints("hours")

MOST_MINUTES = 28 * 60
"""Of the longest shift, with what may be given beyond it."""


class Entry(Shape):
    """An entry of the ledger; it is never changed, a correction is a further one."""

    id: Id
    organisation_id: Id
    sequence: int
    kind: EntryKind
    volunteer_id: Id
    attendance_id: Id | None
    field_id: Id
    corrects_id: Id | None
    minutes: int = Field(description="Below 0 only in a correction.")
    served_at: Moment
    recorded_at: Moment
    previous_hash: str
    hash: str


class AttendancesAsked(Paged):
    shift_id: AskedId | None = None
    volunteer_id: AskedId | None = None
    state: HoursState | None = None


class EntriesAsked(Paged):
    organisation_id: AskedId | None = Field(None, description="Of it and all below it.")
    volunteer_id: AskedId | None = None
    updated_since: Moment | None = Field(None, description="Only what was recorded since then.")


class Correction(Asked):
    minutes: int = Field(ge=1, le=MOST_MINUTES)
    reason: Reason


def _entry(entry: LedgerEntry) -> Entry:
    return Entry(
        id=entry.id,
        organisation_id=entry.organisation_id,
        sequence=entry.sequence,
        kind=entry.kind,
        volunteer_id=entry.person_id,
        attendance_id=entry.attendance_id,
        field_id=entry.field_id,
        corrects_id=entry.corrects_id,
        minutes=entry.minutes,
        served_at=entry.served_at,
        recorded_at=entry.recorded_at,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


async def _one(call: Call, attendance_id: int) -> AttendanceShape:
    return attendance_shape(*await registers.attendance(call.work, attendance_id))


@endpoints.look("/hours", Scope.HOURS_READ)
async def list_entries(call: Call, query: EntriesAsked) -> Listing[Entry]:
    """Confirmed hours: the entries of the ledger, in the order in which they were recorded."""
    found = await registers.entries(
        call.work,
        cursors.window(call, query),
        organisation_id=query.organisation_id,
        volunteer_id=query.volunteer_id,
        recorded_since=query.updated_since,
    )
    items = [_entry(entry) for (entry,) in found.rows]
    return Listing(items=items, next=cursors.next_of(call, found))


@endpoints.look("/attendances", Scope.HOURS_READ)
async def list_attendances(call: Call, query: AttendancesAsked) -> Listing[AttendanceShape]:
    """Who was there, from when until when, and what became of the minutes."""
    found = await registers.attendances(
        call.work,
        cursors.window(call, query),
        shift_id=query.shift_id,
        volunteer_id=query.volunteer_id,
        state=query.state,
    )
    items = [attendance_shape(*row) for row in found.rows]
    return Listing(items=items, next=cursors.next_of(call, found))


@endpoints.look("/attendances/{attendance_id}", Scope.HOURS_READ)
async def get_attendance(call: Call, attendance_id: int) -> AttendanceShape:
    """One attendance."""
    return await _one(call, attendance_id)


@endpoints.act("/attendances/{attendance_id}/confirm", Scope.HOURS_WRITE)
async def confirm_hours(call: Call, attendance_id: int) -> AttendanceShape:
    """The proposed minutes become an entry of the ledger."""
    await hours.confirm(call.work, attendance_id)
    return await _one(call, attendance_id)


@endpoints.act("/attendances/{attendance_id}/correct", Scope.HOURS_WRITE)
async def correct_hours(call: Call, attendance_id: int, body: Correction) -> AttendanceShape:
    """Other minutes than proposed or confirmed before; the volunteer reads why."""
    await hours.correct(call.work, attendance_id, body.minutes, body.reason)
    return await _one(call, attendance_id)


@endpoints.act("/attendances/{attendance_id}/reject", Scope.HOURS_WRITE)
async def reject_hours(call: Call, attendance_id: int, body: Reasoned) -> AttendanceShape:
    """No hours for this attendance; the volunteer reads why and may object."""
    await hours.reject(call.work, attendance_id, body.reason)
    return await _one(call, attendance_id)

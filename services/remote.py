"""Remote service: started by a press, ended by a short report that the coordinator reads.

The minutes run from the start to the report and stay within the shift (`attendance.minutes_of`).
Without a report nothing is proposed; it may be handed in as long as nobody has decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal, select

from models import (
    Activity,
    Attendance,
    Enclosure,
    Enrolment,
    HoursState,
    Means,
    RemoteReport,
    Shift,
)
from services import access, attendance, enclosures, lengths
from services.attendance import Presence
from services.enclosures import Content, Voice
from services.errors import Gone, Refusal
from services.measuring import Measure
from services.work import Work

REPORT = (2, 1000)
"""Characters."""
MOST_PHOTOS = 6


@dataclass(frozen=True, slots=True)
class Report:
    """What was handed in; `enclosures` are photos and at most one voice message."""

    report: RemoteReport
    enclosures: list[Enclosure]


async def check_may_report(work: Work, attendance_id: int) -> Presence:
    """The actor's presence, of which they can report now. Raises Gone or Refusal."""
    presence = await attendance.own(work, attendance_id)
    there = presence.there
    if not presence.activity.remote:
        raise Gone
    if await work.session.get(RemoteReport, attendance_id) is not None:
        raise Refusal("report_there")
    if there.state not in (HoursState.OPEN, HoursState.PROPOSED):
        raise Refusal("report_decided")
    return presence


async def report(
    work: Work,
    attendance_id: int,
    text: str = "",
    photos: Iterable[str] = (),
    voice: Voice | None = None,
) -> Presence:
    """Ends the service and proposes its minutes. Raises Gone or Refusal."""
    presence = await attendance.own(work, attendance_id)
    await work.session.refresh(presence.there, with_for_update=True)
    presence = await check_may_report(work, attendance_id)
    if voice is None:
        lengths.check("report", text, REPORT)
    there = presence.there
    if there.checked_out_at is None:
        await attendance.leave(work, presence, work.now, Means.SELF)
    elif there.out_means is Means.ASSUMED:
        there.checked_out_at = min(work.now, presence.shift.ends_at)
        there.out_means = Means.SELF
        there.minutes = attendance.minutes_of(
            presence.shift, there.checked_in_at, there.checked_out_at
        )
    work.session.add(RemoteReport(attendance_id=attendance_id, text=text, at=work.now))
    await enclosures.add(work, subject(attendance_id), photos, voice)
    await work.session.flush()
    return presence


def subject(attendance_id: int) -> str:
    """Under which photos and voice of a report are kept."""
    return f"attendance:{attendance_id}"


async def of(work: Work, attendance_id: int) -> Report | None:
    """For whoever was asked for their rights on the attendance."""
    row = await work.session.get(RemoteReport, attendance_id)
    if row is None:
        return None
    return Report(row, await enclosures.of(work, subject(attendance_id)))


async def content(work: Work, attendance_id: int, enclosure_id: int) -> Content:
    """A photo or the voice, for those who confirm hours there. Raises Gone or NotAllowed."""
    found = await attendance.find(work, Attendance.id == attendance_id)
    if not found:
        raise Gone
    await access.require(work, access.Right.CONFIRM_HOURS, found[0].activity.organisation_id)
    return await enclosures.content(work, subject(attendance_id), enclosure_id)


# Personal data and statistics


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {"remote_reports": select(RemoteReport).where(_of(person_id))}


async def forget_person(work: Work, person_id: int) -> None:
    """What they wrote goes; that they were there stays with the hours."""
    for row in await work.session.scalars(select(RemoteReport).where(_of(person_id))):
        await enclosures.remove(work, subject(row.attendance_id))
        await work.session.delete(row)


def _of(person_id: int) -> Any:
    mine = (
        select(Attendance.id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id == person_id)
    )
    return RemoteReport.attendance_id.in_(mine)


def _services() -> Any:
    return (
        select(Activity.organisation_id, Attendance.checked_in_at, literal(1))
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Activity.remote)
    )


MEASURES = (Measure("remote_services", "kinds", _services),)

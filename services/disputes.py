"""Objections: a volunteer's one objection to a decision, decided by the superior organisation."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from models import (
    Dispute,
    DisputeState,
    HoursState,
    Organisation,
)
from services import access, audit, hours
from services.errors import Gone, Refusal
from services.hours import Record
from services.work import Work

KIND = "dispute"
PAGE = 8


@dataclass(frozen=True, slots=True)
class Case:
    """An objection with the decision that it is about."""

    dispute: Dispute
    record: Record


# Objecting


async def check_may_object(work: Work, attendance_id: int) -> Record:
    """The actor's own decided hours, still open to an objection. Raises Gone or Refusal."""
    found = await hours.find(work, attendance_id)
    if found.person.id != work.person.id:
        raise Gone
    decided_at = found.attendance.decided_at
    if found.attendance.state in (HoursState.OPEN, HoursState.PROPOSED) or decided_at is None:
        raise Refusal("dispute_early")
    if found.disputed:
        raise Refusal("dispute_once")
    if work.now > decided_at + timedelta(days=work.policy.dispute_days):
        raise Refusal("dispute_late", days=work.policy.dispute_days)
    return found


async def object_to(work: Work, attendance_id: int, text: str) -> Case:
    """Raises Gone or Refusal."""
    await hours.lock(work, attendance_id)
    found = await check_may_object(work, attendance_id)
    own = await work.session.get_one(Organisation, found.activity.organisation_id)
    dispute = Dispute(
        attendance_id=attendance_id,
        organisation_id=own.parent_id or own.id,
        text=text,
        state=DisputeState.OPEN,
        raised_at=work.now,
    )
    work.session.add(dispute)
    await work.session.flush()
    case = Case(dispute, found)
    await _tell(
        work,
        "raised",
        case,
        await _deciders(work, case),
        name=found.person.name,
        text=text,
        state=found.attendance.state.value,
        minutes=found.attendance.minutes,
    )
    audit.note(work, "dispute.raised", f"dispute:{dispute.id}")
    return case


async def _deciders(work: Work, case: Case) -> list[int]:
    right = access.Right.CONFIRM_HOURS
    found = await access.holders(work, right, case.dispute.organisation_id)
    return [key for key in found if key != case.record.person.id]


# Deciding


async def waiting(work: Work) -> int:
    """How many objections wait for the actor."""
    found = select(func.count()).select_from(Dispute).where(*await _open_to(work))
    return await work.session.scalar(found) or 0


async def listed(work: Work) -> list[Case]:
    """Objections that wait for the actor, the earliest first."""
    found = await work.session.scalars(
        select(Dispute)
        .where(*await _open_to(work))
        .order_by(Dispute.raised_at, Dispute.id)
        .limit(PAGE)
    )
    return [Case(dispute, await hours.find(work, dispute.attendance_id)) for dispute in found.all()]

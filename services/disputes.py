"""Objections: a volunteer's one objection to a decision, decided by the superior organisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select

from models import Attendance, Dispute, DisputeState, Enrolment, HoursState, Organisation
from services import access, audit, delivery, hours
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
    raised = Case(dispute, found)
    await _tell(
        work,
        "raised",
        raised,
        await _deciders(work, raised),
        name=found.person.name,
        text=text,
        state=found.attendance.state.value,
        minutes=found.attendance.minutes,
    )
    audit.note(
        work, "dispute.raised", f"dispute:{dispute.id}", organisation_id=dispute.organisation_id
    )
    return raised


async def _deciders(work: Work, raised: Case) -> list[int]:
    right = access.Right.CONFIRM_HOURS
    found = await access.holders(work, right, raised.dispute.organisation_id)
    return [key for key in found if key != raised.record.person.id]


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
    return await _cases(work, found.all())


async def _open_to(work: Work) -> tuple[ColumnElement[bool], ...]:
    """The conditions that an objection waits for the actor, and is not their own."""
    own = (
        select(Attendance.id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id == work.person.id)
    )
    return (
        Dispute.state == DisputeState.OPEN,
        Dispute.attendance_id.not_in(own),
        await access.within_reach(work, access.Right.CONFIRM_HOURS, Dispute.organisation_id),
    )


async def _cases(work: Work, found: Sequence[Dispute]) -> list[Case]:
    records = await hours.find_all(work, [dispute.attendance_id for dispute in found])
    by_attendance = {record.attendance.id: record for record in records}
    return [Case(dispute, by_attendance[dispute.attendance_id]) for dispute in found]


async def case(work: Work, dispute_id: int) -> Case:
    """One objection, for those who decide on it. Raises Gone or NotAllowed."""
    dispute = await work.session.get(Dispute, dispute_id)
    if dispute is None:
        raise Gone
    await access.require(work, access.Right.CONFIRM_HOURS, dispute.organisation_id)
    return (await _cases(work, [dispute]))[0]


async def grant(work: Work, dispute_id: int, minutes: int, answer: str) -> Case:
    """The volunteer is right: the ledger gets an entry that makes it `minutes`.

    Raises Gone, NotAllowed or Refusal.
    """
    found = await check_may_decide(work, dispute_id)
    confirmed = found.record.attendance.state is HoursState.CONFIRMED
    hours.check_minutes(found.record.shift, minutes)
    if confirmed and minutes == found.record.attendance.minutes:
        raise Refusal("hours_same", minutes=minutes)
    await hours.enter(work, found.record, minutes, answer)
    await _close(work, found, DisputeState.GRANTED, answer)
    return found


async def dismiss(work: Work, dispute_id: int, answer: str) -> Case:
    """The decision stands, and the answer says why. Raises Gone, NotAllowed or Refusal."""
    found = await check_may_decide(work, dispute_id)
    await _close(work, found, DisputeState.DISMISSED, answer)
    return found


async def check_may_decide(work: Work, dispute_id: int) -> Case:
    """Locked for a decision by the actor. Raises Gone, NotAllowed or Refusal."""
    await work.session.execute(
        select(Dispute)
        .where(Dispute.id == dispute_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = await case(work, dispute_id)
    if found.record.person.id == work.person.id:
        raise Refusal("hours_own")
    if found.dispute.state is not DisputeState.OPEN:
        raise Refusal("dispute_decided")
    await hours.lock(work, found.dispute.attendance_id)
    return found


async def _close(work: Work, found: Case, state: DisputeState, answer: str) -> None:
    found.dispute.state = state
    found.dispute.answer = answer
    found.dispute.decided_at = work.now
    found.dispute.decided_by_id = work.person.id
    await work.session.flush()
    said = {"answer": answer, "minutes": found.record.attendance.minutes}
    await _tell(work, state.value, found, [found.record.person.id], **said)
    right = access.Right.CONFIRM_HOURS
    coordinators = await access.holders(work, right, found.record.activity.organisation_id)
    others = {work.person.id, found.record.person.id}
    await _tell(
        work,
        "decided",
        found,
        [key for key in coordinators if key not in others],
        state=state.value,
        name=found.record.person.name,
        **said,
    )
    audit.note(
        work,
        f"dispute.{state.value}",
        f"dispute:{found.dispute.id}",
        organisation_id=found.dispute.organisation_id,
    )


async def _tell(
    work: Work, template: str, about: Case, people: Sequence[int], **more: object
) -> None:
    await delivery.tell(
        work,
        delivery.Post(
            f"disputes/{template}",
            {
                "dispute_id": about.dispute.id,
                "title": about.record.activity.title,
                "starts_at": about.record.shift.starts_at,
                "ends_at": about.record.shift.ends_at,
                **more,
            },
            kind=KIND,
            subject=f"dispute:{about.dispute.id}",
        ),
        people,
    )

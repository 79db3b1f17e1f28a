"""Safety briefings: what one reads and acknowledges before checking in, and who has."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from models import Acknowledgement, Activity, Enrolment, EnrolmentState, Safety, Shift
from services import access, activities, audit, lengths
from services.access import Right
from services.errors import Gone, Refusal
from services.work import Work

BRIEFING = (0, 1500)
HELD = (EnrolmentState.APPLIED, EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)


@dataclass(frozen=True, slots=True)
class Briefing:
    """What somebody with a place has to know."""

    enrolment: Enrolment
    activity: Activity
    safety: Safety
    acknowledged: bool


async def of(work: Work, activity_id: int) -> Safety | None:
    """What was said of the risks, if anything."""
    return await work.session.get(Safety, activity_id)


async def opened(work: Work, activity_id: int) -> tuple[Activity, Safety | None]:
    """For whoever plans the activity. Raises Gone, NotAllowed."""
    activity = await activities.planned(work, activity_id)
    return activity, await of(work, activity_id)


async def say(work: Work, activity_id: int, briefing: str, *, dangerous: bool) -> Safety:
    """Words that changed must be acknowledged anew. Raises Gone, NotAllowed, Refusal."""
    activity, known = await opened(work, activity_id)
    briefing = briefing.strip()
    lengths.check("briefing", briefing, BRIEFING)
    said = known or Safety(activity_id=activity_id, briefing="", changed_at=work.now)
    if said.briefing != briefing:
        said.changed_at = work.now
    said.briefing, said.dangerous = briefing, dangerous
    work.session.add(said)
    await work.session.flush()
    audit.note(
        work, "activity.safety", activities.subject(activity_id),
        organisation_id=activity.organisation_id,
    )  # fmt: skip
    return said


async def to_read(work: Work, enrolment_id: int) -> Briefing:
    """The briefing of the actor's own place. Raises Gone, also where there is none."""
    row = (
        await work.session.execute(
            select(Enrolment, Activity, Safety, Acknowledgement)
            .join(Shift, Shift.id == Enrolment.shift_id)
            .join(Activity, Activity.id == Shift.activity_id)
            .join(Safety, Safety.activity_id == Activity.id)
            .outerjoin(Acknowledgement, Acknowledgement.enrolment_id == Enrolment.id)
            .where(Enrolment.id == enrolment_id, Enrolment.person_id == work.person.id)
        )
    ).one_or_none()
    if row is None or not row[2].briefing:
        raise Gone
    return Briefing(row[0], row[1], row[2], _counts(row[3], row[2]))


async def acknowledge(work: Work, enrolment_id: int) -> Briefing:
    """The actor has read it. Raises Gone."""
    found = await to_read(work, enrolment_id)
    if found.enrolment.state not in HELD:
        raise Gone
    await work.session.merge(Acknowledgement(enrolment_id=enrolment_id, at=work.now))
    await work.session.flush()
    return await to_read(work, enrolment_id)


async def check(work: Work, enrolment: Enrolment, activity: Activity) -> None:
    """Before checking in. Raises Refusal("briefing_unread")."""
    said = await of(work, activity.id)
    if said is None or not said.briefing:
        return
    if not _counts(await work.session.get(Acknowledgement, enrolment.id), said):
        raise Refusal("briefing_unread", enrolment_id=enrolment.id, title=activity.title)


def _counts(read: Acknowledgement | None, said: Safety) -> bool:
    return read is not None and read.at >= said.changed_at


async def own(work: Work, activity_id: int) -> dict[int, bool]:
    """The actor's places in an activity with a briefing, and whether they have read it."""
    rows = await work.session.execute(
        select(Enrolment.id, Safety, Acknowledgement)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Safety, Safety.activity_id == Shift.activity_id)
        .outerjoin(Acknowledgement, Acknowledgement.enrolment_id == Enrolment.id)
        .where(
            Shift.activity_id == activity_id,
            Enrolment.person_id == work.person.id,
            Enrolment.state.in_(HELD),
            Safety.briefing != "",
        )
    )
    return {row[0]: _counts(row[2], row[1]) for row in rows}


async def unread(work: Work, activity_id: int, enrolments: Sequence[int]) -> set[int]:
    """Of these places in an activity, those whose holders have not read its briefing.

    For whoever takes the roll. Raises Gone, NotAllowed.
    """
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    await access.require(work, Right.TAKE_ROLL, activity.organisation_id)
    said = await of(work, activity_id)
    if said is None or not said.briefing:
        return set()
    read = await work.session.scalars(
        select(Acknowledgement.enrolment_id).where(
            Acknowledgement.enrolment_id.in_(enrolments), Acknowledgement.at >= said.changed_at
        )
    )
    return set(enrolments) - set(read)

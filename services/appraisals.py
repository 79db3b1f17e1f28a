"""What leaders say of volunteers after a shift: private, seen by coordinators, theirs on request.

Whoever takes the roll of a shift may appraise those who were there, but never themselves. Their
word is read by coordinators of the organisation and above, by nobody else; and by the volunteer,
who reads it without the leader's name. It is neither on certificates nor used in matching.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from models import (
    Activity,
    Appraisal,
    Attendance,
    Enrolment,
    EnrolmentState,
    Mark,
    Person,
    Shift,
)
from services import access, audit, lengths, roll
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

WORDS = (2, 500)
"""Characters of what is added to a mark."""


@dataclass(frozen=True, slots=True)
class Line:
    """Somebody who was at a shift, and what the actor said of them."""

    enrolment_id: int
    name: str
    mark: Mark | None
    words: str | None


@dataclass(frozen=True, slots=True)
class Sheet:
    shift: Shift
    activity: Activity
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Held:
    """An appraisal with what it was for; `by` is empty for the volunteer themselves."""

    appraisal: Appraisal
    shift: Shift
    activity: Activity
    by: str = ""


# Appraising


async def sheet(work: Work, shift_id: int) -> Sheet:
    """Those who were at a shift, by name, without the actor. Raises Gone, NotAllowed, Refusal."""
    shift, activity = await roll.held(work, shift_id)
    if shift.starts_at > work.now:
        raise Refusal("appraisal_early")
    rows = await work.session.execute(
        select(Enrolment.id, Person.name, Appraisal)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(
            Appraisal,
            (Appraisal.enrolment_id == Enrolment.id) & (Appraisal.appraiser_id == work.person.id),
        )
        .where(
            Enrolment.shift_id == shift_id,
            Enrolment.state == EnrolmentState.ATTENDED,
            Enrolment.person_id != work.person.id,
        )
        .order_by(Person.name_search, Enrolment.id)
    )
    lines = [
        Line(key, name, said.mark if said else None, said.words if said else None)
        for key, name, said in rows
    ]
    return Sheet(shift, activity, lines)


async def to_appraise(work: Work, enrolment_id: int) -> tuple[Sheet, Line]:
    """One of them. Raises Gone, NotAllowed, Refusal."""
    shift_id = await work.session.scalar(
        select(Enrolment.shift_id).where(Enrolment.id == enrolment_id)
    )
    if shift_id is None:
        raise Gone
    found = await sheet(work, shift_id)
    for line in found.lines:
        if line.enrolment_id == enrolment_id:
            return found, line
    raise Gone


async def appraise(
    work: Work, enrolment_id: int, mark: Mark, words: str | None = None
) -> tuple[Sheet, Line]:
    """The actor's word, in place of an earlier one of theirs; without `words` those stay.

    Raises Gone, NotAllowed, Refusal.
    """
    found, _ = await to_appraise(work, enrolment_id)
    if words:
        lengths.check("appraisal", words, WORDS)
    await work.session.execute(
        select(Enrolment.id).where(Enrolment.id == enrolment_id).with_for_update()
    )
    said = await work.session.scalar(
        select(Appraisal).where(
            Appraisal.enrolment_id == enrolment_id, Appraisal.appraiser_id == work.person.id
        )
    ) or Appraisal(enrolment_id=enrolment_id, appraiser_id=work.person.id)
    said.mark, said.at = mark, work.now
    if words is not None:
        said.words = words or None
    work.session.add(said)
    await work.session.flush()
    audit.note(
        work,
        "appraisal.given",
        f"enrolment:{enrolment_id}",
        organisation_id=found.activity.organisation_id,
    )
    return await to_appraise(work, enrolment_id)


# Reading


async def own(work: Work) -> list[Held]:
    """All that is held of the actor, the latest first, without who said it."""
    return [Held(*row) for row in await work.session.execute(_of(work.person.id))]


async def count_own(work: Work) -> int:
    found = select(func.count()).select_from(_of(work.person.id).subquery())
    return await work.session.scalar(found) or 0


def _of(person_id: int, *conditions: Any) -> Any:
    return (
        select(Appraisal, Shift, Activity)
        .join(Enrolment, Enrolment.id == Appraisal.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Enrolment.person_id == person_id, *conditions)
        .order_by(Shift.starts_at.desc(), Appraisal.id)
    )


async def of_person(work: Work, person_id: int) -> tuple[Person, list[Held]]:
    """What was said of a volunteer at activities of the actor's organisations; the look is noted.

    For coordinators, not for team leaders; nobody reads here what is said of themselves. Raises
    Gone, NotAllowed.
    """
    person = await work.session.get(Person, person_id)
    if person is None:
        raise Gone
    reach = await access.within_reach(work, Right.SEE_VOLUNTEERS, Activity.organisation_id)
    met = (
        select(Enrolment.id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Enrolment.person_id == person_id, reach)
        .limit(1)
    )
    theirs = await access.may(work, Right.SEE_VOLUNTEERS, person.organisation_id)
    if person_id == work.person.id or not (theirs or await work.session.scalar(met)):
        raise NotAllowed
    rows = await work.session.execute(
        _of(person_id, reach)
        .add_columns(Person.name)
        .join(Person, Person.id == Appraisal.appraiser_id)
    )
    audit.note(
        work, "appraisal.seen", f"person:{person_id}", organisation_id=person.organisation_id
    )
    return person, [Held(*row) for row in rows]


# What is held of somebody


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic: what was said of them, and what they said."""
    theirs = select(Enrolment.id).where(Enrolment.person_id == person_id)
    return {
        "appraisals": select(Appraisal).where(Appraisal.enrolment_id.in_(theirs)),
        "appraisals_given": select(Appraisal).where(Appraisal.appraiser_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """What was said of them goes, and so do their own words; the marks that they gave stay."""
    theirs = select(Enrolment.id).where(Enrolment.person_id == person_id)
    for said in await work.session.scalars(
        select(Appraisal).where(Appraisal.enrolment_id.in_(theirs))
    ):
        await work.session.delete(said)
    await work.session.execute(
        update(Appraisal)
        .where(Appraisal.appraiser_id == person_id)
        .values(words=None)
        .execution_options(synchronize_session=False)
    )

"""What a coordinator's program does for a volunteer of theirs: sign up, enrol, cancel, pause.

The rules are those of the volunteer's own presses; what is checked here is who may act for whom.
"""

from dataclasses import dataclass
from datetime import date

import phonenumbers
from sqlalchemy import select

from models import Activity, Enrolment, Organisation, Person, Shift, Standing
from services import (
    access,
    activities,
    approvals,
    audit,
    delivery,
    enrolment,
    people,
    signup,
)
from services.access import Right
from services.enrolment import Place
from services.errors import Gone, Refusal
from services.work import Work


@dataclass(frozen=True, slots=True)
class Applicant:
    """What is known of somebody who has not spoken to the bot yet; the phone in E.164."""

    organisation_id: int
    name: str
    phone: str
    birth_date: date
    language: str
    email: str | None = None
    id_number: str | None = None
    skills: tuple[int, ...] = ()
    interests: tuple[int, ...] = ()
    languages: tuple[int, ...] = ()


async def pre_register(work: Work, applicant: Applicant) -> Person:
    """Somebody waits for a coordinator's word, as after applying themself.

    Nobody can agree for them to the privacy notice, to emergency calls or to what is done with
    their ID number: no consent is noted, and nothing calls them out. A minor's guardian agrees in
    their own chat, hence they can't be registered so. Raises NotAllowed or Refusal.
    """
    await access.require(work, Right.APPROVE_VOLUNTEERS, applicant.organisation_id)
    signup.checked_birth_date(work, applicant.birth_date)
    if signup.is_minor(work, applicant.birth_date):
        raise Refusal("preregister_minor", age=work.policy.adult_age)
    signup.checked_name(applicant.name)
    if applicant.email is not None:
        signup.checked_email(applicant.email)
    stranger = work.acting_as(None)
    _check_exists(applicant.phone)
    await signup.check_phone(stranger, applicant.phone)
    id_number = applicant.id_number
    if id_number is not None:
        id_number = await signup.check_id_number(stranger, id_number, applicant.birth_date)
    details = signup.Details(
        language=applicant.language,
        name=applicant.name,
        birth_date=applicant.birth_date,
        phone=applicant.phone,
        phone_verified=False,
        organisation_id=applicant.organisation_id,
        skills=applicant.skills,
        interests=applicant.interests,
        languages=applicant.languages,
        id_number=id_number,
        email=applicant.email,
    )
    person = Person(applied_at=work.now, standing=Standing.AWAITING_APPROVAL)
    signup.write(person, details)
    work.session.add(person)
    await work.session.flush()
    await signup.write_terms(work, person, details)
    audit.note(
        work,
        "person.pre_registered",
        f"person:{person.id}",
        organisation_id=person.organisation_id,
    )
    organisation = await work.session.get_one(Organisation, person.organisation_id)
    await approvals.ask(work, person, organisation)
    return person


def _check_exists(phone: str) -> None:
    """Raises Refusal("preregister_phone") for a number that no network has."""
    try:
        valid = phonenumbers.is_valid_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        valid = False
    if not valid:
        raise Refusal("preregister_phone")


async def volunteer(work: Work, person_id: int) -> Person:
    """Somebody whom the actor looks after, whatever their standing. Raises Gone."""
    reach = await people.in_reach(work, Right.SEE_VOLUNTEERS)
    found = await work.session.scalar(
        select(Person).where(Person.id == person_id, Person.standing != Standing.ERASED, reach)
    )
    if found is None:
        raise Gone
    return found


async def _active(work: Work, person_id: int) -> Person:
    """Raises Gone, or Refusal("volunteer_not_active") for somebody who is no volunteer (yet)."""
    person = await volunteer(work, person_id)
    if person.standing is not Standing.ACTIVE:
        raise Refusal("volunteer_not_active")
    return person


async def enrol(work: Work, shift_id: int, person_id: int) -> Enrolment:
    """A place for a volunteer of the actor's, who is told. Raises Gone, NotAllowed or Refusal."""
    shift, activity = await _planned(work, shift_id)
    person = await _active(work, person_id)
    own = await enrolment.enrol(work.acting_as(person), shift.id)
    await _tell(work, "exchange/enrolled", own, shift, activity)
    _note_place(work, "enrolment.made_for", own, activity)
    return own


async def cancel(work: Work, enrolment_id: int, reason: str) -> Place:
    """A volunteer's place ends; they are told why. Raises Gone, NotAllowed or Refusal."""
    own = await work.session.get(Enrolment, enrolment_id)
    if own is None:
        raise Gone
    shift, activity = await _planned(work, own.shift_id)
    person = await work.session.get_one(Person, own.person_id)
    place = await enrolment.cancel(work.acting_as(person), enrolment_id, reason)
    await _tell(work, "exchange/unenrolled", own, shift, activity, reason=reason)
    _note_place(work, "enrolment.cancelled_for", own, activity)
    return place


async def _planned(work: Work, shift_id: int) -> tuple[Shift, Activity]:
    """A published shift that the actor may plan. Raises Gone or NotAllowed."""
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, Right.PLAN_ACTIVITIES, activity.organisation_id)
    return shift, activity


def _note_place(work: Work, action: str, own: Enrolment, activity: Activity) -> None:
    audit.note(work, action, f"enrolment:{own.id}", organisation_id=activity.organisation_id)


async def _tell(
    work: Work, template: str, own: Enrolment, shift: Shift, activity: Activity, **more: str
) -> None:
    post = delivery.Post(
        template,
        {
            "activity_id": activity.id,
            "title": activity.title,
            "starts_at": shift.starts_at,
            "ends_at": shift.ends_at,
            "state": own.state.value,
            **more,
        },
        kind=enrolment.KIND,
        subject=enrolment.subject(own),
    )
    await delivery.tell(work, post, [own.person_id])

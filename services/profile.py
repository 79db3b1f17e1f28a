"""What a volunteer may do with their own registration: see, change, pause, withdraw."""

from datetime import date, timedelta

from sqlalchemy import select

from models import (
    ConsentKind,
    Guardian,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Readiness,
    Standing,
)
from services import audit, enrolment, events, organisations, signup, traits
from services.errors import Refusal
from services.signup import Details
from services.work import Work

LONGEST_PAUSE = timedelta(days=366)


async def details_of(work: Work, person: Person) -> Details:
    """The answers as they stand, decrypted; for the person's own eyes."""
    chosen: list[tuple[int, ...]] = []
    for link, column in (
        (PersonSkill, PersonSkill.skill_id),
        (PersonInterest, PersonInterest.field_id),
        (PersonLanguage, PersonLanguage.spoken_language_id),
    ):
        keys = select(column).where(link.person_id == person.id).order_by(column)
        chosen.append(tuple(await work.session.scalars(keys)))
    guardian = await work.session.scalar(select(Guardian).where(Guardian.person_id == person.id))
    hours = person.call_from, person.call_until
    ready = await work.session.get(Readiness, person.id)
    return Details(
        language=person.language,
        name=person.name,
        birth_date=person.birth_date or date.min,
        phone=person.phone or "",
        phone_verified=person.phone_verified,
        organisation_id=person.organisation_id,
        place=person.home,
        skills=chosen[0],
        interests=chosen[1],
        languages=chosen[2],
        availability=person.availability,
        emergencies=person.emergency_opt_in,
        not_called=(hours[0], hours[1]) if hours[0] is not None and hours[1] is not None else None,
        any_hour=ready is not None and ready.when_critical,
        emergency_contact=person.emergency_contact,
        id_number=person.id_number,
        email=person.email,
        guardian={"name": guardian.name, "phone": guardian.phone} if guardian else None,
    )


async def change(work: Work, details: Details) -> None:
    """Keeps changed answers; consents follow what was switched on or off. Raises Refusal."""
    person = work.person
    await signup.check_phone(work, details.phone)
    signup.checked_birth_date(work, details.birth_date)
    if details.organisation_id != person.organisation_id:
        await organisations.require_open(work, details.organisation_id)
    signup.write(person, details)
    await signup.write_terms(work, person, details)
    await traits.renew(work, [person.id])
    await signup.record_consent(work, person, ConsentKind.EMERGENCY, agreed=details.emergencies)
    await signup.agree_to_any_hour(work, person, details)
    await signup.record_consent(
        work, person, ConsentKind.ID_NUMBER, agreed=details.id_number is not None
    )
    audit.note(work, "person.changed", f"person:{person.id}")
    await events.of_volunteer(work, events.Kind.VOLUNTEER_CHANGED, person)


async def pause(work: Work, until: date) -> None:
    """Nothing is announced to them before that day. Raises Refusal for a day that can't be."""
    check_pause(work, until)
    work.person.paused_until = until
    await traits.renew(work, [work.person.id])
    await events.of_volunteer(work, events.Kind.VOLUNTEER_CHANGED, work.person)


def check_pause(work: Work, until: date) -> None:
    if until <= work.today:
        raise Refusal("pause_past")
    if until - work.today > LONGEST_PAUSE:
        raise Refusal("pause_too_long")


async def end_pause(work: Work) -> None:
    work.person.paused_until = None
    await traits.renew(work, [work.person.id])
    await events.of_volunteer(work, events.Kind.VOLUNTEER_CHANGED, work.person)


async def withdraw(work: Work) -> int:
    """The volunteer leaves; their coming places go to others. Answers how many there were.

    The record stays theirs, and they may come back under the same number.
    """
    person = work.person
    left = await enrolment.leave_everything(work, person.id)
    person.standing = Standing.WITHDRAWN
    await traits.renew(work, [person.id])
    audit.note(work, "person.withdrew", f"person:{person.id}")
    await events.of_volunteer(work, events.Kind.VOLUNTEER_WITHDRAWN, person)
    return left

"""Registering somebody beforehand, who has not spoken to the bot yet.

The rules are those of signing up oneself; what is added here is who may do it for whom.
"""

from dataclasses import dataclass
from datetime import date

import phonenumbers

from models import Organisation, Person, Standing
from services import access, approvals, audit, organisations, signup
from services.access import Right
from services.errors import Refusal
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
    await organisations.require_open(work, applicant.organisation_id)
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

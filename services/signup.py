"""Signing up: the rules of each answer, who is let in at once, and the registration itself."""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import delete, select

from models import (
    Account,
    ConsentKind,
    Organisation,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Standing,
)
from models.sealed import keyring
from services import (
    approvals,
    audit,
    consents,
    finding,
    geo,
    guardians,
    id_numbers,
    organisations,
    readiness,
    traits,
)
from services.errors import Refusal
from services.work import Work

OLDEST = 120
LONGEST_NAME, LONGEST_EMAIL = 32, 200
"""Characters."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")
NAME = re.compile(r"[^\W\d_]+(?:[·•.'’ \-][^\W\d_]+)*\.?")
RETURNS = (Standing.REFUSED, Standing.WITHDRAWN)
"""Standings from which one may sign up anew, under the same number."""
TERMS: tuple[tuple[Any, str], ...] = (
    (PersonSkill, "skill_id"),
    (PersonInterest, "field_id"),
    (PersonLanguage, "spoken_language_id"),
)


@dataclass(frozen=True, slots=True)
class Details:
    """All that a volunteer tells about themselves; keys of terms, phones in E.164."""

    language: str
    name: str
    birth_date: date
    phone: str
    phone_verified: bool
    organisation_id: int
    place: dict[str, float] | None = None
    """{"latitude", "longitude"} if a location was shared."""
    skills: tuple[int, ...] = ()
    interests: tuple[int, ...] = ()
    languages: tuple[int, ...] = ()
    availability: int = 0
    emergencies: bool = False
    not_called: tuple[int, int] | None = None
    """From and until, minutes of the local day."""
    any_hour: bool = False
    """May be called in those hours, too, where lives are at stake."""
    emergency_contact: dict[str, str] | None = None
    id_number: str | None = None
    email: str | None = None
    guardian: dict[str, str] | None = field(default=None)
    """{"name", "phone"} of a minor's guardian."""


# The rules of the answers


def age_on(birth_date: date, today: date) -> int:
    """Whole years; who was born on 29 February has a birthday on 1 March in common years."""
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    return today.year - birth_date.year - (0 if had_birthday else 1)


def checked_name(name: str) -> str:
    """Raises Refusal("signup_name") for what is no name."""
    if not NAME.fullmatch(name) or len(finding.folded(name)) < 2:
        raise Refusal("signup_name")
    return name


def checked_email(address: str) -> str:
    """Raises Refusal("signup_email") for what is no e-mail address."""
    if not EMAIL.fullmatch(address):
        raise Refusal("signup_email")
    return address


def checked_birth_date(work: Work, day: date) -> date:
    """Raises Refusal: in the future, too long ago, or too young to register."""
    if day > work.today:
        raise Refusal("signup_birth_future")
    age = age_on(day, work.today)
    if age > OLDEST:
        raise Refusal("signup_birth_long_ago")
    if age < work.policy.least_age:
        raise Refusal("signup_too_young", age=work.policy.least_age)
    return day


def is_minor(work: Work, day: date) -> bool:
    return age_on(day, work.today) < work.policy.adult_age


async def check_phone(work: Work, phone: str, *, own: int | None = None) -> None:
    """Raises Refusal("signup_phone_known") if somebody else is registered with it.

    `own` is the person whose registration is taken over, if it is not the actor's.
    """
    known = await with_phone(work, phone)
    if known is not None and known.id not in {own, work.actor.id if work.actor else None}:
        raise Refusal("signup_phone_known")


async def with_phone(work: Work, phone: str) -> Person | None:
    return await work.session.scalar(
        select(Person).where(Person.phone_hash.in_(keyring().fingerprints(phone)))
    )


async def check_id_number(
    work: Work, typed: str, birth_date: date, *, own: int | None = None
) -> str:
    """The number as it is kept. Raises Refusal."""
    number = id_numbers.checked(typed)
    if id_numbers.birth_date(number) != birth_date:
        raise Refusal("signup_id_birth")
    owner = await work.session.scalar(
        select(Person.id).where(Person.id_number_hash.in_(keyring().fingerprints(number)))
    )
    if owner is not None and owner not in {own, work.actor.id if work.actor else None}:
        raise Refusal("signup_id_known")
    return number


async def asks_id_number(work: Work, organisation: Organisation) -> bool:
    """Whether the organisation or one above it asks for ID numbers."""
    way = await organisations.chain(work.session, organisation)
    return any(step.asks_id_number for step in way)


# Registering


async def register(work: Work, account: Account, details: Details) -> Person:
    """A new volunteer, or one who comes back; the account is theirs from now on.

    Active at once, unless a guardian or the organisation has to agree first. Raises Refusal.
    """
    checked_birth_date(work, details.birth_date)
    returning = work.actor
    if returning is not None and returning.standing not in RETURNS:
        raise Refusal("signup_registered")
    await check_phone(work, details.phone)
    person = returning or Person(applied_at=work.now)
    person.applied_at = work.now
    return await enter(work, account, person, details)


async def enter(
    work: Work, account: Account, person: Person, details: Details, *, approved: bool = False
) -> Person:
    """Writes the answers of somebody who may register; `approved` if the organisation has agreed.

    Raises Refusal.
    """
    await organisations.require_open(work, details.organisation_id)
    person.changed_at = work.now
    person.standing = Standing.AWAITING_APPROVAL
    write(person, details)
    work.session.add(person)
    await work.session.flush()
    account.person_id = person.id
    account.language = details.language
    work = work.acting_as(person)
    await write_terms(work, person, details)
    await _consent(work, person, details)
    audit.note(
        work, "person.applied", f"person:{person.id}", organisation_id=person.organisation_id
    )
    if details.guardian is not None and is_minor(work, details.birth_date):
        person.standing = Standing.AWAITING_GUARDIAN
        await traits.renew(work, [person.id])
    elif approved:
        await approvals.activate(work, person)
    else:
        await approvals.let_in(work, person)
    return person


def write(person: Person, details: Details) -> None:
    """Puts the answers on the person's row; the exact place only sealed."""
    person.language = details.language
    person.name = details.name
    person.name_search = search_of(details.name)
    person.birth_date = details.birth_date
    person.phone = details.phone
    person.phone_hash = keyring().fingerprint(details.phone)
    person.phone_verified = details.phone_verified
    person.organisation_id = details.organisation_id
    person.home = dict(details.place) if details.place else None
    person.latitude, person.longitude = (
        geo.rounded(details.place["latitude"], details.place["longitude"])
        if details.place
        else (None, None)
    )
    person.availability = details.availability
    person.emergency_opt_in = details.emergencies
    person.call_from, person.call_until = details.not_called or (None, None)
    person.emergency_contact = (
        dict(details.emergency_contact) if details.emergency_contact else None
    )
    person.email = details.email
    person.id_number = details.id_number
    person.id_number_hash = keyring().fingerprint(details.id_number) if details.id_number else None


def search_of(name: str) -> str:
    """The name in characters, pinyin and initials, as typed words are compared with it."""
    full, initials = finding.pinyin(name)
    return " ".join(
        dict.fromkeys((finding.folded(name), finding.folded(full), finding.folded(initials)))
    )[:255]


async def write_terms(work: Work, person: Person, details: Details) -> None:
    chosen = (details.skills, details.interests, details.languages)
    for (link, column), keys in zip(TERMS, chosen, strict=True):
        await work.session.execute(delete(link).where(link.person_id == person.id))
        work.session.add_all(link(person_id=person.id, **{column: key}) for key in keys)
    await work.session.flush()


async def _consent(work: Work, person: Person, details: Details) -> None:
    given = {
        ConsentKind.PRIVACY: True,
        ConsentKind.EMERGENCY: details.emergencies,
        ConsentKind.ID_NUMBER: details.id_number is not None,
    }
    for kind, agreed in given.items():
        await record_consent(work, person, kind, agreed=agreed)
    await agree_to_any_hour(work, person, details)


async def record_consent(work: Work, person: Person, kind: ConsentKind, *, agreed: bool) -> None:
    """Notes that a consent was given, or taken back, and what follows for being called."""
    await consents.record(work, person, kind, agreed=agreed)
    if kind is ConsentKind.EMERGENCY:
        await readiness.agree(work, person, agreed=agreed)


async def agree_to_any_hour(work: Work, person: Person, details: Details) -> None:
    """Whether lives at stake pass their excluded hours; says nothing where there are none."""
    agreed = details.any_hour and details.emergencies and details.not_called is not None
    await readiness.agree_to_any_hour(work, person, agreed=agreed)


async def name_guardian(work: Work, person: Person, guardian: dict[str, Any]) -> str:
    """Keeps who must agree; answers the code that they confirm with."""
    return await guardians.name(work, person, guardian["name"], guardian["phone"])

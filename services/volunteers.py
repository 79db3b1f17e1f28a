"""A volunteer as coordinators see them, and what coordinators do with a registration.

What identifies somebody beyond their name is shown one thing at a time, by `reveal`, and each look
is in the audit log.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select

from models import (
    Account,
    Activity,
    Attendance,
    Enrolment,
    Equipment,
    OptOut,
    Organisation,
    Person,
    PersonEquipment,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Qualification,
    QualificationKind,
    Readiness,
    Role,
    ServiceField,
    Shift,
    Skill,
    SpokenLanguage,
    Standing,
)
from services import (
    access,
    audit,
    delivery,
    listing,
    organisations,
    profile,
    quiet_hours,
    records,
    traits,
)
from services.access import Right
from services.errors import Gone, Refusal
from services.listing import Slice
from services.records import Record
from services.work import Work

KIND = "registration"
LETTER = "notice"
"""The kind of a coordinator's letter; who has opted out of notices gets none."""
LONGEST_LETTER = 1000
"""Characters."""
PRIVATE = {
    "phone": Right.SEE_CONTACTS,
    "email": Right.SEE_CONTACTS,
    "emergency_contact": Right.SEE_CONTACTS,
    "id_number": Right.SEE_SENSITIVE,
    "home": Right.SEE_SENSITIVE,
}
"""What is only shown on a press, and the right that it takes."""

Names = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the page of a volunteer shows at once."""

    person: Person
    organisation: Organisation
    account: Account | None
    skills: list[Names]
    interests: list[Names]
    languages: list[Names]
    documents: list[tuple[Qualification, QualificationKind]]
    equipment: list[Equipment]
    ready: Readiness | None
    record: Record
    roles: list[tuple[Role, Organisation]]
    opted_out: bool
    """Of notices, so that no letter reaches them."""
    private: frozenset[str]
    """Of `PRIVATE`: what there is and the actor may look at."""
    rights: frozenset[Right]
    """What the actor may do in the person's organisation."""


# Looking


async def seen(work: Work, person_id: int, right: Right = Right.SEE_VOLUNTEERS) -> Person:
    """Somebody over whom the actor holds the right.

    Raises Gone for whom the actor may not see, as for nobody; NotAllowed for what is beyond that.
    """
    person = await work.session.get(Person, person_id)
    if person is None or person.standing is Standing.ERASED:
        raise Gone
    if not await access.may(work, Right.SEE_VOLUNTEERS, person.organisation_id):
        raise Gone
    if right is not Right.SEE_VOLUNTEERS:
        await access.require(work, right, person.organisation_id)
    return person


async def sheet(work: Work, person_id: int) -> Sheet:
    """Raises Gone or NotAllowed."""
    person = await seen(work, person_id)
    rights = await access.rights_in(work, person.organisation_id)
    session, mine = work.session, person.id
    things = select(PersonEquipment.kind).where(PersonEquipment.person_id == mine)
    notices = select(OptOut.kind).where(OptOut.person_id == mine, OptOut.kind == LETTER)
    return Sheet(
        person=person,
        organisation=await session.get_one(Organisation, person.organisation_id),
        account=await session.scalar(select(Account).where(Account.person_id == mine)),
        skills=await _names(work, mine, Skill, PersonSkill.skill_id),
        interests=await _names(work, mine, ServiceField, PersonInterest.field_id),
        languages=await _names(work, mine, SpokenLanguage, PersonLanguage.spoken_language_id),
        documents=await _documents(work, mine),
        equipment=list(await session.scalars(things)),
        ready=await session.get(Readiness, mine),
        record=await records.record_of_actor(work.acting_as(person)),
        roles=await _roles(work, mine),
        opted_out=await session.scalar(notices) is not None,
        private=frozenset(
            name for name, right in PRIVATE.items() if right in rights and getattr(person, name)
        ),
        rights=rights,
    )


async def _names(work: Work, person_id: int, term: Any, column: Any) -> list[Names]:
    found = await work.session.scalars(
        select(term.names)
        .join(column.class_, column == term.id)
        .where(column.class_.person_id == person_id)
        .order_by(term.position, term.id)
    )
    return list(found)


async def _documents(work: Work, person_id: int) -> list[tuple[Qualification, QualificationKind]]:
    rows = await work.session.execute(
        select(Qualification, QualificationKind)
        .join(QualificationKind, QualificationKind.id == Qualification.kind_id)
        .where(Qualification.person_id == person_id)
        .order_by(QualificationKind.position)
    )
    return [(row[0], row[1]) for row in rows]


async def _roles(work: Work, person_id: int) -> list[tuple[Role, Organisation]]:
    """Those within the actor's reach."""
    reach = await access.within_reach(work, Right.SEE_VOLUNTEERS, Role.organisation_id)
    rows = await work.session.execute(
        select(Role, Organisation)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(Role.person_id == person_id, reach)
        .order_by(Organisation.path, Role.id)
    )
    return [(row[0], row[1]) for row in rows]


async def history(work: Work, person_id: int, page: int) -> Slice[Any]:
    """Their places with shift, activity and attendance (or None), the latest first.

    Raises Gone or NotAllowed.
    """
    await seen(work, person_id)
    places: Any = (
        select(Enrolment, Shift, Activity, Attendance)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Enrolment.person_id == person_id)
        .order_by(Shift.starts_at.desc(), Enrolment.id.desc())
    )
    return await listing.of(work, places, page, per_page=10)


async def reveal(work: Work, person_id: int, name: str) -> Any:
    """One of `PRIVATE`, decrypted; the look is noted. Raises Gone or NotAllowed."""
    if name not in PRIVATE:
        raise Gone
    person = await seen(work, person_id, PRIVATE[name])
    _note(work, "person.looked_at", person, field=name)
    return getattr(person, name)


# Doing


async def pause(work: Work, person_id: int, until: date) -> Person:
    """They are asked nothing before that day, and are told so. Raises Gone, NotAllowed, Refusal."""
    person = await _active(work, person_id)
    await profile.pause(work.acting_as(person), until)
    _note(work, "person.paused", person)
    await _tell(work, person, "paused", until=until)
    return person


async def resume(work: Work, person_id: int) -> Person:
    """Raises Gone, NotAllowed or Refusal."""
    person = await _active(work, person_id)
    if person.paused_until is None or person.paused_until <= work.today:
        raise Refusal("not_paused")
    await profile.end_pause(work.acting_as(person))
    _note(work, "person.resumed", person)
    await _tell(work, person, "resumed")
    return person


async def transfer(work: Work, person_id: int, organisation_id: int) -> Person:
    """They belong to another organisation, and are told so; the actor must have a say in both.

    Who waits for approval waits there. Roles stay where they were given. Raises Gone, NotAllowed or
    Refusal.
    """
    person = await seen(work, person_id, Right.APPROVE_VOLUNTEERS)
    target = await work.session.get(Organisation, organisation_id)
    if target is None:
        raise Gone
    await access.require(work, Right.APPROVE_VOLUNTEERS, target.id)
    if person.organisation_id == target.id:
        raise Refusal("transfer_same")
    await organisations.require_open(work, target.id)
    source = person.organisation_id
    person.organisation_id = target.id
    await traits.renew(work, [person.id])
    for organisation in (source, target.id):
        audit.note(
            work,
            "person.transferred",
            f"person:{person.id}",
            organisation_id=organisation,
            source=source,
            target=target.id,
        )
    await _tell(work, person, "transferred", organisation=target.names)
    return person


async def targets(work: Work) -> list[Organisation]:
    """Organisations to which the actor may transfer somebody."""
    return await access.subtrees_with(work, Right.APPROVE_VOLUNTEERS)


async def write_to(work: Work, person_id: int, text: str) -> Person:
    """A letter to one volunteer, at a decent hour and unless they have opted out of notices.

    Raises Gone, NotAllowed, or Refusal: too long, or it would not reach them.
    """
    person = await _active(work, person_id, Right.ANNOUNCE)
    text = text.strip()
    if not 2 <= len(text) <= LONGEST_LETTER:
        raise Refusal("letter_length", least=2, most=LONGEST_LETTER)
    opted_out = select(OptOut.kind).where(OptOut.person_id == person.id, OptOut.kind == LETTER)
    if await work.session.scalar(opted_out) is not None:
        raise Refusal("letter_opted_out")
    account = await work.session.scalar(select(Account).where(Account.person_id == person.id))
    if account is None or account.unreachable_since is not None:
        raise Refusal("letter_unreachable")
    organisation = await work.session.get_one(Organisation, person.organisation_id)
    post = delivery.Post(
        "volunteers/letter",
        {"text": text, "by": work.person.name, "organisation": organisation.names},
        kind=LETTER,
        due_at=await quiet_hours.of_person(work, person),
    )
    await delivery.tell(work, post, [person.id])
    _note(work, "person.written_to", person)
    return person


async def _active(work: Work, person_id: int, right: Right = Right.APPROVE_VOLUNTEERS) -> Person:
    """Raises Gone, NotAllowed, or Refusal("volunteer_not_active")."""
    person = await seen(work, person_id, right)
    if person.standing is not Standing.ACTIVE:
        raise Refusal("volunteer_not_active")
    return person


def _note(work: Work, action: str, person: Person, **details: Any) -> None:
    audit.note(
        work, action, f"person:{person.id}", organisation_id=person.organisation_id, **details
    )


async def _tell(work: Work, person: Person, template: str, **more: Any) -> None:
    parameters = {"by": work.person.name, **more}
    await delivery.tell(
        work, delivery.Post(f"volunteers/{template}", parameters, kind=KIND), [person.id]
    )


async def organisations_to_grant(work: Work) -> list[Organisation]:
    """Where the actor may give roles."""
    return await access.subtrees_with(work, Right.GRANT_ROLES)

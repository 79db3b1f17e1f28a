"""Volunteers: reading them, registering somebody beforehand, deciding, pausing."""

from collections.abc import Sequence

from pydantic import Field

from models import Person, ServiceField, Skill, SpokenLanguage, Standing
from services import approvals, preregistering, registers, terms, volunteers
from services.registers import Terms
from services.tokens import Scope
from services.words import LANGUAGES
from web.api import cursors
from web.api.declaring import Call, Endpoints
from web.api.shapes import (
    LINE,
    Asked,
    AskedId,
    Day,
    Id,
    Keys,
    Listing,
    Moment,
    Paged,
    Reasoned,
    Shape,
)

endpoints = Endpoints("volunteers")

SEEN_OF_PHONE = 4
SEEN_OF_ID = 4


class Volunteer(Shape):
    """Phone, e-mail, ID number and birth date in full need the scope `volunteers:personal`."""

    id: Id
    number: str | None = Field(description="The registration number, once they are registered.")
    standing: Standing
    organisation_id: Id
    name: str
    language: str
    phone: str | None = Field(description="Masked but for its last four digits.")
    email: str | None = Field(description="Null without the scope.")
    id_number: str | None = Field(description="Masked but for its last four characters.")
    birth_date: Day | None = Field(description="Null without the scope.")
    emergencies: bool = Field(description="Agreed to be called in emergencies.")
    paused_until: Day | None
    skills: list[Id]
    interests: list[Id] = Field(description="Service fields.")
    languages: list[Id]
    applied_at: Moment
    registered_at: Moment | None
    changed_at: Moment | None


class VolunteersAsked(Paged):
    organisation_id: AskedId | None = Field(None, description="Of it and all below it.")
    standing: Standing | None = None
    number: str | None = Field(None, min_length=1, max_length=24, pattern=LINE)
    updated_since: Moment | None = Field(
        None, description="Only what changed since then, in the order of changes."
    )


class NewVolunteer(Asked):
    organisation_id: Id
    name: str = Field(min_length=2, max_length=64, pattern=LINE)
    phone: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="In E.164.")
    birth_date: Day
    language: str = Field(
        description="In which they are spoken to.", json_schema_extra={"enum": list(LANGUAGES)}
    )
    email: str | None = Field(None, min_length=6, max_length=254, pattern=LINE)
    id_number: str | None = Field(None, pattern=r"^[0-9]{17}[0-9X]$")
    skills: Keys = Field([])
    interests: Keys = Field([], description="Service fields.")
    languages: Keys = Field([])


class Pause(Asked):
    until: Day = Field(description="The first day on which they are asked again.")


def masked(value: str | None, seen: int) -> str | None:
    """Only its last characters."""
    if value is None:
        return None
    return "*" * max(len(value) - seen, 0) + value[-seen:]


def _shape(call: Call, person: Person, chosen: Terms) -> Volunteer:
    return Volunteer(
        id=person.id,
        number=person.number,
        standing=person.standing,
        organisation_id=person.organisation_id,
        name=person.name,
        language=person.language,
        phone=person.phone if call.personal else masked(person.phone, SEEN_OF_PHONE),
        email=person.email if call.personal else None,
        id_number=person.id_number if call.personal else masked(person.id_number, SEEN_OF_ID),
        birth_date=person.birth_date if call.personal else None,
        emergencies=person.emergency_opt_in,
        paused_until=person.paused_until,
        skills=chosen.skills,
        interests=chosen.interests,
        languages=chosen.languages,
        applied_at=person.applied_at,
        registered_at=person.registered_at,
        changed_at=person.changed_at,
    )


async def _shapes(call: Call, people: Sequence[Person]) -> list[Volunteer]:
    """Whatever answers with them in full leaves its trace in the audit log."""
    chosen = await registers.terms_of(call.work, [person.id for person in people])
    if call.personal:
        registers.note_personal_look(call.work, people)
    return [_shape(call, person, chosen[person.id]) for person in people]


async def _one(call: Call, person: Person) -> Volunteer:
    (shape,) = await _shapes(call, [person])
    return shape


@endpoints.look("/volunteers", Scope.VOLUNTEERS_READ, notes_looks=True)
async def list_volunteers(call: Call, query: VolunteersAsked) -> Listing[Volunteer]:
    """Volunteers of the token's organisations, applicants among them."""
    found = await registers.volunteers(
        call.work,
        cursors.window(call, query),
        organisation_id=query.organisation_id,
        standing=query.standing,
        number=query.number,
        changed_since=query.updated_since,
    )
    items = await _shapes(call, [person for (person,) in found.rows])
    return Listing(items=items, next=cursors.next_of(call, found))


@endpoints.look("/volunteers/{volunteer_id}", Scope.VOLUNTEERS_READ, notes_looks=True)
async def get_volunteer(call: Call, volunteer_id: int) -> Volunteer:
    """One volunteer."""
    return await _one(call, await volunteers.seen(call.work, volunteer_id))


@endpoints.make("/volunteers", Scope.VOLUNTEERS_WRITE)
async def pre_register(call: Call, body: NewVolunteer) -> Volunteer:
    """Somebody applies through you and waits for approval.

    No consent is noted, since nobody can give it for them, and they are not called in emergencies
    before they agree themselves. Minors must sign up themselves, so that their guardian can agree.
    """
    session = call.work.session
    await terms.check(session, Skill, body.skills)
    await terms.check(session, ServiceField, body.interests)
    await terms.check(session, SpokenLanguage, body.languages)
    applicant = preregistering.Applicant(
        organisation_id=body.organisation_id,
        name=body.name,
        phone=body.phone,
        birth_date=body.birth_date,
        language=body.language,
        email=body.email,
        id_number=body.id_number,
        skills=tuple(dict.fromkeys(body.skills)),
        interests=tuple(dict.fromkeys(body.interests)),
        languages=tuple(dict.fromkeys(body.languages)),
    )
    return await _one(call, await preregistering.pre_register(call.work, applicant))


@endpoints.act("/volunteers/{volunteer_id}/approve", Scope.VOLUNTEERS_WRITE)
async def approve_volunteer(call: Call, volunteer_id: int) -> Volunteer:
    """An applicant becomes a volunteer and gets a registration number."""
    await volunteers.seen(call.work, volunteer_id)
    return await _one(call, await approvals.approve(call.work, volunteer_id))


@endpoints.act("/volunteers/{volunteer_id}/refuse", Scope.VOLUNTEERS_WRITE)
async def refuse_volunteer(call: Call, volunteer_id: int, body: Reasoned) -> Volunteer:
    """An applicant is refused and reads why."""
    await volunteers.seen(call.work, volunteer_id)
    return await _one(call, await approvals.refuse(call.work, volunteer_id, body.reason))


@endpoints.act("/volunteers/{volunteer_id}/pause", Scope.VOLUNTEERS_WRITE)
async def pause_volunteer(call: Call, volunteer_id: int, body: Pause) -> Volunteer:
    """Nothing is announced to them, and they do not enrol, before a day."""
    return await _one(call, await volunteers.pause(call.work, volunteer_id, body.until))


@endpoints.act("/volunteers/{volunteer_id}/resume", Scope.VOLUNTEERS_WRITE)
async def resume_volunteer(call: Call, volunteer_id: int) -> Volunteer:
    """Their break ends now."""
    return await _one(call, await volunteers.resume(call.work, volunteer_id))

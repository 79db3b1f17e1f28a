"""Approving registrations: cards to the coordinators, their word, telling the applicant."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from stdnum import luhn

from models import Organisation, Person, Standing
from services import access, audit, delivery, events, organisations, traits
from services.errors import Gone, Refusal
from services.people import in_reach
from services.work import Work

KIND = "registration"
NUMBER_DIGITS = 8
SPARE = 10_000_000
"""Where a running number is taken already, the next one is so much further."""


async def let_in(work: Work, person: Person) -> None:
    """Everything is there: active, or to the coordinator where the organisation wants that."""
    organisation = await work.session.get_one(Organisation, person.organisation_id)
    way = await organisations.chain(work.session, organisation)
    if any(step.approves_registrations for step in way):
        person.standing = Standing.AWAITING_APPROVAL
        await ask(work, person, organisation)
    else:
        await activate(work, person)


async def activate(work: Work, person: Person) -> None:
    """Gives the registration number, which stays the same for ever."""
    person.standing = Standing.ACTIVE
    person.registered_at = person.registered_at or work.now
    if person.number is None:
        person.number = (await free_numbers(work, [person.id]))[person.id]
    await traits.renew(work, [person.id])
    await events.of_volunteer(work, events.Kind.VOLUNTEER_REGISTERED, person)


async def free_numbers(work: Work, people: Sequence[int]) -> dict[int, str]:
    """A number for each of these people; one that was brought in from elsewhere is passed by."""
    found = {key: _number(work, key) for key in people}
    taken = set(
        await work.session.scalars(select(Person.number).where(Person.number.in_(found.values())))
    )
    for key in people:
        step = 0
        while found[key] in taken:
            step += 1
            found[key] = _number(work, key + step * SPARE)
            other = select(Person.id).where(Person.number == found[key])
            if await work.session.scalar(other) is not None:
                taken.add(found[key])
    return found


def _number(work: Work, running: int) -> str:
    """Prefix, running number and a check digit (Luhn, ISO/IEC 7812) against slips in typing."""
    digits = f"{running:0{NUMBER_DIGITS}d}"
    return f"{work.policy.number_prefix}{digits}{luhn.calc_check_digit(digits)}"


async def ask(work: Work, person: Person, organisation: Organisation) -> None:
    """A card to each coordinator nearest above, who find the person in their lists as well."""
    await traits.renew(work, [person.id])
    post = delivery.Post(
        "approvals/card",
        _about(person, organisation),
        kind=KIND,
        subject=_subject(person),
    )
    await delivery.tell(
        work,
        post,
        await access.holders(work, access.Right.APPROVE_VOLUNTEERS, organisation.id),
    )


async def waiting(work: Work) -> int:
    found = await _awaiting(work)
    return await work.session.scalar(select(func.count()).select_from(found.subquery())) or 0


async def pending(work: Work, limit: int) -> list[tuple[Person, Organisation]]:
    """Who waits for the actor's word, the earliest first."""
    found = (
        (await _awaiting(work))
        .join(Organisation, Organisation.id == Person.organisation_id)
        .add_columns(Organisation)
        .order_by(Person.applied_at, Person.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await work.session.execute(found)]


async def _awaiting(work: Work) -> Any:
    reach = await in_reach(work, access.Right.APPROVE_VOLUNTEERS)
    return select(Person).where(Person.standing == Standing.AWAITING_APPROVAL, reach)


async def approve(work: Work, person_id: int) -> Person:
    """Raises Gone, NotAllowed or Refusal("approval_decided")."""
    person = await check_may_decide(work, person_id)
    await activate(work, person)
    await _decided(work, person, accepted=True, reason=None)
    return person


async def refuse(work: Work, person_id: int, reason: str) -> Person:
    """Raises Gone, NotAllowed or Refusal("approval_decided")."""
    person = await check_may_decide(work, person_id)
    person.standing = Standing.REFUSED
    await events.of_volunteer(work, events.Kind.VOLUNTEER_CHANGED, person)
    await traits.renew(work, [person.id])
    await _decided(work, person, accepted=False, reason=reason)
    return person


async def check_may_decide(work: Work, person_id: int) -> Person:
    """Raises Gone, NotAllowed or Refusal("approval_decided")."""
    person = await work.session.scalar(
        select(Person).where(Person.id == person_id).with_for_update()
    )
    if person is None:
        raise Gone
    await access.require(work, access.Right.APPROVE_VOLUNTEERS, person.organisation_id)
    if person.standing is not Standing.AWAITING_APPROVAL:
        raise Refusal("approval_decided")
    return person


async def _decided(work: Work, person: Person, *, accepted: bool, reason: str | None) -> None:
    person.decided_by_id = work.person.id
    template = "approvals/welcome" if accepted else "approvals/refused"
    parameters = {"name": person.name, "number": person.number, "reason": reason}
    await delivery.tell(work, delivery.Post(template, parameters, kind=KIND), [person.id])
    outcome = {"name": person.name, "accepted": accepted, "by": work.person.name}
    await delivery.correct(
        work,
        _subject(person),
        delivery.Post("approvals/decided", outcome, kind=KIND, subject=_subject(person)),
    )
    audit.note(
        work,
        "person.approved" if accepted else "person.refused",
        f"person:{person.id}",
        organisation_id=person.organisation_id,
    )


def _subject(person: Person) -> str:
    return f"person:{person.id}"


def _about(person: Person, organisation: Organisation) -> dict[str, Any]:
    return {
        "person_id": person.id,
        "name": person.name,
        "birth_date": person.birth_date,
        "organisation": organisation.names,
        "phone_verified": person.phone_verified,
    }

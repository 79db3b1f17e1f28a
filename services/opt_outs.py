"""What kinds of message people do not wish to get. Honoured at once, also for what is queued.

Emergencies are not among them: whoever agreed to be called takes that back knowingly.
"""

from sqlalchemy import ColumnElement, delete, exists, select, update

from models import ConsentKind, Delivery, DeliveryState, Message, OptOut, Person
from services import audit, signup, traits
from services.outbox import Why
from services.work import Work

WAITING = (DeliveryState.QUEUED, DeliveryState.HELD)


def wants(kind: str) -> ColumnElement[bool]:
    """Whether the `Person` of the query takes messages of this kind."""
    return ~exists().where(OptOut.person_id == Person.id, OptOut.kind == kind)


async def kinds_of(work: Work) -> set[str]:
    """The kinds that the actor has opted out of."""
    found = await work.session.scalars(
        select(OptOut.kind).where(OptOut.person_id == work.person.id)
    )
    return set(found)


async def choose(work: Work, kind: str, *, wanted: bool) -> None:
    """The actor takes messages of a kind, or no more; those not yet sent are revoked."""
    person_id = work.person.id
    await work.session.execute(
        delete(OptOut).where(OptOut.person_id == person_id, OptOut.kind == kind)
    )
    if wanted:
        await traits.renew(work, [person_id])
        return
    work.session.add(OptOut(person_id=person_id, kind=kind, since=work.now))
    await traits.renew(work, [person_id])
    of_kind = select(Message.id).where(Message.kind == kind)
    await work.session.execute(
        update(Delivery)
        .where(
            Delivery.person_id == person_id,
            Delivery.state.in_(WAITING),
            Delivery.message_id.in_(of_kind),
        )
        .values(state=DeliveryState.REVOKED, reason=Why.OPTED_OUT, finished_at=work.now)
        .execution_options(synchronize_session=False)
    )


async def stop_emergencies(work: Work) -> None:
    """The actor is not called in emergencies any more; the consent ends with it."""
    person = work.person
    person.emergency_opt_in = False
    await signup.record_consent(work, person, ConsentKind.EMERGENCY, agreed=False)
    await traits.renew(work, [person.id])
    audit.note(work, "person.stopped_emergencies", f"person:{person.id}")

"""A group enrols together: all get a place, or all wait. One of them may still cancel alone.

The places of a group are one conditional UPDATE of the shift; the waitlist lets it in as a whole
(`enrolment.free_place`). What becomes of a single place afterwards is `services.enrolment`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal, or_, select

from models import (
    HOLDING_A_PLACE,
    Account,
    Activity,
    Attendance,
    Block,
    Enrolment,
    EnrolmentState,
    Party,
    PartyMember,
    PartyState,
    Person,
    Shift,
    Standing,
)
from services import (
    access,
    activities,
    delivery,
    enrolment,
    events,
    matching,
    minors,
    parties,
    requirements,
    traits,
)
from services.enrolment import KIND, OPEN, OVER, Place
from services.errors import Gone, Refusal
from services.measuring import Measure
from services.work import Work

MOST_NAMED = 5
"""Of those who can't come, with the reason; the others are only counted."""
MAY_BE_TOLD = ("names", "age", "mark", "since", "until", "hours")
"""Of what stands against somebody; not what else they are enrolled in."""
OFFERED = (EnrolmentState.OFFERED,)


@dataclass(frozen=True, slots=True)
class Companion:
    """Somebody of the group with what became of their place."""

    name: str
    enrolment: Enrolment


@dataclass(frozen=True, slots=True)
class Together:
    """A group's places in a shift; those that were cancelled are left out."""

    block: Block
    shift: Shift
    activity: Activity
    companions: list[Companion]

    @property
    def states(self) -> set[EnrolmentState]:
        return {one.enrolment.state for one in self.companions}

    @property
    def outcome(self) -> EnrolmentState:
        """What the head is told of all: that they applied, where any of them awaits a word."""
        if EnrolmentState.APPLIED in self.states:
            return EnrolmentState.APPLIED
        return self.companions[0].enrolment.state


# Enrolling


async def enrol(work: Work, shift_id: int, party_id: int, people: Sequence[int]) -> Together:
    """Places for these members of a group that the actor leads, or all of them on the waitlist.

    Raises Gone, NotAllowed, or a Refusal that names who can't come and why; then nobody gets one.
    """
    party = await parties.led(work, party_id)
    shift, activity = await activities.published_shift(work, shift_id)
    enrolment.check_open(work, shift, activity)
    members = await _members(work, party, people)
    if len(members) > shift.quota:
        raise Refusal("together_quota", quota=shift.quota, count=len(members))
    await _check_all_suit(work, shift, activity, members)
    placed = await enrolment.take_places(work, shift_id, len(members))
    known = await _known(work, shift_id, members)
    if any(one.state not in OVER for one in known.values()):
        raise Refusal("together_again")  # somebody enrolled at this very moment
    block = Block(
        shift_id=shift_id, party_id=party.id, head_id=work.person.id, name=party.name,
        size=len(members), at=work.now,
    )  # fmt: skip
    work.session.add(block)
    await work.session.flush()
    places = [
        _write(work, known.get(person.id), person, Place(Enrolment(), shift, activity), block)
        for person in members
    ]
    for place, person in zip(places, members, strict=True):
        place.enrolment.state = await enrolment.state_if(
            work, shift, activity, person.id, placed=placed
        )
    work.session.add_all(place.enrolment for place in places)
    await traits.recount(work, [person.id for person in members])
    await _announce(work, block, members, places)
    names = [person.name for person in members]
    companions = [Companion(*one) for one in zip(names, (p.enrolment for p in places), strict=True)]
    return Together(block, shift, activity, companions)


def _write(
    work: Work, known: Enrolment | None, person: Person, place: Place, block: Block
) -> Place:
    own = known or Enrolment(shift_id=place.shift.id, person_id=person.id)
    own.queued_at = work.now
    enrolment.forget_earlier(own)
    own.block_id = block.id
    return Place(own, place.shift, place.activity)


async def _members(work: Work, party: Party, people: Sequence[int]) -> list[Person]:
    """Those who agreed, in the order of keys. Raises Gone for anybody else, or for nobody."""
    wanted = set(people)
    found = await work.session.scalars(
        select(Person)
        .join(PartyMember, PartyMember.person_id == Person.id)
        .where(
            PartyMember.party_id == party.id,
            PartyMember.state == PartyState.ACTIVE,
            Person.standing == Standing.ACTIVE,
            Person.id.in_(wanted),
        )
        .order_by(Person.id)
    )
    members = list(found)
    if not wanted or {person.id for person in members} != wanted:
        raise Gone
    return members


async def _known(work: Work, shift_id: int, members: Sequence[Person]) -> dict[int, Enrolment]:
    rows = await work.session.scalars(
        select(Enrolment)
        .where(
            Enrolment.shift_id == shift_id,
            Enrolment.person_id.in_([person.id for person in members]),
        )
        .execution_options(populate_existing=True)
    )
    return {row.person_id: row for row in rows}


async def _check_all_suit(
    work: Work, shift: Shift, activity: Activity, members: Sequence[Person]
) -> None:
    """Raises Refusal("together_unsuited").

    One query finds whom the shift suits, one more who lacks a training; the limits of minors are
    looked at one by one, since only few are.
    """
    enrolled = {
        key for key, own in (await _known(work, shift.id, members)).items() if own.state not in OVER
    }
    resting = or_(Person.paused_until.is_(None), Person.paused_until <= work.today)
    keys = [person.id for person in members]
    fit = set(
        await work.session.scalars(
            select(Person.id).where(Person.id.in_(keys), resting, matching.may_take(work, shift))
        )
    )
    fit -= set(await requirements.lacked(work, shift, activity, keys))
    fit -= set(await _past_limits(work, shift, [one for one in members if one.id in fit]))
    unsuited = [one for one in members if one.id in enrolled or one.id not in fit]
    if not unsuited:
        return
    why = [await _why(work, shift, activity, one, enrolled) for one in unsuited[:MOST_NAMED]]
    raise Refusal("together_unsuited", people=why, more=len(unsuited) - len(why))


async def _past_limits(
    work: Work, shift: Shift, members: Sequence[Person]
) -> dict[int, dict[str, Any]]:
    """Minors for whom the shift is too much, with what the head is told."""
    day = shift.starts_at.astimezone(work.policy.zone).date()
    found: dict[int, dict[str, Any]] = {}
    for member in members:
        if not minors.is_minor(work, member, day):
            continue
        try:
            await minors.check(work.acting_as(member), shift)
        except Refusal as refusal:
            found[member.id] = _said(member, refusal)
    return found


async def _why(
    work: Work, shift: Shift, activity: Activity, person: Person, enrolled: set[int]
) -> dict[str, Any]:
    """What the head is told."""
    if person.id in enrolled:
        return {"name": person.name, "why": "enrol_already"}
    refusal = await enrolment.why_not(work.acting_as(person), shift, activity)
    if refusal is None:  # what stood against it is over by now
        return {"name": person.name, "why": ""}
    return _said(person, refusal)


def _said(person: Person, refusal: Refusal) -> dict[str, Any]:
    told = {key: value for key, value in refusal.parameters.items() if key in MAY_BE_TOLD}
    return {"name": person.name, "why": refusal.code, **told}


async def _announce(
    work: Work, block: Block, members: Sequence[Person], places: Sequence[Place]
) -> None:
    """Each member hears of it in their own chat, and coordinators who confirm by hand once."""
    for person, place in zip(members, places, strict=True):
        if person.id != work.person.id:
            state = place.enrolment.state.value
            await _tell(work, place, block, "enrolled", state=state, by=work.person.name)
    applied = [one for one in places if one.enrolment.state is EnrolmentState.APPLIED]
    if applied:
        await _tell_coordinators(work, applied[0], block, "application", count=len(applied))
    confirmed = [one for one in places if one.enrolment.state is EnrolmentState.CONFIRMED]
    if confirmed:
        await _are_confirmed(work, confirmed)


async def _are_confirmed(work: Work, places: Sequence[Place]) -> None:
    kind = events.Kind.ENROLMENT_CONFIRMED
    await events.of_enrolments(
        work, kind, places[0].activity, [place.enrolment for place in places]
    )


# A place became free for all of them


async def accept(work: Work, block_id: int) -> Together:
    """All take the places that are held. Raises Gone or Refusal, also for who can't come now."""
    together = await _led(work, block_id)
    shift, activity = together.shift, together.activity
    offered = await enrolment.of_block(work, block_id, *OFFERED)
    expires_at = offered[0].offer_expires_at if offered else None
    if expires_at is None or expires_at <= work.now:
        raise Refusal("offer_over")
    members = await _people(work, offered)
    await _check_can_come(work, shift, members)
    for one in offered:
        one.state = await enrolment.state_if(work, shift, activity, one.person_id, placed=True)
        one.offer_expires_at = None
    await work.session.flush()
    places = [Place(one, shift, activity) for one in offered]
    await _announce(work, together.block, members, places)
    return await _led(work, block_id)


async def _check_can_come(work: Work, shift: Shift, members: Sequence[Person]) -> None:
    """What they took on while they waited. Raises Refusal("together_unsuited")."""
    keys = [person.id for person in members]
    busy = set(
        await work.session.scalars(
            select(Person.id).where(Person.id.in_(keys), matching.busy(shift))
        )
    )
    why: list[dict[str, Any]] = [
        {"name": person.name, "why": "enrol_clash"} for person in members if person.id in busy
    ]
    free = [person for person in members if person.id not in busy]
    why += (await _past_limits(work, shift, free)).values()
    if why:
        raise Refusal("together_unsuited", people=why[:MOST_NAMED], more=len(why[MOST_NAMED:]))


async def decline(work: Work, block_id: int) -> Together:
    """The places go to the next. Raises Gone or Refusal("offer_over")."""
    together = await _led(work, block_id)
    offered = await enrolment.of_block(work, block_id, *OFFERED)
    if not offered:
        raise Refusal("offer_over")
    for one in offered:
        one.state = EnrolmentState.DECLINED
        one.offer_expires_at = None
    await work.session.flush()
    await enrolment.give_back(work, together.shift.id, len(offered))
    return together


# Cancelling for all


def is_late(work: Work, together: Together) -> bool:
    """Whether cancelling for all needs a reason, see `enrolment.is_late`."""
    places = (
        Place(one.enrolment, together.shift, together.activity) for one in together.companions
    )
    return any(_is_late(work, place) for place in places)


def _is_late(work: Work, place: Place) -> bool:
    return enrolment.is_late(work, place) and not place.enrolment.reconfirm


async def cancel(work: Work, block_id: int, reason: str | None = None) -> Together:
    """Everybody's place ends, and each is told. Raises Gone or Refusal."""
    together = await _led(work, block_id)
    if together.shift.starts_at <= work.now:
        raise Refusal("cancel_begun")
    late = is_late(work, together)
    if late and not reason:
        raise Refusal("cancel_needs_reason")
    ended = await enrolment.of_block(work, block_id, *OPEN)
    held = sum(one.state in HOLDING_A_PLACE for one in ended)
    for one in ended:
        # Only the head's own miss: the others did not choose the moment.
        own = one.person_id == together.block.head_id
        one.cancelled_late = own and _is_late(work, Place(one, together.shift, together.activity))
        one.state = EnrolmentState.CANCELLED
        one.cancelled_at, one.cancel_reason = work.now, reason
        one.offer_expires_at = None
    await work.session.flush()
    if held:
        await enrolment.give_back(work, together.shift.id, held)
    await _say_cancelled(work, together, ended, reason if late else None)
    return together


async def _say_cancelled(
    work: Work, together: Together, ended: Sequence[Enrolment], late_because: str | None
) -> None:
    places = [Place(one, together.shift, together.activity) for one in ended]
    for place in places:
        if place.enrolment.person_id != work.person.id:
            await _tell(work, place, together.block, "cancelled", by=work.person.name)
        await enrolment.is_cancelled(work, place)
    if late_because is not None and places:
        told = {"count": len(places), "reason": late_because}
        await _tell_coordinators(work, places[0], together.block, "cancelled_late", **told)


# Looking


async def _led(work: Work, block_id: int) -> Together:
    """Raises Gone for what somebody else enrolled, or what is over."""
    found = [one for one in await _found(work, Block.id == block_id) if one.companions]
    if not found or work.actor is None or found[0].block.head_id != work.actor.id:
        raise Gone
    return found[0]


async def opened(work: Work, block_id: int) -> Together:
    """A group's places that the actor took. Raises Gone."""
    return await _led(work, block_id)


async def own(work: Work, activity_id: int) -> list[Together]:
    """The groups that the actor enrolled in an activity and that still have or await places."""
    found = await _found(work, Block.head_id == work.person.id, Shift.activity_id == activity_id)
    return [one for one in found if one.companions]


async def _found(work: Work, *conditions: Any) -> list[Together]:
    rows = await work.session.execute(
        select(Block, Shift, Activity, Enrolment, Person.name)
        .join(Shift, Shift.id == Block.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Enrolment, Enrolment.block_id == Block.id)
        .join(Person, Person.id == Enrolment.person_id)
        .where(Enrolment.state.not_in(OVER), *conditions)
        .order_by(Block.id, Person.id)
        .execution_options(populate_existing=True)
    )
    found: dict[int, Together] = {}
    for block, shift, activity, own_one, name in rows:
        one = found.setdefault(block.id, Together(block, shift, activity, []))
        one.companions.append(Companion(name, own_one))
    return list(found.values())


async def names(work: Work, block_ids: Sequence[int | None]) -> dict[int, str]:
    """What groups on a roster are called, for whoever was asked for their rights."""
    keys = {key for key in block_ids if key is not None}
    rows = await work.session.execute(select(Block.id, Block.name).where(Block.id.in_(keys)))
    return {row[0]: row[1] for row in rows}


async def _people(work: Work, enrolments: Sequence[Enrolment]) -> list[Person]:
    keys = [one.person_id for one in enrolments]
    rows = {p.id: p for p in await work.session.scalars(select(Person).where(Person.id.in_(keys)))}
    return [rows[key] for key in keys]


# What is said


async def _tell(work: Work, place: Place, block: Block, template: str, **more: Any) -> None:
    """Nobody who has no chat, a child for instance: the head's own screen says it."""
    reached = select(Account.id).where(Account.person_id == place.enrolment.person_id)
    if await work.session.scalar(reached) is None:
        return
    about = {**enrolment.about(place), "group": block.name, **more}
    subject = enrolment.subject(place.enrolment)
    post = delivery.Post(f"together/{template}", about, kind=KIND, subject=subject)
    await delivery.tell(work, post, [place.enrolment.person_id])


async def _tell_coordinators(
    work: Work, place: Place, block: Block, template: str, **more: Any
) -> None:
    about = {**enrolment.about(place), "group": block.name, "head": work.person.name, **more}
    post = delivery.Post(f"together/{template}", about, kind=KIND, subject=f"block:{block.id}")
    right = access.Right.PLAN_ACTIVITIES
    await delivery.tell(
        work, post, await access.holders(work, right, place.activity.organisation_id)
    )


# Statistics


def _blocks() -> Any:
    return (
        select(Activity.organisation_id, Block.at, literal(1))
        .join(Shift, Shift.id == Block.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
    )


def _served() -> Any:
    return (
        select(Activity.organisation_id, Attendance.checked_in_at, literal(1))
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Enrolment.block_id.is_not(None))
    )


MEASURES = (
    Measure("group_enrolments", "kinds", _blocks),
    Measure("served_in_groups", "kinds", _served),
)

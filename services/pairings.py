"""Circles: the volunteers round a recipient. Each is asked, may say no, and may leave.

An invitation says what kind of recipient it is, which area and how often; who it is and where they
live is for those alone who have said yes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, cast, null, or_, select, update

from models import (
    Circle,
    HelpRequest,
    HelpState,
    Organisation,
    Pairing,
    PairingState,
    Person,
    PersonSkill,
    Recipient,
    Rhythm,
    Standing,
    Trait,
    Visit,
    VisitState,
)
from services import audiences, care, delivery, people
from services.access import Right
from services.delivery import Post
from services.errors import Gone, Refusal
from services.work import Work

PROPOSED = 40
"""Volunteers who are proposed at most."""
INVITED = 10
"""Volunteers whom one invitation asks at most."""
PORTION = 100
"""Pairings that one sweep ends."""
AROUND = (PairingState.ASKED, PairingState.ACTIVE)


@dataclass(frozen=True, slots=True)
class Near:
    """A volunteer who could be asked, and how far away they live, in metres if that is known."""

    person: Person
    metres: float | None


@dataclass(frozen=True, slots=True)
class Where:
    """Round what volunteers are looked for, and what they should be able to do."""

    latitude: float | None
    longitude: float | None
    skills: tuple[int, ...] = ()


def invitation(pairing_id: int) -> str:
    return f"pairing:{pairing_id}"


# Whom to ask


async def near(work: Work, where: Where, without: Select[Any], typed: str = "") -> list[Near]:
    """Volunteers of the actor's area who are of age and not paused, the nearest first.

    With a typed name those of that name, wherever they live.
    """
    squared = None
    fits: list[Any] = [*await _may_be_asked(work), Person.id.not_in(without)]
    if where.latitude is not None and where.longitude is not None:
        squared = audiences.squared_distance(Trait, where.latitude, where.longitude)
        if not typed:
            radius = work.policy.care_radius
            fits.append(audiences.near(where.latitude, where.longitude, radius))
    if typed:
        fits.append(people.is_named_like(typed))
    elif where.skills:
        able = select(PersonSkill.person_id).where(PersonSkill.skill_id.in_(where.skills))
        fits.append(Person.id.in_(able))
    metres = cast(squared, Float) if squared is not None else cast(null(), Float)
    rows = await work.session.execute(
        select(Person, metres)
        .join(Trait, Trait.person_id == Person.id)
        .where(*fits)
        .order_by(metres.is_(None), metres, Person.name_search, Person.id)
        .limit(PROPOSED)
    )
    return [Near(person, None if far is None else float(far) ** 0.5) for person, far in rows]


async def _may_be_asked(work: Work) -> list[ColumnElement[bool]]:
    """The conditions of whom the actor may ask, on `Person` and their `Trait`."""
    return [
        Person.standing == Standing.ACTIVE,
        Person.id != work.person.id,
        Person.birth_date <= audiences.years_before(work.today, work.policy.adult_age),
        ~audiences.paused(work),
        await people.in_reach(work, Right.SEE_VOLUNTEERS),
    ]


async def check_may_be_asked(work: Work, person_ids: Sequence[int]) -> None:
    """Raises Gone where one of them is none of those whom `near` proposes."""
    wanted = set(person_ids)
    fitting = (
        select(Person.id)
        .join(Trait, Trait.person_id == Person.id)
        .where(Person.id.in_(wanted), *await _may_be_asked(work))
    )
    if set(await work.session.scalars(fitting)) != wanted:
        raise Gone


async def candidates(work: Work, recipient_id: int, typed: str = "") -> list[Near]:
    """Who could be asked to join a circle. Raises as `care.open_to`."""
    recipient = await care.open_to(work, recipient_id)
    around = select(Pairing.person_id).where(
        Pairing.recipient_id == recipient.id, Pairing.state.in_(AROUND)
    )
    return await near(work, await place_of(work, recipient), around, typed)


async def place_of(work: Work, recipient: Recipient) -> Where:
    """About where they live; where that is not known, where their organisation is."""
    if recipient.latitude is not None:
        return Where(recipient.latitude, recipient.longitude, tuple(recipient.skills))
    home = await work.session.get_one(Organisation, recipient.organisation_id)
    return Where(home.latitude, home.longitude, tuple(recipient.skills))


# Asking and answering


async def invite(work: Work, recipient_id: int, circle: Circle, person_ids: list[int]) -> int:
    """Asks volunteers to join; answers how many. Raises as `care.open_to`, and Refusal."""
    recipient = await care.open_to(work, recipient_id)
    if not 1 <= len(person_ids) <= INVITED:
        raise Refusal("care_invite_some", most=INVITED)
    await check_may_be_asked(work, person_ids)
    asked = []
    for person_id in sorted(set(person_ids)):
        pairing = await _asked(work, recipient, circle, person_id)
        if pairing is not None:
            asked.append(pairing)
    about = {**await care.told(work, recipient), "rhythm": await rhythm_told(work, recipient)}
    for pairing in asked:
        post = Post(
            "pairings/invitation",
            {**about, "pairing_id": pairing.id, "circle": circle.value},
            kind=care.KIND,
            subject=invitation(pairing.id),
        )
        await delivery.correct(work, invitation(pairing.id), _over(pairing))
        await delivery.tell(work, post, [pairing.person_id])
    care.note(work, "invited", recipient, count=len(asked))
    return len(asked)


async def _asked(
    work: Work, recipient: Recipient, circle: Circle, person_id: int
) -> Pairing | None:
    """The invitation; None for somebody who is asked or belongs to the circle already."""
    pairing = await work.session.scalar(
        select(Pairing)
        .where(Pairing.recipient_id == recipient.id, Pairing.person_id == person_id)
        .with_for_update()
    )
    if pairing is None:
        pairing = Pairing(recipient_id=recipient.id, person_id=person_id)
        work.session.add(pairing)
    elif pairing.state in AROUND:
        return None
    pairing.circle = circle
    pairing.state = PairingState.ASKED
    pairing.asked_by_id, pairing.asked_at = work.person.id, work.now
    pairing.answered_at = pairing.ended_at = None
    await work.session.flush()
    return pairing


async def accept(work: Work, pairing_id: int) -> Pairing:
    """The actor joins the circle. Raises Gone, Refusal("care_closed")."""
    pairing, recipient = await own(work, pairing_id)
    if pairing.state is PairingState.ACTIVE:
        return pairing
    if recipient.closed_at is not None:
        raise Refusal("care_closed")
    await _answer(work, pairing, PairingState.ACTIVE)
    await delivery.close(work, invitation(pairing.id), kind=care.KIND)
    care.note(work, "joined", recipient, person_id=pairing.person_id)
    await _tell_keepers(work, recipient, "pairings/joined")
    return pairing


async def decline(work: Work, pairing_id: int) -> None:
    """The actor says no; nobody asks why. Raises Gone."""
    pairing, recipient = await own(work, pairing_id)
    await _answer(work, pairing, PairingState.DECLINED)
    await _tell_keepers(work, recipient, "pairings/declined")


async def _answer(work: Work, pairing: Pairing, state: PairingState) -> None:
    """Raises Gone where it was answered, or taken back, a moment ago."""
    done = await work.session.execute(
        update(Pairing)
        .where(Pairing.id == pairing.id, Pairing.state == PairingState.ASKED)
        .values(state=state, answered_at=work.now)
    )
    if not getattr(done, "rowcount", 0):
        raise Gone
    await work.session.refresh(pairing)


async def leave(work: Work, pairing_id: int) -> None:
    """The actor leaves the circle. Raises Gone."""
    pairing, recipient = await own(work, pairing_id)
    if pairing.state is not PairingState.ACTIVE:
        raise Gone
    await _end(work, recipient, pairing)
    await _tell_keepers(work, recipient, "pairings/left")


async def end(work: Work, pairing_id: int) -> Recipient:
    """A coordinator takes somebody out of the circle, or an invitation back. Raises as
    `care.inside`."""
    pairing = await work.session.get(Pairing, pairing_id)
    if pairing is None:
        raise Gone
    recipient = await care.inside(work, pairing.recipient_id)
    if pairing.state in AROUND:
        was_in = pairing.state is PairingState.ACTIVE
        await _end(work, recipient, pairing)
        if was_in:
            about = await care.told(work, recipient)
            post = Post("pairings/ended", about, kind=care.KIND)
            await delivery.tell(work, post, [pairing.person_id])
    return recipient


async def end_all(work: Work, recipient: Recipient) -> None:
    """The circle is dissolved; its members read that the file is closed."""
    found = await work.session.scalars(
        select(Pairing).where(Pairing.recipient_id == recipient.id, Pairing.state.in_(AROUND))
    )
    around = found.all()
    members = [one.person_id for one in around if one.state is PairingState.ACTIVE]
    for pairing in around:
        await _end(work, recipient, pairing)
    about = await care.told(work, recipient)
    await delivery.tell(work, Post("pairings/ended", about, kind=care.KIND), members)


async def _end(work: Work, recipient: Recipient, pairing: Pairing) -> None:
    pairing.state, pairing.ended_at = PairingState.ENDED, work.now
    await work.session.flush()
    await delivery.correct(work, invitation(pairing.id), _over(pairing))
    await care.unsay(work, recipient, [pairing.person_id])
    await _hand_back(work, recipient, pairing.person_id)
    care.note(work, "left", recipient, person_id=pairing.person_id)


async def _hand_back(work: Work, recipient: Recipient, person_id: int) -> None:
    """Nobody's turn any more: the circle takes turns, and is asked about what lies ahead."""
    await work.session.execute(
        update(Rhythm)
        .where(Rhythm.recipient_id == recipient.id, Rhythm.person_id == person_id)
        .values(person_id=None)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Visit)
        .where(
            Visit.recipient_id == recipient.id,
            Visit.person_id == person_id,
            Visit.state == VisitState.DUE,
        )
        .values(person_id=None, reminded_at=None, asked_at=None)
        .execution_options(synchronize_session=False)
    )


def _over(pairing: Pairing) -> Post:
    return Post("pairings/over", {"pairing_id": pairing.id}, kind=care.KIND)


async def _tell_keepers(work: Work, recipient: Recipient, template: str) -> None:
    keepers, _ = await care.keepers(work, recipient)
    about = {**await care.told(work, recipient), "who": work.person.name}
    await delivery.tell(work, Post(template, about, kind=care.KIND), keepers)


# One's own


async def own(work: Work, pairing_id: int) -> tuple[Pairing, Recipient]:
    """A pairing of the actor that is asked or lasts. Raises Gone."""
    row = (
        await work.session.execute(
            select(Pairing, Recipient)
            .join(Recipient, Recipient.id == Pairing.recipient_id)
            .where(
                Pairing.id == pairing_id,
                Pairing.person_id == work.person.id,
                Pairing.state.in_(AROUND),
            )
        )
    ).one_or_none()
    if row is None:
        raise Gone
    return row[0], row[1]


async def mine(work: Work) -> list[tuple[Pairing, Recipient, Organisation]]:
    """The actor's recipients and invitations, the latter first."""
    rows = await work.session.execute(
        select(Pairing, Recipient, Organisation)
        .join(Recipient, Recipient.id == Pairing.recipient_id)
        .join(Organisation, Organisation.id == Recipient.organisation_id)
        .where(Pairing.person_id == work.person.id, Pairing.state.in_(AROUND))
        .order_by(Pairing.state != PairingState.ASKED, Pairing.id)
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def concerns(work: Work) -> bool:
    """Whether the actor has a recipient, an invitation or somebody to help, for the menu."""
    if work.actor is None:
        return False
    me = work.actor.id
    around = select(Pairing.id).where(Pairing.person_id == me, Pairing.state.in_(AROUND))
    helps = select(HelpRequest.id).where(
        HelpRequest.helper_id == me, HelpRequest.state == HelpState.MATCHED
    )
    return bool(await work.session.scalar(select(or_(around.exists(), helps.exists()))))


async def card(work: Work, pairing_id: int) -> dict[str, Any]:
    """What a member of the circle needs to know; that they looked is written down. Raises Gone."""
    pairing, recipient = await own(work, pairing_id)
    if pairing.state is not PairingState.ACTIVE:
        raise Gone
    care.note(work, "looked", recipient)
    return {
        **await care.told_inside(work, recipient),
        "needs": (recipient.details or {}).get("needs", ""),
        "rhythm": await rhythm_told(work, recipient),
        "pairing_id": pairing.id,
        "others": await _names_of_others(work, recipient),
    }


async def _names_of_others(work: Work, recipient: Recipient) -> list[str]:
    found = await work.session.scalars(
        select(Person.name)
        .join(Pairing, Pairing.person_id == Person.id)
        .where(
            Pairing.recipient_id == recipient.id,
            Pairing.state == PairingState.ACTIVE,
            Pairing.person_id != work.person.id,
        )
        .order_by(Person.name_search)
    )
    return list(found)


async def member(work: Work, recipient_id: int) -> Pairing:
    """The actor's place in a circle. Raises Gone."""
    found = await work.session.scalar(
        select(Pairing).where(
            Pairing.recipient_id == recipient_id,
            Pairing.person_id == work.person.id,
            Pairing.state == PairingState.ACTIVE,
        )
    )
    if found is None:
        raise Gone
    return found


async def members(work: Work, recipient_id: int) -> list[int]:
    """Keys of those in the circle now."""
    found = await work.session.scalars(
        select(Pairing.person_id)
        .join(Person, Person.id == Pairing.person_id)
        .where(
            Pairing.recipient_id == recipient_id,
            Pairing.state == PairingState.ACTIVE,
            Person.standing == Standing.ACTIVE,
        )
        .order_by(Pairing.id)
    )
    return list(found)


async def circle(work: Work, recipient_id: int) -> list[tuple[Pairing, Person]]:
    """Everybody who was ever asked, those who belong to it first. Raises as `care.inside`."""
    recipient = await care.inside(work, recipient_id)
    order = (PairingState.ACTIVE, PairingState.ASKED, PairingState.DECLINED, PairingState.ENDED)
    rows = await work.session.execute(
        select(Pairing, Person)
        .join(Person, Person.id == Pairing.person_id)
        .where(Pairing.recipient_id == recipient.id)
        .order_by(Pairing.id)
    )
    found = [(row[0], row[1]) for row in rows]
    return sorted(found, key=lambda pair: order.index(pair[0].state))


async def rhythm_told(work: Work, recipient: Recipient) -> dict[str, Any] | None:
    """How often somebody comes, as templates take it; None where that is not settled."""
    rhythm = await work.session.get(Rhythm, recipient.id)
    if rhythm is None:
        return None
    return {
        "every_days": rhythm.every_days,
        "weekdays": rhythm.weekdays,
        "from_minute": rhythm.from_minute,
        "until_minute": rhythm.until_minute,
    }


async def let_go(work: Work) -> int:
    """Sweep: whoever is no volunteer any more is in no circle, and holds nothing of a recipient."""
    rows = await work.session.execute(
        select(Pairing, Recipient)
        .join(Recipient, Recipient.id == Pairing.recipient_id)
        .join(Person, Person.id == Pairing.person_id)
        .where(Pairing.state.in_(AROUND), Person.standing != Standing.ACTIVE)
        .limit(PORTION)
    )
    found = rows.all()
    for pairing, recipient in found:
        await _end(work, recipient, pairing)
    return len(found)


# What is held about volunteers


def rows_about(person_id: int) -> dict[str, Select[Any]]:
    """As `services.personal_data` asks every topic."""
    return {"pairings": select(Pairing).where(Pairing.person_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """Whoever goes is in no circle any more, and it is nobody's turn."""
    rows = await work.session.execute(
        select(Pairing, Recipient)
        .join(Recipient, Recipient.id == Pairing.recipient_id)
        .where(Pairing.person_id == person_id, Pairing.state.in_(AROUND))
    )
    for pairing, recipient in rows.all():
        await _end(work, recipient, pairing)

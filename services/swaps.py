"""Swapping turns on duty: asking one colleague or all, taking, exchanging.

Until somebody accepts, the holder stays responsible. The first who accepts takes the turn; the
others read that it is taken.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import aliased

from models import Duty, Organisation, Person, Swap, SwapOffer
from services import access, audit, delivery, duty
from services.access import Right
from services.delivery import Post
from services.errors import Gone, Refusal
from services.work import Work

ASKED = "duty_swap"
"""The kind of message that asks to take a turn."""


SHOWN = 20
"""Requests that a leader sees at once."""


def subject(swap: Swap) -> str:
    return f"duty_swap:{swap.id}"


# Asking


async def whom_to_ask(work: Work, duty_id: int) -> tuple[Duty, list[Person]]:
    """A turn of the actor's, and the colleagues who could take it. Raises Gone, Refusal."""
    found = await _to_swap(work, duty_id)
    return found, await _colleagues(work, found)


async def ask(work: Work, duty_id: int, person_id: int | None) -> Swap:
    """The actor asks one colleague, or all, to take their turn. Raises Gone, Refusal."""
    found = await _to_swap(work, duty_id)
    if await open_for(work, duty_id) is not None:
        raise Refusal("duty_asked_already")
    could = [person.id for person in await _colleagues(work, found)]
    asked = could if person_id is None else [key for key in could if key == person_id]
    if not asked:
        raise Refusal("duty_nobody_free")
    swap = Swap(duty_id=found.id, asker_id=work.person.id, asked_id=person_id, asked_at=work.now)
    work.session.add(swap)
    await work.session.flush()
    _note(work, swap, found, "swap_asked")
    about = {
        **await duty.described(work, found),
        "swap_id": swap.id,
        "alone": person_id is not None,
    }
    post = Post(
        "duty/swap_asked", about, kind=ASKED, subject=subject(swap), expires_at=found.starts_at
    )
    await delivery.tell(work, post, asked)
    return swap


async def _to_swap(work: Work, duty_id: int) -> Duty:
    found = await duty.own(work, duty_id)
    if found.starts_at <= work.now:
        raise Refusal("duty_begun")
    return found


async def _colleagues(work: Work, found: Duty) -> list[Person]:
    team = await work.session.get_one(Organisation, found.organisation_id)
    return await duty.able(
        work, found, duty.colleagues(team, work.now), Person.id != found.person_id
    )


async def open_for(work: Work, duty_id: int) -> Swap | None:
    return await work.session.scalar(
        select(Swap).where(Swap.duty_id == duty_id, Swap.closed_at.is_(None))
    )


async def withdraw(work: Work, swap_id: int) -> Duty:
    """The holder keeps their turn after all. Raises Gone, Refusal("duty_swap_over")."""
    swap, found = await _open(work, swap_id)
    if swap.asker_id != work.person.id:
        raise Gone
    await close(work, swap, "withdrawn")
    _note(work, swap, found, "swap_withdrawn")
    return found


async def decline(work: Work, swap_id: int) -> None:
    """Who was asked alone says no, and the asker hears of it; the turn stays theirs."""
    swap, found = await _asked(work, swap_id)
    if swap.asked_id is None:
        return
    await close(work, swap, "declined")
    _note(work, swap, found, "swap_declined")
    about = {**await duty.described(work, found), "who": work.person.name}
    await delivery.tell(work, Post("duty/declined", about, kind=duty.KIND), [swap.asker_id])


# Taking


async def take(work: Work, swap_id: int) -> Duty:
    """The actor takes the turn: the first who presses. Raises Gone, Refusal."""
    swap, found = await _asked(work, swap_id)
    await give(work, found, work.person.id)
    await close(work, swap, "taken", taken_by=work.person)
    _note(work, swap, found, "swapped")
    about = await duty.described(work, found)
    await delivery.tell(work, Post("duty/swapped", about, kind=duty.KIND), [swap.asker_id])
    return found


async def give(work: Work, found: Duty, person_id: int) -> None:
    """Somebody else answers for a turn. Raises Refusal("duty_unable") if they can't serve it.

    Their row is locked, so that nobody accepts two turns at one time on two phones.
    """
    await work.session.execute(select(Person.id).where(Person.id == person_id).with_for_update())
    if not await duty.able(work, found, Person.id == person_id):
        raise Refusal("duty_unable")
    await hand(work, found, person_id)


async def hand(work: Work, found: Duty, person_id: int) -> None:
    """Changes the holder; what the one before had said of the turn no longer holds."""
    found.person_id = person_id
    found.given_at, found.moved = work.now, True
    found.ready_at = found.reminded_day_at = found.reminded_hour_at = None
    found.gap_told_at = found.begun_at = found.taken_over_at = found.late_told_at = None
    await work.session.flush()


# Exchanging


async def offer(work: Work, swap_id: int) -> Swap:
    """The actor would take the turn in exchange for one of theirs. Raises Gone, Refusal."""
    swap, found = await _asked(work, swap_id)
    if not await duty.able(work, found, Person.id == work.person.id):
        raise Refusal("duty_unable")
    theirs = await to_exchange(work, swap, found, work.person.id)
    if not theirs:
        raise Refusal("duty_nothing_to_exchange")
    if await work.session.get(SwapOffer, (swap.id, work.person.id)) is None:
        work.session.add(SwapOffer(swap_id=swap.id, person_id=work.person.id, offered_at=work.now))
        await work.session.flush()
        about = {
            **await duty.described(work, found),
            "swap_id": swap.id,
            "who": work.person.name,
            "turns": [(one.id, one.starts_at, one.ends_at) for one in theirs],
        }
        post = Post("duty/offered", about, kind=ASKED, subject=subject(swap))
        await delivery.tell(work, post, [swap.asker_id])
    return swap


async def to_exchange(work: Work, swap: Swap, found: Duty, person_id: int) -> Sequence[Duty]:
    """The turns of somebody in the same team that the asker could serve instead of theirs."""
    theirs = (
        await work.session.scalars(
            select(Duty)
            .where(
                Duty.organisation_id == found.organisation_id,
                Duty.person_id == person_id,
                duty.in_future(work),
            )
            .order_by(Duty.starts_at)
        )
    ).all()
    busy = (
        await work.session.scalars(
            select(Duty).where(Duty.person_id == swap.asker_id, Duty.ends_at > work.now)
        )
    ).all()
    return [
        one
        for one in theirs
        if not any(duty.slot(one).overlaps(duty.slot(other)) for other in busy)
    ]


async def exchange(work: Work, swap_id: int, duty_id: int) -> tuple[Duty, Duty]:
    """The asker takes a turn of whoever offered, who takes theirs. Raises Gone, Refusal.

    Answers with the turn given and the turn got.
    """
    await _lock_both(work, swap_id, duty_id)
    swap, given = await _open(work, swap_id)
    if swap.asker_id != work.person.id:
        raise Gone
    got = await duty.found(work, duty_id, lock=True)
    other = got.person_id
    if await work.session.get(SwapOffer, (swap_id, other)) is None:
        raise Gone
    if got not in await to_exchange(work, swap, given, other):
        raise Refusal("duty_unable")
    if not await duty.able(work, got, Person.id == work.person.id):
        raise Refusal("duty_unable")
    await hand(work, got, work.person.id)
    await give(work, given, other)
    mine = await open_for(work, got.id)
    if mine is not None:
        await close(work, mine, "taken", taken_by=work.person)
    swap.given_back_id = got.id
    who = await work.session.get_one(Person, other)
    await close(work, swap, "taken", taken_by=who)
    _note(work, swap, given, "exchanged", back=got.id)
    back = {"starts_at": got.starts_at, "ends_at": got.ends_at}
    about = {**await duty.described(work, given), "back": back, "who": work.person.name}
    await delivery.tell(work, Post("duty/exchanged", about, kind=duty.KIND), [other])
    return given, got


async def _lock_both(work: Work, swap_id: int, duty_id: int) -> None:
    """In the order of keys, so that two who exchange at once do not wait for each other."""
    asked = select(Swap.duty_id).where(Swap.id == swap_id)
    await work.session.execute(
        select(Duty.id)
        .where(or_(Duty.id == duty_id, Duty.id.in_(asked)))
        .order_by(Duty.id)
        .with_for_update()
    )


# Closing


async def lapse(work: Work) -> int:
    """Sweep: what nobody took in time stays with its holder, and can no longer be taken."""
    over = await work.session.scalars(
        select(Swap)
        .join(Duty, Duty.id == Swap.duty_id)
        .where(Swap.closed_at.is_(None), Duty.starts_at <= work.now)
    )
    found = over.all()
    for swap in found:
        await close(work, swap, "begun")
    return len(found)


async def close(work: Work, swap: Swap, how: str, *, taken_by: Person | None = None) -> None:
    """Nobody can take it any more; those who were asked read why. Raises Refusal if it is closed.

    `how` is taken, withdrawn, declined, assigned, planned or begun.
    """
    done = await work.session.scalar(
        update(Swap)
        .where(Swap.id == swap.id, Swap.closed_at.is_(None))
        .values(closed_at=work.now, taken_by_id=taken_by.id if taken_by else None)
        .returning(Swap.id)
        .execution_options(synchronize_session=False)
    )
    if done is None:
        raise Refusal("duty_swap_over")
    await work.session.flush()
    await work.session.refresh(swap)
    found = await duty.found(work, swap.duty_id)
    about = {
        "how": how,
        "who": taken_by.name if taken_by else None,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
    }
    asked = select(Person.id).where(Person.id != (work.actor.id if work.actor else 0))
    await delivery.correct(
        work, subject(swap), Post("duty/swap_over", about, kind=ASKED), kind=ASKED, people=asked
    )


# Finding


async def _open(work: Work, swap_id: int) -> tuple[Swap, Duty]:
    """A request that is open, with its turn locked. Raises Gone, Refusal("duty_swap_over")."""
    swap = await work.session.get(Swap, swap_id)
    if swap is None:
        raise Gone
    found = await duty.found(work, swap.duty_id, lock=True)
    await work.session.refresh(swap)
    if swap.closed_at is not None or found.person_id != swap.asker_id:
        raise Refusal("duty_swap_over")
    if found.starts_at <= work.now:
        raise Refusal("duty_begun")
    return swap, found


async def _asked(work: Work, swap_id: int) -> tuple[Swap, Duty]:
    """A request that the actor may answer. Raises Gone, Refusal."""
    swap = await work.session.get(Swap, swap_id)
    if swap is None or swap.asker_id == work.person.id:
        raise Gone
    if swap.asked_id is not None and swap.asked_id != work.person.id:
        raise Gone
    held = await duty.found(work, swap.duty_id)
    team = await work.session.get_one(Organisation, held.organisation_id)
    belongs = duty.colleagues(team, work.now)
    me = select(Person.id).where(Person.id == work.person.id, belongs)
    if await work.session.scalar(me) is None:
        raise Gone
    return await _open(work, swap_id)


async def of_team(work: Work, organisation_id: int) -> list[dict[str, Any]]:
    """Requests about turns to come and of the last week, for its leaders. Raises NotAllowed."""
    await access.require(work, Right.PLAN_DUTY, organisation_id)
    asker, asked, taker = aliased(Person), aliased(Person), aliased(Person)
    rows = await work.session.execute(
        select(Swap, Duty, asker.name, asked.name, taker.name)
        .join(Duty, Duty.id == Swap.duty_id)
        .join(asker, asker.id == Swap.asker_id)
        .outerjoin(asked, asked.id == Swap.asked_id)
        .outerjoin(taker, taker.id == Swap.taken_by_id)
        .where(Duty.organisation_id == organisation_id, Duty.ends_at > work.now - duty.AHEAD)
        .order_by(Swap.closed_at.is_not(None), Duty.starts_at, Swap.id)
        .limit(SHOWN)
    )
    return [
        {
            "duty_id": found.id,
            "asker": asker_name,
            "asked": asked_name,
            "taken_by": taker_name,
            "open": swap.closed_at is None,
            "starts_at": found.starts_at,
            "ends_at": found.ends_at,
        }
        for swap, found, asker_name, asked_name, taker_name in rows
    ]


def _note(work: Work, swap: Swap, found: Duty, action: str, **details: Any) -> None:
    audit.note(
        work,
        f"duty.{action}",
        f"duty:{found.id}",
        organisation_id=found.organisation_id,
        swap=swap.id,
        **details,
    )

"""Many volunteers at once: those who were ticked, or all whom a filter finds, in small portions.

Each of them goes through the same service as alone, so that the same rules hold and the same is
told and noted. Who can't be done, because somebody was faster, is left as they are and counted.
"""

import html
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, select, true

from models import Broadcast, Directory, Standing
from services import access, approvals, broadcasts, directory, profile, volunteers
from services.access import Right
from services.audiences import Audience
from services.directory import Wanted
from services.errors import Gone, NotAllowed, Refusal
from services.traits import STANDINGS
from services.work import Work

PORTION = 100
"""People of one transaction: others wait for it on SQLite."""
MOST_TICKED = 1000
MOST_NAMED = 5000
"""People whom a message can name one by one."""


class Act(StrEnum):
    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    TRANSFER = "transfer"
    MESSAGE = "message"


RIGHTS = {
    Act.APPROVE: Right.APPROVE_VOLUNTEERS,
    Act.PAUSE: Right.APPROVE_VOLUNTEERS,
    Act.RESUME: Right.APPROVE_VOLUNTEERS,
    Act.TRANSFER: Right.APPROVE_VOLUNTEERS,
    Act.MESSAGE: Right.ANNOUNCE,
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Those who are ticked, or without any all whom the filter finds."""

    wanted: Wanted
    ticked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done with them; the day or the organisation where the act needs one."""

    act: Act
    until: date | None = None
    organisation_id: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a portion. `after` is the last key seen; None when nobody is left."""

    done: int
    left_out: int
    after: int | None


async def count(work: Work, chosen: Chosen, order: Order, after: int = -1) -> int:
    """How many there are with whom it can be done, of those with keys after `after`."""
    eligible = await _eligible(work, chosen, order)
    found = eligible.where(Directory.person_id > after).subquery()
    return await work.session.scalar(select(func.count()).select_from(found)) or 0


async def portion(work: Work, chosen: Chosen, order: Order, after: int = -1) -> Done:
    """Does it with the next few, in the order of keys. Raises NotAllowed, Gone or Refusal."""
    do = await _doing(work, order)
    found = await work.session.scalars(
        (await _eligible(work, chosen, order))
        .where(Directory.person_id > after)
        .order_by(Directory.person_id)
        .limit(PORTION + 1)
    )
    keys = list(found)
    done = 0
    for key in keys[:PORTION]:
        try:
            async with work.session.begin_nested():
                await do(key)
            done += 1
        except (Gone, NotAllowed, Refusal):
            continue
    seen = min(len(keys), PORTION)
    return Done(done, seen - done, keys[PORTION - 1] if len(keys) > PORTION else None)


async def _doing(work: Work, order: Order) -> Callable[[int], Awaitable[Any]]:
    """What is done with each. Raises NotAllowed, Gone or Refusal for an order that can't be."""
    if order.act is Act.APPROVE:
        return lambda key: approvals.approve(work, key)
    if order.act is Act.RESUME:
        return lambda key: volunteers.resume(work, key)
    if order.act is Act.PAUSE:
        until = order.until
        if until is None:
            raise Refusal("pause_day")
        profile.check_pause(work, until)
        return lambda key: volunteers.pause(work, key, until)
    if order.act is Act.TRANSFER:
        target = order.organisation_id
        if target is None:
            raise Refusal("transfer_where")
        await access.require(work, Right.APPROVE_VOLUNTEERS, target)
        return lambda key: volunteers.transfer(work, key, target)
    raise Gone


async def _eligible(work: Work, chosen: Chosen, order: Order) -> Select[int]:
    """Keys of those over whom the actor holds the right and with whom it makes sense."""
    if len(chosen.ticked) > MOST_TICKED:
        raise Refusal("bulk_too_many", most=MOST_TICKED)
    wanted = Wanted() if chosen.ticked else chosen.wanted
    found = await directory.matching(work, wanted, RIGHTS[order.act])
    if chosen.ticked:
        found = found.where(Directory.person_id.in_(chosen.ticked))
    return found.where(_fitting(work, order))


def _fitting(work: Work, order: Order) -> ColumnElement[bool]:
    active = Directory.standing == STANDINGS.index(Standing.ACTIVE)
    paused = and_(Directory.paused_until.is_not(None), Directory.paused_until > work.today)
    if order.act is Act.APPROVE:
        return Directory.standing == STANDINGS.index(Standing.AWAITING_APPROVAL)
    if order.act is Act.PAUSE:
        return and_(active, not_(func.coalesce(paused, False)))
    if order.act is Act.RESUME:
        return and_(active, paused)
    if order.act is Act.TRANSFER and order.organisation_id is not None:
        return Directory.organisation_id != order.organisation_id
    return active if order.act is Act.MESSAGE else true()


# Messages


async def message(work: Work, chosen: Chosen, organisation_id: int, text: str) -> Broadcast:
    """A draft addressed to the active ones among them, to be looked at before it goes anywhere.

    `text` is plain.

    Raises NotAllowed, or Refusal where they can be described by no audience and are too many to be
    named.
    """
    if not text.strip():
        raise Refusal("letter_length", least=2, most=volunteers.LONGEST_LETTER)
    plain = html.escape(text.strip(), quote=False)
    found = await broadcasts.draft(work, organisation_id, volunteers.LETTER, plain)
    await broadcasts.address(work, found.id, await audience_of(work, chosen))
    return found


async def audience_of(work: Work, chosen: Chosen) -> Audience:
    """The filter as an audience where that reaches the same people; else those found, by name."""
    wanted = chosen.wanted
    within = (wanted.organisation,) if wanted.organisation is not None else ()
    exact = not (wanted.typed or wanted.emergencies or chosen.ticked)
    if exact and wanted.status in ("", "active") and wanted.telegram in ("", "yes"):
        return Audience(
            organisations=within,
            skills=wanted.skills,
            skills_all=bool(wanted.skills),
            qualifications=wanted.qualifications,
        )
    eligible = await _eligible(work, chosen, Order(Act.MESSAGE))
    keys = await work.session.scalars(eligible.order_by(Directory.person_id).limit(MOST_NAMED + 1))
    people = tuple(keys)
    if not people:
        raise Refusal("bulk_nobody")
    if len(people) > MOST_NAMED:
        raise Refusal("bulk_too_many", most=MOST_NAMED)
    return Audience(people=people)

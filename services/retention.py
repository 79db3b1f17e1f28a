"""What is dropped once nobody needs it: old messages, their deliveries and failed attempts.

Half a year by default: what was said so long ago is not corrected on phones any more, and less is
held about people. What proves something stays: all that went out in the emergency lane, which is
what the reports on call-outs and drills are read from. What became of a broadcast is counted into
the broadcast before its deliveries go, so that no figure changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from models import Attempt, Broadcast, BroadcastState, Delivery, DeliveryState, Lane, Message
from services import broadcasting
from services.work import Work

PORTION = 2_000
"""Deliveries, and messages, that one transaction drops."""
UNDER_WAY = (DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.SENDING)
TOLD_OF = (broadcasting.PROGRESS, broadcasting.REPORT)
"""Kinds of messages from which the lists of broadcasts are read."""
OVER = (BroadcastState.STOPPED, BroadcastState.FINISHED, BroadcastState.RECALLED)


@dataclass(frozen=True, slots=True)
class Old:
    """What may go next."""

    messages: Sequence[int] = ()
    outcomes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What became of a broadcast, by its key, where that is still to be written down."""
    stays: bool = False
    """The message itself is pointed to."""


async def look(work: Work) -> Old:
    """In a transaction that nobody waits for."""
    return await _of_a_broadcast(work) or Old(await _plain(work))


async def _of_a_broadcast(work: Work) -> Old | None:
    before = work.now - timedelta(days=work.policy.delivery_keep_days)
    there = exists().where(Delivery.message_id == Broadcast.message_id)
    found = await work.session.scalar(
        select(Broadcast)
        .join(Message, Message.id == Broadcast.message_id)
        .where(
            Broadcast.state.in_(OVER),
            Broadcast.correcting.is_(False),
            Message.created_at < before,
            there,
        )
        .order_by(Broadcast.id)
        .limit(1)
    )
    if found is None or found.message_id is None:
        return None
    outcomes = {}
    if found.outcome is None:
        outcomes[found.id] = await broadcasting.outcome(work, found.message_id)
    return Old([found.message_id], outcomes, stays=True)


async def _plain(work: Work) -> Sequence[int]:
    """All of a message goes by one lane, so its first delivery tells."""
    lane = select(Delivery.lane).where(Delivery.message_id == Message.id).limit(1)
    pointed_to = select(Broadcast.message_id).where(Broadcast.message_id.is_not(None))
    corrections = select(Broadcast.correction_id).where(Broadcast.correction_id.is_not(None))
    under_way = exists().where(Delivery.message_id == Message.id, Delivery.state.in_(UNDER_WAY))
    found = await work.session.scalars(
        select(Message.id)
        .where(
            Message.created_at < work.now - timedelta(days=work.policy.delivery_keep_days),
            Message.kind.not_in(TOLD_OF),
            func.coalesce(lane.scalar_subquery(), int(Lane.BROADCAST)) != int(Lane.EMERGENCY),
            Message.id.not_in(pointed_to),
            Message.id.not_in(corrections),
            ~under_way,
        )
        .order_by(Message.created_at)
        .limit(PORTION)
    )
    return found.all()


async def drop(work: Work, old: Old) -> int:
    """Sweep: the next portion; answers how many rows went."""
    for key, outcome in old.outcomes.items():
        await _change(work, update(Broadcast).where(Broadcast.id == key).values(outcome=outcome))
    if not old.messages:
        return 0
    edit = aliased(Delivery)
    edited_now = exists().where(edit.edits_id == Delivery.id, edit.state.in_(UNDER_WAY))
    found = await work.session.scalars(
        select(Delivery.id)
        .where(Delivery.message_id.in_(old.messages), Delivery.state.not_in(UNDER_WAY), ~edited_now)
        .limit(PORTION)
    )
    keys = found.all()
    edits = select(Delivery.id).where(Delivery.edits_id.in_(keys))
    gone = or_(Attempt.delivery_id.in_(keys), Attempt.delivery_id.in_(edits))
    dropped = await _change(work, delete(Attempt).where(gone))
    dropped += await _change(work, delete(Delivery).where(Delivery.edits_id.in_(keys)))
    dropped += await _change(work, delete(Delivery).where(Delivery.id.in_(keys)))
    if not old.stays:
        left = exists().where(Delivery.message_id == Message.id)
        dropped += await _change(work, delete(Message).where(Message.id.in_(old.messages), ~left))
    return dropped


async def _change(work: Work, statement: Any) -> int:
    done = await work.session.execute(statement.execution_options(synchronize_session=False))
    return int(getattr(done, "rowcount", 0))

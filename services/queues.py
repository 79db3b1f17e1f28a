"""How much waits, and for how long: what operators look at. Cheap, whatever has been sent before.

Every statement stays within an index of what is still to be done.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, literal, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from models import TELEGRAM, Backup, Delivery, DeliveryState, Dispatch, Inbox, Lane
from models.exchange import DispatchState

_QUEUED = text("state = 'queued'")
"""In words, so that a database sees that its index of just these rows will do."""
COUNTED = 50_000
"""Deliveries of a lane that are counted at most: SQLite looks at the row of each."""
ON_THEIR_WAY = (DispatchState.WAITING, DispatchState.SENDING)


@dataclass(slots=True)
class Depths:
    updates: int = 0
    oldest_update: datetime | None = None
    deliveries: dict[Lane, int] = field(default_factory=dict)
    """By any channel; few wait for others."""
    oldest_due: dict[Lane, datetime] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    webhooks: int = 0
    verified_at: datetime | None = None
    """When a backup was last verified."""


def _queue(lane: Lane) -> Select[Any]:
    waiting = select(Delivery.id, Delivery.due_at).where(_QUEUED, Delivery.lane == int(lane))
    some = waiting.limit(COUNTED).subquery()
    first = waiting.with_only_columns(Delivery.due_at).order_by(Delivery.due_at).limit(1)
    return select(
        literal(int(lane)),
        select(func.count()).select_from(some).scalar_subquery(),
        first.scalar_subquery(),
    )


_QUEUES = union_all(*map(_queue, Lane))


async def depths(session: AsyncSession) -> Depths:
    found = Depths()
    unanswered = select(func.count(), func.min(Inbox.received_at)).where(
        Inbox.answered_at.is_(None)
    )
    found.updates, found.oldest_update = (await session.execute(unanswered)).one()
    for lane, count, due_at in await session.execute(_QUEUES):
        if count:
            found.deliveries[Lane(lane)], found.oldest_due[Lane(lane)] = count, due_at
    elsewhere = await session.execute(
        select(Delivery.channel, func.count())
        .where(text(f"channel <> '{TELEGRAM}'"), Delivery.state == DeliveryState.QUEUED)
        .group_by(Delivery.channel)
    )
    found.channels = {row[0]: row[1] for row in elsewhere}
    found.webhooks = (
        await session.scalar(select(func.count()).where(Dispatch.state.in_(ON_THEIR_WAY))) or 0
    )
    found.verified_at = await last_verified(session)
    return found


async def last_verified(session: AsyncSession) -> datetime | None:
    """When the last backup that was restored to verify it had been made."""
    return await session.scalar(
        select(func.max(Backup.made_at)).where(Backup.verified_at.is_not(None))
    )


def overdue(found: Depths, now: datetime, patience: dict[Lane, timedelta]) -> dict[Lane, timedelta]:
    """The lanes whose first delivery has been due for longer than it should, and for how long."""
    late = {lane: now - due_at for lane, due_at in found.oldest_due.items()}
    return {lane: age for lane, age in late.items() if age > patience[lane]}

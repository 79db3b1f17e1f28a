"""After a backup was restored: what had waited when it was made may have gone out since.

Nobody knows what was sent between the backup and the end of the database that it replaces. Calls to
an emergency go out once more, marked as possible duplicates, unless they are too old to be true.
Everything else that had been due for a while is held until an operator decides; broadcasts that
were under way are paused, so that a coordinator does. Certificates that were issued since are not
known any more; their numbers are given to nobody else.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from models import (
    Broadcast,
    BroadcastState,
    ConsoleSession,
    Delivery,
    DeliveryState,
    Lane,
)
from services import certificates, delivery
from services.outbox import Why
from services.work import Work

FRESH = timedelta(minutes=10)
"""What has been due for no longer goes out, marked."""
CALLS_FRESH = timedelta(hours=2)
"""The same for the emergency lane: by then a call-out is no longer what the backup says."""
NUMBERS_LEFT_OUT = 1000
"""Of each body; more certificates than one issues between two backups."""
UNSENT = Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.SENDING))
HELD = and_(Delivery.state == DeliveryState.HELD, Delivery.reason == Why.RESTORED.value)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of what was to be sent."""

    again: int
    """Go out, marked as possible duplicates."""
    held: int
    paused: int
    """Broadcasts."""


async def settle(work: Work, fresh: timedelta = FRESH, calls: timedelta = CALLS_FRESH) -> Settled:
    """Once, before anything is sent from a restored database."""
    paused = await _pause_broadcasts(work)
    call = Delivery.lane == int(Lane.EMERGENCY)
    too_old = or_(
        and_(call, Delivery.due_at < work.now - calls),
        and_(~call, Delivery.due_at < work.now - fresh),
    )
    due = and_(UNSENT, Delivery.due_at <= work.now)
    held = await _change(
        work, and_(due, too_old), state=DeliveryState.HELD, reason=Why.RESTORED.value
    )
    again = await _change(
        work,
        or_(due, Delivery.state == DeliveryState.SENDING),
        state=DeliveryState.QUEUED,
        possible_duplicate=True,
    )
    await work.session.execute(
        update(ConsoleSession).where(ConsoleSession.ended_at.is_(None)).values(ended_at=work.now)
    )
    await certificates.leave_out(work, NUMBERS_LEFT_OUT)
    return Settled(again, held, paused)


async def _pause_broadcasts(work: Work) -> int:
    running = await work.session.scalars(
        select(Broadcast).where(Broadcast.state == BroadcastState.RUNNING)
    )
    found = running.all()
    for one in found:
        one.state = BroadcastState.PAUSED
        await delivery.hold(work, one.message_id or 0)
        waits = and_(Delivery.message_id == one.message_id, Delivery.state == DeliveryState.HELD)
        await _change(work, waits, possible_duplicate=True)
    return len(found)


async def count_held(work: Work) -> int:
    counted = select(func.count()).select_from(Delivery).where(HELD)
    return await work.session.scalar(counted) or 0


async def send_held(work: Work) -> int:
    """An operator has decided that they are to go out; what has expired by now does not."""
    work.session.info[delivery.POSTED] = True
    return await _change(
        work,
        HELD,
        state=DeliveryState.QUEUED,
        reason=None,
        possible_duplicate=True,
        due_at=work.now,
    )


async def drop_held(work: Work) -> int:
    """... or that they are not."""
    return await _change(work, HELD, state=DeliveryState.REVOKED, finished_at=work.now)


async def _change(work: Work, which: ColumnElement[bool], **values: object) -> int:
    done = await work.session.execute(
        update(Delivery).where(which).values(**values).execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))

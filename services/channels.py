"""Other channels than Telegram: for whom, when, and what became of each delivery.

A delivery that must reach somebody goes out by another channel when they have no Telegram or can't
be reached there; an emergency also when they gave no sign of life for a time. How something is sent
is the program's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models import (
    TELEGRAM,
    Account,
    Attempt,
    Delivery,
    DeliveryState,
    Lane,
    Message,
    Person,
)
from services.delivery import POSTED
from services.outbox import REASON_LENGTH, UNREACHABLE, Why
from services.work import Work

MUST_REACH = (int(Lane.EMERGENCY), int(Lane.TRANSACTIONAL))
FALL_BACK_WITHIN = timedelta(days=1)
"""What failed longer ago is old news."""
ESCALATE_WITHIN = timedelta(hours=3)
FIRST_PAUSE = timedelta(seconds=30)
MOST_ATTEMPTS = 4
UNDER_WAY = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT)
OTHER = text("delivery.channel <> 'telegram'")
"""Word for word as in the index of such deliveries."""


class Reach(StrEnum):
    """By what of a person a channel finds them."""

    PHONE = "phone"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    reach: Reach
    escalates_after: timedelta | None = None
    """In an emergency, after so long without a sign of life."""


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed delivery with all that sending it takes."""

    id: int
    channel: str
    template: str
    parameters: dict[str, Any]
    language: str
    attempts: int
    address: str | None = field(repr=False)
    """Phone in E.164 or e-mail address, whichever the channel takes."""


# Who is to be reached otherwise


async def fall_back(work: Work, channels: Sequence[Channel]) -> int:
    """Posts what failed by the first channel that is left; answers how many."""
    return sum([await _fall_back_to(work, channel) for channel in channels])


async def _fall_back_to(work: Work, channel: Channel) -> int:
    failed = and_(
        Delivery.state == DeliveryState.FAILED,
        Delivery.finished_at > work.now - FALL_BACK_WITHIN,
        Delivery.lane.in_(MUST_REACH),
        or_(Delivery.channel != TELEGRAM, Delivery.reason.in_(UNREACHABLE)),
        ~_elsewhere(or_(_other.channel == channel.name, _other.state.in_(UNDER_WAY))),
    )
    return await _post(work, channel, failed)


async def escalate(work: Work, channels: Sequence[Channel]) -> int:
    """Posts emergencies that got no answer by the channels whose time has come."""
    posted = 0
    for channel in channels:
        if channel.escalates_after is not None:
            posted += await _escalate_to(work, channel, channel.escalates_after)
    return posted


async def _escalate_to(work: Work, channel: Channel, after: timedelta) -> int:
    alive = exists().where(
        Account.person_id == Delivery.person_id, Account.last_seen_at >= Delivery.created_at
    )
    silent = and_(
        text("delivery.lane = 0"),
        Delivery.created_at <= work.now - after,
        Delivery.created_at > work.now - ESCALATE_WITHIN,
        Delivery.channel == TELEGRAM,
        Delivery.state.in_(UNDER_WAY),
        Delivery.edits_id.is_(None),
        Delivery.seen_at.is_(None),
        ~alive,
        ~_elsewhere(or_(_other.channel == channel.name, _other.seen_at.is_not(None))),
    )
    return await _post(work, channel, silent)


_other = aliased(Delivery)


def _elsewhere(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the same message to the same person by another channel is so."""
    return exists().where(
        _other.message_id == Delivery.message_id,
        _other.person_id == Delivery.person_id,
        _other.channel != TELEGRAM,
        condition,
    )


async def _post(work: Work, channel: Channel, which: ColumnElement[bool]) -> int:
    """Once a person, however many deliveries of the message they had."""
    address = Person.phone if channel.reach is Reach.PHONE else Person.email
    first = (
        select(func.min(Delivery.id))
        .join(Person, Person.id == Delivery.person_id)
        .join(Message, Message.id == Delivery.message_id)
        .where(
            which,
            address.is_not(None),
            or_(Message.expires_at.is_(None), Message.expires_at > work.now),
        )
        .group_by(Delivery.message_id, Delivery.person_id)
    )
    copied = _copies(work, channel.name).where(Delivery.id.in_(first))
    done = await work.session.execute(
        insert(Delivery).from_select(list(_COLUMNS), copied, include_defaults=False)
    )
    posted = int(getattr(done, "rowcount", 0))
    if posted:
        work.session.info[POSTED] = True
    return posted


_COLUMNS = (
    "message_id", "person_id", "language", "lane", "parameters", "channel", "state",
    "dedupe_key", "created_at", "due_at", "attempts", "possible_duplicate",
)  # fmt: skip


def _copies(work: Work, channel: str) -> Select[Any]:
    return select(
        Delivery.message_id,
        Delivery.person_id,
        Delivery.language,
        Delivery.lane,
        Delivery.parameters,
        literal(channel),
        literal(DeliveryState.QUEUED.value),
        literal(f"{channel}:") + cast(Delivery.id, String),
        literal(work.now, Delivery.created_at.type),
        literal(work.now, Delivery.due_at.type),
        literal(0),
        literal(False),
    )


# Sending them


async def claim(
    session: AsyncSession, now: datetime, channels: Sequence[Channel], room: int
) -> list[Due]:
    """Takes what is due by these channels, the urgent first; what has expired is closed."""
    await session.execute(
        update(Delivery)
        .where(
            OTHER,
            Delivery.state == DeliveryState.QUEUED,
            Delivery.message_id.in_(select(Message.id).where(Message.expires_at <= now)),
        )
        .values(state=DeliveryState.EXPIRED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    reaches = {channel.name: channel.reach for channel in channels}
    rows = (
        await session.execute(
            select(Delivery, Message, Person)
            .join(Message, Message.id == Delivery.message_id)
            .join(Person, Person.id == Delivery.person_id)
            .where(
                OTHER,
                Delivery.state == DeliveryState.QUEUED,
                Delivery.due_at <= now,
                Delivery.channel.in_(reaches),
            )
            .order_by(Delivery.lane, Delivery.due_at, Delivery.id)
            .limit(room)
            .with_for_update(skip_locked=True, of=Delivery)
        )
    ).all()
    for delivery, _, _ in rows:
        delivery.state = DeliveryState.SENDING
        delivery.claimed_at = now
        delivery.attempts += 1
    await session.flush()
    return [_due(delivery, message, person, reaches) for delivery, message, person in rows]


def _due(delivery: Delivery, message: Message, person: Person, reaches: dict[str, Reach]) -> Due:
    by_phone = reaches[delivery.channel] is Reach.PHONE
    return Due(
        delivery.id,
        delivery.channel,
        message.template,
        {**message.parameters, **(delivery.parameters or {})},
        delivery.language,
        delivery.attempts,
        person.phone if by_phone else person.email,
    )


async def landed(session: AsyncSession, due: Due, now: datetime) -> None:
    """It was taken by the channel."""
    await _change(session, due.id, state=DeliveryState.SENT, reason=None, finished_at=now)


async def failed(session: AsyncSession, due: Due, now: datetime, detail: str) -> None:
    """Tried again after a pause, a few times; then the next channel takes over."""
    reason = f"{Why.REFUSED}: {detail}"[:REASON_LENGTH]
    session.add(Attempt(delivery_id=due.id, at=now, reason=reason))
    if due.attempts >= MOST_ATTEMPTS or due.address is None:
        values: dict[str, Any] = {"state": DeliveryState.FAILED, "finished_at": now}
    else:
        pause = FIRST_PAUSE * 2 ** (due.attempts - 1)
        values = {"state": DeliveryState.QUEUED, "due_at": now + pause}
    await _change(session, due.id, reason=Why.REFUSED, **values)


async def release_claimed(session: AsyncSession, now: datetime) -> int:
    """After a crash: what was being sent is sent again, marked as a possible duplicate."""
    done = await session.execute(
        update(Delivery)
        .where(OTHER, Delivery.state == DeliveryState.SENDING)
        .values(state=DeliveryState.QUEUED, possible_duplicate=True, due_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


async def _change(session: AsyncSession, delivery_id: int, **values: Any) -> None:
    await session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )

"""Other channels than Telegram: for whom, when, and what became of each delivery.

A delivery that must reach somebody goes out by another channel when they have no Telegram or can't
be reached there; an emergency also when they gave no sign of life for a time. How something is sent
is the program's business.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
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
    Inbox,
    Lane,
    Message,
    Person,
)
from services import claiming, delivery, urgency
from services.delivery import POSTED
from services.outbox import REASON_LENGTH, UNREACHABLE, Why
from services.work import Work

MUST_REACH = (int(Lane.EMERGENCY), int(Lane.TRANSACTIONAL))
FALL_BACK_WITHIN = timedelta(days=1)
"""What failed longer ago is old news."""
ESCALATE_WITHIN = timedelta(hours=3)
OVERLAP = timedelta(minutes=5)
"""A transaction that lasted longer than this between its time and its commit would be missed."""
FIRST_PAUSE = timedelta(seconds=30)
MOST_ATTEMPTS = 4
HOPELESS = frozenset({Why.NOT_RENDERED, Why.NO_ADDRESS})
"""Would go wrong as often as it is tried."""
PORTION = 2_000
"""People that one transaction is about."""
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
    waits: Mapping[str, timedelta] = field(default_factory=dict)
    """In an emergency, how long without a sign of life by urgency; what is absent: never."""


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Deliveries that a rule sends out again by a channel."""

    channel: Channel
    rule: "Rule"
    keys: list[int]


async def look(
    work: Work, channels: Sequence[Channel], since: datetime | None = None
) -> list[Wanted]:
    """What is to be posted again, in the order of the channels. Changes nothing.

    Asks only what has failed, or has waited long enough, since the last look, if there was one.
    """
    since = since - OVERLAP if since else work.now - FALL_BACK_WITHIN
    found = []
    for rule in (_failed, _silent):
        for channel in channels:
            which = rule(work, channel, since)
            if which is None:
                continue
            first = _first(work, channel, which).order_by(func.min(Delivery.id)).limit(PORTION)
            keys = list(await work.session.scalars(first))
            if keys:
                found.append(Wanted(channel, rule, keys))
    return found


async def post(work: Work, wanted: Iterable[Wanted]) -> int:
    """Posts what still is to be posted; what an earlier channel has taken is left to it."""
    return sum([await _post(work, one) for one in wanted])


async def _post(work: Work, wanted: Wanted) -> int:
    which = wanted.rule(work, wanted.channel, work.now - FALL_BACK_WITHIN)
    if which is None:
        return 0
    still = and_(Delivery.id.in_(wanted.keys), which)
    copied = _copies(work, wanted.channel.name).where(
        Delivery.id.in_(_first(work, wanted.channel, still))
    )
    done = await work.session.execute(
        insert(Delivery).from_select(list(_COLUMNS), copied, include_defaults=False)
    )
    posted = int(getattr(done, "rowcount", 0))
    if posted:
        work.session.info[POSTED] = True
    return posted


def _failed(work: Work, channel: Channel, since: datetime) -> ColumnElement[bool] | None:
    """Could not be delivered so far, and was not given up meanwhile."""
    too_dear = [row for row in urgency.DRILLS if row not in channel.waits]
    return and_(
        Delivery.state == DeliveryState.FAILED,
        Delivery.finished_at > since,
        Delivery.lane.in_(MUST_REACH),
        or_(Message.urgency.is_(None), Message.urgency.not_in(too_dear)),
        or_(Delivery.channel != TELEGRAM, Delivery.reason.in_(UNREACHABLE)),
        ~_elsewhere(or_(_other.channel == channel.name, _other.state != DeliveryState.FAILED)),
    )


def _silent(work: Work, channel: Channel, since: datetime) -> ColumnElement[bool] | None:
    """An emergency without a sign of life for as long as its urgency allows, still as it was told.

    The table of waits is put into the statement: one comparison a delivery, whatever its rows.
    """
    if not channel.waits:
        return None
    long_ago = _before(work.now, channel)
    looked_at = _before(since, channel)
    heard = exists().where(
        Inbox.chat_id == Delivery.chat_id, Inbox.received_at >= Delivery.created_at
    )
    answered = exists().where(
        _other.person_id == Delivery.person_id, _other.seen_at >= Delivery.created_at
    )
    corrected = exists().where(
        _other.person_id == Delivery.person_id, _other.edits_id == Delivery.id
    )
    return and_(
        text("delivery.lane = 0"),
        Delivery.created_at <= long_ago,
        Delivery.created_at > work.now - ESCALATE_WITHIN,
        or_(Delivery.attempts > 0, Delivery.due_at <= long_ago),
        or_(Delivery.created_at > looked_at, Delivery.due_at > looked_at),
        Delivery.channel == TELEGRAM,
        Delivery.state.in_((*UNDER_WAY, DeliveryState.FAILED)),
        Delivery.edits_id.is_(None),
        ~_elsewhere(_other.channel == channel.name),
        ~heard,
        ~answered,
        ~corrected,
    )


def _before(moment: datetime, channel: Channel) -> ColumnElement[datetime]:
    """So long before as the message's urgency waits; NULL, which nothing is before, for never."""
    kind = Delivery.created_at.type
    rows = {row: literal(moment - wait, kind) for row, wait in channel.waits.items()}
    return case(rows, value=func.coalesce(Message.urgency, urgency.USUAL))


Rule = Callable[[Work, Channel, datetime], ColumnElement[bool] | None]

_other = aliased(Delivery)


def _elsewhere(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the same message to the same person by another channel is so.

    Found by the person: of one message there may be as many as there are people.
    """
    return exists().where(
        _other.message_id + 0 == Delivery.message_id,
        _other.person_id == Delivery.person_id,
        _other.channel != TELEGRAM,
        condition,
    )


def _first(work: Work, channel: Channel, which: ColumnElement[bool]) -> Select[int]:
    """Once a person, however many deliveries of the message they had."""
    address = Person.phone if channel.reach is Reach.PHONE else Person.email
    return (
        select(func.min(Delivery.id))
        .join(Person, Person.id == Delivery.person_id)
        .join(Message, Message.id == Delivery.message_id)
        .where(
            which,
            address.is_not(None),
            or_(Message.kind == claiming.KIND, ~claiming.is_unclaimed(Delivery.person_id)),
            or_(Message.expires_at.is_(None), Message.expires_at > work.now),
        )
        .group_by(Delivery.message_id, Delivery.person_id)
    )


_COLUMNS = (
    "message_id", "person_id", "language", "lane", "parameters", "channel", "state",
    "dedupe_key", "created_at", "due_at", "attempts", "possible_duplicate",
)  # fmt: skip


def _copies(work: Work, channel: str) -> Select[Any]:
    now = literal(work.now, Delivery.due_at.type)
    return select(
        Delivery.message_id,
        Delivery.person_id,
        Delivery.language,
        Delivery.lane,
        Delivery.parameters,
        literal(channel),
        literal(DeliveryState.QUEUED.value),
        literal(f"{channel}:") + cast(Delivery.id, String),
        now,
        case((Delivery.due_at > now, Delivery.due_at), else_=now),
        literal(0),
        literal(False),
    )


# Sending them


async def waiting(session: AsyncSession, now: datetime) -> set[str]:
    """The channels by which something is due."""
    due = select(Delivery.channel).where(
        OTHER, Delivery.state == DeliveryState.QUEUED, Delivery.due_at <= now
    )
    return set(await session.scalars(due.distinct()))


async def claim(
    session: AsyncSession, now: datetime, channels: Sequence[Channel], rooms: Mapping[str, int]
) -> list[Due]:
    """Takes what is due, the urgent first, at most `rooms[name]` of each channel.

    What has expired is closed, and whoever has answered while it waited is left alone.
    """
    late = exists().where(Message.id == Delivery.message_id, Message.expires_at <= now)
    await session.execute(
        update(Delivery)
        .where(OTHER, Delivery.state == DeliveryState.QUEUED, late)
        .values(state=DeliveryState.EXPIRED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    await _spare_who_answered(session, now)
    claimed: list[Due] = []
    for channel in channels:
        if room := rooms.get(channel.name, 0):
            claimed += await _claim(session, now, channel, room)
    return claimed


async def _spare_who_answered(session: AsyncSession, now: datetime) -> None:
    """What only follows what has reached them by Telegram is not sent after their answer."""
    heard = exists().where(
        Account.person_id == Delivery.person_id,
        Inbox.chat_id == Account.telegram_id,
        Inbox.received_at >= Delivery.created_at,
    )
    answered = exists().where(
        _other.person_id == Delivery.person_id, _other.seen_at >= Delivery.created_at
    )
    has_reached = exists().where(
        _other.message_id + 0 == Delivery.message_id,
        _other.person_id == Delivery.person_id,
        _other.channel == TELEGRAM,
        _other.state == DeliveryState.SENT,
    )
    await session.execute(
        update(Delivery)
        .where(
            OTHER,
            Delivery.state == DeliveryState.QUEUED,
            Delivery.lane == int(Lane.EMERGENCY),
            has_reached,
            or_(heard, answered),
        )
        .values(state=DeliveryState.REVOKED, finished_at=now)
        .execution_options(synchronize_session=False)
    )


async def _claim(session: AsyncSession, now: datetime, channel: Channel, room: int) -> list[Due]:
    rows = (
        await session.execute(
            select(Delivery, Message, Person)
            .join(Message, Message.id == Delivery.message_id)
            .join(Person, Person.id == Delivery.person_id)
            .where(
                OTHER,
                Delivery.state == DeliveryState.QUEUED,
                Delivery.due_at <= now,
                Delivery.channel == channel.name,
            )
            .order_by(Delivery.lane, Delivery.due_at, Delivery.id)
            .limit(room)
            .with_for_update(skip_locked=True, of=Delivery)
        )
    ).all()
    for row, _, _ in rows:
        row.state = DeliveryState.SENDING
        row.claimed_at = now
        row.attempts += 1
    await session.flush()
    return [_due(row, message, person, channel) for row, message, person in rows]


def _due(row: Delivery, message: Message, person: Person, channel: Channel) -> Due:
    return Due(
        row.id,
        channel.name,
        message.template,
        delivery.unsealed({**message.parameters, **(row.parameters or {})}),
        row.language,
        row.attempts,
        person.phone if channel.reach is Reach.PHONE else person.email,
    )


async def landed(session: AsyncSession, due: Due, now: datetime) -> None:
    """It was taken by the channel."""
    await _change(session, due.id, state=DeliveryState.SENT, reason=None, finished_at=now)


async def failed(
    session: AsyncSession, due: Due, now: datetime, why: Why, detail: str = ""
) -> None:
    """Tried again after a pause, a few times; then the next channel takes over."""
    reason = f"{why}: {detail}"[:REASON_LENGTH] if detail else why.value
    session.add(Attempt(delivery_id=due.id, at=now, reason=reason))
    if why in HOPELESS or due.attempts >= MOST_ATTEMPTS:
        values: dict[str, Any] = {"state": DeliveryState.FAILED, "finished_at": now}
    else:
        pause = FIRST_PAUSE * 2 ** (due.attempts - 1)
        values = {"state": DeliveryState.QUEUED, "due_at": now + pause}
    await _change(session, due.id, reason=why, **values)


async def release_claimed(session: AsyncSession, now: datetime) -> int:
    """After a crash: what was being sent is sent again, marked as a possible duplicate."""
    interrupted = (OTHER, Delivery.state == DeliveryState.SENDING)
    await session.execute(
        insert(Attempt).from_select(
            ["delivery_id", "at", "reason"],
            select(
                Delivery.id, literal(now, Attempt.at.type), literal(Why.INTERRUPTED.value)
            ).where(*interrupted),
        )
    )
    done = await session.execute(
        update(Delivery)
        .where(*interrupted)
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

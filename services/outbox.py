"""The sender's side of deliveries: claiming what is due, and recording what became of it.

Knows nothing of how something is sent; every statement that runs for each portion is built once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Integer, Select, Table, bindparam, insert, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models import (
    TELEGRAM,
    Account,
    Attempt,
    Delivery,
    DeliveryState,
    Group,
    Lane,
    Message,
    PaidMessages,
)

REASON_LENGTH = 200
ROOM_ENOUGH: Mapping[Lane, int] = dict.fromkeys(Lane, 50)
UNSENT = (DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.SENDING)


class Why(StrEnum):
    """Why a delivery failed or had to be tried again."""

    BLOCKED = "blocked"
    DEACTIVATED = "deactivated"
    NOT_STARTED = "not_started"
    KICKED = "kicked"
    CHAT_NOT_FOUND = "chat_not_found"
    MIGRATED = "migrated"
    TOO_LONG = "too_long"
    BAD_ENTITIES = "bad_entities"
    REFUSED = "refused"
    FLOOD = "flood"
    TIMED_OUT = "timed_out"
    ANSWER_LOST = "answer_lost"
    NETWORK = "network"
    SERVER = "server"
    NOT_RENDERED = "not_rendered"
    INTERRUPTED = "interrupted"
    OPTED_OUT = "opted_out"


UNREACHABLE = frozenset(
    {Why.BLOCKED, Why.DEACTIVATED, Why.NOT_STARTED, Why.KICKED, Why.CHAT_NOT_FOUND}
)
"""Nothing can be sent to such a chat any more."""
GONE_FROM_GROUP = frozenset({Why.KICKED, Why.CHAT_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed delivery with all that the sender needs; no row of it is loaded later."""

    id: int
    message_id: int
    chat_id: int
    language: str
    lane: Lane
    template: str
    parameters: dict[str, Any]
    alike: bool
    """All who read this language get the same text of this message."""
    attachment: dict[str, Any] | None
    silent: bool
    attempts: int
    created_at: datetime
    edits_message_id: int | None
    """Telegram's id of the message to edit, where this corrects an earlier one."""
    deletes: bool


_table = cast(Table, Delivery.__table__)
_row = _table.c


def _first_of(lane: Lane) -> Select[int]:
    """The oldest due deliveries of a lane: one range of the index of what is queued."""
    rows = (
        select(_row.id)
        .where(
            _row.state == DeliveryState.QUEUED,
            _row.lane == int(lane),
            _row.due_at <= bindparam("now"),
            _row.channel == TELEGRAM,
        )
        .order_by(_row.due_at, _row.id)
        .limit(bindparam(f"room_{lane.value}", type_=Integer))
    )
    return select(rows.subquery(f"lane_{lane.value}").c.id)


_CLAIM = (
    update(_table)
    .where(
        _row.id.in_(union_all(*(_first_of(lane) for lane in Lane))),
        _row.state == DeliveryState.QUEUED,
    )
    .values(
        state=DeliveryState.SENDING, claimed_at=bindparam("now"), attempts=_row.attempts + 1
    )
    .returning(
        _row.id, _row.message_id, _row.chat_id, _row.language, _row.lane, _row.parameters,
        _row.attempts, _row.edits_id, _row.due_at, _row.created_at,
    )
)  # fmt: skip
_MESSAGES = select(
    Message.id, Message.template, Message.parameters, Message.attachment, Message.silent,
    Message.deletes, Message.expires_at,
).where(Message.id.in_(bindparam("keys", expanding=True)))  # fmt: skip
_ON_PHONES = select(_row.id, _row.telegram_message_id).where(
    _row.id.in_(bindparam("keys", expanding=True))
)
_SENT = (
    update(_table)
    .where(_row.id == bindparam("key"))
    .values(
        state=DeliveryState.SENT,
        telegram_message_id=bindparam("on_phone"),
        finished_at=bindparam("at"),
        reason=None,
    )
)
_EXPIRED = (
    update(_table)
    .where(_row.id.in_(bindparam("keys", expanding=True)))
    .values(state=DeliveryState.EXPIRED, finished_at=bindparam("at"))
)


async def claim_due(
    session: AsyncSession, now: datetime, rooms: Mapping[Lane, int] = ROOM_ENOUGH
) -> list[Due]:
    """Takes the next due deliveries by Telegram and marks them as being sent.

    At most `rooms[lane]` of each lane; the urgent first, within a lane the oldest. Expired ones
    are closed instead.
    """
    given = {f"room_{lane.value}": rooms.get(lane, 0) for lane in Lane}
    connection = await session.connection()
    rows = (await connection.execute(_CLAIM, {"now": now, **given})).all()
    if not rows:
        return []
    rows = sorted(rows, key=lambda row: (row.lane, row.due_at, row.id))
    messages = await _by_key(connection, _MESSAGES, {row.message_id for row in rows})
    corrected = {row.edits_id for row in rows if row.edits_id is not None}
    on_phones = await _by_key(connection, _ON_PHONES, corrected) if corrected else {}
    expired = {key for key, row in messages.items() if row.expires_at and row.expires_at <= now}
    late = [row.id for row in rows if row.message_id in expired]
    if late:
        await connection.execute(_EXPIRED, {"keys": late, "at": now})
    return [
        _due(row, messages[row.message_id], on_phones.get(row.edits_id))
        for row in rows
        if row.message_id not in expired
    ]


async def _by_key(connection: AsyncConnection, query: Any, keys: set[int]) -> dict[int, Any]:
    found = await connection.execute(query, {"keys": list(keys)})
    return {row.id: row for row in found}


def _due(row: Any, message: Any, on_phone: Any) -> Due:
    return Due(
        id=row.id,
        message_id=row.message_id,
        chat_id=row.chat_id,
        language=row.language,
        lane=Lane(row.lane),
        template=message.template,
        parameters=message.parameters | row.parameters if row.parameters else message.parameters,
        alike=not row.parameters,
        attachment=message.attachment,
        silent=message.silent,
        attempts=row.attempts,
        created_at=row.created_at,
        edits_message_id=on_phone.telegram_message_id if on_phone else None,
        deletes=message.deletes,
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one attempt; queued again if `retry_at` is set."""

    delivery_id: int
    state: DeliveryState
    telegram_message_id: int | None = None
    why: Why | None = None
    detail: str = ""
    """What Telegram said, for the record of attempts."""
    retry_at: datetime | None = None
    possible_duplicate: bool = False
    """It may have arrived although no answer came."""
    attempted: bool = True
    """False where it was put back without having been tried."""
    refusals: int = 0
    """Times that it was refused before, within this claim."""
    moved_to: int | None = None
    """The group has become a supergroup with this chat id."""


async def record(session: AsyncSession, receipts: Iterable[Receipt], now: datetime) -> None:
    """Writes receipts; a chat that can't be written to is marked so on its account or group."""
    sent: list[Receipt] = []
    others: list[Receipt] = []
    for receipt in receipts:
        plain = receipt.state is DeliveryState.SENT and receipt.why is None
        (sent if plain else others).append(receipt)
    if sent:
        connection = await session.connection()
        await connection.execute(
            _SENT,
            [
                {"key": one.delivery_id, "on_phone": one.telegram_message_id, "at": now}
                for one in sent
            ],
        )
    for receipt in others:
        await _record_trouble(session, receipt, now)


async def _record_trouble(session: AsyncSession, receipt: Receipt, now: datetime) -> None:
    chat_id = await session.scalar(
        select(Delivery.chat_id).where(Delivery.id == receipt.delivery_id)
    )
    again = receipt.state is DeliveryState.QUEUED
    await session.execute(
        update(Delivery)
        .where(Delivery.id == receipt.delivery_id)
        .values(
            state=receipt.state,
            telegram_message_id=receipt.telegram_message_id,
            reason=receipt.why,
            finished_at=None if again else now,
            **({"due_at": receipt.retry_at} if receipt.retry_at else {}),
            **({"possible_duplicate": True} if receipt.possible_duplicate else {}),
            attempts=Delivery.attempts + receipt.refusals - (0 if receipt.attempted else 1),
        )
        .execution_options(synchronize_session=False)
    )
    if receipt.attempted and receipt.why is not None:
        reason = f"{receipt.why}: {receipt.detail}"[:REASON_LENGTH]
        session.add(Attempt(delivery_id=receipt.delivery_id, at=now, reason=reason))
    if chat_id is None:
        return
    if receipt.moved_to is not None:
        await move_group(session, chat_id, receipt.moved_to)
    if receipt.state is DeliveryState.FAILED and receipt.why in UNREACHABLE:
        await _mark_unreachable(session, chat_id, receipt.why, now)


async def _mark_unreachable(session: AsyncSession, chat_id: int, why: Why, now: datetime) -> None:
    await session.execute(
        update(Account)
        .where(Account.telegram_id == chat_id)
        .values(unreachable_since=now, unreachable_reason=why)
        .execution_options(synchronize_session=False)
    )
    if why in GONE_FROM_GROUP:
        await session.execute(
            update(Group)
            .where(Group.chat_id == chat_id, Group.left_at.is_(None))
            .values(left_at=now)
            .execution_options(synchronize_session=False)
        )


async def release_claimed(session: AsyncSession, now: datetime) -> int:
    """After a crash: what was being sent is queued again, marked as a possible duplicate."""
    interrupted = [
        Delivery.state == DeliveryState.SENDING,
        Delivery.channel == TELEGRAM,
    ]
    await session.execute(
        insert(Attempt).from_select(
            ["delivery_id", "at", "reason"],
            select(
                Delivery.id,
                literal(now, Attempt.at.type),
                literal(Why.INTERRUPTED.value),
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


async def seen(
    session: AsyncSession, chat_id: int, message_ids: Iterable[int], now: datetime
) -> None:
    """A button under these messages (Telegram's ids) of a private chat was pressed."""
    person = select(Account.person_id).where(Account.telegram_id == chat_id)
    await session.execute(
        update(Delivery)
        .where(
            Delivery.person_id == person.scalar_subquery(),
            Delivery.telegram_message_id.in_(list(message_ids)),
            Delivery.seen_at.is_(None),
        )
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


_NEXT_DUE = union_all(
    *(
        select(
            select(_row.due_at)
            .where(
                _row.state == DeliveryState.QUEUED,
                _row.lane == int(lane),
                _row.channel == TELEGRAM,
            )
            .order_by(_row.due_at)
            .limit(1)
            .scalar_subquery()
            .label("due_at")
        )
        for lane in Lane
    )
)


async def next_due_at(session: AsyncSession) -> datetime | None:
    """When the next queued delivery by Telegram is due; None if nothing waits."""
    found = [moment for moment in await session.scalars(_NEXT_DUE) if moment is not None]
    return min(found, default=None)


async def move_group(session: AsyncSession, chat_id: int, new_chat_id: int) -> None:
    """A group has become a supergroup: what waits for it, and its registration, follow."""
    await session.execute(
        update(Delivery)
        .where(Delivery.chat_id == chat_id, Delivery.state.in_(UNSENT))
        .values(chat_id=new_chat_id)
        .execution_options(synchronize_session=False)
    )
    await session.execute(update(Group).where(Group.chat_id == chat_id).values(chat_id=new_chat_id))


async def note_paid(session: AsyncSession, day: date, count: int) -> int:
    """Adds to the paid messages of a local day; answers how many there are now."""
    known = await session.get(PaidMessages, day, with_for_update=True)
    if known is None:
        known = PaidMessages(day=day, count=0)
        session.add(known)
    known.count += count
    return known.count

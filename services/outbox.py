"""The sender's side of deliveries: claiming what is due, and recording what became of it.

Knows nothing of how something is sent; every statement that runs for each portion is built once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Table,
    Update,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    FIRST_BOT,
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
from services import traits
from services.delivery import unsealed

REASON_LENGTH = 200
LANES = {int(lane): lane for lane in Lane}
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
    NO_TELEGRAM = "no_telegram"
    NO_ADDRESS = "no_address"
    RESTORED = "restored"
    """Held after a backup was restored: it may have gone out since."""


UNREACHABLE = frozenset(
    {
        Why.BLOCKED,
        Why.DEACTIVATED,
        Why.NOT_STARTED,
        Why.KICKED,
        Why.CHAT_NOT_FOUND,
        Why.NO_TELEGRAM,
    }
)
"""Nothing can be sent to such a chat any more."""
LATER = frozenset({Why.FLOOD, Why.TIMED_OUT, Why.ANSWER_LOST, Why.SERVER, Why.NETWORK})
"""Tried again after a pause, until it is given up."""
GIVE_UP_AFTER = timedelta(hours=24)
"""After it was posted; expiry may end it sooner."""
GONE_FROM_GROUP = frozenset({Why.KICKED, Why.CHAT_NOT_FOUND})


@dataclass(slots=True)
class Wording:
    """What all deliveries of a message have in common."""

    id: int
    template: str
    parameters: dict[str, Any]
    attachment: dict[str, Any] | None
    silent: bool
    deletes: bool
    expires_at: datetime | None
    origin: str | None


@dataclass(slots=True)
class Due:
    """A claimed delivery with all that the sender needs; no row of it is loaded later."""

    id: int
    wording: Wording
    chat_id: int
    language: str
    lane: Lane
    own: dict[str, Any] | None
    """Parameters of this recipient alone."""
    attempts: int
    edits_message_id: int | None
    """Telegram's id of the message to edit, where this corrects an earlier one."""
    due_at: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        shared = unsealed(self.wording.parameters)
        return shared | unsealed(self.own) if self.own else shared


_table = cast(Table, Delivery.__table__)
_row = _table.c


def _first_of(lane: Lane) -> Select[int, datetime, int]:
    """The oldest due deliveries of a lane: one range of the index of what is queued."""
    rows = (
        select(_row.id, _row.due_at)
        .where(
            _row.state == DeliveryState.QUEUED,
            _row.bot_id == bindparam("of_bot"),
            _row.lane == int(lane),
            _row.due_at <= bindparam("now"),
            _row.channel == TELEGRAM,
        )
        .order_by(_row.due_at, _row.id)
        .limit(bindparam(f"room_{lane.value}", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    found = rows.subquery(f"lane_{lane.value}").c
    return select(found.id, found.due_at, literal(int(lane)).label("lane"))


_FIRST = union_all(*(_first_of(lane) for lane in Lane)).cte("first")
"""Apart, so that it is looked for once: PostgreSQL would look for others than those just locked."""
_FITTING = (
    select(_FIRST.c.id)
    .order_by(_FIRST.c.lane, _FIRST.c.due_at, _FIRST.c.id)
    .limit(bindparam("room", type_=Integer))
)
"""Of all lanes together no more than of the one that may have most: a crash doubles no more."""
_CLAIM = (
    update(_table)
    .where(
        _row.id.in_(_FITTING),
        _row.state == DeliveryState.QUEUED,
    )
    .values(
        state=DeliveryState.SENDING, claimed_at=bindparam("now"), attempts=_row.attempts + 1
    )
    .returning(
        _row.id, _row.message_id, _row.chat_id, _row.language, _row.lane, _row.parameters,
        _row.attempts, _row.edits_id, _row.due_at,
    )
)  # fmt: skip
_WORDINGS = select(
    Message.id, Message.template, Message.parameters, Message.attachment, Message.silent,
    Message.deletes, Message.expires_at, Message.origin,
).where(Message.id.in_(bindparam("keys", expanding=True)))  # fmt: skip
_ON_PHONES = select(_row.id, _row.telegram_message_id).where(
    _row.id.in_(bindparam("keys", expanding=True))
)
_ARRIVED = {
    "sqlite": func.json_each(bindparam("arrived", type_=JSON)).table_valued("value"),
    "postgresql": func.jsonb_array_elements(bindparam("arrived", type_=JSONB)).table_valued(
        "value"
    ),
}
"""[[delivery key, Telegram's id of its message], ...] as rows."""


def _mark_sent(dialect: str) -> Update:
    pair = _ARRIVED[dialect].c.value
    key, on_phone = (_number_in(pair, index, dialect) for index in (0, 1))
    return (
        update(_table)
        .where(_row.id == key)
        .values(
            state=DeliveryState.SENT,
            telegram_message_id=on_phone,
            finished_at=bindparam("at"),
            reason=None,
        )
    )


def _number_in(pair: Any, index: int, dialect: str) -> ColumnElement[int]:
    if dialect == "sqlite":
        return type_coerce(func.json_extract(pair, f"$[{index}]"), BigInteger)
    return sql_cast(type_coerce(pair, JSONB)[index].as_string(), BigInteger)


_SENT = {dialect: _mark_sent(dialect) for dialect in _ARRIVED}
_EXPIRED = (
    update(_table)
    .where(_row.id.in_(bindparam("keys", expanding=True)))
    .values(state=DeliveryState.EXPIRED, finished_at=bindparam("at"))
)


async def claim_due(
    session: AsyncSession,
    now: datetime,
    rooms: Mapping[Lane, int] = ROOM_ENOUGH,
    *,
    bot_id: int = FIRST_BOT,
) -> list[Due]:
    """Takes the next due deliveries by a bot and marks them as being sent.

    At most `rooms[lane]` of each lane, and of all as many as of the one with the largest room; the
    urgent first, within a lane the oldest. Expired ones are closed instead; one that another
    transaction is just changing is left for the next time.
    """
    given = {f"room_{lane.value}": rooms.get(lane, 0) for lane in Lane}
    given["room"] = max(rooms.values())
    connection = await session.connection()
    claimed = await connection.execute(_CLAIM, {"now": now, "of_bot": bot_id, **given})
    rows = claimed.all()
    if not rows:
        return []
    rows = sorted(rows, key=lambda row: (row.lane, row.id))
    keys = {row.message_id for row in rows}
    found = await connection.execute(_WORDINGS, {"keys": list(keys)})
    wordings = {row.id: Wording(*row) for row in found}
    corrected = [row.edits_id for row in rows if row.edits_id is not None]
    on_phones: dict[int, int] = {}
    if corrected:
        found = await connection.execute(_ON_PHONES, {"keys": corrected})
        on_phones = {row.id: row.telegram_message_id for row in found}
    expired = {key for key, one in wordings.items() if one.expires_at and one.expires_at <= now}
    late = [row.id for row in rows if row.message_id in expired] if expired else []
    if late:
        await connection.execute(_EXPIRED, {"keys": late, "at": now})
    return [
        Due(
            key, wordings[message_id], chat_id, language, LANES[lane], own, attempts,
            on_phones.get(edits_id), due_at,
        )
        for key, message_id, chat_id, language, lane, own, attempts, edits_id, due_at in rows
        if message_id not in expired
    ]  # fmt: skip


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
        arrived = [[one.delivery_id, one.telegram_message_id] for one in sent]
        await connection.execute(_SENT[connection.dialect.name], {"arrived": arrived, "at": now})
    for receipt in others:
        await _record_trouble(session, receipt, now)


_original = _table.alias("original")
_FOLLOW = (
    update(_table)
    .where(
        _row.edits_id.in_(bindparam("landed", expanding=True)),
        _row.state == DeliveryState.HELD,
        _original.c.id == _row.edits_id,
        _original.c.state != DeliveryState.QUEUED,
    )
    .values(
        state=case(
            (_original.c.telegram_message_id.is_not(None), DeliveryState.QUEUED.value),
            else_=DeliveryState.REVOKED.value,
        )
    )
)


async def let_corrections_follow(session: AsyncSession, landed: Sequence[int]) -> None:
    """What was corrected while it was on its way is edited now, unless it never arrived."""
    if landed:
        await (await session.connection()).execute(_FOLLOW, {"landed": list(landed)})


async def _record_trouble(session: AsyncSession, receipt: Receipt, now: datetime) -> None:
    row = await session.execute(
        select(Delivery.chat_id, Delivery.created_at).where(Delivery.id == receipt.delivery_id)
    )
    chat_id, created_at = row.one()
    if receipt.attempted and receipt.why in LATER and created_at + GIVE_UP_AFTER <= now:
        receipt = replace(receipt, state=DeliveryState.FAILED, retry_at=None)
    again = receipt.state is DeliveryState.QUEUED
    await session.execute(
        update(Delivery)
        .where(Delivery.id == receipt.delivery_id)
        .values(
            state=receipt.state,
            telegram_message_id=receipt.telegram_message_id,
            reason=receipt.why,
            finished_at=None if again else now,
            attempts=Delivery.attempts + receipt.refusals - (0 if receipt.attempted else 1),
            **({"due_at": receipt.retry_at} if receipt.retry_at else {}),
            **({"possible_duplicate": True} if receipt.possible_duplicate else {}),
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
    await traits.is_blocked(session, chat_id)
    if why in GONE_FROM_GROUP:
        await session.execute(
            update(Group)
            .where(Group.chat_id == chat_id, Group.left_at.is_(None))
            .values(left_at=now)
            .execution_options(synchronize_session=False)
        )


async def release_claimed(
    session: AsyncSession, now: datetime, *, bot_id: int = FIRST_BOT, but: Iterable[int] = ()
) -> int:
    """After a crash: what was being sent is queued again, marked as a possible duplicate.

    `but` are the keys of deliveries that whoever asks is sending itself.
    """
    interrupted = [
        Delivery.state == DeliveryState.SENDING,
        Delivery.channel == TELEGRAM,
        Delivery.bot_id == bot_id,
        Delivery.id.not_in(list(but)),
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
    session: AsyncSession,
    chat_id: int,
    message_ids: Iterable[int],
    now: datetime,
    *,
    bot_id: int = FIRST_BOT,
) -> None:
    """A button under these messages (Telegram's ids) of a private chat with a bot was pressed."""
    person = select(Account.person_id).where(Account.telegram_id == chat_id)
    await session.execute(
        update(Delivery)
        .where(
            Delivery.person_id == person.scalar_subquery(),
            Delivery.bot_id == bot_id,
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
                _row.bot_id == bindparam("of_bot"),
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


async def next_due_at(session: AsyncSession, bot_id: int = FIRST_BOT) -> datetime | None:
    """When the next queued delivery by a bot is due; None if nothing waits."""
    found = await session.scalars(_NEXT_DUE, {"of_bot": bot_id})
    return min((moment for moment in found if moment is not None), default=None)


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

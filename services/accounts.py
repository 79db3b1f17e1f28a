"""Telegram accounts: who has spoken to the bot, in which language, and whether they can be reached.

Also the inbox of updates, so that each is handled once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    FIRST_BOT,
    TELEGRAM,
    Account,
    Delivery,
    DeliveryState,
    Inbox,
    Person,
    Process,
    Standing,
)
from services import processes, traits
from services.errors import Gone
from services.words import LANGUAGES
from services.work import Work

SEEN_EVERY = timedelta(hours=1)
"""`last_seen_at` is kept no finer than this, so that a press that only reads writes nothing."""


async def find_account(
    session: AsyncSession, telegram_id: int
) -> tuple[Account, Person | None] | None:
    row = (
        await session.execute(
            select(Account, Person)
            .outerjoin(Person, Person.id == Account.person_id)
            .where(Account.telegram_id == telegram_id)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def meet(
    session: AsyncSession,
    telegram_id: int,
    language: str,
    now: datetime,
    zone: ZoneInfo,
    *,
    bot_id: int = FIRST_BOT,
) -> tuple[Account, Person | None]:
    """The account of somebody who has just written to a bot, made on their first word.

    Whoever writes can be reached again, by that bot. `zone` tells the local day.
    """
    found = await find_account(session, telegram_id)
    if found is None:
        account = Account(
            telegram_id=telegram_id,
            bot_id=bot_id,
            language=language,
            language_chosen=False,
            first_seen_at=now,
            last_seen_at=now,
        )
        session.add(account)
        await session.flush()
        return account, None
    account, person = found
    if now - account.last_seen_at >= SEEN_EVERY or account.unreachable_since is not None:
        if person is not None:
            await traits.was_seen(session, person.id, traits.local_day(zone, now))
        account.last_seen_at = now
        account.unreachable_since = None
        account.unreachable_reason = None
    if account.bot_id != bot_id:
        await _go_on_with(session, account, bot_id)
    return found


async def _go_on_with(session: AsyncSession, account: Account, bot_id: int) -> None:
    """What they have not been told yet comes from the bot that they speak to now."""
    account.bot_id = bot_id
    await session.execute(
        update(Delivery)
        .where(
            Delivery.person_id == account.person_id,
            Delivery.chat_id == account.telegram_id,
            Delivery.channel == TELEGRAM,
            Delivery.edits_id.is_(None),
            Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.HELD)),
        )
        .values(bot_id=bot_id)
        .execution_options(synchronize_session=False)
    )


async def mark_unreachable(
    session: AsyncSession, telegram_id: int, reason: str, now: datetime
) -> None:
    await session.execute(
        update(Account)
        .where(Account.telegram_id == telegram_id)
        .values(unreachable_since=now, unreachable_reason=reason)
    )
    await traits.is_blocked(session, telegram_id)


async def blocks(session: AsyncSession, telegram_id: int, bot_id: int, now: datetime) -> None:
    """Somebody has blocked a bot; whoever goes on with another one is still reached by that."""
    found = await find_account(session, telegram_id)
    if found is not None and found[0].bot_id == bot_id:
        await mark_unreachable(session, telegram_id, "blocked", now)


async def of_person(work: Work, person_id: int) -> Account:
    """The account with which somebody speaks to the bot. Raises Gone without one."""
    found = await work.session.scalar(select(Account).where(Account.person_id == person_id))
    if found is None:
        raise Gone
    return found


async def choose_language(work: Work, account: Account, language: str) -> None:
    """The language in which somebody wishes to be spoken to. Raises Gone for an unknown one."""
    if language not in LANGUAGES:
        raise Gone
    account.language = language
    account.language_chosen = True
    if work.actor is not None:
        work.actor.language = language
        await traits.renew(work, [work.actor.id])


def is_volunteer(person: Person | None) -> bool:
    return person is not None and person.standing is Standing.ACTIVE


# The inbox


@dataclass(frozen=True, slots=True)
class Taker:
    """Who answers updates: a process, for one of the bots."""

    bot_id: int
    process_id: int


async def receive(
    session: AsyncSession,
    taker: Taker,
    updates: Sequence[tuple[int, int | None, str]],
    now: datetime,
) -> list[int]:
    """Stores raw updates as (update id, chat id, JSON); answers the ids that are new."""
    if not updates:
        return []
    rows = [
        {
            "bot_id": taker.bot_id,
            "update_id": update_id,
            "taken_by": taker.process_id,
            "chat_id": chat_id,
            "body": body,
            "received_at": now,
        }
        for update_id, chat_id, body in updates
    ]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Inbox).on_conflict_do_nothing().returning(Inbox.update_id)
    return list(await session.scalars(statement, rows))


async def behind(session: AsyncSession, taker: Taker, chats: Collection[int]) -> set[int]:
    """Of these chats, those in which another process has yet to handle what came before."""
    if not chats:
        return set()
    found = await session.scalars(
        select(Inbox.chat_id)
        .where(
            Inbox.bot_id == taker.bot_id,
            Inbox.taken_by != taker.process_id,
            Inbox.answered_at.is_(None),
            Inbox.handled_at.is_(None),
            Inbox.chat_id.in_(chats),
        )
        .distinct()
    )
    return {chat_id for chat_id in found if chat_id is not None}


async def claim_update(session: AsyncSession, bot_id: int, update_id: int, now: datetime) -> bool:
    """Marks an update as handled in this transaction; False if it already was, or is unknown."""
    done = await session.execute(
        update(Inbox)
        .where(Inbox.bot_id == bot_id, Inbox.update_id == update_id, Inbox.handled_at.is_(None))
        .values(handled_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(getattr(done, "rowcount", 0))


async def mark_answered(
    session: AsyncSession, bot_id: int, update_ids: Sequence[int], now: datetime
) -> None:
    """Their answers have gone out; what they said is no longer needed."""
    await session.execute(
        update(Inbox)
        .where(Inbox.bot_id == bot_id, Inbox.update_id.in_(update_ids))
        .values(answered_at=now, handled_at=func.coalesce(Inbox.handled_at, now), body="")
        .execution_options(synchronize_session=False)
    )


async def forget_updates(work: Work) -> int:
    """Sweep: drops updates answered so long ago that they won't be delivered again."""
    done = await work.session.execute(
        delete(Inbox).where(
            Inbox.answered_at < work.now - timedelta(days=work.policy.update_keep_days)
        )
    )
    return int(getattr(done, "rowcount", 0))


async def mark_handled(
    session: AsyncSession, bot_id: int, update_ids: Sequence[int], now: datetime
) -> None:
    """Whatever they ask for is done, even where the answer did not go out."""
    await session.execute(
        update(Inbox)
        .where(Inbox.bot_id == bot_id, Inbox.update_id.in_(update_ids), Inbox.handled_at.is_(None))
        .values(handled_at=now)
        .execution_options(synchronize_session=False)
    )


def _orphaned(session: AsyncSession, taker: Taker) -> ColumnElement[bool]:
    """Of an update: whether a process has left it unanswered which lives no more."""
    living = select(Process.id).where(processes.alive(session))
    of_a_dead_one = and_(Inbox.taken_by != taker.process_id, Inbox.taken_by.not_in(living))
    return and_(
        Inbox.answered_at.is_(None),
        Inbox.bot_id == taker.bot_id,
        or_(Inbox.taken_by.is_(None), of_a_dead_one),
    )


async def is_orphaned(session: AsyncSession, taker: Taker) -> bool:
    """Whether there is anything for `adopt`."""
    found = select(Inbox.update_id).where(_orphaned(session, taker)).exists()
    return bool(await session.scalar(select(found)))


async def adopt(session: AsyncSession, taker: Taker) -> int:
    """Takes over what processes have left unanswered that live no more; answers how many."""
    done = await session.execute(
        update(Inbox)
        .where(_orphaned(session, taker))
        .values(taken_by=taker.process_id)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


@dataclass(frozen=True, slots=True)
class Left:
    """An update that a process has taken and whose answer has not gone out, as far as is known."""

    update_id: int
    chat_id: int | None
    body: str
    """Raw JSON."""
    handled_at: datetime | None
    """If it is set, its effect stands and only the answer may be missing."""


async def unanswered(session: AsyncSession, taker: Taker) -> list[Left]:
    """In the order in which they were said."""
    rows = await session.execute(
        select(Inbox.update_id, Inbox.chat_id, Inbox.body, Inbox.handled_at)
        .where(
            Inbox.answered_at.is_(None),
            Inbox.taken_by == taker.process_id,
            Inbox.bot_id == taker.bot_id,
        )
        .order_by(Inbox.update_id)
    )
    return [Left(*row) for row in rows]

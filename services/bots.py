"""The city's bots: each has a number of its own, by which accounts and deliveries know it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from models import FIRST_BOT, TELEGRAM, Account, Bot, Delivery, DeliveryState, Group
from services.errors import Gone

WAITING = (DeliveryState.QUEUED, DeliveryState.HELD)


async def number(session: AsyncSession, telegram_ids: Sequence[int]) -> list[int]:
    """The numbers of bots by Telegram's ids; who is new gets the next one."""
    known = await _numbers(session)
    if not known.keys() >= set(telegram_ids):
        if session.get_bind().dialect.name == "postgresql":  # others may be starting as well
            await session.execute(text("LOCK TABLE bot IN SHARE ROW EXCLUSIVE MODE"))
            known = await _numbers(session)
        await _add(session, known, telegram_ids)
    return [known[telegram_id] for telegram_id in telegram_ids]


async def _numbers(session: AsyncSession) -> dict[int, int]:
    """By Telegram's ids."""
    return dict((await session.execute(select(Bot.telegram_id, Bot.id))).all())


async def _add(session: AsyncSession, known: dict[int, int], telegram_ids: Sequence[int]) -> None:
    last = max(known.values(), default=FIRST_BOT - 1)
    for telegram_id in telegram_ids:
        if telegram_id not in known:
            known[telegram_id] = last = last + 1
            session.add(Bot(id=last, telegram_id=telegram_id))
    await session.flush()


async def username_of(session: AsyncSession, bot_id: int) -> str | None:
    """Under which name people find it, once it has run."""
    return await session.scalar(select(Bot.username).where(Bot.id == bot_id))


async def is_called(session: AsyncSession, bot_id: int, username: str) -> None:
    """Keeps the name under which people find it."""
    await session.execute(
        update(Bot)
        .where(Bot.id == bot_id, Bot.username.is_distinct_from(username))
        .values(username=username)
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A bot, how many speak with it, and how much waits to be sent by it."""

    bot: Bot
    people: int
    waiting: int


async def served(session: AsyncSession) -> list[Served]:
    """The oldest first."""
    speak = select(Account.bot_id, func.count()).group_by(Account.bot_id)
    people = dict((await session.execute(speak)).all())
    wait = (
        select(Delivery.bot_id, func.count())
        .where(Delivery.state == DeliveryState.QUEUED, Delivery.channel == TELEGRAM)
        .group_by(Delivery.bot_id)
    )
    waiting = dict((await session.execute(wait)).all())
    found = await session.scalars(select(Bot).order_by(Bot.id))
    return [Served(bot, people.get(bot.id, 0), waiting.get(bot.id, 0)) for bot in found]


async def retire(session: AsyncSession, bot_id: int, heir: int) -> int:
    """A bot that runs no more leaves everything to another one; answers how many people.

    They are reached once they have started that one. Raises Gone where one of the two is unknown.
    """
    for one in (bot_id, heir):
        if await session.get(Bot, one) is None:
            raise Gone
    moved = await session.execute(
        update(Account)
        .where(Account.bot_id == bot_id)
        .values(bot_id=heir)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(Group)
        .where(Group.bot_id == bot_id)
        .values(bot_id=heir)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(Delivery)
        .where(Delivery.bot_id == bot_id, Delivery.state.in_(WAITING), Delivery.edits_id.is_(None))
        .values(bot_id=heir)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(moved, "rowcount", 0))

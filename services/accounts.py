"""Telegram accounts: who has spoken to the bot, in which language, and whether they can be reached.

Also the inbox of updates, so that each is handled once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from models import Account, Inbox, Person, Standing
from services import traits
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
    session: AsyncSession, telegram_id: int, language: str, now: datetime, zone: ZoneInfo
) -> tuple[Account, Person | None]:
    """The account of somebody who has just written, made on their first word.

    Whoever writes can be reached again. `zone` tells the local day.
    """
    found = await find_account(session, telegram_id)
    if found is None:
        account = Account(
            telegram_id=telegram_id,
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
    return found


async def mark_unreachable(
    session: AsyncSession, telegram_id: int, reason: str, now: datetime
) -> None:
    await session.execute(
        update(Account)
        .where(Account.telegram_id == telegram_id)
        .values(unreachable_since=now, unreachable_reason=reason)
    )
    await traits.is_blocked(session, telegram_id)


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


async def receive(
    session: AsyncSession, updates: Sequence[tuple[int, int | None, str]], now: datetime
) -> list[int]:
    """Stores raw updates as (update id, chat id, JSON); answers the ids that are new."""
    if not updates:
        return []
    rows = [
        {"update_id": update_id, "chat_id": chat_id, "body": body, "received_at": now}
        for update_id, chat_id, body in updates
    ]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Inbox).on_conflict_do_nothing().returning(Inbox.update_id)
    return list(await session.scalars(statement, rows))


async def claim_update(session: AsyncSession, update_id: int, now: datetime) -> bool:
    """Marks an update as handled in this transaction; False if it already was, or is unknown."""
    done = await session.execute(
        update(Inbox)
        .where(Inbox.update_id == update_id, Inbox.handled_at.is_(None))
        .values(handled_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(getattr(done, "rowcount", 0))


async def mark_answered(session: AsyncSession, update_ids: Sequence[int], now: datetime) -> None:
    """Their answers have gone out; what they said is no longer needed."""
    await session.execute(
        update(Inbox)
        .where(Inbox.update_id.in_(update_ids))
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


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What a crash left behind: updates never handled, and those whose answer may be missing."""

    waiting: list[str]
    """Raw JSON, in the order of their ids."""
    half_done: dict[int, int]
    """Update id -> chat id."""


async def unanswered(session: AsyncSession) -> Unanswered:
    rows = await session.execute(
        select(Inbox.update_id, Inbox.chat_id, Inbox.body, Inbox.handled_at)
        .where(Inbox.answered_at.is_(None))
        .order_by(Inbox.update_id)
    )
    found = Unanswered([], {})
    for update_id, chat_id, body, handled_at in rows:
        if handled_at is None:
            found.waiting.append(body)
        elif chat_id is not None:
            found.half_done[update_id] = chat_id
    return found

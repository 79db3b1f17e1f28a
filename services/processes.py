"""Which processes run, by the database's clock, and which of them does what only one may do.

A process says every few seconds that it lives. What it holds is free for others as soon as it has
been silent for longer; `holds` is asked again in the transaction that depends on it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Float, cast, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from models import Lease, Process, Share

REMEMBERED = 24 * 3600.0
"""Seconds for which a dead process is still listed."""
SCHEDULER = "scheduler"
"""The lease of whoever wakes the sweeps."""
JULIAN_1970 = 2440587.5
"""The day number that SQLite gives to the beginning of 1970."""


def clock(session: AsyncSession) -> ColumnElement[float]:
    """Seconds since 1970 by the database's own clock."""
    if session.get_bind().dialect.name == "postgresql":
        return cast(func.extract("epoch", func.clock_timestamp()), Float(53))
    return (func.julianday("now") - JULIAN_1970) * 86400.0


def alive(session: AsyncSession) -> ColumnElement[bool]:
    """Of a `Process`: whether it lives."""
    return Process.alive_until > clock(session)


async def register(
    session: AsyncSession,
    host: str,
    pid: int,
    *,
    roles: Sequence[str],
    seconds: float,
    now: datetime,
) -> int:
    """Enters a process that has begun; answers its key. It lives for `seconds` without a word."""
    until = await session.scalar(select(clock(session) + seconds))
    process = Process(host=host, pid=pid, roles=list(roles), started_at=now, alive_until=until)
    session.add(process)
    await session.flush()
    silent = delete(Process).where(Process.alive_until < clock(session) - REMEMBERED)
    await session.execute(silent.execution_options(synchronize_session=False))
    return process.id


async def say_alive(session: AsyncSession, process_id: int, seconds: float) -> bool:
    """It lives for so many seconds from now on; False if it has long been forgotten."""
    done = await session.execute(
        update(Process)
        .where(Process.id == process_id)
        .values(alive_until=clock(session) + seconds)
        .execution_options(synchronize_session=False)
    )
    return bool(getattr(done, "rowcount", 0))


async def bury(session: AsyncSession, process_ids: Collection[int]) -> None:
    """They live no more: what they held is free, and what they left is taken over."""
    if not process_ids:
        return
    await session.execute(
        update(Process)
        .where(Process.id.in_(process_ids))
        .values(alive_until=clock(session))
        .execution_options(synchronize_session=False)
    )
    await session.execute(delete(Share).where(Share.process_id.in_(process_ids)))


async def living(session: AsyncSession) -> list[Process]:
    """The oldest first."""
    found = await session.scalars(select(Process).where(alive(session)).order_by(Process.id))
    return list(found)


# Leases


def sender_of(bot_id: int) -> str:
    """The lease of whoever sends by a bot."""
    return f"sender:{bot_id}"


def _held(session: AsyncSession) -> ColumnElement[bool]:
    """Of a `Lease`: whether whoever has it lives."""
    return Lease.process_id.in_(select(Process.id).where(alive(session)))


async def holders(session: AsyncSession) -> dict[str, int]:
    """What is held -> by which living process."""
    rows = await session.execute(select(Lease.name, Lease.process_id).where(_held(session)))
    return {row.name: row.process_id for row in rows}


async def take(
    session: AsyncSession, process_id: int, names: Collection[str], now: datetime
) -> set[str]:
    """Takes what of these is free; answers what the process holds of them now."""
    if not names:
        return set()
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    rows = [{"name": name, "process_id": process_id, "taken_at": now} for name in sorted(names)]
    fresh = dialect.insert(Lease).values(rows)
    taken = fresh.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={"process_id": fresh.excluded.process_id, "taken_at": fresh.excluded.taken_at},
        where=or_(Lease.process_id.is_(None), ~_held(session)),
    )
    await session.execute(taken)
    held = await holders(session)
    return {name for name in names if held.get(name) == process_id}


async def holds(session: AsyncSession, process_id: int, name: str) -> bool:
    """Whether the process may still do what it took."""
    found = await session.scalar(
        select(Lease.name).where(Lease.name == name, Lease.process_id == process_id, _held(session))
    )
    return found is not None


async def give_up(session: AsyncSession, process_id: int, names: Collection[str]) -> None:
    """Others may have them at once."""
    await session.execute(
        update(Lease)
        .where(Lease.process_id == process_id, Lease.name.in_(names))
        .values(process_id=None)
        .execution_options(synchronize_session=False)
    )


# Shares of what a bot may send


@dataclass(frozen=True, slots=True)
class Wish:
    """Messages a second that a process has to send directly."""

    process_id: int
    wanted: float


async def wish(session: AsyncSession, bot_id: int, process_id: int, wanted: float) -> float | None:
    """Says what a process has to send by a bot; answers what it may, None: nobody has said yet."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    fresh = dialect.insert(Share).values(bot_id=bot_id, process_id=process_id, wanted=wanted)
    said = fresh.on_conflict_do_update(
        index_elements=[Share.bot_id, Share.process_id], set_={"wanted": fresh.excluded.wanted}
    )
    granted: float | None = await session.scalar(said.returning(Share.granted))
    return granted


async def wishes(session: AsyncSession, bot_id: int, but: int) -> list[Wish]:
    """Of the living processes other than one."""
    rows = await session.execute(
        select(Share.process_id, Share.wanted)
        .join(Process, Process.id == Share.process_id)
        .where(Share.bot_id == bot_id, Share.process_id != but, alive(session))
        .order_by(Share.process_id)
    )
    return [Wish(*row) for row in rows]


async def grant(session: AsyncSession, bot_id: int, process_id: int, rate: float) -> None:
    """What a process may send by a bot, in messages a second."""
    await session.execute(
        update(Share)
        .where(Share.bot_id == bot_id, Share.process_id == process_id)
        .values(granted=rate)
        .execution_options(synchronize_session=False)
    )

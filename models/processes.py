"""What runs: the bots of the city, the processes that serve them, and who of these does what.

Whatever only one process may do at a time is a `Lease`. It is held as long as its process lives,
which is a matter of the database's clock alone: the clocks of machines differ, and jump.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Float, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key

FIRST_BOT = 1
"""The number of the first bot of a city, which most have alone."""


class Bot(Base):
    """One of the city's bots on Telegram: an account belongs to the one it spoke to last."""

    __tablename__ = "bot"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    telegram_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    username: Mapped[str | None] = mapped_column(String(64))


class Process(Base):
    """A running `muster run`. Keys are never used again: what a dead one held bears its key."""

    __tablename__ = "process"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    roles: Mapped[list[str]]
    started_at: Mapped[datetime]
    alive_until: Mapped[float] = mapped_column(Float(53))
    """Seconds since 1970 by the database's clock; later than now: it lives."""


class Lease(Base):
    """What one process at a time does: "scheduler", "sender:1", ..."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(48), primary_key=True)
    process_id: Mapped[int | None] = mapped_column(Key)
    """Whoever held it last; free as soon as that process is dead."""
    taken_at: Mapped[datetime]


class Share(Base):
    """What a process may send directly by a bot, of the messages a second that Telegram permits."""

    __tablename__ = "share"

    bot_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    process_id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    wanted: Mapped[float] = mapped_column(Float(53))
    """Messages a second that it has to send."""
    granted: Mapped[float | None] = mapped_column(Float(53))
    """Messages a second; None until the bot's sender has seen it."""

"""Browsers that are logged in to the console."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Keyed


class LoginWay(StrEnum):
    LINK = "link"
    MINI_APP = "mini_app"


class Look(StrEnum):
    """Light or dark, as the browser says or as somebody chose."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class ConsoleSession(Base):
    """A log-in: offered as a link or by Telegram, opened once, then known by a cookie."""

    __tablename__ = "console_session"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    way: Mapped[LoginWay] = mapped_column(choice(LoginWay))
    ticket_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    """Of the link's secret, or of what Telegram signed: each opens once."""
    cookie_hash: Mapped[str | None] = mapped_column(Keyed(), unique=True)
    browser: Mapped[str] = mapped_column(String(60), default="")
    """Browser and system as far as they say, to tell one's sessions apart."""
    look: Mapped[Look] = mapped_column(choice(Look), default=Look.AUTO)
    made_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """Kept to the minute."""
    ended_at: Mapped[datetime | None]


class SavedFilter(Base):
    """What somebody looks for among the volunteers again and again, under a name of their own."""

    __tablename__ = "saved_filter"
    __table_args__ = (UniqueConstraint("person_id", "name"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str] = mapped_column(String(40))
    wanted: Mapped[dict[str, Any]]
    """As `services.directory.Wanted` writes it."""
    saved_at: Mapped[datetime]

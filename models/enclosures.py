"""Photos and voice messages that belong to something: a report, a file, a story, a visit."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import SealedBytes


class EnclosureKind(StrEnum):
    PHOTO = "photo"
    VOICE = "voice"


class Enclosure(Base):
    """One photo or voice message of a thing, `subject` ("incident:5")."""

    __tablename__ = "enclosure"
    __table_args__ = (
        CheckConstraint("(kind = 'voice') = (seconds IS NOT NULL)", "seconds"),
        Index(
            "ix_enclosure_waiting",
            "fetch_at",
            sqlite_where=text("fetch_at IS NOT NULL"),
            postgresql_where=text("fetch_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    subject: Mapped[str] = mapped_column(String(48), index=True)
    kind: Mapped[EnclosureKind] = mapped_column(choice(EnclosureKind))
    telegram_id: Mapped[str] = mapped_column(String(200))
    """Telegram's file id, by which it is shown in chats."""
    seconds: Mapped[int | None] = mapped_column(SmallInteger)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who sent it."""
    at: Mapped[datetime]
    fetch_at: Mapped[datetime | None]
    """When a copy of our own is fetched next; None once it is here, or given up."""
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)


class EnclosureContent(Base):
    """The copy of our own, sealed; apart, so that lists need not read it."""

    __tablename__ = "enclosure_content"

    enclosure_id: Mapped[int] = mapped_column(
        ForeignKey("enclosure.id"), primary_key=True, autoincrement=False
    )
    sealed: Mapped[bytes] = mapped_column(SealedBytes)

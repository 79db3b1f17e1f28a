"""What the bot must not forget: updates not yet answered and forms half filled in."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key
from models.sealed import SealedDocument

UNANSWERED = "answered_at IS NULL"


class Inbox(Base):
    """A raw update of a bot, kept from before Telegram is told "received".

    `handled_at` is set in the transaction of the handler, `answered_at` once its answer has gone
    out; a row with the first and without the second after a crash means that its effect stands but
    its answer may be missing. An answered row is emptied, and stays for a while so that the same
    update is known when it comes again. `taken_by` is the process that answers it; what a dead one
    left is taken over by another.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        Index("ix_inbox_chat_id_received_at", "chat_id", "received_at"),
        Index(
            "ix_inbox_unanswered",
            "taken_by",
            "bot_id",
            "update_id",
            sqlite_where=text(UNANSWERED),
            postgresql_where=text(UNANSWERED),
        ),
    )

    bot_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    update_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    taken_by: Mapped[int | None] = mapped_column(Key)
    chat_id: Mapped[int | None] = mapped_column(BigInteger)
    body: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None] = mapped_column(index=True)


class Conversation(Base):
    """A form that somebody is filling in. Answers are sealed: they hold phones and ID numbers."""

    __tablename__ = "conversation"
    __table_args__ = (Index("ix_conversation_account_active", "account_id", "active"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    form: Mapped[str] = mapped_column(String(48))
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    """What the form is about, where it is about something that exists."""
    field: Mapped[str] = mapped_column(String(48))
    answers: Mapped[dict[str, Any]] = mapped_column(SealedDocument)
    scratch: Mapped[dict[str, Any]] = mapped_column(SealedDocument)
    """How far the present question has got: page, search, what is ticked."""
    correcting: Mapped[bool] = mapped_column(Boolean, default=False)
    """A single answer is being corrected; the summary follows."""
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]

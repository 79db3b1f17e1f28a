"""What Muster has to say: a message once, a delivery per recipient, and the receipt of each.

A delivery's history is its own columns plus one `Attempt` for each attempt that went wrong, so
that the usual case, which succeeds at once, costs no second row.
"""

from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.processes import FIRST_BOT


class Lane(IntEnum):
    """Who goes first; the smaller number wins."""

    EMERGENCY = 0
    INTERACTIVE = 1
    TRANSACTIONAL = 2
    BROADCAST = 3


class DeliveryState(StrEnum):
    QUEUED = "queued"
    HELD = "held"
    """Queued, but whoever sends it has paused."""
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    REVOKED = "revoked"
    """No longer true or wanted before it was sent."""


TELEGRAM = "telegram"
"""The channel that everyone starts with; others are named in the settings."""


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of few of the rows, so that it costs nothing to write all the others."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class Message(Base):
    """A template and its parameters, written once for all recipients.

    `subject` ("activity:5") finds again what was sent about a thing, to edit it on the phones.
    """

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    template: Mapped[str] = mapped_column(String(80))
    parameters: Mapped[dict[str, Any]]
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str | None] = mapped_column(String(48), index=True)
    attachment: Mapped[dict[str, Any] | None]
    """{"photo": file id}, {"document": file id}, {"voice": file id}, {"paper": {"name", ...}},
    which is made when it is sent (`bot.papers`), {"location": {"latitude", "longitude"}} or
    {"venue": {"latitude", "longitude", "title", "address"}}."""
    silent: Mapped[bool] = mapped_column(default=False)
    deletes: Mapped[bool] = mapped_column(default=False)
    """Takes the earlier message off the phone; edits it where Telegram refuses."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime | None]
    urgency: Mapped[str | None] = mapped_column(String(24))
    """How soon other channels follow in an emergency, a row of `services.urgency`."""
    origin: Mapped[str | None] = mapped_column(String(40))
    """What it came of, as log lines name it: an update, a sweep's run, a page's request."""


class Delivery(Base):
    """One message to one chat. Narrow, since a broadcast makes as many as there are volunteers.

    Message and person are no foreign keys: checking them would take most of the time of writing
    400,000 rows. Rows are only made by selecting from the tables they point to, and those two lose
    no rows.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        # As IN (...), checking would take half the time of writing 400,000 rows on SQLite.
        CheckConstraint(
            " OR ".join(f"state = '{state.value}'" for state in DeliveryState), name="deliverystate"
        ),
        _partial("ix_delivery_due", "bot_id", "lane", "due_at", "id", where="state = 'queued'"),
        _partial(
            "ix_delivery_dedupe_key", "dedupe_key", where="dedupe_key IS NOT NULL", unique=True
        ),
        _partial("ix_delivery_other_channels", "state", "due_at", where="channel <> 'telegram'"),
        _partial("ix_delivery_failed", "finished_at", where="state = 'failed'"),
        _partial("ix_delivery_emergency", "created_at", where="lane = 0"),
        _partial("ix_delivery_edits_id", "edits_id", where="edits_id IS NOT NULL"),
        Index("ix_delivery_message_id", "message_id"),
        Index("ix_delivery_person_id", "person_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    message_id: Mapped[int] = mapped_column(Key)
    person_id: Mapped[int | None] = mapped_column(Key)
    channel: Mapped[str] = mapped_column(String(16), default=TELEGRAM)
    bot_id: Mapped[int] = mapped_column(SmallInteger, default=FIRST_BOT)
    """The bot that speaks with them, where it goes by Telegram."""
    chat_id: Mapped[int | None] = mapped_column(BigInteger)
    """Telegram's chat; other channels look up the person's address when they send."""
    language: Mapped[str] = mapped_column(String(16))
    lane: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[DeliveryState] = mapped_column(choice(DeliveryState, checked=False))
    parameters: Mapped[dict[str, Any] | None]
    """What differs for this recipient, over the message's parameters."""
    edits_id: Mapped[int | None] = mapped_column(ForeignKey("delivery.id"))
    """The earlier delivery whose message on the phone this one replaces."""
    dedupe_key: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    claimed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    telegram_message_id: Mapped[int | None] = mapped_column(BigInteger)
    possible_duplicate: Mapped[bool] = mapped_column(default=False)
    seen_at: Mapped[datetime | None]
    """When a button under it was first pressed, or its web page opened."""
    reason: Mapped[str | None] = mapped_column(String(200))


class Attempt(Base):
    """An attempt to deliver that went wrong, and why."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), index=True)
    at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(200))


class PaidMessages(Base):
    """How many messages of a local day went out as paid broadcasts, for the spending cap."""

    __tablename__ = "paid_messages"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    count: Mapped[int]


class OptOut(Base):
    """A kind of message that a person does not wish to get."""

    __tablename__ = "opt_out"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    since: Mapped[datetime]

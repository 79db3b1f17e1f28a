"""What is shared with other programs: tokens of the API, webhooks and their events, feeds."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Keyed, Sealed

_IN_USE = text("revoked_at IS NULL")


class Token(Base):
    """Lets a program act in an organisation's subtree, by the rights of the person who made it."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str] = mapped_column(String(64))
    secret_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    ending: Mapped[str] = mapped_column(String(8))
    """The secret's last characters, to tell tokens apart."""
    scopes: Mapped[list[str]]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class KeptAnswer(Base):
    """What a request with an Idempotency-Key was answered, for as long as it may come again."""

    __tablename__ = "api_answer"

    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id"), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    kept_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    """None within the transaction that is answering."""
    body: Mapped[str | None] = mapped_column(Sealed)


class Webhook(Base):
    """An address to which events of an organisation's subtree are sent."""

    __tablename__ = "webhook"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str] = mapped_column(String(64))
    url: Mapped[str] = mapped_column(Sealed)
    kinds: Mapped[list[str]]
    """The kinds of event that it gets."""
    secret: Mapped[str] = mapped_column(Sealed)
    earlier_secret: Mapped[str | None] = mapped_column(Sealed)
    """Signs as well until `earlier_until`, so that a receiver can change over."""
    earlier_until: Mapped[datetime | None]
    made_at: Mapped[datetime]
    enabled: Mapped[bool] = mapped_column(default=True)
    failing_since: Mapped[datetime | None]
    """The first failure since it last took something."""
    disabled_at: Mapped[datetime | None]
    """When it was switched off by itself, after failing for too long."""


class Event(Base):
    """Something that happened and that somebody subscribed to; written where it became true."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    """What receivers know it by; the same with each attempt."""
    kind: Mapped[str] = mapped_column(String(48))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    at: Mapped[datetime] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]
    """Keys, numbers and states; never a name, phone or text of a person."""


class DispatchState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    TAKEN = "taken"
    GIVEN_UP = "given_up"


class Dispatch(Base):
    """One event on its way to one webhook."""

    __tablename__ = "webhook_dispatch"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_dispatch_state_due_at", "state", "due_at"),
        Index("ix_webhook_dispatch_event_id", "event_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id"))
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    state: Mapped[DispatchState] = mapped_column(choice(DispatchState))
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    tried_at: Mapped[datetime | None]
    status: Mapped[int | None]
    """The HTTP status of the last answer; None where there was none."""
    answer: Mapped[str | None] = mapped_column(String(200))
    """The beginning of the last answer, or why there was none."""


class Feed(Base):
    """The secret address of a calendar: a volunteer's own, or an organisation's published one."""

    __tablename__ = "calendar_feed"
    __table_args__ = (
        CheckConstraint("(person_id IS NULL) <> (organisation_id IS NULL)", "whose"),
        Index(
            "ix_calendar_feed_person_in_use", "person_id", unique=True,
            sqlite_where=_IN_USE, postgresql_where=_IN_USE,
        ),
        Index(
            "ix_calendar_feed_organisation_in_use", "organisation_id", unique=True,
            sqlite_where=_IN_USE, postgresql_where=_IN_USE,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    secret: Mapped[str] = mapped_column(Sealed)
    """The end of the address, kept so that it can be shown again."""
    secret_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    digest: Mapped[str] = mapped_column(String(64), default="")
    """Of what it said when it was last looked at, and since when it says so."""
    changed_at: Mapped[datetime]

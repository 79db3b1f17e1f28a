"""Duty: who of a team stands by when, which turns are asked to be swapped, who offers what."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key
from models.sealed import Sealed

_OPEN = text("closed_at IS NULL")


class Duty(Base):
    """One person's turn on duty for a team. Several at once are several rows."""

    __tablename__ = "duty"
    __table_args__ = (
        UniqueConstraint("organisation_id", "person_id", "starts_at"),
        CheckConstraint("ends_at > starts_at", "span"),
        Index("ix_duty_starts_at", "starts_at"),
        Index("ix_duty_ends_at", "ends_at"),
        Index("ix_duty_person_id", "person_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Who answers for it now."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    given_at: Mapped[datetime]
    """When it came to its holder; a reminder that was due before then is not needed."""
    moved: Mapped[bool] = mapped_column(default=False)
    """Came to its holder by a swap or a leader's hand; laying the rota out anew leaves it."""
    ready_at: Mapped[datetime | None]
    """When the holder said that they are ready for it."""
    reminded_day_at: Mapped[datetime | None]
    reminded_hour_at: Mapped[datetime | None]
    gap_told_at: Mapped[datetime | None]
    """When its leaders heard that nobody can be counted on."""
    begun_at: Mapped[datetime | None]
    """When its holder was told that it has begun."""
    taken_over_at: Mapped[datetime | None]
    """When its holder last said that they have taken over and read what was handed over."""
    late_told_at: Mapped[datetime | None]
    """When the one before and the leaders heard that nobody has taken over."""
    note_asked_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Sealed)
    """What the holder handed over at the end; empty where there was nothing special."""
    noted_at: Mapped[datetime | None]


class Swap(Base):
    """The holder of a turn asks one colleague, or all of them, to take it; open until closed."""

    __tablename__ = "duty_swap"
    __table_args__ = (
        Index(
            "ix_duty_swap_open", "duty_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
        Index("ix_duty_swap_duty_id", "duty_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    duty_id: Mapped[int] = mapped_column(ForeignKey("duty.id"))
    asker_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    asked_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """The one colleague who was asked; None for all of them."""
    asked_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Who took the turn; None if nobody did, or a leader gave it to somebody."""
    given_back_id: Mapped[int | None] = mapped_column(ForeignKey("duty.id"))
    """The turn that the asker took in exchange."""


class SwapOffer(Base):
    """Somebody would take the turn in exchange for one of their own, which the asker chooses."""

    __tablename__ = "duty_swap_offer"

    swap_id: Mapped[int] = mapped_column(ForeignKey("duty_swap.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    offered_at: Mapped[datetime]

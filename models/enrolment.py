"""A volunteer's place in a shift, from applying to having been there."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class EnrolmentState(StrEnum):
    APPLIED = "applied"
    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    OFFERED = "offered"
    """A freed place is held for this person until `offer_expires_at`."""
    CANCELLED = "cancelled"
    DECLINED = "declined"
    """The coordinator said no to an application, or the person to an offered place."""
    ATTENDED = "attended"
    NO_SHOW = "no_show"


class Coming(StrEnum):
    """The answer to "still coming?"."""

    YES = "yes"
    NO = "no"


HOLDING_A_PLACE = (
    EnrolmentState.APPLIED,
    EnrolmentState.CONFIRMED,
    EnrolmentState.OFFERED,
    EnrolmentState.ATTENDED,
    EnrolmentState.NO_SHOW,
)
"""States counted in `Shift.taken`."""

ENGAGED = (EnrolmentState.APPLIED, EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)
"""States in which the person's time is spoken for."""


class Enrolment(Base):
    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("shift_id", "person_id"),
        Index("ix_enrolment_person_state", "person_id", "state"),
        Index("ix_enrolment_queue", "shift_id", "state", "queued_at", "id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    state: Mapped[EnrolmentState] = mapped_column(choice(EnrolmentState))
    block_id: Mapped[int | None] = mapped_column(ForeignKey("block.id"), index=True)
    """Of whoever was enrolled together with others."""
    walk_in: Mapped[bool] = mapped_column(default=False)
    queued_at: Mapped[datetime]
    """When they asked for the place; the waitlist goes by it."""
    offer_expires_at: Mapped[datetime | None]
    coming: Mapped[Coming | None] = mapped_column(choice(Coming))
    reconfirm: Mapped[bool] = mapped_column(default=False)
    """The time or place has changed and they have not yet said that it still suits them."""
    reminded_day_at: Mapped[datetime | None]
    reminded_hours_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    cancelled_late: Mapped[bool] = mapped_column(default=False)
    cancel_reason: Mapped[str | None] = mapped_column(String(300))
    excused_at: Mapped[datetime | None]
    """When a no-show or a late cancellation was excused; it no longer counts."""

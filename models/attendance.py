"""Who was there: check-in and check-out, and the hours proposed from them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class Means(StrEnum):
    """How a check-in or check-out was made."""

    CODE = "code"
    LOCATION = "location"
    ROLL = "roll"
    SELF = "self"
    ASSUMED = "assumed"
    """Nobody checked out; the shift's end is taken instead."""
    IMPORTED = "imported"
    """From a file of past hours."""


class HoursState(StrEnum):
    OPEN = "open"
    """Still there."""
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    TRAINING = "training"
    """Was at a course: time of training, which is no service and needs nobody's word."""


class DisputeState(StrEnum):
    OPEN = "open"
    GRANTED = "granted"
    DISMISSED = "dismissed"


class Attendance(Base):
    """One person's presence at one shift; `minutes` is the proposal until it is confirmed."""

    __tablename__ = "attendance"
    __table_args__ = (
        CheckConstraint("checked_out_at >= checked_in_at", "order"),
        CheckConstraint("minutes >= 0", "minutes"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), unique=True)
    checked_in_at: Mapped[datetime]
    in_means: Mapped[Means] = mapped_column(choice(Means, "in_means"))
    in_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    checked_out_at: Mapped[datetime | None]
    out_means: Mapped[Means | None] = mapped_column(choice(Means, "out_means"))
    out_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    state: Mapped[HoursState] = mapped_column(choice(HoursState), index=True)
    minutes: Mapped[int | None]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str | None] = mapped_column(String(300))


class RemoteReport(Base):
    """What somebody says they did at a remote activity; photos and voice are enclosures of it."""

    __tablename__ = "remote_report"

    attendance_id: Mapped[int] = mapped_column(ForeignKey("attendance.id"), primary_key=True)
    text: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]


class Dispute(Base):
    """A volunteer's one objection to a decision about their hours."""

    __tablename__ = "dispute"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attendance_id: Mapped[int] = mapped_column(ForeignKey("attendance.id"), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """The superior organisation that decides."""
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[DisputeState] = mapped_column(choice(DisputeState))
    raised_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    answer: Mapped[str | None] = mapped_column(String(300))

"""What an organisation intends for a year, and what it intends with a single activity."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class PlanState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    SENT_BACK = "sent_back"


class PlanItem(StrEnum):
    """What a plan counts."""

    ACTIVITIES = "activities"
    HOURS = "hours"
    NEW_VOLUNTEERS = "new_volunteers"
    TRAININGS = "trainings"


class Plan(Base):
    """An organisation's plan for a year, which the level above approves."""

    __tablename__ = "plan"
    __table_args__ = (UniqueConstraint("organisation_id", "year"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    year: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[PlanState] = mapped_column(choice(PlanState))
    words: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    submitted_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class PlanTarget(Base):
    """How much of something in a quarter, 1 to 4; hours are whole."""

    __tablename__ = "plan_target"
    __table_args__ = (
        CheckConstraint("quarter BETWEEN 1 AND 4", "quarter"),
        CheckConstraint("number >= 0", "number"),
    )

    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"), primary_key=True)
    item: Mapped[PlanItem] = mapped_column(choice(PlanItem), primary_key=True)
    quarter: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int]


class PlanComment(Base):
    """What the level above and the organisation say to each other about a plan."""

    __tablename__ = "plan_comment"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(String(500))


class Scheme(Base):
    """What is intended with an activity beside its shifts, in words."""

    __tablename__ = "scheme"

    activity_id: Mapped[int] = mapped_column(
        ForeignKey("activity.id"), primary_key=True, autoincrement=False
    )
    aim: Mapped[str] = mapped_column(Text, default="")
    content: Mapped[str] = mapped_column(Text, default="")
    staff: Mapped[str] = mapped_column(Text, default="")
    """Who does what."""
    safety: Mapped[str] = mapped_column(Text, default="")
    budget: Mapped[str] = mapped_column(Text, default="")
    written_at: Mapped[datetime]
    written_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))

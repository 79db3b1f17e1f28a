"""The project library: proposals, what becomes of them, their money, evaluation and sponsors."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Sealed

_NOT_DONE = text("done_at IS NULL AND late_told_at IS NULL")
_COPIES = text("adopted_from_id IS NOT NULL")


class ProjectState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    SENT_BACK = "sent_back"
    APPROVED = "approved"
    RUNNING = "running"
    EVALUATING = "evaluating"
    CLOSED = "closed"
    REFUSED = "refused"


class Project(Base):
    """A proposal, which once it is approved is run, evaluated and closed."""

    __tablename__ = "project"
    __table_args__ = (
        Index("ix_project_state_organisation", "state", "organisation_id"),
        Index(
            "ix_project_copy",
            "adopted_from_id",
            "organisation_id",
            unique=True,
            sqlite_where=_COPIES,
            postgresql_where=_COPIES,
        ),
        CheckConstraint("until_day >= from_day", "days"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str] = mapped_column(String(12), unique=True)
    """By which anybody finds it in the catalogue."""
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    leader_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who proposed it, or leads it since; None where they had their data erased."""
    field_id: Mapped[int] = mapped_column(ForeignKey("service_field.id"))
    state: Mapped[ProjectState] = mapped_column(choice(ProjectState))
    title: Mapped[str] = mapped_column(String(80))
    serves: Mapped[str] = mapped_column(String(200))
    """Whom it is for."""
    why: Mapped[str] = mapped_column(Text)
    what: Mapped[str] = mapped_column(Text)
    from_day: Mapped[date | None] = mapped_column(Date)
    until_day: Mapped[date | None] = mapped_column(Date)
    made_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    evaluating_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    results: Mapped[str] = mapped_column(Text, default="")
    """What came of it, as its leader sums it up."""
    brand_at: Mapped[datetime | None]
    """Since when it is a brand project."""
    promoted_at: Mapped[datetime | None]
    """Since when every town may adopt a copy."""
    adopted_from_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    seeks: Mapped[str] = mapped_column(String(300), default="")
    """What it seeks sponsors for; empty when it does not."""


class Milestone(Base):
    __tablename__ = "milestone"
    __table_args__ = (
        Index(
            "ix_milestone_due",
            "due_on",
            sqlite_where=_NOT_DONE,
            postgresql_where=_NOT_DONE,
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    title: Mapped[str] = mapped_column(String(100))
    due_on: Mapped[date | None] = mapped_column(Date)
    """None in an adopted copy until its own days are given."""
    done_at: Mapped[datetime | None]
    late_told_at: Mapped[datetime | None]


class BudgetLine(Base):
    __tablename__ = "budget_line"
    __table_args__ = (CheckConstraint("cents > 0 AND spent >= 0", "amounts"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    cents: Mapped[int] = mapped_column(BigInteger)
    spent: Mapped[int] = mapped_column(BigInteger, default=0)
    """The sum of its spendings in cents, raised and lowered with them by UPDATE."""


class Spending(Base):
    """Money that was spent; the receipts' photos are enclosures of "spending:<id>"."""

    __tablename__ = "spending"
    __table_args__ = (CheckConstraint("cents > 0", "amount"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("budget_line.id"), index=True)
    cents: Mapped[int] = mapped_column(BigInteger)
    what: Mapped[str] = mapped_column(String(200))
    day: Mapped[date] = mapped_column(Date)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who noted it."""
    at: Mapped[datetime]


class Indicator(Base):
    """By what a project wants to be measured."""

    __tablename__ = "indicator"
    __table_args__ = (CheckConstraint("weight BETWEEN 1 AND 9", "weight"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    target: Mapped[str] = mapped_column(String(80))
    weight: Mapped[int] = mapped_column(SmallInteger)


class ProjectVoice(StrEnum):
    """Who evaluates."""

    LEADER = "leader"
    RECIPIENT = "recipient"
    REVIEWER = "reviewer"


class ProjectEvaluation(Base):
    """What one person thinks of a project; recipients stay nameless."""

    __tablename__ = "project_evaluation"
    __table_args__ = (
        UniqueConstraint("project_id", "once"),
        CheckConstraint("voice <> 'recipient' OR person_id IS NULL", "nameless"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    voice: Mapped[ProjectVoice] = mapped_column(choice(ProjectVoice))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    once: Mapped[str] = mapped_column(String(64))
    """What may evaluate a project but once: the leader, a reviewer, a browser, a personal link."""
    words: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]


class ProjectScore(Base):
    __tablename__ = "project_score"
    __table_args__ = (CheckConstraint("score BETWEEN 1 AND 5", "score"),)

    evaluation_id: Mapped[int] = mapped_column(
        ForeignKey("project_evaluation.id"), primary_key=True
    )
    indicator_id: Mapped[int] = mapped_column(ForeignKey("indicator.id"), primary_key=True)
    score: Mapped[int] = mapped_column(SmallInteger)


class ProjectSaid(StrEnum):
    """What an entry in a project's history is: words, or a step with or without some."""

    COMMENT = "comment"
    SUBMITTED = "submitted"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    SENT_BACK = "sent_back"
    REFUSED = "refused"
    LED = "led"
    """Somebody else took the lead."""


class ProjectComment(Base):
    """What proposer and reviewers say to each other, and the decisions in between."""

    __tablename__ = "project_comment"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    what: Mapped[ProjectSaid] = mapped_column(choice(ProjectSaid))
    words: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]


class SponsorshipState(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class Sponsorship(Base):
    """An offer to a project; only its leader reads who offers what and how to reach them."""

    __tablename__ = "sponsorship"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None for somebody who is not signed up."""
    state: Mapped[SponsorshipState] = mapped_column(choice(SponsorshipState))
    name: Mapped[str] = mapped_column(Sealed)
    offer: Mapped[str] = mapped_column(Sealed)
    contact: Mapped[str] = mapped_column(Sealed)
    words: Mapped[str] = mapped_column(Text, default="")
    """What the leader answered."""
    offered_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]

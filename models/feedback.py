"""What people say of activities and of each other: ratings, appraisals, objections, complaints."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.attendance import DisputeState
from models.base import Base, Key, choice
from models.sealed import Sealed


class RatedBy(StrEnum):
    VOLUNTEER = "volunteer"
    RECIPIENT = "recipient"


class Rating(Base):
    """One person's stars for an activity: a volunteer's for a shift, or a recipient's by a link."""

    __tablename__ = "rating"
    __table_args__ = (
        CheckConstraint("stars BETWEEN 1 AND 5", "stars"),
        CheckConstraint("(rated_by = 'volunteer') = (enrolment_id IS NOT NULL)", "volunteer"),
        CheckConstraint("(rated_by = 'recipient') = (visitor IS NOT NULL)", "recipient"),
        UniqueConstraint("activity_id", "visitor"),
        Index("ix_rating_activity_rated_by", "activity_id", "rated_by"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    activity_id: Mapped[int] = mapped_column(ForeignKey("activity.id"))
    rated_by: Mapped[RatedBy] = mapped_column(choice(RatedBy))
    enrolment_id: Mapped[int | None] = mapped_column(ForeignKey("enrolment.id"), unique=True)
    visitor: Mapped[str | None] = mapped_column(String(64))
    """Keyed hash of a recipient's browser, so that it counts once."""
    stars: Mapped[int] = mapped_column(SmallInteger)
    words: Mapped[str | None] = mapped_column(Sealed)
    at: Mapped[datetime]


class Mark(StrEnum):
    """Whether somebody who led a shift would like to have a volunteer again."""

    AGAIN = "again"
    FINE = "fine"
    TALK = "talk"
    """Somebody should talk with them first."""


class Appraisal(Base):
    """What a leader says of a volunteer after a shift; private, and the volunteer's on request."""

    __tablename__ = "appraisal"
    __table_args__ = (UniqueConstraint("enrolment_id", "appraiser_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    appraiser_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    mark: Mapped[Mark] = mapped_column(choice(Mark))
    words: Mapped[str | None] = mapped_column(Sealed)
    at: Mapped[datetime]


class Excuse(Base):
    """A volunteer's one objection to a no-show or a late cancellation that counts against them."""

    __tablename__ = "excuse"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), unique=True)
    text: Mapped[str] = mapped_column(Sealed)
    state: Mapped[DisputeState] = mapped_column(choice(DisputeState))
    raised_at: Mapped[datetime] = mapped_column(index=True)
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    answer: Mapped[str | None] = mapped_column(Sealed)


class About(StrEnum):
    PERSON = "person"
    ACTIVITY = "activity"
    ORGANISATION = "organisation"
    OTHER = "other"


class Naming(StrEnum):
    """Who may learn whose complaint it is."""

    OPEN = "open"
    HANDLER = "handler"
    """Whoever handles it, but not the one complained about."""
    NOBODY = "nobody"


class ComplaintState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    """Its author is content."""


class Complaint(Base):
    """A complaint or a suggestion, in the hands of one organisation at a time."""

    __tablename__ = "complaint"
    __table_args__ = (
        CheckConstraint("(about = 'activity') = (activity_id IS NOT NULL)", "activity"),
        Index("ix_complaint_organisation_state", "organisation_id", "state"),
        Index("ix_complaint_state_due", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """None once the author's data have been erased."""
    about: Mapped[About] = mapped_column(choice(About))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who is complained about, where that is known: never among those who handle it."""
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    concerned_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """The organisation in which it happened."""
    first_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """The organisation that had to answer it first."""
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    """The one that handles it now."""
    naming: Mapped[Naming] = mapped_column(choice(Naming))
    words: Mapped[str] = mapped_column(Sealed)
    state: Mapped[ComplaintState] = mapped_column(choice(ComplaintState))
    raised_at: Mapped[datetime] = mapped_column(index=True)
    due_at: Mapped[datetime]
    warned_at: Mapped[datetime | None]
    """When its handlers were reminded of the present `due_at`."""
    late_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it first was not answered in time."""
    answered_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it was first answered."""
    answered_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    appealed_at: Mapped[datetime | None]
    """When its author asked the level above to look again; once."""


class RemarkKind(StrEnum):
    ANSWER = "answer"
    QUESTION = "question"
    """To the one complained about."""
    SIDE = "side"
    """Their side of it."""
    APPEAL = "appeal"


class Remark(Base):
    """What is said in the course of a complaint."""

    __tablename__ = "complaint_remark"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    complaint_id: Mapped[int] = mapped_column(ForeignKey("complaint.id"), index=True)
    kind: Mapped[RemarkKind] = mapped_column(choice(RemarkKind))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    to_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Of a question: who is asked."""
    words: Mapped[str] = mapped_column(Sealed)
    at: Mapped[datetime]

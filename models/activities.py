"""Activities and their shifts: what is done, where, when, and by how many."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, as_of, choice
from models.marks import MarkKind


class ActivityState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class Confirmation(StrEnum):
    """How an enrolment becomes certain."""

    AUTOMATIC = "automatic"
    BY_HAND = "by_hand"


USUAL_RADIUS = 300
"""Metres."""


class Activity(Base):
    __tablename__ = "activity"
    __table_args__ = (
        CheckConstraint("radius BETWEEN 20 AND 20000", "radius"),
        CheckConstraint("remote = (latitude IS NULL) AND remote = (longitude IS NULL)", "remote"),
        Index("ix_activity_state_organisation", "state", "organisation_id"),
        Index(
            "ix_activity_imported",
            "organisation_id",
            "title",
            sqlite_where=text("import_id IS NOT NULL"),
            postgresql_where=text("import_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("service_field.id"), index=True)
    state: Mapped[ActivityState] = mapped_column(choice(ActivityState))
    title: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(String(255))
    remote: Mapped[bool] = mapped_column(default=False)
    """Served from anywhere: no place, hours by a report."""
    address: Mapped[str] = mapped_column(String(200))
    """Empty for a remote one."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    radius: Mapped[int] = mapped_column(default=USUAL_RADIUS)
    """Metres round the place within which a shared location counts as being there."""
    enrolment_deadline: Mapped[datetime | None]
    confirmation: Mapped[Confirmation] = mapped_column(choice(Confirmation))
    bring: Mapped[str] = mapped_column(String(300), default="")
    contact: Mapped[str] = mapped_column(String(200), default="")
    created_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None] = mapped_column(String(300))
    copied_from_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import.id"))
    """The file that past hours came from; nobody ever enrolled for such an activity."""
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"), index=True)
    changed_at: Mapped[datetime | None] = mapped_column(default=as_of("created_at"), index=True)
    """When it or its shifts last changed, for programs that keep in step."""


class Shift(Base):
    """One post at one time in an activity.

    `taken` counts the enrolments that hold a place. It is raised by a conditional UPDATE only, and
    the database refuses a value above the quota, so that no crowd can overfill a shift.
    """

    __tablename__ = "shift"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", "order"),
        CheckConstraint("quota >= 1", "quota"),
        CheckConstraint("taken >= 0 AND taken <= quota", "taken"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    activity_id: Mapped[int] = mapped_column(ForeignKey("activity.id"), index=True)
    title: Mapped[str] = mapped_column(String(60), default="")
    starts_at: Mapped[datetime] = mapped_column(index=True)
    ends_at: Mapped[datetime]
    quota: Mapped[int]
    taken: Mapped[int] = mapped_column(default=0)
    least_age: Mapped[int] = mapped_column(default=0)
    mark: Mapped[MarkKind | None] = mapped_column(choice(MarkKind, "shift_mark"))
    """Only for volunteers who bear it."""


class ShiftSkill(Base):
    __tablename__ = "shift_skill"

    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"), primary_key=True)
    skill_id: Mapped[int] = mapped_column(ForeignKey("skill.id"), primary_key=True)


class ShiftQualification(Base):
    __tablename__ = "shift_qualification"

    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"), primary_key=True)
    kind_id: Mapped[int] = mapped_column(ForeignKey("qualification_kind.id"), primary_key=True)


class ShiftLanguage(Base):
    """A language or dialect that everyone on the shift must speak."""

    __tablename__ = "shift_language"

    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"), primary_key=True)
    spoken_language_id: Mapped[int] = mapped_column(
        ForeignKey("spoken_language.id"), primary_key=True
    )

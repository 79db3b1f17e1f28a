"""What protects people while they serve: insurance, safety briefings, reports of incidents."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Sealed


class Cover(StrEnum):
    """Whom an insurance covers."""

    EVERYBODY = "everybody"
    """Who is registered with the organisation or below it."""
    LISTED = "listed"
    """Who is on its list."""
    ACTIVITY = "activity"
    """Who takes part in one activity."""


class Insurance(Base):
    """A policy that an organisation has taken out; both days are included."""

    __tablename__ = "insurance"
    __table_args__ = (
        CheckConstraint("until_day >= from_day", "order"),
        CheckConstraint("(cover = 'activity') = (activity_id IS NOT NULL)", "activity"),
        Index("ix_insurance_organisation_id_until_day", "organisation_id", "until_day"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    cover: Mapped[Cover] = mapped_column(choice(Cover))
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"), index=True)
    insurer: Mapped[str] = mapped_column(String(80))
    number: Mapped[str] = mapped_column(String(80))
    covers: Mapped[str] = mapped_column(String(300))
    """What for, in words: accidents, liability, how much."""
    from_day: Mapped[date] = mapped_column(Date)
    until_day: Mapped[date] = mapped_column(Date)
    recorded_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    recorded_at: Mapped[datetime]
    warned_at: Mapped[datetime | None]
    """When those concerned were told that it ends soon."""
    ended_at: Mapped[datetime | None]
    """Recorded by mistake, or given up: it covers nobody any more."""


class Insured(Base):
    """Somebody on the list of an insurance."""

    __tablename__ = "insured"

    insurance_id: Mapped[int] = mapped_column(ForeignKey("insurance.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    since: Mapped[datetime]


class Safety(Base):
    """What is said of the risks of an activity; most have none worth saying."""

    __tablename__ = "safety"

    activity_id: Mapped[int] = mapped_column(
        ForeignKey("activity.id"), primary_key=True, autoincrement=False
    )
    dangerous: Mapped[bool] = mapped_column(default=False)
    """Nobody takes part without insurance."""
    briefing: Mapped[str] = mapped_column(Text, default="")
    """What one reads and acknowledges before checking in; none if empty."""
    changed_at: Mapped[datetime]


class Acknowledgement(Base):
    """Somebody has read the safety briefing of the activity in which they have a place."""

    __tablename__ = "acknowledgement"

    enrolment_id: Mapped[int] = mapped_column(
        ForeignKey("enrolment.id"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime]
    """Counts for what the briefing said then."""


class IncidentKind(StrEnum):
    INJURY = "injury"
    ILLNESS = "illness"
    DAMAGE = "damage"
    CONFLICT = "conflict"
    NEAR_MISS = "near_miss"
    OTHER = "other"


class Gravity(StrEnum):
    MINOR = "minor"
    SERIOUS = "serious"
    """Somebody needs a doctor, or the activity stops."""


class IncidentState(StrEnum):
    OPEN = "open"
    TAKEN = "taken"
    CLOSED = "closed"


class Incident(Base):
    """What went wrong, as told from a shift; photos are enclosures of "incident:<id>"."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_organisation_id_state", "organisation_id", "state"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"), index=True)
    reporter_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[IncidentKind] = mapped_column(choice(IncidentKind))
    gravity: Mapped[Gravity] = mapped_column(choice(Gravity))
    text: Mapped[str] = mapped_column(Sealed)
    state: Mapped[IncidentState] = mapped_column(choice(IncidentState))
    reported_at: Mapped[datetime]
    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    taken_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    raised_at: Mapped[datetime | None]
    """When the level above was told that nobody had taken it on."""


class IncidentNote(Base):
    """What was done about an incident, step by step."""

    __tablename__ = "incident_note"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id"), index=True)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Sealed)

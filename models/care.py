"""Care for others: files of recipients, circles of volunteers, visits, alerts, help asked for.

What is known of a recipient is sealed, all of it; beside it stand the kind of recipient, about
where they live, and a keyed hash by which they are found again.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Keyed, Sealed, SealedDocument


class CareCategory(StrEnum):
    """Whom a file is about."""

    ALONE = "alone"
    """Older people living alone."""
    LEFT_BEHIND = "left_behind"
    """Children whose parents work elsewhere."""
    DISABLED = "disabled"
    NEWCOMERS = "newcomers"
    """Children of people who have come to work here."""
    ILL = "ill"
    HARDSHIP = "hardship"
    OTHER = "other"


class ConsentBy(StrEnum):
    """Who agreed that the file is kept."""

    THEMSELVES = "themselves"
    FAMILY = "family"
    GUARDIAN = "guardian"


class Circle(StrEnum):
    """As what a volunteer belongs to a recipient's circle."""

    NEIGHBOUR = "neighbour"
    YOUNG = "young"
    COMMUNITY = "community"
    SOCIAL_WORKER = "social_worker"


class PairingState(StrEnum):
    ASKED = "asked"
    ACTIVE = "active"
    DECLINED = "declined"
    ENDED = "ended"


class VisitState(StrEnum):
    DUE = "due"
    DONE = "done"
    MISSED = "missed"
    NO_ANSWER = "no_answer"
    CANCELLED = "cancelled"


class Wellbeing(StrEnum):
    """How a visitor found them."""

    WELL = "well"
    NEEDS = "needs"
    WORRIED = "worried"


class AlertEnd(StrEnum):
    """How an alert ended."""

    WELL = "well"
    HELPED = "helped"
    """They were found in need and are being looked after."""


class HelpKind(StrEnum):
    ERRAND = "errand"
    ESCORT = "escort"
    HOUSEWORK = "housework"
    REPAIR = "repair"
    COMPANY = "company"
    TUTORING = "tutoring"
    OTHER = "other"


class HelpFor(StrEnum):
    """For whom help is asked."""

    MYSELF = "myself"
    FAMILY = "family"
    NEIGHBOUR = "neighbour"


class HelpState(StrEnum):
    OPEN = "open"
    MATCHED = "matched"
    DONE = "done"
    THANKED = "thanked"
    CANCELLED = "cancelled"


class HelpAnswer(StrEnum):
    ASKED = "asked"
    YES = "yes"
    NO = "no"
    TOLD_OFF = "told_off"
    """Somebody else was chosen, or the request has ended."""


class Recipient(Base):
    """A person or household that receives care: the protected care file."""

    __tablename__ = "care_recipient"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    category: Mapped[CareCategory] = mapped_column(choice(CareCategory))
    details: Mapped[dict[str, Any] | None] = mapped_column(SealedDocument)
    """{"name", "phone", "address", "needs", "heed", "contact_name", "contact_phone"}; None once
    they are erased."""
    phone_hash: Mapped[str | None] = mapped_column(Keyed(), index=True)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    """About where they live, rounded to about 100 m."""
    skills: Mapped[list[int]]
    """Keys of the skills that their circle had better have."""
    consent_by: Mapped[ConsentBy] = mapped_column(choice(ConsentBy))
    consent_at: Mapped[datetime]
    opened_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


class CareAccess(Base):
    """Somebody may see a file, since when and why; given case by case."""

    __tablename__ = "care_access"
    __table_args__ = (
        Index(
            "ix_care_access_open",
            "recipient_id",
            "person_id",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("care_recipient.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    granted_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """The person themselves where they took it, with a reason."""
    reason: Mapped[str | None] = mapped_column(Sealed)
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class Pairing(Base):
    """A volunteer in a recipient's circle, from being asked on."""

    __tablename__ = "pairing"
    __table_args__ = (UniqueConstraint("recipient_id", "person_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("care_recipient.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    circle: Mapped[Circle] = mapped_column(choice(Circle))
    state: Mapped[PairingState] = mapped_column(choice(PairingState))
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Rhythm(Base):
    """Standing visits: every so many days or on days of the week, within hours of the local day."""

    __tablename__ = "care_rhythm"
    __table_args__ = (
        CheckConstraint("(every_days IS NULL) <> (weekdays IS NULL)", "either"),
        CheckConstraint("every_days BETWEEN 1 AND 92", "every_days"),
        CheckConstraint("weekdays BETWEEN 1 AND 127", "weekdays"),
        CheckConstraint("from_minute >= 0 AND until_minute > from_minute", "hours"),
    )

    recipient_id: Mapped[int] = mapped_column(
        ForeignKey("care_recipient.id"), primary_key=True, autoincrement=False
    )
    every_days: Mapped[int | None] = mapped_column(SmallInteger)
    weekdays: Mapped[int | None] = mapped_column(SmallInteger)
    """7 bits, Monday the lowest."""
    from_minute: Mapped[int] = mapped_column(SmallInteger)
    until_minute: Mapped[int] = mapped_column(SmallInteger)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who always comes; None where the circle takes turns."""
    next_on: Mapped[date] = mapped_column(Date, index=True)
    """The first local day for which no visit has been laid down yet."""


class Visit(Base):
    """One visit, ahead or over; `starts_at` to `ends_at` is when it is expected."""

    __tablename__ = "care_visit"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", "order"),
        CheckConstraint("minutes >= 0", "minutes"),
        Index(
            "ix_care_visit_planned",
            "recipient_id",
            "starts_at",
            unique=True,
            sqlite_where=text("planned AND state <> 'cancelled'"),
            postgresql_where=text("planned AND state <> 'cancelled'"),
        ),
        Index("ix_care_visit_state_ends_at", "state", "ends_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("care_recipient.id"), index=True)
    planned: Mapped[bool]
    """By the rhythm; else a visit that was noted without one."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Whose turn it is; None where there is nobody yet."""
    state: Mapped[VisitState] = mapped_column(choice(VisitState))
    wellbeing: Mapped[Wellbeing | None] = mapped_column(choice(Wellbeing))
    note: Mapped[str | None] = mapped_column(Sealed)
    minutes: Mapped[int | None] = mapped_column(SmallInteger)
    noted_at: Mapped[datetime | None]
    attendance_id: Mapped[int | None] = mapped_column(ForeignKey("attendance.id"))
    """The hours that were proposed for it."""
    reminded_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    """When the visitor was asked, after the time was over, whether they had been there."""
    offered_at: Mapped[datetime | None]
    """When the circle was asked who could go instead."""
    told_at: Mapped[datetime | None]
    """When the coordinators heard that nobody goes."""


class CareAlert(Base):
    """Nobody answers the door: open until somebody says how they are."""

    __tablename__ = "care_alert"
    __table_args__ = (
        Index(
            "ix_care_alert_open",
            "recipient_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("care_recipient.id"), index=True)
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("care_visit.id"))
    raised_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    raised_at: Mapped[datetime]
    level_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    """The organisation up to which its coordinators have been told."""
    told_at: Mapped[datetime]
    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    taken_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    end: Mapped[AlertEnd | None] = mapped_column(choice(AlertEnd))


class CareMonth(Base):
    """The activity to which an organisation's hours of care belong, month by month."""

    __tablename__ = "care_month"

    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, autoincrement=False
    )
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    """Its first day."""
    activity_id: Mapped[int] = mapped_column(ForeignKey("activity.id"))


class HelpRequest(Base):
    """Help that somebody asked for, in chat or by telephone; they need not be registered."""

    __tablename__ = "help_request"
    __table_args__ = (
        Index("ix_help_request_state", "state", "organisation_id"),
        CheckConstraint("minutes >= 0", "minutes"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    """Who asked in chat; None for a call that a coordinator noted."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who asked, where they are registered: also somebody whose number called."""
    noted_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[HelpKind] = mapped_column(choice(HelpKind))
    whom: Mapped[HelpFor] = mapped_column(choice(HelpFor))
    details: Mapped[dict[str, Any] | None] = mapped_column(SealedDocument)
    """{"name", "what", "when", "address", "phone"}; None once it is over for long, or erased."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    state: Mapped[HelpState] = mapped_column(choice(HelpState))
    asked_at: Mapped[datetime]
    helper_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    recipient_id: Mapped[int | None] = mapped_column(ForeignKey("care_recipient.id"), index=True)
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    matched_at: Mapped[datetime | None]
    minutes: Mapped[int | None] = mapped_column(SmallInteger)
    attendance_id: Mapped[int | None] = mapped_column(ForeignKey("attendance.id"))
    done_at: Mapped[datetime | None]
    confirmed: Mapped[bool | None]
    """Whether they who asked say that it was done."""
    thanked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """When it was confirmed, thanked for or cancelled, whichever came last."""
    waiting_told_at: Mapped[datetime | None]
    """When the coordinators were reminded that it waits."""


class HelpAsk(Base):
    """A volunteer who was asked whether they can help with a request."""

    __tablename__ = "help_ask"

    request_id: Mapped[int] = mapped_column(
        ForeignKey("help_request.id"), primary_key=True, autoincrement=False
    )
    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False, index=True
    )
    answer: Mapped[HelpAnswer] = mapped_column(choice(HelpAnswer))
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]

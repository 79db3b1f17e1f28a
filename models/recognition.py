"""What service is recognised by: stars, awards, letters of thanks; and who may be named."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Sealed


class AwardRule(StrEnum):
    """Who an award is for; `AwardKind.least` counts what the rule says."""

    NOMINATION = "nomination"
    """Whom others name."""
    HOURS = "hours"
    """So many confirmed hours."""
    YEARS = "years"
    """Registered for so many years, and serving."""
    EMERGENCY = "emergency"
    """On scene at so many call-outs, drills apart."""


class RoundState(StrEnum):
    OPEN = "open"
    SUBMITTED = "submitted"
    APPROVED = "approved"


class RecognitionState(StrEnum):
    NOTICE = "notice"
    """A star was applied for; the public may object."""
    NOMINATED = "nominated"
    PROPOSED = "proposed"
    AWARDED = "awarded"
    REFUSED = "refused"
    REVOKED = "revoked"


def _while(name: str, *columns: str, states: str, column: str) -> Index:
    """No two of a kind at once that are under way or hold."""
    where = text(f"{column} IS NOT NULL AND state IN ({states})")
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


class AwardKind(Base):
    """An award that an organisation gives."""

    __tablename__ = "award_kind"
    __table_args__ = (CheckConstraint("least >= 0", "least"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    rule: Mapped[AwardRule] = mapped_column(choice(AwardRule))
    least: Mapped[int] = mapped_column(default=0)
    """Hours, years or call-outs, by the rule."""
    yearly: Mapped[bool] = mapped_column(default=True)
    """Counts within a calendar year and is given anew each year; else once in a lifetime."""
    created_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class AwardRound(Base):
    """A list of people proposed by a rule: looked through, handed up, approved as a whole."""

    __tablename__ = "award_round"
    __table_args__ = (
        _while(
            "uq_award_round_under_way", "kind_id", states="'open', 'submitted'", column="kind_id"
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind_id: Mapped[int] = mapped_column(ForeignKey("award_kind.id"))
    year: Mapped[int]
    state: Mapped[RoundState] = mapped_column(choice(RoundState))
    opened_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    opened_at: Mapped[datetime]
    submitted_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    submitted_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    remark: Mapped[str | None] = mapped_column(String(300))
    """Why it was sent back."""


class Recognition(Base):
    """A star or an award on its way to somebody, or given to them."""

    __tablename__ = "recognition"
    __table_args__ = (
        CheckConstraint("(star IS NULL) <> (kind_id IS NULL)", "star_or_kind"),
        _while(
            "uq_recognition_star", "person_id", "star", states="'notice', 'awarded'", column="star"
        ),
        _while(
            "uq_recognition_kind",
            "person_id",
            "kind_id",
            "year",
            states="'nominated', 'proposed', 'awarded'",
            column="kind_id",
        ),
        Index("ix_recognition_organisation_state", "organisation_id", "state"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    """That awards it."""
    star: Mapped[int | None] = mapped_column(SmallInteger)
    kind_id: Mapped[int | None] = mapped_column(ForeignKey("award_kind.id"), index=True)
    year: Mapped[int] = mapped_column(default=0)
    """That it is given for; 0 where it is given once in a lifetime."""
    round_id: Mapped[int | None] = mapped_column(ForeignKey("award_round.id"), index=True)
    state: Mapped[RecognitionState] = mapped_column(choice(RecognitionState))
    begun_at: Mapped[datetime]
    notice_until: Mapped[datetime | None]
    proposed_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    awarded_at: Mapped[datetime | None] = mapped_column(index=True)
    remark: Mapped[str | None] = mapped_column(String(300))
    """Why it was refused or revoked."""
    certificate_id: Mapped[int | None] = mapped_column(ForeignKey("certificate.id"))


class Nomination(Base):
    """Why somebody should have an award, in another's words; the nominated sees it when awarded."""

    __tablename__ = "nomination"
    __table_args__ = (UniqueConstraint("recognition_id", "nominator_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    recognition_id: Mapped[int] = mapped_column(ForeignKey("recognition.id"))
    nominator_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    words: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime]


class NoticeObjection(Base):
    """What somebody says against a star on public notice."""

    __tablename__ = "notice_objection"
    __table_args__ = (UniqueConstraint("recognition_id", "person_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    recognition_id: Mapped[int] = mapped_column(ForeignKey("recognition.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    words: Mapped[str] = mapped_column(Sealed)
    at: Mapped[datetime]


class StarBar(Base):
    """Whoever had false hours gets no star for some years; one objection, decided further up."""

    __tablename__ = "star_bar"
    __table_args__ = (CheckConstraint("until_day > from_day", "days"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """That imposed it; the level above decides on an objection."""
    reason: Mapped[str] = mapped_column(Sealed)
    from_day: Mapped[date] = mapped_column(Date)
    until_day: Mapped[date] = mapped_column(Date)
    """The first day on which they may apply again."""
    barred_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    barred_at: Mapped[datetime]
    objection: Mapped[str | None] = mapped_column(Sealed)
    objected_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(Sealed)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    lifted_at: Mapped[datetime | None]


class HonourConsent(Base):
    """Somebody agrees to be named in the list of honours and in their organisations' groups."""

    __tablename__ = "honour_consent"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    version: Mapped[str] = mapped_column(String(24))
    """Of the privacy notice that they agreed to."""
    given_at: Mapped[datetime]


class ThanksLetter(Base):
    """A recipient's thanks to a volunteer. Photos of the letter are its enclosures."""

    __tablename__ = "thanks_letter"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """Theirs when they were thanked."""
    from_whom: Mapped[str] = mapped_column(Sealed)
    words: Mapped[str] = mapped_column(Sealed)
    at: Mapped[datetime]
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class PointsOff(Base):
    """An organisation that shows its volunteers no points, nor do those below it."""

    __tablename__ = "points_off"

    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, autoincrement=False
    )
    since: Mapped[datetime]
    by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))

"""What was certified of somebody's service: numbered, sealed at the moment of issue, revocable."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Keyed, Sealed, SealedDocument


class CertificateKind(StrEnum):
    CERTIFICATE = "certificate"
    """One page that says how much was served, and what."""
    RECORD = "record"
    """The whole service record, line by line."""
    AWARD = "award"
    """A star or an award, which `services.recognition` gives; drawn by nobody for themselves."""


class CertificateScope(StrEnum):
    """Which service it is about."""

    EVERYTHING = "everything"
    PERIOD = "period"
    FIELD = "field"
    ACTIVITY = "activity"


class CertificateState(StrEnum):
    ISSUED = "issued"
    REVOKED = "revoked"
    REPLACED = "replaced"
    """There is a newer version under the same number."""


class RevocationReason(StrEnum):
    """What the page says to anyone; the reason in words is for the volunteer."""

    HOURS = "hours"
    """The hours or activities are not right."""
    IDENTITY = "identity"
    """The personal data are not right."""
    MISUSE = "misuse"
    OTHER = "other"


class Certificate(Base):
    """One version of a certificate or service record.

    `content` is what it said when it was issued, and is never changed: a correction makes a further
    version under the same number. Erasing its holder's data takes `content` and `code` away.
    """

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint("organisation_id", "year", "sequence", "version"),
        UniqueConstraint("number", "version"),
        CheckConstraint("minutes >= 0", "minutes"),
        CheckConstraint("sequence >= 1", "sequence"),
        CheckConstraint("version >= 1", "version"),
        Index(
            "uq_certificate_issued",
            "number",
            unique=True,
            sqlite_where=text("state = 'issued'"),
            postgresql_where=text("state = 'issued'"),
        ),
        Index("ix_certificate_organisation_issued_at", "organisation_id", "issued_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    """The issuing body."""
    year: Mapped[int]
    sequence: Mapped[int]
    """Counts within the body's year, without a gap."""
    version: Mapped[int] = mapped_column(default=1)
    number: Mapped[str] = mapped_column(String(96))
    """As it is printed: the body's code, the year and the sequence."""
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[CertificateKind] = mapped_column(choice(CertificateKind))
    scope: Mapped[CertificateScope] = mapped_column(choice(CertificateScope))
    from_day: Mapped[date | None] = mapped_column(Date)
    until_day: Mapped[date | None] = mapped_column(Date)
    """Local days, both included; of a period only."""
    field_id: Mapped[int | None] = mapped_column(ForeignKey("service_field.id"))
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    language: Mapped[str] = mapped_column(String(16))
    minutes: Mapped[int]
    content: Mapped[dict[str, Any] | None] = mapped_column(SealedDocument)
    code: Mapped[str | None] = mapped_column(Sealed)
    """What its QR code ends in, kept so that the same paper can be printed again."""
    code_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    state: Mapped[CertificateState] = mapped_column(choice(CertificateState))
    issued_at: Mapped[datetime]
    issued_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    replaced_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    revocation: Mapped[RevocationReason | None] = mapped_column(choice(RevocationReason))
    reason: Mapped[str | None] = mapped_column(String(300))
    """In the coordinator's words."""
    erased_at: Mapped[datetime | None]


class CertificateLine(Base):
    """An attendance that a certificate counts, and the minutes it had then."""

    __tablename__ = "certificate_line"
    __table_args__ = (CheckConstraint("minutes > 0", "minutes"),)

    certificate_id: Mapped[int] = mapped_column(ForeignKey("certificate.id"), primary_key=True)
    attendance_id: Mapped[int] = mapped_column(
        ForeignKey("attendance.id"), primary_key=True, index=True
    )
    minutes: Mapped[int]


class CertificateCount(Base):
    """The last number that a body has given in a year; raised by one statement only."""

    __tablename__ = "certificate_count"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
    left_out: Mapped[int] = mapped_column(default=0)
    """Of those, how many no certificate here bears: a backup does not know who has them."""

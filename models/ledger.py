"""The ledger of confirmed hours: added to, never changed, each entry chained to the one before."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class EntryKind(StrEnum):
    CONFIRMATION = "confirmation"
    CORRECTION = "correction"


class LedgerEntry(Base):
    """Confirmed minutes; negative ones only in a correction, which names the entry it corrects.

    No attendance is confirmed twice. An entry names people by key only, so that erasing somebody's
    data leaves the chain whole.
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (
        UniqueConstraint("organisation_id", "sequence"),
        Index("ix_ledger_entry_person_served_at", "person_id", "served_at"),
        Index(
            "uq_ledger_entry_confirmation",
            "attendance_id",
            unique=True,
            sqlite_where=text("kind = 'confirmation'"),
            postgresql_where=text("kind = 'confirmation'"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    sequence: Mapped[int]
    kind: Mapped[EntryKind] = mapped_column(choice(EntryKind))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    attendance_id: Mapped[int] = mapped_column(ForeignKey("attendance.id"), index=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("service_field.id"))
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_entry.id"))
    minutes: Mapped[int]
    served_at: Mapped[datetime]
    """Start of the service that the minutes stand for."""
    recorded_at: Mapped[datetime]
    recorded_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)

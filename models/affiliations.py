"""Who studies at which school or works for which company, as the school or company confirms it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class AffiliationState(StrEnum):
    ASKED = "asked"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    ENDED = "ended"


class Affiliation(Base):
    """Somebody belongs to a school or company beside their home organisation.

    While it is confirmed, its coordinators see their name, class and hours, and nothing else.
    """

    __tablename__ = "affiliation"
    __table_args__ = (
        UniqueConstraint("organisation_id", "person_id"),
        Index("ix_affiliation_organisation_state", "organisation_id", "state", "department"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    department: Mapped[str] = mapped_column(String(40), default="")
    """Class or department."""
    state: Mapped[AffiliationState] = mapped_column(choice(AffiliationState))
    asked_at: Mapped[datetime]
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class AffiliationLink(Base):
    """A link by which a class or department joins with one press each."""

    __tablename__ = "affiliation_link"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    department: Mapped[str] = mapped_column(String(40), default="")
    code: Mapped[str] = mapped_column(String(16), unique=True)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

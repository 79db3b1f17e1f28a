"""Families, classes, company teams and friends who sign up together, and the places they took."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class PartyKind(StrEnum):
    FAMILY = "family"
    CLASS = "class"
    COMPANY = "company"
    FRIENDS = "friends"


class Party(Base):
    """Some who go together; the head invites, and enrols those who have agreed to it."""

    __tablename__ = "party"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[PartyKind] = mapped_column(choice(PartyKind))
    name: Mapped[str] = mapped_column(String(40))
    head_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """The head's own when it was founded."""
    key: Mapped[str] = mapped_column(String(16))
    """Stands in the link that invites; a new one makes the old link open nothing."""
    founded_at: Mapped[datetime]
    dissolved_at: Mapped[datetime | None]


class PartyState(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    LEFT = "left"
    """Said no, went, or was taken off."""


class PartyMember(Base):
    __tablename__ = "party_member"

    party_id: Mapped[int] = mapped_column(ForeignKey("party.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    state: Mapped[PartyState] = mapped_column(choice(PartyState))
    since: Mapped[datetime]
    """When this state began."""
    ward: Mapped[bool] = mapped_column(default=False)
    """A child whom the head registered as the guardian, and speaks for."""


class Block(Base):
    """Places of a shift that a group asked for at once: all get one, or all wait."""

    __tablename__ = "block"
    __table_args__ = (Index("ix_block_shift_party", "shift_id", "party_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"))
    party_id: Mapped[int] = mapped_column(ForeignKey("party.id"), index=True)
    head_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    """Who enrolled them, and may cancel for all."""
    name: Mapped[str] = mapped_column(String(40))
    size: Mapped[int]
    """How many were enrolled; some may have cancelled since."""
    at: Mapped[datetime]

"""How ready somebody who may be called in emergencies is, and what they can bring."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, choice


class Equipment(StrEnum):
    """What somebody can bring along."""

    CAR = "car"
    BOAT = "boat"
    CHAINSAW = "chainsaw"
    DRONE = "drone"
    GENERATOR = "generator"
    RADIO = "radio"


class Readiness(Base):
    """One row for whoever agreed to be called; it stays when they pause."""

    __tablename__ = "readiness"
    __table_args__ = (
        CheckConstraint("reach BETWEEN 1 AND 500", "reach"),
        Index("ix_readiness_ask_at", "ask_at"),
    )

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    reach: Mapped[int | None]
    """Kilometres from home that they are willing to go; None for any."""
    when_critical: Mapped[bool] = mapped_column(default=False)
    """May be called in their excluded hours as well where lives are at stake."""
    confirmed_at: Mapped[datetime]
    """When they last said, or showed by an answer, that they are ready."""
    ask_at: Mapped[datetime | None]
    """When to ask whether they still are; None while unanswered for too long."""
    asks: Mapped[int] = mapped_column(default=0)
    """How often they were asked since they last answered."""


class PersonEquipment(Base):
    __tablename__ = "person_equipment"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    kind: Mapped[Equipment] = mapped_column(choice(Equipment), primary_key=True, index=True)

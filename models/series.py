"""Knowledge cards: series that people subscribe to, one card at a time, with quizzes between."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class Series(Base):
    """Cards on one matter. Those of an organisation are for everybody in its subtree."""

    __tablename__ = "series"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Of those that come with the city's files."""
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    emoji: Mapped[str] = mapped_column(String(8), default="")
    names: Mapped[dict[str, str]]
    about: Mapped[dict[str, str]]
    published: Mapped[bool] = mapped_column(default=False)
    edited: Mapped[bool] = mapped_column(default=False)
    """People have changed it, so the city's file does not set it any more."""


class CardKind(StrEnum):
    CARD = "card"
    QUIZ = "quiz"


class SeriesCard(Base):
    """A card, or a quiz between cards.

    `texts` by language: {"title", "text"} of a card, {"question", "options": [...], "why"} of a
    quiz, whose right option has the index `correct`.
    """

    __tablename__ = "series_card"
    __table_args__ = (
        UniqueConstraint("series_id", "position"),
        CheckConstraint("(kind = 'quiz') = (correct IS NOT NULL)", "correct"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    position: Mapped[int]
    kind: Mapped[CardKind] = mapped_column(choice(CardKind))
    texts: Mapped[dict[str, Any]]
    correct: Mapped[int | None] = mapped_column(SmallInteger)


class Subscription(Base):
    """Somebody gets a series, a card every `every` days at a local hour."""

    __tablename__ = "subscription"
    __table_args__ = (
        CheckConstraint("hour BETWEEN 0 AND 23", "hour"),
        Index(
            "ix_subscription_due",
            "next_at",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), primary_key=True, index=True)
    hour: Mapped[int] = mapped_column(SmallInteger)
    every: Mapped[int] = mapped_column(SmallInteger, default=1)
    reached: Mapped[int] = mapped_column(default=0)
    """Position of the last card they got."""
    since: Mapped[datetime]
    next_at: Mapped[datetime | None]
    """None once there are no more cards, until one is added."""


class CardAnswer(Base):
    """What somebody answered to a quiz; the first press counts."""

    __tablename__ = "card_answer"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    card_id: Mapped[int] = mapped_column(ForeignKey("series_card.id"), primary_key=True, index=True)
    chosen: Mapped[int] = mapped_column(SmallInteger)
    at: Mapped[datetime]

"""Days that an organisation keeps every year: volunteers' days and its own."""

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key


class VolunteerDay(Base):
    """A day of the year, for everybody in the organisation's subtree."""

    __tablename__ = "volunteer_day"
    __table_args__ = (
        CheckConstraint("month BETWEEN 1 AND 12", "month"),
        CheckConstraint("day BETWEEN 1 AND 31", "day"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Of those that come with the city's files."""
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    month: Mapped[int] = mapped_column(SmallInteger)
    day: Mapped[int] = mapped_column(SmallInteger)
    names: Mapped[dict[str, str]]
    thanks: Mapped[dict[str, str] | None]
    """By language, what is proposed to be written on the day to all who have served."""
    edited: Mapped[bool] = mapped_column(default=False)
    """People have changed it, so the city's file does not set it any more."""
    reminded_year: Mapped[int | None] = mapped_column(SmallInteger)
    """For the day of which year coordinators were reminded last."""

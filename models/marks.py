"""What kind of volunteer somebody is, and which social worker looks after whom at an activity."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, choice


class MarkKind(StrEnum):
    """Their bits in `Trait.marks` are in this order, so add at the end."""

    CORE = "core"
    """A long-serving volunteer, the backbone (骨干志愿者)."""
    SOCIAL_WORKER = "social_worker"
    """A professional who is paired with volunteers (社工+义工)."""
    STUDENT = "student"
    ONLINE = "online"
    """Serves from home as well."""


class PersonMark(Base):
    """A mark that somebody bears, since when, and who gave it; students mark themselves."""

    __tablename__ = "person_mark"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    kind: Mapped[MarkKind] = mapped_column(choice(MarkKind), primary_key=True, index=True)
    since: Mapped[datetime]
    by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    note: Mapped[str] = mapped_column(String(200), default="")
    """For coordinators: the licence of a social worker, or why somebody is a core volunteer."""


class Tandem(Base):
    """A social worker and a volunteer who serve side by side at an activity."""

    __tablename__ = "tandem"
    __table_args__ = (CheckConstraint("worker_id <> volunteer_id", "two"),)

    activity_id: Mapped[int] = mapped_column(ForeignKey("activity.id"), primary_key=True)
    volunteer_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    worker_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    at: Mapped[datetime]
    by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))

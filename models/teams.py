"""Rescue teams: their posts, who fills them, their equipment, and what drills leave to be mended.

The team itself is an `Organisation` of the kind rescue team.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Keyed

_STANDS = text("state <> 'left'")
_KEPT = text("removed_at IS NULL")


class MemberState(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    LEFT = "left"
    """Left, was taken off, or did not accept."""


class ThingState(StrEnum):
    OK = "ok"
    REPAIR = "repair"
    MISSING = "missing"


class TeamPost(Base):
    """A post of a team: how many are wanted in it, and what each of them must have."""

    __tablename__ = "team_post"
    __table_args__ = (
        CheckConstraint("wanted > 0", "wanted"),
        CheckConstraint("on_duty >= 0", "on_duty"),
        Index(
            "ix_team_post_name",
            "organisation_id",
            "key",
            unique=True,
            sqlite_where=_KEPT,
            postgresql_where=_KEPT,
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    names: Mapped[dict[str, str]]
    key: Mapped[str] = mapped_column(String(80))
    """The name folded, which no other post of the team has."""
    wanted: Mapped[int]
    on_duty: Mapped[int] = mapped_column(default=0)
    """How many of them each turn on duty must have."""
    qualifications: Mapped[list[int]]
    skills: Mapped[list[int]]
    removed_at: Mapped[datetime | None]


class TeamMember(Base):
    """Somebody in a team, beside the organisation in which they are registered.

    Whoever is registered in the team itself has a row only if they have a post.
    """

    __tablename__ = "team_member"
    __table_args__ = (
        Index(
            "ix_team_member_stands",
            "organisation_id",
            "person_id",
            unique=True,
            sqlite_where=_STANDS,
            postgresql_where=_STANDS,
        ),
        Index("ix_team_member_person_id", "person_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    post_id: Mapped[int | None] = mapped_column(ForeignKey("team_post.id"), index=True)
    state: Mapped[MemberState] = mapped_column(choice(MemberState))
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    invited_at: Mapped[datetime]
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]


class TeamLink(Base):
    """The link by which one may join a team; a new one takes the place of the one before."""

    __tablename__ = "team_link"

    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, autoincrement=False
    )
    code_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class TeamEquipment(Base):
    """So many of one thing that a team keeps in one place."""

    __tablename__ = "team_equipment"
    __table_args__ = (
        CheckConstraint("count > 0", "count"),
        CheckConstraint("interval > 0", "interval"),
        Index("ix_team_equipment_organisation_id", "organisation_id"),
        Index("ix_team_equipment_next_check_on", "next_check_on"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    names: Mapped[dict[str, str]]
    count: Mapped[int]
    place: Mapped[str] = mapped_column(String(120), default="")
    state: Mapped[ThingState] = mapped_column(choice(ThingState))
    interval: Mapped[int | None]
    """Days from one check to the next; None where it needs none."""
    next_check_on: Mapped[date | None] = mapped_column(Date)
    told_on: Mapped[date | None] = mapped_column(Date)
    """For which check its leaders have been told that it is due."""
    removed_at: Mapped[datetime | None]


class EquipmentCheck(Base):
    """Somebody looked a thing over."""

    __tablename__ = "equipment_check"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    equipment_id: Mapped[int] = mapped_column(ForeignKey("team_equipment.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime]


class DrillTask(Base):
    """What a drill, or the real thing, has shown is to be mended: by whom and until when."""

    __tablename__ = "drill_task"
    __table_args__ = (
        Index("ix_drill_task_organisation_id", "organisation_id"),
        Index("ix_drill_task_due_on", "due_on"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    """The team."""
    callout_id: Mapped[int | None] = mapped_column(ForeignKey("callout.id"), index=True)
    what: Mapped[str] = mapped_column(String(300))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    """Who is to see to it; None for the leaders."""
    due_on: Mapped[date] = mapped_column(Date)
    noted_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    noted_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

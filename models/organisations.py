"""The tree of organisations, who holds a role in it, and the chats that belong to it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice


class OrganisationKind(StrEnum):
    FEDERATION = "federation"
    TOWN_ASSOCIATION = "town_association"
    COMMUNITY_STATION = "community_station"
    DEPARTMENT = "department"
    SCHOOL = "school"
    ENTERPRISE = "enterprise"
    SOCIAL_ORGANISATION = "social_organisation"
    RESCUE_TEAM = "rescue_team"
    SERVICE_BASE = "service_base"


class RoleKind(StrEnum):
    CORE_VOLUNTEER = "core_volunteer"
    """Bare membership of a team, not given any more; core volunteers bear a mark instead."""
    TEAM_LEADER = "team_leader"
    COORDINATOR = "coordinator"
    COMMANDER = "commander"
    ADMINISTRATOR = "administrator"


class Organisation(Base):
    """A node of the tree.

    `path` names the way down from the root as "1.5.12." (ids, each with a dot behind), so that a
    subtree is one range of an index: `path LIKE '1.5.%'`.
    """

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90", "latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", "longitude"),
        CheckConstraint("population > 0", "population"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[OrganisationKind] = mapped_column(choice(OrganisationKind))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    path: Mapped[str] = mapped_column(String(255), default="", index=True)
    names: Mapped[dict[str, str]]
    place: Mapped[dict[str, str] | None]
    """What people call the area ("石岐街道"), where that differs from the organisation's name."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    weight: Mapped[float] = mapped_column(default=1.0)
    """Share of the city's people, for demonstrations and plans; not a rule."""
    population: Mapped[int | None]
    """People who live in its area, of whom a share is to be registered; None where not known."""
    approves_registrations: Mapped[bool] = mapped_column(default=False)
    asks_id_number: Mapped[bool] = mapped_column(default=False)
    edited: Mapped[bool] = mapped_column(default=False)
    """Its names and place were changed by people, so the city's file does not set them any more."""
    head: Mapped[str | None] = mapped_column(String(64))
    contact: Mapped[str | None] = mapped_column(String(200))
    """Who heads it, and how it is reached, as its certificates say."""
    ledger_length: Mapped[int] = mapped_column(default=0)
    ledger_head: Mapped[str] = mapped_column(String(64), default="")
    """Hash of the newest ledger entry of this organisation's chain."""


class Role(Base):
    """A role that a person holds in an organisation and its whole subtree."""

    __tablename__ = "role"
    __table_args__ = (UniqueConstraint("person_id", "organisation_id", "kind"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    kind: Mapped[RoleKind] = mapped_column(choice(RoleKind))
    granted_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    granted_at: Mapped[datetime]


class Group(Base):
    """A Telegram group or channel in which an organisation announces its activities."""

    __tablename__ = "group"
    __table_args__ = (Index("ix_group_active", "organisation_id", "left_at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    chat_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    title: Mapped[str] = mapped_column(String(255))
    language: Mapped[str] = mapped_column(String(16))
    registered_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    bound_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


class RallyPoint(Base):
    """Where an organisation's people gather in emergencies, kept for the day of a call-out."""

    __tablename__ = "rally_point"
    __table_args__ = (
        UniqueConstraint("organisation_id", "name"),
        CheckConstraint("latitude BETWEEN -90 AND 90", "latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", "longitude"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str] = mapped_column(String(80))
    note: Mapped[str] = mapped_column(String(200), default="")
    """How one gets in, who has the key: for commanders, not for those who are called."""
    latitude: Mapped[float]
    longitude: Mapped[float]


class Claim(Base):
    """A one-time code that makes its bearer the first administrator; kept only as a hash."""

    __tablename__ = "claim"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

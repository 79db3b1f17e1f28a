"""The tree of organisations, who holds a role in it, and the chats that belong to it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.processes import FIRST_BOT
from models.sealed import Keyed


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
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", "quiet"),
        CheckConstraint("rest_minutes >= 0", "rest"),
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
    quiet_from: Mapped[int | None] = mapped_column(SmallInteger)
    quiet_until: Mapped[int | None] = mapped_column(SmallInteger)
    """Minutes of the local day between which its people are told nothing that can wait; both equal:
    never quiet. None: as the nearest above that says it, else as the city's policy."""
    rest_minutes: Mapped[int | None]
    """After a call in which its people are asked later than others; None: in the same way."""
    closed_at: Mapped[datetime | None]
    """It takes nothing new any more; what it did stays."""
    edited: Mapped[bool] = mapped_column(default=False)
    """Its names and place were changed by people, so the city's file does not set them any more."""
    head: Mapped[str | None] = mapped_column(String(64))
    contact: Mapped[str | None] = mapped_column(String(200))
    """Who heads it, and how it is reached, as its certificates say."""
    ledger_length: Mapped[int] = mapped_column(default=0)
    ledger_head: Mapped[str] = mapped_column(String(64), default="")
    """Hash of the newest ledger entry of this organisation's chain."""


class TreeChange(StrEnum):
    """What somebody asks for in the tree."""

    FOUND = "found"
    JOIN = "join"
    """An organisation that exists outside comes in; who asks becomes its administrator."""
    TRANSFER = "transfer"
    CLOSE = "close"


class RequestState(StrEnum):
    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ChecklistReminder(Base):
    """The local days on which an organisation was reminded of what it lacks: once a day at most."""

    __tablename__ = "checklist_reminder"
    __table_args__ = ({"sqlite_with_rowid": False},)

    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, autoincrement=False
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)


class OrganisationRequest(Base):
    """A change in the tree that the level above decides.

    `below_id` is where the new one is to stand, or the moved one, or where the people of the closed
    one go. A transfer needs a yes of the level that it leaves and of the one that it comes to.
    """

    __tablename__ = "organisation_request"
    __table_args__ = (
        Index(
            "uq_organisation_request_about",
            "organisation_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index(
            "uq_organisation_request_join",
            "asked_by_id",
            unique=True,
            sqlite_where=text("state = 'open' AND change = 'join'"),
            postgresql_where=text("state = 'open' AND change = 'join'"),
        ),
        Index("ix_organisation_request_open", "state", "below_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    change: Mapped[TreeChange] = mapped_column(choice(TreeChange))
    state: Mapped[RequestState] = mapped_column(choice(RequestState))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    """The one that is moved or closed; the new one once it is there."""
    below_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    said: Mapped[dict[str, Any]]
    """Of a new one: its kind, name, place, head and contact; of a moved one, what it left."""
    words: Mapped[str] = mapped_column(String(300), default="")
    """Why."""
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    asked_at: Mapped[datetime]
    old_agreed_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    new_agreed_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Of a transfer: who said yes for the level that it leaves, and for the one it comes to."""
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str] = mapped_column(String(300), default="")


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
    bot_id: Mapped[int] = mapped_column(SmallInteger, default=FIRST_BOT)
    """The bot that announces there."""
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
    code_hash: Mapped[str] = mapped_column(Keyed(), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

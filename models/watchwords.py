"""Against a stolen phone: the word that a mass message takes, and roles that are suspended."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.organisations import RoleKind
from models.sealed import Sealed


class Watchword(Base):
    """The word that somebody chose; only a salted hash of it is kept, and that sealed."""

    __tablename__ = "watchword"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    digest: Mapped[str] = mapped_column(Sealed)
    """As `services.watchwords` writes it."""
    chosen_at: Mapped[datetime]
    counts_from: Mapped[datetime]
    """A thief who chooses one must wait until somebody has noticed."""
    wrong: Mapped[int] = mapped_column(default=0)
    """Wrong words since the last right one."""
    locked_until: Mapped[datetime | None]


class SuspendedRole(Base):
    """A role that was taken off somebody whose phone is lost, to be given back by one press."""

    __tablename__ = "suspended_role"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[RoleKind] = mapped_column(choice(RoleKind))
    granted_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    granted_at: Mapped[datetime]
    suspended_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    suspended_at: Mapped[datetime]

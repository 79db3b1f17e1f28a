"""What can be asked of all people at once: narrow copies of what describes each of them.

Kept by `services.traits`, which can make it anew from the other tables at any time.
"""

from datetime import date
from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Document

Mask = BigInteger().with_variant(Integer, "sqlite")
"""63 bits; the bit of a term is its key modulo 63."""


class Trait(Base):
    """An active volunteer. Scanned as a whole to count audiences, hence as narrow as can be.

    What is asked most stands first: SQLite reads a row only as far as it must.
    """

    __tablename__ = "trait"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    organisation_id: Mapped[int]
    reachable: Mapped[bool]
    """Has a Telegram account that can be written to."""
    blocked: Mapped[bool]
    """Has an account, but it can't be written to."""
    refuses: Mapped[int] = mapped_column(SmallInteger)
    """The kinds of message that they opted out of, as bits of `services.traits.KINDS`."""
    paused_until: Mapped[date | None] = mapped_column(Date)
    marks: Mapped[int] = mapped_column(SmallInteger)
    """What kind of volunteer they are, as bits of `MarkKind` in its order."""
    skills: Mapped[int] = mapped_column(Mask)
    active_on: Mapped[date | None] = mapped_column(Date)
    """The last local day on which they wrote or served."""
    born: Mapped[date | None] = mapped_column(Date, index=True)
    interests: Mapped[int] = mapped_column(Mask)
    """The fields that they named, and with each those above and below it."""
    qualifications: Mapped[int] = mapped_column(Mask)
    """Verified ones; whether still valid is looked up where it counts."""
    spoken: Mapped[int] = mapped_column(Mask)
    language: Mapped[str] = mapped_column(String(16))
    minutes: Mapped[int]
    """Confirmed service."""
    enrolled: Mapped[int] = mapped_column(SmallInteger)
    """For how many shifts they ever asked for a place, whatever became of it."""
    attended: Mapped[int] = mapped_column(SmallInteger)
    """At how many shifts they were."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    availability: Mapped[int]
    callable: Mapped[bool]
    """Agreed to be called in emergencies."""


class Telegram(IntEnum):
    """Whether somebody can be written to there."""

    NONE = 0
    REACHABLE = 1
    BLOCKED = 2


class Directory(Base):
    """Somebody as a list finds them: everyone but who was erased, whatever their standing.

    Any search is one scan of this table, or a part of one, so that none can be slow: hence it is
    narrow, and what is asked most stands first.
    """

    __tablename__ = "directory"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    organisation_id: Mapped[int]
    standing: Mapped[int] = mapped_column(SmallInteger)
    """By `services.traits.STANDINGS`."""
    telegram: Mapped[int] = mapped_column(SmallInteger)
    """A `Telegram`."""
    callable: Mapped[bool]
    """Agreed to be called in emergencies."""
    paused_until: Mapped[date | None] = mapped_column(Date)
    marks: Mapped[int] = mapped_column(SmallInteger)
    """As in `Trait`."""
    skills: Mapped[int] = mapped_column(Mask)
    qualifications: Mapped[int] = mapped_column(Mask)
    """Verified ones; whether still valid is looked up where it counts."""
    search: Mapped[str] = mapped_column(Text)
    """The forms of the name and the number, lower case, each with a blank before it."""


class Posting(Base):
    """A skill, document, language or thing of somebody who may be called, in the order of places.

    `attribute` is which of them, by `services.traits`, or 0 for everyone; `cell` the Morton code of
    the place (20 bits an axis), so that a disk is a few ranges of the key. Each row also says what
    else decides whether the person is called, so that hardly anybody is looked up in vain; what
    changes by the hour is not among it.
    """

    __tablename__ = "posting"
    __table_args__ = (
        PrimaryKeyConstraint(
            "attribute", "cell", "person_id",
            postgresql_include=[
                "skills", "qualifications", "spoken", "latitude", "longitude", "organisation_id",
                "born", "silent_from", "silent_for", "when_critical", "reach",
            ],
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    attribute: Mapped[int]
    cell: Mapped[int] = mapped_column(BigInteger)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    skills: Mapped[int] = mapped_column(Mask)
    qualifications: Mapped[int] = mapped_column(Mask)
    spoken: Mapped[int] = mapped_column(Mask)
    latitude: Mapped[float]
    longitude: Mapped[float]
    organisation_id: Mapped[int]
    born: Mapped[date | None] = mapped_column(Date)
    silent_from: Mapped[int] = mapped_column(SmallInteger)
    """The minute of the local day from which they are not to be called."""
    silent_for: Mapped[int] = mapped_column(SmallInteger)
    """For so many minutes, over midnight as well; 0 for never."""
    when_critical: Mapped[bool]
    """May be called then as well where lives are at stake."""
    reach: Mapped[int | None]
    """Kilometres that they are willing to go; None for any."""


class Frequency(Base):
    """How many postings an attribute has, as counted a while ago; only guesses are made from it."""

    __tablename__ = "posting_frequency"

    attribute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    people: Mapped[int]
    places: Mapped[list[list[int]] | None] = mapped_column(Document)
    """For 0, everyone: the coarse cells in which they live, each as [east, north, people]."""

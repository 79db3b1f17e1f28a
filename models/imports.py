"""Files that were brought in: volunteers, organisations and past hours, and what became of them.

What a file says is sealed, in the database, until it has been applied: whichever process goes on
finds it there.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, choice
from models.sealed import Keyed, SealedBytes, SealedDocument


class ImportKind(StrEnum):
    VOLUNTEERS = "volunteers"
    ORGANISATIONS = "organisations"
    HOURS = "hours"


class ImportState(StrEnum):
    UPLOADING = "uploading"
    READING = "reading"
    """The whole file is here; its rows are not taken out yet."""
    MAPPING = "mapping"
    """What its columns mean is proposed, and waits for a person's word."""
    CHECKING = "checking"
    CHECKED = "checked"
    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"
    REFUSED = "refused"
    """It can't be read. `Import.refusal` says why, also for one that a failure has stopped."""


class Import(Base):
    """A file and how far it has come.

    `position` counts the portions that the present state is done with; it is committed with each.
    """

    __tablename__ = "import"
    __table_args__ = (Index("ix_import_state", "state"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[ImportKind] = mapped_column(choice(ImportKind))
    state: Mapped[ImportState] = mapped_column(choice(ImportState))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    """Into whose subtree."""
    author_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    filename: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(default=0)
    """Bytes."""
    head: Mapped[dict[str, Any] | None] = mapped_column(SealedDocument)
    """{"line": of the headings or 0, "cells": [...], "sample": [[...], ...]}"""
    mapping: Mapped[list[str]] = mapped_column(default=list)
    """What each column is, "" for what is passed over."""
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rows: Mapped[int] = mapped_column(default=0)
    portions: Mapped[int] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=0)
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Rows by what they are found to be, or have become: new, filled, known, wrong."""
    refusal: Mapped[str | None] = mapped_column(String(48))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportPiece(Base):
    """A piece of the file as it was sent, sealed; gone once its rows have been taken out."""

    __tablename__ = "import_piece"

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(SealedBytes)


class ImportPortion(Base):
    """Some hundred rows, sealed; once applied, only those at fault are kept."""

    __tablename__ = "import_portion"

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(SealedBytes)
    faults: Mapped[bytes | None] = mapped_column(SealedBytes)
    faulty: Mapped[int] = mapped_column(default=0)
    """How many of its rows are at fault."""


class ImportKey(Base):
    """By what a row names somebody, so that the same person is found again further down the file.

    Keyed hashes of 63 bits; `line` is where the person stands first.
    """

    __tablename__ = "import_key"
    __table_args__ = ({"sqlite_with_rowid": False},)

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), primary_key=True)
    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    line: Mapped[int]
    name: Mapped[int] = mapped_column(BigInteger)
    identity: Mapped[int | None] = mapped_column(BigInteger)
    """Of the ID number, if the row has one."""


class Imported(Base):
    """Somebody who was entered out of a file, and whether they have come for their registration.

    Nobody writes to them before. The code on their slip follows from key file, person and `issue`;
    only its hash is kept.
    """

    __tablename__ = "imported"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    issue: Mapped[int] = mapped_column(default=0)
    code_hash: Mapped[str | None] = mapped_column(Keyed(), unique=True)
    expires_at: Mapped[datetime | None]
    texted_at: Mapped[datetime | None]
    proved_by_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """The account that has shown to be theirs, by the code or by the phone."""
    proved_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]


class ImportedHours(Base):
    """Which line of which file an attendance comes from, so that none is ever counted twice."""

    __tablename__ = "imported_hours"

    attendance_id: Mapped[int] = mapped_column(
        ForeignKey("attendance.id"), primary_key=True, autoincrement=False
    )
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    key: Mapped[str] = mapped_column(Keyed(), unique=True)
    """Of the reference that the file gives, else the same as `service`."""
    service: Mapped[str] = mapped_column(Keyed(), index=True)
    """Hash of organisation, activity, person, day and minutes."""


class ClaimGuess(Base):
    """What somebody typed to find out whom it leads to; so much in an hour, then no more is read.

    `kind` is "code" for a wrong claim code, "number" for a phone or ID number of whoever signs up.
    """

    __tablename__ = "claim_guess"
    __table_args__ = (Index("ix_claim_guess_telegram_id_at", "telegram_id", "at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    telegram_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(8), default="code")
    at: Mapped[datetime]

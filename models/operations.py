"""What operators need to know of the program itself: its errors, and the copies of its data."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key


class ErrorReport(Base):
    """One kind of error, however often it happens. Never what it was about: no words of a person.

    What has happened since `told_at` is `untold`; operators are told of it again at the earliest an
    hour later.
    """

    __tablename__ = "error_report"

    fingerprint: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Of its type and place."""
    kind: Mapped[str] = mapped_column(String(80))
    """The type of what was raised."""
    place: Mapped[str] = mapped_column(String(160))
    """Where: file:line function."""
    version: Mapped[str] = mapped_column(String(32))
    host: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(32))
    origin: Mapped[str | None] = mapped_column(String(40))
    """Of the last one; the log has more under it."""
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(default=0)
    untold: Mapped[int] = mapped_column(default=0)
    told_at: Mapped[datetime | None] = mapped_column(index=True)


class Backup(Base):
    """A copy of the database that was made; `verified_at` is set once it has been restored."""

    __tablename__ = "backup"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    made_at: Mapped[datetime] = mapped_column(index=True)
    file: Mapped[str] = mapped_column(String(200))
    bytes: Mapped[int] = mapped_column(BigInteger)
    verified_at: Mapped[datetime | None]

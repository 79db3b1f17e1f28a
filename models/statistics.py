"""What statistics are read from: narrow counts by organisation and month, and what they rest on.

Kept by `services.counting`, which can make them anew from the other tables at any time, but for
`Membership`: that is the only memory of who was registered where. A month is a number, 12 a year
from the year 0; it is local. A quarter is a month divided by 3.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key


class _OfOrganisation:
    """A row by organisation, and by what else its key says."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, autoincrement=False, sort_order=-2
    )


class _OfMonth(_OfOrganisation):
    month: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, sort_order=-1)


class _OfAttribute(_OfOrganisation):
    attribute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, sort_order=-1)
    """As in `Posting`; 0 for everyone."""


class Membership(Base):
    """Where somebody was registered, from the month `since` on, until before the month `until`.

    What begins and ends within a month only ends up in its flows. Of erased people nothing but the
    key is left, as in the ledger.
    """

    __tablename__ = "membership"
    __table_args__ = ({"sqlite_with_rowid": False},)

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    since: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    until: Mapped[int | None]


class Served(Base):
    """Confirmed minutes of somebody in a month, corrections included."""

    __tablename__ = "served"
    __table_args__ = ({"sqlite_with_rowid": False},)

    person_id: Mapped[int] = mapped_column(
        ForeignKey("person.id"), primary_key=True, autoincrement=False
    )
    month: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    minutes: Mapped[int]


class LedgerMark(_OfOrganisation, Base):
    """Up to which entry of an organisation's chain hours have been counted."""

    __tablename__ = "ledger_mark"

    entries: Mapped[int]


class CountMark(Base):
    """When something was counted last that is counted from time to time."""

    __tablename__ = "count_mark"

    what: Mapped[str] = mapped_column(String(24), primary_key=True)
    at: Mapped[datetime]


class PeopleCount(_OfMonth, Base):
    """How the people registered with an organisation changed in a month."""

    __tablename__ = "people_count"

    new: Mapped[int]
    """For the first time registered anywhere."""
    joined: Mapped[int]
    """Those, and who came from another organisation or came back."""
    left: Mapped[int]
    active: Mapped[int]
    """By how many those have grown who served in this month or the eleven before it."""


class HoursCount(_OfMonth, Base):
    """Confirmed minutes of an organisation's chain, by the month in which they were served."""

    __tablename__ = "hours_count"

    minutes: Mapped[int]


class ActivityCount(_OfMonth, Base):
    """An organisation's shifts that began in a month and were not cancelled.

    Imported ones, for which nobody enrolled, count as activities and shifts alone.
    """

    __tablename__ = "activity_count"

    activities: Mapped[int]
    """Each in the month of its first shift."""
    shifts: Mapped[int]
    places: Mapped[int]
    filled: Mapped[int]
    attended: Mapped[int]
    no_shows: Mapped[int]
    waiting: Mapped[int]
    """Attendances whose hours nobody has decided on."""


class DelayCount(_OfMonth, Base):
    """How long hours waited for their decision, as a histogram of those served in a month."""

    __tablename__ = "delay_count"

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    """The place in `services.counting.BUCKETS`."""
    decisions: Mapped[int]


class CohortCount(_OfOrganisation, Base):
    """Of those who signed up in a quarter, how many served so many quarters `after`; -1: all.

    The organisation is where they are registered, or were last.
    """

    __tablename__ = "cohort_count"

    quarter: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    after: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    people: Mapped[int]


class AbilityCount(_OfAttribute, Base):
    """How many of an organisation's volunteers have a skill or a valid document."""

    __tablename__ = "ability_count"

    people: Mapped[int]


class ReachCount(_OfAttribute, Base):
    """How many who may be called, with a skill or valid document, are within reach of a town."""

    __tablename__ = "reach_count"

    people: Mapped[int]


class MonthlyReport(_OfMonth, Base):
    """That an organisation's report on a month has gone out."""

    __tablename__ = "monthly_report"

    at: Mapped[datetime]


class MeasureCount(_OfMonth, Base):
    """What an organisation did in a month, of one of the measures of `services.measures`."""

    __tablename__ = "measure_count"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(Key)
    """Money is counted in hundredths, hence the size."""

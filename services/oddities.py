"""What looks odd about proposed hours, so that somebody looks before they count.

Whoever shares a place outside of the activity's radius is not checked in at all; what can be seen
afterwards of not having been there is another attendance at the same time.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import aliased

from models import Attendance, Enrolment, HoursState, Means

LONGEST = timedelta(hours=10)
"""At a stretch; nobody serves longer without going home, so a check-out was forgotten."""
SHORTEST = timedelta(minutes=10)


class Odd(StrEnum):
    LONG = "long"
    NO_CHECK_OUT = "no_check_out"
    """The shift's end was taken instead."""
    SHORT = "short"
    """Hardly there, or not at all during the shift."""
    ELSEWHERE = "elsewhere"
    """Checked in somewhere else at the same time."""


def conditions() -> dict[Odd, ColumnElement[bool]]:
    """For a statement that selects from `Attendance` and `Enrolment`."""
    minutes = timedelta(minutes=1)
    return {
        Odd.LONG: Attendance.minutes > LONGEST // minutes,
        Odd.NO_CHECK_OUT: Attendance.out_means == Means.ASSUMED,
        Odd.SHORT: Attendance.minutes < SHORTEST // minutes,
        Odd.ELSEWHERE: _elsewhere().exists(),
    }


def is_odd() -> ColumnElement[bool]:
    return or_(*conditions().values())


def found_in(row: Any) -> list[Odd]:
    """Which of the columns of `columns` are true."""
    return [odd for odd in Odd if getattr(row, odd.value)]


def columns() -> list[Any]:
    return [condition.label(odd.value) for odd, condition in conditions().items()]


def _elsewhere() -> Any:
    other, place = aliased(Attendance), aliased(Enrolment)
    return (
        select(other.id)
        .join(place, place.id == other.enrolment_id)
        .where(
            place.person_id == Enrolment.person_id,
            other.id != Attendance.id,
            other.state != HoursState.REJECTED,
            other.checked_in_at < Attendance.checked_out_at,
            other.checked_out_at > Attendance.checked_in_at,
        )
        .correlate(Attendance, Enrolment)
    )

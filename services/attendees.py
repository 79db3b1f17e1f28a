"""Everyone who has to do with a shift, as a desk lists them: places, applications, the waitlist."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, true

from models import Activity, Attendance, Coming, Enrolment, EnrolmentState, Person, Shift
from services import enrolment, listing, people, requirements, roll, sheets
from services.attendance import WITH_A_PLACE
from services.enrolment import OVER
from services.listing import Slice
from services.roll import Line
from services.work import Work


class Part(StrEnum):
    """What of the roster is shown."""

    ALL = "all"
    """But for those whose enrolment is over."""
    APPLIED = "applied"
    PLACES = "places"
    DOUBTFUL = "doubtful"
    """Has a place, but said no, or nothing when asked whether they come."""
    QUEUE = "queue"
    """Waits for a place, or was offered one."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Attendees:
    """A page of a part; `there` have checked in, `still_in` have not left."""

    shift: Shift
    activity: Activity
    page: Slice[Line]
    counts: dict[Part, int]
    there: int
    still_in: int
    untrained: frozenset[int] = frozenset()
    """Keys of those on the page who lack a training that is asked for here."""


async def listed(
    work: Work, shift_id: int, part: Part, typed: str = "", number: int = 1
) -> Attendees:
    """Those to be decided on first, then by name; the waitlist in its order.

    Raises Gone or NotAllowed.
    """
    shift, activity = await roll.held(work, shift_id)
    counts = await _counts(work, shift_id)
    page = await listing.of(
        work,
        _lines(shift_id).where(_is(part), people.is_named_like(typed) if typed else true()),
        number,
    )
    lines = [Line(*row) for row in page.rows]
    there, still_in = counts.pop("there"), counts.pop("still_in")
    shown = Slice(lines, page.number, page.more)
    by_part = {Part(name): count for name, count in counts.items()}
    lacked = await requirements.lacked(work, shift, activity, [one.person.id for one in lines])
    untrained = frozenset(lacked)
    return Attendees(shift, activity, shown, by_part, there, still_in, untrained)


async def everyone(work: Work, shift_id: int) -> tuple[Shift, Activity, list[Line]]:
    """All with a place, by name, for paper. Raises Gone or NotAllowed."""
    shift, activity = await roll.held(work, shift_id)
    rows = await work.session.execute(_lines(shift_id).where(_is(Part.PLACES)))
    return shift, activity, [Line(*row) for row in rows]


async def rows(work: Work, shift_id: int) -> AsyncIterator[Sequence[Any]]:
    """The whole roster for a spreadsheet: name, number, phone, state, arrival, leaving, minutes,
    state of the hours. Phones as `enrolment.phone_shows`, else empty. Raises Gone or NotAllowed.
    """
    await roll.held(work, shift_id)
    found = _lines(shift_id).with_only_columns(
        Person.name, Person.number, Person.phone, Enrolment.state, Attendance.checked_in_at,
        Attendance.checked_out_at, Attendance.minutes, Attendance.state,
        await enrolment.phone_shows(work),
        maintain_column_froms=True,
    )  # fmt: skip
    async for name, number, phone, *rest, shows in sheets.rows_of(work, found):
        yield (name, number, phone if shows else None, *rest)


def doubt(place: Enrolment) -> str | None:
    """Why a place may stay empty: "no", "changed" (not agreed to) or "silent"; None if it won't."""
    if place.state is not EnrolmentState.CONFIRMED:
        return None
    if place.coming is Coming.NO:
        return "no"
    if place.reconfirm:
        return "changed"
    asked = place.reminded_day_at or place.reminded_hours_at
    return "silent" if asked and place.coming is None else None


def _is(part: Part) -> ColumnElement[bool]:
    conditions: dict[Part, ColumnElement[bool]] = {
        Part.ALL: Enrolment.state.not_in(OVER),
        Part.APPLIED: Enrolment.state == EnrolmentState.APPLIED,
        Part.PLACES: Enrolment.state.in_(WITH_A_PLACE),
        Part.DOUBTFUL: and_(
            Enrolment.state == EnrolmentState.CONFIRMED,
            or_(
                Enrolment.coming == Coming.NO,
                Enrolment.reconfirm,
                and_(
                    Enrolment.coming.is_(None),
                    or_(
                        Enrolment.reminded_day_at.is_not(None),
                        Enrolment.reminded_hours_at.is_not(None),
                    ),
                ),
            ),
        ),
        Part.QUEUE: Enrolment.state.in_((EnrolmentState.WAITLISTED, EnrolmentState.OFFERED)),
        Part.OVER: Enrolment.state.in_(OVER),
    }
    return conditions[part]


def _lines(shift_id: int) -> Any:
    rank = case(
        (Enrolment.state == EnrolmentState.APPLIED, 0),
        (Enrolment.state.in_(WITH_A_PLACE), 1),
        (Enrolment.state == EnrolmentState.OFFERED, 2),
        else_=3,
    )
    queued = case((Enrolment.state == EnrolmentState.WAITLISTED, Enrolment.queued_at))
    return (
        select(Person, Enrolment, Attendance)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Enrolment.shift_id == shift_id)
        .order_by(rank, queued, Person.name_search, Enrolment.id)
    )


async def _counts(work: Work, shift_id: int) -> dict[str, int]:
    def how_many(condition: ColumnElement[bool]) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    still_in = Attendance.id.is_not(None) & Attendance.checked_out_at.is_(None)
    counted = {part.value: how_many(_is(part)) for part in Part}
    counted |= {"there": func.count(Attendance.id), "still_in": how_many(still_in)}
    row = (
        await work.session.execute(
            select(*counted.values())
            .select_from(Enrolment)
            .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
            .where(Enrolment.shift_id == shift_id)
        )
    ).one()
    return {name: int(count) for name, count in zip(counted, row, strict=True)}

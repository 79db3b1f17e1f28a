"""Shifts: the rules that each one keeps, and adding, changing and taking them away.

Who may do so and who is told of it is `planning`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Enrolment,
    EnrolmentState,
    MarkKind,
    QualificationKind,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    ShiftSkill,
    Skill,
    SpokenLanguage,
)
from services import lengths, terms
from services.errors import Gone, Refusal

MOST_PLACES = 10_000
MOST_SHIFTS = 10
"""Of one activity; more do not fit a message."""
MOST_NEEDS = 3
"""Skills, qualifications or languages that one shift requires of each kind."""
LONGEST = timedelta(hours=24)
FARTHEST = timedelta(days=366)
"""Farther ahead a year was mistyped."""
OLDEST = 80
"""Highest least age."""
LONGEST_TITLE = 30
"""Characters of a shift's name."""


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """What a coordinator says of a shift; needs by key."""

    starts_at: datetime
    ends_at: datetime
    quota: int
    title: str = ""
    least_age: int = 0
    skills: tuple[int, ...] = ()
    qualifications: tuple[int, ...] = ()
    languages: tuple[int, ...] = ()
    mark: MarkKind | None = None
    """Only for volunteers who bear it."""

    def moved(self, by: timedelta) -> "ShiftPlan":
        return replace(self, starts_at=self.starts_at + by, ends_at=self.ends_at + by)


def check_span(now: datetime, starts_at: datetime, ends_at: datetime) -> None:
    """Raises Refusal for a time at which no shift can be."""
    if starts_at <= now:
        raise Refusal("plan_past")
    if ends_at <= starts_at:
        raise Refusal("plan_order")
    if ends_at - starts_at > LONGEST:
        raise Refusal("plan_too_long", minutes=LONGEST // timedelta(minutes=1))
    if starts_at - now > FARTHEST:
        raise Refusal("plan_too_far", starts_at=starts_at)


def check_needs(wanted: Sequence[int]) -> None:
    """Raises Refusal for more of one kind than a shift may require."""
    if len(wanted) > MOST_NEEDS:
        raise Refusal("plan_too_many_needs", most=MOST_NEEDS)


def check_deadline(now: datetime, deadline: datetime | None, last_start: datetime | None) -> None:
    """Raises Refusal for a deadline in the past or after the last shift has begun."""
    if deadline is None:
        return
    if deadline <= now:
        raise Refusal("plan_deadline_past")
    if last_start is not None and deadline > last_start:
        raise Refusal("plan_deadline_late", starts_at=last_start)


def check(now: datetime, plan: ShiftPlan) -> None:
    """All rules of a single shift. Raises Refusal."""
    check_span(now, plan.starts_at, plan.ends_at)
    if not 1 <= plan.quota <= MOST_PLACES:
        raise Refusal("plan_quota", most=MOST_PLACES)
    if not 0 <= plan.least_age <= OLDEST:
        raise Refusal("plan_least_age", most=OLDEST)
    lengths.check("post", plan.title, (0, LONGEST_TITLE))
    for wanted in (plan.skills, plan.qualifications, plan.languages):
        check_needs(wanted)


async def check_known(session: AsyncSession, plan: ShiftPlan) -> None:
    """Raises Gone for a need that the city does not know."""
    for kind, keys in _needs_of(plan):
        if len(await terms.by_keys(session, kind, list(keys))) != len(set(keys)):
            raise Gone


def _needs_of(plan: ShiftPlan) -> tuple[tuple[Any, tuple[int, ...]], ...]:
    return (
        (Skill, plan.skills),
        (QualificationKind, plan.qualifications),
        (SpokenLanguage, plan.languages),
    )


async def foreseen(session: AsyncSession, plan: ShiftPlan) -> dict[str, Any]:
    """A shift that is not kept yet, as `activities.describe_shifts` gives those that are."""
    skills, qualifications, languages = [
        [term.names for term in await terms.by_keys(session, kind, list(keys))]
        for kind, keys in _needs_of(plan)
    ]
    return {
        "id": 0,
        "title": plan.title,
        "starts_at": plan.starts_at.isoformat(),
        "ends_at": plan.ends_at.isoformat(),
        "quota": plan.quota,
        "left": None,
        "least_age": plan.least_age,
        "mark": plan.mark,
        "skills": skills,
        "qualifications": qualifications,
        "languages": languages,
    }


async def last_start(session: AsyncSession, activity_id: int) -> datetime | None:
    return await session.scalar(
        select(func.max(Shift.starts_at)).where(Shift.activity_id == activity_id)
    )


async def plan_of(session: AsyncSession, shift: Shift) -> ShiftPlan:
    """What was said of a shift, to copy or correct it."""
    return ShiftPlan(
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        quota=shift.quota,
        title=shift.title,
        least_age=shift.least_age,
        skills=await _keys(session, shift.id, ShiftSkill, ShiftSkill.skill_id),
        qualifications=await _keys(
            session, shift.id, ShiftQualification, ShiftQualification.kind_id
        ),
        languages=await _keys(session, shift.id, ShiftLanguage, ShiftLanguage.spoken_language_id),
        mark=shift.mark,
    )


async def _keys(session: AsyncSession, shift_id: int, link: Any, column: Any) -> tuple[int, ...]:
    found = select(column).where(link.shift_id == shift_id).order_by(column)
    return tuple(await session.scalars(found))


async def add(session: AsyncSession, activity_id: int, plan: ShiftPlan) -> Shift:
    """Raises Refusal("plan_too_many_shifts")."""
    there = await session.scalar(
        select(func.count()).select_from(Shift).where(Shift.activity_id == activity_id)
    )
    if (there or 0) >= MOST_SHIFTS:
        raise Refusal("plan_too_many_shifts", most=MOST_SHIFTS)
    shift = Shift(
        activity_id=activity_id,
        title=plan.title,
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        quota=plan.quota,
        taken=0,
        least_age=plan.least_age,
        mark=plan.mark,
    )
    session.add(shift)
    await session.flush()
    await _write_needs(session, shift.id, plan)
    return shift


async def change(session: AsyncSession, shift: Shift, plan: ShiftPlan) -> None:
    """Raises Refusal("plan_quota_taken") for fewer places than are taken, however late it is."""
    done = await session.execute(
        update(Shift)
        .where(Shift.id == shift.id, Shift.taken <= plan.quota)
        .values(
            title=plan.title,
            starts_at=plan.starts_at,
            ends_at=plan.ends_at,
            quota=plan.quota,
            least_age=plan.least_age,
            mark=plan.mark,
        )
        .execution_options(synchronize_session=False)
    )
    await session.refresh(shift)
    if not getattr(done, "rowcount", 0):
        raise Refusal("plan_quota_taken", taken=shift.taken)
    await _drop_needs(session, shift.id)
    await _write_needs(session, shift.id, plan)


async def remove(session: AsyncSession, shift: Shift) -> None:
    """Raises Refusal("plan_shift_used") once anybody has enrolled: records refer to it."""
    used = select(Enrolment.id).where(Enrolment.shift_id == shift.id).limit(1)
    if await session.scalar(used) is not None:
        raise Refusal("plan_shift_used")
    await _drop_needs(session, shift.id)
    await session.delete(shift)
    await session.flush()


async def waiting(session: AsyncSession, shift_id: int) -> int:
    """How many stand on the waitlist."""
    found = (
        select(func.count())
        .select_from(Enrolment)
        .where(Enrolment.shift_id == shift_id, Enrolment.state == EnrolmentState.WAITLISTED)
    )
    return await session.scalar(found) or 0


async def _write_needs(session: AsyncSession, shift_id: int, plan: ShiftPlan) -> None:
    session.add_all(ShiftSkill(shift_id=shift_id, skill_id=key) for key in plan.skills)
    session.add_all(
        ShiftQualification(shift_id=shift_id, kind_id=key) for key in plan.qualifications
    )
    session.add_all(
        ShiftLanguage(shift_id=shift_id, spoken_language_id=key) for key in plan.languages
    )
    await session.flush()


async def _drop_needs(session: AsyncSession, shift_id: int) -> None:
    for link in (ShiftSkill, ShiftQualification, ShiftLanguage):
        await session.execute(
            delete(link)
            .where(link.shift_id == shift_id)
            .execution_options(synchronize_session="fetch")
        )

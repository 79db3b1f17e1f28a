"""How a project does (绩效评估): what its activities, milestones and money say, beside others.

The others are the projects of the same field of service that run or have ended, anywhere in the
city; of at least `OTHERS` of them the median is shown, and never one of them alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

from sqlalchemy import case, func, select

from models import (
    Activity,
    ActivityState,
    Attendance,
    BudgetLine,
    Enrolment,
    EnrolmentState,
    HoursState,
    Milestone,
    Project,
    ProjectState,
    Shift,
)
from services import projects, ratings
from services.work import Work

OTHERS = 3
"""Projects that must have a value before their median is shown."""
MOST = 200
"""Others that are looked at, the newest first."""
COMPARED = (ProjectState.RUNNING, ProjectState.EVALUATING, ProjectState.CLOSED)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one project; None where there is nothing to be told from."""

    activities: float | None = None
    """Published ones that have begun."""
    volunteers: float | None = None
    """Attendances."""
    hours: float | None = None
    """Confirmed."""
    filled: float | None = None
    """Share of the places of shifts that have begun."""
    recipients: float | None = None
    """Mean of the stars that those gave whom it served."""
    own: float | None = None
    """Mean of the volunteers' stars."""
    in_time: float | None = None
    """Share of the milestones that are due which were reached on their day or before."""
    spent: float | None = None
    """Share of the budget."""


NAMES = tuple(one.name for one in fields(Figures))


@dataclass(frozen=True, slots=True)
class Performance:
    """`middle` is the median of the others, by the names of `Figures`."""

    figures: Figures
    middle: Mapping[str, float]
    others: int


async def of(work: Work, project_id: int) -> Performance:
    """For whoever sees the inside of the project. Raises Gone, NotAllowed."""
    project, _ = await projects.seen(work, project_id)
    alike = await work.session.scalars(
        select(Project.id)
        .where(
            Project.field_id == project.field_id,
            Project.state.in_(COMPARED),
            Project.id != project.id,
        )
        .order_by(Project.id.desc())
        .limit(MOST)
    )
    others = list(alike)
    found = await _figures(work, [project.id, *others])
    return Performance(found[project.id], _middle([found[key] for key in others]), len(others))


def _middle(many: Sequence[Figures]) -> dict[str, float]:
    known = {name: [getattr(one, name) for one in many] for name in NAMES}
    values = {name: [one for one in some if one is not None] for name, some in known.items()}
    return {name: median(some) for name, some in values.items() if len(some) >= OTHERS}


async def _figures(work: Work, keys: Sequence[int]) -> dict[int, Figures]:
    """Of each of these projects, by a handful of statements for all."""
    shifts = await _shifts(work, keys)
    people = await _people(work, keys)
    stars = await _stars(work, keys)
    reached = await _milestones(work, keys)
    money = await _money(work, keys)
    return {
        key: Figures(**shifts.get(key, {}), **people.get(key, {}), **stars.get(key, {}),
                     in_time=reached.get(key), spent=money.get(key))
        for key in keys
    }  # fmt: skip


def _held(work: Work, keys: Sequence[int]) -> tuple[Any, ...]:
    return (
        Activity.project_id.in_(keys),
        Activity.state != ActivityState.CANCELLED,
        Activity.published_at.is_not(None),
        Shift.starts_at <= work.now,
    )


async def _shifts(work: Work, keys: Sequence[int]) -> dict[int, dict[str, float]]:
    rows = await work.session.execute(
        select(
            Activity.project_id,
            func.count(Activity.id.distinct()),
            func.sum(Shift.taken),
            func.sum(Shift.quota),
        )
        .join(Shift, Shift.activity_id == Activity.id)
        .where(*_held(work, keys))
        .group_by(Activity.project_id)
    )
    return {
        key: {"activities": held, "filled": taken / quota}
        for key, held, taken, quota in rows
        if key
    }


async def _people(work: Work, keys: Sequence[int]) -> dict[int, dict[str, float]]:
    confirmed = case((Attendance.state == HoursState.CONFIRMED, Attendance.minutes), else_=0)
    rows = await work.session.execute(
        select(Activity.project_id, func.count(), func.sum(confirmed))
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(*_held(work, keys), Enrolment.state == EnrolmentState.ATTENDED)
        .group_by(Activity.project_id)
    )
    return {
        key: {"volunteers": count, "hours": minutes / 60} for key, count, minutes in rows if key
    }


async def _stars(work: Work, keys: Sequence[int]) -> dict[int, dict[str, float | None]]:
    rows = await work.session.execute(
        select(Activity.project_id, Activity.id).where(Activity.project_id.in_(keys))
    )
    of_project: dict[int, list[int]] = {}
    for key, activity_id in rows:
        of_project.setdefault(key or 0, []).append(activity_id)
    told = await ratings.figures(work, [one for some in of_project.values() for one in some])
    means: dict[int, dict[str, float | None]] = {}
    for key, some in of_project.items():
        both = ratings.together([told[one] for one in some])
        means[key] = {"recipients": both.recipients.mean, "own": both.volunteers.mean}
    return means


async def _milestones(work: Work, keys: Sequence[int]) -> dict[int, float]:
    """By the local day on which they were ticked off."""
    rows = await work.session.execute(
        select(Milestone.project_id, Milestone.due_on, Milestone.done_at).where(
            Milestone.project_id.in_(keys)
        )
    )
    zone = work.policy.zone
    kept: dict[int, list[bool]] = {}
    for key, due_on, done_at in rows:
        if due_on is None:
            continue
        if done_at is not None or due_on < work.today:
            in_time = done_at is not None and done_at.astimezone(zone).date() <= due_on
            kept.setdefault(key, []).append(in_time)
    return {key: sum(some) / len(some) for key, some in kept.items()}


async def _money(work: Work, keys: Sequence[int]) -> dict[int, float]:
    rows = await work.session.execute(
        select(BudgetLine.project_id, func.sum(BudgetLine.spent), func.sum(BudgetLine.cents))
        .where(BudgetLine.project_id.in_(keys))
        .group_by(BudgetLine.project_id)
    )
    return {key: float(spent) / float(cents) for key, spent, cents in rows}

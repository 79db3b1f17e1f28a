"""Activities as they stand: finding them, and what there is to say of one. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Activity,
    ActivityState,
    Organisation,
    QualificationKind,
    ServiceField,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    ShiftSkill,
    Skill,
    SpokenLanguage,
)
from services import access, organisations
from services.delivery import storable
from services.errors import Gone, NotAllowed
from services.work import Work

PAGE = 6
"""Activities on one page of a coordinator's list."""

Names = dict[str, str]


class Heading(StrEnum):
    """The parts of a coordinator's list."""

    DRAFTS = "drafts"
    COMING = "coming"
    PAST = "past"
    """Over, or called off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list; an activity without shifts starts at no time."""

    activity: Activity
    organisation: Names
    starts_at: datetime | None
    taken: int
    quota: int


@dataclass(frozen=True, slots=True)
class Listing:
    heading: Heading
    entries: list[Entry]
    page: int
    pages: int


def subject(activity_id: int) -> str:
    """Under which messages about an activity are found again."""
    return f"activity:{activity_id}"


def is_titled_like(work: Work, typed: str) -> ColumnElement[bool]:
    """The condition that a title contains what was typed, in capitals or not."""
    words = " ".join(typed.split())
    if work.session.get_bind().dialect.name == "sqlite":
        # Its LIKE minds no capitals by itself; lower() would double the time.
        return Activity.title.contains(words, autoescape=True)
    return Activity.title.icontains(words, autoescape=True)


async def planned(work: Work, activity_id: int) -> Activity:
    """An activity that the actor may plan. Raises Gone or NotAllowed."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    await access.require(work, access.Right.PLAN_ACTIVITIES, activity.organisation_id)
    return activity


async def published_shift(work: Work, shift_id: int) -> tuple[Shift, Activity]:
    """A shift that has been published. Raises Gone."""
    row = (
        await work.session.execute(
            select(Shift, Activity)
            .join(Activity, Activity.id == Shift.activity_id)
            .where(Shift.id == shift_id, Activity.state != ActivityState.DRAFT)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    return row[0], row[1]


async def shifts_of(session: AsyncSession, activity_id: int) -> list[Shift]:
    """In order of time, as the database has them now."""
    found = await session.scalars(
        select(Shift)
        .where(Shift.activity_id == activity_id)
        .order_by(Shift.starts_at, Shift.id)
        .execution_options(populate_existing=True)
    )
    return list(found)


async def listed(work: Work, heading: Heading, page: int = 0) -> Listing:
    """A page of what the actor may plan, counted from 0. Raises NotAllowed."""
    tops = await access.organisations_with(work, access.Right.PLAN_ACTIVITIES)
    if not tops:
        raise NotAllowed
    last_end = func.max(Shift.ends_at)
    found = (
        select(
            Activity,
            Organisation.names,
            func.min(Shift.starts_at),
            func.coalesce(func.sum(Shift.taken), 0),
            func.coalesce(func.sum(Shift.quota), 0),
        )
        .join(Organisation, Organisation.id == Activity.organisation_id)
        .outerjoin(Shift, Shift.activity_id == Activity.id)
        .where(or_(false(), *(organisations.within(top.path) for top in tops)))
        .group_by(Activity.id, Organisation.id)
    )
    coming = and_(Activity.state == ActivityState.PUBLISHED, last_end >= work.now)
    conditions: dict[Heading, ColumnElement[bool]] = {
        Heading.DRAFTS: Activity.state == ActivityState.DRAFT,
        Heading.COMING: coming,
        Heading.PAST: and_(Activity.state != ActivityState.DRAFT, not_(coming)),
    }
    found = found.having(conditions[heading])
    total = await work.session.scalar(select(func.count()).select_from(found.subquery())) or 0
    pages = max(1, -(-total // PAGE))
    page = min(max(page, 0), pages - 1)
    first = func.min(Shift.starts_at)
    order = first.desc() if heading is Heading.PAST else first.asc()
    rows = await work.session.execute(
        found.order_by(order, Activity.id).limit(PAGE).offset(page * PAGE)
    )
    entries = [Entry(*row) for row in rows]
    return Listing(heading, entries, page, pages)


async def coming(work: Work) -> list[Activity]:
    """Published ones of the organisations in which the actor may announce, the soonest first."""
    reach = await access.within_reach(work, access.Right.ANNOUNCE, Activity.organisation_id)
    found = await work.session.scalars(
        select(Activity)
        .join(Shift, Shift.activity_id == Activity.id)
        .where(reach, Activity.state == ActivityState.PUBLISHED)
        .group_by(Activity.id)
        .having(func.max(Shift.ends_at) >= work.now)
        .order_by(func.min(Shift.starts_at), Activity.id)
    )
    return list(found)


async def describe(
    session: AsyncSession, activity: Activity, *, counting: bool = True
) -> dict[str, Any]:
    """What volunteers are shown of an activity, as JSON; `templates/activities/_body` writes it.

    With `counting` each shift says how many places are left (`left`); without, as in messages that
    nobody can keep up to date, `left` is None.
    """
    shifts = await shifts_of(session, activity.id)
    described = await describe_shifts(session, shifts, counting=counting)
    return await describe_with(session, activity, described)


async def describe_with(
    session: AsyncSession, activity: Activity, shifts: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The same of an activity that need not be kept anywhere, with shifts that are described."""
    field = await session.get_one(ServiceField, activity.field_id)
    organisation = await session.get_one(Organisation, activity.organisation_id)
    about = {
        "id": activity.id,
        "state": activity.state.value,
        "title": activity.title,
        "description": activity.description,
        "field": field.names,
        "emoji": field.emoji,
        "organisation": organisation.names,
        "remote": activity.remote,
        "address": activity.address,
        "latitude": activity.latitude,
        "longitude": activity.longitude,
        "deadline": activity.enrolment_deadline,
        "confirmation": activity.confirmation.value,
        "bring": activity.bring,
        "contact": activity.contact,
        "cancel_reason": activity.cancel_reason,
        "shifts": list(shifts),
    }
    described: dict[str, Any] = storable(about)
    return described


async def describe_shifts(
    session: AsyncSession, shifts: Sequence[Shift], *, counting: bool = True
) -> list[dict[str, Any]]:
    """Each shift with its needs by name, as JSON."""
    keys = [shift.id for shift in shifts]
    skills = await _needs(session, keys, ShiftSkill, Skill, ShiftSkill.skill_id)
    kinds = await _needs(
        session, keys, ShiftQualification, QualificationKind, ShiftQualification.kind_id
    )
    languages = await _needs(
        session, keys, ShiftLanguage, SpokenLanguage, ShiftLanguage.spoken_language_id
    )
    return [
        {
            "id": shift.id,
            "title": shift.title,
            "starts_at": shift.starts_at.isoformat(),
            "ends_at": shift.ends_at.isoformat(),
            "quota": shift.quota,
            "left": shift.quota - shift.taken if counting else None,
            "least_age": shift.least_age,
            "mark": shift.mark.value if shift.mark else None,
            "skills": skills.get(shift.id, []),
            "qualifications": kinds.get(shift.id, []),
            "languages": languages.get(shift.id, []),
        }
        for shift in shifts
    ]


async def _needs(
    session: AsyncSession, keys: Sequence[int], link: Any, term: Any, column: Any
) -> dict[int, list[Names]]:
    """Shift -> names of what it needs of one kind, in the city's order."""
    if not keys:
        return {}
    rows = await session.execute(
        select(link.shift_id, term.names)
        .join(term, term.id == column)
        .where(link.shift_id.in_(keys))
        .order_by(term.position, term.id)
    )
    needed: dict[int, list[Names]] = {}
    for shift_id, names in rows:
        needed.setdefault(shift_id, []).append(names)
    return needed

"""Looking round: published activities to come, by date, field or town. Changes nothing."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select

from models import Activity, ActivityState, Organisation, OrganisationKind, ServiceField, Shift
from services import organisations
from services.errors import Gone
from services.work import Work

PAGE = 6
"""Activities on one page."""
SATURDAY = 5


class When(StrEnum):
    TODAY = "today"
    TOMORROW = "tomorrow"
    WEEKEND = "weekend"
    WEEK = "week"
    """The next seven days."""
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Listed:
    """An activity in a list with its next shift and the places left in all coming ones."""

    activity: Activity
    emoji: str
    place: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    left: int


@dataclass(frozen=True, slots=True)
class Listing:
    entries: list[Listed]
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Heading:
    """Something to choose by, with how many activities there are under it."""

    key: int
    names: dict[str, str]
    count: int
    emoji: str = ""


def bounds(work: Work, when: When) -> tuple[datetime, datetime | None]:
    """From when until when, in UTC; the weekend is the coming one, or the one that is on."""
    today = work.now.astimezone(work.policy.zone).date()

    def midnight(days: int) -> datetime:
        day = today + timedelta(days=days)
        return datetime.combine(day, time(), tzinfo=work.policy.zone).astimezone(work.now.tzinfo)

    if when is When.TODAY:
        return work.now, midnight(1)
    if when is When.TOMORROW:
        return midnight(1), midnight(2)
    if when is When.WEEKEND:
        to_saturday = SATURDAY - today.weekday()
        return max(work.now, midnight(to_saturday)), midnight(to_saturday + 2)
    if when is When.WEEK:
        return work.now, midnight(7)
    return midnight(7), None


async def by_date(work: Work, when: When, page: int) -> Listing:
    start, end = bounds(work, when)
    conditions = [Shift.starts_at >= start]
    if end is not None:
        conditions.append(Shift.starts_at < end)
    return await _listing(work, page, *conditions)


async def by_field(work: Work, field_id: int, page: int) -> Listing:
    """In a field or one below it."""
    below = select(ServiceField.id).where(ServiceField.parent_id == field_id)
    return await _listing(
        work, page, or_(Activity.field_id == field_id, Activity.field_id.in_(below))
    )


async def by_town(work: Work, organisation_id: int, page: int) -> Listing:
    """Of the town's association and everything below it. Raises Gone."""
    town = await work.session.get(Organisation, organisation_id)
    if town is None:
        raise Gone
    return await _listing(work, page, organisations.within(town.path))


async def _listing(work: Work, page: int, *conditions: Any) -> Listing:
    found = (
        select(
            Activity,
            ServiceField.emoji,
            Organisation.names,
            Organisation.place,
            func.min(Shift.starts_at),
            func.min(Shift.ends_at),
            func.sum(Shift.quota - Shift.taken),
        )
        .join(Shift, Shift.activity_id == Activity.id)
        .join(ServiceField, ServiceField.id == Activity.field_id)
        .join(Organisation, Organisation.id == Activity.organisation_id)
        .where(*_open(work), *conditions)
        .group_by(Activity.id, ServiceField.id, Organisation.id)
    )
    total = await work.session.scalar(select(func.count()).select_from(found.subquery())) or 0
    pages = max(1, -(-total // PAGE))
    page = min(max(page, 0), pages - 1)
    rows = await work.session.execute(
        found.order_by(func.min(Shift.starts_at), Activity.id).limit(PAGE).offset(page * PAGE)
    )
    entries = [
        Listed(activity, emoji, place or names, starts_at, ends_at, int(left))
        for activity, emoji, names, place, starts_at, ends_at, left in rows
    ]
    return Listing(entries, page, pages)


def _open(work: Work) -> tuple[Any, ...]:
    """Published and not yet begun."""
    return Activity.state == ActivityState.PUBLISHED, Shift.starts_at > work.now


async def fields(work: Work) -> list[Heading]:
    """Top fields that have activities to come, with how many."""
    top = func.coalesce(ServiceField.parent_id, ServiceField.id)
    counts = await _counts(work, top, ServiceField, Activity.field_id == ServiceField.id)
    rows = await work.session.scalars(
        select(ServiceField).where(ServiceField.id.in_(counts)).order_by(ServiceField.position)
    )
    return [Heading(row.id, row.names, counts[row.id], row.emoji) for row in rows]


async def towns(work: Work) -> list[Heading]:
    """Towns that have activities to come, with how many; the whole city's come first."""
    counts: dict[int, int] = {}
    by_organisation = await _counts(
        work, Activity.organisation_id, Organisation, Organisation.id == Activity.organisation_id
    )
    for key, count in by_organisation.items():
        organisation = await work.session.get_one(Organisation, key)
        town = await organisations.town_of(work.session, organisation)
        counts[town.id] = counts.get(town.id, 0) + count
    rows = await work.session.scalars(
        select(Organisation)
        .where(
            Organisation.id.in_(counts),
            Organisation.kind.in_((OrganisationKind.TOWN_ASSOCIATION, OrganisationKind.FEDERATION)),
        )
        .order_by(Organisation.path)
    )
    return [Heading(row.id, organisations.area_names(row), counts[row.id]) for row in rows]


async def _counts(work: Work, key: Any, table: Any, joined: Any) -> dict[int, int]:
    rows = await work.session.execute(
        select(key, func.count(func.distinct(Activity.id)))
        .select_from(Activity)
        .join(Shift, Shift.activity_id == Activity.id)
        .join(table, joined)
        .where(*_open(work))
        .group_by(key)
    )
    return {int(found): int(count) for found, count in rows}

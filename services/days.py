"""Days that are kept every year: volunteers' days (5 March, 5 December) and an organisation's own.

Weeks ahead coordinators are reminded to plan, and a thank-you to all who have served lies ready as
a draft: somebody looks at it and sends it off, and it goes out on the morning of the day.
"""

import logging
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from models import Broadcast, Organisation, Person, Role, VolunteerDay
from services import access, audit, broadcasts, delivery, markup, organisations
from services.access import Right
from services.audiences import Audience
from services.broadcasts import Content
from services.delivery import Post
from services.errors import Gone, Refusal
from services.work import Work

log = logging.getLogger(__name__)

KIND = "days"
NOTICE = "notice"
MORNING = time(9)
"""Local; when coordinators are reminded and thanks go out."""
NAME = 40
LEAP_YEAR = 2024


@dataclass(frozen=True, slots=True)
class Described:
    """What a coordinator says of a day; names and thanks by language."""

    month: int
    day: int
    names: Mapping[str, str]
    thanks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Coming:
    """A day, when it is next, and whether the actor may change it."""

    day: VolunteerDay
    on: date
    organisation: dict[str, str]
    own: bool


def next_on(day: VolunteerDay, today: date) -> date:
    """When it is kept next, today included; 29 February on the 28th where there is none."""
    for year in (today.year, today.year + 1):
        last = monthrange(year, day.month)[1]
        on = date(year, day.month, min(day.day, last))
        if on >= today:
            return on
    raise AssertionError("unreachable")


# The calendar


async def coming(work: Work) -> list[Coming]:
    """Those of the organisations in which the actor plans, of those above and below, by date."""
    tops = await access.organisations_with(work, Right.PLAN_ACTIVITIES)
    above = {int(key) for top in tops for key in top.path.split(".") if key}
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, VolunteerDay.organisation_id)
    rows = await work.session.execute(
        select(VolunteerDay, Organisation.names, reach)
        .join(Organisation, Organisation.id == VolunteerDay.organisation_id)
        .where(VolunteerDay.organisation_id.in_(above) | reach)
    )
    found = [Coming(day, next_on(day, work.today), names, bool(own)) for day, names, own in rows]
    return sorted(found, key=lambda one: (one.on, one.day.id))


async def opened(work: Work, day_id: int) -> VolunteerDay:
    """One that the actor may change. Raises Gone, NotAllowed."""
    day = await work.session.get(VolunteerDay, day_id)
    if day is None:
        raise Gone
    await access.require(work, Right.PLAN_ACTIVITIES, day.organisation_id)
    return day


async def add(work: Work, organisation_id: int, said: Described) -> VolunteerDay:
    """Raises NotAllowed, Refusal."""
    await access.require(work, Right.PLAN_ACTIVITIES, organisation_id)
    await organisations.require_open(work, organisation_id)
    day = VolunteerDay(organisation_id=organisation_id, edited=True)
    _put(work, day, said)
    work.session.add(day)
    await work.session.flush()
    _note(work, day, "added")
    return day


async def change(work: Work, day_id: int, said: Described) -> None:
    """Raises Gone, NotAllowed, Refusal."""
    day = await opened(work, day_id)
    _put(work, day, said)
    day.edited = True
    await work.session.flush()
    _note(work, day, "changed")


async def remove(work: Work, day_id: int) -> None:
    """Raises Gone, NotAllowed, Refusal("day_of_the_city") for one that the city's file brings."""
    day = await opened(work, day_id)
    if day.code is not None:
        raise Refusal("day_of_the_city")
    await work.session.delete(day)
    _note(work, day, "removed")


def _put(work: Work, day: VolunteerDay, said: Described) -> None:
    """Raises Refusal."""
    names = {code: " ".join(text.split())[:NAME] for code, text in said.names.items()}
    names = {code: text for code, text in names.items() if text}
    if work.policy.default_language not in names:
        raise Refusal("day_name")
    if not 1 <= said.month <= 12 or not 1 <= said.day <= monthrange(LEAP_YEAR, said.month)[1]:
        raise Refusal("day_date")
    thanks = _checked(said.thanks)
    day.month, day.day, day.names, day.thanks = said.month, said.day, names, thanks or None


def _checked(thanks: Mapping[str, str]) -> dict[str, str]:
    """Raises Refusal for a text that can't go out."""
    return {
        code: markup.checked(text, broadcasts.TEXT_LENGTH)
        for code, text in thanks.items()
        if text.strip()
    }


def _note(work: Work, day: VolunteerDay, what: str) -> None:
    audit.note(work, f"day.{what}", f"day:{day.id}", organisation_id=day.organisation_id)


# Ahead of the day


async def remind(work: Work) -> int:
    """Sweep: tells coordinators of days that are so many days ahead; each day once a year."""
    if work.now.astimezone(work.policy.zone).time() < MORNING:
        return 0
    told = 0
    kept = (
        select(VolunteerDay)
        .join(Organisation, Organisation.id == VolunteerDay.organisation_id)
        .where(organisations.IS_OPEN)
        .with_for_update(of=VolunteerDay)
    )
    for day in await work.session.scalars(kept):
        on = next_on(day, work.today)
        ahead = on - work.today
        reminded = (day.reminded_year or 0) >= on.year
        if reminded or ahead > timedelta(days=work.policy.day_reminder_days):
            continue
        day.reminded_year = on.year
        await _remind(work, day, on)
        told += 1
    await work.session.flush()
    return told


async def _remind(work: Work, day: VolunteerDay, on: date) -> None:
    organisation = await work.session.get_one(Organisation, day.organisation_id)
    about = {"day_id": day.id, "names": day.names, "on": on, "of": organisation.names}
    plan = await work.session.scalars(
        select(Role.person_id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Organisation.path.startswith(organisation.path, autoescape=True),
            Role.kind.in_(access.roles_with(Right.PLAN_ACTIVITIES)),
        )
        .distinct()
    )
    await delivery.tell(work, Post("days/reminder", about, kind=KIND), plan.all())
    if day.thanks:
        await _make_ready(work, day, on, about)


async def _make_ready(work: Work, day: VolunteerDay, on: date, about: Mapping[str, object]) -> None:
    """A draft in the name of the first who may announce there; all of them are told of it.

    A text that can't go out is left, and logged: it stops no other day.
    """
    holders = await access.holders(work, Right.ANNOUNCE, day.organisation_id)
    if not holders:
        return
    acting = work.acting_as(await work.session.get_one(Person, min(holders)))
    try:
        thanks = _checked(day.thanks or {})
    except Refusal as refusal:
        log.warning("The thank-you of day %s can't go out: %s", day.id, refusal.code)
        return
    draft = await broadcasts.draft(acting, day.organisation_id, NOTICE, next(iter(thanks.values())))
    await _fill_in(acting, draft, thanks, _morning(work, on))
    ready = Post("days/thanks_ready", {**about, "broadcast_id": draft.id}, kind=KIND)
    await delivery.tell(work, ready, holders)


async def _fill_in(work: Work, draft: Broadcast, thanks: Mapping[str, str], at: datetime) -> None:
    to = Audience(organisations=(draft.organisation_id,), experience="attended")
    starts_at = at if at > work.now else None
    await broadcasts.keep(work, draft.id, Content(NOTICE, thanks, starts_at=starts_at))
    await broadcasts.address(work, draft.id, to)


def _morning(work: Work, on: date) -> datetime:
    return datetime.combine(on, MORNING, work.policy.zone).astimezone(work.now.tzinfo)

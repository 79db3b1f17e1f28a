"""Duty: who of a team stands by when. Finding, describing, who can be counted on, who sees what.

Laid out in `services.rostering`, swapped in `swaps`; what the clock does, and handing over, is in
`relieving`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select
from sqlalchemy.orm import aliased

from models import Duty, Organisation, OrganisationKind, Person, Standing, Swap
from services import access, mates, organisations
from services.access import Right
from services.audiences import years_before
from services.errors import Gone, NotAllowed
from services.rotas import Slot
from services.work import Work

KIND = "duty"
"""The kind of all messages about turns on duty."""
SOON = timedelta(hours=24)
"""A turn that somebody seeks to give away is a gap once it starts within this."""
AHEAD = timedelta(days=7)
"""So far ahead gaps are shown."""
COLLEAGUE = timedelta(days=90)
"""Whoever had a turn within this time belongs to the rota."""
SHOWN = 2_000
"""Turns that one look reads at most."""

_Home = aliased(Organisation)
_HAS_JOINED = mates.is_in(Person.id, Organisation.id)
"""Whether a turn's holder is in its team beside their home."""


@dataclass(frozen=True, slots=True)
class Line:
    """A turn with what one must know to judge it."""

    duty: Duty
    person: Person
    team: Organisation
    asking: Swap | None
    """Its holder asks somebody else to take it."""
    unfit: str | None
    """Why its holder can't be counted on: left, not_agreed, paused."""

    def gap(self, now: datetime) -> str | None:
        """Why nobody can be counted on: what is wrong with its holder, or swap."""
        if self.unfit is not None:
            return self.unfit
        seeks = self.asking is not None and now < self.duty.starts_at <= now + SOON
        return "swap" if seeks else None

    def told(self) -> dict[str, Any]:
        """As messages take it; what they say stays true of the moment in which they were sent."""
        return {
            "duty_id": self.duty.id,
            "name": self.person.name,
            "team": self.team.names,
            "team_id": self.team.id,
            "starts_at": self.duty.starts_at,
            "ends_at": self.duty.ends_at,
        }

    def shown(self, work: Work) -> dict[str, Any]:
        """As the templates take it."""
        return {
            "id": self.duty.id,
            "name": self.person.name,
            "mine": work.actor is not None and self.person.id == work.actor.id,
            "team": self.team.names,
            "team_id": self.team.id,
            "starts_at": self.duty.starts_at,
            "ends_at": self.duty.ends_at,
            "now": self.duty.starts_at <= work.now,
            "ready": self.duty.ready_at is not None,
            "taken_over": self.duty.taken_over_at is not None,
            "asking": self.asking is not None,
            "gap": self.gap(work.now),
        }


async def lines(work: Work, *which: ColumnElement[bool]) -> list[Line]:
    """Turns in the order of time."""
    rows = await work.session.execute(
        select(Duty, Person, Organisation, Swap, or_(_is_at_home(), _HAS_JOINED))
        .join(Person, Person.id == Duty.person_id)
        .join(Organisation, Organisation.id == Duty.organisation_id)
        .join(_Home, _Home.id == Person.organisation_id)
        .outerjoin(Swap, and_(Swap.duty_id == Duty.id, Swap.closed_at.is_(None)))
        .where(*which)
        .order_by(Duty.starts_at, Duty.organisation_id, Duty.id)
        .limit(SHOWN)
    )
    return [
        Line(duty, person, team, asking, why_unfit(work, person, duty.starts_at, belongs=belongs))
        for duty, person, team, asking, belongs in rows
    ]


def _is_at_home() -> ColumnElement[bool]:
    """Whether the home of a turn's holder is its team, or below it."""
    return _Home.path.like(Organisation.path + literal("%"))


def doubtful(work: Work) -> ColumnElement[bool]:
    """The condition of `lines` without which no turn is a gap; spares reading all the others."""
    return or_(
        Swap.id.is_not(None),
        Person.standing != Standing.ACTIVE,
        ~Person.emergency_opt_in,
        Person.paused_until > work.today,
        Person.birth_date.is_(None),
        ~or_(_is_at_home(), _HAS_JOINED),
    )


def why_unfit(work: Work, person: Person, at: datetime, *, belongs: bool) -> str | None:
    """Why somebody can't be counted on at a time; None if they can and belong to the team."""
    day = max(at, work.now).astimezone(work.policy.zone).date()
    if person.standing is not Standing.ACTIVE or not belongs:
        return "left"
    if person.birth_date is None or person.birth_date > years_before(day, work.policy.adult_age):
        return "young"
    if not person.emergency_opt_in:
        return "not_agreed"
    if person.paused_until is not None and person.paused_until > day:
        return "paused"
    return None


# Finding


async def found(work: Work, duty_id: int, *, lock: bool = False) -> Duty:
    """Raises Gone."""
    query = select(Duty).where(Duty.id == duty_id).execution_options(populate_existing=lock)
    duty = await work.session.scalar(query.with_for_update() if lock else query)
    if duty is None:
        raise Gone
    return duty


async def own(work: Work, duty_id: int) -> Duty:
    """The actor's turn, which nobody else changes meanwhile. Raises Gone."""
    duty = await found(work, duty_id, lock=True)
    if duty.person_id != work.person.id:
        raise Gone
    return duty


async def led(work: Work, duty_id: int) -> Duty:
    """A turn of a team that the actor leads, which nobody else changes. Raises Gone, NotAllowed."""
    duty = await found(work, duty_id, lock=True)
    await access.require(work, Right.PLAN_DUTY, duty.organisation_id)
    return duty


async def team(work: Work, organisation_id: int) -> tuple[Organisation, bool]:
    """A team whose rota the actor may see, and whether they lead it. Raises Gone, NotAllowed."""
    organisation = await work.session.get(Organisation, organisation_id)
    if organisation is None:
        raise Gone
    leads = await access.may(work, Right.PLAN_DUTY, organisation_id)
    if not leads and organisation_id not in await _rotas_of(work):
        raise NotAllowed
    return organisation, leads


async def _rotas_of(work: Work) -> set[int]:
    """The teams in whose rota the actor is, and the rescue team to which they belong."""
    served = await work.session.scalars(
        select(Duty.organisation_id)
        .where(Duty.person_id == work.person.id, Duty.ends_at > work.now - COLLEAGUE)
        .distinct()
    )
    return {*served, *(one.id for one in await mates.teams_of(work))}


async def concerns(work: Work) -> bool:
    """Whether the actor has anything to do with duty, for the main menu."""
    mine = select(Duty.id).where(
        Duty.person_id == work.person.id, Duty.ends_at > work.now - COLLEAGUE
    )
    return bool(await work.session.scalar(select(mine.exists())) or await mates.teams_of(work))


def colleagues(team: Organisation, now: datetime) -> ColumnElement[bool]:
    """Whether a `Person` belongs to the rota of a team, or to the rescue team itself."""
    on_rota = exists().where(
        Duty.person_id == Person.id,
        Duty.organisation_id == team.id,
        Duty.ends_at > now - COLLEAGUE,
    )
    if team.kind is not OrganisationKind.RESCUE_TEAM:
        return on_rota
    return or_(on_rota, mates.belongs(team))


async def able(work: Work, duty: Duty, *which: ColumnElement[bool]) -> list[Person]:
    """Who of those could serve a turn, by name: members who are fit, not its holder, and free."""
    organisation = await work.session.get_one(Organisation, duty.organisation_id)
    clash = aliased(Duty)
    busy = exists().where(
        clash.person_id == Person.id,
        clash.starts_at < duty.ends_at,
        clash.ends_at > duty.starts_at,
    )
    found_ones = await work.session.scalars(
        select(Person)
        .where(
            mates.belongs(organisation),
            Person.standing == Standing.ACTIVE,
            Person.emergency_opt_in,
            ~busy,
            *which,
        )
        .order_by(Person.name_search, Person.id)
        .limit(SHOWN)
    )
    return [
        person
        for person in found_ones
        if why_unfit(work, person, duty.starts_at, belongs=True) is None
    ]


def in_future(work: Work) -> ColumnElement[bool]:
    return Duty.starts_at > work.now


def slot(duty: Duty) -> Slot:
    return Slot(duty.starts_at, duty.ends_at)


async def leaders(work: Work, organisation_id: int) -> list[int]:
    """Keys of those who plan a team's duty: its own leaders, else those of the level above."""
    return await access.holders(work, Right.PLAN_DUTY, organisation_id)


async def described(work: Work, duty: Duty) -> dict[str, Any]:
    """A turn as messages take it."""
    (line,) = await lines(work, Duty.id == duty.id)
    return line.told()


# What is shown


async def overview(work: Work) -> dict[str, Any]:
    """Who is on duty now and next in the actor's teams, their own turns, and where it lacks."""
    led_here = await access.within_reach(work, Right.PLAN_DUTY, Duty.organisation_id)
    mine = await _rotas_of(work)
    near = await lines(
        work,
        Duty.ends_at > work.now,
        Duty.starts_at < work.now + AHEAD,
        or_(Duty.organisation_id.in_(mine), led_here),
    )
    own_turns = await coming(work)
    leads = await access.organisations_with(work, Right.PLAN_DUTY)
    led_ids = await _led_among(work, near)
    return {
        "teams": sorted(now_and_next(work, near), key=lambda one: one["id"] not in mine),
        "own": [line.shown(work) for line in own_turns],
        "gaps": [
            line.shown(work)
            for line in near
            if line.team.id in led_ids and line.gap(work.now) is not None
        ],
        "leads": bool(leads),
        "rotas": [
            {"id": one.id, "names": one.names}
            for one in await organisations.by_keys(work.session, sorted(mine))
        ],
    }


async def _led_among(work: Work, near: Sequence[Line]) -> set[int]:
    keys = {line.team.id for line in near}
    condition = await access.within_reach(work, Right.PLAN_DUTY, Organisation.id)
    found_ids = select(Organisation.id).where(Organisation.id.in_(keys), condition)
    return set(await work.session.scalars(found_ids))


def now_and_next(work: Work, near: Iterable[Line]) -> list[dict[str, Any]]:
    """For each team who is on duty, who follows, and until when the rota is laid out."""
    by_team: dict[int, list[Line]] = {}
    for line in near:
        by_team.setdefault(line.team.id, []).append(line)
    return [_now_and_next(work, lines_) for lines_ in by_team.values()]


def _now_and_next(work: Work, of_team: Sequence[Line]) -> dict[str, Any]:
    coming = [line for line in of_team if line.duty.starts_at > work.now]
    first = coming[0].duty.starts_at if coming else None
    return {
        "id": of_team[0].team.id,
        "names": of_team[0].team.names,
        "now": [line.shown(work) for line in of_team if line.duty.starts_at <= work.now],
        "next": [line.shown(work) for line in coming if line.duty.starts_at == first],
    }


async def schedule(work: Work, organisation_id: int, page: int, size: int) -> dict[str, Any]:
    """A team's coming turns, for its leaders and those in the rota. Raises Gone, NotAllowed."""
    organisation, leads = await team(work, organisation_id)
    ahead = await lines(work, Duty.organisation_id == organisation_id, Duty.ends_at > work.now)
    pages = max(1, -(-len(ahead) // size))
    page = min(page, pages - 1)
    notes = await handed_over(work, organisation_id) if leads else []
    return {
        "team": organisation.names,
        "team_id": organisation.id,
        "leads": leads,
        "turns": [line.shown(work) for line in ahead[page * size : (page + 1) * size]],
        "until": ahead[-1].duty.ends_at if ahead else None,
        "swaps": sum(line.asking is not None for line in ahead),
        "notes": notes,
        "page": page,
        "pages": pages,
    }


async def handed_over(work: Work, organisation_id: int, before: datetime | None = None) -> Any:
    """The latest notes of a team and when who came after had read them: the newest first."""
    ended = await lines(
        work,
        Duty.organisation_id == organisation_id,
        Duty.noted_at.is_not(None),
        Duty.ends_at <= (before or work.now),
        Duty.ends_at > work.now - AHEAD,
    )
    running = await lines(
        work, Duty.organisation_id == organisation_id,
        Duty.starts_at <= work.now, Duty.ends_at > work.now,
    )  # fmt: skip
    return [
        {
            "name": line.person.name,
            "ends_at": line.duty.ends_at,
            "note": line.duty.note,
            "read": any(_has_read(one.duty, line.duty) for one in running),
        }
        for line in reversed(ended[-2:])
    ]


def _has_read(after: Duty, before: Duty) -> bool:
    return (
        before.noted_at is not None
        and after.taken_over_at is not None
        and after.taken_over_at >= before.noted_at
    )


async def look(work: Work, duty_id: int) -> dict[str, Any]:
    """One turn, for its holder, its team and its leaders. Raises Gone, NotAllowed."""
    duty = await found(work, duty_id)
    _, leads = await team(work, duty.organisation_id)
    (line,) = await lines(work, Duty.id == duty_id)
    return {
        **line.shown(work),
        "leads": leads,
        "over": duty.ends_at <= work.now,
        "swap_id": line.asking.id if line.asking else None,
        "note": duty.note if leads or duty.person_id == work.person.id else None,
        "noted": duty.noted_at is not None,
    }


async def coming(work: Work) -> list[Line]:
    """The actor's own turns that are not over."""
    return await lines(work, Duty.person_id == work.person.id, Duty.ends_at > work.now)


async def say_ready(work: Work, duty_id: int) -> None:
    """The holder is ready for their turn. Raises Gone for a turn that is over or not theirs."""
    duty = await own(work, duty_id)
    if duty.ends_at <= work.now:
        raise Gone
    duty.ready_at = work.now
    await work.session.flush()


# In emergencies


async def on_duty(work: Work) -> set[int]:
    """Keys of all who are on duty at this moment, in whatever team."""
    found_now = await work.session.scalars(
        select(Duty.person_id).where(Duty.starts_at <= work.now, Duty.ends_at > work.now)
    )
    return set(found_now)


async def of_area(work: Work, organisation: Organisation) -> dict[str, Any]:
    """Who is on duty in each team of an area, and the gaps of the next days; for `/ready`."""
    inside = select(Organisation.id).where(organisations.within(organisation.path))
    near = await lines(
        work,
        Duty.organisation_id.in_(inside),
        Duty.ends_at > work.now,
        Duty.starts_at < work.now + AHEAD,
    )
    return {
        "teams": now_and_next(work, near),
        "gaps": [line.shown(work) for line in near if line.gap(work.now) is not None],
    }

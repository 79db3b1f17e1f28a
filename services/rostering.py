"""Planning duty: a leader lays out a team's rota, sees what it changes, publishes it, assigns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, or_, select, update

from models import Account, Duty, Organisation, OrganisationKind, Person, Standing, Swap, SwapOffer
from services import access, audit, delivery, duty, mates, organisations, rotas, swaps
from services.access import Right
from services.delivery import Post
from services.errors import Gone, Refusal
from services.rotas import Slot, Turn
from services.work import Work

MOST_TURNS = 600
"""Turns that one rota lays out."""
SHORTEST, LONGEST = 60, 14 * 24 * 60
"""Minutes of a turn."""
OFFERED = 200
"""Members to choose from at once; others are found by their names."""


@dataclass(frozen=True, slots=True)
class Rota:
    """What a leader asks for. `people` are keys in the order in which they begin."""

    organisation_id: int
    people: Sequence[int]
    starts_at: datetime
    minutes: int
    together: int
    weeks: int

    @property
    def until(self) -> datetime:
        return self.starts_at + timedelta(weeks=self.weeks)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rota comes to: turns to add, to take away, and those that stay."""

    rota: Rota
    slots: list[Slot]
    turns: list[Turn]
    """All that the rota lays out, also what is there already."""
    new: list[Turn]
    dropped: list[Duty]
    kept: list[Duty]
    """Swapped or assigned by hand: they stay as they are."""
    people: list[int]
    """Who is rostered, in the order asked for."""
    names: dict[int, str]
    """Of all whom the rota or a kept turn concerns."""
    left_out: list[tuple[str, str]]
    """Names of those who are not rostered, and why."""


async def teams(work: Work) -> list[Organisation]:
    """The organisations whose duty the actor may plan, rescue teams first."""
    found = await access.subtrees_with(work, Right.PLAN_DUTY)
    return sorted(found, key=lambda one: one.kind is not OrganisationKind.RESCUE_TEAM)


async def led(work: Work, organisation_id: int) -> Organisation:
    """A team whose duty the actor plans. Raises Gone, NotAllowed."""
    found = await work.session.get(Organisation, organisation_id)
    if found is None:
        raise Gone
    await access.require(work, Right.PLAN_DUTY, organisation_id)
    return found


async def members(
    work: Work, organisation_id: int, typed: str, chosen: Iterable[int]
) -> list[Person]:
    """Members to choose from: the chosen, who are like what was typed, then the others by name.

    Raises NotAllowed.
    """
    top = await led(work, organisation_id)
    wanted = "".join(typed.split()).lower()
    like: ColumnElement[bool] = Person.name_search.contains(wanted, autoescape=True)
    found = await work.session.scalars(
        select(Person)
        .where(mates.belongs(top), Person.standing == Standing.ACTIVE)
        .order_by(
            case((Person.id.in_(list(chosen)), 0), (like, 1), else_=2),
            Person.emergency_opt_in.desc(),
            Person.name_search,
            Person.id,
        )
        .limit(OFFERED)
    )
    return list(found)


# Laying out


async def draft(work: Work, rota: Rota) -> Draft:
    """What the rota comes to now. Raises NotAllowed, Gone or Refusal."""
    top = await led(work, rota.organisation_id)
    if not SHORTEST <= rota.minutes <= LONGEST:
        raise Refusal("duty_length")
    wanted = [
        slot
        for slot in rotas.slots(rota.starts_at, rota.minutes, rota.until, work.policy.zone)
        if slot.ends_at > work.now
    ]
    if not wanted or len(wanted) * rota.together > MOST_TURNS:
        raise Refusal("duty_too_many", most=MOST_TURNS)
    people, left_out = await _fit(work, rota, top)
    if len(people) < rota.together:
        raise Refusal("duty_too_few", left_out=left_out, together=rota.together)
    there = await _there(work, rota, people)
    replaced = [one for one in there if _is_replaced(work, rota, one)]
    stays = [one for one in there if one not in replaced]
    turns = rotas.lay_out(
        wanted,
        list(people),
        rota.together,
        work.policy.zone,
        kept=[_turn(one) for one in stays if one.organisation_id == rota.organisation_id],
        busy={key: [duty.slot(one) for one in stays if one.person_id == key] for key in people},
    )
    before, after = {_turn(one) for one in replaced}, set(turns)
    kept = [one for one in stays if _is_kept(rota, one)]
    return Draft(
        rota=rota,
        slots=wanted,
        turns=turns,
        new=[turn for turn in turns if turn not in before],
        dropped=[one for one in replaced if _turn(one) not in after],
        kept=kept,
        people=list(people),
        names=people | await _names(work, kept),
        left_out=left_out,
    )


def _is_kept(rota: Rota, one: Duty) -> bool:
    inside = rota.starts_at <= one.starts_at < rota.until
    return one.moved and inside and one.organisation_id == rota.organisation_id


async def _names(work: Work, turns: Sequence[Duty]) -> dict[int, str]:
    keys = {one.person_id for one in turns}
    found = await work.session.scalars(select(Person).where(Person.id.in_(keys)))
    return {person.id: person.name for person in found}


def _turn(one: Duty) -> Turn:
    return Turn(one.person_id, duty.slot(one))


def _is_replaced(work: Work, rota: Rota, one: Duty) -> bool:
    """Publishing again leaves what has begun, and what people have arranged among themselves."""
    begins = one.starts_at > work.now and rota.starts_at <= one.starts_at < rota.until
    return one.organisation_id == rota.organisation_id and begins and not one.moved


async def _there(work: Work, rota: Rota, people: Iterable[int]) -> list[Duty]:
    """What the team has in that time, and what these people have elsewhere, a turn around it."""
    margin = timedelta(minutes=LONGEST)
    found = await work.session.scalars(
        select(Duty)
        .where(
            or_(Duty.organisation_id == rota.organisation_id, Duty.person_id.in_(list(people))),
            Duty.ends_at >= rota.starts_at - margin,
            Duty.starts_at <= rota.until + margin,
        )
        .order_by(Duty.starts_at, Duty.id)
    )
    return [one for one in found if _near(rota, one)]


def _near(rota: Rota, one: Duty) -> bool:
    """Overlaps the rota's time, or borders on it: nobody is to serve twice in a row."""
    return one.ends_at >= rota.starts_at and one.starts_at <= rota.until


async def _fit(
    work: Work, rota: Rota, top: Organisation
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """Names of those who can be rostered, in the order asked for; of the others, and why not."""
    rows = await work.session.execute(
        select(Person, mates.belongs(top)).where(Person.id.in_(list(rota.people)))
    )
    known = {person.id: (person, belongs) for person, belongs in rows}
    fit: dict[int, str] = {}
    left_out: list[tuple[str, str]] = []
    for key in rota.people:
        if key not in known:
            continue
        person, belongs = known[key]
        why = duty.why_unfit(work, person, rota.starts_at, belongs=belongs)
        if why is None:
            fit[key] = person.name
        else:
            left_out.append((person.name, why))
    return fit, left_out


def shown(work: Work, plan: Draft) -> dict[str, Any]:
    """A draft as the summary takes it."""
    served = Counter(turn.person_id for turn in plan.turns)
    hard = Counter(
        turn.person_id for turn in plan.turns if rotas.kinds(turn.slot, work.policy.zone)
    )
    by_slot: dict[Slot, list[str]] = {slot: [] for slot in plan.slots}
    for turn in (*plan.turns, *map(_turn, plan.kept)):
        by_slot.setdefault(turn.slot, []).append(plan.names[turn.person_id])
    return {
        "turns": [
            {"starts_at": slot.starts_at, "ends_at": slot.ends_at, "names": names}
            for slot, names in sorted(by_slot.items())
        ],
        "shares": [
            {"name": plan.names[key], "count": served[key], "hard": hard[key]}
            for key in plan.people
        ],
        "left_out": plan.left_out,
        "added": len(plan.new),
        "dropped": len(plan.dropped),
        "kept": len(plan.kept),
        "again": bool(plan.dropped or plan.kept or len(plan.new) < len(plan.turns)),
        "short": sum(len(by_slot[slot]) < plan.rota.together for slot in plan.slots),
    }


# Publishing


async def publish(work: Work, rota: Rota) -> Draft:
    """The rota counts from now on, and everyone whom it changes reads their dates.

    Raises NotAllowed, Gone or Refusal.
    """
    await organisations.require_open(work, rota.organisation_id)
    await _one_at_a_time(work, rota.organisation_id)
    plan = await draft(work, rota)
    await _drop(work, plan.dropped)
    work.session.add_all(
        Duty(
            organisation_id=rota.organisation_id,
            person_id=turn.person_id,
            starts_at=turn.slot.starts_at,
            ends_at=turn.slot.ends_at,
            given_at=work.now,
            moved=False,
        )
        for turn in plan.new
    )
    await work.session.flush()
    audit.note(
        work,
        "duty.planned",
        f"organisation:{rota.organisation_id}",
        organisation_id=rota.organisation_id,
        added=len(plan.new),
        dropped=len(plan.dropped),
        kept=len(plan.kept),
    )
    changed = {turn.person_id for turn in plan.new} | {one.person_id for one in plan.dropped}
    await _tell_dates(work, rota.organisation_id, changed)
    return plan


async def _one_at_a_time(work: Work, organisation_id: int) -> None:
    """Two leaders who publish at the same moment do so one after the other."""
    await work.session.execute(
        select(Organisation.id).where(Organisation.id == organisation_id).with_for_update()
    )


async def _drop(work: Work, dropped: Sequence[Duty]) -> None:
    keys = [one.id for one in dropped]
    if not keys:
        return
    asked = select(Swap.id).where(Swap.duty_id.in_(keys))
    still_open = await work.session.scalars(
        select(Swap).where(Swap.duty_id.in_(keys), Swap.closed_at.is_(None))
    )
    for swap in still_open.all():
        await swaps.close(work, swap, "planned")
    await work.session.execute(
        update(Swap).where(Swap.given_back_id.in_(keys)).values(given_back_id=None)
    )
    await work.session.execute(delete(SwapOffer).where(SwapOffer.swap_id.in_(asked)))
    await work.session.execute(delete(Swap).where(Swap.duty_id.in_(keys)))
    await work.session.execute(delete(Duty).where(Duty.id.in_(keys)))


async def _tell_dates(work: Work, organisation_id: int, people: Iterable[int]) -> None:
    """One message to all, out of which each reads their own dates."""
    keys = sorted(people)
    if not keys:
        return
    found = await work.session.execute(
        select(Duty.person_id, Duty.starts_at, Duty.ends_at)
        .where(
            Duty.organisation_id == organisation_id,
            Duty.person_id.in_(keys),
            Duty.ends_at > work.now,
        )
        .order_by(Duty.starts_at)
    )
    dates: dict[int, list[tuple[datetime, datetime]]] = {key: [] for key in keys}
    for person_id, starts_at, ends_at in found:
        dates[person_id].append((starts_at, ends_at))
    team = await work.session.get_one(Organisation, organisation_id)
    recipients = (
        select(
            Person.id,
            Account.telegram_id,
            Person.language,
            delivery.own_parameters(work, "me", Person.id),
        )
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id.in_(keys))
    )
    post = Post("duty/rostered", {"team": team.names, "dates": dates}, kind=duty.KIND)
    await delivery.tell_all(work, post, recipients)


# By hand


async def to_assign(work: Work, duty_id: int) -> tuple[Duty, list[Person]]:
    """A turn, and who could serve it; those in the rota first. Raises Gone, NotAllowed, Refusal."""
    found = await _open_to_assign(work, duty_id)
    team = await work.session.get_one(Organisation, found.organisation_id)
    near = duty.colleagues(team, work.now)
    ours = await duty.able(work, found, near)
    others = await duty.able(work, found, ~near)
    return found, [*ours, *others]


async def assign(work: Work, duty_id: int, person_id: int) -> Duty:
    """A leader gives a turn to somebody. Raises Gone, NotAllowed, Refusal."""
    found = await _open_to_assign(work, duty_id)
    before = found.person_id
    await swaps.give(work, found, person_id)
    running = found.starts_at <= work.now
    found.begun_at = work.now if running else None
    swap = await swaps.open_for(work, found.id)
    if swap is not None:
        await swaps.close(work, swap, "assigned")
    audit.note(
        work, "duty.assigned", f"duty:{found.id}", organisation_id=found.organisation_id,
        person=person_id, before=before,
    )  # fmt: skip
    about = await duty.described(work, found)
    post = Post("duty/given", {**about, "now": running}, kind=duty.KIND)
    await delivery.tell(work, post, [person_id])
    await delivery.tell(work, Post("duty/taken_away", about, kind=duty.KIND), [before])
    return found


async def _open_to_assign(work: Work, duty_id: int) -> Duty:
    found = await duty.led(work, duty_id)
    if found.ends_at <= work.now:
        raise Refusal("duty_over")
    return found

"""What the clock does with call-outs: waves, places that open again, silent commanders, lapses.

Whom to ask, and when, is decided by `services.waves`; here are the rows. Safe to run twice: a
person is asked at most once in a call-out, by the key of their `Response`.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from sqlalchemy import func, insert, select, update

from models import (
    Account,
    Callout,
    CalloutState,
    Lane,
    Loan,
    Need,
    Organisation,
    Person,
    Response,
    ResponseState,
    Role,
    Wave,
)
from services import access, callouts, candidates, delivery, geo, organisations, waves
from services.access import Right
from services.callouts import (
    ALARM,
    THERE,
    calls_for,
    described,
    need_named,
    needs_of,
    subject,
)
from services.delivery import Post
from services.nearest import Found
from services.work import Work

LOOKED_AT = 1_000
"""People among whom a wave is chosen."""
EVERYONE = 5_000
"""At most so many are asked at the commander's order to ask everyone."""
NEIGHBOURS = 5
"""Organisations beside one's own whose commanders are asked to lend."""


async def advance(work: Work) -> int:
    """One step with each call-out that is under way; answers how many people it asked."""
    await _lapse(work)
    await _ask_deputies(work)
    return sum([await advance_one(work, found) for found in await _active(work)])


class Pace(Enum):
    """What lets the next wave go."""

    ANSWERS = auto()
    """As many as the answers call for, once the last wave has had time to teach something."""
    CHANGE = auto()
    """As many as the answers call for, at once: the commander has changed what is wanted."""
    ORDER = auto()
    """More people now, whatever the answers: the commander's order."""


async def advance_one(work: Work, callout: Callout, pace: Pace = Pace.ANSWERS) -> int:
    """Opens the places of no-shows, then sends the waves due; answers how many it asked."""
    await _miss_the_overdue(work, callout)
    if callout.holds and pace is not Pace.ORDER:
        return 0
    return sum([await _ask(work, callout, need, pace) for need in await needs_of(work, callout)])


def horizon_of(work: Work, callout: Callout) -> float:
    """Minutes to look ahead."""
    return waves.horizon(night=candidates.is_night(work), critical=callout.critical)


async def is_full(work: Work, callout: Callout, need: Need) -> bool:
    """Whether with 95% probability enough will be on scene, were nobody else to come."""
    responses = await _responses(work, need)
    return (await _decide(work, callout, need, responses, ())).full


async def close_if_full(work: Work, callout: Callout, need: Need) -> None:
    """Closes a need at once, also while nobody else is to be asked."""
    if await is_full(work, callout, need):
        need.full_at = need.full_at or work.now
        await _close(work, callout, need)


async def full_without(
    work: Work, callout: Callout, need: Need, last_first: Sequence[Response]
) -> int:
    """How many of these, the first ones, may turn round and still leave the need full."""
    responses = await _responses(work, need)
    fewest, most = 0, len(last_first)
    while fewest < most:
        middle = (fewest + most + 1) // 2
        gone = {one.person_id for one in last_first[:middle]}
        left = [one for one in responses if one.person_id not in gone]
        if (await _decide(work, callout, need, left, ())).full:
            fewest = middle
        else:
            most = middle - 1
    return fewest


async def _active(work: Work) -> list[Callout]:
    found = await work.session.scalars(
        select(Callout)
        .where(Callout.state == CalloutState.ACTIVE)
        .order_by(Callout.critical.desc(), Callout.id)
        .with_for_update()
    )
    return list(found)


async def _lapse(work: Work) -> None:
    """Whoever declared it hears that no second commander confirmed it in time."""
    found = await work.session.scalars(
        select(Callout)
        .where(Callout.state == CalloutState.AWAITING_SECOND, Callout.lapses_at <= work.now)
        .with_for_update()
    )
    for callout in found.all():
        callout.state = CalloutState.LAPSED
        callouts.note(work, "lapsed", callout)
        await callouts.tell(work, callout, "lapsed", [callout.commander_id])


async def _ask_deputies(work: Work) -> None:
    """Lives at stake and no sign of life from its commanders: others may take over by a press."""
    silent_since = work.now - timedelta(minutes=work.policy.callout_silent_minutes)
    found = await work.session.scalars(
        select(Callout)
        .where(
            Callout.state == CalloutState.ACTIVE,
            Callout.critical,
            Callout.acted_at <= silent_since,
            Callout.deputies_asked_at.is_(None),
        )
        .with_for_update()
    )
    for callout in found.all():
        callout.deputies_asked_at = work.now
        callouts.note(work, "deputies_asked", callout)
        deputies = await callouts.commanders(work, callout) - {callout.commander_id}
        await callouts.tell(work, callout, "silent", deputies)


async def _miss_the_overdue(work: Work, callout: Callout) -> None:
    latest = work.now - timedelta(minutes=work.policy.callout_late_minutes)
    overdue = await work.session.scalars(
        update(Response)
        .where(
            Response.callout_id == callout.id,
            Response.state == ResponseState.COMING,
            Response.due_at <= latest,
        )
        .values(state=ResponseState.NO_SHOW)
        .returning(Response.person_id)
    )
    late = list(overdue)
    if late:
        await callouts.tell(work, callout, "overdue", late)


# Waves


async def _ask(work: Work, callout: Callout, need: Need, pace: Pace) -> int:
    """Asks the next people for one need, closes it when it is full; answers how many."""
    responses = await _responses(work, need)
    reach = candidates.reach_of(callout, need)
    found = await candidates.within(work, callout, need, reach, LOOKED_AT)
    able = await candidates.as_candidates(work, callout, found)
    listens = pace is Pace.ANSWERS
    decision = await _decide(work, callout, need, responses, able, listens=listens)
    if decision.full:
        need.full_at = need.full_at or work.now
    if decision.full and pace is not Pace.ORDER:
        await _close(work, callout, need)
        return 0
    moved_up = await _move_up(work, callout, need, responses, decision.needed)
    chosen = decision.send[: max(0, len(decision.send) - moved_up)]
    if need.as_team:
        chosen = tuple(one.person_id for one in found)
    elif pace is Pace.ORDER and not chosen:
        best = sorted(able, key=lambda one: one.eta)[: max(need.quota, 1)]
        chosen = tuple(one.key for one in best)
    if not able and not moved_up and decision.expected < decision.needed:
        return await _when_dry(work, callout, need, responses)
    await send(work, callout, need, _rows(found, able, chosen), decision)
    return len(chosen)


def _rows(
    found: Sequence[Found], able: Sequence[waves.Candidate], chosen: Sequence[int]
) -> list[dict[str, Any]]:
    metres = {one.person_id: one.metres for one in found}
    assumed = {one.key: one.p for one in able}
    return [
        {"person_id": key, "metres": metres[key], "probability": assumed[key]} for key in chosen
    ]


async def ask_everyone(work: Work, callout: Callout, metres: float) -> int:
    """All who fit within a radius, whatever has been answered; answers how many."""
    asked = 0
    for need in await needs_of(work, callout):
        found = await candidates.within(work, callout, need, metres, EVERYONE)
        able = await candidates.as_candidates(work, callout, found)
        decision = await _decide(work, callout, need, await _responses(work, need), able)
        everyone = [one.person_id for one in found]
        await send(work, callout, need, _rows(found, able, everyone), decision)
        asked += len(everyone)
    return asked


async def _when_dry(work: Work, callout: Callout, need: Need, responses: Sequence[Response]) -> int:
    """Nobody is left to ask: those who were thanked too early, and once the neighbours."""
    thanked = [one for one in responses if one.state is ResponseState.RELEASED]
    for one in thanked:
        one.state = ResponseState.ASKED
    await tell_needed(work, callout, need, [one.person_id for one in thanked])
    if callout.neighbours_asked_at is None and not need.as_team:
        await ask_neighbours(work, callout)
    return len(thanked)


async def _decide(
    work: Work,
    callout: Callout,
    need: Need,
    responses: Sequence[Response],
    able: Sequence[waves.Candidate],
    *,
    listens: bool = True,
) -> waves.Decision:
    past = await candidates.prior_of(work, callout.organisation_id, drill=callout.drill)
    states = Counter(one.state for one in responses)
    came = sum(states[state] for state in THERE)
    prior = waves.observed(past, came, states[ResponseState.NO_SHOW])
    began = callout.launched_at or work.now
    asked = [
        waves.Asked(
            at=_minutes(began, one.asked_at),
            p=one.probability,
            answered_at=_minutes(began, one.answered_at) if one.answered_at else None,
            yes=one.said_yes,
            s=_shows_up(work, one, prior),
        )
        for one in responses
        if one.state is not ResponseState.RELEASED
    ]
    now = _minutes(began, work.now)
    horizon = horizon_of(work, callout)
    return waves.decide(need.quota, asked, able, now, prior, horizon=horizon, listens=listens)


def _shows_up(work: Work, response: Response, prior: waves.Prior) -> float:
    """Probability that somebody is there when needed; it falls with every minute of delay."""
    if response.relief_at is not None:
        return 0.0
    if response.state in THERE:
        return 1.0
    if response.state is not ResponseState.COMING or response.due_at is None:
        return 0.0
    return waves.comes(prior, _minutes(response.due_at, work.now))


def _minutes(began: datetime, at: datetime) -> float:
    return (at - began).total_seconds() / 60


async def _responses(work: Work, need: Need) -> list[Response]:
    found = select(Response).where(Response.need_id == need.id).order_by(Response.person_id)
    return list(await work.session.scalars(found))


async def send(
    work: Work,
    callout: Callout,
    need: Need,
    rows: list[dict[str, Any]],
    decision: waves.Decision,
) -> None:
    """Writes the responses, the wave and the deliveries of those who are asked now.

    A row is a person's key, metres and assumed probability.
    """
    if not rows:
        return
    last = select(func.max(Wave.number)).where(Wave.need_id == need.id)
    number = (await work.session.scalar(last) or 0) + 1
    common = {
        "callout_id": callout.id, "need_id": need.id, "wave": number,
        "state": ResponseState.ASKED, "asked_at": work.now, "said_yes": False,
    }  # fmt: skip
    await work.session.execute(insert(Response), [{**common, **row} for row in rows])
    work.session.add(
        Wave(
            need_id=need.id, number=number, at=work.now, size=len(rows),
            response=decision.response, expected=decision.expected,
        )
    )  # fmt: skip
    await work.session.flush()
    metres = delivery.own_parameters(work, "metres", Response.metres)
    recipients = (
        select(Person.id, Account.telegram_id, Person.language, metres)
        .join(Response, Response.person_id == Person.id)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(
            Response.callout_id == callout.id,
            Response.need_id == need.id,
            Response.wave == number,
        )
        .order_by(Response.metres)
    )
    await delivery.tell_all(work, await alarm(work, callout, need), recipients)


async def alarm(work: Work, callout: Callout, need: Need) -> Post:
    """What somebody who is needed reads; their distance is each delivery's own parameter."""
    return Post(
        "callouts/alarm",
        {
            **await described(work, callout),
            "need": await need_named(work, need),
            "answer_by": work.now + timedelta(minutes=work.policy.callout_answer_minutes),
        },
        kind=ALARM,
        lane=Lane.EMERGENCY,
        subject=calls_for(need),
        urgency=callouts.urgency_of_need(callout, need),
        dedupe=subject(callout.id),
    )


async def _move_up(
    work: Work, callout: Callout, need: Need, responses: Sequence[Response], needed: int
) -> int:
    """Standbys who are nearest are asked to come now; answers how many. They are told once."""
    waiting = [
        one for one in responses if one.state is ResponseState.STANDBY and one.moved_up_at is None
    ]
    nearest_first = sorted(waiting, key=lambda one: one.metres)[:needed]
    for one in nearest_first:
        one.moved_up_at = work.now
    await tell_needed(work, callout, need, [one.person_id for one in nearest_first])
    return len(nearest_first)


async def tell_needed(work: Work, callout: Callout, need: Need, people: Sequence[int]) -> None:
    """Asks people to come now who stood by, or had been thanked too early."""
    post = Post(
        "callouts/move_up", await described(work, callout), kind=ALARM, lane=Lane.EMERGENCY,
        subject=calls_for(need), urgency=callouts.urgency_of_need(callout, need),
    )  # fmt: skip
    await delivery.tell(work, post, people)


async def _close(work: Work, callout: Callout, need: Need) -> None:
    """Enough are coming: what is unsent is revoked, and those who have not answered read it."""
    open_ones = select(Response.person_id).where(
        Response.need_id == need.id, Response.state == ResponseState.ASKED
    )
    waiting = list(await work.session.scalars(open_ones))
    if not waiting:
        return
    post = Post("callouts/enough", await described(work, callout), kind=ALARM, lane=Lane.EMERGENCY)
    await delivery.correct(work, calls_for(need), post, kind=ALARM, people=open_ones)
    await work.session.execute(
        update(Response)
        .where(Response.need_id == need.id, Response.state == ResponseState.ASKED)
        .values(state=ResponseState.RELEASED)
    )


# Neighbours


async def ask_neighbours(work: Work, callout: Callout) -> int:
    """Commanders near by and above may lend their volunteers; answers how many were asked."""
    callout.neighbours_asked_at = work.now
    asked: set[int] = set()
    for organisation in await _neighbours(work, callout):
        holders = await work.session.scalars(
            select(Role.person_id).where(
                Role.organisation_id == organisation.id,
                Role.kind.in_(access.roles_with(Right.LAUNCH_CALLOUTS)),
            )
        )
        people = set(holders) - asked - {callout.commander_id}
        asked |= people
        lends = {"lender_id": organisation.id, "lender": organisation.names}
        await callouts.tell(work, callout, "lend", people, lends)
    return len(asked)


async def _neighbours(work: Work, callout: Callout) -> list[Organisation]:
    """Those beside the organisation, the nearest first, and those above it."""
    own = await work.session.get_one(Organisation, callout.organisation_id)
    if own.parent_id is None:
        return []
    lent = select(Loan.organisation_id).where(Loan.callout_id == callout.id)
    beside = await work.session.scalars(
        select(Organisation).where(
            Organisation.parent_id == own.parent_id,
            Organisation.id != own.id,
            Organisation.latitude.is_not(None),
            Organisation.id.not_in(lent),
        )
    )
    nearest = sorted(
        beside,
        key=lambda one: geo.distance(
            callout.latitude, callout.longitude, one.latitude or 0.0, one.longitude or 0.0
        ),
    )
    above = (await organisations.chain(work.session, own))[:-1]
    return [*nearest[:NEIGHBOURS], *above]

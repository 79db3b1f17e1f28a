"""What the clock does with call-outs: waves, places that open again, the board, what lapses.

Whom to ask, and when, is decided by `services.waves`; here are the rows. Safe to run twice: a
person is asked at most once in a call-out, by the key of their `Response`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update

from models import (
    Account,
    Callout,
    CalloutState,
    Delivery,
    Lane,
    Message,
    Need,
    Organisation,
    Person,
    QualificationKind,
    Response,
    ResponseState,
    Skill,
    Trait,
    Wave,
)
from services import delivery, nearest, terms, waves
from services.delivery import Post
from services.work import Work

ALARM, BOARD = "callout", "callout_board"
HORIZON, CRITICAL_HORIZON = 10.0, 6.0
"""Minutes within which the expected answers are to cover what is missing."""
LOOKED_AT = 1_000
"""People beyond those asked already among whom a wave is chosen."""
LEARNT_FROM = 20
"""Past call-outs of an organisation from which its people's ways are learnt."""
RESTED = 0.5
"""By how much less somebody answers who was called a short while ago."""
NIGHT_ENDS, NIGHT_BEGINS = 7, 22
"""Local hours between which people are taken to be awake."""
GONE = (ResponseState.RELEASED, ResponseState.CANNOT, ResponseState.NO_SHOW)
THERE = (ResponseState.ON_SCENE, ResponseState.HOME)


def subject(callout_id: int) -> str:
    return f"callout:{callout_id}"


async def advance(work: Work) -> int:
    """One step with each call-out that is under way; answers how many people it asked."""
    await _lapse(work)
    return sum([await advance_one(work, found) for found in await _active(work)])


async def advance_one(work: Work, callout: Callout, *, at_once: bool = False) -> int:
    """Opens the places of no-shows, then sends the waves that are due.

    `at_once` is the commander's order to ask more people than the answers call for.
    """
    await _miss_the_overdue(work, callout)
    if callout.holds and not at_once:
        return 0
    return sum([await _ask(work, callout, need, at_once) for need in await needs_of(work, callout)])


async def needs_of(work: Work, callout: Callout) -> list[Need]:
    found = select(Need).where(Need.callout_id == callout.id).order_by(Need.id)
    return list(await work.session.scalars(found))


async def is_full(work: Work, callout: Callout, need: Need) -> bool:
    """Whether with 95% probability enough will be on scene, were nobody else to come."""
    responses = await _responses(work, need)
    return (await _decide(work, callout, need, responses, ())).full


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
        post = Post(
            "callouts/lapsed", await described(work, callout), kind="callout_order",
            lane=Lane.EMERGENCY,
        )  # fmt: skip
        await delivery.tell(work, post, [callout.commander_id])


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
        post = Post(
            "callouts/overdue", await described(work, callout), kind="callout_order",
            lane=Lane.EMERGENCY,
        )  # fmt: skip
        await delivery.tell(work, post, late)


# Waves


async def _ask(work: Work, callout: Callout, need: Need, at_once: bool) -> int:
    """Asks the next people for one need, closes it when it is full; answers how many."""
    responses = await _responses(work, need)
    found = await candidates_within(work, callout, need, callout.radius, LOOKED_AT)
    candidates = await as_candidates(work, callout, found)
    decision = await _decide(work, callout, need, responses, candidates)
    if decision.full and not at_once:
        await _close(work, callout, need)
        return 0
    moved_up = await _move_up(work, callout, responses, decision.needed)
    chosen = decision.send[: max(0, len(decision.send) - moved_up)]
    if at_once and not chosen:
        best = sorted(candidates, key=lambda one: one.eta)[: max(need.quota, 1)]
        chosen = tuple(one.key for one in best)
    if chosen:
        metres = {one.person_id: one.metres for one in found}
        assumed = {one.key: one.p for one in candidates}
        rows = [
            {
                "callout_id": callout.id, "person_id": key, "need_id": need.id,
                "state": ResponseState.ASKED, "metres": metres[key],
                "probability": assumed[key], "asked_at": work.now, "said_yes": False,
            }
            for key in chosen
        ]  # fmt: skip
        await _send(work, callout, need, rows, decision)
    return len(chosen)


async def _decide(
    work: Work,
    callout: Callout,
    need: Need,
    responses: Sequence[Response],
    candidates: Sequence[waves.Candidate],
) -> waves.Decision:
    prior = await prior_of(work, callout)
    began = callout.launched_at or work.now
    asked = [
        waves.Asked(
            at=_minutes(began, one.asked_at),
            p=one.probability,
            answered_at=_minutes(began, one.answered_at) if one.answered_at else None,
            yes=one.said_yes,
            s=_shows_up(one, prior),
        )
        for one in responses
    ]
    horizon = CRITICAL_HORIZON if callout.critical else HORIZON
    now = _minutes(began, work.now)
    return waves.decide(need.quota, asked, candidates, now, prior, horizon=horizon)


def _shows_up(response: Response, prior: waves.Prior) -> float:
    if response.state in THERE:
        return 1.0
    return prior.show_up if response.state is ResponseState.COMING else 0.0


def _minutes(began: datetime, at: datetime) -> float:
    return (at - began).total_seconds() / 60


async def _responses(work: Work, need: Need) -> list[Response]:
    found = select(Response).where(Response.need_id == need.id).order_by(Response.person_id)
    return list(await work.session.scalars(found))


async def candidates_within(
    work: Work, callout: Callout, need: Need, metres: float, limit: int
) -> list[nearest.Found]:
    """The nearest who may be asked for a need: adults, awake enough, free, not asked before."""
    asked = select(func.count()).where(Response.callout_id == callout.id)
    already = await work.session.scalar(asked) or 0
    found = await nearest.nearest(
        work, callout.latitude, callout.longitude, metres, need.skills, need.qualifications,
        already + limit,
    )  # fmt: skip
    may = await _may_be_asked(work, callout, [one.person_id for one in found])
    return [one for one in found if one.person_id in may][:limit]


async def _may_be_asked(work: Work, callout: Callout, people: list[int]) -> set[int]:
    local = work.now.astimezone(work.policy.zone)
    minute = local.hour * 60 + local.minute
    adult = work.today.replace(day=min(work.today.day, 28))
    born_by = adult.replace(year=adult.year - work.policy.adult_age)
    here = select(Response.person_id).where(
        Response.callout_id == callout.id, Response.person_id == Person.id
    )
    engaged = (
        select(Response.person_id)
        .join(Callout, Callout.id == Response.callout_id)
        .where(
            Response.person_id == Person.id,
            Callout.state == CalloutState.ACTIVE,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
    )
    resting = select(Response.person_id).where(
        Response.person_id == Person.id, Response.rests_until > work.now
    )
    rows = await work.session.execute(
        select(Person.id, Person.call_from, Person.call_until)
        .join(Trait, Trait.person_id == Person.id)
        .where(
            Person.id.in_(people),
            Trait.born <= born_by,
            ~here.exists(),
            ~engaged.exists(),
            ~resting.exists(),
        )
    )
    return {row.id for row in rows if not _excluded(minute, row.call_from, row.call_until)}


def _excluded(minute: int, start: int | None, end: int | None) -> bool:
    """Whether a minute of the local day lies in the hours in which somebody is not to be called."""
    if start is None or end is None:
        return False
    return start <= minute < end if start <= end else minute >= start or minute < end


async def as_candidates(
    work: Work, callout: Callout, found: Sequence[nearest.Found]
) -> list[waves.Candidate]:
    """With how likely they say yes and come; who was called lately is asked later."""
    prior = await prior_of(work, callout)
    since = work.now - timedelta(minutes=work.policy.callout_rest_minutes)
    lately = set(
        await work.session.scalars(
            select(Response.person_id).where(
                Response.person_id.in_([one.person_id for one in found]),
                Response.asked_at > since,
            )
        )
    )
    answers = prior.response * (prior.night if _is_night(work) else 1.0)
    return [
        waves.Candidate(
            key=one.person_id,
            eta=waves.eta_minutes(one.metres),
            p=answers * (RESTED if one.person_id in lately else 1.0),
            s=prior.show_up,
        )
        for one in found
    ]


def _is_night(work: Work) -> bool:
    hour = work.now.astimezone(work.policy.zone).hour
    return not NIGHT_ENDS <= hour < NIGHT_BEGINS


async def prior_of(work: Work, callout: Callout) -> waves.Prior:
    """What the organisation's past call-outs taught; drills teach of drills."""
    past = await work.session.scalars(
        select(Callout.id)
        .where(
            Callout.organisation_id == callout.organisation_id,
            Callout.drill == callout.drill,
            Callout.state == CalloutState.ENDED,
            ~Callout.false_alarm,
        )
        .order_by(Callout.id.desc())
        .limit(LEARNT_FROM)
    )
    return waves.learn(waves.Prior(), [await _past(work, key) for key in past.all()])


async def _past(work: Work, callout_id: int) -> waves.Past:
    rows = (
        await work.session.execute(
            select(
                Response.asked_at, Response.answered_at, Response.said_yes, Response.arrived_at
            ).where(Response.callout_id == callout_id)
        )
    ).all()
    yes = [row for row in rows if row.said_yes]
    return waves.Past(
        asked=len(rows),
        yes=len(yes),
        delays=tuple(_minutes(row.asked_at, row.answered_at) for row in yes if row.answered_at),
        came=sum(row.arrived_at is not None for row in yes),
    )


async def _send(
    work: Work,
    callout: Callout,
    need: Need,
    rows: list[dict[str, Any]],
    decision: waves.Decision,
) -> None:
    """Writes the responses, the wave and the deliveries of those who are asked now."""
    last = select(func.max(Wave.number)).where(Wave.need_id == need.id)
    number = (await work.session.scalar(last) or 0) + 1
    await work.session.execute(insert(Response), [{**row, "wave": number} for row in rows])
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
        {**await described(work, callout), "need": await need_named(work, need)},
        kind=ALARM,
        lane=Lane.EMERGENCY,
        subject=subject(callout.id),
        dedupe=f"callout:{callout.id}",
    )


async def described(work: Work, callout: Callout) -> dict[str, Any]:
    """A call-out as the templates take it."""
    commander = await work.session.get_one(Person, callout.commander_id)
    organisation = await work.session.get_one(Organisation, callout.organisation_id)
    return {
        "callout_id": callout.id,
        "kind": callout.kind.value,
        "drill": callout.drill,
        "critical": callout.critical,
        "details": callout.details,
        "address": callout.address,
        "latitude": callout.latitude,
        "longitude": callout.longitude,
        "commander": commander.name,
        "organisation": organisation.names,
        "launched_at": callout.launched_at,
    }


async def need_named(work: Work, need: Need) -> dict[str, Any]:
    """A need as the templates take it, with the names of what is asked for."""
    skills = await terms.by_keys(work.session, Skill, need.skills)
    kinds = await terms.by_keys(work.session, QualificationKind, need.qualifications)
    return {
        "id": need.id,
        "quota": need.quota,
        "names": [skill.names for skill in skills] + [kind.names for kind in kinds],
    }


async def _move_up(work: Work, callout: Callout, responses: Sequence[Response], needed: int) -> int:
    """Standbys who are nearest are asked to come now; answers how many. They are told once."""
    waiting = [
        one for one in responses if one.state is ResponseState.STANDBY and one.moved_up_at is None
    ]
    nearest_first = sorted(waiting, key=lambda one: one.metres)[:needed]
    for one in nearest_first:
        one.moved_up_at = work.now
    post = Post(
        "callouts/move_up", await described(work, callout), kind=ALARM, lane=Lane.EMERGENCY,
        subject=subject(callout.id),
    )  # fmt: skip
    if nearest_first:
        await delivery.tell(work, post, [one.person_id for one in nearest_first])
    return len(nearest_first)


async def _close(work: Work, callout: Callout, need: Need) -> None:
    """Enough are coming: what is unsent is revoked, and those who have not answered read it."""
    open_ones = select(Response.person_id).where(
        Response.need_id == need.id, Response.state == ResponseState.ASKED
    )
    waiting = list(await work.session.scalars(open_ones))
    if not waiting:
        return
    post = Post("callouts/enough", await described(work, callout), kind=ALARM, lane=Lane.EMERGENCY)
    await delivery.correct(work, subject(callout.id), post, kind=ALARM, people=open_ones)
    await work.session.execute(
        update(Response)
        .where(Response.need_id == need.id, Response.state == ResponseState.ASKED)
        .values(state=ResponseState.RELEASED)
    )


# The board


async def report(work: Work) -> int:
    """Edits the board on the commanders' phones where it has changed."""
    found = await work.session.scalars(select(Callout).where(Callout.state == CalloutState.ACTIVE))
    return sum([await show_board(work, callout) for callout in found.all()])


async def show_board(work: Work, callout: Callout) -> int:
    """Puts the board as it is now onto the phones that hold it; 0 if nothing has changed."""
    shown = delivery.storable(await board(work, callout))
    if shown == callout.shown:
        return 0
    callout.shown, callout.shown_at = shown, work.now
    post = Post("callouts/board", shown, kind=BOARD, lane=Lane.EMERGENCY, subject=_board(callout))
    await delivery.revise(work, _board(callout), post, kind=BOARD)
    return 1


async def hand_board(work: Work, callout: Callout, people: Iterable[int]) -> None:
    """A fresh board for the phones of these commanders."""
    callout.shown = delivery.storable(await board(work, callout))
    callout.shown_at = work.now
    post = Post(
        "callouts/board", callout.shown or {}, kind=BOARD, lane=Lane.EMERGENCY,
        subject=_board(callout),
    )  # fmt: skip
    await delivery.tell(work, post, people)


def _board(callout: Callout) -> str:
    return f"{subject(callout.id)}:board"


async def board(work: Work, callout: Callout) -> dict[str, Any]:
    """How a call-out stands: counts and last wave of each need, who is coming, who is there."""
    needs = [await _need_on_board(work, need) for need in await needs_of(work, callout)]
    people = await _people_on_board(work, callout)
    return {
        **await described(work, callout),
        "state": callout.state.value,
        "holds": callout.holds,
        "false_alarm": callout.false_alarm,
        "needs": needs,
        "seen": await _seen(work, callout),
        "coming": [one for one in people if one["state"] == ResponseState.COMING],
        "there": [one for one in people if one["state"] == ResponseState.ON_SCENE],
        "missing": [one for one in people if one["missing"]],
        "sos": [one for one in people if one["sos"]],
    }


async def _need_on_board(work: Work, need: Need) -> dict[str, Any]:
    rows = await work.session.execute(
        select(Response.state, func.count())
        .where(Response.need_id == need.id)
        .group_by(Response.state)
    )
    counted = Counter({state.value: number for state, number in rows})
    last = await work.session.scalar(
        select(Wave).where(Wave.need_id == need.id).order_by(Wave.number.desc()).limit(1)
    )
    return {
        **await need_named(work, need),
        "counts": {state.value: counted[state.value] for state in ResponseState},
        "asked": counted.total(),
        "wave": {
            "number": last.number,
            "size": last.size,
            "percent": round(100 * last.response),
            "expected": round(last.expected),
        }
        if last
        else None,
    }


async def _people_on_board(work: Work, callout: Callout) -> list[dict[str, Any]]:
    """Those who are coming or there, the soonest first."""
    rows = await work.session.execute(
        select(Response, Person.name)
        .join(Person, Person.id == Response.person_id)
        .where(
            Response.callout_id == callout.id,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
        .order_by(Response.due_at, Response.person_id)
    )
    return [
        {
            "person_id": one.person_id,
            "name": name,
            "state": one.state.value,
            "due_at": one.due_at,
            "missing": one.safe_asked_at is not None and one.safe_at is None,
            "sos": one.sos_at is not None,
        }
        for one, name in rows
    ]


async def _seen(work: Work, callout: Callout) -> int:
    """How many have pressed a button under the call."""
    return (
        await work.session.scalar(
            select(func.count(func.distinct(Delivery.person_id)))
            .join(Message, Message.id == Delivery.message_id)
            .where(
                Message.subject == subject(callout.id),
                Message.kind == ALARM,
                Delivery.seen_at.is_not(None),
            )
        )
        or 0
    )

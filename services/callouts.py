"""Call-outs as people do them: declaring, confirming, answering, arriving, standing down.

What happens by itself is in `services.mobilising`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import literal, select, update

from models import (
    Callout,
    CalloutState,
    Emergency,
    Lane,
    Need,
    Organisation,
    Person,
    Response,
    ResponseState,
    Role,
    Skill,
)
from services import access, audit, delivery, geo, mobilising, nearest, waves
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.mobilising import ALARM, THERE, described, subject
from services.work import Work

RINGS = (5_000.0, 10_000.0, 20_000.0, 30_000.0)
"""Metres within which a preview counts who could be asked."""
COUNTED = 2_000
"""More people than this are not counted in a preview."""
EXPIRES_SOON = timedelta(days=30)
MINUTES = (15, 30, 60)
"""What somebody who is coming may press."""
ORDER = "callout_order"
"""Messages about a call-out that are no alarm: to its commanders, and to single people."""


class Reason(StrEnum):
    """Why somebody cannot come."""

    AWAY = "away"
    ILL = "ill"
    AT_WORK = "at_work"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usual:
    """What a kind of emergency usually asks for; skills by code, the radius in metres."""

    skills: tuple[str, ...] = ()
    radius: float = 20_000.0


USUAL: dict[Emergency, Usual] = {
    Emergency.TYPHOON: Usual(),
    Emergency.FLOOD: Usual(("water_rescue",), 30_000.0),
    Emergency.FIRE: Usual(("firefighting",)),
    Emergency.MISSING_PERSON: Usual(("search",)),
    Emergency.MEDICAL: Usual(("first_aid",), 10_000.0),
    Emergency.EPIDEMIC: Usual(),
    Emergency.CROWD: Usual(("crowd_control",), 10_000.0),
    Emergency.BLOOD: Usual(),
    Emergency.OTHER: Usual(),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many people with all of these skills and qualifications, by key."""

    quota: int
    skills: Sequence[int] = ()
    qualifications: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a commander asks for. Degrees WGS-84; the radius in metres."""

    organisation_id: int
    kind: Emergency
    drill: bool
    latitude: float
    longitude: float
    address: str
    needs: Sequence[Wanted]
    details: str = ""
    critical: bool = False
    radius: float | None = None


async def usual_skills(work: Work, kind: Emergency) -> list[int]:
    """Keys of the skills that a kind of emergency usually needs, as far as this city has them."""
    codes = USUAL[kind].skills
    found = await work.session.scalars(select(Skill.id).where(Skill.code.in_(codes)))
    return list(found)


async def commands(work: Work) -> list[Organisation]:
    """The organisations in which the actor may call people out. Raises NotAllowed."""
    own = await access.organisations_with(work, Right.LAUNCH_CALLOUTS)
    if not own:
        raise NotAllowed
    return own


async def under_way(work: Work) -> list[Callout]:
    """Those that the actor commands and that have not ended, the newest first."""
    within = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    found = await work.session.scalars(
        select(Callout)
        .where(within, Callout.state.in_((CalloutState.AWAITING_SECOND, CalloutState.ACTIVE)))
        .order_by(Callout.id.desc())
    )
    return list(found)


async def commanded(work: Work, callout_id: int) -> Callout:
    """Raises Gone, NotAllowed."""
    found = await work.session.scalar(
        select(Callout).where(Callout.id == callout_id).with_for_update()
    )
    if found is None:
        raise Gone
    await access.require(work, Right.LAUNCH_CALLOUTS, found.organisation_id)
    return found


async def need_commanded(work: Work, need_id: int) -> Need:
    """Raises Gone, NotAllowed."""
    need = await work.session.get(Need, need_id)
    if need is None:
        raise Gone
    await commanded(work, need.callout_id)
    return need


async def _running(work: Work, callout_id: int) -> Callout:
    """Raises Gone, NotAllowed, Refusal("callout_over")."""
    found = await commanded(work, callout_id)
    if found.state is not CalloutState.ACTIVE:
        raise Refusal("callout_over")
    return found


# Declaring


async def declare(work: Work, said: Declaration) -> Callout:
    """A draft that nobody hears of until its word has been typed. Raises NotAllowed."""
    await access.require(work, Right.LAUNCH_CALLOUTS, said.organisation_id)
    callout = Callout(
        organisation_id=said.organisation_id,
        commander_id=work.person.id,
        kind=said.kind,
        drill=said.drill,
        critical=said.critical,
        details=said.details,
        address=said.address,
        latitude=said.latitude,
        longitude=said.longitude,
        radius=said.radius or USUAL[said.kind].radius,
        state=CalloutState.DRAFT,
        word=f"{secrets.randbelow(9000) + 1000}",
        created_at=work.now,
    )
    work.session.add(callout)
    await work.session.flush()
    for need in said.needs:
        work.session.add(
            Need(
                callout_id=callout.id, quota=need.quota, skills=list(need.skills),
                qualifications=list(need.qualifications),
            )
        )  # fmt: skip
    await work.session.flush()
    return callout


async def preview(work: Work, callout_id: int) -> dict[str, Any]:
    """Who could be asked, how far around, and when the quota should stand."""
    callout = await commanded(work, callout_id)
    needs = await mobilising.needs_of(work, callout)
    outlooks = [await _outlook(work, callout, need) for need in needs]
    return {
        **await described(work, callout),
        "word": callout.word,
        "radius": callout.radius,
        "needs": outlooks,
        "second": _needs_second(work, callout, needs),
    }


async def _outlook(work: Work, callout: Callout, need: Need) -> dict[str, Any]:
    """What a need may expect: people within each ring, and minutes until enough have said yes."""
    widest = max(*RINGS, callout.radius)
    found = await mobilising.candidates_within(work, callout, need, widest, COUNTED)
    near = [one for one in found if one.metres <= callout.radius]
    candidates = await mobilising.as_candidates(work, callout, near)
    horizon = mobilising.CRITICAL_HORIZON if callout.critical else mobilising.HORIZON
    prior = await mobilising.prior_of(work, callout)
    minutes = waves.forecast(need.quota, candidates, prior, horizon=horizon)
    return {
        **await mobilising.need_named(work, need),
        "rings": [[round(ring / 1000), sum(one.metres <= ring for one in found)] for ring in RINGS],
        "minutes": None if minutes is None else round(minutes),
        "without_skills": await _anyone(work, callout, near) if minutes is None else None,
    }


async def _anyone(work: Work, callout: Callout, near: Sequence[nearest.Found]) -> int:
    """How many more there are within the radius if nothing special is asked of them."""
    anyone = Need(skills=[], qualifications=[], quota=1)
    found = await mobilising.candidates_within(work, callout, anyone, callout.radius, COUNTED)
    return max(0, len(found) - len(near))


def _needs_second(work: Work, callout: Callout, needs: Sequence[Need]) -> bool:
    large = sum(need.quota for need in needs) > work.policy.callout_second_size
    return large and not callout.critical


async def launch(work: Work, callout_id: int, typed: str) -> Callout:
    """Sends the first wave, or asks a second commander where it is large.

    Raises Refusal("callout_word") if the word is not the one shown, Refusal("callout_no_second")
    if nobody else could confirm it.
    """
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.DRAFT:
        raise Gone
    if typed.strip() != callout.word:
        raise Refusal("callout_word", word=callout.word)
    needs = await mobilising.needs_of(work, callout)
    if not _needs_second(work, callout, needs):
        return await _start(work, callout)
    others = await _commanders(work, callout)
    if not others:
        raise Refusal("callout_no_second", most=work.policy.callout_second_size)
    callout.state = CalloutState.AWAITING_SECOND
    callout.lapses_at = work.now + timedelta(minutes=work.policy.callout_second_minutes)
    parameters = {
        **await described(work, callout),
        "needs": [await mobilising.need_named(work, need) for need in needs],
        "lapses_at": callout.lapses_at,
    }
    await delivery.tell(
        work,
        Post("callouts/second", parameters, kind=ORDER, lane=Lane.EMERGENCY,
             subject=f"{subject(callout.id)}:second", expires_at=callout.lapses_at),
        others,
    )  # fmt: skip
    audit.note(work, "callout.declared", subject(callout.id),
               organisation_id=callout.organisation_id)  # fmt: skip
    return callout


async def confirm(work: Work, callout_id: int) -> Callout:
    """A second commander lets it go. Raises Refusal("callout_own") for whoever declared it."""
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.AWAITING_SECOND or _has_lapsed(work, callout):
        raise Refusal("callout_over")
    if callout.commander_id == work.person.id:
        raise Refusal("callout_own")
    callout.second_id = work.person.id
    return await _start(work, callout)


def _has_lapsed(work: Work, callout: Callout) -> bool:
    return callout.lapses_at is not None and callout.lapses_at <= work.now


async def _start(work: Work, callout: Callout) -> Callout:
    callout.state = CalloutState.ACTIVE
    callout.launched_at = work.now
    await mobilising.advance_one(work, callout)
    await mobilising.hand_board(work, callout, {callout.commander_id, work.person.id})
    if callout.critical:
        post = Post("callouts/reported", await described(work, callout), kind=ORDER,
                    lane=Lane.EMERGENCY)  # fmt: skip
        await delivery.tell(work, post, await _commanders(work, callout))
    audit.note(work, "callout.launched", subject(callout.id),
               organisation_id=callout.organisation_id, drill=callout.drill)  # fmt: skip
    return callout


async def _commanders(work: Work, callout: Callout) -> set[int]:
    """Everyone else who may command here: in the organisation and above it."""
    path = select(Organisation.path).where(Organisation.id == callout.organisation_id)
    found = await work.session.scalars(
        select(Role.person_id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Role.kind.in_(access.roles_with(Right.LAUNCH_CALLOUTS)),
            path.scalar_subquery().like(Organisation.path + literal("%")),
        )
    )
    return set(found) - {work.person.id, callout.commander_id}


# While it runs


async def board(work: Work, callout_id: int) -> dict[str, Any]:
    return await mobilising.board(work, await commanded(work, callout_id))


async def ask_more(work: Work, callout_id: int) -> int:
    """The next wave now, whatever is still expected; answers how many were asked."""
    callout = await _running(work, callout_id)
    audit.note(work, "callout.wave", subject(callout.id), organisation_id=callout.organisation_id)
    return await mobilising.advance_one(work, callout, at_once=True)


async def hold(work: Work, callout_id: int, *, holds: bool) -> Callout:
    """Stops the waves or lets them go on."""
    callout = await _running(work, callout_id)
    callout.holds = holds
    audit.note(work, "callout.held" if holds else "callout.resumed", subject(callout.id),
               organisation_id=callout.organisation_id)  # fmt: skip
    await mobilising.advance_one(work, callout)
    return callout


async def change_quota(work: Work, need_id: int, quota: int) -> Callout:
    """More or fewer people; waves follow at once."""
    need = await need_commanded(work, need_id)
    callout = await _running(work, need.callout_id)
    need.quota = quota
    await work.session.flush()
    audit.note(work, "callout.quota", subject(callout.id),
               organisation_id=callout.organisation_id, quota=quota)  # fmt: skip
    await mobilising.advance_one(work, callout)
    return callout


async def say(work: Work, callout_id: int, text: str) -> int:
    """Free words to everyone who is coming, there or on standby; answers how many."""
    callout = await _running(work, callout_id)
    people = await _held(work, callout)
    post = Post("callouts/said", {**await described(work, callout), "text": text}, kind=ORDER,
                lane=Lane.EMERGENCY)  # fmt: skip
    await delivery.tell(work, post, people)
    return len(people)


async def _held(work: Work, callout: Callout) -> list[int]:
    found = await work.session.scalars(
        select(Response.person_id).where(
            Response.callout_id == callout.id,
            Response.state.in_(
                (ResponseState.COMING, ResponseState.STANDBY, ResponseState.ON_SCENE)
            ),
        )
    )
    return list(found)


# Answering


async def _own(work: Work, callout_id: int) -> tuple[Callout, Response]:
    """The actor's place in a call-out that runs. Raises Gone, Refusal("callout_over")."""
    callout = await work.session.scalar(
        select(Callout).where(Callout.id == callout_id).with_for_update()
    )
    own = await work.session.get(Response, (callout_id, work.person.id))
    if callout is None or own is None:
        raise Gone
    if callout.state is not CalloutState.ACTIVE:
        raise Refusal("callout_over")
    return callout, own


async def opened(work: Work, callout_id: int) -> dict[str, Any]:
    """What the actor sees of a call-out in which they were asked."""
    callout, own = await _own(work, callout_id)
    return await _shown(work, callout, own)


async def _shown(work: Work, callout: Callout, own: Response) -> dict[str, Any]:
    return {
        **await described(work, callout),
        "state": own.state.value,
        "due_at": own.due_at,
        "metres": own.metres,
        "reason": own.reason,
    }


async def come(work: Work, callout_id: int, minutes: int) -> dict[str, Any]:
    """The actor is coming and there in so many minutes; where enough are, on standby instead.

    Whoever is much nearer replaces the farthest who is still under way.
    """
    if minutes not in MINUTES:
        raise Gone
    callout, own = await _own(work, callout_id)
    if own.state in THERE:
        return await _shown(work, callout, own)
    due_at = work.now + timedelta(minutes=minutes)
    if own.state is not ResponseState.COMING:
        need = await work.session.get_one(Need, own.need_id)
        full = await mobilising.is_full(work, callout, need)
        if full and not await _replace_farthest(work, callout, own, minutes):
            return await _answer(work, callout, own, ResponseState.STANDBY)
    own.due_at = due_at
    own.said_yes = True
    return await _answer(work, callout, own, ResponseState.COMING)


async def _replace_farthest(work: Work, callout: Callout, own: Response, minutes: int) -> bool:
    farthest = await work.session.scalar(
        select(Response)
        .where(Response.need_id == own.need_id, Response.state == ResponseState.COMING)
        .order_by(Response.due_at.desc())
        .limit(1)
    )
    if farthest is None or farthest.due_at is None:
        return False
    left = (farthest.due_at - work.now).total_seconds() / 60
    if not waves.replaces(minutes, left):
        return False
    farthest.state = ResponseState.RELEASED
    post = Post("callouts/replaced", await described(work, callout), kind=ORDER,
                lane=Lane.EMERGENCY)  # fmt: skip
    await delivery.tell(work, post, [farthest.person_id])
    return True


async def stand_by(work: Work, callout_id: int) -> dict[str, Any]:
    callout, own = await _own(work, callout_id)
    return await _answer(work, callout, own, ResponseState.STANDBY)


async def decline(work: Work, callout_id: int, reason: str, *, today: bool) -> dict[str, Any]:
    """The actor cannot come; `today`: nor be asked again before the local day ends."""
    callout, own = await _own(work, callout_id)
    own.reason = Reason(reason).value if reason in set(Reason) else None
    if today:
        midnight = work.now.astimezone(work.policy.zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        own.rests_until = midnight + timedelta(days=1)
    return await _answer(work, callout, own, ResponseState.CANNOT)


async def _answer(
    work: Work, callout: Callout, own: Response, state: ResponseState
) -> dict[str, Any]:
    """Notes an answer; what they held before may open a place, which the next tick sees."""
    if own.state in THERE:
        return await _shown(work, callout, own)
    own.state = state
    own.answered_at = own.answered_at or work.now
    await work.session.flush()
    return await _shown(work, callout, own)


# On scene


async def arrive(work: Work, callout_id: int, latitude: float, longitude: float) -> dict[str, Any]:
    """The actor is at the rally point. Raises Refusal("callout_too_far")."""
    callout, own = await _own(work, callout_id)
    metres = geo.distance(latitude, longitude, callout.latitude, callout.longitude)
    if metres > work.policy.rally_radius:
        raise Refusal("callout_too_far", metres=metres)
    _note_arrival(work, own)
    await work.session.flush()
    return await _shown(work, callout, own)


async def note_arrived(work: Work, callout_id: int, person_id: int) -> None:
    """The commander's roll: this one is here. Raises Gone."""
    await _running(work, callout_id)
    response = await work.session.get(Response, (callout_id, person_id))
    if response is None:
        raise Gone
    _note_arrival(work, response)
    await work.session.flush()


def _note_arrival(work: Work, response: Response) -> None:
    if response.state in THERE:
        return
    response.state = ResponseState.ON_SCENE
    response.said_yes = True
    response.answered_at = response.answered_at or work.now
    response.arrived_at = work.now


async def call_roll(work: Work, callout_id: int) -> int:
    """Asks everyone on scene whether they are safe; answers how many."""
    callout = await _running(work, callout_id)
    asked = await work.session.scalars(
        update(Response)
        .where(Response.callout_id == callout.id, Response.state == ResponseState.ON_SCENE)
        .values(safe_asked_at=work.now, safe_at=None)
        .returning(Response.person_id)
    )
    people = list(asked)
    post = Post("callouts/are_you_safe", await described(work, callout), kind=ORDER,
                lane=Lane.EMERGENCY)  # fmt: skip
    await delivery.tell(work, post, people)
    return len(people)


async def safe(work: Work, callout_id: int) -> dict[str, Any]:
    """The actor is well; an alarm that they gave is over."""
    callout, own = await _own(work, callout_id)
    own.safe_at = work.now
    own.sos_at = None
    await work.session.flush()
    return await _shown(work, callout, own)


async def alarm(work: Work, callout_id: int) -> dict[str, Any]:
    """SOS: every commander of the call-out hears at once who it is. Raises Gone off the scene."""
    callout, own = await _own(work, callout_id)
    if own.state is not ResponseState.ON_SCENE:
        raise Gone
    own.sos_at = work.now
    own.safe_at = None
    await _tell_commanders(work, callout, Post("callouts/sos", await _named(work, callout), ORDER))
    await work.session.flush()
    return await _shown(work, callout, own)


async def place_alarm(work: Work, callout_id: int, latitude: float, longitude: float) -> None:
    """Where the actor who gave SOS is, for the commanders' map."""
    callout, own = await _own(work, callout_id)
    if own.sos_at is None:
        raise Gone
    where = {"location": {"latitude": latitude, "longitude": longitude}}
    post = Post("callouts/sos", await _named(work, callout), ORDER, attachment=where)
    await _tell_commanders(work, callout, post)


async def _named(work: Work, callout: Callout) -> dict[str, Any]:
    return {**await described(work, callout), "name": work.person.name}


async def _tell_commanders(work: Work, callout: Callout, post: Post) -> None:
    commanders = {callout.commander_id, callout.second_id or callout.commander_id}
    await delivery.tell(work, replace(post, lane=Lane.EMERGENCY), commanders)


async def go_home(work: Work, callout_id: int) -> dict[str, Any]:
    """The actor has left the scene and is home safe; also after the end."""
    callout = await work.session.get(Callout, callout_id)
    own = await work.session.get(Response, (callout_id, work.person.id))
    if callout is None or own is None or own.state not in THERE:
        raise Gone
    own.state = ResponseState.HOME
    own.home_at = own.home_at or work.now
    own.sos_at = None
    await work.session.flush()
    return await _shown(work, callout, own)


# The end


async def stand_down(work: Work, callout_id: int, *, false_alarm: bool) -> Callout:
    """Everyone reached is told: what they hold is edited, who is under way hears it anew."""
    callout = await _running(work, callout_id)
    callout.state = CalloutState.ENDED
    callout.ended_at = work.now
    callout.false_alarm = false_alarm
    await work.session.flush()
    about = {**await described(work, callout), "false_alarm": false_alarm}
    edited = Post("callouts/ended", about, kind=ALARM, lane=Lane.EMERGENCY)
    await delivery.correct(work, subject(callout.id), edited, kind=ALARM)
    there = select(Response.person_id).where(
        Response.callout_id == callout.id, Response.state == ResponseState.ON_SCENE
    )
    on_scene = set(await work.session.scalars(there))
    under_way = set(await _held(work, callout)) - on_scene
    for template, people in (("stand_down", under_way), ("go_home", on_scene)):
        post = Post(f"callouts/{template}", about, kind=ORDER, lane=Lane.EMERGENCY)
        await delivery.tell(work, post, people)
    await mobilising.show_board(work, callout)
    audit.note(work, "callout.ended", subject(callout.id),
               organisation_id=callout.organisation_id, false_alarm=false_alarm)  # fmt: skip
    return callout


async def roll(work: Work, callout_id: int) -> list[tuple[Response, str]]:
    """Everyone who said yes, with their names: those not yet there first."""
    callout = await commanded(work, callout_id)
    rows = await work.session.execute(
        select(Response, Person.name)
        .join(Person, Person.id == Response.person_id)
        .where(Response.callout_id == callout.id, Response.said_yes)
        .order_by(Response.arrived_at.is_not(None), Response.due_at, Response.person_id)
    )
    return [(one, name) for one, name in rows]

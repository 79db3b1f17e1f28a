"""Declaring a call-out: what is usual for it, the preview, the word, the second commander."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from models import (
    Callout,
    CalloutState,
    Emergency,
    Need,
    Qualification,
    QualificationState,
    Skill,
)
from services import access, boards, callouts, candidates, mobilising, organisations, waves
from services.access import Right
from services.callouts import commanded, commanders, described, need_named, needs_of
from services.errors import Gone, Refusal
from services.nearest import Found
from services.work import Work

RINGS = (5_000.0, 10_000.0, 20_000.0, 30_000.0)
"""Metres within which a preview counts who could be asked."""
COUNTED = 2_000
"""More people than this are not counted in a preview."""
EXPIRES_SOON = timedelta(days=30)
PLACES = 3
"""Earlier rally points that are proposed."""


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
    languages: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a commander asks for. Degrees WGS-84, the radius in metres, times in minutes."""

    organisation_id: int
    kind: Emergency
    drill: bool
    latitude: float
    longitude: float
    address: str
    needs: Sequence[Wanted]
    details: str = ""
    bring: str = ""
    dangers: str = ""
    within: int | None = None
    lasts: int | None = None
    critical: bool = False
    radius: float | None = None


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """Somewhere that has a name, in WGS-84 degrees; `earlier`: it was a rally point before."""

    names: dict[str, str]
    latitude: float
    longitude: float
    earlier: bool


async def usual_skills(work: Work, kind: Emergency) -> list[int]:
    """Keys of the skills that a kind of emergency usually needs, as far as this city has them."""
    codes = USUAL[kind].skills
    found = await work.session.scalars(select(Skill.id).where(Skill.code.in_(codes)))
    return list(found)


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
        bring=said.bring,
        dangers=said.dangers,
        within=said.within,
        lasts=said.lasts,
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
    for wanted in said.needs:
        work.session.add(need_of(callout, wanted))
    await work.session.flush()
    callouts.note(work, "drafted", callout, drill=callout.drill)
    return callout


def need_of(callout: Callout, wanted: Wanted) -> Need:
    return Need(
        callout_id=callout.id,
        quota=wanted.quota,
        skills=list(wanted.skills),
        qualifications=list(wanted.qualifications),
        languages=list(wanted.languages),
    )


async def add_to_draft(work: Work, callout_id: int, wanted: Wanted) -> Callout:
    """One more need before it is sent. Raises Gone, NotAllowed."""
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.DRAFT:
        raise Gone
    work.session.add(need_of(callout, wanted))
    await work.session.flush()
    return callout


async def known_places(work: Work) -> list[KnownPlace]:
    """The actor's latest rally points, the newest first, and the areas of the city."""
    within = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    found = await work.session.scalars(
        select(Callout)
        .where(within, Callout.launched_at.is_not(None), Callout.address != "")
        .order_by(Callout.id.desc())
        .limit(10 * PLACES)
    )
    latest: dict[str, Callout] = {}
    for callout in found:
        latest.setdefault(callout.address, callout)
    earlier = [
        KnownPlace({work.policy.default_language: address}, one.latitude, one.longitude, True)
        for address, one in list(latest.items())[:PLACES]
    ]
    areas = [
        KnownPlace(organisations.area_names(one), one.latitude, one.longitude, False)
        for one in await organisations.with_places(work.session)
        if one.latitude is not None and one.longitude is not None
    ]
    return earlier + areas


async def preview(work: Work, callout_id: int) -> dict[str, Any]:
    """Who could be asked, how far around, and when the quota should stand."""
    callout = await commanded(work, callout_id)
    needs = await needs_of(work, callout)
    return {
        **await described(work, callout),
        "word": callout.word,
        "radius": callout.radius,
        "needs": [await _outlook(work, callout, need) for need in needs],
        "second": _needs_second(work, callout, needs),
        "night": candidates.is_night(work),
    }


async def _outlook(work: Work, callout: Callout, need: Need) -> dict[str, Any]:
    """What a need may expect: people within each ring, and minutes until enough have said yes.

    Where these are too few: how many more there would be without skills, and how many of others.
    """
    found = await candidates.within(work, callout, need, max(*RINGS, callout.radius), COUNTED)
    near = [one for one in found if one.metres <= callout.radius]
    able = await candidates.as_candidates(work, callout, near)
    prior = await candidates.prior_of(work, callout.organisation_id, drill=callout.drill)
    minutes = waves.forecast(need.quota, able, prior, horizon=mobilising.horizon_of(work, callout))
    outlook = {
        **await need_named(work, need),
        "rings": [[round(ring / 1000), sum(one.metres <= ring for one in found)] for ring in RINGS],
        "near": len(near),
        "nearest": near[0].metres if near else None,
        "expected": round(sum(one.p for one in able)),
        "expiring": await _expiring(work, need, near),
        "minutes": None if minutes is None else round(minutes),
    }
    if minutes is None:
        outlook |= await _what_helps(work, callout, need, len(near))
    return outlook


async def _what_helps(work: Work, callout: Callout, need: Need, near: int) -> dict[str, Any]:
    """How many more within the radius without any skill, and from other organisations."""
    anyone = Need(skills=[], qualifications=[], languages=need.languages, quota=need.quota)
    without = await candidates.within(work, callout, anyone, callout.radius, COUNTED)
    others = await candidates.within(work, callout, need, callout.radius, COUNTED, everywhere=True)
    return {"without_skills": max(0, len(without) - near), "others": max(0, len(others) - near)}


async def _expiring(work: Work, need: Need, near: Sequence[Found]) -> int:
    """How many of these people's documents that the need asks for expire soon."""
    soon = work.today + EXPIRES_SOON
    count = select(func.count(func.distinct(Qualification.person_id))).where(
        Qualification.person_id.in_([one.person_id for one in near]),
        Qualification.kind_id.in_(need.qualifications),
        Qualification.state == QualificationState.VERIFIED,
        Qualification.expires_on.between(work.today, soon),
    )
    return await work.session.scalar(count) or 0 if need.qualifications else 0


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
    needs = await needs_of(work, callout)
    if not _needs_second(work, callout, needs):
        return await _start(work, callout)
    others = await commanders(work, callout) - {work.person.id}
    if not others:
        raise Refusal("callout_no_second", most=work.policy.callout_second_size)
    callout.state = CalloutState.AWAITING_SECOND
    callout.lapses_at = work.now + timedelta(minutes=work.policy.callout_second_minutes)
    about = {
        "needs": [await need_named(work, need) for need in needs],
        "lapses_at": callout.lapses_at,
    }
    await callouts.tell(work, callout, "second", others, about)
    callouts.note(work, "declared", callout)
    return callout


async def confirm(work: Work, callout_id: int) -> Callout:
    """A second commander lets it go. Raises Refusal("callout_own") for whoever declared it."""
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.AWAITING_SECOND or _has_lapsed(work, callout):
        raise Refusal("callout_over")
    if callout.commander_id == work.person.id:
        raise Refusal("callout_own")
    callout.second_id = work.person.id
    callouts.note(work, "confirmed", callout)
    return await _start(work, callout)


def _has_lapsed(work: Work, callout: Callout) -> bool:
    return callout.lapses_at is not None and callout.lapses_at <= work.now


async def _start(work: Work, callout: Callout) -> Callout:
    callout.state = CalloutState.ACTIVE
    callout.launched_at = callout.acted_at = work.now
    command = {callout.commander_id, work.person.id}
    await mobilising.advance_one(work, callout)
    await boards.hand_board(work, callout, command)
    if callout.critical:
        await callouts.tell(work, callout, "reported", await commanders(work, callout) - command)
    callouts.note(work, "launched", callout, drill=callout.drill)
    return callout

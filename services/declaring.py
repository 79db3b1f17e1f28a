"""Declaring a call-out: what is usual for it, the preview, the word, the second commander."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select

from models import (
    Callout,
    CalloutState,
    Emergency,
    Equipment,
    Need,
    Organisation,
    OrganisationKind,
    Qualification,
    QualificationState,
    RallyPoint,
    Skill,
    UsualText,
)
from services import (
    access,
    boards,
    callouts,
    candidates,
    crews,
    events,
    mobilising,
    organisations,
    places,
    rally_points,
    waves,
)
from services.access import Right
from services.callouts import commanded, commanders, described, need_named, needs_of
from services.errors import Gone, NotAllowed, Refusal
from services.finding import folded, score, search_key
from services.nearest import Found
from services.work import Work

RINGS = (5_000.0, 10_000.0, 20_000.0, 30_000.0)
"""Metres within which a preview counts who could be asked."""
COUNTED = 2_000
"""More people than this are not counted in a preview."""
EXPIRES_SOON = timedelta(days=30)
DEMANDS = ("skills", "qualifications", "languages", "equipment", "team_id")
"""What a need may ask for, any of which may be dropped where it finds too few."""
EVERYTHING = "everything"
PLACES = 3
"""Earlier rally points that are proposed."""
LARGEST = 1_000
"""People that one need may ask for."""
WITHIN = (30, 60, 120, 360)
"""Minutes, of which one is chosen, until people should be there."""
DETAILS_LENGTH, WORDS_LENGTH, ADDRESS_LENGTH = 1_000, 300, 200
"""Characters of what happened, of what to bring or beware of, and of the rally point's name."""
BEGUN = timedelta(days=1)
"""For so long a draft is offered to be gone on with."""
READY = 5
"""As many that are kept ready."""
SORTS = 3
"""Where a known place comes from: kept ready, an earlier call-out, or an area."""


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
    """So many people with all of this; by key, but for equipment. A team's members alone."""

    quota: int
    skills: Sequence[int] = ()
    qualifications: Sequence[int] = ()
    languages: Sequence[int] = ()
    equipment: Sequence[Equipment] = ()
    team_id: int | None = None


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
    usual: Sequence[UsualText] = ()
    within: int | None = None
    lasts: int | None = None
    critical: bool = False
    radius: float | None = None


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """Somewhere that has a name, in WGS-84 degrees; `earlier`: it was a rally point before.

    `kept`: it is one of the rally points that organisations keep ready, and among the nearest.
    `key` is the same at every look, whatever else has come or gone.
    """

    key: int
    names: dict[str, str]
    latitude: float
    longitude: float
    earlier: bool
    kept: bool = False
    is_town: bool = False
    """A whole town, by whose name a map is read."""


async def usual_skills(work: Work, kind: Emergency) -> list[int]:
    """Keys of the skills that a kind of emergency usually needs, as far as this city has them."""
    codes = USUAL[kind].skills
    found = await work.session.scalars(select(Skill.id).where(Skill.code.in_(codes)))
    return list(found)


# Declaring


async def declare(work: Work, said: Declaration) -> Callout:
    """A draft that nobody hears of until its word has been typed.

    Raises NotAllowed, Gone, Refusal for a number or words that don't fit.
    """
    await access.require(work, Right.LAUNCH_CALLOUTS, said.organisation_id)
    await organisations.require_open(work, said.organisation_id)
    callout = Callout(
        commander_id=work.person.id,
        state=CalloutState.DRAFT,
        word=f"{secrets.randbelow(9000) + 1000}",
        created_at=work.now,
        **_said(said),
    )
    work.session.add(callout)
    await work.session.flush()
    for wanted in said.needs:
        await add_need(work, callout, wanted)
    callouts.note(work, "drafted", callout, drill=callout.drill)
    return callout


async def declare_anew(
    work: Work, callout_id: int, said: Declaration, *, whole: bool = False
) -> Callout:
    """Other words for a draft; its first need is the one that was said, further ones stay.

    `whole`: what was said has all needs, so that others are dropped. Raises NotAllowed, Gone,
    Refusal.
    """
    callout = await _draft(work, callout_id)
    await access.require(work, Right.LAUNCH_CALLOUTS, said.organisation_id)
    for name, value in _said(said).items():
        setattr(callout, name, value)
    needs = await needs_of(work, callout)
    for need, wanted in zip(needs, said.needs, strict=False):
        _set(need, await _wanted(work, wanted))
    if whole and said.needs:
        for need in needs[len(said.needs) :]:
            await work.session.delete(need)
        for wanted in said.needs[len(needs) :]:
            await add_need(work, callout, wanted)
    await work.session.flush()
    callouts.note(work, "redrafted", callout, drill=callout.drill)
    return callout


def _said(said: Declaration) -> dict[str, Any]:
    _check_lengths(said)
    return {
        "organisation_id": said.organisation_id,
        "kind": said.kind,
        "drill": said.drill,
        "critical": said.critical,
        "details": said.details,
        "bring": said.bring,
        "dangers": said.dangers,
        "usual": [one.value for one in said.usual],
        "within": said.within,
        "lasts": said.lasts,
        "address": said.address,
        "latitude": said.latitude,
        "longitude": said.longitude,
        "radius": said.radius or USUAL[said.kind].radius,
    }


def _check_lengths(said: Declaration) -> None:
    for words, most in (
        (said.details, DETAILS_LENGTH),
        (said.bring, WORDS_LENGTH),
        (said.dangers, WORDS_LENGTH),
        (said.address, ADDRESS_LENGTH),
    ):
        if len(words) > most:
            raise Refusal("form_too_long", most=most, length=len(words))


def check_quota(quota: int) -> None:
    """Raises Refusal for a number of people that no need may ask for."""
    if not 1 <= quota <= LARGEST:
        raise Refusal("form_number_range", least=1, most=LARGEST)


async def drafts(work: Work) -> list[Callout]:
    """What the actor began lately and has not sent, the newest first. Raises NotAllowed."""
    await callouts.commands(work)
    found = await work.session.scalars(
        select(Callout)
        .where(
            Callout.commander_id == work.person.id,
            Callout.state == CalloutState.DRAFT,
            Callout.created_at > work.now - BEGUN,
        )
        .order_by(Callout.id.desc())
        .limit(PLACES)
    )
    return list(found)


async def _draft(work: Work, callout_id: int) -> Callout:
    """One that has not been sent. Raises Gone, NotAllowed."""
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.DRAFT:
        raise Gone
    return callout


async def _need_of_draft(work: Work, need_id: int) -> tuple[Callout, Need]:
    """Raises Gone, NotAllowed."""
    need = await work.session.get(Need, need_id)
    if need is None:
        raise Gone
    return await _draft(work, need.callout_id), need


async def draft(work: Work, callout_id: int) -> tuple[Callout, Need]:
    """A call-out that has not been sent, with its first need. Raises Gone, NotAllowed."""
    callout = await _draft(work, callout_id)
    return callout, (await needs_of(work, callout))[0]


async def add_need(work: Work, callout: Callout, wanted: Wanted) -> Need:
    """Raises NotAllowed for a team that is not the actor's to ask."""
    need = Need(callout_id=callout.id, **await _wanted(work, wanted))
    work.session.add(need)
    await work.session.flush()
    return need


async def _wanted(work: Work, wanted: Wanted) -> dict[str, Any]:
    check_quota(wanted.quota)
    if wanted.team_id is not None and wanted.team_id not in {one.id for one in await teams(work)}:
        raise NotAllowed
    return {
        "quota": wanted.quota,
        "skills": list(wanted.skills),
        "qualifications": list(wanted.qualifications),
        "languages": list(wanted.languages),
        "equipment": [one.value for one in wanted.equipment],
        "team_id": wanted.team_id,
    }


async def add_to_draft(work: Work, callout_id: int, wanted: Wanted) -> Callout:
    """One more need before it is sent. Raises Gone, NotAllowed."""
    callout = await _draft(work, callout_id)
    await add_need(work, callout, wanted)
    return callout


async def drop_need(work: Work, need_id: int) -> Callout:
    """One need less before it is sent; the last one stays. Raises Gone, NotAllowed."""
    callout, need = await _need_of_draft(work, need_id)
    if len(await needs_of(work, callout)) > 1:
        await work.session.delete(need)
        await work.session.flush()
    return callout


async def widen(work: Work, callout_id: int, kilometres: int) -> Callout:
    """People farther away are asked as well. Raises Gone, NotAllowed."""
    if kilometres * 1000 not in RINGS:
        raise Gone
    callout = await _draft(work, callout_id)
    callout.radius = kilometres * 1000.0
    await work.session.flush()
    return callout


async def relax(work: Work, need_id: int, demand: str) -> Callout:
    """A need asks for less: not for one of `DEMANDS`, or for `EVERYTHING`.

    Raises Gone, NotAllowed.
    """
    if demand not in (*DEMANDS, EVERYTHING):
        raise Gone
    callout, need = await _need_of_draft(work, need_id)
    _set(need, _without(need, demand))
    await work.session.flush()
    return callout


def _set(need: Need, values: dict[str, Any]) -> None:
    """Other demands; of another team, or of none, nobody is called by posts."""
    before = need.team_id
    for name, value in values.items():
        setattr(need, name, value)
    if need.team_id != before:
        need.at_once, need.post_id = False, None


async def by_posts(work: Work, need_id: int) -> Callout:
    """Instead of some of a rescue team, all of it at once: a need for each of its posts.

    Raises Gone, NotAllowed, Refusal("team_nobody").
    """
    callout, need = await _need_of_draft(work, need_id)
    found = await crews.of_team(work, need.team_id) if need.team_id else []
    if not found:
        raise Refusal("team_nobody")
    for one in await needs_of(work, callout):
        if one.id != need.id and one.as_team and one.team_id == need.team_id:
            await work.session.delete(one)
    needs = [need, *(Need(callout_id=callout.id) for _ in found[1:])]
    for one, crew in zip(needs, found, strict=True):
        one.quota, one.post_id = crew.quota, crew.post_id
        one.skills, one.qualifications = list(crew.skills), list(crew.qualifications)
        one.languages, one.equipment = [], []
        one.team_id, one.at_once = need.team_id, True
    work.session.add_all(needs)
    await work.session.flush()
    callouts.note(work, "redrafted", callout, drill=callout.drill)
    return callout


async def teams(work: Work) -> list[Organisation]:
    """Whose members alone may be asked for: rescue teams, and whatever the actor commands."""
    own = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Organisation.id)
    found = await work.session.scalars(
        select(Organisation)
        .where(or_(Organisation.kind == OrganisationKind.RESCUE_TEAM, own), organisations.IS_OPEN)
        .order_by(Organisation.kind != OrganisationKind.RESCUE_TEAM, Organisation.path)
    )
    return list(found)


async def known_places(
    work: Work, organisation_id: int | None = None, *, own: bool = False
) -> list[KnownPlace]:
    """Rally points that are kept ready, the actor's latest ones, and the areas of the city.

    Those of the organisation for which is declared come first. `own`: of what is kept ready only
    what the actor's organisations keep, for pages that show it unasked.
    """
    ready = await rally_points.for_callouts(work, organisation_id)
    if own:
        reach = await access.within_reach(work, Right.LAUNCH_CALLOUTS, RallyPoint.organisation_id)
        mine = set(await work.session.scalars(select(RallyPoint.id).where(reach)))
        ready = [one for one in ready if one.id in mine]
    named = {one.name for one in ready}
    within = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    found = await work.session.scalars(
        select(Callout)
        .where(within, Callout.launched_at.is_not(None), Callout.address != "")
        .order_by(Callout.id.desc())
        .limit(10 * PLACES)
    )
    latest: dict[str, Callout] = {}
    for callout in found:
        if callout.address not in named:
            latest.setdefault(callout.address, callout)
    language = work.policy.default_language
    return [
        *(
            _known(0, one, {language: one.name}, kept=number < READY)
            for number, one in enumerate(ready)
        ),
        *(
            _known(1, one, {language: address}, earlier=True)
            for address, one in list(latest.items())[:PLACES]
        ),
        *(
            _known(2, one, organisations.area_names(one))
            for one in await organisations.with_places(work.session)
        ),
    ]


def _known(
    sort: int,
    one: RallyPoint | Callout | Organisation,
    names: dict[str, str],
    *,
    earlier: bool = False,
    kept: bool = False,
) -> KnownPlace:
    key = SORTS * one.id + sort
    is_town = isinstance(one, Organisation) and one.kind is OrganisationKind.TOWN_ASSOCIATION
    at = one.latitude or 0.0, one.longitude or 0.0
    return KnownPlace(key, names, *at, earlier=earlier, kept=kept, is_town=is_town)


async def place_said(work: Work, typed: str) -> KnownPlace:
    """What typed coordinates, a link to a map or the name of a known place mean.

    Coordinates have no name. Raises Refusal("known_place").
    """
    at = places.place_in(typed)
    if at is not None:
        return KnownPlace(-1, {}, at.latitude, at.longitude, earlier=False)
    known = await known_places(work) if "://" not in typed else []
    scored = [(score(search_key(one.names), typed), one) for one in known]
    found = [(points, one) for points, one in scored if points is not None]
    if not found:
        raise Refusal("known_place")
    return min(found, key=lambda pair: pair[0])[1]


async def preview(work: Work, callout_id: int) -> dict[str, Any]:
    """Who could be asked, how far around, and when the quota should stand.

    Raises Gone, NotAllowed.
    """
    callout = await callouts.watched(work, callout_id)
    needs = await needs_of(work, callout)
    return {
        **await described(work, callout),
        "word": callout.word,
        "radius": callout.radius,
        "counted": COUNTED,
        "needs": [await _outlook(work, callout, need) for need in needs],
        "second": _needs_second(work, callout, needs),
        "night": candidates.is_night(work),
        "at": work.now,
    }


async def _outlook(work: Work, callout: Callout, need: Need) -> dict[str, Any]:
    """What a need may expect: people within each ring, and minutes until enough have said yes.

    Where these are too few, what would help.
    """
    reach = candidates.reach_of(callout, need)
    found = await candidates.within(work, callout, need, max(*RINGS, reach), COUNTED)
    able = await candidates.as_candidates(work, callout, found)
    near = sum(one.metres <= reach for one in found)
    minutes = await _forecast(work, callout, need.quota, able[:near])
    outlook = {
        **await need_named(work, need),
        "rings": [[round(ring / 1000), sum(one.metres <= ring for one in found)] for ring in RINGS],
        "near": near,
        "nearest": found[0].metres if near else None,
        "expected": round(sum(one.p for one in able[:near])),
        "expiring": await _expiring(work, need, found[:near]),
        "asleep": await _asleep(work, callout, need, found[:near]),
        "minutes": None if minutes is None else round(minutes),
        "wider": None,
        "relaxed": [],
        "others": 0,
    }
    if minutes is None:
        outlook["relaxed"] = await _relaxed(work, callout, need, near)
    if minutes is None and not need.as_team:
        outlook["wider"] = await _wider(work, callout, need, found, able)
        outlook["others"] = await _others(work, callout, need, near)
    return outlook


async def _forecast(
    work: Work, callout: Callout, quota: int, able: Sequence[waves.Candidate]
) -> float | None:
    """Minutes until so many should have said yes; None if these people are too few."""
    prior = await candidates.prior_of(work, callout.organisation_id, drill=callout.drill)
    return waves.forecast(quota, able, prior, horizon=mobilising.horizon_of(work, callout))


async def _asleep(work: Work, callout: Callout, need: Need, near: Sequence[Found]) -> int:
    """How many fit within the radius, but for the hours in which they are not to be called."""
    reach = candidates.reach_of(callout, need)
    anyone = await candidates.within(work, callout, need, reach, COUNTED, at_any_hour=True)
    return len({one.person_id for one in anyone} - {one.person_id for one in near})


async def _wider(
    work: Work,
    callout: Callout,
    need: Need,
    found: Sequence[Found],
    able: Sequence[waves.Candidate],
) -> dict[str, Any] | None:
    """The next larger ring in which enough should say yes, else the largest that has more."""
    best = None
    near = sum(one.metres <= callout.radius for one in found)
    for ring in RINGS:
        count = sum(one.metres <= ring for one in found)
        if ring <= callout.radius or count <= near:
            continue
        near = count
        enough = await _forecast(work, callout, need.quota, able[:count]) is not None
        best = {"km": round(ring / 1000), "count": count, "enough": enough}
        if enough:
            break
    return best


async def _relaxed(work: Work, callout: Callout, need: Need, near: int) -> list[dict[str, Any]]:
    """What could be asked for less, and how many people more that would bring."""
    asked = [demand for demand in DEMANDS if getattr(need, demand)]
    found: list[dict[str, Any]] = []
    for demand in [*asked, EVERYTHING] if len(asked) > 1 else asked:
        less = Need(
            quota=need.quota, team_id=need.team_id, at_once=need.at_once, post_id=need.post_id
        )
        _set(less, _without(need, demand))
        reach = candidates.reach_of(callout, less)
        more = await candidates.within(work, callout, less, reach, COUNTED)
        if len(more) - near > max(
            (one["more"] for one in found if demand == EVERYTHING), default=0
        ):
            found.append({"demand": demand, "more": len(more) - near})
    return found


def _without(need: Need, demand: str) -> dict[str, Any]:
    """What a need would ask for if it did not ask for this."""
    nothing: dict[str, Any] = {name: [] for name in DEMANDS} | {"team_id": None}
    asked = {name: getattr(need, name) for name in DEMANDS}
    return nothing if demand == EVERYTHING else {**asked, demand: nothing[demand]}


async def _others(work: Work, callout: Callout, need: Need, near: int) -> int:
    """How many more fit within the radius in other organisations."""
    everyone = await candidates.within(
        work, callout, need, callout.radius, COUNTED, everywhere=True
    )
    return max(0, len(everyone) - near)


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
    """Sends the first wave, or asks a second commander where it is large. Once, however often it
    is sent in a hurry.

    Raises Refusal("callout_word") if the word is not the one shown, Refusal("callout_no_second")
    if nobody else could confirm it.
    """
    callout = await commanded(work, callout_id)
    check_word(callout, typed)
    if callout.state in callouts.RUNNING and callout.commander_id == work.person.id:
        return callout
    if callout.state is not CalloutState.DRAFT:
        raise Gone
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


def check_word(callout: Callout, typed: str) -> None:
    """Raises Refusal("callout_word")."""
    if folded(typed) != callout.word:  # a Chinese keyboard may type full-width figures
        raise Refusal("callout_word", word=callout.word)


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
    await events.of_callout(work, events.Kind.CALLOUT_DECLARED, callout)
    return callout

"""What every part of a call-out needs: finding it, who commands it, how it is told of.

Declared in `services.declaring`, directed in `commanding`, answered in `responding`, lived through
in `scene`, ended in `standing_down`; what happens by itself is in `services.mobilising`.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Account,
    Callout,
    CalloutState,
    Lane,
    Need,
    Organisation,
    OrganisationKind,
    Person,
    QualificationKind,
    Response,
    ResponseState,
    Role,
    Skill,
    SpokenLanguage,
    TeamPost,
)
from services import access, audit, delivery, terms, urgency
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.urgency import Level, Part
from services.work import Work

ALARM = "callout"
"""The kind of message that asks somebody to come."""
ORDER = "callout_order"
"""Messages about a call-out that are no alarm: to its commanders, and to single people."""
FOR_COMMANDERS = frozenset(
    {"second", "silent", "lend", "offered", "reported", "lapsed", "tired", "wrote_back", "sos"}
)
"""Orders that somebody must decide on."""
GOOD_TO_KNOW = frozenset(
    {"quota_changed", "need_added", "lent", "taken_over", "not_accepted", "team"}
)
"""Orders that no other channel follows."""
OUTLASTING = frozenset({"reported"})
"""Orders that lead to the report when it is over, so that they keep their buttons."""
RUNNING = (CalloutState.AWAITING_SECOND, CalloutState.ACTIVE)
THERE = (ResponseState.ON_SCENE, ResponseState.HOME)
HELD = (ResponseState.COMING, ResponseState.STANDBY, ResponseState.ON_SCENE)
"""States of those who count on being told what changes."""


def subject(callout_id: int) -> str:
    return f"callout:{callout_id}"


def calls_for(need: Need) -> str:
    """The subject of the messages that ask people to come for a need."""
    return f"{subject(need.callout_id)}:need:{need.id}"


def orders(callout_id: int) -> str:
    """The subject of what is said about it while it runs."""
    return f"{subject(callout_id)}:order"


def ends(callout: Callout) -> str:
    """The subject of what those in it are told at its end."""
    return f"{subject(callout.id)}:end"


def urgency_of(callout: Callout, part: Part) -> str:
    """How soon other channels follow what is said about it."""
    if callout.drill:
        return urgency.of(Level.DRILL, part)
    return urgency.of(Level.CRITICAL if callout.critical else Level.USUAL, part)


def urgency_of_need(callout: Callout, need: Need) -> str:
    special = need.skills or need.qualifications or need.as_team
    return urgency_of(callout, Part.SPECIALIST if special else Part.EVERYONE)


def urgency_of_order(callout: Callout, template: str) -> str:
    if template == "sos":
        return urgency.of(Level.SAFETY, Part.COMMANDER)
    if template in GOOD_TO_KNOW:
        return urgency.NEVER
    return urgency_of(callout, Part.COMMANDER if template in FOR_COMMANDERS else Part.EVERYONE)


# Finding


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
        select(Callout).where(within, Callout.state.in_(RUNNING)).order_by(Callout.id.desc())
    )
    return list(found)


async def concerned(session: AsyncSession) -> frozenset[int]:
    """Telegram ids of those who may command, and of whoever is called out at the moment."""
    commanding = select(Role.person_id).where(
        Role.kind.in_(access.roles_with(Right.LAUNCH_CALLOUTS))
    )
    called = (
        select(Response.person_id)
        .join(Callout, Callout.id == Response.callout_id)
        .where(Callout.state.in_(RUNNING))
    )
    found = await session.scalars(
        select(Account.telegram_id).where(
            Account.person_id.in_(commanding) | Account.person_id.in_(called)
        )
    )
    return frozenset(found)


async def in_short(work: Work) -> list[dict[str, Any]]:
    """Those that the actor commands, each in a line: how many are wanted, coming and there."""
    running = await under_way(work)
    keys = [callout.id for callout in running]
    wanted = await work.session.execute(
        select(Need.callout_id, func.sum(Need.quota).label("quota"))
        .where(Need.callout_id.in_(keys))
        .group_by(Need.callout_id)
    )
    counted = await work.session.execute(
        select(Response.callout_id, Response.state, func.count())
        .where(Response.callout_id.in_(keys))
        .group_by(Response.callout_id, Response.state)
    )
    quotas: dict[int, int] = {one.callout_id: one.quota for one in wanted}
    counts = {(callout_id, state): number for callout_id, state, number in counted}
    return [
        {
            "id": callout.id,
            "kind": callout.kind.value,
            "drill": callout.drill,
            "address": callout.address,
            "waits": callout.state is CalloutState.AWAITING_SECOND,
            "quota": quotas.get(callout.id, 0),
            "coming": counts.get((callout.id, ResponseState.COMING), 0),
            "there": counts.get((callout.id, ResponseState.ON_SCENE), 0),
        }
        for callout in running
    ]


async def commanded(work: Work, callout_id: int) -> Callout:
    """One that the actor may direct; that they look at it is a sign of life.

    Raises Gone, NotAllowed.
    """
    found = await work.session.scalar(
        select(Callout).where(Callout.id == callout_id).with_for_update()
    )
    if found is None:
        raise Gone
    await access.require(work, Right.LAUNCH_CALLOUTS, found.organisation_id)
    if work.person.id in {found.commander_id, found.second_id}:
        found.acted_at = work.now
    return found


async def watched(work: Work, callout_id: int) -> Callout:
    """One that the actor may direct, for who only looks: locks and notes nothing.

    Raises Gone, NotAllowed.
    """
    found = await work.session.get(Callout, callout_id)
    if found is None:
        raise Gone
    await access.require(work, Right.LAUNCH_CALLOUTS, found.organisation_id)
    return found


async def running(work: Work, callout_id: int) -> Callout:
    """Raises Gone, NotAllowed, Refusal("callout_over")."""
    found = await commanded(work, callout_id)
    if found.state is not CalloutState.ACTIVE:
        raise Refusal("callout_over")
    return found


async def need_commanded(work: Work, need_id: int) -> tuple[Callout, Need]:
    """A need of a call-out that runs. Raises Gone, NotAllowed, Refusal("callout_over")."""
    need = await work.session.get(Need, need_id)
    if need is None:
        raise Gone
    return await running(work, need.callout_id), need


async def own(work: Work, callout_id: int) -> tuple[Callout, Response]:
    """The actor's place in a call-out that runs. Raises Gone, Refusal("callout_over")."""
    callout = await work.session.scalar(
        select(Callout).where(Callout.id == callout_id).with_for_update()
    )
    response = await work.session.get(Response, (callout_id, work.person.id))
    if callout is None or response is None:
        raise Gone
    if callout.state is not CalloutState.ACTIVE:
        raise Refusal("callout_over")
    return callout, response


async def needs_of(work: Work, callout: Callout) -> list[Need]:
    found = select(Need).where(Need.callout_id == callout.id).order_by(Need.id)
    return list(await work.session.scalars(found))


async def people_in(work: Work, callout: Callout, *states: ResponseState) -> list[int]:
    """Keys of those whose place is in one of the states."""
    found = await work.session.scalars(
        select(Response.person_id).where(
            Response.callout_id == callout.id, Response.state.in_(states)
        )
    )
    return list(found)


async def coming_for(work: Work, need: Need) -> list[Response]:
    """Those who are on their way for a need, the last to arrive first."""
    found = await work.session.scalars(
        select(Response)
        .where(Response.need_id == need.id, Response.state == ResponseState.COMING)
        .order_by(Response.due_at.desc(), Response.metres.desc(), Response.person_id)
    )
    return list(found)


async def commanders(work: Work, callout: Callout) -> set[int]:
    """Everyone who may command here: in the organisation and above it."""
    path = select(Organisation.path).where(Organisation.id == callout.organisation_id)
    found = await work.session.scalars(
        select(Role.person_id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Role.kind.in_(access.roles_with(Right.LAUNCH_CALLOUTS)),
            path.scalar_subquery().like(Organisation.path + literal("%")),
        )
    )
    return set(found)


# Telling


async def tell(
    work: Work,
    callout: Callout,
    template: str,
    people: Iterable[int],
    more: Mapping[str, Any] | None = None,
    *,
    attachment: Mapping[str, Any] | None = None,
    about: str | None = None,
    haste: str | None = None,
) -> int:
    """Words about a call-out, ahead of everything that is no emergency; answers to how many.

    `about` is their subject and `haste` how soon other channels follow, if not as usual.
    """
    keys = set(people)
    usually = None if template in OUTLASTING else orders(callout.id)
    post = Post(
        f"callouts/{template}",
        {**await described(work, callout), **(more or {})},
        kind=ORDER,
        lane=Lane.EMERGENCY,
        subject=about or usually,
        attachment=attachment,
        urgency=haste or urgency_of_order(callout, template),
    )
    await delivery.tell(work, post, keys)
    return len(keys)


async def tell_command(
    work: Work,
    callout: Callout,
    template: str,
    more: Mapping[str, Any] | None = None,
    *,
    attachment: Mapping[str, Any] | None = None,
) -> None:
    """To whoever commands it now, and to the one who confirmed it."""
    command = {callout.commander_id, callout.second_id or callout.commander_id}
    await tell(work, callout, template, command, more, attachment=attachment)


def note(work: Work, action: str, callout: Callout, **details: Any) -> None:
    """Into the audit log: who did it, where, and what."""
    audit.note(
        work,
        f"callout.{action}",
        subject(callout.id),
        organisation_id=callout.organisation_id,
        **details,
    )


async def described(work: Work, callout: Callout) -> dict[str, Any]:
    """A call-out as the templates take it."""
    commander = await work.session.get_one(Person, callout.commander_id)
    organisation = await work.session.get_one(Organisation, callout.organisation_id)
    arrive_by = None
    if callout.within is not None:
        arrive_by = (callout.launched_at or work.now) + timedelta(minutes=callout.within)
    return {
        "callout_id": callout.id,
        "kind": callout.kind.value,
        "drill": callout.drill,
        "critical": callout.critical,
        "details": callout.details,
        "bring": callout.bring,
        "dangers": callout.dangers,
        "usual": callout.usual,
        "arrive_by": arrive_by,
        "lasts": callout.lasts,
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
    spoken = await terms.by_keys(work.session, SpokenLanguage, need.languages)
    team = await work.session.get(Organisation, need.team_id) if need.team_id else None
    post = await work.session.get(TeamPost, need.post_id) if need.post_id else None
    return {
        "id": need.id,
        "quota": need.quota,
        "names": [
            *(skill.names for skill in skills),
            *(kind.names for kind in kinds),
            *(language.names for language in spoken),
        ],
        "equipment": list(need.equipment),
        "team": team.names if team else None,
        "team_id": need.team_id,
        "post": post.names if post else None,
        "as_team": need.as_team,
        "rescue_team": team is not None and team.kind is OrganisationKind.RESCUE_TEAM,
    }

"""Whom a call-out may ask: adults who agreed, awake, free, not asked before, nearest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Integer,
    String,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from models import (
    Callout,
    CalloutState,
    Loan,
    Need,
    Organisation,
    Person,
    PersonEquipment,
    Readiness,
    Response,
    ResponseState,
    Role,
    Trait,
)
from services import duty, nearest, organisations, traits, waves
from services.audiences import years_before
from services.nearest import Found, Rules
from services.work import Work

LEARNT_FROM = 20
"""Past call-outs of an organisation from which its people's ways are learnt."""
ON_DUTY = 0.7
"""Probability that somebody who is on duty says yes, whenever they were called last."""
RESTED = 0.5
"""By how much less somebody answers who was called a short while ago."""
NIGHT_ENDS, NIGHT_BEGINS = 7, 22
"""Local hours between which people are taken to be awake."""


async def within(
    work: Work,
    callout: Callout,
    need: Need,
    metres: float,
    limit: int,
    *,
    everywhere: bool = False,
    at_any_hour: bool = False,
) -> list[Found]:
    """The nearest `limit` within `metres` of the rally point who may be asked for a need.

    Those of the organisation and of the ones that lend, or `everywhere` in the city; of the need's
    team alone if it names one. `at_any_hour` counts those in their excluded hours as well.
    """
    own = None if everywhere else await _organisations(work, callout)
    values: dict[str, Any] = {
        "callout": callout.id,
        "born_by": years_before(work.today, work.policy.adult_age),
        "spoken": traits.mask(need.languages),
        "minute": None if at_any_hour else _minute(work),
        "now": work.now,
        "critical": callout.critical,
    }
    if own is not None and need.team_id is None:
        rules, values["organisations"] = _OWN, own
    else:
        rules = _EVERYWHERE
    if need.equipment or need.team_id is not None:
        rules = _WITH_MORE[rules]
        values |= await _asked_for(work, need)
    return await nearest.nearest(
        work, callout.latitude, callout.longitude, metres, need.skills, need.qualifications, limit,
        rules, values,
    )  # fmt: skip


async def _organisations(work: Work, callout: Callout) -> list[int] | None:
    """The organisation, all below it, and those that lend; None for the whole city."""
    lent = select(Loan.organisation_id).where(Loan.callout_id == callout.id)
    tops = await work.session.scalars(
        select(Organisation).where(
            or_(Organisation.id == callout.organisation_id, Organisation.id.in_(lent))
        )
    )
    found = tops.all()
    if any(top.parent_id is None for top in found):
        return None
    inside = or_(*(organisations.within(top.path) for top in found))
    return list(await work.session.scalars(select(Organisation.id).where(inside)))


async def _asked_for(work: Work, need: Need) -> dict[str, Any]:
    """The equipment and the organisations of the team that `_has_what_is_asked_for` looks at."""
    things = list(need.equipment or [])
    team: list[int] = []
    if need.team_id is not None:
        top = await work.session.get_one(Organisation, need.team_id)
        inside = select(Organisation.id).where(organisations.within(top.path))
        team = list(await work.session.scalars(inside))
    return {"things": things, "thing_count": len(things), "team": team, "teamed": bool(team)}


def _minute(work: Work) -> int:
    """Of the local day."""
    local = work.now.astimezone(work.policy.zone)
    return local.hour * 60 + local.minute


def is_night(work: Work) -> bool:
    return not NIGHT_ENDS * 60 <= _minute(work) < NIGHT_BEGINS * 60


# The rules as conditions on the volunteer's traits


def _excludes(minute: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a minute of the local day lies in the hours in which a person is not to be called."""
    after, before = minute >= Person.call_from, minute < Person.call_until
    by_day = and_(Person.call_from <= Person.call_until, after, before)
    over_midnight = and_(Person.call_from > Person.call_until, or_(after, before))
    return or_(by_day, over_midnight)


def _passes() -> ColumnElement[bool]:
    """Lives are at stake, for which they agreed to be called at any hour."""
    return and_(
        bindparam("critical", type_=Boolean),
        func.coalesce(Readiness.when_critical, false()),
    )


def is_asleep(work: Work) -> ColumnElement[bool]:
    """Whether now lies in the excluded hours of the person of `Trait`."""
    return exists(
        select(Person.id).where(Person.id == Trait.person_id, _excludes(literal(_minute(work))))
    )


def _has_what_is_asked_for() -> ColumnElement[bool]:
    """All of the equipment; and of the team, if there is one: registered there or with a role."""
    team = bindparam("team", expanding=True, type_=BigInteger)
    things = bindparam("things", expanding=True, type_=String)
    brings = select(func.count()).where(
        PersonEquipment.person_id == Trait.person_id,
        type_coerce(PersonEquipment.kind, String).in_(things),
    )
    serves = select(Role.id).where(
        Role.person_id == Trait.person_id, Role.organisation_id.in_(team)
    )
    count = bindparam("thing_count", type_=Integer)
    return and_(
        or_(count == 0, brings.scalar_subquery() == count),
        or_(~bindparam("teamed", type_=Boolean), Trait.organisation_id.in_(team), serves.exists()),
    )


def _may_be_asked(squared: ColumnElement[float]) -> ColumnElement[bool]:
    spoken = bindparam("spoken", type_=BigInteger)
    far = and_(Readiness.reach.is_not(None), squared > Readiness.reach * Readiness.reach * 1e6)
    unwilling = (
        select(Person.id)
        .outerjoin(Readiness, Readiness.person_id == Person.id)
        .where(
            Person.id == Trait.person_id,
            or_(far, and_(_excludes(bindparam("minute", type_=Integer)), ~_passes())),
        )
        .exists()
    )
    engaged = and_(
        Callout.state == CalloutState.ACTIVE,
        Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
    )
    taken = (
        select(Response.person_id)
        .join(Callout, Callout.id == Response.callout_id)
        .where(
            Response.person_id == Trait.person_id,
            or_(
                Response.callout_id == bindparam("callout", type_=BigInteger),
                Response.rests_until > bindparam("now", type_=Response.rests_until.type),
                engaged,
            ),
        )
        .exists()
    )
    return and_(
        Trait.born <= bindparam("born_by", type_=Date),
        Trait.spoken.bitwise_and(spoken) == spoken,
        ~unwilling,
        ~taken,
    )


def _of_own(squared: ColumnElement[float]) -> ColumnElement[bool]:
    own = bindparam("organisations", expanding=True, type_=BigInteger)
    return and_(_may_be_asked(squared), Trait.organisation_id.in_(own))


_EVERYWHERE = Rules(_may_be_asked)
_OWN = Rules(_of_own)


def _with_more(rules: Rules) -> Rules:
    """The rules, and equipment or a team; most needs ask for neither and need not look it up."""
    return Rules(lambda squared: and_(rules.condition(squared), _has_what_is_asked_for()))


_WITH_MORE = {rules: _with_more(rules) for rules in (_EVERYWHERE, _OWN)}


# What is assumed of them


async def as_candidates(
    work: Work, callout: Callout, found: Sequence[Found]
) -> list[waves.Candidate]:
    """With how likely they say yes and come, which decides who is asked first."""
    prior = await prior_of(work, callout.organisation_id, drill=callout.drill)
    earlier = await _earlier(work, [one.person_id for one in found])
    stand_by = await duty.on_duty(work)
    usual = _Usual(
        response=prior.response,
        factor=prior.night if is_night(work) else 1.0,
        rested_since=work.now - timedelta(minutes=work.policy.callout_rest_minutes),
    )
    return [
        waves.Candidate(
            key=one.person_id,
            eta=waves.eta_minutes(one.metres),
            p=usual.response_of(earlier.get(one.person_id), on_duty=one.person_id in stand_by),
            s=prior.show_up,
        )
        for one in found
    ]


@dataclass(frozen=True, slots=True)
class _Calls:
    """How often somebody has been called before and said yes, and when the last time."""

    asked: int
    yes: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is assumed of everybody here and now, before their own answers and their duty count."""

    response: float
    factor: float
    """Of the response at this hour."""
    rested_since: datetime

    def response_of(self, calls: _Calls | None, *, on_duty: bool) -> float:
        p = self.response
        if calls is not None:
            p = waves.own_response(self.response, calls.asked, calls.yes)
        if on_duty:
            return max(ON_DUTY, p * self.factor)
        tired = calls is not None and calls.last_at > self.rested_since
        return p * self.factor * (RESTED if tired else 1.0)


async def _earlier(work: Work, people: Sequence[int]) -> dict[int, _Calls]:
    """Of those who have been called before. Who was released unanswered had no time to answer."""
    had_time = or_(Response.state != ResponseState.RELEASED, Response.answered_at.is_not(None))
    rows = await work.session.execute(
        select(
            Response.person_id,
            func.count().filter(had_time),
            func.count().filter(Response.said_yes),
            func.max(Response.asked_at),
        )
        .where(Response.person_id.in_(people))
        .group_by(Response.person_id)
    )
    return {person: _Calls(asked, yes, last_at) for person, asked, yes, last_at in rows}


async def prior_of(work: Work, organisation_id: int, *, drill: bool) -> waves.Prior:
    """What the organisation's past call-outs taught; drills teach of drills."""
    past = await work.session.scalars(
        select(Callout.id)
        .where(
            Callout.organisation_id == organisation_id,
            Callout.drill == drill,
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
        delays=tuple(
            (row.answered_at - row.asked_at).total_seconds() / 60 for row in yes if row.answered_at
        ),
        came=sum(row.arrived_at is not None for row in yes),
    )

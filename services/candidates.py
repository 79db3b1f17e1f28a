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
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from models import (
    Callout,
    CalloutState,
    Equipment,
    Loan,
    Need,
    Organisation,
    Person,
    Posting,
    Response,
    ResponseState,
    Trait,
)
from services import duty, mates, nearest, organisations, waves
from services.audiences import years_before
from services.nearest import Found, Rules, Wanted
from services.work import Work

LEARNT_FROM = 20
"""Past call-outs of an organisation from which its people's ways are learnt."""
ON_DUTY = 0.7
"""Probability that somebody who is on duty says yes, whenever they were called last."""
RESTED = 0.5
"""By how much less somebody answers who was called a short while ago."""
LIKELY = 0.4
"""Share of those who may be called that the rules leave, roughly: a first guess."""
ANYWHERE = 500_000.0
"""Metres; as far as anybody says that they are willing to go."""
DAY = 24 * 60
"""Minutes."""
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
    people = await mates.called(work, need) if need.as_team else []
    if need.as_team and not people:
        return []
    wanted = Wanted(
        need.skills, need.qualifications, need.languages,
        [Equipment(one) for one in need.equipment or ()],
        [] if need.as_team else await _team(work, need),
        people,
    )  # fmt: skip
    own = None if everywhere or wanted.few else await _organisations(work, callout)
    values: dict[str, Any] = {
        "callout": callout.id,
        "born_by": years_before(work.today, work.policy.adult_age),
        "minute": _minute(work),
        "any_hour": at_any_hour,
        "now": work.now,
        "critical": callout.critical,
    }
    if own is not None:
        values["organisations"] = own
    return await nearest.nearest(
        work, callout.latitude, callout.longitude, metres, wanted, limit,
        _EVERYWHERE if own is None else _OWN, values,
    )  # fmt: skip


def reach_of(callout: Callout, need: Need) -> float:
    """Metres within which people are asked for a need: a team comes from wherever it lives."""
    return ANYWHERE if need.as_team else callout.radius


async def _organisations(work: Work, callout: Callout) -> list[int] | None:
    """The organisation, all below it, and those that lend; None for the whole city."""
    lent = select(Loan.organisation_id).where(Loan.callout_id == callout.id)
    tops = await work.session.execute(
        select(Organisation.path, Organisation.parent_id).where(
            or_(Organisation.id == callout.organisation_id, Organisation.id.in_(lent))
        )
    )
    found = tops.all()
    if any(parent_id is None for _, parent_id in found):
        return None
    inside = or_(*(organisations.within(path) for path, _ in found))
    return list(await work.session.scalars(select(Organisation.id).where(inside)))


async def _team(work: Work, need: Need) -> list[int]:
    """The organisations of the team that is asked alone, if there is one."""
    if need.team_id is None:
        return []
    top = await work.session.get_one(Organisation, need.team_id)
    inside = select(Organisation.id).where(organisations.within(top.path))
    return list(await work.session.scalars(inside))


def _minute(work: Work) -> int:
    """Of the local day."""
    local = work.now.astimezone(work.policy.zone)
    return local.hour * 60 + local.minute


def is_night(work: Work) -> bool:
    return not NIGHT_ENDS * 60 <= _minute(work) < NIGHT_BEGINS * 60


# The rules as conditions: on what postings say, and on traits for the few whom those fit


def _excludes(minute: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a minute of the local day lies in the hours in which a person is not to be called."""
    after, before = minute >= Person.call_from, minute < Person.call_until
    by_day = and_(Person.call_from <= Person.call_until, after, before)
    over_midnight = and_(Person.call_from > Person.call_until, or_(after, before))
    return or_(by_day, over_midnight)


def is_asleep(work: Work) -> ColumnElement[bool]:
    """Whether now lies in the excluded hours of the person of `Trait`."""
    return exists(
        select(Person.id).where(Person.id == Trait.person_id, _excludes(literal(_minute(work))))
    )


def _as_posted(squared: ColumnElement[float]) -> ColumnElement[bool]:
    """Of age, within reach, and awake or willing to be woken where lives are at stake."""
    since = (bindparam("minute", type_=Integer) + DAY - Posting.silent_from) % DAY
    woken = and_(bindparam("critical", type_=Boolean), Posting.when_critical)
    return and_(
        Posting.born <= bindparam("born_by", type_=Date),
        or_(since >= Posting.silent_for, woken, bindparam("any_hour", type_=Boolean)),
        or_(Posting.reach.is_(None), squared <= Posting.reach * Posting.reach * 1e6),
    )


def _of_own(squared: ColumnElement[float]) -> ColumnElement[bool]:
    own = bindparam("organisations", expanding=True, type_=BigInteger)
    return and_(Posting.organisation_id.in_(own), _as_posted(squared))


def _may_be_asked() -> ColumnElement[bool]:
    """Neither asked before by this call-out, nor at another one, nor resting."""
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
    return ~taken


_EVERYWHERE = Rules(_as_posted, _may_be_asked, LIKELY)
_OWN = Rules(_of_own, _may_be_asked, LIKELY)


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
        now=work.now,
        rests=await _rests(work),
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
    organisation_id: int
    """Where the person belongs now."""


@dataclass(frozen=True, slots=True)
class _Rests:
    """Between two call-outs: what organisations set for all below them, else the city's."""

    usual: timedelta
    own: dict[int, timedelta]

    def of(self, organisation_id: int) -> timedelta:
        return self.own.get(organisation_id, self.usual)


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is assumed of everybody here and now, before their own answers and their duty count."""

    response: float
    factor: float
    """Of the response at this hour."""
    now: datetime
    rests: _Rests

    def response_of(self, calls: _Calls | None, *, on_duty: bool) -> float:
        p = self.response
        if calls is not None:
            p = waves.own_response(self.response, calls.asked, calls.yes)
        if on_duty:
            return max(ON_DUTY, p * self.factor)
        tired = calls is not None and self._is_tired(calls)
        return p * self.factor * (RESTED if tired else 1.0)

    def _is_tired(self, calls: _Calls) -> bool:
        return calls.last_at > self.now - self.rests.of(calls.organisation_id)


async def _rests(work: Work) -> _Rests:
    """For the whole tree at once: each organisation's is that of the nearest above that set one."""
    setting = aliased(Organisation)
    rows = await work.session.execute(
        select(Organisation.id, setting.rest_minutes)
        .join(setting, Organisation.path.startswith(setting.path))
        .where(setting.rest_minutes.is_not(None))
        .order_by(func.length(setting.path))
    )
    usual = timedelta(minutes=work.policy.callout_rest_minutes)
    return _Rests(usual, {key: timedelta(minutes=minutes or 0) for key, minutes in rows})


async def _earlier(work: Work, people: Sequence[int]) -> dict[int, _Calls]:
    """Of those who have been called before. Who was released unanswered had no time to answer."""
    had_time = or_(Response.state != ResponseState.RELEASED, Response.answered_at.is_not(None))
    rows = await work.session.execute(
        select(
            Response.person_id,
            func.count().filter(had_time),
            func.count().filter(Response.said_yes),
            func.max(Response.asked_at),
            Person.organisation_id,
        )
        .join(Person, Person.id == Response.person_id)
        .where(Response.person_id.in_(people))
        .group_by(Response.person_id, Person.organisation_id)
    )
    return {row[0]: _Calls(row[1], row[2], row[3], row[4]) for row in rows}


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

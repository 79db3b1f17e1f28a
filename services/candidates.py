"""Whom a call-out may ask: adults who agreed, awake, free, not asked before, nearest first."""

from collections.abc import Sequence
from datetime import timedelta
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
    false,
    func,
    literal,
    or_,
    select,
)

from models import (
    Callout,
    CalloutState,
    Loan,
    Need,
    Organisation,
    Person,
    Readiness,
    Response,
    ResponseState,
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
) -> list[Found]:
    """The nearest `limit` within `metres` of the rally point who may be asked for a need.

    Those of the organisation and of the ones that lend, or `everywhere` in the city.
    """
    own = None if everywhere else await _organisations(work, callout)
    values: dict[str, Any] = {
        "callout": callout.id,
        "born_by": years_before(work.today, work.policy.adult_age),
        "spoken": traits.mask(need.languages),
        "minute": _minute(work),
        "now": work.now,
        "critical": callout.critical,
    }
    if own is not None:
        values["organisations"] = own
    return await nearest.nearest(
        work, callout.latitude, callout.longitude, metres, need.skills, need.qualifications, limit,
        _EVERYWHERE if own is None else _OWN, values,
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


# What is assumed of them


async def as_candidates(
    work: Work, callout: Callout, found: Sequence[Found]
) -> list[waves.Candidate]:
    """With how likely they say yes and come; who is on duty is asked first, who was called lately
    later.
    """
    prior = await prior_of(work, callout.organisation_id, drill=callout.drill)
    since = work.now - timedelta(minutes=work.policy.callout_rest_minutes)
    lately = set(
        await work.session.scalars(
            select(Response.person_id).where(
                Response.person_id.in_([one.person_id for one in found]),
                Response.asked_at > since,
            )
        )
    )
    stand_by = await duty.on_duty(work)
    answers = prior.response * (prior.night if is_night(work) else 1.0)
    return [
        waves.Candidate(
            key=one.person_id,
            eta=waves.eta_minutes(one.metres),
            p=max(answers, ON_DUTY)
            if one.person_id in stand_by
            else answers * (RESTED if one.person_id in lately else 1.0),
            s=prior.show_up,
        )
        for one in found
    ]


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

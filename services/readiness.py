"""Readiness for emergencies: what each volunteer says of theirs, and how an area stands now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, func, or_, select, update

from models import (
    Callout,
    CalloutState,
    ConsentKind,
    Emergency,
    Equipment,
    Lane,
    Need,
    Organisation,
    Person,
    PersonEquipment,
    Qualification,
    QualificationKind,
    QualificationState,
    Readiness,
    Response,
    ResponseState,
    Skill,
    Trait,
)
from services import (
    access,
    candidates,
    consents,
    declaring,
    delivery,
    duty,
    organisations,
    training,
    traits,
    waves,
)
from services.access import Right
from services.delivery import Post
from services.errors import Gone
from services.work import Work

KIND = "readiness"
REACHES = (5, 10, 20, 50)
"""Kilometres that can be chosen."""
PORTION = 500
"""People that one sweep asks."""
MOST_ASKS = 2
WARNED = (60, 30, 7)
"""Days before a document expires."""
COURSES_SHOWN = 2
"""That renew it, in a warning."""
QUOTAS = (10, 30)
"""For so many people the time is estimated."""
COUNTED = 2_000


@dataclass(frozen=True, slots=True)
class Own:
    """What somebody has said of their readiness."""

    row: Readiness
    equipment: list[Equipment]


# One's own


async def own(work: Work) -> Own:
    """The actor's. Raises Gone for somebody who did not agree to be called."""
    if not work.person.emergency_opt_in:
        raise Gone
    row = await work.session.get(Readiness, work.person.id)
    if row is None:
        row = await agree(work, work.person, agreed=True)
    found = await work.session.scalars(
        select(PersonEquipment.kind)
        .where(PersonEquipment.person_id == work.person.id)
        .order_by(PersonEquipment.kind)
    )
    return Own(row, list(found))


async def agree(work: Work, person: Person, *, agreed: bool) -> Readiness:
    """Somebody agreed to be called, or took that back."""
    row = await work.session.get(Readiness, person.id)
    if row is None:
        row = Readiness(person_id=person.id, when_critical=False)
        work.session.add(row)
    row.confirmed_at, row.asks = work.now, 0
    row.ask_at = _next(work) if agreed else None
    await work.session.flush()
    if not agreed:
        await _set_any_hour(work, person, row, agreed=False)
    return row


async def agree_to_any_hour(work: Work, person: Person, *, agreed: bool) -> None:
    """Somebody may be called in their excluded hours where lives are at stake, or no more."""
    row = await work.session.get(Readiness, person.id)
    if row is not None:
        await _set_any_hour(work, person, row, agreed=agreed)


async def _set_any_hour(work: Work, person: Person, row: Readiness, *, agreed: bool) -> None:
    row.when_critical = agreed
    await consents.record(work, person, ConsentKind.ANY_HOUR, agreed=agreed)
    await traits.renew(work, [person.id])


def _next(work: Work) -> datetime:
    return work.now + timedelta(days=work.policy.readiness_days)


async def bring(work: Work, kind: Equipment) -> None:
    """The actor can bring it, or no more."""
    mine = await own(work)
    if kind in mine.equipment:
        await work.session.execute(
            delete(PersonEquipment).where(
                PersonEquipment.person_id == work.person.id, PersonEquipment.kind == kind
            )
        )
    else:
        work.session.add(PersonEquipment(person_id=work.person.id, kind=kind))
    await traits.renew(work, [work.person.id])


async def reach(work: Work, kilometres: int) -> None:
    """How far from home the actor goes; 0 for any distance. Raises Gone."""
    if kilometres not in (0, *REACHES):
        raise Gone
    (await own(work)).row.reach = kilometres or None
    await traits.renew(work, [work.person.id])


async def when_critical(work: Work) -> None:
    """May be called in the excluded hours where lives are at stake, or no more."""
    row = (await own(work)).row
    await _set_any_hour(work, work.person, row, agreed=not row.when_critical)


async def confirm(work: Work) -> None:
    """The actor is still ready."""
    row = (await own(work)).row
    row.confirmed_at, row.ask_at, row.asks = work.now, _next(work), 0
    await work.session.flush()


# What the clock asks


async def ask(work: Work) -> int:
    """Sweep: who has not been heard of for a quarter is asked whether they are still ready.

    An answer to a call-out counts as well. Asked a second time, and then counted as unconfirmed.
    """
    await _count_answers(work)
    due = (
        select(Readiness.person_id)
        .join(Trait, Trait.person_id == Readiness.person_id)
        .where(Readiness.ask_at <= work.now, Trait.callable)
        .order_by(Readiness.ask_at)
        .limit(PORTION)
    )
    people = list(await work.session.scalars(due))
    if not people:
        return 0
    again = work.now + timedelta(days=work.policy.readiness_again_days)
    asked = Readiness.person_id.in_(people)
    await work.session.execute(
        update(Readiness)
        .where(asked, Readiness.asks + 1 < MOST_ASKS)
        .values(ask_at=again, asks=Readiness.asks + 1)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Readiness)
        .where(asked, Readiness.ask_at <= work.now)
        .values(ask_at=None, asks=MOST_ASKS)
        .execution_options(synchronize_session=False)
    )
    await delivery.tell(work, Post("readiness/still", {}, kind=KIND, lane=Lane.BROADCAST), people)
    return len(people)


async def _count_answers(work: Work) -> None:
    """Who has answered a call-out since is ready without being asked."""
    quarter = timedelta(days=work.policy.readiness_days)
    answered = exists().where(
        Response.person_id == Readiness.person_id, Response.answered_at > work.now - quarter
    )
    await work.session.execute(
        update(Readiness)
        .where(Readiness.ask_at <= work.now, answered)
        .values(ask_at=_next(work), asks=0, confirmed_at=work.now)
        .execution_options(synchronize_session=False)
    )


async def warn_of_expiry(work: Work) -> int:
    """Sweep: 60, 30 and 7 days before a document expires its holder hears of it, each once.

    With the courses that renew it and can be taken now. After a pause of the program only the
    warning that is due now goes out.
    """
    rows = await work.session.execute(
        select(Qualification, QualificationKind)
        .join(QualificationKind, QualificationKind.id == Qualification.kind_id)
        .where(
            Qualification.state == QualificationState.VERIFIED,
            Qualification.renewed_at.is_(None),
            Qualification.expires_on >= work.today,
            Qualification.expires_on <= work.today + timedelta(days=max(WARNED)),
        )
        .order_by(Qualification.id)
    )
    due = rows.all()
    ways = await training.ways_to(work, kinds={kind.id for _, kind in due})
    warned = 0
    for document, kind in due:
        if document.expires_on is None:
            continue
        left = (document.expires_on - work.today).days
        step = min(days for days in WARNED if left <= days)
        if document.warned_days is not None and document.warned_days <= step:
            continue
        document.warned_days = step
        about = {
            "kind": kind.names,
            "kind_id": kind.id,
            "expires_on": document.expires_on,
            "courses": ways.get(kind.id, [])[:COURSES_SHOWN],
        }
        await delivery.tell(work, Post("readiness/expires", about, kind=KIND), [document.person_id])
        warned += 1
    return warned


# How an area stands


async def of_area(work: Work, organisation_id: int) -> dict[str, Any]:
    """How many could come now, by skill, and how soon. Raises Gone, NotAllowed."""
    await access.require(work, Right.LAUNCH_CALLOUTS, organisation_id)
    organisation = await work.session.get(Organisation, organisation_id)
    if organisation is None:
        raise Gone
    inside = select(Organisation.id).where(organisations.within(organisation.path))
    here = and_(Trait.callable, Trait.organisation_id.in_(inside))
    return {
        "organisation": organisation.names,
        "organisation_id": organisation.id,
        **await _counts(work, here),
        "equipment": await _equipment(work, here),
        "expiring": await _expiring(work, here),
        "skills": await _by_skill(work, organisation),
        "duty": await duty.of_area(work, organisation),
    }


async def _counts(work: Work, here: Any) -> dict[str, int]:
    confirmed = Readiness.confirmed_at > work.now - timedelta(
        days=work.policy.readiness_days + work.policy.readiness_again_days
    )
    free = and_(
        Trait.reachable,
        or_(Trait.paused_until.is_(None), Trait.paused_until <= work.today),
        ~candidates.is_asleep(work),
        ~_is_engaged(),
    )
    row = (
        await work.session.execute(
            select(
                func.count(),
                func.count().filter(free),
                func.count().filter(confirmed),
            )
            .select_from(Trait)
            .outerjoin(Readiness, Readiness.person_id == Trait.person_id)
            .where(here)
        )
    ).one()
    return {"agreed": row[0], "free": row[1], "confirmed": row[2]}


def _is_engaged() -> Any:
    return exists(
        select(Response.person_id)
        .join(Callout, Callout.id == Response.callout_id)
        .where(
            Response.person_id == Trait.person_id,
            Callout.state == CalloutState.ACTIVE,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
    )


async def _equipment(work: Work, here: Any) -> list[tuple[str, int]]:
    rows = await work.session.execute(
        select(PersonEquipment.kind, func.count())
        .join(Trait, Trait.person_id == PersonEquipment.person_id)
        .where(here)
        .group_by(PersonEquipment.kind)
        .order_by(PersonEquipment.kind)
    )
    return [(kind.value, count) for kind, count in rows]


async def _expiring(work: Work, here: Any) -> int:
    soon = work.today + timedelta(days=max(WARNED))
    return (
        await work.session.scalar(
            select(func.count(func.distinct(Qualification.person_id)))
            .join(Trait, Trait.person_id == Qualification.person_id)
            .where(
                here,
                Qualification.state == QualificationState.VERIFIED,
                Qualification.expires_on.between(work.today, soon),
            )
        )
        or 0
    )


async def _by_skill(work: Work, organisation: Organisation) -> list[dict[str, Any]]:
    """Those nearest to the organisation's place, without a skill and with each usual one."""
    at = await _middle(work, organisation)
    if at is None:
        return []
    codes = sorted({code for usual in declaring.USUAL.values() for code in usual.skills})
    skills = await work.session.scalars(
        select(Skill).where(Skill.code.in_(codes)).order_by(Skill.id)
    )
    asked: list[tuple[Any, list[int]]] = [(None, [])]
    asked += [(skill.names, [skill.id]) for skill in skills]
    return [{"names": names, **await _outlook(work, at, keys)} for names, keys in asked]


async def _middle(work: Work, organisation: Organisation) -> Callout | None:
    """As if there were a call-out in the middle of the area, or of the nearest one above it."""
    for one in reversed(await organisations.chain(work.session, organisation)):
        if one.latitude is not None and one.longitude is not None:
            return Callout(
                id=0, organisation_id=organisation.id, kind=Emergency.OTHER, drill=False,
                critical=False, latitude=one.latitude, longitude=one.longitude,
                radius=declaring.USUAL[Emergency.OTHER].radius,
            )  # fmt: skip
    return None


async def _outlook(work: Work, at: Callout, skills: list[int]) -> dict[str, Any]:
    need = Need(skills=skills, qualifications=[], languages=[], quota=1)
    found = await candidates.within(work, at, need, at.radius, COUNTED)
    able = await candidates.as_candidates(work, at, found)
    prior = await candidates.prior_of(work, at.organisation_id, drill=False)
    horizon = waves.horizon(night=candidates.is_night(work), critical=False)
    times = [waves.forecast(quota, able, prior, horizon=horizon) for quota in QUOTAS]
    return {
        "count": len(found),
        "minutes": [None if time is None else round(time) for time in times],
    }

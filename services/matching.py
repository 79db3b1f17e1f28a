"""Who fits an activity, and which activities fit somebody. The same conditions for both.

One SQL condition a rule, portable to SQLite and PostgreSQL; the box round the place is found by
index, the rest is looked at only inside of it.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import sqrt
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from models import (
    ENGAGED,
    Account,
    Activity,
    ActivityState,
    Enrolment,
    EnrolmentState,
    MarkKind,
    Organisation,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonMark,
    PersonSkill,
    Qualification,
    QualificationState,
    ServiceField,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    ShiftSkill,
    Trait,
)
from services import audiences, delivery, geo, opt_outs, reliability
from services.work import Work

WEEK = timedelta(days=7)
NOON, EVENING, PARTS_A_DAY = 12, 18, 3
WHOLE_WEEK = (1 << 21) - 1
CANDIDATES = 300
"""Coming shifts that are weighed for somebody; a city has about as many in a fortnight."""
NOT_AGAIN = (EnrolmentState.CANCELLED, EnrolmentState.DECLINED)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an activity fits: `fits` people, of whom some can't or shan't be told."""

    fits: int
    unreachable: int
    """No Telegram, blocked, or announcements switched off."""
    over_limit: int
    """Have had this week's announcements."""

    @property
    def told(self) -> int:
        return self.fits - self.unreachable - self.over_limit


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An activity for somebody; `reasons` are codes: distance, skill, time, interest, urgent."""

    activity: Activity
    shifts: list[Shift]
    distance: float | None
    reasons: list[str] = field(default_factory=list)


# From an activity to people


async def reach(work: Work, activity_id: int) -> Reach:
    activity = await work.session.get_one(Activity, activity_id)
    shifts = await _coming_shifts(work, activity_id)
    fitting = _fitting(work, activity, shifts)
    reachable = and_(opt_outs.wants(delivery.ANNOUNCEMENT), Trait.reachable)
    told = _told_this_week(work) >= work.policy.announcements_per_week
    row = (
        await work.session.execute(
            fitting.with_only_columns(
                func.count(),
                func.coalesce(func.sum(case((reachable, 0), else_=1)), 0),
                func.coalesce(func.sum(case((and_(reachable, told), 1), else_=0)), 0),
            ).order_by(None)
        )
    ).one()
    return Reach(*(int(number) for number in row))


async def audience(work: Work, activity: Activity) -> delivery.Recipients:
    """Those to be told now, the nearest first; their distance in metres as own parameter.

    Who often stayed away counts as living farther off, see `services.reliability`.
    """
    shifts = await _coming_shifts(work, activity.id)
    distance, nearest = _distance_to(work, activity)
    return (
        _fitting(work, activity, shifts)
        .join(Account, Account.person_id == Person.id)
        .with_only_columns(
            Person.id,
            Account.telegram_id,
            Person.language,
            distance.label("parameters"),
        )
        .where(
            opt_outs.wants(delivery.ANNOUNCEMENT),
            Trait.reachable,
            _told_this_week(work) < work.policy.announcements_per_week,
        )
        .order_by(nearest * reliability.farther_squared(work, Person.id), Person.id)
    )


def _distance_to(work: Work, activity: Activity) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What each is told of the distance, and in which order: online volunteers come first where
    there is no place.
    """
    if activity.latitude is None or activity.longitude is None:
        online = audiences.marked((MarkKind.ONLINE,))
        return delivery.NO_PARAMETERS, case((online, 1), else_=2)
    squared = audiences.squared_distance(Trait, activity.latitude, activity.longitude)
    told = case(
        (Trait.latitude.is_(None), delivery.NO_PARAMETERS),
        else_=delivery.own_parameters(work, "distance", func.sqrt(cast(squared, Float))),
    )
    return told, squared


def _fitting(work: Work, activity: Activity, shifts: list[Shift]) -> Select[Any]:
    """Active volunteers whom at least one of the shifts suits."""
    any_shift = or_(false(), *(_suits(work, shift) for shift in shifts))
    return (
        select(Person.id)
        .join(Trait, Trait.person_id == Person.id)
        .where(
            _within_reach(work, activity),
            not_(audiences.paused(work)),
            or_(Trait.interests == 0, audiences.interested((activity.field_id,))),
            not_(_takes_part(activity)),
            any_shift,
        )
    )


def _within_reach(work: Work, activity: Activity) -> ColumnElement[bool]:
    """Near enough; of a remote one the people of whoever holds it, and who serves online anyway."""
    if activity.latitude is not None and activity.longitude is not None:
        radius = work.policy.announcement_radius
        return audiences.near(activity.latitude, activity.longitude, radius)
    holder = aliased(Organisation)
    below = (
        select(Organisation.id)
        .join(holder, Organisation.path.like(holder.path + literal("%")))
        .where(holder.id == activity.organisation_id)
    )
    return or_(audiences.marked((MarkKind.ONLINE,)), Trait.organisation_id.in_(below))


def _takes_part(activity: Activity) -> ColumnElement[bool]:
    """Has already enrolled for a shift of it, or taken themselves off it."""
    return (
        select(Enrolment.id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Enrolment.person_id == Person.id, Shift.activity_id == activity.id)
        .exists()
    )


def _suits(work: Work, shift: Shift) -> ColumnElement[bool]:
    free = Person.availability.bitwise_and(free_bits(work, shift)) != 0
    return and_(free, may_take(work, shift))


def may_take(work: Work, shift: Shift) -> ColumnElement[bool]:
    """The condition on `Person` that nothing the shift requires stands against them."""
    return and_(
        _old_enough(work, shift),
        _bears_mark(shift),
        _has_all_skills(shift.id),
        _has_all_qualifications(work, shift),
        _speaks_all_languages(shift.id),
        not_(busy(shift)),
    )


def _old_enough(work: Work, shift: Shift) -> ColumnElement[bool]:
    if not shift.least_age:
        return true()
    return Person.birth_date <= born_before(work, shift)


def born_before(work: Work, shift: Shift) -> date:
    """The latest birth date at which somebody is old enough on the shift's day."""
    day = shift.starts_at.astimezone(work.policy.zone).date()
    return audiences.years_before(day, shift.least_age)


def free_bits(work: Work, shift: Shift) -> int:
    """The parts of the week that a shift touches, as bits of `Person.availability`."""
    start = shift.starts_at.astimezone(work.policy.zone)
    end = shift.ends_at.astimezone(work.policy.zone)
    bits = 0
    at = start
    while at < end:
        bits |= 1 << (PARTS_A_DAY * at.weekday() + part_of_day(at))
        at += timedelta(hours=1)
    return bits


def part_of_day(local: datetime) -> int:
    """0 morning, 1 afternoon, 2 evening."""
    return 0 if local.hour < NOON else 1 if local.hour < EVENING else 2


def _bears_mark(shift: Shift) -> ColumnElement[bool]:
    if shift.mark is None:
        return true()
    borne = select(PersonMark.kind).where(
        PersonMark.person_id == Person.id, PersonMark.kind == shift.mark
    )
    return borne.correlate(Person).exists()


def _has_all_skills(shift_id: int) -> ColumnElement[bool]:
    held = select(PersonSkill.skill_id).where(
        PersonSkill.person_id == Person.id, PersonSkill.skill_id == ShiftSkill.skill_id
    )
    missing = select(ShiftSkill.skill_id).where(
        ShiftSkill.shift_id == shift_id, ~held.correlate(Person, ShiftSkill).exists()
    )
    return ~missing.exists()


def _has_all_qualifications(work: Work, shift: Shift) -> ColumnElement[bool]:
    """Verified, and still valid on the day of the shift."""
    day = shift.starts_at.astimezone(work.policy.zone).date()
    held = select(Qualification.id).where(
        Qualification.person_id == Person.id,
        Qualification.kind_id == ShiftQualification.kind_id,
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= day),
    )
    missing = select(ShiftQualification.kind_id).where(
        ShiftQualification.shift_id == shift.id,
        ~held.correlate(Person, ShiftQualification).exists(),
    )
    return ~missing.exists()


def _speaks_all_languages(shift_id: int) -> ColumnElement[bool]:
    held = select(PersonLanguage.spoken_language_id).where(
        PersonLanguage.person_id == Person.id,
        PersonLanguage.spoken_language_id == ShiftLanguage.spoken_language_id,
    )
    missing = select(ShiftLanguage.spoken_language_id).where(
        ShiftLanguage.shift_id == shift_id, ~held.correlate(Person, ShiftLanguage).exists()
    )
    return ~missing.exists()


def busy(shift: Shift) -> ColumnElement[bool]:
    """The condition on `Person` that they are engaged in something else at that time."""
    other = Shift.__table__.alias("other_shift")
    return (
        select(Enrolment.id)
        .join(other, other.c.id == Enrolment.shift_id)
        .where(
            Enrolment.person_id == Person.id,
            Enrolment.state.in_(ENGAGED),
            other.c.starts_at < shift.ends_at,
            other.c.ends_at > shift.starts_at,
        )
        .exists()
    )


def _told_this_week(work: Work) -> ColumnElement[int]:
    """How many announcements somebody was sent, or is about to be, in the last seven days."""
    return delivery.told_since(Person.id, (delivery.ANNOUNCEMENT,), work.now - WEEK)


async def _coming_shifts(work: Work, activity_id: int) -> list[Shift]:
    found = await work.session.scalars(
        select(Shift).where(Shift.activity_id == activity_id, Shift.starts_at > work.now)
    )
    return list(found)


# From a person to activities


async def suggestions(work: Work, limit: int) -> list[Suggestion]:
    """What suits the actor, the best first: near, wanted, needing their skills, with places."""
    person = work.person
    rows = await work.session.execute(
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Person, Person.id == person.id)
        .where(
            Activity.state == ActivityState.PUBLISHED,
            Shift.starts_at > work.now,
            Shift.taken < Shift.quota,
            or_(Activity.enrolment_deadline.is_(None), Activity.enrolment_deadline > work.now),
            _not_engaged_in_shift(),
        )
        .order_by(Shift.starts_at, Shift.id)
        .limit(CANDIDATES)
    )
    by_activity: dict[int, tuple[Activity, list[Shift]]] = {}
    for shift, activity in rows:
        by_activity.setdefault(activity.id, (activity, []))[1].append(shift)
    weighed: list[tuple[float, Suggestion]] = []
    wishes = await _wishes(work)
    for activity, shifts in by_activity.values():
        fitting = [shift for shift in shifts if await suits(work, shift)]
        if fitting:
            weighed.append(_weigh(work, activity, fitting, wishes))
    weighed.sort(key=lambda pair: (-pair[0], pair[1].shifts[0].starts_at))
    return [suggestion for points, suggestion in weighed if points > 0][:limit]


async def suits(work: Work, shift: Shift) -> bool:
    """Whether the actor may and can take the shift."""
    found = select(Person.id).where(Person.id == work.person.id, _suits(work, shift))
    return await work.session.scalar(found) is not None


def _not_engaged_in_shift() -> ColumnElement[bool]:
    mine = select(Enrolment.id).where(
        Enrolment.shift_id == Shift.id,
        Enrolment.person_id == Person.id,
        Enrolment.state.not_in(NOT_AGAIN),
    )
    return ~mine.exists()


def distance(person: Person, activity: Activity) -> float | None:
    """Metres between somebody and an activity; None where one of them has no place."""
    here, there = (person.latitude, person.longitude), (activity.latitude, activity.longitude)
    if here[0] is None or here[1] is None or there[0] is None or there[1] is None:
        return None
    return geo.distance(here[0], here[1], there[0], there[1])


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What speaks for an activity: fields of interest with those above and below, own skills."""

    online: bool
    """Serves from home as well."""
    fields: frozenset[int]
    skills_needed: frozenset[int]
    """Shifts that need a skill which the actor has."""


async def _wishes(work: Work) -> _Wishes:
    person = work.person
    chosen = select(PersonInterest.field_id).where(PersonInterest.person_id == person.id)
    related = await work.session.scalars(
        select(ServiceField.id).where(
            or_(ServiceField.id.in_(chosen), ServiceField.parent_id.in_(chosen))
        )
    )
    parents = await work.session.scalars(
        select(ServiceField.parent_id).where(
            ServiceField.id.in_(chosen), ServiceField.parent_id.is_not(None)
        )
    )
    needed = await work.session.scalars(
        select(ShiftSkill.shift_id)
        .join(PersonSkill, PersonSkill.skill_id == ShiftSkill.skill_id)
        .join(Shift, Shift.id == ShiftSkill.shift_id)
        .where(PersonSkill.person_id == person.id, Shift.starts_at > work.now)
    )
    fields = {*related, *(key for key in parents if key is not None)}
    online = await work.session.get(PersonMark, (person.id, MarkKind.ONLINE)) is not None
    return _Wishes(online, frozenset(fields), frozenset(needed))


def _weigh(
    work: Work, activity: Activity, shifts: list[Shift], wishes: _Wishes
) -> tuple[float, Suggestion]:
    """Points: near up to 3, remote 3 for who serves online and 1 for others, a wanted field 2,
    a needed skill 2, soon to begin up to 1.
    """
    person = work.person
    points = 1.0
    reasons: list[str] = []
    metres: float | None = None
    if activity.remote:
        points += 3 if wishes.online else 1
        reasons.append("remote")
    else:
        metres = distance(person, activity)
    if metres is not None:
        radius = work.policy.announcement_radius
        if metres > radius:
            return 0.0, Suggestion(activity, shifts, metres)
        points += 3 * (1 - sqrt(metres / radius))
        reasons.append("distance")
    if activity.field_id in wishes.fields:
        points += 2
        reasons.append("interest")
    if any(shift.id in wishes.skills_needed for shift in shifts):
        points += 2
        reasons.append("skill")
    if person.availability != WHOLE_WEEK:
        reasons.append("time")
    days = (shifts[0].starts_at - work.now) / timedelta(days=1)
    points += max(0.0, 1 - days / 14)
    return points, Suggestion(activity, shifts, metres, reasons)

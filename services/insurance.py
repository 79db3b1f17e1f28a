"""Insurance: what an organisation has taken out, whom it covers on a day, and who is not covered.

An activity that may endanger people takes nobody who is not covered (Regulation on Voluntary
Service, order 685: insurance before such an activity starts).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from models import (
    Activity,
    ActivityState,
    Cover,
    Enrolment,
    EnrolmentState,
    Insurance,
    Insured,
    Organisation,
    Person,
    Safety,
    Shift,
)
from services import access, audit, delivery, organisations, people
from services.access import Right
from services.delivery import Post
from services.errors import Gone, Refusal
from services.measuring import Measure
from services.work import Work

KIND = "insurance"
LENGTHS = {"insurer": 80, "number": 80, "covers": 300}
MOST_TYPED = 500
"""People that can be put on a list at once."""
SHOWN = 20
COUNTED = (EnrolmentState.APPLIED, EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)
"""Who stands on a roster, or is about to."""

MEASURES = (
    Measure(
        "people_insured",
        "protection",
        lambda: select(Insurance.organisation_id, Insured.since, literal(1)).join(
            Insurance, Insurance.id == Insured.insurance_id
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What stands in a policy."""

    insurer: str
    number: str
    covers: str
    from_day: date
    until_day: date


@dataclass(frozen=True, slots=True)
class Seen:
    """An insurance as a coordinator sees it; `people` on its list."""

    insurance: Insurance
    organisation: dict[str, str]
    activity: str | None
    people: int


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the numbers that were typed."""

    added: int
    known: int
    unknown: list[str]
    outside: int
    """Of those found, people whom the actor does not look after."""


# Whom it covers


def covers(person_id: Any, organisation_id: Any, activity_id: Any, day: Any) -> ColumnElement[bool]:
    """The condition that somebody is covered on a day, in an activity or (None) anywhere."""
    lives, owns = aliased(Organisation), aliased(Organisation)
    home = select(lives.path).where(lives.id == organisation_id).correlate_except(lives)
    owner = select(owns.path).where(owns.id == Insurance.organisation_id).correlate_except(owns)
    below = home.scalar_subquery().like(owner.scalar_subquery() + literal("%"))
    listed = (
        exists()
        .where(Insured.insurance_id == Insurance.id, Insured.person_id == person_id)
        .correlate_except(Insured)
    )
    whom = [
        and_(Insurance.cover == Cover.EVERYBODY, below),
        and_(Insurance.cover == Cover.LISTED, listed),
    ]
    if activity_id is not None:
        whom.append(and_(Insurance.cover == Cover.ACTIVITY, Insurance.activity_id == activity_id))
    return exists().where(_holds_on(day), or_(*whom)).correlate_except(Insurance)


def _holds_on(day: Any) -> ColumnElement[bool]:
    return and_(Insurance.ended_at.is_(None), Insurance.from_day <= day, Insurance.until_day >= day)


async def uncovered(work: Work, shift: Shift, people_ids: Sequence[int]) -> set[int]:
    """Of these people, those whom no insurance covers on the days of the shift."""
    if not people_ids:
        return set()
    zone = work.policy.zone
    found: set[int] = set()
    for day in {shift.starts_at.astimezone(zone).date(), shift.ends_at.astimezone(zone).date()}:
        rows = await work.session.scalars(
            select(Person.id).where(
                Person.id.in_(people_ids),
                ~covers(Person.id, Person.organisation_id, shift.activity_id, day),
            )
        )
        found |= set(rows)
    return found


async def without(work: Work, activity_id: int) -> list[str]:
    """Names of those with a place ahead in an activity whom nothing covers then.

    For whoever takes the roll of it. Raises Gone, NotAllowed.
    """
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    await access.require(work, Right.TAKE_ROLL, activity.organisation_id)
    missing: set[int] = set()
    for shift in await work.session.scalars(
        select(Shift).where(Shift.activity_id == activity_id, Shift.ends_at > work.now)
    ):
        placed = await work.session.scalars(
            select(Enrolment.person_id).where(
                Enrolment.shift_id == shift.id, Enrolment.state.in_(COUNTED)
            )
        )
        missing |= await uncovered(work, shift, placed.all())
    names = select(Person.name).where(Person.id.in_(missing)).order_by(Person.name_search)
    return list(await work.session.scalars(names))


async def is_dangerous(work: Work, activity_id: int) -> bool:
    said = await work.session.get(Safety, activity_id)
    return said is not None and said.dangerous


async def check(work: Work, shift: Shift, person_id: int) -> None:
    """Raises Refusal("not_insured") for a dangerous activity and somebody whom nothing covers."""
    if await is_dangerous(work, shift.activity_id) and await uncovered(work, shift, [person_id]):
        raise Refusal("not_insured")


async def own(work: Work) -> list[tuple[Insurance, dict[str, str]]]:
    """What covers the actor today or later, with the names of who took it out."""
    person = work.person
    home = await work.session.get_one(Organisation, person.organisation_id)
    above = [int(key) for key in home.path.split(".") if key]
    listed = exists().where(Insured.insurance_id == Insurance.id, Insured.person_id == person.id)
    engaged = (
        select(Shift.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            Enrolment.person_id == person.id,
            Enrolment.state.in_(COUNTED),
            Shift.ends_at > work.now,
        )
    )
    rows = await work.session.execute(
        select(Insurance, Organisation.names)
        .join(Organisation, Organisation.id == Insurance.organisation_id)
        .where(
            Insurance.ended_at.is_(None),
            Insurance.until_day >= work.today,
            or_(
                (Insurance.cover == Cover.EVERYBODY) & Insurance.organisation_id.in_(above),
                (Insurance.cover == Cover.LISTED) & listed,
                (Insurance.cover == Cover.ACTIVITY) & Insurance.activity_id.in_(engaged),
            ),
        )
        .order_by(Insurance.until_day)
    )
    return [(row[0], row[1]) for row in rows]


# Recording


async def listed(work: Work) -> list[Seen]:
    """Those that the actor keeps, what ends first first; what has ended is left out after a year.

    Raises NotAllowed.
    """
    await access.require_anywhere(work, Right.PLAN_ACTIVITIES)
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Insurance.organisation_id)
    rows = await work.session.execute(
        _seen()
        .where(reach, Insurance.until_day >= work.today - timedelta(days=365))
        .order_by(Insurance.ended_at.is_not(None), Insurance.until_day, Insurance.id)
    )
    return [Seen(*row) for row in rows]


async def opened(work: Work, insurance_id: int) -> Seen:
    """One that the actor keeps. Raises Gone, NotAllowed."""
    row = (await work.session.execute(_seen().where(Insurance.id == insurance_id))).one_or_none()
    if row is None:
        raise Gone
    found = Seen(*row)
    await access.require(work, Right.PLAN_ACTIVITIES, found.insurance.organisation_id)
    return found


def _seen() -> Any:
    people_on_it = (
        select(func.count()).where(Insured.insurance_id == Insurance.id).scalar_subquery()
    )
    return (
        select(Insurance, Organisation.names, Activity.title, people_on_it)
        .join(Organisation, Organisation.id == Insurance.organisation_id)
        .outerjoin(Activity, Activity.id == Insurance.activity_id)
    )


async def on_list(work: Work, insurance_id: int) -> list[tuple[Person, bool]]:
    """Each with whether their name shows: of those whom the actor does not look after only the
    number does. Raises Gone, NotAllowed.
    """
    await opened(work, insurance_id)
    reach = await people.in_reach(work, Right.PLAN_ACTIVITIES)
    rows = await work.session.execute(
        select(Person, reach)
        .join(Insured, Insured.person_id == Person.id)
        .where(Insured.insurance_id == insurance_id)
        .order_by(case((reach, 0), else_=1), case((reach, Person.name_search)), Person.number)
    )
    return [(row[0], bool(row[1])) for row in rows]


async def record(
    work: Work,
    cover: Cover,
    said: Said,
    *,
    organisation_id: int = 0,
    activity_id: int | None = None,
) -> Insurance:
    """A policy of an organisation, or of the one that holds an activity.

    Raises Gone, NotAllowed, Refusal.
    """
    if (cover is Cover.ACTIVITY) != (activity_id is not None):
        raise Gone
    if activity_id is not None:
        activity = await work.session.get(Activity, activity_id)
        if activity is None:
            raise Gone
        organisation_id = activity.organisation_id
    await access.require(work, Right.PLAN_ACTIVITIES, organisation_id)
    await organisations.require_open(work, organisation_id)
    made = Insurance(
        organisation_id=organisation_id,
        cover=cover,
        activity_id=activity_id,
        recorded_by_id=work.person.id,
        recorded_at=work.now,
        **_columns(work, said),
    )
    work.session.add(made)
    await work.session.flush()
    _note(work, made, "recorded")
    return made


async def coming_activities(work: Work) -> list[Activity]:
    """Those ahead that the actor plans, to be covered by a policy of their own."""
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Activity.organisation_id)
    last = select(func.max(Shift.ends_at)).where(Shift.activity_id == Activity.id)
    found = await work.session.scalars(
        select(Activity)
        .where(
            reach,
            Activity.state.in_((ActivityState.DRAFT, ActivityState.PUBLISHED)),
            last.scalar_subquery() > work.now,
        )
        .order_by(Activity.id.desc())
        .limit(SHOWN)
    )
    return list(found)


def _columns(work: Work, said: Said) -> dict[str, Any]:
    """Raises Refusal."""
    texts = {name: " ".join(getattr(said, name).split()) for name in LENGTHS}
    for name, text in texts.items():
        if not text:
            raise Refusal("form_too_short", least=1)
        if len(text) > LENGTHS[name]:
            raise Refusal("form_too_long", most=LENGTHS[name], length=len(text))
    check_days(work, said.from_day, said.until_day)
    return {**texts, "from_day": said.from_day, "until_day": said.until_day}


def check_days(work: Work, from_day: date, until_day: date) -> None:
    """Raises Refusal for an end before the beginning, or before today."""
    if until_day < from_day:
        raise Refusal("insurance_days")
    if until_day < work.today:
        raise Refusal("insurance_over")


async def put_on(work: Work, insurance_id: int, typed: str) -> Added:
    """People by number or phone, one in each line. Raises Gone, NotAllowed, Refusal."""
    found = await opened(work, insurance_id)
    if found.insurance.cover is not Cover.LISTED:
        raise Gone
    lines = list(dict.fromkeys(line.strip() for line in typed.splitlines() if line.strip()))
    if len(lines) > MOST_TYPED:
        raise Refusal("insurance_too_many", most=MOST_TYPED)
    known = set(
        await work.session.scalars(
            select(Insured.person_id).where(Insured.insurance_id == insurance_id)
        )
    )
    found_people = await people.by_what_was_typed(work, lines)
    fresh, unknown = set(found_people.values()), [one for one in lines if one not in found_people]
    rows = [
        Insured(insurance_id=insurance_id, person_id=key, since=work.now)
        for key in sorted(fresh - known)
    ]
    work.session.add_all(rows)
    await work.session.flush()
    if rows:
        _note(work, found.insurance, "people_added", count=len(rows))
        told = Post("insurance/covered", _about(found.insurance), kind=KIND)
        await delivery.tell(work, told, [row.person_id for row in rows])
    near = await people.in_reach(work, Right.PLAN_ACTIVITIES)
    outside = select(func.count()).where(Person.id.in_(fresh), ~near)
    count = await work.session.scalar(outside) or 0
    return Added(len(rows), len(fresh & known), unknown, count)


async def take_off(work: Work, insurance_id: int, person_id: int) -> None:
    """Raises Gone, NotAllowed."""
    found = await opened(work, insurance_id)
    await work.session.execute(
        delete(Insured).where(Insured.insurance_id == insurance_id, Insured.person_id == person_id)
    )
    _note(work, found.insurance, "person_removed")


async def end(work: Work, insurance_id: int) -> None:
    """It covers nobody any more. Raises Gone, NotAllowed, Refusal("insurance_ended")."""
    found = await opened(work, insurance_id)
    if found.insurance.ended_at is not None:
        raise Refusal("insurance_ended")
    found.insurance.ended_at = work.now
    await work.session.flush()
    _note(work, found.insurance, "ended")


def _note(work: Work, made: Insurance, what: str, **details: Any) -> None:
    subject = f"insurance:{made.id}"
    audit.note(work, f"insurance.{what}", subject, organisation_id=made.organisation_id, **details)


def _about(made: Insurance) -> dict[str, Any]:
    return {
        "insurance_id": made.id,
        "insurer": made.insurer,
        "number": made.number,
        "covers": made.covers,
        "cover": made.cover.value,
        "until_day": made.until_day,
    }


# Before it ends


async def warn(work: Work) -> int:
    """Sweep: some days before one ends, who keeps it and who is on its list are told, once."""
    until = work.today + timedelta(days=work.policy.insurance_warning_days)
    due = await work.session.scalars(
        select(Insurance)
        .where(
            Insurance.warned_at.is_(None),
            Insurance.ended_at.is_(None),
            Insurance.until_day >= work.today,
            Insurance.until_day <= until,
            Insurance.cover != Cover.ACTIVITY,
        )
        .with_for_update()
    )
    found = due.all()
    for one in found:
        one.warned_at = work.now
        holders = await access.holders(work, Right.PLAN_ACTIVITIES, one.organisation_id)
        at = delivery.after_quiet_hours(work, work.now)
        ends = Post("insurance/ends", _about(one), kind=KIND, due_at=at)
        await delivery.tell(work, ends, holders)
        people_on_it = await work.session.scalars(
            select(Insured.person_id).where(Insured.insurance_id == one.id)
        )
        own_ends = Post("insurance/own_ends", _about(one), kind=KIND, due_at=at)
        await delivery.tell(work, own_ends, people_on_it.all())
    await work.session.flush()
    return len(found)


# Personal data


def rows_about(person_id: int) -> dict[str, Select[*tuple[Any, ...]]]:
    """As `services.personal_data` asks every topic."""
    return {"insured": select(Insured).where(Insured.person_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """Nobody need know who was on a list."""
    await work.session.execute(delete(Insured).where(Insured.person_id == person_id))

"""How surely somebody comes: no-shows and late cancellations of twelve months, used gently.

Said plainly to the person, open to an objection to each single miss, and never a reason to be left
out: somebody who often stayed away is only told of new activities a little later than others who
live as near. The waitlist stays first come, first served; call-outs learn from answers to calls.

    surely = (came + prior * weight) / (came + no-shows + half * late + weight)

is the mean of a beta distribution that begins with `weight` services of which the share `prior` was
kept (`policy.reliability_*`; a late cancellation counts as `half` a no-show), so that one miss of
two says little. Only what lies under `prior` counts at all, and at most as `FARTHEST` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    update,
)

from models import (
    Activity,
    DisputeState,
    Enrolment,
    EnrolmentState,
    Excuse,
    Person,
    Shift,
)
from services import access, audit, delivery, lengths
from services.errors import Gone, Refusal
from services.measuring import Measure
from services.policy import Policy
from services.work import Work

KIND = "reliability"
COUNTED_DAYS = 365
"""Older ones count no more."""
FARTHEST = 2.0
"""Somebody who rarely comes is told as if they lived so many times as far away, and no later."""
TEXT = (2, 500)
"""Characters of an objection."""
ANSWER = (2, 300)
PAGE = 8
RIGHT = access.Right.CONFIRM_HOURS
"""Who decides on attendance decides on this."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of somebody's places; excused ones are in none of the numbers but their own."""

    came: int
    no_shows: int
    late: int
    excused: int = 0

    @property
    def promised(self) -> int:
        return self.came + self.no_shows + self.late


@dataclass(frozen=True, slots=True)
class Miss:
    """A no-show or a late cancellation, and what became of the objection to it."""

    enrolment: Enrolment
    shift: Shift
    activity: Activity
    excuse: Excuse | None

    @property
    def late(self) -> bool:
        return self.enrolment.state is EnrolmentState.CANCELLED


@dataclass(frozen=True, slots=True)
class Own:
    kept: Kept
    misses: list[Miss]
    put_back: bool
    """Whether the figure has any effect now."""


@dataclass(frozen=True, slots=True)
class Case:
    """An objection as whoever decides sees it."""

    excuse: Excuse
    miss: Miss
    person: Person


def surely(kept: Kept, policy: Policy) -> float:
    """The probability that somebody comes, 0 to 1, see the module."""
    weight = policy.reliability_weight
    promised = kept.came + kept.no_shows + policy.reliability_late * kept.late
    return (kept.came + policy.reliability_prior * weight) / (promised + weight)


def farther(kept: Kept, policy: Policy) -> float:
    """How many times as far away somebody counts as living: 1 to `FARTHEST`."""
    return min(max(policy.reliability_prior / surely(kept, policy), 1.0), FARTHEST)


# In matching


def farther_squared(work: Work, person_id: Any) -> ColumnElement[float]:
    """`farther` times itself, of each person of a query, worked out by the database.

    Only who has missed something is looked at closely.
    """
    policy = work.policy
    came, missed = _weighed(policy)
    sums = (
        select(func.sum(came).label("came"), func.sum(missed).label("missed"))
        .select_from(Enrolment)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Enrolment.person_id == person_id, *_counts(work))
    )
    weight, prior = policy.reliability_weight, policy.reliability_prior
    figures = sums.correlate(person_id.class_).subquery()
    ratio = prior * (figures.c.came + figures.c.missed + weight) / (figures.c.came + prior * weight)
    least, most = literal(1.0), literal(FARTHEST)
    bounded = case((ratio < least, least), (ratio > most, most), else_=ratio)
    times = select(cast(bounded * bounded, Float)).select_from(figures)
    missed_any = (
        select(Enrolment.id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Enrolment.person_id == person_id, _is_miss(), *_since(work))
        .correlate(person_id.class_)
        .exists()
    )
    return case((missed_any, times.scalar_subquery()), else_=least)


def _weighed(policy: Policy) -> tuple[ColumnElement[float], ColumnElement[float]]:
    came = case((Enrolment.state == EnrolmentState.ATTENDED, 1.0), else_=0.0)
    missed = case(
        (Enrolment.state == EnrolmentState.NO_SHOW, 1.0),
        (Enrolment.state == EnrolmentState.CANCELLED, policy.reliability_late),
        else_=0.0,
    )
    return came, missed


def _is_miss() -> ColumnElement[bool]:
    """Not come, or cancelled late; whether it was excused or not is asked by `_since`."""
    return or_(
        Enrolment.state == EnrolmentState.NO_SHOW,
        and_(Enrolment.state == EnrolmentState.CANCELLED, Enrolment.cancelled_late),
    )


def _lately(work: Work) -> ColumnElement[bool]:
    return Shift.starts_at.between(work.now - timedelta(days=COUNTED_DAYS), work.now)


def _since(work: Work) -> tuple[ColumnElement[bool], ...]:
    return Enrolment.excused_at.is_(None), _lately(work)


def _counts(work: Work) -> tuple[ColumnElement[bool], ...]:
    came = Enrolment.state == EnrolmentState.ATTENDED
    return or_(came, _is_miss()), *_since(work)


# What the person sees


async def kept_by(work: Work, person_id: int) -> Kept:
    """The figures of somebody, for themselves or whoever may see them."""
    excused = and_(_is_miss(), Enrolment.excused_at.is_not(None))
    open_miss = Enrolment.excused_at.is_(None)
    numbers = [
        func.sum(case((condition, 1), else_=0))
        for condition in (
            Enrolment.state == EnrolmentState.ATTENDED,
            and_(Enrolment.state == EnrolmentState.NO_SHOW, open_miss),
            and_(Enrolment.state == EnrolmentState.CANCELLED, _is_miss(), open_miss),
            excused,
        )
    ]
    row = (
        await work.session.execute(
            select(*numbers)
            .select_from(Enrolment)
            .join(Shift, Shift.id == Enrolment.shift_id)
            .where(Enrolment.person_id == person_id, _lately(work))
        )
    ).one()
    return Kept(*(int(number or 0) for number in row))


async def own(work: Work) -> Own:
    """What is reckoned of the actor, with each miss of the last twelve months."""
    kept = await kept_by(work, work.person.id)
    rows = await work.session.execute(
        _misses()
        .where(Enrolment.person_id == work.person.id, _is_miss(), _lately(work))
        .order_by(Shift.starts_at.desc(), Enrolment.id)
    )
    misses = [Miss(*row[:4]) for row in rows]
    return Own(kept, misses, farther(kept, work.policy) > 1)


def _misses() -> Any:
    return (
        select(Enrolment, Shift, Activity, Excuse, Person)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(Excuse, Excuse.enrolment_id == Enrolment.id)
    )


# Objecting


async def check_may_object(work: Work, enrolment_id: int) -> Miss:
    """A miss of the actor that counts now and was not objected to yet. Raises Gone, Refusal."""
    row = (
        await work.session.execute(
            _misses().where(
                Enrolment.id == enrolment_id,
                Enrolment.person_id == work.person.id,
                _is_miss(),
                _lately(work),
            )
        )
    ).one_or_none()
    if row is None:
        raise Gone
    if row[3] is not None:
        raise Refusal("excuse_once")
    return Miss(*row[:4])


async def object_to(work: Work, enrolment_id: int, text: str) -> Miss:
    """Raises Gone or Refusal."""
    await work.session.execute(
        select(Enrolment.id).where(Enrolment.id == enrolment_id).with_for_update()
    )
    miss = await check_may_object(work, enrolment_id)
    lengths.check("reason", text, TEXT)
    excuse = Excuse(
        enrolment_id=enrolment_id, text=text, state=DisputeState.OPEN, raised_at=work.now
    )
    work.session.add(excuse)
    await work.session.flush()
    organisation_id = miss.activity.organisation_id
    deciders = await access.holders(work, RIGHT, organisation_id)
    await _tell(
        work, "raised", Case(excuse, miss, work.person),
        [key for key in deciders if key != work.person.id],
    )  # fmt: skip
    audit.note(work, "excuse.raised", f"excuse:{excuse.id}", organisation_id=organisation_id)
    return miss


# Deciding


async def waiting(work: Work) -> int:
    """How many objections wait for the actor."""
    found = (await _open_to(work)).with_only_columns(func.count(), maintain_column_froms=True)
    return await work.session.scalar(found) or 0


async def listed(work: Work, most: int = PAGE) -> list[Case]:
    """Objections that wait for the actor, the earliest first."""
    found = (await _open_to(work)).order_by(Excuse.raised_at, Excuse.id).limit(most)
    return [_case(row) for row in await work.session.execute(found)]


async def _open_to(work: Work) -> Any:
    return _misses().where(
        Excuse.state == DisputeState.OPEN,
        Enrolment.person_id != work.person.id,
        await access.within_reach(work, RIGHT, Activity.organisation_id),
    )


def _case(row: Sequence[Any]) -> Case:
    return Case(row[3], Miss(*row[:4]), row[4])


async def case_of(work: Work, excuse_id: int) -> Case:
    """One objection, for those who decide on it. Raises Gone or NotAllowed."""
    row = (await work.session.execute(_misses().where(Excuse.id == excuse_id))).one_or_none()
    if row is None:
        raise Gone
    await access.require(work, RIGHT, row[2].organisation_id)
    return _case(row)


async def decide(work: Work, excuse_id: int, *, grant: bool, answer: str) -> Case:
    """With `grant` the miss counts no more; the person is told either way.

    Nobody decides on their own. Raises Gone, NotAllowed or Refusal.
    """
    found = await check_may_decide(work, excuse_id)
    lengths.check("answer", answer, ANSWER)
    state = DisputeState.GRANTED if grant else DisputeState.DISMISSED
    done = await work.session.execute(
        update(Excuse)
        .where(Excuse.id == excuse_id, Excuse.state == DisputeState.OPEN)
        .values(state=state, answer=answer, decided_at=work.now, decided_by_id=work.person.id)
    )
    if not getattr(done, "rowcount", 0):
        raise Refusal("dispute_decided")
    if grant:
        found.miss.enrolment.excused_at = work.now
    await work.session.flush()
    await work.session.refresh(found.excuse)
    await _tell(work, state.value, found, [found.person.id], answer=answer)
    audit.note(
        work,
        f"excuse.{state.value}",
        f"excuse:{excuse_id}",
        organisation_id=found.miss.activity.organisation_id,
    )
    return found


async def check_may_decide(work: Work, excuse_id: int) -> Case:
    """Raises Gone, NotAllowed or Refusal."""
    found = await case_of(work, excuse_id)
    if found.person.id == work.person.id:
        raise Refusal("hours_own")
    if found.excuse.state is not DisputeState.OPEN:
        raise Refusal("dispute_decided")
    return found


async def _tell(
    work: Work, template: str, found: Case, people: Sequence[int], **more: object
) -> None:
    await delivery.tell(
        work,
        delivery.Post(
            f"reliability/{template}",
            {
                "excuse_id": found.excuse.id,
                "title": found.miss.activity.title,
                "starts_at": found.miss.shift.starts_at,
                "ends_at": found.miss.shift.ends_at,
                "late": found.miss.late,
                **({"name": found.person.name} if template == "raised" else {}),
                **more,
            },
            kind=KIND,
            subject=f"excuse:{found.excuse.id}",
        ),
        people,
    )


# In the statistics


def _raised(moment: Any, *conditions: Any) -> Select[Any]:
    return (
        select(Activity.organisation_id, moment, literal(1))
        .select_from(Excuse)
        .join(Enrolment, Enrolment.id == Excuse.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(*conditions)
    )


MEASURES = (
    Measure("excuses", "feedback", lambda: _raised(Excuse.raised_at)),
    Measure(
        "excuses_granted", "feedback",
        lambda: _raised(Excuse.decided_at, Excuse.state == DisputeState.GRANTED),
    ),
)  # fmt: skip


# What is held of somebody


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic; the misses stand with the enrolments."""
    own = select(Enrolment.id).where(Enrolment.person_id == person_id)
    return {"excuses": select(Excuse).where(Excuse.enrolment_id.in_(own))}


async def forget_person(work: Work, person_id: int) -> None:
    """Their reasons and the answers to them go."""
    own = select(Enrolment.id).where(Enrolment.person_id == person_id)
    await work.session.execute(
        update(Excuse)
        .where(Excuse.enrolment_id.in_(own))
        .values(text="", answer=None)
        .execution_options(synchronize_session=False)
    )

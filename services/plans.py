"""The yearly plan of an organisation: targets by quarter, the level above's word, progress.

Progress is what the statistics have counted for the organisation and all below it. Trainings are
counted once there is a measure of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, func, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from models import (
    ActivityCount,
    HoursCount,
    MeasureCount,
    Organisation,
    PeopleCount,
    Person,
    Plan,
    PlanComment,
    PlanItem,
    PlanState,
    PlanTarget,
)
from services import access, audit, delivery, lengths, organisations
from services.access import Right
from services.counting import QUARTER, YEAR
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.work import Work

KIND = "plans"
RIGHT = Right.PLAN_ACTIVITIES
QUARTERS = 4
MOST = 9_999_999
"""Of anything in a quarter."""
WORDS = (0, 1500)
COMMENT = (1, 500)
"""Characters."""
SHOWN = 10
"""Comments on a screen, the latest ones."""
AHEAD = 1
"""For how many years after this one there may be a plan."""
TRAININGS = "courses_held"
"""The measure of `services.measures` that counts trainings."""
OPEN = (PlanState.DRAFT, PlanState.SENT_BACK)
"""In which it may be written."""

Targets = Mapping[PlanItem, Sequence[int]]
"""Four numbers each, by quarter."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one item by quarter; what was done is None where nobody counts it, or it lies ahead."""

    item: str
    targets: list[int]
    done: list[int | None]

    @property
    def target(self) -> int:
        return sum(self.targets)

    @property
    def total(self) -> int | None:
        known = [number for number in self.done if number is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Comment:
    by: str
    at: Any
    text: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A plan with all that its screens show; `plan` is None as long as there is none."""

    organisation: Organisation
    year: int
    plan: Plan | None
    progress: list[Progress]
    comments: list[Comment]
    quarter: int
    """The present one, 1 to 4; 0 before the year, 5 after it."""
    writes: bool
    """Whether the actor may write it."""
    decides: bool
    """Whether the actor may approve it or send it back."""
    years: list[int]


# Looking


async def sheet(work: Work, organisation_id: int, year: int) -> Sheet:
    """For those who plan there, and above. Raises NotAllowed, Gone."""
    organisation = await organisations.seen(work, organisation_id)
    this = work.today.year
    if not this - 10 <= year <= this + AHEAD:
        raise Gone
    plan = await _of(work, organisation_id, year)
    may = await access.may(work, RIGHT, organisation_id)
    return Sheet(
        organisation,
        year,
        plan,
        await progress(work, organisation, year, plan),
        await _comments(work, plan),
        quarter=_quarter(work, year),
        writes=may and organisation.closed_at is None and (plan is None or plan.state in OPEN),
        decides=plan is not None and await _may_decide(work, plan),
        years=[this - 1, this, this + AHEAD],
    )


async def opened(work: Work, plan_id: int) -> Plan:
    """Raises Gone, NotAllowed."""
    plan = await work.session.get(Plan, plan_id)
    if plan is None:
        raise Gone
    await organisations.seen(work, plan.organisation_id)
    return plan


def _quarter(work: Work, year: int) -> int:
    if work.today.year != year:
        return 0 if work.today.year < year else QUARTERS + 1
    return (work.today.month - 1) // QUARTER + 1


async def _of(work: Work, organisation_id: int, year: int) -> Plan | None:
    return await work.session.scalar(
        select(Plan).where(Plan.organisation_id == organisation_id, Plan.year == year)
    )


async def targets_of(work: Work, plan: Plan | None) -> dict[PlanItem, list[int]]:
    """Four numbers for each item; 0 where nothing was said."""
    targets = {item: [0] * QUARTERS for item in PlanItem}
    if plan is not None:
        rows = select(PlanTarget).where(PlanTarget.plan_id == plan.id)
        for row in await work.session.scalars(rows):
            targets[row.item][row.quarter - 1] = row.number
    return targets


async def progress(
    work: Work, organisation: Organisation, year: int, plan: Plan | None
) -> list[Progress]:
    """What the plan wants and what was done, of the organisation and all below it."""
    targets = await targets_of(work, plan)
    begun = min(_quarter(work, year), QUARTERS)
    found = []
    for item in PlanItem:
        done = await _done(work, organisation, year, item)
        counted = [done.get(at, 0) if done is not None and at < begun else None for at in range(4)]
        found.append(Progress(item.value, targets[item], counted))
    return found


async def _done(
    work: Work, organisation: Organisation, year: int, item: PlanItem
) -> dict[int, int] | None:
    """Quarter from 0 -> how much; None for what nobody counts."""
    if item is PlanItem.TRAININGS and not await _counts_trainings(work):
        return None
    sources: dict[PlanItem, tuple[Any, Any]] = {
        PlanItem.ACTIVITIES: (ActivityCount, ActivityCount.activities),
        PlanItem.HOURS: (HoursCount, HoursCount.minutes),
        PlanItem.NEW_VOLUNTEERS: (PeopleCount, PeopleCount.new),
        PlanItem.TRAININGS: (MeasureCount, MeasureCount.number),
    }
    table, number = sources[item]
    first = year * YEAR
    rows = (
        select(table.month, func.sum(number))
        .join(Organisation, Organisation.id == table.organisation_id)
        .where(
            organisations.within(organisation.path), table.month.between(first, first + YEAR - 1)
        )
        .group_by(table.month)
    )
    if item is PlanItem.TRAININGS:
        rows = rows.where(MeasureCount.name == TRAININGS)
    done: dict[int, int] = {}
    for month, count in await work.session.execute(rows):
        at = (month - first) // QUARTER
        done[at] = done.get(at, 0) + int(count)
    if item is PlanItem.HOURS:
        return {at: minutes // 60 for at, minutes in done.items()}
    return done


async def _counts_trainings(work: Work) -> bool:
    """Whether the statistics have counted any, anywhere."""
    known = select(MeasureCount.name).where(MeasureCount.name == TRAININGS).limit(1)
    return await work.session.scalar(known) is not None


async def _comments(work: Work, plan: Plan | None) -> list[Comment]:
    """The latest last."""
    if plan is None:
        return []
    rows = await work.session.execute(
        select(Person.name, PlanComment.at, PlanComment.text)
        .join(Person, Person.id == PlanComment.person_id)
        .where(PlanComment.plan_id == plan.id)
        .order_by(PlanComment.id.desc())
        .limit(SHOWN)
    )
    return [Comment(*row) for row in rows][::-1]


# Writing


async def begin(work: Work, organisation_id: int, year: int) -> Plan:
    """The plan to write, a new one if there is none. Raises NotAllowed, Gone, Refusal."""
    return await _to_write(work, organisation_id, year)


async def write(
    work: Work, organisation_id: int, year: int, targets: Targets, words: str | None = None
) -> Plan:
    """Keeps targets of some items, and the words if they are given; begins the plan if need be.

    Raises NotAllowed, Gone, Refusal for numbers, words, and a plan that waits or is approved.
    """
    plan = await _to_write(work, organisation_id, year)
    if words is not None:
        lengths.check("plan_words", words, WORDS)
        plan.words = words
    for item, numbers in targets.items():
        check(numbers)
        await work.session.execute(
            delete(PlanTarget).where(PlanTarget.plan_id == plan.id, PlanTarget.item == item)
        )
        work.session.add_all(
            PlanTarget(plan_id=plan.id, item=item, quarter=at, number=number)
            for at, number in enumerate(numbers, 1)
        )
    await work.session.flush()
    return plan


def check(numbers: Sequence[int]) -> None:
    """Raises Refusal."""
    if len(numbers) != QUARTERS:
        raise Refusal("plan_four_numbers")
    if not all(0 <= number <= MOST for number in numbers):
        raise Refusal("form_number_range", least=0, most=MOST)


async def _to_write(work: Work, organisation_id: int, year: int) -> Plan:
    """Locked until the transaction ends, so that nobody submits what is just being written."""
    await access.require(work, RIGHT, organisation_id)
    await organisations.require_open(work, organisation_id)
    if not work.today.year - 1 <= year <= work.today.year + AHEAD:
        raise Gone
    found = select(Plan).where(Plan.organisation_id == organisation_id, Plan.year == year)
    found = found.with_for_update().execution_options(populate_existing=True)
    plan = await work.session.scalar(found)
    if plan is None:
        plan = Plan(
            organisation_id=organisation_id,
            year=year,
            state=PlanState.DRAFT,
            words="",
            created_at=work.now,
        )
        try:
            async with work.session.begin_nested():
                work.session.add(plan)
                await work.session.flush()
        except IntegrityError:
            raise Refusal("plan_not_open") from None
    if plan.state not in OPEN:
        raise Refusal("plan_not_open")
    return plan


# The level above


async def submit(work: Work, plan_id: int) -> Plan:
    """Goes to the level above. Raises Gone, NotAllowed, Refusal without a target or twice."""
    plan = await opened(work, plan_id)
    await access.require(work, RIGHT, plan.organisation_id)
    targets = await targets_of(work, plan)
    if not any(any(numbers) for numbers in targets.values()):
        raise Refusal("plan_empty")
    values = {"submitted_at": work.now, "submitted_by_id": work.person.id}
    await _turn(work, plan, OPEN, PlanState.SUBMITTED, **values)
    people = await access.holders_above(work, RIGHT, plan.organisation_id)
    await _tell(work, "plans/card", plan, [key for key in people if key != work.person.id])
    return plan


async def approve(work: Work, plan_id: int) -> Plan:
    """Raises Gone, NotAllowed, Refusal."""
    return await _decide(work, plan_id, PlanState.APPROVED)


async def send_back(work: Work, plan_id: int, words: str) -> Plan:
    """To be written anew, with a word about what is missing; an approved one as well.

    Raises Gone, NotAllowed, Refusal.
    """
    lengths.check("comment", words, COMMENT)
    plan = await _decide(work, plan_id, PlanState.SENT_BACK)
    await _keep(work, plan, words)
    return plan


async def comment(work: Work, plan_id: int, words: str) -> Plan:
    """By either side; the other one is told. Raises Gone, NotAllowed, Refusal."""
    lengths.check("comment", words, COMMENT)
    plan = await opened(work, plan_id)
    await access.require(work, RIGHT, plan.organisation_id)
    await _keep(work, plan, words)
    people = await _writers(work, plan)
    if plan.state is not PlanState.DRAFT:
        people |= set(await access.holders_above(work, RIGHT, plan.organisation_id))
    about = {"text": words, "by": work.person.name}
    await _tell(work, "plans/commented", plan, people - {work.person.id}, card=False, **about)
    return plan


async def _decide(work: Work, plan_id: int, state: PlanState) -> Plan:
    plan = await opened(work, plan_id)
    if not await access.may_above(work, RIGHT, plan.organisation_id):
        raise NotAllowed
    if plan.submitted_by_id == work.person.id:
        raise Refusal("reorganisation_own")
    before: tuple[PlanState, ...] = (PlanState.SUBMITTED,)
    if state is PlanState.SENT_BACK:
        before = (PlanState.SUBMITTED, PlanState.APPROVED)
    values = {"decided_at": work.now, "decided_by_id": work.person.id}
    await _turn(work, plan, before, state, **values)
    about = {"by": work.person.name}
    people = await _writers(work, plan) - {work.person.id}
    await _tell(work, "plans/decided", plan, people, card=False, **about)
    closed = Post(
        "plans/card_closed", {**await _about(work, plan), **about}, kind=KIND,
        subject=_subject(plan),
    )  # fmt: skip
    await delivery.correct(work, _subject(plan), closed)
    return plan


async def _turn(
    work: Work, plan: Plan, before: Sequence[PlanState], state: PlanState, **values: Any
) -> None:
    """Raises Refusal where somebody else was faster, or it is in no such state."""
    done = await work.session.execute(
        update(Plan)
        .where(Plan.id == plan.id, Plan.state.in_(before))
        .values(state=state, **values)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(plan)
    if not getattr(done, "rowcount", 0):
        raise Refusal("plan_decided", state=plan.state.value)
    audit.note(
        work,
        f"plan.{state.value}",
        f"organisation:{plan.organisation_id}",
        organisation_id=plan.organisation_id,
        year=plan.year,
    )


async def _may_decide(work: Work, plan: Plan) -> bool:
    if plan.state not in (PlanState.SUBMITTED, PlanState.APPROVED):
        return False
    if work.actor is None or plan.submitted_by_id == work.actor.id:
        return False
    return await access.may_above(work, RIGHT, plan.organisation_id)


async def _writers(work: Work, plan: Plan) -> set[int]:
    """Those of the organisation, and whoever submitted it."""
    people = set(await access.holders(work, RIGHT, plan.organisation_id))
    return people | ({plan.submitted_by_id} if plan.submitted_by_id else set())


async def _keep(work: Work, plan: Plan, words: str) -> None:
    work.session.add(
        PlanComment(plan_id=plan.id, person_id=work.person.id, at=work.now, text=words)
    )
    await work.session.flush()


async def waiting(work: Work) -> int:
    found = select(func.count()).select_from((await _to_decide(work)).subquery())
    return await work.session.scalar(found) or 0


async def pending(work: Work, limit: int = 20) -> list[tuple[Plan, Organisation]]:
    """What waits for the actor's word, the earliest first."""
    found = (await _to_decide(work)).order_by(Plan.submitted_at, Plan.id).limit(limit)
    return [(row[0], row[1]) for row in await work.session.execute(found)]


async def _to_decide(work: Work) -> Any:
    above = or_(
        await access.within_reach(work, RIGHT, Organisation.parent_id),
        and_(
            Organisation.parent_id.is_(None),
            await access.within_reach(work, RIGHT, Plan.organisation_id),
        ),
    )
    actor = work.actor.id if work.actor else 0
    return (
        select(Plan, Organisation)
        .join(Organisation, Organisation.id == Plan.organisation_id)
        .where(Plan.state == PlanState.SUBMITTED, Plan.submitted_by_id != actor, above)
    )


def _subject(plan: Plan) -> str:
    return f"plan:{plan.id}"


async def _about(work: Work, plan: Plan) -> dict[str, Any]:
    organisation = await work.session.get_one(Organisation, plan.organisation_id)
    targets = await targets_of(work, plan)
    return {
        "plan_id": plan.id,
        "organisation_id": plan.organisation_id,
        "organisation": organisation.names,
        "year": plan.year,
        "state": plan.state.value,
        "words": plan.words,
        "targets": {item.value: numbers for item, numbers in targets.items()},
    }


async def _tell(
    work: Work, template: str, plan: Plan, people: Any, *, card: bool = True, **more: Any
) -> None:
    """A card is corrected once it is decided."""
    subject = _subject(plan) if card else None
    post = Post(template, {**await _about(work, plan), **more}, kind=KIND, subject=subject)
    await delivery.tell(work, post, people)


# For statistics, and what somebody's data are


def _approved() -> Any:
    approved = select(Plan.organisation_id, Plan.decided_at, literal(1))
    return approved.where(Plan.state == PlanState.APPROVED)


MEASURES = (Measure("plans_approved", "organising", _approved),)


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {"plan_comments": select(PlanComment).where(PlanComment.person_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """What they said about plans goes with them; the plans are their organisation's."""
    said = delete(PlanComment).where(PlanComment.person_id == person_id)
    await work.session.execute(said)

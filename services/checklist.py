"""What organisations lack: a coordinator, an approved plan for the year, an activity this quarter.

One press reminds all that lack something, each once a day at most: its own coordinators, or where
there are none those nearest above.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Account,
    Activity,
    ActivityState,
    ChecklistReminder,
    Organisation,
    OrganisationKind,
    Person,
    Plan,
    PlanState,
    Role,
    Shift,
)
from services import access, audit, counting, delivery, quiet_hours
from services.access import Right
from services.counting import QUARTER
from services.delivery import Post
from services.errors import NotAllowed
from services.work import Work

RIGHT = Right.PLAN_ACTIVITIES
KIND = "checklist"
LACKS = ("coordinator", "plan", "activity")


@dataclass(frozen=True, slots=True)
class Gap:
    """An organisation, and which of `LACKS` it does."""

    organisation: Organisation
    lacks: list[str]


@dataclass(frozen=True, slots=True)
class Told:
    """Who was told of an organisation; nobody where only the actor could have been."""

    organisation: Organisation
    people: list[str]


@dataclass(frozen=True, slots=True)
class Checklist:
    year: int
    quarter: int
    looked_at: int
    gaps: list[Gap]
    reminded: set[int]
    """Keys of those that were reminded today."""

    @property
    def to_remind(self) -> int:
        return sum(gap.organisation.id not in self.reminded for gap in self.gaps)

    def count(self, what: str) -> int:
        return sum(what in gap.lacks for gap in self.gaps)


async def look(work: Work) -> Checklist:
    """Of all that the actor coordinates; service bases have none of their own.

    Raises NotAllowed.
    """
    found = await access.subtrees_with(work, RIGHT)
    if not found:
        raise NotAllowed
    looked_at = [one for one in found if one.kind is not OrganisationKind.SERVICE_BASE]
    gaps = await _gaps(work, looked_at)
    today = select(ChecklistReminder.organisation_id).where(ChecklistReminder.day == work.today)
    return Checklist(
        work.today.year,
        (work.today.month - 1) // QUARTER + 1,
        len(looked_at),
        gaps,
        set(await work.session.scalars(today)),
    )


async def _gaps(work: Work, looked_at: Sequence[Organisation]) -> list[Gap]:
    """Those that lack something, each above those below it."""
    keys = [one.id for one in looked_at]
    coordinated = set(await _holders(work, keys))
    planned = await _planned(work)
    active = await _active(work)
    gaps = []
    for one in looked_at:
        has = (one.id in coordinated, one.id in planned, one.id in active)
        lacks = [what for what, there in zip(LACKS, has, strict=True) if not there]
        if lacks:
            gaps.append(Gap(one, lacks))
    return gaps


async def _holders(work: Work, keys: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """Organisation -> key and name of each of its own coordinators that can be reached."""
    rows = await work.session.execute(
        select(Role.organisation_id, Person.id, Person.name)
        .join(Person, Person.id == Role.person_id)
        .join(Account, Account.person_id == Person.id)
        .where(Role.organisation_id.in_(list(keys)), Role.kind.in_(access.roles_with(RIGHT)))
        .distinct()
        .order_by(Person.id)
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for key, person_id, name in rows:
        found.setdefault(key, []).append((person_id, name))
    return found


async def _planned(work: Work) -> set[int]:
    approved = select(Plan.organisation_id).where(
        Plan.year == work.today.year, Plan.state == PlanState.APPROVED
    )
    return set(await work.session.scalars(approved))


async def _active(work: Work) -> set[int]:
    """Those with an activity this quarter, and all above them."""
    now = counting.month_of(work, work.now)
    first = now - now % QUARTER
    paths = await work.session.scalars(
        select(Organisation.path)
        .join(Activity, Activity.organisation_id == Organisation.id)
        .join(Shift, Shift.activity_id == Activity.id)
        .where(
            Activity.state.in_((ActivityState.PUBLISHED, ActivityState.CLOSED)),
            Shift.starts_at >= counting.starts(work, first),
            Shift.starts_at < counting.starts(work, first + QUARTER),
        )
        .distinct()
    )
    return {int(key) for path in paths for key in path.split(".") if key}


async def remind(work: Work) -> list[Told]:
    """Tells those concerned of what is lacking; answers of which organisations, and whom.

    Raises NotAllowed.
    """
    gaps = {gap.organisation.id: gap for gap in (await look(work)).gaps}
    fresh = await _note_today(work, list(gaps))
    reminded = [gaps[key] for key in sorted(fresh, key=lambda key: gaps[key].organisation.path)]
    told, letters = await _to_whom(work, reminded)
    about = {"by": work.person.name}
    post = await quiet_hours.kept(work, Post("checklist/reminder", about, kind=KIND))
    await delivery.tell_each(work, post, {key: {"gaps": some} for key, some in letters.items()})
    audit.note(work, "checklist.reminded", f"person:{work.person.id}", count=len(reminded))
    return told


async def _note_today(work: Work, keys: Sequence[int]) -> list[int]:
    """Those that were not reminded today before; whoever presses at the same moment finds none."""
    if not keys:
        return []
    insert = postgresql.insert if _is_postgresql(work) else sqlite.insert
    rows = [{"organisation_id": key, "day": work.today} for key in keys]
    noted = insert(ChecklistReminder).values(rows).on_conflict_do_nothing()
    return list(await work.session.scalars(noted.returning(ChecklistReminder.organisation_id)))


def _is_postgresql(work: Work) -> bool:
    return work.session.get_bind().dialect.name == "postgresql"


async def _to_whom(
    work: Work, gaps: Sequence[Gap]
) -> tuple[list[Told], dict[int, list[dict[str, Any]]]]:
    """Who is told of each, and what each person reads."""
    above = {key for gap in gaps for key in _way_up(gap.organisation)}
    holders = await _holders(work, above)
    told, letters = [], dict[int, list[dict[str, Any]]]()
    for gap in gaps:
        way = _way_up(gap.organisation)
        nearest = next((holders[key] for key in way if key in holders), [])
        others = [(key, name) for key, name in nearest if key != work.person.id]
        told.append(Told(gap.organisation, [name for _, name in others]))
        about = {"organisation": gap.organisation.names, "lacks": gap.lacks}
        for person_id, _ in others:
            letters.setdefault(person_id, []).append(about)
    return told, letters


def _way_up(organisation: Organisation) -> list[int]:
    """Itself, then those above it."""
    return [int(key) for key in organisation.path.split(".") if key][::-1]

"""Projects as they are found, listed and described. Changes nothing."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select

from models import (
    Activity,
    ActivityState,
    BudgetLine,
    Milestone,
    Organisation,
    Person,
    Project,
    ProjectComment,
    ProjectState,
    ServiceField,
    Shift,
    Spending,
)
from services import access, listing, organisations
from services.access import Right
from services.errors import Gone, NotAllowed
from services.listing import Slice
from services.measuring import Measure, Unit
from services.projects import indicators_of, lines_of, milestones_of
from services.work import Work

SHOWN = 10
MOST_CHOSEN = 200
"""Of which one is picked from a list."""

Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to."""

    typed: str = ""
    states: tuple[ProjectState, ...] = ()
    field_id: int | None = None
    organisation_id: int | None = None
    """With all below it."""
    late: bool = False
    """Only those with a milestone that is late."""


def is_titled_like(work: Work, typed: str) -> ColumnElement[bool]:
    """The condition that a title contains what was typed, in capitals or not."""
    words = " ".join(typed.split())
    if work.session.get_bind().dialect.name == "sqlite":
        return Project.title.contains(words, autoescape=True)
    return Project.title.icontains(words, autoescape=True)


def has_late(work: Work) -> ColumnElement[bool]:
    return and_(
        Project.state.in_((ProjectState.APPROVED, ProjectState.RUNNING)),
        exists().where(
            Milestone.project_id == Project.id,
            Milestone.due_on < work.today,
            Milestone.done_at.is_(None),
        ),
    )


async def narrowed(work: Work, found: Rows, wanted: Wanted) -> Rows:
    """A statement on projects and their organisations, with what is wanted of it."""
    if wanted.typed:
        found = found.where(is_titled_like(work, wanted.typed))
    if wanted.states:
        found = found.where(Project.state.in_(wanted.states))
    if wanted.field_id is not None:
        found = found.where(Project.field_id == wanted.field_id)
    if wanted.organisation_id is not None:
        top = await work.session.get(Organisation, wanted.organisation_id)
        if top is None:
            raise Gone
        found = found.where(organisations.within(top.path))
    return found.where(has_late(work)) if wanted.late else found


async def listed(
    work: Work, wanted: Wanted, page: int = 1, *, per_page: int = listing.PER_PAGE
) -> Slice[Any]:
    """Rows (project, organisation, field, is late) of the actor's area; drafts are nobody else's.

    Raises NotAllowed.
    """
    if not await access.organisations_with(work, Right.REVIEW_PROJECTS):
        raise NotAllowed
    reach = await access.within_reach(work, Right.REVIEW_PROJECTS, Project.organisation_id)
    found = (
        select(Project, Organisation, ServiceField, has_late(work))
        .join(Organisation, Organisation.id == Project.organisation_id)
        .join(ServiceField, ServiceField.id == Project.field_id)
        .where(reach, Project.state != ProjectState.DRAFT)
        .order_by(Project.brand_at.is_(None), Project.submitted_at.desc(), Project.id.desc())
    )
    return await listing.of(work, await narrowed(work, found, wanted), page, per_page=per_page)


async def _awaiting(work: Work) -> Rows:
    """Those on which the actor decides: below where they review, and not their own."""
    below = await access.within_reach(work, Right.REVIEW_PROJECTS, Organisation.parent_id)
    at_top = await access.within_reach(work, Right.REVIEW_PROJECTS, Organisation.id)
    actor = work.actor.id if work.actor else 0
    return (
        select(Project, Organisation)
        .join(Organisation, Organisation.id == Project.organisation_id)
        .where(
            Project.state == ProjectState.SUBMITTED,
            or_(below, and_(Organisation.parent_id.is_(None), at_top)),
            or_(Project.leader_id.is_(None), Project.leader_id != actor),
        )
    )


async def waiting(work: Work) -> int:
    """How many proposals wait for the actor."""
    found = (await _awaiting(work)).subquery()
    return await work.session.scalar(select(func.count()).select_from(found)) or 0


async def pending(work: Work, limit: int = SHOWN) -> list[tuple[Project, Organisation]]:
    """The proposals that wait for the actor, the earliest first."""
    found = (await _awaiting(work)).order_by(Project.submitted_at, Project.id).limit(limit)
    return [(row[0], row[1]) for row in await work.session.execute(found)]


async def own(work: Work) -> list[tuple[Project, bool]]:
    """Those that the actor leads, each with whether a milestone is late; the newest first."""
    rows = await work.session.execute(
        select(Project, has_late(work))
        .where(Project.leader_id == work.person.id)
        .order_by(Project.made_at.desc(), Project.id.desc())
        .limit(2 * SHOWN)
    )
    return [(row[0], row[1]) for row in rows]


async def running_in(work: Work, organisation_id: int) -> list[Project]:
    """To which an activity of an organisation can belong."""
    found = select(Project).where(
        Project.organisation_id == organisation_id, Project.state == ProjectState.RUNNING
    )
    return list(await work.session.scalars(found.order_by(Project.id.desc()).limit(MOST_CHOSEN)))


async def running_where_planned(work: Work) -> list[tuple[Project, Organisation]]:
    """To which the actor's activities can belong, wherever they plan; the newest first."""
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Project.organisation_id)
    rows = await work.session.execute(
        select(Project, Organisation)
        .join(Organisation, Organisation.id == Project.organisation_id)
        .where(reach, Project.state == ProjectState.RUNNING)
        .order_by(Project.id.desc())
        .limit(MOST_CHOSEN)
    )
    return [(row[0], row[1]) for row in rows]


async def with_running(work: Work) -> list[int]:
    """The organisations for which the actor plans activities and that run a project."""
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Project.organisation_id)
    found = select(Project.organisation_id).where(reach, Project.state == ProjectState.RUNNING)
    return list(await work.session.scalars(found.distinct()))


# What there is to say


async def describe(work: Work, project: Project) -> dict[str, Any]:
    """What everybody may know of a project once it is public."""
    organisation = await work.session.get_one(Organisation, project.organisation_id)
    field = await work.session.get_one(ServiceField, project.field_id)
    origin = None
    if project.adopted_from_id is not None:
        origin = await _origin(work, project.adopted_from_id)
    return {
        "project": project,
        "organisation": organisation.names,
        "field": field.names,
        "emoji": field.emoji,
        "lines": await lines_of(work, project.id),
        "milestones": await milestones_of(work, project.id),
        "indicators": await indicators_of(work, project.id),
        "activities": await activities_of(work, project.id),
        "adopted": await adopted(work, project.id),
        "origin": origin,
        "today": work.today,
    }


async def _origin(work: Work, project_id: int) -> dict[str, Any]:
    row = (
        await work.session.execute(
            select(Project.code, Project.title, Organisation.names)
            .join(Organisation, Organisation.id == Project.organisation_id)
            .where(Project.id == project_id)
        )
    ).one()
    return {"code": row[0], "title": row[1], "organisation": row[2]}


async def leader_of(work: Work, project: Project) -> Person | None:
    if project.leader_id is None:
        return None
    return await work.session.get(Person, project.leader_id)


async def activities_of(work: Work, project_id: int) -> list[dict[str, Any]]:
    """Its published activities, the latest first, each with when it starts and how many come."""
    first = func.min(Shift.starts_at)
    rows = await work.session.execute(
        select(Activity, first, func.coalesce(func.sum(Shift.taken), 0))
        .outerjoin(Shift, Shift.activity_id == Activity.id)
        .where(Activity.project_id == project_id, Activity.state != ActivityState.DRAFT)
        .group_by(Activity.id)
        .order_by(first.desc(), Activity.id.desc())
        .limit(2 * SHOWN)
    )
    return [
        {
            "id": activity.id,
            "title": activity.title,
            "state": activity.state.value,
            "starts_at": starts_at,
            "taken": int(taken),
        }
        for activity, starts_at, taken in rows
    ]


async def adopted(work: Work, project_id: int) -> int:
    """How many organisations have adopted a copy that is more than a draft."""
    count = select(func.count()).where(
        Project.adopted_from_id == project_id, Project.state != ProjectState.DRAFT
    )
    return await work.session.scalar(count) or 0


async def copies(work: Work, project_id: int) -> list[tuple[Project, Organisation]]:
    """Those adopted from it that are more than drafts."""
    rows = await work.session.execute(
        select(Project, Organisation)
        .join(Organisation, Organisation.id == Project.organisation_id)
        .where(Project.adopted_from_id == project_id, Project.state != ProjectState.DRAFT)
        .order_by(Organisation.path)
    )
    return [(row[0], row[1]) for row in rows]


async def history(work: Work, project_id: int) -> list[tuple[ProjectComment, str]]:
    """What was said and decided, in order, each with the name of who did."""
    rows = await work.session.execute(
        select(ProjectComment, Person.name)
        .outerjoin(Person, Person.id == ProjectComment.person_id)
        .where(ProjectComment.project_id == project_id)
        .order_by(ProjectComment.id)
    )
    return [(row[0], row[1] or "") for row in rows]


# Statistics


def _rows(*columns: Any) -> Select[Any]:
    return select(*columns)


def _counted(name: str, moment: Any, *which: Any) -> Measure:
    return Measure(
        name,
        "projects",
        lambda: _rows(Project.organisation_id, moment, literal(1)).where(*which),
    )


MEASURES = (
    _counted("projects_submitted", Project.submitted_at),
    _counted("projects_approved", Project.approved_at),
    _counted("projects_started", Project.started_at),
    _counted("projects_closed", Project.closed_at),
    _counted(
        "projects_adopted",
        Project.made_at,
        Project.adopted_from_id.is_not(None),
        Project.state != ProjectState.DRAFT,
    ),
    Measure(
        "projects_spent",
        "projects",
        lambda: (
            _rows(Project.organisation_id, Spending.at, Spending.cents)
            .join(BudgetLine, BudgetLine.project_id == Project.id)
            .join(Spending, Spending.line_id == BudgetLine.id)
        ),
        Unit.CENTS,
    ),
)

"""The project library: who proposes what, who may do what with it, its steps from draft to end.

Reviewing, money, evaluation and what the public sees are in services of their own.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    delete,
    exists,
    select,
    update,
)

from models import (
    BudgetLine,
    Indicator,
    Milestone,
    Organisation,
    OrganisationKind,
    Project,
    ProjectComment,
    ProjectEvaluation,
    ProjectSaid,
    ProjectScore,
    ProjectState,
    ServiceField,
    Spending,
    Sponsorship,
)
from services import access, audit, delivery, lengths, organisations, quiet_hours
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

KIND = "project"
LENGTHS = {"title": (2, 60), "serves": (2, 150), "why": (2, 600), "what": (2, 800)}
"""Characters of what is said of a project, least and most: it must fit a message."""
LONGEST_LINE = 40
"""Characters of the name of a budget line, a milestone, an indicator, and of an aim."""
MOST_ROWS = 10
"""Budget lines, milestones or indicators of one project."""
HEAVIEST = 9
"""An indicator may count so many times as much as another."""
CODE_LENGTH = 8
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without what is easily taken for something else."""
CHANGEABLE = (ProjectState.DRAFT, ProjectState.SENT_BACK)
UNDER_WAY = (ProjectState.APPROVED, ProjectState.RUNNING, ProjectState.EVALUATING)
PUBLIC = (*UNDER_WAY, ProjectState.CLOSED)
"""What stands in the catalogue."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a proposer says; amounts in cents, a milestone's day may be missing in a copy."""

    field_id: int
    title: str
    serves: str
    why: str
    what: str
    from_day: date | None
    until_day: date | None
    budget: tuple[tuple[str, int], ...]
    milestones: tuple[tuple[str, date | None], ...]
    indicators: tuple[tuple[str, str, int], ...]
    """Name, aim, weight."""


@dataclass(frozen=True, slots=True)
class May:
    """What the actor may do with a project."""

    lead: bool
    coordinate: bool
    """Coordinates the organisation that it belongs to."""
    review: bool
    """Decides on it: from the level above, and never on what they proposed or led themselves."""
    library: bool
    """Of the federation: promotes projects, makes them brands."""

    @property
    def see(self) -> bool:
        """All of it, money and comments as well."""
        return self.lead or self.coordinate or self.review

    @property
    def run(self) -> bool:
        """Tick milestones, note money."""
        return self.lead or self.coordinate


def subject(project_id: int) -> str:
    """Under which messages and notes about a project are found again."""
    return f"project:{project_id}"


def note(work: Work, action: str, project: Project, **details: Any) -> None:
    audit.note(
        work,
        action,
        subject(project.id),
        organisation_id=project.organisation_id,
        **details,
    )


# Who may do what


async def may(work: Work, project: Project) -> May:
    if work.actor is None:
        return May(False, False, False, False)
    home = project.organisation_id
    lead = project.leader_id == work.actor.id
    coordinate = await access.may(work, Right.PLAN_ACTIVITIES, home)
    review = not lead and await access.may_above(work, Right.REVIEW_PROJECTS, home)
    if review:
        review = not await _had_a_part(work, project.id)
    return May(lead, coordinate, review, await may_keep_library(work))


async def may_keep_library(work: Work) -> bool:
    """Whether the actor decides for the federation itself."""
    root = await organisations.root(work.session)
    return root is not None and await access.may(work, Right.REVIEW_PROJECTS, root.id)


async def _had_a_part(work: Work, project_id: int) -> bool:
    """Whether the actor proposed it, or led it once."""
    own = exists().where(
        ProjectComment.project_id == project_id,
        ProjectComment.person_id == work.person.id,
        ProjectComment.what.in_((ProjectSaid.SUBMITTED, ProjectSaid.LED)),
    )
    return bool(await work.session.scalar(select(own)))


async def get(work: Work, project_id: int) -> Project:
    """As the database has it now. Raises Gone."""
    project = await work.session.get(Project, project_id, populate_existing=True)
    if project is None:
        raise Gone
    return project


async def seen(work: Work, project_id: int) -> tuple[Project, May]:
    """A project all of which the actor may see. Raises Gone, NotAllowed.

    A draft is its leader's alone.
    """
    project = await get(work, project_id)
    rights = await may(work, project)
    if project.state is ProjectState.DRAFT and not rights.lead:
        raise NotAllowed
    if not rights.see:
        raise NotAllowed
    return project, rights


async def led(work: Work, project_id: int) -> Project:
    """Raises Gone, NotAllowed to everybody but its leader."""
    project = await get(work, project_id)
    if project.leader_id != work.person.id:
        raise NotAllowed
    return project


async def run_by(work: Work, project_id: int) -> Project:
    """Raises Gone, NotAllowed to whoever neither leads it nor coordinates its organisation."""
    project, rights = await seen(work, project_id)
    if not rights.run:
        raise NotAllowed
    return project


# Proposing


async def places_to_propose(work: Work) -> list[Organisation]:
    """For which organisations the actor may propose: where they belong and their town, and where
    they coordinate.
    """
    home = await work.session.get_one(Organisation, work.person.organisation_id)
    own = [
        one
        for one in await organisations.chain(work.session, home)
        if one.id == home.id or one.kind is OrganisationKind.TOWN_ASSOCIATION
    ]
    others = await access.subtrees_with(work, Right.PLAN_ACTIVITIES)
    known = {one.id for one in own}
    return [*reversed(own), *(one for one in others if one.id not in known)]


def check(proposal: Proposal) -> None:
    """Raises Refusal for what is too short, too long, too much or in the wrong order."""
    for what, length in LENGTHS.items():
        lengths.check(what, getattr(proposal, what), length)
    if proposal.from_day and proposal.until_day and proposal.until_day < proposal.from_day:
        raise Refusal("project_days")
    for rows in (proposal.budget, proposal.milestones, proposal.indicators):
        if not 1 <= len(rows) <= MOST_ROWS:
            raise Refusal("project_rows", most=MOST_ROWS)
        for name, *more in rows:
            if not 1 <= len(name) <= LONGEST_LINE or any(
                isinstance(one, str) and len(one) > LONGEST_LINE for one in more
            ):
                raise Refusal("form_too_long", most=LONGEST_LINE, length=len(name))
    if any(not 1 <= weight <= HEAVIEST for _, _, weight in proposal.indicators):
        raise Refusal("project_weight", most=HEAVIEST)


async def draft(work: Work, organisation_id: int, proposal: Proposal) -> Project:
    """A new proposal that only its proposer sees. Raises NotAllowed or Refusal."""
    if organisation_id not in {one.id for one in await places_to_propose(work)}:
        raise NotAllowed
    await organisations.require_open(work, organisation_id)
    await _check_known(work, proposal)
    project = _new(work, organisation_id)
    _write(project, proposal)
    work.session.add(project)
    await work.session.flush()
    await _write_rows(work, project.id, proposal)
    return project


def _new(work: Work, organisation_id: int) -> Project:
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return Project(
        organisation_id=organisation_id,
        leader_id=work.person.id,
        code=code,
        state=ProjectState.DRAFT,
        made_at=work.now,
        results="",
        seeks="",
    )


async def _check_known(work: Work, proposal: Proposal) -> None:
    check(proposal)
    if await work.session.get(ServiceField, proposal.field_id) is None:
        raise Gone


async def change(work: Work, project_id: int, proposal: Proposal) -> Project:
    """While it is a draft or was sent back. Raises Gone, NotAllowed or Refusal."""
    project = await led(work, project_id)
    await _check_known(work, proposal)
    await hold(work, project, CHANGEABLE)
    _write(project, proposal)
    await work.session.flush()
    await _drop_rows(work, project_id)
    await _write_rows(work, project_id, proposal)
    return project


async def discard(work: Work, project_id: int) -> None:
    """Throws a draft away that was never submitted. Raises Gone, NotAllowed or Refusal."""
    project = await led(work, project_id)
    await hold(work, project, (ProjectState.DRAFT,))
    await _delete(work, [project_id])


async def _delete(work: Work, keys: Sequence[int]) -> None:
    for key in keys:
        await _drop_rows(work, key)
    for table in (ProjectComment,):
        await work.session.execute(delete(table).where(table.project_id.in_(keys)))
    await work.session.execute(delete(Project).where(Project.id.in_(keys)))


async def _drop_rows(work: Work, project_id: int) -> None:
    for table in (BudgetLine, Milestone, Indicator):
        await work.session.execute(delete(table).where(table.project_id == project_id))


def _write(project: Project, proposal: Proposal) -> None:
    for name in ("field_id", "title", "serves", "why", "what", "from_day", "until_day"):
        setattr(project, name, getattr(proposal, name))


async def _write_rows(work: Work, project_id: int, proposal: Proposal) -> None:
    work.session.add_all(
        BudgetLine(project_id=project_id, name=name, cents=cents, spent=0)
        for name, cents in proposal.budget
    )
    work.session.add_all(
        Milestone(project_id=project_id, title=title, due_on=due_on)
        for title, due_on in proposal.milestones
    )
    work.session.add_all(
        Indicator(project_id=project_id, name=name, target=target, weight=weight)
        for name, target, weight in proposal.indicators
    )
    await work.session.flush()


async def proposal_of(work: Work, project: Project) -> Proposal:
    """What was said of it, to change or copy it."""
    return Proposal(
        field_id=project.field_id,
        title=project.title,
        serves=project.serves,
        why=project.why,
        what=project.what,
        from_day=project.from_day,
        until_day=project.until_day,
        budget=tuple((one.name, one.cents) for one in await lines_of(work, project.id)),
        milestones=tuple((one.title, one.due_on) for one in await milestones_of(work, project.id)),
        indicators=tuple(
            (one.name, one.target, one.weight) for one in await indicators_of(work, project.id)
        ),
    )


async def copy_for(work: Work, project: Project, organisation_id: int) -> Project:
    """A draft of another organisation with everything but days, money spent and results."""
    await organisations.require_open(work, organisation_id)
    known = await proposal_of(work, project)
    copied = _new(work, organisation_id)
    _write(copied, known)
    copied.from_day = copied.until_day = None
    copied.adopted_from_id = project.id
    work.session.add(copied)
    await work.session.flush()
    await _write_rows(work, copied.id, known)
    await work.session.execute(
        update(Milestone).where(Milestone.project_id == copied.id).values(due_on=None)
    )
    return copied


async def lines_of(work: Work, project_id: int) -> list[BudgetLine]:
    found = select(BudgetLine).where(BudgetLine.project_id == project_id).order_by(BudgetLine.id)
    fresh = found.execution_options(populate_existing=True)
    return list(await work.session.scalars(fresh))


async def milestones_of(work: Work, project_id: int) -> list[Milestone]:
    """The soonest first; those without a day last."""
    found = (
        select(Milestone)
        .where(Milestone.project_id == project_id)
        .order_by(Milestone.due_on.is_(None), Milestone.due_on, Milestone.id)
        .execution_options(populate_existing=True)
    )
    return list(await work.session.scalars(found))


async def indicators_of(work: Work, project_id: int) -> list[Indicator]:
    found = select(Indicator).where(Indicator.project_id == project_id).order_by(Indicator.id)
    return list(await work.session.scalars(found))


# Steps


async def move(
    work: Work,
    project: Project,
    before: Collection[ProjectState],
    after: ProjectState,
    **values: Any,
) -> None:
    """From one of the states before to another; of two presses at once only one is taken.

    Raises Refusal("project_moved_on"), with the state in which it is.
    """
    await hold(work, project, before, state=after, **values)


async def hold(
    work: Work, project: Project, states: Collection[ProjectState], **values: Any
) -> None:
    """Changes it while it is in one of the states; until the transaction ends it stays in that.

    Raises Refusal("project_moved_on"), with the state in which it is.
    """
    done = await work.session.scalar(
        update(Project)
        .where(Project.id == project.id, Project.state.in_(states))
        .values({"state": Project.state, **values})
        .returning(Project.id)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(project)
    if done is None:
        raise Refusal("project_moved_on", state=project.state.value)


def record(work: Work, project: Project, what: ProjectSaid, words: str = "") -> ProjectComment:
    """Adds to its history what the actor did or said."""
    said = ProjectComment(
        project_id=project.id, person_id=work.person.id, what=what, words=words, at=work.now
    )
    work.session.add(said)
    return said


async def start(work: Work, project_id: int) -> Project:
    """Its leader begins with it. Raises Gone, NotAllowed or Refusal."""
    project = await led(work, project_id)
    approved = (ProjectState.APPROVED,)
    await move(work, project, approved, ProjectState.RUNNING, started_at=work.now)
    note(work, "project.started", project)
    return project


async def take_lead(work: Work, project_id: int) -> Project:
    """A coordinator of its organisation leads it from now on; who led it before is told.

    What they said as a reviewer before does not count: nobody is two voices.

    Raises Gone, NotAllowed or Refusal.
    """
    project, rights = await seen(work, project_id)
    if not rights.coordinate or rights.lead:
        raise NotAllowed
    before = project.leader_id
    await hold(work, project, UNDER_WAY, leader_id=work.person.id)
    await drop_opinion(work, project_id, f"reviewer:{work.person.id}")
    record(work, project, ProjectSaid.LED)
    note(work, "project.led", project)
    if before is not None:
        told = {**in_short(project), "name": work.person.name}
        await delivery.tell(work, Post("projects/lead_taken", told, kind=KIND), [before])
    return project


async def drop_opinion(work: Work, project_id: int, once: str) -> None:
    """Takes an evaluation back, by what tells it from the others of the project."""
    key = await work.session.scalar(
        select(ProjectEvaluation.id).where(
            ProjectEvaluation.project_id == project_id, ProjectEvaluation.once == once
        )
    )
    if key is not None:
        scores = delete(ProjectScore).where(ProjectScore.evaluation_id == key)
        await work.session.execute(scores)
        await work.session.execute(delete(ProjectEvaluation).where(ProjectEvaluation.id == key))


def in_short(project: Project) -> dict[str, Any]:
    """What messages say of a project."""
    return {"project_id": project.id, "title": project.title}


async def tick(work: Work, milestone_id: int, *, done: bool) -> Project:
    """A milestone has been reached, or has not after all. Raises Gone, NotAllowed or Refusal."""
    milestone = await work.session.get(Milestone, milestone_id)
    if milestone is None:
        raise Gone
    project = await run_by(work, milestone.project_id)
    await hold(work, project, UNDER_WAY)
    milestone.done_at = work.now if done else None
    await work.session.flush()
    return project


async def tell_of_late(work: Work) -> int:
    """Sweep: milestones whose day has passed, each told to the leader once; answers how many."""
    running = select(Project.id).where(
        Project.state.in_((ProjectState.APPROVED, ProjectState.RUNNING))
    )
    rows = await work.session.execute(
        update(Milestone)
        .where(
            Milestone.due_on < work.today,
            Milestone.done_at.is_(None),
            Milestone.late_told_at.is_(None),
            Milestone.project_id.in_(running),
        )
        .values(late_told_at=work.now)
        .returning(Milestone.project_id, Milestone.title, Milestone.due_on)
        .execution_options(synchronize_session=False)
    )
    late: dict[int, list[dict[str, Any]]] = {}
    for project_id, title, due_on in rows:
        late.setdefault(project_id, []).append({"title": title, "due_on": str(due_on)})
    found = await work.session.scalars(select(Project).where(Project.id.in_(late)))
    for project in found.all():
        told = {**in_short(project), "milestones": late[project.id]}
        if project.leader_id is not None:
            post = await quiet_hours.kept(work, Post("projects/late", told, kind=KIND))
            await delivery.tell(work, post, [project.leader_id])
    return sum(map(len, late.values()))


async def takes(work: Work, project_id: int) -> bool:
    """Whether activities can still belong to it."""
    return (await get(work, project_id)).state is ProjectState.RUNNING


async def check_takes(work: Work, project_id: int, organisation_id: int) -> None:
    """That an activity of the organisation may belong to it. Raises Gone, Refusal."""
    project = await get(work, project_id)
    if project.organisation_id != organisation_id:
        raise Refusal("project_other_organisation")
    if project.state is not ProjectState.RUNNING:
        raise Refusal("project_moved_on", state=project.state.value)


# What is about somebody


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {
        "projects": select(Project).where(Project.leader_id == person_id),
        "project_comments": select(ProjectComment).where(ProjectComment.person_id == person_id),
        "project_spendings": select(Spending).where(Spending.person_id == person_id),
        "project_evaluations": select(ProjectEvaluation).where(
            ProjectEvaluation.person_id == person_id
        ),
        "project_sponsorships": select(Sponsorship).where(Sponsorship.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """Their drafts go; what others rest on stays, without a name or words of theirs."""
    drafts = select(Project.id).where(
        Project.leader_id == person_id, Project.state == ProjectState.DRAFT
    )
    await _delete(work, list(await work.session.scalars(drafts)))
    for table, values in (
        (ProjectComment, {"person_id": None, "words": ""}),
        (Spending, {"person_id": None}),
        (ProjectEvaluation, {"person_id": None, "words": ""}),
        (Sponsorship, {"person_id": None, "name": "", "contact": "", "offer": ""}),
    ):
        mine = update(table).where(table.person_id == person_id).values(**values)
        await work.session.execute(mine.execution_options(synchronize_session=False))
    await work.session.execute(
        update(Project)
        .where(Project.leader_id == person_id)
        .values(leader_id=None)
        .execution_options(synchronize_session=False)
    )

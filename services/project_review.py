"""Proposals under review: submitting, talking about them, deciding from the level above."""

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import select

from models import Organisation, Project, ProjectComment, ProjectSaid, ProjectState, Role
from services import access, delivery, lengths, projects
from services.access import Right
from services.delivery import Post
from services.errors import NotAllowed, Refusal
from services.projects import KIND, in_short, led, move, record, seen, subject
from services.work import Work

WORDS = (2, 800)
"""Characters of a comment or a reason."""
AGAIN_AFTER = timedelta(hours=1)
"""Of a submission on which nobody decided: all reviewers are told of each."""


class Verdict(StrEnum):
    APPROVE = "approve"
    SEND_BACK = "send_back"
    REFUSE = "refuse"


_BECOMES = {
    Verdict.APPROVE: (ProjectState.APPROVED, ProjectSaid.APPROVED),
    Verdict.SEND_BACK: (ProjectState.SENT_BACK, ProjectSaid.SENT_BACK),
    Verdict.REFUSE: (ProjectState.REFUSED, ProjectSaid.REFUSED),
}


async def submit(work: Work, project_id: int) -> Project:
    """A proposal goes to the level above. Raises Gone, NotAllowed or Refusal."""
    project = await led(work, project_id)
    projects.check(await projects.proposal_of(work, project))
    milestones = await projects.milestones_of(work, project_id)
    if project.from_day is None or project.until_day is None:
        raise Refusal("project_no_days")
    if any(one.due_on is None for one in milestones):
        raise Refusal("project_no_days")
    _check_patience(work, project)
    reviewers = await reviewers_of(work, project)
    await move(work, project, projects.CHANGEABLE, ProjectState.SUBMITTED, submitted_at=work.now)
    record(work, project, ProjectSaid.SUBMITTED)
    projects.note(work, "project.submitted", project)
    told = {**in_short(project), "name": work.person.name, "serves": project.serves}
    post = Post("projects/to_review", told, kind=KIND, subject=_waiting(project))
    await delivery.tell(work, post, reviewers)
    return project


def _check_patience(work: Work, project: Project) -> None:
    """Raises Refusal for what was submitted and taken back only just now."""
    last, decided = project.submitted_at, project.decided_at
    if last is None or (decided is not None and decided >= last):
        return
    if last + AGAIN_AFTER > work.now:
        raise Refusal("project_too_soon", next_at=last + AGAIN_AFTER)


async def withdraw(work: Work, project_id: int) -> Project:
    """Its proposer takes it back to change it. Raises Gone, NotAllowed or Refusal."""
    project = await led(work, project_id)
    await move(work, project, (ProjectState.SUBMITTED,), ProjectState.SENT_BACK)
    record(work, project, ProjectSaid.WITHDRAWN)
    await _close_question(work, project, "withdrawn")
    return project


async def reviewers_of(work: Work, project: Project) -> list[int]:
    """Who is asked to decide: the holders nearest above, but for its leader."""
    holders = await access.holders_above(work, Right.REVIEW_PROJECTS, project.organisation_id)
    return [key for key in holders if key != project.leader_id]


async def to_decide(work: Work, project_id: int) -> Project:
    """A proposal that the actor may decide on. Raises Gone, NotAllowed."""
    project, rights = await seen(work, project_id)
    if not rights.review:
        raise NotAllowed
    return project


async def decide(work: Work, project_id: int, verdict: Verdict, words: str = "") -> Project:
    """Approves it, sends it back or refuses it; the latter two with a reason.

    Raises Gone, NotAllowed, or Refusal where another was faster.
    """
    project = await to_decide(work, project_id)
    least = 0 if verdict is Verdict.APPROVE else WORDS[0]
    lengths.check("reason", words, (least, WORDS[1]))
    after, said = _BECOMES[verdict]
    approved = {"approved_at": work.now} if verdict is Verdict.APPROVE else {}
    await move(work, project, (ProjectState.SUBMITTED,), after, decided_at=work.now, **approved)
    record(work, project, said, words)
    action = (
        "project.approved"
        if verdict is Verdict.APPROVE
        else "project.sent_back"
        if verdict is Verdict.SEND_BACK
        else "project.refused"
    )
    projects.note(work, action, project)
    if project.leader_id is not None:
        told = {**in_short(project), "verdict": verdict.value, "words": words}
        await delivery.tell(work, Post("projects/decided", told, kind=KIND), [project.leader_id])
    await _close_question(work, project, verdict.value)
    return project


async def _close_question(work: Work, project: Project, verdict: str) -> None:
    """The message that asked the reviewers says what became of it."""
    told = {**in_short(project), "verdict": verdict, "by": work.person.name}
    post = Post("projects/review_over", told, kind=KIND, subject=_waiting(project))
    await delivery.correct(work, _waiting(project), post)


def _waiting(project: Project) -> str:
    """The question whether to approve it, each time that it is submitted."""
    at = int(project.submitted_at.timestamp()) if project.submitted_at else 0
    return f"{subject(project.id)}:{at}"


async def comment(work: Work, project_id: int, words: str) -> Project:
    """Words to the other side, which can answer them. Raises Gone, NotAllowed or Refusal."""
    project, rights = await seen(work, project_id)
    if project.state is ProjectState.DRAFT:
        raise Refusal("project_moved_on", state=project.state.value)
    lengths.check("comment", words, WORDS)
    record(work, project, ProjectSaid.COMMENT, words)
    await work.session.flush()
    others = await _other_side(work, project) if rights.lead else [project.leader_id]
    told = {**in_short(project), "name": work.person.name, "words": words}
    post = Post("projects/commented", told, kind=KIND)
    await delivery.tell(work, post, [key for key in others if key is not None])
    return project


async def _other_side(work: Work, project: Project) -> list[int | None]:
    """Whom the leader answers: who has spoken or decided and still may, else whoever decides."""
    home = await work.session.get_one(Organisation, project.organisation_id)
    way = [int(key) for key in home.path.split(".") if key]
    spoke = (
        select(ProjectComment.person_id)
        .join(Role, Role.person_id == ProjectComment.person_id)
        .where(
            ProjectComment.project_id == project.id,
            ProjectComment.person_id != work.person.id,
            Role.kind.in_(access.roles_with(Right.REVIEW_PROJECTS)),
            Role.organisation_id.in_(way),
        )
    )
    found = list(await work.session.scalars(spoke.distinct()))
    return found or [*await reviewers_of(work, project)]

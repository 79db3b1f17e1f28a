"""The project library in the chat: lists, the screen of a project, its steps, talk and review."""

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command, link
from handlers.turns import Turn
from models import ProjectState
from services import (
    access,
    project_evaluation,
    project_library,
    project_list,
    project_performance,
    project_review,
    projects,
)
from services.access import Right
from services.errors import Gone, NotAllowed
from services.project_list import Wanted
from services.project_review import Verdict

PAGE = 8
LATEST = 4
"""Of what was said, so many fit a message."""
HEADINGS = {
    "submitted": Wanted(states=(ProjectState.SUBMITTED, ProjectState.SENT_BACK)),
    "running": Wanted(states=projects.UNDER_WAY),
    "late": Wanted(late=True),
    "closed": Wanted(states=(ProjectState.CLOSED, ProjectState.REFUSED)),
}


# Lists


@command("projects", menu=Audience.EVERYONE)
@button("projects")
async def home(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    begun = await forms.drafts(turn)
    return Show(
        "projects/home",
        {
            "own": await project_list.own(turn.work),
            "begun": any(draft.form == "project" for draft in begun),
            "reviews": Right.REVIEW_PROJECTS in await access.rights(turn.work),
            "waiting": await project_list.waiting(turn.work),
        },
    )


@button("projects.catalogue", reads=True)
async def catalogue(turn: Turn, page: int = 1) -> Reply:
    found = await project_library.catalogue(turn.work, Wanted(), page, per_page=PAGE)
    address = f"{turn.around.public_url}/projects"
    return Show("projects/catalogue", {"found": found, "address": address})


@button("projects.desk", reads=True)
async def desk(turn: Turn) -> Reply:
    """What coordinators see: what waits for their review, what runs, what is late."""
    if not await access.organisations_with(turn.work, Right.REVIEW_PROJECTS):
        raise NotAllowed
    return Show(
        "projects/desk",
        {
            "pending": await project_list.pending(turn.work),
            "waiting": await project_list.waiting(turn.work),
        },
    )


@button("projects.list", reads=True)
async def turn_to(turn: Turn, heading: str, page: int = 1) -> Reply:
    if heading not in HEADINGS:
        raise Gone
    found = await project_list.listed(turn.work, HEADINGS[heading], page, per_page=PAGE)
    return Show("projects/list", {"heading": heading, "found": found})


# One project


@button("project.performance", reads=True)
async def show_performance(turn: Turn, project_id: int) -> Reply:
    """Its figures beside the median of others."""
    found = await project_performance.of(turn.work, project_id)
    return Show("projects/performance", {"project_id": project_id, "performance": found})


@link("pj", reads=True)
@button("project", reads=True)
async def open_project(turn: Turn, project_id: int) -> Reply:
    return await show(turn, project_id)


async def show(turn: Turn, project_id: int, news: str | None = None) -> Reply:
    """All of it to those who may see it, to others what the catalogue says. Raises Gone."""
    work = turn.work
    try:
        project, rights = await projects.seen(work, project_id)
    except NotAllowed:
        return await _show_public(turn, project_id)
    leader = await project_list.leader_of(work, project)
    return Show(
        "projects/inside",
        {
            "about": await project_list.describe(work, project),
            "may": rights,
            "leader": leader.name if leader else "",
            "news": news,
            "said": len(await project_list.history(work, project_id)),
        },
    )


async def _show_public(turn: Turn, project_id: int) -> Reply:
    """Raises Gone."""
    project = await project_library.public(turn.work, project_id)
    may_adopt = project.promoted_at is not None and bool(
        await project_library.places_to_adopt(turn.work, project_id)
    )
    outcome = await project_evaluation.published(turn.work, project)
    return Show(
        "projects/public",
        {
            "about": await project_list.describe(turn.work, project),
            "score": outcome.score(project_evaluation.shares(turn.work)),
            "may_adopt": may_adopt,
            "library": await projects.may_keep_library(turn.work),
        },
    )


@button("project.submit")
async def submit(turn: Turn, project_id: int) -> Reply:
    await project_review.submit(turn.work, project_id)
    return await show(turn, project_id, news="submitted")


@button("project.withdraw")
async def withdraw(turn: Turn, project_id: int) -> Reply:
    await project_review.withdraw(turn.work, project_id)
    return await show(turn, project_id, news="withdrawn")


@button("project.discard", reads=True)
async def ask_to_discard(turn: Turn, project_id: int) -> Reply:
    return Show("projects/discard", {"project": await projects.led(turn.work, project_id)})


@button("project.drop")
async def discard(turn: Turn, project_id: int) -> Reply:
    await projects.discard(turn.work, project_id)
    return await home(turn)


@button("project.start")
async def begin(turn: Turn, project_id: int) -> Reply:
    await projects.start(turn.work, project_id)
    return await show(turn, project_id, news="started")


@button("project.lead", reads=True)
async def ask_to_lead(turn: Turn, project_id: int) -> Reply:
    project, _ = await projects.seen(turn.work, project_id)
    leader = await project_list.leader_of(turn.work, project)
    return Show("projects/lead", {"project": project, "leader": leader.name if leader else ""})


@button("project.take_lead")
async def take_lead(turn: Turn, project_id: int) -> Reply:
    await projects.take_lead(turn.work, project_id)
    return await show(turn, project_id, news="led")


# Milestones


@button("project.steps", reads=True)
async def show_steps(turn: Turn, project_id: int) -> Reply:
    project, rights = await projects.seen(turn.work, project_id)
    return Show(
        "projects/steps",
        {
            "project": project,
            "milestones": await projects.milestones_of(turn.work, project_id),
            "may_tick": rights.run and project.state in projects.UNDER_WAY,
            "today": turn.work.today,
        },
    )


@button("milestone.tick")
async def tick(turn: Turn, milestone_id: int, done: int) -> Reply:
    project = await projects.tick(turn.work, milestone_id, done=bool(done))
    return await show_steps(turn, project.id)


# Talking and deciding


@button("project.talk", reads=True)
async def show_talk(turn: Turn, project_id: int) -> Reply:
    project, rights = await projects.seen(turn.work, project_id)
    said = await project_list.history(turn.work, project_id)
    may_decide = rights.review and project.state is ProjectState.SUBMITTED
    return Show(
        "projects/talk",
        {
            "project": project,
            "said": said[-LATEST:],
            "more": len(said) > LATEST,
            "decide": may_decide,
        },
    )


@button("project.comment")
async def ask_for_words(turn: Turn, project_id: int) -> Reply:
    await projects.seen(turn.work, project_id)
    return await start(turn, COMMENT, subject_id=project_id)


@button("project.approve")
async def approve(turn: Turn, project_id: int) -> Reply:
    await project_review.decide(turn.work, project_id, Verdict.APPROVE)
    return await show(turn, project_id, news="approved")


@button("project.send_back")
async def ask_why_back(turn: Turn, project_id: int) -> Reply:
    await project_review.to_decide(turn.work, project_id)
    return await start(turn, SEND_BACK, subject_id=project_id)


@button("project.refuse")
async def ask_why_refused(turn: Turn, project_id: int) -> Reply:
    await project_review.to_decide(turn.work, project_id)
    return await start(turn, REFUSE, subject_id=project_id)


async def _comment(turn: Turn, filled: Filled) -> Reply:
    project = await project_review.comment(turn.work, filled.subject_id or 0, filled["words"])
    return await show_talk(turn, project.id)


async def _send_back(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await project_review.decide(turn.work, key, Verdict.SEND_BACK, filled["reason"])
    return await show(turn, key, news="sent_back")


async def _refuse(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await project_review.decide(turn.work, key, Verdict.REFUSE, filled["reason"])
    return await show(turn, key, news="refused")


_REASON = (Field("reason", Text(*project_review.WORDS, lines=True)),)
COMMENT = register(
    Form("project_comment", (Field("words", Text(*project_review.WORDS, lines=True)),), _comment)
)
SEND_BACK = register(Form("project_back", _REASON, _send_back))
REFUSE = register(Form("project_refuse", _REASON, _refuse))

"""The project library at the desk: a list with search, and one project's page with all of it."""

from models import ProjectState, ServiceField
from services import (
    organisations,
    project_evaluation,
    project_library,
    project_list,
    project_money,
    project_performance,
    project_review,
    projects,
    terms,
)
from services.access import Right
from services.errors import Gone
from services.project_list import Wanted
from services.project_review import Verdict
from web.console import fields
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()

STATES = tuple(state for state in ProjectState if state is not ProjectState.DRAFT)


@pages.look("/projects")
async def show_all(visit: Visit) -> Page:
    work = visit.work
    found = await project_list.listed(work, _wanted(visit), visit.number("page", 1))
    return Page(
        "console/projects/list",
        {
            "found": found,
            "waiting": await project_list.pending(work),
            "states": [state.value for state in STATES],
            "service_fields": await terms.every(work.session, ServiceField),
            "organisations": await organisations.at_hand(
                work, Right.REVIEW_PROJECTS, visit.number("organisation") or None
            ),
        },
    )


def _wanted(visit: Visit) -> Wanted:
    """What the address asks for. Raises Gone for a state that there is not."""
    state = visit.query.get("state", "")
    if state and state not in {one.value for one in STATES}:
        raise Gone
    return Wanted(
        typed=visit.query.get("q", "").strip(),
        states=(ProjectState(state),) if state else (),
        field_id=visit.number("field") or None,
        organisation_id=visit.number("organisation") or None,
        late=bool(visit.query.get("late")),
    )


@pages.look("/projects/{project_id}")
async def show(visit: Visit, project_id: int) -> Page:
    work = visit.work
    project, rights = await projects.seen(work, project_id)
    outcome = await project_evaluation.outcome(work, project_id)
    return Page(
        "console/projects/one",
        {
            "about": await project_list.describe(work, project),
            "may": rights,
            "leader": await project_list.leader_of(work, project),
            "budget": await project_money.budget(work, project),
            "said": await project_list.history(work, project_id),
            "voices": {voice.value: one for voice, one in outcome.voices.items()},
            "words_said": [(voice.value, words) for voice, words in outcome.words],
            "score": outcome.score(project_evaluation.shares(work)),
            "copies": await project_list.copies(work, project_id),
            "performance": await project_performance.of(work, project_id),
            "is_public": project.state in projects.PUBLIC,
        },
    )


@pages.look("/projects/spendings/{spending_id}/receipts/{receipt_id}")
async def receipt(visit: Visit, spending_id: int, receipt_id: int) -> Download:
    """A receipt's picture, to those who may see the money."""
    kept = await project_money.receipt(visit.work, spending_id, receipt_id)

    async def content() -> bytes:
        return kept.content

    return Download(f"{receipt_id}.jpg", kept.content_type, content, inline=True)


# Reviewing


@pages.act("/projects/{project_id}/comment", again=show)
async def comment(visit: Visit, project_id: int) -> Goto:
    await project_review.comment(visit.work, project_id, fields.lines(visit, "words"))
    return Goto(f"/projects/{project_id}", done="written")


@pages.act("/projects/{project_id}/decide", again=show)
async def decide(visit: Visit, project_id: int) -> Goto:
    verdict = fields.choice(visit, "verdict", Verdict)
    await project_review.decide(visit.work, project_id, verdict, fields.lines(visit, "reason"))
    return Goto(f"/projects/{project_id}", done="project_decided")


@pages.act("/projects/{project_id}/evaluate", again=show)
async def evaluate(visit: Visit, project_id: int) -> Goto:
    indicators = await projects.indicators_of(visit.work, project_id)
    best = project_evaluation.BEST
    scores = {one.id: fields.number(visit, f"i{one.id}", 1, best) for one in indicators}
    words = fields.lines(visit, "evaluation")
    await project_evaluation.evaluate(visit.work, project_id, scores, words)
    return Goto(f"/projects/{project_id}", done="saved")


@pages.act("/projects/{project_id}/close", again=show)
async def close(visit: Visit, project_id: int) -> Goto:
    await project_evaluation.close(visit.work, project_id)
    return Goto(f"/projects/{project_id}", done="project_closed")


# The library


@pages.act("/projects/{project_id}/brand", again=show)
async def brand(visit: Visit, project_id: int) -> Goto:
    on = str(visit.form.get("on", "")) == "1"
    await project_library.brand(visit.work, project_id, on=on)
    return Goto(f"/projects/{project_id}", done="saved")


@pages.act("/projects/{project_id}/promote", again=show)
async def promote(visit: Visit, project_id: int) -> Goto:
    told = await project_library.promote(visit.work, project_id)
    return Goto(f"/projects/{project_id}", done="told", number=told)

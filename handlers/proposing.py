"""The form in which a project is proposed, and changed until it is submitted."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from handlers import options
from handlers.fields import Asked, Day, Field, Option, Pick, Rows, Text
from handlers.forms import SUMMARY, Filled, Form, drafts, register, start
from handlers.projects import show
from handlers.replies import Reply
from handlers.routes import button
from handlers.turns import Turn
from models import Organisation, ServiceField
from services import money, projects
from services.errors import Refusal
from services.finding import search_key
from services.moments import MomentError, parse_day
from services.projects import LENGTHS, LONGEST_LINE, MOST_ROWS, Proposal

WEIGHT = re.compile(r"\s*[x×*]\s*(\d)$", re.IGNORECASE)
BETWEEN = " \t:：,，;；=-–—、"


# What starts it


@button("project.propose")
async def propose(turn: Turn) -> Reply:
    """Goes on with what was left half way; who can only propose for one is not asked for whom."""
    if await _is_begun(turn, PROPOSAL, None):
        return await start(turn, PROPOSAL)
    places = await projects.places_to_propose(turn.work)
    if len(places) > 1:
        return await start(turn, PROPOSAL)
    return await start(turn, PROPOSAL, answers={"organisation": places[0].id})


@button("project.change")
async def change(turn: Turn, project_id: int) -> Reply:
    project = await projects.led(turn.work, project_id)
    if project.state not in projects.CHANGEABLE:
        raise Refusal("project_moved_on", state=project.state.value)
    if await _is_begun(turn, REPROPOSAL, project_id):
        return await start(turn, REPROPOSAL, subject_id=project_id)
    answers = _answers_of(await projects.proposal_of(turn.work, project))
    return await start(turn, REPROPOSAL, subject_id=project_id, answers=answers, at=SUMMARY)


async def _is_begun(turn: Turn, form: Form, subject_id: int | None) -> bool:
    return any(
        draft.form == form.name and draft.subject_id == subject_id for draft in await drafts(turn)
    )


# From answers to proposals and back


def _proposal_from(filled: Filled) -> Proposal:
    return Proposal(
        field_id=filled["field"],
        title=filled["title"],
        serves=filled["serves"],
        why=filled["why"],
        what=filled["what"],
        from_day=_day(filled.get("from_day")),
        until_day=_day(filled.get("until_day")),
        budget=tuple((row["name"], row["cents"]) for row in filled["budget"]),
        milestones=tuple((row["name"], _day(row["day"])) for row in filled["milestones"]),
        indicators=tuple(
            (row["name"], row["target"], row["weight"]) for row in filled["indicators"]
        ),
    )


def _day(iso: str | None) -> date | None:
    return date.fromisoformat(iso) if iso else None


def _answers_of(proposal: Proposal) -> dict[str, Any]:
    answers = {
        "title": proposal.title,
        "field": proposal.field_id,
        "serves": proposal.serves,
        "why": proposal.why,
        "what": proposal.what,
        "from_day": proposal.from_day.isoformat() if proposal.from_day else None,
        "until_day": proposal.until_day.isoformat() if proposal.until_day else None,
        "budget": [{"name": name, "cents": cents} for name, cents in proposal.budget],
        "milestones": [
            {"name": name, "day": day.isoformat() if day else None}
            for name, day in proposal.milestones
        ],
        "indicators": [
            {"name": name, "target": target, "weight": weight}
            for name, target, weight in proposal.indicators
        ],
    }
    return {name: value for name, value in answers.items() if value}


# Lines as people type them


def _budget_line(asked: Asked, line: str) -> dict[str, Any]:
    """场地 2000"""
    name, cents = money.line(line)
    return {"name": _short(name), "cents": cents}


def _milestone(asked: Asked, line: str) -> dict[str, Any]:
    """招募培训 3月15日"""
    work = asked.turn.work
    for name, rest in _split(line):
        try:
            day = parse_day(rest, now=work.now, zone=work.policy.zone)
        except MomentError:
            continue
        return {"name": _short(name), "day": day.isoformat()}
    raise ValueError(line)


def _indicator(asked: Asked, line: str) -> dict[str, Any]:
    """服务老人 200人次 ×2"""
    weighed = WEIGHT.search(line)
    weight = int(weighed.group(1)) if weighed else 1
    left = line[: weighed.start()] if weighed else line
    halves = list(_split(left))
    if not halves or not 1 <= weight <= projects.HEAVIEST:
        raise ValueError(line)
    name, target = halves[0]
    return {"name": _short(name), "target": _short(target), "weight": weight}


def _split(line: str) -> Iterator[tuple[str, str]]:
    """A line in two, at each place where its second part may begin: behind a blank, at a digit."""
    for index in range(1, len(line)):
        before, here = line[index - 1], line[index]
        begins = before in BETWEEN and here not in BETWEEN
        if begins or (here.isdigit() and not before.isdigit()):
            name = line[:index].strip(BETWEEN)
            if name:
                yield name, line[index:].strip(BETWEEN)


def _short(words: str) -> str:
    if not 1 <= len(words) <= LONGEST_LINE:
        raise ValueError(words)
    return words


# Rules that a single answer already breaks


async def _check_until(asked: Asked, value: str) -> str:
    if value < asked.answers.get("from_day", ""):
        raise Refusal("project_days")
    return value


async def _check_days(asked: Asked, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    without = [row["name"] for row in rows if not row["day"]]
    if without:
        raise Refusal("project_milestone_days", name=without[0])
    return rows


# The forms


async def _organisations(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, search_key(row.names))
        for row in await projects.places_to_propose(asked.turn.work)
    ]


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    session = turn.work.session
    field, organisation = filled.get("field"), filled.get("organisation")
    return {
        "service_field": await session.get(ServiceField, field) if field else None,
        "organisation": await session.get(Organisation, organisation) if organisation else None,
        "total": sum(row["cents"] for row in filled.get("budget", [])),
    }


async def _submit(turn: Turn, filled: Filled) -> Reply:
    project = await projects.draft(turn.work, filled["organisation"], _proposal_from(filled))
    return await show(turn, project.id, news="drafted")


async def _submit_change(turn: Turn, filled: Filled) -> Reply:
    project = await projects.change(turn.work, filled.subject_id or 0, _proposal_from(filled))
    return await show(turn, project.id, news="changed")


def _words(name: str, *, lines: bool = False) -> Text:
    least, most = LENGTHS[name]
    return Text(least, most, lines)


_ABOUT = (
    Field("title", _words("title")),
    Field("field", Pick(options.fields)),
    Field("serves", _words("serves")),
    Field("why", _words("why", lines=True)),
    Field("what", _words("what", lines=True)),
    Field("from_day", Day()),
    Field("until_day", Day(), check=_check_until),
    Field("budget", Rows(_budget_line, "project_budget_line", most=MOST_ROWS)),
    Field("milestones", Rows(_milestone, "project_milestone", most=MOST_ROWS), check=_check_days),
    Field("indicators", Rows(_indicator, "project_indicator", most=MOST_ROWS)),
)
PROPOSAL = register(
    Form("project", (Field("organisation", Pick(_organisations)), *_ABOUT), _submit, _describe)
)
REPROPOSAL = register(Form("reproject", _ABOUT, _submit_change, _describe, folder="project"))

"""The yearly plan in chat: targets, progress, the level above's word."""

import re
from typing import Any

from handlers import forms
from handlers.fields import Asked, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from models import PlanItem
from services import plans

NUMBER = re.compile(r"\d+")


@button("plan.of", reads=True)
async def open_plan(turn: Turn, organisation_id: int, year: int) -> Reply:
    return await show(turn, organisation_id, year)


async def show(turn: Turn, organisation_id: int, year: int, news: str = "") -> Reply:
    sheet = await plans.sheet(turn.work, organisation_id, year)
    return Show("plans/sheet", {"sheet": sheet, "news": news})


@button("plan.open", reads=True)
async def open_by_key(turn: Turn, plan_id: int) -> Reply:
    plan = await plans.opened(turn.work, plan_id)
    return await show(turn, plan.organisation_id, plan.year)


@button("plan.write")
async def write(turn: Turn, organisation_id: int, year: int, name: str = "") -> Reply:
    """All targets one after the other, or one of them anew."""
    plan = await plans.begin(turn.work, organisation_id, year)
    if not name:
        return await start(turn, PLAN, subject_id=plan.id)
    PLAN.field(name)
    targets = await plans.targets_of(turn.work, plan)
    answers: dict[str, Any] = {item.value: numbers for item, numbers in targets.items()}
    answers["words"] = plan.words
    return await start(turn, PLAN, subject_id=plan.id, answers=answers, at=name)


async def _numbers(_asked: Asked, typed: str) -> list[int]:
    """One for each quarter; a single one is spread over them."""
    numbers = [int(one) for one in NUMBER.findall(typed.replace(",", " "))]
    if len(numbers) == 1:
        share, rest = divmod(numbers[0], plans.QUARTERS)
        numbers = [share + (at < rest) for at in range(plans.QUARTERS)]
    plans.check(numbers)
    return numbers


async def _keep(turn: Turn, filled: Filled) -> Reply:
    plan = await plans.opened(turn.work, filled.subject_id or 0)
    targets = {item: filled.get(item.value) or [0] * plans.QUARTERS for item in PlanItem}
    words = filled.get("words", "")
    await plans.write(turn.work, plan.organisation_id, plan.year, targets, words)
    return await show(turn, plan.organisation_id, plan.year, news="saved")


PLAN = register(
    Form(
        "plan_targets",
        (
            *(Field(item.value, Text(most=80), optional=True, check=_numbers) for item in PlanItem),
            Field("words", Text(least=2, most=plans.WORDS[1], lines=True), optional=True),
        ),
        _keep,
    )
)


@button("plan.submit")
async def submit(turn: Turn, plan_id: int) -> Reply:
    plan = await plans.submit(turn.work, plan_id)
    return await show(turn, plan.organisation_id, plan.year, news="submitted")


@button("plan.approve")
async def approve(turn: Turn, plan_id: int) -> Reply:
    plan = await plans.approve(turn.work, plan_id)
    return await show(turn, plan.organisation_id, plan.year, news="approved")


@button("plan.back")
async def ask_what_is_missing(turn: Turn, plan_id: int) -> Reply:
    await plans.opened(turn.work, plan_id)
    return await start(turn, BACK, subject_id=plan_id, answers={})


async def _send_back(turn: Turn, filled: Filled) -> Reply:
    plan = await plans.send_back(turn.work, filled.subject_id or 0, filled["text"])
    return await show(turn, plan.organisation_id, plan.year, news="sent_back")


BACK = register(Form("plan_back", (Field("text", Text(least=2, most=500)),), _send_back))


@button("plan.comment")
async def ask_comment(turn: Turn, plan_id: int) -> Reply:
    await plans.opened(turn.work, plan_id)
    return await start(turn, COMMENT, subject_id=plan_id, answers={})


async def _comment(turn: Turn, filled: Filled) -> Reply:
    plan = await plans.comment(turn.work, filled.subject_id or 0, filled["text"])
    return await show(turn, plan.organisation_id, plan.year, news="commented")


COMMENT = register(Form("plan_comment", (Field("text", Text(least=1, most=500)),), _comment))


@button("plans.waiting")
async def show_waiting(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await plans.pending(turn.work)
    return Show("plans/waiting", {"plans": found})

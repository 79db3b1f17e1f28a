"""How surely one comes, in plain words; objecting to a single miss, and the decision on it."""

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from services import appraisals, reliability

ANSWER = Text(*reliability.ANSWER, lines=True)


@command("reliability")
@button("reliability")
async def show_own(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await _own(turn)


async def _own(turn: Turn, news: str = "") -> Show:
    return Show(
        "reliability/own",
        {
            "own": await reliability.own(turn.work),
            "appraisals": await appraisals.count_own(turn.work),
            "news": news,
        },
    )


@button("excuse")
async def ask_why(turn: Turn, enrolment_id: int) -> Reply:
    await reliability.check_may_object(turn.work, enrolment_id)
    return await start(turn, EXCUSE, subject_id=enrolment_id)


async def _object(turn: Turn, filled: Filled) -> Reply:
    await reliability.object_to(turn.work, filled.subject_id or 0, filled["text"])
    return await _own(turn, "received")


EXCUSE = register(Form("excuse", (Field("text", Text(*reliability.TEXT, lines=True)),), _object))


# Deciding


@button("excuses")
async def show_waiting(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show(
        "reliability/list",
        {
            "cases": await reliability.listed(turn.work),
            "waiting": await reliability.waiting(turn.work),
        },
    )


@button("excuse.case", reads=True)
async def show_case(turn: Turn, excuse_id: int) -> Reply:
    return Show("reliability/case", {"case": await reliability.case_of(turn.work, excuse_id)})


@button("excuse.grant")
async def ask_to_grant(turn: Turn, excuse_id: int) -> Reply:
    await reliability.check_may_decide(turn.work, excuse_id)
    return await start(turn, GRANT, subject_id=excuse_id)


async def _grant(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await reliability.decide(turn.work, key, grant=True, answer=filled["answer"])
    return await show_waiting(turn)


GRANT = register(Form("grant_excuse", (Field("answer", ANSWER),), _grant))


@button("excuse.dismiss")
async def ask_to_dismiss(turn: Turn, excuse_id: int) -> Reply:
    await reliability.check_may_decide(turn.work, excuse_id)
    return await start(turn, DISMISS, subject_id=excuse_id)


async def _dismiss(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await reliability.decide(turn.work, key, grant=False, answer=filled["answer"])
    return await show_waiting(turn)


DISMISS = register(Form("dismiss_excuse", (Field("answer", ANSWER),), _dismiss))

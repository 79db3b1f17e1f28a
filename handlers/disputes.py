"""Objections: a volunteer's word against a decision on hours, and the superior's answer."""

from handlers import forms
from handlers.fields import Asked, Duration, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import disputes, hours

ANSWER = Text(*disputes.ANSWER, lines=True)


@button("object")
async def ask_why(turn: Turn, attendance_id: int) -> Reply:
    await disputes.check_may_object(turn.work, attendance_id)
    return await start(turn, OBJECT, subject_id=attendance_id)


async def _object(turn: Turn, filled: Filled) -> Reply:
    raised = await disputes.object_to(turn.work, filled.subject_id or 0, filled["text"])
    return Show("disputes/received", {"case": raised})


OBJECT = register(Form("object", (Field("text", Text(least=5, most=500, lines=True)),), _object))


# Deciding


@command("disputes", menu=Audience.COORDINATORS)
@button("disputes")
async def show_waiting(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    cases = await disputes.listed(turn.work)
    return Show("disputes/list", {"cases": cases, "waiting": await disputes.waiting(turn.work)})


@button("dispute", reads=True)
async def show_case(turn: Turn, dispute_id: int) -> Reply:
    return Show("disputes/case", {"case": await disputes.case(turn.work, dispute_id)})


@button("dispute.grant")
async def ask_minutes(turn: Turn, dispute_id: int) -> Reply:
    await disputes.check_may_decide(turn.work, dispute_id)
    return await start(turn, GRANT, subject_id=dispute_id)


async def _check_minutes(asked: Asked, minutes: int) -> int:
    found = await disputes.case(asked.turn.work, asked.subject_id or 0)
    hours.check_minutes(found.record.shift, minutes)
    return minutes


async def _grant(turn: Turn, filled: Filled) -> Reply:
    await disputes.grant(turn.work, filled.subject_id or 0, filled["minutes"], filled["answer"])
    return await show_waiting(turn)


GRANT = register(
    Form(
        "grant_dispute",
        (Field("minutes", Duration(), check=_check_minutes), Field("answer", ANSWER)),
        _grant,
    )
)


@button("dispute.dismiss")
async def ask_answer(turn: Turn, dispute_id: int) -> Reply:
    await disputes.check_may_decide(turn.work, dispute_id)
    return await start(turn, DISMISS, subject_id=dispute_id)


async def _dismiss(turn: Turn, filled: Filled) -> Reply:
    await disputes.dismiss(turn.work, filled.subject_id or 0, filled["answer"])
    return await show_waiting(turn)


DISMISS = register(Form("dismiss_dispute", (Field("answer", ANSWER),), _dismiss))

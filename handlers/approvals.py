"""The coordinator's word on registrations."""

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import approvals

SHOWN = 10


@command("approvals", menu=Audience.COORDINATORS)
@button("approvals")
async def show_waiting(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await approvals.pending(turn.work, SHOWN)
    shown = [
        {
            "id": person.id,
            "name": person.name,
            "birth_date": person.birth_date,
            "organisation": organisation.names,
            "applied_at": person.applied_at,
        }
        for person, organisation in found
    ]
    waiting = await approvals.waiting(turn.work)
    return Show("approvals/list", {"people": shown, "waiting": waiting})


@button("approve")
async def approve(turn: Turn, person_id: int) -> Reply:
    await approvals.approve(turn.work, person_id)
    return await show_waiting(turn)


@button("approve.refuse")
async def ask_reason(turn: Turn, person_id: int) -> Reply:
    await approvals.check_may_decide(turn.work, person_id)
    return await start(turn, REFUSE, subject_id=person_id)


async def _refuse(turn: Turn, filled: Filled) -> Reply:
    await approvals.refuse(turn.work, filled.subject_id or 0, filled["reason"])
    return await show_waiting(turn)


REFUSE = register(Form("refuse_person", (Field("reason", Text(least=2, most=200)),), _refuse))

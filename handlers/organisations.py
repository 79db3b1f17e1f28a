"""What an administrator says of an organisation as an issuing body: its head, how it is reached."""

from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from models import Organisation
from services import organisations


@button("body")
async def show_body(turn: Turn, organisation_id: int) -> Reply:
    return _body(await organisations.described(turn.work, organisation_id))


@button("body.describe")
async def describe(turn: Turn, organisation_id: int) -> Reply:
    await organisations.described(turn.work, organisation_id)
    return await start(turn, BODY, subject_id=organisation_id, answers={})


async def _describe(turn: Turn, filled: Filled) -> Reply:
    return _body(
        await organisations.describe_body(
            turn.work, filled.subject_id or 0, head=filled["head"], contact=filled["contact"]
        )
    )


def _body(organisation: Organisation) -> Reply:
    return Show(
        "body/shown",
        {
            "organisation_id": organisation.id,
            "organisation": organisation.names,
            "head": organisation.head,
            "contact": organisation.contact,
        },
    )


BODY = register(
    Form("body", (Field("head", Text(most=40)), Field("contact", Text(most=100))), _describe)
)

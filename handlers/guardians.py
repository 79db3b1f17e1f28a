"""A guardian's word for a minor, given from the guardian's own chat."""

from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, Who, button, command, link
from handlers.turns import Turn
from services import guardians


@command("guardian", who=Who.ANYONE, menu=Audience.HIDDEN)
async def ask_for_code(turn: Turn) -> Reply:
    return await start(turn, GUARDIAN)


@link("g", who=Who.ANYONE)
async def open_link(turn: Turn, code: str) -> Reply:
    return await _ask(turn, code)


async def _ask(turn: Turn, code: str) -> Reply:
    guardian, minor = await guardians.asked(turn.work, code, turn.account.telegram_id)
    return Show("guardians/ask", {"guardian": guardian.name, "name": minor.name, "code": code})


async def _submit(turn: Turn, filled: Filled) -> Reply:
    return await _ask(turn, filled["code"])


GUARDIAN = register(Form("guardian", (Field("code", Text(least=6, most=24)),), _submit))


@button("guardian.agree", who=Who.ANYONE)
async def agree(turn: Turn, code: str) -> Reply:
    minor = await guardians.agree(turn.work, code, turn.account.telegram_id)
    return Show("guardians/thanks", {"name": minor.name})


@button("guardian.refuse", who=Who.ANYONE)
async def refuse(turn: Turn, code: str) -> Reply:
    minor = await guardians.refuse(turn.work, code, turn.account.telegram_id)
    return Show("guardians/declined", {"name": minor.name})


@button("guardian.code", who=Who.ANYONE)
async def new_code(turn: Turn) -> Reply:
    code = await guardians.new_code(turn.work)
    return Show("guardians/code", {"code": code, "link": turn.around.link(f"g-{code}")}, fresh=True)

"""A volunteer with a new Telegram account takes the registration along."""

from handlers.fields import Field, Phone
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, Who, button, command
from handlers.turns import Turn
from services import moving


@command("move", who=Who.ANYONE, menu=Audience.HIDDEN)
@button("move", who=Who.ANYONE)
async def begin(turn: Turn) -> Reply:
    return await start(turn, MOVE)


async def _submit(turn: Turn, filled: Filled) -> Reply:
    phone = filled["phone"]
    done = await moving.request(turn.work, turn.account, phone["phone"], verified=phone["verified"])
    return Show("moving/done" if done else "moving/asked_old")


MOVE = register(Form("move", (Field("phone", Phone()),), _submit))


@button("move.allow")
async def allow(turn: Turn, account_id: int, signature: str) -> Reply:
    await moving.allow(turn.work, account_id, signature)
    return Show("moving/done_there")


@button("move.deny")
async def deny(turn: Turn) -> Reply:
    return Show("moving/denied")

"""The word that somebody gives before a message goes to many; what is typed leaves the chat."""

from collections.abc import Awaitable, Callable

from handlers.fields import Asked, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply
from handlers.turns import Turn
from services import watchwords
from services.watchwords import Confirmed

Do = Callable[[Turn, int, Confirmed | None], Awaitable[Reply]]


async def _prove(asked: Asked, typed: str) -> str:
    return await watchwords.proof(asked.turn.work, typed)


WORD = Field("watchword", Text(most=watchwords.MOST), check=_prove, secret=True)


def form(name: str, do: Do) -> Form:
    """Asks for the word only, and then does it with the thing that the form is about."""

    async def submit(turn: Turn, filled: Filled) -> Reply:
        given = watchwords.confirmed(turn.work, filled[WORD.name])
        return await do(turn, filled.subject_id or 0, given)

    return register(Form(name, (WORD,), submit, folder="give_word"))


async def ask(turn: Turn, asking: Form, subject_id: int) -> Reply:
    """Raises Refusal where there is no word that counts."""
    await watchwords.ready(turn.work)
    return await start(turn, asking, subject_id=subject_id, answers={})

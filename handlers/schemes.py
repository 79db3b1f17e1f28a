"""The scheme of an activity in chat."""

from typing import Any

from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from models import Scheme
from services import activities, schemes


@button("scheme", reads=True)
async def open_scheme(turn: Turn, activity_id: int) -> Reply:
    return await show(turn, activity_id)


async def show(turn: Turn, activity_id: int, *, saved: bool = False) -> Reply:
    activity = await activities.planned(turn.work, activity_id)
    scheme = await schemes.of(turn.work, activity_id)
    return Show("schemes/one", {"activity": activity, "scheme": scheme, "saved": saved})


@button("scheme.write")
async def write(turn: Turn, activity_id: int, name: str = "") -> Reply:
    """All its parts one after the other, or one of them anew."""
    scheme = await schemes.of(turn.work, activity_id)
    if not name or scheme is None:
        return await start(turn, SCHEME, subject_id=activity_id)
    SCHEME.field(name)
    return await start(turn, SCHEME, subject_id=activity_id, answers=_answers(scheme), at=name)


def _answers(scheme: Scheme) -> dict[str, Any]:
    parts = {name: getattr(scheme, name) for name in schemes.PARTS}
    return {name: words for name, words in parts.items() if words}


async def _keep(turn: Turn, filled: Filled) -> Reply:
    await schemes.write(turn.work, filled.subject_id or 0, filled.answers)
    return await show(turn, filled.subject_id or 0, saved=True)


SCHEME = register(
    Form(
        "scheme",
        tuple(
            Field(name, Text(least=2, most=schemes.LENGTH[1], lines=True), optional=True)
            for name in schemes.PARTS
        ),
        _keep,
    )
)

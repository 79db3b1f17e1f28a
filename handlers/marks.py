"""Marks: what people say of themselves, and what coordinators say of theirs."""

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import MarkKind
from services import marks, volunteers
from services.access import Right
from services.errors import Gone, NotAllowed


def kind_of(text: str) -> MarkKind:
    """Raises Gone."""
    try:
        return MarkKind(text)
    except ValueError:
        raise Gone from None


# One's own


@button("marks.mine", reads=True)
async def show_mine(turn: Turn) -> Reply:
    own = {row.kind.value: row for row in await marks.of(turn.work, turn.work.person.id)}
    said = [kind.value for kind in marks.SAID]
    return Show("marks/mine", {"own": own, "said": said})


@button("mark.say")
async def say(turn: Turn, kind: str, bears: int) -> Reply:
    await marks.say(turn.work, kind_of(kind), bears=bool(bears))
    return await show_mine(turn)


# Those of others


@command("marks", menu=Audience.COORDINATORS)
@button("marks")
async def show_counts(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    counts = await marks.counts(turn.work)
    return Show("marks/counts", {"counts": {kind.value: n for kind, n in counts.items()}})


@button("mark.find")
async def find(turn: Turn) -> Reply:
    return await start(turn, FIND)


async def _found(turn: Turn, filled: Filled) -> Reply:
    people = await marks.candidates(turn.work, filled["who"])
    return Show("marks/found", {"people": people, "typed": filled["who"]})


FIND = register(Form("mark_find", (Field("who", Text(least=1, most=24)),), _found))


@button("mark.of", reads=True)
async def show_of(turn: Turn, person_id: int) -> Reply:
    person = await volunteers.seen(turn.work, person_id, Right.APPROVE_VOLUNTEERS)
    if person.id == turn.work.person.id:
        raise NotAllowed
    borne = {row.kind.value: row for row in await marks.of(turn.work, person_id)}
    given = [kind.value for kind in marks.GIVEN]
    return Show("marks/one", {"person": person, "borne": borne, "given": given})


@button("mark.give")
async def give(turn: Turn, person_id: int, kind: str) -> Reply:
    await marks.give(turn.work, person_id, kind_of(kind))
    return await show_of(turn, person_id)


@button("mark.take")
async def take(turn: Turn, person_id: int, kind: str) -> Reply:
    await marks.take(turn.work, person_id, kind_of(kind))
    return await show_of(turn, person_id)

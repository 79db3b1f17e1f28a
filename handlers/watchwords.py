"""One's word for messages to many, and a lost phone: what another ends by one press."""

from handlers.fields import Asked, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import access, lockouts, people, watchwords
from services.access import Right
from services.errors import NotAllowed, Refusal

# The word


@button("watchword")
async def show(turn: Turn) -> Reply:
    return await _shown(turn)


async def _shown(turn: Turn, news: str | None = None) -> Show:
    if not await access.organisations_with(turn.work, Right.ANNOUNCE):
        raise NotAllowed
    known = await watchwords.own(turn.work)
    shown = {
        "size": turn.work.policy.watchword_size,
        "activity_size": turn.work.policy.announcement_watchword_size,
        "hours": turn.work.policy.watchword_wait_hours,
        "chosen_at": known.chosen_at if known else None,
        "counts_from": known.counts_from if known else None,
        "counts": known is not None and known.counts_from <= turn.work.now,
        "news": news,
    }
    return Show("watchwords/own", shown, fresh=news is not None)


@button("watchword.choose")
async def choose(turn: Turn) -> Reply:
    """With the one before it, the new one counts at once."""
    await _shown(turn)
    known = await watchwords.own(turn.work)
    answers = {FIRST: known is None or known.counts_from > turn.work.now}
    return await start(turn, CHOOSE, answers=answers)


FIRST = "first"


async def _choose(turn: Turn, filled: Filled) -> Reply:
    await watchwords.choose(turn.work, filled["word"], filled.get("before") or "")
    return await _shown(turn, news="chosen")


CHOOSE = register(
    Form(
        "choose_word",
        (
            Field(
                "before",
                Text(most=watchwords.MOST),
                optional=True,
                skip_if=lambda answers: bool(answers.get(FIRST)),
                secret=True,
            ),
            Field("word", Text(least=watchwords.LEAST, most=watchwords.MOST), secret=True),
        ),
        _choose,
    )
)


@button("watchword.forget")
async def forget(turn: Turn, person_id: int) -> Reply:
    await watchwords.forget(turn.work, person_id)
    return await show_lost(turn, person_id, "word_forgotten")


# A phone that is lost


@command("lost", menu=Audience.COORDINATORS)
@button("lost")
async def ask_whose(turn: Turn) -> Reply:
    if not await access.organisations_with(turn.work, Right.ANNOUNCE):
        raise NotAllowed
    return await start(turn, LOST)


async def _find(asked: Asked, typed: str) -> int:
    person = await people.by_number(asked.turn.work, typed)
    if person is None:
        raise Refusal("nobody_with_number", typed=typed)
    return person.id


async def _found(turn: Turn, filled: Filled) -> Reply:
    return await show_lost(turn, filled["person"])


LOST = register(Form("lost_phone", (Field("person", Text(least=3, most=24), check=_find),), _found))


@button("lost.of")
async def show_of(turn: Turn, person_id: int) -> Reply:
    return await show_lost(turn, person_id)


async def show_lost(turn: Turn, person_id: int, news: str | None = None) -> Show:
    person, held, suspended = await lockouts.of(turn.work, person_id)
    return Show(
        "lockouts/one",
        {
            "person_id": person.id,
            "name": person.name,
            "number": person.number,
            "held": len(held),
            "suspended": len(suspended),
            "has_word": await watchwords.has_one(turn.work, person_id),
            "news": news,
        },
    )


@button("lost.lock", urgent=True)
async def lock_out(turn: Turn, person_id: int) -> Reply:
    """One press: whoever has the phone has no time left."""
    await lockouts.lock_out(turn.work, person_id)
    return await show_lost(turn, person_id, "locked")


@button("lost.back")
async def give_back(turn: Turn, person_id: int) -> Reply:
    await lockouts.give_back(turn.work, person_id)
    return await show_lost(turn, person_id, "restored")

"""Enrolling with one's group: who comes, offers to all, cancelling for all."""

from collections.abc import Sequence
from typing import Any

from handlers import enrolment as screens
from handlers.fields import Asked, Field, Option, Pick, PickMany, Text
from handlers.forms import SUMMARY, Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import activities, parties, together
from services.errors import Gone
from services.finding import search_key


@button("together")
async def choose(turn: Turn, shift_id: int) -> Reply:
    """Who leads one group has all of it chosen beforehand."""
    await activities.published_shift(turn.work, shift_id)
    led = await parties.own_led(turn.work)
    if not led:
        raise Gone
    if len(led) > 1:
        return await start(turn, TOGETHER, subject_id=shift_id, answers={})
    everyone = [option.id for option in await _of(turn, led[0].party.id)]
    answers = {"party": led[0].party.id, "people": everyone}
    return await start(turn, TOGETHER, subject_id=shift_id, answers=answers, at=SUMMARY)


async def _parties(asked: Asked) -> list[Option]:
    return [
        _option(line.party.id, line.party.name) for line in await parties.own_led(asked.turn.work)
    ]


async def _people(asked: Asked) -> list[Option]:
    return await _of(asked.turn, int(asked.answers.get("party") or 0))


async def _of(turn: Turn, party_id: int) -> list[Option]:
    members = await parties.members_of(turn.work, await parties.led(turn.work, party_id))
    return [_option(one.person_id, one.name) for one in members if one.name and one.active]


def _option(key: int, name: str) -> Option:
    names = {"zh_Hans": name}
    return Option(key, names, search_key(names))


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    shift, activity = await activities.published_shift(turn.work, filled.subject_id or 0)
    party = await parties.led(turn.work, filled["party"])
    chosen: Sequence[int] = filled.get("people", ())
    names = [option.names["zh_Hans"] for option in await _of(turn, party.id) if option.id in chosen]
    return {"shift": shift, "activity": activity, "group": party.name, "names": names}


async def _enrol(turn: Turn, filled: Filled) -> Reply:
    done = await together.enrol(
        turn.work, filled.subject_id or 0, filled["party"], filled["people"]
    )
    return await screens.of_activity(turn, done.activity.id, news=f"group_{done.outcome.value}")


TOGETHER = register(
    Form(
        "together",
        (Field("party", Pick(_parties)), Field("people", PickMany(_people, least=1))),
        _enrol,
        _describe,
    )
)


# A place for each has become free


@button("block.accept")
async def accept(turn: Turn, block_id: int) -> Reply:
    done = await together.accept(turn.work, block_id)
    return await screens.of_activity(turn, done.activity.id, news=f"group_{done.outcome.value}")


@button("block.decline")
async def decline(turn: Turn, block_id: int) -> Reply:
    done = await together.decline(turn.work, block_id)
    return await screens.of_activity(turn, done.activity.id, news="offer_declined")


# Cancelling for all


@button("block.cancel", reads=True)
async def ask_to_cancel(turn: Turn, block_id: int) -> Reply:
    return Show("together/cancel", {"together": await together.opened(turn.work, block_id)})


@button("block.drop")
async def cancel(turn: Turn, block_id: int) -> Reply:
    found = await together.opened(turn.work, block_id)
    if together.is_late(turn.work, found):
        return await start(turn, CANCEL, subject_id=block_id)
    return await _cancelled(turn, block_id, None)


async def _cancelled(turn: Turn, block_id: int, reason: str | None) -> Reply:
    done = await together.cancel(turn.work, block_id, reason)
    return await screens.of_activity(turn, done.activity.id, news="cancelled")


async def _submit_cancel(turn: Turn, filled: Filled) -> Reply:
    return await _cancelled(turn, filled.subject_id or 0, filled["reason"])


CANCEL = register(
    Form(
        "cancel_group",
        (Field("reason", Text(least=2, most=200)),),
        _submit_cancel,
        folder="cancel_place",
    )
)

"""Coming for a registration that an organisation entered: by a slip's link or code, or by phone."""

from dataclasses import replace
from datetime import date
from typing import Any

from handlers import signup as form
from handlers.fields import Asked, Check, Choice, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Who, button, link
from handlers.turns import Turn
from models import Standing
from services import claiming, guessing, signup
from services.errors import Refusal


@link("c", who=Who.ANYONE)
async def open_link(turn: Turn, code: str) -> Reply:
    found = await claiming.look(turn.work, turn.account, code)
    if found is None:
        return Show("claiming/wrong")
    return _ask_whether(found, code)


def _ask_whether(found: claiming.Found, code: str) -> Show:
    """Nothing is used up before somebody says that it is them."""
    return Show("claiming/found", {**found.shown(), "code": code}, private=True)


@button("claim.code", who=Who.ANYONE)
async def ask_for_code(turn: Turn) -> Reply:
    return await start(turn, CODE)


async def _code(asked: Asked, typed: str) -> str:
    turn = asked.turn
    if await claiming.look(turn.work, turn.account, typed) is None:
        raise Refusal("claim_code")
    return "".join(c for c in typed.upper() if c in claiming.ALPHABET)


async def _submit_code(turn: Turn, filled: Filled) -> Reply:
    found = await claiming.look(turn.work, turn.account, filled["code"])
    if found is None:
        raise Refusal("claim_code")
    return _ask_whether(found, filled["code"])


@button("claim.me", who=Who.ANYONE)
async def that_is_me(turn: Turn, code: str) -> Reply:
    await claiming.prove(turn.work, turn.account, code)
    return await go_on(turn)


@button("claim.go_on", who=Who.ANYONE)
async def go_on(turn: Turn) -> Reply:
    """Asks for what is not known yet, and for every consent."""
    found = await claiming.proved(turn.work, turn.account)
    if found is None:
        raise Refusal("claim_code")
    known = await form.known_answers(turn, found.person)
    return await start(turn, CLAIMING, subject_id=found.person.id, answers=known, at="language")


async def _phone(asked: Asked, answer: dict[str, Any]) -> dict[str, Any]:
    if not answer["verified"]:
        await guessing.try_number(asked.turn.work, asked.turn.account)
    await signup.check_phone(asked.turn.work, answer["phone"], own=asked.subject_id)
    return answer


async def _id_number(asked: Asked, typed: str) -> str:
    born = date.fromisoformat(asked.answers["birth"]["day"])
    await guessing.try_number(asked.turn.work, asked.turn.account)
    return await signup.check_id_number(asked.turn.work, typed, born, own=asked.subject_id)


async def _take_over(turn: Turn, filled: Filled) -> Reply:
    found = await claiming.proved(turn.work, turn.account)
    details = form.details_from(turn, filled)
    person = await claiming.take_over(turn.work, turn.account, details)
    if person.standing is not Standing.ACTIVE or found is None:
        return await form.registered(turn, person, details)
    return Show("claiming/welcome", {**found.shown(), "name": person.name})


_CHECKS: dict[str, Check] = {"phone": _phone, "id_number": _id_number}

CODE = register(
    Form("claiming", (Field("code", Text(least=8, most=40), check=_code),), _submit_code)
)

CLAIMING = register(
    Form(
        "claimed",
        (
            Field("language", Choice(("zh_Hans", "en")), check=form.speak),
            Field("consent", Choice(("yes", "no")), check=form.agreed),
            *(replace(one, check=_CHECKS.get(one.name, one.check)) for one in form.ABOUT),
        ),
        _take_over,
        form.described,
        folder="signup",
    )
)

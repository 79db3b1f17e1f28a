"""Founding, joining, moving and closing organisations in chat, and deciding on it."""

from typing import Any

from sqlalchemy import func, select

from handlers import forms, options
from handlers.fields import Asked, Field, Location, Option, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from models import Organisation, OrganisationKind, Person, Standing
from services import access, organisations, reorganising
from services.access import Right
from services.finding import search_key
from services.organisations import Described
from services.reorganising import Outcome

KINDS = tuple(OrganisationKind)
WHY = Field("words", Text(least=reorganising.REASON[0], most=reorganising.REASON[1]), optional=True)


# Founding, and joining from outside


@button("reorganise.found")
async def found(turn: Turn, organisation_id: int) -> Reply:
    await access.require(turn.work, Right.PLAN_ACTIVITIES, organisation_id)
    return await start(turn, FOUND, subject_id=organisation_id)


@button("reorganise.base")
async def found_base(turn: Turn, organisation_id: int) -> Reply:
    """A service base is an organisation of that kind right below."""
    await access.require(turn.work, Right.PLAN_ACTIVITIES, organisation_id)
    answers = {"kind": KINDS.index(OrganisationKind.SERVICE_BASE)}
    return await start(turn, FOUND, subject_id=organisation_id, answers=answers)


@button("reorganise.join")
async def join(turn: Turn) -> Reply:
    return await start(turn, JOIN)


async def _kinds_below(asked: Asked) -> list[Option]:
    parent = await asked.turn.work.session.get_one(Organisation, asked.subject_id)
    return _kinds(asked, organisations.kinds_below(parent.kind))


async def _kinds_outside(asked: Asked) -> list[Option]:
    return _kinds(asked, reorganising.JOINING)


def _kinds(asked: Asked, kinds: Any) -> list[Option]:
    """Named as the templates name them."""
    words = asked.turn.around.words
    shown = []
    for kind in kinds:
        names = {
            one: words.plain("organisations/kind", one, kind=kind.value) for one in words.languages
        }
        shown.append(Option(KINDS.index(kind), names, search_key(names)))
    return shown


async def _found(turn: Turn, filled: Filled) -> Reply:
    kind, said = KINDS[filled["kind"]], _said(turn, filled)
    below, words = filled.subject_id or 0, filled.get("words", "")
    return await _answered(turn, await reorganising.found(turn.work, below, kind, said, words))


async def _join(turn: Turn, filled: Filled) -> Reply:
    kind, said = KINDS[filled["kind"]], _said(turn, filled)
    words = filled.get("words", "")
    return await _answered(
        turn, await reorganising.join(turn.work, filled["below"], kind, said, words)
    )


def _said(turn: Turn, filled: Filled) -> Described:
    language = turn.work.policy.default_language
    place = filled.get("place") or {}
    return Described(
        names={language: filled["name"]},
        place={},
        latitude=place.get("latitude"),
        longitude=place.get("longitude"),
        approves_registrations=False,
        asks_id_number=False,
        head=filled["head"],
        contact=filled.get("contact", ""),
    )


async def _describe_new(turn: Turn, filled: Filled) -> dict[str, Any]:
    below = await turn.work.session.get_one(
        Organisation, filled.subject_id or filled.get("below", 0)
    )
    return {
        "given": filled.answers,
        "kind": KINDS[filled["kind"]].value,
        "below": below.names,
        "at_once": await access.may(turn.work, reorganising.RIGHT, below.id),
    }


ABOUT = (
    Field("name", Text(least=2, most=organisations.LONGEST_NAME)),
    Field("place", Location(), optional=True),
    Field("head", Text(least=2, most=organisations.LONGEST_HEAD)),
    Field("contact", Text(most=organisations.LONGEST_CONTACT), optional=True),
    WHY,
)
FOUND = register(
    Form(
        "organisation_found",
        (Field("kind", Pick(_kinds_below)), *ABOUT),
        _found,
        _describe_new,
        folder="organisation_new",
    )
)
JOIN = register(
    Form(
        "organisation_join",
        (Field("below", Pick(options.towns)), Field("kind", Pick(_kinds_outside)), *ABOUT),
        _join,
        _describe_new,
        folder="organisation_new",
    )
)


# Moving and closing


@button("reorganise.transfer")
async def transfer(turn: Turn, organisation_id: int) -> Reply:
    await organisations.described(turn.work, organisation_id)
    return await start(turn, TRANSFER, subject_id=organisation_id)


@button("reorganise.close")
async def close(turn: Turn, organisation_id: int) -> Reply:
    organisation = await organisations.described(turn.work, organisation_id)
    busy = await reorganising.still_open(turn.work, organisation)
    if busy:
        return Show("reorganising/busy", {"organisation": organisation, "busy": busy})
    return await start(turn, CLOSE, subject_id=organisation_id)


async def _where_to(asked: Asked) -> list[Option]:
    work = asked.turn.work
    moved = await work.session.get_one(Organisation, asked.subject_id)
    return _options(await reorganising.places_for(work, moved))


async def _to_whom(asked: Asked) -> list[Option]:
    work = asked.turn.work
    closed = await work.session.get_one(Organisation, asked.subject_id)
    return _options(await reorganising.takers_for(work, closed))


def _options(rows: list[Organisation]) -> list[Option]:
    return [Option(row.id, row.names, search_key(row.names)) for row in rows]


async def _transfer(turn: Turn, filled: Filled) -> Reply:
    words = filled.get("words", "")
    return await _answered(
        turn,
        await reorganising.transfer(turn.work, filled.subject_id or 0, filled["below"], words),
    )


async def _close(turn: Turn, filled: Filled) -> Reply:
    words = filled.get("words", "")
    return await _answered(
        turn, await reorganising.close(turn.work, filled.subject_id or 0, filled["to"], words)
    )


async def _describe_change(turn: Turn, filled: Filled) -> dict[str, Any]:
    """Whom it concerns, before it is sent."""
    session = turn.work.session
    organisation = await session.get_one(Organisation, filled.subject_id)
    to = await session.get_one(Organisation, filled.get("below") or filled.get("to"))
    inside = select(Organisation.id).where(organisations.within(organisation.path))
    people = select(func.count()).where(
        Person.organisation_id.in_(inside), Person.standing == Standing.ACTIVE
    )
    below = select(func.count()).select_from(inside.subquery())
    return {
        "organisation": organisation.names,
        "to": to.names,
        "people": await session.scalar(people),
        "below": (await session.scalar(below) or 1) - 1,
        "words": filled.get("words", ""),
    }


TRANSFER = register(
    Form(
        "organisation_transfer",
        (Field("below", Pick(_where_to)), WHY),
        _transfer,
        _describe_change,
    )
)
CLOSE = register(
    Form("organisation_close", (Field("to", Pick(_to_whom)), WHY), _close, _describe_change)
)


async def _answered(turn: Turn, outcome: Outcome) -> Reply:
    """It is done, or it waits for the level above."""
    if outcome.organisation is not None:
        return Show("reorganising/done", {"organisation": outcome.organisation})
    request = outcome.request
    return await show(turn, request.id if request else 0, news="asked")


# Requests


@button("reorganise")
async def show_all(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show(
        "reorganising/list",
        {
            "pending": [
                reorganising.described(one) for one in await reorganising.pending(turn.work)
            ],
            "own": [reorganising.described(one) for one in await reorganising.own(turn.work)],
        },
    )


@button("reorganise.show", reads=True)
async def look(turn: Turn, request_id: int) -> Reply:
    return await show(turn, request_id)


async def show(turn: Turn, request_id: int, news: str = "") -> Reply:
    line = await reorganising.seen(turn.work, request_id)
    own = line.request.asked_by_id == turn.work.person.id
    return Show("reorganising/one", {**reorganising.described(line), "own": own, "news": news})


@button("reorganise.agree")
async def agree(turn: Turn, request_id: int) -> Reply:
    await reorganising.agree(turn.work, request_id)
    return await show(turn, request_id, news="agreed")


@button("reorganise.refuse")
async def ask_reason(turn: Turn, request_id: int) -> Reply:
    await reorganising.seen(turn.work, request_id)
    return await start(turn, REFUSE, subject_id=request_id)


async def _refuse(turn: Turn, filled: Filled) -> Reply:
    await reorganising.refuse(turn.work, filled.subject_id or 0, filled["reason"])
    return await show(turn, filled.subject_id or 0)


@button("reorganise.withdraw")
async def withdraw(turn: Turn, request_id: int) -> Reply:
    await reorganising.withdraw(turn.work, request_id)
    return await show(turn, request_id)


REFUSE = register(Form("reorganise_refuse", (Field("reason", Text(least=2, most=300)),), _refuse))

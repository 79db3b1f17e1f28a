"""Schools and companies in chat: belonging to one, and what its coordinators see of their own."""

import asyncio
from functools import partial

from handlers import forms
from handlers.fields import Asked, Field, Option, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show
from handlers.routes import Audience, button, command, link
from handlers.turns import Turn
from services import affiliations, sheets, typesetting
from services.affiliations import Summary
from services.errors import Gone
from services.finding import search_key
from services.words import Words

WAITING_SHOWN = 10


# One's own


@command("school")
@button("affiliations")
async def show_own(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show("affiliations/own", {"own": await affiliations.own(turn.work)})


@button("affiliation.ask")
async def ask(turn: Turn) -> Reply:
    return await start(turn, ASK)


async def _bodies(asked: Asked) -> list[Option]:
    found = await affiliations.bodies_to_join(asked.turn.work)
    return [Option(row.id, row.names, search_key(row.names)) for row in found]


async def _ask(turn: Turn, filled: Filled) -> Reply:
    await affiliations.ask(turn.work, filled["organisation"], filled.get("department", ""))
    return await show_own(turn)


ASK = register(
    Form(
        "affiliation",
        (
            Field("organisation", Pick(_bodies)),
            Field("department", Text(1, affiliations.DEPARTMENT[1]), optional=True),
        ),
        _ask,
    )
)


@link("s")
async def open_link(turn: Turn, code: str) -> Reply:
    await forms.set_aside(turn)
    found, organisation = await affiliations.linked(turn.work, code)
    return Show("affiliations/join", {"link": found, "organisation": organisation})


@button("affiliation.join")
async def join(turn: Turn, code: str) -> Reply:
    await affiliations.ask_by_link(turn.work, code)
    return await show_own(turn)


@button("affiliation.leave")
async def leave(turn: Turn, affiliation_id: int) -> Reply:
    await affiliations.leave(turn.work, affiliation_id)
    return await show_own(turn)


# For a school's or company's coordinators


@command("schools", menu=Audience.COORDINATORS)
@button("bodies")
async def show_bodies(turn: Turn) -> Reply:
    """Straight to the school, where there is only one."""
    await forms.set_aside(turn)
    found = await affiliations.bodies(turn.work)
    if len(found) == 1:
        return await show_body(turn, found[0].organisation.id)
    return Show("affiliations/bodies", {"bodies": found})


@button("school", reads=True)
async def show_body(turn: Turn, organisation_id: int, year: int = 0) -> Reply:
    year = year or turn.work.today.year
    return Show(
        "affiliations/body",
        {
            "summary": await affiliations.summary(turn.work, organisation_id, year),
            "asked": await affiliations.asked(turn.work, organisation_id),
            "this_year": turn.work.today.year,
        },
    )


@button("school.waiting", reads=True)
async def show_waiting(turn: Turn, organisation_id: int) -> Reply:
    asked = await affiliations.asked(turn.work, organisation_id)
    shown = asked[:WAITING_SHOWN]
    organisation = await affiliations.body(turn.work, organisation_id)
    me = turn.work.person.id
    return Show("affiliations/waiting", {"asked": shown, "organisation": organisation, "me": me})


@button("affiliation.yes")
async def confirm(turn: Turn, affiliation_id: int) -> Reply:
    found = await affiliations.decide(turn.work, affiliation_id, accept=True)
    return await show_waiting(turn, found.organisation_id)


@button("affiliation.no")
async def refuse(turn: Turn, affiliation_id: int) -> Reply:
    found = await affiliations.decide(turn.work, affiliation_id, accept=False)
    return await show_waiting(turn, found.organisation_id)


@button("school.all")
async def confirm_all(turn: Turn, organisation_id: int) -> Reply:
    await affiliations.confirm_all(turn.work, organisation_id)
    return await show_body(turn, organisation_id)


@button("school.link")
async def ask_department(turn: Turn, organisation_id: int) -> Reply:
    await affiliations.links(turn.work, organisation_id)
    return await start(turn, LINK, subject_id=organisation_id)


async def _link(turn: Turn, filled: Filled) -> Reply:
    organisation_id = filled.subject_id or 0
    made = await affiliations.make_link(turn.work, organisation_id, filled.get("department", ""))
    organisation = await affiliations.body(turn.work, organisation_id)
    address = turn.around.link(f"s-{made.code}")
    shown = {"link": made, "organisation": organisation, "address": address}
    return Show("affiliations/link", shown, fresh=True)


LINK = register(
    Form(
        "affiliation_link",
        (Field("department", Text(1, affiliations.DEPARTMENT[1]), optional=True),),
        _link,
    )
)


# The year's summary


@button("school.parts", reads=True)
async def show_parts(turn: Turn, organisation_id: int, year: int) -> Reply:
    found = await affiliations.summary(turn.work, organisation_id, year)
    return Show("affiliations/parts", {"summary": found})


@button("school.picture", reads=True)
async def send_picture(turn: Turn, organisation_id: int, year: int, part: int = -1) -> Reply:
    """Of all, or of one class by its place in the list."""
    found = await affiliations.summary(turn.work, organisation_id, year)
    if part >= 0:
        if part >= len(found.parts):
            raise Gone
        name = found.parts[part].name
        found = await affiliations.summary(turn.work, organisation_id, year, name)
    return Show(
        "affiliations/picture",
        {"summary": found},
        picture=partial(drawn, turn.around.words, turn.language, found),
        fresh=True,
    )


async def drawn(words: Words, language: str, summary: Summary) -> bytes:
    values = words.values("affiliations/year", language, summary=summary)
    return await asyncio.to_thread(typesetting.png, "affiliations/year", values)


@button("school.sheet")
async def send_sheet(turn: Turn, organisation_id: int, year: int) -> Reply:
    """Everybody's hours, for the school's own files."""
    organisation = await affiliations.take_along(turn.work, organisation_id)
    heads = turn.around.words.values("affiliations/columns", turn.language, year=year)
    rows = affiliations.rows(turn.work, organisation_id, year, None)
    columns = affiliations.columns(heads)
    content = await sheets.content(columns, rows, zone=turn.work.policy.zone)
    return Show(
        "affiliations/sheet",
        {"organisation": organisation, "year": year},
        document=Document(f"hours-{organisation.code}-{year}.xlsx", content),
        fresh=True,
        private=True,
    )

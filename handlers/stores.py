"""The equipment of a rescue team: the list, adding, changing, checking."""

from datetime import date
from typing import Any

from handlers import forms
from handlers.fields import Choice, DayAhead, Field, Number, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import button
from handlers.teams import own_teams
from handlers.turns import Turn
from models import Organisation, ThingState
from services import stores, teams
from services.formats import named
from services.stores import Described

PAGE = 10
STATES = tuple(state.value for state in ThingState)
INTERVALS = tuple(str(days) for days in (*stores.INTERVALS, 0))


@button("team.things")
async def show_all(turn: Turn, team_id: int, page: int = 0) -> Reply:
    await forms.set_aside(turn)
    return await _all(turn, team_id, page)


async def _all(turn: Turn, team_id: int, page: int = 0) -> Show:
    team, leads, found = await stores.listed(turn.work, team_id)
    pages = max(1, -(-len(found) // PAGE))
    page = min(page, pages - 1)
    return Show(
        "stores/all",
        {
            "team": team.names,
            "team_id": team.id,
            "leads": leads,
            "things": [
                stores.shown(turn.work, one) for one in found[page * PAGE : (page + 1) * PAGE]
            ],
            "page": page,
            "pages": pages,
        },
    )


@button("team.thing", reads=True)
async def show(turn: Turn, equipment_id: int) -> Reply:
    return await _one(turn, equipment_id)


async def _one(turn: Turn, equipment_id: int) -> Show:
    found = await stores.thing(turn.work, equipment_id)
    about = {**stores.shown(turn.work, found), "team_id": found.organisation_id}
    return Show("stores/one", about)


@button("team.checked")
async def check(turn: Turn, equipment_id: int) -> Reply:
    await stores.check(turn.work, equipment_id)
    return [Toast("stores/checked"), *parts_of(await _one(turn, equipment_id))]


@button("team.thing_off")
async def remove(turn: Turn, equipment_id: int) -> Reply:
    team_id = await stores.remove(turn.work, equipment_id)
    return await _all(turn, team_id)


# Adding and changing


@button("team.thing_new")
async def add(turn: Turn, team_id: int) -> Reply:
    await teams.led(turn.work, team_id)
    return await start(turn, EQUIPMENT, answers={"team": team_id})


@button("team.thing_edit")
async def change(turn: Turn, equipment_id: int) -> Reply:
    found = await stores.thing(turn.work, equipment_id)
    answers = {
        "team": found.organisation_id,
        "name": named(found.names, turn.language),
        "count": found.count,
        "place": found.place,
        "state": found.state.value,
        "interval": str(found.interval or 0),
        "next": found.next_check_on.isoformat() if found.next_check_on else None,
    }
    answers = {name: value for name, value in answers.items() if value}
    return await start(turn, EQUIPMENT, subject_id=equipment_id, answers=answers, at=forms.SUMMARY)


def _said(filled: Filled) -> Described:
    following = filled.get("next")
    return Described(
        filled["name"],
        filled["count"],
        filled.get("place") or "",
        ThingState(filled["state"]),
        int(filled["interval"]) or None,
        date.fromisoformat(following) if following else None,
    )


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    team = await turn.work.session.get_one(Organisation, filled["team"])
    return {"team": team.names, "equipment_id": filled.subject_id}


async def _keep(turn: Turn, filled: Filled) -> Reply:
    if filled.subject_id is None:
        await stores.add(turn.work, filled["team"], _said(filled))
    else:
        await stores.change(turn.work, filled.subject_id, _said(filled))
    return [Toast("teams/kept"), *parts_of(await _all(turn, filled["team"]))]


EQUIPMENT = register(
    Form(
        "team_equipment",
        (
            Field("team", Pick(own_teams)),
            Field("name", Text(most=stores.NAME_LENGTH)),
            Field("count", Number(1, stores.MOST_COUNT)),
            Field("place", Text(most=stores.PLACE_LENGTH), optional=True),
            Field("state", Choice(STATES)),
            Field("interval", Choice(INTERVALS)),
            Field("next", DayAhead(), optional=True),
        ),
        _keep,
        _describe,
    )
)

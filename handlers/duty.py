"""Duty: who stands by now, one's own turns, swapping them, handing over; for leaders the rota."""

from datetime import datetime
from typing import Any

from handlers import forms
from handlers.fields import Asked, Duration, Field, Instant, Number, Option, Pick, PickMany, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show, Toast, parts_of
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Person
from services import duty, manning, relieving, rostering, swaps
from services.calendars import duty_calendar
from services.errors import Gone, NotAllowed, Refusal
from services.finding import search_key
from services.rostering import Rota

PAGE = 10
PEOPLE = 8
"""Names to choose from on one page."""
LENGTHS = (12 * 60, 24 * 60, 7 * 24 * 60)
WEEKS = 26
TOGETHER = 20


@command("duty", menu=Audience.EVERYONE)
@button("duty")
async def show_overview(turn: Turn, page: int = 0) -> Reply:
    await forms.set_aside(turn)
    shown = await duty.overview(turn.work)
    pages = max(1, -(-len(shown["teams"]) // PAGE))
    page = min(page, pages - 1)
    teams = shown["teams"][page * PAGE : (page + 1) * PAGE]
    return Show("duty/overview", {**shown, "teams": teams, "page": page, "pages": pages})


@button("duty.team")
async def show_team(turn: Turn, organisation_id: int, page: int = 0) -> Reply:
    await forms.set_aside(turn)
    return await _team(turn, organisation_id, page)


async def _team(turn: Turn, organisation_id: int, page: int = 0) -> Reply:
    shown = await duty.schedule(turn.work, organisation_id, page, PAGE)
    gaps = await manning.gaps(turn.work, organisation_id)
    return Show("duty/team", {**shown, "posts": [one.shown() for one in gaps]})


@button("duty.turn")
async def show_turn(turn: Turn, duty_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _turn(turn, duty_id)


async def _turn(turn: Turn, duty_id: int) -> Reply:
    return Show("duty/turn", await duty.look(turn.work, duty_id))


@button("duty.ready")
async def say_ready(turn: Turn, duty_id: int) -> Reply:
    await duty.say_ready(turn.work, duty_id)
    return [Toast("duty/ready_noted"), *parts_of(await _turn(turn, duty_id))]


@button("duty.calendar", reads=True)
async def send_calendar(turn: Turn) -> Reply:
    own = await duty.coming(turn.work)
    if not own:
        raise Gone
    words = turn.around.words
    entries = [
        (
            line.duty,
            words.plain("duty/heading", turn.language, team=line.team.names),
        )
        for line in own
    ]
    file = Document("duty.ics", duty_calendar(entries, turn.work.now))
    return Show("duty/calendar", document=file, fresh=True)


# Swapping


@button("duty.swap")
async def choose_whom(turn: Turn, duty_id: int, page: int = 0) -> Reply:
    found, people = await swaps.whom_to_ask(turn.work, duty_id)
    about = await duty.described(turn.work, found)
    return Show("duty/to_ask", {**about, **_page_of(people, page)})


def _page_of(people: list[Person], page: int) -> dict[str, Any]:
    pages = max(1, -(-len(people) // PEOPLE))
    page = min(page, pages - 1)
    shown = people[page * PEOPLE : (page + 1) * PEOPLE]
    return {
        "people": [{"id": person.id, "name": person.name} for person in shown],
        "page": page,
        "pages": pages,
    }


@button("duty.ask")
async def ask(turn: Turn, duty_id: int, person_id: int = 0) -> Reply:
    """One colleague, or with 0 all of them."""
    await swaps.ask(turn.work, duty_id, person_id or None)
    return await _turn(turn, duty_id)


@button("duty.unask")
async def withdraw(turn: Turn, swap_id: int) -> Reply:
    found = await swaps.withdraw(turn.work, swap_id)
    return await _turn(turn, found.id)


@button("duty.take", in_order=True)
async def take(turn: Turn, swap_id: int) -> Reply:
    found = await swaps.take(turn.work, swap_id)
    return [Toast("duty/yours"), *parts_of(await _turn(turn, found.id))]


@button("duty.offer")
async def offer(turn: Turn, swap_id: int) -> Reply:
    await swaps.offer(turn.work, swap_id)
    return Show("duty/offer_made", {"swap_id": swap_id})


@button("duty.exchange", in_order=True)
async def exchange(turn: Turn, swap_id: int, duty_id: int) -> Reply:
    _, got = await swaps.exchange(turn.work, swap_id, duty_id)
    return [Toast("duty/exchange_done"), *parts_of(await _turn(turn, got.id))]


@button("duty.decline")
async def decline(turn: Turn, swap_id: int) -> Reply:
    await swaps.decline(turn.work, swap_id)
    return Show("duty/declined_thanks")


# Handing over


@button("duty.note")
async def ask_note(turn: Turn, duty_id: int) -> Reply:
    await relieving.to_note(turn.work, duty_id)
    return await start(turn, NOTE, subject_id=duty_id, answers={})


async def _note(turn: Turn, filled: Filled) -> Reply:
    return await _handed_over(turn, filled.subject_id or 0, filled["text"])


NOTE = register(Form("duty_note", (Field("text", Text(most=1000, lines=True)),), _note))


@button("duty.nothing")
async def nothing_special(turn: Turn, duty_id: int) -> Reply:
    return await _handed_over(turn, duty_id, "")


async def _handed_over(turn: Turn, duty_id: int, note: str) -> Reply:
    found = await relieving.hand_over(turn.work, duty_id, note)
    return Show("duty/noted", {"duty_id": found.id, "note": note})


@button("duty.over")
async def take_over(turn: Turn, duty_id: int) -> Reply:
    return Show("duty/taken_over", await relieving.take_over(turn.work, duty_id))


# Leading


@button("duty.swaps")
async def show_swaps(turn: Turn, organisation_id: int) -> Reply:
    found = await swaps.of_team(turn.work, organisation_id)
    return Show("duty/swaps", {"swaps": found, "team_id": organisation_id})


@button("duty.assign")
async def choose_assigned(turn: Turn, duty_id: int, page: int = 0) -> Reply:
    found, people = await rostering.to_assign(turn.work, duty_id)
    about = await duty.described(turn.work, found)
    return Show("duty/to_assign", {**about, **_page_of(people, page)})


@button("duty.give")
async def assign(turn: Turn, duty_id: int, person_id: int) -> Reply:
    await rostering.assign(turn.work, duty_id, person_id)
    return [Toast("duty/assigned"), *parts_of(await _turn(turn, duty_id))]


# The rota


@button("duty.plan")
async def plan(turn: Turn, organisation_id: int = 0) -> Reply:
    """Of this team, or first the question which."""
    teams = await rostering.teams(turn.work)
    if not teams or (organisation_id and organisation_id not in {one.id for one in teams}):
        raise NotAllowed
    if len(teams) == 1:
        organisation_id = teams[0].id
    answers = {"team": organisation_id} if organisation_id else None
    return await start(turn, ROTA, subject_id=organisation_id or None, answers=answers)


async def _teams(asked: Asked) -> list[Option]:
    found = await rostering.teams(asked.turn.work)
    return [Option(one.id, one.names, search_key(one.names)) for one in found]


async def _members(asked: Asked) -> list[Option]:
    """The first by name; whoever is typed for or ticked is among them."""
    typed = asked.turn.incoming.text or asked.scratch.get("query") or ""
    ticked = asked.scratch.get("ticked") or asked.answers.get("people") or []
    found = await rostering.members(asked.turn.work, asked.answers["team"], typed, ticked)
    return [Option(one.id, {"": one.name}, one.name_search) for one in found]


def _rota(filled: Filled) -> Rota:
    return Rota(
        organisation_id=filled["team"],
        people=filled["people"],
        starts_at=datetime.fromisoformat(filled["starts"]),
        minutes=filled["length"],
        together=filled["together"],
        weeks=filled["weeks"],
    )


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    """What is wrong with it is said at the summary, where each answer can be changed."""
    rota = _rota(filled)
    team = await rostering.led(turn.work, rota.organisation_id)
    about = {"team_names": team.names, "until": rota.until, "refused": None}
    try:
        drafted = await rostering.draft(turn.work, rota)
    except NotAllowed:
        raise
    except Refusal as wrong:
        return {"left_out": [], **about, "refused": wrong.template, **wrong.parameters}
    return {**rostering.shown(turn.work, drafted), **about}


async def _publish(turn: Turn, filled: Filled) -> Reply:
    made = await rostering.publish(turn.work, _rota(filled))
    team = await _team(turn, made.rota.organisation_id)
    return [Toast("duty/published"), *parts_of(team)]


ROTA = register(
    Form(
        "duty_rota",
        (
            Field("team", Pick(_teams)),
            Field("people", PickMany(_members, least=1, as_picked=True)),
            Field("starts", Instant()),
            Field("length", Duration(LENGTHS)),
            Field("together", Number(1, TOGETHER)),
            Field("weeks", Number(1, WEEKS)),
        ),
        _publish,
        _describe,
    )
)

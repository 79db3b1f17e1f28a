"""Call-outs as commanders see them while they run: directing, ending, and what came of it.

They are declared in `handlers.declaring`.
"""

import asyncio
from typing import Any

from handlers import forms, options
from handlers.fields import (
    Field,
    Location,
    Number,
    Text,
)
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show, Toast, parts_of
from handlers.routes import button
from handlers.turns import Turn
from models import ResponseState, ScreenPage
from services import (
    aftermath,
    callouts,
    commanding,
    declaring,
    drills,
    scene,
    screens,
    standing_down,
    typesetting,
)

LARGEST_KEY = 2**53
MOST_PER_PAGE = 20


# Directing


@button("callout.board", urgent=True)
async def show_board(turn: Turn, callout_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _board(turn, callout_id)


async def _board(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/board", await commanding.board(turn.work, callout_id))


@button("callout.screen")
async def make_screen(turn: Turn, callout_id: int) -> Reply:
    """A link for one big screen, good once and for a few minutes."""
    secret = await screens.make(turn.work, callout_id)
    address = f"{turn.around.public_url}/board/open/{secret}"
    shown = {"callout_id": callout_id, "address": address}
    return Show("callouts/screen", shown, fresh=True, private=True)


@button("callout.screens_off")
async def close_screens(turn: Turn, callout_id: int) -> Reply:
    closed = await screens.close_all(turn.work, callout_id)
    return Toast("callouts/screens_closed", {"count": closed})


@button("callout.who")
async def show_who(turn: Turn, callout_id: int) -> Reply:
    """Whom to ask: more at once, everyone near, other numbers, others' volunteers."""
    board = await commanding.board(turn.work, callout_id)
    return Show("callouts/who", {**board, "kilometres": commanding.ASK_ALL})


@button("callout.more", urgent=True)
async def ask_more(turn: Turn, callout_id: int) -> Reply:
    asked = await commanding.ask_more(turn.work, callout_id)
    return await _asked(turn, callout_id, asked)


@button("callout.everyone", urgent=True)
async def ask_everyone(turn: Turn, callout_id: int, kilometres: int) -> Reply:
    asked = await commanding.ask_within(turn.work, callout_id, kilometres)
    return await _asked(turn, callout_id, asked)


async def _asked(turn: Turn, callout_id: int, count: int) -> Reply:
    board = await _board(turn, callout_id)
    return [Toast("callouts/asked_more", {"count": count}), *parts_of(board)]


@button("callout.hold", urgent=True)
async def hold(turn: Turn, callout_id: int) -> Reply:
    await commanding.hold(turn.work, callout_id, holds=True)
    return await _board(turn, callout_id)


@button("callout.go_on", urgent=True)
async def go_on(turn: Turn, callout_id: int) -> Reply:
    await commanding.hold(turn.work, callout_id, holds=False)
    return await _board(turn, callout_id)


@button("callout.neighbours", urgent=True)
async def ask_neighbours(turn: Turn, callout_id: int) -> Reply:
    asked = await commanding.ask_neighbours(turn.work, callout_id)
    board = await _board(turn, callout_id)
    return [Toast("callouts/neighbours_asked", {"count": asked}), *parts_of(board)]


@button("callout.lend", urgent=True)
async def lend(turn: Turn, callout_id: int, organisation_id: int) -> Reply:
    found = await commanding.lend(turn.work, callout_id, organisation_id)
    return Show("callouts/lending", await callouts.described(turn.work, found))


@button("callout.take_over", urgent=True)
async def take_over(turn: Turn, callout_id: int) -> Reply:
    await commanding.take_over(turn.work, callout_id)
    return await _board(turn, callout_id)


@button("callout.successors")
async def choose_successor(turn: Turn, callout_id: int) -> Reply:
    found = await commanding.successors(turn.work, callout_id)
    people = [{"person_id": one.id, "name": one.name} for one in found[:MOST_PER_PAGE]]
    return Show("callouts/successors", {"callout_id": callout_id, "people": people})


@button("callout.offer", urgent=True)
async def offer_command(turn: Turn, callout_id: int, person_id: int) -> Reply:
    name = await commanding.offer(turn.work, callout_id, person_id)
    board = await _board(turn, callout_id)
    return [Toast("callouts/command_offered", {"name": name}), *parts_of(board)]


@button("callout.accept", urgent=True)
async def accept_command(turn: Turn, callout_id: int) -> Reply:
    await commanding.accept(turn.work, callout_id)
    return await _board(turn, callout_id)


@button("callout.refuse", urgent=True)
async def refuse_command(turn: Turn, callout_id: int) -> Reply:
    found = await commanding.refuse(turn.work, callout_id)
    return Show("callouts/command_refused", await callouts.described(turn.work, found))


@button("callout.quota", urgent=True)
async def ask_quota(turn: Turn, need_id: int) -> Reply:
    await callouts.need_commanded(turn.work, need_id)
    return await start(turn, QUOTA, subject_id=need_id, answers={})


async def _change_quota(turn: Turn, filled: Filled) -> Reply:
    found = await commanding.change_quota(turn.work, filled.subject_id or 0, filled["quota"])
    return await _board(turn, found.id)


QUOTA = register(
    Form("callout_quota", (Field("quota", Number(1, declaring.LARGEST)),), _change_quota)
)


@button("callout.move", urgent=True)
async def ask_where_to(turn: Turn, callout_id: int) -> Reply:
    await callouts.running(turn.work, callout_id)
    return await start(turn, MOVE, subject_id=callout_id, answers={})


async def _move(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    address = filled.get("address") or place.get("address") or ""
    callout_id = filled.subject_id or 0
    await commanding.move(turn.work, callout_id, place["latitude"], place["longitude"], address)
    return await _board(turn, callout_id)


MOVE = register(
    Form(
        "callout_move",
        (
            Field("place", Location(proposals=options.rally_points)),
            Field("address", Text(most=declaring.ADDRESS_LENGTH), optional=True),
        ),
        _move,
    )
)


# Words


@button("callout.say", urgent=True)
async def choose_to_whom(turn: Turn, callout_id: int) -> Reply:
    board = await commanding.board(turn.work, callout_id)
    if len(board["needs"]) > 1:
        return Show("callouts/to_whom", board)
    return await ask_words(turn, callout_id)


@button("callout.say_to", urgent=True)
async def ask_words(
    turn: Turn, callout_id: int, need_id: int = 0, person_id: int = 0, word_id: int = 0
) -> Reply:
    await callouts.running(turn.work, callout_id)
    answers = {"need": need_id, "to": person_id, "word": word_id}
    return await start(turn, SAY, subject_id=callout_id, answers=answers, at="text")


async def _say(turn: Turn, filled: Filled) -> Reply:
    told = await commanding.say(
        turn.work, filled.subject_id or 0, filled["text"],
        need_id=filled.get("need") or None, to=filled.get("to") or None,
        answers=filled.get("word") or 0,
    )  # fmt: skip
    return Show("callouts/told", {"count": told, "callout_id": filled.subject_id})


SAY = register(
    Form(
        "callout_say",
        (
            Field("text", Text(most=commanding.WORDS_LENGTH, lines=True)),
            Field("need", Number(0, LARGEST_KEY)),
            Field("to", Number(0, LARGEST_KEY)),
            Field("word", Number(0, LARGEST_KEY)),
        ),
        _say,
    )
)


# The roll


@button("callout.roll", urgent=True)
async def show_roll(turn: Turn, callout_id: int, page: int = 0) -> Reply:
    people = await scene.roll(turn.work, callout_id)
    first = page * MOST_PER_PAGE
    return Show(
        "callouts/roll",
        {
            "callout_id": callout_id,
            "people": [
                {
                    "person_id": one.person_id, "name": name, "state": one.state.value,
                    "team": one.team, "leads": one.leads,
                }
                for one, name in people[first : first + MOST_PER_PAGE]
            ],
            "page": page,
            "more": len(people) > first + MOST_PER_PAGE,
        },
    )  # fmt: skip


@button("callout.member", urgent=True)
async def show_member(turn: Turn, callout_id: int, person_id: int) -> Reply:
    return Show("callouts/member", await scene.member(turn.work, callout_id, person_id))


@button("callout.arrived", urgent=True)
async def note_arrived(turn: Turn, callout_id: int, person_id: int) -> Reply:
    await scene.note_arrived(turn.work, callout_id, person_id)
    return await show_roll(turn, callout_id)


@button("callout.call_up", urgent=True)
async def call_up(turn: Turn, callout_id: int, person_id: int) -> Reply:
    await commanding.call_up(turn.work, callout_id, person_id)
    member = await show_member(turn, callout_id, person_id)
    return [Toast("callouts/called_up"), *parts_of(member)]


@button("callout.team", urgent=True)
async def put_in_team(turn: Turn, callout_id: int, person_id: int, team: int) -> Reply:
    await scene.put_in_team(turn.work, callout_id, person_id, team)
    return await show_member(turn, callout_id, person_id)


@button("callout.leader", urgent=True)
async def make_leader(turn: Turn, callout_id: int, person_id: int) -> Reply:
    await scene.make_leader(turn.work, callout_id, person_id)
    return await show_member(turn, callout_id, person_id)


@button("callout.safety", urgent=True)
async def call_roll(turn: Turn, callout_id: int) -> Reply:
    asked = await scene.call_roll(turn.work, callout_id)
    return Toast("callouts/roll_called", {"count": asked})


@button("callout.relieve", urgent=True)
async def relieve(turn: Turn, callout_id: int) -> Reply:
    await scene.relieve(turn.work, callout_id)
    return await _board(turn, callout_id)


# The end


@button("callout.end", urgent=True)
async def ask_to_end(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/ask_to_end", await commanding.board(turn.work, callout_id))


@button("callout.stand_down", urgent=True)
async def stand_down(turn: Turn, callout_id: int) -> Reply:
    return await _end(turn, callout_id, false_alarm=False)


@button("callout.false_alarm", urgent=True)
async def false_alarm(turn: Turn, callout_id: int) -> Reply:
    return await _end(turn, callout_id, false_alarm=True)


@button("callout.false_after_all")
async def call_it_false(turn: Turn, callout_id: int) -> Reply:
    await standing_down.call_it_false(turn.work, callout_id)
    return await _board(turn, callout_id)


async def _end(turn: Turn, callout_id: int, *, false_alarm: bool) -> Reply:
    found = await callouts.running(turn.work, callout_id)
    title = turn.around.words.plain(
        "callouts/activity_title",
        turn.work.policy.default_language,
        kind=found.kind.value,
        drill=found.drill,
    )
    await standing_down.stand_down(turn.work, callout_id, title, false_alarm=false_alarm)
    return await _board(turn, callout_id)


# Afterwards


@button("callouts.past")
async def show_past(turn: Turn, page: int = 0) -> Reply:
    past, more = await aftermath.past(turn.work, page)
    return Show("callouts/past", {"past": past, "page": page, "more": more})


@button("callout.report")
async def show_report(turn: Turn, callout_id: int) -> Reply:
    report, pictures = await aftermath.report(turn.work, callout_id)
    words = turn.around.words
    drawings = words.values("callouts/pictures", turn.language, **pictures)
    return Show(
        "callouts/report",
        {**report, "drawn": True, "mends": await drills.led_in(turn.work, callout_id)},
        picture=lambda: asyncio.to_thread(typesetting.png, "callouts/pictures", drawings),
        fresh=True,
    )


@button("callout.paper")
async def send_paper(turn: Turn, callout_id: int) -> Reply:
    """The report as it is filed."""
    report = await aftermath.whole(turn.work, callout_id)
    made_at = turn.work.now
    values = turn.around.words.values("callouts/report", turn.language, **report, made_at=made_at)
    return Show(
        "callouts/paper_sent",
        {"callout_id": callout_id},
        document=Document(
            f"callout-{callout_id}.pdf",
            lambda: asyncio.to_thread(typesetting.pdf, "callouts/report", values, made_at),
        ),
        fresh=True,
    )


@button("callout.page")
async def make_page(turn: Turn, callout_id: int) -> Reply:
    """A link to the report as a page, good once and for a few minutes."""
    secret = await screens.make(turn.work, callout_id, ScreenPage.REPORT)
    shown = {
        "callout_id": callout_id,
        "address": f"{turn.around.public_url}/report/open/{secret}",
    }
    return Show("callouts/page_link", shown, fresh=True, private=True)


@button("callout.unanswered")
async def show_unanswered(turn: Turn, callout_id: int, page: int = 0) -> Reply:
    found = await aftermath.unanswered(turn.work, callout_id)
    people, first = found["people"], page * MOST_PER_PAGE
    return Show(
        "callouts/unanswered",
        {
            **found,
            "people": people[first : first + MOST_PER_PAGE],
            "total": len(people),
            "page": page,
            "more": len(people) > first + MOST_PER_PAGE,
        },
    )


def _plain(turn: Turn, name: str, **parameters: Any) -> str:
    return turn.around.words.plain(f"callouts/{name}", turn.language, **parameters)


@button("callout.table")
async def send_table(turn: Turn, callout_id: int) -> Reply:
    """Everyone who was asked and what became of it, for a spreadsheet."""
    people, needs = await aftermath.lines(turn.work, callout_id)
    headings = [_plain(turn, "heading", what=name) for name in aftermath.HEADINGS]
    states = {state: _plain(turn, "state", state=state.value) for state in ResponseState}
    roles = {need["id"]: _plain(turn, "role", need=need) for need in needs}
    table = aftermath.as_csv(turn.work, headings, states, roles, people)
    return Show(
        "callouts/table_sent",
        {"callout_id": callout_id},
        document=Document(f"callout-{callout_id}.csv", table),
        fresh=True,
    )


@button("callout.lesson")
async def ask_lesson(turn: Turn, callout_id: int) -> Reply:
    await callouts.commanded(turn.work, callout_id)
    return await start(turn, LESSON, subject_id=callout_id, answers={})


async def _learn(turn: Turn, filled: Filled) -> Reply:
    callout_id = filled.subject_id or 0
    await aftermath.learn(turn.work, callout_id, filled["text"])
    return await show_report(turn, callout_id)


LESSON = register(
    Form("callout_lesson", (Field("text", Text(most=aftermath.LESSON_LENGTH, lines=True)),), _learn)
)

"""Call-outs: what commanders declare and direct, and what those who are asked press."""

from dataclasses import replace
from typing import Any

from handlers import forms, options
from handlers.fields import Choice, Field, Location, Number, Pick, PickMany, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Emergency, QualificationKind, Skill
from services import access, callouts, terms
from services.callouts import Declaration, Wanted
from services.errors import Gone

DRILL, REAL = "drill", "real"
LARGEST = 1_000
MOST_PER_PAGE = 20
CRITICAL, USUAL = "critical", "usual"


# Declaring


@command("callout", menu=Audience.COORDINATORS)
@button("callouts")
async def show_all(turn: Turn) -> Reply:
    """What is under way, and the choice between a drill and the real thing before all else."""
    await forms.set_aside(turn)
    await callouts.commands(turn.work)
    running = await callouts.under_way(turn.work)
    return Show("callouts/list", {"running": running})


@button("callout.new")
async def choose_kind(turn: Turn, mode: str) -> Reply:
    await callouts.commands(turn.work)
    if mode not in (DRILL, REAL):
        raise Gone
    return Show("callouts/kinds", {"mode": mode, "kinds": [kind.value for kind in Emergency]})


@button("callout.kind")
async def begin(turn: Turn, mode: str, kind: str) -> Reply:
    """Only the place and the number must be said; the rest has what is usual."""
    own = await callouts.commands(turn.work)
    if mode not in (DRILL, REAL) or kind not in set(Emergency):
        raise Gone
    answers: dict[str, Any] = {
        "mode": mode,
        "kind": kind,
        "skills": await callouts.usual_skills(turn.work, Emergency(kind)),
    }
    if len(own) == 1:
        answers["organisation"] = own[0].id
    return await start(
        turn, DECLARE, answers=answers, at="place" if len(own) == 1 else "organisation"
    )


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    session = turn.work.session
    return {
        "skills": await terms.by_keys(session, Skill, filled.get("skills") or []),
        "qualifications": await terms.by_keys(
            session, QualificationKind, filled.get("qualifications") or []
        ),
    }


async def _declare(turn: Turn, filled: Filled) -> Reply:
    """The preview, and below it the question for the word that sends it off."""
    place = filled["place"]
    made = await callouts.declare(
        turn.work,
        Declaration(
            organisation_id=filled["organisation"],
            kind=Emergency(filled["kind"]),
            drill=filled["mode"] == DRILL,
            latitude=place["latitude"],
            longitude=place["longitude"],
            address=filled.get("address") or "",
            needs=[
                Wanted(
                    filled["quota"], filled.get("skills") or [], filled.get("qualifications") or []
                )
            ],
            details=filled.get("details") or "",
            critical=filled.get("level") == CRITICAL,
        ),
    )
    preview = Show("callouts/preview", await callouts.preview(turn.work, made.id))
    question = await start(turn, CONFIRM, subject_id=made.id, answers={"shown": made.word})
    return [preview, *_below(question)]


def _below(reply: Reply) -> list[Show]:
    return [replace(part, fresh=True) for part in parts_of(reply) if isinstance(part, Show)]


DECLARE = register(
    Form(
        "callout",
        (
            Field("organisation", Pick(options.organisations_with(access.Right.LAUNCH_CALLOUTS))),
            Field("place", Location()),
            Field("quota", Number(1, LARGEST)),
            Field("address", Text(most=200), optional=True),
            Field("details", Text(most=1000, lines=True), optional=True),
            Field("skills", PickMany(options.skills), optional=True),
            Field("qualifications", PickMany(options.qualification_kinds), optional=True),
            Field("level", Choice((USUAL, CRITICAL)), optional=True),
            Field("mode", Choice((REAL, DRILL))),
            Field("kind", Choice(tuple(kind.value for kind in Emergency))),
        ),
        _declare,
        _describe,
    )
)


async def _launch(turn: Turn, filled: Filled) -> Reply:
    found = await callouts.launch(turn.work, filled.subject_id or 0, filled["word"])
    return Show(
        "callouts/declared",
        {"callout_id": found.id, "drill": found.drill, "lapses_at": found.lapses_at},
    )


CONFIRM = register(Form("callout_word", (Field("word", Text(most=16)),), _launch))


@button("callout.second")
async def second(turn: Turn, callout_id: int) -> Reply:
    found = await callouts.confirm(turn.work, callout_id)
    return Show(
        "callouts/declared", {"callout_id": found.id, "drill": found.drill, "lapses_at": None}
    )


# Directing


@button("callout.board")
async def show_board(turn: Turn, callout_id: int) -> Reply:
    return await _board(turn, callout_id)


@button("callout.more")
async def ask_more(turn: Turn, callout_id: int) -> Reply:
    asked = await callouts.ask_more(turn.work, callout_id)
    return [
        Toast("callouts/asked_more", {"count": asked}),
        *parts_of(await _board(turn, callout_id)),
    ]


@button("callout.hold")
async def hold(turn: Turn, callout_id: int) -> Reply:
    await callouts.hold(turn.work, callout_id, holds=True)
    return await _board(turn, callout_id)


@button("callout.go_on")
async def go_on(turn: Turn, callout_id: int) -> Reply:
    await callouts.hold(turn.work, callout_id, holds=False)
    return await _board(turn, callout_id)


async def _board(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/board", await callouts.board(turn.work, callout_id))


@button("callout.quota")
async def ask_quota(turn: Turn, need_id: int) -> Reply:
    await callouts.need_commanded(turn.work, need_id)
    return await start(turn, QUOTA, subject_id=need_id, answers={})


async def _change_quota(turn: Turn, filled: Filled) -> Reply:
    found = await callouts.change_quota(turn.work, filled.subject_id or 0, filled["quota"])
    return await _board(turn, found.id)


QUOTA = register(Form("callout_quota", (Field("quota", Number(1, LARGEST)),), _change_quota))


@button("callout.say")
async def ask_words(turn: Turn, callout_id: int) -> Reply:
    await callouts.commanded(turn.work, callout_id)
    return await start(turn, SAY, subject_id=callout_id, answers={})


async def _say(turn: Turn, filled: Filled) -> Reply:
    told = await callouts.say(turn.work, filled.subject_id or 0, filled["text"])
    return Show("callouts/told", {"count": told, "callout_id": filled.subject_id})


SAY = register(Form("callout_say", (Field("text", Text(most=1000, lines=True)),), _say))


@button("callout.roll")
async def show_roll(turn: Turn, callout_id: int, page: int = 0) -> Reply:
    people = await callouts.roll(turn.work, callout_id)
    first = page * MOST_PER_PAGE
    return Show(
        "callouts/roll",
        {
            "callout_id": callout_id,
            "people": [
                {"person_id": one.person_id, "name": name, "state": one.state.value}
                for one, name in people[first : first + MOST_PER_PAGE]
            ],
            "page": page,
            "more": len(people) > first + MOST_PER_PAGE,
        },
    )


@button("callout.arrived")
async def note_arrived(turn: Turn, callout_id: int, person_id: int) -> Reply:
    await callouts.note_arrived(turn.work, callout_id, person_id)
    return await show_roll(turn, callout_id)


@button("callout.safety")
async def call_roll(turn: Turn, callout_id: int) -> Reply:
    asked = await callouts.call_roll(turn.work, callout_id)
    return Toast("callouts/roll_called", {"count": asked})


@button("callout.end")
async def ask_to_end(turn: Turn, callout_id: int) -> Reply:
    board = await callouts.board(turn.work, callout_id)
    return Show("callouts/ask_to_end", board)


@button("callout.stand_down")
async def stand_down(turn: Turn, callout_id: int) -> Reply:
    await callouts.stand_down(turn.work, callout_id, false_alarm=False)
    return await _board(turn, callout_id)


@button("callout.false_alarm")
async def false_alarm(turn: Turn, callout_id: int) -> Reply:
    await callouts.stand_down(turn.work, callout_id, false_alarm=True)
    return await _board(turn, callout_id)


# Answering


@button("callout.open")
async def open_one(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/answered", await callouts.opened(turn.work, callout_id))


@button("callout.coming", in_order=True, on_page=True)
async def come(turn: Turn, callout_id: int, minutes: int) -> Reply:
    return Show("callouts/answered", await callouts.come(turn.work, callout_id, minutes))


@button("callout.standby", on_page=True)
async def stand_by(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/answered", await callouts.stand_by(turn.work, callout_id))


@button("callout.cannot", on_page=True)
async def decline(turn: Turn, callout_id: int, reason: str = "") -> Reply:
    """The first press counts already; the reason is asked on the screen that answers it."""
    shown = await callouts.decline(turn.work, callout_id, reason, today=False)
    return Show("callouts/answered", shown)


@button("callout.stop", on_page=True)
async def stop_for_today(turn: Turn, callout_id: int) -> Reply:
    shown = await callouts.decline(turn.work, callout_id, "", today=True)
    return Show("callouts/answered", shown)


# On scene


@button("callout.here")
async def ask_where(turn: Turn, callout_id: int) -> Reply:
    await callouts.opened(turn.work, callout_id)
    return await start(turn, HERE, subject_id=callout_id)


async def _arrive(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    shown = await callouts.arrive(
        turn.work, filled.subject_id or 0, place["latitude"], place["longitude"]
    )
    return Show("callouts/answered", shown)


HERE = register(Form("callout_here", (Field("place", Location(typed=False)),), _arrive))


@button("callout.safe", on_page=True)
async def safe(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/answered", await callouts.safe(turn.work, callout_id))


@button("callout.sos")
async def alarm(turn: Turn, callout_id: int) -> Reply:
    """The commanders hear of it at once; where it is comes after."""
    await callouts.alarm(turn.work, callout_id)
    return await start(turn, SOS, subject_id=callout_id)


async def _place_alarm(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    callout_id = filled.subject_id or 0
    await callouts.place_alarm(turn.work, callout_id, place["latitude"], place["longitude"])
    return Show("callouts/answered", await callouts.opened(turn.work, callout_id))


SOS = register(Form("callout_sos", (Field("place", Location(typed=False)),), _place_alarm))


@button("callout.home", on_page=True)
async def go_home(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/home", await callouts.go_home(turn.work, callout_id))

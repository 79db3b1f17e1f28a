"""Call-outs as those who are asked see them: answering, arriving, on scene, going home."""

from typing import Any

from handlers import forms
from handlers.fields import Field, Location, Number, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button, link, live_place, unasked_place
from handlers.turns import Turn
from services import callouts, commanding, responding, scene, standing_down

LARGEST_KEY = 2**53

# Answering


def _place(shown: dict[str, Any], *, fresh: bool = False) -> Show:
    """Somebody's own place in it; where it is a new message, it is kept to be corrected."""
    about = callouts.orders(shown["callout_id"])
    return Show("callouts/answered", shown, fresh=fresh, about=about)


@button("callout.open", urgent=True)
async def open_one(turn: Turn, callout_id: int) -> Reply:
    return _place(await responding.opened(turn.work, callout_id))


@button("callout.coming", in_order=True, on_page=True, urgent=True)
async def come(turn: Turn, callout_id: int, minutes: int) -> Reply:
    return _place(await responding.come(turn.work, callout_id, minutes))


@button("callout.standby", on_page=True, urgent=True)
async def stand_by(turn: Turn, callout_id: int) -> Reply:
    return _place(await responding.stand_by(turn.work, callout_id))


@button("callout.cannot", on_page=True, urgent=True)
async def decline(turn: Turn, callout_id: int, reason: str = "") -> Reply:
    """The first press counts already; the reason is asked on the screen that answers it."""
    shown = await responding.decline(turn.work, callout_id, reason, today=False)
    return _place(shown)


@button("callout.stop", on_page=True, urgent=True)
async def stop_for_today(turn: Turn, callout_id: int) -> Reply:
    shown = await responding.decline(turn.work, callout_id, "", today=True)
    return _place(shown)


@button("callout.write", urgent=True)
async def ask_words(turn: Turn, callout_id: int, word_id: int = 0) -> Reply:
    shown = await responding.opened(turn.work, callout_id)
    answers = {"word": word_id, "drill": shown["drill"]}
    return await start(turn, WRITE, subject_id=callout_id, answers=answers, at="text")


async def _write(turn: Turn, filled: Filled) -> Reply:
    callout_id = filled.subject_id or 0
    await commanding.write_back(turn.work, callout_id, filled["text"], filled.get("word") or 0)
    return _place(await responding.opened(turn.work, callout_id))


WRITE = register(
    Form(
        "callout_write",
        (Field("text", Text(most=1000, lines=True)), Field("word", Number(0, LARGEST_KEY))),
        _write,
    )
)


# On scene


@button("callout.here", urgent=True)
async def ask_where(turn: Turn, callout_id: int) -> Reply:
    shown = await responding.opened(turn.work, callout_id)
    return await start(turn, HERE, subject_id=callout_id, answers={"drill": shown["drill"]})


async def _arrive(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    shown = await scene.arrive(
        turn.work, filled.subject_id or 0, place["latitude"], place["longitude"]
    )
    return _place(shown)


HERE = register(Form("callout_here", (Field("place", Location(typed=False)),), _arrive))


@link("r", urgent=True)
async def scan(turn: Turn, callout_id: int, slot: str, signature: str) -> Reply:
    """The code on the screen at the rally point."""
    await forms.set_aside(turn)
    return _place(await scene.scan(turn.work, callout_id, slot, signature))


@live_place
async def follow(turn: Turn) -> Reply:
    """Where somebody is who shares it as they go; only their arrival is answered."""
    place = turn.incoming.place
    if place is None:
        return None
    arrived = await scene.locate(turn.work, place.latitude, place.longitude)
    return _place(arrived, fresh=True) if arrived else None


@unasked_place(urgent=True)
async def take_place(turn: Turn) -> Reply:
    """Somebody under way to a call-out sends a place, or begins to share it live."""
    drill = await scene.is_awaited_in_drill(turn.work)
    if drill is None:
        return None
    return await follow(turn) or Show("callouts/followed", {"drill": drill}, fresh=True)


@button("callout.safe", on_page=True, urgent=True)
async def safe(turn: Turn, callout_id: int) -> Reply:
    return _place(await scene.safe(turn.work, callout_id))


@button("callout.sos", urgent=True)
async def alarm(turn: Turn, callout_id: int) -> Reply:
    """The commanders hear of it at once; where it is comes after."""
    shown = await scene.alarm(turn.work, callout_id)
    return await start(turn, SOS, subject_id=callout_id, answers={"drill": shown["drill"]})


async def _place_alarm(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    callout_id = filled.subject_id or 0
    await scene.place_alarm(turn.work, callout_id, place["latitude"], place["longitude"])
    return _place(await responding.opened(turn.work, callout_id))


SOS = register(Form("callout_sos", (Field("place", Location(typed=False)),), _place_alarm))


@button("callout.hand_over", urgent=True)
async def ask_what_to_know(turn: Turn, callout_id: int) -> Reply:
    newcomer = await scene.taken_over_by(turn.work, callout_id)
    return await start(turn, HAND_OVER, subject_id=callout_id, answers={"to": newcomer}, at="text")


async def _hand_over(turn: Turn, filled: Filled) -> Reply:
    shown = await scene.hand_over(turn.work, filled.subject_id or 0, filled.get("text") or "")
    about = callouts.orders(shown["callout_id"])
    return Show("callouts/hand_over_noted", shown, fresh=True, about=about)


HAND_OVER = register(
    Form(
        "callout_hand_over",
        (
            Field("text", Text(most=1000, lines=True), optional=True),
            Field("to", Number(0, LARGEST_KEY)),
        ),
        _hand_over,
    )
)


@button("callout.home", on_page=True, urgent=True)
async def go_home(turn: Turn, callout_id: int) -> Reply:
    return Show("callouts/home", await standing_down.go_home(turn.work, callout_id))

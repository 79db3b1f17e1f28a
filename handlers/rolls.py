"""The coordinator's roll: ticking who is there, walk-ins, checking everyone out."""

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import activities, codes, roll
from services.errors import Refusal


@button("roll")
async def show_roll(turn: Turn, shift_id: int, page: int = 0) -> Reply:
    await forms.set_aside(turn)
    return await _roll(turn, shift_id, page)


async def _roll(turn: Turn, shift_id: int, page: int = 0, typed: str = "") -> Show:
    return Show("roll/roll", {"roll": await roll.call(turn.work, shift_id, page, typed)})


# One person


@button("roll.tick")
async def tick(turn: Turn, enrolment_id: int, page: int = 0) -> Reply:
    presence = await roll.tick(turn.work, enrolment_id)
    return await _roll(turn, presence.shift.id, page)


@button("roll.line", reads=True)
async def show_line(turn: Turn, enrolment_id: int, page: int = 0) -> Reply:
    presence, person = await roll.line(turn.work, enrolment_id)
    return Show("roll/line", {"presence": presence, "person": person, "page": page})


@button("roll.untick")
async def untick(turn: Turn, enrolment_id: int, page: int = 0) -> Reply:
    presence = await roll.untick(turn.work, enrolment_id)
    return await _roll(turn, presence.shift.id, page)


@button("roll.out")
async def check_out(turn: Turn, enrolment_id: int, page: int = 0) -> Reply:
    presence = await roll.check_out(turn.work, enrolment_id)
    return await _roll(turn, presence.shift.id, page)


# Everyone


@button("roll.all", reads=True)
async def ask_all_present(turn: Turn, shift_id: int) -> Reply:
    return Show("roll/all_present", {"roll": await roll.call(turn.work, shift_id)})


@button("roll.all.yes")
async def all_present(turn: Turn, shift_id: int) -> Reply:
    await roll.tick_all(turn.work, shift_id)
    return await _roll(turn, shift_id)


@button("roll.end", reads=True)
async def ask_all_left(turn: Turn, shift_id: int) -> Reply:
    return Show("roll/all_left", {"roll": await roll.call(turn.work, shift_id)})


@button("roll.end.yes")
async def all_left(turn: Turn, shift_id: int) -> Reply:
    await roll.check_out_all(turn.work, shift_id)
    return await _roll(turn, shift_id)


# Looking for somebody


@button("roll.find")
async def ask_whom(turn: Turn, shift_id: int) -> Reply:
    await roll.held(turn.work, shift_id)
    return await start(turn, FIND, subject_id=shift_id)


async def _find(turn: Turn, filled: Filled) -> Reply:
    return await _roll(turn, filled.subject_id or 0, typed=filled["typed"])


FIND = register(Form("find_on_roll", (Field("typed", Text(most=40)),), _find))


# Walk-ins


@button("walkin")
async def ask_who_came(turn: Turn, shift_id: int) -> Reply:
    await roll.held(turn.work, shift_id)
    return await start(turn, WALK_IN, subject_id=shift_id)


async def _candidates(turn: Turn, filled: Filled) -> Reply:
    shift_id = filled.subject_id or 0
    found = await roll.candidates(turn.work, shift_id, filled["typed"])
    if not found:
        raise Refusal("walkin_nobody", typed=filled["typed"])
    keys = {person.id: codes.walk_in(shift_id, person.id) for person in found}
    return Show("roll/candidates", {"people": found, "shift_id": shift_id, "keys": keys})


WALK_IN = register(Form("walk_in", (Field("typed", Text(most=40)),), _candidates))


@button("walkin.add")
async def add(turn: Turn, shift_id: int, person_id: int, key: str = "") -> Reply:
    try:
        await roll.add_walk_in(turn.work, shift_id, person_id, key=key)
    except Refusal as refusal:
        if refusal.code != "walkin_full":
            raise
        shift, _ = await activities.published_shift(turn.work, shift_id)
        return Show("roll/full", {"shift": shift, "person_id": person_id, "key": key})
    return await _roll(turn, shift_id)


@button("walkin.more")
async def add_beyond_quota(turn: Turn, shift_id: int, person_id: int, key: str = "") -> Reply:
    await roll.add_walk_in(turn.work, shift_id, person_id, key=key, one_more=True)
    return await _roll(turn, shift_id)

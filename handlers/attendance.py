"""Checking in and out: codes on site, shared locations, the question at the shift's end."""

import asyncio
from datetime import datetime
from typing import Any

from handlers import forms, remote
from handlers.fields import Asked, Field, Instant, Location
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button, command, link, unasked_place
from handlers.turns import Turn
from services import attendance, codes, posters, roll
from services.attendance import Answer, CheckedIn, Presence
from services.errors import Refusal

POSTER_STEPS = ("scan", "start", "send")


@command("checkin")
@button("checkin")
async def show_check_in(turn: Turn) -> Reply:
    """A volunteer with one shift at hand is asked for their location at once."""
    await forms.set_aside(turn)
    own = await attendance.at_hand(turn.work)
    led = await attendance.running_shifts(turn.work)
    if len(own) == 1 and not led:
        return await check_in_here(turn, own[0].shift.id)
    return Show(
        "attendance/at_hand",
        {
            "own": [_place(presence) for presence in own],
            "led": [
                {"shift": shift, "title": activity.title, "remote": activity.remote}
                for shift, activity in led
            ],
        },
    )


def _place(presence: Presence) -> dict[str, Any]:
    return {
        "shift": presence.shift,
        "title": presence.activity.title,
        "is_in": presence.is_in,
        "remote": presence.activity.remote,
    }


# By location


@button("checkin.here")
async def check_in_here(turn: Turn, shift_id: int) -> Reply:
    try:
        presence = await attendance.check_may_come(turn.work, shift_id)
    except Refusal as refusal:
        if refusal.code != "briefing_unread":
            raise
        return Show(refusal.template, refusal.parameters)  # with the way to it, not as an alert
    if presence.activity.remote:
        return remote.ready(presence)
    return await start(turn, HERE, subject_id=shift_id)


async def _come(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    answer = await attendance.come_to(
        turn.work, filled.subject_id or 0, place["latitude"], place["longitude"]
    )
    return _answered(answer, turn)


HERE = register(Form("check_in", (Field("place", Location(typed=False)),), _come))


@unasked_place()
async def come_unasked(turn: Turn) -> Reply:
    """Whoever stands on site and simply sends where they are."""
    place = turn.incoming.place
    for presence in await attendance.at_hand(turn.work):
        activity = presence.activity
        if place is not None and attendance.is_within(activity, place.latitude, place.longitude):
            answer = await attendance.come_to(
                turn.work, presence.shift.id, place.latitude, place.longitude
            )
            return _answered(answer, turn)
    return await show_check_in(turn)


# By code


@link("i")
async def scan(turn: Turn, shift_id: int, slot: str, signature: str) -> Reply:
    await forms.set_aside(turn)
    return _answered(await attendance.scan(turn.work, shift_id, slot, signature), turn)


@link("p")
async def scan_print(turn: Turn, shift_id: int, signature: str) -> Reply:
    await attendance.check_print(turn.work, shift_id, signature)
    return await start(turn, HERE, subject_id=shift_id)


def _answered(answer: Answer, turn: Turn) -> Show:
    presence = answer.presence
    if isinstance(answer, CheckedIn):
        return Show(
            "attendance/checked_in",
            {"presence": presence, "late": answer.late, "at": turn.work.now},
        )
    ticket = codes.ticket(presence.there.id, answer.means, turn.work.now)
    return Show("attendance/leaving", {"presence": presence, "ticket": ticket})


# Checking out


@button("checkout.yes")
async def check_out(
    turn: Turn, attendance_id: int, moment: str, means: str, signature: str
) -> Reply:
    presence = await attendance.leave_with_ticket(
        turn.work, attendance_id, moment, means, signature
    )
    return _left(presence)


@button("checkout.stay", reads=True, on_page=True)
async def stay(turn: Turn, attendance_id: int) -> Reply:
    return Show("attendance/staying", {"presence": await attendance.own(turn.work, attendance_id)})


@button("checkout.done", on_page=True)
async def finish(turn: Turn, attendance_id: int) -> Reply:
    return _left(await attendance.leave_by_own_word(turn.work, attendance_id))


@button("checkout.earlier")
async def ask_when_left(turn: Turn, attendance_id: int) -> Reply:
    await attendance.own(turn.work, attendance_id)
    return await start(turn, EARLIER, subject_id=attendance_id)


async def _check_left(asked: Asked, iso: str) -> str:
    await attendance.check_left_at(
        asked.turn.work, asked.subject_id or 0, datetime.fromisoformat(iso)
    )
    return iso


async def _leave_earlier(turn: Turn, filled: Filled) -> Reply:
    at = datetime.fromisoformat(filled["at"])
    return _left(await attendance.leave_by_own_word(turn.work, filled.subject_id or 0, at))


EARLIER = register(
    Form("left_earlier", (Field("at", Instant(earlier=True), check=_check_left),), _leave_earlier)
)


def _left(presence: Presence) -> Show:
    return Show("attendance/checked_out", {"presence": presence})


# Joining without a place, and the codes that a coordinator puts up


@button("walkin.ask")
async def ask_to_be_added(turn: Turn, shift_id: int) -> Reply:
    await forms.set_aside(turn)
    await roll.ask_to_be_added(turn.work, shift_id)
    return Show("attendance/asked")


@button("checkin.code", reads=True)
async def show_code(turn: Turn, shift_id: int) -> Reply:
    """The poster to print, and the address of the page for a screen on site."""
    shift, activity = await roll.held(turn.work, shift_id)
    if activity.remote:
        raise Refusal("checkin_remote", title=activity.title)
    words, language = turn.around.words, turn.language
    told = {"shift": shift, "activity": activity}
    poster = posters.Poster(
        title=activity.title,
        when=words.plain("attendance/poster_when", language, **told),
        place=activity.address,
        invitation=words.plain("attendance/poster_invitation", language),
        steps=[words.plain(f"attendance/poster_{step}", language) for step in POSTER_STEPS],
        maker=words.plain("attendance/poster_maker", language),
        link=turn.around.link(codes.printed(shift_id)),
    )
    screen = f"{turn.around.public_url}/checkin/{shift_id}/{codes.screen_key(shift_id)}"
    return Show(
        "attendance/code",
        {**told, "screen": screen},
        picture=lambda: asyncio.to_thread(posters.draw, poster),
        fresh=True,
    )

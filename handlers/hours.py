"""The coordinator's word on hours: confirm all, or correct or reject single ones."""

from handlers import forms
from handlers.fields import Asked, Duration, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import hours, remote

REASON = Text(*hours.REASON)


@command("hours", menu=Audience.COORDINATORS)
async def show_piles(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    piles = await hours.piles(turn.work)
    return Show("hours/piles", {"piles": piles, "waiting": await hours.waiting(turn.work)})


@button("hours")
async def show_hours(turn: Turn, shift_id: int = 0, page: int = 0) -> Reply:
    if not shift_id:
        return await show_piles(turn)
    await forms.set_aside(turn)
    return await _sheet(turn, shift_id, page)


async def _sheet(turn: Turn, shift_id: int, page: int = 0, **news: int) -> Show:
    return Show(
        "hours/sheet", {"sheet": await hours.sheet(turn.work, shift_id, page), "news": news}
    )


@button("hours.all")
async def confirm_all(turn: Turn, shift_id: int) -> Reply:
    done = await hours.confirm_all(turn.work, shift_id)
    return await _sheet(turn, shift_id, confirmed=done.count, own=done.own, empty=done.empty)


# One by one


@button("hours.one", reads=True)
async def show_one(turn: Turn, attendance_id: int) -> Reply:
    record = await hours.record(turn.work, attendance_id)
    report = await remote.of(turn.work, record.attendance.id)
    return Show("hours/one", {"record": record, "report": report})


@button("hours.confirm")
async def confirm(turn: Turn, attendance_id: int) -> Reply:
    return await _sheet(turn, (await hours.confirm(turn.work, attendance_id)).shift.id)


@button("hours.correct")
async def ask_minutes(turn: Turn, attendance_id: int) -> Reply:
    await hours.check_may_decide(turn.work, attendance_id)
    return await start(turn, CORRECT, subject_id=attendance_id)


async def _check_minutes(asked: Asked, minutes: int) -> int:
    found = await hours.record(asked.turn.work, asked.subject_id or 0)
    hours.check_minutes(found.shift, minutes)
    return minutes


async def _correct(turn: Turn, filled: Filled) -> Reply:
    found = await hours.correct(
        turn.work, filled.subject_id or 0, filled["minutes"], filled["reason"]
    )
    return await _sheet(turn, found.shift.id)


CORRECT = register(
    Form(
        "correct_hours",
        (Field("minutes", Duration(), check=_check_minutes), Field("reason", REASON)),
        _correct,
    )
)


@button("hours.reject")
async def ask_reason(turn: Turn, attendance_id: int) -> Reply:
    await hours.check_may_decide(turn.work, attendance_id)
    return await start(turn, REJECT, subject_id=attendance_id)


async def _reject(turn: Turn, filled: Filled) -> Reply:
    found = await hours.reject(turn.work, filled.subject_id or 0, filled["reason"])
    return await _sheet(turn, found.shift.id)


REJECT = register(Form("reject_hours", (Field("reason", REASON),), _reject))

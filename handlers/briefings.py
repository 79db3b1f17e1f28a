"""Safety briefings: written for an activity, read and acknowledged by those who come."""

from typing import Any

from handlers.fields import Choice, Field, Text
from handlers.forms import SUMMARY, Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import briefings
from services.briefings import BRIEFING

USUAL, DANGEROUS = "usual", "dangerous"


@button("safety", reads=True)
async def show_safety(turn: Turn, activity_id: int) -> Reply:
    activity, said = await briefings.opened(turn.work, activity_id)
    return Show(
        "briefings/safety",
        {
            "activity_id": activity_id,
            "title": activity.title,
            "briefing": said.briefing if said else "",
            "dangerous": said.dangerous if said else False,
        },
    )


@button("safety.edit")
async def edit(turn: Turn, activity_id: int) -> Reply:
    _, said = await briefings.opened(turn.work, activity_id)
    answers = {"risk": DANGEROUS if said.dangerous else USUAL} if said else {}
    if said and said.briefing:
        answers["briefing"] = said.briefing
    at = SUMMARY if said else None
    return await start(turn, SAFETY, subject_id=activity_id, answers=answers, at=at)


async def _describe(_turn: Turn, filled: Filled) -> dict[str, Any]:
    return {"dangerous": filled["risk"] == DANGEROUS}


async def _say(turn: Turn, filled: Filled) -> Reply:
    activity_id = filled.subject_id or 0
    dangerous = filled["risk"] == DANGEROUS
    await briefings.say(turn.work, activity_id, filled.get("briefing", ""), dangerous=dangerous)
    return await show_safety(turn, activity_id)


SAFETY = register(
    Form(
        "safety",
        (
            Field("risk", Choice((USUAL, DANGEROUS))),
            Field("briefing", Text(least=5, most=BRIEFING[1], lines=True), optional=True),
        ),
        _say,
        _describe,
    )
)


@button("briefing", reads=True)
async def read(turn: Turn, enrolment_id: int) -> Reply:
    found = await briefings.to_read(turn.work, enrolment_id)
    return Show(
        "briefings/read",
        {
            "enrolment_id": enrolment_id,
            "activity_id": found.activity.id,
            "title": found.activity.title,
            "briefing": found.safety.briefing,
            "acknowledged": found.acknowledged,
        },
    )


@button("briefing.yes")
async def acknowledge(turn: Turn, enrolment_id: int) -> Reply:
    found = await briefings.acknowledge(turn.work, enrolment_id)
    return Show(
        "briefings/acknowledged",
        {
            "title": found.activity.title,
            "activity_id": found.activity.id,
            "shift_id": found.enrolment.shift_id,
        },
    )

"""The calendar of volunteers' days."""

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import days, desk


@command("days", menu=Audience.COORDINATORS)
@button("days")
async def show_days(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    await desk.require(turn.work)
    shown = [
        {"names": one.day.names, "on": one.on, "in": (one.on - turn.work.today).days,
         "of": one.organisation}
        for one in await days.coming(turn.work)
    ]  # fmt: skip
    return Show("days/all", {"days": shown, "ahead": turn.work.policy.day_reminder_days})

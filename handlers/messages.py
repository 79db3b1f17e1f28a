"""Which messages somebody wishes to get: a switch for each kind, and emergencies apart."""

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from services import opt_outs
from services.errors import Gone
from services.traits import KINDS


@command("messages")
@button("messages")
async def show_own(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    refused = await opt_outs.kinds_of(turn.work)
    return Show(
        "messages/own",
        {
            "kinds": {kind: kind not in refused for kind in KINDS},
            "emergencies": turn.work.person.emergency_opt_in,
        },
    )


@button("messages.set")
async def switch(turn: Turn, kind: str, what: str) -> Reply:
    await opt_outs.choose(turn.work, _known(kind), wanted=what == "on")
    return await show_own(turn)


@button("mute", on_page=True)
async def mute(turn: Turn, kind: str) -> Reply:
    """Pressed under a message of the kind, which stays where it is."""
    await opt_outs.choose(turn.work, _known(kind), wanted=False)
    return Show("messages/muted", {"kind": kind}, fresh=True)


@button("unmute", on_page=True)
async def unmute(turn: Turn, kind: str) -> Reply:
    await opt_outs.choose(turn.work, _known(kind), wanted=True)
    return Show("messages/unmuted", {"kind": kind})


@button("emergencies.off", reads=True)
async def ask_about_emergencies(turn: Turn) -> Reply:
    """Nobody drops out of emergencies by a slip of the thumb."""
    return Show("messages/emergencies")


@button("emergencies.stop")
async def stop_emergencies(turn: Turn) -> Reply:
    await opt_outs.stop_emergencies(turn.work)
    return await show_own(turn)


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise Gone
    return kind

"""What organisations lack, in chat, and the press that reminds them."""

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import checklist

PAGE = 12
"""Organisations on one screen."""


@command("checklist", menu=Audience.COORDINATORS)
@button("checklist")
async def open_checklist(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await turn_to(turn)


@button("checklist.page", reads=True)
async def turn_to(turn: Turn, page: int = 0) -> Reply:
    found = await checklist.look(turn.work)
    first = page * PAGE
    return Show(
        "checklist/shown",
        {
            "found": found,
            "shown": found.gaps[first : first + PAGE],
            "page": page,
            "more": len(found.gaps) > first + PAGE,
        },
    )


@button("checklist.remind")
async def remind(turn: Turn) -> Reply:
    told = await checklist.remind(turn.work)
    return Show("checklist/reminded", {"told": told})

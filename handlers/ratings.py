"""Stars after a shift with one press; what came of them, for those who lead the activity."""

import asyncio

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import complaints, posters, ratings, reliability

PAGE = 6
POSTER_STEPS = ("scan", "stars", "send")


@button("rate", on_page=True)
async def rate(turn: Turn, attendance_id: int, stars: int) -> Reply:
    return Show("ratings/given", {"given": await ratings.rate(turn.work, attendance_id, stars)})


@button("rate.change", reads=True)
async def change(turn: Turn, attendance_id: int) -> Reply:
    return Show("ratings/change", {"given": await ratings.given(turn.work, attendance_id)})


@button("rate.words")
async def ask_for_words(turn: Turn, attendance_id: int) -> Reply:
    await ratings.given(turn.work, attendance_id)
    return await start(turn, WORDS, subject_id=attendance_id)


async def _add_words(turn: Turn, filled: Filled) -> Reply:
    found = await ratings.add_words(turn.work, filled.subject_id or 0, filled["words"])
    return Show("ratings/given", {"given": found})


WORDS = register(
    Form("rate_words", (Field("words", Text(*ratings.WORDS, lines=True)),), _add_words)
)


# For those who lead


@command("feedback", menu=Audience.COORDINATORS)
@button("feedback")
async def show_led(turn: Turn, page: int = 1) -> Reply:
    await forms.set_aside(turn)
    return Show(
        "ratings/led",
        {
            "page": await ratings.led(turn.work, page, PAGE),
            "complaints": await complaints.waiting(turn.work),
            "excuses": await reliability.waiting(turn.work),
        },
    )


@button("feedback.of", reads=True)
async def show_activity(turn: Turn, activity_id: int) -> Reply:
    return Show("ratings/activity", {"said": await ratings.said(turn.work, activity_id)})


@button("feedback.words", reads=True)
async def show_words(turn: Turn, activity_id: int) -> Reply:
    return Show("ratings/words", {"said": await ratings.said(turn.work, activity_id)})


@button("feedback.code", reads=True)
async def show_code(turn: Turn, activity_id: int) -> Reply:
    """A poster for recipients, and the link that stands on it."""
    activity, code, shifts = await ratings.link_key(turn.work, activity_id)
    link = f"{turn.around.public_url}/rate/{code}"
    words, language = turn.around.words, turn.language
    told = {"activity": activity, "shift": shifts[0] if shifts else None}
    poster = posters.Poster(
        title=activity.title,
        when=words.plain("ratings/poster_when", language, **told),
        place=activity.address,
        invitation=words.plain("ratings/poster_invitation", language),
        steps=[words.plain(f"ratings/poster_{step}", language) for step in POSTER_STEPS],
        maker=words.plain("attendance/poster_maker", language),
        link=link,
    )
    return Show(
        "ratings/code",
        {"activity": activity, "link": link},
        picture=lambda: asyncio.to_thread(posters.draw, poster),
        fresh=True,
    )

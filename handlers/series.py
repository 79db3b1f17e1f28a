"""Knowledge cards: series to subscribe to, read a card at a time, with quizzes between."""

from typing import Any

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from services import series
from services.series import HOURS, RHYTHMS, Offer


@command("learn")
@button("learn")
async def show_all(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    offers = await series.offers(turn.work)
    return Show("series/all", {"offers": [_shown(one) for one in offers]})


def _shown(one: Offer) -> dict[str, Any]:
    mine = one.subscription
    return {
        "series_id": one.series.id,
        "emoji": one.series.emoji,
        "names": one.series.names,
        "about": one.series.about,
        "cards": one.cards,
        "subscribed": mine is not None,
        "hour": mine.hour if mine else None,
        "every": mine.every if mine else None,
        "next_at": mine.next_at if mine else None,
        "reached": mine.reached if mine else 0,
    }


@button("series", reads=True)
async def show_one(turn: Turn, series_id: int) -> Reply:
    return Show("series/one", _shown(await series.offer(turn.work, series_id)))


@button("series.when", reads=True)
async def choose_rhythm(turn: Turn, series_id: int) -> Reply:
    shown = _shown(await series.offer(turn.work, series_id))
    return Show("series/rhythm", {**shown, "rhythms": RHYTHMS})


@button("series.rhythm", reads=True)
async def choose_hour(turn: Turn, series_id: int, every: int) -> Reply:
    shown = _shown(await series.offer(turn.work, series_id))
    return Show("series/hour", {**shown, "every": every, "hours": HOURS})


@button("series.subscribe")
async def subscribe(turn: Turn, series_id: int, every: int, hour: int) -> Reply:
    await series.subscribe(turn.work, series_id, hour, every)
    return await show_one(turn, series_id)


@button("series.stop")
async def unsubscribe(turn: Turn, series_id: int) -> Reply:
    stopped = await series.unsubscribe(turn.work, series_id)
    return Show("series/stopped", {"names": stopped.names, "series_id": stopped.id}, fresh=True)


@button("series.next")
async def read_on(turn: Turn, series_id: int) -> Reply:
    return Show("series/card", await series.read_on(turn.work, series_id), fresh=True)


@button("card.answer")
async def answer(turn: Turn, card_id: int, chosen: int) -> Reply:
    result = await series.answer(turn.work, card_id, chosen)
    return Show(
        "series/result",
        {
            "series_id": result.series.id,
            "texts": result.card.texts,
            "correct": result.card.correct,
            "chosen": result.chosen,
            "right": result.is_right,
            "shares": result.shares,
        },
    )

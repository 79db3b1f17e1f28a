"""The volunteer's service record: hours, stars, a chart, and the badge of their star level."""

import asyncio
from typing import Any

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from models import Organisation
from services import charts, points, records, stars, training, typesetting

TRAINED = 3
"""Courses that the record names; the others are one press away."""


@command("record")
@button("record")
async def show_record(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    record = await records.record_of_actor(turn.work)
    person = turn.work.person
    shown = {
        "record": record,
        "trained": await _trained(turn),
        "at": await stars.standing(turn.work, person),
        "points": await points.of(turn.work, person.organisation_id, record.total),
    }
    if not record.total:
        return Show("record/record", shown)
    chart = _chart(turn, record)
    return Show(
        "record/record",
        shown,
        picture=lambda: asyncio.to_thread(charts.draw, chart),
        fresh=True,
    )


async def _trained(turn: Turn) -> dict[str, Any]:
    """The training section: how long in all, and what was last."""
    person_id = turn.work.person.id
    return {
        "minutes": await training.minutes_of(turn.work, person_id),
        "last": await training.of_person(turn.work, person_id, TRAINED),
    }


def _chart(turn: Turn, record: records.Record) -> charts.Chart:
    words, language = turn.around.words, turn.language
    return charts.Chart(
        title=words.plain("record/chart_title", language),
        total=words.plain("record/chart_total", language, record=record),
        stars=record.stars.count,
        most_stars=record.stars.most,
        share=record.stars.share,
        next_star=words.plain("record/chart_next", language, record=record),
        months=[
            (words.plain("record/chart_month", language, month=month), minutes / 60)
            for month, minutes in record.months
        ],
    )


@button("badge", reads=True)
async def show_badge(turn: Turn) -> Reply:
    person = turn.work.person
    record = await records.record_of_actor(turn.work)
    organisation = await turn.work.session.get_one(Organisation, person.organisation_id)
    face = turn.around.words.values(
        "record/badge_face",
        turn.language,
        name=person.name,
        organisation=organisation.names,
        record=record,
    )
    return Show(
        "record/badge",
        {"record": record},
        picture=lambda: asyncio.to_thread(typesetting.png, "record/badge_face", face),
        fresh=True,
    )

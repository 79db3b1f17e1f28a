"""The volunteer's service record: hours, stars and a chart."""

import asyncio

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from services import charts, records


@command("record")
@button("record")
async def show_record(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    record = await records.record_of_actor(turn.work)
    if not record.total:
        return Show("record/record", {"record": record})
    chart = _chart(turn, record)
    return Show(
        "record/record",
        {"record": record},
        picture=lambda: asyncio.to_thread(charts.draw, chart),
        fresh=True,
    )


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

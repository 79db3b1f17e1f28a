"""What an organisation has done, as a picture in chat; the same to be filed."""

import asyncio
from functools import partial

from handlers import console, forms
from handlers.replies import Document, Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import measures, monthly, statistics, typesetting
from services.errors import Gone
from services.formats import named
from services.statistics import Overview, Period

PARTS_PER_PAGE = 12


@command("stats", menu=Audience.COORDINATORS)
@button("stats")
async def choose(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    tops = await statistics.tops(turn.work)
    if len(tops) == 1:
        return await show(turn, tops[0].id)
    return Show("statistics/choose", {"tops": tops})


@button("stats.of", reads=True)
async def show(
    turn: Turn, organisation_id: int, period: str = Period.TWELVE_MONTHS, back: int = 0
) -> Reply:
    seen = await statistics.overview(turn.work, organisation_id, _period(period), back)
    return Show(
        "statistics/shown",
        {
            **statistics.in_short(seen),
            "organisation_id": organisation_id,
            "above": seen.way[-1].id if seen.way else None,
            "parts": len(seen.parts),
        },
        picture=partial(_drawn, turn, seen),
        fresh=True,
    )


def _period(text: str) -> Period:
    """Raises Gone."""
    try:
        return Period(text)
    except ValueError:
        raise Gone from None


async def _drawn(turn: Turn, seen: Overview) -> bytes:
    drawings = statistics.drawings(seen, partial(named, language=turn.language))
    values = turn.around.words.values("statistics/picture", turn.language, seen=seen, **drawings)
    return await asyncio.to_thread(typesetting.png, "statistics/picture", values)


@button("stats.parts", reads=True)
async def choose_part(turn: Turn, organisation_id: int, period: str, page: int = 0) -> Reply:
    """Which of the organisations below it."""
    parts = await statistics.parts(turn.work, organisation_id)
    first = page * PARTS_PER_PAGE
    return Show(
        "statistics/parts",
        {
            "parts": parts[first : first + PARTS_PER_PAGE],
            "organisation_id": organisation_id,
            "period": _period(period).value,
            "page": page,
            "more": len(parts) > first + PARTS_PER_PAGE,
        },
        fresh=True,
    )


@button("stats.topics", reads=True)
async def show_topics(
    turn: Turn, organisation_id: int, period: str = Period.TWELVE_MONTHS, back: int = 0
) -> Reply:
    """What was done beside hours and activities: care, training, projects."""
    shown = statistics.span(turn.work, _period(period), back)
    topics = await measures.seen(turn.work, organisation_id, shown)
    return Show(
        "statistics/topics",
        {"topics": topics, "span": shown, "organisation_id": organisation_id},
        fresh=True,
    )


@button("stats.last", reads=True)
async def send_report(turn: Turn, organisation_id: int) -> Reply:
    """The report on the last month, as it goes out by itself on the first of the next."""
    seen = await monthly.of_last_month(turn.work, organisation_id)
    words, language, made_at = turn.around.words, turn.language, turn.work.now

    async def make() -> bytes:
        return await asyncio.to_thread(monthly.paper, words, language, seen, made_at)

    return Show(
        "statistics/report_sent",
        {"organisation": seen.organisation, "organisation_id": organisation_id, "span": seen.span},
        document=Document(monthly.filename(seen), make),
        fresh=True,
    )


@button("stats.page")
async def open_page(turn: Turn, organisation_id: int) -> Reply:
    """A link that logs in and leads to the page."""
    await statistics.check_sees(turn.work, organisation_id)
    return await console.offer(turn, f"/statistics/{organisation_id}")

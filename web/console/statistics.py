"""What an organisation and everything below it has done: figures, charts, a map; its report."""

import asyncio
from functools import partial

from services import measures, monthly, statistics
from services.errors import Gone
from services.formats import named
from services.statistics import Order, Period
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/statistics")
async def first(visit: Visit) -> Page:
    """Of the highest organisation that one sees; the others are named beside it."""
    tops = await statistics.tops(visit.work)
    return await _show(visit, tops[0].id)


@pages.look("/statistics/{organisation_id}")
async def show(visit: Visit, organisation_id: int) -> Page:
    return await _show(visit, organisation_id)


async def _show(visit: Visit, organisation_id: int) -> Page:
    period = visit.query.get("period", Period.TWELVE_MONTHS)
    order = visit.query.get("order", Order.SHARE)
    if period not in set(Period) or order not in set(Order):
        raise Gone
    seen = await statistics.overview(
        visit.work, organisation_id, Period(period), visit.number("back"), visit.number("ability")
    )
    say = partial(named, language=visit.language)
    return Page(
        "console/statistics/show",
        {
            "seen": seen,
            "topics": await measures.seen(visit.work, organisation_id, seen.span),
            "tops": await statistics.tops(visit.work),
            "parts": statistics.ordered(seen.parts, Order(order), say, up="up" in visit.query),
            "order": order,
            "up": "up" in visit.query,
            "sets_population": await statistics.may_set_population(visit.work, organisation_id),
            "address": f"/console/statistics/{organisation_id}",
            **statistics.drawings(seen, say),
        },
    )


@pages.act("/statistics/{organisation_id}/population", again=show)
async def set_population(visit: Visit, organisation_id: int) -> Goto:
    said = str(visit.form.get("population", "")).replace(",", "").replace(" ", "")
    number = int(said) if said.isascii() and said.isdigit() else 0
    await statistics.set_population(visit.work, organisation_id, number if said else None)
    return Goto(f"/statistics/{organisation_id}", done="saved")


@pages.look("/statistics/{organisation_id}/report")
async def report(visit: Visit, organisation_id: int) -> Download:
    """On the month before the present one, as PDF."""
    seen = await monthly.of_last_month(visit.work, organisation_id)
    words, language, now = visit.words, visit.language, visit.work.now

    async def make() -> bytes:
        return await asyncio.to_thread(monthly.paper, words, language, seen, now)

    return Download(monthly.filename(seen), "application/pdf", make)

"""How an organisation does: indicators of a period beside others of its kind, and its score."""

from services import performance, statistics
from services.errors import Gone
from services.statistics import Period
from web.console.framework import Page, Pages, Visit

pages = Pages()


@pages.look("/feedback/performance")
async def first(visit: Visit) -> Page:
    """Of the highest organisation that one sees."""
    tops = await performance.tops(visit.work)
    return await show(visit, tops[0].id)


@pages.look("/feedback/performance/{organisation_id}")
async def show(visit: Visit, organisation_id: int) -> Page:
    period = visit.query.get("period", Period.YEAR)
    if period not in set(Period):
        raise Gone
    found = await performance.of(visit.work, organisation_id, Period(period), visit.number("back"))
    return Page(
        "console/feedback/performance",
        {
            "seen": found,
            "tops": await performance.tops(visit.work),
            "parts": await statistics.parts(visit.work, organisation_id),
        },
    )

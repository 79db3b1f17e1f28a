"""The first page: what needs me."""

from services import desk
from web.console.framework import Page, Pages, Visit

pages = Pages()


@pages.look("")
async def show(visit: Visit) -> Page:
    return Page("console/today", {"piles": await desk.today(visit.work), "now": visit.work.now})

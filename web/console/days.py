"""The days that are kept every year: seen, added, changed."""

from services import access, days, organisations
from services.access import Right
from services.days import Described
from services.words import LANGUAGES
from web.console.fields import key, lines, number, words
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/days")
async def show_all(visit: Visit) -> Page:
    await access.require_anywhere(visit.work, Right.PLAN_ACTIVITIES)
    return Page(
        "console/days/list",
        {
            "days": await days.coming(visit.work),
            "ahead": visit.work.policy.day_reminder_days,
            "organisations": await organisations.at_hand(visit.work, Right.PLAN_ACTIVITIES),
            "day": None,
        },
    )


@pages.act("/days", again=show_all)
async def add(visit: Visit) -> Goto:
    await days.add(visit.work, key(visit, "organisation"), _described(visit))
    return Goto("/days", done="saved")


@pages.look("/days/{day_id}")
async def show(visit: Visit, day_id: int) -> Page:
    return Page("console/days/one", {"day": await days.opened(visit.work, day_id)})


@pages.act("/days/{day_id}", again=show)
async def change(visit: Visit, day_id: int) -> Goto:
    await days.change(visit.work, day_id, _described(visit))
    return Goto("/days", done="saved")


@pages.act("/days/{day_id}/remove", again=show)
async def remove(visit: Visit, day_id: int) -> Goto:
    await days.remove(visit.work, day_id)
    return Goto("/days", done="removed")


def _described(visit: Visit) -> Described:
    """Raises Refusal."""
    return Described(
        number(visit, "month", 1, 12),
        number(visit, "day", 1, 31),
        {language: words(visit, f"name_{language}") for language in LANGUAGES},
        {language: lines(visit, f"thanks_{language}") for language in LANGUAGES},
    )

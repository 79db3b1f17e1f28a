"""Policies at the desk: recorded, their lists, who of an activity is covered."""

from datetime import date

from models import Cover
from services import access, insurance, organisations
from services.access import Right
from services.errors import Refusal
from services.insurance import Said
from web.console import looks
from web.console.fields import choice, key, lines, words
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/insurance")
async def show_all(visit: Visit) -> Page:
    kept = await insurance.listed(visit.work)
    return Page("console/insurance/list", {"kept": kept, "today": visit.work.today})


@pages.look("/insurance/new")
async def show_new(visit: Visit) -> Page:
    await access.require_anywhere(visit.work, Right.PLAN_ACTIVITIES)
    return Page(
        "console/insurance/new",
        {
            "organisations": await organisations.at_hand(visit.work, Right.PLAN_ACTIVITIES),
            "activities": await insurance.coming_activities(visit.work),
        },
    )


@pages.act("/insurance/new", again=show_new)
async def record(visit: Visit) -> Goto:
    cover = choice(visit, "cover", Cover)
    named = "activity" if cover is Cover.ACTIVITY else "organisation"
    made = await insurance.record(
        visit.work, cover, _said(visit), **{f"{named}_id": key(visit, named)}
    )
    return Goto(f"/insurance/{made.id}", done="saved")


@pages.look("/insurance/{insurance_id}")
async def show(visit: Visit, insurance_id: int) -> Page:
    seen = await insurance.opened(visit.work, insurance_id)
    people = await insurance.on_list(visit.work, insurance_id)
    unknown = visit.query.getall("unknown", [])
    return Page("console/insurance/one", {"seen": seen, "people": people, "unknown": unknown})


@pages.act("/insurance/{insurance_id}/people", again=show)
async def put_on(visit: Visit, insurance_id: int) -> Page:
    """Answers with the page itself, since it names what was not found."""
    added = await insurance.put_on(visit.work, insurance_id, lines(visit, "people"))
    if added.outside:  # that a number of another town is somebody's is told by this
        looks.count(visit)
    page = await show(visit, insurance_id)
    return Page(page.template, {**page.shown, "added": added.added, "unknown": added.unknown})


@pages.act("/insurance/{insurance_id}/people/{person_id}/remove")
async def take_off(visit: Visit, insurance_id: int, person_id: int) -> Goto:
    await insurance.take_off(visit.work, insurance_id, person_id)
    return Goto(f"/insurance/{insurance_id}", done="removed")


@pages.act("/insurance/{insurance_id}/end", again=show)
async def end(visit: Visit, insurance_id: int) -> Goto:
    await insurance.end(visit.work, insurance_id)
    return Goto(f"/insurance/{insurance_id}", done="saved")


def _said(visit: Visit) -> Said:
    return Said(
        words(visit, "insurer"),
        words(visit, "number"),
        words(visit, "covers"),
        _day(visit, "from_day"),
        _day(visit, "until_day"),
    )


def _day(visit: Visit, name: str) -> date:
    """Raises Refusal."""
    try:
        return date.fromisoformat(words(visit, name))
    except ValueError:
        raise Refusal("form_day", reason="impossible_date") from None

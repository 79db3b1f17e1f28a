"""Activities: the list, the calendar, each of them, and what is done with one as a whole."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from models import ActivityState, ServiceField
from services import (
    activities,
    agenda,
    announcements,
    briefings,
    insurance,
    planning,
    shifts,
    terms,
)
from services.agenda import Wanted
from services.errors import Refusal
from web.console import fields
from web.console.framework import Goto, Page, Pages, Visit
from web.keys import BOT_USERNAME

pages = Pages()

FILTERS = ("q", "organisation", "field", "state", "since", "until")
IN_MONTH, IN_WEEK = 4, 30
"""Shifts of a day that the calendar shows."""


def link_to(visit: Visit, activity_id: int) -> str:
    """What opens an activity in the bot from outside of it."""
    return f"https://t.me/{visit.request.app[BOT_USERNAME]}?start=a-{activity_id}"


# Looking for them


def wanted_of(visit: Visit) -> Wanted:
    """What the address asks for; who asks for nothing sees what is to come."""
    query = visit.query
    states = set(ActivityState)
    state = query.get("state", "")
    asked = any(name in query for name in FILTERS)
    return Wanted(
        typed=query.get("q", ""),
        organisation_id=visit.number("organisation") or None,
        field_id=visit.number("field") or None,
        state=ActivityState(state) if state in states else None,
        since=fields.day_in_query(visit, "since") if asked else visit.work.today,
        until=fields.day_in_query(visit, "until"),
    )


async def _searching(visit: Visit, wanted: Wanted) -> dict[str, Any]:
    """What the form of filters offers."""
    return {
        "wanted": wanted,
        "states": [state.value for state in ActivityState],
        "organisations": await agenda.places(visit.work),
        "service_fields": await terms.every(visit.work.session, ServiceField),
        "plans": bool(await planning.places_to_plan(visit.work)),
        "today": visit.work.today,
    }


@pages.look("/activities")
async def show_list(visit: Visit) -> Page:
    wanted = wanted_of(visit)
    found = await agenda.listed(visit.work, wanted, visit.number("page", 1))
    shown = {"page": found, "now": visit.work.now, **await _searching(visit, wanted)}
    return Page("console/activities/list", shown)


@pages.look("/activities/calendar")
async def show_calendar(visit: Visit) -> Page:
    day = fields.day_in_query(visit, "day") or visit.work.today
    by_week = visit.query.get("view") == "week"
    first, last = agenda.week_of(day) if by_week else agenda.weeks_of_month(day)
    wanted = replace(wanted_of(visit), since=first, until=last)
    days = await agenda.calendar(visit.work, wanted, most=IN_WEEK if by_week else IN_MONTH)
    month = day.replace(day=1)
    return Page(
        "console/activities/calendar",
        {
            "days": days,
            "day": day,
            "by_week": by_week,
            "before": first - timedelta(days=1) if by_week else month - timedelta(days=1),
            "after": last + timedelta(days=1) if by_week else month + timedelta(days=31),
            **await _searching(visit, wanted),
        },
    )


# One of them


@pages.look("/activities/{activity_id}")
async def show(visit: Visit, activity_id: int) -> Page:
    return Page(
        "console/activities/one",
        {
            "shown": await agenda.shown(visit.work, activity_id),
            "safety": await briefings.of(visit.work, activity_id),
            "uncovered": await insurance.without(visit.work, activity_id),
        },
    )


@pages.act("/activities/{activity_id}/safety", again=show)
async def say_safety(visit: Visit, activity_id: int) -> Goto:
    said, dangerous = fields.lines(visit, "briefing"), "dangerous" in visit.form
    await briefings.say(visit.work, activity_id, said, dangerous=dangerous)
    return Goto(f"/activities/{activity_id}", done="saved")


@pages.look("/activities/{activity_id}/preview")
async def preview(visit: Visit, activity_id: int) -> Page:
    activity = await planning.ready(visit.work, activity_id)
    found = await announcements.preview(visit.work, activity)
    return Page(
        "console/activities/preview",
        {"activity": activity, "preview": found, "phones": phones(visit, found.about)},
    )


def phones(visit: Visit, about: dict[str, Any]) -> dict[str, Any]:
    """The announcement as volunteers read it, by language."""
    return {
        language: visit.words.render("activities/announcement", language, about=about)
        for language in visit.words.languages
    }


@pages.act("/activities/{activity_id}/publish", again=preview)
async def publish(visit: Visit, activity_id: int) -> Goto:
    """With its coordinator's word where the page asked for it; the service says whether it must."""
    word = await fields.watchword(visit) if "word" in visit.form else None
    told = await planning.publish(visit.work, activity_id, link_to(visit, activity_id), word)
    return Goto(f"/activities/{activity_id}", done="published", number=told)


@pages.act("/activities/{activity_id}/discard", again=show)
async def discard(visit: Visit, activity_id: int) -> Goto:
    await planning.discard(visit.work, activity_id)
    return Goto("/activities?state=draft", done="discarded")


@pages.look("/activities/{activity_id}/call-off")
async def ask_why(visit: Visit, activity_id: int) -> Page:
    activity = await activities.planned(visit.work, activity_id)
    if activity.state is not ActivityState.PUBLISHED:
        raise Refusal("plan_not_published")
    people = await announcements.counting_on(visit.work.session, activity_id)
    return Page(
        "console/activities/call_off",
        {"activity": activity, "people": len(people), "most": planning.REASON[1]},
    )


@pages.act("/activities/{activity_id}/call-off", again=ask_why)
async def call_off(visit: Visit, activity_id: int) -> Goto:
    await planning.call_off(visit.work, activity_id, fields.words(visit, "reason"))
    return Goto(f"/activities/{activity_id}", done="called_off")


@pages.look("/activities/{activity_id}/again")
async def ask_when(visit: Visit, activity_id: int) -> Page:
    activity = await activities.planned(visit.work, activity_id)
    known = await activities.shifts_of(visit.work.session, activity_id)
    if not known:
        raise Refusal("plan_no_shifts")
    return Page(
        "console/activities/again",
        {
            "activity": activity,
            "starts_at": known[0].starts_at.astimezone(visit.work.policy.zone),
            "most_weeks": planning.MOST_WEEKS,
            "last_day": visit.work.today + shifts.FARTHEST,
            "today": visit.work.today,
        },
    )


@pages.act("/activities/{activity_id}/copy", again=ask_when)
async def copy(visit: Visit, activity_id: int) -> Goto:
    first = fields.moment(visit, "day", "clock")
    made = await planning.copy(visit.work, activity_id, first)
    return Goto(f"/activities/{made.id}", done="copied")


@pages.act("/activities/{activity_id}/repeat", again=ask_when)
async def repeat(visit: Visit, activity_id: int) -> Goto:
    weeks = fields.number(visit, "weeks", 1, planning.MOST_WEEKS)
    publish = visit.form.get("publish") == "1"
    made = await planning.repeat(visit.work, activity_id, weeks, publish=publish)
    since = visit.work.today
    return Goto(f"/activities?since={since}&q=", done="repeated", number=len(made))

"""A call-out that runs or ran, at the desk: the live board and what its commander does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from models import Callout, CalloutState, ResponseState, ScreenPage
from services import (
    aftermath,
    callouts,
    commanding,
    declaring,
    scene,
    screens,
    standing_down,
    typesetting,
)
from services.errors import Refusal
from services.sheets import Column, Kind
from services.work import Work
from web import boards
from web.console import asking
from web.console import callouts as declared
from web.console.downloads import spreadsheet
from web.console.framework import Download, Goto, Later, Page, Pages, Visit
from web.keys import PUBLIC_URL

pages = Pages()


@pages.look("/callouts/{callout_id}")
async def show(visit: Visit, callout_id: int) -> Page:
    """Its preview, or the second commander's question, or the board."""
    callout = await callouts.watched(visit.work, callout_id)
    if callout.state is CalloutState.DRAFT:
        return await declared.preview(visit, callout)
    if callout.state in (CalloutState.AWAITING_SECOND, CalloutState.LAPSED):
        return await declared.waiting(visit, callout)
    return await board(visit, callout)


async def board(visit: Visit, callout: Callout) -> Page:
    shown = await _inside(visit, callout)
    me = visit.work.person.id
    commands = callout.commander_id == me
    runs = callout.state is CalloutState.ACTIVE
    successors = await commanding.others(visit.work, callout) if runs and commands else []
    return Page(
        "console/callouts/board",
        {
            **shown,
            "commands": commands,
            "offered": callout.offered_to_id == me,
            "successors": successors,
            "kilometres_to_ask": commanding.ASK_ALL,
            "known_places": await declaring.known_places(visit.work, own=True) if runs else [],
            "lessons": callout.lessons,
            "options": await declared.options(visit) if runs else {},
            "block": declared.empty_block(),
        },
    )


async def _inside(visit: Visit, callout: Callout) -> dict[str, Any]:
    shown = await screens.shown(visit.work, callout)
    return {**shown, "code": boards.code(visit.request, callout), "alarms": shown["sos"], "sos": []}


@pages.live("/callouts/{callout_id}/live")
async def follow(visit: Visit, callout_id: int) -> Page:
    callout = await callouts.watched(visit.work, callout_id)
    return Page("console/callouts/_live", await _inside(visit, callout))


def _back(callout_id: int, done: str = "", number: int | None = None) -> Goto:
    return Goto(f"/callouts/{callout_id}", done, number)


# Whom to ask


@pages.act("/callouts/{callout_id}/more", again=show)
async def ask_more(visit: Visit, callout_id: int) -> Goto:
    asked = await commanding.ask_more(visit.work, callout_id)
    return _back(callout_id, "people_asked", asked)


@pages.act("/callouts/{callout_id}/everyone", again=show)
async def ask_everyone(visit: Visit, callout_id: int) -> Goto:
    kilometres = asking.key(visit.form, "kilometres") or 0
    asked = await commanding.ask_within(visit.work, callout_id, kilometres)
    return _back(callout_id, "people_asked", asked)


@pages.act("/callouts/{callout_id}/hold", again=show)
async def hold(visit: Visit, callout_id: int) -> Goto:
    holds = asking.text(visit.form, "holds") == "1"
    await commanding.hold(visit.work, callout_id, holds=holds)
    return _back(callout_id)


@pages.act("/callouts/{callout_id}/neighbours", again=show)
async def ask_neighbours(visit: Visit, callout_id: int) -> Goto:
    asked = await commanding.ask_neighbours(visit.work, callout_id)
    return _back(callout_id, "neighbours_asked", asked)


@pages.act("/callouts/{callout_id}/quota", again=show)
async def change_quota(visit: Visit, callout_id: int) -> Goto:
    await callouts.running(visit.work, callout_id)
    quota = asking.number(visit.form, "quota", 1, declaring.LARGEST)
    if quota is None:
        raise Refusal("form_not_a_number", least=1, most=declaring.LARGEST)
    need_id = asking.key(visit.form, "need") or 0
    found = await commanding.change_quota(visit.work, need_id, quota)
    return _back(found.id, "saved")


@pages.act("/callouts/{callout_id}/also", again=show)
async def add_need(visit: Visit, callout_id: int) -> Goto:
    await callouts.running(visit.work, callout_id)
    await commanding.add_need(visit.work, callout_id, declared.wanted(visit.form, 0))
    return _back(callout_id, "saved")


@pages.act("/callouts/{callout_id}/move", again=show)
async def move(visit: Visit, callout_id: int) -> Goto:
    await callouts.running(visit.work, callout_id)
    place = await declaring.place_said(visit.work, asking.text(visit.form, "place"))
    address = asking.text(visit.form, "address") or next(iter(place.names.values()), "")
    await commanding.move(visit.work, callout_id, place.latitude, place.longitude, address)
    return _back(callout_id, "moved")


@pages.act("/callouts/{callout_id}/say", again=show)
async def say(visit: Visit, callout_id: int) -> Goto:
    """To everyone who is in it, or to those of a need."""
    await callouts.running(visit.work, callout_id)
    told = await commanding.say(
        visit.work,
        callout_id,
        asking.text(visit.form, "text"),
        need_id=asking.key(visit.form, "need"),
    )
    return _back(callout_id, "told", told)


@pages.act("/callouts/{callout_id}/safety", again=show)
async def call_roll(visit: Visit, callout_id: int) -> Goto:
    await callouts.running(visit.work, callout_id)
    asked = await scene.call_roll(visit.work, callout_id)
    return _back(callout_id, "roll_called", asked)


@pages.act("/callouts/{callout_id}/relieve", again=show)
async def relieve(visit: Visit, callout_id: int) -> Goto:
    await scene.relieve(visit.work, callout_id)
    return _back(callout_id, "saved")


@pages.act("/callouts/{callout_id}/screen", again=show)
async def make_screen(visit: Visit, callout_id: int) -> Page:
    """A link for one big screen, good once and for a few minutes."""
    secret = await screens.make(visit.work, callout_id, ScreenPage.BOARD)
    address = f"{visit.request.app[PUBLIC_URL]}/board/open/{secret}"
    return Page("console/callouts/screen", {"callout_id": callout_id, "address": address})


# Who commands


@pages.act("/callouts/{callout_id}/offer", again=show)
async def offer(visit: Visit, callout_id: int) -> Goto:
    await commanding.offer(visit.work, callout_id, asking.key(visit.form, "person") or 0)
    return _back(callout_id, "command_offered")


@pages.act("/callouts/{callout_id}/accept", again=show)
async def accept(visit: Visit, callout_id: int) -> Goto:
    await commanding.accept(visit.work, callout_id)
    return _back(callout_id, "saved")


@pages.act("/callouts/{callout_id}/refuse", again=show)
async def refuse(visit: Visit, callout_id: int) -> Goto:
    await commanding.refuse(visit.work, callout_id)
    return _back(callout_id, "saved")


@pages.act("/callouts/{callout_id}/take-over", again=show)
async def take_over(visit: Visit, callout_id: int) -> Goto:
    await commanding.take_over(visit.work, callout_id)
    return _back(callout_id, "saved")


# The roll


@pages.look("/callouts/{callout_id}/roll")
async def show_roll(visit: Visit, callout_id: int) -> Page:
    callout = await callouts.watched(visit.work, callout_id)
    about = await callouts.described(visit.work, callout)
    return Page("console/callouts/roll", {**about, **await _roll(visit, callout)})


async def _roll(visit: Visit, callout: Callout) -> dict[str, Any]:
    waiting = [state.value for state in commanding.WAITING]
    there = [ResponseState.ON_SCENE.value, ResponseState.HOME.value]
    return {
        "callout_id": callout.id,
        "people": await scene.watched_roll(visit.work, callout.id),
        "teams": scene.TEAMS,
        "runs": callout.state is CalloutState.ACTIVE,
        "waiting": waiting,
        "on_site": there,
    }


@pages.live("/callouts/{callout_id}/roll/live")
async def follow_roll(visit: Visit, callout_id: int) -> Page:
    callout = await callouts.watched(visit.work, callout_id)
    return Page("console/callouts/_roll", await _roll(visit, callout))


def _to_roll(callout_id: int, done: str = "saved") -> Goto:
    return Goto(f"/callouts/{callout_id}/roll", done)


@pages.act("/callouts/{callout_id}/people/{person_id}/arrived", again=None)
async def note_arrived(visit: Visit, callout_id: int, person_id: int) -> Goto:
    await scene.note_arrived(visit.work, callout_id, person_id)
    return _to_roll(callout_id)


@pages.act("/callouts/{callout_id}/people/{person_id}/team")
async def put_in_team(visit: Visit, callout_id: int, person_id: int) -> Goto:
    team = asking.number(visit.form, "team", 0, scene.TEAMS) or 0
    await scene.put_in_team(visit.work, callout_id, person_id, team)
    return _to_roll(callout_id)


@pages.act("/callouts/{callout_id}/people/{person_id}/leader")
async def make_leader(visit: Visit, callout_id: int, person_id: int) -> Goto:
    await scene.make_leader(visit.work, callout_id, person_id)
    return _to_roll(callout_id)


@pages.act("/callouts/{callout_id}/people/{person_id}/call-up")
async def call_up(visit: Visit, callout_id: int, person_id: int) -> Goto:
    await commanding.call_up(visit.work, callout_id, person_id)
    return _to_roll(callout_id)


@pages.act("/callouts/{callout_id}/people/{person_id}/say")
async def say_to(visit: Visit, callout_id: int, person_id: int) -> Goto:
    await callouts.running(visit.work, callout_id)
    await commanding.say(visit.work, callout_id, asking.text(visit.form, "text"), to=person_id)
    return _to_roll(callout_id, "told_one")


# The end, and afterwards


@pages.look("/callouts/{callout_id}/end")
async def ask_to_end(visit: Visit, callout_id: int) -> Page:
    callout = await callouts.watched(visit.work, callout_id)
    if callout.state is not CalloutState.ACTIVE:
        raise Refusal("callout_over")
    return Page("console/callouts/end", await callouts.described(visit.work, callout))


@pages.act("/callouts/{callout_id}/end", again=show)
async def stand_down(visit: Visit, callout_id: int) -> Goto:
    found = await callouts.running(visit.work, callout_id)
    title = visit.words.plain(
        "callouts/activity_title",
        visit.work.policy.default_language,
        kind=found.kind.value,
        drill=found.drill,
    )
    false_alarm = asking.text(visit.form, "how") == "false_alarm"
    await standing_down.stand_down(visit.work, callout_id, title, false_alarm=false_alarm)
    return _back(callout_id, "stood_down")


@pages.act("/callouts/{callout_id}/false-alarm", again=show)
async def call_it_false(visit: Visit, callout_id: int) -> Goto:
    await standing_down.call_it_false(visit.work, callout_id)
    return _back(callout_id, "saved")


@pages.look("/callouts/{callout_id}/report")
async def show_report(visit: Visit, callout_id: int) -> Page:
    shown = await aftermath.watched(visit.work, callout_id)
    here = f"/console/callouts/{callout_id}"
    more = {"opens": "report", "made_at": visit.work.now, "back": here}
    return Page("callouts/report", {**shown, **more})


@pages.act("/callouts/{callout_id}/report.pdf")
async def make_paper(visit: Visit, callout_id: int) -> Download:
    """The report as it is filed."""
    report = await aftermath.whole(visit.work, callout_id)
    made_at = visit.work.now
    values = visit.words.values("callouts/report", visit.language, **report, made_at=made_at)
    return Download(
        f"callout-{callout_id}.pdf",
        "application/pdf",
        lambda: asyncio.to_thread(typesetting.pdf, "callouts/report", values, made_at),
    )


@pages.act("/callouts/{callout_id}/table.xlsx")
async def make_table(visit: Visit, callout_id: int) -> Later:
    """Everyone who was asked and what became of it, as a spreadsheet."""
    people, needs = await aftermath.lines(visit.work, callout_id)

    def plain(name: str, **parameters: Any) -> str:
        return visit.words.plain(f"callouts/{name}", visit.language, **parameters)

    states = {state: plain("state", state=state.value) for state in ResponseState}
    roles = {need["id"]: plain("role", need=need) for need in needs}

    async def rows(_work: Work) -> AsyncIterator[Sequence[Any]]:
        for asked in people:
            one = asked.response
            yield (
                asked.name, states[one.state], roles[one.need_id], one.wave, round(one.metres),
                one.asked_at, one.answered_at, one.arrived_at, one.home_at,
            )  # fmt: skip

    numbers = {"wave", "distance"}
    words = {"name", "state", "role"}
    columns = [
        Column(
            plain("heading", what=name),
            Kind.NUMBER if name in numbers else Kind.TEXT if name in words else Kind.MOMENT,
        )
        for name in aftermath.HEADINGS
    ]
    return spreadsheet(visit, f"callout-{callout_id}.xlsx", columns, rows)


@pages.act("/callouts/{callout_id}/lesson", again=show)
async def learn(visit: Visit, callout_id: int) -> Goto:
    await aftermath.learn(visit.work, callout_id, asking.text(visit.form, "text"))
    return _back(callout_id, "saved")

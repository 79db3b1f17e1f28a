"""Rescue teams: who is ready by posts, members, equipment, drills and what they left to mend."""

from datetime import date
from typing import Any

from models import QualificationKind, Skill, ThingState
from services import drills, fitness, manning, stores, teams, terms
from services.errors import Refusal
from services.stores import Described
from services.teams import Wanted
from web.console import fields
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/teams")
async def show_all(visit: Visit) -> Page:
    found = await teams.led_ones(visit.work)
    sizes = await teams.sizes(visit.work, [one.id for one in found])
    return Page("console/teams/list", {"teams": found, "sizes": sizes})


# One team


@pages.look("/teams/{rescue_team_id}")
async def show(visit: Visit, rescue_team_id: int) -> Page:
    work = visit.work
    await teams.led(work, rescue_team_id)
    typed = visit.query.get("find", "")
    return Page(
        "console/teams/team",
        {
            **await fitness.overview(work, rescue_team_id),
            "gaps": [one.shown() for one in await manning.gaps(work, rescue_team_id)],
            "invited": await teams.invited(work, rescue_team_id),
            "candidates": await teams.candidates(work, rescue_team_id, typed)
            if typed.strip()
            else None,
            "tasks": await drills.tasks(work, rescue_team_id, drills.OPEN),
            "due": await stores.due_count(work, rescue_team_id),
            "post": None,
            "options": await _options(visit),
        },
    )


async def _options(visit: Visit) -> dict[str, Any]:
    session = visit.work.session
    return {
        "qualifications": await terms.every(session, QualificationKind),
        "skills": await terms.every(session, Skill),
    }


def _to(rescue_team_id: int, done: str, number: int | None = None, part: str = "") -> Goto:
    return Goto(f"/teams/{rescue_team_id}{part}", done, number)


@pages.act("/teams/{rescue_team_id}/ask", again=show)
async def ask(visit: Visit, rescue_team_id: int) -> Goto:
    return _to(rescue_team_id, "people_asked", await fitness.ask(visit.work, rescue_team_id))


@pages.act("/teams/{rescue_team_id}/invite", again=show)
async def invite(visit: Visit, rescue_team_id: int) -> Goto:
    person_id, typed = fields.key(visit, "person"), str(visit.form.get("find", ""))
    await teams.invite(visit.work, rescue_team_id, person_id, typed)
    return _to(rescue_team_id, "invited")


async def again(visit: Visit, rescue_team_id: int, person_id: int) -> Page:
    """The team that somebody is in."""
    return await show(visit, rescue_team_id)


@pages.act("/teams/{rescue_team_id}/people/{person_id}/post", again=again)
async def give_post(visit: Visit, rescue_team_id: int, person_id: int) -> Goto:
    chosen = fields.words(visit, "post")
    post_id = fields.key(visit, "post") if chosen else None
    await teams.give_post(visit.work, rescue_team_id, person_id, post_id)
    return _to(rescue_team_id, "saved")


@pages.act("/teams/{rescue_team_id}/people/{person_id}/remove", again=again)
async def remove(visit: Visit, rescue_team_id: int, person_id: int) -> Goto:
    await teams.remove(visit.work, rescue_team_id, person_id)
    return _to(rescue_team_id, "removed")


# Posts


@pages.act("/teams/{rescue_team_id}/posts", again=show)
async def add_post(visit: Visit, rescue_team_id: int) -> Goto:
    await teams.led(visit.work, rescue_team_id)
    await teams.add_post(visit.work, rescue_team_id, _wanted(visit))
    return _to(rescue_team_id, "saved")


@pages.look("/teams/posts/{post_id}")
async def show_post(visit: Visit, post_id: int) -> Page:
    post, team = await teams.post(visit.work, post_id)
    shown = {"team_id": team.id, "team": team.names, "post": post}
    return Page("console/teams/post", {**shown, "options": await _options(visit)})


@pages.act("/teams/posts/{post_id}", again=show_post)
async def change_post(visit: Visit, post_id: int) -> Goto:
    await teams.post(visit.work, post_id)
    found = await teams.change_post(visit.work, post_id, _wanted(visit))
    return _to(found.organisation_id, "saved")


@pages.act("/teams/posts/{post_id}/remove")
async def remove_post(visit: Visit, post_id: int) -> Goto:
    return _to(await teams.remove_post(visit.work, post_id), "removed")


def _wanted(visit: Visit) -> Wanted:
    """Raises Refusal."""
    return Wanted(
        fields.words(visit, "name"),
        fields.number(visit, "wanted", 1, teams.MOST_WANTED),
        fields.number(visit, "on_duty", 0, teams.MOST_WANTED),
        visit.keys("qualifications"),
        visit.keys("skills"),
    )


# Equipment


@pages.look("/teams/{rescue_team_id}/equipment")
async def equipment(visit: Visit, rescue_team_id: int) -> Page:
    await teams.led(visit.work, rescue_team_id)
    team, _, found = await stores.listed(visit.work, rescue_team_id)
    return Page(
        "console/teams/equipment",
        {
            "team_id": team.id,
            "team": team.names,
            "things": [stores.shown(visit.work, one) for one in found],
            "thing": None,
            **_choices(),
        },
    )


def _choices() -> dict[str, Any]:
    return {"states": [one.value for one in ThingState], "intervals": stores.INTERVALS}


@pages.act("/teams/{rescue_team_id}/equipment", again=equipment)
async def add_thing(visit: Visit, rescue_team_id: int) -> Goto:
    await teams.led(visit.work, rescue_team_id)
    await stores.add(visit.work, rescue_team_id, _described(visit))
    return _to(rescue_team_id, "saved", part="/equipment")


@pages.look("/teams/equipment/{equipment_id}")
async def show_thing(visit: Visit, equipment_id: int) -> Page:
    found = await stores.thing(visit.work, equipment_id)
    team = await teams.led(visit.work, found.organisation_id)
    shown = {"team_id": team.id, "team": team.names, "thing": stores.shown(visit.work, found)}
    return Page("console/teams/thing", {**shown, **_choices()})


@pages.act("/teams/equipment/{equipment_id}", again=show_thing)
async def change_thing(visit: Visit, equipment_id: int) -> Goto:
    await stores.thing(visit.work, equipment_id)
    found = await stores.change(visit.work, equipment_id, _described(visit))
    return _to(found.organisation_id, "saved", part="/equipment")


@pages.act("/teams/equipment/{equipment_id}/checked")
async def check_thing(visit: Visit, equipment_id: int) -> Goto:
    found = await stores.check(visit.work, equipment_id)
    return _to(found.organisation_id, "saved", part="/equipment")


@pages.act("/teams/equipment/{equipment_id}/remove")
async def remove_thing(visit: Visit, equipment_id: int) -> Goto:
    rescue_team_id = await stores.remove(visit.work, equipment_id)
    return _to(rescue_team_id, "removed", part="/equipment")


def _described(visit: Visit) -> Described:
    """Raises Refusal."""
    return Described(
        fields.words(visit, "name"),
        fields.number(visit, "count", 1, stores.MOST_COUNT),
        fields.words(visit, "place"),
        fields.choice(visit, "state", ThingState),
        fields.number(visit, "interval", 0, stores.LONGEST) or None,
        _day(visit, "next") if fields.words(visit, "next") else None,
    )


def _day(visit: Visit, name: str) -> date:
    """Raises Refusal."""
    try:
        return date.fromisoformat(fields.words(visit, name))
    except ValueError:
        raise Refusal("form_day", reason="impossible_date") from None


# Drills


@pages.look("/teams/{rescue_team_id}/drills")
async def show_drills(visit: Visit, rescue_team_id: int) -> Page:
    team, found = await drills.listed(visit.work, rescue_team_id)
    tasks = await drills.tasks(visit.work, rescue_team_id)
    shown = {"team_id": team.id, "team": team.names, "drills": found, "tasks": tasks}
    return Page("console/teams/drills", shown)


@pages.look("/teams/{rescue_team_id}/drills/{drill_id}")
async def show_drill(visit: Visit, rescue_team_id: int, drill_id: int) -> Page:
    record = await drills.record(visit.work, rescue_team_id, drill_id)
    team = await teams.led(visit.work, rescue_team_id)
    mates = await fitness.of_team(visit.work, team)
    people = [(one.person.id, one.person.name) for one in mates]
    return Page("console/teams/drill", {**record, "mates": people})


@pages.act("/teams/{rescue_team_id}/drills/{drill_id}/lesson", again=show_drill)
async def keep_lesson(visit: Visit, rescue_team_id: int, drill_id: int) -> Goto:
    await drills.learn(visit.work, rescue_team_id, drill_id, fields.lines(visit, "text"))
    return _to(rescue_team_id, "saved", part=f"/drills/{drill_id}")


@pages.act("/teams/{rescue_team_id}/drills/{drill_id}/tasks", again=show_drill)
async def note_task(visit: Visit, rescue_team_id: int, drill_id: int) -> Goto:
    await teams.led(visit.work, rescue_team_id)
    person_id = fields.key(visit, "person") if fields.words(visit, "person") else None
    await drills.note_task(
        visit.work, rescue_team_id, drill_id, fields.words(visit, "what"),
        person_id=person_id, due_on=_day(visit, "due"),
    )  # fmt: skip
    return _to(rescue_team_id, "saved", part=f"/drills/{drill_id}")


@pages.act("/teams/tasks/{task_id}/done")
async def finish(visit: Visit, task_id: int) -> Goto:
    found = await drills.finish(visit.work, task_id)
    return _to(found.organisation_id, "saved", part="/drills")


@pages.act("/teams/tasks/{task_id}/drop")
async def drop(visit: Visit, task_id: int) -> Goto:
    found = await drills.drop(visit.work, task_id)
    return _to(found.organisation_id, "removed", part="/drills")

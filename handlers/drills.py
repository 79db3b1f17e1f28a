"""What a team's drills and call-outs leave behind: the record, lessons, what is to be mended."""

from datetime import date
from typing import Any

from handlers import forms
from handlers.fields import Asked, DayAhead, Field, Option, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import button
from handlers.teams import own_teams
from handlers.turns import Turn
from models import Organisation, Person
from services import aftermath, drills, fitness, teams

SOON = (7, 14, 30)
"""Days from today until something is to be mended, of which one may be chosen."""


@button("team.drills", reads=True)
async def show_all(turn: Turn, team_id: int) -> Reply:
    team, found = await drills.listed(turn.work, team_id)
    shown = {
        "team": team.names,
        "team_id": team.id,
        "drills": found,
        "tasks": await drills.tasks(turn.work, team_id, drills.OPEN),
    }
    return Show("drills/all", shown)


@button("team.drill")
async def show(turn: Turn, team_id: int, callout_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _record(turn, team_id, callout_id)


async def _record(turn: Turn, team_id: int, callout_id: int) -> Show:
    return Show("drills/record", await drills.record(turn.work, team_id, callout_id))


# Lessons


@button("team.lesson")
async def ask_lesson(turn: Turn, team_id: int, callout_id: int) -> Reply:
    await drills.record(turn.work, team_id, callout_id)
    return await start(turn, LESSON, subject_id=callout_id, answers={"team": team_id})


async def _keep_lesson(turn: Turn, filled: Filled) -> Reply:
    team_id, callout_id = filled["team"], filled.subject_id or 0
    await drills.learn(turn.work, team_id, callout_id, filled["text"])
    return [Toast("teams/kept"), *parts_of(await _record(turn, team_id, callout_id))]


LESSON = register(
    Form(
        "drill_lesson",
        (
            Field("team", Pick(own_teams)),
            Field("text", Text(most=aftermath.LESSON_LENGTH, lines=True)),
        ),
        _keep_lesson,
        numbered=False,
    )
)


# What is to be mended


@button("team.task_new")
async def ask_task(turn: Turn, team_id: int, callout_id: int) -> Reply:
    await drills.record(turn.work, team_id, callout_id)
    return await start(turn, TASK, subject_id=callout_id, answers={"team": team_id})


async def _mates(asked: Asked) -> list[Option]:
    team = await teams.led(asked.turn.work, asked.answers["team"])
    found = await fitness.of_team(asked.turn.work, team)
    return [Option(one.person.id, {"": one.person.name}, one.person.name_search) for one in found]


async def _describe_task(turn: Turn, filled: Filled) -> dict[str, Any]:
    session, key = turn.work.session, filled.get("person")
    team = await session.get_one(Organisation, filled["team"])
    return {
        "team": team.names,
        "who": (await session.get_one(Person, key)).name if key else None,
    }


async def _keep_task(turn: Turn, filled: Filled) -> Reply:
    team_id, callout_id = filled["team"], filled.subject_id or 0
    await drills.note_task(
        turn.work, team_id, callout_id, filled["what"],
        person_id=filled.get("person"), due_on=date.fromisoformat(filled["due"]),
    )  # fmt: skip
    return [Toast("teams/kept"), *parts_of(await _record(turn, team_id, callout_id))]


TASK = register(
    Form(
        "drill_task",
        (
            Field("team", Pick(own_teams)),
            Field("what", Text(most=drills.WHAT_LENGTH)),
            Field("person", Pick(_mates), optional=True),
            Field("due", DayAhead(usual=SOON)),
        ),
        _keep_task,
        _describe_task,
    )
)


@button("team.task_done")
async def finish(turn: Turn, task_id: int) -> Reply:
    found = await drills.finish(turn.work, task_id)
    return Show("drills/finished", {"what": found.what, "team_id": found.organisation_id})


@button("team.task_off")
async def drop(turn: Turn, task_id: int) -> Reply:
    found = await drills.drop(turn.work, task_id)
    return await show_all(turn, found.organisation_id)

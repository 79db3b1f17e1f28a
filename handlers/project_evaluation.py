"""Evaluating a project in the chat: leader and reviewers score it, recipients have a link."""

import asyncio
import io
from dataclasses import dataclass
from typing import Any

import segno

from handlers.fields import Answer, Asked, Field, Kind, Stay, Text
from handlers.forms import Filled, Form, register, start
from handlers.projects import show
from handlers.replies import Reply, Show
from handlers.routes import button, key_from
from handlers.turns import Turn
from models import ProjectState, ProjectVoice
from services import project_evaluation, projects
from services.errors import Gone, NotAllowed, Refusal

SHOWN = 4
SCALE = 12


@dataclass(frozen=True, slots=True)
class Scores(Kind):
    """One to five for each indicator, one after the other: {"<indicator>": score, ...}."""

    partial: str = "scores"

    async def view(self, asked: Asked) -> dict[str, Any]:
        given = self._given(asked)
        indicators = await projects.indicators_of(asked.turn.work, asked.subject_id or 0)
        left = [one for one in indicators if str(one.id) not in given]
        return {
            "indicators": indicators,
            "given": given,
            "asked_now": left[0] if left else None,
            "best": project_evaluation.BEST,
        }

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        given = self._given(asked)
        if what == "unscore" and given:
            return Stay({"scores": dict(list(given.items())[:-1])})
        indicators = await projects.indicators_of(asked.turn.work, asked.subject_id or 0)
        left = [one for one in indicators if str(one.id) not in given]
        if what != "pick" or not left or not 1 <= key_from(argument) <= project_evaluation.BEST:
            raise Gone
        given = {**given, str(left[0].id): key_from(argument)}
        return Answer(given) if len(left) == 1 else Stay({"scores": given})

    def _given(self, asked: Asked) -> dict[str, int]:
        return dict(asked.scratch.get("scores", {}))


@button("project.evaluation", reads=True)
async def show_evaluation(turn: Turn, project_id: int) -> Reply:
    return await _show(turn, project_id)


async def _show(turn: Turn, project_id: int, news: str | None = None) -> Reply:
    project, rights = await projects.seen(turn.work, project_id)
    outcome = await project_evaluation.outcome(turn.work, project_id)
    return Show(
        "projects/evaluation",
        {
            "project": project,
            "may": rights,
            "indicators": await projects.indicators_of(turn.work, project_id),
            "voices": {voice.value: one for voice, one in outcome.voices.items()},
            "words_said": [(voice.value, words) for voice, words in outcome.words[:SHOWN]],
            "score": outcome.score(project_evaluation.shares(turn.work)),
            "news": news,
        },
    )


@button("project.finish", reads=True)
async def ask_to_finish(turn: Turn, project_id: int) -> Reply:
    return Show("projects/finish", {"project": await projects.led(turn.work, project_id)})


@button("project.evaluate")
async def begin(turn: Turn, project_id: int) -> Reply:
    await project_evaluation.begin(turn.work, project_id)
    return await _show(turn, project_id, news="begun")


@button("project.score")
async def score(turn: Turn, project_id: int) -> Reply:
    await project_evaluation.check_open(turn.work, project_id)
    return await start(turn, SCORE, subject_id=project_id)


@button("project.close")
async def close(turn: Turn, project_id: int) -> Reply:
    await project_evaluation.close(turn.work, project_id)
    return await show(turn, project_id, news="closed")


@button("project.link", reads=True)
async def show_link(turn: Turn, project_id: int) -> Reply:
    """The code to show to those whom it served, and the same as a link."""
    await _evaluated_now(turn, project_id)
    address = f"{turn.around.public_url}/evaluate/{project_evaluation.link(project_id)}"
    return Show(
        "projects/link",
        {"project_id": project_id, "address": address, "personal": False},
        picture=lambda: asyncio.to_thread(_code, address),
        fresh=True,
    )


@button("project.personal_link", reads=True)
async def show_personal_link(turn: Turn, project_id: int) -> Reply:
    """A link to hand to one person: it takes one answer."""
    await _evaluated_now(turn, project_id)
    address = f"{turn.around.public_url}/evaluate/{project_evaluation.personal_link(project_id)}"
    return Show(
        "projects/link",
        {"project_id": project_id, "address": address, "personal": True},
        fresh=True,
    )


async def _evaluated_now(turn: Turn, project_id: int) -> None:
    project, rights = await projects.seen(turn.work, project_id)
    if not rights.run:
        raise NotAllowed
    if project.state is not ProjectState.EVALUATING:
        raise Refusal("project_moved_on", state=project.state.value)


def _code(address: str) -> bytes:
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="png", scale=SCALE, border=4)
    return out.getvalue()


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    voice = await project_evaluation.check_open(turn.work, filled.subject_id or 0)
    indicators = await projects.indicators_of(turn.work, filled.subject_id or 0)
    return {"indicators": indicators, "leads": voice is ProjectVoice.LEADER}


async def _submit(turn: Turn, filled: Filled) -> Reply:
    scores = {int(key): value for key, value in filled["scores"].items()}
    key = filled.subject_id or 0
    await project_evaluation.evaluate(turn.work, key, scores, filled["words"])
    return await _show(turn, key, news="scored")


SCORE = register(
    Form(
        "project_score",
        (
            Field("scores", Scores()),
            Field("words", Text(*project_evaluation.WORDS, lines=True)),
        ),
        _submit,
        _describe,
    )
)

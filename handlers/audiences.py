"""Describing an audience by choices, with its size in view; keeping it under a name."""

from typing import Any

from handlers import forms, options
from handlers.fields import Asked, Choice, Field, Location, Number, Option, PickMany, Text
from handlers.forms import SUMMARY, Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience as MenuOf
from handlers.routes import button, command
from handlers.turns import Turn
from models import Group
from services import access, audiences, broadcasts
from services.audiences import EXPERIENCES, LONGEST_AGO, METRES, OLDEST, Audience, Near
from services.errors import Gone, NotAllowed
from services.finding import search_key
from services.words import LANGUAGES

ANY, ALL = "any", "all"
DESCRIBING = ("look", "audience")
"""The forms in which an audience is described: for itself, and for a broadcast."""


@command("audiences", menu=MenuOf.COORDINATORS)
@button("audiences")
async def show_saved(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    if not await access.organisations_with(turn.work, access.Right.ANNOUNCE):
        raise NotAllowed
    return Show("audience/saved", {"saved": await audiences.saved(turn.work), "broadcast_id": None})


@button("audience.new")
async def describe_new(turn: Turn) -> Reply:
    """Nothing chosen yet: everybody within reach."""
    if not await access.organisations_with(turn.work, access.Right.ANNOUNCE):
        raise NotAllowed
    return await start(turn, LOOK, answers={}, at=SUMMARY)


@button("audience.open")
async def open_saved(turn: Turn, saved_id: int) -> Reply:
    _, audience = await audiences.saved_one(turn.work, saved_id)
    return await start(turn, LOOK, answers=answers_of(audience), at=SUMMARY)


@button("audience.forget")
async def forget(turn: Turn, saved_id: int) -> Reply:
    await audiences.forget(turn.work, saved_id)
    return await show_saved(turn)


@button("audience.sample", reads=True)
async def show_sample(turn: Turn) -> Reply:
    """Ten of those who are described at the moment."""
    conversation = await forms.active(turn)
    if conversation is None or conversation.form not in DESCRIBING:
        raise Gone
    audience = audience_from(Filled(conversation.answers, conversation.subject_id))
    kind = await _kind_of(turn, conversation.subject_id)
    found = await audiences.sample(turn.work, audience, kind=kind)
    return Show("audience/sample", {"people": found}, fresh=True, private=True)


# Keeping it


@button("audience.keep")
async def keep(turn: Turn) -> Reply:
    """Asks for a name; the description goes on where it was afterwards."""
    conversation = await forms.active(turn)
    if conversation is None or conversation.form not in DESCRIBING:
        raise Gone
    return await start(turn, KEEP, subject_id=conversation.id, answers={})


async def _keep(turn: Turn, filled: Filled) -> Reply:
    described = await forms.own(turn, filled.subject_id or 0)
    audience = audience_from(Filled(described.answers, described.subject_id))
    tops = await access.organisations_with(turn.work, access.Right.ANNOUNCE)
    if not tops:
        raise NotAllowed
    kept = await audiences.save(turn.work, tops[0].id, filled["name"], audience)
    return Show("audience/kept", {"name": kept.name, "conversation_id": described.id})


KEEP = register(Form("keep_audience", (Field("name", Text(most=audiences.NAME_LENGTH)),), _keep))


# From answers to audiences and back


def audience_from(filled: Filled) -> Audience:
    place = filled.get("place")
    near = None
    if place:
        metres = filled.get("radius", audiences.USUAL_RADIUS // METRES) * METRES
        near = Near(latitude=place["latitude"], longitude=place["longitude"], metres=metres)
    return Audience(
        organisations=tuple(filled.get("organisations", ())),
        near=near,
        skills=tuple(filled.get("skills", ())),
        skills_all=filled.get("skills_all") == ALL,
        qualifications=tuple(filled.get("qualifications", ())),
        interests=tuple(filled.get("interests", ())),
        age_from=filled.get("age_from"),
        age_to=filled.get("age_to"),
        languages=tuple(filled.get("languages", ())),
        written=filled.get("written"),
        active_within_days=filled.get("active"),
        stars_from=int(filled["stars"]) if filled.get("stars") else None,
        experience=filled.get("experience"),
        marks=options.marks_of(filled.get("marks", ())),
        people=tuple(filled.get("people", ())),
        groups=tuple(filled.get("groups", ())),
    )


def answers_of(audience: Audience) -> dict[str, Any]:
    near = audience.near
    answers = {
        "organisations": list(audience.organisations),
        "place": {"latitude": near.latitude, "longitude": near.longitude} if near else None,
        "radius": round(near.metres / METRES) or 1 if near else None,
        "skills": list(audience.skills),
        "skills_all": (ALL if audience.skills_all else ANY) if audience.skills else None,
        "qualifications": list(audience.qualifications),
        "interests": list(audience.interests),
        "age_from": audience.age_from,
        "age_to": audience.age_to,
        "languages": list(audience.languages),
        "written": audience.written,
        "active": audience.active_within_days,
        "stars": str(audience.stars_from) if audience.stars_from else None,
        "experience": audience.experience,
        "marks": options.keys_of_marks(audience.marks),
        "people": list(audience.people),
        "groups": list(audience.groups),
    }
    return {name: value for name, value in answers.items() if value not in (None, [])}


async def describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    audience = audience_from(filled)
    kind = await _kind_of(turn, filled.subject_id)
    return {
        **await audiences.described(turn.work, audience),
        "count": await audiences.count(turn.work, audience, kind),
        "broadcast_id": filled.subject_id,
    }


async def _kind_of(turn: Turn, broadcast_id: int | None) -> str | None:
    """The kind of message that the audience is to get, where that is known."""
    if broadcast_id is None:
        return None
    return (await broadcasts.opened(turn.work, broadcast_id)).kind


async def _organisations(asked: Asked) -> list[Option]:
    found = await access.subtrees_with(asked.turn.work, access.Right.ANNOUNCE)
    return [Option(row.id, row.names, search_key(row.names)) for row in found]


async def _groups(asked: Asked) -> list[Option]:
    found: list[Group] = await audiences.own_groups(asked.turn.work)
    return [Option(row.id, {"zh_Hans": row.title}, row.title.casefold()) for row in found]


def _without(name: str) -> Any:
    return lambda answers: not answers.get(name)


async def _check_age(asked: Asked, value: int) -> int:
    """The older bound is not under the younger one. Raises Refusal."""
    bounds = {**asked.answers, asked.field.name: value}
    audiences.check_ages(bounds.get("age_from"), bounds.get("age_to"))
    return value


FIELDS = (
    Field("organisations", PickMany(_organisations), optional=True),
    Field("place", Location(), optional=True),
    Field("radius", Number(1, audiences.FARTHEST), optional=True, skip_if=_without("place")),
    Field("skills", PickMany(options.skills), optional=True),
    Field("skills_all", Choice((ANY, ALL)), optional=True, skip_if=_without("skills")),
    Field("qualifications", PickMany(options.qualification_kinds), optional=True),
    Field("interests", PickMany(options.fields), optional=True),
    Field("age_from", Number(0, OLDEST), optional=True, check=_check_age),
    Field("age_to", Number(0, OLDEST), optional=True, check=_check_age),
    Field("languages", PickMany(options.spoken_languages), optional=True),
    Field("written", Choice(LANGUAGES), optional=True),
    Field("active", Number(1, LONGEST_AGO), optional=True),
    Field("stars", Choice(tuple("12345")), optional=True),
    Field("experience", Choice(EXPERIENCES), optional=True),
    Field("marks", PickMany(options.marks), optional=True),
    Field("groups", PickMany(_groups), optional=True),
)


async def _submit_look(turn: Turn, _filled: Filled) -> Reply:
    return await show_saved(turn)


LOOK = register(Form("look", FIELDS, _submit_look, describe, folder="audience"))

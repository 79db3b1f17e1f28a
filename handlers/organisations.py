"""Organisations in chat: walking the tree, what one is, its settings, head and rally points."""

from dataclasses import replace
from typing import Any

from handlers import forms, options
from handlers.fields import Choice, Duration, Field, Hours, Location, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Organisation
from services import access, headcounts, organisations, rally_points, reorganising
from services.access import Right
from services.organisations import Described
from services.rally_points import Described as Point

PAGE = 8
"""Organisations on one screen."""
QUIET = ("1320-480", "1260-420", "1380-360")
"""Usual quiet hours, as minutes of the day."""
RESTS = (6 * 60, 12 * 60, 24 * 60, 48 * 60)
"""Minutes."""


@command("organisation", menu=Audience.COORDINATORS)
@button("organisation")
async def choose(turn: Turn) -> Reply:
    """Where the actor looks after something."""
    await forms.set_aside(turn)
    tops = await access.organisations_with(turn.work, Right.SEE_VOLUNTEERS)
    if len(tops) == 1:
        return await show(turn, tops[0].id)
    if not tops:
        await access.require(turn.work, Right.SEE_VOLUNTEERS, 0)
    return Show("organisations/choose", {"tops": tops})


@button("organisation.show", reads=True)
async def show(turn: Turn, organisation_id: int, page: int = 0) -> Reply:
    organisation = await organisations.seen(turn.work, organisation_id)
    node = await headcounts.tree_of(turn.work, organisation)
    below = [one for one in node.below if one.organisation.closed_at is None]
    way = await organisations.way_to(turn.work, organisation)
    may = await access.rights_in(turn.work, organisation_id)
    return Show(
        "organisations/one",
        {
            "organisation": organisation,
            "node": node,
            "below": below[page * PAGE : (page + 1) * PAGE],
            "page": page,
            "more": len(below) > (page + 1) * PAGE,
            "count": len(below),
            "above": way[-2].id if len(way) > 1 else None,
            "may": {one.value for one in may},
            "year": turn.work.today.year,
            "waiting": await reorganising.waiting(turn.work),
        },
    )


@button("organisation.find")
async def find(turn: Turn, organisation_id: int) -> Reply:
    await organisations.seen(turn.work, organisation_id)
    return await start(turn, FIND, subject_id=organisation_id, answers={})


async def _found(turn: Turn, filled: Filled) -> Reply:
    return await show(turn, filled["organisation"])


FIND = register(
    Form(
        "organisation_find",
        (Field("organisation", Pick(options.subtree_of_subject)),),
        _found,
    )
)


# Settings


@button("organisation.settings", reads=True)
async def show_settings(turn: Turn, organisation_id: int) -> Reply:
    return await _settings(turn, organisation_id)


async def _settings(turn: Turn, organisation_id: int, *, saved: bool = False) -> Reply:
    organisation = await organisations.described(turn.work, organisation_id)
    return Show("organisations/settings", {"organisation": organisation, "saved": saved})


@button("organisation.edit")
async def edit(turn: Turn, organisation_id: int, name: str) -> Reply:
    SETTINGS.field(name)
    organisation = await organisations.described(turn.work, organisation_id)
    answers = _answers(turn, organisation)
    return await start(turn, SETTINGS, subject_id=organisation_id, answers=answers, at=name)


def _answers(turn: Turn, organisation: Organisation) -> dict[str, Any]:
    """What is said of it now; what is not said has no answer."""
    now = organisations.described_as(organisation)
    language = turn.work.policy.default_language
    at = {"latitude": now.latitude, "longitude": now.longitude}
    answers = {
        "name": now.names.get(language),
        "other_name": now.names.get("en"),
        "area": now.place.get(language),
        "place": at if now.latitude is not None else None,
        "approves": "yes" if now.approves_registrations else "no",
        "asks_id": "yes" if now.asks_id_number else "no",
        "quiet": list(now.quiet) if now.quiet else None,
        "rest": now.rest_minutes,
        "head": now.head or None,
        "contact": now.contact or None,
    }
    return {name: value for name, value in answers.items() if value is not None}


async def _change(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    organisation = await organisations.described(turn.work, key)
    said = _described(turn, filled, organisations.described_as(organisation))
    await organisations.change(turn.work, key, said)
    return await _settings(turn, key, saved=True)


def _described(turn: Turn, filled: Filled, before: Described) -> Described:
    """Names in languages that the form does not ask for stay."""
    language = turn.work.policy.default_language
    names = {**before.names, "en": filled.get("other_name", ""), language: filled["name"]}
    quiet, place = filled.get("quiet"), filled.get("place") or {}
    return replace(
        before,
        names=names,
        place={**before.place, language: filled.get("area", "")},
        latitude=place.get("latitude"),
        longitude=place.get("longitude"),
        approves_registrations=filled.get("approves") == "yes",
        asks_id_number=filled.get("asks_id") == "yes",
        quiet=(quiet[0], quiet[1]) if quiet else None,
        rest_minutes=filled.get("rest"),
        head=filled.get("head", ""),
        contact=filled.get("contact", ""),
    )


SETTINGS = register(
    Form(
        "organisation_settings",
        (
            Field("name", Text(least=2, most=organisations.LONGEST_NAME)),
            Field("other_name", Text(least=2, most=organisations.LONGEST_NAME), optional=True),
            Field("area", Text(least=2, most=organisations.LONGEST_NAME), optional=True),
            Field("place", Location(), optional=True),
            Field("approves", Choice(("yes", "no")), optional=True),
            Field("asks_id", Choice(("yes", "no")), optional=True),
            Field("quiet", Hours(presets=QUIET), optional=True),
            Field("rest", Duration(usual=RESTS), optional=True),
            Field("head", Text(most=organisations.LONGEST_HEAD), optional=True),
            Field("contact", Text(most=organisations.LONGEST_CONTACT), optional=True),
        ),
        _change,
    )
)


# Rally points


@button("organisation.points")
async def show_points(turn: Turn, organisation_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _points(turn, organisation_id)


async def _points(turn: Turn, organisation_id: int) -> Reply:
    organisation = await organisations.seen(turn.work, organisation_id)
    may = await access.may(turn.work, Right.LAUNCH_CALLOUTS, organisation_id)
    points = await rally_points.of(turn.work, organisation_id)
    shown = {"organisation": organisation, "points": points, "keeps": may}
    return Show("organisations/points", shown)


@button("organisation.point.add")
async def add_point(turn: Turn, organisation_id: int) -> Reply:
    await access.require(turn.work, Right.LAUNCH_CALLOUTS, organisation_id)
    return await start(turn, POINT, subject_id=organisation_id)


async def _add_point(turn: Turn, filled: Filled) -> Reply:
    place = filled["place"]
    said = Point(filled["name"], filled.get("note", ""), place["latitude"], place["longitude"])
    await rally_points.add(turn.work, filled.subject_id or 0, said)
    return await _points(turn, filled.subject_id or 0)


@button("organisation.point.drop")
async def remove_point(turn: Turn, rally_point_id: int) -> Reply:
    return await _points(turn, await rally_points.remove(turn.work, rally_point_id))


POINT = register(
    Form(
        "rally_point",
        (
            Field("name", Text(least=2, most=rally_points.LONGEST_NAME)),
            Field("place", Location()),
            Field("note", Text(most=rally_points.LONGEST_NOTE), optional=True),
        ),
        _add_point,
    )
)


# As an issuing body


@button("body")
async def show_body(turn: Turn, organisation_id: int) -> Reply:
    return _body(await organisations.described(turn.work, organisation_id))


@button("body.describe")
async def describe(turn: Turn, organisation_id: int) -> Reply:
    await organisations.described(turn.work, organisation_id)
    return await start(turn, BODY, subject_id=organisation_id, answers={})


async def _describe(turn: Turn, filled: Filled) -> Reply:
    return _body(
        await organisations.describe_body(
            turn.work, filled.subject_id or 0, head=filled["head"], contact=filled["contact"]
        )
    )


def _body(organisation: Organisation) -> Reply:
    return Show(
        "body/shown",
        {
            "organisation_id": organisation.id,
            "organisation": organisation.names,
            "head": organisation.head,
            "contact": organisation.contact,
        },
    )


BODY = register(
    Form(
        "body",
        (
            Field("head", Text(most=organisations.LONGEST_HEAD)),
            Field("contact", Text(most=organisations.LONGEST_CONTACT)),
        ),
        _describe,
    )
)

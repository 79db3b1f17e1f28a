"""What spreads a project: brand, promotion to all towns, adopted copies, sponsors."""

from typing import Any

from handlers.fields import AS_USUAL, Field, Text, TextOrUsual
from handlers.forms import Filled, Form, register, start
from handlers.projects import open_project, show
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import button
from handlers.turns import Turn
from models import SponsorshipState
from services import project_library, projects
from services.errors import Refusal


@button("project.brand")
async def brand(turn: Turn, project_id: int, on: int) -> Reply:
    await project_library.brand(turn.work, project_id, on=bool(on))
    return await open_project(turn, project_id)


@button("project.promote")
async def promote(turn: Turn, project_id: int) -> Reply:
    told = await project_library.promote(turn.work, project_id)
    again = parts_of(await open_project(turn, project_id))
    return [Toast("projects/promoted_to", {"told": told}, alert=True), *again]


@button("project.adopt")
async def adopt(turn: Turn, project_id: int, organisation_id: int = 0) -> Reply:
    """At once where there is but one town to choose."""
    places = await project_library.places_to_adopt(turn.work, project_id)
    if not organisation_id and not places:
        raise Refusal("project_adopted")
    if not organisation_id and len(places) > 1:
        return Show("projects/adopt", {"project_id": project_id, "places": places[:40]})
    key = organisation_id or places[0].id
    copied = await project_library.adopt(turn.work, project_id, key)
    return await show(turn, copied.id, news="adopted")


# Seeking and offering support


@button("project.seek")
async def seek(turn: Turn, project_id: int) -> Reply:
    await projects.led(turn.work, project_id)
    return await start(turn, SEEK, subject_id=project_id)


@button("project.unseek")
async def stop_seeking(turn: Turn, project_id: int) -> Reply:
    await project_library.seek(turn.work, project_id, "")
    return await show(turn, project_id, news="changed")


@button("project.sponsor")
async def sponsor(turn: Turn, project_id: int) -> Reply:
    project = await project_library.public(turn.work, project_id)
    if not project.seeks:
        raise Refusal("project_seeks_nothing")
    return await start(turn, SPONSOR, subject_id=project_id)


@button("project.offers", reads=True)
async def show_offers(turn: Turn, project_id: int) -> Reply:
    project, found = await project_library.offers(turn.work, project_id)
    return Show("projects/offers", {"project": project, "offers": found[:20]}, private=True)


@button("support", reads=True)
async def show_offer(turn: Turn, offer_id: int) -> Reply:
    project, found = await project_library.offered(turn.work, offer_id)
    return Show("projects/offer", {"project": project, "offer": found}, private=True)


@button("support.accept")
async def accept(turn: Turn, offer_id: int) -> Reply:
    await _still_open(turn, offer_id)
    return await start(turn, ACCEPT, subject_id=offer_id)


@button("support.decline")
async def decline(turn: Turn, offer_id: int) -> Reply:
    await _still_open(turn, offer_id)
    return await start(turn, DECLINE, subject_id=offer_id)


async def _still_open(turn: Turn, offer_id: int) -> None:
    _, found = await project_library.offered(turn.work, offer_id)
    if found.state is not SponsorshipState.OFFERED:
        raise Refusal("project_offer_answered")


# The forms


async def _seek(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await project_library.seek(turn.work, key, filled["seeks"])
    return await show(turn, key, news="changed")


async def _describe_offer(turn: Turn, filled: Filled) -> dict[str, Any]:
    project = await project_library.public(turn.work, filled.subject_id or 0)
    return {"project": project, "phone": turn.work.person.phone}


async def _offer(turn: Turn, filled: Filled) -> Reply:
    person = turn.work.person
    contact = filled["contact"]
    usual = contact == AS_USUAL
    key = filled.subject_id or 0
    said = (person.phone or "") if usual else contact
    await project_library.offer(turn.work, key, person.name, filled["offer"], said)
    return Show("projects/offer_sent", {"project_id": key})


async def _accept(turn: Turn, filled: Filled) -> Reply:
    return await _answer(turn, filled, accept=True)


async def _decline(turn: Turn, filled: Filled) -> Reply:
    return await _answer(turn, filled, accept=False)


async def _answer(turn: Turn, filled: Filled, *, accept: bool) -> Reply:
    key = filled.subject_id or 0
    await project_library.answer_offer(turn.work, key, filled["answer"], accept=accept)
    return await show_offer(turn, key)


SEEK = register(
    Form("project_seek", (Field("seeks", Text(*project_library.SEEKS, lines=True)),), _seek)
)
SPONSOR = register(
    Form(
        "project_sponsor",
        (
            Field("offer", Text(*project_library.OFFER, lines=True)),
            Field("contact", TextOrUsual(*project_library.CONTACT)),
        ),
        _offer,
        _describe_offer,
    )
)
_ANSWER = (Field("answer", Text(*project_library.ANSWER, lines=True)),)
ACCEPT = register(Form("support_accept", _ANSWER, _accept))
DECLINE = register(Form("support_decline", _ANSWER, _decline))

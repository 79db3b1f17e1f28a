"""Describing whom it fits, with its size in view; saved audiences."""

from typing import Any

from pydantic import ValidationError

from models import MarkKind, QualificationKind, ServiceField, Skill, SpokenLanguage
from services import access, audiences, declaring, terms
from services.access import Right
from services.audiences import (
    EXPERIENCES,
    FARTHEST,
    LONGEST_AGO,
    METRES,
    OLDEST,
    Audience,
    Near,
)
from services.broadcasts import KINDS
from services.errors import Gone, NotAllowed, Refusal
from services.words import LANGUAGES
from services.work import Work
from web.console import asking
from web.console.asking import Fields
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()

MOST_STARS = 5


# From a form to an audience and back


async def described_in(work: Work, fields: Fields) -> Audience:
    """Raises Refusal for what can't be meant."""
    try:
        return Audience(
            organisations=asking.keys(fields, "organisations"),
            near=await _near(work, fields),
            skills=asking.keys(fields, "skills"),
            skills_all=asking.text(fields, "skills_all") == "all",
            qualifications=asking.keys(fields, "qualifications"),
            interests=asking.keys(fields, "interests"),
            age_from=asking.number(fields, "age_from", 0, OLDEST),
            age_to=asking.number(fields, "age_to", 0, OLDEST),
            languages=asking.keys(fields, "languages"),
            written=asking.one_of(fields, "written", LANGUAGES),
            active_within_days=asking.number(fields, "active", 1, LONGEST_AGO),
            stars_from=asking.number(fields, "stars", 1, MOST_STARS),
            experience=asking.one_of(fields, "experience", EXPERIENCES),
            marks=tuple(kind for kind in MarkKind if kind.value in fields.getall("marks", [])),
            groups=asking.keys(fields, "groups"),
        )
    except ValidationError:
        raise Gone from None


async def _near(work: Work, fields: Fields) -> Near | None:
    said = asking.text(fields, "place")
    kilometres = asking.number(fields, "radius", 1, FARTHEST)
    if not said:
        return None
    found = await declaring.place_said(work, said)
    metres = (kilometres or audiences.USUAL_RADIUS // METRES) * METRES
    return Near(latitude=found.latitude, longitude=found.longitude, metres=metres)


def filled(audience: Audience) -> dict[str, Any]:
    """The values of the form's fields."""
    near = audience.near
    return {
        "organisations": audience.organisations,
        "place": f"{near.latitude:.5f}, {near.longitude:.5f}" if near else "",
        "radius": round(near.metres / METRES) if near else "",
        "skills": audience.skills,
        "skills_all": "all" if audience.skills_all else "any",
        "qualifications": audience.qualifications,
        "interests": audience.interests,
        "age_from": audience.age_from,
        "age_to": audience.age_to,
        "languages": audience.languages,
        "written": audience.written,
        "active": audience.active_within_days,
        "stars": audience.stars_from,
        "experience": audience.experience,
        "marks": [kind.value for kind in audience.marks],
        "groups": audience.groups,
    }


def said(fields: Fields) -> dict[str, Any]:
    """As `filled`, of what was sent, right or wrong."""
    many = ("organisations", "skills", "qualifications", "interests", "languages", "groups")
    names = filled(Audience())
    return {
        name: asking.keys(fields, name) if name in many else asking.text(fields, name)
        for name in names
    } | {"marks": fields.getall("marks", [])}


async def options(work: Work) -> dict[str, Any]:
    """All that can be chosen."""
    session = work.session
    return {
        "organisations": await access.subtrees_with(work, Right.ANNOUNCE),
        "skills": await terms.every(session, Skill),
        "qualifications": await terms.every(session, QualificationKind),
        "interests": await terms.every(session, ServiceField),
        "languages": await terms.every(session, SpokenLanguage),
        "groups": await audiences.own_groups(work),
        "known_places": await declaring.known_places(work, own=True),
        "written": LANGUAGES,
        "experiences": EXPERIENCES,
        "marks": [kind.value for kind in MarkKind],
    }


async def counted(visit: Visit, audience: Audience, kind: str | None) -> dict[str, Any]:
    """How many it fits."""
    return {
        "count": await audiences.count(visit.work, audience, kind),
        "groups_too": [group.title for group in await audiences.groups(visit.work, audience)],
        "wrong": "",
    }


async def form_of(visit: Visit, stored: Audience, kind: str | None) -> dict[str, Any]:
    """The form with what is sent, asked or stored, and how many that is."""
    sent: Fields = visit.form if visit.form else visit.query
    if "described" not in sent:
        shown = await counted(visit, stored, kind)
        return {"chosen": filled(stored), "options": await options(visit.work), **shown}
    shown = await _counted_as_said(visit, sent, kind)
    if "sample" in sent and not shown["wrong"]:
        audience = await described_in(visit.work, sent)
        shown["sample"] = await audiences.sample(visit.work, audience, kind=kind)
    return {"chosen": said(sent), "options": await options(visit.work), **shown}


async def _counted_as_said(visit: Visit, fields: Fields, kind: str | None) -> dict[str, Any]:
    try:
        return await counted(visit, await described_in(visit.work, fields), kind)
    except NotAllowed:
        raise
    except Refusal as refusal:
        wrong = visit.words.plain(refusal.template, visit.language, **refusal.parameters)
        return {"count": None, "groups_too": [], "wrong": wrong}


@pages.look("/broadcasts/audiences/count")
async def count(visit: Visit) -> Page:
    """How many a form describes, as a part of a page."""
    await _require(visit.work)
    kind = asking.one_of(visit.query, "kind", KINDS)
    shown = await _counted_as_said(visit, visit.query, kind)
    return Page("console/audiences/_count", shown)


async def _require(work: Work) -> None:
    if not await access.organisations_with(work, Right.ANNOUNCE):
        raise NotAllowed


# Saved ones


@pages.look("/broadcasts/audiences")
async def show_saved(visit: Visit) -> Page:
    await _require(visit.work)
    return Page("console/audiences/list", {"saved": await audiences.saved(visit.work)})


@pages.look("/broadcasts/audiences/new")
async def describe(visit: Visit) -> Page:
    await _require(visit.work)
    shown = await form_of(visit, Audience(), None)
    return Page("console/audiences/edit", {"kept": None, **shown})


@pages.act("/broadcasts/audiences/new", again=describe)
async def save(visit: Visit) -> Goto:
    await keep(visit, await described_in(visit.work, visit.form))
    return Goto("/broadcasts/audiences", done="saved")


async def keep(visit: Visit, audience: Audience) -> None:
    """Under the name that was typed, in the first organisation for which the actor may write."""
    tops = await access.organisations_with(visit.work, Right.ANNOUNCE)
    if not tops:
        raise NotAllowed
    await audiences.save(visit.work, tops[0].id, asking.text(visit.form, "name"), audience)


@pages.look("/broadcasts/audiences/{audience_id}")
async def open_one(visit: Visit, audience_id: int) -> Page:
    kept, audience = await audiences.saved_one(visit.work, audience_id)
    shown = await form_of(visit, audience, None)
    return Page("console/audiences/edit", {"kept": kept, **shown})


@pages.act("/broadcasts/audiences/{audience_id}", again=open_one)
async def change(visit: Visit, audience_id: int) -> Goto:
    await audiences.saved_one(visit.work, audience_id)
    audience = await described_in(visit.work, visit.form)
    await audiences.redescribe(visit.work, audience_id, audience)
    await audiences.rename(visit.work, audience_id, asking.text(visit.form, "name"))
    return Goto("/broadcasts/audiences", done="saved")


@pages.act("/broadcasts/audiences/{audience_id}/forget")
async def forget(visit: Visit, audience_id: int) -> Goto:
    await audiences.forget(visit.work, audience_id)
    return Goto("/broadcasts/audiences", done="audience_forgotten")

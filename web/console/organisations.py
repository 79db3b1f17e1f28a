"""The tree of organisations, and each one's pages: what it is, its settings, a new one below."""

from typing import Any

from models import Organisation, OrganisationKind
from services import access, headcounts, organisations, rally_points
from services.access import Right
from services.errors import Gone
from services.organisations import Described
from web.console import placing
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()


async def opened(
    visit: Visit, organisation_id: int, right: Right = Right.SEE_VOLUNTEERS
) -> dict[str, Any]:
    """What the head of each of its pages shows. Raises NotAllowed."""
    organisation = await organisations.seen(visit.work, organisation_id, right)
    may = await access.rights_in(visit.work, organisation_id)
    return {
        "organisation": organisation,
        "middle": _middle(organisation),
        "way": await organisations.way_to(visit.work, organisation),
        "may": {one.value for one in may},
    }


def _middle(organisation: Organisation) -> tuple[float, float] | None:
    if organisation.latitude is None or organisation.longitude is None:
        return None
    return organisation.latitude, organisation.longitude


async def figures(visit: Visit) -> dict[str, Any]:
    """What every map shows, to find one's way without streets."""
    towns = await organisations.of_kind(visit.work.session, OrganisationKind.TOWN_ASSOCIATION)
    return {"towns": [town for town in towns if town.latitude is not None]}


# Looking


@pages.look("/organisations")
async def show_all(visit: Visit) -> Page:
    tops = await headcounts.trees(visit.work)
    typed = visit.query.get("q", "").strip()
    found = headcounts.found(tops, typed) if typed else None
    return Page("console/organisations/tree", {"tops": tops, "typed": typed, "found": found})


@pages.look("/organisations/{organisation_id}")
async def show(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id)
    node = await headcounts.tree_of(visit.work, shown["organisation"])
    points = await rally_points.of(visit.work, organisation_id)
    return Page(
        "console/organisations/one",
        {**shown, **await figures(visit), "node": node, "points": points},
    )


# Changing


@pages.look("/organisations/{organisation_id}/settings")
async def show_settings(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id, Right.MANAGE_ORGANISATIONS)
    return Page(
        "console/organisations/settings",
        {**shown, **await _asked(visit)},
    )


@pages.act("/organisations/{organisation_id}/settings", again=show_settings)
async def change(visit: Visit, organisation_id: int) -> Goto:
    await organisations.change(visit.work, organisation_id, _described(visit))
    return Goto(f"/organisations/{organisation_id}/settings", done="saved")


@pages.look("/organisations/{organisation_id}/new")
async def show_new(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id, Right.MANAGE_ORGANISATIONS)
    parent: Organisation = shown["organisation"]
    return Page(
        "console/organisations/new",
        {
            **shown,
            **await _asked(visit),
            "kinds": [kind.value for kind in organisations.kinds_below(parent)],
        },
    )


@pages.act("/organisations/{organisation_id}/new", again=show_new)
async def create(visit: Visit, organisation_id: int) -> Goto:
    try:
        kind = OrganisationKind(str(visit.form.get("kind", "")))
    except ValueError:
        raise Gone from None
    made = await organisations.create(visit.work, organisation_id, kind, _described(visit))
    return Goto(f"/organisations/{made.id}", done="saved")


async def _asked(visit: Visit) -> dict[str, Any]:
    """What the form needs."""
    needed = visit.work.policy.default_language
    return {**await figures(visit), "languages": visit.words.languages, "needed": needed}


def _described(visit: Visit) -> Described:
    """Raises Refusal for what is no place."""
    at = placing.place_in(visit)
    return Described(
        names=_by_language(visit, "name"),
        place=_by_language(visit, "area"),
        latitude=at.latitude if at else None,
        longitude=at.longitude if at else None,
        approves_registrations=bool(visit.form.get("approves")),
        asks_id_number=bool(visit.form.get("id_number")),
        head=str(visit.form.get("head", "")),
        contact=str(visit.form.get("contact", "")),
    )


def _by_language(visit: Visit, field: str) -> dict[str, str]:
    return {one: str(visit.form.get(f"{field}_{one}", "")) for one in visit.words.languages}

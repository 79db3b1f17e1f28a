"""The tree of organisations, and each one's pages: what it is, its settings, a new one below."""

from collections.abc import AsyncIterator, Sequence
from datetime import time
from typing import Any

from models import Organisation, OrganisationKind
from services import access, headcounts, organisations, plans, rally_points, reorganising
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.formats import named
from services.organisations import Described
from services.sheets import Column, Kind
from services.work import Work
from web.console import placing
from web.console.downloads import spreadsheet
from web.console.framework import Goto, Later, Page, Pages, Visit

pages = Pages()
MOST_REST = organisations.LONGEST_REST // 60
"""Hours."""


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
    waiting = await reorganising.waiting(visit.work)
    submitted = await plans.waiting(visit.work)
    shown = {"tops": tops, "typed": typed, "found": found, "waiting": waiting, "plans": submitted}
    return Page("console/organisations/tree", shown)


@pages.look("/organisations/{organisation_id}")
async def show(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id)
    node = await headcounts.tree_of(visit.work, shown["organisation"])
    points = await rally_points.of(visit.work, organisation_id)
    return Page(
        "console/organisations/one",
        {**shown, **await figures(visit), "node": node, "points": points},
    )


@pages.act("/organisations/export")
async def export(visit: Visit) -> Later:
    """The organisations that one sees as a spreadsheet, each below the one above it."""
    if not await access.organisations_with(visit.work, Right.SEE_VOLUNTEERS):
        raise NotAllowed
    said, language = (
        visit.words.values("console/organisations/sheet", visit.language),
        visit.language,
    )
    kinds = (Kind.TEXT, Kind.TEXT, Kind.TEXT, *[Kind.NUMBER] * 4)
    columns = [
        Column(heading, kind, 28 if kind is Kind.TEXT else 12)
        for heading, kind in zip(said["headings"], kinds, strict=True)
    ]

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        for top in await headcounts.trees(work):
            for node in top.walk():
                one, above = node.organisation, node.above
                yield (
                    named(one.names, language),
                    said["kinds"][one.kind.value],
                    named(above.organisation.names, language) if above else "",
                    node.volunteers,
                    node.staff,
                    one.latitude,
                    one.longitude,
                )

    return spreadsheet(visit, "organisations.xlsx", columns, rows)


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
            "kinds": [kind.value for kind in organisations.kinds_below(parent.kind)],
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
        quiet=_quiet(visit),
        rest_minutes=_rest(visit),
    )


def _quiet(visit: Visit) -> tuple[int, int] | None:
    """Minutes of the day; None where both are empty. Raises Refusal."""
    typed = [str(visit.form.get(name, "")).strip() for name in ("quiet_from", "quiet_until")]
    if not any(typed):
        return None
    try:
        start, end = (time.fromisoformat(one) for one in typed)
    except ValueError:
        raise Refusal("form_hours") from None
    return start.hour * 60 + start.minute, end.hour * 60 + end.minute


def _rest(visit: Visit) -> int | None:
    """Minutes, of hours as they were typed. Raises Refusal."""
    typed = str(visit.form.get("rest", "")).strip()
    if not typed:
        return None
    try:
        return round(float(typed) * 60)
    except (ValueError, OverflowError):
        raise Refusal("form_not_a_number", least=0, most=MOST_REST) from None


def _by_language(visit: Visit, field: str) -> dict[str, str]:
    return {one: str(visit.form.get(f"{field}_{one}", "")) for one in visit.words.languages}

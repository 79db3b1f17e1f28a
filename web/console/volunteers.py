"""Volunteers: finding them, one's page, and what is done with one."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from models import MarkKind, QualificationKind, RoleKind, Skill
from services import (
    affiliations,
    approvals,
    directory,
    marks,
    parties,
    roles,
    saved_filters,
    terms,
    volunteers,
)
from services.access import Right
from services.directory import STATUSES, Wanted
from services.errors import Gone, NotAllowed, Refusal
from web.console import looks
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()

SEVERAL = ("skills", "qualifications", "marks")
ONE = ("typed", "organisation", "status", "telegram", "emergencies")


def wanted_of(sent: Any) -> Wanted:
    """The filter out of an address or a form; what no filter can be is left out."""
    said: dict[str, Any] = {name: sent.get(name, "") for name in ONE if sent.get(name)}
    said |= {name: [one for one in sent.getall(name, []) if one] for name in SEVERAL}
    try:
        return Wanted.model_validate(said)
    except ValidationError as fault:
        wrong = {str(error["loc"][0]) for error in fault.errors()}
        return Wanted.model_validate({k: v for k, v in said.items() if k not in wrong})


def list_of(wanted: Wanted) -> str:
    """The address of the list by this filter."""
    return "/volunteers" + query_of(wanted.as_query())


def query_of(pairs: Iterable[tuple[str, str]]) -> str:
    wanted = urlencode(list(pairs))
    return f"?{wanted}" if wanted else ""


# The list


@pages.look("/volunteers")
async def show_list(visit: Visit) -> Page:
    if Right.SEE_VOLUNTEERS not in visit.rights:
        raise NotAllowed
    wanted = wanted_of(visit.query)
    work = visit.work
    return Page(
        "console/volunteers/list",
        {
            "found": await directory.page(work, wanted, visit.number("page", 1)),
            "wanted": wanted,
            "narrowed": bool(wanted.as_query()),
            "today": work.today,
            "organisations": await directory.organisations(work),
            "skills": await terms.every(work.session, Skill),
            "kinds": await terms.every(work.session, QualificationKind),
            "statuses": STATUSES,
            "marks": [kind.value for kind in MarkKind],
            "saved": await saved_filters.own(work),
        },
    )


# Saved filters


@pages.look("/volunteers/filters")
async def show_filters(visit: Visit) -> Page:
    return Page("console/volunteers/filters", {"saved": await saved_filters.own(visit.work)})


@pages.act("/volunteers/filters", again=show_list)
async def save_filter(visit: Visit) -> Goto:
    wanted = wanted_of(visit.form)
    await saved_filters.save(visit.work, str(visit.form.get("name", "")), wanted)
    return Goto(list_of(wanted), done="filter_saved")


@pages.look("/volunteers/filters/{filter_id}")
async def open_filter(visit: Visit, filter_id: int) -> Goto:
    return Goto(list_of(await saved_filters.opened(visit.work, filter_id)))


@pages.act("/volunteers/filters/{filter_id}/rename")
async def rename_filter(visit: Visit, filter_id: int) -> Goto:
    await saved_filters.rename(visit.work, filter_id, str(visit.form.get("name", "")))
    return Goto("/volunteers/filters", done="saved")


@pages.act("/volunteers/filters/{filter_id}/forget")
async def forget_filter(visit: Visit, filter_id: int) -> Goto:
    await saved_filters.forget(visit.work, filter_id)
    return Goto("/volunteers/filters", done="saved")


# One of them


@pages.look("/volunteers/{person_id}")
async def show_one(visit: Visit, person_id: int) -> Page:
    return await _one(visit, person_id)


async def _one(visit: Visit, person_id: int, revealed: dict[str, Any] | None = None) -> Page:
    work = visit.work
    sheet = await volunteers.sheet(work, person_id)
    return Page(
        "console/volunteers/one",
        {
            "sheet": sheet,
            "person": sheet.person,
            "may": frozenset(right.value for right in sheet.rights),
            "today": work.today,
            "history": await volunteers.history(work, person_id, visit.number("page", 1)),
            "revealed": revealed or {},
            "targets": await volunteers.targets(work),
            "grantable": [kind.value for kind in roles.GRANTABLE],
            "granted_in": await volunteers.organisations_to_grant(work),
            "longest": volunteers.LONGEST_LETTER,
            "marks": await marks.of(work, person_id),
            "markable": [kind.value for kind in marks.GIVEN],
            "affiliated": await affiliations.of_person(work, person_id),
            "parties": await parties.of_person(work, person_id),
        },
    )


@pages.act("/volunteers/{person_id}/reveal")
async def reveal(visit: Visit, person_id: int) -> Page:
    """Shows one private thing on this answer alone; the next page has it hidden again."""
    name = str(visit.form.get("name", ""))
    looks.count(visit)
    value = await volunteers.reveal(visit.work, person_id, name)
    return await _one(visit, person_id, {name: value})


@pages.act("/volunteers/{person_id}/approve", again=show_one)
async def approve(visit: Visit, person_id: int) -> Goto:
    await approvals.approve(visit.work, person_id)
    return Goto(f"/volunteers/{person_id}", done="approved")


@pages.act("/volunteers/{person_id}/refuse", again=show_one)
async def refuse(visit: Visit, person_id: int) -> Goto:
    await approvals.refuse(visit.work, person_id, reason_of(visit))
    return Goto(f"/volunteers/{person_id}", done="refused")


@pages.act("/volunteers/{person_id}/pause", again=show_one)
async def pause(visit: Visit, person_id: int) -> Goto:
    until = day_of(visit, "until")
    if until is None:
        raise Refusal("pause_day")
    await volunteers.pause(visit.work, person_id, until)
    return Goto(f"/volunteers/{person_id}", done="paused")


@pages.act("/volunteers/{person_id}/resume", again=show_one)
async def resume(visit: Visit, person_id: int) -> Goto:
    await volunteers.resume(visit.work, person_id)
    return Goto(f"/volunteers/{person_id}", done="resumed")


@pages.act("/volunteers/{person_id}/transfer", again=show_one)
async def transfer(visit: Visit, person_id: int) -> Goto:
    target = key_of(visit, "organisation")
    if target is None:
        raise Refusal("transfer_where")
    await volunteers.transfer(visit.work, person_id, target)
    return Goto(f"/volunteers/{person_id}", done="transferred")


@pages.act("/volunteers/{person_id}/write", again=show_one)
async def write(visit: Visit, person_id: int) -> Goto:
    await volunteers.write_to(visit.work, person_id, str(visit.form.get("text", "")))
    return Goto(f"/volunteers/{person_id}", done="written")


@pages.act("/volunteers/{person_id}/roles", again=show_one)
async def grant(visit: Visit, person_id: int) -> Goto:
    await volunteers.seen(visit.work, person_id)
    organisation_id = key_of(visit, "organisation")
    kind = str(visit.form.get("kind", ""))
    if organisation_id is None or kind not in {one.value for one in roles.GRANTABLE}:
        raise Refusal("role_incomplete")
    await roles.grant(visit.work, person_id, organisation_id, RoleKind(kind))
    return Goto(f"/volunteers/{person_id}", done="role_granted")


@pages.act("/volunteers/{person_id}/roles/revoke", again=show_one)
async def revoke(visit: Visit, person_id: int) -> Goto:
    await volunteers.seen(visit.work, person_id)
    role_id = key_of(visit, "role")
    if role_id is None:
        raise Gone
    await roles.revoke(visit.work, role_id)
    return Goto(f"/volunteers/{person_id}", done="role_revoked")


# What forms say


def reason_of(visit: Visit) -> str:
    """Raises Refusal("reason_length")."""
    reason = " ".join(str(visit.form.get("reason", "")).split())
    if not 2 <= len(reason) <= 200:
        raise Refusal("reason_length", least=2, most=200)
    return reason


def day_of(visit: Visit, name: str) -> date | None:
    """None for what is no day."""
    try:
        return date.fromisoformat(str(visit.form.get(name, "")))
    except ValueError:
        return None


def key_of(visit: Visit, name: str) -> int | None:
    """None for what was not chosen. Raises Gone."""
    return next(iter(visit.keys(name)), None) if visit.form.get(name) else None

"""The audit log: who did what to whom, searched, a page at a time."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

from services import access, audit_log, organisations, sheets
from services.access import Right
from services.audit_log import Line, Someone, Wanted
from services.errors import NotAllowed
from services.formats import named
from services.sheets import Column, Kind
from services.work import Work
from web.console.downloads import spreadsheet
from web.console.framework import LARGEST_KEY, Later, Page, Pages, Visit

pages = Pages()
FIRST_YEAR, LAST_YEAR = 2000, 2999


@pages.look("/audit")
async def show(visit: Visit) -> Page:
    wanted = _wanted(visit)
    near = await organisations.at_hand(visit.work, Right.SEE_AUDIT, wanted.organisation_id)
    return Page(
        "console/audit/log",
        {
            "wanted": wanted,
            "slice": await audit_log.read(visit.work, wanted, visit.number("page", 1)),
            "organisations": near,
        },
    )


@pages.act("/audit/export")
async def export(visit: Visit) -> Later:
    """What is found as a spreadsheet; that names were taken along is noted."""
    wanted, language = _wanted(visit), visit.language
    said = visit.words.values("console/audit/sheet", language)
    tops = await access.organisations_with(visit.work, Right.SEE_AUDIT)
    if not tops:
        raise NotAllowed
    columns = [Column(heading, width=24, personal=True) for heading in said["headings"]]
    columns[0] = Column(said["headings"][0], Kind.MOMENT)
    top = wanted.organisation_id or tops[0].id
    columns = await sheets.permitted(visit.work, columns, Right.SEE_AUDIT, top, "audit")

    def person(one: Someone | None) -> str:
        return said["system"] if one is None else one.name or named(one.organisation, language)

    def concerned(line: Line) -> str:
        about = line.title or (named(line.names, language) if line.names else "")
        thing = said["things"].get(line.kind, line.kind)
        return person(line.person) if line.person else about or f"{thing} {line.key or ''}"

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for line in audit_log.each(work, wanted):
            yield (
                line.at,
                person(line.actor),
                said["actions"].get(line.action, line.action),
                concerned(line),
                named(line.organisation, language) if line.organisation else "",
            )

    return spreadsheet(visit, "audit.xlsx", columns, rows)


def _wanted(visit: Visit) -> Wanted:
    return Wanted(
        who=visit.query.get("who", "").strip(),
        about=visit.query.get("about", "").strip(),
        action=visit.query.get("action", ""),
        organisation_id=_key(visit, "organisation"),
        since=_day(visit, "since"),
        until=_day(visit, "until"),
    )


def _key(visit: Visit, name: str) -> int | None:
    number = visit.number(name)
    return number if 0 < number <= LARGEST_KEY else None


def _day(visit: Visit, name: str) -> date | None:
    """A day as browsers send it; None for anything else."""
    try:
        day = date.fromisoformat(visit.query.get(name, ""))
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None

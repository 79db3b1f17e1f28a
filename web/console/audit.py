"""The audit log: who did what to whom, searched, a page at a time."""

from datetime import date

from services import audit_log, organisations
from services.access import Right
from services.audit_log import Wanted
from web.console.framework import LARGEST_KEY, Page, Pages, Visit

pages = Pages()
FIRST_YEAR, LAST_YEAR = 2000, 2999


@pages.look("/audit")
async def show(visit: Visit) -> Page:
    wanted = Wanted(
        who=visit.query.get("who", "").strip(),
        about=visit.query.get("about", "").strip(),
        action=visit.query.get("action", ""),
        organisation_id=_key(visit, "organisation"),
        since=_day(visit, "since"),
        until=_day(visit, "until"),
    )
    near = await organisations.at_hand(visit.work, Right.SEE_AUDIT, wanted.organisation_id)
    return Page(
        "console/audit/log",
        {
            "wanted": wanted,
            "slice": await audit_log.read(visit.work, wanted, visit.number("page", 1)),
            "organisations": near,
        },
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

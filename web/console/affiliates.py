"""Schools and companies: their own people with their hours, who waits, links of classes."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from services import affiliations
from services.access import Right
from services.work import Work
from web.console import fields
from web.console.downloads import spreadsheet
from web.console.framework import Goto, Later, Page, Pages, Visit
from web.keys import BOT_USERNAME

pages = Pages()


@pages.look("/affiliates")
async def show_all(visit: Visit) -> Page:
    bodies = await affiliations.bodies(visit.work)
    return Page("console/affiliates/list", {"bodies": bodies})


@pages.look("/affiliates/{body_id}")
async def show(visit: Visit, body_id: int) -> Page:
    work, year = visit.work, _year(visit)
    department = visit.query.get("department") or None
    summary = await affiliations.summary(work, body_id, year)
    people = await affiliations.people(work, body_id, year, department, visit.number("page", 1))
    decides = Right.APPROVE_VOLUNTEERS in visit.rights
    return Page(
        "console/affiliates/one",
        {
            "summary": summary,
            "people": people,
            "department": department,
            "asked": await affiliations.asked(work, body_id) if decides else [],
            "links": await affiliations.links(work, body_id) if decides else [],
            "opens": f"https://t.me/{visit.request.app[BOT_USERNAME]}?start=s-",
            "decides": decides,
            "most": affiliations.DEPARTMENT[1],
            "this_year": work.today.year,
        },
    )


def _year(visit: Visit) -> int:
    return visit.number("year") or visit.work.today.year


# Who belongs there


@pages.act("/affiliates/{body_id}/confirm", again=show)
async def confirm_all(visit: Visit, body_id: int) -> Goto:
    await affiliations.confirm_all(visit.work, body_id)
    return Goto(f"/affiliates/{body_id}", done="saved")


@pages.act("/affiliates/of/{affiliation_id}/confirm")
async def confirm(visit: Visit, affiliation_id: int) -> Goto:
    found = await affiliations.decide(visit.work, affiliation_id, accept=True)
    return Goto(f"/affiliates/{found.organisation_id}", done="saved")


@pages.act("/affiliates/of/{affiliation_id}/refuse")
async def refuse(visit: Visit, affiliation_id: int) -> Goto:
    found = await affiliations.decide(visit.work, affiliation_id, accept=False)
    return Goto(f"/affiliates/{found.organisation_id}", done="saved")


@pages.act("/affiliates/of/{affiliation_id}/end")
async def end(visit: Visit, affiliation_id: int) -> Goto:
    found = await affiliations.end(visit.work, affiliation_id)
    return Goto(f"/affiliates/{found.organisation_id}", done="saved")


@pages.act("/affiliates/of/{affiliation_id}/change")
async def change(visit: Visit, affiliation_id: int) -> Goto:
    department = fields.words(visit, "department")
    found = await affiliations.change_department(visit.work, affiliation_id, department)
    return Goto(f"/affiliates/{found.organisation_id}", done="saved")


# Links


@pages.act("/affiliates/{body_id}/links", again=show)
async def make_link(visit: Visit, body_id: int) -> Goto:
    department = fields.words(visit, "department")
    await affiliations.make_link(visit.work, body_id, department)
    return Goto(f"/affiliates/{body_id}", done="saved")


@pages.act("/affiliates/links/{link_id}/revoke")
async def revoke_link(visit: Visit, link_id: int) -> Goto:
    body_id = await affiliations.revoke_link(visit.work, link_id)
    return Goto(f"/affiliates/{body_id}", done="revoked")


# To take along


@pages.act("/affiliates/{body_id}/export", again=show)
async def export(visit: Visit, body_id: int) -> Later:
    """Names and hours; that they were taken along is noted."""
    organisation = await affiliations.take_along(visit.work, body_id)
    year, department = _year(visit), str(visit.form.get("department", "")) or None
    heads = visit.words.values("affiliations/columns", visit.language, year=year)

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for row in affiliations.rows(work, body_id, year, department):
            yield row

    columns = affiliations.columns(heads)
    return spreadsheet(visit, f"{organisation.code}-{year}.xlsx", columns, rows)

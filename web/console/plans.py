"""The yearly plan of an organisation: progress, targets, the level above's word."""

from models import Plan, PlanItem
from services import plans
from services.errors import Refusal
from web.console.fields import words
from web.console.framework import Goto, Page, Pages, Visit
from web.console.organisations import opened

pages = Pages()


@pages.look("/organisations/{organisation_id}/plan")
async def show(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id)
    year = visit.number("year", visit.work.today.year)
    sheet = await plans.sheet(visit.work, organisation_id, year)
    return Page("console/plans/show", {**shown, "sheet": sheet})


@pages.look("/plans")
async def show_waiting(visit: Visit) -> Page:
    return Page("console/plans/waiting", {"found": await plans.pending(visit.work)})


@pages.act("/organisations/{organisation_id}/plan", again=show)
async def write(visit: Visit, organisation_id: int) -> Goto:
    year = visit.number("year", visit.work.today.year)
    targets = {item: _numbers(visit, item) for item in PlanItem}
    said = str(visit.form.get("words", "")).strip()
    plan = await plans.write(visit.work, organisation_id, year, targets, said)
    if visit.form.get("submit"):
        await plans.submit(visit.work, plan.id)
    return _to(plan, "saved")


def _numbers(visit: Visit, item: PlanItem) -> list[int]:
    """Of the four quarters; empty is none. Raises Refusal."""
    typed = [str(visit.form.get(f"{item.value}_{at}", "")).strip() for at in range(1, 5)]
    if not all(one.isascii() and one.isdigit() for one in typed if one):
        raise Refusal("form_not_a_number", least=0, most=plans.MOST)
    return [int(one or 0) for one in typed]


@pages.look("/plans/{plan_id}")
async def show_one(visit: Visit, plan_id: int) -> Page:
    plan = await plans.opened(visit.work, plan_id)
    shown = await opened(visit, plan.organisation_id)
    sheet = await plans.sheet(visit.work, plan.organisation_id, plan.year)
    return Page("console/plans/show", {**shown, "sheet": sheet})


@pages.act("/plans/{plan_id}/submit", again=show_one)
async def submit(visit: Visit, plan_id: int) -> Goto:
    return _to(await plans.submit(visit.work, plan_id))


@pages.act("/plans/{plan_id}/approve", again=show_one)
async def approve(visit: Visit, plan_id: int) -> Goto:
    return _to(await plans.approve(visit.work, plan_id))


@pages.act("/plans/{plan_id}/send-back", again=show_one)
async def send_back(visit: Visit, plan_id: int) -> Goto:
    return _to(await plans.send_back(visit.work, plan_id, words(visit, "text")))


@pages.act("/plans/{plan_id}/comment", again=show_one)
async def comment(visit: Visit, plan_id: int) -> Goto:
    return _to(await plans.comment(visit.work, plan_id, words(visit, "text")))


def _to(plan: Plan, done: str = "done") -> Goto:
    return Goto(f"/organisations/{plan.organisation_id}/plan?year={plan.year}", done=done)

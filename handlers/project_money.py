"""A project's money in the chat: its budget, what was spent, receipts."""

from datetime import date
from typing import Any

from handlers.fields import Asked, Day, Field, Money, Option, Photos, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Part, Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import project_money, projects
from services.errors import Refusal
from services.project_money import Bought

SHOWN = 8


@button("project.money", reads=True)
async def show_money(turn: Turn, project_id: int) -> Reply:
    return await _show(turn, project_id)


async def _show(turn: Turn, project_id: int, over: int | None = None) -> Reply:
    """`over` is by how much a line is overspent with what was just noted."""
    project, rights = await projects.seen(turn.work, project_id)
    budget = await project_money.budget(turn.work, project)
    return Show(
        "projects/money",
        {
            "project": project,
            "budget": budget,
            "bills": budget.bills[:SHOWN],
            "over": over,
            "may_spend": rights.run and project.state in project_money.OPEN,
        },
    )


@button("spending", reads=True)
async def show_bill(turn: Turn, spending_id: int) -> Reply:
    """What was spent, and each receipt as a picture below it."""
    bill, project = await project_money.bill(turn.work, spending_id)
    rights = await projects.may(turn.work, project)
    may_drop = rights.run and project.state in project_money.OPEN
    shown: list[Part] = [
        Show("projects/receipt", {"bill": bill}, picture=one.telegram_id, private=True, fresh=True)
        for one in bill.receipts
    ]
    about = {"bill": bill, "project": project, "may_drop": may_drop}
    return [*shown, Show("projects/bill", about, fresh=bool(shown))]


@button("spending.drop")
async def take_back(turn: Turn, spending_id: int) -> Reply:
    project = await project_money.take_back(turn.work, spending_id)
    return await _show(turn, project.id)


@button("project.spend")
async def spend(turn: Turn, project_id: int) -> Reply:
    await project_money.open_to_spend(turn.work, project_id)
    return await start(turn, SPEND, subject_id=project_id)


async def _lines(asked: Asked) -> list[Option]:
    lines = await projects.lines_of(asked.turn.work, asked.subject_id or 0)
    return [Option(one.id, {"zh_Hans": one.name}, one.name) for one in lines]


async def _not_ahead(asked: Asked, iso: str) -> str:
    if date.fromisoformat(iso) > asked.turn.work.today:
        raise Refusal("project_day_ahead")
    return iso


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    lines = await projects.lines_of(turn.work, filled.subject_id or 0)
    line = next((one for one in lines if one.id == filled.get("line")), None)
    return {"line": line, "today": turn.work.today}


async def _submit(turn: Turn, filled: Filled) -> Reply:
    day = filled.get("day")
    bought = Bought(
        filled["amount"],
        filled["what_for"],
        date.fromisoformat(day) if day else None,
        tuple(filled.get("receipts", ())),
    )
    noted = await project_money.spend(turn.work, filled["line"], bought)
    return await _show(turn, noted.project.id, over=noted.over)


SPEND = register(
    Form(
        "project_spend",
        (
            Field("line", Pick(_lines)),
            Field("amount", Money()),
            Field("what_for", Text(*project_money.WHAT)),
            Field("receipts", Photos(most=project_money.MOST_RECEIPTS), optional=True),
            Field("day", Day(), optional=True, check=_not_ahead),
        ),
        _submit,
        _describe,
    )
)

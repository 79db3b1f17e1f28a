"""A project's money: what is spent against its budget lines, with receipts. Amounts in cents.

Spending more than a line has is allowed and seen, since a bill that came must be noted.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import delete, select, update

from models import BudgetLine, Enclosure, Project, ProjectState, Spending
from services import delivery, enclosures, lengths, project_review, projects
from services.delivery import Post
from services.enclosures import Content
from services.errors import Gone, Refusal
from services.money import LARGEST
from services.projects import KIND, hold, in_short, run_by, seen
from services.work import Work

WHAT = (2, 150)
"""Characters of what the money was for."""
MOST_RECEIPTS = 9
OPEN = (ProjectState.RUNNING, ProjectState.EVALUATING)
"""Bills still come in while it is evaluated."""


@dataclass(frozen=True, slots=True)
class Bought:
    """What was paid for, as whoever notes it says; the day is today if left out."""

    cents: int
    what: str
    day: date | None = None
    receipts: tuple[str, ...] = ()
    """Photos by Telegram's file id."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A spending, and by how much its line is overspent since (0: not at all)."""

    spending: Spending
    project: Project
    over: int


@dataclass(frozen=True, slots=True)
class Bill:
    """A spending with its line's name and its receipts."""

    spending: Spending
    line: str
    receipts: list[Enclosure]


@dataclass(frozen=True, slots=True)
class Budget:
    lines: list[BudgetLine]
    bills: list[Bill]
    """The latest first."""

    @property
    def planned(self) -> int:
        return sum(line.cents for line in self.lines)

    @property
    def spent(self) -> int:
        return sum(line.spent for line in self.lines)


def _subject(spending_id: int) -> str:
    return f"spending:{spending_id}"


async def open_to_spend(work: Work, project_id: int) -> Project:
    """A project for which the actor may note spendings now. Raises Gone, NotAllowed, Refusal."""
    project = await run_by(work, project_id)
    if project.state not in OPEN:
        raise Refusal("project_moved_on", state=project.state.value)
    return project


async def spend(work: Work, line_id: int, bought: Bought) -> Noted:
    """Notes a spending; the reviewers are told when its line becomes overspent.

    Raises Gone, NotAllowed or Refusal.
    """
    line = await work.session.get(BudgetLine, line_id)
    if line is None:
        raise Gone
    project = await open_to_spend(work, line.project_id)
    _check(work, bought)
    await hold(work, project, OPEN)
    spending = Spending(
        line_id=line.id,
        cents=bought.cents,
        what=bought.what,
        day=bought.day or work.today,
        person_id=work.person.id,
        at=work.now,
    )
    work.session.add(spending)
    await work.session.flush()
    await enclosures.add(work, _subject(spending.id), bought.receipts[:MOST_RECEIPTS])
    spent = await _add(work, line.id, bought.cents)
    projects.note(work, "project.spent", project, cents=bought.cents)
    over = max(spent - line.cents, 0)
    if over and spent - bought.cents <= line.cents:
        await _tell_of_overspending(work, project, line, spent)
    return Noted(spending, project, over)


def _check(work: Work, bought: Bought) -> None:
    lengths.check("what_for", bought.what, WHAT)
    if not 0 < bought.cents <= LARGEST:
        raise Refusal("form_money")
    if bought.day is not None and bought.day > work.today:
        raise Refusal("form_day", reason="ahead")


async def _add(work: Work, line_id: int, cents: int) -> int:
    """What the line has spent then; whoever notes something at the same time waits here."""
    spent = await work.session.scalar(
        update(BudgetLine)
        .where(BudgetLine.id == line_id)
        .values(spent=BudgetLine.spent + cents)
        .returning(BudgetLine.spent)
        .execution_options(synchronize_session=False)
    )
    return int(spent or 0)


async def _tell_of_overspending(work: Work, project: Project, line: BudgetLine, spent: int) -> None:
    told = {**in_short(project), "line": line.name, "planned": line.cents, "spent": spent}
    post = Post("projects/overspent", told, kind=KIND)
    reviewers = await project_review.reviewers_of(work, project)
    await delivery.tell(work, post, [key for key in reviewers if key != work.person.id])


async def take_back(work: Work, spending_id: int) -> Project:
    """Removes what was noted by mistake, with its receipts. Raises Gone, NotAllowed or Refusal."""
    spending, line = await _spending(work, spending_id)
    project = await open_to_spend(work, line.project_id)
    gone = await work.session.scalar(
        delete(Spending)
        .where(Spending.id == spending_id)
        .returning(Spending.cents)
        .execution_options(synchronize_session=False)
    )
    if gone is None:
        raise Gone
    await enclosures.remove(work, _subject(spending_id))
    await _add(work, line.id, -gone)
    projects.note(work, "project.unspent", project, cents=gone)
    work.session.expunge(spending)
    return project


async def _spending(work: Work, spending_id: int) -> tuple[Spending, BudgetLine]:
    row = (
        await work.session.execute(
            select(Spending, BudgetLine)
            .join(BudgetLine, BudgetLine.id == Spending.line_id)
            .where(Spending.id == spending_id)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    return row[0], row[1]


async def bill(work: Work, spending_id: int) -> tuple[Bill, Project]:
    """One spending, for those who may see the money. Raises Gone, NotAllowed."""
    spending, line = await _spending(work, spending_id)
    project, _ = await seen(work, line.project_id)
    receipts = await enclosures.of(work, _subject(spending_id))
    return Bill(spending, line.name, receipts), project


async def budget(work: Work, project: Project) -> Budget:
    """Of a project that the actor has been let see."""
    lines = await projects.lines_of(work, project.id)
    found = await work.session.scalars(
        select(Spending)
        .where(Spending.line_id.in_([line.id for line in lines]))
        .order_by(Spending.day.desc(), Spending.id.desc())
    )
    spendings = list(found)
    receipts = await enclosures.of_all(work, [_subject(one.id) for one in spendings])
    names = {line.id: line.name for line in lines}
    return Budget(
        lines, [Bill(one, names[one.line_id], receipts[_subject(one.id)]) for one in spendings]
    )


async def receipt(work: Work, spending_id: int, enclosure_id: int) -> Content:
    """Our copy of a receipt. Raises Gone, NotAllowed."""
    await bill(work, spending_id)
    return await enclosures.content(work, _subject(spending_id), enclosure_id)

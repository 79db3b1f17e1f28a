"""The monthly report: what an organisation did in a month, to be filed, sent to its coordinators.

On the first of the next month in the morning, each once; after downtime still within some days.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from models import (
    Account,
    MonthlyReport,
    Organisation,
    Role,
)
from services import access, counting, delivery, statistics, typesetting
from services.access import Right
from services.delivery import Post
from services.formats import named
from services.statistics import Overview, Period, Span
from services.words import Words
from services.work import Work

KIND = "monthly_report"
PAPER = "statistics/report"
MORNING = timedelta(hours=9)
"""Local time on the first of the month."""
AT_ONCE = 5
"""Reports that one sweep writes."""


def span_of(work: Work, month: int) -> Span:
    back = counting.month_of(work, work.now) - month
    return statistics.span(work, Period.MONTH, back)


async def of_last_month(work: Work, organisation_id: int) -> Overview:
    """Raises Gone, NotAllowed."""
    return await statistics.overview(work, organisation_id, Period.MONTH, back=1)


def paper(words: Words, language: str, seen: Overview, made_at: datetime) -> bytes:
    """As PDF. Takes a while: call it in a thread."""
    drawings = statistics.drawings(seen, partial(named, language=language))
    values = words.values(PAPER, language, seen=seen, made_at=made_at, **drawings)
    return typesetting.pdf(PAPER, values, made_at)


def filename(seen: Overview) -> str:
    year, month = divmod(seen.span.last, counting.YEAR)
    return f"{seen.organisation.code}-{year}-{month + 1:02}.pdf"


# By itself


async def send(work: Work) -> int:
    """Sweep: the reports on the last month that are due; answers how many."""
    month = counting.month_of(work, work.now) - 1
    due_at = counting.starts(work, month + 1) + MORNING
    if not due_at <= work.now < due_at + timedelta(days=work.policy.report_days):
        return 0
    due = await _due(work, month)
    for organisation in due:
        seen = await statistics.overview_of(work, organisation, span_of(work, month))
        post = Post(
            "statistics/monthly",
            {**statistics.in_short(seen), "organisation_id": organisation.id, "month": month},
            kind=KIND,
            subject=f"monthly:{organisation.id}:{month}",
            attachment={"paper": {"name": PAPER, "organisation_id": organisation.id,
                                  "month": month}},
            silent=True,
            dedupe=f"monthly:{organisation.id}:{month}",
        )  # fmt: skip
        await delivery.tell(work, post, await _readers(work, organisation))
        work.session.add(MonthlyReport(organisation_id=organisation.id, month=month, at=work.now))
    await work.session.flush()
    return len(due)


async def _due(work: Work, month: int) -> list[Organisation]:
    """The next of those that have coordinators of their own."""
    sent = select(MonthlyReport.organisation_id).where(MonthlyReport.month == month)
    coordinated = (
        select(Role.organisation_id)
        .join(Account, Account.person_id == Role.person_id)
        .where(Role.kind.in_(access.roles_with(Right.CONFIRM_HOURS)))
    )
    found = await work.session.scalars(
        select(Organisation)
        .where(Organisation.id.in_(coordinated), Organisation.id.not_in(sent))
        .order_by(Organisation.path)
        .limit(AT_ONCE)
    )
    return list(found)


async def _readers(work: Work, organisation: Organisation) -> Iterable[int]:
    """The coordinators of the organisation itself: those above read their own."""
    found = await work.session.scalars(
        select(Role.person_id)
        .where(
            Role.organisation_id == organisation.id,
            Role.kind.in_(access.roles_with(Right.CONFIRM_HOURS)),
        )
        .distinct()
    )
    return found.all()


async def made(work: Work, words: Words, language: str, about: dict[str, Any]) -> tuple[str, Any]:
    """The name of a report that goes out by itself, and what makes it, to be called in a thread."""
    organisation = await work.session.get_one(Organisation, about["organisation_id"])
    seen = await statistics.overview_of(work, organisation, span_of(work, about["month"]))
    return filename(seen), partial(paper, words, language, seen, work.now)

"""Errors that nobody expected, told to operators: each kind once, then with a count, few in all.

A kind is a type and a place. What is told names machines and code, never what it was about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, func, select

from models import ErrorReport, Lane
from services import delivery
from services.delivery import Post
from services.work import Work

TEMPLATE = "operation/error"
KIND = "error"
APART = timedelta(hours=1)
"""A kind is told of no sooner again."""
AT_MOST = 20
"""Reports within that time, of whatever kind."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something was raised, `count` times."""

    kind: str
    place: str
    version: str
    host: str
    role: str
    origin: str | None
    count: int = 1

    @property
    def fingerprint(self) -> str:
        return sha256(f"{self.kind} {self.place}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Readers:
    """The chats in which operators read, and their language."""

    chat_ids: Sequence[int]
    language: str


async def note(work: Work, occurrences: Sequence[Occurrence]) -> None:
    """Adds to what is known of each kind."""
    for one in sorted(occurrences, key=lambda one: one.fingerprint):
        found = await work.session.get(ErrorReport, one.fingerprint, with_for_update=True)
        if found is None:
            found = ErrorReport(
                fingerprint=one.fingerprint,
                kind=one.kind[:80],
                place=one.place[:160],
                first_at=work.now,
                count=0,
                untold=0,
            )
            work.session.add(found)
        found.count += one.count
        found.untold += one.count
        found.last_at = work.now
        found.origin = one.origin
        found.version, found.host, found.role = one.version[:32], one.host[:64], one.role[:32]
        await work.session.flush()


async def tell(work: Work, readers: Readers) -> int:
    """Posts what may be told by now; answers how many reports that are."""
    since = work.now - APART
    lately = await work.session.scalar(
        select(func.count()).select_from(ErrorReport).where(ErrorReport.told_at > since)
    )
    due = await work.session.scalars(
        select(ErrorReport)
        .where(ErrorReport.untold > 0, func.coalesce(ErrorReport.told_at, since) <= since)
        .order_by(ErrorReport.last_at)
        .limit(max(0, AT_MOST - (lately or 0)))
        .with_for_update(skip_locked=True)
    )
    told = due.all()
    for one in told:
        post = Post(TEMPLATE, about(one), kind=KIND, lane=Lane.TRANSACTIONAL)
        for chat_id in readers.chat_ids:
            await delivery.tell_chat(work, post, chat_id, readers.language)
        one.untold, one.told_at = 0, work.now
    await work.session.flush()
    return len(told)


def about(one: ErrorReport | Occurrence) -> dict[str, Any]:
    """What the template takes."""
    if isinstance(one, ErrorReport):
        stored = {"stored": True, "count": one.untold, "since": one.told_at and one.first_at}
    else:
        stored = {"stored": False, "count": one.count, "since": None}
    return {
        "error": one.kind,
        "place": one.place,
        "version": one.version,
        "host": one.host,
        "role": one.role,
        "origin": one.origin,
        **stored,
    }


async def lately(work: Work, within: timedelta) -> Sequence[ErrorReport]:
    """Kinds that happened within a time, the latest first."""
    found = await work.session.scalars(
        select(ErrorReport)
        .where(ErrorReport.last_at > work.now - within)
        .order_by(ErrorReport.last_at.desc())
    )
    return found.all()


async def forget(work: Work) -> int:
    """Sweep: kinds that have not happened for long."""
    before: datetime = work.now - timedelta(days=work.policy.error_keep_days)
    done = await work.session.execute(delete(ErrorReport).where(ErrorReport.last_at < before))
    return int(getattr(done, "rowcount", 0))

"""The change of turns on duty: reminders, gaps, handing over and taking over.

Sweeps: each asks what is due now and is safe to run twice. After downtime what has passed is not
said any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from models import Duty, Organisation
from services import audit, delivery, duty, quiet_hours
from services.delivery import Post
from services.duty import Line
from services.errors import Gone, Refusal
from services.work import Work

ASKED_LATE = timedelta(hours=6)
"""So long after the end of a turn its holder is still asked what they hand over."""
NOTED_LATE = timedelta(hours=24)
"""So long after the end of a turn something can still be handed over."""
ENDS_SOON = timedelta(days=3)
"""So long before a rota ends its leaders hear of it."""
PORTION = 500
"""Turns that one sweep looks at."""


# Before a turn


async def remind(work: Work) -> int:
    """Sweep: a day before, outside of quiet hours, and an hour before; not both at once.

    Who got the turn after the reminder's moment knows the time anyway.
    """
    hour = timedelta(minutes=work.policy.duty_hour_before)
    day = timedelta(minutes=work.policy.duty_day_before)
    early = await _remind(work, "day", Duty.reminded_day_at, ahead=day, until=hour)
    return early + await _remind(
        work, "hour", Duty.reminded_hour_at, ahead=hour, until=timedelta(0)
    )


async def _remind(
    work: Work,
    when: str,
    noted: InstrumentedAttribute[datetime | None],
    *,
    ahead: timedelta,
    until: timedelta,
) -> int:
    if not ahead:
        return 0
    due = await _claim(
        work, noted, Duty.starts_at > work.now + until, Duty.starts_at <= work.now + ahead
    )
    told = [line for line in due if line.duty.given_at <= line.duty.starts_at - ahead]
    if not told:
        return 0
    later = await quiet_hours.times(work) if when == "day" else (None, ())
    for line in told:
        about = {**line.told(), "when": when, "ready": line.duty.ready_at is not None}
        post = Post(
            "duty/reminder",
            about,
            kind=duty.KIND,
            due_at=later[0],
            due_below=later[1],
            expires_at=line.duty.starts_at,
        )
        await delivery.tell(work, post, [line.person.id])
    return len(told)


async def _claim(
    work: Work, noted: InstrumentedAttribute[datetime | None], *which: ColumnElement[bool]
) -> list[Line]:
    """Those for which this has not been done yet; from now on it counts as done.

    Without those whose holder has left: they are gaps, of which the leaders hear.
    """
    found = await work.session.scalars(
        select(Duty.id).where(noted.is_(None), *which).order_by(Duty.id).limit(PORTION)
    )
    keys = found.all()
    if not keys:
        return []
    claimed = await work.session.scalars(
        update(Duty)
        .where(Duty.id.in_(keys), noted.is_(None))
        .values({noted.key: work.now})
        .returning(Duty.id)
        .execution_options(synchronize_session=False)
    )
    done = claimed.all()
    if not done:
        return []
    return [line for line in await duty.lines(work, Duty.id.in_(done)) if line.unfit != "left"]


async def report_gaps(work: Work) -> int:
    """Sweep: the leaders hear once of a turn within a day for which nobody can be counted on."""
    near = await duty.lines(
        work,
        Duty.gap_told_at.is_(None),
        Duty.ends_at > work.now,
        Duty.starts_at <= work.now + duty.SOON,
        duty.doubtful(work),
    )
    gaps = [line for line in near if line.gap(work.now) is not None]
    for line in gaps:
        line.duty.gap_told_at = work.now
        about = {**line.told(), "gap": line.gap(work.now)}
        post = Post("duty/gap", about, kind=duty.KIND, expires_at=line.duty.ends_at)
        await delivery.tell(work, post, await duty.leaders(work, line.team.id))
    await work.session.flush()
    return len(gaps)


async def report_ends(work: Work) -> int:
    """Sweep: the leaders hear once that the rota of their team ends within days."""
    last = func.max(Duty.ends_at)
    rows = await work.session.execute(
        select(Organisation.id, Organisation.names, last)
        .join(Duty, Duty.organisation_id == Organisation.id)
        .where(Duty.ends_at > work.now)
        .group_by(Organisation.id)
        .having(last <= work.now + ENDS_SOON)
    )
    told = 0
    for team_id, names, ends_at in rows.all():
        dedupe = f"duty_ends:{team_id}:{ends_at:%Y%m%d%H%M}"
        if await work.session.scalar(delivery.posted(work, dedupe)):
            continue
        about = {"team": names, "team_id": team_id, "ends_at": ends_at}
        post = Post("duty/ends", about, kind=duty.KIND, expires_at=ends_at, dedupe=dedupe)
        await delivery.tell(work, post, await duty.leaders(work, team_id))
        told += 1
    return told


# The change itself


async def change_over(work: Work) -> int:
    """Sweep: who goes off is asked what to hand over, who comes on to take over.

    If nobody has taken over in time, the one before and the leaders hear of it.
    """
    return await _ask_for_notes(work) + await _say_it_begins(work) + await _report_late(work)


async def _ask_for_notes(work: Work) -> int:
    """Not of somebody who has handed over already, or goes on with the next turn themselves."""
    ended = await _claim(
        work,
        Duty.note_asked_at,
        Duty.noted_at.is_(None),
        Duty.ends_at <= work.now,
        Duty.ends_at > work.now - ASKED_LATE,
    )
    around = await _around(work, ended)
    asked = [line for line in ended if line.person.id not in _people(around.after(line))]
    for line in asked:
        post = Post("duty/hand_over", line.told(), kind=duty.KIND)
        await delivery.tell(work, post, [line.person.id])
    return len(asked)


async def _say_it_begins(work: Work) -> int:
    """With what those before have handed over. Who goes on with their own turn has taken over."""
    begun = await _claim(work, Duty.begun_at, Duty.starts_at <= work.now, Duty.ends_at > work.now)
    around = await _around(work, begun)
    for line in begun:
        before = around.before(line)
        if line.person.id in _people(before):
            line.duty.taken_over_at = work.now
            continue
        about = {**line.told(), "notes": _notes(before)}
        post = Post("duty/begins", about, kind=duty.KIND, expires_at=line.duty.ends_at)
        await delivery.tell(work, post, [line.person.id])
    await work.session.flush()
    return len(begun)


async def _report_late(work: Work) -> int:
    since = case((Duty.given_at > Duty.starts_at, Duty.given_at), else_=Duty.starts_at)
    limit = timedelta(minutes=work.policy.duty_takeover_minutes)
    late = await _claim(
        work,
        Duty.late_told_at,
        Duty.begun_at.is_not(None),
        Duty.taken_over_at.is_(None),
        Duty.ends_at > work.now,
        since <= work.now - limit,
    )
    around = await _around(work, late)
    for line in late:
        leaders = set(await duty.leaders(work, line.team.id))
        before = _people(around.before(line)) - leaders
        for people, leads in ((leaders, True), (before, False)):
            post = Post("duty/late", {**line.told(), "leads": leads}, kind=duty.KIND)
            await delivery.tell(work, post, people - {line.person.id})
    return len(late)


@dataclass(frozen=True, slots=True)
class _Around:
    """The turns of some teams that border on others, and those that run."""

    lines: Sequence[Line]
    now: datetime

    def before(self, line: Line) -> list[Line]:
        """Those that ended as it began."""
        return [other for other in self._of_team(line) if other.duty.ends_at == line.duty.starts_at]

    def after(self, line: Line) -> list[Line]:
        """Those that follow on it, and those that run."""
        return [
            other
            for other in self._of_team(line)
            if other.duty.starts_at == line.duty.ends_at
            or other.duty.starts_at <= self.now < other.duty.ends_at
        ]

    def _of_team(self, line: Line) -> list[Line]:
        return [
            other
            for other in self.lines
            if other.team.id == line.team.id and other.duty.id != line.duty.id
        ]


async def _around(work: Work, lines: Sequence[Line]) -> _Around:
    if not lines:
        return _Around([], work.now)
    running = and_(Duty.starts_at <= work.now, Duty.ends_at > work.now)
    found = await duty.lines(
        work,
        Duty.organisation_id.in_({line.team.id for line in lines}),
        or_(
            Duty.ends_at.in_({line.duty.starts_at for line in lines}),
            Duty.starts_at.in_({line.duty.ends_at for line in lines}),
            running,
        ),
    )
    return _Around(found, work.now)


def _people(lines: Iterable[Line]) -> set[int]:
    return {line.person.id for line in lines}


def _notes(before: Iterable[Line]) -> list[dict[str, Any]]:
    return [
        {"name": line.person.name, "note": line.duty.note}
        for line in before
        if line.duty.noted_at is not None
    ]


# Handing over


async def to_note(work: Work, duty_id: int) -> Duty:
    """The actor's turn, of which they may hand something over. Raises Gone, Refusal."""
    found = await duty.own(work, duty_id)
    if found.starts_at > work.now or found.ends_at <= work.now - NOTED_LATE:
        raise Refusal("duty_no_note")
    return found


async def hand_over(work: Work, duty_id: int, note: str) -> Duty:
    """What the next one must know; empty for nothing special. Raises Gone, Refusal.

    May be written before the end, and again; whoever is on then reads the latest.
    """
    found = await to_note(work, duty_id)
    found.note, found.noted_at = note, work.now
    await work.session.flush()
    audit.note(
        work, "duty.handed_over", f"duty:{found.id}", organisation_id=found.organisation_id,
        special=bool(note),
    )  # fmt: skip
    (line,) = await duty.lines(work, Duty.id == found.id)
    for other in (await _around(work, [line])).after(line):
        if other.duty.begun_at is not None and other.person.id != work.person.id:
            about = {**line.told(), "note": note, "next_id": other.duty.id}
            await delivery.tell(work, Post("duty/note", about, kind=duty.KIND), [other.person.id])
    return found


async def take_over(work: Work, duty_id: int) -> dict[str, Any]:
    """The actor is on duty and has read what was handed over. Raises Gone, Refusal("duty_over")."""
    found = await duty.own(work, duty_id)
    if found.starts_at > work.now:
        raise Gone
    if found.ends_at <= work.now:
        raise Refusal("duty_over")
    first = found.taken_over_at is None
    found.taken_over_at = work.now
    await work.session.flush()
    if first:
        audit.note(
            work, "duty.taken_over", f"duty:{found.id}", organisation_id=found.organisation_id
        )
    (line,) = await duty.lines(work, Duty.id == found.id)
    before = (await _around(work, [line])).before(line)
    return {
        **line.told(),
        "notes": _notes(before),
        "awaited": any(other.duty.noted_at is None for other in before),
    }

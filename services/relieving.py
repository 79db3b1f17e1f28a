"""The change of turns on duty: reminders, gaps, handing over and taking over.

Sweeps: each asks what is due now and is safe to run twice. After downtime what has passed is not
said any more.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from models import Duty
from services import audit, delivery, duty
from services.delivery import Post
from services.errors import Gone, Refusal
from services.work import Work

ASKED_LATE = timedelta(hours=6)
"""So long after the end of a turn its holder is still asked what they hand over."""
NOTED_LATE = timedelta(hours=24)
"""So long after the end of a turn something can still be handed over."""
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
        work,
        noted,
        Duty.starts_at > work.now + until,
        Duty.starts_at <= work.now + ahead,
    )
    told = [one for one in due if one.given_at <= one.starts_at - ahead]
    for one in told:
        about = {**await duty.described(work, one), "when": when, "ready": one.ready_at is not None}
        later = delivery.after_quiet_hours(work, work.now) if when == "day" else None
        post = Post("duty/reminder", about, kind=duty.KIND, due_at=later, expires_at=one.starts_at)
        await delivery.tell(work, post, [one.person_id])
    return len(told)


async def _claim(
    work: Work, noted: InstrumentedAttribute[datetime | None], *which: ColumnElement[bool]
) -> list[Duty]:
    """Those for which this has not been done yet; from now on it counts as done."""
    keys = await work.session.scalars(
        select(Duty.id).where(noted.is_(None), *which).order_by(Duty.id).limit(PORTION)
    )
    claimed = await work.session.scalars(
        update(Duty)
        .where(Duty.id.in_(keys.all()), noted.is_(None))
        .values({noted.key: work.now})
        .returning(Duty.id)
        .execution_options(synchronize_session=False)
    )
    found = await work.session.scalars(
        select(Duty)
        .where(Duty.id.in_(claimed.all()))
        .order_by(Duty.starts_at, Duty.id)
        .execution_options(populate_existing=True)
    )
    return list(found)


async def report_gaps(work: Work) -> int:
    """Sweep: the leaders hear once of a turn within a day for which nobody can be counted on."""
    near = await duty.lines(
        work,
        Duty.gap_told_at.is_(None),
        Duty.ends_at > work.now,
        Duty.starts_at <= work.now + duty.SOON,
    )
    gaps = [line for line in near if line.gap(work.now) is not None]
    for line in gaps:
        line.duty.gap_told_at = work.now
        about = {**await duty.described(work, line.duty), "gap": line.gap(work.now)}
        post = Post("duty/gap", about, kind=duty.KIND, expires_at=line.duty.ends_at)
        await delivery.tell(work, post, await duty.leaders(work, line.team.id))
    await work.session.flush()
    return len(gaps)


# The change itself


async def change_over(work: Work) -> int:
    """Sweep: who goes off is asked what to hand over, who comes on to take over.

    If nobody has taken over in time, the one before and the leaders hear of it.
    """
    return await _ask_for_notes(work) + await _say_it_begins(work) + await _report_late(work)


async def _ask_for_notes(work: Work) -> int:
    """Not of somebody who goes on with the next turn themselves."""
    ended = await _claim(
        work, Duty.note_asked_at, Duty.ends_at <= work.now, Duty.ends_at > work.now - ASKED_LATE
    )
    asked = 0
    for one in ended:
        after = await _after(work, one)
        if one.noted_at is not None or one.person_id in {other.person_id for other in after}:
            continue
        about = await duty.described(work, one)
        await delivery.tell(work, Post("duty/hand_over", about, kind=duty.KIND), [one.person_id])
        asked += 1
    return asked


async def _say_it_begins(work: Work) -> int:
    """With what those before have handed over. Who goes on with their own turn has taken over."""
    begun = await _claim(work, Duty.begun_at, Duty.starts_at <= work.now, Duty.ends_at > work.now)
    for one in begun:
        before = await _before(work, one)
        if one.person_id in {other.person_id for other in before}:
            one.taken_over_at = work.now
            continue
        about = {**await duty.described(work, one), "notes": await _notes(work, before)}
        post = Post("duty/begins", about, kind=duty.KIND, expires_at=one.ends_at)
        await delivery.tell(work, post, [one.person_id])
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
    for one in late:
        before = {other.person_id for other in await _before(work, one)}
        leaders = set(await duty.leaders(work, one.organisation_id))
        about = await duty.described(work, one)
        for people, leads in ((leaders, True), (before - leaders, False)):
            post = Post("duty/late", {**about, "leads": leads}, kind=duty.KIND)
            await delivery.tell(work, post, people - {one.person_id})
    return len(late)


async def _after(work: Work, ended: Duty) -> Sequence[Duty]:
    """The turns that follow on one, and those that run now."""
    return await _of_team(
        work,
        ended,
        or_(
            Duty.starts_at == ended.ends_at,
            (Duty.starts_at <= work.now) & (Duty.ends_at > work.now),
        ),
    )


async def _before(work: Work, begun: Duty) -> Sequence[Duty]:
    """The turns that ended as one began."""
    return await _of_team(work, begun, Duty.ends_at == begun.starts_at)


async def _of_team(work: Work, one: Duty, which: ColumnElement[bool]) -> Sequence[Duty]:
    found = await work.session.scalars(
        select(Duty)
        .where(Duty.organisation_id == one.organisation_id, Duty.id != one.id, which)
        .order_by(Duty.id)
    )
    return found.all()


async def _notes(work: Work, before: Iterable[Duty]) -> list[dict[str, Any]]:
    return [
        {"name": (await duty.described(work, one))["name"], "note": one.note}
        for one in before
        if one.noted_at is not None
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
    after = [one for one in await _after(work, found) if one.begun_at is not None]
    about = {**await duty.described(work, found), "note": note}
    for one in after:
        if one.person_id != work.person.id:
            post = Post("duty/note", {**about, "next_id": one.id}, kind=duty.KIND)
            await delivery.tell(work, post, [one.person_id])
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
    before = await _before(work, found)
    return {
        **await duty.described(work, found),
        "notes": await _notes(work, before),
        "awaited": any(one.noted_at is None for one in before),
    }

"""What the clock does with broadcasts: starts them, writes their deliveries, reports, ends them.

Deliveries are written in portions, only so far ahead of the sender: pausing, stopping and quiet
hours then concern few rows, whatever the size of the audience.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import String, case, cast, func, literal, or_, select

from models import (
    Account,
    Broadcast,
    BroadcastState,
    Delivery,
    DeliveryState,
    Group,
    Lane,
    Message,
    Organisation,
    Trait,
)
from services import audiences, broadcasts, delivery, quiet_hours
from services.broadcasts import KINDS, UNDER_WAY
from services.delivery import Post
from services.work import Work

PORTION = 5_000
"""People that one transaction is about."""
AHEAD = 20_000
"""Deliveries of the lane that may wait for the sender; more are not written yet."""
CORRECTIONS = 2_000
COUNTED_AT_ONCE = 20_000
"""People up to whom a page that looks every second counts each delivery."""
WEEK = timedelta(days=7)
RECENTLY = timedelta(minutes=1)
"""Over which the pace is measured."""
REPORTED_FOR = timedelta(days=1)
PROGRESS, REPORT = "broadcast_progress", "broadcast_report"
WEEKLY_LIMIT, TOO_LATE = "weekly_limit", "expired"
ENDED = (BroadcastState.STOPPED, BroadcastState.FINISHED, BroadcastState.RECALLED)


@dataclass(slots=True)
class Progress:
    """How far a broadcast has come. Numbers are of chats; `queued` includes the unwritten."""

    broadcast_id: int
    title: str
    state: str
    urgent: bool
    size: int
    starts_at: str | None
    queued: int = 0
    sent: int = 0
    seen: int = 0
    expired: int = 0
    revoked: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """By reason, as `outbox.Why`."""
    left_out: dict[str, int] = field(default_factory=dict)
    minutes_left: int | None = None
    """At the pace of the last minute; None while nothing moves."""
    answers: list[tuple[str, int]] = field(default_factory=list)
    resumes_at: str | None = None
    """The end of the quiet hours, while they last."""
    kind: str = ""

    @property
    def done(self) -> int:
        return self.sent + sum(self.failed.values()) + self.expired + self.revoked

    @property
    def percent(self) -> int:
        return 100 * self.done // max(1, self.done + self.queued)

    def shown(self) -> dict[str, Any]:
        """As the templates take it."""
        return asdict(self) | {"percent": self.percent}


# Going on


async def advance(work: Work) -> int:
    """One step with each broadcast that is under way; answers how many rows it wrote."""
    active = await work.session.scalars(
        select(Broadcast)
        .where(
            or_(
                Broadcast.state.in_(UNDER_WAY),
                Broadcast.correcting,
                (Broadcast.state == BroadcastState.SCHEDULED) & (Broadcast.starts_at <= work.now),
            )
        )
        .order_by(Broadcast.urgent.desc(), Broadcast.id)
        .with_for_update()
    )
    return sum([await _advance(work, found) for found in active.all()])


async def _advance(work: Work, found: Broadcast) -> int:
    wrote = await _correct_some(work, found) if found.correcting else 0
    resumes_at, below = (work.now, []) if found.urgent else await _quiet(work, found)
    quiet = resumes_at > work.now
    if found.state in UNDER_WAY and _is_over(work, found):
        await _expire(work, found)
    elif found.state is BroadcastState.SCHEDULED and not quiet:
        await _start(work, found)
    if found.state is not BroadcastState.RUNNING:
        return wrote
    for path, until in below:
        await delivery.put_off(work, found.message_id or 0, until, path)
    if quiet:
        await delivery.put_off(work, found.message_id or 0, resumes_at)
    elif not found.all_written and await _has_room(work):
        wrote += await _write_some(work, found)
    await _finish(work, found)
    return wrote


async def _quiet(work: Work, found: Broadcast) -> tuple[datetime, list[tuple[str, datetime]]]:
    """When its organisation's quiet hours are over, now if it is in none; and who below it is in
    hours of their own, until when."""
    organisation = await work.session.get_one(Organisation, found.organisation_id)
    hours = await quiet_hours.known(work)
    return hours.after(organisation.path, work.now), hours.quiet_below(organisation.path)


def _is_over(work: Work, found: Broadcast) -> bool:
    return found.expires_at is not None and found.expires_at <= work.now


async def _start(work: Work, found: Broadcast) -> None:
    """Groups and the coordinators hear of it first."""
    post = await broadcasts.post_of(work, found)
    found.message_id = (await delivery.write(work, post)).id
    found.state = BroadcastState.RUNNING
    audience = broadcasts.audience_of(found)
    found.left_out = (await audiences.counted(work, audience, found.kind)).unreachable
    if audience.groups:
        in_group = Post(
            "broadcasts/in_group",
            await broadcasts.parameters_of(work, found) | {"opens": found.buttons["opens"]},
            kind=f"group_{found.kind}",
            lane=Lane.BROADCAST,
            subject=broadcasts.subject(found.id),
            attachment=found.attachment,
            expires_at=found.expires_at,
        )
        which = select(Group.id).where(Group.id.in_(audience.groups))
        await delivery.tell_all(work, in_group, delivery.in_groups(which))
    await _tell_author(work, found, PROGRESS, await progress(work, found))


async def _write_some(work: Work, found: Broadcast) -> int:
    """The next portion of people, with the mark up to whom; both or neither are committed."""
    beyond = audiences.members(work, broadcasts.audience_of(found)).where(
        Trait.person_id > found.written_to
    )
    some = beyond.order_by(Trait.person_id).limit(PORTION).subquery()
    last, fitting = (
        await work.session.execute(
            select(func.max(some.c.person_id), func.count()).select_from(some)
        )
    ).one()
    found.all_written = fitting < PORTION
    if not fitting:
        return 0
    found.written_to = last
    willing = (
        select(Trait.person_id)
        .where(Trait.person_id.in_(select(some.c.person_id)))
        .where(audiences.reachable(work, found.kind))
    )
    recipients = (
        willing.join(Account, Account.person_id == Trait.person_id)
        .with_only_columns(
            Trait.person_id, Account.telegram_id, Trait.language, delivery.NO_PARAMETERS
        )
        .order_by(Trait.person_id)
    )
    if found.urgent:
        return await _tell(work, found, recipients)
    told = delivery.told_since(Trait.person_id, KINDS, work.now - WEEK)
    wanted = await work.session.scalar(select(func.count()).select_from(willing.subquery()))
    wrote = await _tell(work, found, recipients.where(told < work.policy.broadcasts_per_week))
    _leave_out(found, WEEKLY_LIMIT, (wanted or 0) - wrote)
    return wrote


async def _tell(work: Work, found: Broadcast, recipients: delivery.Recipients) -> int:
    post = await broadcasts.post_of(work, found)
    if not found.urgent:
        post = await quiet_hours.kept(work, post)
    return await delivery.tell_more(work, found.message_id or 0, post, recipients)


def _leave_out(found: Broadcast, why: str, count: int) -> None:
    if count:
        found.left_out = dict(Counter(found.left_out) + Counter({why: count}))


async def _has_room(work: Work) -> bool:
    """Whether the sender will soon have sent what is due."""
    waiting = (
        select(Delivery.id)
        .where(
            Delivery.state == DeliveryState.QUEUED,
            Delivery.lane == int(Lane.BROADCAST),
            Delivery.due_at <= work.now,
        )
        .limit(AHEAD)
    )
    count = await work.session.scalar(select(func.count()).select_from(waiting.subquery()))
    return (count or 0) < AHEAD


async def _expire(work: Work, found: Broadcast) -> None:
    """What nobody may get any more is closed, written or not."""
    await delivery.revoke(work, found.message_id or 0, DeliveryState.EXPIRED)
    if not found.all_written:
        beyond = (
            audiences.members(work, broadcasts.audience_of(found))
            .where(Trait.person_id > found.written_to, audiences.reachable(work, found.kind))
            .subquery()
        )
        late = await work.session.scalar(select(func.count()).select_from(beyond))
        _leave_out(found, TOO_LATE, late or 0)
        found.all_written = True
    found.state = BroadcastState.RUNNING


async def _finish(work: Work, found: Broadcast) -> None:
    if not found.all_written:
        return
    if not await work.session.scalar(delivery.is_queued(found.message_id or 0)):
        found.state, found.finished_at = BroadcastState.FINISHED, work.now


async def _correct_some(work: Work, found: Broadcast) -> int:
    """What is under way on the wire is waited for: its message's id is not known yet."""
    if not await _has_room(work):
        return 0
    correction = await work.session.get_one(Message, found.correction_id)
    last = await delivery.edit_some(
        work,
        correction,
        found.message_id or 0,
        after=found.corrected_to,
        limit=CORRECTIONS,
        due_at=found.starts_at or work.now,
    )
    if last is not None:
        found.corrected_to = last
        return CORRECTIONS
    found.correcting = await delivery.is_under_way(work, found.message_id or 0, correction)
    return 0


# Reporting


async def progress(work: Work, found: Broadcast) -> Progress:
    """Reads every delivery of it: not for a transaction that others wait for."""
    now = Progress(
        found.id,
        found.title,
        found.state.value,
        found.urgent,
        found.size,
        found.starts_at.isoformat() if found.starts_at else None,
        left_out=dict(found.left_out),
        answers=await broadcasts.answers(work, found),
        kind=found.kind,
    )
    resumes_at, _ = await _quiet(work, found)
    if found.state is BroadcastState.RUNNING and not found.urgent and resumes_at > work.now:
        now.resumes_at = resumes_at.isoformat()
    if found.message_id is None:
        now.queued = found.size
        return now
    if found.outcome is not None:
        _sum_up(now, found, _remembered(found.outcome))
    else:
        _sum_up(now, found, await _counted(work, found.message_id))
    return now


async def lately(work: Work, found: Broadcast) -> Progress:
    """As `progress`, for who looks every second: of a large one as its author was last told."""
    known = await told(work, [found.id]) if found.size > COUNTED_AT_ONCE else {}
    if not known:
        return await progress(work, found)
    figures = {one.name: known[found.id][one.name] for one in fields(Progress)}
    now = Progress(**figures)
    now.state, now.title, now.kind = found.state.value, found.title, found.kind
    now.answers = await broadcasts.answers(work, found)
    return now


async def _counted(work: Work, message_id: int) -> Iterable[Any]:
    """State, reason, how many, how many of them seen, how many done in the last minute."""
    recent = case((Delivery.finished_at > work.now - RECENTLY, 1), else_=0)
    found = await work.session.execute(
        select(
            Delivery.state,
            Delivery.reason,
            func.count(),
            func.count(Delivery.seen_at),
            func.coalesce(func.sum(recent), 0),
        )
        .where(Delivery.message_id == message_id)
        .group_by(Delivery.state, Delivery.reason)
    )
    return found.all()


async def outcome(work: Work, message_id: int) -> dict[str, Any]:
    """What became of its deliveries, as `Broadcast.outcome` keeps it."""
    rows = await _counted(work, message_id)
    return {
        f"{state.value}:{reason or ''}": [count, seen] for state, reason, count, seen, _ in rows
    }


def _remembered(outcome: Mapping[str, Any]) -> Iterable[Any]:
    for key, (count, seen) in outcome.items():
        state, _, reason = key.partition(":")
        yield DeliveryState(state), reason or None, count, seen, 0


def _sum_up(now: Progress, found: Broadcast, rows: Iterable[Any]) -> None:
    pace = written = 0
    for state, reason, count, seen, recent in rows:
        written += count
        pace += recent
        if state is DeliveryState.SENT:
            now.sent += count
            now.seen += seen
        elif state is DeliveryState.FAILED:
            now.failed[reason or ""] = now.failed.get(reason or "", 0) + count
        elif state is DeliveryState.EXPIRED:
            now.expired += count
        elif state is DeliveryState.REVOKED:
            now.revoked += count
        else:
            now.queued += count
    if not found.all_written:
        expected = found.size - found.left_out.get(WEEKLY_LIMIT, 0)
        now.queued += max(0, expected - written)
    if found.state is BroadcastState.RUNNING and pace and now.resumes_at is None:
        now.minutes_left = ceil(now.queued / pace)


async def measure(work: Work) -> list[Progress]:
    """Of those under way, and those that ended and are to be reported."""
    told = (
        select(Message.id)
        .where(Message.subject == literal("broadcast:") + cast(Broadcast.id, String) + f":{REPORT}")
        .exists()
    )
    found = await work.session.scalars(
        select(Broadcast).where(
            or_(
                Broadcast.state.in_(UNDER_WAY),
                Broadcast.state.in_(ENDED)
                & (Broadcast.finished_at > work.now - REPORTED_FOR)
                & ~told,
            )
        )
    )
    return [await progress(work, one) for one in found.all()]


async def report(work: Work, measured: list[Progress]) -> int:
    """Edits the progress on the coordinators' phones where it has moved; at the end, tells them."""
    moved = 0
    for now in measured:
        found = await work.session.get_one(Broadcast, now.broadcast_id)
        last = await _last_told(work, found.id)
        if _has_moved(last, now):
            subject = f"{broadcasts.subject(found.id)}:{PROGRESS}"
            await delivery.revise(
                work, subject, _progress_post(found, PROGRESS, now), kind=PROGRESS
            )
            moved += 1
        if found.state in ENDED:
            await _tell_author(work, found, REPORT, now)
    return moved


async def told(work: Work, broadcast_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What the authors were last told of the progress of these, as `Progress.shown`: for lists,
    which can't count every delivery."""
    subjects = {f"{broadcasts.subject(one)}:{PROGRESS}": one for one in broadcast_ids}
    rows = await work.session.execute(
        select(Message.subject, Message.parameters)
        .where(Message.subject.in_(subjects), Message.kind == PROGRESS)
        .order_by(Message.id.desc())
    )
    return {subjects[subject or ""]: parameters for subject, parameters in rows}


async def _last_told(work: Work, broadcast_id: int) -> dict[str, Any] | None:
    return await work.session.scalar(
        select(Message.parameters)
        .where(
            Message.subject == f"{broadcasts.subject(broadcast_id)}:{PROGRESS}",
            Message.kind == PROGRESS,
        )
        .order_by(Message.id)
        .limit(1)
    )


def _has_moved(last: dict[str, Any] | None, now: Progress) -> bool:
    """By a hundredth at least: each edit of a screen is a message that others wait behind."""
    if last is None:
        return False
    before = {"percent": last["percent"], "state": last["state"], "resumes": last["resumes_at"]}
    return before != {"percent": now.percent, "state": now.state, "resumes": now.resumes_at}


async def _tell_author(work: Work, found: Broadcast, what: str, now: Progress) -> None:
    told = {found.author_id, found.approved_by_id or found.author_id}
    await delivery.tell(work, _progress_post(found, what, now), told)


def _progress_post(found: Broadcast, what: str, now: Progress) -> Post:
    return Post(
        "broadcasts/progress" if what == PROGRESS else "broadcasts/report",
        now.shown(),
        kind=what,
        subject=f"{broadcasts.subject(found.id)}:{what}",
    )

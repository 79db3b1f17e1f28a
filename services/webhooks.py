"""Webhooks: where events go, who may manage that, and what becomes of each event on its way.

Signed as the Standard Webhooks specification says, tried again for three days, at least once each,
in no particular order. `bot/webhooks` carries them; nothing here speaks HTTP.
"""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks.webhooks import Webhook as Signer

from models import Dispatch, DispatchState, Event, Webhook
from services import access, audit, delivery, events
from services.access import Right
from services.errors import Gone, Refusal
from services.tokens import checked_name
from services.work import Work

MOST = 10
"""Webhooks of one organisation."""
LONGEST_URL = 500
LONGEST_ANSWER = 200
SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)
"""For how long an earlier secret signs as well after a new one was made."""
SHOWN = 30
"""Events on their way that are listed."""
KEPT = timedelta(days=30)
"""For how long it can be seen what became of an event."""
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 72000)
)
"""After each failed attempt until the next: ten attempts in 71.6 hours, as the specification
advises. After the last one it is given up."""
JITTER = 0.2
"""A wait is longer or shorter by up to this share, so that not all come at once."""
FAILS_FOR = timedelta(days=2)
"""A webhook that took nothing at all for so long is switched off once an event is given up."""
TAKEN = range(200, 300)
GONE = 410
"""The receiver says that it wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be sent now."""

    dispatch_id: int
    webhook_id: int
    attempts: int
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receiver said: a status, or None and why there was none."""

    dispatch_id: int
    status: int | None
    answer: str

    @property
    def taken(self) -> bool:
        return self.status is not None and self.status in TAKEN


# Managing


async def listed(work: Work, organisation_id: int) -> list[Webhook]:
    """Raises NotAllowed."""
    await access.require(work, Right.EXCHANGE, organisation_id)
    found = select(Webhook).where(Webhook.organisation_id == organisation_id)
    return list(await work.session.scalars(found.order_by(Webhook.id)))


async def managed(work: Work, webhook_id: int) -> Webhook:
    """Raises Gone or NotAllowed."""
    webhook = await work.session.get(Webhook, webhook_id)
    if webhook is None:
        raise Gone
    await access.require(work, Right.EXCHANGE, webhook.organisation_id)
    return webhook


async def make(
    work: Work, organisation_id: int, name: str, url: str, kinds: Sequence[str], *, private: bool
) -> tuple[Webhook, str]:
    """A new webhook and its secret. `private` lets it be of the own network, without TLS.

    Raises NotAllowed or Refusal.
    """
    await access.require(work, Right.EXCHANGE, organisation_id)
    name, url = checked_name(name), checked_url(url, private=private)
    wanted = _checked_kinds(kinds)
    if len(await listed(work, organisation_id)) >= MOST:
        raise Refusal("webhook_too_many", most=MOST)
    secret = _fresh_secret()
    webhook = Webhook(
        organisation_id=organisation_id,
        made_by_id=work.person.id,
        name=name,
        url=url,
        kinds=wanted,
        secret=secret,
        made_at=work.now,
        enabled=True,
    )
    work.session.add(webhook)
    await work.session.flush()
    _note(work, "webhook.made", webhook, kinds=wanted)
    return webhook, secret


def checked_url(url: str, *, private: bool) -> str:
    """Raises Refusal("webhook_url") for what nothing can be sent to.

    Where the name leads to is checked when it is connected to, since that may change.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise Refusal("webhook_url") from None
    schemes = ("https", "http") if private else ("https",)
    if not usable or parts.scheme not in schemes or parts.username or len(url) > LONGEST_URL:
        raise Refusal("webhook_url")
    return url


def _checked_kinds(kinds: Sequence[str]) -> list[str]:
    wanted = [kind.value for kind in events.SUBSCRIBABLE if kind.value in kinds]
    if not wanted or len(wanted) != len(set(kinds)):
        raise Refusal("webhook_kinds")
    return wanted


def _fresh_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def subscribe(work: Work, webhook_id: int, kinds: Sequence[str]) -> Webhook:
    """It gets these kinds from now on. Raises Gone, NotAllowed or Refusal."""
    webhook = await managed(work, webhook_id)
    webhook.kinds = _checked_kinds(kinds)
    await work.session.flush()
    _note(work, "webhook.changed", webhook, kinds=webhook.kinds)
    return webhook


async def rotate(work: Work, webhook_id: int) -> tuple[Webhook, str]:
    """A new secret; the one before signs as well for a day. Raises Gone or NotAllowed."""
    webhook = await managed(work, webhook_id)
    webhook.earlier_secret, webhook.earlier_until = webhook.secret, work.now + OVERLAP
    webhook.secret = _fresh_secret()
    await work.session.flush()
    _note(work, "webhook.rotated", webhook)
    return webhook, webhook.secret


async def switch(work: Work, webhook_id: int, *, on: bool) -> Webhook:
    """Switched off it gets nothing, and what happens meanwhile is not sent later.

    Raises Gone or NotAllowed.
    """
    webhook = await managed(work, webhook_id)
    webhook.enabled = on
    webhook.failing_since = webhook.disabled_at = None
    await work.session.flush()
    if not on:
        await _give_up_waiting(work.session, webhook.id)
    _note(work, "webhook.enabled" if on else "webhook.disabled", webhook)
    return webhook


async def remove(work: Work, webhook_id: int) -> Webhook:
    """With what is on its way. Raises Gone or NotAllowed."""
    webhook = await managed(work, webhook_id)
    _note(work, "webhook.removed", webhook)
    await work.session.execute(delete(Dispatch).where(Dispatch.webhook_id == webhook_id))
    await work.session.delete(webhook)
    await work.session.flush()
    return webhook


async def disable_all(work: Work, organisation_id: int) -> None:
    """Nothing goes to the organisation's from now on; who may close it is not asked here."""
    mine = select(Webhook).where(Webhook.organisation_id == organisation_id, Webhook.enabled)
    for webhook in (await work.session.scalars(mine.order_by(Webhook.id))).all():
        await leave_off(work, webhook)


async def leave_off(work: Work, webhook: Webhook) -> None:
    """Nothing goes there from now on; whether it may be switched off is not asked here."""
    webhook.enabled = False
    await work.session.flush()
    await _give_up_waiting(work.session, webhook.id)
    _note(work, "webhook.disabled", webhook)


async def ping(work: Work, webhook_id: int) -> Dispatch:
    """Sends an event that says nothing. Raises Gone, NotAllowed or Refusal("webhook_off")."""
    webhook = await managed(work, webhook_id)
    if not webhook.enabled:
        raise Refusal("webhook_off")
    data = {"webhook_id": webhook.id}
    kind, home = events.Kind.TEST, webhook.organisation_id
    (sent,) = await events.write(work, kind, home, [data], [webhook.id])
    return sent


async def latest(work: Work, webhook_id: int) -> list[tuple[Dispatch, Event]]:
    """What became of the last events, the newest first. Raises Gone or NotAllowed."""
    await managed(work, webhook_id)
    rows = await work.session.execute(
        select(Dispatch, Event)
        .join(Event, Event.id == Dispatch.event_id)
        .where(Dispatch.webhook_id == webhook_id)
        .order_by(Dispatch.id.desc())
        .limit(SHOWN)
    )
    return [(row[0], row[1]) for row in rows]


async def retry(work: Work, dispatch_id: int) -> Dispatch:
    """Tries once more now. Raises Gone, NotAllowed or Refusal for what has arrived."""
    found = await work.session.get(Dispatch, dispatch_id)
    if found is None:
        raise Gone
    webhook = await managed(work, found.webhook_id)
    if not webhook.enabled:
        raise Refusal("webhook_off")
    if found.state in (DispatchState.TAKEN, DispatchState.SENDING):
        raise Refusal("webhook_arrived")
    found.state, found.due_at = DispatchState.WAITING, work.now
    await work.session.flush()
    work.session.info[events.NOTED] = True
    return found


def _note(work: Work, action: str, webhook: Webhook, **details: object) -> None:
    subject = f"webhook:{webhook.id}"
    audit.note(work, action, subject, organisation_id=webhook.organisation_id, **details)


# Carrying


async def release(session: AsyncSession) -> int:
    """What was under way at a crash goes out again."""
    done = await session.execute(
        update(Dispatch)
        .where(Dispatch.state == DispatchState.SENDING)
        .values(state=DispatchState.WAITING)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


async def is_due(session: AsyncSession, now: datetime) -> bool:
    """Whether anything waits to be sent; asked in a transaction that nobody waits for."""
    due = select(Dispatch.id).where(Dispatch.state == DispatchState.WAITING, Dispatch.due_at <= now)
    return await session.scalar(due.limit(1)) is not None


async def claim(
    session: AsyncSession, now: datetime, room: int, room_each: int, under_way: dict[int, int]
) -> list[Letter]:
    """At most `room` that are due, no webhook having more than `room_each` under way."""
    busy = case({key: room_each - count for key, count in under_way.items()},
                value=Dispatch.webhook_id, else_=room_each) if under_way else room_each  # fmt: skip
    place = func.row_number().over(partition_by=Dispatch.webhook_id, order_by=Dispatch.due_at)
    lined_up = (
        select(Dispatch.id, place.label("place"), (place <= busy).label("fits"), Dispatch.due_at)
        .where(Dispatch.state == DispatchState.WAITING, Dispatch.due_at <= now)
        .subquery()
    )
    chosen = select(lined_up.c.id).where(lined_up.c.fits).order_by(lined_up.c.due_at).limit(room)
    taken = await session.scalars(
        update(Dispatch)
        .where(Dispatch.id.in_(chosen), Dispatch.state == DispatchState.WAITING)
        .values(state=DispatchState.SENDING, attempts=Dispatch.attempts + 1, tried_at=now)
        .returning(Dispatch.id)
        .execution_options(synchronize_session=False)
    )
    rows = await session.execute(
        select(Dispatch, Event, Webhook)
        .join(Event, Event.id == Dispatch.event_id)
        .join(Webhook, Webhook.id == Dispatch.webhook_id)
        .where(Dispatch.id.in_(taken.all()))
        .order_by(Dispatch.id)
        .execution_options(populate_existing=True)
    )
    return [_letter(*row, now) for row in rows]


def _letter(dispatch: Dispatch, event: Event, webhook: Webhook, now: datetime) -> Letter:
    body = json.dumps(
        {"type": event.kind, "timestamp": event.at.isoformat(), "data": event.data},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    signing = [webhook.secret]
    if webhook.earlier_secret and webhook.earlier_until and webhook.earlier_until > now:
        signing.append(webhook.earlier_secret)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event.name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(one).sign(event.name, now, body) for one in signing),
    }
    return Letter(dispatch.id, webhook.id, dispatch.attempts, webhook.url, headers, body.encode())


def wait_after(attempts: int, chance: float) -> timedelta | None:
    """Until the next attempt after so many failed ones; None to give up. `chance` is 0 to 1."""
    if attempts > len(WAITS):
        return None
    return WAITS[attempts - 1] * (1 + JITTER * (2 * chance - 1))


async def record(work: Work, outcome: Outcome, chance: float) -> None:
    """Writes down what a receiver said. What was removed meanwhile is nobody's business."""
    found = await work.session.get(Dispatch, outcome.dispatch_id)
    if found is None:
        return
    found.status = outcome.status
    found.answer = outcome.answer.replace("\0", "")[:LONGEST_ANSWER]
    # Not so strong a lock that whoever writes an event for it would have to wait.
    lock = {"key_share": True}
    webhook = await work.session.get_one(Webhook, found.webhook_id, with_for_update=lock)
    if outcome.taken:
        found.state = DispatchState.TAKEN
        webhook.failing_since = None
        return
    webhook.failing_since = webhook.failing_since or work.now
    wait = wait_after(found.attempts, chance) if webhook.enabled else None
    if wait is None:
        found.state = DispatchState.GIVEN_UP
    else:
        found.state, found.due_at = DispatchState.WAITING, work.now + wait
    await work.session.flush()
    too_long = wait is None and webhook.failing_since <= work.now - FAILS_FOR
    if webhook.enabled and (too_long or outcome.status == GONE):
        await _switch_off(work, webhook)


async def _switch_off(work: Work, webhook: Webhook) -> None:
    """It failed for too long, or wants nothing more: its administrators hear of it."""
    failing_since = webhook.failing_since
    webhook.enabled = False
    webhook.disabled_at = work.now
    await work.session.flush()
    await _give_up_waiting(work.session, webhook.id)
    _note(work, "webhook.failed", webhook)
    post = delivery.Post(
        "exchange/webhook_off",
        {"name": webhook.name, "failing_since": failing_since},
        kind="exchange",
    )
    people = await access.holders(work, Right.EXCHANGE, webhook.organisation_id)
    await delivery.tell(work, post, people)


async def _give_up_waiting(session: AsyncSession, webhook_id: int) -> None:
    await session.execute(
        update(Dispatch)
        .where(Dispatch.webhook_id == webhook_id, Dispatch.state == DispatchState.WAITING)
        .values(state=DispatchState.GIVEN_UP)
        .execution_options(synchronize_session="fetch")
    )


async def forget(work: Work) -> int:
    """Sweep: events of long ago that are on their way nowhere any more."""
    open_states = (DispatchState.WAITING, DispatchState.SENDING)
    old = select(Event.id).where(
        Event.at < work.now - KEPT,
        Event.id.not_in(select(Dispatch.event_id).where(Dispatch.state.in_(open_states))),
    )
    keys = (await work.session.scalars(old.limit(1000))).all()
    await work.session.execute(delete(Dispatch).where(Dispatch.event_id.in_(keys)))
    await work.session.execute(delete(Event).where(Event.id.in_(keys)))
    return len(keys)

"""What Muster will say, written in the transaction that makes it true.

A service never sends. It posts a message here; the sender claims deliveries from the outbox,
sends them and records the receipt. Knows nothing of Telegram's ways, only chats' ids.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    type_coerce,
    update,
)

from models import (
    TELEGRAM,
    Account,
    Delivery,
    DeliveryState,
    Lane,
    Message,
    Person,
)
from services.work import Work

POSTED = "muster_posted"
"""Marks a session that has something for the sender, see `Database.after_commit`."""

NO_PARAMETERS = cast(null(), Delivery.parameters.type)
"""For recipients who need none of their own; PostgreSQL must be told the type."""

Recipients = Select[*tuple[Any, ...]]

ANNOUNCEMENT = "announcement"
COUNTED = (
    DeliveryState.QUEUED,
    DeliveryState.HELD,
    DeliveryState.SENDING,
    DeliveryState.SENT,
)
"""What somebody has been told, or is about to be."""
WAITING = (DeliveryState.QUEUED, DeliveryState.HELD)


@dataclass(frozen=True, slots=True)
class Post:
    """A message to be written: its template, parameters (JSON; moments as they are) and lane."""

    template: str
    parameters: Mapping[str, Any]
    kind: str
    lane: Lane = Lane.TRANSACTIONAL
    subject: str | None = None
    attachment: Mapping[str, Any] | None = None
    """As `Message.attachment`."""
    silent: bool = False
    deletes: bool = False
    """For corrections: takes the message off the phones, edits it where Telegram refuses."""
    due_at: datetime | None = None
    expires_at: datetime | None = None
    dedupe: str | None = None
    """Makes posting twice harmless; one delivery a recipient for each key."""


def photo(file_id: str | None) -> dict[str, str] | None:
    """A picture as an attachment."""
    return {"photo": file_id} if file_id else None


def own_parameters(work: Work, *names_and_values: Any) -> ColumnElement[Any]:
    """A recipient's own parameters {name: value, ...}, built by the database for `tell_all`."""
    if work.session.get_bind().dialect.name == "postgresql":
        built: ColumnElement[Any] = func.jsonb_build_object(*names_and_values)
    else:
        built = func.json_object(*names_and_values)
    # A CAST would make a number of it on SQLite.
    return type_coerce(built, Delivery.parameters.type)


async def tell(work: Work, post: Post, people: Iterable[int]) -> None:
    """Posts to people by key; those without a Telegram account are passed over."""
    keys = list(people)
    if keys:
        recipients: Recipients = select(
            Account.person_id,
            Account.telegram_id,
            func.coalesce(Person.language, Account.language),
            NO_PARAMETERS,
        ).join(Person, Person.id == Account.person_id)
        await tell_all(work, post, recipients.where(Person.id.in_(keys)))


async def tell_chat(work: Work, post: Post, chat_id: int, language: str) -> None:
    """Posts to a chat that is no person's: a group, a channel, a stranger."""
    message = await _write(work, post)
    work.session.add(
        Delivery(
            message_id=message.id,
            chat_id=chat_id,
            language=language,
            lane=post.lane,
            state=DeliveryState.QUEUED,
            dedupe_key=f"{post.dedupe}:{chat_id}" if post.dedupe else None,
            created_at=work.now,
            due_at=post.due_at or work.now,
        )
    )
    await work.session.flush()


async def tell_all(work: Work, post: Post, recipients: Recipients) -> int:
    """Posts to everyone in `recipients` with one INSERT ... SELECT; answers how many.

    `recipients` selects person id, chat id, language and the recipient's own parameters (or NULL).
    """
    message = await _write(work, post)
    who = recipients.subquery()
    person, chat, language, parameters = who.c
    key = literal(post.dedupe) + ":" + cast(chat, String) if post.dedupe else null()
    rows = select(
        literal(message.id),
        person,
        chat,
        language,
        literal(int(post.lane)),
        literal(DeliveryState.QUEUED.value),
        parameters,
        key,
        literal(work.now, Delivery.created_at.type),
        literal(post.due_at or work.now, Delivery.due_at.type),
        literal(0),
        literal(False),
        literal(TELEGRAM),
    )
    if post.dedupe:
        known = select(Delivery.id).where(Delivery.dedupe_key == key)
        rows = rows.where(~known.exists())
    columns = [
        "message_id", "person_id", "chat_id", "language", "lane", "state", "parameters",
        "dedupe_key", "created_at", "due_at", "attempts", "possible_duplicate",
        "channel",
    ]  # fmt: skip
    done = await work.session.execute(
        insert(Delivery).from_select(columns, rows, include_defaults=False)
    )
    return int(getattr(done, "rowcount", 0))


async def correct(work: Work, subject: str, post: Post, *, kind: str | None = None) -> None:
    """What was said about `subject` has become untrue: unsent is revoked, sent is edited.

    `kind` narrows it to messages of that kind.
    """
    about = select(Message.id).where(Message.subject == subject)
    if kind:
        about = about.where(Message.kind == kind)
    await work.session.execute(
        update(Delivery)
        .where(Delivery.message_id.in_(about), Delivery.state.in_(WAITING))
        .values(state=DeliveryState.REVOKED, finished_at=work.now)
        .execution_options(synchronize_session=False)
    )
    await _edit_sent(work, about, post)


async def revise(work: Work, subject: str, post: Post, *, kind: str) -> None:
    """What was said about `subject` has changed: unsent goes out as it is now, sent is edited."""
    about = select(Message.id).where(Message.subject == subject, Message.kind == kind)
    await work.session.execute(
        update(Message)
        .where(Message.subject == subject, Message.kind == kind)
        .values(template=post.template, parameters=storable(post.parameters))
        .execution_options(synchronize_session=False)
    )
    await _edit_sent(work, about, post)


async def _edit_sent(work: Work, about: Select[int], post: Post) -> None:
    """Queues an edit of each message among `about` that is on a phone."""
    message = await _write(work, post)
    sent = select(
        literal(message.id),
        Delivery.person_id,
        Delivery.chat_id,
        Delivery.language,
        literal(int(post.lane)),
        literal(DeliveryState.QUEUED.value),
        Delivery.parameters,
        Delivery.id,
        literal(work.now, Delivery.created_at.type),
        literal(work.now, Delivery.due_at.type),
        literal(0),
        literal(False),
        literal(TELEGRAM),
    ).where(
        Delivery.message_id.in_(about),
        Delivery.message_id != message.id,
        Delivery.state == DeliveryState.SENT,
        Delivery.edits_id.is_(None),
        Delivery.telegram_message_id.is_not(None),
    )
    columns = [
        "message_id", "person_id", "chat_id", "language", "lane", "state", "parameters",
        "edits_id", "created_at", "due_at", "attempts", "possible_duplicate",
        "channel",
    ]  # fmt: skip
    await work.session.execute(insert(Delivery).from_select(columns, sent, include_defaults=False))


async def _write(work: Work, post: Post) -> Message:
    message = Message(
        template=post.template,
        parameters=storable(post.parameters),
        kind=post.kind,
        subject=post.subject,
        attachment=storable(post.attachment) if post.attachment else None,
        silent=post.silent,
        deletes=post.deletes,
        created_at=work.now,
        expires_at=post.expires_at,
    )
    work.session.add(message)
    await work.session.flush()
    work.session.info[POSTED] = True
    return message


def storable(value: Any) -> Any:
    """Parameters as JSON keeps them: moments and days in ISO form."""
    if isinstance(value, Mapping):
        return {str(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def posted(work: Work, dedupe: str) -> Select[bool]:
    """Whether something was posted under this key."""
    key = Delivery.dedupe_key.startswith(f"{dedupe}:", autoescape=True)
    return select(select(Delivery.id).where(key).exists())


def after_quiet_hours(work: Work, moment: datetime) -> datetime:
    """The moment itself, or the end of the quiet hours in which it lies."""
    policy = work.policy
    local = moment.astimezone(policy.zone)
    clock, start, end = local.time(), policy.quiet_from, policy.quiet_until
    quiet = start <= clock < end if start <= end else clock >= start or clock < end
    if start == end or not quiet:
        return moment
    ends = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    if clock >= end:
        ends += timedelta(days=1)
    return ends.astimezone(moment.tzinfo)

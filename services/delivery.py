"""What Muster will say, written in the transaction that makes it true.

A service never sends. It posts a message here; the sender claims deliveries from the outbox,
sends them and records the receipt. Knows nothing of Telegram's ways, only chats' ids.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models import (
    FIRST_BOT,
    TELEGRAM,
    Account,
    Delivery,
    DeliveryState,
    Group,
    Lane,
    Message,
    Organisation,
    Person,
)
from models.sealed import keyring, unseal
from services.words import CLOSED
from services.work import Work

POSTED = "muster_posted"
"""Marks a session that has something for the sender, see `Database.after_commit`."""
ORIGIN = "muster_origin"
"""What a session comes of, where whoever opened it knows that."""

NO_PARAMETERS = cast(null(), Delivery.parameters.type)
"""For recipients who need none of their own; PostgreSQL must be told the type."""

Recipients = Select[*tuple[Any, ...]]

ANNOUNCEMENT = "announcement"
SCREEN = "screen"
"""The kind of what was shown in answer, and is kept."""
NO_TELEGRAM = "no_telegram"
"""Why nothing can be sent to somebody there, as `outbox.Why` has it."""
COUNTED = (
    DeliveryState.QUEUED,
    DeliveryState.HELD,
    DeliveryState.SENDING,
    DeliveryState.SENT,
)
"""What somebody has been told, or is about to be."""
WAITING = (DeliveryState.QUEUED, DeliveryState.HELD)
_QUEUED, _HELD = literal(DeliveryState.QUEUED.value), literal(DeliveryState.HELD.value)
SEALED = "sealed"
"""The parameter that holds the others where they are kept sealed."""
CLOSES = "closes:"
"""Subject of the copy of a message, with its key, that takes the buttons away."""


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
    due_below: Sequence[tuple[str, datetime]] = ()
    """Instead of `due_at` for people of the organisations below these paths; the first one counts.
    Not for chats that are no person's."""
    expires_at: datetime | None = None
    urgency: str | None = None
    """In an emergency, a row of `services.urgency`; None: usual, to everyone."""
    dedupe: str | None = None
    """Makes posting twice harmless; one delivery a recipient for each key."""


def due(post: Post, due_at: datetime, due_below: Sequence[tuple[str, datetime]]) -> Post:
    """The same post at another time."""
    return replace(post, due_at=due_at, due_below=due_below)


def voice(file_id: str | None) -> dict[str, str] | None:
    """A voice message as an attachment."""
    return {"voice": file_id} if file_id else None


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
    """Posts to people by key."""
    keys = list(people)
    if not keys:
        return
    recipients: Recipients = (
        select(Person.id, Account.telegram_id, Person.language, NO_PARAMETERS)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id.in_(keys))
    )
    await tell_all(work, post, recipients)


async def tell_chat(work: Work, post: Post, chat_id: int, language: str) -> None:
    """Posts to a chat that is no person's: a group, a channel, a stranger."""
    message = await write(work, post)
    work.session.add(
        Delivery(
            message_id=message.id,
            bot_id=await work.session.scalar(select(_bot_of(literal(chat_id, BigInteger)))),
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


async def keep(
    work: Work,
    post: Post,
    chat_id: int,
    language: str,
    message_id: int,
    *,
    bot_id: int = FIRST_BOT,
) -> None:
    """What a bot showed in answer stands beside what was delivered, by Telegram's message id."""
    message = await write(work, post)
    person = select(Account.person_id).where(Account.telegram_id == chat_id)
    work.session.add(
        Delivery(
            message_id=message.id,
            bot_id=bot_id,
            person_id=await work.session.scalar(person),
            chat_id=chat_id,
            language=language,
            lane=Lane.INTERACTIVE,
            state=DeliveryState.SENT,
            created_at=work.now,
            due_at=work.now,
            claimed_at=work.now,
            finished_at=work.now,
            telegram_message_id=message_id,
        )
    )
    await work.session.flush()


async def tell_all(work: Work, post: Post, recipients: Recipients) -> int:
    """Posts to everyone in `recipients` with one INSERT ... SELECT; answers how many.

    `recipients` selects person id, chat id, language and the recipient's own parameters (or NULL).
    Without a chat id it is noted that it can't be sent there, and `services.channels` takes over.
    """
    message = await write(work, post)
    return await tell_more(work, message.id, post, recipients)


async def tell_more(work: Work, message_id: int, post: Post, recipients: Recipients) -> int:
    """Posts what is already written to more recipients, as `tell_all` does."""
    work.session.info[POSTED] = True
    who = recipients.subquery()
    person, chat, language, parameters = who.c
    where = func.coalesce(cast(chat, String), literal("none:") + cast(person, String))
    key = literal(post.dedupe) + ":" + where if post.dedupe else null()
    now = literal(work.now, Delivery.created_at.type)
    rows = select(
        literal(message_id),
        person,
        _bot_of(chat),
        chat,
        language,
        literal(int(post.lane)),
        case((chat.is_(None), DeliveryState.FAILED.value), else_=DeliveryState.QUEUED.value),
        parameters,
        key,
        now,
        _due(work, post, person),
        literal(0),
        literal(False),
        literal(TELEGRAM),
        case((chat.is_(None), NO_TELEGRAM)),
        case((chat.is_(None), now)),
    )
    if post.dedupe:
        known = select(Delivery.id).where(Delivery.dedupe_key == key)
        rows = rows.where(~known.exists())
    columns = [
        "message_id", "person_id", "bot_id", "chat_id", "language", "lane", "state", "parameters",
        "dedupe_key", "created_at", "due_at", "attempts", "possible_duplicate",
        "channel", "reason", "finished_at",
    ]  # fmt: skip
    done = await work.session.execute(
        insert(Delivery).from_select(columns, rows, include_defaults=False)
    )
    return int(getattr(done, "rowcount", 0))


def _bot_of(
    chat: ColumnElement[int] | InstrumentedAttribute[int],
) -> ColumnElement[int]:
    """Which bot speaks in a chat."""
    account = select(Account.bot_id).where(Account.telegram_id == chat).scalar_subquery()
    group = select(Group.bot_id).where(Group.chat_id == chat).scalar_subquery()
    return func.coalesce(account, group, FIRST_BOT)


def _due(
    work: Work, post: Post, person: ColumnElement[int] | InstrumentedAttribute[int]
) -> ColumnElement[datetime]:
    """When each recipient is told."""
    usual = literal(post.due_at or work.now, Delivery.due_at.type)
    if not post.due_below:
        return usual
    home = (
        select(Organisation.path)
        .join(Person, Person.organisation_id == Organisation.id)
        .where(Person.id == person)
        .scalar_subquery()
    )
    elsewhere = (
        (home.startswith(path, autoescape=True), literal(at, Delivery.due_at.type))
        for path, at in post.due_below
    )
    return case(*elsewhere, else_=usual)


async def tell_each(work: Work, post: Post, people: Mapping[int, Mapping[str, Any]]) -> None:
    """Posts to people by key, each with parameters of their own (JSON)."""
    if not people:
        return
    message = await write(work, post)
    work.session.info[POSTED] = True
    one = aliased(Person)
    chats = await work.session.execute(
        select(one.id, Account.telegram_id, Account.bot_id, one.language, _due(work, post, one.id))
        .outerjoin(Account, Account.person_id == one.id)
        .where(one.id.in_(list(people)))
    )
    rows = [
        {
            "message_id": message.id,
            "person_id": person_id,
            "bot_id": bot_id or FIRST_BOT,
            "chat_id": chat,
            "language": language,
            "lane": int(post.lane),
            "state": DeliveryState.QUEUED if chat is not None else DeliveryState.FAILED,
            "parameters": storable(people[person_id]),
            "created_at": work.now,
            "due_at": due_at,
            "reason": None if chat is not None else NO_TELEGRAM,
            "finished_at": None if chat is not None else work.now,
        }
        for person_id, chat, bot_id, language, due_at in chats
    ]
    if rows:
        await work.session.execute(insert(Delivery), rows)


async def tell_elsewhere(
    work: Work, post: Post, recipients: Iterable[tuple[int, str, Mapping[str, Any]]]
) -> None:
    """Posts to people without Telegram, each with parameters that stay sealed in the database.

    `recipients` are person id, language and parameters; `services.channels` takes it from there.
    """
    message = await write(work, post)
    work.session.info[POSTED] = True
    rows = [
        {
            "message_id": message.id,
            "person_id": person_id,
            "language": language,
            "lane": int(post.lane),
            "state": DeliveryState.FAILED,
            "reason": NO_TELEGRAM,
            "parameters": sealed(parameters),
            "dedupe_key": f"{post.dedupe}:none:{person_id}" if post.dedupe else None,
            "created_at": work.now,
            "due_at": work.now,
            "finished_at": work.now,
        }
        for person_id, language, parameters in recipients
    ]
    if rows:
        await work.session.execute(insert(Delivery), rows)


def sealed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """As parameters are kept that nobody may read in the database; moments as they are."""
    plain = json.dumps(storable(parameters))
    return {SEALED: b64encode(keyring().seal(plain.encode())).decode()}


def unsealed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a template takes them, whether they were sealed or not."""
    found = dict(parameters)
    if found.get(SEALED):
        found |= json.loads(unseal(b64decode(found.pop(SEALED))))
    return found


async def tell_reached(work: Work, post: Post, subjects: Sequence[str], *, kind: str) -> None:
    """Posts to exactly those whom messages about these subjects have reached, by whatever way."""
    reached = select(Delivery.person_id).where(
        Delivery.channel == TELEGRAM, *_arrived(subjects, kind)
    )
    recipients: Recipients = (
        select(Person.id, Account.telegram_id, Person.language, NO_PARAMETERS)
        .join(Account, Account.person_id == Person.id)
        .where(Person.id.in_(reached))
    )
    await tell_all(work, post, recipients)
    await tell_the_same_way(work, post, subjects, kind=kind)


async def tell_the_same_way(
    work: Work, post: Post, subjects: Sequence[str], *, kind: str, but: Sequence[int] = ()
) -> None:
    """Posts to those whom messages about these subjects reached by another channel, by that one."""
    message = await write(work, post)
    now = literal(work.now, Delivery.created_at.type)
    rows = (
        select(
            literal(message.id),
            Delivery.person_id,
            Delivery.language,
            literal(int(post.lane)),
            literal(DeliveryState.QUEUED.value),
            Delivery.channel,
            now,
            now,
            literal(0),
            literal(False),
        )
        .where(
            Delivery.channel != TELEGRAM,
            *_arrived(subjects, kind),
            Delivery.person_id.not_in(but),
        )
        .distinct()
    )
    columns = [
        "message_id", "person_id", "language", "lane", "state", "channel",
        "created_at", "due_at", "attempts", "possible_duplicate",
    ]  # fmt: skip
    await work.session.execute(insert(Delivery).from_select(columns, rows, include_defaults=False))


def _arrived(subjects: Sequence[str], kind: str) -> tuple[ColumnElement[bool], ...]:
    messages = select(Message.id).where(Message.subject.in_(subjects), Message.kind == kind)
    return (
        Delivery.message_id.in_(messages),
        Delivery.state == DeliveryState.SENT,
        Delivery.edits_id.is_(None),
    )


async def correct(
    work: Work,
    subject: str,
    post: Post,
    *,
    kind: str | None = None,
    people: Select[int] | None = None,
) -> None:
    """What was said about `subject` has become untrue: unsent is revoked, sent is edited.

    What may have arrived without our knowing which message it became is followed by a new one.
    `kind` narrows it to messages of that kind, `people` to those with these keys.
    """
    which = Message.subject == subject
    await correct_all(work, and_(which, Message.kind == kind) if kind else which, post, people)


async def correct_all(
    work: Work, which: ColumnElement[bool], post: Post, people: Select[int] | None = None
) -> None:
    """As `correct`, of all messages of which a condition holds."""
    about: ColumnElement[bool] = Delivery.message_id.in_(select(Message.id).where(which))
    if people is not None:
        about = and_(about, Delivery.person_id.in_(people))
    message = await write(work, post)
    unsent = and_(about, Delivery.state.in_(WAITING))
    doubtful = and_(
        unsent,
        Delivery.possible_duplicate,
        Delivery.edits_id.is_(None),
        Delivery.channel == TELEGRAM,
    )
    await _edit(work, literal(message.id), doubtful, lane=post.lane, anew=True)
    await work.session.execute(
        update(Delivery)
        .where(unsent, Delivery.message_id != message.id)
        .values(state=DeliveryState.REVOKED, finished_at=work.now)
        .execution_options(synchronize_session=False)
    )
    await _correct_everywhere(work, message, about, post.lane)


async def revise(
    work: Work, subject: str, post: Post, *, kind: str, people: Select[int] | None = None
) -> None:
    """What was said about `subject` has changed: unsent goes out as it is now, sent is edited.

    `people` narrows the edits to those with these keys.
    """
    messages = select(Message.id).where(Message.subject == subject, Message.kind == kind)
    await _reword(work, Message.id.in_(messages), post)
    about: ColumnElement[bool] = Delivery.message_id.in_(messages)
    if people is not None:
        about = and_(about, Delivery.person_id.in_(people))
    await _correct_everywhere(work, await write(work, post), about, post.lane)


async def _correct_everywhere(
    work: Work, message: Message, about: ColumnElement[bool], lane: Lane
) -> None:
    """Edits what is on phones; what is on its way there is edited once it has landed.

    Locked first, so that none lands unseen between the two.
    """
    under_way = and_(about, Delivery.state == DeliveryState.SENDING, Delivery.edits_id.is_(None))
    found = await work.session.scalars(
        select(Delivery.id).where(under_way).order_by(Delivery.id).with_for_update()
    )
    keys = found.all()
    message_id = literal(message.id)
    await _edit(work, message_id, _on_phones(message, about), lane=lane)
    if keys:
        flying = Delivery.id.in_(keys)
        await _edit(work, message_id, flying, lane=lane, state=_HELD)


async def drop_edits(work: Work, subject: str, *, kind: str) -> None:
    """Edits of what was said about `subject` that have not gone out are not needed any more."""
    messages = select(Message.id).where(Message.subject == subject, Message.kind == kind)
    edits = and_(
        Delivery.message_id.in_(messages),
        Delivery.edits_id.is_not(None),
        Delivery.state == DeliveryState.QUEUED,
    )
    await _change(work, edits, state=DeliveryState.REVOKED, finished_at=work.now)


async def close(work: Work, subject: str, *, kind: str) -> None:
    """What was said about `subject` keeps its words and loses its buttons; unsent is revoked.

    What was edited since has other words by now, and stays as it is.
    """
    found = await work.session.scalars(
        select(Message).where(Message.subject == subject, Message.kind == kind)
    )
    originals = found.all()
    if not originals:
        return
    work.session.add_all([_without_buttons(work, one) for one in originals])
    await work.session.flush()
    about = Delivery.message_id.in_([one.id for one in originals])
    await _change(
        work,
        and_(about, Delivery.state.in_(WAITING)),
        state=DeliveryState.REVOKED,
        finished_at=work.now,
    )
    await _correct_each(work, about)


def _without_buttons(work: Work, original: Message) -> Message:
    return Message(
        template=original.template,
        parameters={**original.parameters, CLOSED: True},
        kind=original.kind,
        subject=f"{CLOSES}{original.id}",
        created_at=work.now,
        origin=work.session.info.get(ORIGIN),
    )


async def _correct_each(work: Work, about: ColumnElement[bool]) -> None:
    """As `_correct_everywhere`, each delivery by the closing copy of its own message."""
    edit = aliased(Delivery)
    edited = select(edit.id).where(
        edit.edits_id == Delivery.id, edit.state != DeliveryState.REVOKED
    )
    mine = and_(about, Delivery.edits_id.is_(None), Delivery.channel == TELEGRAM, ~edited.exists())
    under_way = and_(mine, Delivery.state == DeliveryState.SENDING)
    await work.session.execute(select(Delivery.id).where(under_way).with_for_update())
    landed = and_(Delivery.state == DeliveryState.SENT, Delivery.telegram_message_id.is_not(None))
    copy = aliased(Message)
    await _edit(
        work,
        copy.id,
        and_(
            mine,
            or_(landed, Delivery.state == DeliveryState.SENDING),
            copy.subject == literal(CLOSES) + cast(Delivery.message_id, String),
        ),
        lane=Lane.TRANSACTIONAL,
        state=case((landed, DeliveryState.QUEUED.value), else_=DeliveryState.HELD.value),
    )


async def reword(work: Work, message_id: int, post: Post) -> None:
    """What of a message is not yet sent goes out as it is now."""
    await _reword(work, Message.id == message_id, post)


async def _reword(work: Work, which: ColumnElement[bool], post: Post) -> None:
    await work.session.execute(
        update(Message)
        .where(which)
        .values(template=post.template, parameters=storable(post.parameters))
        .execution_options(synchronize_session=False)
    )


def in_groups(which: Select[int]) -> Recipients:
    """Groups and channels by key, as recipients."""
    return select(
        cast(null(), BigInteger).label("person_id"), Group.chat_id, Group.language, NO_PARAMETERS
    ).where(Group.id.in_(which), Group.left_at.is_(None))


async def edit_some(
    work: Work, message: Message, original_id: int, *, after: int, limit: int, due_at: datetime
) -> int | None:
    """Queues edits of the next messages on phones that were under way before the edit was written.

    In the order of the deliveries; answers the key of the last, None where there are no more.
    """
    next_ones = (
        select(Delivery.id)
        .where(
            Delivery.message_id == original_id,
            Delivery.id > after,
            Delivery.claimed_at <= message.created_at,
            Delivery.state == DeliveryState.SENT,
            Delivery.telegram_message_id.is_not(None),
            Delivery.edits_id.is_(None),
        )
        .order_by(Delivery.id)
        .limit(limit)
    )
    keys = list(await work.session.scalars(next_ones))
    if not keys:
        return None
    which = Delivery.id.in_(keys)
    await _edit(work, literal(message.id), which, lane=Lane.BROADCAST, due_at=due_at)
    return keys[-1]


async def is_under_way(work: Work, message_id: int, correction: Message) -> bool:
    """Whether a delivery was claimed before the correction and has not landed yet."""
    under_way = select(Delivery.id).where(
        Delivery.message_id == message_id,
        Delivery.claimed_at <= correction.created_at,
        Delivery.state == DeliveryState.SENDING,
    )
    return bool(await work.session.scalar(select(under_way.exists())))


def _on_phones(message: Message, about: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        about,
        Delivery.message_id != message.id,
        Delivery.state == DeliveryState.SENT,
        Delivery.edits_id.is_(None),
        Delivery.telegram_message_id.is_not(None),
    )


async def _edit(
    work: Work,
    message_id: ColumnElement[int] | InstrumentedAttribute[int],
    which: ColumnElement[bool],
    *,
    lane: Lane,
    due_at: datetime | None = None,
    state: ColumnElement[str] = _QUEUED,
    anew: bool = False,
) -> None:
    """Queues an edit of each of these deliveries, or holds it until they have landed.

    `anew`: a message of its own instead, where there is none that could be edited.
    """
    work.session.info[POSTED] = True
    sent = select(
        message_id,
        Delivery.person_id,
        Delivery.bot_id,
        Delivery.chat_id,
        Delivery.language,
        literal(int(lane)),
        state,
        Delivery.parameters,
        cast(null(), Delivery.id.type) if anew else Delivery.id,
        literal(work.now, Delivery.created_at.type),
        literal(due_at or work.now, Delivery.due_at.type),
        literal(0),
        literal(False),
        literal(TELEGRAM),
    ).where(which)
    columns = [
        "message_id", "person_id", "bot_id", "chat_id", "language", "lane", "state", "parameters",
        "edits_id", "created_at", "due_at", "attempts", "possible_duplicate",
        "channel",
    ]  # fmt: skip
    await work.session.execute(insert(Delivery).from_select(columns, sent, include_defaults=False))


async def write(work: Work, post: Post) -> Message:
    """A message without recipients; `tell_more` and `edit_some` give it some."""
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
        urgency=post.urgency,
        origin=work.session.info.get(ORIGIN),
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


async def hold(work: Work, message_id: int) -> None:
    """What of a broadcast is not yet sent waits for `release`."""
    await _change(work, _queued(message_id), state=DeliveryState.HELD)


async def release(work: Work, message_id: int, due_at: datetime) -> None:
    held = and_(Delivery.message_id == message_id, Delivery.state == DeliveryState.HELD)
    await _change(work, held, state=DeliveryState.QUEUED, due_at=due_at)
    work.session.info[POSTED] = True


async def put_off(work: Work, message_id: int, until: datetime, below: str = "") -> None:
    """What of a broadcast is not yet sent becomes due later; `below` to people of that path."""
    waiting = and_(_queued(message_id), Delivery.due_at < until)
    if below:
        people = (
            select(Person.id)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(Organisation.path.startswith(below, autoescape=True))
        )
        waiting = and_(waiting, Delivery.person_id.in_(people))
    await _change(work, waiting, due_at=until)


async def revoke(work: Work, message_id: int, state: DeliveryState = DeliveryState.REVOKED) -> None:
    """What of a broadcast waits is not sent any more."""
    for waiting in (
        _queued(message_id),
        and_(Delivery.message_id == message_id, Delivery.state == DeliveryState.HELD),
    ):
        await _change(work, waiting, state=state, finished_at=work.now)


def is_queued(message_id: int) -> Select[bool]:
    """Whether anything of a broadcast is still to be sent or held."""
    return select(
        or_(
            select(Delivery.id).where(_queued(message_id)).exists(),
            select(Delivery.id)
            .where(
                Delivery.message_id == message_id,
                Delivery.state.in_((DeliveryState.HELD, DeliveryState.SENDING)),
            )
            .exists(),
        )
    )


def _queued(message_id: int) -> ColumnElement[bool]:
    """Found by the index of what is queued: that of messages holds all that was ever sent."""
    return and_(
        Delivery.state == DeliveryState.QUEUED,
        Delivery.lane == int(Lane.BROADCAST),
        Delivery.message_id + 0 == message_id,
    )


async def _change(work: Work, which: ColumnElement[bool], **values: Any) -> None:
    await work.session.execute(
        update(Delivery).where(which).values(**values).execution_options(synchronize_session=False)
    )


def told_since(
    person: ColumnElement[int] | InstrumentedAttribute[int], kinds: Sequence[str], since: datetime
) -> ColumnElement[int]:
    """How many messages of these kinds somebody was sent, or is about to be, since then."""
    return (
        select(func.count())
        .select_from(Delivery)
        .join(Message, Message.id == Delivery.message_id)
        .where(
            Delivery.person_id == person,
            Delivery.created_at > since,
            Delivery.edits_id.is_(None),
            Delivery.state.in_(COUNTED),
            Message.kind.in_(kinds),
        )
        .scalar_subquery()
    )


def posted(work: Work, dedupe: str) -> Select[bool]:
    """Whether something was posted under this key."""
    key = Delivery.dedupe_key.startswith(f"{dedupe}:", autoescape=True)
    return select(select(Delivery.id).where(key).exists())


def after_quiet_hours(work: Work, moment: datetime) -> datetime:
    """The moment itself, or the end of the city's quiet hours in which it lies.

    Organisations may have their own: `services.quiet_hours`.
    """
    return after_hours(work, moment, work.policy.quiet_from, work.policy.quiet_until)


def after_hours(work: Work, moment: datetime, start: time, end: time) -> datetime:
    """The moment itself, or the end of those hours of the local day in which it lies."""
    local = moment.astimezone(work.policy.zone)
    clock = local.time()
    quiet = start <= clock < end if start <= end else clock >= start or clock < end
    if start == end or not quiet:
        return moment
    ends = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    if clock >= end:
        ends += timedelta(days=1)
    return ends.astimezone(moment.tzinfo)

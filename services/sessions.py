"""Who is logged in to the console: links that open once, what Telegram signs, and their sessions.

A session holds no right of its own: what it may do is what its person may do at that moment.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from models import ConsoleSession, LoginWay, Look, Person
from models.sealed import keyring
from services import accounts, audit, delivery, desk
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

LINK_LASTS = timedelta(minutes=2)
IDLE = timedelta(hours=12)
"""A session that nobody used for so long is over."""
NOTED_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=90)
"""How long an ended session can still be looked up."""
TOKEN_LENGTH = 40


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A browser, and who uses it."""

    session: ConsoleSession
    person: Person


class NotLoggedIn(Refusal):
    """No session, or one that is over: the page says how to come in."""

    def __init__(self) -> None:
        super().__init__("not_logged_in")


# Coming in


async def offer(work: Work) -> str:
    """The secret of a new link. Raises NotAllowed for whoever coordinates nothing."""
    await _require_desk(work)
    secret = secrets.token_urlsafe(24)
    await _forget_old(work)
    work.session.add(
        ConsoleSession(
            person_id=work.person.id,
            way=LoginWay.LINK,
            ticket_hash=keyring().fingerprint(secret),
            made_at=work.now,
        )
    )
    await work.session.flush()
    return secret


async def is_open(work: Work, secret: str) -> bool:
    """Whether a link still opens. Changes nothing: previews of links look as well."""
    found = select(ConsoleSession.id).where(_opens(work, secret))
    return await work.session.scalar(found) is not None


async def open_once(work: Work, secret: str, browser: str) -> str:
    """The secret for the cookie of the browser that opened a link. Raises NotLoggedIn."""
    cookie = secrets.token_urlsafe(32)
    opened = await work.session.scalar(
        update(ConsoleSession)
        .where(_opens(work, secret))
        .values(_opened(work, cookie, browser))
        .returning(ConsoleSession)
    )
    if opened is None:
        raise NotLoggedIn
    await _tell(work, opened)
    return cookie


async def open_in_telegram(work: Work, telegram_id: int, ticket: str, browser: str) -> str:
    """As `open_once`, for whom Telegram vouches; `ticket` is its signature, which counts once.

    Raises NotLoggedIn for a ticket that was used, NotAllowed for whoever coordinates nothing.
    """
    found = await accounts.find_account(work.session, telegram_id)
    work = work.acting_as(found[1] if found else None)
    await _require_desk(work)
    cookie = secrets.token_urlsafe(32)
    values = {
        "person_id": work.person.id,
        "way": LoginWay.MINI_APP,
        "ticket_hash": keyring().fingerprint(ticket),
        "look": Look.AUTO,
        "made_at": work.now,
        **_opened(work, cookie, browser),
    }
    dialect = sqlite if work.session.get_bind().dialect.name == "sqlite" else postgresql
    opened = await work.session.scalar(
        dialect.insert(ConsoleSession)
        .values(values)
        .on_conflict_do_nothing(index_elements=["ticket_hash"])
        .returning(ConsoleSession)
    )
    if opened is None:
        raise NotLoggedIn
    audit.note(work, "console.opened", f"session:{opened.id}", way=opened.way)
    return cookie


def _opens(work: Work, secret: str) -> ColumnElement[bool]:
    return and_(
        ConsoleSession.ticket_hash.in_(keyring().fingerprints(secret)),
        ConsoleSession.way == LoginWay.LINK,
        ConsoleSession.opened_at.is_(None),
        ConsoleSession.ended_at.is_(None),
        ConsoleSession.made_at > work.now - LINK_LASTS,
    )


def _opened(work: Work, cookie: str, browser: str) -> dict[str, object]:
    return {
        "cookie_hash": keyring().fingerprint(cookie),
        "browser": browser,
        "opened_at": work.now,
        "used_at": work.now,
    }


async def _tell(work: Work, opened: ConsoleSession) -> None:
    """Whoever's link was opened reads it in chat, and can end it there at once."""
    person = await work.session.get_one(Person, opened.person_id)
    audit.note(work.acting_as(person), "console.opened", f"session:{opened.id}", way=opened.way)
    post = delivery.Post(
        "console/opened",
        {"session_id": opened.id, "browser": opened.browser},
        kind="account",
        dedupe=f"console-opened:{opened.id}",
    )
    await delivery.tell(work, post, [opened.person_id])


async def _require_desk(work: Work) -> None:
    if work.actor is None or not accounts.is_volunteer(work.actor):
        raise NotAllowed
    if not await desk.coordinates(work):
        raise NotAllowed


async def _forget_old(work: Work) -> None:
    """Links that nobody opened, and sessions that ended long ago."""
    await work.session.execute(
        delete(ConsoleSession).where(
            or_(
                and_(
                    ConsoleSession.opened_at.is_(None),
                    ConsoleSession.made_at < work.now - LINK_LASTS,
                ),
                ConsoleSession.used_at < work.now - KEPT,
            ),
            ConsoleSession.person_id == work.person.id,
        )
    )


# Being in


async def current(work: Work, cookie: str) -> LoggedIn:
    """Who uses the browser with this cookie. Raises NotLoggedIn, also to who lost their roles."""
    row = (
        await work.session.execute(
            select(ConsoleSession, Person)
            .join(Person, Person.id == ConsoleSession.person_id)
            .where(ConsoleSession.cookie_hash.in_(keyring().fingerprints(cookie)), _lasts(work))
        )
    ).one_or_none()
    if row is None:
        raise NotLoggedIn
    try:
        await _require_desk(work.acting_as(row[1]))
    except NotAllowed:
        raise NotLoggedIn from None
    return LoggedIn(row[0], row[1])


def token(cookie: str) -> str:
    """What each form of this browser carries, so that no other page can send one in its name."""
    return keyring().sign(f"console-form:{cookie}", TOKEN_LENGTH)


def is_to_be_noted(work: Work, session: ConsoleSession) -> bool:
    """Whether it is time to note that the session is in use; a page that looks writes rarely."""
    return session.used_at is None or session.used_at < work.now - NOTED_EVERY


async def note_use(work: Work, session_id: int) -> None:
    await work.session.execute(
        update(ConsoleSession).where(ConsoleSession.id == session_id).values(used_at=work.now)
    )


async def choose_look(work: Work, session_id: int, look: Look) -> None:
    """Raises Gone for somebody else's."""
    if not await _change(work, ConsoleSession.id == session_id, look=look):
        raise Gone


def is_token(cookie: str, said: str) -> bool:
    """Whether a form came from a page of this browser."""
    return keyring().has_signed(f"console-form:{cookie}", TOKEN_LENGTH, said)


# My sessions


async def own(work: Work) -> list[ConsoleSession]:
    """The actor's browsers that are logged in, the last used first."""
    found = await work.session.scalars(
        select(ConsoleSession)
        .where(ConsoleSession.person_id == work.person.id, _lasts(work))
        .order_by(ConsoleSession.used_at.desc(), ConsoleSession.id.desc())
    )
    return list(found)


async def end(work: Work, session_id: int) -> None:
    """Raises Gone for one that is over, or is somebody else's."""
    if not await _change(work, ConsoleSession.id == session_id, ended_at=work.now):
        raise Gone
    audit.note(work, "console.closed", f"session:{session_id}")


async def end_others(work: Work, session_id: int | None) -> int:
    """All of the actor's but this one; answers how many."""
    others = ConsoleSession.id != session_id if session_id is not None else true()
    ended = await _change(work, others, ended_at=work.now)
    if ended:
        audit.note(work, "console.closed", f"person:{work.person.id}", count=ended)
    return ended


async def _change(work: Work, which: ColumnElement[bool], **values: object) -> int:
    """Changes those of the actor's sessions that last; answers how many."""
    changed = await work.session.scalars(
        update(ConsoleSession)
        .where(which, ConsoleSession.person_id == work.person.id, _lasts(work))
        .values(values)
        .returning(ConsoleSession.id)
    )
    return len(changed.all())


def _lasts(work: Work) -> ColumnElement[bool]:
    return and_(ConsoleSession.ended_at.is_(None), ConsoleSession.used_at > work.now - IDLE)


async def end_all(work: Work, person_id: int) -> None:
    """Nobody uses the console in this person's name any more, as after a move to another phone."""
    await work.session.execute(
        update(ConsoleSession)
        .where(ConsoleSession.person_id == person_id, ConsoleSession.ended_at.is_(None))
        .values(ended_at=work.now)
        .execution_options(synchronize_session=False)
    )

"""Tokens of the API: making, showing once, revoking; and who acts when one is presented.

A token acts as the person who made it, by their rights, only within the token's organisation and
scopes. It dies with that person's right to let programs in.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models import KeptAnswer, Organisation, Person, Token
from models.sealed import keyring
from services import access, audit
from services.access import Right
from services.errors import Gone, Refusal
from services.work import Bounds, Work

PREFIX = "mst_"
"""By which scanners of published code recognise a secret of ours."""
MOST = 50
"""Tokens in use of one organisation."""
LONGEST_NAME = 64
DAYS = (7, 30, 90, 365)
"""For how long a token may be made."""
USED_EVERY = timedelta(minutes=5)
"""`last_used_at` is kept no finer than this, so that reading hardly ever writes."""
ANSWERS_KEPT = timedelta(hours=24)


class Scope(StrEnum):
    """What a token may be used for."""

    ORGANISATIONS_READ = "organisations:read"
    VOLUNTEERS_READ = "volunteers:read"
    VOLUNTEERS_WRITE = "volunteers:write"
    VOLUNTEERS_PERSONAL = "volunteers:personal"
    """Phone and ID number in full, which are masked otherwise; each look is in the audit log."""
    ACTIVITIES_READ = "activities:read"
    ACTIVITIES_WRITE = "activities:write"
    ENROLMENTS_READ = "enrolments:read"
    ENROLMENTS_WRITE = "enrolments:write"
    HOURS_READ = "hours:read"
    HOURS_WRITE = "hours:write"
    STATISTICS_READ = "statistics:read"
    CALLOUTS_READ = "callouts:read"


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that is good, and the work as its maker does it within its bounds."""

    token: Token
    work: Work

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.token.scopes)


# Managing


async def listed(work: Work, organisation_id: int) -> list[tuple[Token, Person]]:
    """Those of the organisation with their makers, the newest first. Raises NotAllowed."""
    await access.require(work, Right.EXCHANGE, organisation_id)
    rows = await work.session.execute(
        select(Token, Person)
        .join(Person, Person.id == Token.made_by_id)
        .where(Token.organisation_id == organisation_id)
        .order_by(Token.revoked_at.is_not(None), Token.id.desc())
    )
    return [(row[0], row[1]) for row in rows]


async def make(
    work: Work, organisation_id: int, name: str, scopes: Sequence[str], days: int
) -> tuple[Token, str]:
    """A new token and its secret, which nobody can look up later. Raises NotAllowed or Refusal."""
    await access.require(work, Right.EXCHANGE, organisation_id)
    name = checked_name(name)
    wanted = [scope.value for scope in Scope if scope.value in scopes]
    if not wanted or len(wanted) != len(set(scopes)):
        raise Refusal("token_scopes")
    if days not in DAYS:
        raise Refusal("token_days", days=list(DAYS))
    in_use = select(Token.id).where(
        Token.organisation_id == organisation_id,
        Token.revoked_at.is_(None),
        Token.expires_at > work.now,
    )
    if len((await work.session.scalars(in_use)).all()) >= MOST:
        raise Refusal("token_too_many", most=MOST)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        organisation_id=organisation_id,
        made_by_id=work.person.id,
        name=name,
        secret_hash=keyring().fingerprint(secret),
        ending=secret[-4:],
        scopes=wanted,
        made_at=work.now,
        expires_at=work.now + timedelta(days=days),
    )
    work.session.add(token)
    await work.session.flush()
    _note(work, "token.made", token, scopes=wanted)
    return token, secret


def checked_name(name: str) -> str:
    """What a token or webhook is called. Raises Refusal("exchange_name")."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refusal("exchange_name", most=LONGEST_NAME)
    return name


async def revoke(work: Work, token_id: int) -> Token:
    """It opens nothing from now on. Raises Gone or NotAllowed."""
    token = await work.session.get(Token, token_id)
    if token is None:
        raise Gone
    await access.require(work, Right.EXCHANGE, token.organisation_id)
    if token.revoked_at is None:
        token.revoked_at = work.now
        await work.session.flush()
        _note(work, "token.revoked", token)
    return token


async def revoke_all(work: Work, organisation_id: int) -> None:
    """None of the organisation's opens anything from now on; who may close it is not asked here."""
    mine = select(Token).where(Token.organisation_id == organisation_id, Token.revoked_at.is_(None))
    for token in await work.session.scalars(mine.order_by(Token.id)):
        token.revoked_at = work.now
        _note(work, "token.revoked", token)
    await work.session.flush()


async def revoke_orphaned(work: Work, person_id: int) -> None:
    """Those that this person made and could not make any more: a role that comes back does not
    bring them back.
    """
    mine = select(Token).where(Token.made_by_id == person_id, Token.revoked_at.is_(None))
    for token in (await work.session.scalars(mine.order_by(Token.id))).all():
        if not await access.holds(work, person_id, Right.EXCHANGE, token.organisation_id):
            token.revoked_at = work.now
            _note(work, "token.revoked", token)
    await work.session.flush()


def _note(work: Work, action: str, token: Token, **details: object) -> None:
    subject = f"token:{token.id}"
    audit.note(work, action, subject, organisation_id=token.organisation_id, **details)


# Presenting


async def present(work: Work, secret: str) -> Presented:
    """Who acts by this secret.

    Raises Refusal: "token_wrong", "token_revoked", "token_expired", or "token_orphaned" where its
    maker may no longer let programs in.
    """
    row = (
        await work.session.execute(
            select(Token, Person, Organisation.path)
            .join(Person, Person.id == Token.made_by_id)
            .join(Organisation, Organisation.id == Token.organisation_id)
            .where(Token.secret_hash.in_(keyring().fingerprints(secret)))
        )
    ).one_or_none()
    if row is None:
        raise Refusal("token_wrong")
    token, maker, path = row
    if token.revoked_at is not None:
        raise Refusal("token_revoked")
    if token.expires_at <= work.now:
        raise Refusal("token_expired", expires_at=token.expires_at)
    acting = replace(work, actor=maker, bounds=Bounds(token.id, path))
    if not await access.may(acting, Right.EXCHANGE, token.organisation_id):
        raise Refusal("token_orphaned")
    return Presented(token, acting)


def is_worth_noting(token: Token, work: Work) -> bool:
    """Whether its use is to be written down once more."""
    return token.last_used_at is None or work.now - token.last_used_at >= USED_EVERY


async def was_used(work: Work, token_id: int) -> None:
    await work.session.execute(
        update(Token)
        .where(Token.id == token_id)
        .values(last_used_at=work.now)
        .execution_options(synchronize_session=False)
    )


# Answers that may be asked for again


async def begin_answer(work: Work, token_id: int, key: str, request: str) -> KeptAnswer | None:
    """Claims an Idempotency-Key; None if it is new, else what was answered then.

    `request` is what was asked, to tell a repetition from another request. A second request at the
    same time waits for the end of the first one's transaction. Raises Refusal("api_key_reused").
    """
    key_hash, request_hash = keyring().lasting(key), keyring().lasting(request)
    await _forget_answers(work, KeptAnswer.token_id == token_id, KeptAnswer.key_hash == key_hash)
    claimed = await work.session.scalar(
        _insert(work)(KeptAnswer)
        .values(token_id=token_id, key_hash=key_hash, request_hash=request_hash, kept_at=work.now)
        .on_conflict_do_nothing()
        .returning(KeptAnswer.token_id)
    )
    if claimed is not None:
        return None
    known = await work.session.get_one(KeptAnswer, (token_id, key_hash))
    if known.request_hash != request_hash:
        raise Refusal("api_key_reused")
    return known


def _insert(work: Work) -> Any:
    is_postgresql = work.session.get_bind().dialect.name == "postgresql"
    return (postgresql if is_postgresql else sqlite).insert


async def keep_answer(work: Work, token_id: int, key: str, status: int, body: str) -> None:
    """What the claimed key is answered from now on."""
    claimed = await work.session.get_one(KeptAnswer, (token_id, keyring().lasting(key)))
    claimed.status, claimed.body = status, body
    await work.session.flush()


async def forget_answers(work: Work) -> int:
    """Sweep: answers that nobody may ask for again."""
    return await _forget_answers(work)


async def _forget_answers(work: Work, *conditions: ColumnElement[bool]) -> int:
    done = await work.session.execute(
        delete(KeptAnswer)
        .where(KeptAnswer.kept_at <= work.now - ANSWERS_KEPT, *conditions)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))

"""The word that a coordinator gives before a message goes to many, which a thief does not know.

Nobody needs one for an emergency, or for a message to few. A word counts only a day after it was
chosen, unless the one before it was given, and those above are told: a phone that is missed by then
is locked out (`services.lockouts`).
"""

import asyncio
import hashlib
import hmac
import itertools
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from models import Person, Role, Watchword
from services import access, audit, delivery
from services.access import Right
from services.errors import Counted, Gone, NotAllowed, Refusal
from services.work import Work

LEAST, MOST = 6, 100
"""Characters of a word."""
TRIES = 5
"""Wrong words, after which none is looked at for a while."""
LOCKED = timedelta(hours=1)
PROVED = timedelta(minutes=10)
"""For so long a word that was given opens what is being filled in."""
KIND = "roles"
COST, BLOCK, LANES = 2**14, 8, 1
"""Of scrypt: 16 MB and about 50 ms a try (RFC 7914, for what people wait for)."""
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Confirmed:
    """That this person has just given their word; made by `prove` only."""

    person_id: int


def is_wanted(work: Work, people: int, many: int | None = None) -> bool:
    """Whether a message to so many takes a word: `many` or fewer do not, as it is set for it."""
    return people > (work.policy.watchword_size if many is None else many)


def require(work: Work, people: int, given: Confirmed | None, many: int | None = None) -> None:
    """Raises Refusal("watchword_wanted") where the word is wanted and was not given."""
    if is_wanted(work, people, many) and (given is None or given.person_id != work.person.id):
        raise Refusal("watchword_wanted", size=work.policy.watchword_size if many is None else many)


async def own(work: Work) -> Watchword | None:
    return await work.session.get(Watchword, work.person.id)


async def has_one(work: Work, person_id: int) -> bool:
    """Whether the actor could take somebody's word away."""
    return (
        person_id != work.person.id
        and await work.session.get(Watchword, person_id) is not None
        and await _is_below(work, person_id)
    )


# Choosing


async def choose(work: Work, word: str, before: str = "") -> Watchword:
    """Takes a new word; where there was one, giving it makes the new one count as long as it did.

    Raises NotAllowed for whoever writes to nobody, Refusal for a word that is easily guessed or not
    the one before.
    """
    if not await access.organisations_with(work, Right.ANNOUNCE):
        raise NotAllowed
    _check(word)
    known = await own(work)
    vouched = False
    if known is not None and before:
        await _compare(work, known, before)
        vouched = True
    if known is None:
        known = Watchword(person_id=work.person.id)
        work.session.add(known)
    known.digest, known.chosen_at = await _digest(word), work.now
    if not vouched:
        known.counts_from = work.now + timedelta(hours=work.policy.watchword_wait_hours)
    await work.session.flush()
    audit.note(work, "watchword.chosen", f"person:{work.person.id}", vouched=vouched)
    if not vouched:
        await _tell_above(work, "watchwords/chosen", counts_from=known.counts_from)
    return known


def _check(word: str) -> None:
    """Raises Refusal."""
    plain = _normal(word)
    if not LEAST <= len(plain) <= MOST:
        raise Refusal("watchword_length", least=LEAST, most=MOST)
    steps = {ord(after) - ord(before) for before, after in itertools.pairwise(plain)}
    if len(steps) == 1 and abs(next(iter(steps))) <= 1:  # 111111, 123456, fedcba
        raise Refusal("watchword_easy")


async def forget(work: Work, person_id: int) -> None:
    """Takes somebody's word away, since they have forgotten it; they choose a new one.

    Raises NotAllowed for oneself and for whoever gives no roles there, Gone where there is none.
    """
    known = await work.session.get(Watchword, person_id)
    if person_id == work.person.id or not await _is_below(work, person_id):
        raise NotAllowed
    if known is None:
        raise Gone
    await work.session.delete(known)
    audit.note(work, "watchword.forgotten", f"person:{person_id}")
    await delivery.tell(
        work, delivery.Post("watchwords/forgotten", {"by": work.person.name}, KIND), [person_id]
    )


async def _is_below(work: Work, person_id: int) -> bool:
    held = await work.session.scalars(
        select(Role.organisation_id).where(Role.person_id == person_id)
    )
    return any([await access.may(work, Right.GRANT_ROLES, key) for key in held.all()])


# Giving


async def prove(work: Work, word: str) -> Confirmed:
    """What the right word opens, for the transaction in which it was given.

    Raises Refusal where there is none or it does not count yet, Counted for a wrong one.
    """
    known = await ready(work)
    await _compare(work, known, word)
    return Confirmed(work.person.id)


async def proof(work: Work, word: str) -> str:
    """As `prove`, to be kept in a form that goes on: the word itself is kept nowhere."""
    await prove(work, word)
    return work.now.isoformat()


def confirmed(work: Work, kept: str | None) -> Confirmed | None:
    """What a `proof` still opens."""
    if kept is None or work.now - datetime.fromisoformat(kept) > PROVED:
        return None
    return Confirmed(work.person.id)


async def ready(work: Work) -> Watchword:
    """The actor's word, which may be given. Raises Refusal."""
    known = await own(work)
    if known is None:
        raise Refusal("watchword_missing", size=work.policy.watchword_size)
    if known.counts_from > work.now:
        raise Refusal("watchword_early", until=known.counts_from)
    return known


async def _compare(work: Work, known: Watchword, word: str) -> None:
    """Raises Counted for a wrong word, and after too many of them for any."""
    if known.locked_until is not None and known.locked_until > work.now:
        raise Counted("watchword_locked", until=known.locked_until)
    if await _fits(word, known.digest):
        known.wrong, known.locked_until = 0, None
        return
    known.wrong += 1
    audit.note(work, "watchword.wrong", f"person:{work.person.id}", count=known.wrong)
    if known.wrong % TRIES:
        raise Counted("watchword_wrong", left=TRIES - known.wrong % TRIES)
    known.locked_until = work.now + LOCKED
    await _tell_above(work, "watchwords/locked", tries=known.wrong)
    await work.session.flush()
    raise Counted("watchword_locked", until=known.locked_until)


async def _tell_above(work: Work, template: str, **more: object) -> None:
    """Those who can lock the phone out hear of it, with a button that does."""
    home = await work.session.scalars(
        select(Role.organisation_id).where(Role.person_id == work.person.id)
    )
    people: set[int] = set()
    for organisation_id in home.all():
        people.update(await access.holders(work, Right.GRANT_ROLES, organisation_id))
        people.update(await access.holders_above(work, Right.GRANT_ROLES, organisation_id))
    people.discard(work.person.id)
    person = await work.session.get_one(Person, work.person.id)
    said = {"person_id": person.id, "name": person.name, "number": person.number, **more}
    await delivery.tell(work, delivery.Post(template, said, KIND), people)


# Hashing


def _normal(word: str) -> str:
    """As typed on any keyboard: full-width and half-width are the same."""
    return unicodedata.normalize("NFKC", word).strip()


async def _digest(word: str) -> str:
    salt = secrets.token_bytes(SALT_BYTES)
    return f"{salt.hex()}:{(await _scrypt(word, salt)).hex()}"


async def _fits(word: str, digest: str) -> bool:
    salt, _, known = digest.partition(":")
    if not 0 < len(word) <= MOST:
        return False
    return hmac.compare_digest((await _scrypt(word, bytes.fromhex(salt))).hex(), known)


async def _scrypt(word: str, salt: bytes) -> bytes:
    return await asyncio.to_thread(
        hashlib.scrypt, _normal(word).encode(), salt=salt, n=COST, r=BLOCK, p=LANES
    )

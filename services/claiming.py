"""People who were entered out of a file come for their registration, and become the same person.

By the code on their slip, or by the phone that their organisation knows: sharing one's own contact
is proof, typing a number is not. A code follows from the key file, the person and how often it was
given out anew; the database keeps its hash, holds it good once and for some time, and stops
listening to whoever guesses.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, exists, func, select, update

from models import Account, Import, Imported, LedgerEntry, Organisation, Person
from models.sealed import keyring
from services import access, audit, delivery, guessing, signup, traits
from services.access import Right
from services.errors import Gone, Refusal
from services.signup import Details
from services.work import Work

KIND = "claim"
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH, GROUP = 12, 4
PROOF_LASTS = timedelta(days=30)
"""In which the form must be filled in."""
KEPT = ("email", "id_number", "id_number_hash")
"""What their organisation knows and the form may not have asked for."""
SLIPS = 500
"""On one paper at most."""


@dataclass(frozen=True, slots=True)
class Slip:
    person_id: int
    name: str
    number: str
    organisation: dict[str, str]
    code: str
    """Without the dashes that help reading it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Whose registration waits, and what it holds."""

    person: Person
    organisation: dict[str, str]
    minutes: int

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.person.name,
            "number": self.person.number,
            "organisation": self.organisation,
            "minutes": self.minutes,
        }


def is_unclaimed(person_id: Any) -> ColumnElement[bool]:
    """Whether a key is somebody's who has not agreed to anything yet."""
    return exists().where(Imported.person_id == person_id, Imported.claimed_at.is_(None))


# Codes


def code_of(person_id: int, issue: int) -> str:
    signed = keyring().signed_first(f"claim:{person_id}:{issue}", 43)
    number = int.from_bytes(hashlib.sha256(signed.encode()).digest())
    letters = []
    for _ in range(LENGTH):
        number, at = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[at])
    return "".join(letters)


def grouped(code: str) -> str:
    """ABCD-EFGH-JKLM"""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def _hash(code: str) -> str:
    return _hashes(code)[0]


def _hashes(code: str) -> list[str]:
    """By which it may be kept."""
    tidy = "".join(c for c in code.upper() if c in ALPHABET)
    return keyring().fingerprints(f"claim:{tidy}")


async def waiting(work: Work, import_id: int) -> int:
    """For how many of an import there would be slips. Raises Gone or NotAllowed."""
    await _may_hand_out(work, import_id)
    which = await _of_import(work, import_id)
    found = select(func.count()).select_from(which.subquery())
    return await work.session.scalar(found) or 0


async def slips(work: Work, import_id: int, first: int = 0, most: int = SLIPS) -> list[Slip]:
    """The next slips of an import in the order of names; codes that have run out are given anew.

    The same slip again has the same code. Raises Gone or NotAllowed.
    """
    found = await _may_hand_out(work, import_id)
    which = (await _of_import(work, import_id)).order_by(Person.name_search, Person.id)
    made = await _codes(work, which.offset(first).limit(min(most, SLIPS)))
    audit.note(
        work,
        "claim.slips",
        f"import:{import_id}",
        organisation_id=found.organisation_id,
        count=len(made),
    )
    return made


async def slip(work: Work, person_id: int) -> Slip:
    """A new code for one person; the one before is void. Raises Gone or NotAllowed."""
    person = await work.session.get(Person, person_id)
    one = await work.session.get(Imported, person_id)
    if person is None or one is None or one.claimed_at is not None:
        raise Gone
    await access.require(work, Right.IMPORT, person.organisation_id)
    one.code_hash = one.expires_at = one.proved_by_id = None
    await work.session.flush()
    (made,) = await _codes(work, _unclaimed().where(Imported.person_id == person_id))
    audit.note(work, "claim.slip", f"person:{person_id}", organisation_id=person.organisation_id)
    return made


async def text(work: Work, people: Sequence[int]) -> None:
    """Sends the code by text message, once a person. Only what an importer vouched for calls it."""
    which = _unclaimed().where(
        Imported.person_id.in_(people), Imported.texted_at.is_(None), Person.phone.is_not(None)
    )
    made = await _codes(work, which)
    if not made:
        return
    keys = [one.person_id for one in made]
    await work.session.execute(
        update(Imported)
        .where(Imported.person_id.in_(keys))
        .values(texted_at=work.now)
        .execution_options(synchronize_session=False)
    )
    post = delivery.Post(
        "claiming/invitation",
        {"days": work.policy.claim_days},
        kind=KIND,
        dedupe=KIND,
    )
    language = work.policy.default_language
    own = [
        (
            one.person_id,
            language,
            {"name": one.name, "code": grouped(one.code), "organisation": one.organisation},
        )
        for one in made
    ]
    await delivery.tell_elsewhere(work, post, own)


async def _may_hand_out(work: Work, import_id: int) -> Import:
    found = await work.session.get(Import, import_id)
    if found is None:
        raise Gone
    await access.require(work, Right.IMPORT, found.organisation_id)
    return found


def _unclaimed() -> Any:
    return (
        select(
            Imported.person_id, Imported.issue, Imported.code_hash, Imported.expires_at,
            Person.name, Person.number, Organisation.names,
        )
        .join(Person, Person.id == Imported.person_id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(Imported.claimed_at.is_(None))
    )  # fmt: skip


async def _of_import(work: Work, import_id: int) -> Any:
    """Those who have not shown to be themselves yet, and whom the actor still looks after."""
    reach = await access.within_reach(work, Right.IMPORT, Person.organisation_id)
    return _unclaimed().where(
        Imported.import_id == import_id, Imported.proved_by_id.is_(None), reach
    )


async def _codes(work: Work, which: Any) -> list[Slip]:
    made, changed = [], []
    for row in (await work.session.execute(which)).all():
        person_id, issue, code_hash, expires_at, name, number, names = row
        if code_hash is None or expires_at <= work.now:
            issue += 1
            values = {"key": person_id, "next": issue, "hash": _hash(code_of(person_id, issue))}
            changed.append(values)
        code = code_of(person_id, issue)
        made.append(Slip(person_id, name, number or "", names, code))
    if changed:
        table = Imported.__table__
        assert isinstance(table, Table)  # noqa: S101 - for the type checker
        until = work.now + timedelta(days=work.policy.claim_days)
        await (await work.session.connection()).execute(
            update(table)
            .where(table.c.person_id == bindparam("key"))
            .values(issue=bindparam("next"), code_hash=bindparam("hash"), expires_at=until),
            changed,
        )
    return made


# Coming for it


async def look(work: Work, account: Account, code: str) -> Found | None:
    """Whose registration a code claims; None for a wrong one, which is counted against the chat.

    Changes nothing about the code. Raises Refusal: registered already, or too many wrong ones.
    """
    _require_stranger(work)
    await guessing.require_few(work, account, "code")
    person = await work.session.scalar(
        select(Person)
        .join(Imported, Imported.person_id == Person.id)
        .where(*_holds_good(work, code))
    )
    if person is None:
        await guessing.note(work, account, "code")
        return None
    return await _found(work, person)


async def prove(work: Work, account: Account, code: str) -> Found:
    """The bearer of a code is who it was made for; it is used up. Raises Refusal."""
    _require_stranger(work)
    keys = await work.session.scalars(
        update(Imported)
        .where(*_holds_good(work, code))
        .values(code_hash=None, proved_by_id=account.id, proved_at=work.now)
        .returning(Imported.person_id)
        .execution_options(synchronize_session=False)
    )
    person_id = keys.one_or_none()
    if person_id is None:
        raise Refusal("claim_code")
    audit.note(work, "claim.proved", f"person:{person_id}", by="code")
    return await _found(work, await work.session.get_one(Person, person_id))


async def meet(work: Work, account: Account, phone: str, *, verified: bool) -> None:
    """Somebody who signs up gave a phone under which a registration may wait for them.

    Raises Refusal: "signup_waits" where that is proved now, "signup_waits_for_proof" where the
    number was only typed.
    """
    if work.actor is not None:
        return
    person = await signup.with_phone(work, phone)
    one = await work.session.get(Imported, person.id) if person is not None else None
    if person is None or one is None or one.claimed_at is not None:
        return
    if not verified:
        raise Refusal("signup_waits_for_proof")
    one.proved_by_id, one.proved_at, one.code_hash = account.id, work.now, None
    person.phone_verified = True
    await work.session.flush()
    audit.note(work, "claim.proved", f"person:{person.id}", by="phone")
    raise Refusal("signup_waits", **(await _found(work, person)).shown())


async def meet_by_id_number(work: Work, id_number: str) -> None:
    """An ID number under which a registration waits; knowing it proves nothing.

    Raises Refusal("signup_id_waits").
    """
    if work.actor is not None:
        return
    waits = select(Person.id).where(
        Person.id_number_hash.in_(keyring().fingerprints(id_number)), is_unclaimed(Person.id)
    )
    if await work.session.scalar(waits) is not None:
        raise Refusal("signup_id_waits")


async def proved(work: Work, account: Account) -> Found | None:
    """The registration that this account may take over."""
    person = await work.session.scalar(
        select(Person)
        .join(Imported, Imported.person_id == Person.id)
        .where(
            Imported.proved_by_id == account.id,
            Imported.claimed_at.is_(None),
            Imported.proved_at > work.now - PROOF_LASTS,
        )
        .order_by(Imported.proved_at.desc())
        .limit(1)
    )
    return None if person is None else await _found(work, person)


async def take_over(work: Work, account: Account, details: Details) -> Person:
    """The registration becomes theirs, with number and hours, and what they say and agree to.

    Raises Refusal.
    """
    _require_stranger(work)
    found = await proved(work, account)
    if found is None:
        raise Refusal("claim_code")
    person = found.person
    signup.checked_birth_date(work, details.birth_date)
    await signup.check_phone(work, details.phone, own=person.id)
    stays = details.organisation_id == person.organisation_id
    await work.session.execute(
        update(Imported)
        .where(Imported.person_id == person.id)
        .values(claimed_at=work.now, code_hash=None)
        .execution_options(synchronize_session=False)
    )
    kept = {name: getattr(person, name) for name in KEPT}
    await signup.enter(work, account, person, details, approved=stays)
    for name, value in kept.items():
        if getattr(person, name) is None:
            setattr(person, name, value)
    await traits.renew(work, [person.id])
    audit.note(
        work.acting_as(person),
        "person.claimed",
        f"person:{person.id}",
        organisation_id=person.organisation_id,
    )
    return person


def _require_stranger(work: Work) -> None:
    if work.actor is not None:
        raise Refusal("claim_registered")


def _holds_good(work: Work, code: str) -> tuple[ColumnElement[bool], ...]:
    return (
        Imported.code_hash.in_(_hashes(code)),
        Imported.expires_at > work.now,
        Imported.claimed_at.is_(None),
    )


async def _found(work: Work, person: Person) -> Found:
    organisation = await work.session.get_one(Organisation, person.organisation_id)
    minutes = await work.session.scalar(
        select(func.sum(LedgerEntry.minutes)).where(LedgerEntry.person_id == person.id)
    )
    return Found(person, organisation.names, int(minutes or 0))

"""Finding people among those whom the actor may see."""

from collections.abc import Sequence

import phonenumbers
from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    bindparam,
    false,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from models import Organisation, Person, Standing
from models.people import tail_hash
from models.sealed import keyring
from services import access
from services.errors import Gone, Refusal
from services.work import Work

AT_ONCE = 1000
"""Rows that are put right by one statement."""


async def by_number(work: Work, typed: str) -> Person | None:
    """The active volunteer with a registration number, however it was typed."""
    number = "".join(typed.split()).upper()
    return await work.session.scalar(
        select(Person).where(Person.number == number, Person.standing == Standing.ACTIVE)
    )


async def in_reach(work: Work, right: access.Right) -> ColumnElement[bool]:
    """The condition that a person belongs to an organisation in which the actor holds `right`."""
    tops = await access.organisations_with(work, right)
    if not tops:
        return false()
    if any(top.parent_id is None for top in tops):
        return true()
    below = select(Organisation.id).where(
        or_(*(Organisation.path.startswith(top.path, autoescape=True) for top in tops))
    )
    return Person.organisation_id.in_(below)


def named_like(typed: str) -> Select[Person]:
    """Active volunteers whose name, in characters or pinyin, contains what was typed."""
    return select(Person).where(Person.standing == Standing.ACTIVE, is_named_like(typed))


def is_named_like(typed: str) -> ColumnElement[bool]:
    """The condition that a name, in characters or pinyin, contains what was typed."""
    wanted = "".join(typed.split()).lower()
    return or_(
        Person.name_search.contains(wanted, autoescape=True), Person.number == wanted.upper()
    )


def exactly(work: Work, typed: str) -> Select[int]:
    """Keys of active volunteers, anywhere, with the number or the phone that was typed."""
    number = "".join(typed.split()).upper()
    return select(Person.id).where(
        Person.standing == Standing.ACTIVE,
        or_(Person.number == number, Person.phone_hash.in_(_phone_hashes(work, typed))),
    )


async def by_what_was_typed(work: Work, typed: Sequence[str]) -> dict[str, int]:
    """Of many numbers and phones, as `exactly`, those that are somebody's -> that person's key."""
    numbers = {text: "".join(text.split()).upper() for text in typed}
    hashes = {text: _phone_hashes(work, text) for text in typed}
    rows = await work.session.execute(
        select(Person.id, Person.number, Person.phone_hash).where(
            Person.standing == Standing.ACTIVE,
            or_(
                Person.number.in_(numbers.values()),
                Person.phone_hash.in_([one for some in hashes.values() for one in some]),
            ),
        )
    )
    keys: dict[str | None, int] = {}
    for key, number, phone_hash in rows:
        keys |= {number: key, phone_hash: key}
    found = {
        text: next((keys[one] for one in (numbers[text], *hashes[text]) if one in keys), None)
        for text in typed
    }
    return {text: key for text, key in found.items() if key is not None}


def _phone_hashes(work: Work, typed: str) -> list[str]:
    try:
        phone = phonenumbers.parse(typed, work.policy.country)
    except phonenumbers.NumberParseException:
        return []
    written = phonenumbers.format_number(phone, phonenumbers.PhoneNumberFormat.E164)
    return keyring().fingerprints(written)


async def own_volunteer(work: Work, right: access.Right, typed: str) -> Person:
    """The only active volunteer in the actor's reach with that number or name.

    Raises Refusal("nominee_none"), Refusal("nominee_many").
    """
    wanted = "".join(typed.split()).upper()
    found = await work.session.scalars(
        select(Person)
        .where(
            Person.standing == Standing.ACTIVE,
            or_(Person.number == wanted, Person.name == typed.strip()),
            await in_reach(work, right),
        )
        .limit(2)
    )
    people = found.all()
    if len(people) != 1:
        raise Refusal("nominee_many" if people else "nominee_none")
    return people[0]


async def check_known(work: Work, right: access.Right, person_id: int, typed: str = "") -> None:
    """That the actor may know of somebody: their own people, or whose number or phone they typed.

    Without it, trying keys would tell who the volunteers of other towns are. Raises Gone.
    """
    reach = await in_reach(work, right)
    known = select(Person.id).where(
        Person.id == person_id, or_(reach, Person.id.in_(exactly(work, typed)))
    )
    if await work.session.scalar(known) is None:
        raise Gone


_WITHOUT_TAIL = (Person.phone.is_not(None), Person.phone_tail_hash.is_(None))


async def without_tail(session: AsyncSession) -> int:
    """How many have a phone by whose last digits they can't be found."""
    return await session.scalar(select(func.count()).where(*_WITHOUT_TAIL)) or 0


async def give_tails(session: AsyncSession) -> int:
    """After an upgrade: everybody is found by their phone's last digits. Answers how many more."""
    table = Person.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    connection = await session.connection()
    statement = (
        update(table)
        .where(table.c.id == bindparam("key"))
        .values(phone_tail_hash=bindparam("tail"))
    )
    last, given = -1, 0
    while True:
        rows = await session.execute(
            select(Person.id, Person.phone)
            .where(Person.id > last, *_WITHOUT_TAIL)
            .order_by(Person.id)
            .limit(AT_ONCE)
        )
        found = {key: tail_hash(phone) for key, phone in rows}
        if not found:
            return given
        await connection.execute(statement, [{"key": k, "tail": t} for k, t in found.items()])
        last, given = max(found), given + len(found)

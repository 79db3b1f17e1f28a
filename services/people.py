"""Finding people among those whom the actor may see."""

from sqlalchemy import ColumnElement, Select, Table, bindparam, false, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models import Organisation, Person, Standing
from models.people import tail_hash
from services import access
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
    below = select(Organisation.id).where(
        or_(*(Organisation.path.startswith(top.path, autoescape=True) for top in tops))
    )
    return Person.organisation_id.in_(below)


def named_like(typed: str) -> Select[Person]:
    """Active volunteers whose name, in characters or pinyin, contains what was typed."""
    wanted = "".join(typed.split()).lower()
    return select(Person).where(
        Person.standing == Standing.ACTIVE,
        or_(
            Person.name_search.contains(wanted, autoescape=True),
            Person.number == wanted.upper(),
        ),
    )


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

"""Finding people among those whom the actor may see."""

from sqlalchemy import ColumnElement, Select, false, or_, select

from models import Organisation, Person, Standing
from services import access
from services.work import Work


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
    return select(Person).where(Person.standing == Standing.ACTIVE, is_named_like(typed))


def is_named_like(typed: str) -> ColumnElement[bool]:
    """The condition that a name, in characters or pinyin, contains what was typed."""
    wanted = "".join(typed.split()).lower()
    return or_(
        Person.name_search.contains(wanted, autoescape=True), Person.number == wanted.upper()
    )

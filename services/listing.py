"""Lists that are read a page at a time."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select

from services.work import Work

PER_PAGE = 50
LAST_PAGE = 1000
"""Nobody turns so many pages; whoever looks for something searches."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """A page of a list; `number` counts from 1."""

    rows: list[T]
    number: int
    more: bool
    """Whether another page follows."""


async def of(
    work: Work, statement: Select[Any], number: int, *, per_page: int = PER_PAGE
) -> Slice[Any]:
    """The page of a statement that says its order; each row as SQLAlchemy gives it."""
    number = min(max(number, 1), LAST_PAGE)
    found = await work.session.execute(
        statement.limit(per_page + 1).offset((number - 1) * per_page)
    )
    rows = list(found.all())
    return Slice(rows[:per_page], number, len(rows) > per_page)

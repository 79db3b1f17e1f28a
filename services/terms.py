"""The words a city chose: service fields, skills, kinds of qualification, languages, in order."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import QualificationKind, ServiceField, Skill, SpokenLanguage
from services.errors import Refusal

T = TypeVar("T", ServiceField, Skill, QualificationKind, SpokenLanguage)


async def every(session: AsyncSession, kind: type[T]) -> list[T]:
    """All terms of a kind in the city's order."""
    return list(await session.scalars(select(kind).order_by(kind.position, kind.id)))


async def by_keys(session: AsyncSession, kind: type[T], keys: list[int]) -> list[T]:
    """The terms with these keys, in the city's order."""
    if not keys:
        return []
    found = select(kind).where(kind.id.in_(keys)).order_by(kind.position, kind.id)
    return list(await session.scalars(found))


async def check(session: AsyncSession, kind: type[T], keys: Sequence[int]) -> None:
    """Raises Refusal("term_unknown") for a key that names no term of the kind."""
    wanted = set(keys)
    found = select(func.count()).select_from(kind).where(kind.id.in_(wanted))
    if wanted and await session.scalar(found) != len(wanted):
        raise Refusal("term_unknown")

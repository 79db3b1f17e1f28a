"""The words a city chose: service fields, skills, kinds of qualification, languages, in order."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models import QualificationKind, ServiceField, Skill, SpokenLanguage

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

"""What somebody looks for among the volunteers again and again, kept under names of their own."""

from sqlalchemy import func, select

from models import SavedFilter
from services.directory import Wanted
from services.errors import Gone, Refusal
from services.work import Work

NAME_LENGTH = 40
MOST = 50
"""Filters of one person."""


async def own(work: Work) -> list[SavedFilter]:
    """By name."""
    found = select(SavedFilter).where(SavedFilter.person_id == work.person.id)
    return list(await work.session.scalars(found.order_by(SavedFilter.name, SavedFilter.id)))


async def opened(work: Work, filter_id: int) -> Wanted:
    """Raises Gone for what is not the actor's."""
    return Wanted.model_validate((await _one(work, filter_id)).wanted)


async def save(work: Work, name: str, wanted: Wanted) -> SavedFilter:
    """Under the name, in place of what had it. Raises Refusal("filter_name" or "filter_many")."""
    name = _checked(name)
    mine = SavedFilter.person_id == work.person.id
    kept = await work.session.scalar(select(SavedFilter).where(mine, SavedFilter.name == name))
    if kept is None:
        if (await work.session.scalar(select(func.count()).where(mine)) or 0) >= MOST:
            raise Refusal("filter_many", most=MOST)
        kept = SavedFilter(person_id=work.person.id, name=name)
        work.session.add(kept)
    kept.wanted = wanted.model_dump(mode="json", exclude_defaults=True)
    kept.saved_at = work.now
    await work.session.flush()
    return kept


async def rename(work: Work, filter_id: int, name: str) -> None:
    """Raises Gone, or Refusal for a name that can't be or that another one has."""
    kept = await _one(work, filter_id)
    name = _checked(name)
    other = select(SavedFilter.id).where(
        SavedFilter.person_id == work.person.id,
        SavedFilter.name == name,
        SavedFilter.id != kept.id,
    )
    if await work.session.scalar(other) is not None:
        raise Refusal("filter_name_taken")
    kept.name = name
    await work.session.flush()


async def forget(work: Work, filter_id: int) -> None:
    """Raises Gone."""
    await work.session.delete(await _one(work, filter_id))


async def _one(work: Work, filter_id: int) -> SavedFilter:
    kept = await work.session.get(SavedFilter, filter_id)
    if kept is None or kept.person_id != work.person.id:
        raise Gone
    return kept


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH:
        raise Refusal("filter_name", most=NAME_LENGTH)
    return name

"""The list of honours: within the body, with the names of those who agreed to be named."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select

from models import HonourConsent, Organisation, Person, Recognition, RecognitionState, Standing
from services import organisations, recognition
from services.recognition import Case
from services.work import Work

LISTED = 20


@dataclass(frozen=True, slots=True)
class Honours:
    """The latest with a name; `unnamed` more have none. `stars`: star -> how many hold it."""

    where: Organisation
    named: list[Case]
    unnamed: int
    stars: dict[int, int]
    is_named: bool
    """Whether the actor agreed to be."""


async def seen(work: Work, *, everywhere: bool = False) -> Honours:
    """Of the actor's town, or of the whole city; for whoever has signed up."""
    home = await work.session.get_one(Organisation, work.person.organisation_id)
    town = await organisations.town_of(work.session, home)
    where = (await organisations.chain(work.session, home))[0] if everywhere else town
    held = _held(where)
    agreed = select(HonourConsent.person_id)
    latest = (
        recognition.cases(*held, Recognition.person_id.in_(agreed))
        .order_by(Recognition.awarded_at.desc(), Recognition.id.desc())
        .limit(LISTED)
    )
    others = (
        select(func.count(Recognition.person_id.distinct()))
        .join(Person, Person.id == Recognition.person_id)
        .where(*held, Recognition.person_id.not_in(agreed))
    )
    return Honours(
        where,
        await recognition.found(work, latest),
        await work.session.scalar(others) or 0,
        await _stars(work, held),
        await recognition.agrees(work, work.person.id),
    )


def _held(where: Organisation) -> list[ColumnElement[bool]]:
    """What holds, of people who are registered there."""
    below = select(Organisation.id).where(organisations.within(where.path))
    return [
        Recognition.state == RecognitionState.AWARDED,
        Person.standing == Standing.ACTIVE,
        Person.organisation_id.in_(below),
    ]


async def _stars(work: Work, held: list[ColumnElement[bool]]) -> dict[int, int]:
    highest = (
        select(Recognition.person_id, func.max(Recognition.star).label("star"))
        .join(Person, Person.id == Recognition.person_id)
        .where(*held, Recognition.star.is_not(None))
        .group_by(Recognition.person_id)
        .subquery()
    )
    rows: Any = await work.session.execute(
        select(highest.c.star, func.count()).group_by(highest.c.star).order_by(highest.c.star)
    )
    return {row[0]: row[1] for row in rows}


async def join(work: Work) -> None:
    """The actor agrees to be named, in the notice's present version."""
    if await recognition.agrees(work, work.person.id):
        return
    work.session.add(
        HonourConsent(
            person_id=work.person.id, version=work.policy.privacy_version, given_at=work.now
        )
    )
    await work.session.flush()


async def leave(work: Work) -> None:
    """The actor is named no more from now on."""
    own = HonourConsent.person_id == work.person.id
    await work.session.execute(delete(HonourConsent).where(own))

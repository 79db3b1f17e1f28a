"""The nearest who can be called are found, exactly those whom looking at everybody would find."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import cos, radians

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Account,
    Database,
    Organisation,
    Person,
    PersonSkill,
    Posting,
    Qualification,
    QualificationKind,
    QualificationState,
    Skill,
    Standing,
)
from services import accounts, geo, nearest, traits
from services.work import Work
from tests.making import Making

MIDDLE = (22.52, 113.38)
KINDS_OF_TERM = 3


@dataclass(frozen=True)
class Volunteer:
    """What decides whether somebody is called; `kinds` are qualifications and whether valid."""

    latitude: float
    longitude: float
    skills: frozenset[int]
    kinds: dict[int, bool]
    agreed: bool
    paused: bool


@dataclass(frozen=True)
class Wanted:
    latitude: float
    longitude: float
    metres: float
    skills: frozenset[int]
    kinds: frozenset[int]
    limit: int


def place(middle: float) -> st.SearchStrategy[float]:
    return st.integers(-150, 150).map(lambda thousandths: round(middle + thousandths / 1000, 3))


terms = st.frozensets(st.integers(0, KINDS_OF_TERM - 1), max_size=KINDS_OF_TERM)
volunteers = st.lists(
    st.builds(
        Volunteer,
        latitude=place(MIDDLE[0]),
        longitude=place(MIDDLE[1]),
        skills=terms,
        kinds=st.dictionaries(st.integers(0, KINDS_OF_TERM - 1), st.booleans()),
        agreed=st.sampled_from((True, True, True, False)),
        paused=st.sampled_from((False, False, False, True)),
    ),
    min_size=20,
    max_size=60,
)
questions = st.lists(
    st.builds(
        Wanted,
        latitude=place(MIDDLE[0]),
        longitude=place(MIDDLE[1]),
        metres=st.sampled_from((300.0, 2_000.0, 8_000.0, 50_000.0)),
        skills=terms,
        kinds=st.frozensets(st.integers(0, KINDS_OF_TERM - 1), max_size=1),
        limit=st.integers(1, 30),
    ),
    min_size=1,
    max_size=6,
)


def squared_metres(wanted: Wanted, one: Volunteer) -> float:
    north = (one.latitude - wanted.latitude) * geo.METRES_PER_DEGREE
    across = geo.METRES_PER_DEGREE * cos(radians(wanted.latitude))
    return north**2 + ((one.longitude - wanted.longitude) * across) ** 2


def by_looking_at_everybody(everybody: list[Volunteer], wanted: Wanted) -> list[float]:
    """Square metres to each of those who ought to be found."""
    return sorted(
        squared_metres(wanted, one)
        for one in everybody
        if one.agreed
        and not one.paused
        and wanted.skills <= one.skills
        and all(one.kinds.get(kind, False) for kind in wanted.kinds)
        and squared_metres(wanted, one) <= wanted.metres**2
    )[: wanted.limit]


async def settle(work: Work, everybody: list[Volunteer]) -> tuple[list[int], list[int]]:
    """Writes them down; answers the keys of the skills and qualifications."""
    session = work.session
    home = await session.scalar(select(Organisation.id).limit(1))
    skills = list(await session.scalars(select(Skill.id).limit(KINDS_OF_TERM)))
    kinds = list(await session.scalars(select(QualificationKind.id).limit(KINDS_OF_TERM)))
    for one in everybody:
        person = Person(
            standing=Standing.ACTIVE,
            organisation_id=home,
            language="zh_Hans",
            name="志愿者",
            latitude=one.latitude,
            longitude=one.longitude,
            emergency_opt_in=one.agreed,
            paused_until=work.today + timedelta(days=1) if one.paused else None,
            applied_at=work.now,
        )
        session.add(person)
        await session.flush()
        session.add_all(PersonSkill(person_id=person.id, skill_id=skills[n]) for n in one.skills)
        session.add_all(
            Qualification(
                person_id=person.id,
                kind_id=kinds[n],
                state=QualificationState.VERIFIED,
                expires_on=work.today + timedelta(days=0 if valid else -1),
                submitted_at=work.now,
            )
            for n, valid in one.kinds.items()
        )
    await give_accounts(work)
    await traits.renew_all(work)
    return skills, kinds


async def give_accounts(work: Work) -> None:
    """Everybody has a Telegram account that can be written to."""
    columns = {
        "telegram_id": Person.id + 7_000_000,
        "person_id": Person.id,
        "language": Person.language,
        "language_chosen": literal(True),
        "first_seen_at": Person.applied_at,
        "last_seen_at": Person.applied_at,
    }
    rows = select(*columns.values())
    await work.session.execute(insert(Account).from_select(list(columns), rows))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(everybody=volunteers, asked=questions)
async def test_those_found_are_the_nearest_who_can_be_called(
    making: Making, database: Database, everybody: list[Volunteer], asked: list[Wanted]
) -> None:
    async with database.engine.connect() as connection, AsyncSession(connection) as session:
        work = making.work(session)
        skills, kinds = await settle(work, everybody)
        for wanted in asked:
            found = await nearest.nearest(
                work,
                wanted.latitude,
                wanted.longitude,
                wanted.metres,
                nearest.Wanted(
                    [skills[n] for n in wanted.skills], [kinds[n] for n in wanted.kinds]
                ),
                wanted.limit,
            )
            metres = [squared**0.5 for squared in by_looking_at_everybody(everybody, wanted)]
            assert [one.metres for one in found] == pytest.approx(metres, abs=0.001)
            assert len({one.person_id for one in found}) == len(found)
        await session.rollback()


async def test_a_place_lies_in_a_range_of_each_disk_that_holds_it(
    making: Making, database: Database
) -> None:
    """What the database computes of a place and what covers a disk are one and the same order."""
    chen = await making.volunteer(emergency_opt_in=True)
    async with database.read() as session:
        cell = await session.scalar(select(Posting.cell).where(Posting.person_id == chen.id))
    assert cell is not None
    for metres in (1.0, 100.0, 3_000.0, 100_000.0):
        found = nearest.ranges(22.525, 113.375, metres)
        assert any(low <= cell <= high for low, high in found), metres
        assert len(found) < 40
        assert all(one[1] < other[0] for one, other in pairwise(found))


async def test_a_blocked_chat_is_not_called(making: Making, database: Database) -> None:
    chen = await making.volunteer("陈晓丽", telegram_id=77, emergency_opt_in=True)
    li = await making.volunteer("李敏", latitude=22.53, emergency_opt_in=True)
    async with database.write() as session:
        work = making.work(session)
        found = await nearest.nearest(work, 22.525, 113.375, 10_000, nearest.Wanted(), 5)
        assert [one.person_id for one in found] == [chen.id, li.id]
        await accounts.mark_unreachable(session, 77, "blocked", work.now)
        found = await nearest.nearest(work, 22.525, 113.375, 10_000, nearest.Wanted(), 5)
        assert [one.person_id for one in found] == [li.id]

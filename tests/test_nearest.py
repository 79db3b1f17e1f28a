"""The nearest who can be called are found, exactly those whom looking at everybody would find."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import cos, radians

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Account,
    Callout,
    CalloutState,
    Database,
    Emergency,
    Frequency,
    Need,
    Organisation,
    Person,
    PersonLanguage,
    PersonSkill,
    Posting,
    Qualification,
    QualificationKind,
    QualificationState,
    Readiness,
    Response,
    ResponseState,
    Skill,
    SpokenLanguage,
    Standing,
)
from services import accounts, candidates, geo, nearest, traits
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
    tongues: frozenset[int]
    agreed: bool
    paused: bool
    adult: bool
    hours: tuple[int, int] | None
    """Minutes of the local day between which not to be called."""
    woken: bool
    """But where lives are at stake."""
    reach: int | None
    """Kilometres."""
    elsewhere: str
    """What became of them in another call-out: asked, coming, or resting from it."""


@dataclass(frozen=True)
class Asked:
    latitude: float
    longitude: float
    metres: float
    skills: frozenset[int]
    kinds: frozenset[int]
    tongues: frozenset[int]
    limit: int
    minute: int
    """Of the local day."""
    critical: bool


def place(middle: float) -> st.SearchStrategy[float]:
    return st.integers(-150, 150).map(lambda thousandths: round(middle + thousandths / 1000, 3))


terms = st.frozensets(st.integers(0, KINDS_OF_TERM - 1), max_size=KINDS_OF_TERM)
few = st.frozensets(st.integers(0, KINDS_OF_TERM - 1), max_size=1)
mostly = st.sampled_from((True, True, True, False))
seldom = mostly.map(lambda yes: not yes)
minutes = st.sampled_from((0, 1, 7 * 60, 719, 720, 22 * 60, 1439))
volunteers = st.lists(
    st.builds(
        Volunteer,
        latitude=place(MIDDLE[0]),
        longitude=place(MIDDLE[1]),
        skills=terms,
        kinds=st.dictionaries(st.integers(0, KINDS_OF_TERM - 1), st.booleans()),
        tongues=terms,
        agreed=mostly,
        paused=seldom,
        adult=mostly,
        hours=st.none() | st.tuples(minutes, minutes),
        woken=st.booleans(),
        reach=st.sampled_from((None, None, 1, 5)),
        elsewhere=st.sampled_from(("", "", "", "asked", "coming", "resting")),
    ),
    min_size=20,
    max_size=60,
)
questions = st.lists(
    st.builds(
        Asked,
        latitude=place(MIDDLE[0]),
        longitude=place(MIDDLE[1]),
        metres=st.sampled_from((300.0, 2_000.0, 8_000.0, 50_000.0)),
        skills=terms,
        kinds=few,
        tongues=few,
        limit=st.integers(1, 30),
        minute=minutes,
        critical=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def squared_metres(asked: Asked, one: Volunteer) -> float:
    north = (one.latitude - asked.latitude) * geo.METRES_PER_DEGREE
    across = geo.METRES_PER_DEGREE * cos(radians(asked.latitude))
    return north**2 + ((one.longitude - asked.longitude) * across) ** 2


def by_looking_at_everybody(
    everybody: list[Volunteer], asked: Asked, *, by_all_rules: bool
) -> list[float]:
    """Square metres to each of those who ought to be found."""
    return sorted(
        squared_metres(asked, one)
        for one in everybody
        if one.agreed
        and not one.paused
        and asked.skills <= one.skills
        and asked.tongues <= one.tongues
        and all(one.kinds.get(kind, False) for kind in asked.kinds)
        and squared_metres(asked, one) <= asked.metres**2
        and (not by_all_rules or may_be_asked(one, asked))
    )[: asked.limit]


def may_be_asked(one: Volunteer, asked: Asked) -> bool:
    begins, ends = one.hours or (0, 0)
    if begins <= ends:
        silent = begins <= asked.minute < ends
    else:
        silent = asked.minute >= begins or asked.minute < ends
    return (
        one.adult
        and (not silent or (asked.critical and one.woken))
        and (one.reach is None or squared_metres(asked, one) <= (1000.0 * one.reach) ** 2)
        and one.elsewhere not in {"coming", "resting"}
    )


async def settle(work: Work, everybody: list[Volunteer]) -> tuple[list[int], ...]:
    """Writes them down; answers the keys of the skills, qualifications and languages."""
    session = work.session
    home = await session.scalar(select(Organisation.id).where(Organisation.parent_id.is_(None)))
    skills, kinds, tongues = [
        list(await session.scalars(select(term.id).limit(KINDS_OF_TERM)))
        for term in (Skill, QualificationKind, SpokenLanguage)
    ]
    elsewhere = await another_callout(work, home or 0)
    for one in everybody:
        hours = one.hours or (None, None)
        person = Person(
            standing=Standing.ACTIVE,
            organisation_id=home,
            language="zh_Hans",
            name="志愿者",
            latitude=one.latitude,
            longitude=one.longitude,
            birth_date=work.today.replace(year=work.today.year - (18 if one.adult else 17)),
            call_from=hours[0],
            call_until=hours[1],
            emergency_opt_in=one.agreed,
            paused_until=work.today + timedelta(days=1) if one.paused else None,
            applied_at=work.now,
        )
        session.add(person)
        await session.flush()
        session.add_all(PersonSkill(person_id=person.id, skill_id=skills[n]) for n in one.skills)
        session.add_all(
            PersonLanguage(person_id=person.id, spoken_language_id=tongues[n]) for n in one.tongues
        )
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
        if one.woken or one.reach:
            session.add(
                Readiness(
                    person_id=person.id,
                    reach=one.reach,
                    when_critical=one.woken,
                    confirmed_at=work.now,
                )
            )
        if one.elsewhere:
            session.add(
                Response(
                    callout_id=elsewhere.callout_id,
                    person_id=person.id,
                    need_id=elsewhere.id,
                    wave=1,
                    state=STATES[one.elsewhere],
                    metres=0.0,
                    probability=0.2,
                    asked_at=work.now,
                    rests_until=RESTS_UNTIL if one.elsewhere == "resting" else None,
                )
            )
    await give_accounts(work)
    await traits.renew_all(work)
    return skills, kinds, tongues


STATES = {
    "asked": ResponseState.ASKED,
    "coming": ResponseState.COMING,
    "resting": ResponseState.CANNOT,
}
RESTS_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)


async def another_callout(work: Work, organisation_id: int) -> Need:
    commander = Person(
        standing=Standing.ACTIVE,
        organisation_id=organisation_id,
        language="zh_Hans",
        name="周明",
        applied_at=work.now,
    )
    work.session.add(commander)
    await work.session.flush()
    callout = Callout(
        organisation_id=organisation_id, commander_id=commander.id, kind=Emergency.FIRE,
        drill=False, address="", latitude=MIDDLE[0], longitude=MIDDLE[1], radius=1_000.0,
        state=CalloutState.ACTIVE, word="", created_at=work.now,
    )  # fmt: skip
    work.session.add(callout)
    await work.session.flush()
    need = Need(callout_id=callout.id, quota=1, skills=[], qualifications=[], languages=[])
    work.session.add(need)
    await work.session.flush()
    return need


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
@given(everybody=volunteers, questions=questions, counted=st.sampled_from((True, False, None)))
async def test_those_found_are_the_nearest_who_can_be_called(
    making: Making,
    database: Database,
    everybody: list[Volunteer],
    questions: list[Asked],
    counted: bool | None,
) -> None:
    """Also if how many have each skill was never counted, or has become quite wrong (None)."""
    async with database.engine.connect() as connection, AsyncSession(connection) as session:
        work = making.work(session)
        skills, kinds, tongues = await settle(work, everybody)
        if counted is None:
            await session.execute(update(Frequency).values(people=1_000_000 - Frequency.people))
        elif not counted:
            await session.execute(delete(Frequency))
        for asked in questions:
            need = Need(
                skills=[skills[n] for n in asked.skills],
                qualifications=[kinds[n] for n in asked.kinds],
                languages=[tongues[n] for n in asked.tongues],
            )
            for by_all_rules in (False, True):
                found = await (who_may_be_asked if by_all_rules else who_can_come)(
                    work, asked, need
                )
                right = by_looking_at_everybody(everybody, asked, by_all_rules=by_all_rules)
                metres = [squared**0.5 for squared in right]
                assert [one.metres for one in found] == pytest.approx(metres, abs=0.001)
                assert len({one.person_id for one in found}) == len(found)
        await session.rollback()


async def who_can_come(work: Work, asked: Asked, need: Need) -> list[nearest.Found]:
    wanted = nearest.Wanted(need.skills, need.qualifications, need.languages)
    return await nearest.nearest(
        work, asked.latitude, asked.longitude, asked.metres, wanted, asked.limit
    )


async def who_may_be_asked(work: Work, asked: Asked, need: Need) -> list[nearest.Found]:
    """By the rules of call-outs, at that minute of the local day."""
    midnight = work.now.astimezone(work.policy.zone).replace(hour=0, minute=0)
    then = replace(work, now=midnight + timedelta(minutes=asked.minute))
    root = await work.session.scalar(
        select(Organisation.id).where(Organisation.parent_id.is_(None))
    )
    callout = Callout(
        id=0, organisation_id=root, critical=asked.critical,
        latitude=asked.latitude, longitude=asked.longitude,
    )  # fmt: skip
    return await candidates.within(then, callout, need, asked.metres, asked.limit)


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


async def test_skills_that_share_a_bit_are_told_apart(making: Making, database: Database) -> None:
    """Beyond 63 terms the postings' bits only promise."""
    chen = await making.volunteer(skills=("first_aid", "car"), emergency_opt_in=True)
    async with database.write() as session:
        work = making.work(session)
        await traits.renew_all(work)
        held = list(
            await session.scalars(
                select(PersonSkill.skill_id).where(PersonSkill.person_id == chen.id)
            )
        )
        alike = [
            Skill(id=key + traits.BITS, code=f"more-{key}", names={}, group={}) for key in held
        ]
        session.add_all(alike)
        session.add_all(
            Frequency(attribute=traits.skill_attribute(key + traits.BITS), people=1_000)
            for key in held
        )
        await session.flush()
        for other in alike:
            key = other.id - traits.BITS
            for skills, found in (([key], 1), (held, 1), ([key, other.id], 0), ([other.id], 0)):
                wanted = nearest.Wanted(skills)
                people = await nearest.nearest(work, 22.525, 113.375, 10_000, wanted, 5)
                assert len(people) == found, (key, skills)

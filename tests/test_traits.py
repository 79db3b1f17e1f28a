"""What audiences are asked of says at any time what the other tables say."""

import asyncio
from datetime import date
from pathlib import Path

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot import doctoring
from bot.setting_up import set_up
from bot.settings import DatabaseSettings, SecuritySettings, Settings, TelegramSettings
from models import (
    Database,
    Frequency,
    Person,
    PersonLanguage,
    Posting,
    Readiness,
    Shift,
    Trait,
)
from models.sealed import keyring
from services import enrolment, profile, readiness, traits
from tests.databases import ON_POSTGRESQL, done_or_held_up
from tests.making import Making


async def wrong(making: Making, database: Database) -> list[int]:
    async with database.read() as session:
        return await traits.differences(making.work(session))


async def test_rows_are_those_that_would_be_made_anew(making: Making, database: Database) -> None:
    chen = await making.volunteer(
        skills=("first_aid", "car"), interests=("care",), emergency_opt_in=True
    )
    assert await wrong(making, database) == []
    async with database.write() as session:
        await traits.renew_all(making.work(session))
        attributes = set(await session.scalars(select(Posting.attribute)))
        assert len(attributes) == 3
        assert attributes >= {traits.EVERYONE}
        assert await session.scalar(select(Trait.person_id)) == chen.id
    assert await wrong(making, database) == []
    async with database.write() as session:
        await session.execute(update(Person).values(latitude=22.1))
    assert await wrong(making, database) == [chen.id]


async def test_a_pause_shows_at_once(making: Making, database: Database) -> None:
    chen = await making.volunteer()
    async with database.write() as session:
        person = await session.get_one(Person, chen.id)
        await profile.pause(making.work(session, person), date(2026, 12, 24))
        assert await session.scalar(select(Trait.paused_until)) == date(2026, 12, 24)
    assert await wrong(making, database) == []


async def test_what_somebody_says_of_calls_is_posted_at_once(
    making: Making, database: Database
) -> None:
    chen = await making.volunteer(emergency_opt_in=True, call_from=22 * 60, call_until=7 * 60)
    said = select(
        Posting.silent_from, Posting.silent_for, Posting.when_critical, Posting.reach, Posting.born
    )
    async with database.write() as session:
        assert (await session.execute(said)).one()[:4] == (22 * 60, 9 * 60, False, None)
        work = making.work(session, await session.get_one(Person, chen.id))
        await readiness.reach(work, 5)
        await readiness.when_critical(work)
        assert (await session.execute(said)).one()[2:] == (True, 5, chen.birth_date)
    assert await wrong(making, database) == []
    for slip in (
        update(Readiness).values(reach=20),
        update(Person).values(call_until=8 * 60),
        update(Person).values(birth_date=date(1980, 1, 1)),
        insert(PersonLanguage).values(person_id=chen.id, spoken_language_id=1),
    ):
        async with database.write() as session:
            await session.execute(slip)
        assert await wrong(making, database) == [chen.id], slip
        async with database.write() as session:
            await traits.renew(making.work(session), [chen.id])
        assert await wrong(making, database) == []


async def test_how_many_have_a_skill_is_counted_now_and_then(
    making: Making, database: Database
) -> None:
    """By a sweep, which writes only what is new."""
    for skills in ((), ("car",), ("car", "first_aid")):
        await making.volunteer(skills=skills, emergency_opt_in=True)
    for answer in (3, 0):
        async with database.write() as session:
            work = making.work(session)
            assert await traits.keep_counts(work, await traits.count(work)) == answer
            rows = await session.execute(select(Frequency.people))
            assert sorted(rows.scalars()) == [1, 2, 3]
            places = await session.scalar(
                select(Frequency.places).where(Frequency.attribute == traits.EVERYONE)
            )
            assert [people for _, _, people in places or []] == [3]


async def test_init_puts_right_what_doctor_finds(
    making: Making, database: Database, tmp_path: Path
) -> None:
    """Also after an upgrade, when the tables are still empty."""
    chen = await making.volunteer(emergency_opt_in=True)
    await making.volunteer("李敏")
    async with database.write() as session:
        for table in (Posting, Trait):
            await session.execute(delete(table).where(table.person_id == chen.id))
    key_file = tmp_path / "muster.keys"
    keyring().write(key_file)
    deployment = Settings.model_construct(
        telegram=TelegramSettings(),
        database=DatabaseSettings(url=database.url.render_as_string(hide_password=False)),
        security=SecuritySettings(key_file=key_file),
    )
    findings = [f for f in await doctoring.examine(deployment, making.clock) if not f.ok]
    told = {finding.subject: finding.text for finding in findings}
    assert f"1 people (person {chen.id})" in told["audiences"]
    assert "`muster init`" in told["audiences"]
    await set_up(deployment, None)
    assert await wrong(making, database) == []


@ON_POSTGRESQL
async def test_what_happens_to_somebody_twice_at_once_is_counted_twice(
    making: Making, database: Database
) -> None:
    wang, chen = await making.coordinator("王强"), await making.volunteer()
    shifts = [
        await making.shift(await making.activity(wang), day)
        for day in ("2026-11-28 09:00", "2026-11-29 09:00")
    ]

    async def enrol(session: AsyncSession, shift: Shift) -> None:
        await enrolment.enrol(making.work(session, chen), shift.id)

    async with database.write() as session:
        await enrol(session, shifts[0])
        other = asyncio.create_task(database.transact(lambda later: enrol(later, shifts[1])))
        await done_or_held_up(database, other)
    await other
    async with database.read() as session:
        assert await session.scalar(select(Trait.enrolled).where(Trait.person_id == chen.id)) == 2
    assert await wrong(making, database) == []


@ON_POSTGRESQL
async def test_two_who_write_somebody_down_at_once_take_turns(
    making: Making, database: Database
) -> None:
    chen = await making.volunteer()

    async def renew(session: AsyncSession) -> None:
        await traits.renew(making.work(session), [chen.id])

    async with database.write() as session:
        await renew(session)
        other = asyncio.create_task(database.transact(renew))
        await done_or_held_up(database, other)
    await other
    assert await wrong(making, database) == []

"""Figures of topics beside hours and activities: kept by month, seen in chat and at the desk."""

from sqlalchemy import delete, update

from models import Credit, MeasureCount, Person, Story, Subscription
from services import measures, series, stories
from services.statistics import Period, span
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_BOTH

pytestmark = ON_BOTH


async def publish(city: City, author: Person, by: Person) -> Story:
    async with city.database.write() as session:
        told = stories.Told(
            "雨里的那把伞", "那天雨很大，我们送孩子过马路，一把伞接着一把伞。", Credit.NONE
        )
        story = await stories.submit(
            city.making.work(session, await session.get_one(Person, author.id)), told
        )
        await stories.publish(
            city.making.work(session, await session.get_one(Person, by.id)), story.id, "x"
        )
        return story


async def kept(city: City) -> int:
    async with city.database.write() as session:
        work = city.making.work(session)
        return await measures.keep(work, await measures.look(work))


async def test_what_topics_did_is_counted_by_month_and_shown_beside_the_period_before(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    chen, boss = await city.making.volunteer("陈晓丽"), await city.person(wang)
    city.clock.go_to("2026-09-20 10:00")
    earlier = await publish(city, chen, boss)
    city.clock.go_to("2026-11-20 10:00")
    await publish(city, chen, boss)
    await publish(city, chen, boss)
    assert await kept(city) == 2
    assert await kept(city) == 0  # not due yet
    async with city.database.read() as session:
        work = city.making.work(session, await session.get_one(Person, boss.id))
        quarter = span(work, Period.QUARTER)
        (culture,) = await measures.seen(work, boss.organisation_id or 0, quarter)
    assert (culture.name, culture.rows[0].now, culture.rows[0].before) == ("culture", 2, 1)

    await wang.say("/stats")
    await wang.press("关爱、培训、项目")
    assert "发布故事 · 3 (0)" in (await wang.sees("其他工作")).words
    async with desk_of(city, wang) as desk:
        shown = await desk.open(f"/statistics/{boss.organisation_id}?period=quarter")
        assert "发布故事 2 1" in shown.words

    async with city.database.write() as session:
        await session.execute(delete(Story).where(Story.id == earlier.id))
    city.clock.forward(minutes=10)
    assert await kept(city) == 0  # of long ago
    city.clock.forward(days=1)
    assert await kept(city) == 1


async def test_figures_that_were_changed_by_hand_are_found(city: City) -> None:
    chen = await city.making.volunteer("陈晓丽")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, chen.id))
        first = (await series.offers(work))[0].series
        await series.subscribe(work, first.id, 8, 1)
    await kept(city)
    async with city.database.write() as session:
        work = city.making.work(session)
        assert await measures.differences(work) == 0
        await session.execute(update(MeasureCount).values(number=7))
        assert await measures.differences(work) == 1
        await session.execute(delete(Subscription))
        await measures.keep(work, await measures.count(work, None))
        assert await measures.differences(work) == 0

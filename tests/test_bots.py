"""Several bots of one city: who belongs to which, and what comes from where."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from models import Account, Bot, Delivery, DeliveryState, Lane
from playground import Phone
from services import bots, delivery
from services.delivery import Post
from services.errors import Gone
from tests.city import TOKEN, City
from tests.databases import ON_SQLITE, Databases
from tests.playground.caller import a_picture
from tests.times import ManualClock

pytestmark = ON_SQLITE

SECOND_TOKEN = "100300:TEST-token-of-the-second-bot"


@pytest.fixture
async def city(database_url: str, clock: ManualClock) -> AsyncIterator[City]:
    """A city with two bots."""
    made = City(database_url, clock)
    made.telegram_settings = {"more_tokens": [SECOND_TOKEN]}
    made.telegram.add_bot(SECOND_TOKEN, "muster_second_bot", "集结二号")
    await made.start()
    yield made
    await made.stop()


def with_second(city: City, phone: Phone) -> Phone:
    """The same phone, opened at the other bot."""
    second = next(bot for bot in city.telegram.world.bots.values() if bot is not city.bot)
    return Phone(city.telegram.world, phone.person).use(second)


async def post(city: City, phones: list[Phone], text: str, subject: str = "thing:1") -> None:
    keys = [(await city.person(phone)).id for phone in phones]
    async with city.database.write() as session:
        words = Post("approvals/refused", {"reason": text}, "notice", subject=subject)
        await delivery.tell(city.making.work(session), words, keys)


async def bot_of(city: City, phone: Phone) -> int | None:
    async with city.database.read() as session:
        return await session.scalar(select(Account.bot_id).where(Account.telegram_id == phone.id))


async def test_a_volunteer_hears_from_the_bot_that_they_started(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    he = city.stranger("何远")
    other = with_second(city, he)
    await other.start()
    await other.sees("我是集结")
    assert (await bot_of(city, chen), await bot_of(city, he)) == (1, 2)
    lin = await city.volunteer("林静")
    second = with_second(city, lin)
    await second.start()
    await second.sees("林静")
    await post(city, [chen, lin], "周末大扫除")
    await chen.sees("周末大扫除")
    await second.sees("周末大扫除")
    assert not [m for m in lin.messages if "周末大扫除" in m.words]


async def test_what_waits_goes_on_with_the_bot_that_somebody_turns_to(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await post(city, [chen], "先前的事")
    await chen.sees("先前的事")
    async with city.database.write() as session:
        key = (await city.person(chen)).id
        await delivery.tell(
            city.making.work(session),
            Post(
                "approvals/refused", {"reason": "以后的事"}, "notice",
                due_at=city.clock.now.replace(year=city.clock.now.year + 1),
            ),
            [key],
        )  # fmt: skip
    second = with_second(city, chen)
    await second.start()
    await second.sees("陈晓丽")
    async with city.database.read() as session:
        rows = await session.execute(select(Delivery.state, Delivery.bot_id).order_by(Delivery.id))
        assert [tuple(row) for row in rows] == [
            (DeliveryState.SENT, 1),
            (DeliveryState.QUEUED, 2),
        ]


async def test_what_one_bot_said_is_corrected_by_that_bot(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await post(city, [chen], "下午三点集合", subject="thing:7")
    said = await chen.sees("下午三点集合")
    second = with_second(city, chen)
    await second.start()
    await second.sees("陈晓丽")
    async with city.database.write() as session:
        gone = Post("approvals/refused", {"reason": "已取消"}, "notice")
        await delivery.correct(city.making.work(session), "thing:7", gone)
    corrected = await chen.sees("已取消")
    assert corrected.id == said.id
    assert not [m for m in second.messages if "已取消" in m.words]


async def test_everyone_is_written_to_by_the_senders_of_all_bots(city: City) -> None:
    phones = [await city.volunteer(f"志愿者{number}") for number in range(6)]
    seconds = []
    for phone in phones[3:]:
        second = with_second(city, phone)
        await second.start()
        await second.sees("志愿者")
        seconds.append(second)
    await post(city, phones, "台风蓝色预警")
    for phone in phones[:3] + seconds:
        await phone.sees("台风蓝色预警")
    for phone in phones[3:]:
        assert not [m for m in phone.messages if "台风蓝色预警" in m.words]


async def test_a_photo_that_one_bot_was_sent_arrives_by_another(city: City) -> None:
    chen, lin = await city.volunteer("陈晓丽"), await city.volunteer("林静")
    sent = await chen.send_photo(a_picture())
    await city.answered()
    second = with_second(city, lin)
    await second.start()
    await second.sees("林静")
    assert sent.photo is not None
    file_id = sent.photo.id
    keys = [(await city.person(phone)).id for phone in (chen, lin)]
    async with city.database.write() as session:
        words = Post(
            "approvals/refused", {"reason": "看图"}, "notice", Lane.EMERGENCY,
            attachment=delivery.photo(file_id),
        )  # fmt: skip
        await delivery.tell(city.making.work(session), words, keys)
    here, there = await chen.sees("看图"), await second.sees("看图")
    assert here.photo is not None and there.photo is not None
    assert there.photo.content == here.photo.content


async def test_a_bot_that_runs_no_more_leaves_its_people_to_another(city: City) -> None:
    he = city.stranger("何远")
    other = with_second(city, he)
    await other.start()
    await other.sees("我是集结")
    await city.answered()
    async with city.database.write() as session:
        with pytest.raises(Gone):
            await bots.retire(session, 2, heir=7)
        assert await bots.retire(session, 2, heir=1) == 1
    assert await bot_of(city, he) == 1


async def test_numbers_of_bots_never_change(databases: Databases, city: City) -> None:
    async with city.database.write() as session:
        first, second = (int(token.partition(":")[0]) for token in (TOKEN, SECOND_TOKEN))
        assert await bots.number(session, [second, first]) == [2, 1]
        assert await bots.number(session, [55, second]) == [3, 2]
        names = await session.execute(select(Bot.id, Bot.username).order_by(Bot.id))
        assert names.all() == [(1, "muster_test_bot"), (2, "muster_second_bot"), (3, None)]

"""The end of a call-out: told by every way that it came, no live button, and corrected later on."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, select, text

from bot.settings import ChannelSettings
from models import Account, Callout, CalloutState, Database, Delivery, Response
from playground import Phone
from tests.city import City
from tests.emergencies import RALLY, Emergency
from tests.endpoint import Endpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as open_one:
        yield open_one


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


@pytest.fixture
async def texting(city: City, endpoint: Endpoint) -> Emergency:
    """In a city with text messages."""
    city.channels = ChannelSettings.model_validate(
        {"urls": {"sms": endpoint.url("sms", "{phone}")}, "escalate_minutes": {"sms": 2}}
    )
    await city.start_again()
    return await Emergency(city).prepare()


def live(phone: Phone) -> set[str]:
    """What can still be pressed about the call-out in a chat."""
    return {
        (button.data or "").split(":")[0]
        for message in phone.messages
        for row in message.inline_rows
        for button in row
        if (button.data or "").startswith("callout")
    }


async def test_no_live_button_is_left_but_that_one_is_home(emergency: Emergency) -> None:
    city = emergency.city
    there, coming, waiting, away, silent = await emergency.crowd(5)
    await emergency.declare(quota="5")
    await emergency.on_scene(there)
    await coming.press("15 分钟")
    await coming.sees("等你")
    await waiting.press("待命")
    await waiting.sees("你在待命")
    await away.press("去不了")
    await away.sees("知道了")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("发话给大家")
    await emergency.zhou.say("从北门进")
    await there.sees("从北门进")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("清点：都平安吗")
    await there.sees("你平安吗")
    await emergency.zhou.press("改集结点")
    await emergency.zhou.share_location(*RALLY)
    await emergency.zhou.say("体育馆")
    await coming.sees("集结点改到")
    await emergency.end()
    assert live(there) == {"callout.home"}
    for phone in (coming, waiting, away, silent):
        assert live(phone) == set(), phone.person
    assert any("从北门进" in message.words for message in there.messages)
    await there.press("我已平安到家")
    await there.sees("你到家我们就放心了")
    assert live(there) == set()
    await city.settle()


async def test_who_was_called_by_text_message_is_told_by_text_message(
    texting: Emergency, endpoint: Endpoint
) -> None:
    city = texting.city
    offline = await texting.volunteer("李雷")
    person = await city.person(offline)
    async with city.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == person.id))
    silent = await texting.volunteer("王芳", north=0.01)
    answers = await texting.volunteer("赵云", north=0.02)
    await texting.declare(quota="3")
    await answers.press("15 分钟")
    await answers.sees("等你")
    await texting.city.program.line.intake.note_answered()
    city.clock.forward(minutes=2)
    await city.program.other_channels.turn()
    called = {path for path, _ in endpoint.came}
    assert called == {f"/sms/{person.phone}", f"/sms/{(await city.person(silent)).phone}"}
    endpoint.came.clear()
    await texting.end()
    await city.program.other_channels.turn()
    assert {path for path, _ in endpoint.came} == called
    assert all("已解除" in text and "/a/" not in text for _, text in endpoint.came)


async def test_a_false_alarm_found_out_afterwards_reaches_exactly_who_got_the_alert(
    emergency: Emergency,
) -> None:
    city = emergency.city
    crowd = await emergency.crowd(30)
    await emergency.declare(quota="1")
    await emergency.on_scene(crowd[0])
    await emergency.end()
    asked = set(await emergency.alarms())
    assert 1 < len(asked) < 30
    await emergency.zhou.press("是误报")
    await city.forward(seconds=2)
    for phone in crowd:
        told = [message for message in phone.messages if "误报" in message.words]
        assert bool(told) == ((await city.person(phone)).id in asked)
        assert not any("已解除" in message.words for message in phone.messages)
    assert live(crowd[0]) == {"callout.home"}
    assert "误报" in (await emergency.zhou.sees("已结束")).words
    before = await count(city)
    callout = await emergency.callout()
    board = await emergency.zhou.sees("已结束")
    await emergency.zhou.press_data(f"callout.false_after_all:{callout.id}", board.id)
    await city.catch_up()
    assert await count(city) == before


async def count(city: City) -> int:
    async with city.database.read() as session:
        return len((await session.scalars(select(Delivery.id))).all())


# Beside another transaction


async def somebody_waits(database: Database) -> None:
    """Until a transaction waits for the rows of another one."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while not await connection.scalar(waiting):
            pass


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_what_the_database_gives_up_for_another_is_done_again(emergency: Emergency) -> None:
    """Two wait for each other's rows; the press is the one that PostgreSQL breaks off."""
    city = emergency.city
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await emergency.on_scene(li)
    await emergency.zhou.press("解除")
    question = await emergency.zhou.sees("解除召集？")
    async with Database(city.database_url).write() as other:
        await other.execute(text("SET LOCAL deadlock_timeout = '1min'"))
        await other.execute(select(Response).with_for_update())
        emergency.zhou.tap(question, 0, 0)
        await somebody_waits(city.database)
        await other.execute(select(Callout).with_for_update())
    await li.sees("平安到家后请告诉我一声")
    assert (await emergency.callout()).state is CalloutState.ENDED

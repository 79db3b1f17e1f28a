"""The board of a call-out: edited every two seconds at most, and one picture of several at once."""

from itertools import pairwise

import pytest
from sqlalchemy import select

from models import Delivery, DeliveryState, Message
from services import boards, callouts
from services.boards import BOARD, EDITED_EVERY
from tests.city import City
from tests.emergencies import Emergency


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def edits(city: City) -> list[Delivery]:
    """Those of boards that have gone out."""
    async with city.database.read() as session:
        found = await session.scalars(
            select(Delivery)
            .join(Message, Message.id == Delivery.message_id)
            .where(
                Message.kind == BOARD,
                Delivery.edits_id.is_not(None),
                Delivery.state == DeliveryState.SENT,
            )
            .order_by(Delivery.id)
        )
        return list(found)


async def test_it_is_edited_every_two_seconds_at_most_whoever_asks(emergency: Emergency) -> None:
    city = emergency.city
    crowd = await emergency.crowd(8)
    await emergency.declare(quota="8")
    for phone in crowd[:6]:  # six changes within three seconds, and a look after each
        await phone.press("15 分钟")
        await phone.sees("等你")
        async with city.database.write() as session:
            work = city.making.work(session)
            for _ in range(3):
                await boards.report(work)
        await city.forward(seconds=0.5)
    await emergency.end()
    await city.forward(seconds=2)
    moments = [one.finished_at for one in await edits(city) if one.finished_at]
    assert 2 <= len(moments) <= 4, moments
    gaps = [after - before for before, after in pairwise(moments)]
    assert all(gap >= EDITED_EVERY for gap in gaps)
    await emergency.zhou.sees("已结束")


async def test_after_a_jam_only_the_latest_is_shown(emergency: Emergency) -> None:
    city = emergency.city
    crowd = await emergency.crowd(3)
    await emergency.declare(quota="3")
    board = await emergency.zhou.sees("第 1 批")
    before = len(await edits(city))
    async with city.database.write() as session:
        work = city.making.work(session)
        (callout,) = (await session.scalars(select(callouts.Callout))).all()
        for number in range(1, 4):
            city.clock.forward(seconds=2)
            work = city.making.work(session)
            callout.details = f"水位 {number} 米"
            await boards.show_board(work, callout)
    await city.sent()
    assert len(await edits(city)) == before + 1
    assert "水位 3 米" in board.words
    assert crowd[0].messages


async def test_two_at_once_stand_side_by_side(emergency: Emergency) -> None:
    city = emergency.city
    (first,) = await emergency.crowd(1)
    await emergency.declare(quota="1", more=["地点名称", ">体育馆"])
    await emergency.on_scene(first)
    second = await emergency.volunteer("新来的")
    await emergency.declare(quota="7", mode="演练", kind="疫情", more=["地点名称", ">码头"])
    await second.press("30 分钟")
    await second.sees("等你")
    await emergency.zhou.say("/callout")
    words = (await emergency.zhou.sees("正在进行")).words
    lines = [line for line in words.splitlines() if "需要" in line]
    assert words.index("码头") < words.index("体育馆")
    assert lines == ["🏃 会来 1 · 📍 在场 0 · 👥 需要 7", "🏃 会来 0 · 📍 在场 1 · 👥 需要 1"]
    assert "【演练】" in words
    await city.settle()

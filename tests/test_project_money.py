"""A project's money: spendings with receipts, overspending, who sees what, and the statistics."""

import asyncio

import pytest
from sqlalchemy import func, select

from models import Delivery, Enclosure, Message, Spending
from services import measures, project_list, project_money
from services.errors import NotAllowed, Refusal
from services.project_money import Bought
from services.words import Words
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making
from tests.pictures import photo
from tests.proposing import Library, open_project


async def test_spending_is_noted_with_receipts_and_overspending_is_seen(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强", organisation="zs")
    other = await city.coordinator("小榄", organisation="zs-xiaolan")
    library = Library(city.making)
    project = await library.running(await city.person(chen), await city.person(wang))
    await open_project(chen, project)
    await chen.press("经费")
    await chen.press("记一笔支出")
    await chen.press("场地")
    await chen.sees("花了多少钱")
    await chen.say("很多")
    await chen.sees("没看懂这个金额")
    await chen.say("2,500元")
    await chen.sees("用来做什么")
    await chen.say("活动室租金")
    await chen.sees("请拍下票据")
    await chen.send_photo(photo())
    await chen.sees("1 张")
    await chen.press("接着填")
    await chen.sees("哪天花的")
    await chen.press("跳过")
    await chen.sees("这项预算就超支 ¥500.00")
    await chen.press("保存")
    await chen.sees("这项预算超支 ¥500.00")
    await wang.sees("“银发相伴”的“场地”超出了预算：\n已用 ¥2,500.00 / ¥2,000.00")
    await wang.press("经费")
    await wang.press("活动室租金")
    await wang.sees("2026年11月23日")
    assert any(m.photo is not None for m in wang.messages)
    await other.say("/menu")
    await other.sees("小榄")
    await other.press_data(f"project.money:{project.id}")
    await other.press_data("spending:1")
    await city.answered()
    assert not any("¥" in m.words for m in other.messages)
    await city.program.fetching.turn()
    async with city.database.read() as session:
        picture = (await session.scalars(select(Enclosure.id))).one()
        bill = (await session.scalars(select(Spending.id))).one()
    path = f"/projects/spendings/{bill}/receipts/{picture}"
    async with desk_of(city, wang) as seat:
        shown = await seat.open(f"/projects/{project.id}")
        assert "超支" in shown.words and "活动室租金" in shown.words
        async with seat.session.get("/console" + path) as answer:
            assert answer.content_type == "image/jpeg"
    async with desk_of(city, other) as seat:
        assert (await seat.open(path)).status == 403
        assert (await seat.open(f"/projects/{project.id}")).status == 403
    await chen.press("活动室租金")
    await chen.press("记错了，删掉")
    await chen.sees("合计 ¥0.00")
    async with city.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Enclosure)) == 0


async def test_two_bills_at_once_add_up_and_reviewers_are_told_once(making: Making) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    he = await making.coordinator("何敏")
    chen = await making.volunteer("陈晓丽")
    project = await library.running(chen, wang)
    line = (await library.lines(project))[0]
    for cents in (150_000, 100_000, 1):
        await asyncio.gather(
            library.do(chen, project_money.spend, line.id, Bought(cents, "租金")),
            library.do(he, project_money.spend, line.id, Bought(cents, "租金")),
        )
    assert (await library.lines(project))[0].spent == 500_002
    async with making.database.read() as session:
        told = await session.scalar(
            select(func.count())
            .select_from(Delivery)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == "projects/overspent")
        )
        assert told == 1
    gu = await making.volunteer("古月")
    with pytest.raises(NotAllowed):
        await library.do(gu, project_money.spend, line.id, Bought(1, "租金"))
    with pytest.raises(Refusal, match="form_money"):
        await library.do(chen, project_money.spend, line.id, Bought(0, "租金"))


async def test_statistics_count_projects_and_their_money(making: Making, words: Words) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    chen = await making.volunteer("陈晓丽")
    project = await library.running(chen, wang)
    line = (await library.lines(project))[1]
    await library.do(chen, project_money.spend, line.id, Bought(12_345, "保险费"))
    await library.closed(chen, wang, title="邻里食堂")
    async with making.database.write() as session:
        found = await measures.count(making.work(session), None)
    numbers = {name: number for (_, _, name), number in found.numbers.items()}
    assert numbers == {
        "projects_submitted": 2,
        "projects_approved": 2,
        "projects_started": 2,
        "projects_closed": 1,
        "projects_spent": 12_345,
    }
    for measure in project_list.MEASURES:
        assert words.plain("statistics/measures/projects", "zh_Hans", one=measure.name)

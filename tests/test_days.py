"""Volunteers' days: a calendar, reminders to plan, a thank-you that lies ready."""

from datetime import date

import pytest
from sqlalchemy import select, update

from models import Broadcast, BroadcastState, Organisation, Person, VolunteerDay
from services import days
from services.errors import NotAllowed, Refusal
from tests.certified import served
from tests.city import City
from tests.consoles import desk_of


async def test_coordinators_are_reminded_to_plan_and_the_thank_you_goes_out_on_the_day(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    boss = await city.coordinator("何会长", organisation="zs")
    chen = await city.volunteer("陈晓丽")
    await served(city.making, await city.person(wang), await city.person(chen))
    async with city.database.write() as session:
        await session.execute(update(VolunteerDay).values(reminded_year=None))
    await city.catch_up()
    await wang.sees("国际志愿者日。办一场活动吧")
    assert not any("感谢信" in message.words for message in wang.messages)
    await boss.sees("感谢信已备好草稿")
    await boss.press("看看感谢信")
    await boss.sees("这一年，你出现在需要的地方")
    await city.catch_up()
    assert sum("办一场活动吧" in message.words for message in wang.messages) == 1
    async with city.database.read() as session:
        draft = (await session.scalars(select(Broadcast))).one()
    assert draft.state is BroadcastState.DRAFT
    assert draft.starts_at == city.clock.at("2026-12-05 09:00")
    await boss.press("发送…")
    await boss.press("确认发送")
    await boss.sees("定时发送")
    await city.go_to("2026-12-05 09:00")
    await city.catch_up()
    await chen.sees("节日快乐，志愿者")


@pytest.mark.parametrize(
    ("month", "day", "today", "on"),
    [
        (12, 5, date(2026, 12, 5), date(2026, 12, 5)),
        (12, 5, date(2026, 12, 6), date(2027, 12, 5)),
        (2, 29, date(2027, 1, 1), date(2027, 2, 28)),
    ],
)
def test_a_day_comes_every_year(month: int, day: int, today: date, on: date) -> None:
    assert days.next_on(VolunteerDay(month=month, day=day), today) == on


async def test_a_town_keeps_days_of_its_own(city: City) -> None:
    making = city.making
    wang = await city.coordinator("王强")
    home = (await city.person(wang)).organisation_id
    async with desk_of(city, wang) as desk:
        assert "国际志愿者日" in (await desk.open("/days")).words
        fields = {"organisation": home, "month": "6", "day": "31", "name_zh_Hans": "石岐义工日"}
        assert (await desk.send("/days", fields)).status == 400
        assert "石岐义工日" in (await desk.send("/days", {**fields, "day": "30"})).words
    await wang.say("/days")
    await wang.sees("石岐义工日")
    boss = await making.coordinator("何会长", organisation="zs")
    async with city.database.write() as session:
        lei_feng = (
            await session.scalars(select(VolunteerDay).where(VolunteerDay.code == "lei_feng"))
        ).one()
        person = await session.get_one(Person, (await city.person(wang)).id)
        with pytest.raises(NotAllowed):
            await days.remove(making.work(session, person), lei_feng.id)
        acting = making.work(session, await session.get_one(Person, boss.id))
        with pytest.raises(Refusal, match="day_of_the_city"):
            await days.remove(acting, lei_feng.id)


async def test_what_can_not_go_out_stops_no_other_day(city: City) -> None:
    making = city.making
    boss = await making.coordinator("何会长", organisation="zs")
    zs, shiqi = await making.organisation("zs"), await making.organisation("zs-shiqi")
    said = days.Described(12, 6, {"zh_Hans": "街坊日"}, {"zh_Hans": "<b>谢谢"})
    async with city.database.write() as session:
        acting = making.work(session, await session.get_one(Person, boss.id))
        with pytest.raises(Refusal, match="text_tag_pair"):
            await days.add(acting, zs.id, said)
    broken = {"month": 12, "day": 4, "names": {"zh_Hans": "街坊日"}, "edited": True}
    async with city.database.write() as session:
        await session.execute(update(VolunteerDay).values(reminded_year=None))
        session.add(VolunteerDay(organisation_id=zs.id, thanks={"zh_Hans": "<b>谢谢"}, **broken))
        session.add(VolunteerDay(organisation_id=shiqi.id, thanks={"zh_Hans": "谢谢"}, **broken))
        (await session.get_one(Organisation, shiqi.id)).closed_at = making.clock()
    async with city.database.write() as session:
        assert await days.remind(making.work(session)) == 2
    async with city.database.read() as session:
        drafts = await session.scalars(select(Broadcast.organisation_id))
        assert drafts.all() == [zs.id]

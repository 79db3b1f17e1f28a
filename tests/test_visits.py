"""Standing visits: whose turn it is, noting one, a missed one, and nobody answering the door."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from models import (
    Activity,
    Attendance,
    CareAlert,
    HoursState,
    RoleKind,
    Visit,
    VisitState,
    Wellbeing,
)
from playground.phone import Phone
from services import care_alerts, care_endings, measures, pairings, visiting
from services.enclosures import content, of
from services.errors import Refusal
from services.visiting import Report, Rhythmic
from tests.caring import ADDRESS, CONTACT_PHONE, NAME, SECRETS, Care, knows, seen
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_POSTGRESQL, ON_SQLITE


def test_days_of_a_rhythm() -> None:
    weekly = Rhythmic(14, None, 540, 600)
    first, last = date(2026, 11, 24), date(2026, 12, 24)
    assert [one.day for one in visiting.days(weekly, first, last)] == [24, 8, 22]
    on_days = Rhythmic(None, 0b0010001, 540, 600)  # Monday and Friday
    found = list(visiting.days(on_days, first, date(2026, 12, 4)))
    assert [one.day for one in found] == [27, 30, 4]


async def test_a_coordinator_settles_a_rhythm_and_turns_rotate(city: City) -> None:
    shown = await Care(city).prepare()
    chen, zhao = await shown.member("陈晓丽"), await shown.member("赵远")
    wang = shown.wang
    await wang.say("/care")
    await wang.press(f"📂 {NAME}")
    await wang.press("探访安排")
    await wang.press("固定周几")
    await wang.press("周二")
    await wang.press("周五")
    await wang.press("选好了")
    await wang.sees("几点到几点")
    await wang.say("16:00-14:00")
    await wang.sees("这个时间不行")
    await wang.press("14:00–17:00")
    await wang.sees("由谁去")
    await wang.press("大家轮流")
    assert "周二、周五 · 14:00–17:00" in (await wang.sees("周二、周五")).words
    visits = await shown.rows(Visit)
    names = {(await city.person(phone)).id: phone for phone in (chen, zhao)}
    assert [one.starts_at.day for one in visits] == [24, 27]
    assert [names[one.person_id] for one in visits] == [chen, zhao]
    await city.go_to("2026-11-23 15:00")
    reminder = await chen.sees("你要去看望")
    assert ADDRESS in reminder.words and "耳背" in reminder.words
    assert knows(zhao) == []
    await city.catch_up()
    assert seen(chen).count("你要去看望") == 1, "each is reminded once"
    await city.go_to("2026-12-01 09:00")
    turns = [names[one.person_id] for one in await shown.rows(Visit)]
    assert turns == [chen, zhao, chen, zhao, chen]


async def test_a_visit_is_noted_by_voice_and_its_hours_go_the_usual_way(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await shown.settle_weekly()
    await city.go_to("2026-11-23 15:30")
    await chen.press("查看详情")
    await chen.press("记录这次探访")
    await chen.press("让人担心")
    await chen.say("10小时")
    await chen.sees("打字或发语音")
    await chen.send_voice(b"OggS she coughs")
    await chen.sees("已提交 4小时")
    await city.settle()
    await city.program.fetching.turn()
    told = await shown.wang.sees("让人担心")
    assert told.voice is not None and NAME in told.words
    await shown.wang.press("打开")
    await shown.wang.press("探访记录")
    await shown.wang.press("🎙 ")
    played = await shown.wang.sees("探访语音")
    assert played.voice is not None and played.protected
    async with city.database.read() as session:
        work = city.making.work(session)
        (visit,) = await session.scalars(select(Visit).where(Visit.state == VisitState.DONE))
        (sent,) = await of(work, f"visit:{visit.id}")
        assert (await content(work, f"visit:{visit.id}", sent.id)).content == b"OggS she coughs"
        (attendance,) = await session.scalars(select(Attendance))
        (activity,) = await session.scalars(select(Activity))
        assert attendance.state is HoursState.PROPOSED and attendance.minutes == 240
        assert activity.title == "结对帮扶与邻里互助 2026年11月"
        assert activity.created_by_id == (await city.person(shown.wang)).id
        assert NAME not in activity.title + activity.description + activity.address
    await chen.press_data(f"visit.note:{visit.id}")
    await chen.say("/pairing")
    await chen.press(f"👤 {NAME}")
    await chen.press("记录探访")
    await chen.press("挺好的")
    await chen.press("30分钟")
    await chen.sees("打字或发语音")
    await chen.say("一起买了菜")
    await chen.sees("已提交 30分钟")
    assert len(await shown.rows(Activity)) == 1, "one activity a month"
    await shown.wang.say("/hours")
    await shown.wang.sees("结对帮扶")
    async with city.database.write() as session:
        work = city.making.work(session)
        found = await measures.count(work, None)
        await measures.keep(work, found)
        numbers = {key[2]: number for key, number in found.numbers.items()}
    assert numbers == {"care_files": 1, "visits_done": 2, "visit_minutes": 630}
    await shown.wang.say("/stats")


async def test_a_missed_visit_is_asked_after_then_offered_then_told(city: City) -> None:
    shown = await Care(city).prepare()
    chen, zhao, lin = [await shown.member(name) for name in ("陈晓丽", "赵远", "林芳")]
    await shown.settle_weekly(first_on=date(2026, 11, 24))
    await city.go_to("2026-11-24 16:30")
    assert "去看望" not in seen(zhao)
    await city.forward(minutes=31)
    await chen.sees("去看望 梁婆婆 了吗")
    await city.settle()
    await city.forward(minutes=60)
    for phone in (zhao, lin):
        await phone.sees("谁能去看望")
    await zhao.press("我去")
    await zhao.sees("耳背")
    await city.settle()
    await lin.sees("赵远 会去")
    await chen.sees("赵远 会去")
    (visit, *_) = await shown.rows(Visit)
    answer = await lin.press_data(f"visit.take:{visit.id}")
    assert "已经有人去了" in answer.text
    await city.forward(hours=4, minutes=1)
    await zhao.sees("去看望 梁婆婆 了吗")
    await city.forward(hours=1, minutes=1)
    await city.forward(hours=3, minutes=1)
    missed = await shown.wang.sees("有一次探访没人去")
    assert NAME in missed.words
    for _ in range(3):
        await city.forward(hours=1)
    assert seen(shown.wang).count("有一次探访没人去") == 1
    assert (await shown.rows(Visit))[0].state is VisitState.MISSED


@ON_POSTGRESQL
async def test_who_cannot_go_says_so_and_after_downtime_only_the_coordinator_hears(
    city: City,
) -> None:
    shown = await Care(city).prepare()
    chen, zhao = [await shown.member(name) for name in ("陈晓丽", "赵远")]
    await shown.settle_weekly(first_on=date(2026, 11, 24))
    await city.go_to("2026-11-23 15:00")
    await chen.press("我不方便")
    await chen.sees("已经问了小组里的其他人")
    await city.settle()
    await zhao.sees("谁能去看望")
    before = seen(zhao).count("谁能去看望")
    city.clock.forward(days=4)  # nothing ran meanwhile
    await city.catch_up()
    await shown.wang.sees("有一次探访没人去")
    assert seen(zhao).count("谁能去看望") == before
    assert [one.state for one in await shown.rows(Visit)][:1] == [VisitState.MISSED]
    assert all(one.starts_at > city.clock() - timedelta(days=5) for one in await shown.rows(Visit))


async def raised(shown: Care, chen: Phone) -> None:
    await shown.city.go_to("2026-11-23 14:30")
    await chen.press("查看详情")
    await chen.press("敲门没人应")
    await chen.sees("再敲一次门")
    await chen.press("确认，发出警报")
    await chen.sees("警报已发出")
    await shown.city.settle()


async def test_nobody_answers_the_door_and_everyone_hears_until_somebody_says_how_they_are(
    city: City,
) -> None:
    shown = await Care(city).prepare()
    chen, zhao = [await shown.member(name) for name in ("陈晓丽", "赵远")]
    stranger = await city.volunteer("路人")
    await shown.settle_weekly()
    await raised(shown, chen)
    alarm = await shown.wang.sees("敲门没人应")
    assert CONTACT_PHONE in alarm.words and ADDRESS in alarm.words
    told = await zhao.sees("你知道人在哪儿吗")
    assert ADDRESS in told.words and CONTACT_PHONE not in seen(zhao) + seen(chen)
    assert CONTACT_PHONE not in (await shown.stored()).partition("OPENED")[0]
    await chen.press_data(f"pair.alarm:{(await pairing_of(shown, chen))}")
    assert len(await shown.rows(CareAlert)) == 1, "one alert at a time"
    await shown.wang.press("我来处理")
    await shown.wang.sees("你在处理")
    await city.settle()
    await zhao.sees("王强 在处理")
    (alert,) = await shown.rows(CareAlert)
    assert "已经有人在处理" in (await zhao.press_data(f"alert.take:{alert.id}")).text
    await stranger.say("/menu")
    await stranger.sees("你好")
    assert "权限" in (await stranger.press_data(f"alert.end:{alert.id}:well")).text
    await city.forward(hours=1)
    await zhao.press("人没事")
    await city.settle()
    for phone in (chen, shown.wang):
        assert "由 赵远 告知" in (await phone.sees("人没事")).words
    await shown.wang.wait_until(lambda: CONTACT_PHONE not in seen(shown.wang))
    (alert,) = await shown.rows(CareAlert)
    assert alert.ended_by_id == (await city.person(zhao)).id
    assert (await shown.rows(Visit))[0].state is VisitState.NO_ANSWER


@ON_SQLITE
async def test_nothing_of_a_recipient_comes_back_on_the_phone_of_who_has_left(city: City) -> None:
    shown = await Care(city).prepare()
    chen, zhao = [await shown.member(name) for name in ("陈晓丽", "赵远")]
    await shown.settle_weekly()
    await city.go_to("2026-11-23 13:10")
    assert ADDRESS in seen(chen)
    (visit, *_) = await shown.rows(Visit)
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        await visiting.cannot_go(work, visit.id)
        await pairings.leave(work, await pairing_of(shown, chen))
    await city.catch_up()
    assert knows(chen) == []
    async with city.database.write() as session:
        work = await shown.work_of(zhao, session)
        await visiting.take_over(work, visit.id)
        await visiting.note(work, visit.id, Report(Wellbeing.WELL, 30), "十一月")
    await city.catch_up()
    assert knows(chen) == []
    assert "谁能去看望" not in seen(zhao), "the newest words stay"


@ON_SQLITE
async def test_a_rhythm_settled_anew_keeps_what_was_noted_and_mixes_no_visits(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await shown.settle_weekly()
    await city.go_to("2026-11-23 14:10")
    (visit, *rest) = await shown.rows(Visit)
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        await visiting.note(work, visit.id, Report(Wellbeing.WELL, 30), "十一月")
    await shown.settle_weekly()
    await shown.settle_weekly()
    visits = await shown.rows(Visit)
    assert [one.state for one in visits if one.id == visit.id] == [VisitState.DONE]
    assert [one.state for one in visits if one.id in {one.id for one in rest}] == [
        VisitState.CANCELLED for _ in rest
    ]
    due = [one.starts_at for one in visits if one.state is VisitState.DUE]
    assert len(due) == len(set(due)) and visit.starts_at not in due
    async with city.database.write() as session:
        work = await shown.work_of(shown.wang, session)
        await care_endings.erase(work, shown.key)
    await city.settle()
    stored = await shown.stored()
    assert not [one for one in SECRETS if one in stored]


@ON_SQLITE
async def test_after_downtime_no_visitor_is_asked_and_none_is_named_to_who_has_left(
    city: City,
) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await shown.settle_weekly(first_on=date(2026, 11, 24))
    (visit, *_) = await shown.rows(Visit)
    city.clock.forward(days=4)
    async with city.database.write() as session:
        assert await visiting._ask_visitors(city.making.work(session)) == 0
        assert await visiting._offer_to_circles(city.making.work(session)) == 0
        row = await session.get_one(Visit, visit.id)
        row.offered_at = city.clock()
        await session.flush()
        with pytest.raises(Refusal):
            await visiting.take_over(await shown.work_of(chen, session), visit.id)
        row.state, row.ends_at = VisitState.NO_ANSWER, city.clock()
        await session.flush()
        work = await shown.work_of(chen, session)
        assert len(await visiting.coming(work)) == 1
        await pairings.leave(work, await pairing_of(shown, chen))
        assert await visiting.coming(work) == []


@ON_SQLITE
async def test_an_alert_taken_on_says_nothing_to_who_left_the_circle(city: City) -> None:
    shown = await Care(city).prepare()
    chen, zhao = [await shown.member(name) for name in ("陈晓丽", "赵远")]
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        alert = await care_alerts.raise_for_pairing(work, await pairing_of(shown, chen))
    await city.settle()
    assert ADDRESS in seen(zhao)
    async with city.database.write() as session:
        work = await shown.work_of(zhao, session)
        await pairings.leave(work, await pairing_of(shown, zhao))
    await city.catch_up()
    assert knows(zhao) == []
    async with city.database.write() as session:
        await care_alerts.take_on(await shown.work_of(shown.wang, session), alert.id)
    await city.catch_up()
    assert knows(zhao) == []


async def pairing_of(shown: Care, phone: Phone) -> int:
    async with shown.city.database.read() as session:
        work = await shown.work_of(phone, session)
        return (await pairings.mine(work))[0][0].id


async def test_an_alert_that_nobody_takes_on_goes_a_level_up(city: City) -> None:
    shown = await Care(city).prepare()
    li = await city.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    other = await city.coordinator("陈小榄", organisation="zs-xiaolan")
    chen = await shown.member("陈晓丽")
    await shown.settle_weekly()
    await raised(shown, chen)
    assert "敲门没人应" not in seen(li)
    await city.forward(minutes=11)
    alarm = await li.sees("敲门没人应")
    assert knows(li) == [] and "独居老人" in alarm.words, "above reads no name before taking it on"
    await city.forward(hours=2)
    assert seen(li).count("敲门没人应。") == 1 and knows(other) == []
    await li.press("我来处理")
    assert CONTACT_PHONE in (await li.sees("你在处理")).words
    await city.settle()
    await shown.wang.sees("李敏 说明理由后")
    await li.press("找到了，正在照顾")
    await city.settle()
    await chen.sees("人找到了，正在照顾")


@ON_POSTGRESQL
async def test_rules_of_visits(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await shown.settle_weekly(first_on=date(2026, 11, 25))
    (visit, *_) = await shown.rows(Visit)
    zhao = await city.volunteer("赵远")
    await zhao.say("/menu")
    await zhao.sees("你好")
    for what in ("", ".note", ".nobody", ".alarm", ".take", ".cannot"):
        assert "过期" in (await zhao.press_data(f"visit{what}:{visit.id}")).text, what
    assert knows(zhao) == []
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        with pytest.raises(Refusal):
            await visiting.to_note(work, visit.id)
        wang = await shown.work_of(shown.wang, session)
        for wrong in (
            Rhythmic(7, 1, 540, 600),
            Rhythmic(None, None, 540, 600),
            Rhythmic(0, None, 540, 600),
            Rhythmic(7, None, 600, 540),
            Rhythmic(None, 128, 540, 600),
        ):
            with pytest.raises(Refusal):
                await visiting.settle(wang, shown.key, wrong)
    async with desk_of(city) as desk:
        assert (await desk.open("/care")).status == 401

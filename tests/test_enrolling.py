"""Volunteers find, enrol, wait, cancel and are reminded in chat; coordinators see who is coming."""

import pytest
from icalendar import Calendar
from sqlalchemy import select

from models import Activity, ActivityState, Confirmation, Enrolment, EnrolmentState, Shift
from playground import Phone
from tests.city import City

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""What differs between databases is asked in test_enrolment."""


class Planting:
    """Saturday 9 to 12 in the park with `quota` places; Wang coordinates."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.wang: Phone
        self.activity: Activity
        self.shift: Shift

    async def prepare(self, quota: int = 20, **more: object) -> "Planting":
        self.wang = await self.city.coordinator("王强")
        coordinator = await self.city.person(self.wang)
        self.activity = await self.city.making.activity(coordinator, **more)  # type: ignore[arg-type]
        self.shift = await self.city.making.shift(self.activity, quota=quota)
        return self

    async def opened_by(self, phone: Phone) -> None:
        await phone.open(f"https://t.me/{self.city.bot.username}?start=a-{self.activity.id}")
        await phone.sees("岐江公园北门")

    async def taken_by(self, phone: Phone) -> None:
        await self.opened_by(phone)
        await phone.press("✅ 报名")
        await phone.sees("报名成功")

    async def place_of(self, phone: Phone) -> Enrolment:
        person = await self.city.person(phone)
        async with self.city.database.read() as session:
            found = await session.scalars(select(Enrolment).where(Enrolment.person_id == person.id))
            return found.one()


# Finding


async def test_for_me_shows_the_best_fit_first_and_says_why(city: City) -> None:
    wang = await city.person(await city.coordinator("王强"))
    far = await city.making.activity(wang, "远处的活动", latitude=22.62)
    await city.making.shift(far)
    near = await city.making.activity(wang, "家门口的急救课")
    await city.making.shift(near, skills=("first_aid",))
    chen = await city.volunteer("陈晓丽", skills=("first_aid",))
    await chen.say("/foryou")
    screen = await chen.sees("适合你的活动")
    first, second = screen.words.index("家门口的急救课"), screen.words.index("远处的活动")
    assert first < second
    why = screen.words[first:second]
    assert "正需要你的技能" in why and "距你 800米" in why
    await chen.press("1. 家门口的急救课")
    await chen.sees("20 个名额")


async def test_activities_are_found_by_date_field_and_town(city: City) -> None:
    planting = await Planting(city).prepare()
    chen = await city.volunteer("陈晓丽")
    await chen.say("/browse")
    await chen.press("今天")
    await chen.sees("那时还没有活动")
    await chen.press("返回")
    await chen.sees("想什么时候参加")
    await chen.press("这个周末")
    await chen.sees("余 20 个名额")
    for way, heading in (("按领域", "(1)"), ("按镇街", "石岐")):
        await chen.say("/browse")
        await chen.sees("想什么时候参加")
        await chen.press(way)
        await chen.press(heading)
        await chen.sees("河岸植树")
    await chen.press("河岸植树")
    await chen.sees(planting.activity.description)


async def test_the_detail_shows_the_place_and_goes_into_the_calendar(city: City) -> None:
    planting = await Planting(city).prepare()
    chen = await city.volunteer("陈晓丽")
    await planting.opened_by(chen)
    await chen.press("查看地点")
    place = await chen.wait(lambda message: message.venue is not None)
    assert place.venue is not None and place.venue.title == "河岸植树"
    await planting.opened_by(chen)
    await chen.press("加入日历")
    sent = await chen.wait(lambda message: message.document is not None)
    assert sent.document is not None
    (event,) = Calendar.from_ical(sent.document.content).walk("VEVENT")
    assert str(event["SUMMARY"]) == "河岸植树"
    assert event["DTSTART"].dt == planting.shift.starts_at


async def test_an_announced_activity_is_enrolled_in_with_one_press(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强")
    draft = await city.making.activity(await city.person(wang), state=ActivityState.DRAFT)
    await city.making.shift(draft)
    await wang.say("/activities")
    await wang.press("草稿")
    await wang.press("河岸植树")
    await wang.press("预览并发布")
    assert "适合" in (await wang.sees("志愿者会看到")).words
    await wang.press("📣 发布")
    await city.settle()
    await chen.sees("有适合你的新活动")
    await chen.press("✅ 报名")
    await chen.sees("报名成功")
    await chen.say("/mine")
    await chen.sees("✅ 已报名")


async def test_where_the_coordinator_confirms_the_volunteer_applies(city: City) -> None:
    planting = await Planting(city).prepare(confirmation=Confirmation.BY_HAND)
    chen = await city.volunteer("陈晓丽")
    await planting.opened_by(chen)
    await chen.press("✅ 报名")
    await chen.sees("已提交申请")
    await city.sent()
    await planting.wang.sees("申请参加")
    await planting.wang.press("同意")
    await city.answered()
    await city.sent()
    await chen.sees("报名已确认")
    assert (await planting.place_of(chen)).state is EnrolmentState.CONFIRMED


# Waiting and cancelling


async def test_a_freed_place_goes_to_the_next_who_may_decline(city: City) -> None:
    planting = await Planting(city).prepare(quota=1)
    chen, li, han = [await city.volunteer(name) for name in ("陈晓丽", "李雷", "韩梅梅")]
    await planting.taken_by(chen)
    for position, phone in enumerate((li, han), 1):
        await planting.opened_by(phone)
        await phone.press("加入候补")
        await phone.sees(f"候补第 {position} 位")
    await chen.press("取消报名")
    await chen.sees("确定取消报名吗")
    await chen.press("确定取消")
    await chen.sees("已取消")
    await city.sent()
    await li.sees("有空位了")
    await li.press("不了，谢谢")
    await li.sees("名额让给下一位")
    await city.sent()
    await han.sees("有空位了")
    await han.press("接受名额")
    await han.sees("报名成功")
    assert (await planting.place_of(han)).state is EnrolmentState.CONFIRMED


async def test_an_offer_without_an_answer_passes_on(city: City) -> None:
    planting = await Planting(city).prepare(quota=1)
    chen, li, han = [await city.volunteer(name) for name in ("陈晓丽", "李雷", "韩梅梅")]
    await planting.taken_by(chen)
    for phone in (li, han):
        await planting.opened_by(phone)
        await phone.press("加入候补")
        await phone.sees("已进入候补")
    await chen.press("取消报名")
    await chen.press("确定取消")
    await chen.sees("已取消")
    await city.sent()
    await li.sees("有空位了")
    await city.forward(minutes=121)
    await li.sees("已超时")
    await han.sees("有空位了")


async def test_cancelling_late_asks_for_a_reason_that_the_coordinator_reads(city: City) -> None:
    planting = await Planting(city).prepare()
    chen = await city.volunteer("陈晓丽")
    await planting.taken_by(chen)
    await city.go_to("2026-11-27 20:00")
    await chen.sees("你会来吗")
    await planting.opened_by(chen)
    await chen.press("取消报名")
    await chen.sees("活动快开始了")
    await chen.press("确定取消")
    await chen.sees("为什么来不了")
    await chen.say("孩子发烧了")
    await chen.sees("已取消")
    await city.sent()
    told = await planting.wang.sees("陈晓丽临时来不了")
    assert "孩子发烧了" in told.words


async def test_a_clashing_shift_is_refused_with_the_clash_named(city: City) -> None:
    planting = await Planting(city).prepare()
    other = await city.making.activity(await city.person(planting.wang), "路口劝导")
    clash = await city.making.shift(other, "2026-11-28 11:00")
    chen = await city.volunteer("陈晓丽")
    await planting.taken_by(chen)
    answer = await chen.press_data(f"enrol:{clash.id}")
    assert answer.alert
    assert answer.text and "时间冲突：你已报名“河岸植树”" in answer.text


async def test_a_changed_time_is_agreed_to_anew(city: City) -> None:
    planting = await Planting(city).prepare()
    chen, wang = await city.volunteer("陈晓丽"), planting.wang
    await planting.taken_by(chen)
    await wang.say("/activities")
    await wang.press("河岸植树")
    await wang.sees("已发布")
    await wang.press_data(f"shift.edit:{planting.shift.id}")
    await wang.press("✏️ 时间")
    await wang.sees("从几点到几点")
    await wang.say("周六 14:00-17:00")
    await wang.press("对，没错")
    await wang.press("✅ 保存")
    await city.answered()
    await city.sent()
    changed = await chen.sees("新时间")
    assert "14:00–17:00" in changed.words
    await wang.press_data(f"roster:{planting.shift.id}")
    await wang.sees("还没确认变动")
    await chen.press("可以，照常参加")
    await city.answered()
    assert not (await planting.place_of(chen)).reconfirm


# Reminders


async def test_reminders_ask_and_the_coordinator_sees_the_answers(city: City) -> None:
    planting = await Planting(city).prepare()
    people = [await city.volunteer(name) for name in ("陈晓丽", "李雷", "韩梅梅")]
    for phone in people:
        await planting.taken_by(phone)
    await city.go_to("2026-11-27 09:01")
    chen, li, han = people
    for phone in people:
        await phone.sees("活动提醒")
    await chen.press("👍 会来")
    await chen.sees("河岸植树”见")
    await li.press("👎 来不了")
    await li.sees("真可惜")
    await city.go_to("2026-11-28 07:01")
    await han.sees("活动快开始了")
    await city.go_to("2026-11-28 08:01")
    await planting.wang.sees("1 人会来 · 👎 1 人来不了 · ❔ 1 人未答复")
    await planting.wang.press("报名名单")
    roster = await planting.wang.sees("名额 20 个，已占 3 个")
    assert all(line in roster.words for line in ("👍 陈晓丽", "👎 李雷", "❔ 韩梅梅"))


async def test_the_whole_path_in_english(city: City) -> None:
    wang = await city.coordinator("Wang Qiang", language="en")
    activity = await city.making.activity(await city.person(wang), "Planting trees")
    await city.making.shift(activity, quota=1)
    chen = await city.volunteer("Emma Chen", language="en")
    late = await city.volunteer("Li Lei", language="en")
    await chen.say("/foryou")
    await chen.press("1. Planting trees")
    await chen.sees("1 of 1 place")
    await chen.press("✅ Enrol")
    await chen.sees("You are in!")
    await late.say("/browse")
    await late.press("This weekend")
    await late.press("Planting trees")
    await late.press("Join the waitlist")
    await late.sees("waitlist, number 1")
    await city.go_to("2026-11-27 09:01")
    await chen.sees("Are you still coming?")
    await chen.press("No, I can't")
    await chen.sees("A pity!")
    await chen.press("Yes, cancel my place")
    await chen.sees("Why can't you come?")
    await chen.say("I have a cold")
    await chen.sees("Cancelled")
    await city.sent()
    await late.sees("A place has become free for you!")
    await late.press("Take the place")
    await late.sees("You are in!")

"""On site, in chat: checking in and out, the roll, hours, objections, the record."""

import re

import aiohttp
import pytest
from sqlalchemy import select

from models import Activity, Attendance, Enrolment, HoursState, LedgerEntry, Means, RoleKind, Shift
from playground import Phone
from playground.phone import labels
from services import codes, ledger
from tests.attending import place
from tests.city import CallbackAnswer, City
from tests.test_planning import stands_at

ON_SITE = (22.53, 113.38)
A_KILOMETRE_AWAY = (22.539, 113.38)


class Planting:
    """Saturday 9 to 12 in the park; Wang coordinates, Chen is enrolled."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.wang: Phone
        self.chen: Phone
        self.activity: Activity
        self.shift: Shift

    async def prepare(self) -> "Planting":
        self.wang = await self.city.coordinator("王强")
        self.chen = await self.city.volunteer("陈晓丽")
        self.activity = await self.city.making.activity(await self.city.person(self.wang))
        self.shift = await self.city.making.shift(self.activity, "2026-11-28 09:00", hours=3)
        await place(self.city.making, self.shift, await self.city.person(self.chen))
        return self

    async def at(self, clock: str) -> None:
        await self.city.go_to(f"2026-11-28 {clock}")

    def rotating_code(self) -> str:
        seconds = self.city.policy.code_seconds
        payload = codes.rotating(self.shift.id, self.city.clock(), seconds)
        return f"https://t.me/{self.city.bot.username}?start={payload}"

    async def attendances(self) -> list[Attendance]:
        async with self.city.database.read() as session:
            return list(await session.scalars(select(Attendance).order_by(Attendance.id)))

    async def chen_was_there(self) -> None:
        """By the code at 9 and at 12."""
        for clock, seen in (("09:00", "签到成功"), ("12:00", "要离开吗")):
            await self.at(clock)
            await self.chen.open(self.rotating_code())
            await self.chen.sees(seen)
        await self.chen.press("是的，签退")
        await self.chen.sees("签退成功")


@pytest.fixture
async def planting(city: City) -> Planting:
    return await Planting(city).prepare()


async def entries(city: City) -> list[LedgerEntry]:
    async with city.database.read() as session:
        return list(await session.scalars(select(LedgerEntry).order_by(LedgerEntry.id)))


# Checking in and out


async def test_a_volunteer_checks_in_and_out_by_the_code_on_the_screen(planting: Planting) -> None:
    await planting.at("08:50")
    await planting.wang.say("/checkin")
    await planting.wang.press("签到码 · 河岸植树")
    poster = await planting.wang.sees("打印这张海报")
    address = re.search(r"http://\S+/checkin/\S+", poster.words)
    assert poster.photo and address
    screen = address.group()
    async with aiohttp.ClientSession() as browser:
        async with browser.get(screen, headers={"Accept-Language": "zh-CN"}) as answer:
            page = await answer.text()
        assert "河岸植树" in page and "扫码签到" in page and "陈晓丽" not in page
        async with browser.get(f"{screen}/code") as answer:
            shown = await answer.json()
        assert shown["drawing"].startswith("<svg") and (shown["there"], shown["expected"]) == (0, 1)
        async with browser.get(f"{screen[:-3]}xyz") as answer:
            assert answer.status == 404
    await planting.chen.open(planting.rotating_code())
    await planting.chen.sees("签到成功")
    await planting.at("11:30")
    await planting.chen.open(planting.rotating_code())
    await planting.chen.sees("现在要离开吗")
    await planting.chen.press("是的，签退")
    await planting.chen.sees("2小时30分钟")
    (found,) = await planting.attendances()
    assert (found.in_means, found.out_means) == (Means.CODE, Means.CODE)
    assert (found.state, found.minutes) == (HoursState.PROPOSED, 150)


async def test_a_photo_of_the_code_is_useless_a_minute_later(planting: Planting) -> None:
    await planting.at("08:50")
    old = planting.rotating_code()
    await planting.city.forward(seconds=61)
    await planting.chen.open(old)
    await planting.chen.sees("这个码已过期")
    assert await planting.attendances() == []


async def test_the_printed_code_checks_in_together_with_a_location(planting: Planting) -> None:
    await planting.at("08:50")
    await planting.wang.say("/checkin")
    await planting.wang.press("签到码 · 河岸植树")
    poster = await planting.wang.sees("打印这张海报")
    await planting.chen.scan(poster)
    await stands_at(planting.chen, "你现在在哪里")
    await planting.chen.say("22.53, 113.38")
    await planting.chen.sees("这里不能输入坐标")
    await planting.chen.share_location(*A_KILOMETRE_AWAY)
    await planting.chen.sees("1公里")
    await planting.chen.share_location(*ON_SITE)
    await planting.chen.sees("签到成功")


async def test_a_place_that_is_simply_sent_on_site_checks_in(planting: Planting) -> None:
    chen = planting.chen
    await planting.at("08:50")
    await chen.sees("你会来吗")
    await chen.share_location(*A_KILOMETRE_AWAY)
    await stands_at(chen, "你现在在哪里")
    await chen.press("先停下")
    await chen.sees("先停在这里")
    await chen.share_location(*ON_SITE)
    await chen.sees("签到成功")


async def test_each_wrong_moment_to_check_in_gets_its_own_answer(planting: Planting) -> None:
    chen = planting.chen
    await planting.at("07:30")
    await chen.open(planting.rotating_code())
    await chen.sees("08:00开始签到")
    await planting.at("09:20")
    await chen.open(planting.rotating_code())
    await chen.sees("你晚到了 20分钟")
    await chen.open(planting.rotating_code())
    await chen.sees("你在 09:20 刚签过到")
    await planting.at("12:10")
    await chen.sees("你还没有签退")
    await chen.press("是的，结束了")
    await chen.sees("签退成功")
    await chen.open(planting.rotating_code())
    await chen.sees("已经签退了")
    late = await planting.city.volunteer("李雷")
    await place(planting.city.making, planting.shift, await planting.city.person(late))
    await late.open(planting.rotating_code())
    await late.sees("活动已在 2026年11月28日 周六 12:00结束")


async def test_a_volunteer_who_left_earlier_says_when(planting: Planting) -> None:
    await planting.at("09:00")
    await planting.chen.open(planting.rotating_code())
    await planting.chen.sees("签到成功")
    await planting.at("12:00")
    await planting.chen.sees("你还没有签退")
    await planting.chen.press("我早就走了")
    await planting.chen.sees("你是几点离开的")
    await planting.chen.say("昨天")
    await planting.chen.sees("⚠️")
    await planting.chen.say("8:30")
    await planting.chen.sees("时间要在你签到的 09:00 和现在 12:00 之间")
    await planting.chen.say("10:45")
    await planting.chen.sees("10:45 吗")
    await planting.chen.press("对，没错")
    await planting.chen.sees("1小时45分钟")


async def test_a_forgotten_check_out_is_taken_as_the_shifts_end_and_marked(
    planting: Planting,
) -> None:
    await planting.at("09:00")
    await planting.chen.open(planting.rotating_code())
    await planting.chen.sees("签到成功")
    await planting.at("12:00")
    await planting.at("13:05")
    await planting.wang.sees("1 人的时长等你确认")
    await planting.wang.press("查看时长")
    sheet = await planting.wang.sees("陈晓丽")
    assert "系统推定" in sheet.words and "3小时" in sheet.words


# The roll


async def test_a_coordinator_takes_the_roll_name_by_name(planting: Planting) -> None:
    city, wang = planting.city, planting.wang
    for name in ("李雷", "韩梅梅"):
        await place(city.making, planting.shift, await city.person(await city.volunteer(name)))
    await planting.at("08:55")
    await wang.say("/checkin")
    await wang.press("点名 · 河岸植树")
    await wang.sees("应到 3 人，已到 0 人")
    await wang.press("⬜ 李雷")
    await wang.sees("已到 1 人")
    await wang.press("✅ 李雷")
    await wang.sees("点名登记")
    await wang.press("没有到场")
    await wang.sees("已到 0 人")
    await wang.press("搜索")
    await wang.sees("要找谁")
    await wang.say("韩梅")
    found = await wang.sees("“韩梅”的搜索结果")
    assert "⬜ 韩梅梅" in labels(found) and "⬜ 李雷" not in labels(found)
    await wang.press("全部名单")
    await wang.sees("应到 3 人，已到 0 人")
    await wang.press("全部到场")
    await wang.sees("还有 3 人没点到")
    await wang.press("是的，全部到场")
    await wang.sees("已到 3 人")
    await planting.at("12:00")
    await wang.press("全部签退")
    await wang.sees("还有 3 人没签退")
    await wang.press("是的，全部签退")
    await wang.sees("3 人已离开")
    assert [one.minutes for one in await planting.attendances()] == [180, 180, 180]


async def test_a_walk_in_asks_and_is_added(planting: Planting) -> None:
    city, wang = planting.city, planting.wang
    lin = await city.volunteer("林小雨")
    await planting.at("09:10")
    await lin.open(planting.rotating_code())
    await lin.sees("你没有报名")
    await lin.press("问协调员")
    await lin.sees("已经问了现场的协调员")
    await city.sent()
    await wang.sees("想临时加入")
    await wang.press("加入名单")
    await wang.sees("应到 2 人，已到 1 人")
    await city.sent()
    await lin.sees("协调员已把你加入")


async def test_a_coordinator_adds_a_walk_in_to_a_full_shift_by_phone_number_or_card(
    planting: Planting,
) -> None:
    city, wang = planting.city, planting.wang
    lin, zhao = await city.volunteer("林小雨"), await city.volunteer("赵敏")
    await set_quota(city, planting.shift, 1)
    await planting.at("09:10")
    await wang.say("/checkin")
    await wang.press("点名 · 河岸植树")
    await wang.press("临时加入")
    await wang.sees("谁没报名就来了")
    await wang.say("查无此人")
    await wang.sees("没有找到“查无此人”")
    await wang.say((await city.person(lin)).phone or "")
    await wang.sees("是哪一位")
    await wang.press("林小雨")
    await wang.sees("1 个名额都满了")
    await wang.press("加一个名额")
    await wang.sees("应到 2 人，已到 1 人")
    await zhao.say("/card")
    await wang.scan(await zhao.wait(lambda message: bool(message.photo)))
    await wang.sees("志愿者证真实有效")
    await wang.press("加入名单 · 河岸植树")
    await wang.press("加一个名额")
    await wang.sees("应到 3 人，已到 2 人")


async def set_quota(city: City, shift: Shift, quota: int) -> None:
    async with city.database.write() as session:
        row = await session.get_one(Shift, shift.id)
        row.quota, row.taken = quota, quota


# Hours


async def test_a_volunteer_has_the_hours_confirmed_and_sees_them_in_the_record(
    planting: Planting,
) -> None:
    city, wang, chen = planting.city, planting.wang, planting.chen
    await planting.chen_was_there()
    await wang.say("/desk")
    await wang.press("时长确认 (1)")
    await wang.sees("等你确认的时长")
    await wang.press("河岸植树 (1)")
    await wang.press("全部确认 (1)")
    await wang.sees("已确认 1 人")
    await city.sent()
    await chen.sees("3小时已确认")
    await chen.press("我的时长")
    record = await chen.sees("累计服务 3 小时")
    assert record.photo
    assert "再服务 97 小时，升为 1 星" in record.words and "河岸植树" in record.words
    (entry,) = await entries(city)
    assert entry.minutes == 180
    async with city.database.read() as session:
        assert await ledger.verify(session) == []


async def test_a_coordinator_corrects_one_and_rejects_another_with_a_reason(
    planting: Planting,
) -> None:
    city, wang, chen = planting.city, planting.wang, planting.chen
    li = await city.volunteer("李雷")
    await place(city.making, planting.shift, await city.person(li))
    await planting.at("09:00")
    await wang.say("/checkin")
    await wang.press("点名 · 河岸植树")
    await wang.press("全部到场")
    await wang.press("是的，全部到场")
    await planting.at("13:05")
    await wang.sees("2 人的时长等你确认")
    await wang.press("查看时长")
    await wang.press("✏️ 陈晓丽")
    await wang.press("更正")
    await wang.sees("实际服务了多久")
    await wang.say("很久")
    await wang.sees("看不懂这个时长")
    await wang.say("20小时")
    await wang.sees("可填 1 分钟到 7小时")
    await wang.say("2个半小时")
    await wang.sees("为什么更正")
    await wang.say("十一点半先走了")
    await wang.sees("2小时30分钟")
    await wang.press("✏️ 李雷")
    await wang.press("不通过")
    await wang.sees("为什么不通过")
    await wang.say("没有到场，点错了")
    await city.answered()
    await city.sent()
    await chen.sees("已确认 2小时30分钟")
    await chen.sees("十一点半先走了")
    await li.sees("没有通过")
    assert [entry.minutes for entry in await entries(city)] == [150]


async def test_an_objection_is_decided_by_the_superior_organisation(planting: Planting) -> None:
    city, wang, chen = planting.city, planting.wang, planting.chen
    boss = await city.coordinator("周主任", organisation="zs", role=RoleKind.ADMINISTRATOR)
    await planting.chen_was_there()
    await wang.say("/hours")
    await wang.press("河岸植树 (1)")
    await wang.press("✏️ 陈晓丽")
    await wang.press("不通过")
    await wang.sees("为什么不通过")
    await wang.say("没看到人")
    await city.answered()
    await city.sent()
    await chen.sees("没有通过")
    await chen.press("时长不对")
    await chen.sees("哪里不对")
    await chen.say("我九点就到了，一直在东门种树")
    await chen.sees("已转给上级组织")
    await city.sent()
    await boss.sees("陈晓丽 对“河岸植树”的时长有异议")
    await boss.press("去处理")
    await boss.sees("没看到人")
    await boss.press("异议成立")
    await boss.sees("实际服务了多久")
    await boss.say("3小时")
    await boss.sees("怎么答复")
    await boss.say("已向现场同伴核实")
    await boss.sees("没有待处理的异议")
    await city.sent()
    await chen.sees("异议成立，计 3小时")
    await wang.sees("陈晓丽 关于“河岸植树”的异议成立")
    await chen.say("/record")
    record = await chen.sees("累计服务 3 小时")
    assert not [label for label in labels(record) if "异议" in label]
    assert [entry.minutes for entry in await entries(city)] == [180]


async def test_the_whole_way_on_site_in_english(city: City) -> None:
    wang = await city.coordinator("Wang Qiang", language="en")
    chen = await city.volunteer("Emma Chen", language="en")
    activity = await city.making.activity(await city.person(wang), title="Trees")
    shift = await city.making.shift(activity, "2026-11-28 09:00", hours=3)
    await place(city.making, shift, await city.person(chen))
    await city.go_to("2026-11-28 08:45")
    await chen.say("/checkin")
    await stands_at(chen, "Where are you now?")
    await chen.share_location(*A_KILOMETRE_AWAY)
    await chen.sees("check-in works within")
    await chen.share_location(*ON_SITE)
    await chen.sees("Checked in")
    await city.go_to("2026-11-28 12:00")
    await chen.sees("you have not checked out")
    await chen.press("Yes, finished")
    await chen.sees("3 hours proposed")
    await wang.say("/hours")
    await wang.press("Trees (1)")
    await wang.press("Confirm all (1)")
    await wang.sees("1 confirmed")
    await city.sent()
    await chen.sees("3 hours confirmed")
    await chen.say("/record")
    await chen.sees("3 hours of service")


async def test_nobody_else_sees_or_decides(planting: Planting) -> None:
    """A volunteer and a coordinator of another town press what only Wang may."""
    city = planting.city
    await planting.chen_was_there()
    (found,) = await planting.attendances()
    stranger = await city.coordinator("外镇人", organisation="zs-dongfeng")
    for phone in (stranger, planting.chen):
        for data in (
            f"roll:{planting.shift.id}",
            f"roll.all.yes:{planting.shift.id}",
            f"checkin.code:{planting.shift.id}",
            f"walkin:{planting.shift.id}",
            f"hours:{planting.shift.id}",
            f"hours.all:{planting.shift.id}",
            f"hours.confirm:{found.id}",
            f"hours.correct:{found.id}",
            f"hours.reject:{found.id}",
        ):
            answer = await press_forged(phone, data)
            assert answer.text and "权限" in answer.text, data
    answer = await press_forged(stranger, f"checkout.done:{found.id}")
    assert answer.text and "已经过期" in answer.text
    assert await entries(city) == []


async def test_nobody_of_another_town_is_added_by_a_forged_button(planting: Planting) -> None:
    city = planting.city
    far = await city.making.volunteer("外镇人", organisation="zs-dongfeng")
    await planting.at("09:10")
    about = f"{planting.shift.id}:{far.id}"
    genuine = codes.walk_in(planting.shift.id, far.id)
    other = codes.walk_in(planting.shift.id, far.id + 1)
    for data in (f"walkin.add:{about}", f"walkin.more:{about}", f"walkin.add:{about}:{other}"):
        await press_forged(planting.wang, data)
    assert far.id not in await on_roster(city, planting.shift)
    await press_forged(planting.wang, f"walkin.more:{about}:{genuine}")
    assert far.id in await on_roster(city, planting.shift)


async def on_roster(city: City, shift: Shift) -> set[int]:
    async with city.database.read() as session:
        found = select(Enrolment.person_id).where(Enrolment.shift_id == shift.id)
        return set(await session.scalars(found))


async def press_forged(phone: Phone, data: str) -> CallbackAnswer:
    if not any(message.from_bot for message in phone.messages):
        await phone.say("/menu")
        await phone.sees("今天想做点什么")
    message = next(m for m in reversed(phone.messages) if m.from_bot and m.inline_rows)
    return await phone.press_data(data, message.id)

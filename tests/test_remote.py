"""Remote activities: planned without a place, begun by a press, ended by a report."""

import pytest
from icalendar import Calendar
from sqlalchemy import select

from models import Activity, Attendance, HoursState, LedgerEntry, Means, Person
from playground import Phone
from services import attendance, enclosures, hours, measures, personal_data, remote
from services.calendars import calendar
from services.errors import Gone, NotAllowed, Refusal
from tests.attending import place
from tests.city import City
from tests.consoles import desk_of
from tests.pictures import photo
from tests.test_enrolment import said
from tests.test_planning import answer


async def plan(city: City, wang: Phone) -> Activity:
    """As a coordinator does it in chat, up to the published activity."""
    await wang.say("/plan")
    await answer(
        wang,
        ("由哪个组织举办", "[石岐街道志愿服务协会]"),
        ("活动叫什么名字", "热线陪聊"),
        ("属于哪个服务领域", "植绿"),
    )
    await wang.sees("搜索结果")
    await wang.press("植绿护河")
    await answer(
        wang,
        ("要做些什么", "晚上给独居老人打电话，陪他们聊聊天。"),
        ("宣传图片", "[跳过]"),
        ("在哪里举办", "[线上活动，没有地点]"),
        ("从几点到几点", "2026-11-28 19:00-21:00"),
        ("吗？", "[对，没错]"),
        ("需要多少名志愿者", "[5]"),
        ("谁都可以参加", "[谁都可以参加]"),
        ("什么时候截止报名", "[跳过]"),
        ("直接生效，还是由你", "[直接生效]"),
        ("需要带什么", "[跳过]"),
        ("有问题找谁", "[跳过]"),
    )
    await wang.sees("请核对一下")
    await wang.sees("线上活动，在哪里都可以参加")
    await wang.press("保存草稿")
    await wang.press("预览并发布")
    await wang.sees("志愿者会看到")
    await wang.press("📣 发布")
    await city.answered()
    async with city.database.read() as session:
        return (await session.scalars(select(Activity))).one()


async def test_from_planning_to_confirmed_hours_without_a_place(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    activity = await plan(city, wang)
    assert (activity.remote, activity.latitude, activity.address) == (True, None, "")
    await city.catch_up()
    await chen.sees("热线陪聊")
    await chen.open(f"https://t.me/{city.bot.username}?start=a-{activity.id}")
    await chen.sees("💻 线上活动，在哪里都可以参加")
    assert chen.find("查看地点") is None
    await chen.press("报名")
    await chen.sees("报名成功")
    await city.go_to("2026-11-27 19:05")
    await chen.sees("线上活动，在哪里都可以参加")
    await city.go_to("2026-11-28 18:58")
    await chen.share_location(22.53, 113.38)
    await chen.sees("这是线上活动")
    await chen.press("现在开始")
    await chen.sees("已开始")
    await city.go_to("2026-11-28 20:30")
    await chen.press("完成并写小结")
    await chen.sees("做了些什么")
    await chen.say("打了四个电话，李奶奶想学视频。")
    await chen.sees("附照片或截图")
    await chen.send_photo(photo())
    await chen.press("接着填")
    await chen.sees("小结收到了")
    await chen.sees("1小时30分钟")
    await wang.say("/hours")
    await wang.press("热线陪聊")
    await wang.press("陈晓丽")
    await wang.sees("小结： 打了四个电话")
    await wang.press("照片")
    await wang.sees("🖼 陈晓丽 · 1/1")
    async with city.database.read() as session:
        (there,) = await session.scalars(select(Attendance))
        (sent,) = await enclosures.of(city.making.work(session), remote.subject(there.id))
    await city.program.fetching.turn()
    async with desk_of(city, wang) as desk:
        page = await desk.open(f"/hours/of/{there.id}")
        assert "李奶奶想学视频" in page.words and "照片 1" in page.text
        picture = f"/console/hours/of/{there.id}/report/{sent.id}"
        async with desk.session.get(picture) as answered:
            assert answered.content_type == "image/jpeg"
        roster = await desk.open("/hours")
        assert "热线陪聊" in roster.words
        shown = await desk.open(f"/activities/{activity.id}")
        assert "线上" in shown.words and "None" not in shown.words
        await desk.open(f"/hours/of/{there.id}")
        await desk.send(f"/hours/of/{there.id}/confirm")
        assert (await desk.open(f"/activities/{activity.id}/edit")).status == 200
    async with city.database.read() as session:
        (entry,) = await session.scalars(select(LedgerEntry))
        assert entry.minutes == 90
        work = city.making.work(session)
        assert (activity.organisation_id, "remote_services") in {
            (key, name) for key, _, name in (await measures.count(work, None)).numbers
        }


async def test_only_a_report_counts_and_it_may_come_late(city: City) -> None:
    making = city.making
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    activity = await making.activity(
        wang, "线上改稿", remote=True, latitude=None, longitude=None, address=""
    )
    shift = await making.shift(activity, "2026-11-28 09:00", hours=2)
    await place(making, shift, chen)

    async def act(who: Person, verb: object, *given: object) -> object:
        async with city.database.write() as session:
            return await verb(making.work(session, who), *given)  # type: ignore[operator]

    with pytest.raises(Refusal, match="checkin_early"):
        await act(chen, attendance.start_remote, shift.id)
    making.clock.go_to("2026-11-28 08:55")
    with pytest.raises(Refusal, match="checkin_remote"):
        await act(chen, attendance.come_to, shift.id, 22.53, 113.38)
    await act(chen, attendance.start_remote, shift.id)
    with pytest.raises(Refusal, match="checkin_"):
        await act(chen, attendance.start_remote, shift.id)
    async with city.database.read() as session:
        (there,) = await session.scalars(select(Attendance))
    with pytest.raises(Refusal, match="checkout_by_report"):
        await act(chen, attendance.leave_by_own_word, there.id)
    await city.go_to("2026-11-28 14:00")
    assert "attendance/finished" not in await said(city.database, wang)
    async with city.database.read() as session:
        (there,) = await session.scalars(select(Attendance))
    assert (there.state, there.minutes, there.out_means) == (
        HoursState.PROPOSED, 0, Means.ASSUMED,
    )  # fmt: skip
    with pytest.raises(Refusal, match="words_length"):
        await act(chen, remote.report, there.id, "x")
    thief = await making.volunteer("张三")
    with pytest.raises(Gone):
        await act(thief, remote.report, there.id, "不是我的")
    await act(chen, remote.report, there.id, "改了三篇稿子")
    with pytest.raises(Refusal, match="report_there"):
        await act(chen, remote.report, there.id, "再来一次")
    async with city.database.read() as session:
        (there,) = await session.scalars(select(Attendance))
    assert there.minutes == 120, "from the start to the report, within the shift"
    outsider = await making.coordinator("外镇", organisation="zs-guzhen")
    with pytest.raises(NotAllowed):
        await act(outsider, remote.content, there.id, 1)
    await act(wang, hours.confirm, there.id)
    async with city.database.write() as session:
        person = await session.get_one(Person, chen.id)
        work = making.work(session, person)
        about = await personal_data.everything_about(work)
        assert about["remote_reports"][0]["text"] == "改了三篇稿子"
        await personal_data.forget(work)
        assert await remote.of(work, there.id) is None
        event = Calendar.from_ical(calendar([(activity, shift)], making.clock())).walk("VEVENT")[0]
        assert "location" not in event and "geo" not in event

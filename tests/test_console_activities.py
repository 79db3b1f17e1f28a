"""Activities at the desk: found, seen by the day, planned, changed, called off; their rosters."""

from datetime import date
from io import BytesIO
from typing import Any

import pytest
from playwright.async_api import Page
from pypdf import PdfReader
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from models import (
    Activity,
    ActivityState,
    AuditEntry,
    Coming,
    Confirmation,
    Enrolment,
    EnrolmentState,
    RoleKind,
    Shift,
)
from services import agenda, attendees
from services.agenda import Wanted
from services.attendees import Part
from tests.attending import place, propose
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import Desk, desk_of, screen_of
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from tests.making import Making
from web.console import looks
from web.limits import Rate

SAYS = {
    "title": "河岸植树",
    "description": "一起在岐江边种树。",
    "address": "岐江公园北门",
    "at": "22.53, 113.38",
    "confirmation": "automatic",
    "day": "2026-11-28",
    "begins": "09:00",
    "ends": "12:00",
    "quota": "20",
}
"""What the editor asks, but for what is chosen from lists."""


async def has_no_fault(page: Page) -> None:
    assert await barriers(page) == []
    await is_not_too_wide(page)


async def is_not_too_wide(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def newest(city: City) -> Activity:
    async with city.database.read() as session:
        found = await session.scalars(select(Activity).order_by(Activity.id.desc()).limit(1))
        return found.one()


async def reload(city: City, thing: Any) -> Any:
    async with city.database.read() as session:
        return await session.get(type(thing), thing.id)


async def says(city: City, desk: Desk, **changed: Any) -> dict[str, Any]:
    """The fields of a new activity, with the organisation of whoever plans."""
    await desk.open("/activities/new")
    town = await city.making.organisation("zs-shiqi")
    async with city.database.read() as session:
        field = await session.scalar(select(Activity.field_id).limit(1)) or 1
    return {**SAYS, "organisation": town.id, "field": field, **changed}


# Finding them


async def test_activities_are_searched_by_what_one_knows_of_them(making: Making) -> None:
    wang = await making.coordinator("王强")
    li = await making.coordinator("李主任", organisation="zs", role=RoleKind.ADMINISTRATOR)
    other = await making.coordinator("何小榄", organisation="zs-xiaolan")
    planting = await making.activity(wang, "河岸植树 Trees")
    later = await making.shift(planting, "2026-12-05 14:00", quota=10)
    first = await making.shift(planting, "2026-11-28 09:00", quota=5)
    draft = await making.activity(wang, "没写完", state=ActivityState.DRAFT)
    past = await making.activity(wang, "重阳敬老")
    await making.shift(past, "2026-10-20 09:00")
    foreign = await making.activity(other, "小榄菊展")
    await making.shift(foreign, "2026-11-29 09:00")
    await place(making, first, await making.volunteer("陈晓丽"), EnrolmentState.WAITLISTED)

    async def finds(who: Any, **wanted: Any) -> list[int]:
        async with making.database.read() as session:
            page = await agenda.listed(making.work(session, who), Wanted(**wanted), 1)
            return [one.activity.id for one in page.rows]

    today, soon = date(2026, 11, 23), date(2026, 11, 30)
    for who in (wang, li):
        shown = await finds(who, typed="trees")
        assert shown == [planting.id]
        assert await finds(who, typed="植", since=today) == [planting.id]
    assert await finds(wang) == [past.id, draft.id, planting.id]
    assert await finds(wang, since=today) == [planting.id], "its shifts are one line"
    assert await finds(li, since=today) == [planting.id, foreign.id]
    assert await finds(li, until=soon) == [foreign.id, planting.id, past.id]
    assert await finds(li, since=date(2026, 12, 1)) == [planting.id]
    assert await finds(li, state=ActivityState.DRAFT) == [draft.id]
    assert await finds(li, organisation_id=other.organisation_id) == [foreign.id]
    assert await finds(li, field_id=planting.field_id + 1) == []
    async with making.database.read() as session:
        page = await agenda.listed(making.work(session, wang), Wanted(since=today), 1)
        (line,) = page.rows
        assert (line.fill.taken, line.fill.quota, line.fill.waiting) == (0, 15, 1)
        assert (line.starts_at, line.ends_at) == (first.starts_at, later.ends_at)
        days = await agenda.calendar(
            making.work(session, wang), Wanted(since=today, until=soon), most=1
        )
        slots = {day.day.day: [slot.shift_id for slot in day.slots] for day in days}
        assert len(days) == 8 and slots[28] == [first.id] and slots[29] == []
        assert days[5].slots[0].fill.waiting == 1


async def test_a_team_leader_sees_what_is_published_and_plans_nothing(city: City) -> None:
    wang = await city.person(await city.coordinator("王强"))
    leader = await city.coordinator("赵队长", role=RoleKind.TEAM_LEADER)
    planting = await city.making.activity(wang)
    shift = await city.making.shift(planting)
    draft = await city.making.activity(wang, "没写完", state=ActivityState.DRAFT)
    await city.making.shift(draft)
    async with desk_of(city, leader) as desk:
        listed = await desk.open("/activities")
        assert "河岸植树" in listed.words and "没写完" not in listed.words
        assert "策划活动" not in listed.words
        assert "没写完" not in (await desk.open("/activities/calendar")).words
        assert (await desk.open(f"/activities/{draft.id}")).status == 403
        assert "修改" not in (await desk.open(f"/activities/{planting.id}")).words
        assert (await desk.open(f"/shifts/{shift.id}")).status == 200
        for page in ("/activities/new", f"/activities/{planting.id}/edit"):
            assert (await desk.open(page)).status == 403
        assert (await desk.send("/activities/new", await says(city, desk))).status == 403


# Planning


@ON_SQLITE
async def test_an_activity_is_planned_with_a_pin_looked_at_and_published(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽")
    async with screen_of(city, wang, "/activities/new") as page:
        await has_no_fault(page)
        for name in ("title", "description", "address", "day", "begins", "ends", "quota"):
            await page.locator(f"[name={name}]").fill(SAYS[name])
        await page.locator(".map").click(position={"x": 200, "y": 150})
        await page.locator(".leaflet-marker-icon").wait_for()
        pinned = await page.locator("[name=at]").input_value()
        await page.locator("[name=at]").fill(SAYS["at"])
        box = await page.locator(".mark.pin").bounding_box()
        assert pinned.startswith("22.") and box is not None
        await page.get_by_role("button", name="预览").click()
        await page.locator(".phone").first.wait_for()
        read = await page.locator(".phone").all_inner_texts()
        assert "一起在岐江边种树" in read[0] and "20 places" in read[1]
        assert await page.locator("[name=title]").input_value() == "河岸植树"
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await is_not_too_wide(page)
        await page.get_by_role("button", name="保存草稿").click()
        await page.get_by_text("草稿已保存").wait_for()
        assert (await newest(city)).latitude == 22.53
        await page.get_by_role("link", name="预览并发布").click()
        await page.get_by_text("🎯 适合").wait_for()
        await page.get_by_role("button", name="发布").click()
        await page.get_by_text("将通知").wait_for()
        await page.get_by_role("link", name="活动", exact=True).first.click()
        await page.get_by_role("link", name="日历").click()
        await page.locator(".slot", has_text="河岸植树").wait_for()
        await has_no_fault(page)
    made = await newest(city)
    assert made.state is ActivityState.PUBLISHED and made.longitude == 113.38


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_editor_keeps_to_the_rules_of_the_chat(city: City) -> None:
    wang = await city.coordinator("王强")
    async with desk_of(city, wang) as desk:
        for wrong, why in (
            ({"title": "树"}, "名称：请写 2 到 60 个字"),
            ({"bring": "水" * 201}, "携带物品：最多 200 个字"),
            ({"at": "岐江公园"}, "位置"),
            ({"day": "2026-11-20"}, "这个时间已经过了"),
            ({"day": "2026-02-31"}, "没有这个日期或时间"),
            ({"quota": "0"}, "1"),
            ({"quota": "many"}, "1"),
            ({"least_age": "81"}, "80"),
            ({"skills": [1, 2, 3, 4]}, "最多要求 3 项"),
            ({"deadline_day": "2026-11-29", "deadline_clock": "09:00"}, "报名要在这之前截止"),
        ):
            answered = await desk.send("/activities/new", await says(city, desk, **wrong))
            assert answered.status == 400 and why in answered.words, wrong
            assert "一起在岐江边种树" in answered.text, "what was entered stays"
        assert (await desk.send("/activities/new", await says(city, desk, field=999))).status == 404
        unknown = await says(city, desk, skills=999)
        assert (await desk.send("/activities/new", unknown)).status == 404
        link = "https://uri.amap.com/marker?position=113.392800,22.517600&name=x"
        over_night = {"begins": "22:00", "ends": "06:00", "least_age": "16", "at": link}
        made = await desk.send("/activities/new", await says(city, desk, **over_night))
        assert "草稿已保存" in made.words and "年满 16 岁" in made.words
    activity = await newest(city)
    assert abs(activity.latitude - 22.5203) < 0.001, "Amap's shift is taken out"
    async with city.database.read() as session:
        shift = (await session.scalars(select(Shift))).one()
    assert (shift.ends_at - shift.starts_at).total_seconds() == 8 * 3600


async def test_who_must_confirm_again_is_counted_before_it_is_saved(city: City) -> None:
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    chen = await city.volunteer("陈晓丽")
    planting = await city.making.activity(wang)
    shift = await city.making.shift(planting)
    mine = await place(city.making, shift, await city.person(chen))
    about = {
        **SAYS, "field": planting.field_id, "at": "22.53, 113.38", "contact": "王强",
    }  # fmt: skip
    async with desk_of(city, phone) as desk:
        edit = f"/activities/{planting.id}/edit"
        saved = await desk.send(edit, {**about, "bring": "手套"})
        assert saved.path == f"/console/activities/{planting.id}", "nobody need agree to gloves"
        shown = await desk.send(edit, {**about, "bring": "水", "do": "preview"})
        assert "请带上：水" in shown.words and (await reload(city, planting)).bring == "手套"
        moved = {**about, "address": "岐江公园南门"}
        asked = await desk.send(edit, moved)
        assert "已有 1 人报名" in asked.words and "岐江公园南门" in asked.text
        assert (await reload(city, planting)).address == "岐江公园北门"
        assert (await desk.send(edit, {**moved, "asked": 1})).status == 200
        await chen.sees("新地点：岐江公园南门")
        retimed = {**SAYS, "begins": "10:00", "quota": "30"}
        asked = await desk.send(f"/shifts/{shift.id}/edit", retimed)
        assert "已有 1 人报名" in asked.words and (await reload(city, shift)).quota == 20
        await desk.send(f"/shifts/{shift.id}/edit", {**retimed, "asked": 1})
        await chen.sees("新时间")
    assert (await reload(city, mine)).reconfirm and (await reload(city, shift)).quota == 30


async def test_shifts_come_and_go_and_the_whole_is_copied_repeated_and_called_off(
    city: City,
) -> None:
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    chen = await city.volunteer("陈晓丽")
    planting = await city.making.activity(wang)
    shift = await city.making.shift(planting)
    await place(city.making, shift, await city.person(chen))
    own = f"/activities/{planting.id}"
    async with desk_of(city, phone) as desk:
        added = await desk.send(f"{own}/shifts/new", {**SAYS, "begins": "14:00", "ends": "17:00"})
        assert "14:00–17:00" in added.words
        async with city.database.read() as session:
            other = await session.scalar(select(Shift.id).order_by(Shift.id.desc()).limit(1))
        used = await desk.send(f"/shifts/{shift.id}/take-away")
        assert used.status == 400 and "已经有人报名" in used.words
        assert "14:00–17:00" not in (await desk.send(f"/shifts/{other}/take-away")).words
        copied = await desk.send(f"{own}/copy", {"day": "2026-12-12", "clock": "08:30"})
        assert "已复制" in copied.words and "2026年12月12日 周六 08:30" in copied.words
        thrown = await desk.send(f"/activities/{(await newest(city)).id}/discard")
        assert "草稿已删除" in thrown.words
        assert (await desk.send(f"{own}/repeat", {"weeks": "13"})).status == 400
        repeated = await desk.send(f"{own}/repeat", {"weeks": "2", "publish": "1"})
        assert "之后 2 周" in repeated.words and repeated.words.count("河岸植树") == 3
        assert "1 个人" in (await desk.open(f"{own}/call-off")).words
        assert (await desk.send(f"{own}/call-off", {"reason": ""})).status == 400
        called_off = await desk.send(f"{own}/call-off", {"reason": "台风要来了"})
        assert "已取消：台风要来了" in called_off.words
        await chen.sees("台风要来了")
        assert (await desk.open(f"{own}/edit")).status == 200
        assert (await desk.send(f"{own}/shifts/new", SAYS)).status == 400


# The roster


@ON_POSTGRESQL
async def test_a_roster_is_decided_and_the_roll_taken_in_a_browser(city: City) -> None:
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    planting = await city.making.activity(wang, confirmation=Confirmation.BY_HAND)
    shift = await city.making.shift(planting, "2026-11-23 12:00", quota=2, taken=1)
    chen = await city.volunteer("陈晓丽")
    await place(city.making, shift, await city.person(chen), EnrolmentState.APPLIED)
    await city.volunteer("黄志强")
    async with screen_of(city, phone, f"/shifts/{shift.id}", PHONE) as page:
        await page.get_by_role("button", name="同意").click()
        await page.get_by_text("已同意").wait_for()
        await chen.sees("报名已确认")
        city.clock.go_to("2026-11-23 12:05")
        await page.goto(page.url.split("?")[0])
        await page.get_by_role("button", name="到了").click()
        await page.get_by_text("12:00 到").wait_for()
        await page.get_by_placeholder("姓名、编号或手机号").fill("黄志强")
        await page.get_by_role("button", name="查找").click()
        await page.get_by_role("button", name="已到现场").click()
        await page.get_by_text("已加入名单").wait_for()
        await has_no_fault(page)
        async with page.context.expect_page() as opening:
            await page.get_by_role("link", name="全屏签到码").click()
        screen = await opening.value
        await screen.locator(".code svg").wait_for()
        await screen.keyboard.press("f")
        await screen.wait_for_function("document.fullscreenElement !== null")


async def test_somebody_is_enrolled_offered_a_place_or_taken_off_with_a_reason(city: City) -> None:
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    shift = await city.making.shift(await city.making.activity(wang), quota=1)
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李敏")
    lis = (await city.person(li)).id
    own = f"/shifts/{shift.id}"
    async with desk_of(city, phone) as desk:
        found = await desk.open(f"{own}?find={(await city.person(chen)).number}")
        assert "陈晓丽" in found.words
        await desk.send(f"{own}/enrol", {"person": (await city.person(chen)).id})
        await chen.sees("协调员已为你报名“河岸植树”")
        again = await desk.send(f"{own}/enrol", {"person": (await city.person(chen)).id})
        assert again.status == 400 and "陈晓丽" in again.words
        assert "已加入候补" in (await desk.send(f"{own}/enrol", {"person": lis})).words
        await li.sees("加入“河岸植树”的候补")
        mine, lies = await enrolments(city, shift)
        full = await desk.send(f"/enrolments/{lies}/offer")
        assert full.status == 400 and "1 个名额都满了" in full.words
        no_reason = await desk.send(f"/enrolments/{mine}/remove", {"reason": ""})
        assert no_reason.status == 400 and "原因" in no_reason.words
        await desk.send(f"/enrolments/{mine}/remove", {"reason": "这次要有急救证"})
        await chen.sees("这次要有急救证")
        await li.sees("有空位了")
        over = await desk.send(f"/enrolments/{mine}/remove", {"reason": "再来一次"})
        assert over.status == 400 and "已经结束" in over.words
        assert "这次要有急救证" in (await desk.open(f"{own}?part=over")).words


async def enrolments(city: City, shift: Shift) -> list[int]:
    async with city.database.read() as session:
        found = select(Enrolment.id).where(Enrolment.shift_id == shift.id)
        return list(await session.scalars(found.order_by(Enrolment.id)))


async def test_whose_place_may_stay_empty_is_marked(making: Making) -> None:
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang))
    doubts = {
        "no": {"coming": Coming.NO},
        "changed": {"reconfirm": True},
        "silent": {"reminded_day_at": making.clock()},
    }
    fine: list[dict[str, Any]] = [
        {},
        {"coming": Coming.YES, "reminded_hours_at": making.clock()},
        {"coming": Coming.NO, "state": EnrolmentState.CANCELLED},
    ]
    for number, values in enumerate([*doubts.values(), *fine]):
        given = await place(making, shift, await making.volunteer(f"志愿者{number}"))
        async with making.database.write() as session:
            row = await session.get_one(Enrolment, given.id)
            for name, value in values.items():
                setattr(row, name, value)
    async with making.database.read() as session:
        work = making.work(session, wang)
        found = await attendees.listed(work, shift.id, Part.DOUBTFUL)
        assert [attendees.doubt(line.enrolment) for line in found.page.rows] == list(doubts)
        assert found.counts[Part.DOUBTFUL] == 3 and found.counts[Part.ALL] == 5
        everyone = await attendees.listed(work, shift.id, Part.ALL)
        rest = {attendees.doubt(line.enrolment) for line in everyone.page.rows}
        assert rest == {*doubts, None}


async def test_a_phone_is_shown_on_a_press_that_is_logged(city: City) -> None:
    phone = await city.coordinator("王强")
    leader = await city.coordinator("赵队长", role=RoleKind.TEAM_LEADER)
    shift = await city.making.shift(await city.making.activity(await city.person(phone)))
    chen = await city.person(await city.volunteer("陈晓丽"))
    mine = await place(city.making, shift, chen)
    assert chen.phone is not None
    async with desk_of(city, phone) as desk, desk_of(city, leader) as other:
        assert chen.phone not in (await desk.open(f"/shifts/{shift.id}")).text
        await other.open(f"/shifts/{shift.id}")
        assert (await other.send(f"/enrolments/{mine.id}/phone")).status == 403
        assert chen.phone in (await desk.send(f"/enrolments/{mine.id}/phone")).text
    async with city.database.read() as session:
        seen = await session.scalars(
            select(AuditEntry.subject).where(AuditEntry.action == "person.phone_seen")
        )
        assert seen.all() == [f"person:{chen.id}"]


async def test_who_is_added_by_number_keeps_their_phone_to_their_own_town(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOKS", Rate("reveals", most=4, seconds=3600.0))
    phone = await city.coordinator("王强")
    shift = await city.making.shift(await city.making.activity(await city.person(phone)))
    li, wu, he = [
        await city.making.volunteer(name, organisation=code)
        for name, code in (("李敏", "zs-dongfeng"), ("吴芳", "zs-dongfeng"), ("何梅", "zs-shiqi"))
    ]
    asked = await place(city.making, shift, wu)
    own = f"/shifts/{shift.id}"
    async with desk_of(city, phone) as desk:
        await desk.open(own)
        for one in (li, he):
            await desk.send(f"{own}/enrol", {"person": one.id, "find": one.number or ""})
        async with city.database.read() as session:
            places = {one.person_id: one.id for one in await session.scalars(select(Enrolment))}
        roster = await desk.open(own)
        assert f"/enrolments/{places[li.id]}/phone" not in roster.text
        assert (await desk.send(f"/enrolments/{places[li.id]}/phone")).status == 403
        for one in (wu, he):
            shown = await desk.send(f"/enrolments/{places[one.id]}/phone")
            assert (one.phone or "?") in shown.text
        token = {"token": desk.token}
        async with desk.session.post(f"/console{own}/export", data=token) as answer:
            book = CalamineWorkbook.from_filelike(BytesIO(await answer.read()))
        rows = {row[0]: row[2] for row in book.get_sheet_by_index(0).to_python()[1:]}
        assert rows == {"李敏": "", "吴芳": wu.phone, "何梅": he.phone}
        late = await desk.send(f"/enrolments/{asked.id}/phone")
        assert late.status == 400 and (wu.phone or "?") not in late.text
        async with desk.session.post(f"/console{own}/export", data=token) as answer:
            assert answer.status == 400 and answer.content_type == "text/html"


async def test_the_roll_is_taken_at_the_desk_and_a_full_shift_asks_for_one_more(
    city: City,
) -> None:
    phone = await city.coordinator("王强")
    shift = await city.making.shift(
        await city.making.activity(await city.person(phone)), "2026-11-23 12:00", quota=1, taken=1
    )
    mine = await place(city.making, shift, await city.making.volunteer("陈晓丽"))
    li = await city.making.volunteer("李敏")
    own = f"/shifts/{shift.id}"
    async with desk_of(city, phone) as desk:
        await desk.open(own)
        early = await desk.send(f"/enrolments/{mine.id}/present")
        assert early.status == 400 and "陈晓丽" in early.words
        city.clock.go_to("2026-11-23 13:00")
        assert "已点到 1 人" in (await desk.send(f"{own}/all-present")).words
        full = await desk.send(f"{own}/walk-in", {"person": li.id})
        assert "要加一个名额吗" in full.words
        await desk.send(f"{own}/walk-in", {"person": li.id, "one_more": 1})
        assert (await reload(city, shift)).quota == 2
        city.clock.go_to("2026-11-23 14:00")
        left = await desk.send(f"/enrolments/{mine.id}/left?part=places")
        assert "1小时" in left.words
        assert "已为 1 人签退" in (await desk.send(f"{own}/all-left")).words
        await desk.send(f"/enrolments/{mine.id}/absent")
    assert (await reload(city, mine)).state is EnrolmentState.CONFIRMED


async def test_the_sheet_to_sign_is_printed_in_both_languages(city: City) -> None:
    phone = await city.coordinator("王强")
    shift = await city.making.shift(await city.making.activity(await city.person(phone)))
    chen = await city.making.volunteer("陈晓丽")
    await propose(city.making, shift, chen)
    async with desk_of(city, phone) as desk:
        for language, title in (("zh_Hans", "签到表"), ("en", "Attendance sheet")):
            path = f"/console/shifts/{shift.id}/sheet?language={language}"
            async with desk.session.get(path) as answer:
                assert answer.content_type == "application/pdf"
                text = PdfReader(BytesIO(await answer.read())).pages[0].extract_text()
            for words in (title, "河岸植树", "岐江公园北门", "陈晓丽", chen.number):
                assert str(words) in text
        assert (await desk.open(f"/shifts/{shift.id}/sheet?language=xx")).status == 404


async def test_nobody_elsewhere_is_added_by_trying_keys(city: City) -> None:
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    shift = await city.making.shift(await city.making.activity(wang))
    far = await city.making.volunteer("何小榄", organisation="zs-xiaolan")
    async with desk_of(city, phone) as desk:
        for way in ("enrol", "walk-in"):
            tried = await desk.send(f"/shifts/{shift.id}/{way}", {"person": far.id})
            assert tried.status == 404 and "何小榄" not in tried.words
        known = {"person": far.id, "find": far.number}
        assert (await desk.send(f"/shifts/{shift.id}/enrol", known)).status == 200

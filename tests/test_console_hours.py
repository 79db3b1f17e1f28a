"""Hours at the desk: what looks odd waits for a look; corrections, objections, history."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from models import (
    Attendance,
    AuditEntry,
    Dispute,
    DisputeState,
    HoursState,
    LedgerEntry,
    Means,
    RoleKind,
)
from services import disputes, hours, sheets
from services.oddities import Odd
from tests.attending import propose
from tests.browser import PHONE
from tests.city import City
from tests.consoles import Desk, desk_of, screen_of
from tests.databases import ON_SQLITE
from tests.making import Making
from tests.test_console_activities import has_no_fault


async def states(making: Making) -> dict[int, tuple[HoursState, int | None]]:
    async with making.database.read() as session:
        rows = await session.execute(select(Attendance.id, Attendance.state, Attendance.minutes))
        return {row[0]: (row[1], row[2]) for row in rows}


async def test_what_looks_odd_is_marked_and_never_confirmed_with_the_others(
    making: Making,
) -> None:
    wang = await making.coordinator("王强")
    activity = await making.activity(wang)
    shift = await making.shift(activity, hours=13)
    elsewhere = await making.shift(activity, hours=13)
    sound = await propose(making, shift, await making.volunteer("陈晓丽"), 180)
    long = await propose(making, shift, await making.volunteer("李敏"), 601)
    short = await propose(making, shift, await making.volunteer("梁伟"), 9)
    assumed = await propose(making, shift, await making.volunteer("周婷"), 180)
    busy = await making.volunteer("何佩珊")
    twice = [await propose(making, one, busy, 60) for one in (shift, elsewhere)]
    own = await propose(making, shift, wang, 180)
    async with making.database.write() as session:
        (await session.get_one(Attendance, assumed)).out_means = Means.ASSUMED
    async with making.database.read() as session:
        work = making.work(session, wang)
        desk = await hours.desk(work, shift.id, 1)
        assert {line.record.attendance.id: line.odd for line in desk.page.rows} == {
            sound: [],
            long: [Odd.LONG],
            short: [Odd.SHORT],
            assumed: [Odd.NO_CHECK_OUT],
            twice[0]: [Odd.ELSEWHERE],
            own: [],
        }
        assert (desk.left, desk.sound) == (5, 1)
        piles = await hours.listed_piles(work, 1, "植树")
        assert [(pile.count, pile.odd) for pile in piles.rows] == [(5, 4), (1, 1)]
        assert not (await hours.listed_piles(work, 1, "别的")).rows
    async with making.database.write() as session:
        done = await hours.confirm_all(making.work(session, wang), shift.id, sound_only=True)
    assert (done.count, done.own, done.odd) == (1, 1, 4)
    confirmed = {key for key, row in (await states(making)).items() if row[0] == "confirmed"}
    assert confirmed == {sound}


@ON_SQLITE
async def test_hours_are_confirmed_corrected_and_rejected_in_a_browser(city: City) -> None:
    phone = await city.coordinator("王强")
    shift = await city.making.shift(await city.making.activity(await city.person(phone)), hours=13)
    chen = await city.volunteer("陈晓丽")
    await propose(city.making, shift, await city.person(chen), 180)
    long = await propose(city.making, shift, await city.making.volunteer("李敏"), 700)
    city.clock.go_to("2026-11-29 09:00")
    async with screen_of(city, phone, "/hours", PHONE) as page:
        await has_no_fault(page)
        await page.get_by_label("本页全选").check()
        await page.get_by_role("button", name="无异常").click()
        await page.get_by_text("已确认 1 人的时长").wait_for()
        await chen.sees("3小时")
        await page.get_by_role("link", name="河岸植树").click()
        await page.get_by_text("时间过长").wait_for()
        await has_no_fault(page)
        await page.get_by_role("link", name="李敏", exact=True).click()
        await page.get_by_label("时长", exact=True).fill("2小时30分")
        await page.get_by_label("原因").fill("中午回家了")
        await page.get_by_role("button", name="更正").click()
        await page.get_by_text("已更正").wait_for()
        await page.get_by_text("从11小时40分钟更正为2小时30分钟").wait_for()
        await page.get_by_role("cell", name="+150").wait_for()
        await has_no_fault(page)
    assert (await states(city.making))[long] == (HoursState.CONFIRMED, 150)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_decision_needs_a_right_duration_and_a_reason(city: City) -> None:
    phone = await city.coordinator("王强")
    shift = await city.making.shift(await city.making.activity(await city.person(phone)))
    key = await propose(city.making, shift, await city.making.volunteer("李敏"), 180)
    own = await propose(city.making, shift, await city.person(phone), 180)
    of = f"/hours/of/{key}"
    async with desk_of(city, phone) as desk:
        await desk.open(of)
        for path, fields, why in (
            ("correct", {"minutes": "很久", "reason": "写错了"}, "看不懂"),
            ("correct", {"minutes": "99小时", "reason": "写错了"}, "这个班次"),
            ("correct", {"minutes": "150", "reason": ""}, "原因"),
            ("reject", {"reason": ""}, "原因"),
        ):
            answered = await desk.send(f"{of}/{path}", fields)
            assert answered.status == 400 and why in answered.words, (path, fields)
        assert (await states(city.making))[key] == (HoursState.PROPOSED, 180)
        assert "已驳回" in (await desk.send(f"{of}/reject", {"reason": "没有来"})).words
        late = await desk.send(f"{of}/confirm")
        assert late.status == 400 and "没有来" in late.words
        assert "另一位协调员" in (await desk.open(f"/hours/of/{own}")).words
        assert (await desk.send(f"/hours/of/{own}/confirm")).status == 400
        await desk.send("/hours/confirm", {"shift": [shift.id]})
    assert (await states(city.making))[own] == (HoursState.PROPOSED, 180)


async def test_an_objection_stands_beside_the_hours_and_the_superior_decides(city: City) -> None:
    phone = await city.coordinator("王强")
    boss = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang = await city.person(phone)
    shift = await city.making.shift(await city.making.activity(wang))
    chen = await city.volunteer("陈晓丽")
    key = await propose(city.making, shift, await city.person(chen), 120)
    await act(city.making, wang, hours.confirm, key)
    await act(city.making, await city.person(chen), disputes.object_to, key, "我做了三个小时")
    async with city.database.read() as session:
        dispute = (await session.scalars(select(Dispute))).one()
    path = f"/disputes/{dispute.id}/grant"
    async with desk_of(city, phone) as desk, desk_of(city, boss) as other:
        seen = await desk.open(f"/hours/of/{key}")
        assert "我做了三个小时" in seen.words and "上级" in seen.words
        assert "我做了三个小时" in (await desk.open(f"/hours/{shift.id}")).words
        assert f"/disputes/{dispute.id}" not in seen.text
        assert (await desk.send(path, {"hours": "3", "answer": "好的"})).status == 403
        assert "我做了三个小时" in (await other.open("/hours")).words
        assert f"/disputes/{dispute.id}" in (await other.open(f"/hours/of/{key}")).text
        await other.send(path, {"hours": "3", "answer": "确实是三个小时"})
        history = await other.open(f"/hours/of/{key}")
        assert "采纳了异议" in history.words and "+60" in history.words
    await chen.sees("确实是三个小时")
    async with city.database.read() as session:
        entries = await session.scalars(select(LedgerEntry.minutes).order_by(LedgerEntry.id))
        assert entries.all() == [120, 60]
        assert (await session.get_one(Dispute, dispute.id)).state is DisputeState.GRANTED


async def act(making: Making, who: Any, verb: Any, *given: Any) -> Any:
    making.clock.forward(**{"minutes": 1})
    async with making.database.write() as session:
        return await verb(making.work(session, who), *given)


# Taken along


async def test_activities_rosters_and_hours_are_taken_along_as_spreadsheets(city: City) -> None:
    phone = await city.coordinator("王强")
    leader = await city.coordinator("赵队长", role=RoleKind.TEAM_LEADER)
    shift = await city.making.shift(await city.making.activity(await city.person(phone)), hours=13)
    chen = await city.making.volunteer("陈晓丽")
    await propose(city.making, shift, chen, 700)
    async with desk_of(city, phone) as desk, desk_of(city, leader) as other:
        await desk.open("/activities")
        (line,) = await sheet(desk, "/activities/export")
        assert line[0] == "河岸植树" and line[3] == "已发布" and line[6:] == [1, 0, 20, 0]
        assert await sheet(desk, "/activities/export?q=别的") == []
        (line,) = await sheet(desk, f"/shifts/{shift.id}/export")
        assert line[:3] == ["陈晓丽", chen.number, chen.phone] and line[7] == "等待确认"
        (line,) = await sheet(desk, "/hours/export")
        assert line[2] == "陈晓丽" and line[8:] == [timedelta(minutes=700), "时间过长"]
        await other.open("/activities")
        (line,) = await sheet(other, f"/shifts/{shift.id}/export")
        assert chen.phone not in line
    async with city.database.read() as session:
        taken = select(AuditEntry.actor_id).where(AuditEntry.action == "list.exported")
        assert (await session.scalars(taken)).all() == [(await city.person(phone)).id]


async def sheet(desk: Desk, path: str) -> list[list[Any]]:
    """The rows of a spreadsheet below its headings."""
    sent = desk.session.post("/console" + path, data={"token": desk.token})
    async with sent as answer:
        assert answer.content_type == sheets.CONTENT_TYPE
        book = CalamineWorkbook.from_filelike(BytesIO(await answer.read()))
    return book.get_sheet_by_index(0).to_python()[1:]

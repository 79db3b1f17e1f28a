"""The yearly plan, and the checklist of what organisations lack."""

import pytest
from sqlalchemy import select

from models import Person, Plan, PlanItem, PlanState, RoleKind
from services import checklist, counting, plans
from services.errors import NotAllowed, Refusal
from tests.city import City, Phone
from tests.consoles import desk_of


async def plan_of(city: City, code: str, year: int = 2026) -> Plan:
    home = await city.making.organisation(code)
    async with city.database.read() as session:
        rows = select(Plan).where(Plan.organisation_id == home.id, Plan.year == year)
        return (await session.scalars(rows)).one()


async def write_plan(wang: Phone) -> None:
    await wang.say("/organisation")
    await wang.press("年度计划")
    await wang.sees("还没有计划")
    await wang.press("编写计划")
    await wang.sees("多少场活动")
    await wang.say("2 3 4")
    await wang.sees("请写四个数")
    await wang.say("10 12 10 15")
    await wang.sees("服务多少小时")
    await wang.say("100,200,300，400")
    await wang.sees("新增多少志愿者")
    await wang.say("10")
    await wang.sees("多少次培训")
    await wang.say("1 1 1 1")
    await wang.sees("今年的重点")
    await wang.say("重点做好岐江清洁")


async def test_a_plan_is_written_submitted_sent_back_and_approved_by_the_level_above(
    city: City,
) -> None:
    above = await city.coordinator("何敏", organisation="zs")
    wang = await city.coordinator("王强")
    activity = await city.making.activity(await city.person(wang))
    await city.making.shift(activity, "2026-10-28 09:00")
    await write_plan(wang)
    await wang.sees("重点做好岐江清洁")
    await wang.press("上报")
    await wang.sees("已上报")
    card = await above.sees("等您审批")
    assert "10 · 12 · 10 · 15" in card.words and "3 · 3 · 2 · 2" in card.words
    await above.press("退回")
    await above.say("培训太少")
    await wang.sees("已退回")
    await wang.press("打开")
    await wang.sees("培训太少")
    await wang.press("✏️ 培训")
    await wang.say("2 2 2 2")
    await wang.sees("已保存")
    await wang.press("上报")
    await above.press("通过")
    await wang.sees("✅ 已批准")
    assert (await plan_of(city, "zs-shiqi")).state is PlanState.APPROVED
    pressed = await above.press_data(f"plan.approve:{(await plan_of(city, 'zs-shiqi')).id}")
    assert pressed is not None and "已经处理过了" in (pressed.text or "")
    await wang.press("意见")
    await wang.say("谢谢，我们马上落实")
    await above.sees("我们马上落实")
    await city.catch_up()
    await wang.say("/organisation")
    await wang.press("年度计划")
    shown = await wang.sees("1 / 47")
    assert "计划 8，完成数暂未统计" in shown.words
    assert "上报" not in shown.words


async def test_nobody_approves_their_own_plan_or_writes_one_that_waits(city: City) -> None:
    alone = await city.making.coordinator("何敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    station = await city.making.coordinator("李雷", organisation="zs-shiqi-taiping")
    home = alone.organisation_id
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, alone.id))
        plan = await plans.begin(work, home, 2026)
        with pytest.raises(Refusal, match="plan_empty"):
            await plans.submit(work, plan.id)
        await plans.write(work, home, 2026, {PlanItem.HOURS: [1, 2, 3, 4]})
        await plans.submit(work, plan.id)
        with pytest.raises(Refusal, match="reorganisation_own"):
            await plans.approve(work, plan.id)
        with pytest.raises(Refusal, match="plan_not_open"):
            await plans.write(work, home, 2026, {PlanItem.HOURS: [9, 9, 9, 9]})
        with pytest.raises(Refusal, match="form_number_range"):
            plans.check([0, 0, 0, plans.MOST + 1])
        below = city.making.work(session, await session.get_one(Person, station.id))
        with pytest.raises(NotAllowed):
            await plans.sheet(below, home, 2026)
        with pytest.raises(NotAllowed):
            await plans.begin(below, home, 2027)


async def test_progress_is_what_the_statistics_have_counted_below_by_quarter(city: City) -> None:
    root = await city.making.coordinator("何敏", organisation="zs")
    await city.making.crowd(4, "zs-shiqi-taiping")
    await city.catch_up()
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, root.id))
        sheet = await plans.sheet(work, root.organisation_id, 2026)
        done = {one.item: one.done for one in sheet.progress}
        assert done["new_volunteers"] == [0, 0, 0, 5] and done["hours"] == [0, 0, 0, 0]
        assert done["trainings"] == [None] * 4
        ahead = await plans.sheet(work, root.organisation_id, 2027)
        assert ahead.quarter == 0 and ahead.progress[0].done == [None] * 4
    assert counting.QUARTER == 3


# The checklist


async def test_what_is_missing_is_shown_and_one_press_reminds_those_concerned_once_a_day(
    city: City,
) -> None:
    root = await city.coordinator("何敏", organisation="zs")
    town = await city.coordinator("王强")
    station = await city.coordinator("李雷", organisation="zs-shiqi-taiping")
    activity = await city.making.activity(await city.person(station))
    await city.making.shift(activity, "2026-11-28 09:00")
    await root.say("/checklist")
    shown = await root.sees("2026 年第 4 季度检查清单")
    assert "太平社区志愿服务站: 没有已批准的年度计划" in shown.words
    assert "71 个组织中有 71 个不齐全" in shown.words
    await root.press("一键提醒")
    told = await root.sees("已提醒")
    assert "太平社区志愿服务站: 李雷" in told.words
    assert "民生社区志愿服务站: 王强" in told.words
    assert "小榄镇志愿服务协会: 除您以外没有人可提醒" in told.words
    heard = await station.sees("何敏 核对了检查清单")
    assert "太平" in heard.words and "民生" not in heard.words
    heard = await town.sees("何敏 核对了检查清单")
    assert "民生社区志愿服务站: 没有协调员" in heard.words and "太平" not in heard.words
    await root.press("检查清单")
    shown = await root.sees("2026 年第 4 季度检查清单")
    assert "一键提醒" not in shown.words
    count = len(station.messages)
    await root.press_data("checklist.remind")
    await root.sees("今天都已经提醒过了")
    assert len(station.messages) == count
    await city.go_to("2026-11-24 10:00")
    async with city.database.write() as session:
        person = await session.get_one(Person, (await city.person(town)).id)
        found = await checklist.look(city.making.work(session, person))
        names = {gap.organisation.code for gap in found.gaps}
        assert names == {"zs-shiqi", "zs-shiqi-taiping", "zs-shiqi-minsheng"}
        assert found.to_remind == 3 and found.count("coordinator") == 1


async def test_a_plan_is_written_submitted_and_approved_at_the_console(city: City) -> None:
    root, wang = await city.coordinator("何敏", organisation="zs"), await city.coordinator("王强")
    home = (await city.making.organisation("zs-shiqi")).id
    async with desk_of(city, wang) as desk, desk_of(city, root) as above:
        await desk.open(f"/organisations/{home}/plan")
        wrong = await desk.send(f"/organisations/{home}/plan?year=2026", {"hours_1": "many"})
        assert wrong.status == 400 and 'value="many"' in wrong.text
        targets = {"hours_1": "100", "activities_4": "12", "words": "重点", "submit": "1"}
        saved = await desk.send(f"/organisations/{home}/plan?year=2026", targets)
        assert "等上级审批" in saved.words and "0 / 12" in saved.words
        plan = await plan_of(city, "zs-shiqi")
        assert "石岐街道志愿服务协会 · 2026" in (await above.open("/plans")).words
        assert (await desk.send(f"/plans/{plan.id}/approve")).status == 403
        await above.open(f"/plans/{plan.id}")
        await above.send(f"/plans/{plan.id}/comment", {"text": "请补充培训"})
        approved = await above.send(f"/plans/{plan.id}/approve")
        assert "已批准" in approved.words and "请补充培训" in approved.words
        assert (await above.send(f"/plans/{plan.id}/approve")).status == 400
        assert "71 个组织中有" in (await above.open("/organisations/checklist")).words
        told = await above.send("/organisations/checklist/remind")
        assert "石岐街道志愿服务协会" in told.words

"""Stars: applied for by one press, on public notice, awarded by the level entitled; bars."""

import asyncio
from datetime import date

import pytest

from models import RoleKind
from services import attesting, hours, recognition, stars, working_days
from services.errors import Refusal
from services.policy import Policy
from services.verifying import Verdict
from tests.certified import RECORD, act, look, rows, served, words_of
from tests.city import City
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from tests.making import Making
from tests.recognised import ONE_STAR, Staff
from tests.times import ManualClock


@pytest.fixture
async def staff(making: Making) -> Staff:
    return await Staff(making).prepare()


async def test_a_star_from_the_first_press_to_the_ceremony(city: City) -> None:
    """Applied for in the chat, objected to, awarded after five working days, verified, named."""
    wang = await city.coordinator("王强")
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李敏")
    person = await city.person(chen)
    await served(city.making, await city.person(wang), person, ONE_STAR)
    await city.settle()
    await chen.sees("新的一星")
    await chen.press("申请一星级")
    await chen.sees("公示 5 个工作日")
    await chen.press("确认申请")
    await chen.sees("公示到2026年11月30日")

    await li.say("/honours")
    await li.press("公示 (1)")
    await li.press("陈晓丽")
    await li.press("提出异议")
    await li.say("上周六她好像没有来")
    await li.sees("负责人会核实")
    await wang.sees("提出异议")
    await wang.press("查看")
    case = await wang.sees("上周六她好像没有来")
    assert "授予" not in str(case.inline_rows)

    await city.go_to("2026-12-01 09:00")
    await wang.sees("公示已结束")
    await wang.press("查看")
    await wang.press("授予")
    await city.settle()
    ceremony = await chen.sees("恭喜你，陈晓丽")
    assert ceremony.photo is not None
    await chen.press("我的荣誉证书")
    paper = await chen.sees("荣誉证书")
    assert paper.document is not None
    text = words_of(paper.document.content)
    assert "陈晓丽" in text and "一星级志愿者" in text and "101小时" in text
    (certificate,) = await rows(city.database)
    told = await look(city.making, certificate)
    assert told["verdict"] == Verdict.GENUINE and told["award"]["star"] == 1

    await li.say("/honours")
    await li.sees("另有 1 人未公开姓名")
    await chen.press("上荣誉榜")
    await li.say("/honours")
    await li.sees("陈晓丽 · 一星级志愿者")
    await chen.say("/record")
    await chen.sees("一星级志愿者")


async def test_who_awards_which_star_and_what_must_hold(staff: Staff) -> None:
    chen = await staff.served("陈晓丽")
    other = await staff.making.coordinator("别镇", organisation="zs-xiaolan")
    one = await staff.act(chen, stars.apply)
    town = await staff.making.organisation("zs-shiqi")
    assert one.star == 1 and one.organisation_id == town.id
    assert await staff.refused(chen, stars.apply) == "star_on_notice"
    assert await staff.refused(staff.wang, stars.award, one.id) == "star_notice"
    assert await staff.refused(other, stars.application, one.id) == "not_allowed"
    assert await staff.refused(chen, stars.object_to, one.id, "没有来过") == "recognition_own"
    staff.making.clock.forward(days=9)
    li = await staff.making.volunteer("李敏")
    assert await staff.refused(li, stars.object_to, one.id, "没有来过啊") == "gone"
    assert await staff.refused(chen, stars.award, one.id) == "not_allowed"
    assert await staff.act(staff.wang, stars.waiting) == 1
    await staff.act(staff.wang, stars.award, one.id)
    assert await staff.refused(staff.zhao, stars.award, one.id) == "gone"
    assert await staff.refused(chen, stars.apply) == "star_not_yet"
    # Four stars at once are the city's, and whoever coordinates a town has no say.
    await served(staff.making, staff.wang, chen, 60_000, "2026-11-22 09:00")
    high = await staff.act(chen, stars.apply)
    city = await staff.making.organisation("zs")
    assert high.star == 4 and high.organisation_id == city.id
    staff.making.clock.forward(days=9)
    assert await staff.refused(staff.wang, stars.award, high.id) == "not_allowed"
    await staff.act(staff.he, stars.award, high.id)
    content = await staff.act(chen, attesting.gather, chen.id, town, RECORD)
    assert [one["star"] for one in content.content["recognition"]] == [1, 4]
    assert content.content["recognition"][0]["awarded_by"] == town.names
    await staff.act(staff.he, recognition.revoke, high.id, "时长不实")
    assert await staff.told("ceremony") == {chen.id}
    content = await staff.act(chen, attesting.gather, chen.id, town, RECORD)
    assert [one["star"] for one in content.content["recognition"]] == [1]
    (first, second) = await rows(staff.making.database)
    assert (await look(staff.making, second))["verdict"] == Verdict.REVOKED
    assert (await look(staff.making, first))["verdict"] == Verdict.GENUINE


@ON_SQLITE
async def test_hours_that_are_gone_and_coordinators_themselves(staff: Staff) -> None:
    chen = await staff.making.volunteer("陈晓丽")
    attendance = await served(staff.making, staff.wang, chen, ONE_STAR)
    await served(staff.making, staff.zhao, staff.wang, ONE_STAR, "2026-11-20 09:00")
    one = await staff.act(chen, stars.apply)
    own = await staff.act(staff.wang, stars.apply)
    assert [w.id for w in await staff.act(staff.wang, stars.applications)] == [one.id]
    staff.making.clock.forward(days=9)
    assert await staff.refused(staff.wang, stars.award, own.id) == "recognition_own"
    assert await staff.refused(staff.wang, stars.application, own.id) == "gone"
    await staff.act(staff.wang, hours.correct, attendance, 300, "核实后更正")
    assert await staff.refused(staff.wang, stars.award, one.id) == "star_hours_gone"
    await staff.act(staff.wang, stars.refuse, one.id, "时长已更正")
    assert await staff.told("star_refused") == {chen.id}
    await staff.act(staff.zhao, stars.award, own.id)


@ON_POSTGRESQL
async def test_two_who_award_at_once_give_one_star_and_one_number(staff: Staff) -> None:
    chen = await staff.served("陈晓丽")
    one = await staff.act(chen, stars.apply)
    staff.making.clock.forward(days=9)
    done = await asyncio.gather(
        staff.act(staff.wang, stars.award, one.id),
        staff.act(staff.zhao, stars.award, one.id),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Refusal) for one in done) == 1, done
    assert [one.number for one in await rows(staff.making.database)] == ["ZS-SHIQI-2026-000001"]


@ON_POSTGRESQL
async def test_false_hours_bar_from_stars_until_the_level_above_lifts_it(staff: Staff) -> None:
    chen = await staff.served("陈晓丽")
    await staff.act(chen, stars.apply)
    one = await staff.act(staff.wang, stars.bar, chen.id, 2, "11月21日的活动并未到场")
    assert one.until_day == date(2028, 11, 23)
    assert await staff.told("barred") == {chen.id}
    assert await staff.act(staff.wang, stars.applications) == []
    assert await staff.refused(chen, stars.apply) == "star_barred"
    again = (staff.wang, stars.bar, chen.id)
    assert await staff.refused(*again, 2, "11月21日的活动并未到场") == "bar_twice"
    assert await staff.refused(*again, 4, "11月21日的活动并未到场") == "bar_years"
    await staff.act(chen, stars.object_to_bar, one.id, "我在场，有照片为证")
    assert await staff.refused(chen, stars.object_to_bar, one.id, "真的在场啊") == "bar_objected"
    assert await staff.told("bar_objected") == {staff.he.id}
    answer = (stars.answer_bar, one.id, "照片属实")
    assert await staff.refused(staff.wang, *answer, lift=True) == "not_allowed"
    assert await staff.refused(staff.zhao, *answer, lift=True) == "not_allowed"
    await staff.act(staff.he, *answer, lift=True)
    assert await staff.told("bar_answered") == {chen.id, staff.wang.id}
    await staff.act(chen, stars.apply)


@ON_SQLITE
async def test_bars_and_notices_in_the_chat(city: City) -> None:
    """The coordinator bars by a form, the volunteer objects, the level above upholds it."""
    he = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    await wang.say("/awards")
    await wang.press("星级限制")
    await wang.press("登记虚报时长")
    await wang.say("陈晓丽")
    await wang.press("2")
    await wang.say("11月21日并未到场")
    await wang.sees("到2028年11月23日")
    await chen.sees("因虚报时长")
    await chen.press("提出异议")
    await chen.say("我在场，有照片为证")
    await he.sees("对星级限制提出异议")
    await he.press("查看")
    await he.sees("有照片为证")
    await he.press("维持限制")
    await he.say("照片是另一天的")
    await chen.sees("维持到2028年11月23日")
    await chen.say("/honours")
    await chen.press("我的荣誉")
    await chen.sees("之前不能申请星级")


def test_a_notice_counts_whole_working_days(clock: ManualClock) -> None:
    policy = Policy(holidays=(date(2026, 11, 25),), working_weekends=(date(2026, 11, 28),))

    def ends(begun: str, chosen: Policy) -> str:
        end = working_days.end_of_notice(clock.at(begun), chosen)
        return end.astimezone(chosen.zone).isoformat()[:16]

    assert ends("2026-11-23 10:00", Policy()) == "2026-11-30T23:59"
    assert ends("2026-11-28 23:59", Policy()) == "2026-12-04T23:59"
    assert ends("2026-11-23 10:00", policy) == "2026-11-30T23:59"
    assert ends("2026-11-25 00:30", policy) == "2026-12-01T23:59"


@ON_POSTGRESQL
async def test_an_applicant_takes_it_back(staff: Staff) -> None:
    chen = await staff.served("陈晓丽")
    one = await staff.act(chen, stars.apply)
    assert await staff.refused(staff.wang, stars.withdraw, one.id) == "gone"
    await staff.act(chen, stars.withdraw, one.id)
    assert await act(staff.making, staff.wang, stars.applications) == []
    await staff.act(chen, stars.apply)

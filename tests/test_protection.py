"""What protects people: insurance, limits for minors, safety briefings, incidents."""

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    AuditEntry,
    Confirmation,
    Cover,
    Enrolment,
    EnrolmentState,
    Gravity,
    Incident,
    IncidentKind,
    Person,
    RoleKind,
)
from playground.phone import Phone
from services import briefings, enrolment, incidents, insurance, roll
from services.errors import Gone, NotAllowed, Refusal
from services.insurance import Said
from tests.attending import field_of, place
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.making import Making
from tests.pictures import photo
from tests.test_enrolment import said

POLICY = Said("平安保险", "PA-2026-001", "意外伤害30万元", date(2026, 11, 1), date(2026, 12, 31))


class Acting:
    def __init__(self, making: Making) -> None:
        self.making = making

    async def act(self, who: Person, verb: Any, *given: Any, **named: Any) -> Any:
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, who.id))
            return await verb(work, *given, **named)

    async def refused(self, who: Person, verb: Any, *given: Any) -> str:
        with pytest.raises(Refusal) as refusal:
            await self.act(who, verb, *given)
        return refusal.value.code


@pytest.fixture
def acting(making: Making) -> Acting:
    return Acting(making)


# Insurance


async def test_a_coordinator_records_a_policy_in_chat_and_those_on_its_list_are_told(
    city: City,
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    await wang.say("/insurance")
    await wang.press("登记保单")
    await wang.press("名单上的人")
    await wang.press("石岐街道志愿服务协会")
    for question, answer in (
        ("哪家保险公司", POLICY.insurer),
        ("保单号是多少", POLICY.number),
        ("保障什么", POLICY.covers),
    ):
        await wang.sees(question)
        await wang.say(answer)
    await wang.sees("从哪天开始")
    await wang.say("2026-11-01")
    await wang.press("对")
    await wang.sees("到哪天为止")
    await wang.say("2026-10-01")
    await wang.sees("结束日期早于开始日期")
    await wang.say("2026-12-31")
    await wang.press("对")
    await wang.press("保存")
    await wang.press("添加被保险人")
    number = (await city.person(chen)).number
    await wang.say(f"{number}\nZS-不存在")
    shown = await wang.sees("已加入 1 人")
    assert "没有找到：ZS-不存在" in shown.words
    await chen.sees("已为你投保：平安保险")
    await chen.press("我的保险")
    await chen.sees("PA-2026-001")
    await city.go_to("2026-12-18 09:00")
    await chen.sees("2026年12月31日到期")
    await wang.sees("请续保后登记新保单")


async def test_whom_a_policy_covers_on_which_day(acting: Acting) -> None:
    making = acting.making
    wang = await making.coordinator("王强")
    boss = await making.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    chen = await making.volunteer("陈晓丽", organisation="zs-shiqi-taiping")
    far = await making.volunteer("周小榄", organisation="zs-xiaolan")
    activity = await making.activity(wang)
    inside = await making.shift(activity, "2026-12-31 20:00", hours=2)
    across = await making.shift(activity, "2026-12-31 23:00", hours=3)
    everyone = {chen.id, far.id}

    async def bare(shift: Any) -> Any:
        return await acting.act(wang, insurance.uncovered, shift, sorted(everyone))

    assert await bare(inside) == everyone
    home = wang.organisation_id
    town = await acting.act(wang, insurance.record, Cover.EVERYBODY, POLICY, organisation_id=home)
    assert await bare(inside) == {far.id}
    assert await bare(across) == everyone
    await acting.act(wang, insurance.end, town.id)
    assert await bare(inside) == everyone
    await acting.act(wang, insurance.record, Cover.ACTIVITY, POLICY, activity_id=activity.id)
    assert await bare(inside) == set()
    elsewhere = await making.shift(await making.activity(wang), "2026-12-01 09:00")
    listed = await acting.act(
        boss, insurance.record, Cover.LISTED, POLICY, organisation_id=boss.organisation_id
    )
    added = await acting.act(boss, insurance.put_on, listed.id, f"{far.number}\n{far.number}\nX")
    assert (added.added, added.unknown) == (1, ["X"])
    assert await bare(elsewhere) == {chen.id}
    for stranger in (chen, far):
        with pytest.raises(NotAllowed):
            await acting.act(stranger, insurance.put_on, listed.id, "x")


async def test_a_dangerous_activity_confirms_nobody_who_is_not_covered(acting: Acting) -> None:
    making = acting.making
    wang, chen, li = (
        await making.coordinator("王强"),
        await making.volunteer("陈晓丽"),
        await making.volunteer("李敏"),
    )
    activity = await making.activity(wang, confirmation=Confirmation.AUTOMATIC)
    shift = await making.shift(activity, "2026-11-28 09:00", quota=5)
    await acting.act(wang, briefings.say, activity.id, "穿救生衣，听指挥。", dangerous=True)
    own = await acting.act(chen, enrolment.enrol, shift.id)
    assert own.state is EnrolmentState.APPLIED
    assert await acting.act(wang, insurance.without, activity.id) == ["陈晓丽"]
    with pytest.raises(Refusal, match="not_insured"):
        await acting.act(wang, enrolment.decide, own.id, accept=True)
    with pytest.raises(Refusal, match="walkin_unsuited"):
        await acting.act(wang, enrolment.enrol_other, shift.id, li.id)
    making.clock.go_to("2026-11-28 09:00")
    with pytest.raises(Refusal, match="walkin_unsuited"):
        await acting.act(wang, roll.add_walk_in, shift.id, li.id)
    making.clock.go_to("2026-11-27 09:00")
    await acting.act(wang, insurance.record, Cover.ACTIVITY, POLICY, activity_id=activity.id)
    await acting.act(wang, enrolment.decide, own.id, accept=True)
    other = await acting.act(li, enrolment.enrol, shift.id)
    assert other.state is EnrolmentState.CONFIRMED


# Minors


@pytest.mark.parametrize(
    ("field", "starts_at", "hours", "code"),
    [
        ("disaster_relief", "2026-11-28 09:00", 2, "minor_field"),
        ("safety_patrol", "2026-11-28 09:00", 2, "minor_field"),
        ("reading", "2026-11-28 20:00", 2, "minor_night"),
        ("reading", "2026-11-28 06:00", 2, "minor_night"),
        ("reading", "2026-11-28 09:00", 5, "minor_day"),
        ("reading", "2026-11-28 09:00", 4, ""),
    ],
)
async def test_minors_are_kept_to_what_fits_their_age(
    acting: Acting, field: str, starts_at: str, hours: int, code: str
) -> None:
    making = acting.making
    wang = await making.coordinator("王强")
    child = await making.volunteer("小明", birth_date=date(2011, 5, 1))
    grown = await making.volunteer("陈晓丽")
    activity = await making.activity(wang, field_id=await field_of(making, field))
    shift = await making.shift(activity, starts_at, hours=hours)
    if code:
        assert await acting.refused(child, enrolment.enrol, shift.id) == code
    else:
        await acting.act(child, enrolment.enrol, shift.id)
    await acting.act(grown, enrolment.enrol, shift.id)


async def test_a_minors_hours_add_up_over_the_day_and_the_week(acting: Acting) -> None:
    making = acting.making
    wang = await making.coordinator("王强")
    child = await making.volunteer("小明", birth_date=date(2011, 5, 1))

    reading = await field_of(making, "reading")

    async def enrol(starts_at: str, hours: int) -> str:
        activity = await making.activity(wang, field_id=reading)
        shift = await making.shift(activity, starts_at, hours=hours)
        try:
            await acting.act(child, enrolment.enrol, shift.id)
        except Refusal as why:
            return why.code
        return ""

    assert await enrol("2026-11-24 09:00", 3) == ""
    assert await enrol("2026-11-24 14:00", 2) == "minor_day"
    assert await enrol("2026-11-25 09:00", 4) == ""
    assert await enrol("2026-11-26 09:00", 4) == "minor_week"
    assert await enrol("2026-11-30 09:00", 4) == ""


# Safety briefings


async def test_a_briefing_is_read_before_checking_in_and_the_roster_says_who_has(
    city: City,
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    making = city.making
    activity = await making.activity(await city.person(wang))
    shift = await making.shift(activity, "2026-11-28 09:00")
    await wang.say("/menu")
    await wang.sees("今天想做点什么")
    await wang.press_data(f"activity.manage:{activity.id}")
    await wang.press("🦺 安全")
    await wang.sees("还没有安全须知")
    await wang.press("✏️ 修改")
    await wang.press("没有特别的危险")
    await wang.sees("大家开始前必须知道什么")
    await wang.say("穿反光背心，不站在车行道上。")
    await wang.press("保存")
    await wang.sees("穿反光背心")
    await enrol(chen, shift.id)
    await chen.press("❗ 阅读安全须知")
    await chen.sees("穿反光背心")
    await city.go_to("2026-11-28 08:50")
    await chen.press_data(f"checkin.here:{shift.id}")
    await chen.sees("签到“河岸植树”前，请先看安全须知")
    await wang.press_data(f"roster:{shift.id}")
    await wang.sees("陈晓丽 · 🦺❗")
    await chen.press("🦺 阅读安全须知")
    await chen.press("我已阅读，会遵守")
    await chen.press("签到")
    await chen.share_location(activity.latitude, activity.longitude)
    await chen.sees("签到成功")
    await wang.press_data(f"roster:{shift.id}")
    await wang.sees("📍 陈晓丽")


async def enrol(phone: Phone, shift_id: int) -> None:
    await phone.say("/menu")
    await phone.sees("今天想做点什么")
    await phone.press_data(f"enrol:{shift_id}")
    await phone.sees("报名成功")


async def test_words_that_changed_are_acknowledged_anew(acting: Acting) -> None:
    making = acting.making
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    li = await making.volunteer("李敏")
    activity = await making.activity(wang)
    shift = await making.shift(activity, "2026-11-28 09:00")
    own = await acting.act(chen, enrolment.enrol, shift.id)
    with pytest.raises(Gone):
        await acting.act(chen, briefings.acknowledge, own.id)
    await acting.act(wang, briefings.say, activity.id, "穿反光背心。", dangerous=False)
    with pytest.raises(Gone):
        await acting.act(li, briefings.acknowledge, own.id)
    assert (await acting.act(chen, briefings.acknowledge, own.id)).acknowledged
    assert await acting.act(wang, briefings.unread, activity.id, [own.id]) == set()
    making.clock.forward(minutes=1)
    await acting.act(wang, briefings.say, activity.id, "穿反光背心，戴帽子。", dangerous=False)
    assert await acting.act(wang, briefings.unread, activity.id, [own.id]) == {own.id}


# Incidents


async def test_an_incident_is_told_with_photos_in_a_minute_and_followed_up_to_its_end(
    city: City,
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    making = city.making
    activity = await making.activity(await city.person(wang))
    shift = await making.shift(activity, "2026-11-23 09:00", hours=3)
    async with city.database.write() as session:
        session.add(
            Enrolment(
                shift_id=shift.id,
                person_id=(await city.person(chen)).id,
                state=EnrolmentState.CONFIRMED,
                queued_at=city.clock(),
            )
        )
    await chen.say("/incident")
    await chen.press("严重：有人需要就医")
    await chen.press("有人受伤")
    await chen.sees("简单说说")
    await chen.say("李敏踩空扭伤了脚，已经坐下休息，需要去医院。")
    await chen.sees("有照片就发来")
    await chen.send_photo(photo())
    await chen.press("接着填")
    await chen.sees("管理员已经收到")
    alert = await wang.sees("“河岸植树”有突发情况")
    assert "李敏" not in alert.words
    await wang.press("打开看看")
    await wang.sees("李敏踩空扭伤了脚")
    await wang.press("照片 (1)")
    assert (await wang.sees("1 / 1")).photo is not None
    await wang.press("我来处理")
    await chen.sees("王强正在处理你在“河岸植树”报告的情况")
    await wang.press("记录处理情况")
    await wang.say("已送石岐医院，家属到场。")
    await wang.sees("已送石岐医院")
    await wang.press("办结")
    await wang.say("轻度扭伤，已回家。以后先看路面再分组。")
    await wang.sees("轻度扭伤")
    await chen.sees("处理完毕，谢谢你告诉我们")
    await wang.press_data("incidents")
    await wang.sees("没有待处理的情况")


async def test_what_nobody_takes_on_goes_a_level_up_once(acting: Acting) -> None:
    making = acting.making
    wang = await making.coordinator("王强")
    await making.coordinator("何会长", organisation="zs")
    shift = await making.shift(await making.activity(wang), "2026-11-23 09:00", hours=3)
    told = incidents.Told(IncidentKind.INJURY, Gravity.SERIOUS, "有人扭伤了脚")
    made = await acting.act(wang, incidents.report, shift.id, told)
    assert await acting.act(wang, incidents.raise_late) == 0
    making.clock.forward(minutes=15)
    assert await acting.act(wang, incidents.raise_late) == 1
    assert await acting.act(wang, incidents.raise_late) == 0
    await acting.act(wang, incidents.take, made.id)
    assert await acting.refused(wang, incidents.take, made.id) == "incident_taken"


async def test_only_those_concerned_report_and_only_their_coordinators_read(
    acting: Acting,
) -> None:
    making = acting.making
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    far = await making.coordinator("何小榄", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR)
    shift = await making.shift(await making.activity(wang), "2026-11-23 09:00", hours=3)
    told = incidents.Told(IncidentKind.OTHER, Gravity.MINOR, "帐篷被风吹倒了")
    for stranger in (chen, far):
        assert await acting.refused(stranger, incidents.report, shift.id, told) == "gone"
    made = await acting.act(wang, incidents.report, shift.id, told)
    for stranger in (chen, far):
        assert await acting.refused(stranger, incidents.look, made.id) == "not_allowed"
    making.clock.forward(days=4)
    assert await acting.refused(wang, incidents.report, shift.id, told) == "gone"
    async with making.database.read() as session:
        raw = await session.connection()
        stored = (await raw.exec_driver_sql("SELECT text FROM incident")).scalar_one()
        assert "帐篷".encode() not in bytes(stored)
        assert (await session.scalars(select(Incident))).one().text == told.text


@ON_SQLITE
async def test_policies_incidents_and_safety_are_seen_to_at_the_desk(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    person = await city.person(wang)
    activity = await city.making.activity(person)
    shift = await city.making.shift(activity, "2026-11-23 09:00", hours=3)
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, person.id))
        told = incidents.Told(IncidentKind.DAMAGE, Gravity.MINOR, "音响被雨淋坏了")
        made = await incidents.report(work, shift.id, told)
    async with desk_of(city, wang) as desk:
        await desk.open("/insurance/new")
        fields = {
            "cover": "listed", "organisation": person.organisation_id, "insurer": "平安保险",
            "number": "PA-1", "covers": "意外", "from_day": "2026-11-01",
        }  # fmt: skip
        wrong = await desk.send("/insurance/new", {**fields, "until_day": "2026-10-01"})
        assert wrong.status == 400 and "平安保险" in wrong.text
        right = await desk.send("/insurance/new", {**fields, "until_day": "2027-10-01"})
        number = (await city.person(chen)).number
        listed = await desk.send(
            right.path.removeprefix("/console") + "/people", {"people": f"{number}\nX1"}
        )
        assert "陈晓丽" in listed.words and "没有找到：X1" in listed.words
        await desk.send(
            f"/activities/{activity.id}/safety", {"briefing": "先看路面", "dangerous": "1"}
        )
        assert "先看路面" in (await desk.open(f"/activities/{activity.id}")).text
        assert "音响被雨淋坏了" not in (await desk.open(f"/incidents/{made.id}")).words
        assert "音响被雨淋坏了" in (await desk.send(f"/incidents/{made.id}/open", {})).words
        async with city.database.read() as session:
            seen = select(AuditEntry.id).where(AuditEntry.action == "incident.seen")
            assert len((await session.scalars(seen)).all()) == 1
        closed = await desk.send(f"/incidents/{made.id}/note", {"text": "已换新", "closes": "1"})
        assert "已办结" in closed.words
        assert "音响" not in (await desk.open("/incidents")).words


async def test_who_is_in_a_shift_reports_however_many_shifts_they_lead(acting: Acting) -> None:
    making = acting.making
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    activity = await making.activity(wang)
    early = await making.shift(activity, "2026-11-22 08:00", hours=1)
    own = await making.shift(activity, "2026-11-22 10:00", hours=1)
    await place(making, own, wang, EnrolmentState.CONFIRMED)
    for _ in range(incidents.SHOWN):
        await making.shift(activity, "2026-11-22 12:00", hours=1)
    making.clock.go_to("2026-11-23 09:00")
    shown = await acting.act(wang, incidents.at_hand)
    assert shown[0][0].id == own.id and len(shown) == incidents.SHOWN
    told = incidents.Told(IncidentKind.OTHER, Gravity.MINOR, "帐篷被风吹倒了")
    await acting.act(wang, incidents.report, early.id, told)
    assert await acting.refused(chen, incidents.report, early.id, told) == "gone"


async def test_two_who_close_at_once_tell_the_reporter_once(acting: Acting) -> None:
    making = acting.making
    wang, li = await making.coordinator("王强"), await making.coordinator("李敏")
    chen = await making.volunteer("陈晓丽")
    shift = await making.shift(await making.activity(wang), "2026-11-23 09:00", hours=3)
    await place(making, shift, chen, EnrolmentState.CONFIRMED)
    told = incidents.Told(IncidentKind.OTHER, Gravity.MINOR, "帐篷被风吹倒了")
    made = await acting.act(chen, incidents.report, shift.id, told)
    await acting.act(wang, incidents.add_note, made.id, "在路上了")
    assert await said(making.database, chen) == ["incidents/news"], "that somebody sees to it"
    done = await asyncio.gather(
        *(
            acting.act(who, incidents.add_note, made.id, "办好了", closes=True)
            for who in (wang, li)
        ),
        return_exceptions=True,
    )
    assert [one.code for one in done if isinstance(one, Refusal)] == ["incident_closed"]
    assert await said(making.database, chen) == ["incidents/news"] * 2


async def test_an_insurance_list_names_only_those_one_looks_after(acting: Acting) -> None:
    making = acting.making
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    far = await making.volunteer("周小榄", organisation="zs-xiaolan")
    home = wang.organisation_id
    made = await acting.act(wang, insurance.record, Cover.LISTED, POLICY, organisation_id=home)
    numbers = f"{chen.number}\n{far.number}"
    assert (await acting.act(wang, insurance.put_on, made.id, numbers)).outside == 1
    shown = await acting.act(wang, insurance.on_list, made.id)
    assert [(one.id, named) for one, named in shown] == [(chen.id, True), (far.id, False)]
    boss = await making.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    everyone = await acting.act(boss, insurance.on_list, made.id)
    assert all(named for _, named in everyone)

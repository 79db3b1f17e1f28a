"""The first page of the console: what needs whom, with the most urgent of it."""

from datetime import date, timedelta

from sqlalchemy import select

from models import (
    Attendance,
    Broadcast,
    BroadcastState,
    Callout,
    CalloutState,
    Dispute,
    DisputeState,
    Emergency,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Need,
    Person,
    QualificationKind,
    Response,
    ResponseState,
    RoleKind,
    Standing,
)
from services import desk as desks
from services import qualifications
from tests.browser import barriers
from tests.city import City
from tests.consoles import desk_of, screen_of
from tests.databases import ON_POSTGRESQL


async def a_full_desk(city: City, wang: Person) -> dict[str, int]:
    """One of everything that can wait in Shiqi; the keys of what was made."""
    making, now = city.making, city.clock()
    chen = await making.volunteer("陈晓丽", standing=Standing.AWAITING_APPROVAL, number=None)
    li = await making.volunteer("李敏")
    boss = await making.coordinator("何市长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    activity = await making.activity(wang)
    ahead = await making.shift(activity, "2026-11-24 09:00", quota=5)
    past = await making.shift(activity, "2026-11-20 09:00")
    async with city.database.write() as session:
        kind = (await session.scalars(select(QualificationKind.id).limit(1))).one()
        own = making.work(session, await session.get_one(Person, li.id))
        await qualifications.hand_in(own, kind, "x", date(2027, 5, 1))
        silent = Enrolment(shift_id=ahead.id, person_id=li.id, state=EnrolmentState.CONFIRMED,
                           queued_at=now, reminded_day_at=now)  # fmt: skip
        places = [
            Enrolment(shift_id=past.id, person_id=who.id, state=EnrolmentState.ATTENDED,
                      queued_at=now)
            for who in (li, boss)
        ]  # fmt: skip
        callout = Callout(
            organisation_id=wang.organisation_id, commander_id=wang.id, kind=Emergency.FIRE,
            drill=False, address="岐江公园", latitude=22.5, longitude=113.4, radius=20_000.0,
            state=CalloutState.ACTIVE, word="", created_at=now, holds=True,
        )  # fmt: skip
        letter = Broadcast(
            organisation_id=wang.organisation_id, author_id=boss.id, kind="notice", title="通知",
            versions={}, buttons={}, audience={}, state=BroadcastState.AWAITING_APPROVAL,
            created_at=now, submitted_at=now,
        )  # fmt: skip
        session.add_all((silent, *places, callout, letter))
        await session.flush()
        need = Need(callout_id=callout.id, quota=3, skills=[], qualifications=[], languages=[])
        session.add(need)
        hours = [
            Attendance(enrolment_id=place.id, checked_in_at=past.starts_at, in_means=Means.ROLL,
                       state=state, minutes=60)
            for place, state in zip(places, (HoursState.PROPOSED, HoursState.REJECTED), strict=True)
        ]  # fmt: skip
        session.add_all(hours)
        await session.flush()
        session.add(
            Response(
                callout_id=callout.id, person_id=li.id, need_id=need.id, wave=1,
                state=ResponseState.ON_SCENE, metres=0.0, probability=0.2, asked_at=now,
                sos_at=now,
            )
        )  # fmt: skip
        objection = Dispute(
            attendance_id=hours[1].id, organisation_id=wang.organisation_id, text="我整场都在",
            state=DisputeState.OPEN, raised_at=now,
        )  # fmt: skip
        session.add(objection)
        await session.flush()
        return {"chen": chen.id, "objection": objection.id, "activity": activity.id}


@ON_POSTGRESQL
async def test_today_shows_what_needs_me_and_leads_to_where_it_is_done(city: City) -> None:
    wang = await city.coordinator("王强", role=RoleKind.COMMANDER)
    await a_full_desk(city, await city.person(wang))
    async with screen_of(city, wang) as page:
        for heading in ("进行中的召集", "还没回音", "还缺人的班次", "注册申请", "待审证书",
                        "待确认时长", "异议", "待审批的群发消息"):  # fmt: skip
            await page.get_by_role("heading", name=heading).wait_for()
        await page.get_by_text("李敏 发出求救").wait_for()
        assert await barriers(page) == []
        await page.get_by_role("link", name="注册申请：查看全部 1 项").click()
        await page.get_by_role("button", name="通过", exact=True).click()
        await page.get_by_text("没有待审核的申请").wait_for()


async def test_each_sees_what_is_theirs_and_nothing_of_others(city: City) -> None:
    wang = await city.coordinator("王强", role=RoleKind.COMMANDER)
    made = await a_full_desk(city, await city.person(wang))
    leader = await city.coordinator("梁队长", role=RoleKind.TEAM_LEADER)
    other = await city.coordinator("何小榄", organisation="zs-xiaolan", role=RoleKind.COMMANDER)
    for phone, names in (
        (wang, ["incidents", "silent", "gaps", "approvals", "documents", "hours", "disputes",
                "broadcasts"]),
        (leader, ["silent", "gaps"]),
        (other, []),
    ):  # fmt: skip
        async with city.database.read() as session:
            work = city.making.work(session, await city.person(phone))
            piles = await desks.today(work)
            assert [pile.name for pile in piles] == names
            assert all(pile.count == len(pile.rows) == 1 for pile in piles)
    city.clock.forward(hours=30)
    async with city.database.read() as session:
        work = city.making.work(session, await city.person(leader))
        assert await desks.today(work) == [], "what has begun can't be filled any more"
    city.clock.now -= timedelta(hours=30)
    async with desk_of(city, other) as desk:
        assert "没有待办事项" in (await desk.open("")).words
        assert (await desk.open(f"/disputes/{made['objection']}")).status == 403


async def test_an_objection_is_decided_with_an_answer(city: City) -> None:
    wang = await city.coordinator("王强")
    made = await a_full_desk(city, await city.person(wang))
    path = f"/disputes/{made['objection']}"
    async with desk_of(city, wang) as desk:
        assert "何市长" in (await desk.open("/disputes")).words
        assert "我整场都在" in (await desk.open(path)).words
        wordless = await desk.send(path + "/grant", {"hours": 2, "minutes": 30, "answer": ""})
        assert wordless.status == 400 and 'value="30"' in wordless.text
        endless = await desk.send(path + "/grant", {"hours": 99, "minutes": 0, "answer": "好的"})
        assert endless.status == 400
        broken = await desk.send(path + "/grant", {"hours": "x", "answer": "好的"})
        assert broken.status == 400
        granted = {"hours": 2, "minutes": 30, "answer": "你说得对"}
        assert (await desk.send(path + "/grant", granted)).status == 200
        assert "你说得对" in (await desk.open(path)).words
        assert (await desk.send(path + "/dismiss", {"answer": "不行"})).status == 400
    async with city.database.read() as session:
        kept = await session.get_one(Dispute, made["objection"])
        assert kept.state is DisputeState.GRANTED
        assert (await session.get_one(Attendance, kept.attendance_id)).minutes == 150

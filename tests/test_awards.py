"""Awards: lists proposed by a rule and approved above, nominations, what becomes of them."""

import pytest
from sqlalchemy import select

from models import (
    AwardRule,
    Callout,
    CalloutState,
    Delivery,
    Emergency,
    Group,
    Message,
    Need,
    Recognition,
    Response,
    ResponseState,
    RoleKind,
)
from services import awards, honours, recognition
from services.policy import Policy
from tests.certified import rows, served, words_of
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from tests.making import Making
from tests.recognised import Staff


@pytest.fixture
async def staff(making: Making) -> Staff:
    return await Staff(making).prepare()


async def test_an_award_by_hours_is_proposed_approved_above_and_announced(city: City) -> None:
    """From the new kind in the chat to the group's post and the certificate."""
    he = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang = await city.coordinator("王强")
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李敏")
    coordinator = await city.person(wang)
    for phone, minutes in ((chen, 3_600), (li, 2_400), (await city.volunteer("周周"), 1_200)):
        await served(city.making, coordinator, await city.person(phone), minutes)
    async with city.database.write() as session:
        session.add(Group(chat_id=-500, organisation_id=coordinator.organisation_id,
                          title="石岐志愿者", language="zh_Hans"))  # fmt: skip
        await honours.join(city.making.work(session, await city.person(chen)))
    await wang.say("/awards")
    await wang.press("表彰项目")
    await wang.press("新设表彰项目")
    await wang.press("石岐街道志愿服务协会")
    await wang.say("优秀志愿者")
    await wang.press("服务满一定时长")
    await wang.say("0")
    await wang.sees("1 到 10")
    await wang.say("30")
    await wang.press("每年评选")
    await wang.press("🏆 优秀志愿者")
    await wang.press("评选2026年度")
    shown = await wang.sees("2 人")
    assert "陈晓丽" in shown.words and "李敏" in shown.words and "周周" not in shown.words
    await wang.press("上报审批")
    await wang.sees("待审批")
    await he.sees("上报“优秀志愿者”名单，共 2 人")
    await he.press("查看")
    await he.press("批准并授予")
    await he.sees("2 位志愿者")
    await city.settle()
    assert (await chen.sees("2026年度优秀志愿者")).photo is not None
    await li.sees("恭喜你，李敏")
    await li.press("我的荣誉证书")
    paper = await li.sees("荣誉证书")
    assert paper.document is not None and "优秀志愿者" in words_of(paper.document.content)
    await wang.sees("已批准")
    numbers = [one.number for one in await rows(city.database)]
    assert numbers == ["ZS-SHIQI-2026-000001", "ZS-SHIQI-2026-000002"]
    async with city.database.read() as session:
        posts = await session.scalars(
            select(Message.parameters)
            .join(Delivery, Delivery.message_id == Message.id)
            .where(Delivery.chat_id == -500)
        )
        (post,) = posts.all()
    assert post["names"] == ["陈晓丽"] and post["others"] == 1


async def test_who_may_do_what_with_a_list(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    chen, li = await staff.served("陈晓丽"), await staff.served("李敏")
    town = staff.wang.organisation_id
    kind = await staff.act(staff.wang, awards.add_kind, town, "服务之星", AwardRule.HOURS, 100)
    assert await staff.refused(chen, awards.open_round, kind.id) == "not_allowed"
    one = await staff.act(staff.wang, awards.open_round, kind.id)
    assert one.count == 2
    assert await staff.refused(staff.zhao, awards.open_round, kind.id) == "award_nobody"
    listed = (await staff.act(staff.wang, awards.people, one.id)).rows
    mine = next(key for key, person, _ in listed if person.id == li.id)
    await staff.act(staff.wang, awards.take_off, mine)
    assert await staff.refused(staff.he, awards.approve, one.id) == "gone"
    await staff.act(staff.wang, awards.submit, one.id)
    assert await staff.refused(staff.wang, awards.approve, one.id) == "not_allowed"
    assert await staff.refused(staff.zhao, awards.approve, one.id) == "not_allowed"
    assert await staff.told("round_submitted") == {staff.he.id}
    await staff.act(staff.he, awards.send_back, one.id, "请补充李敏")
    assert await staff.told("round_sent_back") == {staff.wang.id}
    await staff.act(staff.wang, awards.drop_round, one.id)
    again = await staff.act(staff.wang, awards.open_round, kind.id)
    assert again.count == 2
    await staff.act(staff.zhao, awards.submit, again.id)
    assert await staff.act(staff.he, awards.waiting) == 1
    assert await staff.act(staff.he, awards.approve, again.id) == 2
    monkeypatch.setattr(awards, "AT_ONCE", 1)
    assert [await staff.sweep(awards.give, awards.due) for _ in range(4)] == [1, 1, 0, 0]
    assert await staff.refused(staff.he, awards.approve, again.id) == "gone"
    assert await staff.told("ceremony") == {chen.id, li.id}
    # Who has it is not proposed again in this year, and is in the next.
    assert await staff.refused(staff.wang, awards.open_round, kind.id) == "award_nobody"
    staff.making.clock.go_to("2027-02-01 10:00")
    await served(staff.making, staff.wang, chen, 6_060, "2027-01-20 09:00")
    assert (await staff.act(staff.wang, awards.open_round, kind.id)).count == 1


async def test_rules_by_years_and_by_emergency_service(staff: Staff) -> None:
    clock = staff.making.clock
    old = await staff.served("老志愿者", 600, registered_at=clock.at("2016-03-01 09:00"))
    await staff.served("新志愿者", 600)
    idle = await staff.making.volunteer("没来过", registered_at=clock.at("2010-01-01 09:00"))
    helper = await staff.making.volunteer("救援者", emergency_opt_in=True)
    driller = await staff.making.volunteer("演练者", emergency_opt_in=True)
    town = staff.wang.organisation_id
    async with staff.making.database.write() as session:
        for person, drill in ((helper, False), (driller, True)):
            call = Callout(
                organisation_id=town, commander_id=staff.wang.id, kind=Emergency.FLOOD,
                drill=drill, state=CalloutState.ENDED, word="", address="x",
                created_at=clock(), latitude=22.5, longitude=113.4, radius=5000.0,
            )  # fmt: skip
            session.add(call)
            await session.flush()
            need = Need(callout_id=call.id, quota=1, skills=[], qualifications=[], languages=[])
            session.add(need)
            await session.flush()
            session.add(
                Response(
                    callout_id=call.id,
                    person_id=person.id,
                    need_id=need.id,
                    wave=1,
                    state=ResponseState.HOME,
                    metres=1.0,
                    probability=0.5,
                    asked_at=clock(),
                    arrived_at=clock(),
                )
            )
    years = await staff.act(
        staff.wang, awards.add_kind, town, "十年志愿者", AwardRule.YEARS, 10, yearly=False
    )
    calls = await staff.act(staff.wang, awards.add_kind, town, "应急先锋", AwardRule.EMERGENCY, 1)
    by_years = await staff.act(staff.wang, awards.open_round, years.id)
    by_calls = await staff.act(staff.wang, awards.open_round, calls.id)
    async with staff.making.database.read() as session:
        found = {
            row[0]: row[1]
            for row in await session.execute(select(Recognition.person_id, Recognition.round_id))
        }
    assert found == {old.id: by_years.id, helper.id: by_calls.id}
    assert idle.id not in found and driller.id not in found


@ON_SQLITE
async def test_a_list_may_not_be_endless(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    await staff.served("陈晓丽")
    await staff.served("李敏")
    monkeypatch.setattr("tests.making.POLICY", Policy(award_most=1))
    town = staff.wang.organisation_id
    kind = await staff.act(staff.wang, awards.add_kind, town, "服务之星", AwardRule.HOURS, 100)
    assert await staff.refused(staff.wang, awards.open_round, kind.id) == "award_too_many"


@ON_POSTGRESQL
async def test_somebody_is_nominated_in_the_chat_and_awarded(city: City) -> None:
    he = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang = await city.coordinator("王强")
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李敏")
    await li.say("/honours")
    await li.press("我要提名")
    await li.sees("目前没有开放提名")
    async with city.database.write() as session:
        work = city.making.work(session, await city.person(he))
        federation = await city.making.organisation("zs")
        rule = AwardRule.NOMINATION
        await awards.add_kind(work, federation.id, "感动之星", rule)
    await li.say("/honours")
    await li.press("我要提名")
    await li.say("李敏")
    await li.sees("需要由别人来办理")
    await li.say("陈晓丽")
    await li.press("感动之星")
    await li.say("三年如一日，照顾楼上独居的黄婆婆")
    await li.sees("提名陈晓丽为“感动之星”？")
    await li.press("✅ 提名")
    await li.sees("谢谢你的提名")
    await wang.sees("有人提名陈晓丽")
    await wang.press("查看")
    await wang.sees("黄婆婆")
    await wang.press("推荐")
    await wang.sees("由未参与提名和推荐的负责人评定")
    await he.sees("被推荐为“感动之星”")
    await he.press("查看")
    await he.press("授予")
    await city.catch_up()
    ceremony = await chen.sees("感动之星")
    assert "黄婆婆" in ceremony.words and "李敏" not in ceremony.words
    await li.sees("荣获“感动之星”")


@ON_SQLITE
async def test_the_nominated_and_the_nominator_never_decide(staff: Staff) -> None:
    chen = await staff.making.volunteer("陈晓丽")
    town = staff.wang.organisation_id
    rule = AwardRule.NOMINATION
    kind = await staff.act(staff.wang, awards.add_kind, town, "感动之星", rule)
    own = await staff.act(chen, awards.nominate, kind.id, staff.wang.id, "待人热心，事事上心")
    assert await staff.refused(staff.wang, awards.nomination, own.id) == "gone"
    assert await staff.act(staff.wang, awards.nominations) == []
    assert staff.wang.id not in await staff.told("nominated")
    theirs = await staff.act(staff.zhao, awards.nominate, kind.id, chen.id, "照顾独居老人")
    again = (staff.zhao, awards.nominate, kind.id, chen.id)
    assert await staff.refused(*again, "还是要说一遍") == "nominated_twice"
    li = await staff.making.volunteer("李敏")
    joined = await staff.act(li, awards.nominate, kind.id, chen.id, "我也提名她")
    assert joined.id == theirs.id
    far = await staff.making.volunteer("外镇人", organisation="zs-xiaolan")
    assert await staff.refused(li, awards.nominate, kind.id, far.id, "他也是一位很好的人") == "gone"
    await staff.act(staff.wang, awards.propose, theirs.id)
    assert await staff.refused(staff.wang, awards.award, theirs.id) == "not_allowed"
    assert await staff.refused(staff.zhao, awards.award, theirs.id) == "not_allowed"
    await staff.act(staff.he, awards.award, theirs.id)
    assert await staff.told("nomination_awarded") == {staff.zhao.id, li.id}
    assert (
        await staff.refused(li, awards.nominate, kind.id, chen.id, "再来提名一次吧") == "award_has"
    )
    await staff.act(staff.zhao, awards.propose, own.id)
    await staff.act(staff.he, awards.decline, own.id, "名额有限，明年再评")
    assert await staff.told("nomination_declined") == {chen.id}
    held = await staff.act(chen, recognition.of_person, chen.id)
    assert [one.about["name"] for one in held] == ["感动之星"]


@ON_SQLITE
async def test_recognition_at_the_desk(city: City) -> None:
    """Kinds, a list, its approval, a letter, a bar and points, without the chat."""
    he = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang = await city.coordinator("王强")
    chen = await city.making.volunteer("陈晓丽")
    coordinator = await city.person(wang)
    await served(city.making, coordinator, chen, 6_060)
    town = coordinator.organisation_id
    async with desk_of(city, wang) as desk:
        fields = {"name": "服务之星", "body": town, "rule": "hours", "least": 50, "yearly": "1"}
        shown = await desk.send("/recognition/awards", fields)
        assert "服务满 50 小时" in shown.words
        async with city.database.read() as session:
            kind = (await awards._kinds(city.making.work(session, coordinator)))[0].kind
        listed = await desk.send(f"/recognition/awards/{kind.id}/propose", {"year": 2026})
        assert "陈晓丽" in listed.words and listed.path.startswith("/console/recognition/rounds/")
        page = listed.path.removeprefix("/console")
        assert "待审批" in (await desk.send(f"{page}/submit")).words
        letter = {"volunteer": "陈晓丽", "from_whom": "黄婆婆", "words": "谢谢小陈天天来看我"}
        assert "黄婆婆" in (await desk.send("/recognition/letters", letter)).words
        person = await desk.open(f"/recognition/people/{chen.id}")
        assert "1,010" in person.words and "谢谢小陈" in person.words
        bar = {"volunteer": "不存在", "years": 1, "reason": "并未到场服务"}
        assert "没有找到" in (await desk.send("/recognition/bars", bar)).words
        off = {"organisation": town, "wanted": ""}
        assert "开启积分" in (await desk.send("/recognition/points", off)).words
        assert "积分" not in (await desk.open(f"/recognition/people/{chen.id}")).words
    async with desk_of(city, he) as desk:
        assert "待评定的星级和表彰" in (await desk.open("")).words
        assert "待你审批" in (await desk.open("/recognition")).words
        assert "已授予" in (await desk.send(f"{page}/approve")).words
        await city.settle()
        given = await desk.open("/recognition/honours")
        assert "2026年度服务之星" in given.words


@ON_POSTGRESQL
async def test_neighbours_see_nothing(staff: Staff) -> None:
    other = await staff.making.coordinator("别镇", organisation="zs-xiaolan")
    town = staff.wang.organisation_id
    kind = await staff.act(staff.wang, awards.add_kind, town, "服务之星", AwardRule.HOURS, 100)
    await staff.served("陈晓丽")
    one = await staff.act(staff.wang, awards.open_round, kind.id)
    for verb, key in (
        (awards.open_round, kind.id),
        (awards.close_kind, kind.id),
        (awards.round_of, one.id),
        (awards.people, one.id),
        (awards.submit, one.id),
    ):
        assert await staff.refused(other, verb, key) == "not_allowed"
    assert await staff.act(other, awards.kinds) == []

"""Families, classes, teams: founded in chat, joined by each with a press, enrolled with one."""

from datetime import date

import pytest
from sqlalchemy import select

from models import (
    Account,
    Coming,
    Consent,
    ConsentKind,
    Enrolment,
    EnrolmentState,
    Guardian,
    Party,
    PartyKind,
    PartyMember,
    PartyState,
    Person,
    Standing,
)
from services import enrolment, measures, parties, personal_data, together
from services.errors import Gone, Refusal
from tests.city import City
from tests.consoles import desk_of
from tests.test_enrolment import said


async def test_a_family_signs_up_together_from_the_first_press_to_the_roster(city: City) -> None:
    wang = await city.coordinator("王强")
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李雷")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity, quota=3)
    await chen.say("/more")
    await chen.press("同行小组")
    await chen.press("新建小组")
    await chen.press("家庭")
    await chen.sees("小组叫什么")
    await chen.say("陈家")
    await chen.sees("小组建好了")
    await chen.press("登记孩子")
    await chen.say("陈小宝")
    await chen.sees("孩子的出生日期")
    await chen.say("2016-05-01")
    await chen.sees("2016")
    await chen.press("对，没错")
    await chen.sees("作为监护人")
    await chen.press("我是监护人，同意")
    await chen.sees("陈小宝 登记好了")
    await chen.press("邀请链接")
    sent = await chen.sees("start=j-")
    await li.open(sent.words[sent.words.index("https://") :].split()[0])
    await li.sees("陈晓丽 邀请你加入“陈家”")
    await li.press("加入")
    await li.sees("你加入了小组")
    await chen.sees("李雷 加入了“陈家”")
    await chen.open(f"https://t.me/{city.bot.username}?start=a-{activity.id}")
    await chen.press("和小组一起报名")
    await chen.sees("一共 3 人")
    await chen.press("全组报名")
    await chen.sees("全组报名成功")
    await chen.sees("陈小宝 · ✅ 已报名")
    await li.sees("陈晓丽 已替你和“陈家”一起报名“河岸植树”，报名成功")
    async with desk_of(city, wang) as desk:
        roster = await desk.open(f"/shifts/{shift.id}")
        assert roster.words.count("陈家") == 3
        kinds = await desk.open("/kinds")
        assert "陈家" in kinds.words and "陈晓丽" in kinds.words
        person = await city.person(li)
        assert "陈家" in (await desk.open(f"/volunteers/{person.id}")).words
    async with city.database.write() as session:
        work = city.making.work(
            session, await session.get_one(Person, (await city.person(chen)).id)
        )
        (own, *_) = await enrolment.coming_places(work)
        await enrolment.answer_coming(work, own.enrolment.id, Coming.YES)
        coming = await session.execute(
            select(Person.name).join(Enrolment).where(Enrolment.coming == Coming.YES)
        )
        assert set(coming.scalars()) == {"陈晓丽", "陈小宝"}, "the child has no chat to answer in"
    await li.press("取消报名")
    await li.press("确定取消")
    await city.answered()
    await chen.press("全组取消")
    await chen.press("是，全组取消")
    await city.answered()
    async with city.database.read() as session:
        rows = await session.scalars(select(Enrolment.state))
        assert set(rows) == {EnrolmentState.CANCELLED}
        child = (await session.scalars(select(Person).where(Person.name == "陈小宝"))).one()
        assert (child.standing, child.phone) == (Standing.ACTIVE, None)
        guardian = (await session.scalars(select(Guardian))).one()
        assert guardian.confirmed_by_telegram_id == chen.id
        kinds_of = await session.scalars(select(Consent.kind).where(Consent.person_id == child.id))
        assert set(kinds_of) == {ConsentKind.PRIVACY, ConsentKind.GUARDIAN}
        numbers = (await measures.count(city.making.work(session), None)).numbers
        assert {name for _, _, name in numbers} >= {"group_enrolments", "groups_founded"}
    await chen.say("/party")
    await chen.press("陈家")
    await chen.press("组员")
    await chen.press("陈小宝")
    await chen.press("删除孩子的资料")
    await chen.press("确定删除")
    await city.answered()
    async with city.database.read() as session:
        gone = await session.get_one(Person, child.id)
        assert (gone.standing, gone.name) == (Standing.ERASED, "")


async def test_whom_one_invites_by_number_says_yes_or_no_and_is_not_asked_twice(city: City) -> None:
    chen, li, zhang = [await city.volunteer(name) for name in ("陈晓丽", "李雷", "张三")]
    numbers = [(await city.person(phone)).number for phone in (li, zhang)]
    async with city.database.write() as session:
        head = await session.get_one(Person, (await city.person(chen)).id)
        work = city.making.work(session, head)
        party = await parties.found(work, PartyKind.COMPANY, "环保小队")
        for number in numbers:
            await parties.invite(work, party.id, number or "")
        hidden = [one.name for one in await parties.members_of(work, party)]
        assert hidden == ["陈晓丽", None, None], "a name only of who has agreed"
        with pytest.raises(Refusal, match="party_member_already"):
            await parties.invite(work, party.id, numbers[0] or "")
    await city.settle()
    await li.press("加入")
    await li.sees("你加入了小组")
    await zhang.press("不了，谢谢")
    await zhang.sees("这个小组不会再来问你")
    async with city.database.write() as session:
        work = city.making.work(session, head)
        with pytest.raises(Refusal, match="party_said_no"):
            await parties.invite(work, party.id, numbers[1] or "")
        await parties.join(
            work.acting_as(await session.get_one(Person, (await city.person(zhang)).id)),
            party.id,
            party.key,
        )
        await parties.renew_link(work, party.id)
        with pytest.raises(Refusal, match="party_link"):
            await parties.invited_by(work, party.id, "0" * 16)
    await li.say("/party")
    await li.press("环保小队")
    await li.press("退出小组")
    await li.press("确定退出")
    await chen.sees("李雷 退出了“环保小队”")


async def test_what_only_the_head_may_and_what_no_head_may(city: City) -> None:
    making, database = city.making, city.database
    chen, li = await making.volunteer("陈晓丽"), await making.volunteer("李雷")
    teen = await making.volunteer("少年", birth_date=date(2010, 1, 1))
    async with database.write() as session:
        work = making.work(session, chen)
        family = await parties.found(work, PartyKind.FAMILY, "陈家")
        team = await parties.found(work, PartyKind.COMPANY, "同事")
        theirs = await parties.found(work.acting_as(teen), PartyKind.FAMILY, "少年家")
        for party, actor, name, born, code in (
            (team, chen, "小宝", date(2016, 1, 1), "ward_family"),
            (family, chen, "大宝", date(2000, 1, 1), "ward_grown_up"),
            (family, chen, "婴儿", date(2025, 1, 1), "signup_too_young"),
            (theirs, teen, "小弟", date(2016, 1, 1), "ward_parent_age"),
        ):
            with pytest.raises(Refusal, match=code):
                await parties.register_child(work.acting_as(actor), party.id, name, born)
        child = await parties.register_child(work, family.id, "小宝", date(2016, 1, 1))
        with pytest.raises(Refusal, match="ward_known"):
            await parties.register_child(work, family.id, "小宝", date(2016, 1, 1))
        stranger = work.acting_as(li)
        for attempt in (
            parties.led(stranger, family.id),
            parties.seen(stranger, family.id),
            parties.invite(stranger, family.id, "ZS1"),
            parties.take_off(stranger, family.id, child.id),
            parties.ward(stranger, child.id),
            parties.dissolve(stranger, family.id),
            parties.leave(stranger, family.id),
            together.opened(stranger, 1),
        ):
            with pytest.raises(Gone):
                await attempt
        with pytest.raises(Refusal, match="party_head_stays"):
            await parties.leave(work, family.id)
        session.add(
            PartyMember(
                party_id=team.id, person_id=li.id, state=PartyState.ACTIVE, since=making.clock()
            )
        )
        await session.flush()
        await parties.dissolve(work, team.id)
        assert [line.party.name for line in await parties.own_led(work)] == ["陈家"]
    assert await said(database, li) == ["parties/dissolved"]
    async with database.write() as session:
        work = making.work(session, await session.get_one(Person, chen.id))
        about = await personal_data.everything_about(work)
        assert [row["name"] for row in about["groups_led"]] == ["陈家", "同事"]
        await personal_data.forget(work)
        names = await session.scalars(select(Party.name).where(Party.head_id == chen.id))
        assert set(names) == {""}
        assert (
            await session.scalars(select(Account).where(Account.person_id == chen.id))
        ).all() == []

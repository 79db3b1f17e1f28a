"""Care files: opening one, who sees inside, the circle, and that nobody else learns anything."""

from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from models import (
    AuditEntry,
    CareAccess,
    Circle,
    Conversation,
    Delivery,
    Enclosure,
    Pairing,
    PairingState,
    Person,
    Recipient,
    RoleKind,
    Standing,
    Visit,
    VisitState,
)
from playground.phone import Phone, labels
from services import care, care_endings, pairings, personal_data
from services.errors import Gone, NotAllowed, Refusal
from tests.caring import ADDRESS, CONTACT_PHONE, NAME, PHONE, SECRETS, Care, described, knows, seen
from tests.city import City
from tests.databases import ON_SQLITE


async def test_a_coordinator_opens_a_file_and_it_is_sealed(city: City) -> None:
    wang = await city.coordinator("王强")
    await wang.say("/desk")
    await wang.press("组织工作")
    await wang.press("关爱")
    await wang.sees("还没有关爱档案")
    await wang.press("建立档案")
    await wang.press("独居老人")
    await wang.say(NAME)
    await wang.sees("住在哪一片")
    await wang.share_location(22.527, 113.377)
    await wang.press("没错")
    await wang.say(ADDRESS)
    await wang.say("13912340001")
    await wang.say("陪聊、买菜")
    await wang.say("耳背，敲门要大声")
    await wang.say("梁小明")
    await wang.say("13912340002")
    await wang.sees("最好会什么")
    await wang.press("跳过")
    await wang.sees("谁同意建立档案")
    await wang.press("本人")
    await wang.sees("请核对")
    await wang.press("保存档案")
    shown = await wang.sees("小组里还没有人")
    for secret in SECRETS:
        assert secret in shown.words
    assert "本人同意" in shown.words and shown.protected
    async with city.database.read() as session:
        (recipient,) = await session.scalars(select(Recipient))
        raw = await session.execute(select(Recipient.__table__).with_only_columns(
            Recipient.__table__.c.latitude, Recipient.__table__.c.longitude,
            Recipient.__table__.c.phone_hash))  # fmt: skip
        latitude, longitude, fingerprint = raw.one()
        assert (latitude, longitude) == (22.527, 113.377) and PHONE not in fingerprint
        connection = await session.connection()
        sealed = await connection.exec_driver_sql("SELECT details FROM care_recipient")
        assert NAME.encode() not in bytes(sealed.scalar_one())
        actions = list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert [one for one in actions if one.startswith("care")] == ["care.opened", "care.looked"]
    assert recipient.details and recipient.details["phone"] == PHONE
    stored = await Care(city).stored()
    assert NAME not in stored.partition("OPENED")[0]
    await wang.press("修改")
    await wang.press("✏️ 需要")
    await wang.say("每周陪看病")
    await wang.press("保存档案")
    await wang.sees("每周陪看病")


async def test_who_has_no_access_sees_that_a_file_is_there_and_takes_it_with_a_reason(
    city: City,
) -> None:
    shown = await Care(city).prepare()
    he = await city.coordinator("何敏")
    above = await city.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    other = await city.coordinator("陈小榄", organisation="zs-xiaolan")
    leader = await city.coordinator("周队", role=RoleKind.TEAM_LEADER)
    for phone in (he, above):
        await phone.say("/care")
        assert "独居老人 · 1" in (await phone.sees("关爱")).words
        await phone.press("🔒")
        await phone.sees("只给获准的人看")
        assert knows(phone) == []
    await other.say("/care")
    await other.sees("还没有关爱档案")
    for phone in (other, leader):
        await phone.say("/menu")
        await phone.sees("你好")
        for what in ("file", "circle", "visits", "access", "take", "invite", "rhythm", "change",
                     "erase", "close"):  # fmt: skip
            answer = await phone.press_data(f"care.{what}:{shown.key}")
            assert "权限" in answer.text or "过期" in answer.text, what
        assert knows(phone) == []
    answer = await he.press_data(f"care.circle:{shown.key}")
    assert "权限" in answer.text
    await he.press("我需要查看")
    await he.say("急")
    await he.sees("4")
    await he.say("梁婆婆住院，要通知家属")
    assert NAME in (await he.sees("陪聊、买菜")).words
    await he.press("修改")
    assert (await he.sees("请核对")).protected
    for name in ("name", "heed", "phone", "skills", "consent"):
        await he.press_data(f"f:summary:edit:{name}")
        await he.press("返回")
    await city.settle()
    await shown.wang.sees("何敏 说明理由后")
    await shown.wang.press("谁能看")
    looks = await shown.wang.sees("查看记录")
    assert "何敏" in looks.words and "要通知家属" in looks.words and "查看了档案" in looks.words
    await shown.wang.press("取消 何敏 的查看")
    await city.catch_up()
    await he.sees("已从这部手机上撤下")
    assert "陪聊、买菜" not in seen(he)
    assert ADDRESS not in seen(he), "nor in the form in which they were changing it"
    await he.say("/menu")
    async with city.database.read() as session:
        assert list(await session.scalars(select(Conversation))) == []
    answer = await he.press_data(f"care.file:{shown.key}")
    assert NAME not in he.screen.words


async def test_a_colleague_is_let_in_case_by_case(city: City) -> None:
    shown = await Care(city).prepare()
    he = await city.coordinator("何敏")
    await shown.wang.say("/care")
    await shown.wang.press(f"📂 {NAME}")
    await shown.wang.press("谁能看")
    await shown.wang.press("让同事也能看")
    await shown.wang.press("何敏")
    await city.settle()
    await he.sees("给你开通了查看")
    await he.press("打开")
    assert ADDRESS in (await he.sees("陪聊")).words
    await city.making.without_roles(await city.person(he))
    answer = await he.press_data(f"care.file:{shown.key}")
    assert "权限" in answer.text
    await city.forward(minutes=11)
    await he.wait_until(lambda: ADDRESS not in seen(he))
    still = [one for one in await shown.rows(CareAccess) if one.until is None]
    assert len(still) == 1, "who holds the right no more sees inside no more"


async def test_the_circle_is_asked_and_learns_nothing_before_it_says_yes(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await city.volunteer("陈晓丽", latitude=22.526, longitude=113.376)
    zhao = await city.volunteer("赵远", latitude=22.9, longitude=113.9)
    child = await city.volunteer("小明", birth_date=date(2012, 1, 1))
    wang = shown.wang
    await wang.say("/care")
    await wang.press(f"📂 {NAME}")
    await wang.press("关爱小组")
    await wang.press("邀请")
    await wang.press("邻居")
    names = labels(await wang.sees("住得近又合适"))
    assert any("陈晓丽" in one for one in names)
    assert not any("赵远" in one or "小明" in one for one in names)
    await wang.press("陈晓丽")
    await wang.say("赵远")
    await wang.press("赵远")
    await wang.press("选好了")
    await city.catch_up()
    for phone in (chen, zhao):
        invitation = await phone.sees("愿意和附近的一位街坊结对吗")
        assert "独居老人" in invitation.words
        assert knows(phone) == [], "an invitation names nobody"
        pairing = int(str(invitation.inline_rows[0][0].data).partition(":")[2])
        answer = await phone.press_data(f"pair.card:{pairing}")
        assert "过期" in answer.text and knows(phone) == []
    assert knows(child) == []
    await zhao.press("这次不了")
    await zhao.sees("谢谢答复")
    await chen.press("我愿意")
    card = await chen.sees("耳背")
    assert card.protected and NAME in card.words and ADDRESS in card.words
    assert CONTACT_PHONE not in seen(chen), "whom to call is the coordinator's"
    assert knows(zhao) == []
    await city.settle()
    await wang.sees("陈晓丽 加入了")
    await wang.sees("赵远 不方便加入")
    await chen.say("/more")
    await chen.press("结对")
    await chen.press(NAME)
    await chen.press("退出小组")
    await chen.press("确定退出")
    await city.settle()
    await wang.sees("陈晓丽 退出了")
    await chen.wait_until(lambda: ADDRESS not in seen(chen))


@ON_SQLITE
async def test_what_is_known_of_a_recipient_leaves_the_phone_with_the_volunteer(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await chen.say("/pairing")
    await chen.press(NAME)
    await chen.sees(ADDRESS)
    chen_row = await city.person(chen)
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        handed = await personal_data.everything_about(work)
        assert len(handed["pairings"]) == 1 and ADDRESS not in str(handed)
        work.person.standing = Standing.WITHDRAWN
    await city.catch_up()
    await chen.wait_until(lambda: ADDRESS not in seen(chen))
    async with city.database.read() as session:
        (pairing,) = await session.scalars(select(Pairing))
        assert pairing.person_id == chen_row.id and pairing.state is PairingState.ENDED
    async with city.database.write() as session:
        await personal_data.forget(await shown.work_of(chen, session))


@ON_SQLITE
async def test_who_is_forgotten_keeps_nothing_of_a_recipient_on_their_phone(city: City) -> None:
    await city.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await chen.say("/pairing")
    await chen.press(NAME)
    await chen.sees(ADDRESS)
    await shown.wang.say("/care")
    await shown.wang.press(f"📂 {NAME}")
    await shown.wang.sees(ADDRESS)
    await shown.wang.press("修改")
    await shown.wang.sees("请核对")
    for phone in (chen, shown.wang):
        async with city.database.write() as session:
            await personal_data.forget(await shown.work_of(phone, session))
        await city.settle()
        await phone.wait_until(partial(forgotten, phone))
    async with city.database.read() as session:
        kept = list(
            await session.scalars(
                select(Delivery).where(Delivery.chat_id == chen.id, Delivery.edits_id.is_not(None))
            )
        )
    assert {one.person_id for one in kept} == {None}


def forgotten(phone: Phone) -> bool:
    return ADDRESS not in seen(phone) and NAME not in seen(phone)


async def test_a_recipient_is_erased_everywhere_and_the_hours_stay(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    await shown.settle_weekly()
    await city.go_to("2026-11-23 14:10")
    await chen.press("查看详情")
    await chen.press("记录这次探访")
    await chen.press("有需要")
    await chen.press("1小时")
    await chen.send_voice(b"OggS voice")
    await chen.sees("谢谢")
    await city.settle()
    told = await shown.wang.sees("附有语音")
    assert told.voice is not None
    wang = shown.wang
    for phone, command in ((chen, "/pairing"), (wang, "/care")):
        await phone.say(command)
        await phone.wait(lambda message: any(NAME in label for label in labels(message)))
    await wang.press(f"📂 {NAME}")
    await wang.press("删除")
    await wang.sees("永久删除")
    await wang.press("确认删除")
    await wang.sees("关爱")
    await city.settle()
    await chen.sees("结对已结束")
    for phone in (chen, wang):
        await phone.wait_until(partial(forgotten, phone))
    stored = await shown.stored()
    assert not [one for one in SECRETS if one in stored]
    recipient = await shown.recipient()
    assert (recipient.details, recipient.phone_hash, recipient.latitude) == (None, None, None)
    (visit,) = [one for one in await shown.rows(Visit) if one.state is VisitState.DONE]
    assert (visit.minutes, visit.note) == (60, None) and visit.attendance_id is not None
    assert await shown.rows(Enclosure) == []
    await wang.press_data(f"care.file:{shown.key}")
    await wang.sees("这份档案已删除")


async def test_who_takes_a_break_is_not_asked_though_others_are_there(city: City) -> None:
    shown = await Care(city).prepare()
    await city.making.volunteer("黄在场")
    away = await city.making.volunteer(
        "林休息", paused_until=city.clock().date() + timedelta(days=9)
    )
    async with city.database.write() as session:
        work = await shown.work_of(shown.wang, session)
        with pytest.raises(Gone):
            await pairings.invite(work, shown.key, Circle.YOUNG, [away.id])


async def test_rules_of_files(city: City) -> None:
    shown = await Care(city).prepare()
    wang = await city.person(shown.wang)
    far = await city.making.coordinator("陈小榄", organisation="zs-xiaolan")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, wang.id))
        with pytest.raises(Refusal) as known:
            await care.open_file(work, wang.organisation_id, described())
        assert known.value.code == "care_known"
        with pytest.raises(Refusal):
            await care.open_file(work, wang.organisation_id, described(phone=None, name=""))
        with pytest.raises(NotAllowed):
            await care.open_file(work, far.organisation_id, described(phone=None))
        with pytest.raises(Refusal):
            await pairings.invite(work, shown.key, Circle.YOUNG, [])
        await care_endings.close(work, shown.key)
        with pytest.raises(Refusal) as closed:
            await care.change_file(work, shown.key, described())
        assert closed.value.code == "care_closed"
        other = work.acting_as(await session.get_one(Person, far.id))
        with pytest.raises(NotAllowed):
            await care.take_access(other, shown.key, "有充分的理由")
        for act in (care.look, care_endings.erase):
            with pytest.raises(NotAllowed):
                await act(other, shown.key)
        assert len(list(await session.scalars(select(CareAccess)))) == 1

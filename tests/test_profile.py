"""What volunteers do with their registration: change, pause, leave, see and erase their data."""

import json

from sqlalchemy import func, select

from models import (
    Account,
    Conversation,
    Delivery,
    Enrolment,
    EnrolmentState,
    Person,
    Qualification,
    QualificationState,
    RoleKind,
    Standing,
)
from playground.phone import labels
from tests.city import City
from tests.pictures import photo


async def test_single_answers_are_shown_and_changed(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/profile")
    await chen.sees("我的资料")
    await chen.press("✏️ 技能")
    await chen.sees("你会做什么")
    await chen.say("jiashi")
    await chen.press("驾驶小汽车")
    await chen.wait(lambda m: "✅ 驾驶小汽车" in labels(m))
    await chen.press("选好了")
    screen = await chen.sees("已保存")
    assert "驾驶小汽车" in screen.text


async def test_a_break_is_taken_and_ended(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/pause")
    await chen.sees("想休息到哪天")
    await chen.say("2026-11-01")
    await chen.sees("请填写以后的日期")
    await chen.say("2028-11-01")
    await chen.sees("休息最长一年")
    await chen.say("下个月5号")
    await chen.press("对，没错")
    await chen.sees("你会休息到 2026年12月5日")
    await chen.press("结束休息")
    await chen.sees("已保存")
    assert (await city.person(chen)).paused_until is None


async def test_who_leaves_gives_back_their_places_and_may_come_back_under_the_same_number(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity, quota=1)
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李雷")
    number = (await city.person(chen)).number
    await chen.open(f"https://t.me/muster_test_bot?start=a-{activity.id}")
    await chen.press("报名")
    await chen.sees("报名成功")
    await li.open(f"https://t.me/muster_test_bot?start=a-{activity.id}")
    await li.press("加入候补")
    await li.sees("进入候补")
    await chen.say("/withdraw")
    await chen.press("确定退出")
    await chen.sees("1 个报名名额已让给别人")
    await city.settle()
    await li.sees("轮到你啦")
    person = await city.person(chen)
    assert person.standing is Standing.WITHDRAWN
    await chen.say("/foryou")
    await chen.sees("注册志愿者才能使用")
    async with city.database.read() as session:
        own = await session.scalars(select(Enrolment).where(Enrolment.shift_id == shift.id))
        states = {enrolment.person_id: enrolment.state for enrolment in own}
    assert states[person.id] is EnrolmentState.CANCELLED
    await chen.press("注册志愿者")
    await chen.sees("哪种语言")
    assert (await city.person(chen)).number == number


async def test_everything_that_is_held_is_handed_out_as_a_file(city: City) -> None:
    chen = await city.volunteer("陈晓丽", skills=("first_aid",))
    await chen.say("/mydata")
    message = await chen.wait(lambda m: m.document is not None)
    assert message.protected and message.document is not None
    found = json.loads(message.document.content)
    person = await city.person(chen)
    assert found["person"]["name"] == "陈晓丽"
    assert found["person"]["phone"] == person.phone
    assert found["skills"] == [{"zh_Hans": "急救", "en": "First aid"}]
    assert found["accounts"][0]["telegram_id"] == chen.id
    assert "phone_hash" not in found["person"]


async def test_erasing_asks_twice_and_leaves_nothing_personal(city: City) -> None:
    chen = await city.volunteer("陈晓丽", skills=("first_aid",))
    await chen.say("/forget")
    await chen.press("确定删除")
    await chen.sees("确定要删除，请输入")
    await chen.say("是的")
    await chen.sees("什么都没有删除")
    await chen.say("删除")
    await chen.sees("已全部删除")
    async with city.database.read() as session:
        person = (await session.scalars(select(Person))).one()
        assert person.standing is Standing.ERASED
        assert (person.name, person.phone, person.phone_hash, person.number) == (
            "",
            None,
            None,
            None,
        )
        assert await session.scalar(select(func.count(Delivery.id))) == 0
        assert await session.scalar(select(func.count(Conversation.id))) == 0
        account = (await session.scalars(select(Account))).one()
        assert account.person_id is None
    await chen.say("/mydata")
    await chen.sees("没有保存你的任何信息")


async def test_the_last_administrator_can_not_be_erased(city: City) -> None:
    li = await city.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    await li.say("/forget")
    await li.press("确定删除")
    await li.sees("确定要删除，请输入")
    await li.say("删除")
    await li.sees("你是最后一位管理员")


async def test_a_document_counts_once_a_coordinator_has_verified_it(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await chen.say("/qualifications")
    await chen.press("提交证书")
    await chen.sees("哪种证书")
    await chen.say("shuishang")
    await chen.press("水上救援证")
    await chen.sees("请发送证书照片")
    await chen.say("在我手机里")
    await chen.sees("请发送一张照片")
    await chen.send_photo(photo())
    await chen.sees("有效期到哪天")
    await chen.say("2026-01-01")
    await chen.sees("已经过期")
    await chen.say("2028-01-01")
    await chen.press("对，没错")
    await chen.sees("审核中")
    await city.settle()
    card = await wang.wait(lambda m: "水上救援证" in m.words)
    assert card.photo is not None
    await wang.press("核实无误")
    await wang.sees("没有待审核的证书")
    await city.settle()
    await chen.sees("已核实")
    async with city.database.read() as session:
        document = (await session.scalars(select(Qualification))).one()
    assert document.state is QualificationState.VERIFIED


async def test_nobody_verifies_their_own_document(city: City) -> None:
    wang = await city.coordinator("王强")
    await wang.say("/qualifications")
    await wang.press("提交证书")
    await wang.sees("哪种证书")
    await wang.say("律师")
    await wang.press("律师执业证")
    await wang.sees("请发送证书照片")
    await wang.send_photo(photo())
    await wang.sees("有效期到哪天")
    await wang.say("2028-01-01")
    await wang.press("对，没错")
    await wang.sees("审核中")
    answer = await wang.press_data("qualification.accept:1")
    assert "没有这项操作的权限" in answer.text


async def test_a_forged_card_is_recognised(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    number = (await city.person(chen)).number
    li = city.stranger("李雷")
    await li.open(f"https://t.me/muster_test_bot?start=v-{number}-aaaaaaaaaa")
    await li.sees("这不是有效的志愿者证")


async def test_an_e_mail_address_can_be_left_and_taken_back(city: City) -> None:
    chen = await city.volunteer("陈晓丽", availability=127)
    await chen.say("/profile")
    await chen.press("电子邮箱")
    await chen.sees("可以发到哪个邮箱")
    await chen.say("chen 在 example.org")
    await chen.sees("不像邮箱地址")
    await chen.say("chen@example.org")
    await chen.sees("✉️ chen@example.org")
    assert (await city.person(chen)).email == "chen@example.org"
    await chen.press("电子邮箱")
    await chen.sees("可以发到哪个邮箱")
    await chen.press("跳过")
    await chen.wait(lambda m: "已保存" in m.words and "✉️" not in m.words)
    assert (await city.person(chen)).email is None

"""Readiness for emergencies: what people say of theirs, what they are asked, how an area stands."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from models import (
    Consent,
    PersonEquipment,
    Qualification,
    QualificationState,
    Readiness,
    RoleKind,
)
from tests.city import City, Phone
from tests.emergencies import RALLY, Emergency
from tests.pictures import photo
from tests.times import START

MIDNIGHT = {"call_from": 9 * 60, "call_until": 17 * 60}


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def open_mine(phone: Phone) -> None:
    await phone.say("/profile")
    await phone.press("🚨")
    await phone.sees("我的应急信息")


async def test_what_one_can_bring_and_how_far_one_goes(emergency: Emergency) -> None:
    near = await emergency.volunteer("近", north=0.01)
    far = await emergency.volunteer("远", north=0.09)
    for phone in (near, far):
        await open_mine(phone)
        await phone.press("5 公里")
        await phone.sees("离家 5 公里内可以去")
    await near.press("船")
    await near.press("对讲机")
    await near.sees("船、📻 对讲机")
    await near.press("✓ 🚤 船")
    await emergency.city.start_again()
    await open_mine(near)
    async with emergency.city.database.read() as session:
        kinds = await session.scalars(select(PersonEquipment.kind))
        assert [kind.value for kind in kinds] == ["radio"]
    await emergency.declare()
    await near.sees("需要你")
    assert not any("需要你" in m.words for m in far.messages)


async def test_where_lives_are_at_stake_who_agreed_is_called_at_any_hour(
    emergency: Emergency,
) -> None:
    agreed = await emergency.volunteer("同意", **MIDNIGHT)
    asleep = await emergency.volunteer("睡觉", **MIDNIGHT)
    await open_mine(agreed)
    await agreed.press("人命关天时随时叫我")
    await agreed.sees("人命关天时除外")
    await emergency.declare()
    assert not (await emergency.responses())
    await emergency.end()
    await emergency.declare(more=["紧急程度", "有生命危险"])
    await agreed.sees("需要你")
    assert not asleep.messages


async def standing_consents(emergency: Emergency, phone: Phone) -> set[str]:
    person = await emergency.city.person(phone)
    async with emergency.city.database.read() as session:
        found = await session.scalars(
            select(Consent.kind).where(
                Consent.person_id == person.id, Consent.withdrawn_at.is_(None)
            )
        )
        return {kind.value for kind in found}


async def test_to_be_woken_is_agreed_to_and_taken_back_like_all_consents(
    emergency: Emergency,
) -> None:
    home = {"latitude": RALLY[0], "longitude": RALLY[1]}
    li = await emergency.volunteer("李雷", home=home)
    await li.say("/profile")
    await li.press("免打扰时段")
    await li.sees("应急召集不会打扰你")
    await li.say("9:00-17:00")
    await li.sees("09:00 到 17:00 我们不打扰你")
    await li.press("可以，人命关天时叫我")
    await li.sees("免打扰 · 人命关天时除外")
    assert "any_hour" in await standing_consents(emergency, li)
    await emergency.declare()
    await emergency.end()
    assert not await emergency.responses()
    await emergency.declare(more=["紧急程度", "有生命危险"])
    await li.sees("需要你")
    await emergency.end()
    await open_mine(li)
    await li.press("人命关天时随时叫我")
    await emergency.city.answered()
    assert "any_hour" not in await standing_consents(emergency, li)
    await li.press("人命关天时随时叫我")
    await emergency.city.answered()
    assert "any_hour" in await standing_consents(emergency, li)
    await li.say("/profile")
    await li.press("✏️ 应急召集")
    await li.press("不用")
    await li.sees("已保存")
    assert "any_hour" not in await standing_consents(emergency, li)


async def test_once_a_quarter_one_is_asked_and_who_is_silent_counts_no_more(
    emergency: Emergency,
) -> None:
    city = emergency.city
    li = await emergency.volunteer("李雷")
    wang = await emergency.volunteer("王芳", north=0.01)
    for phone in (li, wang):
        await open_mine(phone)
    await city.forward(days=91)
    await li.sees("你还愿意参加应急响应吗")
    await li.press("我还愿意响应")
    await city.forward(days=31)
    await city.forward(days=31)
    assert sum("你还愿意" in m.words for m in wang.messages) == 2
    person = await city.person(wang)
    async with city.database.read() as session:
        row = await session.get_one(Readiness, person.id)
        assert row.ask_at is None and row.asks == 2
    await emergency.zhou.say("/ready")
    shown = await emergency.zhou.sees("的应急力量")
    assert "2 人愿意应急响应" in shown.words and "1 人近期确认过" in shown.words
    await wang.press("不要再召集我")
    await wang.sees("应急时不会召集你")
    await emergency.zhou.press("刷新")
    await emergency.zhou.sees("1 人愿意应急响应")


async def test_a_document_is_missed_before_it_expires(emergency: Emergency) -> None:
    city = emergency.city
    li = await emergency.volunteer("李雷")
    person = await city.person(li)
    await city.making.qualification(person, expires_in=70)
    for days, count in ((5, 0), (6, 1), (10, 1), (20, 2), (1, 2), (22, 3), (5, 3)):
        await city.forward(days=days)
        assert sum("到期" in m.words for m in li.messages) == count
    await li.press("提交新证")
    await li.sees("证")


async def test_a_commander_sees_how_ready_the_area_is(emergency: Emergency) -> None:
    city = emergency.city
    for number in range(4):
        await emergency.volunteer(f"林{number}", north=0.01 * number, skills=("first_aid",))
    await emergency.volunteer("夜班", **MIDNIGHT)
    await emergency.volunteer("未成年", birth_date=date(2012, 1, 1))
    await city.coordinator("郑", organisation="zs-dongqu", role=RoleKind.COMMANDER)
    await emergency.zhou.say("/callout")
    await emergency.zhou.press("应急力量")
    shown = await emergency.zhou.sees("石岐街道志愿服务协会的应急力量")
    assert "6 人愿意应急响应" in shown.words and "5 人现在可以召集" in shown.words
    assert "不限技能: 4 · –" in shown.words
    li = await city.volunteer("路人")
    await li.say("/ready")
    await li.sees("没有这项操作的权限")


async def test_the_old_document_counts_until_the_new_one_has_been_verified(
    emergency: Emergency,
) -> None:
    city = emergency.city
    li = await emergency.volunteer("李雷")
    kind = await city.making.qualification(await city.person(li), expires_in=20)
    await city.catch_up()
    for answer, expires in (("refuse", 20), ("accept", 403)):
        await renew_document(li, kind.names["zh_Hans"], "2027-12-31")
        await city.settle()
        await li.sees("新证审核中")
        document = await only_document(city)
        assert document.state is QualificationState.VERIFIED
        assert document.expires_on == START.date() + timedelta(days=20)
        await emergency.zhou.sees("有效期至 2027年12月31日 周五")
        if answer == "refuse":
            await emergency.zhou.press("不通过")
            await emergency.zhou.say("照片看不清")
        else:
            await emergency.zhou.press("核实无误")
        await emergency.zhou.sees("没有待审核的证书")
        await city.settle()
        document = await only_document(city)
        assert document.state is QualificationState.VERIFIED
        assert document.expires_on == START.date() + timedelta(days=expires)
    assert any("照片看不清" in m.words for m in li.messages)
    await city.forward(days=15)
    assert sum("到期" in m.words for m in li.messages) == 1


async def renew_document(phone: Phone, kind: str, expires: str) -> None:
    await phone.say("/qualifications")
    await phone.press("提交证书")
    await phone.sees("哪种证书")
    await phone.say(kind)
    await phone.press(kind)
    await phone.sees("请发送证书照片")
    await phone.send_photo(photo())
    await phone.sees("有效期到哪天")
    await phone.say(expires)
    await phone.press("对，没错")


async def only_document(city: City) -> Qualification:
    async with city.database.read() as session:
        return (await session.scalars(select(Qualification))).one()

"""People whom an organisation entered come for their registration, and become the same person."""

import re
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from bot.settings import ChannelSettings
from models import Account, Consent, ConsentKind, Imported, Person, Standing
from playground import Phone
from services import claiming
from services.claiming import code_of, grouped
from services.errors import Gone, NotAllowed
from tests.city import USERNAME, City
from tests.endpoint import Endpoint
from tests.importing import HOURS, VOLUNTEERS, Bringing, written
from tests.test_imports import CHEN, HEAD, HOURS_HEAD, OLD

SERVED = ("陈晓丽", CHEN[1], "岐江清洁", "2020/3/5", "3.5")


async def imported(
    city: City, *rows: tuple[str, ...], **options: object
) -> tuple[Bringing, Person]:
    """Chen, with 3.5 hours, entered by Wang; answers how more is brought, and Chen."""
    wang = await city.person(await city.coordinator("王强"))
    bringing = Bringing(city.database, city.making, wang)
    await bringing.bring(VOLUNTEERS, written(HEAD, *(rows or (CHEN,))), **options)
    if not rows:
        await bringing.bring(HOURS, written(HOURS_HEAD, SERVED))
    return bringing, await the(city, "陈晓丽")


async def the(city: City, name: str) -> Person:
    async with city.database.read() as session:
        return (await session.scalars(select(Person).where(Person.name == name))).one()


async def code_for(city: City, bringing: Bringing, person: Person) -> str:
    async with city.database.write() as session:
        work = city.making.work(session, bringing.actor)
        return (await claiming.slip(work, person.id)).code


async def agree_and_answer_the_rest(phone: Phone, *, phone_asked: bool = False) -> None:
    """From the language to the summary: only what nobody knew is asked."""
    await phone.press("简体中文")
    await phone.press("我同意")
    if phone_asked:
        await phone.sees("用哪个手机号联系你")
        await phone.press("分享我的手机号")
    await phone.sees("什么时候有空")
    await phone.press("周末")
    await phone.press("选好了")
    await phone.sees("哪些语言和方言")
    await phone.press("普通话")
    await phone.press("选好了")
    await phone.sees("紧急情况")
    await phone.press("不用")
    await phone.sees("请核对一下")
    await phone.press("没问题，注册")


async def is_the_same(city: City, phone: Phone, before: Person) -> None:
    """The same registration with what it had, agreed to, in this chat."""
    after = await city.person(phone)
    assert (after.id, after.number, after.standing) == (before.id, before.number, Standing.ACTIVE)
    async with city.database.read() as session:
        given = await session.scalars(select(Consent.kind).where(Consent.person_id == after.id))
        assert ConsentKind.PRIVACY in given.all()
        one = await session.get_one(Imported, after.id)
        assert one.claimed_at and one.code_hash is None
    await phone.say("/record")
    await phone.sees("3.5")


async def by_link(city: City, phone: Phone, code: str) -> None:
    await phone.open(f"https://t.me/{USERNAME}?start=c-{code}")


async def by_typing(city: City, phone: Phone, code: str) -> None:
    await phone.say("/claim")
    await phone.sees("请输入纸条上的编码")
    await phone.say(grouped(code).lower())


@pytest.mark.parametrize("way", [by_link, by_typing])
async def test_a_slip_leads_to_the_registration_with_its_number_and_hours(
    city: City, way: Callable[[City, Phone, str], Awaitable[None]]
) -> None:
    bringing, before = await imported(city)
    code = await code_for(city, bringing, before)
    chen, thief = city.stranger("陈晓丽"), city.stranger("贾人")
    await way(city, chen, code)
    await chen.sees("你是陈晓丽吗")
    await chen.press("是我")
    await agree_and_answer_the_rest(chen)
    await chen.sees("编号还是")
    await is_the_same(city, chen, before)
    await by_link(city, thief, code)
    await thief.sees("编码不对、已用过或已过期")
    async with city.database.write() as session:
        with pytest.raises(Gone):
            await claiming.slip(city.making.work(session, bringing.actor), before.id)


async def sign_up_to_the_phone(phone: Phone, name: str = "陈晓丽") -> None:
    await phone.start()
    await phone.press("注册志愿者")
    await phone.press("简体中文")
    await phone.press("我同意")
    await phone.sees("你叫什么名字")
    await phone.say(name)
    await phone.sees("出生日期")
    await phone.say("1949-12-31")
    await phone.press("对，没错")
    await phone.sees("用哪个手机号联系你")


async def test_who_shares_the_phone_that_is_known_is_known(city: City) -> None:
    _, before = await imported(city)
    chen = city.stranger("陈晓丽", phone_number=f"86{CHEN[1]}")
    thief = city.stranger("贾人")
    await sign_up_to_the_phone(thief, "贾人")
    await thief.say(CHEN[1])
    await thief.sees("有组织登记过这个号码")
    await sign_up_to_the_phone(chen)
    await chen.press("分享我的手机号")
    await chen.sees("我们早就认识你")
    await chen.press("接着填")
    await agree_and_answer_the_rest(chen)
    await chen.sees("编号还是")
    await is_the_same(city, chen, before)
    assert (await city.person(chen)).phone_verified


async def test_a_known_id_number_asks_for_the_code(city: City) -> None:
    bringing, before = await imported(city, ("陈晓丽", "", OLD, ""))
    async with city.database.write() as session:
        work = city.making.work(session)
        with pytest.raises(Exception, match="signup_id_waits"):
            await claiming.meet_by_id_number(work, OLD)
    chen = city.stranger("陈晓丽")
    await by_link(city, chen, await code_for(city, bringing, before))
    await chen.press("是我")
    await agree_and_answer_the_rest(chen, phone_asked=True)
    await chen.sees("编号还是")
    after = await city.person(chen)
    assert after.id == before.id and after.id_number == OLD and after.phone_verified


async def test_guessing_codes_is_stopped(city: City) -> None:
    bringing, before = await imported(city)
    code = await code_for(city, bringing, before)
    thief = city.stranger("贾人")
    await thief.say("/claim")
    for number in range(city.policy.claim_guesses):
        await thief.say(f"WRNG-WRNG-WRN{number + 2}")
        await thief.sees("编码不对、已用过或已过期")
    await thief.say(code)
    await thief.sees("输错太多次了")
    city.clock.forward(hours=1, minutes=1)
    await thief.say(code)
    await thief.sees("你是陈晓丽吗")


async def test_codes_run_out_stay_the_same_on_paper_and_belong_to_one_town(city: City) -> None:
    bringing, before = await imported(city)
    async with city.database.write() as session:
        work = city.making.work(session, bringing.actor)
        (first,) = await claiming.slips(work, 1)
        (again,) = await claiming.slips(work, 1)
        assert first == again and first.code == code_of(before.id, 1)
        one = await session.get_one(Imported, before.id, populate_existing=True)
        assert one.code_hash and first.code not in one.code_hash
    other = await city.making.coordinator("何小榄", organisation="zs-xiaolan")
    async with city.database.write() as session:
        work = city.making.work(session, other)
        for refused in (claiming.slips(work, 1), claiming.slip(work, before.id)):
            with pytest.raises(NotAllowed):
                await refused
    city.clock.forward(days=city.policy.claim_days + 1)
    chen = city.stranger("陈晓丽")
    await by_link(city, chen, first.code)
    await chen.sees("已过期")
    async with city.database.write() as session:
        (fresh,) = await claiming.slips(city.making.work(session, bringing.actor), 1)
    assert fresh.code != first.code


async def test_no_town_prints_slips_of_people_who_have_left_it(city: City) -> None:
    bringing, before = await imported(city)
    elsewhere = await city.making.organisation("zs-xiaolan")
    async with city.database.write() as session:
        (await session.get_one(Person, before.id)).organisation_id = elsewhere.id
    async with city.database.write() as session:
        work = city.making.work(session, bringing.actor)
        assert await claiming.slips(work, 1) == []
        assert await claiming.waiting(work, 1) == 0


async def test_a_text_message_with_the_code_goes_out_once_to_who_was_told(city: City) -> None:
    async with Endpoint() as endpoint:
        city.channels = ChannelSettings(urls={"sms": endpoint.url("sms", "{phone}")})
        await city.start_again()
        bringing, before = await imported(city, CHEN, texts=True, told=True)
        await bringing.bring(VOLUNTEERS, written(HEAD, CHEN), texts=True, told=True)
        await city.settle()
        for _ in range(2):
            await city.program.other_channels.turn()
        (sent,) = endpoint.came
        assert sent[0] == "/sms/+8613912345678"
        found = re.search(r"[A-Z2-9]{4}(-[A-Z2-9]{4}){2}", str(sent))
        assert found and found.group() == grouped(code_of(before.id, 1))
    async with city.database.read() as session:
        accounts = await session.scalars(select(Account.person_id))
        assert before.id not in accounts.all()

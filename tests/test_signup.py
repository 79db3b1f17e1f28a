"""A stranger becomes a volunteer: the form, its wrong turns, guardians, approval, accounts."""

import pytest
from sqlalchemy import func, select

from models import Account, Consent, Guardian, Organisation, Person, RoleKind, Standing
from playground import Phone
from playground.phone import labels
from tests.city import City

SHIQI = (22.5302, 113.3792)


async def until(city: City, phone: Phone, question: str) -> None:
    await phone.sees(question)


async def begin(city: City, name: str = "陈晓丽") -> Phone:
    """Up to the question for the name."""
    phone = city.stranger(name)
    await phone.start()
    await phone.press("注册志愿者")
    await phone.press("简体中文")
    await phone.press("我同意")
    await phone.sees("你叫什么名字")
    return phone


async def answer_birth(phone: Phone, day: str = "1990-05-01") -> None:
    await phone.sees("出生日期")
    await phone.say(day)
    await phone.press("对，没错")


async def answer_rest(phone: Phone) -> None:
    """From the place to the summary, the shortest way."""
    await phone.sees("你住在哪里")
    await phone.press("石岐街道")
    await phone.press("太平社区")
    await phone.sees("你会做什么")
    await phone.press("跳过")
    await phone.sees("哪些方面的服务")
    await phone.press("跳过")
    await phone.sees("什么时候有空")
    await phone.press("周末")
    await phone.press("选好了")
    await phone.sees("哪些语言和方言")
    await phone.press("普通话")
    await phone.press("选好了")
    await phone.sees("紧急情况")
    await phone.press("不用")
    await phone.sees("万一有事")
    await phone.press("跳过")
    await phone.sees("请核对一下")


async def fill_in(city: City, name: str = "陈晓丽", birth: str = "1990-05-01") -> Phone:
    """Up to the summary."""
    phone = await begin(city, name)
    await phone.say(name)
    await answer_birth(phone, birth)
    await phone.sees("用哪个手机号联系你")
    await phone.press("分享我的手机号")
    await answer_rest(phone)
    return phone


async def test_a_stranger_signs_up_and_gets_a_number_and_a_card(city: City) -> None:
    chen = await begin(city)
    await chen.say("陈晓丽")
    await answer_birth(chen)
    await chen.sees("用哪个手机号联系你")
    await chen.press("分享我的手机号")
    await chen.sees("你住在哪里")
    await chen.share_location(22.5361, 113.3741)
    await chen.sees("离你最近的是太平社区")
    await chen.press("对，没错")
    await chen.sees("你会做什么")
    await chen.say("jijiu")
    await chen.press("急救")
    await chen.wait(lambda m: any("✅ 急救" in label for label in labels(m)))
    await chen.press("选好了")
    await chen.sees("哪些方面的服务")
    await chen.say("关爱自然")
    await chen.press("关爱自然")
    await chen.wait(lambda m: any("✅" in label for label in labels(m)))
    await chen.press("选好了")
    await chen.sees("什么时候有空")
    await chen.press("周六 上午")
    await chen.wait(lambda m: "✅ 周六 上午" in labels(m))
    await chen.press("选好了")
    await chen.sees("哪些语言和方言")
    await chen.say("yueyu")
    await chen.press("粤语")
    await chen.wait(lambda m: any("✅ 粤语" in label for label in labels(m)))
    await chen.press("选好了")
    await chen.sees("紧急情况")
    await chen.press("可以，召集我")
    await chen.sees("不方便接到召集")
    await chen.say("22:00-7:00")
    await chen.sees("22:00 到 07:00 我们不打扰你")
    await chen.press("可以，人命关天时叫我")
    await chen.sees("万一有事")
    await chen.say("陈大明")
    await chen.sees("陈大明的电话")
    await chen.say("13900001111")
    summary = await chen.sees("请核对一下")
    assert "••••" in summary.text and "周六 上午" in summary.text and "22:00" in summary.text
    assert chen.person.phone_number[-8:] not in summary.text
    await chen.press("没问题，注册")
    await chen.sees("你已经是注册志愿者了")
    person = await city.person(chen)
    assert person.standing is Standing.ACTIVE
    assert person.number is not None and person.number.startswith("ZS")
    assert (person.latitude, person.longitude) == (22.536, 113.374)
    assert person.home == {"latitude": 22.5361, "longitude": 113.3741}
    assert (person.call_from, person.call_until) == (22 * 60, 7 * 60)
    assert person.phone_verified
    async with city.database.read() as session:
        kinds = set(await session.scalars(select(Consent.kind)))
    assert {kind.value for kind in kinds} == {"privacy", "emergency", "any_hour"}
    await chen.press("志愿者证")
    card = await chen.wait(lambda m: m.photo is not None)
    assert card.protected
    li = city.stranger("李雷")
    await li.scan(card)
    shown = await li.sees("志愿者证真实有效")
    assert "陈**" in shown.text and "陈晓丽" not in shown.text


async def test_somebody_signs_up_in_english(city: City) -> None:
    smith = city.stranger("Smith", language_code="en")
    await smith.start()
    await smith.press("Sign up")
    await smith.sees("Which language shall we speak?")
    await smith.press("English")
    await smith.press("I agree")
    await smith.sees("What is your name")
    await smith.say("John Smith")
    await smith.sees("When were you born")
    await smith.say("8 March 1985")
    await smith.press("Yes, that's right")
    await smith.sees("Which phone number")
    await smith.say("+44 20 7946 0958")
    await smith.sees("Where do you live")
    await smith.say("dongqu")
    await smith.press("Dongqu Subdistrict")
    await smith.press("Qiwan Community")
    await smith.sees("What can you do")
    await smith.press("Skip")
    await smith.sees("What would you like to help with")
    await smith.press("Skip")
    await smith.sees("When are you usually free")
    await smith.press("Any time")
    await smith.press("Done")
    await smith.sees("Which languages")
    await smith.press("English")
    await smith.wait(lambda m: "✅ English" in labels(m))
    await smith.press("Done")
    await smith.sees("emergencies")
    await smith.press("No")
    await smith.sees("Whom should we call")
    await smith.press("Skip")
    await smith.sees("Is everything right?")
    await smith.press("All right, sign me up")
    await smith.sees("Welcome, John Smith!")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("陈", "至少要 2 个字"),
        ("陈123", "这不像姓名"),
        ("a" * 40, "最多 32 个"),
    ],
)
async def test_a_wrong_name_gets_its_own_answer(city: City, typed: str, answer: str) -> None:
    chen = await begin(city)
    await chen.say(typed)
    await chen.sees(answer)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("去年", "没看懂这个日期"),
        ("1990-02-30", "日历上没有这一天"),
        ("3月8日", "好几种理解"),
        ("2030-01-01", "还没到"),
        ("1890-01-01", "年份太早"),
        ("2020-01-01", "要年满 8 岁"),
    ],
)
async def test_a_wrong_birth_date_gets_its_own_answer(city: City, typed: str, answer: str) -> None:
    chen = await begin(city)
    await chen.say("陈晓丽")
    await chen.sees("出生日期")
    await chen.say(typed)
    await chen.sees(answer)


async def test_other_wrong_answers_get_their_own_words(city: City) -> None:
    chen = await begin(city)
    await chen.send_voice(b"OggS....")
    await chen.sees("请用文字回答")
    await chen.say("陈晓丽")
    await answer_birth(chen)
    await chen.sees("用哪个手机号联系你")
    await chen.say("12345")
    await chen.sees("电话号码不对")
    await chen.share_contact("+8613900009999", user_id=None)
    await chen.sees("这是别人的名片")
    await chen.say("138 0013 8000")
    await chen.sees("你住在哪里")
    await chen.share_location(39.9, 116.4)
    await chen.sees("都很远")
    await chen.say("不存在的地方")
    await chen.sees("没有找到")
    await chen.press("石岐街道")
    await chen.press("都不是，只选镇街")
    await chen.sees("你会做什么")
    await chen.say("飞碟驾驶")
    await chen.sees("没有找到“飞碟驾驶”")
    await chen.press("跳过")
    await chen.sees("哪些方面的服务")
    await chen.press("跳过")
    await chen.sees("什么时候有空")
    await chen.say("周末吧")
    await chen.sees("请点下面的按钮选择")
    await chen.press("选好了")
    await chen.sees("请至少选 1 项")
    await chen.press("随时都行")
    await chen.press("选好了")
    await chen.sees("哪些语言和方言")
    await chen.press("选好了")
    await chen.sees("请至少选 1 项")
    await chen.press("普通话")
    await chen.press("选好了")
    await chen.sees("紧急情况")
    await chen.press("可以，召集我")
    await chen.sees("不方便接到召集")
    await chen.say("晚上别打")
    await chen.sees("请写成这样的时段")


async def test_without_consent_nothing_is_kept(city: City) -> None:
    chen = city.stranger("陈晓丽")
    await chen.start()
    await chen.press("注册志愿者")
    await chen.press("简体中文")
    await chen.sees("你同意吗")
    await chen.press_data("f:consent:pick:no")
    await chen.sees("没有你的同意")
    async with city.database.read() as session:
        assert await session.scalar(select(func.count(Person.id))) == 0


async def test_back_and_corrections_at_the_summary_lose_nothing(city: City) -> None:
    chen = await fill_in(city)
    await chen.press("✏️ 姓名")
    await chen.sees("你叫什么名字")
    await chen.say("陈晓莉")
    await chen.sees("陈晓莉")
    await chen.press("✏️ 服务意向")
    await chen.sees("哪些方面的服务")
    await chen.press("返回")
    await chen.sees("请核对一下")
    await chen.press("没问题，注册")
    await chen.sees("欢迎你，陈晓莉")


async def test_a_form_that_was_stopped_goes_on_at_the_same_question(city: City) -> None:
    chen = await begin(city)
    await chen.say("陈晓丽")
    await chen.sees("出生日期")
    await chen.press("先停下")
    await chen.say("/menu")
    await chen.press("继续上次没填完的")
    await chen.sees("出生日期")


async def test_a_minor_is_registered_once_the_guardian_agrees_from_their_own_chat(
    city: City,
) -> None:
    wei = await begin(city, "陈小伟")
    await wei.say("陈小伟")
    await answer_birth(wei, "2012-06-01")
    await wei.sees("监护人叫什么名字")
    await wei.say("陈大明")
    await wei.sees("监护人的手机号")
    await wei.say("13900001111")
    await wei.press("分享我的手机号")
    await answer_rest(wei)
    await wei.press("没问题，注册")
    screen = await wei.sees("需要监护人用自己的")
    link = next(word for word in screen.text.split() if word.startswith("https://t.me/"))
    await wei.open(link)
    await wei.sees("请把链接发给监护人")
    await wei.say("/foryou")
    await wei.sees("还差监护人的同意")
    father = city.stranger("陈大明")
    await father.open(link)
    await father.sees("陈小伟想成为志愿者")
    await father.press("我同意")
    await father.sees("已经告诉陈小伟")
    await city.settle()
    await wei.sees("监护人已同意")
    person = await city.person(wei)
    assert person.standing is Standing.ACTIVE
    async with city.database.read() as session:
        guardian = (await session.scalars(select(Guardian))).one()
    assert guardian.confirmed_by_telegram_id == father.id and guardian.phone == "+8613900001111"
    await father.open(link)
    await father.sees("代码已失效")


async def set_organisation(city: City, **values: object) -> None:
    async with city.database.write() as session:
        organisation = (
            await session.scalars(select(Organisation).where(Organisation.code == "zs-shiqi"))
        ).one()
        for name, value in values.items():
            setattr(organisation, name, value)


async def test_where_the_organisation_approves_the_coordinator_gets_a_card(city: City) -> None:
    await set_organisation(city, approves_registrations=True)
    wang, li = await city.coordinator("王强"), await city.coordinator("李敏")
    chen = await fill_in(city)
    await chen.press("没问题，注册")
    await chen.sees("注册申请已提交")
    await city.settle()
    card = await wang.sees("新的注册申请")
    assert "陈晓丽" in card.text
    await li.sees("新的注册申请")
    await wang.press("通过")
    await wang.sees("没有待审核的申请")
    await city.settle()
    await chen.sees("你已经是注册志愿者了")
    await li.sees("王强已通过陈晓丽的注册")
    stranger = await city.coordinator("外镇", organisation="zs-guzhen")
    await stranger.say("/menu")
    await stranger.sees("你好")
    answer = await stranger.press_data(f"approve:{(await city.person(chen)).id}")
    assert "没有这项操作的权限" in answer.text


async def test_a_refused_applicant_learns_why_and_may_apply_again(city: City) -> None:
    await set_organisation(city, approves_registrations=True)
    wang = await city.coordinator("王强")
    chen = await fill_in(city)
    await chen.press("没问题，注册")
    await city.settle()
    await wang.sees("新的注册申请")
    await wang.press("不通过")
    await wang.sees("申请人会看到")
    await wang.say("请补充真实姓名")
    await city.settle()
    await chen.sees("请补充真实姓名")
    await chen.press("注册志愿者")
    await chen.sees("我们用哪种语言")


async def test_the_id_number_is_asked_only_where_the_organisation_wants_it(city: City) -> None:
    await set_organisation(city, asks_id_number=True)
    chen = await begin(city)
    await chen.say("陈晓丽")
    await answer_birth(chen, "1990-03-07")
    await chen.press("分享我的手机号")
    await chen.sees("你住在哪里")
    await chen.press("石岐街道")
    await chen.press("太平社区")
    for question, press in (("你会做什么", "跳过"), ("哪些方面", "跳过")):
        await chen.sees(question)
        await chen.press(press)
    await chen.sees("什么时候有空")
    await chen.press("随时都行")
    await chen.press("选好了")
    await chen.sees("哪些语言")
    await chen.press("普通话")
    await chen.press("选好了")
    await chen.sees("紧急情况")
    await chen.press("不用")
    await chen.sees("万一有事")
    await chen.press("跳过")
    await chen.sees("身份证号")
    await chen.say("110101199003074513")
    await chen.sees("身份证号不对")
    await chen.say("11010519491231002X")
    await chen.sees("和你填的出生日期对不上")
    await chen.say("110101199003070492")
    summary = await chen.sees("请核对一下")
    assert "0492" in summary.text and "19900307" not in summary.text
    await chen.press("没问题，注册")
    await chen.sees("你已经是注册志愿者了")
    assert (await city.person(chen)).id_number == "110101199003070492"


async def test_the_same_phone_on_a_second_account_moves_the_registration(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    phone = (await city.person(chen)).phone
    new = city.stranger("陈晓丽", phone_number=phone)
    await new.start()
    await new.press("注册志愿者")
    await new.press("简体中文")
    await new.press("我同意")
    await new.sees("你叫什么名字")
    await new.say("陈晓丽")
    await answer_birth(new)
    await new.sees("用哪个手机号联系你")
    await new.press("分享我的手机号")
    await new.sees("这个手机号已经注册过")
    await new.press("是我，转到这里")
    await new.sees("注册时用的是哪个手机号")
    await new.press("分享我的手机号")
    await new.sees("你的注册已转到这里")
    await city.catch_up()
    await chen.sees("已转到另一个 Telegram 账号")
    async with city.database.read() as session:
        assert await session.scalar(select(func.count(Person.id))) == 1
        owner = await session.scalar(
            select(Account.telegram_id).where(Account.person_id.is_not(None))
        )
    assert owner == new.id


async def test_a_typed_phone_of_somebody_else_takes_nothing_over(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    phone = str((await city.person(chen)).phone)
    thief = city.stranger("张三")
    await thief.say("/move")
    await thief.sees("注册时用的是哪个手机号")
    await thief.say(phone)
    await thief.sees("已经在你的旧聊天里问过了")
    await city.settle()
    await chen.sees("是你本人吗")
    await chen.press("不是我")
    await chen.sees("什么都没有改动")
    assert (await city.person(chen)).name == "陈晓丽"


async def test_the_owner_may_allow_the_move_from_the_old_chat(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    new = city.stranger("陈晓丽")
    await new.say("/move")
    await new.sees("注册时用的是哪个手机号")
    await new.say(str((await city.person(chen)).phone))
    await city.settle()
    await chen.sees("是你本人吗")
    await chen.press("是我，转过去")
    await city.settle()
    await new.sees("欢迎回来")
    assert (await city.person(new)).name == "陈晓丽"


async def test_who_has_signed_up_does_not_sign_up_twice(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/signup")
    await chen.sees("你已经注册过了")


async def test_a_stranger_goes_on_where_the_link_led_after_signing_up(city: City) -> None:
    wang = await city.coordinator("王强", role=RoleKind.COORDINATOR)
    activity = await city.making.activity(await city.person(wang))
    await city.making.shift(activity)
    chen = city.stranger("陈晓丽")
    await chen.open(f"https://t.me/muster_test_bot?start=a-{activity.id}")
    await chen.sees("注册志愿者才能使用")
    await chen.press("注册志愿者")
    await chen.press("简体中文")
    await chen.press("我同意")
    await chen.sees("你叫什么名字")
    await chen.say("陈晓丽")
    await answer_birth(chen)
    await chen.sees("用哪个手机号")
    await chen.press("分享我的手机号")
    await answer_rest(chen)
    await chen.press("没问题，注册")
    await chen.press("继续刚才打开的内容")
    await chen.sees("河岸植树")

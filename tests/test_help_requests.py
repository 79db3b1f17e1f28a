"""Help asked for in chat or by telephone: told, matched, done, thanked, and seen by nobody else."""

from datetime import date

import pytest
from sqlalchemy import select

from models import (
    Account,
    Attendance,
    HelpAsk,
    HelpRequest,
    HelpState,
    HoursState,
    Message,
    Person,
    Recipient,
    Standing,
)
from models.sealed import keyring
from playground.phone import Phone, labels
from services import accounts, help_requests, personal_data
from services.errors import Gone, Refusal
from tests.caring import Care, seen
from tests.city import City
from tests.databases import ON_POSTGRESQL, ON_SQLITE

NAME, ADDRESS, PHONE = "黄伯", "民生路十二号", "+8613912349999"
SECRETS = (NAME, ADDRESS, PHONE, "13912349999", "买降压药")


def knows(phone: Phone) -> list[str]:
    return [one for one in SECRETS if one in seen(phone)]


async def asked(stranger: Phone) -> None:
    """Somebody who has never signed up asks for help."""
    await stranger.start()
    await stranger.press("我要求助")
    await stranger.sees("需要哪种帮助")
    await stranger.press("买菜跑腿")
    await stranger.press("邻居")
    await stranger.say(NAME)
    await stranger.sees("要帮什么忙")
    await stranger.say("买降压药")
    await stranger.press("今天")
    await stranger.sees("在哪儿")
    await stranger.share_location(22.527, 113.377)
    await stranger.press("没错")
    await stranger.say(ADDRESS)
    await stranger.sees("回电打哪个号码")
    await stranger.say("13912349999")
    await stranger.sees("核对")
    await stranger.press("发出求助")
    await stranger.sees("求助已收到")


async def request_of(city: City) -> HelpRequest:
    async with city.database.read() as session:
        newest = select(HelpRequest).order_by(HelpRequest.id.desc()).limit(1)
        return (await session.scalars(newest)).one()


async def test_a_stranger_asks_and_a_volunteer_helps_and_is_thanked(city: City) -> None:
    wang = await city.coordinator("王强")
    other = await city.coordinator("陈小榄", organisation="zs-xiaolan")
    chen, zhao = [await city.volunteer(name) for name in ("陈晓丽", "赵远")]
    hua = city.stranger("华仔")
    await asked(hua)
    await city.catch_up()
    await wang.sees("有人求助")
    assert knows(wang) == []
    await wang.press("去处理")
    shown = await wang.sees(ADDRESS)
    assert shown.protected and set(SECRETS[:3]) <= set(knows(wang))
    request = await request_of(city)
    await other.say("/menu")
    await other.sees("你好")
    assert "权限" in (await other.press_data(f"help.look:{request.id}")).text
    await wang.press("问问志愿者")
    assert any("陈晓丽" in one for one in labels(await wang.sees("住得近的人")))
    await wang.press("陈晓丽")
    await wang.press("赵远")
    await wang.press("选好了")
    await city.catch_up()
    for phone in (chen, zhao):
        await phone.sees("你附近有人需要帮忙")
        assert knows(phone) == []
        assert "过期" in (await phone.press_data(f"help.card:{request.id}")).text
    await zhao.press("我不方便")
    await chen.press("我可以")
    await chen.sees("管理员选定后")
    await city.catch_up()
    assert knows(chen) == [], "agreeing is not being chosen"
    await wang.sees("陈晓丽 可以帮忙")
    await wang.press("去处理")
    await wang.press("让 陈晓丽 去")
    await city.catch_up()
    assert ADDRESS in (await chen.sees("就请你去了")).words and knows(zhao) == []
    await hua.sees("陈晓丽 会来帮你")
    await chen.press("办好了")
    await chen.press("30分钟")
    await chen.sees("已提交 30分钟")
    await city.settle()
    await chen.wait_until(lambda: ADDRESS not in seen(chen))
    await hua.sees("事情办好了吗")
    await hua.press("办好了，谢谢！")
    await hua.sees("谢意已经带到")
    await city.settle()
    await chen.sees("有人衷心感谢你")
    await hua.press_data(f"help.thank:{request.id}")
    await city.catch_up()
    assert seen(chen).count("有人衷心感谢你") == 1, "thanks go out once"
    async with city.database.read() as session:
        (hours,) = await session.scalars(select(Attendance))
        parameters = [str(one) for one in await session.scalars(select(Message.parameters))]
    assert hours.minutes == 30
    assert not [one for one in SECRETS if any(one in words for words in parameters)]


async def test_what_was_not_done_is_open_again_and_waiting_is_told_once(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    hua = city.stranger("华仔")
    await asked(hua)
    request = await request_of(city)
    await city.forward(hours=4, minutes=1)
    await wang.sees("还有一条求助没人处理")
    await wang.press("去处理")
    await wang.sees(ADDRESS)
    await city.forward(hours=4)
    assert seen(wang).count("还有一条求助没人处理") == 1
    helper = await city.person(chen)
    async with city.database.write() as session:
        work = await Care(city).work_of(wang, session)
        await help_requests.ask_volunteers(work, request.id, [helper.id])
        mine = await Care(city).work_of(chen, session)
        await help_requests.answer(mine, request.id, yes=True)
        await help_requests.choose(work, request.id, helper.id)
        with pytest.raises(Refusal):
            await help_requests.choose(work, request.id, helper.id)
        await help_requests.done(mine, request.id, 20, "九月")
    await city.settle()
    await hua.press("还没有")
    await hua.sees("重新打开")
    await city.settle()
    await wang.sees("还没办好")
    assert (await request_of(city)).state is HelpState.OPEN
    await hua.say("/helpme")
    await hua.press("不需要了")
    await hua.sees("不会有人上门")
    await city.settle()
    await wang.sees("不需要了")
    assert (await request_of(city)).state is HelpState.CANCELLED
    await city.forward(days=91)
    assert (await request_of(city)).details is None
    await wang.wait_until(lambda: knows(wang) == [])


@ON_SQLITE
async def test_who_withdraws_gives_back_what_they_promised_and_undone_hours_are_none(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    chen, zhao = [await city.volunteer(name) for name in ("陈晓丽", "赵远")]
    child = await city.person(await city.volunteer("小明", birth_date=date(2012, 1, 1)))
    hua = city.stranger("华仔")
    await asked(hua)
    request = await request_of(city)
    helpers = [await city.person(one) for one in (chen, zhao)]
    async with city.database.write() as session:
        work = await Care(city).work_of(wang, session)
        for key in (child.id, work.person.id):
            with pytest.raises(Gone):
                await help_requests.ask_volunteers(work, request.id, [key])
        await help_requests.ask_volunteers(work, request.id, [one.id for one in helpers])
        for phone in (chen, zhao):
            mine = await Care(city).work_of(phone, session)
            await help_requests.answer(mine, request.id, yes=True)
        mine.person.standing = Standing.WITHDRAWN
        with pytest.raises(Gone):
            await help_requests.choose(work, request.id, helpers[1].id)
        await help_requests.choose(work, request.id, helpers[0].id)
    await city.settle()
    assert ADDRESS in seen(chen)
    async with city.database.write() as session:
        (await Care(city).work_of(chen, session)).person.standing = Standing.WITHDRAWN
    await city.forward(minutes=11)
    await chen.wait_until(lambda: knows(chen) == [])
    assert (await request_of(city)).state is HelpState.OPEN
    async with city.database.write() as session:
        mine = await Care(city).work_of(chen, session)
        mine.person.standing = Standing.ACTIVE
        await help_requests.ask_volunteers(
            await Care(city).work_of(wang, session), request.id, [helpers[0].id]
        )
        await help_requests.answer(mine, request.id, yes=True)
        work = await Care(city).work_of(wang, session)
        await help_requests.choose(work, request.id, helpers[0].id)
        await help_requests.done(mine, request.id, 20, "十一月")
        row = await session.get_one(HelpRequest, request.id)
        account = await session.get_one(Account, row.account_id)
        await help_requests.say_whether_done(mine, account, request.id, done=False)
        (attendance,) = await session.scalars(select(Attendance))
        await session.refresh(attendance)
        assert attendance.state is HoursState.REJECTED
        assert (row.attendance_id, row.minutes) == (None, None)


@ON_SQLITE
async def test_who_asked_before_they_signed_up_is_forgotten_with_what_they_asked(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    he = await city.volunteer("何姨")
    asker = await city.person(he)
    said = help_requests.Asked(
        asker.organisation_id, help_requests.HelpKind.REPAIR, help_requests.HelpFor.MYSELF,
        NAME, "修灯", "今天", ADDRESS, PHONE,
    )  # fmt: skip
    async with city.database.write() as session:
        mine = await Care(city).work_of(he, session)
        account = await accounts.of_person(mine, asker.id)
        request = await help_requests.ask(mine, account, said)
        request.person_id = None
        mine.person.phone_hash, mine.person.phone_verified = keyring().fingerprint(PHONE), False
    await city.settle()
    await wang.press("去处理")
    await wang.sees(ADDRESS)
    async with city.database.write() as session:
        called = await help_requests.take_call(await Care(city).work_of(wang, session), said)
        assert called.person_id is None, "a number that nobody has shown to be theirs"
        await help_requests.cancel_for(await Care(city).work_of(wang, session), called.id)
        mine = await Care(city).work_of(he, session)
        assert len((await personal_data.everything_about(mine))["help_asked_for"]) == 1
        await personal_data.forget(mine)
        request = await session.get_one(HelpRequest, request.id)
        assert (request.details, request.account_id) == (None, None)
    await city.settle()
    await wang.wait_until(lambda: ADDRESS not in wang.screen.words)


async def test_one_chat_cannot_flood_the_coordinators(city: City) -> None:
    hua = city.stranger("华仔")
    await asked(hua)
    async with city.database.write() as session:
        (first,) = await session.scalars(select(HelpRequest))
        for _ in range(2):
            session.add(
                HelpRequest(
                    organisation_id=first.organisation_id, account_id=first.account_id,
                    kind=first.kind, whom=first.whom, details={}, state=HelpState.OPEN,
                    asked_at=city.clock(),
                )
            )  # fmt: skip
    await hua.say("/helpme")
    await hua.press("再发一条求助")
    assert "已求助 3 次" in (await hua.press_data("help.ask")).text
    city.clock.forward(hours=24, seconds=1)
    await hua.press("再发一条求助")
    await hua.sees("需要哪种帮助")


async def test_a_coordinator_notes_a_call_and_is_reminded_to_call_back(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await wang.say("/care")
    await wang.press("记录来电")
    await wang.say("139 1234 9999")
    await wang.press("陪伴聊天")
    await wang.press("我自己")
    await wang.say(NAME)
    await wang.sees("要帮什么忙")
    await wang.say("想找人说说话")
    await wang.press("不着急")
    await wang.sees("在哪儿")
    await wang.press("石岐街道")
    await wang.press("都不是")
    await wang.say(ADDRESS)
    await wang.sees("核对")
    await wang.press("发出求助")
    await wang.sees("每一步请打电话")
    request = await request_of(city)
    helper = await city.person(chen)
    async with city.database.write() as session:
        work = await Care(city).work_of(wang, session)
        await help_requests.ask_volunteers(work, request.id, [helper.id])
        mine = await Care(city).work_of(chen, session)
        await help_requests.answer(mine, request.id, yes=True)
        await help_requests.choose(work, request.id, helper.id)
    await city.settle()
    call = await wang.sees("请给 黄伯 回个电话")
    assert PHONE in call.words and "陈晓丽 会去帮忙" in call.words
    caller = await city.volunteer("何姨")
    async with city.database.write() as session:
        person = await session.get_one(Person, (await city.person(caller)).id)
        person.phone = "+8613912348888"
        person.phone_hash = keyring().fingerprint(person.phone)
        work = await Care(city).work_of(wang, session)
        said = help_requests.Asked(
            request.organisation_id, request.kind, request.whom, "何姨", "修水管", "今天",
            "孙文路", "+8613912348888",
        )  # fmt: skip
        await help_requests.take_call(work, said)
    await city.settle()
    await caller.sees("求助已收到，正在找人帮忙")
    await caller.say("/helpme")
    await caller.sees("我的求助")


@ON_SQLITE
async def test_a_request_becomes_a_file_or_an_activity(city: City) -> None:
    wang = await city.coordinator("王强")
    hua = city.stranger("华仔")
    await asked(hua)
    await city.settle()
    await wang.press("去处理")
    await wang.press("建立档案")
    await wang.press("独居老人")
    await wang.sees("住在哪一片")
    await wang.share_location(22.527, 113.377)
    await wang.press("没错")
    await wang.sees("谁同意建立档案")
    await wang.press("本人")
    await wang.sees("核对")
    await wang.press("保存档案")
    await wang.sees("小组里还没有人")
    await city.settle()
    await hua.sees("志愿者小组定期上门")
    request = await request_of(city)
    async with city.database.read() as session:
        (recipient,) = await session.scalars(select(Recipient))
    assert request.state is HelpState.MATCHED and request.recipient_id == recipient.id
    activity = await city.making.activity(await city.person(wang), "义剪进社区")
    await city.making.shift(activity)
    hua = city.stranger("阿明")
    await asked(hua)
    await city.settle()
    await wang.press("去处理")
    await wang.press("策划活动")
    await wang.sees("领域")
    await wang.say("/care")
    await wang.press("求助")
    await wang.press("🛒")
    await wang.press("归入活动")
    await wang.press("义剪进社区")
    await city.settle()
    await hua.sees("义剪进社区")
    await wang.press("办好了")
    await city.settle()
    await hua.sees("事情办好了吗")


@ON_POSTGRESQL
async def test_who_leaves_gives_back_what_they_promised(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    he = await city.volunteer("何姨")
    await he.say("/helpme")
    await he.sees("需要哪种帮助")
    helper, asker = await city.person(chen), await city.person(he)
    async with city.database.write() as session:
        mine = await Care(city).work_of(he, session)
        account = await accounts.of_person(mine, asker.id)
        said = help_requests.Asked(
            asker.organisation_id, help_requests.HelpKind.REPAIR, help_requests.HelpFor.MYSELF,
            NAME, "修灯", "今天", ADDRESS, PHONE,
        )  # fmt: skip
        request = await help_requests.ask(mine, account, said)
        work = await Care(city).work_of(wang, session)
        await help_requests.ask_volunteers(work, request.id, [helper.id])
        theirs = await Care(city).work_of(chen, session)
        await help_requests.answer(theirs, request.id, yes=True)
        await help_requests.choose(work, request.id, helper.id)
    async with city.database.write() as session:
        theirs = await Care(city).work_of(chen, session)
        assert len((await personal_data.everything_about(theirs))["help_asked_of_me"]) == 1
        await personal_data.forget(theirs)
    assert (await request_of(city)).state is HelpState.OPEN
    async with city.database.write() as session:
        mine = await Care(city).work_of(he, session)
        handed = await personal_data.everything_about(mine)
        assert handed["help_asked_for"][0]["details"]["address"] == ADDRESS
        await personal_data.forget(mine)
        assert list(await session.scalars(select(HelpAsk))) == []
    assert (await request_of(city)).details is None

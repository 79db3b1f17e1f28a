"""Call-outs in chat, from declaring to everyone home, on the playground's phones."""

from datetime import date

import pytest

from models import CalloutState, ResponseState, RoleKind
from services import mobilising
from tests.city import City
from tests.emergencies import FAR, RALLY, Emergency


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def test_a_callout_from_the_red_button_until_everyone_is_home(emergency: Emergency) -> None:
    city = emergency.city
    li = await emergency.volunteer("李雷")
    smith = await emergency.volunteer("Jane Smith", language="en", north=0.01)
    await emergency.declare()
    call = await li.sees("需要你")
    assert call.words.startswith("🌀 台风") and "周明" in call.words
    await smith.sees("You are needed")
    await li.press("15 分钟")
    await li.sees("我们 10:15 等你")
    await smith.press("I cannot")
    await smith.sees("May we know why?")
    await smith.press("I am at work")
    await smith.sees("I am at work")
    await city.forward(seconds=2)
    board = await emergency.zhou.sees("第 1 批：通知 2 人")
    assert "李雷 · 10:15" in board.words and "无法前往 1" in board.words

    city.clock.forward(minutes=12)
    await li.press("我到了")
    await li.share_location(*FAR)
    await li.sees("你离集结点还有")
    await li.share_location(*RALLY)
    await li.sees("你已到现场")
    await city.forward(seconds=2)
    await emergency.zhou.press("清点：都平安吗")
    await li.sees("你平安吗")
    await city.forward(seconds=2)
    await emergency.zhou.sees("李雷还没有报平安")
    await li.press("我平安")
    await city.forward(seconds=2)
    assert "还没有报平安" not in (await emergency.zhou.sees("在场 1")).words

    await emergency.zhou.press("解除")
    await emergency.zhou.press("是的，解除")
    await li.sees("平安到家后请告诉我一声")
    await smith.sees("This call-out is over")
    await li.press("我已平安到家")
    await li.sees("你到家我们就放心了")
    assert await emergency.states() == {"home": 1, "cannot": 1}
    assert (await emergency.callout()).state is CalloutState.ENDED


async def test_a_drill_says_so_in_the_first_word_of_every_message(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    smith = await emergency.volunteer("Jane Smith", language="en")
    await emergency.declare(mode="演练")
    assert (await li.sees("需要你")).words.startswith("【演练】")
    assert (await smith.sees("You are needed")).words.startswith("DRILL")
    await li.press("30 分钟")
    assert (await li.sees("等你")).words.startswith("【演练】")
    await emergency.zhou.sees("演练已经开始")
    await emergency.zhou.press("解除")
    await emergency.zhou.press("是的，解除")
    assert (await smith.sees("over")).words.startswith("DRILL")


async def test_nothing_is_sent_before_the_right_word(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    word = await emergency.prepare_callout()
    await emergency.zhou.say("0000")
    await emergency.zhou.sees("数字不对，还没有发出")
    await emergency.city.catch_up()
    assert not li.messages and not await emergency.responses()
    await emergency.zhou.say(word)
    await li.sees("需要你")


async def test_when_enough_are_coming_the_others_read_that_they_need_not(
    emergency: Emergency,
) -> None:
    crowd = await emergency.crowd(12)
    await emergency.declare(quota="1")
    for phone in crowd[:3]:
        await phone.sees("需要你")
        await phone.press("15 分钟")
        await phone.sees("等你")
    await emergency.city.settle()
    states = await emergency.states()
    assert states["coming"] == 3 and states["released"] and not states["asked"]
    silent = crowd[3]
    await silent.sees("人手已经够了")
    await silent.press("我继续待命")
    await silent.sees("你在待命")


async def test_a_yes_when_it_is_full_stands_by_and_one_much_nearer_takes_over(
    emergency: Emergency,
) -> None:
    crowd = await emergency.crowd(12)
    await emergency.declare(quota="1")
    for phone, minutes in zip(crowd[:3], ("60 分钟", "30 分钟", "30 分钟"), strict=True):
        await phone.press(minutes)
        await phone.sees("等你")
    late, nearer = crowd[3], crowd[4]
    await late.press("60 分钟")
    await late.sees("你在待命")
    await nearer.press("15 分钟")
    await nearer.sees("等你")
    await crowd[0].sees("近得多的志愿者接手")


async def test_whoever_does_not_come_opens_the_place_again(emergency: Emergency) -> None:
    first, second, third = await emergency.crowd(3)
    await emergency.declare(quota="1")
    for phone in (first, second):
        await phone.press("15 分钟")
        await phone.sees("等你")
    await third.press("待命")
    await third.sees("你在待命")
    await emergency.city.forward(minutes=46)
    await first.sees("名额已让给别人")
    await third.sees("现在需要你")
    await third.press("15 分钟")
    await third.sees("等你")
    await first.press("我到了")
    await first.share_location(*RALLY)
    await first.sees("你已到现场")


async def test_nobody_is_asked_twice_and_nobody_is_forgotten_by_a_restart(
    emergency: Emergency,
) -> None:
    crowd = await emergency.crowd(5)
    await emergency.declare(quota="5")
    await emergency.city.start_again()
    await emergency.city.forward(seconds=10)
    await crowd[0].press("15 分钟")
    await crowd[0].sees("等你")
    await emergency.city.start_again()
    await emergency.city.forward(minutes=5)
    asked = await emergency.alarms()
    assert len(asked) == 5 and set(asked.values()) == {1}
    await emergency.city.start_again()
    await emergency.city.settle()
    await emergency.zhou.sees("林01 · 10:15")


async def test_a_large_one_needs_a_second_commander(emergency: Emergency) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", role=RoleKind.COMMANDER)
    li = await emergency.volunteer("李雷")
    await emergency.declare(quota="200")
    await emergency.zhou.sees("已请另一位指挥确认")
    assert not li.messages
    await wu.sees("周明请你确认这次召集")
    await wu.press("确认并召集")
    await li.sees("需要你")
    await city.settle()
    await wu.sees("第 1 批")
    await emergency.zhou.sees("第 1 批")


async def test_it_lapses_if_no_second_commander_confirms_in_time(emergency: Emergency) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", role=RoleKind.COMMANDER)
    li = await emergency.volunteer("李雷")
    await emergency.declare(quota="200")
    await wu.sees("周明请你确认这次召集")
    await city.forward(minutes=16)
    await emergency.zhou.sees("已作废，没有通知任何人")
    answer = await wu.press("确认并召集")
    assert answer is not None and "这次召集已结束" in (answer.text or "")
    assert not li.messages


async def test_without_a_second_commander_a_large_one_stays_a_draft(emergency: Emergency) -> None:
    await emergency.volunteer("李雷")
    await emergency.declare(quota="200")
    await emergency.zhou.sees("需要另一位指挥确认，可是这里没有")
    assert not await emergency.responses()


async def test_who_wants_to_be_left_alone_today_is_not_called_again(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare()
    await li.sees("需要你")
    await li.press("今天别再叫我")
    await li.sees("知道了")
    await emergency.zhou.press("解除")
    await emergency.zhou.press("是误报")
    await li.sees("误报")
    wang = await emergency.volunteer("王芳")
    await emergency.declare()
    await wang.sees("需要你")
    li_key = (await emergency.city.person(li)).id
    assert (await emergency.alarms())[li_key] == 1


async def test_who_was_called_today_is_called_after_others_as_near(emergency: Emergency) -> None:
    for number in range(80):
        await emergency.volunteer(f"林{number:02d}")
    await emergency.declare(quota="1")
    called = set(await emergency.responses())
    assert called
    await emergency.end()
    await emergency.declare(quota="1")
    asked = await emergency.alarms()
    assert called < set(asked) and len(asked) < 80
    assert set(asked.values()) == {1}


async def test_minors_sleepers_and_those_who_did_not_agree_are_not_called(
    emergency: Emergency,
) -> None:
    child = await emergency.volunteer("小明", birth_date=date(2010, 1, 1))
    asleep = await emergency.volunteer("夜班", call_from=9 * 60, call_until=17 * 60)
    never = await emergency.city.volunteer("不响应")
    li = await emergency.volunteer("李雷")
    await emergency.declare()
    await li.sees("需要你")
    assert not (child.messages or asleep.messages or never.messages)


async def test_an_sos_reaches_the_commander_with_the_place(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare()
    await li.press("15 分钟")
    await li.press("我到了")
    await li.share_location(*RALLY)
    await li.sees("你已到现场")
    await li.press("SOS")
    await emergency.zhou.sees("李雷在现场需要帮助")
    await li.sees("指挥已经收到")
    await li.share_location(*RALLY)
    await li.sees("你已到现场")
    await emergency.city.settle()
    assert any(message.location for message in emergency.zhou.messages)


async def test_the_commander_directs_it(emergency: Emergency) -> None:
    city = emergency.city
    crowd = await emergency.crowd(40)
    await emergency.declare(quota="1")
    before = len(await emergency.responses())
    assert 0 < before < 40
    await emergency.zhou.press("不再叫人")
    await emergency.zhou.sees("暂不再叫人")
    await city.forward(minutes=9)
    assert len(await emergency.responses()) == before
    await emergency.zhou.press("继续叫人")
    await emergency.zhou.press("人手")
    await emergency.zhou.press("马上再叫一批")
    await city.catch_up()
    assert len(await emergency.responses()) > before
    await emergency.zhou.press("人手")
    await emergency.zhou.press("改人数")
    await emergency.zhou.say("10")
    await city.catch_up()
    assert len(await emergency.responses()) == 40
    await crowd[0].press("15 分钟")
    await crowd[0].sees("等你")
    await emergency.zhou.press("发话给大家")
    await emergency.zhou.say("请从北门进，南门积水。")
    await crowd[0].sees("请从北门进，南门积水。")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("点名")
    await emergency.zhou.press("林01")
    await emergency.zhou.press("已到场")
    await emergency.zhou.sees("林01 · 在场")


async def test_strangers_and_volunteers_cannot_declare_or_direct(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare()
    callout = await emergency.callout()
    call = await li.sees("需要你")
    for data in ("board", "more", "hold", "stand_down", "roll", "say"):
        await li.press_data(f"callout.{data}:{callout.id}", call.id)
    await emergency.city.settle()
    assert (await emergency.callout()).state is CalloutState.ACTIVE
    assert not (await emergency.callout()).holds
    other = await emergency.city.volunteer("路人")
    await other.say("/callout")
    await other.sees("没有这项操作的权限")
    assert (await emergency.states())[ResponseState.ASKED.value] == 1


async def test_a_sweep_may_run_twice(emergency: Emergency) -> None:
    await emergency.crowd(3)
    await emergency.declare(quota="3")
    for _ in range(2):
        async with emergency.city.database.write() as session:
            await mobilising.advance(emergency.city.making.work(session))
    assert set((await emergency.alarms()).values()) == {1}

"""On scene and behind it: called up from standby, handing over, in command and out of it again."""

import aiohttp
import pytest
from sqlalchemy import select

from models import AuditEntry, Response, RoleKind, Word
from playground import Phone
from tests.city import City
from tests.emergencies import Emergency


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def audited(city: City) -> list[str]:
    """What the audit log says of the call-out, in its order."""
    async with city.database.read() as session:
        found = await session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.subject.startswith("callout:"))
            .order_by(AuditEntry.id)
        )
        return [action.removeprefix("callout.") for action in found]


async def test_who_comes_knows_the_way_the_deadline_and_whom_to_write_to(
    emergency: Emergency,
) -> None:
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1", more=["携带物品", ">雨靴", "多快到", "1小时"])
    assert "请在 10:10 前答复" in (await li.sees("需要你")).words
    await li.press("15 分钟")
    shown = await li.sees("等你")
    for words in ("出发前看一眼", "雨靴", "11:00 前", "手机和充电宝", "周明"):
        assert words in shown.words
    assert "+86" not in shown.words
    links = [button.url for row in shown.inline_rows for button in row if button.url]
    assert links == [
        "https://uri.amap.com/marker?position=113.375000,22.525000&coordinate=wgs84",
        "https://www.openstreetmap.org/?mlat=22.525000&mlon=113.375000#map=16/22.525000/113.375000",
    ]
    await li.press("联系指挥")
    await li.say("我带发电机来")
    await emergency.zhou.sees("我带发电机来")


async def test_a_standby_is_called_up_by_a_press_and_not_sent_back(emergency: Emergency) -> None:
    first, second, third, standby = await emergency.crowd(4)
    await emergency.declare(quota="1")
    for phone in (first, second, third):
        await phone.press("15 分钟")
        await phone.sees("等你")
    await standby.press("30 分钟")
    await standby.sees("你在待命")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("点名")
    await emergency.zhou.press("林04")
    answer = await emergency.zhou.press("请其现在过来")
    assert answer is not None and "已请对方" in (answer.text or "")
    await standby.sees("现在需要你")
    await standby.press("30 分钟")
    await standby.sees("等你")
    assert (await emergency.states())["coming"] == 4
    await emergency.zhou.press("返回")
    await emergency.zhou.press("林01")
    await emergency.zhou.sees("林01 · 会来")
    assert emergency.zhou.find("请其现在过来") is None


async def test_who_is_relieved_hands_over_in_their_own_words(emergency: Emergency) -> None:
    city = emergency.city
    li, wang = await emergency.relief()
    await li.press("交班")
    await li.sees("接班的人需要知道什么")
    await li.say("东侧堤坝每小时看一次")
    await li.sees("已转告")
    await city.settle()
    for phone in (wang, emergency.zhou):
        assert "东侧堤坝" in (await phone.sees("林01交班")).words
    await li.press("我已平安到家")
    await li.sees("你到家我们就放心了")
    assert "handed_over" in await audited(city)
    async with city.database.read() as session:
        (word,) = (await session.scalars(select(Word))).all()
        assert word.to_id == (await city.person(wang)).id


async def test_there_may_be_nothing_to_hand_over(emergency: Emergency) -> None:
    li, wang = await emergency.relief()
    await li.press("交班")
    await li.press("跳过")
    await li.sees("已转告")
    await emergency.city.settle()
    await wang.sees("没有特别要交代的")


async def test_nobody_hands_over_to_nobody(emergency: Emergency) -> None:
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await emergency.on_scene(li)
    assert li.find("交班") is None
    callout = await emergency.callout()
    answer = await li.press_data(f"callout.hand_over:{callout.id}", li.last.id)
    assert "过期" in answer.text
    assert "handed_over" not in await audited(emergency.city)


async def test_command_passes_by_a_press_once_it_is_accepted(emergency: Emergency) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", role=RoleKind.COMMANDER)
    other = await city.coordinator("郑涛", role=RoleKind.COMMANDER)
    li = await emergency.volunteer("李雷")
    await emergency.declare(quota="1")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("移交指挥")
    await emergency.zhou.press("吴芳")
    asked = await wu.sees("周明请你接任指挥")
    callout = await emergency.callout()
    await other.say("/callout")
    shown = await other.sees("正在进行")
    await other.press_data(f"callout.accept:{callout.id}", shown.id)
    assert (await emergency.callout()).commander_id == callout.commander_id
    await wu.press("去不了")
    await emergency.zhou.sees("吴芳现在接不了")
    await wu.press_data(f"callout.accept:{callout.id}", asked.id)
    assert (await emergency.callout()).commander_id == callout.commander_id
    await emergency.zhou.press("看板")
    await emergency.zhou.press("移交指挥")
    await emergency.zhou.press("吴芳")
    await city.settle()
    await wu.press("我来指挥")
    await emergency.zhou.sees("现在由吴芳指挥")
    await li.press("15 分钟")
    assert "吴芳" in (await li.sees("等你")).words
    await city.settle()
    found = await audited(city)
    assert [a for a in found if a in ("offered", "not_accepted", "accepted")] == [
        "offered", "not_accepted", "offered", "accepted",
    ]  # fmt: skip


async def test_answers_come_back_with_what_they_answer_and_stand_on_the_board(
    emergency: Emergency,
) -> None:
    city = emergency.city
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await li.press("15 分钟")
    await li.sees("等你")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("发话给大家")
    await emergency.zhou.say("请从北门进")
    await li.sees("请从北门进")
    await li.press("回复")
    await li.say("北门锁着")
    back = await emergency.zhou.sees("北门锁着")
    assert "请从北门进" in back.words and "林01" in back.words
    await emergency.zhou.press("发话给林01")
    await emergency.zhou.say("保安马上来，手机尾号1234")
    said = await li.sees("保安马上来")
    assert "北门锁着" in said.words
    await emergency.zhou.press("看板")
    await emergency.zhou.press("🖥 大屏")
    shown = await emergency.zhou.sees("请在 10 分钟内")
    path = "/board/open/" + shown.words.partition("/board/open/")[2].split()[0]
    async with (
        aiohttp.ClientSession(
            f"http://127.0.0.1:{city.program.web_port}",
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        ) as web,
        web.post(path) as answer,
    ):
        page = await answer.text()
    assert "周明: 请从北门进" in page and "林01: 北门锁着" in page
    assert "周明 → 林01" in page and "1234" not in page


async def test_every_act_of_a_commander_and_every_sos_is_in_the_log(emergency: Emergency) -> None:
    city = emergency.city
    zhou = emergency.zhou
    wu = await city.coordinator("吴芳", organisation="zs-dongqu", role=RoleKind.COMMANDER)
    second = await city.coordinator("孙丽", role=RoleKind.COMMANDER)
    li, wang, zhao = await emergency.crowd(3)
    await emergency.declare(quota="200")
    await second.press("确认并召集")
    await li.sees("需要你")
    callout = await emergency.callout()
    keys = {phone: (await city.person(phone)).id for phone in (li, wang, zhao, second)}
    async with city.database.read() as session:
        need = (await session.scalars(select(Response.need_id))).first()
    east = await city.making.organisation("zs-dongqu")

    async def act(name: str, *arguments: object, by: Phone = zhou) -> None:
        data = ":".join([f"callout.{name}", str(callout.id), *(str(one) for one in arguments)])
        await by.press_data(data, by.last.id)
        await city.answered()

    async def typed(data: str, *words: str) -> None:
        await zhou.press_data(data, zhou.last.id)
        for text in words:
            await city.answered()
            await zhou.say(text)
        await city.answered()

    await act("more")
    await act("everyone", 20)
    await act("hold")
    await act("go_on")
    await typed(f"callout.quota:{need}", "150")
    await typed(f"callout.also:{callout.id}", "5")
    await zhou.press("加上这类人")
    await city.answered()
    await typed(f"callout.move:{callout.id}", "22.5300, 113.3800", "体育馆")
    await act("neighbours")
    await act("lend", east.id, by=wu)
    await li.press("15 分钟")
    await li.sees("等你")
    await wang.press("待命")
    await wang.sees("你在待命")
    await typed(f"callout.say_to:{callout.id}", "请从北门进")
    await act("call_up", keys[wang])
    await act("arrived", keys[li])
    await act("team", keys[li], 1)
    await act("leader", keys[li])
    await act("safety")
    await act("sos", by=li)
    await act("screen")
    await act("screens_off")
    await act("relieve")
    await act("offer", keys[second])
    await act("refuse", by=second)
    await act("offer", keys[second])
    await act("accept", by=second)
    await act("take_over")
    await act("stand_down")
    await act("false_after_all")
    await typed(f"callout.lesson:{callout.id}", "沙袋要早点运")
    found = await audited(city)
    assert [one for one in found if one != "deputies_asked"] == [
        "drafted", "declared", "confirmed", "launched", "wave", "everyone", "held", "resumed",
        "quota", "need", "moved", "neighbours", "lent", "said", "called_up", "arrived", "team",
        "leader", "roll_called", "sos", "screen_made", "screens_closed", "relief", "offered",
        "not_accepted", "offered", "accepted", "taken_over", "ended", "false_alarm", "lesson",
    ]  # fmt: skip
    async with city.database.read() as session:
        entries = (await session.scalars(select(AuditEntry))).all()
        assert all(one.actor_id for one in entries if one.subject.startswith("callout:"))
        details = " ".join(str(one.details) for one in entries)
    assert not any(word in details for word in ("北门", "林0", "体育馆", "沙袋"))

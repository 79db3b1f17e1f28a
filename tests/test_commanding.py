"""Directing a call-out in chat: whom, where, in teams, until all are home, and what was learnt."""

import csv
import io

import pytest
from sqlalchemy import select

from models import (
    Attendance,
    Callout,
    HoursState,
    Loan,
    Response,
    RoleKind,
)
from services import places
from tests.city import City
from tests.emergencies import RALLY, Emergency

GYM = "22.5300, 113.3800"


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def test_everything_that_people_must_know_stands_in_the_call(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare(
        more=[
            "地点名称", ">体育馆北门", "须知", ">河水上涨，需要装沙袋", "携带物品", ">雨靴和手套",
            "危险", ">南门有积水，别下水", "多快到", "1小时", "持续多久", ">3小时",
            "紧急程度", "有生命危险",
        ]
    )  # fmt: skip
    preview = await emergency.zhou.sees("他们会收到")
    call = await li.sees("需要你")
    for words in ("体育馆北门", "河水上涨", "雨靴", "别下水", "11:00 前", "3小时", "人命关天"):
        assert words in call.words and words in preview.words
    await emergency.end()
    await emergency.zhou.press("应急召集")
    await emergency.zhou.press("演练")
    await emergency.zhou.press("台风")
    await emergency.zhou.press("体育馆北门")
    await emergency.zhou.press("5")
    await emergency.zhou.sees("体育馆北门 (22.5250, 113.3750)")


async def test_a_link_from_a_map_or_the_name_of_a_town_is_a_place(emergency: Emergency) -> None:
    await emergency.zhou.say("/callout")
    await emergency.zhou.press("实战")
    await emergency.zhou.press("台风")
    await emergency.zhou.say("不知道在哪")
    await emergency.zhou.sees("22.5176, 113.3928")
    await emergency.zhou.say("https://uri.amap.com/marker?position=113.38,22.53&coordinate=wgs84")
    await emergency.zhou.press("5")
    await emergency.zhou.sees("22.5300, 113.3800")
    await emergency.zhou.press("✏️ 位置")
    await emergency.zhou.say("石岐")
    await emergency.zhou.sees("📍 石岐街道 (")


@pytest.mark.parametrize(
    "text",
    [
        "22.51, 113.39",
        "22.51，113.39",
        "https://www.google.com/maps/@22.51,113.39,15z",
        "https://maps.google.com/?q=22.51,113.39",
        "https://www.openstreetmap.org/?mlat=22.51&mlon=113.39#map=15/1/2",
        "https://www.openstreetmap.org/#map=15/22.51/113.39",
        "geo:22.51,113.39",
        "在这里 https://uri.amap.com/marker?position=113.39,22.51&coordinate=wgs84",
        "https://uri.amap.com/marker?position=113.395458,22.507267",
        "http://api.map.baidu.com/marker?location=22.513464,113.401994&title=x",
        "https://apis.map.qq.com/uri/v1/marker?marker=coord:22.507267,113.395458;title:x",
    ],
)
def test_places_of_all_maps_mean_the_same_ground(text: str) -> None:
    found = places.place_in(text)
    assert found is not None
    assert found.latitude == pytest.approx(22.51, abs=2e-4)
    assert found.longitude == pytest.approx(113.39, abs=2e-4)


async def test_the_preview_says_what_to_expect_and_what_would_help(emergency: Emergency) -> None:
    city = emergency.city
    for number in range(3):
        await emergency.volunteer(f"林{number}", skills=("water_rescue",))
    await emergency.volunteer("邻居", organisation="zs-dongqu", skills=("water_rescue",))
    await emergency.volunteer("新手")
    holder = await city.person(emergency.volunteers[0])
    kind = await city.making.qualification(holder, expires_in=20)
    await city.go_to("2026-11-23 23:30")
    name = kind.names["zh_Hans"]
    await emergency.prepare_callout(
        more=["技能", ">水上救援", "水上救援", "选好了", "证书", f">{name}", name, "选好了"]
    )
    shown = [m.words for m in emergency.zhou.messages if "他们会收到" in m.words][-1]
    assert "5 公里内：1 人" in shown and "恐怕不够" in shown
    assert "不限证书：多 2 人" in shown and "什么都不限：多 3 人" in shown
    assert "其中 1 人的证件 30 天内到期" in shown and "现在是夜里" in shown
    assert not await emergency.responses()


async def test_two_kinds_of_people_each_until_enough(emergency: Emergency) -> None:
    swimmer = await emergency.volunteer("游泳", skills=("water_rescue",))
    hand = await emergency.volunteer("帮手", north=0.01)
    word = await emergency.prepare_callout(more=["技能", ">水上救援", "水上救援", "选好了"])
    await emergency.zhou.press("再要一类人")
    await emergency.zhou.press("10")
    await emergency.zhou.press("加上这类人")
    await emergency.city.answered()
    preview = [m.words for m in emergency.zhou.messages if "他们会收到" in m.words][-1]
    assert "水上救援" in preview and "10 人" in preview
    await emergency.zhou.say(word)
    await swimmer.sees("水上救援")
    assert "10 人" in (await hand.sees("需要你")).words
    await emergency.zhou.press("发话给大家")
    await emergency.zhou.press("10 人")
    await emergency.zhou.say("只给帮手看")
    await emergency.zhou.sees("已发给 0 人")
    await hand.press("15 分钟")
    await hand.sees("等你")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("发话给大家")
    await emergency.zhou.press("10 人")
    await emergency.zhou.say("请走东门")
    await hand.sees("请走东门")
    await hand.press("回复")
    await hand.say("东门锁着")
    await emergency.zhou.sees("东门锁着")
    await emergency.zhou.press("发话给帮手")
    await emergency.zhou.say("保安马上来开")
    await hand.sees("保安马上来开")
    assert not any("东门" in m.words for m in swimmer.messages)


async def test_what_changes_reaches_everyone_whom_it_concerns(emergency: Emergency) -> None:
    city = emergency.city
    crowd = await emergency.crowd(40)
    await emergency.declare(quota="1")
    asked = len(await emergency.responses())
    await crowd[0].press("30 分钟")
    await crowd[0].sees("等你")
    await emergency.zhou.press("改集结点")
    await emergency.zhou.say(GYM)
    await emergency.zhou.say("体育馆")
    await crowd[0].sees("集结点改到")
    await city.settle()
    call = await crowd[1].sees("需要你")
    assert "体育馆" in call.words
    await emergency.zhou.press("人手")
    await emergency.zhou.press("10 公里内全部")
    await city.catch_up()
    assert len(await emergency.responses()) == min(40, max(asked, 23)) or asked < 40
    assert "体育馆" in (await crowd[15].sees("需要你")).words


async def test_neighbours_lend_when_there_are_too_few(emergency: Emergency) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", organisation="zs-dongqu", role=RoleKind.COMMANDER)
    guest = await emergency.volunteer("东区人", organisation="zs-dongqu")
    li = await emergency.volunteer("李雷")
    await emergency.declare()
    await li.sees("需要你")
    assert not guest.messages
    asked = await wu.sees("人手不够，你能出借志愿者吗")
    button = asked.inline_rows[0][0].data or ""
    await wu.press("出借")
    await wu.sees("谢谢支援")
    await guest.sees("需要你")
    await emergency.zhou.sees("吴芳出借了")
    await wu.press_data(button, asked.id)
    async with city.database.read() as session:
        assert len((await session.scalars(select(Loan))).all()) == 1


async def test_a_deputy_takes_over_from_a_silent_commander(emergency: Emergency) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", role=RoleKind.COMMANDER)
    li = await emergency.volunteer("李雷")
    await emergency.declare(more=["紧急程度", "有生命危险"])
    await wu.sees("人命关天的召集")
    await city.forward(minutes=11)
    await wu.sees("周明却一直没有动静")
    await wu.press("我来指挥")
    await emergency.zhou.sees("现在由吴芳指挥")
    await city.settle()
    await wu.sees("第 1 批")
    await li.press("15 分钟")
    assert "吴芳" in (await li.sees("等你")).words


async def test_teams_have_leaders_who_keep_their_roll(emergency: Emergency) -> None:
    leader, member, other = await emergency.crowd(3)
    await emergency.declare(quota="3")
    await emergency.on_scene(leader)
    for phone in (member, other):
        await phone.press("15 分钟")
        await phone.sees("等你")
    await emergency.zhou.press("看板")
    await emergency.zhou.press("点名")
    for name in ("林01", "林02"):
        await emergency.zhou.press(f"{name}")
        await emergency.zhou.press("🚩 2")
        await emergency.zhou.press("返回")
    await emergency.zhou.press("林01")
    await emergency.zhou.press("第 2 小队队长")
    await leader.sees("第 2 小队队长")
    await member.sees("⭐ 林01")
    await leader.press("我的应答")
    await leader.press("我的小队")
    await leader.sees("答应前往的人")
    assert "林03" not in leader.screen.words
    await leader.press("林02")
    await leader.press("已到场")
    await leader.press("清点：都平安吗")
    await member.sees("你平安吗")
    assert not any("你平安吗" in m.words for m in other.messages)
    states = {r.person_id: r.state.value for r in (await emergency.responses()).values()}
    assert states[(await emergency.city.person(member)).id] == "on_scene"


async def test_who_does_not_say_that_they_are_safe_is_asked_again(emergency: Emergency) -> None:
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await emergency.on_scene(li)
    await emergency.zhou.press("看板")
    await emergency.zhou.press("清点：都平安吗")
    await emergency.city.forward(minutes=3)
    await emergency.city.forward(minutes=3)
    await emergency.city.forward(minutes=9)
    assert sum("你平安吗" in m.words for m in li.messages) == 3
    await li.press("我平安")
    await li.sees("你已到现场")
    await emergency.city.forward(minutes=9)
    assert "还没有报平安" not in (await emergency.zhou.sees("在场 1")).words


async def test_after_eight_hours_somebody_else_takes_over(emergency: Emergency) -> None:
    li, wang = await emergency.relief()
    await wang.sees("你已到现场")
    await li.press("我已平安到家")
    await li.sees("你到家我们就放心了")
    assert await emergency.states() == {"home": 1, "on_scene": 1}


async def test_a_live_place_shows_the_way_and_is_forgotten(emergency: Emergency) -> None:
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await li.press("15 分钟")
    await li.sees("等你")
    shared = await li.share_location(RALLY[0] + 0.03, RALLY[1], live_period=900)
    await li.sees("指挥能看到你的位置")
    await li.move(shared, RALLY[0] + 0.01, RALLY[1])
    await emergency.city.answered()
    (own,) = (await emergency.responses()).values()
    assert own.latitude == pytest.approx(RALLY[0] + 0.01)
    await li.move(shared, *RALLY)
    await li.sees("你已到现场")
    await emergency.end()
    (own,) = (await emergency.responses()).values()
    assert own.latitude is None and own.located_at is None


async def test_at_the_end_come_hours_homes_and_a_report(emergency: Emergency) -> None:
    city = emergency.city
    li, wang, _ = await emergency.crowd(3)
    await emergency.declare(quota="2")
    await emergency.on_scene(li)
    await emergency.on_scene(wang)
    await city.forward(minutes=90)
    await emergency.end()
    await li.press("我已平安到家")
    await city.forward(minutes=61)
    await wang.sees("你平安到家了吗")
    await emergency.zhou.sees("林02还没有报到家")
    async with city.database.read() as session:
        found = (await session.scalars(select(Attendance))).all()
        assert {one.minutes for one in found} == {90}
        assert {one.state for one in found} == {HoursState.PROPOSED}
    await emergency.zhou.press("总结")
    report = await emergency.zhou.wait(lambda m: m.photo is not None)
    assert "召集总结" in report.words
    assert "通知 3，答应 2，到场 2" in report.words and "1 人没有应答" in report.words
    await emergency.zhou.press("记下经验")
    await emergency.zhou.say("=沙袋要早点运")
    await emergency.zhou.sees("沙袋要早点运")
    await emergency.zhou.press("明细表")
    sent = await emergency.zhou.sees("请妥善保管")
    assert sent.document is not None
    rows = list(csv.reader(io.StringIO(sent.document.content.decode("utf-8-sig"))))
    assert rows[0][0] == "姓名" and [row[1] for row in rows[1:]] == [
        "已平安到家",
        "在场",
        "无需前往",
    ]
    async with city.database.read() as session:
        callout = (await session.scalars(select(Callout))).one()
        responses = (await session.scalars(select(Response))).all()
        assert callout.activity_id is not None and len(responses) == 3

"""Declaring a call-out: its own words, who and with what, what is typed is kept, the preview."""

from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Callout,
    Delivery,
    Equipment,
    Message,
    Need,
    Organisation,
    OrganisationKind,
    Role,
    RoleKind,
)
from models import (
    Emergency as Kind,
)
from playground import Phone
from playground.phone import labels
from services import candidates, hearing
from services.words import LANGUAGES, Words
from tests.city import City
from tests.emergencies import RALLY, Emergency
from tests.making import POLICY

DAY_SLEEPER = {"call_from": 9 * 60, "call_until": 17 * 60}


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def bring(emergency: Emergency, phone: Phone, *kinds: Equipment) -> None:
    """What somebody said that they can bring."""
    person = await emergency.city.person(phone)
    await emergency.city.making.equip(person.id, kinds)


async def rescue_team(emergency: Emergency) -> Organisation:
    async with emergency.city.database.write() as session:
        top = (await session.scalars(select(Organisation).where(Organisation.code == "zs"))).one()
        team = Organisation(
            code="zs-rescue",
            kind=OrganisationKind.RESCUE_TEAM,
            parent_id=top.id,
            names={"zh_Hans": "岐江救援队", "en": "Qijiang Rescue Team"},
        )
        session.add(team)
        await session.flush()
        team.path = f"{top.path}{team.id}."
    return team


async def in_team(emergency: Emergency, phone: Phone, team: Organisation) -> None:
    person = await emergency.city.person(phone)
    async with emergency.city.database.write() as session:
        session.add(
            Role(
                person_id=person.id,
                organisation_id=team.id,
                kind=RoleKind.CORE_VOLUNTEER,
                granted_at=emergency.city.clock(),
            )
        )


async def draft(emergency: Emergency) -> Callout:
    async with emergency.city.database.read() as session:
        return (await session.scalars(select(Callout).order_by(Callout.id.desc()).limit(1))).one()


async def shown(emergency: Emergency) -> str:
    """What stands on the commander's screen once everything is answered."""
    await emergency.city.answered()
    return emergency.zhou.screen.words


def previews(phone: Phone) -> list[str]:
    return [one.words for one in phone.messages if "他们会收到" in one.words]


# How little it takes


async def test_five_presses_lead_from_the_command_to_the_preview(emergency: Emergency) -> None:
    await emergency.declare()
    await emergency.end()
    zhou = emergency.zhou
    await zhou.say("/callout")
    for press in ("演练", "台风", "22.5250", "10", "看看谁能来"):
        await (zhou.share_location(*RALLY) if press == "22.5250" else zhou.press(press))
    assert "输入这个数字" in (await zhou.sees("👀 【演练】")).words


async def test_full_width_figures_of_a_chinese_keyboard_count(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    word = await emergency.prepare_callout()
    await emergency.zhou.say(word.translate(str.maketrans("0123456789", "０１２３４５６７８９")))
    await li.sees("需要你")


# The words of each kind of emergency


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_emergency_has_words_of_its_own(language: str) -> None:
    words = Words(POLICY)
    about: dict[str, Any] = {
        "callout_id": 1, "drill": False, "critical": False, "details": "", "bring": "",
        "dangers": "", "usual": ["message", "bring", "dangers"], "arrive_by": None, "lasts": None,
        "address": "x", "latitude": 22.5, "longitude": 113.4, "commander": "y",
        "organisation": {"en": "z"}, "metres": 100,
        "need": {"quota": 2, "names": [], "equipment": [], "team": None},
    }  # fmt: skip
    calls = [
        words.render("callouts/alarm", language, kind=kind.value, **about).text for kind in Kind
    ]
    said = [call.split("\n\n")[2:4] for call in calls]
    assert len({part for call in said for part in call}) == 2 * len(calls)
    assert [kind.value for kind, call in zip(Kind, calls, strict=True) if "⚠️" not in call] == [
        "blood"
    ]


async def test_what_is_usual_can_be_dropped_or_said_otherwise(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    smith = await emergency.volunteer("Jane Smith", language="en")
    await emergency.declare(
        more=["携带物品", "跳过", "危险", ">南门有积水", "通用说明", "跳过", "通用说明", "写上"]
    )
    call = (await li.sees("需要你")).words
    assert "台风来袭，需要人手转移群众" in call and "南门有积水" in call
    assert "雨衣" not in call and "高空坠物" not in call
    assert "A typhoon is upon us" in (await smith.sees("You are needed")).words


async def test_another_kind_brings_what_is_usual_for_it(emergency: Emergency) -> None:
    await emergency.prepare_callout(more=["✏️ 事件", "应急献血", "✏️ 事件", "洪涝"])
    found = await draft(emergency)
    assert (found.kind, found.radius) == (Kind.FLOOD, 30_000.0)
    assert "水上救援" in previews(emergency.zhou)[-1] and "堆沙袋" in previews(emergency.zhou)[-1]


async def test_donors_of_blood_are_told_who_can_give(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare(more=["✏️ 事件", "应急献血"])
    call = await li.sees("需要你")
    assert "18 至 55 岁" in call.words and "身份证" in call.words and "⚠️" not in call.words
    await li.press("15 分钟")
    assert "雨衣" not in (await li.sees("等你")).words


# Drills


async def test_whatever_anybody_reads_in_a_drill_begins_with_that_word(
    emergency: Emergency,
) -> None:
    """On the phones, as text message, and in edits; from the first to the last."""
    city, zhou = emergency.city, emergency.zhou
    wu = await city.coordinator("吴芳", role=RoleKind.COMMANDER)
    zheng = await city.coordinator("郑云", organisation="zs-dongqu", role=RoleKind.COMMANDER)
    li, wang, zhang, sun = await emergency.crowd(4)
    smith = await emergency.volunteer("Jane Smith", language="en", north=0.03)
    await emergency.declare(mode="演练", quota="60")
    await city.forward(minutes=16)
    await zhou.sees("已作废")
    await emergency.declare(mode="演练", quota="60", more=["须知", ">先集合", "持续多久", ">3小时"])
    await wu.press("确认并召集")
    await city.settle()
    await zheng.press("出借")
    await emergency.on_scene(li)
    await emergency.on_scene(wang)
    await li.press("SOS")
    await li.share_location(*RALLY)
    await li.sees("你已到现场")
    for phone, answer in ((zhang, "15 分钟"), (smith, "15 min")):
        await phone.press(answer)
    await sun.press("待命")
    await zhou.press("看板")
    await zhou.press("改集结点")
    await zhou.say("22.5260, 113.3760")
    await zhou.press("跳过")
    await city.settle()
    await zhou.press("看板")
    await zhou.press("发话给大家")
    await zhou.say("请走东门")
    await smith.sees("请走东门")
    await smith.press("Write back")
    await smith.say("locked")
    await zhou.sees("locked")
    await zhou.press("看板")
    await zhou.press("点名")
    await zhou.press("林01")
    await zhou.press("🚩 1")
    await zhou.press("看板")
    await zhou.press("清点：都平安吗")
    await zhou.press("人手")
    await zhou.press("改人数")
    await zhou.say("1")
    await city.settle()
    await city.forward(minutes=46)
    await city.forward(hours=8)
    await zhou.press("看板")
    await zhou.press("解除")
    await zhou.press("是的，解除")
    await city.settle()
    await li.press("我已平安到家")
    await city.forward(minutes=61)
    read = await everything_posted(emergency)
    marks = {"zh_Hans": "【演练】", "en": "DRILL"}
    for template, language, text in read:
        assert text.lstrip("👀 ").startswith(marks[language]), f"{template}: {text}"
    assert {template for template, _, _ in read} >= {
        f"callouts/{name}"
        for name in (
            "alarm", "are_you_home", "are_you_safe", "board", "ended", "enough", "fewer", "go_home",
            "lapsed", "lend", "lent", "moved", "quota_changed", "rest", "said", "second",
            "sos", "stand_down", "team", "tired", "wrote_back",
        )
    }  # fmt: skip
    for phone, mark in ((li, "【演练】"), (zhang, "【演练】"), (smith, "DRILL")):
        for one in phone.messages:
            if one.from_bot and "👇" not in one.words and one.words not in ("收到。", "Got it."):
                assert one.words.lstrip("📍 ").startswith(mark), one.words


async def everything_posted(emergency: Emergency) -> list[tuple[str, str, str]]:
    """Template, language and words of all that was posted of call-outs, as other channels send."""
    words = Words(POLICY)
    async with emergency.city.database.read() as session:
        found = (
            await session.execute(
                select(Message.template, Message.parameters, Delivery.parameters)
                .join(Delivery, Delivery.message_id == Message.id)
                .where(Message.template.startswith("callouts/"))
            )
        ).all()
    return [
        (template, language, words.render(template, language, **shared, **(own or {})).unformatted)
        for template, shared, own in found
        for language in words.languages
    ]


# What is typed is kept


async def test_words_behind_the_command_stand_in_the_call_as_they_were_said(
    emergency: Emergency,
) -> None:
    li = await emergency.volunteer("李雷")
    zhou = emergency.zhou
    said = "石岐街道民权路老房子进水，需要十个人搬东西，带水靴"
    for _ in range(2):  # in a hurry; it counts once
        await zhou.say(f"/callout {said}")
    await zhou.press("实战")
    assert (await zhou.sees("发生了什么")).words.count(said) == 1
    await zhou.press("👉 🌊 洪涝")
    await zhou.share_location(*RALLY)
    await zhou.press("👉 10 人（你刚说的）")
    await zhou.press("✏️ 技能")
    await zhou.press("跳过")
    await zhou.press("看看谁能来")
    assert said in (await zhou.sees("他们会收到")).words
    word = (await zhou.sees("输入这个数字")).words.split()[-1]
    await zhou.say(word)
    assert said in (await li.sees("需要你")).words


async def test_words_at_any_question_are_kept_and_can_be_taken_back(emergency: Emergency) -> None:
    zhou = emergency.zhou
    await zhou.say("/callout")
    await zhou.say("民权路进水了")
    await zhou.sees("记下了：“民权路进水了”")
    await zhou.press("实战")
    await zhou.say("有老人被困")
    await zhou.press("👉 🌊 洪涝")
    await zhou.say("从东门进来")
    await zhou.sees("镇街名称")
    await zhou.share_location(*RALLY)
    await zhou.say("大概二十个人")
    await zhou.sees("记下了：“大概二十个人”")
    await zhou.press("不要这句")
    assert "大概二十个人" not in await shown(emergency)
    await zhou.say("20")
    await zhou.say("快一点")
    summary = await zhou.sees("记下了：“快一点”")
    assert "民权路进水了\n有老人被困\n从东门进来\n快一点" in summary.words
    await zhou.press("看看谁能来")
    assert "民权路进水了\n有老人被困\n从东门进来\n快一点" in (await zhou.sees("他们会收到")).words


async def test_a_look_at_what_runs_loses_no_words_and_no_draft(emergency: Emergency) -> None:
    await emergency.declare()
    zhou = emergency.zhou
    await zhou.say("/callout " + "水" * 1001)
    await zhou.sees("1000")
    await zhou.say("/callout\n大涌有人走失")
    await zhou.press("🌀 台风")
    await zhou.press("应急召集")
    assert "大涌有人走失" in (await zhou.sees("演练还是实战")).words
    await zhou.press("演练")
    await zhou.press("👉 🔦 寻人")
    await zhou.sees("在哪里集结")
    await zhou.say("/callout")
    await zhou.press("继续填刚才那次")
    await zhou.share_location(*RALLY)
    await zhou.press("5")
    assert "大涌有人走失" in await shown(emergency)


def test_numbers_and_kinds_are_heard_in_both_languages() -> None:
    words = Words(POLICY)
    heard: dict[str, list[str]] = {}
    for language in words.languages:
        lines = words.render("callouts/heard", language).unformatted
        for name, some in hearing.read_catalogue(lines).items():
            heard.setdefault(name, []).extend(some)
    assert heard.keys() == {kind.value for kind in Kind if kind is not Kind.OTHER} | {"people"}
    for text, kinds, numbers in (
        ("石岐民权路内涝，要三十个人", ("flood",), (30,)),
        ("山火！120人，带铲子", ("fire",), (120,)),
        ("两名护士和一百二十人，登革热", ("epidemic",), (2, 120)),
        ("火车站很多人", (), ()),
        ("来两三百人", (), ()),
        ("The flooding is bad, 15 volunteers please", ("flood",), (15,)),
        ("campfire songs", (), ()),
    ):
        found = hearing.hear(text, heard)
        assert (found.kinds, found.numbers) == (kinds, numbers), text


# Equipment and teams


async def test_who_can_bring_what_is_needed_is_asked(emergency: Emergency) -> None:
    skipper = await emergency.volunteer("船长", north=0.02)
    await bring(emergency, skipper, Equipment.BOAT, Equipment.RADIO)
    boat = await emergency.volunteer("有船", north=0.01)
    await bring(emergency, boat, Equipment.BOAT)
    hand = await emergency.volunteer("空手")
    await emergency.declare(more=["装备", "船", "对讲机", "选好了"])
    call = await skipper.sees("需要你")
    assert "🚤 船、📻 对讲机" in call.words
    assert not boat.messages and not hand.messages
    await emergency.zhou.sees("5 人 · 🚤 船、📻 对讲机")


async def test_a_team_is_asked_wherever_its_members_are_registered(emergency: Emergency) -> None:
    team = await rescue_team(emergency)
    member = await emergency.volunteer("队员", organisation="zs-dongqu", north=0.05)
    await in_team(emergency, member, team)
    registered = await emergency.volunteer("在队", organisation="zs-rescue", north=0.04)
    far = await emergency.volunteer("太远", north=0.5)
    await in_team(emergency, far, team)
    near = await emergency.volunteer("近邻")
    await emergency.declare(more=["队伍", "岐江救援队"])
    call = await member.sees("需要你")
    assert "🚩 岐江救援队" in call.words
    await registered.sees("需要你")
    assert not near.messages and not far.messages


async def test_another_town_s_people_are_no_team_to_choose(emergency: Emergency) -> None:
    word = await emergency.prepare_callout()
    dongqu = await emergency.city.making.organisation("zs-dongqu")
    zhou = emergency.zhou
    await zhou.press("修改")
    await zhou.press("✏️ 队伍")
    await zhou.sees("找哪支队伍")
    offered = labels(zhou.screen)
    assert any("石岐" in one for one in offered) and not any("东区" in one for one in offered)
    await zhou.press_data(f"f:team:pick:{dongqu.id}", zhou.screen.id)
    await zhou.press("返回")
    await zhou.press("看看谁能来")
    assert (await zhou.sees("输入这个数字")).words.endswith(word)


async def test_exactly_those_with_the_equipment_and_of_the_team_are_found(
    emergency: Emergency,
) -> None:
    """Against looking at everybody."""
    team = await rescue_team(emergency)
    await emergency.prepare_callout()
    kinds = list(Equipment)[:3]
    people = []
    for number in range(40):
        home = ("zs-shiqi", "zs-dongqu", "zs-rescue")[number % 3]
        person = await emergency.city.making.volunteer(
            f"人{number}", organisation=home, emergency_opt_in=True,
            latitude=RALLY[0] + 0.001 * number, longitude=RALLY[1],
        )  # fmt: skip
        brings = {kind for at, kind in enumerate(kinds) if (number * 7) >> at & 1}
        serves = number % 5 == 0
        await emergency.city.making.equip(person.id, brings)
        async with emergency.city.database.write() as session:
            if serves:
                session.add(
                    Role(
                        person_id=person.id, organisation_id=team.id, kind=RoleKind.TEAM_LEADER,
                        granted_at=emergency.city.clock(),
                    )
                )  # fmt: skip
        people.append((person.id, home, brings, serves or home == "zs-rescue"))
    callout = await draft(emergency)
    async with emergency.city.database.read() as session:
        work = emergency.city.making.work(session)
        for asked in ([], kinds[:1], kinds[:2], kinds):
            for teamed in (False, True):
                need = Need(
                    quota=1, skills=[], qualifications=[], languages=[],
                    equipment=[kind.value for kind in asked],
                    team_id=team.id if teamed else None,
                )  # fmt: skip
                found = await candidates.within(work, callout, need, 20_000.0, 100)
                expected = [
                    key
                    for key, home, brings, member in people
                    if set(asked) <= brings and (member if teamed else home == "zs-shiqi")
                ]
                assert [one.person_id for one in found] == expected


# The preview


async def test_too_few_are_helped_by_a_press(emergency: Emergency) -> None:
    for number in range(30):
        await emergency.volunteer(f"远{number:02d}", north=0.1)
    await emergency.volunteer("水手", skills=("water_rescue",))
    await emergency.volunteer("帮手")
    await emergency.volunteer("夜班", **DAY_SLEEPER)
    await emergency.prepare_callout(
        quota="1", more=["范围", "5 公里", "技能", ">水上救援", "水上救援", "选好了"]
    )
    zhou = emergency.zhou
    assert "恐怕不够" in previews(zhou)[-1]
    await zhou.press("不限技能")
    preview = await zhou.sees("扩大到 20 公里就够了")
    assert "水上救援" not in preview.words
    assert "另有 1 人符合，但现在是他们的免打扰时间" in preview.words
    await zhou.press("扩大到 20 公里")
    assert "恐怕不够" not in (await zhou.sees("会答应，预计约")).words
    assert (await draft(emergency)).radius == 20_000.0
    assert not await emergency.responses()


async def test_from_the_preview_one_goes_back_and_changes_what_was_said(
    emergency: Emergency,
) -> None:
    li = await emergency.volunteer("李雷")
    zhou = emergency.zhou
    word = await emergency.prepare_callout(more=["须知", ">先这样", "多快到", "1小时"])
    await zhou.press("再要一类人")
    await zhou.press("10")
    await zhou.press("加上这类人")
    await zhou.sees("10 人")
    await zhou.press("修改")
    assert "先这样" in await shown(emergency)
    await zhou.press("✏️ 须知")
    await zhou.say("改成这样")
    await zhou.sees("改成这样")
    await zhou.press("看看谁能来")
    preview = await shown(emergency)
    assert "改成这样" in preview and "先这样" not in preview and "10 人" in preview
    await zhou.press("✖️ 10 人")
    await zhou.say(word)
    await zhou.sees("已经发出")
    assert "改成这样" in (await li.sees("需要你")).words
    async with emergency.city.database.read() as session:
        assert [need.quota for need in await session.scalars(select(Need))] == [5]
        assert len((await session.scalars(select(Callout))).all()) == 1


async def test_where_lives_are_at_stake_the_level_above_hears_of_it(emergency: Emergency) -> None:
    above = await emergency.city.coordinator("郑总", organisation="zs", role=RoleKind.COMMANDER)
    beside = await emergency.city.coordinator(
        "隔壁", organisation="zs-dongqu", role=RoleKind.COMMANDER
    )
    await emergency.crowd(2)
    await emergency.declare(quota="200", more=["紧急程度", "有生命危险"])
    await above.sees("人命关天的召集")
    assert not any("人命关天的召集" in one.words for one in beside.messages)
    assert len(await emergency.responses()) == 2


# Changes while it runs


async def test_fewer_people_send_the_last_ones_back(emergency: Emergency) -> None:
    crowd = await emergency.crowd(12)
    await emergency.declare(quota="6")
    for phone, minutes in zip(crowd[:8], ["15 分钟"] * 6 + ["60 分钟"] * 2, strict=True):
        await phone.press(minutes)
        await phone.sees("等你")
    zhou = emergency.zhou
    await zhou.press("不再叫人")
    await zhou.press("人手")
    await zhou.press("改人数")
    await zhou.say("2")
    await emergency.city.catch_up()
    await zhou.sees("原来要 6 人，现在：")
    for phone in crowd[6:8]:
        await phone.sees("不需要原来那么多人了")
        assert any("人手已经够了" in one.words for one in phone.messages)
    assert not any("不需要原来" in one.words for one in crowd[0].messages)
    states = await emergency.states()
    assert states["coming"] >= 3 and not states["asked"]
    assert "人手已经够了" in crowd[9].screen.words


async def test_a_raised_number_is_told_and_asked_for_at_once(emergency: Emergency) -> None:
    wu = await emergency.city.coordinator("吴芳", role=RoleKind.COMMANDER)
    await emergency.crowd(40)
    await emergency.declare(quota="1")
    before = len(await emergency.responses())
    zhou = emergency.zhou
    await zhou.press("人手")
    await zhou.press("改人数")
    await zhou.say("60")
    await emergency.city.catch_up()
    await zhou.sees("原来要 1 人，现在： 60 人")
    await wu.sees("原来要 1 人，现在： 60 人")
    assert len(await emergency.responses()) == 40 > before
    asked = [one for one in emergency.volunteers if one.messages]
    assert all("60 人" in one.screen.words for one in asked)


async def test_who_is_coming_reads_the_new_place_above_and_below(emergency: Emergency) -> None:
    li, wang, zhang = await emergency.crowd(3)
    await emergency.declare(quota="3")
    await li.press("30 分钟")
    await li.sees("等你")
    await wang.press("60 分钟")
    await wang.sees("等你")
    await emergency.zhou.press("改集结点")
    await emergency.zhou.say("22.5300, 113.3800")
    await emergency.zhou.say("体育馆")
    await emergency.city.catch_up()
    for phone in (li, wang):
        told = ["集结点改到" in one.words for one in phone.messages if "体育馆" in one.words]
        assert told == [True, True]
        assert not any("22.5250" in one.words for one in phone.messages)
    assert ["体育馆" in one.words for one in zhang.messages] == [True]


async def test_more_kinds_of_people_are_told_to_the_commanders(emergency: Emergency) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare(more=["技能", ">水上救援", "水上救援", "选好了"])
    zhou = emergency.zhou
    await zhou.press("人手")
    await zhou.sees("要叫谁")
    await zhou.press("再要一类人")
    assert "现场需要多少人" in await shown(emergency)
    await zhou.press("10")
    await zhou.press("✏️ 装备")
    await zhou.press("汽车")
    await zhou.press("选好了")
    await bring(emergency, li, Equipment.CAR)
    await zhou.press("加上这类人")
    await emergency.city.settle()
    await zhou.sees("周明又要一类人")
    assert "10 人 · 🚗 汽车" in (await li.sees("需要你")).words

"""Coordinators write to many, in chat: audience, draft, preview, approval, progress, recall."""

from datetime import date

import pytest
from sqlalchemy import select

from models import Broadcast, BroadcastState, Group
from playground import Phone
from playground.model import Message
from playground.phone import labels
from services import broadcasting, opt_outs
from services.policy import Policy
from tests.city import City
from tests.test_planning import a_picture, answer, stands_at

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""What differs between databases is asked in test_broadcasts."""

TITLE = "周末大扫除"


async def write(
    wang: Phone, text: str = TITLE, kind: str = "组织动态", *changes: tuple[str, str]
) -> None:
    """From the command to the draft's screen; `changes` are made at the summary."""
    await wang.say("/broadcasts")
    await answer(
        wang,
        ("群发消息", "[新消息]"),
        ("以哪个组织的名义", "石岐"),
        ("搜索结果", "[石岐街道志愿服务协会]"),
        ("哪一类消息", f"[{kind}]"),
        ("请写中文正文", text),
        ("请核对一下", f"[{changes[0][1]}]" if changes else "[保存草稿]"),
    )
    if changes:
        await answer(wang, *changes[1:], ("请核对一下", "[保存草稿]"))
    await stands_at(wang, "📝 草稿")


async def send_off(wang: Phone) -> None:
    await wang.press("发送…")
    await stands_at(wang, "确认发送吗")
    await wang.press("确认发送")
    await stands_at(wang, "开始发给")


async def newest(city: City) -> Broadcast:
    async with city.database.read() as session:
        found = await session.scalars(select(Broadcast).order_by(Broadcast.id.desc()).limit(1))
        return found.one()


def having(phone: Phone, words: str) -> list[Message]:
    return [m for m in phone.messages if m.from_bot and words in m.words]


# From the draft to the report


async def test_news_goes_from_the_first_word_to_the_report(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    gone = await city.volunteer("何远")
    await gone.block()
    await city.answered()
    await write(wang)
    draft = wang.screen.words
    assert TITLE in draft
    assert "符合条件 3 人 · 可送达 2 人" in draft
    assert "屏蔽了机器人 1" in draft
    await send_off(wang)
    await city.settle()
    received = await chen.sees(TITLE)
    assert labels(received) == ["🔕 不再接收“组织动态”"]
    await city.forward(seconds=11)
    (progress,) = having(wang, "▓")
    assert progress.edited
    assert "100%" in progress.words
    report = await wang.sees("发送完毕")
    assert "已发送: 2" in report.words
    assert "未发送: 屏蔽了机器人 1" in report.words
    assert (await newest(city)).state is BroadcastState.FINISHED


async def test_a_message_has_formatting_versions_a_picture_and_buttons(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    smith = await city.volunteer("Smith", language="en")
    activity = await city.making.activity(await city.person(wang), "河岸植树")
    await city.making.shift(activity)
    await write(wang, "你会来吗？", "提问和调查", ("", "English"), ("请写英文版", "Will you come?"))
    await wang.press("修改")
    await stands_at(wang, "修改消息")
    await wang.press("图片、文件、位置")
    await stands_at(wang, "附上一张图片")
    await wang.send_photo(a_picture())
    await answer(
        wang,
        ("有图片", "[活动]"),
        ("按钮要打开哪个活动", "[河岸植树]"),
        ("报名“河岸植树”", "[链接]"),
        ("打开哪个网址", "看看 这里"),
        ("https://", "详情 https://example.org/x"),
        ("详情", "[答案]"),
        ("可选的答案", "来\n来"),
        ("2 到 8 个答案", "来\n不来"),
        ("来 / 不来", "[保存草稿]"),
        ("📝 草稿", "[发送…]"),
        ("确认发送吗", "[确认发送]"),
    )
    await stands_at(wang, "开始发给")
    await city.settle()
    received = await chen.sees("你会来吗")
    assert received.photo is not None
    assert labels(received)[:2] == ["✅ 报名", "🔎 详情"]
    assert "https://example.org/x" in {b.url for row in received.keyboard for b in row}
    assert (await smith.sees("Will you come?")).photo is not None
    pressed = await chen.press("不来")
    assert pressed is not None
    assert "你的回答：不来" in (pressed.text or "")
    await chen.press("✅ 报名")
    await chen.sees("报名成功")
    await city.answered()
    await city.program.line.intake.note_answered()
    await city.forward(seconds=11)
    assert "不来: 1" in (await wang.sees("发送完毕")).words
    assert "点过按钮: 1" in (await wang.sees("发送完毕")).words


async def test_bold_words_stay_bold(city: City) -> None:
    wang = await city.coordinator("王强")
    await write(wang)
    async with city.database.write() as session:
        found = await session.get_one(Broadcast, (await newest(city)).id)
        found.versions = {"zh_Hans": "<b>周末</b>大扫除 &lt;3"}
    await wang.press("发给我看看")
    await city.settle()
    preview = await wang.sees("只有你收到")
    assert "周末大扫除 <3" in preview.words
    assert [entity.type for entity in preview.entities][:1] == ["bold"]


async def test_a_file_or_a_place_goes_along(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await write(wang)
    await wang.press("修改")
    await stands_at(wang, "修改消息")
    await wang.press("图片、文件、位置")
    await stands_at(wang, "附上一张图片")
    await wang.say("没有")
    await stands_at(wang, "请发送一张图片、一个文件或一个位置")
    await wang.send_document(b"plan", "plan.pdf")
    await answer(wang, ("有文件", "[保存草稿]"), ("📝 草稿", "[发给我看看]"))
    await city.settle()
    assert having(wang, "只有你收到")[-1].document is not None
    await wang.press("修改")
    await stands_at(wang, "修改消息")
    await wang.press("图片、文件、位置")
    await stands_at(wang, "附上一张图片")
    await wang.share_location(22.53, 113.38)
    await answer(wang, ("有位置", "[保存草稿]"))
    await stands_at(wang, "📝 草稿")
    await send_off(wang)
    await city.settle()
    await chen.sees(TITLE)
    assert any(message.location is not None for message in chen.messages)


async def test_an_answer_to_a_preview_does_not_count(city: City) -> None:
    wang = await city.coordinator("王强")
    await write(wang, "你会来吗？", "提问和调查", ("", "答案"), ("可选的答案", "来\n不来"))
    await wang.press("发给我看看")
    await city.settle()
    await wang.sees("只有你收到")
    pressed = await wang.press("不来")
    assert pressed is not None
    assert "只是预览" in (pressed.text or "")


async def test_a_message_waits_for_its_time(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await write(
        wang, TITLE, "通知", ("", "开始"), ("什么时候发送", "明天 9:00"), ("吗？", "[对，没错]")
    )
    await wang.press("发送…")
    assert "11月24日" in (await stands_at(wang, "确认发送吗")).words
    await wang.press("确认发送")
    await stands_at(wang, "定时发送")
    await city.settle()
    assert not having(chen, TITLE)
    await city.go_to("2026-11-24 09:00")
    await chen.sees(TITLE)


# Four eyes


async def strict(city: City) -> None:
    """From now on, two people are many."""
    city.policy = Policy(broadcast_approval_size=1)
    await city.start_again()


async def test_a_second_coordinator_approves_what_goes_to_many(city: City) -> None:
    await strict(city)
    wang = await city.coordinator("王强")
    li = await city.coordinator("李红")
    chen = await city.volunteer("陈晓丽")
    await write(wang)
    await wang.press("发送…")
    assert "另一位协调员" in (await stands_at(wang, "确认发送吗")).words
    await wang.press("提交审批")
    await stands_at(wang, "等待审批")
    await city.settle()
    assert not having(chen, TITLE)
    await li.sees("等你审批")
    await li.press("查看并审批")
    assert TITLE in (await stands_at(li, "同意发送吗")).words
    await li.press("通过")
    await city.settle()
    await wang.sees("已通过审批")
    await chen.sees(TITLE)


async def test_what_is_sent_back_is_a_draft_again_with_the_reason(city: City) -> None:
    await strict(city)
    wang = await city.coordinator("王强")
    li = await city.coordinator("李红")
    await city.volunteer("陈晓丽")
    await write(wang)
    await answer(wang, ("📝 草稿", "[发送…]"), ("确认发送吗", "[提交审批]"))
    await stands_at(wang, "等待审批")
    await city.settle()
    await li.sees("等你审批")
    await answer(
        li,
        ("等你审批", "[查看并审批]"),
        ("同意发送吗", "[退回]"),
        ("需要改什么", "请写上集合地点"),
    )
    await stands_at(li, "已退回起草人")
    await city.settle()
    assert "请写上集合地点" in (await wang.sees("被退回给你")).words
    await wang.press("打开")
    await stands_at(wang, "📝 草稿")


async def test_who_is_alone_learns_that_nobody_can_approve(city: City) -> None:
    await strict(city)
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽")
    await write(wang)
    await answer(wang, ("📝 草稿", "[发送…]"))
    await stands_at(wang, "确认发送吗")
    pressed = await wang.press("提交审批")
    assert pressed is not None
    assert "没有其他协调员" in (pressed.text or "")
    assert (await newest(city)).state is BroadcastState.DRAFT


# While it runs, and afterwards


@pytest.fixture
def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn of the clock reaches one person more."""
    monkeypatch.setattr(broadcasting, "PORTION", 1)


@pytest.mark.usefixtures("_one_by_one")
async def test_it_is_paused_goes_on_and_is_stopped(city: City) -> None:
    wang = await city.coordinator("王强")
    chen, li, he = [await city.volunteer(name) for name in ("陈晓丽", "李明", "何远")]
    await write(wang)
    await send_off(wang)
    await city.settle()
    await city.settle()
    await chen.sees(TITLE)
    assert not having(li, TITLE)
    await wang.sees("▓")
    await wang.press("暂停")
    await stands_at(wang, "已暂停")
    await city.settle()
    assert not having(li, TITLE)
    await wang.press("继续发送")
    await stands_at(wang, "发送中")
    await city.settle()
    await li.sees(TITLE)
    await wang.press("停止发送")
    await stands_at(wang, "彻底停止")
    await wang.press("彻底停止")
    await stands_at(wang, "已停止")
    await city.settle()
    await city.settle()
    assert not having(he, TITLE)
    assert "已发送: 3" in (await wang.sees("已停止")).words


async def test_it_is_taken_off_the_phones(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await write(wang)
    await send_off(wang)
    await city.settle()
    await chen.sees(TITLE)
    await city.settle()
    await wang.say("/broadcasts")
    await answer(
        wang, ("已发送", f"[{TITLE}]"), ("100%", "[撤回]"), ("已收到的手机上会消失", "[撤回]")
    )
    await stands_at(wang, "已撤回")
    await city.settle()
    assert not having(chen, TITLE)


@pytest.mark.usefixtures("_one_by_one")
async def test_a_mistake_is_corrected_on_the_phones_and_for_those_to_come(city: City) -> None:
    wang = await city.coordinator("王强")
    chen, li = [await city.volunteer(name) for name in ("陈晓丽", "李明")]
    await write(wang, "周五大扫除")
    await send_off(wang)
    await city.settle()
    await city.settle()
    await chen.sees("周五大扫除")
    await answer(
        wang,
        ("发送中", "[更正正文]"),
        ("新的正文", "[中文]"),
        ("请写中文正文", "周六大扫除"),
        ("周六大扫除", "[全部更正]"),
        ("新的正文会发给所有人", "[刷新]"),
    )
    await city.settle()
    await city.settle()
    await chen.sees("周六大扫除")
    assert not having(chen, "周五大扫除")
    await li.sees("周六大扫除")
    assert not having(li, "周五大扫除")


# Not for me


async def test_one_press_ends_a_kind_and_another_brings_it_back(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await write(wang)
    await send_off(wang)
    await city.settle()
    await chen.sees(TITLE)
    await chen.press("不再接收“组织动态”")
    await chen.sees("以后不再发送“组织动态”")
    await write(wang, "第二期")
    assert "不接收这类消息 1" in wang.screen.words
    await chen.press("撤销")
    await chen.sees("又会收到“组织动态”")
    await send_off(wang)
    await city.settle()
    await chen.sees("第二期")


async def test_the_switches_of_all_kinds_stand_on_one_screen(city: City) -> None:
    chen = await city.volunteer("陈晓丽", emergency_opt_in=True)
    await chen.say("/messages")
    await stands_at(chen, "消息设置")
    await chen.press("🔔 提问和调查")
    await chen.wait(lambda m: "🔕 提问和调查" in labels(m))
    person = await city.person(chen)
    async with city.database.read() as session:
        assert await opt_outs.kinds_of(city.making.work(session, person)) == {"survey"}


async def test_emergencies_are_given_up_knowingly(city: City) -> None:
    chen = await city.volunteer("陈晓丽", emergency_opt_in=True)
    await chen.say("/messages")
    await stands_at(chen, "遇到突发事件会呼叫你")
    await chen.press("不再接收应急呼叫")
    await stands_at(chen, "确定不再接收应急呼叫吗")
    assert (await city.person(chen)).emergency_opt_in
    await chen.press("是的，不再呼叫我")
    await stands_at(chen, "遇到突发事件不会呼叫你")
    assert not (await city.person(chen)).emergency_opt_in


# The audience


async def test_the_size_is_seen_while_choosing_and_the_choices_are_kept(city: City) -> None:
    wang = await city.coordinator("王强", birth_date=date(1960, 1, 1))
    await city.volunteer("陈晓丽", skills=("first_aid",), birth_date=date(1990, 1, 1))
    blocked = await city.volunteer("何远", skills=("first_aid",), birth_date=date(1990, 1, 1))
    await city.volunteer("李明", birth_date=date(1990, 1, 1))
    await blocked.block()
    await city.answered()
    await write(wang)
    await wang.press("发送对象")
    assert "符合条件 4 人" in (await stands_at(wang, "符合条件")).words
    await wang.press("最大年龄")
    await answer(wang, ("最多多少岁", "40"), ("不超过 40 岁", "[最小年龄]"))
    await answer(wang, ("至少多少岁", "50"), ("比最大年龄还大", "18"))
    await stands_at(wang, "18 至 40 岁")
    assert "符合条件 3 人 · 可送达 2 人" in wang.screen.words
    await wang.press("技能")
    await answer(wang, ("要有哪些技能", "急救"))
    await stands_at(wang, "搜索结果")
    await wang.press(next(label for label in labels(wang.screen) if "急救" in label))
    await wang.wait(lambda m: "✅" in m.words and "搜索结果" in m.words)
    await wang.press("选好了")
    await stands_at(wang, "具备其一")
    assert "符合条件 2 人 · 可送达 1 人" in wang.screen.words
    await wang.press("看看十个人")
    sample = await wang.sees("其中的一些人")
    assert "陈晓丽 · 石岐街道志愿服务协会" in sample.words
    assert "何远 · 石岐街道志愿服务协会 · 🚫 屏蔽了机器人" in sample.words
    assert sample.protected
    await wang.press("保存条件")
    await answer(wang, ("叫什么名字", "年轻急救员"), ("已保存为", "[接着填]"))
    await stands_at(wang, "具备其一")
    await wang.press("就发给这些人")
    await stands_at(wang, "📝 草稿")
    assert "符合条件 2 人" in wang.screen.words


async def test_a_kept_audience_serves_another_message(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽", language="zh_Hans")
    await city.volunteer("Smith", language="en")
    await wang.say("/audiences")
    await answer(wang, ("还没有", "[选择条件]"), ("符合条件 3 人", "[语言]"))
    await answer(wang, ("哪种语言的界面", "[English]"), ("符合条件 1 人", "[保存条件]"))
    await answer(wang, ("叫什么名字", "英文读者"), ("已保存为", "[已保存的对象]"))
    await wang.wait(lambda m: "👥 英文读者" in labels(m))
    await write(wang)
    await answer(wang, ("📝 草稿", "[发送对象]"), ("符合条件 3 人", "[已保存的对象]"))
    await stands_at(wang, "已保存的对象")
    await answer(wang, ("已保存的对象", "[英文读者]"), ("符合条件 1 人", "[就发给这些人]"))
    assert "English" in (await stands_at(wang, "📝 草稿")).words
    await wang.say("/audiences")
    await wang.wait(lambda m: "👥 英文读者" in labels(m))
    await wang.press("删除")
    await stands_at(wang, "还没有")


async def test_a_group_gets_it_and_leads_to_a_chat_of_ones_own(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    group = city.telegram.add_group("石岐志愿者", [wang])
    city.telegram.world.join(group, city.bot, "member", wang.person)
    async with city.database.write() as session:
        home = (await city.person(wang)).organisation_id
        session.add(
            Group(chat_id=group.id, title=group.title, language="zh_Hans", organisation_id=home)
        )
    await write(wang, "你会来吗？", "提问和调查", ("", "答案"), ("可选的答案", "来\n不来"))
    await answer(wang, ("📝 草稿", "[发送对象]"), ("发送对象", "[群]"))
    await answer(wang, ("要发到哪些群", "[石岐志愿者]"), ("✅", "[选好了]"))
    await answer(wang, ("同时发到群：石岐志愿者", "[就发给这些人]"))
    await stands_at(wang, "📝 草稿")
    await send_off(wang)
    await city.settle()
    posted = await wang.in_chat(group).sees("你会来吗")
    (label,) = labels(posted)
    assert "回答" in label
    await chen.open(posted.keyboard[0][0].url or "")
    pressed = await chen.press("不来")
    assert pressed is not None
    assert "你的回答：不来" in (pressed.text or "")


async def test_who_coordinates_nothing_writes_to_nobody(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    for command in ("/broadcasts", "/audiences"):
        await chen.say(command)
        await chen.sees("没有")
    await chen.press_data("broadcast.new")
    await city.answered()
    async with city.database.read() as session:
        assert (await session.scalars(select(Broadcast))).all() == []


async def test_no_stranger_sees_to_it(city: City) -> None:
    """Neither volunteers nor the coordinators of another town, whatever they press."""
    wang = await city.coordinator("王强")
    await write(wang)
    key = (await newest(city)).id
    other = await city.coordinator("赵敏", organisation="zs-xiaolan")
    await other.say("/menu")
    await stands_at(other, "今天想做点什么")
    for what in ("manage", "preview", "submit", "drop", "audience", "takeback", "approve"):
        await other.press_data(f"broadcast.{what}:{key}")
    await city.settle()
    assert not having(other, TITLE)
    assert (await newest(city)).state is BroadcastState.DRAFT

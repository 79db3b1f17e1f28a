"""Coordinators plan in chat: the form, the preview, publishing, changes, copies, groups."""

from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import select

from models import Activity, ActivityState, Enrolment, Organisation, Shift
from playground import Phone
from playground.model import Message
from playground.phone import labels
from services import opt_outs
from tests.city import City

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""What differs between databases is asked in test_activities."""


async def stands_at(phone: Phone, text: str) -> Message:
    """Waits until the screen in front says so; a question may have a keyboard's message below."""
    found: Message = await phone.wait_until(
        lambda: next((m for m in phone.messages[-2:] if m.from_bot and text in m.words), None)
    )
    return found


async def answer(phone: Phone, *steps: tuple[str, str]) -> None:
    """Waits for each question and answers it: "[label]" is pressed, all else is typed."""
    for question, reply in steps:
        await stands_at(phone, question)
        if reply.startswith("["):
            await phone.press(reply.strip("[]"))
        else:
            await phone.say(reply)


async def plan_a_planting(wang: Phone, *, span: str = "下周六 9:00-12:00") -> None:
    """From the first question to the saved draft, with a requirement of age 16."""
    await wang.say("/plan")
    await answer(
        wang,
        ("由哪个组织举办", "[石岐街道志愿服务协会]"),
        ("活动叫什么名字", "河岸植树"),
        ("属于哪个服务领域", "植绿"),
    )
    await wang.sees("搜索结果")
    await wang.press("植绿护河")
    await answer(
        wang,
        ("要做些什么", "一起在岐江边种树，人人都能参加。"),
        ("宣传图片", "[跳过]"),
    )
    await wang.sees("在哪里举办")
    await wang.share_location(22.53, 113.38)
    await answer(wang, ("怎么找到地方", "岐江公园北门"), ("从几点到几点", span))
    await answer(
        wang,
        ("吗？", "[对，没错]"),
        ("需要多少名志愿者", "[20]"),
        ("谁都可以参加", "[有要求]"),
        ("必须有哪些技能", "[跳过]"),
        ("必须持有哪些证书", "[跳过]"),
        ("哪些语言或方言", "[跳过]"),
        ("最低年龄", "[16]"),
        ("只给某一类志愿者", "[跳过]"),
        ("什么时候截止报名", "[跳过]"),
        ("直接生效，还是由你", "[直接生效]"),
        ("需要带什么", "手套和水"),
        ("有问题找谁", "[跳过]"),
    )
    await wang.sees("请核对一下")


async def newest(city: City) -> Activity:
    async with city.database.read() as session:
        found = await session.scalars(select(Activity).order_by(Activity.id.desc()).limit(1))
        return found.one()


async def shift_of(city: City, activity: Activity) -> Shift:
    async with city.database.read() as session:
        found = await session.scalars(select(Shift).where(Shift.activity_id == activity.id))
        return found.one()


async def test_a_coordinator_plans_as_people_write_and_publishes(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    far = await city.volunteer("何远", latitude=22.90)
    await plan_a_planting(wang)
    summary = await wang.sees("请核对一下")
    for said in (
        "河岸植树",
        "2026年12月5日 周六 09:00–12:00",
        "年满 16 岁",
        "手套和水",
        "植绿护河",
    ):
        assert said in summary.words
    await wang.press("保存草稿")
    screen = await wang.sees("草稿已保存")
    assert "联系人：王强" in screen.words
    assert (await newest(city)).state is ActivityState.DRAFT

    await wang.press("预览并发布")
    preview = await wang.sees("志愿者会看到")
    assert "有适合你的新活动" in preview.words
    assert "位志愿者" in preview.words
    await wang.press("📣 发布")
    await wang.sees("将通知")
    await city.catch_up()
    told = await chen.sees("有适合你的新活动")
    assert "公里" in told.words or "米" in told.words
    assert "✅ 报名" in labels(told)
    assert not any("河岸植树" in message.words for message in far.messages)
    assert (await newest(city)).state is ActivityState.PUBLISHED


async def test_an_english_coordinator_plans_in_english(city: City) -> None:
    smith = await city.coordinator("Smith", language="en", organisation="zs-shiqi-taiping")
    await smith.say("/plan")
    await smith.sees("What is the activity called?")
    await smith.say("River cleaning")
    await smith.sees("Which field of service")
    await smith.say("river")
    await smith.sees("Matches for")


async def test_each_wrong_answer_gets_its_own_words(city: City) -> None:
    wang = await city.coordinator("王强")
    await wang.say("/plan")
    await answer(
        wang,
        ("由哪个组织举办", "[石岐街道志愿服务协会]"),
        ("活动叫什么名字", "树"),
        ("太短了", "树" * 61),
        ("写了 61 个字", "河岸植树"),
        ("属于哪个服务领域", "没有这样的领域"),
        ("没有找到", "植绿"),
        ("搜索结果", "[植绿护河]"),
        ("要做些什么", "一起在岐江边种树。"),
        ("宣传图片", "这是文字"),
        ("请发送一张照片", "[跳过]"),
        ("在哪里举办", "在公园里"),
        ("或输入坐标", "22.53, 113.38"),
        ("怎么找到地方", "岐江公园北门"),
        ("从几点到几点", "也许明天"),
        ("没看懂这个时间", "昨天 9:00-12:00"),
        ("已经过去了", "2028-01-01 9:00-12:00"),
        ("离现在超过一年", "下周六 9:00-12:00"),
        ("吗？", "[不对，重新输入]"),
        ("从几点到几点", "下周日 9:00-12:00"),
        ("12月6日", "[对，没错]"),
        ("需要多少名志愿者", "很多"),
        ("请输入 1 到 10000", "0"),
        ("数字要在 1 到", "20"),
        ("谁都可以参加", "随便"),
        ("请点下面的按钮", "[谁都可以参加]"),
        ("什么时候截止报名", "2026-12-07 9:00"),
        ("报名要在这之前截止", "明天 18:00"),
        ("吗？", "[对，没错]"),
        ("直接生效，还是由你", "[由我逐一确认]"),
        ("需要带什么", "[跳过]"),
        ("有问题找谁", "[跳过]"),
        ("请核对一下", "[名称]"),
        ("活动叫什么名字", "江边植树"),
        ("江边植树", "[保存草稿]"),
    )
    await wang.sees("草稿已保存")
    kept = await newest(city)
    assert kept.title == "江边植树"
    assert kept.enrolment_deadline == city.clock.at("2026-11-24 18:00")


async def test_a_plan_left_half_way_goes_on_where_it_stopped(city: City) -> None:
    wang = await city.coordinator("王强")
    await wang.say("/plan")
    await answer(wang, ("由哪个组织举办", "[石岐街道志愿服务协会]"), ("活动叫什么名字", "河岸植树"))
    await wang.sees("属于哪个服务领域")
    await wang.say("/menu")
    await wang.sees("今天想做点什么")
    await wang.say("/plan")
    await wang.wait(lambda m: "属于哪个服务领域" in m.words and m is wang.screen)


async def test_a_second_shift_is_added_and_edited_and_taken_away(city: City) -> None:
    wang = await city.coordinator("王强")
    await plan_a_planting(wang)
    await wang.press("保存草稿")
    await answer(
        wang,
        ("草稿已保存", "[添加班次]"),
        ("这个班次有自己的名字吗", "下午班"),
        ("从几点到几点", "下周六 14:00-17:00"),
        ("吗？", "[对，没错]"),
        ("需要多少名志愿者", "[10]"),
        ("谁都可以参加", "[谁都可以参加]"),
        ("添加这个班次吗", "[保存]"),
    )
    await wang.sees("已保存")
    await wang.press("下午班")
    await wang.wait(lambda m: "🗑 删除班次" in labels(m))
    await wang.press("修改")
    await answer(wang, ("修改班次", "[✏️ 名额]"), ("需要多少名志愿者", "15"), ("15", "[✅ 保存]"))
    await wang.sees("已保存")
    assert "剩 15 个名额" in wang.screen.words
    await wang.press("下午班")
    await wang.press("删除班次")
    await wang.sees("这个班次吗")
    await wang.press("🗑 删除班次")
    screen = await wang.wait(lambda m: "已保存" in m.words and "下午班" not in m.words)
    assert not any("下午班" in label for label in labels(screen))


async def published(city: City, wang: Phone) -> Activity:
    await plan_a_planting(wang)
    await wang.press("保存草稿")
    await wang.sees("草稿已保存")
    await wang.press("预览并发布")
    await wang.sees("志愿者会看到")
    await wang.press("📣 发布")
    await wang.sees("将通知")
    await city.settle()
    return await newest(city)


async def test_an_announcement_at_night_waits_for_the_morning(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    city.clock.go_to("2026-11-23 23:00")
    await plan_a_planting(wang)
    await wang.press("保存草稿")
    await wang.sees("草稿已保存")
    await wang.press("预览并发布")
    preview = await wang.sees("志愿者会看到")
    assert "2026年11月24日 周二 08:00 通知大家" in preview.words
    await wang.press("📣 发布")
    await wang.sees("将通知")
    await city.catch_up()
    assert not any("河岸植树" in message.words for message in chen.messages)
    await city.go_to("2026-11-24 08:00")
    await chen.sees("有适合你的新活动")


async def test_no_more_than_five_announcements_a_week(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    for number in range(6):
        draft = await city.making.activity(
            await city.person(wang), f"活动{number}", state=ActivityState.DRAFT
        )
        await city.making.shift(draft, f"2026-12-0{number + 1} 09:00")
        await wang.say("/menu")
        await wang.sees("今天想做点什么")
        await wang.press_data(f"activity.preview:{draft.id}")
        await wang.sees(f"活动{number}")
        await wang.press_data(f"activity.publish:{draft.id}")
        await city.catch_up()
    heard = [message for message in chen.messages if "有适合你的新活动" in message.words]
    assert len(heard) == 5


async def test_an_announcement_carries_its_picture_and_is_corrected_on_the_phone(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽", language="en")
    activity = await city.making.activity(
        await city.person(wang), state=ActivityState.DRAFT, contact="王强"
    )
    await city.making.shift(activity)
    await wang.say("/menu")
    await wang.sees("今天想做点什么")
    await wang.press_data(f"activity.edit:{activity.id}")
    await wang.sees("修改活动")
    await wang.press("✏️ 图片")
    await stands_at(wang, "宣传图片")
    await wang.send_photo(a_picture())
    await stands_at(wang, "有图片")
    await wang.press("✅ 保存")
    await wang.press("预览并发布")
    preview = await wang.sees("志愿者会看到")
    assert preview.photo is not None
    await wang.press("📣 发布")
    await wang.sees("将通知")
    await city.settle()
    told = await chen.sees("A new activity that fits you")
    assert told.photo is not None

    await wang.press("打开活动")
    await wang.wait(lambda m: "✖️ 取消活动" in labels(m))
    await wang.press("✏️ 修改")
    await wang.sees("修改活动")
    await wang.press("✏️ 携带物品")
    await wang.sees("需要带什么")
    await wang.say("雨衣")
    await stands_at(wang, "雨衣")
    await wang.press("✅ 保存")
    await wang.sees("已保存")
    await city.settle()
    corrected = await chen.sees("雨衣")
    assert corrected.id == told.id


def a_picture() -> bytes:
    content = BytesIO()
    Image.new("RGB", (320, 200), "green").save(content, "PNG")
    return content.getvalue()


async def test_not_for_me_ends_announcements(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await published(city, wang)
    await chen.sees("有适合你的新活动")
    await chen.press("不再接收新活动通知")
    await chen.sees("以后不再发送“适合我的新活动”")
    assert await opted_out(city, chen) == {"announcement"}
    await chen.press("撤销")
    await chen.sees("又会收到“适合我的新活动”")
    assert await opted_out(city, chen) == set()


async def opted_out(city: City, phone: Phone) -> set[str]:
    person = await city.person(phone)
    async with city.database.read() as session:
        return await opt_outs.kinds_of(city.making.work(session, person))


async def test_a_group_hears_of_new_activities_and_of_their_end(city: City) -> None:
    wang = await city.coordinator("王强")
    group = city.telegram.add_group("石岐志愿者", [wang])
    await wang.say("/groups")
    screen = await wang.sees("石岐街道志愿服务协会的群")
    line = next(line for line in screen.words.splitlines() if line.startswith("/bind"))
    in_group = wang.in_chat(group)
    city.telegram.world.join(group, city.bot, "member", wang.person)
    await in_group.sees("大家好")
    await in_group.say(line)
    await in_group.sees("本群现在会收到")

    activity = await published(city, wang)
    told = await in_group.sees("河岸植树")
    assert not any(button.data for row in told.inline_rows for button in row)
    assert f"start=a-{activity.id}" in (told.inline_rows[0][0].url or "")

    await wang.say("/menu")
    await wang.sees("今天想做点什么")
    await wang.press_data(f"activity.calloff:{activity.id}")
    await answer(wang, ("为什么取消", "台风来了"), ("台风来了", "[确认取消活动]"))
    await wang.sees("活动已取消")
    await city.settle()
    ended = await in_group.sees("活动取消：河岸植树")
    assert ended.id == told.id
    assert ended.edited

    await wang.say("/groups")
    await wang.press("解绑 石岐志愿者")
    await wang.sees("还没有绑定群")


async def test_a_changed_place_asks_those_enrolled_anew(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    activity = await published(city, wang)
    shift = await shift_of(city, activity)
    await chen.sees("有适合你的新活动")
    await chen.press_data(f"enrol:{shift.id}")
    await city.settle()
    await wang.say("/activities")
    await wang.press("河岸植树")
    await wang.sees("已发布")
    await wang.press("✏️ 修改")
    await wang.sees("修改活动")
    await wang.press("✏️ 地址")
    await answer(wang, ("怎么找到地方", "紫马岭公园南门"), ("紫马岭公园南门", "[✅ 保存]"))
    await wang.sees("已保存")
    await city.settle()
    await chen.sees("紫马岭公园南门")
    person = await city.person(chen)
    async with city.database.read() as session:
        place = await session.scalar(select(Enrolment).where(Enrolment.person_id == person.id))
    assert place is not None
    assert place.reconfirm


async def test_calling_off_tells_the_enrolled_and_edits_what_everyone_holds(city: City) -> None:
    wang = await city.coordinator("王强")
    chen, he = await city.volunteer("陈晓丽"), await city.volunteer("何远")
    activity = await published(city, wang)
    shift = await shift_of(city, activity)
    held = await he.sees("有适合你的新活动")
    await chen.sees("有适合你的新活动")
    await chen.press_data(f"enrol:{shift.id}")
    await city.settle()
    await wang.say("/activities")
    await wang.press("河岸植树")
    await wang.sees("已发布")
    await wang.press("取消活动")
    await answer(wang, ("为什么取消", "台风来了"))
    await wang.sees("1 个人")
    await wang.press("确认取消活动")
    await wang.sees("正在通知所有报名的人")
    await city.catch_up()
    await chen.sees("期待下次见到你")
    edited = await he.sees("活动取消：河岸植树")
    assert edited.id == held.id
    assert "台风来了" in edited.words
    assert not any("期待下次见到你" in message.words for message in he.messages)


async def test_an_earlier_activity_is_copied_and_repeated(city: City) -> None:
    wang = await city.coordinator("王强")
    await plan_a_planting(wang)
    await wang.press("保存草稿")
    await answer(
        wang,
        ("草稿已保存", "[复制]"),
        ("第一个班次什么时候开始", "12月12日 14:00"),
        ("吗？", "[对，没错]"),
    )
    await wang.sees("已复制")
    copied = await newest(city)
    assert (await shift_of(city, copied)).starts_at == city.clock.at("2026-12-12 14:00")
    await wang.press("每周重复")
    await answer(wang, ("再重复几周", "[4]"), ("先存成草稿", "[马上发布]"))
    await wang.sees("已发布 4 场活动")
    last = await newest(city)
    assert last.state is ActivityState.PUBLISHED
    assert (await shift_of(city, last)).starts_at == city.clock.at("2027-01-09 14:00")


async def test_a_draft_is_thrown_away(city: City) -> None:
    wang = await city.coordinator("王强")
    await plan_a_planting(wang)
    await wang.press("保存草稿")
    await wang.sees("草稿已保存")
    await wang.press("删除草稿")
    await wang.sees("删除后不能恢复")
    await wang.press("🗑 删除草稿")
    await wang.sees("这里还没有内容")
    async with city.database.read() as session:
        assert await session.scalar(select(Activity)) is None


async def test_another_towns_coordinator_and_volunteers_are_refused(city: City) -> None:
    wang = await city.coordinator("王强")
    li = await city.coordinator("李梅", organisation="zs-xiaolan")
    chen = await city.volunteer("陈晓丽")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity)
    shiqi: Organisation = await city.making.organisation("zs-shiqi")
    for phone in (li, chen):
        await phone.say("/menu")
        await phone.sees("今天想做点什么")
        for data in (
            f"activity.manage:{activity.id}",
            f"activity.edit:{activity.id}",
            f"activity.publish:{activity.id}",
            f"activity.calloff:{activity.id}",
            f"activity.copy:{activity.id}",
            f"activity.repeat:{activity.id}",
            f"activity.drop:{activity.id}",
            f"shift.manage:{shift.id}",
            f"shift.edit:{shift.id}",
            f"shift.drop:{shift.id}",
            f"groups.of:{shiqi.id}",
        ):
            answered = await phone.press_data(data)
            assert "没有这项操作的权限" in answered.text, data
    for data in ("activity.manage:999999", "activity.manage:x", "activities.list:nonsense"):
        assert "过期" in (await li.press_data(data)).text
    await chen.say("/plan")
    await chen.sees("没有这项操作的权限")

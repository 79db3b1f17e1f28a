"""The page of phones, in a real Chromium: everything a person can do on it, with the real bot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from playground import Playground
from tests.browser import DESKTOP, PHONE, blank, browser, visit
from tests.city import City
from tests.databases import Databases
from tests.playground.caller import USERNAME, Caller, a_code, a_picture, buttons, calling
from tests.times import ManualClock

pytestmark = pytest.mark.asyncio(loop_scope="module")  # they share one page


class Desk:
    """The page as a person's hands and eyes; phones count from 0."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def phone(self, number: int) -> Locator:
        return self.page.locator(".station").nth(number)

    async def press(self, number: int, label: str) -> None:
        await self.phone(number).get_by_role("button", name=label).last.click()

    async def say(self, number: int, text: str) -> None:
        field = self.phone(number).get_by_role("textbox").last
        await field.fill(text)
        await field.press("Enter")

    async def sees(self, number: int, text: str) -> Locator:
        found = self.phone(number).locator(".message").filter(has_text=text).last
        await expect(found).to_be_visible(timeout=10_000)
        return found

    async def attach(self, number: int, what: str) -> None:
        await self.press(number, "添加附件")
        await self.press(number, what)

    async def reaches_beyond(self) -> list[str]:
        """What is wider than the page, or stands outside of it."""
        found: list[str] = await self.page.evaluate(
            """() => [...document.querySelectorAll("body *")]
              .filter((node) => node.checkVisibility() && !node.closest("svg"))
              .filter((node) => !node.closest(".tabs"))  // they scroll
              .filter((node) => {
                const { left, right } = node.getBoundingClientRect();
                return left < -0.5 || right > innerWidth + 0.5;
              })
              .map((node) => node.outerHTML.slice(0, 80))"""
        )
        width = await self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= await self.page.evaluate("innerWidth")
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page() -> AsyncIterator[Page]:
    """One for all tests, since a browser takes its time to start."""
    async with browser() as running, blank(running) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def city(sqlite_databases: Databases, clock: ManualClock) -> AsyncIterator[City]:
    """One kind of database is enough for the page."""
    running = City(sqlite_databases.fresh(), clock, page=True)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def bot(clock: ManualClock) -> AsyncIterator[Caller]:
    """In place of the real one: a bot that does what the test says."""
    async with calling(Playground(clock=clock, page=True)) as made:
        await made.chen.start()
        await made.next()
        yield made


@asynccontextmanager
async def desk(
    page: Page, telegram: Playground, size: tuple[int, int] = DESKTOP
) -> AsyncIterator[Desk]:
    async with visit(page, telegram.url, size):
        yield Desk(page)


# With the real bot


async def test_somebody_signs_up_by_clicking(page: Page, city: City) -> None:
    city.stranger("陈晓丽", role="volunteer")
    async with desk(page, city.telegram) as hands:
        await hands.press(0, "开始")
        await hands.press(0, "注册志愿者")
        question = await hands.sees(0, "哪种语言")
        await hands.press(0, "简体中文")
        await expect(question).to_have_count(0)  # edited in place
        await hands.press(0, "我同意")
        await hands.sees(0, "你叫什么名字")
        await hands.say(0, "陈晓丽")
        await hands.sees(0, "出生日期")
        await hands.say(0, "1990-05-01")
        await hands.press(0, "对，没错")
        await hands.sees(0, "哪个手机号")
        await hands.press(0, "分享我的手机号")
        await hands.sees(0, "你住在哪里")
        await hands.press(0, "发送我的位置")
        await drag_the_pin(hands.page)
        await hands.page.get_by_role("button", name="发送这个位置").click()
        await hands.sees(0, "离你最近的是")


async def drag_the_pin(page: Page) -> None:
    latitude = page.get_by_label("纬度")
    before = await latitude.input_value()
    box = await page.locator(".map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 20, y + 30, steps=4)
    await page.mouse.up()
    await expect(latitude).not_to_have_value(before)


async def test_coordinates_are_typed_and_a_photo_and_a_voice_message_are_sent(
    page: Page, city: City
) -> None:
    chen = await city.volunteer("陈晓丽")
    async with desk(page, city.telegram) as hands:
        await hands.say(0, "/menu")
        await hands.sees(0, "今天想做点什么")
        await hands.attach(0, "位置")
        await hands.page.get_by_label("纬度").fill("22.530001")
        await hands.page.get_by_label("经度").fill("113.380002")
        await hands.page.get_by_role("button", name="发送这个位置").click()
        sent = await chen.wait_until(
            lambda: next((m.location for m in chen.messages if m.location is not None), None)
        )
        assert (sent.latitude, sent.longitude) == (22.530001, 113.380002)
        async with hands.page.expect_file_chooser() as chooser:
            await hands.attach(0, "图片")
        await (await chooser.value).set_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": a_picture()}
        )
        await hands.page.get_by_role("button", name="发送图片").last.click()
        await chen.wait_until(lambda: any(message.photo for message in chen.messages))
        await hands.attach(0, "语音")
        await chen.wait_until(lambda: any(message.voice for message in chen.messages))
        spoken = await hands.sees(0, "语音 3 秒")
        player = spoken.locator("audio")
        assert await player.evaluate("async (node) => { await node.play(); return node.duration }")


async def test_a_code_is_scanned_by_another_phone_with_a_click(page: Page, city: City) -> None:
    await city.volunteer("陈晓丽")
    await city.coordinator("王强")
    async with desk(page, city.telegram) as hands:
        await hands.say(0, "/card")
        card = await hands.sees(0, "你的志愿者证")
        await card.get_by_role("button", name="扫码").click()
        await hands.page.get_by_role("button", name="王强").last.click()
        await hands.sees(1, "志愿者证真实有效")


async def test_a_phone_is_added_and_speaks_another_language(page: Page, city: City) -> None:
    city.stranger("陈晓丽")
    async with desk(page, city.telegram) as hands:
        await hands.page.get_by_role("button", name="添加手机").click()
        await hands.page.get_by_label("姓名").fill("Emma Smith")
        await hands.page.get_by_label("语言").last.select_option("en")
        await hands.page.get_by_role("button", name="添加", exact=True).click()
        await expect(hands.phone(1)).to_contain_text("Emma Smith")
        await hands.press(1, "开始")
        await hands.sees(1, "I am Muster")


async def test_a_deep_link_is_opened(page: Page, city: City) -> None:
    wang = await city.coordinator("王强")
    activity = await city.making.activity(await city.person(wang))
    await city.making.shift(activity)
    await city.volunteer("陈晓丽")
    async with desk(page, city.telegram) as hands:
        await hands.press(1, "扫码")
        link = f"https://t.me/{city.bot.username}?start=a-{activity.id}"
        await hands.page.get_by_role("textbox", name="链接").fill(link)
        await hands.page.get_by_role("button", name="打开").last.click()
        await hands.sees(1, "岐江公园北门")


async def test_the_page_fits_a_phone(page: Page, city: City) -> None:
    await city.volunteer("陈晓丽")
    await city.coordinator("王强")
    async with desk(page, city.telegram, PHONE) as hands:
        await hands.say(0, "/menu")
        await hands.sees(0, "今天想做点什么")
        assert await hands.reaches_beyond() == []
        await hands.attach(0, "位置")
        await expect(hands.page.locator(".map")).to_be_visible()
        assert await hands.reaches_beyond() == []
        await hands.page.keyboard.press("Escape")
        await hands.page.get_by_role("navigation").get_by_text("王强").click()
        await expect(hands.phone(1)).to_be_visible()
        await expect(hands.phone(0)).to_be_hidden()
        await hands.page.get_by_role("button", name="添加手机").click()
        await expect(hands.page.get_by_role("dialog")).to_be_visible()
        assert await hands.reaches_beyond() == []
        await hands.page.keyboard.press("Escape")
        await hands.page.get_by_role("button", name="控制台").click()
        await expect(hands.page.get_by_text("现在没有故障")).to_be_visible()
        assert await hands.reaches_beyond() == []


# With a bot that does what the test says


async def test_a_button_says_its_answer_and_its_message_changes_in_place(
    page: Page, bot: Caller
) -> None:
    async with desk(page, bot.telegram) as hands:
        sent = await bot.say("报名吗？", reply_markup=buttons([("报名", "enrol"), ("不去", "no")]))
        await hands.press(0, "报名")
        query = await bot.next("callback_query")
        assert query["data"] == "enrol"
        await bot.call(
            "editMessageText",
            chat_id=bot.chen.id,
            message_id=sent["message_id"],
            text="已报名",
            reply_markup=buttons([("取消", "cancel")]),
        )
        await bot.call(
            "answerCallbackQuery",
            callback_query_id=query["id"],
            text="名额还剩 3 个",
            show_alert=True,
        )
        await expect(hands.page.get_by_role("alertdialog")).to_have_text("名额还剩 3 个好")
        await hands.press(0, "好")
        message = await hands.sees(0, "已报名")
        await expect(message).to_contain_text("已编辑")
        await expect(hands.phone(0).get_by_text("报名吗？")).to_have_count(0)
        await hands.press(0, "取消")
        query = await bot.next("callback_query")
        await bot.call("answerCallbackQuery", callback_query_id=query["id"], text="取消了")
        await expect(hands.phone(0).get_by_role("status").get_by_text("取消了")).to_be_visible()


async def test_keys_below_the_field_say_their_words_and_share_the_own_card(
    page: Page, bot: Caller
) -> None:
    async with desk(page, bot.telegram) as hands:
        rows = [[{"text": "我的手机号", "request_contact": True}], [{"text": "以后再说"}]]
        await bot.say("怎么联系你？", reply_markup={"keyboard": rows})
        await hands.press(0, "我的手机号")
        assert (await bot.next())["contact"]["user_id"] == bot.chen.id
        await hands.press(0, "收起按键")
        await expect(hands.phone(0).locator(".keys")).to_be_hidden()
        await hands.press(0, "显示按键")
        await hands.press(0, "以后再说")
        assert (await bot.next())["text"] == "以后再说"
        await bot.say("好", reply_markup={"remove_keyboard": True})
        await expect(hands.phone(0).locator(".keys")).to_be_hidden()


async def test_what_comes_while_a_chat_is_loaded_is_not_undone_by_it(
    page: Page, bot: Caller
) -> None:
    seen, go_on = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        seen.set()
        await go_on.wait()
        await route.fulfill(response=answer)

    await page.route("**/messages*", late)
    async with desk(page, bot.telegram) as hands:
        await seen.wait()
        rows = [[{"text": "我的手机号", "request_contact": True}]]
        await bot.say("怎么联系你？", reply_markup={"keyboard": rows})
        await hands.sees(0, "怎么联系你？")
        async with page.expect_response("**/messages*"):
            go_on.set()
        await page.unroute_all(behavior="wait")
        await expect(hands.phone(0).get_by_role("button", name="我的手机号")).to_be_visible()


async def test_words_are_shown_as_they_were_written(page: Page, bot: Caller) -> None:
    async with desk(page, bot.telegram) as hands:
        await bot.say("1 < 2 & <img src=x onerror=alert(1)>")
        await hands.sees(0, "1 < 2 & <img src=x onerror=alert(1)>")
        await bot.say("<b>集合</b>：<code>北门</code>", parse_mode="HTML")
        message = await hands.sees(0, "集合：北门")
        await expect(message.locator("b")).to_have_text("集合")
        await expect(message.locator("code")).to_have_text("北门")
        await hands.say(0, "<b>收到</b>")
        assert (await bot.next())["text"] == "<b>收到</b>"
        await hands.sees(0, "<b>收到</b>")


async def test_a_code_on_a_picture_and_a_link_in_a_message_are_opened(
    page: Page, bot: Caller
) -> None:
    bot.telegram.add_person("强", "王")
    link = f"https://t.me/{USERNAME}?start="
    async with desk(page, bot.telegram) as hands:
        await bot.send_picture(a_code(f"{link}from-code"), caption="签到码")
        picture = await hands.sees(0, "签到码")
        await picture.get_by_role("button", name="扫码").click()
        await hands.press(0, "王强")
        scanned = await bot.next()
        assert (scanned["from"]["first_name"], scanned["text"]) == ("强", "/start from-code")
        await bot.say(f"点这里：{link}from-link")
        await (await hands.sees(0, "点这里")).get_by_role("link").click()
        assert (await bot.next())["text"] == "/start from-link"


async def test_a_wrong_coordinate_is_not_sent(page: Page, bot: Caller) -> None:
    async with desk(page, bot.telegram) as hands:
        await hands.attach(0, "位置")
        await hands.page.get_by_label("纬度").fill("95")
        await hands.page.get_by_role("button", name="发送这个位置").click()
        await expect(hands.page.get_by_role("alert")).to_contain_text("纬度 −90 到 90")
        await hands.page.get_by_label("纬度").fill("22.53, 113.38")
        await hands.page.get_by_role("button", name="发送这个位置").click()
        assert (await bot.next())["location"] == {"latitude": 22.53, "longitude": 113.38}


async def test_the_operator_switches_limits_and_faults(page: Page, bot: Caller) -> None:
    async with desk(page, bot.telegram) as hands:
        await hands.page.get_by_role("button", name="控制台").click()
        drawer = hands.page.locator(".drawer")
        await drawer.get_by_role("switch").check()
        await drawer.get_by_label("故障种类").select_option("fault_403")
        await drawer.get_by_label("方法").fill("sendMessage")
        await drawer.get_by_label("谁的聊天").select_option("陈晓丽")
        await drawer.get_by_role("button", name="启用").click()
        await expect(drawer.get_by_text("sendMessage · 还有 1 次")).to_be_visible()
        assert bot.telegram.limits.on
        assert "blocked" in await bot.refused("sendMessage", chat_id=bot.chen.id, text="你好")
        await expect(drawer.get_by_text("现在没有故障")).to_be_visible()


async def test_a_fault_can_concern_somebody_who_came_while_the_drawer_was_open(
    page: Page, bot: Caller
) -> None:
    async with desk(page, bot.telegram) as hands:
        await hands.page.get_by_role("button", name="控制台").click()
        bot.telegram.add_person("伟", "王")
        drawer = hands.page.locator(".drawer")
        await drawer.get_by_label("谁的聊天").select_option("王伟")


async def test_the_page_speaks_english_too(page: Page, bot: Caller) -> None:
    async with desk(page, bot.telegram) as hands:
        await hands.page.get_by_role("button", name="English").click()
        await expect(hands.page.get_by_role("heading", level=1)).to_have_text("Playground")
        missing = await hands.page.evaluate(
            "import('/page/words.js').then((words) => words.missingWords())"
        )
        assert missing == []
        await hands.phone(0).get_by_role("button", name="EN", exact=True).click()
        await expect(hands.phone(0).get_by_role("button", pressed=True)).to_have_text("EN")
        await hands.say(0, "hello")
        assert (await bot.next())["from"]["language_code"] == "en"

"""The page of phones, in a real Chromium against the real bot: everything a person can do on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser import DESKTOP, PHONE, browser, opened
from tests.city import City
from tests.databases import Databases
from tests.playground.test_bot_api import a_picture
from tests.times import ManualClock


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


@pytest.fixture
async def city(sqlite_databases: Databases, clock: ManualClock) -> AsyncIterator[City]:
    """One kind of database is enough for the page."""
    running = City(sqlite_databases.fresh(), clock, page=True)
    await running.start()
    yield running
    await running.stop()


@asynccontextmanager
async def desk(city: City, size: tuple[int, int] = DESKTOP) -> AsyncIterator[Desk]:
    async with browser() as running, opened(running, city.telegram.url, size) as page:
        yield Desk(page)


async def test_somebody_signs_up_by_clicking(city: City) -> None:
    city.stranger("陈晓丽", role="volunteer")
    async with desk(city) as hands:
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


async def test_coordinates_are_typed_and_a_photo_is_sent(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    async with desk(city) as hands:
        await hands.say(0, "/menu")
        await hands.sees(0, "今天想做点什么")
        await hands.press(0, "添加附件")
        await hands.page.get_by_role("button", name="位置").last.click()
        await hands.page.get_by_label("纬度").fill("22.530001")
        await hands.page.get_by_label("经度").fill("113.380002")
        await hands.page.get_by_role("button", name="发送这个位置").click()
        sent = await chen.wait_until(
            lambda: next((m.location for m in chen.messages if m.location is not None), None)
        )
        assert (sent.latitude, sent.longitude) == (22.530001, 113.380002)
        await hands.press(0, "添加附件")
        async with hands.page.expect_file_chooser() as chooser:
            await hands.page.get_by_role("button", name="图片").last.click()
        await (await chooser.value).set_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": a_picture()}
        )
        await hands.page.get_by_role("button", name="发送图片").last.click()
        await chen.wait_until(lambda: any(message.photo for message in chen.messages))


async def test_a_code_is_scanned_by_another_phone_with_a_click(city: City) -> None:
    await city.volunteer("陈晓丽")
    await city.coordinator("王强")
    async with desk(city) as hands:
        await hands.say(0, "/card")
        card = await hands.sees(0, "你的志愿者证")
        await card.get_by_role("button", name="扫码").click()
        await hands.page.get_by_role("button", name="王强").last.click()
        await hands.sees(1, "志愿者证真实有效")


async def test_a_phone_is_added_and_speaks_another_language(city: City) -> None:
    city.stranger("陈晓丽")
    async with desk(city) as hands:
        await hands.page.get_by_role("button", name="添加手机").click()
        await hands.page.get_by_label("姓名").fill("Emma Smith")
        await hands.page.get_by_label("语言").last.select_option("en")
        await hands.page.get_by_role("button", name="添加", exact=True).click()
        await expect(hands.phone(1)).to_contain_text("Emma Smith")
        await hands.press(1, "开始")
        await hands.sees(1, "I am Muster")


async def test_a_deep_link_is_opened(city: City) -> None:
    wang = await city.coordinator("王强")
    activity = await city.making.activity(await city.person(wang))
    await city.making.shift(activity)
    await city.volunteer("陈晓丽")
    async with desk(city) as hands:
        await hands.press(1, "扫码")
        link = f"https://t.me/{city.bot.username}?start=a-{activity.id}"
        await hands.page.get_by_role("textbox", name="链接").fill(link)
        await hands.page.get_by_role("button", name="打开").last.click()
        await hands.sees(1, "岐江公园北门")


async def test_the_page_fits_a_phone(city: City) -> None:
    await city.volunteer("陈晓丽")
    await city.coordinator("王强")
    async with desk(city, PHONE) as hands:
        await hands.say(0, "/menu")
        await hands.sees(0, "今天想做点什么")
        width = await hands.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE[0]
        await hands.page.get_by_role("navigation").get_by_text("王强").click()
        await expect(hands.phone(1)).to_be_visible()

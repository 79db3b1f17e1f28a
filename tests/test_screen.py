"""The page on a screen on site, in a real Chromium: a code that changes by itself."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from services import codes
from tests.attending import place
from tests.browser import browser, ticking
from tests.city import City
from tests.databases import Databases
from tests.times import ManualClock


@pytest.fixture
async def city(sqlite_databases: Databases, clock: ManualClock) -> AsyncIterator[City]:
    """One kind of database is enough for the page."""
    running = City(sqlite_databases.fresh(), clock)
    await running.start()
    yield running
    await running.stop()


@pytest.mark.parametrize(
    ("locale", "words"), [("zh-CN", "扫码签到"), ("en-GB", "Scan to check in")]
)
async def test_the_screen_shows_the_code_and_how_many_are_there(
    city: City, locale: str, words: str
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity, "2026-11-28 09:00")
    await place(city.making, shift, await city.person(chen))
    await city.go_to("2026-11-28 08:50")
    key = codes.screen_key(shift.id)
    address = f"http://127.0.0.1:{city.web_port}/checkin/{shift.id}/{key}"
    async with browser() as running, ticking(running, address, locale) as page:
        await expect(page.get_by_role("heading", name=words)).to_be_visible()
        await expect(page.locator(".code svg")).to_be_visible()
        await expect(page.locator("[data-expected]")).to_have_text("1")
        before = await page.locator(".code").inner_html()
        payload = codes.rotating(shift.id, city.clock(), city.policy.code_seconds)
        await chen.open(f"https://t.me/{city.bot.username}?start={payload}")
        await chen.sees("签到成功")
        city.clock.forward(seconds=30)
        await page.clock.run_for(30_000)
        await expect(page.locator("[data-there]")).to_have_text("1", timeout=10_000)
        assert await page.locator(".code").inner_html() != before
        assert "陈晓丽" not in await page.content()

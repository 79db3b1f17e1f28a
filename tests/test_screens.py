"""The board on a big screen: who may open it, what it shows live, and arriving by its code."""

import re
from datetime import timedelta

import aiohttp
import pytest
from sqlalchemy import delete, select

from models import Callout, Role
from services import charting, codes, screens
from tests.browser import PHONE, blank, browser, visit
from tests.city import City
from tests.databases import ON_POSTGRESQL
from tests.emergencies import RALLY, Emergency


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def link(emergency: Emergency) -> str:
    """The path of a fresh link for a screen."""
    await emergency.zhou.press("看板")
    await emergency.zhou.press("🖥 大屏")
    shown = await emergency.zhou.sees("请在 10 分钟内")
    found = re.search(r"/board/open/[\w-]+", shown.words)
    assert found
    return found.group()


@ON_POSTGRESQL
async def test_the_board_lives_on_a_big_screen_in_the_room(emergency: Emergency) -> None:
    city = emergency.city
    crowd = await emergency.crowd(3)
    await emergency.declare(quota="3")
    path = await link(emergency)
    base = f"http://127.0.0.1:{city.program.web_port}"
    async with browser() as running, blank(running) as page, visit(page, base + path):
        await page.get_by_role("button", name="在这里显示看板").click()
        await page.get_by_role("heading", name="台风").wait_for()
        await crowd[0].press("15 分钟")
        await page.locator(".people").get_by_text("林01").wait_for()
        assert "(" in await page.locator("[data-due]").first.inner_text()
        assert await page.locator("svg .dot.coming").count() == 1
        assert await page.locator("svg .dot.asked").count() == 2
        await crowd[0].press("我到了")
        await crowd[0].share_location(*RALLY)
        await page.locator("svg .dot.on_scene").wait_for()
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        text = await page.content()
        assert "+86" not in text and "台风" in text
        await emergency.zhou.press("关闭所有大屏")
        await page.get_by_role("heading", name="这个链接已经失效").wait_for()


async def test_a_link_opens_once_and_only_while_its_maker_commands(
    emergency: Emergency, web: aiohttp.ClientSession
) -> None:
    city = emergency.city
    await emergency.crowd(1)
    await emergency.declare()
    path = await link(emergency)
    for _ in range(2):  # a preview looks and uses nothing up
        async with web.get(path) as answer:
            assert answer.status == 200 and "林01" not in await answer.text()
    async with web.post(path) as answer:
        assert answer.status == 200 and "台风" in await answer.text()
        (cookie,) = web.cookie_jar
        assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/board"
    async with aiohttp.ClientSession(web._base_url) as other:
        for forged in ("", "x" * 43):
            async with other.get("/board", cookies={"muster_board": forged}) as answer:
                assert answer.status == 410
        async with other.post(path) as answer:
            assert answer.status == 410
        late = await link(emergency)
        city.clock.forward(minutes=11)
        async with other.post(late) as answer:
            assert answer.status == 410 and "board" in (await answer.text()).lower()
    async with city.database.write() as session:
        await session.execute(delete(Role))
    async with web.get("/board") as answer:
        assert answer.status == 410


async def test_the_code_on_the_screen_says_that_one_is_there(
    emergency: Emergency, web: aiohttp.ClientSession
) -> None:
    city = emergency.city
    li, other = await emergency.crowd(2)
    stranger = await city.volunteer("路人")
    await emergency.declare(quota="1")
    callout = await emergency.callout()
    now, seconds = city.clock(), city.program.settings.policy.code_seconds
    payload = codes.rally(callout.id, now, seconds)
    await li.say(f"/start {payload}")
    await li.sees("你已到现场")
    await stranger.say(f"/start {payload}")
    await stranger.sees("这次没有召集你")
    await other.say(f"/start {codes.rally(callout.id, now - timedelta(minutes=5), seconds)}")
    await other.sees("码")
    assert (await emergency.states())["on_scene"] == 1


def test_the_map_is_no_wider_than_it_must_be() -> None:
    north = charting.Placed(RALLY[0] + 0.009, RALLY[1], "coming")
    east = charting.Placed(RALLY[0], RALLY[1] + 0.009, "asked")
    far = charting.Placed(RALLY[0] + 1, RALLY[1], "asked")
    plan = charting.plan(*RALLY, 20_000.0, [north, east, far])
    assert [ring.kilometres for ring in plan.rings] == [0.5, 1, 2]
    up, right = plan.dots
    assert up.x == charting.HALF and up.y < charting.HALF
    assert right.y == charting.HALF and right.x > charting.HALF
    assert plan.beyond == 1


async def test_where_somebody_is_who_shares_it_is_on_the_map_until_the_end(
    emergency: Emergency,
) -> None:
    city = emergency.city
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await li.press("60 分钟")
    await li.sees("等你")
    (known,) = await dots(city)
    shared = await li.share_location(RALLY[0], RALLY[1] + 0.02, live_period=900)
    await li.sees("指挥能看到你的位置")
    (east,) = await dots(city)
    assert east.x > charting.HALF and east.y == charting.HALF and known.y < charting.HALF
    await li.move(shared, RALLY[0], RALLY[1] - 0.02)
    await city.answered()
    (west,) = await dots(city)
    assert west.x < charting.HALF
    await emergency.end()
    (own,) = (await emergency.responses()).values()
    assert (own.latitude, own.longitude, own.located_at) == (None, None, None)


async def dots(city: City) -> list[charting.Dot]:
    """What the map of the only call-out shows."""
    async with city.database.read() as session:
        (callout,) = (await session.scalars(select(Callout))).all()
        shown = await screens.shown(city.making.work(session), callout)
    return list(shown["map"].dots)

"""Coming into the console and being in it: links, Telegram's own window, sessions, forms."""

import json
from contextlib import AsyncExitStack
from urllib.parse import urlencode

from models import RoleKind
from services import mini_app, opt_outs
from tests.belongings import examples
from tests.browser import PHONE, barriers
from tests.city import TOKEN, City
from tests.consoles import desk_of, link, screen_of
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from web.console.framework import MOST_STREAMS


async def test_a_link_opens_once_for_two_minutes_and_binds_the_browser(city: City) -> None:
    wang = await city.coordinator("王强")
    path = await link(city, wang)
    async with desk_of(city) as preview, desk_of(city) as desk, desk_of(city) as late:
        assert "在这里登录" in (await preview.open(path.removeprefix("/console"))).words
        opened = await desk.send(path.removeprefix("/console"))
        assert opened.status == 200 and opened.path == "/console" and "王强" in opened.words
        (cookie,) = desk.session.cookie_jar
        assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/console"
        assert (await late.send(path.removeprefix("/console"))).status == 410
        await wang.sees("有人用你的身份打开了控制台：Firefox · Windows")
        another = await link(city, wang)
        city.clock.forward(minutes=3)
        assert (await late.send(another.removeprefix("/console"))).status == 410


async def test_who_has_no_role_gets_no_link(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/console")
    await chen.sees("没有这项操作的权限")


async def test_telegram_vouches_for_whoever_opens_it_inside(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    async with desk_of(city) as desk:

        async def opens(**changed: str) -> int:
            answered = await desk.send("/app", {"init_data": signed(city, **changed)})
            return answered.status

        me = json.dumps({"id": wang.id, "first_name": "强"})
        assert await opens(user=me) == 200
        assert await opens(user=me) == 410, "what was signed counts once"
        assert await opens(user=me, query_id="2", token="123:other") == 410
        stale = str(int(city.clock().timestamp()) - 301)
        assert await opens(user=me, query_id="3", auth_date=stale) == 410
        assert await opens(user=json.dumps({"id": chen.id}), query_id="4") == 410
        forged = signed(city, user=json.dumps({"id": chen.id})).replace(str(chen.id), str(wang.id))
        assert (await desk.send("/app", {"init_data": forged})).status == 410
        for broken in ("", "hash=", "user=%7B&hash=" + "0" * 64, "x" * 5000):
            assert (await desk.send("/app", {"init_data": broken})).status == 410


def signed(city: City, *, token: str = TOKEN, **changed: str) -> str:
    """`initData` as Telegram writes it."""
    fields = {"auth_date": str(int(city.clock().timestamp())), "query_id": "1", **changed}
    fields["hash"] = mini_app.signature(fields, mini_app.key_of(token))
    return urlencode(fields)


@ON_SQLITE
async def test_the_window_inside_telegram_hands_over_what_was_signed(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽")
    async with screen_of(city, wang) as page:
        await page.context.clear_cookies()
        base = page.url.removesuffix("/console")
        me = json.dumps({"id": wang.id})
        said = urlencode({"tgWebAppData": signed(city, user=me), "tgWebAppVersion": "9"})
        await page.goto(f"{base}/console/app#{said}")
        await page.get_by_role("heading", name="今天").wait_for()
        await page.goto(f"{base}/console/app")
        await page.get_by_text("从那里打开本页").wait_for()


async def test_a_session_ends_when_told_when_idle_and_with_the_role(city: City) -> None:
    wang = await city.coordinator("王强")
    async with desk_of(city, wang) as desk, desk_of(city, wang) as other:
        assert (await desk.open("/settings")).words.count("Firefox · Windows") == 2
        ended = await desk.send("/settings/sessions/end")
        assert "已退出 1 个浏览器" in ended.words
        assert (await other.open("")).status == 401
        city.clock.forward(hours=11)
        assert (await desk.open("")).status == 200
        city.clock.forward(hours=11)
        assert (await desk.open("")).status == 200, "what is used goes on"
        city.clock.forward(hours=12, minutes=1)
        assert (await desk.open("")).status == 401
    async with desk_of(city, wang) as desk:
        await wang.press("不是我")
        await wang.sees("已退出 1 个浏览器")
        assert (await desk.open("")).status == 401
    async with desk_of(city, wang) as desk:
        await city.making.without_roles(await city.person(wang))
        assert (await desk.open("")).status == 401
        assert (await desk.send("/settings/look", {"look": "dark"})).status == 401


async def test_a_form_without_its_token_does_nothing(city: City) -> None:
    wang = await city.coordinator("王强")
    async with desk_of(city, wang) as desk, desk_of(city, wang) as other:
        await desk.open("/settings")
        await other.open("/settings")
        own, desk.token = desk.token, other.token
        assert (await desk.send("/settings/look", {"look": "dark"})).status == 403
        desk.token = ""
        assert (await desk.send("/settings/look", {"look": "dark"})).status == 403
        assert 'data-look="auto"' in (await desk.open("/settings")).text
        desk.token = own
        assert 'data-look="dark"' in (await desk.send("/settings/look", {"look": "dark"})).text


async def test_logging_in_is_rate_limited(city: City) -> None:
    async with desk_of(city) as desk:
        tried = [(await desk.send("/open/" + "x" * 32)).status for _ in range(21)]
        assert tried == [410] * 20 + [429]


async def test_no_page_allows_a_script_or_style_within_it(city: City) -> None:
    wang = await city.coordinator("王强", role=RoleKind.ADMINISTRATOR)
    async with desk_of(city, wang) as desk, desk.session.get("/console") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy and "style-src 'self';" in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-store"


async def test_kinds_of_message_are_switched_off_and_on(city: City) -> None:
    wang = await city.coordinator("王强")
    person = await city.person(wang)

    async def refused() -> set[str]:
        async with city.database.read() as session:
            return await opt_outs.kinds_of(city.making.work(session, person))

    async with desk_of(city, wang) as desk:
        shown = await desk.open("/settings")
        assert (
            "遇到突发事件不会呼叫你" in shown.words and "https://t.me/muster_test_bot" in shown.text
        )
        await desk.send("/settings/messages", {"kind": "survey", "wanted": ""})
        assert await refused() == {"survey"}
        await desk.send("/settings/messages", {"kind": "survey", "wanted": "1"})
        assert await refused() == set()
        assert (await desk.send("/settings/messages", {"kind": "emergency"})).status == 404


@ON_POSTGRESQL
async def test_settings_are_changed_on_a_phone_by_keyboard_in_the_dark(city: City) -> None:
    wang = await city.coordinator("王强")
    async with screen_of(city, wang, "/settings", PHONE) as page:
        await page.emulate_media(color_scheme="dark")
        assert await page.locator("html").get_attribute("data-bs-theme") == "dark"
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page) == []
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.get_by_role("button", name="English").press("Enter")
        await page.get_by_role("heading", name="Settings").wait_for()
        await page.get_by_role("button", name="Light").press("Enter")
        assert await page.locator("html").get_attribute("data-bs-theme") == "light"


async def test_live_pages_of_one_session_are_few(city: City) -> None:
    wang = await city.coordinator("王强")
    keys = await examples(city, wang)
    live = f"/console/broadcasts/{keys['broadcast_id']}/live"
    async with desk_of(city, wang) as desk, AsyncExitStack() as opened:
        for _ in range(MOST_STREAMS):
            stream = await opened.enter_async_context(desk.session.get(live))
            assert stream.content_type == "text/event-stream"
        assert (await desk.open(live.removeprefix("/console"))).status == 429
    async with desk_of(city, wang) as desk, desk.session.get(live) as stream:
        assert stream.status == 200

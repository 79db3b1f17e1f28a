"""Messages to many at the console: whom, how it looks, sending it off, how far it has come."""

import re
from typing import Any

import pytest

from services import markup
from services.errors import Refusal
from services.policy import Policy
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import Answered, Desk, desk_of, screen_of, table
from tests.databases import ON_SQLITE

TEXT = "<b>周末大扫除</b>\n岐江边见，<a href='https://example.org/map'>地图</a> & 手套 <3"


async def written(city: City, desk: Desk, phone: Any, **more: Any) -> Answered:
    """A new draft; answers the page that follows, that of its audience."""
    organisation = (await city.person(phone)).organisation_id
    fields = {"organisation": organisation, "kind": "survey", "text_zh_Hans": TEXT, **more}
    return await desk.send("/broadcasts/new", fields)


async def sent_off(city: City, desk: Desk, number: int, path: str = "/broadcasts/1") -> Answered:
    answered = await desk.send(f"{path}/send", {"number": number})
    await city.settle()
    return answered


async def test_a_message_is_written_looked_at_and_sent_off(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    async with desk_of(city, wang) as desk:
        wrong = await written(city, desk, wang, text_zh_Hans="<b>大扫除</b> <script>x</script>")
        assert wrong.status == 400 and "这里不能用 <script>" in wrong.words
        assert "&lt;b&gt;大扫除" in wrong.text, "what was entered stays"
        answered = await written(
            city, desk, wang, choices="来\n不来", link_text="更多", link_url="ftp://x"
        )
        assert answered.status == 400 and "https://" in answered.words
        answered = await written(
            city, desk, wang, choices="来\n不来", expires_day="2026-11-25", expires_time="09:00"
        )
        assert "2 人符合条件" in answered.words
        path = answered.path.removeprefix("/console").removesuffix("/audience")
        draft = await desk.send(f"{path}/audience", {"described": 1})
        bubble = re.search(r'data-preview="zh_Hans">(.*?)</figure>', draft.text, re.S)
        assert bubble and "<b>周末大扫除</b>" in bubble[1] and "&amp; 手套 &lt;3" in bubble[1]
        assert 'href="https://example.org/map"' in bubble[1] and ">不来<" in bubble[1]
        await desk.send(f"{path}/preview")
        await city.settle()
        await wang.sees("这是预览")
        ask = await desk.open(f"{path}/send")
        assert "请输入收到的人数：2" in ask.words
        refused = await sent_off(city, desk, 3, path)
        assert refused.status == 400 and "还没有发送" in refused.words
        for _ in range(2):
            assert (await sent_off(city, desk, 2, path)).status == 200
        seen = await chen.sees("周末大扫除")
        assert "& 手套 <3" in seen.words
        await chen.press("来")
        await city.answered()
        now = await desk.open(path)
        assert "已发送 2" in now.words and "来 1 1" in now.words
        assert "周末大扫除" in (await desk.open("/broadcasts?kind=survey&state=finished")).words
        assert "周末大扫除" not in (await desk.open("/broadcasts?state=draft")).words
        assert "周末大扫除" in str(await table(desk, "/broadcasts/list.xlsx?kind=survey"))
        assert "周末大扫除" not in str(await table(desk, "/broadcasts/list.xlsx?state=draft"))


async def test_what_is_sent_is_paused_corrected_and_taken_back(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    async with desk_of(city, wang) as desk:
        await written(city, desk, wang, starts_day="2026-11-24", starts_time="09:30")
        assert "2026年11月24日 周二 09:30 起" in (await sent_off(city, desk, 2)).words
        assert "草稿" in (await desk.send("/broadcasts/1/withdraw")).words
        await desk.send("/broadcasts/1/edit", {"kind": "notice", "text_zh_Hans": "<i>改到周日</i>"})
        await sent_off(city, desk, 2)
        await chen.sees("改到周日")
        assert (await desk.send("/broadcasts/1/edit", {"text_zh_Hans": "晚了"})).status == 409
        assert "继续" in (await desk.send("/broadcasts/1/pause")).words
        await desk.send("/broadcasts/1/resume")
        new = {"text_zh_Hans": "改到下周日", "number": 9}
        assert (await desk.send("/broadcasts/1/rewrite", new)).status == 400
        await desk.send("/broadcasts/1/rewrite", {**new, "number": 2})
        await city.settle()
        await chen.sees("改到下周日")
        await desk.send("/broadcasts/1/stop")
        assert "已撤回" in (await desk.send("/broadcasts/1/recall")).words
        await city.catch_up()
        assert not any("改到下周日" in one.words for one in chen.messages)
        assert (await desk.send("/broadcasts/1/pause")).status == 400
        await written(city, desk, wang)
        assert (await desk.send("/broadcasts/2/discard")).path == "/console/broadcasts"


async def test_a_second_coordinator_decides_on_what_goes_to_many(city: City) -> None:
    city.policy = Policy(broadcast_approval_size=1)
    await city.start_again()
    wang, li = await city.coordinator("王强"), await city.coordinator("李华")
    async with desk_of(city, wang) as desk, desk_of(city, li) as second:
        await written(city, desk, wang)
        assert "等待审批" in (await sent_off(city, desk, 2)).words
        own = await desk.send("/broadcasts/1/approve", {"number": 2})
        assert own.status == 400
        await second.open("/broadcasts/1")
        assert (await second.send("/broadcasts/1/approve", {"number": ""})).status == 400
        await second.send("/broadcasts/1/send-back", {"reason": "请写明时间"})
        await city.settle()
        await wang.sees("请写明时间")
        await sent_off(city, desk, 2)
        assert (await second.send("/broadcasts/1/approve", {"number": "２"})).status == 200
        await city.settle()
        await li.sees("周末大扫除")


async def test_an_audience_is_described_kept_used_and_renamed(city: City) -> None:
    wang = await city.coordinator("王强", skills=("first_aid",))
    await city.volunteer("陈晓丽")
    async with desk_of(city, wang) as desk:
        page = await desk.open("/broadcasts/audiences/new")
        skill = re.search(r'value="(\d+)"><label[^>]*>急救', page.text)
        assert skill
        described = {"described": 1, "skills": skill[1], "place": "石岐", "radius": 15}
        counted = await desk.open(f"/broadcasts/audiences/count?described=1&skills={skill[1]}")
        assert counted.words.startswith(" 1 人符合条件")
        some = await desk.open(f"/broadcasts/audiences/new?described=1&skills={skill[1]}&sample=1")
        assert "王强 · 石岐街道" in some.words
        wrong = await desk.open("/broadcasts/audiences/count?described=1&age_from=30&age_to=20")
        assert "最小年龄" in wrong.words and wrong.status == 200
        assert (await desk.send("/broadcasts/audiences/new", described)).status == 400, "no name"
        kept = await desk.send("/broadcasts/audiences/new", {**described, "name": "急救员"})
        assert "急救员" in kept.words
        await written(city, desk, wang)
        taken = await desk.open("/broadcasts/1/audience?saved=1")
        assert "1 人符合条件" in taken.words
        nowhere = await desk.send("/broadcasts/1/audience", {**described, "place": "月球"})
        assert nowhere.status == 400 and "找不到这个地方" in nowhere.words
        again = await desk.open("/broadcasts/1/audience?described=1&age_from=80")
        assert "0 人符合条件" in again.words and 'value="80"' in again.text, (
            "counts without scripts"
        )
        used = await desk.send("/broadcasts/1/audience", {**described, "name": "近处的急救员"})
        assert "急救" in used.words and "15公里" in used.words
        taken = await desk.send("/broadcasts/audiences/1", {**described, "name": "近处的急救员"})
        assert taken.status == 400 and "请换个名字" in taken.words
        renamed = await desk.send("/broadcasts/audiences/1", {"described": 1, "name": "所有人"})
        assert "所有人" in renamed.words and "近处的急救员" in renamed.words
        assert "所有人" not in (await desk.send("/broadcasts/audiences/1/forget")).words


@ON_SQLITE
async def test_one_ticks_whom_it_fits_and_watches_it_go_out(city: City) -> None:
    wang = await city.coordinator("王强", skills=("first_aid",))
    chen = await city.volunteer("陈晓丽")
    async with desk_of(city, wang) as desk:
        await written(city, desk, wang, choices="来\n不来")
    async with screen_of(city, wang, "/broadcasts/1/audience") as page:
        await page.locator("[data-total]").get_by_text("2").wait_for()
        await page.locator("summary").get_by_text("技能", exact=True).click()
        await page.get_by_label("查找: 技能").fill("急救")
        await page.get_by_label("急救", exact=False).first.check()
        await page.locator("[data-total]").get_by_text("1").wait_for()
        assert await barriers(page) == []
        await page.get_by_role("button", name="就发给这些人").click()
        await page.locator("[data-preview]").get_by_text("不来").wait_for()
        await page.get_by_role("link", name="发送…").click()
        await page.get_by_label("请输入收到的人数：1").fill("1")
        await page.get_by_role("button", name="确认发送").click()
        await page.get_by_text("起发给 1 人").wait_for()
        await city.settle()
        await page.locator("[data-figure=sent]").get_by_text("1").wait_for()
        await wang.press("不来")
        await page.get_by_role("progressbar", name="不来").wait_for()
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page) == []
    assert not any("周末" in one.words for one in chen.messages)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("<strong>x</strong> &amp; &lt;", "<b>x</b> &amp; &lt;"),
        ('<a href="https://example.org/?a=1&b=2">x</a>', '<a href="https://example.org/?a=1&amp;b=2">x</a>'),
        ("<blockquote expandable>x</blockquote>", "<blockquote expandable>x</blockquote>"),
        ('<span class="tg-spoiler">x</span>', '<span class="tg-spoiler">x</span>'),
    ],
)  # fmt: skip
def test_what_may_stand_in_a_text_is_kept_and_the_rest_is_words(typed: str, kept: str) -> None:
    assert markup.checked(typed, 100) == kept
    assert markup.checked(kept, 100) == kept
    assert str(markup.for_page(kept)) == kept


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("<img src=x onerror=y>", "text_tag"),
        ("<b onclick='x'>y</b>", "text_tag"),
        ("<span>y</span>", "text_tag"),
        ("<a href='javascript:alert(1)'>y</a>", "text_link"),
        ("<a href='https://'>y</a>", "text_link"),
        ("<b>x", "text_tag_pair"),
        ("<b><i>x</b></i>", "text_tag_pair"),
        ("</b>", "text_tag_pair"),
        ("<b> </b>", "text_missing"),
        ("", "text_missing"),
        ("x" * 101, "form_too_long"),
    ],
)
def test_a_text_that_telegram_would_not_take_is_refused(typed: str, why: str) -> None:
    with pytest.raises(Refusal) as refusal:
        markup.checked(typed, 100)
    assert refusal.value.code == why
    shown = str(markup.for_page(typed))
    assert not re.search(r"<(img|span>|b on|a href='?\"?(javascript|https://['\"]))", shown)

"""After a call-out: what its report says, on which ways it comes, and who may read it."""

import csv
import io
import re

import aiohttp
import pytest
from pypdf import PdfReader
from sqlalchemy import delete, select, update

from models import Callout, Delivery, DeliveryState, Message, Person, Role, RoleKind, Screen
from services import curves, origins, typesetting
from services.origins import Home
from services.policy import Policy
from services.words import TEMPLATES, Words
from tests.browser import DESKTOP, PHONE, blank, browser, content, visit
from tests.city import City
from tests.databases import ON_SQLITE
from tests.emergencies import RALLY, Emergency

HOSTILE = '#include "/x" $x^2$ *粗* _斜_ <b>&amp;</b> \\ @preview 骨直'


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def over(emergency: Emergency, **how: object) -> None:
    """Three asked, two wanted and there, all home; the third never answered."""
    li, wang, _ = await emergency.crowd(3)
    await emergency.declare(quota="2", **how)
    await emergency.on_scene(li)
    await wang.press("15 分钟")
    await wang.sees("等你")
    await emergency.city.settle()
    await emergency.city.forward(minutes=20)
    await wang.press("我到了")
    await wang.share_location(*RALLY)
    await wang.sees("你已到现场")
    await emergency.city.forward(minutes=40)
    await emergency.end()
    for phone in (li, wang):
        await phone.press("我已平安到家")
        await phone.sees("到家我们就放心")


async def link(emergency: Emergency) -> str:
    """The path of a fresh link to the report."""
    await emergency.zhou.press("总结")
    await emergency.zhou.press("网页版")
    shown = await emergency.zhou.sees("请在 10 分钟内")
    found = re.search(r"/report/open/[\w-]+", shown.words)
    assert found
    return found.group()


def text_of(reader: PdfReader) -> str:
    """All words, without the blanks that setting type puts between them."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in reader.pages))


# In the chat


async def test_once_all_are_home_the_commander_gets_the_report_by_itself(
    emergency: Emergency,
) -> None:
    await over(emergency)
    assert not any("召集总结" in m.words for m in emergency.zhou.messages)
    await emergency.city.catch_up()
    report = await emergency.zhou.sees("召集总结")
    for words in (
        "发起: 10:00",
        "人手凑够: 10:00",
        "人手到齐: 10:20 (+20分钟)",
        "解除: 11:00 (+40分钟)",
        "全部到家: 11:00",
        "通知 3，答应 2，到场 2",
        "发出 3 条通知，2 人到位，平均每人 1.5 条",
        "1 人没有应答",
    ):
        assert words in report.words
    await emergency.city.forward(hours=2)
    assert sum("召集总结" in m.words for m in emergency.zhou.messages) == 1
    await emergency.zhou.press("曲线和来源地图")
    drawn = await emergency.zhou.wait(lambda m: m.photo is not None)
    assert "召集总结" in drawn.words


async def test_an_hour_after_the_end_it_waits_no_longer_for_those_who_are_not_home(
    emergency: Emergency,
) -> None:
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await emergency.on_scene(li)
    await emergency.end()
    await emergency.city.forward(minutes=59)
    assert not any("召集总结" in m.words for m in emergency.zhou.messages)
    await emergency.city.forward(minutes=2)
    report = await emergency.zhou.sees("召集总结")
    assert "还有 1 人没报到家" in report.words and "全部到家: –" in report.words


async def test_the_places_are_full_when_the_last_wanted_one_is_there_not_the_last_of_all(
    emergency: Emergency,
) -> None:
    li, wang = await emergency.crowd(2)
    await emergency.declare(quota="1")
    await wang.press("15 分钟")
    await emergency.on_scene(li)
    await emergency.city.forward(minutes=30)
    await emergency.zhou.press("看板")
    await emergency.zhou.press("点名")
    await emergency.zhou.press("林02")
    await emergency.zhou.press("已到场")
    await emergency.end()
    await emergency.zhou.press("总结")
    report = await emergency.zhou.sees("召集总结")
    assert "人手到齐: 10:00" in report.words and "末人到场 10:30" in report.words
    assert "1 人到位" in report.words and "到场 2" in report.words


async def test_what_was_really_sent_is_counted_by_its_way(emergency: Emergency) -> None:
    await over(emergency)
    async with emergency.city.database.write() as session:
        alarm = await session.scalar(select(Message).where(Message.template == "callouts/alarm"))
        assert alarm is not None
        for channel, state in (("sms", "sent"), ("sms", "failed"), ("voice", "sent")):
            session.add(
                Delivery(
                    message_id=alarm.id, person_id=1, channel=channel, language="zh_Hans", lane=0,
                    state=DeliveryState(state), created_at=emergency.city.clock(),
                    due_at=emergency.city.clock(),
                )
            )  # fmt: skip
    await emergency.zhou.press("总结")
    report = await emergency.zhou.sees("召集总结")
    assert "发出 5 条通知，2 人到位，平均每人 2.5 条" in report.words
    assert "Telegram 3 · 短信 1 · 电话 1" in report.words


async def test_drills_and_real_ones_stand_beside_each_other_and_say_which_they_are(
    emergency: Emergency,
) -> None:
    for mode in ("演练", "实战", "实战"):
        await emergency.declare(mode=mode)
        await emergency.end()
    await emergency.zhou.press("总结")
    report = await emergency.zhou.sees("召集总结")
    assert not report.words.startswith("【演练】")
    _, _, before = report.words.partition("以往")
    earlier = [line for line in before.splitlines() if "需要 5" in line]
    assert [line.startswith("【演练】") for line in earlier] == [False, True]


async def test_earlier_reports_are_found_again(emergency: Emergency) -> None:
    await emergency.zhou.say("/callout")
    await emergency.zhou.press("往期总结")
    await emergency.zhou.sees("还没有结束的召集")
    await emergency.declare(mode="演练")
    await emergency.end()
    own = await emergency.callout()
    values = {column.name: getattr(own, column.name) for column in Callout.__table__.columns}
    async with emergency.city.database.write() as session:
        session.add_all(Callout(**values | {"id": own.id + n, "drill": False}) for n in range(1, 9))
    await emergency.zhou.say("/callout")
    await emergency.zhou.press("往期总结")
    await emergency.zhou.press("›")
    await emergency.zhou.press("11月23日 周一 · 【演练】")
    report = await emergency.zhou.wait(lambda m: m.photo is not None)
    assert report.words.startswith("【演练】")


async def test_who_did_not_answer_is_named_page_by_page_and_why(emergency: Emergency) -> None:
    city = emergency.city
    await emergency.crowd(23)
    await emergency.declare(quota="40")
    async with city.database.write() as session:
        lost = select(Delivery.id).where(Delivery.person_id.is_not(None)).order_by(Delivery.id)
        await session.execute(
            update(Delivery)
            .where(Delivery.id == (await session.scalars(lost.limit(1))).one())
            .values(state=DeliveryState.FAILED, telegram_message_id=None)
        )
    await emergency.end()
    await emergency.zhou.press("总结")
    report = await emergency.zhou.sees("召集总结")
    assert "23 人没有应答 · 没联系上 1" in report.words and "📏" not in report.words
    await emergency.zhou.press("谁没有应答")
    first = (await emergency.zhou.sees("谁没有应答 · 23")).words
    assert "40 人" in first and first.count("林") == 20
    await emergency.zhou.press("›")
    second = (await emergency.zhou.sees(" (没联系上)")).words
    assert second.count("林") == 3 and "+86" not in first + second


async def test_the_table_says_as_what_people_were_asked(emergency: Emergency) -> None:
    await emergency.volunteer("＝危险()")
    await over(emergency)
    await emergency.zhou.press("总结")
    await emergency.zhou.press("明细表")
    sent = await emergency.zhou.sees("请妥善保管")
    assert sent.document is not None
    rows = list(csv.reader(io.StringIO(sent.document.content.decode("utf-8-sig"))))
    assert rows[0][:4] == ["姓名", "状态", "类别", "批次"] and rows[1][2] == "2 人"
    assert "'＝危险()" in {row[0] for row in rows}


# On paper


@pytest.mark.parametrize("language", ["zh_Hans", "en"])
async def test_the_report_is_filed_as_pdf_and_what_people_wrote_stays_words(
    emergency: Emergency, language: str
) -> None:
    city = emergency.city
    await emergency.volunteer(HOSTILE)
    await over(emergency, mode="演练", more=["须知", f">{HOSTILE}"])
    await emergency.zhou.press("总结")
    await emergency.zhou.press("记下经验")
    await emergency.zhou.say(HOSTILE)
    await emergency.zhou.sees("召集总结")
    async with city.database.write() as session:
        await session.execute(update(Person).values(language=language))
    await emergency.zhou.press("PDF")
    ready = "总结存档用" if language == "zh_Hans" else "The report, to be filed"
    sent = await emergency.zhou.sees(ready)
    assert sent.document is not None
    reader = PdfReader(io.BytesIO(sent.document.content))
    text = text_of(reader)
    assert text.startswith("【演练】台风" if language == "zh_Hans" else "DRILLTyphoon")
    assert text.count(re.sub(r"\s", "", HOSTILE)) == 3  # as a name, in the details, as a lesson
    for words in ("林03", "10:20"):
        assert words in text
    assert "林01" not in text and "+86" not in text
    assert all("NotoSansSC" in font for font in fonts_of(reader))


def fonts_of(reader: PdfReader) -> set[str]:
    return {
        str(font.get_object()["/BaseFont"])
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()
    }


def test_paper_is_made_without_the_net() -> None:
    sources = list(TEMPLATES.rglob("*.typ"))
    assert sources
    for source in sources:
        assert "@" not in source.read_text(encoding="utf-8"), source


# On the page


@ON_SQLITE
async def test_the_report_is_a_page_for_desk_and_phone_by_day_and_in_the_dark(
    emergency: Emergency,
) -> None:
    city = emergency.city
    await over(emergency, more=["须知", f">{HOSTILE}"])
    path = await link(emergency)
    base = f"http://127.0.0.1:{city.program.web_port}"
    async with browser() as running, blank(running) as page, visit(page, base + path):
        await page.get_by_role("button", name="在这里查看总结").click()
        await page.get_by_role("heading", name="应急召集总结").wait_for()
        assert HOSTILE in await page.locator(".details").inner_text()
        assert "林03" in await page.locator(".unanswered").inner_text()
        assert await page.locator("svg").count() == 2
        grounds = []
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for size in (DESKTOP, PHONE):
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
            grounds.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert grounds[0] != grounds[1]
        async with page.expect_download() as coming:
            await page.locator(".foot a").click()
        assert (await content(await coming.value)).startswith(b"%PDF")
        async with city.database.write() as session:
            await session.execute(update(Screen).values(language="en"))
        await page.reload()
        await page.get_by_role("heading", name="Call-out report").wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


# Rights


async def test_a_link_to_the_report_opens_once_and_only_while_its_maker_commands(
    emergency: Emergency, web: aiohttp.ClientSession
) -> None:
    city = emergency.city
    await over(emergency)
    path = await link(emergency)
    for _ in range(2):  # a preview looks and uses nothing up
        async with web.get(path) as answer:
            assert answer.status == 200 and "林" not in await answer.text()
    async with web.post(path.replace("/report/", "/board/")) as answer:
        assert answer.status == 410
    async with web.post(path) as answer:
        assert answer.status == 200 and "林03" in await answer.text()
        (cookie,) = web.cookie_jar
        assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/report"
    async with aiohttp.ClientSession(web._base_url) as other:
        async with other.post(path) as answer:
            assert answer.status == 410
        for forged in ("", "x" * 43):
            for where in ("/report", "/report/paper.pdf"):
                async with other.get(where, cookies={"muster_report": forged}) as answer:
                    assert answer.status == 410 and "林" not in await answer.text()
        late = await link(emergency)
        city.clock.forward(minutes=11)
        async with other.post(late) as answer:
            assert answer.status == 410 and "report" in (await answer.text()).lower()
    async with web.get("/report") as answer:
        assert answer.status == 200
    async with city.database.write() as session:
        await session.execute(delete(Role))
    for where in ("/report", "/report/paper.pdf"):
        async with web.get(where) as answer:
            assert answer.status == 410


async def test_only_who_commands_here_reads_the_report(emergency: Emergency) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", organisation="zs-dongqu", role=RoleKind.COMMANDER)
    await over(emergency)
    callout = await emergency.callout()
    li = emergency.volunteers[0]
    stranger = city.stranger()
    await stranger.say("/start")
    await wu.say("/callout")
    for phone in (wu, li, stranger):
        await city.answered()
        held = len(phone.messages)
        for action in ("report", "paper", "page", "unanswered", "table", "lesson"):
            await phone.press_data(f"callout.{action}:{callout.id}", phone.messages[-1].id)
            await city.answered()
        await phone.press_data("callouts.past", phone.messages[-1].id)
        await city.answered()
        for message in phone.messages[held:]:
            assert "林03" not in message.words and message.document is None
            assert "/report/open" not in message.words and "总结" not in message.words
    async with city.database.read() as session:
        assert (await session.scalars(select(Screen))).all() == []


async def test_while_it_runs_there_is_no_report(emergency: Emergency) -> None:
    await emergency.crowd(1)
    await emergency.declare(quota="1")
    callout = await emergency.callout()
    for action in ("report", "paper", "page", "unanswered", "table"):
        board = await emergency.zhou.sees("第 1 批")
        await emergency.zhou.press_data(f"callout.{action}:{callout.id}", board.id)
        await emergency.city.answered()
    assert not any(m.document or m.photo for m in emergency.zhou.messages)
    async with emergency.city.database.read() as session:
        assert (await session.scalars(select(Screen))).all() == []


# What is drawn


def test_homes_are_counted_in_squares_that_show_nobodys_door() -> None:
    near = [Home(RALLY[0] + 0.001 * n, RALLY[1] + 0.0005 * n, n < 2) for n in range(3)]
    town = [Home(RALLY[0] + 0.036, RALLY[1], came=False)] * 40
    found = origins.origins(*RALLY, 20_000.0, [*near, *town, Home(23.6, 113.4, came=True)])
    assert found.kilometres == 1 and found.beyond == 1
    assert [(one.asked, one.came) for one in found.squares] == [(3, 2), (40, 0)]
    middle, north = found.squares
    assert (middle.x, middle.y) == (500, 500) and north.x == 500 and north.y < 200
    assert north.asked_radius > middle.asked_radius > middle.came_radius > 0


def test_the_curve_climbs_by_one_for_each_person() -> None:
    found = curves.curve([5.0, 1.0], [20.0], 2)
    assert (found.last_yes, found.last_arrived, found.quota.value) == (2, 1, 2)
    heights = {point.split(",")[1] for point in found.said_yes.split()}
    assert len(heights) == 3 and f"{found.quota.at:.1f}" in heights
    assert [mark.value for mark in found.minutes][:2] == [0, 5]
    nothing = curves.curve([], [], 5)
    assert nothing.last_yes == 0 and nothing.minutes[-1].value == 10


def test_a_picture_for_the_chat_shows_both() -> None:
    words = Words(Policy())
    shown = {
        "curve": curves.curve([1.0], [2.0], 1),
        "map": origins.origins(*RALLY, 20_000.0, []),
    }
    for language in words.languages:
        values = words.values("callouts/pictures", language, **shown)
        assert typesetting.png("callouts/pictures", values).startswith(b"\x89PNG")

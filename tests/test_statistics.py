"""Statistics as people see them: in chat, in the console, as a report on the first of the month."""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from models import (
    EnrolmentState,
    Message,
    MonthlyReport,
    Organisation,
    Person,
    RoleKind,
)
from services import hours, monthly, statistics, trends
from services.statistics import Figures, Order, Part
from services.trends import Outlook
from tests.attending import place, propose
from tests.browser import DESKTOP, PHONE
from tests.city import City, Phone
from tests.consoles import desk_of, link, screen_of
from tests.databases import ON_BOTH, ON_SQLITE

pytestmark = ON_BOTH


@dataclass
class Served:
    """Shiqi has held one activity of two places, to which one of two people came for an hour."""

    city: City
    boss: Phone
    wang: Phone
    """Coordinates Shiqi."""
    lin: Phone
    """Coordinates Xiaolan, and reads English."""
    chen: Phone

    async def press(self, phone: Phone, label: str) -> None:
        """Waits for the picture as well."""
        await phone.press(label)
        await self.city.answered()


@pytest.fixture
async def served(city: City) -> AsyncIterator[Served]:
    city.clock.go_to("2026-11-20 09:00")
    boss = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang = await city.coordinator("王强")
    lin = await city.coordinator("林芳", organisation="zs-xiaolan", language="en")
    chen = await city.volunteer(
        "陈晓丽", organisation="zs-shiqi-taiping", emergency_opt_in=True, skills=("first_aid",)
    )
    absent = await city.making.volunteer("李敏")
    coordinator = await city.person(wang)
    activity = await city.making.activity(coordinator)
    shift = await city.making.shift(activity, "2026-11-18 09:00", quota=4)
    attendance = await propose(city.making, shift, await city.person(chen), 60)
    await place(city.making, shift, absent, EnrolmentState.NO_SHOW)
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, coordinator.id))
        await hours.confirm(work, attendance)
    await city.forward(hours=1)
    yield Served(city, boss, wang, lin, chen)


async def key_of(city: City, code: str) -> int:
    return (await city.making.organisation(code)).id


# In chat


async def test_a_coordinator_sees_the_figures_as_a_picture_and_chooses_the_period(
    served: Served,
) -> None:
    wang = served.wang
    await wang.say("/stats")
    shown = await wang.sees("石岐街道志愿服务协会")
    assert shown.photo is not None
    for words in (
        "注册志愿者 3 人",
        "目标 12.0%",
        "1 小时",
        "1 场活动",
        "满员率 50.0%，到场率 50.0%",
    ):
        assert words in shown.words
    assert "截至2026年11月的 12 个月" in shown.words and "不满 6 个整月" in shown.words
    assert "一半在 42 小时内" in shown.words
    await served.press(wang, "季度")
    await wang.sees("2026年第4季度")
    await served.press(wang, "上一期")
    before = await wang.sees("2026年第3季度")
    assert "0 场活动" in before.words and "注册志愿者 0 人" in before.words
    await served.press(wang, "下级组织")
    await served.press(wang, "太平社区")
    await wang.sees("太平社区志愿服务站")
    await served.press(wang, "上级组织")
    await wang.sees("石岐街道志愿服务协会")
    await served.press(wang, "上月月报")
    sent = await wang.sees("2026年10月月报")
    assert sent.document is not None and sent.document.content.startswith(b"%PDF")
    await served.press(wang, "返回")
    await served.press(wang, "网页版")
    found = re.search(r"/open/\S+", (await wang.sees("?to=/statistics/")).words)
    assert found is not None
    shiqi = await key_of(served.city, "zs-shiqi")
    async with desk_of(served.city) as desk:
        opened = await desk.send(found.group())
        assert opened.path == f"/console/statistics/{shiqi}" and "石岐街道" in opened.words


async def test_a_link_from_the_chat_leads_nowhere_else(served: Served) -> None:
    for elsewhere in ("//evil.example", "/../a", "https://evil.example", "/a?b"):
        async with desk_of(served.city) as desk:
            path = (await link(served.city, served.wang)).removeprefix("/console")
            opened = await desk.send(f"{path}?{urlencode({'to': elsewhere})}")
            assert opened.path == "/console" and opened.status == 200


async def test_the_federation_looks_down_and_others_are_refused(served: Served) -> None:
    await served.boss.say("/stats")
    await served.boss.sees("中山市志愿者联合会")
    await served.press(served.boss, "下级组织")
    await served.press(served.boss, "小榄镇")
    await served.boss.sees("小榄镇志愿服务协会")
    await served.lin.say("/stats")
    english = await served.lin.sees("Xiaolan")
    assert "1 registered" in english.words and "goal 12.0%" in english.words
    for forged in ("stats.of", "stats.parts", "stats.last", "stats.page"):
        more = ":month" if forged == "stats.parts" else ""
        await served.lin.press_data(f"{forged}:{await key_of(served.city, 'zs-shiqi')}{more}")
        await served.city.answered()
        assert not any("Shiqi" in message.words for message in served.lin.messages)
    await served.chen.say("/stats")
    await served.chen.sees("没有这项操作的权限")


# In the console


async def test_the_page_compares_drills_down_and_shows_only_ones_own(served: Served) -> None:
    shiqi, city = await key_of(served.city, "zs-shiqi"), await key_of(served.city, "zs")
    async with desk_of(served.city, served.wang) as desk:
        page = await desk.open("/statistics")
        for words in ("石岐街道志愿服务协会", "太平社区", "直属", "目标 12.0%，即 36,000 人"):
            assert words in page.words
        assert "300000" not in page.text, "sets no population"
        assert "水上救援：石岐街道 附近无人可到" in page.words
        assert (await desk.open(f"/statistics/{city}")).status == 403
        assert (
            await desk.open(f"/statistics/{await key_of(served.city, 'zs-xiaolan')}")
        ).status == 403
        assert (await desk.open(f"/statistics/{city}/report")).status == 403
        assert (await desk.send(f"/statistics/{shiqi}/population", {"population": 1})).status == 403
        assert (await desk.open("/statistics?period=week")).status == 404
        below = await desk.open(
            f"/statistics/{await key_of(served.city, 'zs-shiqi-taiping')}?period=month"
        )
        assert "太平社区志愿服务站" in below.words and "尚未填写人口数" in below.words
        skill = await desk.open("/statistics?ability=4&order=name&up=1")
        assert skill.status == 200 and 'aria-sort="ascending"' in skill.text
    async with desk_of(served.city, served.lin) as desk:
        page = await desk.open("/statistics")
        assert "Xiaolan" in page.words and "Shiqi" not in page.words
    async with desk_of(served.city) as stranger:
        assert (await stranger.open("/statistics")).status == 401


async def test_who_manages_an_organisation_says_how_many_live_there(served: Served) -> None:
    shiqi = await key_of(served.city, "zs-shiqi")
    path = f"/statistics/{shiqi}"
    async with desk_of(served.city, served.boss) as desk:
        assert "目标 12.0%，即 36,000 人" in (await desk.open(path)).words
        assert "注册志愿者" in (await desk.send(path + "/population", {"population": "20"})).words
        assert "目标 12.0%，即 3 人" in (await desk.open(path)).words
        assert "目标已达到" in (await desk.open(path)).words
        for wrong in ("many", "-5", "0", "9" * 12):
            refused = await desk.send(path + "/population", {"population": wrong})
            assert refused.status == 400 and f'value="{wrong}"' in refused.text
        assert "尚未填写" in (await desk.send(path + "/population", {"population": ""})).words


@ON_SQLITE
async def test_the_page_is_whole_on_a_desk_and_on_a_phone(served: Served) -> None:
    async with screen_of(served.city, served.boss, "/statistics") as page:
        assert await page.locator("svg.chart").count() == 3
        assert await page.locator("svg.chart circle").count() > 20
        for size in (DESKTOP, PHONE):
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], "nothing sticks out"
        await page.get_by_label("技能或资质").select_option(index=1)
        await page.wait_for_url("**ability=*")
        await page.get_by_role("link", name="石岐街道").click()
        await page.get_by_role("heading", name="石岐街道志愿服务协会").wait_for()


# By itself


async def test_the_monthly_report_comes_once_as_a_paper_in_each_ones_language(
    served: Served,
) -> None:
    city = served.city
    await city.go_to("2026-12-01 08:50")
    assert not any(m.document for m in served.wang.messages)
    await city.go_to("2026-12-01 09:00")
    sent = await served.wang.sees("石岐街道志愿服务协会2026年11月月报")
    assert sent.document is not None
    read = "".join(
        page.extract_text() for page in PdfReader(io.BytesIO(sent.document.content)).pages
    )
    assert (
        "志愿服务月报" in read
        and "石岐街道志愿服务协会" in read
        and "2026年11月" in read.replace(" ", "")
    )
    assert "留存" in read and "应急力量" in read
    english = await served.lin.sees("November 2026")
    assert english.document is not None
    read = PdfReader(io.BytesIO(english.document.content)).pages[0].extract_text()
    assert "Monthly report on volunteering" in read and "Xiaolan" in read
    assert not any(m.document for m in served.chen.messages)
    await city.forward(minutes=10)
    await city.start_again()
    await city.forward(days=3)
    reports = [m for m in served.wang.messages if m.document is not None]
    assert len(reports) == 1
    async with city.database.read() as session:
        kept = await session.scalars(select(MonthlyReport.organisation_id))
        assert sorted(kept) == sorted(
            [await key_of(city, c) for c in ("zs", "zs-shiqi", "zs-xiaolan")]
        )
    await served.wang.press("网页版")
    await served.wang.sees("/console/open/")


async def test_one_upload_serves_all_who_read_a_language(served: Served) -> None:
    city = served.city
    second = await city.coordinator("周敏")
    await city.go_to("2026-12-01 09:00")
    first = await served.wang.sees("2026年11月月报")
    other = await second.sees("2026年11月月报")
    assert first.document is not None and other.document is not None
    assert first.document.id == other.document.id


async def test_after_downtime_the_report_still_comes_but_not_after_days(served: Served) -> None:
    city = served.city
    await city.go_to("2026-12-04 20:00")
    await served.wang.sees("2026年11月月报")
    await city.go_to("2027-01-10 09:00")
    async with city.database.read() as session:
        subjects = await session.scalars(
            select(Message.subject).where(Message.kind == monthly.KIND)
        )
        assert len(list(subjects)) == 3


# The reckoning


def test_the_goal_is_reached_when_growth_goes_on() -> None:
    steady = [100 * month for month in range(20)]
    found = trends.forecast(1900, 2500, steady)
    assert (found.outlook, found.growth) == (Outlook.EXPECTED, 100)
    assert (found.soonest, found.expected, found.latest) == (6, 6, 6)
    rough = [0, 150, 180, 400, 410, 700, 720, 900, 950, 1300, 1310, 1500, 1600]
    found = trends.forecast(1600, 2500, rough)
    assert found.soonest and found.expected and found.latest
    assert found.soonest < found.expected < found.latest
    wild = [0, 900, 0, 900, 0, 900, 0, 950]
    assert trends.forecast(950, 2500, wild).latest is None


@pytest.mark.parametrize(
    ("now", "ends", "outlook"),
    [
        (2500, [2500], Outlook.REACHED),
        (200, [100, 150, 200], Outlook.TOO_EARLY),
        (200, [], Outlook.TOO_EARLY),
        (100, list(range(120, 100, -1)), Outlook.NOT_GROWING),
        (110, list(range(100, 110)), Outlook.FAR),
    ],
)
def test_no_date_is_made_up(now: int, ends: list[int], outlook: Outlook) -> None:
    found = trends.forecast(now, 2500, ends)
    assert found.outlook is outlook and found.expected is None


def test_how_long_hours_wait_is_read_off_the_histogram() -> None:
    delays = [0] * (len(statistics.BUCKETS) + 1)
    assert statistics.quantile(delays, 0.5) is None
    delays[5] = 10
    assert statistics.quantile(delays, 0.5) == 18
    delays[-1] = 90
    assert statistics.quantile(delays, 0.9) == statistics.BUCKETS[-1]


def test_organisations_are_put_in_order_and_those_without_a_value_come_last() -> None:
    def part(key: int, registered: int, population: int | None) -> Part:
        own = Organisation(id=key, names={"en": str(key)}, population=population)
        return Part(own, Figures(registered=registered), below=False)

    parts = [part(1, 5, 100), part(2, 9, None), part(3, 2, 10)]

    def order(by: Order, *, up: bool = False) -> list[int]:
        found = statistics.ordered(parts, by, lambda names: names["en"], up=up)
        return [one.organisation.id for one in found]

    assert order(Order.SHARE) == [3, 1, 2]
    assert order(Order.SHARE, up=True) == [1, 3, 2]
    assert order(Order.REGISTERED) == [2, 1, 3]
    assert order(Order.NAME) == [1, 2, 3]

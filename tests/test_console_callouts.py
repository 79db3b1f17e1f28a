"""Call-outs at the desk: declaring with a pin on the map, the word, commanding on a live board."""

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from models import Callout, Need, Person, RoleKind
from services import typesetting
from services.policy import Policy
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import Answered, Desk, desk_of, screen_of, table
from tests.databases import ON_POSTGRESQL
from tests.emergencies import RALLY, Emergency
from web import live

PLACE = f"{RALLY[0]}, {RALLY[1]}"


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


def word(page: Answered) -> str:
    """The number that is shown to be typed."""
    found = re.search(r'to-type">(\d{4})<', page.text)
    assert found, page.words
    return found[1]


async def declared(desk: Desk, **more: Any) -> Answered:
    """The preview of a new one."""
    fields = {
        "mode": "real", "kind": "typhoon", "place": PLACE, "address": "岐江公园北门",
        "quota_0": 2, "usual": ["message", "bring", "dangers"], "radius": 20, **more,
    }  # fmt: skip
    return await desk.send("/callouts/declare", fields)


async def launched(desk: Desk, **more: Any) -> str:
    """The path of one that runs."""
    preview = await declared(desk, **more)
    path = preview.path.removeprefix("/console")
    answered = await desk.send(f"{path}/launch", {"word": word(preview)})
    assert answered.status == 200, answered.words
    return path


async def test_own_words_begin_it_and_the_number_lets_it_go_once(emergency: Emergency) -> None:
    city = emergency.city
    (li,) = await emergency.crowd(1)
    async with desk_of(city, emergency.zhou) as desk:
        assert "请先选这一项" in (await desk.send("/callouts/new", {"kind": "flood"})).words
        unclear = await desk.send("/callouts/new", {"mode": "drill", "details": "出事了"})
        assert "请选一个类型" in unclear.words and "出事了" in unclear.text
        said = {"mode": "drill", "details": "岐江边被水淹了，要30人"}
        form = await desk.send("/callouts/new", said)
        assert 'value="flood" selected' in form.text and 'value="30"' in form.text
        assert "水位上涨" in form.words and re.search(r"checked><label[^>]*>水上救援", form.text)
        wrong = await declared(desk, place="月球", details="带上绳子")
        assert wrong.status == 400 and "找不到这个地方" in wrong.words and "带上绳子" in wrong.text
        assert (await declared(desk, quota_0=1001)).status == 400
        assert (await declared(desk, kind="ufo")).status == 400
        preview = await declared(desk, mode="drill", details="带上绳子", lasts="3小时", within=60)
        assert "【演练】" in preview.words and "带上绳子" in preview.words
        assert "5 公里内 1" in preview.words and "离你家" in preview.words
        path = preview.path.removeprefix("/console")
        assert (await desk.send(f"{path}/launch", {"word": "1"})).status == 400
        assert not await emergency.alarms()
        for _ in range(2):
            answered = await desk.send(f"{path}/launch", {"word": word(preview)})
            assert answered.path == preview.path and answered.status == 200
        await city.settle()
        await li.sees("带上绳子")
        assert set((await emergency.alarms()).values()) == {1}
        assert "岐江公园北门" in (await desk.open("/callouts")).words


async def test_a_draft_is_changed_with_all_its_needs(emergency: Emergency) -> None:
    city = emergency.city
    await emergency.crowd(1)
    async with desk_of(city, emergency.zhou) as desk:
        preview = await declared(desk, quota_0=5, quota_1=3, equipment_1="boat")
        path = preview.path.removeprefix("/console")
        assert "5 人" in preview.words and "3 人 · 🚤 船" in preview.words
        form = await desk.open(f"{path}/change")
        assert re.search(r'name="quota_1"[^>]* value="3"', form.text)
        fields = {"mode": "real", "kind": "fire", "place": "石岐", "quota_0": 4, "radius": 10}
        changed = await desk.send(f"{path}/change", fields)
        assert "火灾" in changed.words and "4 人" in changed.words and "船" not in changed.words
        await city.making.rally_point("zs-shiqi", "民生应急广场", 22.53, 113.38)
        assert 'data-to="民生应急广场"' in (await desk.open(f"{path}/change")).text
        assert "还没发出的草稿" in (await desk.open("/callouts")).words
        wider = await desk.send(f"{path}/widen", {"kilometres": 20})
        assert wider.status == 200
    async with city.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Need)) == 1
        callout = (await session.scalars(select(Callout))).one()
        assert callout.radius == 20_000.0 and callout.kind.value == "fire"


async def test_a_second_commander_types_the_number_as_well(emergency: Emergency) -> None:
    city = emergency.city
    city.policy = Policy(callout_second_size=1)
    await city.start_again()
    (li,) = await emergency.crowd(1)
    deputy = await city.coordinator("何敏", role=RoleKind.COMMANDER)
    async with desk_of(city, emergency.zhou) as desk, desk_of(city, deputy) as second:
        path = await launched(desk)
        assert "已请另一位指挥确认" in (await desk.open(path)).words
        ask = await second.open(path)
        assert "周明" in ask.words
        assert (await second.send(f"{path}/confirm", {"word": ""})).status == 400
        own = await desk.send(f"{path}/confirm", {"word": word(ask)})
        assert own.status == 400
        assert not await emergency.alarms()
        await second.send(f"{path}/confirm", {"word": word(ask)})
        await city.settle()
        await li.sees("需要你")


async def test_a_commander_directs_it_from_the_desk(
    emergency: Emergency, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = emergency.city
    monkeypatch.setattr(typesetting, "pdf", lambda name, values, at: b"%PDF")
    li, wang, zhao = await emergency.crowd(3)
    async with desk_of(city, emergency.zhou) as desk:
        path = await launched(desk)
        await city.settle()
        await li.press("15 分钟")
        await wang.press("待命")
        await city.answered()
        roll = await desk.open(f"{path}/roll")
        assert "林01 · 会来" in roll.words and "林02 · 待命" in roll.words
        keys = {name: (await city.person(one)).id for name, one in (("li", li), ("wang", wang))}
        at = f"{path}/people/{keys['li']}"
        assert "在场" in (await desk.send(f"{at}/arrived")).words
        await desk.send(f"{at}/team", {"team": 3})
        assert "第 3 小队" in (await desk.send(f"{at}/leader")).words
        await desk.send(f"{at}/say", {"text": "你带队"})
        await li.sees("你带队")
        await desk.send(f"{path}/people/{keys['wang']}/call-up")
        await desk.send(f"{path}/say", {"text": ""})
        assert "已发给 2 人" in (await desk.send(f"{path}/say", {"text": "北门集合"})).words
        assert "已向在场的 1 人清点" in (await desk.send(f"{path}/safety")).words
        await desk.send(f"{path}/hold", {"holds": 1})
        need = (await need_of(city)).id
        assert "4 人" in (await desk.send(f"{path}/quota", {"need": need, "quota": 4})).words
        assert (await desk.send(f"{path}/quota", {"need": need, "quota": 0})).status == 400
        await desk.send(f"{path}/hold", {"holds": 0})
        await desk.send(f"{path}/everyone", {"kilometres": 5})
        await desk.send(f"{path}/more")
        await desk.send(f"{path}/neighbours")
        await desk.send(f"{path}/relieve")
        await desk.send(f"{path}/also", {"quota_0": 2, "equipment_0": "boat"})
        await desk.send(f"{path}/move", {"place": "22.53, 113.38", "address": "东门"})
        await city.settle()
        await zhao.sees("东门")
        board = await desk.open(path)
        assert "东门" in board.words and "2 人 · 🚤 船" in board.words and "北门集合" in board.words
        assert "/board/open/" in (await desk.send(f"{path}/screen")).words
        ended = await desk.send(f"{path}/end", {"how": "over"})
        assert "已解除" in ended.words
        await city.settle()
        await zhao.sees("召集已解除")
        await desk.send(f"{path}/lesson", {"text": "多带绳子"})
        assert "多带绳子" in (await desk.open(f"{path}/report")).words
        assert (await desk.send(f"{path}/report.pdf")).status == 200
        assert "林01" in str(await table(desk, f"{path}/table.xlsx"))
        assert "误报" in (await desk.send(f"{path}/false-alarm")).words
        assert (await desk.send(f"{path}/more")).status == 400
        assert "到场 1 / 6 人" in (await desk.open("/callouts")).words
        assert "东门" in str(await table(desk, "/callouts/list.xlsx"))


async def need_of(city: City) -> Need:
    async with city.database.read() as session:
        return (await session.scalars(select(Need).order_by(Need.id))).first() or Need()


async def test_command_is_handed_over_between_desks(emergency: Emergency) -> None:
    city = emergency.city
    await emergency.crowd(1)
    deputy = await city.coordinator("何敏", role=RoleKind.COMMANDER)
    async with desk_of(city, emergency.zhou) as desk, desk_of(city, deputy) as second:
        path = await launched(desk)
        to = (await city.person(deputy)).id
        await desk.send(f"{path}/offer", {"person": to})
        assert "请你接任指挥" in (await second.open(path)).words
        await second.send(f"{path}/refuse")
        await desk.send(f"{path}/offer", {"person": to})
        await second.send(f"{path}/accept")
        assert await commander(city) == "何敏"
        await desk.send(f"{path}/take-over")
        assert await commander(city) == "周明"


async def commander(city: City) -> str:
    async with city.database.read() as session:
        found = await session.scalars(
            select(Person.name).join(Callout, Callout.commander_id == Person.id)
        )
        return found.one()


@ON_POSTGRESQL
async def test_a_pin_on_the_map_calls_people_who_appear_on_the_live_board(
    emergency: Emergency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOKS_EVERY", 3600.0)  # what is written is what wakes it
    city = emergency.city
    li, _ = await emergency.crowd(2)
    async with screen_of(city, emergency.zhou, "/callouts/new") as page:
        await page.get_by_text("实战：需要人手").click()
        await page.get_by_role("button", name="台风").click()
        await page.get_by_label("需要多少人").first.fill("2")
        await page.locator(".leaflet-container").click()
        pinned = await page.get_by_label("集结点").input_value()
        assert re.fullmatch(r"22\.\d{5}, 113\.\d{5}", pinned)
        await page.get_by_label("集结点").fill(PLACE)
        assert await barriers(page) == []
        await page.get_by_role("button", name="看看谁能来").click()
        shown = await page.locator(".to-type").inner_text()
        await page.get_by_label("输入这个数字").fill(shown)
        await page.get_by_role("button", name="发起召集").click()
        await page.get_by_role("heading", name="台风").wait_for()
        await city.settle()
        await emergency.on_scene(li)
        await page.locator(".people").get_by_text("林01").wait_for()
        await li.press("🆘")
        await page.locator("[data-alarms]").get_by_text("林01").wait_for()
        assert await page.locator("[data-alarms]").get_attribute("aria-live") == "assertive"
        assert (await page.title()).startswith("🆘")
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page) == []
        await emergency.end()
        await page.get_by_role("link", name="总结").wait_for()

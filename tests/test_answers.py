"""Answering from a text message: a page with the message's buttons, for one person, for a time."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from sqlalchemy import delete, select

from models import Account, Delivery, Enrolment, Lane, OptOut, Person, Shift
from services import answer_links, delivery, enrolment
from services.delivery import Post
from tests.browser import browser, opened
from tests.city import City

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""The pages ask nothing that differs between databases."""


@pytest.fixture
async def web(city: City) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{city.program.web_port}") as session:
        yield session


async def without_telegram(city: City, name: str = "陈晓丽", **more: Any) -> Person:
    person = await city.making.volunteer(name, **more)
    async with city.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == person.id))
    return person


async def link_for(
    city: City,
    person: Person,
    template: str = "messages/muted",
    parameters: dict[str, Any] | None = None,
    hours: float = 48,
) -> str:
    """The path of somebody's link to a message."""
    async with city.database.write() as session:
        work = city.making.work(session)
        post = Post(template, parameters or {"kind": "notice"}, "test", Lane.EMERGENCY)
        await delivery.tell(work, post, [person.id])
        key = await session.scalar(select(Delivery.id).order_by(Delivery.id.desc()).limit(1))
    return f"/a/{answer_links.token(key or 0, city.clock() + timedelta(hours=hours))}"


async def somebody_enrolled(city: City) -> tuple[Shift, Person]:
    shift = await city.making.shift(
        await city.making.activity(await city.making.coordinator("王强"))
    )
    person = await without_telegram(city)
    async with city.database.write() as session:
        await enrolment.enrol(city.making.work(session).acting_as(person), shift.id)
    return shift, person


async def place_of(city: City) -> int:
    async with city.database.read() as session:
        return (await session.scalars(select(Enrolment.id))).one()


async def changed(city: City, shift: Shift) -> dict[str, Any]:
    """What the message about a changed activity is made of."""
    return {
        "title": "河岸植树",
        "activity_id": shift.activity_id,
        "changed": {"address": "岐江公园南门"},
        "enrolment_id": await place_of(city),
    }


async def opted_out(city: City) -> list[int]:
    async with city.database.read() as session:
        return list(await session.scalars(select(OptOut.person_id)))


async def test_the_page_greets_by_the_first_name_and_says_no_more(
    city: City, web: aiohttp.ClientSession
) -> None:
    person = await without_telegram(city)
    async with web.get(await link_for(city, person)) as answer:
        page = await answer.text()
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "晓丽，你好！" in page
    assert "以后不再发送“通知”" in page
    assert "<script" not in page
    for secret in ("陈", person.phone or "", person.number or ""):
        assert secret not in page


async def test_a_button_on_the_page_does_what_it_does_in_the_chat(
    city: City, web: aiohttp.ClientSession
) -> None:
    wang = await city.making.coordinator("王强")
    activity = await city.making.activity(wang)
    shift = await city.making.shift(activity)
    person = await without_telegram(city)
    path = await link_for(
        city,
        person,
        "broadcasts/message",
        {
            "versions": {"zh_Hans": "来吗？"},
            "preview": False,
            "activity": {"id": activity.id, "shift_id": shift.id},
            "choices": [],
            "website": None,
            "kind": "notice",
            "broadcast_id": 1,
        },
    )
    async with web.post(path, data={"press": f"enrol:{shift.id}"}) as answer:
        said = await answer.text()
    assert "报名成功" in said
    assert "米" not in said  # nobody learns how far away they live
    async with city.database.read() as session:
        assert (await session.scalars(select(Enrolment.person_id))).all() == [person.id]
        seen = await session.scalar(select(Delivery.seen_at).order_by(Delivery.id).limit(1))
    assert seen == city.clock()


async def test_looking_changes_nothing(city: City, web: aiohttp.ClientSession) -> None:
    person = await without_telegram(city)
    path = await link_for(city, person)
    for _ in range(3):
        async with web.get(path) as answer:
            assert answer.status == 200
    async with city.database.read() as session:
        assert await session.scalar(select(Delivery.seen_at)) is None


async def test_only_what_stands_under_the_message_can_be_pressed(
    city: City, web: aiohttp.ClientSession
) -> None:
    person = await without_telegram(city)
    path = await link_for(city, person)
    async with web.post(path, data={"press": "mute:survey"}) as answer:
        assert answer.status == 400
    async with web.post(path, data={}) as answer:
        assert answer.status == 400
    assert await opted_out(city) == []


async def test_a_link_can_be_neither_forged_nor_used_for_another_message(
    city: City, web: aiohttp.ClientSession
) -> None:
    path = await link_for(city, await without_telegram(city))
    other = await link_for(city, await without_telegram(city, "李明"))
    key, until, signature = path.rpartition("/")[2].split("-")
    others_key = other.rpartition("/")[2].split("-")[0]
    for forged in (
        f"/a/{others_key}-{until}-{signature}",
        f"/a/{key}-{int(until) + 1}-{signature}",
        f"/a/{key}-{until}-{'x' * len(signature)}",
        "/a/1",
        "/a/-1-2-3",
    ):
        async with web.get(forged, headers={"Accept-Language": "zh-CN,zh"}) as answer:
            assert answer.status == 410
            assert "链接不完整" in await answer.text()
        async with web.post(forged, data={"press": "unmute:notice"}) as answer:
            assert answer.status == 410


async def test_a_link_expires_and_says_what_to_do(city: City, web: aiohttp.ClientSession) -> None:
    path = await link_for(city, await without_telegram(city), hours=1)
    city.clock.forward(hours=1)
    async with web.get(path, headers={"Accept-Language": "zh-CN"}) as answer:
        assert answer.status == 410
        assert "链接已过期" in await answer.text()
    async with web.get(path, headers={"Accept-Language": "en-GB"}) as answer:
        assert "call your coordinator" in await answer.text()


async def test_a_step_that_the_page_shows_can_be_taken_there(
    city: City, web: aiohttp.ClientSession
) -> None:
    shift, person = await somebody_enrolled(city)
    path = await link_for(city, person, "enrolment/changed", await changed(city, shift))
    async with web.post(path, data={"press": f"enrol.cancel:{await place_of(city)}"}) as answer:
        page = await answer.text()
    assert "取消报名" in page
    step = re.search(r'value="(enrol\.drop:[^"]+)"', page)
    assert step is not None
    other = await link_for(city, person)
    async with web.post(other, data={"press": step[1]}) as answer:
        assert answer.status == 400
    async with web.post(path, data={"press": step[1].partition("~")[0]}) as answer:
        assert answer.status == 400
    async with web.post(path, data={"press": step[1]}) as answer:
        assert answer.status == 200
    async with city.database.read() as session:
        assert (await session.scalars(select(Enrolment.state))).all() == ["cancelled"]


async def test_what_needs_typing_is_left_to_the_chat(
    city: City, web: aiohttp.ClientSession
) -> None:
    shift, person = await somebody_enrolled(city)
    parameters = await changed(city, shift)
    async with city.database.write() as session:
        (await session.get_one(Enrolment, parameters["enrolment_id"])).reconfirm = False
    city.clock.go_to("2026-11-28 08:00")
    path = await link_for(city, person, "enrolment/changed", parameters)
    async with web.post(path, data={"press": f"enrol.cancel:{await place_of(city)}"}) as answer:
        step = re.search(r'value="(enrol\.drop:[^"]+)"', await answer.text())
    assert step is not None
    async with web.post(path, data={"press": step[1]}) as answer:
        assert "请在 Telegram 里完成" in await answer.text()


async def test_the_page_opens_nobodys_other_screens(city: City, web: aiohttp.ClientSession) -> None:
    path = await link_for(city, await without_telegram(city))
    async with web.get(path) as answer:
        assert "全部消息设置" not in await answer.text()
    async with web.post(path, data={"press": "messages"}) as answer:
        assert answer.status == 400
        assert "按钮已经失效" in await answer.text()


async def test_what_names_others_or_moves_an_account_is_decided_in_the_chat(
    city: City, web: aiohttp.ClientSession
) -> None:
    person = await without_telegram(city)
    path = await link_for(city, person, "moving/asked", {"account_id": 1, "signature": "x"})
    async with web.get(path) as answer:
        assert answer.status == 410
        assert "move.allow" not in await answer.text()


async def test_a_flood_of_forged_links_waits_for_no_transaction(
    city: City, web: aiohttp.ClientSession
) -> None:
    async with city.database.write():  # nobody else writes now
        for _ in range(20):
            async with web.post("/a/1-9999999999-forged", data={"press": "x"}) as answer:
                assert answer.status == 410


async def test_nobody_presses_faster_than_a_person(city: City, web: aiohttp.ClientSession) -> None:
    path = await link_for(city, await without_telegram(city))
    statuses = []
    for _ in range(12):
        async with web.post(path, data={"press": "unmute:notice"}) as answer:
            statuses.append(answer.status)
    assert statuses == [200] * 10 + [429] * 2
    city.clock.forward(minutes=1, seconds=1)
    async with web.post(path, data={"press": "unmute:notice"}) as answer:
        assert answer.status == 200


async def test_it_is_read_and_pressed_on_a_small_phone(city: City) -> None:
    path = await link_for(city, await without_telegram(city))
    address = f"http://127.0.0.1:{city.program.web_port}{path}"
    async with browser() as running, opened(running, address, (320, 568)) as page:
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        await page.get_by_role("button", name="撤销").click()
        answer = page.get_by_role("status")
        await answer.wait_for()
        assert "又会收到“通知”" in await answer.inner_text()

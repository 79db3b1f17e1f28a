"""Telegram on a bad day: limits, errors, lost connections and delays that can be switched on."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.playground.caller import Caller


async def test_limits_answer_429_and_say_when_to_come_again(caller: Caller) -> None:
    caller.telegram.limits.strict(chat_burst=2)
    await caller.say()
    await caller.say()
    status, body = await caller.answer("sendMessage", chat_id=caller.chen.id, text="x")
    assert status == 429
    assert body["parameters"]["retry_after"] >= 1
    assert body["description"] == "Too Many Requests: retry after 1"


@pytest.mark.parametrize(("status", "words"), [(429, "Too Many"), (403, "blocked"), (502, "Bad")])
async def test_faults_are_switched_on_for_so_many_calls(
    caller: Caller, status: int, words: str
) -> None:
    caller.telegram.faults.fail(method="sendMessage", status=status)
    found, body = await caller.answer("sendMessage", chat_id=caller.chen.id, text="x")
    assert found == status
    assert words in body["description"]
    await caller.say()


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
async def test_a_connection_drops_before_or_after_the_call_took_effect(
    caller: Caller, when: Any, arrived: int
) -> None:
    caller.telegram.faults.drop(method="sendMessage", when=when)
    with pytest.raises(aiohttp.ClientError):
        await caller.say()
    assert len([message for message in caller.chen.messages if message.from_bot]) == arrived


async def test_an_answer_is_delayed(caller: Caller) -> None:
    loop = asyncio.get_running_loop()
    caller.telegram.faults.delay(0.05, method="sendMessage", times=1)
    began = loop.time()
    await caller.say()
    assert loop.time() - began >= 0.05


async def test_after_so_many_calls_others_are_held_until_they_are_let_through(
    caller: Caller,
) -> None:
    let_through = caller.telegram.faults.hold(chats={caller.chen.id}, after=1)
    await caller.say()
    held = asyncio.create_task(caller.say())
    await caller.call("getMe")
    assert not held.done()
    let_through.set()
    await held


async def test_a_fault_may_concern_one_chat_and_last_until_it_is_cleared(caller: Caller) -> None:
    li = caller.telegram.add_person("明", "李").use(caller.bot)
    await li.start()
    caller.telegram.faults.fail(chat_id=caller.chen.id, status=500, times=None)
    for _ in range(3):
        assert (await caller.answer("sendMessage", chat_id=caller.chen.id, text="x"))[0] == 500
    await caller.call("sendMessage", chat_id=li.id, text="x")
    caller.telegram.faults.clear()
    await caller.say()


async def test_a_refusal_says_in_its_header_too_when_to_come_again(caller: Caller) -> None:
    caller.telegram.faults.fail(status=429, retry_after=7)
    async with caller.http.post(caller.address("getMe")) as answer:
        assert answer.headers["Retry-After"] == "7"
        assert (await answer.json())["parameters"] == {"retry_after": 7}


async def test_a_poll_that_breaks_off_loses_no_update(caller: Caller) -> None:
    caller.telegram.faults.drop(method="getUpdates", when="after")
    with pytest.raises(aiohttp.ClientError):
        await caller.call("getUpdates")
    assert len(await caller.call("getUpdates")) == 1


async def test_limits_for_all_for_a_chat_and_for_a_group(caller: Caller) -> None:
    limits = caller.telegram.limits
    now = 1000.0
    limits.clock = lambda: now
    limits.strict(overall_per_second=25, chat_burst=1)
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot])

    async def retry_after(chat_id: int) -> int:
        _, body = await caller.answer("sendMessage", chat_id=chat_id, text="x")
        return int(body["parameters"]["retry_after"]) if not body["ok"] else 0

    assert [await retry_after(caller.chen.id) for _ in range(2)] == [0, 1]
    assert [await retry_after(group.id) for _ in range(21)] == [0] * 20 + [60]
    others = [caller.telegram.add_person(f"{number}").use(caller.bot) for number in range(5)]
    for other in others:
        await other.start()
    assert [await retry_after(other.id) for other in others] == [0, 0, 0, 0, 1]
    now += 1
    assert await retry_after(others[-1].id) == 0
    now += 60
    assert await retry_after(group.id) == 0
    assert limits.refused == 3

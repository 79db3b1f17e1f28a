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

"""How a bot hears of things: getUpdates and webhooks, as Telegram has them."""

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.playground.caller import Caller


async def test_updates_stay_until_an_offset_confirms_them(caller: Caller) -> None:
    await caller.chen.say("一")
    await caller.chen.say("二")
    first = await caller.call("getUpdates")
    assert [u["message"]["text"] for u in first] == ["/start", "一", "二"]
    again = await caller.call("getUpdates", offset=first[1]["update_id"])
    assert [u["message"]["text"] for u in again] == ["一", "二"]
    assert await caller.call("getUpdates", offset=first[-1]["update_id"] + 1) == []


async def test_a_negative_offset_keeps_only_the_last(caller: Caller) -> None:
    for text in ("一", "二", "三"):
        await caller.chen.say(text)
    (last,) = await caller.call("getUpdates", offset=-1)
    assert last["message"]["text"] == "三"
    assert len(await caller.call("getUpdates")) == 1


async def test_as_many_updates_come_as_were_asked_for(caller: Caller) -> None:
    await caller.chen.say("一")
    assert len(await caller.call("getUpdates", limit=1)) == 1
    assert len(await caller.call("getUpdates")) == 2


async def test_only_allowed_kinds_of_updates_are_kept(caller: Caller) -> None:
    await caller.call("getUpdates", allowed_updates=["my_chat_member"], offset=-1)
    await caller.call("getUpdates", offset=2_000_000)
    await caller.chen.say("没人听")
    await caller.chen.block()
    (update,) = await caller.call("getUpdates")
    assert update["my_chat_member"]["new_chat_member"]["status"] == "kicked"


async def test_in_a_group_a_bot_hears_commands_and_answers_to_itself(caller: Caller) -> None:
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot])
    await caller.call("getUpdates", offset=2_000_000)
    chen = caller.chen.in_chat(group)
    sent = await caller.call("sendMessage", chat_id=group.id, text="谁来？")
    for text, answered in (("闲聊", None), ("/menu", None), ("我来", sent["message_id"])):
        await chen.say(text, reply_to=answered)
    heard = [update["message"]["text"] for update in await caller.call("getUpdates")]
    assert heard == ["/menu", "我来"]


async def test_a_long_poll_ends_with_the_first_update(caller: Caller) -> None:
    newest = (await caller.call("getUpdates"))[-1]["update_id"]
    poll = asyncio.create_task(caller.call("getUpdates", offset=newest + 1, timeout=50))
    await _polling(caller)
    await caller.chen.say("来了")
    (update,) = await poll
    assert update["message"]["text"] == "来了"


async def test_a_second_poller_sends_the_first_one_home(caller: Caller) -> None:
    newest = (await caller.call("getUpdates"))[-1]["update_id"]
    first = asyncio.create_task(caller.answer("getUpdates", offset=newest + 1, timeout=50))
    await _polling(caller)
    await caller.call("getUpdates", offset=newest + 1)
    status, body = await first
    assert status == 409
    assert "terminated by other getUpdates request" in body["description"]


async def _polling(caller: Caller) -> None:
    """Waits until a long poll stands."""
    while caller.telegram.updates.of(caller.bot).poller is None:  # noqa: ASYNC110 - it sets none
        await asyncio.sleep(0)


async def test_a_webhook_gets_updates_with_its_secret_and_again_after_a_failure(
    caller: Caller,
) -> None:
    seen: list[tuple[str, Any]] = []
    taken = asyncio.Event()

    async def receive(request: web.Request) -> web.Response:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        seen.append((secret, json.loads(await request.read())["message"]["text"]))
        if len(seen) == 1:
            raise web.HTTPBadGateway
        taken.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await caller.call("setWebhook", url=url, secret_token="geheim", drop_pending_updates=True)
    status, body = await caller.answer("getUpdates")
    assert status == 409
    assert "webhook is active" in body["description"]
    await caller.chen.say("你好")
    await asyncio.wait_for(taken.wait(), 10)
    assert seen == [("geheim", "你好")] * 2
    assert (await caller.call("getWebhookInfo"))["url"] == url
    await caller.call("deleteWebhook")
    await runner.cleanup()


async def test_a_webhook_must_be_safe(caller: Caller) -> None:
    assert "An HTTPS URL must be provided" in await caller.refused(
        "setWebhook", url="http://example.org/hook"
    )


async def test_updates_wait_for_a_webhook_that_is_away(caller: Caller) -> None:
    await caller.call("setWebhook", url="http://127.0.0.1:9/nobody")
    await caller.chen.say("在吗")
    assert (await caller.call("getWebhookInfo"))["pending_update_count"] == 2
    await caller.call("deleteWebhook")
    assert [u["message"]["text"] for u in await caller.call("getUpdates")] == ["/start", "在吗"]
    await caller.call("deleteWebhook", drop_pending_updates=True)
    assert await caller.call("getUpdates") == []

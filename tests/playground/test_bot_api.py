"""The local Bot API is as strict as the real one: each rule, over HTTP, in Telegram's own words."""

from typing import Any

import aiohttp
import pytest

from tests.playground.caller import TOKEN, Caller, a_picture
from tests.times import ManualClock

# How one may call


async def test_json_forms_multipart_and_addresses_are_read_alike(caller: Caller) -> None:
    address = caller.address("sendMessage")
    given = {"chat_id": str(caller.chen.id), "text": "你好"}
    multipart = aiohttp.FormData(given)
    multipart.add_field("disable_notification", "true", content_type="text/plain")
    for call in (
        caller.http.post(address, json=given),
        caller.http.post(address, data=given),
        caller.http.post(address, data=multipart),
        caller.http.get(address, params=given),
    ):
        async with call as answer:
            assert (await answer.json())["result"]["text"] == "你好"


async def test_a_file_goes_up_and_comes_down(caller: Caller) -> None:
    form = aiohttp.FormData({"chat_id": str(caller.chen.id)})
    form.add_field("document", b"BEGIN:VCALENDAR", filename="a.ics", content_type="text/calendar")
    async with caller.http.post(caller.address("sendDocument"), data=form) as answer:
        document = (await answer.json())["result"]["document"]
    assert (document["file_name"], document["file_size"]) == ("a.ics", 15)
    path = (await caller.call("getFile", file_id=document["file_id"]))["file_path"]
    async with caller.http.get(f"{caller.telegram.url}/file/bot{TOKEN}/{path}") as answer:
        assert await answer.read() == b"BEGIN:VCALENDAR"


async def test_a_wrong_token_is_unauthorized(caller: Caller) -> None:
    async with caller.http.post(caller.address("getMe", "1:WRONG")) as answer:
        assert (answer.status, await answer.json()) == (
            401,
            {"ok": False, "error_code": 401, "description": "Unauthorized"},
        )


async def test_methods_that_are_missing_say_so_and_never_succeed(caller: Caller) -> None:
    assert await caller.answer("sendPoll") == (
        501,
        {"ok": False, "error_code": 501, "description": "Not Implemented: sendPoll"},
    )
    assert (await caller.answer("sendNonsense"))[0] == 404


@pytest.mark.parametrize(
    ("given", "description"),
    [
        ({"text": "你好", "colour": "red"}, 'unknown parameter "colour"'),
        ({}, "message text is empty"),
        ({"text": "  "}, "message text is empty"),
        ({"text": "长" * 4097}, "message is too long"),
        ({"text": "<b>fett", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<blink>x</blink>", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "a < b", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "x", "reply_markup": {"keyboard": []}}, "reply markup is empty"),
        ({"text": "x", "reply_markup": {"inline_keyboard": [{}]}}, "can't parse keyboard"),
        ({"text": "x", "reply_parameters": {"message_id": 99}}, "message to be replied not found"),
        ({"text": "x", "disable_notification": "perhaps"}, "is not a valid bool"),
    ],
)
async def test_a_message_against_the_rules_is_refused(
    caller: Caller, given: dict[str, Any], description: str
) -> None:
    answered = await caller.refused("sendMessage", chat_id=caller.chen.id, **given)
    assert answered.startswith("Bad Request: ")
    assert description in answered


@pytest.mark.parametrize(
    ("button", "description"),
    [
        ({"text": "x", "callback_data": "d" * 65}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": "中" * 22}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "", "callback_data": "d"}, 'Field "text" must be non-empty'),
        ({"text": "x"}, "Text buttons are unallowed in the inline keyboard"),
        ({"text": "x", "url": "nowhere"}, "Wrong HTTP URL"),
    ],
)
async def test_a_button_against_the_rules_is_refused(
    caller: Caller, button: dict[str, Any], description: str
) -> None:
    markup = {"inline_keyboard": [[button]]}
    answered = await caller.refused(
        "sendMessage", chat_id=caller.chen.id, text="x", reply_markup=markup
    )
    assert description in answered


async def test_limits_are_met_exactly(caller: Caller) -> None:
    rows = [[{"text": "x", "callback_data": "d" * 64}] * 5] * 20
    sent = await caller.say("长" * 4096, reply_markup={"inline_keyboard": rows})
    assert len(sent["text"]) == 4096
    rows.append([{"text": "x", "callback_data": "d"}])
    assert "reply markup is too long" in await caller.refused(
        "sendMessage", chat_id=caller.chen.id, text="x", reply_markup={"inline_keyboard": rows}
    )
    caption = {"chat_id": caller.chen.id, "photo": "unknown", "caption": "长" * 1025}
    assert "wrong file identifier" in await caller.refused("sendPhoto", **caption)


async def test_a_caption_has_its_own_limit(caller: Caller) -> None:
    sent = await caller.chen.send_photo(a_picture())
    assert sent.photo is not None
    given = {"chat_id": caller.chen.id, "photo": sent.photo.id}
    assert "caption is too long" in await caller.refused("sendPhoto", **given, caption="长" * 1025)
    await caller.call("sendPhoto", **given, caption="长" * 1024)


# Editing and answering


async def test_an_edit_that_changes_nothing_is_refused(caller: Caller) -> None:
    sent = await caller.say()
    target = {"chat_id": caller.chen.id, "message_id": sent["message_id"]}
    assert "message is not modified" in await caller.refused(
        "editMessageText", text="你好", **target
    )
    await caller.call("editMessageText", text="再见", **target)
    target["message_id"] = 999
    assert "message to edit not found" in await caller.refused(
        "editMessageText", text="x", **target
    )
    own = await caller.chen.say("我的")
    target["message_id"] = own.id
    assert "message can't be edited" in await caller.refused("editMessageText", text="x", **target)


async def test_a_pressed_button_is_answered_once_and_in_time(
    caller: Caller, clock: ManualClock
) -> None:
    markup = {"inline_keyboard": [[{"text": "好", "callback_data": "yes"}]]}
    for late in (False, True):
        await caller.say(reply_markup=markup)
        query = caller.chen.tap(caller.chen.last, 0, 0)
        if late:
            clock.forward(minutes=30)
        else:
            await caller.call("answerCallbackQuery", callback_query_id=query.id, text="收到")
            assert query.answer is not None
            assert query.answer.text == "收到"
        refused = await caller.refused("answerCallbackQuery", callback_query_id=query.id)
        assert "query is too old" in refused
    assert "MESSAGE_TOO_LONG" in await caller.refused(
        "answerCallbackQuery", callback_query_id=query.id, text="长" * 201
    )


# Where a bot may write


async def test_chats_that_a_bot_may_not_write_to(caller: Caller) -> None:
    stranger = caller.telegram.add_person("明", "李").use(caller.bot)
    given = {"text": "你好"}
    assert await caller.refused("sendMessage", chat_id=stranger.id, **given) == (
        "Forbidden: bot can't initiate conversation with a user"
    )
    assert "chat not found" in await caller.refused("sendMessage", chat_id=424242, **given)
    await caller.chen.block()
    assert await caller.refused("sendMessage", chat_id=caller.chen.id, **given) == (
        "Forbidden: bot was blocked by the user"
    )
    group = caller.telegram.add_group("志愿者", [stranger])
    assert "bot is not a member" in await caller.refused("sendMessage", chat_id=group.id, **given)


async def test_a_group_that_moved_names_its_new_id(caller: Caller) -> None:
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot], kind="group")
    new = caller.telegram.world.migrate(group)
    status, body = await caller.answer("sendMessage", chat_id=group.id, text="你好")
    assert status == 400
    assert body["parameters"] == {"migrate_to_chat_id": new.id}

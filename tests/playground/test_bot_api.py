"""The local Bot API is as strict as the real one: each rule, over HTTP, in Telegram's own words."""

import json
from typing import Any

import aiohttp
import pytest

from tests.playground.caller import TOKEN, Caller, a_picture, buttons
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
    ("method", "given", "description"),
    [
        ("sendMessage", {"text": "x"}, "chat_id is empty"),
        ("sendMessage", {"chat_id": "Chen", "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": 1, "text": ["x"]}, 'parameter "text" is not a valid str'),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_parameters": 5},
         'parameter "reply_parameters" is not a valid object'),
        ("editMessageText", {"chat_id": 1, "message_id": 1.5, "text": "x"},
         'parameter "message_id" is not a valid int'),
        ("deleteMessage", {"chat_id": 1}, 'parameter "message_id" is required'),
        ("deleteMessages", {"chat_id": 1, "message_ids": 4},
         'parameter "message_ids" is not a valid array'),
        ("sendMediaGroup", {"chat_id": 1, "media": ["x", "y"]},
         'parameter "media" is not a valid array of objects'),
        ("sendLocation", {"chat_id": 1, "latitude": "north", "longitude": 0},
         'parameter "latitude" is not a valid float'),
        ("getUpdates", {"offset": "first"}, 'parameter "offset" is not a valid int'),
    ],
)  # fmt: skip
async def test_parameters_that_are_missing_or_of_another_kind_are_refused(
    caller: Caller, method: str, given: dict[str, Any], description: str
) -> None:
    assert await caller.refused(method, **given) == f"Bad Request: {description}"


async def test_a_body_that_is_no_json_is_refused(caller: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    address = caller.address("sendMessage")
    async with caller.http.post(address, data="{", headers=headers) as answer:
        assert answer.status == 400
        assert "can't parse JSON" in (await answer.json())["description"]


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


async def test_pictures_are_checked_before_they_are_taken(caller: Caller) -> None:
    for content, status in ((b"no picture", 400), (b"x" * (10 * 1024 * 1024 + 1), 413)):
        form = aiohttp.FormData({"chat_id": str(caller.chen.id)})
        form.add_field("photo", content, filename="a.jpg", content_type="image/jpeg")
        async with caller.http.post(caller.address("sendPhoto"), data=form) as answer:
            assert (answer.status, (await answer.json())["error_code"]) == (status, status)
    document = await caller.chen.send_document(b"x", "a.txt")
    assert document.document is not None
    assert "can't use it as photo" in await caller.refused(
        "sendPhoto", chat_id=caller.chen.id, photo=document.document.id
    )


async def test_of_several_pictures_all_are_sent_or_none(caller: Caller) -> None:
    form = aiohttp.FormData({"chat_id": str(caller.chen.id)})
    media = [{"type": "photo", "media": "attach://one"}, {"type": "photo", "media": "unknown"}]
    form.add_field("media", json.dumps(media))
    form.add_field("one", a_picture(), filename="1.png", content_type="image/png")
    async with caller.http.post(caller.address("sendMediaGroup"), data=form) as answer:
        assert "wrong file identifier" in (await answer.json())["description"]
    assert not any(message.photo for message in caller.chen.messages)


async def test_a_reply_keyboard_stays_until_it_is_removed(caller: Caller) -> None:
    await caller.say(reply_markup={"keyboard": [["菜单"]]})
    await caller.say("还在")
    assert caller.chen.chat.reply_keyboard is not None
    await caller.say(reply_markup={"remove_keyboard": True})
    assert caller.chen.chat.reply_keyboard is None


async def test_places_off_the_earth_are_refused(caller: Caller) -> None:
    given = {"chat_id": caller.chen.id, "latitude": 90.5, "longitude": 0}
    assert "invalid location" in await caller.refused("sendLocation", **given)
    assert "must be non-empty" in await caller.refused(
        "sendVenue", **{**given, "latitude": 0}, title="", address=""
    )


@pytest.mark.parametrize(
    ("given", "description"),
    [
        ({"commands": [{"command": "Menu", "description": "x"}]}, "BOT_COMMAND_INVALID"),
        ({"commands": [{"command": "menu", "description": ""}]}, "BOT_COMMAND_DESCRIPTION_INVALID"),
        ({"commands": [{"command": "a", "description": "x"}] * 101}, "BOT_COMMANDS_TOO_MUCH"),
        ({"commands": [], "language_code": "zh-hans"}, "invalid language code specified"),
        ({"commands": [], "scope": {"type": "chat"}}, 'Can\'t find field "chat_id"'),
    ],
)
async def test_commands_against_the_rules_are_refused(
    caller: Caller, given: dict[str, Any], description: str
) -> None:
    assert description in await caller.refused("setMyCommands", **given)


async def test_commands_are_kept_by_scope_and_language(caller: Caller) -> None:
    menu = [{"command": "menu", "description": "主菜单"}]
    chat = {"type": "chat", "chat_id": caller.chen.id}
    await caller.call("setMyCommands", commands=menu, scope=chat, language_code="zh")
    assert await caller.call("getMyCommands", scope=chat, language_code="zh") == menu
    assert await caller.call("getMyCommands") == []
    await caller.call("deleteMyCommands", scope=chat, language_code="zh")
    assert await caller.call("getMyCommands", scope=chat, language_code="zh") == []


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


async def test_buttons_are_changed_and_taken_away_without_the_words(caller: Caller) -> None:
    sent = await caller.say(reply_markup=buttons([("好", "yes")]))
    target = {"chat_id": caller.chen.id, "message_id": sent["message_id"]}
    same = {"reply_markup": buttons([("好", "yes")])}
    assert "not modified" in await caller.refused("editMessageReplyMarkup", **target, **same)
    await caller.call("editMessageReplyMarkup", reply_markup={"inline_keyboard": []}, **target)
    assert (caller.chen.screen.inline_rows, caller.chen.screen.edited) == ((), 0)
    assert "not modified" in await caller.refused("editMessageReplyMarkup", **target)
    keys = {"reply_markup": {"keyboard": [["x"]]}}
    assert "inline keyboard expected" in await caller.refused(
        "editMessageReplyMarkup", **target, **keys
    )


async def test_words_and_captions_are_edited_each_in_their_own_way(caller: Caller) -> None:
    words = {"chat_id": caller.chen.id, "message_id": (await caller.say())["message_id"]}
    assert "there is no caption" in await caller.refused("editMessageCaption", caption="x", **words)
    picture = await caller.send_picture(a_picture())
    target = {"chat_id": caller.chen.id, "message_id": picture["message_id"]}
    assert "there is no text" in await caller.refused("editMessageText", text="x", **target)
    assert (await caller.call("editMessageCaption", caption="新", **target))["caption"] == "新"


async def test_what_was_deleted_is_gone(caller: Caller) -> None:
    target = {"chat_id": caller.chen.id, "message_id": (await caller.say())["message_id"]}
    await caller.call("deleteMessage", **target)
    assert "message to delete not found" in await caller.refused("deleteMessage", **target)
    assert "message to edit not found" in await caller.refused(
        "editMessageText", text="x", **target
    )
    assert "message to pin not found" in await caller.refused("pinChatMessage", **target)


async def test_the_button_of_another_bot_is_not_answered(caller: Caller) -> None:
    other = caller.telegram.add_bot("300400:OTHER", "other_bot")
    await caller.say(reply_markup=buttons([("好", "yes")]))
    query = caller.chen.tap(caller.chen.last, 0, 0)
    given = {"callback_query_id": query.id}
    async with caller.http.post(
        caller.address("answerCallbackQuery", other.token), json=given
    ) as answer:
        assert "query ID is invalid" in (await answer.json())["description"]
    await caller.call("answerCallbackQuery", **given)


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


async def test_people_and_groups_that_are_gone_for_the_bot(caller: Caller) -> None:
    given = {"text": "你好"}
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot])
    await caller.call("sendMessage", chat_id=group.id, **given)
    caller.telegram.world.join(group, caller.bot, "kicked", caller.chen.person)
    assert await caller.refused("sendMessage", chat_id=group.id, **given) == (
        "Forbidden: bot was kicked from the supergroup chat"
    )
    caller.chen.person.active = False
    assert await caller.refused("sendMessage", chat_id=caller.chen.id, **given) == (
        "Forbidden: user is deactivated"
    )


async def test_in_a_channel_a_bot_writes_as_an_administrator_only(caller: Caller) -> None:
    channel = caller.telegram.add_group("公告", [caller.chen], [caller.bot], kind="channel")
    post = {"chat_id": channel.id, "text": "你好"}
    await caller.call("sendMessage", **post)
    assert "reply keyboards are not allowed" in await caller.refused(
        "sendMessage", **post, reply_markup={"keyboard": [["x"]]}
    )
    caller.telegram.world.join(channel, caller.bot, "member", caller.chen.person)
    assert await caller.refused("sendMessage", **post) == (
        "Bad Request: need administrator rights in the channel chat"
    )


async def test_blocking_ends_and_writing_again_restarts(caller: Caller) -> None:
    await caller.chen.block()
    assert "Forbidden" in await caller.refused("sendMessage", chat_id=caller.chen.id, text="x")
    await caller.chen.say("我回来了")
    await caller.say()


async def test_a_group_that_moved_names_its_new_id(caller: Caller) -> None:
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot], kind="group")
    new = caller.telegram.world.migrate(group)
    status, body = await caller.answer("sendMessage", chat_id=group.id, text="你好")
    assert status == 400
    assert body["parameters"] == {"migrate_to_chat_id": new.id}

"""What the local Bot API answers is complete enough for python-telegram-bot to read."""

from typing import Any

import pytest
from telegram import Bot, Chat, ChatMember, File, Message, Update, User, WebhookInfo

from tests.playground.caller import TOKEN, Caller, a_picture, buttons

READER = Bot(TOKEN)


@pytest.fixture
async def picture(caller: Caller) -> str:
    """The file id of a picture that the bot has sent."""
    sent = await caller.send_picture(a_picture())
    return str(sent["photo"][-1]["file_id"])


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("sendMessage", {"text": "<b>你好</b>", "parse_mode": "HTML"}),
        ("sendMessage", {"text": "x", "reply_markup": buttons([("好", "yes")])}),
        ("sendLocation", {"latitude": 22.5, "longitude": 113.4, "live_period": 600}),
        ("sendVenue", {"latitude": 22.5, "longitude": 113.4, "title": "北门", "address": "街"}),
        ("sendContact", {"phone_number": "+8613800138000", "first_name": "晓丽"}),
    ],
)
async def test_what_is_sent_comes_back_as_a_message(
    caller: Caller, method: str, given: dict[str, Any]
) -> None:
    sent = await caller.call(method, chat_id=caller.chen.id, protect_content=True, **given)
    message = Message.de_json(sent, READER)
    assert message.chat.id == caller.chen.id
    assert message.from_user is not None
    assert message.from_user.is_bot
    assert message.has_protected_content
    assert message.effective_attachment is not None or message.text


async def test_pictures_are_sent_again_by_their_id(caller: Caller, picture: str) -> None:
    target: dict[str, Any] = {"chat_id": caller.chen.id}
    message = Message.de_json(
        await caller.call("sendPhoto", photo=picture, caption="一", **target), READER
    )
    assert (message.photo[-1].file_id, message.photo[-1].width) == (picture, 64)
    item = {"type": "photo", "media": picture}
    group = await caller.call("sendMediaGroup", media=[item, {**item, "caption": "二"}], **target)
    assert len({Message.de_json(sent, READER).media_group_id for sent in group}) == 1
    other = await caller.send_picture(a_picture())
    edited = await caller.call(
        "editMessageMedia",
        media={"type": "photo", "media": other["photo"][-1]["file_id"]},
        message_id=message.message_id,
        **target,
    )
    assert Message.de_json(edited, READER).photo[-1].file_id != picture
    found = File.de_json(await caller.call("getFile", file_id=picture), READER)
    assert found.file_size == len(a_picture())


async def test_messages_are_copied_and_forwarded_unless_they_are_protected(caller: Caller) -> None:
    sent = await caller.say("原文")
    target = {"chat_id": caller.chen.id, "from_chat_id": caller.chen.id}
    copy = await caller.call("copyMessage", message_id=sent["message_id"], **target)
    assert caller.chen.last.id == copy["message_id"]
    forwarded = await caller.call("forwardMessage", message_id=sent["message_id"], **target)
    assert Message.de_json(forwarded, READER).forward_origin is not None
    closed = await caller.say("不可转发", protect_content=True)
    assert "can't be forwarded" in await caller.refused(
        "forwardMessage", message_id=closed["message_id"], **target
    )


async def test_bots_chats_and_members_can_be_asked_about(caller: Caller) -> None:
    assert User.de_json(await caller.call("getMe"), READER).username == caller.bot.username
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot])
    asked = {"chat_id": group.id}
    assert Chat.de_json(await caller.call("getChat", **asked), READER).title == "志愿者"
    owner = ChatMember.de_json(
        await caller.call("getChatMember", user_id=caller.chen.id, **asked), READER
    )
    assert owner.status == ChatMember.OWNER
    assert await caller.call("getChatMemberCount", **asked) == 2
    (first,) = await caller.call("getChatAdministrators", **asked)
    assert ChatMember.de_json(first, READER).user.id == caller.chen.id
    info = WebhookInfo.de_json(await caller.call("getWebhookInfo"), READER)
    assert (info.url, info.pending_update_count) == ("", 2)  # the start, and the group joined


async def test_every_kind_of_update_can_be_read(caller: Caller) -> None:
    await caller.say(reply_markup=buttons([("好", "yes")]))
    caller.chen.tap(caller.chen.last, 0, 0)
    await caller.chen.send_photo(a_picture(), "照片")
    await caller.chen.send_document(b"x", "a.txt", "text/plain")
    await caller.chen.send_voice(b"OggS")
    await caller.chen.share_contact()
    live = await caller.chen.share_location(22.5, 113.4, live_period=600)
    await caller.chen.move(live, 22.6, 113.4)
    await caller.chen.block()
    group = caller.telegram.add_group("志愿者", [caller.chen], [caller.bot])
    await caller.chen.in_chat(group).say("/start")
    updates = [Update.de_json(raw, READER) for raw in await caller.call("getUpdates")]
    kinds = [
        "edited_message" if update.edited_message
        else "callback_query" if update.callback_query
        else "my_chat_member" if update.my_chat_member
        else "message"
        for update in updates
    ]  # fmt: skip
    assert kinds == [
        "message", "callback_query", *["message"] * 5, "edited_message", "my_chat_member",
        "my_chat_member", "message",
    ]  # fmt: skip
    assert all(update.effective_user == updates[0].effective_user for update in updates)

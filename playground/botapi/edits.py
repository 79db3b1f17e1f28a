"""Methods that change, remove or answer what is already in a chat."""

from dataclasses import replace
from typing import Any

from playground import objects
from playground.botapi.messages import CAPTION, checked_caption, checked_text, read_media
from playground.botapi.registry import Api, method
from playground.errors import ApiError, bad_request
from playground.keyboards import read_markup
from playground.model import CallbackAnswer, InlineKeyboard, Message

LONGEST_ANSWER = 200
UNCHANGED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
TARGET = {
    "chat_id": "chat?",
    "message_id": "int?",
    "inline_message_id": "str?",
    "business_connection_id": "str?",
    "reply_markup": "json?",
}


def _target(api: Api, given: dict[str, Any]) -> Message:
    """The bot's own message that is to be edited. Raises ApiError."""
    if "chat_id" not in given or "message_id" not in given:
        raise ApiError(501, "Not Implemented: inline messages")
    chat = api.world.writable(api.bot, given["chat_id"])
    message = chat.messages.get(given["message_id"])
    if message is None or message.deleted:
        raise bad_request("message to edit not found")
    if message.sender is not api.bot:
        raise bad_request("message can't be edited")
    return message


def _keyboard(given: dict[str, Any]) -> InlineKeyboard | None:
    markup = read_markup(given.get("reply_markup"))
    if markup is not None and not isinstance(markup, InlineKeyboard):
        raise bad_request("inline keyboard expected")
    return markup


def _edited(api: Api, message: Message, given: dict[str, Any], **content: Any) -> Any:
    """Applies what is new. Raises ApiError if nothing is."""
    keyboard = _keyboard(given)
    same = all(getattr(message, name) == value for name, value in content.items())
    if same and message.markup == keyboard:
        raise bad_request(UNCHANGED)
    api.world.edit(message, markup=keyboard, **content)
    message.chat.sent_log.append(("edit", api.world.clock(), message.id))
    return objects.message(message)


@method(
    "editMessageText",
    text="str",
    parse_mode="str?",
    entities="array of objects?",
    link_preview_options="object?",
    **TARGET,
)
async def edit_text(
    api: Api,
    text: str = "",
    parse_mode: str | None = None,
    entities: Any = None,
    **given: Any,
) -> Any:
    message = _target(api, given)
    plain, found = checked_text(text, parse_mode, entities)
    if not message.text:
        raise bad_request("there is no text in the message to edit")
    return _edited(api, message, given, text=plain, entities=found)


@method("editMessageCaption", **CAPTION, **TARGET)
async def edit_caption(api: Api, **given: Any) -> Any:
    message = _target(api, given)
    if message.media is None:
        raise bad_request("there is no caption in the message to edit")
    caption, found = checked_caption(
        given.get("caption"), given.get("parse_mode"), given.get("caption_entities")
    )
    return _edited(api, message, given, caption=caption, caption_entities=found)


@method("editMessageMedia", media="object", **TARGET)
async def edit_media(api: Api, media: Any, **given: Any) -> Any:
    message = _target(api, given)
    nothing = {"photo": None, "document": None, "voice": None, "text": "", "entities": ()}
    return _edited(api, message, given, **{**nothing, **read_media(api, media)})


@method("editMessageReplyMarkup", **TARGET)
async def edit_markup(api: Api, **given: Any) -> Any:
    message = _target(api, given)
    keyboard = _keyboard(given)
    if message.markup == keyboard:
        raise bad_request(UNCHANGED)
    api.world.set_keyboard(message, keyboard)
    return objects.message(message)


@method("stopMessageLiveLocation", **TARGET)
async def stop_live_location(api: Api, **given: Any) -> Any:
    message = _target(api, given)
    if message.location is None or message.location.live_period is None:
        raise bad_request("message can't be edited")
    return _edited(api, message, given, location=replace(message.location, live_period=None))


@method("deleteMessage", chat_id="chat", message_id="int")
async def delete_message(api: Api, chat_id: int | str, message_id: int) -> bool:
    chat = api.world.chat_for(api.bot, chat_id)
    message = chat.messages.get(message_id)
    if message is None or message.deleted:
        raise bad_request("message to delete not found")
    api.world.delete(message)
    return True


@method("deleteMessages", chat_id="chat", message_ids="array")
async def delete_messages(api: Api, chat_id: int | str, message_ids: list[int]) -> bool:
    chat = api.world.chat_for(api.bot, chat_id)
    for key in message_ids:
        message = chat.messages.get(int(key))
        if message is not None and not message.deleted:
            api.world.delete(message)
    return True


@method(
    "answerCallbackQuery",
    callback_query_id="str",
    text="str?",
    show_alert="bool?",
    url="str?",
    cache_time="int?",
)
async def answer_callback_query(  # noqa: PLR0917 - the method's own parameters
    api: Api,
    callback_query_id: str,
    text: str = "",
    show_alert: bool = False,
    url: str | None = None,
    cache_time: int = 0,
) -> bool:
    if len(text) > LONGEST_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    answer = CallbackAnswer(text, show_alert, url)
    api.world.answer(api.bot, callback_query_id, answer)
    return True


@method("pinChatMessage", chat_id="chat", message_id="int", disable_notification="bool?",
        business_connection_id="str?")  # fmt: skip
async def pin(api: Api, chat_id: int | str, message_id: int, **_: Any) -> bool:
    chat = api.world.writable(api.bot, chat_id)
    message = chat.messages.get(message_id)
    if message is None or message.deleted:
        raise bad_request("message to pin not found")
    api.world.pin(message, True)
    return True


@method("unpinChatMessage", chat_id="chat", message_id="int?", business_connection_id="str?")
async def unpin(api: Api, chat_id: int | str, message_id: int | None = None, **_: Any) -> bool:
    chat = api.world.writable(api.bot, chat_id)
    pinned = [m for m in chat.messages.values() if m.pinned]
    wanted = [m for m in pinned if m.id == message_id] if message_id else pinned[-1:]
    if not wanted:
        raise bad_request("message to unpin not found")
    api.world.pin(wanted[0], False)
    return True


@method("unpinAllChatMessages", chat_id="chat")
async def unpin_all(api: Api, chat_id: int | str) -> bool:
    chat = api.world.writable(api.bot, chat_id)
    for message in list(chat.messages.values()):
        if message.pinned:
            api.world.pin(message, False)
    return True

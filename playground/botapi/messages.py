"""Methods that put something new into a chat."""

from dataclasses import replace
from typing import Any

from playground import objects
from playground.botapi.registry import Api, method
from playground.errors import ApiError, bad_request
from playground.keyboards import read_markup
from playground.model import (
    Chat,
    Contact,
    Entity,
    InlineKeyboard,
    Location,
    Message,
    StoredFile,
    Venue,
)
from playground.richtext import parse, trimmed, units, with_found

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LARGEST_PHOTO = 10 * 1024 * 1024
LARGEST_DOCUMENT = 50 * 1024 * 1024

COMMON = {
    "chat_id": "chat",
    "business_connection_id": "str?",
    "message_thread_id": "int?",
    "disable_notification": "bool?",
    "protect_content": "bool?",
    "allow_paid_broadcast": "bool?",
    "message_effect_id": "str?",
    "reply_parameters": "object?",
    "reply_markup": "json?",
}
CAPTION = {
    "caption": "str?",
    "parse_mode": "str?",
    "caption_entities": "array of objects?",
    "show_caption_above_media": "bool?",
}


def formatted(
    text: str, parse_mode: str | None, entities: Any = None
) -> tuple[str, tuple[Entity, ...]]:
    """Text with entities by the parse mode. Raises ApiError."""
    if parse_mode is None:
        plain, found = trimmed(text, [_entity(given) for given in entities or []])
    elif parse_mode.lower() == "html":
        plain, found = parse(text)
    else:
        raise ApiError(501, f"Not Implemented: parse_mode {parse_mode}; HTML is")
    return plain, with_found(plain, found)


def _entity(given: dict[str, Any]) -> Entity:
    for name in ("type", "offset", "length"):
        if name not in given:
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
    return Entity(given["type"], given["offset"], given["length"], given.get("url"))


def checked_text(text: str, parse_mode: str | None, entities: Any) -> tuple[str, Any]:
    plain, found = formatted(text, parse_mode, entities)
    if not plain:
        raise bad_request("message text is empty")
    if units(plain) > LONGEST_TEXT:
        raise bad_request("message is too long")
    return plain, found


def checked_caption(text: str | None, parse_mode: str | None, entities: Any) -> tuple[str, Any]:
    if text is None:
        return "", ()
    plain, found = formatted(text, parse_mode, entities)
    if units(plain) > LONGEST_CAPTION:
        raise bad_request("message caption is too long")
    return plain, found


def deliver(api: Api, chat_id: int | str, given: dict[str, Any], **content: Any) -> Any:
    """Checks what all sending methods share and posts the message."""
    chat = api.world.writable(api.bot, chat_id)
    keyboard = read_markup(given.get("reply_markup"))
    if chat.kind == "channel" and keyboard is not None and not isinstance(keyboard, InlineKeyboard):
        raise bad_request("reply keyboards are not allowed in channels")
    api.limits.check(chat.id)
    message = api.world.post(
        chat,
        api.bot,
        markup=keyboard,
        silent=given.get("disable_notification", False),
        protected=given.get("protect_content", False),
        reply_to=_replied(chat, given.get("reply_parameters")),
        **content,
    )
    chat.sent_log.append(("send", message.date, message.id))
    return objects.message(message)


def _replied(chat: Chat, parameters: Any) -> int | None:
    if not parameters:
        return None
    wanted = int(parameters.get("message_id", 0))
    answered = chat.messages.get(wanted)
    if answered is None or answered.deleted:
        if parameters.get("allow_sending_without_reply"):
            return None
        raise bad_request("message to be replied not found")
    return wanted


def take_file(api: Api, field: str, value: str, kind: Any) -> StoredFile:
    """A file by id, or uploaded: in its own part, or `attach://` another one."""
    upload = api.uploads.get(value[9:] if value.startswith("attach://") else field)
    if upload is None:
        stored = api.world.files.get(value)
        if stored is None or api.bot.id not in stored.known_to:
            raise bad_request("wrong file identifier/HTTP URL specified")
        if stored.kind != kind:
            raise bad_request(f"type of file mismatch: can't use it as {kind}")
        return stored
    if not upload.content:
        raise bad_request("file must be non-empty")
    if len(upload.content) > (LARGEST_PHOTO if kind == "photo" else LARGEST_DOCUMENT):
        raise ApiError(413, "Request Entity Too Large")
    return api.world.store(kind, upload.content, upload.name, upload.mime)


@method(
    "sendMessage",
    text="str",
    parse_mode="str?",
    entities="array of objects?",
    link_preview_options="object?",
    **COMMON,
)
async def send_message(
    api: Api,
    chat_id: int | str,
    text: str = "",
    parse_mode: str | None = None,
    entities: Any = None,
    **given: Any,
) -> Any:
    plain, found = checked_text(text, parse_mode, entities)
    return deliver(api, chat_id, given, text=plain, entities=found)


async def _send_file(api: Api, kind: str, chat_id: int | str, given: dict[str, Any]) -> Any:
    api.world.writable(api.bot, chat_id)
    stored = take_file(api, kind, given[kind], kind)
    caption, found = checked_caption(
        given.get("caption"), given.get("parse_mode"), given.get("caption_entities")
    )
    content: dict[str, Any] = {kind: stored, "caption": caption, "caption_entities": found}
    return deliver(api, chat_id, given, **content)


@method("sendPhoto", photo="file", has_spoiler="bool?", **CAPTION, **COMMON)
async def send_photo(api: Api, chat_id: int | str, **given: Any) -> Any:
    return await _send_file(api, "photo", chat_id, given)


@method(
    "sendDocument",
    document="file",
    thumbnail="file?",
    disable_content_type_detection="bool?",
    **CAPTION,
    **COMMON,
)
async def send_document(api: Api, chat_id: int | str, **given: Any) -> Any:
    return await _send_file(api, "document", chat_id, given)


@method("sendVoice", voice="file", duration="int?", **CAPTION, **COMMON)
async def send_voice(api: Api, chat_id: int | str, **given: Any) -> Any:
    return await _send_file(api, "voice", chat_id, given)


PLACE = {"latitude": "float", "longitude": "float"}


def checked_place(latitude: float, longitude: float, live_period: int | None = None) -> Location:
    if not -90 <= latitude <= 90 or not -180 <= longitude <= 180:
        raise bad_request("invalid location specified")
    return Location(latitude, longitude, live_period)


@method(
    "sendLocation",
    horizontal_accuracy="float?",
    live_period="int?",
    heading="int?",
    proximity_alert_radius="int?",
    **PLACE,
    **COMMON,
)
async def send_location(
    api: Api,
    chat_id: int | str,
    latitude: float,
    longitude: float,
    live_period: int | None = None,
    **given: Any,
) -> Any:
    return deliver(api, chat_id, given, location=checked_place(latitude, longitude, live_period))


@method(
    "sendVenue",
    title="str",
    address="str",
    foursquare_id="str?",
    foursquare_type="str?",
    google_place_id="str?",
    google_place_type="str?",
    **PLACE,
    **COMMON,
)
async def send_venue(  # noqa: PLR0917 - the method's own parameters
    api: Api,
    chat_id: int | str,
    latitude: float,
    longitude: float,
    title: str = "",
    address: str = "",
    **given: Any,
) -> Any:
    if not title or not address:
        raise bad_request("venue title and address must be non-empty")
    venue = Venue(checked_place(latitude, longitude), title, address)
    return deliver(api, chat_id, given, venue=venue)


@method(
    "sendContact", phone_number="str", first_name="str", last_name="str?", vcard="str?", **COMMON
)
async def send_contact(
    api: Api,
    chat_id: int | str,
    phone_number: str,
    first_name: str,
    last_name: str = "",
    **given: Any,
) -> Any:
    return deliver(api, chat_id, given, contact=Contact(phone_number, first_name, last_name))


@method(
    "sendMediaGroup",
    media="array of objects",
    **{name: kind for name, kind in COMMON.items() if name != "reply_markup"},
)
async def send_media_group(api: Api, chat_id: int | str, media: Any, **given: Any) -> Any:
    if not 2 <= len(media) <= 10:
        raise bad_request("there must be 2-10 items in the media group")
    api.world.writable(api.bot, chat_id)
    contents = [read_media(api, item) for item in media]  # all are checked before one is sent
    stored = contents[0].get("photo") or contents[0]["document"]
    group = f"group{stored.unique_id}"
    return [deliver(api, chat_id, given, media_group_id=group, **content) for content in contents]


def read_media(api: Api, item: dict[str, Any]) -> dict[str, Any]:
    """An InputMedia as the content of a message. Raises ApiError."""
    kind = item.get("type")
    if kind not in ("photo", "document"):
        raise ApiError(501, f"Not Implemented: media of type {kind}")
    if not isinstance(item.get("media"), str):
        raise bad_request("media not found")
    stored = take_file(api, kind, item["media"], kind)
    caption, found = checked_caption(item.get("caption"), item.get("parse_mode"), None)
    return {kind: stored, "caption": caption, "caption_entities": found}


def known_message(api: Api, chat_id: int | str, message_id: int) -> Message:
    chat = api.world.chat_for(api.bot, chat_id)
    message = chat.messages.get(message_id)
    if message is None or message.deleted:
        raise bad_request("message to copy not found")
    return message


CONTENT = (
    "text", "entities", "caption", "caption_entities", "photo", "document", "voice", "venue",
    "location", "contact",
)  # fmt: skip


@method("copyMessage", from_chat_id="chat", message_id="int", video_start_timestamp="int?",
        **CAPTION, **COMMON)  # fmt: skip
async def copy_message(
    api: Api,
    chat_id: int | str,
    from_chat_id: int | str,
    message_id: int,
    **given: Any,
) -> Any:
    source = known_message(api, from_chat_id, message_id)
    content = {name: getattr(source, name) for name in CONTENT}
    if "caption" in given and source.media is not None:
        caption, found = checked_caption(
            given["caption"], given.get("parse_mode"), given.get("caption_entities")
        )
        content |= {"caption": caption, "caption_entities": found}
    sent = deliver(api, chat_id, given, **content)
    return {"message_id": sent["message_id"]}


@method("forwardMessage", from_chat_id="chat", message_id="int", video_start_timestamp="int?",
        **{name: kind for name, kind in COMMON.items() if name != "reply_markup"})  # fmt: skip
async def forward_message(
    api: Api, chat_id: int | str, from_chat_id: int | str, message_id: int, **given: Any
) -> Any:
    source = known_message(api, from_chat_id, message_id)
    if source.protected:
        raise bad_request("message can't be forwarded")
    content = {name: getattr(source, name) for name in CONTENT}
    if content["location"] is not None:
        content["location"] = replace(content["location"], live_period=None)
    return deliver(api, chat_id, given, forwarded_from=source, **content)


@method("sendChatAction", action="str", **{k: COMMON[k] for k in ("chat_id",
        "business_connection_id", "message_thread_id")})  # fmt: skip
async def send_chat_action(api: Api, chat_id: int | str, action: str, **_: Any) -> bool:
    known = ("typing", "upload_photo", "upload_document", "find_location", "record_voice",
             "upload_voice", "choose_sticker", "record_video", "upload_video")  # fmt: skip
    if action not in known:
        raise bad_request("wrong parameter action in request")
    api.world.act(api.world.writable(api.bot, chat_id), action)
    return True

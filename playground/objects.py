"""The Bot API's objects as JSON: what a bot is told about people, chats and messages."""

from typing import Any

from playground.model import (
    Bot,
    Chat,
    Entity,
    InlineKeyboard,
    Location,
    Member,
    Message,
    Person,
    StoredFile,
)

Json = dict[str, Any]


def user(who: Person | Bot) -> Json:
    if isinstance(who, Bot):
        return {"id": who.id, "is_bot": True, "first_name": who.name, "username": who.username}
    out: Json = {"id": who.id, "is_bot": False, "first_name": who.first_name}
    if who.last_name:
        out["last_name"] = who.last_name
    if who.username:
        out["username"] = who.username
    if who.language_code:
        out["language_code"] = who.language_code
    return out


def chat(it: Chat) -> Json:
    if it.person is not None:
        out: Json = {"id": it.id, "type": "private", "first_name": it.person.first_name}
        if it.person.last_name:
            out["last_name"] = it.person.last_name
        if it.person.username:
            out["username"] = it.person.username
        return out
    out = {"id": it.id, "type": it.kind, "title": it.title}
    if it.username:
        out["username"] = it.username
    return out


def entity(it: Entity) -> Json:
    out: Json = {"type": it.type, "offset": it.offset, "length": it.length}
    for name in ("url", "language", "custom_emoji_id"):
        value = getattr(it, name)
        if value is not None:
            out[name] = value
    if it.user_id is not None:
        out["user"] = {"id": it.user_id, "is_bot": False, "first_name": ""}
    return out


def file(it: StoredFile) -> Json:
    """A photo size, document or voice message."""
    out: Json = {"file_id": it.id, "file_unique_id": it.unique_id, "file_size": it.size}
    if it.kind == "photo":
        return {**out, "width": it.width, "height": it.height}
    out["mime_type"] = it.mime
    return {**out, "duration": it.duration} if it.kind == "voice" else {**out, "file_name": it.name}


def location(it: Location) -> Json:
    return {"latitude": it.latitude, "longitude": it.longitude, **it.raw} | (
        {"live_period": it.live_period} if it.live_period else {}
    )


def markup(it: InlineKeyboard) -> Json:
    return {"inline_keyboard": [[dict(button.raw) for button in row] for row in it.rows]}


def message(it: Message, *, nested: bool = False) -> Json:
    out: Json = {
        "message_id": it.id,
        "date": int(it.date.timestamp()),
        "chat": chat(it.chat),
    }
    if it.sender is not None:
        out["from"] = user(it.sender)
    else:
        out["sender_chat"] = chat(it.chat)
    if it.edit_date is not None:
        out["edit_date"] = int(it.edit_date.timestamp())
    if it.service is not None:
        return {**out, **it.service}
    _content(it, out)
    if it.reply_to is not None and not nested:
        answered = it.chat.messages.get(it.reply_to)
        if answered is not None and not answered.deleted:
            out["reply_to_message"] = message(answered, nested=True)
    if it.forwarded_from is not None:
        origin = it.forwarded_from
        if origin.sender is not None:
            out["forward_origin"] = {
                "type": "user",
                "date": int(origin.date.timestamp()),
                "sender_user": user(origin.sender),
            }
    if it.media_group_id:
        out["media_group_id"] = it.media_group_id
    if it.protected:
        out["has_protected_content"] = True
    if isinstance(it.markup, InlineKeyboard):
        out["reply_markup"] = markup(it.markup)
    return out


def _content(it: Message, out: Json) -> None:
    if it.text:
        out["text"] = it.text
        if it.entities:
            out["entities"] = [entity(e) for e in it.entities]
    if it.caption:
        out["caption"] = it.caption
        if it.caption_entities:
            out["caption_entities"] = [entity(e) for e in it.caption_entities]
    if it.photo is not None:
        out["photo"] = [file(it.photo)]
    if it.document is not None:
        out["document"] = file(it.document)
    if it.voice is not None:
        out["voice"] = file(it.voice)
    if it.venue is not None:
        place = location(it.venue.location)
        out["venue"] = {"location": place, "title": it.venue.title, "address": it.venue.address}
        out["location"] = place
    elif it.location is not None:
        out["location"] = location(it.location)
    if it.contact is not None:
        card: Json = {
            "phone_number": it.contact.phone_number,
            "first_name": it.contact.first_name,
        }
        if it.contact.last_name:
            card["last_name"] = it.contact.last_name
        if it.contact.user_id is not None:
            card["user_id"] = it.contact.user_id
        out["contact"] = card


def member(it: Member) -> Json:
    out: Json = {"status": it.standing, "user": user(it.who)}
    if it.standing == "administrator":
        out |= ADMINISTRATOR_RIGHTS | dict(it.rights)
    elif it.standing == "creator":
        out["is_anonymous"] = False
    elif it.standing == "kicked":
        out["until_date"] = 0
    return out


ADMINISTRATOR_RIGHTS: Json = {
    "can_be_edited": False,
    "is_anonymous": False,
    "can_manage_chat": True,
    "can_delete_messages": True,
    "can_manage_video_chats": True,
    "can_restrict_members": True,
    "can_promote_members": False,
    "can_change_info": True,
    "can_invite_users": True,
    "can_post_stories": False,
    "can_edit_stories": False,
    "can_delete_stories": False,
    "can_post_messages": True,
    "can_edit_messages": True,
    "can_pin_messages": True,
}

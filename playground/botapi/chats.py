"""Methods about chats and their members."""

from typing import Any

from playground import objects
from playground.botapi.registry import Api, method
from playground.errors import bad_request
from playground.model import IN_CHAT, Bot, Member

FULL = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": {
    "unlimited_gifts": False, "limited_gifts": False, "unique_gifts": False,
    "premium_subscription": False, "gifts_from_channels": False,
}}  # fmt: skip


@method("getMe")
async def get_me(api: Api) -> Any:
    return {
        **objects.user(api.bot),
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


@method("getChat", chat_id="chat")
async def get_chat(api: Api, chat_id: int | str) -> Any:
    chat = api.world.chat_for(api.bot, chat_id)
    full = {**objects.chat(chat), **FULL}
    if chat.invite_link:
        full["invite_link"] = chat.invite_link
    return full


@method("getChatMember", chat_id="chat", user_id="int")
async def get_chat_member(api: Api, chat_id: int | str, user_id: int) -> Any:
    chat = api.world.chat_for(api.bot, chat_id)
    member = chat.members.get(user_id)
    if member is not None:
        return objects.member(member)
    person = api.world.people.get(user_id)
    if person is None:
        raise bad_request("user not found")
    standing: Any = "member" if chat.person is person else "left"
    return objects.member(Member(person, standing))


@method("getChatAdministrators", chat_id="chat")
async def get_chat_administrators(api: Api, chat_id: int | str) -> Any:
    chat = api.world.chat_for(api.bot, chat_id)
    if chat.person is not None:
        raise bad_request("there are no administrators in the private chat")
    return [
        objects.member(member)
        for member in chat.members.values()
        if member.standing in ("creator", "administrator") and not isinstance(member.who, Bot)
    ]


@method("getChatMemberCount", chat_id="chat")
async def get_chat_member_count(api: Api, chat_id: int | str) -> int:
    chat = api.world.chat_for(api.bot, chat_id)
    if chat.person is not None:
        return 2
    return sum(member.standing in IN_CHAT for member in chat.members.values())


@method("leaveChat", chat_id="chat")
async def leave_chat(api: Api, chat_id: int | str) -> bool:
    chat = api.world.chat_for(api.bot, chat_id)
    if chat.person is not None:
        raise bad_request("chat member status can't be changed in private chats")
    api.world.join(chat, api.bot, "left", None)
    return True


@method("exportChatInviteLink", chat_id="chat")
async def export_chat_invite_link(api: Api, chat_id: int | str) -> str:
    chat = api.world.writable(api.bot, chat_id)
    chat.invite_link = f"https://t.me/+group{abs(chat.id)}"
    return chat.invite_link

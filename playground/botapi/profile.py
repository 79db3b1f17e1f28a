"""Methods by which a bot presents itself: commands, name, description, menu button."""

import re
from typing import Any

from playground.botapi.registry import Api, method
from playground.errors import bad_request

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
MOST_COMMANDS = 100
LONGEST_DESCRIPTION = 256
SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}
SCOPE = {"scope": "object?", "language_code": "str?"}


def _scope(raw: Any) -> str:
    """A scope as one key: "chat:5"."""
    raw = raw or {"type": "default"}
    kind = raw.get("type")
    if kind not in SCOPES:
        raise bad_request("can't parse BotCommandScope: unknown type")
    missing = [name for name in SCOPES[kind] if name not in raw]
    if missing:
        raise bad_request(f"can't parse BotCommandScope: Can't find field \"{missing[0]}\"")
    return ":".join([kind, *(str(raw[name]) for name in SCOPES[kind])])


def _language(code: str | None) -> str:
    if code and not re.fullmatch("[a-z]{2}", code):
        raise bad_request("invalid language code specified")
    return code or ""


@method("setMyCommands", commands="array of objects", **SCOPE)
async def set_my_commands(
    api: Api, commands: Any, scope: Any = None, language_code: str | None = None
) -> bool:
    if len(commands) > MOST_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    read: list[tuple[str, str]] = []
    for entry in commands:
        name, description = str(entry.get("command", "")), str(entry.get("description", ""))
        if not COMMAND.fullmatch(name):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(description) <= LONGEST_DESCRIPTION:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        read.append((name, description))
    api.bot.commands[_scope(scope), _language(language_code)] = read
    api.world.commands_changed(api.bot)
    return True


@method("getMyCommands", **SCOPE)
async def get_my_commands(api: Api, scope: Any = None, language_code: str | None = None) -> Any:
    found = api.bot.commands.get((_scope(scope), _language(language_code)), [])
    return [{"command": name, "description": description} for name, description in found]


@method("deleteMyCommands", **SCOPE)
async def delete_my_commands(api: Api, scope: Any = None, language_code: str | None = None) -> bool:
    api.bot.commands.pop((_scope(scope), _language(language_code)), None)
    api.world.commands_changed(api.bot)
    return True


@method("setMyName", name="str?", language_code="str?")
async def set_my_name(api: Api, name: str = "", language_code: str = "") -> bool:
    api.bot.names[language_code] = name
    return True


@method("getMyName", language_code="str?")
async def get_my_name(api: Api, language_code: str = "") -> Any:
    return {"name": api.bot.names.get(language_code) or api.bot.name}


@method("setMyDescription", description="str?", language_code="str?")
async def set_my_description(api: Api, description: str = "", language_code: str = "") -> bool:
    api.bot.descriptions[language_code] = description
    return True


@method("getMyDescription", language_code="str?")
async def get_my_description(api: Api, language_code: str = "") -> Any:
    return {"description": api.bot.descriptions.get(language_code, "")}


@method("setMyShortDescription", short_description="str?", language_code="str?")
async def set_my_short_description(
    api: Api, short_description: str = "", language_code: str = ""
) -> bool:
    api.bot.short_descriptions[language_code] = short_description
    return True


@method("getMyShortDescription", language_code="str?")
async def get_my_short_description(api: Api, language_code: str = "") -> Any:
    return {"short_description": api.bot.short_descriptions.get(language_code, "")}


@method("setChatMenuButton", chat_id="int?", menu_button="object?")
async def set_chat_menu_button(
    api: Api, chat_id: int | None = None, menu_button: Any = None
) -> bool:
    api.bot.menu_buttons[chat_id] = menu_button or {"type": "default"}
    return True


@method("getChatMenuButton", chat_id="int?")
async def get_chat_menu_button(api: Api, chat_id: int | None = None) -> Any:
    found = api.bot.menu_buttons.get(chat_id) or api.bot.menu_buttons.get(None)
    return found or {"type": "commands"}

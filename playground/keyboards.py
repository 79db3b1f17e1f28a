"""Keyboards as bots send them: checked as Telegram checks them, then kept as plain data."""

import json
from typing import Any
from urllib.parse import urlsplit

from playground.errors import bad_request
from playground.model import (
    Button,
    ForceReply,
    InlineKeyboard,
    Markup,
    RemoveKeyboard,
    ReplyKeyboard,
    Rows,
)

MOST_BUTTONS = 100
LONGEST_DATA = 64
INLINE_ACTIONS = (
    "callback_data", "url", "web_app", "copy_text", "login_url", "switch_inline_query",
    "switch_inline_query_current_chat", "pay", "callback_game",
)  # fmt: skip
REPLY_REQUESTS = {
    "request_contact": "contact",
    "request_location": "location",
    "request_poll": "poll",
    "request_users": "users",
    "request_chat": "chat",
    "web_app": "web_app",
}


def read_markup(raw: Any) -> Markup | None:
    """A `reply_markup` parameter. Raises ApiError."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            raise bad_request("can't parse reply keyboard markup JSON object") from None
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in raw:
        rows = _rows(raw["inline_keyboard"], _inline_button)
        return InlineKeyboard(rows) if rows else None
    if "keyboard" in raw:
        rows = _rows(raw["keyboard"], _reply_button)
        if not rows:
            raise bad_request("reply markup is empty")
        return ReplyKeyboard(
            rows, bool(raw.get("one_time_keyboard")), raw.get("input_field_placeholder")
        )
    if raw.get("remove_keyboard"):
        return RemoveKeyboard()
    if raw.get("force_reply"):
        return ForceReply(raw.get("input_field_placeholder"))
    if not raw:
        return None
    raise bad_request("can't parse reply markup: unknown type")


def _rows(raw: Any, read: Any) -> Rows:
    if not isinstance(raw, list) or not all(isinstance(row, list) for row in raw):
        raise bad_request("can't parse keyboard: Array of Arrays expected")
    rows = tuple(tuple(read(button) for button in row) for row in raw if row)
    if sum(len(row) for row in rows) > MOST_BUTTONS:
        raise bad_request("reply markup is too long")
    return rows


def _inline_button(raw: Any) -> Button:
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str) or not raw["text"].strip():
        raise bad_request('can\'t parse inline keyboard button: Field "text" must be non-empty')
    actions = [name for name in INLINE_ACTIONS if name in raw]
    if not actions:
        raise bad_request(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if actions[0] == "callback_data":
        size = len(str(raw["callback_data"]).encode())
        if not 1 <= size <= LONGEST_DATA:
            raise bad_request("BUTTON_DATA_INVALID")
        return Button(raw["text"], "callback", data=str(raw["callback_data"]), raw=raw)
    if actions[0] == "url":
        return Button(raw["text"], "url", url=_checked_url(str(raw["url"])), raw=raw)
    return Button(raw["text"], actions[0], raw=raw)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1")
    if parts.scheme not in ("http", "https", "tg") or not parts.netloc:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    if parts.scheme != "tg" and not local and "." not in parts.netloc:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    return url


def _reply_button(raw: Any) -> Button:
    if isinstance(raw, str):
        raw = {"text": raw}
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str) or not raw["text"].strip():
        raise bad_request('can\'t parse keyboard button: Field "text" must be non-empty')
    for name, kind in REPLY_REQUESTS.items():
        if raw.get(name):
            return Button(raw["text"], kind, raw=raw)
    return Button(raw["text"], "text", raw=raw)

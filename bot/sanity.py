"""What an update must be to be looked at at all, and what of its words no database can hold.

Telegram sends nothing else. Whatever does not fit is dropped before it is stored: stored, it would
fail again at each start.
"""

from typing import Any

LARGEST = 2**63 - 1
DEEPEST = 40
"""Levels of nesting; Telegram's own have about ten."""
BODIES = ("message", "edited_message", "my_chat_member")
WORDS = frozenset(
    {"text", "data", "caption", "first_name", "last_name", "username", "language_code", "title",
     "type", "status", "phone_number", "file_id", "file_unique_id", "address", "url"}
)  # fmt: skip
"""What is a text wherever it stands."""
NUMBERS = {
    "message_id": (0, 2**31 - 1), "date": (0, 2**32), "edit_date": (0, 2**32),
    "user_id": (-LARGEST, LARGEST), "offset": (0, 2**16), "length": (0, 2**16),
    "duration": (0, 2**31), "width": (0, 2**31), "height": (0, 2**31),
    "latitude": (-90, 90), "longitude": (-180, 180),
}  # fmt: skip
"""What is a number wherever it stands, from where to where."""

RawUpdate = dict[str, Any]
"""An update as Telegram wrote it."""


def tidied(raw: object) -> RawUpdate | None:
    """The update without characters that can't be kept; None if it is none that can be read."""
    if not isinstance(raw, dict) or not _is_shallow(raw, DEEPEST):
        return None
    tidy: RawUpdate = _cleaned(raw)
    return tidy if _is_sane(tidy) else None


def _is_shallow(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inside)


def _cleaned(value: Any) -> Any:
    """Without the character 0, which PostgreSQL refuses, and halves of characters."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _cleaned(one) for name, one in value.items()}
    return value


def _is_sane(raw: RawUpdate) -> bool:
    """Whether those parts are what they should be on which it rests who sent what where."""
    if not _is_number(raw.get("update_id"), 0, LARGEST):
        return False
    query = raw.get("callback_query")
    said = [raw[kind] for kind in BODIES if kind in raw]
    return (
        (bool(said) or query is not None)  # nothing else was asked for
        and set(raw) <= {"update_id", "callback_query", *BODIES}
        and _holds(raw)
        and all(isinstance(body, dict) and _is_owned(body, "chat") for body in said)
        and (query is None or _is_pressed(query))
    )


def _is_pressed(query: object) -> bool:
    if not isinstance(query, dict) or not _is_owned(query, "from"):
        return False
    message = query.get("message")
    under = message is None or (isinstance(message, dict) and _is_owned(message, "chat"))
    return under and isinstance(query.get("id"), str) and query["id"] != ""


def _is_owned(body: dict[str, Any], must: str) -> bool:
    """Whether it says by its keys where it was said, or who pressed."""
    known = {name: body[name] for name in ("chat", "from") if body.get(name) is not None}
    return must in known and all(
        isinstance(one, dict) and _is_number(one.get("id"), -LARGEST, LARGEST)
        for one in known.values()
    )


def _holds(value: object) -> bool:
    """Whether what has a known name is of its kind, wherever it stands."""
    if isinstance(value, list):
        return all(map(_holds, value))
    if not isinstance(value, dict):
        return True
    return all(_fits(name, one) and _holds(one) for name, one in value.items())


def _fits(name: str, value: object) -> bool:
    if value is None:
        return True
    if name in WORDS:
        return isinstance(value, str)
    return name not in NUMBERS or _is_number(value, *NUMBERS[name])


def _is_number(value: object, least: int, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most

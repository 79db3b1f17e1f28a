"""Marks of where a list goes on: opaque, signed, good for the list that gave them."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from models.sealed import keyring
from services.errors import Refusal
from services.registers import After, Portion, Window
from web.api.declaring import Call
from web.api.shapes import Paged

SIGNATURE = 16


def window(call: Call, query: Paged) -> Window:
    """Raises Refusal("api_cursor")."""
    return Window(_read(call.path, query.cursor) if query.cursor else None, query.limit)


def next_of(call: Call, portion: Portion[Any]) -> str | None:
    if portion.after is None:
        return None
    marks = [{"at": key.isoformat()} if isinstance(key, datetime) else key for key in portion.after]
    body = base64.urlsafe_b64encode(json.dumps(marks).encode()).decode().rstrip("=")
    return f"{body}.{_sign(call.path, body)}"


def _read(path: str, cursor: str) -> After:
    body, _, signature = cursor.partition(".")
    if not keyring().has_signed(f"cursor:{path}:{body}", SIGNATURE, signature):
        raise Refusal("api_cursor")
    try:
        marks = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):
        raise Refusal("api_cursor") from None
    return tuple(
        datetime.fromisoformat(mark["at"]) if isinstance(mark, dict) else mark for mark in marks
    )


def _sign(path: str, body: str) -> str:
    return keyring().sign(f"cursor:{path}:{body}", SIGNATURE)

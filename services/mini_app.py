"""What Telegram vouches for when the console opens inside of it: `initData`, and how to check it.

Source: core.telegram.org/bots/webapps, "Validating data received via the Mini App". Pure.
"""

import hashlib
import hmac
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from services.errors import Gone

LONGEST = 4096
AGE = timedelta(minutes=5)
"""What was signed longer ago does not count."""
AHEAD = timedelta(minutes=1)
"""So far may Telegram's clock be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """A Telegram user, and the signature that said so."""

    telegram_id: int
    signature: str


def key_of(token: str) -> bytes:
    """The key that signs for the bot with this token."""
    return hmac.new(b"WebAppData", token.encode(), hashlib.sha256).digest()


def check(init_data: str, keys: Collection[bytes], now: datetime) -> Vouched:
    """`keys` are those of all the bots. Raises Gone for what none signed, or too long ago."""
    if len(init_data) > LONGEST:
        raise Gone
    pairs = parse_qsl(init_data, keep_blank_values=True)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Gone
    said = fields.pop("hash", "")
    signed = (signature(fields, key).encode() for key in keys)
    if not any(hmac.compare_digest(said.encode(), one) for one in signed):
        raise Gone
    try:
        signed_at = datetime.fromtimestamp(int(fields["auth_date"]), UTC)
        telegram_id = int(json.loads(fields["user"])["id"])
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise Gone from None
    if not now - AGE <= signed_at <= now + AHEAD:
        raise Gone
    return Vouched(telegram_id, said)


def signature(fields: dict[str, str], key: bytes) -> str:
    """The hash of all fields but `hash` itself: each as name=value, by name, one a line."""
    lines = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()

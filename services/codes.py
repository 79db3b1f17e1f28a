"""Codes on site: what a check-in code says, how long it is good for, and who may show it. Pure.

A rotating code is good while it is shown and for as long again, so a photo of it is soon useless. A
printed one never changes; it counts only together with a location on site.
"""

from datetime import UTC, datetime, timedelta

from models import Means
from models.sealed import keyring

SIGNATURE = 12
SCREEN_SIGNATURE = 20
TICKET_LASTS = timedelta(minutes=10)
"""How long the question whether to check out may be answered."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def rotating(shift_id: int, now: datetime, seconds: int) -> str:
    """The deep-link payload that checks in (or out) at this moment: `i-<shift>-<slot>-<sign>`."""
    slot = _base36(_slot(now, seconds))
    return f"i-{shift_id}-{slot}-{_sign('in', shift_id, slot)}"


def is_rotating(shift_id: int, slot: str, signature: str, *, now: datetime, seconds: int) -> bool:
    """Whether a scanned code was made here and is still good."""
    if not _matches(signature, "in", shift_id, slot):
        return False
    return 0 <= _slot(now, seconds) - int(slot, 36) <= 1


def rally(callout_id: int, now: datetime, seconds: int) -> str:
    """The payload of the code at the rally point, at this moment: `r-<key>-<slot>-<sign>`."""
    slot = _base36(_slot(now, seconds))
    return f"r-{callout_id}-{slot}-{_sign('rally', callout_id, slot)}"


def is_rally(callout_id: int, slot: str, signature: str, *, now: datetime, seconds: int) -> bool:
    """Whether a scanned code of a rally point was made here and is still good."""
    if not _matches(signature, "rally", callout_id, slot):
        return False
    return 0 <= _slot(now, seconds) - int(slot, 36) <= 1


def next_change(now: datetime, seconds: int) -> float:
    """Seconds until the code changes."""
    return seconds - now.timestamp() % seconds


def printed(shift_id: int) -> str:
    """The payload of the printable code: `p-<shift>-<sign>`."""
    return f"p-{shift_id}-{_sign('print', shift_id)}"


def is_printed(shift_id: int, signature: str) -> bool:
    return _matches(signature, "print", shift_id)


def screen_key(shift_id: int) -> str:
    """Opens the page for a screen on site to whoever was given its address."""
    return _sign("screen", shift_id, length=SCREEN_SIGNATURE)


def is_screen_key(shift_id: int, key: str) -> bool:
    return _matches(key, "screen", shift_id, length=SCREEN_SIGNATURE)


def walk_in(shift_id: int, person_id: int) -> str:
    """Goes with the button that adds somebody to a roll: whoever has it was shown this person."""
    return _sign("walk-in", shift_id, person_id)


def is_walk_in(shift_id: int, person_id: int, key: str) -> bool:
    return _matches(key, "walk-in", shift_id, person_id)


def found(team_id: int, person_id: int) -> str:
    """Goes with the button that invites somebody to a team: its leader was shown this person."""
    return _sign("team", team_id, person_id)


def is_found(team_id: int, person_id: int, key: str) -> bool:
    return _matches(key, "team", team_id, person_id)


def ticket(attendance_id: int, means: Means, at: datetime) -> str:
    """`<unix time>:<means>:<sign>`: somebody was seen on site and is asked whether they leave."""
    moment = _base36(int(at.timestamp()))
    return f"{moment}:{means.value}:{_sign('out', attendance_id, moment, means.value)}"


def ticket_moment(
    attendance_id: int, moment: str, means: str, signature: str, now: datetime
) -> datetime | None:
    """When the ticket was made; None if it was not made here or is too old."""
    if not _matches(signature, "out", attendance_id, moment, means):
        return None
    at = datetime.fromtimestamp(int(moment, 36), UTC)
    return at if now - at <= TICKET_LASTS else None


def _slot(now: datetime, seconds: int) -> int:
    return int(now.timestamp()) // seconds


def _sign(*parts: object, length: int = SIGNATURE) -> str:
    return keyring().sign(":".join(map(str, parts)), length)


def _matches(given: str, *parts: object, length: int = SIGNATURE) -> bool:
    return keyring().has_signed(":".join(map(str, parts)), length, given)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits or "0"

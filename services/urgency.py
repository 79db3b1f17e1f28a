"""How soon other channels follow a message of an emergency: by its level and by whom it is for.

Pure. The minutes are the settings' (`channels.escalate_minutes`); here is what follows where an
operator gives no more than one number.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class Level(StrEnum):
    SAFETY = "safety"
    """SOS, and people on scene who do not answer a roll call: real in a drill as well."""
    CRITICAL = "critical"
    """Lives are at stake."""
    USUAL = "usual"
    DRILL = "drill"


class Part(StrEnum):
    """What somebody has to do with it."""

    SPECIALIST = "specialist"
    """Needed for a skill or a document: there are few of them."""
    COMMANDER = "commander"
    """Must decide something: second commanders, deputies, those who could lend."""
    EVERYONE = "everyone"


def of(level: Level, part: Part) -> str:
    """As a message carries it."""
    return f"{level}.{part}"


NEVER = "never"
"""Nice to know, or asked again in a moment: no other channel follows."""
USUAL = of(Level.USUAL, Part.EVERYONE)
"""What an emergency is that says nothing of it."""
DRILLS = tuple(of(Level.DRILL, part) for part in Part)

Minutes = Mapping[Level, Mapping[Part, float]]
"""Without a sign of life, after which a channel is used as well; what is absent never is."""

SHARES: Mapping[Level, float] = {Level.CRITICAL: 0.5, Level.SAFETY: 0.25}
"""Of the usual minutes. A drill costs no text message unless it is set."""
FIRST_SHARE = 0.5
"""Specialists and commanders: of the minutes of everyone."""
AT_LEAST = 1.0
"""Minutes that people get to reach for their phone, unless less is set."""


def filled(given: Minutes) -> dict[str, timedelta]:
    """Every row of the table: what is given, and what follows from the usual minutes."""
    usual = given.get(Level.USUAL, {}).get(Part.EVERYONE)
    rows: dict[str, timedelta] = {}
    for level in Level:
        own = given.get(level, {})
        everyone = own.get(Part.EVERYONE, _follows(level, usual))
        for part in Part:
            minutes = own.get(part, _of_part(level, part, everyone))
            if minutes is not None:
                rows[of(level, part)] = timedelta(minutes=minutes)
    return rows


def _follows(level: Level, usual: float | None) -> float | None:
    if usual is None or level not in SHARES:
        return None
    return _shortened(usual, SHARES[level])


def _of_part(level: Level, part: Part, everyone: float | None) -> float | None:
    if everyone is None or part is Part.EVERYONE or level is Level.SAFETY:
        return everyone
    return _shortened(everyone, FIRST_SHARE)


def _shortened(minutes: float, share: float) -> float:
    return max(minutes * share, min(AT_LEAST, minutes))

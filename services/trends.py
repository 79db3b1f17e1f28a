"""When a goal will be reached if growth goes on as it did: a straight line, and its doubt. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import ceil, sqrt
from statistics import fmean, stdev

LOOKS_BACK = 12
"""Whole months whose growth is taken to go on."""
FEWEST = 6
"""Below so many months nothing is said."""
FARTHEST = 600
"""Months; what takes longer is not worth a date."""
DOUBT = {5: 1.476, 6: 1.440, 7: 1.415, 8: 1.397, 9: 1.383, 10: 1.372, 11: 1.363}
"""Student's t by degrees of freedom, so that the truth lies within in four of five cases."""


class Outlook(StrEnum):
    REACHED = "reached"
    EXPECTED = "expected"
    TOO_EARLY = "too_early"
    """Too few months are known."""
    NOT_GROWING = "not_growing"
    FAR = "far"
    """In more than 50 years."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Months from now at which the goal is reached; `latest` None: perhaps never."""

    outlook: Outlook
    growth: float | None = None
    """A month, on the average."""
    expected: int | None = None
    soonest: int | None = None
    latest: int | None = None


def forecast(now: int, target: int, ends: Sequence[int]) -> Forecast:
    """`ends` are the numbers at the ends of past whole months, the last one last."""
    known = ends[-LOOKS_BACK - 1 :]
    grown = [later - earlier for earlier, later in pairwise(known)]
    growth = fmean(grown) if grown else None
    if now >= target:
        return Forecast(Outlook.REACHED, growth)
    if growth is None or len(grown) < FEWEST:
        return Forecast(Outlook.TOO_EARLY, growth)
    if growth <= 0:
        return Forecast(Outlook.NOT_GROWING, growth)
    doubt = DOUBT[len(grown) - 1] * stdev(grown) / sqrt(len(grown))
    gap = target - now
    expected, soonest = ceil(gap / growth), ceil(gap / (growth + doubt))
    if expected > FARTHEST:
        return Forecast(Outlook.FAR, growth)
    latest = ceil(gap / (growth - doubt)) if growth > doubt else None
    return Forecast(Outlook.EXPECTED, growth, expected, soonest, latest)

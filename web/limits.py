"""How often the same somebody may do something on a page. In memory: a restart forgives."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from aiohttp import web

REMEMBERED = 10_000
"""Of whom it is known when they came last, over all rates."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` times within `seconds`, for each key."""

    name: str
    most: int
    seconds: float = 60.0


class Limits:
    """Counts for every rate; what is refused does not count."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._at: dict[tuple[str, Hashable], deque[float]] = {}

    def exceeded(self, rate: Rate, key: Hashable, now: float) -> bool:
        """Counts this time, unless it is one too many. `now` is in seconds of any clock."""
        times = self._at.pop((rate.name, key), deque())
        while times and times[0] <= now - rate.seconds:
            times.popleft()
        self._at[rate.name, key] = times
        if len(self._at) > self._remembered:
            del self._at[next(iter(self._at))]
        if len(times) >= rate.most:
            return True
        times.append(now)
        return False

    def left(self, rate: Rate, key: Hashable, now: float) -> tuple[int, float]:
        """How often more, and seconds until the earliest time no longer counts."""
        times = self._at.get((rate.name, key), ())
        first = next(iter(times), now)
        return max(rate.most - len(times), 0), max(first + rate.seconds - now, 0.0)


LIMITS = web.AppKey("limits", Limits)

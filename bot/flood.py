"""Whose updates are looked at while too many come: so many of each person, and so many in all.

Pure: every time is a parameter, in seconds on one monotonic clock. Emergencies are never limited by
rate; only a person who leaves a hundred of them unanswered is not a person any more.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

KNOWN = 100_000
"""People whose pace is remembered; who came longest ago is forgiven first."""
URGENT_WAITING = 100
"""Of one person, unanswered at the same time."""
BUSY_SHARE = 4
"""From a quarter of all that may wait on, one update of each person waits at most."""
TOLD_EVERY = 60.0
"""Seconds after which somebody is told again that they are too fast."""
TOLD_A_SECOND, TOLD_AT_ONCE = 2.0, 10
"""Over all: telling them must not take the slots of those who behave."""


class Verdict(Enum):
    PASS = "pass"  # noqa: S105 - no password
    TELL = "tell"
    """Not looked at, but its sender may be told why."""
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Updates: of one person a second, at once, and waiting for an answer; waiting of all."""

    per_second: float
    burst: int
    waiting: int
    waiting_of_all: int


class Bucket:
    """`burst` at once, then so many a second."""

    __slots__ = ("at", "level")

    def __init__(self, burst: float, now: float) -> None:
        self.level, self.at = burst, now

    def take(self, per_second: float, burst: float, now: float) -> bool:
        """Whether there was one left."""
        self.level = min(burst, self.level + max(0.0, now - self.at) * per_second)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Flood:
    """Counts what came and what waits; whoever lets an update pass calls `left` when it is done."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._buckets: OrderedDict[int, Bucket] = OrderedDict()
        self._told: OrderedDict[int, float] = OrderedDict()
        self._telling: Bucket | None = None
        self._waiting: dict[int, int] = {}
        self._urgent: dict[int, int] = {}
        self.waiting = 0
        """Of everybody, ordinary ones."""

    def judge(self, sender: int, now: float, *, urgent: bool) -> Verdict:
        if urgent:
            if self._urgent.get(sender, 0) >= URGENT_WAITING:
                return Verdict.DROP
            self._urgent[sender] = self._urgent.get(sender, 0) + 1
            return Verdict.PASS
        if self._is_in_pace(sender, now) and self._has_room(sender):
            self._waiting[sender] = self._waiting.get(sender, 0) + 1
            self.waiting += 1
            return Verdict.PASS
        return Verdict.TELL if self._may_tell(sender, now) else Verdict.DROP

    def left(self, sender: int, *, urgent: bool) -> None:
        """One that passed has been answered, or given up."""
        counts = self._urgent if urgent else self._waiting
        counts[sender] -= 1
        if not counts[sender]:
            del counts[sender]
        if not urgent:
            self.waiting -= 1

    def _is_in_pace(self, sender: int, now: float) -> bool:
        bounds = self.bounds
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = Bucket(bounds.burst, now)
            if len(self._buckets) > KNOWN:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(sender)
        return bucket.take(bounds.per_second, bounds.burst, now)

    def _has_room(self, sender: int) -> bool:
        """The fuller it is, the fewer of one person: everybody's first comes before a second."""
        bounds = self.bounds
        if self.waiting >= bounds.waiting_of_all:
            return False
        busy = self.waiting >= bounds.waiting_of_all // BUSY_SHARE
        return self._waiting.get(sender, 0) < (1 if busy else bounds.waiting)

    def _may_tell(self, sender: int, now: float) -> bool:
        if now - self._told.get(sender, float("-inf")) < TOLD_EVERY:
            return False
        if self._telling is None:
            self._telling = Bucket(TOLD_AT_ONCE, now)
        if not self._telling.take(TOLD_A_SECOND, TOLD_AT_ONCE, now):
            return False
        self._told[sender] = now
        self._told.move_to_end(sender)
        if len(self._told) > KNOWN:
            self._told.popitem(last=False)
        return True

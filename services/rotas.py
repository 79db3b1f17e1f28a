"""Laying out a rota: who takes which turn, so that it is fair. Pure: knows keys and times only.

Everyone serves equally often, give or take one turn, and nobody twice in a row where there are at
least twice as many people as serve at once. Within that, nights and weekends are shared out evenly.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

EVENING, MORNING = 18, 6
"""Local hours of the start of a turn that counts as a night."""
WEEKEND = 5
"""Saturday, as Python counts weekdays."""
UNFAIR = 2
"""By so many hard turns more than somebody else, one of them changes hands."""
MOST_TRIES = 40_000
"""Exchanges that are looked at, so that a large rota takes no longer than a press may."""
NIGHT, ON_WEEKEND = "night", "weekend"
LONGEST_NIGHT, LONGEST_DAY = timedelta(hours=16), timedelta(days=1)
"""A longer turn is no night turn, or no turn at the weekend, whenever it begins."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Slot") -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def touches(self, other: "Slot") -> bool:
        """Whether one follows the other without a break."""
        return self.ends_at == other.starts_at or other.ends_at == self.starts_at


@dataclass(frozen=True, slots=True)
class Turn:
    person_id: int
    slot: Slot


def slots(starts_at: datetime, minutes: int, until: datetime, zone: ZoneInfo) -> list[Slot]:
    """One after the other from `starts_at`, in UTC; the last one ends at `until` or before.

    Counted on the clock on the wall: a turn that begins at eight does so on either side of a
    change to summer time as well.
    """
    return list(_slots(starts_at, timedelta(minutes=minutes), until, zone))


def _slots(
    starts_at: datetime, length: timedelta, until: datetime, zone: ZoneInfo
) -> Iterator[Slot]:
    begins = starts_at.astimezone(zone)
    while (ends := begins + length).astimezone(UTC) <= until:
        yield Slot(begins.astimezone(UTC), ends.astimezone(UTC))
        begins = ends


def lay_out(
    wanted: Sequence[Slot],
    people: Sequence[int],
    together: int,
    zone: ZoneInfo,
    *,
    kept: Sequence[Turn] = (),
    busy: Mapping[int, Sequence[Slot]] | None = None,
) -> list[Turn]:
    """The turns for `wanted`, so many at once; the first ones in the order of `people`.

    `kept` are turns of this rota that stay: they count as served, and fill their own slot. `busy`
    is when somebody has a duty elsewhere. Where too few are free, a slot stays short of people.
    """
    planner = _Planner(people, zone, kept, busy or {})
    for slot in wanted:
        planner.fill(slot, together)
    planner.share_the_hard_ones()
    return planner.turns


class _Planner:
    def __init__(
        self,
        people: Sequence[int],
        zone: ZoneInfo,
        kept: Sequence[Turn],
        busy: Mapping[int, Sequence[Slot]],
    ) -> None:
        self.order = {person: number for number, person in enumerate(people)}
        self.kinds = cache(partial(kinds, zone=zone))
        self.there = Counter(turn.slot for turn in kept)
        self.turns: list[Turn] = []
        self.tries = MOST_TRIES
        self.taken = {person: set(busy.get(person, ())) for person in people}
        self.begins = {person: {slot.starts_at for slot in self.taken[person]} for person in people}
        self.ends = {person: {slot.ends_at for slot in self.taken[person]} for person in people}
        self.served: Counter[int] = Counter()
        self.hard: Counter[tuple[int, str]] = Counter()
        for turn in kept:
            if turn.person_id in self.order:
                self._take(turn)

    def fill(self, slot: Slot, together: int) -> None:
        free = [
            person
            for person in self.order
            if not any(slot.overlaps(other) for other in self.taken[person])
        ]
        free.sort(key=lambda person: self._claim(person, slot))
        for person in free[: max(together - self.there[slot], 0)]:
            self._take(turn := Turn(person, slot))
            self.turns.append(turn)

    def _claim(self, person: int, slot: Slot) -> tuple[bool, int, int, float, int]:
        """The smallest is next."""
        before = [other.ends_at for other in self.taken[person] if other.ends_at <= slot.starts_at]
        return (
            any(slot.touches(other) for other in self.taken[person]),
            self.served[person],
            sum(self.hard[person, kind] for kind in self.kinds(slot)),
            max(before).timestamp() if before else 0.0,
            self.order[person],
        )

    def _take(self, turn: Turn, by: int = 1) -> None:
        """`by` -1 takes it away again."""
        person, slot = turn.person_id, turn.slot
        _change(self.taken[person], slot, by)
        _change(self.begins[person], slot.starts_at, by)
        _change(self.ends[person], slot.ends_at, by)
        self.served[turn.person_id] += by
        for kind in self.kinds(turn.slot):
            self.hard[turn.person_id, kind] += by

    # Taking turns strictly one after the other gives whoever has the rhythm of the week every
    # Sunday, or every night; so turns change hands afterwards, one for one.

    def share_the_hard_ones(self) -> None:
        for kind in (ON_WEEKEND, NIGHT, ON_WEEKEND):
            while self._relieve_most_burdened(kind):
                pass

    def _relieve_most_burdened(self, kind: str) -> bool:
        """Exchanges a turn of a kind for one that is not; False where nothing becomes fairer."""
        burden = {person: self.hard[person, kind] for person in self.order}
        ranked = sorted(burden, key=lambda person: (-burden[person], self.order[person]))
        for most, least in product(ranked, reversed(ranked)):
            if burden[most] - burden[least] < UNFAIR:
                continue
            for i, j in product(self._of(most, kind), self._of(least, kind, of_kind=False)):
                self.tries -= 1
                if self.tries < 0:
                    return False
                if self._exchange(i, j):
                    return True
        return False

    def _of(self, person: int, kind: str, *, of_kind: bool = True) -> list[int]:
        """The places of somebody's turns that are of a kind, or are not."""
        return [
            place
            for place, turn in enumerate(self.turns)
            if turn.person_id == person and (kind in self.kinds(turn.slot)) is of_kind
        ]

    def _exchange(self, i: int, j: int) -> bool:
        hard, easy = self.turns[i], self.turns[j]
        worse = self.kinds(easy.slot) - self.kinds(hard.slot)
        if any(self.hard[hard.person_id, k] > self.hard[easy.person_id, k] for k in worse):
            return False
        if not self._suits(hard.person_id, easy.slot, instead=hard.slot):
            return False
        if not self._suits(easy.person_id, hard.slot, instead=easy.slot):
            return False
        for turn in (hard, easy):
            self._take(turn, -1)
        self.turns[i] = Turn(easy.person_id, hard.slot)
        self.turns[j] = Turn(hard.person_id, easy.slot)
        for place in (i, j):
            self._take(self.turns[place])
        return True

    def _suits(self, person: int, slot: Slot, *, instead: Slot) -> bool:
        """Whether a slot neither touches nor overlaps any other of theirs."""
        if slot.starts_at in self.ends[person] and instead.ends_at != slot.starts_at:
            return False
        if slot.ends_at in self.begins[person] and instead.starts_at != slot.ends_at:
            return False
        return not any(slot.overlaps(other) for other in self.taken[person] if other is not instead)


def _change(known: set[Any], what: Any, by: int) -> None:
    (known.add if by > 0 else known.discard)(what)


def kinds(slot: Slot, zone: ZoneInfo) -> frozenset[str]:
    """What makes a turn hard: night, weekend; neither for one that lasts for days."""
    begins = slot.starts_at.astimezone(zone)
    length = slot.ends_at - slot.starts_at
    found = set()
    if length <= LONGEST_NIGHT and not MORNING <= begins.hour < EVENING:
        found.add(NIGHT)
    if length <= LONGEST_DAY and begins.weekday() >= WEEKEND:
        found.add(ON_WEEKEND)
    return frozenset(found)

"""A simulated emergency: people who answer late or never, set out, arrive or fail to, in minutes.

Nothing here is of the product. A strategy is asked every ten seconds whom to message next.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

import numpy as np

TICK = 1 / 6
"""Minutes between two looks."""
PER_MINUTE = 30 * 60
"""Messages that go out, the first in order first."""
LASTS = 90.0
"""Minutes that an incident is followed."""
OVERDUE = 30.0
"""Minutes after the own time of arrival when somebody counts as absent."""
LATE, EARLY = 5.0, 3.0
"""Minutes by which people come later than they said (mean), and by which they said too much."""
STILL_READY, SOON = 0.8, 1.5
"""Share of those standing by who come after all, and minutes (mean) until they say so."""
DECLINES = 0.4
"""Share of those who won't come that say so."""
READY, SPEED = 5.0, 25.0
"""Minutes until somebody is on their way, and km/h."""
TOWNS, SIDE, AROUND = 24, 50.0, 2.5
"""Towns on a square of so many km, and how far around them people live (standard deviation)."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Truth:
    """How people really are, drawn anew for each incident."""

    rates: Array
    """Probability that somebody who is asked says yes, by person."""
    median: float
    """Minutes until half of the answers have come; lognormal with `sigma`."""
    sigma: float
    show_ups: Array
    """Probability that somebody who said yes comes, by person."""


@dataclass(slots=True)
class Person:
    """Somebody who has been messaged; times in minutes, None for what has not happened."""

    key: int
    sent_at: float
    eta: float
    answered_at: float | None = None
    coming: bool = False
    said_yes: bool = False
    stands_by: bool = False
    """Said yes when it was full, and has not been asked to come after all."""
    due_at: float = 0.0
    arrived_at: float | None = None
    absent: bool = False


@dataclass(slots=True)
class State:
    """What a strategy may know: who was asked, what they said, who is there."""

    quota: int
    now: float
    order: Array
    """All keys, the nearest first."""
    kilometres: Array
    asked: dict[int, Person] = field(default_factory=dict)
    said_yes: list[Person] = field(default_factory=list)
    """Those whose yes was taken, whatever became of it."""
    queued: set[int] = field(default_factory=set)
    """Whom a strategy has named; who is not asked after all is taken out again."""
    passed: int = 0
    """How many at the beginning of the order have all been named."""

    def coming(self) -> list[Person]:
        """Those who are under way or there, and not known to be absent."""
        return [one for one in self.said_yes if one.coming and not one.absent]

    def next_ones(self, count: int) -> list[int]:
        """The nearest whom no one has named yet."""
        while self.passed < len(self.order) and int(self.order[self.passed]) in self.queued:
            self.passed += 1
        left = (int(key) for key in self.order[self.passed :] if int(key) not in self.queued)
        return list(islice(left, count))


Strategy = Callable[[State], Sequence[int]]
"""Whom to message now."""
Missing = Callable[[State], int]
"""How many must still say yes; at 0 a further one stands by, and what is unsent is cancelled."""
Replaces = Callable[[float, float], bool]


@dataclass(frozen=True, slots=True)
class Result:
    """Minutes are None for what did not happen within the time that was followed."""

    confirmed: float | None
    """Until the quota had said yes."""
    on_scene: float | None
    """Until the quota was there."""
    messages: int
    turned_away: int
    there: int
    asked: dict[int, Person]


def homes(chance: np.random.Generator, people: int) -> Array:
    """Kilometres from the place of an incident, which happens where people live."""
    towns = chance.uniform(0, SIDE, (TOWNS, 2))
    places = towns[chance.integers(0, TOWNS, people)] + chance.normal(0, AROUND, (people, 2))
    where = towns[chance.integers(0, TOWNS)] + chance.normal(0, AROUND, 2)
    kilometres: Array = np.hypot(*(places - where).T)
    return kilometres


def travel(kilometres: float) -> float:
    """Minutes from hearing of it to being there."""
    return READY + kilometres / SPEED * 60


class Incident:
    """One run: so many are wanted of people who live so many kilometres away."""

    def __init__(
        self, chance: np.random.Generator, truth: Truth, quota: int, kilometres: Array
    ) -> None:
        self.chance = chance
        self.truth = truth
        self.state = State(quota, 0.0, np.argsort(kilometres, kind="stable"), kilometres)
        self.queue: list[int] = []
        self.events: list[tuple[float, int, str, int]] = []
        self.number = count()
        self.credit = 0.0
        self.turned_away = 0
        self.confirmed: float | None = None
        self.on_scene: float | None = None

    def run(self, strategy: Strategy, missing: Missing, replaces: Replaces) -> Result:
        """Follows it until it is over."""
        while self.state.now < LASTS:
            self._happen(missing, replaces)
            needed = missing(self.state)
            if not needed:
                self._cancel()
                if not self.events:
                    break
            else:
                moved_up = self._move_up(needed)
                wave = strategy(self.state)
                wave = wave[: max(0, len(wave) - moved_up)]
                self.state.queued.update(wave)
                self.queue += wave
            self._send()
            self.state.now += TICK
        asked = self.state.asked
        there = sum(one.arrived_at is not None for one in asked.values())
        turned_away = self.turned_away + sum(one.stands_by for one in asked.values())
        return Result(self.confirmed, self.on_scene, len(asked), turned_away, there, asked)

    def _cancel(self) -> None:
        """What has not been sent never is."""
        if self.queue:
            self.state.queued.difference_update(self.queue)
            self.state.passed = 0
            self.queue.clear()

    def _move_up(self, needed: int) -> int:
        """Those who stand by are asked first, the nearest first, each once; answers how many."""
        waiting = [one for one in self.state.asked.values() if one.stands_by]
        nearest = sorted(waiting, key=lambda one: one.eta)[:needed]
        for one in nearest:
            one.stands_by = False
            if self.chance.random() < STILL_READY:
                delay = float(self.chance.exponential(SOON))
                self._later(self.state.now + delay, "yes", one.key)
        return len(nearest)

    def _send(self) -> None:
        self.credit = min(self.credit + PER_MINUTE * TICK, PER_MINUTE * TICK)
        sends, self.queue = self.queue[: int(self.credit)], self.queue[int(self.credit) :]
        self.credit -= len(sends)
        for key in sends:
            self.state.asked[key] = Person(key, self.state.now, travel(self.state.kilometres[key]))
            self._will_answer(key)

    def _will_answer(self, key: int) -> None:
        rate = float(self.truth.rates[key])
        delay = float(self.truth.median * np.exp(self.truth.sigma * self.chance.normal()))
        if self.chance.random() < rate:
            self._later(self.state.now + delay, "yes", key)
        elif self.chance.random() < DECLINES:
            self._later(self.state.now + delay, "no", key)

    def _later(self, at: float, what: str, key: int) -> None:
        heapq.heappush(self.events, (at, next(self.number), what, key))

    def _happen(self, missing: Missing, replaces: Replaces) -> None:
        while self.events and self.events[0][0] <= self.state.now:
            at, _, what, key = heapq.heappop(self.events)
            person = self.state.asked[key]
            if what == "yes":
                self._says_yes(person, at, missing, replaces)
            elif what == "no":
                person.answered_at = at
            elif what == "there" and person.coming:
                person.arrived_at = at
                self._note_quota(at)
            elif what == "absent" and person.coming and person.arrived_at is None:
                person.absent = True

    def _says_yes(self, person: Person, at: float, missing: Missing, replaces: Replaces) -> None:
        person.answered_at = person.answered_at or at
        if not missing(self.state) and not self._replace_farthest(person, at, replaces):
            person.stands_by = True
            return
        person.coming = person.said_yes = True
        self.state.said_yes.append(person)
        person.due_at = at + person.eta
        if self.chance.random() < float(self.truth.show_ups[person.key]):
            late = float(self.chance.exponential(LATE)) - EARLY
            self._later(max(at + READY, person.due_at + late), "there", person.key)
        else:
            self._later(person.due_at + OVERDUE, "absent", person.key)
        if len(self.state.coming()) >= self.state.quota and self.confirmed is None:
            self.confirmed = at

    def _replace_farthest(self, nearer: Person, at: float, replaces: Replaces) -> bool:
        under_way = [one for one in self.state.coming() if one.arrived_at is None]
        if not under_way:
            return False
        farthest = max(under_way, key=lambda one: one.due_at)
        if not replaces(nearer.eta, farthest.due_at - at):
            return False
        farthest.coming = False
        self.turned_away += 1
        return True

    def _note_quota(self, at: float) -> None:
        there = sum(one.arrived_at is not None for one in self.state.said_yes)
        if there >= self.state.quota and self.on_scene is None:
            self.on_scene = at

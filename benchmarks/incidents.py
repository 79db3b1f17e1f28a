"""A simulated emergency: people who answer late or never, set out, arrive or fail to, in minutes.

Nothing here is of the product. A strategy is asked every ten seconds whom to message next.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
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

    rate: float
    """Probability that somebody who is asked says yes."""
    median: float
    """Minutes until half of the answers have come; lognormal with `sigma`."""
    sigma: float
    show_up: float


@dataclass(slots=True)
class Person:
    """Somebody who has been messaged; times in minutes, None for what has not happened."""

    key: int
    sent_at: float
    eta: float
    answered_at: float | None = None
    coming: bool = False
    said_yes: bool = False
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
    taken: int = 0
    """How many of the order have been queued; every strategy goes by nearness."""

    def coming(self) -> list[Person]:
        """Those who are under way or there, and not known to be absent."""
        return [one for one in self.said_yes if one.coming and not one.absent]

    def next_ones(self, count: int) -> list[int]:
        """The nearest who have not been asked."""
        return [int(key) for key in self.order[self.taken : self.taken + count]]


Strategy = Callable[[State], Sequence[int]]
"""Whom to message now."""
IsFull = Callable[[State], bool]
"""Whether a further yes is one too many, and what is unsent is cancelled."""
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
    """One run. `willing` are factors of the true rate by person: who is tired of calls has less."""

    def __init__(
        self,
        chance: np.random.Generator,
        truth: Truth,
        quota: int,
        kilometres: Array,
        willing: Array | None = None,
    ) -> None:
        self.chance = chance
        self.truth = truth
        self.willing = willing
        self.state = State(quota, 0.0, np.argsort(kilometres, kind="stable"), kilometres)
        self.queue: list[int] = []
        self.events: list[tuple[float, int, str, int]] = []
        self.number = count()
        self.credit = 0.0
        self.turned_away = 0
        self.confirmed: float | None = None
        self.on_scene: float | None = None

    def run(self, strategy: Strategy, is_full: IsFull, replaces: Replaces) -> Result:
        """Follows it until it is over."""
        while self.state.now < LASTS:
            self._happen(is_full, replaces)
            if is_full(self.state):
                self.state.taken -= len(self.queue)
                self.queue.clear()
                if not self.events:
                    break
            else:
                wave = strategy(self.state)
                self.state.taken += len(wave)
                self.queue += wave
            self._send()
            self.state.now += TICK
        there = sum(one.arrived_at is not None for one in self.state.asked.values())
        asked = self.state.asked
        return Result(self.confirmed, self.on_scene, len(asked), self.turned_away, there, asked)

    def _send(self) -> None:
        self.credit = min(self.credit + PER_MINUTE * TICK, PER_MINUTE * TICK)
        sends, self.queue = self.queue[: int(self.credit)], self.queue[int(self.credit) :]
        self.credit -= len(sends)
        for key in sends:
            self.state.asked[key] = Person(key, self.state.now, travel(self.state.kilometres[key]))
            self._will_answer(key)

    def _will_answer(self, key: int) -> None:
        rate = self.truth.rate * (1.0 if self.willing is None else float(self.willing[key]))
        delay = float(self.truth.median * np.exp(self.truth.sigma * self.chance.normal()))
        if self.chance.random() < rate:
            self._later(self.state.now + delay, "yes", key)
        elif self.chance.random() < DECLINES:
            self._later(self.state.now + delay, "no", key)

    def _later(self, at: float, what: str, key: int) -> None:
        heapq.heappush(self.events, (at, next(self.number), what, key))

    def _happen(self, is_full: IsFull, replaces: Replaces) -> None:
        while self.events and self.events[0][0] <= self.state.now:
            at, _, what, key = heapq.heappop(self.events)
            person = self.state.asked[key]
            if what == "yes":
                self._says_yes(person, at, is_full, replaces)
            elif what == "no":
                person.answered_at = at
            elif what == "there" and person.coming:
                person.arrived_at = at
                self._note_quota(at)
            elif what == "absent" and person.coming and person.arrived_at is None:
                person.absent = True

    def _says_yes(self, person: Person, at: float, is_full: IsFull, replaces: Replaces) -> None:
        person.answered_at = at
        if is_full(self.state) and not self._replace_farthest(person, at, replaces):
            self.turned_away += 1
            return
        person.coming = person.said_yes = True
        self.state.said_yes.append(person)
        person.due_at = at + person.eta
        if self.chance.random() < self.truth.show_up:
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

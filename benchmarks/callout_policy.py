"""How good the waves of call-outs are: `python -m benchmarks.callout_policy`.

Runs the product's own policy (`services.waves`) over 18 regimes of pool, quota, day and night, a
season of incidents that tire people, and assumptions that are wrong, beside calling everyone,
widening circles and waves of a fixed size.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.__main__ import machine
from benchmarks.figures import percentile
from benchmarks.incidents import (
    Array,
    Incident,
    Person,
    Result,
    State,
    Strategy,
    Truth,
    homes,
    travel,
)
from services import waves
from services.waves import Asked, Candidate, Past, Prior

POOLS, QUOTAS = (300, 2_000, 20_000), (10, 30, 100)
LOOKED_AT = 1_000
"""Of those not asked yet, the nearest among whom the product chooses."""
SHARES, NIGHT = (0.07, 0.22), 0.5
"""Of yes answers by day; by what factor fewer there are at night."""
SHOW_UPS = (0.7, 0.9)
CALLED_BEFORE = 12.0
"""How often somebody has been called before, on average: a year of monthly probe alarms."""
AMPLE, NEAR = 2.0, 15.0
"""A pool is ample if so many times the quota would come from within so many kilometres."""
MISJUDGED = 20_000
"""People of whom one assumes something else than is true."""
SEASON, SEASON_POOL, SEASON_QUOTA = 30, 4_000, 30
TIRES, RESTS = 0.25, 0.85
"""By how much a call in vain lessens readiness (exponent); what is left by the next incident."""
WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Regime:
    pool: int
    quota: int
    night: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One policy in one set of runs; minutes, messages and people a place of the quota."""

    policy: str
    where: str
    runs: int
    confirmed_p50: float
    confirmed_p95: float
    on_scene_p50: float
    on_scene_p95: float
    within_hour: float
    """Share of the runs in which the quota was there within 60 minutes."""
    messages: float
    turned_away: float


@dataclass(frozen=True, slots=True)
class World:
    """How people differ, and whether they have been called before."""

    title: str
    mood: bool = False
    called: bool = False


USUAL = World("ample pools", called=True)
OTHERS = (World("nobody was ever called"), World("one mood for all", mood=True))
REGIMES = [
    Regime(pool, quota, night) for night in (False, True) for pool in POOLS for quota in QUOTAS
]


# The product's policy, and those beside it


@dataclass(slots=True)
class History:
    """How often each has been called before, and said yes."""

    asked: Array
    yes: Array

    @classmethod
    def drawn(cls, chance: np.random.Generator, rates: Array, night: bool) -> "History":
        """Of calls by day."""
        asked = chance.poisson(CALLED_BEFORE, len(rates))
        return cls(asked, chance.binomial(asked, rates / (NIGHT if night else 1.0)))

    def add(self, asked: Iterable[Person]) -> None:
        for one in asked:
            self.asked[one.key] += 1
            self.yes[one.key] += one.said_yes


class Adaptive:
    """Drives `services.waves` as `services.mobilising` does."""

    def __init__(self, prior: Prior, night: bool, history: History | None = None) -> None:
        self.prior = prior
        self.history = history
        self.horizon = waves.horizon(night=night, critical=False)
        self.factor = prior.night if night else 1.0
        self.taken: list[float] = []
        """Milliseconds of each decision."""
        self.known: dict[int, Candidate] = {}

    def decide(self, state: State) -> Sequence[int]:
        candidates = [self._candidate(key, state) for key in state.next_ones(LOOKED_AT)]
        prior = self._observed(state)
        asked = [self._asked(one, state.now, prior) for one in state.asked.values()]
        began = time.perf_counter()
        decision = waves.decide(
            state.quota, asked, candidates, state.now, prior, horizon=self.horizon
        )
        self.taken.append(1000 * (time.perf_counter() - began))
        return decision.send

    def _candidate(self, key: int, state: State) -> Candidate:
        if key not in self.known:
            kilometres = float(state.kilometres[key])
            self.known[key] = Candidate(key, travel(kilometres), self._p(key), self.prior.show_up)
        return self.known[key]

    def _p(self, key: int) -> float:
        usual = self.prior.response
        if self.history is not None:
            asked, yes = int(self.history.asked[key]), int(self.history.yes[key])
            usual = waves.own_response(usual, asked, yes)
        return usual * self.factor

    def missing(self, state: State) -> int:
        prior = self._observed(state)
        yes = [self._asked(one, state.now, prior) for one in state.said_yes]
        return waves.missing(state.quota, yes, prior)

    def _observed(self, state: State) -> Prior:
        came = sum(one.arrived_at is not None for one in state.said_yes)
        return waves.observed(self.prior, came, sum(one.absent for one in state.said_yes))

    def _asked(self, one: Person, now: float, prior: Prior) -> Asked:
        s = 0.0
        if one.arrived_at is not None:
            s = 1.0
        elif one.coming and not one.absent:
            s = waves.comes(prior, now - one.due_at)
        return Asked(one.sent_at, self._p(one.key), one.answered_at, yes=one.said_yes, s=s)


def everyone(state: State) -> Sequence[int]:
    return state.next_ones(len(state.order))


def circles(state: State) -> Sequence[int]:
    """5 km, doubled every 10 minutes."""
    radius = 5.0 * 2 ** int(state.now // 10)
    near = int(np.searchsorted(state.kilometres[state.order], radius))
    return state.next_ones(max(0, near - len(state.queued)))


def fixed(times: int, every: float) -> Callable[[], Strategy]:
    """Waves of so many times the quota."""

    def make() -> Strategy:
        last = [-every]

        def wave(state: State) -> Sequence[int]:
            if state.now - last[0] < every - 1e-9:
                return ()
            last[0] = state.now
            return state.next_ones(times * state.quota)

        return wave

    return make


BESIDE: dict[str, Callable[[], Strategy]] = {
    "everyone at once": lambda: everyone,
    "circles, doubled": lambda: circles,
    "3 x quota every 5 min": fixed(3, 5.0),
    "15 x quota every 10 min": fixed(15, 10.0),
}


# Running


def truth(chance: np.random.Generator, people: int, night: bool, *, mood: bool = False) -> Truth:
    """People who say yes with 7-22% and then come with 70-90%, each with their own share.

    In a `mood` all of them have the same share at one incident and another at the next. How long
    answers take is always the incident's own.
    """
    drawn = None if mood else people
    return Truth(
        rates=np.full(people, chance.uniform(*SHARES, drawn)) * (NIGHT if night else 1.0),
        median=chance.uniform(3.0, 5.0),
        sigma=0.9,
        show_ups=np.full(people, chance.uniform(*SHOW_UPS, drawn)),
    )


def is_ample(quota: int, truth: Truth, kilometres: Array) -> bool:
    near = kilometres <= NEAR
    return float((truth.rates * truth.show_ups)[near].sum()) >= AMPLE * quota


def simulate(incident: Incident, policy: Adaptive, strategy: Strategy | None) -> Result:
    """The same rule says for all when enough have said yes: else the others would get too few."""
    return incident.run(strategy or policy.decide, policy.missing, waves.replaces)


def summary(policy: str, where: str, quota: int, results: Sequence[Result]) -> Row:
    never = float("inf")
    confirmed = [never if r.confirmed is None else r.confirmed for r in results]
    there = [never if r.on_scene is None else r.on_scene for r in results]
    return Row(
        policy=policy,
        where=where,
        runs=len(results),
        confirmed_p50=percentile(confirmed, 0.5),
        confirmed_p95=percentile(confirmed, 0.95),
        on_scene_p50=percentile(there, 0.5),
        on_scene_p95=percentile(there, 0.95),
        within_hour=mean(float(at <= WITHIN) for at in there),
        messages=mean(r.messages / max(1, min(quota, r.there)) for r in results),
        turned_away=mean(r.turned_away / quota for r in results),
    )


def by_regime(
    runs: int, prior: Prior, names: Sequence[str], world: World
) -> tuple[list[Row], list[float]]:
    """These policies over the same incidents; only those with ample pools are summed up."""
    rows, taken = [], []
    for night in (False, True):
        title = f"{'night' if night else 'day'}, {world.title}"
        results: dict[str, list[tuple[int, Result]]] = {name: [] for name in names}
        for regime in track([r for r in REGIMES if r.night == night], title):
            for number in range(runs):
                for name in names:
                    chance = np.random.default_rng((regime.pool, regime.quota, number, night))
                    drawn = truth(chance, regime.pool, night, mood=world.mood)
                    where = homes(chance, regime.pool)
                    if not is_ample(regime.quota, drawn, where):
                        break
                    history = History.drawn(chance, drawn.rates, night) if world.called else None
                    policy = Adaptive(prior, night, history)
                    incident = Incident(chance, drawn, regime.quota, where)
                    make = BESIDE.get(name)
                    result = simulate(incident, policy, make() if make else None)
                    results[name].append((regime.quota, result))
                    taken += policy.taken
        rows += [_over_quotas(name, title, results[name]) for name in names]
    return rows, taken


def _over_quotas(policy: str, where: str, results: Sequence[tuple[int, Result]]) -> Row:
    row = summary(policy, where, 1, [result for _, result in results])
    return replace(
        row,
        messages=mean(r.messages / max(1, min(quota, r.there)) for quota, r in results),
        turned_away=mean(r.turned_away / quota for quota, r in results),
    )


def scarce(runs: int, prior: Prior) -> list[Row]:
    """Pools that can't fill the quota: all are asked, and nobody is called twice."""
    regime = Regime(300, 100, True)
    results = []
    for number in range(runs):
        chance = np.random.default_rng((9, number))
        policy = Adaptive(prior, regime.night)
        drawn = truth(chance, regime.pool, regime.night)
        incident = Incident(chance, drawn, regime.quota, homes(chance, regime.pool))
        results.append(simulate(incident, policy, None))
    return [summary("adaptive", "night, 300 for 100", regime.quota, results)]


WRONG: dict[str, Callable[[Truth], Truth]] = {
    "a third of the rate": lambda it: replace(it, rates=it.rates / 3),
    "three times the rate": lambda it: replace(it, rates=it.rates * 3),
    "delays 2.5 times slower": lambda it: replace(it, median=it.median * 2.5),
    "show-up 50%": lambda it: replace(it, show_ups=np.full(MISJUDGED, 0.5)),
}


def misjudged(runs: int, prior: Prior) -> list[Row]:
    """20,000 by day, 30 wanted; people are not as assumed."""
    rows = []
    for where, bend in {"as assumed": lambda it: it, **WRONG}.items():
        results = []
        for number in range(runs):
            chance = np.random.default_rng((5, number))
            usual = Truth(
                np.full(MISJUDGED, prior.response), prior.median, prior.sigma,
                np.full(MISJUDGED, prior.show_up),
            )  # fmt: skip
            incident = Incident(chance, bend(usual), 30, homes(chance, MISJUDGED))
            results.append(simulate(incident, Adaptive(prior, night=False), None))
        rows.append(summary("adaptive", where, 30, results))
    return rows


def season(seed: int, name: str, prior: Prior) -> list[Result]:
    """30 incidents with the same people, who tire of calls in vain; the prior is learnt."""
    chance = np.random.default_rng((11, seed))
    usual = truth(chance, SEASON_POOL, night=False)
    tired: Array = np.zeros(SEASON_POOL)
    history = History(np.zeros(SEASON_POOL, dtype=int), np.zeros(SEASON_POOL, dtype=int))
    pasts: list[Past] = []
    results = []
    for _ in range(SEASON):
        learnt = waves.learn(prior, pasts[-20:])
        tired_truth = replace(usual, rates=usual.rates * np.exp(-TIRES * tired))
        incident = Incident(chance, tired_truth, SEASON_QUOTA, homes(chance, SEASON_POOL))
        make = BESIDE.get(name)
        policy = Adaptive(learnt, night=False, history=history)
        result = simulate(incident, policy, make() if make else None)
        results.append(result)
        history.add(result.asked.values())
        pasts.append(_past(result))
        tired *= RESTS
        vain = [key for key, one in result.asked.items() if one.arrived_at is None]
        tired[vain] += 1
    return results


def _past(result: Result) -> Past:
    asked = result.asked.values()
    yes = [one for one in asked if one.said_yes and one.answered_at is not None]
    return Past(
        asked=len(asked),
        yes=len(yes),
        delays=tuple((one.answered_at or 0.0) - one.sent_at for one in yes),
        came=sum(one.arrived_at is not None for one in asked),
    )


def seasons(runs: int, prior: Prior) -> list[Row]:
    """The last third of each season, when people are tired."""
    rows = []
    for name in track(("adaptive", *BESIDE), "seasons"):
        last = [r for seed in range(runs) for r in season(seed, name, prior)[-SEASON // 3 :]]
        rows.append(summary(name, f"season, incidents {SEASON * 2 // 3 + 1}-{SEASON}",
                            SEASON_QUOTA, last))  # fmt: skip
    return rows


# Telling


def targets(rows: Iterable[Row], taken: Sequence[float]) -> list[tuple[str, float, float, bool]]:
    """What was aimed at, what was reached, and whether that is enough."""
    own = {row.where: row for row in rows if row.policy == "adaptive"}
    day, night = own["day, ample pools"], own["night, ample pools"]
    late = next(row for where, row in own.items() if where.startswith("season"))
    aims = [
        ("there within 60 min, day: share", 0.99, day.within_hour, day.within_hour >= 0.99),
        ("there within 60 min, night: share", 0.99, night.within_hour, night.within_hour >= 0.99),
        ("messages a filled place, day", 12, day.messages, day.messages <= 12),
        ("messages a filled place, night", 27, night.messages, night.messages <= 27),
        ("turned away a place, day", 1.5, day.turned_away, day.turned_away <= 1.5),
        ("turned away a place, night", 1.5, night.turned_away, night.turned_away <= 1.5),
        ("confirmed p95, day: min", 7, day.confirmed_p95, day.confirmed_p95 <= 7),
        ("confirmed p95, night: min", 9.5, night.confirmed_p95, night.confirmed_p95 <= 9.5),
        ("end of a season: share", 0.99, late.within_hour, late.within_hour >= 0.99),
        ("one decision, p99: ms", 10, percentile(taken, 0.99), percentile(taken, 0.99) <= 10),
    ]  # fmt: skip
    return [(name, aim, reached, bool(met)) for name, aim, reached, met in aims]


def table(rows: Iterable[Row]) -> Table:
    shown = Table(
        "", "policy", "runs", "said yes p50 / p95", "on scene p50 / p95", "within 60 min",
        "messages a place", "turned away a place", title="Whom to call, and when (minutes)",
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            row.where, row.policy, str(row.runs),
            f"{row.confirmed_p50:.1f} / {row.confirmed_p95:.1f}",
            f"{row.on_scene_p50:.0f} / {row.on_scene_p95:.0f}",
            f"{100 * row.within_hour:.1f}%", f"{row.messages:.1f}", f"{row.turned_away:.2f}",
        )  # fmt: skip
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.callout_policy", description=__doc__
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--runs", type=int, default=20, help="incidents a regime")
    asked = parser.parse_args()
    prior = Prior()
    rows, taken = by_regime(asked.runs, prior, ("adaptive", *BESIDE), USUAL)
    for world in OTHERS:
        rows += by_regime(asked.runs, prior, ("adaptive",), world)[0]
    rows += scarce(asked.runs, prior) + misjudged(3 * asked.runs, prior)
    rows += seasons(max(1, asked.runs // 5), prior)
    aims = targets(rows, taken)
    out = Console(width=None if os.isatty(1) else 160)
    out.print(table(rows))
    for name, aim, reached, met in aims:
        out.print(f"{'met   ' if met else 'MISSED'} {name}: {reached:.3g} (aim {aim:g})")
    described = machine()
    out.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if asked.json is not None:
        written = {"machine": described, "figures": [asdict(row) for row in rows], "aims": aims}
        asked.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

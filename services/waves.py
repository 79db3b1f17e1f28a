"""Whom a call-out asks next: as many as put the quota on scene, nearest by expected arrival first.

Pure: times are minutes and parameters. The policy and its numbers were chosen in a simulation of 18
regimes of pool, quota, day and night, against calling everyone, widening circles and fixed waves
(`benchmarks/callout_policy.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile
from math import erf, exp, lgamma, log, sqrt

CERTAIN = 1.645
"""Standard deviations that leave 95% on one side."""
FAITH = 16.0
"""Answers' worth of trust in the assumed response; the prior of its multiplier is Gamma(16, 16)."""
STANDS = 18.0
"""Minutes from the first call until the over-booking is covered, too: it only counts on scene."""
PATIENCE = 2.5
"""Standard deviations of what is still to come, for which one waits at first before asking more
people to over-book; it runs out as that time does. Whoever has been asked can't be unasked."""
LISTENS = 0.4
"""Of the horizon, between two waves: the first answers teach more than any assumption."""
EVEN = 1 / 3
"""By how much less than n is to be expected for n yes answers to be as likely as not (the median of
a Poisson variable)."""
OWN = 20.0
"""How many calls the usual response weighs against somebody's own answers to earlier ones."""
NEARNESS = 20.0
"""Minutes of travel after which somebody counts for 1/e of one next door."""
SPEED = 25.0
"""km/h through a city in an emergency, as in the simulation."""
GETTING_READY = 5.0
"""Minutes until somebody is on their way."""
MUCH_NEARER = 8.0
"""Minutes by which a later answer must be nearer to replace one who is under way."""
SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Multipliers of the assumed delay among which the true one is sought."""
SPREAD = 0.35
"""Standard deviation of the logarithm of that multiplier, before anything is known."""
DOUBTED = 200
"""Of one past call-out, so many people count at most: an odd one must not wreck what is known."""
ASSUMED_ASKED, ASSUMED_DELAYS = 100.0, 30.0
"""How many observations the assumptions weigh when past call-outs are learnt from."""
BY_DAY, AT_NIGHT, CRITICAL = 3.9, 4.6, 3.0
"""Minutes within which as many should have said yes as are wanted: the horizon."""
LATE = 5.0
"""Minutes by which people who do come are late on average; exponential."""
AT_ONCE = 0.01
"""Minutes in which nobody answers."""
LATEST = 180.0
"""Minutes beyond which nothing is forecast."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is assumed of people before they answer; sane where nothing has been learnt yet."""

    response: float = 0.15
    """Probability that somebody who is asked by day says yes."""
    night: float = 0.5
    """Factor of the response at local night."""
    median: float = 4.0
    """Minutes until half of the answers have come; delays are lognormal."""
    sigma: float = 0.9
    show_up: float = 0.8
    """Probability that somebody who said yes comes."""
    shown: float = 40.0
    """How many people that is known from; so uncertain is it itself."""


@dataclass(slots=True)
class Asked:
    """Somebody who has been asked, in minutes since the call-out began."""

    at: float
    p: float
    """Probability of a yes, as assumed when they were asked."""
    answered_at: float | None
    yes: bool
    s: float
    """Probability that they show up: 1 on scene, 0 known to be absent."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could be asked; `eta` in minutes."""

    key: int
    eta: float
    p: float
    s: float


@dataclass(frozen=True, slots=True)
class Decision:
    needed: int
    """Further yes answers, so that with 95% probability the quota is on scene."""
    send: tuple[int, ...]
    """Keys of those to ask now, in order."""
    expected: float
    """Yes answers still to come within the horizon from those asked before."""
    rate: float
    """Learnt multiplier of the assumed response."""
    response: float
    """The share that answers yes, as learnt."""
    scale: float
    """Learnt multiplier of the assumed delay."""

    @property
    def full(self) -> bool:
        return self.needed == 0


@dataclass(frozen=True, slots=True)
class Past:
    """What became of one past call-out; delays are minutes of those who said yes."""

    asked: int
    yes: int
    delays: tuple[float, ...]
    came: int


@dataclass(frozen=True, slots=True)
class _Learnt:
    """One possible delay scale: how likely it is, and the response that goes with it."""

    scale: float
    weight: float
    rate: float


def decide(
    quota: int,
    asked: Sequence[Asked],
    candidates: Sequence[Candidate],
    now: float,
    prior: Prior,
    *,
    horizon: float = BY_DAY,
    most: int = 1_000,
    listens: bool = True,
) -> Decision:
    """Whom to ask at this moment: nobody where what is pending should suffice.

    As many as are wanted should have said yes within the horizon; those beyond, with whom the quota
    stands although some won't show up, may take longer. `listens` is False where the commander has
    just changed what is wanted, so that the last wave has nothing to teach.
    """
    needed = missing(quota, asked, prior)
    learnt = _learn_from(asked, now, prior)
    soon = _look_ahead(learnt, asked, now, prior, horizon)
    rate = sum(one.weight * one.rate for one in learnt)
    gap = 0.0
    if needed and not (listens and _is_listening(asked, now, LISTENS * horizon, most)):
        age = now - min((one.at for one in asked), default=now)
        left = max(0.0, 1 - age / STANDS)
        later = _look_ahead(learnt, asked, now, prior, max(horizon, left * STANDS))
        gap = max(soon.gap(_unpromised(quota, asked, prior)), later.gap(needed, left * PATIENCE))
    people: Sequence[Asked | Candidate] = asked or candidates
    average = sum(one.p for one in people) / len(people) if people else prior.response
    return Decision(
        needed=needed,
        send=_first_to_cover(gap, candidates, most),
        expected=soon.expected,
        rate=rate,
        response=min(1.0, rate * average),
        scale=sum(one.weight * one.scale for one in learnt),
    )


def horizon(*, night: bool, critical: bool) -> float:
    """Minutes to look ahead: short where lives are at stake, long before more people are woken."""
    if critical:
        return CRITICAL
    return AT_NIGHT if night else BY_DAY


def missing(quota: int, asked: Sequence[Asked], prior: Prior) -> int:
    """The fewest further yes answers with which, at 95%, the quota will be on scene.

    A normal approximation of the sum of everybody's showing up, to which it adds that the show-up
    itself is known from so many people only (the variance of a beta). Over-booking for no-shows is
    what keeps attendance up: without it, it fell to 12-85% in the simulation.
    """
    shows = [one.s for one in asked if one.yes]
    sure, doubt = sum(shows), sum(s * (1 - s) for s in shows)
    each = prior.show_up
    awaited = sum(s for s in shows if s < 1) / each
    unknown = each * (1 - each) / (prior.shown + 1)
    more = 0
    while (
        sure
        + each * more
        - CERTAIN * sqrt(doubt + each * (1 - each) * more + unknown * (awaited + more) ** 2)
        < quota
    ):
        more += 1
    return more


def _unpromised(quota: int, asked: Sequence[Asked], prior: Prior) -> float:
    """How many must still say yes until as many are coming as are wanted; the late count less."""
    return quota - sum(min(1.0, one.s / prior.show_up) for one in asked if one.yes)


def _is_listening(asked: Sequence[Asked], now: float, minutes: float, most: int) -> bool:
    """Whether the last wave, unless it was cut off, went out less than so many minutes ago."""
    last = max((one.at for one in asked), default=-minutes)
    whole = sum(one.at == last for one in asked) < most
    return whole and now - last < minutes - AT_ONCE


def comes(prior: Prior, late: float) -> float:
    """Probability that somebody who is `late` minutes past their own time still comes.

    Bayes: those who come are late by an exponential time, the others never arrive.
    """
    still = prior.show_up * exp(-max(late, 0.0) / LATE)
    return still / (still + 1 - prior.show_up) if still else 0.0


def observed(prior: Prior, came: int, absent: int) -> Prior:
    """The show-up as this very call-out shows it: the mean of a beta with the prior's weight."""
    seen = prior.shown + came + absent
    return replace(prior, show_up=(prior.shown * prior.show_up + came) / seen, shown=seen)


def _first_to_cover(gap: float, candidates: Sequence[Candidate], most: int) -> tuple[int, ...]:
    """The best candidates until the sum of their probabilities covers the gap."""
    if gap <= 0:
        return ()
    best = sorted(candidates, key=lambda one: -one.p * one.s * exp(-one.eta / NEARNESS))[:most]
    before = accumulate((one.p for one in best), initial=0.0)
    pairs = zip(best, before, strict=False)
    return tuple(one.key for one, sum_before in takewhile(lambda pair: pair[1] < gap, pairs))


# Learning while it runs


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What the next minutes should bring."""

    expected: float
    """Yes answers of those who have been asked."""
    doubt: float
    """Standard deviation of that."""
    answered: float
    """Yes answers of somebody asked now, for each unit of the probability assumed of them."""

    def gap(self, wanted: float, patience: float = 0.0) -> float:
        """The sum of probabilities to be asked, so that as many as wanted will have said yes."""
        return (wanted - EVEN - self.expected - patience * self.doubt) / self.answered


def _look_ahead(
    learnt: Sequence[_Learnt], asked: Sequence[Asked], now: float, prior: Prior, minutes: float
) -> _Ahead:
    """By the Gamma of the response, the answers to come are negative binomial."""
    expected = sum(
        one.weight * one.rate * _still_to_come(asked, now, prior, one.scale, minutes)
        for one in learnt
    )
    known = FAITH + sum(one.yes for one in asked)
    return _Ahead(
        expected=expected,
        doubt=sqrt(expected + expected**2 / known),
        answered=sum(
            one.weight * one.rate * _answered(minutes, prior, one.scale) for one in learnt
        ),
    )


def _learn_from(asked: Sequence[Asked], now: float, prior: Prior) -> list[_Learnt]:
    """Delay scales with their posterior weights, and the response multiplier given each.

    Yes answers as a Poisson process of intensity m p f(t / k) / k a person, m ~ Gamma(16, 16)
    and log k ~ N(0, 0.35): m given k is Gamma(16 + Y, 16 + E), with E the yes answers that should
    have come by now, and integrating m out gives the likelihood of k.
    """
    groups = Counter((one.at, one.p) for one in asked)
    delays = [
        max(one.answered_at - one.at, 0.05)
        for one in asked
        if one.yes and one.answered_at is not None
    ]
    yes = len(delays)
    found: list[tuple[float, float, float]] = []
    for scale in SCALES:
        due = sum(
            count * p * _answered(now - at, prior, scale) for (at, p), count in groups.items()
        )
        likely = -(log(scale) ** 2) / (2 * SPREAD**2)
        likely += lgamma(FAITH + yes) - (FAITH + yes) * log(FAITH + due)
        likely += sum(_log_density(delay, prior, scale) for delay in delays)
        found.append((scale, likely, (FAITH + yes) / (FAITH + due)))
    best = max(likely for _, likely, _ in found)
    total = sum(exp(likely - best) for _, likely, _ in found)
    return [_Learnt(scale, exp(likely - best) / total, rate) for scale, likely, rate in found]


def _still_to_come(
    asked: Sequence[Asked], now: float, prior: Prior, scale: float, horizon: float
) -> float:
    """Yes answers within the horizon of those who have not answered yet, at the assumed rate."""
    groups = Counter((one.at, one.p) for one in asked if one.answered_at is None)
    return sum(
        count
        * p
        * (_answered(now - at + horizon, prior, scale) - _answered(now - at, prior, scale))
        for (at, p), count in groups.items()
    )


def _answered(age: float, prior: Prior, scale: float = 1.0) -> float:
    """The share of the answers that has come so many minutes after asking (lognormal)."""
    if age < AT_ONCE:
        return 0.0
    return 0.5 * (1 + erf(log(age / (prior.median * scale)) / (prior.sigma * sqrt(2))))


def _log_density(delay: float, prior: Prior, scale: float) -> float:
    """Of a delay, but for what does not depend on the scale."""
    return -((log(delay / (prior.median * scale)) / prior.sigma) ** 2) / 2


# Between call-outs


def own_response(usual: float, asked: int, yes: int) -> float:
    """Probability that somebody says yes who did so at `yes` of `asked` earlier call-outs.

    The mean of a beta whose prior is what is usual; in whole percents, so that those alike are
    reckoned with together.
    """
    return round((OWN * usual + yes) / (OWN + asked), 2)


def learn(prior: Prior, pasts: Sequence[Past]) -> Prior:
    """The prior moved towards what past call-outs showed, each of which counts only so much."""
    answered = [past for past in pasts if past.asked]
    seen = sum(min(past.asked, DOUBTED) for past in answered)
    yes = sum(past.yes * min(1.0, DOUBTED / past.asked) for past in answered)
    delays = [log(max(d, 0.05)) for past in pasts for d in past.delays[:DOUBTED]]
    promised = sum(past.yes for past in pasts)
    came = sum(past.came for past in pasts)
    middle = (ASSUMED_DELAYS * log(prior.median) + sum(delays)) / (ASSUMED_DELAYS + len(delays))
    return replace(
        prior,
        response=(ASSUMED_ASKED * prior.response + yes) / (ASSUMED_ASKED + seen),
        median=exp(middle),
        show_up=(prior.shown * prior.show_up + came) / (prior.shown + promised),
        shown=min(prior.shown + promised, DOUBTED),
    )


# What commanders are told


def forecast(
    quota: int, candidates: Sequence[Candidate], prior: Prior, *, horizon: float = BY_DAY
) -> float | None:
    """Minutes until as many as are wanted should have said yes; None if it will hardly stand."""
    able = sum(one.p for one in candidates)
    if able * _answered(LATEST, prior) < missing(quota, (), prior):
        return None
    if able * _answered(horizon, prior) >= quota:
        return horizon
    low, high = horizon, LATEST
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (middle, high) if able * _answered(middle, prior) < quota else (low, middle)
    return high


def eta_minutes(metres: float) -> float:
    """From hearing of it to being there: getting ready, then 25 km/h."""
    return GETTING_READY + metres / 1000 / SPEED * 60


def replaces(eta_new: float, eta_farthest: float) -> bool:
    """Whether somebody who answers late is so much nearer that the farthest may turn round."""
    return eta_new + MUCH_NEARER <= eta_farthest

"""How an organisation does (绩效评估): indicators beside others of its kind, and a score.

Each indicator counts from 0 to 1: its value by the value at which it counts in full
(`policy.performance_full`), never more than 1; hours to confirm the other way round, since fewer
are better; stars from 1 (nothing) to 5. The score is their mean, weighted by
`policy.performance_weights`, times 100. What has no value yet counts neither way, so nobody loses
points for what could not be measured. Others are shown as a median of at least `OTHERS`, never
each of them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from models import Organisation
from services import complaints, measures, organisations, ratings, statistics
from services.counting import YEAR
from services.policy import INDICATORS, Policy
from services.statistics import Figures, Part, Period, Span
from services.work import Work

OTHERS = 3
"""Organisations of the kind that must have a value before their median is shown."""
HOUR = 60

Plans = Callable[[Work, Sequence[Organisation], Span], Awaitable[Mapping[int, float]]]
"""Organisation -> share of its plan that was carried out in a period, 0 to 1 or more."""
PLANS: tuple[Plans, ...] = ()
"""Where the plans of organisations say how far they are; without one the indicator has no value."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """`value` in its own unit; `part` is what it counts, 0 to 1; `count` what it rests on."""

    name: str
    value: float | None
    part: float | None
    weight: float
    full: float
    middle: float | None = None
    """The median of the others."""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Performance:
    organisation: Organisation
    span: Span
    indicators: list[Indicator]
    score: float | None
    others: int
    """Organisations of the same kind under the same one."""
    middle: float | None
    """The median of their scores."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What is known of one organisation in the period."""

    part: Part
    measured: Mapping[str, int]
    plan: float | None


async def tops(work: Work) -> list[Organisation]:
    """Those that the actor sees. Raises NotAllowed."""
    return await statistics.tops(work)


async def of(work: Work, organisation_id: int, period: Period, back: int = 0) -> Performance:
    """Raises Gone, NotAllowed."""
    await statistics.check_sees(work, organisation_id)
    organisation = await work.session.get_one(Organisation, organisation_id)
    shown = statistics.span(work, period, back)
    numbers = await _numbers(work, organisation, shown)
    own = _indicators(numbers[organisation.id], work.policy, shown)
    others = [
        _indicators(found, work.policy, shown)
        for key, found in numbers.items()
        if key != organisation.id
    ]
    beside = [
        Indicator(
            one.name, one.value, one.part, one.weight, one.full,
            _middle([other[at].value for other in others]), one.count,
        )
        for at, one in enumerate(own)
    ]  # fmt: skip
    scores = [score(other) for other in others]
    return Performance(organisation, shown, beside, score(own), len(others), _middle(scores))


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) >= OTHERS else None


def score(indicators: Sequence[Indicator]) -> float | None:
    """0 to 100, see the module; None where nothing is known."""
    known = [(one.part, one.weight) for one in indicators if one.part is not None]
    weights = sum(weight for _, weight in known)
    if not weights:
        return None
    return 100 * sum(part * weight for part, weight in known) / weights


# Out of what is counted


async def _numbers(work: Work, organisation: Organisation, shown: Span) -> dict[int, _Numbers]:
    """Of the organisation, and of those of its kind right below the same one."""
    above = organisation
    if organisation.parent_id is not None:
        above = await work.session.get_one(Organisation, organisation.parent_id)
    whole, parts = await statistics.side_by_side(work, above, shown)
    beside = [one for one in parts if not one.direct and one.organisation.kind is organisation.kind]
    shown_parts = [whole] if above is organisation else beside
    measured = await _measured(work, above, [one.organisation for one in shown_parts], shown)
    plans: dict[int, float] = {}
    for ask in PLANS:
        plans |= await ask(work, [one.organisation for one in shown_parts], shown)
    return {
        one.organisation.id: _Numbers(
            one, measured[one.organisation.id], plans.get(one.organisation.id)
        )
        for one in shown_parts
    }


async def _measured(
    work: Work, above: Organisation, parts: Sequence[Organisation], shown: Span
) -> dict[int, dict[str, int]]:
    """What topics count, summed over the subtree of each part."""
    rows = await measures.by_organisation(work, above, shown)
    paths = {one.id: one.path for one in await organisations.by_keys(work.session, sorted(rows))}
    sums: dict[int, dict[str, int]] = {one.id: {} for one in parts}
    for key, numbers in rows.items():
        for part in parts:
            if paths[key].startswith(part.path):
                for name, number in numbers.items():
                    sums[part.id][name] = sums[part.id].get(name, 0) + number
    return sums


def _indicators(found: _Numbers, policy: Policy, shown: Span) -> list[Indicator]:
    figures = found.part.figures
    stars = found.measured.get(ratings.COUNTED, 0)
    in_time = found.measured.get(complaints.IN_TIME, 0)
    due = in_time + found.measured.get(complaints.LATE, 0)
    share = found.part.share
    values: dict[str, tuple[float | None, int | None]] = {
        "registered": (None if share is None else share / policy.registered_goal, None),
        "active": (figures.active_rate, figures.registered),
        "hours": (_hours_a_year(figures, shown), figures.registered),
        "filled": (figures.fill_rate, figures.places),
        "shown_up": (figures.show_up_rate, figures.attended + figures.no_shows),
        "prompt": (figures.median_hours, sum(figures.delays)),
        "rating": (found.measured.get(ratings.POINTS, 0) / stars if stars else None, stars),
        "answered": (in_time / due if due else None, due),
        "plan": (found.plan, None),
    }
    counted = zip(INDICATORS, policy.performance_weights, policy.performance_full, strict=True)
    return [_indicator(name, *values[name], weight, full) for name, weight, full in counted]


def _indicator(
    name: str, value: float | None, count: int | None, weight: float, full: float
) -> Indicator:
    part = None if value is None else _counts(name, value, full)
    return Indicator(name, value, part, weight, full, count=count)


def _hours_a_year(figures: Figures, shown: Span) -> float | None:
    """Hours that a registered volunteer would serve in a year, at the pace of the period."""
    if not figures.registered:
        return None
    months = shown.last - shown.first + 1
    return figures.minutes / HOUR / figures.registered * YEAR / months


def _counts(name: str, value: float, full: float) -> float:
    """0 to 1."""
    if name == "prompt":
        return 1.0 if value <= full else full / value
    if name == "rating":
        value, full = value - 1, max(full - 1, 0.1)
    return min(max(value / full, 0.0), 1.0)

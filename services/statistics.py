"""What an organisation and everything below it has done in a period, read from kept counts.

Definitions, where they are not plain:

* registered: whose registration is active at the end of the period, where they are registered
* active: of those, who served in the last month of the period or the eleven before it
* hours: confirmed ones, corrections included, in the month in which they were served
* activities: published and not called off, by the month of their first shift
* fill rate: people with a place, of the places of shifts that have begun
* show-up rate: who was there, of those and the no-shows
* time to confirm: from the check-out, which proposes the hours, to the first decision
* retention: of those who signed up in a quarter, the share with confirmed hours in a later one;
  who has left since counts among those who signed up
* within reach: as `services.counting` says
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from itertools import accumulate
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select

from models import (
    AbilityCount,
    ActivityCount,
    CohortCount,
    DelayCount,
    HoursCount,
    Organisation,
    OrganisationKind,
    PeopleCount,
    QualificationKind,
    ReachCount,
    Skill,
)
from services import access, audit, counting, organisations, plots, traits, trends
from services.access import Right
from services.counting import BUCKETS, QUARTER, SIGNED_UP, YEAR
from services.errors import Gone, Refusal
from services.trends import Outlook
from services.work import Work

TREND = 24
"""Months that curves show."""
COHORTS = 8
"""Quarters of sign-up that are shown, and quarters after."""
SIDE_BY_SIDE = 24
"""Organisations that a picture compares at most."""
LARGEST_POPULATION = 100_000_000


class Period(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    TWELVE_MONTHS = "twelve_months"


MONTHS = {Period.MONTH: 1, Period.QUARTER: QUARTER, Period.YEAR: YEAR, Period.TWELVE_MONTHS: YEAR}


@dataclass(frozen=True, slots=True)
class Span:
    """Months by number, both inclusive; `back` whole periods before the present one."""

    period: Period
    back: int
    first: int
    last: int
    goes_on: bool
    """Has not ended yet, so its figures still grow."""


def span(work: Work, period: Period, back: int = 0) -> Span:
    now = counting.month_of(work, work.now)
    length = MONTHS[period]
    if period is Period.TWELVE_MONTHS:
        last = now - back * length
    else:
        last = now - now % length - back * length + length - 1
    return Span(period, back, last - length + 1, last, goes_on=last >= now)


@dataclass(slots=True)
class Figures:
    """Of one organisation and all below it, or of several together."""

    registered: int = 0
    active: int = 0
    new: int = 0
    minutes: int = 0
    activities: int = 0
    shifts: int = 0
    places: int = 0
    filled: int = 0
    attended: int = 0
    no_shows: int = 0
    delays: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    @property
    def fill_rate(self) -> float | None:
        return _share(self.filled, self.places)

    @property
    def show_up_rate(self) -> float | None:
        return _share(self.attended, self.attended + self.no_shows)

    @property
    def active_rate(self) -> float | None:
        return _share(self.active, self.registered)

    @property
    def median_hours(self) -> float | None:
        return quantile(self.delays, 0.5)

    @property
    def p90_hours(self) -> float | None:
        return quantile(self.delays, 0.9)

    def add(self, other: "Figures") -> None:
        for one in fields(self):
            mine, others = getattr(self, one.name), getattr(other, one.name)
            added = (
                [a + b for a, b in zip(mine, others, strict=True)]
                if isinstance(mine, list)
                else mine + others
            )
            setattr(self, one.name, added)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def quantile(delays: Sequence[int], share: float) -> float | None:
    """Hours within which so large a share was decided, straight within a bucket; None for none.

    What lies beyond the last limit is taken to be there.
    """
    total = sum(delays)
    if not total:
        return None
    wanted, seen = share * total, 0
    for place, number in enumerate(delays):
        if seen + number >= wanted and number:
            low = BUCKETS[place - 1] if place else 0
            high = BUCKETS[min(place, len(BUCKETS) - 1)]
            return low + (high - low) * max(wanted - seen, 0) / number
        seen += number
    return float(BUCKETS[-1])


@dataclass(frozen=True, slots=True)
class Part:
    """An organisation with its figures; `below`: it has some of its own to look into."""

    organisation: Organisation
    figures: Figures
    below: bool
    direct: bool = False
    """Only what is the organisation's itself, without those below it."""

    @property
    def share(self) -> float | None:
        """Registered of the population; None where that is not known."""
        population = None if self.direct else self.organisation.population
        return self.figures.registered / population if population else None


@dataclass(frozen=True, slots=True)
class Month:
    """What there was at the end of a month, or in it."""

    month: int
    registered: int
    active: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Goal:
    """How many are to be registered, and by months when that will be so, if growth goes on."""

    share: float
    target: int
    outlook: Outlook
    growth: float | None
    """A month."""
    reached_in: int | None = None
    soonest: int | None = None
    latest: int | None = None
    """None beside a `soonest`: perhaps never."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who signed up in a quarter; `served` share by quarters since, None for those to come."""

    quarter: int
    people: int
    served: list[float | None]

    @property
    def year(self) -> int:
        return self.quarter * QUARTER // YEAR

    @property
    def number(self) -> int:
        """1 to 4."""
        return self.quarter % (YEAR // QUARTER) + 1


@dataclass(frozen=True, slots=True)
class Ability:
    """A skill or a kind of document; without names: everyone."""

    attribute: int
    names: dict[str, str] | None
    is_document: bool
    people: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """A town, and how many could come to it, by `Readiness.wanted`."""

    organisation: Organisation
    people: list[int]


@dataclass(frozen=True, slots=True)
class Readiness:
    wanted: list[Ability]
    towns: list[Reached]
    kilometres: int

    @property
    def gaps(self) -> list[tuple[Ability, list[Organisation]]]:
        """What nobody in reach of a town can do, and which towns those are."""
        found = [
            (ability, [one.organisation for one in self.towns if not one.people[place]])
            for place, ability in enumerate(self.wanted)
        ]
        return [(ability, towns) for ability, towns in found if towns]


@dataclass(frozen=True, slots=True)
class Placed:
    """How many with an ability an organisation has, and where that lies."""

    organisation: Organisation
    people: int


@dataclass(frozen=True, slots=True)
class Overview:
    organisation: Organisation
    way: list[Organisation]
    """Those above it whose figures the actor may see, from the top."""
    span: Span
    own: Part
    before: Figures
    """Of the period before."""
    parts: list[Part]
    trend: list[Month]
    goal: Goal | None
    """None where the population is not known."""
    cohorts: list[Cohort]
    abilities: list[Ability]
    shown: Ability
    """The one that the map shows."""
    places: list[Placed]
    readiness: Readiness


# Whose


async def tops(work: Work) -> list[Organisation]:
    """The organisations whose figures the actor sees. Raises NotAllowed."""
    found = await access.organisations_with(work, Right.SEE_STATISTICS)
    if not found:
        await access.require(work, Right.SEE_STATISTICS, 0)
    return found


async def _seen(work: Work, organisation_id: int) -> Organisation:
    await access.require(work, Right.SEE_STATISTICS, organisation_id)
    organisation = await work.session.get(Organisation, organisation_id)
    if organisation is None:
        raise Gone
    return organisation


async def check_sees(work: Work, organisation_id: int) -> None:
    """Raises Gone, NotAllowed."""
    await _seen(work, organisation_id)


async def may_set_population(work: Work, organisation_id: int) -> bool:
    return await access.may(work, Right.MANAGE_ORGANISATIONS, organisation_id)


async def set_population(work: Work, organisation_id: int, population: int | None) -> None:
    """How many people live in its area; None where not known. For those who manage it.

    Raises NotAllowed, Refusal.
    """
    await access.require(work, Right.MANAGE_ORGANISATIONS, organisation_id)
    if population is not None and not 1 <= population <= LARGEST_POPULATION:
        raise Refusal("form_number_range", least=1, most=LARGEST_POPULATION)
    organisation = await work.session.get_one(Organisation, organisation_id)
    organisation.population = population
    await work.session.flush()
    audit.note(
        work, "organisation.population", f"organisation:{organisation_id}",
        organisation_id=organisation_id, population=population,
    )  # fmt: skip


# What


async def parts(work: Work, organisation_id: int) -> list[Organisation]:
    """Those right below it. Raises Gone, NotAllowed."""
    await _seen(work, organisation_id)
    return await organisations.children(work.session, organisation_id, closed=True)


async def overview(
    work: Work, organisation_id: int, period: Period, back: int = 0, attribute: int = 0
) -> Overview:
    """Everything of an organisation in a period; `attribute` is what the map shows.

    Raises Gone, NotAllowed.
    """
    organisation = await _seen(work, organisation_id)
    return await overview_of(work, organisation, span(work, period, back), attribute)


async def overview_of(
    work: Work, organisation: Organisation, shown: Span, attribute: int = 0
) -> Overview:
    """As `overview`, for whoever has been asked for their rights already."""
    tree = _Tree(organisation, await _below(work, organisation))
    by_place = await _by_organisation(work, organisation, shown)
    own, parts = tree.parts(by_place)
    earlier = span(work, shown.period, shown.back + 1)
    before = Figures()
    for one in (await _by_organisation(work, organisation, earlier)).values():
        before.add(one)
    now = counting.month_of(work, work.now)
    months = await _by_month(work, organisation, min(shown.last, now))
    abilities = await _abilities(work, organisation)
    chosen = next((one for one in abilities if one.attribute == attribute), abilities[0])
    return Overview(
        organisation=organisation,
        way=await _way(work, organisation),
        span=shown,
        own=own,
        before=before,
        parts=parts,
        trend=months[-TREND:],
        goal=_goal(work, organisation, own.figures.registered, months, shown),
        cohorts=await _cohorts(work, organisation),
        abilities=abilities,
        shown=chosen,
        places=tree.placed(await _holders(work, organisation, chosen.attribute)),
        readiness=await _readiness(work, organisation),
    )


async def side_by_side(
    work: Work, organisation: Organisation, shown: Span
) -> tuple[Part, list[Part]]:
    """The whole and what lies right below it, for whoever has been asked for their rights."""
    tree = _Tree(organisation, await _below(work, organisation))
    return tree.parts(await _by_organisation(work, organisation, shown))


async def _below(work: Work, organisation: Organisation) -> list[Organisation]:
    found = await work.session.scalars(
        select(Organisation)
        .where(organisations.within(organisation.path), Organisation.id != organisation.id)
        .order_by(Organisation.path)
    )
    return list(found)


class _Tree:
    """Sums by the organisations right below one."""

    def __init__(self, top: Organisation, below: Sequence[Organisation]) -> None:
        self.top = top
        self.children = [one for one in below if one.parent_id == top.id]
        self.children.sort(key=lambda one: one.id)
        depth = top.path.count(".")
        self._child = {one.id: int(one.path.split(".")[depth]) for one in below}
        self._parents = {one.parent_id for one in below}

    def parts(self, by_place: Mapping[int, Figures]) -> tuple[Part, list[Part]]:
        """The whole, and what it consists of."""
        whole, direct = Figures(), Figures()
        sums: defaultdict[int, Figures] = defaultdict(Figures)
        for key, figures in by_place.items():
            whole.add(figures)
            (direct if key == self.top.id else sums[self._child[key]]).add(figures)
        parts = [Part(one, sums[one.id], one.id in self._parents) for one in self.children]
        if parts and direct != Figures():
            parts.append(Part(self.top, direct, below=False, direct=True))
        return Part(self.top, whole, below=bool(parts)), parts

    def placed(self, people: Mapping[int, int]) -> list[Placed]:
        sums: defaultdict[int, int] = defaultdict(int)
        for key, number in people.items():
            sums[self._child.get(key, self.top.id)] += number
        shown = self.children or [self.top]
        return [Placed(one, sums[one.id]) for one in shown]


async def _way(work: Work, organisation: Organisation) -> list[Organisation]:
    """Down from the highest one that the actor sees; without an actor, none."""
    seen = [one.path for one in await access.organisations_with(work, Right.SEE_STATISTICS)]
    above = (await organisations.chain(work.session, organisation))[:-1]
    return [one for one in above if any(one.path.startswith(path) for path in seen)]


def _inside(table: Any, organisation: Organisation) -> ColumnElement[bool]:
    here = select(Organisation.id).where(organisations.within(organisation.path))
    return table.organisation_id.in_(here)  # type: ignore[no-any-return]


async def _by_organisation(
    work: Work, organisation: Organisation, shown: Span
) -> dict[int, Figures]:
    """What each organisation of the subtree itself has."""
    found: defaultdict[int, Figures] = defaultdict(Figures)
    within = PeopleCount.month.between(shown.first, shown.last)
    people = await work.session.execute(
        select(
            PeopleCount.organisation_id,
            func.sum(PeopleCount.joined - PeopleCount.left).label("registered"),
            func.sum(PeopleCount.active).label("active"),
            func.sum(case((within, PeopleCount.new), else_=0)).label("new"),
        )
        .where(_inside(PeopleCount, organisation), PeopleCount.month <= shown.last)
        .group_by(PeopleCount.organisation_id)
    )
    hours = await work.session.execute(_sums(HoursCount, organisation, shown, ("minutes",)))
    names = ("activities", "shifts", "places", "filled", "attended", "no_shows")
    activities = await work.session.execute(_sums(ActivityCount, organisation, shown, names))
    for rows in (people, hours, activities):
        for row in rows.mappings():
            for name, value in row.items():
                if name != "organisation_id":
                    setattr(found[row["organisation_id"]], name, int(value))
    delays = await work.session.execute(
        _sums(DelayCount, organisation, shown, ("decisions",), DelayCount.bucket)
    )
    for key, bucket, number in delays:
        found[key].delays[bucket] = int(number)
    return found


def _sums(
    table: Any, organisation: Organisation, shown: Span, names: Iterable[str], *keys: Any
) -> Select[Any]:
    return (
        select(table.organisation_id, *keys, *(func.sum(getattr(table, n)).label(n) for n in names))
        .where(_inside(table, organisation), table.month.between(shown.first, shown.last))
        .group_by(table.organisation_id, *keys)
    )


async def _by_month(work: Work, organisation: Organisation, last: int) -> list[Month]:
    """Every month from the first one in which there was anybody, to the last."""
    people = await work.session.execute(
        select(
            PeopleCount.month,
            func.sum(PeopleCount.joined - PeopleCount.left),
            func.sum(PeopleCount.active),
        )
        .where(_inside(PeopleCount, organisation), PeopleCount.month <= last)
        .group_by(PeopleCount.month)
    )
    hours = await work.session.execute(
        select(HoursCount.month, func.sum(HoursCount.minutes))
        .where(_inside(HoursCount, organisation), HoursCount.month <= last)
        .group_by(HoursCount.month)
    )
    grown = {month: (int(registered), int(active)) for month, registered, active in people}
    minutes = {month: int(total) for month, total in hours}
    months = range(min([*grown, last]), last + 1)
    registered = accumulate(grown.get(month, (0, 0))[0] for month in months)
    active = accumulate(grown.get(month, (0, 0))[1] for month in months)
    return [
        Month(month, people, served, minutes.get(month, 0))
        for month, people, served in zip(months, registered, active, strict=True)
    ]


def _goal(
    work: Work, organisation: Organisation, registered: int, months: Sequence[Month], shown: Span
) -> Goal | None:
    """Reckoned from the end of the period shown, as far as its months are over."""
    if not organisation.population:
        return None
    share = work.policy.registered_goal
    target = ceil(organisation.population * share)
    now = min(counting.month_of(work, work.now), shown.last)
    ends = [one.registered for one in months if one.month < now + (not shown.goes_on)]
    found = trends.forecast(registered, target, ends)

    def month(later: int | None) -> int | None:
        return None if later is None else now + later

    return Goal(
        share, target, found.outlook, found.growth,
        month(found.expected), month(found.soonest), month(found.latest),
    )  # fmt: skip


async def _cohorts(work: Work, organisation: Organisation) -> list[Cohort]:
    """The latest quarters of sign-up, the newest last."""
    now = counting.month_of(work, work.now) // QUARTER
    rows = await work.session.execute(
        select(CohortCount.quarter, CohortCount.after, func.sum(CohortCount.people))
        .where(
            _inside(CohortCount, organisation),
            CohortCount.quarter.between(now - COHORTS + 1, now),
            CohortCount.after < COHORTS,
        )
        .group_by(CohortCount.quarter, CohortCount.after)
    )
    people = {(quarter, after): int(number) for quarter, after, number in rows}
    return [
        Cohort(
            quarter,
            people.get((quarter, SIGNED_UP), 0),
            [
                _share(people.get((quarter, after), 0), people.get((quarter, SIGNED_UP), 0))
                if quarter + after <= now
                else None
                for after in range(COHORTS)
            ],
        )
        for quarter in range(now - COHORTS + 1, now + 1)
    ]


# Abilities


async def _abilities(work: Work, organisation: Organisation) -> list[Ability]:
    """Everyone first, then skills and documents, the commonest first."""
    rows = await work.session.execute(
        select(AbilityCount.attribute, func.sum(AbilityCount.people))
        .where(_inside(AbilityCount, organisation))
        .group_by(AbilityCount.attribute)
    )
    people = {attribute: int(number) for attribute, number in rows}
    known = await _known(work)
    found = [
        Ability(one.attribute, one.names, one.is_document, people.get(one.attribute, 0))
        for one in known.values()
    ]
    found.sort(key=lambda one: (one.names is not None, one.is_document, -one.people))
    return found


async def _known(work: Work) -> dict[int, Ability]:
    skills = await work.session.execute(select(Skill.id, Skill.names).order_by(Skill.position))
    kinds = await work.session.execute(
        select(QualificationKind.id, QualificationKind.names).order_by(QualificationKind.position)
    )
    found = [Ability(traits.EVERYONE, None, is_document=False)]
    found += [
        Ability(traits.skill_attribute(key), names, is_document=False) for key, names in skills
    ]
    found += [
        Ability(traits.qualification_attribute(key), names, is_document=True)
        for key, names in kinds
    ]
    return {one.attribute: one for one in found}


async def _holders(work: Work, organisation: Organisation, attribute: int) -> dict[int, int]:
    rows = await work.session.execute(
        select(AbilityCount.organisation_id, AbilityCount.people).where(
            _inside(AbilityCount, organisation), AbilityCount.attribute == attribute
        )
    )
    return {key: people for key, people in rows}  # noqa: C416 - rows are no pairs to mypy


async def _readiness(work: Work, organisation: Organisation) -> Readiness:
    """Of the towns in the subtree; below a town, of that town."""
    known = await _known(work)
    wanted = [known[key] for key in await counting.emergency_attributes(work) if key in known]
    is_town = Organisation.kind == OrganisationKind.TOWN_ASSOCIATION
    where = select(Organisation).where(is_town, Organisation.latitude.is_not(None))
    inside = where.where(organisations.within(organisation.path)).order_by(Organisation.id)
    towns = list(await work.session.scalars(inside))
    if not towns:
        town = await organisations.town_of(work.session, organisation)
        towns = [town] if town.kind is OrganisationKind.TOWN_ASSOCIATION else []
    rows = await work.session.execute(
        select(ReachCount.organisation_id, ReachCount.attribute, ReachCount.people).where(
            ReachCount.organisation_id.in_([town.id for town in towns])
        )
    )
    people = {(key, attribute): number for key, attribute, number in rows}
    return Readiness(
        wanted,
        [Reached(one, [people.get((one.id, w.attribute), 0) for w in wanted]) for one in towns],
        round(counting.RADIUS / 1000),
    )


# Side by side


class Order(StrEnum):
    """What the organisations below one can be put in order by."""

    NAME = "name"
    REGISTERED = "registered"
    SHARE = "share"
    NEW = "new"
    ACTIVE = "active"
    MINUTES = "minutes"
    ACTIVITIES = "activities"
    FILL_RATE = "fill_rate"
    SHOW_UP_RATE = "show_up_rate"
    MEDIAN_HOURS = "median_hours"


def ordered(
    parts: Sequence[Part], order: Order, named: Callable[[Mapping[str, str]], str], *, up: bool
) -> list[Part]:
    """The largest first unless `up`; those without a value last in any case."""
    if order is Order.NAME:
        names = {id(one): named(organisations.area_names(one.organisation)) for one in parts}
        return sorted(parts, key=lambda one: names[id(one)], reverse=up)

    def value(one: Part) -> float | None:
        found = one.share if order is Order.SHARE else getattr(one.figures, order.value)
        return None if found is None else float(found)

    known = [(found, at) for at, one in enumerate(parts) if (found := value(one)) is not None]
    known.sort(key=lambda pair: (pair[0] if up else -pair[0], pair[1]))
    return [parts[at] for _, at in known] + [one for one in parts if value(one) is None]


# In short, and drawn


def in_short(seen: Overview) -> dict[str, Any]:
    """What the chat says of it, as JSON can hold it."""
    own, goal = seen.own, seen.goal
    numbers = {
        name: getattr(own.figures, name)
        for name in ("registered", "active", "new", "minutes", "activities", "fill_rate",
                     "show_up_rate", "median_hours", "p90_hours")
    }  # fmt: skip
    return {
        **numbers,
        "names": seen.organisation.names,
        "share": own.share,
        "span": asdict(seen.span),
        "goal": asdict(goal) if goal else None,
    }


def drawings(seen: Overview, named: Callable[[Mapping[str, str]], str]) -> dict[str, Any]:
    """Its charts as figures; `named` says a name in the language of who looks."""
    months = [one.month for one in seen.trend]
    target = seen.goal.target if seen.goal else None
    parts = [one for one in seen.parts if not one.direct] or [seen.own]
    by_share = all(one.share is not None for one in parts)
    values = [(one.share or 0.0) if by_share else float(one.figures.registered) for one in parts]
    order = sorted(range(len(parts)), key=lambda at: -values[at])[:SIDE_BY_SIDE]
    return {
        "curves": plots.curves(
            months,
            [one.registered for one in seen.trend],
            [one.active for one in seen.trend],
            target,
        ),
        "bars": plots.bars(months, [round(one.minutes / 60) for one in seen.trend]),
        "bars_of": plots.side_by_side(
            [parts[at] for at in order],
            [values[at] for at in order],
            seen.goal.share if seen.goal and by_share else None,
        ),
        "map": plots.bubbles(
            [
                plots.Spot(
                    one.organisation.id,
                    named(organisations.area_names(one.organisation)),
                    one.organisation.latitude,
                    one.organisation.longitude,
                    one.people,
                )
                for one in seen.places
                if one.organisation.latitude is not None and one.organisation.longitude is not None
            ]
        ),
    }

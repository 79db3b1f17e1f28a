"""Charts of statistics as plain figures: curves towards a goal, bars by month, circles on a map.

Drawn as SVG by templates, on pages, in chat and in print; each is 1000 units wide. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import cos, radians, sqrt
from typing import Any

LEFT, RIGHT, TOP, BOTTOM = 100.0, 980.0, 90.0, 430.0
"""The edges of what is plotted by month."""
ROOM = 1.08
"""Left above the highest value."""
FAR_ABOVE = 2.5
"""A goal so many times the highest value is not drawn: the curve would lie flat."""
LINES = 5
"""Marks of an axis at most, and above."""
MONTHS = 9
"""Labels of the lower axis at most."""
SIDE, MARGIN = 1000.0, 60.0
"""Of the map."""
LARGEST, SMALLEST = 58.0, 7.0
"""Radii of circles."""
LETTERS, DIGITS = 27.0, 24.0
"""Heights of a name and of a number on the map."""
LEAST_NUMBERED = 24.0
"""Radius of the smallest circle that bears its number."""
HALF_WIDTH, FULL_WIDTH = 0.55, 1.0
"""Of a Latin and a Chinese letter, by its height."""
LEAST_DEGREES = 0.02
"""What a map spans at least."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A value, or the number of a month, at an axis."""

    value: int
    at: float


@dataclass(frozen=True, slots=True)
class Curves:
    """`filled` is the outline below the first; the others are points of lines, as SVG has them."""

    filled: str
    registered: str
    active: str
    last_registered: Tick
    last_active: Tick
    goal: Tick | None
    """None where it lies far above, or there is none."""
    months: list[Tick]
    people: list[Tick]


@dataclass(frozen=True, slots=True)
class Bar:
    month: int
    value: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    bars: list[Bar]
    months: list[Tick]
    values: list[Tick]


def curves(
    months: Sequence[int], registered: Sequence[int], active: Sequence[int], target: int | None
) -> Curves:
    """Registered and active people at the ends of months."""
    highest = max(*registered, *active, 1)
    near = target if target and target <= FAR_ABOVE * highest else None
    top = max(highest, near or 0) * ROOM
    step = (RIGHT - LEFT) / max(1, len(months) - 1)

    def up(value: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)

    def line(values: Sequence[int]) -> str:
        return " ".join(f"{LEFT + at * step:.1f},{up(value)}" for at, value in enumerate(values))

    ends = LEFT + (len(months) - 1) * step
    return Curves(
        filled=f"{LEFT},{BOTTOM} {line(registered)} {ends:.1f},{BOTTOM}",
        registered=line(registered),
        active=line(active),
        last_registered=Tick(registered[-1], up(registered[-1])),
        last_active=Tick(active[-1], up(active[-1])),
        goal=Tick(near, up(near)) if near else None,
        months=[Tick(month, round(LEFT + at * step, 1)) for at, month in _labelled(months)],
        people=[Tick(value, up(value)) for value in ticks(top)],
    )


def bars(months: Sequence[int], values: Sequence[int]) -> Bars:
    top = max(*values, 1) * ROOM
    step = (RIGHT - LEFT) / len(months)
    width = round(step * 0.72, 1)

    def bar(at: int, month: int, value: int) -> Bar:
        height = round((BOTTOM - TOP) * max(value, 0) / top, 1)
        x = round(LEFT + at * step + (step - width) / 2, 1)
        return Bar(month, value, x, round(BOTTOM - height, 1), width, height)

    drawn = zip(months, values, strict=True)
    return Bars(
        [bar(at, month, value) for at, (month, value) in enumerate(drawn)],
        [Tick(month, round(LEFT + (at + 0.5) * step, 1)) for at, month in _labelled(months)],
        [Tick(v, round(BOTTOM - (BOTTOM - TOP) * v / top, 1)) for v in ticks(top)],
    )


def _labelled(months: Sequence[int]) -> list[tuple[int, int]]:
    """The months that bear a label, with their places: all, or the firsts of quarters or years."""
    every = next((n for n in (1, 3, 6, 12) if len(months) / n <= MONTHS), 24)
    return [(at, month) for at, month in enumerate(months) if month % every == 0]


def ticks(top: float) -> list[int]:
    """Round numbers from 0 up to `top`, a handful."""
    steps = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    step = next(step for step in steps if top / step <= LINES)
    return list(range(0, int(top) + 1, step))


# Side by side

NAMES, LONGEST = 300.0, 500.0
"""Where horizontal bars begin, and how long the longest is."""


@dataclass(frozen=True, slots=True)
class Row:
    part: Any
    width: float


@dataclass(frozen=True, slots=True)
class Rows:
    rows: list[Row]
    goal_at: float | None
    left: float = NAMES


def side_by_side(parts: Sequence[Any], values: Sequence[float], goal: float | None) -> Rows:
    """A bar for each part in their order, and where the goal stands if it is as near as that."""
    most = max(*values, 0.0, 1e-9)
    near = goal if goal and goal <= FAR_ABOVE * most else None
    top = max(most, near or 0.0)
    drawn = zip(parts, values, strict=True)
    return Rows(
        [Row(part, round(LONGEST * value / top, 1)) for part, value in drawn],
        round(NAMES + LONGEST * near / top, 1) if near else None,
    )


# The map


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in WGS-84 degrees, its name and how many people."""

    key: int
    name: str
    latitude: float
    longitude: float
    people: int


@dataclass(frozen=True, slots=True)
class Circle:
    key: int
    name: str
    people: int
    x: float
    y: float
    radius: float
    labelled: bool
    """There is room for its name, right below."""
    numbered: bool
    """There is room for its number, inside."""


@dataclass(frozen=True, slots=True)
class Map:
    width: float
    height: float
    circles: list[Circle] = field(default_factory=list)
    """The largest first, so that the others lie on top."""


def bubbles(spots: Sequence[Spot]) -> Map:
    """Circles whose area is the number of people, north up, fitted to the places."""
    if not spots:
        return Map(SIDE, SIDE / 2)
    south, north = _span([one.latitude for one in spots])
    narrowing = cos(radians((south + north) / 2))
    west, east = _span([one.longitude * narrowing for one in spots])
    inner = SIDE - 2 * (MARGIN + LARGEST)
    scale = min(inner / (east - west), inner / (north - south))
    across = (SIDE - (east - west) * scale) / 2
    height = (north - south) * scale + 2 * (MARGIN + LARGEST)
    most = max(*(one.people for one in spots), 1)
    drawn: list[Circle] = []
    taken: list[tuple[float, float, float, float]] = []
    for one in sorted(spots, key=lambda spot: (-spot.people, spot.key)):
        x = round(across + (one.longitude * narrowing - west) * scale, 1)
        y = round(height - MARGIN - LARGEST - (one.latitude - south) * scale, 1)
        radius = round(max(SMALLEST, LARGEST * sqrt(one.people / most)), 1)
        numbered = radius >= LEAST_NUMBERED and _take(
            taken, _box(f"{one.people:,}", x, y - DIGITS / 2, DIGITS)
        )
        labelled = _take(taken, _box(one.name, x, y + radius, LETTERS))
        drawn.append(Circle(one.key, one.name, one.people, x, y, radius, labelled, numbered))
    return Map(SIDE, round(height, 1), drawn)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    missing = max(0.0, LEAST_DEGREES - (high - low)) / 2
    return low - missing, high + missing


def _box(text: str, x: float, top: float, height: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text."""
    wide = sum(HALF_WIDTH if letter.isascii() else FULL_WIDTH for letter in text) * height / 2
    return x - wide, top, x + wide, top + height * 1.3


def _take(
    taken: list[tuple[float, float, float, float]], box: tuple[float, float, float, float]
) -> bool:
    """Takes the room if it is free."""
    if any(_overlap(box, other) for other in taken):
        return False
    taken.append(box)
    return True


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

"""The response curve of a call-out as plain figures: how many had said yes, and were there. Pure.

Drawn as SVG by a template, on the page and in print.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 60.0, 970.0, 80.0, 460.0
"""The edges of what is plotted, in units of the drawing, of which it is 1000 wide."""
SHORTEST = 10.0
"""Minutes that the axis spans at least."""
ROOM = 1.1
"""Left above the highest step, and behind the last."""
MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
"""Steps between the marks of the axis."""
MARKS = 8
"""At most."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A number at an axis, and where along it."""

    value: int
    at: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Outlines as SVG takes the points of a polygon."""

    said_yes: str
    arrived: str
    quota: Mark
    minutes: list[Mark]
    people: list[Mark]
    last_yes: int
    last_arrived: int


def curve(said_yes: Sequence[float], arrived: Sequence[float], quota: int) -> Curve:
    """Of the minutes after the launch, in any order, at which people said yes and arrived."""
    last = max([*said_yes, *arrived, SHORTEST]) * ROOM
    highest = max(quota, len(said_yes), len(arrived), 1)
    across, up = (RIGHT - LEFT) / last, (BOTTOM - TOP) / (highest * ROOM)

    def outline(moments: Sequence[float]) -> str:
        """A stair that goes up by one at each moment, closed along the axis."""
        points = [(LEFT, BOTTOM)]
        for number, minute in enumerate(sorted(moments)):
            x = LEFT + max(minute, 0.0) * across
            points += [(x, BOTTOM - number * up), (x, BOTTOM - (number + 1) * up)]
        points += [(RIGHT, BOTTOM - len(moments) * up), (RIGHT, BOTTOM)]
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)

    return Curve(
        outline(said_yes),
        outline(arrived),
        Mark(quota, round(BOTTOM - quota * up, 1)),
        [Mark(minute, round(LEFT + minute * across, 1)) for minute in _marks(last, MINUTES)],
        [Mark(number, round(BOTTOM - number * up, 1)) for number in _marks(highest, _tens())],
        len(said_yes),
        len(arrived),
    )


def _marks(last: float, steps: Sequence[int]) -> range:
    step = next((step for step in steps if last / step <= MARKS), steps[-1])
    return range(0, int(last) + 1, step)


def _tens() -> list[int]:
    return [digit * 10**power for power in range(5) for digit in (1, 2, 5)]

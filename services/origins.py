"""The map of origins as plain figures: from about where people were asked, and came. Pure.

Homes are counted in squares of a kilometre or more, so that it shows a town and nobody's door.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from services import geo
from services.charting import EDGE, HALF, Ring, rings

SQUARES = (1, 2, 3, 5)
"""Kilometres: sides of the squares; the finest of which no more than `ACROSS` reach the edge."""
ACROSS = 10
LEAST_VIEW = 2000.0
"""Metres that the map shows at least: one square alone would say too much."""
SHARE, MARGIN = 0.97, 1.08
"""Of the homes that the map must hold, and the room that it leaves round them."""
FULL, LEAST = 0.47, 0.1
"""Radius of the circle for the largest count, and for next to none, in sides of a square."""


@dataclass(frozen=True, slots=True)
class Home:
    """About where somebody lives who was asked, in WGS-84 degrees, and whether they came."""

    latitude: float
    longitude: float
    came: bool


@dataclass(frozen=True, slots=True)
class Square:
    """Its middle in units of the drawing, how many were asked and came, and circles for both."""

    x: float
    y: float
    asked: int
    came: int
    asked_radius: float
    came_radius: float


@dataclass(frozen=True, slots=True)
class Origins:
    side: float
    rings: list[Ring]
    squares: list[Square]
    kilometres: int
    """The side of a square."""
    beyond: int
    """People outside of the view."""


def origins(latitude: float, longitude: float, radius: float, homes: Sequence[Home]) -> Origins:
    """Fitted to the homes within the radius (metres) of the rally point, but for a few far ones."""
    metres = [geo.distance(latitude, longitude, h.latitude, h.longitude) for h in homes]
    inside = sorted(far for far in metres if far <= radius)
    widest = inside[round(SHARE * (len(inside) - 1))] if inside else 0.0
    view = max(widest * MARGIN, LEAST_VIEW)
    shown = [home for home, far in zip(homes, metres, strict=True) if far <= view]
    kilometres = next((km for km in SQUARES if km * 1000 * ACROSS >= view), SQUARES[-1])
    squares = _counted(latitude, longitude, kilometres * 1000.0, shown)
    unit = kilometres * 1000.0 * HALF * EDGE / view
    drawn = _drawn(squares, unit)
    return Origins(2 * HALF, rings(view), drawn, kilometres, len(homes) - len(shown))


def _counted(
    latitude: float, longitude: float, side: float, homes: Sequence[Home]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Squares east and north of the rally point -> how many were asked there, and came."""
    east = geo.metres_per_degree_east(latitude)
    asked: Counter[tuple[int, int]] = Counter()
    came: Counter[tuple[int, int]] = Counter()
    for home in homes:
        square = (
            round((home.longitude - longitude) * east / side),
            round((home.latitude - latitude) * geo.METRES_PER_DEGREE / side),
        )
        asked[square] += 1
        came[square] += home.came
    return {square: (count, came[square]) for square, count in asked.items()}


def _drawn(squares: dict[tuple[int, int], tuple[int, int]], unit: float) -> list[Square]:
    """In units of the drawing, of which a square is `unit` wide."""
    most = max((asked for asked, _ in squares.values()), default=1)

    def circle(count: int) -> float:
        """Its area grows with the count, and the smallest still shows."""
        share = LEAST + (FULL - LEAST) * sqrt(count / most)
        return round(share * unit, 1) if count else 0.0

    return [
        Square(
            x=round(HALF + right * unit, 1),
            y=round(HALF - up * unit, 1),
            asked=asked,
            came=came,
            asked_radius=circle(asked),
            came_radius=circle(came),
        )
        for (right, up), (asked, came) in sorted(squares.items())
    ]

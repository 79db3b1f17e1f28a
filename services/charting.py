"""The map of a call-out as plain figures: rings round the rally point, and where people are. Pure.

A plane at the rally point, north up; a city is small enough for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services import geo

HALF = 500.0
"""Half the side of the drawing, in its own units; the rally point is in the middle."""
EDGE = 0.94
"""Share of the half side that the widest ring reaches."""
RINGS = (0.5, 1, 2, 5, 10, 20, 30)
"""Kilometres; those within the view are drawn."""
SHOWN = 400
"""People drawn at most; more dots would hide each other."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Somebody's place in WGS-84 degrees, and their state."""

    latitude: float
    longitude: float
    state: str


@dataclass(frozen=True, slots=True)
class Dot:
    """Units right of and below the upper left corner."""

    x: float
    y: float
    state: str


@dataclass(frozen=True, slots=True)
class Ring:
    kilometres: float
    radius: float


@dataclass(frozen=True, slots=True)
class Plan:
    side: float
    rings: list[Ring]
    dots: list[Dot]
    beyond: int
    """People outside of the view."""


def plan(latitude: float, longitude: float, radius: float, people: Sequence[Placed]) -> Plan:
    """Fitted to the people within the radius (metres): the view is no wider than it must be."""
    metres = [geo.distance(latitude, longitude, p.latitude, p.longitude) for p in people]
    inside = [far for far in metres if far <= radius]
    view = _next_ring(max(inside, default=1000.0))
    scale = HALF * EDGE / view
    east = geo.metres_per_degree_east(latitude)
    dots = [
        Dot(
            x=round(HALF + (p.longitude - longitude) * east * scale, 1),
            y=round(HALF - (p.latitude - latitude) * geo.METRES_PER_DEGREE * scale, 1),
            state=p.state,
        )
        for p, far in zip(people, metres, strict=True)
        if far <= view
    ]
    return Plan(2 * HALF, rings(view), dots[:SHOWN], len(people) - len(dots[:SHOWN]))


def rings(view: float) -> list[Ring]:
    """The widest of the usual ones within a view of so many metres."""
    scale = HALF * EDGE / view
    within = [Ring(km, round(km * 1000 * scale, 1)) for km in RINGS if km * 1000 <= view * 1.001]
    return within[-4:]


def _next_ring(metres: float) -> float:
    """The next wider of the usual rings, in metres."""
    return next((km * 1000.0 for km in RINGS if km * 1000 >= metres), RINGS[-1] * 1000.0)

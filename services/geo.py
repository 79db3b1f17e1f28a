"""Places on the ground: distances, boxes, and rounding that hides the exact door. Pure."""

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS = 6_371_000.0
"""Metres (mean radius)."""
METRES_PER_DEGREE = 111_195.0
"""One degree of latitude."""
CLEAR_DECIMALS = 3
"""Places kept in the clear are rounded to this many decimals of a degree, about 100 m."""


@dataclass(frozen=True, slots=True)
class Box:
    """Degrees that certainly hold a circle; what lies in its corners must still be measured."""

    south: float
    north: float
    west: float
    east: float


def distance(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Metres along the great circle (haversine formula)."""
    lat1, lat2 = radians(latitude), radians(to_latitude)
    half_lat = sin((lat2 - lat1) / 2)
    half_lon = sin(radians(to_longitude - longitude) / 2)
    return 2 * EARTH_RADIUS * asin(sqrt(half_lat**2 + cos(lat1) * cos(lat2) * half_lon**2))


def box_around(latitude: float, longitude: float, metres: float) -> Box:
    up = metres / METRES_PER_DEGREE
    across = metres / metres_per_degree_east(latitude)
    return Box(latitude - up, latitude + up, longitude - across, longitude + across)


def metres_per_degree_east(latitude: float) -> float:
    """One degree of longitude at the latitude; not nought at the poles."""
    return METRES_PER_DEGREE * max(cos(radians(latitude)), 0.01)


def rounded(latitude: float, longitude: float) -> tuple[float, float]:
    """The place as it may stand in the clear."""
    return round(latitude, CLEAR_DECIMALS), round(longitude, CLEAR_DECIMALS)

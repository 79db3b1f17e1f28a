"""A place as people paste it: typed coordinates, or a link from one of the maps that they use.

Chinese maps shift what they show; their coordinates are brought back to WGS-84. Pure.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

import eviltransform

PAIR = re.compile(r"(-?\d{1,3}(?:\.\d+)?)\s*[,，/ ]\s*(-?\d{1,3}(?:\.\d+)?)")
SHIFTED = {"amap.com": "gcj02", "map.qq.com": "gcj02", "map.baidu.com": "bd09"}
"""What a map's coordinates are unless its link says otherwise."""
SAID = {"wgs84": "wgs84", "gaode": "gcj02", "gcj02": "gcj02", "gcj02ll": "gcj02", "bd09ll": "bd09"}
"""What links call their coordinates."""
EASTING_FIRST = ("position", "to", "dest")
"""Parameters of Amap's links that name the longitude first."""
PLACES = ("location", "marker", "q", "query", "ll", "center", "destination", "daddr")


@dataclass(frozen=True, slots=True)
class At:
    """Degrees, WGS-84."""

    latitude: float
    longitude: float


def place_in(text: str) -> At | None:
    """The place that typed coordinates or a link names; None if there is none in it."""
    text = text.strip()
    address = re.search(r"(?:https?://|geo:)\S+", text)
    if address is None:
        whole = PAIR.fullmatch(text)
        return _at(*whole.groups()) if whole else None
    return _in_link(unquote(address.group()))


def _in_link(link: str) -> At | None:
    try:
        parts = urlsplit(link)
    except ValueError:  # brackets that hold no address
        return None
    host = parts.hostname or ""
    asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
    system = next((name for map_, name in SHIFTED.items() if host.endswith(map_)), "wgs84")
    stated = asked.get("coordinate") or asked.get("coord_type") or ""
    found = _pair(parts.scheme, parts.path, parts.fragment, asked)
    return _to_wgs84(found, SAID.get(stated, system)) if found else None


def _pair(scheme: str, path: str, fragment: str, asked: dict[str, str]) -> At | None:
    if "mlat" in asked and "mlon" in asked:
        return _at(asked["mlat"], asked["mlon"])
    for name in EASTING_FIRST:
        if found := PAIR.search(asked.get(name, "")):
            return _at(found.group(2), found.group(1))
    for name in PLACES:
        if found := PAIR.search(asked.get(name, "")):
            return _at(*found.groups())
    # Google's /@22.5,113.4,15z, OpenStreetMap's #map=15/22.5/113.4, and geo:22.5,113.4
    for inside in (path.partition("@")[2], fragment.partition("=")[2].partition("/")[2]):
        if found := PAIR.match(inside):
            return _at(*found.groups())
    found = PAIR.match(path) if scheme == "geo" else None
    return _at(*found.groups()) if found else None


def _at(latitude: str, longitude: str) -> At | None:
    at = At(float(latitude), float(longitude))
    on_earth = -90 <= at.latitude <= 90 and -180 <= at.longitude <= 180
    return at if on_earth else None


def _to_wgs84(at: At, system: str) -> At:
    if system == "gcj02":
        return At(*eviltransform.gcj2wgs_exact(at.latitude, at.longitude))
    if system == "bd09":
        return At(*eviltransform.bd2wgs(at.latitude, at.longitude))
    return at

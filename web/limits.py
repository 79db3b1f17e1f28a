"""How often the same somebody may do something on a page. In memory: a restart forgives."""

from collections import defaultdict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from aiohttp import web

REMEMBERED = 10_000
"""Of whom it is known when they came last, for each rate."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` times within `seconds`, for each key."""

    name: str
    most: int
    seconds: float = 60.0


class Limits:
    """Counts for every rate; what is refused does not count."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._at: defaultdict[str, dict[Hashable, deque[float]]] = defaultdict(dict)

    def exceeded(self, rate: Rate, key: Hashable, now: float) -> bool:
        """Counts this time, unless it is one too many. `now` is in seconds of any clock."""
        known = self._at[rate.name]
        times = known.pop(key, deque())
        while times and times[0] <= now - rate.seconds:
            times.popleft()
        known[key] = times
        if len(known) > self._remembered:
            del known[next(iter(known))]
        if len(times) >= rate.most:
            return True
        times.append(now)
        return False

    def left(self, rate: Rate, key: Hashable, now: float) -> tuple[int, float]:
        """How often more, and seconds until the earliest time no longer counts."""
        times = self._at[rate.name].get(key, ())
        first = next(iter(times), now)
        return max(rate.most - len(times), 0), max(first + rate.seconds - now, 0.0)


Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LIMITS = web.AppKey("limits", Limits)
PROXIES: web.AppKey[list[Network]] = web.AppKey("proxies")
"""Where others than this machine may say for whom they ask."""
IPV6_HOME = 64
"""Bits of an IPv6 address that a household has to itself."""


def client(request: web.Request) -> str:
    """Whose request it is, by address; of IPv6 the network, within which addresses are free.

    What a proxy says counts: the last that it was told by is who came to it.
    """
    address = _address(request.remote or "")
    if _is_proxy(address, request.app[PROXIES]):
        forwarded = request.headers.get("X-Forwarded-For", "")
        address = _address(forwarded.rpartition(",")[2].strip()) or address
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_HOME), strict=False))
    return str(address or "")


def _address(text: str) -> Address | None:
    """IPv4 in the clothes of IPv6 is IPv4."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _is_proxy(address: Address | None, proxies: list[Network]) -> bool:
    if address is None:
        return False
    return address.is_loopback or any(address in network for network in proxies)

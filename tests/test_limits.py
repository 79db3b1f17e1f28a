"""How often something may be done on a page, and who does it."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from web.limits import PROXIES, Limits, Rate, client

OFTEN, RARE = Rate("often", most=2, seconds=60.0), Rate("rare", most=1, seconds=60.0)


def test_so_often_within_so_many_seconds_and_what_is_refused_does_not_count() -> None:
    limits = Limits()
    assert [limits.exceeded(OFTEN, "a", now) for now in (0, 1, 2, 59, 60.5)] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert limits.left(OFTEN, "a", 60.5)[0] == 0
    assert not limits.exceeded(OFTEN, "b", 2)


def test_a_flood_of_strangers_at_one_thing_does_not_forgive_another() -> None:
    limits = Limits(remembered=10)
    assert not limits.exceeded(RARE, "somebody", 0)
    for stranger in range(100):
        limits.exceeded(OFTEN, stranger, 1)
    assert limits.exceeded(RARE, "somebody", 2)


@pytest.mark.parametrize(
    ("asks", "who"),
    [
        ("127.0.0.1", "203.0.113.7"),
        ("10.0.1.9", "203.0.113.7"),
        ("::ffff:10.0.1.9", "203.0.113.7"),
        ("10.0.2.9", "10.0.2.9"),
        ("2001:db8::1", "2001:db8::/64"),
    ],
)
def test_only_a_known_proxy_says_for_whom_it_asks(asks: str, who: str) -> None:
    app = web.Application()
    app[PROXIES] = [ip_network("10.0.1.0/24")]
    said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    request = make_mocked_request("GET", "/verify", headers=said, app=app)
    assert client(request.clone(remote=asks)) == who

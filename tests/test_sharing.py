"""How several processes share the rate of one bot."""

import pytest

from bot.sharing import shares


def test_shares_of_one_rate_are_never_more_than_the_rate() -> None:
    assert shares(30, [], sends=True, urgent=False) == []
    assert shares(30, [0.0, 0.0], sends=False, urgent=False) == [6.0, 6.0]
    assert sum(shares(30, [100.0, 3.0], sends=True, urgent=False)) == pytest.approx(24)
    assert sum(shares(30, [100.0, 3.0], sends=True, urgent=True)) == pytest.approx(6)
    quiet, pressed = shares(30, [0.0, 9.0], sends=True, urgent=False)
    assert quiet >= 3 and pressed > 9

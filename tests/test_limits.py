"""How often something may be done on a page."""

from web.limits import Limits, Rate

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

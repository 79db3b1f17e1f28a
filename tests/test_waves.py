"""The wave policy: whom to ask, how many, and when nobody."""

from hypothesis import given
from hypothesis import strategies as st

from services import waves
from services.waves import Asked, Candidate, Past, Prior

PRIOR = Prior()
POOL = [Candidate(key, eta=5 + key / 10, p=0.15, s=0.8) for key in range(1, 2_001)]


def silent(count: int, at: float = 0.0) -> list[Asked]:
    return [Asked(at, 0.15, None, yes=False, s=0.0) for _ in range(count)]


def coming(count: int, after: float = 3.0) -> list[Asked]:
    return [Asked(0.0, 0.15, after, yes=True, s=0.8) for _ in range(count)]


@given(st.integers(1, 200), st.integers(0, 400), st.integers(0, 60), st.floats(0, 120))
def test_a_wave_is_bounded_and_names_nobody_twice(
    quota: int, unanswered: int, yes: int, now: float
) -> None:
    asked = silent(unanswered) + coming(yes)
    decision = waves.decide(quota, asked, POOL, now, PRIOR, most=300)
    assert len(decision.send) <= 300
    assert len(set(decision.send)) == len(decision.send)
    if decision.full:
        assert decision.send == ()


def test_the_nearest_are_asked_first() -> None:
    decision = waves.decide(10, [], list(reversed(POOL)), 0.0, PRIOR)
    assert decision.send == tuple(range(1, len(decision.send) + 1))


def test_with_as_many_on_scene_as_wanted_it_is_full() -> None:
    there = [Asked(0.0, 0.15, 2.0, yes=True, s=1.0) for _ in range(10)]
    assert waves.decide(10, there, POOL, 20.0, PRIOR).full
    assert not waves.decide(11, there, POOL, 20.0, PRIOR).full


def test_more_must_say_yes_than_are_wanted_and_the_more_the_fewer_show_up() -> None:
    wanted = [waves.missing(30, (), Prior(show_up=share)) for share in (0.9, 0.8, 0.5)]
    assert 30 < wanted[0] < wanted[1] < wanted[2]


def test_while_enough_is_pending_nobody_else_is_asked() -> None:
    first = waves.decide(10, [], POOL, 0.0, PRIOR)
    pending = silent(len(first.send))
    again = waves.decide(10, pending, POOL[len(first.send) :], 0.2, PRIOR)
    assert len(first.send) > 50 and len(again.send) < len(first.send) / 10


def test_silence_teaches_that_fewer_answer_and_a_rush_that_more_do() -> None:
    quiet = waves.decide(10, silent(200), POOL, 15.0, PRIOR)
    rush = waves.decide(100, silent(60) + coming(60), POOL, 15.0, PRIOR)
    assert quiet.rate < 0.5 and rush.rate > 1.5
    assert quiet.response < PRIOR.response < rush.response


def test_slow_answers_teach_patience() -> None:
    quick = waves.decide(60, silent(80) + coming(20, after=2.0), POOL, 30.0, PRIOR)
    slow = waves.decide(60, silent(80) + coming(20, after=15.0), POOL, 30.0, PRIOR)
    assert quick.scale < 1.0 and slow.scale > 2.0
    assert slow.expected > quick.expected


def test_past_callouts_move_what_is_assumed_but_one_odd_one_does_not_wreck_it() -> None:
    usual = Past(asked=100, yes=10, delays=(8.0,) * 10, came=9)
    learnt = waves.learn(PRIOR, [usual] * 10)
    assert 0.10 <= learnt.response < 0.12
    assert 6.0 < learnt.median <= 8.0
    assert learnt.show_up > PRIOR.show_up
    odd = waves.learn(PRIOR, [Past(asked=20_000, yes=0, delays=(), came=0)])
    assert odd.response > PRIOR.response / 4
    assert waves.learn(PRIOR, []) == PRIOR


def test_who_is_late_is_counted_on_less_with_every_minute() -> None:
    chances = [waves.comes(PRIOR, late) for late in (-10, 0, 5, 15, 40)]
    assert chances[0] == chances[1] == PRIOR.show_up
    assert sorted(chances, reverse=True) == chances and chances[-1] < 0.05


def test_those_who_stay_away_now_teach_of_the_others() -> None:
    worse = waves.observed(PRIOR, came=5, absent=15)
    assert worse.show_up < PRIOR.show_up and worse.shown > PRIOR.shown
    assert waves.missing(30, (), worse) > waves.missing(30, (), PRIOR)


def test_while_the_first_answers_may_still_come_nobody_else_is_asked() -> None:
    pending = silent(60)
    too_soon = waves.decide(10, pending, POOL, 1.0, PRIOR, horizon=5.0)
    later = waves.decide(10, pending, POOL, 2.1, PRIOR, horizon=5.0)
    assert too_soon.send == () and not too_soon.full and later.send


def test_what_the_commander_changes_does_not_wait_for_answers() -> None:
    pending = silent(60)
    changed = waves.decide(30, pending, POOL, 0.5, PRIOR, horizon=5.0, listens=False)
    assert len(changed.send) > 100


def test_a_wave_that_was_cut_off_goes_on_at_once() -> None:
    first = waves.decide(100, [], POOL, 0.0, PRIOR, most=200)
    again = waves.decide(100, silent(200), POOL[200:], 0.2, PRIOR, most=200)
    assert len(first.send) == len(again.send) == 200


def test_a_few_too_few_may_yet_come_and_are_waited_for() -> None:
    """Over-booking is not worth a wave of its own while much is pending."""
    enough = waves.decide(30, [], POOL, 0.0, PRIOR)
    nearly = silent(len(enough.send) - 32) + coming(12, after=1.5)
    again = waves.decide(30, nearly, POOL[len(nearly) :], 2.5, PRIOR)
    assert not again.full and again.send == ()


def test_who_came_before_is_more_likely_to_come_again() -> None:
    never, usual, always = (waves.own_response(0.15, 12, yes) for yes in (0, 2, 12))
    assert 0.05 < never < usual < always < 0.5
    assert waves.own_response(0.15, 0, 0) == 0.15
    reliable = [Candidate(key, eta=10.0, p=0.3, s=0.8) for key in range(5_001, 5_011)]
    decision = waves.decide(10, [], [*POOL, *reliable], 0.0, PRIOR)
    assert {one.key for one in reliable} <= set(decision.send)


def test_at_night_one_looks_farther_ahead_and_less_far_where_lives_are_at_stake() -> None:
    by_day, at_night = (waves.horizon(night=night, critical=False) for night in (False, True))
    assert waves.horizon(night=True, critical=True) < by_day < at_night


def test_a_forecast_is_none_where_the_pool_cannot_fill_it_and_later_where_it_is_scarce() -> None:
    assert waves.forecast(30, POOL[:50], PRIOR) is None
    ample, scarce = waves.forecast(30, POOL, PRIOR), waves.forecast(30, POOL[:320], PRIOR)
    assert ample is not None and scarce is not None
    assert ample == waves.BY_DAY < scarce


def test_only_somebody_much_nearer_replaces_the_farthest() -> None:
    assert waves.replaces(15, 30) and not waves.replaces(25, 30)


def test_who_lives_next_door_still_needs_to_get_ready() -> None:
    assert waves.eta_minutes(0) == 5.0
    assert waves.eta_minutes(25_000) == 65.0

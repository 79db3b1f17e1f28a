"""Laying out a rota: equally often, nobody twice in a row, nights and weekends shared."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest

from services import rotas
from services.rotas import Slot, Turn
from tests.times import SHANGHAI

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
"""Eight o'clock in the morning in the city."""
HALF_DAY, DAY, WEEK = 12 * 60, 24 * 60, 7 * 24 * 60


def weeks(count: int, minutes: int = DAY) -> list[Slot]:
    return rotas.slots(MONDAY, minutes, MONDAY + timedelta(weeks=count), SHANGHAI)


def by_slot(turns: Sequence[Turn]) -> list[set[int]]:
    found: dict[Slot, set[int]] = {}
    for turn in turns:
        found.setdefault(turn.slot, set()).add(turn.person_id)
    return [found[slot] for slot in sorted(found)]


def test_turns_follow_on_each_other_and_end_in_time() -> None:
    days = weeks(1)
    assert len(days) == 7 and days[0].starts_at == MONDAY
    assert all(one.ends_at == after.starts_at for one, after in pairwise(days))
    assert len(rotas.slots(MONDAY, 5 * DAY, MONDAY + timedelta(weeks=1), SHANGHAI)) == 1


def test_a_turn_begins_at_the_same_hour_on_the_wall_when_summer_begins() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begins = datetime(2027, 3, 27, 8, tzinfo=berlin)
    days = rotas.slots(begins, DAY, begins + timedelta(days=3), berlin)
    assert [one.starts_at.astimezone(berlin).hour for one in days] == [8, 8, 8]


@pytest.mark.parametrize("minutes", [8 * 60, HALF_DAY, DAY, WEEK])
def test_everyone_serves_equally_often_and_nobody_twice_in_a_row(minutes: int) -> None:
    for people, together in product((2, 3, 4, 5, 7, 12), (1, 2, 3)):
        if people < together:
            continue
        turns = rotas.lay_out(weeks(4, minutes), range(people), together, SHANGHAI)
        served = Counter(turn.person_id for turn in turns)
        assert max(served.values()) - min(served[key] for key in range(people)) <= 1
        at_once = by_slot(turns)
        assert all(len(slot) == together for slot in at_once)
        if people >= 2 * together:
            assert not any(one & after for one, after in pairwise(at_once))


@pytest.mark.parametrize(("people", "minutes"), [(7, DAY), (6, DAY), (4, HALF_DAY), (5, HALF_DAY)])
def test_nobody_has_all_the_sundays_or_all_the_nights(people: int, minutes: int) -> None:
    turns = rotas.lay_out(weeks(8, minutes), range(people), 1, SHANGHAI)
    for kind in (rotas.NIGHT, rotas.ON_WEEKEND):
        hard = Counter(turn.person_id for turn in turns if kind in rotas.kinds(turn.slot, SHANGHAI))
        assert max(hard.values(), default=0) - min(hard[key] for key in range(people)) <= 2


def test_it_begins_in_the_order_asked_for() -> None:
    turns = rotas.lay_out(weeks(1), [30, 10, 20], 1, SHANGHAI)
    assert [turn.person_id for turn in turns][:3] == [30, 10, 20]


def test_what_was_swapped_stays_and_counts() -> None:
    days = weeks(2)
    kept = [Turn(1, days[3]), Turn(9, days[5])]
    turns = rotas.lay_out(days, [1, 2, 3], 1, SHANGHAI, kept=kept)
    assert {turn.slot for turn in turns} == set(days) - {days[3], days[5]}
    served = Counter(turn.person_id for turn in (*turns, kept[0]))
    assert max(served.values()) - min(served.values()) <= 1
    assert not {days[2], days[4]} & {turn.slot for turn in turns if turn.person_id == 1}


def test_who_is_on_duty_elsewhere_is_not_rostered_then_and_a_turn_may_stay_short() -> None:
    days = weeks(1)
    busy = {1: [Slot(days[0].starts_at, days[6].ends_at)]}
    turns = rotas.lay_out(days, [1, 2, 3], 2, SHANGHAI, busy=busy)
    assert {turn.person_id for turn in turns} == {2, 3}
    alone = rotas.lay_out(days, [1, 2], 2, SHANGHAI, busy=busy)
    assert all(slot == {2} for slot in by_slot(alone))


def test_a_large_rota_is_laid_out_within_a_press() -> None:
    turns = rotas.lay_out(weeks(14, HALF_DAY), range(6), 3, SHANGHAI)
    assert len(turns) == 588

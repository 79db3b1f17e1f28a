"""Telegram's published limits, whatever comes in whatever order; and who goes first."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pace import DIRECT_SHARE, Schedule, Ticket
from models import Lane

PER_SECOND, CHAT_BURST, GROUP_A_MINUTE = 30, 4, 20
EXACT = 1e-9


@dataclass(frozen=True)
class Sent:
    at: float
    ticket: Ticket


def ticket(lane: Lane, chat_id: int) -> Ticket:
    return Ticket(lane, chat_id, lambda _: None)


def drained(
    schedule: Schedule, arrivals: Iterable[tuple[float, Ticket]], late: float = 0.0
) -> list[Sent]:
    """What goes out when, if each comes at its time and the timer is always so late."""
    coming = sorted(arrivals, key=lambda pair: pair[0])
    sent: list[Sent] = []
    now = 0.0
    while True:
        while coming and coming[0][0] <= now:
            schedule.join(coming.pop(0)[1])
        outcome = schedule.next(now)
        if isinstance(outcome, Ticket):
            sent.append(Sent(now, outcome))
            continue
        ways = [coming[0][0]] if coming else []
        if outcome is not None:
            ways.append(now + max(outcome, EXACT) + late)
        if not ways:
            return sent
        now = max(now, min(ways))


def most_within(times: list[float], seconds: float) -> int:
    """The most that any window of so many seconds holds."""
    ordered = sorted(times)
    return max(bisect_left(ordered, at + seconds) - i for i, at in enumerate(ordered))


LANES = st.sampled_from(list(Lane))
CHATS = st.one_of(st.integers(1, 6), st.integers(1, 500), st.integers(-3, -1))
ARRIVALS = st.lists(
    st.tuples(st.floats(0, 20), st.builds(ticket, LANES, CHATS)), min_size=1, max_size=250
)


@settings(deadline=None, max_examples=60)
@given(ARRIVALS, st.floats(0, 0.05))
def test_no_window_of_telegrams_is_ever_overrun(
    arrivals: list[tuple[float, Ticket]], late: float
) -> None:
    schedule = Schedule(PER_SECOND, 1.0, CHAT_BURST, GROUP_A_MINUTE)
    sent = drained(schedule, arrivals, late)
    assert len(sent) == len(arrivals)
    assert most_within([one.at for one in sent], 1.0) <= PER_SECOND
    for chat_id in {one.ticket.chat_id for one in sent}:
        times = [one.at for one in sent if one.ticket.chat_id == chat_id]
        for seconds in (1.0, 5.0, 60.0):
            most = most_within(times, seconds)
            assert most <= CHAT_BURST + seconds
            assert chat_id > 0 or seconds < 60 or most <= GROUP_A_MINUTE


@settings(deadline=None, max_examples=60)
@given(ARRIVALS)
def test_within_a_chat_and_lane_order_is_kept(arrivals: list[tuple[float, Ticket]]) -> None:
    sent = drained(Schedule(PER_SECOND), arrivals)
    for lane in Lane:
        for chat_id in {one.ticket.chat_id for one in sent}:
            numbers = [
                one.ticket.number
                for one in sent
                if (one.ticket.lane, one.ticket.chat_id) == (lane, chat_id)
            ]
            assert numbers == sorted(numbers)


@pytest.mark.parametrize(("rate", "late", "share"), [(30, 0.001, 0.99), (1000, 0.003, 0.95)])
def test_a_deep_backlog_uses_what_is_permitted(rate: int, late: float, share: float) -> None:
    backlog = [(0.0, ticket(Lane.BROADCAST, number)) for number in range(1, rate * 11)]
    sent = drained(Schedule(rate), backlog, late)
    steady = [one for one in sent if 1 <= one.at < 9]
    assert len(steady) >= share * 8 * rate


def test_an_emergency_overtakes_all_else_and_leaves_every_fifth_slot_to_replies() -> None:
    schedule = Schedule(PER_SECOND)
    backlog = [(0.0, ticket(Lane.BROADCAST, number)) for number in range(1, 1000)]
    replies = [(5.0, ticket(Lane.INTERACTIVE, 2000 + number)) for number in range(100)]
    urgent = [(5.0, ticket(Lane.EMERGENCY, 3000 + number)) for number in range(100)]
    sent = [one.ticket.lane for one in drained(schedule, backlog + replies + urgent) if one.at > 5]
    first = sent[: sent.index(Lane.BROADCAST)]
    assert first.count(Lane.EMERGENCY) == 100
    while_draining = first[: len(first) - first[::-1].index(Lane.EMERGENCY)]
    share = while_draining.count(Lane.INTERACTIVE) / len(while_draining)
    assert share == pytest.approx(1 / DIRECT_SHARE, abs=0.06)


def test_a_reply_need_not_wait_for_the_pace_of_a_broadcast() -> None:
    backlog = [(0.0, ticket(Lane.BROADCAST, number)) for number in range(1, 300)]
    replies = [(1.3 + 0.7 * number, ticket(Lane.INTERACTIVE, 1000 + number)) for number in range(8)]
    sent = drained(Schedule(PER_SECOND), backlog + replies)
    came = {id(one): at for at, one in replies}
    waits = [s.at - came[id(s.ticket)] for s in sent if s.ticket.lane is Lane.INTERACTIVE]
    assert max(waits) <= 1 / PER_SECOND


def test_while_people_press_a_reply_goes_at_once_and_afterwards_nothing_is_kept_for_them() -> None:
    backlog = [(0.0, ticket(Lane.BROADCAST, number)) for number in range(1, 1000)]
    replies = [(1.3 + 0.23 * n, ticket(Lane.INTERACTIVE, 2000 + n)) for n in range(30)]
    sent = drained(Schedule(PER_SECOND), backlog + replies)
    came = {id(one): at for at, one in replies}
    waits = [s.at - came[id(s.ticket)] for s in sent if s.ticket.lane is Lane.INTERACTIVE]
    assert max(waits[1:]) < 0.001
    assert len([one for one in sent if 2 <= one.at < 7]) >= 0.93 * 5 * PER_SECOND
    assert len([one for one in sent if 20 <= one.at < 30]) >= 0.99 * 10 * PER_SECOND


# What a 429 teaches


def test_what_arrived_late_is_counted_from_when_it_arrived() -> None:
    schedule = Schedule(PER_SECOND)
    for chat in range(1, 3 * PER_SECOND):
        schedule.join(ticket(Lane.BROADCAST, chat))
    now, usual, late = 0.0, 0.02, 0.15
    arrived: list[float] = []
    while (outcome := schedule.next(now)) is not None:
        if not isinstance(outcome, Ticket):
            now += max(outcome, EXACT)
            continue
        delay = late if len(arrived) == 1 else 0.0
        arrived.append(now + delay)
        schedule.answered(outcome, now + usual + delay)
    assert most_within(arrived, 1.0) <= PER_SECOND


def test_after_a_429_a_chat_waits_and_the_others_do_not() -> None:
    schedule = Schedule(PER_SECOND)
    schedule.too_many(1, 10.0, now=0.0)
    sent = drained(schedule, [(0.0, ticket(Lane.BROADCAST, chat)) for chat in (1, 2, 3)])
    at = {one.ticket.chat_id: one.at for one in sent}
    assert at[1] >= 10
    assert max(at[2], at[3]) < 1


def test_where_a_second_chat_is_hit_everyone_waits() -> None:
    schedule = Schedule(PER_SECOND)
    schedule.too_many(1, 10.0, now=0.0)
    schedule.too_many(2, 7.0, now=0.1)
    assert drained(schedule, [(0.2, ticket(Lane.EMERGENCY, 3))])[0].at >= 7.1


def test_the_rate_falls_and_creeps_up_again() -> None:
    schedule = Schedule(PER_SECOND)
    for chat_id in (1, 2):
        schedule.too_many(chat_id, 0.0, now=0.0)
    rates = [schedule.rate(now) for now in (0.0, 10.0, 20.0, 60.0)]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(PER_SECOND * 0.64)
    assert rates[1] < PER_SECOND
    assert rates[3] == PER_SECOND


# Paid broadcasts


def test_paid_messages_go_faster_until_the_budget_is_spent() -> None:
    schedule = Schedule(PER_SECOND, paid_per_second=1000)
    schedule.budget = 500
    backlog = [(0.0, ticket(Lane.BROADCAST, number)) for number in range(1, 1000)]
    sent = drained(schedule, backlog)
    paid = [one for one in sent if one.ticket.paid]
    assert (len(paid), schedule.paid, schedule.budget) == (500, 500, 0)
    assert paid[-1].at < 1
    after = [one.at for one in sent if one.at > paid[-1].at + 1]
    assert most_within(after, 1.0) <= PER_SECOND

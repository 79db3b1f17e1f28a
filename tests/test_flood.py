"""Who sends more than a person can: their updates are dropped, emergencies never wait for them."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.flood import KNOWN, TOLD_AT_ONCE, TOLD_EVERY, URGENT_WAITING, Bounds, Flood, Verdict
from bot.gate import is_emergency
from bot.lanes import Turns
from handlers.routes import BUTTONS
from tests.city import City
from tests.databases import ON_SQLITE

BOUNDS = Bounds(per_second=1.0, burst=5, waiting=3, waiting_of_all=40)


def verdicts(flood: Flood, sender: int, count: int, now: float = 0.0) -> Counter[Verdict]:
    """Of so many that come at once and are answered at once."""
    found: Counter[Verdict] = Counter()
    for _ in range(count):
        verdict = flood.judge(sender, now, urgent=False)
        if verdict is Verdict.PASS:
            flood.left(sender, urgent=False)
        found[verdict] += 1
    return found


def test_who_sends_too_fast_is_told_once_a_minute_and_forgiven_with_time() -> None:
    flood = Flood(BOUNDS)
    assert verdicts(flood, 1, 100) == {Verdict.PASS: 5, Verdict.TELL: 1, Verdict.DROP: 94}
    assert verdicts(flood, 2, 1) == {Verdict.PASS: 1}
    assert verdicts(flood, 1, 10, now=2) == {Verdict.PASS: 2, Verdict.DROP: 8}
    assert verdicts(flood, 1, 10, now=TOLD_EVERY)[Verdict.TELL] == 1


def test_emergencies_are_never_limited_by_rate() -> None:
    flood = Flood(BOUNDS)
    verdicts(flood, 1, 100)
    for _ in range(1000):
        assert flood.judge(1, 0, urgent=True) is Verdict.PASS
        flood.left(1, urgent=True)
    for _ in range(URGENT_WAITING):
        assert flood.judge(1, 0, urgent=True) is Verdict.PASS
    assert flood.judge(1, 0, urgent=True) is Verdict.DROP


def test_the_fuller_it_is_the_fewer_of_one_person_wait() -> None:
    flood = Flood(BOUNDS)
    passed = [flood.judge(1, 0, urgent=False) for _ in range(5)]
    assert passed.count(Verdict.PASS) == BOUNDS.waiting
    for sender in range(2, 12):
        flood.judge(sender, 0, urgent=False)
    assert flood.judge(20, 0, urgent=False) is Verdict.PASS
    assert flood.judge(20, 0, urgent=False) is not Verdict.PASS
    for sender in range(100, 200):
        flood.judge(sender, 0, urgent=False)
    assert flood.waiting == BOUNDS.waiting_of_all


def test_ten_thousand_at_once_are_not_all_told() -> None:
    flood = Flood(BOUNDS)
    told = sum(verdicts(flood, sender, 10)[Verdict.TELL] for sender in range(10_000))
    assert told == TOLD_AT_ONCE


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.booleans(), st.floats(0, 3), st.booleans()), max_size=200
    )
)
def test_what_waits_stays_within_its_bounds_whatever_comes(
    steps: list[tuple[int, bool, float, bool]],
) -> None:
    flood, now = Flood(BOUNDS), 0.0
    inside: list[tuple[int, bool]] = []
    for sender, urgent, pause, answers in steps:
        now += pause
        if flood.judge(sender, now, urgent=urgent) is Verdict.PASS:
            inside.append((sender, urgent))
        if answers and inside:
            first, was_urgent = inside.pop(0)
            flood.left(first, urgent=was_urgent)
        ordinary = Counter(sender for sender, urgent in inside if not urgent)
        assert flood.waiting == ordinary.total() <= BOUNDS.waiting_of_all
        assert all(count <= BOUNDS.waiting for count in ordinary.values())


def test_no_more_people_are_remembered_than_fit() -> None:
    flood = Flood(BOUNDS)
    for sender in range(KNOWN + 1000):
        verdicts(flood, sender, 1)
    assert len(flood._buckets) == KNOWN


# Whose turn it is


def test_each_chats_first_comes_before_anybodys_second_and_emergencies_before_all() -> None:
    turns, served = Turns(2), list[str]()

    def join(chat_id: int, name: str, *, urgent: bool = False) -> None:
        turns.join(chat_id, lambda: served.append(name), urgent=urgent)

    for number in range(3):
        join(1, f"first {number}")
    join(2, "second")
    join(3, "third")
    assert served == ["first 0", "second"]
    join(4, "emergency", urgent=True)
    assert served[2:] == ["emergency"]  # at once, all other places being taken
    join(1, "emergency of the first", urgent=True)
    turns.leave(1, urgent=False)
    assert served[3:] == ["emergency of the first", "third"]
    turns.leave(1, urgent=True)
    turns.leave(2, urgent=False)
    turns.leave(3, urgent=False)
    turns.leave(4, urgent=True)
    turns.leave(1, urgent=False)
    turns.leave(1, urgent=False)
    assert served[5:] == ["first 1", "first 2"]
    assert not turns._chats


def test_beside_an_emergency_only_few_others_begin_and_all_go_on_afterwards() -> None:
    turns, served = Turns(4, beside=2), list[int]()

    def join(chat_id: int, *, urgent: bool = False) -> None:
        turns.join(chat_id, lambda: served.append(chat_id), urgent=urgent)

    join(1)
    join(2)
    join(9, urgent=True)
    join(3)
    join(4)
    assert served == [1, 2, 9]
    turns.leave(1, urgent=False)
    assert served == [1, 2, 9, 3]  # nobody waits for ever
    turns.leave(9, urgent=True)
    assert served == [1, 2, 9, 3, 4]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.booleans()), max_size=80))
def test_nobody_is_forgotten_doubled_or_served_beside_themselves(
    steps: list[tuple[int, bool, bool]],
) -> None:
    turns, waiting, serving = Turns(2, beside=1), Counter[int](), dict[int, bool]()

    def join(chat_id: int, *, urgent: bool) -> None:
        def go() -> None:
            assert chat_id not in serving
            waiting[chat_id] -= 1
            serving[chat_id] = urgent

        waiting[chat_id] += 1
        turns.join(chat_id, go, urgent=urgent)

    def finish() -> None:
        chat_id = next(iter(serving))
        urgent = serving.pop(chat_id)
        turns.leave(chat_id, urgent=urgent)

    for chat_id, urgent, finishes in steps:
        join(chat_id, urgent=urgent)
        if finishes and serving:
            finish()
    while serving:
        finish()
    assert not waiting.total()
    assert not turns._chats


def test_what_answers_an_emergency_is_told_from_the_rest() -> None:
    for data in ("callout.coming:1:10", "callout.sos:1", "callout.safe:1", "callout.home:1"):
        assert is_emergency({"callback_query": {"data": data}}), data
    assert is_emergency({"message": {"text": "/start r-1-2-3"}})
    for raw in (
        {"callback_query": {"data": "menu"}},
        {"callback_query": {}},
        {"message": {"text": "callout.sos:1"}},
        {"message": {"text": "/start a-1"}},
        {"message": {}},
    ):
        assert not is_emergency(raw), raw
    assert not BUTTONS["callout.paper"].urgent  # takes long, and waits well


# In the city


@ON_SQLITE
async def test_one_person_who_floods_is_told_so_and_still_answers_the_roll_call(
    city: City,
) -> None:
    await city.start_again(chat_updates_per_second=0.001, chat_updates_burst=3)
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李明")
    for _ in range(12):
        await chen.say("/menu")
    assert await chen.sees("你发得太快")
    await city.answered()
    said = [message.text for message in chen.messages if message.text]
    assert sum("发得太快" in text for text in said) == 1
    assert sum("今天想做点什么" in text for text in said) == 3
    assert city.program.line.gate.dropped == 9
    pressed = await chen.press_data("callout.safe:1", chen.messages[-1].id)
    assert "发得太快" not in pressed.text  # looked at: there is no such call-out
    await li.say("/menu")
    assert await li.sees("今天想做点什么")
    await city.answered()
    assert city.program.line.gate.flood.waiting == 0


@ON_SQLITE
async def test_an_update_that_nobody_can_read_does_not_stop_the_bot(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    chen = await city.volunteer("陈晓丽")
    await city.program.line.intake.take([{"update_id": 10**9, "message": {"chat": {"id": 1}}}])
    assert "update can't be read" in caplog.text
    await chen.say("/menu")
    assert await chen.sees("今天想做点什么")

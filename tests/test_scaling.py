"""docs/scaling.md says what is computed from what was measured."""

from itertools import pairwise

from benchmarks import sizing


def test_the_document_says_what_is_computed() -> None:
    text = sizing.DOCUMENT.read_text(encoding="utf-8")
    assert sizing.written(text, sizing.read()) == text


def test_more_people_need_more_of_everything() -> None:
    figures = sizing.read()
    needs = [sizing.Need(place, figures) for place in sizing.PLACES]
    for small, large in pairwise(needs):
        for what in ("bots", "senders", "webs", "storm_cores", "connections", "postings_bytes"):
            assert getattr(small, what) < getattr(large, what), what
        assert small.after(1) < small.after(5) < large.after(1)


def test_so_many_bots_send_so_many_messages_in_time() -> None:
    for count, minutes, rate in ((400_000, 15, 30), (1, 5, 30), (10_000_000, 60, 1000)):
        needed = sizing.tokens(count, minutes, rate)
        a_token = rate * sizing.USED * minutes * 60
        assert needed * a_token >= count > (needed - 1) * a_token


def test_figures_have_as_many_digits_as_they_mean() -> None:
    said = {0.034: "0.034", 3.14: "3.1", 31.4: "31.4", 314.2: "314", 31_415: "31,400"}
    assert {value: sizing.number(value) for value in said} == said
    assert (sizing.number(76), sizing.number(76.0)) == ("76", "76.0")
    assert sizing.size(1_234_000_000) == "1.2 GB"

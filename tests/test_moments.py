"""Days and times as people write them are understood, or refused with the right reason."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.moments import (
    MomentError,
    Reason,
    parse_day,
    parse_duration,
    parse_earlier,
    parse_moment,
    parse_span,
)

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)  # a Monday


def local(moment: datetime) -> str:
    return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-05 14:00", "2026-12-05 14:00"),
        ("2026年12月5日下午2点", "2026-12-05 14:00"),
        ("12月5日 14:00", "2026-12-05 14:00"),
        ("12/5 14:00", "2026-12-05 14:00"),
        ("1月3日上午9点半", "2027-01-03 09:30"),
        ("明天下午2点", "2026-11-24 14:00"),
        ("明天下午两点半", "2026-11-24 14:30"),
        ("后天早上8点", "2026-11-25 08:00"),
        ("大后天晚上7点一刻", "2026-11-26 19:15"),
        ("今天 15:30", "2026-11-23 15:30"),
        ("周六上午九点", "2026-11-28 09:00"),
        ("这周日 9:00", "2026-11-29 09:00"),
        ("本周五 18:00", "2026-11-27 18:00"),
        ("下周六 9:00", "2026-12-05 09:00"),
        ("下周一下午3点", "2026-11-30 15:00"),
        ("星期三 20:00", "2026-11-25 20:00"),
        ("下个月5号 10:00", "2026-12-05 10:00"),
        ("十二月五号下午三点", "2026-12-05 15:00"),
        ("２０２６－１２－０５　１４：００", "2026-12-05 14:00"),
        ("中午12点", "2026-11-23 12:00"),
        ("9:30", "2026-11-24 09:30"),
        ("tomorrow 2pm", "2026-11-24 14:00"),
        ("tomorrow at 14:00", "2026-11-24 14:00"),
        ("next Saturday 9 am", "2026-12-05 09:00"),
        ("Sat 9:30 am", "2026-11-28 09:30"),
        ("5 December 14:00", "2026-12-05 14:00"),
        ("Dec 5, 2026 2:30 pm", "2026-12-05 14:30"),
    ],
)
def test_a_moment_is_understood(text: str, expected: str) -> None:
    assert local(parse_moment(text, now=NOW, zone=ZONE)) == expected


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("下周六 9:00-12:00", "2026-12-05 09:00", "2026-12-05 12:00"),
        ("明天下午2点到5点", "2026-11-24 14:00", "2026-11-24 17:00"),
        ("12月5日 14:00至16:30", "2026-12-05 14:00", "2026-12-05 16:30"),
        ("2026-12-05 14:00 - 16:00", "2026-12-05 14:00", "2026-12-05 16:00"),
        ("2026-12-05 14:00~16:00", "2026-12-05 14:00", "2026-12-05 16:00"),
        ("tomorrow 2pm-5pm", "2026-11-24 14:00", "2026-11-24 17:00"),
        ("tomorrow 2-5pm", "2026-11-24 14:00", "2026-11-24 17:00"),
        ("next Saturday 9 to 12", "2026-12-05 09:00", "2026-12-05 12:00"),
        ("周日上午9点半 3小时", "2026-11-29 09:30", "2026-11-29 12:30"),
        ("周日上午9点 1个半小时", "2026-11-29 09:00", "2026-11-29 10:30"),
        ("周日上午9点到11点半", "2026-11-29 09:00", "2026-11-29 11:30"),
        ("周六上午9点到下午5点", "2026-11-28 09:00", "2026-11-28 17:00"),
        ("周五 22:00-02:00", "2026-11-27 22:00", "2026-11-28 02:00"),
        ("明天 9-11", "2026-11-24 09:00", "2026-11-24 11:00"),
        ("明天上午10点到2点", "2026-11-24 10:00", "2026-11-24 14:00"),
        ("11月28日 9:00 到 11月29日 9:00", "2026-11-28 09:00", "2026-11-29 09:00"),
        ("12月5日(周六) 9:00-12:00", "2026-12-05 09:00", "2026-12-05 12:00"),
        ("14:00-16:00 明天", "2026-11-24 14:00", "2026-11-24 16:00"),
    ],
)
def test_a_start_and_an_end_are_understood(text: str, start: str, end: str) -> None:
    found = parse_span(text, now=NOW, zone=ZONE)
    assert [local(moment) for moment in found] == [start, end]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1985年3月8日", date(1985, 3, 8)),
        ("1985-03-08", date(1985, 3, 8)),
        ("1985.3.8", date(1985, 3, 8)),
        ("1985/3/8", date(1985, 3, 8)),
        ("19850308", date(1985, 3, 8)),
        ("一九八五年三月八日", date(1985, 3, 8)),
        ("8 March 1985", date(1985, 3, 8)),
        ("March 8, 1985", date(1985, 3, 8)),
        ("后天", date(2026, 11, 25)),
        ("下个月5号", date(2026, 12, 5)),
        ("周日", date(2026, 11, 29)),
    ],
)
def test_a_day_is_understood(text: str, expected: date) -> None:
    assert parse_day(text, now=NOW, zone=ZONE) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        ("   ", Reason.EMPTY),
        ("有空的时候", Reason.NOT_UNDERSTOOD),
        ("明天", Reason.NOT_UNDERSTOOD),
        ("明天5点", Reason.AMBIGUOUS),
        ("周末 9:00", Reason.AMBIGUOUS),
        ("昨天 14:00", Reason.PAST),
        ("2026-11-01 14:00", Reason.PAST),
        ("2026-02-30 14:00", Reason.IMPOSSIBLE_DATE),
        ("明天 25:00", Reason.IMPOSSIBLE_DATE),
        ("三月初八 9:00", Reason.NOT_UNDERSTOOD),
    ],
)
def test_what_is_not_certain_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(MomentError) as refused:
        parse_moment(text, now=NOW, zone=ZONE)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("明天 14:00-9:00", Reason.END_BEFORE_START),
        ("明天 2点到5点", Reason.AMBIGUOUS),
        ("明天 14:00", Reason.NOT_UNDERSTOOD),
        ("昨天 9:00-12:00", Reason.PAST),
        ("11月28日 9:00 到 12月29日 9:00", Reason.TOO_LONG),
        ("9-12月5日", Reason.NOT_UNDERSTOOD),
    ],
)
def test_a_span_that_can_not_be_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(MomentError) as refused:
        parse_span(text, now=NOW, zone=ZONE)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "text", ["85.3.8", "3月8日", "08/03/1985", "三月初八", "生日", "1985-02-30"]
)
def test_a_birth_date_is_never_guessed(text: str) -> None:
    with pytest.raises(MomentError):
        parse_day(text, now=NOW, zone=ZONE)


@given(st.dates(date(1920, 1, 1), date(2040, 12, 31)))
def test_a_day_written_in_usual_ways_is_read_back(day: date) -> None:
    for text in (
        day.isoformat(),
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}.{day.month}.{day.day}",
        day.strftime("%Y%m%d"),
        day.strftime("%d %B %Y"),
    ):
        assert parse_day(text, now=NOW, zone=ZONE) == day


@given(
    st.datetimes(datetime(2026, 11, 24), datetime(2028, 12, 31)),  # noqa: DTZ001 - local times
    st.integers(min_value=1, max_value=23),
)
def test_a_span_written_with_digits_is_read_back(start: datetime, hours: int) -> None:
    start = start.replace(second=0, microsecond=0)
    end = start + timedelta(hours=hours)
    text = f"{start:%Y-%m-%d %H:%M} - {end:%Y-%m-%d %H:%M}"
    found = parse_span(text, now=NOW, zone=ZONE)
    assert [local(moment) for moment in found] == [
        start.strftime("%Y-%m-%d %H:%M"),
        end.strftime("%Y-%m-%d %H:%M"),
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("3小时", 180),
        ("1个半小时", 90),
        ("两小时30分", 150),
        ("半小时", 30),
        ("2小时半", 150),
        ("1h30", 90),
        ("90分钟", 90),
        ("1.5h", 90),
        ("1:30", 90),
        ("150", 150),
        ("2 hours 15 min", 135),
        ("２小时", 120),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, minutes: int) -> None:
    assert parse_duration(text) == minutes


@pytest.mark.parametrize("text", ["3", "很久", "小时", "3 days", "1:75", "-60"])
def test_an_uncertain_duration_is_refused(text: str) -> None:
    with pytest.raises(MomentError) as refused:
        parse_duration(text)
    assert refused.value.reason is Reason.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("8:30", "2026-11-23 08:30"),
        ("下午4点半", "2026-11-22 16:30"),
        ("昨天16:00", "2026-11-22 16:00"),
    ],
)
def test_a_time_that_has_passed_is_the_last_one(text: str, when: str) -> None:
    assert local(parse_earlier(text, now=NOW, zone=ZONE)) == when


@pytest.mark.parametrize(
    ("text", "reason"),
    [("明天9:00", Reason.AHEAD), ("5点", Reason.AMBIGUOUS), ("刚才", Reason.NOT_UNDERSTOOD)],
)
def test_a_time_that_can_not_have_passed_is_refused(text: str, reason: Reason) -> None:
    with pytest.raises(MomentError) as refused:
        parse_earlier(text, now=NOW, zone=ZONE)
    assert refused.value.reason is reason

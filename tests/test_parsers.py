"""Whatever is typed for a day, a time, a contact or a place is understood or refused."""

from collections.abc import Callable
from datetime import date, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services import id_numbers, moments, money, phones, places
from services.errors import Refusal
from services.moments import MomentError
from services.money import MoneyError
from tests.times import SHANGHAI, START

WORDS = """1990 90 05 13 29 2 30 31 - / . : ， 年 月 日 号 点 半 刻 分 时 到 至 ~ — am pm 上午 下午
    晚上 周六 星期天 下周 明天 昨天 today next week 小时 hours 个半 1/2 零 一百 ² ١٢ 13800138000 +86
    0086 (0760) ext. # https:// geo: http://[ // @ ?q= &mlat= &mlon= %2C %ff 22.5176 113.3928 , N E
    1e999 nan inf -0 9999999999 １２ ¥ 元 万 442000199005011234 X"""
PIECES = st.sampled_from(WORDS.split())
TYPED = st.lists(PIECES, max_size=8).map("".join) | st.lists(PIECES, max_size=8).map(" ".join)
ANYTHING = TYPED | st.text(max_size=40)
FEW = settings(max_examples=150)


def understood(parse: Callable[..., object], *given: object, **more: object) -> object:
    """What it means; None if it is refused."""
    try:
        return parse(*given, **more)
    except (Refusal, MomentError, MoneyError):
        return None


AT = {"now": START, "zone": SHANGHAI}


@FEW
@given(ANYTHING)
@example("29/2/1990")
@example("99999年1月1日")
@example("1" * 5000)
@example("1e999")
def test_a_day_is_understood_or_refused(typed: str) -> None:
    for parse, more in ((moments.parse_day, AT), (moments.written_day, {})):
        found = understood(parse, typed, **more)
        assert found is None or isinstance(found, date)


@FEW
@given(ANYTHING)
@example("12月31日 23:59 到 9999")
@example("1" * 5000)
@example("1" * 400 + "小时")
def test_a_time_a_span_and_a_duration_are_understood_or_refused(typed: str) -> None:
    for parse in (moments.parse_moment, moments.parse_earlier):
        found = understood(parse, typed, **AT)
        assert found is None or (isinstance(found, datetime) and found.tzinfo is not None)
    span = understood(moments.parse_span, typed, **AT)
    assert span is None or span[0] < span[1]  # type: ignore[index]
    minutes = understood(moments.parse_duration, typed)
    assert minutes is None or 0 <= minutes < 2**31  # type: ignore[operator]


@FEW
@given(ANYTHING)
@example("+" * 300)
@example("1" * 5000)
@example("\x00")
def test_a_contact_is_understood_or_refused(typed: str) -> None:
    phone = understood(phones.e164, typed, "CN")
    assert phone is None or (str(phone).startswith("+") and str(phone)[1:].isdecimal())
    number = understood(id_numbers.checked, typed)
    assert number is None or len(str(number)) == 18


@FEW
@given(ANYTHING)
@example("https://[x")
@example("https://[::1/@22.5,113.3")
@example("geo:1e999,2")
@example("22.5, ²")
@example("1" * 5000 + "," + "2" * 5000)
def test_a_place_is_understood_or_is_none(typed: str) -> None:
    at = places.place_in(typed)
    assert at is None or (-90 <= at.latitude <= 90 and -180 <= at.longitude <= 180)


@FEW
@given(ANYTHING)
@example("1" * 5000 + "元")
def test_a_sum_of_money_is_understood_or_refused(typed: str) -> None:
    found = understood(money.cents, typed)
    assert found is None or isinstance(found, int)

"""Days and times as people write them, in Chinese and English. Pure: the time is a parameter.

Chinese is read by a small grammar of our own; what it does not know goes to `dateparser`. What is
not certain is refused with a reason, never guessed: "5点" may be morning or afternoon.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import dateparser

LONGEST_SPAN = timedelta(days=3)
LONGEST_DAY = 40
"""Characters of a day with its year."""
DATEPARSER_LANGUAGES = ["en"]
HOURS_OF_A_DAY = 24
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?) ?个?(半)? ?(?:小时|hours?|hrs?|h)(半)?)?"
    r" ?(?:(\d+) ?(?:分钟?|minutes?|mins?|m)?)?"
)


class Reason(StrEnum):
    EMPTY = "empty"
    NOT_UNDERSTOOD = "not_understood"
    AMBIGUOUS = "ambiguous"
    PAST = "past"
    AHEAD = "ahead"
    END_BEFORE_START = "end_before_start"
    TOO_LONG = "too_long"
    IMPOSSIBLE_DATE = "impossible_date"


class MomentError(Exception):
    """Why a text is not the time that was asked for."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


LONGEST = 366 * 24 * 60
"""Minutes."""
LONGEST_WRITTEN = 40
"""Characters of a duration."""


def parse_day(text: str, *, now: datetime, zone: ZoneInfo) -> date:
    """A day, past or to come. Raises MomentError."""
    reader = _Reader(_folded(text), now.astimezone(zone).date())
    day = reader.day(past=True)
    if day is None or reader.rest():
        return _day_by_dateparser(text, now, zone)
    return day


_WRITTEN = re.compile(
    r"(\d{4}) ?(?:年|[-/. ]) ?(\d{1,2}) ?(?:月|[-/. ]) ?(\d{1,2}) ?日?(?:[ t]?\d{1,2}:\d.*)?"
    r"|(\d{4})(\d\d)(\d\d)"
)


def written_day(text: str) -> date:
    """A day as tables and forms hold it, always with its year: 2020-1-5, 2020/01/05, 2020年1月5日,
    20200105, 二〇二〇年一月五日; a time behind it does not count. Raises MomentError.
    """
    found = _WRITTEN.fullmatch(_folded(text)) if len(text) <= LONGEST_DAY else None
    if found is None:
        raise MomentError(Reason.NOT_UNDERSTOOD)
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, day)
    except ValueError:
        raise MomentError(Reason.IMPOSSIBLE_DATE) from None


def parse_moment(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """A point in time ahead, in UTC. Raises MomentError."""
    today = now.astimezone(zone).date()
    reader = _Reader(_folded(text), today)
    day = reader.day()
    clock = reader.clock()
    if clock is None or reader.rest():
        moment = _moment_by_dateparser(text, now, zone)
    else:
        moment = _local(day or today, clock.settled(), zone)
        if day is None and moment <= now:
            moment += timedelta(days=1)
    if moment <= now:
        raise MomentError(Reason.PAST)
    return moment


def parse_earlier(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The last time before now that a clock showed this, in UTC. Raises MomentError."""
    today = now.astimezone(zone).date()
    reader = _Reader(_folded(text), today)
    day = reader.day(past=True)
    clock = reader.clock()
    if clock is None or reader.rest():
        raise MomentError(Reason.NOT_UNDERSTOOD)
    moment = _local(day or today, clock.settled(), zone)
    if day is None and moment > now:
        moment -= timedelta(days=1)
    if moment > now:
        raise MomentError(Reason.AHEAD)
    return moment


def parse_span(text: str, *, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A start ahead and its end, in UTC. Raises MomentError."""
    today = now.astimezone(zone).date()
    reader = _Reader(_folded(text), today)
    day = reader.day()
    first = reader.clock()
    if first is None:
        raise MomentError(Reason.NOT_UNDERSTOOD)
    day = day or reader.day()
    hours = reader.duration()
    if hours is not None:
        if reader.rest():
            raise MomentError(Reason.NOT_UNDERSTOOD)
        start = _ahead(_local(day or today, first.settled(), zone), day, now)
        return _checked(start, start + hours, now)
    reader.dash()
    last_day = reader.day()
    last = reader.clock()
    day = day or reader.day()
    if last is None or reader.rest():
        raise MomentError(Reason.NOT_UNDERSTOOD)
    begins, ends = _settled_pair(first, last)
    start = _ahead(_local(day or today, begins, zone), day, now)
    end_day = last_day or start.astimezone(zone).date()
    end = _local(end_day, ends, zone)
    if end <= start and last_day is None and _over_midnight(begins, ends):
        end += timedelta(days=1)
    return _checked(start, end, now)


def parse_duration(text: str) -> int:
    """Whole minutes of a duration: 3小时, 1个半小时, 2小时30分, 90分钟, 1.5h, 1:30.

    A bare number is minutes if it is too large to be hours. Raises MomentError, also for a smaller
    one, which may be either, and for more than a year.
    """
    plain = _folded(text)
    minutes = _minutes(plain) if len(plain) <= LONGEST_WRITTEN else LONGEST + 1
    if minutes > LONGEST:
        raise MomentError(Reason.NOT_UNDERSTOOD)
    return minutes


def _minutes(plain: str) -> int:
    """Raises MomentError."""
    if re.fullmatch("半个?小时", plain):
        return 30
    found = re.fullmatch(r"(\d{1,2}):([0-5]\d)", plain)
    if found:
        return int(found.group(1)) * 60 + int(found.group(2))
    if plain.isdecimal():
        if int(plain) <= HOURS_OF_A_DAY:
            raise MomentError(Reason.NOT_UNDERSTOOD)
        return int(plain)
    found = _DURATION.fullmatch(plain)
    if found is None or not plain:
        raise MomentError(Reason.NOT_UNDERSTOOD)
    hours, half, later_half, minutes = found.groups()
    return round(float(hours or 0) * 60) + 30 * bool(half or later_half) + int(minutes or 0)


def _over_midnight(begins: int, ends: int) -> bool:
    """An evening that ends in the night: 22:00-02:00; not 14:00-9:00, which is a slip."""
    return begins >= 17 * 60 and ends <= 8 * 60


def _ahead(start: datetime, day: date | None, now: datetime) -> datetime:
    return start + timedelta(days=1) if day is None and start <= now else start


def _checked(start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
    if end <= start:
        raise MomentError(Reason.END_BEFORE_START)
    if start <= now:
        raise MomentError(Reason.PAST)
    if end - start > LONGEST_SPAN:
        raise MomentError(Reason.TOO_LONG)
    return start, end


def _local(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Minutes after local midnight; 24:00 is the next day's beginning."""
    day += timedelta(days=minutes // (24 * 60))
    minutes %= 24 * 60
    local = datetime.combine(day, time(minutes // 60, minutes % 60), tzinfo=zone)
    return local.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Minutes of the day; `certain` once morning or afternoon is plain."""

    minutes: int
    certain: bool
    half: str | None = None
    """"am" or "pm", where it was said."""

    def settled(self) -> int:
        if not self.certain:
            raise MomentError(Reason.AMBIGUOUS)
        return self.minutes

    def in_half(self, half: str | None) -> "_Clock":
        """Read in the half of the day that its neighbour named."""
        if self.certain or half is None:
            return self
        minutes = self.minutes % (12 * 60) + (12 * 60 if half == "pm" else 0)
        return _Clock(minutes, True, half)


def _settled_pair(first: _Clock, last: _Clock) -> tuple[int, int]:
    """下午2点到5点: the end is in the same half. 2-5pm: so is the start. 9 to 12: both plain."""
    if first.certain and not last.certain:
        same = last.in_half(first.half or ("pm" if first.minutes >= 12 * 60 else "am"))
        if same.minutes <= first.minutes:
            same = _Clock((same.minutes + 12 * 60) % (24 * 60), True)
        return first.minutes, same.settled()
    if last.certain and not first.certain:
        half = last.half or ("pm" if last.minutes >= 12 * 60 else "am")
        same = first.in_half(half)
        if same.minutes >= last.minutes:
            same = first.in_half("am")
        return same.settled(), last.minutes
    if not first.certain and not last.certain:
        return _daytime(first, last)
    return first.minutes, last.minutes


def _daytime(first: _Clock, last: _Clock) -> tuple[int, int]:
    """9-12 or 8-11 can only be a morning's work; 2-5 may be afternoon or night: refused."""
    begins, ends = first.minutes, last.minutes
    if 6 * 60 <= begins <= 11 * 60 + 59 and begins < ends <= 12 * 60 + 59:
        return begins, ends
    if 7 * 60 <= begins <= 11 * 60 + 59 and 60 <= ends < 6 * 60:
        return begins, ends + 12 * 60
    raise MomentError(Reason.AMBIGUOUS)


# Reading


_DIGITS = {c: str(n) for n, c in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6} | {
    str(n + 1): n for n in range(7)
}
_ENGLISH_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENGLISH_MONTHS = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_RELATIVE = {
    "大后天": 3, "后天": 2, "明天": 1, "明日": 1, "明": 1, "今天": 0, "今日": 0, "今": 0,
    "昨天": -1, "前天": -2,
    "dayaftertomorrow": 2, "tomorrow": 1, "today": 0, "yesterday": -1,
}  # fmt: skip
_MORNING = ("上午", "早上", "早晨", "清晨", "凌晨", "早")
_EVENING = ("下午", "晚上", "傍晚", "晚")
_NUMBER = "[零〇一二两三四五六七八九十廿卅]+"
_LUNAR = re.compile("初[一二三四五六七八九十]|腊月|正月|农历|廿")


def _folded(text: str) -> str:
    """Half-width, lower case, one kind of dash, Chinese numerals as digits, no blanks inside."""
    plain = unicodedata.normalize("NFKC", text).lower().strip()
    if not plain:
        raise MomentError(Reason.EMPTY)
    if _LUNAR.search(plain):
        raise MomentError(Reason.NOT_UNDERSTOOD)
    for dash in "–—−~～至":
        plain = plain.replace(dash, "-")
    plain = plain.replace("号", "日").replace("星期", "周").replace("礼拜", "周")
    plain = re.sub("周([一二三四五六日天末])", lambda m: "周" + m.group(1) + " ", plain)
    plain = re.sub(f"(?<!周){_NUMBER}", lambda m: _digits(m.group()), plain)
    return re.sub(r"\s+", " ", plain)


def _digits(numeral: str) -> str:
    """十二 -> 12, 二〇二六 -> 2026, 三十 -> 30."""
    if "十" in numeral:
        tens, _, ones = numeral.partition("十")
        return str(10 * int(_DIGITS.get(tens, "1") if tens else 1) + int(_DIGITS.get(ones, "0")))
    return "".join(_DIGITS.get(c, "") for c in numeral)


class _Reader:
    """Reads a folded text from left to right; each method takes what it understands."""

    def __init__(self, text: str, today: date) -> None:
        self.text = text
        self.today = today

    def rest(self) -> str:
        return self.text.strip(" ,。.的")

    def _take(self, pattern: str) -> re.Match[str] | None:
        found = re.match(r"[\s,的]*(?:on |the |from )*" + pattern, self.text)
        if found:
            self.text = self.text[found.end() :]
        return found

    # Days

    def day(self, *, past: bool = False) -> date | None:
        readings: tuple[Callable[[bool], date | None], ...] = (
            self._written_out,
            self._english_date,
            self._relative,
            self._month_ahead,
            self._weekday,
            self._english_weekday,
        )
        for reading in readings:
            found = reading(past)
            if found is not None:
                # 12月5日(周六): the weekday repeats what the date says
                self._take(r"[(]?周[一二三四五六日天]\s*[)]?")
                return found
        return None

    def _written_out(self, past: bool) -> date | None:
        found = self._take(r"(\d{4})[年/.\-]\s?(\d{1,2})[月/.\-]\s?(\d{1,2})日?(?!\d)")
        found = found or self._take(r"((?:19|20)\d\d)(\d\d)(\d\d)(?!\d)")
        if found:
            return _date(*(int(part) for part in found.groups()))
        found = self._take(r"(今年|明年)?(\d{1,2})月(\d{1,2})日?(?!\d)")
        found = found or self._take(r"()(\d{1,2})/(\d{1,2})(?![\d/])")
        if not found:
            return None
        if found.group(1):
            year = self.today.year + (found.group(1) == "明年")
            return _date(year, int(found.group(2)), int(found.group(3)))
        return self._this_or_next_year(int(found.group(2)), int(found.group(3)), past)

    def _this_or_next_year(self, month: int, day: int, past: bool) -> date:
        if past:
            raise MomentError(Reason.AMBIGUOUS)
        this = _date(self.today.year, month, day)
        return this if this >= self.today else _date(self.today.year + 1, month, day)

    def _english_date(self, past: bool) -> date | None:
        month = "(" + "|".join(_ENGLISH_MONTHS) + r")[a-z]*\.?"
        found = self._take(rf"(\d{{1,2}})(?:st|nd|rd|th)? {month}(?:,? (\d{{4}}))?")
        if found:
            day, name, year = found.group(1), found.group(2), found.group(3)
        else:
            found = self._take(rf"{month} (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?(?![\d:])")
            if not found:
                return None
            name, day, year = found.group(1), found.group(2), found.group(3)
        number = _ENGLISH_MONTHS.index(name) + 1
        if year:
            return _date(int(year), number, int(day))
        return self._this_or_next_year(number, int(day), past)

    def _relative(self, past: bool) -> date | None:
        found = self._take("(day after tomorrow)")
        if found:
            return self.today + timedelta(days=2)
        found = self._take("(" + "|".join(_RELATIVE) + ")(?![年月])")
        return self.today + timedelta(days=_RELATIVE[found.group(1)]) if found else None

    def _month_ahead(self, past: bool) -> date | None:
        found = self._take(r"(这个|本|下个|下)月(\d{1,2})日?")
        if not found:
            return None
        ahead = found.group(1).startswith("下")
        month = self.today.month + ahead
        return _date(self.today.year + month // 13, (month - 1) % 12 + 1, int(found.group(2)))

    def _weekday(self, past: bool) -> date | None:
        """下周X lies in the week after this one (Monday first); 这周X in this one; 周X is next."""
        found = self._take(r"(下下个?|下个?|这个?|本)?周([一二三四五六日天1-7末])")
        if not found:
            return None
        prefix, name = found.group(1) or "", found.group(2)
        if name == "末":
            raise MomentError(Reason.AMBIGUOUS)
        monday = self.today - timedelta(days=self.today.weekday())
        weeks = prefix.count("下")
        if prefix:
            return monday + timedelta(days=7 * weeks + _WEEKDAYS[name])
        return self.today + timedelta(days=(_WEEKDAYS[name] - self.today.weekday()) % 7)

    def _english_weekday(self, past: bool) -> date | None:
        """Next Saturday is read as 下周六 is, in the week after this one."""
        found = self._take("(next |this )?(" + "|".join(_ENGLISH_DAYS) + r")[a-z]*")
        if not found:
            return None
        number = _ENGLISH_DAYS.index(found.group(2))
        if (found.group(1) or "").strip() == "next":
            monday = self.today - timedelta(days=self.today.weekday())
            return monday + timedelta(days=7 + number)
        return self.today + timedelta(days=(number - self.today.weekday()) % 7)

    # Times of day

    def clock(self) -> _Clock | None:
        self._take("at ")
        half = self._half()
        if self._take("(noon|中午12[点时:](?:00)?|正午)"):
            return _Clock(12 * 60, True, "pm")
        found = self._take(
            r"(\d{1,2})(?:[点时](?:(1刻)|(3刻)|(半)|(\d{1,2})分?)?钟?"
            r"|[:.](\d{2})(?!\d)|(?=\s*(?:am|pm|a\.m|p\.m|-|to\b|到|$|,|\s)))"
        )
        if not found:
            return None
        hour = int(found.group(1))
        minute = int(found.group(5) or found.group(6) or 0)
        minute += 15 if found.group(2) else 45 if found.group(3) else 30 if found.group(4) else 0
        half = half or self._english_half()
        if hour > 24 or minute > 59 or (hour == 24 and minute):
            raise MomentError(Reason.IMPOSSIBLE_DATE)
        digital = found.group(6) is not None
        return _clock(hour, minute, half, digital)

    def _half(self) -> str | None:
        if self._take("中午"):
            return "noon"
        if self._take("凌晨"):
            return "am"
        if self._take("(" + "|".join(_MORNING) + ")"):
            return "am"
        if self._take("(" + "|".join(_EVENING) + ")"):
            return "pm"
        return None

    def _english_half(self) -> str | None:
        found = self._take(r"([ap])\.?m\.?")
        return f"{found.group(1)}m" if found else None

    def dash(self) -> None:
        if not self._take("(-|到|to |until )"):
            raise MomentError(Reason.NOT_UNDERSTOOD)

    def duration(self) -> timedelta | None:
        """3小时, 1个半小时, 90分钟, 2 hours, 1.5h."""
        found = self._take(r"(?:共|for )?\s*(\d+(?:\.\d+)?)\s?个?(半)?(?:小时|hours?|h\b|hrs?\b)")
        if found:
            return timedelta(hours=float(found.group(1)) + (0.5 if found.group(2) else 0))
        if self._take("半个?小时"):
            return timedelta(minutes=30)
        found = self._take(r"(?:for )?\s*(\d+)\s?(?:分钟|minutes?|min\b)")
        return timedelta(minutes=int(found.group(1))) if found else None


def _clock(hour: int, minute: int, half: str | None, digital: bool) -> _Clock:
    minutes = hour * 60 + minute
    if half == "noon":
        return _Clock(minutes if hour >= 11 else minutes + 12 * 60, True, "pm")
    if half == "pm" and hour < 12:
        return _Clock(minutes + 12 * 60, True, half)
    if half == "am" and hour == 12:
        return _Clock(minute, True, half)
    if half is not None:
        return _Clock(minutes, True, half)
    # 14:00, 09:30 and 9:00 are clocks as they stand; 5点 is not
    certain = hour > 12 or hour == 0 or digital
    return _Clock(minutes, certain)


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise MomentError(Reason.IMPOSSIBLE_DATE) from None


# The rest of the world


def _day_by_dateparser(text: str, now: datetime, zone: ZoneInfo) -> date:
    """Dates that name day, month and year in another usual way."""
    found = dateparser.parse(
        unicodedata.normalize("NFKC", text),
        languages=DATEPARSER_LANGUAGES,
        settings={
            "REQUIRE_PARTS": ["day", "month", "year"],
            "RELATIVE_BASE": now.astimezone(zone).replace(tzinfo=None),
            "PARSERS": ["absolute-time"],
        },
    )
    if found is None or not re.search(r"\d{4}", text):
        raise MomentError(Reason.NOT_UNDERSTOOD)
    if re.fullmatch(r"\s*\d{1,2}[./-]\d{1,2}[./-]\d{4}\s*", text):
        raise MomentError(Reason.AMBIGUOUS)
    day: date = found.date()
    return day


def _moment_by_dateparser(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Only what names a time of day as well; a day alone would be read as its midnight."""
    if not re.search(r"\d:\d\d|\d\s*[ap]\.?m", text.lower()):
        raise MomentError(Reason.NOT_UNDERSTOOD)
    found = dateparser.parse(
        unicodedata.normalize("NFKC", text),
        languages=DATEPARSER_LANGUAGES,
        settings={
            "REQUIRE_PARTS": ["day", "month"],
            "RELATIVE_BASE": now.astimezone(zone).replace(tzinfo=None),
            "PREFER_DATES_FROM": "future",
            "PARSERS": ["absolute-time"],
        },
    )
    if found is None:
        raise MomentError(Reason.NOT_UNDERSTOOD)
    moment: datetime = found.replace(tzinfo=zone)
    return moment.astimezone(UTC)

"""How times, numbers, distances and names are written in a language. Knows no template."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Literal

from babel import Locale, dates, numbers
from babel.units import format_unit

from services.policy import Policy

KILOMETRE = 1000.0
COMPACT_FROM = 10_000


def named(names: Mapping[str, str] | None, language: str) -> str:
    """The name in a language, else in Chinese, else any."""
    if not names:
        return ""
    return names.get(language) or names.get("zh_Hans") or next(iter(names.values()))


class Formats:
    """Filters that write times, numbers and names as a language does."""

    def __init__(self, language: str, policy: Policy) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self.policy = policy

    def filters(self) -> dict[str, Any]:
        return {
            "named": self.named,
            "moment": self.moment,
            "brief": self.brief,
            "brief_span": self.brief_span,
            "day": self.day,
            "full_day": self.full_day,
            "month": self.month,
            "whole_month": self.whole_month,
            "weekday": self.weekday,
            "month_mark": self.month_mark,
            "month_year": self.month_year,
            "clock": self.clock,
            "span": self.span,
            "hours": self.hours,
            "minutes": self.minutes,
            "distance": self.distance,
            "number": self.number,
            "money": self.money,
            "compact": self.compact,
            "masked": masked,
            "enumerated": self.enumerated,
        }

    def _local(self, value: datetime | str) -> datetime:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(self.policy.zone)

    def named(self, names: Mapping[str, str] | None) -> str:
        return named(names, self.language)

    def day(self, value: datetime | date | str) -> str:
        """Mon 7 December, or 12月7日 周一; with the year unless a moment makes it plain."""
        pattern = "y年M月d日 EEE" if self.locale.language == "zh" else "EEE d MMM y"
        return dates.format_date(self._local_day(value), pattern, locale=self.locale)

    def full_day(self, value: datetime | date | str) -> str:
        """7 December 2026, or 2026年12月7日: as papers date what they say."""
        pattern = "y年M月d日" if self.locale.language == "zh" else "d MMMM y"
        return dates.format_date(self._local_day(value), pattern, locale=self.locale)

    def _local_day(self, value: datetime | date | str) -> date:
        if isinstance(value, str) and len(value) <= len("2026-12-07"):
            return date.fromisoformat(value)
        return self._local(value).date() if isinstance(value, datetime | str) else value

    def month(self, value: date) -> str:
        """Dec, or 12月."""
        return dates.format_date(value, "LLL", locale=self.locale)

    def whole_month(self, value: date) -> str:
        """December 2026, or 2026年12月."""
        pattern = "y年M月" if self.locale.language == "zh" else "MMMM y"
        return dates.format_date(value, pattern, locale=self.locale)

    def weekday(self, value: date) -> str:
        """Mon, or 周一."""
        return dates.format_date(value, "EEE", locale=self.locale)

    def month_mark(self, number: int) -> str:
        """A month by its number (12 a year) on an axis: its name, for January the year."""
        year, month = divmod(number, 12)
        return self.month(date(year, month + 1, 1)) if month else str(year)

    def month_year(self, number: int) -> str:
        """A month by its number, as `whole_month`."""
        year, month = divmod(number, 12)
        return self.whole_month(date(year, month + 1, 1))

    def clock(self, value: datetime | time | str | int) -> str:
        """14:05; an int is minutes of the day."""
        if isinstance(value, int):
            value = time(value // 60, value % 60)
        elif not isinstance(value, time):
            value = self._local(value)
        return f"{value:%H:%M}"

    def moment(self, value: datetime | str) -> str:
        return f"{self.day(value)} {self.clock(value)}"

    def brief(self, value: datetime | str) -> str:
        """12月7日 周一 08:00: a moment so near that the year is plain, for lists and buttons."""
        local = self._local(value)
        pattern = "M月d日 EEE" if self.locale.language == "zh" else "EEE d MMM"
        return f"{dates.format_date(local, pattern, locale=self.locale)} {local:%H:%M}"

    def brief_span(self, start: datetime | str, end: datetime | str) -> str:
        """Both brief, the day once where both fall on it."""
        first, last = self._local(start), self._local(end)
        if first.date() == last.date():
            return f"{self.brief(first)}–{self.clock(last)}"
        return f"{self.brief(first)} – {self.brief(last)}"

    def span(self, start: datetime | str, end: datetime | str) -> str:
        """A start and an end, the day once where both fall on it."""
        first, last = self._local(start), self._local(end)
        if first.date() == last.date():
            return f"{self.moment(first)}–{self.clock(last)}"
        return f"{self.moment(first)} – {self.moment(last)}"

    def hours(self, minutes: int) -> str:
        """Minutes as hours to one decimal, as service records give them."""
        return numbers.format_decimal(round(minutes / 60, 1), "#,##0.#", locale=self.locale)

    def minutes(self, minutes: int) -> str:
        """A duration in words: 2 hours 30 minutes."""
        whole, rest = divmod(int(minutes), 60)
        parts = [
            _with_unit(value, unit, self.locale)
            for value, unit in ((whole, "hour"), (rest, "minute"))
            if value
        ] or [_with_unit(0, "minute", self.locale)]
        return ("" if self.locale.language == "zh" else " ").join(parts)

    def distance(self, metres: float) -> str:
        if metres < KILOMETRE:
            return _with_unit(max(100, round(metres, -2)), "meter", self.locale)
        return _with_unit(round(metres / KILOMETRE, 1), "kilometer", self.locale)

    def number(self, value: float) -> str:
        return numbers.format_decimal(value, locale=self.locale)

    def money(self, cents: int) -> str:
        """Hundredths of the city's currency."""
        return numbers.format_currency(cents / 100, self.policy.currency, locale=self.locale)

    def compact(self, value: float) -> str:
        """As short as an axis needs it: 9,500, 12K, 1.2万."""
        if value < COMPACT_FROM:
            return self.number(value)
        return numbers.format_compact_decimal(value, locale=self.locale, fraction_digits=1)

    def enumerated(self, items: Iterable[str]) -> str:
        return ("、" if self.locale.language == "zh" else ", ").join(items)


def _with_unit(value: float, unit: str, locale: Locale) -> str:
    """Chinese has one length, which Babel knows as the short one."""
    chinese = locale.language == "zh"
    length: Literal["short", "long"] = "short" if chinese or unit.endswith("meter") else "long"
    text = format_unit(value, unit, length=length, locale=locale)
    return text.replace(" ", "") if chinese else text


def masked(value: str | None, keep: int = 4) -> str:
    """A phone or ID number of which only the last characters can be read."""
    if not value:
        return ""
    return "•" * max(len(value) - keep, 3) + value[-keep:]

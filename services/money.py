"""Amounts of money as people write them: 1,500, 2万, 1.5万元, 三千五, ¥20.50. In hundredths. Pure.

Of Chinese only single characters are looked at; what is said of money is the templates' business.
"""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

LARGEST = 10**12
"""Hundredths; more is a slip of the finger."""
UNITS = {"十": 10, "百": 100, "千": 1000, "k": 1000, "万": 10_000, "w": 10_000, "亿": 10**8}
DIGITS = {
    "零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7,
    "八": 8, "九": 9,
}  # fmt: skip
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_AROUND = re.compile(
    r"^(?:[¥$€]|rmb|cny)?\s*(.*?)\s*(?:元|块|圆|rmb|cny|yuan)?(?:整|钱)?$", re.DOTALL
)
_BEFORE_AMOUNT = " \t:,;=-–—~、。"


class MoneyError(ValueError):
    """This is no amount, or an impossible one."""


def cents(text: str) -> int:
    """Hundredths, more than nothing. Raises MoneyError."""
    found = _AROUND.match(_folded(text))
    value = _value(found.group(1)) if found else None
    if value is None:
        raise MoneyError(text)
    exact = value * 100
    if exact != exact.to_integral_value() or not 0 < exact <= LARGEST:
        raise MoneyError(text)
    return int(exact)


def line(text: str) -> tuple[str, int]:
    """What the money is for, and the amount behind it: "场地 2000". Raises MoneyError."""
    folded = unicodedata.normalize("NFKC", text).strip()
    for start in _starts(folded):
        name = folded[:start].rstrip(_BEFORE_AMOUNT).strip()
        if name:
            try:
                return name, cents(folded[start:])
            except MoneyError:
                continue
    raise MoneyError(text)


def _starts(text: str) -> Iterator[int]:
    """Where an amount may begin: behind a blank or the like, or where digits do."""
    for index in range(1, len(text)):
        before, here = text[index - 1], text[index]
        fresh = before in _BEFORE_AMOUNT and here not in _BEFORE_AMOUNT
        if fresh or here in "¥$€" or (here.isdigit() and not before.isdigit() and before != "."):
            yield index


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().lower()


def _value(text: str) -> Decimal | None:
    """The sum of parts such as 2万5千; a last digit without its unit is of the next one: 2万5."""
    total, unit, rest = Decimal(0), 0, text
    while rest:
        skips = rest[0] in "零〇"
        number, rest = _leading(rest)
        if number is None:
            return None
        here = UNITS.get(rest[:1], 0)
        if here:
            rest = rest[1:].lstrip()
            while rest[:1] in UNITS:
                here, rest = here * UNITS[rest[:1]], rest[1:].lstrip()
        if unit and here >= unit:
            return None
        if unit and not here:
            if rest:
                return None
            return total + (number * unit / 10 if number < 10 and not skips else number)
        total += number * (here or 1)
        unit = here
        if not here and rest:
            return None
    return total if text else None


def _leading(text: str) -> tuple[Decimal | None, str]:
    """The number at the beginning, and what follows."""
    text = text.lstrip()
    found = _NUMBER.match(text)
    if found:
        try:
            return Decimal(found.group().replace(",", "")), text[found.end() :].lstrip()
        except InvalidOperation:  # pragma: no cover - the pattern lets nothing else through
            return None, text
    text = text.lstrip("零〇") or text
    if text[:1] in DIGITS:
        return Decimal(DIGITS[text[0]]), text[1:].lstrip()
    if text[:1] in UNITS and text[0] not in "kw":
        return Decimal(1), text
    return None, text

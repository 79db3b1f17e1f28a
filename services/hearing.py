"""What a commander's own words say by themselves: the kind of emergency, and how many people.

Only ever a proposal, which counts once it is pressed. What is listened for is in
`templates/callouts/heard.j2`, in every language. Pure.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.words import Words

PEOPLE = "people"
"""The entry that holds what follows a number of people."""
MOST_KINDS, MOST_NUMBERS = 2, 3
"""Proposals beyond these would be no help."""
DIGITS = {
    "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4,
    "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
}  # fmt: skip
UNITS = {"十": 10, "百": 100, "千": 1000}
NUMERAL = re.compile(f"[0-9]+|[{''.join(DIGITS)}{''.join(UNITS)}]+")


@dataclass(frozen=True, slots=True)
class Heard:
    """What may be proposed, the likeliest first."""

    kinds: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


def hear_in(words: Words, text: str) -> Heard:
    """What a text proposes, whichever of our languages it is in."""
    found: dict[str, list[str]] = {}
    for language in words.languages:
        lines = words.render("callouts/heard", language).unformatted
        for name, some in read_catalogue(lines).items():
            found.setdefault(name, []).extend(some)
    return hear(text, found)


def read_catalogue(lines: str) -> dict[str, list[str]]:
    """Entries like "flood: flooded, under water", one a line."""
    found: dict[str, list[str]] = {}
    for line in lines.splitlines():
        name, colon, words = line.partition(":")
        if colon:
            found[name.strip()] = [_folded(word) for word in words.split(",") if word.strip()]
    return found


def hear(text: str, catalogue: Mapping[str, Sequence[str]]) -> Heard:
    """The kinds of which something is said, the most often named first, and numbers of people."""
    said = _folded(text)
    counted = {
        name: sum(len(re.findall(_pattern(word), said)) for word in words)
        for name, words in catalogue.items()
        if name != PEOPLE
    }
    kinds = sorted((name for name in counted if counted[name]), key=lambda name: -counted[name])
    return Heard(tuple(kinds[:MOST_KINDS]), _numbers(said, catalogue.get(PEOPLE, ())))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _pattern(word: str) -> str:
    """Latin words count only as whole ones."""
    return rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)


def _numbers(said: str, units: Sequence[str]) -> tuple[int, ...]:
    if not units:
        return ()
    counted = re.compile(rf"({NUMERAL.pattern})\s*(?:{'|'.join(map(_pattern, units))})")
    found = [number_of(match.group(1)) for match in counted.finditer(said)]
    return tuple(dict.fromkeys(number for number in found if number))[:MOST_NUMBERS]


def number_of(numeral: str) -> int:
    """30, 三十 and 一百二十 as numbers; 0 for what is none."""
    if numeral.isdecimal() and numeral.isascii():
        return int(numeral)
    total, digit = 0, None
    for character in numeral:
        if character in UNITS:
            total += (1 if digit is None else digit) * UNITS[character]
            digit = None
        elif digit is not None:
            return 0  # 两三百: nobody knows which
        else:
            digit = DIGITS[character]
    return total + (digit or 0)

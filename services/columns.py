"""What the columns of somebody's own table mean, and what a cell says. Pure.

The words that headings are known by are in `templates/imports/headers.toml`.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any

from models import ImportKind
from services import id_numbers, phones, signup
from services.errors import Refusal
from services.files import Row
from services.finding import folded
from services.moments import MomentError, parse_duration, written_day
from services.words import TEMPLATES

SAMPLE = 50
"""Rows by whose values a column is told."""
HEAD_WITHIN = 10
"""Lines; above the headings there may be a title."""
MOSTLY = 0.6
"""Of a column's values that look alike."""
NUMBER = re.compile(r"[A-Z0-9][A-Z0-9-]{2,23}")
CLOCK = re.compile(r"([01]?\d|2[0-3])[:：]([0-5]\d)(?:[:：]\d\d)?")
MOST_MINUTES = 24 * 60
"""Of one line of past hours."""
SPREADSHEET_EPOCH = date(1899, 12, 30)
NONE = frozenset({"-", "--", "—", "/", "无", "n/a", "na", "null", "none"})
"""What people write where there is nothing."""
FIELDS: dict[ImportKind, tuple[str, ...]] = {
    ImportKind.VOLUNTEERS: (
        "name", "phone", "id_number", "number", "birth_date", "organisation", "email", "skills",
        "interests", "languages", "registered_on",
    ),
    ImportKind.ORGANISATIONS: (
        "code", "name", "name_en", "kind", "parent", "place", "latitude", "longitude",
    ),
    ImportKind.HOURS: (
        "name", "number", "phone", "id_number", "activity", "date", "starts", "hours", "minutes",
        "organisation", "field", "reference",
    ),
}  # fmt: skip
NEEDED: dict[ImportKind, tuple[tuple[str, ...], ...]] = {
    ImportKind.VOLUNTEERS: (("name",), ("phone", "id_number", "number")),
    ImportKind.ORGANISATIONS: (("name",), ("kind",)),
    ImportKind.HOURS: (
        ("name",), ("number", "phone", "id_number"), ("activity",), ("date",), ("hours", "minutes"),
    ),
}  # fmt: skip
"""One of each is needed."""


@dataclass(frozen=True, slots=True)
class Head:
    """`line` of the headings, 0 if there are none; `mapping` as in `Import.mapping`."""

    line: int
    cells: list[str]
    sample: list[list[str]]
    mapping: list[str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a row; `column` is None if it is no single cell's fault."""

    column: int | None
    code: str
    parameters: dict[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, list[str]]]:
    text = (TEMPLATES / "imports" / "headers.toml").read_text(encoding="utf-8")
    return {
        table: {name: [folded(word) for word in words] for name, words in entries.items()}
        for table, entries in tomllib.loads(text).items()
    }


# Proposing


def propose(kind: ImportKind, rows: Sequence[Row]) -> Head:
    """Finds the headings among the first rows, and what each column seems to be."""
    first = rows[:HEAD_WITHIN]
    scores = [len([cell for cell in cells if _by_heading(kind, cell)]) for _, cells in first]
    best = max(range(len(first)), key=lambda at: (scores[at], -at))
    has_head = scores[best] > 0 or not _looks_like_data(first[0][1])
    line, cells = first[best if scores[best] else 0] if has_head else (0, [])
    below = [cells for number, cells in rows if number > line][:SAMPLE]
    width = max(len(row) for row in (cells, *below))
    heading = [*cells, *[""] * (width - len(cells))]
    mapping = [_by_heading(kind, cell) for cell in heading]
    for at, found in enumerate(mapping):
        if found and found in mapping[:at]:
            mapping[at] = ""
    for at in range(width):
        if not mapping[at]:
            seen = _by_values([row[at] for row in below if at < len(row) and row[at]])
            if seen in FIELDS[kind] and seen not in mapping:
                mapping[at] = seen
    return Head(line, heading, below[:5], mapping)


def _by_heading(kind: ImportKind, cell: str) -> str:
    heading = folded(cell)
    if not heading:
        return ""
    words = _words()[kind.value]
    for name, known in words.items():
        if heading in known:
            return name
    begun = {
        name: max((len(word) for word in known if len(word) > 1 and word in heading), default=0)
        for name, known in words.items()
    }
    longest = max(begun, key=lambda name: begun[name])
    return longest if 2 * begun[longest] >= len(heading) else ""


def _by_values(values: Sequence[str]) -> str:
    for name, looks in _LOOKS.items():
        if values and sum(map(looks, values)) >= MOSTLY * len(values):
            return name
    return ""


def _looks_like_data(cells: Sequence[str]) -> bool:
    return any(looks(cell) for cell in cells if cell for looks in _LOOKS.values())


def _is_id(value: str) -> bool:
    return bool(re.fullmatch(r"\d{17}[\dXx]", value.replace(" ", "")))


def _is_phone(value: str) -> bool:
    return bool(re.fullmatch(r"(?:\+?86)?1[3-9]\d{9}", re.sub(r"[\s-]", "", value)))


def _is_day(value: str) -> bool:
    try:
        written_day(value)
    except MomentError:
        return False
    return True


def _is_email(value: str) -> bool:
    return bool(signup.EMAIL.fullmatch(value))


def _is_name(value: str) -> bool:
    return bool(re.fullmatch("[\u4e00-\u9fff]{2,4}", value))


_LOOKS: Mapping[str, Callable[[str], bool]] = {
    "id_number": _is_id,
    "phone": _is_phone,
    "email": _is_email,
    "birth_date": lambda value: _is_day(value) and value[:2] in ("19", "20"),
    "date": _is_day,
    "name": _is_name,
}


def checked_mapping(kind: ImportKind, mapping: Sequence[str]) -> list[str]:
    """Raises Refusal for a column that is named twice, is unknown, or is missing."""
    named = [name for name in mapping if name]
    if any(name not in FIELDS[kind] for name in named):
        raise Refusal("import_column_unknown")
    for name in named:
        if named.count(name) > 1:
            raise Refusal("import_column_twice", name=name)
    for some in NEEDED[kind]:
        if not set(some) & set(named):
            raise Refusal("import_column_missing", names=list(some))
    return list(mapping)


# What a cell says


class CellError(Exception):
    """A cell does not say what its column asks for; `code` names a sentence."""

    def __init__(self, code: str, **parameters: Any) -> None:
        super().__init__(code)
        self.code = code
        self.parameters = parameters


class Cells:
    """The cells of a row by name; what is wrong with them is gathered in `faults`."""

    def __init__(self, mapping: Mapping[str, int], cells: Sequence[str]) -> None:
        self._mapping = mapping
        self._cells = cells
        self.faults: list[Fault] = []

    def text(self, name: str) -> str:
        at = self._mapping.get(name)
        if at is None or at >= len(self._cells):
            return ""
        said = printable(self._cells[at])
        return "" if said.lower() in NONE else said

    def read(self, name: str, parse: Callable[[str], Any]) -> Any:
        """What the cell says by `parse`; None for an empty one and for a wrong one."""
        said = self.text(name)
        if not said:
            return None
        try:
            return parse(said)
        except CellError as fault:
            self.wrong(name, fault.code, **fault.parameters)
        return None

    def wrong(self, name: str | None, code: str, **parameters: Any) -> None:
        at = self._mapping.get(name) if name else None
        self.faults.append(Fault(at, code, parameters))

    def require(self, name: str) -> None:
        if not self.text(name):
            self.wrong(name, "missing")


def printable(text: str) -> str:
    """Half-width, one line, nothing that can't be seen, no apostrophe before a number."""
    plain = unicodedata.normalize("NFKC", text)
    shown = plain if plain.isprintable() else "".join(c if c.isprintable() else " " for c in plain)
    return " ".join(shown.split()).removeprefix("'")


def person_name(said: str) -> str:
    if len(said) > signup.LONGEST_NAME:
        raise CellError("too_long", most=signup.LONGEST_NAME)
    try:
        return signup.checked_name(said)
    except Refusal:
        raise CellError("name") from None


def phone(country: str) -> Callable[[str], str]:
    def parse(said: str) -> str:
        try:
            return phones.e164(said, country)
        except Refusal:
            raise CellError("phone") from None

    return parse


def id_number(said: str) -> str:
    """GB 11643, as at sign-up."""
    if "E+" in said.upper():
        raise CellError("id_rounded")
    try:
        return id_numbers.checked(said)
    except Refusal:
        raise CellError("id_number") from None


def number(said: str) -> str:
    """A registration number, as it is kept."""
    tidy = "".join(said.split()).upper()
    if not NUMBER.fullmatch(tidy):
        raise CellError("number")
    return tidy


def day(said: str) -> date:
    """Also the bare number that a spreadsheet shows where a day is not formatted as one."""
    if re.fullmatch(r"[1-5]\d{4}", said):
        return SPREADSHEET_EPOCH + timedelta(days=int(said))
    try:
        return written_day(said)
    except MomentError:
        raise CellError("date") from None


def past_day(today: date) -> Callable[[str], date]:
    def parse(said: str) -> date:
        found = day(said)
        if found > today:
            raise CellError("date_ahead")
        return found

    return parse


def clock(said: str) -> time:
    """A time of day, also behind a date."""
    found = CLOCK.search(said)
    if found is None:
        raise CellError("clock")
    return time(int(found.group(1)), int(found.group(2)))


def email(said: str) -> str:
    if not signup.EMAIL.fullmatch(said) or len(said) > signup.LONGEST_EMAIL:
        raise CellError("email")
    return said


def hours(said: str) -> int:
    """Minutes of a duration; a bare number is hours."""
    if re.fullmatch(r"\d{1,3}(?:\.\d+)?", said):
        return _within(round(float(said) * 60))
    return minutes(said)


def minutes(said: str) -> int:
    """Minutes of a duration; a bare number is minutes."""
    if re.fullmatch(r"\d{1,5}(?:\.0+)?", said):
        return _within(int(float(said)))
    try:
        return _within(parse_duration(said))
    except MomentError:
        raise CellError("duration") from None


def _within(count: int) -> int:
    if not 1 <= count <= MOST_MINUTES:
        raise CellError("duration_range", most=MOST_MINUTES // 60)
    return count


def degrees(most: float) -> Callable[[str], float]:
    def parse(said: str) -> float:
        try:
            found = float(said)
        except ValueError:
            raise CellError("degrees", most=most) from None
        if not -most <= found <= most:
            raise CellError("degrees", most=most)
        return found

    return parse


def organisation_kind(said: str) -> str:
    wanted = folded(said)
    for name, words in _words()["kinds"].items():
        if wanted in words or wanted == folded(name):
            return name
    raise CellError("kind")


def bounded(most: int) -> Callable[[str], str]:
    """A text of at most so many characters."""

    def parse(said: str) -> str:
        if len(said) > most:
            raise CellError("too_long", most=most)
        return said

    return parse


def listed(said: str) -> list[str]:
    """Several in one cell: 急救、驾驶; first aid, driving."""
    return [part.strip() for part in re.split("[,;/|、，；]", said) if part.strip()]

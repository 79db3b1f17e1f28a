"""Takes the rows out of a file, in a process of its own: run as a program, never imported.

A file from outside may be a bomb: a sheet that names one far cell asks for more memory than there
is. Here that costs a process with limits and not the bot. Needs nothing of Muster.

Argument: JSON of the limits, see `services.files`. Input: the file. Output: frames of four bytes of
length and a compressed JSON list of [line, [cell, ...]]; then a frame of length 0 and JSON that
says how it ended.
"""

import csv
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

LONGEST_CELL = 1_000
MOST_COLUMNS = 200
EXACT = 10**15
"""From here on a number out of a spreadsheet has lost its last digits."""
DELIMITERS = ",;\t"
SNIFFED = 20
"""Lines by which the separator is told."""


class Unfit(Exception):
    """The file can't be taken; the text is a code."""


def main() -> None:
    limits = json.loads(sys.argv[1])
    _bound(limits)
    content = sys.stdin.buffer.read()
    out = sys.stdout.buffer
    try:
        ended: dict[str, Any] = {"rows": _write(out, _rows(content, limits), limits)}
    except Unfit as fault:
        ended = {"refusal": str(fault)}
    except MemoryError:
        ended = {"refusal": "bomb"}
    out.write((0).to_bytes(4) + json.dumps(ended).encode())


def _bound(limits: dict[str, int]) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["seconds"], limits["seconds"]))


def _write(out: Any, rows: Iterable[tuple[int, list[str]]], limits: dict[str, int]) -> int:
    portion: list[tuple[int, list[str]]] = []
    count = 0
    for line, cells in rows:
        count += 1
        if count > limits["rows"]:
            raise Unfit("too_many_rows")
        portion.append((line, cells))
        if len(portion) == limits["portion"]:
            _frame(out, portion)
            portion = []
    if portion:
        _frame(out, portion)
    if not count:
        raise Unfit("empty")
    return count


def _frame(out: Any, portion: list[tuple[int, list[str]]]) -> None:
    packed = zlib.compress(json.dumps(portion, ensure_ascii=False).encode(), 3)
    out.write(len(packed).to_bytes(4) + packed)


def _rows(content: bytes, limits: dict[str, int]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers with cells, without rows that are empty."""
    found = _of_sheet(content, limits) if content[:2] == b"PK" else _of_text(content)
    for line, cells in found:
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield line, cells


# .xlsx


def _of_sheet(content: bytes, limits: dict[str, int]) -> Iterator[tuple[int, list[str]]]:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, ZipError

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > limits["unpacked"]:
                raise Unfit("bomb")
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for line, row in enumerate(book.get_sheet_by_index(0).iter_rows(), 1):
            yield line, [_cell(value) for value in row[:MOST_COLUMNS]]
    except PasswordError:
        raise Unfit("password") from None
    except (CalamineError, ZipError, zipfile.BadZipFile, OSError, ValueError, IndexError):
        raise Unfit("unreadable") from None


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _tidy(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        whole_day = value.time() == time()
        return value.date().isoformat() if whole_day else value.isoformat(" ", "minutes")
    if isinstance(value, time):
        return value.isoformat("minutes")
    if isinstance(value, timedelta):
        hours, minutes = divmod(round(value.total_seconds() / 60), 60)
        return f"{hours}:{minutes:02d}"
    if isinstance(value, date):
        return value.isoformat()
    return _number(value) if isinstance(value, int) else str(value)


def _number(value: float) -> str:
    if abs(value) >= EXACT:
        return f"{value:.6E}"
    return str(int(value)) if value == int(value) else repr(round(value, 6))


# .csv


def _of_text(content: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(content)
    if "\0" in text:
        raise Unfit("unreadable")
    csv.field_size_limit(LONGEST_CELL * 100)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        last = 0
        for row in reader:
            yield last + 1, [_tidy(value) for value in row[:MOST_COLUMNS]]
            last = reader.line_num
    except csv.Error:
        raise Unfit("unreadable") from None


def _decoded(content: bytes) -> str:
    """UTF-8 with or without its mark, UTF-16 with it, GB18030."""
    marked = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ["utf-16"] if marked else ["utf-8-sig", "gb18030"]:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unfit("encoding")


def _delimiter(text: str) -> str:
    """The one that most of the first lines hold as often as each other."""
    lines = [line for line in text[:100_000].splitlines()[:SNIFFED] if line.strip()]

    def evenness(mark: str) -> tuple[int, int]:
        counts = [len(next(csv.reader([line], delimiter=mark), [])) for line in lines]
        usual = max(set(counts), key=lambda n: (counts.count(n), n), default=1)
        return (counts.count(usual) if usual > 1 else 0, usual)

    try:
        return max(DELIMITERS, key=evenness)
    except csv.Error:
        return ","


def _tidy(text: str) -> str:
    return " ".join(text[:LONGEST_CELL].split())


if __name__ == "__main__":
    main()

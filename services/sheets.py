"""Lists as spreadsheets: rows become .xlsx as they come, with little memory whatever the size.

    columns = await sheets.permitted(work, [Column(words, Kind.DAY), ...], Right.SEE_VOLUNTEERS,
                                     organisation_id, "volunteers")
    async with sheets.made(columns, sheets.rows_of(work, statement), zone=work.policy.zone) as path:
        ...

Whoever calls brings the headings in the reader's language. What people wrote stays text: no cell is
ever a formula or a link. Knows no list and no page.
"""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy import Select

from services import access, audit
from services.access import Right
from services.work import Work

AT_ONCE = 1_000
"""Rows that are written by a thread at a time."""
LAST_ROW = 1_048_575
"""Of a sheet of Excel; what is beyond goes onto another one."""
LONGEST = 32_767
"""Characters of a cell of Excel."""
MOST_COMMENTS = 5_000
"""Beyond these, only the colour marks a cell: comments are kept in memory."""
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML does not take."""
CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    MOMENT = "moment"
    """Shown in the city's zone."""
    MINUTES = "minutes"
    """A duration."""


FORMATS = {Kind.DAY: "yyyy-mm-dd", Kind.MOMENT: "yyyy-mm-dd hh:mm", Kind.MINUTES: "[h]:mm"}


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    kind: Kind = Kind.TEXT
    width: int = 16
    personal: bool = False
    """Goes out only to who holds the right, and is noted."""
    name: str = ""
    """For whoever makes the rows."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A value that is wrong; `why` stands beside it as a comment."""

    value: Any
    why: str = ""


async def permitted(
    work: Work, columns: Sequence[Column], right: Right, organisation_id: int, what: str
) -> list[Column]:
    """The columns that the actor may take along; that they took personal ones is noted.

    Call it in a transaction that writes.
    """
    if not any(column.personal for column in columns):
        return list(columns)
    if not await access.may(work, right, organisation_id):
        return [column for column in columns if not column.personal]
    subject = f"organisation:{organisation_id}"
    audit.note(work, "list.exported", subject, organisation_id=organisation_id, list=what)
    return list(columns)


async def rows_of(work: Work, statement: Select[*tuple[Any, ...]]) -> AsyncIterator[Sequence[Any]]:
    """The rows of a query, fetched in portions."""
    found = await work.session.stream(statement.execution_options(yield_per=AT_ONCE))
    async for row in found:
        yield row


@asynccontextmanager
async def made(
    columns: Sequence[Column], rows: AsyncIterable[Sequence[Any]], *, zone: ZoneInfo
) -> AsyncIterator[Path]:
    """The finished file, which only its owner may read; it is gone afterwards."""
    with TemporaryDirectory(prefix="muster-sheet-") as folder:
        path = Path(folder) / "list.xlsx"
        sheet = await asyncio.to_thread(_Sheet, path, columns, zone)
        try:
            some: list[Sequence[Any]] = []
            async for row in rows:
                some.append(row)
                if len(some) == AT_ONCE:
                    await asyncio.to_thread(sheet.write, some)
                    some = []
            await asyncio.to_thread(sheet.write, some)
        finally:
            await asyncio.to_thread(sheet.close)
        yield path


async def content(
    columns: Sequence[Column], rows: AsyncIterable[Sequence[Any]], *, zone: ZoneInfo
) -> bytes:
    """The whole file in memory, for what is small or sent at once."""
    async with made(columns, rows, zone=zone) as path:
        return await asyncio.to_thread(path.read_bytes)


class _Sheet:
    """Blocks; each method runs in a thread, one after the other."""

    def __init__(self, path: Path, columns: Sequence[Column], zone: ZoneInfo) -> None:
        self._columns = columns
        self._zone = zone
        self._comments = 0
        self._book: Any = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        wrong = {"bg_color": "#ffc7ce", "font_color": "#9c0006"}
        self._plain = {kind: self._book.add_format(_shape(kind)) for kind in Kind}
        self._wrong = {kind: self._book.add_format(_shape(kind) | wrong) for kind in Kind}
        self._head = self._book.add_format({"bold": True, "bottom": 1, "text_wrap": True})
        self._begin()

    def _begin(self) -> None:
        self._page: Any = self._book.add_worksheet()
        self._row = 0
        self._page.freeze_panes(1, 0)
        for at, column in enumerate(self._columns):
            self._page.set_column(at, at, column.width)
            self._page.write_string(0, at, _tidy(column.heading), self._head)

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            if self._row == LAST_ROW:
                self._end()
                self._begin()
            self._row += 1
            for at, (column, value) in enumerate(zip(self._columns, row, strict=False)):
                self._cell(at, column.kind, value)

    def _cell(self, at: int, kind: Kind, value: Any) -> None:
        if isinstance(value, Marked):
            self._put(at, kind, value.value, self._wrong[kind])
            if value.why and self._comments < MOST_COMMENTS:
                self._comments += 1
                self._page.write_comment(self._row, at, _tidy(value.why))
        elif value is not None and value != "":
            self._put(at, kind, value, self._plain[kind])

    def _put(self, at: int, kind: Kind, value: Any, shape: Any) -> None:
        if value is None or value == "":
            self._page.write_blank(self._row, at, None, shape)
        elif kind is Kind.MOMENT and isinstance(value, datetime):
            local = value.astimezone(self._zone).replace(tzinfo=None)
            self._page.write_datetime(self._row, at, local, shape)
        elif kind is Kind.DAY and isinstance(value, date):
            self._page.write_datetime(self._row, at, value, shape)
        elif kind is Kind.MINUTES and isinstance(value, int):
            self._page.write_number(self._row, at, value / (24 * 60), shape)
        elif kind is Kind.NUMBER and isinstance(value, int | float):
            self._page.write_number(self._row, at, value, shape)
        else:
            self._page.write_string(self._row, at, _tidy(str(value)), shape)

    def _end(self) -> None:
        if self._columns:
            self._page.autofilter(0, 0, self._row, len(self._columns) - 1)

    def close(self) -> None:
        self._end()
        self._book.close()


def _shape(kind: Kind) -> dict[str, Any]:
    """Text is text to the spreadsheet, too: what is typed over it later stays as it is typed."""
    return {"num_format": FORMATS.get(kind, "@" if kind is Kind.TEXT else "General")}


def _tidy(text: str) -> str:
    return UNFIT.sub("", text)[:LONGEST]

"""Taking the data along: export and import between databases of either kind."""

import gzip
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import (
    Date,
    Enum,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from bot import schema
from bot.settings import Settings
from models import Base, Database
from models.base import Moment
from models.sealed import Sealed, SealedDocument
from services.founding import Progress

Way = Callable[[Settings, Path, Progress], Coroutine[Any, Any, int]]
BATCH = 500
OF_RUNNING = ("process", "lease", "share")
"""Tables that say what runs at present."""


class DataError(Exception):
    """The file or database is not fit for this; the text says why and what to do."""


def raw_tables() -> list[Table]:
    """What is kept, in the order in which rows may be added; sealed columns as bytes."""
    plain = MetaData()
    kept = [table for table in Base.metadata.sorted_tables if table.name not in OF_RUNNING]
    tables = [table.to_metadata(plain) for table in kept]
    for table in tables:
        for column in table.columns:
            if isinstance(column.type, Sealed | SealedDocument):
                column.type = LargeBinary()
            elif isinstance(column.type, Enum):
                column.type = String()
    return tables


# Export


async def export_to(settings: Settings, file: Path, progress: Progress) -> int:
    """Answers how many rows; the first line names the schema's revision.

    Raises DataError, DatabaseUnreachableError.
    """
    async with schema.opened(settings.database.url) as database:
        await _require_schema(database)
        async with database.read() as session:
            tables = raw_tables()
            total = 0
            for table in tables:
                total += await session.scalar(select(func.count()).select_from(table)) or 0
            with _new(file) as lines:
                _write(lines, {"muster": schema.newest(), "rows": total})
                done = 0
                async for name, row in _rows(session, tables):
                    _write(lines, [name, row])
                    done += 1
                    if done % BATCH == 0:
                        progress(done, total)
        return done


def _new(file: Path) -> TextIO:
    """A new file that only its owner may read."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as fault:
        raise DataError(f"{file} can't be written: {fault.strerror}") from None
    os.fchmod(handle, 0o600)
    return gzip.open(os.fdopen(handle, "wb"), "wt", encoding="utf-8")


async def _rows(session: AsyncSession, tables: list[Table]) -> Any:
    for table in tables:
        found = await session.stream(select(table).order_by(*table.primary_key.columns))
        async for row in found.mappings():
            yield table.name, {name: _written(value) for name, value in row.items()}


def _write(lines: TextIO, content: Any) -> None:
    lines.write(json.dumps(content, ensure_ascii=False) + "\n")


def _written(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else value


# Import


async def import_from(settings: Settings, file: Path, progress: Progress) -> int:
    """Fills an empty database; all or nothing. Raises DataError, DatabaseUnreachableError."""
    lines = _lines(file)
    total = int(next(lines)["rows"])
    async with schema.opened(settings.database.url) as database:
        await _require_schema(database)
        async with database.write() as session:
            tables = {table.name: table for table in raw_tables()}
            await _require_empty(session, list(tables.values()))
            done = await _fill(session, tables, lines, lambda done: progress(done, total))
            if not database.is_sqlite:
                await _restart_numbering(session, tables)
        return done


async def _fill(
    session: AsyncSession,
    tables: dict[str, Table],
    lines: Iterator[Any],
    progress: Callable[[int], None],
) -> int:
    """References to rows of the same table are set once all of its rows are there."""
    later: list[tuple[Table, dict[str, Any], dict[str, Any]]] = []
    batch: list[dict[str, Any]] = []
    current: Table | None = None
    done = 0
    for name, row in lines:
        table = tables[name]
        if current is not None and (table is not current or len(batch) >= BATCH):
            await session.execute(insert(current), batch)
            progress(done)
            batch = []
        current = table
        values = {key: _read(table.columns[key].type, value) for key, value in row.items()}
        inner = {key: values[key] for key in _inner_references(table) if values[key] is not None}
        if inner:
            later.append((table, {k.name: values[k.name] for k in table.primary_key}, inner))
            values |= dict.fromkeys(inner)
        batch.append(values)
        done += 1
    if current is not None and batch:
        await session.execute(insert(current), batch)
    for table, key, inner in later:
        conditions = [table.columns[name] == value for name, value in key.items()]
        await session.execute(update(table).where(*conditions).values(**inner))
    return done


def _lines(file: Path) -> Iterator[Any]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            head = json.loads(next(lines))
            if head.get("muster") != schema.newest():
                raise DataError(
                    f"{file} was written by another version; export it again with this one"
                )
            yield head
            for line in lines:
                yield json.loads(line)
    except (OSError, ValueError, StopIteration, AttributeError):
        raise DataError(f"{file} is not a file that `muster export` wrote") from None


def _read(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, LargeBinary):
        return b64decode(value)
    if isinstance(kind, Moment):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(kind, Date) else value


def _inner_references(table: Table) -> list[str]:
    return [
        column.name
        for column in table.columns
        if any(key.column.table is table for key in column.foreign_keys)
    ]


async def _require_schema(database: Database) -> None:
    if not await schema.is_current(database):
        raise DataError(f"the tables are out of date; `{schema.COMMAND}` upgrades them")


async def _require_empty(session: AsyncSession, tables: list[Table]) -> None:
    for table in tables:
        if await session.scalar(select(func.count()).select_from(table)):
            raise DataError(f"the database is not empty ({table.name}); import into a new one")


async def _restart_numbering(session: AsyncSession, tables: dict[str, Table]) -> None:
    """PostgreSQL goes on numbering after the rows that were brought along."""
    for table in tables.values():
        if "id" in table.columns:
            await session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), "  # noqa: S608
                    f'(SELECT max(id) FROM "{table.name}"))'
                )
            )

"""After new keys: what was sealed or hashed with older ones is renewed, table by table.

Walks each table once by its key, in short transactions, while everything runs; what somebody else
changes meanwhile has been written with the new keys, and is left alone. Safe to repeat.
"""

import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    LargeBinary,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from models import Base, Database, Delivery, ImportedHours, Message, Person
from models.people import tail_hash
from models.sealed import (
    KEY_ID_BYTES,
    MARK,
    Keyed,
    Keyring,
    Sealed,
    SealedBytes,
    SealedDocument,
    key_id,
    keyring,
    unseal,
)
from services.delivery import SEALED

AT_ONCE = 200
"""Rows of one transaction."""
HASH = re.compile(r"(g[0-9a-z])?[0-9a-f]+")
"""Some columns hold other words beside keyed hashes."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Found:
    """How much is sealed with each key (by the start of its digest), and hashed how long ago."""

    sealed: Counter[str] = field(default_factory=Counter)
    hashed: Counter[str] = field(default_factory=Counter)
    """By generation; the first one is "first"."""

    def old(self, ring: Keyring) -> int:
        """What is not as the newest keys would write it."""
        newest, latest = key_id(ring.encryption[0]).hex(), ring.generation or "first"
        sealed = sum(number for name, number in self.sealed.items() if name != newest)
        return sealed + sum(number for name, number in self.hashed.items() if name != latest)


# Where it lies


def _sealed_columns(table: Table) -> list[Column[Any]]:
    kinds = (Sealed, SealedDocument, SealedBytes)
    return [one for one in table.columns if isinstance(one.type, kinds)]


def _keyed_columns(table: Table) -> list[Column[Any]]:
    return [one for one in table.columns if isinstance(one.type, Keyed)]


def _json_columns(table: Table) -> list[Column[Any]]:
    """Parameters of messages, some of which are sealed inside of their JSON."""
    known = (Message.__table__, Delivery.__table__)
    return [table.c.parameters] if table in known else []


def tables() -> list[Table]:
    """All that hold something sealed or hashed."""
    return [
        table
        for table in Base.metadata.sorted_tables
        if _sealed_columns(table) or _keyed_columns(table) or _json_columns(table)
    ]


# Counting


async def count(session: AsyncSession) -> Found:
    """By which keys all is kept."""
    found = Found()
    for table in tables():
        for one in _sealed_columns(table):
            start = func.substr(type_coerce(one, LargeBinary), 1, KEY_ID_BYTES)
            rows = await session.execute(
                select(start, func.count()).where(one.is_not(None)).group_by(start)
            )
            for name, number in rows:
                if name:
                    found.sealed[bytes(name).hex()] += number
        for one in _keyed_columns(table):
            start = func.substr(one, 1, 2)
            rows = await session.execute(
                select(start, func.count()).where(one.is_not(None)).group_by(start)
            )
            for name, number in rows:
                found.hashed[name if name.startswith("g") else "first"] += number
        for one in _json_columns(table):
            async for _, values in _walk_json(session, table, one):
                found.sealed[b64decode(values[SEALED])[:KEY_ID_BYTES].hex()] += 1
    return found


async def _walk_json(
    session: AsyncSession, table: Table, one: Column[Any]
) -> AsyncIterator[tuple[int, Mapping[str, Any]]]:
    last = 0
    while True:
        rows = (
            await session.execute(
                select(table.c.id, one).where(table.c.id > last, _is_sealed(one))
                .order_by(table.c.id).limit(AT_ONCE)
            )
        ).all()  # fmt: skip
        for key, values in rows:
            yield key, values
        if len(rows) < AT_ONCE:
            return
        last = rows[-1][0]


def _is_sealed(one: Column[Any]) -> Any:
    return one[SEALED].as_string().is_not(None)


async def is_under_way(session: AsyncSession) -> bool:
    """Whether hashes are not all of the newest key yet; what compares many by them must wait."""
    generation = keyring().generation
    after = chr(ord((generation or MARK)[-1]) + 1)
    for one in (Person.phone_hash, Person.id_number_hash, ImportedHours.key):
        others = or_(one < generation, one >= generation[:-1] + after)
        if not generation:
            others = one >= MARK
        if await session.scalar(select(one).where(others).limit(1)) is not None:
            return True
    return False


# Renewing


async def renew(database: Database, progress: Progress | None = None) -> int:
    """Everything that older keys wrote; answers how many rows. Raises UnknownKeyError."""
    todo = tables()
    changed = 0
    for number, table in enumerate(todo):
        if progress is not None:
            progress(number, len(todo))
        changed += await _renew_table(database, table)
    return changed


async def _renew_table(database: Database, table: Table) -> int:
    keys = list(table.primary_key.columns)
    plain = [
        *(type_coerce(one, LargeBinary).label(one.name) for one in _sealed_columns(table)),
        *_keyed_columns(table),
        *_json_columns(table),
    ]
    if table is Person.__table__:
        plain.append(table.c.phone_tail_hash)
    last: tuple[Any, ...] | None = None
    changed = 0
    while True:
        async with database.read() as session:
            statement = select(*(key.label(f"key_{key.name}") for key in keys), *plain)
            if last is not None:
                statement = statement.where(tuple_(*keys) > tuple_(*map(literal, last)))
            rows = (await session.execute(statement.order_by(*keys).limit(AT_ONCE))).all()
        ready = [(row, new) for row in rows if (new := _renewed(table, row._mapping))]
        if ready:
            changed += await _write(database, table, keys, ready)
        if len(rows) < AT_ONCE:
            return changed
        last = tuple(rows[-1][: len(keys)])


def _renewed(table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    """The values of the row that change."""
    ring = keyring()
    newest = key_id(ring.encryption[0])
    new: dict[str, Any] = {}
    for one in _sealed_columns(table):
        kept = row[one.name]
        if kept and bytes(kept)[:KEY_ID_BYTES] != newest:
            new[one.name] = ring.seal(unseal(bytes(kept)))
    for one in _keyed_columns(table):
        kept = row[one.name]
        if kept and HASH.fullmatch(kept) and not _is_newest(ring, kept):
            new[one.name] = ring.renewed(kept)
    for one in _json_columns(table):
        kept = (row[one.name] or {}).get(SEALED)
        if kept and b64decode(kept)[:KEY_ID_BYTES] != newest:
            again = ring.seal(unseal(b64decode(kept)))
            new[one.name] = {**row[one.name], SEALED: b64encode(again).decode()}
    tail = row.get("phone_tail_hash")
    if tail is not None and not _is_newest(ring, tail) and row["phone"]:
        new["phone_tail_hash"] = tail_hash(unseal(bytes(row["phone"])).decode())
    return new


def _is_newest(ring: Keyring, kept: str) -> bool:
    return kept.startswith(ring.generation) if ring.generation else kept[0] != "g"


async def _write(
    database: Database, table: Table, keys: list[Column[Any]], ready: list[tuple[Any, Any]]
) -> int:
    """In one transaction; a row that somebody has changed since it was read stays as it is."""
    done = 0
    async with database.write() as session:
        for row, new in ready:
            same = [key == kept for key, kept in zip(keys, row, strict=False)]
            for name in new:
                if name in {one.name for one in _json_columns(table)}:
                    continue  # written once, never changed
                same.append(_raw(table.c[name]) == _literal(table.c[name], row._mapping[name]))
            values = {name: _literal(table.c[name], value) for name, value in new.items()}
            outcome = await session.execute(update(table).where(and_(*same)).values(values))
            done += int(getattr(outcome, "rowcount", 0))
    return done


def _raw(one: Column[Any]) -> Any:
    sealed = isinstance(one.type, Sealed | SealedDocument | SealedBytes)
    return type_coerce(one, LargeBinary) if sealed else one


def _literal(one: Column[Any], value: Any) -> Any:
    sealed = isinstance(one.type, Sealed | SealedDocument | SealedBytes)
    return literal(value, LargeBinary()) if sealed else literal(value, one.type)

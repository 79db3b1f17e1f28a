"""Importing a whole city: `python -m benchmarks.imports`.

400,000 volunteers out of an .xlsx and out of a .csv, 400,000 past hours, through all that the
console does: the file in pieces, reading, the dry run, the import. Meanwhile the event loop is
watched, and a call is posted again and again as an emergency's would be. Beside it the plain
INSERTs of the rows that came of it, with executemany: what SQLite alone takes.
"""

import argparse
import asyncio
import csv
import io
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
import xlsxwriter
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from stdnum.cn import ric

from benchmarks.__main__ import machine
from benchmarks.figures import percentile
from bot import schema
from models import (
    Database,
    Import,
    ImportKind,
    Lane,
    Organisation,
    Person,
    Role,
    RoleKind,
    Standing,
)
from models.sealed import Keyring, use_keyring
from services import delivery, files, importing, imports, sheets
from services.delivery import Post
from services.founding import found_city
from services.policy import Policy
from services.sheets import Column
from services.work import Work

ROWS = 400_000
SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "zhongshan"
FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀霞平刚桂英华建文玉兰"
PEOPLE_HEAD = ["姓名", "手机号", "身份证号", "所在镇街", "邮箱"]
HOURS_HEAD = ["姓名", "手机号", "活动名称", "服务日期", "服务时长(小时)"]
TICK, EMERGENCY_EVERY = 0.005, 0.1
"""Seconds."""
MADE = {
    ImportKind.VOLUNTEERS: ("person", "imported", "trait"),
    ImportKind.HOURS: ("shift", "enrolment", "attendance", "imported_hours", "ledger_entry"),
}
"""Tables that an import fills."""


# The files


def name(number: int) -> str:
    return (
        FAMILY[number % 20]
        + GIVEN[number // 20 % len(GIVEN)]
        + GIVEN[number // 20 // len(GIVEN) % len(GIVEN)]
    )


def people(count: int, first: int) -> Iterator[list[str]]:
    born = date(1950, 1, 1)
    for number in range(first, first + count):
        day = born + timedelta(days=number % 20_000)
        start = f"442000{day:%Y%m%d}{number // 20_000 % 1000:03d}"
        card = start + ric.calc_check_digit(start + "0")
        phone = str(13_000_000_000 + number)
        yield [name(number), phone, card, "石岐街道", f"v{number}@example.cn"]


def hours(count: int) -> Iterator[list[str]]:
    """Four services a person, of 500 activities."""
    for number in range(count):
        who = number // 4
        day = date(2019, 1, 1) + timedelta(days=7 * (number % 300))
        activity = f"社区服务{who % 500}"
        phone = str(13_000_000_000 + who)
        yield [name(who), phone, activity, day.isoformat(), f"{1 + number % 4}.5"]


def as_csv(head: list[str], rows: Iterator[list[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().encode("gb18030")


def as_xlsx(head: list[str], rows: Iterator[list[str]], path: Path) -> bytes:
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    page = book.add_worksheet()
    page.write_row(0, 0, head)
    for at, row in enumerate(rows, 1):
        for column, value in enumerate(row):
            page.write_string(at, column, value)
    book.close()
    return path.read_bytes()


# Measuring


class Watch:
    """How long the event loop and an emergency's post wait while something else goes on."""

    def __init__(self, database: Database, work: Any, person_id: int) -> None:
        self.database = database
        self.work = work
        self.person_id = person_id
        self.loop: list[float] = []
        self.emergency: list[float] = []

    async def __aenter__(self) -> "Watch":
        self._tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._call())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            self.loop.append(time.perf_counter() - began - TICK)

    async def _call(self) -> None:
        post = Post("messages/muted", {"kind": "notice"}, "test", Lane.EMERGENCY)
        while True:
            await asyncio.sleep(EMERGENCY_EVERY)
            began = time.perf_counter()
            async with self.database.write() as session:
                await delivery.tell(self.work(session), post, [self.person_id])
            self.emergency.append(time.perf_counter() - began)


class Bench:
    def __init__(self, database: Database, path: Path, empty: Path) -> None:
        self.database = database
        self.path = path
        self.empty = empty
        """A copy of the city before anything was imported."""
        self.actor: Person
        self.place: int

    def work(self, session: Any, actor: Person | None = None) -> Work:
        return Work(session, datetime.now(UTC), Policy(import_rows=2_000_000), actor)

    async def found(self) -> None:
        await schema.upgrade(self.database)
        async with self.database.write() as session:
            await found_city(session, SAMPLE)
            root = select(Organisation.id).where(Organisation.parent_id.is_(None))
            self.place = await session.scalar(root) or 0
            now = datetime.now(UTC)
            self.actor = Person(
                standing=Standing.ACTIVE, organisation_id=self.place, language="en",
                name="Admin", applied_at=now,
            )  # fmt: skip
            session.add(self.actor)
            await session.flush()
            session.add(
                Role(
                    person_id=self.actor.id, organisation_id=self.place,
                    kind=RoleKind.ADMINISTRATOR, granted_at=now,
                )
            )  # fmt: skip
        with (
            closing(sqlite3.connect(self.path)) as live,
            closing(sqlite3.connect(self.empty)) as copy,
        ):
            live.backup(copy)

    async def measure(self, what: str, kind: ImportKind, content: bytes) -> dict[str, Any]:
        before = self._sizes(kind)
        async with Watch(self.database, self.work, self.actor.id) as watch:
            sent, import_id = await self._timed(self._send(kind, content))
            read, _ = await self._timed(self._settle())
            check, _ = await self._timed(self._check(import_id))
            processor = time.process_time()
            run, _ = await self._timed(self._go(import_id))
            processor = time.process_time() - processor
        async with self.database.read() as session:
            found = await session.get_one(Import, import_id)
            rows = found.rows - 1
            if found.counts != {"new": rows}:
                raise SystemExit(f"{what}: {found.state}, {found.counts} of {rows}")
        bare = self._bare(kind, before)
        return {
            "what": what,
            "rows": rows,
            "send_s": sent,
            "read_s": read,
            "dry_run_s": check,
            "import_s": run,
            "import_processor_s": processor,
            "rows_per_s": rows / run,
            "bare_inserts_s": bare,
            "times_bare": run / bare,
            "loop_p99_ms": 1000 * percentile(watch.loop, 0.99),
            "loop_worst_ms": 1000 * max(watch.loop),
            "emergency_p99_ms": 1000 * percentile(watch.emergency, 0.99),
            "emergency_worst_ms": 1000 * max(watch.emergency),
        }

    async def _timed(self, what: Any) -> tuple[float, Any]:
        began = time.perf_counter()
        answered = await what
        return time.perf_counter() - began, answered

    async def _send(self, kind: ImportKind, content: bytes) -> int:
        async with self.database.write() as session:
            found = await imports.begin(self.work(session, self.actor), kind, self.place, "x")
        for number, at in enumerate(range(0, len(content), imports.PIECE)):
            async with self.database.write() as session:
                piece = content[at : at + imports.PIECE]
                await imports.add_piece(self.work(session, self.actor), found.id, number, piece)
        async with self.database.write() as session:
            await imports.sent(self.work(session, self.actor), found.id)
        return found.id

    async def _settle(self) -> None:
        done = 1
        while done:
            async with self.database.read() as session:
                step = await importing.prepare(self.work(session))
            async with self.database.write() as session:
                done = await importing.advance(self.work(session), step)

    async def _check(self, import_id: int) -> None:
        async with self.database.write() as session:
            found = await session.get_one(Import, import_id)
            await imports.check(self.work(session, self.actor), import_id, found.mapping, {})
        await self._settle()

    async def _go(self, import_id: int) -> None:
        async with self.database.write() as session:
            await imports.go(self.work(session, self.actor), import_id)
        await self._settle()

    def _sizes(self, kind: ImportKind) -> dict[str, int]:
        with closing(sqlite3.connect(self.path)) as live:
            return {
                table: live.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in MADE[kind]
            }

    def _bare(self, kind: ImportKind, before: dict[str, int]) -> float:
        """Seconds for the new rows of the same tables, a commit for each portion."""
        with (
            closing(sqlite3.connect(self.path)) as live,
            closing(sqlite3.connect(self.empty)) as bare,
        ):
            rows = {
                table: live.execute(
                    f"SELECT * FROM {table} LIMIT -1 OFFSET {before[table]}"
                ).fetchall()
                for table in MADE[kind]
            }
            bare.execute("PRAGMA journal_mode = WAL")
            bare.execute("PRAGMA synchronous = FULL")
            for table in MADE[kind]:
                bare.execute(f"DELETE FROM {table}")
            bare.commit()
            began = time.perf_counter()
            longest = max(map(len, rows.values()))
            for at in range(0, longest, files.PORTION):
                for table, all_ in rows.items():
                    some = all_[at : at + files.PORTION]
                    if some:
                        marks = ", ".join("?" * len(some[0]))
                        bare.executemany(f"INSERT INTO {table} VALUES ({marks})", some)
                bare.commit()
            return time.perf_counter() - began

    async def export(self) -> dict[str, Any]:
        """All volunteers as .xlsx."""
        columns = [Column(name) for name in ("number", "name", "phone", "e-mail")]
        statement = select(Person.number, Person.name, Person.phone, Person.email)
        async with (
            Watch(self.database, self.work, self.actor.id) as watch,
            self.database.read() as session,
        ):
            work = self.work(session)
            began = time.perf_counter()
            rows = sheets.rows_of(work, statement.order_by(Person.id))
            async with sheets.made(columns, rows, zone=work.policy.zone) as path:
                took = time.perf_counter() - began
                size = path.stat().st_size
        return {
            "what": "export .xlsx",
            "seconds": took,
            "megabytes": size / 2**20,
            "loop_p99_ms": 1000 * percentile(watch.loop, 0.99),
            "loop_worst_ms": 1000 * max(watch.loop),
        }


async def run(given: argparse.Namespace, folder: Path) -> list[list[dict[str, Any]]]:
    use_keyring(Keyring.fresh())
    path = folder / "muster.db"
    bench = Bench(Database(f"sqlite+aiosqlite:///{path}"), path, folder / "empty.db")
    await bench.found()
    rows = given.rows
    half = folder / "people.xlsx"
    volunteers, past = ImportKind.VOLUNTEERS, ImportKind.HOURS
    done = [
        await bench.measure(
            "volunteers .xlsx", volunteers, as_xlsx(PEOPLE_HEAD, people(rows, 0), half)
        ),
        await bench.measure("volunteers .csv", volunteers, as_csv(PEOPLE_HEAD, people(rows, rows))),
        await bench.measure("past hours .csv", past, as_csv(HOURS_HEAD, hours(rows))),
    ]
    exported = [await bench.export()]
    await bench.database.close()
    return [done, exported]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        tables = uvloop.run(run(given, Path(folder)))
    for rows in tables:
        table = Table("", *(row["what"] for row in rows), title=f"{given.rows} rows, SQLite")
        for figure in list(rows[0])[1:]:
            table.add_row(figure, *(f"{row[figure]:.1f}" for row in rows))
        Console(width=None if os.isatty(1) else 120).print(table)
    if given.json is not None:
        written = {"machine": machine(), "figures": tables}
        given.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a statement on SQLite costs: `python -m benchmarks.statements`.

The same statement through a session, by one trip to SQLite's thread (`models.one_trip`) and as
aiosqlite does it by itself, by turns in the same run.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from benchmarks.__main__ import machine
from benchmarks.databases import sqlite
from benchmarks.figures import Figure
from models import one_trip

ONE, FOUR = "one trip", "aiosqlite by itself"
ASKED = text("SELECT id, word FROM said WHERE id = :id")
MICRO = 1_000_000


def fill(url: str) -> None:
    engine = create_engine(make_url(url).set(drivername="sqlite"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE said (id INTEGER PRIMARY KEY, word TEXT)"))
        rows = [{"id": key, "word": f"word {key}"} for key in range(1000)]
        connection.execute(text("INSERT INTO said VALUES (:id, :word)"), rows)
    engine.dispose()


async def cost(engine: AsyncEngine, statements: int) -> tuple[float, float]:
    """Microseconds that pass, and of processor time, for each."""
    async with AsyncSession(engine) as session:
        began, worked = time.perf_counter(), time.process_time()
        for number in range(statements):
            (await session.execute(ASKED, {"id": number % 1000})).all()
        passed, work = time.perf_counter() - began, time.process_time() - worked
    return passed / statements * MICRO, work / statements * MICRO


async def measure(rounds: int, statements: int) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {ONE: [], FOUR: []}
    with tempfile.TemporaryDirectory(prefix="muster-statements-") as folder:
        url = sqlite(Path(folder))
        fill(url)
        engines = {name: create_async_engine(url) for name in found}
        one_trip.use(engines[ONE].sync_engine)
        for engine in engines.values():
            await cost(engine, statements // 10)
        for _ in range(rounds):
            for name, engine in engines.items():
                found[name].append(await cost(engine, statements))
        for engine in engines.values():
            await engine.dispose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statements", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--statements", type=int, default=5_000, help="in each round")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(given.rounds, given.statements))
    table = Table("", "µs", "µs of the processor", title="A statement on SQLite")
    for name, rounds in found.items():
        passed, work = zip(*rounds, strict=True)
        table.add_row(name, str(Figure.of(passed)), str(Figure.of(work)))
    ratio = [one[1] / four[1] for one, four in zip(found[ONE], found[FOUR], strict=True)]
    table.add_row("processor time, one trip to four", "", str(Figure.of(ratio)))
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "rounds": found}, indent=1))


if __name__ == "__main__":
    main()

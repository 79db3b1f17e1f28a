"""What operating costs: `python -m benchmarks.operation [--postgresql] [--json FILE]`.

Asking how deep the queues are and pruning, at 400,000 deliveries; the baseline of pruning is one
DELETE of them all. A backup with its verification. How long a SIGTERM takes while Telegram hangs.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks import databases
from benchmarks.__main__ import machine, variables
from benchmarks.figures import Figure, percentile
from bot import backups, schema
from bot.settings import DatabaseSettings, Settings
from models import Database
from models.sealed import Keyring, use_keyring
from playground import Playground
from services import delivery, queues, retention
from services.delivery import Post
from services.policy import Policy
from services.work import Work

DELIVERIES, EACH = 400_000, 100
"""Of so many a message."""
TOKEN = "100200:benchmark-of-muster"
ASKED = 50
Row = dict[str, float]


async def said(database: Database, age: timedelta, state: str) -> None:
    """Messages and deliveries of that age."""
    at = (datetime.now(UTC) - age).strftime("%Y-%m-%d %H:%M:%S")
    series = (
        "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {})"
    )
    async with database.write() as session:
        await session.execute(
            text(
                "INSERT INTO message (template, parameters, kind, silent, deletes, created_at)"
                f" {series.format(DELIVERIES // EACH)}"
                f" SELECT 't', '{{}}', 'notice', false, false, '{at}' FROM series"
            )
        )
        await session.execute(
            text(
                "INSERT INTO delivery (message_id, channel, chat_id, language, lane, state,"
                " created_at, due_at, attempts, possible_duplicate)"
                f" {series.format(DELIVERIES)}"
                f" SELECT (SELECT min(id) FROM message) + (n - 1) / {EACH}, 'telegram', n, 'en', 2,"
                f" '{state}', '{at}', '{at}', 1, false FROM series"
            )
        )


async def empty(database: Database) -> float:
    """The baseline: seconds in which nobody else writes on SQLite."""
    began = time.perf_counter()
    async with database.write() as session:
        await session.execute(text("DELETE FROM delivery"))
        await session.execute(text("DELETE FROM message"))
    return time.perf_counter() - began


async def asked(database: Database) -> Row:
    """Milliseconds of a look at the depths while all are queued."""
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        async with database.read() as session:
            await queues.depths(session)
        took.append(1000 * (time.perf_counter() - began))
    return {"depths p50 ms": percentile(took, 0.5), "depths p99 ms": percentile(took, 0.99)}


async def pruned(database: Database) -> Row:
    """As the sweep does it."""
    portions, rows = [], 0
    began = time.perf_counter()
    while True:
        now = datetime.now(UTC)
        async with database.read() as session:
            old = await retention.look(Work(session, now, Policy()))
        started = time.perf_counter()
        async with database.write() as session:
            done = await retention.drop(Work(session, now, Policy()), old)
        if not done:
            break
        portions.append(1000 * (time.perf_counter() - started))
        rows += done
    seconds = time.perf_counter() - began
    return {
        "pruning rows/s": rows / seconds,
        "pruning s": seconds,
        "its transactions p50 ms": percentile(portions, 0.5),
        "its transactions p99 ms": percentile(portions, 0.99),
    }


async def one_round(url: str, folder: Path) -> Row:
    database = Database(url)
    settings = Settings(database=DatabaseSettings(url=url))
    found: Row = {}
    await said(database, timedelta(0), "queued")
    found |= await asked(database)
    began = time.perf_counter()
    await backups.back_up(settings, folder / "copies", lambda *_: None, verify=True)
    found["backup with verification s"] = time.perf_counter() - began
    found["one DELETE of all s"] = await empty(database)
    await said(database, timedelta(days=200), "sent")
    found |= await pruned(database)
    await database.close()
    return found


@asynccontextmanager
async def running(url: str, folder: Path, telegram: Playground) -> AsyncIterator[Any]:
    """The program as a process, once it says that it runs."""
    given = os.environ | variables(folder, url, telegram.url, TOKEN)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.cli", "run", env=given, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def drained(url: str, folder: Path) -> float:
    """Seconds from SIGTERM to the end while a reply and a delivery hang at Telegram."""
    async with Playground() as telegram:
        bot = telegram.add_bot(TOKEN, "bench_bot")
        person = telegram.add_person("A").use(bot)
        person.chat.started = True
        telegram.faults.hold(method="sendMessage")
        async with running(url, folder, telegram) as process:
            await person.say("/start")
            database = Database(url)
            async with database.write() as session:
                work = Work(session, datetime.now(UTC), Policy())
                post = Post("approvals/refused", {"reason": "-"}, "notice")
                await delivery.tell_chat(work, post, person.id, "en")
            await asyncio.sleep(2)  # until both hang
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            await process.wait()
            await database.close()
            return time.perf_counter() - began


async def measure(url: str, folder: Path, rounds: int) -> dict[str, Figure]:
    database = Database(url)
    await schema.upgrade(database)
    await database.close()
    found = [await one_round(url, folder) for _ in range(rounds)]
    for row in found:
        row["SIGTERM to the end s"] = await drained(url, folder)
    return {title: Figure.of([row[title] for row in found]) for title in found[0]}


async def run(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, Figure]]:
    keys = Keyring.fresh()
    keys.write(folder / "muster.keys")
    use_keyring(keys)
    outcome = {}
    url = databases.sqlite(folder)
    outcome["SQLite"] = await measure(url, folder, arguments.rounds)
    if arguments.postgresql:
        server = databases.Postgres(folder / "postgresql")
        try:
            url = await server.create("muster")
            outcome["PostgreSQL"] = await measure(url, folder, arguments.rounds)
        finally:
            await server.stop()
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operation", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", action="store_true", help="measure on PostgreSQL as well")
    arguments = parser.parse_args()
    described = machine()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        outcome = uvloop.run(run(arguments, Path(folder)))
    table = Table("", *outcome, title=f"Operating {DELIVERIES} deliveries: median (least-most)")
    for title in next(iter(outcome.values())):
        table.add_row(title, *(str(found[title]) for found in outcome.values()))
    out = Console(width=None if os.isatty(1) else 160)
    out.print(table)
    out.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if arguments.json is not None:
        shown = {
            kind: {title: asdict(figure) for title, figure in found.items()}
            for kind, found in outcome.items()
        }
        text_of_it = json.dumps({"machine": described, "figures": shown}, indent=2)
        arguments.json.write_text(text_of_it + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What one machine does for each role on PostgreSQL: `python -m benchmarks.scaling --json FILE`.

Processor time of Muster and of the server apart, since they are multiplied apart: the one by more
processes, the other not. Sizes are of tables with their indexes, after VACUUM. `benchmarks.sizing`
computes from the file what docs/scaling.md says of a city, a province and a country.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg  # type: ignore[import-untyped]
import uvloop
from sqlalchemy import make_url

from benchmarks import city, databases, lists, outbox_city
from benchmarks.__main__ import machine, variables
from benchmarks.chats import Telegram
from benchmarks.figures import Figure
from benchmarks.measuring import FIRST_SECONDS, Case, started
from benchmarks.postbox import Postbox
from benchmarks.processes import ROOT, TICKS, Command, Running, cores, finish, start
from benchmarks.sizing import MEASURED
from bot import schema
from bot.setting_up import SAMPLES
from models import Database
from models.sealed import Keyring, use_keyring
from services.founding import found_city
from web.console.framework import COOKIE

PAGES = tuple(
    "/console" + page for page in ("", "/volunteers", "/activities", "/hours", "/callouts")
)
CHATS = 24
"""That wait for an answer at the same time."""
AT_ONCE = 8
"""Pages that are asked for at the same time."""
SHIFTS, A_SHIFT = 2_500, 20
COMMITTERS = 8
PORT = 18099
HISTORY = f"""
-- What volunteers leave behind by serving.
INSERT INTO shift (activity_id, title, starts_at, ends_at, quota, taken, least_age)
SELECT (SELECT min(id) FROM activity), '', now() - n * interval '1 hour', now(), 24, 20, 0
FROM generate_series(1, {SHIFTS}) n;
INSERT INTO enrolment (shift_id, person_id, state, walk_in, queued_at, reconfirm, cancelled_late)
SELECT s.id, 1 + (s.id * 37 + place * 911) % (SELECT count(*) FROM person),
       'attended', false, s.starts_at, false, false
FROM (SELECT id, starts_at FROM shift ORDER BY id DESC LIMIT {SHIFTS}) s,
     generate_series(1, {A_SHIFT}) place;
INSERT INTO attendance (enrolment_id, checked_in_at, in_means, checked_out_at, out_means, state,
                        minutes, decided_at, decided_by_id)
SELECT id, queued_at, 'roll', queued_at, 'roll', 'confirmed', 150, queued_at, 1
FROM enrolment WHERE state = 'attended';
INSERT INTO ledger_entry (organisation_id, sequence, kind, person_id, attendance_id, field_id,
                          minutes, served_at, recorded_at, recorded_by_id, previous_hash, hash)
SELECT 2, row_number() OVER (), 'confirmation', e.person_id, a.id,
       (SELECT min(id) FROM service_field), 150, e.queued_at, e.queued_at, 1,
       encode(sha256(a.id::text::bytea), 'hex'), encode(sha256((-a.id)::text::bytea), 'hex')
FROM attendance a JOIN enrolment e ON e.id = a.enrolment_id WHERE a.state = 'confirmed';
"""


@dataclass(frozen=True, slots=True)
class Use:
    """What PostgreSQL has done since it was started."""

    cpu_seconds: float
    log_bytes: int

    def since(self, before: "Use", things: int) -> dict[str, float]:
        """For each of so many things: milliseconds of its processor, bytes of its log."""
        return {
            "server_ms": 1000 * (self.cpu_seconds - before.cpu_seconds) / things,
            "log_bytes": (self.log_bytes - before.log_bytes) / things,
        }


class Server:
    """PostgreSQL, watched from outside."""

    def __init__(self, folder: Path) -> None:
        self.postgres = databases.Postgres(folder)
        pid = (folder / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        self._postmaster = int(pid)

    async def use(self, url: str) -> Use:
        (written,) = await self.ask(url, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return Use(self._cpu_seconds(), int(written))

    async def ask(self, url: str, statement: str) -> Any:
        """The one row that it answers."""
        async with connected(url) as connection:
            return tuple(await connection.fetchrow(statement))

    def _cpu_seconds(self) -> float:
        """Of all its processes, those that have ended as well."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue  # ended just now
            if int(stat.parent.name) == self._postmaster:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._postmaster:
                total += sum(map(int, fields[11:13]))
        return total / TICKS


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    address = make_url(url).set(drivername="postgresql")
    connection = await asyncpg.connect(address.render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody's browser, the process that serves it, and that one's database."""

    client: aiohttp.ClientSession
    running: Running
    database: str


class Bench:
    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self.rounds: int = asked.rounds
        self.seconds: float = asked.seconds
        self.volunteers: int = asked.volunteers
        self.folder = folder
        self.core, others = cores()
        os.sched_setaffinity(0, others)
        self.server = Server(folder / "postgresql")
        self.samples: dict[str, list[float]] = {}

    def note(self, what: str, value: float) -> None:
        self.samples.setdefault(what, []).append(value)
        print(f"{what}: {value:.4g}", file=sys.stderr)

    def note_all(self, thing: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.note(f"{thing}.{name}", value)

    async def run(self) -> dict[str, Figure]:
        try:
            await self.commits()
            await self.updates()
            await self.sends()
            await self.pages()
        finally:
            await self.server.postgres.stop()
        return {what: Figure.of(values) for what, values in self.samples.items()}

    # The server by itself, to compare other machines by

    async def commits(self) -> None:
        """Of one narrow row each, each on the disk before it is reported."""
        url = await self.server.postgres.create("commits")
        async with connected(url) as connection:
            await connection.execute("CREATE TABLE one (id serial PRIMARY KEY, at timestamptz)")

        async def commit(until: float) -> int:
            done = 0
            async with connected(url) as connection:
                while time.perf_counter() < until:
                    await connection.execute("INSERT INTO one (at) VALUES (now())")
                    done += 1
            return done

        for _ in range(self.rounds):
            until = time.perf_counter() + self.seconds
            done = sum(await asyncio.gather(*(commit(until) for _ in range(COMMITTERS))))
            self.note("commit.a_second", done / self.seconds)

    # A process that handles updates, beside a bot that only answers

    async def updates(self) -> None:
        url = await self.server.postgres.create("updates")
        async with AsyncExitStack() as stack:
            telegram = Telegram()
            await telegram.start()
            stack.push_async_callback(telegram.stop)
            given = variables(self.folder, url, telegram.url, "")
            await finish(Command(("bot.cli", "init", "--sample", "zhongshan"), given, self.folder))
            await city.fill(url, self.folder / "muster.keys")
            shifts = await city.open_shifts(url)
            token, chats = telegram.add_bot(wants_screen=False)
            command = Command(("benchmarks.bare", telegram.url, token, "tuned"), {}, self.folder)
            bare, _ = await stack.enter_async_context(
                started(command, self.core, chats, next(city.answers()))
            )
            cases = {"bare update": Case("", bare, chats, city.answers())}
            token, chats = telegram.add_bot(wants_screen=True)
            given["MUSTER_TELEGRAM__TOKEN"] = token
            command = Command(("bot.cli", "run", "--role", "bot"), given, self.folder)
            muster, _ = await stack.enter_async_context(
                started(command, self.core, chats, next(city.looks(shifts)))
            )
            cases["update that reads"] = Case("", muster, chats, city.looks(shifts))
            cases["update that writes"] = Case("", muster, chats, city.enrolments(shifts))
            for case in cases.values():
                await case.warm_up(200)
            for _ in range(self.rounds):
                for name, case in cases.items():
                    await self._update(name, case, url)
            self.note("bot process.mib", muster.memory())
        await self._size(url, "inbox", "inbox row")

    async def _update(self, name: str, case: Case, url: str) -> None:
        before = await self.server.use(url)
        busy = await case.kept_busy(self.seconds, CHATS)
        self.note_all(name, {"a_second": busy.a_second, "own_ms": busy.cpu_ms})
        if name != "bare update":
            self.note_all(name, (await self.server.use(url)).since(before, busy.updates))

    # A sender, beside a loop that only posts

    async def sends(self) -> None:
        url = await self.server.postgres.create("sends")
        database = Database(url)
        await schema.upgrade(database)
        async with database.write() as session:
            await found_city(session, SAMPLES / "zhongshan")
        total = max(2_000, round(1000 * self.seconds))
        await outbox_city.people(database, total)
        for _ in range(self.rounds):
            await self._send("bare send", "bare", url, database, total)
            await self._send("send", "muster", url, database, total)
            await self._size(url, "delivery", "delivery")
            async with connected(url) as connection:
                await connection.execute("TRUNCATE delivery, attempt")
        await database.close()

    async def _send(self, name: str, kind: str, url: str, database: Database, total: int) -> None:
        """Without what starting costs; the posting of the letters counts apart."""
        postbox = Postbox()
        await postbox.start()
        start = await self._sender(kind, postbox, url, 0)
        if kind == "muster":
            before = await self.server.use(url)
            await outbox_city.newsletter(database, total)
            posted = await self.server.use(url)
            self.note_all("post", posted.since(before, total))
        before = await self.server.use(url)
        spent = await self._sender(kind, postbox, url, total)
        self.note(f"{name}.own_ms", 1000 * (spent["cpu"] - start["cpu"]) / total)
        self.note(f"{name}.a_second", total / (spent["seconds"] - start["seconds"]))
        if kind == "muster":
            self.note_all(name, (await self.server.use(url)).since(before, total))
        await postbox.stop()

    async def _sender(self, kind: str, postbox: Postbox, url: str, total: int) -> dict[str, float]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.senders", kind, postbox.url, url, str(total), "1000",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        os.sched_setaffinity(process.pid, {self.core})
        out, _ = await process.communicate()
        found: dict[str, float] = json.loads(out)
        return found

    # A process that serves pages, beside its answer that it is alive

    async def pages(self) -> None:
        url = await self.server.postgres.create("pages")
        database = Database(url)
        await schema.upgrade(database)
        empty = await self._bytes(url, "pg_database_size(current_database())")
        await lists.found(database, self.volunteers, datetime.now(UTC))
        await self._sizes(url, empty)
        async with AsyncExitStack() as stack:
            telegram = Telegram()
            await telegram.start()
            stack.push_async_callback(telegram.stop)
            token, _ = telegram.add_bot(wants_screen=True)
            given = variables(self.folder, url, telegram.url, token)
            arguments = ("bot.cli", "run", "--role", "web", "--port", str(PORT))
            running = await start(Command(arguments, given, self.folder), self.core)
            stack.push_async_callback(running.stop)
            client = await stack.enter_async_context(
                aiohttp.ClientSession(
                    f"http://127.0.0.1:{PORT}", cookies={COOKIE: lists.COOKIES["town"]}
                )
            )
            await _alive(client)
            desk = Desk(client, running, url)
            await self._ask(desk, "", PAGES, 2.0)
            for _ in range(self.rounds):
                await self._ask(desk, "sign of life", ("/healthz",), self.seconds)
                await self._ask(desk, "page", PAGES, self.seconds)
            self.note("web process.mib", running.memory())
        await database.close()

    async def _ask(self, desk: Desk, name: str, paths: tuple[str, ...], seconds: float) -> None:
        """Keeps the process busy; what has no name only warms up."""
        done = 0
        turns = cycle(paths)
        before, cpu = await self.server.use(desk.database), desk.running.cpu_seconds()
        began = time.perf_counter()

        async def keep_asking() -> None:
            nonlocal done
            while time.perf_counter() < began + seconds:
                async with desk.client.get(next(turns), allow_redirects=False) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise RuntimeError(f"{answer.url} answered {answer.status}")
                done += 1

        await asyncio.gather(*(keep_asking() for _ in range(AT_ONCE)))
        if name:
            self.note(f"{name}.a_second", done / (time.perf_counter() - began))
            self.note(f"{name}.own_ms", 1000 * (desk.running.cpu_seconds() - cpu) / done)
            self.note_all(name, (await self.server.use(desk.database)).since(before, done))

    # Sizes

    async def _sizes(self, url: str, empty: float) -> None:
        """Of a volunteer all that is kept of them, before they have served."""
        async with connected(url) as connection:
            await connection.execute("VACUUM ANALYZE")
        whole = await self._bytes(url, "pg_database_size(current_database())")
        self.note("volunteer.bytes", (whole - empty) / self.volunteers)
        postings = await self._bytes(url, "pg_total_relation_size('posting')")
        self.note("postings of a volunteer.bytes", postings / self.volunteers)
        async with connected(url) as connection:
            await connection.execute(HISTORY)
        for table in ("enrolment", "attendance", "ledger_entry"):
            await self._size(url, table, table.replace("_", " "))

    async def _size(self, url: str, table: str, name: str) -> None:
        async with connected(url) as connection:
            await connection.execute(f"VACUUM ANALYZE {table}")
        (rows,) = await self.server.ask(url, f"SELECT count(*) FROM {table}")
        taken = await self._bytes(url, f"pg_total_relation_size('{table}')")
        self.note(f"{name}.bytes", taken / rows)

    async def _bytes(self, url: str, what: str) -> float:
        (found,) = await self.server.ask(url, f"SELECT {what}")
        return float(found)


async def _alive(client: aiohttp.ClientSession) -> None:
    """Returns once the process answers."""
    async with asyncio.timeout(FIRST_SECONDS):
        while True:
            try:
                async with client.get("/healthz"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--json", type=Path, default=MEASURED, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each case in each round")
    parser.add_argument("--volunteers", type=int, default=20_000)
    return parser.parse_args()


def main() -> None:
    arguments = asked()
    described = machine()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        use_keyring(Keyring.fresh())
        found = uvloop.run(Bench(arguments, Path(folder)).run())
    figures = {
        what: {"median": one.median, "least": one.least, "most": one.most}
        for what, one in found.items()
    }
    text = json.dumps({"machine": described, "figures": figures}, ensure_ascii=False, indent=2)
    arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

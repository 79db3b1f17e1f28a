"""Copies of the database while it is in use, proven by restoring them, and the way back.

What a copy must hold is counted within the very snapshot that is copied, so that it can be compared
to the last row however much is written meanwhile.
"""

import asyncio
import logging
import os
import re
import shutil
import sqlite3
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError

from bot import schema
from bot.moving_data import DataError
from bot.settings import Settings
from models import Backup
from models.database import is_outage
from services import restoring
from services.founding import Progress
from services.restoring import Settled
from services.work import Work

PAGES = 500
"""Pages of SQLite that are copied at a time."""
NAME = re.compile(r"muster-(\d{8}-\d{6})\.(db|dump)")
STAMP = "%Y%m%d-%H%M%S"
NOTED_AT_MOST = 6
"""Attempts, each as long as the database is waited for."""
NOTED_AGAIN_AFTER = 1.0
"""Seconds."""
REMEMBERED = 200
"""Characters of a file's name."""
OF_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
OF_POSTGRES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
HEADS = "SELECT code, ledger_length, ledger_head FROM organisation"

log = logging.getLogger(__name__)

Ask = Callable[[str], Awaitable[list[Any]]]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds: rows by table, and the head of each organisation's ledger."""

    counts: dict[str, int]
    heads: dict[str, tuple[int, str]]
    revision: str

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    def differs_from(self, other: "Contents") -> str | None:
        """What is different, in a few words."""
        if self.revision != other.revision:
            return f"revision {self.revision} instead of {other.revision}"
        names = self.counts.keys() | other.counts.keys()
        wrong = sorted(n for n in names if self.counts.get(n) != other.counts.get(n))
        if wrong:
            first = wrong[0]
            held, wanted = self.counts.get(first, 0), other.counts.get(first, 0)
            return f"{first} has {held} rows instead of {wanted}"
        ends = sorted(code for code, head in other.heads.items() if self.heads.get(code) != head)
        return f"the ledger of {ends[0]} ends differently" if ends else None


@dataclass(frozen=True, slots=True)
class Made:
    file: Path
    contents: Contents
    verified: bool
    dropped: list[Path]
    """Older copies."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many copies are kept, or for how long."""

    copies: int | None = None
    age: timedelta | None = None

    @classmethod
    def read(cls, text: str) -> "Keep":
        """`14` are copies, `30d` days. Raises ValueError."""
        number = int(text.removesuffix("d"))
        if number < 1:
            raise ValueError(text)
        return cls(age=timedelta(days=number)) if text.endswith("d") else cls(copies=number)


async def _contents(ask: Ask, tables: str) -> Contents:
    names = sorted(row[0] for row in await ask(tables))
    if "alembic_version" not in names or "organisation" not in names:
        raise DataError(f"there are no tables yet; `{schema.COMMAND}` makes them")
    counting = " UNION ALL ".join(
        f"SELECT '{name}', count(*) FROM \"{name}\""  # noqa: S608 - names out of the catalogue
        for name in names
    )
    counts = {row[0]: int(row[1]) for row in await ask(counting)}
    heads = {row[0]: (int(row[1]), str(row[2])) for row in await ask(HEADS)}
    ((revision,),) = await ask("SELECT version_num FROM alembic_version")
    return Contents(counts, heads, revision)


# Backing up


async def back_up(
    settings: Settings,
    folder: Path,
    progress: Progress,
    *,
    verify: bool = False,
    keep: Keep | None = None,
) -> Made:
    """A consistent copy while the program runs. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise DataError(f"{folder} can't be made: {fault.strerror}") from None
    now = datetime.now(UTC)
    url = make_url(settings.database.url)
    sqlite = url.get_backend_name() == "sqlite"
    file = folder / f"muster-{now.strftime(STAMP)}.{'db' if sqlite else 'dump'}"
    if sqlite:
        held = await _copy_sqlite(Path(str(url.database)), file, progress)
    else:
        held = await _dump_postgres(url, file, settings)
    if verify:
        found = await (
            _restored_sqlite(file) if sqlite else _restored_postgres(url, file, settings)
        )
        if wrong := found.differs_from(held):
            raise DataError(f"the copy {file} is not what was to be copied: {wrong}")
    await _note(settings, file, now, verified=verify)
    dropped = _drop_older(folder, file, keep, now) if keep else []
    return Made(file, held, verify, dropped)


async def _copy_sqlite(source: Path, target: Path, progress: Progress) -> Contents:
    """SQLite's own online backup. One transaction keeps the snapshot, so no writer restarts it."""
    if not source.exists():
        raise DataError(f"{source} does not exist; `muster init` makes it")
    try:
        with _opened(source) as live, _opened(target) as copy:
            target.chmod(0o600)
            live.execute("BEGIN")
            held = await _contents(_asking(live), OF_SQLITE)
            live.backup(
                copy, pages=PAGES, progress=lambda _, left, all_: progress(all_ - left, all_)
            )
            (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as fault:
        raise DataError(f"{source} could not be copied to {target}: {fault}") from None
    if verdict != "ok":
        raise DataError(f"the copy {target} is damaged: {verdict}")
    return held


async def _dump_postgres(url: URL, target: Path, settings: Settings) -> Contents:
    tool = _tool("pg_dump", settings)
    async with _connected(url) as connection:
        await _require_as_new(tool, connection)
        target.touch(mode=0o600)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            held = await _contents(connection.fetch, OF_POSTGRES)
            try:
                await _run(
                    url, tool, "--format=custom", f"--snapshot={snapshot}", f"--file={target}"
                )
            except DataError:
                target.unlink()
                raise
    return held


async def _restored_sqlite(file: Path) -> Contents:
    """What the copy holds once it is a database again."""
    with tempfile.TemporaryDirectory(prefix="muster-verify-", dir=file.parent) as scratch:
        restored = Path(scratch) / file.name
        shutil.copyfile(file, restored)
        try:
            with _opened(restored) as database:
                (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
                if verdict != "ok":
                    raise DataError(f"the copy {file} is damaged: {verdict}")
                if database.execute("PRAGMA foreign_key_check").fetchone():
                    raise DataError(f"the copy {file} has rows that point nowhere")
                return await _contents(_asking(database), OF_SQLITE)
        except sqlite3.Error as fault:
            raise DataError(f"the copy {file} can't be restored: {fault}") from None


async def _restored_postgres(url: URL, file: Path, settings: Settings) -> Contents:
    """The same in a database beside it, which is dropped again."""
    tool = _tool("pg_restore", settings)
    scratch = url.set(database=f"muster_verify_{token_hex(4)}")
    async with _connected(url) as connection:
        try:
            await connection.execute(f'CREATE DATABASE "{scratch.database}" TEMPLATE template0')
        except asyncpg.InsufficientPrivilegeError:
            raise DataError(
                f"{url.username} may not make a database to restore the copy into;"
                f" let it: ALTER ROLE {url.username} CREATEDB"
            ) from None
        try:
            await _run(scratch, tool, "--no-owner", "--exit-on-error", file=file)
            async with _connected(scratch) as restored:
                return await _contents(restored.fetch, OF_POSTGRES)
        finally:
            await connection.execute(f'DROP DATABASE "{scratch.database}" WITH (FORCE)')


async def _note(settings: Settings, file: Path, now: datetime, *, verified: bool) -> None:
    """For `muster doctor` and the metrics. The copy is there: it is tried again while others write
    so much that it is never our turn. Raises DataError.
    """
    for left in reversed(range(NOTED_AT_MOST)):
        try:
            return await _note_once(settings, file, now, verified=verified)
        except DBAPIError as fault:
            if not left or not is_outage(fault):
                raise DataError(f"{file} is made, and can't be noted: {fault.orig}") from None
            log.warning("the backup is not noted yet: %s", fault.orig)
            await asyncio.sleep(NOTED_AGAIN_AFTER)
    raise AssertionError("unreachable")


async def _note_once(settings: Settings, file: Path, now: datetime, *, verified: bool) -> None:
    """Tables that are yet to be upgraded know no backups."""
    async with schema.opened(settings.database.url) as database:
        if not await schema.is_current(database):
            return
        async with database.write() as session:
            session.add(
                Backup(
                    made_at=now,
                    file=str(file)[-REMEMBERED:],
                    bytes=file.stat().st_size,
                    verified_at=datetime.now(UTC) if verified else None,
                )
            )


def _drop_older(folder: Path, newest: Path, keep: Keep, now: datetime) -> list[Path]:
    """Only files with names that this gives, and never the newest."""
    dated = {
        file: datetime.strptime(found.group(1), STAMP).replace(tzinfo=UTC)
        for file in folder.iterdir()
        if (found := NAME.fullmatch(file.name))
    }
    older = sorted((file for file in dated if file != newest), key=dated.__getitem__, reverse=True)
    if keep.age is not None:
        limit = now - keep.age
        gone = [file for file in older if dated[file] < limit]
    else:
        gone = older[(keep.copies or 1) - 1 :]
    for file in gone:
        file.unlink()
    return gone


# Restoring


@dataclass(frozen=True, slots=True)
class Restored:
    contents: Contents
    settled: Settled
    aside: Path | None
    """Where the SQLite file that was replaced lies now."""


async def restore(
    settings: Settings, file: Path, now: datetime, *, replace: bool = False
) -> Restored:
    """Puts a backup in the place of the database, upgrades it, and holds what may be out already.

    Raises DataError, before anything was changed.
    """
    url = make_url(settings.database.url)
    if url.get_backend_name() == "sqlite":
        contents, aside = await _put_back_sqlite(file, Path(str(url.database)), now, replace)
    else:
        contents, aside = await _put_back_postgres(file, url, settings, replace), None
    async with schema.opened(settings.database.url) as database:
        await schema.upgrade(database)
        async with database.write() as session:
            settled = await restoring.settle(Work(session, now, settings.policy))
    return Restored(contents, settled, aside)


async def decide(settings: Settings, now: datetime, *, send: bool) -> int:
    """What was held after restoring goes out, or never does; answers how many."""
    async with schema.opened(settings.database.url) as database, database.write() as session:
        work = Work(session, now, settings.policy)
        return await (restoring.send_held(work) if send else restoring.drop_held(work))


async def _put_back_sqlite(
    file: Path, target: Path, now: datetime, replace: bool
) -> tuple[Contents, Path | None]:
    _require_sqlite(file)
    contents = await _restored_sqlite(file)
    _require_known(file, contents.revision)
    aside: Path | None = None
    if target.exists():
        await _require_free(target, replace=replace)
        aside = target.with_name(f"{target.name}.before-{now.strftime(STAMP)}")
    fresh = target.with_name(f"{target.name}.restoring")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.touch(mode=0o600)
    shutil.copyfile(file, fresh)
    if aside is not None:
        target.rename(aside)
    fresh.rename(target)
    return contents, aside


def _require_sqlite(file: Path) -> None:
    with file.open("rb") as opened:
        if opened.read(len(schema.SQLITE_START)) != schema.SQLITE_START:
            raise DataError(f"{file} is no copy of an SQLite database, which database.url names")


async def _require_free(target: Path, *, replace: bool) -> None:
    """Nobody else has it open, and either it is empty or it may be replaced."""
    try:
        with _opened(target) as database:
            database.execute("PRAGMA busy_timeout = 0")
            database.execute("PRAGMA journal_mode = DELETE")  # only who is alone may say so
            names = [row[0] for row in database.execute(OF_SQLITE)]
            empty = not names or not (await _contents(_asking(database), OF_SQLITE)).heads
    except sqlite3.OperationalError:
        raise DataError(f"{target} is in use; stop Muster first") from None
    except sqlite3.DatabaseError:
        empty = False
    _require_replaceable(str(target), empty=empty, replace=replace)


def _require_replaceable(name: str, *, empty: bool, replace: bool) -> None:
    if not empty and not replace:
        raise DataError(f"{name} is not empty; with --replace its content is replaced")


def _require_known(file: Path, revision: str) -> None:
    if not schema.is_known(revision):
        raise DataError(f"{file} was made by a newer version of Muster (revision {revision})")


async def _put_back_postgres(file: Path, url: URL, settings: Settings, replace: bool) -> Contents:
    """Beside what was there, which goes once all is restored and comes back if that fails."""
    tool = _tool("pg_restore", settings)
    found = await _run(None, tool, "--data-only", "--table=alembic_version", "--file=-", file=file)
    revision = re.search(r"^COPY .*alembic_version.*\n(\w+)$", found, re.MULTILINE)
    if revision is None:
        raise DataError(f"{file} is no backup of Muster")
    _require_known(file, revision.group(1))
    async with _connected(url) as connection:
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        if others:
            raise DataError(f"{others} others use {url.database}; stop Muster first")
        names = [row[0] for row in await connection.fetch(OF_POSTGRES)]
        empty = "organisation" not in names or not await connection.fetchval(
            "SELECT count(*) FROM organisation"
        )
        _require_replaceable(str(url.database), empty=empty, replace=replace)
        async with connection.transaction():
            await connection.execute("ALTER SCHEMA public RENAME TO before_restoring")
            await connection.execute("CREATE SCHEMA public")
        try:
            await _run(
                url, tool, "--no-owner", "--exit-on-error", "--single-transaction", file=file
            )
        except DataError:
            async with connection.transaction():
                await connection.execute("DROP SCHEMA public CASCADE")
                await connection.execute("ALTER SCHEMA before_restoring RENAME TO public")
            raise
        await connection.execute("DROP SCHEMA before_restoring CASCADE")
        return await _contents(connection.fetch, OF_POSTGRES)


# The databases' own tools


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def _asking(connection: sqlite3.Connection) -> Ask:
    async def ask(statement: str) -> list[Any]:
        return connection.execute(statement).fetchall()

    return ask


@asynccontextmanager
async def _connected(url: URL) -> AsyncIterator[Any]:
    """Raises DataError."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await asyncpg.connect(address)
    except schema.NO_ANSWER as fault:
        raise DataError(f"{url.database} does not answer: {type(fault).__name__}") from None
    try:
        yield connection
    finally:
        await connection.close()


def _tool(name: str, settings: Settings) -> str:
    tool = shutil.which(name, path=settings.backup.pg_bin or None)
    if tool is None:
        raise DataError(
            f"{name} is not installed (package postgresql-client, or name its folder as"
            " backup.pg_bin); `muster export` works without"
        )
    return tool


async def _require_as_new(tool: str, connection: Any) -> None:
    """An older pg_dump does not read a newer server."""
    said = re.search(r"\) (\d+)", await _run(None, tool, "--version"))
    own = int(said.group(1)) if said else 0
    server = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    if own < server:
        raise DataError(
            f"{tool} is of version {own}, the server of {server}: install"
            f" postgresql-client-{server}, or name its folder as backup.pg_bin"
        )


async def _run(url: URL | None, tool: str, *arguments: str, file: Path | None = None) -> str:
    """What a tool prints. Raises DataError with its first complaint; no password is in sight."""
    environment = dict(os.environ)
    given = list(arguments)
    if url is not None:
        address = url.set(drivername="postgresql")._replace(password=None).render_as_string()
        given.append(f"--dbname={address}")
        if url.password:
            environment["PGPASSWORD"] = str(url.password)
    if file is not None:
        given.append(str(file))
    process = await asyncio.create_subprocess_exec(
        tool, *given, env=environment, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise DataError((err.decode().strip().splitlines() or [f"{tool} failed"])[0])
    return out.decode()

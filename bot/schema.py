"""The database from the outside: whether it answers, its schema and its migrations, by Alembic."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from models import Database

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
COMMAND = "muster init"
"""What brings the schema up to date."""
SQLITE_START = b"SQLite format 3\0"
NO_ANSWER = (
    OSError,
    SQLAlchemyError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""How the drivers say that there is no database to be had."""


class DatabaseUnreachableError(Exception):
    """The database does not answer; the text is one line."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database that answers; closed at the end. Raises DatabaseUnreachableError."""
    try:
        database = Database(url)
        _require_sqlite_file(database)
    except OSError as fault:
        raise DatabaseUnreachableError(str(fault)) from None
    try:
        await _require_answer(database)
        yield database
    finally:
        await database.close()


def _require_sqlite_file(database: Database) -> None:
    """Looked at beforehand: a driver that has opened some other file leaves a thread behind."""
    path = Path(str(database.url.database))
    if not database.is_sqlite or not path.exists():
        return
    with path.open("rb") as file:
        start = file.read(len(SQLITE_START))
    if start not in (b"", SQLITE_START):
        raise DatabaseUnreachableError(f"{path} is not an SQLite database")


async def _require_answer(database: Database) -> None:
    try:
        async with database.engine.connect():
            return
    except NO_ANSWER as fault:
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0]
        raise DatabaseUnreachableError(reason) from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@cache
def newest() -> str | None:
    """The revision that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_known(revision: str | None) -> bool:
    """Whether this program can upgrade tables of that revision."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return revision in known


async def revision(database: Database) -> str | None:
    """The revision of the database; None for an empty one."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with database.engine.connect() as connection:
        return await connection.run_sync(read)


async def is_current(database: Database) -> bool:
    return await revision(database) == newest()


async def upgrade(database: Database, revision: str = "head") -> None:
    """Brings the schema up to a revision, the newest unless said otherwise."""

    def migrate(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if connection.dialect.name == "sqlite":
            _require_no_strays(connection)

    async with (
        database.engine.connect() as connection,
        _without_foreign_keys(connection),
        connection.begin(),
    ):
        await connection.run_sync(migrate)


@asynccontextmanager
async def _without_foreign_keys(connection: AsyncConnection) -> AsyncIterator[None]:
    """SQLite changes a table by writing it anew, which would break what points to its rows."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.execute("PRAGMA foreign_keys = OFF")  # does nothing within a transaction
    try:
        yield
    finally:
        await raw.execute("PRAGMA foreign_keys = ON")


def _require_no_strays(connection: Connection) -> None:
    """Raises IntegrityError if a row points to one that is not there."""
    strays = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if strays:
        tables = ", ".join(sorted({row[0] for row in strays}))
        raise sqlite3.IntegrityError(f"rows of {tables} point nowhere")


async def draft(database: Database, message: str) -> None:
    """Writes a migration that takes `database` from its revision to the models."""

    def write(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        number = len(list(MIGRATIONS.glob("versions/*.py"))) + 1
        command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")

    async with database.engine.connect() as connection:
        await connection.run_sync(write)

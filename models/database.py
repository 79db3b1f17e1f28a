"""The one way to the database: a session that reads, or a session that writes in one transaction.

SQLite has one writer at a time. A writing transaction takes its turn (`models.turns`) and
begins with BEGIN IMMEDIATE, so that it never fails half way because another one was faster. On
PostgreSQL two may wait for each other's rows; it gives one of them up, which is then done again.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from models import one_trip
from models.turns import Turn

BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another process's lock."""
WRITES = "muster_writes"
POOL_SIZE = 8
CONNECT_SECONDS = 5.0
GIVEN_UP = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that lost to another: serialization failure, deadlock."""
ATTEMPTS = 4
OUTAGES = ("08", "53", "57", "58")
"""Classes of SQLSTATEs of a server that is not there, or has no room; 57 is one that shuts down."""
NOT_AN_OUTAGE = frozenset({"57014"})
"""A statement was cancelled."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Committed = Callable[[Mapping[str, Any]], None]
"""Is told what a transaction noted in `session.info`, once it has been committed."""


def is_outage(fault: BaseException) -> bool:
    """Whether the database can't be reached, or can't write, for now: nothing is wrong with what
    was asked of it, and it may be asked again.
    """
    if isinstance(fault, DBAPIError):
        state = getattr(fault.orig, "sqlstate", None)
        if state is not None:
            return state.startswith(OUTAGES) and state not in NOT_AN_OUTAGE
        return fault.connection_invalidated or isinstance(fault, InterfaceError | OperationalError)
    return isinstance(fault, ConnectionError | TimeoutError)


class UnreachableError(ConnectionError):
    """There is no connection to the database to be had."""


class Database:
    """`url` as SQLAlchemy writes it, with an async driver (aiosqlite or asyncpg)."""

    def __init__(self, url: str, patience: float | None = None) -> None:
        """`patience`: seconds that an answer of PostgreSQL is waited for; None: without end."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database not in (None, "", ":memory:"):
            Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
        how = {} if self.is_sqlite else {"timeout": CONNECT_SECONDS, "command_timeout": patience}
        self.engine = create_async_engine(
            self.url, pool_size=POOL_SIZE, max_overflow=4, hide_parameters=True, connect_args=how
        )
        self._writing_engine = self.engine.execution_options(**{WRITES: True})
        self._readers = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writers = async_sessionmaker(self._writing_engine, expire_on_commit=False)
        self._turn = Turn()
        self._after_commit: list[Committed] = []
        self._after_transaction: list[Callable[[str, float], None]] = []
        self._about: Callable[[], dict[str, Any]] = dict
        if self.is_sqlite:
            one_trip.use(self.engine.sync_engine)
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    def after_commit(self, listener: Committed) -> None:
        """Calls `listener` after each writing transaction with what it noted for others."""
        self._after_commit.append(listener)

    def tell(self, info: Mapping[str, Any]) -> None:
        """Tells those who listen of a commit; also of one in another process."""
        for listener in self._after_commit:
            listener(info)

    def after_transaction(self, listener: Callable[[str, float], None]) -> None:
        """Calls `listener` with how each writing transaction ended and how many seconds it took.

        It ends "committed" or "rolled_back", with "lost" besides where it is to be done again.
        """
        self._after_transaction.append(listener)

    def inform(self, about: Callable[[], dict[str, Any]]) -> None:
        """What a session's `info` holds from its beginning on."""
        self._about = about

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for looking only; whatever it changed is thrown away.

        Raises UnreachableError, as `write` does.
        """
        async with self._readers() as session:
            await _connect(session)
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session in one transaction: committed at the end, rolled back if anything is raised."""
        if self.is_sqlite:
            async with self._turn, self._transaction() as session:
                yield session
        else:
            async with self._transaction() as session:
                yield session
        self.tell(session.info)

    async def transact(self, run: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """What `run` answers, in a transaction as of `write`.

        Runs it anew where the database gave the transaction up for another one, so it must change
        nothing but the database. Raises what `run` raises, and DBAPIError once it lost too often.
        """
        for left in reversed(range(ATTEMPTS)):
            try:
                async with self.write() as session:
                    return await run(session)
            except DBAPIError as fault:
                if not left or getattr(fault.orig, "sqlstate", None) not in GIVEN_UP:
                    raise
                self._ended("lost", 0.0)
                log.info("transaction lost to another one and done again")
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        began = time.perf_counter()
        outcome = "rolled_back"
        try:
            async with self._writers(info=self._about()) as session, session.begin():
                await _connect(session)
                yield session
            outcome = "committed"
        finally:
            self._ended(outcome, time.perf_counter() - began)

    def _ended(self, outcome: str, seconds: float) -> None:
        for listener in self._after_transaction:
            listener(outcome, seconds)

    async def close(self) -> None:
        await self.engine.dispose()


async def _connect(session: AsyncSession) -> None:
    """At once, so that what fails here is told from whatever fails later, such as a missing file.

    asyncpg raises what the operating system says of an address that nobody answers.
    """
    try:
        await session.connection()
    except OSError as fault:
        raise UnreachableError(str(fault)) from fault


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below is the only one
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {int(BUSY_TIMEOUT * 1000)}",
        "temp_store = MEMORY",
        "cache_size = -16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

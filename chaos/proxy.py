"""A line to PostgreSQL that can be cut or go silent."""

import asyncio
import contextlib

PIECE = 64 * 1024


class Proxy:
    """Listens on loopback and leads to a socket of the server's."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = 0
        self._server: asyncio.Server
        self._lines: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.mend()
        self._server.close()
        self._drop()

    def cut(self) -> None:
        """Every connection is reset, and no new one accepted, until `mend`."""
        self._refuses = True
        self._drop()

    def freeze(self) -> None:
        """Connections stay and say nothing until `mend`."""
        self._open.clear()

    def mend(self) -> None:
        self._refuses = False
        self._open.set()

    def _drop(self) -> None:
        for line in self._lines:
            line.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.transport.abort()
            return
        lines = {writer, back}
        self._lines |= lines
        try:
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        finally:
            self._lines -= lines

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE):
                await self._open.wait()
                target.write(piece)
                await target.drain()
        target.close()

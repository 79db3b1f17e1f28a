"""Real servers on loopback that take what Apprise sends: an HTTP endpoint and a mail server."""

import asyncio
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from types import TracebackType
from typing import Any

from aiohttp import web


class Endpoint:
    """Keeps what came as (path, body); answers `status`, but holds on to paths in `hangs`."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.status = 200
        self.hangs: str | None = None
        self._let_go = asyncio.Event()
        self._more = asyncio.Condition()

    async def __aenter__(self) -> "Endpoint":
        app = web.Application()
        app.router.add_post("/{rest:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go.set()
        await self._runner.cleanup()

    def let_go(self) -> None:
        self._let_go.set()

    def url(self, name: str, place: str) -> str:
        """An Apprise URL that leads here; `place` is {phone} or {email}."""
        return f"json://127.0.0.1:{self.port}/{name}/{place}"

    async def _take(self, request: web.Request) -> web.Response:
        sent: dict[str, Any] = await request.json()
        async with self._more:
            self.came.append((request.path, sent["message"]))
            self._more.notify_all()
        if self.hangs is not None and request.path.startswith(f"/{self.hangs}/"):
            await self._let_go.wait()
        return web.Response(status=self.status)

    async def has(self, count: int) -> list[tuple[str, str]]:
        """Waits until so many have come."""
        async with asyncio.timeout(10), self._more:
            await self._more.wait_for(lambda: len(self.came) >= count)
        return self.came


class MailServer:
    """Takes mail by SMTP; `came` holds (recipient, subject, text)."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str, str]] = []

    async def __aenter__(self) -> "MailServer":
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=muster@example.org&to={{email}}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient = ""
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.split(" ")[0].upper()
            if word == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
            if word == "DATA":
                writer.write(b"354 go on\r\n")
                self._take(recipient, await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")
            if word == "QUIT":
                break
        writer.close()

    def _take(self, recipient: str, raw: bytes) -> None:
        mail = message_from_bytes(raw)
        subject = str(make_header(decode_header(mail["Subject"])))
        self.came.append((recipient, subject, _text_of(mail)))


def _text_of(mail: Message) -> str:
    plain = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
    content = plain.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()

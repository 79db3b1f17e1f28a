"""A real HTTP endpoint on loopback that takes what Apprise sends."""

import asyncio
from types import TracebackType
from typing import Any

from aiohttp import web


class Endpoint:
    """Keeps what came as (path, body); answers `status`."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.status = 200
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
        await self._runner.cleanup()

    def url(self, name: str, place: str) -> str:
        """An Apprise URL that leads here; `place` is {phone} or {email}."""
        return f"json://127.0.0.1:{self.port}/{name}/{place}"

    async def _take(self, request: web.Request) -> web.Response:
        sent: dict[str, Any] = await request.json()
        async with self._more:
            self.came.append((request.path, sent["message"]))
            self._more.notify_all()
        return web.Response(status=self.status)

    async def has(self, count: int) -> list[tuple[str, str]]:
        """Waits until so many have come."""
        async with asyncio.timeout(10), self._more:
            await self._more.wait_for(lambda: len(self.came) >= count)
        return self.came

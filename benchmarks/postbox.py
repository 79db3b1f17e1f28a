"""The other side of the wire for sending: takes messages, as strict as Telegram if it is told to.

Each call is answered after `latency` seconds with a whole Message; 429s are counted.
"""

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from aiohttp import web

JSON = "application/json"
FILLING = {"id": 100200, "is_bot": True, "first_name": "Muster", "username": "muster_bench_bot"}


@dataclass(slots=True)
class Postbox:
    """`per_second` is the most that any second may bring (0: no limit)."""

    per_second: int = 0
    latency: float = 0.0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """(seconds on a monotonic clock, chat id) of each message that was taken."""
    refused: int = 0
    url: str = ""
    _window: deque[float] = field(default_factory=deque)
    _numbers: int = 0
    _wanted: int = 0
    _enough: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.ServerRunner | None = None

    async def start(self) -> None:
        server = web.Server(self._serve, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def until(self, count: int) -> None:
        """Returns once so many messages have been taken."""
        self._wanted = count
        self._enough.clear()
        if len(self.arrivals) < count:
            await self._enough.wait()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        now = time.monotonic()
        method = request.path.rpartition("/")[2]
        asked = fields_of(await request.read(), request.content_type)
        if method == "getMe":
            return _answer(FILLING)
        if not self._admits(now):
            self.refused += 1
            refusal = {"ok": False, "error_code": 429, "description": "Too Many Requests",
                       "parameters": {"retry_after": 1}}  # fmt: skip
            return web.Response(body=json.dumps(refusal), status=429, content_type=JSON)
        chat_id = int(asked["chat_id"])
        self.arrivals.append((now, chat_id))
        self._numbers += 1
        if len(self.arrivals) == self._wanted:
            self._enough.set()
        if self.latency:
            await asyncio.sleep(self.latency)
        chat = {"id": chat_id, "type": "private", "first_name": "晓丽"}
        message = {"message_id": self._numbers, "date": 1_790_000_000, "chat": chat}
        return _answer(message | {"from": FILLING, "text": asked.get("text", "")})

    def _admits(self, now: float) -> bool:
        if not self.per_second:
            return True
        while self._window and self._window[0] <= now - 1:
            self._window.popleft()
        if len(self._window) >= self.per_second:
            return False
        self._window.append(now)
        return True


def fields_of(body: bytes, content_type: str) -> dict[str, str]:
    """What a call of the Bot API says, as a form or as JSON."""
    if content_type == JSON:
        found: dict[str, str] = json.loads(body)
        return found
    return {name: given[0] for name, given in parse_qs(body.decode()).items()}


def _answer(result: object) -> web.Response:
    return web.Response(
        body=json.dumps({"ok": True, "result": result}, ensure_ascii=False), content_type=JSON
    )

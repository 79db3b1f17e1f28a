"""The playground as one HTTP server: the Bot API, files, and the phones for the page."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from playground import phones_api
from playground.botapi import call
from playground.botapi.registry import Api, Upload
from playground.errors import ApiError, not_found
from playground.faults import Faults, Limits
from playground.model import Bot, Chat, ChatKind, Person
from playground.phone import Phone
from playground.updates import Updates
from playground.world import World

LARGEST_BODY = 60 * 1024 * 1024
LOGGED = 100_000
GARBAGE = "<html><body><h1>It works!</h1></body></html>"
"""What a proxy says that has lost its way."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Bot API. `at` is monotonic seconds, `date` the playground's clock."""

    at: float
    date: datetime
    token: str
    method: str
    parameters: Mapping[str, Any]
    status: int
    error: str | None

    @property
    def chat_id(self) -> int | None:
        value = str(self.parameters.get("chat_id", ""))
        return int(value) if value.lstrip("-").isdigit() else None


@dataclass(frozen=True, slots=True)
class Place:
    """A point that the page's map names; degrees, WGS-84."""

    name: str
    latitude: float
    longitude: float


class Playground:
    """Serves on loopback; `port` 0 takes any free one. `page` serves the phones at `/`, with the
    `places` on its map; the first one is where the map opens.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        page: bool = False,
        clock: Callable[[], datetime] | None = None,
        places: Sequence[Place] = (),
    ) -> None:
        self.world = World() if clock is None else World(clock)
        self.updates = Updates(self.world)
        self.faults = Faults()
        self.limits = Limits()
        self.log: deque[Call] = deque(maxlen=LOGGED)
        self.counts: Counter[str] = Counter()
        self.places = places
        self.host = host
        self.port = port
        self._page = page
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/bot{token}/{method}", self._bot_api)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        self._phones = phones_api.PhonesApi(self, page=self._page)
        self._phones.add_to(app)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self.updates.stop()
        self._phones.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    # People and chats

    def add_bot(self, token: str, username: str, name: str = "Bot") -> Bot:
        return self.world.add_bot(token, username, name)

    def add_person(
        self, first_name: str, last_name: str = "", *, person_id: int | None = None, **more: Any
    ) -> Phone:
        return Phone(
            self.world, self.world.add_person(first_name, last_name, person_id=person_id, **more)
        )

    def add_group(
        self,
        title: str,
        members: list[Phone],
        bots: list[Bot] | None = None,
        kind: ChatKind = "supergroup",
    ) -> Chat:
        """A group of which the first member is the owner; bots join as administrators of channels,
        as plain members elsewhere.
        """
        owner: Person | None = members[0].person if members else None
        chat = self.world.add_group(title, kind, owner)
        for phone in members[1:]:
            self.world.join(chat, phone.person, "member", owner)
        for bot in bots or []:
            standing = "administrator" if kind == "channel" else "member"
            self.world.join(chat, bot, standing, owner)  # type: ignore[arg-type]
        return chat

    def calls(self, method: str) -> list[Call]:
        return [entry for entry in self.log if entry.method == method]

    # The Bot API

    async def _bot_api(self, request: web.Request) -> web.StreamResponse:
        token, method = request.match_info["token"], request.match_info["method"]
        given: dict[str, Any] = {}
        status, body, error = 200, {}, None
        dropped = False
        try:
            bot = self.world.bots.get(token)
            if bot is None:
                raise ApiError(401, "Unauthorized")
            given, uploads = await _read(request)
            faults = self.faults.take(method, _chat_id(given))
            for fault in faults:
                if fault.kind == "delay":
                    await asyncio.sleep(fault.seconds)
                elif fault.kind == "hold":
                    await fault.until.wait()
                elif fault.kind == "fail":
                    raise fault.error()
                elif fault.kind == "garble":
                    return web.Response(text=GARBAGE, content_type="text/html", status=fault.status)
            dropped = any(fault.kind.startswith("drop") for fault in faults)
            if not any(fault.kind == "drop_before" for fault in faults):
                api = Api(self.world, self.updates, self.limits, bot, uploads)
                body = {"ok": True, "result": await call(api, method, given)}
        except ApiError as refused:
            status, error = refused.code, refused.description
            body = {"ok": False, "error_code": refused.code, "description": refused.description}
            if refused.parameters:
                body["parameters"] = refused.parameters
        self._note(token, method, given, status, error)
        if dropped and request.transport is not None:
            request.transport.abort()
        headers = {}
        if "parameters" in body and "retry_after" in body["parameters"]:
            headers["Retry-After"] = str(body["parameters"]["retry_after"])
        return web.json_response(body, status=status, headers=headers)

    def _note(
        self, token: str, method: str, given: Mapping[str, Any], status: int, error: str | None
    ) -> None:
        self.counts[method] += 1
        entry = Call(time.monotonic(), self.world.clock(), token, method, given, status, error)
        self.log.append(entry)

    async def _file(self, request: web.Request) -> web.Response:
        if request.match_info["token"] not in self.world.bots:
            raise web.HTTPUnauthorized
        wanted = request.match_info["path"]
        for stored in self.world.files.values():
            if stored.path == wanted:
                return web.Response(body=stored.content, content_type=stored.mime)
        raise web.HTTPNotFound


async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, Upload]]:
    """Parameters and uploads, however they were sent. Raises ApiError."""
    given: dict[str, Any] = dict(request.query)
    uploads: dict[str, Upload] = {}
    kind = request.content_type
    if kind == "application/json":
        try:
            body = await request.json()
        except ValueError:
            raise ApiError(400, "Bad Request: can't parse JSON body") from None
        if not isinstance(body, dict):
            raise not_found()
        given.update(body)
    elif kind == "multipart/form-data":
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                content = value.file.read()
                mime = value.content_type or "application/octet-stream"
                uploads[name] = Upload(value.filename, mime, content)
                given.setdefault(name, name)
            else:
                given[name] = value
        for name in uploads:
            if f"attach://{name}" in json.dumps(given) and given.get(name) == name:
                del given[name]
    elif request.can_read_body:
        given.update((await request.post()).items())
    return given, uploads


def _chat_id(given: Mapping[str, Any]) -> int | None:
    value = str(given.get("chat_id", ""))
    return int(value) if value.lstrip("-").isdigit() else None

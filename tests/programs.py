"""Other programs, as tests play them: one that asks the API, one that webhooks lead to."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from models import Person
from services import tokens
from services.tokens import Scope
from tests.city import City
from tests.making import Making

ALL = tuple(scope.value for scope in Scope)
BUT_PERSONAL = tuple(scope for scope in ALL if scope != Scope.VOLUNTEERS_PERSONAL)


async def token_of(
    making: Making,
    maker: Person,
    scopes: Sequence[str] = BUT_PERSONAL,
    *,
    organisation_id: int | None = None,
    days: int = 30,
) -> str:
    """The secret of a new token for the maker's organisation, or another one."""
    home = organisation_id or maker.organisation_id
    async with making.database.write() as session:
        work = making.work(session, maker)
        _, secret = await tokens.make(work, home, "省平台", scopes, days)
    return secret


@dataclass(slots=True)
class Answered:
    status: int
    json: Any
    headers: Any

    @property
    def code(self) -> str:
        """Of the problem."""
        assert self.headers["Content-Type"].startswith("application/problem+json")
        return str(self.json["code"])


class Client:
    """A program with a token."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {} if body is None else {"json": body}
        async with self.session.request(method, "/api/v1" + path, headers=sent, **given) as answer:
            text = await answer.read()
            return Answered(answer.status, await answer.json() if text else None, answer.headers)

    async def get(self, path: str, **headers: str) -> Answered:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answered:
        return await self.ask("POST", path, body, **headers)

    async def everything(self, path: str, limit: int = 50) -> list[Any]:
        """All items of a list, part by part."""
        mark = "&" if "?" in path else "?"
        found: list[Any] = []
        part = await self.get(f"{path}{mark}limit={limit}")
        while True:
            assert part.status == 200, part.json
            found += part.json["items"]
            if part.json["next"] is None:
                return found
            part = await self.get(f"{path}{mark}limit={limit}&cursor={part.json['next']}")


@asynccontextmanager
async def client(city: City, secret: str | None) -> AsyncIterator[Client]:
    headers = {"Accept-Language": "zh-CN", "Accept": "application/json"}
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{city.program.web_port}", headers=headers
    ) as session:
        yield Client(session)


@dataclass(slots=True)
class Received:
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes what webhooks bring; `answers` says what it says next, 204 by default."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, str]] = []
        self.always: tuple[int, str] = (204, "")
        self.url = ""
        self.hangs = False
        self._came = asyncio.Condition()

    async def has(self, count: int) -> None:
        """Waits until so much has come."""
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.received) >= count)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self._came:
            self.received.append(Received(dict(request.headers), body))
            self._came.notify_all()
        if self.hangs:
            await asyncio.Event().wait()
        status, said = self.answers.pop(0) if self.answers else self.always
        headers = {"Location": said} if status in (301, 302, 307) else {}
        return web.Response(status=status, text=said if status != 204 else None, headers=headers)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    receiving = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiving.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiving.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiving
    await runner.cleanup()

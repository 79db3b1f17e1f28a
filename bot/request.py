"""python-telegram-bot's requests over aiohttp, which costs a third of its own client.

What is sent by the thousand passes the library by: `call` takes a body that is JSON already.
"""

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import BaseRequest, RequestData
from yarl import URL

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
Called = Callable[[str, str, float, bool], object]
"""Method, outcome, seconds, and whether it is a direct call of the library."""
JSON = {"Content-Type": "application/json"}


class AnswerLostError(NetworkError):
    """The connection broke after it stood, so the call may have been accepted."""


class ServerError(NetworkError):
    """Telegram answered that it is at fault itself (5xx)."""


class AiohttpRequest(BaseRequest):
    """One pool of kept connections. Timeouts are seconds; `connections` limits those under way."""

    def __init__(self, connections: int = 64, read_timeout: float = 20.0) -> None:
        self._connections = connections
        self._read_timeout = read_timeout
        self._session: aiohttp.ClientSession | None = None
        self.answered_at = float("-inf")
        """When a server last answered otherwise than by being at fault, as `time.monotonic`."""
        self._listeners: list[Called] = []
        self._usual = self._timeout(read_timeout)
        # A short body is written at once: no timer for the whole of it, thousands of times.
        self._plain = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_read=read_timeout)

    @property
    def read_timeout(self) -> float:
        return self._read_timeout

    def after_call(self, listener: Called) -> None:
        """Calls `listener` with how each call ended: an HTTP status, or the kind of fault."""
        self._listeners.append(listener)

    async def initialize(self) -> None:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector)

    async def shutdown(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(  # noqa: PLR0917 - the base class says so
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Raises TimedOut or AnswerLostError (the call may have been accepted), or NetworkError."""
        usual = read_timeout is BaseRequest.DEFAULT_NONE
        timeout = self._usual if usual else self._timeout(read_timeout)
        body = _body(request_data)
        return await self._answer(method, url, direct=True, data=body, timeout=timeout)

    async def call(self, url: URL, body: bytes | aiohttp.FormData) -> Any:
        """The result of a Bot API method whose parameters are given as JSON, or come with a file.

        Raises TelegramError of the kind that python-telegram-bot raises, and ServerError.
        """
        headers = JSON if isinstance(body, bytes) else {}
        status, payload = await self._answer(
            "POST", url, direct=False, data=body, headers=headers, timeout=self._plain
        )
        answer = _read(payload)
        if answer is None:  # whatever it says, it says nothing of the chat
            raise ServerError(f"HTTP {status}, but not of the Bot API")
        if status == HTTPStatus.OK and answer["ok"]:
            return answer["result"]
        raise fault_of(status, answer)

    async def _answer(
        self, method: str, url: str | URL, *, direct: bool, **how: Any
    ) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError("the request was not initialised")
        began, outcome = time.monotonic(), "cancelled"
        try:
            async with self._session.request(method, url, **how) as response:
                found = response.status, await response.read()
                outcome = str(response.status)
                return found
        except TimeoutError as fault:
            outcome = "timeout"
            raise TimedOut from fault
        except aiohttp.ClientConnectorError as fault:
            outcome = "network"
            raise NetworkError(f"{type(fault).__name__}: {fault}") from fault
        except aiohttp.ClientError as fault:
            outcome = "lost"
            raise AnswerLostError(f"{type(fault).__name__}: {fault}") from fault
        finally:
            self._ended(str(url), outcome, began, direct)

    def _ended(self, url: str, outcome: str, began: float, direct: bool) -> None:
        now = time.monotonic()
        if outcome.isdigit() and int(outcome) < HTTPStatus.INTERNAL_SERVER_ERROR:
            self.answered_at = now
        name = "file" if "/file/" in url else url.rpartition("/")[2]
        for listener in self._listeners:
            listener(name, outcome, now - began, direct)

    @staticmethod
    def _timeout(wait: float | None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=None if wait is None else wait + WRITE_SECONDS,
            connect=CONNECT_SECONDS,
            sock_read=wait,
        )


def _read(payload: bytes) -> dict[str, Any] | None:
    """What the Bot API answered; None where something else did, such as a proxy on the way."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and "ok" in answer else None


def fault_of(status: int, answer: dict[str, Any]) -> TelegramError:
    """What Telegram's refusal means (https://core.telegram.org/bots/api#making-requests)."""
    said = str(answer.get("description") or f"HTTP {status}")
    more = answer.get("parameters") or {}
    if "migrate_to_chat_id" in more:
        return ChatMigrated(int(more["migrate_to_chat_id"]))
    if "retry_after" in more:
        return RetryAfter(int(more["retry_after"]))
    match status:
        case HTTPStatus.FORBIDDEN:
            return Forbidden(said)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND:
            return InvalidToken(said)
        case HTTPStatus.BAD_REQUEST:
            return BadRequest(said)
        case HTTPStatus.CONFLICT:
            return Conflict(said)
        case _:
            return ServerError(said)


def _body(data: RequestData | None) -> aiohttp.FormData | dict[str, str] | None:
    if data is None:
        return None
    if not data.multipart_data:
        return dict(data.json_parameters)
    form = aiohttp.FormData()
    for name, value in data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, mime_type) in data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=mime_type)
    return form

"""python-telegram-bot's requests over aiohttp, which costs a third of its own client."""

from typing import Any

import aiohttp
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0


class AnswerLostError(NetworkError):
    """The connection broke after it stood, so the call may have been accepted."""


class AiohttpRequest(BaseRequest):
    """One pool of kept connections. Timeouts are seconds; `connections` limits those under way."""

    def __init__(self, connections: int = 64, read_timeout: float = 20.0) -> None:
        self._connections = connections
        self._read_timeout = read_timeout
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        return self._read_timeout

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
        if self._session is None:
            raise RuntimeError("the request was not initialised")
        wait = self._read_timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        timeout = aiohttp.ClientTimeout(
            total=None if wait is None else wait + WRITE_SECONDS,
            connect=CONNECT_SECONDS,
            sock_read=wait,
        )
        try:
            async with self._session.request(
                method, url, data=_body(request_data), timeout=timeout
            ) as response:
                return response.status, await response.read()
        except TimeoutError as fault:
            raise TimedOut from fault
        except aiohttp.ClientConnectorError as fault:
            raise NetworkError(f"{type(fault).__name__}: {fault}") from fault
        except aiohttp.ClientError as fault:
            raise AnswerLostError(f"{type(fault).__name__}: {fault}") from fault


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

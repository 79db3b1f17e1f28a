"""A bot that speaks plain HTTP, and the person it speaks with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import segno
from PIL import Image

from playground import Phone, Playground
from playground.model import Bot

TOKEN = "100200:TEST"
USERNAME = "strict_bot"


class Caller:
    def __init__(self, telegram: Playground, http: aiohttp.ClientSession) -> None:
        self.telegram = telegram
        self.http = http
        self.bot: Bot = telegram.add_bot(TOKEN, USERNAME, "严格")
        self.chen: Phone = telegram.add_person("晓丽", "陈").use(self.bot)
        self._offset = 0

    def address(self, method: str, token: str = TOKEN) -> str:
        return f"{self.telegram.url}/bot{token}/{method}"

    async def call(self, method: str, **parameters: Any) -> Any:
        """The result. Fails the test unless the call is accepted."""
        status, body = await self.answer(method, **parameters)
        assert (status, body["ok"]) == (200, True), body
        return body["result"]

    async def answer(self, method: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.address(method), json=parameters) as answer:
            return answer.status, await answer.json()

    async def refused(self, method: str, **parameters: Any) -> str:
        """The description of a refusal, in the shape that Telegram gives it."""
        status, body = await self.answer(method, **parameters)
        assert not body["ok"]
        assert body["error_code"] == status
        return str(body["description"])

    async def say(self, text: str = "你好", **more: Any) -> Any:
        return await self.call("sendMessage", chat_id=self.chen.id, text=text, **more)

    async def send_picture(self, content: bytes, **more: str) -> Any:
        form = aiohttp.FormData({"chat_id": str(self.chen.id), **more})
        form.add_field("photo", content, filename="a.png", content_type="image/png")
        async with self.http.post(self.address("sendPhoto"), data=form) as answer:
            return (await answer.json())["result"]

    async def next(self, kind: str = "message") -> Any:
        """The content of the next update, which must be of this kind; waits for it."""
        updates = await self.call("getUpdates", offset=self._offset, limit=1, timeout=10)
        assert updates, f"no {kind} came"
        self._offset = updates[0]["update_id"] + 1
        return updates[0][kind]


@asynccontextmanager
async def calling(telegram: Playground) -> AsyncIterator[Caller]:
    async with telegram, aiohttp.ClientSession() as http:
        yield Caller(telegram, http)


def buttons(*rows: list[tuple[str, str]]) -> dict[str, Any]:
    """An inline keyboard of (label, callback data)."""
    return {
        "inline_keyboard": [
            [{"text": label, "callback_data": data} for label, data in row] for row in rows
        ]
    }


def a_picture() -> bytes:
    content = BytesIO()
    Image.new("RGB", (64, 64), "green").save(content, "PNG")
    return content.getvalue()


def a_code(words: str) -> bytes:
    """A picture of a QR code."""
    content = BytesIO()
    segno.make(words).save(content, kind="png", scale=6)
    return content.getvalue()

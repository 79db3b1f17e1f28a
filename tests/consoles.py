"""The console as people use it: logging in from the chat, then a browser."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any

import aiohttp
from playwright.async_api import Page

from playground.phone import Phone
from tests.browser import DESKTOP, blank, browser, visit
from tests.city import City

TOKEN = re.compile(r'name="token" value="([^"]+)"')


async def link(city: City, phone: Phone) -> str:
    """The path of a fresh link that logs in whoever has this phone."""
    await phone.say("/console")
    await city.answered()
    shown = await phone.sees("/console/open/")
    found = re.search(r"/console/open/[\w-]+", shown.words)
    assert found
    return found.group()


@dataclass(slots=True)
class Answered:
    """What a request came back with, after redirects."""

    status: int
    path: str
    text: str

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", self.text)))


class Desk:
    """A browser without scripts that is logged in, or is not."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.token = ""

    async def log_in(self, city: City, phone: Phone) -> "Desk":
        answered = await self._sent(self.session.post(await link(city, phone)))
        assert answered.status == 200, answered.words
        return self

    async def open(self, path: str) -> Answered:
        return await self._sent(self.session.get("/console" + path))

    async def send(self, path: str, fields: Mapping[str, Any] | None = None) -> Answered:
        """Sends a form with the token of the page that was seen last."""
        form = aiohttp.FormData({"token": self.token})
        for name, value in (fields or {}).items():
            for one in value if isinstance(value, list) else [value]:
                form.add_field(name, one if isinstance(one, bytes) else str(one))
        return await self._sent(self.session.post("/console" + path, data=form))

    async def _sent(self, request: Any) -> Answered:
        async with request as answer:
            raw = await answer.read()
            text = raw.decode() if answer.content_type.startswith("text/") else ""
            found = TOKEN.search(text)
            if found:
                self.token = found.group(1)
            return Answered(answer.status, answer.url.path, text)


@asynccontextmanager
async def desk_of(city: City, phone: Phone | None = None) -> AsyncIterator[Desk]:
    """Somebody's browser without scripts; a stranger's without a phone."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{city.program.web_port}",
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"Accept-Language": "zh-CN", "User-Agent": "Mozilla/5.0 (Windows) Firefox/140"},
    ) as session:
        desk = Desk(session)
        yield await desk.log_in(city, phone) if phone is not None else desk


@asynccontextmanager
async def screen_of(
    city: City, phone: Phone, path: str = "", size: tuple[int, int] = DESKTOP
) -> AsyncIterator[Page]:
    """A real Chromium that is logged in, at a page of the console; its console stays silent."""
    base = f"http://127.0.0.1:{city.program.web_port}"
    async with browser() as running, blank(running) as page:
        await page.goto(base + await link(city, phone))
        await page.get_by_role("button").click()
        await page.locator("main h1").wait_for()
        async with visit(page, f"{base}/console{path}", size):
            yield page

"""The sender as a process of its own, to be killed: all it needs and nothing beside it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bot.line import build_limiter, build_wire
from bot.program import utc_now
from bot.request import AiohttpRequest
from bot.sender import Bounds, Sender
from bot.settings import TelegramSettings
from models import Database
from services.policy import Policy
from services.words import Words
from tests.commands import processes

WORDS = Words(Policy())
WORDS.render("approvals/refused", "en", reason="")  # compiled once, for all that are forked


@asynccontextmanager
async def sender(url: str, telegram: TelegramSettings) -> AsyncIterator[Sender]:
    """In this process, for whoever wants to look at it."""
    calls = AiohttpRequest(telegram.concurrency)
    await calls.initialize()
    database = Database(url)
    yield Sender(
        database=database,
        wire=build_wire(telegram, telegram.token.get_secret_value(), calls),
        limiter=build_limiter(telegram),
        words=WORDS,
        clock=utc_now,
        bounds=Bounds(telegram.concurrency, telegram.paid_stars_per_day),
    )
    await calls.shutdown()
    await database.close()


class LoneSender:
    """Sends what is due from the moment it is made until it is killed."""

    def __init__(self, url: str, telegram: TelegramSettings) -> None:
        given = telegram.model_dump() | {"token": telegram.token.get_secret_value()}
        self._process: Any = processes.Process(target=_send, args=(url, given), daemon=True)
        self._process.start()

    async def killed(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.join)
        self._process.close()


def _send(url: str, telegram: dict[str, Any]) -> None:
    asyncio.run(_run(url, TelegramSettings.model_validate(telegram)))


async def _run(url: str, telegram: TelegramSettings) -> None:
    async with sender(url, telegram) as running:
        await running.run()

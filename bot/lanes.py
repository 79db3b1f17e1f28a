"""Updates of one chat in order, those of different chats side by side."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor


class ChatLanes(BaseUpdateProcessor):
    """Chains the updates of a chat; `limit` chats are served at the same time."""

    def __init__(self, limit: int = 64) -> None:
        super().__init__(max_concurrent_updates=4096)
        self._slots = asyncio.Semaphore(limit)
        self._tails: dict[int, asyncio.Future[None]] = {}

    async def do_process_update(self, update: object, coroutine: "Awaitable[Any]") -> None:
        chat = update.effective_chat if isinstance(update, Update) else None
        key = chat.id if chat else 0
        before = self._tails.get(key)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tails[key] = done
        try:
            if before is not None:
                await before
            async with self._slots:
                await coroutine
        finally:
            done.set_result(None)
            if self._tails.get(key) is done:
                del self._tails[key]

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to close: the application waits for what is under way."""

"""Updates of one chat in order, those of different chats side by side, emergencies first."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from bot.limiter import ANSWERS_FIRST
from models.turns import WRITES_FIRST

UNBOUNDED = 1_000_000
"""`bot.flood` decides how many wait; behind the library's own bound emergencies would wait, too."""

BESIDE_EMERGENCIES = 4
"""Chats that are served at a time while an emergency is: all of them share one processor."""

Go = Callable[[], None]


@dataclass(slots=True)
class Waiting:
    """Of one chat; an emergency goes before what came earlier, but never beside it."""

    urgent: deque[Go] = field(default_factory=deque)
    others: deque[Go] = field(default_factory=deque)
    is_served: bool = False


class Turns:
    """Who is served next: each chat's first before anybody's second, `most` chats at a time.

    Chats with an emergency have as many places of their own, so no flood of others takes them;
    while one is served, others begin only as long as no more than `beside` are at work.
    """

    def __init__(self, most: int, beside: int = BESIDE_EMERGENCIES) -> None:
        self._most = most
        self._beside = beside
        self._chats: dict[int, Waiting] = {}
        self._lines: dict[bool, deque[int]] = {True: deque(), False: deque()}
        self._free = {True: most, False: most}

    def join(self, chat_id: int, go: Go, *, urgent: bool) -> None:
        """Calls `go` when it is the turn of this update."""
        chat = self._chats.setdefault(chat_id, Waiting())
        (chat.urgent if urgent else chat.others).append(go)
        if not chat.is_served:
            self._lines[urgent].append(chat_id)
        self._serve()

    def leave(self, chat_id: int, *, urgent: bool) -> None:
        """The update whose turn it was is done."""
        self._free[urgent] += 1
        chat = self._chats[chat_id]
        chat.is_served = False
        if chat.urgent or chat.others:
            self._lines[bool(chat.urgent)].append(chat_id)
        else:
            del self._chats[chat_id]
        self._serve()

    def _serve(self) -> None:
        for urgent, line in self._lines.items():
            while line and self._free[urgent] > self._kept_free(urgent):
                chat = self._chats.get(line.popleft())
                waiting = chat and (chat.urgent if urgent else chat.others)
                if chat is None or chat.is_served or not waiting:
                    continue  # has been served since, as an emergency or an earlier entry
                chat.is_served = True
                self._free[urgent] -= 1
                waiting.popleft()()

    def _kept_free(self, urgent: bool) -> int:
        emergencies = self._most - self._free[True]
        return max(0, self._most - self._beside) if emergencies and not urgent else 0


class ChatLanes(BaseUpdateProcessor):
    """`is_urgent` is asked of each update; `limit` chats are served at the same time."""

    def __init__(self, is_urgent: Callable[[Update], bool], limit: int = 64) -> None:
        super().__init__(max_concurrent_updates=UNBOUNDED)
        self._is_urgent = is_urgent
        self._turns = Turns(limit)

    async def do_process_update(self, update: object, coroutine: "Awaitable[Any]") -> None:
        chat = update.effective_chat if isinstance(update, Update) else None
        key = chat.id if chat else 0
        urgent = isinstance(update, Update) and self._is_urgent(update)
        turn = asyncio.Event()
        self._turns.join(key, turn.set, urgent=urgent)
        try:
            await turn.wait()
        except asyncio.CancelledError:  # the program ends; whoever is next finds it in the inbox
            if inspect.iscoroutine(coroutine):
                coroutine.close()
            raise
        ANSWERS_FIRST.set(urgent)
        WRITES_FIRST.set(urgent)
        try:
            await coroutine
        finally:
            self._turns.leave(key, urgent=urgent)

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to close: the application waits for what is under way."""

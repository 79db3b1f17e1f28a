"""The other side of the wire: a Bot API that hands out presses and notes when they are answered.

As cheap as it can be, so that what is measured is the bot; it checks nothing that it is sent.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from benchmarks.postbox import fields_of

BOT = {"id": 100200, "is_bot": True, "first_name": "Muster", "username": "muster_bench_bot"}
SCREEN = {
    "date": 1_790_000_000,
    "text": "河岸植树\n\n2026-12-05 09:00-11:30\n岐江公园北门",
    "reply_markup": {
        "inline_keyboard": [
            [{"text": "报名", "callback_data": "enrol:1"}],
            [{"text": "地点", "callback_data": "activity.venue:1"}],
            [{"text": "返回", "callback_data": "browse"}],
        ]
    },
}
QUIET = {"deleteWebhook": True, "setMyCommands": True, "getMe": BOT}
"""Calls that any bot makes at its start, and what they are answered."""
UPDATES_AT_ONCE = 100


class Unexpected(Exception):
    """A bot did something else than answer the press; the figures would mean nothing."""


@dataclass(slots=True)
class Press:
    """A button that somebody presses. Times are seconds on one monotonic clock."""

    chat_id: int
    data: str
    update_id: int = 0
    handed_over: float = 0.0
    acknowledged: float = 0.0
    """When the call arrived that ends the button's spinning."""
    shown: float = 0.0
    """When the call arrived that puts the new screen in place of the old one."""


@dataclass(slots=True)
class Chats:
    """All chats of one bot. `wants_screen`: an answer is more than an acknowledgement."""

    wants_screen: bool
    numbers: Iterator[int]
    """Update ids, never used twice: a bot that is started again would know them."""
    wants_letters: bool = False
    """Whether the bot may send something unasked."""
    letters: int = 0
    """How many it has sent."""
    watched: str | None = None
    """What the text of a message contains whose arrival is noted."""
    seen: list[float] = field(default_factory=list)
    """When those came, on the clock of the presses."""
    seen_by: list[int] = field(default_factory=list)
    """In whose chats."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each of them."""
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[int, tuple[Press, "asyncio.Future[Press]"]] = field(default_factory=dict)

    async def press(self, press: Press, seconds: float = 30.0) -> Press:
        """Returns once the press is answered. Raises Unexpected, or TimeoutError."""
        press.update_id = next(self.numbers)
        answered: asyncio.Future[Press] = asyncio.get_running_loop().create_future()
        self._open[press.update_id] = press, answered
        self._waiting.append(_update(press))
        self._arrived.set()
        async with asyncio.timeout(seconds):
            return await answered

    def say(self, chat_id: int, text: str) -> None:
        """Somebody writes, and nobody waits for the answer."""
        number = next(self.numbers)
        message = {**_message(chat_id, number), "from": _sender(chat_id), "text": text}
        self._waiting.append({"update_id": number, "message": message})
        self._arrived.set()

    @property
    def waiting(self) -> int:
        """Updates that the bot has not come for yet."""
        return len(self._waiting)

    async def updates(self, offset: int, seconds: float) -> list[dict[str, Any]]:
        """What getUpdates answers: at once if there is something, else after `seconds`."""
        self._waiting = [update for update in self._waiting if update["update_id"] >= offset]
        if not self._waiting:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), timeout=seconds)
            except TimeoutError:
                return []
        now = time.perf_counter()
        given = self._waiting[:UPDATES_AT_ONCE]
        for update in given:
            if update["update_id"] in self._open:
                press, _ = self._open[update["update_id"]]
                press.handed_over = press.handed_over or now
        return given

    def acknowledge(self, update_id: int, text: str | None, now: float) -> None:
        press, answered = self._open[update_id]
        press.acknowledged = now
        if text is not None:
            answered.set_exception(Unexpected(f"{press.data} was answered: {text}"))
        self._close_if_answered(update_id)

    def show(self, update_id: int, now: float) -> None:
        self._open[update_id][0].shown = now
        self._close_if_answered(update_id)

    def take(self, chat_id: int, text: str, now: float) -> dict[str, Any]:
        """A message that nobody asked for."""
        self.letters += 1
        if self.watched is not None and self.watched in text:
            self.seen.append(now)
            self.seen_by.append(chat_id)
            self.came.set()
        return _message(chat_id, self.letters)

    def fail(self, reason: str) -> None:
        for _, answered in self._open.values():
            if not answered.done():
                answered.set_exception(Unexpected(reason))

    def _close_if_answered(self, update_id: int) -> None:
        press, answered = self._open[update_id]
        if not press.acknowledged or (self.wants_screen and not press.shown):
            return
        del self._open[update_id]
        if not answered.done():
            answered.set_result(press)


class Telegram:
    """Serves the bots of a benchmark on loopback, each under a token of its own."""

    def __init__(self) -> None:
        self._chats: dict[str, Chats] = {}
        self._numbers = itertools.count(1)
        self._runner: web.ServerRunner
        self.url = ""

    def add_bot(self, *, wants_screen: bool, wants_letters: bool = False) -> tuple[str, Chats]:
        """A new bot's token and its chats."""
        token = f"{BOT['id']}:benchmark-{len(self._chats) + 1}-of-muster"
        self._chats[token] = Chats(wants_screen, self._numbers, wants_letters)
        return token, self._chats[token]

    async def start(self) -> None:
        server = web.Server(self._serve, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        now = time.perf_counter()
        _, bot, method = request.path.split("/")
        chats = self._chats[bot.removeprefix("bot")]
        asked = fields_of(await request.read(), request.content_type)
        result = await self._answer(chats, method, asked, now)
        body = json.dumps({"ok": True, "result": result}, ensure_ascii=False).encode()
        return web.Response(body=body, content_type="application/json")

    async def _answer(self, chats: Chats, method: str, asked: dict[str, str], now: float) -> Any:
        if method == "getUpdates":
            return await chats.updates(int(asked.get("offset", 0)), float(asked.get("timeout", 0)))
        if method == "answerCallbackQuery":
            chats.acknowledge(int(asked["callback_query_id"]), asked.get("text"), now)
            return True
        if method == "editMessageText":
            update_id = int(asked["message_id"])
            chats.show(update_id, now)
            return _message(int(asked["chat_id"]), update_id)
        if method == "sendMessage" and chats.wants_letters:
            return chats.take(int(asked["chat_id"]), asked.get("text", ""), now)
        if method == "editMessageReplyMarkup" and chats.wants_letters:
            return True  # the screen before a letter loses its buttons
        if method not in QUIET:
            chats.fail(f"{method} was called: {asked.get('text', '')}")
        return QUIET.get(method, True)


def _message(chat_id: int, update_id: int) -> dict[str, Any]:
    """Each press is of a message of its own, whose id says which press an edit answers."""
    chat = {"id": chat_id, "type": "private", "first_name": "晓丽"}
    return {"message_id": update_id, "chat": chat, "from": BOT, **SCREEN}


def _sender(chat_id: int) -> dict[str, Any]:
    return {"id": chat_id, "is_bot": False, "first_name": "晓丽", "language_code": "zh-hans"}


def _update(press: Press) -> dict[str, Any]:
    return {
        "update_id": press.update_id,
        "callback_query": {
            "id": str(press.update_id),
            "from": _sender(press.chat_id),
            "chat_instance": "1",
            "data": press.data,
            "message": _message(press.chat_id, press.update_id),
        },
    }

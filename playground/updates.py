"""How a bot hears of what happened: one queue a bot, emptied by long polling or by a webhook."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from playground.errors import ApiError
from playground.model import Bot, Chat
from playground.world import Change, World

MOST_AT_ONCE = 100
KEPT = 100_000
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
DEFAULT_EXCLUDED = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"  # noqa: E501 - Telegram's words
WEBHOOK_ACTIVE = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"  # noqa: E501 - Telegram's words


@dataclass(slots=True)
class Webhook:
    url: str = ""
    secret: str = ""
    last_error: str = ""
    last_error_date: int = 0


@dataclass(eq=False)
class Channel:
    """What one bot has not yet taken."""

    bot: Bot
    waiting: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    allowed: frozenset[str] | None = None
    webhook: Webhook = field(default_factory=Webhook)
    poller: asyncio.Event | None = None
    """Set to send the present long poll home, since another one has come."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1_000_001))
    way: Callable[[dict[str, Any]], Iterable[dict[str, Any]]] = lambda update: (update,)
    """What becomes of an update on its way to the bot: itself, itself twice, nothing for now."""

    def add(self, kind: str, content: Any) -> None:
        if self.allowed is None and kind in DEFAULT_EXCLUDED:
            return
        if self.allowed is not None and kind not in self.allowed:
            return
        self.waiting.extend(self.way({"update_id": next(self.numbers), kind: content}))
        self.arrived.set()

    def confirm(self, offset: int) -> None:
        """Drops what lies before `offset`; a negative one keeps only the last so many."""
        if offset < 0:
            while len(self.waiting) > -offset:
                self.waiting.popleft()
            return
        while self.waiting and self.waiting[0]["update_id"] < offset:
            self.waiting.popleft()


class Updates:
    """All bots' channels. `start` and `stop` frame the pushing to webhooks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._channels: dict[int, Channel] = {}
        self._pushers: dict[int, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._ending = False
        world.subscribe(self._hear)

    def of(self, bot: Bot) -> Channel:
        channel = self._channels.get(bot.id)
        if channel is None:
            channel = self._channels[bot.id] = Channel(bot)
        return channel

    def _hear(self, change: Change, chat: Chat | None, about: Any) -> None:
        if change == "update":
            bot, kind, content = about
            self.of(bot).add(kind, content)

    def inject(self, bot: Bot, update: dict[str, Any]) -> None:
        """Puts an update as it is, with its own update_id: repeated, late or malformed ones."""
        channel = self.of(bot)
        channel.waiting.append(update)
        channel.arrived.set()

    async def poll(
        self, bot: Bot, offset: int, limit: int, seconds: float, allowed: list[str] | None
    ) -> list[dict[str, Any]]:
        """getUpdates. Raises ApiError 409 if a webhook is set or another poll takes over."""
        channel = self.of(bot)
        if channel.webhook.url:
            raise ApiError(409, WEBHOOK_ACTIVE)
        if allowed is not None:
            channel.allowed = frozenset(allowed) or None
        if channel.poller is not None:
            channel.poller.set()
        mine = channel.poller = asyncio.Event()
        try:
            channel.confirm(offset)
            await self._wait(channel, mine, seconds)
            if mine.is_set() and not self._ending:
                raise ApiError(409, CONFLICT)
            return list(itertools.islice(channel.waiting, min(max(limit, 1), MOST_AT_ONCE)))
        finally:
            if channel.poller is mine:
                channel.poller = None

    async def _wait(self, channel: Channel, sent_home: asyncio.Event, seconds: float) -> None:
        if channel.waiting or seconds <= 0 or self._ending:
            return
        channel.arrived.clear()
        waits = [asyncio.create_task(event.wait()) for event in (channel.arrived, sent_home)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def set_webhook(self, bot: Bot, webhook: Webhook, allowed: list[str] | None) -> None:
        channel = self.of(bot)
        channel.webhook = webhook
        if allowed is not None:
            channel.allowed = frozenset(allowed) or None
        pusher = self._pushers.pop(bot.id, None)
        if pusher is not None:
            pusher.cancel()
        if webhook.url:
            self._pushers[bot.id] = asyncio.create_task(self._push(channel))

    async def _push(self, channel: Channel) -> None:
        """Delivers in order, each again until it is accepted, as Telegram does."""
        failures = 0
        while True:
            if not channel.waiting:
                channel.arrived.clear()
                await channel.arrived.wait()
                continue
            if await self._post(channel.webhook, channel.waiting[0]):
                channel.waiting.popleft()
                failures = 0
            else:
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1

    async def _post(self, webhook: Webhook, update: dict[str, Any]) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {SECRET_HEADER: webhook.secret} if webhook.secret else {}
        try:
            async with self._session.post(
                webhook.url, json=update, headers=headers, timeout=aiohttp.ClientTimeout(30)
            ) as response:
                accepted = 200 <= response.status < 300
                error = f"Wrong response from the webhook: {response.status} {response.reason}"
        except (aiohttp.ClientError, TimeoutError) as fault:
            accepted, error = False, f"Connection failed: {type(fault).__name__}"
        if not accepted:
            webhook.last_error = error
            webhook.last_error_date = int(self._world.clock().timestamp())
        return accepted

    async def stop(self) -> None:
        """Sends all long polls home and ends the pushing."""
        self._ending = True
        for channel in self._channels.values():
            if channel.poller is not None:
                channel.poller.set()
        for pusher in self._pushers.values():
            pusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pusher
        if self._session is not None:
            await self._session.close()

"""One bot of the city: how it is spoken to, what comes in by it and what goes out."""

import asyncio
import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from aiohttp import FormData
from telegram import Update
from telegram.error import TelegramError
from telegram.ext import Application, ApplicationBuilder, ExtBot, TypeHandler
from yarl import URL

from bot import health, tracing
from bot.flood import Bounds as FloodBounds
from bot.flood import Flood
from bot.gate import Gate
from bot.heart import Heart
from bot.intake import ALLOWED, Intake
from bot.lanes import ChatLanes
from bot.limiter import Limiter
from bot.menus import Menus
from bot.metrics import Metrics, kind_of
from bot.pace import Schedule
from bot.papers import Fetch
from bot.request import AiohttpRequest
from bot.sanity import RawUpdate
from bot.sender import Bounds, Sender, Wire
from bot.settings import Settings, TelegramSettings
from bot.sharing import Sharing
from handlers.dispatch import Clock, Dispatcher
from handlers.presenting import Presenter
from handlers.turns import Surroundings
from models import Database
from services import bots, processes, telegram_files
from services.accounts import Taker
from services.words import Words
from web.app import webhook_path

log = logging.getLogger(__name__)

REPLIES = 64
"""Connections beside those of the sender."""


class Line:
    """`number` is the city's own of this bot; `fetch` gets what any of the bots was sent."""

    def __init__(
        self,
        number: int,
        token: str,
        *,
        settings: Settings,
        database: Database,
        words: Words,
        clock: Clock,
        fetch: Fetch,
        heart: Heart,
        metrics: Metrics,
    ) -> None:
        telegram = settings.telegram
        self.number = number
        self.token = token
        self.settings = settings
        self.database = database
        self.words = words
        self.clock = clock
        self.username = ""
        self._fetch = fetch
        calls = AiohttpRequest(REPLIES + telegram.concurrency, telegram.answer_seconds)
        self._requests = calls, AiohttpRequest(connections=2)
        self.limiter = build_limiter(telegram)
        self.gate = Gate(database, build_flood(telegram), self._tell_too_fast)
        self.application = build_application(
            telegram, token, self.limiter, self.gate, self._requests
        )
        self.bot: ExtBot[Any] = self.application.bot
        queue = self.application.update_queue
        self.intake = Intake(database, self.bot, queue, clock, self.gate)
        self.sender = Sender(
            database=database,
            wire=build_wire(telegram, token, calls),
            limiter=self.limiter,
            words=words,
            clock=clock,
            bounds=Bounds(telegram.concurrency, telegram.paid_stars_per_day, number),
            may=partial(heart.holds, name=self.lease),
            fetch=fetch,
        )
        self.menus = Menus(self.bot, words, database, number)
        self.sharing = Sharing(database, self.limiter, number)
        self.dispatcher: Dispatcher
        self.metrics = metrics
        self.check = health.telegram(self.bot, *self._requests)
        """Whether Telegram answers, as `bot.health` asks."""
        self._menu_tasks: set[asyncio.Task[None]] = set()
        self._answers: set[asyncio.Task[Any]] = set()
        """That are under way."""
        self.intake.on_receipt = self._received
        self.sender.on_landing = metrics.landed
        for request in self._requests:
            request.after_call(metrics.called)

    @property
    def lease(self) -> str:
        """Under which its sender runs."""
        return processes.sender_of(self.number)

    def listen(self) -> None:
        """To what is committed, here or in other processes."""
        self.database.after_commit(self.sender.notice)
        self.database.after_commit(self._notice_menus)

    def belongs_to(self, process_id: int) -> None:
        """Whatever it takes is taken by this process."""
        self.intake.taker = Taker(self.number, process_id)
        self.sharing.process_id = process_id

    async def prepare(self) -> None:
        """For a process that answers nobody: Telegram is asked only where its name is unknown."""
        for request in self._requests:
            await request.initialize()
        async with self.database.read() as session:
            known = await bots.username_of(session, self.number)
        self.username = known or (await self._introduce())
        self.dispatcher = self._dispatcher()

    async def begin(self) -> None:
        """Answers what is taken from now on. Raises TelegramError if it can't be spoken to."""
        await self.application.initialize()
        await self._introduce()
        self.dispatcher = self._dispatcher()
        self.application.add_handler(TypeHandler(Update, self._answer))
        await self.application.start()

    async def _introduce(self) -> str:
        self.username = (await self.bot.get_me()).username or ""
        async with self.database.write() as session:
            await bots.is_called(session, self.number, self.username)
        return self.username

    def _dispatcher(self) -> Dispatcher:
        public_url = self.settings.web.public_url
        return Dispatcher(
            database=self.database,
            words=self.words,
            policy=self.settings.policy,
            presenter=Presenter(self.bot, self.words, self._at_hand),
            around=Surroundings(self.number, self.username, public_url, self.words),
            clock=self.clock,
            answered=self.intake.answered,
        )

    def _received(self, raw: RawUpdate) -> None:
        self.metrics.received(raw)
        origin = tracing.of_update(raw["update_id"], self.number)
        log.info("update stored", extra={"origin": origin, "kind": kind_of(raw)})

    async def _answer(self, update: Update, _context: object) -> None:
        task: Any = asyncio.current_task()
        origin = tracing.of_update(update.update_id, self.number)
        with tracing.coming_of(origin), self.metrics.handling(update):
            self._answers.add(task)
            try:
                await self.dispatcher.handle(update)
            finally:
                self._answers.discard(task)
                self.intake.left(update.update_id)
            log.info("update handled", extra={"kind": kind_of(update)})

    async def _tell_too_fast(self, raw: RawUpdate) -> None:
        try:
            await self.dispatcher.slow_down(Update.de_json(raw, self.bot))
        except TelegramError as fault:
            log.info("could not say that it was too fast: %s", fault.message)

    async def _at_hand(self, kept: str) -> str | bytes:
        """A file as this bot can send it. Raises TelegramError."""
        bot_id, file_id = telegram_files.read(kept)
        return file_id if bot_id == self.number else await self._fetch(kept)

    async def fetched(self, file_id: str) -> bytes:
        """What this bot was sent. Raises TelegramError."""
        file = await self.bot.get_file(file_id)
        return bytes(await file.download_as_bytearray())

    async def ask_for_webhook(self) -> None:
        """Telegram delivers updates to our pages from now on."""
        await self.bot.set_webhook(
            self.settings.web.public_url + webhook_path(self.number),
            secret_token=self.settings.telegram.webhook_secret.get_secret_value(),
            allowed_updates=list(ALLOWED),
        )

    async def poll(self) -> None:
        """Asks for updates until cancelled."""
        await self.bot.delete_webhook()
        await self.intake.poll()

    async def register_menus(self) -> None:
        """Once for all processes, and until the end of this one nobody else need."""
        try:
            await self.menus.register_all()
        except TelegramError as fault:
            log.warning("command menus not registered: %s", fault.message)

    def _notice_menus(self, info: Mapping[str, Any]) -> None:
        for telegram_id in self.menus.changed(info):
            task = asyncio.create_task(self.menus.register(telegram_id))
            self._menu_tasks.add(task)
            task.add_done_callback(self._menu_tasks.discard)

    async def finish(self) -> None:
        """Answers what has been taken; nothing more may be taken."""
        try:
            if self.application.running:
                await self.application.stop()
            await asyncio.gather(*self._menu_tasks, return_exceptions=True)
        finally:
            await self.intake.note_answered()

    async def break_off(self) -> None:
        """What is still under way is left to whoever takes it over."""
        left = [*self._answers, *self._menu_tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def close(self) -> None:
        """Also after a start that failed half way."""
        await self.application.shutdown()
        await self.bot.shutdown()
        for request in self._requests:
            await request.shutdown()


def build_flood(telegram: TelegramSettings) -> Flood:
    """How much of what people send is looked at."""
    return Flood(
        FloodBounds(
            telegram.chat_updates_per_second,
            telegram.chat_updates_burst,
            telegram.chat_updates_waiting,
            telegram.updates_waiting,
        )
    )


def build_limiter(telegram: TelegramSettings) -> Limiter:
    """One for all that goes out by a token."""
    return Limiter(
        Schedule(
            telegram.messages_per_second,
            telegram.chat_messages_per_second,
            telegram.chat_burst,
            telegram.group_messages_per_minute,
            telegram.paid_messages_per_second,
        )
    )


def build_wire(telegram: TelegramSettings, token: str, request: AiohttpRequest) -> Wire:
    """The sender's way to the Bot API, past the library's objects."""
    address = f"{telegram.api_base_url}/bot{token}/"

    @cache
    def url_of(method: str) -> URL:
        return URL(address + method)

    async def call(method: str, body: bytes | FormData) -> Any:
        return await request.call(url_of(method), body)

    return call


def build_application(
    telegram: TelegramSettings,
    token: str,
    limiter: Limiter,
    gate: Gate,
    requests: tuple[AiohttpRequest, AiohttpRequest],
) -> Application[Any, Any, Any, Any, Any, Any]:
    """python-telegram-bot's application: our requests, limiter and order of updates."""
    bot: ExtBot[Any] = ExtBot(
        token,
        base_url=f"{telegram.api_base_url}/bot",
        base_file_url=f"{telegram.api_base_url}/file/bot",
        request=requests[0],
        get_updates_request=requests[1],
        rate_limiter=limiter,
    )
    return (
        ApplicationBuilder()
        .bot(bot)
        .updater(None)
        .job_queue(None)
        .concurrent_updates(ChatLanes(gate.is_urgent))
        .build()
    )

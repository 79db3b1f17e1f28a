"""Muster running: intake, handlers, sender, scheduler and pages around one database."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aiohttp import FormData, web
from sqlalchemy.ext.asyncio import AsyncSession
from telegram import Update
from telegram.error import TelegramError
from telegram.ext import Application, ApplicationBuilder, ExtBot, TypeHandler
from yarl import URL

import handlers.topics  # noqa: F401 - registers every command, button and link
from bot.channels import OtherChannels
from bot.fetching import Fetching
from bot.flood import Bounds as FloodBounds
from bot.flood import Flood
from bot.gate import Gate, RawUpdate
from bot.intake import ALLOWED, Intake
from bot.lanes import ChatLanes
from bot.limiter import Limiter
from bot.menus import Menus
from bot.pace import Schedule
from bot.request import AiohttpRequest
from bot.scheduler import Scheduler
from bot.sender import Bounds, Sender, Wire
from bot.settings import Mode, Settings, TelegramSettings
from bot.webhooks import Webhooks
from handlers.dispatch import Clock, Dispatcher
from handlers.presenting import Presenter
from handlers.routes import is_on_page
from handlers.turns import Surroundings
from models import Database
from services import accounts, mini_app
from services.errors import Gone
from services.words import Words
from web.app import WEBHOOK_PATH, add_webhook, make_app
from web.keys import (
    ACT,
    BOT_USERNAME,
    CLOCK,
    DATABASE,
    MINI_APP_KEY,
    ON_PAGE,
    PICTURE,
    POLICY,
    PRIVATE_WEBHOOKS,
    PUBLIC_URL,
    WORDS,
)
from web.limits import LIMITS, Limits
from web.live import COMMITS, Commits
from web.pages import ROUTES

log = logging.getLogger(__name__)

FINISHING = ("sender", "other channels", "webhooks")
"""Engines that end by themselves once what is under way has been recorded."""
REPLIES = 64
"""Connections beside those of the sender."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Program:
    """`start` returns once everything runs; `stop` finishes what is under way."""

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.words = Words(settings.policy)
        self.database = Database(settings.database.url)
        telegram = settings.telegram
        calls = AiohttpRequest(REPLIES + telegram.concurrency, telegram.answer_seconds)
        self._requests = calls, AiohttpRequest(connections=2)
        self.limiter = build_limiter(telegram)
        self.gate = Gate(self.database, build_flood(telegram), self._tell_too_fast)
        self.application = build_application(telegram, self.limiter, self.gate, *self._requests)
        self.bot: ExtBot[Any] = self.application.bot
        queue = self.application.update_queue
        self.intake = Intake(self.database, self.bot, queue, clock, self.gate)
        self.sender = Sender(
            database=self.database,
            wire=build_wire(telegram, calls),
            limiter=self.limiter,
            words=self.words,
            clock=clock,
            bounds=Bounds(telegram.concurrency, telegram.paid_stars_per_day),
        )
        self.scheduler = Scheduler(self.database, settings.policy, clock)
        self.other_channels = OtherChannels(
            database=self.database,
            words=self.words,
            settings=settings.channels,
            public_url=settings.web.public_url,
            policy=settings.policy,
            clock=clock,
        )
        self.webhooks = Webhooks(
            database=self.database,
            policy=settings.policy,
            clock=clock,
            private=settings.exchange.private_webhooks,
        )
        self.fetching = Fetching(self.database, settings.policy, clock, self._fetched)
        self.menus = Menus(self.bot, self.words, self.database)
        self.database.after_commit(self.sender.notice)
        self.database.after_commit(self.other_channels.notice)
        self.database.after_commit(self.webhooks.notice)
        self.database.after_commit(self.fetching.notice)
        self.database.after_commit(self._notice_menus)
        self.commits = Commits()
        self.database.after_commit(self.commits.notice)
        self._tasks: list[asyncio.Task[None]] = []
        self._menu_tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._dispatcher: Dispatcher
        self.web_port = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises what one of the engines died of."""

    async def start(self) -> None:
        """Raises TelegramError if Telegram can't be spoken to, OSError if the port is taken."""
        await self.application.initialize()
        self._dispatcher = dispatcher = Dispatcher(
            database=self.database,
            words=self.words,
            policy=self.settings.policy,
            presenter=Presenter(self.bot, self.words),
            around=Surroundings(self.bot.username, self.settings.web.public_url, self.words),
            clock=self.clock,
            answered=self.intake.answered,
        )
        self.application.add_handler(TypeHandler(Update, self._answering(dispatcher)))
        await self.application.start()
        await self._serve(dispatcher)
        await self._recover(dispatcher)
        self._run(self.gate.keep_looking(), "gate")
        self._run(self.intake.keep_noting(), "noting")
        self._run(self.sender.run(), "sender")
        if self.settings.channels.urls:
            self._run(self.other_channels.run(), "other channels")
        await self.webhooks.recover()
        self._run(self.webhooks.run(), "webhooks")
        self._run(self.fetching.run(), "fetching")
        self._run(self._register_menus(), "menus")
        await self._listen()
        self.scheduler.start()
        log.info("running as @%s", self.bot.username)

    async def stop(self) -> None:
        """Also after a start that failed half way."""
        await self.scheduler.stop()
        for task in self._tasks:
            if task.get_name() not in FINISHING:
                task.cancel()
        if self.application.running:
            await self.application.stop()
        self.sender.stop()
        self.other_channels.stop()
        self.webhooks.stop()
        await asyncio.gather(*self._tasks, *self._menu_tasks, return_exceptions=True)
        await self.intake.note_answered()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.application.shutdown()
        await self.bot.shutdown()
        for request in self._requests:
            await request.shutdown()
        await self.database.close()

    def _answering(self, dispatcher: Dispatcher) -> Any:
        async def answer(update: Update, _context: object) -> None:
            try:
                await dispatcher.handle(update)
            finally:
                self.intake.left(update.update_id)

        return answer

    def _run(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or self.failed.done():
            return
        fault = task.exception()
        if fault is not None:
            self.failed.set_exception(fault)

    async def _tell_too_fast(self, raw: RawUpdate) -> None:
        try:
            await self._dispatcher.slow_down(Update.de_json(raw, self.bot))
        except TelegramError as fault:
            log.info("could not say that it was too fast: %s", fault.message)

    async def _recover(self, dispatcher: Dispatcher) -> None:
        """Answers what a crash left unanswered."""
        async with self.database.read() as session:
            left = await accounts.unanswered(session)
        for chat_id in dict.fromkeys(left.half_done.values()):
            try:
                await dispatcher.pick_up_again(chat_id)
            except TelegramError as fault:
                log.info("could not pick up again: %s", fault.message)
        for update_id in left.half_done:
            self.intake.note(update_id)
        await self.intake.replay(left.waiting)

    async def _listen(self) -> None:
        telegram = self.settings.telegram
        if telegram.mode is Mode.POLLING:
            await self.bot.delete_webhook()
            self._run(self.intake.poll(), "polling")
            return
        await self.bot.set_webhook(
            self.settings.web.public_url + WEBHOOK_PATH,
            secret_token=telegram.webhook_secret.get_secret_value(),
            allowed_updates=list(ALLOWED),
        )

    async def _serve(self, dispatcher: Dispatcher) -> None:
        app = make_app(ROUTES)
        app[DATABASE] = self.database
        app[WORDS] = self.words
        app[POLICY] = self.settings.policy
        app[CLOCK] = self.clock
        app[ACT] = dispatcher.act
        app[ON_PAGE] = is_on_page
        app[LIMITS] = Limits()
        app[COMMITS] = self.commits
        app[BOT_USERNAME] = self.bot.username
        app[PRIVATE_WEBHOOKS] = self.settings.exchange.private_webhooks
        app[PUBLIC_URL] = self.settings.web.public_url
        app[PICTURE] = self._picture
        app[MINI_APP_KEY] = mini_app.key_of(self.settings.telegram.token.get_secret_value())
        if self.settings.telegram.mode is Mode.WEBHOOK:
            secret = self.settings.telegram.webhook_secret.get_secret_value()
            add_webhook(app, secret, self.intake.take)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.web.host, self.settings.web.port)
        await site.start()
        self.web_port = self._runner.addresses[0][1]

    async def _picture(self, file_id: str) -> bytes:
        """Raises Gone where Telegram has it no more, or not now."""
        try:
            return await self._fetched(file_id)
        except TelegramError as fault:
            log.info("picture not fetched: %s", fault.message)
            raise Gone from None

    async def _fetched(self, file_id: str) -> bytes:
        """Raises TelegramError."""
        file = await self.bot.get_file(file_id)
        return bytes(await file.download_as_bytearray())

    async def _register_menus(self) -> None:
        try:
            await self.menus.register_all()
        except TelegramError as fault:
            log.warning("command menus not registered: %s", fault.message)

    def _notice_menus(self, session: AsyncSession) -> None:
        for telegram_id in self.menus.changed(session):
            task = asyncio.create_task(self.menus.register(telegram_id))
            self._menu_tasks.add(task)
            task.add_done_callback(self._menu_tasks.discard)


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
    """One for all that goes out by this token."""
    return Limiter(
        Schedule(
            telegram.messages_per_second,
            telegram.chat_messages_per_second,
            telegram.chat_burst,
            telegram.group_messages_per_minute,
            telegram.paid_messages_per_second,
        )
    )


def build_wire(telegram: TelegramSettings, request: AiohttpRequest) -> Wire:
    """The sender's way to the Bot API, past the library's objects."""
    address = f"{telegram.api_base_url}/bot{telegram.token.get_secret_value()}/"

    @cache
    def url_of(method: str) -> URL:
        return URL(address + method)

    async def call(method: str, body: bytes | FormData) -> Any:
        return await request.call(url_of(method), body)

    return call


def build_application(
    telegram: TelegramSettings,
    limiter: Limiter,
    gate: Gate,
    request: AiohttpRequest,
    get_updates_request: AiohttpRequest,
) -> Application[Any, Any, Any, Any, Any, Any]:
    """python-telegram-bot's application: our request, limiter and order of updates."""
    bot: ExtBot[Any] = ExtBot(
        telegram.token.get_secret_value(),
        base_url=f"{telegram.api_base_url}/bot",
        base_file_url=f"{telegram.api_base_url}/file/bot",
        request=request,
        get_updates_request=get_updates_request,
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

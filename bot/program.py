"""Muster running: what a process does by its roles, around one database."""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from aiohttp import web
from telegram.error import TelegramError

import handlers.topics  # noqa: F401 - registers every command, button and link
from bot import health, tracing
from bot.channels import OtherChannels
from bot.fetching import Fetching
from bot.health import Health, LoopLag
from bot.heart import Heart, Loop, Rhythm
from bot.line import Line
from bot.metrics import Metrics
from bot.reporting import Reporter
from bot.scheduler import Scheduler
from bot.settings import Mode, ProcessRole, Settings, bot_number
from bot.sharing import EVERY
from bot.signals import Signals
from bot.webhooks import Webhooks
from handlers.dispatch import Clock
from handlers.routes import is_on_page
from models import Database
from models.database import is_outage
from services import bots, delivery, enclosures, events, mini_app, processes, telegram_files
from services.error_reports import Readers
from services.errors import Gone
from services.words import Words
from web.app import add_webhook, make_app
from web.keys import (
    ACT,
    BOT_USERNAME,
    CLOCK,
    DATABASE,
    MINI_APP_KEYS,
    ON_PAGE,
    PICTURE,
    POLICY,
    PRIVATE_WEBHOOKS,
    PUBLIC_URL,
    STOPPING,
    WORDS,
)
from web.limits import LIMITS, PROXIES, Limits
from web.live import COMMITS, Commits
from web.operation import FIGURES, HEALTH, METRICS_TOKEN
from web.pages import RESOURCES

log = logging.getLogger(__name__)

DATABASE_PATIENCE = 20.0
"""Seconds that an answer of the database is waited for."""
DRAIN_SECONDS = 5.0
"""In which a process that is told to end finishes what is under way; the rest is left to others."""
NOTES_SECONDS = 1.5
"""Besides, to tell them so."""
PAGES_FINISH_WITHIN = 1.0
"""Seconds, besides."""
SIGNALS = (delivery.POSTED, events.NOTED, enclosures.NOTED)
"""What other processes are told of."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Program:
    """`start` returns once everything runs; `stop` finishes what is under way."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock = utc_now,
        roles: Collection[ProcessRole] = (ProcessRole.ALL,),
        rhythm: Rhythm | None = None,
        host: str | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.roles = frozenset(roles)
        self.words = Words(settings.policy)
        self.database = Database(settings.database.url, DATABASE_PATIENCE)
        self.heart = Heart(
            self.database,
            roles=sorted(self.roles),
            clock=clock,
            ended=self._ended,
            rhythm=rhythm,
            host=host,
        )
        self.signals = Signals(self.database, SIGNALS)
        self.lines: list[Line] = []
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
        role = "+".join(sorted(self.roles))
        self.metrics = Metrics(self.database, clock, role=role)
        self.health = Health()
        self.reporter = Reporter(
            database=self.database,
            words=self.words,
            policy=settings.policy,
            clock=clock,
            readers=Readers(settings.operators.chat_ids, settings.operators.language),
            say=self._say,
            role=role,
        )
        self.loop_lag = LoopLag(self.metrics.loop_lag.set)
        self.limits = Limits()
        self.commits = Commits()
        self._tasks: list[asyncio.Task[None]] = []
        self._app: web.Application | None = None
        self._runner: web.AppRunner | None = None
        self.web_port = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises what one of the engines died of."""

    def does(self, role: ProcessRole) -> bool:
        return role in self.roles or ProcessRole.ALL in self.roles

    @property
    def line(self) -> Line:
        """The first bot's."""
        return self.lines[0]

    # Starting

    async def start(self) -> None:
        """Raises TelegramError if Telegram can't be spoken to, OSError if the port is taken."""
        logging.getLogger().addHandler(self.reporter)
        self._run(self.reporter.run(), "reports of errors")
        await self.heart.start()
        self.signals.process_id = self.heart.process_id
        await self._draw_lines()
        self._listen_to_commits()
        self._measure()
        self._name_checks()
        for line in self.lines:
            await (line.begin() if self.does(ProcessRole.BOT) else line.prepare())
        self._join_engines()
        await self._serve()
        if self.does(ProcessRole.BOT):
            await self._take_updates()
        await self.heart.beat()
        self._run(self.heart.run(), "heart")
        self._run(self.loop_lag.run(), "loop lag")
        self._run(self._share(), "sharing")
        if not self.database.is_sqlite:
            self._run(self.signals.run(), "signals")
        log.info("running as %s", ", ".join(f"@{line.username}" for line in self.lines))

    async def _draw_lines(self) -> None:
        tokens = self.settings.telegram.tokens
        async with self.database.write() as session:
            numbers = await bots.number(session, [bot_number(token) or 0 for token in tokens])
        for number, token in zip(numbers, tokens, strict=True):
            line = Line(
                number,
                token,
                settings=self.settings,
                database=self.database,
                words=self.words,
                clock=self.clock,
                fetch=self._fetched,
                heart=self.heart,
                metrics=self.metrics,
            )
            line.belongs_to(self.heart.process_id)
            self.lines.append(line)

    def _listen_to_commits(self) -> None:
        self.database.inform(tracing.about)
        for line in self.lines:
            line.listen()
        for listener in (
            tracing.note,
            self.other_channels.notice,
            self.webhooks.notice,
            self.fetching.notice,
            self.commits.notice,
            self.signals.notice,
        ):
            self.database.after_commit(listener)

    def _measure(self) -> None:
        """Whatever there is to count is counted; of a bot its line does."""
        self.database.after_transaction(self.metrics.transaction)
        self.scheduler.on_run = self.metrics.swept
        self.other_channels.on_sending = self.metrics.sent_elsewhere
        self.webhooks.on_attempt = self.metrics.carried
        self.reporter.on_error = self.metrics.errors.inc
        lines = self.lines
        self.metrics.deliveries_in_flight.set_function(
            lambda: sum(line.sender.in_flight for line in lines)
        )
        self.metrics.pace.set_function(lambda: sum(line.limiter.rate() for line in lines))
        self.heart.on_change = self.metrics.holds

    def _name_checks(self) -> None:
        self.health.lives_by("engines", health.engines(lambda: [*self._tasks, *self.heart.tasks]))
        self.health.needs("database", health.database(self.database))
        self.health.needs("keys", health.keys)
        self.health.needs("loop", self.loop_lag.check)
        self.health.needs("disk", health.disk(self.settings, self.database))
        if self.does(ProcessRole.BOT) or self.does(ProcessRole.SENDER):
            for line in self.lines:
                self.health.needs(f"telegram {line.number}", line.check)

    async def _say(self, chat_id: int, text: str) -> object:
        """Straight to a chat, for what can't wait for the outbox."""
        return await self.line.bot.send_message(chat_id, text, parse_mode="HTML")

    def _join_engines(self) -> None:
        """What only one process does at a time."""
        if self.does(ProcessRole.SENDER):
            for line in self.lines:
                self.heart.join(line.lease, line.sender)
            if self.settings.channels.urls:
                self.heart.join("channels", self.other_channels)
            self.heart.join("webhooks", self.webhooks)
            self.heart.join("fetching", self.fetching)
        if self.does(ProcessRole.SCHEDULER):
            self.heart.join(processes.SCHEDULER, self.scheduler)
        if self.does(ProcessRole.BOT):
            for line in self.lines:
                self.heart.join(f"menus:{line.number}", Loop(line.register_menus))
                if self.settings.telegram.mode is Mode.POLLING:
                    self.heart.join(f"polling:{line.number}", Loop(line.poll))

    async def _take_updates(self) -> None:
        for line in self.lines:
            await line.intake.recover(line.dispatcher.pick_up_again)
            self._run(line.gate.keep_looking(), f"gate:{line.number}")
            self._run(line.intake.keep_noting(), f"noting:{line.number}")
            self._run(
                line.intake.look_after(line.dispatcher.pick_up_again), f"looking:{line.number}"
            )
            if self.settings.telegram.mode is Mode.WEBHOOK:
                await line.ask_for_webhook()

    async def _share(self) -> None:
        """Until cancelled: several processes share the rates of bots and of pages."""
        while True:
            await asyncio.sleep(EVERY)
            living = self.heart.living
            serving = living[ProcessRole.WEB] + living[ProcessRole.ALL]
            self.limits.sharers = max(serving, 1)
            for line in self.lines:
                try:
                    await line.sharing.turn(
                        alone=self.heart.alone,
                        sends=line.lease in self.heart.held,
                        answers=self.does(ProcessRole.BOT),
                    )
                except Exception as fault:
                    if not is_outage(fault):
                        log.exception("shares not settled")

    def _run(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or self.failed.done():
            return
        fault = task.exception()
        if fault is not None:
            log.error("engine died", exc_info=fault, extra={"engine": task.get_name()})
            self.failed.set_exception(fault)

    # Stopping

    async def stop(self) -> None:
        """Takes nothing more, finishes what is under way, and leaves the rest to others.

        Also after a start that failed half way.
        """
        until = monotonic() + DRAIN_SECONDS
        self.health.drain()
        if self._app is not None:
            self._app[STOPPING].set()
        await asyncio.gather(
            self._within(until, self.heart.leave_all(), "deliveries or sweeps"),
            *(self._within(until, line.finish(), "answers") for line in self.lines),
        )
        for line in self.lines:
            await line.break_off()
        until = monotonic() + NOTES_SECONDS
        await self._within(until, self.heart.stop(), "leases")
        await self._within(until, self.reporter.turn(), "reports of errors")
        logging.getLogger().removeHandler(self.reporter)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        for line in self.lines:
            await line.close()
        await self.database.close()

    async def _within(self, until: float, ending: Coroutine[Any, Any, None], what: str) -> None:
        try:
            async with asyncio.timeout(max(until - monotonic(), 0.1)):
                await ending
        except TimeoutError:
            log.warning("%s were still under way at the end; they are made up for", what)
        except Exception as fault:
            if not is_outage(fault):
                raise
            log.warning("%s could not be written down: %s", what, type(fault).__name__)

    # Pages

    async def _serve(self) -> None:
        app = self._app = make_app(RESOURCES if self.does(ProcessRole.WEB) else ())
        app[DATABASE] = self.database
        app[WORDS] = self.words
        app[POLICY] = self.settings.policy
        app[CLOCK] = self.clock
        app[ACT] = self.line.dispatcher.act
        app[ON_PAGE] = is_on_page
        app[LIMITS] = self.limits
        app[PROXIES] = self.settings.web.proxies
        app[COMMITS] = self.commits
        app[BOT_USERNAME] = self.line.username
        app[PRIVATE_WEBHOOKS] = self.settings.exchange.private_webhooks
        app[PUBLIC_URL] = self.settings.web.public_url
        app[HEALTH] = self.health
        app[FIGURES] = self.metrics.read
        app[METRICS_TOKEN] = self.settings.web.metrics_token.get_secret_value()
        app.middlewares.append(self.metrics.page)
        app[PICTURE] = self._picture
        app[MINI_APP_KEYS] = [mini_app.key_of(line.token) for line in self.lines]
        if self.does(ProcessRole.BOT) and self.settings.telegram.mode is Mode.WEBHOOK:
            secret = self.settings.telegram.webhook_secret.get_secret_value()
            for line in self.lines:
                add_webhook(app, line.number, secret, line.intake.take)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=PAGES_FINISH_WITHIN,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.web.host, self.settings.web.port)
        await site.start()
        self.web_port = self._runner.addresses[0][1]

    async def _picture(self, kept: str) -> bytes:
        """Raises Gone where Telegram has it no more, or not now."""
        try:
            return await self._fetched(kept)
        except TelegramError as fault:
            log.info("picture not fetched: %s", fault.message)
            raise Gone from None

    async def _fetched(self, kept: str) -> bytes:
        """A file by the bot that was sent it. Raises TelegramError."""
        number, file_id = telegram_files.read(kept)
        for line in self.lines:
            if line.number == number:
                return await line.fetched(file_id)
        raise TelegramError(f"bot {number} has no token any more")

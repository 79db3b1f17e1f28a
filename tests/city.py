"""A city at work for end-to-end tests: the whole program against a playground, over HTTP."""

import asyncio
import itertools
import os
import socket
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from bot.program import Program
from bot.scheduler import SWEEPS, Sweep
from bot.settings import (
    ChannelSettings,
    DatabaseSettings,
    ExchangeSettings,
    Mode,
    OperatorSettings,
    SecuritySettings,
    Settings,
    TelegramSettings,
    WebSettings,
)
from models import Account, Database, Person, RoleKind
from playground import Phone, Playground
from playground.model import Bot, CallbackAnswer, Message
from services.policy import Policy
from tests.making import Making
from tests.times import ManualClock

TOKEN = "100200:TEST-token-of-the-playground"
USERNAME = "muster_test_bot"
FAST = 1_000_000.0
SETTLING = timedelta(seconds=10)
"""Sweeps that are woken more often run whenever a test settles, though its clock stands still."""


_ports = itertools.cycle(range(15_000 + os.getpid() % 16 * 1000, 16_000 + os.getpid() % 16 * 1000))
"""Below those from which connections are made: one of these would take a port in between."""


def free_port() -> int:
    """Of this computer; the address of the pages must be known before they are served."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")


class City:
    """`telegram` is the playground, `program` the bot; time stands still but for `clock`."""

    def __init__(
        self,
        database_url: str,
        clock: ManualClock,
        mode: Mode = Mode.POLLING,
        *,
        page: bool = False,
    ) -> None:
        self.database_url = database_url
        self.clock = clock
        self.mode = mode
        self.policy = Policy()
        self.telegram_settings: dict[str, Any] = {}
        """What differs from the usual; counts from the next start of the bot."""
        self.web_settings: dict[str, Any] = {}
        """The same of [web]."""
        self.operators = OperatorSettings()
        self.channels = ChannelSettings()
        self.exchange = ExchangeSettings()
        self.drives_webhooks = True
        """Whether events are carried to other programs by the test, and not by their engine."""
        self.drives_channels = True
        """Whether other channels are worked off by the test, and not by their engine."""
        self.web_port = free_port()
        self.telegram = Playground(clock=clock, page=page)
        self._started_at: datetime
        self._ran: dict[Sweep, datetime]
        """When each sweep was last run."""
        self.program: Program
        self.bot: Bot
        self.making: Making

    async def start(self) -> None:
        await self.telegram.start()
        self.bot = self.telegram.add_bot(TOKEN, USERNAME, "集结")
        await self.start_bot()

    async def start_bot(self) -> None:
        self._started_at = self.clock()
        self._ran = {}
        self.program = Program(self.settings(), self.clock)
        self.making = Making(self.program.database, self.clock)
        await self.program.start()
        driven = ["scheduler"]  # time passes only by the tests' own clock
        if self.drives_webhooks:
            driven.append("webhooks")
        if self.drives_channels:
            driven.append("channels")
        await self.program.heart.leave(*driven)

    def settings(self) -> Settings:
        return Settings(
            telegram=TelegramSettings.model_validate(
                {
                    "token": TOKEN,
                    "api_base_url": self.telegram.url,
                    "mode": self.mode,
                    "webhook_secret": "secret-of-the-tests",
                    "messages_per_second": 1000,
                    "chat_messages_per_second": FAST,
                    "group_messages_per_minute": FAST,
                    "chat_updates_per_second": FAST,
                }
                | self.telegram_settings
            ),
            database=DatabaseSettings(url=self.database_url),
            security=SecuritySettings(),
            web=WebSettings(
                port=self.web_port,
                public_url=f"http://127.0.0.1:{self.web_port}",
                **self.web_settings,
            ),
            channels=self.channels,
            operators=self.operators,
            exchange=self.exchange,
            policy=self.policy,
        )

    async def start_again(self, **telegram: Any) -> None:
        """Stops the bot in good order and starts it with other settings of [telegram]."""
        await self.program.stop()
        self.telegram_settings = telegram
        await self.start_bot()

    async def stop(self) -> None:
        await self.program.stop()
        await self.telegram.stop()

    @property
    def database(self) -> Database:
        return self.program.database

    # People

    def stranger(
        self, name: str = "陈晓丽", *, language_code: str = "zh-hans", **more: object
    ) -> Phone:
        """Somebody's phone that has never spoken to the bot. Chinese names: family name first."""
        family, given = (name[0], name[1:]) if not name.isascii() else ("", name)
        return self.telegram.add_person(given, family, language_code=language_code, **more).use(
            self.bot
        )

    async def volunteer(
        self, name: str = "陈晓丽", *, language: str = "zh_Hans", **more: object
    ) -> Phone:
        """The phone of a registered volunteer, who has pressed Start."""
        phone = self.stranger(name, language_code="zh-hans" if language == "zh_Hans" else "en")
        await self.making.volunteer(
            name,
            telegram_id=phone.id,
            language=language,
            **more,  # type: ignore[arg-type]
        )
        phone.chat.started = True
        return phone

    async def coordinator(
        self,
        name: str = "王强",
        *,
        language: str = "zh_Hans",
        role: RoleKind = RoleKind.COORDINATOR,
        **more: object,
    ) -> Phone:
        phone = self.stranger(name, language_code="zh-hans" if language == "zh_Hans" else "en")
        await self.making.coordinator(
            name,
            telegram_id=phone.id,
            language=language,
            role=role,
            **more,  # type: ignore[arg-type]
        )
        phone.chat.started = True
        return phone

    async def person(self, phone: Phone) -> Person:
        """The row of somebody with a phone."""
        async with self.database.read() as session:
            found = await session.scalars(
                select(Person)
                .join(Account, Account.person_id == Person.id)
                .where(Account.telegram_id == phone.id)
            )
            return found.one()

    # Time

    async def settle(self) -> None:
        """Runs the sweeps whose time has come, then waits until all is answered and sent."""
        await self.answered()
        await self.program.scheduler.run_all([sweep for sweep in SWEEPS if self._is_due(sweep)])
        await self.sent()

    async def catch_up(self) -> None:
        """Settles with all sweeps, whenever they would be woken."""
        await self.answered()
        await self.program.scheduler.run_all()
        await self.sent()

    def _is_due(self, sweep: Sweep) -> bool:
        """As if the program had been woken since its start, at last a while after now."""
        now = self.clock()
        since = now - self._ran.get(sweep, self._started_at)
        if timedelta() <= since < timedelta(seconds=sweep.seconds) - SETTLING:
            return False
        self._ran[sweep] = now
        return True

    async def answered(self) -> None:
        """Waits until every update has been taken and answered."""
        intake = self.program.line.intake
        while True:
            intake.moved.clear()
            waiting = self.telegram.updates.of(self.bot).waiting
            taken = not waiting or waiting[-1]["update_id"] <= intake.newest
            if taken and not intake.under_way:
                return
            await intake.moved.wait()

    async def sent(self) -> None:
        """Waits until nothing that is due is left to be sent. Raises what the program died of."""
        sender = self.program.line.sender
        sender.wake()
        idle = asyncio.create_task(sender.idle.wait())
        await asyncio.wait({idle, self.program.failed}, return_when=asyncio.FIRST_COMPLETED)
        if not idle.done():
            idle.cancel()
            self.program.failed.result()

    async def forward(self, **duration: float) -> None:
        """Time passes: `forward(hours=2)`; then what has become due happens."""
        self.clock.forward(**duration)
        await self.settle()

    async def go_to(self, local: str) -> None:
        self.clock.go_to(local)
        await self.settle()


__all__ = ["CallbackAnswer", "City", "Message", "Phone"]

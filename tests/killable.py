"""The bot as a process of its own beside a playground, which can be killed outright."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from models import Database
from models.sealed import keyring
from playground import Phone, Playground
from tests.city import TOKEN, USERNAME
from tests.commands import Command, Muster


class Killable:
    """`start` begins the program on its database, `kill` ends it by SIGKILL."""

    def __init__(self, url: str, folder: Path) -> None:
        self.telegram = Playground()
        self.database = Database(url)
        self.muster = Muster(url, folder, TELEGRAM__TOKEN=TOKEN)
        self.running: Command | None = None

    async def prepare(self) -> None:
        await self.telegram.start()
        self.muster.variables["TELEGRAM__API_BASE_URL"] = self.telegram.url
        self.bot = self.telegram.add_bot(TOKEN, USERNAME, "集结")
        keyring().write(self.muster.key_file)

    def person(self, name: str, *, started: bool = False) -> Phone:
        """Somebody's phone; Chinese names, family name first."""
        phone = self.telegram.add_person(name[1:], name[0], language_code="zh-hans").use(self.bot)
        phone.chat.started = started
        return phone

    def start(self) -> None:
        self.running = self.muster.begin("run")

    async def kill(self) -> None:
        if self.running is not None:
            self.running.stop(signal.SIGKILL)
            await self.running.ended()
            self.running = None

    async def again(self) -> None:
        await self.kill()
        self.start()

    async def stop(self) -> None:
        await self.kill()
        await self.database.close()
        await self.telegram.stop()


@asynccontextmanager
async def killed_outright(url: str, folder: Path) -> AsyncIterator[Killable]:
    made = Killable(url, folder)
    try:
        await made.prepare()
        yield made
    finally:
        await made.stop()

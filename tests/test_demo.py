"""`muster demo`: one command, one address, a crowd at work; Ctrl-C, and nothing is left."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import func, select

from bot.demo import FILES, populate
from models import Enrolment, Person
from playground.crowd import Crowd, Script
from playground.model import Chat, Message
from tests.city import City

LIMIT = 90
"""Seconds in which it must be up; far more than it takes, since other tests run beside."""
CROWD, WITH_ROLES = 6, 2


class Demo:
    """The demonstration as a process of its own, in a folder for its temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: Process
        self.address = ""

    async def start(self, *options: str) -> None:
        given = {name: value for name, value in os.environ.items() if name[:7] != "MUSTER_"}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.cli", "demo", *options,
            cwd=self.folder, env={**given, "TMPDIR": str(self.folder)}, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        async with asyncio.timeout(LIMIT):
            self.address = await self._find_address()

    async def _find_address(self) -> str:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            found = re.search(r"http://\S+", line.decode())
            if found:
                return found.group()
        raise AssertionError("the demonstration names no address")

    async def end(self) -> tuple[str, str]:
        """Ctrl-C; what it still said, and what it complained of."""
        self.process.send_signal(signal.SIGINT)
        out, err = await self.process.communicate()
        return out.decode(), err.decode()

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in path.read_text().split()]


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    made = Demo(tmp_path)
    yield made
    if made.process.returncode is None:
        await made.end()


async def test_one_command_shows_the_phones_and_ctrl_c_leaves_nothing(demo: Demo) -> None:
    await demo.start("--crowd", "2")
    (playground,) = demo.children()
    async with aiohttp.ClientSession(demo.address) as session:
        async with session.get("/") as page:
            assert page.status == 200
            assert "<html" in await page.text()
        async with session.get("/api/phones") as phones:
            roles = [person["role"] for person in await phones.json()]
        assert roles[:3] == ["volunteer", "coordinator", "commander"]
        assert await first_answer(session)
    _, complaints = await demo.end()
    assert (demo.process.returncode, complaints) == (0, "")
    assert not Path(f"/proc/{playground}").exists()
    assert list(demo.folder.iterdir()) == []


async def test_a_port_that_is_taken_is_said_and_nothing_is_left(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(AssertionError, match="no address"):
            await demo.start("--port", str(taken.getsockname()[1]))
        _, complaints = await demo.process.communicate()
    assert demo.process.returncode == 1
    assert b"in use" in complaints
    assert b"Traceback" not in complaints
    assert list(demo.folder.iterdir()) == []


async def first_answer(session: aiohttp.ClientSession) -> bool:
    """Whether the bot answers one of the crowd; read from what the page is told."""
    async with asyncio.timeout(60), session.get("/api/events") as events:
        async for line in events.content:
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                if event.get("message", {}).get("from", {}).get("is_bot"):
                    return True
    return False


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_crowd_signs_up_and_enrols(city: City) -> None:
    """The rules of the crowd know every screen that the bot shows them; nobody dawdles here."""
    await populate(city.program)
    script = Script.read(FILES / "crowd.toml")
    eager = [replace(rule, chance=1.0) for rule in script.rules]
    script = replace(script, rules=eager, patience=(0.2, 0.3), arrival=(0.0, 0.1))
    crowd = Crowd(city.telegram.world, script, CROWD)
    watcher = city.stranger()
    shown = witness(city, "注册志愿者了", "报名成功", "签到成功")
    crowd.start()
    try:
        await watcher.wait_until(lambda: len(shown["注册志愿者了"]) == CROWD, limit=60)
        await watcher.wait_until(lambda: shown["报名成功"], limit=60)
        await watcher.wait_until(lambda: shown["签到成功"], limit=60)
    finally:
        crowd.stop()
    await city.answered()
    async with city.database.read() as session:
        registered = await session.scalar(
            select(func.count()).where(Person.registered_at.is_not(None), Person.name != "")
        )
        enrolled = await session.scalar(select(func.count()).select_from(Enrolment))
    assert registered == CROWD + WITH_ROLES
    assert enrolled


def witness(city: City, *texts: str) -> dict[str, set[int]]:
    """For each text the chats in which the bot has shown it; screens are edited, so it may pass."""
    shown: dict[str, set[int]] = {text: set() for text in texts}

    def look(_change: str, chat: Chat | None, about: object) -> None:
        if chat is not None and isinstance(about, Message) and about.from_bot:
            for text in texts:
                if text in about.words:
                    shown[text].add(chat.id)

    city.telegram.world.subscribe(look)
    return shown

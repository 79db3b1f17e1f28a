"""Who is known to be gone without waiting for their silence: processes of the same machine."""

import asyncio
import os
import subprocess
import sys

from sqlalchemy import text

from bot.heart import Heart, Rhythm, is_running
from models import Database
from services import processes
from tests.databases import ON_POSTGRESQL, ON_SQLITE, done_or_held_up
from tests.times import ManualClock

PATIENT = Rhythm(looks_every=60, speaks_every=0, lives=3600)


class Idle:
    """An engine that waits for its end."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    async def run(self) -> None:
        await self._over.wait()

    def stop(self) -> None:
        self._over.set()


def ended() -> "subprocess.Popen[bytes]":
    """A process that is over, though nobody has asked what became of it."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child


def test_a_process_that_is_over_does_not_run() -> None:
    child = ended()
    assert is_running(os.getpid())
    assert not is_running(child.pid)
    child.wait()
    assert not is_running(child.pid)


@ON_SQLITE
async def test_what_a_process_of_the_same_machine_left_is_taken_at_once(
    database: Database, clock: ManualClock
) -> None:
    child = ended()
    heart = Heart(database, roles=["all"], clock=clock, ended=lambda _: None, rhythm=PATIENT)
    await heart.start()
    async with database.write() as session:
        here, elsewhere = [
            await processes.register(
                session, host, child.pid, roles=["all"], seconds=3600, now=clock()
            )
            for host in (heart.host, "another machine")
        ]
        await processes.take(session, here, ["scheduler"], clock())
        await processes.take(session, elsewhere, ["sender:1"], clock())
    changes: list[tuple[str, bool]] = []
    heart.on_change = lambda name, held: changes.append((name, held))
    for name in ("scheduler", "sender:1"):
        heart.join(name, Idle())
    await heart.beat()
    assert heart.held == {"scheduler"}
    assert changes == [("scheduler", True)]
    child.wait()
    await heart.leave_all()
    assert changes == [("scheduler", True), ("scheduler", False)]


class Broken(Idle):
    """An engine whose database has gone away."""

    async def run(self) -> None:
        raise ConnectionResetError


@ON_SQLITE
async def test_an_engine_that_broke_off_is_not_said_to_be_held(
    database: Database, clock: ManualClock
) -> None:
    heart = Heart(database, roles=["all"], clock=clock, ended=lambda _: None, rhythm=PATIENT)
    await heart.start()
    changes: list[tuple[str, bool]] = []
    over = asyncio.Event()

    def changed(name: str, held: bool) -> None:
        changes.append((name, held))
        if not held:
            over.set()

    heart.on_change = changed
    heart.join("scheduler", Broken())
    await heart.beat()
    async with asyncio.timeout(10):
        await over.wait()
    assert changes == [("scheduler", True), ("scheduler", False)]
    await heart.leave_all()


@ON_POSTGRESQL
async def test_who_has_ended_does_not_say_afterwards_that_it_lives(
    database: Database, clock: ManualClock
) -> None:
    """Also where it was just about to."""
    busy = Rhythm(looks_every=0.0, speaks_every=0.0, lives=3600)
    heart = Heart(database, roles=["all"], clock=clock, ended=lambda _: None, rhythm=busy)
    await heart.start()
    beating = asyncio.create_task(heart.run())
    async with database.write() as session:
        await session.execute(text("LOCK TABLE lease IN ACCESS EXCLUSIVE MODE"))
        await done_or_held_up(database, beating)
        ending = asyncio.create_task(heart.stop())
    await ending
    assert beating.done()
    async with database.read() as session:
        assert await processes.living(session) == []

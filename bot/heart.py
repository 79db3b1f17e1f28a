"""A process among others: it says that it lives, and does what no other one is doing.

An engine that must run only once in a whole deployment is joined under a name. The heart takes
the lease of that name if it is free, runs the engine for as long as it holds it, and lets go then.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from handlers.dispatch import Clock
from models import Database, Process
from models.database import is_outage
from services import processes

log = logging.getLogger(__name__)

BOOT = Path("/proc/sys/kernel/random/boot_id")
OVER = ("Z", "X")
"""States of a process that has ended, in /proc (proc(5))."""
NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds. After `lives` and `looks_every` at most another process goes on."""

    looks_every: float = 1.0
    speaks_every: float = 2.0
    lives: float = 6.0


class ForgottenError(Exception):
    """This process has been silent for so long that nobody knows it any more; it must end."""


class Engine(Protocol):
    async def run(self) -> None:
        """Goes on until `stop`, and ends in good order."""

    def stop(self) -> None: ...


class Loop:
    """An engine of what goes on until it is cancelled, or comes to its end."""

    def __init__(self, go: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._go = go
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._task = asyncio.create_task(self._go())
        try:
            await self._task
        except asyncio.CancelledError:
            if not self._task.cancelled():  # it is this engine itself that is cancelled
                self._task.cancel()
                raise

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Heart:
    """`start` enters the process; `run` takes what is free, and goes on until `stop`.

    `host` tells machines apart on which the operating system numbers processes.
    """

    def __init__(
        self,
        database: Database,
        *,
        roles: list[str],
        clock: Clock,
        ended: Callable[["asyncio.Task[None]"], None],
        rhythm: Rhythm | None = None,
        host: str | None = None,
    ) -> None:
        self.database = database
        self.host = host or identity()
        self.roles = roles
        self.clock = clock
        self.rhythm = rhythm or Rhythm()
        self.process_id = 0
        self.living: Counter[str] = Counter(roles)
        """How many processes do what, as far as is known."""
        self.alone = True
        """Whether no other process lives."""
        self.on_change: Callable[[str, bool], object] = lambda *_: None
        """Called with each lease that it takes or lets go."""
        self._ended = ended
        self._engines: dict[str, Engine] = {}
        self._running: dict[str, tuple[Engine, asyncio.Task[None]]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        """Engines that have been stopped and are still at it."""
        self._spoke_at = 0.0
        self._stopping = asyncio.Event()
        self._still = asyncio.Event()
        """Set while it does not beat by itself."""
        self._still.set()

    def join(self, name: str, engine: Engine) -> None:
        """Runs an engine whenever its lease can be had."""
        self._engines[name] = engine

    @property
    def held(self) -> frozenset[str]:
        """What this process does at present."""
        return frozenset(self._running)

    @property
    def tasks(self) -> list["asyncio.Task[None]"]:
        """Of the engines that it runs."""
        return [task for _, task in self._running.values()]

    async def holds(self, session: AsyncSession, name: str) -> bool:
        """Whether it still may, by what the transaction sees."""
        return await processes.holds(session, self.process_id, name)

    async def start(self) -> None:
        """Enters this process; one that had its number before is gone."""
        host, own = self.host, os.getpid()
        async with self.database.write() as session:
            living = await processes.living(session)
            before = [one.id for one in living if (one.host, one.pid) == (host, own)]
            await processes.bury(session, before)
            self.process_id = await processes.register(
                session, host, own, roles=self.roles, seconds=self.rhythm.lives, now=self.clock()
            )
        self._spoke_at = monotonic()

    def _gone(self, living: Sequence[Process]) -> set[int]:
        """Those of this machine that are over need not be waited for until they are silent."""
        return {one.id for one in living if one.host == self.host and not is_running(one.pid)}

    async def run(self) -> None:
        self._still.clear()
        try:
            while not self._stopping.is_set():
                await self._beat_safely()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.rhythm.looks_every):
                        await self._stopping.wait()
        finally:
            self._still.set()

    async def _beat_safely(self) -> None:
        """What can't be done now is tried again; in time others do what is held here."""
        try:
            await self.beat()
        except ForgottenError:
            raise
        except Exception as fault:
            if not is_outage(fault):
                log.exception("heartbeat failed")
        if monotonic() - self._spoke_at > self.rhythm.lives:
            self._let_go(set(self._running), "no word to the database")

    async def beat(self) -> None:
        """Says that it lives if it is time, and takes what is free."""
        async with self.database.read() as session:
            holders = await processes.holders(session)
            living = await processes.living(session)
        gone = self._gone(living)
        self.alone = len(living) - len(gone) <= 1
        self.living = Counter(role for one in living if one.id not in gone for role in one.roles)
        held = {name for name, process_id in holders.items() if process_id not in gone}
        free = self._engines.keys() - held
        due = monotonic() - self._spoke_at >= self.rhythm.speaks_every
        if free or due:
            began = monotonic()
            async with self.database.write() as session:
                await processes.bury(session, gone)
                if not await processes.say_alive(session, self.process_id, self.rhythm.lives):
                    raise ForgottenError
                await processes.take(session, self.process_id, free, self.clock())
                holders = await processes.holders(session)
            self._spoke_at = began
        mine = {name for name in self._engines if holders.get(name) == self.process_id}
        self._let_go(self._running.keys() - mine, "another process has it")
        for name in mine - self._running.keys() - self._ending.keys():
            self._begin(name)

    def _begin(self, name: str) -> None:
        log.info("begins: %s", name)
        self.on_change(name, True)
        engine = self._engines[name]
        task = asyncio.create_task(engine.run(), name=name)
        self._running[name] = engine, task
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        """What the database's absence has ended begins again once it answers."""
        self._ending.pop(task.get_name(), None)
        fault = None if task.cancelled() else task.exception()
        if fault is not None and is_outage(fault):
            log.warning("%s broke off: %s", task.get_name(), type(fault).__name__)
            if self._running.pop(task.get_name(), None) is not None:
                self.on_change(task.get_name(), False)
        else:
            self._ended(task)

    def _let_go(self, names: Collection[str], why: str) -> None:
        for name in names:
            log.warning("lets go of %s: %s", name, why)
            self._end(name)

    def _end(self, name: str) -> "asyncio.Task[None]":
        engine, task = self._running.pop(name)
        self.on_change(name, False)
        if not task.done():
            self._ending[name] = task
        engine.stop()
        return task

    async def leave(self, *names: str) -> None:
        """Leaves these to others for good, once what is under way has ended."""
        for name in names:
            self._engines.pop(name, None)
        ending = [self._end(name) for name in names if name in self._running]
        if ending:
            await asyncio.wait(ending)
        async with self.database.write() as session:
            await processes.give_up(session, self.process_id, names)

    async def leave_all(self) -> None:
        await self.leave(*self._engines)

    async def stop(self) -> None:
        """From now on others do what is left, after `leave_all`; it says no more that it lives."""
        self._stopping.set()
        await self._still.wait()
        if not self.process_id:
            return
        try:
            async with self.database.write() as session:
                await processes.bury(session, [self.process_id])
        except Exception as fault:
            if not is_outage(fault):
                raise
            log.warning("the database was not told of the end; others wait %s s", self.rhythm.lives)


@cache
def identity() -> str:
    """This machine, and of a container's processes their own numbering."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(BOOT.read_text().strip())
        parts.append(str(NAMESPACE.stat().st_ino))
    return "/".join(parts)


def is_running(pid: int) -> bool:
    """Whether this machine has such a process, and it is not over."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state not in OVER

"""`muster run` as processes of their own, started again whenever they end, as systemd would."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NoReturn

from chaos.clock import VARIABLE, follow

RESTARTS_AFTER = 0.3
"""Seconds."""
_processes = get_context("forkserver")
# Forked off a process that has imported it all, which saves two seconds a start.
_processes.set_forkserver_preload(
    ["bot.program", "bot.doctoring", "bot.moving_data", "chaos.processes"]
)


class Keeper:
    """Keeps one command running; `kill` ends it by SIGKILL, and it comes again."""

    def __init__(
        self,
        words: tuple[str, ...],
        folder: Path,
        variables: Mapping[str, str],
        on_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`on_end` is told of each end, before it is started again."""
        self.words = words
        self.folder = folder
        self.variables = dict(variables)
        self.on_end = on_end
        self.log = folder / f"{'-'.join(words)}.log"
        self.ended_by_itself = 0
        self.zone = ""
        """TZ of the next start, if not the machine's."""
        self.clock: Path | None = None
        """The file by which its clock jumps."""
        self._process: Any = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = False

    def start(self) -> None:
        self._wanted = True
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self._wanted:
            self._begin()
            await asyncio.to_thread(self._process.join)
            if self._process.exitcode not in (-signal.SIGKILL, -signal.SIGTERM, 0):
                self.ended_by_itself += 1
            self._process.close()
            self._process = None
            if self.on_end is not None:
                await self.on_end()
            await asyncio.sleep(RESTARTS_AFTER)

    def _begin(self) -> None:
        environment = self.environment()
        self._process = _processes.Process(
            target=_become, args=(self.words, self.folder, environment, self.log), daemon=True
        )
        self._process.start()

    def environment(self) -> dict[str, str]:
        given = {name: value for name, value in os.environ.items() if name[:7] != "MUSTER_"}
        own = {f"MUSTER_{name}": value for name, value in self.variables.items()}
        zone = {"TZ": self.zone} if self.zone else {}
        clock = {VARIABLE: str(self.clock)} if self.clock else {}
        return given | own | zone | clock

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def send(self, how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, AttributeError):
            os.kill(self._process.pid, how)

    async def kill(self) -> bool:
        """Answers whether there was anything to kill; returns once it is gone."""
        process = self._process
        if process is None:
            return False
        self.send(signal.SIGKILL)
        while self._process is process:
            await asyncio.sleep(0.01)
        return True

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self._wanted = False
        self.send(how)
        if self._task is not None:
            await self._task


async def finish(
    words: tuple[str, ...], folder: Path, variables: Mapping[str, str]
) -> tuple[int, str]:
    """Runs a command to its end; its exit code and what it printed."""
    once = Keeper(words, folder, variables)
    out = folder / f"{'-'.join(words).replace('/', '_')}.out"
    out.unlink(missing_ok=True)
    process = _processes.Process(
        target=_become, args=(words, folder, once.environment(), out), daemon=True
    )
    process.start()
    await asyncio.to_thread(process.join)
    return process.exitcode or 0, out.read_text(encoding="utf-8")


def _become(
    words: tuple[str, ...], folder: Path, environment: Mapping[str, str], log: Path
) -> NoReturn:
    """Turns this process into the command."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(handle, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["muster", *words]
    if VARIABLE in environment:
        follow(Path(environment[VARIABLE]))
    from bot.cli import main  # only now: it looks at where it prints to

    main()
    raise AssertionError("a command ends by exiting")

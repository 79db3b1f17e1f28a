"""The bots as processes of their own on one core: starting, what they use, stopping. Linux only."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """`variables` are added to an environment without any of Muster's own."""

    arguments: tuple[str, ...]
    variables: dict[str, str]
    folder: Path
    """Where it runs, so that no config.toml is found by chance."""


@dataclass(frozen=True, slots=True)
class Running:
    process: asyncio.subprocess.Process

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """Resident set in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def sleep(self) -> None:
        """It does nothing until `wake`."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def cores() -> tuple[int, set[int]]:
    """The core of the bots, and those of everything else (the same one, if there is no other)."""
    first, *others = sorted(os.sched_getaffinity(0))
    return first, set(others) or {first}


async def start(command: Command, core: int | None = None) -> Running:
    """Starts it on `core`; on this process's own cores if None."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command.arguments,
        env=_environment(command.variables),
        cwd=command.folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    return Running(process)


async def finish(command: Command) -> None:
    """Runs it to its end. Raises RuntimeError if it fails."""
    running = await start(command)
    if await running.process.wait():
        raise RuntimeError(f"{' '.join(command.arguments)} ended with an error")


def _environment(variables: dict[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **variables}

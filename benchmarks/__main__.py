"""Runs the benchmarks and prints their tables: `python -m benchmarks --help`."""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import city, databases
from benchmarks.chats import Chats, Telegram
from benchmarks.figures import Figure
from benchmarks.measuring import Case, Round, started
from benchmarks.processes import Command, cores, finish

PLAIN, TUNED = "bare, as it comes", "bare, tuned"
WARM_UP = 200
PACKAGES = ("python-telegram-bot", "httpx", "aiohttp", "sqlalchemy", "aiosqlite", "asyncpg")
COLUMNS: dict[str, Callable[[Round], float]] = {
    "p50 ms": lambda r: r.p50_ms,
    "p99 ms": lambda r: r.p99_ms,
    "acknowledged p50 ms": lambda r: r.acknowledged_p50_ms,
    "updates/s": lambda r: r.updates_per_second,
    "CPU ms/update": lambda r: r.cpu_ms,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A bot to measure: how it is run, and whether it is Muster."""

    name: str
    arguments: tuple[str, ...]
    database: str = ""

    def command(self, folder: Path, url: str, token: str) -> Command:
        if not self.database:
            kind = "tuned" if self.name == TUNED else "plain"
            return Command((*self.arguments, url, token, kind), {}, folder)
        return Command(self.arguments, variables(folder, self.database, url, token), folder)


def variables(folder: Path, database: str, url: str, token: str) -> dict[str, str]:
    """Muster's settings; the limits are too wide to bind."""
    return {
        "MUSTER_TELEGRAM__TOKEN": token,
        "MUSTER_TELEGRAM__API_BASE_URL": url,
        "MUSTER_TELEGRAM__MESSAGES_PER_SECOND": "1000",
        "MUSTER_TELEGRAM__CHAT_MESSAGES_PER_SECOND": "1000",
        "MUSTER_TELEGRAM__CHAT_UPDATES_PER_SECOND": "1000",
        "MUSTER_DATABASE__URL": database,
        "MUSTER_SECURITY__KEY_FILE": str(folder / "muster.keys"),
        "MUSTER_WEB__PORT": "0",
        "MUSTER_LOG__LEVEL": "WARNING",
    }


@dataclass(slots=True)
class Outcome:
    """All that was measured, by the name of a case or of a subject."""

    rounds: dict[str, list[Round]]
    starts: dict[str, list[float]]
    memory_started: dict[str, list[float]]
    memory_loaded: dict[str, list[float]]


class Bench:
    def __init__(self, arguments: argparse.Namespace, folder: Path, progress: Progress) -> None:
        self.rounds: int = arguments.rounds
        self.seconds: float = arguments.seconds
        self.starts: int = arguments.starts
        self.postgresql: bool = arguments.postgresql
        self.folder = folder
        self.progress = progress
        self.telegram = Telegram()
        self.core, others = cores()
        os.sched_setaffinity(0, others)
        self.outcome = Outcome({}, {}, {}, {})
        self.shifts: dict[str, list[tuple[int, int]]] = {}

    async def run(self) -> Outcome:
        async with AsyncExitStack() as stack:
            await self.telegram.start()
            stack.push_async_callback(self.telegram.stop)
            subjects = [
                Subject(PLAIN, ("benchmarks.bare",)),
                Subject(TUNED, ("benchmarks.bare",)),
                await self._muster("SQLite", databases.sqlite(self.folder)),
            ]
            if self.postgresql:
                server = databases.Postgres(self.folder / "postgresql")
                stack.push_async_callback(server.stop)
                subjects.append(await self._muster("PostgreSQL", await server.create("muster")))
            await self._measure_starts(subjects)
            await self._measure_rounds(subjects, stack)
        return self.outcome

    async def _muster(self, kind: str, database: str) -> Subject:
        """Muster with a city in its database."""
        task = self.progress.add_task(f"a city on {kind}", total=None)
        given = variables(self.folder, database, self.telegram.url, "")
        await finish(Command(("bot.cli", "init", "--sample", "zhongshan"), given, self.folder))
        await city.fill(database, self.folder / "muster.keys")
        self.shifts[database] = await city.open_shifts(database)
        self.progress.remove_task(task)
        return Subject(f"Muster on {kind}", ("bot.cli", "run"), database)

    def _given(self, subject: Subject) -> tuple[Command, Chats]:
        token, chats = self.telegram.add_bot(wants_screen=bool(subject.database))
        return subject.command(self.folder, self.telegram.url, token), chats

    async def _measure_starts(self, subjects: list[Subject]) -> None:
        task = self.progress.add_task("starting", total=self.starts * len(subjects))
        for _ in range(self.starts):
            for subject in subjects:
                command, chats = self._given(subject)
                press = next(self._looks(subject))
                async with started(command, self.core, chats, press) as (running, seconds):
                    self.outcome.starts.setdefault(subject.name, []).append(seconds)
                    memory = self.outcome.memory_started.setdefault(subject.name, [])
                    memory.append(running.memory())
                self.progress.advance(task)

    def _looks(self, subject: Subject) -> Any:
        return city.looks(self.shifts[subject.database]) if subject.database else city.answers()

    async def _measure_rounds(self, subjects: list[Subject], stack: AsyncExitStack) -> None:
        cases: list[Case] = []
        for subject in subjects:
            cases += await self._cases(subject, stack)
        task = self.progress.add_task("rounds", total=self.rounds * len(cases))
        for case in cases:
            await case.warm_up(WARM_UP)
        for _ in range(self.rounds):
            for case in cases:
                measured = await case.measure(self.seconds)
                self.outcome.rounds.setdefault(case.name, []).append(measured)
                self.progress.advance(task)
        for subject, running in zip(subjects, dict.fromkeys(c.running for c in cases), strict=True):
            self.outcome.memory_loaded[subject.name] = [running.memory()]

    async def _cases(self, subject: Subject, stack: AsyncExitStack) -> list[Case]:
        command, chats = self._given(subject)
        looks = self._looks(subject)
        running, _ = await stack.enter_async_context(
            started(command, self.core, chats, next(looks))
        )
        if not subject.database:
            return [Case(subject.name, running, chats, looks)]
        enrolments = city.enrolments(self.shifts[subject.database])
        return [
            Case(f"{subject.name}, reads", running, chats, looks),
            Case(f"{subject.name}, writes", running, chats, enrolments),
        ]


# What is shown


def rounds_table(outcome: Outcome) -> Table:
    table = Table("", *COLUMNS, title="Handling an update: median of rounds (least-most)")
    for name, rounds in outcome.rounds.items():
        figures = [str(Figure.of([column(r) for r in rounds])) for column in COLUMNS.values()]
        table.add_row(name, *figures)
    return table


def ratios(outcome: Outcome, name: str, yardstick: str) -> dict[str, Figure]:
    """Round by round, since the machine's speed drifts."""
    pairs = list(zip(outcome.rounds[name], outcome.rounds[yardstick], strict=True))
    return {
        title: Figure.of([column(own) / column(other) for own, other in pairs])
        for title, column in COLUMNS.items()
    }


def ratios_table(outcome: Outcome) -> Table:
    table = Table("", "beside", *COLUMNS, title="As a ratio to the bare bot, round by round")
    for name in outcome.rounds:
        for yardstick in (PLAIN, TUNED):
            if name not in (PLAIN, TUNED):
                found = ratios(outcome, name, yardstick).values()
                table.add_row(name, yardstick, *(str(figure) for figure in found))
    return table


def starts_table(outcome: Outcome) -> Table:
    table = Table(
        "", "start s", "MiB at the first answer", "MiB after the rounds", title="Starting"
    )
    for name, seconds in outcome.starts.items():
        started_with = str(Figure.of(outcome.memory_started[name]))
        loaded = f"{outcome.memory_loaded[name][0]:.0f}"
        table.add_row(name, str(Figure.of(seconds)), started_with, loaded)
    return table


def machine() -> dict[str, Any]:
    described = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": next(iter(models), platform.machine()),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        **{name: version(name) for name in PACKAGES},
    }


def as_json(outcome: Outcome, described: dict[str, Any]) -> dict[str, Any]:
    compared = {
        name: {
            yardstick: {title: asdict(f) for title, f in ratios(outcome, name, yardstick).items()}
            for yardstick in (PLAIN, TUNED)
        }
        for name in outcome.rounds
        if name not in (PLAIN, TUNED)
    }
    return {"machine": described, **asdict(outcome), "ratios": compared}


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="The lists of the console: benchmarks.lists",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round there")
    parser.add_argument("--seconds", type=float, default=4, help="of each case in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=5, help="of each bot")
    parser.add_argument("--postgresql", action="store_true", help="measure on PostgreSQL as well")
    return parser.parse_args()


def main() -> None:
    arguments = asked()
    out = Console(width=None if os.isatty(1) else 160)
    described = machine()
    with (
        tempfile.TemporaryDirectory(prefix="muster-bench-") as folder,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        outcome = uvloop.run(Bench(arguments, Path(folder), progress).run())
    for table in (rounds_table(outcome), ratios_table(outcome), starts_table(outcome)):
        out.print(table)
    out.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if arguments.json is not None:
        text = json.dumps(as_json(outcome, described), ensure_ascii=False, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

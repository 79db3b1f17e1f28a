"""A case's world: a Telegram, a city in a database, the program under load, and what came of it."""

import asyncio
import contextlib
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos import checks, city
from chaos.checks import Ear, Outcome
from chaos.city import Cast
from chaos.databases import Place
from chaos.load import Load
from chaos.processes import Keeper
from models import Database
from playground import Playground

TOKEN = "100200300:CHAOS"
USERNAME = "muster_chaos_bot"
CONCURRENCY = 20
STUCK_AFTER = 90.0
"""Seconds in which nothing of what is left has moved."""
STARTED_WITHIN = 60.0
LOOKS_EVERY = 0.2
"""Seconds; an attempt that hangs lasts longer."""
ROLES = ("web", "bot", "sender", "scheduler")
SERVING = ("all", "web")
"""The roles whose pages people look at."""


@dataclass
class Result:
    """A row of the table."""

    case: str
    database: str
    what: str = ""
    """What was done to it, in numbers."""
    outcome: Outcome = field(default_factory=Outcome)
    bound: int = 0
    """Deliveries that were in flight when something went wrong."""
    exits: int = 0
    """Times that the program ended by itself and was started again."""
    back: list[float] = field(default_factory=list)
    """Seconds from the end of each fault to the next answer on a phone."""
    stuck: int = 0
    """Updates and deliveries that nothing moved until the program was started again."""
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def holds(self) -> bool:
        one = self.outcome
        return (
            not (one.lost or one.quota_broken or one.ledger_faults or one.missing or one.doctor)
            and one.doubles <= self.bound
        )


class Stage:
    def __init__(
        self,
        place: Place,
        folder: Path,
        seed: int,
        *,
        roles: tuple[str, ...] = ("all",),
        clock: Path | None = None,
        in_order: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.place = place
        self.folder = folder
        self.seed = seed
        self.chance = random.Random(seed)
        self.roles = roles
        self.clock = clock
        self.in_order = in_order
        self.settings = dict(settings or {})
        self.telegram = Playground()
        self.background: list[asyncio.Task[None]] = []
        """What goes on going wrong by itself."""
        self.added = 0
        """Faults that each happen to one call."""
        self.bound = 0
        """Doubles that are allowed beside those of attempts that were in flight."""
        self.in_flight: set[tuple[int, int]] = set()
        """Deliveries and their attempts that were under way when something went wrong."""
        self.back: list[float] = []
        self.stuck = 0
        self.keepers: dict[str, Keeper] = {}
        self.ear: Ear
        self.cast: Cast
        self.load: Load
        self.database: Database
        self.variables: dict[str, str]

    async def start(self) -> None:
        await self.place.start()
        await self.telegram.start()
        self.bot = self.telegram.add_bot(TOKEN, USERNAME, "集结")
        self.ear = Ear(self.telegram)
        key_file = self.folder / "muster.keys"
        self.cast = await city.found(self.place.url, key_file, self.telegram, self.bot)
        self.database = Database(self.place.url)
        port_of_pages = _free_port()
        pages = f"http://127.0.0.1:{port_of_pages}"
        self.variables = {
            "TELEGRAM__TOKEN": TOKEN,
            "TELEGRAM__API_BASE_URL": self.telegram.url,
            "TELEGRAM__MESSAGES_PER_SECOND": "200",
            "TELEGRAM__CHAT_MESSAGES_PER_SECOND": "1000",
            "TELEGRAM__CONCURRENCY": str(CONCURRENCY),
            "TELEGRAM__ANSWER_SECONDS": "3",
            "DATABASE__URL": self.place.program_url,
            "SECURITY__KEY_FILE": str(key_file),
            "WEB__PUBLIC_URL": pages,
            "LOG__LEVEL": "WARNING",
            **self.settings,
        }
        self.load = Load(self.cast, self.place.url, pages, self.seed, in_order=self.in_order)
        for role in self.roles:
            words = ("run",) if role == "all" else ("run", "--role", role)
            port = {"WEB__PORT": str(port_of_pages) if role in SERVING else "0"}
            keeper = Keeper(words, self.folder, self.variables | port, self.note_in_flight)
            keeper.clock = self.clock
            self.keepers[role] = keeper
        self.bring_up()
        self.load.start()
        await self.answers(STARTED_WITHIN)

    async def stop(self) -> None:
        if self.keepers:
            await self.load.stop()
            for keeper in self.keepers.values():
                await keeper.stop()
            await self.database.close()
            await self.telegram.stop()
        await self.place.stop()

    def bring_up(self) -> None:
        for keeper in self.keepers.values():
            keeper.start()

    async def take_down(self) -> None:
        """Nothing runs any more, and nothing was put in order before."""
        for keeper in self.keepers.values():
            await keeper.stop(signal.SIGKILL)
        await self.database.engine.dispose()

    @property
    def program(self) -> Keeper:
        return next(iter(self.keepers.values()))

    async def answers(self, limit: float = 30.0) -> float:
        """Waits for the next answer on a phone; how many seconds it took."""
        since = time.monotonic()
        known = len(self.load.truth.answered_at)
        while len(self.load.truth.answered_at) == known:
            if time.monotonic() - since > limit:
                log = self.program.log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise TimeoutError(f"no answer for {limit:.0f} s; the log ends in\n{log}")
            await asyncio.sleep(0.01)
        return self.load.truth.answered_at[-1] - since

    async def mended(self, limit: float = 60.0) -> None:
        """Nothing is wrong any more from now on; notes how long the next answer takes."""
        self.back.append(await self.answers(limit))

    async def note_in_flight(self) -> None:
        """At the end of a process: what may have arrived without its being known."""
        with contextlib.suppress(Exception):  # the database may be what is gone
            self.in_flight |= await checks.in_flight(self.database)

    async def note_in_flight_for(self, seconds: float) -> None:
        """Of a fault that lasts: attempts come and go meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self.note_in_flight()
            await asyncio.sleep(LOOKS_EVERY)

    async def result(self, case: str, what: str) -> Result:
        """Ends the load, waits until all is drained, and looks at everything."""
        await self.load.stop()
        if not await self._drained():
            self.stuck = await checks.waiting(self.database)
            for keeper in self.keepers.values():
                await keeper.kill()
            await self._drained()
        outcome = await checks.look(self.database, self.load.truth, self.ear)
        outcome.doctor = await checks.doctor(self.folder, self.variables)
        bound = self.bound + len(self.in_flight) + outcome.from_before
        exits = sum(keeper.ended_by_itself for keeper in self.keepers.values())
        result = Result(case, self.place.kind, what, outcome, bound, exits, self.back, self.stuck)
        result.notes += self._last_words()
        return result

    def _last_words(self) -> list[str]:
        """Why the program ended by itself, each reason once."""
        logs = [keeper.log.read_text(encoding="utf-8") for keeper in self.keepers.values()]
        lines = {line for log in logs for line in log.splitlines() if line.startswith("stopped:")}
        return sorted(line[:120] for line in lines)

    async def _drained(self) -> bool:
        """Whether nothing waits any more; given up once nothing has moved for long."""
        fewest, moved_at = 10**9, time.monotonic()
        while time.monotonic() - moved_at < STUCK_AFTER:
            asked = len(self.telegram.updates.of(self.bot).waiting)
            left = asked + await checks.waiting(self.database)
            if not left:
                return True
            if left < fewest:
                fewest, moved_at = left, time.monotonic()
            await asyncio.sleep(0.2)
        return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def staged(stage: Stage) -> AsyncIterator[Stage]:
    try:
        await stage.start()
        yield stage
    finally:
        await stage.stop()


__all__ = ["ROLES", "Result", "Stage", "staged"]

"""One rate of a bot for several processes: those that answer people, and the one that sends.

Each process that answers says how much it has to send; the bot's sender grants the shares and keeps
the rest. A share that grows is first taken from what the sender itself sends.
"""

from collections.abc import Sequence

from bot.limiter import Limiter
from models import Database, Lane
from services import processes

EVERY = 1.0
"""Seconds."""
DIRECT_SHARE = 5
"""A fifth of the rate is left to direct replies whatever is sent, and to the sender likewise."""
IDLE_SHARE = 0.4
"""Is left to direct replies while nothing is sent; an emergency finds the rest free."""
ROOM = 1.5
"""What is granted for each message wanted, since the next second may bring more."""


def shares(rate: float, wanted: Sequence[float], *, sends: bool, urgent: bool) -> list[float]:
    """Messages a second for each process that answers people.

    `sends` says whether the sender has something of its own to send, `urgent` whether in an
    emergency: then the others get their fifth and no more.
    """
    if not wanted:
        return []
    fifth = rate / DIRECT_SHARE
    least = fifth if sends else rate * IDLE_SHARE
    total = fifth if urgent else min(max(ROOM * sum(wanted), least), rate - fifth)
    evenly = fifth / len(wanted)
    rest, asked = total - fifth, sum(wanted)
    if not asked:
        return [total / len(wanted)] * len(wanted)
    return [evenly + rest * one / asked for one in wanted]


class Sharing:
    """Of one bot, in one process."""

    def __init__(self, database: Database, limiter: Limiter, bot_id: int) -> None:
        self.database = database
        self.limiter = limiter
        self.bot_id = bot_id
        self.process_id = 0
        self._granted: dict[int, float] = {}
        self._let_go = 0

    async def turn(self, *, alone: bool, sends: bool, answers: bool) -> None:
        """Asks for a share, or grants the others theirs.

        `alone` everything is one's own; `sends` and `answers` say what the process does.
        """
        schedule = self.limiter.schedule
        if alone:
            schedule.limit = float("inf")
        elif sends:
            await self._grant()
        elif answers:
            await self._ask()

    async def _ask(self) -> None:
        schedule = self.limiter.schedule
        let_go, self._let_go = schedule.let_go - self._let_go, schedule.let_go
        wanted = let_go / EVERY + schedule.waiting(Lane.INTERACTIVE)
        async with self.database.write() as session:
            granted = await processes.wish(session, self.bot_id, self.process_id, wanted)
        schedule.limit = granted or schedule.free_rate / DIRECT_SHARE**2

    async def _grant(self) -> None:
        """What was granted before counts until the others have seen that it is less."""
        schedule = self.limiter.schedule
        async with self.database.read() as session:
            others = await processes.wishes(session, self.bot_id, self.process_id)
        urgent = schedule.waiting(Lane.EMERGENCY) > 0
        below = sum(schedule.waiting(lane) for lane in (Lane.TRANSACTIONAL, Lane.BROADCAST))
        rates = shares(
            schedule.free_rate, [one.wanted for one in others], sends=below > 0, urgent=urgent
        )
        given = {one.process_id: rate for one, rate in zip(others, rates, strict=True)}
        changed = {key: rate for key, rate in given.items() if self._granted.get(key) != rate}
        if changed:
            async with self.database.write() as session:
                for process_id, rate in changed.items():
                    await processes.grant(session, self.bot_id, process_id, rate)
        taken = sum(max(rate, self._granted.get(key, 0.0)) for key, rate in given.items())
        self._granted = given
        schedule.limit = max(schedule.free_rate - taken, schedule.free_rate / DIRECT_SHARE / 2)

"""Telegram's limits: who may be sent to next, and when. Evenly spaced, the urgent first.

`Schedule` is the policy: pure, with the time as a parameter. `Limiter` waits by it, and serves
python-telegram-bot as its rate limiter, so that direct replies and deliveries share one budget.
"""

import asyncio
import heapq
import itertools
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

from models import Lane

# `retry_after` is understood as seconds and as the timedelta that it is to become.
warnings.filterwarnings("ignore", message=".*attribute `retry_after`")

DIRECT_SHARE = 5
"""While an emergency drains, every fifth slot stays with direct replies."""
KNOWN_CHATS = 20_000
BURST = 2
"""Messages over all chats that may go at once after a pause; more brings 429s (measured)."""
MAX_RETRIES = 5
SLOWER = 0.8
FASTER = 1.02
LEAST_RATE = 1.0


@dataclass(slots=True)
class Pace:
    """A leaky bucket: `burst` at once, then one each `interval` seconds."""

    interval: float
    burst: int
    free_at: float = 0.0
    """When the bucket would be empty of what was taken."""

    def ready_at(self) -> float:
        return self.free_at - (self.burst - 1) * self.interval

    def take(self, now: float) -> None:
        self.free_at = max(self.free_at, now) + self.interval


@dataclass(order=True, slots=True)
class Ticket:
    """A place in the queue for one call to one chat."""

    lane: int
    number: int
    chat_id: int = field(compare=False)
    go: "asyncio.Future[None] | None" = field(default=None, compare=False)


class Schedule:
    """Decides which ticket goes next. All times are seconds on one monotonic clock."""

    def __init__(
        self,
        per_second: float,
        chat_per_second: float = 1.0,
        chat_burst: int = 4,
        group_per_minute: float = 20.0,
    ) -> None:
        self.top_rate = per_second
        self.overall = Pace(1 / per_second, BURST)
        self.chat_interval = 1 / chat_per_second
        self.chat_burst = chat_burst
        self.group_interval = 60 / group_per_minute
        self.blocked_until = 0.0
        self._blocked_chats: dict[int, float] = {}
        self._chats: OrderedDict[int, Pace] = OrderedDict()
        self._queues: dict[int, list[Ticket]] = {int(lane): [] for lane in Lane}
        self._numbers = itertools.count()
        self._since_direct = 0

    def join(self, lane: Lane, chat_id: int) -> Ticket:
        ticket = Ticket(int(lane), next(self._numbers), chat_id)
        heapq.heappush(self._queues[ticket.lane], ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        queue = self._queues[ticket.lane]
        if ticket in queue:
            queue.remove(ticket)
            heapq.heapify(queue)

    def next(self, now: float) -> Ticket | float | None:
        """The ticket that goes now, else the seconds until one may, else None: nobody waits."""
        if not any(self._queues.values()):
            return None
        gate = max(self.overall.ready_at(), self.blocked_until)
        if gate > now:
            return gate - now
        soonest = float("inf")
        for lane in self._order():
            ticket, ready_at = self._first_ready(self._queues[lane], now)
            if ticket is not None:
                self._grant(ticket, now)
                return ticket
            soonest = min(soonest, ready_at)
        return soonest - now

    def _order(self) -> list[int]:
        lanes = sorted(self._queues)
        emergency, direct = int(Lane.EMERGENCY), int(Lane.INTERACTIVE)
        if self._queues[emergency] and self._since_direct >= DIRECT_SHARE - 1:
            lanes.remove(direct)
            lanes.insert(0, direct)
        return lanes

    def _first_ready(self, queue: list[Ticket], now: float) -> tuple[Ticket | None, float]:
        """The first of a lane whose chat may be written to; order within a chat is kept."""
        soonest = float("inf")
        waiting: set[int] = set()
        for ticket in sorted(queue):
            if ticket.chat_id in waiting:
                continue
            ready_at = self._chat_ready_at(ticket.chat_id)
            if ready_at <= now:
                return ticket, now
            waiting.add(ticket.chat_id)
            soonest = min(soonest, ready_at)
        return None, soonest

    def _chat_ready_at(self, chat_id: int) -> float:
        pace = self._chats.get(chat_id)
        ready_at = pace.ready_at() if pace else 0.0
        return max(ready_at, self._blocked_chats.get(chat_id, 0.0))

    def _grant(self, ticket: Ticket, now: float) -> None:
        self.leave(ticket)
        self.overall.take(now)
        self._pace_of(ticket.chat_id).take(now)
        self._since_direct = 0 if ticket.lane == Lane.INTERACTIVE else self._since_direct + 1

    def _pace_of(self, chat_id: int) -> Pace:
        pace = self._chats.get(chat_id)
        if pace is None:
            group = chat_id < 0
            interval = self.group_interval if group else self.chat_interval
            pace = self._chats[chat_id] = Pace(interval, self.chat_burst)
        self._chats.move_to_end(chat_id)
        if len(self._chats) > KNOWN_CHATS:
            self._chats.popitem(last=False)
        return pace

    def too_many(self, chat_id: int, retry_after: float, now: float) -> None:
        """Telegram said 429: this chat waits; if other chats are hit as well, everyone does."""
        self._blocked_chats = {c: t for c, t in self._blocked_chats.items() if t > now}
        if any(other != chat_id for other in self._blocked_chats):
            self.blocked_until = max(self.blocked_until, now + retry_after)
        self._blocked_chats[chat_id] = now + retry_after
        self.overall.interval = min(self.overall.interval / SLOWER, 1 / LEAST_RATE)

    def went_well(self) -> None:
        """A send was accepted: the rate creeps back up to what is permitted."""
        self.overall.interval = max(self.overall.interval / FASTER, 1 / self.top_rate)


class Limiter(BaseRateLimiter[Lane]):
    """Lets calls that send something pass in the order and at the pace of its schedule."""

    def __init__(self, schedule: Schedule, clock: Callable[[], float] = time.monotonic) -> None:
        self.schedule = schedule
        self._clock = clock
        self._changed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def initialize(self) -> None:
        self._pump = asyncio.create_task(self._release(), name="limiter")

    async def shutdown(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None

    async def process_request(  # noqa: PLR0917 - the base class says so
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: Lane | None,
    ) -> Any:
        chat_id = data.get("chat_id")
        if not _counts(endpoint) or not isinstance(chat_id, int):
            return await callback(*args, **kwargs)
        lane = Lane.INTERACTIVE if rate_limit_args is None else rate_limit_args
        for attempt in itertools.count(1):
            await self.wait(lane, chat_id)
            try:
                answer = await callback(*args, **kwargs)
            except RetryAfter as refused:
                seconds = _seconds(refused)
                self.schedule.too_many(chat_id, seconds, self._clock())
                if attempt > MAX_RETRIES:
                    raise
            else:
                self.schedule.went_well()
                return answer
        raise AssertionError("unreachable")

    async def wait(self, lane: Lane, chat_id: int) -> None:
        """Returns when a message may go to the chat."""
        ticket = self.schedule.join(lane, chat_id)
        ticket.go = asyncio.get_running_loop().create_future()
        self._changed.set()
        try:
            await ticket.go
        except asyncio.CancelledError:
            self.schedule.leave(ticket)
            raise

    async def _release(self) -> None:
        while True:
            self._changed.clear()
            outcome = self.schedule.next(self._clock())
            if isinstance(outcome, Ticket):
                if outcome.go is not None and not outcome.go.done():
                    outcome.go.set_result(None)
                continue
            try:
                await asyncio.wait_for(self._changed.wait(), timeout=outcome)
            except TimeoutError:
                continue


def _counts(endpoint: str) -> bool:
    return endpoint.startswith(("send", "copy", "forward", "edit")) and endpoint != "sendChatAction"


def _seconds(refused: RetryAfter) -> float:
    after = refused.retry_after
    return float(after) if isinstance(after, int | float) else after.total_seconds()

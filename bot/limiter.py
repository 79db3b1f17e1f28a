"""Lets calls that send something pass in the order and at the pace of a `Schedule`.

Serves python-telegram-bot as its rate limiter and the sender directly, so that direct replies and
deliveries share one budget.
"""

import asyncio
import itertools
import time
import warnings
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

from bot.pace import Schedule, Ticket
from models import Lane

# `retry_after` is understood as seconds and as the timedelta that it is to become.
warnings.filterwarnings("ignore", message=".*attribute `retry_after`")

ANSWERS_FIRST: ContextVar[bool] = ContextVar("answers_first", default=False)
"""Whether what is done here answers an emergency, so that its replies go before other replies."""
MAX_RETRIES = 5
LEAST_NAP = 0.002
"""Seconds; shorter ones cost more than they bring, and the schedule lets one catch up."""


class Limiter(BaseRateLimiter[Lane]):
    def __init__(self, schedule: Schedule, clock: Callable[[], float] = time.monotonic) -> None:
        self.schedule = schedule
        self._clock = clock
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    async def initialize(self) -> None:
        """Nothing to prepare: the first ticket starts it."""

    async def shutdown(self) -> None:
        self._put_off(None)

    def rate(self) -> float:
        """Messages a second that may go out now."""
        return self.schedule.rate(self._clock())

    def submit(self, lane: Lane, chat_id: int, go: Callable[[Ticket], None]) -> Ticket:
        """Calls `go` when a message may be sent to the chat; `go` must not raise."""
        ticket = Ticket(lane, chat_id, go, first=ANSWERS_FIRST.get())
        self.schedule.join(ticket)
        self._put_off(asyncio.get_running_loop().call_soon(self._let_go))
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """The ticket is not needed any more."""
        self.schedule.leave(ticket)

    def too_many(self, chat_id: int, refused: RetryAfter) -> None:
        """Telegram said 429 to a message for this chat."""
        self.schedule.too_many(chat_id, seconds_of(refused), self._clock())

    def answered(self, ticket: Ticket) -> None:
        """The call for which it stood is over, whatever came of it."""
        self.schedule.answered(ticket, self._clock())

    def leave_alone(self, seconds: float) -> None:
        """Nothing is sent for a while."""
        self.schedule.block(self._clock() + seconds)

    async def wait(self, lane: Lane, chat_id: int) -> Ticket:
        """Returns when a message may go to the chat."""
        may_go: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()

        def go(ticket: Ticket) -> None:
            if not may_go.done():
                may_go.set_result(ticket)

        ticket = self.submit(lane, chat_id, go)
        try:
            return await may_go
        except asyncio.CancelledError:
            self.withdraw(ticket)
            raise

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
            ticket = await self.wait(lane, chat_id)
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as refused:
                self.too_many(chat_id, refused)
                if attempt > MAX_RETRIES:
                    raise
            finally:
                self.answered(ticket)
        raise AssertionError("unreachable")

    def _let_go(self) -> None:
        """Lets go of all who may, and comes back when the next one may."""
        while True:
            outcome = self.schedule.next(self._clock())
            if not isinstance(outcome, Ticket):
                break
            outcome.go(outcome)
        if outcome is None:
            self._put_off(None)
            return
        nap = max(outcome, LEAST_NAP)
        self._put_off(asyncio.get_running_loop().call_later(nap, self._let_go))

    def _put_off(self, timer: asyncio.TimerHandle | asyncio.Handle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer


def _counts(endpoint: str) -> bool:
    return endpoint.startswith(("send", "copy", "forward", "edit")) and endpoint != "sendChatAction"


def seconds_of(refused: RetryAfter) -> float:
    """How long Telegram wants to be left alone."""
    after = refused.retry_after
    return float(after) if isinstance(after, int | float) else after.total_seconds()

"""Telegram on a bad day: faults that can be switched on, and the limits that it sets to senders."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any, Literal

from playground.errors import ApiError, too_many

GROUP_WINDOW = 60.0


@dataclass(slots=True)
class Fault:
    """Happens to the next `times` calls that fit (None: to all until cleared)."""

    kind: Literal["fail", "drop_before", "drop_after", "delay", "hold", "garble"]
    method: str | None = None
    chat_id: int | None = None
    times: int | None = 1
    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    seconds: float = 0.0
    chats: Container[int] | None = None
    after: int = 0
    """So many calls that fit are spared first."""
    until: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, method: str, chat_id: Any) -> bool:
        return (
            self.method in (None, method)
            and self.chat_id in (None, chat_id)
            and (self.chats is None or chat_id in self.chats)
        )

    def error(self) -> ApiError:
        more = {"retry_after": self.retry_after} if self.retry_after is not None else {}
        return ApiError(self.status, self.description, **more)


@dataclass
class Faults:
    active: list[Fault] = field(default_factory=list)

    def fail(
        self,
        *,
        method: str | None = None,
        chat_id: int | None = None,
        status: int = 500,
        description: str | None = None,
        retry_after: int | None = None,
        times: int | None = 1,
    ) -> None:
        usual = {
            429: f"Too Many Requests: retry after {retry_after or 1}",
            403: "Forbidden: bot was blocked by the user",
            500: "Internal Server Error",
            502: "Bad Gateway",
        }
        self.active.append(
            Fault(
                "fail",
                method,
                chat_id,
                times,
                status,
                description or usual.get(status, "Bad Request: fault"),
                (retry_after or 1) if status == 429 else None,
            )
        )

    def drop(
        self,
        *,
        method: str | None = None,
        when: Literal["before", "after"] = "before",
        times: int | None = 1,
    ) -> None:
        """Closes the connection before or after the call has taken effect."""
        self.active.append(Fault("drop_before" if when == "before" else "drop_after", method,
                                 None, times))  # fmt: skip

    def garble(
        self, *, method: str | None = None, times: int | None = 1, status: int = 200
    ) -> None:
        """Something else answers in Telegram's place, in HTML, and nothing happens."""
        self.active.append(Fault("garble", method, times=times, status=status))

    def delay(self, seconds: float, *, method: str | None = None, times: int | None = None) -> None:
        self.active.append(Fault("delay", method, None, times, seconds=seconds))

    def hold(
        self, *, method: str | None = None, chats: Container[int] | None = None, after: int = 0
    ) -> asyncio.Event:
        """All calls but the first take effect only once the event that this answers is set."""
        fault = Fault("hold", method, chats=chats, times=None, after=after)
        self.active.append(fault)
        return fault.until

    def clear(self) -> None:
        self.active.clear()

    def take(self, method: str, chat_id: Any) -> list[Fault]:
        """The faults that happen to this call."""
        fitting = [fault for fault in self.active if fault.fits(method, chat_id)]
        happening = [fault for fault in fitting if not fault.after]
        for fault in fitting:
            if fault.after:
                fault.after -= 1
            elif fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.active.remove(fault)
        return happening


@dataclass
class Limits:
    """Telegram's published limits, off until `strict` is called. Seconds on a monotonic clock."""

    clock: Callable[[], float] = time.monotonic
    on: bool = False
    overall_per_second: float = 30
    chat_per_second: float = 1
    chat_burst: int = 4
    group_per_minute: int = 20
    refused: int = 0

    def __post_init__(self) -> None:
        self._overall: deque[float] = deque()
        self._chats: dict[int, float] = {}
        self._groups: dict[int, deque[float]] = {}

    def strict(self, **limits: float) -> None:
        for name, value in limits.items():
            setattr(self, name, value)
        self.on = True

    def off(self) -> None:
        self.on = False

    def check(self, chat_id: int) -> None:
        """Counts a message to a chat. Raises ApiError 429."""
        if not self.on:
            return
        now = self.clock()
        while self._overall and self._overall[0] <= now - 1:
            self._overall.popleft()
        if len(self._overall) >= self.overall_per_second:
            self._refuse(self._overall[0] + 1 - now)
        if chat_id < 0:
            self._check_group(chat_id, now)
        else:
            self._check_chat(chat_id, now)
        self._overall.append(now)

    def _check_chat(self, chat_id: int, now: float) -> None:
        interval = 1 / self.chat_per_second
        free_at = max(self._chats.get(chat_id, 0.0), now)
        if free_at - now > (self.chat_burst - 1) * interval + 1e-9:
            self._refuse(free_at - now - (self.chat_burst - 1) * interval)
        self._chats[chat_id] = free_at + interval

    def _check_group(self, chat_id: int, now: float) -> None:
        sent = self._groups.setdefault(chat_id, deque())
        while sent and sent[0] <= now - GROUP_WINDOW:
            sent.popleft()
        if len(sent) >= self.group_per_minute:
            self._refuse(sent[0] + GROUP_WINDOW - now)
        sent.append(now)

    def _refuse(self, seconds: float) -> None:
        self.refused += 1
        raise too_many(max(1, math.ceil(seconds)))

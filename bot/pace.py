"""Telegram's limits: which call goes next, and when. Evenly spaced, the urgent first.

Pure: every time is a parameter, in seconds on one monotonic clock.
"""

import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import log

from models import Lane

DIRECT_SHARE = 5
"""While an emergency drains, every fifth slot stays with direct replies."""
KNOWN_CHATS = 20_000
SHARE = 0.996
"""Of the permitted rate that is used, so that what the network delays stays within it."""
GUARD = 0.003
"""Seconds by which a window is kept longer than Telegram's, for the same reason."""
LEAST_BURST = 2
"""Messages over all chats that may go at once after a pause; more brings 429s (measured)."""
BURST_SECONDS = 0.02
"""What a timer that was late may catch up with."""
GROUP_SECONDS = 60.0
AHEAD = 2**40
"""By how much the number of a ticket that goes first is lower; more than there are tickets."""
DIRECT_BURST = 5
"""Replies that may go at once; those who pressed are waiting for them."""
KEPT = 2
"""Of a window's messages that less urgent lanes leave free while people press (measured)."""
KEPT_SHARE = 10
"""They are at most one in so many."""
PRESSING = 10.0
"""Seconds after a reply in which the next one is expected."""
SLOWER = 0.8
CREEP = 1.01
"""Factor a second at which the rate rises again after a 429."""
LEAST_RATE = 1.0
FORGETTING = 0.01
"""By how much a slower call moves what is usual."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A place in the queue for one call to one chat; `go` is called when it may be made."""

    lane: Lane
    chat_id: int
    go: "Callable[[Ticket], None]"
    first: bool = False
    """Goes before the others of its lane."""
    number: int = 0
    left: bool = False
    paid: bool = False
    """Beyond the free rate: allowed only as a paid broadcast."""
    taken_at: float = 0.0
    """When Telegram will have counted it, as far as is known."""


class Pace:
    """A leaky bucket: `burst` at once, then one each `interval` seconds."""

    __slots__ = ("burst", "free_at", "interval")

    def __init__(self, interval: float, burst: int) -> None:
        self.interval = interval
        self.burst = burst
        self.free_at = 0.0
        """When the bucket would be empty of what was taken."""

    def ready_at(self) -> float:
        return self.free_at - (self.burst - 1) * self.interval

    def take(self, now: float) -> None:
        self.free_at = max(self.free_at, now) + self.interval


class Window:
    """At most `count` in any `seconds`, by the time at which each call was counted."""

    __slots__ = ("_taken", "count", "seconds")

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self._taken: deque[Ticket] = deque(maxlen=count)

    def ready_at(self, kept: int = 0) -> float:
        """When it holds less than `count`, so many of which are to stay free."""
        too_many = len(self._taken) - (self.count - kept)
        return self._taken[too_many].taken_at + self.seconds + GUARD if too_many >= 0 else 0.0

    def take(self, ticket: Ticket) -> None:
        self._taken.append(ticket)


class Chat:
    """What one chat may get: a private one is paced, a group has a window besides."""

    __slots__ = ("blocked_until", "pace", "window")

    def __init__(self, pace: Pace, window: Window | None) -> None:
        self.pace = pace
        self.window = window
        self.blocked_until = 0.0

    def ready_at(self) -> float:
        ready_at = max(self.pace.ready_at(), self.blocked_until)
        return ready_at if self.window is None else max(ready_at, self.window.ready_at())

    def take(self, ticket: Ticket) -> None:
        self.pace.take(ticket.taken_at)
        if self.window is not None:
            self.window.take(ticket)


class Line:
    """Those waiting in one lane, in their order; who must not be written to yet stands aside."""

    def __init__(self, ready_at: Callable[[int], float]) -> None:
        self._ready_at = ready_at
        self._ready: list[tuple[int, Ticket]] = []
        self._aside: dict[int, deque[Ticket]] = {}
        self._returns: list[tuple[float, int]] = []
        self.waiting = 0

    def join(self, ticket: Ticket) -> None:
        self.waiting += 1
        self._queue(ticket)

    def leave(self, ticket: Ticket) -> None:
        """It is passed over when its turn comes."""
        if not ticket.left:
            ticket.left = True
            self.waiting -= 1

    def take(self, now: float) -> Ticket | None:
        """The first whose chat may be written to; order within a chat is kept."""
        self._call_back(now)
        while self._ready:
            _, ticket = heapq.heappop(self._ready)
            if ticket.left:
                continue
            ready_at = self._ready_at(ticket.chat_id)
            if ready_at <= now:
                ticket.left = True
                self.waiting -= 1
                return ticket
            if ticket.chat_id not in self._aside:
                self._aside[ticket.chat_id] = deque()
                heapq.heappush(self._returns, (ready_at, ticket.chat_id))
            self._aside[ticket.chat_id].append(ticket)
        return None

    def returns_at(self) -> float:
        """When the first of those who stand aside may be looked at again."""
        return self._returns[0][0] if self._returns else float("inf")

    def _queue(self, ticket: Ticket) -> None:
        aside = self._aside.get(ticket.chat_id)
        if aside is not None:
            aside.append(ticket)
        else:
            heapq.heappush(self._ready, (ticket.number, ticket))

    def _call_back(self, now: float) -> None:
        while self._returns and self._returns[0][0] <= now:
            _, chat_id = heapq.heappop(self._returns)
            for ticket in self._aside.pop(chat_id):
                heapq.heappush(self._ready, (ticket.number, ticket))


class Schedule:
    """Decides which ticket goes next.

    `paid_per_second` is the rate with paid broadcasts (0: never); `budget` says how many more
    messages may be paid for.
    """

    def __init__(
        self,
        per_second: float,
        chat_per_second: float = 1.0,
        chat_burst: int = 4,
        group_per_minute: float = 20.0,
        paid_per_second: float = 0.0,
    ) -> None:
        self.free_rate = per_second
        self.paid_rate = paid_per_second
        self.budget = 0
        self.paid = 0
        """How many have been paid for."""
        self.chat_interval = 1 / chat_per_second
        self.chat_burst = chat_burst
        self.group_count = max(1, int(group_per_minute))
        self.blocked_until = 0.0
        self.limit = float("inf")
        """Messages a second of the free rate that others leave to this one."""
        self.let_go = 0
        """How many have gone."""
        self._slowed, self._slowed_at = 1.0, 0.0
        self._pace = Pace(0.0, LEAST_BURST)
        self._windows = {rate: _window(rate) for rate in (per_second, paid_per_second) if rate}
        self._chats: OrderedDict[int, Chat] = OrderedDict()
        self._lines = {lane: Line(self._chat_ready_at) for lane in sorted(Lane)}
        self._numbers = itertools.count()
        self._since_direct = 0
        self._pressing_until = 0.0
        self._usual = float("inf")
        """Seconds that a quick call takes."""

    def join(self, ticket: Ticket) -> None:
        ticket.number = next(self._numbers) - (AHEAD if ticket.first else 0)
        self._lines[ticket.lane].join(ticket)

    def leave(self, ticket: Ticket) -> None:
        self._lines[ticket.lane].leave(ticket)

    def waiting(self, lane: Lane) -> int:
        return self._lines[lane].waiting

    def next(self, now: float) -> Ticket | float | None:
        """The ticket that goes now, else the seconds until one may, else None: nobody waits."""
        if not any(line.waiting for line in self._lines.values()):
            return None
        window_at = max(self._window_at(now), self.blocked_until)
        if window_at > now:
            return window_at - now
        soonest = float("inf")
        for lane in self._order():
            line = self._lines[lane]
            if not line.waiting:
                continue
            paced_at = self._paced_at(lane, now)
            if paced_at > now:
                soonest = min(soonest, paced_at)
                break  # whoever comes after is less urgent
            ticket = line.take(now)
            if ticket is not None:
                self._grant(ticket, now)
                return ticket
            soonest = min(soonest, line.returns_at())
        return max(soonest - now, 0.0) if soonest < float("inf") else None

    def rate(self, now: float) -> float:
        """Messages a second over all chats: what is permitted, less what a 429 has taught."""
        top = self.paid_rate if self._pays() else min(self.free_rate, self.limit)
        return max(top * self._share(now), min(LEAST_RATE, top))

    def answered(self, ticket: Ticket, now: float) -> None:
        """A call that took longer than usual may have been counted later than it was made."""
        took = now - ticket.taken_at
        if took < self._usual:
            self._usual = took
        else:
            self._usual += (took - self._usual) * FORGETTING
            ticket.taken_at = now - self._usual

    def block(self, until: float) -> None:
        """Nothing goes before this time."""
        self.blocked_until = max(self.blocked_until, until)

    def too_many(self, chat_id: int, retry_after: float, now: float) -> None:
        """Telegram said 429: this chat waits; if another chat is hit as well, everyone does."""
        others = (chat for key, chat in self._chats.items() if key != chat_id)
        if any(chat.blocked_until > now for chat in others):
            self.block(now + retry_after)
        self._chat(chat_id).blocked_until = now + retry_after
        self._slowed, self._slowed_at = self._share(now) * SLOWER, now

    def _share(self, now: float) -> float:
        """Of the permitted rate: 1 unless a 429 came, from which it creeps up again."""
        if self._slowed >= 1:
            return 1.0
        seconds = max(0.0, now - self._slowed_at)
        if seconds >= -log(self._slowed) / log(CREEP):
            self._slowed = 1.0
            return 1.0
        return float(self._slowed * CREEP**seconds)

    def _pays(self) -> bool:
        return self.paid_rate > self.free_rate and self.budget > 0

    def _window_at(self, now: float) -> float:
        rate = self.rate(now)
        window = self._window()
        window.seconds = window.count / rate
        self._pace.interval = 1 / (rate * SHARE)
        self._pace.burst = max(LEAST_BURST, int(rate * BURST_SECONDS))
        return window.ready_at()

    def _window(self) -> Window:
        return self._windows[self.paid_rate if self._pays() else self.free_rate]

    def _paced_at(self, lane: Lane, now: float) -> float:
        """A reply need not wait for the even pace of what is sent meanwhile, nor for its window."""
        paced_at = self._pace.ready_at()
        if lane is Lane.INTERACTIVE:
            return paced_at - max(0, DIRECT_BURST - self._pace.burst) * self._pace.interval
        if lane < Lane.INTERACTIVE or now >= self._pressing_until:
            return paced_at
        window = self._window()
        return max(paced_at, window.ready_at(min(KEPT, window.count // KEPT_SHARE)))

    def _order(self) -> list[Lane]:
        lanes = list(self._lines)
        if self.waiting(Lane.EMERGENCY) and self._since_direct >= DIRECT_SHARE - 1:
            lanes.remove(Lane.INTERACTIVE)
            lanes.insert(0, Lane.INTERACTIVE)
        return lanes

    def _grant(self, ticket: Ticket, now: float) -> None:
        if self._pays() and self._windows[self.free_rate].ready_at() > now:
            ticket.paid = True
            self.budget -= 1
            self.paid += 1
        ticket.taken_at = now
        self.let_go += 1
        self._pace.take(now)
        for window in self._windows.values():
            window.take(ticket)
        self._chat(ticket.chat_id).take(ticket)
        self._since_direct += 1
        if ticket.lane is Lane.INTERACTIVE:
            self._since_direct = 0
            self._pressing_until = now + PRESSING

    def _chat_ready_at(self, chat_id: int) -> float:
        chat = self._chats.get(chat_id)
        return chat.ready_at() if chat else 0.0

    def _chat(self, chat_id: int) -> Chat:
        chat = self._chats.get(chat_id)
        if chat is None:
            window = Window(self.group_count, GROUP_SECONDS) if chat_id < 0 else None
            chat = self._chats[chat_id] = Chat(Pace(self.chat_interval, self.chat_burst), window)
        self._chats.move_to_end(chat_id)
        if len(self._chats) > KNOWN_CHATS:
            self._chats.popitem(last=False)
        return chat


def _window(rate: float) -> Window:
    count = max(1, int(rate))
    return Window(count, count / rate)

"""The sender: takes due deliveries, the most urgent first, and records what became of each.

Safe to kill at any moment: what was in flight is sent again, marked as a possible duplicate.
"""

import asyncio
import itertools
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from aiohttp import FormData
from sqlalchemy.ext.asyncio import AsyncSession
from telegram.error import BadRequest, ChatMigrated, RetryAfter, TelegramError

from bot import faults, tracing
from bot.composing import Composer, Letter
from bot.limiter import MAX_RETRIES, Limiter, seconds_of
from bot.pace import Ticket
from bot.papers import Fetch, Papers
from handlers.dispatch import Clock
from models import FIRST_BOT, Database, DeliveryState, Lane
from models.database import is_outage
from models.turns import WRITES_FIRST
from services import delivery, outbox
from services.outbox import Due, Receipt, Why
from services.words import Words

log = logging.getLogger(__name__)

LONGEST_SLEEP = 2.0
"""Seconds; what another process posted is found then at the latest."""
BUSY_SLEEP = 1.0
"""Seconds between looks while something is in flight."""
FLUSH_SECONDS = 0.1
"""What arrived is recorded after this time at the latest."""
FIRST_PAUSE = 2.0
"""Seconds before the second attempt; doubled each time, with jitter."""
LONGEST_PAUSE = 300.0
OUTAGE = 10
"""So many failures in a row, and Telegram is left alone for a moment."""
LONGEST_OUTAGE_PAUSE = 5.0
LANDS_WITHIN = 4.0
"""Seconds that what is in flight has at a stop; what takes longer is made up for by the next."""
OUTAGE_PAUSE = 0.5
"""Seconds until a database that was not there is asked again."""
SHARES = {
    Lane.EMERGENCY: 1.0,
    Lane.INTERACTIVE: 1.0,
    Lane.TRANSACTIONAL: 0.75,
    Lane.BROADCAST: 0.5,
}
"""Of the concurrency that each lane may fill, so that an emergency always finds room."""
PATIENCE = 5.0
"""Seconds after a 429 that are waited for in memory; a longer pause is left to the database."""
MESSAGES_A_STAR = 10
"""Above the free rate, at Telegram's price."""


class Wire(Protocol):
    async def __call__(self, method: str, body: bytes | FormData) -> Any:
        """The result of a method of the Bot API. Raises TelegramError."""


May = Callable[[AsyncSession], Awaitable[bool]]
"""Whether it is still this sender's turn, by what the transaction sees."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a deployment sets for its sender."""

    concurrency: int
    """Deliveries claimed at the same time, which bounds what a crash can double."""
    stars_a_day: float = 0.0
    """What paid broadcasts may cost in a local day."""
    bot_id: int = FIRST_BOT
    """By which bot it sends."""


class Sender:
    """`run` sends what is due by one bot until `stop`, as long as `may` says so."""

    def __init__(
        self,
        *,
        database: Database,
        wire: Wire,
        limiter: Limiter,
        words: Words,
        clock: Clock,
        bounds: Bounds,
        may: May | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.database = database
        self.wire = wire
        self.limiter = limiter
        self.words = words
        self.composer = Composer(words, bounds.bot_id)
        self.papers = Papers(database, words, clock, fetch)
        self.clock = clock
        self.bounds = bounds
        self._may = may
        self.on_landing: Callable[[Due, Receipt], object] = lambda *_: None
        """Called with what became of each attempt."""
        self._wake = asyncio.Event()
        self._receipts: list[Receipt] = []
        self._claimed: dict[int, Due] = {}
        self._chats: dict[tuple[Lane, int], deque[Due]] = {}
        """Those of a chat and lane in their order; the first has a ticket or is in flight."""
        self._resting: dict[int, datetime] = {}
        """Chats in which a delivery waits to be tried again; others must not overtake it."""
        self._tickets: dict[int, Ticket] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._patience = LANDS_WITHIN
        self._more = False
        self._barred = False
        """Another sender has taken over, which the heart is about to notice."""
        self._flush: asyncio.TimerHandle | None = None
        self._paid_recorded = 0
        self._paid_noted = 0
        """In the transaction under way, which may yet be lost."""
        self._failed_in_a_row = 0
        self.idle = asyncio.Event()
        """Set while nothing is due and nothing in flight."""

    def notice(self, info: Mapping[str, Any]) -> None:
        """A listener of commits: wakes the sender if something was posted."""
        if info.get(delivery.POSTED):
            self.wake()

    def wake(self) -> None:
        self.idle.clear()
        self._wake.set()

    def stop(self, within: float = LANDS_WITHIN) -> None:
        """Nothing more is taken; what is in flight has so many seconds to arrive.

        A cancelled task would lose the receipts that it was writing.
        """
        self._stopping = True
        self._patience = within
        self._wake.set()

    async def run(self) -> None:
        """Sends until `stop`; then what is in flight is awaited and recorded."""
        WRITES_FIRST.set(True)  # emergencies are claimed with all else
        try:
            await self._recover()
            while not self._stopping:
                self._wake.clear()
                try:
                    await self._turn()
                    if not self._more:
                        await self._rest()
                except Exception as fault:
                    if not is_outage(fault):
                        raise
                    await self._sit_out(fault)
        finally:
            await self._wind_up()
            self._stopping = False  # it may be this process's turn again

    async def _recover(self) -> None:
        """What is being sent, and not by this sender, has been interrupted."""
        but = list(self._claimed)
        resent = await self.database.transact(
            lambda session: outbox.release_claimed(
                session, self.clock(), bot_id=self.bounds.bot_id, but=but
            )
        )
        if resent:
            log.warning("%d deliveries had been in flight", resent)

    async def _sit_out(self, fault: Exception) -> None:
        """The database is not there: what arrives meanwhile is recorded once it is.

        A claim may have been written although its answer never came, so it is recovered as well.
        """
        log.warning("the database does not answer: %s", type(fault).__name__)
        while not self._stopping:
            await asyncio.sleep(OUTAGE_PAUSE)
            try:
                await self._recover()
            except Exception as again:
                if not is_outage(again):
                    raise
            else:
                break

    # Claiming and recording

    async def _turn(self) -> None:
        """Records what arrived and claims what is due, in one transaction."""
        receipts = self._put_down()
        rooms = self._rooms(receipts)
        if not receipts and not any(rooms.values()):
            self._more = False
            return
        now = self.clock()

        async def record_and_claim(session: AsyncSession) -> Sequence[Due]:
            await self._record(session, receipts, now)
            self._barred = self._may is not None and not await self._may(session)
            if self._barred:
                return []
            return await outbox.claim_due(session, now, rooms, bot_id=self.bounds.bot_id)

        try:
            claimed = await self.database.transact(record_and_claim)
        except BaseException:
            self._receipts = receipts + self._receipts
            raise
        self._paid_recorded += self._paid_noted
        for receipt in receipts:
            self._claimed.pop(receipt.delivery_id, None)
        self._more = bool(claimed) and len(claimed) >= max(rooms.values())
        for due in claimed:
            self._take_in(due)
        self._more = self._more and any(self._rooms([]).values())

    def _rooms(self, receipts: list[Receipt]) -> dict[Lane, int]:
        """How many of each lane may be claimed once these receipts are written."""
        taken = len(self._claimed) - len(receipts)
        return {
            lane: max(0, int(self.bounds.concurrency * share) - taken)
            for lane, share in SHARES.items()
        }

    def _put_down(self) -> list[Receipt]:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        receipts, self._receipts = self._receipts, []
        return receipts

    async def _rest(self) -> None:
        """Waits for a reason to look again: something posted, something sent, or its time."""
        seconds = BUSY_SLEEP
        if not self._claimed and not self._barred:
            async with self.database.read() as session:
                due_at = await outbox.next_due_at(session, self.bounds.bot_id)
            seconds = LONGEST_SLEEP
            if due_at is not None:
                seconds = min(seconds, (due_at - self.clock()).total_seconds())
            if seconds <= 0:
                return
            if not self._wake.is_set():
                self.idle.set()
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=seconds)
        except TimeoutError:
            return

    async def _wind_up(self) -> None:
        """What is in flight is awaited; what only waits for its turn is put back.

        What does not arrive in time stays as it is: the next start sends it again, marked.
        """
        for ticket in self._tickets.values():
            self.limiter.withdraw(ticket)
        flying: set[str] = set()
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=self._patience)
            flying = {task.get_name() for task in late}
            for task in late:
                task.cancel()
        landed = self._put_down()
        known = {receipt.delivery_id for receipt in landed}
        waiting = [
            due
            for due in self._claimed.values()
            if due.id not in known and _name_of(due) not in flying
        ]
        put_back = [_put_back(due, self.clock()) for due in waiting]

        async def record(session: AsyncSession) -> None:
            mine = self._may is None or await self._may(session)  # else another has taken them
            await self._record(session, landed + put_back if mine else landed, self.clock())

        if landed or put_back:
            await self.database.transact(record)
        for kept in (self._claimed, self._chats, self._tickets, self._resting):
            kept.clear()

    async def _record(
        self, session: AsyncSession, receipts: Sequence[Receipt], now: datetime
    ) -> None:
        """Broadcasts see to their own corrections, in portions."""
        self._paid_noted = 0
        await outbox.record(session, receipts, now)
        landed = [
            one.delivery_id
            for one in receipts
            if self._claimed[one.delivery_id].lane is not Lane.BROADCAST
        ]
        await outbox.let_corrections_follow(session, landed)
        await self._account_for_paid(session)

    async def _account_for_paid(self, session: AsyncSession) -> None:
        schedule = self.limiter.schedule
        if not schedule.paid_rate:
            return
        new = schedule.paid - self._paid_recorded
        today = self._today()
        paid = await outbox.note_paid(session, today, new)
        self._paid_noted = new
        meanwhile = schedule.paid - self._paid_recorded - new
        cap = int(self.bounds.stars_a_day * MESSAGES_A_STAR)
        schedule.budget = max(0, cap - paid - meanwhile)

    def _today(self) -> date:
        return self.clock().astimezone(self.words.policy.zone).date()

    # One after the other in a chat

    def _take_in(self, due: Due) -> None:
        self._claimed[due.id] = due
        rests_until = self._resting.get(due.chat_id)
        if rests_until is not None and rests_until > self.clock():
            self._land(due, _put_back(due, rests_until))
            return
        self._resting.pop(due.chat_id, None)
        line = self._chats.setdefault((due.lane, due.chat_id), deque())
        line.append(due)
        if len(line) == 1:
            self._queue(due)

    def _queue(self, due: Due) -> None:
        """Sends it when its turn comes."""

        def go(ticket: Ticket) -> None:
            del self._tickets[due.id]
            task = asyncio.create_task(self._deliver(due, ticket), name=_name_of(due))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

        self._tickets[due.id] = self.limiter.submit(due.lane, due.chat_id, go)

    def _next_in_chat(self, due: Due, receipt: Receipt) -> None:
        line = self._chats[due.lane, due.chat_id]
        line.popleft()
        if receipt.state is DeliveryState.QUEUED and receipt.retry_at is not None:
            self._resting[due.chat_id] = receipt.retry_at
            while line:
                behind = line.popleft()
                self._land(behind, _put_back(behind, receipt.retry_at))
        if line:
            self._queue(line[0])
        else:
            del self._chats[due.lane, due.chat_id]

    @property
    def in_flight(self) -> int:
        """Deliveries claimed and not yet recorded."""
        return len(self._claimed)

    def _land(self, due: Due, receipt: Receipt) -> None:
        """Keeps a receipt until it is written; at once if nothing else is under way."""
        self.on_landing(due, receipt)
        _note(due, receipt)
        self._receipts.append(receipt)
        full = len(self._receipts) * 4 >= self.bounds.concurrency
        if full or len(self._receipts) == len(self._claimed):
            self._wake.set()
        elif self._flush is None:
            loop = asyncio.get_running_loop()
            self._flush = loop.call_later(FLUSH_SECONDS, self._wake.set)

    # Sending one

    async def _deliver(self, due: Due, ticket: Ticket) -> None:
        with tracing.coming_of(due.wording.origin):
            await self._deliver_traced(due, ticket)

    async def _deliver_traced(self, due: Due, ticket: Ticket) -> None:
        try:
            receipt = await self._patiently(due, ticket)
        except TelegramError as fault:
            receipt = self._after(due, fault)
        except Exception as fault:
            log.exception("delivery can't be rendered", extra={"delivery_id": due.id})
            receipt = Receipt(
                due.id, DeliveryState.FAILED, why=Why.NOT_RENDERED, detail=type(fault).__name__
            )
        self._watch_for_outage(receipt)
        self._land(due, receipt)
        self._next_in_chat(due, receipt)

    def _watch_for_outage(self, receipt: Receipt) -> None:
        """An outage must not take a whole backlog through a failed attempt each."""
        if receipt.why not in faults.OUTAGES:
            self._failed_in_a_row = 0
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= OUTAGE:
            pause = min(2.0 ** (self._failed_in_a_row // OUTAGE - 1), LONGEST_OUTAGE_PAUSE)
            self.limiter.leave_alone(pause)

    async def _patiently(self, due: Due, ticket: Ticket) -> Receipt:
        """A short 429 is waited for; the chat's others stay behind this one meanwhile."""
        for refusals in itertools.count():
            try:
                receipt = await self._attempt(due, ticket)
            except RetryAfter as refused:
                self.limiter.too_many(due.chat_id, refused)
                if seconds_of(refused) > PATIENCE or refusals >= MAX_RETRIES:
                    raise
                ticket = await self.limiter.wait(due.lane, due.chat_id)
            else:
                if not refusals:
                    return receipt
                return replace(receipt, why=receipt.why or Why.FLOOD, refusals=refusals)
        raise AssertionError("unreachable")

    async def _attempt(self, due: Due, ticket: Ticket) -> Receipt:
        if due.edits_message_id is not None:
            await self._edit(due)
            return Receipt(due.id, DeliveryState.SENT, due.edits_message_id)
        try:
            sent = await self._send(due, ticket, self.composer.letters(due))
        except BadRequest as fault:
            why = faults.why(fault)
            if why not in faults.UNFORMATTED:
                raise
            sent = await self._send(due, ticket, self.composer.plain_letters(due))
            return Receipt(due.id, DeliveryState.SENT, sent, why=why, detail=fault.message)
        return Receipt(due.id, DeliveryState.SENT, sent)

    async def _send(self, due: Due, ticket: Ticket, letters: list[Letter]) -> int:
        """Telegram's id of the last message."""
        *first, last = letters
        for letter in first:
            await self._call(due, letter, ticket)
            ticket = await self.limiter.wait(due.lane, due.chat_id)
        sent = await self._call(due, last, ticket)
        return int(sent["message_id"])

    async def _call(self, due: Due, letter: Letter, ticket: Ticket) -> Any:
        body = letter.to(due.chat_id, **_paying(ticket))
        try:
            if letter.paper is not None:
                key = due.wording.id, due.language
                return await self.papers.send(self.wire, letter, key, body)
            return await self.wire(letter.method, body)
        finally:
            self.limiter.answered(ticket)

    async def _edit(self, due: Due) -> None:
        (letter,) = self.composer.letters(due)
        on_phone = {"message_id": due.edits_message_id or 0}
        try:
            await self.wire(letter.method, letter.to(due.chat_id, **on_phone))
        except BadRequest as fault:
            said = fault.message.lower()
            if faults.NO_TEXT in said:
                letter = self.composer.edit_of_caption(due)
            elif letter.method == "deleteMessage":
                letter = self.composer.edit(due)
            elif faults.ALREADY_SO in said:
                return
            else:
                raise
            await self.wire(letter.method, letter.to(due.chat_id, **on_phone))

    def _after(self, due: Due, fault: TelegramError) -> Receipt:
        """What a failed attempt means: never again, or when."""
        why, detail = faults.why(fault), fault.message
        if isinstance(fault, ChatMigrated):
            return Receipt(
                due.id, DeliveryState.QUEUED, why=why, detail=detail, retry_at=self.clock(),
                moved_to=fault.new_chat_id,
            )  # fmt: skip
        if why not in outbox.LATER:
            level = logging.INFO if why in outbox.UNREACHABLE else logging.WARNING
            log.log(level, "delivery failed: %s", why, extra={"delivery_id": due.id})
            return Receipt(due.id, DeliveryState.FAILED, why=why, detail=detail)
        return Receipt(
            due.id, DeliveryState.QUEUED, why=why, detail=detail,
            retry_at=self.clock() + self._pause(due, fault),
            possible_duplicate=why in faults.MAYBE_ARRIVED,
        )  # fmt: skip

    def _pause(self, due: Due, fault: TelegramError) -> timedelta:
        if isinstance(fault, RetryAfter):
            return timedelta(seconds=seconds_of(fault))
        seconds = min(FIRST_PAUSE * 2 ** min(due.attempts - 1, 10), LONGEST_PAUSE)
        return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311


def _name_of(due: Due) -> str:
    """Of the task that delivers it."""
    return f"delivery-{due.id}"


def _note(due: Due, receipt: Receipt) -> None:
    """Not each of a broadcast that went well: there may be as many as there are people."""
    well = receipt.state is DeliveryState.SENT
    usual = not receipt.attempted or (well and due.lane is Lane.BROADCAST)
    fields = {
        "origin": due.wording.origin,
        "delivery_id": due.id,
        "message_id": due.wording.id,
        "lane": due.lane.name.lower(),
        "state": receipt.state.value,
        "why": receipt.why.value if receipt.why else None,
    }
    log.log(logging.DEBUG if usual else logging.INFO, "delivery", extra=fields)


def _paying(ticket: Ticket) -> dict[str, Any]:
    return {"allow_paid_broadcast": True} if ticket.paid else {}


def _put_back(due: Due, until: datetime) -> Receipt:
    """Not tried yet; queued again."""
    return Receipt(due.id, DeliveryState.QUEUED, retry_at=until, attempted=False)

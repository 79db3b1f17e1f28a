"""The sender: takes due deliveries, the most urgent first, and records what became of each.

Safe to kill at any moment: what was in flight is sent again, marked as a possible duplicate.
"""

import asyncio
import logging
import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from telegram import Bot, Message
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.request import AnswerLostError
from handlers.dispatch import Clock
from handlers.presenting import CAPTION_LIMIT, inline_markup
from models import Database, DeliveryState
from services import delivery
from services.delivery import Due, Receipt
from services.words import Rendered, Words

log = logging.getLogger(__name__)

LONGEST_SLEEP = 30.0
FIRST_PAUSE = 2.0
"""Seconds before the second attempt; doubled each time, with jitter."""
MAX_ATTEMPTS = 8
REASON_LENGTH = 200
UNKNOWN_CHATS = ("chat not found", "user not found", "peer_id_invalid")
ALREADY_SO = "message is not modified"
NO_TEXT = "there is no text in the message to edit"


class Sender:
    """`concurrency` sends are under way at most, which bounds what a crash can double."""

    def __init__(
        self,
        database: Database,
        bot: Bot,
        words: Words,
        clock: Clock,
        concurrency: int,
    ) -> None:
        self.database = database
        self.bot = bot
        self.words = words
        self.clock = clock
        self.concurrency = concurrency
        self._wake = asyncio.Event()
        self._receipts: list[Receipt] = []
        self._migrated: list[tuple[int, int]] = []
        self._stopping = False
        self._in_flight: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        """Set while nothing is due and nothing in flight."""

    def notice(self, session: AsyncSession) -> None:
        """A listener of commits: wakes the sender if something was posted."""
        if session.info.get(delivery.POSTED):
            self.wake()

    def wake(self) -> None:
        self.idle.clear()
        self._wake.set()

    def stop(self) -> None:
        """Nothing more is taken. A cancelled task would lose the receipts that it was writing."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Sends until `stop`; then what is in flight is awaited and recorded."""
        async with self.database.write() as session:
            resent = await delivery.release_claimed(session, self.clock())
        if resent:
            log.warning("%d deliveries were in flight at the last stop", resent)
        try:
            while not self._stopping:
                self._wake.clear()
                took = await self._take()
                if not took:
                    await self._rest()
        finally:
            if self._in_flight:
                await asyncio.wait(self._in_flight)
            await self._record()

    async def _take(self) -> bool:
        """Records receipts and claims what is due in one transaction; True if there may be more."""
        free = self.concurrency - len(self._in_flight)
        receipts, migrated = self._put_down()
        if not free and not receipts:
            return False
        async with self.database.write() as session:
            await self._write(session, receipts, migrated)
            claimed = await delivery.claim_due(session, self.clock(), free) if free else []
        for due in claimed:
            task = asyncio.create_task(self._deliver(due), name=f"delivery-{due.id}")
            self._in_flight.add(task)
            task.add_done_callback(self._landed)
        return bool(claimed) and len(claimed) == free

    def _landed(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._wake.set()

    async def _rest(self) -> None:
        """Waits for a reason to look again: something posted, something sent, or its time."""
        if self._in_flight or self._receipts:
            await self._wake.wait()
            return
        async with self.database.read() as session:
            due_at = await delivery.next_due_at(session)
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

    def _put_down(self) -> tuple[list[Receipt], list[tuple[int, int]]]:
        receipts, self._receipts = self._receipts, []
        migrated, self._migrated = self._migrated, []
        return receipts, migrated

    async def _record(self) -> None:
        receipts, migrated = self._put_down()
        if receipts:
            async with self.database.write() as session:
                await self._write(session, receipts, migrated)

    async def _write(
        self, session: AsyncSession, receipts: list[Receipt], migrated: list[tuple[int, int]]
    ) -> None:
        await delivery.record(session, receipts, self.clock())
        for old, new in migrated:
            await delivery.move_group(session, old, new)

    async def _deliver(self, due: Due) -> None:
        try:
            receipt = await self._attempt(due)
        except TelegramError as fault:
            receipt = self._after(due, fault)
        except Exception as fault:
            log.exception("delivery can't be rendered", extra={"delivery_id": due.id})
            receipt = Receipt(due.id, DeliveryState.FAILED, reason=type(fault).__name__)
        self._receipts.append(receipt)

    async def _attempt(self, due: Due) -> Receipt:
        rendered = self.words.render(due.template, due.language, **due.parameters)
        if due.edits_message_id is not None:
            await self._edit(due, rendered)
            return Receipt(due.id, DeliveryState.SENT, due.edits_message_id)
        sent = await self._send(due, rendered)
        return Receipt(due.id, DeliveryState.SENT, sent.message_id)

    async def _send(self, due: Due, rendered: Rendered) -> Message:
        common: dict[str, Any] = {
            "chat_id": due.chat_id,
            "reply_markup": inline_markup(rendered.keyboard),
            "disable_notification": due.silent,
            "parse_mode": ParseMode.HTML,
            "rate_limit_args": due.lane,
        }
        photo = (due.attachment or {}).get("photo")
        if photo is not None and len(rendered.text) <= CAPTION_LIMIT:
            return await self.bot.send_photo(photo=photo, caption=rendered.text, **common)
        return await self.bot.send_message(text=rendered.text, **common)

    async def _edit(self, due: Due, rendered: Rendered) -> None:
        common: dict[str, Any] = {
            "chat_id": due.chat_id,
            "message_id": due.edits_message_id,
            "reply_markup": inline_markup(rendered.keyboard),
            "parse_mode": ParseMode.HTML,
            "rate_limit_args": due.lane,
        }
        try:
            await self.bot.edit_message_text(text=rendered.text, **common)
        except BadRequest as fault:
            reason = fault.message.lower()
            if NO_TEXT in reason:
                await self.bot.edit_message_caption(caption=rendered.text, **common)
            elif ALREADY_SO not in reason:
                raise

    def _after(self, due: Due, fault: TelegramError) -> Receipt:
        """What a failed attempt means: never again, or when."""
        reason = fault.message[:REASON_LENGTH]
        if isinstance(fault, ChatMigrated):
            self._migrated.append((due.chat_id, fault.new_chat_id))
            return Receipt(due.id, DeliveryState.QUEUED, reason=reason, retry_at=self.clock())
        if isinstance(fault, Forbidden) or _unknown_chat(fault):
            return Receipt(due.id, DeliveryState.FAILED, reason=reason, unreachable=True)
        if isinstance(fault, BadRequest) or due.attempts >= MAX_ATTEMPTS:
            log.error("delivery failed: %s", reason, extra={"delivery_id": due.id})
            return Receipt(due.id, DeliveryState.FAILED, reason=reason)
        return Receipt(
            due.id,
            DeliveryState.QUEUED,
            reason=reason,
            retry_at=self._retry_at(due, fault),
            possible_duplicate=isinstance(fault, TimedOut | AnswerLostError),
        )

    def _retry_at(self, due: Due, fault: TelegramError) -> datetime:
        if isinstance(fault, RetryAfter):
            after = fault.retry_after
            pause = after if isinstance(after, timedelta) else timedelta(seconds=float(after))
            return self.clock() + pause
        seconds = FIRST_PAUSE * 2 ** (due.attempts - 1) * random.uniform(0.8, 1.2)  # noqa: S311
        return self.clock() + timedelta(seconds=seconds)


def _unknown_chat(fault: TelegramError) -> bool:
    text = fault.message.lower()
    return isinstance(fault, BadRequest) and any(words in text for words in UNKNOWN_CHATS)

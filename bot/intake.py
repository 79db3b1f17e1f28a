"""How updates come in: kept in the database first, then handed to the application.

An update that Telegram regards as delivered is in the inbox; one that is in the inbox is answered,
if need be after a restart.
"""

import asyncio
import json
import logging
import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from telegram import Bot, Chat, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bot.gate import Gate
from handlers.dispatch import Clock
from models import Database
from services import accounts, outbox

log = logging.getLogger(__name__)

POLL_SECONDS = 50
LONGEST_PAUSE = 30.0
FLUSH_SECONDS = 0.2
ALLOWED = ("message", "callback_query", "my_chat_member", "edited_message")

RawUpdate = dict[str, Any]

# The raw update is what is kept; `Bot.get_updates` would give only what it knows of it.
warnings.filterwarnings("ignore", message="Please use 'Bot.getUpdates'")


class Intake:
    """`queue` is the application's; `gate` keeps what it holds within bounds."""

    def __init__(
        self,
        database: Database,
        bot: Bot,
        queue: "asyncio.Queue[object]",
        clock: Clock,
        gate: Gate,
    ) -> None:
        self.database = database
        self.bot = bot
        self.queue = queue
        self.clock = clock
        self.gate = gate
        self._answered: list[int] = []
        self._pressed: dict[tuple[int, datetime], set[int]] = {}
        self._something_answered = asyncio.Event()
        self.under_way = 0
        """Updates between their arrival and their answer."""
        self.newest = 0
        """The highest update id that has been stored."""
        self.moved = asyncio.Event()
        """Set whenever one of the two changes."""

    async def take(self, updates: Sequence[RawUpdate]) -> None:
        """Stores raw updates and queues the new ones; when it returns they can't be lost.

        What the gate does not let in is forgotten.
        """
        let_in = self.gate.let_in(updates)
        fresh: set[int] = set()
        try:
            fresh = await self._store(let_in)
        finally:
            for raw in let_in:
                if raw["update_id"] not in fresh:
                    self.gate.left(raw["update_id"])
        for raw in let_in:
            if raw["update_id"] in fresh:
                await self._enqueue(raw)
        self.newest = max(self.newest, *(raw["update_id"] for raw in updates))
        self.moved.set()

    async def _store(self, updates: Sequence[RawUpdate]) -> set[int]:
        """Answers the ids of those that are new."""
        if not updates:
            return set()
        rows = [(u["update_id"], _chat_id(u), json.dumps(u, ensure_ascii=False)) for u in updates]
        async with self.database.write() as session:
            return set(await accounts.receive(session, rows, self.clock()))

    async def replay(self, bodies: Sequence[str]) -> None:
        """Queues updates that were stored and never handled."""
        for body in bodies:
            await self._enqueue(json.loads(body))

    async def _enqueue(self, raw: RawUpdate) -> None:
        try:
            update = Update.de_json(raw, self.bot)
        except Exception:  # whatever it is, it would come again and again
            log.exception("update can't be read", extra={"update_id": raw["update_id"]})
            self.gate.left(raw["update_id"])
            self.note(raw["update_id"])
            return
        self.under_way += 1
        await self.queue.put(update)

    def left(self, update_id: int) -> None:
        """The application is through with an update, whether or not its answer went out."""
        self.under_way -= 1
        self.gate.left(update_id)
        self.moved.set()

    def answered(self, update: Update) -> None:
        """The answer to an update has gone out; noted in batches, with the message pressed on."""
        message = update.callback_query.message if update.callback_query else None
        if message is not None and message.chat.type == Chat.PRIVATE:
            self._pressed.setdefault((message.chat.id, self.clock()), set()).add(message.message_id)
        self.note(update.update_id)

    def note(self, update_id: int) -> None:
        """Nothing more is to be done about an update."""
        self._answered.append(update_id)
        self._something_answered.set()

    async def keep_noting(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._something_answered.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            await self.note_answered()

    async def note_answered(self) -> None:
        self._something_answered.clear()
        done, self._answered = self._answered, []
        pressed, self._pressed = self._pressed, {}
        if not done:
            return

        async def note(session: AsyncSession) -> None:
            await accounts.mark_answered(session, done, self.clock())
            for (chat_id, at), message_ids in pressed.items():
                await outbox.seen(session, chat_id, message_ids, at)

        await self.database.transact(note)

    async def poll(self) -> None:
        """Asks Telegram for updates until cancelled. Raises InvalidToken."""
        offset: int | None = None
        pause = 1.0
        while True:
            try:
                found = await self._ask(offset)
                pause = 1.0
            except InvalidToken:
                raise
            except Conflict as fault:
                log.error("another program reads this bot's updates: %s", fault.message)  # noqa: TRY400
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            except TelegramError as fault:
                wait = fault.retry_after if isinstance(fault, RetryAfter) else pause
                log.warning("no updates: %s", fault.message)
                await asyncio.sleep(float(wait if isinstance(wait, int | float) else pause))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            if found:
                await self.take(found)
                offset = found[-1]["update_id"] + 1

    async def _ask(self, offset: int | None) -> list[RawUpdate]:
        asked: dict[str, Any] = {"timeout": POLL_SECONDS, "allowed_updates": list(ALLOWED)}
        if offset is not None:
            asked["offset"] = offset
        found = await self.bot.do_api_request(
            "getUpdates", api_kwargs=asked, read_timeout=POLL_SECONDS + 10
        )
        return list(found)


def _chat_id(raw: RawUpdate) -> int | None:
    """The chat that an update belongs to, out of the kinds that are asked for.

    None for a live place: a phone sends it by itself, which is no sign of life of its owner.
    """
    if "location" in raw.get("edited_message", {}):
        return None
    for kind in ("message", "edited_message", "my_chat_member"):
        if kind in raw:
            return int(raw[kind]["chat"]["id"])
    query = raw.get("callback_query")
    if query is None:
        return None
    message = query.get("message")
    return int(message["chat"]["id"] if message else query["from"]["id"])

"""How updates of a bot come in: kept in the database first, then handed to the application.

An update that Telegram regards as delivered is in the inbox; one that is in the inbox is answered,
if need be by another process, or after a restart. What is said in a chat is answered in its order,
whichever processes it reaches: Telegram delivers the next update of a chat once the one before is
stored, so whoever stores it sees whether another process still has to answer that.
"""

import asyncio
import itertools
import json
import logging
import warnings
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from telegram import Bot, Chat, Update
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.gate import Gate
from bot.sanity import RawUpdate
from handlers.dispatch import Clock
from models import Database
from models.database import is_outage
from models.turns import WRITES_FIRST
from services import accounts, outbox
from services.accounts import Left, Taker

log = logging.getLogger(__name__)

POLL_SECONDS = 50
LONGEST_PAUSE = 30.0
FLUSH_SECONDS = 0.2
WAITS_SECONDS = 0.1
"""After which it is looked again whether another process is through with a chat."""
LOOKS_EVERY = 2.0
"""Seconds between looks for what another process, or a fault, has left unanswered."""
PATIENCE = timedelta(seconds=20)
"""After this time an answer that could not be sent is made up for."""
ALLOWED = ("message", "callback_query", "my_chat_member", "edited_message")

PickUp = Callable[[int], Awaitable[None]]
"""Shows somebody by chat id where they stand. Raises TelegramError."""

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
        self.taker = Taker(0, 0)
        """Set before anything is taken."""
        self.on_receipt: Callable[[RawUpdate], object] = lambda _: None
        """Called with each update that is new."""
        self._answered: list[int] = []
        self._left: list[int] = []
        """Through with, although no answer went out."""
        self._pressed: dict[tuple[int, datetime], set[int]] = {}
        self._something_left = asyncio.Event()
        self._open: set[int] = set()
        """Updates from before they are stored until it is noted that they are through."""
        self._under_way: set[int] = set()
        self._behind: dict[int, list[RawUpdate]] = {}
        """By chat: what waits for another process."""
        self._turn = asyncio.Lock()
        """Held while updates are lined up, so that of a chat none is behind a later one."""
        self.newest = 0
        """The highest update id that has been stored."""
        self.moved = asyncio.Event()
        """Set whenever one of the two changes."""

    @property
    def under_way(self) -> int:
        """Updates between their arrival and their answer."""
        return len(self._under_way) + sum(len(raws) for raws in self._behind.values())

    async def take(self, updates: Sequence[RawUpdate]) -> None:
        """Stores raw updates and queues the new ones; when it returns they can't be lost.

        What the gate does not let in is forgotten. Emergencies are on their way before the others
        are stored.
        """
        let_in = self.gate.let_in(updates)
        portions: dict[bool, list[RawUpdate]] = {True: [], False: []}
        for raw in let_in:
            portions[self.gate.came_first(raw)].append(raw)
        for urgent, portion in portions.items():
            if portion:
                await self._take_in(portion, urgent=urgent)
        self.newest = max(self.newest, *(raw["update_id"] for raw in updates))
        self.moved.set()

    async def _take_in(self, let_in: Sequence[RawUpdate], *, urgent: bool) -> None:
        WRITES_FIRST.set(urgent)
        opened = {raw["update_id"] for raw in let_in} - self._open
        self._open |= opened
        fresh: set[int] = set()
        waits: set[int] = set()
        try:
            fresh, waits = await self._store(let_in)
        finally:
            self._open -= opened - fresh
            for raw in let_in:
                if raw["update_id"] in opened - fresh:
                    self.gate.left(raw["update_id"])
        async with self._turn:  # what came before may just be taken over from the dead
            for raw in let_in:
                if raw["update_id"] in fresh:
                    self.on_receipt(raw)
                    await self._line_up(raw, waits)

    async def _store(self, updates: Sequence[RawUpdate]) -> tuple[set[int], set[int]]:
        """Answers the ids of those that are new, and the chats that wait for another process."""
        rows = [(u["update_id"], _chat_id(u), json.dumps(u, ensure_ascii=False)) for u in updates]
        async with self.database.write() as session:
            fresh = set(await accounts.receive(session, self.taker, rows, self.clock()))
            chats = {chat for key, chat, _ in rows if chat is not None and key in fresh}
            return fresh, await accounts.behind(session, self.taker, chats)

    async def _line_up(self, raw: RawUpdate, waits: Collection[int]) -> None:
        """Queues an update, behind what another process has of the same chat."""
        chat_id = _chat_id(raw)
        if chat_id is not None and (chat_id in waits or chat_id in self._behind):
            line = self._behind.setdefault(chat_id, [])
            line.append(raw)
            line.sort(key=lambda one: int(one["update_id"]))
        else:
            await self._enqueue(raw)

    async def _enqueue(self, raw: RawUpdate) -> None:
        try:
            update = Update.de_json(raw, self.bot)
        except Exception:  # whatever it is, it would come again and again
            log.exception("update can't be read", extra={"update_id": raw["update_id"]})
            self.gate.left(raw["update_id"])
            self._answered.append(raw["update_id"])
            self._something_left.set()
            return
        self._under_way.add(raw["update_id"])
        await self.queue.put(update)

    def left(self, update_id: int) -> None:
        """The application is through with an update, whether or not its answer went out."""
        self._under_way.discard(update_id)
        self.gate.left(update_id)
        if update_id not in self._answered:
            self._left.append(update_id)
            self._something_left.set()
        self.moved.set()

    def answered(self, update: Update) -> None:
        """The answer to an update has gone out; noted in batches, with the message pressed on."""
        message = update.callback_query.message if update.callback_query else None
        if message is not None and message.chat.type == Chat.PRIVATE:
            self._pressed.setdefault((message.chat.id, self.clock()), set()).add(message.message_id)
        self._answered.append(update.update_id)
        self._something_left.set()

    async def keep_noting(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._something_left.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.note_answered()
            except Exception as fault:
                if not is_outage(fault):
                    raise
                log.warning("not noted yet: %s", type(fault).__name__)
                self._something_left.set()

    async def note_answered(self) -> None:
        """Writes down which updates need nothing more. Nothing is forgotten if it fails."""
        self._something_left.clear()
        done, self._answered = self._answered, []
        left, self._left = self._left, []
        pressed, self._pressed = self._pressed, {}
        try:
            await self._note(done, left, pressed)
        except BaseException:
            self._answered = done + self._answered
            self._left = left + self._left
            for key, message_ids in pressed.items():
                self._pressed.setdefault(key, set()).update(message_ids)
            raise
        self._open.difference_update(done, left)

    async def _note(
        self, done: list[int], left: list[int], pressed: dict[tuple[int, datetime], set[int]]
    ) -> None:
        if not done and not left:
            return
        bot_id, now = self.taker.bot_id, self.clock()

        async def note(session: AsyncSession) -> None:
            if done:
                await accounts.mark_answered(session, bot_id, done, now)
            if left:
                await accounts.mark_handled(session, bot_id, left, now)
            for (chat_id, at), message_ids in pressed.items():
                await outbox.seen(session, chat_id, message_ids, at, bot_id=bot_id)

        await self.database.transact(note)

    # What others left

    async def recover(self, pick_up: PickUp) -> None:
        """What processes left behind that live no more is answered by this one."""
        await self._show_again(await self._gather(self.clock()), pick_up)

    async def look_after(self, pick_up: PickUp) -> None:
        """Runs until cancelled: takes over from the dead, and makes up for answers that failed."""
        for turn in itertools.count(1):
            await asyncio.sleep(WAITS_SECONDS if self._behind else LOOKS_EVERY)
            try:
                await self._go_on()
                if not self._behind or turn % int(LOOKS_EVERY / WAITS_SECONDS) == 0:
                    unsaid = await self._gather(self.clock() - PATIENCE)
                    await self._show_again(unsaid, pick_up)
            except Exception as fault:
                if not is_outage(fault):
                    log.exception("unanswered updates could not be looked after")

    async def _go_on(self) -> None:
        """Queues what need not wait for another process any more."""
        if not self._behind:
            return
        async with self.database.read() as session:
            waits = await accounts.behind(session, self.taker, self._behind.keys())
        async with self._turn:
            for chat_id in self._behind.keys() - waits:
                for raw in self._behind.pop(chat_id):
                    await self._enqueue(raw)
        self.moved.set()

    async def _take_over(self) -> None:
        async with self.database.read() as session:
            if not await accounts.is_orphaned(session, self.taker):
                return

        async def adopt(session: AsyncSession) -> int:
            return await accounts.adopt(session, self.taker)

        if number := await self.database.transact(adopt):
            log.warning("took over %d updates that another process had left", number)

    async def _gather(self, until: datetime) -> list[Left]:
        """Lines up what nobody is about to answer, also of the dead.

        Answers what has been handled until then and only lacks its answer.
        """
        async with self._turn:
            await self._take_over()
            known = set(self._open)  # one that is noted while it is looked is not left
            async with self.database.read() as session:
                left = await accounts.unanswered(session, self.taker)
            known |= self._open
            left = [one for one in left if one.update_id not in known]
            waiting = [json.loads(one.body) for one in left if one.handled_at is None]
            self._open.update(raw["update_id"] for raw in waiting)
            for raw in waiting:
                await self._line_up(raw, ())
        return [one for one in left if one.handled_at is not None and one.handled_at <= until]

    async def _show_again(self, unsaid: Iterable[Left], pick_up: PickUp) -> None:
        """Once a chat, however many answers it misses."""
        chats: dict[int | None, list[int]] = {}
        for one in unsaid:
            chats.setdefault(one.chat_id, []).append(one.update_id)
        for chat_id, update_ids in chats.items():
            try:
                if chat_id is not None:
                    await pick_up(chat_id)
            except TelegramError as fault:
                log.info("could not pick up again: %s", fault.message)
                if not isinstance(fault, Forbidden | BadRequest):
                    continue
            self._answered += update_ids
            self._something_left.set()

    # Polling

    async def poll(self) -> None:
        """Asks Telegram for updates until cancelled. Raises InvalidToken."""
        offset: int | None = None
        pause = 1.0
        while True:
            try:
                found = await self._ask(offset)
                if found:
                    await self.take(found)
                    offset = found[-1]["update_id"] + 1
                pause = 1.0
            except InvalidToken:
                raise
            except Exception as fault:
                await asyncio.sleep(_told(fault, pause))
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _ask(self, offset: int | None) -> list[RawUpdate]:
        asked: dict[str, Any] = {"timeout": POLL_SECONDS, "allowed_updates": list(ALLOWED)}
        if offset is not None:
            asked["offset"] = offset
        found = await self.bot.do_api_request(
            "getUpdates", api_kwargs=asked, read_timeout=POLL_SECONDS + 10
        )
        return list(found)


def _told(fault: Exception, pause: float) -> float:
    """Logs why there are no updates; answers in how many seconds to ask again."""
    if isinstance(fault, Conflict):
        log.error("another program reads this bot's updates: %s", fault.message)
    elif isinstance(fault, TelegramError):
        log.warning("no updates: %s", fault.message)
    elif is_outage(fault):
        log.warning("updates can't be stored: %s", type(fault).__name__)
    else:
        raise fault
    if isinstance(fault, RetryAfter):
        wait = fault.retry_after
        return float(wait) if isinstance(wait, int | float) else wait.total_seconds()
    return pause


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

"""What is let in of what people send: tells emergencies from the rest, and asks `bot.flood`.

What is not let in is neither stored nor handled; its sender is told so now and then. So is nothing
that can't be read.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from telegram import Update

from bot.flood import Flood, Verdict
from bot.sanity import RawUpdate, tidied
from handlers.routes import is_urgent
from models import Database
from models.database import is_outage
from services import callouts

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often it is looked up for whom an emergency is under way."""

Tell = Callable[[RawUpdate], Coroutine[Any, Any, None]]


class Gate:
    """`tell` says to the sender of an update that it was one too many; it must not raise."""

    def __init__(
        self,
        database: Database,
        flood: Flood,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database = database
        self.flood = flood
        self.dropped = 0
        """Updates since the start that were not let in."""
        self.unreadable = 0
        """Updates that nobody could make out."""
        self._tell = tell
        self._clock = clock
        self._concerned: frozenset[int] = frozenset()
        self._inside: dict[int, tuple[int, bool]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def let_in(self, updates: Sequence[RawUpdate]) -> list[RawUpdate]:
        """Those that are to be handled, emergencies before the others."""
        passed: dict[bool, list[RawUpdate]] = {True: [], False: []}
        now = self._clock()
        for came in updates:
            raw = tidied(came)
            if raw is None:
                log.warning("update can't be read")
                self.unreadable += 1
                continue
            sender, urgent = sender_of(raw), self._judged_urgent(raw)
            verdict = self.flood.judge(sender, now, urgent=urgent)
            if verdict is Verdict.PASS:
                if raw["update_id"] in self._inside:  # a repeated one, which nobody handles
                    self.flood.left(sender, urgent=urgent)
                self._inside.setdefault(raw["update_id"], (sender, urgent))
                passed[urgent].append(raw)
                continue
            self.dropped += 1
            if verdict is Verdict.TELL:
                self._say_so(raw)
        return passed[True] + passed[False]

    def is_urgent(self, update: Update) -> bool:
        """Of one that was let in, by this process or by one that has died since."""
        known = self._inside.get(update.update_id)
        return self._judged_urgent(update.to_dict()) if known is None else known[1]

    def came_first(self, raw: RawUpdate) -> bool:
        """Whether it was let in as an emergency."""
        return self._inside[raw["update_id"]][1]

    def left(self, update_id: int) -> None:
        """It has been handled, or never was to be."""
        known = self._inside.pop(update_id, None)
        if known is not None:
            sender, urgent = known
            self.flood.left(sender, urgent=urgent)

    async def keep_looking(self) -> None:
        """Keeps in mind who commands and who is called out, until cancelled."""
        while True:
            try:
                async with self.database.read() as session:
                    self._concerned = await callouts.concerned(session)
            except Exception as fault:
                if not is_outage(fault):
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    def _judged_urgent(self, raw: RawUpdate) -> bool:
        return sender_of(raw) in self._concerned or is_emergency(raw)

    def _say_so(self, raw: RawUpdate) -> None:
        log.info("more than one person may send", extra={"update_id": raw["update_id"]})
        task = asyncio.create_task(self._tell(raw))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def sender_of(raw: RawUpdate) -> int:
    """Who sent it, else the chat, else 0."""
    for kind in ("message", "edited_message", "callback_query", "my_chat_member"):
        if kind in raw:
            sender = raw[kind].get("from") or raw[kind].get("chat") or {}
            return int(sender.get("id", 0))
    return 0


def is_emergency(raw: RawUpdate) -> bool:
    """A press or a link that answers an emergency, whoever sends it."""
    if "callback_query" in raw:
        return is_urgent(str(raw["callback_query"].get("data", "")))
    text = raw.get("message", {}).get("text")
    start, _, payload = str(text).partition(" ")
    return start == "/start" and is_urgent(payload, link=True)

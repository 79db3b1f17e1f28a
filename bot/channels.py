"""The engine for other channels: sends by Apprise what `services.channels` says is to be sent."""

import asyncio
import logging
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.addressing import filled_in
from bot.settings import ChannelSettings
from handlers.dispatch import Clock
from handlers.routes import is_on_page
from models import Database
from services import answer_links, channels, delivery
from services.channels import Due, Reach, Wanted
from services.outbox import Why
from services.policy import Policy
from services.words import Words
from services.work import Work

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Sends of one channel under way at the same time; one that hangs holds up no other channel."""
LOOKS_EVERY = 5.0
"""Seconds; whom to reach otherwise is asked so often at least."""
LOOKS_AT_MOST_EVERY = 0.5
LONGEST_SUBJECT = 70


@dataclass(frozen=True, slots=True)
class Fault:
    why: Why
    detail: str = ""
    """Never the address or the text."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out: plain text, with a subject where there is a line for it."""

    text: str
    subject: str


Outcome = tuple[Due, Fault | None]


class OtherChannels:
    """`run` sends until `stop`. Never in the way of Telegram's sender: it has its own claims."""

    def __init__(
        self,
        *,
        database: Database,
        words: Words,
        settings: ChannelSettings,
        public_url: str,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self.database = database
        self.words = words
        self.settings = settings
        self.channels = settings.channels()
        self.public_url = public_url
        self.policy = policy
        self.clock = clock
        self._threads = {
            one.name: ThreadPoolExecutor(AT_ONCE, thread_name_prefix=one.name)
            for one in self.channels
        }
        self._reaches = {one.name: one.reach for one in self.channels}
        self._under_way: set[asyncio.Task[None]] = set()
        self._taken: Counter[str] = Counter()
        """How many each channel has claimed and not yet recorded."""
        self._done: list[Outcome] = []
        self._wake = asyncio.Event()
        self._posted = True
        self._looked = 0.0
        self._looked_up_to: datetime | None = None
        self._stopping = False
        self.on_sending: Callable[[str, str | None], object] = lambda *_: None
        """Called with the channel of each attempt, and why it failed if it did."""

    def notice(self, info: Mapping[str, Any]) -> None:
        """A listener of commits."""
        if info.get(delivery.POSTED):
            self._posted = True
            self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        async with self.database.write() as session:
            resent = await channels.release_claimed(session, self.clock())
        if resent:
            log.warning("%d deliveries by other channels were in flight at the last stop", resent)
        while not self._stopping:
            self._wake.clear()
            try:
                await self._step()
            except Exception:  # Telegram goes on meanwhile, and it is tried again
                log.exception("other channels failed")
            await self._rest()
        await self._land()
        self._stopping = False

    async def turn(self) -> None:
        """Posts what is to be reached otherwise, sends what is due, and waits until it is done."""
        self._posted = True
        await self._step()
        await self._land()

    # Claiming and recording

    async def _step(self) -> None:
        """Looks whom to reach otherwise, if something may have changed, and goes on sending."""
        now = self.clock()
        looks, self._posted = self._posted, False
        wanted = await self._look(now) if looks else []
        await self._go_on(now, wanted)
        if looks and all(len(one.keys) < channels.PORTION for one in wanted):
            self._looked_up_to = now

    async def _look(self, now: datetime) -> Sequence[Wanted]:
        """In a transaction that nobody waits for."""
        self._looked = monotonic()
        async with self.database.read() as session:
            work = Work(session, now, self.policy)
            return await channels.look(work, self.channels, self._looked_up_to)

    async def _go_on(self, now: datetime, wanted: Sequence[Wanted]) -> None:
        """Records what is done, posts what is wanted and begins to send what is due."""
        done = list(self._done)
        rooms = self._rooms(done)
        async with self.database.read() as session:
            due = await channels.waiting(session, now)
        if not (done or wanted or any(rooms.get(name) for name in due)):
            return
        async with self.database.write() as session:
            await self._record(session, done)
            await channels.post(Work(session, now, self.policy), wanted)
            claimed = await channels.claim(session, now, self.channels, rooms)
        self._put_down(done)
        for one in claimed:
            self._begin(one)

    def _rooms(self, done: Sequence[Outcome]) -> dict[str, int]:
        """How many each channel may claim once these are recorded."""
        free = Counter(due.channel for due, _ in done)
        return {one.name: AT_ONCE - self._taken[one.name] + free[one.name] for one in self.channels}

    async def _record(self, session: AsyncSession, done: Sequence[Outcome]) -> None:
        for due, fault in done:
            if fault is None:
                await channels.landed(session, due, self.clock())
            else:
                await channels.failed(session, due, self.clock(), fault.why, fault.detail)

    def _put_down(self, done: Sequence[Outcome]) -> None:
        """They have been recorded; others may have been done meanwhile."""
        del self._done[: len(done)]
        self._taken.subtract(due.channel for due, _ in done)

    async def _land(self) -> None:
        """Waits for what is under way, and records it."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        if done := list(self._done):
            async with self.database.write() as session:
                await self._record(session, done)
            self._put_down(done)

    async def _rest(self) -> None:
        """Until something was posted or sent, or it is time to look again."""
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=LOOKS_EVERY)
        except TimeoutError:
            self._posted = True
            return
        too_early = self._looked + LOOKS_AT_MOST_EVERY - monotonic()
        if too_early > 0 and not self._done and not self._stopping:
            await asyncio.sleep(too_early)

    # Sending

    def _begin(self, due: Due) -> None:
        self._taken[due.channel] += 1
        task = asyncio.create_task(self._send(due), name=f"{due.channel} {due.id}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, due: Due) -> None:
        fault = await self._try(due)
        if fault is not None:
            said = f"{fault.why} {fault.detail}".strip()
            log.warning("%s: %s", due.channel, said, extra={"delivery_id": due.id})
        self.on_sending(due.channel, fault.why if fault else None)
        self._done.append((due, fault))
        self._wake.set()

    async def _try(self, due: Due) -> Fault | None:
        """What went wrong, or None. Whatever a service raises may hold the address."""
        if due.address is None:
            return Fault(Why.NO_ADDRESS)
        try:
            letter = self._letter(due)
        except Exception:
            log.exception("message can't be rendered", extra={"delivery_id": due.id})
            return Fault(Why.NOT_RENDERED)
        url = filled_in(self.settings.urls[due.channel].get_secret_value(), due.address)
        threads = self._threads[due.channel]
        try:
            taken = await asyncio.get_running_loop().run_in_executor(
                threads, hand_over, url, letter
            )
        except Exception as fault:
            return Fault(Why.REFUSED, type(fault).__name__)
        return None if taken else Fault(Why.REFUSED, "not taken")

    def _letter(self, due: Due) -> Letter:
        """The words without formatting, and where to answer if there is something to press."""
        rendered = self.words.render(due.template, due.language, **due.parameters)
        if rendered.keyboard.only_in_chat:
            drill = bool(due.parameters.get("drill"))
            rendered = self.words.render("answers/in_chat", due.language, drill=drill)
        text = rendered.unformatted
        subject = textwrap.shorten(text.partition("\n")[0], LONGEST_SUBJECT, placeholder="…")
        if self._reaches[due.channel] is not Reach.EMAIL:
            subject = ""
        if answer_links.offered(rendered, is_on_page):
            until = self.clock() + timedelta(hours=self.settings.answer_hours)
            link = f"{self.public_url}/a/{answer_links.token(due.id, until)}"
            text += "\n\n" + self.words.plain("answers/link", due.language, link=link)
        return Letter(text, subject)


def hand_over(url: str, letter: Letter) -> bool:
    """Blocks until the service has taken it or not; a few seconds at most."""
    import apprise

    service = apprise.Apprise()
    if not service.add(url):
        return False
    text = apprise.NotifyFormat.TEXT
    return bool(service.notify(body=letter.text, title=letter.subject, body_format=text))

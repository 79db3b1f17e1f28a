"""The engine for other channels: sends by Apprise what `services.channels` says is to be sent."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.addressing import filled_in
from bot.settings import ChannelSettings
from handlers.dispatch import Clock
from models import Database
from services import answer_links, channels, delivery
from services.channels import Due
from services.policy import Policy
from services.words import Words
from services.work import Work

log = logging.getLogger(__name__)

AT_ONCE = 20
LOOKS_EVERY = 5.0
"""Seconds; what has become due in between waits so long at most."""


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
        self._wake = asyncio.Event()
        self._stopping = False

    def notice(self, session: AsyncSession) -> None:
        """A listener of commits."""
        if session.info.get(delivery.POSTED):
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
            if not await self.turn():
                await self._rest()

    async def turn(self) -> int:
        """Posts what is to be reached otherwise and sends what is due; answers how many."""
        now = self.clock()
        async with self.database.write() as session:
            work = Work(session, now, self.policy)
            await channels.fall_back(work, self.channels)
            await channels.escalate(work, self.channels)
            claimed = await channels.claim(session, now, self.channels, AT_ONCE)
        faults = await asyncio.gather(*(self._send(due) for due in claimed))
        await self._record(claimed, faults)
        return len(claimed)

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=LOOKS_EVERY)
        except TimeoutError:
            return

    async def _record(self, claimed: Sequence[Due], faults: Sequence[str | None]) -> None:
        if not claimed:
            return
        async with self.database.write() as session:
            for due, fault in zip(claimed, faults, strict=True):
                if fault is None:
                    await channels.landed(session, due, self.clock())
                else:
                    log.warning("%s: %s", due.channel, fault, extra={"delivery_id": due.id})
                    await channels.failed(session, due, self.clock(), fault)

    async def _send(self, due: Due) -> str | None:
        """What went wrong, or None. Says nothing of the address or the text."""
        import apprise

        if due.address is None:
            return "no address"
        url = self.settings.urls[due.channel].get_secret_value()
        service = apprise.Apprise()
        service.add(filled_in(url, due.address))
        try:
            taken = await service.async_notify(body=self._text(due))
        except Exception as fault:  # whatever a service's plug-in may raise
            log.exception("channel failed", extra={"delivery_id": due.id})
            return type(fault).__name__
        return None if taken else "not taken"

    def _text(self, due: Due) -> str:
        """The words without formatting, and where to answer if there is something to press."""
        rendered = self.words.render(due.template, due.language, **due.parameters)
        if not rendered.keyboard.buttons:
            return rendered.unformatted
        until = self.clock() + timedelta(hours=self.settings.answer_hours)
        link = f"{self.public_url}/a/{answer_links.token(due.id, until)}"
        where = self.words.plain("answers/link", due.language, link=link)
        return f"{rendered.unformatted}\n\n{where}"

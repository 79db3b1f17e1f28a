"""A SIGTERM ends the program soon and loses nothing, even while Telegram hangs."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from models import Delivery, DeliveryState, Inbox
from services import delivery
from services.delivery import Post
from services.policy import Policy
from services.work import Work
from tests.databases import ON_POSTGRESQL
from tests.killable import killed_outright

STARTING = 60
"""Seconds at most that a process of its own takes to start beside other tests."""


class Hanging:
    """All chats; knows for which ones Telegram has been called."""

    def __init__(self) -> None:
        self.called: set[object] = set()
        self._changed = asyncio.Event()

    def __contains__(self, chat_id: object) -> bool:
        self.called.add(chat_id)
        self._changed.set()
        return True

    async def both(self, *chat_ids: int) -> None:
        async with asyncio.timeout(60):
            while not self.called.issuperset(chat_ids):
                self._changed.clear()
                await self._changed.wait()


@ON_POSTGRESQL
async def test_what_hangs_at_the_end_is_done_by_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    async with killed_outright(database_url, tmp_path) as bot:
        chen, li = bot.person("陈晓丽"), bot.person("李大明", started=True)
        hanging = Hanging()
        released = bot.telegram.faults.hold(method="sendMessage", chats=hanging)
        bot.start()
        await chen.say("/start")
        async with bot.database.write() as session:
            work = Work(session, datetime.now(UTC), Policy())
            post = Post("approvals/refused", {"reason": "到期"}, "notice")
            await delivery.tell_chat(work, post, li.id, "zh_Hans")
        await hanging.both(chen.id, li.id)
        assert bot.running is not None
        bot.running.stop(signal.SIGTERM)
        ended = await bot.running.ended()
        bot.running = None
        assert ended.code == 0
        async with bot.database.read() as session:
            update = (await session.scalars(select(Inbox))).one()
            sending = (await session.scalars(select(Delivery.state))).one()
        assert update.handled_at is not None and update.answered_at is None
        assert sending is DeliveryState.SENDING
        await chen.say("在吗")
        bot.telegram.faults.clear()
        released.set()
        bot.start()
        await li.sees("到期", STARTING)
        await chen.sees("我刚才离开了一小会儿", STARTING)
        await chen.sees("我没看懂", STARTING)
        async with bot.database.read() as session:
            sent = (await session.scalars(select(Delivery).where(Delivery.chat_id == li.id))).one()
        assert sent.possible_duplicate

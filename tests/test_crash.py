"""The sender is killed at random moments: nothing is lost, and what may be doubled is marked."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import pytest
from sqlalchemy import insert, select

from bot.settings import TelegramSettings
from models import Database, Delivery, DeliveryState, Lane
from playground import Playground
from playground.server import Call
from services import delivery
from services.delivery import Post
from services.policy import Policy
from services.work import Work
from tests.city import FAST, TOKEN, USERNAME
from tests.lone_sender import LoneSender, sender
from tests.times import ManualClock

CONCURRENCY = 20
CHATS = 100
KILLS = {"sqlite": 100, "postgresql": 10}
LONGEST = 15
"""Calls that a sender makes at most before it is killed."""
SPARE = 1500


@dataclass
class Stage:
    """A Telegram with people in it, and a database with a backlog for them."""

    telegram: Playground
    database: Database
    url: str
    settings: TelegramSettings

    def calls(self) -> list[Call]:
        return self.telegram.calls("sendMessage")

    async def called(self, times: int) -> None:
        """Waits until Telegram has been called so often in all."""
        changed = asyncio.Event()
        stop = self.telegram.world.subscribe(lambda *_: changed.set())
        async with asyncio.timeout(30):
            while len(self.calls()) < times:
                changed.clear()
                await changed.wait()
        stop()

    async def in_flight(self) -> list[int]:
        async with self.database.read() as session:
            sending = select(Delivery.id).where(Delivery.state == DeliveryState.SENDING)
            return list(await session.scalars(sending))

    async def deliveries(self) -> list[Delivery]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Delivery).order_by(Delivery.id)))


@asynccontextmanager
async def stage(url: str, clock: ManualClock, backlog: int) -> AsyncIterator[Stage]:
    database = Database(url)
    async with Playground() as telegram:
        bot = telegram.add_bot(TOKEN, USERNAME)
        phones = [telegram.add_person(f"Person {n}").use(bot) for n in range(CHATS)]
        for phone in phones:
            phone.chat.started = True
        async with database.write() as session:
            post = Post("approvals/refused", {}, "notice")
            message = await delivery.write(Work(session, clock(), Policy()), post)
            rows = [row(message.id, phones[n % CHATS].id, n, clock()) for n in range(backlog)]
            await session.execute(insert(Delivery), rows)
        settings = TelegramSettings.model_validate(
            {
                "token": TOKEN,
                "api_base_url": telegram.url,
                "messages_per_second": 1000,
                "chat_messages_per_second": FAST,
                "group_messages_per_minute": FAST,
                "concurrency": CONCURRENCY,
            }
        )
        yield Stage(telegram, database, url, settings)
    await database.close()


def row(message_id: int, chat_id: int, number: int, now: datetime) -> dict[str, object]:
    return {
        "message_id": message_id,
        "chat_id": chat_id,
        "language": "en",
        "lane": Lane.TRANSACTIONAL,
        "state": DeliveryState.QUEUED,
        "parameters": {"reason": f"N{number}."},
        "created_at": now,
        "due_at": now,
        "attempts": 0,
        "possible_duplicate": False,
    }


def numbers(calls: list[Call]) -> Counter[str]:
    """How often each message arrived."""
    return Counter(
        str(call.parameters["text"]).partition("N")[2].partition(".")[0] for call in calls
    )


async def test_nothing_is_lost_and_what_is_doubled_is_marked(
    database_url: str, clock: ManualClock, request: pytest.FixtureRequest
) -> None:
    kind = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    backlog = KILLS[kind] * LONGEST + SPARE
    async with stage(database_url, clock, backlog) as on:
        in_flight: Counter[int] = Counter()
        for _ in range(KILLS[kind]):
            before = len(on.calls())
            running = LoneSender(on.url, on.settings)
            await on.called(before + chance.randint(1, LONGEST))
            await asyncio.sleep(chance.random() / 100)
            await running.killed()
            claimed = await on.in_flight()
            assert 0 < len(claimed) <= CONCURRENCY, f"seed {seed}"
            in_flight.update(claimed)
        async with sender(on.url, on.settings) as last:
            task = asyncio.create_task(last.run())
            await last.idle.wait()
            last.stop()
            await task
        rows = await on.deliveries()
        arrived = numbers(on.calls())
    keys = {str(number): row.id for number, row in enumerate(rows)}
    assert len(rows) == backlog
    assert {row.state for row in rows} == {DeliveryState.SENT}, f"seed {seed}"
    assert set(arrived) == set(keys), f"seed {seed}"
    doubled = Counter({keys[number]: times - 1 for number, times in arrived.items() if times > 1})
    marked = {row.id for row in rows if row.possible_duplicate}
    assert doubled <= in_flight, f"seed {seed}"
    assert doubled.keys() <= marked == in_flight.keys(), f"seed {seed}"

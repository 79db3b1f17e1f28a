"""Senders to compare, each a program: `python -m benchmarks.senders KIND URL DATABASE COUNT RATE`.

`muster` is the real one; `bare` a loop over aiohttp that posts the same bodies and remembers
nothing; `library` python-telegram-bot with its AIORateLimiter and a commit a message. Prints one
JSON object when COUNT messages have been sent.
"""

import asyncio
import json
import resource
import sys
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import uvloop
from sqlalchemy import select, update

from benchmarks import outbox_city
from models import Database, Delivery, DeliveryState

TOKEN = outbox_city.TOKEN
IN_FLIGHT = 30
CONCURRENCY = 200


def used() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


async def muster(url: str, database_url: str, _count: int, rate: float) -> None:
    from bot.limiter import Limiter
    from bot.line import build_wire
    from bot.pace import Schedule
    from bot.request import AiohttpRequest
    from bot.sender import Bounds, Sender
    from bot.settings import TelegramSettings
    from services.policy import Policy
    from services.words import Words

    request = AiohttpRequest(connections=CONCURRENCY)
    await request.initialize()
    settings = TelegramSettings(token=TOKEN, api_base_url=url)
    sender = Sender(
        database=Database(database_url),
        wire=build_wire(settings, TOKEN, request),
        limiter=Limiter(Schedule(rate, chat_per_second=1000)),
        words=Words(Policy()),
        clock=lambda: datetime.now(UTC),
        bounds=Bounds(CONCURRENCY if rate > 100 else 20),
    )
    running = asyncio.create_task(sender.run())
    await sender.idle.wait()
    sender.stop()
    await running
    await request.shutdown()


async def bare(url: str, _database_url: str, total: int, _rate: float) -> None:
    head = outbox_city.body(0)
    numbers = iter(range(total))
    async with aiohttp.ClientSession() as session:

        async def post() -> None:
            for number in numbers:
                body = head.replace(b'"chat_id": 0', b'"chat_id": %d' % (number + 1))
                async with session.post(
                    f"{url}/bot{TOKEN}/sendMessage",
                    data=body,
                    headers={"Content-Type": "application/json"},
                ) as response:
                    json.loads(await response.read())

        await asyncio.gather(*(post() for _ in range(IN_FLIGHT)))


async def library(url: str, database_url: str, total: int, rate: float) -> None:
    from telegram import InlineKeyboardMarkup
    from telegram.ext import AIORateLimiter, ExtBot

    body = json.loads(outbox_city.body(0))
    keyboard: Any = InlineKeyboardMarkup.de_json(body["reply_markup"], None)
    bot: Any = ExtBot(
        TOKEN,
        base_url=f"{url}/bot",
        rate_limiter=AIORateLimiter(overall_max_rate=rate, max_retries=5),
    )
    database = Database(database_url)
    async with bot, database.read() as session:
        for _ in range(total):
            row = await session.execute(
                select(Delivery.id, Delivery.chat_id)
                .where(Delivery.state == DeliveryState.QUEUED)
                .order_by(Delivery.id)
                .limit(1)
            )
            key, chat_id = row.one()
            sent = await bot.send_message(
                chat_id, body["text"], parse_mode="HTML", reply_markup=keyboard
            )
            async with database.write() as writing:
                await writing.execute(
                    update(Delivery)
                    .where(Delivery.id == key)
                    .values(state=DeliveryState.SENT, telegram_message_id=sent.message_id)
                )
            await session.rollback()
    await database.close()


def main() -> None:
    kind, url, database_url, total, rate = sys.argv[1:]
    run = {"muster": muster, "bare": bare, "library": library}[kind]
    began, cpu = time.monotonic(), used()
    uvloop.run(run(url, database_url, int(total), float(rate)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": used() - cpu, "seconds": time.monotonic() - began, "peak": peak}))


if __name__ == "__main__":
    main()

"""What a process takes over from one that has died: in the order in which it was said."""

import asyncio
import json
from typing import Any

from sqlalchemy import insert
from telegram import Update

from bot.intake import Intake
from models import Inbox
from services.accounts import Taker
from tests.city import City

CHEN, LIN = 5_001, 5_002
DEAD = 999
"""A process of which nothing is left but what it had taken."""


def said(update_id: int, chat_id: int, text: str = "你好") -> dict[str, Any]:
    chat = {"id": chat_id, "type": "private", "first_name": "晓丽"}
    sender = {"id": chat_id, "is_bot": False, "first_name": "晓丽"}
    message = {"message_id": update_id, "date": 0, "chat": chat, "from": sender, "text": text}
    return {"update_id": update_id, "message": message}


async def left(city: City, raw: dict[str, Any], **more: Any) -> None:
    """The process that took it has died before it was answered."""
    async with city.database.write() as session:
        row = {"chat_id": raw["message"]["chat"]["id"], "body": json.dumps(raw)}
        taken = {"bot_id": 1, "taken_by": DEAD, "received_at": city.clock()}
        await session.execute(
            insert(Inbox).values(update_id=raw["update_id"], **row, **taken, **more)
        )


async def test_what_comes_while_others_are_shown_where_they_stand_stays_behind_what_was_left(
    city: City,
) -> None:
    line = city.program.line
    queue: asyncio.Queue[Any] = asyncio.Queue()
    intake = Intake(city.database, line.bot, queue, city.clock, line.gate)
    intake.taker = Taker(1, 7_000)
    await left(city, said(1, LIN), handled_at=city.clock())
    await left(city, said(2, CHEN))

    async def pick_up(_chat_id: int) -> None:
        await intake.take([said(3, CHEN)])

    await intake.recover(pick_up)
    assert [queue.get_nowait().update_id for _ in range(queue.qsize())] == [2, 3]


async def test_an_emergency_that_was_left_is_as_urgent_as_any(city: City) -> None:
    line = city.program.line
    pressed = {
        "id": "1", "chat_instance": "1", "data": "callout.coming:1:30",
        "from": said(4, CHEN)["message"]["from"], "message": said(4, CHEN)["message"],
    }  # fmt: skip
    replayed = Update.de_json({"update_id": 4, "callback_query": pressed}, line.bot)
    assert line.gate.is_urgent(replayed)
    assert not line.gate.is_urgent(Update.de_json(said(5, CHEN), line.bot))

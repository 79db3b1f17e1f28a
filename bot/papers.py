"""Files that deliveries carry: made when the first is sent, kept by Telegram for the others.

A message's attachment {"paper": {"name", ...}} says which, and of what; with "picture": true it is
a picture and no PDF.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from bot.composing import Letter
from handlers.dispatch import Clock
from models import Database
from services import monthly, recognition
from services.words import Words
from services.work import Work

REMEMBERED = 200
TYPES = {"document": "application/pdf", "photo": "image/png"}
MAKERS: Mapping[str, Callable[..., Awaitable[tuple[str, Callable[[], bytes]]]]] = {
    monthly.PAPER: monthly.made,
    recognition.CARD: recognition.card,
}
"""What answers a file's name and what makes it, which takes a while and runs in a thread."""


class Papers:
    def __init__(self, database: Database, words: Words, clock: Clock) -> None:
        self.database = database
        self.words = words
        self.clock = clock
        self._sent: OrderedDict[tuple[int, str], str] = OrderedDict()
        """Telegram's file id, by message and language."""
        self._turn = asyncio.Lock()

    async def send(
        self, wire: Callable[..., Awaitable[Any]], letter: Letter, key: tuple[int, str], body: bytes
    ) -> Any:
        """Sends a letter that carries a paper; `key` are the message and the language."""
        async with self._turn:
            known = self._sent.get(key)
            if known is None:
                sent = await wire(letter.method, await self._with_file(letter, key[1], body))
                self._sent[key] = _file_id(sent)
                if len(self._sent) > REMEMBERED:
                    self._sent.popitem(last=False)
                return sent
        field = _field(letter)
        return await wire(letter.method, json.dumps({**json.loads(body), field: known}).encode())

    async def _with_file(self, letter: Letter, language: str, body: bytes) -> aiohttp.FormData:
        about = letter.paper or {}
        async with self.database.read() as session:
            work = Work(session, self.clock(), self.words.policy)
            name, make = await MAKERS[about["name"]](work, self.words, language, about)
        content = await asyncio.to_thread(make)
        form = aiohttp.FormData()
        for field, value in json.loads(body).items():
            form.add_field(field, value if isinstance(value, str) else json.dumps(value))
        field = _field(letter)
        form.add_field(field, content, filename=name, content_type=TYPES[field])
        return form


def _field(letter: Letter) -> str:
    """What Telegram calls it."""
    return "photo" if (letter.paper or {}).get("picture") else "document"


def _file_id(sent: Mapping[str, Any]) -> str:
    """Of a picture, the largest that Telegram has made of it."""
    kept = sent["photo"][-1] if "photo" in sent else sent["document"]
    return str(kept["file_id"])

"""Files that deliveries carry: sent up with the first, kept by Telegram for the others.

A message's attachment {"paper": {"name", ...}} says which is to be made, and of what; with
"picture": true it is a picture and no PDF. What another bot was sent is fetched from there.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from bot.composing import KEPT, Letter
from handlers.dispatch import Clock
from models import Database
from services import monthly, recognition
from services.words import Words
from services.work import Work

REMEMBERED = 200
TYPES = {"document": "application/pdf", "photo": "image/png"}
FIELDS = {"sendPhoto": "photo", "sendDocument": "document", "sendVoice": "voice"}
"""What Telegram calls the file of a call."""
MAKERS: Mapping[str, Callable[..., Awaitable[tuple[str, Callable[[], bytes]]]]] = {
    monthly.PAPER: monthly.made,
    recognition.CARD: recognition.card,
}
"""What answers a file's name and what makes it, which takes a while and runs in a thread."""


Fetch = Callable[[str], Awaitable[bytes]]
"""The bytes of a kept file, by its reference. Raises TelegramError."""


class Papers:
    def __init__(
        self, database: Database, words: Words, clock: Clock, fetch: Fetch | None = None
    ) -> None:
        self.database = database
        self.words = words
        self.clock = clock
        self._fetch = fetch
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
        again = {**json.loads(body), FIELDS[letter.method]: known}
        return await wire(letter.method, json.dumps(again).encode())

    async def _with_file(self, letter: Letter, language: str, body: bytes) -> aiohttp.FormData:
        about = letter.paper or {}
        called = FIELDS[letter.method]
        if KEPT in about and self._fetch is not None:
            name, content = called, await self._fetch(about[KEPT])
        else:
            name, content = await self._made(about, language)
        form = aiohttp.FormData()
        for field, value in json.loads(body).items():
            form.add_field(field, value if isinstance(value, str) else json.dumps(value))
        form.add_field(called, content, filename=name, content_type=TYPES.get(called))
        return form

    async def _made(self, about: Mapping[str, Any], language: str) -> tuple[str, bytes]:
        async with self.database.read() as session:
            work = Work(session, self.clock(), self.words.policy)
            name, make = await MAKERS[about["name"]](work, self.words, language, about)
        return name, await asyncio.to_thread(make)


def _file_id(sent: Mapping[str, Any]) -> str:
    """Of a picture, the largest that Telegram has made of it."""
    kept = next(sent[called] for called in FIELDS.values() if called in sent)
    return str((kept[-1] if isinstance(kept, list) else kept)["file_id"])

"""A person's phone: what somebody can do in a chat, and what they see. For tests and the page."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playground.model import (
    Bot,
    Button,
    CallbackAnswer,
    Chat,
    Contact,
    InlineKeyboard,
    Location,
    Message,
    Person,
)
from playground.pictures import qr_of
from playground.richtext import with_found
from playground.world import Query, World

Match = Callable[[Message], Any]
START_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")
SHOWN = 5


class Phone:
    """Speaks in the chat with one bot, or in the group that `in_chat` names."""

    def __init__(self, world: World, person: Person, bot: Bot | None = None) -> None:
        self.world = world
        self.person = person
        self._bot = bot
        self._in: Chat | None = None

    @property
    def id(self) -> int:
        return self.person.id

    # Where

    def use(self, bot: Bot) -> "Phone":
        self._bot, self._in = bot, None
        return self

    def in_chat(self, chat: Chat) -> "Phone":
        """The same person's phone, opened at a group or channel."""
        phone = Phone(self.world, self.person, self._bot)
        phone._in = chat
        return phone

    @property
    def chat(self) -> Chat:
        if self._in is not None:
            return self._in
        bot = self._bot or next(iter(self.world.bots.values()))
        return self.world.chat_between(bot, self.person)

    # What is seen

    @property
    def messages(self) -> list[Message]:
        """All that is in the chat and not deleted, the oldest first."""
        return [m for m in self.chat.messages.values() if not m.deleted]

    @property
    def last(self) -> Message:
        return self.messages[-1]

    @property
    def screen(self) -> Message:
        """The newest message from the bot."""
        return next(m for m in reversed(self.messages) if m.from_bot)

    async def wait(self, match: Match, limit: float = 10) -> Message:
        """The newest message from the bot that matches, at once or when it comes or is edited.

        Raises AssertionError with the last messages after `limit` seconds.
        """
        found: Message = await self._until(lambda: self._newest(match), limit, "no such message")
        return found

    async def sees(self, text: str, limit: float = 10) -> Message:
        """Waits for a message from the bot with `text` in its words."""
        return await self.wait(lambda m: text in m.words, limit)

    async def wait_until(self, look: Callable[[], Any], limit: float = 10) -> Any:
        """Waits until `look` finds something; asked again at every change in the playground."""
        return await self._until(look, limit, "it did not happen")

    def _newest(self, match: Match) -> Message | None:
        return next((m for m in reversed(self.messages) if m.from_bot and match(m)), None)

    async def _until(self, look: Callable[[], Any], limit: float, missed: str) -> Any:
        changed = asyncio.Event()
        stop = self.world.subscribe(lambda *_: changed.set())
        try:
            async with asyncio.timeout(limit):
                while not (found := look()):
                    changed.clear()
                    await changed.wait()
                return found
        except TimeoutError:
            shown = "\n".join(str(m) for m in self.messages[-SHOWN:])
            raise AssertionError(f"{missed}; {self.person.name} sees:\n{shown}") from None
        finally:
            stop()

    # What is done

    async def say(self, text: str, reply_to: int | None = None) -> Message:
        entities = with_found(text, ())
        return self._speak(text=text, entities=entities, reply_to=reply_to)

    async def start(self) -> Message:
        return await self.say("/start")

    async def open(self, link: str) -> Message:
        """Opens a deep link https://t.me/<bot>?start=<payload>."""
        parts = urlsplit(link)
        payload = parse_qs(parts.query).get("start", [""])[0]
        bot = self.world.bot_named(parts.path.strip("/"))
        if parts.netloc not in ("t.me", "telegram.me") or bot is None:
            raise ValueError(f"not a link to a bot: {link}")
        if payload and not START_PAYLOAD.fullmatch(payload):
            raise ValueError(f"Telegram opens no such payload: {payload}")
        self.use(bot)
        return await self.say(f"/start {payload}".strip())

    async def scan(self, message: Message) -> Message:
        """Points the camera at a picture on another phone and opens what its QR code says."""
        payload = qr_of(message.photo) if message.photo else None
        if payload is None:
            raise ValueError("there is no QR code in this picture")
        return await self.open(payload)

    async def press(self, label: str, limit: float = 10) -> CallbackAnswer | None:
        """Presses the newest button of that name: the exact name, else one that contains it.

        Answers what the bot said to an inline button; None for a key of the reply keyboard.
        """
        found = await self._until(lambda: self.find(label), limit, f"no button {label!r}")
        message, button = found
        if message is None:
            await self._press_key(button)
            return None
        if button.kind == "url":
            await self.open(button.url or "")
            return None
        return await self.press_data(button.data or "", message.id, limit)

    def find(self, label: str) -> tuple[Message | None, Button] | None:
        """The newest button with a label; the message is None for the reply keyboard."""
        for fits in (lambda text: text == label, lambda text: label in text):
            for message in reversed(self.messages):
                for row in message.inline_rows:
                    for button in row:
                        if fits(button.text):
                            return message, button
            keyboard = self.chat.reply_keyboard
            for row in keyboard.rows if keyboard else ():
                for button in row:
                    if fits(button.text):
                        return None, button
        return None

    async def _press_key(self, button: Button) -> None:
        if button.kind == "contact":
            await self.share_contact()
        elif button.kind == "location":
            raise ValueError("say where: share_location(latitude, longitude)")
        else:
            await self.say(button.text)

    async def press_data(
        self, data: str, message_id: int | None = None, limit: float = 10
    ) -> CallbackAnswer:
        """Presses a button with this callback data, whether or not it is there."""
        key = message_id or self.screen.id
        query = self.world.press(self.chat, self.person, self.chat.messages[key], data)
        return await self.answered(query, limit)

    async def answered(self, query: Query, limit: float = 10) -> CallbackAnswer:
        answer: CallbackAnswer = await self._until(
            lambda: query.answer, limit, "the button was not answered"
        )
        return answer

    def tap(self, message: Message, row: int, column: int) -> Query:
        """Presses the button at a place, without waiting for the answer."""
        button = message.inline_rows[row][column]
        return self.world.press(self.chat, self.person, message, button.data or "")

    async def share_contact(
        self, phone_number: str | None = None, user_id: int | None = 0
    ) -> Message:
        """The own card, or another one: its number, and its Telegram account if it has one."""
        if phone_number is None:
            card = Contact(
                self.person.phone_number, self.person.first_name, self.person.last_name, self.id
            )
        else:
            card = Contact(phone_number, self.person.first_name, "", user_id or None)
        return self._speak(contact=card)

    async def share_location(
        self, latitude: float, longitude: float, live_period: int | None = None
    ) -> Message:
        return self._speak(location=Location(latitude, longitude, live_period))

    async def move(self, message: Message, latitude: float, longitude: float) -> None:
        """A live location goes on."""
        period = message.location.live_period if message.location else None
        self.world.move_live(message, location=Location(latitude, longitude, period))

    async def stop_sharing(self, message: Message) -> None:
        if message.location is not None:
            ended = replace(message.location, live_period=None)
            self.world.move_live(message, location=ended)

    async def send_photo(self, content: bytes, caption: str = "") -> Message:
        stored = self.world.store("photo", content, "photo.jpg", "image/jpeg")
        return self._speak(photo=stored, caption=caption)

    async def send_document(self, content: bytes, name: str, mime: str = "") -> Message:
        kind = mime or "application/octet-stream"
        return self._speak(document=self.world.store("document", content, name, kind))

    async def send_voice(
        self, content: bytes, seconds: int = 0, mime: str = "audio/ogg"
    ) -> Message:
        stored = self.world.store("voice", content, "voice.ogg", mime)
        stored.duration = seconds
        return self._speak(voice=stored)

    async def block(self) -> None:
        self.world.block(self.chat, True)

    async def unblock(self) -> None:
        self.world.block(self.chat, False)

    def _speak(self, **content: Any) -> Message:
        keyboard = self.chat.reply_keyboard
        if keyboard is not None and keyboard.one_time:
            self.chat.reply_keyboard = None
        return self.world.speak(self.chat, self.person, **content)


def labels(message: Message) -> list[str]:
    """The labels of a message's inline buttons, in order."""
    if not isinstance(message.markup, InlineKeyboard):
        return []
    return [button.text for row in message.markup.rows for button in row]

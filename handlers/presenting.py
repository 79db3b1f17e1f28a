"""Putting a reply on the phone: which message is edited, which is new, what its keyboard is.

The only place of the handlers that calls the Bot API. Everything here runs after the commit.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from telegram import (
    Bot,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    KeyboardButton,
    Message,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    WebAppInfo,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, NetworkError, TimedOut

from handlers.replies import Bytes, Erase, Part, Show, Toast
from models import Lane
from services.words import Button, Key, Keyboard, Rendered, Words

log = logging.getLogger(__name__)

REMEMBERED_SCREENS = 10_000
CAPTION_LIMIT = 1024
RETRY_SECONDS = (0.5, 1.0, 2.0)
DIRECT: dict[str, Any] = {"rate_limit_args": Lane.INTERACTIVE}
FORMATTED: dict[str, Any] = {"parse_mode": ParseMode.HTML}
"""For calls with words alone: the library's own default would go with a venue, too."""

Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove | None


AtHand = Callable[[str], Awaitable[str | bytes]]
"""A kept file as this bot can send it: Telegram's id, or the bytes of what another bot was sent."""


class Presenter:
    def __init__(self, bot: Bot, words: Words, at_hand: AtHand) -> None:
        self.bot = bot
        self.words = words
        self._at_hand = at_hand
        self._newest: OrderedDict[int, int] = OrderedDict()
        """The last screen with buttons in each chat, so that its buttons go when a new one comes.

        Only for tidiness: pressing a button that is out of date is answered in any case.
        """

    async def present(
        self, chat_id: int, language: str, parts: list[Part], pressed: CallbackQuery | None
    ) -> list[tuple[Show, int]]:
        """Answers which screens that are about something were sent, with their message ids."""
        if pressed is not None:
            await self._answer(pressed, language, parts)
        editable = pressed
        kept: list[tuple[Show, int]] = []
        for part in parts:
            if isinstance(part, Toast):
                continue
            if isinstance(part, Erase):
                await self._erase(chat_id, part.message_id)
                continue
            if editable is not None and not part.fresh:
                sent = await self._replace(editable, chat_id, language, part)
                editable = None
            else:
                sent = await self._send(chat_id, language, part)
            if part.about is not None and sent is not None:
                kept.append((part, sent))
        return kept

    async def _erase(self, chat_id: int, message_id: int) -> None:
        try:
            await self.bot.delete_message(chat_id, message_id)
        except BadRequest as fault:
            log.info("message could not be erased", extra={"reason": str(fault)})

    async def _answer(self, pressed: CallbackQuery, language: str, parts: list[Part]) -> None:
        toast = next((part for part in parts if isinstance(part, Toast)), None)
        text = self.words.plain(toast.template, language, **toast.parameters) if toast else None
        try:
            await pressed.answer(text=text, show_alert=toast.alert if toast else None)
        except BadRequest:
            log.info("callback query answered too late")

    async def _replace(
        self, pressed: CallbackQuery, chat_id: int, language: str, show: Show
    ) -> int | None:
        """Edits the pressed message; where that can't be, sends a new one and answers its id."""
        message = pressed.message
        rendered = self.words.render(show.template, language, **show.parameters)
        simple = not (show.picture or show.voice or show.document or show.venue)
        if isinstance(message, Message) and message.text and simple and not rendered.keyboard.keys:
            try:
                await self.bot.edit_message_text(
                    rendered.text,
                    chat_id=chat_id,
                    message_id=message.message_id,
                    reply_markup=inline_markup(rendered.keyboard),
                    **FORMATTED,
                    **DIRECT,
                )
            except BadRequest as fault:
                if "not modified" in str(fault).lower():
                    return None
                log.info("screen could not be edited", extra={"reason": str(fault)})
            else:
                self._remember(chat_id, message.message_id, rendered.keyboard)
                return None
        return await self._send(chat_id, language, show)

    async def _send(self, chat_id: int, language: str, show: Show) -> int:
        rendered = self.words.render(show.template, language, **show.parameters)
        await self._drop_old_buttons(chat_id, rendered)
        markup = markup_for(rendered.keyboard)
        sent = await self._send_body(chat_id, show, rendered, markup)
        self._remember(chat_id, sent.message_id, rendered.keyboard)
        return sent.message_id

    async def _send_body(
        self, chat_id: int, show: Show, rendered: Rendered, markup: Markup
    ) -> Message:
        common: dict[str, Any] = {"chat_id": chat_id, "protect_content": show.private, **DIRECT}
        if show.venue is not None:
            venue = show.venue
            await self._try(
                lambda: self.bot.send_venue(
                    latitude=venue.latitude,
                    longitude=venue.longitude,
                    title=venue.title,
                    address=venue.address,
                    **common,
                )
            )
        fits = len(rendered.text) <= CAPTION_LIMIT
        caption: dict[str, Any] = {}
        if fits:
            caption = {"caption": rendered.text, "reply_markup": markup, **FORMATTED}
        sent: Message | None = None
        if show.picture is not None:
            picture = await self._content(show.picture)
            sent = await self._try(lambda: self.bot.send_photo(photo=picture, **caption, **common))
        elif show.voice is not None:
            voice = await self._at_hand(show.voice)
            sent = await self._try(lambda: self.bot.send_voice(voice=voice, **caption, **common))
        elif show.document is not None:
            file = InputFile(await _drawn(show.document.content), filename=show.document.filename)
            sent = await self._try(
                lambda: self.bot.send_document(document=file, **caption, **common)
            )
        if sent is not None and fits:
            return sent
        return await self._try(
            lambda: self.bot.send_message(
                text=rendered.text, reply_markup=markup, **FORMATTED, **common
            )
        )

    async def _content(self, source: str | Bytes) -> str | bytes:
        return await (self._at_hand(source) if isinstance(source, str) else source())

    async def _try(self, call: Callable[[], Awaitable[Message]]) -> Message:
        """Repeats a call that did not reach Telegram. Raises what Telegram itself refuses."""
        for seconds in RETRY_SECONDS:
            try:
                return await call()
            except (BadRequest, TimedOut):
                raise
            except NetworkError as fault:
                log.warning("telegram out of reach", extra={"reason": type(fault).__name__})
                await asyncio.sleep(seconds)
        return await call()

    async def _drop_old_buttons(self, chat_id: int, rendered: Rendered) -> None:
        """Takes the buttons from the screen before, if the new one takes its place."""
        if not rendered.keyboard.buttons:
            return
        old = self._newest.pop(chat_id, None)
        if old is None:
            return
        try:
            await self.bot.edit_message_reply_markup(
                chat_id=chat_id, message_id=old, reply_markup=None, **DIRECT
            )
        except BadRequest as fault:
            log.debug("old screen keeps its buttons", extra={"reason": str(fault)})

    def _remember(self, chat_id: int, message_id: int, keyboard: Keyboard) -> None:
        if keyboard.buttons:
            self._newest[chat_id] = message_id
            self._newest.move_to_end(chat_id)
            if len(self._newest) > REMEMBERED_SCREENS:
                self._newest.popitem(last=False)
        elif self._newest.get(chat_id) == message_id:
            del self._newest[chat_id]


async def _drawn(source: bytes | Bytes) -> bytes:
    return source if isinstance(source, bytes) else await source()


def markup_for(keyboard: Keyboard) -> Markup:
    if keyboard.keys:
        return ReplyKeyboardMarkup(
            [[_key(key) for key in row] for row in keyboard.keys],
            resize_keyboard=True,
            one_time_keyboard=True,
        )
    if keyboard.hides_keys:
        return ReplyKeyboardRemove()
    return inline_markup(keyboard)


def inline_markup(keyboard: Keyboard) -> InlineKeyboardMarkup | None:
    if not keyboard.buttons:
        return None
    return InlineKeyboardMarkup([[_button(item) for item in row] for row in keyboard.buttons])


def _button(item: Button) -> InlineKeyboardButton:
    if item.url is not None:
        return InlineKeyboardButton(item.label, url=item.url)
    if item.app is not None:
        return InlineKeyboardButton(item.label, web_app=WebAppInfo(item.app))
    return InlineKeyboardButton(item.label, callback_data=item.action)


def _key(key: Key) -> KeyboardButton:
    return KeyboardButton(
        key.label,
        request_contact=True if key.asks == "contact" else None,
        request_location=True if key.asks == "location" else None,
    )

"""A delivery as calls of the Bot API: rendered in its language, written as JSON, never sent here.

What is the same for all who read a language is rendered and written once.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from models import FIRST_BOT
from services import telegram_files
from services.outbox import Due
from services.words import Button, Keyboard, Words

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
REMEMBERED = 200
PLACES = {"venue": "sendVenue", "location": "sendLocation"}
PAPER = "paper"
"""A file that is yet to be made."""
KEPT = "kept"
"""Of a paper: that it is a file which another bot was sent."""
CAPTIONED = {
    "photo": "sendPhoto", "document": "sendDocument", "voice": "sendVoice", PAPER: "sendDocument",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Letter:
    """One call, still without its chat."""

    method: str
    head: bytes
    """A JSON object without its last brace."""
    paper: Mapping[str, Any] | None = None
    """The file that goes with it, as `bot.papers` makes it."""

    def to(self, chat_id: int, **more: int | bool) -> bytes:
        """The body for one chat."""
        start = self.head if len(self.head) == 1 else self.head + b", "
        end = f", {json.dumps(more)[1:]}" if more else "}"
        return start + f'"chat_id": {chat_id}{end}'.encode()


class Composer:
    """For one of the bots: a file that another one was sent must be sent up anew."""

    def __init__(self, words: Words, bot_id: int = FIRST_BOT) -> None:
        self.words = words
        self.bot_id = bot_id
        self._remembered: OrderedDict[tuple[Any, ...], tuple[Any, list[Letter]]] = OrderedDict()

    def letters(self, due: Due) -> list[Letter]:
        """The calls in their order; the last one is the message itself."""
        if due.own:
            return list(self._compose(due))
        key = (due.wording.id, due.language, due.edits_message_id is None)
        known = self._remembered.get(key)
        if known is not None and known[0] == due.wording:
            return known[1]
        letters = list(self._compose(due))
        self._remembered[key] = (due.wording, letters)
        self._remembered.move_to_end(key)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return letters

    def plain_letters(self, due: Due) -> list[Letter]:
        """Without formatting, in as many parts as it takes."""
        rendered = self.words.render(due.wording.template, due.language, **due.parameters)
        *first, last = _parts(rendered.unformatted)
        return [
            *(_letter("sendMessage", text=part, **_quietly(due)) for part in first),
            _letter("sendMessage", text=last, **_keys(rendered.keyboard), **_quietly(due)),
        ]

    def edit_of_caption(self, due: Due) -> Letter:
        """An edit for a message whose words stand under a picture."""
        rendered = self.words.render(due.wording.template, due.language, **due.parameters)
        keys = _keys(rendered.keyboard)
        return _letter("editMessageCaption", caption=rendered.text, parse_mode="HTML", **keys)

    def edit(self, due: Due) -> Letter:
        rendered = self.words.render(due.wording.template, due.language, **due.parameters)
        keys = _keys(rendered.keyboard)
        return _letter("editMessageText", text=rendered.text, parse_mode="HTML", **keys)

    def _compose(self, due: Due) -> Iterator[Letter]:
        if due.edits_message_id is not None:
            yield _letter("deleteMessage") if due.wording.deletes else self.edit(due)
            return
        rendered = self.words.render(due.wording.template, due.language, **due.parameters)
        look: dict[str, Any] = {
            "parse_mode": "HTML", **_keys(rendered.keyboard), **_quietly(due),
        }  # fmt: skip
        attachment = dict(due.wording.attachment or {})
        for kind, method in PLACES.items():
            if kind in attachment:
                yield _letter(method, **attachment.pop(kind), disable_notification=True)
        for kind, what in attachment.items():
            if len(rendered.text) <= CAPTION_LIMIT:
                yield self._carrying(kind, what, caption=rendered.text, **look)
                return
            yield self._carrying(kind, what, disable_notification=True)
        yield _letter("sendMessage", text=rendered.text, **look)

    def _carrying(self, kind: str, what: Any, **fields: Any) -> Letter:
        if kind == PAPER:
            method = CAPTIONED["photo" if what.get("picture") else kind]
            return replace(_letter(method, **fields), paper=what)
        bot_id, file_id = telegram_files.read(what)
        if bot_id != self.bot_id:
            return replace(_letter(CAPTIONED[kind], **fields), paper={KEPT: what})
        return _letter(CAPTIONED[kind], **{kind: file_id}, **fields)


def _letter(method: str, **fields: Any) -> Letter:
    return Letter(method, json.dumps(fields, ensure_ascii=False).encode()[:-1])


def _quietly(due: Due) -> dict[str, bool]:
    return {"disable_notification": True} if due.wording.silent else {}


def _keys(keyboard: Keyboard) -> dict[str, Any]:
    if not keyboard.buttons:
        return {}
    rows = [[_button(item) for item in row] for row in keyboard.buttons]
    return {"reply_markup": {"inline_keyboard": rows}}


def _button(item: Button) -> dict[str, Any]:
    if item.url is not None:
        return {"text": item.label, "url": item.url}
    if item.app is not None:
        return {"text": item.label, "web_app": {"url": item.app}}
    return {"text": item.label, "callback_data": item.action}


def _parts(text: str) -> Iterator[str]:
    """At most as long as a message may be, broken at the end of a line where there is one."""
    while len(text) > TEXT_LIMIT:
        end = text.rfind("\n", 1, TEXT_LIMIT)
        end = end if end > 0 else TEXT_LIMIT
        yield text[:end]
        text = text[end:].lstrip("\n")
    yield text

"""What there is in the little Telegram: people, bots, chats, messages, buttons, files.

Plain data. It knows nothing of HTTP, of updates or of who may do what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""Whatever `json.dumps` can write."""

ChatKind = Literal["private", "group", "supergroup", "channel"]
Standing = Literal["creator", "administrator", "member", "left", "kicked"]

MAY_SPEAK_FOR_CHAT = frozenset({"creator", "administrator"})
IN_CHAT = frozenset({"creator", "administrator", "member"})


@dataclass(slots=True, eq=False)
class Person:
    """Somebody with a phone."""

    id: int
    first_name: str
    last_name: str
    language_code: str
    phone_number: str
    username: str | None
    role: str
    color: str
    active: bool = True

    @property
    def name(self) -> str:
        """Family name first where it is written in Chinese, as a phone there shows it."""
        if any("\u4e00" <= letter <= "\u9fff" for letter in self.last_name):
            return self.last_name + self.first_name
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(slots=True, eq=False)
class Bot:
    """A program that speaks the Bot API."""

    id: int
    token: str
    username: str
    name: str
    names: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    short_descriptions: dict[str, str] = field(default_factory=dict)
    commands: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """(scope, language) -> [(command, description)]; a chat's scope is "chat:<id>"."""
    menu_buttons: dict[int | None, Json] = field(default_factory=dict)
    """Chat id, or None for all chats -> MenuButton."""


@dataclass(slots=True, frozen=True)
class Entity:
    """A stretch of a text with a meaning; offset and length in UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    user_id: int | None = None
    language: str | None = None
    custom_emoji_id: str | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(slots=True, frozen=True)
class Button:
    """A button below a message (inline) or in place of the keyboard (reply).

    `kind`: callback, url, web_app, copy_text, ... for inline ones; text, contact, location, ...
    for reply ones. `raw` is the button as the bot sent it.
    """

    text: str
    kind: str
    data: str | None = None
    url: str | None = None
    raw: Mapping[str, Json] = field(default_factory=dict)


Rows = tuple[tuple[Button, ...], ...]


@dataclass(slots=True, frozen=True)
class InlineKeyboard:
    rows: Rows


@dataclass(slots=True, frozen=True)
class ReplyKeyboard:
    rows: Rows
    one_time: bool = False
    placeholder: str | None = None


@dataclass(slots=True, frozen=True)
class RemoveKeyboard:
    pass


@dataclass(slots=True, frozen=True)
class ForceReply:
    placeholder: str | None = None


Markup = InlineKeyboard | ReplyKeyboard | RemoveKeyboard | ForceReply


@dataclass(slots=True, eq=False)
class StoredFile:
    """The bytes of a picture, document or voice message, and which bots may use its id.

    Telegram gives each bot an id of its own for a file; here there is one, that counts for those
    who were sent the file or sent it themselves.
    """

    id: str
    unique_id: str
    kind: Literal["photo", "document", "voice"]
    content: bytes
    name: str
    mime: str
    width: int = 0
    height: int = 0
    duration: int = 0
    qr: str | None = None
    """What the QR code in the picture says, once somebody has looked (`qr_read`)."""
    qr_read: bool = False
    known_to: set[int] = field(default_factory=set)
    """Ids of bots."""

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def path(self) -> str:
        """As `getFile` names it."""
        ending = self.name.rpartition(".")[2].lower() if "." in self.name else "bin"
        return f"{self.kind}s/{self.unique_id}.{ending}"


@dataclass(slots=True, frozen=True)
class Location:
    """Degrees, WGS-84. `live_period` in seconds while the place is shared live."""

    latitude: float
    longitude: float
    live_period: int | None = None
    raw: Mapping[str, Json] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Venue:
    location: Location
    title: str
    address: str


@dataclass(slots=True, frozen=True)
class Contact:
    phone_number: str
    first_name: str
    last_name: str = ""
    user_id: int | None = None


@dataclass(slots=True, eq=False)
class Message:
    """One message. `revision` grows with each change anywhere, so later is greater."""

    id: int
    chat: Chat
    date: datetime
    sender: Person | Bot | None
    """None: posted in a channel's own name by a person."""
    text: str = ""
    entities: tuple[Entity, ...] = ()
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    photo: StoredFile | None = None
    document: StoredFile | None = None
    voice: StoredFile | None = None
    venue: Venue | None = None
    location: Location | None = None
    contact: Contact | None = None
    markup: Markup | None = None
    reply_to: int | None = None
    forwarded_from: Message | None = None
    media_group_id: str | None = None
    service: Json = None
    """A service message as the Bot API writes it, such as {"new_chat_members": [...]}."""
    silent: bool = False
    protected: bool = False
    pinned: bool = False
    edited: int = 0
    edit_date: datetime | None = None
    deleted: bool = False
    revision: int = 0

    @property
    def from_bot(self) -> bool:
        return isinstance(self.sender, Bot)

    @property
    def keyboard(self) -> Rows:
        """The rows of buttons that came with it, inline or reply."""
        return self.markup.rows if isinstance(self.markup, InlineKeyboard | ReplyKeyboard) else ()

    @property
    def inline_rows(self) -> Rows:
        return self.markup.rows if isinstance(self.markup, InlineKeyboard) else ()

    @property
    def media(self) -> StoredFile | None:
        return self.photo or self.document or self.voice

    @property
    def words(self) -> str:
        """The text, or the caption of what has none."""
        return self.text or self.caption

    @property
    def html(self) -> str:
        """The words with their entities, in the Bot API's HTML."""
        from playground.richtext import to_bot_html

        if self.text:
            return to_bot_html(self.text, self.entities)
        return to_bot_html(self.caption, self.caption_entities)

    def __str__(self) -> str:
        who = "bot" if self.from_bot else "person"
        parts = [f"#{self.id} {who}: {self.words!r}"]
        parts += [
            name
            for name in ("photo", "document", "voice", "venue", "location", "contact")
            if getattr(self, name) is not None
        ]
        parts += [" | ".join(button.text for button in row) for row in self.keyboard]
        if self.edited:
            parts.append(f"edited {self.edited}x")
        if self.deleted:
            parts.append("deleted")
        return "  ".join(parts)


@dataclass(slots=True, eq=False)
class Member:
    who: Person | Bot
    standing: Standing
    rights: Mapping[str, bool] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Chat:
    """A conversation. A private one belongs to one bot and one person."""

    id: int
    """As the bot writes it: the person's id for a private chat, negative otherwise."""
    kind: ChatKind
    title: str
    bot: Bot | None = None
    person: Person | None = None
    username: str | None = None
    members: dict[int, Member] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    last_message_id: int = 0
    started: bool = False
    """The person has written to the bot at least once, so the bot may write too."""
    blocked: bool = False
    reply_keyboard: ReplyKeyboard | None = None
    migrated_to: int | None = None
    invite_link: str | None = None
    read: dict[int, int] = field(default_factory=dict)
    """Person id -> the newest message id that was on their screen."""
    sent_log: list[tuple[str, datetime, int]] = field(default_factory=list)
    """What bots did here: (method, time, message id)."""

    @property
    def bots(self) -> list[Bot]:
        if self.bot is not None:
            return [self.bot]
        return [
            m.who for m in self.members.values() if isinstance(m.who, Bot) and m.standing in IN_CHAT
        ]

    @property
    def people(self) -> list[Person]:
        if self.person is not None:
            return [self.person]
        return [
            m.who
            for m in self.members.values()
            if isinstance(m.who, Person) and m.standing in IN_CHAT
        ]

    def standing(self, member_id: int) -> Standing:
        member = self.members.get(member_id)
        return member.standing if member else "left"


@dataclass(slots=True, frozen=True)
class CallbackAnswer:
    """What the bot said to a pressed button."""

    text: str = ""
    alert: bool = False
    url: str | None = None

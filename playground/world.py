"""The state of the little Telegram and what may happen in it. Knows nothing of HTTP.

Whoever wants to follow along subscribes; every change is told once, with its kind.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from playground import objects
from playground.errors import ApiError, bad_request, forbidden
from playground.model import (
    IN_CHAT,
    Bot,
    CallbackAnswer,
    Chat,
    ChatKind,
    InlineKeyboard,
    Member,
    Message,
    Person,
    RemoveKeyboard,
    ReplyKeyboard,
    Standing,
    StoredFile,
)
from playground.pictures import picture_size

Change = Literal[
    "message", "edit", "delete", "answer", "action", "people", "chat", "commands", "update"
]
Listener = Callable[[Change, Chat | None, Any], None]
QUERY_LIFETIME = timedelta(minutes=15)
COLORS = ("#2f7dd1", "#c2593f", "#2f8f5b", "#8a5cc2", "#b7791f", "#287f91", "#b0457b", "#5d6b7a")


@dataclass(slots=True)
class Query:
    """A pressed button that waits for the bot's answer."""

    id: str
    bot: Bot
    chat: Chat
    person: Person
    asked_at: datetime
    answer: CallbackAnswer | None = None


@dataclass
class World:
    """`clock` gives the date of messages; aware UTC."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    people: dict[int, Person] = field(default_factory=dict)
    bots: dict[str, Bot] = field(default_factory=dict)
    chats: dict[int, Chat] = field(default_factory=dict)
    """Groups and channels by id."""
    private: dict[tuple[int, int], Chat] = field(default_factory=dict)
    """Private chats by (bot id, person id)."""
    files: dict[str, StoredFile] = field(default_factory=dict)
    queries: dict[str, Query] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._listeners: list[Listener] = []
        self._people_ids = itertools.count(700_000_001)
        self._chat_ids = itertools.count(1)
        self._file_ids = itertools.count(1)
        self._query_ids = itertools.count(4_000_000_001)
        self._revisions = itertools.count(1)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Answers a function that ends the subscription."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, change: Change, chat: Chat | None, about: Any) -> None:
        for listener in list(self._listeners):
            listener(change, chat, about)

    # Who and where

    def add_bot(self, token: str, username: str, name: str) -> Bot:
        bot = Bot(int(token.partition(":")[0]), token, username, name)
        self.bots[token] = bot
        return bot

    def bot_named(self, username: str) -> Bot | None:
        wanted = username.lstrip("@").lower()
        return next((b for b in self.bots.values() if b.username.lower() == wanted), None)

    def add_person(
        self,
        first_name: str,
        last_name: str = "",
        *,
        language_code: str = "zh-hans",
        phone_number: str | None = None,
        username: str | None = None,
        role: str = "",
        person_id: int | None = None,
    ) -> Person:
        key = person_id or next(self._people_ids)
        person = Person(
            id=key,
            first_name=first_name,
            last_name=last_name,
            language_code=language_code,
            phone_number=phone_number or f"+86138{len(self.people) + 10_000_000}",
            username=username,
            role=role,
            color=COLORS[len(self.people) % len(COLORS)],
        )
        self.people[key] = person
        self._tell("people", None, person)
        return person

    def changed(self, person: Person) -> None:
        """A person's name or language has been changed."""
        self._tell("people", None, person)

    def chat_between(self, bot: Bot, person: Person) -> Chat:
        chat = self.private.get((bot.id, person.id))
        if chat is None:
            chat = Chat(person.id, "private", person.name, bot=bot, person=person)
            self.private[bot.id, person.id] = chat
        return chat

    def add_group(self, title: str, kind: ChatKind, owner: Person | None) -> Chat:
        number = next(self._chat_ids)
        key = -number if kind == "group" else -1_000_000_000_000 - number
        chat = Chat(key, kind, title)
        if owner is not None:
            chat.members[owner.id] = Member(owner, "creator")
        self.chats[key] = chat
        self._tell("chat", chat, None)
        return chat

    def chats_of(self, person: Person) -> list[Chat]:
        own = [self.chat_between(bot, person) for bot in self.bots.values()]
        return own + [c for c in self.chats.values() if c.standing(person.id) in IN_CHAT]

    def join(self, chat: Chat, who: Person | Bot, standing: Standing, by: Person | None) -> None:
        """Adds somebody, changes their standing or removes them; bots are told of their own."""
        before = chat.members.get(who.id) or Member(who, "left")
        now = Member(who, standing)
        chat.members[who.id] = now
        if isinstance(who, Bot):
            actor = by or next(iter(chat.people), None)
            self._update_membership(who, chat, actor or who, before, now)
        self._tell("chat", chat, None)

    def block(self, chat: Chat, blocked: bool) -> None:
        """The person stops or restarts the bot."""
        if chat.bot is None or chat.person is None or chat.blocked == blocked:
            return
        chat.blocked = blocked
        states: tuple[Standing, Standing] = ("member", "kicked")
        old, new = states if blocked else states[::-1]
        before, after = Member(chat.bot, old), Member(chat.bot, new)
        self._update_membership(chat.bot, chat, chat.person, before, after)
        self._tell("chat", chat, None)

    def _update_membership(
        self, bot: Bot, chat: Chat, by: Person | Bot, before: Member, now: Member
    ) -> None:
        change = {
            "chat": objects.chat(chat),
            "from": objects.user(by),
            "date": int(self.clock().timestamp()),
            "old_chat_member": objects.member(before),
            "new_chat_member": objects.member(now),
        }
        self._tell("update", chat, (bot, "my_chat_member", change))

    # Files

    def store(
        self, kind: Literal["photo", "document", "voice"], content: bytes, name: str, mime: str
    ) -> StoredFile:
        """Raises ApiError for a photo that is no picture."""
        number = next(self._file_ids)
        size = (0, 0)
        if kind == "photo":
            found = picture_size(content)
            if found is None:
                raise bad_request("IMAGE_PROCESS_FAILED")
            size = found
        stored = StoredFile(
            id=f"PGfile{kind[0].upper()}{number:08d}",
            unique_id=f"PGu{number:08d}",
            kind=kind,
            content=content,
            name=name,
            mime=mime,
            width=size[0],
            height=size[1],
        )
        self.files[stored.id] = stored
        return stored

    # Messages

    def post(self, chat: Chat, sender: Person | Bot | None, **content: Any) -> Message:
        """A new message, whoever writes it."""
        chat.last_message_id += 1
        message = Message(
            id=chat.last_message_id,
            chat=chat,
            date=self.clock(),
            sender=sender,
            revision=next(self._revisions),
            **content,
        )
        chat.messages[message.id] = message
        if message.media is not None:
            message.media.known_to.update(bot.id for bot in chat.bots)
        if isinstance(message.markup, ReplyKeyboard):
            chat.reply_keyboard = message.markup
        elif isinstance(message.markup, RemoveKeyboard):
            chat.reply_keyboard = None
        self._tell("message", chat, message)
        return message

    def speak(self, chat: Chat, person: Person, **content: Any) -> Message:
        """A person writes; the bots that may read it get an update."""
        if chat.kind == "private":
            chat.started = True
            self.block(chat, False)
        message = self.post(chat, person if chat.kind != "channel" else None, **content)
        kind = "channel_post" if chat.kind == "channel" else "message"
        for bot in chat.bots:
            if chat.kind == "private" or self._reads(bot, chat, message):
                self._tell("update", chat, (bot, kind, objects.message(message)))
        return message

    def _reads(self, bot: Bot, chat: Chat, message: Message) -> bool:
        """In groups a bot reads commands, answers to itself, or everything as administrator."""
        if chat.standing(bot.id) == "administrator" or chat.kind == "channel":
            return True
        answered = chat.messages.get(message.reply_to or 0)
        return message.text.startswith("/") or (answered is not None and answered.sender is bot)

    def edit(self, message: Message, **content: Any) -> Message:
        for name, value in content.items():
            setattr(message, name, value)
        message.edited += 1
        message.edit_date = self.clock()
        message.revision = next(self._revisions)
        self._tell("edit", message.chat, message)
        return message

    def set_keyboard(self, message: Message, keyboard: InlineKeyboard | None) -> Message:
        """Changes only the buttons, which Telegram does not mark as edited."""
        message.markup = keyboard
        message.revision = next(self._revisions)
        self._tell("edit", message.chat, message)
        return message

    def move_live(self, message: Message, **content: Any) -> None:
        """A shared live location moves or ends; the bot hears of it as an edited message."""
        self.edit(message, **content)
        for bot in message.chat.bots:
            about = (bot, "edited_message", objects.message(message))
            self._tell("update", message.chat, about)

    def delete(self, message: Message) -> None:
        message.deleted = True
        message.revision = next(self._revisions)
        self._tell("delete", message.chat, message)

    def pin(self, message: Message, pinned: bool) -> None:
        message.pinned = pinned
        self._tell("edit", message.chat, message)

    def act(self, chat: Chat, action: str) -> None:
        self._tell("action", chat, action)

    def commands_changed(self, bot: Bot) -> None:
        self._tell("commands", None, bot)

    # Buttons

    def press(self, chat: Chat, person: Person, message: Message, data: str) -> Query:
        """Somebody presses a button; also used with forged data."""
        bot = message.sender if isinstance(message.sender, Bot) else chat.bot
        if bot is None:
            raise bad_request("the message has no bot")
        query = Query(str(next(self._query_ids)), bot, chat, person, self.clock())
        self.queries[query.id] = query
        update = {
            "id": query.id,
            "from": objects.user(person),
            "message": objects.message(message),
            "chat_instance": str(chat.id * 7919),
            "data": data,
        }
        self._tell("update", chat, (bot, "callback_query", update))
        return query

    def answer(self, bot: Bot, query_id: str, answer: CallbackAnswer) -> None:
        """Raises ApiError for a query that is unknown, too old or answered already."""
        query = self.queries.get(query_id)
        stale = (
            query is None
            or query.bot is not bot
            or query.answer is not None
            or self.clock() - query.asked_at > QUERY_LIFETIME
        )
        if query is None or stale:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        query.answer = answer
        self._tell("answer", query.chat, query)

    # What a bot may do where

    def chat_for(self, bot: Bot, chat_id: int | str) -> Chat:
        """The chat that a bot means, known to it at all. Raises ApiError."""
        if isinstance(chat_id, str):
            found = next((c for c in self.chats.values() if c.username == chat_id[1:]), None)
        else:
            found = self.private.get((bot.id, chat_id)) or self.chats.get(chat_id)
            if found is None and chat_id in self.people:
                return self.chat_between(bot, self.people[chat_id])
        if found is None:
            raise bad_request("chat not found")
        return found

    def writable(self, bot: Bot, chat_id: int | str) -> Chat:
        """The chat, if the bot may write there. Raises ApiError as Telegram words it."""
        chat = self.chat_for(bot, chat_id)
        if chat.person is not None:
            if not chat.person.active:
                raise forbidden("user is deactivated")
            if chat.blocked:
                raise forbidden("bot was blocked by the user")
            if not chat.started:
                raise forbidden("bot can't initiate conversation with a user")
            return chat
        if chat.migrated_to is not None:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        standing = chat.standing(bot.id)
        if standing == "kicked":
            raise forbidden(f"bot was kicked from the {chat.kind} chat")
        if standing == "left":
            raise forbidden(f"bot is not a member of the {chat.kind} chat")
        if chat.kind == "channel" and standing != "administrator":
            raise bad_request("need administrator rights in the channel chat")
        return chat

    def migrate(self, chat: Chat) -> Chat:
        """A group becomes a supergroup with another id."""
        new = self.add_group(chat.title, "supergroup", None)
        new.members = dict(chat.members)
        chat.migrated_to = new.id
        return new

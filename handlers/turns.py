"""A turn: one update as a handler sees it: who speaks, what they sent, and the work it starts."""

from dataclasses import dataclass, field
from typing import Any

from telegram import Update

from models import Account, Person
from services.telegram_files import reference
from services.words import Words
from services.work import Work


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo by Telegram's file id."""

    file_id: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file by Telegram's file id."""

    file_id: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A voice message by Telegram's file id."""

    file_id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Place:
    """WGS-84 degrees; with a title and an address where a venue was sent."""

    latitude: float
    longitude: float
    title: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class ContactCard:
    phone: str
    is_own: bool
    """Whether the card is the sender's, which Telegram vouches for."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What was sent, freed of Telegram's shape; all fields None for a pressed button."""

    text: str | None = None
    formatted: str | None = None
    """The text with its formatting, as Telegram HTML."""
    place: Place | None = None
    contact: ContactCard | None = None
    picture: Picture | None = None
    document: Attached | None = None
    voice: Spoken | None = None
    other: bool = False
    """A sticker or anything else that is not understood."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every turn can refer to and that does not change while the program runs."""

    bot_id: int
    """The city's own number of the bot that they speak with."""
    bot_username: str
    public_url: str
    """Where the web pages are reached from outside, without a slash at the end."""
    words: Words
    """For what is drawn or compared; everything else is rendered after the handler."""

    def link(self, payload: str) -> str:
        """A deep link that opens the bot with `payload`."""
        return f"https://t.me/{self.bot_username}?start={payload}"


@dataclass(slots=True)
class Turn:
    work: Work
    account: Account
    incoming: Incoming
    around: Surroundings
    update: Update
    pressed: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> Person | None:
        return self.work.actor

    @property
    def language(self) -> str:
        return self.work.actor.language if self.work.actor else self.account.language


def incoming_from(update: Update, bot_id: int) -> Incoming:
    """What was sent to a bot; files by the reference under which they are kept."""
    message = update.message or update.edited_message
    if message is None:
        return Incoming()
    if message.text is not None:
        return Incoming(text=message.text, formatted=message.text_html)
    if message.venue is not None:
        venue = message.venue
        where = venue.location
        return Incoming(place=Place(where.latitude, where.longitude, venue.title, venue.address))
    if message.location is not None:
        return Incoming(place=Place(message.location.latitude, message.location.longitude))
    if message.contact is not None:
        sender = message.from_user.id if message.from_user else None
        return Incoming(
            contact=ContactCard(
                message.contact.phone_number, is_own=message.contact.user_id == sender
            )
        )
    if message.photo:
        return Incoming(picture=Picture(reference(bot_id, message.photo[-1].file_id)))
    if message.document is not None:
        return Incoming(document=Attached(reference(bot_id, message.document.file_id)))
    if message.voice is not None:
        length = message.voice.duration
        seconds = length if isinstance(length, int) else round(length.total_seconds())
        return Incoming(voice=Spoken(reference(bot_id, message.voice.file_id), seconds))
    return Incoming(other=True)

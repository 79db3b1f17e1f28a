"""What a handler answers with. Knows neither Telegram nor words, only the names of templates."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Bytes = Callable[[], Awaitable[bytes]]
"""Draws a picture or file after the transaction, outside of the event loop's thread."""


@dataclass(frozen=True, slots=True)
class Document:
    filename: str
    content: bytes | Bytes


@dataclass(frozen=True, slots=True)
class Venue:
    latitude: float
    longitude: float
    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Show:
    """A screen: it replaces the one whose button was pressed, unless it is `fresh`.

    `picture` is Telegram's file id or something that draws one, `voice` one of a voice message.
    `private` screens can't be forwarded or saved. One that is `about` something is kept like a
    delivery when it is sent, a private one sealed, so that it can be corrected when that has become
    untrue.
    """

    template: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    picture: str | Bytes | None = None
    voice: str | None = None
    document: Document | None = None
    venue: Venue | None = None
    fresh: bool = False
    private: bool = False
    about: str | None = None
    kept: Mapping[str, Any] | None = None
    """What is kept of one that is `about` something; None: all its parameters."""


@dataclass(frozen=True, slots=True)
class Toast:
    """A short notice over the chat, in answer to a button; as `alert` it must be closed by hand."""

    template: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Erase:
    """Takes a message of the person's own off the chat, since it says what nobody should read."""

    message_id: int


Part = Show | Toast | Erase
Reply = Part | Sequence[Part] | None


def parts_of(reply: Reply) -> list[Part]:
    if reply is None:
        return []
    return [reply] if isinstance(reply, Show | Toast | Erase) else list(reply)

"""What Telegram's refusals mean for a delivery: each by name, and what is to be done about it."""

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.request import AnswerLostError, ServerError
from services.outbox import Why

BY_KIND: tuple[tuple[type[TelegramError], Why], ...] = (
    (ChatMigrated, Why.MIGRATED),
    (RetryAfter, Why.FLOOD),
    (TimedOut, Why.TIMED_OUT),
    (AnswerLostError, Why.ANSWER_LOST),
    (ServerError, Why.SERVER),
)
"""Looked through in this order; the words below decide about the rest."""
FORBIDDEN = {
    "bot was blocked": Why.BLOCKED,
    "user is deactivated": Why.DEACTIVATED,
    "can't initiate conversation": Why.NOT_STARTED,
    "bot can't send messages to bots": Why.NOT_STARTED,
    "was kicked": Why.KICKED,
    "not a member": Why.KICKED,
    "group chat was deleted": Why.KICKED,
    "not enough rights": Why.KICKED,
}
BAD_REQUEST = {
    "chat not found": Why.CHAT_NOT_FOUND,
    "user not found": Why.CHAT_NOT_FOUND,
    "peer_id_invalid": Why.CHAT_NOT_FOUND,
    "chat_write_forbidden": Why.KICKED,
    "have no rights to send": Why.KICKED,
    "group is deactivated": Why.KICKED,
    "too long": Why.TOO_LONG,
    "can't parse entities": Why.BAD_ENTITIES,
    "entity": Why.BAD_ENTITIES,
}
OUTAGES = frozenset({Why.TIMED_OUT, Why.ANSWER_LOST, Why.SERVER, Why.NETWORK})
"""Where they come in a row, the fault is Telegram's or the network's, not one chat's."""
MAYBE_ARRIVED = frozenset({Why.TIMED_OUT, Why.ANSWER_LOST})
UNFORMATTED = frozenset({Why.TOO_LONG, Why.BAD_ENTITIES})
"""Sent again as plain text, in parts where need be: words matter more than their looks."""

ALREADY_SO = "message is not modified"
NO_TEXT = "there is no text in the message to edit"


def why(fault: TelegramError) -> Why:
    """The name of what went wrong."""
    for kind, name in BY_KIND:
        if isinstance(fault, kind):
            return name
    said = fault.message.lower()
    if isinstance(fault, Forbidden):
        return _first(FORBIDDEN, said, Why.BLOCKED)
    if isinstance(fault, BadRequest):
        return _first(BAD_REQUEST, said, Why.REFUSED)
    return Why.NETWORK


def _first(names: dict[str, Why], said: str, otherwise: Why) -> Why:
    return next((name for words, name in names.items() if words in said), otherwise)

"""The menu of commands on the phones: which commands, in whose language."""

from telegram import BotCommand

from handlers.routes import MENU, Audience
from services.words import Words


def menu_for(audience: Audience, language: str, words: Words) -> list[BotCommand]:
    """The commands that somebody sees; coordinators see everyone's and their own."""
    shown = {Audience.EVERYONE, audience}
    return [
        BotCommand(entry.name, words.plain(f"commands/{entry.name}", language))
        for entry in MENU
        if entry.audience in shown
    ]

"""The menu of commands on the phones: which commands, in whose language."""

from telegram import BotCommand

from handlers.routes import MENU, Audience
from services.words import Words

ORDER = (
    "menu", "foryou", "browse", "mine", "checkin", "record", "certificate", "card", "duty", "more",
    "stories", "learn", "review", "days",
    "team",
    "cover", "incident", "insurance", "incidents",
    "courses", "training",
    "honours", "year", "awards",
    "projects",
    "reliability", "feedback", "complaints", "performance", "complain",
    "party", "school", "marks", "schools",
    "pairing", "helpme", "care",
    "desk", "console", "stats", "callout", "ready", "plan", "activities", "hours", "approvals",
    "documents", "disputes", "broadcasts", "audiences", "groups", "roles", "lost",
    "organisation", "checklist",
    "profile", "messages", "qualifications", "pause", "language", "help", "signup",
    "privacy", "mydata", "withdraw", "forget",
)  # fmt: skip
"""What is used most stands first; each command of the menu has its place here."""


def menu_for(audience: Audience, language: str, words: Words) -> list[BotCommand]:
    """The commands that somebody sees; coordinators see everyone's and their own."""
    shown = {Audience.EVERYONE, audience}
    names = [entry.name for entry in MENU if entry.audience in shown]
    return [
        BotCommand(name, words.plain(f"commands/{name}", language))
        for name in sorted(names, key=ORDER.index)
    ]

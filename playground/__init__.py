"""A local Telegram: the Bot API on loopback, and phones for the people who talk to the bot.

Imports nothing of the program it serves.
"""

from playground.phone import Phone
from playground.server import Playground

__all__ = ["Phone", "Playground"]

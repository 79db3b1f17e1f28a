"""The Bot API's methods, a family a file. Importing the package registers them all."""

from playground.botapi import chats, edits, files, messages, profile, updates
from playground.botapi.registry import Api, call

__all__ = ["Api", "call", "chats", "edits", "files", "messages", "profile", "updates"]

"""What pages find in the application that serves them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from aiohttp import web

from models import Account, Database
from services.policy import Policy
from services.words import Rendered, Words
from services.work import Work

Act = Callable[[Work, Account, str], Awaitable[list[Rendered]]]

DATABASE = web.AppKey("database", Database)
WORDS = web.AppKey("words", Words)
POLICY = web.AppKey("policy", Policy)
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")
ACT: web.AppKey[Act] = web.AppKey("act")
"""Does what a button in the chat does; answers what is shown then."""
ON_PAGE: web.AppKey[Callable[[str], bool]] = web.AppKey("on_page")
"""Whether a button with this callback data may be pressed on a page."""
PUBLIC_URL = web.AppKey("public_url", str)
"""Where people reach the pages, without a slash at the end."""
MINI_APP_KEYS: web.AppKey[Collection[bytes]] = web.AppKey("mini_app_keys")
"""Check what Telegram signs for the bots; the tokens themselves are not the pages' business."""
PRIVATE_WEBHOOKS = web.AppKey("private_webhooks", bool)
"""Whether webhooks may lead into the own network."""
PICTURE: web.AppKey[Callable[[str], Awaitable[bytes]]] = web.AppKey("picture")
"""The bytes of a picture by Telegram's file id. Raises Gone where Telegram has it no more."""
BOT_USERNAME = web.AppKey("bot_username", str)
MAKING = web.AppKey("making", asyncio.Semaphore)
"""So many spreadsheets are made at a time; each holds a connection while it is."""
STREAMS: web.AppKey[Counter[str]] = web.AppKey("streams")
"""How many live pages each session of the console has open."""
STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set when the program stops, so that streams end."""

"""What pages find in the application that serves them."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from models import Database
from services.policy import Policy
from services.words import Words

DATABASE = web.AppKey("database", Database)
WORDS = web.AppKey("words", Words)
POLICY = web.AppKey("policy", Policy)
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")
BOT_USERNAME = web.AppKey("bot_username", str)

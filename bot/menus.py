"""Registers the command menus with Telegram: for everyone by language, for some chats their own."""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from telegram import Bot, BotCommandScopeAllPrivateChats, BotCommandScopeChat
from telegram.error import TelegramError

from handlers.commands import menu_for
from handlers.routes import Audience
from models import Account, Database, Person, Role
from services.access import RIGHTS
from services.roles import MENU_CHANGED
from services.words import SOURCE_LANGUAGE, Words

log = logging.getLogger(__name__)

COORDINATING = tuple(kind for kind, rights in RIGHTS.items() if rights)


class Menus:
    """Of one bot: `number` is the city's own of it."""

    def __init__(self, bot: Bot, words: Words, database: Database, number: int) -> None:
        self.bot = bot
        self.words = words
        self.database = database
        self.number = number

    async def register_all(self) -> None:
        """For everyone in each language, then for those who hold a role or chose a language."""
        everyone = BotCommandScopeAllPrivateChats()
        for language in self.words.languages:
            commands = menu_for(Audience.EVERYONE, language, self.words)
            code = None if language == SOURCE_LANGUAGE else language.partition("_")[0]
            await self.bot.set_my_commands(commands, scope=everyone, language_code=code)
        async with self.database.read() as session:
            coordinators = (
                select(Account.telegram_id)
                .join(Role, Role.person_id == Account.person_id)
                .where(Account.bot_id == self.number)
            )
            chats = set(await session.scalars(coordinators.where(Role.kind.in_(COORDINATING))))
        for telegram_id in chats:
            await self.register(telegram_id)

    async def register(self, telegram_id: int) -> None:
        """The menu of one private chat, by its roles and in its language; of others' nothing."""
        async with self.database.read() as session:
            account = await session.scalar(
                select(Account).where(
                    Account.telegram_id == telegram_id, Account.bot_id == self.number
                )
            )
            if account is None:
                return
            coordinates = await session.scalar(
                select(Role.id)
                .join(Person, Person.id == Role.person_id)
                .join(Account, Account.person_id == Person.id)
                .where(Account.telegram_id == telegram_id, Role.kind.in_(COORDINATING))
                .limit(1)
            )
        audience = Audience.EVERYONE if coordinates is None else Audience.COORDINATORS
        commands = menu_for(audience, account.language or SOURCE_LANGUAGE, self.words)
        try:
            await self.bot.set_my_commands(commands, scope=BotCommandScopeChat(telegram_id))
        except TelegramError as fault:
            log.info("command menu not set: %s", fault.message)

    @staticmethod
    def changed(info: Mapping[str, Any]) -> set[int]:
        """The chats whose menu a committed transaction has changed."""
        return set(info.get(MENU_CHANGED, ()))

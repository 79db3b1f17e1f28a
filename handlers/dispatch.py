"""From an update to its answer: who speaks, which handler, one transaction, then the reply.

Handlers are found in `routes`; this file knows none of them by name.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncSession
from telegram import Chat, Update
from telegram.error import Forbidden, TelegramError

from handlers import forms, groups
from handlers.presenting import Presenter
from handlers.replies import Erase, Part, Reply, Show, Toast, parts_of
from handlers.routes import (
    BUTTONS,
    COMMANDS,
    LIVE_PLACE,
    UNASKED_PLACE,
    Function,
    Route,
    Who,
    linked,
)
from handlers.turns import Incoming, Surroundings, Turn, incoming_from
from models import Account, Database, Person
from models.database import is_outage
from services import accounts, delivery
from services.answer_links import impersonal
from services.delivery import Post
from services.errors import Gone, Refusal
from services.policy import Policy
from services.words import Rendered, Words
from services.work import Work

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A handler with its arguments as they came; no route means a message without a command."""

    route: Route | None
    arguments: list[str]
    link: str | None = None
    """The payload, where it came by a deep link."""

    @property
    def reads(self) -> bool:
        """Whether there is nothing to undo if the handler refuses."""
        return self.route is not None and self.route.reads


class AlreadyHandled(Exception):
    """The update was handled before: a repeated delivery of a webhook, or a replay."""


class Interrupted(Exception):
    """The update's effect stands, and the database went away before it could say so."""


OUTAGE_PAUSES = (0.2, 0.5, 1.0, 2.0) + (5.0,) * 10
"""Seconds between attempts while the database is not there; then it is left for later."""


class Dispatcher:
    """Answers what is said to one bot. `answered` is told of each update whose reply went out."""

    def __init__(
        self,
        *,
        database: Database,
        words: Words,
        policy: Policy,
        presenter: Presenter,
        around: Surroundings,
        clock: Clock,
        answered: Callable[[Update], None],
    ) -> None:
        self.database = database
        self.words = words
        self.policy = policy
        self.presenter = presenter
        self.around = around
        self.clock = clock
        self.answered = answered
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, update: Update, _context: object = None) -> None:
        """Answers one update. Never raises: what goes wrong is logged and the person is told."""
        try:
            await self._handle(update)
        except AlreadyHandled:
            log.info("update seen before", extra={"update_id": update.update_id})
        except Forbidden as refused:
            reason = str(refused)
            await self._patiently(lambda: self._lost(update, reason))
        except Interrupted:
            return  # as below
        except TelegramError as fault:
            # Left unanswered in the inbox: the person is shown later where they stand.
            fields = {"update_id": update.update_id}
            log.warning("reply not delivered: %s", type(fault).__name__, extra=fields)
            return
        except Exception as fault:
            if is_outage(fault):
                log.warning("left for later", extra={"update_id": update.update_id})
                return
            log.exception("handler failed", extra={"update_id": update.update_id})
        self.answered(update)

    async def _patiently(self, do: Callable[[], Awaitable[T]]) -> T:
        """Once more where the database went away meanwhile; the chat's next updates wait.

        Raises Interrupted where the first attempt did arrive, and what the last one raised.
        """
        for attempt, pause in enumerate((*OUTAGE_PAUSES, None)):
            try:
                return await do()
            except AlreadyHandled:
                if attempt:
                    raise Interrupted from None
                raise
            except Exception as fault:
                if pause is None or not is_outage(fault):
                    raise
                log.warning("the database does not answer: %s", type(fault).__name__)
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _handle(self, update: Update) -> None:
        chat = update.effective_chat
        if chat is None or update.effective_user is None:
            return
        if update.my_chat_member is not None or chat.type != Chat.PRIVATE:
            await self._patiently(lambda: self._outside_private_chat(update))
            return
        moved = update.edited_message is not None and update.edited_message.location is not None
        if update.message is None and update.callback_query is None and not moved:
            return
        language, parts = await self._patiently(lambda: self._turn_safely(update))
        try:
            kept = await self.presenter.present(chat.id, language, parts, update.callback_query)
        except TelegramError:
            raise
        except Exception:
            log.exception("reply can't be rendered", extra={"update_id": update.update_id})
            sorry = Show("errors/bug", {"update_id": update.update_id}, fresh=True)
            await self.presenter.present(chat.id, language, [sorry], None)
        else:
            await self._patiently(lambda: self._keep(chat.id, language, kept))

    async def _keep(self, chat_id: int, language: str, kept: list[tuple[Show, int]]) -> None:
        """So that these screens can be corrected like deliveries."""
        if not kept:
            return
        async with self.database.write() as session:
            work = Work(session, self.clock(), self.policy)
            for show, message_id in kept:
                shown = show.parameters if show.kept is None else show.kept
                stored = delivery.sealed(shown) if show.private else shown
                post = Post(show.template, stored, delivery.SCREEN, subject=show.about)
                await delivery.keep(
                    work, post, chat_id, language, message_id, bot_id=self.around.bot_id
                )

    async def _turn_safely(self, update: Update) -> tuple[str, list[Part]]:
        try:
            return await self._turn(update)
        except AlreadyHandled:
            raise
        except Exception as fault:
            if is_outage(fault):
                raise
            log.exception("handler failed", extra={"update_id": update.update_id})
            async with self.database.write() as session:
                await self._claim(session, update)
            user = update.effective_user
            language = self.words.language_for(user.language_code if user else None)
            return language, [Show("errors/bug", {"update_id": update.update_id}, fresh=True)]

    async def _turn(self, update: Update) -> tuple[str, list[Part]]:
        call = _call_of(update)
        if call.reads:
            async with self.database.read() as session:
                known = await accounts.find_account(session, _telegram_id(update))
                if known is not None and known[0].bot_id == self.around.bot_id:
                    return await self._answer(session, update, call, known)

        async def change(session: AsyncSession) -> tuple[str, list[Part]]:
            if not await self._claim(session, update):
                raise AlreadyHandled
            user = update.effective_user
            language = self.words.language_for(user.language_code if user else None)
            met = await accounts.meet(
                session,
                _telegram_id(update),
                language,
                self.clock(),
                self.policy.zone,
                bot_id=self.around.bot_id,
            )
            return await self._answer(session, update, call, met)

        async with self._queue_for(update, call):
            return await self.database.transact(change)

    async def _claim(self, session: AsyncSession, update: Update) -> bool:
        return await accounts.claim_update(
            session, self.around.bot_id, update.update_id, self.clock()
        )

    def _queue_for(self, update: Update, call: Call) -> AbstractAsyncContextManager[object]:
        """Where order counts, presses of the same button wait for each other's transactions.

        Not for the replies, and nobody waits with a connection to the database in hand.
        """
        if call.route is None or not call.route.in_order or update.callback_query is None:
            return nullcontext()
        lock: asyncio.Lock = self._queues.setdefault(
            update.callback_query.data or "", asyncio.Lock()
        )
        return lock

    async def _answer(
        self,
        session: AsyncSession,
        update: Update,
        call: Call,
        who: tuple[Account, Person | None],
    ) -> tuple[str, list[Part]]:
        account, person = who
        turn = Turn(
            work=Work(session, self.clock(), self.policy, person),
            account=account,
            incoming=incoming_from(update, self.around.bot_id),
            around=self.around,
            update=update,
            pressed=update.callback_query is not None,
        )
        reply = await self._reply(turn, call)
        return turn.language, parts_of(reply)  # after the reply, which may have changed it

    async def slow_down(self, update: Update) -> None:
        """Says that an update was one too many and has not been looked at. Raises TelegramError."""
        chat, user = update.effective_chat, update.effective_user
        if chat is None or user is None or chat.type != Chat.PRIVATE or update.edited_message:
            return
        async with self.database.read() as session:
            known = await accounts.find_account(session, user.id)
        language = known[0].language if known else self.words.language_for(user.language_code)
        pressed = update.callback_query
        said = Toast("errors/too_fast", alert=True) if pressed else Show("errors/too_fast")
        await self.presenter.present(chat.id, language, [said], pressed)

    async def act(self, work: Work, account: Account, data: str) -> list[Rendered]:
        """Does what pressing a button with this callback data does, on a page of the web."""
        nothing: Any = Update(update_id=0)
        turn = Turn(work, account, Incoming(), self.around, nothing, pressed=True)
        reply = await self._reply(turn, _pressed(data))
        return [
            self.words.render(part.template, turn.language, **impersonal(part.parameters))
            for part in parts_of(reply)
            if not isinstance(part, Erase)
        ]

    async def _reply(self, turn: Turn, call: Call) -> Reply:
        changes: AbstractAsyncContextManager[object]
        changes = nullcontext() if call.reads else turn.work.session.begin_nested()
        try:
            async with changes:
                return await self._respond(turn, call)
        except Refusal as refusal:
            return refused(refusal, pressed=turn.pressed)

    async def _respond(self, turn: Turn, call: Call) -> Reply:
        if call.route is None:
            return await _free_message(turn)
        if call.route.who is Who.VOLUNTEER and not accounts.is_volunteer(turn.person):
            turn.account.came_for = call.link
            return Show("errors/volunteers_only", {"standing": standing_of(turn)}, fresh=True)
        return await call.route.function(turn, *call.route.convert(call.arguments))

    async def _outside_private_chat(self, update: Update) -> None:
        async with self.database.write() as session:
            if not await self._claim(session, update):
                raise AlreadyHandled
            work = Work(session, self.clock(), self.policy, None)
            try:
                async with session.begin_nested():
                    answer = await groups.listen(work, update, self.words, self.around.bot_id)
            except Refusal as refusal:
                answer = groups.refused(update, refusal, self.words)
        if answer is not None:
            chat_id, language, parts = answer
            await self.presenter.present(chat_id, language, parts, None)

    async def _lost(self, update: Update, reason: str) -> None:
        async with self.database.write() as session:
            await accounts.mark_unreachable(
                session, _telegram_id(update), reason[:64], self.clock()
            )

    async def pick_up_again(self, chat_id: int) -> None:
        """After a crash: shows where the person stands, since the last answer may be missing."""
        async with self.database.write() as session:
            met = await accounts.find_account(session, chat_id)
            if met is None:
                return
            account, person = met
            work = Work(session, self.clock(), self.policy, person)
            nothing: Any = Update(update_id=0)
            turn = Turn(work, account, Incoming(), self.around, nothing)
            question = await forms.show_again(turn)
            parts = parts_of(question or Show("menu/back_again"))
        await self.presenter.present(chat_id, turn.language, parts, None)


def refused(refusal: Refusal, *, pressed: bool) -> Reply:
    """A pressed button is answered by an alert, so that the screen stays; words by a message."""
    if pressed:
        return Toast(refusal.template, refusal.parameters, alert=True)
    return Show(refusal.template, refusal.parameters)


def standing_of(turn: Turn) -> str | None:
    return turn.person.standing.value if turn.person else None


async def _free_message(turn: Turn) -> Reply:
    if turn.pressed:
        raise Gone
    if turn.update.edited_message is not None:
        return await _first_answer(turn, LIVE_PLACE)
    reply = await forms.take_message(turn)
    if reply is None and turn.incoming.place is not None:
        reply = await _first_answer(turn, UNASKED_PLACE)
    return reply or Show("menu/not_understood")


async def _first_answer(turn: Turn, functions: Sequence[Function]) -> Reply:
    if accounts.is_volunteer(turn.person):
        for function in functions:
            if reply := await function(turn):
                return reply
    return None


def _telegram_id(update: Update) -> int:
    user = update.effective_user
    if user is None:
        raise AlreadyHandled
    return user.id


def _pressed(data: str) -> Call:
    action, *arguments = data.split(":")
    return Call(BUTTONS.get(action), arguments)


def _call_of(update: Update) -> Call:
    if update.callback_query is not None:
        return _pressed(update.callback_query.data or "")
    text = update.message.text if update.message else None
    if not text or not text.startswith("/"):
        return Call(None, [])
    name, _, rest = re.sub(r"\s+", " ", text[1:], count=1).partition(" ")
    name = name.partition("@")[0].lower()
    if name == "start" and rest.strip():
        found = linked(rest)
        if found is not None:
            return Call(*found, link=rest.strip())
    return Call(COMMANDS.get(name), [])

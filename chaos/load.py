"""People who press and write while things go wrong, and what their phones were told: the truth.

An answer counts as accepted once the phone has seen it. What got no answer may have happened or
not, and is held against nobody.
"""

import asyncio
import itertools
import random
import re
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, CookieJar
from sqlalchemy import select

from chaos.city import Cast, Somebody
from models import Account, Database, Lane, Person
from playground import Phone
from playground.model import Message
from services import delivery
from services.delivery import NO_PARAMETERS, Post
from services.policy import Policy
from services.work import Work

PATIENCE = 4.0
"""Seconds after which somebody gives up waiting for an answer and does something else."""
PAUSE = (0.3, 2.0)
"""Seconds between two presses of somebody."""
OK, SEE_OTHER = 200, 303
POSTED_A_TURN = 15
POSTED_EVERY = 0.4
"""Seconds between two portions of messages that another program posts."""
AT_THE_DESK = (1.0, 3.0)
"""Seconds between two pages that somebody looks at."""
OPENING = re.compile(r"/console/open/[\w-]+")
TOKEN = re.compile(r'name="token" value="([^"]+)"')
QUESTIONS = (("你叫什么名字", "name"), ("你的出生日期", "birth"), ("手机", "phone"))
"""Of the sign-up in their order, and under what the form keeps the answers; the last one stays
open.
"""
BORN = "1990-05-01"
SORRY = "这边出了点问题"
"""Of what people read when something went wrong on our side."""


@dataclass
class Truth:
    """What phones were told; keys as in the database."""

    places: dict[tuple[int, int], set[bool]] = field(default_factory=dict)
    """(shift, person) -> whether they may be in, or out; both where no answer came."""
    ticked: set[int] = field(default_factory=set)
    confirmed: set[int] = field(default_factory=set)
    coming: dict[int, set[bool]] = field(default_factory=dict)
    """Person -> what they may have answered to the call."""
    told: dict[int, set[str]] = field(default_factory=dict)
    """Stranger's Telegram id -> the questions to which the form took an answer."""
    at_desk: int = 0
    """Hours that were confirmed in the console."""
    alarms: int = 0
    posted: set[int] = field(default_factory=set)
    """Keys of messages that another program posted."""
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    answered_at: list[float] = field(default_factory=list)
    """Monotonic seconds."""

    def hear(self) -> None:
        self.accepted += 1
        self.answered_at.append(time.monotonic())


class Load:
    """`start` lets everybody act until `stop`."""

    def __init__(
        self, cast: Cast, url: str, pages: str, seed: int, *, in_order: bool = True
    ) -> None:
        """`pages`: where the console is. `in_order`: what got no answer is done before what the
        same person presses later.
        """
        self.in_order = in_order
        self.cast = cast
        self.url = url
        self.pages = pages
        self.truth = Truth()
        self._chance = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._numbers = itertools.count(1)
        self._to_tick = list(cast.to_tick)
        self._to_confirm, self._at_desk = cast.to_confirm[::2], cast.to_confirm[1::2]

    def start(self, *, posts: bool = True) -> None:
        self._stopping = False
        cast = self.cast
        lives: list[Coroutine[Any, Any, None]] = [
            self._live(one, self._volunteer) for one in cast.volunteers[len(cast.on_scene) :]
        ]
        lives += [self._live(one, self._coordinator) for one in cast.coordinators]
        lives += [self._live(one, self._in_danger) for one in cast.on_scene[:2]]
        lives.append(self._live(cast.chief, self._call_roll))
        lives.append(self._at_the_desk(cast.clerk))
        lives += [self._sign_up(phone) for phone in cast.strangers]
        if posts:
            lives.append(self._post())
        self._tasks = [asyncio.create_task(life) for life in lives]

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def go_back_to(self, before: Truth) -> None:
        """The database is as it was then, or somewhat later: what was told since is unsure."""
        since, self.truth = self.truth, before
        before.places |= {
            key: {True, False} for key, known in since.places.items()
            if before.places.get(key) != known
        }  # fmt: skip
        before.coming |= {
            key: {True, False} for key, known in since.coming.items()
            if before.coming.get(key) != known
        }  # fmt: skip
        before.told = {key: set(known) for key, known in before.told.items()}

    async def _live(
        self, who: Somebody, act: Callable[[Somebody], Coroutine[Any, Any, None]]
    ) -> None:
        while not self._stopping:
            await asyncio.sleep(self._chance.uniform(*PAUSE))
            if any(message.from_bot for message in who.phone.messages):
                await act(who)
            else:
                await who.phone.say("/menu")
                await self._sees(who.phone, lambda: who.phone.messages[-1].from_bot)

    # One press each

    async def _press(self, phone: Phone, data: str, *, fresh: bool = False) -> bool | None:
        """Whether it was accepted; None where no answer came.

        Accepted is what the screen under the button shows, a word over it, or a `fresh` screen.
        """
        message = next(one for one in reversed(phone.messages) if one.from_bot)
        edited, newest = message.edited, phone.messages[-1].id
        query = phone.world.press(phone.chat, phone.person, message, data)

        def outcome() -> bool | None:
            if query.answer is None:
                return None
            if query.answer.alert:
                return False
            later = [one for one in phone.messages if one.id > newest and one.from_bot]
            if any(SORRY in one.words for one in later):
                return False
            shown = message.edited > edited or query.answer.text or (fresh and later)
            return True if shown else None

        await self._sees(phone, lambda: outcome() is not None)
        found = outcome()
        if found is None:
            self.truth.unanswered += 1
        elif found:
            self.truth.hear()
        else:
            self.truth.refused += 1
        return found

    async def _sees(self, phone: Phone, look: Callable[[], Any]) -> bool:
        try:
            await phone.wait_until(look, PATIENCE)
        except AssertionError:
            return False
        return True

    async def _reads(self, phone: Phone, words: str) -> bool:
        return await self._sees(phone, lambda: words in _words(phone))

    async def _volunteer(self, who: Somebody) -> None:
        if self._chance.random() < 0.25:
            await self._answer_the_call(who)
            return
        shift = self._chance.choice(self.cast.ahead)
        key = (shift, who.person_id)
        known = self.truth.places.get(key, {False})
        if known == {True} and self._chance.random() < 0.7:
            await self._leave(who, key)
            return
        done = await self._press(who.phone, f"enrol:{shift}")
        if done is None:
            self.truth.places[key] = self._unsure(known | {True})
        elif done:
            self.truth.places[key] = self._sure(known, {True})

    async def _leave(self, who: Somebody, key: tuple[int, int]) -> None:
        """By the button on the screen that the last press showed."""
        wanted = "enrol.cancel:"
        enrolment = next(
            (
                button.data.removeprefix(wanted)
                for message in reversed(who.phone.messages[-3:])
                for row in message.inline_rows
                for button in row
                if button.data and button.data.startswith(wanted)
            ),
            None,
        )
        if enrolment is None:
            return
        done = await self._press(who.phone, f"enrol.drop:{enrolment}")
        if done is not False:
            # The screen may have been that of another of their shifts.
            for shift in self.cast.ahead:
                other = (shift, who.person_id)
                if other in self.truth.places:
                    self.truth.places[other] = self._unsure(self.truth.places[other] | {False})

    def _unsure(self, allowed: set[bool]) -> set[bool]:
        return allowed if self.in_order else {True, False}

    def _sure(self, before: set[bool], now: set[bool]) -> set[bool]:
        """What was unsure stays so where an earlier press may still be on its way."""
        return now if self.in_order or len(before) < 2 else before

    async def _answer_the_call(self, who: Somebody) -> None:
        coming = self._chance.random() < 0.5
        data = "coming:{}:30" if coming else "cannot:{}:ill"
        done = await self._press(who.phone, "callout." + data.format(self.cast.callout_id))
        if done:
            before = self.truth.coming.get(who.person_id, set())
            self.truth.coming[who.person_id] = self._sure(before, {coming})
        elif done is None:
            self.truth.coming[who.person_id] = {True, False}

    async def _coordinator(self, who: Somebody) -> None:
        if self._chance.random() < 0.5 and self._to_tick:
            key, done = self._to_tick.pop(), self.truth.ticked
            data = f"roll.tick:{key}"
        elif self._to_confirm:
            key, done = self._to_confirm.pop(), self.truth.confirmed
            data = f"hours.confirm:{key}"
        else:
            return
        if await self._press(who.phone, data):
            done.add(key)

    async def _at_the_desk(self, who: Somebody) -> None:
        """Confirms hours in the console, one by one; logged in by chat, once for all that fails."""
        async with ClientSession(
            self.pages,
            cookie_jar=CookieJar(unsafe=True),
            headers={"Accept-Language": "zh-CN", "User-Agent": "Mozilla/5.0 Firefox/140"},
            timeout=ClientTimeout(PATIENCE),
        ) as browser:
            while not self._stopping and self._at_desk:
                await asyncio.sleep(self._chance.uniform(*AT_THE_DESK))
                try:
                    await self._confirm_at_the_desk(browser, who)
                except (ClientError, TimeoutError, OSError):
                    self.truth.unanswered += 1

    async def _confirm_at_the_desk(self, browser: ClientSession, who: Somebody) -> None:
        page = f"/console/hours/of/{self._at_desk[-1]}"
        async with browser.get(page) as answer:
            token = TOKEN.search(await answer.text())
            if answer.status != OK or token is None:
                await self._log_in(browser, who)
                return
        key = self._at_desk.pop()
        form = {"token": token.group(1)}
        async with browser.post(f"{page}/confirm", data=form, allow_redirects=False) as answer:
            if answer.status == SEE_OTHER:
                self.truth.hear()
                self.truth.confirmed.add(key)
                self.truth.at_desk += 1
            else:
                self.truth.refused += 1

    async def _log_in(self, browser: ClientSession, who: Somebody) -> None:
        await who.phone.say("/console")
        if await self._reads(who.phone, "/console/open/"):
            link = OPENING.search(_words(who.phone))
            assert link
            async with browser.post(link.group()):
                return

    async def _in_danger(self, who: Somebody) -> None:
        await asyncio.sleep(self._chance.uniform(0.5, 2))
        if await self._press(who.phone, f"callout.sos:{self.cast.callout_id}", fresh=True):
            self.truth.alarms += 1

    async def _call_roll(self, who: Somebody) -> None:
        await asyncio.sleep(self._chance.uniform(1, 3))
        if await self._press(who.phone, f"callout.safety:{self.cast.callout_id}"):
            self.truth.alarms += 1

    async def _sign_up(self, phone: Phone) -> None:
        """Half a form: an answer is taken once the next question is asked."""
        told = self.truth.told.setdefault(phone.id, set())
        while not self._stopping and len(told) + 1 < len(QUESTIONS):
            await asyncio.sleep(self._chance.uniform(*PAUSE))
            last = _last(phone)
            words = last.words if last else ""
            asked = next((n for n, (question, _) in enumerate(QUESTIONS) if question in words), 9)
            if asked + 1 < len(QUESTIONS):
                following = QUESTIONS[asked + 1][0]
                await phone.say(BORN if asked else f"林新{phone.id % 10}")
                if await self._reads(phone, following):
                    self.truth.hear()
                    told.add(QUESTIONS[asked][1])
            elif asked + 1 == len(QUESTIONS):
                return
            elif last and (label := _agrees(last)):
                await self._press(phone, label)
            else:
                await phone.say("/signup")
                await asyncio.sleep(self._chance.uniform(*PAUSE))

    async def _post(self) -> None:
        """What another program of the same city posts meanwhile: messages to everyone."""
        database = Database(self.url)
        try:
            while not self._stopping:
                await asyncio.sleep(POSTED_EVERY)
                try:
                    await self._post_some(database, next(self._numbers))
                except Exception:  # the database is what goes wrong
                    continue
        finally:
            await database.close()

    async def _post_some(self, database: Database, number: int) -> None:
        people = self._chance.sample(self.cast.volunteers, POSTED_A_TURN)
        async with database.write() as session:
            work = Work(session, datetime.now(UTC), Policy())
            said = Post("approvals/refused", {"reason": f"No. {number}."}, "notice",
                        lane=Lane.TRANSACTIONAL)  # fmt: skip
            message = await delivery.write(work, said)
            await delivery.tell_more(work, message.id, said, _to(people))
        self.truth.posted.add(message.id)


def _last(phone: Phone) -> Message | None:
    return next((one for one in reversed(phone.messages) if one.from_bot), None)


def _words(phone: Phone) -> str:
    last = _last(phone)
    return last.words if last else ""


def _agrees(message: Message) -> str | None:
    """The button by which one goes on before the first question."""
    for row in message.inline_rows:
        for button in row:
            if button.text == "简体中文" or "我同意" in button.text or button.text == "✅ 同意":
                return button.data
    return None


def _to(people: Sequence[Somebody]) -> Any:
    return (
        select(Person.id, Account.telegram_id, Person.language, NO_PARAMETERS)
        .join(Account, Account.person_id == Person.id)
        .where(Person.id.in_([one.person_id for one in people]))
    )

"""Call-outs of many people: filled, with restarts in each phase, and killed outright in each."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from models import (
    Account,
    Callout,
    CalloutState,
    Database,
    Delivery,
    DeliveryState,
    Message,
    Person,
    Response,
    ResponseState,
    Role,
    RoleKind,
    Standing,
)
from playground import Phone
from playground.model import Message as Shown
from services import traits
from services.policy import Policy
from services.work import Work
from tests.city import City
from tests.emergencies import RALLY, Emergency
from tests.killable import Killable, killed_outright
from tests.making import ALL_WEEK, Making
from tests.times import ManualClock

MANY, QUOTA = 5_000, "30"
YES, COMES = 0.2, 0.85
STARTING = 60
AT_ONCE = 20
"""Deliveries that the sender has in flight, as it is set by default."""


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


async def people(database: Database, home: int, phones: list[Phone], chance: random.Random) -> None:
    """Volunteers who may be called, about the rally point; every other one reads English."""
    now = datetime.now(UTC)
    rows = [
        Person(
            standing=Standing.ACTIVE,
            number=f"ZM{phone.id:09d}",
            organisation_id=home,
            language="en" if number % 2 else "zh_Hans",
            name=f"志愿者{number}",
            birth_date=date(1990, 5, 1),
            availability=ALL_WEEK,
            emergency_opt_in=True,
            latitude=round(RALLY[0] + chance.gauss(0, 0.04), 3),
            longitude=round(RALLY[1] + chance.gauss(0, 0.04), 3),
            applied_at=now,
        )
        for number, phone in enumerate(phones)
    ]
    async with database.write() as session:
        session.add_all(rows)
        await session.flush()
        session.add_all(
            Account(
                telegram_id=phone.id, person_id=person.id, language=person.language,
                language_chosen=True, first_seen_at=now, last_seen_at=now,
            )
            for phone, person in zip(phones, rows, strict=True)
        )  # fmt: skip
        await session.flush()
        work = Work(session, now, Policy())
        await traits.renew(work, [person.id for person in rows])


def call(phone: Phone) -> Shown | None:
    """The call on a phone that can still be answered with a yes."""
    for message in phone.messages:
        if any("callout.coming" in (b.data or "") for row in message.inline_rows for b in row):
            return message
    return None


def newest_call(phone: Phone) -> Shown | None:
    """The same, unless a later message has made it untrue: a double of what was in flight."""
    message = call(phone)
    return message if message is not None and message.id == phone.last.id else None


class Crowd:
    """Thousands who answer late, early or never, and come or don't; seeded."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.chance = random.Random(4)
        self.phones: list[Phone] = []
        self.silent: list[Phone] = []
        """Who has not heard of it."""
        self.due: list[tuple[datetime, Phone]] = []
        self.arrivals: list[tuple[datetime, Phone]] = []

    async def gather(self, home: int) -> None:
        bot = self.city.bot
        for number in range(MANY):
            phone = self.city.telegram.add_person(f"号{number}", "志").use(bot)
            phone.chat.started = True
            self.phones.append(phone)
        self.silent = list(self.phones)
        await people(self.city.database, home, self.phones, self.chance)

    async def pass_time(self, callout_id: int) -> None:
        """Half a minute, with all that people do in it."""
        await self.city.forward(seconds=30)
        now = self.city.clock()
        for phone in [one for one in self.silent if one.chat.messages]:
            if call(phone):
                self.silent.remove(phone)
                if self.chance.random() < YES:
                    delay = self.chance.lognormvariate(1.2, 0.8)
                    self.due.append((now + timedelta(minutes=delay), phone))
        for at, phone in [one for one in self.due if one[0] <= now]:
            self.due.remove((at, phone))
            asked = call(phone)
            if asked is not None:
                await phone.press_data(f"callout.coming:{callout_id}:15", asked.id)
                if self.chance.random() < COMES:
                    self.arrivals.append((now + timedelta(minutes=14), phone))
        for at, phone in [one for one in self.arrivals if one[0] <= now]:
            self.arrivals.remove((at, phone))
            if phone.find("我到了") or phone.find("I am here"):
                await phone.press("我到了" if phone.find("我到了") else "I am here")
                await phone.share_location(*RALLY)
        await self.city.answered()


async def test_thousands_in_two_languages_fill_it_through_restarts_in_each_phase(
    emergency: Emergency,
) -> None:
    city = emergency.city
    crowd = Crowd(city)
    organisation = await city.making.organisation("zs-shiqi")
    await crowd.gather(organisation.id)
    word = await emergency.prepare_callout(quota=QUOTA, more=["紧急程度", "有生命危险"])
    await city.start_again()
    await emergency.zhou.say(word)
    await city.settle()
    callout = await emergency.callout()
    restarts = {1: "asked", 8: "answered", 26: "arriving"}
    for tick in range(120):
        await crowd.pass_time(callout.id)
        if tick in restarts:
            await city.start_again()
        states = await emergency.states()
        if states["on_scene"] >= int(QUOTA):
            break
    assert states["on_scene"] >= int(QUOTA)
    asked = await emergency.alarms()
    assert set(asked.values()) == {1} and len(asked) == sum(states.values())
    assert len(asked) < MANY / 4, "most were left in peace"
    languages = Counter(
        "en" if any("You are needed" in m.words or "over" in m.words for m in phone.messages)
        else "zh"
        for phone in crowd.phones if phone.messages
    )  # fmt: skip
    assert min(languages.values()) > 20
    await emergency.end()
    await city.start_again()
    await city.settle()
    assert [phone for phone in crowd.phones if call(phone)] == []
    over = sum(
        any("解除" in m.words or "over" in m.words or "enough" in m.words.lower()
            or "够了" in m.words for m in phone.messages)
        for phone in crowd.phones if phone.messages
    )  # fmt: skip
    assert over == len(asked)


# Killed outright


@pytest.fixture
async def killable(database_url: str, tmp_path: Path) -> AsyncIterator[Killable]:
    async with killed_outright(database_url, tmp_path) as made:
        yield made


async def settle(killable: Killable) -> tuple[Phone, list[Phone]]:
    """A commander and forty volunteers about the rally point."""
    zhou = killable.person("周明", started=True)
    crowd = [killable.person(f"志号{number}", started=True) for number in range(40)]
    making = Making(killable.database, ManualClock())
    home = (await making.organisation("zs-shiqi")).id
    commander = await making.volunteer("周明", telegram_id=zhou.id)
    async with killable.database.write() as session:
        role = Role(
            person_id=commander.id, organisation_id=home, kind=RoleKind.COMMANDER,
            granted_at=datetime.now(UTC),
        )  # fmt: skip
        session.add(role)
    await people(killable.database, home, crowd, random.Random(5))
    return zhou, crowd


async def test_killed_in_each_phase_it_forgets_nobody_and_calls_nobody_twice(
    killable: Killable,
) -> None:
    zhou, crowd = await settle(killable)
    killable.start()
    await zhou.say("/callout")
    for button in ("实战", "台风"):
        await zhou.press(button, STARTING)
    await zhou.sees("在哪里集结", STARTING)
    await killable.again()
    await zhou.share_location(*RALLY)
    await zhou.press("5", STARTING)
    await zhou.press("看看谁能来", STARTING)
    asked = await zhou.sees("输入这个数字", STARTING)
    await killable.again()
    await zhou.say(asked.words.split()[-1])
    first = await zhou.wait_until(
        lambda: next((phone for phone in crowd if call(phone)), None), STARTING
    )
    await killable.again()
    called = await zhou.wait_until(
        lambda: [p for p in crowd if call(p) and p is not first][20:22], STARTING
    )
    for phone in called:
        message = call(phone)
        assert message is not None
        await phone.press_data(_yes(message), message.id, STARTING)
    message = call(first)
    assert message is not None
    killable.telegram.world.press(first.chat, first.person, message, _yes(message))
    await killable.again()
    await first.sees("等你" if "需要" in message.words else "You are expected", STARTING)
    await zhou.press("看板", STARTING)
    await zhou.press("解除", STARTING)
    await zhou.press("是的，解除", STARTING)
    await killable.again()
    await zhou.wait_until(lambda: not any(newest_call(p) for p in crowd), STARTING)
    double = [phone for phone in crowd if call(phone)]
    assert len(double) <= 2 * AT_ONCE, "only what was in flight at two kills"
    for phone in double:
        stale = call(phone)
        assert stale is not None
        answer = await phone.press_data(_yes(stale), stale.id, STARTING)
        assert "结束" in answer.text or "over" in answer.text
    async with killable.database.read() as session:
        callout = (await session.scalars(select(Callout))).one()
        assert callout.state is CalloutState.ENDED
        states = Counter(await session.scalars(select(Response.state)))
        yes = await session.scalar(select(func.count()).where(Response.said_yes))
        found = await session.execute(
            select(Delivery.person_id, Delivery.state)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == "callouts/alarm", Delivery.edits_id.is_(None))
        )
        alarms = [(person, state) for person, state in found]
    assert yes == states[ResponseState.COMING] == 1 + len(called)
    assert len({person for person, _ in alarms}) == len(alarms) == sum(states.values())
    assert {state for _, state in alarms} <= {DeliveryState.SENT, DeliveryState.REVOKED}
    sent = sum(state is DeliveryState.SENT for _, state in alarms)
    assert len([phone for phone in crowd if phone.messages]) >= sent


def _yes(message: Shown) -> str:
    """The callback data of the first button that says yes."""
    return next(
        button.data or ""
        for row in message.inline_rows
        for button in row
        if "callout.coming" in (button.data or "")
    )

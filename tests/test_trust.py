"""What must never happen: forged buttons, full shifts overbooked, forgotten or doubled answers."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select
from telegram import User

from bot.settings import Mode
from handlers.routes import BUTTONS, LINKS
from models import (
    Account,
    Activity,
    Conversation,
    Database,
    Enrolment,
    EnrolmentState,
    LedgerEntry,
    Person,
    Role,
    Shift,
)
from models.sealed import keyring
from playground import Phone, Playground
from playground.phone import labels
from tests.attending import propose
from tests.city import TOKEN, USERNAME, City
from web.app import SECRET_HEADER, WEBHOOK_PATH

CROWD, PLACES = 500, 20
STARTING = 60
"""Seconds at most that a process of its own takes to start beside other tests."""
NONSENSE = ("", "x", "-1", "99999999", "9" * 30, "1:1:1")


# Forged and foreign buttons


async def test_no_forged_button_or_link_does_anything_but_get_an_answer(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    """Every action that there is, with every kind of argument, from somebody without rights."""
    chen = await city.volunteer("陈晓丽")
    before = await _state_of_things(city)
    await chen.say("/menu")
    screen = await chen.sees("今天想做点什么")
    pressed = [f"{action}:{rest}".rstrip(":") for action in BUTTONS for rest in NONSENSE]
    harmless = ("menu", "language.set", "forget.yes", "withdraw.yes")
    for data in [*pressed, "nothing", "", ":", "a" * 64]:
        if data.startswith(harmless) or len(data.encode()) > 64:
            continue
        answer = await chen.press_data(data, screen.id)
        assert answer is not None
    for prefix in LINKS:
        for rest in ("", "x", "1-2-3-4", "9" * 30, "0-0-0"):
            await chen.say(f"/start {prefix}-{rest}")
    await city.answered()
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
    assert await _state_of_things(city) == before


async def _state_of_things(city: City) -> list[Any]:
    async with city.database.read() as session:
        counts = [
            await session.scalar(select(func.count()).select_from(table))
            for table in (Enrolment, LedgerEntry, Role, Activity, Shift, Person)
        ]
        people = await session.execute(select(Person.id, Person.standing, Person.name))
        return [*counts, *map(tuple, people)]


async def test_buttons_of_somebody_elses_enrolment_are_refused(city: City) -> None:
    wang = await city.coordinator("王强")
    chen, mallory = await city.volunteer("陈晓丽"), await city.volunteer("马洛里")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity)
    await _press(chen, f"enrol:{shift.id}")
    (own,) = await _enrolments(city)
    for data in ("enrol.cancel", "enrol.drop", "coming.no", "offer.accept", "offer.decline"):
        answer = await _press(mallory, f"{data}:{own.id}")
        assert answer and "过期" in answer, data
    attendance = await propose(
        city.making, await city.making.shift(activity), await city.person(chen)
    )
    answer = await _press(mallory, f"object:{attendance}")
    assert answer and "过期" in answer
    (same, _) = await _enrolments(city)
    assert same.state is EnrolmentState.CONFIRMED


async def test_a_coordinator_of_another_town_is_refused(city: City) -> None:
    wang = await city.coordinator("王强")
    stranger = await city.coordinator("外镇人", organisation="zs-dongfeng")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity)
    for data in (
        f"activity.manage:{activity.id}",
        f"roster:{shift.id}",
        f"applications:{activity.id}",
        f"shift.edit:{shift.id}",
        f"shift.remove:{shift.id}",
        f"groups.of:{activity.organisation_id}",
    ):
        answer = await _press(stranger, data)
        assert answer and "权限" in answer, data
    await stranger.say("/activities")
    assert "河岸植树" not in (await stranger.wait(lambda m: m.from_bot)).words


async def _press(phone: Phone, data: str) -> str | None:
    """What the alert says, if there is one."""
    if not any(message.from_bot for message in phone.messages):
        await phone.say("/menu")
        await phone.sees("今天想做点什么")
    answer = await phone.press_data(data, phone.screen.id)
    return answer.text


async def _enrolments(city: City) -> list[Enrolment]:
    async with city.database.read() as session:
        return list(await session.scalars(select(Enrolment).order_by(Enrolment.id)))


# A rush


async def test_500_presses_at_once_on_the_last_20_places_fill_exactly_20(city: City) -> None:
    wang = await city.coordinator("王强")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity, quota=PLACES)
    people = await city.making.crowd(CROWD)
    phones = await _phones_of(city, people)
    world = city.telegram.world
    queries = []
    for phone in phones:
        screen = world.post(phone.chat, city.bot, text="河岸植树")
        queries.append(world.press(phone.chat, phone.person, screen, f"enrol:{shift.id}"))
    await city.answered()
    assert all(query.answer for query in queries)
    found = await _enrolments(city)
    states = [own.state for own in found]
    assert states.count(EnrolmentState.CONFIRMED) == PLACES
    assert states.count(EnrolmentState.WAITLISTED) == CROWD - PLACES
    async with city.database.read() as session:
        assert (await session.get_one(Shift, shift.id)).taken == PLACES
    waiting = [own for own in found if own.state is EnrolmentState.WAITLISTED]
    by_queue = sorted(waiting, key=lambda own: (own.queued_at, own.id))
    for position in (0, len(by_queue) // 2, len(by_queue) - 1):
        owner = by_queue[position].person_id
        phone = phones[[person.id for person in people].index(owner)]
        assert "候补第" in phone.screen.words


async def _phones_of(city: City, people: list[Person]) -> list[Phone]:
    phones = []
    async with city.database.write() as session:
        for person in people:
            phone = city.stranger(person.name)
            phone.chat.started = True
            session.add(
                Account(
                    telegram_id=phone.id,
                    person_id=person.id,
                    language="zh_Hans",
                    language_chosen=True,
                    first_seen_at=city.clock(),
                    last_seen_at=city.clock(),
                )
            )
            phones.append(phone)
    return phones


# Twice and never


async def test_an_update_that_comes_twice_is_answered_once(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/menu")
    await chen.sees("今天想做点什么")
    await city.answered()
    raw = {
        "update_id": city.program.intake.newest,
        "message": {
            "message_id": 1,
            "date": 1,
            "chat": {"id": chen.id, "type": "private"},
            "from": User(chen.id, "晓丽", False).to_dict(),
            "text": "/menu",
        },
    }
    seen = len(chen.messages)
    await city.program.intake.take([raw, raw])
    await city.answered()
    assert len(chen.messages) == seen


async def test_the_bot_killed_in_the_middle_of_a_form_goes_on_at_the_same_question(
    killable: "Killable",
) -> None:
    chen = killable.chen
    await killable.start()
    await chen.start()
    await chen.sees("我是集结", limit=STARTING)
    await chen.press("注册志愿者")
    await chen.sees("哪种语言")
    await chen.press("简体中文")
    await chen.sees("你同意吗")
    await chen.press("我同意")
    await chen.sees("你叫什么名字")
    await chen.say("陈晓丽")
    await chen.sees("出生日期")
    await killable.kill()
    await chen.say("1990-05-01")
    await killable.start()
    await chen.sees("吗？", limit=STARTING)
    await chen.press("对，没错")
    question = await chen.sees("哪个手机号")
    assert question.words.startswith("5 / ")
    async with killable.database.read() as session:
        form = (await session.scalars(select(Conversation))).one()
        assert form.answers["name"] == "陈晓丽" and form.answers["birth"]["day"] == "1990-05-01"


class Killable:
    """The bot as a process of its own, which can be killed outright."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.telegram = Playground()
        self.database = Database(url)
        self.process: asyncio.subprocess.Process | None = None
        self.chen: Phone

    async def prepare(self) -> None:
        await self.telegram.start()
        bot = self.telegram.add_bot(TOKEN, USERNAME, "集结")
        self.chen = self.telegram.add_person("晓丽", "陈", language_code="zh-hans").use(bot)
        keyring().write(self.folder / "muster.keys")
        await self._muster("init")

    async def start(self) -> None:
        self.process = await self._spawn("run")

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.kill()
        await self.database.close()
        await self.telegram.stop()

    async def _muster(self, *words: str) -> None:
        process = await self._spawn(*words)
        assert await process.wait() == 0

    async def _spawn(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from bot.cli import main; main()",
            *words,
            cwd=Path(__file__).parent.parent,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                **os.environ,
                "MUSTER_DATABASE__URL": self.url,
                "MUSTER_SECURITY__KEY_FILE": str(self.folder / "muster.keys"),
                "MUSTER_TELEGRAM__TOKEN": TOKEN,
                "MUSTER_TELEGRAM__API_BASE_URL": self.telegram.url,
                "MUSTER_WEB__PORT": "0",
            },
        )


@pytest.fixture
async def killable(database_url: str, tmp_path: Path) -> AsyncIterator[Killable]:
    made = Killable(database_url, tmp_path)
    await made.prepare()
    yield made
    await made.stop()


# Webhooks


async def test_updates_arrive_by_webhook_and_only_with_the_secret(
    database_url: str, clock: Any
) -> None:
    city = City(database_url, clock, Mode.WEBHOOK)
    await city.start()
    try:
        chen = await city.volunteer("陈晓丽")
        await chen.say("/menu")
        menu = await chen.sees("陈晓丽，你好")
        assert labels(menu)
        forged = {"update_id": 10**9, "message": {"text": "/menu"}}
        address = f"http://127.0.0.1:{city.program.web_port}{WEBHOOK_PATH}"
        async with aiohttp.ClientSession() as stranger:
            for headers in ({}, {SECRET_HEADER: "guessed"}):
                async with stranger.post(address, json=forged, headers=headers) as answer:
                    assert answer.status == 403
    finally:
        await city.stop()

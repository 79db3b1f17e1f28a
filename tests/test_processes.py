"""Several processes of one city: on one database, against one Telegram."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select, update

from bot import sender
from bot.heart import Rhythm
from bot.program import Program
from bot.settings import Mode, ProcessRole
from models import Account, Database, Delivery, DeliveryState, Inbox, Lane, Process
from playground import Phone
from services import bots, delivery, processes
from services.delivery import Post
from tests.city import City
from tests.databases import ON_POSTGRESQL
from tests.times import ManualClock
from web.app import SECRET_HEADER, webhook_path

pytestmark = ON_POSTGRESQL

QUICK = Rhythm(looks_every=0.02, speaks_every=0.05, lives=1.0)
PATIENCE = 30
"""Seconds for what does not come; nothing waits for as long where all is well."""


@asynccontextmanager
async def another(city: City, *roles: ProcessRole) -> AsyncIterator[Program]:
    """A further process, on a machine of its own."""
    settings = city.settings()
    made = Program(
        settings.model_copy(update={"web": settings.web.model_copy(update={"port": 0})}),
        city.clock,
        roles=roles,
        rhythm=QUICK,
        host="another machine",
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def until(program: Program, what: Callable[[], Awaitable[bool] | bool]) -> None:
    """Waits for what the others bring about; this process looks whenever it has written."""
    async with asyncio.timeout(PATIENCE):
        while True:
            written = program.commits.next
            found = what()
            if found if isinstance(found, bool) else await found:
                return
            await written.wait()


async def falls_silent(city: City) -> None:
    """The city's own process is dead for the others, as one that was killed, or stands still."""
    async with city.database.write() as session:
        await processes.bury(session, [city.program.heart.process_id])


async def post(city: City, phone: Phone, text: str, lane: Lane = Lane.EMERGENCY) -> None:
    person = await city.person(phone)
    async with city.database.write() as session:
        words = Post("approvals/refused", {"reason": text}, "notice", lane)
        await delivery.tell(city.making.work(session), words, [person.id])


async def states(city: City) -> list[tuple[DeliveryState, bool]]:
    async with city.database.read() as session:
        rows = await session.execute(
            select(Delivery.state, Delivery.possible_duplicate).order_by(Delivery.id)
        )
        return [(row.state, row.possible_duplicate) for row in rows]


async def test_when_the_sender_dies_another_sends_what_was_on_its_way(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    lease = city.program.line.lease
    async with another(city, ProcessRole.SENDER) as standby:
        assert lease in city.program.heart.held and lease not in standby.heart.held
        await city.program.heart.leave("webhooks")  # so that only one thing happens at a time
        await post(city, chen, "台风红色预警")
        await chen.sees("台风红色预警")
        await city.sent()
        async with city.database.write() as session:  # as if it had been killed before the receipt
            await session.execute(
                update(Delivery).values(
                    state=DeliveryState.SENDING, telegram_message_id=None, finished_at=None
                )
            )
        await falls_silent(city)
        await until(standby, lambda: lease in standby.heart.held)
        await until(standby, lambda: _sent(city))
        assert await states(city) == [(DeliveryState.SENT, True)]
        assert len([m for m in chen.messages if "台风红色预警" in m.words]) == 2


async def test_when_the_scheduler_dies_another_goes_on(city: City) -> None:
    async with another(city, ProcessRole.SCHEDULER) as first:
        assert "scheduler" in first.heart.held
        async with city.database.write() as session:
            await processes.bury(session, [first.heart.process_id])
            second = await processes.register(
                session, "third", 1, roles=["scheduler"], seconds=60, now=city.clock()
            )
            assert await processes.take(session, second, ["scheduler"], city.clock())
        await until(first, lambda: "scheduler" not in first.heart.held)
        async with city.database.write() as session:
            await processes.bury(session, [second])
        await until(first, lambda: "scheduler" in first.heart.held)


async def test_who_has_lost_the_lease_takes_nothing_more(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    async with city.database.write() as session:
        await processes.bury(session, [city.program.heart.process_id])
        other = await processes.register(
            session, "another", 1, roles=["sender"], seconds=60, now=city.clock()
        )
        await processes.take(session, other, [city.program.line.lease], city.clock())
    await post(city, chen, "台风红色预警")
    await until(city.program, lambda: city.program.line.lease not in city.program.heart.held)
    assert await states(city) == [(DeliveryState.QUEUED, False)]
    assert chen.messages == []


async def test_what_one_process_posts_wakes_the_sender_of_another(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LONGEST_SLEEP", 3600.0)
    chen = await city.volunteer("陈晓丽")
    await city.program.heart.leave(city.program.line.lease)
    async with another(city, ProcessRole.SENDER) as other:
        await until(other, lambda: other.line.lease in other.heart.held)
        for program in (city.program, other):
            await program.signals.listening.wait()
        await other.line.sender.idle.wait()
        await post(city, chen, "台风红色预警")
        await chen.sees("台风红色预警")
        await until(other, lambda: _sent(city))


async def test_updates_of_a_chat_keep_their_order_across_processes(
    database_url: str, clock: ManualClock
) -> None:
    city = City(database_url, clock, Mode.WEBHOOK)
    await city.start()
    try:
        chen = city.stranger("陈晓丽")
        await chen.start()
        for key in ("注册志愿者", "简体中文", "我同意"):
            await chen.press(key)
        await chen.sees("你叫什么名字")
        await city.answered()
        async with another(city, ProcessRole.BOT) as other:
            newest = city.program.line.intake.newest
            async with city.database.write() as session:  # the first process has to wait for this
                account = select(Account).where(Account.telegram_id == chen.id)
                await session.scalar(account.with_for_update())
                await deliver(city.program, newest + 1, said(chen, "陈晓丽"))
                await deliver(other, newest + 2, said(chen, "1990-05-01"))
                assert other.line.intake.under_way == 1
                assert other.line.application.update_queue.empty()
            await chen.sees("1990")
            await until(other, lambda: _through(city, newest + 2))
            async with city.database.read() as session:
                name = await session.scalar(select(Inbox.taken_by).order_by(Inbox.update_id.desc()))
                assert name == other.heart.process_id
        assert "陈晓丽" not in chen.messages[-1].words
    finally:
        await city.stop()


async def test_what_a_dead_process_left_is_answered_by_another(
    database_url: str, clock: ManualClock
) -> None:
    city = City(database_url, clock, Mode.WEBHOOK)
    await city.start()
    try:
        chen = await city.volunteer("陈晓丽")
        async with another(city, ProcessRole.BOT) as other:
            intake = city.program.line.intake
            await intake.note_answered()
            async with city.database.write() as session:
                gone = await processes.register(
                    session, "gone", 1, roles=["bot"], seconds=60, now=clock()
                )
                body = {"update_id": 7_000_001, "message": said(chen, "/help")["message"]}
                session.add(
                    Inbox(
                        bot_id=1, update_id=7_000_001, taken_by=gone, chat_id=chen.id,
                        body=json.dumps(body), received_at=clock(),
                    )
                )  # fmt: skip
            assert not chen.messages
            async with city.database.write() as session:
                await processes.bury(session, [gone])
            await other.line.intake.recover(other.line.dispatcher.pick_up_again)
            await chen.wait(lambda message: message.from_bot)
            await until(other, lambda: _through(city, 7_000_001))
    finally:
        await city.stop()


async def test_replies_of_several_processes_and_deliveries_share_one_rate(city: City) -> None:
    async with another(city, ProcessRole.BOT) as other:
        sends, answers = city.program.line.sharing, other.line.sharing
        await answers.turn(alone=False, sends=False, answers=True)
        first = answers.limiter.schedule.limit
        await sends.turn(alone=False, sends=True, answers=True)
        await answers.turn(alone=False, sends=False, answers=True)
        rate = sends.limiter.schedule.free_rate
        assert 0 < first < answers.limiter.schedule.limit
        assert answers.limiter.schedule.limit + sends.limiter.schedule.limit <= rate + 1e-6
        await sends.turn(alone=True, sends=True, answers=True)
        assert sends.limiter.schedule.limit == float("inf")


async def test_each_role_does_its_part_and_no_other(city: City) -> None:
    async with (
        another(city, ProcessRole.WEB) as web,
        aiohttp.ClientSession() as browser,
    ):
        assert web.heart.held == frozenset()
        await until(web, lambda: web.limits.sharers == 2)
        base = f"http://127.0.0.1:{web.web_port}"
        async with browser.get(f"{base}/verify") as page:
            assert page.status == 200
        async with browser.post(base + webhook_path(1)) as answer:
            assert answer.status == 404
    async with another(city, ProcessRole.SENDER) as only, aiohttp.ClientSession() as browser:
        base = f"http://127.0.0.1:{only.web_port}"
        async with browser.get(f"{base}/verify") as page:
            assert page.status == 404
        async with browser.get(f"{base}/healthz") as page:
            assert page.status == 200
    async with city.database.read() as session:
        alive = await session.scalars(select(Process.roles).where(processes.alive(session)))
        assert list(alive) == [["all"]]


# What the tests above are made of


async def _sent(city: City) -> bool:
    return all(state is DeliveryState.SENT for state, _ in await states(city))


async def _through(city: City, update_id: int) -> bool:
    async with city.database.read() as session:
        done = select(Inbox.answered_at).where(Inbox.update_id == update_id)
        return await session.scalar(done) is not None


def said(phone: Phone, text: str) -> dict[str, Any]:
    who = {"id": phone.id, "is_bot": False, "first_name": "x", "language_code": "zh-hans"}
    message = {
        "message_id": 900_000 + len(text),
        "date": 1_700_000_000,
        "chat": {"id": phone.id, "type": "private", "first_name": "x"},
        "from": who,
        "text": text,
    }
    if text.startswith("/"):
        message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text)}]
    return {"message": message}


async def deliver(program: Program, update_id: int, content: dict[str, Any]) -> None:
    """As Telegram does it, to the process that it happens to reach."""
    address = f"http://127.0.0.1:{program.web_port}{webhook_path(1)}"
    secret = program.settings.telegram.webhook_secret.get_secret_value()
    async with (
        aiohttp.ClientSession() as telegram,
        telegram.post(
            address, json={"update_id": update_id, **content}, headers={SECRET_HEADER: secret}
        ) as answer,
    ):
        assert answer.status == 200


async def test_processes_that_are_started_at_once_agree_on_the_numbers_of_bots(
    database: Database,
) -> None:
    ids = [100_200, 100_300]

    async def begin() -> list[int]:
        async with database.write() as session:
            return await bots.number(session, ids)

    assert await asyncio.gather(*(begin() for _ in range(8))) == [[1, 2]] * 8

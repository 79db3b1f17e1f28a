"""What goes wrong is told to operators: once for each kind, few in all, by whatever way is left."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text

from bot.settings import OperatorSettings
from models import Database, ErrorReport
from playground import Phone
from services import error_reports
from services.error_reports import AT_MOST, Occurrence, Readers
from services.work import Work
from tests.city import City
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from tests.making import Making
from tests.times import ManualClock

log = logging.getLogger("handlers.somewhere")
READERS = Readers([7], "en")


@pytest.fixture
async def night(city: City) -> AsyncIterator[Phone]:
    """The operator's phone."""
    phone = city.stranger("赵强")
    phone.chat.started = True
    city.operators = OperatorSettings(chat_ids=[phone.id])
    await city.start_again()
    yield phone


def goes_wrong(text_of_person: str = "") -> None:
    try:
        raise KeyError(text_of_person)
    except KeyError:
        log.exception("handler failed", extra={"origin": "u77@1"})


async def report(city: City) -> None:
    await city.program.reporter.turn()
    await city.sent()


def told(phone: Phone) -> list[str]:
    return [message.words for message in phone.messages]


@ON_POSTGRESQL
async def test_an_error_is_told_once_and_then_with_a_count(city: City, night: Phone) -> None:
    goes_wrong("陈晓丽")
    await report(city)
    (first,) = told(night)
    assert "builtins.KeyError" in first and "tests/test_error_reports.py" in first
    assert "u77@1" in first and "陈晓丽" not in first
    for _ in range(3):
        goes_wrong()
        await report(city)
    assert len(told(night)) == 1
    city.clock.forward(hours=1)
    await report(city)
    assert "又发生了 3 次" in told(night)[-1]
    city.clock.forward(hours=2)
    await report(city)
    assert len(told(night)) == 2


@ON_SQLITE
async def test_a_dead_engine_is_told_of(city: City, night: Phone) -> None:
    async def dies() -> None:
        raise ZeroDivisionError

    city.program._run(dies(), "doomed")
    await asyncio.wait({city.program.failed})
    await city.program.reporter.turn()
    await night.sees("ZeroDivisionError")
    assert isinstance(city.program.failed.exception(), ZeroDivisionError)


@ON_SQLITE
async def test_a_database_that_takes_nothing_is_told_of_straight(city: City, night: Phone) -> None:
    async with city.database.write() as session:
        await session.execute(text("ALTER TABLE error_report RENAME TO gone"))
    for _ in range(3):
        goes_wrong()
        await city.program.reporter.turn()
    (said,) = told(night)
    assert "数据库目前无法写入" in said and "KeyError" in said
    async with city.database.write() as session:
        await session.execute(text("ALTER TABLE gone RENAME TO error_report"))
    goes_wrong()
    await report(city)
    assert len(told(night)) == 2  # it is written down again, and told of as what it is


@ON_SQLITE
async def test_what_fails_while_reporting_is_not_reported(city: City, night: Phone) -> None:
    city.telegram.faults.fail(method="sendMessage", status=400, times=None)
    goes_wrong()
    await report(city)
    async with city.database.read() as session:
        kinds = (await session.scalars(select(ErrorReport.kind))).all()
    assert kinds == ["builtins.KeyError"]


def occurrence(number: int) -> Occurrence:
    return Occurrence("ValueError", f"bot/file.py:{number}", "1", "host", "all", None)


@ON_POSTGRESQL
async def test_there_are_few_reports_in_all(
    database: Database, making: Making, clock: ManualClock
) -> None:
    async def tell(*numbers: int) -> int:
        async with database.write() as session:
            work = making.work(session)
            await error_reports.note(work, [occurrence(number) for number in numbers])
            return await error_reports.tell(work, READERS)

    assert await tell(*range(15)) == 15
    assert await tell(*range(15, 40)) == AT_MOST - 15
    clock.forward(hours=1, seconds=1)
    assert await tell() == AT_MOST
    clock.forward(days=91)
    async with database.write() as session:
        assert await error_reports.forget(Work(session, clock(), making.work(session).policy)) == 40

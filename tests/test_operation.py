"""What operators ask of a running program: its figures, its health, and log lines with a trail."""

import asyncio
import json
import logging
from collections.abc import Iterator
from io import StringIO

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, text

from bot.logs import JsonLine, Line
from models import Confirmation, Lane, Message
from services import delivery
from services.delivery import Post
from services.work import Work
from tests.attending import place
from tests.city import City
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from tests.test_enrolling import Planting

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def figures(web: aiohttp.ClientSession, **headers: str) -> Figures:
    async with web.get("/metrics", headers=headers) as answer:
        assert answer.status == 200
        shown = await answer.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }


def of(found: Figures, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


async def test_what_a_process_alone_does_is_seen(city: City, web: aiohttp.ClientSession) -> None:
    found = await figures(web)
    assert of(found, "muster_lease_held", lease="sender:1") == 1
    assert of(found, "muster_lease_held", lease="scheduler") == 0  # left to the test


async def post(city: City, phone_id: int, lane: Lane, **more: object) -> None:
    async with city.database.write() as session:
        work = Work(session, city.clock(), city.policy)
        about = Post("approvals/refused", {"reason": "-"}, "notice", lane, **more)  # type: ignore[arg-type]
        await delivery.tell_chat(work, about, phone_id, "zh_Hans")


# Figures


async def test_what_happens_is_counted(city: City, web: aiohttp.ClientSession) -> None:
    chen = await city.volunteer()
    await chen.say("/foryou")
    await post(city, chen.id, Lane.EMERGENCY)
    city.telegram.faults.fail(method="sendMessage", chat_id=99, status=403)
    await post(city, 99, Lane.TRANSACTIONAL)
    await city.settle()
    assert (await web.get("/healthz")).status == 200
    found = await figures(web)
    assert of(found, "muster_updates_received_total", kind="message") == 1
    assert of(found, "muster_update_seconds_count", kind="message") == 1
    assert of(found, "muster_replies_total", outcome="200") >= 1
    assert of(found, "muster_deliveries_sent_total", lane="emergency") == 1
    assert of(found, "muster_delivery_delay_seconds_count", lane="emergency") == 1
    failed = of(found, "muster_deliveries_failed_total", lane="transactional", reason="blocked")
    assert failed == 1
    assert of(found, "muster_telegram_requests_total", method="sendMessage", outcome="403") == 1
    assert of(found, "muster_sweep_runs_total", sweep="mobilising.advance", outcome="ok") == 1
    assert of(found, "muster_sweep_success_timestamp_seconds", sweep="mobilising.advance") == (
        city.clock().timestamp()
    )
    assert of(found, "muster_transaction_seconds_count", outcome="committed") > 1
    route = {"method": "GET", "route": "/healthz", "status": "200"}
    assert of(found, "muster_page_requests_total", **route) == 1
    assert of(found, "muster_pace_messages_per_second") == 1000
    assert found["process_resident_memory_bytes", ()] > 0


async def test_queues_are_as_deep_as_the_database_says(
    city: City, web: aiohttp.ClientSession
) -> None:
    later = city.clock.at("2026-11-24 09:00")
    for _ in range(3):
        await post(city, 7, Lane.BROADCAST, due_at=later)
    await city.sent()  # from here on the sender rests
    city.clock.now = later
    city.clock.forward(seconds=90)
    found = await figures(web)
    assert of(found, "muster_deliveries_queued", lane="broadcast") == 3
    assert of(found, "muster_deliveries_oldest_due_seconds", lane="broadcast") == 90
    assert of(found, "muster_deliveries_queued", lane="emergency") == 0
    await post(city, 7, Lane.BROADCAST, due_at=later)
    assert of(await figures(web), "muster_deliveries_queued", lane="broadcast") == 3  # not asked


@ON_SQLITE
async def test_figures_are_for_this_machine_or_who_has_the_token(
    city: City, web: aiohttp.ClientSession
) -> None:
    stranger = {"X-Forwarded-For": "203.0.113.9"}
    async with web.get("/metrics", headers=stranger) as answer:
        assert answer.status == 403
    async with web.get("/readyz", headers=stranger) as answer:
        assert await answer.json() == {"ok": True}
    city.web_settings = {"metrics_token": "long-secret"}
    await city.start_again()
    assert await figures(web, **stranger, Authorization="Bearer long-secret")
    for wrong in ("Bearer ", "Bearer other", "long-secret"):
        async with web.get("/metrics", headers={**stranger, "Authorization": wrong}) as answer:
            assert answer.status == 403


# Health


async def test_a_program_that_can_do_its_work_says_so(
    city: City, web: aiohttp.ClientSession
) -> None:
    async with web.get("/readyz") as answer:
        said = await answer.json()
    assert (answer.status, said["ok"]) == (200, True)
    assert set(said["parts"]) == {"engines", "database", "keys", "telegram 1", "loop", "disk"}


async def test_what_is_missing_is_named(city: City, web: aiohttp.ClientSession) -> None:
    async with city.database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    for request in city.program.line._requests:
        request.answered_at = float("-inf")
    city.telegram.faults.fail(status=502, times=None)
    async with web.get("/readyz") as answer:
        said = await answer.json()
    assert answer.status == 503
    wrong = {name: part["text"] for name, part in said["parts"].items() if not part["ok"]}
    assert set(wrong) == {"database", "telegram 1"}
    assert "`muster init`" in wrong["database"]
    assert (await web.get("/healthz")).status == 200


@ON_SQLITE
async def test_a_dead_engine_is_no_life(city: City, web: aiohttp.ClientSession) -> None:
    async def dies() -> None:
        raise ValueError

    city.program._run(dies(), "doomed")
    await asyncio.wait({city.program.failed})
    async with web.get("/healthz") as answer:
        said = await answer.json()
    assert (answer.status, said["parts"]["engines"]["text"]) == (503, "died: doomed")
    assert isinstance(city.program.failed.exception(), ValueError)


@ON_SQLITE
async def test_who_is_ending_is_given_nothing_new(city: City, web: aiohttp.ClientSession) -> None:
    city.program.health.drain()
    async with web.get("/readyz") as answer:
        assert answer.status == 503
        assert "draining" in (await answer.json())["parts"]
    assert (await web.get("/healthz")).status == 200


# Log lines


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What a program that logs as JSON writes."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLine())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


@ON_POSTGRESQL
async def test_an_update_leads_to_its_deliveries_and_their_receipts(
    city: City, lines: StringIO
) -> None:
    planting = await Planting(city).prepare(confirmation=Confirmation.BY_HAND)
    chen = await city.volunteer()
    await planting.opened_by(chen)
    await chen.press("✅ 报名")
    await city.settle()
    async with city.database.read() as session:
        origins = set(await session.scalars(select(Message.origin)))
    (origin,) = {one for one in origins if one and one.startswith("u")}
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    events = [one["event"] for one in found if one.get("origin") == origin]
    assert events[:2] == ["update stored", "committed"]
    assert "update handled" in events
    (receipt,) = [one for one in found if one.get("origin") == origin and "delivery_id" in one]
    assert receipt["state"] == "sent"


@ON_SQLITE
async def test_a_sweep_leads_to_its_deliveries(city: City, lines: StringIO) -> None:
    wang = await city.coordinator("王强")
    shift = await city.making.shift(await city.making.activity(await city.person(wang)))
    await place(city.making, shift, await city.person(await city.volunteer()))
    await city.go_to("2026-11-27 09:30")
    async with city.database.read() as session:
        reminded = Message.template.startswith("reminders/")
        (origin,) = await session.scalars(select(Message.origin).where(reminded))
    assert origin is not None and origin.startswith("reminders.remind_day_before#")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    events = [one["event"] for one in found if one.get("origin") == origin]
    assert events == ["committed", "swept", "delivery"]


def record(message: str, *given: object, fault: BaseException | None = None) -> logging.LogRecord:
    info = (type(fault), fault, fault.__traceback__) if fault else None
    made = logging.LogRecord("bot", logging.ERROR, "file", 1, message, given, info)
    made.__dict__["field"] = "a\u2028b"
    return made


def test_no_value_breaks_a_line() -> None:
    evil = record("said %s", "one\n2026-12-05T14:00:00 ERROR bot: forged\x1b[2J")
    assert len(Line().format(evil).splitlines()) == 1
    assert len(JsonLine().format(evil).splitlines()) == 1


def test_neither_secrets_nor_what_people_wrote_is_logged() -> None:
    phone = "1391234" + "5678"
    try:
        raise ValueError(phone)
    except ValueError as fault:
        wrong = record("call of bot %s", "100200:TEST-token-of", fault=fault)
    for formatter in (Line(), JsonLine()):
        shown = formatter.format(wrong)
        assert "builtins.ValueError" in shown and "test_operation.py" in shown
        assert phone not in shown
        assert "TEST-token" not in shown

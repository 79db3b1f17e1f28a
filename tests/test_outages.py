"""What counts as the database being away, and is tried again, and what is a fault of our own."""

from dataclasses import replace

import pytest

from handlers import routes
from handlers.turns import Turn
from models import Database
from models.database import is_outage
from tests.city import City
from tests.databases import ON_SQLITE


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    database = Database("postgresql+asyncpg://muster@127.0.0.1:1/muster", patience=1)
    for session in (database.read, database.write):
        with pytest.raises(Exception) as raised:
            async with session():
                pass
        assert is_outage(raised.value)
    await database.close()


@ON_SQLITE
async def test_a_file_that_is_missing_is_a_fault_and_said_to_the_person(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_turn: Turn) -> None:
        raise FileNotFoundError("a font")

    help_route = routes.COMMANDS["help"]
    monkeypatch.setitem(routes.COMMANDS, "help", replace(help_route, function=broken))
    chen = await city.volunteer("陈晓丽")
    await chen.say("/help")
    await chen.sees("出了点问题")

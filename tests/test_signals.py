"""Signals between processes: what a lost connection to the database means for them."""

import asyncio

import pytest
from sqlalchemy import text

from bot import signals
from bot.signals import Signals
from models import Database
from tests.databases import ON_POSTGRESQL

GONE = text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE :what")


@ON_POSTGRESQL
async def test_a_connection_that_the_server_has_closed_is_made_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "PAUSE", 0.01)
    heard = Signals(database, ["posted"])
    running = asyncio.create_task(heard.run())
    await heard.listening.wait()
    async with database.write() as session:
        await session.execute(GONE, {"what": "LISTEN%"})
    while heard.listening.is_set():
        heard.notice({"posted": True})
        await asyncio.sleep(0)
    listening = asyncio.create_task(heard.listening.wait())
    await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED)
    assert listening.done()
    running.cancel()

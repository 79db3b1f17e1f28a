"""Migrations lead to the schema that the models describe, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.engine import Connection

from bot import schema
from models import Base, Database, Delivery, DeliveryState, Message, OptOut


async def test_from_nothing_to_the_models(empty_url: str) -> None:
    database = Database(empty_url)
    assert await schema.revision(database) is None
    await schema.upgrade(database)
    assert await schema.is_current(database)

    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_upgrading_twice_changes_nothing(empty_url: str) -> None:
    database = Database(empty_url)
    await schema.upgrade(database)
    await schema.upgrade(database)
    assert await schema.is_current(database)
    await database.close()


async def test_what_was_said_in_the_first_tables_is_kept(empty_url: str) -> None:
    """Opt-outs and pictures have moved; deliveries are as they were."""
    database = Database(empty_url)
    await schema.upgrade(database, "0001")
    async with database.engine.begin() as connection:
        for statement in BEFORE:
            await connection.execute(text(statement))
    await schema.upgrade(database)
    async with database.read() as session:
        opted_out = await session.execute(select(OptOut.person_id, OptOut.kind))
        assert opted_out.all() == [(2, "announcement")]
        messages = await session.scalars(select(Message.attachment).order_by(Message.id))
        assert messages.all() == [{"photo": "file"}, None]
        (kept,) = await session.scalars(select(Delivery))
        assert (kept.chat_id, kept.channel, kept.state) == (7, "telegram", DeliveryState.SENT)
    await database.close()


BEFORE = (
    "INSERT INTO organisation (id, code, kind, path, names, weight, approves_registrations,"
    " asks_id_number, ledger_length, ledger_head)"
    " VALUES (1, 'c', 'federation', '1.', '{}', 1, false, false, 0, '')",
    "INSERT INTO person (id, standing, organisation_id, language, name, name_search,"
    " phone_verified, availability, emergency_opt_in, announcements, applied_at) VALUES"
    " (1, 'active', 1, 'en', 'A', 'a', false, 0, false, true, '2026-11-01 00:00:00'),"
    " (2, 'active', 1, 'en', 'B', 'b', false, 0, false, false, '2026-11-01 00:00:00')",
    "INSERT INTO message (id, template, parameters, kind, picture, silent, created_at) VALUES"
    " (1, 't', '{}', 'k', 'file', false, '2026-11-01 00:00:00'),"
    " (2, 't', '{}', 'k', NULL, false, '2026-11-01 00:00:00')",
    "INSERT INTO delivery (id, message_id, person_id, chat_id, language, lane, state, created_at,"
    " due_at, attempts, possible_duplicate) VALUES"
    " (1, 1, 1, 7, 'en', 2, 'sent', '2026-11-01 00:00:00', '2026-11-01 00:00:00', 1, false)",
)
"""Rows as the first tables had them."""

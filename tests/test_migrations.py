"""Migrations lead to the schema that the models describe, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from bot import schema
from models import Base, Database


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

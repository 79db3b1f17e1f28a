"""The database's schema and its migrations, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from models import Database

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
COMMAND = "muster init"
"""What brings the schema up to date."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def newest() -> str | None:
    """The revision that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def revision(database: Database) -> str | None:
    """The revision of the database; None for an empty one."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with database.engine.connect() as connection:
        return await connection.run_sync(read)


async def is_current(database: Database) -> bool:
    return await revision(database) == newest()


async def upgrade(database: Database) -> None:
    """Brings the schema to the newest revision."""

    def migrate(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.engine.begin() as connection:
        await connection.run_sync(migrate)


async def draft(database: Database, message: str) -> None:
    """Writes a migration that takes `database` from its revision to the models."""

    def write(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        number = len(list(MIGRATIONS.glob("versions/*.py"))) + 1
        command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")

    async with database.engine.connect() as connection:
        await connection.run_sync(write)

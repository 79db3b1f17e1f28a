"""Alembic's way in: migrates over the connection that `bot.schema` hands it.

Migrations name plain column types only, so that they stay as they were when models change.
"""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from models import Base
from models.base import Moment
from models.sealed import Sealed, SealedDocument

DOCUMENT = 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'


def render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Our own types by what they are in the database."""
    if kind != "type":
        return False
    if isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, Sealed | SealedDocument):
        return "sa.LargeBinary()"
    if isinstance(item, sa.JSON):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        return DOCUMENT
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()

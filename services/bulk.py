"""Adding many rows at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, insert, select

from services.work import Work


async def add(work: Work, table: Any, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Adds rows of a table that is numbered by `id`; answers their keys in the order of `rows`.

    On SQLite a writing transaction is alone, so that the keys that follow can be given beforehand;
    asking for them afterwards would take a statement a row.
    """
    if not rows:
        return []
    if work.session.get_bind().dialect.name == "postgresql":
        statement = insert(table.__table__).returning(table.id, sort_by_parameter_order=True)
        return list(await work.session.scalars(statement, rows))
    last = await work.session.scalar(select(func.max(table.id))) or 0
    keys = list(range(last + 1, last + 1 + len(rows)))
    numbered = [{**row, "id": key} for key, row in zip(keys, rows, strict=True)]
    await work.session.execute(insert(table.__table__), numbered)
    return keys

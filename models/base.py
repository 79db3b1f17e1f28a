"""What every table shares: naming of constraints, column types, keys. Knows no table."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Enum, Integer, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

Key = BigInteger().with_variant(Integer, "sqlite")
"""Whole-number keys; SQLite only numbers rows by itself in a column called INTEGER."""

Document = JSON().with_variant(JSONB, "postgresql")


class Moment(TypeDecorator[datetime]):
    """A point in time: aware UTC in Python, UTC in the database (SQLite keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment must carry its time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def choice(kind: type[StrEnum], name: str | None = None, *, checked: bool = True) -> Enum:
    """A column that holds one of `kind`'s values, kept as text and checked by the database.

    `name` tells the checks apart where a table has two columns of one kind; a table that checks by
    itself says `checked=False`.
    """
    return Enum(
        kind,
        native_enum=False,
        create_constraint=checked,
        length=24,
        name=name or kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


def as_of(column: str) -> Callable[[DefaultExecutionContext], Any]:
    """The default of a column: what another column of the new row says."""

    def value(context: DefaultExecutionContext) -> Any:
        return context.get_current_parameters().get(column)  # type: ignore[no-untyped-call]

    return value


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: Moment,
        dict[str, Any]: Document,
        dict[str, str]: Document,
        list[int]: Document,
        list[str]: Document,
    }

    def __repr__(self) -> str:
        """Only the key: a row in a log line must never show a name or a phone."""
        return f"<{type(self).__name__} {self.__dict__.get('id', '?')}>"

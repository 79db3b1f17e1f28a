"""Statements are compiled once for all tests, though each test has an engine of its own."""

from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection


class _OfOneKind(dict[Any, Any]):
    """SQLAlchemy's cache of compiled statements, whose keys begin with the engine's own dialect.

    All engines of a kind are made alike here, so that what one has compiled serves the others.
    """

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return super().__getitem__(key[1:])

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)


_caches: dict[str, _OfOneKind] = {}


def share() -> None:
    @event.listens_for(Engine, "engine_connect")
    def share_compiled(connection: Connection) -> None:
        cache = _caches.setdefault(connection.dialect.name, _OfOneKind())
        connection.execution_options(compiled_cache=cache)

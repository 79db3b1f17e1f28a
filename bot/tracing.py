"""Where what happens comes from: an id that leads from an update to its deliveries, in the log.

`u123@1` is update 123 of bot 1, `enrolment.expire_offers#692a1b2c` a sweep by the second of its
run, `w3f9a2c1d` a request for a page. `grep` for one of them finds all that came of it.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from secrets import token_hex
from typing import Any

from services import delivery

log = logging.getLogger(__name__)

_origin: ContextVar[str | None] = ContextVar("origin", default=None)


def current() -> str | None:
    """The origin of what this task does; None where it does nothing in particular."""
    return _origin.get()


def about() -> dict[str, Any]:
    """What each session knows from the beginning, see `Database.inform`."""
    return {delivery.ORIGIN: _origin.get()}


@contextmanager
def coming_of(origin: str | None) -> Iterator[None]:
    """All that is done within, and by tasks that are begun within, comes of it."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def note(info: Mapping[str, Any]) -> None:
    """A listener of commits: one line, but for sweeps that posted nothing."""
    origin = info.get(delivery.ORIGIN)
    posted = bool(info.get(delivery.POSTED))
    usual = origin is None or ("#" in origin and not posted)
    level = logging.DEBUG if usual else logging.INFO
    log.log(level, "committed", extra={"origin": origin, "posted": posted})


def of_update(update_id: int, bot: int) -> str:
    return f"u{update_id}@{bot}"


def of_sweep(name: str, now: datetime) -> str:
    return f"{name}#{int(now.timestamp()):x}"


def of_request() -> str:
    return f"w{token_hex(4)}"

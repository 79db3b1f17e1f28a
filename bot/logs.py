"""Log lines: an event each, with the fields that were given along and where it came from.

Never the token, never what a person wrote: of what was raised it is told where and which kind, not
what it said, unless it is one of those that speak of machines only.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from telegram.error import TelegramError

from bot import tracing

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{8,}")
BREAKING = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
"""What would end a line, or paint over it on a terminal."""
TELLING = (TelegramError, OSError)
"""What these say is of machines; others may hold what a person entered."""
NOISY = (
    "alembic",
    "apscheduler",
    "aiosqlite",
    "telegram",
    "matplotlib",
    "fontTools",
    "PIL",
    "tzlocal",
)


SILENT = logging.CRITICAL + 1
PRIVATE = ("apprise", "urllib3", "requests")
"""What they say names addresses and texts of people."""


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given along, and the origin."""
    given = {k: v for k, v in record.__dict__.items() if k not in STANDARD}
    origin = tracing.current()
    return given if origin is None else {"origin": origin} | given


def raised(fault: BaseException) -> str:
    """What was raised and where, with what led to it, the first cause first."""
    return "\n".join(_raised(fault))


def _raised(fault: BaseException) -> Iterator[str]:
    before = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    if before is not None:
        yield from _raised(before)
    yield from (line.rstrip() for line in traceback.format_tb(fault.__traceback__))
    kind = type(fault)
    said = f": {fault}" if isinstance(fault, TELLING) else ""
    yield f"{kind.__module__}.{kind.__qualname__}{said}"


def _on_one_line(text: str) -> str:
    return BREAKING.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


class Line(logging.Formatter):
    """2026-12-05T14:00:00 WARNING bot.sender: text key=value; what was raised follows, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        line = self.formatMessage(record)
        line += "".join(f" {key}={value}" for key, value in fields_of(record).items())
        parts = [line]
        if record.exc_info and record.exc_info[1] is not None:
            parts += ["  " + one for one in raised(record.exc_info[1]).splitlines()]
        return TOKEN.sub("<token>", "\n".join(map(_on_one_line, parts)))


class JsonLine(logging.Formatter):
    """The same as an object of JSON, for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["raised"] = raised(record.exc_info[1])
        return TOKEN.sub("<token>", json.dumps(line, default=str))


FORMATS = {"text": Line, "json": JsonLine}


def set_up_logs(level: str, form: Literal["text", "json"] = "text") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for name in PRIVATE:
        logging.getLogger(name).setLevel(SILENT)

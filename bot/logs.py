"""Log lines: one a line, with the fields that were given along, and never with the token."""

import logging
import re
import sys

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{8,}")
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


class Line(logging.Formatter):
    """2026-12-05T14:00:00 WARNING bot.sender: text key=value"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = {k: v for k, v in record.__dict__.items() if k not in STANDARD}
        if fields:
            line += "".join(f" {key}={value}" for key, value in fields.items())
        return TOKEN.sub("<token>", line)


def set_up_logs(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for name in PRIVATE:
        logging.getLogger(name).setLevel(SILENT)

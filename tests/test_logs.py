"""What operators read: one line an event, whatever people are called; and never a secret."""

import logging
import secrets

import pytest

from bot.logs import Line
from models.sealed import keyring
from tests.logged import PLANTED, Searched, searched


def line_of(message: str, *arguments: object, **fields: object) -> str:
    record = logging.makeLogRecord(
        {"name": "bot.test", "levelno": logging.INFO, "levelname": "INFO", "msg": message,
         "args": arguments, **fields}
    )  # fmt: skip
    return Line().format(record)


@pytest.mark.parametrize("breaking", ["\n", "\r\n", "\x1b[2K", "\u2028", "\x85", "\x00"])
def test_nobodys_words_make_a_line_of_their_own(breaking: str) -> None:
    forged = f"Chen{breaking}2026-12-05T14:00:00 ERROR bot.sender: all is lost"
    for line in (line_of("%s", forged), line_of("x", reason=forged), line_of(forged)):
        assert len(line.splitlines()) == 1
        assert breaking not in line
        assert "bot.test" in line.split()[2]


def test_what_is_raised_stands_indented_below_its_line() -> None:
    try:
        raise ValueError("bad\n2026-12-05T14:00:00 ERROR bot.sender: all is lost")
    except ValueError as fault:
        raised = (type(fault), fault, fault.__traceback__)
    first, *more = line_of("failed", exc_info=raised).splitlines()
    assert first.endswith("failed")
    assert more
    assert all(line.startswith("  ") for line in more)


def test_no_secret_in_a_log_is_overlooked() -> None:
    """The search of the whole suite finds each kind, however it is written."""
    looking = Searched()
    key = keyring().encryption[0]
    drawn = secrets.token_urlsafe(24)
    looking.drawn = searched.drawn
    for secret in (
        *PLANTED, drawn, key.hex(), "+8613800138000", "13800138000", "442000199005011234",
        "mst_abcdefghijklmnop", "whsec_c2VjcmV0c2VjcmV0", "ABCD2345EFGH6789",
        "json://gateway.example/sms/x", "postgresql+asyncpg://muster:hush@db/muster", "陈晓丽",
    ):  # fmt: skip
        assert list(looking.found_in(f"2026-12-05T14:00:00 INFO bot.x: it is {secret}.")), secret
    for line in (
        "running as @muster_test_bot", "update seen before update_id=123456789",
        "import 12 failed at portion 3", "revision 0040", "bot.keys: 13 rows",
    ):  # fmt: skip
        assert not list(looking.found_in(f"2026-12-05T14:00:00 INFO bot.x: {line}")), line

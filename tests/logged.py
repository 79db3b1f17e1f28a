"""Searches all that is logged while tests run for secrets: one that stands there fails its test.

The lines are those that operators would read at the most talkative level; the secrets are those
planted in every city of the tests, and every one that is drawn while they run.
"""

import base64
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest

from bot.logs import Line
from models.sealed import keyring

OURS = ("bot", "handlers", "services", "web", "models")
PLANTED = ("TEST-token-of-the-playground", "secret-of-the-tests", "benchmark-", "河堤上的三棵榕树")
"""The bot's token, the webhook's secret, a coordinator's word."""
PATTERNS = {
    "a phone number": re.compile(r"(?<![\d.])(?:\+?86)?1[3-9]\d{9}(?!\d)"),
    "an ID number": re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{9}[\dX](?!\d)"),
    "a token of the API": re.compile(r"\bmst_[\w-]{8,}"),
    "a webhook's secret": re.compile(r"\bwhsec_[\w+/=-]{8,}"),
    "a one-time code": re.compile(r"\b(?=\w*\d)(?=\w*[A-Z])[A-HJ-NP-Z2-9]{12,16}\b"),
    "a channel's address": re.compile(r"\b(?:jsons?|mailtos?|twilio|xmls?)://[^\s/]+/\S"),
    "a password of the database": re.compile(r"postgresql\S*://[^\s:/@]+:[^\s@]+@"),
    "a word of a person": re.compile(r"[\u4e00-\u9fff]{2,}"),
}
WORD = re.compile(r"[\w-]{16,}")


class Searched(logging.Handler):
    """Keeps what must not stand in a log; `drawn` are the secrets that tests have seen made."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(Line())
        self.drawn: set[str] = set()
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        for what in self.found_in(line):
            self.leaks.append(f"{what} is logged: {line}")

    def look_through(self, text: str) -> None:
        """What another process has logged."""
        for line in text.splitlines():
            self.leaks += [f"{what} is logged: {line}" for what in self.found_in(line)]

    def found_in(self, line: str) -> Iterator[str]:
        for word in PLANTED:
            if word in line:
                yield word
        for name, pattern in PATTERNS.items():
            if pattern.search(line):
                yield name
        for word in WORD.findall(line):
            if word in self.drawn:
                yield "a secret that was drawn"
        for kept in keys():
            if kept in line:
                yield "a key"

    def taken(self) -> list[str]:
        """What was found since it was asked last."""
        found, self.leaks = self.leaks, []
        return found


def keys() -> list[str]:
    """The keyring's bytes, as they may be written."""
    try:
        ring = keyring()
    except RuntimeError:
        return []
    every = (*ring.encryption, *ring.hashing, *ring.signing)
    return [text for key in every for text in (key.hex(), base64.b64encode(key).decode())]


searched = Searched()


def _noting(draw: Callable[..., str]) -> Callable[..., str]:
    @wraps(draw)
    def drawing(*arguments: Any) -> str:
        drawn = draw(*arguments)
        searched.drawn.add(drawn)
        return drawn

    return drawing


def pytest_sessionstart() -> None:
    for name in ("token_urlsafe", "token_hex"):
        setattr(secrets, name, _noting(getattr(secrets, name)))
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(searched)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """What a test logged from its first fixture to its last."""
    yield
    if found := searched.taken():
        pytest.fail("\n".join(found), pytrace=False)

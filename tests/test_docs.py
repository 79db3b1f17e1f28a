"""What the documents claim is there: tests that prove stories, files that links lead to."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from services.events import SUBSCRIBABLE
from services.tokens import Scope
from tests.times import START
from web.api.pages import DECLARED, DOCUMENT

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def claimed() -> Iterator[tuple[str, str]]:
    """The file and the test (or nothing) of each proof in the stories, and of what is safe."""
    proven = ("stories.md", "security.md")
    text = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in proven)
    for found in re.finditer(r"`((?:playground/)?test_\w+)(?:::(\w+))?`", text):
        yield found.group(1), found.group(2) or ""


def test_every_story_names_a_test_that_exists() -> None:
    missing = []
    for file, test in claimed():
        path = ROOT / "tests" / f"{file}.py"
        if not path.exists() or (test and f"def {test}(" not in path.read_text(encoding="utf-8")):
            missing.append(f"{file}::{test}")
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_document_for_people_exists_in_both_languages() -> None:
    for name in ("volunteers", "coordinators", "operators", "runbook", "api"):
        assert (ROOT / "docs" / f"{name}.md").exists()
        assert (ROOT / "docs" / f"{name}.zh.md").exists()


API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_what_is_said_of_the_api_is_there() -> None:
    for scope in Scope:
        assert f"`{scope.value}`" in API
    for kind in SUBSCRIBABLE:
        assert f"`{kind.value}`" in API
    there = {"/api/v1" + route.path for route in DECLARED} | {DOCUMENT}
    assert set(re.findall(r"/api/v1/[\w./{}]+", API)) <= there


def test_the_code_that_checks_a_signature_does() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", API, re.DOTALL)
    given: dict[str, Any] = {}
    exec(code, given)
    secret, body = "whsec_" + "c2VjcmV0" * 4, "{}"
    signed = Webhook(secret).sign("evt_1", START, body)
    at = START.timestamp()
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(at)),
               "webhook-signature": f"v1,AAAA {signed}"}  # fmt: skip
    assert given["is_genuine"](secret, headers, b"{}", at + 299)
    assert not given["is_genuine"](secret, headers, b"{}", at + 301)
    assert not given["is_genuine"](secret, headers, b"[]", at)
    assert not given["is_genuine"]("whsec_" + "AAAA" * 8, headers, b"{}", at)

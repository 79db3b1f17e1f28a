"""What the documents claim is there: tests that prove stories, files that links lead to."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def claimed() -> Iterator[tuple[str, str]]:
    """The file and the test (or nothing) of each proof in the stories."""
    text = (ROOT / "docs" / "stories.md").read_text(encoding="utf-8")
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
    for name in ("volunteers", "coordinators", "operators"):
        assert (ROOT / "docs" / f"{name}.md").exists()
        assert (ROOT / "docs" / f"{name}.zh.md").exists()

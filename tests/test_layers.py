"""Imports go down only: bot -> handlers, web -> services -> models; the playground stands alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BELOW = {
    "bot": {"handlers", "web", "services", "models"},
    "handlers": {"services", "models"},
    "web": {"services", "models"},
    "services": {"models"},
    "models": set[str](),
    "playground": set[str](),
}


def imported(path: Path) -> Iterator[str]:
    """The top-level package of each import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[0]
            yield package if node.level else (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", BELOW)
def test_imports_go_down_only(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    others = (set(BELOW) | {"tests", "benchmarks", "migrations"}) - {package} - BELOW[package]
    upwards = {(str(file.relative_to(ROOT)), name) for file in files for name in imported(file)}
    assert {(file, name) for file, name in upwards if name in others} == set()


def test_rules_and_pages_know_no_telegram() -> None:
    """Services and models know nothing of Telegram, and pages nothing of its library."""
    for package in ("services", "models", "web"):
        for file in (ROOT / package).rglob("*.py"):
            assert "telegram" not in set(imported(file)), file

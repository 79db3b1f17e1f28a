"""Every sentence is there in every language, and none is written outside of the templates."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment

from services.words import LANGUAGES, SOURCE_LANGUAGE, TEMPLATES

ROOT = Path(__file__).resolve().parent.parent
METHODS = [("**.j2", "jinja2"), ("**.html", "jinja2")]
OPTIONS = {
    pattern: {"trimmed": "true", "newstyle_gettext": "true", "silent": "false",
              "extensions": "jinja2.ext.do", "trim_blocks": "true", "lstrip_blocks": "true"}
    for pattern, _ in METHODS
}  # fmt: skip
TRANSLATED = [language for language in LANGUAGES if language != SOURCE_LANGUAGE]
CHINESE = re.compile(r"[\u4e00-\u9fff]{2,}")
SENTENCE = re.compile(r"[A-Z][a-z]+( [a-z']+){3,}[.!?]")


@cache
def messages_in_templates() -> dict[object, list[str]]:
    """Message id -> the templates that use it."""
    found: dict[object, list[str]] = {}
    for path, _, message, _, _ in extract_from_dir(TEMPLATES, METHODS, OPTIONS):
        key = tuple(message) if isinstance(message, list | tuple) else message
        found.setdefault(key, []).append(path)
    return found


@cache
def translations(language: str) -> dict[object, object]:
    known: dict[object, object] = {}
    for path in sorted((TEMPLATES / "locale" / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id:
                    assert message.id not in known, f"{message.id!r} is translated twice: {path}"
                    known[message.id] = message.string
    return known


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_of_the_templates_is_translated(language: str) -> None:
    known = translations(language)
    missing = {
        message: places
        for message, places in messages_in_templates().items()
        if not known.get(message) or not all(_strings(known[message]))
    }
    report = "\n".join(f"{sorted(set(places))}: {message!r}" for message, places in missing.items())
    assert not missing, f"{len(missing)} without a translation to {language}:\n{report}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_left_of_a_sentence_that_is_gone(language: str) -> None:
    unused = set(translations(language)) - set(messages_in_templates())
    assert not unused


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_keep_the_names_of_what_is_put_in(language: str) -> None:
    placeholder = re.compile(r"%\((\w+)\)s")
    for message, translation in translations(language).items():
        wanted = {name for text in _strings(message) for name in placeholder.findall(text)}
        for text in _strings(translation):
            assert set(placeholder.findall(text)) <= wanted, f"{message!r} -> {text!r}"


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    return (str(value),)


def _literals(path: Path) -> list[str]:
    """Strings of a module that are not docstrings or comments on attributes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    raised = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise | ast.Call) and _is_for_engineers(node)
        for part in ast.walk(node)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in bare | raised
    ]


def _is_for_engineers(node: ast.AST) -> bool:
    """What is raised as a bug, logged, or describes a setting."""
    if isinstance(node, ast.Raise):
        return True
    name = node.func if isinstance(node, ast.Call) else None
    if isinstance(name, ast.Attribute):
        return isinstance(name.value, ast.Name) and name.value.id == "log"
    return isinstance(name, ast.Name) and name.id == "Field"


@pytest.mark.parametrize("folder", ["handlers", "services", "web"])
def test_no_sentence_is_written_in_code(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path.name in {"moments.py"}:
            continue  # the grammar of dates as people write them: read, never said
        for text in _literals(path):
            assert not CHINESE.search(text), f"{path}: {text!r}"
            assert not SENTENCE.search(text), f"{path}: {text!r}"


def test_every_template_compiles() -> None:
    environment = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)
    for path in TEMPLATES.rglob("*.j2"):
        environment.parse(path.read_text(encoding="utf-8"))

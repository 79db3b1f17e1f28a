"""Turning a template and its parameters into what a person reads, with the buttons under it.

A template in `templates/<topic>/<name>.j2` holds a whole screen: its words and its keyboard.
Sentences are gettext messages with English as their key; `templates/locale/<language>/<topic>.po`
translates them. Knows nothing of Telegram, HTTP or the database.
"""

import html
import io
import json
import re
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from gettext import GNUTranslations
from pathlib import Path
from typing import Any

from babel import support
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from services.formats import Formats
from services.policy import Policy

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
SOURCE_LANGUAGE = "en"
CLOSED = "closed"
"""A parameter: what the words are about is over, so that nothing is left to press."""
TAG = re.compile(r"<[^>]*>")


def languages_in(folder: Path) -> tuple[str, ...]:
    """Languages with a catalogue, the source language last."""
    found = sorted(path.name for path in (folder / "locale").iterdir() if path.is_dir())
    return (*found, SOURCE_LANGUAGE)


LANGUAGES = languages_in(TEMPLATES)
"""The languages that Muster speaks."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message: an action with its arguments, or an address to open.

    An `app` is a page that opens inside of Telegram.
    """

    label: str
    action: str | None = None
    url: str | None = None
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the keyboard that replaces the phone's own; `asks` is contact, location or None."""

    label: str
    asks: str | None = None


@dataclass(slots=True)
class Keyboard:
    """Collects what a template puts under its text while it is rendered."""

    buttons: list[list[Button]] = field(default_factory=list)
    keys: list[list[Key]] = field(default_factory=list)
    hides_keys: bool = False
    only_in_chat: bool = False
    """Names other people, or decides something that a stranger with a link must not decide."""
    placeholder: str | None = None
    _columns: int = 0

    def add(self, item: Button | Key) -> None:
        rows: list[Any] = self.buttons if isinstance(item, Button) else self.keys
        if not rows or (self._columns and len(rows[-1]) >= self._columns):
            rows.append([])
        rows[-1].append(item)

    def new_row(self, columns: int = 0) -> None:
        self._columns = columns
        for rows in (self.buttons, self.keys):
            if rows and rows[-1]:
                rows.append([])

    def finish(self) -> None:
        self.buttons = [row for row in self.buttons if row]
        self.keys = [row for row in self.keys if row]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A screen in one language: HTML text and its keyboard."""

    text: str
    keyboard: Keyboard

    @property
    def unformatted(self) -> str:
        """The text as plain characters, its lines as they are."""
        return html.unescape(TAG.sub("", self.text))


class Words:
    """All templates in all languages. Build it once; rendering is pure."""

    def __init__(self, policy: Policy, folder: Path = TEMPLATES) -> None:
        self.policy = policy
        self.folder = folder

    @cached_property
    def languages(self) -> tuple[str, ...]:
        return languages_in(self.folder)

    def language_for(self, code: str | None) -> str:
        """The language to speak with somebody whose phone is set to the IETF tag `code`."""
        tag = (code or "").lower().replace("_", "-")
        for language in self.languages:
            if tag.split("-")[0] == language.lower().split("_")[0]:
                return language
        return self.policy.default_language if not tag else SOURCE_LANGUAGE

    @cached_property
    def _environments(self) -> dict[str, Environment]:
        return {
            language: _environment(self.folder, language, self.policy)
            for language in self.languages
        }

    def _template(self, name: str, language: str) -> Template:
        environment = self._environments.get(language) or self._environments[SOURCE_LANGUAGE]
        return environment.get_template(name)

    def render(self, template: str, language: str, /, **parameters: Any) -> Rendered:
        """Raises jinja2.TemplateNotFound or UndefinedError: both are bugs."""
        keyboard = Keyboard()
        text = self._template(f"{template}.j2", language).render(parameters, _keyboard=keyboard)
        keyboard.finish()
        if parameters.get(CLOSED):
            keyboard.buttons.clear()
        return Rendered(tidy(text), keyboard)

    def plain(self, template: str, language: str, /, **parameters: Any) -> str:
        """The words of a template without markup, for pictures, files and alerts."""
        return Markup(self.render(template, language, **parameters).text).striptags()  # noqa: S704

    def values(self, template: str, language: str, /, **parameters: Any) -> Any:
        """What a template that writes JSON gives to something else that lays out words."""
        return json.loads(self.render(f"{template}.json", language, **parameters).text)

    def page(self, template: str, language: str, /, **parameters: Any) -> str:
        """A web page, `templates/<topic>/<name>.html`."""
        return str(self._template(f"{template}.html", language).render(parameters))


@lru_cache(maxsize=16)
def _environment(folder: Path, language: str, policy: Policy) -> Environment:
    """Once a process, since each template is compiled when it is first used."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        load_translations(folder, language), newstyle=True
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.filters.update(Formats(language, policy).filters())
    environment.globals.update(_KEYBOARD_WORDS)
    environment.globals["language"] = language
    return environment


def tidy(text: str) -> str:
    """Drops what a template's layout leaves behind: trailing blanks, empty lines in a row."""
    lines = "\n".join(line.strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


@cache
def load_translations(folder: Path, language: str) -> GNUTranslations | support.NullTranslations:
    """All catalogues of a language as one, compiled in memory once a process."""
    merged = Catalog(locale=language)
    for path in sorted((folder / "locale" / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and message.string and not message.fuzzy:
                    merged.add(message.id, message.string, context=message.context)
    if not len(merged):
        return support.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _collector(context: Context) -> Keyboard:
    keyboard = context.get("_keyboard")
    if not isinstance(keyboard, Keyboard):
        raise TypeError("this template is a page or part of one: it has no keyboard")
    return keyboard


def _unescaped(label: str) -> str:
    """Labels are plain text to Telegram; the template escaped what was put into them."""
    return html.unescape(str(label))


@pass_context
def _button(context: Context, label: str, action: str, *arguments: object) -> str:
    """{{ button(_("Enrol"), "enrol", shift.id) }}"""
    text = ":".join([action, *(str(argument) for argument in arguments)])
    _collector(context).add(Button(_unescaped(label), action=text))
    return ""


@pass_context
def _link(context: Context, label: str, url: str) -> str:
    _collector(context).add(Button(_unescaped(label), url=url))
    return ""


@pass_context
def _app(context: Context, label: str, address: str) -> str:
    """{{ app_button(_("Open it here"), address) }}; Telegram takes https only."""
    _collector(context).add(Button(_unescaped(label), app=address))
    return ""


@pass_context
def _key(context: Context, label: str, asks: str | None = None) -> str:
    """{{ key(_("Share my phone number"), "contact") }}"""
    _collector(context).add(Key(_unescaped(label), asks))
    return ""


@pass_context
def _hide_keys(context: Context) -> str:
    _collector(context).hides_keys = True
    return ""


@pass_context
def _only_in_chat(context: Context) -> str:
    """What goes out by another channel says no more than that something waits in the chat."""
    _collector(context).only_in_chat = True
    return ""


@pass_context
def _row(context: Context, columns: int = 0) -> str:
    """Ends a row; with `columns`, the following buttons break by themselves after so many."""
    _collector(context).new_row(columns)
    return ""


_KEYBOARD_WORDS = {
    "button": _button,
    "link": _link,
    "app_button": _app,
    "key": _key,
    "hide_keys": _hide_keys,
    "only_in_chat": _only_in_chat,
    "row": _row,
}

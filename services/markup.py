"""Formatted texts that go out by Telegram: what may stand in them, and how a page shows them. Pure.

What is typed on a page may use bold, italics and links; what the phone's own formatting adds beside
these is let through, so that a text that was begun in the chat can be changed on a page.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from services.errors import Refusal

TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)((?:\s[^<>]*)?)>")
LINK = re.compile(r"""\s*href\s*=\s*(?:"([^"]*)"|'([^']*)')\s*""")
ADDRESS = re.compile(r"(?:https?://[^\s/]+|tg://user\?id=\d+)\S*")
PLAIN = frozenset({"b", "i", "u", "s", "code", "pre", "tg-spoiler", "blockquote"})
SAME = {"strong": "b", "em": "i", "ins": "u", "del": "s", "strike": "s"}
ATTRIBUTES = {
    "blockquote": re.compile(r"\s*expandable\s*"),
    "code": re.compile(r"""\s*class="language-[\w+#.-]+"\s*"""),
    "span": re.compile(r"""\s*class="tg-spoiler"\s*"""),
    "tg-emoji": re.compile(r"""\s*emoji-id="\d+"\s*"""),
}
"""What Telegram itself writes into its tags."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words, or a tag that may stand in a text: `written` is how it is kept, escaped."""

    written: str
    tag: str = ""
    closes: bool = False


def checked(text: str, most: int) -> str:
    """The text as Telegram takes it; what looks like a tag and is none is kept as typed.

    Raises Refusal for nothing at all, for more than `most` characters to read, and for tags that
    may not be used, are not closed, or lead nowhere.
    """
    open_tags: list[str] = []
    written: list[str] = []
    words = ""
    for piece in _pieces(text.strip().replace("\r\n", "\n")):
        written.append(piece.written)
        if not piece.tag:
            words += html.unescape(piece.written)
        elif not piece.closes:
            open_tags.append(piece.tag)
        elif not open_tags or open_tags.pop() != piece.tag:
            raise Refusal("text_tag_pair", tag=piece.tag)
    if open_tags:
        raise Refusal("text_tag_pair", tag=open_tags[-1])
    if not words.strip():
        raise Refusal("text_missing")
    if len(words) > most:
        raise Refusal("form_too_long", most=most, length=len(words))
    return "".join(written)


def for_page(text: str) -> Markup:
    """A rendered text for a page, its formatting kept and everything else harmless."""
    return Markup("".join(piece.written for piece in _pieces(text, strict=False)))  # noqa: S704


def _pieces(text: str, *, strict: bool = True) -> Iterator[Piece]:
    """Raises Refusal for a tag that may not be used; or takes it for words."""
    done = 0
    for found in TAG.finditer(text):
        yield _words(text[done : found.start()])
        try:
            yield _tag(bool(found.group(1)), found.group(2).lower(), found.group(3))
        except Refusal:
            if strict:
                raise
            yield _words(found.group())
        done = found.end()
    yield _words(text[done:])


def _words(text: str) -> Piece:
    return Piece(html.escape(html.unescape(text), quote=False))


def _tag(closes: bool, name: str, attributes: str) -> Piece:
    name = SAME.get(name, name)
    if name not in PLAIN | {"a"} | set(ATTRIBUTES):
        raise Refusal("text_tag", tag=name)
    if closes:
        return Piece(f"</{name}>", name, closes=True)
    if name == "a":
        return Piece(f'<a href="{_address(attributes)}">', name)
    known = ATTRIBUTES.get(name)
    said = attributes.strip()
    is_fine = known is not None and known.fullmatch(said) is not None
    if not is_fine and (said or name not in PLAIN):
        raise Refusal("text_tag", tag=name)
    return Piece(f"<{name}{' ' + said if said else ''}>", name)


def _address(attributes: str) -> str:
    found = LINK.fullmatch(attributes)
    address = html.unescape(found.group(1) or found.group(2) or "") if found else ""
    if not ADDRESS.fullmatch(address):
        raise Refusal("text_link")
    return html.escape(address)

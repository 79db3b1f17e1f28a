"""The Bot API's HTML: from markup to text with entities, and back. Offsets are UTF-16 units."""

import html as escaping
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from playground.errors import ApiError, bad_request
from playground.model import Entity

KINDS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline",
    "ins": "underline", "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
    "tg-spoiler": "spoiler", "code": "code", "pre": "pre", "blockquote": "blockquote",
    "a": "text_link", "span": "spoiler", "tg-emoji": "custom_emoji",
}  # fmt: skip
TAGS = {
    "bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "spoiler": "tg-spoiler",
    "code": "code", "pre": "pre", "blockquote": "blockquote",
}  # fmt: skip
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
PIECE = re.compile(r"<(/?)([^\s<>/]*)([^<>]*)>|&(#x?[0-9a-fA-F]+|\w+);|<", re.DOTALL)
ATTRIBUTE = re.compile(r"""([\w-]+)\s*(?:=\s*("[^"]*"|'[^']*'|[^\s>]+))?""")
FOUND = re.compile(
    r"(?P<url>https?://[^\s<>\"“”]+)|(?P<bot_command>(?<![\w/])/[a-zA-Z0-9_]{1,32}(?:@\w+)?)"
    r"|(?P<mention>(?<!\w)@[a-zA-Z]\w{3,31})"
)


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def parse(source: str) -> tuple[str, tuple[Entity, ...]]:
    """Text and entities of an HTML message. Raises ApiError as Telegram words it."""
    text: list[str] = []
    length = 0
    stack: list[tuple[str, int, dict[str, str]]] = []
    entities: list[Entity] = []
    at = 0
    for piece in PIECE.finditer(source):
        plain = source[at : piece.start()]
        text.append(plain)
        length += units(plain)
        at = piece.end()
        offset = len(source[: piece.start()].encode())
        if piece.group(4):
            char = _character(piece.group(4), piece.group())
            text.append(char)
            length += units(char)
        elif piece.group() == "<":
            raise _unparsable(f"Unclosed start tag at byte offset {offset}")
        elif piece.group(1):
            entities.extend(_closed(stack, piece.group(2).lower(), length, offset))
        else:
            stack.append(_opened(piece.group(2).lower(), piece.group(3), length, offset))
    if stack:
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{stack[-1][0]}"')
    text.append(source[at:])
    return trimmed("".join(text), sorted(entities, key=lambda e: (e.offset, -e.length)))


def _character(name: str, whole: str) -> str:
    if name.startswith("#"):
        return escaping.unescape(whole)
    return NAMED.get(name, whole)


def _opened(
    name: str, attributes: str, length: int, offset: int
) -> tuple[str, int, dict[str, str]]:
    given = {
        key.lower(): escaping.unescape(value.strip("\"'"))
        for key, value in ATTRIBUTE.findall(attributes)
    }
    if name not in KINDS or (name == "span" and given.get("class") != "tg-spoiler"):
        if name == "span":
            raise _unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
        raise _unparsable(f'Unsupported start tag "{name}" at byte offset {offset}')
    return name, length, given


def _closed(
    stack: list[tuple[str, int, dict[str, str]]], name: str, length: int, offset: int
) -> list[Entity]:
    if not stack:
        raise _unparsable(f"Unexpected end tag at byte offset {offset}")
    opened, start, given = stack.pop()
    if opened != name:
        raise _unparsable(
            f'Unmatched end tag at byte offset {offset}, expected "</{opened}>", found "</{name}>"'
        )
    if length == start:
        return []
    entity = Entity(KINDS[name], start, length - start)
    if name == "a":
        url = given.get("href", "")
        if url.startswith("tg://user?id=") and url[13:].isdigit():
            return [replace(entity, type="text_mention", user_id=int(url[13:]))]
        return [replace(entity, url=url)] if "." in url or "://" in url else []
    if name == "tg-emoji":
        return [replace(entity, custom_emoji_id=given.get("emoji-id"))]
    if name == "code" and given.get("class", "").startswith("language-"):
        return [replace(entity, language=given["class"][9:])]
    return [entity]


def _unparsable(reason: str) -> ApiError:
    return bad_request(f"can't parse entities: {reason}")


def trimmed(text: str, entities: Sequence[Entity]) -> tuple[str, tuple[Entity, ...]]:
    """Without blanks at the ends, entities moved and cut accordingly."""
    kept = text.rstrip()
    before = units(kept) - units(kept.lstrip())
    kept = kept.lstrip()
    size = units(kept)
    moved: list[Entity] = []
    for entity in entities:
        start = max(entity.offset - before, 0)
        end = min(entity.end - before, size)
        if end > start:
            moved.append(replace(entity, offset=start, length=end - start))
    return kept, tuple(moved)


def with_found(text: str, entities: Sequence[Entity]) -> tuple[Entity, ...]:
    """Adds what Telegram recognises by itself: addresses, commands, mentions."""
    found = list(entities)
    for match in FOUND.finditer(text):
        start = units(text[: match.start()])
        length = units(match.group())
        if not any(e.offset < start + length and start < e.end for e in entities):
            found.append(Entity(str(match.lastgroup), start, length))
    return tuple(sorted(found, key=lambda e: (e.offset, -e.length)))


def to_bot_html(text: str, entities: Sequence[Entity]) -> str:
    """The HTML that a bot would have sent."""
    return _woven(text, entities, _bot_tags)


def to_page_html(text: str, entities: Sequence[Entity]) -> str:
    """Safe HTML for the page: known tags only, addresses and commands marked."""
    return _woven(text, entities, _page_tags).replace("\n", "<br>")


def _bot_tags(entity: Entity, content: str) -> tuple[str, str]:
    if entity.type == "text_link":
        return f'<a href="{escaping.escape(entity.url or "")}">', "</a>"
    if entity.type == "text_mention":
        return f'<a href="tg://user?id={entity.user_id}">', "</a>"
    tag = TAGS.get(entity.type)
    return (f"<{tag}>", f"</{tag}>") if tag else ("", "")


def _page_tags(entity: Entity, content: str) -> tuple[str, str]:
    if entity.type in ("text_link", "url"):
        url = entity.url or content
        safe = escaping.escape(url) if url.startswith(("http://", "https://", "tg://")) else "#"
        return f'<a href="{safe}" rel="noreferrer" target="_blank">', "</a>"
    if entity.type == "bot_command":
        return f'<a class="command" data-command="{escaping.escape(content)}" href="#">', "</a>"
    if entity.type == "spoiler":
        return '<span class="spoiler">', "</span>"
    tag = TAGS.get(entity.type)
    return (f"<{tag}>", f"</{tag}>") if tag else ("", "")


def _woven(
    text: str, entities: Sequence[Entity], tags: Callable[[Entity, str], tuple[str, str]]
) -> str:
    raw = text.encode("utf-16-le")

    def part(start: int, end: int) -> str:
        return raw[start * 2 : end * 2].decode("utf-16-le", "ignore")

    def weave(start: int, end: int, inside: list[Entity]) -> str:
        out: list[str] = []
        at = start
        rest = list(inside)
        while rest:
            entity = rest.pop(0)
            if entity.offset < at:
                continue
            nested = [e for e in rest if e.end <= entity.end]
            rest = [e for e in rest if e.end > entity.end]
            opening, closing = tags(entity, part(entity.offset, entity.end))
            out.append(escaping.escape(part(at, entity.offset), quote=False))
            out.append(opening + weave(entity.offset, entity.end, nested) + closing)
            at = entity.end
        out.append(escaping.escape(part(at, end), quote=False))
        return "".join(out)

    return weave(0, len(raw) // 2, sorted(entities, key=lambda e: (e.offset, -e.length)))

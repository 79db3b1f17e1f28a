"""Finding things by typing a part of their name: characters, pinyin or initials. Pure."""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol, TypeVar

SEPARATOR = "\x1f"
"""Between the forms of a key; nobody types it."""


class Findable(Protocol):
    """Something with a search key."""

    @property
    def search(self) -> str: ...


F = TypeVar("F", bound=Findable)


def folded(text: str) -> str:
    """Lower case, full-width letters as plain ones, without blanks and marks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in plain if c.isalnum())


def search_key(names: Mapping[str, str]) -> str:
    """All names folded, with the full pinyin and the initials of the Chinese ones."""
    forms: list[str] = []
    for name in names.values():
        forms.append(folded(name))
        forms.extend(_words(name))
        if any("\u4e00" <= c <= "\u9fff" for c in name):
            forms.extend(map(folded, pinyin(name)))
    return SEPARATOR.join(dict.fromkeys(form for form in forms if form))


def pinyin(name: str) -> tuple[str, str]:
    """The full pinyin and the initials; what is not Chinese stays as it is."""
    # Its tables take a third of a second to read, which most commands need not wait for.
    from pypinyin import Style, lazy_pinyin

    return "".join(lazy_pinyin(name)), "".join(lazy_pinyin(name, style=Style.FIRST_LETTER))


def _words(name: str) -> list[str]:
    """The rest of a name from each of its words on, so that any word can be begun with."""
    parts = name.split()
    return [folded(" ".join(parts[start:])) for start in range(1, len(parts))]


@lru_cache(maxsize=4096)
def _wanted(typed: str) -> tuple[str, ...]:
    """What to look for: the whole, else each word on its own."""
    return tuple(part for part in (folded(word) for word in typed.split()) if part)


def score(key: str, typed: str) -> int | None:
    """How well typed words fit a key, smaller is better; None if they don't.

    0: a whole name; 1: its beginning; 2: the beginning of a word in it; 3: anywhere inside. Latin
    letters count inside a name only from three on, since shorter ones are in every pinyin.
    """
    whole = folded(typed)
    if not whole:
        return None
    forms = key.split(SEPARATOR)
    if whole in forms:
        return 0
    for place, form in enumerate(forms):
        if form.startswith(whole):
            return 1 if place == 0 else 2
    if _inside(forms, whole):
        return 3
    words = _wanted(typed)
    if len(words) > 1 and all(_begins_or_inside(forms, word) for word in words):
        return 3
    return None


def _inside(forms: list[str], wanted: str) -> bool:
    return (not wanted.isascii() or len(wanted) > 2) and any(wanted in form for form in forms)


def _begins_or_inside(forms: list[str], word: str) -> bool:
    return any(form.startswith(word) for form in forms) or _inside(forms, word)


def matches(key: str, typed: str) -> bool:
    return score(key, typed) is not None


def rank(items: Iterable[F], typed: str) -> list[F]:
    """Those that fit, the best first, otherwise in their order."""
    scored = [(score(item.search, typed), item) for item in items]
    found = [(points, item) for points, item in scored if points is not None]
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]

"""What forms of pages send, as services take it: numbers, moments, places. Knows no topic."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from multidict import MultiMapping

from services.errors import Refusal
from services.finding import folded
from services.moments import MomentError, parse_duration, parse_moment
from services.work import Work
from web.console.framework import Visit

Fields = MultiMapping[Any]
"""A sent form, or a query."""


def text(fields: Fields, name: str) -> str:
    return str(fields.get(name, "")).replace("\r\n", "\n").strip()


def number(fields: Fields, name: str, least: int, most: int) -> int | None:
    """None where nothing was typed. Raises Refusal."""
    typed = folded(text(fields, name))
    if not typed:
        return None
    if not typed.isdecimal() or len(typed) > 18:
        raise Refusal("form_not_a_number", least=least, most=most)
    if not least <= int(typed) <= most:
        raise Refusal("form_number_range", least=least, most=most)
    return int(typed)


def keys(fields: Fields, name: str) -> tuple[int, ...]:
    """The keys that are ticked; what is no key is left out."""
    ticked = [str(one) for one in fields.getall(name, ())]
    known = [int(one) for one in ticked if one.isascii() and one.isdigit() and len(one) < 19]
    return tuple(dict.fromkeys(known))


def key(fields: Fields, name: str) -> int | None:
    return next(iter(keys(fields, name)), None)


def one_of(fields: Fields, name: str, codes: Sequence[str]) -> str | None:
    said = text(fields, name)
    return said if said in codes else None


def moment(work: Work, fields: Fields, name: str) -> datetime | None:
    """Out of a day and a time of day, local; None where neither is given. Raises Refusal."""
    typed = f"{text(fields, f'{name}_day')} {text(fields, f'{name}_time')}".strip()
    if not typed:
        return None
    try:
        return parse_moment(typed, now=work.now, zone=work.policy.zone)
    except MomentError as fault:
        raise Refusal("form_moment", reason=fault.reason.value, earlier=False) from None


def as_moment(work: Work, at: datetime | None, name: str) -> Mapping[str, str]:
    """The values of the two fields that `moment` reads."""
    local = at.astimezone(work.policy.zone) if at else None
    return {
        f"{name}_day": f"{local:%Y-%m-%d}" if local else "",
        f"{name}_time": f"{local:%H:%M}" if local else "",
    }


def duration(fields: Fields, name: str) -> int | None:
    """Minutes; None where nothing was typed. Raises Refusal."""
    typed = text(fields, name)
    if not typed:
        return None
    try:
        return parse_duration(typed)
    except MomentError:
        raise Refusal("form_duration") from None


def within(typed: str, most: int) -> str:
    """Raises Refusal for more characters than that."""
    if len(typed) > most:
        raise Refusal("form_too_long", most=most, length=len(typed))
    return typed


def cells(visit: Visit, template: str) -> Callable[[str, str], str]:
    """What a template calls things in the reader's language, each looked up once."""

    @cache
    def cell(what: str, value: str) -> str:
        return visit.words.plain(template, visit.language, what=what, value=value)

    return cell

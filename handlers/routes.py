"""Which handler answers what: commands, buttons and deep links, each registered by a decorator.

    @command("record")
    async def show_record(turn: Turn) -> Reply: ...

    @button("enrol")                       # callback data "enrol:5" -> shift_id=5
    async def enrol(turn: Turn, shift_id: int) -> Reply: ...

Arguments of callback data and of links are converted by the handler's annotations; what does not
fit is a stale or forged button and is refused.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from handlers.replies import Reply
from services.errors import Gone

LARGEST_KEY = 2**63 - 1

Function = Callable[..., Awaitable[Reply]]


class Who(StrEnum):
    """Who may come this far; finer rights are the services' business."""

    ANYONE = "anyone"
    VOLUNTEER = "volunteer"
    """A person whose registration is active."""


@dataclass(frozen=True, slots=True)
class Route:
    function: Function
    who: Who
    reads: bool
    """Only looks, so it needs no writing transaction."""
    in_order: bool
    """Who presses first is served first, since what it gives runs out."""
    on_page: bool
    """An answer that may also be given on the page behind a link, see `services.answer_links`."""
    urgent: bool
    """Lives may depend on it: never slowed down, and handled before others, see `bot.gate`."""
    converters: tuple[type, ...]
    required: int

    def convert(self, arguments: list[str]) -> list[Any]:
        """Raises Gone."""
        if not self.required <= len(arguments) <= len(self.converters):
            raise Gone
        return [
            key_from(text) if kind is int else kind(text)
            for kind, text in zip(self.converters, arguments, strict=False)
        ]


def key_from(text: str) -> int:
    """A whole number out of callback data. Raises Gone, also for what no column can hold."""
    try:
        number = int(text)
    except ValueError:
        raise Gone from None
    if not 0 <= number <= LARGEST_KEY:
        raise Gone
    return number


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command in the menu of the phone; `audience` is who sees it there."""

    name: str
    audience: "Audience"


class Audience(StrEnum):
    EVERYONE = "everyone"
    COORDINATORS = "coordinators"
    HIDDEN = "hidden"


def linked(payload: str) -> tuple[Route, list[str]] | None:
    """The route of a deep link's payload with its arguments."""
    prefix, *arguments = payload.strip().split("-")
    route = LINKS.get(prefix)
    return None if route is None else (route, arguments)


def is_on_page(data: str) -> bool:
    """Whether this callback data may be pressed outside of the chat."""
    route = BUTTONS.get(data.partition(":")[0])
    return route is not None and route.on_page


def is_urgent(data: str, *, link: bool = False) -> bool:
    """Whether this callback data, or payload of a link, is part of an emergency."""
    route = LINKS.get(data.partition("-")[0]) if link else BUTTONS.get(data.partition(":")[0])
    return route is not None and route.urgent


COMMANDS: dict[str, Route] = {}
BUTTONS: dict[str, Route] = {}
LINKS: dict[str, Route] = {}
MENU: list[CommandEntry] = []
UNASKED_PLACE: list[Function] = []
LIVE_PLACE: list[Function] = []


def command(
    name: str,
    *,
    who: Who = Who.VOLUNTEER,
    reads: bool = False,
    menu: Audience = Audience.EVERYONE,
) -> Callable[[Function], Function]:
    """Registers /name; its description is the template `commands/<name>`."""

    def register(function: Function) -> Function:
        _add(COMMANDS, name, function, who=who, reads=reads)
        MENU.append(CommandEntry(name, menu))
        return function

    return register


def button(
    action: str,
    *,
    who: Who = Who.VOLUNTEER,
    reads: bool = False,
    in_order: bool = False,
    on_page: bool = False,
    urgent: bool = False,
) -> Callable[[Function], Function]:
    """Registers callback data that starts with `action`."""

    def register(function: Function) -> Function:
        options = {"reads": reads, "in_order": in_order, "on_page": on_page, "urgent": urgent}
        _add(BUTTONS, action, function, who=who, **options)
        return function

    return register


def link(
    prefix: str, *, who: Who = Who.VOLUNTEER, reads: bool = False, urgent: bool = False
) -> Callable[[Function], Function]:
    """Registers the deep-link payload `prefix-rest`; the handler gets `rest`, split at dashes."""

    def register(function: Function) -> Function:
        _add(LINKS, prefix, function, who=who, reads=reads, urgent=urgent)
        return function

    return register


def unasked_place(*, urgent: bool = False) -> Callable[[Function], Function]:
    """Registers what may answer a volunteer who sends a place that nobody asked for.

    The first that has an answer gives it; `urgent` ones are asked before the others.
    """

    def register(function: Function) -> Function:
        UNASKED_PLACE.insert(0 if urgent else len(UNASKED_PLACE), function)
        return function

    return register


def live_place(function: Function) -> Function:
    """Registers what follows a volunteer who shares where they are as they go."""
    LIVE_PLACE.append(function)
    return function


def _add(
    table: dict[str, Route],
    name: str,
    function: Function,
    *,
    who: Who,
    reads: bool,
    in_order: bool = False,
    on_page: bool = False,
    urgent: bool = False,
) -> None:
    if name in table:
        raise ValueError(f"{name} is registered twice")
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    table[name] = Route(
        function=function,
        who=who,
        reads=reads,
        in_order=in_order,
        on_page=on_page,
        urgent=urgent,
        converters=tuple(parameter.annotation for parameter in parameters),
        required=sum(parameter.default is parameter.empty for parameter in parameters),
    )

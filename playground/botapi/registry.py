"""Methods and their parameters, declared; what a bot sends is read and checked by them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playground.botapi.names import KNOWN_TO_TELEGRAM
from playground.errors import ApiError, bad_request, not_found
from playground.faults import Limits
from playground.model import Bot
from playground.updates import Updates
from playground.world import World


@dataclass(slots=True)
class Upload:
    """A file out of a multipart form."""

    name: str
    mime: str
    content: bytes


@dataclass(slots=True)
class Api:
    """What a method works with."""

    world: World
    updates: Updates
    limits: Limits
    bot: Bot
    uploads: Mapping[str, Upload] = field(default_factory=dict)


Function = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Method:
    function: Function
    parameters: Mapping[str, str]
    """Name -> kind, with a `?` behind what may be left out."""


METHODS: dict[str, Method] = {}


def method(name: str, /, **parameters: str) -> Callable[[Function], Function]:
    """Registers `name`; kinds are those of `READERS`."""

    def register(function: Function) -> Function:
        METHODS[name.lower()] = Method(function, parameters)
        return function

    return register


async def call(api: Api, name: str, given: Mapping[str, Any]) -> Any:
    """Calls a method with raw parameters. Raises ApiError."""
    known = METHODS.get(name.lower())
    if known is None:
        if name.lower() in KNOWN_TO_TELEGRAM:
            raise ApiError(501, f"Not Implemented: {name}")
        raise not_found()
    unknown = set(given) - set(known.parameters)
    if unknown:
        raise bad_request(f'unknown parameter "{sorted(unknown)[0]}"')
    values: dict[str, Any] = {}
    for parameter, kind in known.parameters.items():
        value = given.get(parameter)
        if value is None or (value == "" and kind != "str"):
            if not kind.endswith("?"):
                raise _missing(parameter)
            continue
        values[parameter] = _read(parameter, kind.rstrip("?"), value)
    return await known.function(api, **values)


def _missing(parameter: str) -> ApiError:
    if parameter == "chat_id":
        return bad_request("chat_id is empty")
    if parameter == "text":
        return bad_request("message text is empty")
    return bad_request(f'parameter "{parameter}" is required')


def _read(name: str, kind: str, value: Any) -> Any:
    try:
        return READERS[kind](value)
    except (ValueError, TypeError):
        if kind == "chat":
            raise bad_request("chat not found") from None
        raise bad_request(f'parameter "{name}" is not a valid {kind}') from None


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError(value)
    return int(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(value)
    return known[str(value).lower()]


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _object(value: Any) -> dict[str, Any]:
    read = _json(value)
    if not isinstance(read, dict):
        raise TypeError(value)
    return read


def _array(value: Any) -> list[Any]:
    read = _json(value)
    if not isinstance(read, list):
        raise TypeError(value)
    return read


def _objects(value: Any) -> list[dict[str, Any]]:
    return [_object(item) for item in _array(value)]


def _chat(value: Any) -> int | str:
    text = str(value)
    if text.startswith("@"):
        return text
    return int(text)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value)


READERS: dict[str, Callable[[Any], Any]] = {
    "int": _integer,
    "float": float,
    "str": _text,
    "bool": _boolean,
    "json": _json,
    "object": _object,
    "array": _array,
    "array of objects": _objects,
    "chat": _chat,
    "file": str,
}

"""What goes wrong, as problem details (RFC 9457), in words of the reader's language."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import Field, ValidationError

from services.errors import Gone, NotAllowed, Refusal
from web.api.shapes import Shape
from web.keys import WORDS

MEDIA_TYPE = "application/problem+json"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
UNKNOWN = frozenset(
    {"token_missing", "token_wrong", "token_revoked", "token_expired", "token_orphaned"}
)
"""Codes of tokens that open nothing."""
STATUS = {
    "gone": 404,
    "not_allowed": 403,
    "api_scope": 403,
    "api_method": 405,
    "api_json": 400,
    "api_key": 422,
    "api_too_large": 413,
    "api_media_type": 415,
    "api_invalid": 422,
    "api_cursor": 422,
    "api_key_reused": 422,
    "term_unknown": 422,
    "api_fast": 429,
    "api_failed": 500,
    **dict.fromkeys(UNKNOWN, 401),
}
"""Of a refusal's code; any other says that a rule stands against it: 409."""
WORDED = {"gone": "api_gone", "not_allowed": "api_not_allowed"}
"""What is said of a button has other words here."""
SHOWN = 20
"""Faults of one request that are listed."""


class Fault(Shape):
    where: str = Field(description="A JSON pointer into the body, or the parameter's name.")
    what: str


class Problem(Shape):
    type: str = Field(description="`urn:muster:problem:` and the code.")
    title: str
    status: int = Field(ge=400, le=599)
    code: str = Field(description="Which rule or check it was, for programs.")
    detail: str = Field(description="The same for people, in the language asked for.")
    errors: list[Fault] = Field([], description="What is wrong with the request, one by one.")


def status_of(refusal: Refusal) -> int:
    if isinstance(refusal, Gone):
        return 404
    if isinstance(refusal, NotAllowed):
        return 403
    return STATUS.get(refusal.code, 409)


def answer(
    request: web.Request,
    refusal: Refusal,
    *,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    words = request.app[WORDS]
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    language = words.language_for(wanted)
    status = status_of(refusal)
    template = f"errors/{WORDED.get(refusal.code, refusal.code)}"
    # Of somebody who can't be enrolled for another: what it is that stands against them.
    code = str(refusal.parameters.get("why", refusal.code))
    problem = Problem(
        type=f"urn:muster:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=words.plain(template, language, **refusal.parameters).strip(),
        errors=list(errors),
    )
    more = dict(headers or {})
    if status == 401:
        more["WWW-Authenticate"] = 'Bearer realm="muster"'
    return web.Response(
        text=problem.model_dump_json(),
        status=status,
        content_type=MEDIA_TYPE,
        headers={**HEADERS, "Content-Language": language.replace("_", "-"), **more},
    )


class Invalid(Refusal):
    """What was sent does not fit the document."""

    def __init__(self, code: str, errors: Sequence[Fault] = ()) -> None:
        super().__init__(code)
        self.errors = errors


def invalid(fault: ValidationError, *, pointers: bool) -> Invalid:
    """Where a body or query does not fit, without what was sent."""
    found = fault.errors(include_url=False, include_input=False, include_context=False)
    if any(one["type"] == "json_invalid" for one in found):
        return Invalid("api_json")
    return Invalid(
        "api_invalid",
        [
            Fault(where=_where(one["loc"], pointers=pointers), what=one["msg"])
            for one in found[:SHOWN]
        ],
    )


def _where(location: Sequence[int | str], *, pointers: bool) -> str:
    if not pointers:
        return ".".join(map(str, location))
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

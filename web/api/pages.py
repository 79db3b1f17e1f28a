"""The document of the API, and the page that shows it to people. Both need no token."""

import json
from functools import cache
from typing import Any

from aiohttp import web

from services.tokens import Scope
from web.api import activities, callouts, document, enrolments, hours, organisations, volunteers
from web.api.declaring import PREFIX, Route
from web.api.serving import serve
from web.doors import HEADERS
from web.keys import PUBLIC_URL, WORDS

DECLARED: list[Route] = [
    *organisations.endpoints.routes,
    *volunteers.endpoints.routes,
    *activities.endpoints.routes,
    *enrolments.endpoints.routes,
    *hours.endpoints.routes,
    *callouts.endpoints.routes,
]
DOCUMENT = f"{PREFIX}/openapi.json"


@cache
def _written(public_url: str) -> dict[str, Any]:
    """Of always the same declarations."""
    return document.written(DECLARED, public_url)


async def describe(request: web.Request) -> web.Response:
    """The OpenAPI document."""
    written = _written(request.app[PUBLIC_URL])
    headers = {"Cache-Control": "max-age=300", "Access-Control-Allow-Origin": "*"}
    text = json.dumps(written, ensure_ascii=False)
    return web.Response(text=text, content_type="application/json", headers=headers)


async def show(request: web.Request) -> web.Response:
    """The same for people, in the language of the browser."""
    words = request.app[WORDS]
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    written = _written(request.app[PUBLIC_URL])
    page = words.page(
        "exchange/api",
        words.language_for(wanted),
        document=written,
        topics=_by_topic(written),
        address=request.app[PUBLIC_URL] + PREFIX,
        document_at=DOCUMENT,
        scopes=[scope.value for scope in Scope],
        example=_example,
    )
    return web.Response(text=page, content_type="text/html", headers=HEADERS)


def _by_topic(written: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    topics: dict[str, list[dict[str, Any]]] = {}
    for path, methods in written["paths"].items():
        for method, operation in methods.items():
            entry = {**operation, "method": method.upper(), "path": path}
            topics.setdefault(operation["tags"][0], []).append(entry)
    return topics


def _example(written: dict[str, Any], schema: dict[str, Any]) -> str:
    """Something that fits a schema, as JSON."""
    return json.dumps(_made_up(written, schema), ensure_ascii=False, indent=2)


SAMPLES: dict[str | None, Any] = {
    "date-time": "2026-12-05T01:00:00Z",
    "date": "2026-12-05",
}


def _made_up(written: dict[str, Any], schema: dict[str, Any]) -> Any:
    """The first choice of everything."""
    if "$ref" in schema:
        schema = written["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return _made_up(written, schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        named = schema.get("properties", {})
        return {name: _made_up(written, one) for name, one in named.items()}
    if kind == "array":
        return [_made_up(written, schema["items"])]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    return SAMPLES.get(schema.get("format"), "…")


ROUTES: list[web.AbstractRouteDef] = [
    web.get("/api", show),
    web.get(DOCUMENT, describe),
    *serve(DECLARED),
]

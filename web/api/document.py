"""The OpenAPI 3.1 document, made of the declarations and models that serve."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from web.api import problems
from web.api.declaring import PREFIX, Route
from web.api.problems import Problem
from web.api.serving import IDEMPOTENCY, KEY_PATTERN
from web.api.shapes import LARGEST_KEY

Json = dict[str, Any]
REF = "#/components/schemas/{model}"
PROBLEMS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
}
OF_BODIES = (400, 413, 415)
OF_WRITING = (409,)


def written(routes: Sequence[Route], public_url: str) -> Json:
    """The document as JSON."""
    references, schemas = _schemas(routes)
    paths: Json = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(
            route, references, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Muster", "version": version("muster")},
        "servers": [{"url": public_url}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(route.topic for route in routes)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
            "responses": {
                f"Problem{status}": {
                    "description": phrase,
                    "content": {problems.MEDIA_TYPE: {"schema": references[Problem, "out"]}},
                }
                for status, phrase in PROBLEMS.items()
            },
        },
    }


References = dict[tuple[type[BaseModel], str], Json]


def _schemas(routes: Sequence[Route]) -> tuple[References, Json]:
    """Each model's reference, as it comes in and as it goes out, and all schemas by name."""
    comes_in = {m for route in routes for m in (route.body, route.query) if m is not None}
    goes_out = {route.answer for route in routes if route.answer is not None} | {Problem}
    found, schema = models_json_schema(
        [
            *((model, "validation") for model in sorted(comes_in, key=_name)),
            *((model, "serialization") for model in sorted(goes_out, key=_name)),
        ],
        ref_template=REF,
    )
    references: References = {
        (model, "in" if mode == "validation" else "out"): reference
        for (model, mode), reference in found.items()
        if isinstance(model, type) and issubclass(model, BaseModel)
    }
    return references, schema["$defs"]


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _operation(route: Route, references: References, schemas: Json) -> Json:
    summary, more = route.said
    operation: Json = {
        "operationId": route.name,
        "summary": summary,
        "tags": [route.topic],
        "parameters": [*_keys(route), *_query(route, references, schemas), *_headers(route)],
        "responses": _responses(route, references),
        "x-scope": route.scope.value if route.scope else None,
    }
    if more:
        operation["description"] = more
    if route.body is not None:
        content = {"application/json": {"schema": references[route.body, "in"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _keys(route: Route) -> list[Json]:
    key = {"type": "integer", "minimum": 1, "maximum": LARGEST_KEY}
    return [{"name": name, "in": "path", "required": True, "schema": key} for name in route.keys]


def _query(route: Route, references: References, schemas: Json) -> list[Json]:
    """A query is flat; null is to leave a parameter out."""
    if route.query is None:
        return []
    shape = schemas[references[route.query, "in"]["$ref"].rpartition("/")[2]]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in shape.get("required", ()),
            "schema": _without_null(schema),
            **({"description": schema["description"]} if "description" in schema else {}),
        }
        for name, schema in shape["properties"].items()
    ]


def _without_null(schema: Json) -> Json:
    shown = {key: value for key, value in schema.items() if key not in ("description", "title")}
    if shown.get("default", 0) is None:
        del shown["default"]
    choices = [one for one in shown.pop("anyOf", ()) if one != {"type": "null"}]
    return {**choices[0], **shown} if choices else shown


def _headers(route: Route) -> list[Json]:
    if not route.keeps_answer:
        return []
    return [
        {
            "name": IDEMPOTENCY,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": KEY_PATTERN},
        }
    ]


def _responses(route: Route, references: References) -> Json:
    done: Json = {"description": "Done"}
    if route.answer is not None:
        done["content"] = {"application/json": {"schema": references[route.answer, "out"]}}
    left_out = (() if route.body else OF_BODIES) + (() if route.writes else OF_WRITING)
    return {
        str(route.status): done,
        **{
            str(status): {"$ref": f"#/components/responses/Problem{status}"}
            for status in PROBLEMS
            if status not in left_out
        },
    }

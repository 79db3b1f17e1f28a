"""Serving what was declared: who asks, how often, what exactly, in which transaction."""

import logging
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from models import Token
from services import tokens
from services.errors import Refusal
from services.tokens import Presented
from services.work import Work
from web.api import problems
from web.api.declaring import PREFIX, Call, Route
from web.api.problems import Fault, Invalid
from web.api.shapes import AskedId
from web.keys import BOT_USERNAME, CLOCK, DATABASE, POLICY
from web.limits import LIMITS, Rate, client

log = logging.getLogger(__name__)

WRONG_TOKENS = Rate("api_wrong_tokens", most=60)
"""From one address."""
WINDOW = timedelta(minutes=1)
LARGEST_BODY = 64 * 1024
TOKEN = web.RequestKey("api_token", Token)
IDEMPOTENCY = "Idempotency-Key"
KEY_PATTERN = r"^[!-~]{1,128}$"
BEARER = re.compile(r"[Bb]earer +([!-~]{1,200})")
_key = TypeAdapter(AskedId)


def serve(routes: Sequence[Route]) -> list[web.RouteDef]:
    """Routes of aiohttp, and one that answers for whatever else is asked below the prefix."""
    served = [web.route(route.method, PREFIX + route.path, _served(route)) for route in routes]
    return [*served, web.route("*", PREFIX + "/{rest:.*}", _nowhere(routes))]


def _served(route: Route) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await _answer(request, route)
        except Refusal as refusal:
            return _refused(request, refusal)
        except web.HTTPRequestEntityTooLarge:
            return _refused(request, Refusal("api_too_large"))
        except web.HTTPException:
            raise
        except Exception:
            log.exception("request of the API failed", extra={"route": route.name})
            return _refused(request, Refusal("api_failed"))

    return answer


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    errors = refusal.errors if isinstance(refusal, Invalid) else ()
    token = request.get(TOKEN)
    headers = _rate_headers(request, token) if token is not None else {}
    return problems.answer(request, refusal, errors=errors, headers=headers)


def _nowhere(routes: Sequence[Route]) -> Callable[[web.Request], Any]:
    known = [(re.compile(re.sub(r"{\w+}", "[^/]+", route.path)), route.method) for route in routes]

    async def answer(request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["rest"]
        methods = sorted({method for pattern, method in known if pattern.fullmatch(path)})
        if not methods:
            return problems.answer(request, Refusal("gone"))
        allowed = {"Allow": ", ".join(methods)}
        return problems.answer(request, Refusal("api_method"), headers=allowed)

    return answer


async def _answer(request: web.Request, route: Route) -> web.StreamResponse:
    presented = await _let_in(request)
    request[TOKEN] = presented.token
    limited = _limit(request, presented.token)
    if limited is not None:
        return limited
    if route.scope is not None and route.scope not in presented.scopes:
        raise Refusal("api_scope", scope=route.scope.value)
    given, key = await _given(request, route)
    personal = route.notes_looks and tokens.Scope.VOLUNTEERS_PERSONAL in presented.scopes
    if route.writes or personal:
        status, text, again = await request.app[DATABASE].transact(
            lambda session: _written(request, session, route, given, key)
        )
    else:
        async with request.app[DATABASE].read() as session:
            status, text, again = await _run(request, session, route, given)
    headers = {**problems.HEADERS, **_rate_headers(request, presented.token)}
    if again:
        headers["Idempotency-Replayed"] = "true"
    if text is None:
        return web.Response(status=status, headers=headers)
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


# Who asks


async def _let_in(request: web.Request) -> Presented:
    """Raises Refusal; nobody waits for a transaction because of a wrong token."""
    try:
        async with request.app[DATABASE].read() as session:
            presented = await _present(request, session)
    except Refusal:
        now = request.app[CLOCK]().timestamp()
        if request.app[LIMITS].exceeded(WRONG_TOKENS, client(request), now):
            raise Refusal("api_fast", seconds=round(WRONG_TOKENS.seconds)) from None
        raise
    token = presented.token
    if tokens.is_worth_noting(token, presented.work):
        await request.app[DATABASE].transact(
            lambda session: tokens.was_used(_work(request, session), token.id)
        )
    return presented


async def _present(request: web.Request, session: AsyncSession) -> Presented:
    found = BEARER.fullmatch(request.headers.get("Authorization", ""))
    if found is None:
        raise Refusal("token_missing")
    return await tokens.present(_work(request, session), found.group(1))


def _work(request: web.Request, session: AsyncSession) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


# How often


def _rate(request: web.Request) -> Rate:
    return Rate("api", request.app[POLICY].api_per_minute, WINDOW.total_seconds())


def _limit(request: web.Request, token: Token) -> web.Response | None:
    rate = _rate(request)
    if not request.app[LIMITS].exceeded(rate, token.id, request.app[CLOCK]().timestamp()):
        return None
    headers = _rate_headers(request, token)
    _, seconds = _left(request, token)
    headers["Retry-After"] = str(seconds)
    return problems.answer(request, Refusal("api_fast", seconds=seconds), headers=headers)


def _left(request: web.Request, token: Token) -> tuple[int, int]:
    now = request.app[CLOCK]().timestamp()
    left, seconds = request.app[LIMITS].left(_rate(request), token.id, now)
    return left, max(1, -int(-seconds // 1))


def _rate_headers(request: web.Request, token: Token) -> dict[str, str]:
    """As of the draft "RateLimit header fields for HTTP"."""
    rate = _rate(request)
    left, seconds = _left(request, token)
    return {
        "RateLimit-Policy": f'"token";q={rate.most};w={round(rate.seconds)}',
        "RateLimit": f'"token";r={left};t={seconds}',
    }


# What is asked


async def _given(request: web.Request, route: Route) -> tuple[dict[str, Any], str | None]:
    """The endpoint's arguments and the Idempotency-Key. Raises Refusal."""
    given: dict[str, Any] = {name: _key_of(request, name) for name in route.keys}
    query = _query(request)
    if route.query is not None:
        try:
            given["query"] = route.query.model_validate(query)
        except ValidationError as fault:
            raise problems.invalid(fault, pointers=False) from None
    elif query:
        raise Invalid("api_invalid", [Fault(where=name, what="unknown") for name in query])
    if route.body is not None:
        given["body"] = await _body(request, route.body)
    return given, _idempotency_key(request, route)


def _key_of(request: web.Request, name: str) -> int:
    """What is no key names nothing. Raises Gone."""
    try:
        return _key.validate_python(request.match_info[name])
    except ValidationError:
        raise Refusal("gone") from None


def _query(request: web.Request) -> dict[str, str]:
    """Raises Invalid for a parameter that is given twice."""
    twice = [name for name in request.query if len(request.query.getall(name)) > 1]
    if twice:
        faults = [Fault(where=name, what="given twice") for name in dict.fromkeys(twice)]
        raise Invalid("api_invalid", faults)
    return dict(request.query)


async def _body(request: web.Request, shape: type[BaseModel]) -> BaseModel:
    if request.content_type != "application/json":
        raise Refusal("api_media_type")
    if (request.content_length or 0) > LARGEST_BODY:
        raise Refusal("api_too_large")
    raw = await request.read()
    if len(raw) > LARGEST_BODY:
        raise Refusal("api_too_large")
    try:
        return shape.model_validate_json(raw, strict=True)
    except ValidationError as fault:
        raise problems.invalid(fault, pointers=True) from None


def _idempotency_key(request: web.Request, route: Route) -> str | None:
    given = request.headers.getall(IDEMPOTENCY, [])
    if not route.keeps_answer or not given:
        return None
    if len(given) > 1 or not re.fullmatch(KEY_PATTERN, given[0]):
        raise Refusal("api_key")
    return given[0]


# Doing it

Done = tuple[int, str | None, bool]
"""Status, body, and whether it is an earlier answer."""


async def _run(
    request: web.Request, session: AsyncSession, route: Route, given: dict[str, Any]
) -> Done:
    """By the rights that the token has within this very transaction."""
    presented = await _present(request, session)
    answer = await route.handle(_call(request, presented, route), **given)
    return route.status, None if answer is None else answer.model_dump_json(), False


def _call(request: web.Request, presented: Presented, route: Route) -> Call:
    return Call(presented.work, presented.scopes, route.path, request.app[BOT_USERNAME])


async def _written(
    request: web.Request,
    session: AsyncSession,
    route: Route,
    given: dict[str, Any],
    key: str | None,
) -> Done:
    """The same, once for each Idempotency-Key."""
    if key is None:
        return await _run(request, session, route, given)
    presented = await _present(request, session)
    work, token_id = presented.work, presented.token.id
    asked = f"{route.method} {request.path} {(await request.read()).decode(errors='replace')}"
    known = await tokens.begin_answer(work, token_id, key, asked)
    if known is not None:
        return known.status or route.status, known.body, True
    done = await _run(request, session, route, given)
    await tokens.keep_answer(work, token_id, key, done[0], done[1] or "")
    return done

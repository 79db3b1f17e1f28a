"""Calendars to subscribe to, at secret addresses; they say since when they are as they are."""

from collections.abc import Hashable
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from aiohttp import web

from models import Feed
from services import calendars, feeds
from services.errors import Gone
from services.feeds import Content
from services.work import Work
from web.keys import CLOCK, DATABASE, POLICY, WORDS
from web.limits import LIMITS, Rate, client

routes = web.RouteTableDef()

LOOKS = Rate("calendar_looks", most=30)
"""By one address; programs look every hour or so."""
WRONG = Rate("calendar_wrong", most=30)
"""By one client, at addresses that lead nowhere."""
HEADERS = {
    "Cache-Control": "private, max-age=300",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


@routes.get("/calendar/{secret:[0-9A-Za-z_-]{1,80}}.ics")
async def look(request: web.Request) -> web.Response:
    try:
        file, feed = await _file(request, request.match_info["secret"])
    except Gone:
        _spare(request, WRONG, client(request))
        raise web.HTTPNotFound(headers={"Cache-Control": "no-store"}) from None
    digest = feeds.digest(file)
    now = request.app[CLOCK]()
    changed_at = feed.changed_at
    if digest != feed.digest:
        changed_at = now
        await request.app[DATABASE].transact(
            lambda session: feeds.says(_work(request, session), feed.id, digest)
        )
    etag = f'"{digest[:32]}"'
    headers = {
        **HEADERS,
        "ETag": etag,
        "Last-Modified": format_datetime(changed_at.replace(microsecond=0), usegmt=True),
    }
    if _is_known(request, etag, headers["Last-Modified"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file, content_type="text/calendar", charset="utf-8", headers=headers)


def _spare(request: web.Request, rate: Rate, key: Hashable) -> None:
    """Raises HTTPTooManyRequests."""
    now = request.app[CLOCK]().timestamp()
    if request.app[LIMITS].exceeded(rate, key, now):
        raise web.HTTPTooManyRequests(headers={"Retry-After": str(round(rate.seconds))})


async def _file(request: web.Request, secret: str) -> tuple[bytes, Feed]:
    """Raises Gone."""
    async with request.app[DATABASE].read() as session:
        work = _work(request, session)
        feed = await feeds.find(work, secret)
        _spare(request, LOOKS, feed.id)
        return _written(request, await feeds.content(work, feed)), feed


def _written(request: web.Request, content: Content) -> bytes:
    words, language = request.app[WORDS], content.language
    name = words.plain("exchange/calendar_name", language, owner=content.owner)
    turns = [
        (turn, words.plain("duty/heading", language, team=team)) for turn, team in content.turns
    ]
    return calendars.feed(name, content.entries, turns)


def _is_known(request: web.Request, etag: str, last_modified: str) -> bool:
    """Whether the client holds it already (RFC 9110: a given ETag decides alone)."""
    given = request.headers.get("If-None-Match")
    if given is not None:
        tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
        return etag in tags or "*" in tags
    since = request.headers.get("If-Modified-Since")
    if since is None:
        return False
    try:
        return parsedate_to_datetime(since) >= parsedate_to_datetime(last_modified)
    except (TypeError, ValueError):
        return False


def _work(request: web.Request, session: Any) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])

"""The board on a big screen, and the report on a page: who may open them, and what a board shows.

A commander's link opens once, within minutes, and binds the browser that opened it. What is shown
is what that commander may see, looked up at each request.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update

from models import (
    Callout,
    CalloutState,
    Person,
    Response,
    ResponseState,
    Screen,
    ScreenPage,
    Trait,
    Wave,
)
from models.sealed import keyring
from services import access, boards, callouts, charting, said
from services.access import Right
from services.callouts import commanded, needs_of
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

LINK_LASTS = timedelta(minutes=10)
STAYS = timedelta(hours=6)
"""A board after the end of the call-out, a report after it was opened."""
ON_MAP = (
    ResponseState.ASKED,
    ResponseState.COMING,
    ResponseState.STANDBY,
    ResponseState.ON_SCENE,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A browser that may look, and at what."""

    screen: Screen
    callout: Callout


# The link


async def make(work: Work, callout_id: int, page: ScreenPage = ScreenPage.BOARD) -> str:
    """The secret of a new link. Raises Gone, NotAllowed, Refusal."""
    callout = await commanded(work, callout_id)
    if page is ScreenPage.REPORT and callout.state is not CalloutState.ENDED:
        raise Refusal("callout_not_over")
    secret = secrets.token_urlsafe(24)
    screen = Screen(
        callout_id=callout.id,
        page=page,
        made_by_id=work.person.id,
        language=work.person.language,
        link_hash=keyring().fingerprint(secret),
        made_at=work.now,
    )
    work.session.add(screen)
    callouts.note(work, "screen_made", callout, page=page.value)
    await work.session.flush()
    return secret


async def open_once(work: Work, secret: str, page: ScreenPage) -> str:
    """The secret for the cookie of the browser that opened a link. Raises Gone if it is used up."""
    cookie = secrets.token_urlsafe(32)
    done = await work.session.scalars(
        update(Screen)
        .where(_opens(work, secret, page))
        .values(opened_at=work.now, cookie_hash=keyring().fingerprint(cookie))
        .returning(Screen.id)
    )
    if done.one_or_none() is None:
        raise Gone
    return cookie


async def is_open(work: Work, secret: str, page: ScreenPage) -> bool:
    """Whether a link still opens. Changes nothing: previews of links look as well."""
    found = select(Screen.id).where(_opens(work, secret, page))
    return await work.session.scalar(found) is not None


def _opens(work: Work, secret: str, page: ScreenPage) -> ColumnElement[bool]:
    return and_(
        Screen.link_hash.in_(keyring().fingerprints(secret)),
        Screen.page == page,
        Screen.opened_at.is_(None),
        Screen.closed_at.is_(None),
        Screen.made_at > work.now - LINK_LASTS,
    )


async def opened(work: Work, cookie: str, page: ScreenPage) -> Opened:
    """What the browser with this cookie may look at now.

    Raises Gone where it was closed or never opened, NotAllowed where its maker lost the right.
    """
    screen = await work.session.scalar(
        select(Screen).where(
            Screen.cookie_hash.in_(keyring().fingerprints(cookie)), Screen.page == page
        )
    )
    if screen is None or screen.closed_at is not None:
        raise Gone
    callout = await work.session.get_one(Callout, screen.callout_id)
    since = callout.ended_at if page is ScreenPage.BOARD else screen.opened_at
    if since is not None and since < work.now - STAYS:
        raise Gone
    maker = await work.session.get_one(Person, screen.made_by_id)
    if not await access.may(work.acting_as(maker), Right.LAUNCH_CALLOUTS, callout.organisation_id):
        raise NotAllowed
    return Opened(screen, callout)


async def close_all(work: Work, callout_id: int) -> int:
    """No screen shows it any more; answers how many did. Raises Gone, NotAllowed, Refusal."""
    callout = await commanded(work, callout_id)
    closed = await work.session.scalars(
        update(Screen)
        .where(Screen.callout_id == callout.id, Screen.closed_at.is_(None))
        .values(closed_at=work.now)
        .returning(Screen.id)
    )
    count = len(closed.all())
    if not count:
        raise Refusal("callout_no_screen")
    callouts.note(work, "screens_closed", callout, count=count)
    return count


# What it shows


async def shown(work: Work, callout: Callout) -> dict[str, Any]:
    """The board, the map and what has happened, as the page takes it; no phone, no exact home."""
    people = await _placed(work, callout)
    return {
        **await boards.board(work, callout),
        "timeline": await _timeline(work, callout),
        "map": charting.plan(callout.latitude, callout.longitude, callout.radius, people),
    }


async def _placed(work: Work, callout: Callout) -> list[charting.Placed]:
    """Where those concerned are who share it; the others as matching knows them, to about 100 m."""
    rows = await work.session.execute(
        select(Response, Trait.latitude, Trait.longitude)
        .join(Trait, Trait.person_id == Response.person_id)
        .where(Response.callout_id == callout.id, Response.state.in_(ON_MAP))
        .order_by(Response.person_id)
    )
    found = []
    for one, latitude, longitude in rows:
        at = (one.latitude, one.longitude) if one.located_at else (latitude, longitude)
        if one.state is ResponseState.ON_SCENE and not one.located_at:
            at = (callout.latitude, callout.longitude)
        if at[0] is not None and at[1] is not None:
            found.append(charting.Placed(at[0], at[1], one.state.value))
    return found


async def _timeline(work: Work, callout: Callout) -> list[dict[str, Any]]:
    """What happened and what was said, the latest first: {"what", "at", ...}."""
    needs = await needs_of(work, callout)
    waves = await work.session.scalars(
        select(Wave).where(Wave.need_id.in_([need.id for need in needs]))
    )
    responses = (
        await work.session.scalars(select(Response).where(Response.callout_id == callout.id))
    ).all()
    full = [need.full_at for need in needs]
    moments: list[tuple[str, datetime | None, int]] = [
        ("declared", callout.created_at, 0),
        *(("wave", wave.at, wave.size) for wave in waves),
        ("first_yes", _first(r.answered_at for r in responses if r.said_yes), 0),
        ("full", max(filter(None, full), default=None) if full and all(full) else None, 0),
        ("first_there", _first(r.arrived_at for r in responses), 0),
        ("ended", callout.ended_at if callout.state is CalloutState.ENDED else None, 0),
    ]
    known: list[dict[str, Any]] = [
        {"what": what, "at": at, "number": number} for what, at, number in moments if at
    ]
    known += await said.latest(work, callout)
    return sorted(known, key=lambda one: str(one["at"]), reverse=True)


def _first(moments: Any) -> datetime | None:
    return min((at for at in moments if at is not None), default=None)

"""What those who are asked in a call-out answer: coming, standby, cannot, not again today."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from models import Callout, Need, Response, ResponseState
from services import callouts, mobilising, waves
from services.callouts import THERE, described, own
from services.errors import Gone
from services.work import Work

MINUTES = (15, 30, 60)
"""What somebody who is coming may press."""


class Reason(StrEnum):
    """Why somebody cannot come."""

    AWAY = "away"
    ILL = "ill"
    AT_WORK = "at_work"
    OTHER = "other"


async def opened(work: Work, callout_id: int) -> dict[str, Any]:
    """What the actor sees of a call-out in which they were asked. Raises Gone, Refusal."""
    callout, response = await own(work, callout_id)
    return await shown(work, callout, response)


async def shown(work: Work, callout: Callout, response: Response) -> dict[str, Any]:
    """Somebody's own place in a call-out, as the templates take it."""
    return {
        **await described(work, callout),
        "state": response.state.value,
        "due_at": response.due_at,
        "metres": response.metres,
        "reason": response.reason,
        "team": response.team,
        "leads": response.leads,
        "hands_over": response.relieved_by_id is not None,
    }


async def come(work: Work, callout_id: int, minutes: int) -> dict[str, Any]:
    """The actor is coming and there in so many minutes; where enough are, on standby instead.

    Whoever is much nearer replaces the farthest who is still under way, and whoever was asked to
    come after all is not sent back.
    """
    if minutes not in MINUTES:
        raise Gone
    callout, response = await own(work, callout_id)
    if response.state in THERE:
        return await shown(work, callout, response)
    if response.state is not ResponseState.COMING:
        need = await work.session.get_one(Need, response.need_id)
        full = response.moved_up_at is None and await mobilising.is_full(work, callout, need)
        if full and not await _replace_farthest(work, callout, response, minutes):
            return await _answer(work, callout, response, ResponseState.STANDBY)
    response.due_at = work.now + timedelta(minutes=minutes)
    response.said_yes = True
    return await _answer(work, callout, response, ResponseState.COMING)


async def _replace_farthest(work: Work, callout: Callout, nearer: Response, minutes: int) -> bool:
    farthest = await work.session.scalar(
        select(Response)
        .where(Response.need_id == nearer.need_id, Response.state == ResponseState.COMING)
        .order_by(Response.due_at.desc())
        .limit(1)
    )
    if farthest is None or farthest.due_at is None:
        return False
    left = (farthest.due_at - work.now).total_seconds() / 60
    if not waves.replaces(minutes, left):
        return False
    farthest.state = ResponseState.RELEASED
    await callouts.tell(work, callout, "replaced", [farthest.person_id])
    return True


async def stand_by(work: Work, callout_id: int) -> dict[str, Any]:
    callout, response = await own(work, callout_id)
    return await _answer(work, callout, response, ResponseState.STANDBY)


async def decline(work: Work, callout_id: int, reason: str, *, today: bool) -> dict[str, Any]:
    """The actor cannot come; `today`: nor be asked again before the local day ends."""
    callout, response = await own(work, callout_id)
    response.reason = Reason(reason).value if reason in set(Reason) else None
    if today:
        midnight = work.now.astimezone(work.policy.zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        response.rests_until = midnight + timedelta(days=1)
    return await _answer(work, callout, response, ResponseState.CANNOT)


async def _answer(
    work: Work, callout: Callout, response: Response, state: ResponseState
) -> dict[str, Any]:
    """Notes an answer; what they held before may open a place, which the next step sees."""
    if response.state not in THERE:
        response.state = state
        response.answered_at = response.answered_at or work.now
        await work.session.flush()
    return await shown(work, callout, response)

"""The board of a call-out: one message on the commanders' phones that keeps itself up to date."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select

from models import (
    Callout,
    CalloutState,
    Delivery,
    Lane,
    Message,
    Need,
    Person,
    Response,
    ResponseState,
    Wave,
)
from services import delivery, duty, urgency
from services.callouts import ALARM, calls_for, described, need_named, needs_of, subject
from services.delivery import Post
from services.work import Work

BOARD = "callout_board"
EDITED_EVERY = timedelta(seconds=2)
"""At most so often, whoever asks for it; what comes in between is shown by the next sweep."""
KEPT_UP = timedelta(hours=24)
"""After the end a board goes on showing who has come home."""


async def report(work: Work) -> int:
    """Edits the board on the commanders' phones where it has changed."""
    ended = and_(Callout.state == CalloutState.ENDED, Callout.ended_at > work.now - KEPT_UP)
    found = await work.session.scalars(
        select(Callout).where(or_(Callout.state == CalloutState.ACTIVE, ended))
    )
    return sum([await show_board(work, callout) for callout in found.all()])


async def show_board(work: Work, callout: Callout) -> int:
    """Puts the board as it is now onto the phones that hold it; 0 if it need not or may not yet.

    An edit that has not gone out is replaced, so that none are sent in a row after a jam.
    """
    if callout.shown_at is not None and work.now - callout.shown_at < EDITED_EVERY:
        return 0
    shown = delivery.storable(await board(work, callout))
    if shown == callout.shown:
        return 0
    callout.shown, callout.shown_at = shown, work.now
    await delivery.drop_edits(work, _board(callout), kind=BOARD)
    await delivery.revise(work, _board(callout), _post(callout), kind=BOARD)
    return 1


async def hand_board(work: Work, callout: Callout, people: Iterable[int]) -> None:
    """A fresh board for the phones of these commanders."""
    callout.shown = delivery.storable(await board(work, callout))
    callout.shown_at = work.now
    await delivery.tell(work, _post(callout), people)


def _post(callout: Callout) -> Post:
    return Post(
        "callouts/board", callout.shown or {}, kind=BOARD, lane=Lane.EMERGENCY,
        subject=_board(callout), urgency=urgency.NEVER,
    )  # fmt: skip


def _board(callout: Callout) -> str:
    return f"{subject(callout.id)}:board"


async def board(work: Work, callout: Callout) -> dict[str, Any]:
    """How a call-out stands: counts and last wave of each need, who is coming, who is there."""
    needs = [await _need_on_board(work, need) for need in await needs_of(work, callout)]
    people = await _people_on_board(work, callout)
    return {
        **await described(work, callout),
        "state": callout.state.value,
        "holds": callout.holds,
        "false_alarm": callout.false_alarm,
        "needs": needs,
        "seen": await _seen(work, await needs_of(work, callout)),
        "coming": [one for one in people if one["state"] == ResponseState.COMING],
        "there": [one for one in people if one["state"] == ResponseState.ON_SCENE],
        "missing": [one for one in people if one["missing"]],
        "sos": [one for one in people if one["sos"]],
        "tired": [one for one in people if one["tired"]],
        "neighbours_asked": callout.neighbours_asked_at is not None,
    }


async def _need_on_board(work: Work, need: Need) -> dict[str, Any]:
    rows = await work.session.execute(
        select(Response.state, func.count())
        .where(Response.need_id == need.id)
        .group_by(Response.state)
    )
    counted = Counter({state.value: number for state, number in rows})
    last = await work.session.scalar(
        select(Wave).where(Wave.need_id == need.id).order_by(Wave.number.desc()).limit(1)
    )
    return {
        **await need_named(work, need),
        "counts": {state.value: counted[state.value] for state in ResponseState},
        "asked": counted.total(),
        "wave": {
            "number": last.number,
            "size": last.size,
            "percent": round(100 * last.response),
            "expected": round(last.expected),
        }
        if last
        else None,
    }


async def _people_on_board(work: Work, callout: Callout) -> list[dict[str, Any]]:
    """Those who are coming or there, the soonest first."""
    on_duty = await duty.on_duty(work)
    rows = await work.session.execute(
        select(Response, Person.name)
        .join(Person, Person.id == Response.person_id)
        .where(
            Response.callout_id == callout.id,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
        .order_by(Response.due_at, Response.person_id)
    )
    return [
        {
            "person_id": one.person_id,
            "name": name,
            "state": one.state.value,
            "due_at": one.due_at,
            "missing": one.safe_asked_at is not None and one.safe_at is None,
            "tired": one.rest_warned_at is not None and one.relief_at is None,
            "team": one.team,
            "sos": one.sos_at is not None,
            "on_duty": one.person_id in on_duty,
        }
        for one, name in rows
    ]


async def _seen(work: Work, needs: Sequence[Need]) -> int:
    """How many have pressed a button under the call."""
    return (
        await work.session.scalar(
            select(func.count(func.distinct(Delivery.person_id)))
            .join(Message, Message.id == Delivery.message_id)
            .where(
                Message.subject.in_([calls_for(need) for need in needs]),
                Message.kind == ALARM,
                Delivery.seen_at.is_not(None),
            )
        )
        or 0
    )

"""What a call-out looked like afterwards: how fast, how many, from where, and what to learn."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from models import (
    Callout,
    CalloutState,
    Delivery,
    Message,
    Need,
    Person,
    Response,
    ResponseState,
    Wave,
)
from services import callouts
from services.callouts import ALARM, calls_for, commanded, described, need_named, needs_of
from services.errors import Refusal
from services.work import Work

RINGS = (2, 5, 10, 20)
"""Kilometres from the rally point by which origins are counted."""
COMPARED = 3
"""Earlier call-outs of the same sort beside which one is put."""
LESSONS = 50
HEADINGS = ("name", "state", "wave", "distance", "asked", "answered", "arrived", "home")
"""Columns of the exported table."""
FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet would take for a formula at the beginning of a cell."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Minutes since the launch at which people said yes, and at which they arrived."""

    said_yes: list[float]
    arrived: list[float]
    quota: int


async def report(work: Work, callout_id: int) -> dict[str, Any]:
    """The whole of it in figures, as the templates take it. Raises Gone, NotAllowed, Refusal."""
    callout = await _ended(work, callout_id)
    needs = await needs_of(work, callout)
    responses = await _responses(work, callout)
    return {
        **await described(work, callout),
        "false_alarm": callout.false_alarm,
        "created_at": callout.created_at,
        "ended_at": callout.ended_at,
        "times": await _times(work, callout, needs, responses),
        "needs": [await _need(work, need, responses) for need in needs],
        "origins": _origins(responses),
        "silent": sum(one.answered_at is None for one in responses),
        "earlier": [await _in_short(work, one) for one in await _earlier(work, callout)],
        "lessons": callout.lessons,
        "own": await _in_short(work, callout),
    }


async def _ended(work: Work, callout_id: int) -> Callout:
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.ENDED:
        raise Refusal("callout_not_over")
    return callout


async def _responses(work: Work, callout: Callout) -> Sequence[Response]:
    found = await work.session.scalars(
        select(Response).where(Response.callout_id == callout.id).order_by(Response.asked_at)
    )
    return found.all()


async def _times(
    work: Work, callout: Callout, needs: Sequence[Need], responses: Sequence[Response]
) -> dict[str, datetime | None]:
    """When it was declared, first sent, full, when the first and last were there and home."""
    arrived = [one.arrived_at for one in responses if one.arrived_at]
    home = [one.home_at for one in responses if one.home_at]
    yes = [one.answered_at for one in responses if one.said_yes and one.answered_at]
    full = [need.full_at for need in needs]
    return {
        "declared": callout.created_at,
        "launched": callout.launched_at,
        "first_sent": await _first_sent(work, needs),
        "first_yes": min(yes, default=None),
        "full": max(filter(None, full), default=None) if all(full) else None,
        "first_there": min(arrived, default=None),
        "last_there": max(arrived, default=None),
        "ended": callout.ended_at,
        "all_home": max(home) if home and len(home) == len(arrived) else None,
    }


async def _first_sent(work: Work, needs: Sequence[Need]) -> datetime | None:
    return await work.session.scalar(
        select(func.min(Delivery.finished_at))
        .join(Message, Message.id == Delivery.message_id)
        .where(
            Message.subject.in_([calls_for(need) for need in needs]),
            Message.kind == ALARM,
            Delivery.telegram_message_id.is_not(None),
        )
    )


async def _need(work: Work, need: Need, responses: Sequence[Response]) -> dict[str, Any]:
    own = [one for one in responses if one.need_id == need.id]
    waves = await work.session.scalars(
        select(Wave).where(Wave.need_id == need.id).order_by(Wave.number)
    )
    return {
        **await need_named(work, need),
        **_counts(own),
        "waves": [
            {
                "number": wave.number,
                "at": wave.at,
                **_counts([r for r in own if r.wave == wave.number]),
            }
            for wave in waves
        ],
    }


def _counts(responses: Sequence[Response]) -> dict[str, int]:
    return {
        "asked": len(responses),
        "yes": sum(one.said_yes for one in responses),
        "came": sum(one.arrived_at is not None for one in responses),
    }


def _origins(responses: Sequence[Response]) -> list[tuple[int | None, int]]:
    """How many of those who came live within each ring, and beyond (None)."""
    counted: Counter[int | None] = Counter(
        next((ring for ring in RINGS if one.metres <= ring * 1000), None)
        for one in responses
        if one.arrived_at
    )
    return [(ring, counted[ring]) for ring in (*RINGS, None)]


async def _earlier(work: Work, callout: Callout) -> Sequence[Callout]:
    """The last ones of the organisation, drills beside drills."""
    found = await work.session.scalars(
        select(Callout)
        .where(
            Callout.organisation_id == callout.organisation_id,
            Callout.drill == callout.drill,
            Callout.state == CalloutState.ENDED,
            ~Callout.false_alarm,
            Callout.id < callout.id,
        )
        .order_by(Callout.id.desc())
        .limit(COMPARED)
    )
    return found.all()


async def _in_short(work: Work, callout: Callout) -> dict[str, Any]:
    """A call-out in one line, to put beside others."""
    needs = await needs_of(work, callout)
    responses = await _responses(work, callout)
    counts = _counts(responses)
    full = [need.full_at for need in needs]
    minutes = None
    if callout.launched_at and all(full):
        last = max(filter(None, full), default=callout.launched_at)
        minutes = round((last - callout.launched_at).total_seconds() / 60)
    return {
        "launched_at": callout.launched_at,
        "quota": sum(need.quota for need in needs),
        "minutes": minutes,
        **counts,
        "percent": round(100 * counts["yes"] / max(1, counts["asked"])),
        "messages": round(counts["asked"] / max(1, counts["came"]), 1),
    }


async def curve(work: Work, callout_id: int) -> Curve:
    """When people said yes and when they came. Raises Gone, NotAllowed, Refusal."""
    callout = await _ended(work, callout_id)
    began = callout.launched_at or callout.created_at
    responses = await _responses(work, callout)

    def minutes(moments: list[datetime]) -> list[float]:
        return sorted((moment - began).total_seconds() / 60 for moment in moments)

    return Curve(
        said_yes=minutes(
            [one.answered_at for one in responses if one.said_yes and one.answered_at]
        ),
        arrived=minutes([one.arrived_at for one in responses if one.arrived_at]),
        quota=sum(need.quota for need in await needs_of(work, callout)),
    )


async def lines(work: Work, callout_id: int) -> list[tuple[Response, str]]:
    """Everyone who was asked, with their names, in the order of asking."""
    callout = await _ended(work, callout_id)
    rows = await work.session.execute(
        select(Response, Person.name)
        .join(Person, Person.id == Response.person_id)
        .where(Response.callout_id == callout.id)
        .order_by(Response.asked_at, Response.metres)
    )
    return [(response, name) for response, name in rows]


def as_csv(
    work: Work,
    headings: Sequence[str],
    states: Mapping[ResponseState, str],
    people: Sequence[tuple[Response, str]],
) -> bytes:
    """The table as spreadsheets read it, times local; a name is never taken for a formula."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(headings)
    for one, name in people:
        moments = (one.asked_at, one.answered_at, one.arrived_at, one.home_at)
        table.writerow(
            [
                f"'{name}" if name.startswith(FORMULA) else name,
                states[one.state],
                one.wave,
                round(one.metres),
                *(_local(work, moment) for moment in moments),
            ]
        )
    return out.getvalue().encode("utf-8-sig")


def _local(work: Work, moment: datetime | None) -> str:
    return f"{moment.astimezone(work.policy.zone):%Y-%m-%d %H:%M:%S}" if moment else ""


async def learn(work: Work, callout_id: int, text: str) -> None:
    """Writes down what the next one should do otherwise. Raises Gone, NotAllowed, Refusal."""
    callout = await _ended(work, callout_id)
    callout.lessons = [*callout.lessons, text][-LESSONS:]
    callouts.note(work, "lesson", callout)

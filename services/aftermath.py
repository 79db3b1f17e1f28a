"""What a call-out looked like afterwards: how fast, how many, from where, and what to learn."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from models import (
    TELEGRAM,
    Callout,
    CalloutState,
    Delivery,
    DeliveryState,
    Message,
    Need,
    Organisation,
    Person,
    Response,
    ResponseState,
    Trait,
    Wave,
)
from services import access, callouts, comparison, curves, delivery, listing, origins
from services.access import Right
from services.callouts import (
    ALARM,
    ORDER,
    calls_for,
    commanded,
    commanders,
    described,
    need_named,
    subject,
)
from services.comparison import Tally, together
from services.delivery import Post
from services.errors import Refusal
from services.origins import Home
from services.work import Work

RINGS = (2, 5, 10, 20)
"""Kilometres from the rally point by which those who came are counted."""
STEPS = ("declared", "first_sent", "full", "enough_there", "ended", "all_home")
"""The moments by which a call-out is measured."""
SILENT, NOT_NEEDED, NOT_REACHED = WHY = ("silent", "not_needed", "not_reached")
"""Why somebody did not answer: had the call, was soon told that enough come, or never got it."""
HANDED_OUT_AFTER = timedelta(hours=1)
"""After the end the report no longer waits for those who have not said that they are home."""
PAST_PER_PAGE = 8
LESSONS, LESSON_LENGTH = 50, 1_000
HEADINGS = (
    "name", "state", "role", "wave", "distance", "asked", "answered", "arrived", "home",
)  # fmt: skip
"""Columns of the exported table."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What spreadsheets take for a formula at the beginning of a cell, some also in full width."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who was asked, with their name and about where they live."""

    response: Response
    name: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Seen:
    """All rows that a report is made of."""

    callout: Callout
    needs: list[Tally]
    people: list[Asked]
    """In the order of asking."""
    reached: set[int]
    """Keys of those to whom at least one call went out."""

    @property
    def responses(self) -> list[Response]:
        return [one.response for one in self.people]


# The report


async def report(work: Work, callout_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """In figures, as the templates take it; and apart from it its curve and map.

    Raises Gone, NotAllowed, Refusal.
    """
    seen = await _seen(work, await _ended(work, callout_id))
    return await _report(work, seen), _pictures(seen)


async def whole(work: Work, callout_id: int) -> dict[str, Any]:
    """The report with curve, map and names, to be filed. Raises Gone, NotAllowed, Refusal."""
    callout = await _ended(work, callout_id)
    callouts.note(work, "exported", callout, what="report")
    return await whole_of(work, callout)


async def whole_of(work: Work, callout: Callout) -> dict[str, Any]:
    """As `whole`, for whoever has been asked for their rights already."""
    seen = await _seen(work, callout)
    return {
        **await _report(work, seen),
        **_pictures(seen),
        "unanswered": [_unanswered(one, seen) for one in _silent(seen)],
    }


async def past(work: Work, page: int) -> tuple[list[Callout], bool]:
    """Those that are over and that the actor commands, the newest first; whether there are more.

    Raises NotAllowed.
    """
    await callouts.commands(work)
    within = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    found = await work.session.scalars(
        select(Callout)
        .where(within, Callout.state == CalloutState.ENDED)
        .order_by(Callout.id.desc())
        .offset(page * PAST_PER_PAGE)
        .limit(PAST_PER_PAGE + 1)
    )
    rows = list(found)
    return rows[:PAST_PER_PAGE], len(rows) > PAST_PER_PAGE


async def ended(work: Work, number: int) -> listing.Slice[tuple[Callout, dict[str, str], int, int]]:
    """A page of those that are over, the newest first: each with the names of its organisation,
    how many were wanted, and how many came. Raises NotAllowed."""
    return await listing.of(work, await every_ended(work), number)


async def every_ended(work: Work) -> Any:
    """The statement of all that are over, as of `ended`. Raises NotAllowed."""
    await callouts.commands(work)
    within = await access.within_reach(work, Right.LAUNCH_CALLOUTS, Callout.organisation_id)
    wanted = select(func.sum(Need.quota)).where(Need.callout_id == Callout.id).scalar_subquery()
    came = (
        select(func.count())
        .where(Response.callout_id == Callout.id, Response.arrived_at.is_not(None))
        .scalar_subquery()
    )
    return (
        select(Callout, Organisation.names, wanted, came)
        .join(Organisation, Organisation.id == Callout.organisation_id)
        .where(within, Callout.state.in_((CalloutState.ENDED, CalloutState.LAPSED)))
        .order_by(Callout.id.desc())
    )


async def watched(work: Work, callout_id: int) -> dict[str, Any]:
    """As `whole`, for a page that only shows it. Raises Gone, NotAllowed, Refusal."""
    callout = await callouts.watched(work, callout_id)
    if callout.state is not CalloutState.ENDED:
        raise Refusal("callout_not_over")
    return await whole_of(work, callout)


async def _ended(work: Work, callout_id: int) -> Callout:
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.ENDED:
        raise Refusal("callout_not_over")
    return callout


async def _seen(work: Work, callout: Callout) -> Seen:
    rows = await work.session.execute(
        select(Response, Person.name, Trait.latitude, Trait.longitude)
        .join(Person, Person.id == Response.person_id)
        .outerjoin(Trait, Trait.person_id == Response.person_id)
        .where(Response.callout_id == callout.id)
        .order_by(Response.asked_at, Response.metres, Response.person_id)
    )
    needs = await comparison.tallies(work, [callout])
    return Seen(
        callout,
        needs,
        [Asked(*row) for row in rows],
        await _reached(work, [one.need for one in needs]),
    )


def _calls(needs: Sequence[Need]) -> ColumnElement[bool]:
    """Messages that ask people to come for these needs."""
    return and_(Message.subject.in_([calls_for(need) for need in needs]), Message.kind == ALARM)


async def _reached(work: Work, needs: Sequence[Need]) -> set[int]:
    found = await work.session.scalars(
        select(Delivery.person_id)
        .join(Message, Message.id == Delivery.message_id)
        .where(_calls(needs), Delivery.state == DeliveryState.SENT)
        .distinct()
    )
    return {key for key in found if key is not None}


async def _report(work: Work, seen: Seen) -> dict[str, Any]:
    callout = seen.callout
    times = await _times(work, seen)
    own = comparison.in_short(callout, seen.needs)
    silent = _silent(seen)
    return {
        **await described(work, callout),
        "false_alarm": callout.false_alarm,
        "created_at": callout.created_at,
        "ended_at": callout.ended_at,
        "times": times,
        "steps": _steps(times),
        "needs": await _needs(work, seen),
        "origins": _rings(seen.responses),
        "silent": len(silent),
        "not_needed": sum(_why(one, seen) == NOT_NEEDED for one in silent),
        "not_reached": sum(_why(one, seen) == NOT_REACHED for one in silent),
        "sent": _by_way(seen.needs),
        "not_home": sum(one.arrived_at is not None and not one.home_at for one in seen.responses),
        "earlier": await comparison.beside(work, callout),
        "lessons": callout.lessons,
        "own": own,
    }


def _by_way(needs: Sequence[Tally]) -> dict[str, int]:
    """Calls that were sent, by channel, Telegram first."""
    sent = sum((one.sent for one in needs), Counter[str]())
    return dict(sorted(sent.items(), key=lambda way: (way[0] != TELEGRAM, -way[1], way[0])))


async def _times(work: Work, seen: Seen) -> dict[str, datetime | None]:
    """When it was declared, first sent, full, when enough were there, and when all were home."""
    callout, responses = seen.callout, seen.responses
    arrived = [one.arrived_at for one in responses if one.arrived_at]
    home = [one.home_at for one in responses if one.home_at]
    yes = [one.answered_at for one in responses if one.said_yes and one.answered_at]
    return {
        "declared": callout.created_at,
        "launched": callout.launched_at,
        "first_sent": await _first_sent(work, [one.need for one in seen.needs]),
        "first_yes": min(yes, default=None),
        "full": together([one.full_at for one in seen.needs]),
        "first_there": min(arrived, default=None),
        "enough_there": together([one.there_at for one in seen.needs]),
        "last_there": max(arrived, default=None),
        "ended": callout.ended_at,
        "all_home": max(home) if home and len(home) == len(arrived) else None,
    }


async def _first_sent(work: Work, needs: Sequence[Need]) -> datetime | None:
    return await work.session.scalar(
        select(func.min(Delivery.finished_at))
        .join(Message, Message.id == Delivery.message_id)
        .where(_calls(needs), Delivery.state == DeliveryState.SENT, Delivery.edits_id.is_(None))
    )


def _steps(times: Mapping[str, datetime | None]) -> list[dict[str, Any]]:
    """From the declaration until all were home, with the minutes since the step before."""
    steps: list[dict[str, Any]] = []
    before: datetime | None = None
    for what in STEPS:
        at = times[what]
        passed = (at - before).total_seconds() if at and before else -1
        minutes = round(passed / 60) if passed >= 0 else None
        steps.append({"what": what, "at": at, "minutes": minutes})
        before = max(filter(None, (at, before)), default=None)
    return steps


async def _needs(work: Work, seen: Seen) -> list[dict[str, Any]]:
    """What was asked for, and what came of it by wave."""
    rows = await work.session.scalars(
        select(Wave)
        .where(Wave.need_id.in_([one.need.id for one in seen.needs]))
        .order_by(Wave.need_id, Wave.number)
    )
    waves = rows.all()
    by_wave: dict[tuple[int, int], list[Response]] = {}
    for one in seen.responses:
        by_wave.setdefault((one.need_id, one.wave), []).append(one)
    return [
        {
            **await need_named(work, tally.need),
            **_counts([one for one in seen.responses if one.need_id == tally.need.id]),
            "full_at": tally.full_at,
            "there_at": tally.there_at,
            "waves": [
                {
                    "number": wave.number,
                    "at": wave.at,
                    **_counts(by_wave.get((wave.need_id, wave.number), [])),
                }
                for wave in waves
                if wave.need_id == tally.need.id
            ],
        }
        for tally in seen.needs
    ]


def _counts(responses: Sequence[Response]) -> dict[str, int]:
    return {
        "asked": len(responses),
        "yes": sum(one.said_yes for one in responses),
        "came": sum(one.arrived_at is not None for one in responses),
        "silent": sum(one.answered_at is None for one in responses),
    }


def _rings(responses: Sequence[Response]) -> list[tuple[int | None, int]]:
    """How many of those who came live within each ring, and beyond (None)."""
    counted: Counter[int | None] = Counter(
        next((ring for ring in RINGS if one.metres <= ring * 1000), None)
        for one in responses
        if one.arrived_at
    )
    return [(ring, counted[ring]) for ring in (*RINGS, None)]


def _pictures(seen: Seen) -> dict[str, Any]:
    """The response curve and the map of origins, as figures to draw."""
    callout = seen.callout
    began = callout.launched_at or callout.created_at

    def minutes(moments: Iterable[datetime | None]) -> list[float]:
        return [(moment - began).total_seconds() / 60 for moment in moments if moment]

    homes = [
        Home(one.latitude, one.longitude, one.response.arrived_at is not None)
        for one in seen.people
        if one.latitude is not None and one.longitude is not None
    ]
    return {
        "curve": curves.curve(
            minutes(one.answered_at for one in seen.responses if one.said_yes),
            minutes(one.arrived_at for one in seen.responses),
            sum(one.need.quota for one in seen.needs),
        ),
        "map": origins.origins(callout.latitude, callout.longitude, callout.radius, homes),
    }


# Who did not answer


async def unanswered(work: Work, callout_id: int) -> dict[str, Any]:
    """Who did not answer, the silent ones first, and why that may be. Never a phone number.

    Raises Gone, NotAllowed, Refusal.
    """
    callout = await _ended(work, callout_id)
    seen = await _seen(work, callout)
    return {
        **await described(work, callout),
        "needs": [await need_named(work, one.need) for one in seen.needs],
        "people": [_unanswered(one, seen) for one in _silent(seen)],
    }


def _silent(seen: Seen) -> list[Asked]:
    """By need, those first who had the call and the time to answer."""
    found = [one for one in seen.people if one.response.answered_at is None]
    return sorted(found, key=lambda one: (one.response.need_id, WHY.index(_why(one, seen))))


def _why(one: Asked, seen: Seen) -> str:
    if one.response.person_id not in seen.reached:
        return NOT_REACHED
    return NOT_NEEDED if one.response.state is ResponseState.RELEASED else SILENT


def _unanswered(one: Asked, seen: Seen) -> dict[str, Any]:
    return {
        "name": one.name,
        "need_id": one.response.need_id,
        "wave": one.response.wave,
        "why": _why(one, seen),
    }


# By itself


async def hand_out(work: Work) -> int:
    """Sweep: once all are home, or some time after the end, the commanders get the report."""
    still_there = select(Response.person_id).where(
        Response.callout_id == Callout.id, Response.state == ResponseState.ON_SCENE
    )
    found = await work.session.scalars(
        select(Callout).where(
            Callout.state == CalloutState.ENDED,
            Callout.reported_at.is_(None),
            or_(Callout.ended_at <= work.now - HANDED_OUT_AFTER, ~still_there.exists()),
        )
    )
    due = found.all()
    for callout in due:
        callout.reported_at = work.now
        shown = await _report(work, await _seen(work, callout))
        shown["drawn"] = False
        post = Post("callouts/report", shown, kind=ORDER, subject=f"{subject(callout.id)}:report")
        entitled = await commanders(work, callout)
        await delivery.tell(work, post, entitled & {callout.commander_id, callout.second_id})
    return len(due)


# The table


async def lines(work: Work, callout_id: int) -> tuple[list[Asked], list[dict[str, Any]]]:
    """Everyone who was asked, in the order of asking, and the needs that they were asked for.

    Raises Gone, NotAllowed, Refusal.
    """
    callout = await _ended(work, callout_id)
    callouts.note(work, "exported", callout, what="table")
    seen = await _seen(work, callout)
    return seen.people, [await need_named(work, one.need) for one in seen.needs]


def as_csv(
    work: Work,
    headings: Sequence[str],
    states: Mapping[ResponseState, str],
    roles: Mapping[int, str],
    people: Sequence[Asked],
) -> bytes:
    """The table as spreadsheets read it, times local; a name is never taken for a formula."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(headings)
    for asked in people:
        one = asked.response
        moments = (one.asked_at, one.answered_at, one.arrived_at, one.home_at)
        table.writerow(
            [
                _harmless(asked.name),
                states[one.state],
                _harmless(roles[one.need_id]),
                one.wave,
                round(one.metres),
                *(_local(work, moment) for moment in moments),
            ]
        )
    return out.getvalue().encode("utf-8-sig")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _local(work: Work, moment: datetime | None) -> str:
    return f"{moment.astimezone(work.policy.zone):%Y-%m-%d %H:%M:%S}" if moment else ""


# Lessons


async def learn(work: Work, callout_id: int, text: str) -> None:
    """Writes down what the next one should do otherwise. Raises Gone, NotAllowed, Refusal."""
    keep_lesson(work, await _ended(work, callout_id), text)


def keep_lesson(work: Work, callout: Callout, text: str) -> None:
    """As `learn`, for whoever has been asked for their rights already. Raises Refusal."""
    if not text:
        raise Refusal("text_missing")
    if len(text) > LESSON_LENGTH:
        raise Refusal("form_too_long", most=LESSON_LENGTH, length=len(text))
    callout.lessons = [*callout.lessons, text][-LESSONS:]
    callouts.note(work, "lesson", callout)

"""The coordinator's desk: what waits for them, of each kind, and the most urgent of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select

from models import (
    Activity,
    ActivityState,
    Broadcast,
    BroadcastState,
    Enrolment,
    EnrolmentState,
    Organisation,
    Person,
    Response,
    Shift,
)
from services import (
    access,
    affiliations,
    approvals,
    awards,
    callouts,
    care_alerts,
    complaints,
    disputes,
    help_requests,
    hours,
    plans,
    project_list,
    qualifications,
    reliability,
    reorganising,
    stars,
)
from services.access import Right
from services.errors import NotAllowed
from services.work import Work

SHOWN = 3
"""Of each kind, the most urgent ones."""
AHEAD = timedelta(days=3)
"""How far ahead shifts with gaps and silent people are looked for."""


@dataclass(frozen=True, slots=True)
class Pile:
    """One kind of task: how many wait, and the most urgent of them."""

    name: str
    count: int
    rows: Sequence[Any]


async def coordinates(work: Work) -> bool:
    """Whether the actor coordinates anything."""
    return bool(await access.organisations_with(work, Right.TAKE_ROLL))


async def require(work: Work) -> None:
    """Raises NotAllowed to those without a desk."""
    if not await coordinates(work):
        raise NotAllowed


async def waiting(work: Work) -> dict[str, int]:
    """Kind of task -> how many wait for the actor. Raises NotAllowed to those without a desk."""
    await require(work)
    return {
        "approvals": await approvals.waiting(work),
        "qualifications": await qualifications.waiting(work),
        "hours": await hours.waiting(work),
        "disputes": await disputes.waiting(work),
        "excuses": await reliability.waiting(work),
        "complaints": await complaints.waiting(work),
    }


async def today(work: Work) -> list[Pile]:
    """All that needs the actor, what is most urgent first; nothing of what they have no part in."""
    rights = await access.rights(work)
    piles: list[Pile] = []
    for right, look in (
        (Right.LAUNCH_CALLOUTS, _incidents),
        (Right.CARE, _care_alerts),
        (Right.CARE, _help),
        (Right.TAKE_ROLL, _silent),
        (Right.TAKE_ROLL, _gaps),
        (Right.APPROVE_VOLUNTEERS, _approvals),
        (Right.APPROVE_VOLUNTEERS, _affiliations),
        (Right.VERIFY_QUALIFICATIONS, _documents),
        (Right.CONFIRM_HOURS, _hours),
        (Right.CONFIRM_HOURS, _disputes),
        (Right.REVIEW_PROJECTS, _projects),
        (Right.HANDLE_COMPLAINTS, _complaints),
        (Right.CONFIRM_HOURS, _excuses),
        (Right.ANNOUNCE, _broadcasts),
        (Right.MANAGE_ORGANISATIONS, _organisations),
        (Right.PLAN_ACTIVITIES, _plans),
        (Right.RECOGNISE, _honours),
    ):
        if right in rights:
            piles.append(await look(work))
    return [pile for pile in piles if pile.count]


async def _incidents(work: Work) -> Pile:
    """Call-outs under way, each with those on scene who gave SOS."""
    running = await callouts.in_short(work)
    rows = await work.session.execute(
        select(Response.callout_id, Person.name)
        .join(Person, Person.id == Response.person_id)
        .where(
            Response.callout_id.in_([one["id"] for one in running]), Response.sos_at.is_not(None)
        )
        .order_by(Response.sos_at)
    )
    calling: dict[int, list[str]] = {}
    for callout_id, name in rows:
        calling.setdefault(callout_id, []).append(name)
    shown = [{**one, "sos": calling.get(one["id"], [])} for one in running]
    shown.sort(key=lambda one: not one["sos"])
    return Pile("incidents", len(shown), shown)


async def _care_alerts(work: Work) -> Pile:
    """Recipients at whose door nobody answered."""
    found = await care_alerts.open_ones(work)
    return Pile("care_alerts", len(found), found[:SHOWN])


async def _help(work: Work) -> Pile:
    """Requests for help that nobody has seen to."""
    return Pile(
        "help", await help_requests.waiting(work), await help_requests.listed(work, limit=SHOWN)
    )


async def _silent(work: Work) -> Pile:
    """Shifts at hand with people who were asked whether they come and have not answered."""
    asked = or_(Enrolment.reminded_day_at.is_not(None), Enrolment.reminded_hours_at.is_not(None))
    rows = await work.session.execute(
        select(Shift, Activity, func.count())
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            *await _at_hand(work),
            Enrolment.state == EnrolmentState.CONFIRMED,
            Enrolment.coming.is_(None),
            asked,
        )
        .group_by(Shift.id, Activity.id)
        .order_by(Shift.starts_at, Shift.id)
    )
    found = rows.all()
    return Pile("silent", sum(row[2] for row in found), found[:SHOWN])


async def _gaps(work: Work) -> Pile:
    """Shifts at hand that have places left."""
    rows = await work.session.execute(
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(*await _at_hand(work), Shift.taken < Shift.quota)
        .order_by(Shift.starts_at, Shift.id)
    )
    found = rows.all()
    return Pile("gaps", len(found), found[:SHOWN])


async def _at_hand(work: Work) -> tuple[Any, ...]:
    reach = await access.within_reach(work, Right.TAKE_ROLL, Activity.organisation_id)
    return (
        Activity.state == ActivityState.PUBLISHED,
        Shift.starts_at > work.now,
        Shift.starts_at <= work.now + AHEAD,
        reach,
    )


async def _approvals(work: Work) -> Pile:
    return Pile("approvals", await approvals.waiting(work), await approvals.pending(work, SHOWN))


async def _affiliations(work: Work) -> Pile:
    """Schools and companies with people who say that they belong there."""
    count = await affiliations.waiting(work)
    bodies = await affiliations.bodies(work) if count else []
    waits = [body for body in bodies if body.asked]
    return Pile("affiliations", count, sorted(waits, key=lambda body: -body.asked)[:SHOWN])


async def _documents(work: Work) -> Pile:
    count = await qualifications.waiting(work)
    return Pile("documents", count, await qualifications.pending(work, SHOWN))


async def _hours(work: Work) -> Pile:
    return Pile("hours", await hours.waiting(work), (await hours.piles(work))[:SHOWN])


async def _disputes(work: Work) -> Pile:
    return Pile("disputes", await disputes.waiting(work), (await disputes.listed(work))[:SHOWN])


async def _organisations(work: Work) -> Pile:
    """Who asks to found, join, move or close one."""
    pending = await reorganising.pending(work, SHOWN)
    rows = [reorganising.described(one) for one in pending]
    return Pile("organisations", await reorganising.waiting(work), rows)


async def _plans(work: Work) -> Pile:
    return Pile("plans", await plans.waiting(work), await plans.pending(work, SHOWN))


async def _honours(work: Work) -> Pile:
    """Stars whose notice is over, lists and nominations to be decided."""
    over = [one for one in await stars.applications(work) if one.over]
    count = await stars.waiting(work) + await awards.waiting(work)
    return Pile("honours", count, over[:SHOWN])


async def _projects(work: Work) -> Pile:
    pending = await project_list.pending(work, SHOWN)
    return Pile("projects", await project_list.waiting(work), pending)


async def _complaints(work: Work) -> Pile:
    rows = await complaints.listed(work, SHOWN)
    return Pile("complaints", await complaints.waiting(work), rows)


async def _excuses(work: Work) -> Pile:
    rows = await reliability.listed(work, SHOWN)
    return Pile("excuses", await reliability.waiting(work), rows)


async def _broadcasts(work: Work) -> Pile:
    """Those of others that wait for approval."""
    reach = await access.within_reach(work, Right.ANNOUNCE, Broadcast.organisation_id)
    rows = await work.session.execute(
        select(Broadcast, Organisation)
        .join(Organisation, Organisation.id == Broadcast.organisation_id)
        .where(
            reach,
            Broadcast.state == BroadcastState.AWAITING_APPROVAL,
            Broadcast.author_id != work.person.id,
        )
        .order_by(Broadcast.submitted_at, Broadcast.id)
    )
    found = rows.all()
    return Pile("broadcasts", len(found), found[:SHOWN])

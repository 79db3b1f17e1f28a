"""The editor of an activity and of its shifts, with a look at what volunteers will read."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from models import (
    Activity,
    Confirmation,
    MarkKind,
    Organisation,
    QualificationKind,
    ServiceField,
    Shift,
    Skill,
    SpokenLanguage,
)
from models.activities import USUAL_RADIUS
from services import activities, planning, project_list, shifts, terms
from services.errors import NotAllowed
from services.planning import Plan
from services.shifts import ShiftPlan
from web.console import fields, placing
from web.console.activities import link_to, phones
from web.console.framework import Goto, Page, Pages, Visit
from web.console.organisations import figures

pages = Pages()

PREVIEW = "preview"
NEEDS = ("skills", "qualifications", "languages")
EMPTY: dict[str, Any] = {
    **dict.fromkeys(("title", "field", "description", "address", "confirmation"), ""),
    **dict.fromkeys(("deadline_day", "deadline_clock", "bring", "contact"), ""),
    **dict.fromkeys(("post", "day", "begins", "ends", "quota", "least_age", "mark"), ""),
    **dict.fromkeys(NEEDS, ()),
}
"""Every field with nothing in it."""


# A new one


@pages.look("/activities/new")
async def new(visit: Visit) -> Page:
    return await _editor(visit)


@pages.act("/activities/new", again=new)
async def draft(visit: Visit) -> Page | Goto:
    organisation_id = fields.key(visit, "organisation")
    chosen = visit.keys("project") if visit.form.get("project") else [None]
    plan, first = replace(_plan(visit, None), project_id=chosen[0]), _shift(visit)
    if visit.form.get("do") == PREVIEW:
        about = await planning.foresee_draft(visit.work, organisation_id, plan, first)
        return await _editor(visit, phones=phones(visit, about))
    made = await planning.draft(visit.work, organisation_id, plan, first)
    return Goto(f"/activities/{made.id}", done="drafted")


async def _editor(visit: Visit, activity: Activity | None = None, **shown: Any) -> Page:
    work = visit.work
    own = await planning.places_to_plan(work)
    if not own:
        raise NotAllowed
    return Page(
        "console/activities/edit",
        {
            "activity": activity,
            "values": _values(visit, activity),
            "lengths": planning.LENGTHS,
            "organisations": own,
            "projects": [] if activity else await project_list.running_where_planned(work),
            "service_fields": await terms.every(work.session, ServiceField),
            "ways": [way.value for way in Confirmation],
            **await _map(visit, activity, own[0]),
            "phones": {},
            "asked": 0,
            **(await _offered(visit) if activity is None else {}),
            **shown,
        },
    )


# Changing one


@pages.look("/activities/{activity_id}/edit")
async def edit(visit: Visit, activity_id: int) -> Page:
    return await _editor(visit, await activities.planned(visit.work, activity_id))


@pages.act("/activities/{activity_id}/edit", again=edit)
async def change(visit: Visit, activity_id: int) -> Page | Goto:
    """Who would have to confirm again is counted and shown before anything is saved."""
    activity = await activities.planned(visit.work, activity_id)
    plan = _plan(visit, activity)
    if visit.form.get("do") == PREVIEW:
        about = await planning.foresee_change(visit.work, activity_id, plan)
        return await _editor(visit, activity, phones=phones(visit, about))
    asked = await planning.to_be_asked(visit.work, activity_id, plan)
    if asked and visit.form.get("asked") != str(asked):
        return await _editor(visit, activity, asked=asked)
    await planning.change(visit.work, activity_id, plan, link_to(visit, activity_id))
    return Goto(f"/activities/{activity_id}", done="saved")


def _plan(visit: Visit, before: Activity | None) -> Plan:
    remote = bool(visit.form.get("remote"))
    at = None if remote else placing.required(visit)
    deadline = None
    if fields.words(visit, "deadline_day"):
        deadline = fields.moment(visit, "deadline_day", "deadline_clock")
    return Plan(
        field_id=fields.key(visit, "field"),
        title=fields.words(visit, "title"),
        description=fields.lines(visit, "description"),
        address=fields.words(visit, "address"),
        latitude=at.latitude if at else None,
        longitude=at.longitude if at else None,
        confirmation=fields.choice(visit, "confirmation", Confirmation),
        picture=before.picture if before is not None else None,
        enrolment_deadline=deadline,
        bring=fields.words(visit, "bring"),
        contact=fields.words(visit, "contact"),
        remote=remote,
    )


def _values(visit: Visit, activity: Activity | None) -> Mapping[str, Any]:
    """What stands in the fields at first."""
    if activity is None:
        return {**EMPTY, "contact": visit.logged_in.person.name}
    deadline = activity.enrolment_deadline
    return {
        **EMPTY,
        "title": activity.title,
        "field": activity.field_id,
        "description": activity.description,
        "address": activity.address,
        "confirmation": activity.confirmation.value,
        "bring": activity.bring,
        "contact": activity.contact,
        **(_local(visit, "deadline", deadline) if deadline else {}),
    }


def _local(visit: Visit, name: str, moment: datetime) -> dict[str, str]:
    """The day and the time of day that two fields show."""
    local = moment.astimezone(visit.work.policy.zone)
    return {f"{name}_day": f"{local:%Y-%m-%d}", f"{name}_clock": f"{local:%H:%M}"}


async def _map(visit: Visit, activity: Activity | None, own: Organisation) -> dict[str, Any]:
    """Where one is, and how near is near enough to check in."""
    return {
        **await figures(visit),
        "near": None if own.latitude is None else (own.latitude, own.longitude),
        "radius": USUAL_RADIUS if activity is None else activity.radius,
    }


# Shifts


@pages.look("/activities/{activity_id}/shifts/new")
async def new_shift(visit: Visit, activity_id: int) -> Page:
    return await _shift_editor(visit, await activities.planned(visit.work, activity_id))


@pages.act("/activities/{activity_id}/shifts/new", again=new_shift)
async def add_shift(visit: Visit, activity_id: int) -> Goto:
    link = link_to(visit, activity_id)
    await planning.add_shift(visit.work, activity_id, _shift(visit), link)
    return Goto(f"/activities/{activity_id}", done="saved")


@pages.look("/shifts/{shift_id}/edit")
async def edit_shift(visit: Visit, shift_id: int) -> Page:
    activity, shift = await planning.planned_shift(visit.work, shift_id)
    return await _shift_editor(visit, activity, shift)


@pages.act("/shifts/{shift_id}/edit", again=edit_shift)
async def change_shift(visit: Visit, shift_id: int) -> Page | Goto:
    activity, shift = await planning.planned_shift(visit.work, shift_id)
    plan = _shift(visit)
    asked = await planning.to_be_asked_of_shift(visit.work, shift_id, plan)
    if asked and visit.form.get("asked") != str(asked):
        return await _shift_editor(visit, activity, shift, asked=asked)
    await planning.change_shift(visit.work, shift_id, plan, link_to(visit, activity.id))
    return Goto(f"/activities/{activity.id}", done="saved")


@pages.act("/shifts/{shift_id}/take-away", again=edit_shift)
async def remove_shift(visit: Visit, shift_id: int) -> Goto:
    activity, _ = await planning.planned_shift(visit.work, shift_id)
    await planning.remove_shift(visit.work, shift_id, link_to(visit, activity.id))
    return Goto(f"/activities/{activity.id}", done="saved")


async def _shift_editor(
    visit: Visit, activity: Activity, shift: Shift | None = None, asked: int = 0
) -> Page:
    before = None if shift is None else await shifts.plan_of(visit.work.session, shift)
    return Page(
        "console/activities/shift",
        {
            "activity": activity,
            "shift": shift,
            "values": EMPTY if before is None else _shift_values(visit, before),
            "asked": asked,
            **await _offered(visit),
        },
    )


async def _offered(visit: Visit) -> dict[str, Any]:
    """What a shift may require, and its bounds."""
    session = visit.work.session
    return {
        "needs": {
            "skills": await terms.every(session, Skill),
            "qualifications": await terms.every(session, QualificationKind),
            "languages": await terms.every(session, SpokenLanguage),
        },
        "most_needs": shifts.MOST_NEEDS,
        "most_places": shifts.MOST_PLACES,
        "oldest": shifts.OLDEST,
        "marks": [kind.value for kind in MarkKind],
        "longest_title": shifts.LONGEST_TITLE,
        "today": visit.work.today,
    }


def _shift_values(visit: Visit, before: ShiftPlan) -> dict[str, Any]:
    start = before.starts_at.astimezone(visit.work.policy.zone)
    end = before.ends_at.astimezone(visit.work.policy.zone)
    return {
        "post": before.title,
        "day": f"{start:%Y-%m-%d}",
        "begins": f"{start:%H:%M}",
        "ends": f"{end:%H:%M}",
        "quota": before.quota,
        "least_age": before.least_age or "",
        "mark": before.mark.value if before.mark else "",
        **{name: getattr(before, name) for name in NEEDS},
    }


def _shift(visit: Visit) -> ShiftPlan:
    starts_at, ends_at = fields.span(visit, "day", "begins", "ends")
    aged = fields.words(visit, "least_age")
    return ShiftPlan(
        starts_at=starts_at,
        ends_at=ends_at,
        quota=fields.number(visit, "quota", 1, shifts.MOST_PLACES),
        title=fields.words(visit, "post"),
        least_age=fields.number(visit, "least_age", 0, shifts.OLDEST) if aged else 0,
        skills=tuple(visit.keys("skills")),
        qualifications=tuple(visit.keys("qualifications")),
        languages=tuple(visit.keys("languages")),
        mark=fields.choice(visit, "mark", MarkKind) if visit.form.get("mark") else None,
    )

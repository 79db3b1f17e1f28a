"""Activities and their shifts: reading, planning, publishing, calling off."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from models import (
    Activity,
    ActivityState,
    Confirmation,
    QualificationKind,
    ServiceField,
    Skill,
    SpokenLanguage,
)
from services import activities, planning, registers, shifts, terms
from services.planning import Plan
from services.registers import Planned
from services.shifts import MOST_NEEDS, MOST_PLACES, OLDEST, ShiftPlan
from services.tokens import Scope
from web.api import cursors
from web.api.declaring import Call, Endpoints
from web.api.shapes import (
    LINE,
    TEXT,
    Asked,
    AskedId,
    Change,
    Id,
    Latitude,
    Listing,
    Longitude,
    Moment,
    Paged,
    Reasoned,
    Shape,
    left_out,
)

endpoints = Endpoints("activities")


# Texts are as long as the forms of the chat let them be.


class ShiftShape(Shape):
    id: Id
    activity_id: Id
    title: str
    starts_at: Moment
    ends_at: Moment
    quota: int
    taken: int
    least_age: int
    skills: list[Id]
    qualifications: list[Id]
    languages: list[Id]


class ActivityShape(Shape):
    id: Id
    organisation_id: Id
    field_id: Id
    state: ActivityState
    title: str
    description: str
    remote: bool = Field(description="Served from anywhere: no place, hours by a report.")
    address: str
    latitude: float | None
    longitude: float | None
    radius: int = Field(description="Metres within which a shared location counts as being there.")
    confirmation: Confirmation
    enrolment_deadline: Moment | None
    bring: str
    contact: str
    cancel_reason: str | None
    created_at: Moment
    published_at: Moment | None
    cancelled_at: Moment | None
    changed_at: Moment | None
    shifts: list[ShiftShape]


class ActivitiesAsked(Paged):
    organisation_id: AskedId | None = Field(None, description="Of it and all below it.")
    state: ActivityState | None = None
    updated_since: Moment | None = Field(
        None, description="Only what changed since then, in the order of changes."
    )


class NewShift(Asked):
    title: str = Field("", max_length=30, pattern=TEXT)
    starts_at: Moment
    ends_at: Moment
    quota: int = Field(ge=1, le=MOST_PLACES)
    least_age: int = Field(0, ge=0, le=OLDEST)
    skills: list[Id] = Field([], max_length=MOST_NEEDS)
    qualifications: list[Id] = Field([], max_length=MOST_NEEDS)
    languages: list[Id] = Field([], max_length=MOST_NEEDS)


class ShiftChange(Change):
    title: str = Field(default_factory=left_out, max_length=30, pattern=TEXT)
    starts_at: Moment = Field(default_factory=left_out)
    ends_at: Moment = Field(default_factory=left_out)
    quota: int = Field(default_factory=left_out, ge=1, le=MOST_PLACES)
    least_age: int = Field(default_factory=left_out, ge=0, le=OLDEST)
    skills: list[Id] = Field(default_factory=left_out, max_length=MOST_NEEDS)
    qualifications: list[Id] = Field(default_factory=left_out, max_length=MOST_NEEDS)
    languages: list[Id] = Field(default_factory=left_out, max_length=MOST_NEEDS)


class NewActivity(Asked):
    organisation_id: Id
    field_id: Id
    title: str = Field(min_length=2, max_length=60, pattern=LINE)
    description: str = Field(min_length=2, max_length=600, pattern=TEXT)
    address: str = Field(min_length=2, max_length=120, pattern=LINE)
    latitude: Latitude
    longitude: Longitude
    confirmation: Confirmation = Confirmation.AUTOMATIC
    enrolment_deadline: Moment | None = None
    bring: str = Field("", max_length=200, pattern=TEXT)
    contact: str = Field("", max_length=100, pattern=TEXT, description="Whom to ask.")
    shift: NewShift = Field(description="The first; others are added one by one.")


class ActivityChange(Change):
    field_id: Id = Field(default_factory=left_out)
    title: str = Field(default_factory=left_out, min_length=2, max_length=60, pattern=LINE)
    description: str = Field(default_factory=left_out, min_length=2, max_length=600, pattern=TEXT)
    address: str = Field(default_factory=left_out, min_length=2, max_length=120, pattern=LINE)
    latitude: Latitude = Field(default_factory=left_out)
    longitude: Longitude = Field(default_factory=left_out)
    confirmation: Confirmation = Field(default_factory=left_out)
    enrolment_deadline: Moment | None = None
    bring: str = Field(default_factory=left_out, max_length=200, pattern=TEXT)
    contact: str = Field(default_factory=left_out, max_length=100, pattern=TEXT)


def _shift(planned: Planned) -> ShiftShape:
    shift = planned.shift
    return ShiftShape(
        id=shift.id,
        activity_id=shift.activity_id,
        title=shift.title,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        quota=shift.quota,
        taken=shift.taken,
        least_age=shift.least_age,
        skills=planned.skills,
        qualifications=planned.qualifications,
        languages=planned.languages,
    )


def _shape(activity: Activity, planned: list[Planned]) -> ActivityShape:
    return ActivityShape(
        id=activity.id,
        organisation_id=activity.organisation_id,
        field_id=activity.field_id,
        state=activity.state,
        title=activity.title,
        description=activity.description,
        remote=activity.remote,
        address=activity.address,
        latitude=activity.latitude,
        longitude=activity.longitude,
        radius=activity.radius,
        confirmation=activity.confirmation,
        enrolment_deadline=activity.enrolment_deadline,
        bring=activity.bring,
        contact=activity.contact,
        cancel_reason=activity.cancel_reason,
        created_at=activity.created_at,
        published_at=activity.published_at,
        cancelled_at=activity.cancelled_at,
        changed_at=activity.changed_at,
        shifts=[_shift(one) for one in planned],
    )


async def _one(call: Call, activity: Activity) -> ActivityShape:
    planned = await registers.shifts_of(call.work, [activity.id])
    return _shape(activity, planned[activity.id])


@endpoints.look("/activities", Scope.ACTIVITIES_READ)
async def list_activities(call: Call, query: ActivitiesAsked) -> Listing[ActivityShape]:
    """Activities with their shifts, drafts among them."""
    found = await registers.activities_in_reach(
        call.work,
        cursors.window(call, query),
        organisation_id=query.organisation_id,
        state=query.state,
        changed_since=query.updated_since,
    )
    rows = [activity for (activity,) in found.rows]
    planned = await registers.shifts_of(call.work, [one.id for one in rows])
    items = [_shape(one, planned[one.id]) for one in rows]
    return Listing(items=items, next=cursors.next_of(call, found))


@endpoints.look("/activities/{activity_id}", Scope.ACTIVITIES_READ)
async def get_activity(call: Call, activity_id: int) -> ActivityShape:
    """One activity with its shifts."""
    return await _one(call, await activities.planned(call.work, activity_id))


@endpoints.make("/activities", Scope.ACTIVITIES_WRITE)
async def draft_activity(call: Call, body: NewActivity) -> ActivityShape:
    """A draft with its first shift, which nobody sees before it is published."""
    first = ShiftPlan(**await _needs(call, dict(body.shift)))
    said = dict(body)
    organisation_id = said.pop("organisation_id")
    del said["shift"]
    await terms.check(call.work.session, ServiceField, [body.field_id])
    return await _one(call, await planning.draft(call.work, organisation_id, Plan(**said), first))


@endpoints.change("/activities/{activity_id}", Scope.ACTIVITIES_WRITE)
async def change_activity(call: Call, activity_id: int, body: ActivityChange) -> ActivityShape:
    """What is named is different from now on.

    A new place is asked of everyone enrolled, and announcements are corrected.
    """
    activity = await activities.planned(call.work, activity_id)
    plan = replace(planning.plan_of(activity), **body.named)
    await terms.check(call.work.session, ServiceField, [plan.field_id])
    link = call.link(activity_id)
    return await _one(call, await planning.change(call.work, activity_id, plan, link))


@endpoints.remove("/activities/{activity_id}", Scope.ACTIVITIES_WRITE)
async def discard_activity(call: Call, activity_id: int) -> None:
    """Throws a draft away."""
    await planning.discard(call.work, activity_id)


@endpoints.act("/activities/{activity_id}/publish", Scope.ACTIVITIES_WRITE)
async def publish_activity(call: Call, activity_id: int) -> ActivityShape:
    """Opens a draft to everyone and announces it to those whom it fits."""
    await planning.publish(call.work, activity_id, call.link(activity_id))
    return await _one(call, await activities.planned(call.work, activity_id))


@endpoints.act("/activities/{activity_id}/cancel", Scope.ACTIVITIES_WRITE)
async def cancel_activity(call: Call, activity_id: int, body: Reasoned) -> ActivityShape:
    """Calls a published activity off and tells everyone why."""
    return await _one(call, await planning.call_off(call.work, activity_id, body.reason))


@endpoints.make("/activities/{activity_id}/shifts", Scope.ACTIVITIES_WRITE)
async def add_shift(call: Call, activity_id: int, body: NewShift) -> ShiftShape:
    """One more shift."""
    await activities.planned(call.work, activity_id)
    plan = ShiftPlan(**await _needs(call, dict(body)))
    shift = await planning.add_shift(call.work, activity_id, plan, call.link(activity_id))
    return await _shift_of(call, activity_id, shift.id)


@endpoints.change("/shifts/{shift_id}", Scope.ACTIVITIES_WRITE)
async def change_shift(call: Call, shift_id: int, body: ShiftChange) -> ShiftShape:
    """What is named is different from now on; a new time is asked of everyone enrolled."""
    activity, shift = await planning.planned_shift(call.work, shift_id)
    before = await shifts.plan_of(call.work.session, shift)
    plan = replace(before, **await _needs(call, body.named))
    await planning.change_shift(call.work, shift_id, plan, call.link(activity.id))
    return await _shift_of(call, activity.id, shift_id)


@endpoints.remove("/shifts/{shift_id}", Scope.ACTIVITIES_WRITE)
async def remove_shift(call: Call, shift_id: int) -> None:
    """Takes a shift away that nobody has enrolled in."""
    activity, _ = await planning.planned_shift(call.work, shift_id)
    await planning.remove_shift(call.work, shift_id, call.link(activity.id))


async def _needs(call: Call, said: dict[str, Any]) -> dict[str, Any]:
    """What is said of a shift, its needs by keys that exist. Raises Refusal("term_unknown")."""
    tables: tuple[tuple[str, type[Any]], ...] = (
        ("skills", Skill), ("qualifications", QualificationKind), ("languages", SpokenLanguage),
    )  # fmt: skip
    for name, table in tables:
        if name in said:
            said[name] = tuple(dict.fromkeys(said[name]))
            await terms.check(call.work.session, table, said[name])
    return said


async def _shift_of(call: Call, activity_id: int, shift_id: int) -> ShiftShape:
    planned = await registers.shifts_of(call.work, [activity_id])
    return next(_shift(one) for one in planned[activity_id] if one.shift.id == shift_id)

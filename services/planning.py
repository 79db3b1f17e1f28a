"""Planning: drafts, changes, publishing, calling off, copies. What a coordinator may do and when.

Who hears of it is `announcements`' business, what becomes of enrolled people is `enrolment`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, update

from models import (
    Activity,
    ActivityState,
    Confirmation,
    Organisation,
    Scheme,
    ServiceField,
    Shift,
)
from services import (
    access,
    activities,
    announcements,
    audit,
    enrolment,
    events,
    lengths,
    organisations,
    projects,
    shifts,
)
from services.activities import planned
from services.errors import Gone, Refusal
from services.shifts import ShiftPlan
from services.watchwords import Confirmed
from services.work import Work

WEEK = timedelta(days=7)
MOST_WEEKS = 12
"""For how many more weeks an activity can be repeated at once."""
LENGTHS = {
    "title": (2, 60),
    "description": (2, 600),
    "address": (2, 120),
    "bring": (0, 200),
    "contact": (0, 100),
}
"""Characters of what is said of an activity, least and most: it must fit a message."""
REASON = (2, 300)
"""Characters of the reason why an activity is called off."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a coordinator says of an activity apart from its shifts."""

    field_id: int
    title: str
    description: str
    address: str
    latitude: float | None
    longitude: float | None
    confirmation: Confirmation
    picture: str | None = None
    enrolment_deadline: datetime | None = None
    bring: str = ""
    contact: str = ""
    """Whom to ask; the coordinator if it is empty."""
    project_id: int | None = None
    """To which project a new activity belongs; a later change leaves that as it is."""
    remote: bool = False
    """Served from anywhere, so that there is no place."""


def check(plan: Plan) -> None:
    """Raises Refusal for words that are too short or too long."""
    for what, length in LENGTHS.items():
        if not (plan.remote and what == "address"):
            lengths.check(what, getattr(plan, what), length)
    if not plan.remote and (plan.latitude is None or plan.longitude is None):
        raise Refusal("page_place")


def plan_of(activity: Activity) -> Plan:
    """What was said of an activity, to copy or correct it."""
    return Plan(
        field_id=activity.field_id,
        title=activity.title,
        description=activity.description,
        address=activity.address,
        latitude=activity.latitude,
        longitude=activity.longitude,
        confirmation=activity.confirmation,
        picture=activity.picture,
        enrolment_deadline=activity.enrolment_deadline,
        bring=activity.bring,
        contact=activity.contact,
        project_id=activity.project_id,
        remote=activity.remote,
    )


async def places_to_plan(work: Work) -> list[Organisation]:
    """The organisations for which the actor may plan, each above those below it."""
    return await access.subtrees_with(work, access.Right.PLAN_ACTIVITIES)


# Drafts and changes


async def draft(work: Work, organisation_id: int, plan: Plan, first: ShiftPlan) -> Activity:
    """A new activity that nobody sees yet. Raises NotAllowed or Refusal."""
    await _check_draft(work, organisation_id, plan, first)
    activity = await _add(work, organisation_id, plan)
    await shifts.add(work.session, activity.id, first)
    audit.note(
        work, "activity.drafted", activities.subject(activity.id), organisation_id=organisation_id
    )
    return activity


async def foresee_draft(
    work: Work, organisation_id: int, plan: Plan, first: ShiftPlan
) -> dict[str, Any]:
    """What volunteers would read of it, see `activities.describe`; nothing is kept.

    Raises Gone, NotAllowed or Refusal.
    """
    await _check_draft(work, organisation_id, plan, first)
    activity = Activity(organisation_id=organisation_id, state=ActivityState.DRAFT)
    _write(activity, plan, work)
    described = [await shifts.foreseen(work.session, first)]
    return await activities.describe_with(work.session, activity, described)


async def _check_draft(work: Work, organisation_id: int, plan: Plan, first: ShiftPlan) -> None:
    await access.require(work, access.Right.PLAN_ACTIVITIES, organisation_id)
    await _check_plan(work, plan)
    if plan.project_id is not None:
        await projects.check_takes(work, plan.project_id, organisation_id)
    shifts.check(work.now, first)
    await shifts.check_known(work.session, first)
    shifts.check_deadline(work.now, plan.enrolment_deadline, first.starts_at)


async def _check_plan(work: Work, plan: Plan) -> None:
    check(plan)
    if await work.session.get(ServiceField, plan.field_id) is None:
        raise Gone


async def change(work: Work, activity_id: int, plan: Plan, link: str) -> Activity:
    """Corrects an activity; a new place is asked of everyone enrolled, the rest is edited.

    Raises Gone, NotAllowed or Refusal.
    """
    activity = await _check_change(work, activity_id, plan)
    before = _place(activity)
    _write(activity, plan, work)
    await work.session.flush()
    if activity.state is ActivityState.PUBLISHED:
        if _place(activity) != before:
            changed = {
                "address": activity.address,
                "was_address": before["address"],
                "remote": activity.remote,
            }
            await enrolment.ask_to_reconfirm(work, activity_id, changed)
        await announcements.revise(work, activity, link)
    await _changed(work, activity)
    return activity


async def _check_change(work: Work, activity_id: int, plan: Plan) -> Activity:
    activity = await _open_to_change(work, activity_id)
    await _check_plan(work, plan)
    if plan.enrolment_deadline != activity.enrolment_deadline:
        last = await shifts.last_start(work.session, activity_id)
        shifts.check_deadline(work.now, plan.enrolment_deadline, last)
    return activity


async def foresee_change(work: Work, activity_id: int, plan: Plan) -> dict[str, Any]:
    """What volunteers would read of it then; nothing is kept. Raises Gone, NotAllowed, Refusal."""
    activity = await _check_change(work, activity_id, plan)
    changed = Activity(
        id=activity.id, organisation_id=activity.organisation_id, state=activity.state
    )
    _write(changed, plan, work)
    known = await activities.shifts_of(work.session, activity_id)
    described = await activities.describe_shifts(work.session, known, counting=False)
    return await activities.describe_with(work.session, changed, described)


async def to_be_asked(work: Work, activity_id: int, plan: Plan) -> int:
    """How many people a change would ask whether it still suits them.

    Raises Gone, NotAllowed or Refusal.
    """
    activity = await _check_change(work, activity_id, plan)
    place = _place(_without_place(plan) if plan.remote else plan)
    if activity.state is not ActivityState.PUBLISHED or place == _place(activity):
        return 0
    return await enrolment.count_to_reconfirm(work, activity_id)


async def discard(work: Work, activity_id: int) -> None:
    """Throws a draft away. Raises Gone, NotAllowed or Refusal("plan_published")."""
    activity = await planned(work, activity_id)
    if activity.state is not ActivityState.DRAFT:
        raise Refusal("plan_published")
    for shift in await activities.shifts_of(work.session, activity_id):
        await shifts.remove(work.session, shift)
    await work.session.execute(
        update(Activity)
        .where(Activity.copied_from_id == activity_id)
        .values(copied_from_id=None)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(delete(Scheme).where(Scheme.activity_id == activity_id))
    _note(work, activity, "activity.discarded")
    await work.session.execute(delete(Activity).where(Activity.id == activity_id))


# Shifts


async def planned_shift(work: Work, shift_id: int) -> tuple[Activity, Shift]:
    """A shift that the actor may plan. Raises Gone or NotAllowed."""
    shift = await work.session.get(Shift, shift_id)
    if shift is None:
        raise Gone
    return await planned(work, shift.activity_id), shift


async def add_shift(work: Work, activity_id: int, plan: ShiftPlan, link: str) -> Shift:
    """Raises Gone, NotAllowed or Refusal."""
    activity = await _open_to_change(work, activity_id)
    shifts.check(work.now, plan)
    await shifts.check_known(work.session, plan)
    shift = await shifts.add(work.session, activity_id, plan)
    await _shifts_changed(work, activity, link)
    return shift


async def change_shift(work: Work, shift_id: int, plan: ShiftPlan, link: str) -> Shift:
    """A new time is asked of those enrolled; places added go to the waitlist.

    Raises Gone, NotAllowed or Refusal.
    """
    activity, shift, before = await _check_shift_change(work, shift_id, plan)
    await shifts.change(work.session, shift, plan)
    await _deadline_still_fits(work, activity)
    if activity.state is ActivityState.PUBLISHED:
        if (plan.starts_at, plan.ends_at) != (before.starts_at, before.ends_at):
            await enrolment.ask_to_reconfirm(work, activity.id, _moved(shift, before))
        await _offer_new_places(work, shift, plan.quota - before.quota)
    await _shifts_changed(work, activity, link)
    return shift


async def _check_shift_change(
    work: Work, shift_id: int, plan: ShiftPlan
) -> tuple[Activity, Shift, ShiftPlan]:
    """The activity, its shift and what was said of it before."""
    activity, shift = await planned_shift(work, shift_id)
    await _open_to_change(work, activity.id)
    before = await shifts.plan_of(work.session, shift)
    if activity.state is ActivityState.PUBLISHED and before.starts_at <= work.now:
        raise Refusal("plan_shift_began")
    shifts.check(work.now, plan)
    await shifts.check_known(work.session, plan)
    return activity, shift, before


async def to_be_asked_of_shift(work: Work, shift_id: int, plan: ShiftPlan) -> int:
    """How many people another time would ask whether it still suits them.

    Raises Gone, NotAllowed or Refusal.
    """
    activity, _, before = await _check_shift_change(work, shift_id, plan)
    same = (plan.starts_at, plan.ends_at) == (before.starts_at, before.ends_at)
    if activity.state is not ActivityState.PUBLISHED or same:
        return 0
    return await enrolment.count_to_reconfirm(work, activity.id, shift_id)


async def remove_shift(work: Work, shift_id: int, link: str) -> Activity:
    """Raises Gone, NotAllowed or Refusal: for the last one, and once anybody has enrolled."""
    activity, shift = await planned_shift(work, shift_id)
    await _open_to_change(work, activity.id)
    others = await activities.shifts_of(work.session, activity.id)
    if activity.state is ActivityState.PUBLISHED and len(others) == 1:
        raise Refusal("plan_last_shift")
    await shifts.remove(work.session, shift)
    await _deadline_still_fits(work, activity)
    await _shifts_changed(work, activity, link)
    return activity


def _moved(shift: Shift, before: ShiftPlan) -> dict[str, Any]:
    return {
        "shift_id": shift.id,
        "starts_at": shift.starts_at,
        "ends_at": shift.ends_at,
        "was_starts_at": before.starts_at,
        "was_ends_at": before.ends_at,
    }


async def _offer_new_places(work: Work, shift: Shift, added: int) -> None:
    waiting = await shifts.waiting(work.session, shift.id) if added > 0 else 0
    for _ in range(min(added, waiting)):
        await enrolment.free_place(work, shift.id)


async def _deadline_still_fits(work: Work, activity: Activity) -> None:
    """A deadline that now lies after the last start is no longer one."""
    last = await shifts.last_start(work.session, activity.id)
    deadline = activity.enrolment_deadline
    if deadline is not None and last is not None and deadline > last:
        activity.enrolment_deadline = None
        await work.session.flush()


async def _shifts_changed(work: Work, activity: Activity, link: str) -> None:
    if activity.state is ActivityState.PUBLISHED:
        await announcements.revise(work, activity, link)
    await _changed(work, activity)


async def _changed(work: Work, activity: Activity) -> None:
    """Drafts are nobody else's business, but it is noted when they changed."""
    _note(work, activity, "activity.changed")
    activity.changed_at = work.now
    if activity.state is ActivityState.PUBLISHED:
        await events.of_activity(work, events.Kind.ACTIVITY_CHANGED, activity)


# Publishing and calling off


async def ready(work: Work, activity_id: int) -> Activity:
    """A draft that may be published now. Raises Gone, NotAllowed or Refusal."""
    activity = await _open_to_change(work, activity_id)
    if activity.state is ActivityState.PUBLISHED:
        raise Refusal("plan_published")
    await _check_publishable(work, activity)
    return activity


async def publish(work: Work, activity_id: int, link: str, word: Confirmed | None = None) -> int:
    """Opens a draft to everyone and announces it; answers how many people will be told.

    `link` opens the activity in the bot. Raises Gone, NotAllowed or Refusal.
    """
    activity = await ready(work, activity_id)
    await _open(work, activity)
    return await announcements.announce(work, activity, link, word)


async def call_off(work: Work, activity_id: int, reason: str) -> Activity:
    """Cancels a published activity and tells everyone. Raises Gone, NotAllowed or Refusal."""
    activity = await _open_to_change(work, activity_id)
    if activity.state is ActivityState.DRAFT:
        raise Refusal("plan_not_published")
    lengths.check("reason", reason, REASON)
    activity.state = ActivityState.CANCELLED
    activity.cancelled_at = work.now
    activity.cancel_reason = reason
    await work.session.flush()
    people = await announcements.counting_on(work.session, activity_id)
    await enrolment.release_all(work, activity_id)
    await announcements.call_off(work, activity, people)
    _note(work, activity, "activity.called_off")
    await events.of_activity(work, events.Kind.ACTIVITY_CANCELLED, activity)
    return activity


async def _open(work: Work, activity: Activity) -> None:
    """The state changes by a conditional update: two presses at once publish once."""
    await organisations.require_open(work, activity.organisation_id)
    done = await work.session.execute(
        update(Activity)
        .where(Activity.id == activity.id, Activity.state == ActivityState.DRAFT)
        .values(state=ActivityState.PUBLISHED, published_at=work.now)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(activity)
    if not getattr(done, "rowcount", 0):
        raise Refusal("plan_published")
    _note(work, activity, "activity.published")
    await events.of_activity(work, events.Kind.ACTIVITY_PUBLISHED, activity)


async def _check_publishable(work: Work, activity: Activity) -> None:
    planned_shifts = await activities.shifts_of(work.session, activity.id)
    if not planned_shifts:
        raise Refusal("plan_no_shifts")
    if any(shift.starts_at <= work.now for shift in planned_shifts):
        raise Refusal("plan_past")
    deadline = activity.enrolment_deadline
    shifts.check_deadline(work.now, deadline, planned_shifts[-1].starts_at)


# Copies


async def copy(work: Work, activity_id: int, first_start: datetime) -> Activity:
    """A draft that is the same but for its times; the shifts keep their distances.

    Raises Gone, NotAllowed or Refusal.
    """
    original = await planned(work, activity_id)
    old = await activities.shifts_of(work.session, activity_id)
    if not old:
        raise Refusal("plan_no_shifts")
    return await _copy_by(work, original, old, first_start - old[0].starts_at)


async def repeat(work: Work, activity_id: int, weeks: int, *, publish: bool) -> list[Activity]:
    """The same in each of the following `weeks` weeks, as drafts or open to everyone.

    Nobody is told of repeats one by one; they are found by browsing. Raises Gone, NotAllowed or
    Refusal.
    """
    original = await planned(work, activity_id)
    old = await activities.shifts_of(work.session, activity_id)
    if not old:
        raise Refusal("plan_no_shifts")
    if not 1 <= weeks <= MOST_WEEKS:
        raise Refusal("plan_weeks", most=MOST_WEEKS)
    copies = [await _copy_by(work, original, old, number * WEEK) for number in range(1, weeks + 1)]
    if publish:
        for activity in copies:
            await _check_publishable(work, activity)
            await _open(work, activity)
    return copies


async def _copy_by(work: Work, original: Activity, old: Sequence[Shift], by: timedelta) -> Activity:
    deadline = original.enrolment_deadline
    later = deadline + by if deadline and deadline + by > work.now else None
    plan = replace(plan_of(original), enrolment_deadline=later)
    if plan.project_id is not None and not await projects.takes(work, plan.project_id):
        plan = replace(plan, project_id=None)
    activity = await _add(work, original.organisation_id, plan)
    activity.copied_from_id = original.id
    for shift in old:
        moved = (await shifts.plan_of(work.session, shift)).moved(by)
        shifts.check(work.now, moved)
        await shifts.add(work.session, activity.id, moved)
    _note(work, activity, "activity.drafted")
    return activity


# What all of them do


async def _open_to_change(work: Work, activity_id: int) -> Activity:
    """Raises Gone, NotAllowed, or Refusal for what is called off or over."""
    activity = await planned(work, activity_id)
    if activity.state is ActivityState.CANCELLED:
        raise Refusal("plan_cancelled")
    if activity.state is ActivityState.CLOSED:
        raise Refusal("plan_over")
    return activity


async def _add(work: Work, organisation_id: int, plan: Plan) -> Activity:
    await organisations.require_open(work, organisation_id)
    activity = Activity(
        organisation_id=organisation_id,
        state=ActivityState.DRAFT,
        created_by_id=work.person.id,
        created_at=work.now,
        project_id=plan.project_id,
    )
    _write(activity, plan, work)
    work.session.add(activity)
    await work.session.flush()
    return activity


def _write(activity: Activity, plan: Plan, work: Work) -> None:
    activity.field_id = plan.field_id
    activity.title = plan.title
    activity.description = plan.description
    activity.picture = plan.picture
    activity.remote = plan.remote
    if plan.remote:
        plan = _without_place(plan)
    activity.address = plan.address
    activity.latitude = plan.latitude
    activity.longitude = plan.longitude
    activity.enrolment_deadline = plan.enrolment_deadline
    activity.confirmation = plan.confirmation
    activity.bring = plan.bring
    activity.contact = plan.contact or work.person.name


def _without_place(plan: Plan) -> Plan:
    return replace(plan, address="", latitude=None, longitude=None)


def _place(of: Activity | Plan) -> dict[str, Any]:
    return {"address": of.address, "latitude": of.latitude, "longitude": of.longitude}


def _note(work: Work, activity: Activity, action: str) -> None:
    audit.note(
        work, action, activities.subject(activity.id), organisation_id=activity.organisation_id
    )

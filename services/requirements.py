"""Training that is asked for: of newcomers, in a field of service, for one activity.

An organisation asks in its subtree; of several the nearest above an activity counts. Enrolling
without it is refused with the way to it; somebody who is there already is only marked on the roll.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Activity,
    Completion,
    Course,
    CourseRun,
    CourseState,
    Enrolment,
    EnrolmentState,
    Organisation,
    RequiredCourse,
    ServiceField,
    Shift,
)
from services import access, audit, training
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

INDUCTION = ""
"""The slot of what is asked before somebody's first activity."""

Names = dict[str, str]


@dataclass(frozen=True, slots=True)
class Required:
    """What is asked, and where."""

    row: RequiredCourse
    course: Course
    organisation: Names
    field: Names | None
    activity: str | None
    may_change: bool = False


# Asking for it


async def ask_of_newcomers(work: Work, course_id: int, organisation_id: int) -> RequiredCourse:
    """The induction of an organisation. Raises Gone, NotAllowed or Refusal."""
    await access.require(work, Right.MANAGE_ORGANISATIONS, organisation_id)
    return await _ask(work, course_id, organisation_id, INDUCTION)


async def ask_in_field(
    work: Work, course_id: int, organisation_id: int, field_id: int
) -> RequiredCourse:
    """In a field of service and those below it. Raises Gone, NotAllowed or Refusal."""
    await access.require(work, Right.MANAGE_ORGANISATIONS, organisation_id)
    if await work.session.get(ServiceField, field_id) is None:
        raise Gone
    return await _ask(work, course_id, organisation_id, f"field:{field_id}", field_id=field_id)


async def ask_at(work: Work, course_id: int, activity_id: int) -> RequiredCourse:
    """For one activity, all its shifts. Raises Gone, NotAllowed or Refusal."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    organisation_id = activity.organisation_id
    await access.require(work, Right.PLAN_ACTIVITIES, organisation_id)
    slot = f"activity:{activity_id}"
    return await _ask(work, course_id, organisation_id, slot, activity_id=activity_id)


async def _ask(
    work: Work, course_id: int, organisation_id: int, slot: str, **what: int
) -> RequiredCourse:
    """Takes the place of what was asked there before."""
    course = await work.session.get(Course, course_id)
    if course is None:
        raise Gone
    if course.state is not CourseState.OPEN:
        raise Refusal("course_not_open")
    dialect: Any = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
    said = {"course_id": course_id, "set_by_id": work.person.id, "set_at": work.now}
    key = await work.session.scalar(
        dialect.insert(RequiredCourse)
        .values(organisation_id=organisation_id, slot=slot, **said, **what)
        .on_conflict_do_update(index_elements=["organisation_id", "slot"], set_=said)
        .returning(RequiredCourse.id)
    )
    _note(work, "training.required", course_id, organisation_id, slot)
    found = await work.session.scalars(
        select(RequiredCourse)
        .where(RequiredCourse.id == key)
        .execution_options(populate_existing=True)
    )
    return found.one()


async def drop(work: Work, required_id: int) -> RequiredCourse:
    """It is asked no more. Raises Gone, NotAllowed."""
    row = await work.session.get(RequiredCourse, required_id)
    if row is None:
        raise Gone
    if not await _may_change(work, row):
        raise NotAllowed
    await work.session.execute(
        delete(RequiredCourse)
        .where(RequiredCourse.id == required_id)
        .execution_options(synchronize_session=False)
    )
    _note(work, "training.not_required", row.course_id, row.organisation_id, row.slot)
    return row


async def _may_change(work: Work, row: RequiredCourse) -> bool:
    at_activity = row.activity_id is not None
    right = Right.PLAN_ACTIVITIES if at_activity else Right.MANAGE_ORGANISATIONS
    return await access.may(work, right, row.organisation_id)


async def of_course(work: Work, course_id: int) -> list[Required]:
    """Where a course is asked for; no more of activities that are over."""
    rows = await work.session.execute(
        select(RequiredCourse, Course, Organisation.names, ServiceField.names, Activity.title)
        .join(Course, Course.id == RequiredCourse.course_id)
        .join(Organisation, Organisation.id == RequiredCourse.organisation_id)
        .outerjoin(ServiceField, ServiceField.id == RequiredCourse.field_id)
        .outerjoin(Activity, Activity.id == RequiredCourse.activity_id)
        .where(
            RequiredCourse.course_id == course_id,
            or_(RequiredCourse.activity_id.is_(None), _is_to_come(work)),
        )
        .order_by(Organisation.path, RequiredCourse.id)
    )
    found = rows.all()
    tops = {
        right: [top.path for top in await access.organisations_with(work, right)]
        for right in (Right.PLAN_ACTIVITIES, Right.MANAGE_ORGANISATIONS)
    }
    paths = await _paths(work, [row[0].organisation_id for row in found])
    return [
        Required(
            *row,
            may_change=any(
                paths[row[0].organisation_id].startswith(top)
                for top in tops[
                    Right.PLAN_ACTIVITIES if row[0].activity_id else Right.MANAGE_ORGANISATIONS
                ]
            ),
        )
        for row in found
    ]


def _is_to_come(work: Work) -> Any:
    return RequiredCourse.activity_id.in_(select(Shift.activity_id).where(Shift.ends_at > work.now))


async def _paths(work: Work, keys: Sequence[int]) -> dict[int, str]:
    rows = await work.session.execute(
        select(Organisation.id, Organisation.path).where(Organisation.id.in_(keys))
    )
    return {row[0]: row[1] for row in rows}


# What somebody lacks


async def check_trained(work: Work, shift: Shift, activity: Activity) -> None:
    """Raises Refusal("enrol_lacks_course") with the courses that the actor must take first."""
    lacking = await lacked(work, shift, activity, [work.person.id])
    missing = lacking.get(work.person.id, [])
    if missing:
        raise Refusal(
            "enrol_lacks_course",
            names=[course.names for course in missing],
            courses=[{"id": course.id, "names": course.names} for course in missing],
        )


async def lacked(
    work: Work, shift: Shift, activity: Activity, people: Sequence[int]
) -> dict[int, list[Course]]:
    """Person -> what they have not completed of what is asked for the shift; who lacks nothing
    is not there.
    """
    asked = await _asked(work, activity)
    if not asked or not people:
        return {}
    day = shift.starts_at.astimezone(work.policy.zone).date()
    completed = await _completed(work, [course.id for course in asked.values()], people, day)
    induction = asked.get(INDUCTION)
    served = await _have_served(work, people) if induction is not None else set()
    lacking: dict[int, list[Course]] = {}
    for person_id in people:
        missing = {
            course.id: course
            for slot, course in asked.items()
            if course.id not in completed[person_id]
            and not (slot == INDUCTION and person_id in served)
        }
        if missing:
            lacking[person_id] = list(missing.values())
    return lacking


async def _asked(work: Work, activity: Activity) -> dict[str, Course]:
    """Slot -> what is asked at an activity; nothing at a course, which may be what is asked."""
    if await work.session.get(CourseRun, activity.id) is not None:
        return {}
    organisation = await work.session.get_one(Organisation, activity.organisation_id)
    above = [int(key) for key in organisation.path.split(".") if key]
    field = await work.session.get_one(ServiceField, activity.field_id)
    fields = [key for key in (field.id, field.parent_id) if key]
    rows = await work.session.execute(
        select(RequiredCourse, Course)
        .join(Course, Course.id == RequiredCourse.course_id)
        .join(Organisation, Organisation.id == RequiredCourse.organisation_id)
        .where(
            RequiredCourse.organisation_id.in_(above),
            Course.state == CourseState.OPEN,
            or_(
                RequiredCourse.slot == INDUCTION,
                RequiredCourse.field_id.in_(fields),
                RequiredCourse.activity_id == activity.id,
            ),
        )
        .order_by(Organisation.path, RequiredCourse.id)
    )
    # From the top down, so that the nearest is what stays.
    return {row.slot: course for row, course in rows}


async def _completed(
    work: Work, courses: Sequence[int], people: Sequence[int], day: date
) -> defaultdict[int, set[int]]:
    rows = await work.session.execute(
        select(Completion.person_id, Completion.course_id).where(
            Completion.course_id.in_(courses),
            Completion.person_id.in_(people),
            training.is_valid(day),
        )
    )
    found: defaultdict[int, set[int]] = defaultdict(set)
    for person_id, course_id in rows:
        found[person_id].add(course_id)
    return found


async def _have_served(work: Work, people: Sequence[int]) -> set[int]:
    """Those who have been at an activity that was no course: they are no newcomers."""
    found = await work.session.scalars(
        select(Enrolment.person_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(
            Enrolment.person_id.in_(people),
            Enrolment.state == EnrolmentState.ATTENDED,
            Shift.activity_id.not_in(select(CourseRun.activity_id)),
        )
        .distinct()
    )
    return set(found)


def _note(work: Work, action: str, course_id: int, organisation_id: int, slot: str) -> None:
    audit.note(
        work, action, f"course:{course_id}", organisation_id=organisation_id, asked=slot or "new"
    )

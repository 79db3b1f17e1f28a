"""Courses: planning them, what belongs to one, and finding one. What completes one is `training`'s.

A course is held as often as is wanted; each time is an activity with its shifts as the sessions, so
that enrolling, reminders, check-in, the roll and changes are what they are for all activities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, exists, func, or_, select, update

from models import (
    Activity,
    ActivityState,
    Completion,
    Confirmation,
    Course,
    CourseMaterial,
    CourseRun,
    CourseState,
    Enrolment,
    EnrolmentState,
    MaterialKind,
    Organisation,
    Person,
    QualificationKind,
    Question,
    QuizAttempt,
    ServiceField,
    Shift,
    Skill,
)
from services import (
    access,
    activities,
    audit,
    delivery,
    lengths,
    organisations,
    planning,
    questions,
    quizzes,
    training,
)
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice, of
from services.planning import Plan
from services.shifts import ShiftPlan
from services.work import Work

PAGE = 8
"""Courses or people on one page."""
LENGTHS = {"title": (2, 60), "description": (2, 600), "teacher": (0, 60)}
"""Characters; they stand in the announcement of an activity as well."""
MATERIAL = {"name": (1, 60), "text": (1, 2000), "link": (8, 500)}
MOST_MATERIALS = 20
MOST_MONTHS = 120
MOST_MINUTES = 100 * 60
MOST_SESSIONS = 10
PASS_MARKS = (60, 80, 100)
"""Usual ones; 60 is the pass of Chinese schools."""
WITH_A_PLACE = (
    EnrolmentState.CONFIRMED,
    EnrolmentState.ATTENDED,
    EnrolmentState.NO_SHOW,
)

Names = dict[str, str]


@dataclass(frozen=True, slots=True)
class CoursePlan:
    """What a coordinator says of a course."""

    field_id: int
    title: str
    description: str
    online: bool
    quiz: bool
    teacher: str = ""
    pass_mark: int = PASS_MARKS[1]
    sessions: int | None = None
    minutes: int = 0
    service: bool = False
    skill_id: int | None = None
    kind_id: int | None = None
    months: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A course in a list; `next_at` is when it is held next, `completed` is about the actor."""

    course: Course
    organisation: Names
    next_at: datetime | None
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A time that a course is held; `mine` is the actor's place, by the state of it."""

    activity: Activity
    starts_at: datetime | None
    ends_at: datetime | None
    sessions: int
    taken: int
    quota: int
    mine: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Somebody in a course, and how far they have come."""

    person: Person
    activity_id: int | None
    attended: int
    needed: int
    score: int | None
    """The best of their tries."""
    passed: bool
    completion: Completion | None


@dataclass(frozen=True, slots=True)
class Figures:
    enrolled: int
    tried: int
    passed: int
    completed: int


# Planning


async def places_to_plan(work: Work) -> list[Organisation]:
    """The organisations for which the actor may plan courses, each above those below it."""
    return await access.subtrees_with(work, Right.PLAN_ACTIVITIES)


async def planned(work: Work, course_id: int) -> Course:
    """A course that the actor may plan. Raises Gone or NotAllowed."""
    course = await work.session.get(Course, course_id)
    if course is None:
        raise Gone
    await access.require(work, Right.PLAN_ACTIVITIES, course.organisation_id)
    return course


async def draft(work: Work, organisation_id: int, plan: CoursePlan) -> Course:
    """A course that nobody sees yet. Raises Gone, NotAllowed or Refusal."""
    await access.require(work, Right.PLAN_ACTIVITIES, organisation_id)
    await organisations.require_open(work, organisation_id)
    await _check(work, plan)
    course = Course(
        organisation_id=organisation_id,
        state=CourseState.DRAFT,
        names={},
        about={},
        created_by_id=work.person.id,
        created_at=work.now,
    )
    _write(course, plan)
    work.session.add(course)
    await work.session.flush()
    _note(work, course, "course.drafted")
    return course


async def change(work: Work, course_id: int, plan: CoursePlan) -> Course:
    """Raises Gone, NotAllowed or Refusal."""
    course = await _open_to_change(work, course_id)
    await _check(work, plan)
    if plan.online != course.online and await _has_runs(work, course_id):
        raise Refusal("course_is_held")
    if (
        course.state is CourseState.OPEN
        and plan.quiz
        and not await questions.count(work, course_id)
    ):
        raise Refusal("course_no_questions")
    _write(course, plan)
    await work.session.flush()
    _note(work, course, "course.changed")
    return course


async def _check(work: Work, plan: CoursePlan) -> None:
    for what, length in LENGTHS.items():
        lengths.check(what, getattr(plan, what), length)
    if plan.online and not plan.quiz:
        raise Refusal("course_empty")
    known = (
        (ServiceField, plan.field_id),
        (Skill, plan.skill_id),
        (QualificationKind, plan.kind_id),
    )
    for term, key in known:
        if key is not None and await work.session.get(term, key) is None:
            raise Gone
    limits = (
        (plan.pass_mark, 1, 100),
        (plan.sessions or 1, 1, MOST_SESSIONS),
        (plan.minutes, 0, MOST_MINUTES),
        (plan.months or 1, 1, MOST_MONTHS),
    )
    for number, least, most in limits:
        if not least <= number <= most:
            raise Refusal("form_number_range", least=least, most=most)


def _write(course: Course, plan: CoursePlan) -> None:
    course.field_id = plan.field_id
    course.names = _worded(course.names, plan.title)
    course.about = _worded(course.about, plan.description)
    course.teacher = plan.teacher
    course.online = plan.online
    course.sessions = None if plan.online else plan.sessions
    course.minutes = plan.minutes if plan.online else 0
    course.service = plan.service and not plan.online
    course.quiz = plan.quiz
    course.pass_mark = plan.pass_mark
    course.skill_id, course.kind_id = plan.skill_id, plan.kind_id
    course.months = plan.months


def _worded(before: Names, typed: str) -> Names:
    """Words that were left as they were keep their other languages."""
    return before if typed in before.values() else {"": typed}


async def publish(work: Work, course_id: int) -> Course:
    """Everybody can find it from now on. Raises Gone, NotAllowed or Refusal."""
    course = await _open_to_change(work, course_id)
    if course.quiz and not await questions.count(work, course_id):
        raise Refusal("course_no_questions")
    await _move(work, course, CourseState.DRAFT, CourseState.OPEN)
    _note(work, course, "course.opened")
    return course


async def close(work: Work, course_id: int) -> Figures:
    """No more of it: who has not completed it by now learns what they lacked.

    Raises Gone, NotAllowed, Refusal("course_is_held") while a time of it is still to come.
    """
    course = await planned(work, course_id)
    if (
        await work.session.scalar(select(training.can_be_taken(work)).where(Course.id == course_id))
        and not course.online
    ):
        raise Refusal("course_is_held")
    figures = await figures_of(work, course)
    await _move(work, course, CourseState.OPEN, CourseState.CLOSED)
    course.closed_at = work.now
    await work.session.flush()
    unfinished = select(Enrolment.person_id).where(
        Enrolment.shift_id.in_(_shifts_of(course_id)),
        Enrolment.state == EnrolmentState.ATTENDED,
        ~exists().where(
            Completion.person_id == Enrolment.person_id, Completion.course_id == course_id
        ),
    )
    people = set(await work.session.scalars(unfinished.distinct()))
    about = {"course_id": course.id, "names": course.names, "quiz": course.quiz}
    post = Post("courses/not_completed", about, kind=training.KIND, subject=subject(course))
    await delivery.tell(work, post, sorted(people))
    _note(work, course, "course.closed")
    return figures


async def _move(work: Work, course: Course, before: CourseState, after: CourseState) -> None:
    """By a conditional update: two presses at once do it once."""
    done = await work.session.execute(
        update(Course)
        .where(Course.id == course.id, Course.state == before)
        .values(state=after)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(course)
    if not getattr(done, "rowcount", 0):
        raise Refusal("course_state", state=course.state.value)


async def _open_to_change(work: Work, course_id: int) -> Course:
    course = await planned(work, course_id)
    if course.state is CourseState.CLOSED:
        raise Refusal("course_state", state=course.state.value)
    return course


def subject(course: Course) -> str:
    return f"course:{course.id}"


# Times that it is held


async def plan_run(work: Work, course_id: int, plan: Plan, first: ShiftPlan) -> Activity:
    """A time that it is held, as a draft of an activity; it says of itself what the course says.

    Raises Gone, NotAllowed or Refusal.
    """
    course = await _open_to_change(work, course_id)
    if course.state is not CourseState.OPEN:
        raise Refusal("course_not_open")
    if course.online:
        raise Refusal("course_online")
    activity = await planning.draft(work, course.organisation_id, plan, first)
    work.session.add(CourseRun(activity_id=activity.id, course_id=course_id))
    await work.session.flush()
    return activity


async def attach(work: Work, course_id: int, activity_id: int) -> None:
    """A draft of an activity, planned like any other, becomes a time of the course.

    Raises Gone, NotAllowed or Refusal.
    """
    course = await _open_to_change(work, course_id)
    activity = await activities.planned(work, activity_id)
    if course.online:
        raise Refusal("course_online")
    if course.state is not CourseState.OPEN:
        raise Refusal("course_not_open")
    if activity.state is not ActivityState.DRAFT or await course_of(work, activity_id):
        raise Gone
    work.session.add(CourseRun(activity_id=activity_id, course_id=course_id))
    await work.session.flush()
    _note(work, course, "course.changed")


async def attachable(work: Work) -> list[Activity]:
    """Drafts of activities that the actor plans and that are no course yet, the newest first."""
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Activity.organisation_id)
    found = await work.session.scalars(
        select(Activity)
        .where(
            reach,
            Activity.state == ActivityState.DRAFT,
            Activity.id.not_in(select(CourseRun.activity_id)),
        )
        .order_by(Activity.id.desc())
        .limit(50)
    )
    return list(found)


def run_plan(
    course: Course,
    language: str,
    *,
    address: str,
    latitude: float,
    longitude: float,
    confirmation: Confirmation,
    bring: str = "",
) -> Plan:
    """The activity that a time of a course is, in somebody's language."""
    return Plan(
        field_id=course.field_id,
        title=words_in(course.names, language),
        description=words_in(course.about, language),
        address=address,
        latitude=latitude,
        longitude=longitude,
        confirmation=confirmation,
        bring=bring,
    )


def words_in(names: Names, language: str) -> str:
    return names.get(language) or names.get("") or next(iter(names.values()), "")


async def course_of(work: Work, activity_id: int) -> Course | None:
    """The course that an activity is a time of."""
    return await work.session.scalar(
        select(Course)
        .join(CourseRun, CourseRun.course_id == Course.id)
        .where(CourseRun.activity_id == activity_id)
    )


async def _has_runs(work: Work, course_id: int) -> bool:
    found = select(CourseRun.activity_id).where(CourseRun.course_id == course_id).limit(1)
    return await work.session.scalar(found) is not None


async def runs(work: Work, course: Course, *, drafts: bool = False) -> list[Run]:
    """The latest ten first; volunteers see those to come, the soonest first."""
    first, last = func.min(Shift.starts_at), func.max(Shift.ends_at)
    found = (
        select(
            Activity, first, last, func.count(Shift.id),
            func.coalesce(func.max(Shift.taken), 0), func.coalesce(func.max(Shift.quota), 0),
        )
        .join(CourseRun, CourseRun.activity_id == Activity.id)
        .outerjoin(Shift, Shift.activity_id == Activity.id)
        .where(CourseRun.course_id == course.id)
        .group_by(Activity.id)
    )  # fmt: skip
    if drafts:
        found = found.order_by(first.desc()).limit(10)
    else:
        found = found.where(Activity.state == ActivityState.PUBLISHED)
        found = found.having(last > work.now).order_by(first).limit(10)
    rows = (await work.session.execute(found)).all()
    mine = await _own_places(work, [row[0].id for row in rows])
    return [Run(*row, mine=mine.get(row[0].id)) for row in rows]


async def _own_places(work: Work, activities: Sequence[int]) -> dict[int, str]:
    rows = await work.session.execute(
        select(Shift.activity_id, Enrolment.state)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(
            Shift.activity_id.in_(activities),
            Enrolment.person_id == work.person.id,
            Enrolment.state.not_in((EnrolmentState.CANCELLED, EnrolmentState.DECLINED)),
        )
    )
    return {activity_id: state.value for activity_id, state in rows}


def _shifts_of(course_id: int) -> Any:
    return (
        select(Shift.id)
        .join(CourseRun, CourseRun.activity_id == Shift.activity_id)
        .where(CourseRun.course_id == course_id)
    )


# Materials


async def materials(work: Work, course_id: int) -> list[CourseMaterial]:
    found = await work.session.scalars(
        select(CourseMaterial)
        .where(CourseMaterial.course_id == course_id)
        .order_by(CourseMaterial.position, CourseMaterial.id)
    )
    return list(found)


async def add_material(
    work: Work, course_id: int, kind: MaterialKind, name: str, content: str
) -> CourseMaterial:
    """`content` is a text, an address on the web, or Telegram's file id.

    Raises Gone, NotAllowed or Refusal.
    """
    course = await _open_to_change(work, course_id)
    lengths.check("title", name, MATERIAL["name"])
    if kind in (MaterialKind.TEXT, MaterialKind.LINK):
        lengths.check("text", content, MATERIAL[kind.value])
    if kind is MaterialKind.LINK and not content.startswith(("https://", "http://")):
        raise Refusal("material_link")
    there = await materials(work, course_id)
    if len(there) >= MOST_MATERIALS:
        raise Refusal("material_most", most=MOST_MATERIALS)
    material = CourseMaterial(
        course_id=course_id,
        kind=kind,
        names={"": name},
        content={"": content},
        position=there[-1].position + 1 if there else 0,
    )
    work.session.add(material)
    await work.session.flush()
    _note(work, course, "course.materials")
    return material


async def remove_material(work: Work, material_id: int) -> Course:
    """Raises Gone, NotAllowed or Refusal."""
    material = await work.session.get(CourseMaterial, material_id)
    if material is None:
        raise Gone
    course = await _open_to_change(work, material.course_id)
    await work.session.delete(material)
    await work.session.flush()
    _note(work, course, "course.materials")
    return course


async def readable(work: Work, material_id: int) -> tuple[Course, CourseMaterial]:
    """For those who have a place in the course or plan it. Raises Gone, NotAllowed."""
    material = await work.session.get(CourseMaterial, material_id)
    if material is None:
        raise Gone
    course = await work.session.get_one(Course, material.course_id)
    if not await may_read(work, course):
        raise NotAllowed
    return course, material


async def send_material(work: Work, material_id: int) -> None:
    """A picture or a file, to the actor's chat. Raises Gone, NotAllowed."""
    course, material = await readable(work, material_id)
    if material.kind not in (MaterialKind.PHOTO, MaterialKind.DOCUMENT):
        raise Gone
    post = Post(
        "courses/material_sent",
        {"course_id": course.id, "names": material.names, "course": course.names},
        kind=training.KIND,
        attachment={material.kind.value: words_in(material.content, "")},
    )
    await delivery.tell(work, post, [work.person.id])


async def may_read(work: Work, course: Course) -> bool:
    if course.state is not CourseState.DRAFT and await quizzes.is_in(work, course):
        return True
    return await access.may(work, Right.PLAN_ACTIVITIES, course.organisation_id)


# Finding


async def visible(work: Work, course_id: int) -> Course:
    """A course that is not a draft. Raises Gone."""
    course = await work.session.get(Course, course_id)
    if course is None or course.state is CourseState.DRAFT:
        raise Gone
    return course


async def found(work: Work, number: int = 1) -> Slice[Listed]:
    """What can be taken now, a page at a time: what is held first, one's own area before others."""
    home = await work.session.get_one(Organisation, work.person.organisation_id)
    near = [int(key) for key in home.path.split(".") if key]
    starts = _next_start(work)
    completed = exists().where(
        Completion.course_id == Course.id,
        Completion.person_id == work.person.id,
        training.is_valid(work.today),
    )
    statement = (
        select(Course, Organisation.names, starts, completed)
        .join(Organisation, Organisation.id == Course.organisation_id)
        .where(training.can_be_taken(work))
        .order_by(
            case((Course.organisation_id.in_(near), 0), else_=1),
            case((starts.is_(None), 1), else_=0),
            starts,
            Course.id.desc(),
        )
    )
    page = await of(work, statement, number, per_page=PAGE)
    return Slice([Listed(*row) for row in page.rows], page.number, page.more)


async def mine(work: Work) -> list[Listed]:
    """What the actor has a place in or has begun the quiz of, and has not completed since."""
    begun = exists().where(
        QuizAttempt.course_id == Course.id,
        QuizAttempt.person_id == work.person.id,
        QuizAttempt.finished_at.is_(None),
    )
    placed = exists().where(
        CourseRun.course_id == Course.id,
        Shift.activity_id == CourseRun.activity_id,
        Enrolment.shift_id == Shift.id,
        Enrolment.person_id == work.person.id,
        Enrolment.state.in_((EnrolmentState.APPLIED, *WITH_A_PLACE[:2], EnrolmentState.WAITLISTED)),
        ~exists().where(
            Completion.course_id == Course.id,
            Completion.person_id == work.person.id,
            Completion.at >= Shift.starts_at,
        ),
    )
    rows = await work.session.execute(
        select(Course, Organisation.names, _next_start(work))
        .join(Organisation, Organisation.id == Course.organisation_id)
        .where(Course.state == CourseState.OPEN, or_(begun, placed))
        .order_by(Course.id.desc())
        .limit(PAGE)
    )
    return [Listed(*row) for row in rows]


def _next_start(work: Work) -> Any:
    return (
        select(func.min(Shift.starts_at))
        .join(CourseRun, CourseRun.activity_id == Shift.activity_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            CourseRun.course_id == Course.id,
            Activity.state == ActivityState.PUBLISHED,
            Shift.starts_at > work.now,
        )
        .correlate(Course)
        .scalar_subquery()
    )


async def listed(work: Work, state: CourseState, number: int = 1) -> Slice[Listed]:
    """What the actor may plan, a page at a time, the newest first. Raises NotAllowed."""
    if not await access.organisations_with(work, Right.PLAN_ACTIVITIES):
        raise NotAllowed
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Course.organisation_id)
    statement = (
        select(Course, Organisation.names, _next_start(work))
        .join(Organisation, Organisation.id == Course.organisation_id)
        .where(reach, Course.state == state)
        .order_by(Course.id.desc())
    )
    page = await of(work, statement, number, per_page=PAGE)
    return Slice([Listed(*row) for row in page.rows], page.number, page.more)


async def describe(work: Work, course: Course) -> dict[str, Any]:
    """What there is to say of it to anybody."""
    organisation = await work.session.get_one(Organisation, course.organisation_id)
    field = await work.session.get_one(ServiceField, course.field_id)
    return {
        "course": course,
        "organisation": organisation.names,
        "field": field.names,
        "questions": await questions.count(work, course.id),
        "materials": len(await materials(work, course.id)),
        **await training.gives(work, course),
    }


async def completion_of(work: Work, course: Course) -> Completion | None:
    """The actor's latest."""
    return await work.session.scalar(
        select(Completion)
        .where(Completion.course_id == course.id, Completion.person_id == work.person.id)
        .order_by(Completion.at.desc())
        .limit(1)
    )


# Results


async def figures_of(work: Work, course: Course) -> Figures:
    session = work.session
    enrolled = await session.scalar(
        select(func.count(Enrolment.person_id.distinct())).where(
            Enrolment.shift_id.in_(_shifts_of(course.id)), Enrolment.state.in_(WITH_A_PLACE)
        )
    )
    tried, passed = (
        await session.execute(
            select(
                func.count(QuizAttempt.person_id.distinct()),
                func.count(case((QuizAttempt.passed.is_(True), QuizAttempt.person_id)).distinct()),
            ).where(QuizAttempt.course_id == course.id, QuizAttempt.finished_at.is_not(None))
        )
    ).one()
    completed = await session.scalar(
        select(func.count(Completion.person_id.distinct())).where(Completion.course_id == course.id)
    )
    return Figures(enrolled or 0, tried, passed, completed or 0)


async def results(
    work: Work, course_id: int, number: int = 1, *, per_page: int = PAGE
) -> tuple[Course, Slice[Result]]:
    """Everybody who has a place in the course, tried its quiz or completed it, by name.

    Raises Gone or NotAllowed.
    """
    course = await planned(work, course_id)
    concerned = or_(
        Person.id.in_(
            select(Enrolment.person_id).where(
                Enrolment.shift_id.in_(_shifts_of(course_id)), Enrolment.state.in_(WITH_A_PLACE)
            )
        ),
        Person.id.in_(select(QuizAttempt.person_id).where(QuizAttempt.course_id == course_id)),
        Person.id.in_(select(Completion.person_id).where(Completion.course_id == course_id)),
    )
    statement = select(Person).where(concerned).order_by(Person.name_search, Person.id)
    page = await of(work, statement, number, per_page=per_page)
    people = [row[0] for row in page.rows]
    return course, Slice(await _results(work, course, people), page.number, page.more)


async def result_of(work: Work, course_id: int, person_id: int) -> tuple[Course, Result]:
    """One of them. Raises Gone or NotAllowed."""
    course = await planned(work, course_id)
    person = await work.session.get(Person, person_id)
    if person is None or not await _is_concerned(work, course_id, person_id):
        raise Gone
    return course, (await _results(work, course, [person]))[0]


async def _is_concerned(work: Work, course_id: int, person_id: int) -> bool:
    ways = (
        select(Enrolment.id).where(
            Enrolment.shift_id.in_(_shifts_of(course_id)),
            Enrolment.person_id == person_id,
            Enrolment.state.in_(WITH_A_PLACE),
        ),
        select(QuizAttempt.id).where(
            QuizAttempt.course_id == course_id, QuizAttempt.person_id == person_id
        ),
        select(Completion.id).where(
            Completion.course_id == course_id, Completion.person_id == person_id
        ),
    )
    for way in ways:
        if await work.session.scalar(way.limit(1)) is not None:
            return True
    return False


async def _results(work: Work, course: Course, people: Sequence[Person]) -> list[Result]:
    keys = [person.id for person in people]
    attended = await training.attendance_of(work, course, keys)
    tries = await work.session.execute(
        select(
            QuizAttempt.person_id,
            func.max(QuizAttempt.score),
            func.max(case((QuizAttempt.passed.is_(True), 1), else_=0)),
        )
        .where(QuizAttempt.course_id == course.id, QuizAttempt.person_id.in_(keys))
        .group_by(QuizAttempt.person_id)
    )
    best = {person_id: (score, bool(passed)) for person_id, score, passed in tries}
    completions = await work.session.scalars(
        select(Completion)
        .where(Completion.course_id == course.id, Completion.person_id.in_(keys))
        .order_by(Completion.at)
    )
    completed = {one.person_id: one for one in completions}
    found = []
    for person in people:
        been = max(attended.get(person.id, []), key=lambda one: one.last, default=None)
        score, passed = best.get(person.id, (None, False))
        found.append(
            Result(
                person,
                been.activity_id if been else None,
                been.sessions if been else 0,
                been.needed if been else course.sessions or 0,
                score,
                passed,
                completed.get(person.id),
            )
        )
    return found


async def let_pass(work: Work, course_id: int, person_id: int) -> Completion:
    """A coordinator's word that somebody has completed it, whatever is missing.

    Nobody says so of themselves. Raises Gone, NotAllowed or Refusal("course_completed_already").
    """
    course, result = await result_of(work, course_id, person_id)
    if person_id == work.person.id:
        raise NotAllowed
    if course.state is CourseState.DRAFT:
        raise Gone
    # Two presses at once: the second waits here, and then sees what the first has done.
    await work.session.execute(select(Course.id).where(Course.id == course_id).with_for_update())
    valid = await work.session.scalar(
        select(Completion.id)
        .where(
            Completion.course_id == course_id,
            Completion.person_id == person_id,
            training.is_valid(work.today),
        )
        .limit(1)
    )
    if valid is not None:
        raise Refusal("course_completed_already")
    return await training.by_word(work, course, person_id, result.activity_id)


def _note(work: Work, course: Course, action: str) -> None:
    audit.note(work, action, subject(course), organisation_id=course.organisation_id)


# Questions


async def asked(work: Work, course_id: int) -> tuple[Course, list[Question]]:
    """The questions of a course that the actor plans. Raises Gone, NotAllowed."""
    course = await planned(work, course_id)
    return course, await questions.of(work, course_id)


async def question(work: Work, question_id: int) -> tuple[Course, Question]:
    """One of them. Raises Gone, NotAllowed."""
    found = await work.session.get(Question, question_id)
    if found is None:
        raise Gone
    course = await planned(work, found.course_id)
    return course, await questions.one(work, course, question_id)


async def ask(work: Work, course_id: int, typed: str) -> Course:
    """More questions, as `questions.read` takes them. Raises Gone, NotAllowed or Refusal."""
    course = await _open_to_change(work, course_id)
    # Two who add at once: the second waits, so that the number stays what it may be.
    await work.session.execute(select(Course.id).where(Course.id == course_id).with_for_update())
    await questions.add(work, course, questions.read(typed))
    return course


async def reword(work: Work, question_id: int, typed: str) -> Course:
    """Raises Gone, NotAllowed or Refusal."""
    course, _ = await question(work, question_id)
    await _open_to_change(work, course.id)
    await questions.replace(work, course, question_id, questions.read(typed))
    return course


async def unask(work: Work, question_id: int) -> Course:
    """Raises Gone, NotAllowed, or Refusal for the last question of an open course."""
    course, _ = await question(work, question_id)
    await _open_to_change(work, course.id)
    is_open = course.state is CourseState.OPEN and course.quiz
    if is_open and await questions.count(work, course.id) == 1:
        raise Refusal("course_no_questions")
    await questions.remove(work, course, question_id)
    return course

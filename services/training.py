"""Training: who has attended a course and passed its quiz has completed it, by itself.

A completion gives what the course gives, stands in the record, and opens what asks for the course.
It is written once for what it rests on, whoever notices first: a press, the roll or the clock.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Activity,
    ActivityState,
    Attendance,
    Completion,
    Course,
    CourseRun,
    CourseState,
    Enrolment,
    HoursState,
    Organisation,
    Person,
    PersonSkill,
    QualificationKind,
    QuizAttempt,
    Shift,
    Skill,
)
from services import access, audit, delivery, qualifications, traits
from services.access import Right
from services.delivery import Post
from services.measuring import Measure, Unit
from services.work import Work

KIND = "training"
LOOK_BACK = timedelta(days=7)
"""After a session in which the clock looks whether it completes a course; later the roll is shut,
and a quiz that is passed later looks by itself."""
THERE = (HoursState.PROPOSED, HoursState.CONFIRMED, HoursState.TRAINING)
"""Presences that are over and that nobody has rejected."""

Names = dict[str, str]


@dataclass(frozen=True, slots=True)
class Attended:
    """Somebody at one time that a course was held."""

    activity_id: int
    sessions: int
    """At which they were long enough."""
    needed: int
    minutes: int
    last: datetime

    @property
    def enough(self) -> bool:
        return self.sessions >= self.needed > 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A line of somebody's training."""

    completion: Completion
    course: Course
    organisation: Names
    place: str | None
    """None for an online course."""


def months_on(day: date, months: int) -> date:
    """The same day so many months later, or the month's last."""
    number = day.year * 12 + day.month - 1 + months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


# What presences at an activity are


async def is_mere_training(work: Work, activity_id: int) -> bool:
    """Whether being there is training and no service."""
    found = (
        select(Course.service)
        .join(CourseRun, CourseRun.course_id == Course.id)
        .where(CourseRun.activity_id == activity_id)
    )
    return await work.session.scalar(found) is False


# Completing


async def settle(work: Work, course: Course, people: Sequence[int]) -> list[Completion]:
    """Notes the completions that these people have reached, and gives what they give."""
    if not people or course.state is CourseState.DRAFT:
        return []
    since = await _last_completed(work, course, people)
    passed = await _passed(work, course, people, since) if course.quiz else {}
    attended = {} if course.online else await attendance_of(work, course, people, since)
    done = []
    for person_id in sorted(people):
        attempt = passed.get(person_id)
        if course.quiz and attempt is None:
            continue
        score = attempt.score if attempt else None
        if course.online and attempt is not None:
            basis, activity_id, minutes = f"attempt:{attempt.id}", None, course.minutes
        else:
            been = next((one for one in attended.get(person_id, []) if one.enough), None)
            if been is None:
                continue
            basis, activity_id, minutes = f"run:{been.activity_id}", been.activity_id, been.minutes
        completion = await _complete(
            work, course, person_id, basis, activity_id=activity_id, minutes=minutes, score=score
        )
        if completion is not None:
            done.append(completion)
    return done


async def by_word(
    work: Work, course: Course, person_id: int, activity_id: int | None
) -> Completion:
    """A coordinator says that somebody has completed it; their right has been asked for.

    What they attended since they last completed it stands in the record.
    """
    since = await _last_completed(work, course, [person_id])
    attended = await attendance_of(work, course, [person_id], since)
    been = [one for one in attended.get(person_id, []) if one.activity_id == activity_id]
    last = since.get(person_id)
    basis = (
        f"word:{activity_id or 0}:{last.timestamp():.0f}" if last else f"word:{activity_id or 0}"
    )
    minutes = course.minutes if course.online else sum(one.minutes for one in been)
    await _complete(
        work, course, person_id, basis, activity_id=activity_id, minutes=minutes, score=None,
        by_id=work.person.id,
    )  # fmt: skip
    found = await work.session.scalars(
        select(Completion).where(
            Completion.person_id == person_id,
            Completion.course_id == course.id,
            Completion.basis == basis,
        )
    )
    return found.one()


async def settle_lately(work: Work) -> int:
    """Sweep: who has attended all that is asked lately. Answers how many completed."""
    rows = await work.session.execute(
        select(CourseRun.course_id, Enrolment.person_id)
        .join(Shift, Shift.activity_id == CourseRun.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(
            Shift.ends_at > work.now - LOOK_BACK,
            Shift.starts_at <= work.now,
            Attendance.state.in_(THERE),
            ~_has_completed_run(),
        )
        .distinct()
    )
    people: defaultdict[int, list[int]] = defaultdict(list)
    for course_id, person_id in rows:
        people[course_id].append(person_id)
    if not people:
        return 0
    courses = await work.session.scalars(
        select(Course).where(Course.id.in_(people)).order_by(Course.id)
    )
    return sum([len(await settle(work, course, people[course.id])) for course in courses.all()])


def _has_completed_run() -> Any:
    return exists().where(
        Completion.person_id == Enrolment.person_id,
        Completion.course_id == CourseRun.course_id,
        Completion.activity_id == CourseRun.activity_id,
    )


async def _last_completed(work: Work, course: Course, people: Sequence[int]) -> dict[int, datetime]:
    rows = await work.session.execute(
        select(Completion.person_id, Completion.at)
        .where(Completion.course_id == course.id, Completion.person_id.in_(people))
        .order_by(Completion.at)
    )
    return {row[0]: row[1] for row in rows}


async def _passed(
    work: Work, course: Course, people: Sequence[int], since: dict[int, datetime]
) -> dict[int, QuizAttempt]:
    """The last pass of each that no completion rests on yet."""
    found = await work.session.scalars(
        select(QuizAttempt)
        .where(
            QuizAttempt.course_id == course.id,
            QuizAttempt.person_id.in_(people),
            QuizAttempt.passed.is_(True),
        )
        .order_by(QuizAttempt.finished_at)
    )
    return {
        one.person_id: one
        for one in found
        if one.finished_at and not _is_before(one.finished_at, since.get(one.person_id))
    }


def _is_before(moment: datetime, last: datetime | None) -> bool:
    return last is not None and moment <= last


async def attendance_of(
    work: Work, course: Course, people: Sequence[int], since: dict[int, datetime] | None = None
) -> dict[int, list[Attended]]:
    """Person -> the times that they were at the course, the earliest first."""
    after = since or {}
    sessions = dict(
        (
            await work.session.execute(
                select(Shift.activity_id, func.count())
                .join(CourseRun, CourseRun.activity_id == Shift.activity_id)
                .where(CourseRun.course_id == course.id)
                .group_by(Shift.activity_id)
            )
        ).all()
    )
    rows = await work.session.execute(
        select(Enrolment.person_id, Shift, Attendance)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(CourseRun, CourseRun.activity_id == Shift.activity_id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(
            CourseRun.course_id == course.id,
            Enrolment.person_id.in_(people),
            Attendance.state.in_(THERE),
        )
        .order_by(Shift.starts_at)
    )
    been: defaultdict[tuple[int, int], list[tuple[Shift, Attendance]]] = defaultdict(list)
    for person_id, shift, attendance in rows:
        if not _is_before(shift.ends_at, after.get(person_id)):
            been[person_id, shift.activity_id].append((shift, attendance))
    found: defaultdict[int, list[Attended]] = defaultdict(list)
    for (person_id, activity_id), presences in been.items():
        there = sessions[activity_id]
        found[person_id].append(
            Attended(
                activity_id,
                sessions=sum(_counts(work, *one) for one in presences),
                needed=min(course.sessions or there, there),
                minutes=sum(attendance.minutes or 0 for _, attendance in presences),
                last=max(shift.ends_at for shift, _ in presences),
            )
        )
    return dict(found)


def _counts(work: Work, shift: Shift, attendance: Attendance) -> bool:
    """Whether they were there for enough of it."""
    length = (shift.ends_at - shift.starts_at) / timedelta(minutes=1)
    return (attendance.minutes or 0) >= work.policy.session_share * length


async def _complete(
    work: Work,
    course: Course,
    person_id: int,
    basis: str,
    *,
    activity_id: int | None,
    minutes: int,
    score: int | None,
    by_id: int | None = None,
) -> Completion | None:
    """None where it had been noted already."""
    before = await valid_until(work, course, person_id)
    values = {
        "person_id": person_id, "course_id": course.id, "activity_id": activity_id,
        "basis": basis, "at": work.now, "minutes": minutes, "score": score, "by_id": by_id,
        "expires_on": extended(work, before, course.months),
    }  # fmt: skip
    dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
    new = await work.session.scalar(
        dialect.insert(Completion).values(values).on_conflict_do_nothing().returning(Completion.id)
    )
    if new is None:
        return None
    completion = await work.session.get_one(Completion, new)
    counts, until = await _give(work, course, person_id, by_word=by_id is not None)
    await _tell(work, course, completion, until, counts=counts)
    audit.note(
        work,
        "training.completed" if by_id is None else "training.completed_by_word",
        f"person:{person_id}",
        organisation_id=course.organisation_id,
        course=course.id,
    )
    return completion


def extended(work: Work, before: date | None, months: int | None) -> date | None:
    """Until when something is valid that is renewed now; who renews early loses nothing by it."""
    if months is None:
        return None
    soon = work.today + timedelta(days=work.policy.renewal_days)
    start = before if before is not None and work.today <= before <= soon else work.today
    until = months_on(start, months)
    return max(until, before) if before is not None else until


async def valid_until(work: Work, course: Course, person_id: int) -> date | None:
    """When the latest completion of somebody runs out; None for none, and for one that does not."""
    return await work.session.scalar(
        select(func.max(Completion.expires_on)).where(
            Completion.course_id == course.id, Completion.person_id == person_id
        )
    )


async def _give(
    work: Work, course: Course, person_id: int, *, by_word: bool
) -> tuple[bool, date | None]:
    """The skill and the qualification; answers whether the latter counts now, and until when."""
    if course.skill_id is not None:
        dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
        await work.session.execute(
            dialect.insert(PersonSkill)
            .values(person_id=person_id, skill_id=course.skill_id)
            .on_conflict_do_nothing()
        )
    counts, expires_on = True, None
    if course.kind_id is not None:
        counts, expires_on = await qualifications.give(
            work,
            person_id,
            course.kind_id,
            course.id,
            lambda before: extended(work, before, course.months),
            vouched=await _vouched(work, course, person_id, by_word=by_word),
        )
    if course.skill_id is not None or course.kind_id is not None:
        await traits.renew(work, [person_id])
    return counts, expires_on


async def _vouched(work: Work, course: Course, person_id: int, *, by_word: bool) -> bool:
    """Whether the course stands for what it gives.

    It does not for those who plan it, who know its answers, nor by the word of somebody who may not
    verify this person's documents.
    """
    if await access.holds(work, person_id, Right.PLAN_ACTIVITIES, course.organisation_id):
        return False
    if not by_word:
        return True
    person = await work.session.get_one(Person, person_id)
    return await access.may(work, Right.VERIFY_QUALIFICATIONS, person.organisation_id)


async def _tell(
    work: Work,
    course: Course,
    completion: Completion,
    qualified_until: date | None,
    *,
    counts: bool,
) -> None:
    given = await gives(work, course)
    about = {
        "course_id": course.id,
        "names": course.names,
        "score": completion.score,
        "expires_on": completion.expires_on,
        "qualified_until": qualified_until,
        "to_verify": not counts,
        **given,
    }
    post = Post("courses/completed", about, kind=KIND, subject=f"course:{course.id}")
    await delivery.tell(work, post, [completion.person_id])


async def gives(work: Work, course: Course) -> dict[str, Names | None]:
    """The names of what it gives."""
    skill = await work.session.get(Skill, course.skill_id) if course.skill_id else None
    kind = await work.session.get(QualificationKind, course.kind_id) if course.kind_id else None
    return {"skill": skill.names if skill else None, "kind": kind.names if kind else None}


# Looking


def is_valid(day: date) -> Any:
    """The condition that a completion counts on a day."""
    return or_(Completion.expires_on.is_(None), Completion.expires_on >= day)


async def of_person(work: Work, person_id: int, limit: int | None = None) -> list[Trained]:
    """What somebody has completed, the latest first."""
    rows = await work.session.execute(
        select(Completion, Course, Organisation.names, Activity.address)
        .join(Course, Course.id == Completion.course_id)
        .join(Organisation, Organisation.id == Course.organisation_id)
        .outerjoin(Activity, Activity.id == Completion.activity_id)
        .where(Completion.person_id == person_id)
        .order_by(Completion.at.desc(), Completion.id.desc())
        .limit(limit)
    )
    return [Trained(*row) for row in rows]


async def minutes_of(work: Work, person_id: int) -> int:
    """Of training, in all."""
    found = select(func.sum(Completion.minutes)).where(Completion.person_id == person_id)
    return int(await work.session.scalar(found) or 0)


async def for_record(
    work: Work, person_id: int, from_day: date | None, until_day: date | None
) -> list[dict[str, Any]]:
    """The training section of a service record (order 67, art. 7): content, organiser, day, place,
    minutes; the earliest first.
    """
    lines = []
    for one in reversed(await of_person(work, person_id)):
        day = one.completion.at.astimezone(work.policy.zone).date()
        if (from_day is None or day >= from_day) and (until_day is None or day <= until_day):
            lines.append(
                {
                    "content": one.course.names,
                    "organiser": one.organisation,
                    "day": day.isoformat(),
                    "place": one.place,
                    "minutes": one.completion.minutes,
                }
            )
    return lines


# Courses that would give it


async def ways_to(
    work: Work, *, skills: Iterable[int] = (), kinds: Iterable[int] = ()
) -> dict[int, list[dict[str, Any]]]:
    """Kind of qualification -> open courses that give it, or under 0 any of the skills."""
    wanted_skills, wanted_kinds = list(skills), list(kinds)
    if not wanted_skills and not wanted_kinds:
        return {}
    rows = await work.session.execute(
        select(Course.id, Course.names, Course.kind_id)
        .where(
            Course.kind_id.in_(wanted_kinds) | Course.skill_id.in_(wanted_skills),
            can_be_taken(work),
        )
        .order_by(Course.id.desc())
    )
    ways: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for key, names, kind_id in rows:
        ways[kind_id if kind_id in wanted_kinds else 0].append({"id": key, "names": names})
    return dict(ways)


def can_be_taken(work: Work) -> Any:
    """The condition that a course is open, and online or held some time to come."""
    held = exists().where(
        CourseRun.course_id == Course.id,
        Activity.id == CourseRun.activity_id,
        Activity.state == ActivityState.PUBLISHED,
        Shift.activity_id == Activity.id,
        Shift.starts_at > work.now,
    )
    return and_(Course.state == CourseState.OPEN, or_(Course.online, held))


# Statistics


def _held() -> Select[Any]:
    """Each time that a course was held to its end, counted when its last session ended."""
    ended = (
        select(Shift.activity_id, func.max(Shift.ends_at).label("at"))
        .join(CourseRun, CourseRun.activity_id == Shift.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .group_by(Shift.activity_id)
        .subquery()
    )
    return select(Activity.organisation_id, ended.c.at, literal(1)).join(
        ended, ended.c.activity_id == Activity.id
    )


def _completions(number: Any) -> Select[Any]:
    return select(Course.organisation_id, Completion.at, number).join(
        Completion, Completion.course_id == Course.id
    )


MEASURES = (
    Measure("courses_held", "training", _held),
    Measure("people_trained", "training", lambda: _completions(literal(1))),
    Measure(
        "training_time", "training", lambda: _completions(Completion.minutes), unit=Unit.MINUTES
    ),
    Measure(
        "qualifications_given",
        "training",
        lambda: _completions(literal(1)).where(Course.kind_id.is_not(None)),
    ),
)


# Personal data


def rows_about(person_id: int) -> dict[str, Any]:
    return {
        "training": select(Completion).where(Completion.person_id == person_id),
        "quizzes": select(QuizAttempt).where(QuizAttempt.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """Answers are only theirs; a completion stays as a number of the statistics, like hours."""
    await work.session.execute(
        delete(QuizAttempt)
        .where(QuizAttempt.person_id == person_id)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Completion)
        .where(Completion.person_id == person_id)
        .values(score=None)
        .execution_options(synchronize_session=False)
    )

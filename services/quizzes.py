"""Quizzes: trying one, answer by answer, and what came of it.

An attempt is a row from its first screen on, so nothing is lost by a restart or a week's pause. A
person has one open attempt at a course, which an index keeps; each change locks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Completion,
    Course,
    CourseRun,
    CourseState,
    Enrolment,
    EnrolmentState,
    Question,
    QuizAttempt,
    Shift,
)
from services import questions, training
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

WITH_A_PLACE = (EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)


@dataclass(frozen=True, slots=True)
class Chance:
    """Whether the actor may take a quiz now; if not, `why` says so, and `next_at` when they may."""

    open: QuizAttempt | None
    left: int
    """Tries that are left at the moment."""
    last: QuizAttempt | None
    """What they finished last."""
    why: str | None = None
    next_at: datetime | None = None
    until: date | None = None
    """How long what they completed is valid, where that is why; None for ever."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One question of an attempt, as it is in front of somebody."""

    attempt: QuizAttempt
    course: Course
    question: Question
    at: int
    """Its place, counted from 0."""
    count: int
    ticked: list[int]
    open: list[int]
    """Places of the questions that are not answered."""

    @property
    def several(self) -> bool:
        return len(self.question.solution) > 1

    @property
    def right(self) -> bool:
        return self.ticked == self.question.solution


# Whether one may


async def chance(work: Work, course: Course) -> Chance:
    """How the actor stands with the quiz of a course."""
    tries = list(
        await work.session.scalars(
            select(QuizAttempt)
            .where(QuizAttempt.course_id == course.id, QuizAttempt.person_id == work.person.id)
            .order_by(QuizAttempt.started_at, QuizAttempt.id)
        )
    )
    begun = next((one for one in tries if one.finished_at is None), None)
    over = [one for one in tries if one.finished_at is not None]
    last = over[-1] if over else None
    left = work.policy.quiz_attempts - len(_lately(work, over))
    if begun is not None:
        return Chance(begun, left, last)
    why, next_at, until = await _why_not(work, course, over)
    return Chance(None, max(left, 0), last, why, next_at, until)


Why = tuple[str | None, datetime | None, date | None]


async def _why_not(work: Work, course: Course, over: Sequence[QuizAttempt]) -> Why:
    if not course.quiz or course.state is not CourseState.OPEN:
        return "course_closed", None, None
    if not await is_in(work, course):
        return "quiz_not_enrolled", None, None
    since = await work.session.scalar(
        select(func.max(Completion.at)).where(
            Completion.course_id == course.id, Completion.person_id == work.person.id
        )
    )
    if any(one.passed and (since is None or _ended(one) > since) for one in over):
        return "quiz_passed", None, None
    if since is not None:
        until = await training.valid_until(work, course, work.person.id)
        renewal = timedelta(days=work.policy.renewal_days)
        if until is None or until - renewal > work.today:
            return "course_completed", None, until
    return _wait(work, over)


def _wait(work: Work, over: Sequence[QuizAttempt]) -> Why:
    failed = [one for one in over if not one.passed]
    if failed:
        next_at = _ended(failed[-1]) + timedelta(hours=work.policy.quiz_again_hours)
        lately = _lately(work, failed)
        if len(lately) >= work.policy.quiz_attempts:
            days = timedelta(days=work.policy.quiz_attempts_days)
            next_at = max(next_at, _ended(lately[-work.policy.quiz_attempts]) + days)
        if next_at > work.now:
            return "quiz_too_soon", next_at, None
    return None, None, None


def _lately(work: Work, over: Sequence[QuizAttempt]) -> list[QuizAttempt]:
    """Those not passed that still count against the number of tries."""
    since = work.now - timedelta(days=work.policy.quiz_attempts_days)
    return [one for one in over if not one.passed and _ended(one) > since]


def _ended(one: QuizAttempt) -> datetime:
    return one.finished_at or one.started_at


async def is_in(work: Work, course: Course) -> bool:
    """Whether the actor has a place in the course; in an online one everybody has."""
    if course.online:
        return True
    found = (
        select(Enrolment.id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(CourseRun, CourseRun.activity_id == Shift.activity_id)
        .where(
            CourseRun.course_id == course.id,
            Enrolment.person_id == work.person.id,
            Enrolment.state.in_(WITH_A_PLACE),
        )
        .limit(1)
    )
    return await work.session.scalar(found) is not None


# Trying


async def begin(work: Work, course_id: int) -> Sheet:
    """A new try, or the one that was begun, where it was left. Raises Gone or a Refusal."""
    course = await work.session.get(Course, course_id)
    if course is None or course.state is CourseState.DRAFT:
        raise Gone
    if course.state is not CourseState.OPEN:
        raise Refusal("course_closed")
    now = await chance(work, course)
    if now.open is not None:
        return await sheet(work, now.open.id, now.open.at)
    if now.why is not None:
        raise Refusal(now.why, next_at=now.next_at, until=now.until)
    asked = [question.id for question in await questions.of(work, course_id)]
    if not asked:
        raise Refusal("course_closed")
    dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
    await work.session.execute(
        dialect.insert(QuizAttempt)
        .values(
            course_id=course_id,
            person_id=work.person.id,
            questions=asked,
            answers={},
            started_at=work.now,
        )
        .on_conflict_do_nothing()
    )
    begun = await work.session.scalars(
        select(QuizAttempt.id).where(
            QuizAttempt.course_id == course_id,
            QuizAttempt.person_id == work.person.id,
            QuizAttempt.finished_at.is_(None),
        )
    )
    return await sheet(work, begun.one(), 0)


async def sheet(work: Work, attempt_id: int, at: int) -> Sheet:
    """A question of one's own attempt, also when it is over. Raises Gone, NotAllowed."""
    return await _sheet(work, await _own(work, attempt_id), at)


async def tick(work: Work, attempt_id: int, at: int, place: int) -> Sheet:
    """Ticks an option, or unticks it where several are right; one alone takes the others' place.

    Answers the same question, or after the answer to one with a single right option the next.
    Raises Gone, NotAllowed, Refusal("quiz_over") or Refusal("course_closed").
    """
    attempt = await _open(work, attempt_id)
    shown = await _sheet(work, attempt, at)
    if place >= len(shown.question.options):
        raise Gone
    ticked = sorted(set(shown.ticked) ^ {place}) if shown.several else [place]
    attempt.answers = {**attempt.answers, str(shown.question.id): ticked}
    attempt.at = at if shown.several else min(at + 1, shown.count - 1)
    await work.session.flush()
    return await _sheet(work, attempt, attempt.at)


async def turn_to(work: Work, attempt_id: int, at: int) -> Sheet:
    """Another question. Raises Gone, NotAllowed, Refusal("quiz_over") or ("course_closed")."""
    attempt = await _open(work, attempt_id)
    attempt.at = at
    await work.session.flush()
    return await _sheet(work, attempt, at)


async def hand_in(work: Work, attempt_id: int) -> QuizAttempt:
    """It is over, and counted; who has done all else as well has completed the course.

    Raises Gone, NotAllowed, Refusal("quiz_over"), ("course_closed") or ("quiz_unanswered").
    """
    attempt = await _open(work, attempt_id)
    missing = _unanswered(attempt)
    if missing:
        raise Refusal("quiz_unanswered", numbers=[place + 1 for place in missing])
    asked = await _questions(work, attempt)
    right = sum(attempt.answers.get(str(one.id)) == one.solution for one in asked)
    course = await work.session.get_one(Course, attempt.course_id)
    attempt.score = right * 100 // len(asked)
    attempt.passed = right * 100 >= course.pass_mark * len(asked)
    attempt.finished_at = work.now
    await work.session.flush()
    if attempt.passed:
        await training.settle(work, course, [attempt.person_id])
    return attempt


async def wrong_in(work: Work, attempt_id: int) -> list[int]:
    """Places of the questions of one's own attempt that were not answered right, once it is over.

    Raises Gone, NotAllowed.
    """
    attempt = await _own(work, attempt_id)
    if attempt.finished_at is None:
        raise Gone
    asked = await _questions(work, attempt)
    return [
        place for place, one in enumerate(asked) if attempt.answers.get(str(one.id)) != one.solution
    ]


async def _own(work: Work, attempt_id: int) -> QuizAttempt:
    attempt = await work.session.get(QuizAttempt, attempt_id)
    if attempt is None:
        raise Gone
    if attempt.person_id != work.person.id:
        raise NotAllowed
    return attempt


async def _open(work: Work, attempt_id: int) -> QuizAttempt:
    """Locked until the transaction is over."""
    attempt = await _own(work, attempt_id)
    await work.session.refresh(attempt, with_for_update=True)
    if attempt.finished_at is not None:
        raise Refusal("quiz_over")
    course = await work.session.get_one(Course, attempt.course_id, populate_existing=True)
    if course.state is not CourseState.OPEN:
        raise Refusal("course_closed")
    return attempt


async def _sheet(work: Work, attempt: QuizAttempt, at: int) -> Sheet:
    if at >= len(attempt.questions):
        raise Gone
    question = await work.session.get_one(Question, attempt.questions[at])
    course = await work.session.get_one(Course, attempt.course_id)
    ticked = list(attempt.answers.get(str(question.id), []))
    count = len(attempt.questions)
    return Sheet(attempt, course, question, at, count, ticked, _unanswered(attempt))


def _unanswered(attempt: QuizAttempt) -> list[int]:
    return [
        place for place, key in enumerate(attempt.questions) if not attempt.answers.get(str(key))
    ]


async def _questions(work: Work, attempt: QuizAttempt) -> list[Question]:
    found = await work.session.scalars(select(Question).where(Question.id.in_(attempt.questions)))
    by_key = {one.id: one for one in found}
    return [by_key[key] for key in attempt.questions]

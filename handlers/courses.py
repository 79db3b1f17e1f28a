"""Courses for volunteers: finding one, its materials, its quiz, and what one has completed."""

from handlers import forms
from handlers.replies import Reply, Show, Toast
from handlers.routes import button, command, link
from handlers.turns import Turn
from models import Course, MaterialKind, QuizAttempt
from services import courses, quizzes, training

COMPLETED = 20


@command("courses")
@button("courses")
async def show_courses(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await turn_to(turn, 1)


@button("courses.page", reads=True)
async def turn_to(turn: Turn, number: int) -> Reply:
    return Show(
        "courses/list",
        {
            "found": await courses.found(turn.work, number),
            "mine": await courses.mine(turn.work) if number == 1 else [],
        },
    )


@button("courses.completed", reads=True)
async def show_completed(turn: Turn) -> Reply:
    person = turn.work.person
    return Show(
        "courses/completed_ones",
        {
            "trained": await training.of_person(turn.work, person.id, COMPLETED),
            "minutes": await training.minutes_of(turn.work, person.id),
            "today": turn.work.today,
        },
    )


@link("course")
async def open_course(turn: Turn, course_id: int) -> Reply:
    await forms.set_aside(turn)
    return await show_course(turn, course_id)


@button("course", reads=True)
async def show_course(turn: Turn, course_id: int) -> Reply:
    course = await courses.visible(turn.work, course_id)
    return Show(
        "courses/course",
        {
            **await courses.describe(turn.work, course),
            "runs": await courses.runs(turn.work, course),
            "completion": await courses.completion_of(turn.work, course),
            "chance": await quizzes.chance(turn.work, course),
            "may_read": await courses.may_read(turn.work, course),
            "today": turn.work.today,
        },
    )


# Materials


@button("course.materials", reads=True)
async def show_materials(turn: Turn, course_id: int) -> Reply:
    course = await courses.visible(turn.work, course_id)
    readable = await courses.may_read(turn.work, course)
    found = await courses.materials(turn.work, course_id) if readable else []
    return Show("courses/materials", {"course": course, "materials": found})


@button("course.material")
async def show_material(turn: Turn, material_id: int) -> Reply:
    """Words are shown, what lies with Telegram is sent."""
    course, material = await courses.readable(turn.work, material_id)
    if material.kind in (MaterialKind.TEXT, MaterialKind.LINK):
        return Show("courses/material", {"course": course, "material": material})
    await courses.send_material(turn.work, material_id)
    return Toast("courses/sending")


# The quiz


@button("quiz")
async def take_quiz(turn: Turn, course_id: int) -> Reply:
    return _sheet(await quizzes.begin(turn.work, course_id))


@button("quiz.at")
async def go_to_question(turn: Turn, attempt_id: int, at: int) -> Reply:
    return _sheet(await quizzes.turn_to(turn.work, attempt_id, at))


@button("quiz.tick")
async def tick(turn: Turn, attempt_id: int, at: int, place: int) -> Reply:
    return _sheet(await quizzes.tick(turn.work, attempt_id, at, place))


def _sheet(sheet: quizzes.Sheet) -> Show:
    return Show("courses/question", {"sheet": sheet})


@button("quiz.done")
async def hand_in(turn: Turn, attempt_id: int) -> Reply:
    attempt = await quizzes.hand_in(turn.work, attempt_id)
    return await _result(turn, attempt)


@button("quiz.result", reads=True)
async def show_result(turn: Turn, attempt_id: int) -> Reply:
    shown = await quizzes.sheet(turn.work, attempt_id, 0)
    return await _result(turn, shown.attempt)


async def _result(turn: Turn, attempt: QuizAttempt) -> Reply:
    course = await turn.work.session.get_one(Course, attempt.course_id)
    wrong = await quizzes.wrong_in(turn.work, attempt.id)
    return Show(
        "courses/result",
        {
            "attempt": attempt,
            "course": course,
            "wrong": wrong,
            "numbers": [place + 1 for place in wrong],
            "chance": await quizzes.chance(turn.work, course),
            "completion": await courses.completion_of(turn.work, course),
        },
    )


@button("quiz.review", reads=True)
async def review(turn: Turn, attempt_id: int, at: int) -> Reply:
    """A question with what was answered, what is right, and why."""
    wrong = await quizzes.wrong_in(turn.work, attempt_id)
    return Show(
        "courses/review",
        {"sheet": await quizzes.sheet(turn.work, attempt_id, at), "wrong": wrong},
    )

"""Courses at the console: the list, one with its dates and results, its questions and materials."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    CourseState,
    MaterialKind,
    QualificationKind,
    Question,
    ServiceField,
    Skill,
)
from services import access, courses, questions, requirements, terms
from services.access import Right
from services.courses import CoursePlan
from services.errors import Gone, Refusal
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()

PER_PAGE = 50


@pages.look("/courses")
async def show_all(visit: Visit) -> Page:
    named = visit.query.get("state", CourseState.OPEN.value)
    state = CourseState(named) if named in set(CourseState) else CourseState.OPEN
    listed = await courses.listed(visit.work, state, visit.number("page", 1))
    return Page("console/courses/list", {"listed": listed, "state": state.value})


# Planning


@pages.look("/courses/new")
async def show_new(visit: Visit) -> Page:
    places = await courses.places_to_plan(visit.work)
    shown = await _choices(visit.work.session)
    return Page("console/courses/edit", {"course": None, "places": places, **shown})


@pages.act("/courses/new", again=show_new)
async def draft(visit: Visit) -> Goto:
    course = await courses.draft(visit.work, visit.key("organisation"), _plan(visit))
    return Goto(f"/courses/{course.id}", done="saved")


@pages.look("/courses/{course_id}/edit")
async def show_edit(visit: Visit, course_id: int) -> Page:
    course = await courses.planned(visit.work, course_id)
    shown = await _choices(visit.work.session)
    return Page("console/courses/edit", {"course": course, "places": [], **shown})


@pages.act("/courses/{course_id}/edit", again=show_edit)
async def change(visit: Visit, course_id: int) -> Goto:
    await courses.change(visit.work, course_id, _plan(visit))
    return Goto(f"/courses/{course_id}", done="saved")


async def _choices(session: AsyncSession) -> dict[str, Any]:
    return {
        "fields": await terms.every(session, ServiceField),
        "skills": await terms.every(session, Skill),
        "kinds": await terms.every(session, QualificationKind),
    }


def _plan(visit: Visit) -> CoursePlan:
    """Raises Gone for what no form of ours sends, Refusal for what is no number."""
    mark = _words(visit, "mark")
    return CoursePlan(
        field_id=visit.key("field"),
        title=_words(visit, "title"),
        description=str(visit.form.get("description", "")).replace("\r\n", "\n").strip(),
        teacher=_words(visit, "teacher"),
        online=visit.form.get("way") == "online",
        sessions=_number(visit, "attend"),
        minutes=_number(visit, "minutes") or 0,
        service=visit.form.get("service") == "1",
        quiz=mark != "",
        pass_mark=_number(visit, "mark") or courses.PASS_MARKS[1],
        skill_id=visit.key("skill") if visit.form.get("skill") else None,
        kind_id=visit.key("kind") if visit.form.get("kind") else None,
        months=_number(visit, "months"),
    )


def _words(visit: Visit, name: str) -> str:
    return " ".join(str(visit.form.get(name, "")).split())


def _number(visit: Visit, name: str) -> int | None:
    typed = _words(visit, name)
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 6):
        raise Refusal("form_not_a_number", least=1, most=courses.MOST_MINUTES)
    return int(typed)


# One course


@pages.look("/courses/{course_id}")
async def show(visit: Visit, course_id: int) -> Page:
    work = visit.work
    course, results = await courses.results(
        work, course_id, visit.number("page", 1), per_page=PER_PAGE
    )
    return Page(
        "console/courses/one",
        {
            **await courses.describe(work, course),
            "runs": await courses.runs(work, course, drafts=True),
            "attachable": [] if course.online else await courses.attachable(work),
            "figures": await courses.figures_of(work, course),
            "found": await courses.materials(work, course_id),
            "required": await requirements.of_course(work, course_id),
            "ruled": await access.subtrees_with(work, Right.MANAGE_ORGANISATIONS),
            "fields": await terms.every(work.session, ServiceField),
            "results": results,
        },
    )


@pages.act("/courses/{course_id}/open", again=show)
async def publish(visit: Visit, course_id: int) -> Goto:
    await courses.publish(visit.work, course_id)
    return Goto(f"/courses/{course_id}", done="course_opened")


@pages.act("/courses/{course_id}/close", again=show)
async def close(visit: Visit, course_id: int) -> Goto:
    await courses.close(visit.work, course_id)
    return Goto(f"/courses/{course_id}", done="course_closed")


@pages.act("/courses/{course_id}/dates", again=show)
async def attach(visit: Visit, course_id: int) -> Goto:
    await courses.attach(visit.work, course_id, visit.key("activity"))
    return Goto(f"/courses/{course_id}", done="saved")


async def _course_again(visit: Visit, course_id: int, person_id: int) -> Page:
    return await show(visit, course_id)


@pages.act("/courses/{course_id}/people/{person_id}/pass", again=_course_again)
async def let_pass(visit: Visit, course_id: int, person_id: int) -> Goto:
    await courses.let_pass(visit.work, course_id, person_id)
    return Goto(f"/courses/{course_id}", done="course_passed")


@pages.act("/courses/{course_id}/materials", again=show)
async def add_material(visit: Visit, course_id: int) -> Goto:
    named = str(visit.form.get("kind", ""))
    if named not in (MaterialKind.TEXT, MaterialKind.LINK):
        raise Gone
    content = str(visit.form.get("content", "")).replace("\r\n", "\n").strip()
    kind = MaterialKind(named)
    await courses.add_material(visit.work, course_id, kind, _words(visit, "name"), content)
    return Goto(f"/courses/{course_id}", done="saved")


@pages.act("/courses/materials/{material_id}/remove")
async def remove_material(visit: Visit, material_id: int) -> Goto:
    course = await courses.remove_material(visit.work, material_id)
    return Goto(f"/courses/{course.id}", done="removed")


@pages.act("/courses/{course_id}/required", again=show)
async def require(visit: Visit, course_id: int) -> Goto:
    """Of newcomers, or in a field where one is chosen."""
    organisation_id = visit.key("organisation")
    if visit.form.get("field"):
        field_id = visit.key("field")
        await requirements.ask_in_field(visit.work, course_id, organisation_id, field_id)
    else:
        await requirements.ask_of_newcomers(visit.work, course_id, organisation_id)
    return Goto(f"/courses/{course_id}", done="saved")


@pages.act("/courses/required/{required_id}/remove")
async def unrequire(visit: Visit, required_id: int) -> Goto:
    row = await requirements.drop(visit.work, required_id)
    return Goto(f"/courses/{row.course_id}", done="removed")


# Questions


@pages.look("/courses/{course_id}/questions")
async def show_questions(visit: Visit, course_id: int) -> Page:
    course, asked = await courses.asked(visit.work, course_id)
    return _questions(visit, course, asked)


def _questions(visit: Visit, course: Any, asked: list[Question]) -> Page:
    written = [(one, questions.written(one, visit.language)) for one in asked]
    return Page("console/courses/questions", {"course": course, "questions": written})


@pages.act("/courses/{course_id}/questions", again=show_questions)
async def ask(visit: Visit, course_id: int) -> Goto:
    await courses.ask(visit.work, course_id, str(visit.form.get("text", "")))
    return Goto(f"/courses/{course_id}/questions", done="saved")


async def _questions_again(visit: Visit, question_id: int) -> Page:
    course, _ = await courses.question(visit.work, question_id)
    return await show_questions(visit, course.id)


@pages.act("/courses/questions/{question_id}", again=_questions_again)
async def reword(visit: Visit, question_id: int) -> Goto:
    course = await courses.reword(visit.work, question_id, str(visit.form.get("text", "")))
    return Goto(f"/courses/{course.id}/questions", done="saved")


@pages.act("/courses/questions/{question_id}/remove", again=_questions_again)
async def unask(visit: Visit, question_id: int) -> Goto:
    course = await courses.unask(visit.work, question_id)
    return Goto(f"/courses/{course.id}/questions", done="removed")

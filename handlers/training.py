"""Courses for coordinators: planning, questions, materials, dates, results, where one is asked."""

from datetime import datetime
from typing import Any

from handlers import forms, options
from handlers.activities import manage as manage_activity
from handlers.fields import (
    Asked,
    Attachment,
    Choice,
    Duration,
    Field,
    Location,
    Number,
    Option,
    Pick,
    Span,
    Text,
)
from handlers.forms import SUMMARY, Filled, Form, drafts, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import (
    Confirmation,
    Course,
    CourseState,
    MaterialKind,
    Organisation,
    QualificationKind,
    ServiceField,
    Skill,
)
from services import access, activities, courses, questions, requirements, shifts
from services.access import Right
from services.courses import CoursePlan
from services.errors import Gone, NotAllowed, Refusal
from services.finding import search_key
from services.shifts import ShiftPlan

ONLINE, IN_SESSIONS = "online", "sessions"
NONE, SKILL, QUALIFICATION = "none", "skill", "qualification"
NO_QUIZ = "none"
YES, NO = "yes", "no"
NEWCOMERS, FIELD, ACTIVITY = "newcomers", "field", "activity"
FILE = "file"
SHOWN = 8
"""Questions on one page."""
USUAL_MINUTES = (15, 30, 60, 90)


# The list, and one of them


@command("training", menu=Audience.COORDINATORS)
@button("training")
async def show_all(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await turn_to(turn, CourseState.OPEN.value, 1)


@button("training.list", reads=True)
async def turn_to(turn: Turn, state: str, number: int) -> Reply:
    if state not in set(CourseState):
        raise Gone
    listed = await courses.listed(turn.work, CourseState(state), number)
    return Show("training/list", {"state": state, "listed": listed})


@button("training.course", reads=True)
async def show(turn: Turn, course_id: int) -> Reply:
    return await manage(turn, course_id)


async def manage(turn: Turn, course_id: int, news: str | None = None, **more: Any) -> Show:
    """The screen of a course; `news` names what has just been done with it."""
    course = await courses.planned(turn.work, course_id)
    return Show(
        "training/course",
        {
            **await courses.describe(turn.work, course),
            "runs": await courses.runs(turn.work, course, drafts=True),
            "figures": await courses.figures_of(turn.work, course),
            "required": await requirements.of_course(turn.work, course_id),
            "address": turn.around.link(f"course-{course_id}"),
            "news": news,
            **more,
        },
    )


@button("training.open")
async def publish(turn: Turn, course_id: int) -> Reply:
    await courses.publish(turn.work, course_id)
    return await manage(turn, course_id, news="opened")


@button("training.close", reads=True)
async def ask_to_close(turn: Turn, course_id: int) -> Reply:
    course = await courses.planned(turn.work, course_id)
    return Show(
        "training/close",
        {
            "course": course,
            "figures": await courses.figures_of(turn.work, course),
            "required": await requirements.of_course(turn.work, course_id),
        },
    )


@button("training.closed")
async def close(turn: Turn, course_id: int) -> Reply:
    await courses.close(turn.work, course_id)
    return await manage(turn, course_id, news="closed")


# Planning


@button("training.plan")
async def plan(turn: Turn) -> Reply:
    own = await courses.places_to_plan(turn.work)
    if not own:
        raise NotAllowed
    begun = any(draft.form == COURSE.name for draft in await drafts(turn))
    if begun or len(own) > 1:
        return await start(turn, COURSE)
    return await start(turn, COURSE, answers={"organisation": own[0].id})


@button("training.edit")
async def edit(turn: Turn, course_id: int) -> Reply:
    course = await courses.planned(turn.work, course_id)
    answers = _answers_of(course, turn.language)
    return await start(turn, RECOURSE, subject_id=course_id, answers=answers, at=SUMMARY)


def _plan_from(filled: Filled) -> CoursePlan:
    online = filled["way"] == ONLINE
    gives = filled["gives"]
    return CoursePlan(
        field_id=filled["field"],
        title=filled["title"],
        description=filled["description"],
        teacher=filled.get("teacher", ""),
        online=online,
        sessions=filled.get("attend"),
        minutes=filled.get("minutes", 0) if online else 0,
        service=filled.get("service") == YES,
        quiz=filled["quiz"] != NO_QUIZ,
        pass_mark=courses.PASS_MARKS[1] if filled["quiz"] == NO_QUIZ else int(filled["quiz"]),
        skill_id=filled.get("skill") if gives == SKILL else None,
        kind_id=filled.get("kind") if gives == QUALIFICATION else None,
        months=filled.get("months"),
    )


def _answers_of(course: Course, language: str) -> dict[str, Any]:
    gives = QUALIFICATION if course.kind_id else SKILL if course.skill_id else NONE
    answers = {
        "title": courses.words_in(course.names, language),
        "field": course.field_id,
        "description": courses.words_in(course.about, language),
        "teacher": course.teacher,
        "way": ONLINE if course.online else IN_SESSIONS,
        "minutes": course.minutes,
        "attend": course.sessions,
        "service": YES if course.service else NO,
        "quiz": str(course.pass_mark) if course.quiz else NO_QUIZ,
        "gives": gives,
        "skill": course.skill_id,
        "kind": course.kind_id,
        "months": course.months,
    }
    return {name: value for name, value in answers.items() if value}


async def _organisations(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, search_key(row.names))
        for row in await courses.places_to_plan(asked.turn.work)
    ]


async def _check_quiz(asked: Asked, value: str) -> str:
    if value == NO_QUIZ and asked.answers.get("way") == ONLINE:
        raise Refusal("course_empty")
    return value


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    session = turn.work.session
    known = {
        "organisation": (Organisation, filled.get("organisation")),
        "service_field": (ServiceField, filled.get("field")),
        "skill": (Skill, filled.get("skill")),
        "kind": (QualificationKind, filled.get("kind")),
    }
    return {
        name: await session.get(term, key) if key else None for name, (term, key) in known.items()
    }


async def _submit(turn: Turn, filled: Filled) -> Reply:
    course = await courses.draft(turn.work, filled["organisation"], _plan_from(filled))
    return await manage(turn, course.id, news="drafted")


async def _submit_change(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await courses.change(turn.work, key, _plan_from(filled))
    return await manage(turn, key, news="saved")


def _is_online(answers: dict[str, Any]) -> bool:
    return bool(answers.get("way") == ONLINE)


def _is_in_sessions(answers: dict[str, Any]) -> bool:
    return not _is_online(answers)


def _gives_no_skill(answers: dict[str, Any]) -> bool:
    return bool(answers.get("gives") != SKILL)


def _gives_no_qualification(answers: dict[str, Any]) -> bool:
    return bool(answers.get("gives") != QUALIFICATION)


_TITLE, _DESCRIPTION = courses.LENGTHS["title"], courses.LENGTHS["description"]
_ABOUT = (
    Field("title", Text(*_TITLE)),
    Field("field", Pick(options.fields)),
    Field("description", Text(*_DESCRIPTION, lines=True)),
    Field("teacher", Text(1, courses.LENGTHS["teacher"][1]), optional=True),
    Field("way", Choice((IN_SESSIONS, ONLINE))),
    Field("attend", Number(1, courses.MOST_SESSIONS), optional=True, skip_if=_is_online),
    Field("service", Choice((NO, YES)), skip_if=_is_online),
    Field("minutes", Duration(USUAL_MINUTES), skip_if=_is_in_sessions),
    Field(
        "quiz",
        Choice((NO_QUIZ, *map(str, courses.PASS_MARKS))),
        check=_check_quiz,
    ),
    Field("gives", Choice((NONE, SKILL, QUALIFICATION))),
    Field("skill", Pick(options.skills), skip_if=_gives_no_skill),
    Field("kind", Pick(options.qualification_kinds), skip_if=_gives_no_qualification),
    Field("months", Number(1, courses.MOST_MONTHS), optional=True),
)
COURSE = register(
    Form("course", (Field("organisation", Pick(_organisations)), *_ABOUT), _submit, _describe)
)
RECOURSE = register(Form("recourse", _ABOUT, _submit_change, _describe, folder="course"))


# Questions


@button("training.questions", reads=True)
async def show_questions(turn: Turn, course_id: int, page: int = 0) -> Reply:
    course, asked = await courses.asked(turn.work, course_id)
    pages = max(1, -(-len(asked) // SHOWN))
    page = min(page, pages - 1)
    return Show(
        "training/questions",
        {
            "course": course,
            "questions": asked[page * SHOWN : (page + 1) * SHOWN],
            "first": page * SHOWN + 1,
            "count": len(asked),
            "page": page,
            "pages": pages,
        },
    )


@button("training.question", reads=True)
async def show_question(turn: Turn, question_id: int) -> Reply:
    course, question = await courses.question(turn.work, question_id)
    return Show("training/question", {"course": course, "question": question})


@button("training.ask")
async def ask(turn: Turn, course_id: int) -> Reply:
    await courses.planned(turn.work, course_id)
    return await start(turn, QUESTIONS, subject_id=course_id)


@button("training.reword")
async def reword(turn: Turn, question_id: int) -> Reply:
    await courses.question(turn.work, question_id)
    return await start(turn, REWORD, subject_id=question_id)


@button("training.unask")
async def unask(turn: Turn, question_id: int) -> Reply:
    course = await courses.unask(turn.work, question_id)
    return await show_questions(turn, course.id)


async def _check_questions(asked: Asked, value: str) -> str:
    questions.read(value)
    return value


async def _submit_questions(turn: Turn, filled: Filled) -> Reply:
    course = await courses.ask(turn.work, filled.subject_id or 0, filled["text"])
    return await show_questions(turn, course.id, questions.MOST_QUESTIONS)


async def _submit_reworded(turn: Turn, filled: Filled) -> Reply:
    course = await courses.reword(turn.work, filled.subject_id or 0, filled["text"])
    return await show_questions(turn, course.id)


_TYPED = Field("text", Text(2, 4000, lines=True), check=_check_questions)
QUESTIONS = register(Form("course_questions", (_TYPED,), _submit_questions))
REWORD = register(Form("reword_question", (_TYPED,), _submit_reworded, folder="course_questions"))


# Materials


@button("training.materials", reads=True)
async def show_materials(turn: Turn, course_id: int) -> Reply:
    course = await courses.planned(turn.work, course_id)
    found = await courses.materials(turn.work, course_id)
    return Show("training/materials", {"course": course, "materials": found})


@button("training.material")
async def add_material(turn: Turn, course_id: int) -> Reply:
    await courses.planned(turn.work, course_id)
    return await start(turn, MATERIAL, subject_id=course_id)


@button("training.unmaterial")
async def remove_material(turn: Turn, material_id: int) -> Reply:
    course = await courses.remove_material(turn.work, material_id)
    return await show_materials(turn, course.id)


async def _submit_material(turn: Turn, filled: Filled) -> Reply:
    kind, content = _material_from(filled)
    await courses.add_material(turn.work, filled.subject_id or 0, kind, filled["name"], content)
    return await show_materials(turn, filled.subject_id or 0)


def _material_from(filled: Filled) -> tuple[MaterialKind, str]:
    if filled["kind"] != FILE:
        return MaterialKind(filled["kind"]), filled[filled["kind"]]
    sent: dict[str, str] = filled["file"]
    kind = MaterialKind.PHOTO if "photo" in sent else MaterialKind.DOCUMENT
    return kind, sent[kind.value]


async def _check_file(asked: Asked, value: dict[str, Any]) -> dict[str, Any]:
    if not {"photo", "document"} & value.keys():
        raise Refusal("form_attachment")
    return value


def _unless(kind: str) -> Any:
    def skip(answers: dict[str, Any]) -> bool:
        return bool(answers.get("kind") != kind)

    return skip


MATERIAL = register(
    Form(
        "course_material",
        (
            Field("kind", Choice((MaterialKind.TEXT, MaterialKind.LINK, FILE))),
            Field("name", Text(*courses.MATERIAL["name"])),
            Field(
                "text",
                Text(*courses.MATERIAL["text"], lines=True),
                skip_if=_unless(MaterialKind.TEXT),
            ),
            Field("link", Text(*courses.MATERIAL["link"]), skip_if=_unless(MaterialKind.LINK)),
            Field("file", Attachment(), skip_if=_unless(FILE), check=_check_file),
        ),
        _submit_material,
    )
)


# Times that it is held


@button("training.run")
async def plan_run(turn: Turn, course_id: int) -> Reply:
    course = await courses.planned(turn.work, course_id)
    if course.state is not CourseState.OPEN:
        raise Refusal("course_not_open")
    return await start(turn, RUN, subject_id=course_id)


async def _check_span(asked: Asked, value: list[str]) -> list[str]:
    first, last = map(datetime.fromisoformat, value)
    shifts.check_span(asked.turn.work.now, first, last)
    return value


async def _submit_run(turn: Turn, filled: Filled) -> Reply:
    course = await courses.planned(turn.work, filled.subject_id or 0)
    plan = courses.run_plan(
        course,
        turn.language,
        address=filled["address"],
        latitude=filled["place"]["latitude"],
        longitude=filled["place"]["longitude"],
        confirmation=Confirmation(filled["confirmation"]),
        bring=filled.get("bring", ""),
    )
    first, last = map(datetime.fromisoformat, filled["span"])
    session = ShiftPlan(first, last, filled["quota"])
    activity = await courses.plan_run(turn.work, course.id, plan, session)
    return await manage_activity(turn, activity.id, news="drafted")


RUN = register(
    Form(
        "course_run",
        (
            Field("span", Span(), check=_check_span),
            Field("place", Location()),
            Field("address", Text(2, 120)),
            Field("quota", Number(1, shifts.MOST_PLACES)),
            Field("confirmation", Choice(tuple(way.value for way in Confirmation))),
            Field("bring", Text(1, 200), optional=True),
        ),
        _submit_run,
    )
)


# Results


@button("training.results", reads=True)
async def show_results(turn: Turn, course_id: int, number: int = 1) -> Reply:
    course, results = await courses.results(turn.work, course_id, number)
    return Show("training/results", {"course": course, "results": results})


@button("training.result", reads=True)
async def show_result(turn: Turn, course_id: int, person_id: int) -> Reply:
    course, result = await courses.result_of(turn.work, course_id, person_id)
    return Show("training/result", {"course": course, "result": result})


@button("training.pass")
async def let_pass(turn: Turn, course_id: int, person_id: int) -> Reply:
    await courses.let_pass(turn.work, course_id, person_id)
    return await show_result(turn, course_id, person_id)


# Where it is asked for


@button("training.required", reads=True)
async def show_required(turn: Turn, course_id: int) -> Reply:
    course = await courses.planned(turn.work, course_id)
    found = await requirements.of_course(turn.work, course_id)
    return Show("training/required", {"course": course, "required": found})


@button("training.require")
async def require(turn: Turn, course_id: int) -> Reply:
    await courses.planned(turn.work, course_id)
    return await start(turn, REQUIRE, subject_id=course_id)


@button("training.unrequire")
async def unrequire(turn: Turn, required_id: int) -> Reply:
    row = await requirements.drop(turn.work, required_id)
    return await show_required(turn, row.course_id)


async def _ruled(asked: Asked) -> list[Option]:
    found = await access.subtrees_with(asked.turn.work, Right.MANAGE_ORGANISATIONS)
    return [Option(row.id, row.names, search_key(row.names)) for row in found]


async def _coming(asked: Asked) -> list[Option]:
    return [
        Option(one.id, {"": one.title}, search_key({"": one.title}))
        for one in await activities.coming(asked.turn.work)
    ]


async def _check_whose(asked: Asked, value: str) -> str:
    """Of a whole organisation only those ask who manage one."""
    if value != ACTIVITY and not await _ruled(asked):
        raise Refusal("course_require_above")
    return value


async def _submit_required(turn: Turn, filled: Filled) -> Reply:
    course_id = filled.subject_id or 0
    if filled["of"] == ACTIVITY:
        await requirements.ask_at(turn.work, course_id, filled["activity"])
    elif filled["of"] == FIELD:
        organisation_id, field_id = filled["organisation"], filled["field"]
        await requirements.ask_in_field(turn.work, course_id, organisation_id, field_id)
    else:
        await requirements.ask_of_newcomers(turn.work, course_id, filled["organisation"])
    return await show_required(turn, course_id)


def _not_of(*what: str) -> Any:
    def skip(answers: dict[str, Any]) -> bool:
        return answers.get("of") not in what

    return skip


REQUIRE = register(
    Form(
        "course_require",
        (
            Field("of", Choice((NEWCOMERS, FIELD, ACTIVITY)), check=_check_whose),
            Field("organisation", Pick(_ruled), skip_if=_not_of(NEWCOMERS, FIELD)),
            Field("field", Pick(options.fields), skip_if=_not_of(FIELD)),
            Field("activity", Pick(_coming), skip_if=_not_of(ACTIVITY)),
        ),
        _submit_required,
    )
)

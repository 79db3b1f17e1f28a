"""Questions of a quiz: reading them as teachers write them, and keeping them.

    How deep does one press a chest?
    A. 2 to 3 cm
    B. 5 to 6 cm *
    > Less moves no blood.

A block is a question, its options, the right ones marked, and what explains it; an empty line
stands between two of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from models import Course, Question
from services import audit
from services.errors import Gone, Refusal
from services.work import Work

MARKS = "*＊√✓✔✅☑"
"""What marks a right option, before or after it."""
EXPLAINS = ">＞»"
"""What an explanation begins with."""
MOST_QUESTIONS = 40
"""Of one quiz; nobody answers more on a phone."""
OPTIONS = (2, 6)
TEXT, OPTION, EXPLANATION = 300, 120, 300
"""Characters at most."""
_NUMBER = re.compile(r"^[(（]?\d{1,2}[.、．)）]\s*")
_LETTER = re.compile(r"^[(（]?[A-Za-zＡ-Ｚ][.、．:：)）]\s*")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was written; `solution` counts the options from 0."""

    text: str
    options: tuple[str, ...]
    solution: tuple[int, ...]
    explanation: str = ""


# Reading; pure


def read(typed: str) -> list[Asked]:
    """All questions of a text. Raises Refusal("question_line"), which names the line and why."""
    found = [_question(block) for block in _blocks(typed)]
    if not found:
        raise Refusal("question_line", line=1, why="empty")
    return found


def written(question: Question, name: str = "") -> str:
    """A question as it may be typed again; `name` is the language in which it is read."""
    lines = [_in(question.text, name)]
    for place, option in enumerate(question.options):
        mark = " *" if place in question.solution else ""
        lines.append(f"{chr(ord('A') + place)}. {_in(option, name)}{mark}")
    lines += [f"> {line}" for line in _in(question.explanation, name).splitlines()]
    return "\n".join(lines)


def _in(words: dict[str, str], language: str) -> str:
    return words.get(language) or next(iter(words.values()), "")


Line = tuple[int, str]
"""Its number, counted from 1, and its words."""


def _blocks(typed: str) -> Iterator[list[Line]]:
    block: list[Line] = []
    for number, line in enumerate(typed.splitlines(), 1):
        words = " ".join(line.split())
        if words:
            block.append((number, words))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _question(block: list[Line]) -> Asked:
    (first, heading), *rest = block
    text = _within(first, _NUMBER.sub("", heading), TEXT, "text_long")
    options: list[str] = []
    solution: list[int] = []
    explanation: list[str] = []
    for number, words in rest:
        if words[0] in EXPLAINS:
            explanation.append(words[1:].strip())
            continue
        option, right = _option(number, words)
        if option in options:
            raise Refusal("question_line", line=number, why="twice")
        if right:
            solution.append(len(options))
        options.append(option)
    last = block[-1][0]
    least, most = OPTIONS
    if len(options) < least:
        raise Refusal("question_line", line=last, why="few", least=least)
    if len(options) > most:
        raise Refusal("question_line", line=last, why="many", most=most)
    if not solution:
        raise Refusal("question_line", line=last, why="unmarked")
    said = _within(last, "\n".join(explanation), EXPLANATION, "explanation_long")
    return Asked(text, tuple(options), tuple(solution), said)


def _option(number: int, words: str) -> tuple[str, bool]:
    """An option without its letter and mark, and whether it is right."""
    bare = words.strip(MARKS + " ")
    right = bare != words
    option = _LETTER.sub("", bare).strip(MARKS + " ")
    right = right or option != _LETTER.sub("", bare)
    if not option:
        raise Refusal("question_line", line=number, why="blank")
    return _within(number, option, OPTION, "option_long"), right


def _within(number: int, words: str, most: int, why: str) -> str:
    if len(words) > most:
        raise Refusal("question_line", line=number, why=why, most=most)
    return words


# Keeping; who may do so has been asked before


async def of(work: Work, course_id: int) -> list[Question]:
    """What is asked now, in order."""
    found = await work.session.scalars(
        select(Question)
        .where(Question.course_id == course_id, Question.retired_at.is_(None))
        .order_by(Question.position, Question.id)
    )
    return list(found)


async def count(work: Work, course_id: int) -> int:
    found = select(func.count()).where(
        Question.course_id == course_id, Question.retired_at.is_(None)
    )
    return await work.session.scalar(found) or 0


async def add(work: Work, course: Course, asked: Sequence[Asked]) -> None:
    """At the end. Raises Refusal("question_most")."""
    there = await of(work, course.id)
    if len(there) + len(asked) > MOST_QUESTIONS:
        raise Refusal("question_most", most=MOST_QUESTIONS)
    first = there[-1].position + 1 if there else 0
    work.session.add_all(_row(course, one, first + place) for place, one in enumerate(asked))
    await work.session.flush()
    _note(work, course)


async def replace(work: Work, course: Course, question_id: int, asked: Sequence[Asked]) -> None:
    """One question gives its place to another wording. Raises Gone, Refusal("question_one")."""
    if len(asked) != 1:
        raise Refusal("question_one")
    old = await one(work, course, question_id)
    old.retired_at = work.now
    work.session.add(_row(course, asked[0], old.position))
    await work.session.flush()
    _note(work, course)


async def remove(work: Work, course: Course, question_id: int) -> None:
    """Asked no more. Raises Gone."""
    (await one(work, course, question_id)).retired_at = work.now
    await work.session.flush()
    _note(work, course)


async def one(work: Work, course: Course, question_id: int) -> Question:
    """Raises Gone for one that is asked no more, or by another course."""
    found = await work.session.get(Question, question_id)
    if found is None or found.course_id != course.id or found.retired_at is not None:
        raise Gone
    return found


def _row(course: Course, asked: Asked, position: int) -> Question:
    return Question(
        course_id=course.id,
        text={"": asked.text},
        options=[{"": option} for option in asked.options],
        solution=list(asked.solution),
        explanation={"": asked.explanation} if asked.explanation else {},
        position=position,
    )


def _note(work: Work, course: Course) -> None:
    audit.note(
        work, "course.questions", f"course:{course.id}", organisation_id=course.organisation_id
    )

"""Training: courses with their materials, questions and dates, who tried and who completed them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Document, Key, choice


class CourseState(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class MaterialKind(StrEnum):
    TEXT = "text"
    LINK = "link"
    PHOTO = "photo"
    DOCUMENT = "document"


class Course(Base):
    """What is taught, and what its completion gives. `names` and `about` go by language.

    A course is held any number of times: each time is an activity (`CourseRun`), so that enrolment,
    reminders, check-in and the roll are those of activities. One without sessions is its quiz.
    """

    __tablename__ = "course"
    __table_args__ = (
        CheckConstraint("pass_mark BETWEEN 1 AND 100", "pass_mark"),
        CheckConstraint("sessions >= 1", "sessions"),
        CheckConstraint("months >= 1", "months"),
        CheckConstraint("minutes >= 0", "minutes"),
        CheckConstraint("NOT online OR quiz", "online"),
        Index("ix_course_state_organisation", "state", "organisation_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("service_field.id"))
    code: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Of a course that came with the city's files."""
    state: Mapped[CourseState] = mapped_column(choice(CourseState))
    names: Mapped[dict[str, str]]
    about: Mapped[dict[str, str]]
    teacher: Mapped[str] = mapped_column(String(80), default="")
    online: Mapped[bool]
    """Without sessions: who passes the quiz has completed it."""
    sessions: Mapped[int | None]
    """Of one time that it is held, how many must be attended; None for all."""
    minutes: Mapped[int] = mapped_column(default=0)
    """How long an online course takes, which then stands in the record."""
    service: Mapped[bool] = mapped_column(default=False)
    """Whether being there counts as service hours as well."""
    quiz: Mapped[bool]
    pass_mark: Mapped[int]
    """Percent of the questions."""
    skill_id: Mapped[int | None] = mapped_column(ForeignKey("skill.id"), index=True)
    kind_id: Mapped[int | None] = mapped_column(ForeignKey("qualification_kind.id"), index=True)
    """The skill and the kind of qualification that it gives."""
    months: Mapped[int | None]
    """How long its completion is valid; None for ever."""
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime | None]
    """Both None for one that came with the city's files."""
    closed_at: Mapped[datetime | None]


class CourseRun(Base):
    """A time that a course is held: an activity, whose shifts are the sessions."""

    __tablename__ = "course_run"

    activity_id: Mapped[int] = mapped_column(ForeignKey("activity.id"), primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)


class CourseMaterial(Base):
    """Something to read or look at; `content` is a text, an address, or Telegram's file id."""

    __tablename__ = "course_material"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    kind: Mapped[MaterialKind] = mapped_column(choice(MaterialKind))
    names: Mapped[dict[str, str]]
    content: Mapped[dict[str, str]]
    position: Mapped[int]


class Question(Base):
    """A question of a quiz. It is never changed: a better one retires it, so that what somebody
    answered stays what it was.
    """

    __tablename__ = "question"
    __table_args__ = (Index("ix_question_course", "course_id", "retired_at", "position"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"))
    text: Mapped[dict[str, str]]
    options: Mapped[list[dict[str, str]]] = mapped_column(Document)
    solution: Mapped[list[int]]
    """Places of the right options, counted from 0, in order."""
    explanation: Mapped[dict[str, str]]
    position: Mapped[int]
    retired_at: Mapped[datetime | None]


class QuizAttempt(Base):
    """Somebody's try at a quiz, kept answer by answer."""

    __tablename__ = "quiz_attempt"
    __table_args__ = (
        Index(
            "uq_quiz_attempt_open",
            "course_id",
            "person_id",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_quiz_attempt_person", "person_id", "course_id", "finished_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    questions: Mapped[list[int]]
    """Keys of what is asked, in order."""
    answers: Mapped[dict[str, Any]]
    """Key of a question -> places of the options that are ticked."""
    at: Mapped[int] = mapped_column(default=0)
    """The place of the question in front of them."""
    score: Mapped[int | None]
    """Percent."""
    passed: Mapped[bool | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Completion(Base):
    """Somebody has completed a course; again for each time that they do.

    `basis` is what it rests on ("run:7", "attempt:9", "word:3"), once a person and course.
    """

    __tablename__ = "completion"
    __table_args__ = (
        UniqueConstraint("person_id", "course_id", "basis"),
        Index("ix_completion_course", "course_id", "at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"))
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    """The time it was held at which they were; None for an online course."""
    basis: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    minutes: Mapped[int]
    """Of training."""
    score: Mapped[int | None]
    expires_on: Mapped[date | None] = mapped_column(Date)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """Who said so, where a coordinator did."""


class RequiredCourse(Base):
    """The course that an organisation asks for in its subtree: of newcomers, in a field of service,
    or for one activity; of two organisations, the nearer one's counts.
    """

    __tablename__ = "required_course"
    __table_args__ = (
        CheckConstraint("field_id IS NULL OR activity_id IS NULL", "one_thing"),
        UniqueConstraint("organisation_id", "slot"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    field_id: Mapped[int | None] = mapped_column(ForeignKey("service_field.id"))
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"), index=True)
    """Both None: the induction, before somebody's first activity."""
    slot: Mapped[str] = mapped_column(String(32))
    """What it is asked for, so that one course is: "", "field:3", "activity:9"."""
    set_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    set_at: Mapped[datetime]

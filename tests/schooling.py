"""Courses for tests that begin where they are open, written by the services themselves."""

from typing import Any

from sqlalchemy import select

from models import (
    Activity,
    Attendance,
    Course,
    CourseRun,
    HoursState,
    Person,
    QualificationKind,
    ServiceField,
    Shift,
    Skill,
)
from services import courses
from services.courses import CoursePlan
from tests.attending import propose
from tests.making import Making

QUIZ = """胸外按压要多深？
A. 2–3 厘米
B. 5–6 厘米 √
C. 越深越好
> 太浅血液循环不起来。

应该向谁求助？
A. 120 *
B. 身边的人 *
C. 谁也不找"""


async def online(
    making: Making, coordinator: Person, title: str = "石岐迎新课", **more: Any
) -> Course:
    """An open course that is its quiz."""
    return await course(making, coordinator, title, online=True, quiz=True, minutes=30, **more)


async def course(
    making: Making,
    coordinator: Person,
    title: str = "急救培训",
    *,
    questions: str = QUIZ,
    skill: str | None = None,
    kind: str | None = None,
    **more: Any,
) -> Course:
    async with making.database.write() as session:
        actor = await session.get_one(Person, coordinator.id)
        work = making.work(session, actor)
        field = await session.scalar(select(ServiceField.id).order_by(ServiceField.id).limit(1))
        values: dict[str, Any] = {"online": False, "quiz": False, **more}
        values["skill_id"] = await session.scalar(select(Skill.id).where(Skill.code == skill))
        values["kind_id"] = await session.scalar(
            select(QualificationKind.id).where(QualificationKind.code == kind)
        )
        plan = CoursePlan(field_id=field or 0, title=title, description="学习基本知识", **values)
        made = await courses.draft(work, actor.organisation_id, plan)
        if plan.quiz:
            await courses.ask(work, made.id, questions)
        return await courses.publish(work, made.id)


async def held(
    making: Making, coordinator: Person, taught: Course, *starts: str, quota: int = 20
) -> tuple[Activity, list[Shift]]:
    """A published time of the course, with sessions of two hours that start then (local time)."""
    activity = await making.activity(coordinator, taught.names[""])
    sessions = [await making.shift(activity, start, hours=2, quota=quota) for start in starts]
    async with making.database.write() as session:
        session.add(CourseRun(activity_id=activity.id, course_id=taught.id))
    return activity, sessions


async def been(making: Making, session: Shift, person: Person, minutes: int = 120) -> None:
    """Somebody was at a session, which is over."""
    attendance_id = await propose(making, session, person, minutes)
    async with making.database.write() as opened:
        (await opened.get_one(Attendance, attendance_id)).state = HoursState.TRAINING

"""Quizzes: questions as teachers write them, taking one in chat, and who may when."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models import Completion, Course, Person, QuizAttempt
from services import courses, questions, quizzes
from services.errors import Gone, NotAllowed, Refusal
from tests.city import City
from tests.making import Making
from tests.schooling import QUIZ, held, online
from tests.schooling import course as make_course
from tests.test_planning import stands_at


@pytest.mark.parametrize(
    ("typed", "line", "why"),
    [
        ("", 1, "empty"),
        ("问题？\nA. 一个 *", 2, "few"),
        ("问题？\nA. 是\nB. 否", 3, "unmarked"),
        ("一？\n是 *\n否\n\n二？\nA. 同样\nB. 同样 √", 7, "twice"),
        ("一？\nA. 是 *\nB. √", 3, "blank"),
        ("一？\n" + "\n".join(f"{n}号 *" for n in range(7)), 8, "many"),
        ("长" * 301 + "\nA. 是 *\nB. 否", 1, "text_long"),
        ("一？\nA. 是 *\nB. " + "长" * 121, 3, "option_long"),
        ("一？\nA. 是 *\nB. 否\n> " + "长" * 301, 4, "explanation_long"),
    ],
)
def test_a_mistake_in_a_question_is_shown_by_its_line(typed: str, line: int, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        questions.read(typed)
    assert refused.value.code == "question_line"
    assert (refused.value.parameters["line"], refused.value.parameters["why"]) == (line, why)


def test_questions_are_read_as_teachers_write_them() -> None:
    first, second, third = questions.read(
        "1. 按压多深？\n(A) 2 厘米\nB、5 厘米√\n＞ 要够深\n> 也要够快\n\n\n"
        "2、谁来帮忙？\n✓ 120\n* 路人\n没有人\n\nMany?\na) 3*4\nb) C. 5 *"
    )
    assert first.text == "按压多深？"
    assert (first.options, first.solution) == (("2 厘米", "5 厘米"), (1,))
    assert first.explanation == "要够深\n也要够快"
    assert (second.options, second.solution) == (("120", "路人", "没有人"), (0, 1))
    assert third.options == ("3*4", "C. 5")


async def test_a_quiz_is_taken_in_chat_and_a_restart_loses_no_answer(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    course = await online(city.making, await city.person(wang))
    await chen.say("/courses")
    await chen.press("石岐迎新课")
    await chen.sees("测验 2 道题，80 分合格")
    await chen.press("开始测验")
    await chen.sees("胸外按压要多深")
    await chen.press("A")
    await chen.sees("应该向谁求助")
    await chen.press("A")
    await chen.press("‹ 1")
    await chen.sees("☑️ A. 2–3 厘米")
    await city.start_again()
    await chen.say("/courses")
    await chen.press("▶️ 石岐迎新课")
    await chen.sees("已答 2 题")
    await chen.press("继续答题")
    await chen.sees("☑️ A. 2–3 厘米")
    await chen.press("B")
    await chen.sees("☑️ A. 120")
    await chen.press("交卷")
    failed = await chen.sees("这次 50 分，80 分合格")
    assert "答错的题：2" in failed.words and "2026年" in failed.words
    await chen.press("查看答案和解析")
    await chen.sees("✅ B. 身边的人")
    await chen.press("返回成绩")
    await chen.press("查看课程")
    await chen.sees("以后可以再测一次")
    assert chen.find("测一次") is None

    await city.forward(hours=24)
    await chen.say("/courses")
    await chen.press("📖 石岐迎新课")
    await chen.press("再测一次")
    for answer, following in (("B", "应该向谁求助"), ("A", "☑️ A. 120"), ("B", "全部答完了")):
        await stands_at(chen, "/ 2")
        await chen.press(answer)
        await stands_at(chen, following)
    await chen.press("交卷")
    await chen.sees("通过了，100 分")
    await city.settle()
    await chen.sees("恭喜你，“石岐迎新课”结业了")
    await chen.say("/record")
    await chen.sees("培训：30分钟")
    await chen.press("我的结业记录")
    await chen.sees("石岐街道志愿服务协会 · 30分钟")
    async with city.database.read() as session:
        completion = (await session.scalars(select(Completion))).one()
        assert (completion.course_id, completion.score, completion.minutes) == (course.id, 100, 30)


class Trying:
    """Chen and a course, driven at the services."""

    def __init__(self, making: Making, course: Course, chen: Person) -> None:
        self.making, self.course, self.chen = making, course, chen

    async def chance(self) -> quizzes.Chance:
        async with self.making.database.read() as session:
            work = self.making.work(session, await session.get_one(Person, self.chen.id))
            return await quizzes.chance(work, self.course)

    async def tries(self, *, right: bool) -> QuizAttempt:
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, self.chen.id))
            sheet = await quizzes.begin(work, self.course.id)
            key = sheet.attempt.id
            await quizzes.tick(work, key, 0, 1 if right else 0)
            await quizzes.tick(work, key, 1, 0)
            await quizzes.tick(work, key, 1, 1)
            return await quizzes.hand_in(work, key)


@pytest.fixture
async def trying(making: Making) -> Trying:
    wang = await making.coordinator()
    course = await online(making, wang, months=12)
    return Trying(making, course, await making.volunteer())


async def test_one_tries_again_after_a_day_and_three_times_a_month(trying: Trying) -> None:
    clock = trying.making.clock
    first = await trying.tries(right=False)
    assert (first.score, first.passed) == (50, False)
    assert (await trying.chance()).why == "quiz_too_soon"
    with pytest.raises(Refusal, match="quiz_too_soon"):
        await trying.tries(right=True)
    for _ in range(2):
        clock.forward(hours=25)
        await trying.tries(right=False)
    clock.forward(hours=25)
    chance = await trying.chance()
    assert (chance.why, chance.left) == ("quiz_too_soon", 0)
    assert first.finished_at and chance.next_at == first.finished_at + timedelta(days=30)
    clock.forward(days=30)
    assert (await trying.tries(right=True)).passed


async def test_what_is_completed_can_be_renewed_only_when_it_soon_runs_out(trying: Trying) -> None:
    await trying.tries(right=True)
    chance = await trying.chance()
    assert chance.why == "course_completed" and chance.until is not None
    trying.making.clock.forward(days=310)
    assert (await trying.chance()).why is None
    await trying.tries(right=True)
    async with trying.making.database.read() as session:
        days = (await session.scalars(select(Completion.expires_on).order_by(Completion.id))).all()
    assert [str(day) for day in days] == ["2027-11-23", "2028-11-23"]


async def test_two_presses_at_once_begin_one_attempt_and_complete_once(trying: Trying) -> None:
    making = trying.making

    async def begin() -> int:
        async with making.database.write() as session:
            work = making.work(session, await session.get_one(Person, trying.chen.id))
            return (await quizzes.begin(work, trying.course.id)).attempt.id

    first, second = await asyncio.gather(begin(), begin())
    assert first == second
    await trying.tries(right=True)

    async def again() -> None:
        async with making.database.write() as session:
            work = making.work(session, await session.get_one(Person, trying.chen.id))
            with pytest.raises(Refusal, match="quiz_over"):
                await quizzes.hand_in(work, first)

    await asyncio.gather(again(), again())
    async with making.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Completion)) == 1


async def test_an_attempt_is_ones_own_and_keeps_its_questions(trying: Trying) -> None:
    making, stranger = trying.making, await trying.making.volunteer("李雷")
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, trying.chen.id))
        sheet = await quizzes.begin(work, trying.course.id)
        other = making.work(session, await session.get_one(Person, stranger.id))
        with pytest.raises(NotAllowed):
            await quizzes.tick(other, sheet.attempt.id, 0, 0)
        with pytest.raises(Gone):
            await quizzes.tick(work, sheet.attempt.id, 0, 5)
        with pytest.raises(Refusal, match="quiz_unanswered"):
            await quizzes.hand_in(work, sheet.attempt.id)
        teacher = making.work(
            session, await session.get_one(Person, trying.course.created_by_id or 0)
        )
        await courses.reword(teacher, sheet.question.id, QUIZ.split("\n\n")[1])
        assert (await quizzes.sheet(work, sheet.attempt.id, 0)).question.id == sheet.question.id
        asked = await questions.of(work, trying.course.id)
        assert asked[0].text == {"": "应该向谁求助？"}
        await courses.unask(teacher, asked[0].id)
        with pytest.raises(Refusal, match="course_no_questions"):
            await courses.unask(teacher, asked[1].id)


async def test_the_quiz_of_a_course_with_sessions_is_for_those_with_a_place(making: Making) -> None:
    wang, chen = await making.coordinator(), await making.volunteer()
    course = await make_course(making, wang, quiz=True)
    await held(making, wang, course, "2026-11-28 09:00")
    assert (await Trying(making, course, chen).chance()).why == "quiz_not_enrolled"


async def test_an_open_attempt_ends_with_the_course(trying: Trying) -> None:
    making = trying.making
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, trying.chen.id))
        attempt = (await quizzes.begin(work, trying.course.id)).attempt
        teacher = making.work(
            session, await session.get_one(Person, trying.course.created_by_id or 0)
        )
        await courses.close(teacher, trying.course.id)
        for step in (
            quizzes.tick(work, attempt.id, 0, 1),
            quizzes.hand_in(work, attempt.id),
            quizzes.begin(work, trying.course.id),
        ):
            with pytest.raises(Refusal, match="course_closed"):
                await step

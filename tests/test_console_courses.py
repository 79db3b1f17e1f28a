"""Courses at the console: planned, asked, opened, asked for, and their results."""

from sqlalchemy import select

from models import Course, CourseRun, CourseState, RequiredCourse, RoleKind
from models.activities import ActivityState
from tests.city import City
from tests.consoles import desk_of
from tests.schooling import QUIZ, been, held
from tests.schooling import course as make_course

ASKED = {
    "title": "防汛培训", "description": "学会堆沙袋。\n带雨鞋。", "teacher": "李队长",
    "way": "sessions", "attend": "", "minutes": "", "mark": "60", "skill": "", "kind": "",
    "months": "12",
}  # fmt: skip


async def test_a_course_is_planned_opened_and_asked_for_at_the_desk(city: City) -> None:
    phone = await city.coordinator("王强", role=RoleKind.ADMINISTRATOR)
    wang = await city.person(phone)
    home = wang.organisation_id
    activity = await city.making.activity(wang, "防汛实操", state=ActivityState.DRAFT)
    asked = {**ASKED, "organisation": home, "field": activity.field_id}
    async with desk_of(city, phone) as desk:
        refused = await desk.send("/courses/new", {**asked, "way": "online", "mark": ""})
        assert refused.status == 400 and "线上课程要有测验" in refused.words
        assert 'value="防汛培训"' in refused.text
        assert "已保存" in (await desk.send("/courses/new", asked)).words
        async with city.database.read() as session:
            found = await session.scalars(select(Course).where(Course.organisation_id == home))
            where = f"/courses/{found.one().id}"
        assert "测验还没有题目" in (await desk.send(f"{where}/open")).words
        wrong = await desk.send(f"{where}/questions", {"text": "怎么办？\nA. 是\nB. 否"})
        assert "第 3 行：这道题没有标出正确答案" in wrong.words and "怎么办？" in wrong.text
        assert "应该向谁求助" in (await desk.send(f"{where}/questions", {"text": QUIZ})).words
        link = {"kind": "link", "name": "讲义", "content": "javascript:alert(1)"}
        assert "这不是链接" in (await desk.send(f"{where}/materials", link)).words
        link["content"] = "https://example.org/sandbags"
        assert "讲义" in (await desk.send(f"{where}/materials", link)).words
        assert "课程已开放" in (await desk.send(f"{where}/open")).words
        dated = await desk.send(f"{where}/dates", {"activity": activity.id})
        assert "防汛实操" in dated.words
        shown = await desk.send(f"{where}/required", {"organisation": home, "field": ""})
        assert "新人首次参加活动前" in shown.words
        edited = await desk.send(f"{where}/edit", {**asked, "title": "防汛入门", "mark": "80"})
        assert "防汛入门" in edited.words and "80 分合格" in edited.words
        assert "防汛入门" in (await desk.open("/courses")).words
    async with city.database.read() as session:
        assert (await session.scalars(select(RequiredCourse.organisation_id))).all() == [home]
        assert (await session.scalars(select(CourseRun.activity_id))).all() == [activity.id]


async def test_the_desk_shows_results_lets_pass_and_closes(city: City) -> None:
    phone = await city.coordinator("王强")
    wang, chen = await city.person(phone), await city.making.volunteer("陈晓丽")
    taught = await make_course(city.making, wang, quiz=True)
    _, (session_,) = await held(city.making, wang, taught, "2026-11-28 09:00")
    where = f"/courses/{taught.id}"
    async with desk_of(city, phone) as desk:
        assert "这门课还有开课安排" in (await desk.send(f"{where}/close")).words
    city.clock.go_to("2026-11-28 12:00")
    await been(city.making, session_, chen)
    async with desk_of(city, phone) as desk:
        shown = await desk.open(where)
        assert "陈晓丽" in shown.words and "1/1" in shown.words
        passed = await desk.send(f"{where}/people/{chen.id}/pass")
        assert "由协调员认定" in passed.words
        assert "课程已结束" in (await desk.send(f"{where}/close")).words
        assert "急救培训" in (await desk.open("/courses?state=closed")).words
    async with city.database.read() as session:
        assert (await session.get_one(Course, taught.id)).state is CourseState.CLOSED

"""Courses: planned, held and completed in chat; what completes one, and what it gives."""

import asyncio
from datetime import date

import pytest
from sqlalchemy import select

from models import (
    Activity,
    Attendance,
    CertificateKind,
    Completion,
    HoursState,
    LedgerEntry,
    MaterialKind,
    Organisation,
    Person,
    PersonSkill,
    Qualification,
    QualificationState,
    Trait,
)
from playground.phone import labels
from services import (
    attesting,
    courses,
    hours,
    measures,
    personal_data,
    qualifications,
    statistics,
    training,
)
from services.certificates import Request
from services.errors import NotAllowed, Refusal
from tests.city import City
from tests.making import Making
from tests.schooling import QUIZ, been, course, held, online
from tests.test_planning import answer, stands_at
from tests.test_quiz import Trying


async def test_a_course_is_planned_held_and_completed_in_chat(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await wang.say("/training")
    await wang.press("开设课程")
    await answer(
        wang,
        ("由哪个组织开课", "[石岐街道志愿服务协会]"),
        ("课程叫什么名字", "急救培训"),
        ("对应哪个服务领域", "应急"),
    )
    await wang.sees("搜索结果")
    await wang.press("应急")
    await answer(
        wang,
        ("课上学什么", "学会心肺复苏。"),
        ("谁来讲课", "张医生"),
        ("现场上课，还是线上自学", "[现场授课]"),
        ("至少要上几节课", "[跳过]"),
        ("要不要同时计入服务时长", "[不计]"),
        ("答对多少算合格", "[60%]"),
        ("结业后可以获得什么", "[一项资质]"),
        ("获得哪种资质", "救生员"),
    )
    await wang.sees("搜索结果")
    await wang.press("救生员证")
    await answer(wang, ("有效期几个月", "[24]"))
    summary = await wang.sees("请核对一下")
    for said in ("急救培训", "张医生", "测验，60 分合格", "救生员证", "有效期 24 个月"):
        assert said in summary.words
    await wang.press("✅ 保存")
    await wang.sees("草稿已保存")
    await wang.press("题目（0）")
    await wang.press("添加题目")
    await stands_at(wang, "格式像这样")
    await wang.say("按压多深？\nA. 2 厘米\nB. 5 厘米")
    await wang.sees("第 3 行：这道题没有标出正确答案")
    await wang.say(QUIZ)
    await wang.sees("2 道题")
    await wang.press("返回")
    await wang.press("资料（0）")
    await wang.press("添加资料")
    await answer(wang, ("哪种资料", "[图片或文件]"), ("资料叫什么", "讲义"))
    await stands_at(wang, "请发送图片或文件")
    await wang.send_document(b"%PDF-1.4", "cpr.pdf", "application/pdf")
    await wang.sees("📎 讲义")
    await wang.press("返回")
    await wang.press("开放课程")
    await wang.sees("课程已开放")
    await wang.press("安排开课")
    await answer(wang, ("第一节课从几点到几点", "下周六 9:00-11:00"), ("吗？", "[对，没错]"))
    await wang.sees("在哪里举办")
    await wang.share_location(22.53, 113.38)
    await answer(
        wang,
        ("怎么找到地方", "文化中心 201"),
        ("最多多少人参加", "[20]"),
        ("直接生效，还是由你", "[直接生效]"),
        ("需要带什么", "[跳过]"),
    )
    await wang.sees("草稿已保存")
    await wang.press("预览并发布")
    await wang.press("📣 发布")
    await city.settle()

    await chen.say("/courses")
    listed = await chen.sees("现在可以学")
    assert "2026年12月5日" in listed.words
    await chen.press("急救培训")
    shown = await chen.sees("结业获得资质“救生员证”")
    assert "报名成功后就可以参加测验" in shown.words and "张医生" in shown.words
    assert not any("学习资料" in label for label in labels(shown))
    await chen.press("🗓 ")
    await chen.press("✅ 报名")
    await chen.sees("报名成功")
    await chen.press("查看课程")
    await chen.press("学习资料")
    await chen.press("讲义")
    await chen.wait(lambda m: m.document is not None)
    await chen.say("/courses")
    await chen.press("▶️ 急救培训")
    await chen.press("开始测验")
    for option, following in (("B", "求助"), ("A", "☑️ A. 120"), ("B", "全部答完了")):
        await chen.press(option)
        await stands_at(chen, following)
    await chen.press("交卷")
    await chen.sees("到课达到要求后会自动结业")

    await city.go_to("2026-12-05 09:05")
    async with city.database.read() as session:
        activity = (await session.scalars(select(Activity))).one()
    await wang.say("/activities")
    await wang.press("急救培训")
    await wang.press("🕘 ")
    await wang.press("点名")
    await wang.press("⬜ 陈晓丽")
    await city.answered()
    await city.go_to("2026-12-05 12:30")
    done = await chen.sees("恭喜你，“急救培训”结业了")
    assert "你已获得资质“救生员证”" in done.words and "2028年12月5日" in done.words
    await chen.say("/qualifications")
    await chen.sees("✅ 救生员证 · 有效期至 2028年12月5日")
    await wang.say("/training")
    await wang.press("急救培训")
    await wang.sees("1 人结业")
    await wang.press("成绩")
    await wang.sees("🏅 陈晓丽 · 到课 1/1 · ✅ 100%")
    async with city.database.read() as session:
        attendance = (await session.scalars(select(Attendance))).one()
        assert (attendance.state, attendance.minutes) == (HoursState.TRAINING, 120)
        assert not (await session.scalars(select(LedgerEntry))).all()
        assert activity.title == "急救培训"


class School:
    """Wang teaches, Chen learns; driven at the services."""

    def __init__(self, making: Making, wang: Person, chen: Person) -> None:
        self.making, self.wang, self.chen = making, wang, chen

    async def settle(self) -> int:
        async with self.making.database.write() as session:
            return await training.settle_lately(self.making.work(session))

    async def completions(self) -> list[Completion]:
        async with self.making.database.read() as session:
            return list(await session.scalars(select(Completion).order_by(Completion.id)))


@pytest.fixture
async def school(making: Making) -> School:
    return School(making, await making.coordinator(), await making.volunteer())


async def test_all_sessions_or_as_many_as_are_asked_must_be_attended(school: School) -> None:
    making, clock = school.making, school.making.clock
    strict = await course(making, school.wang, "全勤")
    mild = await course(making, school.wang, "任选", sessions=1)
    starts = ("2026-11-28 09:00", "2026-11-29 09:00")
    _, all_of = await held(making, school.wang, strict, *starts)
    _, one_of = await held(making, school.wang, mild, "2026-11-28 14:00", "2026-11-29 14:00")
    clock.go_to("2026-11-28 17:00")
    await been(making, all_of[0], school.chen)
    await been(making, one_of[0], school.chen, minutes=90)  # three quarters are too little
    assert await school.settle() == 0
    clock.go_to("2026-11-29 17:00")
    await been(making, all_of[1], school.chen)
    await been(making, one_of[1], school.chen, minutes=100)
    assert await school.settle() == 2
    assert await school.settle() == 0
    done = {one.course_id: one.minutes for one in await school.completions()}
    assert done == {strict.id: 240, mild.id: 190}


async def test_a_course_gives_a_skill_that_calls_go_by(school: School) -> None:
    making = school.making
    taught = await course(making, school.wang, skill="first_aid")
    _, (session_,) = await held(making, school.wang, taught, "2026-11-28 09:00")
    making.clock.go_to("2026-11-28 11:30")
    await been(making, session_, school.chen)
    await asyncio.gather(school.settle(), school.settle())
    assert len(await school.completions()) == 1
    async with making.database.read() as session:
        held_now = await session.scalars(
            select(PersonSkill.skill_id).where(PersonSkill.person_id == school.chen.id)
        )
        assert held_now.all() == [taught.skill_id]
        assert (await session.get_one(Trait, school.chen.id)).skills


async def test_a_course_renews_a_qualification_without_loss(school: School) -> None:
    making = school.making
    kind = await making.qualification(school.chen, expires_in=40)
    taught = await course(making, school.wang, kind=kind.code, months=12)
    _, (session_,) = await held(making, school.wang, taught, "2026-11-28 09:00")
    making.clock.go_to("2026-11-28 11:30")
    await been(making, session_, school.chen)
    assert await school.settle() == 1
    async with making.database.read() as session:
        document = (await session.scalars(select(Qualification))).one()
        assert document.state is QualificationState.VERIFIED
        assert (document.expires_on, document.course_id) == (date(2028, 1, 2), taught.id)


def test_months_end_where_the_month_ends() -> None:
    assert training.months_on(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert training.months_on(date(2026, 11, 30), 15) == date(2028, 2, 29)


async def test_only_a_course_that_says_so_counts_as_service(city: City) -> None:
    making = city.making
    wang = await city.coordinator("王强")
    teacher = await city.person(wang)
    chen = await making.volunteer()
    taught = await course(making, teacher, service=True)
    _, (session_,) = await held(making, teacher, taught, "2026-11-28 09:00")
    quiet = await course(making, teacher, "普通")
    _, (other,) = await held(making, teacher, quiet, "2026-11-28 14:00")
    city.clock.go_to("2026-11-28 16:30")
    async with city.database.write() as session:
        work = making.work(session, await session.get_one(Person, teacher.id))
        from services import roll

        for shift in (session_, other):
            await roll.add_walk_in(work, shift.id, chen.id, typed=chen.number or "")
            await roll.check_out_all(work, shift.id)
        assert await hours.waiting(work) == 1
        states = await session.execute(select(Attendance.id, Attendance.state))
        state = {value: key for key, value in states}
        with pytest.raises(Refusal, match="hours_training"):
            await hours.correct(work, state[HoursState.TRAINING], 60, "想算作服务")
        await hours.confirm(work, state[HoursState.PROPOSED])
        assert await training.settle_lately(work) == 2


async def test_a_coordinator_lets_somebody_pass_and_closes_the_course(city: City) -> None:
    making = city.making
    wang, chen, li = [
        await city.coordinator("王强"),
        await city.volunteer("陈晓丽"),
        await city.volunteer("李雷"),
    ]
    teacher = await city.person(wang)
    taught = await course(making, teacher, quiz=True)
    _, (session_,) = await held(making, teacher, taught, "2026-11-28 09:00")
    await wang.say("/training")
    await wang.press("急救培训")
    await wang.press("结束课程")
    await wang.press("🏁 结束课程")
    await city.answered()
    city.clock.go_to("2026-11-28 11:30")
    for phone in (chen, li):
        await been(making, session_, await city.person(phone))
    await wang.say("/training")
    await wang.press("急救培训")
    await wang.press("成绩")
    await wang.press("陈晓丽")
    await wang.sees("还没有参加测验")
    await wang.press("认定结业")
    await wang.sees("由协调员认定")
    await city.settle()
    await chen.sees("恭喜你，“急救培训”结业了")
    await wang.press("返回")
    await wang.sees("🏅 陈晓丽 · 到课 1/1 · 未测验")
    await wang.press("返回")
    await wang.press("结束课程")
    await wang.sees("1 人结业 · 2 人报名")
    await wang.press("🏁 结束课程")
    await wang.sees("没有结业的人已收到通知")
    await city.catch_up()
    await li.sees("这次还没有结业")
    assert not any("还没有结业" in message.words for message in chen.messages)
    async with city.database.write() as session:
        work = making.work(session, await session.get_one(Person, teacher.id))
        with pytest.raises(Refusal, match="course_completed_already"):
            await courses.let_pass(work, taught.id, (await city.person(chen)).id)
        with pytest.raises(Refusal, match="course_state"):
            await courses.close(work, taught.id)


async def test_training_stands_in_the_record_the_statistics_and_ones_own_data(
    school: School,
) -> None:
    making = school.making
    taught = await course(making, school.wang)
    _, (session_,) = await held(making, school.wang, taught, "2026-11-28 09:00")
    making.clock.go_to("2026-11-28 11:30")
    await been(making, session_, school.chen)
    await school.settle()
    async with making.database.write() as session:
        chen = await session.get_one(Person, school.chen.id)
        body = await session.get_one(Organisation, chen.organisation_id)
        work = making.work(session, chen)
        asked = Request(CertificateKind.RECORD, "zh_Hans")
        said = await attesting.gather(work, chen.id, body, asked)
        assert said.content["training"] == [
            {
                "content": {"": "急救培训"},
                "organiser": body.names,
                "day": "2026-11-28",
                "place": "岐江公园北门",
                "minutes": 120,
            }
        ]
        assert said.minutes == 0
        await measures.keep(work, await measures.count(work, None))
        shown = statistics.span(work, statistics.Period.MONTH, 0)
        (topic,) = await measures.of(work, body, shown)
        figures = {row.name: row.now for row in topic.rows}
        assert figures == {
            "courses_held": 1, "people_trained": 1, "training_time": 120, "qualifications_given": 0,
        }  # fmt: skip
        everything = await personal_data.everything_about(work)
        assert [row["minutes"] for row in everything["training"]] == [120]


async def test_who_plans_for_another_town_touches_no_course(school: School) -> None:
    making = school.making
    taught = await online(making, school.wang)
    stranger = await making.coordinator("外人", organisation="zs-xiaolan")
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, stranger.id))
        for attempt in (
            courses.planned(work, taught.id),
            courses.ask(work, taught.id, QUIZ),
            courses.close(work, taught.id),
            courses.results(work, taught.id),
            courses.let_pass(work, taught.id, school.chen.id),
            courses.add_material(work, taught.id, MaterialKind.TEXT, "讲义", "正文"),
        ):
            with pytest.raises(NotAllowed):
                await attempt


@pytest.mark.parametrize("code", ["first_aider", "lifeguard"])
async def test_nobody_comes_to_a_qualification_past_those_who_verify(
    school: School, code: str
) -> None:
    """A medical one takes two of them; one's own course and a stranger's word prove nothing."""
    making, medical = school.making, code == "first_aider"
    stranger = await making.volunteer("李雷", organisation="zs-xiaolan")
    taught = await online(making, school.wang, kind=code, months=12)
    await Trying(making, taught, school.wang).tries(right=True)
    await Trying(making, taught, school.chen).tries(right=True)
    await Trying(making, taught, stranger).tries(right=False)
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, school.wang.id))
        await courses.let_pass(work, taught.id, stranger.id)
        rows = await session.execute(select(Qualification.person_id, Qualification.state))
        state = dict(rows.all())
        assert state[school.wang.id] is state[stranger.id] is QualificationState.AWAITING
        assert (state[school.chen.id] is QualificationState.VERIFIED) is not medical
        waiting = await qualifications.pending(work, 9)
        assert [person.id for _, _, person in waiting] == [school.chen.id] * medical

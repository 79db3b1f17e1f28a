"""The project library in the chat: from an idea to a running project with its activities."""

from datetime import date

import pytest
from sqlalchemy import select

from models import (
    Activity,
    BudgetLine,
    Indicator,
    Milestone,
    Project,
    ProjectComment,
    ProjectState,
    Sponsorship,
)
from playground.phone import labels as of
from services import money, personal_data, planning, project_library, project_review, projects
from services.errors import Refusal
from services.money import MoneyError
from tests.city import City, Phone
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.proposing import Library, open_project
from tests.test_console_activities import newest, says


async def only_project(city: City) -> Project:
    async with city.database.read() as session:
        return (await session.scalars(select(Project))).one()


async def fill_in(phone: Phone) -> None:
    """All that a proposal says, typed as people type it."""
    await phone.sees("项目叫什么名字")
    await phone.say("银发相伴")
    await phone.sees("服务领域")
    await phone.say("老")
    await phone.press(next(b for b in labels(phone) if "老" in b))
    await phone.sees("服务哪些人")
    await phone.say("60 位独居老人")
    await phone.sees("为什么要做")
    await phone.say("老人平时没人说话。")
    await phone.sees("打算怎么做")
    await phone.say("每周上门陪伴一次。")
    await phone.sees("从哪天开始")
    await phone.say("2026年12月1日")
    await phone.press("对，没错")
    await phone.sees("到哪天结束")
    await phone.say("2026年11月1日")
    await phone.sees("结束日期不能早于开始日期")
    await phone.say("2027年3月1日")
    await phone.press("对，没错")


def labels(phone: Phone) -> list[str]:
    """The buttons under the newest message."""
    return of(phone.screen)


async def test_an_idea_becomes_a_proposal_line_by_line_and_nothing_is_lost(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强", organisation="zs")
    await chen.say("/projects")
    await chen.press("申报项目")
    await fill_in(chen)
    await chen.sees("要花多少钱")
    await chen.say("场地 2000\n保险")
    await chen.sees("第 2 行“保险”的末尾没有看到金额")
    await chen.say("场地 2千\n保险 500元")
    await chen.sees("合计 ¥2,500.00")
    await city.start_again()
    await chen.say("/menu")
    await chen.press("继续上次没填完的")
    await chen.say("餐费：1.5万")
    await chen.sees("合计 ¥17,500.00")
    await chen.press("返回")
    await chen.sees("到哪天结束")
    await chen.say("2027年3月1日")
    await chen.press("对，没错")
    await chen.sees("合计 ¥17,500.00")
    await chen.press("去掉最后一条")
    await chen.wait(lambda m: "合计 ¥2,500.00" in m.words and "餐费" not in m.words)
    await chen.press("写完了")
    await chen.sees("分几步走")
    await chen.say("招募培训")
    await chen.sees("没有看到日期")
    await chen.say("招募培训 2026年12月10日\n中期检查 2027-01-15")
    await chen.sees("中期检查 · 2027年1月15日")
    await chen.press("写完了")
    await chen.sees("用什么来衡量")
    await chen.say("探访老人 60人 ×2\n满意度 90%")
    await chen.sees("满意度 → 90%")
    await chen.press("写完了")
    await chen.sees("¥2,500.00")
    await chen.press("保存草稿")
    await chen.sees("只有你能看到")
    project = await only_project(city)
    assert project.state is ProjectState.DRAFT
    async with city.database.read() as session:
        lines = await session.scalars(select(BudgetLine).order_by(BudgetLine.id))
        assert [(one.name, one.cents) for one in lines] == [("场地", 200_000), ("保险", 50_000)]
        stones = await session.scalars(select(Milestone).order_by(Milestone.id))
        assert [(one.title, one.due_on) for one in stones] == [
            ("招募培训", date(2026, 12, 10)),
            ("中期检查", date(2027, 1, 15)),
        ]
        aims = await session.scalars(select(Indicator).order_by(Indicator.id))
        assert [(one.name, one.target, one.weight) for one in aims] == [
            ("探访老人", "60人", 2),
            ("满意度", "90%", 1),
        ]
    await open_refused(wang, project)
    await chen.press("修改")
    await chen.press("✏️ 名称")
    await chen.say("银发相伴·石岐")
    await chen.press("保存草稿")
    await chen.sees("银发相伴·石岐")
    await chen.press("提交申报")
    await chen.sees("已提交")
    await wang.sees("申报了一个项目：银发相伴·石岐")


async def open_refused(phone: Phone, project: Project) -> None:
    """Nobody else sees a draft."""
    await phone.say(f"/start pj-{project.id}")
    await phone.sees("已经过期")


async def plan_a_visit(phone: Phone, title: str) -> None:
    """From the title of an activity to its saved draft."""
    for question, reply in (("活动叫什么名字", title), ("服务领域", "老")):
        await phone.sees(question)
        await phone.say(reply)
    await phone.sees("搜索结果")
    await phone.press(next(one for one in labels(phone) if "老" in one))
    await phone.sees("要做些什么")
    await phone.say("两人一组上门。")
    await phone.sees("宣传图片")
    await phone.press("跳过")
    await phone.sees("在哪里举办")
    await phone.share_location(22.53, 113.38)
    await phone.sees("怎么找到地方")
    await phone.say("村委会门口")
    await phone.sees("从几点到几点")
    await phone.say("2026年12月13日 9:00-12:00")
    await phone.press("对，没错")
    for question, button in (
        ("需要多少名志愿者", "20"),
        ("谁都可以参加", "谁都可以"),
        ("截止报名", "跳过"),
        ("直接生效，还是由你", "直接生效"),
        ("需要带什么", "跳过"),
        ("有问题找谁", "跳过"),
    ):
        await phone.sees(question)
        await phone.press(button)
    await phone.sees("📁 银发相伴")
    await phone.press("保存草稿")
    await phone.sees("草稿已保存")


async def test_a_project_runs_with_its_activities_and_late_milestones_are_told_once(
    city: City,
) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强", organisation="zs")
    he = await city.coordinator("何敏", organisation="zs-shiqi")
    library = Library(city.making)
    leader, reviewer = await city.person(chen), await city.person(wang)
    project = await library.approved(leader, reviewer)
    await open_project(chen, project)
    await chen.press("启动项目")
    await chen.sees("项目启动了")
    assert "策划活动" not in " ".join(labels(chen))
    planner = await city.person(he)
    activity = await city.making.activity(planner, "周六探访", project_id=project.id)
    await city.making.shift(activity)
    await open_project(he, project)
    await he.sees("周六探访")
    await he.press("策划活动")
    await plan_a_visit(he, "周日探访")
    async with city.database.read() as session:
        found = select(Activity.project_id).where(Activity.title == "周日探访")
        assert (await session.scalars(found)).one() == project.id
    await he.say("/plan")
    await he.press("石岐街道志愿服务协会")
    await he.sees("活动叫什么")
    await he.say("元旦探访")
    await he.sees("属于哪个项目")
    await he.press("银发相伴")
    await he.sees("服务领域")
    await city.forward(days=10)
    assert sum("节点逾期" in m.words for m in chen.messages) == 1
    await city.forward(days=1)
    assert sum("节点逾期" in m.words for m in chen.messages) == 1
    await wang.say("/projects")
    await wang.press("评审与跟进")
    await wang.press("节点逾期")
    await wang.sees("银发相伴")
    await chen.press("节点")
    await chen.sees("⚠️ 完成培训")
    await chen.press("✅ 完成培训")
    await chen.sees("✅ 完成培训")
    await wang.press("银发相伴")
    shown = await wang.sees("节点 1/2")
    assert "应在" not in shown.words
    await he.say(f"/start pj-{project.id}")
    await he.press("接手负责")
    await he.sees("由你接手")
    await he.press("接手负责")
    await he.sees("从现在起由你负责")
    await chen.sees("改由何敏负责")


async def test_an_activity_belongs_to_a_running_project_of_its_organisation(city: City) -> None:
    making = city.making
    wang = await making.coordinator("王强", organisation="zs")
    he = await making.coordinator("何敏")
    other = await making.coordinator("古镇", organisation="zs-xiaolan")
    library = Library(making)
    project = await library.running(he, wang)
    first = await making.activity(he, project_id=project.id)
    await making.shift(first)
    starts = making.clock.at("2026-12-12 09:00")
    copied = await library.do(he, planning.copy, first.id, starts)
    assert copied.project_id == project.id
    with pytest.raises(Refusal, match="project_other_organisation"):
        await library.do(he, projects.check_takes, project.id, other.organisation_id)
    await library.do(he, move_on, project.id)
    with pytest.raises(Refusal, match="project_moved_on"):
        await library.do(he, projects.check_takes, project.id, he.organisation_id)
    assert (await library.do(he, planning.copy, first.id, starts)).project_id is None


async def move_on(work: projects.Work, project_id: int) -> None:
    project = await projects.led(work, project_id)
    await projects.move(work, project, (ProjectState.RUNNING,), ProjectState.EVALUATING)


@ON_SQLITE
async def test_an_activity_of_a_project_is_planned_at_the_desk(city: City) -> None:
    he = await city.coordinator("何敏")
    wang = await city.making.coordinator("王强", organisation="zs")
    lin = await city.making.volunteer("林小榄", organisation="zs-xiaolan")
    library = Library(city.making)
    project = await library.running(await city.person(he), wang)
    other = await library.running(lin, wang, title="邻里食堂")
    async with desk_of(city, he) as seat:
        shown = await seat.open(f"/projects/{project.id}")
        assert f"/activities/new?project={project.id}" in shown.text
        offered = await seat.open(f"/activities/new?project={project.id}")
        assert "银发相伴 · 石岐" in offered.words and "邻里食堂" not in offered.words
        fields = await says(city, seat)
        wrong = await seat.send("/activities/new", {**fields, "project": other.id})
        assert wrong.status == 400 and "属于别的组织" in wrong.words
        await seat.send("/activities/new", {**fields, "project": project.id})
    assert (await newest(city)).project_id == project.id


@pytest.mark.parametrize(
    ("typed", "cents"),
    [
        ("2万", 2_000_000), ("1,500元", 150_000), ("1.5万", 1_500_000), ("￥1,500.50", 150_050),
        ("三千五", 350_000), ("2万5", 2_500_000), ("一万零五", 1_000_500), ("两千五百块", 250_000),
        ("２０００", 200_000), ("5k", 500_000), ("2千万", 2_000_000_000), ("0.01", 1),
    ],
)  # fmt: skip
def test_amounts_are_read_as_people_write_them(typed: str, cents: int) -> None:
    assert money.cents(typed) == cents


@pytest.mark.parametrize("typed", ["", "0", "-5", "abc", "15,00", "20.505", "1,500,00", "元"])
def test_what_is_no_amount_is_refused(typed: str) -> None:
    with pytest.raises(MoneyError):
        money.cents(typed)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("场地 2000", ("场地", 200_000)), ("场地2000", ("场地", 200_000)),
        ("帐篷10顶 3,500", ("帐篷10顶", 350_000)), ("交通：1.5万元", ("交通", 1_500_000)),
        ("A4 纸 50元", ("A4 纸", 5_000)), ("餐费-两千", ("餐费", 200_000)),
    ],
)  # fmt: skip
def test_a_budget_line_ends_with_its_amount(typed: str, line: tuple[str, int]) -> None:
    assert money.line(typed) == line


async def test_who_has_their_data_erased_leaves_no_words_and_the_project_stays(city: City) -> None:
    making = city.making
    wang = await making.coordinator("王强", organisation="zs")
    chen = await making.volunteer("陈晓丽")
    library = Library(making)
    draft = await library.draft(chen)
    project = await library.running(chen, wang, title="邻里食堂")
    await library.do(chen, project_review.comment, project.id, "我是陈晓丽")
    await library.do(chen, project_library.seek, project.id, "厨具")
    await library.do(wang, project_library.offer, project.id, "王强", "一口锅", "13800138000")
    told = await library.do(chen, personal_data.everything_about)
    assert [one["title"] for one in told["projects"]] == ["银发相伴", "邻里食堂"]
    assert told["project_comments"]
    await library.do(chen, personal_data.forget)
    async with city.database.read() as session:
        assert await session.get(Project, draft.id) is None
        kept = await session.get_one(Project, project.id)
        assert kept.leader_id is None and kept.state is ProjectState.RUNNING
        said = await session.scalars(select(ProjectComment).where(ProjectComment.words != ""))
        assert said.all() == []
        assert (await session.scalars(select(Sponsorship))).one().contact == "13800138000"

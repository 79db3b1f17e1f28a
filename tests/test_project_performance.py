"""How a project does: its activities, milestones and money, beside the median of others."""

from playground.phone import Phone
from services import hours, project_money, project_performance, projects
from services.project_money import Bought
from tests.attending import propose
from tests.certified import act
from tests.city import City
from tests.consoles import desk_of
from tests.proposing import Library


async def test_a_project_is_seen_beside_others_of_its_field(city: City) -> None:
    making, library = city.making, Library(city.making)
    boss = await city.coordinator("何会长", organisation="zs")
    wang: Phone = await city.coordinator("王强")
    reviewer, leader = await city.person(boss), await city.person(wang)
    chen = await making.volunteer("陈晓丽")
    project = await library.running(leader, reviewer)
    for _ in range(project_performance.OTHERS):
        other = await library.running(leader, reviewer)
        line = (await library.lines(other))[0]
        await library.do(leader, project_money.spend, line.id, Bought(line.cents, "场地"))
    activity = await making.activity(leader, project_id=project.id, published_at=city.clock())
    shift = await making.shift(activity, "2026-11-21 09:00", hours=3, quota=2)
    attendance = await propose(making, shift, chen, 90)
    await act(making, leader, hours.confirm, attendance)
    first = (await library.milestones(project))[0]
    await library.do(leader, projects.tick, first.id, done=True)

    async with city.database.read() as session:
        work = making.work(session, leader)
        found = await project_performance.of(work, project.id)
    figures = found.figures
    assert (figures.activities, figures.volunteers, figures.hours) == (1, 1, 1.5)
    assert figures.filled == 0 and figures.recipients is None and figures.spent == 0
    assert figures.in_time == 1
    assert found.others == project_performance.OTHERS and found.middle["spent"] > 0
    assert "hours" not in found.middle

    await wang.say("/menu")
    await wang.sees("今天想做点什么")
    await wang.press_data(f"project:{project.id}")
    await wang.press("项目绩效")
    shown = await wang.sees("服务人次 · 1")
    assert "确认时长 · 1.5" in shown.words and "同领域 3 个项目" in shown.words
    async with desk_of(city, boss) as desk:
        assert "项目绩效" in (await desk.open(f"/projects/{project.id}")).words

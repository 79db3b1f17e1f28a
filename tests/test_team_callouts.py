"""A rescue team called as a team, by its posts; what a drill leaves: the record, what to mend."""

import pytest
from sqlalchemy import select

from models import Callout, DrillTask, Emergency, Need, Person, Response, RoleKind
from services import callouts, crews, declaring, drills, measures
from services.errors import Gone, NotAllowed, Refusal
from tests.city import City, Phone
from tests.emergencies import RALLY, Tongue, word_in
from tests.test_teams import NAME, Team

SAYS = Tongue("zh_Hans")


class Drill:
    """The team with two medics, a swimmer and somebody without a post; commander Chen."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.team = Team(city)
        self.chen: Phone
        self.medics: list[Phone]
        self.swimmer: Phone
        self.other: Phone

    async def prepare(self) -> "Drill":
        await self.team.prepare()
        self.chen = await self.city.coordinator(
            "陈指挥", organisation="zs", role=RoleKind.COMMANDER
        )
        self.medics = [await self.team.member(name, "医疗") for name in ("医一", "医二")]
        # Far beyond the radius of a flood: a team comes from wherever it lives.
        self.swimmer = await self.team.member("水手", "水上救援", latitude=RALLY[0] + 0.5)
        self.other = await self.team.member("新人")
        await self.city.volunteer("路人", emergency_opt_in=True)
        return self

    async def call(self) -> None:
        """From the team's own screen: a drill of a flood, the place, the word."""
        chen = self.chen
        await chen.say("/team")
        await chen.press("召集本队")
        await chen.sees(
            SAYS("A drill or the real thing? A drill says so in the first word of every message.")
        )
        await chen.press(SAYS("Drill: an exercise"))
        await chen.press(SAYS("Flood"))
        await chen.share_location(*RALLY)
        await chen.sees(NAME)
        await chen.press(SAYS("Who can come? (nothing is sent yet)"))
        await self.city.answered()
        shown = chen.screen.words
        for post in ("队长", "医疗", "水上救援", "其他队员"):
            assert post in shown
        await chen.say(word_in(shown))
        await self.city.settle()


@pytest.fixture
async def drill(city: City) -> Drill:
    return await Drill(city).prepare()


async def test_a_commander_calls_a_team_by_its_posts_and_the_drill_leaves_its_record(
    drill: Drill,
) -> None:
    city, team, chen = drill.city, drill.team, drill.chen
    await drill.call()
    for phone in (*drill.medics, drill.swimmer, drill.other):
        await phone.sees("需要你")
    async with city.database.read() as session:
        needs = list(await session.scalars(select(Need).order_by(Need.id)))
        asked = list(await session.scalars(select(Response)))
        work = city.making.work(session)
        posts = [(await callouts.need_named(work, one))["post"] for one in needs]
    assert [post["zh_Hans"] if post else None for post in posts] == [
        "队长", "医疗", "水上救援", "绳索", "驾驶", "通信", None,
    ]  # fmt: skip
    assert {one.wave for one in asked} == {1}
    assert len(asked) == 5
    medic, swimmer = drill.medics[0], drill.swimmer
    for phone in (medic, swimmer):
        await phone.press("15 分钟")
        await phone.sees("等你")
        await phone.press("我到了")
        await phone.share_location(*RALLY)
        await phone.sees("你已到现场")
    await chen.sees("2 人 · 医疗、🚩 中山蓝天救援队")
    await city.forward(minutes=5)
    async with city.database.read() as session:
        assert (await session.scalars(select(Callout.neighbours_asked_at))).one() is None
    await chen.press(SAYS("Stand down"))
    await chen.press(SAYS("Yes, it is over"))
    await city.settle()
    await city.forward(minutes=2)
    leader = team.leader
    await leader.sees("任务结束了。哪些做得好，哪些要整改？")
    await leader.press("查看记录")
    record = await leader.sees("✅ 医一")
    assert "✅ 水手" in record.words and "▫️ 新人" in record.words
    await leader.press(SAYS("Write down a lesson"))
    await leader.say("对讲机电量不足")
    await leader.sees("· 对讲机电量不足")
    await leader.press("记一件整改事项")
    await leader.say("给对讲机配备用电池")
    await leader.press("水手")
    await leader.say("12-01")
    await leader.press("没错")
    await leader.press("保存")
    await leader.sees("🔧 给对讲机配备用电池 · 水手")
    await swimmer.sees("这件事请你整改")
    await leader.say("/team")
    await leader.sees("🔧 给对讲机配备用电池")
    await city.go_to("2026-12-01 09:00")
    await swimmer.sees("整改事项到期了")
    await city.forward(hours=3)
    assert sum("到期了" in one.words for one in swimmer.messages) == 1
    await swimmer.press("已完成")
    await swimmer.sees("已完成，谢谢")
    async with city.database.write() as session:
        work = await team.work(session)
        task = (await session.scalars(select(DrillTask))).one()
        assert task.done_at is not None
        with pytest.raises(Gone):
            await drills.finish(work, task.id)
        with pytest.raises(NotAllowed):
            await drills.record(await team.work(session, swimmer), team.key, task.callout_id or 0)
        found = await measures.count(work, None)
        kept = {name: number for (key, _, name), number in found.numbers.items() if key == team.key}
        assert kept == {"team_drills": 1, "drill_people": 2, "mended": 1}


async def test_a_team_is_asked_by_posts_from_the_preview_and_no_longer_once_it_is_another(
    drill: Drill,
) -> None:
    city, team = drill.city, drill.team
    async with city.database.write() as session:
        chen = await session.get_one(Person, (await city.person(drill.chen)).id)
        work = city.making.work(session, chen)
        said = declaring.Declaration(
            organisation_id=chen.organisation_id or 0, kind=Emergency.FLOOD, drill=True,
            latitude=RALLY[0], longitude=RALLY[1], address="码头",
            needs=[declaring.Wanted(3, team_id=team.key)],
        )  # fmt: skip
        callout = await declaring.declare(work, said)
        _, need = await declaring.draft(work, callout.id)
        for _ in range(2):
            await declaring.by_posts(work, need.id)
        needs = await callouts.needs_of(work, callout)
        assert len(needs) == len(await crews.of_team(work, team.key)) == 7
        seen = (await declaring.preview(work, callout.id))["needs"]
        assert [one["near"] for one in seen] == [0, 2, 1, 0, 0, 0, 2]
        assert not any(one["others"] or one["wider"] for one in seen)
        await declaring.relax(work, needs[2].id, "team_id")
        assert not needs[2].as_team and needs[2].post_id is None
        medic = await session.get_one(Person, (await city.person(drill.medics[0])).id)
        with pytest.raises(NotAllowed):
            await declaring.by_posts(city.making.work(session, medic), need.id)
        town = await city.making.organisation("zs-shiqi")
        other = await declaring.add_need(work, callout, declaring.Wanted(1, team_id=town.id))
        with pytest.raises(Refusal, match="team_nobody"):
            await declaring.by_posts(work, other.id)

"""A rescue team: joining and leaving, posts and what they require, who is ready, equipment."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    EquipmentCheck,
    Organisation,
    Person,
    PersonSkill,
    Qualification,
    QualificationState,
    RoleKind,
    TeamEquipment,
    TeamMember,
)
from services import (
    crews,
    fitness,
    manning,
    personal_data,
    rostering,
    stores,
    teams,
    traits,
)
from services.errors import Gone, NotAllowed, Refusal
from services.rostering import Rota
from tests.city import City, Phone
from tests.emergencies import RALLY

TEAM = "zs-lantian"
NAME = "中山蓝天救援队"


class Team:
    """The sample's rescue team, and Zhou who leads it."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.leader: Phone
        self.key = 0

    async def prepare(self) -> "Team":
        self.key = (await self.city.making.organisation(TEAM)).id
        self.leader = await self.city.coordinator(
            "周队", organisation=TEAM, role=RoleKind.TEAM_LEADER, emergency_opt_in=True
        )
        return self

    async def work(self, session: Any, phone: Phone | None = None) -> Any:
        """As the leader, or whoever has the phone."""
        actor = await self.city.person(phone or self.leader)
        return self.city.making.work(session, await session.get_one(Person, actor.id))

    async def member(self, name: str, post: str = "", **more: Any) -> Phone:
        """Somebody of Shiqi who has joined; on a post with all that it requires."""
        values: dict[str, Any] = {"latitude": RALLY[0], "longitude": RALLY[1], **more}
        phone = await self.city.volunteer(name, emergency_opt_in=True, **values)
        key = (await self.city.person(phone)).id
        async with self.city.database.write() as session:
            row = await teams.invite(await self.work(session), self.key, key, known=True)
            await teams.accept(await self.work(session, phone), row.id)
        if post:
            await self.equip(key, post)
            async with self.city.database.write() as session:
                found = await self.post(session, post)
                await teams.give_post(await self.work(session), self.key, key, found.id)
        await self.city.settle()
        return phone

    async def post(self, session: Any, name: str) -> Any:
        found = await crews.posts_of(self.city.making.work(session), self.key)
        return next(one for one in found if name in one.names.values())

    async def equip(self, person_id: int, post: str, *, days: int = 400) -> None:
        """With the documents and skills of a post; these expire in so many days."""
        async with self.city.database.write() as session:
            found = await self.post(session, post)
            for kind in found.qualifications:
                document = Qualification(
                    person_id=person_id, kind_id=kind, state=QualificationState.VERIFIED,
                    submitted_at=self.city.clock(),
                    expires_on=self.city.clock().date() + timedelta(days=days),
                )  # fmt: skip
                session.add(document)
            session.add_all(PersonSkill(person_id=person_id, skill_id=key) for key in found.skills)
            await session.flush()
            await traits.renew(self.city.making.work(session), [person_id])


@pytest.fixture
async def team(city: City) -> Team:
    return await Team(city).prepare()


async def test_a_member_joins_on_invitation_or_by_a_link_and_leaves_on_their_own(
    team: Team,
) -> None:
    li, wang = await team.city.volunteer("李雷"), await team.city.volunteer("王芳")
    number = (await team.city.person(li)).number or ""
    await team.leader.say("/team")
    await team.leader.sees(NAME)
    await team.leader.press("➕ 邀请")
    await team.leader.say("李雷")
    await team.leader.sees("没有找到“李雷”")
    await team.leader.say(number)
    await team.leader.press("➕ 李雷")
    await team.leader.sees("✉️ 李雷")
    asked = await li.sees("周队 邀请你加入中山蓝天救援队")
    assert "你的注册组织不变" in asked.words
    await li.press("✅ 加入")
    await li.sees("全队 2 人")
    await team.leader.sees("李雷 加入了中山蓝天救援队")
    await team.leader.say("/team")
    await team.leader.press("入队链接")
    shown = await team.leader.sees("打开这个链接就能加入")
    link = next(word for word in shown.words.split() if word.startswith("https://"))
    await wang.open(link)
    await wang.press("✅ 加入")
    await team.leader.sees("王芳 加入了")
    await li.say("/more")
    await li.press("我的救援队")
    await li.sees("队长")
    await li.press("退出本队")
    await li.press("确定退出")
    await li.sees("你已退出中山蓝天救援队")
    await team.leader.sees("李雷 退出了")
    async with team.city.database.write() as session:
        work = await team.work(session)
        everyone = await fitness.of_team(work, await session.get_one(Organisation, team.key))
        assert [one.person.name for one in everyone] == ["周队", "王芳"]
        assert (await team.city.person(li)).organisation_id != team.key
        with pytest.raises(Refusal, match="team_home"):
            await teams.leave(work, team.key)
        with pytest.raises(NotAllowed):
            await fitness.overview(await team.work(session, li), team.key)
        with pytest.raises(Gone):
            key = (await team.city.person(li)).id
            await teams.invite(work, team.key, key, "李雷")
        mine = await personal_data.everything_about(await team.work(session, li))
        assert [row["state"] for row in mine["teams"]] == ["left"]
        await teams.forget_person(work, (await team.city.person(wang)).id)
        left = await session.scalars(select(TeamMember.person_id))
        assert (await team.city.person(wang)).id not in left.all()


async def test_a_post_is_for_who_has_what_it_requires_and_readiness_shows_what_runs_out(
    team: Team,
) -> None:
    city, leader = team.city, team.leader
    li = await team.member("李雷")
    key = (await city.person(li)).id
    await leader.say("/team")
    await leader.press("就绪名单")
    await leader.press("👤 李雷")
    answer = await leader.press("🔒 医疗")
    assert answer is not None and answer.text == "李雷 还不能上“医疗”岗，缺：急救员证、急救。"
    await team.equip(key, "医疗", days=40)
    await leader.say("/team")
    await leader.press("就绪名单")
    await leader.sees("未定岗")
    await leader.press("👤 李雷")
    await leader.press("🧩 医疗")
    await li.sees("你的岗位是“医疗”")
    await leader.press("‹ 返回")
    shown = await leader.sees("🟡 李雷")
    assert "急救员证 2027年1月" in shown.words
    await city.forward(days=41)
    await leader.say("/team")
    shown = await leader.sees("医疗 1/2 · 就绪 0 人")
    await leader.press("就绪名单")
    await leader.sees("⚠️ 李雷 · 急救员证已于 2027年1月")
    await leader.press("提醒补齐（1）")
    asked = await li.sees("周队 请你补齐这些")
    assert "急救员证已于" in asked.words
    await li.press("我的证书资质")
    await li.sees("我的证书")
    await leader.press("提醒补齐（1）")
    await city.catch_up()
    assert not any("请你补齐" in one.words for one in li.messages)
    async with city.database.write() as session:
        person = await session.get_one(Person, key)
        person.paused_until = city.clock().date() + timedelta(days=9)
        person.latitude = None
        found = await fitness.of_team(
            await team.work(session), await session.get_one(Organisation, team.key)
        )
        lacks = [lack.what for one in found if one.person.id == key for lack in one.lacks]
        assert lacks == ["paused", "no_place", "expired"]


async def test_a_leader_makes_and_changes_posts_in_chat(team: Team) -> None:
    leader = team.leader
    await leader.say("/team")
    await leader.press("🧩 岗位")
    await leader.press("新设岗位")
    await leader.say("潜水")
    await leader.press("2")
    await leader.press("水上救援证")
    await leader.press("选好了")
    await leader.sees("必须会哪些技能")
    await leader.press("跳过")
    await leader.sees("每班值班至少要有几位")
    await leader.press("1")
    await leader.sees("需要 2 人 · 📟 每班 1 人")
    await leader.press("保存")
    await leader.sees("潜水 0/2 · 水上救援证 · 📟 每班 1 人")
    await leader.press("✏️ 潜水")
    await leader.press("撤销岗位")
    await leader.sees("中山蓝天救援队 · 岗位")
    async with team.city.database.write() as session:
        work = await team.work(session)
        assert "潜水" not in [one.names.get("") for one in await crews.posts_of(work, team.key)]
        with pytest.raises(Refusal, match="team_post_taken"):
            await teams.add_post(work, team.key, teams.Wanted("医疗", 1))
        with pytest.raises(Refusal, match="term_unknown"):
            await teams.add_post(work, team.key, teams.Wanted("其他", 1, 0, [987654]))


async def test_a_turn_on_duty_without_a_required_post_shows_and_is_told_once(team: Team) -> None:
    city = team.city
    medic, other = await team.member("医生", "医疗"), await team.member("新人")
    leader_key = (await city.person(team.leader)).id
    await team.equip(leader_key, "队长")
    people = [(await city.person(phone)).id for phone in (medic, other)]
    async with city.database.write() as session:
        work = await team.work(session)
        found = await team.post(session, "队长")
        await teams.give_post(work, team.key, leader_key, found.id)
        rota = Rota(
            team.key, [*people, leader_key], city.clock() + timedelta(hours=2), 24 * 60, 2, 1
        )
        await rostering.publish(work, rota)
        gaps = await manning.gaps(work, team.key)
        assert {one.post.names["zh_Hans"] for one in gaps} == {"队长", "医疗"}
    await team.leader.say("/duty")
    await team.leader.press(NAME)
    await team.leader.sees("值班缺岗")
    await city.forward(minutes=10)
    await team.leader.sees("有一班缺岗")
    told = sum("有一班缺岗" in one.words for one in team.leader.messages)
    await city.forward(minutes=10)
    assert sum("有一班缺岗" in one.words for one in team.leader.messages) == told
    await medic.say("/duty")
    await medic.sees(NAME)


async def test_equipment_is_listed_and_what_is_due_for_a_check_is_told_once(team: Team) -> None:
    city, leader = team.city, team.leader
    await leader.say("/team")
    await leader.press("🧰 装备")
    await leader.sees("橡皮艇 × 2 · 仓库 1 号位")
    await leader.press("登记装备")
    await leader.say("破拆工具")
    await leader.press("2")
    await leader.say("救援车")
    await leader.press("维修中")
    await leader.press("每月")
    await leader.press("跳过")
    await leader.press("保存")
    await leader.sees("破拆工具")
    await city.go_to("2027-01-16 09:00")
    told = await leader.sees("这些装备该检查了")
    assert "橡皮艇" in told.words and "破拆工具" in told.words and "发电机" not in told.words
    await city.forward(hours=3)
    assert sum("该检查了" in one.words for one in leader.messages) == 1
    await leader.press("已检查：橡皮艇")
    await leader.sees("下次检查 2027年2月15日")
    async with city.database.write() as session:
        work = await team.work(session)
        boat = next(
            one for one in await stores.of_team(work, team.key) if "橡皮艇" in one.names.values()
        )
        await stores.check(work, boat.id)
        checks = await session.scalars(select(EquipmentCheck.equipment_id))
        assert checks.all() == [boat.id]
        assert await session.get(TeamEquipment, boat.id)
    stranger = await city.coordinator("外人", organisation="zs-dongqu")
    async with city.database.write() as session:
        with pytest.raises(NotAllowed):
            await stores.check(await team.work(session, stranger), boat.id)

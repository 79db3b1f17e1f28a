"""Duty of a rescue team: the rota, reminders, swaps, gaps, handing over, and what it is for."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    AuditEntry,
    Duty,
    Organisation,
    OrganisationKind,
    Person,
    Response,
    RoleKind,
    Swap,
    SwapOffer,
)
from playground.phone import labels
from services import delivery, personal_data, rostering
from services.rostering import Rota
from tests.city import City, Phone
from tests.databases import ON_BOTH
from tests.emergencies import RALLY, Emergency

DAY = 24 * 60


class Team:
    """A rescue team, its leader Zhou and its members."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.leader: Phone
        self.key = 0

    async def prepare(self) -> "Team":
        async with self.city.database.write() as session:
            town = (
                await session.scalars(select(Organisation).where(Organisation.code == "zs-shiqi"))
            ).one()
            team = Organisation(
                code="zs-shiqi-boats",
                kind=OrganisationKind.RESCUE_TEAM,
                parent_id=town.id,
                names={"zh_Hans": "岐江救援队", "en": "Qijiang Rescue"},
            )
            session.add(team)
            await session.flush()
            team.path = f"{town.path}{team.id}."
            self.key = team.id
        self.leader = await self.city.coordinator(
            "周队", organisation="zs-shiqi-boats", role=RoleKind.TEAM_LEADER
        )
        return self

    async def member(self, name: str, **more: Any) -> Phone:
        values = {"organisation": "zs-shiqi-boats", "emergency_opt_in": True, **more}
        return await self.city.volunteer(name, **values)

    async def members(self, *names: str) -> list[Phone]:
        return [await self.member(name) for name in names]

    async def publish(
        self, phones: Sequence[Phone], starts: str = "2026-11-24 08:00", **more: Any
    ) -> None:
        """A rota as the leader would make it: a day each, for a week."""
        people = [await self.city.person(phone) for phone in phones]
        values = {"minutes": DAY, "together": 1, "weeks": 1, **more}
        leader = await self.city.person(self.leader)
        async with self.city.database.write() as session:
            work = self.city.making.work(session, await session.get_one(Person, leader.id))
            rota = Rota(self.key, [one.id for one in people], self.city.clock.at(starts), **values)
            await rostering.publish(work, rota)
        await self.city.settle()

    async def turns(self, phone: Phone | None = None) -> list[Duty]:
        key = (await self.city.person(phone)).id if phone else None
        async with self.city.database.read() as session:
            found = await session.scalars(select(Duty).order_by(Duty.starts_at, Duty.id))
            return [one for one in found if key in (None, one.person_id)]

    async def holder(self, duty_id: int) -> str:
        async with self.city.database.read() as session:
            held = await session.get_one(Duty, duty_id)
            return (await session.get_one(Person, held.person_id)).name

    async def swaps(self) -> list[Swap]:
        async with self.city.database.read() as session:
            return list(await session.scalars(select(Swap).order_by(Swap.id)))

    async def ask_all(self, phone: Phone) -> Swap:
        """The holder asks the whole team to take their first turn."""
        (first, *_) = await self.turns(phone)
        await press(phone, f"duty.ask:{first.id}:0")
        await self.city.settle()
        return (await self.swaps())[-1]

    async def change(self, phone: Phone, **values: Any) -> None:
        """Something about a member's row changes."""
        key = (await self.city.person(phone)).id
        async with self.city.database.write() as session:
            row = await session.get_one(Person, key)
            for name, value in values.items():
                setattr(row, name, value)


async def press(phone: Phone, data: str) -> str | None:
    if not any(message.from_bot for message in phone.messages):
        await phone.say("/menu")
        await phone.sees("今天想做点什么")
    return (await phone.press_data(data, phone.screen.id)).text


async def answer_form(
    leader: Phone, names: Sequence[str], starts: str, length: str, together: str, weeks: str
) -> None:
    """Up to the summary of a rota; a `length` that is no button is typed."""
    await leader.sees("谁来轮值")
    for name in names:
        await leader.press(name)
    await leader.press("选好了")
    await leader.sees("第一班什么时候开始")
    await leader.say(starts)
    await leader.press("对，没错")
    await leader.sees("一班多长")
    await (leader.press(length) if leader.find(length) else leader.say(length))
    await leader.sees("每班几个人")
    await leader.press(together)
    await leader.sees("排几周")
    await leader.say(weeks)


def count(phone: Phone, text: str) -> int:
    return sum(text in message.words for message in phone.messages)


@pytest.fixture
async def team(city: City) -> Team:
    return await Team(city).prepare()


# The rota


async def test_a_leader_makes_a_rota_by_presses_and_everyone_reads_their_dates(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    smith = await team.member("Smith", language="en")
    await team.member("小明", birth_date=date(2012, 1, 1))
    leader = team.leader
    await leader.say("/desk")
    await leader.press("📟 值班")
    await leader.sees("还没有排班")
    await leader.press("🗓 排班")
    await answer_form(leader, ("李雷", "陈晨", "Smith", "小明"), "明天早上8点", "24 小时", "1", "4")
    shown = (await leader.sees("岐江救援队排班表")).words
    assert "11月24日 周二 08:00 – 11月25日 周三 08:00 · 李雷" in shown
    assert "不排 小明：未成年" in shown and "……还有 14 班" in shown
    assert "陈晨：9 班" in shown or "陈晨：10 班" in shown
    assert not await team.turns() and not chen.messages
    await leader.press("发布排班")
    await leader.sees("📟 岐江救援队")
    await team.city.catch_up()
    turns = await team.turns()
    assert len(turns) == 28 and turns[0].person_id == (await team.city.person(li)).id
    mine = (await li.sees("岐江救援队排班表")).words
    assert "你有 10 班" in mine or "你有 9 班" in mine
    assert "11月24日 周二 08:00 –" in mine
    await smith.sees("Rota of Qijiang Rescue")
    await li.press("加进日历")
    await li.wait(lambda message: message.document is not None)
    for phone in (chen, li, smith):
        assert len(phone.messages) <= 2
    await chen.say("/duty")
    overview = (await chen.sees("我的班")).words
    assert "现在没有人值班" in overview and "下一班：李雷" in overview
    async with team.city.database.read() as session:
        noted = await session.scalars(select(AuditEntry.action))
        assert "duty.planned" in set(noted)


async def test_what_cannot_be_laid_out_is_said_where_it_can_be_changed(team: Team) -> None:
    await team.members("陈晨")
    leader = team.leader
    await press(leader, f"duty.plan:{team.key}")
    await answer_form(leader, ["陈晨"], "明天早上8点", "8小时", "2", "4")
    await leader.sees("凑不够每班 2 人")
    assert not any("发布" in label for label in labels(leader.screen))
    await leader.press("✏️ 每班人数")
    await leader.sees("每班几个人")
    await leader.press("1")
    await leader.sees("陈晨：84 班")
    await leader.press("✏️ 每班时长")
    await leader.sees("一班多长")
    await leader.say("1小时")
    await leader.sees("超过 600 班")


async def test_publishing_again_replaces_what_nobody_swapped(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li])
    before = await team.turns()
    swap = await team.ask_all(chen)
    await wang.press("我来值")
    await team.city.settle()
    await team.ask_all(li)
    await team.city.go_to("2026-11-24 09:00")
    leader = team.leader
    await press(leader, f"duty.plan:{team.key}")
    await answer_form(leader, ("王芳", "陈晨"), "2026-11-25 08:00", "24 小时", "1", "1")
    shown = (await leader.sees("已经有排班了")).words
    assert "➕" in shown and "➖" in shown
    await leader.press("发布排班")
    await team.city.catch_up()
    turns = await team.turns()
    assert turns[0].id == before[0].id == swap.duty_id
    li_key = (await team.city.person(li)).id
    assert all(one.person_id != li_key for one in turns)
    assert len({one.starts_at for one in turns}) == len(turns) == 8
    await li.sees("你已经没有班了")
    await wang.sees("队长已经安排好了")
    assert all(swap.duty_id in {one.id for one in turns} for swap in await team.swaps())


async def test_a_swapped_turn_stays_when_the_rota_is_laid_out_anew(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li])
    swap = await team.ask_all(chen)
    await wang.press("我来值")
    await team.city.catch_up()
    await team.publish([li, chen])
    assert await team.holder(swap.duty_id) == "王芳"
    assert len(await team.turns()) == 7
    counts = len(li.messages)
    await team.publish([li, chen])
    assert len(await team.turns()) == 7 and len(li.messages) == counts


# Reminders


async def test_everyone_is_reminded_a_day_and_an_hour_before_and_not_afterwards(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    await team.publish([chen, li], "2026-11-25 14:00")
    await team.city.go_to("2026-11-24 14:01")
    await team.city.catch_up()
    assert count(chen, "快轮到你值班了") == 1 and count(li, "快轮到你值班了") == 0
    await chen.press("我准备好了")
    await chen.sees("已确认准备好")
    await team.city.go_to("2026-11-25 13:30")
    await team.city.catch_up()
    assert count(chen, "马上轮到你值班") == 1
    assert "👍 我准备好了" not in labels(chen.last)
    await team.city.go_to("2026-11-26 15:00")
    assert count(li, "快轮到你值班了") == 0 and count(li, "马上轮到你值班") == 0


# Swaps


@ON_BOTH
async def test_the_first_who_accepts_takes_the_turn_and_the_others_read_it(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li, wang])
    await chen.sees("岐江救援队排班表")
    await chen.press("📟 值班")
    await chen.press("👤 11月24日 周二 08:00")
    await chen.press("🔁 换班")
    await chen.press("队里谁都行")
    await chen.sees("有人答应之前，仍由原来的人值")
    await team.city.settle()
    (swap,) = await team.swaps()
    for phone in (li, wang):
        await phone.sees("陈晨 想换班")
    assert "已经在找人换班了" in (await press(chen, f"duty.ask:{swap.duty_id}:0") or "")
    queries = [
        team.city.telegram.world.press(
            phone.chat, phone.person, phone.screen, f"duty.take:{swap.id}"
        )
        for phone in (li, wang)
    ]
    await asyncio.gather(
        *(phone.answered(query) for phone, query in zip((li, wang), queries, strict=True))
    )
    await team.city.catch_up()
    assert await team.holder(swap.duty_id) == "李雷"
    await wang.sees("这一班由 李雷 来值")
    assert "我来值" not in str(labels(wang.screen))
    await chen.sees("李雷 来值你的班")
    (closed,) = await team.swaps()
    assert closed.taken_by_id == (await team.city.person(li)).id
    leader = team.leader
    await press(leader, f"duty.swaps:{team.key}")
    await leader.sees("陈晨 → 李雷")


async def test_one_colleague_is_asked_says_no_and_another_is_asked(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li, wang])
    (first, *_) = await team.turns(chen)
    await press(chen, f"duty.swap:{first.id}")
    await chen.press("👤 李雷")
    await team.city.catch_up()
    await li.sees("只问了你一个人")
    assert count(wang, "想换班") == 0
    (swap,) = await team.swaps()
    assert "过期" in (await press(wang, f"duty.take:{swap.id}") or "")
    await li.press("✖️")
    await team.city.settle()
    await chen.sees("李雷 接不了你的班")
    assert await team.holder(first.id) == "陈晨"
    await chen.press("问别人")
    await chen.press("👤 王芳")
    await team.city.settle()
    await press(chen, f"duty.unask:{(await team.swaps())[-1].id}")
    await team.city.settle()
    await wang.sees("这一班不用换了")


async def test_two_exchange_turns_and_the_asker_chooses_which(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li])
    swap = await team.ask_all(chen)
    await li.sees("陈晨 想换班")
    await li.press("和我的一班互换")
    answer = await wang.press("和我的一班互换")
    assert answer and "你没有对方能值的班" in (answer.text or "")
    await team.city.settle()
    await chen.sees("李雷 愿意和你互换一班")
    theirs = await team.turns(li)
    await press(chen, f"duty.exchange:{swap.id}:{theirs[1].id}")
    await team.city.settle()
    assert await team.holder(swap.duty_id) == "李雷"
    assert await team.holder(theirs[1].id) == "陈晨"
    await li.sees("你和 陈晨 换好班了")
    await wang.sees("这一班由 李雷 来值")
    assert "晚了一步" in (await press(wang, f"duty.take:{swap.id}") or "")


async def test_nobody_takes_a_turn_beside_one_at_the_same_time(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li, wang], together=2)
    (first, *_) = await team.turns(chen)
    at_once = {one.person_id for one in await team.turns() if one.starts_at == first.starts_at}
    swap = await team.ask_all(chen)
    people = {phone: (await team.city.person(phone)).id for phone in (li, wang)}
    (busy,) = [phone for phone in people if people[phone] in at_once]
    (free,) = [phone for phone in people if people[phone] not in at_once]
    assert count(busy, "想换班") == 0
    assert "排不了" in (await press(busy, f"duty.take:{swap.id}") or "")
    await free.press("我来值")
    await team.city.settle()
    await chen.sees("来值你的班")


async def test_what_nobody_took_stays_with_its_holder_once_it_has_begun(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    await team.publish([chen, li])
    swap = await team.ask_all(chen)
    await li.sees("想换班")
    await team.city.go_to("2026-11-24 08:01")
    await li.sees("没有人接，仍由原来的人值")
    await chen.sees("轮到你值班了")
    assert await team.holder(swap.duty_id) == "陈晨"
    assert "晚了一步" in (await press(li, f"duty.take:{swap.id}") or "")


# Gaps


async def test_a_turn_for_which_nobody_can_be_counted_on_reaches_the_leader_once(
    team: Team,
) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li, wang], "2026-11-25 08:00")
    await team.ask_all(chen)
    assert count(team.leader, "没人能保证到岗") == 0
    await team.change(li, paused_until=date(2026, 12, 24))
    await team.leader.say("/duty")
    shown = (await team.leader.sees("没人能保证到岗")).words
    assert "李雷: 休息中" in shown and "陈晨" not in shown.split("没人能保证到岗")[1]
    await team.city.go_to("2026-11-24 08:30")
    await team.city.catch_up()
    assert count(team.leader, "有一班没人能保证到岗") == 1
    told = await team.leader.sees("陈晨: 想换班，还没人接")
    assert told
    await team.leader.press("安排别人")
    await team.leader.sees("这一班给谁值")
    assert not any("李雷" in label for label in labels(team.leader.screen))
    await team.leader.press("👤 王芳")
    await team.city.catch_up()
    await wang.sees("这一班由队长安排给你")
    await chen.sees("队长安排给 王芳 了")
    assert [swap.closed_at is None for swap in await team.swaps()] == [False]
    await team.change(wang, emergency_opt_in=False)
    await team.city.catch_up()
    await team.leader.sees("王芳: 不再接受应急召集")
    async with team.city.database.read() as session:
        actions = set(await session.scalars(select(AuditEntry.action)))
    assert {"duty.planned", "duty.swap_asked", "duty.assigned"} <= actions


async def test_the_leader_hears_once_that_the_rota_ends(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    await team.publish([chen, li])
    await team.city.go_to("2026-11-28 07:00")
    assert count(team.leader, "就结束了") == 0
    await team.city.forward(hours=2)
    await team.city.catch_up()
    assert count(team.leader, "岐江救援队的排班到 12月1日 周二 08:00 就结束了") == 1
    await team.leader.press("🗓 排班")
    await team.leader.sees("谁来轮值")


# Handing over


async def test_at_the_change_something_is_handed_over_read_and_taken_over(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li, wang])
    await team.city.go_to("2026-11-24 08:01")
    await chen.press("我已接班")
    await chen.sees("你在值班，到")
    await team.city.go_to("2026-11-25 08:01")
    await chen.sees("你的班结束了")
    await li.sees("轮到你值班了")
    await chen.press("写交班")
    await chen.sees("有什么要交给下一班的")
    await chen.say("二号艇的发动机坏了")
    await chen.sees("已交班")
    await team.city.settle()
    note = await li.sees("陈晨 交班给你")
    assert "二号艇的发动机坏了" in note.words
    await press(team.leader, f"duty.team:{team.key}")
    await team.leader.sees("二号艇的发动机坏了 · 还没看")
    await li.press("看过了，我已接班")
    await li.sees("你在值班，到")
    await press(team.leader, f"duty.team:{team.key}")
    await team.leader.sees("二号艇的发动机坏了 · 已看")
    await team.city.go_to("2026-11-26 07:50")
    (turn, *_) = await team.turns(li)
    await press(li, f"duty.nothing:{turn.id}")
    await li.sees("已交班：无特别事项")
    await team.city.go_to("2026-11-26 08:01")
    assert "李雷: 无特别事项" in (await wang.sees("轮到你值班了")).words
    assert count(li, "你的班结束了") == 0


async def test_if_nobody_takes_over_the_one_before_and_the_leader_hear_of_it(team: Team) -> None:
    chen, li, wang = await team.members("陈晨", "李雷", "王芳")
    await team.publish([chen, li, wang])
    await team.city.go_to("2026-11-25 08:01")
    await li.sees("轮到你值班了")
    await team.city.forward(minutes=20)
    assert count(team.leader, "李雷 还没有接班") == 0
    await team.city.forward(minutes=15)
    await team.city.catch_up()
    await chen.sees("请保持电话畅通")
    assert count(team.leader, "李雷 还没有接班") == 1
    await team.leader.press("安排别人")
    await team.leader.press("👤 王芳")
    await team.city.settle()
    await wang.sees("这一班由队长安排给你")
    await team.city.forward(hours=1)
    assert count(team.leader, "王芳 还没有接班") == 1
    await wang.press("我已接班")
    await wang.sees("你在值班，到")
    assert count(wang, "轮到你值班了：") == 0
    assert "过期" in (await press(li, f"duty.over:{(await team.turns(wang))[0].id}") or "")


async def test_after_downtime_nobody_is_asked_about_what_is_long_over(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    await team.publish([chen, li])
    await team.city.go_to("2026-12-03 10:00")
    for phone in (chen, li):
        assert count(phone, "轮到你") == count(phone, "班结束了") == 0


# In emergencies


async def test_who_is_on_duty_is_asked_first_and_stands_in_readiness(city: City) -> None:
    emergency = await Emergency(city).prepare()
    team = await Team(city).prepare()
    await emergency.crowd(20)
    away = await team.member("值守", latitude=RALLY[0] - 0.1, longitude=RALLY[1])
    await team.publish([away], "2026-11-23 11:00", weeks=2)
    await city.go_to("2026-11-23 12:00")
    await emergency.zhou.say("/ready")
    shown = (await emergency.zhou.sees("应急力量")).words
    assert "岐江救援队: 值守" in shown
    await emergency.declare(quota="1")
    async with city.database.read() as session:
        asked = list(await session.scalars(select(Response).order_by(Response.person_id)))
    key = (await city.person(away)).id
    assert {one.person_id: one.probability for one in asked}[key] == pytest.approx(0.7)
    assert len(asked) < 21
    await team.change(away, paused_until=date(2026, 12, 24))
    await press(emergency.zhou, "ready")
    await emergency.zhou.sees("值守: 休息中")


# Who may what


async def test_only_leaders_plan_and_only_the_team_looks(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    stranger = await team.city.volunteer("路人", emergency_opt_in=True)
    other = await team.city.coordinator("外队", organisation="zs-dongqu", role=RoleKind.TEAM_LEADER)
    await team.publish([chen, li])
    (first, *_) = await team.turns(chen)
    swap = await team.ask_all(chen)
    for phone in (stranger, other):
        for data in (
            f"duty.team:{team.key}", f"duty.turn:{first.id}", f"duty.plan:{team.key}",
            f"duty.assign:{first.id}", f"duty.give:{first.id}:{first.person_id}",
            f"duty.swaps:{team.key}", f"duty.take:{swap.id}", f"duty.offer:{swap.id}",
            f"duty.unask:{swap.id}", f"duty.exchange:{swap.id}:{first.id}",
            f"duty.decline:{swap.id}", f"duty.ready:{first.id}", f"duty.swap:{first.id}",
            f"duty.ask:{first.id}:0", f"duty.note:{first.id}", f"duty.nothing:{first.id}",
            f"duty.over:{first.id}",
        ):  # fmt: skip
            answer = await press(phone, data)
            assert answer and ("权限" in answer or "过期" in answer), data
    for data in (f"duty.plan:{team.key}", f"duty.assign:{first.id}", f"duty.swaps:{team.key}"):
        assert "权限" in (await press(li, data) or ""), data
    await press(li, f"duty.team:{team.key}")
    await li.sees("· 陈晨")
    assert await team.holder(first.id) == "陈晨"
    await stranger.say("/duty")
    await stranger.sees("还没有排班")


# One's own data


async def test_ones_duties_are_handed_over_and_what_one_wrote_is_erased(team: Team) -> None:
    chen, li = await team.members("陈晨", "李雷")
    await team.publish([chen, li])
    await team.city.go_to("2026-11-24 09:00")
    (first, *_) = await team.turns(chen)
    await press(chen, f"duty.note:{first.id}")
    await chen.say("钥匙在门卫那里")
    await chen.sees("已交班")
    await team.ask_all(li)
    await chen.sees("李雷 想换班")
    await chen.press("和我的一班互换")
    await team.city.settle()
    key = (await team.city.person(chen)).id
    async with team.city.database.write() as session:
        work = team.city.making.work(session, await session.get_one(Person, key))
        held = delivery.storable(await personal_data.everything_about(work))
        assert held["duties"][0]["note"] == "钥匙在门卫那里"
        assert len(held["duties"]) == len(await team.turns(chen)) and held["duty_swaps"] == []
        await personal_data.forget(work)
    async with team.city.database.read() as session:
        assert not list(await session.scalars(select(SwapOffer)))
        assert not any(await session.scalars(select(Duty.note)))
        assert (await session.get_one(Duty, first.id)).person_id == key
    await team.leader.say("/duty")
    await team.leader.sees("已离队的队员: 已不在队里")


async def test_a_member_of_a_town_finds_the_rota_only_where_they_serve(city: City) -> None:
    """A town's association has duty as well; not everybody of the town belongs to it."""
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晨", emergency_opt_in=True)
    li = await city.volunteer("李雷", emergency_opt_in=True)
    leader, member = await city.person(wang), await city.person(chen)
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, leader.id))
        starts = city.clock() + timedelta(hours=1)
        await rostering.publish(work, Rota(leader.organisation_id, [member.id], starts, DAY, 1, 1))
    await city.settle()
    await chen.say("/menu")
    await chen.press("📟 值班")
    await chen.sees("我的班")
    await li.say("/menu")
    menu = await li.sees("今天想做点什么")
    assert not any("值班" in label for label in labels(menu))
    assert "权限" in (await press(li, f"duty.team:{leader.organisation_id}") or "")

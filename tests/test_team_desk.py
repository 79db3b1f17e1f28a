"""Rescue teams at the console."""

from sqlalchemy import select

from models import Need, RoleKind
from services import crews
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.test_teams import NAME, Team


@ON_SQLITE
async def test_a_coordinator_keeps_a_team_at_the_console(city: City) -> None:
    team = await Team(city).prepare()
    li = await city.volunteer("李雷", emergency_opt_in=True)
    person = await city.person(li)
    boss = await city.coordinator("何主任", organisation="zs", role=RoleKind.ADMINISTRATOR)
    path = f"/teams/{team.key}"
    async with desk_of(city, boss) as desk:
        assert NAME in (await desk.open("/teams")).words
        assert "全队 1 人" in (await desk.open(path)).words
        found = await desk.open(f"{path}?find=李雷")
        assert person.number is not None and person.number in found.words
        sent = await desk.send(f"{path}/invite", {"person": person.id, "find": "李雷"})
        assert "已发出邀请" in sent.words and "✉️ 李雷" in sent.words
        await li.press("✅ 加入")
        await li.sees("全队 2 人")
        post = {"name": "潜水", "wanted": 1, "on_duty": 0}
        assert "潜水" in (await desk.send(f"{path}/posts", post)).words
        again = await desk.send(f"{path}/posts", post)
        assert again.status == 400 and "已经有“潜水”岗了" in again.words
        async with city.database.read() as session:
            posts = await crews.posts_of(city.making.work(session), team.key)
        medic, diver = posts[1], posts[-1]
        give = f"{path}/people/{person.id}/post"
        refused = await desk.send(give, {"post": medic.id})
        assert "缺：急救员证、急救" in refused.words
        assert "保存" in (await desk.send(give, {"post": diver.id})).words
        await li.sees("你的岗位是“潜水”")
        changed = {"name": "潜水员", "wanted": 2, "on_duty": 1}
        assert "潜水员" in (await desk.send(f"/teams/posts/{diver.id}", changed)).words
        thing = {"name": "担架", "count": 2, "place": "车上", "state": "repair", "interval": 30}
        shown = await desk.send(f"{path}/equipment", thing)
        assert "担架 × 2 · 车上 维修中" in shown.words
        asked = await desk.send(f"{path}/ask")
        assert asked.status == 200 and "1" in asked.words
        callout = {
            "mode": "drill", "kind": "flood", "place": "22.525, 113.375", "address": "码头",
            "quota_0": 3, "team_0": team.key,
        }  # fmt: skip
        draft = await desk.send("/callouts/declare", callout)
        assert f"按岗位叫齐{NAME}" in draft.words
        async with city.database.read() as session:
            need = (await session.scalars(select(Need.id))).one()
        posts_of_it = await desk.send(
            draft.path.removeprefix("/console") + "/posts", {"need": need}
        )
        assert "1 人 · 队长" in posts_of_it.words and "2 人 · 潜水员" in posts_of_it.words
        assert "已删除" in (await desk.send(f"{path}/people/{person.id}/remove")).words
        await li.sees("你已不在")

"""Founding, joining, moving and closing organisations, and what each sets for its people."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from models import (
    AuditEntry,
    Callout,
    CalloutState,
    CourseState,
    Delivery,
    Emergency,
    MemberState,
    Need,
    Organisation,
    OrganisationKind,
    OrganisationRequest,
    Person,
    RequestState,
    Response,
    ResponseState,
    Role,
    RoleKind,
    ServiceField,
    Standing,
    Token,
    Webhook,
)
from services import (
    candidates,
    courses,
    delivery,
    organisations,
    quiet_hours,
    reorganising,
    teams,
    tokens,
    webhooks,
)
from services.courses import CoursePlan
from services.delivery import Post
from services.errors import NotAllowed, Refusal
from services.events import Kind
from services.nearest import Found
from services.organisations import Described
from services.tokens import Scope
from services.work import Work
from tests.city import City, Phone
from tests.consoles import desk_of
from tests.making import POLICY, Making
from tests.times import SHANGHAI

ADMINISTRATOR = RoleKind.ADMINISTRATOR


async def administrator(city: City, name: str, organisation: str) -> Phone:
    return await city.coordinator(name, organisation=organisation, role=ADMINISTRATOR)


async def found(city: City, name: str) -> Organisation | None:
    """The organisation of that name, as the database has it now."""
    async with city.database.read() as session:
        rows = await session.scalars(select(Organisation))
        return next((one for one in rows if one.names.get("zh_Hans") == name), None)


def said(name: str) -> Described:
    return Described({"zh_Hans": name}, {}, None, None, False, False)


# Founding and joining


async def test_a_coordinator_founds_a_station_and_the_level_above_agrees(city: City) -> None:
    town = await administrator(city, "何敏", "zs-shiqi")
    wang = await city.coordinator("王强")
    await wang.say("/organisation")
    await wang.sees("石岐街道志愿服务协会")
    await wang.press("新建下级")
    await wang.sees("哪一类组织")
    await wang.press("村（社区）志愿服务站")
    await wang.say("岐江新村志愿服务站")
    await wang.sees("在哪里")
    await wang.press("跳过")
    await wang.say("李建国")
    await wang.sees("怎么联系")
    await wang.press("跳过")
    await wang.sees("给审批人写几句")
    await wang.say("新小区，两百多户")
    await wang.sees("由上级审批")
    await wang.press("提交申请")
    await wang.sees("正在等上级审批")
    card = await town.sees("岐江新村志愿服务站")
    assert "李建国" in card.words and "新小区" in card.words
    assert await found(city, "岐江新村志愿服务站") is None
    await wang.press("全部申请")
    await wang.press("⏳ 岐江新村志愿服务站")
    await wang.sees("等上级审批")
    await town.press("同意")
    await wang.sees("已同意，已办好")
    made = await found(city, "岐江新村志愿服务站")
    assert made is not None and made.kind is OrganisationKind.COMMUNITY_STATION
    assert made.head == "李建国"
    pressed = await town.press_data("reorganise.agree:1")
    assert pressed is not None and "已经有人处理过了" in (pressed.text or "")


async def test_a_school_asks_to_join_and_its_head_administers_it_from_then_on(city: City) -> None:
    town = await administrator(city, "何敏", "zs-shiqi")
    chen = await city.volunteer("陈晓丽", organisation="zs-xiaolan")
    await chen.say("/more")
    await chen.press("组织申请加入")
    await chen.press("石岐街道")
    await chen.press("学校")
    await chen.say("石岐实验学校")
    await chen.press("跳过")
    await chen.say("陈晓丽")
    await chen.say("88880000")
    await chen.sees("给审批人写几句")
    await chen.press("跳过")
    await chen.press("提交申请")
    await chen.sees("正在等上级审批")
    await town.sees("石岐实验学校")
    await town.press("不通过")
    await town.say("请先补交办学许可证")
    await chen.sees("未同意：请先补交办学许可证")
    assert await found(city, "石岐实验学校") is None
    person = await city.person(chen)
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, person.id))
        below = await city.making.organisation("zs-shiqi")
        outcome = await reorganising.join(
            work, below.id, OrganisationKind.SCHOOL, said("石岐实验学校")
        )
        assert outcome.request is not None
        with pytest.raises(Refusal, match="reorganisation_waits"):
            await reorganising.join(work, below.id, OrganisationKind.SCHOOL, said("又一所"))
        with pytest.raises(Refusal, match="organisation_kind"):
            await reorganising.join(work, below.id, OrganisationKind.RESCUE_TEAM, said("队"))
    await town.say("/organisation")
    await town.press("申请 (1)")
    await town.press("🤝 石岐实验学校")
    await town.press("同意")
    await chen.sees("您现在是它的管理员")
    made = await found(city, "石岐实验学校")
    async with city.database.read() as session:
        (role,) = await session.scalars(select(Role).where(Role.person_id == person.id))
    assert made is not None and role.organisation_id == made.id
    await chen.say("/organisation")
    await chen.sees("石岐实验学校")


async def test_whoever_manages_the_level_above_acts_at_once_where_the_kind_may_stand(
    city: City,
) -> None:
    town = await administrator(city, "何敏", "zs-shiqi")
    await town.say("/organisation")
    await town.press("新建服务基地")
    await town.say("逸仙湖服务基地")
    await town.press("跳过")
    await town.say("何敏")
    await town.sees("怎么联系")
    await town.press("跳过")
    await town.sees("给审批人写几句")
    await town.press("跳过")
    await town.sees("提交后立即成立")
    await town.press("✅ 成立")
    await town.sees("逸仙湖服务基地")
    base = await found(city, "逸仙湖服务基地")
    assert base is not None and organisations.kinds_below(base.kind) == []
    for kind in OrganisationKind:
        below = organisations.kinds_below(kind)
        assert OrganisationKind.FEDERATION not in below
        is_top = kind is OrganisationKind.FEDERATION
        assert (OrganisationKind.TOWN_ASSOCIATION in below) == is_top
    assert set(organisations.kinds_below(OrganisationKind.FEDERATION)) == set(OrganisationKind) - {
        OrganisationKind.FEDERATION
    }


# Moving


async def test_a_station_is_moved_once_both_levels_agree_and_nobody_is_lost(city: City) -> None:
    station = await administrator(city, "李雷", "zs-shiqi-taiping")
    old = await administrator(city, "何敏", "zs-shiqi")
    new = await administrator(city, "周涛", "zs-xiaolan")
    await city.making.crowd(3, "zs-shiqi-taiping")
    await station.say("/organisation")
    await station.press("迁移")
    await station.say("小榄")
    await station.press("小榄镇志愿服务协会")
    await station.say("行政区划调整")
    await station.sees("涉及 4 名志愿者")
    await station.press("✅ 迁移")
    await station.sees("正在等上级审批")
    await new.sees("组织迁移")
    await new.press("同意")
    await new.sees("另一级同意后就办好")
    pressed = await new.press_data("reorganise.agree:1")
    assert pressed is not None and "还差另一级" in (pressed.text or "")
    taiping = await city.making.organisation("zs-shiqi-taiping")
    assert taiping.path.startswith((await city.making.organisation("zs-shiqi")).path)
    assert (answer := await old.press("同意")) is None or not answer.text, answer
    await station.sees("已同意，已办好")
    taiping = await city.making.organisation("zs-shiqi-taiping")
    town = await city.making.organisation("zs-xiaolan")
    assert taiping.path == f"{town.path}{taiping.id}." and taiping.parent_id == town.id
    await new.sees("现在归")
    await new.say("/organisation")
    await new.sees("志愿者 5 人")
    await old.say("/organisation")
    await old.sees("志愿者 1 人")


async def test_a_whole_subtree_moves_in_one_step_and_never_into_itself(city: City) -> None:
    root = await city.making.coordinator("何敏", organisation="zs", role=ADMINISTRATOR)
    town = await city.making.organisation("zs-shiqi")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, root.id))
        department = await organisations.create(
            work, town.id, OrganisationKind.DEPARTMENT, said("民政办")
        )
        school = await organisations.create(
            work, department.id, OrganisationKind.SCHOOL, said("小学")
        )
        base = await organisations.create(
            work, school.id, OrganisationKind.SERVICE_BASE, said("基地")
        )
        for below, why in (
            (school, "reorganisation_nowhere"),
            (department, "reorganisation_nowhere"),
            (base, "reorganisation_nowhere"),
            (town, "reorganisation_same"),
        ):
            with pytest.raises(Refusal, match=why):
                await reorganising.transfer(work, department.id, below.id)
        xiaolan = await city.making.organisation("zs-xiaolan")
        moved = (await reorganising.transfer(work, department.id, xiaolan.id)).organisation
        assert moved is not None
        paths = [one.path for one in (moved, school, base)]
        start = f"{xiaolan.path}{department.id}."
        assert paths == [start, f"{start}{school.id}.", f"{start}{school.id}.{base.id}."]
        with pytest.raises(Refusal, match="organisation_kind"):
            await reorganising.transfer(work, town.id, xiaolan.id)


async def test_nobody_decides_on_what_they_asked_for_nor_without_the_right(city: City) -> None:
    asks = await city.making.coordinator("王强")
    neighbour = await city.making.coordinator("周涛", organisation="zs-xiaolan", role=ADMINISTRATOR)
    town = await city.making.organisation("zs-shiqi")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, asks.id))
        outcome = await reorganising.found(work, town.id, OrganisationKind.SCHOOL, said("中学"))
        assert outcome.request is not None
        key = outcome.request.id
        session.add(
            Role(
                person_id=asks.id,
                organisation_id=town.id,
                kind=ADMINISTRATOR,
                granted_at=city.clock(),
            )
        )
        await session.flush()
        with pytest.raises(Refusal, match="reorganisation_own"):
            await reorganising.agree(work, key)
        assert await reorganising.waiting(work) == 0
        stranger = city.making.work(session, await session.get_one(Person, neighbour.id))
        with pytest.raises(NotAllowed):
            await reorganising.agree(stranger, key)
        with pytest.raises(NotAllowed):
            await reorganising.withdraw(stranger, key)
        await reorganising.withdraw(work, key)
        request = await session.get_one(OrganisationRequest, key)
        assert request.state is RequestState.WITHDRAWN


# Closing


async def test_a_station_is_closed_when_it_is_free_and_its_people_are_told_where_they_belong(
    city: City,
) -> None:
    station = await administrator(city, "李雷", "zs-shiqi-taiping")
    town = await administrator(city, "何敏", "zs-shiqi")
    chen = await city.volunteer("陈晓丽", organisation="zs-shiqi-taiping")
    lead = await city.person(station)
    activity = await city.making.activity(lead)
    await city.making.shift(activity)
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, lead.id))
        home = lead.organisation_id
        token, _ = await tokens.make(work, home, "通讯录", [Scope.STATISTICS_READ], 30)
        hook, _ = await webhooks.make(
            work,
            home,
            "通讯录",
            "https://example.org/in",
            [Kind.VOLUNTEER_REGISTERED],
            private=False,
        )
    await station.say("/organisation")
    await station.press("撤销")
    await station.sees("还有没结束的活动")
    await city.go_to("2026-11-29 10:00")
    await station.say("/organisation")
    await station.press("撤销")
    await station.sees("成员转到哪里")
    await station.press("民生社区志愿服务站")
    await station.press("跳过")
    await station.press("⛔️ 撤销")
    await town.sees("组织撤销")
    await town.press("同意")
    await city.settle()
    await chen.sees("您今后归属民生社区志愿服务站")
    await station.sees("任职随之结束")
    minsheng = await city.making.organisation("zs-shiqi-minsheng")
    assert (await city.person(chen)).organisation_id == minsheng.id
    closed = await city.making.organisation("zs-shiqi-taiping")
    async with city.database.write() as session:
        roles = select(Role).where(Role.organisation_id == closed.id)
        assert not (await session.scalars(roles)).all()
        assert (await session.get_one(Token, token.id)).revoked_at == city.clock()
        assert not (await session.get_one(Webhook, hook.id)).enabled
        work = city.making.work(
            session, await session.get_one(Person, (await city.person(town)).id)
        )
        with pytest.raises(Refusal, match="organisation_closed"):
            await organisations.require_open(work, closed.id)
        offered = await organisations.of_kind(session, OrganisationKind.COMMUNITY_STATION)
        assert closed.id not in {one.id for one in offered}
        root = await city.making.organisation("zs")
        with pytest.raises(Refusal, match="organisation_closed"):
            await organisations.add_below(work, closed, OrganisationKind.SCHOOL, said("中学"))
        with pytest.raises(NotAllowed):
            await reorganising.close(work, root.id, minsheng.id)
    assert closed.closed_at == city.clock()


# What each sets


async def test_settings_are_changed_in_chat_and_hold_for_all_below(city: City) -> None:
    town = await administrator(city, "何敏", "zs-shiqi")
    await town.say("/organisation")
    await town.press("设置")
    await town.sees("免打扰时段: 与上级一致")
    await town.press("✏️ 免打扰时段")
    await town.say("20:00-09:30")
    await town.sees("20:00–09:30")
    await town.press("✏️ 间隔")
    await town.press("24小时")
    await town.press("✏️ 审核")
    await town.press("由协调员审核")
    await town.press("✏️ 负责人")
    await town.say("何敏")
    shown = await town.sees("负责人: 何敏")
    assert "由协调员审核" in shown.words
    saved = await city.making.organisation("zs-shiqi")
    assert (saved.quiet_from, saved.quiet_until, saved.rest_minutes) == (1200, 570, 1440)
    assert saved.approves_registrations and saved.names["en"] and saved.latitude
    await town.press("✏️ 免打扰时段")
    await town.press("跳过")
    await town.sees("免打扰时段: 与上级一致")


async def test_quiet_hours_of_the_nearest_above_hold_for_its_people_instead_of_the_citys(
    city: City,
) -> None:
    """At 9:00 the city is awake; Shiqi sleeps until 9:30, its station Taiping does not."""
    wang = await city.making.coordinator("王强", organisation="zs", role=ADMINISTRATOR)
    people = {
        code: (await city.making.volunteer(code, organisation=code)).id
        for code in ("zs-shiqi", "zs-shiqi-taiping", "zs-shiqi-minsheng", "zs-xiaolan")
    }
    city.clock.go_to("2026-11-24 09:00")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, wang.id))
        for code, quiet in (("zs-shiqi", (1200, 570)), ("zs-shiqi-taiping", (0, 0))):
            one = await city.making.organisation(code)
            set_so = replace(organisations.described_as(one), quiet=quiet, rest_minutes=60)
            await organisations.change(work, one.id, set_so)
        post = await quiet_hours.kept(work, Post("reorganising/role_ended", {}, kind="notice"))
        await delivery.tell(work, post, people.values())
        await delivery.tell_each(work, post, {key: {} for key in people.values()})
        due: dict[int | None, set[str]] = {}
        for person, at in await session.execute(select(Delivery.person_id, Delivery.due_at)):
            due.setdefault(person, set()).add(at.astimezone(SHANGHAI).strftime("%H:%M"))
        assert {code: due[key] for code, key in people.items()} == {
            "zs-shiqi": {"09:30"},
            "zs-shiqi-taiping": {"09:00"},
            "zs-shiqi-minsheng": {"09:30"},
            "zs-xiaolan": {"09:00"},
        }
        town = await city.making.organisation("zs-shiqi")
        hours = await quiet_hours.known(work)
        assert hours.quiet_below("1.") == [(town.path, hours.after(town.path, work.now))]
        with pytest.raises(Refusal, match="form_number_range"):
            await organisations.change(
                work, town.id, replace(organisations.described_as(town), rest_minutes=10**6)
            )


async def test_the_rest_between_two_call_outs_is_the_nearest_organisations(city: City) -> None:
    """Both were called two hours ago; only Shiqi lets its people rest for one hour."""
    wang = await city.making.coordinator("王强", organisation="zs", role=ADMINISTRATOR)
    rested = await city.making.volunteer("甲", organisation="zs-shiqi-taiping")
    tired = await city.making.volunteer("乙", organisation="zs-xiaolan")
    home = await city.making.organisation("zs")
    town = await city.making.organisation("zs-shiqi")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, wang.id))
        said_of_town = replace(organisations.described_as(town), rest_minutes=60)
        await organisations.change(work, town.id, said_of_town)
        callout = Callout(
            organisation_id=home.id, commander_id=wang.id, kind=Emergency.FLOOD, drill=False,
            state=CalloutState.ENDED, word="1234", address="广场", created_at=work.now,
            latitude=22.5, longitude=113.4, radius=5000.0,
        )  # fmt: skip
        session.add(callout)
        await session.flush()
        need = Need(
            callout_id=callout.id, quota=1, skills=[], qualifications=[], languages=[], equipment=[]
        )
        session.add(need)
        await session.flush()
        session.add_all(
            Response(
                callout_id=callout.id,
                need_id=need.id,
                person_id=one.id,
                state=ResponseState.CANNOT,
                asked_at=work.now - timedelta(hours=2),
                answered_at=work.now,
                wave=1,
                metres=500.0,
                probability=0.4,
            )
            for one in (rested, tired)
        )
        await session.flush()
        found = [Found(one.id, 500.0) for one in (rested, tired)]
        first, second = await candidates.as_candidates(work, callout, found)
        assert first.p == pytest.approx(second.p / candidates.RESTED)


async def test_staff_address_rally_points_and_bases_are_reached_from_an_organisations_screen(
    city: City,
) -> None:
    town = await administrator(city, "何敏", "zs-shiqi")
    await town.say("/organisation")
    await town.press("集结点")
    await town.press("添加集结点")
    await town.say("体育场北门")
    await town.share_location(22.53, 113.38)
    await town.sees("怎么进、钥匙在谁那儿")
    await town.say("保安有钥匙")
    await town.sees("保安有钥匙")
    await town.press("✖️ 体育场北门")
    await town.sees("应急时大家到这里定好的地点集合")
    await town.press("返回")
    await town.press("任职人员")
    await town.sees("何敏")
    await town.say("/organisation")
    await town.press("设置")
    await town.press("位置")
    await town.share_location(22.55, 113.39)
    await town.sees("已保存")
    moved = await city.making.organisation("zs-shiqi")
    assert (moved.latitude, moved.longitude) == (22.55, 113.39)


async def test_the_desk_shows_what_waits_and_moves_and_closes(city: City) -> None:
    root = await administrator(city, "何敏", "zs")
    wang = await city.making.coordinator("王强")
    town = await city.making.organisation("zs-shiqi")
    taiping = await city.making.organisation("zs-shiqi-taiping")
    minsheng = await city.making.organisation("zs-shiqi-minsheng")
    xiaolan = await city.making.organisation("zs-xiaolan")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, wang.id))
        asked = await reorganising.found(
            work, town.id, OrganisationKind.ENTERPRISE, said("石岐电子厂")
        )
        assert asked.request is not None
        key = asked.request.id
    async with desk_of(city, root) as desk:
        assert "组织变动申请" in (await desk.open("")).words
        assert "申请 1" in (await desk.open("/organisations")).words
        assert "石岐电子厂" in (await desk.open("/organisations/requests")).words
        await desk.open(f"/organisations/requests/{key}")
        assert "已同意" in (await desk.send(f"/organisations/requests/{key}/agree")).words
        assert (await desk.send(f"/organisations/requests/{key}/agree")).status == 400
        path = f"/organisations/{taiping.id}"
        assert "小榄镇" in (await desk.open(f"{path}/change")).words
        same = await desk.send(f"{path}/transfer", {"below": str(town.id)})
        assert same.status == 400 and "本来就在这里" in same.words
        await desk.send(f"{path}/transfer", {"below": str(xiaolan.id)})
        assert (await city.making.organisation("zs-shiqi-taiping")).parent_id == xiaolan.id
        path = f"/organisations/{minsheng.id}"
        closed = await desk.send(f"{path}/close", {"to": str(town.id), "words": "合并"})
        assert "撤销" in closed.words
        tree = (await desk.open("/organisations")).words
        assert "民生社区志愿服务站 已撤销" in tree
        quiet = {"name_zh_Hans": "石岐", "quiet_from": "21:30", "quiet_until": "07:00", "rest": "x"}
        refused = await desk.send(f"/organisations/{town.id}/settings", quiet)
        assert refused.status == 400 and 'value="21:30"' in refused.text
        await desk.send(f"/organisations/{town.id}/settings", {**quiet, "rest": "1.5"})
    saved = await city.making.organisation("zs-shiqi")
    assert (saved.quiet_from, saved.quiet_until, saved.rest_minutes) == (1290, 420, 90)


async def test_the_people_of_a_closed_one_move_on_in_portions_and_each_is_told_once(
    making: Making,
) -> None:
    lead = await making.coordinator("何敏", organisation="zs-shiqi", role=ADMINISTRATOR)
    taiping = await making.organisation("zs-shiqi-taiping")
    minsheng = await making.organisation("zs-shiqi-minsheng")
    chen = await making.volunteer(organisation="zs-shiqi-taiping")
    await making.crowd(reorganising.PORTION, "zs-shiqi-taiping")
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, lead.id))
        await reorganising.close(work, taiping.id, minsheng.id)
        assert (await session.get_one(Person, chen.id)).organisation_id == taiping.id
    done = []
    for _ in range(3):
        async with making.database.write() as session:
            work = making.work(session)
            done.append(await reorganising.move_people(work, await reorganising.left_behind(work)))
    assert done == [reorganising.PORTION, 1, 0]
    async with making.database.read() as session:
        assert (await session.get_one(Person, chen.id)).organisation_id == minsheng.id
        told = await session.scalars(select(Delivery).where(Delivery.person_id == chen.id))
        assert len(told.all()) == 1


async def test_whoever_asks_to_join_does_so_a_few_times_a_day_and_leaves_no_name_behind(
    making: Making,
) -> None:
    lead = await making.coordinator("何敏", organisation="zs-shiqi", role=ADMINISTRATOR)
    chen = await making.volunteer(organisation="zs-xiaolan")
    town = await making.organisation("zs-shiqi")
    headed = replace(said("小学"), head="李建国", contact="88880000")
    async with making.database.write() as session:
        person = await session.get_one(Person, chen.id)
        work = making.work(session, person)
        for _ in range(POLICY.joins_per_day):
            asked = (
                await reorganising.join(work, town.id, OrganisationKind.SCHOOL, headed)
            ).request
            assert asked is not None
            await reorganising.withdraw(work, asked.id)
            assert asked.said["head"] == asked.said["contact"] == ""
        with pytest.raises(Refusal, match="reorganisation_too_many"):
            await reorganising.join(work, town.id, OrganisationKind.SCHOOL, headed)
    making.clock.forward(days=2)
    async with making.database.write() as session:
        person = await session.get_one(Person, chen.id)
        work = making.work(session, person)
        asked = (await reorganising.join(work, town.id, OrganisationKind.SCHOOL, headed)).request
        assert asked is not None
        agreeing = making.work(session, await session.get_one(Person, lead.id))
        await reorganising.agree(agreeing, asked.id)
        granted = select(AuditEntry.organisation_id).where(AuditEntry.action == "role.granted")
        assert await session.scalar(granted) == asked.organisation_id
        assert asked.said["head"] == asked.said["contact"] == ""
        assert (await organisations.seen(agreeing, asked.organisation_id or 0)).head == "李建国"
        asked = (await reorganising.join(work, town.id, OrganisationKind.SCHOOL, headed)).request
        assert asked is not None
        person.standing = Standing.WITHDRAWN
        with pytest.raises(Refusal, match="reorganisation_asker"):
            await reorganising.agree(agreeing, asked.id)


async def test_who_was_removed_or_whose_team_was_closed_comes_back_by_no_link(
    making: Making,
) -> None:
    lead = await making.coordinator("何敏", organisation="zs-shiqi", role=ADMINISTRATOR)
    chen = await making.volunteer()
    town = await making.organisation("zs-shiqi")
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, lead.id))
        team = await organisations.create(
            work, town.id, OrganisationKind.RESCUE_TEAM, said("水上救援队")
        )
        code, _ = await teams.new_link(work, team.id)
        joining = making.work(session, await session.get_one(Person, chen.id))
        member = await teams.join_by_link(joining, code)
        await teams.remove(work, team.id, chen.id)
        with pytest.raises(Refusal, match="team_link"):
            await teams.join_by_link(joining, code)
        code, _ = await teams.new_link(work, team.id)
        member = await teams.join_by_link(joining, code)
        course = await courses.draft(work, team.id, await course_plan(work))
        course.state = CourseState.OPEN
        assert await reorganising.still_open(work, team) == ["courses"]
        course.state = CourseState.CLOSED
        await reorganising.close(work, team.id, town.id)
        await session.refresh(member)
        assert member.state is MemberState.LEFT
        with pytest.raises(Refusal, match="team_link"):
            await teams.join_by_link(joining, code)
        with pytest.raises(Refusal, match="organisation_closed"):
            await courses.draft(work, team.id, await course_plan(work))


async def course_plan(work: Work) -> CoursePlan:
    field = await work.session.scalar(select(ServiceField.id).limit(1))
    return CoursePlan(field_id=field or 0, title="急救", description="学习", online=True, quiz=True)

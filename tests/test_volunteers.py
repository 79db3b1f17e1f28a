"""Coordinators find volunteers on the console and see to them, one by one and many at once."""

import io
from datetime import date, timedelta
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from models import (
    AuditEntry,
    Broadcast,
    BroadcastState,
    Message,
    Person,
    QualificationKind,
    Role,
    RoleKind,
    Standing,
)
from services import audiences, broadcasts, many, qualifications, signup
from services.directory import Wanted
from services.errors import NotAllowed, Refusal
from services.many import Act, Chosen, Order
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import desk_of, screen_of
from tests.databases import ON_POSTGRESQL
from tests.making import Making
from tests.pictures import photo
from web.console import looks
from web.limits import Rate

PRIVATE = {"email": "chen@example.org", "id_number": "110101199003074610"}


async def applicant(making: Making, name: str = "陈晓丽", **more: Any) -> Person:
    waiting = {"standing": Standing.AWAITING_APPROVAL, "number": None, "registered_at": None}
    search = signup.search_of(name)
    return await making.volunteer(name, name_search=search, **{**waiting, **more})


async def audited(city: City, action: str) -> list[AuditEntry]:
    async with city.database.read() as session:
        found = await session.scalars(select(AuditEntry).where(AuditEntry.action == action))
        return list(found)


# Finding


@ON_POSTGRESQL
async def test_somebody_is_found_on_a_phone_and_their_number_shown_on_a_press(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.making.volunteer("陈晓丽", name_search=signup.search_of("陈晓丽"))
    await city.making.crowd(60)
    async with screen_of(city, wang, "/volunteers", PHONE) as page:
        await page.emulate_media(color_scheme="dark")
        await page.get_by_label("姓名、拼音").fill("cxl")
        await page.keyboard.press("Enter")
        await page.get_by_text("找到 1 人").wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page) == []
        await page.get_by_role("link", name="陈晓丽").click()
        await page.get_by_role("heading", name="陈晓丽").wait_for()
        assert await page.get_by_text(chen.phone or "").count() == 0
        await page.get_by_role("button", name="查看手机号").click()
        await page.get_by_role("link", name=chen.phone).wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page) == []
    (looked,) = await audited(city, "person.looked_at")
    assert (looked.subject, looked.details) == (f"person:{chen.id}", {"field": "phone"})


async def test_the_list_pages_and_a_search_is_kept_under_a_name(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.making.crowd(60)
    await applicant(city.making)
    async with desk_of(city, wang) as desk:
        first = await desk.open("/volunteers")
        assert "找到 62 人" in first.words and "志愿者59" in first.words
        second = await desk.open("/volunteers?page=2")
        assert "王强" in second.words and "志愿者59" not in second.words
        narrow = await desk.open("/volunteers?status=approval&typed=chen&telegram=rubbish")
        assert "找到 1 人" in narrow.words and "陈晓丽" in narrow.words
        unnamed = await desk.send("/volunteers/filters", {"typed": "chen", "name": " "})
        assert unnamed.status == 400 and "名称请用" in unnamed.words
        kept = {"typed": "chen", "status": "approval", "name": "新来的"}
        saved = await desk.send("/volunteers/filters", kept)
        assert "搜索已保存" in saved.words and "找到 1 人" in saved.words
        link = saved.text.partition("/console/volunteers/filters/")[2].partition('"')[0]
        assert "找到 1 人" in (await desk.open(f"/volunteers/filters/{link}")).words
        renamed = await desk.send(f"/volunteers/filters/{link}/rename", {"name": "待审"})
        assert "待审" in renamed.words
        assert "还没有" in (await desk.send(f"/volunteers/filters/{link}/forget")).words


async def test_what_is_private_takes_the_right_to_see_it(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOKS", Rate("reveals", most=5, seconds=3600.0))
    wang = await city.coordinator("王强")
    boss = await city.coordinator("何市长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    home = {"latitude": 22.51234, "longitude": 113.41234}
    chen = await city.making.volunteer("陈晓丽", home=home, id_number_hash="h", **PRIVATE)
    path = f"/volunteers/{chen.id}"
    async with desk_of(city, wang) as desk:
        shown = await desk.open(path)
        assert "查看邮箱" in shown.words and "查看证件号" not in shown.words
        for value in (chen.phone, *PRIVATE.values(), "22.51234"):
            assert str(value) not in shown.text
        revealed = await desk.send(path + "/reveal", {"name": "email"})
        assert "chen@example.org" in revealed.words and chen.phone not in revealed.text
        assert (await desk.send(path + "/reveal", {"name": "id_number"})).status == 403
        assert (await desk.send(path + "/reveal", {"name": "name_search"})).status == 404
        for _ in range(3):
            last = await desk.send(path + "/reveal", {"name": "email"})
        assert last.status == 429, "nobody copies a town by pressing"
    async with desk_of(city, boss) as desk:
        await desk.open(path)
        for name, value in (("id_number", PRIVATE["id_number"]), ("home", "22.51234")):
            assert value in (await desk.send(path + "/reveal", {"name": name})).words
    fields = [entry.details["field"] for entry in await audited(city, "person.looked_at")]
    assert fields == ["email"] * 3 + ["id_number", "home"]


# One by one


async def test_a_registration_is_decided_and_the_volunteer_told(city: City) -> None:
    wang = await city.coordinator("王强")
    phones = {name: city.stranger(name) for name in ("陈晓丽", "李敏")}
    chen, li = [
        await applicant(city.making, name, telegram_id=one.id) for name, one in phones.items()
    ]
    for one in phones.values():
        one.chat.started = True
    async with desk_of(city, wang) as desk:
        listed = await desk.open("/approvals")
        assert "陈晓丽" in listed.words and "李敏" in listed.words
        again = await desk.send(f"/approvals/{li.id}/refuse", {"reason": "", "person": li.id})
        assert again.status == 400 and "理由" in again.words
        await desk.send(f"/approvals/{li.id}/refuse", {"reason": "资料不全"})
        done = await desk.send(f"/volunteers/{chen.id}/approve")
        assert "已通过" in done.words and "在册" in done.words
        late = await desk.send(f"/volunteers/{chen.id}/approve")
        assert late.status == 400
    await city.settle()
    await phones["陈晓丽"].sees("欢迎")
    await phones["李敏"].sees("资料不全")


async def test_a_break_a_transfer_and_a_letter_reach_the_volunteer(city: City) -> None:
    boss = await city.coordinator("何市长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    chen = await city.volunteer("陈晓丽")
    person = await city.person(chen)
    path = f"/volunteers/{person.id}"
    xiaolan = await city.making.organisation("zs-xiaolan")
    until = city.clock().date() + timedelta(days=9)
    async with desk_of(city, boss) as desk:
        assert (await desk.send(path + "/pause", {"until": "soon"})).status == 400
        await desk.send(path + "/pause", {"until": until.isoformat()})
        await city.settle()
        await chen.sees("设置休息")
        await desk.send(path + "/resume")
        assert (await desk.send(path + "/resume")).status == 400, "it is over"
        assert (await desk.send(path + "/transfer", {"organisation": xiaolan.id})).status == 200
        await desk.send(path + "/write", {"text": "周六 <b>见</b>？"})
        await city.settle()
        await chen.sees("小榄")
        letter = await chen.sees("周六 <b>见</b>？")
        assert "何市长" in letter.words
        long = await desk.send(path + "/write", {"text": "长" * 1001})
        assert long.status == 400 and "长" * 1001 in long.text
        await city.making.mute(person, "notice")
        refused = await desk.send(path + "/write", {"text": "再见"})
        assert refused.status == 400 and "不接收通知" in refused.words
    moved = await audited(city, "person.transferred")
    assert {entry.organisation_id for entry in moved} == {person.organisation_id, xiaolan.id}
    assert (await city.person(chen)).organisation_id == xiaolan.id


async def test_a_coordinator_transfers_only_where_they_have_a_say(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.making.volunteer("陈晓丽")
    station = await city.making.organisation("zs-shiqi-taiping")
    xiaolan = await city.making.organisation("zs-xiaolan")
    path = f"/volunteers/{chen.id}/transfer"
    async with desk_of(city, wang) as desk:
        await desk.open(f"/volunteers/{chen.id}")
        assert (await desk.send(path, {"organisation": xiaolan.id})).status == 403
        assert (await desk.send(path, {"organisation": station.id})).status == 200


async def test_roles_are_given_and_taken_back_on_the_volunteers_page(city: City) -> None:
    boss = await city.coordinator("何市长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    chen = await city.volunteer("陈晓丽")
    person = await city.person(chen)
    path = f"/volunteers/{person.id}/roles"
    async with desk_of(city, boss) as desk:
        await desk.open(f"/volunteers/{person.id}")
        wanted = {"organisation": person.organisation_id, "kind": "coordinator"}
        assert (await desk.send(path, {"kind": "coordinator"})).status == 400
        assert (await desk.send(path, {**wanted, "kind": "king"})).status == 400
        given = await desk.send(path, wanted)
        assert "协调员" in given.words
        async with city.database.read() as session:
            (role,) = await session.scalars(select(Role.id).where(Role.person_id == person.id))
        await desk.send(path + "/revoke", {"role": role})
    async with city.database.read() as session:
        assert await session.scalar(select(Role.id).where(Role.person_id == person.id)) is None


# Documents


async def test_a_document_is_looked_at_and_verified(city: City) -> None:
    wang = await city.coordinator("王强")
    other = await city.coordinator("何小榄", organisation="zs-xiaolan")
    chen = await city.volunteer("陈晓丽")
    person = await city.person(chen)
    file = city.telegram.world.store("photo", photo(), "photo.jpg", "image/jpeg")
    file.known_to.add(city.bot.id)
    async with city.database.write() as session:
        usual = select(QualificationKind.id).where(~QualificationKind.medical)
        kind = (await session.scalars(usual.limit(1))).one()
        work = city.making.work(session, await session.get_one(Person, person.id))
        document = await qualifications.hand_in(work, kind, file.id, date(2027, 5, 1))
    path = f"/documents/{document.id}"
    async with desk_of(city, wang) as desk:
        assert f"/console{path}/picture" in (await desk.open("/documents")).text
        async with desk.session.get(f"/console{path}/picture") as picture:
            assert await picture.read() == photo()
            assert picture.headers["Cache-Control"] == "no-store"
        assert "已核实" in (await desk.send(path + "/accept")).words
        assert (await desk.send(path + "/accept")).status == 409
    async with desk_of(city, other) as desk:
        assert (await desk.open(path + "/picture")).status == 403
    async with city.database.write() as session:
        kept = await session.get_one(qualifications.Qualification, document.id)
        kept.picture = "gone"
    async with desk_of(city, wang) as desk:
        assert (await desk.open(path + "/picture")).status == 404


# Many at once


async def test_all_that_a_filter_finds_are_approved_in_portions(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "PORTION", 2)
    wang = await city.coordinator("王强")
    waiting = [(await applicant(city.making)).id for _ in range(3)]
    refused = await applicant(city.making, "李敏", standing=Standing.REFUSED)
    sent = {"act": "approve", "which": "all", "typed": "chen"}
    async with desk_of(city, wang) as desk:
        asked = await desk.open("/volunteers/many?act=approve&which=all&typed=chen")
        assert "3 位志愿者" in asked.words
        first = await desk.send("/volunteers/many", sent)
        assert first.path == "/console/volunteers/many"
        assert "已处理 2 人" in first.words and "1 位志愿者" in first.words
        last = await desk.send("/volunteers/many", {**sent, "after": waiting[1], "before": 2})
        assert last.path == "/console/volunteers" and "已处理 3 位志愿者" in last.words
        nobody = await desk.open("/volunteers/many?act=approve&which=all&typed=chen")
        assert "没有可以这样处理的人" in nobody.words
        unticked = await desk.open("/volunteers/many?act=approve&which=ticked")
        assert unticked.status == 409 and "还没选人" in unticked.words
    async with city.database.read() as session:
        standing = {key: (await session.get_one(Person, key)).standing for key in waiting}
        assert set(standing.values()) == {Standing.ACTIVE}
        assert (await session.get_one(Person, refused.id)).standing is Standing.REFUSED
    assert len(await audited(city, "person.approved")) == 3


async def test_those_ticked_are_paused_and_transferred_and_others_left_alone(
    making: Making,
) -> None:
    wang = await making.coordinator("王强")
    ours = await making.volunteer("陈晓丽")
    theirs = await making.volunteer("李小榄", organisation="zs-xiaolan")
    until = making.clock().date() + timedelta(days=5)
    station = await making.organisation("zs-shiqi-taiping")
    xiaolan = await making.organisation("zs-xiaolan")
    both = Chosen(Wanted(), (ours.id, theirs.id))
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, wang.id))
        assert await many.count(work, both, Order(Act.PAUSE)) == 1
        done = await many.portion(work, both, Order(Act.PAUSE, until=until))
        assert (done.done, done.left_out, done.after) == (1, 0, None)
        assert await many.count(work, both, Order(Act.PAUSE)) == 0
        assert (await many.portion(work, both, Order(Act.RESUME))).done == 1
        moved = await many.portion(work, both, Order(Act.TRANSFER, organisation_id=station.id))
        assert moved.done == 1
        with pytest.raises(NotAllowed):
            await many.portion(work, both, Order(Act.TRANSFER, organisation_id=xiaolan.id))
        for order in (Order(Act.PAUSE), Order(Act.TRANSFER)):
            with pytest.raises(Refusal):
                await many.portion(work, both, order)
        assert (await session.get_one(Person, theirs.id)).paused_until is None
        assert (await session.get_one(Person, ours.id)).organisation_id == station.id


async def test_a_message_to_those_found_becomes_a_draft_with_them_as_its_audience(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    person = await city.person(wang)
    chen = await city.making.volunteer("陈晓丽", name_search=signup.search_of("陈晓丽"))
    await city.making.volunteer("李敏")
    fields = {"act": "message", "sender": person.organisation_id, "text": "3 < 5，周六见"}
    async with desk_of(city, wang) as desk:
        await desk.open("/volunteers/many?act=message&which=all&typed=chen")
        made = await desk.send("/volunteers/many", {**fields, "which": "all", "typed": "chen"})
        assert made.path.startswith("/console/broadcasts/")
        whom = await desk.open(made.path.removeprefix("/console") + "/audience")
        assert "从志愿者名单里选出的 1 人" in whom.words and "所有符合条件的人" in whom.words
        await desk.open("/volunteers")
        await desk.send("/volunteers/many", {**fields, "which": "all"})
        await desk.open("/volunteers")
        empty = await desk.send("/volunteers/many", {**fields, "which": "all", "text": " "})
        assert empty.status == 400
    async with city.database.read() as session:
        some, everybody = await session.scalars(select(Broadcast).order_by(Broadcast.id))
        work = city.making.work(session, await session.get_one(Person, person.id))
        assert broadcasts.audience_of(some).people == (chen.id,)
        assert some.state is BroadcastState.DRAFT and "3 &lt; 5" in some.versions["zh_Hans"]
        assert (await audiences.count(work, broadcasts.audience_of(some))).total == 1
        assert (await audiences.count(work, broadcasts.audience_of(everybody))).total == 3
        notices = select(Message.id).where(Message.kind == "notice")
        assert await session.scalar(notices) is None, "nothing is sent before it was looked at"


async def test_those_found_leave_as_a_spreadsheet_and_that_is_noted(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.volunteer("=陈晓丽")
    await city.volunteer("李小榄", organisation="zs-xiaolan")
    async with desk_of(city, wang) as desk:
        asked = await desk.open("/volunteers/many?act=export&which=all")
        assert "2 位志愿者" in asked.words and "不含电话" in asked.words
        form = {"token": desk.token, "act": "export", "which": "all"}
        async with desk.session.post("/console/volunteers/many", data=form) as answer:
            sheet = CalamineWorkbook.from_filelike(io.BytesIO(await answer.read()))
    heading, *rows = sheet.get_sheet_by_index(0).to_python()
    assert heading[:4] == ["姓名", "志愿者编号", "组织", "状态"]
    assert sorted(row[0] for row in rows) == ["=陈晓丽", "王强"]
    assert {row[3] for row in rows} == {"在册"}
    assert len(await audited(city, "list.exported")) == 1

"""Organisations at the console: the tree, settings, roles, rally points, groups."""

import re

from playwright.async_api import Page
from sqlalchemy import select

from models import AuditEntry, Organisation, RallyPoint, Role, RoleKind
from playground.phone import Phone
from services import rally_points
from services.founding import found_city
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import desk_of, screen_of
from tests.databases import ON_POSTGRESQL, SAMPLE

BIND = re.compile(r"/bind [\w-]+")
GROUP = re.compile(r"/groups/(\d+)/unbind")


async def administrator(city: City, organisation: str = "zs") -> Phone:
    return await city.coordinator("王强", organisation=organisation, role=RoleKind.ADMINISTRATOR)


async def path_of(city: City, code: str) -> str:
    return f"/organisations/{(await city.making.organisation(code)).id}"


def form(**changed: str) -> dict[str, str]:
    """The settings of a town as its page sends them."""
    return {
        "name_zh_Hans": "石岐街道志愿服务协会",
        "name_en": "Shiqi Volunteer Association",
        "area_zh_Hans": "石岐街道",
        "area_en": "Shiqi Subdistrict",
        "at": "22.53000, 113.37900",
        "head": "",
        "contact": "",
        **changed,
    }


async def actions(city: City) -> list[str]:
    async with city.database.read() as session:
        return list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


# The tree


async def test_the_tree_shows_ones_own_subtree_with_volunteers_and_staff(city: City) -> None:
    await city.making.crowd(3, "zs-shiqi")
    await city.making.crowd(2, "zs-xiaolan")
    town = await city.coordinator("王强")
    whole = await city.coordinator("何敏", organisation="zs")
    async with desk_of(city, town) as desk, desk_of(city, whole) as other:
        words = (await desk.open("/organisations")).words
        assert "石岐街道志愿服务协会 志愿者 4 任职人员 1" in words
        assert "小榄" not in words
        words = (await other.open("/organisations")).words
        assert "中山市志愿者联合会 志愿者 7 任职人员 2" in words
        assert "小榄镇志愿服务协会 志愿者 2 任职人员 0" in words


async def test_an_organisation_is_found_by_name_area_and_pinyin(city: City) -> None:
    async with desk_of(city, await administrator(city)) as desk:
        for typed in ("小榄", "xiaolan", "xlz"):
            words = (await desk.open(f"/organisations?q={typed}")).words
            assert "小榄镇志愿服务协会 镇街志愿服务协会 · 中山市志愿者联合会" in words, typed
            assert "石岐街道志愿服务协会" not in words
        assert "没有叫这个名字的组织" in (await desk.open("/organisations?q=qqq")).words


async def test_an_organisations_page_shows_what_it_is_and_what_is_below(city: City) -> None:
    async with desk_of(city, await city.coordinator("王强")) as desk:
        shown = await desk.open(await path_of(city, "zs-shiqi"))
        assert "镇街志愿服务协会" in shown.words and "直属下级" in shown.words
        assert "data-map=" in shown.text and "即时生效" in shown.words
        assert "/settings" not in shown.text.replace("/console/settings", "")
        assert (await desk.open(await path_of(city, "zs"))).status == 403
        assert (await desk.open("/organisations/999999")).status == 403


# Settings


async def test_settings_are_changed_by_an_administrator_and_noted(city: City) -> None:
    path = await path_of(city, "zs-shiqi")
    async with desk_of(city, await administrator(city)) as desk:
        said = form(approves="1", id_number="1", head=" 何 敏 ")
        saved = await desk.send(f"{path}/settings", said)
        assert "已保存" in saved.words and 'value="何 敏"' in saved.text
        unchanged = await desk.send(f"{path}/settings", said)
        assert "已保存" in unchanged.words
    async with city.database.read() as session:
        (noted,) = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == "organisation.changed")
        )
    found = await city.making.organisation("zs-shiqi")
    assert found.approves_registrations and found.asks_id_number and not found.edited
    assert noted.organisation_id == found.id
    assert noted.details["changed"] == ["approves_registrations", "asks_id_number", "head"]


async def test_a_place_is_typed_or_pasted_as_a_link_or_refused_with_all_that_was_entered(
    city: City,
) -> None:
    path = await path_of(city, "zs-shiqi")
    async with desk_of(city, await administrator(city)) as desk:
        refused = await desk.send(f"{path}/settings", form(at="岐江公园", name_en="Shiqi"))
        assert refused.status == 400 and "没有认出位置" in refused.words
        assert 'value="岐江公园"' in refused.text and 'value="Shiqi"' in refused.text
        nameless = await desk.send(f"{path}/settings", form(name_zh_Hans=" "))
        assert "请填写组织名称" in nameless.words
        long = await desk.send(f"{path}/settings", form(name_en="x" * 81))
        assert "81" in long.words and long.status == 400
        link = "https://www.openstreetmap.org/?mlat=22.5&mlon=113.4"
        await desk.send(f"{path}/settings", form(at=link))
    found = await city.making.organisation("zs-shiqi")
    assert (found.latitude, found.longitude) == (22.5, 113.4)


async def test_names_that_people_changed_are_left_alone_by_the_citys_file(city: City) -> None:
    path = await path_of(city, "zs-shiqi")
    async with desk_of(city, await administrator(city)) as desk:
        await desk.send(f"{path}/settings", form(name_zh_Hans="石岐志愿者之家", at=""))
    async with city.database.write() as session:
        await found_city(session, SAMPLE)
    found = await city.making.organisation("zs-shiqi")
    assert found.names["zh_Hans"] == "石岐志愿者之家" and found.latitude is None
    assert (await city.making.organisation("zs-xiaolan")).latitude is not None


async def test_a_coordinator_changes_no_settings(city: City) -> None:
    path = await path_of(city, "zs-shiqi")
    async with desk_of(city, await city.coordinator("王强")) as desk:
        assert (await desk.open(f"{path}/settings")).status == 403
        assert (await desk.send(f"{path}/settings", form())).status == 403
        assert (await desk.send(f"{path}/new", form(kind="school"))).status == 403


async def test_a_new_organisation_is_added_below_where_its_kind_may_stand(city: City) -> None:
    path = await path_of(city, "zs-shiqi")
    async with desk_of(city, await administrator(city)) as desk:
        asked = await desk.open(f"{path}/new")
        assert 'value="school"' in asked.text and 'value="town_association"' not in asked.text
        forced = await desk.send(f"{path}/new", form(kind="town_association"))
        assert forced.status == 400 and "这里不能建" in forced.words
        made = await desk.send(f"{path}/new", form(kind="school", name_zh_Hans="石岐中学"))
        assert "石岐中学" in made.words and made.path.startswith("/console/organisations/")
    parent = await city.making.organisation("zs-shiqi")
    async with city.database.read() as session:
        key = int(made.path.rpartition("/")[2])
        school = await session.get_one(Organisation, key)
    assert school.path == f"{parent.path}{key}." and school.parent_id == parent.id


# Roles


async def test_a_role_is_given_to_whoever_is_found_by_name_or_number_and_taken_back(
    city: City,
) -> None:
    chen = await city.volunteer("陈晓丽")
    person = await city.person(chen)
    path = await path_of(city, "zs-shiqi")
    async with desk_of(city, await administrator(city)) as desk:
        assert person.number in (await desk.open(f"{path}/roles?q=晓丽")).words
        found = await desk.open(f"{path}/roles?q={person.number}")
        assert f'value="{person.id}"' in found.text
        given = {"person": person.id, "kind": "commander", "q": "晓丽"}
        assert "已任命" in (await desk.send(f"{path}/roles", given)).words
        await chen.sees("指挥员")
        twice = await desk.send(f"{path}/roles", given)
        assert twice.status == 400 and f'value="{person.id}"' in twice.text
        async with city.database.read() as session:
            role = await session.scalar(select(Role.id).where(Role.person_id == person.id))
        assert "已收回" in (await desk.send(f"{path}/roles/revoke", {"role": role})).words
        await chen.sees("任期已结束")
        assert (await desk.send(f"{path}/roles/revoke", {"role": role})).status == 404
    assert [one for one in await actions(city) if one.startswith("role.")] == [
        "role.granted",
        "role.revoked",
    ]


async def test_the_last_administrator_keeps_their_role(city: City) -> None:
    phone = await administrator(city)
    path = await path_of(city, "zs")
    async with city.database.read() as session:
        role = await session.scalar(select(Role.id))
    async with desk_of(city, phone) as desk:
        refused = await desk.send(f"{path}/roles/revoke", {"role": role})
        assert refused.status == 400 and "王强" in refused.words


# Rally points


async def test_a_rally_point_kept_at_the_console_is_picked_by_a_press_in_the_chat(
    city: City,
) -> None:
    commander = await city.coordinator("王强", role=RoleKind.COMMANDER)
    path = await path_of(city, "zs-shiqi") + "/rally-points"
    async with desk_of(city, commander) as desk:
        gym = {"name": "岐江体育馆", "note": "钥匙在门卫处", "at": "22.52, 113.38"}
        assert "钥匙在门卫处" in (await desk.send(path, gym)).words
        twice = await desk.send(path, gym)
        assert twice.status == 400 and "已经有叫" in twice.words
        nowhere = await desk.send(path, {"name": "别处", "at": ""})
        assert nowhere.status == 400 and 'value="别处"' in nowhere.text
        await commander.say("/callout")
        await commander.press("演练")
        await commander.press("台风")
        await commander.sees("在哪里集结")
        async with city.database.read() as session:
            key = await session.scalar(select(RallyPoint.id))
        await desk.send(f"/organisations/rally-points/{key}", {**gym, "name": "体育馆南门"})
        await commander.press("岐江体育馆")
        await commander.sees("需要多少人")
        removed = await desk.send(f"/organisations/rally-points/{key}/remove")
        assert "还没有设置集结点" in removed.words
        assert (await desk.open(f"/organisations/rally-points/{key}")).status == 404


async def test_the_organisations_own_rally_points_come_first_then_the_nearest(city: City) -> None:
    shiqi = await city.making.organisation("zs-shiqi")
    await city.making.rally_point("zs", "市体育场", 22.531, 113.380)
    await city.making.rally_point("zs-xiaolan", "小榄广场", 22.67, 113.24)
    await city.making.rally_point("zs-shiqi-taiping", "社区操场", 22.60, 113.40)
    await city.making.rally_point("zs-shiqi", "远处", 22.70, 113.50)
    await city.making.rally_point("zs-shiqi", "近处", 22.53, 113.38)
    async with city.database.read() as session:
        found = await rally_points.for_callouts(city.making.work(session), shiqi.id)
    assert [one.name for one in found] == ["近处", "远处", "社区操场", "市体育场", "小榄广场"]


async def test_a_coordinator_sees_rally_points_and_keeps_none(city: City) -> None:
    point = await city.making.rally_point("zs-shiqi", "岐江体育馆", 22.52, 113.38)
    path = await path_of(city, "zs-shiqi") + "/rally-points"
    async with desk_of(city, await city.coordinator("王强")) as desk:
        shown = await desk.open(path)
        assert "岐江体育馆" in shown.words and "<textarea" not in shown.text
        fields = {"name": "x", "at": "22.52, 113.38"}
        assert (await desk.send(path, fields)).status == 403
        assert (await desk.send(f"/organisations/rally-points/{point.id}/remove")).status == 403


# Groups


async def test_groups_are_listed_written_to_in_a_language_and_unbound(city: City) -> None:
    wang = await city.coordinator("王强")
    path = await path_of(city, "zs-shiqi") + "/groups"
    async with desk_of(city, wang) as desk:
        shown = await desk.open(path)
        found = BIND.search(shown.text)
        assert found and "还没有绑定群" in shown.words
        group = city.telegram.add_group("石岐志愿者群", [wang])
        city.telegram.world.join(group, city.bot, "member", wang.person)
        await wang.in_chat(group).say(found.group())
        await wang.in_chat(group).sees("本群现在会收到")
        shown = await desk.open(path)
        assert "石岐志愿者群" in shown.words and "2026年" in shown.words
        key = GROUP.search(shown.text)
        assert key
        shown = await desk.send(f"/groups/{key.group(1)}/language", {"language": "en"})
        assert '<option value="en" selected>' in shown.text
        assert (
            await desk.send(f"/groups/{key.group(1)}/language", {"language": "x"})
        ).status == 404
        shown = await desk.send(f"/groups/{key.group(1)}/unbind")
        assert "还没有绑定群" in shown.words


# As people see it


async def faultless(page: Page) -> None:
    """No page scrolls sideways, and axe-core finds nothing."""
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE[0], page.url
    assert await barriers(page) == []


@ON_POSTGRESQL
async def test_the_pages_are_used_on_a_phone_by_press_and_by_keys(city: City) -> None:
    phone = await administrator(city)
    await city.volunteer("陈晓丽")
    path = await path_of(city, "zs-shiqi")
    async with screen_of(city, phone, f"{path}/rally-points", PHONE) as page:
        at = page.get_by_label("位置")
        await page.locator(".map").click(position={"x": 120, "y": 120})
        pressed = await at.input_value()
        assert pressed.startswith("22.")
        await page.locator(".mark.pin").press("ArrowUp")
        assert float((await at.input_value()).split(",")[0]) > float(pressed.split(",")[0])
        await at.fill("22.52000, 113.38000")
        await page.get_by_label("地点名称").fill("岐江体育馆")
        await page.get_by_role("button", name="添加").click()
        await page.get_by_text("22.52000, 113.38000").wait_for()
        await faultless(page)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("link", name="角色").click()
        await page.get_by_label("姓名、拼音或志愿者编号").fill("晓丽")
        await page.get_by_role("button", name="搜索").click()
        await page.get_by_label("协调员").check()
        await faultless(page)
        await page.get_by_role("button", name="确认任命").click()
        await page.get_by_text("已任命").wait_for()
        await page.get_by_role("main").get_by_role("link", name="设置").click()
        await page.get_by_label("每份登记由协调员审核").check()
        await page.get_by_role("button", name="保存").click()
        await page.get_by_text("已保存").wait_for()
        await page.get_by_role("navigation", name="所在层级").get_by_text("组织").click()
        await page.get_by_text("石岐街道志愿服务协会的下级").locator("..").click()
        await page.get_by_role("link", name="太平社区志愿服务站").wait_for()
        await faultless(page)
        await page.goto(page.url.replace("/organisations", "/audit"))
        await page.get_by_label("做了什么").select_option("role.granted")
        await page.get_by_role("button", name="搜索").click()
        await page.get_by_role("main").get_by_role("link", name="陈晓丽").wait_for()
        await faultless(page)

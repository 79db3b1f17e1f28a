"""The audit log at the console: who did what to whom, and who may read of it."""

from datetime import timedelta
from io import BytesIO
from typing import Any

from python_calamine import CalamineWorkbook
from sqlalchemy import select

from models import AuditEntry, Person, RoleKind
from playground.phone import Phone
from services.words import LANGUAGES, Words
from tests.city import City
from tests.consoles import desk_of
from tests.noted import Source


async def administrator(city: City, organisation: str = "zs-shiqi", name: str = "王强") -> Phone:
    return await city.coordinator(name, organisation=organisation, role=RoleKind.ADMINISTRATOR)


async def noted(
    city: City, actor: Person | None, action: str, subject: str, organisation: str, **more: Any
) -> None:
    """An entry of the log, some days ago if so said."""
    days = more.pop("days", 0)
    home = (await city.making.organisation(organisation)).id if organisation else None
    async with city.database.write() as session:
        session.add(
            AuditEntry(
                at=city.clock() - timedelta(days=days),
                actor_id=actor.id if actor else None,
                action=action,
                subject=subject,
                organisation_id=home,
                details=more,
            )
        )


def test_every_action_that_is_noted_has_words_in_every_language(words: Words) -> None:
    actions = Source().actions()
    assert {"role.granted", "callout.taken_over", "dispute.granted", "roll.left"} <= actions
    for language in LANGUAGES:
        page = words._environments[language].get_template("console/audit/_words.html")
        named = page.make_module({"frame": None}).named_actions
        assert actions <= set(named), f"without words: {sorted(actions - set(named))}"
        assert all(named.values())
        assert len(set(named.values())) == len(named), "two actions read alike"


async def test_the_log_is_searched_by_who_what_whom_when_and_where(city: City) -> None:
    phone = await administrator(city, "zs")
    li = await city.making.volunteer("李雷", organisation="zs-shiqi-taiping")
    han = await city.making.volunteer("韩梅", organisation="zs-xiaolan")
    await noted(city, li, "person.withdrew", f"person:{li.id}", "zs-shiqi-taiping")
    await noted(city, han, "person.changed", f"person:{han.id}", "zs-xiaolan", days=9)
    await noted(city, None, "callout.lapsed", "callout:77", "zs-xiaolan", days=3)
    shiqi = (await city.making.organisation("zs-shiqi")).id
    async with desk_of(city, phone) as desk:

        async def finds(query: str) -> list[str]:
            listed = (
                (await desk.open(f"/audit?{query}")).text.partition("<ol")[2].partition("</ol>")[0]
            )
            return [
                one
                for one in ("退出志愿服务", "修改本人资料", "无人确认", "登录控制台")
                if one in listed
            ]

        assert len(await finds("")) == 4
        assert await finds("who=李雷") == ["退出志愿服务"]
        assert await finds(f"who={han.number}") == ["修改本人资料"]
        assert await finds("about=韩梅") == ["修改本人资料"]
        assert await finds("about=callout:77") == ["无人确认"]
        assert await finds("action=person.changed") == ["修改本人资料"]
        assert await finds(f"organisation={shiqi}") == ["退出志愿服务"]
        day = (city.clock() - timedelta(days=3)).date()
        assert await finds(f"since={day}&until={day}") == ["无人确认"]
        assert await finds("who=李雷&action=person.changed") == []
        for broken in ("since=0001-01-01", "until=9999-12-31", "organisation=9999999999999999999",
                       "page=99999999999999999999", "since=x"):  # fmt: skip
            assert (await desk.open(f"/audit?{broken}")).status == 200, broken
        assert (await desk.open("/audit?who=%00")).status == 404
        assert (await desk.send("/settings/messages", {"kind": "\0"})).status == 404


async def test_what_is_found_comes_as_a_spreadsheet_and_that_is_noted(city: City) -> None:
    phone = await administrator(city)
    li = await city.making.volunteer("李雷")
    await noted(city, li, "person.withdrew", f"person:{li.id}", "zs-shiqi")
    await noted(city, li, "person.changed", f"person:{li.id}", "zs-shiqi")
    async with desk_of(city, phone) as desk:
        shown = await desk.open("/audit?action=person.withdrew")
        assert 'action="/console/audit/export?action=person.withdrew"' in shown.text
        form = {"token": desk.token}
        path = "/console/audit/export?action=person.withdrew"
        async with desk.session.post(path, data=form) as answer:
            rows = read(await answer.read())
        assert [row[1:] for row in rows[1:]] == [
            ["李雷", "退出志愿服务", "李雷", "石岐街道志愿服务协会"]
        ]
        assert "导出名单" in (await desk.open("/audit")).text.partition("<ol")[2]
        async with desk.session.post("/console/organisations/export", data=form) as answer:
            rows = read(await answer.read())
        assert rows[1][:5] == ["石岐街道志愿服务协会", "镇街志愿服务协会", "", 2, 1]


def read(file: bytes) -> list[list[Any]]:
    """The rows of a spreadsheet."""
    return CalamineWorkbook.from_filelike(BytesIO(file)).get_sheet_by_index(0).to_python()


async def test_one_reads_of_ones_own_subtree_and_no_names_of_others(city: City) -> None:
    phone = await administrator(city)
    own = await city.making.volunteer("陈晓丽")
    far = await city.making.volunteer("何小榄", organisation="zs-xiaolan")
    await noted(city, far, "role.granted", f"person:{own.id}", "zs-shiqi", kind="coordinator")
    await noted(city, own, "role.revoked", f"person:{far.id}", "zs-shiqi", kind="commander")
    await noted(city, far, "person.changed", f"person:{far.id}", "zs-xiaolan")
    await noted(city, own, "person.erased", f"person:{own.id}", "")
    async with desk_of(city, phone) as desk:
        shown = (await desk.open("/audit")).words
        listed = shown.partition("清空")[2]
        assert "小榄镇志愿服务协会的人员 陈晓丽 (协调员)" in listed
        assert "陈晓丽 小榄镇志愿服务协会的人员 (指挥员)" in listed
        assert "何小榄" not in shown and "修改本人资料" not in listed and "注销" not in listed
        assert "没有这样的记录" in (await desk.open("/audit?who=何小榄")).words
        xiaolan = (await city.making.organisation("zs-xiaolan")).id
        assert "没有这样的记录" in (await desk.open(f"/audit?organisation={xiaolan}")).words


async def test_old_entries_without_an_organisation_are_the_citys(city: City) -> None:
    chen = await city.making.volunteer("陈晓丽")
    await noted(city, chen, "person.erased", f"person:{chen.id}", "")
    town, whole = await administrator(city), await administrator(city, "zs", "何敏")
    async with desk_of(city, town) as desk, desk_of(city, whole) as other:
        assert "没有这样的记录" in (await desk.open("/audit?action=person.erased")).words
        assert "没有这样的记录" not in (await other.open("/audit?action=person.erased")).words


async def test_what_people_do_for_themselves_is_found_with_their_organisation(city: City) -> None:
    phone = await administrator(city)
    person = await city.person(phone)
    async with desk_of(city, phone):
        pass
    async with city.database.read() as session:
        (entry,) = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == "console.opened")
        )
    assert entry.organisation_id == person.organisation_id


async def test_a_long_log_is_turned_page_by_page_and_coordinators_have_none(city: City) -> None:
    phone, coordinator = await administrator(city), await city.coordinator("何敏")
    person = await city.person(phone)
    for number in range(60):
        await noted(city, person, "group.bound", f"group:{900 + number}", "zs-shiqi", days=1)
    async with desk_of(city, phone) as desk, desk_of(city, coordinator) as other:
        first = await desk.open("/audit?action=group.bound")
        assert "群 959" in first.words and "群 909" not in first.words
        second = await desk.open("/audit?action=group.bound&page=2")
        assert "群 909" in second.words and "第 2 页" in second.words
        assert (await other.open("/audit")).status == 403

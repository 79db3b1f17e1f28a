"""Schools and companies: who belongs, what they served, and that nobody else is seen."""

import re
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Affiliation,
    AffiliationState,
    Organisation,
    OrganisationKind,
    PartyKind,
    Person,
    Role,
    RoleKind,
)
from playground import Phone
from services import affiliations, hours, measures, parties, personal_data
from services.errors import Gone, NotAllowed, Refusal
from tests.attending import propose
from tests.city import City
from tests.consoles import desk_of, table


async def school(city: City, name: str = "石岐中学", code: str = "zs-school") -> Organisation:
    async with city.database.write() as session:
        top = (
            await session.scalars(select(Organisation).where(Organisation.code == "zs-shiqi"))
        ).one()
        made = Organisation(
            code=code, kind=OrganisationKind.SCHOOL, parent_id=top.id,
            names={"zh_Hans": name, "en": name},
        )  # fmt: skip
        session.add(made)
        await session.flush()
        made.path = f"{top.path}{made.id}."
    return made


async def teacher(city: City, at: Organisation, name: str = "林老师") -> Phone:
    return await city.coordinator(name, organisation=at.code)


async def serve(city: City, who: Person, minutes: int) -> None:
    """Confirmed hours, at a town's activity that has nothing to do with the school."""
    making = city.making
    wang = await making.coordinator("王强")
    activity = await making.activity(wang)
    shift = await making.shift(activity)
    attendance_id = await propose(making, shift, who, minutes)
    async with city.database.write() as session:
        await hours.confirm(making.work(session, wang), attendance_id)


async def test_a_class_joins_by_a_link_and_its_teacher_sees_their_hours(city: City) -> None:
    body = await school(city)
    lin = await teacher(city, body)
    students = [await city.volunteer(name) for name in ("甲同学", "乙同学")]
    await city.volunteer("丙不相干")
    await lin.say("/schools")
    await lin.sees("石岐中学")
    await lin.press("班级链接")
    await lin.sees("链接给哪个班级")
    await lin.say("初二（3）班")
    made = await lin.sees("start=s-")
    link = re.search(r"https://\S+", made.words)
    assert link
    for phone in students:
        await phone.open(link.group())
        await phone.sees("你是 石岐中学 的人吗")
        await phone.press("是的")
        await phone.sees("等对方确认")
    await lin.sees("有志愿者登记为 石岐中学 的人")
    await lin.press("去看看")
    await lin.sees("甲同学 · 初二（3）班")
    await lin.press("返回")
    await lin.press("全部确认")
    await students[0].sees("石岐中学 已确认你是那里的人")
    await serve(city, await city.person(students[0]), 150)
    await lin.say("/schools")
    await lin.sees("2 人，其中 1 人服务过")
    await lin.press("年度图")
    await lin.sees("2026 年的服务")
    await lin.press("返回")
    await lin.press("Excel 表格")
    await lin.sees("名单和时数")
    async with desk_of(city, lin) as desk:
        page = await desk.open(f"/affiliates/{body.id}")
        assert "甲同学" in page.words and "2.5" in page.words and "丙不相干" not in page.words
        number = (await city.person(students[0])).number or "?"
        assert number not in page.text, "no registration number"
        rows = await table(desk, f"/affiliates/{body.id}/export?year=2026")
        assert rows[0][1] == "姓名" and {row[1] for row in rows[1:]} == {"甲同学", "乙同学"}
        other = await school(city, "古镇中学", "zs-school-2")
        assert (await desk.open(f"/affiliates/{other.id}")).status in (403, 404)
        key = (await city.person(students[0])).id
        assert (await desk.open(f"/volunteers/{key}")).status == 404, "only hours, not the person"
    await students[1].say("/school")
    await students[1].press("退出：石岐中学")
    await city.answered()
    async with city.database.read() as session:
        work = city.making.work(session, await session.get_one(Person, (await city.person(lin)).id))
        seen = await affiliations.people(work, body.id, 2026)
        assert [(one.name, one.year, one.total) for one in seen.rows] == [("甲同学", 150, 150)]
        found = await affiliations.summary(work, body.id, 2026, "初二（3）班")
        assert (found.whole.people, found.whole.served, found.whole.minutes) == (1, 1, 150)
        assert found.months[10] == 150 and found.whole.times == 1
        names = {name for _, _, name in (await measures.count(work, None)).numbers}
        assert "affiliated" in names


async def test_who_decides_and_who_sees(city: City) -> None:
    making, database = city.making, city.database
    body, other = await school(city), await school(city, "别的学校", "zs-school-2")
    town = await making.organisation("zs-shiqi")
    lin = await making.coordinator("林老师", organisation=body.code)
    wu = await making.coordinator("吴老师", organisation=other.code)
    chen = await making.volunteer("陈晓丽")

    async def act(who: Person, verb: Any, *given: Any, **more: Any) -> Any:
        async with database.write() as session:
            return await verb(making.work(session, who), *given, **more)

    with pytest.raises(Gone):
        await act(chen, affiliations.ask, town.id)
    asked = await act(chen, affiliations.ask, body.id, "初一（1）班")
    with pytest.raises(Refusal, match="affiliation_held"):
        await act(chen, affiliations.ask, body.id)
    for who in (wu, chen):
        for verb, given in (
            (affiliations.decide, (asked.id,)),
            (affiliations.people, (body.id, 2026)),
            (affiliations.summary, (body.id, 2026)),
            (affiliations.make_link, (body.id,)),
            (affiliations.asked, (body.id,)),
            (affiliations.confirm_all, (body.id,)),
            (affiliations.take_along, (body.id,)),
        ):
            more = {"accept": True} if verb is affiliations.decide else {}
            with pytest.raises(NotAllowed):
                await act(who, verb, *given, **more)
    own = await act(lin, affiliations.ask, body.id, "教师")
    with pytest.raises(Refusal, match="affiliation_own"):
        await act(lin, affiliations.decide, own.id, accept=True)
    assert await act(lin, affiliations.waiting) == 1
    assert await act(lin, affiliations.confirm_all, body.id) == 1, "all but oneself"
    with pytest.raises(Refusal, match="affiliation_decided"):
        await act(lin, affiliations.decide, asked.id, accept=False)
    await act(lin, affiliations.change_department, asked.id, "初二（1）班")
    link = await act(lin, affiliations.make_link, body.id)
    await act(lin, affiliations.revoke_link, link.id)
    with pytest.raises(Refusal, match="affiliation_link"):
        await act(chen, affiliations.ask_by_link, link.code)
    await act(lin, affiliations.end, asked.id)
    assert (await act(lin, affiliations.people, body.id, 2026)).rows == []
    again = await act(chen, affiliations.ask, body.id)
    assert (again.id, again.state) == (asked.id, AffiliationState.ASKED)
    with pytest.raises(Gone):
        await act(lin, affiliations.summary, body.id, 2031)
    async with database.write() as session:
        work = making.work(session, await session.get_one(Person, chen.id))
        assert (await personal_data.everything_about(work))["affiliations"]
        await personal_data.forget(work)
        mine = select(Affiliation.id).where(Affiliation.person_id == chen.id)
        assert await session.scalar(mine) is None
        assert await session.scalar(
            select(Role.id).where(Role.person_id == lin.id, Role.kind == RoleKind.COORDINATOR)
        )


async def test_what_is_closed_is_neither_offered_nor_joined(city: City) -> None:
    making, database = city.making, city.database
    body = await school(city)
    lin = await making.coordinator("林老师", organisation=body.code)
    chen = await making.volunteer("陈晓丽")
    async with database.write() as session:
        link = await affiliations.make_link(making.work(session, lin), body.id)
        (await session.get_one(Organisation, body.id)).closed_at = making.clock()
    async with database.write() as session:
        work = making.work(session, chen)
        assert body.id not in {one.id for one in await affiliations.bodies_to_join(work)}
        for verb, given in ((affiliations.ask, body.id), (affiliations.ask_by_link, link.code)):
            with pytest.raises(Refusal, match="organisation_closed"):
                await verb(work, given)
        acting = making.work(session, lin)
        with pytest.raises(Refusal, match="organisation_closed"):
            await affiliations.make_link(acting, body.id)
        with pytest.raises(Refusal, match="organisation_closed"):
            await parties.found(acting, PartyKind.FRIENDS, "老师们")

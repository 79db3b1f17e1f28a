"""Documents that are checked: medical ones by two people; what renews one that soon runs out."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from models import Person, Qualification, QualificationKind, QualificationState, RoleKind
from playground.phone import labels
from services import qualifications
from services.errors import Refusal
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making
from tests.pictures import photo
from tests.schooling import course, online
from tests.test_planning import stands_at


async def test_a_medical_document_is_accepted_by_two_and_told_once(city: City) -> None:
    wang, zhao = await city.coordinator("王强"), await city.coordinator("赵敏")
    chen = await city.volunteer("陈晓丽")
    await chen.say("/qualifications")
    await chen.press("提交证书")
    await stands_at(chen, "是哪种证书")
    await chen.say("医师执业证")
    await chen.sees("搜索结果")
    await chen.press("医师执业证")
    await stands_at(chen, "请发送证书照片")
    await chen.send_photo(photo())
    await city.settle()
    await wang.say("/documents")
    await wang.press("陈晓丽 · 医师执业证")
    await wang.press("核实无误")
    await wang.sees("没有待审核的证书")
    await city.catch_up()
    asked = await zhao.sees("请另一位协调员复核")
    assert "王强 已审核通过" in asked.words
    assert not any("已核实" in message.words for message in chen.messages)
    async with city.database.write() as session:
        document = (await session.scalars(select(Qualification))).one()
        assert document.state is QualificationState.AWAITING
        work = city.making.work(session, await session.get_one(Person, document.first_by_id or 0))
        with pytest.raises(Refusal, match="qualification_second"):
            await qualifications.decide(work, document.id, accept=True)
    async with desk_of(city, zhao) as desk:
        assert "已由一人审核通过" in (await desk.open("/documents")).words
    await zhao.press("复核")
    await zhao.press("核实无误")
    await city.settle()
    await chen.sees("“医师执业证”已核实")


class Checking:
    def __init__(self, making: Making) -> None:
        self.making = making

    async def document(self, person: Person, code: str) -> int:
        async with self.making.database.write() as session:
            kind = await session.scalar(
                select(QualificationKind.id).where(QualificationKind.code == code)
            )
            work = self.making.work(session, await session.get_one(Person, person.id))
            return (await qualifications.hand_in(work, kind or 0, "picture", None)).id

    async def decide(self, who: Person, document_id: int, **how: Any) -> str:
        """What came of it, or the code of the refusal."""
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, who.id))
            try:
                found = await qualifications.decide(work, document_id, **{"accept": True, **how})
            except Refusal as refusal:
                return refusal.code
            return found.state.value


async def test_two_who_accept_at_once_are_the_two(making: Making) -> None:
    checking = Checking(making)
    first, second = await making.coordinator("王强"), await making.coordinator("赵敏")
    chen = await making.volunteer()
    key = await checking.document(chen, "doctor")
    states = await asyncio.gather(checking.decide(first, key), checking.decide(second, key))
    assert sorted(states) == ["awaiting", "verified"]
    assert await checking.decide(first, key) == "qualification_decided"


async def test_one_refuses_alone_and_what_is_not_medical_needs_one(making: Making) -> None:
    checking = Checking(making)
    first, second = await making.coordinator("王强"), await making.coordinator("赵敏")
    chen = await making.volunteer()
    key = await checking.document(chen, "doctor")
    assert await checking.decide(first, key) == "awaiting"
    assert await checking.decide(second, key, accept=False, reason="看不清") == "refused"
    again = await checking.document(chen, "doctor")
    assert await checking.decide(second, again) == "awaiting"
    assert await checking.decide(first, again) == "verified"
    plain = await checking.document(chen, "teacher")
    assert await checking.decide(first, plain) == "verified"


async def test_where_a_town_has_one_coordinator_the_level_above_is_asked(city: City) -> None:
    wang = await city.coordinator("王强")
    head = await city.coordinator("周会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    chen = await city.making.volunteer("陈晓丽")
    checking = Checking(city.making)
    key = await checking.document(chen, "doctor")
    assert await checking.decide(await city.person(wang), key) == "awaiting"
    await city.settle()
    await head.sees("请另一位协调员复核")


async def test_who_is_warned_is_shown_the_course_that_renews(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    person, teacher = await city.person(chen), await city.person(wang)
    kind = await city.making.qualification(person, expires_in=61)
    await city.catch_up()
    assert not any("到期" in message.words for message in chen.messages)
    await online(city.making, teacher, "急救复训", kind=kind.code, months=24)
    await course(city.making, teacher, "没有日期的课", kind=kind.code)
    for days, count in ((1, 1), (30, 2), (23, 3)):
        await city.forward(days=days)
        assert sum("到期" in message.words for message in chen.messages) == count
    warning = await chen.sees("也可以参加下面的课程来续期")
    assert [label for label in labels(warning) if "📚" in label] == ["📚 急救复训"]
    await chen.press("急救复训")
    await chen.sees("结业获得资质")

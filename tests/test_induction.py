"""Training that is asked for: of newcomers, in a field, at an activity; the way there, the roll."""

from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Activity,
    Course,
    EnrolmentState,
    Person,
    QualificationKind,
    RequiredCourse,
    RoleKind,
    ServiceField,
    Shift,
    ShiftQualification,
)
from playground.phone import labels
from services import courses, enrolment, requirements, roll, training
from services.errors import NotAllowed, Refusal
from tests.attending import place
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making
from tests.schooling import been, course, held, online
from tests.test_planning import answer, stands_at


async def test_a_newcomer_is_shown_the_induction_takes_it_and_enrols(city: City) -> None:
    head = await city.coordinator("周会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    chen, teacher = await city.volunteer("陈晓丽"), await city.person(head)
    await online(city.making, teacher)
    activity = await city.making.activity(await city.making.coordinator("王强"))
    await city.making.shift(activity)
    await head.say("/training")
    await head.press("石岐迎新课")
    await head.press("设为必修")
    await head.press("添加要求")
    await answer(
        head, ("要求哪些人先学这门课", "[🌱 新人]"), ("在哪个组织", "[中山市志愿者联合会]")
    )
    await head.sees("中山市志愿者联合会 · 新人首次参加活动前")

    await chen.open(f"https://t.me/{city.bot.username}?start=a-{activity.id}")
    await chen.press("✅ 报名")
    shown = await chen.sees("参加前要先完成培训：石岐迎新课")
    assert "学完下面的课程就可以了" in shown.words
    await chen.press("📚 石岐迎新课")
    await chen.press("开始测验")
    for option, following in (("B", "求助"), ("A", "☑️ A. 120"), ("B", "全部答完了")):
        await chen.press(option)
        await stands_at(chen, following)
    await chen.press("交卷")
    await chen.sees("通过了")
    await chen.open(f"https://t.me/{city.bot.username}?start=a-{activity.id}")
    await chen.press("✅ 报名")
    await chen.sees("报名成功")

    await head.press("🗑 新人")
    await head.sees("目前没有要求")


class Asking:
    """A town with Wang who manages it and Chen who is new, driven at the services."""

    def __init__(self, making: Making, wang: Person, chen: Person) -> None:
        self.making, self.wang, self.chen = making, wang, chen

    async def ask(self, of: Any, *arguments: Any, by: Person | None = None) -> RequiredCourse:
        async with self.making.database.write() as session:
            actor = await session.get_one(Person, (by or self.wang).id)
            row: RequiredCourse = await of(self.making.work(session, actor), *arguments)
            return row

    async def planting(
        self, field: str = "trees_rivers", starts_at: str = "2026-11-28 09:00"
    ) -> tuple[Activity, Shift]:
        async with self.making.database.read() as session:
            key = await session.scalar(select(ServiceField.id).where(ServiceField.code == field))
        activity = await self.making.activity(self.wang, field_id=key)
        return activity, await self.making.shift(activity, starts_at)

    async def lacks(self, shift: Shift, person: Person | None = None) -> list[dict[str, str]]:
        """Names of the courses for which enrolling is refused; it enrols if there are none."""
        async with self.making.database.write() as session:
            actor = await session.get_one(Person, (person or self.chen).id)
            try:
                await enrolment.enrol(self.making.work(session, actor), shift.id)
            except Refusal as refusal:
                assert refusal.code == "enrol_lacks_course", refusal.code
                names: list[dict[str, str]] = refusal.parameters["names"]
                return names
            return []

    async def completes(self, taught: Course, person: Person | None = None) -> None:
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, self.wang.id))
            fresh = await session.get_one(Course, taught.id)
            await training.by_word(work, fresh, (person or self.chen).id, None)


@pytest.fixture
async def asking(making: Making) -> Asking:
    wang = await making.coordinator(role=RoleKind.ADMINISTRATOR)
    return Asking(making, wang, await making.volunteer())


async def test_who_has_served_before_is_no_newcomer(asking: Asking) -> None:
    induction = await online(asking.making, asking.wang)
    await asking.ask(requirements.ask_of_newcomers, induction.id, asking.wang.organisation_id)
    _, shift = await asking.planting()
    assert await asking.lacks(shift) == [induction.names]
    old_hand = await asking.making.volunteer("李雷")
    _, earlier = await asking.planting(starts_at="2026-11-21 09:00")
    await place(asking.making, earlier, old_hand, EnrolmentState.ATTENDED)
    assert await asking.lacks(shift, old_hand) == []
    await asking.completes(induction)
    assert await asking.lacks(shift) == []


async def test_a_session_of_a_course_makes_nobody_an_old_hand_and_asks_nothing(
    asking: Asking,
) -> None:
    induction = await course(asking.making, asking.wang, "现场入门")
    await asking.ask(requirements.ask_of_newcomers, induction.id, asking.wang.organisation_id)
    _, sessions = await held(
        asking.making, asking.wang, induction, "2026-11-25 09:00", "2026-11-26 09:00"
    )
    assert await asking.lacks(sessions[1]) == []
    await been(asking.making, sessions[0], asking.chen)
    _, shift = await asking.planting()
    assert await asking.lacks(shift) == [induction.names]


async def test_the_nearest_organisation_decides_what_newcomers_learn(asking: Asking) -> None:
    making = asking.making
    head = await making.coordinator("周会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    citys = await online(making, head, "全市入门")
    towns = await online(making, asking.wang, "石岐入门")
    await asking.ask(requirements.ask_of_newcomers, citys.id, head.organisation_id, by=head)
    _, shift = await asking.planting()
    assert await asking.lacks(shift) == [citys.names]
    await asking.ask(requirements.ask_of_newcomers, towns.id, asking.wang.organisation_id)
    assert await asking.lacks(shift) == [towns.names]
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, asking.wang.id))
        await courses.close(work, towns.id)
    assert await asking.lacks(shift) == [citys.names]


async def test_a_field_and_an_activity_ask_for_their_own(asking: Asking) -> None:
    water = await online(asking.making, asking.wang, "防溺水", months=12)
    briefing = await online(asking.making, asking.wang, "活动须知")
    activity, shift = await asking.planting()
    _, elsewhere = await asking.planting("traffic")
    async with asking.making.database.read() as session:
        field = await session.get_one(ServiceField, activity.field_id)
        assert field.parent_id
    home = asking.wang.organisation_id
    await asking.ask(requirements.ask_in_field, water.id, home, field.parent_id)
    await asking.ask(requirements.ask_at, briefing.id, activity.id)
    assert await asking.lacks(shift) == [water.names, briefing.names]
    await asking.completes(water)
    await asking.completes(briefing)
    assert await asking.lacks(elsewhere, await asking.making.volunteer("李雷")) == []
    late = await asking.making.shift(activity, "2027-11-24 09:00")
    assert await asking.lacks(late) == [water.names]  # it will have run out by then
    assert await asking.lacks(shift) == []


async def test_only_administrators_ask_for_it_in_a_whole_organisation(asking: Asking) -> None:
    making = asking.making
    plain = await making.coordinator("赵敏")
    taught = await online(making, plain)
    activity, _ = await asking.planting()
    home = plain.organisation_id
    for of, arguments in (
        (requirements.ask_of_newcomers, (taught.id, home)),
        (requirements.ask_in_field, (taught.id, home, activity.field_id)),
    ):
        with pytest.raises(NotAllowed):
            await asking.ask(of, *arguments, by=plain)
    row = await asking.ask(requirements.ask_at, taught.id, activity.id, by=plain)
    stranger = await making.coordinator("外人", organisation="zs-xiaolan")
    with pytest.raises(NotAllowed):
        await asking.ask(requirements.ask_at, taught.id, activity.id, by=stranger)
    with pytest.raises(NotAllowed):
        await asking.ask(requirements.drop, row.id, by=stranger)


async def test_the_roll_marks_who_lacks_it_and_takes_walk_ins(city: City) -> None:
    wang = await city.coordinator("王强", role=RoleKind.ADMINISTRATOR)
    asking = Asking(city.making, await city.person(wang), await city.making.volunteer("陈晓丽"))
    taught = await online(city.making, asking.wang)
    activity, shift = await asking.planting()
    await asking.ask(requirements.ask_at, taught.id, activity.id)
    trained = await city.making.volunteer("李雷")
    await asking.completes(taught, trained)
    city.clock.go_to("2026-11-28 09:05")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, asking.wang.id))
        for person in (asking.chen, trained):
            await roll.add_walk_in(work, shift.id, person.id, typed=person.number or "")
    await wang.say("/activities")
    await wang.press("河岸植树")
    await wang.press("🕘 ")
    await wang.press("点名")
    shown = await wang.sees("还没有完成这里要求的培训")
    assert "✅ 陈晓丽 ⚠️" in labels(shown) and "✅ 李雷" in labels(shown)
    async with desk_of(city, wang) as desk:
        page = await desk.open(f"/shifts/{shift.id}")
    assert page.words.count("缺培训") == 1


async def test_who_lacks_a_qualification_is_shown_the_course_that_gives_it(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    teacher = await city.person(wang)
    activity = await city.making.activity(teacher)
    shift = await city.making.shift(activity)
    async with city.database.write() as session:
        kind = (await session.scalars(select(QualificationKind).limit(1))).one()
        session.add(ShiftQualification(shift_id=shift.id, kind_id=kind.id))
    await online(city.making, teacher, "急救考证", kind=kind.code)
    await chen.open(f"https://t.me/{city.bot.username}?start=a-{activity.id}")
    await chen.press("✅ 报名")
    shown = await chen.sees("学完下面的课程就可以了")
    assert "📚 急救考证" in labels(shown)

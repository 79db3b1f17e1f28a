"""What kind of volunteer somebody is: marked by coordinators or said by themselves, known to all
that looks for people.
"""

import pytest
from sqlalchemy import delete, select

from models import Database, MarkKind, Person, PersonMark, Role, RoleKind
from playground import Phone
from services import (
    audiences,
    directory,
    enrolment,
    marks,
    matching,
    measures,
    personal_data,
    roles,
    tandems,
    traits,
)
from services.audiences import Audience
from services.directory import Wanted
from services.errors import Gone, Refusal
from tests.attending import place
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making
from tests.test_enrolment import refusal, said


async def mark(making: Making, database: Database, person: Person, kind: MarkKind) -> None:
    async with database.write() as session:
        session.add(
            PersonMark(person_id=person.id, kind=kind, since=making.clock(), by_id=person.id)
        )
        await session.flush()
        await traits.renew(making.work(session), [person.id])


async def test_in_chat_people_say_it_themselves_and_coordinators_mark_theirs(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    await chen.say("/profile")
    await chen.press("学生、线上")
    await chen.press("我是学生")
    await chen.press("我也做线上服务")
    await chen.sees("💻 线上志愿者")
    await wang.say("/marks")
    await wang.sees("学生 · 1")
    await wang.press("给人加标识")
    await wang.say("陈晓丽")
    await wang.press("陈晓丽 ·")
    await wang.press("➕ 社工")
    await wang.sees("🧡 社工 ·")
    await chen.sees("王强 把你标为社工")
    person = await city.person(chen)
    async with desk_of(city, wang) as desk:
        assert "社工" in (await desk.open(f"/volunteers/{person.id}")).text
        done = await desk.send(f"/volunteers/{person.id}/marks", {"mark": "core", "note": "九年"})
        assert done.status == 200 and "九年" in done.words
        assert "陈晓丽" in (await desk.open("/volunteers?marks=core&marks=student")).words
        await desk.send(f"/volunteers/{person.id}/marks/take", {"mark": "social_worker"})
        assert "陈晓丽" not in (await desk.open("/volunteers?marks=social_worker")).words
        kinds = await desk.open("/kinds")
        assert "骨干志愿者" in kinds.words
        count = await desk.open("/broadcasts/audiences/count?described=1&marks=core")
        assert "1" in count.words
    await chen.sees("取消了你的“社工”标识")


async def test_lists_audiences_and_matching_know_the_marks(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    mei = await making.volunteer("梅社工")
    chen = await making.volunteer("陈晓丽")
    far = await making.volunteer("远方", organisation="zs-guzhen", latitude=None, longitude=None)
    await mark(making, database, mei, MarkKind.SOCIAL_WORKER)
    await mark(making, database, far, MarkKind.ONLINE)
    activity = await making.activity(wang)
    kept = await making.shift(activity, mark=MarkKind.SOCIAL_WORKER)
    assert (await refusal(making, database, chen, kept)).code == "enrol_lacks_mark"
    async with database.write() as session:
        work = making.work(session, wang)
        workers = Audience(marks=(MarkKind.SOCIAL_WORKER, MarkKind.CORE))
        assert (await audiences.count(work, workers)).total == 1
        found = await directory.page(work, Wanted(marks=(MarkKind.SOCIAL_WORKER,)))
        assert [row.name for row in found.slice.rows] == ["梅社工"]
        assert (await matching.reach(work, activity.id)).fits == 1
        assert await enrolment.enrol(work.acting_as(mei), kept.id)
        assert await traits.differences(work) == []
    remote = await making.activity(
        wang, "在线翻译", remote=True, latitude=None, longitude=None, address=""
    )
    await making.shift(remote, "2026-11-30 09:00")
    async with database.read() as session:
        work = making.work(session, wang)
        rows = await session.execute(await matching.audience(work, remote))
        assert rows.all()[0][0] == far.id, "who serves online is told first"
        assert (await matching.reach(work, remote.id)).fits == 4
        (best, *_) = await matching.suggestions(work.acting_as(far), 5)
        assert best.activity.id == remote.id and best.reasons[0] == "remote"
    async with database.write() as session:
        await session.execute(delete(PersonMark))
        assert await traits.differences(making.work(session)) == sorted([mei.id, far.id])


async def test_only_coordinators_of_theirs_mark_others_and_nobody_themselves(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    other = await making.coordinator("外镇", organisation="zs-guzhen")
    chen = await making.volunteer()

    async def give(actor: Person, person: Person, kind: MarkKind = MarkKind.CORE) -> None:
        async with database.write() as session:
            await marks.give(making.work(session, actor), person.id, kind)

    for actor, person, kind, why in (
        (other, chen, MarkKind.CORE, Gone),
        (chen, chen, MarkKind.CORE, Gone),
        (wang, wang, MarkKind.CORE, Refusal),
        (wang, chen, MarkKind.STUDENT, Refusal),
    ):
        with pytest.raises(why):
            await give(actor, person, kind)
    await give(wang, chen)
    with pytest.raises(Refusal, match="mark_borne"):
        await give(wang, chen)
    async with database.write() as session:
        with pytest.raises(Refusal, match="mark_given"):
            await marks.say(making.work(session, chen), MarkKind.CORE, bears=True)
    assert RoleKind.CORE_VOLUNTEER not in roles.GRANTABLE, "a mark, and no role besides"
    async with database.write() as session:
        work = making.work(session, await session.get_one(Person, chen.id))
        about = await personal_data.everything_about(work)
        assert [row["kind"] for row in about["marks"]] == ["core"]
        await personal_data.forget(work)
        assert (await session.scalars(select(PersonMark))).all() == []
        assert (await session.scalars(select(Role.id))).all()
    async with database.read() as session:
        numbers = (await measures.count(making.work(session), None)).numbers
    assert numbers == {}


async def test_a_social_worker_is_paired_with_volunteers(city: City) -> None:
    making = city.making
    wang = await city.coordinator("王强")
    phones = {name: await city.volunteer(name) for name in ("梅社工", "李社工", "甲义工", "乙义工")}
    people = {name: await city.person(phone) for name, phone in phones.items()}
    activity = await making.activity(await city.person(wang))
    post = await making.shift(activity, quota=2, title="社工", mark=MarkKind.SOCIAL_WORKER)
    shift = await making.shift(activity, quota=5, title="义工")
    for name in ("梅社工", "李社工"):
        await mark(making, city.database, people[name], MarkKind.SOCIAL_WORKER)
        await place(making, post, people[name])
    for name in ("甲义工", "乙义工"):
        await place(making, shift, people[name])
    await wang.open(f"https://t.me/{city.bot.username}?start=a-{activity.id}")
    await wang.press("🗂")
    await wang.press("社工+义工")
    await wang.sees("还没有社工带：")
    await wang.press("平均分配")
    await phones["甲义工"].sees("带你的社工是")
    await wang.press("甲义工")
    await wang.press("梅社工")
    await wang.press("乙义工")
    await wang.press("梅社工")
    await phones["梅社工"].sees("由你带 乙义工")
    await opens(city, phones["甲义工"], activity.id)
    await phones["甲义工"].sees("带你的社工：梅社工")
    await opens(city, phones["梅社工"], activity.id)
    await phones["梅社工"].sees("由你带：")
    async with desk_of(city, wang) as desk:
        roster = await desk.open(f"/shifts/{shift.id}")
        assert roster.words.count("社工：梅社工") == 2
        path = f"/activities/{activity.id}/tandems"
        assert "乙义工" in (await desk.open(path)).words
        await desk.send(path, {"volunteer": people["乙义工"].id, "worker": people["李社工"].id})
        assert "社工：李社工" in (await desk.open(f"/shifts/{shift.id}")).words
    later = await making.shift(activity, "2026-11-29 09:00")
    third = await making.volunteer("丙义工")
    await place(making, later, third)
    async with city.database.write() as session:
        work = making.work(session, await city.person(wang))
        with pytest.raises(Refusal, match="tandem_other_time"):
            await tandems.pair(work, activity.id, third.id, people["梅社工"].id)
        assert [one.name for one in (await tandems.share_out(work, activity.id)).alone] == [
            "丙义工"
        ]
    assert await said(city.database, third) == []


async def opens(city: City, phone: Phone, activity_id: int) -> None:
    await phone.open(f"https://t.me/{city.bot.username}?start=a-{activity_id}")
    await city.answered()

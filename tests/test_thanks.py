"""Thanks: letters from recipients, birthdays and anniversaries, points, and the year's review."""

from datetime import date

import pytest
from sqlalchemy import func, select

from models import Delivery, DeliveryState, Message, Person, ThanksLetter
from services import (
    counting,
    greetings,
    measures,
    personal_data,
    points,
    recognition,
    records,
    reviews,
)
from services.greetings import KIND
from services.policy import Policy
from tests.certified import served
from tests.city import City
from tests.databases import ON_POSTGRESQL, ON_SQLITE
from tests.making import Making
from tests.pictures import photo
from tests.recognised import Staff


@pytest.fixture
async def staff(making: Making) -> Staff:
    return await Staff(making).prepare()


@ON_POSTGRESQL
async def test_a_letter_of_thanks_reaches_the_volunteer_and_stays(city: City) -> None:
    """Entered in the chat with a photo; read as it was written; it can be found again."""
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    await wang.say("/awards")
    await wang.press("录入感谢信")
    await wang.say("不存在的人")
    await wang.sees("没有找到")
    await wang.say("陈晓丽")
    await wang.say("康乐街黄婆婆")
    await wang.say("小陈每周都来看我，比亲孙女还亲")
    await wang.send_photo(photo())
    await wang.press("接着填")
    await wang.sees("存入其服务记录")
    await city.settle()
    letter = await chen.sees("比亲孙女还亲")
    assert "康乐街黄婆婆" in letter.words and letter.photo is not None
    await chen.press("我的荣誉")
    await chen.press("来自康乐街黄婆婆")
    await chen.sees("每周都来看我")
    person = await city.person(chen)
    async with city.database.write() as session:
        sealed = await session.scalar(select(Delivery.parameters).where(
            Delivery.person_id == person.id, Delivery.parameters.is_not(None)))  # fmt: skip
        assert "黄婆婆" not in str(sealed)
        work = city.making.work(session, await session.get_one(Person, person.id))
        about = await personal_data.everything_about(work)
        assert about["letters_of_thanks"][0]["from_whom"] == "康乐街黄婆婆"
        await personal_data.forget(work)
        assert await session.scalar(select(func.count()).select_from(ThanksLetter)) == 0


async def test_other_topics_thank_and_only_coordinators_enter(staff: Staff) -> None:
    chen = await staff.making.volunteer("陈晓丽")
    other = await staff.making.coordinator("别镇", organisation="zs-xiaolan")
    words = (chen.id, "谢谢你陪我去医院", "黄婆婆")
    for who in (chen, other):
        assert await staff.refused(who, recognition.write_thanks, *words) == "not_allowed"
    own = (staff.wang.id, "谢谢我自己", "我")
    assert await staff.refused(staff.wang, recognition.write_thanks, *own) == "recognition_own"
    async with staff.making.database.write() as session:
        one = await recognition.thank(staff.making.work(session), *words)
    assert one.organisation_id == chen.organisation_id
    assert await staff.told("thanked") == {chen.id}
    assert await staff.refused(other, recognition.letter, one.id) == "not_allowed"
    async with staff.making.database.write() as session:
        work = staff.making.work(session)
        await measures.keep(work, await measures.count(work, None))
        month = counting.month_of(work, work.now)
        found = await measures.count(work, None)
    assert found.numbers[chen.organisation_id, month, "thanks_letters"] == 1


async def greeted(making: Making) -> dict[str, set[int | None]]:
    """Template -> who was greeted by it."""
    async with making.database.read() as session:
        rows = await session.execute(
            select(Message.template, Delivery.person_id)
            .join(Delivery, Delivery.message_id == Message.id)
            .where(Message.kind == KIND, Delivery.state == DeliveryState.QUEUED)
        )
        found: dict[str, set[int | None]] = {}
        for template, person_id in rows:
            found.setdefault(template.removeprefix("recognition/"), set()).add(person_id)
        return found


async def sweep(making: Making, policy: Policy | None = None) -> int:
    async with making.database.write() as session:
        work = making.work(session)
        if policy is not None:
            work = greetings.Work(session, work.now, policy)
        done = await greetings.send(work, await greetings.look(work))
        return done + await greetings.offer_review(work, await greetings.look_at_year(work))


async def test_birthdays_and_anniversaries_once_in_the_morning(making: Making) -> None:
    clock = making.clock
    today, long_ago = date(1988, 11, 24), clock.at("2019-11-24 00:30")
    born = await making.volunteer("寿星", birth_date=today)
    joined = await making.volunteer("老友", registered_at=long_ago)
    new = await making.volunteer("新人", registered_at=clock.at("2026-11-24 08:00"))
    for number, more in enumerate(
        (
            {"opt_outs": (KIND,)},
            {"paused_until": date(2027, 1, 1)},
            {"birth_date": date(1988, 11, 25)},
        )
    ):
        await making.volunteer(f"别人{number}", **{"birth_date": today, **more})  # type: ignore[arg-type]
    clock.go_to("2026-11-24 08:30")
    assert await sweep(making) == 0
    clock.go_to("2026-11-24 09:05")
    assert await sweep(making) == 2
    assert await sweep(making) == 0
    assert await greeted(making) == {"birthday": {born.id}, "anniversary": {joined.id}}
    clock.go_to("2026-11-25 22:30")  # down all day: nobody is woken, and it is not made up for
    assert await sweep(making) == 0
    async with making.database.read() as session:
        own = await session.scalar(
            select(Delivery.parameters).where(Delivery.person_id == joined.id)
        )
    assert own == {"name": "老友", "years": 7}
    assert new.id not in {key for keys in (await greeted(making)).values() for key in keys}


def test_whoever_was_born_on_29_february_has_a_birthday_each_year() -> None:
    assert date(2004, 2, 29) in greetings._same_days(date(2027, 2, 28))
    assert date(2004, 2, 29) not in greetings._same_days(date(2028, 2, 28))
    assert date(2004, 2, 29) in greetings._same_days(date(2028, 2, 29))


@ON_SQLITE
async def test_a_birthday_wish_is_switched_off_by_one_press(city: City) -> None:
    chen = await city.volunteer("陈晓丽", birth_date=date(1990, 11, 23))
    await city.catch_up()
    await chen.sees("陈晓丽，生日快乐")
    await chen.press("不再接收祝福")
    await chen.sees("生日祝福与年度感谢")
    city.clock.go_to("2027-11-23 10:00")
    await city.catch_up()
    assert sum("生日快乐" in one.words for one in chen.messages) == 1


@ON_SQLITE
async def test_the_year_comes_as_a_picture_offered_once(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    idle = await city.volunteer("李敏")
    coordinator, person = await city.person(wang), await city.person(chen)
    await served(city.making, coordinator, person, 600, "2025-05-10 09:00", title="清洁海滩")
    await served(city.making, coordinator, person, 185, "2026-11-21 09:00", title="河岸植树")
    await city.settle()
    await chen.say("/year")
    shown = await chen.sees("我的2026志愿年度")
    assert shown.photo is not None and "3.1 小时" in shown.words
    await chen.press("2025")
    assert (await chen.sees("我的2025志愿年度")).photo is not None
    await idle.say("/year")
    await idle.sees("还没有已确认的时长")
    for day in ("2026-12-16 10:00", "2027-01-05 10:00"):
        city.clock.go_to(day)
        await city.catch_up()
    await chen.sees("你的2026志愿年度")
    assert sum("你的2026志愿年度" in one.words for one in chen.messages) == 1
    assert not any("志愿年度" in one.words for one in idle.messages[1:])
    await chen.press("看看我的这一年")
    assert (await chen.sees("我的2026志愿年度")).photo is not None


@ON_POSTGRESQL
async def test_a_review_tells_what_the_year_was(staff: Staff) -> None:
    chen = await staff.making.volunteer("陈晓丽")
    for minutes, day in ((600, "2025-05-10"), (120, "2026-03-05"), (300, "2026-11-21")):
        await served(staff.making, staff.wang, chen, minutes, f"{day} 09:00", title=f"活动{day}")
    year = await staff.act(chen, reviews.of_actor)
    assert (year.year, year.minutes, year.times, year.days) == (2026, 420, 2, 2)
    assert year.months[2] == 120 and year.months[10] == 300 and sum(year.months) == 420
    assert year.first.title == "活动2026-03-05" and year.last.day == date(2026, 11, 21)
    assert year.years == [2026, 2025] and year.goes_on
    before = await staff.act(chen, reviews.of_actor, 2025)
    assert (before.minutes, before.times, before.goes_on) == (600, 1, False)
    assert await staff.refused(chen, reviews.of_actor, 2020) == "gone"


@ON_SQLITE
async def test_points_come_from_hours_and_can_be_turned_off(staff: Staff) -> None:
    chen = await staff.served("陈晓丽", 90)
    home = chen.organisation_id
    assert await staff.act(chen, points.of, home, 90) == 15
    assert await staff.refused(chen, points.switch, home, wanted=False) == "not_allowed"
    await staff.act(staff.he, points.switch, staff.he.organisation_id, wanted=False)
    assert await staff.act(chen, points.of, home, 90) is None
    await staff.act(staff.he, points.switch, staff.he.organisation_id, wanted=True)
    await staff.act(staff.wang, points.switch, home, wanted=False)
    assert await staff.act(chen, points.of, home, 90) is None
    far = await staff.making.organisation("zs-xiaolan")
    assert await staff.act(chen, points.of, far.id, 90) == 15
    assert points.worth(90, Policy(points_per_hour=0)) == 0
    record = await staff.act(chen, records.record_of_actor)
    assert record.total == 90

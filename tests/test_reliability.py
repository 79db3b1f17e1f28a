"""How surely people come: gently used, explained to them, open to an objection to each miss."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, select, type_coerce, update

from models import Enrolment, EnrolmentState, Excuse, Person
from services import desk, matching, personal_data, reliability
from services.errors import Gone, NotAllowed, Refusal
from services.policy import Policy
from services.reliability import FARTHEST, Kept
from tests.attending import place
from tests.certified import act
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making

CAME, MISSED, CANCELLED = (
    EnrolmentState.ATTENDED,
    EnrolmentState.NO_SHOW,
    EnrolmentState.CANCELLED,
)


async def was(
    making: Making, coordinator: Person, person: Person, *states: EnrolmentState
) -> list[Enrolment]:
    """Places that somebody had lately, one a day; cancelled ones were cancelled late."""
    activity = await making.activity(coordinator, "敬老院探访")
    found = []
    for number, state in enumerate(states):
        shift = await making.shift(activity, f"2026-11-{1 + number:02d} 09:00")
        found.append(await place(making, shift, person, state))
    async with making.database.write() as session:
        await session.execute(
            update(Enrolment).where(Enrolment.state == CANCELLED).values(cancelled_late=True)
        )
    return found


# The formula


@given(st.integers(0, 300), st.integers(0, 50), st.integers(0, 50))
def test_it_is_gentle_whatever_happened(came: int, missed: int, late: int) -> None:
    policy = Policy()
    kept = Kept(came, missed, late)
    assert 0 < reliability.surely(kept, policy) < 1
    assert 1 <= reliability.farther(kept, policy) <= FARTHEST
    better = Kept(came + 1, missed, late)
    assert reliability.farther(better, policy) <= reliability.farther(kept, policy)
    as_late = reliability.surely(Kept(came, missed, late + 1), policy)
    assert as_late >= reliability.surely(Kept(came, missed + 1, late), policy)


def test_one_miss_of_two_brands_nobody() -> None:
    policy = Policy()
    assert reliability.farther(Kept(0, 0, 0), policy) == 1, "nobody starts behind"
    assert reliability.farther(Kept(11, 1, 0), policy) == 1, "one of twelve says nothing"
    assert reliability.farther(Kept(1, 1, 0), policy) < 1.2
    assert reliability.farther(Kept(0, 10, 0), policy) == FARTHEST


# In matching


async def test_who_stays_away_often_is_told_later_and_never_left_out(making: Making) -> None:
    wang = await making.coordinator("王强", latitude=None, longitude=None)
    near = {"latitude": 22.53, "longitude": 113.39}
    shaky = await making.volunteer("常缺席", **near)
    sure = await making.volunteer("很准时", latitude=22.53, longitude=113.393)
    once = await making.volunteer("缺过一次", latitude=22.53, longitude=113.396)
    await was(making, wang, shaky, *[MISSED] * 8, CANCELLED)
    await was(making, wang, once, *[CAME] * 11, MISSED)
    activity = await making.activity(wang, "河岸植树")
    await making.shift(activity, "2026-12-05 09:00")

    async def told() -> list[int]:
        async with making.database.read() as session:
            audience = await matching.audience(making.work(session), activity)
            rows = (await session.execute(audience)).all()
        return [row[0] for row in rows if row[0] != wang.id]

    assert await told() == [sure.id, once.id, shaky.id]
    async with making.database.write() as session:
        await session.execute(update(Enrolment).values(excused_at=making.clock()))
    assert await told() == [shaky.id, sure.id, once.id], "excused ones count no more"
    async with making.database.write() as session:
        await session.execute(update(Enrolment).values(excused_at=None))
    making.clock.forward(days=366)
    await making.shift(activity, "2027-12-05 09:00")
    assert await told() == [shaky.id, sure.id, once.id], "nor do those of a year ago"


async def test_the_database_reckons_as_the_formula_says(making: Making) -> None:
    wang = await making.coordinator("王强")
    cases = {
        "甲": (CAME, MISSED), "乙": (MISSED, MISSED, CANCELLED), "丙": (CAME, CAME, CANCELLED),
        "丁": (CAME,), "戊": (), "己": (MISSED,) * 9,
    }  # fmt: skip
    for name, states in cases.items():
        await was(making, wang, await making.volunteer(name), *states)
    async with making.database.read() as session:
        work = making.work(session)
        figure = reliability.farther_squared(work, Person.id)
        rows = await session.execute(select(Person, figure).where(Person.name.in_(cases)))
        for person, squared in rows.all():
            kept = await reliability.kept_by(work, person.id)
            wanted = reliability.farther(kept, work.policy) ** 2
            assert float(squared) == pytest.approx(wanted), person.name


# Explained, and put right


async def test_somebody_reads_it_in_plain_words_objects_and_is_excused(city: City) -> None:
    wang = await city.coordinator("王强")
    coordinator = await city.person(wang)
    li = await city.volunteer("李敏")
    person = await city.person(li)
    missed, late, _ = await was(city.making, coordinator, person, MISSED, CANCELLED, CAME)
    await li.say("/record")
    await li.press("履约情况")
    shown = await li.sees("到场 1 次")
    assert "报名 3 次" in shown.words and "没来 1 次" in shown.words
    assert "临时取消 1 次" in shown.words and "候补仍然先到先得" in shown.words
    await li.press("敬老院探访 · 2026年11月1日 周日")
    await li.say("当天突发高烧，已经打过电话")
    received = await li.sees("有结果我告诉你")
    assert "处理中" in received.words
    with pytest.raises(Refusal) as again:
        await act(city.making, person, reliability.object_to, missed.id, "再说一次")
    assert again.value.code == "excuse_once"
    await city.sent()
    told = await wang.sees("说明为什么没来")
    assert "高烧" not in told.words, "the words are sealed, and read only where one decides"
    await wang.press("去处理")
    await wang.sees("高烧")
    await wang.press("认可，不再计入")
    await wang.say("好好休息，下次见")
    await wang.sees("没有等待处理的说明")
    await city.sent()
    assert "好好休息" in (await li.sees("不再计入")).words
    await li.press("履约情况")
    now = await li.sees("报名 2 次")
    assert "1 次已认可" in now.words
    # The other one is decided at the desk, and stays.
    await act(city.making, person, reliability.object_to, late.id, "临时加班")
    async with desk_of(city, wang) as browser:
        assert "缺席说明" in (await browser.open("")).words
        listed = await browser.open("/feedback/excuses")
        assert "临时加班" in listed.words
        async with city.database.read() as session:
            key = await session.scalar(select(Excuse.id).where(Excuse.enrolment_id == late.id))
        await browser.open(f"/feedback/excuses/{key}")
        short = await browser.send(f"/feedback/excuses/{key}/dismiss", {"words": ""})
        assert short.status == 400
        done = await browser.send(f"/feedback/excuses/{key}/dismiss", {"words": "请提前一天说"})
        assert "维持原记录" in done.words
    await city.sent()
    assert "请提前一天说" in (await li.sees("维持原记录")).words


async def test_only_others_who_may_decide_do_and_once(making: Making) -> None:
    wang, zhou = await making.coordinator("王强"), await making.coordinator("周敏")
    (missed,) = await was(making, wang, wang, MISSED)
    li = await making.volunteer("李敏")
    (coming,) = await was(making, wang, li, CAME)
    for who, key in ((li, missed.id), (li, coming.id)):
        with pytest.raises(Gone):
            await act(making, who, reliability.object_to, key, "不是我的缺席")
    await act(making, wang, reliability.object_to, missed.id, "我自己的缺席")
    async with making.database.read() as session:
        (excuse,) = (await session.scalars(select(Excuse))).all()

    async def decide(who: Person) -> Any:
        return await act(making, who, reliability.decide, excuse.id, grant=True, answer="可以")

    with pytest.raises(Refusal) as own:
        await decide(wang)
    assert own.value.code == "hours_own"
    other = await making.coordinator("何小榄", organisation="zs-xiaolan")
    for who in (other, li):
        with pytest.raises(NotAllowed):
            await decide(who)
    assert (await act(making, zhou, desk.waiting))["excuses"] == 1
    assert (await act(making, wang, desk.waiting))["excuses"] == 0
    await decide(zhou)
    with pytest.raises(Refusal) as twice:
        await decide(zhou)
    assert twice.value.code == "dispute_decided"


async def test_reasons_are_sealed_and_go_with_the_person(making: Making) -> None:
    wang, li = await making.coordinator("王强"), await making.volunteer("李敏")
    (missed,) = await was(making, wang, li, MISSED)
    await act(making, li, reliability.object_to, missed.id, "家里老人住院")
    async with making.database.write() as session:
        raw = await session.scalar(select(type_coerce(Excuse.text, LargeBinary)))
        assert raw and "住院".encode() not in raw
        work = making.work(session, await session.get_one(Person, li.id))
        copy = await personal_data.everything_about(work)
        assert copy["excuses"][0]["text"] == "家里老人住院"
        await personal_data.forget(work)
        assert await session.scalar(select(Excuse.text)) == ""

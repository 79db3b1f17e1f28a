"""The list of honours: public within the body, with the names that agreed, and left by a press."""

import pytest

from services import honours, stars
from tests.city import City
from tests.databases import ON_SQLITE
from tests.making import Making
from tests.recognised import Staff


@pytest.fixture
async def staff(making: Making) -> Staff:
    return await Staff(making).prepare()


async def test_the_list_of_honours_names_only_who_agreed(staff: Staff) -> None:
    people = [await staff.served(name) for name in ("陈晓丽", "李敏")]
    for person in people:
        await staff.act(person, stars.apply)
    staff.making.clock.forward(days=9)
    for one in await staff.act(staff.wang, stars.applications):
        await staff.act(staff.wang, stars.award, one.id)
    await staff.act(people[0], honours.join)
    await staff.act(people[0], honours.join)
    seen = await staff.act(people[1], honours.seen)
    assert [one.person.id for one in seen.named] == [people[0].id]
    assert (seen.unnamed, seen.stars, seen.is_named) == (1, {1: 2}, False)
    far = await staff.making.volunteer("外镇人", organisation="zs-xiaolan")
    assert (await staff.act(far, honours.seen)).stars == {}
    assert (await staff.act(far, honours.seen, everywhere=True)).stars == {1: 2}
    await staff.act(people[0], honours.leave)
    seen = await staff.act(people[1], honours.seen)
    assert seen.named == [] and seen.unnamed == 2


@ON_SQLITE
async def test_somebody_joins_and_leaves_by_a_press(city: City) -> None:
    chen, stranger = await city.volunteer("陈晓丽"), city.stranger("路人")
    await chen.say("/more")
    await chen.press("荣誉榜")
    await chen.sees("还没有人同意公开姓名")
    await chen.press("上荣誉榜")
    await chen.press("不再公开我的姓名")
    await chen.wait_until(lambda: chen.find("上荣誉榜"))
    await stranger.start()
    await stranger.say("/honours")
    await city.answered()
    assert not any("荣誉榜 ·" in one.words for one in stranger.messages)

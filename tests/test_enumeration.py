"""Nobody learns who or what is there by trying: numbers, codes, phones, keys."""

import pytest

from services.policy import Policy
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.test_signup import answer_birth, begin

pytestmark = ON_SQLITE


async def test_phone_numbers_are_not_tried_out_by_signing_up(city: City) -> None:
    city.policy = Policy(number_guesses=3)
    await city.start_again()
    known = (await city.person(await city.volunteer("李明"))).phone or ""
    mallory = await begin(city, "马洛里")
    await mallory.say("马洛里")
    await answer_birth(mallory)
    await mallory.sees("用哪个手机号联系你")
    for _ in range(3):
        await mallory.say(known)
        await mallory.sees("已经注册")
    await mallory.say(known)
    await mallory.sees("号码太多了")
    await mallory.share_contact()  # one's own is always taken
    await mallory.sees("身份证")


@pytest.mark.parametrize("path", ["/volunteers/{}", "/activities/{}", "/broadcasts/{}", "/care/{}"])
async def test_what_is_not_there_and_what_is_not_ones_own_look_alike(city: City, path: str) -> None:
    """Of another town, or of nobody: the same page, so that trying keys tells nothing."""
    stranger = await city.coordinator("外镇", organisation="zs-dongfeng")
    foreign = await city.person(await city.volunteer("李明"))
    async with desk_of(city, stranger) as desk:
        there = await desk.open(path.format(foreign.id))
        nowhere = await desk.open(path.format(9_999_999))
    assert there.status == nowhere.status
    assert there.words == nowhere.words

"""People are found by what they are called and what they are; the directory follows them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from models import Account, Database, Directory, Person, RoleKind, Standing
from models.sealed import keyring
from services import accounts, approvals, directory, people, saved_filters, signup, traits
from services.directory import Wanted
from services.errors import Gone, Refusal
from tests.making import Making

FOUND_BY = {
    "陈晓丽": {"陈晓丽"},
    "晓丽": {"陈晓丽", "李晓丽"},
    "陈": {"陈晓丽", "陈嘉豪"},
    "chenxiaoli": {"陈晓丽"},
    "Chen Xiaoli": {"陈晓丽"},
    "xiaoli": {"陈晓丽", "李晓丽"},
    "cxl": {"陈晓丽"},
    "c": {"陈晓丽", "陈嘉豪"},
    "xl": set(),
    "晓丽 陈": {"陈晓丽"},
    "smith": {"John Smith"},
    "ＪＯＨＮ": {"John Smith"},
    "4711": {"陈嘉豪"},
    "04711": set(),  # or the digits would be found out one by one
    "00004711": set(),
    "3500004711": set(),
    "13500004711": {"陈嘉豪"},
    "+86 135 0000 4711": {"陈嘉豪"},
    "13500014711": set(),
    "471": set(),
    "%": set(),
}
NAMES = ("陈晓丽", "陈嘉豪", "李晓丽", "John Smith")


async def named(making: Making, actor: Person, **wanted: Any) -> set[str]:
    async with making.database.read() as session:
        found = await directory.page(making.work(session, actor), Wanted(**wanted))
    assert found.total == len(found.slice.rows)
    return {row.name for row in found.slice.rows}


async def one(making: Making, name: str, **more: Any) -> Person:
    return await making.volunteer(name, name_search=signup.search_of(name), **more)


async def test_people_are_found_by_name_pinyin_number_and_the_phones_last_digits(
    making: Making,
) -> None:
    wang = await making.coordinator("王强", phone="+8613500000001", number="ZD900000000")
    numbered = {}
    for at, name in enumerate(NAMES):
        phone = "+8613500004711" if name == "陈嘉豪" else f"+86135222200{at:02d}"
        number = f"ZD{at:09d}"
        numbered[name] = await one(
            making, name, phone=phone, phone_hash=keyring().fingerprint(phone), number=number
        )
    for typed, expected in FOUND_BY.items():
        assert await named(making, wang, typed=typed) == expected, typed
    number = str(numbered["李晓丽"].number)
    assert await named(making, wang, typed=number) == {"李晓丽"}
    assert await named(making, wang, typed=number.lower()) == {"李晓丽"}


async def test_filters_narrow_down_together_and_keep_to_ones_own_subtree(making: Making) -> None:
    wang = await making.coordinator("王强")
    city = await making.coordinator("何市长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    tomorrow = making.clock().date() + timedelta(days=1)
    skilled = await one(making, "甲", skills=("first_aid",), emergency_opt_in=True)
    kind = await making.qualification(skilled, expires_in=30)
    expired = await one(making, "乙", skills=("first_aid",))
    await making.qualification(expired, expires_in=-1)
    await one(making, "丙", paused_until=tomorrow)
    await one(making, "丁", standing=Standing.WITHDRAWN, organisation="zs-shiqi-taiping")
    await one(making, "戊", organisation="zs-xiaolan")
    silent = await one(making, "己")
    async with making.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == silent.id))
        await traits.renew(making.work(session), [silent.id])
        (skill,) = await session.scalars(
            select(signup.PersonSkill.skill_id).where(signup.PersonSkill.person_id == skilled.id)
        )
    station = (await making.organisation("zs-shiqi-taiping")).id
    xiaolan = (await making.organisation("zs-xiaolan")).id
    own = {"王强", "甲", "乙", "丙", "丁", "己"}
    for expected, wanted in (
        (own, {}),
        ({"甲", "乙"}, {"skills": (skill,)}),
        ({"甲"}, {"qualifications": (kind.id,)}),
        ({"甲"}, {"skills": (skill,), "emergencies": "yes", "status": "active"}),
        (set(), {"skills": (skill,), "telegram": "no"}),
        ({"己"}, {"telegram": "no"}),
        ({"丙"}, {"status": "paused"}),
        (own - {"丁"}, {"status": "active"}),
        ({"丁"}, {"organisation": station}),
        (set(), {"organisation": xiaolan}),
        (set(), {"organisation": 999_999}),
        (own - {"甲"}, {"emergencies": "no"}),
    ):
        assert await named(making, wang, **wanted) == expected, wanted
    assert await named(making, city) == own | {"何市长", "戊"}
    assert await named(making, city, organisation=xiaolan) == {"戊"}
    assert await named(making, skilled) == set(), "who has no role finds nobody"


async def test_pages_follow_one_another_and_all_can_be_read_in_portions(making: Making) -> None:
    wang = await making.coordinator("王强")
    await making.crowd(104)
    async with making.database.read() as session:
        work = making.work(session, wang)
        first = await directory.page(work, Wanted(), 1)
        last = await directory.page(work, Wanted(), 3)
        assert (first.total, last.total, len(last.slice.rows)) == (105, 105, 5)
        assert first.slice.more and not last.slice.more
        keys = [row.id for row in first.slice.rows]
        assert keys == sorted(keys, reverse=True)
        every = [row.id async for rows in directory.every(work, Wanted()) for row in rows]
        some = [row.id async for rows in directory.every(work, Wanted(), keys[:3]) for row in rows]
    assert len(every) == 105 and some == sorted(keys[:3])


async def test_the_directory_follows_whatever_changes_somebody(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    applied = await one(making, "陈晓丽", standing=Standing.AWAITING_APPROVAL, number=None)
    blocked = await one(making, "李敏", telegram_id=77)

    async def agrees() -> None:
        async with database.read() as session:
            assert await traits.differences(making.work(session)) == []

    async with database.write() as session:
        await approvals.refuse(making.work(session, wang), applied.id, "资料不全")
        await accounts.mark_unreachable(session, 77, "blocked", making.clock())
    await agrees()
    assert await named(making, wang, status="refused") == {"陈晓丽"}
    assert await named(making, wang, telegram="blocked") == {"李敏"}
    async with database.write() as session:
        later = making.clock() + timedelta(hours=2)
        await accounts.meet(session, 77, "zh_Hans", later, making.work(session).policy.zone)
        kept = await session.get_one(Person, blocked.id)
        kept.phone = "+8613511119876"
    await agrees()
    assert await named(making, wang, telegram="blocked") == set()
    assert await named(making, wang, typed="9876") == {"李敏"}
    async with database.write() as session:
        gone = await session.get_one(Directory, blocked.id)
        await session.delete(gone)
        await session.flush()
        assert await traits.differences(making.work(session)) == [blocked.id]
        await traits.renew_all(making.work(session))
    await agrees()


async def test_after_an_upgrade_everybody_is_found_by_their_phone(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强", phone="+8613500004711")
    async with database.write() as session:
        await session.execute(update(Person).values(phone_tail_hash=None))
        assert await people.without_tail(session) == 1
        assert await people.give_tails(session) == 1
        assert await people.give_tails(session) == 0
    assert await named(making, wang, typed="4711") == {"王强"}


async def test_a_filter_is_saved_under_a_name_and_found_again(
    making: Making, database: Database
) -> None:
    wang, li = await making.coordinator("王强"), await making.coordinator("李敏")
    wanted = Wanted(typed="chen", status="active", skills=(3,))
    async with database.write() as session:
        mine, others = making.work(session, wang), making.work(session, li)
        kept = await saved_filters.save(mine, " 姓陈的  在册 ", wanted)
        again = await saved_filters.save(mine, "姓陈的 在册", Wanted(typed="陈"))
        assert kept.id == again.id and kept.name == "姓陈的 在册"
        other = await saved_filters.save(mine, "全部", wanted)
        assert await saved_filters.opened(mine, other.id) == wanted
        assert {one.name for one in await saved_filters.own(mine)} == {"姓陈的 在册", "全部"}
        with pytest.raises(Refusal, match="filter_name_taken"):
            await saved_filters.rename(mine, other.id, "姓陈的 在册")
        with pytest.raises(Refusal, match="filter_name"):
            await saved_filters.rename(mine, other.id, " ")
        await saved_filters.rename(mine, other.id, "备用")
        for act in (saved_filters.opened, saved_filters.forget):
            with pytest.raises(Gone):
                await act(others, other.id)
        assert await saved_filters.own(others) == []
        await saved_filters.forget(mine, other.id)
        assert len(await saved_filters.own(mine)) == 1

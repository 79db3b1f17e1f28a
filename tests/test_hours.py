"""Hours: confirming, correcting, rejecting, objecting, and the record that comes of them."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Attendance,
    Database,
    Delivery,
    DisputeState,
    EntryKind,
    HoursState,
    LedgerEntry,
    Message,
    Person,
    RoleKind,
    Shift,
)
from services import disputes, hours, ledger, records
from services.errors import Gone, NotAllowed, Refusal
from services.policy import Policy
from tests.attending import propose
from tests.making import Making


class Planted:
    """A shift that is over: Chen was there for 170 minutes, Li for 180, Wang coordinates."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.wang: Person
        self.chen: Person
        self.li: Person
        self.boss: Person
        self.shift: Shift
        self.chens: int
        self.lis: int

    async def prepare(self) -> "Planted":
        self.wang = await self.making.coordinator("王强")
        self.boss = await self.making.coordinator(
            "何会长", organisation="zs", role=RoleKind.ADMINISTRATOR
        )
        self.chen = await self.making.volunteer("陈晓丽")
        self.li = await self.making.volunteer("李敏")
        self.shift = await self.making.shift(await self.making.activity(self.wang))
        self.chens = await propose(self.making, self.shift, self.chen, 170)
        self.lis = await propose(self.making, self.shift, self.li, 180)
        self.making.clock.go_to("2026-11-28 15:00")
        return self

    async def act(self, who: Person, verb: Any, *given: Any) -> Any:
        async with self.making.database.write() as session:
            return await verb(self.making.work(session, who), *given)

    async def refused(self, who: Person, verb: Any, *given: Any) -> str:
        with pytest.raises(Refusal) as refusal:
            await self.act(who, verb, *given)
        return refusal.value.code

    async def attendance(self, key: int) -> Attendance:
        async with self.making.database.read() as session:
            return await session.get_one(Attendance, key)

    async def entries(self) -> list[LedgerEntry]:
        async with self.making.database.read() as session:
            found = await session.scalars(select(LedgerEntry).order_by(LedgerEntry.id))
            return list(found)

    async def told(self, template: str) -> dict[int | None, dict[str, Any]]:
        """Person's key -> the parameters of what they are told by a template."""
        async with self.making.database.read() as session:
            rows = await session.execute(
                select(Delivery.person_id, Message.parameters, Delivery.parameters)
                .join(Message, Message.id == Delivery.message_id)
                .where(Message.template == template)
            )
            return {row[0]: {**row[1], **(row[2] or {})} for row in rows}


@pytest.fixture
async def planted(making: Making) -> Planted:
    return await Planted(making).prepare()


@pytest.fixture(autouse=True)
async def _the_ledger_verifies_after_each_test(database: Database) -> Any:
    yield
    async with database.read() as session:
        assert await ledger.verify(session) == []


# Deciding


async def test_the_coordinator_confirms_all_and_everyone_learns_their_own_minutes(
    planted: Planted,
) -> None:
    assert await planted.act(planted.wang, hours.waiting) == 2
    done = await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    assert (done.count, done.own, done.empty) == (2, 0, 0)
    assert {entry.person_id: entry.minutes for entry in await planted.entries()} == {
        planted.chen.id: 170,
        planted.li.id: 180,
    }
    told = await planted.told("hours/confirmed")
    assert {key: told[key]["minutes"] for key in told} == {planted.chen.id: 170, planted.li.id: 180}
    assert told[planted.chen.id]["attendance_id"] == planted.chens
    assert await planted.act(planted.wang, hours.waiting) == 0


async def test_one_is_corrected_with_a_reason(planted: Planted) -> None:
    await planted.act(planted.wang, hours.correct, planted.chens, 150, "早退")
    [entry] = await planted.entries()
    assert (entry.kind, entry.minutes) == (EntryKind.CONFIRMATION, 150)
    told = await planted.told("hours/corrected")
    assert told[planted.chen.id]["minutes"] == 150
    assert told[planted.chen.id]["reason"] == "早退"


async def test_one_is_rejected_with_a_reason_and_makes_no_entry(planted: Planted) -> None:
    await planted.act(planted.wang, hours.reject, planted.chens, "没有到场")
    assert await planted.entries() == []
    assert (await planted.attendance(planted.chens)).state is HoursState.REJECTED
    assert (await planted.told("hours/rejected"))[planted.chen.id]["reason"] == "没有到场"


async def test_a_mistaken_rejection_is_put_right(planted: Planted) -> None:
    await planted.act(planted.wang, hours.reject, planted.chens, "看错人了")
    await planted.act(planted.wang, hours.correct, planted.chens, 170, "更正")
    [entry] = await planted.entries()
    assert (entry.kind, entry.minutes) == (EntryKind.CONFIRMATION, 170)


async def test_a_mistaken_confirmation_is_corrected_twice(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm, planted.chens)
    await planted.act(planted.wang, hours.correct, planted.chens, 120, "早退")
    await planted.act(planted.wang, hours.correct, planted.chens, 130, "更正")
    assert [entry.minutes for entry in await planted.entries()] == [170, -50, 10]
    assert (await planted.attendance(planted.chens)).minutes == 130


@pytest.mark.parametrize("minutes", [0, -10, 421])
async def test_impossible_minutes_are_refused(planted: Planted, minutes: int) -> None:
    refused = await planted.refused(planted.wang, hours.correct, planted.chens, minutes, "更正")
    assert refused == "hours_range"


async def test_nothing_is_decided_twice(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm, planted.chens)
    assert await planted.refused(planted.wang, hours.confirm, planted.chens) == "hours_decided"
    assert await planted.refused(planted.wang, hours.reject, planted.chens, "x") == "hours_decided"
    same = await planted.refused(planted.wang, hours.correct, planted.chens, 170, "更正")
    assert same == "hours_same"
    assert (await planted.act(planted.wang, hours.confirm_all, planted.shift.id)).count == 1
    assert (await planted.act(planted.wang, hours.confirm_all, planted.shift.id)).count == 0
    assert len(await planted.entries()) == 2


async def test_nobody_decides_on_their_own_hours(planted: Planted) -> None:
    own = await propose(planted.making, planted.shift, planted.wang)
    for verb, given in (
        (hours.confirm, ()),
        (hours.correct, (100, "更正")),
        (hours.reject, ("没有",)),
    ):
        assert await planted.refused(planted.wang, verb, own, *given) == "hours_own"
    done = await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    assert (done.count, done.own) == (2, 1)
    assert await planted.act(planted.wang, hours.waiting) == 0
    assert await planted.act(planted.boss, hours.waiting) == 1
    await planted.act(planted.boss, hours.confirm, own)
    assert (await planted.attendance(own)).state is HoursState.CONFIRMED


async def test_a_proposal_of_no_minutes_waits_for_a_single_decision(planted: Planted) -> None:
    early = await propose(planted.making, planted.shift, await planted.making.volunteer("张三"), 0)
    done = await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    assert (done.count, done.empty) == (2, 1)
    assert await planted.refused(planted.wang, hours.confirm, early) == "hours_nothing"


async def test_hours_of_who_is_still_there_are_not_decided(planted: Planted) -> None:
    async with planted.making.database.write() as session:
        found = await session.get_one(Attendance, planted.chens)
        found.state, found.checked_out_at, found.minutes = HoursState.OPEN, None, None
    for verb, given in (
        (hours.confirm, ()),
        (hours.correct, (100, "更正")),
        (hours.reject, ("没有",)),
    ):
        assert await planted.refused(planted.wang, verb, planted.chens, *given) == "hours_open"


async def test_only_coordinators_above_decide(planted: Planted) -> None:
    elsewhere = await planted.making.coordinator("别人", organisation="zs-xiaolan")
    leader = await planted.making.coordinator("队长", role=RoleKind.TEAM_LEADER)
    for who in (elsewhere, leader, planted.li):
        for verb, given in (
            (hours.confirm_all, (planted.shift.id,)),
            (hours.confirm, (planted.chens,)),
            (hours.correct, (planted.chens, 100, "更正")),
            (hours.reject, (planted.chens, "没有")),
            (hours.sheet, (planted.shift.id,)),
        ):
            with pytest.raises(NotAllowed):
                await planted.act(who, verb, *given)
        assert await planted.act(who, hours.waiting) == 0


async def test_the_sheet_shows_what_waits_first(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm, planted.chens)
    sheet = await planted.act(planted.wang, hours.sheet, planted.shift.id)
    assert [one.person.name for one in sheet.records] == ["李敏", "陈晓丽"]
    assert (sheet.left, sheet.page, sheet.pages) == (1, 0, 1)
    [pile] = await planted.act(planted.wang, hours.piles)
    assert (pile.shift.id, pile.count) == (planted.shift.id, 1)


async def test_coordinators_are_told_once_that_hours_wait(planted: Planted) -> None:
    assert await planted.act(planted.wang, hours.remind_coordinators) == 1
    assert await planted.act(planted.wang, hours.remind_coordinators) == 0
    assert (await planted.told("hours/waiting"))[planted.wang.id]["count"] == 2


# Objecting


async def test_an_objection_goes_to_the_superior_organisation(planted: Planted) -> None:
    await planted.act(planted.wang, hours.reject, planted.chens, "没有到场")
    case = await planted.act(planted.chen, disputes.object_to, planted.chens, "我在的")
    assert case.dispute.organisation_id == planted.boss.organisation_id
    told = await planted.told("disputes/raised")
    assert list(told) == [planted.boss.id]
    assert told[planted.boss.id]["text"] == "我在的"
    assert await planted.act(planted.boss, disputes.waiting) == 1
    assert await planted.act(planted.wang, disputes.waiting) == 0


async def test_a_granted_objection_gives_the_hours_back(planted: Planted) -> None:
    await planted.act(planted.wang, hours.reject, planted.chens, "没有到场")
    case = await planted.act(planted.chen, disputes.object_to, planted.chens, "我在的")
    await planted.act(planted.boss, disputes.grant, case.dispute.id, 170, "有照片为证")
    [entry] = await planted.entries()
    assert (entry.kind, entry.minutes) == (EntryKind.CONFIRMATION, 170)
    assert (await planted.told("disputes/granted"))[planted.chen.id]["minutes"] == 170
    assert planted.wang.id in await planted.told("disputes/decided")
    found = await planted.attendance(planted.chens)
    assert (found.state, found.minutes) == (HoursState.CONFIRMED, 170)


async def test_a_granted_objection_to_confirmed_hours_is_a_correction(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm, planted.chens)
    case = await planted.act(planted.chen, disputes.object_to, planted.chens, "我做满了")
    await planted.act(planted.boss, disputes.grant, case.dispute.id, 180, "核实")
    first, second = await planted.entries()
    assert (second.kind, second.minutes, second.corrects_id) == (EntryKind.CORRECTION, 10, first.id)


async def test_a_dismissed_objection_leaves_the_hours_and_is_answered(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm, planted.chens)
    case = await planted.act(planted.chen, disputes.object_to, planted.chens, "我做满了")
    await planted.act(planted.boss, disputes.dismiss, case.dispute.id, "签到记录很清楚")
    assert len(await planted.entries()) == 1
    told = await planted.told("disputes/dismissed")
    assert told[planted.chen.id]["answer"] == "签到记录很清楚"


async def test_one_objects_once_and_in_time(planted: Planted) -> None:
    refuse = planted.refused
    assert await refuse(planted.chen, disputes.object_to, planted.chens, "x") == "dispute_early"
    await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    planted.making.clock.forward(days=7)
    await planted.act(planted.chen, disputes.object_to, planted.chens, "刚好七天")
    assert await refuse(planted.chen, disputes.object_to, planted.chens, "再来") == "dispute_once"
    planted.making.clock.forward(minutes=1)
    assert await refuse(planted.li, disputes.object_to, planted.lis, "晚了") == "dispute_late"


async def test_nobody_objects_for_somebody_else(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    with pytest.raises(Gone):
        await planted.act(planted.li, disputes.object_to, planted.chens, "我来说")


async def test_only_the_superior_organisation_decides_and_once(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    case = await planted.act(planted.chen, disputes.object_to, planted.chens, "我做满了")
    for who in (planted.wang, planted.chen, planted.li):
        with pytest.raises(NotAllowed):
            await planted.act(who, disputes.grant, case.dispute.id, 180, "可以")
        with pytest.raises(NotAllowed):
            await planted.act(who, disputes.dismiss, case.dispute.id, "不行")
    await planted.act(planted.boss, disputes.dismiss, case.dispute.id, "不行")
    again = await planted.refused(planted.boss, disputes.grant, case.dispute.id, 180, "可以")
    assert again == "dispute_decided"
    assert case.dispute.state is DisputeState.OPEN  # as it was then


async def test_the_coordinator_can_not_change_what_is_objected_to(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    await planted.act(planted.chen, disputes.object_to, planted.chens, "我做满了")
    refused = await planted.refused(planted.wang, hours.correct, planted.chens, 10, "报复")
    assert refused == "hours_disputed"


async def test_nobody_decides_on_their_own_objection(planted: Planted) -> None:
    own = await propose(planted.making, planted.shift, planted.boss)
    await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    case = await planted.act(planted.boss, disputes.object_to, own, "多给点")
    assert await planted.told("disputes/raised") == {}
    refused = await planted.refused(planted.boss, disputes.grant, case.dispute.id, 200, "好")
    assert refused == "hours_own"


# The record


async def test_the_record_adds_up_the_ledger(planted: Planted) -> None:
    await planted.act(planted.wang, hours.confirm_all, planted.shift.id)
    activity = await planted.making.activity(planted.wang, "去年的活动")
    earlier = await planted.making.shift(activity, "2025-12-20 09:00", hours=2)
    key = await propose(planted.making, earlier, planted.chen, 120)
    await planted.act(planted.wang, hours.confirm, key)
    await planted.act(planted.wang, hours.correct, key, 90, "更正")
    waits = await planted.making.shift(activity, "2026-11-27 09:00")
    await propose(planted.making, waits, planted.chen, 60)
    record = await planted.act(planted.chen, records.record_of_actor)
    assert (record.total, record.this_year, record.times) == (260, 170, 2)
    assert [field.minutes for field in record.fields] == [260]
    assert dict(record.months)[date(2026, 11, 1)] == 170
    assert dict(record.months)[date(2025, 12, 1)] == 90
    assert len(record.months) == records.MONTHS
    assert record.waiting == 60
    assert [one.state for one in record.last] == [
        HoursState.CONFIRMED,
        HoursState.PROPOSED,
        HoursState.CONFIRMED,
    ]


async def test_a_new_volunteer_has_an_empty_record(planted: Planted) -> None:
    record = await planted.act(planted.li, records.record_of_actor)
    assert (record.total, record.fields, record.stars.count) == (0, [], 0)


@pytest.mark.parametrize(
    ("hours_served", "count", "to_next"),
    [(0, 0, 100), (99, 0, 1), (100, 1, 200), (1499, 4, 1), (1500, 5, None), (9000, 5, None)],
)
def test_stars_are_given_by_confirmed_hours(
    hours_served: int, count: int, to_next: int | None
) -> None:
    stars = records.stars(hours_served * 60, Policy())
    assert (stars.count, stars.most) == (count, 5)
    assert stars.to_next == (None if to_next is None else to_next * 60)


def test_a_minute_short_is_no_star() -> None:
    stars = records.stars(100 * 60 - 1, Policy())
    assert (stars.count, stars.to_next) == (0, 1)

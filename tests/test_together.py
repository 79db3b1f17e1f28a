"""A group enrols together: all get a place, or all wait. The rules, on both databases."""

import asyncio
from datetime import date

import pytest
from sqlalchemy import select

from models import (
    Account,
    Activity,
    Confirmation,
    Cover,
    Database,
    Enrolment,
    EnrolmentState,
    Message,
    Party,
    PartyKind,
    PartyMember,
    PartyState,
    Person,
    RoleKind,
    Shift,
)
from services import briefings, enrolment, insurance, parties, planning, requirements, together
from services.errors import Gone, Refusal
from services.together import Together
from tests.attending import field_of
from tests.databases import ON_BOTH
from tests.making import Making
from tests.schooling import online
from tests.test_enrolment import enrol, said, state_of, taken
from tests.test_protection import POLICY

pytestmark = ON_BOTH


async def group_of(making: Making, database: Database, size: int, name: str = "陈家") -> "Group":
    """A head and others who have agreed."""
    head = await making.volunteer(f"{name}组长")
    others = await making.crowd(size - 1)
    async with database.write() as session:
        party = await parties.found(making.work(session, head), PartyKind.FRIENDS, name)
        session.add_all(
            PartyMember(
                party_id=party.id, person_id=one.id, state=PartyState.ACTIVE, since=making.clock()
            )
            for one in others
        )
    return Group(making, database, party, head, [head, *others])


class Group:
    """What its head does, each a transaction of its own."""

    def __init__(
        self, making: Making, database: Database, party: Party, head: Person, people: list[Person]
    ) -> None:
        self.making, self.database = making, database
        self.party, self.head, self.people = party, head, people

    async def enrol(self, shift: Shift, people: list[Person] | None = None) -> Together:
        async with self.database.write() as session:
            work = self.making.work(session, self.head)
            keys = [one.id for one in people or self.people]
            return await together.enrol(work, shift.id, self.party.id, keys)

    async def states(self, shift: Shift) -> set[EnrolmentState]:
        async with self.database.read() as session:
            found = select(Enrolment.state).where(
                Enrolment.shift_id == shift.id,
                Enrolment.person_id.in_([one.id for one in self.people]),
            )
            return set(await session.scalars(found))


@pytest.fixture
async def wang(making: Making) -> Person:
    return await making.coordinator("王强")


@pytest.fixture
async def activity(making: Making, wang: Person) -> Activity:
    return await making.activity(wang)


async def test_groups_and_others_who_press_at_once_never_overfill_nor_split(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=11)
    groups = [await group_of(making, database, size, f"组{size}") for size in (4, 4, 4, 3)]
    singles = await making.crowd(6)
    gate = asyncio.Event()

    async def press(group: Group) -> None:
        await gate.wait()
        await group.enrol(shift)

    async def alone(person: Person) -> None:
        await gate.wait()
        await enrol(making, database, person, shift)

    presses = [asyncio.create_task(press(group)) for group in groups]
    presses += [asyncio.create_task(alone(person)) for person in singles]
    gate.set()
    await asyncio.gather(*presses)
    together_or_not = [await group.states(shift) for group in groups]
    assert all(len(states) == 1 for states in together_or_not), "no group is split"
    async with database.read() as session:
        held = await session.scalars(
            select(Enrolment.id).where(Enrolment.state == EnrolmentState.CONFIRMED)
        )
        assert len(held.all()) == await taken(database, shift) <= 11


async def test_a_member_and_their_head_who_press_at_once_take_one_place(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=5)
    group = await group_of(making, database, 3)
    done = await asyncio.gather(
        group.enrol(shift),
        enrol(making, database, group.people[1], shift),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Exception) for one in done) <= 1, done
    async with database.read() as session:
        held = await session.scalars(
            select(Enrolment.person_id).where(Enrolment.state == EnrolmentState.CONFIRMED)
        )
        assert len(held.all()) == await taken(database, shift)


async def test_a_waiting_group_is_let_in_as_a_whole_and_later_ones_are_not_starved(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=4)
    holders = await making.crowd(4)
    places = [await enrol(making, database, person, shift) for person in holders]
    group = await group_of(making, database, 3)
    waiting = await group.enrol(shift)
    assert waiting.states == {EnrolmentState.WAITLISTED}
    late = await making.volunteer("后来的")
    behind = await enrol(making, database, late, shift)

    async def cancel(person: Person, own: Enrolment) -> None:
        async with database.write() as session:
            await enrolment.cancel(making.work(session, person), own.id)

    await cancel(holders[0], places[0])
    assert await state_of(database, behind) is EnrolmentState.OFFERED, "one place suffices for one"
    assert await group.states(shift) == {EnrolmentState.WAITLISTED}
    for number in (1, 2, 3):
        await cancel(holders[number], places[number])
    assert await group.states(shift) == {EnrolmentState.OFFERED}, "all of them at once"
    assert await said(database, group.head) == ["parties/offer"]
    assert await taken(database, shift) == 4
    async with database.write() as session:
        work = making.work(session, group.head)
        taken_up = await together.accept(work, waiting.block.id)
    assert taken_up.states == {EnrolmentState.CONFIRMED}
    with pytest.raises(Refusal, match="offer_over"):
        async with database.write() as session:
            await together.decline(making.work(session, group.head), waiting.block.id)


async def test_an_offer_to_a_group_lapses_and_goes_on_and_may_be_declined(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    shift = await making.shift(activity, quota=2)
    holder = await group_of(making, database, 2, "先到")
    own = await holder.enrol(shift)
    groups = [await group_of(making, database, 2, name) for name in ("甲组", "乙组")]
    blocks = [await group.enrol(shift) for group in groups]
    async with database.write() as session:
        await together.cancel(making.work(session, holder.head), own.block.id)
    assert await groups[0].states(shift) == {EnrolmentState.OFFERED}
    making.clock.forward(hours=3)
    for _ in range(2):
        async with database.write() as session:
            await enrolment.expire_offers(making.work(session))
    assert await groups[0].states(shift) == {EnrolmentState.DECLINED}
    assert await groups[1].states(shift) == {EnrolmentState.OFFERED}
    async with database.write() as session:
        await together.decline(making.work(session, groups[1].head), blocks[1].block.id)
    assert await taken(database, shift) == 0


async def test_who_cannot_come_is_named_with_the_reason_and_nobody_gets_a_place(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    group = await group_of(making, database, 2)
    child = await making.volunteer("小陈", birth_date=date(2014, 1, 1))
    busy = await making.volunteer("忙人")
    async with database.write() as session:
        session.add_all(
            PartyMember(
                party_id=group.party.id, person_id=one.id, state=PartyState.ACTIVE,
                since=making.clock(),
            )
            for one in (child, busy)
        )  # fmt: skip
    other = await making.activity(wang, "别处的事")
    await enrol(making, database, busy, await making.shift(other))
    shift = await making.shift(activity, least_age=16)
    everyone = [*group.people, child, busy]
    with pytest.raises(Refusal) as refused:
        await group.enrol(shift, everyone)
    assert refused.value.code == "together_unsuited"
    why = {one["name"]: one["why"] for one in refused.value.parameters["people"]}
    assert why == {"小陈": "enrol_too_young", "忙人": "enrol_clash"}
    assert "别处的事" not in str(refused.value.parameters), "what else they do stays theirs"
    assert await taken(database, shift) == 0
    stranger = await making.volunteer("外人")
    with pytest.raises(Gone):
        await group.enrol(shift, [*group.people, stranger])
    small = await making.shift(activity, "2026-11-29 09:00", quota=1)
    with pytest.raises(Refusal, match="together_quota"):
        await group.enrol(small)


async def test_one_cancels_alone_and_the_head_for_all(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    shift = await making.shift(activity, quota=3)
    group = await group_of(making, database, 2)
    friend = await making.volunteer("友人")
    async with database.write() as session:
        session.add(
            PartyMember(
                party_id=group.party.id, person_id=friend.id, state=PartyState.ACTIVE,
                since=making.clock(),
            )
        )  # fmt: skip
    group.people.append(friend)
    done = await group.enrol(shift)
    assert await said(database, friend) == ["together/enrolled"]
    mine = next(one for one in done.companions if one.name == "友人").enrolment
    async with database.write() as session:
        await enrolment.cancel(making.work(session, friend), mine.id)
    assert await taken(database, shift) == 2
    with pytest.raises(Gone):
        async with database.write() as session:
            await together.cancel(making.work(session, friend), done.block.id)
    making.clock.go_to("2026-11-28 07:00")
    with pytest.raises(Refusal, match="cancel_needs_reason"):
        async with database.write() as session:
            await together.cancel(making.work(session, group.head), done.block.id)
    async with database.write() as session:
        await together.cancel(making.work(session, group.head), done.block.id, "孩子发烧")
    assert await taken(database, shift) == 0
    assert await said(database, wang) == ["together/cancelled_late"]


async def test_a_smaller_group_fits_once_one_of_it_no_longer_waits(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=3)
    holder = await making.volunteer("占一个")
    await enrol(making, database, holder, shift)
    group = await group_of(making, database, 3)
    async with database.write() as session:
        telegram = 77_000_001
        session.add(
            Account(
                telegram_id=telegram, person_id=group.people[1].id, language="zh_Hans",
                language_chosen=True, first_seen_at=making.clock(), last_seen_at=making.clock(),
            )
        )  # fmt: skip
    done = await group.enrol(shift)
    assert done.states == {EnrolmentState.WAITLISTED}
    member = next(one for one in done.companions if one.enrolment.person_id == group.people[1].id)
    async with database.write() as session:
        await enrolment.cancel(making.work(session, group.people[1]), member.enrolment.id)
    assert await group.states(shift) == {EnrolmentState.OFFERED, EnrolmentState.CANCELLED}
    assert await taken(database, shift) == 3


async def test_added_places_and_a_coordinators_word_let_in_the_whole_group(
    making: Making, database: Database, wang: Person
) -> None:
    by_hand = await making.activity(wang, confirmation=Confirmation.BY_HAND)
    shift = await making.shift(by_hand, quota=2)
    first = await group_of(making, database, 2, "先到")
    assert (await first.enrol(shift)).states == {EnrolmentState.APPLIED}
    assert await said(database, wang) == ["together/application"], "once for all of them"
    group = await group_of(making, database, 2)
    done = await group.enrol(shift)
    async with database.write() as session:
        work = making.work(session, wang)
        plan = await planning.shifts.plan_of(session, await session.get_one(Shift, shift.id))
        await planning.change_shift(work, shift.id, planning.replace(plan, quota=3), "link")
    assert await group.states(shift) == {EnrolmentState.WAITLISTED}
    with pytest.raises(Refusal, match="walkin_full"):
        async with database.write() as session:
            await enrolment.offer(making.work(session, wang), done.companions[0].enrolment.id)
    async with database.write() as session:
        work = making.work(session, wang)
        await planning.change_shift(work, shift.id, planning.replace(plan, quota=4), "link")
    assert await group.states(shift) == {EnrolmentState.OFFERED}
    async with database.read() as session:
        offers = await session.scalars(
            select(Message.parameters).where(Message.template == "parties/offer")
        )
        assert [len(one["names"]) for one in offers] == [2]


async def join(making: Making, group: Group, *people: Person) -> None:
    async with making.database.write() as session:
        session.add_all(
            PartyMember(
                party_id=group.party.id, person_id=one.id, state=PartyState.ACTIVE,
                since=making.clock(),
            )
            for one in people
        )  # fmt: skip
    group.people.extend(people)


async def test_minors_and_the_untrained_are_named_before_anybody_gets_a_place(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator(role=RoleKind.ADMINISTRATOR)
    reading = await making.activity(wang, field_id=await field_of(making, "reading"))
    long = await making.shift(reading, hours=5)
    group = await group_of(making, database, 2)
    await join(making, group, await making.volunteer("小陈", birth_date=date(2011, 5, 1)))
    with pytest.raises(Refusal) as refused:
        await group.enrol(long)
    assert refused.value.parameters["people"] == [{"name": "小陈", "why": "minor_day", "hours": 4}]
    short = await making.shift(reading, "2026-11-29 09:00", hours=2)
    induction = await online(making, wang)
    async with database.write() as session:
        work = making.work(session, await session.get_one(Person, wang.id))
        await requirements.ask_at(work, induction.id, reading.id)
    with pytest.raises(Refusal) as refused:
        await group.enrol(short)
    found = refused.value.parameters["people"]
    assert [one["why"] for one in found] == ["enrol_lacks_course"] * 3
    assert found[0]["names"] == [induction.names]
    assert await taken(database, long) == await taken(database, short) == 0


async def insure(making: Making, wang: Person, *people: Person) -> None:
    async with making.database.write() as session:
        work = making.work(session, await session.get_one(Person, wang.id))
        made = await insurance.record(
            work, Cover.LISTED, POLICY, organisation_id=wang.organisation_id
        )
        await insurance.put_on(work, made.id, "\n".join(one.number or "" for one in people))


async def test_who_is_not_insured_applies_and_the_rest_of_the_group_is_in(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    shift = await making.shift(activity, quota=3)
    async with database.write() as session:
        work = making.work(session, await session.get_one(Person, wang.id))
        await briefings.say(work, activity.id, "穿救生衣，听指挥。", dangerous=True)
    group = await group_of(making, database, 3)
    await insure(making, wang, group.head, group.people[1])
    holder = await making.volunteer("先到")
    await insure(making, wang, holder)
    own = await enrol(making, database, holder, shift)
    block = (await group.enrol(shift)).block
    async with database.write() as session:
        await enrolment.cancel(making.work(session, holder), own.id)
    async with database.write() as session:
        done = await together.accept(making.work(session, group.head), block.id)
    applied = [one.enrolment for one in done.companions if one.enrolment.state != "confirmed"]
    assert [one.person_id for one in applied] == [group.people[2].id]
    assert done.outcome is EnrolmentState.APPLIED
    async with database.read() as session:
        asked = await session.scalars(
            select(Message.parameters).where(Message.template == "together/application")
        )
        assert [one["count"] for one in asked] == [1]


async def test_an_offer_is_not_taken_up_past_the_hours_of_a_minor(
    making: Making, database: Database, wang: Person
) -> None:
    reading = await making.activity(wang, field_id=await field_of(making, "reading"))
    shift = await making.shift(reading, quota=2)
    holders = await group_of(making, database, 2, "先到")
    held = await holders.enrol(shift)
    child = await making.volunteer("小陈", birth_date=date(2011, 5, 1))
    group = await group_of(making, database, 1)
    await join(making, group, child)
    block = (await group.enrol(shift)).block
    later = await making.shift(reading, "2026-11-28 14:00", hours=2)
    await enrol(making, database, child, later)
    async with database.write() as session:
        await together.cancel(making.work(session, holders.head), held.block.id)
    with pytest.raises(Refusal) as refused:
        async with database.write() as session:
            await together.accept(making.work(session, group.head), block.id)
    assert [one["why"] for one in refused.value.parameters["people"]] == ["minor_day"]


async def test_only_the_head_has_cancelled_late_for_a_group(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=3)
    group = await group_of(making, database, 3)
    block = (await group.enrol(shift)).block
    making.clock.go_to("2026-11-28 07:00")
    async with database.write() as session:
        await together.cancel(making.work(session, group.head), block.id, "孩子发烧")
    async with database.read() as session:
        late = await session.scalars(select(Enrolment.person_id).where(Enrolment.cancelled_late))
        assert late.all() == [group.head.id]

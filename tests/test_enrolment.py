"""Places: taken, queued for, offered, given back. The rules, on both databases."""

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from models import (
    Activity,
    Coming,
    Confirmation,
    Database,
    Delivery,
    Enrolment,
    EnrolmentState,
    Message,
    Person,
    Shift,
)
from services import enrolment, planning, reminders
from services.errors import Gone, NotAllowed, Refusal
from tests.attending import field_of
from tests.databases import ON_POSTGRESQL, done_or_held_up
from tests.making import Making

CROWD = 60
PLACES = 20


async def enrol(making: Making, database: Database, person: Person, shift: Shift) -> Enrolment:
    async with database.write() as session:
        return await enrolment.enrol(making.work(session, person), shift.id)


async def refusal(making: Making, database: Database, person: Person, shift: Shift) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await enrol(making, database, person, shift)
    return refused.value


async def state_of(database: Database, own: Enrolment) -> EnrolmentState:
    async with database.read() as session:
        return (await session.get_one(Enrolment, own.id)).state


async def taken(database: Database, shift: Shift) -> int:
    async with database.read() as session:
        return (await session.get_one(Shift, shift.id)).taken


async def said(database: Database, person: Person) -> list[str]:
    """Templates of what was posted to somebody, in order."""
    async with database.read() as session:
        found = await session.scalars(
            select(Message.template)
            .join(Delivery, Delivery.message_id == Message.id)
            .where(Delivery.person_id == person.id)
            .order_by(Delivery.id)
        )
        return list(found)


@pytest.fixture
async def wang(making: Making) -> Person:
    return await making.coordinator("王强")


@pytest.fixture
async def activity(making: Making, wang: Person) -> Activity:
    return await making.activity(wang)


async def test_a_quota_is_never_exceeded_however_many_press_at_once(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=PLACES)
    crowd = await making.crowd(CROWD)
    gate = asyncio.Event()

    async def press(person: Person) -> EnrolmentState:
        await gate.wait()
        return (await enrol(making, database, person, shift)).state

    presses = [asyncio.create_task(press(person)) for person in crowd]
    gate.set()
    states = await asyncio.gather(*presses)
    assert states.count(EnrolmentState.CONFIRMED) == PLACES
    assert states.count(EnrolmentState.WAITLISTED) == CROWD - PLACES
    assert await taken(database, shift) == PLACES
    async with database.read() as session:
        waiting = await session.scalars(
            select(Enrolment)
            .where(Enrolment.state == EnrolmentState.WAITLISTED)
            .order_by(Enrolment.queued_at, Enrolment.id)
        )
        positions = [
            await enrolment.position(making.work(session), own) for own in list(waiting)[:5]
        ]
    assert positions == [1, 2, 3, 4, 5]


async def test_a_freed_place_goes_to_the_first_on_the_waitlist_who_may_decline(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=1)
    people = [await making.volunteer(name) for name in ("一", "二", "三")]
    places = [await enrol(making, database, person, shift) for person in people]
    async with database.write() as session:
        await enrolment.cancel(making.work(session, people[0]), places[0].id)
    assert await state_of(database, places[1]) is EnrolmentState.OFFERED
    assert await said(database, people[1]) == ["enrolment/offer"]
    async with database.write() as session:
        await enrolment.decline_offer(making.work(session, people[1]), places[1].id)
    assert await state_of(database, places[2]) is EnrolmentState.OFFERED
    async with database.write() as session:
        await enrolment.accept_offer(making.work(session, people[2]), places[2].id)
    assert await state_of(database, places[2]) is EnrolmentState.CONFIRMED
    assert await taken(database, shift) == 1


async def test_an_offer_that_nobody_takes_lapses_and_goes_on(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=1)
    people = [await making.volunteer(name) for name in ("一", "二", "三")]
    places = [await enrol(making, database, person, shift) for person in people]
    async with database.write() as session:
        await enrolment.cancel(making.work(session, people[0]), places[0].id)
    making.clock.forward(hours=3)
    for _ in range(2):  # a sweep is safe to run twice
        async with database.write() as session:
            await enrolment.expire_offers(making.work(session))
    assert await state_of(database, places[1]) is EnrolmentState.DECLINED
    assert await state_of(database, places[2]) is EnrolmentState.OFFERED
    with pytest.raises(Refusal, match="offer_over"):
        async with database.write() as session:
            await enrolment.accept_offer(making.work(session, people[1]), places[1].id)


async def test_nothing_is_offered_once_the_shift_has_begun(
    making: Making, database: Database, activity: Activity
) -> None:
    shift = await making.shift(activity, quota=1)
    people = [await making.volunteer(name) for name in ("一", "二")]
    places = [await enrol(making, database, person, shift) for person in people]
    making.clock.go_to("2026-11-28 09:30")
    async with database.write() as session:
        await enrolment.free_place(making.work(session), shift.id)
    assert await state_of(database, places[1]) is EnrolmentState.WAITLISTED


async def test_clashing_shifts_are_refused_and_the_clash_is_named(
    making: Making, database: Database, wang: Person, activity: Activity
) -> None:
    chen = await making.volunteer()
    other = await making.activity(wang, "义诊")
    first = await making.shift(other, "2026-11-28 08:00", hours=2)
    second = await making.shift(activity, "2026-11-28 09:00")
    after = await making.shift(activity, "2026-11-28 10:00")
    await enrol(making, database, chen, first)
    refused = await refusal(making, database, chen, second)
    assert refused.code == "enrol_clash" and refused.parameters["title"] == "义诊"
    await enrol(making, database, chen, after)


@pytest.mark.parametrize(
    ("person", "shift", "code"),
    [
        ({"birth_date": date(2010, 1, 1)}, {"least_age": 18}, "enrol_too_young"),
        ({"birth_date": None}, {"least_age": 18}, "enrol_too_young"),
        ({}, {"skills": ("first_aid",)}, "enrol_lacks_skill"),
        ({"paused_until": date(2026, 12, 24)}, {}, "enrol_paused"),
    ],
)
async def test_who_does_not_fit_is_told_what_is_missing(
    making: Making, database: Database, activity: Activity, person: Any, shift: Any, code: str
) -> None:
    chen = await making.volunteer(**person)
    made = await making.shift(activity, **shift)
    assert (await refusal(making, database, chen, made)).code == code


async def test_closed_shifts_are_refused_each_with_its_reason(
    making: Making, database: Database, wang: Person
) -> None:
    chen = await making.volunteer()
    closed = await making.activity(wang, enrolment_deadline=making.clock.at("2026-11-27 18:00"))
    shift = await making.shift(closed)
    own = await enrol(making, database, chen, shift)
    assert (await refusal(making, database, chen, shift)).code == "enrol_already"
    async with database.write() as session:
        await enrolment.cancel(making.work(session, chen), own.id)
    making.clock.go_to("2026-11-27 19:00")
    assert (await refusal(making, database, chen, shift)).code == "enrol_deadline"
    making.clock.go_to("2026-11-28 09:00")
    assert (await refusal(making, database, chen, shift)).code == "enrol_over"


async def test_a_cancelled_place_can_be_taken_again(
    making: Making, database: Database, activity: Activity
) -> None:
    chen = await making.volunteer()
    shift = await making.shift(activity)
    own = await enrol(making, database, chen, shift)
    async with database.write() as session:
        await enrolment.cancel(making.work(session, chen), own.id)
    again = await enrol(making, database, chen, shift)
    assert again.id == own.id and again.state is EnrolmentState.CONFIRMED
    assert await taken(database, shift) == 1


async def test_cancelling_late_needs_a_reason_that_the_coordinator_sees(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    chen = await making.volunteer()
    shift = await making.shift(activity)
    own = await enrol(making, database, chen, shift)
    making.clock.go_to("2026-11-28 07:00")
    with pytest.raises(Refusal, match="cancel_needs_reason"):
        async with database.write() as session:
            await enrolment.cancel(making.work(session, chen), own.id)
    async with database.write() as session:
        await enrolment.cancel(making.work(session, chen), own.id, "孩子发烧")
    assert await said(database, wang) == ["enrolment/cancelled_late"]


async def test_somebody_elses_place_can_not_be_touched(
    making: Making, database: Database, activity: Activity
) -> None:
    chen, thief = await making.volunteer(), await making.volunteer("张三")
    shift = await making.shift(activity)
    own = await enrol(making, database, chen, shift)
    for attempt in (enrolment.cancel, enrolment.accept_offer, enrolment.decline_offer):
        with pytest.raises(Gone):
            async with database.write() as session:
                await attempt(making.work(session, thief), own.id)
    with pytest.raises(Gone):
        async with database.write() as session:
            await enrolment.answer_coming(making.work(session, thief), own.id, Coming.NO)


async def test_applications_wait_for_the_coordinators_word(
    making: Making, database: Database, wang: Person
) -> None:
    by_hand = await making.activity(wang, confirmation=Confirmation.BY_HAND)
    shift = await making.shift(by_hand, quota=1)
    chen, li = await making.volunteer(), await making.volunteer("李雷")
    first = await enrol(making, database, chen, shift)
    assert first.state is EnrolmentState.APPLIED
    second = await enrol(making, database, li, shift)
    assert second.state is EnrolmentState.WAITLISTED
    stranger = await making.coordinator("外镇", organisation="zs-guzhen")
    with pytest.raises(NotAllowed):
        async with database.write() as session:
            await enrolment.decide(making.work(session, stranger), first.id, accept=True)
    async with database.write() as session:
        await enrolment.decide(making.work(session, wang), first.id, accept=False)
    assert await said(database, chen) == ["enrolment/declined"]
    assert await state_of(database, second) is EnrolmentState.OFFERED
    with pytest.raises(Refusal, match="application_decided"):
        async with database.write() as session:
            await enrolment.decide(making.work(session, wang), first.id, accept=True)


async def test_a_place_is_given_back_once_however_many_decide_at_once(
    making: Making, database: Database, wang: Person
) -> None:
    by_hand = await making.activity(wang, confirmation=Confirmation.BY_HAND)
    shift = await making.shift(by_hand, quota=3)
    people = [await making.volunteer(name) for name in ("一", "二", "三")]
    places = [await enrol(making, database, person, shift) for person in people]

    async def decide(own: Enrolment) -> None:
        async with database.write() as session:
            await enrolment.decide(making.work(session, wang), own.id, accept=False)

    async def cancel(person: Person, own: Enrolment) -> None:
        async with database.write() as session:
            await enrolment.cancel(making.work(session, person), own.id)

    done = await asyncio.gather(
        *(decide(places[0]) for _ in range(4)),
        decide(places[1]),
        cancel(people[1], places[1]),
        return_exceptions=True,
    )
    assert sum(one is None for one in done) == 2, done
    assert all(isinstance(one, Refusal) for one in done if one is not None), done
    assert await taken(database, shift) == 1


async def test_a_minor_takes_up_no_offer_that_would_be_too_much(
    making: Making, database: Database, wang: Person
) -> None:
    activity = await making.activity(wang, field_id=await field_of(making, "reading"))
    shift = await making.shift(activity, quota=1)
    holder = await making.volunteer("先到")
    held = await enrol(making, database, holder, shift)
    child = await making.volunteer("小陈", birth_date=date(2011, 5, 1))
    waiting = await enrol(making, database, child, shift)
    later = await making.shift(activity, "2026-11-28 14:00", hours=2)
    await enrol(making, database, child, later)
    async with database.write() as session:
        await enrolment.cancel(making.work(session, holder), held.id)
    with pytest.raises(Refusal, match="minor_day"):
        async with database.write() as session:
            await enrolment.accept_offer(making.work(session, child), waiting.id)


async def test_reminders_go_out_once_a_day_before_and_two_hours_before(
    making: Making, database: Database, activity: Activity
) -> None:
    chen = await making.volunteer()
    shift = await making.shift(activity, "2026-11-28 09:00")
    await enrol(making, database, chen, shift)

    async def sweep() -> None:
        async with database.write() as session:
            await reminders.remind_day_before(making.work(session))
            await reminders.remind_hours_before(making.work(session))

    await sweep()
    assert await said(database, chen) == []
    making.clock.go_to("2026-11-27 09:05")
    await sweep()
    await sweep()
    assert await said(database, chen) == ["reminders/day_before"]
    making.clock.go_to("2026-11-28 07:01")
    await sweep()
    await sweep()
    assert await said(database, chen) == ["reminders/day_before", "reminders/hours_before"]


async def test_after_downtime_a_reminder_whose_moment_has_passed_is_not_sent(
    making: Making, database: Database, activity: Activity
) -> None:
    chen = await making.volunteer()
    await enrol(making, database, chen, await making.shift(activity, "2026-11-28 09:00"))
    making.clock.go_to("2026-11-28 08:00")
    async with database.write() as session:
        work = making.work(session)
        assert await reminders.remind_day_before(work) == 0
        assert await reminders.remind_hours_before(work) == 1
    making.clock.go_to("2026-11-28 09:01")
    async with database.write() as session:
        assert await reminders.remind_hours_before(making.work(session)) == 0


async def test_the_coordinator_learns_who_said_no_and_who_is_silent(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    shift = await making.shift(activity, "2026-11-28 09:00")
    people = [await making.volunteer(name) for name in ("来", "不来", "没说")]
    places = [await enrol(making, database, person, shift) for person in people]
    making.clock.go_to("2026-11-28 07:01")
    async with database.write() as session:
        await reminders.remind_hours_before(making.work(session))
    for person, place, coming in zip(people, places, (Coming.YES, Coming.NO), strict=False):
        async with database.write() as session:
            await enrolment.answer_coming(making.work(session, person), place.id, coming)
    making.clock.go_to("2026-11-28 08:10")
    for _ in range(2):
        async with database.write() as session:
            await reminders.report_gaps(making.work(session))
    async with database.read() as session:
        reports = await session.scalars(
            select(Message.parameters).where(Message.template == "reminders/gaps")
        )
        (report,) = list(reports)
    assert (report["yes"], report["no"], report["silent"]) == (1, 1, 1)


async def test_a_cancelled_activity_frees_everyone(
    making: Making, database: Database, activity: Activity, wang: Person
) -> None:
    shift = await making.shift(activity, quota=1)
    people = [await making.volunteer(name) for name in ("一", "二")]
    for person in people:
        await enrol(making, database, person, shift)
    async with database.write() as session:
        await planning.call_off(making.work(session, wang), activity.id, "台风")
    assert await taken(database, shift) == 0
    async with database.read() as session:
        open_places = await session.scalar(
            select(func.count()).select_from(Enrolment).where(Enrolment.state.in_(enrolment.OPEN))
        )
    assert open_places == 0
    assert "activities/cancelled" in await said(database, people[1])


# At the same moment, on a database with more than one writer


@ON_POSTGRESQL
async def test_who_queues_while_a_place_is_given_back_is_offered_it(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    chen, lin = await making.volunteer("陈晓丽"), await making.volunteer("林志明")
    shift = await making.shift(await making.activity(wang), quota=1)
    has = await enrol(making, database, chen, shift)

    async def give_back() -> None:
        async with database.write() as session:
            await enrolment.cancel(making.work(session, chen), has.id)

    async with database.write() as session:
        waits = await enrolment.enrol(making.work(session, lin), shift.id)
        assert waits.state is EnrolmentState.WAITLISTED
        other = asyncio.create_task(give_back())
        await done_or_held_up(database, other)
    await other
    assert await state_of(database, waits) is EnrolmentState.OFFERED


@ON_POSTGRESQL
@pytest.mark.parametrize("first", ["enrol", "call_off"])
async def test_nobody_gets_a_place_in_what_is_called_off_at_this_moment(
    making: Making, database: Database, first: str
) -> None:
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    activity = await making.activity(wang)
    shift = await making.shift(activity)
    acts = {
        "enrol": lambda session: enrolment.enrol(making.work(session, chen), shift.id),
        "call_off": lambda session: planning.call_off(
            making.work(session, wang), activity.id, "台风来了"
        ),
    }
    (second,) = acts.keys() - {first}

    async def act() -> None:
        async with database.write() as session:
            await acts[second](session)

    async with database.write() as session:
        await acts[first](session)
        other = asyncio.create_task(act())
        await done_or_held_up(database, other)
    (fault,) = await asyncio.gather(other, return_exceptions=True)
    assert (getattr(fault, "code", None)) == ("enrol_cancelled" if second == "enrol" else None)
    async with database.read() as session:
        states = set(await session.scalars(select(Enrolment.state)))
    assert states <= {EnrolmentState.CANCELLED}
    assert await taken(database, shift) == 0

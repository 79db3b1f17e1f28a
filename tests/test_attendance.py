"""Checking in and out: codes, locations, the end of a shift, and the coordinator's roll."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Activity,
    ActivityState,
    Attendance,
    Database,
    Delivery,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Message,
    Person,
    Shift,
)
from services import attendance, codes, roll
from services.attendance import CheckedIn, Leaving, Presence
from services.errors import Gone, NotAllowed, Refusal
from tests.attending import place
from tests.making import POLICY, Making

ON_SITE = (22.53, 113.38)
A_KILOMETRE_AWAY = (22.539, 113.38)


class Planting:
    """A shift from 9 to 12 on Saturday, with Wang as its coordinator and Chen enrolled."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.wang: Person
        self.chen: Person
        self.activity: Activity
        self.shift: Shift
        self.enrolment: Enrolment

    async def prepare(self) -> "Planting":
        self.wang = await self.making.coordinator("王强")
        self.chen = await self.making.volunteer("陈晓丽")
        self.activity = await self.making.activity(self.wang)
        self.shift = await self.making.shift(self.activity, "2026-11-28 09:00", hours=3)
        self.enrolment = await place(self.making, self.shift, self.chen)
        return self

    async def at(
        self, clock: str, verb: Any, *given: Any, who: Person | None = None, **more: Any
    ) -> Any:
        """What a service answers to somebody (Chen) at a time of that Saturday."""
        self.making.clock.go_to(f"2026-11-28 {clock}")
        async with self.making.database.write() as session:
            return await verb(self.making.work(session, who or self.chen), *given, **more)

    async def scan(self, clock: str, who: Person | None = None) -> Any:
        self.making.clock.go_to(f"2026-11-28 {clock}")
        payload = codes.rotating(self.shift.id, self.making.clock(), POLICY.code_seconds)
        _, shift_id, slot, signature = payload.split("-")
        return await self.at(clock, attendance.scan, int(shift_id), slot, signature, who=who)

    async def refused(self, *call: Any, **more: Any) -> Refusal:
        with pytest.raises(Refusal) as refusal:
            await self.at(*call, **more)
        return refusal.value

    async def attended(self) -> Attendance:
        async with self.making.database.read() as session:
            return (
                await session.scalars(
                    select(Attendance).where(Attendance.enrolment_id == self.enrolment.id)
                )
            ).one()

    async def state(self) -> EnrolmentState:
        async with self.making.database.read() as session:
            return (await session.get_one(Enrolment, self.enrolment.id)).state


@pytest.fixture
async def planting(making: Making) -> Planting:
    return await Planting(making).prepare()


async def told(database: Database, template: str) -> list[tuple[int | None, dict[str, Any]]]:
    """Who is told what by a template: person's key and parameters."""
    async with database.read() as session:
        rows = await session.execute(
            select(Delivery.person_id, Message.parameters, Delivery.parameters)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == template)
            .order_by(Delivery.id)
        )
        return [(row[0], {**row[1], **(row[2] or {})}) for row in rows]


# The code


async def test_a_volunteer_checks_in_by_the_code_on_site(planting: Planting) -> None:
    answer = await planting.scan("08:55")
    assert isinstance(answer, CheckedIn) and answer.late == 0
    found = await planting.attended()
    assert (found.in_means, found.state) == (Means.CODE, HoursState.OPEN)
    assert found.checked_in_at == planting.making.clock.at("2026-11-28 08:55")
    assert await planting.state() is EnrolmentState.ATTENDED


async def test_coming_late_is_noted_and_costs_the_minutes(planting: Planting) -> None:
    answer = await planting.scan("09:20")
    assert isinstance(answer, CheckedIn) and answer.late == 20
    await planting.at("12:00", attendance.leave_by_own_word, (await planting.attended()).id)
    assert (await planting.attended()).minutes == 160


async def test_a_photo_of_the_code_is_useless_a_minute_later(planting: Planting) -> None:
    planting.making.clock.go_to("2026-11-28 09:00")
    photo = codes.rotating(planting.shift.id, planting.making.clock(), POLICY.code_seconds)
    _, shift_id, slot, signature = photo.split("-")
    refusal = await planting.refused("09:01", attendance.scan, int(shift_id), slot, signature)
    assert refusal.code == "checkin_code_old"


async def test_a_code_holds_until_the_next_has_been_shown(planting: Planting) -> None:
    planting.making.clock.go_to("2026-11-28 09:00")
    payload = codes.rotating(planting.shift.id, planting.making.clock(), POLICY.code_seconds)
    _, shift_id, slot, signature = payload.split("-")
    planting.making.clock.forward(seconds=59)
    async with planting.making.database.write() as session:
        work = planting.making.work(session, planting.chen)
        answer = await attendance.scan(work, int(shift_id), slot, signature)
    assert isinstance(answer, CheckedIn)


@pytest.mark.parametrize("forge", ["slot", "signature", "shift"])
async def test_a_forged_code_is_refused(planting: Planting, forge: str) -> None:
    planting.making.clock.go_to("2026-11-28 09:00")
    other = await planting.making.shift(planting.activity, "2026-11-28 13:00")
    payload = codes.rotating(planting.shift.id, planting.making.clock(), POLICY.code_seconds)
    _, _, slot, signature = payload.split("-")
    given = {
        "slot": (planting.shift.id, "zzzzzz", signature),
        "signature": (planting.shift.id, slot, "A" * 12),
        "shift": (other.id, slot, signature),
    }[forge]
    refusal = await planting.refused("09:00", attendance.scan, *given)
    assert refusal.code == "checkin_code_old"


async def test_coming_too_early_is_told_from_when(planting: Planting) -> None:
    with pytest.raises(Refusal) as refusal:
        await planting.scan("07:59")
    assert refusal.value.code == "checkin_early"
    assert refusal.value.parameters["opens_at"] == planting.making.clock.at("2026-11-28 08:00")
    assert isinstance(await planting.scan("08:00"), CheckedIn)


async def test_nobody_checks_in_after_the_end(planting: Planting) -> None:
    with pytest.raises(Refusal) as refusal:
        await planting.scan("12:00")
    assert refusal.value.code == "checkin_over"


async def test_scanning_twice_at_once_checks_in_once(planting: Planting) -> None:
    answers = await asyncio.gather(
        *(planting.scan("09:00") for _ in range(4)), return_exceptions=True
    )
    arrived = [answer for answer in answers if isinstance(answer, CheckedIn)]
    others = [answer.code for answer in answers if isinstance(answer, Refusal)]
    assert len(arrived) == 1 and others == ["checkin_twice"] * 3


async def test_the_same_code_asks_to_check_out_and_counts_from_the_scan(
    planting: Planting,
) -> None:
    await planting.scan("09:00")
    answer = await planting.scan("11:30")
    assert isinstance(answer, Leaving)
    key = answer.presence.there.id
    ticket = codes.ticket(key, answer.means, planting.making.clock())
    await planting.at("11:38", attendance.leave_with_ticket, key, *ticket.split(":"))
    found = await planting.attended()
    assert (found.state, found.minutes, found.out_means) == (HoursState.PROPOSED, 150, Means.CODE)


async def test_the_question_whether_to_check_out_lapses(planting: Planting) -> None:
    await planting.scan("09:00")
    answer = await planting.scan("11:30")
    key = answer.presence.there.id
    ticket = codes.ticket(key, answer.means, planting.making.clock()).split(":")
    late = await planting.refused("11:41", attendance.leave_with_ticket, key, *ticket)
    forged = await planting.refused(
        "11:31", attendance.leave_with_ticket, key, ticket[0], "location", ticket[2]
    )
    assert late.code == forged.code == "checkin_code_old"


async def test_who_has_checked_out_can_not_come_back_by_code(planting: Planting) -> None:
    await planting.scan("09:00")
    await planting.at("11:00", roll.check_out, planting.enrolment.id, who=planting.wang)
    with pytest.raises(Refusal) as refusal:
        await planting.scan("11:10")
    assert refusal.value.code == "checkin_left"


@pytest.mark.parametrize(
    "state", [EnrolmentState.WAITLISTED, EnrolmentState.APPLIED, EnrolmentState.CANCELLED]
)
async def test_who_has_no_place_is_told_how_to_join(
    planting: Planting, state: EnrolmentState
) -> None:
    li = await planting.making.volunteer("李敏")
    await place(planting.making, planting.shift, li, state)
    with pytest.raises(Refusal) as refusal:
        await planting.scan("09:00", who=li)
    assert refusal.value.code == "checkin_not_enrolled"


async def test_nobody_checks_in_to_a_cancelled_activity(planting: Planting) -> None:
    async with planting.making.database.write() as session:
        activity = await session.get_one(Activity, planting.activity.id)
        activity.state = ActivityState.CANCELLED
    with pytest.raises(Refusal) as refusal:
        await planting.scan("09:00")
    assert refusal.value.code == "checkin_cancelled"


# The location


async def test_a_volunteer_checks_in_by_location(planting: Planting) -> None:
    answer = await planting.at("08:50", attendance.come_to, planting.shift.id, *ON_SITE)
    assert isinstance(answer, CheckedIn)
    assert (await planting.attended()).in_means is Means.LOCATION


async def test_who_is_far_away_is_told_how_far(planting: Planting) -> None:
    refusal = await planting.refused(
        "08:50", attendance.come_to, planting.shift.id, *A_KILOMETRE_AWAY
    )
    assert refusal.code == "checkin_far"
    assert refusal.parameters["metres"] == pytest.approx(1000, abs=5)


async def test_the_printed_code_needs_a_location(planting: Planting) -> None:
    _, shift_id, signature = codes.printed(planting.shift.id).split("-")
    shift, _ = await planting.at("08:50", attendance.check_print, int(shift_id), signature)
    assert shift.id == planting.shift.id
    with pytest.raises(Gone):
        await planting.at("08:50", attendance.check_print, int(shift_id), "A" * 12)
    async with planting.making.database.read() as session:
        assert (await session.scalars(select(Attendance))).all() == []


async def test_location_asks_to_check_out_later(planting: Planting) -> None:
    await planting.at("09:00", attendance.come_to, planting.shift.id, *ON_SITE)
    answer = await planting.at("11:00", attendance.come_to, planting.shift.id, *ON_SITE)
    assert isinstance(answer, Leaving) and answer.means is Means.LOCATION


# Minutes


@pytest.mark.parametrize(
    ("came", "left", "minutes"),
    [
        ("08:30", "12:30", 180),
        ("09:00", "12:00", 180),
        ("09:10", "11:40", 150),
        ("08:10", "08:40", 0),
        ("12:10", "13:00", 0),
    ],
)
async def test_only_time_within_the_shift_counts(
    planting: Planting, came: str, left: str, minutes: int
) -> None:
    at = planting.making.clock.at
    found = attendance.minutes_of(
        planting.shift, at(f"2026-11-28 {came}"), at(f"2026-11-28 {left}")
    )
    assert found == minutes


async def test_seconds_are_rounded_down(planting: Planting) -> None:
    at = planting.making.clock.at
    came, left = at("2026-11-28 09:00:01"), at("2026-11-28 10:00:00")
    assert attendance.minutes_of(planting.shift, came, left) == 59


# The end


async def test_whoever_is_still_in_at_the_end_is_asked_once(
    planting: Planting, database: Database
) -> None:
    await planting.scan("09:00")
    assert await planting.at("11:59", attendance.ask_to_check_out) == 0
    assert await planting.at("12:00", attendance.ask_to_check_out) == 1
    assert await planting.at("12:01", attendance.ask_to_check_out) == 0
    [(person_id, parameters)] = await told(database, "attendance/finished")
    assert person_id == planting.chen.id
    assert parameters["attendance_id"] == (await planting.attended()).id


async def test_a_volunteer_says_when_they_left(planting: Planting) -> None:
    await planting.scan("09:00")
    key = (await planting.attended()).id
    left = planting.making.clock.at("2026-11-28 11:15")
    await planting.at("12:05", attendance.leave_by_own_word, key, left)
    found = await planting.attended()
    assert (found.minutes, found.out_means) == (135, Means.SELF)


async def test_nobody_says_they_left_before_they_came_or_later_than_now(
    planting: Planting,
) -> None:
    await planting.scan("09:30")
    key = (await planting.attended()).id
    at = planting.making.clock.at
    for left in (at("2026-11-28 09:10"), at("2026-11-28 12:30")):
        refusal = await planting.refused("12:05", attendance.leave_by_own_word, key, left)
        assert refusal.code == "checkout_when"


async def test_before_the_end_one_checks_out_on_site(planting: Planting) -> None:
    await planting.scan("09:00")
    key = (await planting.attended()).id
    refusal = await planting.refused("10:00", attendance.leave_by_own_word, key)
    assert refusal.code == "checkout_by_code"


async def test_nobody_checks_somebody_else_out(planting: Planting) -> None:
    await planting.scan("09:00")
    thief = await planting.making.volunteer("张三")
    with pytest.raises(Gone):
        await planting.at(
            "12:05", attendance.leave_by_own_word, (await planting.attended()).id, who=thief
        )


async def test_a_forgotten_check_out_becomes_the_shifts_end_and_is_marked(
    planting: Planting,
) -> None:
    await planting.scan("09:10")
    assert await planting.at("12:59", attendance.assume_check_outs) == 0
    assert await planting.at("13:00", attendance.assume_check_outs) == 1
    assert await planting.at("13:01", attendance.assume_check_outs) == 0
    found = await planting.attended()
    assert found.checked_out_at == planting.shift.ends_at
    assert (found.out_means, found.minutes) == (Means.ASSUMED, 170)
    assert found.state is HoursState.PROPOSED


async def test_who_did_not_come_is_a_no_show(planting: Planting) -> None:
    assert await planting.at("12:59", attendance.mark_no_shows) == 0
    assert await planting.at("13:00", attendance.mark_no_shows) == 1
    assert await planting.state() is EnrolmentState.NO_SHOW


# The roll


async def test_the_roll_is_searched_by_name_pinyin_and_number(planting: Planting) -> None:
    li = await planting.making.volunteer("李敏", name_search="李敏limin")
    await place(planting.making, planting.shift, li)
    for typed in ("李", "limin", "LiMin", str(li.number)):
        found = await planting.at(
            "09:00", roll.call, planting.shift.id, 0, typed, who=planting.wang
        )
        assert [line.person.name for line in found.lines] == ["李敏"]
        assert found.expected == 2


async def test_a_tick_within_half_an_hour_counts_from_the_start(planting: Planting) -> None:
    await planting.at("09:30", roll.tick, planting.enrolment.id, who=planting.wang)
    found = await planting.attended()
    assert found.checked_in_at == planting.shift.starts_at
    assert (found.in_means, found.in_by_id) == (Means.ROLL, planting.wang.id)


async def test_a_later_tick_counts_from_now(planting: Planting) -> None:
    await planting.at("09:31", roll.tick, planting.enrolment.id, who=planting.wang)
    assert (await planting.attended()).checked_in_at == planting.making.clock()


async def test_the_roll_after_the_end_vouches_for_the_whole_shift(planting: Planting) -> None:
    await planting.at("13:30", attendance.mark_no_shows)
    await planting.at("18:00", roll.tick, planting.enrolment.id, who=planting.wang)
    found = await planting.attended()
    assert (found.minutes, found.state) == (180, HoursState.PROPOSED)
    assert await planting.state() is EnrolmentState.ATTENDED


async def test_a_tick_is_taken_back_until_the_hours_are_decided(planting: Planting) -> None:
    await planting.at("09:00", roll.tick, planting.enrolment.id, who=planting.wang)
    await planting.at("09:05", roll.untick, planting.enrolment.id, who=planting.wang)
    assert await planting.state() is EnrolmentState.CONFIRMED
    await planting.at("09:06", roll.tick, planting.enrolment.id, who=planting.wang)
    async with planting.making.database.write() as session:
        found = (await session.scalars(select(Attendance))).one()
        found.state = HoursState.CONFIRMED
    refusal = await planting.refused("12:30", roll.untick, planting.enrolment.id, who=planting.wang)
    assert refusal.code == "roll_decided"


async def test_everyone_is_there_and_leaves_with_two_presses(planting: Planting) -> None:
    for name in ("李敏", "张三"):
        await place(planting.making, planting.shift, await planting.making.volunteer(name))
    await planting.scan("08:50")
    assert await planting.at("09:10", roll.tick_all, planting.shift.id, who=planting.wang) == 2
    assert await planting.at("09:10", roll.tick_all, planting.shift.id, who=planting.wang) == 0
    left = await planting.at("11:00", roll.check_out_all, planting.shift.id, who=planting.wang)
    assert left == 3
    seen: roll.Roll = await planting.at("11:01", roll.call, planting.shift.id, who=planting.wang)
    assert (seen.there, seen.still_in, seen.expected) == (3, 0, 3)


async def test_the_roll_opens_with_check_in_and_closes_after_two_weeks(planting: Planting) -> None:
    early = await planting.refused("07:00", roll.tick, planting.enrolment.id, who=planting.wang)
    assert early.code == "checkin_early"
    planting.making.clock.go_to("2026-12-20 09:00")
    async with planting.making.database.write() as session:
        with pytest.raises(Refusal, match="roll_closed"):
            await roll.tick(planting.making.work(session, planting.wang), planting.enrolment.id)


async def test_only_those_who_take_the_roll_see_it_or_tick(planting: Planting) -> None:
    stranger = await planting.making.coordinator("别人", organisation="zs-xiaolan")
    for who in (stranger, planting.chen):
        for verb, key in (
            (roll.call, planting.shift.id),
            (roll.tick, planting.enrolment.id),
            (roll.untick, planting.enrolment.id),
            (roll.check_out, planting.enrolment.id),
            (roll.tick_all, planting.shift.id),
            (roll.check_out_all, planting.shift.id),
        ):
            with pytest.raises(NotAllowed):
                await planting.at("09:00", verb, key, who=who)


# Walk-ins


async def test_a_walk_in_is_added_by_name_number_or_phone(planting: Planting) -> None:
    li = await planting.making.volunteer("李敏")
    for typed in ("李敏", str(li.number), str(li.phone), str(li.phone)[3:]):
        found = await planting.at(
            "09:00", roll.candidates, planting.shift.id, typed, who=planting.wang
        )
        assert [person.id for person in found] == [li.id], typed
    added: Presence = await planting.at(
        "09:40", roll.add_walk_in, planting.shift.id, li.id, who=planting.wang
    )
    assert added.enrolment.walk_in and added.there.checked_in_at == planting.making.clock()
    async with planting.making.database.read() as session:
        assert (await session.get_one(Shift, planting.shift.id)).taken == 1


async def test_people_of_other_towns_are_found_only_by_number_or_phone(
    planting: Planting,
) -> None:
    li = await planting.making.volunteer("李敏", organisation="zs-xiaolan")
    by_name = await planting.at(
        "09:00", roll.candidates, planting.shift.id, "李敏", who=planting.wang
    )
    by_number = await planting.at(
        "09:00", roll.candidates, planting.shift.id, str(li.number), who=planting.wang
    )
    assert (by_name, [person.id for person in by_number]) == ([], [li.id])


async def test_a_full_shift_takes_a_walk_in_only_with_one_place_more(making: Making) -> None:
    planting = await Planting(making).prepare()
    full = await making.shift(planting.activity, "2026-11-28 14:00", quota=1, taken=1)
    li = await making.volunteer("李敏")
    refusal = await planting.refused("14:00", roll.add_walk_in, full.id, li.id, who=planting.wang)
    assert refusal.code == "walkin_full"
    await planting.at("14:00", roll.add_walk_in, full.id, li.id, who=planting.wang, one_more=True)
    async with making.database.read() as session:
        shift = await session.get_one(Shift, full.id)
    assert (shift.taken, shift.quota) == (2, 2)


async def test_a_walk_in_from_the_waitlist_keeps_one_enrolment(planting: Planting) -> None:
    li = await planting.making.volunteer("李敏")
    waits = await place(planting.making, planting.shift, li, EnrolmentState.WAITLISTED)
    added: Presence = await planting.at(
        "09:00", roll.add_walk_in, planting.shift.id, li.id, who=planting.wang
    )
    assert added.enrolment.id == waits.id


async def test_who_is_too_young_can_not_walk_in(making: Making) -> None:
    planting = await Planting(making).prepare()
    grown_up = await making.shift(planting.activity, "2026-11-28 14:00", least_age=40)
    li = await making.volunteer("李敏")
    refusal = await planting.refused(
        "14:00", roll.add_walk_in, grown_up.id, li.id, who=planting.wang
    )
    assert (refusal.code, refusal.parameters["why"]) == ("walkin_unsuited", "enrol_too_young")


async def test_somebody_without_a_place_asks_the_coordinator_once(
    planting: Planting, database: Database
) -> None:
    li = await planting.making.volunteer("李敏")
    for _ in range(2):
        await planting.at("09:00", roll.ask_to_be_added, planting.shift.id, who=li)
    [(person_id, parameters)] = await told(database, "attendance/walk_in")
    assert (person_id, parameters["person_id"]) == (planting.wang.id, li.id)

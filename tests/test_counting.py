"""What statistics are read from agrees at any time with what is counted row by row."""

import asyncio
import random
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models import (
    AbilityCount,
    Activity,
    ActivityCount,
    ActivityState,
    Attendance,
    CohortCount,
    Database,
    DelayCount,
    Enrolment,
    EnrolmentState,
    EntryKind,
    HoursCount,
    HoursState,
    LedgerEntry,
    Organisation,
    PeopleCount,
    Person,
    PersonSkill,
    ReachCount,
    RoleKind,
    Shift,
    Skill,
    Standing,
)
from services import approvals, counting, geo, hours, personal_data, profile, traits
from tests.attending import place, propose
from tests.databases import ON_BOTH, ON_POSTGRESQL, done_or_held_up
from tests.making import Making
from tests.times import SHANGHAI, ManualClock

pytestmark = ON_BOTH

HOMES = ("zs", "zs-shiqi", "zs-shiqi-taiping", "zs-xiaolan")
DAYS = 280


def month_of(moment: Any) -> int:
    local = moment.astimezone(SHANGHAI)
    return int(local.year * 12 + local.month - 1)


class RandomCity:
    """People come, move and leave; shifts are held; hours are decided on; sweeps run at times."""

    def __init__(self, making: Making, seed: int) -> None:
        self.making = making
        self.clock = making.clock
        self.chance = random.Random(seed)
        self.boss: Person
        self.people: list[int] = []
        self.proposed: list[int] = []
        self.decided: list[int] = []
        self.shifts: list[Shift] = []
        self.registered: dict[int, dict[int, int]] = {}
        """Month -> at its end, who is registered where."""

    async def live(self) -> None:
        self.clock.go_to("2025-08-20 09:00")
        self.boss = await self.making.coordinator("何会长", organisation="zs", role=ADMIN)
        self.people.append(self.boss.id)
        ends = self.clock() + timedelta(days=DAYS)
        events = (self.register, self.register, self.move, self.leave, self.come_back, self.forget,
                  self.hold, self.hold, self.hold, self.decide, self.decide, self.decide,
                  self.correct, self.call_off, self.sweep)  # fmt: skip
        while self.clock() < ends:
            await self.chance.choice(events)()
            await self.pass_time(self.chance.randrange(1, 6 * 24))
        await self.sweep()

    async def pass_time(self, hours_: int) -> None:
        """What is kept at the end of a month is looked at then."""
        then = self.clock() + timedelta(hours=hours_)
        while month_of(then) != month_of(self.clock()):
            month = month_of(self.clock()) + 1
            self.clock.go_to(f"{month // 12}-{month % 12 + 1:02}-01 00:00")
            self.clock.forward(minutes=-1)
            await self.sweep()
            self.registered[month - 1] = await self.members()
            self.clock.forward(minutes=2)
        self.clock.now = max(then, self.clock.now)

    async def members(self) -> dict[int, int]:
        async with self.making.database.read() as session:
            rows = await session.execute(
                select(Person.id, Person.organisation_id).where(Person.standing == Standing.ACTIVE)
            )
            return {row.id: row.organisation_id for row in rows}

    async def sweep(self) -> None:
        database = self.making.database
        async with database.read() as session:
            work = self.making.work(session)
            moves, found = await counting.find_moves(work), await counting.find_activities(work)
        async with database.write() as session:
            work = self.making.work(session)
            await counting.keep_people(work, moves)
            await counting.keep_activities(work, found)
        async with database.write() as session:
            await counting.keep_hours(self.making.work(session))

    async def register(self) -> None:
        home = self.chance.choice(HOMES)
        self.people.append((await self.making.volunteer(organisation=home)).id)
        await self.sweep()

    async def change(self, wanted: Standing, verb: Any) -> None:
        async with self.making.database.write() as session:
            key = self.chance.choice(self.people)
            person = await session.get_one(Person, key)
            if person.standing is wanted and key != self.boss.id:
                await verb(self.making.work(session, person), person)

    async def move(self) -> None:
        home = (await self.making.organisation(self.chance.choice(HOMES))).id

        async def verb(work: Any, person: Person) -> None:
            person.organisation_id = home
            await traits.renew(work, [person.id])

        await self.change(Standing.ACTIVE, verb)
        await self.sweep()

    async def leave(self) -> None:
        await self.change(Standing.ACTIVE, lambda work, _: profile.withdraw(work))

    async def come_back(self) -> None:
        await self.change(Standing.WITHDRAWN, approvals.activate)

    async def forget(self) -> None:
        await self.change(Standing.ACTIVE, lambda work, _: personal_data.forget(work))

    async def hold(self) -> None:
        """An activity of a shift or two that are over, or begin soon."""
        home = await self.making.organisation(self.chance.choice(HOMES))
        activity = await self.making.activity(self.boss, organisation_id=home.id)
        for _ in range(self.chance.choice((1, 1, 2))):
            start = self.clock() - timedelta(hours=self.chance.randrange(-30, 20 * 24))
            shift = await self.making.shift(activity, f"{start.astimezone(SHANGHAI):%F %H:%M}")
            self.shifts.append(shift)
            for person in self.chance.sample(self.people, min(4, len(self.people))):
                if self.chance.random() < 0.7 and start < self.clock() and person != self.boss.id:
                    who = Person(id=person)
                    minutes = self.chance.choice((0, 60, 180))
                    self.proposed.append(await propose(self.making, shift, who, minutes))
                else:
                    state = self.chance.choice(list(EnrolmentState))
                    await place(self.making, shift, Person(id=person), state)

    async def decide(self) -> None:
        for _ in range(min(len(self.proposed), 2)):
            key = self.proposed.pop(self.chance.randrange(len(self.proposed)))
            verb = self.chance.choice((self.confirm, self.confirm, self.enter, self.reject))
            await verb(key)

    async def act(self, verb: Any, *given: Any) -> None:
        async with self.making.database.write() as session:
            boss = await session.get_one(Person, self.boss.id)
            await verb(self.making.work(session, boss), *given)

    async def confirm(self, key: int) -> None:
        await self.enter(key)

    async def enter(self, key: int) -> None:
        await self.act(hours.correct, key, self.chance.choice((30, 90, 200)), "按实际")
        self.decided.append(key)

    async def reject(self, key: int) -> None:
        await self.act(hours.reject, key, "没有到场")

    async def correct(self) -> None:
        if self.decided:
            key, minutes = self.chance.choice(self.decided), self.chance.randrange(31, 89)
            await self.act(hours.correct, key, minutes, "更正")

    async def call_off(self) -> None:
        if self.shifts and self.chance.random() < 0.3:
            key = self.chance.choice(self.shifts).activity_id
            async with self.making.database.write() as session:
                await session.execute(
                    update(Activity)
                    .where(Activity.id == key)
                    .values(state=ActivityState.CANCELLED, cancelled_at=self.clock())
                )


ADMIN = RoleKind.ADMINISTRATOR


@pytest.fixture(params=(1,))
async def random_city(
    request: pytest.FixtureRequest, making: Making, clock: ManualClock
) -> RandomCity:
    lived = RandomCity(making, request.param)
    await lived.live()
    return lived


async def rows(database: Database, *columns: Any) -> list[Any]:
    async with database.read() as session:
        return list(await session.execute(select(*columns)))


async def test_after_anything_the_counts_are_those_counted_row_by_row(
    random_city: RandomCity, database: Database, making: Making
) -> None:
    served = await by_hand_hours(database)
    await by_hand_people(random_city, database, served)
    await by_hand_cohorts(database, served)
    await by_hand_activities(random_city, database)
    async with database.write() as session:
        await counting.keep_abilities(
            making.work(session), await counting.find_abilities(making.work(session))
        )
    async with database.read() as session:
        assert await counting.differences(making.work(session)) == {}
    before = await everything(database)
    async with database.write() as session:
        await counting.recount_all(making.work(session))
    assert await everything(database) == before


async def everything(database: Database) -> list[set[Any]]:
    """But for rows of noughts, which say no more than none."""
    found = []
    for table, keys in (
        (PeopleCount, 2), (CohortCount, 3), (HoursCount, 2), (ActivityCount, 2), (DelayCount, 3),
    ):  # fmt: skip
        kept = map(tuple, await rows(database, *table.__table__.columns))
        found.append({row for row in kept if any(row[keys:])})
    return found


async def by_hand_hours(database: Database) -> dict[int, set[int]]:
    """Answers the months in which each person served."""
    minutes: Counter[tuple[int, int]] = Counter()
    own: Counter[tuple[int, int]] = Counter()
    entries = await rows(database, LedgerEntry)
    assert {entry.kind for (entry,) in entries} == set(EntryKind)
    assert min(entry.minutes for (entry,) in entries) < 0
    for (entry,) in entries:
        minutes[entry.organisation_id, month_of(entry.served_at)] += entry.minutes
        own[entry.person_id, month_of(entry.served_at)] += entry.minutes
    kept = await rows(database, HoursCount)
    assert {(one.organisation_id, one.month): one.minutes for (one,) in kept} == minutes
    served: defaultdict[int, set[int]] = defaultdict(set)
    for (person, month), total in own.items():
        if total > 0:
            served[person].add(month)
    return served


async def by_hand_people(
    random_city: RandomCity, database: Database, served: dict[int, set[int]]
) -> None:
    kept = [one for (one,) in await rows(database, PeopleCount)]
    for month, members in random_city.registered.items():
        for home in {one.organisation_id for one in kept}:
            until = [one for one in kept if one.organisation_id == home and one.month <= month]
            here = [person for person, where in members.items() if where == home]
            assert sum(one.joined - one.left for one in until) == len(here)
            year = set(range(month - 11, month + 1))
            assert sum(one.active for one in until) == sum(
                bool(served.get(person, set()) & year) for person in here
            )
    signed_up = Counter(month_of(one) for (one,) in await rows(database, Person.registered_at))
    for month, number in signed_up.items():
        assert sum(one.new for one in kept if one.month == month) == number


async def by_hand_cohorts(database: Database, served: dict[int, set[int]]) -> None:
    should: Counter[tuple[int, int, int]] = Counter()
    columns = (Person.id, Person.organisation_id, Person.registered_at)
    for person, home, registered_at in await rows(database, *columns):
        quarter = month_of(registered_at) // 3
        should[home, quarter, counting.SIGNED_UP] += 1
        for later in {month // 3 for month in served.get(person, set())}:
            if later >= quarter:
                should[home, quarter, later - quarter] += 1
    kept = await rows(database, CohortCount)
    assert +Counter(
        {(one.organisation_id, one.quarter, one.after): one.people for (one,) in kept}
    ) == dict(should)


async def by_hand_activities(random_city: RandomCity, database: Database) -> None:
    activities = {one.id: one for (one,) in await rows(database, Activity)}
    shifts = sorted(
        (one for (one,) in await rows(database, Shift)), key=lambda s: (s.starts_at, s.id)
    )
    attendances = {one.enrolment_id: one for (one,) in await rows(database, Attendance)}
    confirmed = {
        entry.attendance_id: entry.recorded_at
        for (entry,) in await rows(database, LedgerEntry)
        if entry.kind is EntryKind.CONFIRMATION
    }
    enrolled: defaultdict[int, list[Enrolment]] = defaultdict(list)
    for (one,) in await rows(database, Enrolment):
        enrolled[one.shift_id].append(one)
    should: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    delays: Counter[tuple[int, int, int]] = Counter()
    begun: set[int] = set()
    for shift in shifts:
        activity = activities[shift.activity_id]
        is_first = activity.id not in begun
        begun.add(activity.id)
        if activity.state is ActivityState.CANCELLED or shift.starts_at > random_city.clock():
            continue
        cell = activity.organisation_id, month_of(shift.starts_at)
        states = Counter(one.state.value for one in enrolled[shift.id])
        should[cell] += Counter(
            activities=is_first, shifts=1, places=shift.quota,
            filled=states["confirmed"] + states["attended"] + states["no_show"],
            attended=states["attended"], no_shows=states["no_show"],
        )  # fmt: skip
        for one in enrolled[shift.id]:
            there = attendances.get(one.id)
            if there is None:
                continue
            if there.state in (HoursState.OPEN, HoursState.PROPOSED):
                should[cell]["waiting"] += 1
                continue
            decided = confirmed.get(there.id) or there.decided_at
            assert decided is not None
            assert there.checked_out_at is not None
            waited = int(decided.timestamp()) - int(there.checked_out_at.timestamp())
            longer = [
                place for place, limit in enumerate(counting.BUCKETS) if waited < limit * 3600
            ]
            delays[(*cell, min(longer, default=len(counting.BUCKETS)))] += 1
    names = ("activities", "shifts", "places", "filled", "attended", "no_shows", "waiting")
    kept = {
        (one.organisation_id, one.month): Counter({name: getattr(one, name) for name in names})
        for (one,) in await rows(database, ActivityCount)
    }
    assert kept == should
    kept_delays = await rows(database, DelayCount)
    assert {
        (one.organisation_id, one.month, one.bucket): one.decisions for (one,) in kept_delays
    } == delays


async def test_who_can_do_what_and_who_could_come_is_counted_row_by_row(
    making: Making, database: Database
) -> None:
    chance = random.Random(5)
    for number in range(40):
        person = await making.volunteer(
            organisation=chance.choice(HOMES),
            skills=tuple(chance.sample(("first_aid", "search", "car"), chance.randrange(3))),
            latitude=22.4 + chance.random() * 0.4,
            longitude=113.2 + chance.random() * 0.4,
            emergency_opt_in=chance.random() < 0.7,
        )
        if number % 3 == 0:
            await making.qualification(person, expires_in=chance.choice((-5, 5)))
    async with database.write() as session:
        work = making.work(session)
        await counting.keep_abilities(work, await counting.find_abilities(work))
    async with database.read() as session:
        key = (await session.scalars(select(Skill.id).where(Skill.code == "search"))).one()
        able = set(await session.scalars(select(PersonSkill.person_id).filter_by(skill_id=key)))
        everyone = list(await session.scalars(select(Person)))
        towns = list(await session.scalars(select(Organisation).where(Organisation.id.in_((2, 5)))))
        held = (await session.scalars(select(AbilityCount))).all()
        in_reach = (await session.scalars(select(ReachCount))).all()
    attribute = traits.skill_attribute(key)
    assert {
        one.organisation_id: one.people for one in held if one.attribute == attribute
    } == Counter(one.organisation_id for one in everyone if one.id in able)
    assert sum(one.people for one in held if one.attribute == traits.EVERYONE) == 40
    for town in towns:
        near = [
            one for one in everyone if one.emergency_opt_in and metres(town, one) <= counting.RADIUS
        ]
        kept = {one.attribute: one.people for one in in_reach if one.organisation_id == town.id}
        assert kept[traits.EVERYONE] == len(near)
        assert kept[attribute] == sum(one.id in able for one in near)
    assert any(one.attribute % 4 == 1 for one in held)


def metres(town: Organisation, person: Person) -> float:
    places = (town.latitude, town.longitude, person.latitude, person.longitude)
    return geo.distance(*(place or 0.0 for place in places))


@ON_POSTGRESQL
async def test_who_counts_people_and_who_counts_hours_take_turns(
    making: Making, database: Database
) -> None:
    """Else each would add a difference to what it did not see of the other's."""
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang), "2026-11-20 09:00")
    await propose(making, shift, await making.volunteer())
    async with database.write() as session:
        await hours.confirm_all(making.work(session, wang), shift.id)

    async def count_hours() -> None:
        async with database.write() as session:
            await counting.keep_hours(making.work(session))

    async with database.write() as session:
        work = making.work(session)
        await counting.keep_people(work, await counting.find_moves(work))
        other = asyncio.create_task(count_hours())
        await done_or_held_up(database, other)
    await other
    async with database.write() as session:
        work = making.work(session)
        await counting.catch_up(work)
        assert await counting.differences(work) == {}

"""A city to measure in: 10,000 volunteers, 200 activities, and presses that suit them."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from benchmarks.chats import Press
from models import (
    Account,
    Activity,
    ActivityState,
    Confirmation,
    Database,
    Enrolment,
    EnrolmentState,
    Organisation,
    Person,
    ServiceField,
    Shift,
    ShiftSkill,
    Skill,
    Standing,
)
from models.sealed import Keyring, use_keyring

VOLUNTEERS = 10_000
ACTIVITIES = 200
FIRST_CHAT = 5_000_000
TIMES_A_DAY = 4
EVER = 100_000
"""A quota that no benchmark fills."""


async def fill(url: str, key_file: Path) -> None:
    """Fills the founded sample city. Each activity has an open shift and one for the skilled."""
    use_keyring(Keyring.read(key_file))
    database = Database(url)
    now = datetime.now(UTC)
    async with database.write() as session:
        homes = list(await session.scalars(select(Organisation.id).order_by(Organisation.id)))
        fields = list(await session.scalars(select(ServiceField.id).order_by(ServiceField.id)))
        skill = await session.scalar(select(Skill.id).order_by(Skill.id).limit(1))
        people = [_person(number, homes[number % len(homes)], now) for number in range(VOLUNTEERS)]
        session.add_all(people)
        await session.flush()
        session.add_all(_account(number, person, now) for number, person in enumerate(people))
        activities = [
            _activity(number, homes[number % len(homes)], fields[number % len(fields)], people, now)
            for number in range(ACTIVITIES)
        ]
        session.add_all(activities)
        await session.flush()
        shifts = [_shift(number, activity, now) for number, activity in enumerate(activities)]
        later = [
            _shift(number, activity, now, weeks=20) for number, activity in enumerate(activities)
        ]
        for shift in later:
            shift.taken = VOLUNTEERS // ACTIVITIES
        session.add_all([*shifts, *later])
        await session.flush()
        session.add_all(ShiftSkill(shift_id=shift.id, skill_id=skill) for shift in later)
        session.add_all(
            Enrolment(
                shift_id=later[number % ACTIVITIES].id,
                person_id=person.id,
                state=EnrolmentState.CONFIRMED,
                queued_at=now,
            )
            for number, person in enumerate(people)
        )
    await database.close()


def _person(number: int, home: int, now: datetime) -> Person:
    return Person(
        standing=Standing.ACTIVE,
        number=f"ZS{number:09d}",
        organisation_id=home,
        language="zh_Hans",
        name=f"志愿者{number}",
        name_search=f"志愿者{number}",
        birth_date=date(1990, 5, 1),
        phone=f"+8613{800000000 + number}",
        phone_verified=True,
        latitude=22.40 + number % 100 / 400,
        longitude=113.25 + number // 100 / 400,
        availability=(1 << 21) - 1,
        applied_at=now,
        registered_at=now,
    )


def _account(number: int, person: Person, now: datetime) -> Account:
    return Account(
        telegram_id=FIRST_CHAT + number,
        person_id=person.id,
        language="zh_Hans",
        language_chosen=True,
        first_seen_at=now,
        last_seen_at=now,
    )


def _activity(
    number: int, home: int, field_id: int, people: list[Person], now: datetime
) -> Activity:
    return Activity(
        organisation_id=home,
        field_id=field_id,
        state=ActivityState.PUBLISHED,
        title=f"河岸植树{number}",
        description="一起在岐江边种树。工具备齐，新手有人带。",
        address="岐江公园北门",
        latitude=22.53,
        longitude=113.38,
        confirmation=Confirmation.AUTOMATIC,
        bring="水、帽子",
        created_by_id=people[number].id,
        created_at=now,
        published_at=now,
    )


def _shift(number: int, activity: Activity, now: datetime, weeks: int = 1) -> Shift:
    """No two of the same `weeks` overlap, so that whoever has one may take any other."""
    day, time = divmod(number, TIMES_A_DAY)
    start = now + timedelta(weeks=weeks, days=day, hours=3 * time)
    return Shift(
        activity_id=activity.id,
        starts_at=start,
        ends_at=start + timedelta(hours=2, minutes=30),
        quota=EVER,
    )


# Presses


async def open_shifts(url: str) -> list[tuple[int, int]]:
    """(activity id, id of its open shift) of each activity."""
    database = Database(url)
    async with database.read() as session:
        rows = await session.execute(
            select(Activity.id, Shift.id)
            .join(Shift, Shift.activity_id == Activity.id)
            .where(~select(ShiftSkill).where(ShiftSkill.shift_id == Shift.id).exists())
            .order_by(Activity.id)
        )
        found = [(activity_id, shift_id) for activity_id, shift_id in rows]
    await database.close()
    return found


def looks(shifts: list[tuple[int, int]]) -> Iterator[Press]:
    """Volunteers in turn, each opening some activity: nothing is changed."""
    choice = random.Random(1)
    for number in itertools.count():
        activity_id, _ = choice.choice(shifts)
        yield Press(_chat(number), f"activity:{activity_id}")


def enrolments(shifts: list[tuple[int, int]]) -> Iterator[Press]:
    """Volunteers in turn, each taking a place that they do not have yet."""
    for number in itertools.count():
        turn, person = divmod(number, VOLUNTEERS)
        _, shift_id = shifts[(person + turn) % len(shifts)]
        yield Press(_chat(number), f"enrol:{shift_id}")


def answers() -> Iterator[Press]:
    """For a bot that only answers."""
    for number in itertools.count():
        yield Press(_chat(number), "activity:1")


def _chat(number: int) -> int:
    return FIRST_CHAT + number % VOLUNTEERS

"""An activity reaches those whom it fits, and nobody else; somebody finds what fits them."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Account,
    Database,
    Person,
    PersonLanguage,
    Qualification,
    QualificationKind,
    QualificationState,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    SpokenLanguage,
)
from services import accounts, delivery, enrolment, matching
from services.matching import Reach
from tests.making import Making

Case = Callable[[Making], Awaitable[Person]]

FAR = {"latitude": 22.27, "longitude": 113.47}


async def told(making: Making, database: Database, activity: Any) -> dict[str, Any]:
    """Names of those whom the activity would be announced to, with their own parameters."""
    async with database.read() as session:
        work = making.work(session)
        found = (await matching.audience(work, activity)).subquery()
        rows = await session.execute(
            select(Person.name, found.c.parameters).join(found, found.c.id == Person.id)
        )
        return dict(rows.all())


async def plan(making: Making, **shift: Any) -> tuple[Any, Shift]:
    wang = await making.coordinator("王强", **FAR)
    activity = await making.activity(wang)
    return activity, await making.shift(activity, "2026-11-28 09:00", **shift)


async def test_it_fits_a_free_volunteer_nearby_and_says_how_far(
    making: Making, database: Database
) -> None:
    activity, _ = await plan(making)
    await making.volunteer("陈晓丽")
    found = await told(making, database, activity)
    assert found.keys() == {"陈晓丽"}
    assert 500 < found["陈晓丽"]["distance"] < 1000


@pytest.mark.parametrize(
    ("why", "person", "shift"),
    [
        ("too far away", FAR, {}),
        ("not free on Saturday morning", {"availability": 1}, {}),
        ("no skill", {}, {"skills": ("first_aid",)}),
        ("too young", {"birth_date": date(2010, 1, 1)}, {"least_age": 18}),
        ("taking a break", {"paused_until": date(2026, 12, 1)}, {}),
        ("wishes to hear of nothing", {"opt_outs": ("announcement",)}, {}),
        ("interested in something else", {"interests": ("blood",)}, {}),
    ],
)
async def test_it_is_not_announced_to_those_whom_it_does_not_fit(
    making: Making, database: Database, why: str, person: Any, shift: Any
) -> None:
    activity, _ = await plan(making, **shift)
    await making.volunteer("陈晓丽", **person)
    assert await told(making, database, activity) == {}, why


@pytest.mark.parametrize(
    ("person", "shift"),
    [
        ({"skills": ("first_aid", "car")}, {"skills": ("first_aid",)}),
        ({"birth_date": date(2008, 11, 28)}, {"least_age": 18}),
        ({"paused_until": date(2026, 11, 23)}, {}),
        ({"interests": ("care",)}, {}),
        ({"interests": ("elderly_disabled", "blood")}, {}),
        ({"latitude": None, "longitude": None}, {}),
        ({"availability": 1 << (5 * 3)}, {}),
    ],
)
async def test_it_is_announced_to_those_whom_it_fits(
    making: Making, database: Database, person: Any, shift: Any
) -> None:
    activity, _ = await plan(making, **shift)
    await making.volunteer("陈晓丽", **person)
    assert (await told(making, database, activity)).keys() == {"陈晓丽"}


async def test_a_needed_document_must_be_verified_and_valid_on_the_day(
    making: Making, database: Database
) -> None:
    activity, shift = await plan(making)
    holders = {
        "有效": (QualificationState.VERIFIED, date(2027, 1, 1)),
        "待审": (QualificationState.AWAITING, date(2027, 1, 1)),
        "过期": (QualificationState.VERIFIED, date(2026, 11, 27)),
    }
    people = {name: await making.volunteer(name) for name in holders}
    async with database.write() as session:
        kind = await session.scalar(
            select(QualificationKind.id).where(QualificationKind.code == "first_aider")
        )
        session.add(ShiftQualification(shift_id=shift.id, kind_id=kind))
        for name, (state, expires_on) in holders.items():
            session.add(
                Qualification(
                    person_id=people[name].id,
                    kind_id=kind,
                    state=state,
                    expires_on=expires_on,
                    submitted_at=making.clock(),
                )
            )
    assert (await told(making, database, activity)).keys() == {"有效"}


async def test_a_needed_language_must_be_spoken(making: Making, database: Database) -> None:
    activity, shift = await plan(making)
    speaker = await making.volunteer("会粤语")
    await making.volunteer("不会")
    async with database.write() as session:
        language = await session.scalar(
            select(SpokenLanguage.id).where(SpokenLanguage.code == "yue")
        )
        session.add(ShiftLanguage(shift_id=shift.id, spoken_language_id=language))
        session.add(PersonLanguage(person_id=speaker.id, spoken_language_id=language))
    assert (await told(making, database, activity)).keys() == {"会粤语"}


async def test_who_is_busy_or_has_enrolled_is_not_told(making: Making, database: Database) -> None:
    activity, shift = await plan(making)
    other = await making.activity(await making.coordinator("李敏", **FAR), "别的活动", **FAR)
    clashing = await making.shift(other, "2026-11-28 11:00")
    busy, enrolled = await making.volunteer("忙"), await making.volunteer("已报名")
    async with database.write() as session:
        await enrolment.enrol(making.work(session, busy), clashing.id)
        await enrolment.enrol(making.work(session, enrolled), shift.id)
    assert await told(making, database, activity) == {}


async def test_reach_counts_who_can_not_be_told_and_who_has_heard_enough(
    making: Making, database: Database
) -> None:
    activity, _ = await plan(making)
    heard = await making.volunteer("听够了")
    blocked = await making.volunteer("拉黑了")
    await making.volunteer("陈晓丽")
    async with database.write() as session:
        work = making.work(session)
        for number in range(work.policy.announcements_per_week):
            post = delivery.Post("x", {"n": number}, kind=delivery.ANNOUNCEMENT)
            await delivery.tell(work, post, [heard.id])
        chat = await session.scalar(
            select(Account.telegram_id).where(Account.person_id == blocked.id)
        )
        assert chat is not None
        await accounts.mark_unreachable(session, chat, "blocked", making.clock())
    async with database.read() as session:
        found = await matching.reach(making.work(session), activity.id)
    assert found == Reach(fits=3, unreachable=1, over_limit=1)
    assert (await told(making, database, activity)).keys() == {"陈晓丽"}
    making.clock.forward(days=4)
    async with database.read() as session:
        assert (await matching.reach(making.work(session), activity.id)).over_limit == 1


async def test_the_best_fit_comes_first_and_says_why(making: Making, database: Database) -> None:
    wang = await making.coordinator("王强")
    far = await making.activity(wang, "远一点", latitude=22.60, longitude=113.40)
    near = await making.activity(wang, "就在附近")
    skilled = await making.activity(wang, "需要急救", latitude=22.56, longitude=113.39)
    await making.shift(far)
    await making.shift(near)
    await making.shift(skilled, skills=("first_aid",))
    chen = await making.volunteer("陈晓丽", skills=("first_aid",))
    async with database.read() as session:
        found = await matching.suggestions(making.work(session, chen), 10)
    assert [s.activity.title for s in found] == ["需要急救", "就在附近", "远一点"]
    assert found[0].reasons == ["distance", "skill"]


async def test_full_clashing_and_far_activities_are_not_suggested(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    full = await making.activity(wang, "满了")
    await making.shift(full, quota=1, taken=1)
    away = await making.activity(wang, "太远", **FAR)
    await making.shift(away)
    chen = await making.volunteer("陈晓丽")
    async with database.read() as session:
        assert await matching.suggestions(making.work(session, chen), 10) == []

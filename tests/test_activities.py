"""Planning an activity: drafts, the rules of shifts, publishing, changes, calling off, copies."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Activity,
    ActivityState,
    AuditEntry,
    Confirmation,
    Database,
    Delivery,
    DeliveryState,
    Enrolment,
    EnrolmentState,
    Group,
    Message,
    Person,
    QualificationKind,
    ServiceField,
    Shift,
    Skill,
    SpokenLanguage,
)
from services import activities, announcements, groups, opt_outs, outbox, planning, shifts
from services.activities import Heading
from services.errors import Gone, NotAllowed, Refusal
from services.planning import Plan
from services.shifts import ShiftPlan
from services.words import LANGUAGES, Words
from tests.making import Making
from tests.times import ManualClock

TEXT_LIMIT = 4096
"""Of Telegram, in UTF-16 units after entities."""
LINK = "https://t.me/muster_bot?start=a-1"


@pytest.fixture
def morning(clock: ManualClock) -> ShiftPlan:
    """Saturday morning, twenty places, open to everyone."""
    return ShiftPlan(clock.at("2026-11-28 09:00"), clock.at("2026-11-28 12:00"), 20)


async def a_plan(database: Database, **more: Any) -> Plan:
    async with database.read() as session:
        field = await session.scalar(select(func.min(ServiceField.id)))
    values: dict[str, Any] = {
        "field_id": field,
        "title": "河岸植树",
        "description": "一起在岐江边种树。",
        "address": "岐江公园北门",
        "latitude": 22.53,
        "longitude": 113.38,
        "confirmation": Confirmation.AUTOMATIC,
    }
    return Plan(**{**values, **more})


async def drafted(
    database: Database, making: Making, wang: Person, first: ShiftPlan, **more: Any
) -> Activity:
    plan = await a_plan(database, **more)
    async with database.write() as session:
        work = making.work(session, wang)
        return await planning.draft(work, wang.organisation_id, plan, first)


async def published(
    database: Database, making: Making, wang: Person, first: ShiftPlan, **more: Any
) -> Activity:
    activity = await drafted(database, making, wang, first, **more)
    async with database.write() as session:
        await planning.publish(making.work(session, wang), activity.id, LINK)
    return activity


async def only_shift(database: Database, activity: Activity) -> Shift:
    async with database.read() as session:
        (shift,) = await activities.shifts_of(session, activity.id)
        return shift


async def posted(database: Database, template: str) -> list[tuple[Delivery, Message]]:
    async with database.read() as session:
        rows = await session.execute(
            select(Delivery, Message)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == template)
            .order_by(Delivery.id)
        )
        return [(row[0], row[1]) for row in rows]


async def mark_sent(database: Database, making: Making) -> None:
    """Everything queued has reached the phones."""
    async with database.write() as session:
        for number, due in enumerate(
            await outbox.claim_due(session, making.clock() + timedelta(days=1))
        ):
            receipt = outbox.Receipt(due.id, DeliveryState.SENT, 1000 + number)
            await outbox.record(session, [receipt], making.clock())


def refused(code: str) -> Any:
    return pytest.raises(Refusal, match=f"^{code}$")


async def test_a_draft_keeps_everything_that_was_said(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    async with database.read() as session:
        skill = await session.scalar(select(func.min(Skill.id)))
        tongue = await session.scalar(select(func.min(SpokenLanguage.id)))
    assert skill is not None
    assert tongue is not None
    first = replace(morning, least_age=16, skills=(skill,), languages=(tongue,))
    deadline = clock.at("2026-11-27 18:00")
    activity = await drafted(
        database, making, wang, first, bring="手套", enrolment_deadline=deadline
    )

    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
        about = await activities.describe(session, kept)
        shift = await only_shift(database, activity)
        said = await shifts.plan_of(session, shift)
    assert kept.state is ActivityState.DRAFT
    assert said == first
    assert about["bring"] == "手套"
    assert about["contact"] == "王强"
    assert about["deadline"] == deadline.isoformat()
    assert about["shifts"][0]["left"] == 20
    assert len(about["shifts"][0]["skills"]) == 1
    assert len(about["shifts"][0]["languages"]) == 1


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("plan_past", {"starts_at": timedelta(hours=-1)}),
        ("plan_order", {"ends_at": timedelta(hours=1)}),
        ("plan_too_long", {"ends_at": timedelta(days=7)}),
        ("plan_too_far", {"starts_at": timedelta(days=400), "ends_at": timedelta(days=400.1)}),
        ("plan_quota", {"quota": 0}),
        ("plan_quota", {"quota": 10_001}),
        ("plan_least_age", {"least_age": 81}),
        ("plan_too_many_needs", {"skills": (1, 2, 3, 4)}),
    ],
)
async def test_a_shift_that_cannot_be_is_refused(
    database: Database,
    making: Making,
    clock: ManualClock,
    morning: ShiftPlan,
    code: str,
    wrong: dict[str, Any],
) -> None:
    wang = await making.coordinator()
    values = {
        key: clock() + value if isinstance(value, timedelta) else value
        for key, value in wrong.items()
    }
    with refused(code):
        await drafted(database, making, wang, replace(morning, **values))


@pytest.mark.parametrize(
    ("code", "deadline"),
    [("plan_deadline_past", "2026-11-23 09:00"), ("plan_deadline_late", "2026-11-28 09:30")],
)
async def test_a_deadline_lies_between_now_and_the_last_start(
    database: Database,
    making: Making,
    clock: ManualClock,
    morning: ShiftPlan,
    code: str,
    deadline: str,
) -> None:
    wang = await making.coordinator()
    with refused(code):
        await drafted(database, making, wang, morning, enrolment_deadline=clock.at(deadline))


async def test_a_coordinator_of_another_town_can_do_nothing(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    li = await making.coordinator("李梅", organisation="zs-xiaolan")
    activity = await drafted(database, making, wang, morning)
    shift = await only_shift(database, activity)
    plan = await a_plan(database)
    async with database.write() as session:
        work = making.work(session, li)
        key = activity.id
        for attempt in (
            planning.draft(work, wang.organisation_id, plan, morning),
            planning.change(work, key, plan, LINK),
            planning.discard(work, key),
            planning.add_shift(work, key, morning, LINK),
            planning.change_shift(work, shift.id, morning, LINK),
            planning.remove_shift(work, shift.id, LINK),
            planning.ready(work, key),
            planning.publish(work, key, LINK),
            planning.call_off(work, key, "下雨"),
            planning.copy(work, key, morning.starts_at + planning.WEEK),
            planning.repeat(work, key, 2, publish=True),
        ):
            with pytest.raises(NotAllowed):
                await attempt
        with pytest.raises(Gone):
            await planning.publish(work, 999_999, LINK)
        assert (await activities.listed(work, Heading.DRAFTS)).entries == []


async def test_a_volunteer_has_no_list_of_activities(database: Database, making: Making) -> None:
    chen = await making.volunteer()
    async with database.read() as session:
        with pytest.raises(NotAllowed):
            await activities.listed(making.work(session, chen), Heading.COMING)


async def test_the_coordinator_of_a_town_plans_for_its_communities(
    database: Database, making: Making
) -> None:
    wang = await making.coordinator()
    async with database.read() as session:
        own = await planning.places_to_plan(making.work(session, wang))
    assert own[0].id == wang.organisation_id
    assert len(own) > 1
    assert all(place.path.startswith(own[0].path) for place in own)


async def test_publishing_tells_those_whom_it_fits_and_nobody_else(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    near = await making.volunteer("陈晓丽")
    await making.volunteer("何远", latitude=22.90, longitude=113.38)
    await making.volunteer("不听", opt_outs=("announcement",))
    activity = await drafted(database, making, wang, morning)
    async with database.read() as session:
        shown = await announcements.preview(
            making.work(session, wang), await session.get_one(Activity, activity.id)
        )
    async with database.write() as session:
        told = await planning.publish(making.work(session, wang), activity.id, LINK)

    people = {row.person_id for row, _ in await posted(database, "activities/announcement")}
    assert near.id in people
    assert people <= {near.id, wang.id}
    assert told == len(people)
    assert shown.reach.fits >= told
    assert shown.told_at is not None
    assert not shown.waits
    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
        noted = await session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject == f"activity:{activity.id}")
        )
        assert kept.state is ActivityState.PUBLISHED
        assert set(noted) == {"activity.drafted", "activity.published"}


async def test_publishing_twice_announces_once(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    await making.volunteer()
    activity = await published(database, making, wang, morning)
    before = len(await posted(database, "activities/announcement"))
    async with database.write() as session:
        with refused("plan_published"):
            await planning.publish(making.work(session, wang), activity.id, LINK)
    assert len(await posted(database, "activities/announcement")) == before


async def test_nothing_is_published_without_a_shift_or_after_its_time(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    empty = await making.activity(wang, state=ActivityState.DRAFT)
    late = await drafted(database, making, wang, morning)
    async with database.write() as session:
        with refused("plan_no_shifts"):
            await planning.publish(making.work(session, wang), empty.id, LINK)
    clock.go_to("2026-11-28 09:30")
    async with database.write() as session:
        with refused("plan_past"):
            await planning.publish(making.work(session, wang), late.id, LINK)


async def test_an_announcement_waits_for_the_morning(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    await making.volunteer()
    clock.go_to("2026-11-23 23:00")
    activity = await drafted(database, making, wang, morning)
    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
        shown = await announcements.preview(making.work(session, wang), kept)
    assert shown.waits
    assert shown.told_at == clock.at("2026-11-24 08:00")
    async with database.write() as session:
        await planning.publish(making.work(session, wang), activity.id, LINK)
    for row, message in await posted(database, "activities/announcement"):
        assert row.due_at == clock.at("2026-11-24 08:00")
        assert message.expires_at == morning.starts_at


async def test_nobody_is_told_at_night_of_what_begins_before_the_morning(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    clock.go_to("2026-11-27 23:00")
    early = replace(morning, starts_at=clock.at("2026-11-28 07:00"))
    activity = await drafted(database, making, wang, early)
    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
        shown = await announcements.preview(making.work(session, wang), kept)
    assert shown.told_at is None
    async with database.write() as session:
        assert await planning.publish(making.work(session, wang), activity.id, LINK) == 0
    assert await posted(database, "activities/announcement") == []


async def test_who_has_heard_enough_this_week_is_left_in_peace(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chen = await making.volunteer()
    for _ in range(6):
        await published(database, making, wang, morning)
        clock.forward(minutes=5)
    heard = [
        row for row, _ in await posted(database, "activities/announcement")
        if row.person_id == chen.id
    ]  # fmt: skip
    assert len(heard) == 5
    async with database.read() as session:
        newest = await session.get_one(
            Activity, await session.scalar(select(func.max(Activity.id)))
        )
        shown = await announcements.preview(making.work(session, wang), newest)
    assert shown.reach.over_limit >= 1


async def bound_group(database: Database, coordinator: Person, chat_id: int, title: str) -> None:
    async with database.write() as session:
        session.add(
            Group(
                chat_id=chat_id,
                organisation_id=coordinator.organisation_id,
                title=title,
                language="zh_Hans",
                registered_by_id=coordinator.id,
            )
        )


async def test_groups_of_the_organisation_and_above_it_hear_of_it(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chief = await making.coordinator("总会", organisation="zs")
    li = await making.coordinator("李梅", organisation="zs-xiaolan")
    await bound_group(database, wang, -1001, "石岐志愿者")
    await bound_group(database, chief, -1002, "全市志愿者")
    await bound_group(database, li, -1003, "小榄志愿者")
    activity = await drafted(database, making, wang, morning)
    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
        shown = await announcements.preview(making.work(session, wang), kept)
    async with database.write() as session:
        await planning.publish(making.work(session, wang), activity.id, LINK)
    told = await posted(database, "activities/in_group")
    assert {row.chat_id for row, _ in told} == {-1001, -1002}
    assert {message.parameters["opens"] for _, message in told} == {LINK}
    assert shown.groups == ["全市志愿者", "石岐志愿者"]


async def test_a_group_is_unbound_by_its_coordinators_only(
    database: Database, making: Making
) -> None:
    wang = await making.coordinator()
    li = await making.coordinator("李梅", organisation="zs-xiaolan")
    await bound_group(database, wang, -1001, "石岐志愿者")
    async with database.write() as session:
        (group,) = await groups.bound_to(making.work(session, wang), wang.organisation_id)
        with pytest.raises(NotAllowed):
            await groups.bound_to(making.work(session, li), wang.organisation_id)
        with pytest.raises(NotAllowed):
            await groups.unbind(making.work(session, li), group.id)
        await groups.unbind(making.work(session, wang), group.id)
        assert await groups.bound_to(making.work(session, wang), wang.organisation_id) == []
        with pytest.raises(Gone):
            await groups.unbind(making.work(session, wang), group.id)


async def enrolled(
    database: Database,
    making: Making,
    shift: Shift,
    person: Person,
    state: EnrolmentState = EnrolmentState.CONFIRMED,
) -> Enrolment:
    async with database.write() as session:
        place = Enrolment(
            shift_id=shift.id, person_id=person.id, state=state, queued_at=making.clock()
        )
        session.add(place)
        if state is not EnrolmentState.WAITLISTED:
            held = await session.get_one(Shift, shift.id)
            held.taken += 1
        await session.flush()
    return place


async def test_a_changed_place_is_asked_of_everyone_enrolled(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chen = await making.volunteer()
    activity = await published(database, making, wang, morning)
    await enrolled(database, making, await only_shift(database, activity), chen)
    await mark_sent(database, making)
    plan = await a_plan(database, address="紫马岭公园南门", contact="王强")
    async with database.write() as session:
        await planning.change(making.work(session, wang), activity.id, plan, LINK)
    async with database.read() as session:
        place = await session.scalar(select(Enrolment).where(Enrolment.person_id == chen.id))
    assert place is not None
    assert place.reconfirm


async def test_a_changed_time_is_asked_of_that_shift_only(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chen, he = await making.volunteer(), await making.volunteer("何远")
    activity = await published(database, making, wang, morning)
    first = await only_shift(database, activity)
    later = replace(
        morning, starts_at=clock.at("2026-11-28 14:00"), ends_at=clock.at("2026-11-28 17:00")
    )
    async with database.write() as session:
        second = await planning.add_shift(making.work(session, wang), activity.id, later, LINK)
    await enrolled(database, making, first, chen)
    await enrolled(database, making, second, he)
    async with database.write() as session:
        moved = replace(morning, starts_at=clock.at("2026-11-28 08:00"))
        await planning.change_shift(making.work(session, wang), first.id, moved, LINK)
    async with database.read() as session:
        asked = await session.scalars(select(Enrolment.person_id).where(Enrolment.reconfirm))
        assert list(asked) == [chen.id]


async def test_other_changes_are_put_right_where_they_were_told(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chen = await making.volunteer()
    activity = await published(database, making, wang, morning)
    await enrolled(database, making, await only_shift(database, activity), chen)
    await mark_sent(database, making)
    told = [row for row, _ in await posted(database, "activities/announcement")]
    plan = await a_plan(database, title="江边植树", contact="王强")
    async with database.write() as session:
        await planning.change(making.work(session, wang), activity.id, plan, LINK)
    edits = [
        (row, message) for row, message in await posted(database, "activities/announcement")
        if row.edits_id is not None
    ]  # fmt: skip
    assert {row.edits_id for row, _ in edits} == {row.id for row in told}
    assert {message.parameters["about"]["title"] for _, message in edits} == {"江边植树"}
    async with database.read() as session:
        place = await session.scalar(select(Enrolment).where(Enrolment.person_id == chen.id))
    assert place is not None
    assert not place.reconfirm


async def test_what_waits_for_the_morning_goes_out_as_it_is_then(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    await making.volunteer()
    clock.go_to("2026-11-23 23:00")
    activity = await published(database, making, wang, morning)
    plan = await a_plan(database, title="江边植树")
    async with database.write() as session:
        await planning.change(making.work(session, wang), activity.id, plan, LINK)
    waiting = await posted(database, "activities/announcement")
    assert waiting
    assert {row.state for row, _ in waiting} == {DeliveryState.QUEUED}
    assert {message.parameters["about"]["title"] for _, message in waiting} == {"江边植树"}
    assert {row.edits_id for row, _ in waiting} == {None}


async def test_added_places_are_offered_to_the_waitlist(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    people = [await making.volunteer(name) for name in ("甲", "乙", "丙", "丁")]
    activity = await published(database, making, wang, replace(morning, quota=1))
    shift = await only_shift(database, activity)
    await enrolled(database, making, shift, people[0])
    for person in people[1:]:
        await enrolled(database, making, shift, person, EnrolmentState.WAITLISTED)
        making.clock.forward(minutes=1)
    async with database.write() as session:
        raised = replace(morning, quota=3)
        await planning.change_shift(making.work(session, wang), shift.id, raised, LINK)
    async with database.read() as session:
        rows = await session.execute(select(Enrolment.person_id, Enrolment.state))
        states = {row[0]: row[1] for row in rows}
        kept = await session.get_one(Shift, shift.id)
    assert [states[person.id] for person in people] == [
        EnrolmentState.CONFIRMED,
        EnrolmentState.OFFERED,
        EnrolmentState.OFFERED,
        EnrolmentState.WAITLISTED,
    ]
    assert kept.taken == 3


async def test_a_quota_is_not_lowered_below_what_is_taken(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await published(database, making, wang, morning)
    shift = await only_shift(database, activity)
    for name in ("甲", "乙"):
        await enrolled(database, making, shift, await making.volunteer(name))
    async with database.write() as session:
        work = making.work(session, wang)
        with refused("plan_quota_taken"):
            await planning.change_shift(work, shift.id, replace(morning, quota=1), LINK)
        await planning.change_shift(work, shift.id, replace(morning, quota=2), LINK)
    assert (await only_shift(database, activity)).quota == 2


async def test_a_shift_with_people_in_it_and_the_last_one_stay(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await published(database, making, wang, morning)
    first = await only_shift(database, activity)
    async with database.write() as session:
        work = making.work(session, wang)
        with refused("plan_last_shift"):
            await planning.remove_shift(work, first.id, LINK)
        second = await planning.add_shift(work, activity.id, morning, LINK)
    await enrolled(database, making, first, await making.volunteer())
    async with database.write() as session:
        work = making.work(session, wang)
        with refused("plan_shift_used"):
            await planning.remove_shift(work, first.id, LINK)
        await planning.remove_shift(work, second.id, LINK)
    assert (await only_shift(database, activity)).id == first.id


async def test_an_activity_has_ten_shifts_at_most(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await drafted(database, making, wang, morning)
    async with database.write() as session:
        work = making.work(session, wang)
        for _ in range(shifts.MOST_SHIFTS - 1):
            await planning.add_shift(work, activity.id, morning, LINK)
        with refused("plan_too_many_shifts"):
            await planning.add_shift(work, activity.id, morning, LINK)


async def test_a_shift_that_has_begun_is_not_changed(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await published(database, making, wang, morning)
    shift = await only_shift(database, activity)
    clock.go_to("2026-11-28 09:30")
    async with database.write() as session:
        with refused("plan_shift_began"):
            await planning.change_shift(making.work(session, wang), shift.id, morning, LINK)


async def test_an_earlier_time_lifts_a_deadline_that_no_longer_fits(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await drafted(
        database, making, wang, morning, enrolment_deadline=clock.at("2026-11-28 08:00")
    )
    shift = await only_shift(database, activity)
    earlier = morning.moved(-timedelta(days=1))
    async with database.write() as session:
        await planning.change_shift(making.work(session, wang), shift.id, earlier, LINK)
    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
    assert kept.enrolment_deadline is None


async def test_calling_off_tells_everyone_and_edits_what_they_hold(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chen, he = await making.volunteer(), await making.volunteer("何远")
    await bound_group(database, wang, -1001, "石岐志愿者")
    activity = await published(database, making, wang, replace(morning, quota=1))
    shift = await only_shift(database, activity)
    await enrolled(database, making, shift, chen)
    await enrolled(database, making, shift, he, EnrolmentState.WAITLISTED)
    await mark_sent(database, making)
    held = [
        row for name in ("announcement", "in_group")
        for row, _ in await posted(database, f"activities/{name}")
    ]  # fmt: skip
    async with database.write() as session:
        await planning.call_off(making.work(session, wang), activity.id, "台风来了")

    edits = await posted(database, "activities/called_off")
    assert {row.edits_id for row, _ in edits} == {row.id for row in held}
    assert -1001 in {row.chat_id for row, _ in edits}
    told = await posted(database, "activities/cancelled")
    assert {row.person_id for row, _ in told} == {chen.id, he.id}
    assert {message.parameters["about"]["cancel_reason"] for _, message in told} == {"台风来了"}
    async with database.read() as session:
        kept = await session.get_one(Activity, activity.id)
        states = set(await session.scalars(select(Enrolment.state)))
    assert kept.state is ActivityState.CANCELLED
    assert states == {EnrolmentState.CANCELLED}


async def test_an_announcement_not_yet_sent_is_taken_back_when_called_off(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    await making.volunteer()
    clock.go_to("2026-11-23 23:00")
    activity = await published(database, making, wang, morning)
    async with database.write() as session:
        await planning.call_off(making.work(session, wang), activity.id, "台风来了")
    states = {row.state for row, _ in await posted(database, "activities/announcement")}
    assert states == {DeliveryState.REVOKED}


async def test_what_is_called_off_stays_so(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    plan = await a_plan(database)
    activity = await drafted(database, making, wang, morning)
    async with database.write() as session:
        work = making.work(session, wang)
        with refused("plan_not_published"):
            await planning.call_off(work, activity.id, "下雨")
        await planning.publish(work, activity.id, LINK)
        with refused("plan_published"):
            await planning.discard(work, activity.id)
        await planning.call_off(work, activity.id, "下雨")
        for attempt in (
            planning.change(work, activity.id, plan, LINK),
            planning.publish(work, activity.id, LINK),
            planning.call_off(work, activity.id, "又下雨"),
            planning.add_shift(work, activity.id, morning, LINK),
        ):
            with refused("plan_cancelled"):
                await attempt


async def test_a_draft_is_thrown_away_whole(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await drafted(database, making, wang, morning)
    async with database.write() as session:
        work = making.work(session, wang)
        copied = await planning.copy(work, activity.id, clock.at("2026-12-05 09:00"))
        await planning.discard(work, activity.id)
    async with database.read() as session:
        assert await session.get(Activity, activity.id) is None
        assert (await session.get_one(Activity, copied.id)).copied_from_id is None
        assert list(await session.scalars(select(Shift.activity_id))) == [copied.id]


async def test_a_copy_keeps_everything_but_the_times(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await drafted(
        database, making, wang, replace(morning, least_age=16), bring="手套",
        enrolment_deadline=clock.at("2026-11-27 18:00"),
    )  # fmt: skip
    afternoon = replace(
        morning, title="下午班",
        starts_at=clock.at("2026-11-28 14:00"), ends_at=clock.at("2026-11-28 17:00"),
    )  # fmt: skip
    async with database.write() as session:
        work = making.work(session, wang)
        await planning.add_shift(work, activity.id, afternoon, LINK)
        copied = await planning.copy(work, activity.id, clock.at("2026-12-06 10:00"))
    async with database.read() as session:
        kept = await session.get_one(Activity, copied.id)
        plans = [
            await shifts.plan_of(session, shift)
            for shift in await activities.shifts_of(session, copied.id)
        ]
    assert kept.state is ActivityState.DRAFT
    assert kept.copied_from_id == activity.id
    assert (kept.title, kept.bring) == ("河岸植树", "手套")
    assert kept.enrolment_deadline == clock.at("2026-12-05 19:00")
    by = timedelta(days=8, hours=1)
    assert plans == [replace(morning, least_age=16).moved(by), afternoon.moved(by)]


async def test_a_copy_into_the_past_is_refused(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    activity = await drafted(database, making, wang, morning)
    async with database.write() as session:
        with refused("plan_past"):
            await planning.copy(
                making.work(session, wang), activity.id, clock.at("2026-11-22 09:00")
            )


@pytest.mark.parametrize("publish", [False, True])
async def test_weekly_repeats_are_drafts_or_open_but_nobody_is_flooded(
    database: Database, making: Making, morning: ShiftPlan, publish: bool
) -> None:
    wang = await making.coordinator()
    await making.volunteer()
    activity = await drafted(database, making, wang, morning)
    async with database.write() as session:
        made = await planning.repeat(making.work(session, wang), activity.id, 3, publish=publish)
    async with database.read() as session:
        starts = [
            shift.starts_at
            for copied in made
            for shift in await activities.shifts_of(session, copied.id)
        ]
    assert starts == [morning.starts_at + planning.WEEK * week for week in (1, 2, 3)]
    wanted = ActivityState.PUBLISHED if publish else ActivityState.DRAFT
    assert {copied.state for copied in made} == {wanted}
    assert await posted(database, "activities/announcement") == []


@pytest.mark.parametrize("weeks", [0, 13])
async def test_repeats_stay_within_twelve_weeks(
    database: Database, making: Making, morning: ShiftPlan, weeks: int
) -> None:
    wang = await making.coordinator()
    activity = await drafted(database, making, wang, morning)
    async with database.write() as session:
        with refused("plan_weeks"):
            await planning.repeat(making.work(session, wang), activity.id, weeks, publish=False)


async def test_a_coordinators_list_has_drafts_what_is_coming_and_what_is_past(
    database: Database, making: Making, clock: ManualClock, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    coming = await published(database, making, wang, morning)
    draft = await drafted(database, making, wang, morning)
    for _ in range(activities.PAGE):
        await drafted(database, making, wang, morning)
    async with database.write() as session:
        work = making.work(session, wang)
        listing = await activities.listed(work, Heading.COMING)
        assert [entry.activity.id for entry in listing.entries] == [coming.id]
        assert (listing.entries[0].taken, listing.entries[0].quota) == (0, 20)
        drafts = await activities.listed(work, Heading.DRAFTS)
        assert drafts.entries[0].activity.id == draft.id
        assert (len(drafts.entries), drafts.pages) == (activities.PAGE, 2)
        assert len((await activities.listed(work, Heading.DRAFTS, 9)).entries) == 1
        assert (await activities.listed(work, Heading.PAST)).entries == []
    clock.go_to("2026-11-28 12:30")
    async with database.read() as session:
        past = await activities.listed(making.work(session, wang), Heading.PAST)
    assert [entry.activity.id for entry in past.entries] == [coming.id]


async def test_a_press_ends_announcements_and_another_brings_them_back(
    database: Database, making: Making, morning: ShiftPlan
) -> None:
    wang = await making.coordinator()
    chen = await making.volunteer()
    for wish in (False, True):
        async with database.write() as session:
            own = await session.get_one(Person, chen.id)
            await opt_outs.choose(making.work(session, own), "announcement", wanted=wish)
        await published(database, making, wang, morning)
        heard = [row.person_id for row, _ in await posted(database, "activities/announcement")]
        assert (chen.id in heard) is wish


async def test_the_fullest_activity_still_fits_a_message(
    database: Database, making: Making, clock: ManualClock, words: Words
) -> None:
    wang = await making.coordinator()
    async with database.read() as session:
        needs = {
            "skills": await longest_named(session, Skill),
            "qualifications": await longest_named(session, QualificationKind),
            "languages": await longest_named(session, SpokenLanguage),
        }
    fullest = ShiftPlan(
        clock.at("2026-11-28 22:00"),
        clock.at("2026-11-29 06:00"),
        shifts.MOST_PLACES,
        title="班" * 30,
        least_age=18,
        **needs,
    )
    activity = await drafted(
        database,
        making,
        wang,
        fullest,
        title="植" * 60,
        description="树" * 600,
        address="路" * 120,
        bring="手" * 200,
        contact="王" * 100,
        confirmation=Confirmation.BY_HAND,
        enrolment_deadline=clock.at("2026-11-27 18:00"),
    )
    async with database.write() as session:
        work = making.work(session, wang)
        for _ in range(shifts.MOST_SHIFTS - 1):
            await planning.add_shift(work, activity.id, fullest, LINK)
        about = await activities.describe(session, activity)
        shown = await announcements.preview(work, activity)
    for language in LANGUAGES:
        for template, parameters in (
            (
                "activities/manage",
                {"about": about, "news": "drafted", "course": None, "begun": False},
            ),
            ("activities/preview", {"preview": shown}),
            ("activities/announcement", {"about": shown.about, "distance": 12_345.6}),
        ):
            text = words.plain(template, language, **parameters)
            assert len(text.encode("utf-16-le")) // 2 <= TEXT_LIMIT, (template, language)


async def longest_named(
    session: AsyncSession, kind: type[Skill | QualificationKind | SpokenLanguage]
) -> tuple[int, ...]:
    """As many as a shift may need, those with the longest names."""
    terms = list(await session.scalars(select(kind)))
    terms.sort(key=lambda term: max(map(len, term.names.values())), reverse=True)
    return tuple(term.id for term in terms[: shifts.MOST_NEEDS])

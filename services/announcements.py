"""Telling of activities: who hears of one and when, and keeping true what was said.

Whether an activity may be published is `planning`'s business; whom it fits is `matching`'s.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import Activity, Enrolment, EnrolmentState, Group, Lane, Organisation, Shift
from services import activities, delivery, matching, quiet_hours, shifts, watchwords
from services.matching import Reach
from services.watchwords import Confirmed
from services.work import Work

IN_GROUPS = "group_announcement"
CALLED_OFF = "activities"
TOLD_OF_END = (
    EnrolmentState.APPLIED,
    EnrolmentState.CONFIRMED,
    EnrolmentState.OFFERED,
    EnrolmentState.WAITLISTED,
)
"""Those who count on the activity, or hope to."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing would do; `told_at` is None if enrolment ends before anybody may be told."""

    about: dict[str, Any]
    reach: Reach
    groups: list[str]
    told_at: datetime | None
    waits: bool
    """Whether the quiet hours make it wait."""
    takes_word: bool
    """Whether so many are told that it takes the word of whoever publishes it."""


async def preview(work: Work, activity: Activity) -> Preview:
    closes = await _closes_at(work.session, activity)
    due_at = await quiet_hours.of(work, activity.organisation_id)
    groups = await work.session.scalars(
        select(Group.title).where(Group.id.in_(await _groups(work.session, activity)))
    )
    reach = await matching.reach(work, activity.id)
    told_at = due_at if closes is None or due_at < closes else None
    return Preview(
        about=await activities.describe(work.session, activity, counting=False),
        reach=reach,
        groups=sorted(groups),
        told_at=told_at,
        waits=due_at > work.now,
        takes_word=told_at is not None
        and watchwords.is_wanted(work, reach.told, work.policy.announcement_watchword_size),
    )


async def announce(work: Work, activity: Activity, link: str, word: Confirmed | None = None) -> int:
    """Tells those whom it fits and the groups, after the quiet hours; answers how many people.
    Raises Refusal where they are so many that it takes the actor's word.

    Nobody is told if enrolment ends before they may be. `link` opens the activity in the bot;
    groups need it, since a button would act in the group.
    """
    closes = await _closes_at(work.session, activity)
    due_at = await quiet_hours.of(work, activity.organisation_id)
    if closes is not None and due_at >= closes:
        return 0
    told = await delivery.tell_all(
        work,
        await quiet_hours.kept(work, await _to_people(work, activity, due_at, closes)),
        await matching.audience(work, activity),
    )
    watchwords.require(work, told, word, work.policy.announcement_watchword_size)
    await delivery.tell_all(
        work,
        await _to_groups(work, activity, link, due_at, closes),
        delivery.in_groups(await _groups(work.session, activity)),
    )
    return told


async def revise(work: Work, activity: Activity, link: str) -> None:
    """The activity has changed: announcements not yet sent say so, those on phones are edited."""
    subject = activities.subject(activity.id)
    for post in (
        await _to_people(work, activity, None, None),
        await _to_groups(work, activity, link, None, None),
    ):
        await delivery.revise(work, subject, post, kind=post.kind)


async def call_off(work: Work, activity: Activity, people: list[int]) -> None:
    """Edits all that was said of it, and tells the people who had a place or waited for one."""
    parameters = {"about": await activities.describe(work.session, activity, counting=False)}
    subject = activities.subject(activity.id)
    await delivery.correct(
        work,
        subject,
        delivery.Post("activities/called_off", parameters, kind=CALLED_OFF, subject=subject),
    )
    await delivery.tell(
        work,
        delivery.Post("activities/cancelled", parameters, kind=CALLED_OFF, subject=subject),
        people,
    )


async def counting_on(session: AsyncSession, activity_id: int) -> list[int]:
    """Keys of the people who have a place or wait for one."""
    found = await session.scalars(
        select(Enrolment.person_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Shift.activity_id == activity_id, Enrolment.state.in_(TOLD_OF_END))
        .distinct()
    )
    return list(found)


async def _to_people(
    work: Work, activity: Activity, due_at: datetime | None, closes: datetime | None
) -> delivery.Post:
    return delivery.Post(
        "activities/announcement",
        {"about": await activities.describe(work.session, activity, counting=False)},
        kind=delivery.ANNOUNCEMENT,
        lane=Lane.BROADCAST,
        subject=activities.subject(activity.id),
        attachment=delivery.photo(activity.picture),
        due_at=due_at,
        expires_at=closes,
        dedupe=f"announce:{activity.id}",
    )


async def _to_groups(
    work: Work, activity: Activity, link: str, due_at: datetime | None, closes: datetime | None
) -> delivery.Post:
    about = await activities.describe(work.session, activity, counting=False)
    return delivery.Post(
        "activities/in_group",
        {"about": about, "opens": link},
        kind=IN_GROUPS,
        lane=Lane.BROADCAST,
        subject=activities.subject(activity.id),
        attachment=delivery.photo(activity.picture),
        due_at=due_at,
        expires_at=closes,
        dedupe=f"announce:{activity.id}",
    )


async def _closes_at(session: AsyncSession, activity: Activity) -> datetime | None:
    """When enrolment ends: at the deadline, else when the last shift begins."""
    return activity.enrolment_deadline or await shifts.last_start(session, activity.id)


async def _groups(session: AsyncSession, activity: Activity) -> Select[int]:
    """Keys of the groups of the organisation and of those above it."""
    organisation = await session.get_one(Organisation, activity.organisation_id)
    above = [int(key) for key in organisation.path.split(".") if key]
    return select(Group.id).where(Group.organisation_id.in_(above), Group.left_at.is_(None))

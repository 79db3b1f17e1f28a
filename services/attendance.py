"""Attendance: who was there. Checking in and out by code and location, what follows the end.

The coordinator's roll is in `services/roll.py`; what becomes of the hours in `services/hours.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update

from models import (
    Account,
    Activity,
    ActivityState,
    Attendance,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Person,
    Shift,
)
from services import access, accounts, activities, briefings, codes, delivery, geo, training, traits
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

KIND = "attendance"
SETTLING = timedelta(minutes=5)
"""Scanning once more so soon after checking in is a slip; later it asks whether one leaves."""
AT_HAND = timedelta(hours=24)
"""Shifts that start so soon are offered for check-in, so that coming early has an answer."""
SHIFTS_SHOWN = 8
WITH_A_PLACE = (EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED, EnrolmentState.NO_SHOW)
"""Who stands on the roll."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody's place in a shift, and their attendance once they have been there."""

    enrolment: Enrolment
    shift: Shift
    activity: Activity
    attendance: Attendance | None = None

    @property
    def there(self) -> Attendance:
        """The attendance. Raises Gone for somebody who has not been there."""
        if self.attendance is None:
            raise Gone
        return self.attendance

    @property
    def is_in(self) -> bool:
        return self.attendance is not None and self.attendance.checked_out_at is None


@dataclass(frozen=True, slots=True)
class CheckedIn:
    presence: Presence
    late: int
    """Whole minutes after the shift's start."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody who is in was seen on site again: do they leave?"""

    presence: Presence
    means: Means


Answer = CheckedIn | Leaving


# Checking in


async def scan(work: Work, shift_id: int, slot: str, signature: str) -> Answer:
    """The rotating code on site. Raises Gone, or a Refusal that says what to do instead."""
    shift, activity = await activities.published_shift(work, shift_id)
    if activity.remote:
        raise Refusal("checkin_remote", title=activity.title)
    if not codes.is_rotating(
        shift_id, slot, signature, now=work.now, seconds=work.policy.code_seconds
    ):
        raise Refusal("checkin_code_old")
    return await _arrive(work, shift, activity, Means.CODE)


async def check_print(work: Work, shift_id: int, signature: str) -> tuple[Shift, Activity]:
    """The printed code only names the shift: a location must follow. Raises Gone or Refusal."""
    if not codes.is_printed(shift_id, signature):
        raise Gone
    presence = await check_may_come(work, shift_id)
    if presence.activity.remote:
        raise Refusal("checkin_remote", title=presence.activity.title)
    return presence.shift, presence.activity


async def check_may_come(work: Work, shift_id: int) -> Presence:
    """Whether the actor can check in or out now. Raises Gone, or a Refusal that says why not."""
    shift, activity = await activities.published_shift(work, shift_id)
    return await _check_may_come(work, shift, activity)


async def come_to(work: Work, shift_id: int, latitude: float, longitude: float) -> Answer:
    """A location shared on site. Raises Gone, or a Refusal that says what to do instead."""
    shift, activity = await activities.published_shift(work, shift_id)
    await _check_may_come(work, shift, activity)
    metres = _metres(activity, latitude, longitude)
    if metres is None:
        raise Refusal("checkin_remote", title=activity.title)
    if metres > activity.radius:
        raise Refusal(
            "checkin_far", metres=metres, radius=activity.radius, address=activity.address
        )
    return await _arrive(work, shift, activity, Means.LOCATION)


def is_within(activity: Activity, latitude: float, longitude: float) -> bool:
    """Whether a place lies inside the activity's radius."""
    metres = _metres(activity, latitude, longitude)
    return metres is not None and metres <= activity.radius


def _metres(activity: Activity, latitude: float, longitude: float) -> float | None:
    """From the activity's place; None where it has none."""
    if activity.latitude is None or activity.longitude is None:
        return None
    return geo.distance(latitude, longitude, activity.latitude, activity.longitude)


async def start_remote(work: Work, shift_id: int) -> CheckedIn:
    """By a press: where there is no place, nothing else shows that somebody begins.

    Raises Gone, or a Refusal that says what stands against it.
    """
    shift, activity = await activities.published_shift(work, shift_id)
    if not activity.remote:
        raise Gone
    answer = await _arrive(work, shift, activity, Means.SELF)
    if not isinstance(answer, CheckedIn):
        raise Refusal("checkin_begun", at=answer.presence.there.checked_in_at)
    return answer


async def _arrive(work: Work, shift: Shift, activity: Activity, means: Means) -> Answer:
    await take_turn(work, shift.id, work.person.id)
    presence = await _check_may_come(work, shift, activity)
    if presence.attendance is None:
        return await _check_in(work, presence, means)
    if work.now - presence.attendance.checked_in_at < SETTLING:
        raise Refusal("checkin_twice", at=presence.attendance.checked_in_at)
    return Leaving(presence, means)


async def _check_may_come(work: Work, shift: Shift, activity: Activity) -> Presence:
    """The actor's presence in a shift that is on. Raises Refusal for whatever stands against it."""
    if not accounts.is_volunteer(work.actor):
        raise NotAllowed
    if activity.state is ActivityState.CANCELLED:
        raise Refusal("checkin_cancelled", title=activity.title)
    presence = await _of_person(work, shift, activity, work.person.id)
    if presence is None:
        raise Refusal("checkin_not_enrolled", shift_id=shift.id, title=activity.title)
    if presence.attendance is not None and presence.attendance.checked_out_at is not None:
        raise Refusal(
            "checkin_left",
            checked_in_at=presence.attendance.checked_in_at,
            checked_out_at=presence.attendance.checked_out_at,
        )
    if presence.attendance is not None:
        return presence
    await briefings.check(work, presence.enrolment, activity)
    opens_at = shift.starts_at - timedelta(minutes=work.policy.check_in_early)
    if work.now < opens_at:
        raise Refusal("checkin_early", opens_at=opens_at, starts_at=shift.starts_at)
    if work.now >= shift.ends_at:
        raise Refusal("checkin_over", ends_at=shift.ends_at)
    return presence


async def _check_in(work: Work, presence: Presence, means: Means) -> CheckedIn:
    attendance = await begin(work, presence.enrolment, at=work.now, means=means)
    late = max(work.now - presence.shift.starts_at, timedelta(0)) // timedelta(minutes=1)
    return CheckedIn(
        Presence(presence.enrolment, presence.shift, presence.activity, attendance), late
    )


async def take_turn(work: Work, shift_id: int, person_id: int) -> None:
    """Whoever else writes down the same person's presence in the shift waits until we are done."""
    await work.session.execute(
        select(Enrolment.id)
        .where(Enrolment.shift_id == shift_id, Enrolment.person_id == person_id)
        .with_for_update()
    )


async def begin(
    work: Work, enrolment: Enrolment, *, at: datetime, means: Means, by_id: int | None = None
) -> Attendance:
    """Writes down that somebody is there; `by_id` names who took the roll."""
    attendance = Attendance(
        enrolment_id=enrolment.id,
        checked_in_at=at,
        in_means=means,
        in_by_id=by_id,
        state=HoursState.OPEN,
    )
    enrolment.state = EnrolmentState.ATTENDED
    work.session.add(attendance)
    await traits.recount(work, [enrolment.person_id])
    return attendance


# Checking out


async def leave_with_ticket(
    work: Work, attendance_id: int, moment: str, means: str, signature: str
) -> Presence:
    """Yes to "do you leave?": as of when they were seen. Raises Gone or Refusal."""
    presence = await own(work, attendance_id)
    at = codes.ticket_moment(attendance_id, moment, means, signature, work.now)
    if at is None:
        raise Refusal("checkin_code_old")
    return await leave(work, presence, at, Means(means))


async def leave_by_own_word(work: Work, attendance_id: int, at: datetime | None = None) -> Presence:
    """The answer to the question at the shift's end: left `at`, or now. Raises Gone or Refusal."""
    left_at = work.now if at is None else at
    presence = await check_left_at(work, attendance_id, left_at)
    return await leave(work, presence, left_at, Means.SELF)


async def check_left_at(work: Work, attendance_id: int, at: datetime) -> Presence:
    """The actor's presence, if they can have left `at`. Raises Gone or Refusal."""
    presence = await own(work, attendance_id)
    if presence.activity.remote:
        raise Refusal("checkout_by_report")
    if work.now < presence.shift.ends_at:
        raise Refusal("checkout_by_code", ends_at=presence.shift.ends_at)
    if not presence.there.checked_in_at <= at <= work.now:
        raise Refusal("checkout_when", checked_in_at=presence.there.checked_in_at, now=work.now)
    return presence


async def leave(
    work: Work, presence: Presence, at: datetime, means: Means, *, by_id: int | None = None
) -> Presence:
    """Writes down that somebody has left, and proposes their minutes, if it was service.

    Raises Gone or Refusal.
    """
    attendance = presence.there
    await work.session.refresh(attendance, with_for_update=True)
    if attendance.checked_out_at is not None:
        raise Refusal(
            "checkin_left",
            checked_in_at=attendance.checked_in_at,
            checked_out_at=attendance.checked_out_at,
        )
    attendance.checked_out_at = max(at, attendance.checked_in_at)
    attendance.out_means = means
    attendance.out_by_id = by_id
    attendance.minutes = minutes_of(presence.shift, attendance.checked_in_at, at)
    mere_training = await training.is_mere_training(work, presence.activity.id)
    attendance.state = HoursState.TRAINING if mere_training else HoursState.PROPOSED
    await work.session.flush()
    return presence


def minutes_of(shift: Shift, came: datetime, left: datetime) -> int:
    """Whole minutes of a presence that lie within the shift; nothing before it or after it."""
    served = min(left, shift.ends_at) - max(came, shift.starts_at)
    return max(served, timedelta(0)) // timedelta(minutes=1)


# Finding


async def _of_person(
    work: Work, shift: Shift, activity: Activity, person_id: int
) -> Presence | None:
    """None for somebody who has no confirmed place."""
    row = (
        await work.session.execute(
            select(Enrolment, Attendance)
            .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
            .where(
                Enrolment.shift_id == shift.id,
                Enrolment.person_id == person_id,
                Enrolment.state.in_(WITH_A_PLACE),
            )
        )
    ).one_or_none()
    return None if row is None else Presence(row[0], shift, activity, row[1])


async def find(work: Work, *conditions: Any) -> list[Presence]:
    """Everyone's presence that meets the conditions, in the order of shifts."""
    rows = await work.session.execute(
        select(Enrolment, Shift, Activity, Attendance)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(*conditions)
        .order_by(Shift.starts_at, Enrolment.id)
    )
    return [Presence(*row) for row in rows]


async def own(work: Work, attendance_id: int) -> Presence:
    """The actor's own presence. Raises Gone, also for somebody else's."""
    found = await find(work, Attendance.id == attendance_id, Enrolment.person_id == work.person.id)
    if not found:
        raise Gone
    return found[0]


async def at_hand(work: Work) -> list[Presence]:
    """The actor's shifts at which they can check in or out now, the earliest first.

    Those that open soon come as well, so that coming early has an answer; so do those that have
    ended while the person was in.
    """
    still_in = (Attendance.id.is_not(None)) & Attendance.checked_out_at.is_(None)
    return await find(
        work,
        Enrolment.person_id == work.person.id,
        Activity.state == ActivityState.PUBLISHED,
        Enrolment.state.in_((EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)),
        Shift.starts_at <= work.now + AT_HAND,
        (Shift.ends_at > work.now) | still_in,
        Attendance.checked_out_at.is_(None),
    )


async def running_shifts(work: Work) -> list[tuple[Shift, Activity]]:
    """Shifts under way or next whose roll the actor takes, the earliest first."""
    grace = timedelta(minutes=work.policy.check_out_grace)
    reach = await access.within_reach(work, access.Right.TAKE_ROLL, Activity.organisation_id)
    found = (
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Activity.state == ActivityState.PUBLISHED,
            reach,
            Shift.ends_at > work.now - grace,
            Shift.starts_at <= work.now + AT_HAND,
        )
        .order_by(Shift.starts_at, Shift.id)
        .limit(SHIFTS_SHOWN)
    )
    return [(row[0], row[1]) for row in await work.session.execute(found)]


async def headcount(work: Work, shift_id: int) -> tuple[int, int]:
    """How many have checked in to a shift, and how many have a confirmed place in it."""
    there = await work.session.scalar(
        select(func.count())
        .select_from(Attendance)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.shift_id == shift_id)
    )
    expected = await work.session.scalar(
        select(func.count())
        .select_from(Enrolment)
        .where(
            Enrolment.shift_id == shift_id,
            Enrolment.state.in_(WITH_A_PLACE),
        )
    )
    return there or 0, expected or 0


# What follows the end


async def ask_to_check_out(work: Work) -> int:
    """Sweep: whoever is still in when a shift ends is asked whether they have finished."""
    grace = timedelta(minutes=work.policy.check_out_grace)
    asked = 0
    for shift, activity in await _ended(
        work, Shift.ends_at > work.now - grace, Attendance.state == HoursState.OPEN
    ):
        dedupe = f"finished:{shift.id}"
        if await work.session.scalar(delivery.posted(work, dedupe)):
            continue
        asked += await delivery.tell_all(
            work,
            delivery.Post(
                "attendance/finished",
                {"title": activity.title, "ends_at": shift.ends_at, "remote": activity.remote},
                kind=KIND,
                subject=f"shift:{shift.id}",
                dedupe=dedupe,
                expires_at=shift.ends_at + grace,
            ),
            _recipients(work, Enrolment.shift_id == shift.id, Attendance.state == HoursState.OPEN),
        )
    return asked


def _recipients(work: Work, *conditions: Any) -> delivery.Recipients:
    return (
        select(
            Enrolment.person_id,
            Account.telegram_id,
            Person.language,
            delivery.own_parameters(work, "attendance_id", Attendance.id).label("parameters"),
        )
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(*conditions)
    )


async def assume_check_outs(work: Work) -> int:
    """Sweep: nobody said when they left, so the shift's end is proposed, and marked as assumed."""
    grace = timedelta(minutes=work.policy.check_out_grace)
    over = select(Enrolment.id).join(Shift).where(Shift.ends_at <= work.now - grace)
    held = await work.session.scalars(
        select(Attendance.id)
        .where(Attendance.state == HoursState.OPEN, Attendance.enrolment_id.in_(over))
        .order_by(Attendance.id)
        .with_for_update()
    )
    keys = held.all()
    if not keys:
        return 0
    forgotten = await find(work, Attendance.id.in_(keys))
    for presence in forgotten:
        there = presence.there
        # Of a remote activity nothing counts that nobody has reported.
        left_at = there.checked_in_at if presence.activity.remote else presence.shift.ends_at
        await leave(work, presence, left_at, Means.ASSUMED)
    return len(forgotten)


async def mark_no_shows(work: Work) -> int:
    """Sweep: who had a place and was not there. The roll can still put it right."""
    over = (
        select(Shift.id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Activity.state.in_((ActivityState.PUBLISHED, ActivityState.CLOSED)),
            Shift.ends_at <= work.now - timedelta(minutes=work.policy.check_out_grace),
        )
    )
    done = await work.session.execute(
        update(Enrolment)
        .where(Enrolment.state == EnrolmentState.CONFIRMED, Enrolment.shift_id.in_(over))
        .values(state=EnrolmentState.NO_SHOW)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


async def _ended(work: Work, *conditions: Any) -> Sequence[tuple[Shift, Activity]]:
    """Shifts that are over and have attendances of the kind asked for."""
    rows = await work.session.execute(
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Shift.ends_at <= work.now,
            Shift.id.in_(
                select(Enrolment.shift_id)
                .join(Attendance, Attendance.enrolment_id == Enrolment.id)
                .join(Shift, Shift.id == Enrolment.shift_id)
                .where(*conditions)
            ),
        )
    )
    return [(row[0], row[1]) for row in rows]

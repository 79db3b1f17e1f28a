"""Reminders before a shift, and telling the coordinator who is not coming.

Sweeps: each asks what is due now and is safe to run twice. After downtime a reminder whose shift
has begun is not sent any more.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update

from models import (
    Activity,
    ActivityState,
    Coming,
    Enrolment,
    EnrolmentState,
    Shift,
)
from services import access, activities, delivery, enrolment, quiet_hours
from services.work import Work

KIND = "reminder"
GAPS_BEFORE = timedelta(minutes=60)
"""So long before the start the coordinator learns who said no or nothing."""


async def remind_day_before(work: Work) -> int:
    """A day ahead; the quiet hours are kept. Not if the later reminder is due as well."""
    return await _remind(
        work,
        "day_before",
        Enrolment.reminded_day_at,
        ahead=timedelta(minutes=work.policy.reminder_day_before),
        until=timedelta(minutes=work.policy.reminder_hours_before),
    )


async def remind_hours_before(work: Work) -> int:
    """Shortly before; sent at any hour, since the shift is at hand."""
    return await _remind(
        work,
        "hours_before",
        Enrolment.reminded_hours_at,
        ahead=timedelta(minutes=work.policy.reminder_hours_before),
        until=timedelta(0),
    )


async def _remind(
    work: Work, template: str, noted: Any, *, ahead: timedelta, until: timedelta
) -> int:
    """Reminds those whose shift starts between `until` and `ahead` from now.

    Who enrolled after the reminder's moment knows the time anyway.
    """
    if not ahead:
        return 0
    shifts = await work.session.execute(
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Activity.state == ActivityState.PUBLISHED,
            Shift.starts_at > work.now + until,
            Shift.starts_at <= work.now + ahead,
        )
    )
    reminded = 0
    for shift, activity in shifts:
        due = [
            Enrolment.shift_id == shift.id,
            Enrolment.state == EnrolmentState.CONFIRMED,
            Enrolment.queued_at <= shift.starts_at - ahead,
            noted.is_(None),
        ]
        reminded += await _tell(work, shift, activity, template, due)
        await work.session.execute(
            update(Enrolment)
            .where(*due)
            .values({noted.key: work.now})
            .execution_options(synchronize_session=False)
        )
    return reminded


async def _tell(
    work: Work, shift: Shift, activity: Activity, template: str, due: Sequence[Any]
) -> int:
    recipients = enrolment.recipients_of(work, *due)
    if await work.session.scalar(select(func.count()).select_from(recipients.subquery())) == 0:
        return 0
    early = template == "day_before"
    post = delivery.Post(
        f"reminders/{template}",
        {
            "activity_id": activity.id,
            "title": activity.title,
            "address": activity.address,
            "remote": activity.remote,
            "bring": activity.bring,
            "contact": activity.contact,
            "starts_at": shift.starts_at,
            "ends_at": shift.ends_at,
        },
        kind=KIND,
        subject=activities.subject(activity.id),
        expires_at=shift.starts_at,
    )
    if early:
        post = await quiet_hours.kept(work, post)
    return await delivery.tell_all(work, post, recipients)


async def report_gaps(work: Work) -> int:
    """Tells coordinators shortly before a shift who said no and who has not answered."""
    rows = await work.session.execute(
        select(
            Shift,
            Activity,
            func.sum(case((Enrolment.coming == Coming.YES, 1), else_=0)),
            func.sum(case((Enrolment.coming == Coming.NO, 1), else_=0)),
            func.sum(case((Enrolment.coming.is_(None), 1), else_=0)),
        )
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            Activity.state == ActivityState.PUBLISHED,
            Shift.starts_at > work.now,
            Shift.starts_at <= work.now + GAPS_BEFORE,
            Enrolment.state == EnrolmentState.CONFIRMED,
            or_(Enrolment.reminded_hours_at.is_not(None), Enrolment.reminded_day_at.is_not(None)),
        )
        .group_by(Shift.id, Activity.id)
    )
    reported = 0
    for shift, activity, yes, no, silent in rows:
        if not no and not silent:
            continue
        known = delivery.posted(work, f"gaps:{shift.id}")
        if await work.session.scalar(known):
            continue
        await delivery.tell(
            work,
            delivery.Post(
                "reminders/gaps",
                {
                    "shift_id": shift.id,
                    "title": activity.title,
                    "starts_at": shift.starts_at,
                    "ends_at": shift.ends_at,
                    "yes": int(yes),
                    "no": int(no),
                    "silent": int(silent),
                },
                kind=KIND,
                dedupe=f"gaps:{shift.id}",
            ),
            await access.holders(work, access.Right.TAKE_ROLL, activity.organisation_id),
        )
        reported += 1
    return reported

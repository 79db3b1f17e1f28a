"""The file of an activity: it assembles itself from what is there, and is printed.

Scheme, the year's plan, shifts, who was there and for how long, photos, and what those who took
part say of it. No phone and no ID number stands in it.
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from PIL import Image
from sqlalchemy import String, cast, func, literal, select

from models import (
    Activity,
    ActivityState,
    Attendance,
    Enclosure,
    EnclosureContent,
    EnclosureKind,
    Enrolment,
    EnrolmentState,
    LedgerEntry,
    Organisation,
    Person,
    Plan,
    Scheme,
    ServiceField,
    Shift,
)
from models.sealed import unseal
from services import access, activities, audit, enclosures, typesetting
from services.access import Right
from services.enclosures import Content
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.words import Words
from services.work import Work

PAPER = "activity_files/file"
RIGHT = Right.TAKE_ROLL
MOST_EACH = 9
"""Photos that one person adds to an activity."""
MOST = 60
"""Photos of an activity."""
PRINTED = 12
"""Photos on paper, the first ones."""
SIDE = 900
"""Pixels of a printed photo's longer side."""
QUALITY = 78
ADDED_FOR = timedelta(days=60)
"""After the last shift in which photos may still be added."""
LISTED = (EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED, EnrolmentState.NO_SHOW)


@dataclass(frozen=True, slots=True)
class Participant:
    """A line of the roster; `minutes` are confirmed ones, None as long as none are."""

    name: str
    number: str | None
    shift_id: int
    state: str
    arrived_at: datetime | None
    left_at: datetime | None
    minutes: int | None
    waits: bool
    """Hours that nobody has decided on yet."""


@dataclass(frozen=True, slots=True)
class File:
    activity: Activity
    organisation: Organisation
    service_field: ServiceField
    scheme: Scheme | None
    plan: Plan | None
    """Of the organisation for the year of the activity."""
    shifts: list[Shift]
    roster: list[Participant]
    photos: list[Enclosure]
    feedback: Sequence[str] = field(default_factory=tuple)
    """Sentences on what people said of it, in the reader's language."""

    @property
    def attended(self) -> int:
        return sum(one.state == EnrolmentState.ATTENDED.value for one in self.roster)

    @property
    def no_shows(self) -> int:
        return sum(one.state == EnrolmentState.NO_SHOW.value for one in self.roster)

    @property
    def minutes(self) -> int:
        return sum(one.minutes or 0 for one in self.roster)

    @property
    def waiting(self) -> int:
        return sum(one.waits for one in self.roster)

    @property
    def missing(self) -> list[str]:
        """What it takes to be complete."""
        needed = {
            "scheme": self.scheme is not None,
            "hours": any(one.minutes for one in self.roster) and not self.waiting,
            "photos": bool(self.photos),
        }
        return [name for name, there in needed.items() if not there]


async def assemble(work: Work, activity_id: int, feedback: Sequence[str] = ()) -> File:
    """For those who look after the activity. Raises Gone, NotAllowed."""
    activity = await _looked_after(work, activity_id)
    session = work.session
    shifts = await activities.shifts_of(session, activity.id)
    return File(
        activity,
        await session.get_one(Organisation, activity.organisation_id),
        await session.get_one(ServiceField, activity.field_id),
        await session.get(Scheme, activity.id),
        await _plan(work, activity, shifts),
        shifts,
        await _roster(work, activity.id),
        await enclosures.of(work, activities.subject(activity.id)),
        feedback,
    )


async def _looked_after(work: Work, activity_id: int) -> Activity:
    """Raises Gone, NotAllowed; also Gone for what nobody has published."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    await access.require(work, RIGHT, activity.organisation_id)
    if activity.state is ActivityState.DRAFT:
        raise Gone
    return activity


async def _plan(work: Work, activity: Activity, shifts: Sequence[Shift]) -> Plan | None:
    if not shifts:
        return None
    year = shifts[0].starts_at.astimezone(work.policy.zone).year
    return await work.session.scalar(
        select(Plan).where(Plan.organisation_id == activity.organisation_id, Plan.year == year)
    )


async def _roster(work: Work, activity_id: int) -> list[Participant]:
    """In order of shifts and names; hours as the ledger has them."""
    confirmed = (
        select(LedgerEntry.attendance_id, func.sum(LedgerEntry.minutes).label("minutes"))
        .join(Attendance, Attendance.id == LedgerEntry.attendance_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Shift.activity_id == activity_id)
        .group_by(LedgerEntry.attendance_id)
        .subquery()
    )
    rows = await work.session.execute(
        select(Person.name, Person.number, Enrolment, Attendance, confirmed.c.minutes)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .outerjoin(confirmed, confirmed.c.attendance_id == Attendance.id)
        .where(Shift.activity_id == activity_id, Enrolment.state.in_(LISTED))
        .order_by(Shift.starts_at, Shift.id, Person.name_search, Person.id)
    )
    return [
        Participant(
            name=name,
            number=number,
            shift_id=place.shift_id,
            state=place.state.value,
            arrived_at=there.checked_in_at if there else None,
            left_at=there.checked_out_at if there else None,
            minutes=None if minutes is None else int(minutes),
            waits=there is not None and there.decided_at is None,
        )
        for name, number, place, there, minutes in rows
    ]


def is_over(work: Work, shifts: Sequence[Shift]) -> bool:
    return bool(shifts) and max(shift.ends_at for shift in shifts) <= work.now


# Photos


async def check_may_add(work: Work, activity_id: int) -> Activity:
    """Coordinators and those who were there. Raises Gone, NotAllowed, Refusal: not now."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None or activity.state is ActivityState.DRAFT:
        raise Gone
    if not await access.may(work, RIGHT, activity.organisation_id):
        there = (
            select(Enrolment.id)
            .join(Shift, Shift.id == Enrolment.shift_id)
            .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
            .where(
                Shift.activity_id == activity.id,
                Enrolment.person_id == work.person.id,
                Enrolment.state != EnrolmentState.CANCELLED,
                Attendance.id.is_not(None),
            )
        )
        if await work.session.scalar(there) is None:
            raise NotAllowed
    shifts = await activities.shifts_of(work.session, activity.id)
    if not shifts or shifts[0].starts_at > work.now:
        raise Refusal("photos_too_early")
    if max(shift.ends_at for shift in shifts) + ADDED_FOR < work.now:
        raise Refusal("photos_too_late")
    return activity


async def add_photos(work: Work, activity_id: int, photos: Sequence[str]) -> int:
    """By Telegram's file ids; answers how many there are now. Raises as above, or Refusal: full."""
    activity = await check_may_add(work, activity_id)
    await work.session.execute(
        select(Activity.id).where(Activity.id == activity.id).with_for_update()
    )
    known = await enclosures.of(work, activities.subject(activity.id))
    mine = sum(one.person_id == work.person.id for one in known)
    if mine + len(photos) > MOST_EACH:
        raise Refusal("photos_yours_full", most=MOST_EACH, left=max(0, MOST_EACH - mine))
    if len(known) + len(photos) > MOST:
        raise Refusal("photos_full", most=MOST)
    await enclosures.add(work, activities.subject(activity.id), photos)
    return len(known) + len(photos)


async def room_for(work: Work, activity_id: int) -> int:
    """How many more photos the actor may add. Raises as `check_may_add`."""
    activity = await check_may_add(work, activity_id)
    known = await enclosures.of(work, activities.subject(activity.id))
    mine = sum(one.person_id == work.person.id for one in known)
    return max(0, min(MOST_EACH - mine, MOST - len(known)))


async def remove_photo(work: Work, activity_id: int, enclosure_id: int) -> None:
    """Raises Gone, NotAllowed."""
    activity = await _looked_after(work, activity_id)
    if not await enclosures.remove(work, activities.subject(activity.id), enclosure_id):
        raise Gone
    audit.note(
        work,
        "activity_file.photo_removed",
        activities.subject(activity.id),
        organisation_id=activity.organisation_id,
    )


async def photo(work: Work, activity_id: int, enclosure_id: int) -> Content:
    """Our copy of one. Raises Gone, also as long as it is not here yet; NotAllowed."""
    activity = await _looked_after(work, activity_id)
    return await enclosures.content(work, activities.subject(activity.id), enclosure_id)


# On paper


async def copies(work: Work, file: File) -> list[bytes]:
    """The photos that are printed, of those of which there is a copy."""
    keys = [one.id for one in file.photos]
    rows = await work.session.scalars(
        select(EnclosureContent.sealed)
        .where(EnclosureContent.enclosure_id.in_(keys))
        .order_by(EnclosureContent.enclosure_id)
        .limit(PRINTED)
    )
    return [unseal(sealed) for sealed in rows]


def pdf(
    words: Words, language: str, file: File, photos: Sequence[bytes], made_at: datetime
) -> bytes:
    """Takes a while: call it in a thread."""
    shown = [_drawn(one) for one in photos]
    values = words.values(PAPER, language, file=file, photos=shown, made_at=made_at)
    return typesetting.pdf(PAPER, values, made_at)


def filename(file: File) -> str:
    day = file.shifts[0].starts_at.date().isoformat() if file.shifts else "file"
    return f"activity-{file.activity.id}-{day}.pdf"


def _drawn(photo: bytes) -> str:
    """A photo as an SVG that holds it: the layout is given texts only."""
    with Image.open(io.BytesIO(photo)) as picture:
        picture.thumbnail((SIDE, SIDE))
        small = io.BytesIO()
        picture.convert("RGB").save(small, "JPEG", quality=QUALITY)
        width, height = picture.size
    data = b64encode(small.getvalue()).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/></svg>'
    )


# For statistics


def _complete() -> Any:
    """Activities with a scheme, confirmed hours and a photo, by the end of their last shift."""
    subject = literal(activities.subject(0).removesuffix("0")) + cast(Activity.id, String)
    pictured = select(Enclosure.id).where(
        Enclosure.subject == subject, Enclosure.kind == EnclosureKind.PHOTO
    )
    other = Shift.__table__.alias("served_shift")
    served = (
        select(LedgerEntry.id)
        .join(Attendance, Attendance.id == LedgerEntry.attendance_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(other, other.c.id == Enrolment.shift_id)
        .where(other.c.activity_id == Activity.id)
    )
    return (
        select(Activity.organisation_id, func.max(Shift.ends_at), literal(1))
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Scheme, Scheme.activity_id == Activity.id)
        .where(pictured.exists(), served.exists())
        .group_by(Activity.id)
    )


MEASURES = (Measure("files_complete", "organising", _complete),)

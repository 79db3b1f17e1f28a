"""What a certificate or service record says: from the ledger, and what is known of a person.

Measures on service records and certificates (order 67), art. 5-8: personal data, service, training,
recognition, evaluation.

Evaluated is the service, by those whom it served: of each activity the mean of recipients' stars
once there are enough of them, and one line over all of these {mean, ratings, activities}. What
leaders say of a volunteer is private and stands on no paper, and neither do volunteers' own stars.
Changes nothing and checks no right; all of it is plain JSON, ready to be sealed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from models import (
    Activity,
    Attendance,
    AwardKind,
    Enrolment,
    EntryKind,
    LedgerEntry,
    Organisation,
    Person,
    PersonInterest,
    PersonSkill,
    Recognition,
    RecognitionState,
    ServiceField,
    Shift,
    Skill,
)
from services import organisations, ratings, records, training
from services.delivery import storable
from services.work import Work

RESIDENT_ID = "resident_id"
"""The kind of the ID document that Muster keeps: GB 11643."""
SEX_DIGIT = 16
"""Place of the digit that is odd for men (GB 11643)."""


class Asked(Protocol):
    """Which service is meant, as `certificates.Request` has it."""

    @property
    def from_day(self) -> date | None: ...
    @property
    def until_day(self) -> date | None: ...
    @property
    def field_id(self) -> int | None: ...
    @property
    def activity_id(self) -> int | None: ...
    @property
    def remarks(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Attested:
    """`lines`: attendance -> its minutes in the ledger; `content` as it is sealed."""

    minutes: int
    lines: Mapping[int, int]
    content: dict[str, Any]


async def gather(work: Work, person_id: int, body: Organisation, asked: Asked) -> Attested:
    """All that a paper for this person says, issued by `body` now."""
    person = await work.session.get_one(Person, person_id)
    fields = {field.id: field for field in await work.session.scalars(select(ServiceField))}
    rows = (await work.session.execute(_served(work, person_id, asked, fields))).all()
    lines = {row.attendance_id: int(row.minutes) for row in rows}
    rated = await _rated(work, {row.activity_id for row in rows})
    served = [_service(row, fields, rated) for row in rows]
    minutes = sum(lines.values())
    acts_for_another = work.actor is not None and work.actor.id != person_id
    content = {
        "person": await _person(work, person),
        "body": {"names": body.names, "head": body.head or "", "contact": body.contact or ""},
        "officer": work.person.name if acts_for_another else "",
        "about": await _about(work, asked, fields),
        "minutes": minutes,
        "times": len(lines),
        "fields": _by_field(served),
        "service": served,
        "training": await training.for_record(work, person_id, asked.from_day, asked.until_day),
        "recognition": await _recognition(work, person_id),
        "evaluation": _evaluation(rated),
        "remarks": asked.remarks,
    }
    return Attested(minutes, lines, content)


def honoured(
    work: Work, person: Person, body: Organisation, award: dict[str, Any]
) -> dict[str, Any]:
    """What the paper of an award says: no more of the person than it takes to know them."""
    return {
        "person": {
            "name": person.name,
            "id_kind": RESIDENT_ID if person.id_number else "",
            "id_number": person.id_number or "",
            "number": person.number or "",
            "phone": "",
        },
        "body": {"names": body.names, "head": body.head or "", "contact": body.contact or ""},
        "officer": work.person.name,
        "about": {"from_day": None, "until_day": None, "field": None, "activity": None},
        "times": 0,
        "fields": [],
        "remarks": "",
        "award": award,
    }


# The person


async def _person(work: Work, person: Person) -> dict[str, Any]:
    organisation = await work.session.get_one(Organisation, person.organisation_id)
    way = await organisations.chain(work.session, organisation)
    total = await work.session.scalar(
        select(func.sum(LedgerEntry.minutes)).where(LedgerEntry.person_id == person.id)
    )
    skill = PersonSkill.skill_id == Skill.id
    interest = PersonInterest.field_id == ServiceField.id
    return {
        "name": person.name,
        "sex": _sex(person.id_number),
        "birth_date": storable(person.birth_date),
        "id_kind": RESIDENT_ID if person.id_number else "",
        "id_number": person.id_number or "",
        "number": person.number or "",
        "phone": person.phone or "",
        "area": [organisations.area_names(step) for step in way],
        "organisation": organisation.names,
        "since": storable(person.registered_at),
        "skills": await _terms(work, Skill, PersonSkill, skill, person.id),
        "fields": await _terms(work, ServiceField, PersonInterest, interest, person.id),
        "stars": records.stars(int(total or 0), work.policy).count,
    }


def _sex(id_number: str | None) -> str:
    if not id_number:
        return ""
    return "male" if int(id_number[SEX_DIGIT]) % 2 else "female"


async def _terms(
    work: Work, term: Any, link: Any, joined: ColumnElement[bool], person_id: int
) -> list[dict[str, str]]:
    found = await work.session.scalars(
        select(term.names)
        .join(link, joined)
        .where(link.person_id == person_id)
        .order_by(term.position, term.id)
    )
    return list(found)


async def _recognition(work: Work, person_id: int) -> list[dict[str, Any]]:
    """Stars and awards that hold, the earliest first: a star has a number, an award a name."""
    rows = await work.session.execute(
        select(Recognition, AwardKind.name, Organisation.names)
        .outerjoin(AwardKind, AwardKind.id == Recognition.kind_id)
        .join(Organisation, Organisation.id == Recognition.organisation_id)
        .where(Recognition.person_id == person_id, Recognition.state == RecognitionState.AWARDED)
        .order_by(Recognition.awarded_at, Recognition.id)
    )
    return [
        {
            "star": one.star,
            "name": name or "",
            "year": one.year,
            "day": storable(one.awarded_at),
            "awarded_by": body,
        }
        for one, name, body in rows
    ]


# The service


def _served(
    work: Work, person_id: int, asked: Asked, fields: Mapping[int, ServiceField]
) -> Select[Any]:
    """Each attendance with confirmed minutes that is asked for, the earliest first.

    Its confirmation decides when and in which field it was; its corrections count with it.
    """
    counted = (
        select(LedgerEntry.attendance_id, LedgerEntry.served_at, LedgerEntry.field_id)
        .where(
            LedgerEntry.person_id == person_id,
            LedgerEntry.kind == EntryKind.CONFIRMATION,
            *_within(work, asked, fields),
        )
        .subquery()
    )
    sums = (
        select(LedgerEntry.attendance_id, func.sum(LedgerEntry.minutes).label("minutes"))
        .where(LedgerEntry.attendance_id.in_(select(counted.c.attendance_id)))
        .group_by(LedgerEntry.attendance_id)
        .subquery()
    )
    responsible, recorder = aliased(Person), aliased(Person)
    found = (
        select(
            counted.c.attendance_id,
            counted.c.field_id,
            sums.c.minutes,
            Activity.id.label("activity_id"),
            Activity.title,
            Activity.address,
            Shift.title.label("post"),
            Shift.starts_at,
            Shift.ends_at,
            Organisation.names.label("organisation"),
            responsible.name.label("responsible"),
            recorder.name.label("recorder"),
        )
        .join(sums, sums.c.attendance_id == counted.c.attendance_id)
        .join(Attendance, Attendance.id == counted.c.attendance_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Organisation, Organisation.id == Activity.organisation_id)
        .join(responsible, responsible.id == Activity.created_by_id)
        .outerjoin(recorder, recorder.id == Attendance.decided_by_id)
        .where(sums.c.minutes > 0)
        .order_by(Shift.starts_at, counted.c.attendance_id)
    )
    if asked.activity_id is not None:
        found = found.where(Activity.id == asked.activity_id)
    return found


def _within(
    work: Work, asked: Asked, fields: Mapping[int, ServiceField]
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if asked.from_day is not None:
        conditions.append(LedgerEntry.served_at >= _midnight(work, asked.from_day))
    if asked.until_day is not None:
        following = asked.until_day + timedelta(days=1)
        conditions.append(LedgerEntry.served_at < _midnight(work, following))
    if asked.field_id is not None:
        below = [key for key, field in fields.items() if field.parent_id == asked.field_id]
        conditions.append(LedgerEntry.field_id.in_([asked.field_id, *below]))
    return conditions


def _midnight(work: Work, day: date) -> datetime:
    return datetime.combine(day, time(), work.policy.zone)


async def _rated(work: Work, activity_ids: Collection[int]) -> dict[int, ratings.Sum]:
    """What recipients gave to each activity, where it is enough to be told."""
    found = await ratings.figures(work, sorted(activity_ids))
    return {key: one.recipients for key, one in found.items() if one.recipients.mean is not None}


def _evaluation(rated: Mapping[int, ratings.Sum]) -> list[dict[str, Any]]:
    count = sum(one.count for one in rated.values())
    if not count:
        return []
    points = sum((one.mean or 0) * one.count for one in rated.values())
    return [{"mean": round(points / count, 1), "ratings": count, "activities": len(rated)}]


def _service(
    row: Any, fields: Mapping[int, ServiceField], rated: Mapping[int, ratings.Sum]
) -> dict[str, Any]:
    field = fields[row.field_id]
    top = fields[field.parent_id] if field.parent_id else field
    stars = rated.get(row.activity_id)
    return {
        "title": row.title,
        "post": row.post,
        "field": field.names,
        "top": top.names,
        "starts_at": storable(row.starts_at),
        "ends_at": storable(row.ends_at),
        "place": row.address,
        "organisation": row.organisation,
        "minutes": int(row.minutes),
        "responsible": row.responsible,
        "recorder": row.recorder or "",
        "recipients": "",
        "evaluation": {"mean": round(stars.mean or 0, 1), "ratings": stars.count} if stars else "",
    }


def _by_field(served: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Minutes and times by top field, most first."""
    totals: dict[str, dict[str, Any]] = {}
    for one in served:
        key = repr(sorted(one["top"].items()))
        entry = totals.setdefault(key, {"names": one["top"], "minutes": 0, "times": 0})
        entry["minutes"] += one["minutes"]
        entry["times"] += 1
    return sorted(totals.values(), key=lambda entry: -entry["minutes"])


async def _about(work: Work, asked: Asked, fields: Mapping[int, ServiceField]) -> dict[str, Any]:
    """What narrows it down; empty for everything."""
    field = fields.get(asked.field_id) if asked.field_id is not None else None
    activity = await work.session.get(Activity, asked.activity_id) if asked.activity_id else None
    return {
        "from_day": storable(asked.from_day),
        "until_day": storable(asked.until_day),
        "field": field.names if field else None,
        "activity": activity.title if activity else None,
    }


# What there is to choose from


@dataclass(frozen=True, slots=True)
class Choice:
    """A field or an activity in which somebody has confirmed hours."""

    id: int
    names: dict[str, str]
    emoji: str = ""


async def fields_served(work: Work, person_id: int) -> list[Choice]:
    """The top fields."""
    top = func.coalesce(ServiceField.parent_id, ServiceField.id)
    keys = (
        select(top)
        .join(LedgerEntry, LedgerEntry.field_id == ServiceField.id)
        .where(LedgerEntry.person_id == person_id)
    )
    found = await work.session.scalars(
        select(ServiceField).where(ServiceField.id.in_(keys)).order_by(ServiceField.position)
    )
    return [Choice(field.id, field.names, field.emoji) for field in found]


async def activities_served(work: Work, person_id: int) -> list[Choice]:
    """The latest first."""
    rows = await work.session.execute(
        select(Activity.id, Activity.title, func.max(LedgerEntry.served_at).label("at"))
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .join(LedgerEntry, LedgerEntry.attendance_id == Attendance.id)
        .where(LedgerEntry.person_id == person_id)
        .group_by(Activity.id, Activity.title)
        .order_by(func.max(LedgerEntry.served_at).desc(), Activity.id.desc())
    )
    return [Choice(row[0], {"": row[1]}) for row in rows]

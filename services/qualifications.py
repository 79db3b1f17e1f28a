"""Qualifications: a document is photographed and handed in; it counts once it was verified."""

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Course,
    Person,
    Qualification,
    QualificationKind,
    QualificationState,
)
from services import access, audit, delivery, traits
from services.errors import Gone, NotAllowed, Refusal
from services.people import in_reach
from services.work import Work

KIND = "qualification"


async def hand_in(work: Work, kind_id: int, picture: str, expires_on: date | None) -> Qualification:
    """A document to be looked at; a new one takes the place of an old one of its kind.

    One that is verified and valid counts until the new one has been verified.

    Raises Gone, or Refusal("qualification_expired").
    """
    person = work.person
    kind = await work.session.get(QualificationKind, kind_id)
    if kind is None:
        raise Gone
    if expires_on is not None and expires_on <= work.today:
        raise Refusal("qualification_expired")
    document = await work.session.scalar(
        select(Qualification).where(
            Qualification.person_id == person.id, Qualification.kind_id == kind_id
        )
    )
    if document is None:
        document = Qualification(person_id=person.id, kind_id=kind_id)
        work.session.add(document)
    if _counts(work, document):
        document.renewal, document.renewed_at = picture, work.now
        document.renewal_expires_on = expires_on
        document.first_by_id = None
        await work.session.flush()
    else:
        document.state = QualificationState.AWAITING
        document.submitted_at = work.now
        document.decided_at = document.decided_by_id = None
        _replace(document, picture, expires_on)
    document.reason = None
    await traits.renew(work, [person.id])
    await _ask(work, document, kind, person)
    return document


async def _ask(
    work: Work, document: Qualification, kind: QualificationKind, person: Person
) -> None:
    """Those who verify it are asked to look at it."""
    holders = await access.holders(work, access.Right.VERIFY_QUALIFICATIONS, person.organisation_id)
    picture, _ = shown_to_verify(document)
    post = delivery.Post(
        "qualifications/card",
        {
            **_about(document, kind),
            "name": person.name,
            "number": person.number,
            "medical": kind.medical,
            "first": False,
            "course": await course_of(work, document),
        },
        kind=KIND,
        subject=_subject(document),
        attachment=delivery.photo(picture),
    )
    await delivery.tell(work, post, [key for key in holders if key != person.id])


async def course_of(work: Work, document: Qualification) -> dict[str, str] | None:
    """The name of the course that gave it, or for which it is to be verified."""
    course = await work.session.get(Course, document.course_id) if document.course_id else None
    return course.names if course is not None else None


def _counts(work: Work, document: Qualification) -> bool:
    valid = document.expires_on is None or document.expires_on >= work.today
    return document.state is QualificationState.VERIFIED and valid


def _replace(document: Qualification, picture: str | None, expires_on: date | None) -> None:
    document.picture, document.expires_on = picture, expires_on
    document.warned_days = document.first_by_id = document.course_id = None
    document.renewal = document.renewal_expires_on = document.renewed_at = None


def shown_to_verify(document: Qualification) -> tuple[str | None, date | None]:
    """The picture to look at, and until when it says that it is valid."""
    if document.renewed_at is not None:
        return document.renewal, document.renewal_expires_on
    return document.picture, document.expires_on


async def own(work: Work) -> list[tuple[Qualification, QualificationKind]]:
    rows = await work.session.execute(
        select(Qualification, QualificationKind)
        .join(QualificationKind, QualificationKind.id == Qualification.kind_id)
        .where(Qualification.person_id == work.person.id)
        .order_by(QualificationKind.position)
    )
    return [(row[0], row[1]) for row in rows]


async def waiting(work: Work) -> int:
    found = await _awaiting(work)
    return await work.session.scalar(select(func.count()).select_from(found.subquery())) or 0


async def pending(work: Work, limit: int) -> list[tuple[Qualification, QualificationKind, Person]]:
    """What waits for the actor's look, the earliest first."""
    found = (
        (await _awaiting(work))
        .order_by(func.coalesce(Qualification.renewed_at, Qualification.submitted_at))
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in await work.session.execute(found)]


async def _awaiting(work: Work) -> Any:
    reach = await in_reach(work, access.Right.VERIFY_QUALIFICATIONS)
    actor = work.actor.id if work.actor else 0
    return (
        select(Qualification, QualificationKind, Person)
        .join(QualificationKind, QualificationKind.id == Qualification.kind_id)
        .join(Person, Person.id == Qualification.person_id)
        .where(
            or_(
                Qualification.state == QualificationState.AWAITING,
                Qualification.renewed_at.is_not(None),
            ),
            reach,
            Person.id != actor,
            or_(Qualification.first_by_id.is_(None), Qualification.first_by_id != actor),
        )
    )


async def to_look_at(
    work: Work, document_id: int
) -> tuple[Qualification, QualificationKind, Person]:
    """A document that the actor may verify. Nobody verifies their own, or one of two looks twice.

    Raises Gone, NotAllowed or Refusal("qualification_second").
    """
    row = (
        await work.session.execute(
            select(Qualification, QualificationKind, Person)
            .join(QualificationKind, QualificationKind.id == Qualification.kind_id)
            .join(Person, Person.id == Qualification.person_id)
            .where(Qualification.id == document_id)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    person: Person = row[2]
    await access.require(work, access.Right.VERIFY_QUALIFICATIONS, person.organisation_id)
    if person.id == work.person.id:
        raise NotAllowed
    document: Qualification = row[0]
    if document.first_by_id == work.person.id and is_waiting(document):
        raise Refusal("qualification_second")
    return document, row[1], person


def is_waiting(document: Qualification) -> bool:
    """Whether somebody must look at it, or at the one that shall renew it."""
    return document.state is QualificationState.AWAITING or document.renewed_at is not None


async def decide(
    work: Work, document_id: int, *, accept: bool, reason: str | None = None
) -> Qualification:
    """A medical one is only verified by the second of two coordinators.

    Raises Gone, NotAllowed, Refusal("qualification_decided") or Refusal("qualification_second").
    """
    await work.session.execute(
        select(Qualification.id).where(Qualification.id == document_id).with_for_update()
    )
    document, kind, person = await to_look_at(work, document_id)
    if not is_waiting(document):
        raise Refusal("qualification_decided")
    if accept and kind.medical and document.first_by_id is None:
        await _ask_second(work, document, kind, person)
        return document
    renews = document.renewed_at is not None
    about = _about(document, kind)
    if accept and renews:
        _replace(document, document.renewal, document.renewal_expires_on)
    elif renews:
        document.renewal = document.renewal_expires_on = document.renewed_at = None
    if accept or not _counts(work, document):
        document.state = QualificationState.VERIFIED if accept else QualificationState.REFUSED
    document.first_by_id = None
    document.decided_at = work.now
    document.decided_by_id = work.person.id
    document.reason = reason
    await traits.renew(work, [person.id])
    post = delivery.Post(
        "qualifications/decided", {**about, "accepted": accept, "reason": reason}, kind=KIND
    )
    await delivery.tell(work, post, [person.id])
    closed = {**about, "accepted": accept, "name": person.name, "by": work.person.name}
    await delivery.correct(
        work,
        _subject(document),
        delivery.Post("qualifications/closed", closed, kind=KIND, subject=_subject(document)),
    )
    _note(work, "qualification.verified" if accept else "qualification.refused", person, kind)
    return document


async def _ask_second(
    work: Work, document: Qualification, kind: QualificationKind, person: Person
) -> None:
    """The first of two has accepted it; the person hears nothing before the second has."""
    document.first_by_id = work.person.id
    await work.session.flush()
    about = {**_about(document, kind), "name": person.name, "by": work.person.name}
    post = delivery.Post("qualifications/second", about, kind=KIND, subject=_subject(document))
    await delivery.correct(work, _subject(document), post)
    right = access.Right.VERIFY_QUALIFICATIONS
    asked = set(await access.holders(work, right, person.organisation_id))
    if not asked - {work.person.id, person.id}:
        above = set(await access.holders_above(work, right, person.organisation_id))
        await delivery.tell(work, post, above - asked - {person.id})
    _note(work, "qualification.first", person, kind)


def _note(work: Work, action: str, person: Person, kind: QualificationKind) -> None:
    audit.note(
        work,
        action,
        f"person:{person.id}",
        organisation_id=person.organisation_id,
        kind=kind.code,
    )


async def give(
    work: Work,
    person_id: int,
    kind_id: int,
    course_id: int,
    until: Callable[[date | None], date | None],
    *,
    vouched: bool,
) -> tuple[bool, date | None]:
    """A course gives it, or extends it; what was handed in meanwhile need not be looked at.

    A medical one, and one for which nobody vouches who may verify it, waits to be verified like any
    document; one that is still valid counts until then. `until` says how long it is valid by how
    long it has been. Answers whether it counts by this, and until when.
    """
    which = (Qualification.person_id == person_id, Qualification.kind_id == kind_id)
    dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
    new = await work.session.scalar(
        dialect.insert(Qualification)
        .values(
            person_id=person_id,
            kind_id=kind_id,
            state=QualificationState.AWAITING,
            submitted_at=work.now,
        )
        .on_conflict_do_nothing()
        .returning(Qualification.id)
    )
    document = (
        await work.session.scalars(
            select(Qualification)
            .where(*which)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()
    kind = await work.session.get_one(QualificationKind, kind_id)
    counted = document.state is QualificationState.VERIFIED
    for_ever = counted and document.expires_on is None
    expires_on = None if for_ever else until(document.expires_on if counted else None)
    if kind.medical or not vouched:
        if for_ever:
            return True, None
        if new is not None or not is_waiting(document):
            await _propose(work, document, kind, course_id, expires_on)
        return False, expires_on
    picture = document.picture if counted else None
    _replace(document, picture, expires_on)
    document.state = QualificationState.VERIFIED
    document.course_id = course_id
    document.decided_at, document.decided_by_id = work.now, None
    document.reason = None
    await work.session.flush()
    return True, expires_on


async def _propose(
    work: Work,
    document: Qualification,
    kind: QualificationKind,
    course_id: int,
    expires_on: date | None,
) -> None:
    """What a course gives, to those who verify it; it may have no picture."""
    if _counts(work, document):
        document.renewal, document.renewed_at = document.picture, work.now
        document.renewal_expires_on = expires_on
        document.first_by_id = None
    else:
        document.state = QualificationState.AWAITING
        document.submitted_at = work.now
        document.decided_at = document.decided_by_id = None
        _replace(document, None, expires_on)
    document.reason = None
    document.course_id = course_id
    await work.session.flush()
    await _ask(work, document, kind, await work.session.get_one(Person, document.person_id))


def _subject(document: Qualification) -> str:
    return f"qualification:{document.id}"


def _about(document: Qualification, kind: QualificationKind) -> dict[str, Any]:
    _, expires_on = shown_to_verify(document)
    return {"document_id": document.id, "kind": kind.names, "expires_on": expires_on}

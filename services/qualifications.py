"""Qualifications: a document is photographed and handed in; it counts once it was verified."""

from datetime import date
from typing import Any

from sqlalchemy import func, or_, select

from models import (
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
        await work.session.flush()
    else:
        document.state = QualificationState.AWAITING
        document.submitted_at = work.now
        document.decided_at = document.decided_by_id = None
        _replace(document, picture, expires_on)
    document.reason = None
    await traits.renew(work, [person.id])
    holders = await access.holders(work, access.Right.VERIFY_QUALIFICATIONS, person.organisation_id)
    post = delivery.Post(
        "qualifications/card",
        {**_about(document, kind), "name": person.name, "number": person.number},
        kind=KIND,
        subject=_subject(document),
        attachment=delivery.photo(picture),
    )
    await delivery.tell(work, post, [key for key in holders if key != person.id])
    return document


def _counts(work: Work, document: Qualification) -> bool:
    valid = document.expires_on is None or document.expires_on >= work.today
    return document.state is QualificationState.VERIFIED and valid


def _replace(document: Qualification, picture: str | None, expires_on: date | None) -> None:
    document.picture, document.expires_on = picture, expires_on
    document.warned_days = None
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
        )
    )


async def to_look_at(
    work: Work, document_id: int
) -> tuple[Qualification, QualificationKind, Person]:
    """A document that the actor may verify. Nobody verifies their own. Raises Gone, NotAllowed."""
    row = (
        await work.session.execute(
            select(Qualification, QualificationKind, Person)
            .join(QualificationKind, QualificationKind.id == Qualification.kind_id)
            .join(Person, Person.id == Qualification.person_id)
            .where(Qualification.id == document_id)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    person: Person = row[2]
    await access.require(work, access.Right.VERIFY_QUALIFICATIONS, person.organisation_id)
    if person.id == work.person.id:
        raise NotAllowed
    return row[0], row[1], person


async def decide(
    work: Work, document_id: int, *, accept: bool, reason: str | None = None
) -> Qualification:
    """Raises Gone, NotAllowed or Refusal("qualification_decided")."""
    document, kind, person = await to_look_at(work, document_id)
    renews = document.renewed_at is not None
    if not renews and document.state is not QualificationState.AWAITING:
        raise Refusal("qualification_decided")
    about = _about(document, kind)
    if accept and renews:
        _replace(document, document.renewal, document.renewal_expires_on)
    elif renews:
        document.renewal = document.renewal_expires_on = document.renewed_at = None
    if accept or not _counts(work, document):
        document.state = QualificationState.VERIFIED if accept else QualificationState.REFUSED
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
    audit.note(
        work,
        "qualification.verified" if accept else "qualification.refused",
        f"person:{person.id}",
        organisation_id=person.organisation_id,
        kind=kind.code,
    )
    return document


def _subject(document: Qualification) -> str:
    return f"qualification:{document.id}"


def _about(document: Qualification, kind: QualificationKind) -> dict[str, Any]:
    _, expires_on = shown_to_verify(document)
    return {"document_id": document.id, "kind": kind.names, "expires_on": expires_on}

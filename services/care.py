"""Care files: opening one, who may see inside, what of it is shown to whom, and who has looked.

Whoever holds the right for an organisation knows that a file is there and what kind of recipient it
is about. Inside see only those to whom access was given, case by case, and each look is written
down. What happens round a recipient is in `pairings`, `visiting` and `care_alerts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models import (
    Account,
    AuditEntry,
    CareAccess,
    CareAlert,
    CareCategory,
    ConsentBy,
    Conversation,
    Message,
    Organisation,
    Pairing,
    Person,
    Recipient,
    Role,
    Skill,
    Standing,
    Visit,
)
from models.sealed import keyring
from services import access, audit, delivery, geo, lengths, organisations, terms
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

KIND = "care"
"""The kind of all messages about care."""
LENGTHS = {"name": (1, 64), "address": (2, 200), "needs": (2, 1000), "heed": (0, 500)}
CHANGE_FORM = "care_file_change"
"""The form in which a file is changed; half filled in, it holds what the file says."""
FORM_OF_REQUEST = "care_file_of_request"
"""The form in which a file is opened for somebody who asked for help; about the request."""
REASON = (4, 300)
"""Characters of the reason for which somebody takes access."""
LOOKS_SHOWN = 20
FILES_SHOWN = 50
PORTION = 100
"""Accesses that one sweep ends."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a coordinator says of a recipient. Phones in E.164, degrees WGS-84."""

    category: CareCategory
    name: str
    address: str
    needs: str
    consent_by: ConsentBy
    heed: str = ""
    """What a visitor must know before they ring: a dog, deaf on one ear, diabetes."""
    phone: str | None = None
    contact_name: str = ""
    contact_phone: str | None = None
    """Whom to call in an emergency."""
    skills: tuple[int, ...] = ()
    latitude: float | None = None
    longitude: float | None = None


def subject(recipient_id: int) -> str:
    return f"recipient:{recipient_id}"


def list_subject(person_id: int) -> str:
    """Of the lists of recipients on somebody's phone."""
    return f"care_of:{person_id}"


def visit_subject(visit_id: int) -> str:
    return f"visit:{visit_id}"


def alert_subject(alert_id: int) -> str:
    return f"care_alert:{alert_id}"


# Opening and changing


async def open_file(work: Work, organisation_id: int, said: Described) -> Recipient:
    """A new file, which its opener may see. Raises NotAllowed, or Refusal for what is said."""
    await access.require(work, Right.CARE, organisation_id)
    await _check(work, said)
    await _require_new(work, said.phone)
    recipient = Recipient(
        organisation_id=organisation_id,
        opened_by_id=work.person.id,
        opened_at=work.now,
        consent_at=work.now,
        **_values(said),
    )
    work.session.add(recipient)
    await work.session.flush()
    _add_access(work, recipient, work.person.id)
    await work.session.flush()
    note(work, "opened", recipient)
    return recipient


async def change_file(work: Work, recipient_id: int, said: Described) -> Recipient:
    """Raises Gone, NotAllowed, or Refusal for what is said."""
    recipient = await open_to(work, recipient_id)
    await _check(work, said)
    if said.consent_by is not recipient.consent_by:
        recipient.consent_at = work.now
    values = _values(said)
    if said.latitude is None:
        values["latitude"], values["longitude"] = recipient.latitude, recipient.longitude
    for name, value in values.items():
        setattr(recipient, name, value)
    await work.session.flush()
    note(work, "changed", recipient)
    return recipient


async def _check(work: Work, said: Described) -> None:
    for what, length in LENGTHS.items():
        lengths.check(what, getattr(said, what), length)
    await terms.check(work.session, Skill, said.skills)


async def _require_new(work: Work, phone: str | None) -> None:
    """Raises Refusal("care_known") where the actor's area has a file with this number already."""
    if phone is None:
        return
    known = select(Recipient.id).where(
        Recipient.phone_hash.in_(keyring().fingerprints(phone)),
        Recipient.closed_at.is_(None),
        await within_reach(work),
    )
    found = await work.session.scalar(known.limit(1))
    if found is not None:
        raise Refusal("care_known", recipient_id=found)


def _values(said: Described) -> dict[str, Any]:
    place: tuple[float | None, float | None] = (None, None)
    if said.latitude is not None and said.longitude is not None:
        place = geo.rounded(said.latitude, said.longitude)
    return {
        "category": said.category,
        "consent_by": said.consent_by,
        "skills": list(said.skills),
        "phone_hash": keyring().fingerprint(said.phone) if said.phone else None,
        "latitude": place[0],
        "longitude": place[1],
        "details": {
            "name": said.name,
            "phone": said.phone,
            "address": said.address,
            "needs": said.needs,
            "heed": said.heed,
            "contact_name": said.contact_name,
            "contact_phone": said.contact_phone,
        },
    }


# Who may see inside


async def within_reach(work: Work) -> ColumnElement[bool]:
    """The condition that the actor may know of a `Recipient`."""
    return await access.within_reach(work, Right.CARE, Recipient.organisation_id)


async def known(work: Work, recipient_id: int) -> Recipient:
    """A file of which the actor may know, not what is inside. Raises Gone, NotAllowed."""
    recipient = await work.session.get(Recipient, recipient_id)
    if recipient is None:
        raise Gone
    await access.require(work, Right.CARE, recipient.organisation_id)
    return recipient


async def sees(work: Work, recipient: Recipient) -> bool:
    """Whether the actor may see inside: holds the right, and was given access."""
    if not await access.may(work, Right.CARE, recipient.organisation_id):
        return False
    given = select(CareAccess.id).where(
        CareAccess.recipient_id == recipient.id,
        CareAccess.person_id == work.person.id,
        CareAccess.until.is_(None),
    )
    return await work.session.scalar(given) is not None


async def inside(work: Work, recipient_id: int) -> Recipient:
    """A file into which the actor may see. Raises Gone, also once it is erased, and NotAllowed."""
    recipient = await known(work, recipient_id)
    if recipient.erased_at is not None:
        raise Gone
    if not await sees(work, recipient):
        raise NotAllowed
    return recipient


async def open_to(work: Work, recipient_id: int) -> Recipient:
    """As `inside`, for what changes something. Raises also Refusal("care_closed")."""
    recipient = await inside(work, recipient_id)
    if recipient.closed_at is not None:
        raise Refusal("care_closed")
    return recipient


async def look(work: Work, recipient_id: int) -> dict[str, Any]:
    """All that the file says, for somebody who may see it; that is written down.

    Raises Gone, NotAllowed.
    """
    recipient = await inside(work, recipient_id)
    note(work, "looked", recipient)
    return await shown_inside(work, recipient)


async def take_access(work: Work, recipient_id: int, reason: str) -> Recipient:
    """The actor sees inside from now on; why is kept, and whoever saw it before is told.

    Raises Gone, NotAllowed, Refusal.
    """
    recipient = await known(work, recipient_id)
    if recipient.erased_at is not None:
        raise Gone
    lengths.check("reason", reason, REASON)
    before, _ = await keepers(work, recipient)
    if not await sees(work, recipient):
        _add_access(work, recipient, work.person.id, reason)
        await work.session.flush()
        note(work, "access_taken", recipient)
        about = {**await told(work, recipient), "who": work.person.name}
        others = [one for one in before if one != work.person.id]
        await delivery.tell(work, Post("care/access_taken", about, kind=KIND), others)
    return recipient


async def grant(work: Work, recipient_id: int, person_id: int) -> None:
    """Somebody who sees inside lets a colleague see it, too. Raises Gone, NotAllowed, Refusal."""
    recipient = await open_to(work, recipient_id)
    if person_id not in {one.id for one in await colleagues(work, recipient)}:
        raise Gone
    _add_access(work, recipient, person_id)
    await work.session.flush()
    note(work, "access_given", recipient, person_id=person_id)
    about = {**await told(work, recipient), "who": work.person.name}
    await delivery.tell(work, Post("care/access_given", about, kind=KIND), [person_id])


async def end_access(work: Work, access_id: int) -> Recipient:
    """Somebody sees no longer inside: themselves, or as whoever opened it or let them in says.

    Raises Gone, NotAllowed.
    """
    given = await work.session.get(CareAccess, access_id)
    if given is None or given.until is not None:
        raise Gone
    recipient = await inside(work, given.recipient_id)
    if work.person.id not in (given.person_id, given.granted_by_id, recipient.opened_by_id):
        raise NotAllowed
    given.until = work.now
    await work.session.flush()
    note(work, "access_ended", recipient, person_id=given.person_id)
    await let_out(work, recipient, given.person_id)
    return recipient


async def let_out(work: Work, recipient: Recipient, person_id: int) -> None:
    """Nothing of what was inside stays on somebody's phone, nor in a form half filled in."""
    await unsay(work, recipient, [person_id])
    accounts = select(Account.id).where(Account.person_id == person_id)
    await work.session.execute(
        delete(Conversation)
        .where(
            Conversation.form == CHANGE_FORM,
            Conversation.subject_id == recipient.id,
            Conversation.account_id.in_(accounts),
        )
        .execution_options(synchronize_session=False)
    )


def _add_access(
    work: Work, recipient: Recipient, person_id: int, reason: str | None = None
) -> None:
    work.session.add(
        CareAccess(
            recipient_id=recipient.id,
            person_id=person_id,
            granted_by_id=work.person.id,
            reason=reason,
            since=work.now,
        )
    )


async def colleagues(work: Work, recipient: Recipient) -> list[Person]:
    """Who holds the right for this file and does not see inside, by name."""
    path = (
        select(Organisation.path)
        .where(Organisation.id == recipient.organisation_id)
        .scalar_subquery()
    )
    let_in = select(CareAccess.person_id).where(
        CareAccess.recipient_id == recipient.id, CareAccess.until.is_(None)
    )
    found = await work.session.scalars(
        select(Person)
        .join(Role, Role.person_id == Person.id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Role.kind.in_(access.roles_with(Right.CARE)),
            path.like(Organisation.path + literal("%")),
            Person.standing == Standing.ACTIVE,
            Person.id.not_in(let_in),
        )
        .order_by(Person.name_search, Person.id)
        .distinct()
    )
    return list(found)


async def keepers(work: Work, recipient: Recipient) -> tuple[list[int], bool]:
    """Keys of the coordinators whom it concerns, and whether they see inside.

    Those who do, if there are any; else those who hold the right for the organisation.
    """
    found = await work.session.scalars(
        select(CareAccess.person_id).where(
            CareAccess.recipient_id == recipient.id,
            CareAccess.until.is_(None),
            _holds_right(recipient.organisation_id),
        )
    )
    people = list(found)
    if people:
        return people, True
    return await access.holders(work, Right.CARE, recipient.organisation_id), False


def _holds_right(
    organisation_id: int | InstrumentedAttribute[int],
) -> ColumnElement[bool]:
    """The condition that whom a `CareAccess` is for holds the right for an organisation."""
    home, above = aliased(Organisation), aliased(Organisation)
    path = select(home.path).where(home.id == organisation_id)
    return (
        select(Role.id)
        .join(above, above.id == Role.organisation_id)
        .where(
            Role.person_id == CareAccess.person_id,
            Role.kind.in_(access.roles_with(Right.CARE)),
            path.correlate(Recipient).scalar_subquery().like(above.path + literal("%")),
        )
        .exists()
    )


async def let_go(work: Work) -> int:
    """Sweep: whoever holds the right no more sees inside no more, also on their phone."""
    rows = await work.session.execute(
        select(CareAccess, Recipient)
        .join(Recipient, Recipient.id == CareAccess.recipient_id)
        .join(Person, Person.id == CareAccess.person_id)
        .where(
            CareAccess.until.is_(None),
            or_(
                Person.standing != Standing.ACTIVE,
                ~_holds_right(Recipient.organisation_id),
            ),
        )
        .order_by(CareAccess.id)
        .limit(PORTION)
    )
    found = rows.all()
    for given, recipient in found:
        given.until = work.now
        await work.session.flush()
        note(work, "access_ended", recipient, person_id=given.person_id)
        await let_out(work, recipient, given.person_id)
    return len(found)


async def accesses(work: Work, recipient_id: int) -> list[tuple[CareAccess, Person]]:
    """Who may see inside or could, the newest first. For whoever sees it. Raises as `inside`."""
    recipient = await inside(work, recipient_id)
    rows = await work.session.execute(
        select(CareAccess, Person)
        .join(Person, Person.id == CareAccess.person_id)
        .where(CareAccess.recipient_id == recipient.id)
        .order_by(CareAccess.until.is_not(None), CareAccess.id.desc())
    )
    return [(row[0], row[1]) for row in rows]


async def looks(work: Work, recipient_id: int) -> list[tuple[datetime, str, str]]:
    """When who did what with the file, the newest first. Raises as `inside`."""
    recipient = await inside(work, recipient_id)
    rows = await work.session.execute(
        select(AuditEntry.at, Person.name, AuditEntry.action)
        .join(Person, Person.id == AuditEntry.actor_id)
        .where(AuditEntry.subject == subject(recipient.id))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(LOOKS_SHOWN)
    )
    return [(row[0], row[1], row[2].partition(".")[2]) for row in rows]


# What is shown and told


async def told(work: Work, recipient: Recipient) -> dict[str, Any]:
    """What anybody may read of it who may know of it: its number, what kind, which area."""
    home = await work.session.get_one(Organisation, recipient.organisation_id)
    return {
        "recipient_id": recipient.id,
        "category": recipient.category.value,
        "area": organisations.area_names(home),
    }


async def told_inside(work: Work, recipient: Recipient) -> dict[str, Any]:
    """With who it is and where: for those alone who may see it, and sealed in messages."""
    details = recipient.details or {}
    return {
        **await told(work, recipient),
        "name": details.get("name", ""),
        "address": details.get("address", ""),
        "phone": details.get("phone"),
        "heed": details.get("heed", ""),
    }


async def shown_inside(work: Work, recipient: Recipient) -> dict[str, Any]:
    """As templates take a whole file."""
    opener = await work.session.get_one(Person, recipient.opened_by_id)
    skills = await terms.by_keys(work.session, Skill, recipient.skills)
    return {
        **await told_inside(work, recipient),
        **{k: (recipient.details or {}).get(k) for k in ("needs", "contact_name", "contact_phone")},
        "skills": [one.names for one in skills],
        "consent_by": recipient.consent_by.value,
        "consent_at": recipient.consent_at,
        "opened_by": opener.name,
        "opened_at": recipient.opened_at,
        "closed_at": recipient.closed_at,
    }


def sealed_post(template: str, about: Mapping[str, Any], **more: Any) -> Post:
    """A message whose parameters nobody reads in the database."""
    return Post(template, delivery.sealed(about), kind=KIND, **more)


async def unsay(work: Work, recipient: Recipient, people: Sequence[int] | None = None) -> None:
    """What phones still show of a recipient is taken off them: of these people, or of everyone."""
    which = None if people is None else select(Person.id).where(Person.id.in_(people))
    gone = Post("care/unsaid", {"recipient_id": recipient.id}, kind=KIND)
    await delivery.correct_all(work, await said_of(work, recipient), gone, which)


async def said_of(work: Work, recipient: Recipient) -> ColumnElement[bool]:
    """The condition that a `Message` names a recipient: about them, a visit, an alert; a list."""
    visits = await work.session.scalars(select(Visit.id).where(Visit.recipient_id == recipient.id))
    alerts = await work.session.scalars(
        select(CareAlert.id).where(CareAlert.recipient_id == recipient.id)
    )
    let_in = select(CareAccess.person_id).where(CareAccess.recipient_id == recipient.id)
    around = select(Pairing.person_id).where(Pairing.recipient_id == recipient.id)
    people = await work.session.scalars(let_in.union(around))
    subjects = [
        subject(recipient.id),
        *map(visit_subject, visits),
        *map(alert_subject, alerts),
        *map(list_subject, people),
    ]
    return Message.subject.in_(subjects)


# Lists


@dataclass(frozen=True, slots=True)
class Line:
    """A file in a list; `name` is None to whoever does not see inside."""

    recipient: Recipient
    organisation: Organisation
    name: str | None


async def files(
    work: Work, *, open_only: bool = True, page: int = 0, size: int = FILES_SHOWN
) -> list[Line]:
    """Those in reach, the actor's own first; one more than `size` where another page follows."""
    mine = _is_mine(work)
    where = [await within_reach(work), Recipient.erased_at.is_(None)]
    if open_only:
        where.append(Recipient.closed_at.is_(None))
    rows = await work.session.execute(
        select(Recipient, Organisation, mine.label("mine"))
        .join(Organisation, Organisation.id == Recipient.organisation_id)
        .where(*where)
        .order_by(mine.desc(), Recipient.closed_at.is_not(None), Recipient.id.desc())
        .offset(page * size)
        .limit(size + 1)
    )
    return [
        Line(recipient, home, (recipient.details or {}).get("name") if own else None)
        for recipient, home, own in rows
    ]


def _is_mine(work: Work) -> ColumnElement[bool]:
    return (
        select(CareAccess.id)
        .where(
            CareAccess.recipient_id == Recipient.id,
            CareAccess.person_id == work.person.id,
            CareAccess.until.is_(None),
        )
        .exists()
    )


async def counts(work: Work) -> dict[CareCategory, int]:
    """How many open files there are in reach, by kind of recipient."""
    rows = await work.session.execute(
        select(Recipient.category, func.count())
        .where(await within_reach(work), Recipient.closed_at.is_(None))
        .group_by(Recipient.category)
    )
    found = {category: int(count) for category, count in rows}
    return {category: found[category] for category in CareCategory if category in found}


async def require(work: Work) -> None:
    """Raises NotAllowed to whoever has nothing to do with care files."""
    if Right.CARE not in await access.rights(work):
        raise NotAllowed


def note(work: Work, what: str, recipient: Recipient, **details: Any) -> None:
    audit.note(
        work,
        f"care.{what}",
        subject(recipient.id),
        organisation_id=recipient.organisation_id,
        **details,
    )


# What is held about volunteers and coordinators


def rows_about(person_id: int) -> dict[str, Select[Any]]:
    """As `services.personal_data` asks every topic."""
    return {
        "care_access": select(CareAccess).where(
            or_(CareAccess.person_id == person_id, CareAccess.granted_by_id == person_id)
        ),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """They see nothing any more, also on their phone, and their words go."""
    saw = await work.session.scalars(
        select(Recipient)
        .join(CareAccess, CareAccess.recipient_id == Recipient.id)
        .where(CareAccess.person_id == person_id, CareAccess.until.is_(None))
    )
    for recipient in saw.all():
        await let_out(work, recipient, person_id)
    await work.session.execute(
        update(CareAccess)
        .where(CareAccess.person_id == person_id)
        .values(reason=None, until=func.coalesce(CareAccess.until, work.now))
        .execution_options(synchronize_session=False)
    )

"""Schools and companies: who studies or works there, and what they have served.

Somebody belongs to one home organisation; a school or company is beside it. People ask, or open a
link of their class, and its coordinators confirm. While that stands, these see the name, the class
and the confirmed hours of their own, and nothing else: no number, no phone, no other record.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, literal, select, true, update

from models import (
    Affiliation,
    AffiliationLink,
    AffiliationState,
    LedgerEntry,
    Organisation,
    OrganisationKind,
    Person,
    Standing,
)
from services import access, accounts, audit, delivery, lengths, listing, organisations, sheets
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice
from services.measuring import Measure
from services.sheets import Column, Kind
from services.work import Work

KIND = "affiliations"
KINDS = (OrganisationKind.SCHOOL, OrganisationKind.ENTERPRISE)
DEPARTMENT = (0, 30)
"""Characters of a class or department."""
CODE_BYTES = 8
MOST_LINKS = 200
"""That are good at a time; a large school has so many classes."""
FIRST_YEAR = 2000
OF_SHEET = {
    "department": Kind.TEXT,
    "name": Kind.TEXT,
    "year": Kind.MINUTES,
    "total": Kind.MINUTES,
    "last": Kind.MOMENT,
}
STANDING = (AffiliationState.ASKED, AffiliationState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Body:
    """A school or company whose people the actor sees."""

    organisation: Organisation
    asked: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class Own:
    """One of a school's people with their confirmed service."""

    affiliation: Affiliation
    name: str
    year: int
    """Minutes in the year that is shown."""
    total: int
    """Minutes ever."""
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Department:
    """A class or department in a year; `served` of its `people` have confirmed hours."""

    name: str
    people: int
    served: int
    minutes: int
    times: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a school, or one class of it, served in a year."""

    organisation: Organisation
    department: str | None
    year: int
    whole: Department
    months: list[int]
    """Minutes, January first."""
    parts: list[Department]


# What volunteers do


async def bodies_to_join(work: Work) -> list[Organisation]:
    """All schools and companies that are not closed."""
    found = select(Organisation).where(Organisation.kind.in_(KINDS), organisations.IS_OPEN)
    return list(await work.session.scalars(found.order_by(Organisation.path)))


async def own(work: Work) -> list[tuple[Affiliation, Organisation]]:
    """Those that the actor asked for and that stand."""
    rows = await work.session.execute(
        select(Affiliation, Organisation)
        .join(Organisation, Organisation.id == Affiliation.organisation_id)
        .where(Affiliation.person_id == work.person.id, Affiliation.state.in_(STANDING))
        .order_by(Affiliation.asked_at, Affiliation.id)
    )
    return [(row[0], row[1]) for row in rows]


async def ask(work: Work, organisation_id: int, department: str = "") -> Affiliation:
    """The actor says that they belong there; its coordinators are told once a day.

    Raises Gone, NotAllowed, Refusal("affiliation_held") or Refusal("organisation_closed").
    """
    if not accounts.is_volunteer(work.actor):
        raise NotAllowed
    organisation = await body(work, organisation_id)
    await organisations.require_open(work, organisation_id)
    department = _checked(department)
    person = work.person
    await work.session.execute(select(Person.id).where(Person.id == person.id).with_for_update())
    known = await work.session.scalar(
        select(Affiliation).where(
            Affiliation.person_id == person.id, Affiliation.organisation_id == organisation_id
        )
    )
    if known is not None and known.state in STANDING:
        raise Refusal("affiliation_held", organisation=organisation.names)
    asked = known or Affiliation(person_id=person.id, organisation_id=organisation_id)
    asked.department, asked.state, asked.asked_at = department, AffiliationState.ASKED, work.now
    asked.since = asked.until = asked.decided_by_id = None
    work.session.add(asked)
    await work.session.flush()
    post = delivery.Post(
        "affiliations/asked",
        {"organisation": organisation.names, "organisation_id": organisation_id},
        kind=KIND,
        subject=f"organisation:{organisation_id}",
        dedupe=f"affiliations:{organisation_id}:{work.today}",
    )
    holders = await access.holders(work, Right.APPROVE_VOLUNTEERS, organisation_id)
    await delivery.tell(work, post, [key for key in holders if key != person.id])
    return asked


async def leave(work: Work, affiliation_id: int) -> Organisation:
    """The school or company sees nothing of the actor any more. Raises Gone."""
    held = await work.session.get(Affiliation, affiliation_id)
    if held is None or held.person_id != work.person.id or held.state not in STANDING:
        raise Gone
    held.state, held.until = AffiliationState.ENDED, work.now
    return await work.session.get_one(Organisation, held.organisation_id)


def _checked(department: str) -> str:
    department = " ".join(department.split())
    lengths.check("department", department, DEPARTMENT)
    return department


# Links


async def make_link(work: Work, organisation_id: int, department: str = "") -> AffiliationLink:
    """Raises Gone, NotAllowed or Refusal."""
    await _require(work, organisation_id, Right.APPROVE_VOLUNTEERS)
    await organisations.require_open(work, organisation_id)
    if len(await links(work, organisation_id)) >= MOST_LINKS:
        raise Refusal("affiliation_links", most=MOST_LINKS)
    link = AffiliationLink(
        organisation_id=organisation_id,
        department=_checked(department),
        code=secrets.token_hex(CODE_BYTES),
        made_by_id=work.person.id,
        made_at=work.now,
    )
    work.session.add(link)
    await work.session.flush()
    return link


async def revoke_link(work: Work, link_id: int) -> int:
    """Answers the organisation's key. Raises Gone or NotAllowed."""
    link = await work.session.get(AffiliationLink, link_id)
    if link is None or link.revoked_at is not None:
        raise Gone
    await _require(work, link.organisation_id, Right.APPROVE_VOLUNTEERS)
    link.revoked_at = work.now
    return link.organisation_id


async def links(work: Work, organisation_id: int) -> list[AffiliationLink]:
    """Those that are good. Raises Gone or NotAllowed."""
    await _require(work, organisation_id, Right.APPROVE_VOLUNTEERS)
    found = select(AffiliationLink).where(
        AffiliationLink.organisation_id == organisation_id, AffiliationLink.revoked_at.is_(None)
    )
    order = AffiliationLink.department, AffiliationLink.id
    return list(await work.session.scalars(found.order_by(*order)))


async def linked(work: Work, code: str) -> tuple[AffiliationLink, Organisation]:
    """What a link leads to. Raises Refusal("affiliation_link")."""
    link = await work.session.scalar(
        select(AffiliationLink).where(
            AffiliationLink.code == code, AffiliationLink.revoked_at.is_(None)
        )
    )
    if link is None:
        raise Refusal("affiliation_link")
    return link, await work.session.get_one(Organisation, link.organisation_id)


async def ask_by_link(work: Work, code: str) -> Affiliation:
    """Raises NotAllowed or Refusal."""
    link, _ = await linked(work, code)
    return await ask(work, link.organisation_id, link.department)


# What coordinators decide


async def decide(work: Work, affiliation_id: int, *, accept: bool) -> Affiliation:
    """They are told. Nobody decides on themselves. Raises Gone, NotAllowed or Refusal."""
    found = await _led(work, affiliation_id)
    state = AffiliationState.CONFIRMED if accept else AffiliationState.REFUSED
    if not await _decided(work, state, Affiliation.id == affiliation_id):
        raise Refusal("affiliation_decided")
    await work.session.refresh(found)
    return found


async def confirm_all(work: Work, organisation_id: int, department: str | None = None) -> int:
    """All who wait, or those of one class; answers how many. Raises Gone or NotAllowed."""
    await _require(work, organisation_id, Right.APPROVE_VOLUNTEERS)
    which = [
        Affiliation.organisation_id == organisation_id,
        Affiliation.person_id != work.person.id,
    ]
    if department is not None:
        which.append(Affiliation.department == department)
    return len(await _decided(work, AffiliationState.CONFIRMED, *which))


async def _decided(work: Work, state: AffiliationState, *which: Any) -> Sequence[Affiliation]:
    """Conditional, so that two who decide at once decide once."""
    accepts = state is AffiliationState.CONFIRMED
    rows = await work.session.scalars(
        update(Affiliation)
        .where(Affiliation.state == AffiliationState.ASKED, *which)
        .values(state=state, since=work.now if accepts else None, decided_by_id=work.person.id)
        .returning(Affiliation)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    found = rows.all()
    for one in found:
        if accepts:
            _note(work, "affiliation.confirmed", one)
        else:
            _note(work, "affiliation.refused", one)
    await _tell(work, "confirmed" if accepts else "refused", found)
    return found


async def end(work: Work, affiliation_id: int) -> Affiliation:
    """Somebody has left the school or company. Raises Gone, NotAllowed or Refusal."""
    found = await _led(work, affiliation_id)
    if found.state is not AffiliationState.CONFIRMED:
        raise Refusal("affiliation_decided")
    found.state, found.until = AffiliationState.ENDED, work.now
    _note(work, "affiliation.ended", found)
    await _tell(work, "ended", [found])
    return found


async def change_department(work: Work, affiliation_id: int, department: str) -> Affiliation:
    """A new school year, another department. Raises Gone, NotAllowed or Refusal."""
    found = await _led(work, affiliation_id)
    if found.state not in STANDING:
        raise Refusal("affiliation_decided")
    found.department = _checked(department)
    _note(work, "affiliation.changed", found)
    return found


async def _led(work: Work, affiliation_id: int) -> Affiliation:
    found = await work.session.scalar(
        select(Affiliation)
        .where(Affiliation.id == affiliation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise Gone
    await _require(work, found.organisation_id, Right.APPROVE_VOLUNTEERS)
    if found.person_id == work.person.id:
        raise Refusal("affiliation_own")
    return found


async def _tell(work: Work, what: str, about: Sequence[Affiliation]) -> None:
    """One message to all, since they belong to one school."""
    if not about:
        return
    organisation = await work.session.get_one(Organisation, about[0].organisation_id)
    post = delivery.Post(
        f"affiliations/{what}",
        {"organisation": organisation.names},
        kind=KIND,
        subject=f"organisation:{organisation.id}",
    )
    await delivery.tell(work, post, [one.person_id for one in about])


def _note(work: Work, action: str, one: Affiliation) -> None:
    audit.note(work, action, f"person:{one.person_id}", organisation_id=one.organisation_id)


# What coordinators see


async def body(work: Work, organisation_id: int) -> Organisation:
    """A school or company. Raises Gone for anything else."""
    found = await work.session.get(Organisation, organisation_id)
    if found is None or found.kind not in KINDS:
        raise Gone
    return found


async def _require(work: Work, organisation_id: int, right: Right) -> Organisation:
    organisation = await body(work, organisation_id)
    await access.require(work, right, organisation_id)
    return organisation


async def bodies(work: Work) -> list[Body]:
    """The schools and companies whose people the actor sees. Raises NotAllowed."""
    if not await access.organisations_with(work, Right.SEE_VOLUNTEERS):
        raise NotAllowed
    reach = await access.within_reach(work, Right.SEE_VOLUNTEERS, Organisation.id)
    rows = await work.session.execute(
        select(
            Organisation,
            _counted(AffiliationState.ASKED),
            _counted(AffiliationState.CONFIRMED),
        )
        .where(Organisation.kind.in_(KINDS), reach)
        .order_by(Organisation.path)
    )
    return [Body(*row) for row in rows]


def _counted(state: AffiliationState) -> Any:
    return (
        select(func.count())
        .where(Affiliation.organisation_id == Organisation.id, Affiliation.state == state)
        .correlate(Organisation)
        .scalar_subquery()
    )


async def waiting(work: Work) -> int:
    """How many wait for the actor's word."""
    reach = await access.within_reach(work, Right.APPROVE_VOLUNTEERS, Affiliation.organisation_id)
    found = select(func.count()).where(
        Affiliation.state == AffiliationState.ASKED, Affiliation.person_id != work.person.id, reach
    )
    return await work.session.scalar(found) or 0


async def asked(work: Work, organisation_id: int) -> list[tuple[Affiliation, str]]:
    """Who waits, with their names, by class. Raises Gone or NotAllowed."""
    await _require(work, organisation_id, Right.APPROVE_VOLUNTEERS)
    rows = await work.session.execute(
        select(Affiliation, Person.name)
        .join(Person, Person.id == Affiliation.person_id)
        .where(
            Affiliation.organisation_id == organisation_id,
            Affiliation.state == AffiliationState.ASKED,
        )
        .order_by(Affiliation.department, Affiliation.asked_at, Affiliation.id)
        .limit(listing.PER_PAGE)
    )
    return [(row[0], row[1]) for row in rows]


async def people(
    work: Work, organisation_id: int, year: int, department: str | None = None, number: int = 1
) -> Slice[Own]:
    """The school's own with their hours, by class and name. Raises Gone or NotAllowed."""
    await _require(work, organisation_id, Right.SEE_VOLUNTEERS)
    found = _people(work, organisation_id, year, department)
    page = await listing.of(work, found, number)
    return Slice([Own(*row) for row in page.rows], page.number, page.more)


async def take_along(work: Work, organisation_id: int) -> Organisation:
    """That the actor takes the list along is noted. Raises Gone or NotAllowed."""
    organisation = await _require(work, organisation_id, Right.SEE_VOLUNTEERS)
    subject = f"organisation:{organisation_id}"
    audit.note(work, "list.exported", subject, organisation_id=organisation_id, list="affiliates")
    return organisation


def columns(heads: Mapping[str, str]) -> list[Column]:
    """Of the spreadsheet, by headings in the reader's language; in the order of `rows`."""
    return [Column(heads[name], kind, width=20, name=name) for name, kind in OF_SHEET.items()]


async def rows(
    work: Work, organisation_id: int, year: int, department: str | None
) -> AsyncIterator[Sequence[Any]]:
    """The same for a spreadsheet: class, name, minutes of the year, minutes ever, last service.

    Raises Gone or NotAllowed.
    """
    await _require(work, organisation_id, Right.SEE_VOLUNTEERS)
    found = _people(work, organisation_id, year, department)
    async for one, name, minutes, total, last in sheets.rows_of(work, found):
        yield one.department, name, minutes, total, last


def _people(work: Work, organisation_id: int, year: int, department: str | None) -> Any:
    start, end = _year(work, year)
    within = and_(LedgerEntry.served_at >= start, LedgerEntry.served_at < end)
    return (
        select(
            Affiliation,
            Person.name,
            _served(func.coalesce(func.sum(LedgerEntry.minutes), 0), within).label("year"),
            _served(func.coalesce(func.sum(LedgerEntry.minutes), 0)).label("total"),
            _served(func.max(LedgerEntry.served_at)).label("last"),
        )
        .join(Person, Person.id == Affiliation.person_id)
        .where(*_confirmed(organisation_id, department))
        .order_by(Affiliation.department, Person.name_search, Affiliation.id)
    )


def _served(column: ColumnElement[Any], within: ColumnElement[bool] | None = None) -> Any:
    mine = LedgerEntry.person_id == Affiliation.person_id
    return (
        select(column)
        .where(mine, true() if within is None else within)
        .correlate(Affiliation)
        .scalar_subquery()
    )


def _confirmed(organisation_id: int, department: str | None) -> list[ColumnElement[bool]]:
    found = [
        Affiliation.organisation_id == organisation_id,
        Affiliation.state == AffiliationState.CONFIRMED,
        Affiliation.person_id.in_(select(Person.id).where(Person.standing == Standing.ACTIVE)),
    ]
    return found if department is None else [*found, Affiliation.department == department]


async def summary(
    work: Work, organisation_id: int, year: int, department: str | None = None
) -> Summary:
    """A year in figures, without anybody's name. Raises Gone or NotAllowed."""
    organisation = await _require(work, organisation_id, Right.SEE_VOLUNTEERS)
    parts = await _departments(work, organisation_id, year)
    if department is not None:
        parts = [part for part in parts if part.name == department]
    whole = Department(
        department or "",
        sum(part.people for part in parts),
        sum(part.served for part in parts),
        sum(part.minutes for part in parts),
        sum(part.times for part in parts),
    )
    months = await _months(work, organisation_id, year, department)
    return Summary(organisation, department, year, whole, months, parts)


async def _departments(work: Work, organisation_id: int, year: int) -> list[Department]:
    """Each person's sums first, so that whoever served often counts once."""
    start, end = _year(work, year)
    sums = (
        select(
            LedgerEntry.person_id,
            func.sum(LedgerEntry.minutes).label("minutes"),
            func.count(LedgerEntry.attendance_id.distinct()).label("times"),
        )
        .join(Affiliation, Affiliation.person_id == LedgerEntry.person_id)
        .where(
            *_confirmed(organisation_id, None),
            LedgerEntry.served_at >= start,
            LedgerEntry.served_at < end,
        )
        .group_by(LedgerEntry.person_id)
        .having(func.sum(LedgerEntry.minutes) > 0)
        .subquery()
    )
    rows = await work.session.execute(
        select(
            Affiliation.department,
            func.count(),
            func.count(sums.c.person_id),
            func.coalesce(func.sum(sums.c.minutes), 0),
            func.coalesce(func.sum(sums.c.times), 0),
        )
        .outerjoin(sums, sums.c.person_id == Affiliation.person_id)
        .where(*_confirmed(organisation_id, None))
        .group_by(Affiliation.department)
        .order_by(Affiliation.department)
    )
    return [Department(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in rows]


async def _months(work: Work, organisation_id: int, year: int, department: str | None) -> list[int]:
    start, end = _year(work, year)
    rows = await work.session.execute(
        select(LedgerEntry.served_at, func.sum(LedgerEntry.minutes))
        .join(Affiliation, Affiliation.person_id == LedgerEntry.person_id)
        .where(
            *_confirmed(organisation_id, department),
            LedgerEntry.served_at >= start,
            LedgerEntry.served_at < end,
        )
        .group_by(LedgerEntry.served_at)
    )
    months = [0] * 12
    for at, minutes in rows:
        months[at.astimezone(work.policy.zone).month - 1] += int(minutes)
    return months


def _year(work: Work, year: int) -> tuple[datetime, datetime]:
    """From midnight to midnight, local time. Raises Gone for a year that can't be meant."""
    if not FIRST_YEAR <= year <= work.today.year:
        raise Gone
    zone = work.policy.zone
    return (
        datetime(year, 1, 1, tzinfo=zone).astimezone(UTC),
        datetime(year + 1, 1, 1, tzinfo=zone).astimezone(UTC),
    )


async def of_person(work: Work, person_id: int) -> list[tuple[Affiliation, Organisation]]:
    """For the page of a volunteer that was asked for its rights: what is confirmed."""
    rows = await work.session.execute(
        select(Affiliation, Organisation)
        .join(Organisation, Organisation.id == Affiliation.organisation_id)
        .where(Affiliation.person_id == person_id, Affiliation.state == AffiliationState.CONFIRMED)
        .order_by(Affiliation.id)
    )
    return [(row[0], row[1]) for row in rows]


# Personal data and statistics


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {"affiliations": select(Affiliation).where(Affiliation.person_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """Where they belonged goes with them; the links that they made stay good."""
    await work.session.execute(delete(Affiliation).where(Affiliation.person_id == person_id))


def _joined() -> Any:
    return select(Affiliation.organisation_id, Affiliation.since, literal(1))


MEASURES = (Measure("affiliated", "kinds", _joined),)

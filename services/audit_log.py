"""Reading the audit log: what was done in the organisations that the actor answers for.

Each entry is seen with its organisation. Old ones that name none are seen by those alone who may
see the whole city's. Names are shown of people within the actor's subtrees; of others only where
they belong to, and nothing else of anybody.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from models import Activity, AuditEntry, Broadcast, Group, Organisation, Person, Project, RallyPoint
from services import access, directory, listing
from services.access import Right
from services.errors import NotAllowed
from services.work import Work

NAMED_LIKE = 200
"""As many people are looked for by a part of a name."""
MOST_EXPORTED = 20_000
AT_ONCE = 1_000
PERSON, ORGANISATION = "person", "organisation"
TITLES: Mapping[str, tuple[type[Any], str]] = {
    "activity": (Activity, "title"),
    "broadcast": (Broadcast, "title"),
    "group": (Group, "title"),
    "project": (Project, "title"),
    "rally_point": (RallyPoint, "name"),
}
"""Things that bear a name which is no person's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; whatever is empty does not narrow."""

    who: str = ""
    """A part of the name or the number of whoever acted."""
    about: str = ""
    """Of the person whom it concerns, or a thing as "activity:12"."""
    action: str = ""
    organisation_id: int | None = None
    """An organisation with all below it."""
    since: date | None = None
    until: date | None = None
    """Local days, both included."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person in the log; `name` is None where it may not be shown, "" of who was erased."""

    id: int
    name: str | None
    organisation: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is read."""

    id: int
    at: datetime
    action: str
    actor: Someone | None
    """None for the clock."""
    kind: str
    """What sort of thing it concerns."""
    key: int | None
    person: Someone | None
    names: Mapping[str, str] | None
    """Of the organisation that it concerns."""
    title: str
    organisation: Mapping[str, str] | None
    details: Mapping[str, Any]


async def each(work: Work, wanted: Wanted) -> AsyncIterator[Line]:
    """The newest `MOST_EXPORTED` lines, for a file. Raises NotAllowed."""
    for number in range(1, MOST_EXPORTED // AT_ONCE + 1):
        page = await read(work, wanted, number, per_page=AT_ONCE)
        for line in page.rows:
            yield line
        if not page.more:
            return


async def read(
    work: Work, wanted: Wanted, number: int, *, per_page: int = listing.PER_PAGE
) -> listing.Slice[Line]:
    """A page of the log, the newest first. Raises NotAllowed."""
    tops = await access.organisations_with(work, Right.SEE_AUDIT)
    if not tops:
        raise NotAllowed
    found = await listing.of(work, await _found(work, tops, wanted), number, per_page=per_page)
    keys = [row.id for row in found.rows]
    entries = await work.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.id.in_(keys))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    )
    return listing.Slice(await _read(work, tops, list(entries)), found.number, found.more)


async def _found(work: Work, tops: Sequence[Organisation], wanted: Wanted) -> Select[Any]:
    """Keys alone, so that an index answers; what is shown is read for a page."""
    conditions = [*_within(tops), *_days(work, wanted)]
    if wanted.organisation_id is not None:
        path = select(Organisation.path).where(Organisation.id == wanted.organisation_id)
        below = Organisation.path.like(path.scalar_subquery() + "%")
        conditions.append(AuditEntry.organisation_id.in_(select(Organisation.id).where(below)))
    if wanted.action:
        conditions.append(AuditEntry.action == wanted.action)
    if wanted.who:
        conditions.append(AuditEntry.actor_id.in_(await _people(work, wanted.who)))
    if wanted.about:
        conditions.append(AuditEntry.subject.in_(await _subjects(work, wanted.about)))
    return (
        select(AuditEntry.id)
        .where(*conditions)
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    )


def _within(tops: Sequence[Organisation]) -> list[ColumnElement[bool]]:
    """Nothing narrows for the whole city, which has the entries without an organisation as well."""
    if any(top.parent_id is None for top in tops):
        return []
    below = or_(*(Organisation.path.startswith(top.path, autoescape=True) for top in tops))
    return [AuditEntry.organisation_id.in_(select(Organisation.id).where(below))]


def _days(work: Work, wanted: Wanted) -> list[ColumnElement[bool]]:
    found = []
    if wanted.since is not None:
        found.append(AuditEntry.at >= _midnight(work, wanted.since))
    if wanted.until is not None:
        found.append(AuditEntry.at < _midnight(work, wanted.until + timedelta(days=1)))
    return found


def _midnight(work: Work, day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=work.policy.zone)


async def _people(work: Work, typed: str) -> list[int]:
    """Keys of the people of one's subtrees whose name, pinyin or number was typed."""
    found = await directory.matching(
        work, directory.Wanted(typed=typed[: directory.LONGEST]), Right.SEE_AUDIT
    )
    return list(await work.session.scalars(found.limit(NAMED_LIKE)))


async def _subjects(work: Work, typed: str) -> list[str]:
    kind, colon, key = typed.strip().partition(":")
    if colon and key.isdecimal():
        return [f"{kind}:{key}"]
    return [f"{PERSON}:{key}" for key in await _people(work, typed)]


# What is shown of a page


async def _read(
    work: Work, tops: Sequence[Organisation], entries: Sequence[AuditEntry]
) -> list[Line]:
    subjects = {entry.id: _subject(entry.subject) for entry in entries}
    actors = {entry.actor_id for entry in entries if entry.actor_id is not None}
    people = await _someone(work, tops, {*actors, *_of_kind(subjects.values(), PERSON)})
    concerned = _of_kind(subjects.values(), ORGANISATION)
    places = {entry.organisation_id for entry in entries if entry.organisation_id is not None}
    names = await _names(work, {*concerned, *places})
    titles = await _titles(work, subjects.values())
    lines = []
    for entry in entries:
        kind, key = subjects[entry.id]
        lines.append(
            Line(
                entry.id,
                entry.at,
                entry.action,
                people.get(entry.actor_id or 0),
                kind,
                key,
                people.get(key or 0) if kind == PERSON else None,
                names.get(key or 0) if kind == ORGANISATION else None,
                titles.get((kind, key or 0), ""),
                names.get(entry.organisation_id or 0),
                entry.details,
            )
        )
    return lines


def _subject(subject: str) -> tuple[str, int | None]:
    kind, _, key = subject.partition(":")
    return kind, int(key) if key.isdecimal() else None


def _of_kind(subjects: Iterable[tuple[str, int | None]], wanted: str) -> set[int]:
    return {key for kind, key in subjects if kind == wanted and key is not None}


async def _someone(work: Work, tops: Sequence[Organisation], keys: set[int]) -> dict[int, Someone]:
    rows = await work.session.execute(
        select(Person.id, Person.name, Organisation.path, Organisation.names)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(Person.id.in_(keys))
    )
    paths = tuple(top.path for top in tops)
    return {
        key: Someone(key, name if path.startswith(paths) or key == work.person.id else None, names)
        for key, name, path, names in rows
    }


async def _names(work: Work, keys: set[int]) -> dict[int, Mapping[str, str]]:
    rows = await work.session.execute(
        select(Organisation.id, Organisation.names).where(Organisation.id.in_(keys))
    )
    return dict(rows.all())


async def _titles(
    work: Work, subjects: Iterable[tuple[str, int | None]]
) -> dict[tuple[str, int], str]:
    """One look for each kind of thing on the page."""
    subjects = list(subjects)
    found: dict[tuple[str, int], str] = {}
    for kind, (table, column) in TITLES.items():
        if keys := _of_kind(subjects, kind):
            rows = await work.session.execute(
                select(table.id, getattr(table, column)).where(table.id.in_(keys))
            )
            found |= {(kind, key): title for key, title in rows}
    return found

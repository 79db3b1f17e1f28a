"""Rows of volunteers: what they say, who is known already, and entering who is not.

What is new fills what is empty; what somebody said themselves is never overwritten, and who can't
be told for certain is reported, never guessed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update

from models import (
    Import,
    Imported,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Standing,
)
from models.sealed import keyring
from services import approvals, audit, bulk, claiming, columns, id_numbers, signup, traits
from services.columns import CellError, Cells, Fault
from services.entering import (
    Context,
    Index,
    Known,
    Names,
    Outcome,
    Verdict,
    Who,
    known,
    met,
    read_named,
    remember,
    the_one,
    wrong,
)
from services.files import Row
from services.work import Work

TERMS: tuple[tuple[str, Any, str], ...] = (
    ("skills", PersonSkill, "skill_id"),
    ("interests", PersonInterest, "field_id"),
    ("languages", PersonLanguage, "spoken_language_id"),
)
SENSITIVE = frozenset({"phone", "id_number"})
"""What is only filled in for those who have not said anything themselves."""


@dataclass(slots=True)
class Entry:
    line: int
    who: Who
    name: str
    search: str
    phone: str | None
    id_number: str | None
    number: str | None
    birth_date: date | None
    email: str | None
    organisation_id: int
    registered_on: date | None
    terms: dict[str, list[int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def parse(context: Context, rows: Sequence[Row]) -> list[Entry]:
    """Takes some hundredths of a second: call it in a thread."""
    return [_entry(context, line, Cells(context.mapping, cells)) for line, cells in rows]


def _entry(context: Context, line: int, cells: Cells) -> Entry:
    named = read_named(context, cells)
    organisation_id = cells.read("organisation", context.organisations.find)
    return Entry(
        line,
        named.who,
        named.name,
        signup.search_of(named.name),
        named.phone,
        named.id_number,
        named.number,
        _born(context, cells, named.id_number),
        cells.read("email", columns.email),
        organisation_id or context.organisation_id,
        cells.read("registered_on", columns.past_day(context.today)),
        {
            "skills": _several(cells, "skills", context.skills),
            "interests": _several(cells, "interests", context.fields),
            "languages": _several(cells, "languages", context.languages),
        },
        cells.faults,
    )


def _born(context: Context, cells: Cells, id_number: str | None) -> date | None:
    """As the cell says, else as the ID number does; both must agree."""
    said: date | None = cells.read("birth_date", columns.past_day(context.today))
    by_id = id_numbers.birth_date(id_number) if id_number else None
    if said and by_id and said != by_id:
        cells.wrong("birth_date", "birth_and_id")
    found = said or by_id
    if found is not None:
        age = signup.age_on(found, context.today)
        if age > signup.OLDEST:
            cells.wrong("birth_date" if said else "id_number", "long_ago")
        elif age < context.policy.least_age:
            cells.wrong(
                "birth_date" if said else "id_number", "too_young", age=context.policy.least_age
            )
    return found


def _several(cells: Cells, name: str, known_terms: Names) -> list[int]:
    def parse_all(said: str) -> list[int]:
        return sorted({known_terms.find(one) for one in columns.listed(said)})

    return cells.read(name, parse_all) or []


# Who they are


async def judge(
    work: Work, context: Context, entries: Sequence[Entry], *, checking: bool
) -> list[Verdict]:
    """What becomes of each row. What is only checked is remembered for the rows further down."""
    fit = [entry.who for entry in entries if not entry.faults]
    index: Index = {}
    if checking:
        index |= await met(work, context.import_id, (key for who in fit for key in who.keys))
    index |= await known(work, fit)
    before = set(index)
    verdicts = [_judged(context, entry, index) for entry in entries]
    if checking:
        fresh = {key: one for key, one in index.items() if key not in before}
        await remember(work, context.import_id, fresh)
    return verdicts


def _judged(context: Context, entry: Entry, index: Index) -> Verdict:
    if entry.faults:
        return wrong(entry.line, entry, entry.faults)
    try:
        one = the_one(entry.who, index)
        if one is None:
            one = Known(entry.line, entry.who.name, entry.who.identity, entry=entry)
            index.update(dict.fromkeys(entry.who.keys, one))
            return Verdict(entry.line, Outcome.NEW, entry, known=one)
        if one.organisation_id is not None and one.organisation_id not in context.within:
            raise CellError("elsewhere")
    except CellError as fault:
        return wrong(entry.line, entry, [Fault(None, fault.code, fault.parameters)])
    fills = _fills(entry, one)
    outcome = Outcome.FILLED if fills else Outcome.KNOWN
    for key in entry.who.keys:
        index.setdefault(key, one)
    return Verdict(entry.line, outcome, entry, known=one, fills=fills)


def _fills(entry: Entry, one: Known) -> frozenset[str]:
    """What the row says and was not known; each thing is filled once."""
    if one.standing is not Standing.ACTIVE:
        return frozenset()
    if one.entry is not None:
        merged = _merged(entry, one.entry)
        one.identity = one.entry.who.identity
        return merged
    said = {name for name in one.empty if getattr(entry, name) is not None}
    fills = said if one.unclaimed else said - SENSITIVE
    one.empty -= fills
    if "id_number" in fills:
        one.identity = entry.who.identity
    return frozenset(fills)


def _merged(entry: Entry, first: Entry) -> frozenset[str]:
    """Two rows of one file about the same person become one."""
    fills = set()
    for name in ("phone", "id_number", "number", "birth_date", "email", "registered_on"):
        if getattr(first, name) is None and getattr(entry, name) is not None:
            setattr(first, name, getattr(entry, name))
            fills.add(name)
    first.who = Who.named(first.name, first.phone, first.id_number, first.number)
    for name, keys in entry.terms.items():
        first.terms[name] = sorted({*first.terms[name], *keys})
    return frozenset(fills)


# Entering them


async def apply(work: Work, found: Import, verdicts: Sequence[Verdict]) -> None:
    """Writes a portion; those entered are active, and nobody writes to them until they come."""
    fresh = [verdict.entry for verdict in verdicts if verdict.outcome is Outcome.NEW]
    keys = await _enter(work, found, fresh) if fresh else []
    filled = [v for v in verdicts if v.outcome is Outcome.FILLED and v.known and v.known.person_id]
    await _fill(work, filled)
    await _write_terms(work, zip(keys, fresh, strict=True))
    changed = {verdict.known.person_id for verdict in filled if verdict.known}
    await traits.renew(work, [*keys, *(key for key in changed if key)])
    if found.options.get("texts"):
        with_phone = [key for key, entry in zip(keys, fresh, strict=True) if entry.phone]
        await claiming.text(work, with_phone)


async def _enter(work: Work, found: Import, entries: Sequence[Entry]) -> list[int]:
    keys = await bulk.add(work, Person, [_row(work, entry) for entry in entries])
    await _number(
        work, [key for key, entry in zip(keys, entries, strict=True) if entry.number is None]
    )
    await work.session.execute(
        insert(Imported), [{"person_id": key, "import_id": found.id} for key in keys]
    )
    return keys


def _row(work: Work, entry: Entry) -> dict[str, Any]:
    """As the ordinary sign-up writes it, see `signup.write`."""
    since = work.now
    if entry.registered_on is not None:
        noon = datetime.combine(entry.registered_on, time(12), work.policy.zone)
        since = min(noon.astimezone(UTC), work.now)
    return {
        "number": entry.number,
        "standing": Standing.ACTIVE,
        "organisation_id": entry.organisation_id,
        "language": work.policy.default_language,
        "name": entry.name,
        "name_search": entry.search,
        "birth_date": entry.birth_date,
        "phone": entry.phone,
        "phone_hash": entry.who.phone_hash,
        "phone_verified": False,
        "email": entry.email,
        "id_number": entry.id_number,
        "id_number_hash": entry.who.id_hash,
        "applied_at": since,
        "changed_at": work.now,
        "registered_at": since,
        "decided_by_id": work.person.id,
    }


async def _number(work: Work, keys: list[int]) -> None:
    if not keys:
        return
    numbers = await approvals.free_numbers(work, keys)
    table = Person.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    await (await work.session.connection()).execute(
        update(table).where(table.c.id == bindparam("key")).values(number=bindparam("given")),
        [{"key": key, "given": given} for key, given in numbers.items()],
    )


async def _fill(work: Work, verdicts: Sequence[Verdict]) -> None:
    if not verdicts:
        return
    keys = {verdict.known.person_id for verdict in verdicts if verdict.known}
    people = {
        one.id: one for one in await work.session.scalars(select(Person).where(Person.id.in_(keys)))
    }
    for verdict in verdicts:
        person = people[(verdict.known and verdict.known.person_id) or 0]
        person.changed_at = work.now
        for name in verdict.fills:
            setattr(person, name, getattr(verdict.entry, name))
        if "phone" in verdict.fills:
            person.phone_hash = keyring().fingerprint(verdict.entry.phone)
        if "id_number" in verdict.fills:
            person.id_number_hash = keyring().fingerprint(verdict.entry.id_number)
        audit.note(
            work,
            "person.filled",
            f"person:{person.id}",
            organisation_id=person.organisation_id,
            fields=sorted(verdict.fills),
        )
    await work.session.flush()


async def _write_terms(work: Work, entered: Iterable[tuple[int, Entry]]) -> None:
    everyone = list(entered)
    for name, link, column in TERMS:
        rows = [
            {"person_id": key, column: term}
            for key, entry in everyone
            for term in entry.terms[name]
        ]
        if rows:
            await work.session.execute(insert(link), rows)

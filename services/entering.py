"""What importing any kind of row shares: what it is looked up in, and what becomes of each row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Import,
    Imported,
    ImportKey,
    Organisation,
    Person,
    ServiceField,
    Skill,
    SpokenLanguage,
    Standing,
)
from models.sealed import keyring
from services import columns, organisations
from services.columns import CellError, Cells, Fault
from services.finding import folded
from services.policy import Policy
from services.work import Work


class Outcome(StrEnum):
    NEW = "new"
    FILLED = "filled"
    """Known; something that was empty has been filled."""
    KNOWN = "known"
    """Known, and nothing is new."""
    WRONG = "wrong"


OUTCOMES = tuple(Outcome)


class Names:
    """Things by all their names and codes."""

    def __init__(self, unknown: str) -> None:
        self._unknown = unknown
        self._keys: dict[str, set[int]] = {}

    def add(self, key: int, names: Iterable[str]) -> None:
        for name in names:
            if tidy := folded(name):
                self._keys.setdefault(tidy, set()).add(key)

    def find(self, said: str) -> int:
        """Raises CellError for what nothing is called, or more than one thing."""
        keys = self._keys.get(folded(said), set())
        if len(keys) > 1:
            raise CellError("ambiguous", said=said)
        if not keys:
            raise CellError(self._unknown, said=said)
        return next(iter(keys))


@dataclass(frozen=True, slots=True)
class Context:
    """All that parsing a portion takes; nothing of it is looked up row by row."""

    import_id: int
    organisation_id: int
    mapping: Mapping[str, int]
    options: Mapping[str, Any]
    policy: Policy
    today: date
    organisations: Names
    within: frozenset[int]
    """The organisations into which the rows may go."""
    skills: Names
    fields: Names
    languages: Names
    default_field: int


async def context(work: Work, found: Import) -> Context:
    top = await work.session.get_one(Organisation, found.organisation_id)
    places, within = Names("organisation_unknown"), set()
    rows = await work.session.execute(
        select(Organisation.id, Organisation.code, Organisation.names, Organisation.place).where(
            organisations.within(top.path), organisations.IS_OPEN
        )
    )
    for key, code, names, place in rows:
        within.add(key)
        places.add(key, {code, *names.values(), *(place or {}).values()})
    terms = {}
    for kind in (Skill, ServiceField, SpokenLanguage):
        terms[kind] = Names("term_unknown")
        for key, code, names in await work.session.execute(
            select(kind.id, kind.code, kind.names).order_by(kind.position, kind.id)
        ):
            terms[kind].add(key, {code, *names.values()})
    first = select(ServiceField.id).order_by(ServiceField.position, ServiceField.id).limit(1)
    default = found.options.get("field") or await work.session.scalar(first)
    return Context(
        found.id,
        found.organisation_id,
        {name: at for at, name in enumerate(found.mapping) if name},
        found.options,
        work.policy,
        work.today,
        places,
        frozenset(within),
        terms[Skill],
        terms[ServiceField],
        terms[SpokenLanguage],
        int(default or 0),
    )


# Who is who


def mark(kind: str, value: str) -> int:
    """63 bits of the keyed hash of something that names somebody; the same whatever is rotated."""
    return int(keyring().lasting(f"{kind}:{value}")[:16], 16) >> 1


@dataclass(slots=True)
class Who:
    """By what a row names somebody. Hashes are those of `Person`, marks those of `mark`."""

    name: int
    phone_hash: str | None = None
    id_hash: str | None = None
    number: str | None = None

    @classmethod
    def named(
        cls, name: str, phone: str | None, id_number: str | None, number: str | None
    ) -> "Who":
        ring = keyring()
        return cls(
            mark("name", folded(name)),
            ring.fingerprint(phone) if phone else None,
            ring.fingerprint(id_number) if id_number else None,
            number,
        )

    @property
    def keys(self) -> tuple[int, ...]:
        found = (("phone", self.phone_hash), ("id", self.id_hash), ("number", self.number))
        return tuple(mark(kind, value) for kind, value in found if value)

    @property
    def identity(self) -> int | None:
        return mark("id", self.id_hash) if self.id_hash else None


@dataclass(frozen=True, slots=True)
class Named:
    """What a row says by which its person is known."""

    who: Who
    name: str
    phone: str | None
    id_number: str | None
    number: str | None


def read_named(context: Context, cells: Cells) -> Named:
    """A name, and one of phone, ID number and volunteer number, are needed."""
    cells.require("name")
    name = cells.read("name", columns.person_name) or ""
    phone = cells.read("phone", columns.phone(context.policy.country))
    id_number = cells.read("id_number", columns.id_number)
    number = cells.read("number", columns.number)
    if not cells.faults and not (phone or id_number or number):
        cells.wrong(None, "nothing_to_know_by")
    return Named(Who.named(name, phone, id_number, number), name, phone, id_number, number)


@dataclass(slots=True)
class Known:
    """Somebody of the database or further up in the file; `owner` tells them apart.

    It is the line where they stand first, or the negative of a person's key.
    """

    owner: int
    name: int
    identity: int | None
    standing: Standing = Standing.ACTIVE
    organisation_id: int | None = None
    unclaimed: bool = True
    """Entered out of a file, and nobody has come for it; has said nothing themselves."""
    empty: set[str] = field(default_factory=set)
    entry: Any = None
    """The row itself, while it is not written yet."""

    @property
    def person_id(self) -> int | None:
        return -self.owner if self.owner < 0 else None


Index = dict[int, Known]
"""By the marks of what names them."""


async def known(work: Work, people: Sequence[Who]) -> Index:
    """Those of the database."""
    by: tuple[tuple[Any, set[str]], ...] = (
        (Person.phone_hash, {who.phone_hash for who in people if who.phone_hash}),
        (Person.id_number_hash, {who.id_hash for who in people if who.id_hash}),
        (Person.number, {who.number for who in people if who.number}),
    )
    which: list[ColumnElement[bool]] = [column.in_(values) for column, values in by if values]
    if not which:
        return {}
    rows = await work.session.execute(
        select(
            Person.id, Person.name, Person.phone_hash, Person.id_number_hash, Person.number,
            Person.standing, Person.organisation_id, Person.birth_date, Person.email.is_(None),
            Imported.person_id, Imported.claimed_at,
        )
        .outerjoin(Imported, Imported.person_id == Person.id)
        .where(or_(*which))
    )  # fmt: skip
    index: Index = {}
    for row in rows:
        who = Who(mark("name", folded(row[1])), row[2], row[3], row[4])
        given = {"phone": row[2], "id_number": row[3], "birth_date": row[7]}
        found = Known(
            -row[0], who.name, who.identity, row[5], row[6],
            unclaimed=row[9] is not None and row[10] is None,
            empty={name for name, value in given.items() if value is None}
            | ({"email"} if row[8] else set()),
        )  # fmt: skip
        index.update(dict.fromkeys(who.keys, found))
    return index


async def met(work: Work, import_id: int, keys: Iterable[int]) -> Index:
    """Those further up in a file that is only being checked."""
    rows = await work.session.scalars(
        select(ImportKey).where(ImportKey.import_id == import_id, ImportKey.key.in_(set(keys)))
    )
    return {row.key: Known(row.line, row.name, row.identity) for row in rows}


async def remember(work: Work, import_id: int, index: Index) -> None:
    """Whom the rows further down may be."""
    rows = [
        {
            "import_id": import_id,
            "key": key,
            "line": one.owner,
            "name": one.name,
            "identity": one.identity,
        }
        for key, one in sorted(index.items())
    ]
    if rows:
        dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
        statement = dialect.insert(ImportKey.__table__).on_conflict_do_nothing()
        await work.session.execute(statement, rows)


def the_one(who: Who, index: Index) -> Known | None:
    """Whom a row means; None if nobody yet. Raises CellError where it can't be told for certain."""
    found = {one.owner: one for key in who.keys if (one := index.get(key))}
    if len(found) > 1:
        raise CellError("two_people", lines=sorted(owner for owner in found if owner > 0))
    for one in found.values():
        if one.name != who.name:
            raise CellError("other_name", line=max(one.owner, 0))
        if who.identity and one.identity and who.identity != one.identity:
            raise CellError("other_id", line=max(one.owner, 0))
        return one
    return None


@dataclass(slots=True)
class Verdict:
    """What becomes of a row; `entry` is what it says, of the kind's own type."""

    line: int
    outcome: Outcome
    entry: Any
    faults: list[Fault] = field(default_factory=list)
    known: Known | None = None
    fills: frozenset[str] = frozenset()


def wrong(line: int, entry: Any, faults: Iterable[Fault]) -> Verdict:
    return Verdict(line, Outcome.WRONG, entry, list(faults))

"""Rows of organisations: each under one that is there already or stands further up."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from models import Import, Organisation, OrganisationKind
from services import audit, columns, organisations
from services.columns import CellError, Cells, Fault
from services.entering import (
    Context,
    Index,
    Known,
    Outcome,
    Verdict,
    mark,
    met,
    remember,
    wrong,
)
from services.files import Row
from services.finding import folded
from services.work import Work

CODE, NAME = 64, 60
"""Characters."""
Kinds = dict[int, OrganisationKind]
"""Of the organisations that are there, by their keys."""
FILLABLE = ("place", "latitude", "longitude")


@dataclass(slots=True)
class Entry:
    line: int
    code: str
    names: dict[str, str]
    kind: OrganisationKind | None
    parent: str
    place: dict[str, str] | None
    latitude: float | None
    longitude: float | None
    faults: list[Fault] = field(default_factory=list)


def parse(context: Context, rows: Sequence[Row]) -> list[Entry]:
    return [_entry(context, line, Cells(context.mapping, cells)) for line, cells in rows]


def _entry(context: Context, line: int, cells: Cells) -> Entry:
    cells.require("name")
    cells.require("kind")
    kind = cells.read("kind", columns.organisation_kind)
    if kind == OrganisationKind.FEDERATION:
        cells.wrong("kind", "second_federation")
    language = context.policy.default_language
    names = {
        language: cells.read("name", columns.bounded(NAME)) or "",
        "en": cells.read("name_en", columns.bounded(NAME)) or "",
    }
    place = cells.read("place", columns.bounded(NAME))
    latitude = cells.read("latitude", columns.degrees(90))
    longitude = cells.read("longitude", columns.degrees(180))
    if not cells.faults and (latitude is None) != (longitude is None):
        cells.wrong("latitude" if latitude is None else "longitude", "missing")
    return Entry(
        line,
        cells.read("code", columns.bounded(CODE)) or "",
        {name: said for name, said in names.items() if said},
        OrganisationKind(kind) if kind else None,
        cells.read("parent", columns.bounded(CODE)) or "",
        {language: place} if place else None,
        latitude,
        longitude,
        cells.faults,
    )


# What is there


async def judge(
    work: Work, context: Context, entries: Sequence[Entry], *, checking: bool
) -> list[Verdict]:
    """What becomes of each row; organisations are few, so all of the subtree are looked up."""
    index = await _index(work, context)
    kinds = await _kinds(work, context)
    if checking:
        names = {key for entry in entries for key in _own_keys(entry) + _parent_keys(entry)}
        index = await met(work, context.import_id, names) | index
    before = set(index)
    verdicts = [_judged(context, entry, index, kinds) for entry in entries]
    if checking:
        fresh = {key: one for key, one in index.items() if key not in before}
        await remember(work, context.import_id, fresh)
    return verdicts


async def _index(work: Work, context: Context) -> Index:
    """By code, by name, and by the name under its parent; a name that two bear says nothing."""
    index: Index = {}
    for key, code in await work.session.execute(select(Organisation.id, Organisation.code)):
        index[_by_code(code)] = Known(-key, 0, None)
    twice: set[int] = set()
    within = Organisation.id.in_(context.within)
    for row in await work.session.scalars(select(Organisation).where(within)):
        one = Known(
            -row.id, 0, None, organisation_id=row.id,
            empty={name for name in FILLABLE if getattr(row, name) is None},
        )  # fmt: skip
        index[_by_code(row.code)] = one
        for said in {folded(said) for said in (row.code, *row.names.values())}:
            key = mark("organisation", said)
            twice |= {key} & set(index)
            index[key] = one
        for said in row.names.values():
            index[_under(-(row.parent_id or 0), said)] = one
    return {key: one for key, one in index.items() if key not in twice}


async def _kinds(work: Work, context: Context) -> Kinds:
    rows = await work.session.execute(
        select(Organisation.id, Organisation.kind).where(Organisation.id.in_(context.within))
    )
    return {row[0]: row[1] for row in rows}


def _by_code(code: str) -> int:
    return mark("code", folded(code))


def _under(parent: int, name: str) -> int:
    return mark("under", f"{parent}:{folded(name)}")


def _own_keys(entry: Entry) -> list[int]:
    said = {folded(said) for said in (entry.code, *entry.names.values()) if said}
    names = [mark("organisation", one) for one in sorted(said)]
    return [*names, _by_code(entry.code)] if entry.code else names


def _parent_keys(entry: Entry) -> list[int]:
    return [mark("organisation", folded(entry.parent))] if entry.parent else []


def _judged(context: Context, entry: Entry, index: Index, kinds: Kinds) -> Verdict:
    """`Verdict.known` is the parent of a new one, else the organisation itself."""
    if entry.faults:
        return wrong(entry.line, entry, entry.faults)
    try:
        parent = _parent(context, entry, index)
        one = _same(entry, parent, index)
    except CellError as fault:
        return wrong(entry.line, entry, [Fault(None, fault.code, fault.parameters)])
    if one is None:
        # What stands further up in the file is no federation, and all others are alike in this.
        above = kinds.get(-parent.owner, OrganisationKind.TOWN_ASSOCIATION)
        if entry.kind not in organisations.kinds_below(above):
            return wrong(entry.line, entry, [Fault(context.mapping.get("kind"), "kind_below")])
        one = Known(entry.line, 0, None)
        for key in [*_own_keys(entry), *(_under(parent.owner, n) for n in entry.names.values())]:
            index.setdefault(key, one)
        return Verdict(entry.line, Outcome.NEW, entry, known=parent)
    fills = frozenset(name for name in one.empty if getattr(entry, name) is not None)
    one.empty -= fills
    outcome = Outcome.FILLED if fills else Outcome.KNOWN
    return Verdict(entry.line, outcome, entry, known=one, fills=fills)


def _parent(context: Context, entry: Entry, index: Index) -> Known:
    """Raises CellError; who names none stands right under the organisation of the import."""
    if not entry.parent:
        return Known(-context.organisation_id, 0, None)
    found = index.get(mark("organisation", folded(entry.parent)))
    if found is None:
        raise CellError("parent_unknown", said=entry.parent)
    return found


def _same(entry: Entry, parent: Known, index: Index) -> Known | None:
    """By its code, else by its name under the same parent. Raises CellError for a foreign code."""
    if entry.code:
        found = index.get(_by_code(entry.code))
        if found is not None and found.owner < 0 and found.organisation_id is None:
            raise CellError("code_elsewhere")
        return found
    names = (index.get(_under(parent.owner, said)) for said in entry.names.values())
    return next((one for one in names if one is not None), None)


# Founding them


async def apply(work: Work, found: Import, verdicts: Sequence[Verdict]) -> None:
    """Each in turn: its place in the tree needs the key of the one above."""
    made: dict[int, Organisation] = {}
    for verdict in verdicts:
        if verdict.known is None or verdict.outcome is Outcome.WRONG:
            continue
        above_or_same = await _at(work, made, verdict.known.owner)
        if verdict.outcome is Outcome.NEW:
            made[verdict.line] = await _found(work, found, verdict, above_or_same)
            continue
        for name in verdict.fills:
            setattr(above_or_same, name, getattr(verdict.entry, name))
    await work.session.flush()


async def _at(work: Work, made: dict[int, Organisation], owner: int) -> Organisation:
    """By `Known.owner`: a line of this portion, or the negative of a key."""
    if owner > 0:
        return made[owner]
    return await work.session.get_one(Organisation, -owner)


async def _found(work: Work, found: Import, verdict: Verdict, parent: Organisation) -> Organisation:
    entry: Entry = verdict.entry
    organisation = Organisation(
        code=entry.code or f"import-{found.id}-{entry.line}",
        kind=entry.kind,
        parent_id=parent.id,
        names=entry.names,
        place=entry.place,
        latitude=entry.latitude,
        longitude=entry.longitude,
    )
    work.session.add(organisation)
    await work.session.flush()
    organisation.path = f"{parent.path}{organisation.id}."
    audit.note(
        work,
        "organisation.imported",
        f"organisation:{organisation.id}",
        organisation_id=organisation.id,
    )
    return organisation

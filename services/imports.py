"""Importing, as people do it: send a file, say what its columns are, have it checked, let it go.

What the clock does with it meanwhile is in `services.importing`. Coordinators import into their own
subtree.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from models import (
    Import,
    ImportKind,
    ImportPiece,
    ImportPortion,
    ImportState,
    Organisation,
    ServiceField,
)
from services import access, audit, columns, files, importing
from services.access import Right
from services.columns import Fault
from services.entering import OUTCOMES
from services.errors import Gone, NotAllowed, Refusal
from services.files import MEGABYTE
from services.work import Work

PAGE = 20
PIECE = 512 * 1024
"""Bytes of a file that are kept at a time."""
SETTLED = (ImportState.MAPPING, ImportState.CHECKED)
MOVING = importing.ACTIVE


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row at fault; `cells` as in the file, under the headings of `Import.head`."""

    line: int
    cells: list[str]
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the present state has come, in rows."""

    state: ImportState
    done: int
    rows: int
    counts: dict[str, int]

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done // max(1, self.rows))


async def kinds(work: Work) -> list[ImportKind]:
    """What the actor may import somewhere."""
    held = await access.rights(work)
    return [kind for kind in ImportKind if held.issuperset(importing.rights_for(kind))]


# Sending a file


async def begin(work: Work, kind: ImportKind, organisation_id: int, filename: str) -> Import:
    """An import whose pieces follow. Raises NotAllowed."""
    if not await importing.may(work, kind, organisation_id):
        raise NotAllowed
    found = Import(
        kind=kind,
        state=ImportState.UPLOADING,
        organisation_id=organisation_id,
        author_id=work.person.id,
        filename=filename[-200:],
        created_at=work.now,
    )
    work.session.add(found)
    await work.session.flush()
    audit.note(
        work,
        "import.begun",
        f"import:{found.id}",
        organisation_id=organisation_id,
        kind=kind.value,
    )
    return found


async def add_piece(work: Work, import_id: int, number: int, piece: bytes) -> None:
    """Keeps the next piece of the file, sealed. Raises Gone, NotAllowed or Refusal."""
    found = await own(work, import_id)
    if found.state is not ImportState.UPLOADING:
        raise Gone
    found.size += len(piece)
    if found.size > work.policy.import_megabytes * MEGABYTE:
        raise Refusal("import_too_large", most=work.policy.import_megabytes)
    content = files.seal(piece)
    work.session.add(ImportPiece(import_id=import_id, number=number, content=content))
    await work.session.flush()


async def sent(work: Work, import_id: int) -> None:
    """The file is complete. Raises Gone, NotAllowed or Refusal("import_empty")."""
    found = await own(work, import_id)
    if found.state is not ImportState.UPLOADING:
        raise Gone
    if not found.size:
        raise Refusal("import_empty")
    found.state = ImportState.READING


async def own(work: Work, import_id: int) -> Import:
    """To change it: held until the transaction ends. Raises Gone, or NotAllowed as `begin`."""
    found = await seen(work, import_id)
    if not await importing.may(work, found.kind, found.organisation_id):
        raise NotAllowed
    held = select(Import).where(Import.id == import_id).with_for_update()
    return (await work.session.scalars(held.execution_options(populate_existing=True))).one()


# Looking


async def seen(work: Work, import_id: int) -> Import:
    """Waits for nobody. Raises Gone, or NotAllowed for an import of another subtree."""
    found = await work.session.get(Import, import_id)
    if found is None:
        raise Gone
    await access.require(work, Right.IMPORT, found.organisation_id)
    return found


async def listed(work: Work, page: int = 0) -> tuple[list[tuple[Import, Organisation]], int]:
    """The imports that the actor may see, the newest first, with how many there are."""
    reach = await access.within_reach(work, Right.IMPORT, Import.organisation_id)
    rows = await work.session.execute(
        select(Import, Organisation)
        .join(Organisation, Organisation.id == Import.organisation_id)
        .where(reach)
        .order_by(Import.id.desc())
        .offset(page * PAGE)
        .limit(PAGE)
    )
    count = await work.session.scalar(select(func.count()).select_from(Import).where(reach))
    return [(row[0], row[1]) for row in rows], count or 0


async def progress(work: Work, import_id: int) -> Progress:
    """Raises Gone or NotAllowed."""
    found = await seen(work, import_id)
    done = min(found.position * files.PORTION, found.rows)
    counts = {outcome.value: found.counts.get(outcome.value, 0) for outcome in OUTCOMES}
    return Progress(found.state, done, found.rows, counts)


async def wrong_rows(work: Work, import_id: int, page: int = 0) -> tuple[list[Wrong], int]:
    """A page of rows at fault, and how many there are. Raises Gone or NotAllowed."""
    await seen(work, import_id)
    of = ImportPortion.import_id == import_id
    counts = await work.session.execute(
        select(ImportPortion.number, ImportPortion.faulty)
        .where(of, ImportPortion.faulty > 0)
        .order_by(ImportPortion.number)
    )
    first, total = page * PAGE, 0
    wanted: list[int] = []
    skipped = 0
    for number, faulty in counts:
        if total + faulty <= first:
            skipped += faulty
        elif total < first + PAGE:
            wanted.append(number)
        total += faulty
    found: list[Wrong] = []
    portions = await work.session.scalars(
        select(ImportPortion)
        .where(of, ImportPortion.number.in_(wanted))
        .order_by(ImportPortion.number)
    )
    for portion in portions:
        found += [one for one in _rows(portion) if one.faults]
    return found[first - skipped : first - skipped + PAGE], total


async def taken_along(work: Work, import_id: int) -> Import:
    """Before its rows are handed out, which is noted. Raises Gone or NotAllowed."""
    found = await seen(work, import_id)
    audit.note(work, "import.fetched", f"import:{found.id}", organisation_id=found.organisation_id)
    return found


async def rows(work: Work, import_id: int, *, only_wrong: bool) -> AsyncIterator[Wrong]:
    """The rows as they were sent, in their order, with what is wrong with each.

    Raises Gone or NotAllowed.
    """
    await seen(work, import_id)
    numbers = await work.session.scalars(
        select(ImportPortion.number)
        .where(
            ImportPortion.import_id == import_id,
            ImportPortion.faulty >= (1 if only_wrong else 0),
        )
        .order_by(ImportPortion.number)
    )
    for number in numbers.all():
        portion = await work.session.get_one(ImportPortion, (import_id, number))
        for row in _rows(portion):
            if row.faults or not only_wrong:
                yield row
        work.session.expunge(portion)


def _rows(portion: ImportPortion) -> list[Wrong]:
    faults: dict[int, list[Fault]] = {}
    for line, column, code, parameters in files.unpacked(portion.faults):
        faults.setdefault(line, []).append(Fault(column, code, parameters))
    return [
        Wrong(line, cells, faults.get(line, [])) for line, cells in files.rows_of(portion.content)
    ]


# Deciding


async def check(
    work: Work, import_id: int, mapping: Sequence[str], options: Mapping[str, Any]
) -> Import:
    """Begins the dry run with what each column is said to be. Raises Gone, NotAllowed, Refusal."""
    found = await own(work, import_id)
    if found.state not in SETTLED or not found.portions:
        raise Refusal("import_not_now")
    found.mapping = columns.checked_mapping(found.kind, mapping)
    found.options = await _checked_options(work, options)
    await importing.begin(work, found, ImportState.CHECKING)
    return found


async def _checked_options(work: Work, options: Mapping[str, Any]) -> dict[str, Any]:
    """Text messages only where it is said that the people were told of it."""
    texts = bool(options.get("texts"))
    if texts and not options.get("told"):
        raise Refusal("import_not_told")
    kept: dict[str, Any] = {"texts": texts}
    if options.get("field"):
        field = await work.session.get(ServiceField, int(options["field"]))
        if field is None:
            raise Gone
        kept["field"] = field.id
    return kept


async def go(work: Work, import_id: int) -> Import:
    """Lets it run, from the beginning or where it was stopped. Raises Gone, NotAllowed, Refusal."""
    found = await own(work, import_id)
    if not found.portions:
        raise Refusal("import_not_now")
    if found.state is ImportState.STOPPED and found.started_at is not None:
        found.state, found.finished_at, found.refusal = ImportState.RUNNING, None, None
    elif found.state is ImportState.CHECKED:
        await importing.begin(work, found, ImportState.RUNNING)
        found.started_at = work.now
    else:
        raise Refusal("import_not_now")
    audit.note(work, "import.started", f"import:{found.id}", organisation_id=found.organisation_id)
    return found


async def stop(work: Work, import_id: int) -> Import:
    """What is done stays; a dry run goes back to its columns. Raises Gone, NotAllowed, Refusal."""
    found = await own(work, import_id)
    if found.state is ImportState.CHECKING:
        found.state = ImportState.MAPPING
    elif found.state is ImportState.RUNNING:
        found.state, found.finished_at = ImportState.STOPPED, work.now
    else:
        raise Refusal("import_not_now")
    audit.note(work, "import.stopped", f"import:{found.id}", organisation_id=found.organisation_id)
    return found


async def erase(work: Work, import_id: int) -> None:
    """Drops what is left of the file, rows at fault included. Raises Gone, NotAllowed, Refusal."""
    found = await own(work, import_id)
    if found.state in MOVING:
        raise Refusal("import_not_now")
    await importing.forget(work, import_id)
    if found.state in (*SETTLED, ImportState.UPLOADING):
        found.state, found.finished_at = ImportState.STOPPED, work.now
    audit.note(work, "import.erased", f"import:{found.id}", organisation_id=found.organisation_id)

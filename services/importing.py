"""What the clock does with imports: reads a file, checks its rows, applies them, forgets it.

All in portions: the position is committed with each, so that after a restart it goes on where it
stood and does nothing twice. What takes long (reading, parsing, opening seals) is done beforehand,
in a reading transaction and in threads, so that neither the bot nor an emergency waits.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from models import (
    Import,
    ImportKey,
    ImportKind,
    ImportPiece,
    ImportPortion,
    ImportState,
    Person,
)
from services import (
    access,
    audit,
    columns,
    entering,
    files,
    imported_hours,
    imported_organisations,
    imported_people,
    resealing,
)
from services.access import Right
from services.entering import Context, Outcome, Verdict
from services.errors import Refusal
from services.files import Row
from services.work import Work

log = logging.getLogger(__name__)

KINDS: dict[ImportKind, Any] = {
    ImportKind.VOLUNTEERS: imported_people,
    ImportKind.ORGANISATIONS: imported_organisations,
    ImportKind.HOURS: imported_hours,
}
ACTIVE = (ImportState.READING, ImportState.CHECKING, ImportState.RUNNING)
FAILED = "import_failed"
"""`Import.refusal` where something went wrong that is no fault of the file."""
KEYS_AT_ONCE = 5000
ABANDONED = timedelta(days=1)
"""After which an upload that broke off is dropped."""


@dataclass(slots=True)
class Step:
    """What is to be done next with an import, prepared; `number` is the portion."""

    import_id: int
    state: ImportState
    number: int
    read: files.Read | None = None
    refusal: str | None = None
    rows: Sequence[Row] = ()
    head: columns.Head | None = None
    context: Context | None = None
    entries: Sequence[Any] = ()


def rights_for(kind: ImportKind) -> tuple[Right, ...]:
    """What it takes to import this; who founds organisations by a file manages them."""
    if kind is ImportKind.ORGANISATIONS:
        return (Right.IMPORT, Right.MANAGE_ORGANISATIONS)
    return (Right.IMPORT,)


async def may(work: Work, kind: ImportKind, organisation_id: int) -> bool:
    for right in rights_for(kind):
        if not await access.may(work, right, organisation_id):
            return False
    return True


# Looking ahead


async def prepare(work: Work) -> Step | None:
    """The next step of the import that is under way longest, with all that can be done before.

    While none is, of one whose keys are of no more use. None as well while keyed hashes are being
    renewed, by which it compares.
    """
    if await resealing.is_under_way(work.session):
        return None
    found = await work.session.scalar(
        select(Import).where(Import.state.in_(ACTIVE)).order_by(Import.id).limit(1)
    )
    if found is None:
        return await _with_keys(work)
    step = Step(found.id, found.state, found.position)
    try:
        if found.state is ImportState.READING:
            await _read(work, found, step)
        elif found.position < found.portions:
            await _parse(work, found, step)
    except Exception as fault:
        _note_failure(step, fault)
    return step


async def _with_keys(work: Work) -> Step | None:
    first = await work.session.scalar(select(func.min(ImportKey.import_id)))
    if first is None:
        return None
    found = await work.session.get_one(Import, first)
    return Step(found.id, found.state, found.position)


def _note_failure(step: Step, fault: Exception) -> None:
    """Raises it again if it is the database's passing trouble, in which trying anew helps."""
    if isinstance(fault, DBAPIError) and not isinstance(fault, DataError | IntegrityError):
        raise fault
    log.error("import %d failed at portion %d", step.import_id, step.number, exc_info=fault)
    step.refusal = FAILED


async def _read(work: Work, found: Import, step: Step) -> None:
    pieces = await work.session.scalars(
        select(ImportPiece.content)
        .where(ImportPiece.import_id == found.id)
        .order_by(ImportPiece.number)
    )
    content = await asyncio.to_thread(_joined, pieces.all())
    try:
        step.read = await files.read(content, work.policy.import_rows)
        first = await asyncio.to_thread(files.rows_of, step.read.portions[0])
        step.head = columns.propose(found.kind, first)
    except Refusal as refusal:
        step.refusal = refusal.code


def _joined(pieces: Sequence[bytes]) -> bytes:
    return b"".join(files.opened(piece) for piece in pieces)


async def _parse(work: Work, found: Import, step: Step) -> None:
    portion = await work.session.get_one(ImportPortion, (found.id, found.position))
    step.context = await entering.context(work, found)
    head = (found.head or {}).get("line", 0)
    step.rows, step.entries = await asyncio.to_thread(
        _opened, found.kind, step.context, portion.content, head
    )


def _opened(
    kind: ImportKind, context: Context, content: bytes, head: int
) -> tuple[list[Row], list[Any]]:
    rows = [row for row in files.rows_of(content) if row[0] > head]
    return rows, KINDS[kind].parse(context, rows)


# Going on


async def advance(work: Work, step: Step | None) -> int:
    """Does what was prepared, unless it has been done or stopped meanwhile; answers how many rows.

    0 means that nothing is left to do at once.
    """
    if step is None:
        return 0
    found = await work.session.scalar(
        select(Import)
        .where(
            Import.id == step.import_id,
            Import.state == step.state,
            Import.position == step.number,
        )
        .with_for_update()
    )
    if found is None:
        return 1
    if found.state not in ACTIVE:
        return await _drop_keys(work, found.id)
    author = await work.session.get_one(Person, found.author_id)
    work = work.acting_as(author)
    if not await may(work, found.kind, found.organisation_id):
        _end(work, found, ImportState.STOPPED)
        return 1
    if step.refusal != FAILED:
        try:
            async with work.session.begin_nested():
                return await _do(work, found, step)
        except Exception as fault:  # what is wrong with one import must not keep the others waiting
            _note_failure(step, fault)
            await work.session.refresh(found)
    _fail(work, found)
    return 1


def _fail(work: Work, found: Import) -> None:
    """What is applied stays; a dry run goes back to its columns."""
    found.refusal = FAILED
    if found.state is ImportState.CHECKING:
        found.state = ImportState.MAPPING
    elif found.state is ImportState.RUNNING:
        _end(work, found, ImportState.STOPPED)
    else:
        _end(work, found, ImportState.REFUSED)


async def _do(work: Work, found: Import, step: Step) -> int:
    if found.state is ImportState.READING:
        return await _keep(work, found, step)
    if step.number >= found.portions:
        await _finish(work, found)
        return 1
    return await _go_on(work, found, step)


async def _keep(work: Work, found: Import, step: Step) -> int:
    """The rows take the place of the file."""
    await _delete(work, ImportPiece, found.id)
    if step.read is None or step.head is None:
        found.refusal = step.refusal
        _end(work, found, ImportState.REFUSED)
        return 1
    await work.session.execute(
        insert(ImportPortion),
        [
            {"import_id": found.id, "number": number, "content": content}
            for number, content in enumerate(step.read.portions)
        ],
    )
    head = step.head
    found.rows, found.portions = step.read.rows, len(step.read.portions)
    found.head = {"line": head.line, "cells": head.cells, "sample": head.sample}
    found.mapping = head.mapping
    found.state = ImportState.MAPPING
    return found.rows


async def _go_on(work: Work, found: Import, step: Step) -> int:
    assert step.context is not None  # noqa: S101 - prepared with each portion
    module = KINDS[found.kind]
    checking = found.state is ImportState.CHECKING
    verdicts = await module.judge(work, step.context, step.entries, checking=checking)
    if not checking:
        await module.apply(work, found, verdicts)
    counts = Counter(found.counts) + Counter(verdict.outcome.value for verdict in verdicts)
    found.counts = dict(counts)
    found.position += 1
    await _note(work, found, step, verdicts, checking=checking)
    return len(verdicts)


async def _note(
    work: Work, found: Import, step: Step, verdicts: Sequence[Verdict], *, checking: bool
) -> None:
    """Keeps what is wrong; of what is applied, nothing else is kept of the rows."""
    wrong = {v.line: v.faults for v in verdicts if v.outcome is Outcome.WRONG}
    told = [[line, f.column, f.code, f.parameters] for line, all_ in wrong.items() for f in all_]
    values: dict[str, Any] = {"faulty": len(wrong), "faults": None}
    if told:
        values["faults"] = await asyncio.to_thread(files.packed, told)
    which = (ImportPortion.import_id == found.id, ImportPortion.number == step.number)
    if checking or wrong:
        if not checking:
            left = [row for row in step.rows if row[0] in wrong]
            values["content"] = await asyncio.to_thread(files.packed, left)
        statement: Any = update(ImportPortion).where(*which).values(values)
    else:
        statement = delete(ImportPortion).where(*which)
    await work.session.execute(statement.execution_options(synchronize_session=False))


async def begin(work: Work, found: Import, state: ImportState) -> None:
    """From the first portion on, with nothing known of any row."""
    found.state, found.position, found.counts, found.refusal = state, 0, {}, None
    if state is ImportState.CHECKING:
        await _delete(work, ImportKey, found.id)  # what `advance` has left of the check before
    await work.session.execute(
        update(ImportPortion)
        .where(ImportPortion.import_id == found.id)
        .values(faults=None, faulty=0)
        .execution_options(synchronize_session=False)
    )


async def _finish(work: Work, found: Import) -> None:
    if found.state is ImportState.CHECKING:
        found.state = ImportState.CHECKED
        return
    _end(work, found, ImportState.DONE)
    audit.note(
        work,
        "import.done",
        f"import:{found.id}",
        organisation_id=found.organisation_id,
        **found.counts,
    )


def _end(work: Work, found: Import, state: ImportState) -> None:
    found.state = state
    found.finished_at = work.now


async def tidy_up(work: Work) -> int:
    """Sweep: drops files that nobody finished sending, and rows at fault kept long enough."""
    kept = work.now - timedelta(days=work.policy.import_keep_days)
    old = await work.session.scalars(
        select(Import.id).where(
            Import.created_at < kept,
            Import.id.in_(select(ImportPortion.import_id).distinct()),
        )
    )
    erased = old.all()
    for import_id in erased:
        await forget(work, import_id)
    broken = await work.session.scalars(
        select(Import).where(
            Import.state == ImportState.UPLOADING, Import.created_at < work.now - ABANDONED
        )
    )
    for found in broken.all():
        await forget(work, found.id)
        _end(work, found, ImportState.STOPPED)
    return len(erased)


async def forget(work: Work, import_id: int) -> None:
    """Erases all that is left of what a file said; `advance` drops its keys, which say nothing."""
    for table in (ImportPiece, ImportPortion):
        await _delete(work, table, import_id)
    await work.session.execute(
        update(Import)
        .where(Import.id == import_id)
        .values(head=None, portions=0)
        .execution_options(synchronize_session="fetch")
    )


async def _drop_keys(work: Work, import_id: int) -> int:
    """Some of them: there may be millions, and others write as well."""
    of = ImportKey.import_id == import_id
    some = select(ImportKey.key).where(of).limit(KEYS_AT_ONCE)
    await work.session.execute(
        delete(ImportKey)
        .where(of, ImportKey.key.in_(some))
        .execution_options(synchronize_session=False)
    )
    return 1


async def _delete(work: Work, table: Any, import_id: int) -> None:
    await work.session.execute(
        delete(table)
        .where(table.import_id == import_id)
        .execution_options(synchronize_session=False)
    )

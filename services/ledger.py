"""The ledger of confirmed hours: the only file that adds to it, and the one that verifies it.

An entry is never changed. What must change is a further entry that names the one it corrects. Each
entry carries the hash of the one before it in its organisation's chain.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models import Attendance, EntryKind, HoursState, LedgerEntry, Organisation
from services import bulk, traits
from services.work import Work

COLUMNS = tuple(column.name for column in LedgerEntry.__table__.columns if column.name != "id")
BATCH = 1000
"""Entries that are held in memory while a chain is verified."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be recorded: a confirmation, or the correction of the entry `corrects_id`."""

    person_id: int
    attendance_id: int
    field_id: int
    minutes: int
    served_at: datetime
    corrects_id: int | None = None


async def append(work: Work, organisation_id: int, drafts: Sequence[Draft]) -> None:
    """Adds entries to the end of the organisation's chain, in the actor's name.

    The first UPDATE makes whoever else appends to this chain wait for the end of the transaction,
    so that no two entries ever follow the same one. Raises ValueError for a draft that records
    nothing, NotAllowed without an actor.
    """
    if not drafts:
        return
    length, head = (
        await work.session.execute(
            update(Organisation)
            .where(Organisation.id == organisation_id)
            .values(ledger_length=Organisation.ledger_length + len(drafts))
            .returning(Organisation.ledger_length, Organisation.ledger_head)
            .execution_options(synchronize_session=False)
        )
    ).one()
    entries: list[LedgerEntry] = []
    for sequence, draft in enumerate(drafts, start=length - len(drafts) + 1):
        entry = _entry(work, organisation_id, sequence, draft, head)
        head = entry.hash
        entries.append(entry)
    await bulk.add(work, LedgerEntry, [_row(entry) for entry in entries])
    await work.session.execute(
        update(Organisation)
        .where(Organisation.id == organisation_id, Organisation.ledger_length == length)
        .values(ledger_head=head)
        .execution_options(synchronize_session=False)
    )
    await traits.recount(work, {draft.person_id for draft in drafts})


def _row(entry: LedgerEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in COLUMNS}


def _entry(
    work: Work, organisation_id: int, sequence: int, draft: Draft, previous_hash: str
) -> LedgerEntry:
    corrects = draft.corrects_id is not None
    if draft.minutes == 0 or (draft.minutes < 0 and not corrects):
        raise ValueError(f"an entry of {draft.minutes} minutes records nothing")
    entry = LedgerEntry(
        organisation_id=organisation_id,
        sequence=sequence,
        kind=EntryKind.CORRECTION if corrects else EntryKind.CONFIRMATION,
        person_id=draft.person_id,
        attendance_id=draft.attendance_id,
        field_id=draft.field_id,
        corrects_id=draft.corrects_id,
        minutes=draft.minutes,
        served_at=draft.served_at,
        recorded_at=work.now,
        recorded_by_id=work.person.id,
        previous_hash=previous_hash,
    )
    entry.hash = digest(entry)
    return entry


def digest(entry: LedgerEntry) -> str:
    """SHA-256 over the entry as JSON: keys sorted, no blanks, moments in UTC to the microsecond."""
    content = {
        "organisation": entry.organisation_id,
        "sequence": entry.sequence,
        "kind": entry.kind.value,
        "person": entry.person_id,
        "attendance": entry.attendance_id,
        "field": entry.field_id,
        "corrects": entry.corrects_id,
        "minutes": entry.minutes,
        "served_at": _written(entry.served_at),
        "recorded_at": _written(entry.recorded_at),
        "recorded_by": entry.recorded_by_id,
        "previous": entry.previous_hash,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


async def entry_to_correct(work: Work, attendance_id: int) -> LedgerEntry | None:
    """The newest entry of an attendance, which a correction names; None if none was confirmed."""
    return await work.session.scalar(
        select(LedgerEntry)
        .where(LedgerEntry.attendance_id == attendance_id)
        .order_by(LedgerEntry.sequence.desc())
        .limit(1)
    )


# Verifying


class FaultKind(StrEnum):
    ALTERED = "altered"
    """The entry is not what was hashed."""
    BROKEN = "broken"
    """The entry does not follow the one before it."""
    MISSING = "missing"
    """Entries are gone, or some have been put in: the numbers have a gap or repeat."""
    CUT = "cut"
    """The chain does not end where its organisation says it does."""
    MISDIRECTED = "misdirected"
    """A correction does not name an entry of the same attendance."""
    UNBACKED = "unbacked"
    """The hours that an attendance shows are not what its entries add up to."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`number` is the entry's sequence in the organisation's chain, or the attendance's key."""

    kind: FaultKind
    organisation_id: int | None
    number: int


Progress = Callable[[int, int], None]
"""Told how many entries have been verified, and how many there are."""


async def verify(
    session: AsyncSession, organisation_id: int | None = None, progress: Progress | None = None
) -> list[Fault]:
    """Everything that is wrong with one organisation's chain, or with all of them.

    `session` must be fresh: all is read as it stood at one moment, `BATCH` entries at a time. The
    comparison with attendances is made for all chains only.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    chains = select(Organisation.id, Organisation.ledger_length, Organisation.ledger_head)
    entries = select(func.count()).select_from(LedgerEntry)
    if organisation_id is not None:
        chains = chains.where(Organisation.id == organisation_id)
        entries = entries.where(LedgerEntry.organisation_id == organisation_id)
    total = await session.scalar(entries) or 0
    seen = 0
    faults: list[Fault] = []
    for key, length, head in (await session.execute(chains.order_by(Organisation.id))).all():
        chain = _Chain(key)
        async for entry in _chain(session, key):
            chain.follow(entry)
            seen += 1
            if progress and seen % BATCH == 0:
                progress(seen, total)
        chain.end(length, head)
        faults += chain.faults
    faults += await _misdirected(session, organisation_id)
    if organisation_id is None:
        faults += await _unbacked(session)
    if progress:
        progress(seen, total)
    return faults


async def _chain(session: AsyncSession, organisation_id: int) -> AsyncIterator[LedgerEntry]:
    chain = (
        select(LedgerEntry)
        .where(LedgerEntry.organisation_id == organisation_id)
        .order_by(LedgerEntry.sequence)
        .limit(BATCH)
        .execution_options(populate_existing=True)
    )
    following = chain
    while True:
        found = list(await session.scalars(following))
        for entry in found:
            yield entry
        if len(found) < BATCH:
            return
        following = chain.where(LedgerEntry.sequence > found[-1].sequence)


class _Chain:
    """Walks along one chain and notes what does not fit."""

    def __init__(self, organisation_id: int) -> None:
        self.organisation_id = organisation_id
        self.sequence = 0
        self.hash = ""
        self.faults: list[Fault] = []

    def follow(self, entry: LedgerEntry) -> None:
        if entry.sequence != self.sequence + 1:
            self._note(FaultKind.MISSING, entry.sequence)
        elif entry.previous_hash != self.hash:
            self._note(FaultKind.BROKEN, entry.sequence)
        if digest(entry) != entry.hash:
            self._note(FaultKind.ALTERED, entry.sequence)
        self.sequence = entry.sequence
        self.hash = entry.hash

    def end(self, length: int, head: str) -> None:
        if (self.sequence, self.hash) != (length, head):
            self._note(FaultKind.CUT, self.sequence)

    def _note(self, kind: FaultKind, number: int) -> None:
        self.faults.append(Fault(kind, self.organisation_id, number))


async def _misdirected(session: AsyncSession, organisation_id: int | None) -> list[Fault]:
    """Corrections that name no entry, or one of another attendance; confirmations that name one."""
    corrected = aliased(LedgerEntry)
    wrong = (
        select(LedgerEntry.organisation_id, LedgerEntry.sequence)
        .outerjoin(corrected, corrected.id == LedgerEntry.corrects_id)
        .where(
            or_(
                (LedgerEntry.kind == EntryKind.CORRECTION) & corrected.id.is_(None),
                (LedgerEntry.kind == EntryKind.CONFIRMATION) & LedgerEntry.corrects_id.is_not(None),
                corrected.attendance_id != LedgerEntry.attendance_id,
            )
        )
    )
    if organisation_id is not None:
        wrong = wrong.where(LedgerEntry.organisation_id == organisation_id)
    rows = await session.execute(wrong.order_by(LedgerEntry.id))
    return [Fault(FaultKind.MISDIRECTED, row[0], row[1]) for row in rows]


async def _unbacked(session: AsyncSession) -> list[Fault]:
    """Attendances whose confirmed minutes differ from the sum of their entries."""
    sums = (
        select(LedgerEntry.attendance_id, func.sum(LedgerEntry.minutes).label("minutes"))
        .group_by(LedgerEntry.attendance_id)
        .subquery()
    )
    shown = func.coalesce(Attendance.minutes, 0)
    confirmed = Attendance.state == HoursState.CONFIRMED
    wrong = (
        select(Attendance.id)
        .outerjoin(sums, sums.c.attendance_id == Attendance.id)
        .where(
            or_(
                confirmed & (shown != func.coalesce(sums.c.minutes, 0)),
                ~confirmed & (func.coalesce(sums.c.minutes, 0) != 0),
            )
        )
        .order_by(Attendance.id)
    )
    return [Fault(FaultKind.UNBACKED, None, key) for key in await session.scalars(wrong)]

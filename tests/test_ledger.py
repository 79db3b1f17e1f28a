"""The ledger: what is confirmed once stays, and whoever tampers with it is found out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    Attendance,
    Database,
    EntryKind,
    HoursState,
    LedgerEntry,
    Organisation,
    Person,
    Shift,
)
from services import hours, ledger
from services.ledger import Draft, FaultKind
from tests.attending import propose
from tests.making import Making

Tampering = Callable[[AsyncSession], Awaitable[object]]


async def served(making: Making, people: int = 3) -> tuple[Person, list[int]]:
    """A coordinator, and attendances whose hours they have confirmed."""
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang))
    keys = [
        await propose(making, shift, await making.volunteer(f"志愿者{i}")) for i in range(people)
    ]
    making.clock.go_to("2026-11-28 15:00")
    async with making.database.write() as session:
        await hours.confirm_all(making.work(session, wang), shift.id)
    return wang, keys


async def entries(database: Database) -> list[LedgerEntry]:
    async with database.read() as session:
        return list(
            await session.scalars(
                select(LedgerEntry).order_by(LedgerEntry.organisation_id, LedgerEntry.sequence)
            )
        )


async def faults(database: Database) -> set[FaultKind]:
    async with database.read() as session:
        return {fault.kind for fault in await ledger.verify(session)}


async def test_confirmed_hours_are_chained_and_verify(making: Making, database: Database) -> None:
    await served(making)
    chain = await entries(database)
    assert [entry.sequence for entry in chain] == [1, 2, 3]
    assert [entry.previous_hash for entry in chain] == ["", chain[0].hash, chain[1].hash]
    assert [entry.minutes for entry in chain] == [180, 180, 180]
    shiqi = await making.organisation("zs-shiqi")
    assert (shiqi.ledger_length, shiqi.ledger_head) == (3, chain[2].hash)
    told: list[tuple[int, int]] = []
    async with database.read() as session:
        assert await ledger.verify(session, progress=lambda *seen: told.append(seen)) == []
    assert told[-1] == (3, 3)


async def test_each_organisation_has_a_chain_of_its_own(making: Making, database: Database) -> None:
    for code in ("zs-shiqi", "zs-xiaolan"):
        wang = await making.coordinator("王强", organisation=code)
        shift = await making.shift(await making.activity(wang))
        await propose(making, shift, await making.volunteer())
        async with database.write() as session:
            await hours.confirm_all(making.work(session, wang), shift.id)
    assert [entry.sequence for entry in await entries(database)] == [1, 1]
    assert await faults(database) == set()


async def test_a_correction_is_a_further_entry_that_names_the_first(
    making: Making, database: Database
) -> None:
    wang, keys = await served(making)
    async with database.write() as session:
        await hours.correct(making.work(session, wang), keys[1], 120, "中途离开")
    chain = await entries(database)
    assert (chain[3].kind, chain[3].minutes) == (EntryKind.CORRECTION, -60)
    assert chain[3].corrects_id == chain[1].id
    assert await faults(database) == set()


async def test_two_coordinators_who_confirm_at_once_make_one_entry_each_person(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    li = await making.coordinator("李敏")
    shift = await making.shift(await making.activity(wang))
    for number in range(5):
        await propose(making, shift, await making.volunteer(f"志愿者{number}"))

    async def confirm(actor: Person) -> int:
        async with database.write() as session:
            return (await hours.confirm_all(making.work(session, actor), shift.id)).count

    counts = await asyncio.gather(confirm(wang), confirm(li), confirm(wang), confirm(li))
    assert sorted(counts) == [0, 0, 0, 5]
    assert len(await entries(database)) == 5
    assert await faults(database) == set()


async def test_many_shifts_confirmed_at_once_make_one_whole_chain(
    making: Making, database: Database
) -> None:
    wang = await making.coordinator("王强")
    activity = await making.activity(wang)
    shifts = [await making.shift(activity, f"2026-11-{day} 09:00") for day in (24, 25, 26, 27)]
    for shift in shifts:
        for number in range(3):
            await propose(making, shift, await making.volunteer(f"志愿者{number}"))

    async def confirm(shift: Shift) -> None:
        async with database.write() as session:
            await hours.confirm_all(making.work(session, wang), shift.id)

    await asyncio.gather(*map(confirm, shifts))
    assert [entry.sequence for entry in await entries(database)] == list(range(1, 13))
    assert await faults(database) == set()


async def test_a_failed_confirmation_leaves_no_trace(making: Making, database: Database) -> None:
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang))
    await propose(making, shift, await making.volunteer())
    with pytest.raises(RuntimeError):
        async with database.write() as session:
            await hours.confirm_all(making.work(session, wang), shift.id)
            raise RuntimeError("the power fails")
    assert await entries(database) == []
    assert await faults(database) == set()


async def test_the_database_refuses_a_second_confirmation(
    making: Making, database: Database
) -> None:
    wang, keys = await served(making)
    first = (await entries(database))[0]
    again = Draft(first.person_id, keys[0], first.field_id, 60, first.served_at)
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await ledger.append(making.work(session, wang), first.organisation_id, [again])
    assert len(await entries(database)) == 3
    assert await faults(database) == set()


@pytest.mark.parametrize("minutes", [0, -30])
async def test_an_entry_that_records_nothing_is_refused(
    making: Making, database: Database, minutes: int
) -> None:
    wang, _ = await served(making)
    first = (await entries(database))[0]
    draft = Draft(first.person_id, first.attendance_id, first.field_id, minutes, first.served_at)
    with pytest.raises(ValueError, match="records nothing"):
        async with database.write() as session:
            await ledger.append(making.work(session, wang), first.organisation_id, [draft])
    assert await faults(database) == set()


# Tampering: each is done as somebody with the database's password would, past every rule.


def _change(**values: Any) -> Tampering:
    async def tamper(session: AsyncSession) -> None:
        await session.execute(update(LedgerEntry).where(LedgerEntry.sequence == 2).values(**values))

    return tamper


async def _raise_minutes_and_hash(session: AsyncSession) -> None:
    entry = (await session.scalars(select(LedgerEntry).where(LedgerEntry.sequence == 2))).one()
    entry.minutes = 600
    entry.hash = ledger.digest(entry)


async def _remove_from_the_middle(session: AsyncSession) -> None:
    await session.execute(delete(LedgerEntry).where(LedgerEntry.sequence == 2))


async def _remove_the_last(session: AsyncSession) -> None:
    await session.execute(delete(LedgerEntry).where(LedgerEntry.sequence == 3))


async def _remove_all(session: AsyncSession) -> None:
    await session.execute(delete(LedgerEntry))


async def _remove_the_last_and_say_so(session: AsyncSession) -> None:
    await _remove_the_last(session)
    head = select(LedgerEntry.hash).where(LedgerEntry.sequence == 2).scalar_subquery()
    await session.execute(
        update(Organisation)
        .where(Organisation.ledger_length == 3)
        .values(ledger_length=2, ledger_head=head)
    )


async def _copy_of_first(session: AsyncSession, sequence: int) -> None:
    first = (await session.scalars(select(LedgerEntry).where(LedgerEntry.sequence == 1))).one()
    columns = [column.name for column in LedgerEntry.__table__.columns if column.name != "id"]
    values = {name: getattr(first, name) for name in columns}
    values |= {
        "sequence": sequence,
        "kind": EntryKind.CORRECTION,
        "corrects_id": first.id,
        "hash": "f" * 64,
    }
    await session.execute(insert(LedgerEntry).values(**values))


async def _add_at_the_end(session: AsyncSession) -> None:
    await _copy_of_first(session, 4)


async def _add_before_the_beginning(session: AsyncSession) -> None:
    await _copy_of_first(session, 0)


async def _swap_two(session: AsyncSession) -> None:
    for old, new in ((1, -1), (2, 1), (-1, 2)):
        await session.execute(
            update(LedgerEntry).where(LedgerEntry.sequence == old).values(sequence=new)
        )


async def _show_more_than_was_confirmed(session: AsyncSession) -> None:
    await session.execute(update(Attendance).values(minutes=999))


async def _reject_what_was_confirmed(session: AsyncSession) -> None:
    await session.execute(update(Attendance).values(state=HoursState.REJECTED))


TAMPERINGS: list[tuple[Tampering, FaultKind]] = [
    (_change(minutes=240), FaultKind.ALTERED),
    (_change(person_id=1), FaultKind.ALTERED),
    (_change(recorded_by_id=2), FaultKind.ALTERED),
    (_change(hash="0" * 64), FaultKind.ALTERED),
    (_change(previous_hash="0" * 64), FaultKind.BROKEN),
    (_change(corrects_id=1), FaultKind.MISDIRECTED),
    (_raise_minutes_and_hash, FaultKind.BROKEN),
    (_remove_from_the_middle, FaultKind.MISSING),
    (_remove_the_last, FaultKind.CUT),
    (_remove_all, FaultKind.CUT),
    (_remove_the_last_and_say_so, FaultKind.UNBACKED),
    (_add_at_the_end, FaultKind.CUT),
    (_add_before_the_beginning, FaultKind.MISSING),
    (_swap_two, FaultKind.ALTERED),
    (_show_more_than_was_confirmed, FaultKind.UNBACKED),
    (_reject_what_was_confirmed, FaultKind.UNBACKED),
]


@pytest.mark.parametrize(("tamper", "kind"), TAMPERINGS)
async def test_every_kind_of_tampering_is_found(
    making: Making, database: Database, tamper: Tampering, kind: FaultKind
) -> None:
    await served(making)
    async with database.write() as session:
        await tamper(session)
    assert kind in await faults(database)

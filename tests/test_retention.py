"""What nobody needs is dropped in portions; what proves something stays, and no figure moves."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select

from models import (
    Attempt,
    Broadcast,
    BroadcastState,
    Database,
    Delivery,
    DeliveryState,
    Lane,
    Message,
    Person,
)
from services import accounts, broadcasting, retention
from services.broadcasting import Progress
from tests.making import Making
from tests.times import ManualClock

SENT, FAILED, QUEUED = DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.QUEUED


class Archive:
    """Writes what was said, at the clock's time."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.now = making.clock

    async def message(
        self,
        *states: DeliveryState,
        lane: Lane = Lane.TRANSACTIONAL,
        edits: list[int] | None = None,
        **more: Any,
    ) -> tuple[int, list[int]]:
        """Keys of a message and of its deliveries, one for each state."""
        async with self.making.database.write() as session:
            message = Message(
                template="t", parameters={}, kind=more.pop("kind", "notice"), created_at=self.now()
            )
            session.add(message)
            await session.flush()
            keys = []
            for number, state in enumerate(states):
                values = {
                    "message_id": message.id, "chat_id": 7, "language": "en", "lane": int(lane),
                    "state": state, "created_at": self.now(), "due_at": self.now(), "attempts": 1,
                    "edits_id": edits[number] if edits else None, **more,
                }  # fmt: skip
                made = insert(Delivery).values(**values).returning(Delivery.id)
                keys.append(int(await session.scalar(made) or 0))
        return message.id, keys

    async def broadcast(self, author: Person, message_id: int, size: int) -> int:
        async with self.making.database.write() as session:
            made = Broadcast(
                organisation_id=author.organisation_id, author_id=author.id, kind="newsletter",
                title="t", versions={}, buttons={}, audience={}, state=BroadcastState.FINISHED,
                size=size, created_at=self.now(), finished_at=self.now(), message_id=message_id,
                all_written=True, left_out={},
            )  # fmt: skip
            session.add(made)
        return made.id

    async def progress(self, key: int) -> Progress:
        async with self.making.database.read() as session:
            found = await session.get_one(Broadcast, key)
            return await broadcasting.progress(self.making.work(session), found)

    async def pruned(self) -> int:
        """As the scheduler does it; answers in how many portions."""
        portions = 0
        while True:
            async with self.making.database.read() as session:
                old = await retention.look(self.making.work(session))
            async with self.making.database.write() as session:
                if not await retention.drop(self.making.work(session), old):
                    return portions
            portions += 1

    async def left(self, table: Any) -> set[int]:
        async with self.making.database.read() as session:
            return set(await session.scalars(select(table.id)))


@pytest.fixture
def archive(making: Making) -> Archive:
    return Archive(making)


async def test_only_what_nobody_needs_is_dropped(
    archive: Archive, database: Database, clock: ManualClock
) -> None:
    notice, (sent, failed) = await archive.message(SENT, FAILED)
    async with database.write() as session:
        session.add(Attempt(delivery_id=failed, at=clock(), reason="blocked"))
    call, calls = await archive.message(SENT, SENT, lane=Lane.EMERGENCY)
    waits, waiting = await archive.message(QUEUED)
    edited, (original,) = await archive.message(SENT)
    clock.forward(days=10)
    correction, (edit,) = await archive.message(SENT, edits=[original])
    clock.forward(days=171)
    lately, fresh = await archive.message(SENT)
    assert await archive.pruned() == 1
    assert await archive.left(Delivery) == {*calls, *waiting, *fresh}
    assert await archive.left(Message) == {call, waits, correction, lately}
    assert await archive.left(Attempt) == set()
    clock.forward(days=10)
    await archive.pruned()
    assert await archive.left(Message) == {call, waits, lately}
    assert {notice, edited, sent, edit}


async def test_a_correction_that_is_under_way_keeps_what_it_corrects(
    archive: Archive, clock: ManualClock
) -> None:
    _, keys = await archive.message(SENT, SENT)
    clock.forward(days=181)
    _, edits = await archive.message(QUEUED, SENT, edits=keys)
    await archive.pruned()
    assert await archive.left(Delivery) == {keys[0], edits[0]}


async def test_no_figure_of_a_broadcast_moves(
    archive: Archive, making: Making, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PORTION", 3)
    wang = await making.coordinator("王强")
    letter, keys = await archive.message(*[SENT] * 5, lane=Lane.BROADCAST, seen_at=clock())
    async with making.database.write() as session:
        rows = await session.scalars(select(Delivery).where(Delivery.id.in_(keys[:2])))
        for one, why in zip(rows, ("blocked", "deactivated"), strict=True):
            one.state, one.reason, one.seen_at = FAILED, why, None
    told, _ = await archive.message(SENT, kind=broadcasting.PROGRESS)
    key = await archive.broadcast(wang, letter, 5)
    before = await archive.progress(key)
    assert (before.sent, before.seen, before.failed) == (3, 3, {"blocked": 1, "deactivated": 1})
    clock.forward(days=181)
    assert await archive.pruned() == 2
    assert await archive.progress(key) == before
    assert await archive.left(Message) == {letter, told}
    async with making.database.read() as session:
        counted = select(func.count()).where(Delivery.message_id == letter)
        assert await session.scalar(counted) == 0


async def test_answered_updates_are_forgotten_after_the_days_that_are_set(
    database: Database, making: Making, clock: ManualClock
) -> None:
    async with database.write() as session:
        await accounts.receive(session, accounts.Taker(1, 1), [(1, 7, "{}"), (2, 7, "{}")], clock())
        await accounts.mark_answered(session, 1, [1], clock())
    clock.forward(days=2, seconds=1)
    async with database.write() as session:
        assert await accounts.forget_updates(making.work(session)) == 1
    async with database.read() as session:
        left = await accounts.unanswered(session, accounts.Taker(1, 1))
        assert [one.body for one in left] == ["{}"]

"""What the clock does with broadcasts: portions, quiet hours, limits, expiry, corrections."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from models import (
    Broadcast,
    BroadcastState,
    Database,
    Delivery,
    DeliveryState,
    Message,
    OptOut,
    Person,
)
from services import broadcasting, broadcasts, opt_outs
from services.audiences import Audience
from services.errors import Refusal
from services.work import Work
from tests.making import Making
from tests.times import ManualClock

OPENS = "https://t.me/muster?start=b-1"


class Desk:
    """A coordinator who sends broadcasts, and the clock that carries them out."""

    def __init__(self, database: Database, making: Making, clock: ManualClock) -> None:
        self.database = database
        self.making = making
        self.clock = clock
        self.wang: Person

    @asynccontextmanager
    async def acting(self, person: Person | None = None) -> AsyncIterator[Work]:
        async with self.database.write() as session:
            actor = await session.get_one(Person, (person or self.wang).id)
            yield self.making.work(session, actor)

    async def send(
        self,
        text: str = "周末大扫除",
        *,
        kind: str = "newsletter",
        urgent: bool = False,
        audience: Audience | None = None,
        starts_in: timedelta | None = None,
        expires_in: timedelta | None = None,
    ) -> int:
        """Drafts it and sends it off; answers its key."""
        async with self.acting() as work:
            made = await broadcasts.draft(work, self.wang.organisation_id or 0, kind, text)
            await broadcasts.mark_urgent(work, made.id, urgent=urgent)
            if audience is not None:
                await broadcasts.address(work, made.id, audience)
            first = work.now + starts_in if starts_in else None
            last = work.now + expires_in if expires_in else None
            await broadcasts.schedule(work, made.id, first, last)
            await broadcasts.submit(work, made.id, OPENS)
            return made.id

    async def tick(self, times: int = 1) -> None:
        for _ in range(times):
            async with self.database.write() as session:
                await broadcasting.advance(self.making.work(session))

    async def report(self) -> None:
        async with self.database.read() as session:
            measured = await broadcasting.measure(self.making.work(session))
        async with self.database.write() as session:
            await broadcasting.report(self.making.work(session), measured)

    async def deliver(self, state: DeliveryState = DeliveryState.SENT) -> None:
        """What is due has reached the phones."""
        async with self.database.write() as session:
            await session.execute(
                update(Delivery)
                .where(
                    Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.SENDING)),
                    Delivery.due_at <= self.clock(),
                )
                .values(
                    state=state,
                    telegram_message_id=Delivery.id + 1000,
                    claimed_at=self.clock(),
                    finished_at=self.clock(),
                )
            )

    async def of(self, broadcast_id: int) -> Broadcast:
        async with self.database.read() as session:
            return await session.get_one(Broadcast, broadcast_id)

    async def written(self, broadcast_id: int) -> Sequence[Delivery]:
        """Its deliveries, without the edits."""
        async with self.database.read() as session:
            found = await session.scalars(
                select(Delivery)
                .join(Broadcast, Broadcast.message_id == Delivery.message_id)
                .where(Broadcast.id == broadcast_id)
                .order_by(Delivery.id)
            )
            return found.all()

    async def progress(self, broadcast_id: int) -> broadcasting.Progress:
        async with self.database.read() as session:
            found = await session.get_one(Broadcast, broadcast_id)
            return await broadcasting.progress(self.making.work(session), found)


@pytest.fixture
async def desk(database: Database, making: Making, clock: ManualClock) -> Desk:
    made = Desk(database, making, clock)
    made.wang = await making.coordinator()
    return made


@pytest.fixture
def _threes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcasting, "PORTION", 3)


async def volunteers(desk: Desk, count: int, **more: Any) -> list[int]:
    return [(await desk.making.volunteer(f"志愿者{n}", **more)).id for n in range(count)]


@pytest.mark.usefixtures("_threes")
async def test_everyone_gets_it_once_in_portions(desk: Desk) -> None:
    people = [desk.wang.id, *await volunteers(desk, 7)]
    key = await desk.send()
    await desk.tick()
    assert [one.person_id for one in await desk.written(key)] == people[:3]
    assert (await desk.progress(key)).queued == 8
    await desk.tick(4)
    assert [one.person_id for one in await desk.written(key)] == people
    await desk.deliver()
    await desk.tick()
    assert (await desk.of(key)).state is BroadcastState.FINISHED


@pytest.mark.usefixtures("_threes")
async def test_no_more_is_written_than_the_sender_will_soon_send(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcasting, "AHEAD", 3)
    await volunteers(desk, 7)
    key = await desk.send()
    await desk.tick(5)
    assert len(await desk.written(key)) == 3
    await desk.deliver()
    await desk.tick(5)
    assert len(await desk.written(key)) == 6


async def test_people_have_enough_after_some_a_week_but_urgent_ones_pass(desk: Desk) -> None:
    (chen,) = await volunteers(desk, 1)
    limit = desk.making.work(None).policy.broadcasts_per_week
    for number in range(limit):
        await desk.send(f"第{number}期")
        await desk.tick()
        await desk.deliver()
    over = await desk.send("再来一期")
    await desk.tick()
    assert await desk.written(over) == []
    assert (await desk.of(over)).left_out == {"weekly_limit": 2}
    urgent = await desk.send("路面塌陷", urgent=True)
    await desk.tick()
    assert chen in [one.person_id for one in await desk.written(urgent)]
    desk.clock.forward(days=8)
    later = await desk.send("下一周")
    await desk.tick()
    assert chen in [one.person_id for one in await desk.written(later)]


async def test_at_night_it_waits_for_the_morning(desk: Desk) -> None:
    await volunteers(desk, 1)
    desk.clock.go_to("2026-11-23 23:00")
    key = await desk.send()
    await desk.tick()
    assert (await desk.of(key)).state is BroadcastState.SCHEDULED
    desk.clock.go_to("2026-11-24 08:00")
    await desk.tick()
    assert len(await desk.written(key)) == 2


@pytest.mark.usefixtures("_threes")
async def test_the_night_interrupts_what_is_under_way(desk: Desk) -> None:
    await volunteers(desk, 7)
    desk.clock.go_to("2026-11-23 21:59")
    key = await desk.send()
    await desk.tick()
    desk.clock.go_to("2026-11-23 22:00")
    await desk.tick(3)
    morning = desk.clock.at("2026-11-24 08:00")
    assert [one.due_at for one in await desk.written(key)] == [morning] * 3
    assert (await desk.progress(key)).resumes_at == morning.isoformat()
    desk.clock.go_to("2026-11-24 08:00")
    await desk.tick(3)
    assert len(await desk.written(key)) == 8


async def test_an_urgent_one_does_not_wait_for_the_morning(desk: Desk) -> None:
    await volunteers(desk, 1)
    desk.clock.go_to("2026-11-23 23:00")
    key = await desk.send(urgent=True)
    await desk.tick()
    assert [one.due_at for one in await desk.written(key)] == [desk.clock()] * 2


async def test_what_would_expire_before_the_morning_is_refused(desk: Desk) -> None:
    await volunteers(desk, 1)
    desk.clock.go_to("2026-11-23 23:00")
    with pytest.raises(Refusal) as refused:
        await desk.send(expires_in=timedelta(hours=2))
    assert refused.value.code == "broadcast_expires_first"


@pytest.mark.usefixtures("_threes")
async def test_what_nobody_got_in_time_is_counted_as_expired(desk: Desk) -> None:
    await volunteers(desk, 7)
    key = await desk.send(expires_in=timedelta(hours=1))
    await desk.tick()
    desk.clock.forward(hours=1)
    await desk.tick()
    found = await desk.of(key)
    assert found.state is BroadcastState.FINISHED
    assert found.left_out == {"expired": 5}
    states = [one.state for one in await desk.written(key)]
    assert states == [DeliveryState.EXPIRED] * 3


async def test_who_opts_out_gets_nothing_more_of_what_is_queued(desk: Desk) -> None:
    (chen,) = await volunteers(desk, 1)
    key = await desk.send()
    await desk.tick()
    async with desk.database.read() as session:
        person = await session.get_one(Person, chen)
    async with desk.acting(person) as work:
        await opt_outs.choose(work, "newsletter", wanted=False)
    (row,) = [one for one in await desk.written(key) if one.person_id == chen]
    assert (row.state, row.reason) == (DeliveryState.REVOKED, "opted_out")
    progress = await desk.progress(key)
    assert (progress.queued, progress.revoked) == (1, 1)
    async with desk.acting(person) as work:
        await work.session.execute(select(OptOut))
    survey = await desk.send(kind="survey")
    await desk.tick()
    assert chen in [one.person_id for one in await desk.written(survey)]


@pytest.mark.usefixtures("_threes")
async def test_paused_stays_where_it_is_and_goes_on_from_there(desk: Desk) -> None:
    await volunteers(desk, 7)
    key = await desk.send()
    await desk.tick()
    async with desk.acting() as work:
        await broadcasts.pause(work, key)
    await desk.deliver()
    await desk.tick(2)
    assert [one.state for one in await desk.written(key)] == [DeliveryState.HELD] * 3
    async with desk.acting() as work:
        await broadcasts.resume(work, key)
    await desk.deliver()
    await desk.tick(3)
    await desk.deliver()
    await desk.tick()
    assert (await desk.progress(key)).sent == 8


@pytest.mark.usefixtures("_threes")
async def test_stopped_means_nobody_else(desk: Desk) -> None:
    await volunteers(desk, 7)
    key = await desk.send()
    await desk.tick()
    async with desk.acting() as work:
        await broadcasts.stop(work, key)
    await desk.tick(3)
    assert [one.state for one in await desk.written(key)] == [DeliveryState.REVOKED] * 3
    assert (await desk.of(key)).state is BroadcastState.STOPPED


async def test_what_is_on_the_wire_during_a_recall_is_taken_back_too(desk: Desk) -> None:
    await volunteers(desk, 2)
    key = await desk.send()
    await desk.tick()
    async with desk.database.write() as session:
        await session.execute(
            update(Delivery).values(state=DeliveryState.SENDING, claimed_at=desk.clock())
        )
    async with desk.acting() as work:
        await broadcasts.recall(work, key)
    await desk.tick()
    assert (await desk.of(key)).correcting
    await desk.deliver()
    await desk.tick(2)
    found = await desk.of(key)
    assert not found.correcting
    async with desk.database.read() as session:
        edits = await session.scalar(
            select(func.count())
            .select_from(Delivery)
            .where(Delivery.message_id == found.correction_id, Delivery.edits_id.is_not(None))
        )
        message = await session.get_one(Message, found.correction_id)
    assert edits == 3
    assert message.deletes


async def test_a_correction_replaces_the_one_before_it(desk: Desk) -> None:
    await volunteers(desk, 2)
    key = await desk.send()
    await desk.tick()
    await desk.deliver()
    for text in ("周六大扫除", "周日大扫除"):
        async with desk.acting() as work:
            await broadcasts.rewrite(work, key, {"zh_Hans": text})
        await desk.tick()
    async with desk.database.read() as session:
        rows = await session.execute(
            select(Message.parameters, Delivery.state)
            .join(Delivery, Delivery.message_id == Message.id)
            .where(Delivery.edits_id.is_not(None), Message.template == "broadcasts/message")
        )
        states: dict[str, set[DeliveryState]] = {}
        for parameters, state in rows:
            states.setdefault(parameters["versions"]["zh_Hans"], set()).add(state)
    assert states == {
        "周六大扫除": {DeliveryState.REVOKED},
        "周日大扫除": {DeliveryState.QUEUED},
    }


async def test_progress_is_edited_when_it_has_moved_and_reported_once(desk: Desk) -> None:
    await volunteers(desk, 2)
    key = await desk.send()
    await desk.tick()
    await desk.deliver()
    await desk.report()
    await desk.report()
    await desk.tick()
    await desk.report()
    await desk.report()
    async with desk.database.read() as session:
        count = (
            select(func.count())
            .select_from(Delivery)
            .join(Message, Message.id == Delivery.message_id)
        )
        of_progress = count.where(Message.subject == f"broadcast:{key}:broadcast_progress")
        edits = await session.scalar(of_progress.where(Delivery.edits_id.is_not(None)))
        reports = await session.scalar(
            count.where(Message.subject == f"broadcast:{key}:broadcast_report")
        )
    assert (edits, reports) == (2, 1)


async def test_the_time_left_is_told_from_the_pace(desk: Desk) -> None:
    await volunteers(desk, 9)
    key = await desk.send()
    await desk.tick()
    keys = [one.id for one in await desk.written(key)]
    async with desk.database.write() as session:
        await session.execute(
            update(Delivery)
            .where(Delivery.id.in_(keys[:2]))
            .values(state=DeliveryState.SENT, finished_at=desk.clock())
        )
    desk.clock.forward(seconds=30)
    now = await desk.progress(key)
    assert (now.sent, now.queued, now.percent, now.minutes_left) == (2, 8, 20, 4)


async def test_failures_are_told_by_their_reasons(desk: Desk) -> None:
    await volunteers(desk, 2)
    key = await desk.send()
    await desk.tick()
    async with desk.database.write() as session:
        await session.execute(
            update(Delivery).values(
                state=DeliveryState.FAILED, reason="blocked", finished_at=desk.clock()
            )
        )
    assert (await desk.progress(key)).failed == {"blocked": 3}


async def test_an_audience_of_nobody_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal) as refused:
        await desk.send(audience=Audience(stars_from=5))
    assert refused.value.code == "broadcast_reaches_nobody"


async def test_nobody_approves_their_own(desk: Desk) -> None:
    await desk.making.coordinator("李红")
    await volunteers(desk, 1)
    async with desk.acting() as work:
        made = await broadcasts.draft(work, desk.wang.organisation_id or 0, "notice", "通知")
        made.state = BroadcastState.AWAITING_APPROVAL
        with pytest.raises(Refusal) as refused:
            await broadcasts.approve(work, made.id)
    assert refused.value.code == "broadcast_own"


async def test_a_page_shows_a_large_one_as_it_was_last_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcasting, "COUNTED_AT_ONCE", 2)
    await volunteers(desk, 3)
    key = await desk.send()
    await desk.tick()
    await desk.report()
    await desk.deliver()

    async def shown() -> broadcasting.Progress:
        async with desk.acting() as work:
            return await broadcasting.lately(work, await work.session.get_one(Broadcast, key))

    assert (await shown()).sent == 0
    async with desk.acting() as work:
        await broadcasts.pause(work, key)
    assert (await shown()).state == "paused", "what was pressed is seen at once"
    await desk.report()
    assert (await shown()).sent == (await desk.progress(key)).sent == 4

"""Of those who wait to write, emergencies are next; nobody is forgotten, nor beside another."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from models.turns import WRITES_FIRST, Turn


class Written:
    """What has been written in which order, while `go` holds each of them up."""

    def __init__(self) -> None:
        self.turn, self.order = Turn(), list[int]()
        self.at_work = False
        self.go = asyncio.Event()

    async def write(self, name: int, *, first: bool = False) -> None:
        WRITES_FIRST.set(first)
        async with self.turn:
            assert not self.at_work
            self.at_work = True
            try:
                await self.go.wait()
                self.order.append(name)
            finally:
                self.at_work = False


async def test_an_emergency_writes_before_those_who_wait() -> None:
    written = Written()
    tasks = [
        asyncio.create_task(written.write(number, first=number in (3, 4))) for number in range(5)
    ]
    await asyncio.sleep(0)
    written.go.set()
    await asyncio.gather(*tasks)
    assert written.order == [0, 3, 4, 1, 2]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_whoever_gives_up_holds_nobody_up(people: list[tuple[bool, bool]]) -> None:
    """At the very moment of their turn as well."""

    async def all_of_them() -> list[int]:
        written = Written()
        tasks = [
            asyncio.create_task(written.write(number, first=first))
            for number, (first, _) in enumerate(people)
        ]
        await asyncio.sleep(0)
        written.go.set()
        for task, (_, gives_up) in zip(tasks, people, strict=True):
            if gives_up:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        async with asyncio.timeout(5), written.turn:  # it is free again
            return written.order

    patient = {number for number, (_, gives_up) in enumerate(people) if not gives_up}
    assert patient <= set(asyncio.run(all_of_them()))

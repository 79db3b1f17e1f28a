"""The real application under random updates, and what must be true afterwards."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import text

from models import RoleKind
from services import counting, ledger, traits
from services.work import Work
from tests.belongings import examples
from tests.city import City
from tests.updates import Updates

AT_ONCE = 25
"""Updates that come together."""
SWEEPS_EVERY = 500
"""Updates after which the clock does what is due."""
UNREADABLE = "update can't be read"
"""Logged where even the library can't make out what came: noted, and gone on."""


class Faults(logging.Handler):
    """What is logged as a fault, but for updates that nobody could read."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self.unreadable = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == UNREADABLE:
            self.unreadable += 1
            return
        raised = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        update = getattr(record, "update_id", "")
        self.found.append(f"{record.name}: {record.getMessage()} {update}\n{raised}")


@dataclass(slots=True)
class Outcome:
    seed: int
    sent: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    faults: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Invariants that do not hold afterwards."""


@contextmanager
def watched() -> Iterator[Faults]:
    watching = Faults()
    logging.getLogger().addHandler(watching)
    try:
        yield watching
    finally:
        logging.getLogger().removeHandler(watching)


async def fuzz(city: City, seed: int, count: int) -> Outcome:
    """Sends so many updates from people with and without roles to a city with one of each thing."""
    phones = [
        await city.coordinator("市管", organisation="zs", role=RoleKind.ADMINISTRATOR),
        await city.coordinator("指挥", role=RoleKind.COMMANDER),
        await city.coordinator("协调"),
        await city.volunteer("陈晓丽"),
        await city.volunteer("Sam", language="en"),
        city.stranger("路人"),
    ]
    await examples(city)
    await city.answered()
    async with city.database.write() as session:  # examples are written as rows, past the rules
        await traits.renew_all(Work(session, city.clock(), city.policy))
    before = await wrong(city)
    outcome = Outcome(seed)
    updates = Updates(seed, [phone.id for phone in phones])
    with watched() as faults:
        for begun in range(0, count, AT_ONCE):
            drawn = [updates.draw() for _ in range(min(AT_ONCE, count - begun))]
            outcome.sent.update(kind for raw in drawn for kind in raw if kind != "update_id")
            await city.program.line.intake.take(json.loads(json.dumps(drawn)))
            await _answered(city)
            if begun % SWEEPS_EVERY == 0:
                city.clock.forward(minutes=7)
                await city.program.scheduler.run_all()
        await city.sent()
    outcome.unreadable = faults.unreadable + city.program.line.gate.unreadable
    outcome.faults = faults.found
    outcome.wrong = [one for one in await wrong(city) if one not in before]
    return outcome


async def _answered(city: City) -> None:
    intake = city.program.line.intake
    while intake.under_way:
        intake.moved.clear()
        if intake.under_way:
            await intake.moved.wait()


async def wrong(city: City) -> list[str]:
    """Whether what must be true still is: hours, copies, counts, references."""
    found: list[str] = []
    async with city.database.write() as session:
        work = Work(session, city.clock(), city.policy)
        found += [f"ledger: {fault}" for fault in await ledger.verify(session)]
        if unlike := await traits.differences(work):
            found.append(f"audiences are counted from what is not so: {unlike[:5]}")
        await counting.catch_up(work)
        if counts := await counting.differences(work):
            found.append(f"counts: {counts}")
        if city.database.is_sqlite:
            for row in (await session.execute(text("PRAGMA foreign_key_check"))).all():
                found.append(f"reference: {row}")
            (state,) = (await session.execute(text("PRAGMA integrity_check"))).one()
            if state != "ok":
                found.append(f"file: {state}")
    return found

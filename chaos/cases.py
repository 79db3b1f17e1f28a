"""What goes wrong, one function each: it stages a city under load, does its worst, and reports."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from chaos import checks
from chaos.city import POLICY
from chaos.databases import Place, Postgres, Sqlite
from chaos.processes import finish
from chaos.stage import ROLES, Result, Stage, staged
from models import CertificateKind, LedgerEntry, Person
from services import certificates
from services.certificates import Request
from services.work import Work

STRIKES_EARLY = 0.25
"""Of the kills, so many while the program starts; the others while it answers."""
EARLY, WORKING = (0.1, 1.5), (0.0, 1.5)
"""Seconds after the start, and after the first answer since."""
ANY_TIME = (0.2, 10.0)
"""Seconds after the start of a role that answers nobody; it takes up its lease after some six."""
SMALL_DISK, DISK_OF_A_SERVER = 48, 224
"""MiB, of which a city takes a good part."""
HELD_FOR = 0.7
"""Seconds that an update is held back, so that later ones overtake it."""
FULL_FOR = 5.0
"""Seconds until there is room again."""
BAD_FOR, HANGS_FOR = 6.0, 8.0
"""Seconds of Telegram's fault, and that a call then takes: longer than anyone waits for it."""
LATE = 86_400
"""Seconds: Telegram keeps an update for a day."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a case is to be run."""

    folder: Path
    seed: int
    kills: int


Case = Callable[[Order], Awaitable[Result]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__.replace("_", "-")] = function
    return function


def skipped(name: str, kind: str, why: str) -> Result:
    return Result(name, kind, skipped=why)


# Kills


async def _killed(order: Order, place: Place, name: str, *roles: str) -> Result:
    """Each process as often, in its own time."""
    async with staged(Stage(place, order.folder, order.seed, roles=roles)) as stage:
        await asyncio.gather(*(_strike(stage, role, order.kills) for role in roles))
        await stage.mended()
        each = " of each" if len(roles) > 1 else ""
        result = await stage.result(name, f"{order.kills} kills{each}")
        result.notes.append(f"{stage.load.truth.at_desk} hours were confirmed in the console")
        return result


async def _strike(stage: Stage, role: str, kills: int) -> None:
    for _ in range(kills):
        if role not in ("all", "bot"):
            await asyncio.sleep(stage.chance.uniform(*ANY_TIME))
        elif stage.chance.random() < STRIKES_EARLY:
            await asyncio.sleep(stage.chance.uniform(*EARLY))
        else:
            await stage.mended()
            await asyncio.sleep(stage.chance.uniform(*WORKING))
        await stage.keepers[role].kill()


@case
async def killed_on_sqlite(order: Order) -> Result:
    """SIGKILL at random moments, all roles in one process."""
    return await _killed(order, Sqlite(order.folder), "killed", "all")


@case
async def killed_on_postgresql(order: Order) -> Result:
    """The same on PostgreSQL."""
    return await _killed(order, Postgres(order.folder), "killed", "all")


@case
async def every_role_killed(order: Order) -> Result:
    """SIGKILL of each role in its own time, often of several at once."""
    return await _killed(order, Postgres(order.folder), "every role killed", *ROLES)


# The database goes away


@case
async def postgresql_restarted(order: Order) -> Result:
    """An immediate stop and start, five times."""
    place = Postgres(order.folder)
    async with staged(Stage(place, order.folder, order.seed)) as stage:
        for _ in range(5):
            await asyncio.sleep(stage.chance.uniform(1, 4))
            await stage.note_in_flight()
            await place.restart()
            await stage.database.engine.dispose()  # our own connections are gone as well
            await stage.mended()
        return await stage.result("database restarted", "5 immediate restarts")


@case
async def postgresql_cut_off(order: Order) -> Result:
    """The line is cut three times for some seconds, then goes silent three times."""
    place = Postgres(order.folder)
    async with staged(Stage(place, order.folder, order.seed)) as stage:
        for cut in (place.proxy.cut, place.proxy.freeze) * 3:
            await asyncio.sleep(stage.chance.uniform(1, 3))
            await stage.note_in_flight()
            cut()
            await asyncio.sleep(stage.chance.uniform(2, 6))
            place.proxy.mend()
            await stage.mended()
        return await stage.result("database cut off", "3 cuts, 3 silences of 2 to 6 s")


# Telegram on a bad day


def _telegram(name: str, what: str, fault: Callable[[Stage], object]) -> None:
    async def goes_wrong(order: Order) -> Result:
        async with staged(Stage(Sqlite(order.folder), order.folder, order.seed)) as stage:
            for _ in range(3):
                await asyncio.sleep(2)
                fault(stage)
                await asyncio.sleep(BAD_FOR)
                stage.bound += max(0, stage.added - len(stage.telegram.faults.active))
                stage.added = 0
                stage.telegram.faults.clear()
                await stage.note_in_flight()
                await stage.mended()
            return await stage.result(f"Telegram {what}", "3 times for 6 s")

    goes_wrong.__doc__ = f"Telegram {what}."
    CASES[f"telegram-{name}"] = goes_wrong


def _some(stage: Stage, share: float, add: Callable[[], None]) -> None:
    """Adds a fault that is switched on and off, so that a share of the calls meets it."""

    async def flicker() -> None:
        until = time.monotonic() + BAD_FOR
        while time.monotonic() < until:
            if stage.chance.random() < share:
                stage.added += 1
                add()
            await asyncio.sleep(0.02)

    stage.background.append(asyncio.create_task(flicker()))


def _hang(stage: Stage) -> None:
    """What is given up as unanswered arrives nevertheless, attempt after attempt."""
    stage.telegram.faults.delay(HANGS_FOR)
    stage.background.append(asyncio.create_task(stage.note_in_flight_for(BAD_FOR)))


_telegram("429", "answers 429", lambda stage: _some(
    stage, 0.3, lambda: stage.telegram.faults.fail(status=429, retry_after=1)))  # fmt: skip
_telegram("5xx", "answers 502", lambda stage: stage.telegram.faults.fail(status=502, times=None))
_telegram("garbage", "answers garbage", lambda stage: stage.telegram.faults.garble(times=None))
_telegram("hangs", "hangs", _hang)
_telegram(
    "closes-before", "closes the connection before accepting",
    lambda stage: stage.telegram.faults.drop(when="before", times=None),
)  # fmt: skip
_telegram("closes-after", "closes the connection after accepting", lambda stage: _some(
    stage, 0.3, lambda: stage.telegram.faults.drop(method="sendMessage", when="after"),
))  # fmt: skip


# The disk is full


@case
async def disk_full(order: Order) -> Result:
    """A small file system is filled up, three times, and room is made again."""
    return await _disk_full(order, Sqlite, SMALL_DISK)


@case
async def disk_full_on_postgresql(order: Order) -> Result:
    """The same under a server; one that has given up is started again."""
    return await _disk_full(order, Postgres, DISK_OF_A_SERVER)


async def _disk_full(order: Order, kind: type[Place], megabytes: int) -> Result:
    with _small_disk(order.folder, megabytes) as mount:
        if mount is None:
            return skipped("disk full", kind.kind, "a small file system can't be mounted here")
        place, revived = kind(mount), 0
        async with staged(Stage(place, order.folder, order.seed)) as stage:
            for _ in range(3):
                await asyncio.sleep(stage.chance.uniform(1, 3))
                filler = mount / "filler"
                _fill(filler)
                await stage.note_in_flight_for(FULL_FOR)
                filler.unlink()
                revived += await place.revive()
                await stage.database.engine.dispose()  # our own connections may be gone as well
                await stage.mended()
            result = await stage.result("disk full", f"3 times for {FULL_FOR:g} s, {megabytes} MiB")
        if revived:
            result.notes.append(f"the server had given up {revived} times and was started again")
        return result


@contextmanager
def _small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """None where none can be mounted."""
    mount = folder / "small"
    mount.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(mount)]
    if os.geteuid() or subprocess.run(["mount", *options], check=False).returncode:
        yield None
        return
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


def _fill(filler: Path) -> None:
    """To the last byte, whatever else is written meanwhile."""
    piece = b"x" * 4096
    try:
        with filler.open("ab", buffering=0) as file:
            while file.write(piece):
                pass
    except OSError:
        return


# Clocks


@case
async def clock_jumps(order: Order) -> Result:
    """The wall clock jumps to and fro, by minutes and by days, while everything runs."""
    clock = order.folder / "clock"
    clock.write_text("0")
    async with staged(Stage(Sqlite(order.folder), order.folder, order.seed, clock=clock)) as stage:
        for jump in ("+90", "-600", "+3600", "-86400", "+86400", "0"):
            clock.write_text(jump)
            await stage.mended()
            await asyncio.sleep(4)
        return await stage.result("clock jumps", "+90 s, -10 min, +1 h, -1 day, +1 day, back")


@case
async def time_zone_changes(order: Order) -> Result:
    """Killed and started again in other time zones."""
    async with staged(Stage(Sqlite(order.folder), order.folder, order.seed)) as stage:
        zones = ("Asia/Shanghai", "America/Los_Angeles", "Asia/Kathmandu", "UTC")
        for zone in zones:
            stage.program.zone = zone
            await stage.program.kill()
            await stage.mended()
            await asyncio.sleep(2)
        return await stage.result("time zone changes", f"{len(zones)} zones")


# Updates


@case
async def updates_again_and_late(order: Order) -> Result:
    """By webhook: a third of the updates comes twice, some in another order, some a day late."""
    settings = {"TELEGRAM__MODE": "webhook", "TELEGRAM__WEBHOOK_SECRET": "secret-of-the-chaos"}
    stage = Stage(Sqlite(order.folder), order.folder, order.seed, in_order=False, settings=settings)
    async with staged(stage):
        mixer = Mixer(stage)
        await mixer.run(30)
        await stage.mended()
        result = await stage.result(
            "updates again and late",
            f"{mixer.repeated} twice, {mixer.reordered} reordered, {mixer.late} a day late",
        )
        result.notes.append(f"at the end all {mixer.again} updates once more: nothing happens")
        return result


class Mixer:
    """Stands between Telegram and the webhook: repeats, holds back, dates back."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.chance = random.Random(stage.seed)
        self.repeated = self.reordered = self.late = 0
        self._seen: list[dict[str, Any]] = []
        self._held: list[dict[str, Any]] = []

    @property
    def again(self) -> int:
        """Each that was seen is sent once more at the end."""
        return len(self._seen)

    async def run(self, seconds: float) -> None:
        updates, bot = self.stage.telegram.updates, self.stage.bot
        updates.of(bot).way = self._mixed
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(HELD_FOR)
            self._let_go()
        updates.of(bot).way = lambda update: (update,)
        self._let_go()
        for update in self._seen:
            updates.inject(bot, update)

    def _mixed(self, update: dict[str, Any]) -> list[dict[str, Any]]:
        self._seen.append(update)
        if self.chance.random() < 0.15:
            self._held.append(self._dated_back(update))
            return []
        if self.chance.random() < 0.33:
            self.repeated += 1
            return [update, self.chance.choice(self._seen)]
        return [update]

    def _let_go(self) -> None:
        self.chance.shuffle(self._held)
        self.reordered += len(self._held)
        for update in self._held:
            self.stage.telegram.updates.inject(self.stage.bot, update)
        self._held.clear()

    def _dated_back(self, update: dict[str, Any]) -> dict[str, Any]:
        """As an update says it that waited at Telegram's side for a day."""
        if self.chance.random() < 0.5:
            return update
        self.late += 1
        if "message" in update:
            return {**update, "message": _older(update["message"])}
        pressed = update["callback_query"]
        return {**update, "callback_query": {**pressed, "message": _older(pressed["message"])}}


def _older(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "date": message["date"] - LATE}


# Going back to the last backup


@case
async def restored(order: Order) -> Result:
    """A backup under load, more load, everything gone, the copy put in its place."""
    place = Sqlite(order.folder)
    async with staged(Stage(place, order.folder, order.seed)) as stage:
        await asyncio.sleep(6)
        before = deepcopy(stage.load.truth)
        await _finished(stage, "backup", str(order.folder / "copies"))
        certified = await _certify(stage)
        await asyncio.sleep(6)
        await stage.load.stop()
        since = stage.load.truth.accepted - before.accepted
        await stage.take_down()
        copy = next((order.folder / "copies").glob("*.db"))
        await _finished(stage, "restore", str(copy), "--replace")
        found = await checks.look(stage.database, stage.load.truth, stage.ear)
        await checks.went_back(stage.database, stage.ear)
        async with stage.database.read() as session:
            stage.bound += await checks.unsent(session)
        stage.load.go_back_to(before)
        stage.bring_up()
        stage.load.start()
        await stage.mended()
        again = await _certify(stage)
        await asyncio.sleep(4)
        result = await stage.result("restored from the last backup", "6 s after the backup")
        result.notes += [
            f"of {since} answers accepted since the backup {len(found.lost)} are gone",
            f"a certificate issued since then ({certified}) is gone; the next one is {again}",
        ]  # fmt: skip
        return result


async def _finished(stage: Stage, *words: str) -> None:
    code, said = await finish(words, stage.folder, stage.variables)
    if code:
        raise RuntimeError(said)


async def _certify(stage: Stage) -> str:
    """The number of a certificate that somebody with confirmed hours draws."""
    async with stage.database.write() as session:
        served = (await session.scalars(select(LedgerEntry.person_id).limit(1))).one()
        work = Work(session, datetime.now(UTC), POLICY, await session.get_one(Person, served))
        asked = Request(CertificateKind.CERTIFICATE, "zh_Hans")
        return (await certificates.issue(work, served, asked)).number

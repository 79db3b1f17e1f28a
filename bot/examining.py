"""What `muster doctor` looks at in a deployment at work: queues, errors, backups, room."""

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from yarl import URL

from bot.findings import Finding, fault, fine
from bot.settings import Settings
from models import Database, Lane
from services import bots, error_reports, processes, queues, restoring, retention
from services.processes import SCHEDULER, sender_of
from services.queues import Depths
from services.work import Work

UPDATES_WAIT = timedelta(minutes=2)
LANES_WAIT = {
    Lane.EMERGENCY: timedelta(minutes=1),
    Lane.INTERACTIVE: timedelta(minutes=1),
    Lane.TRANSACTIONAL: timedelta(minutes=30),
    Lane.BROADCAST: timedelta(hours=24),
}
"""For how long the first delivery of a lane may have been due."""
LATELY = timedelta(hours=24)
SHOWN = 3
"""Kinds of errors that are named."""
LEAST_ROOM = 1024**3
"""Bytes."""
TIMES_THE_DATABASE = 2
"""Room for a copy and its verification, as times of an SQLite file."""
SWEEPS_WITHIN = timedelta(days=2)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def at_work(database: Database, settings: Settings, now: datetime) -> list[Finding]:
    """The tables are current. Asked in one reading transaction."""
    async with database.read() as session:
        work = Work(session, now, settings.policy)
        depths = await queues.depths(session)
        return [
            _inbox(depths, now),
            await _deliveries(work, depths),
            await _errors(work, settings),
            _backups(depths, settings, now),
            await _disk(database, settings),
            await _retention(work),
            await _processes(work),
        ]


def _inbox(depths: Depths, now: datetime) -> Finding:
    if depths.oldest_update is None or now - depths.oldest_update < UPDATES_WAIT:
        return fine("inbox", f"{depths.updates} updates wait")
    since = _minutes(now - depths.oldest_update)
    return fault(
        "inbox",
        f"{depths.updates} updates wait, the first for {since} min; is `muster run` up?"
        " If it is, restart it: what waits is answered then",
    )


async def _deliveries(work: Work, depths: Depths) -> Finding:
    if held := await restoring.count_held(work):
        return fault(
            "deliveries",
            f"{held} are held since a backup was restored, since they may have gone out before:"
            " `muster restore --send-held`, or `muster restore --drop-held`",
        )
    if late := queues.overdue(depths, work.now, LANES_WAIT):
        told = ", ".join(f"{lane.name.lower()} {_minutes(age)} min" for lane, age in late.items())
        return fault(
            "deliveries",
            f"not sent though due: {told}; is `muster run` up, and does Telegram answer (/readyz)?",
        )
    return fine("deliveries", f"{sum(depths.deliveries.values())} wait for their time")


async def _errors(work: Work, settings: Settings) -> Finding:
    found = await error_reports.lately(work, LATELY)
    where = "told to operators" if settings.operators.chat_ids else "operators.chat_ids is empty"
    if not found:
        return fine("errors", f"none in {_hours(LATELY)} h; {where}")
    told = "; ".join(
        f"{one.kind} at {one.place}, {one.count} times"
        + (f", in the log under {one.origin}" if one.origin else "")
        for one in found[:SHOWN]
    )
    return fault(
        "errors", f"{len(found)} kinds in {_hours(LATELY)} h: {told}; report them to the developers"
    )


def _backups(depths: Depths, settings: Settings, now: datetime) -> Finding:
    remedy = "`muster backup FOLDER --verify --keep 14`, every night by a timer"
    if depths.verified_at is None:
        return fault("backups", f"none has been verified; {remedy}")
    age = now - depths.verified_at
    if age > timedelta(hours=settings.backup.hours):
        return fault("backups", f"the last verified one is {_hours(age)} h old; {remedy}")
    return fine("backups", f"the last was verified, {_hours(age)} h ago")


async def _disk(database: Database, settings: Settings) -> Finding:
    file = Path(str(database.url.database)) if database.is_sqlite else settings.security.key_file
    folder = next(one for one in file.absolute().parents if one.exists())
    usage = await asyncio.to_thread(shutil.disk_usage, folder)
    size = file.stat().st_size if database.is_sqlite else 0
    wanted = max(LEAST_ROOM, TIMES_THE_DATABASE * size)
    told = f"{usage.free // 1024**2} MB are free in {folder}"
    if usage.free < wanted:
        return fault(
            "disk", f"{told}, {wanted // 1024**2} are wanted; drop old backups, or add room"
        )
    return fine("disk", told)


async def _retention(work: Work) -> Finding:
    days = work.policy.delivery_keep_days
    late = Work(work.session, work.now - SWEEPS_WITHIN, work.policy)
    if (await retention.look(late)).messages:
        return fault(
            "retention",
            f"messages older than policy.delivery_keep_days ({days}) are still there; does the"
            " scheduler run? See muster_sweep_runs_total of retention.drop",
        )
    return fine("retention", f"nothing is older than {days} days but what is to stay")


async def _processes(work: Work) -> Finding:
    """Whether somebody does what only one may do, where anything runs at all."""
    living = await processes.living(work.session)
    if not living:
        return fine("processes", "none runs")
    held = await processes.holders(work.session)
    served = [one.bot.id for one in await bots.served(work.session)]
    missing = [name for name in (SCHEDULER, *map(sender_of, served)) if name not in held]
    told = ", ".join(f"{'+'.join(one.roles)} on {one.host.partition('/')[0]}" for one in living)
    if missing:
        return fault(
            "processes",
            f"{told}; nobody does {', '.join(missing)}: start `muster run --role sender` and"
            " `--role scheduler`, two of each, or `muster run` for all",
        )
    return fine("processes", told)


async def figures(settings: Settings) -> list[Finding]:
    """Strangers must not read them: a proxy on this machine may make everybody look local."""
    address = URL(settings.web.public_url)
    if address.host in LOOPBACK:
        return []
    try:
        async with aiohttp.ClientSession() as session, session.get(address / "metrics") as answer:
            open_to_all = answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return []  # that pages can't be reached is another subject's business
    if open_to_all:
        return [
            fault(
                "metrics",
                f"{address}/metrics is open to everybody; let the proxy set X-Forwarded-For, or"
                " not pass it on",
            )
        ]
    return [fine("metrics", "closed to strangers")]


def _minutes(age: timedelta) -> int:
    return int(age / timedelta(minutes=1))


def _hours(age: timedelta) -> int:
    return int(age / timedelta(hours=1))

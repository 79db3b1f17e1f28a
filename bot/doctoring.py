"""`muster doctor`: what is right with a deployment, and what to do about each fault."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from sqlalchemy import make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from telegram import Bot
from telegram.error import InvalidToken, TelegramError
from yarl import URL

from bot import examining, schema, setting_up
from bot.findings import Finding
from bot.findings import fault as _fault
from bot.findings import fine as _fine
from bot.request import AiohttpRequest
from bot.schema import DatabaseUnreachableError
from bot.settings import Mode, Settings, bot_number, config_path
from models import FIRST_BOT, Database, MeasureCount, Organisation
from models.sealed import KeyFileError, key_id, keyring
from services import (
    bots,
    counting,
    invariants,
    ledger,
    measures,
    organisations,
    people,
    resealing,
    roles,
    traits,
    urgency,
)
from services.channels import Channel
from services.founding import Progress
from services.invariants import Invariant
from services.ledger import Fault, FaultKind
from services.urgency import Level, Part
from services.work import Work
from web.app import webhook_path

Clock = Callable[[], datetime]
LARGEST_CLOCK_ERROR = 30.0
"""Seconds; check-in codes live for 30."""
SLOW_WRITE = 0.2
"""Seconds."""
SHOWN = 5
"""Keys that a fault names."""
WHAT_IS_WRONG = {
    FaultKind.ALTERED: "has been changed since it was recorded",
    FaultKind.BROKEN: "does not follow the one before it",
    FaultKind.MISSING: "comes after a gap, or has been put in",
    FaultKind.CUT: "is the last, though it should not be",
    FaultKind.MISDIRECTED: "corrects something of somebody else",
    FaultKind.UNBACKED: "shows other hours than its entries add up to",
}
REMEDY = "somebody wrote to the database by hand; compare with a backup and ask who had access"


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Settings are read already; looks at keys, database, Telegram, clock and webhook."""
    where = config_path()
    source = str(where) if where.exists() else "defaults and environment"
    found = [_fine("settings", f"read from {source}"), _keys(settings)]
    found += await _database(settings, clock)
    found += await _telegram(settings, clock)
    if settings.channels.urls:
        found.append(_other_channels(settings))
    found += await examining.figures(settings)
    return found


def _other_channels(settings: Settings) -> Finding:
    """Their addresses were checked with the settings; here, whether answers can come back."""
    names = ", ".join(settings.channels.urls)
    host = URL(settings.web.public_url).host
    if host in ("127.0.0.1", "localhost", "::1"):
        return _fault(
            "channels",
            f"{names}: answer links lead to web.public_url, which only this machine can open",
        )
    told = "; ".join(_escalation(channel) for channel in settings.channels.channels())
    return _fine("channels", f"{told}; answer links lead to {settings.web.public_url}")


def _escalation(channel: Channel) -> str:
    """After how long without a sign of life it is used in an emergency, if at all."""
    shown = [
        f"{level} {channel.waits[row] / timedelta(minutes=1):g}"
        for level in Level
        if (row := urgency.of(level, Part.EVERYONE)) in channel.waits
    ]
    if not shown:
        return f"{channel.name} only for who has no Telegram"
    return f"{channel.name} in an emergency after minutes: {', '.join(shown)}"


def _keys(settings: Settings) -> Finding:
    path = settings.security.key_file
    try:
        setting_up.read_keys(settings)
    except KeyFileError as fault:
        return _fault("keys", f"{fault}; `muster init` makes them, or restore the copy you kept")
    if path.stat().st_mode & 0o077:
        return _fault("keys", f"{path} can be read by others; `chmod 600 {path}`")
    return _fine("keys", str(path))


async def _database(settings: Settings, clock: Clock) -> list[Finding]:
    shown = make_url(settings.database.url).render_as_string(hide_password=True)
    try:
        async with schema.opened(settings.database.url) as database:
            return await _examine(database, shown, settings, clock)
    except DatabaseUnreachableError as fault:
        return [_fault("database", f"{shown}: {fault}; check database.url and that it runs")]


async def _examine(
    database: Database, shown: str, settings: Settings, clock: Clock
) -> list[Finding]:
    began = time.perf_counter()
    async with database.write() as session:
        await session.execute(text("SELECT 1"))
    seconds = time.perf_counter() - began
    found = [
        _fine("database", f"{shown}, answers in {seconds * 1000:.0f} ms")
        if seconds < SLOW_WRITE
        else _fault("database", f"{shown} is slow ({seconds:.1f} s); is another program busy?")
    ]
    if not await schema.is_current(database):
        found.append(_fault("tables", f"out of date; `{schema.COMMAND}` upgrades them"))
        return found
    found.append(_fine("tables", f"revision {await schema.revision(database)}"))
    found.append(await _city(database))
    found += await _old_keys(database)
    found.append(await _copies(database, settings, clock))
    found += await examining.at_work(database, settings, clock())
    return found


async def _old_keys(database: Database) -> list[Finding]:
    """Which keys of the file are still used; it is counted only where there are several."""
    try:
        ring = keyring()
    except RuntimeError:
        return []
    if len(ring.encryption) == 1:
        return []
    async with database.read() as session:
        found = await resealing.count(session)
    known = [key_id(key).hex() for key in ring.encryption]
    told = f"{len(known)} keys, {found.sealed[known[0]]} values sealed with the newest"
    if old := found.old(ring):
        return [_fault("key rotation", f"{told}; `muster keys renew` renews {old} older ones")]
    return [_fault("key rotation", f"{told} and none with others; now `muster keys retire`")]


async def _city(database: Database) -> Finding:
    async with database.read() as session:
        if await organisations.root(session) is None:
            return _fault("city", "there is none; `muster init --sample zhongshan`, or your own")
        if not await roles.has_administrator(session):
            return _fault("city", "nobody administers it; `muster init` prints a code to claim it")
    return _fine("city", "founded and administered")


async def _copies(database: Database, settings: Settings, clock: Clock) -> Finding:
    async with database.read() as session:
        wrong = await traits.differences(Work(session, clock(), settings.policy))
        tails = await people.without_tail(session)
    if tails:
        return _fault(
            "lists", f"{tails} people are not found by their phone; `{schema.COMMAND}` mends it"
        )
    if not wrong:
        return _fine("audiences", "what they are counted from is up to date")
    some = ", ".join(str(key) for key in wrong[:SHOWN])
    return _fault(
        "audiences",
        f"what they are counted from is out of date for {len(wrong)} people (person {some}"
        f"{', ...' if len(wrong) > SHOWN else ''}); `{schema.COMMAND}` makes it anew",
    )


async def _telegram(settings: Settings, clock: Clock) -> list[Finding]:
    if not settings.telegram.tokens[0]:
        return [_fault("token", "telegram.token is empty; @BotFather gives you one")]
    served = await _served(settings)
    found = _without_token(served, settings)
    numbers = {one.bot.telegram_id: one.bot.id for one in served}
    for token in settings.telegram.tokens:
        number = numbers.get(bot_number(token) or 0, FIRST_BOT)
        found += await _bot(settings, token, webhook_path(number), clock)
    return found


async def _served(settings: Settings) -> list[bots.Served]:
    """The bots that the city has; none where the database can't say."""
    try:
        async with schema.opened(settings.database.url) as database:
            if not await schema.is_current(database):
                return []
            async with database.read() as session:
                return await bots.served(session)
    except DatabaseUnreachableError:
        return []


def _without_token(served: Sequence[bots.Served], settings: Settings) -> list[Finding]:
    """Whether all who speak with a bot can be answered by it."""
    ids = [bot_number(token) for token in settings.telegram.tokens]
    return [
        _fault(
            "bots",
            f"bot {one.bot.id} (@{one.bot.username}) has no token in the settings and {one.people}"
            f" people; give it one, or `muster bots --retire {one.bot.id}`",
        )
        for one in served
        if one.people and one.bot.telegram_id not in ids
    ]


async def _bot(settings: Settings, token: str, path: str, clock: Clock) -> list[Finding]:
    telegram = settings.telegram
    bot = Bot(
        token,
        base_url=f"{telegram.api_base_url}/bot",
        request=AiohttpRequest(read_timeout=10),
        get_updates_request=AiohttpRequest(connections=1),
    )
    try:
        async with bot:
            found = [_fine("token", f"@{bot.username} at {telegram.api_base_url}")]
            found.append(await _clock(telegram.api_base_url, clock))
            found.append(await _updates(bot, settings, path))
            return found
    except InvalidToken:
        return [_fault("token", "Telegram does not accept it; copy it again from @BotFather")]
    except TelegramError as fault:
        return [_fault("telegram", f"{telegram.api_base_url}: {fault.message}; check the network")]


async def _clock(address: str, clock: Clock) -> Finding:
    """Compared with the Date header of the Bot API's server."""
    try:
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            theirs = response.headers.get("Date")
    except aiohttp.ClientError as fault:
        return _fault("clock", f"not compared, {address}: {fault}; check the network")
    if theirs is None:
        return _fine("clock", "the server names no time to compare with")
    error = (clock() - parsedate_to_datetime(theirs)).total_seconds()
    if abs(error) > LARGEST_CLOCK_ERROR:
        return _fault("clock", f"{error:+.0f} s off; switch on time synchronisation (NTP)")
    return _fine("clock", f"within {LARGEST_CLOCK_ERROR:.0f} s")


async def _updates(bot: Bot, settings: Settings, path: str) -> Finding:
    info = await bot.get_webhook_info()
    if settings.telegram.mode is Mode.POLLING:
        return _fine("updates", f"by polling, {info.pending_update_count} waiting")
    address = settings.web.public_url + path
    if info.last_error_message:
        return _fault("webhook", f"{address}: {info.last_error_message}")
    try:
        async with aiohttp.ClientSession() as session, session.post(address) as response:
            reached = response.status == 403  # ours refuses a call without the secret
    except aiohttp.ClientError as fault:
        return _fault("webhook", f"{address}: {fault}; is `muster run` up, and the proxy?")
    if not reached:
        return _fault("webhook", f"{address} is answered by something else; check the proxy")
    return _fine("webhook", f"{address}, {info.pending_update_count} waiting")


async def examine_ledger(settings: Settings, progress: Progress) -> list[Finding]:
    """Verifies every chain of confirmed hours."""
    try:
        async with schema.opened(settings.database.url) as database:
            if not await schema.is_current(database):
                return [_fault("ledger", f"not verified; first `{schema.COMMAND}`")]
            async with database.read() as session:
                faults = await ledger.verify(session, progress=progress)
                names = await _names(session, faults)
    except DatabaseUnreachableError:
        return [_fault("ledger", "not verified; the database does not answer")]
    if not faults:
        return [_fine("ledger", "every entry is in place and unchanged")]
    told = [_fault("ledger", _told(fault, names)) for fault in faults]
    return [*told, _fault("ledger", REMEDY)]


async def examine_statistics(settings: Settings, clock: Clock, *, repair: bool) -> list[Finding]:
    """Compares what statistics are read from with the tables; `repair` counts it anew."""
    try:
        async with schema.opened(settings.database.url) as database:
            if not await schema.is_current(database):
                return [_fault("statistics", f"not compared; first `{schema.COMMAND}`")]
            async with database.write() as session:
                work = Work(session, clock(), settings.policy)
                await counting.catch_up(work)
                await measures.keep(work, await measures.look(work))
                wrong = await counting.differences(work)
                if unlike := await measures.differences(work):
                    wrong[MeasureCount.__tablename__] = unlike
                if wrong and repair:
                    await counting.recount_all(work)
                    await measures.keep(work, await measures.count(work, None))
    except DatabaseUnreachableError:
        return [_fault("statistics", "not compared; the database does not answer")]
    if not wrong:
        return [_fine("statistics", "every count is what the tables say")]
    told = ", ".join(f"{number} in {table}" for table, number in wrong.items())
    if repair:
        return [_fine("statistics", f"counts that were wrong have been made anew ({told})")]
    remedy = "`muster doctor --statistics --repair` makes them anew"
    return [_fault("statistics", f"counts are wrong: {told}; {remedy}")]


async def examine_invariants(settings: Settings, clock: Clock) -> list[Finding]:
    """Asks of all tables together what must always be true of them; a line for each that is not."""
    try:
        setting_up.read_keys(settings)
        async with schema.opened(settings.database.url) as database:
            if not await schema.is_current(database):
                return [_fault("invariants", f"not checked; first `{schema.COMMAND}`")]
            async with database.read() as session:
                work = Work(session, clock(), settings.policy)
                found = {one: await one.find(work, SHOWN + 1) for one in invariants.ALL}
    except DatabaseUnreachableError:
        return [_fault("invariants", "not checked; the database does not answer")]
    except KeyFileError:
        return [_fault("invariants", "not checked; there are no keys")]
    return [_held(one, keys) for one, keys in found.items()]


def _held(one: Invariant, keys: list[str]) -> Finding:
    if not keys:
        return _fine(one.title, one.says)
    some = "; ".join(keys[:SHOWN]) + ("; ..." if len(keys) > SHOWN else "")
    return _fault(one.title, f"{one.says} Not so: {some}. {one.remedy}")


async def _names(session: AsyncSession, faults: list[Fault]) -> dict[int | None, str]:
    """The organisations whose chains are at fault, by key."""
    wanted = {fault.organisation_id for fault in faults}
    rows = await session.execute(
        select(Organisation.id, Organisation.code).where(Organisation.id.in_(wanted))
    )
    return {row.id: row.code for row in rows}


def _told(fault: Fault, names: dict[int | None, str]) -> str:
    if fault.organisation_id is None:
        return f"attendance {fault.number} {WHAT_IS_WRONG[fault.kind]}"
    name = names.get(fault.organisation_id, f"organisation {fault.organisation_id}")
    return f"{name}, entry {fault.number} {WHAT_IS_WRONG[fault.kind]}"

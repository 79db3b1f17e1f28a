"""How long the console's lists take in a big city: `python -m benchmarks.lists`.

Whole requests over HTTP to the pages as the program serves them, as the city's administrator and as
a town's coordinator; beside them a plain statement on the tables, with LIKE and without the
directory. The client runs in the same process, so the figures hold its share as well.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from rich.console import Console
from rich.table import Table
from sqlalchemy import exists, func, insert, or_, select, text

from benchmarks import audience_city, databases
from benchmarks.__main__ import machine
from benchmarks.audience_city import Crowd, Identity, Terms
from benchmarks.figures import percentile
from bot import schema
from bot.setting_up import SAMPLES
from models import (
    Account,
    Activity,
    Attendance,
    ConsoleSession,
    Database,
    Directory,
    Enrolment,
    LoginWay,
    Organisation,
    Person,
    PersonSkill,
    Qualification,
    Role,
    RoleKind,
    Shift,
    Standing,
)
from models.people import tail_hash
from models.sealed import Keyring, keyring, use_keyring
from services import signup, traits
from services.directory import Wanted
from services.founding import found_city
from services.listing import PER_PAGE
from services.policy import Policy
from services.words import Words
from services.work import Work
from web.app import make_app
from web.console.framework import COOKIE
from web.keys import BOT_USERNAME, CLOCK, DATABASE, MINI_APP_KEYS, POLICY, PUBLIC_URL, WORDS
from web.limits import LIMITS, Limits
from web.pages import RESOURCES

Row = dict[str, Any]

FAMILIES = (
    ("王李张刘陈", 60), ("杨黄赵吴周徐孙马朱胡", 18), ("郭何林罗高梁郑谢宋唐许韩邓冯曹彭曾", 9),
    ("欧司麦关区冼缪", 1),
)  # fmt: skip
"""Each of the characters is as frequent as its group says: a few names are very common."""
GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂玉华建国志文斌红梅波辉宇浩婷雪晓春燕慧琳健鹏"
    "飞龙云凤莲芬珍佩欣怡子涵梓轩思雨嘉豪俊天佑家乐"
)
OTHERS = (
    (0.02, "awaiting_approval"), (0.005, "awaiting_guardian"), (0.01, "refused"),
    (0.03, "withdrawn"),
)  # fmt: skip
"""Shares of the standings besides the active ones; city-wide far more than anybody leaves lying."""
HANDED_IN, SHIFTS, EACH = 400, 300, 12
"""Documents to check, shifts of the last and next days, and people on each."""
LAST = 1000
COOKIES = {"city": "c" * 43, "town": "t" * 43}


# A city


@cache
def searched(name: str) -> str:
    return signup.search_of(name)


def identities(size: int, seed: int = 7) -> Iterator[Identity]:
    chance = random.Random(seed)
    families = [one for group, _ in FAMILIES for one in group]
    weights = [weight for group, weight in FAMILIES for _ in group]
    surnames = chance.choices(families, weights, k=size)
    for at, surname in enumerate(surnames, 1):
        name = surname + "".join(chance.choices(GIVEN, k=chance.choice((1, 2, 2, 2))))
        pick, standing = chance.random(), "active"
        for share, other in OTHERS:
            if at > PER_PAGE and pick < share:
                standing = other
                break
            pick -= share
        phone = f"+8613{chance.randrange(10**9):09d}"
        yield Identity(
            standing, name, searched(name), f"ZS{at:09d}",
            keyring().seal(phone.encode()), tail_hash(phone),
        )  # fmt: skip


async def found(database: Database, size: int, at: datetime) -> tuple[Terms, Crowd]:
    await schema.upgrade(database)
    async with database.write() as session:
        await found_city(session, SAMPLES / "zhongshan")
    words = await audience_city.terms(database)
    people = audience_city.crowd(words, size, at.date())
    await audience_city.write(database, words, people, at, identities(size))
    async with database.write() as session:
        await traits.renew_all(Work(session, at, Policy()))
    await audience_city.put_in_service(database, people)
    await _give_work(database, words, at)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE"))
    return words, people


async def _give_work(database: Database, words: Terms, at: datetime) -> None:
    """What waits on the page of today, and two people who may look."""
    async with database.write() as session:
        town = words.towns[0].id
        (await session.get_one(Person, 2)).organisation_id = town
        session.add(Role(id=2, person_id=2, organisation_id=town, kind=RoleKind.ADMINISTRATOR,
                         granted_at=at))  # fmt: skip
        for person_id, cookie in zip((1, 2), COOKIES.values(), strict=True):
            session.add(
                ConsoleSession(
                    person_id=person_id,
                    way=LoginWay.LINK,
                    ticket_hash=str(person_id),
                    cookie_hash=keyring().fingerprint(cookie),
                    made_at=at,
                    opened_at=at,
                    used_at=at,
                )
            )
        some = select(Qualification.id).order_by(Qualification.id.desc()).limit(HANDED_IN)
        keys = list(await session.scalars(some))
        await session.execute(
            text("UPDATE qualification SET state = 'awaiting' WHERE id >= :least"),
            {"least": min(keys)},
        )
        for number in range(SHIFTS):
            await _shift(session, words, at, number)


async def _shift(session: Any, words: Terms, at: datetime, number: int) -> None:
    """Half of them lie behind, with hours to confirm, half ahead, with people who were asked."""
    ahead = number % 2
    start = at + timedelta(hours=number % 60 + 1) * (1 if ahead else -1)
    activity = Activity(
        organisation_id=words.places[number % len(words.places)].id,
        field_id=int(words.fields[0]), state="published", title=f"活动{number}", description="",
        address="", latitude=22.5, longitude=113.4, confirmation="automatic", created_by_id=1,
        created_at=at, published_at=at,
    )  # fmt: skip
    session.add(activity)
    await session.flush()
    shift = Shift(activity_id=activity.id, starts_at=start, ends_at=start + timedelta(hours=3),
                  quota=EACH + ahead, taken=EACH)  # fmt: skip
    session.add(shift)
    await session.flush()
    rows = [
        {"shift_id": shift.id, "person_id": 100 + number * EACH + one, "state": "confirmed",
         "queued_at": at, "reminded_day_at": at if ahead else None}
        for one in range(EACH)
    ]  # fmt: skip
    keys = list(await session.scalars(insert(Enrolment).returning(Enrolment.id), rows))
    if not ahead:
        await session.execute(
            insert(Attendance),
            [
                {"enrolment_id": key, "checked_in_at": start, "in_means": "roll",
                 "state": "proposed", "minutes": 180}
                for key in keys
            ],
        )  # fmt: skip


# The pages


@asynccontextmanager
async def serving(database: Database, at: datetime) -> Any:
    """The address of the pages, as the program serves them."""
    app = make_app(RESOURCES)
    policy = Policy()
    app[DATABASE], app[WORDS], app[POLICY] = database, Words(policy), policy
    app[CLOCK] = lambda: at
    app[LIMITS] = Limits()
    app[BOT_USERNAME], app[PUBLIC_URL], app[MINI_APP_KEYS] = "muster", "http://127.0.0.1", (b"",)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def cases(words: Terms) -> dict[str, Wanted | str]:
    """What is looked for, by a name; a page's address where it is no list of volunteers."""
    common, rare = (int(key) for key in (words.skills[0], words.skills[-1]))
    kind, rare_kind = (int(key) for key in (words.kinds[0], words.kinds[-1]))
    town, station = words.towns[0].id, words.homes[words.towns[0].id][-1]
    asked: dict[str, dict[str, Any]] = {
        "everybody": {},
        "a family name": {"typed": "王"},
        "a rare family name": {"typed": "冼"},
        "a whole name": {"typed": "李晓丽"},
        "a given name": {"typed": "晓丽"},
        "pinyin, common": {"typed": "zhang"},
        "pinyin, whole": {"typed": "lixiaoli"},
        "initials": {"typed": "lxl"},
        "one letter": {"typed": "z"},
        "nobody's name": {"typed": "qqqq"},
        "two words": {"typed": "chen jia"},
        "a number": {"typed": "ZS000123456"},
        "a phone's last four": {"typed": "4711"},
        "a phone's last eight": {"typed": "12344711"},
        "a common skill": {"skills": (common,)},
        "a rare skill": {"skills": (rare,)},
        "a common document": {"qualifications": (kind,)},
        "a rare document": {"qualifications": (rare_kind,)},
        "a town": {"organisation": town},
        "a station": {"organisation": station},
        "waiting for approval": {"status": "approval"},
        "left": {"status": "withdrawn"},
        "paused": {"status": "paused"},
        "no Telegram": {"telegram": "no"},
        "blocked": {"telegram": "blocked"},
        "may be called": {"emergencies": "yes"},
        "family name, rare skill": {"typed": "王", "skills": (rare,)},
        "family name, town, document": {
            "typed": "李", "organisation": town, "qualifications": (kind,)},
        "skill, document, no Telegram": {
            "skills": (common,), "qualifications": (kind,), "telegram": "no"},
        "two rare skills": {"skills": (rare, int(words.skills[-2]))},
        "paused, rare document, called": {
            "status": "paused", "qualifications": (rare_kind,), "emergencies": "yes"},
        "refused, rare skill": {"status": "refused", "skills": (rare,)},
        "letter, skill, called": {"typed": "z", "skills": (common,), "emergencies": "yes"},
        "all at once": {
            "typed": "zhang", "organisation": town, "skills": (common,), "status": "active",
            "qualifications": (kind,), "telegram": "yes", "emergencies": "yes"},
    }  # fmt: skip
    found: dict[str, Wanted | str] = {name: Wanted(**wanted) for name, wanted in asked.items()}
    return found | {
        "today": "/console",
        "registrations": "/console/approvals",
        "documents": "/console/documents",
        "a volunteer": "/console/volunteers/2",
    }


DEEP = ("everybody", "a family name", "pinyin, common", "one letter", "a common skill",
        "may be called")  # fmt: skip
"""Whose last page is asked for as well, and one in the middle."""


def plain(wanted: Wanted, work_at: datetime, path: str, page: int) -> Any:
    """As one writes it first: one statement on the tables, LIKE, nothing kept beside them."""
    rows = (
        select(Person.id, Person.name, Person.number, Person.standing, Organisation.names)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.standing != Standing.ERASED, Organisation.path.startswith(path))
    )
    if wanted.typed:
        typed = "".join(wanted.typed.split()).lower()
        ways = [Person.name_search.contains(typed), func.lower(Person.number).contains(typed)]
        if typed.isdigit():
            ways.append(Person.phone_tail_hash == tail_hash(typed))
        rows = rows.where(or_(*ways))
    if wanted.organisation is not None:
        below = select(Organisation.path).where(Organisation.id == wanted.organisation)
        rows = rows.where(Organisation.path.startswith(below.scalar_subquery()))
    for key in wanted.skills:
        rows = rows.where(
            exists().where(PersonSkill.person_id == Person.id, PersonSkill.skill_id == key)
        )
    for key in wanted.qualifications:
        rows = rows.where(
            exists().where(
                Qualification.person_id == Person.id,
                Qualification.kind_id == key,
                Qualification.state == "verified",
                or_(
                    Qualification.expires_on.is_(None),
                    Qualification.expires_on >= work_at.date(),
                ),
            )
        )
    standing = {"approval": "awaiting_approval", "paused": "active"}
    if wanted.status:
        rows = rows.where(Person.standing == standing.get(wanted.status, wanted.status))
    if wanted.status == "paused":
        rows = rows.where(Person.paused_until > work_at.date())
    if wanted.telegram == "no":
        rows = rows.where(Account.id.is_(None))
    elif wanted.telegram:
        blocked = Account.unreachable_since.is_not(None)
        rows = rows.where(Account.id.is_not(None), blocked == (wanted.telegram == "blocked"))
    if wanted.emergencies:
        rows = rows.where(Person.emergency_opt_in.is_(wanted.emergencies == "yes"))
    return rows.order_by(Person.id.desc()).limit(PER_PAGE + 1).offset((page - 1) * PER_PAGE)


# Measuring


def titled(name: str, page: int) -> str:
    return f"{name}, page {page}" if page > 1 else name


async def measured(rounds: int, ask: Callable[[], Any]) -> dict[str, float]:
    """Milliseconds of so many, after one that warms up, and of processor time: the median."""
    taken: list[float] = []
    busy: list[float] = []
    for number in range(rounds + 1):
        began, cpu = time.perf_counter(), time.process_time()
        await ask()
        if number:
            taken.append(1000 * (time.perf_counter() - began))
            busy.append(1000 * (time.process_time() - cpu))
    return {
        "p50_ms": percentile(taken, 0.5),
        "p95_ms": percentile(taken, 0.95),
        "most_ms": max(taken),
        "cpu_ms": percentile(busy, 0.5),
    }


class Bench:
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.rows: list[Row] = []

    async def run(self, kind: str, url: str, size: int) -> None:
        database = Database(url)
        at = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0)
        words, _ = await found(database, size, at)
        async with database.read() as session:
            kept = await session.scalar(select(func.count()).select_from(Directory))
        assert kept == size
        async with serving(database, at) as address:
            for who, cookie in COOKIES.items():
                path = "" if who == "city" else words.towns[0].path
                async with aiohttp.ClientSession(address, cookies={COOKIE: cookie}) as browser:
                    for name, wanted in cases(words).items():
                        for page in (1, 100, LAST) if name in DEEP else (1,):
                            row: Row = {"engine": kind, "who": who, "what": titled(name, page)}
                            row |= await self._request(browser, wanted, page)
                            if isinstance(wanted, Wanted):
                                statement = plain(wanted, at, path, page)
                                row["plain"] = await self._plainly(database, statement)
                            self.rows.append(row)
                            print(row, file=sys.stderr)
        await database.close()

    async def _request(
        self, browser: aiohttp.ClientSession, wanted: Wanted | str, page: int
    ) -> Row:
        async def ask() -> None:
            await self._open(browser, wanted, page)

        return await measured(self.rounds, ask)

    async def _plainly(self, database: Database, statement: Any) -> Row:
        async def ask() -> None:
            async with database.read() as session:
                (await session.execute(statement)).all()

        return await measured(max(3, self.rounds // 5), ask)

    async def _open(self, browser: aiohttp.ClientSession, wanted: Wanted | str, page: int) -> None:
        if isinstance(wanted, str):
            address, query = wanted, []
        else:
            address, query = "/console/volunteers", [*wanted.as_query(), ("page", str(page))]
        async with browser.get(address, params=query) as answer:
            await answer.read()
            assert answer.status == 200, (address, query, answer.status)


async def run(asked: argparse.Namespace, folder: Path) -> list[Row]:
    use_keyring(Keyring.fresh())
    bench = Bench(asked.rounds)
    async with AsyncExitStack() as stack:
        place = folder / "sqlite"
        place.mkdir()
        await bench.run("SQLite", databases.sqlite(place), asked.volunteers)
        if asked.postgresql:
            server = databases.Postgres(folder / "postgresql")
            stack.push_async_callback(server.stop)
            await bench.run("PostgreSQL", await server.create("muster"), asked.volunteers)
    return bench.rows


FIGURES = {"p50_ms": "p50 ms", "p95_ms": "p95", "most_ms": "most", "cpu_ms": "CPU"}


def table(rows: list[Row], kind: str, size: int) -> Table:
    heads = [f"{who} {title}" for who in COOKIES for title in (*FIGURES.values(), "plain p50")]
    shown = Table(
        "", *heads, title=f"Lists among {size:,}, {kind}: whole requests; a plain statement alone"
    )
    by_name: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["engine"] == kind:
            by_name.setdefault(row["what"], {})[row["who"]] = row
    for what, found_by in by_name.items():
        cells: list[str] = []
        for who in COOKIES:
            row = found_by[who]
            cells += [f"{row[name]:.0f}" for name in FIGURES]
            cells.append(f"{row['plain']['p50_ms']:.0f}" if "plain" in row else "")
        shown.add_row(what, *cells)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--rounds", type=int, default=20, help="requests of each kind")
    parser.add_argument("--volunteers", type=int, default=400_000)
    parser.add_argument("--postgresql", action="store_true", help="measure there as well")
    asked = parser.parse_args()
    described = machine()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        rows = uvloop.run(run(asked, Path(folder)))
    out = Console(width=None if os.isatty(1) else 160)
    for kind in dict.fromkeys(row["engine"] for row in rows):
        out.print(table(rows, kind, asked.volunteers))
    out.print(", ".join(f"{name} {value}" for name, value in described.items()))
    if asked.json is not None:
        written = json.dumps({"machine": described, "figures": rows}, indent=2)
        asked.json.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

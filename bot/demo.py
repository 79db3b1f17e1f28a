"""`muster demo`: a whole city on one computer: a playground, the bot, people, a crowd."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import tomllib
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.program import Program
from bot.setting_up import SAMPLES, set_up
from bot.settings import (
    DatabaseSettings,
    SecuritySettings,
    Settings,
    TelegramSettings,
    WebSettings,
)
from models import (
    Account,
    Confirmation,
    MemberState,
    Organisation,
    Person,
    Qualification,
    QualificationKind,
    QualificationState,
    Role,
    RoleKind,
    ServiceField,
    Skill,
    SpokenLanguage,
    TeamMember,
)
from services import crews, planning, signup, traits
from services.planning import Plan
from services.policy import Policy
from services.shifts import ShiftPlan
from services.signup import Details
from services.work import Work

TOKEN = "100200300:DEMO"  # noqa: S105 - opens nothing but the playground of this run
USERNAME = "muster_demo_bot"
FILES = SAMPLES / "demo"
CITY = SAMPLES / "zhongshan"
ALL_WEEK = (1 << 21) - 1


class DemoError(Exception):
    """The demonstration can't begin; the text is one line."""


async def show(port: int, crowd: int, out: Console) -> None:
    """Runs until Ctrl-C; everything it made is gone afterwards. Raises DemoError."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-demo-")))
        playground, address = await _start_playground(folder, port, crowd)
        stack.push_async_callback(_end, playground)
        program = await _start_bot(folder, address)
        stack.push_async_callback(program.stop)
        out.print(f"\n  Open  [bold]{address}[/bold]\n", highlight=False)
        out.print("  Three phones: sign up on the first, coordinate on the second, and the third")
        out.print("  administers the city. Ctrl-C ends it; nothing is kept.\n")
        await stopping.wait()


async def _start_playground(
    folder: Path, port: int, crowd: int
) -> tuple[asyncio.subprocess.Process, str]:
    people = json.loads((FILES / "people.json").read_text(encoding="utf-8"))
    phones = folder / "people.json"
    wanted = ("id", "first_name", "last_name", "language_code", "phone_number", "role")
    phones.write_text(json.dumps([{key: person[key] for key in wanted} for person in people]))
    places = folder / "places.json"
    places.write_text(json.dumps(_places()))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "playground", "--port", str(port), "--token", TOKEN,
        "--username", USERNAME, "--bot-name", "集结 Muster", "--people", str(phones),
        "--places", str(places),
        "--crowd", str(crowd), "--crowd-rules", str(FILES / "crowd.toml"),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=os.setsid,  # Ctrl-C is for this process; it ends the other
    )  # fmt: skip
    if process.stdout is None:
        raise RuntimeError("the playground has no output")
    address = (await process.stdout.readline()).decode().strip()
    if not address:
        raise DemoError("the playground did not start; is its port in use?")
    return process, address


def _places() -> list[dict[str, object]]:
    """The city's centre, then its towns: what the phones' maps show."""
    tree = tomllib.loads((CITY / "organisations.toml").read_text(encoding="utf-8"))
    return [
        {
            "name": entry["place"]["zh_Hans"],
            "latitude": entry["latitude"],
            "longitude": entry["longitude"],
        }
        for entry in tree["organisation"]
        if entry["kind"] in ("federation", "town_association")
    ]


def _free_port() -> int:
    """The pages' address is said in messages, so it must be known before they are served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


async def _start_bot(folder: Path, address: str) -> Program:
    web_port = _free_port()
    settings = Settings.model_construct(  # nobody's config.toml or variables
        telegram=TelegramSettings(
            token=TOKEN, api_base_url=address, messages_per_second=200, chat_messages_per_second=20
        ),
        database=DatabaseSettings(url=f"sqlite+aiosqlite:///{folder / 'demo.db'}"),
        security=SecuritySettings(key_file=folder / "demo.keys"),
        web=WebSettings(port=web_port, public_url=f"http://127.0.0.1:{web_port}"),
        policy=Policy(quiet_from="00:00", quiet_until="00:00"),
    )
    await set_up(settings, CITY)
    program = Program(settings)
    await populate(program)
    await program.start()
    return program


# Who is there already, and what is planned


async def populate(program: Program) -> None:
    """The people with roles, and activities of the coming days."""
    people = json.loads((FILES / "people.json").read_text(encoding="utf-8"))
    plans = json.loads((FILES / "activities.json").read_text(encoding="utf-8"))
    async with program.database.write() as session:
        work = Work(session, program.clock(), program.settings.policy)
        planner: Person | None = None
        for entry in people:
            person = await _registered(work, entry)
            if person is not None and entry["organisation"] != "zs":
                planner = planner or person
        if planner is not None:
            for entry in plans:
                await _planned(work.acting_as(planner), entry)


async def _registered(work: Work, entry: dict[str, Any]) -> Person | None:
    """Somebody with a role; who has none yet is left to sign up."""
    if "organisation" not in entry:
        return None
    session = work.session
    account = Account(
        telegram_id=entry["id"],
        language="zh_Hans",
        language_chosen=True,
        first_seen_at=work.now,
        last_seen_at=work.now,
    )
    session.add(account)
    organisation = await _by_code(session, Organisation, entry["organisation"])
    language = await _by_code(session, SpokenLanguage, "cmn")
    details = Details(
        language="zh_Hans",
        name=entry["last_name"] + entry["first_name"],
        birth_date=date.fromisoformat(entry["birth_date"]),
        phone=entry["phone_number"],
        phone_verified=True,
        organisation_id=organisation.id,
        place={"latitude": organisation.latitude, "longitude": organisation.longitude},
        languages=(language.id,),
        availability=ALL_WEEK,
        emergencies=True,
    )
    person = await signup.register(work, account, details)
    session.add(
        Role(
            person_id=person.id,
            organisation_id=organisation.id,
            kind=RoleKind(entry["holds"]),
            granted_at=work.now,
        )
    )
    await session.flush()
    if "team" in entry:
        await _in_team(work, person, **entry["team"])
    return person


async def _in_team(
    work: Work,
    person: Person,
    *,
    code: str,
    post: str = "",
    document: str = "",
    expires_in: int = 0,
) -> None:
    """In a rescue team beside their home; on a post with the document that it requires."""
    session = work.session
    team = await _by_code(session, Organisation, code)
    posts = await crews.posts_of(work, team.id)
    if document:
        kind = await _by_code(session, QualificationKind, document)
        held = Qualification(
            person_id=person.id,
            kind_id=kind.id,
            state=QualificationState.VERIFIED,
            submitted_at=work.now,
            expires_on=work.today + timedelta(days=expires_in),
        )
        session.add(held)
    member = TeamMember(
        organisation_id=team.id,
        person_id=person.id,
        post_id=next((one.id for one in posts if one.names["en"] == post), None),
        state=MemberState.ACTIVE,
        invited_at=work.now,
        since=work.now,
    )
    session.add(member)
    await session.flush()
    await traits.renew(work, [person.id])


async def _planned(work: Work, entry: dict[str, Any]) -> None:
    session = work.session
    field = await _by_code(session, ServiceField, entry["field"])
    skills = [await _by_code(session, Skill, code) for code in entry.get("skills", [])]
    starts_at = _start(work, entry["in_days"], entry["at"])
    plan = Plan(
        field_id=field.id,
        title=entry["title"],
        description=entry["description"],
        address=entry["address"],
        latitude=entry["latitude"],
        longitude=entry["longitude"],
        confirmation=Confirmation(entry.get("confirmation", "automatic")),
        bring=entry.get("bring", ""),
    )
    shift = ShiftPlan(
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=entry["hours"]),
        quota=entry["quota"],
        skills=tuple(skill.id for skill in skills),
    )
    activity = await planning.draft(work, work.person.organisation_id, plan, shift)
    link = f"https://t.me/{USERNAME}?start=a-{activity.id}"
    await planning.publish(work, activity.id, link)


def _start(work: Work, in_days: int, at: str) -> datetime:
    """At a local time in so many days; "soon" is in half an hour, so that one can check in."""
    if at == "soon":
        soon = work.now + timedelta(minutes=40)
        return soon.replace(minute=soon.minute // 10 * 10, second=0, microsecond=0)
    hour, minute = at.split(":")
    local = work.now.astimezone(work.policy.zone) + timedelta(days=in_days)
    local = local.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    return local.astimezone(UTC)


async def _by_code(session: AsyncSession, kind: Any, code: str) -> Any:
    return (await session.scalars(select(kind).where(kind.code == code))).one()

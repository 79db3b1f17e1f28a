"""`muster doctor`: each fault is found and comes with what to do about it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot import doctoring
from bot.doctoring import examine
from bot.findings import Finding
from bot.program import Program, utc_now
from bot.setting_up import set_up
from bot.settings import (
    ChannelSettings,
    DatabaseSettings,
    Mode,
    SecuritySettings,
    Settings,
    TelegramSettings,
    WebSettings,
)
from models import (
    Attendance,
    Backup,
    Database,
    Delivery,
    HoursCount,
    Lane,
    LedgerEntry,
    PeopleCount,
    RoleKind,
)
from models.sealed import keyring
from playground import Playground
from services import accounts, bots, delivery, error_reports, hours, processes
from services.delivery import Post
from services.error_reports import Occurrence
from services.work import Work
from tests.attending import propose
from tests.city import TOKEN, USERNAME
from tests.commands import Muster
from tests.making import Making
from tests.times import ManualClock

SECRET = "secret-of-the-tests"


@pytest.fixture
async def telegram() -> AsyncIterator[Playground]:
    async with Playground() as playground:
        playground.add_bot(TOKEN, USERNAME)
        yield playground


@pytest.fixture
def settings(database_url: str, tmp_path: Path, telegram: Playground) -> Settings:
    """Of a deployment that is right, once somebody has claimed it."""
    key_file = tmp_path / "muster.keys"
    keyring().write(key_file)
    return Settings.model_construct(
        telegram=TelegramSettings(token=TOKEN, api_base_url=telegram.url),
        database=DatabaseSettings(url=database_url),
        security=SecuritySettings(key_file=key_file),
    )


@pytest.fixture
def bare(settings: Settings, empty_url: str) -> Settings:
    """The same without a single table."""
    return changed(settings, database=DatabaseSettings(url=empty_url))


@pytest.fixture
async def city(settings: Settings, clock: ManualClock) -> AsyncIterator[Database]:
    """The deployment's database, with an administrator in it."""
    database = Database(settings.database.url)
    await Making(database, clock).coordinator(
        "李敏", organisation="zs", role=RoleKind.ADMINISTRATOR
    )
    async with database.write() as session:
        now = datetime.now(UTC)
        session.add(Backup(made_at=now, file="muster.db", bytes=1, verified_at=now))
    yield database
    await database.close()


async def faults(settings: Settings) -> dict[str, str]:
    """What is at fault, and what is said of it."""
    return told(await examine(settings, utc_now))


def told(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.text for finding in findings if not finding.ok}


def changed(settings: Settings, **sections: object) -> Settings:
    return settings.model_copy(update=sections)


async def test_a_deployment_that_is_right_is_said_to_be(settings: Settings, city: Database) -> None:
    findings = await examine(settings, utc_now)
    assert all(finding.ok for finding in findings)
    subjects = [finding.subject for finding in findings]
    assert subjects == [
        "settings", "keys", "database", "tables", "city", "audiences",
        "inbox", "deliveries", "errors", "backups", "disk", "retention", "processes",
        "token", "clock", "updates",
    ]  # fmt: skip


# Keys and database


async def test_missing_keys_are_made_or_restored(settings: Settings, city: Database) -> None:
    settings.security.key_file.unlink()
    said = await faults(settings)
    assert "`muster init`" in said["keys"]
    assert "restore the copy" in said["keys"]


async def test_keys_that_others_can_read_are_closed(settings: Settings, city: Database) -> None:
    settings.security.key_file.chmod(0o644)
    assert f"`chmod 600 {settings.security.key_file}`" in (await faults(settings))["keys"]


async def test_a_database_that_does_not_answer_is_looked_after(settings: Settings) -> None:
    url = "postgresql+asyncpg://me:secret@127.0.0.1:1/muster"
    said = (await faults(changed(settings, database=DatabaseSettings(url=url))))["database"]
    assert "check database.url and that it runs" in said
    assert "secret" not in said


async def test_tables_that_are_out_of_date_are_upgraded(bare: Settings) -> None:
    assert "`muster init` upgrades them" in (await faults(bare))["tables"]


async def test_a_city_that_is_not_founded_or_claimed_is(bare: Settings, settings: Settings) -> None:
    await set_up(bare, None)
    assert "`muster init --sample zhongshan`" in (await faults(bare))["city"]
    assert "prints a code to claim it" in (await faults(settings))["city"]


# At work


async def test_updates_that_nobody_answers_are_counted(settings: Settings, city: Database) -> None:
    async with city.write() as session:
        await accounts.receive(
            session, accounts.Taker(1, 1), [(1, 7, "{}")], utc_now() - timedelta(minutes=9)
        )
    said = (await faults(settings))["inbox"]
    assert "1 updates wait, the first for 9 min" in said and "`muster run`" in said


async def test_deliveries_that_are_stuck_or_held_are_named(
    settings: Settings, city: Database
) -> None:
    past = utc_now() - timedelta(minutes=9)
    async with city.write() as session:
        work = Work(session, past, settings.policy)
        for lane in (Lane.EMERGENCY, Lane.TRANSACTIONAL):
            await delivery.tell_chat(work, Post("t", {}, "k", lane), 7, "en")
    assert "not sent though due: emergency 9 min;" in (await faults(settings))["deliveries"]
    async with city.write() as session:
        await session.execute(update(Delivery).values(state="held", reason="restored"))
    assert "2 are held" in (await faults(settings))["deliveries"]


async def test_errors_lead_into_the_log(settings: Settings, city: Database) -> None:
    one = Occurrence("KeyError", "bot/a.py:1 f", "1", "host", "all", "u77@1", 12)
    async with city.write() as session:
        await error_reports.note(Work(session, utc_now(), settings.policy), [one])
    said = (await faults(settings))["errors"]
    assert "KeyError at bot/a.py:1 f, 12 times, in the log under u77@1" in said


async def test_a_backup_that_is_missing_or_old_is_missed(
    settings: Settings, city: Database
) -> None:
    async with city.write() as session:
        await session.execute(update(Backup).values(made_at=utc_now() - timedelta(hours=30)))
    assert "30 h old; `muster backup" in (await faults(settings))["backups"]
    async with city.write() as session:
        await session.execute(update(Backup).values(verified_at=None))
    assert "none has been verified" in (await faults(settings))["backups"]


async def test_what_should_have_been_dropped_is_found(settings: Settings, city: Database) -> None:
    async with city.write() as session:
        work = Work(session, utc_now() - timedelta(days=183), settings.policy)
        await delivery.write(work, Post("t", {}, "k"))
    assert "does the scheduler run" in (await faults(settings))["retention"]


# Telegram


async def test_a_token_is_to_be_had_from_botfather(settings: Settings, city: Database) -> None:
    for token, reason in (("", "is empty"), ("1:wrong", "does not accept it")):
        telegram = TelegramSettings(token=token, api_base_url=settings.telegram.api_base_url)
        said = await faults(changed(settings, telegram=telegram))
        assert reason in said["token"]
        assert "@BotFather" in said["token"]


async def test_a_telegram_out_of_reach_is_a_matter_of_the_network(
    settings: Settings, city: Database
) -> None:
    telegram = TelegramSettings(token=TOKEN, api_base_url="http://127.0.0.1:1")
    assert "check the network" in (await faults(changed(settings, telegram=telegram)))["telegram"]


@pytest.mark.parametrize("seconds", [-90, 90])
async def test_a_clock_that_is_off_is_synchronised(
    settings: Settings, city: Database, seconds: int
) -> None:
    findings = await examine(settings, lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    said = told(findings)["clock"]
    assert said.startswith(("-", "+")) and "s off" in said
    assert "NTP" in said


# Webhooks


def by_webhook(settings: Settings, public_url: str) -> Settings:
    telegram = TelegramSettings(
        token=TOKEN,
        api_base_url=settings.telegram.api_base_url,
        mode=Mode.WEBHOOK,
        webhook_secret=SECRET,
    )
    return changed(settings, telegram=telegram, web=WebSettings(port=0, public_url=public_url))


async def test_a_webhook_that_nobody_answers_is_named(settings: Settings, city: Database) -> None:
    said = (await faults(by_webhook(settings, "http://127.0.0.1:1")))["webhook"]
    assert said.startswith("http://127.0.0.1:1/")
    assert "is `muster run` up" in said


async def test_a_webhook_that_something_else_answers_is_named(
    settings: Settings, city: Database, telegram: Playground
) -> None:
    assert "check the proxy" in (await faults(by_webhook(settings, telegram.url)))["webhook"]


async def test_a_webhook_that_muster_answers_is_right(settings: Settings, city: Database) -> None:
    wanted = by_webhook(settings, "http://127.0.0.1:1")
    program = Program(wanted)
    await program.start()
    try:
        reached = by_webhook(settings, f"http://127.0.0.1:{program.web_port}")
        assert await faults(reached) == {}
    finally:
        await program.stop()


async def test_what_nobody_does_is_named(settings: Settings, city: Database) -> None:
    async with city.write() as session:
        await bots.number(session, [100200])
        web = await processes.register(session, "desk", 1, roles=["web"], seconds=60, now=utc_now())
    said = (await faults(settings))["processes"]
    assert "web on desk" in said and "nobody does scheduler, sender:1" in said
    async with city.write() as session:
        await processes.take(session, web, ["scheduler", "sender:1"], utc_now())
    assert "processes" not in await faults(settings)


# The ledger


async def test_a_tampered_entry_is_found_and_named(
    settings: Settings, city: Database, clock: ManualClock, tmp_path: Path
) -> None:
    making = Making(city, clock)
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang))
    for number in range(3):
        await propose(making, shift, await making.volunteer(f"志愿者{number}"))
    clock.go_to("2026-11-28 15:00")
    async with city.write() as session:
        await hours.confirm_all(making.work(session, wang), shift.id)
    muster = Muster(
        settings.database.url,
        tmp_path,
        TELEGRAM__TOKEN=TOKEN,
        TELEGRAM__API_BASE_URL=settings.telegram.api_base_url,
    )
    right = await muster("doctor", "--ledger")
    assert (right.code, "unchanged" in right.out) == (0, True)
    async with city.write() as session:
        entry = await session.scalar(select(LedgerEntry.id).where(LedgerEntry.sequence == 2))
        await session.execute(
            update(LedgerEntry).where(LedgerEntry.id == entry).values(minutes=6000)
        )
    wrong = await muster("doctor", "--ledger")
    assert wrong.code == 1
    assert "zs-shiqi, entry 2 has been changed since it was recorded" in wrong.out
    assert "compare with a backup" in wrong.out


async def test_hours_without_entries_are_found(
    settings: Settings, city: Database, clock: ManualClock
) -> None:
    making = Making(city, clock)
    shift = await making.shift(await making.activity(await making.coordinator("王强")))
    key = await propose(making, shift, await making.volunteer())
    async with city.write() as session:
        await session.execute(
            update(Attendance).where(Attendance.id == key).values(state="confirmed")
        )
    seen: list[tuple[int, int]] = []
    findings = await doctoring.examine_ledger(settings, lambda *counts: seen.append(counts))
    assert [finding.ok for finding in findings] == [False, False]
    assert f"attendance {key} shows other hours" in findings[0].text
    assert seen == [(0, 0)]


async def test_a_ledger_without_tables_is_not_said_to_be_right(bare: Settings) -> None:
    (finding,) = await doctoring.examine_ledger(bare, lambda *_: None)
    assert (finding.ok, "`muster init`" in finding.text) == (False, True)


async def test_wrong_counts_of_statistics_are_found_and_made_anew(
    settings: Settings, city: Database, clock: ManualClock, tmp_path: Path
) -> None:
    making = Making(city, clock)
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang), "2026-11-20 09:00")
    await propose(making, shift, await making.volunteer())
    async with city.write() as session:
        await hours.confirm_all(making.work(session, wang), shift.id)
    right = await doctoring.examine_statistics(settings, clock, repair=False)
    assert [finding.ok for finding in right] == [True]
    async with city.write() as session:
        await session.execute(update(HoursCount).values(minutes=1))
        await session.execute(update(PeopleCount).values(active=7))
    muster = Muster(
        settings.database.url,
        tmp_path,
        TELEGRAM__TOKEN=TOKEN,
        TELEGRAM__API_BASE_URL=settings.telegram.api_base_url,
    )
    wrong = await muster("doctor", "--statistics")
    assert wrong.code == 1
    assert "1 in hours_count" in wrong.out and "in people_count" in wrong.out
    assert "--repair" in wrong.out
    await doctoring.examine_statistics(settings, clock, repair=True)
    (again,) = await doctoring.examine_statistics(settings, clock, repair=False)
    assert again.ok


async def test_counts_without_tables_are_not_said_to_be_right(bare: Settings) -> None:
    (finding,) = await doctoring.examine_statistics(bare, utc_now, repair=True)
    assert (finding.ok, "`muster init`" in finding.text) == (False, True)


async def test_answer_links_that_nobody_can_open_are_named(
    settings: Settings, city: Database
) -> None:
    urls = ChannelSettings.model_validate({"urls": {"sms": "json://host/{phone}"}})
    assert "only this machine" in (await faults(changed(settings, channels=urls)))["channels"]
    outside = settings.web.model_copy(update={"public_url": "https://muster.example"})
    assert "channels" not in await faults(changed(settings, channels=urls, web=outside))


async def test_how_soon_each_channel_follows_is_shown(settings: Settings, city: Database) -> None:
    urls = ChannelSettings.model_validate(
        {
            "urls": {"sms": "json://host/{phone}", "mail": "json://host/{email}"},
            "escalate_minutes": {"sms": 4},
        }
    )
    outside = settings.web.model_copy(update={"public_url": "https://muster.example"})
    found = await examine(changed(settings, channels=urls, web=outside), utc_now)
    (shown,) = [one.text for one in found if one.subject == "channels"]
    assert "sms in an emergency after minutes: safety 1, critical 2, usual 4;" in shown
    assert "mail only for who has no Telegram" in shown

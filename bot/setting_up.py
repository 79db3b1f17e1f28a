"""Setting up: keys, schema, the city and the first administrator's code. Safe to repeat."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot import schema
from bot.settings import Settings
from models.sealed import KeyFileError, Keyring, use_key_file
from services import bots, counting, organisations, people, roles, traits
from services.founding import Progress, found_city
from services.work import Work

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was done; `claim_code` is None once there is an administrator, or no city yet."""

    new_keys: bool
    entries: int
    has_city: bool
    claim_code: str | None


def city_folder(name: str) -> Path:
    """A sample's folder by name, or any folder by its path. Raises FileNotFoundError."""
    for folder in (SAMPLES / name, Path(name)):
        if (folder / "organisations.toml").exists():
            return folder
    raise FileNotFoundError(name)


def samples() -> list[str]:
    return sorted(path.parent.name for path in SAMPLES.glob("*/organisations.toml"))


def read_keys(settings: Settings) -> None:
    """Raises KeyFileError."""
    use_key_file(settings.security.key_file)


def _make_keys(path: Path) -> bool:
    """Whether there were none. Raises KeyFileError."""
    if path.exists():
        return False
    try:
        Keyring.fresh().write(path)
    except OSError as fault:
        raise KeyFileError(f"{path} can't be written: {fault.strerror}") from None
    return True


async def look_at_bots(
    settings: Settings, retire: int | None, heir: int
) -> tuple[list[bots.Served], int | None]:
    """The bots, and how many people have been moved from the one to retire.

    Raises Gone where there is no such bot, DatabaseUnreachableError.
    """
    async with schema.opened(settings.database.url) as database, database.write() as session:
        moved = None if retire is None else await bots.retire(session, retire, heir)
        return await bots.served(session), moved


async def set_up(
    settings: Settings,
    city: Path | None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> SetUp:
    """Raises KeyFileError, CityError or DatabaseUnreachableError."""
    fresh = _make_keys(settings.security.key_file)
    read_keys(settings)
    async with schema.opened(settings.database.url) as database:
        await schema.upgrade(database)
        async with database.write() as session:
            entries = await found_city(session, city, progress) if city else 0
            root = await organisations.root(session)
            code = None
            work = Work(session, now or datetime.now(UTC), settings.policy)
            await people.give_tails(session)
            if await traits.differences(work):
                await traits.renew_all(work)
            if not await counting.is_counted(work):
                await counting.recount_all(work)
            if root is not None and not await roles.has_administrator(session):
                code = await roles.new_claim(work, root.id)
        return SetUp(fresh, entries, root is not None, code)

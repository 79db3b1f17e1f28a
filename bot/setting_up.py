"""Setting up: keys, schema, the city and the first administrator's code. Safe to repeat."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot import schema
from bot.settings import Settings
from models import Database
from models.sealed import Keyring, use_keyring
from services import organisations, roles
from services.founding import Progress, found_city
from services.work import Work

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was done; `claim_code` is None once there is an administrator."""

    new_keys: bool
    entries: int
    claim_code: str | None


def city_folder(name: str) -> Path:
    """A sample's folder by name, or any folder by its path. Raises FileNotFoundError."""
    for folder in (SAMPLES / name, Path(name)):
        if (folder / "organisations.toml").exists():
            return folder
    raise FileNotFoundError(name)


def samples() -> list[str]:
    return sorted(path.parent.name for path in SAMPLES.glob("*/organisations.toml"))


def prepare_keys(settings: Settings) -> bool:
    """Reads the key file, or writes a new one; True if it is new. Raises KeyFileError."""
    path = settings.security.key_file
    fresh = not path.exists()
    if fresh:
        Keyring.fresh().write(path)
    use_keyring(Keyring.read(path))
    return fresh


async def set_up(
    settings: Settings,
    now: datetime,
    city: Path | None,
    progress: Progress | None = None,
) -> SetUp:
    """Raises KeyFileError, CityError, or what the database says."""
    new_keys = prepare_keys(settings)
    database = Database(settings.database.url)
    try:
        await schema.upgrade(database)
        async with database.write() as session:
            entries = await found_city(session, city, progress) if city else 0
            root = await organisations.root(session)
            code = None
            if root is not None and not await roles.has_administrator(session):
                code = await roles.new_claim(Work(session, now, settings.policy), root.id)
        return SetUp(new_keys, entries, code)
    finally:
        await database.close()

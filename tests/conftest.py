"""What every test stands on: keys, a clock, and a city in a fresh database of either kind."""

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest
from hypothesis import settings

from models import Database
from models.sealed import Keyring, use_keyring
from services.policy import Policy
from services.words import Words
from tests import compiled
from tests.city import City
from tests.databases import Databases, PostgresServer, SqliteFolder, is_said, kinds_for
from tests.logged import pytest_runtest_teardown, pytest_sessionstart
from tests.making import Making
from tests.times import ManualClock
from web import live

__all__ = ["pytest_runtest_teardown", "pytest_sessionstart"]  # hooks of this session

settings.register_profile("muster", deadline=None)  # how long something takes is for benchmarks
settings.load_profile("muster")

MEMORY = Path("/dev/shm")
"""Where there is one, the tests' databases need not reach a disk."""


def pytest_collection_finish() -> None:
    """What has been imported stays: it is not searched for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def databases_folder() -> Iterator[Path]:
    """Not in pytest's own folder: each new session of pytest closes that to PostgreSQL's user."""
    where = MEMORY if MEMORY.is_dir() else None
    with TemporaryDirectory(
        prefix="muster-tests-", dir=where, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _keys() -> None:
    use_keyring(Keyring.fresh())


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    compiled.share()


@pytest.fixture(scope="session")
def words() -> Words:
    return Words(Policy())


@pytest.fixture(autouse=True)
def _live_parts_look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "APART", 0.02)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def sqlite_databases(databases_folder: Path) -> Databases:
    folder = databases_folder / "sqlite"
    folder.mkdir()
    return SqliteFolder(folder)


@pytest.fixture(scope="session")
def postgres_databases(databases_folder: Path) -> Iterator[Databases]:
    folder = databases_folder / "postgresql"
    folder.mkdir()
    databases_folder.chmod(0o755)  # the server runs as a user of its own
    server = PostgresServer(folder)
    yield server
    server.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which kinds of database a test runs on, unless it says so itself."""
    if "databases" in metafunc.fixturenames and not is_said(metafunc.definition):
        kinds = kinds_for(metafunc.definition, metafunc.fixturenames)
        metafunc.parametrize("databases", kinds, indirect=True)


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue(
        "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
    )
    return found


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A database of its own with the sample city in it."""
    url = databases.fresh()
    yield url
    databases.drop(url)


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    """A database of its own without a single table."""
    url = databases.empty()
    yield url
    databases.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def making(database: Database, clock: ManualClock) -> Making:
    """Makes the people and activities that a test begins with."""
    return Making(database, clock)


@pytest.fixture
async def city(database_url: str, clock: ManualClock) -> AsyncIterator[City]:
    """The whole program against a playground, on either database."""
    running = City(database_url, clock)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def web(city: City) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser without scripts, on the pages of the city."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{city.program.web_port}",
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"Accept-Language": "zh-CN"},
    ) as session:
        yield session

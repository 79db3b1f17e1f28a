"""What is in deploy/ fits together and fits the program: units, containers, proxies, commands."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from typer.testing import CliRunner

from bot.cli import app
from bot.settings import NESTING, PREFIX, SECRETS_VARIABLES, Mode, Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
SYSTEMD, COMPOSE = DEPLOY / "systemd", DEPLOY / "compose"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
SERVICES = sorted(SYSTEMD.glob("*.service"))
UNITS = sorted(
    path for path in SYSTEMD.iterdir() if path.suffix in (".service", ".target", ".timer")
)
EXPOSURE = 2.0
"""Of 10, as `systemd-analyze security` sees it."""
ROLES = {"bot": "8081", "web": "8091", "sender": "8071", "scheduler": "8061"}
PACKAGES = (
    "bot", "handlers", "web", "services", "models", "templates",
    "playground", "migrations", "samples",
)  # fmt: skip
NOT_SETTINGS = {"MUSTER_CONFIG", *SECRETS_VARIABLES}

Compose = dict[str, Any]


@pytest.fixture
def analyze() -> str:
    path = shutil.which("systemd-analyze")
    if path is None:
        message = "no systemd-analyze on this machine: apt-get install systemd"
        if os.environ.get("MUSTER_REQUIRE_DEPLOY") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return path


@pytest.fixture
def compose() -> Compose:
    found: Compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
    return found


# Units


def test_systemd_finds_no_fault_with_the_units(analyze: str, tmp_path: Path) -> None:
    """With a program that is there in place of the one that will be."""
    shutil.copytree(SYSTEMD, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/muster/bin/muster", "/bin/true"))
    done = subprocess.run(
        [analyze, "verify", *(tmp_path / unit.name for unit in UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_every_service_is_closed(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=true", unit], capture_output=True, text=True, check=True
    )
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(level) < EXPOSURE
    assert unit.name in README


def lines_of(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_role_is_a_unit_and_the_readme_starts_two_of_each() -> None:
    for role, port in ROLES.items():
        unit = SYSTEMD / f"muster-{role}@.service"
        (command,) = lines_of(unit, "ExecStart")
        assert command.endswith(f"run --role {role} --port %i")
        assert lines_of(unit, "DefaultInstance") == [port]
        assert enabled(role) == [port, str(int(port) + 1)]


def enabled(role: str) -> list[str]:
    """The ports on which the readme starts a role."""
    return re.findall(rf"muster-{role}@(\d+)", README)


# Commands


def arguments() -> Iterator[tuple[str, list[str]]]:
    """Where Muster is called, and with what."""
    for unit in SERVICES:
        for command in lines_of(unit, "ExecStart"):
            yield unit.name, shlex.split(command)[1:]
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for name, service in services.items():
        if "command" in service:
            yield name, service["command"]
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|/|--rm )(?:muster|init) ([a-z][a-z-]*(?: .*)?)$", line)
            if found and "pip" not in line:
                yield line, shlex.split(found.group(1), comments=True)


@pytest.mark.parametrize(("where", "given"), list(arguments()), ids=lambda value: str(value)[:60])
def test_every_command_exists_with_its_options(where: str, given: list[str]) -> None:
    """All is parsed before help is given, and nothing is done."""
    answered = CliRunner().invoke(app, [*given, "--help"])
    assert answered.exit_code == 0, (where, answered.output)


# Settings


def is_setting(variable: str) -> bool:
    section, _, key = variable.removeprefix(PREFIX).lower().partition(NESTING)
    found = Settings.model_fields[section].annotation
    return key in getattr(found, "model_fields", {})


def given_settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_the_variables_of_image_and_units_are_settings() -> None:
    files = [ROOT / "Containerfile", COMPOSE / "compose.yaml", SYSTEMD / "config.toml"]
    files += [*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.d/*.conf")]
    named = {name for file in files for name in re.findall(r"MUSTER_[A-Z_]+", file.read_text())}
    assert "MUSTER_WEB__HOST" in named
    assert [name for name in sorted(named - NOT_SETTINGS) if not is_setting(name)] == []


def test_the_units_find_their_settings_and_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TELEGRAM__TOKEN", "TELEGRAM__WEBHOOK_SECRET", "DATABASE__URL"):
        assert name in README
    # As LoadCredential=MUSTER:/etc/muster/secrets lays them out.
    common = (SYSTEMD / "muster-.service.d" / "10-common.conf").read_text()
    assert "LoadCredential=MUSTER:/etc/muster/secrets" in common
    (tmp_path / "MUSTER_TELEGRAM__TOKEN").write_text("1:x")
    (tmp_path / "MUSTER_TELEGRAM__WEBHOOK_SECRET").write_text("abc")
    settings = given_settings(
        monkeypatch,
        {
            "MUSTER_CONFIG": str(SYSTEMD / "config.toml"),
            "CREDENTIALS_DIRECTORY": str(tmp_path),
        },
    )
    assert settings.telegram.token.get_secret_value() == "1:x"
    assert settings.telegram.mode is Mode.WEBHOOK
    (folder,) = lines_of(SYSTEMD / "muster-.service.d" / "10-common.conf", "WorkingDirectory")
    assert str(settings.security.key_file.parent) == folder
    assert folder in settings.database.url


# Containers


def test_the_containers_get_settings_that_muster_takes(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the very files that `make-secrets` makes."""
    shutil.copy(COMPOSE / "make-secrets", tmp_path)
    for _ in range(2):  # the second time, everything stays
        subprocess.run([tmp_path / "make-secrets"], input=b"1:x\n", check=True, stdout=-3)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for name, secret in compose["secrets"].items():
        shutil.copy(tmp_path / secret["file"], mounted / name)
    for service in (s for s in compose["services"].values() if s.get("image") == "muster"):
        assert set(service["secrets"]) < set(compose["secrets"])
        variables = {
            **service["environment"],
            "MUSTER_CONFIG": str(COMPOSE / "config.toml"),
            "MUSTER_SECRETS": str(mounted),
        }
        settings = given_settings(monkeypatch, variables)
        assert settings.telegram.mode is Mode.WEBHOOK
        assert settings.telegram.token.get_secret_value() == "1:x"
        password = (mounted / "postgres_password").read_text()
        assert settings.database.url == f"postgresql+asyncpg://muster:{password}@postgresql/muster"
        (network,) = (str(proxy) for proxy in settings.web.proxies)
        assert network == compose["networks"]["front"]["ipam"]["config"][0]["subnet"]


def test_the_containers_wait_for_what_they_need(compose: Compose) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            healthy = wanted["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in services[other] or is_muster(services[other])
            assert healthy or (wanted["condition"], other) == (
                "service_completed_successfully", "init",
            ), name  # fmt: skip
        for network in service["networks"]:
            assert network in compose["networks"]
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            known = source in compose["volumes"] or (COMPOSE / source).exists()
            assert known, volume
    roles = {s["command"][-1]: s for s in services.values() if "run" in s.get("command", ())}
    assert set(roles) == set(ROLES)
    assert all(service["deploy"]["replicas"] == 2 for service in roles.values())


def is_muster(service: dict[str, Any]) -> bool:
    """Its image checks its own health."""
    return service["image"] == "muster"


def test_the_image_is_pinned_and_runs_as_nobody_much() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert "--constraint constraints.txt" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001"]
    assert "/readyz" in text
    assert "SECRET" not in text


def test_what_is_built_from_is_let_in_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert let_in == {*PACKAGES, "pyproject.toml", "constraints.txt", "README.md"}
    found = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in found} == set(PACKAGES)


# An installation away from the clone


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Muster as a wheel has it, and with what it says it needs: nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    clone, site = folder / "clone", folder / "site"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile",
         "--no-build-isolation", "--disable-pip-version-check", "--target", site, clone],
        check=True,
    )  # fmt: skip
    for name in needed("muster"):
        for entry in {file.parts[0] for file in distribution(name).files or ()} - {".."}:
            source = Path(sysconfig.get_path("purelib")) / entry
            if source.exists() and not (site / entry).exists():
                (site / entry).symlink_to(source)
    return site


def needed(name: str, *extras: str) -> set[str]:
    """All that a distribution requires, and what that requires in turn."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for requirement in map(Requirement, requires(*one)):
            found.add(requirement.name)
            waiting.append((requirement.name, tuple(sorted(requirement.extras))))
    return found


def requires(name: str, extras: tuple[str, ...]) -> list[str]:
    wanted = distribution(name).requires or []
    if name == "muster":  # as pyproject.toml says now, not when it was installed
        wanted = PYPROJECT["project"]["dependencies"]
    return [
        text
        for text in wanted
        if (marker := Requirement(text).marker) is None
        or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))
    ]


def test_a_wheel_holds_every_file_that_is_not_python(installed: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, check=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file()]
    assert len(names) > 2000
    assert [name for name in names if not (installed / name).exists()] == []


def test_a_city_is_founded_without_the_clone(installed: Path, tmp_path: Path) -> None:
    """No module is found but those in a wheel or in what Muster says it needs."""

    def muster(*given: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
        return subprocess.run(
            [sys.executable, "-S", "-m", "bot.cli", *given], cwd=tmp_path,
            env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip

    founded = muster("init", "--sample", "zhongshan")
    assert (founded.returncode, founded.stderr) == (0, "")
    assert "one-time code" in founded.stdout
    seen = muster("doctor")
    assert "ok    tables" in seen.stdout
    assert "FAULT token" in seen.stdout
    assert seen.stderr == ""

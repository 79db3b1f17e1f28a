"""Settings: the example explains them all, variables win, and a wrong one is named in one line."""

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bot.settings import SECRETS_VARIABLES, Mode, Settings, SettingsError, read_settings

EXAMPLE = Path(__file__).resolve().parent.parent / "config.example.toml"

WRONG = {
    ("telegram", 'mode = "push"'): "telegram.mode",
    ("telegram", 'mode = "webhook"'): "telegram.webhook_secret",
    ("telegram", 'mode = "webhook"\nwebhook_secret = "with a blank"'): "telegram.webhook_secret",
    ("telegram", 'api_base_url = "api.telegram.org"'): "telegram.api_base_url",
    ("telegram", "messages_per_second = 0"): "telegram.messages_per_second",
    ("telegram", "chat_messages_per_second = -1"): "telegram.chat_messages_per_second",
    ("telegram", "chat_burst = 0"): "telegram.chat_burst",
    ("telegram", "group_messages_per_minute = 0"): "telegram.group_messages_per_minute",
    ("telegram", "concurrency = 1000"): "telegram.concurrency",
    ("telegram", "token = 5"): "telegram.token",
    ("telegram", 'tokn = "5:x"'): "telegram.tokn",
    ("telegrm", 'token = "5:x"'): "telegrm",
    ("database", 'url = "muster.db"'): "database.url",
    ("database", 'url = "postgresql://localhost/muster"'): "database.url",
    ("security", "key_file = 1"): "security.key_file",
    ("web", "port = 70000"): "web.port",
    ("web", 'public_url = "muster.example"'): "web.public_url",
    ("web", 'proxies = ["10.0.1.1/24"]'): "web.proxies.0",
    ("channels", 'urls = { sms = "json://host/sms" }'): "channels.urls",
    ("channels", 'urls = { sms = "nothing://host/{phone}" }'): "channels.urls",
    ("channels", 'urls = { "SMS 1" = "json://host/{phone}" }'): "channels.urls",
    ("channels", "escalate_minutes = { sms = 2 }"): "channels.escalate_minutes",
    ("channels", "answer_hours = 0"): "channels.answer_hours",
    ("log", 'level = "LOUD"'): "log.level",
    ("policy", 'timezone = "Asia/Zhongshan"'): "policy.timezone",
    ("policy", 'timezone = "Asia"'): "policy.timezone",
    ("policy", 'country = "China"'): "policy.country",
    ("policy", 'default_language = "tlh"'): "policy.default_language",
    ("policy", 'number_prefix = "ZHONGSHAN"'): "policy.number_prefix",
    ("policy", 'quiet_from = "25:00"'): "policy.quiet_from",
    ("policy", "offer_minutes = 0"): "policy.offer_minutes",
    ("policy", 'star_hours = [1, "two"]'): "policy.star_hours.1",
    ("policy", "star_hours = [300, 100]"): "policy.star_hours",
    ("policy", "star_hours = []"): "policy.star_hours",
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty settings file that is read, and no variable but this one."""
    path = tmp_path / "config.toml"
    path.touch()
    monkeypatch.setenv("MUSTER_CONFIG", str(path))
    return path


def keys(model: type[BaseModel], *above: str) -> dict[tuple[str, ...], Any]:
    """Every key with its default, as TOML would say it."""
    found: dict[tuple[str, ...], Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= keys(type(field.default), *above, name)
        else:
            found[(*above, name)] = field.default
    return found


def test_the_example_names_every_key_with_its_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    named = [(section, key) for section, values in written.items() for key in values]
    assert named == list(keys(Settings))
    defaults = read_settings()
    monkeypatch.setenv("MUSTER_CONFIG", str(EXAMPLE))
    assert read_settings() == defaults


def test_the_example_explains_every_key() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for above, line in pairwise(lines):
        if line and not line.startswith(("#", "[")):
            assert above.startswith("# "), line


def test_a_variable_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[telegram]\ntoken = "1:file"\nmode = "polling"\n[policy]\nadult_age = 16\n')
    monkeypatch.setenv("MUSTER_TELEGRAM__TOKEN", "2:variable")
    monkeypatch.setenv("MUSTER_POLICY__STAR_HOURS", "[50, 100]")
    settings = read_settings()
    assert settings.telegram.token.get_secret_value() == "2:variable"
    assert (settings.telegram.mode, settings.policy.adult_age) == (Mode.POLLING, 16)
    assert settings.policy.star_hours == (50, 100)


@pytest.mark.parametrize("naming", SECRETS_VARIABLES)
def test_a_file_named_like_a_variable_holds_a_secret(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, naming: str
) -> None:
    config.write_text('[telegram]\ntoken = "1:file"\n[web]\nport = 8000\n')
    monkeypatch.setenv(naming, str(tmp_path / "secrets"))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "MUSTER_TELEGRAM__TOKEN").write_text("2:secret\n")
    (secrets / "postgres_password").write_text("of another program")
    assert read_settings().telegram.token.get_secret_value() == "2:secret"
    assert read_settings().web.port == 8000
    monkeypatch.setenv("MUSTER_TELEGRAM__TOKEN", "3:variable")
    assert read_settings().telegram.token.get_secret_value() == "3:variable"
    (secrets / "MUSTER_TELEGRM__TOKEN").write_text("100 and 300")
    assert_refused("MUSTER_TELEGRM__TOKEN: ")
    (secrets / "MUSTER_TELEGRM__TOKEN").rename(secrets / "MUSTER_POLICY__STAR_HOURS")
    assert_refused("MUSTER_POLICY__STAR_HOURS: ")


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    monkeypatch.setenv("MUSTER_TELEGRAM__TOKEN", "2:secret")
    assert "2:secret" not in repr(read_settings())


@pytest.mark.parametrize(("section", "line"), WRONG)
def test_a_wrong_setting_is_named_in_one_line(config: Path, section: str, line: str) -> None:
    config.write_text(f"[{section}]\n{line}\n")
    assert_refused(f"{WRONG[section, line]}: ")


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("MUSTER_TELEGRAM__MODE", "push", "telegram.mode: "),
        ("MUSTER_TELEGRAM__TOKN", "5:x", "telegram.tokn: "),
        ("MUSTER_TELEGRM__TOKEN", "5:x", "MUSTER_TELEGRM__TOKEN: "),
        ("MUSTER_TELEGRAM", "5:x", "MUSTER_TELEGRAM: "),
        ("MUSTER_POLICY__STAR_HOURS", "100 and 300", "MUSTER_POLICY__STAR_HOURS: "),
        ("MUSTER_CONFIG", "/nowhere/config.toml", "MUSTER_CONFIG: "),
        ("MUSTER_SECRETS", "/nowhere/secrets", "/nowhere/secrets: "),
    ],
)
def test_a_wrong_variable_is_named_in_one_line(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str
) -> None:
    monkeypatch.setenv(name, value)
    assert_refused(named)


def test_a_file_that_is_not_toml_is_named_with_the_line(config: Path) -> None:
    config.write_text("[telegram\n")
    assert "line 1" in assert_refused(str(config))


def assert_refused(start: str) -> str:
    with pytest.raises(SettingsError) as refused:
        read_settings()
    said = str(refused.value)
    assert said.startswith(start)
    assert "\n" not in said
    return said

"""Settings: `config.toml`, secrets, MUSTER_... variables, all checked before anything starts.

A variable overrules the file: MUSTER_TELEGRAM__TOKEN is `token` in the section [telegram]. Between
the two stand files that bear a variable's name and hold its value, as containers and systemd hand
out secrets, in the folder that MUSTER_SECRETS names, or else systemd's CREDENTIALS_DIRECTORY.
"""

import os
import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableVariable
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from bot.addressing import PLACES, apprise_knows, reach_of
from models import TELEGRAM
from services import urgency
from services.channels import Channel
from services.policy import Policy
from services.words import LANGUAGES

CONFIG_FILE = "config.toml"
CONFIG_VARIABLE = "MUSTER_CONFIG"
SECRETS_VARIABLES = ("MUSTER_SECRETS", "CREDENTIALS_DIRECTORY")
"""The first that is set names the folder of secrets."""
PREFIX = "MUSTER_"
NESTING = "__"
WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""What Telegram takes as a secret token."""
CHANNEL_NAME = re.compile(r"[a-z]{1,16}")
Minutes = Annotated[float, Field(gt=0)]
DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")


def bot_number(token: str) -> int | None:
    """Telegram's id of the bot, with which its token begins; None where it does not."""
    number, colon, _ = token.partition(":")
    return int(number) if colon and number.isdecimal() else None


class SettingsError(Exception):
    """A setting is missing or wrong; the text names the key and is one line."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mode(StrEnum):
    POLLING = "polling"
    WEBHOOK = "webhook"


class ProcessRole(StrEnum):
    """What a process does; several may do the same, on PostgreSQL."""

    WEB = "web"
    """Pages, console and API."""
    BOT = "bot"
    """Takes updates and answers them."""
    SENDER = "sender"
    """Sends what is due: by Telegram, other channels and webhooks."""
    SCHEDULER = "scheduler"
    """Wakes the sweeps."""
    ALL = "all"


class TelegramSettings(Section):
    token: SecretStr = Field(SecretStr(""), description="The bot's token, from @BotFather.")
    more_tokens: list[SecretStr] = Field(
        [], description="Tokens of further bots of the same city; each has limits of its own."
    )
    api_base_url: str = Field(
        "https://api.telegram.org", description="Any server that speaks the Bot API."
    )
    mode: Mode = Field(Mode.POLLING, description="How updates arrive: polling or webhook.")
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="Comes along with each webhook call: a long random text of A-Za-z0-9_-.",
    )
    messages_per_second: float = Field(
        30, gt=0, le=1000, description="Messages a second over all chats (Telegram: about 30)."
    )
    chat_messages_per_second: float = Field(
        1, gt=0, description="Messages a second in one private chat (Telegram: about 1)."
    )
    chat_burst: int = Field(
        4, ge=1, description="Messages that one chat may get at once before it is paced."
    )
    group_messages_per_minute: float = Field(
        20, gt=0, description="Messages a minute in one group (Telegram: 20)."
    )
    answer_seconds: float = Field(
        20, gt=0, description="How long an answer of Telegram is waited for."
    )
    concurrency: int = Field(
        20, ge=2, le=500, description="Sends under way at the same time; for 1000 a second: 200."
    )
    chat_updates_per_second: float = Field(
        1, gt=0, description="Messages and presses a second of one person that are looked at."
    )
    chat_updates_burst: int = Field(
        40, ge=1, description="... and at once; emergencies are never limited."
    )
    chat_updates_waiting: int = Field(
        10, ge=1, description="Of one person that wait for an answer at the same time."
    )
    updates_waiting: int = Field(
        10_000, ge=100, description="Of everybody; from a quarter on, one of each person waits."
    )
    paid_messages_per_second: float = Field(
        0, ge=0, le=1000, description="Rate with paid broadcasts (Telegram: to 1000); 0: never pay."
    )
    paid_stars_per_day: float = Field(
        0, ge=0, description="Stars a day that paid messages may cost; each is 0.1."
    )

    @property
    def tokens(self) -> list[str]:
        """Of all the city's bots, the first one first."""
        return [one.get_secret_value() for one in (self.token, *self.more_tokens)]

    @field_validator("more_tokens")
    @classmethod
    def _are_tokens(cls, value: list[SecretStr], info: ValidationInfo) -> list[SecretStr]:
        tokens = (info.data.get("token", SecretStr("")), *value)
        numbers = [bot_number(one.get_secret_value()) for one in tokens]
        if value and (None in numbers or len(set(numbers)) < len(numbers)):
            raise ValueError("must be tokens of different bots, and `token` as well")
        return value

    @field_validator("api_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("webhook_secret")
    @classmethod
    def _keeps_strangers_out(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        wanted = info.data.get("mode") is Mode.WEBHOOK
        if wanted and not WEBHOOK_SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("mode webhook needs 1-256 characters of A-Z a-z 0-9 _ -")
        return value


class DatabaseSettings(Section):
    url: str = Field(
        "sqlite+aiosqlite:///var/muster.db",
        description="sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME.",
    )

    @field_validator("url")
    @classmethod
    def _has_driver(cls, value: str) -> str:
        try:
            driver = make_url(value).drivername
        except ArgumentError:
            raise ValueError("is not a database address") from None
        if driver not in DRIVERS:
            raise ValueError(f"must begin with one of {', '.join(DRIVERS)}")
        return value


class SecuritySettings(Section):
    key_file: Path = Field(
        Path("var/muster.keys"),
        description="Keys for encryption and links; `muster init` makes it. Keep a copy apart.",
    )


class WebSettings(Section):
    host: str = Field("127.0.0.1", description="Address on which the web pages are served.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the web pages; 0: any free one.")
    public_url: str = Field(
        "http://127.0.0.1:8080",
        description="Where people and Telegram reach them; webhooks need https.",
    )
    proxies: list[IPvAnyNetwork] = Field(
        [], description="Networks of other machines that may say for whom they ask."
    )

    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Lets other machines read /metrics, as a bearer token; empty: only this one.",
    )

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")


class PartMinutes(Section):
    """Of one level, by whom it is for; what is left out follows from `everyone`."""

    specialist: Minutes | None = None
    commander: Minutes | None = None
    everyone: Minutes | None = None


class EscalationSettings(Section):
    """Of one channel, by level; what is left out follows from `usual`, see `services.urgency`."""

    safety: PartMinutes = PartMinutes()
    critical: PartMinutes = PartMinutes()
    usual: PartMinutes = PartMinutes()
    drill: PartMinutes = PartMinutes()

    @model_validator(mode="before")
    @classmethod
    def _may_be_one_number(cls, value: Any) -> Any:
        return {"usual": value} if isinstance(value, int | float) else value

    @field_validator("*", mode="before")
    @classmethod
    def _may_be_for_everyone(cls, value: Any) -> Any:
        return {"everyone": value} if isinstance(value, int | float) else value

    def waits(self) -> dict[str, timedelta]:
        given = {
            level: {
                part: minutes
                for part in urgency.Part
                if (minutes := getattr(getattr(self, level), part)) is not None
            }
            for level in urgency.Level
        }
        return urgency.filled(given)


class ChannelSettings(Section):
    urls: dict[str, SecretStr] = Field(
        {},
        description="Apprise URLs by name, the first is tried first; "
        "{phone} or {email} stands for the person's.",
    )
    escalate_minutes: dict[str, EscalationSettings] = Field(
        {},
        description="In an emergency, minutes without an answer after which each is used, too; "
        "a number, or by level and part.",
    )
    answer_hours: int = Field(
        48, ge=1, description="How long the link in such a message can be answered by."
    )

    @field_validator("urls")
    @classmethod
    def _can_be_used(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, url in value.items():
            if not CHANNEL_NAME.fullmatch(name) or name == TELEGRAM:
                raise ValueError(f"{name!r} is no name of at most 16 small letters")
            if sum(part in url.get_secret_value() for part in PLACES) != 1:
                raise ValueError(f"{name} needs {{phone}} or {{email}} where the person's belongs")
            if not apprise_knows(url.get_secret_value()):
                raise ValueError(f"{name} is no address that Apprise knows")
        return value

    @field_validator("escalate_minutes")
    @classmethod
    def _is_a_channel(
        cls, value: dict[str, EscalationSettings], info: ValidationInfo
    ) -> dict[str, EscalationSettings]:
        for name in value:
            if name not in info.data.get("urls", {}):
                raise ValueError(f"there is no channel {name!r} in urls")
        return value

    def channels(self) -> list[Channel]:
        """In the order in which they are tried."""
        return [
            Channel(name, reach_of(url.get_secret_value()), self._waits(name))
            for name, url in self.urls.items()
        ]

    def _waits(self, name: str) -> dict[str, timedelta]:
        minutes = self.escalate_minutes.get(name)
        return minutes.waits() if minutes else {}


class ExchangeSettings(Section):
    private_webhooks: bool = Field(
        False,
        description="Whether webhooks may lead into the own network, and need no TLS there.",
    )


class LogSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What is logged at least: DEBUG, INFO, WARNING or ERROR."
    )
    format: Literal["text", "json"] = Field(
        "text", description="Lines for people (text) or for programs that collect logs (json)."
    )


class OperatorSettings(Section):
    chat_ids: list[int] = Field(
        [], description="Telegram's numbers of the chats in which errors are reported."
    )
    language: str = Field("zh_Hans", description="Language of these reports.")

    @field_validator("language")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in LANGUAGES:
            raise ValueError(f"{value!r} is none of {', '.join(LANGUAGES)}")
        return value


class BackupSettings(Section):
    pg_bin: str = Field(
        "", description="Folder of pg_dump and pg_restore; empty: they are found on the PATH."
    )
    hours: int = Field(
        26, ge=1, description="Hours after which `muster doctor` misses a verified backup."
    )


class Settings(BaseSettings):
    """Everything a deployment sets; `config.example.toml` says the same with comments."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTING, extra="forbid", frozen=True
    )

    telegram: TelegramSettings = TelegramSettings()
    database: DatabaseSettings = DatabaseSettings()
    security: SecuritySettings = SecuritySettings()
    web: WebSettings = WebSettings()
    channels: ChannelSettings = ChannelSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    log: LogSettings = LogSettings()
    operators: OperatorSettings = OperatorSettings()
    backup: BackupSettings = BackupSettings()
    policy: Policy = Policy()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = config_path()
        file = TomlConfigSettingsSource(settings_cls, toml_file=path if path.exists() else None)
        secrets = NestedSecretsSettingsSource(file_secret_settings, secrets_folder())
        return (init_settings, env_settings, secrets, file)


def config_path() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE, CONFIG_FILE))


def secrets_folder() -> Path | None:
    """Where files are named like variables."""
    given = (os.environ.get(name) for name in SECRETS_VARIABLES)
    return next((Path(folder) for folder in given if folder), None)


def read_settings(**given: Any) -> Settings:
    """Raises SettingsError with one line that names the key."""
    path = config_path()
    if CONFIG_VARIABLE in os.environ and not path.exists():
        raise SettingsError(f"{CONFIG_VARIABLE}: {path} does not exist")
    secrets = secrets_folder()
    if secrets is not None and not secrets.is_dir():
        raise SettingsError(f"{secrets}: there is no such folder of secrets")
    _require_known_variables()
    try:
        settings = Settings(**given)
    except ValidationError as fault:
        raise SettingsError(_first_of(fault)) from None
    except UnreadableVariable as fault:
        raise SettingsError(f"{_variables_of(fault)}: is not written as JSON") from None
    except (OSError, ValueError) as fault:
        raise SettingsError(f"{path}: {fault}".replace("\n", " ")) from None
    language = settings.policy.default_language
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise SettingsError(f"policy.default_language: {language!r} is none of {known}")
    return settings


def _require_known_variables() -> None:
    """A variable with a slip in its section would be passed over in silence."""
    for name in _given():
        section, nested, _ = name.removeprefix(PREFIX).partition(NESTING)
        if name.startswith(PREFIX) and nested and section.lower() not in Settings.model_fields:
            raise SettingsError(f"{name}: there is no such setting; see config.example.toml")


def _given() -> list[str]:
    """The names of variables and of files with secrets."""
    folder = secrets_folder()
    return sorted(
        {*os.environ, *(path.name for path in folder.iterdir())} if folder else os.environ
    )


def _first_of(fault: ValidationError) -> str:
    first = fault.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = "there is no such setting; see config.example.toml"
    return f"{key}: {reason}"


def _variables_of(fault: UnreadableVariable) -> str:
    """The variables that may be meant; the fault itself names no more than the section."""
    section = str(fault).split('"')[1]
    start = f"{PREFIX}{section.upper()}"
    return " or ".join(name for name in _given() if name.upper().startswith(start))

"""Settings: environment variables ``HUB_*`` (and ``REDIS_URL``), then ``.env`` in the working directory."""

import json
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from common.errors import SettingsError

Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/([1-9][0-9]{0,4} )?(second|minute|hour|day)$")]
"""``60/minute``, ``1000/5 minute``."""

HubRole = Literal["all", "api", "gateway", "worker", "ingest"]
StartedPart = Literal["worker", "ingest", "bots", "webhooks", "dashboard"]
_NOT_OF_ROLE: dict[HubRole, tuple[StartedPart, ...]] = {
    "all": (),
    "api": ("worker", "ingest", "bots", "webhooks", "dashboard"),
    "gateway": ("worker", "ingest", "dashboard"),
    "worker": ("bots", "webhooks", "dashboard"),
    "ingest": ("worker", "bots", "webhooks", "dashboard"),
}

_EXAMPLES = {
    "exchange_urls": '{"binance": "http://127.0.0.1:9000"}',
    "exchange_accounts": '{"main": {"exchange": "binance", "user": "alice", "key": "…", "secret": "…"}}',
}


class ExchangeAccount(BaseModel):
    """An account of a user at an exchange, for a bot that trades there. What is secret is never printed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exchange: str
    """As ccxt calls it: ``binance``."""
    user: str
    """Whose bots may trade with it."""
    key: SecretStr
    secret: SecretStr
    password: SecretStr | None = None
    """The passphrase of a key, at exchanges that have one."""
    trades: Literal["in the sandbox", "with real money"] = "in the sandbox"
    """Real money has to be asked for in these words."""


class Settings(BaseSettings):
    """All settings with their defaults. Read once at an entry point and passed on."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Path(".hub")
    """The folder in which the hub keeps everything: store, event log, Prefect's database."""

    store_url: str | None = Field(default=None, repr=False)
    """``http://HOST:PORT`` of the process that owns the store, ``duckdb:PATH`` to open the store's folder as its owner,
    or ``postgresql://USER@HOST/DATABASE``, which may have a password; by default the folder ``store`` inside the data
    folder."""

    store_token: SecretStr | None = None
    """The token that lets other processes use the store through its owner; if unset, the owner writes one into the data
    folder."""

    role: HubRole = "all"
    """What this process does of a hub that runs in several, on a store in Postgres: ``api`` answers requests and
    streams events; ``gateway`` does so, posts to webhooks and runs the bots; ``worker`` judges at every close and
    fetches the candles for that; ``ingest`` only fetches candles; ``all`` is the whole hub."""

    without: Annotated[tuple[StartedPart, ...], NoDecode, Field(validate_default=True)] = ()
    """What ``hub up`` does not start, with commas in between: ``worker``, which judges at every close, or only its
    ``ingest``, which fetches candles from the exchanges; ``bots``, the process that runs them; ``webhooks``;
    ``dashboard``. What is not part of its role is never started."""

    dashboard_port: int | None = Field(default=None, ge=0, le=65535)
    """Loopback port of the dashboard that ``hub up`` starts; 0 picks a free one. If unset, it is 8501, or a free one
    where that is taken."""

    default_exchange: str = "BINANCE"
    """The exchange of symbols that do not name one."""

    exchange_urls: Annotated[dict[str, str], NoDecode] = {}
    """Exchange -> the address to ask in place of its own, as JSON: ``{"binance": "http://127.0.0.1:9000"}``; for
    proxies, and for trying the hub out with a simulated exchange."""

    exchange_requests_a_minute: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Exchange -> the most requests that are made to it in a minute, as JSON: ``{"binance": 600}``. Without it, only
    the rate that ccxt keeps for the exchange bounds them."""

    exchange_accounts: Annotated[dict[str, ExchangeAccount], NoDecode] = {}
    """Name -> the account of a user at an exchange, as JSON: ``{"main": {"exchange": "binance", "user": "alice", "key":
    "…", "secret": "…"}}``. Bots name it, and never have its key."""

    api_url: str = "http://127.0.0.1:8000"
    """Where clients find the hub's HTTP API."""

    api_key: SecretStr | None = None
    """The key with which clients authenticate."""

    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")
    """A Redis or Valkey server of your own (7.0 or later); if unset, the bundled Valkey is started."""

    redis_port: int = Field(default=0, ge=0, le=65535)
    """Loopback port of the bundled Valkey; 0 picks a free one."""

    events_retention_hours: float = Field(default=72, gt=0, le=24 * 366)
    """How many hours the event log keeps events; the store keeps the triggers for good."""

    events_max: int = Field(default=1_000_000, ge=1_000)
    """The most events that the log keeps, even if a consumer still needs older ones; each takes about 400 bytes of
    memory."""

    history_days: float = Field(default=30, ge=1, le=3660)
    """How many days failed runs and audits are kept; what was judged is kept for good."""

    backup_days: float = Field(default=7, ge=0, le=3660)
    """How many days nightly backups are kept; 0 makes none."""

    backup_dir: Path | None = None
    """The folder of the nightly backups, best on another disk; by default ``backups`` inside the data folder."""

    log_mib: int = Field(default=64, ge=1, le=100_000)
    """The size in MiB beyond which logs in the data folder lose their oldest lines, while they are written."""

    alert_url: SecretStr | None = None
    """Where Prefect posts each run that has failed, as JSON, within seconds."""

    dashboard_url: str = "http://localhost:8501"
    """Where people find the dashboard: Prefect's pages have a link to it."""

    grace_hours: float = Field(default=24, ge=0, le=24 * 366)
    """How many hours a condition is judged without a subscription: after its registration, and after its last
    subscription ended."""

    api_host: str = "127.0.0.1"
    """Address on which the HTTP service listens."""

    api_port: int = Field(default=8000, ge=0, le=65535)
    """Its port; 0 picks a free one."""

    api_trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks of the proxies in front of the service, with commas between them: from these alone, ``X-Forwarded-For``
    says who sent a request."""

    api_rate_read: Rate = "6000/minute"
    """Requests per user that only read stored data."""

    api_rate_write: Rate = "3000/minute"
    """Requests per user that register, subscribe and the like, each counted once per started KiB of its body."""

    api_rate_bulk: Rate = "1200/minute"
    """Bulk registrations per user, each counted once per started 8 KiB or 50 conditions, and once per refused one."""

    api_rate_compute: Rate = "120/minute"
    """Requests per user that judge candles on demand: preview and explain."""

    api_rate_stream: Rate = "60/minute"
    """Event streams opened per user."""

    api_rate_exchange: Rate = "60000/minute"
    """Weight, as Binance counts it, of what a user reads through the hub in an exchange's place."""

    api_rate_refused: Rate = "60/minute"
    """Requests with a wrong or missing key, per address."""

    api_streams_per_user: int = Field(default=20, ge=1, le=10_000)
    """The most event streams that a user may have open at once."""

    exchange_readers: Annotated[tuple[str, ...], NoDecode] = ()
    """Users, with commas in between, who may read candles through the hub in an exchange's place; operators always may.
    ``*`` stands for all users: what exchanges allow to be passed on is yours to know."""

    exchange_sockets_per_user: int = Field(default=200, ge=1, le=10_000)
    """The most websockets for candles that a user may have open at once."""

    on_demand_threads: int = Field(default=4, ge=1, le=64)
    """Threads that judge candles on demand: explain, preview, and the truth at a subscription. Each user has at most
    one of them at a time."""

    on_demand_waiting_per_user: int = Field(default=64, ge=1, le=10_000)
    """The most requests of a user that wait for one of those threads."""

    on_demand_waiting: int = Field(default=1_000, ge=1, le=100_000)
    """The most requests of all users that wait for one of those threads."""

    on_demand_values_max: int = Field(default=1_000_000_000, ge=1_000_000)
    """The most values, candles times operands, that one preview or explanation may compute; a thousand million take
    about 15 s."""

    on_demand_cache_mib: int = Field(default=256, ge=0, le=1_000_000)
    """The memory, in MiB, of candles and indicators that are kept for the next preview: a year of 1m candles takes 34,
    an indicator on them 4. A series longer than half of it is not kept."""

    quota_webhooks: int = Field(default=20, ge=0)
    """The most webhooks of a user."""

    quota_webhook_backlog_mib: int = Field(default=64, ge=1, le=100_000)
    """The most that may wait for all webhooks of a user, in MiB on disk."""

    webhooks_allow_loopback: bool = False
    """Allows webhooks to this machine and over plain HTTP: for trying them out, never for a hub that others use."""

    quota_conditions: int = Field(default=20_000, ge=1)
    """The most conditions new to the hub that a user may register in a day."""

    quota_condition_bytes: int = Field(default=8_388_608, ge=1_000)
    """The most bytes, in canonical form, of the conditions new to the hub that a user may register in a day."""

    quota_config_bytes: int = Field(default=33_554_432, ge=1_000)
    """The most bytes of configurations, as JSON, that the bots of a user may keep with their subscriptions."""

    quota_bots: int = Field(default=1_000, ge=1)
    """The most bots of a user that have subscriptions."""

    quota_subscriptions: int = Field(default=20_000, ge=1)
    """The most subscriptions of a user."""

    @field_validator("api_trusted_proxies", "exchange_readers", "without", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("without")
    @classmethod
    def _with_role(cls, value: tuple[StartedPart, ...], info: ValidationInfo) -> tuple[StartedPart, ...]:
        more = _NOT_OF_ROLE[info.data.get("role", "all")]
        return (*value, *(part for part in more if part not in value))

    @field_validator("exchange_urls", "exchange_accounts", mode="before")
    @classmethod
    def _object(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value or "{}")
        except ValueError:
            raise ValueError(f"it is no JSON; write {_EXAMPLES[str(info.field_name)]}") from None

    @property
    def resolved_backup_dir(self) -> Path:
        """``backup_dir``, or its default inside the data folder."""
        return self.backup_dir or self.data_dir / "backups"

    @property
    def grace_ms(self) -> int:
        """``grace_hours`` in milliseconds."""
        return int(self.grace_hours * 3_600_000)

    @property
    def events_retention_ms(self) -> int:
        """``events_retention_hours`` in milliseconds."""
        return int(self.events_retention_hours * 3_600_000)

    @cached_property
    def resolved_store_url(self) -> str:
        """``store_url``, or its default inside the data folder."""
        return self.store_url or f"duckdb:{self.data_dir / 'store'}"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; ``overrides`` win. Raises a :class:`SettingsError` that names the variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        name = field if field.isupper() else f"HUB_{field.upper()}"
        raise SettingsError(f"{name}: {problem['msg']}; see .env.example for valid values") from None

"""Settings: environment variables ``HUB_*`` (and ``REDIS_URL``), then ``.env`` in the working directory."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.errors import SettingsError

Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/([1-9][0-9]{0,4} )?(second|minute|hour|day)$")]
"""``60/minute``, ``1000/5 minute``."""


class Settings(BaseSettings):
    """All settings with their defaults. Read once at an entry point and passed on."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Path(".hub")
    """Folder of everything that the hub keeps: store, event log, Prefect's database."""

    store_url: str | None = None
    """``http://HOST:PORT`` of the process that owns the store, or ``duckdb:PATH`` of its folder to own it; ``store``
    inside the data folder by default."""

    store_token: SecretStr | None = None
    """Lets processes use the store of its owner; the owner writes one into the data folder without it."""

    default_exchange: str = "BINANCE"
    """Exchange of symbols that name none."""

    api_url: str = "http://127.0.0.1:8000"
    """Where clients find the hub's HTTP API."""

    api_key: SecretStr | None = None
    """The key that clients show to it."""

    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")
    """A real Redis or Valkey (7.0 or later); the bundled Valkey is started without it."""

    redis_port: int = Field(default=0, ge=0, le=65535)
    """Loopback port of the bundled Valkey; 0 takes any free one."""

    events_retention_hours: float = Field(default=72, gt=0, le=24 * 366)
    """Hours for which the event log keeps events; the store keeps the triggers for good."""

    events_max: int = Field(default=1_000_000, ge=1_000)
    """Events that the log holds at most, whoever still wants older ones; about 400 bytes of memory each."""

    grace_hours: float = Field(default=24, ge=0, le=24 * 366)
    """Hours for which a condition is judged on when nobody subscribes to it any more, or not yet."""

    api_host: str = "127.0.0.1"
    """Address on which the HTTP service listens."""

    api_port: int = Field(default=8000, ge=0, le=65535)
    """Its port; 0 takes any free one."""

    api_rate_read: Rate = "6000/minute"
    """Requests of a user that only look at what is stored."""

    api_rate_write: Rate = "3000/minute"
    """Requests of a user that register, subscribe and the like."""

    api_rate_bulk: Rate = "120/minute"
    """Bulk registrations of a user, of up to 1000 conditions each."""

    api_rate_compute: Rate = "120/minute"
    """Requests of a user that judge candles on demand: preview and explain."""

    api_rate_stream: Rate = "60/minute"
    """Streams of events that a user opens."""

    api_rate_refused: Rate = "60/minute"
    """Requests with a wrong key, or without one, from one address."""

    api_streams_per_user: int = Field(default=20, ge=1, le=10_000)
    """Streams of events that a user may have open at once."""

    quota_webhooks: int = Field(default=20, ge=0)
    """Webhooks of a user."""

    webhooks_allow_loopback: bool = False
    """Lets webhooks go to this machine and over plain HTTP: for trying them out, never for a hub that others use."""

    quota_conditions: int = Field(default=20_000, ge=1)
    """Conditions that were not known before, registered by a user in a day."""

    quota_bots: int = Field(default=1_000, ge=1)
    """Bots of a user with a subscription."""

    quota_subscriptions: int = Field(default=20_000, ge=1)
    """Subscriptions of a user."""

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
    """Settings from the environment; ``overrides`` win. Raises :class:`SettingsError` that names the variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        name = field if field.isupper() else f"HUB_{field.upper()}"
        raise SettingsError(f"{name}: {problem['msg']}; see .env.example for what it may be") from None

"""The file: what a user wants. Pydantic models, which the JSON schema for editors is made from, too."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from api.bodies.patterns import BOT_ID, BOT_NAME, BOT_TYPE
from api.bodies.requests import PolicyBody
from common.errors import DesiredStateError

# The same reader in C, a tenth of the time, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Name = Annotated[str, Field(pattern=BOT_NAME)]
BotLabel = Annotated[str, Field(pattern=BOT_ID)]
WrittenCondition = Annotated[
    str | dict[str, Any],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["BTCUSDT 1h: rsi(14) crosses_below 30"]},
                {"type": "object", "examples": [{"indicator": "RSI", "operator": "<", "value": 30}]},
            ],
            "description": "A condition in any spelling; without its symbol or timeframe where defaults has them",
        }
    ),
]
EnvironmentName = Annotated[
    str,
    Field(
        pattern="^[A-Z_][A-Z0-9_]{0,127}$",
        description="The environment variable that has the secret; never the secret itself",
        examples=["TELEGRAM_TOKEN"],
    ),
]
Option = Annotated[str | int | float, Field(description="Of the preset")]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class DesiredDefaults(_Part):
    """Symbol and timeframe for conditions that do not name them."""

    symbol: str | None = None
    timeframe: str | None = None


class WantedCondition(_Part):
    """A condition of a bot, with a policy of its own."""

    condition: WrittenCondition
    """The name of one of ``conditions``, or a condition."""
    policy: PolicyBody | None = None
    """Which triggers the bot is told of, and when; that of the bot if it is left out."""
    paused: bool = False


class DesiredSubscriptions(_Part):
    """What one bot of one's own subscribes to."""

    type: Annotated[str, Field(pattern=BOT_TYPE)] = "custom"
    """The kind of bot: dca, grid, trend, market_making or a word of your own."""
    policy: PolicyBody = PolicyBody()
    conditions: list[str | WantedCondition]
    """Names of ``conditions``, or conditions."""


class DesiredWebhook(_Part):
    """Where triggers are posted, and in which form: docs/webhooks.md."""

    url: str | None = None
    bot: BotLabel | None = None
    """Only the triggers of this bot; all of them if it is left out."""
    preset: str | None = None
    options: dict[str, Option] = {}
    secrets: dict[str, EnvironmentName] = {}
    headers: dict[str, str] = {}
    """Their values may name secrets: ``Bearer {{ secret.token }}``."""
    body: dict[str, Any] | list[Any] | str | None = None


class DesiredBot(_Part):
    """A bot that the hub runs: docs/bots.md."""

    type: Annotated[str | None, Field(pattern=BOT_TYPE)] = None
    """dca, grid, trend or market_making, if the configuration has no bot_type."""
    config: dict[str, Any]


class DesiredState(_Part):
    """Conditions, subscriptions, webhooks and bots, as they ought to be."""

    owns: list[str] = []
    """Patterns of names, such as ``swing-*``: bots and webhooks that match and are not in this file are removed."""
    defaults: DesiredDefaults = DesiredDefaults()
    conditions: dict[Name, WrittenCondition] = {}
    """Name -> condition. They are registered, and other parts can use their names."""
    subscriptions: dict[BotLabel, DesiredSubscriptions] = {}
    """Bot -> what it subscribes to, and nothing else."""
    webhooks: dict[Name, DesiredWebhook] = {}
    bots: dict[Name, DesiredBot] = {}

    @model_validator(mode="after")
    def _each_bot_once(self) -> "DesiredState":
        if twice := sorted(set(self.bots) & set(self.subscriptions)):
            raise ValueError(
                f"{twice[0]} is in bots and in subscriptions; the hub subscribes the bots that it runs by itself"
            )
        return self

    def spelled(self, named: str | WantedCondition) -> str | dict[str, Any]:
        """The condition that a bot's entry means."""
        spelling = named.condition if isinstance(named, WantedCondition) else named
        return self.conditions.get(spelling, spelling) if isinstance(spelling, str) else spelling


def read_desired(path: Path) -> DesiredState:
    """What a file asks for. Raises :class:`DesiredStateError` with the place of what is wrong; values that may be
    secret are not repeated."""
    try:
        read = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except OSError as error:
        raise DesiredStateError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise DesiredStateError(
            f"{place} is no YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"
        ) from None
    if not isinstance(read, dict):
        raise DesiredStateError(f"{path} has to have sections: {' '.join(DesiredState.model_fields)}")
    try:
        return DesiredState.model_validate(read)
    except ValidationError as error:
        raise DesiredStateError("\n".join(_problems(path, error))) from None


def secrets_of(webhook: DesiredWebhook, name: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The secrets of a webhook, from the environment; raises :class:`DesiredStateError` for one that is not there."""
    missing = sorted({variable for variable in webhook.secrets.values() if not environment.get(variable)})
    if missing:
        raise DesiredStateError(
            f"webhooks.{name} wants secrets from {' '.join(missing)}, which are not set; export them before hub plan"
            " and hub apply"
        )
    return {secret: environment[variable] for secret, variable in webhook.secrets.items()}


def _problems(path: Path, error: ValidationError) -> list[str]:
    lines = []
    for one in error.errors(include_input=False, include_url=False):
        place = ".".join(str(step) for step in one["loc"] if not str(step).startswith(("constrained-", "function-")))
        said = one["msg"].removeprefix("Value error, ")
        if one["type"] == "string_pattern_mismatch" and ".secrets." in place:
            said = "write the name of an environment variable, such as TELEGRAM_TOKEN, never the secret itself"
        elif one["type"] == "extra_forbidden":
            said = "there is no such field"
        lines.append(f"{path}: {place}: {said}" if place else f"{path}: {said}")
    return list(dict.fromkeys(lines))

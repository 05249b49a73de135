"""Bodies that the API takes. Strict: no unknown field, no text for a number, nothing that is not finite."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.bodies.condition_spellings import BULK_SCHEMA, OBJECT_SCHEMA, SPELLING_SCHEMA

MOST_IN_BULK = 1000
"""Conditions in one bulk registration."""


def _whole(value: object) -> object:
    """JSON knows one kind of number: 3.0 is 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Outermost, so that the bounds before it are published.
_WHOLE = BeforeValidator(_whole)
TimeMs = Annotated[int, Field(ge=0, le=253_402_300_799_999, description="Milliseconds since the epoch, UTC"), _WHOLE]
ConditionId = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{32}$",
        description="What registering a condition answers",
        examples=["8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00"],
    ),
]
BotId = Annotated[
    str,
    Field(
        pattern="^[!-~]([ -~]{0,126}[!-~])?$",
        description="The bot's name, unique for its user: 1 to 128 printable ASCII characters",
        examples=["dca_bot_123"],
    ),
]
BotType = Annotated[
    str,
    Field(
        pattern="^[a-z][a-z0-9_]{0,31}$",
        description="What kind of bot it is: dca, grid, trend, market_making or a word of your own",
        examples=["dca"],
    ),
]
Spelling = Annotated[object, WithJsonSchema(SPELLING_SCHEMA)]
"""A condition in any spelling: flat JSON, a tree, ``{"condition": text}``, or its text alone."""
OneOfMany = Annotated[object, WithJsonSchema(BULK_SCHEMA)]
"""A condition in any spelling, or what is taken for one."""
ConditionBody = Annotated[dict[str, Any], WithJsonSchema(OBJECT_SCHEMA)]
"""A condition that is the whole body, so not a text alone."""


class Body(BaseModel):
    """What all bodies have in common. Refused values never appear in an error: they may be private."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        ser_json_inf_nan="null",
    )


class BulkBody(Body):
    """Conditions to register at once."""

    conditions: Annotated[list[OneOfMany], Field(min_length=1, max_length=MOST_IN_BULK)]


class PolicyBody(Body):
    """When a bot is told of a trigger; every field has a default."""

    cooldown_s: Annotated[
        int, Field(ge=0, le=31_536_000, description="Least time between the closes of two delivered triggers"), _WHOLE
    ] = 0
    max_fires: Annotated[
        Annotated[int, Field(ge=1, le=1_000_000), _WHOLE] | None,
        Field(description="The subscription ends after so many triggers; 1 is once"),
    ] = None
    expires_at: Annotated[
        Annotated[int, Field(ge=0, le=4_102_444_800_000), _WHOLE] | None,
        Field(description="Triggers that close later (ms) are not delivered; a year from the start by default"),
    ] = None
    max_lag_s: Annotated[
        Annotated[int, Field(ge=0, le=31_536_000), _WHOLE] | None,
        Field(description="Triggers whose candle closed longer ago are skipped"),
    ] = None
    settled_only: Annotated[bool, Field(description="Only triggers whose indicators had settled")] = False
    fire_if_true: Annotated[bool, Field(description="Deliver at once if the condition is TRUE when subscribing")] = (
        False
    )
    while_true: Annotated[
        bool, Field(description="POST /conditions/rearm delivers at once if the condition is still TRUE")
    ] = False


class BotCondition(Body):
    """One of the user's subscriptions."""

    bot_id: BotId
    condition_id: ConditionId


class WebhookBody(Body):
    """An address that triggers are posted to."""

    url: Annotated[
        str,
        Field(
            max_length=2_000,
            pattern='^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?([/?][!"$-~]*)?$',
            description="https, on the public internet; port 443, or one from 1024 on; http where the hub allows it",
            examples=["https://bots.example.com/hub"],
        ),
    ]
    bot_id: Annotated[BotId | None, Field(description="Of this bot only; null for all of the user's bots")] = None


class SubscribeBody(BotCondition):
    """A bot that wants a condition's triggers. ``bot_config`` is kept for the bot and never shown again."""

    bot_type: BotType
    bot_config: Annotated[
        dict[str, Any], Field(description="Kept private: no answer, event, log or metric ever has it")
    ] = {}
    policy: PolicyBody = PolicyBody()


class PreviewBody(Body):
    """A condition, registered or not, and a span of stored candles; the last year by default."""

    condition: Spelling
    start: Annotated[
        TimeMs | None, Field(description="Triggers that close after it; a year before `end` by default")
    ] = None
    end: Annotated[TimeMs | None, Field(description="Triggers that close by it; the newest candle by default")] = None
    last: Annotated[int, Field(ge=0, le=1000, description="How many of the newest triggers are listed"), _WHOLE] = 20

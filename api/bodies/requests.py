"""Bodies that the API accepts. They are strict: no unknown fields, no text for numbers, no NaN or infinities."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.bodies.condition_spellings import BULK_SCHEMA, OBJECT_SCHEMA, SPELLING_SCHEMA
from api.bodies.patterns import BOT_ID, BOT_NAME, BOT_TYPE, ID, WEBHOOK_URL
from registry.subscriptions import COOLDOWN_S, EXPIRES_MS, MAX_FIRES, MAX_LAG_S

MOST_IN_BULK = 1000
"""The most conditions in one bulk registration."""

MOST_PREVIEWED = 50
"""The most conditions in one bulk preview."""


def _whole(value: object) -> object:
    """JSON has one kind of number: 3.0 is 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The last one in an annotation, so that the bounds before it are published.
_WHOLE = BeforeValidator(_whole)
TimeMs = Annotated[int, Field(ge=0, le=253_402_300_799_999, description="Milliseconds since the epoch, UTC"), _WHOLE]
ConditionId = Annotated[
    str,
    Field(
        pattern=ID,
        description="The condition_id that registering the condition returned",
        examples=["8c1fbf1a3f4a7b0d5e2c9a6b7d8e9f00"],
    ),
]
BotId = Annotated[
    str,
    Field(
        pattern=BOT_ID,
        description="The bot's name, unique per user: 1 to 128 printable ASCII characters",
        examples=["dca_bot_123"],
    ),
]
BotType = Annotated[
    str,
    Field(
        pattern=BOT_TYPE,
        description="The kind of bot: dca, grid, trend, market_making or a word of your own",
        examples=["dca"],
    ),
]
ConditionSpelling = Annotated[object, WithJsonSchema(SPELLING_SCHEMA)]
"""A condition in any spelling: flat JSON, a tree, ``{"condition": text}``, or its text alone."""
BulkItem = Annotated[object, WithJsonSchema(BULK_SCHEMA)]
"""A condition in any spelling, or anything else: what is not valid gets an error in its result."""
ConditionBody = Annotated[dict[str, Any], WithJsonSchema(OBJECT_SCHEMA)]
"""A condition that is the whole body, and so never a text alone."""


class Body(BaseModel):
    """Base of all bodies. Refused values never appear in an error, as they may be private."""

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

    conditions: Annotated[list[BulkItem], Field(min_length=1, max_length=MOST_IN_BULK)]


class PolicyBody(Body):
    """Which triggers a bot is told of, and when; every field has a default."""

    cooldown_s: Annotated[
        int,
        Field(
            ge=COOLDOWN_S.lowest,
            le=COOLDOWN_S.highest,
            description="Least time between the closes of two delivered triggers",
        ),
        _WHOLE,
    ] = 0
    max_fires: Annotated[
        Annotated[int, Field(ge=MAX_FIRES.lowest, le=MAX_FIRES.highest), _WHOLE] | None,
        Field(description="The subscription ends after this many triggers; 1 means once"),
    ] = None
    expires_at: Annotated[
        Annotated[int, Field(ge=EXPIRES_MS.lowest, le=EXPIRES_MS.highest), _WHOLE] | None,
        Field(description="Triggers that close later (ms) are not delivered; by default a year after the start"),
    ] = None
    max_lag_s: Annotated[
        Annotated[int, Field(ge=MAX_LAG_S.lowest, le=MAX_LAG_S.highest), _WHOLE] | None,
        Field(description="Triggers whose candle closed longer ago than this are skipped"),
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
    """An address to which triggers are posted."""

    url: Annotated[
        str,
        Field(
            max_length=2_000,
            pattern=WEBHOOK_URL,
            description="https, on the public internet; port 443, or 1024 and above; http where the hub allows it",
            examples=["https://bots.example.com/hub"],
        ),
    ]
    bot_id: Annotated[
        BotId | None, Field(description="Only this bot's triggers; null for those of all of the user's bots")
    ] = None


class SubscribeBody(BotCondition):
    """A bot that wants a condition's triggers. ``bot_config`` is kept for the bot and never shown again."""

    bot_type: BotType
    bot_config: Annotated[
        dict[str, Any], Field(description="Kept private: no answer, event, log or metric ever contains it")
    ] = {}
    policy: PolicyBody = PolicyBody()


BotName = Annotated[
    str,
    Field(
        pattern=BOT_NAME,
        description="The bot's name, unique among the user's bots that have not ended",
        examples=["dca_bot_123"],
    ),
]


class BotBody(Body):
    """A bot for the hub to run, from one configuration: its parameters, its conditions and its market."""

    bot_config: Annotated[
        dict[str, Any],
        Field(
            description="Kept private. Parameters as in docs/bots.md, conditions anywhere in it, symbol or pairs;"
            " account (paper, or one of the settings), paper (what its account begins with) and protections",
            examples=[
                {
                    "bot_id": "dca_bot_123",
                    "bot_type": "dca",
                    "symbol": "BTCUSDT",
                    "timeframe": "1h",
                    "baseOrderSize": 100,
                    "takeProfit": 1.5,
                    "entryConditions": [{"indicator": "RSI", "operator": "crosses_below", "value": 30}],
                }
            ],
        ),
    ]
    bot_id: Annotated[BotName | None, Field(description="null: bot_id of the configuration")] = None
    bot_type: Annotated[
        BotType | None, Field(description="dca, grid, trend or market_making; null: bot_type of the configuration")
    ] = None
    policy: PolicyBody = PolicyBody()


class BulkPreviewBody(Body):
    """Conditions, registered or not, and a span of stored candles."""

    conditions: Annotated[list[ConditionSpelling], Field(min_length=1, max_length=MOST_PREVIEWED)]
    start: Annotated[TimeMs, Field(description="Only triggers that close after it")]
    end: Annotated[TimeMs, Field(description="Only triggers that close by it")]


class PreviewBody(Body):
    """A condition, registered or not, and a span of stored candles; the last year by default."""

    condition: ConditionSpelling
    start: Annotated[
        TimeMs | None, Field(description="Only triggers that close after it; by default a year before `end`")
    ] = None
    end: Annotated[
        TimeMs | None, Field(description="Only triggers that close by it; by default the close of the newest candle")
    ] = None
    last: Annotated[int, Field(ge=0, le=1000, description="How many of the newest triggers to list"), _WHOLE] = 20

"""Bodies that the API accepts. They are strict: no unknown fields, no text for numbers, no NaN or infinities."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.bodies.condition_spellings import BULK_SCHEMA, OBJECT_SCHEMA, SPELLING_SCHEMA
from api.bodies.patterns import BOT_ID, BOT_NAME, BOT_TYPE, ID, WEBHOOK_URL
from registry.subscriptions import COOLDOWN_S, EXPIRES_MS, MAX_FIRES, MAX_LAG_S

MOST_IN_BULK = 1000
"""The most conditions in one bulk registration."""
MOST_SUBSCRIPTIONS = 100
"""The most subscriptions in one request."""

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
    """An address to which triggers are posted, and in which form."""

    url: Annotated[
        Annotated[str, Field(max_length=2_000, pattern=WEBHOOK_URL)] | None,
        Field(
            description="https, on the public internet; port 443, or 1024 and above; http where the hub allows it. A"
            " secret may stand behind the host: {{secret.token}}. null with a preset",
            examples=["https://bots.example.com/hub"],
        ),
    ] = None
    bot_id: Annotated[
        BotId | None, Field(description="Only this bot's triggers; null for those of all of the user's bots")
    ] = None
    name: Annotated[
        Annotated[str, Field(pattern=BOT_NAME)] | None,
        Field(description="By which it can be changed: a request with a name that one of the user's webhooks has"),
    ] = None
    preset: Annotated[
        Annotated[str, Field(max_length=50)] | None,
        Field(description="One of GET /webhook-presets, in place of url, headers and body", examples=["telegram"]),
    ] = None
    options: Annotated[
        dict[str, Annotated[str, Field(max_length=4_000)]], Field(max_length=20, description="Of the preset")
    ] = {}
    secrets: Annotated[
        dict[str, Annotated[str, Field(max_length=2_000)]],
        Field(max_length=8, description="Name -> what stands for {{ secret.NAME }}; never shown again"),
    ] = {}
    headers: Annotated[
        dict[str, Annotated[str, Field(max_length=2_000)]],
        Field(max_length=8, description="Name -> value, which may name secrets; never shown again"),
    ] = {}
    body: Annotated[
        dict[str, Any] | list[Any] | str | None,
        Field(
            description="What is posted: a JSON value or a text, with placeholders such as {{ event.price }}; null: the"
            " standard body",
            examples=[{"text": "{{ condition }} at {{ event.price }}"}],
        ),
    ] = None


class SubscribeBody(BotCondition):
    """A bot that wants a condition's triggers. ``bot_config`` is kept for the bot and never shown again."""

    bot_type: BotType
    bot_config: Annotated[
        dict[str, Any] | None,
        Field(
            description="Kept private: no answer, event, log or metric ever contains it; null: that of the subscription"
            " which is there"
        ),
    ] = {}
    policy: PolicyBody = PolicyBody()


class SubscribeBulkBody(Body):
    """Subscriptions to make at once, all or none."""

    subscriptions: Annotated[list[SubscribeBody], Field(min_length=1, max_length=MOST_SUBSCRIPTIONS)]


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


_Percent = Annotated[float, Field(gt=0, le=1_000)]


class BacktestBody(Body):
    """A condition, registered or not, how its triggers are traded, and a span of stored candles; by default the last
    year. Entry is at the open after a trigger; the exit is what comes first."""

    condition: ConditionSpelling
    side: Literal["long", "short"] = "long"
    exit: Annotated[
        ConditionSpelling | None, Field(description="A condition of the same series that closes a position")
    ] = None
    horizon: Annotated[
        Annotated[int, Field(ge=1, le=10_000), _WHOLE] | None,
        Field(description="Candles after which a position is closed; 24 if nothing else closes it"),
    ] = None
    stop_percent: Annotated[_Percent | None, Field(description="A stop so many percent from the entry")] = None
    target_percent: Annotated[_Percent | None, Field(description="A target so many percent from the entry")] = None
    fee_percent: Annotated[float, Field(ge=0, le=10, description="Of what a fill trades")] = 0.1
    slippage_percent: Annotated[float, Field(ge=0, le=10, description="By which fills at market are worse")] = 0.05
    start: Annotated[
        TimeMs | None, Field(description="Only triggers that close after it; by default a year before `end`")
    ] = None
    end: Annotated[
        TimeMs | None, Field(description="Only triggers that close by it; by default the close of the newest candle")
    ] = None


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

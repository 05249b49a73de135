"""Bodies that the API answers with. Times are milliseconds since the epoch, UTC; what is not known is ``null``.

What it says about one condition, explanations and previews, is in :mod:`condition_hub.explanation`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.bodies.requests import PolicyBody
from condition_hub.explanation import Now

Data = Literal["ready", "missing"]
SupersededBy = Annotated[
    str | None,
    Field(description="The condition that stands for the one that was asked for, since an upgrade of the hub; or null"),
]


class Answer(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class ConditionAnswer(Answer):
    """A registered condition; the same for everybody who registers it, however it is spelled."""

    condition_id: str
    condition: Annotated[str, Field(description="As text, short")]
    canonical: Annotated[str, Field(description="As text with every default written out: what the id stands for")]
    exchange: str
    symbol: str
    timeframe: str
    series: Annotated[list[str], Field(description="The series that it reads, its own first")]
    momentary: Annotated[bool, Field(description="Fires on every TRUE candle; else only when it becomes TRUE")]
    definition_versions: str
    active_from: Annotated[int, Field(description="Only candles that close later can trigger it")]
    data: Annotated[Data, Field(description="missing: some series has no candles, so it cannot fire yet")]
    settled_at: Annotated[
        int | None,
        Field(
            description="Close time from which its indicators have settled; null while data is missing, and where an"
            " indicator of another one may never settle"
        ),
    ]
    warnings: Annotated[
        list[str], Field(description="What is valid and probably not meant: a threshold that an indicator cannot reach")
    ]


class BulkResult(Answer):
    """The result for one condition of a bulk: registered, or why not."""

    condition_id: str | None
    created: Annotated[bool, Field(description="False if it was already known or could not be registered")]
    error: Annotated[str | None, Field(description="What was wrong, and how to fix it")] = None
    pointer: Annotated[str | None, Field(description="JSON pointer to what was wrong, from the root of the body")] = (
        None
    )
    data: Annotated[Data | None, Field(description="missing: some series has no candles; null if refused")] = None
    warnings: Annotated[list[str], Field(description="What is valid and probably not meant")] = []


class BulkAnswer(Answer):
    """The results in the order of the conditions, and how many there are of each kind."""

    results: list[BulkResult]
    created: int
    known: int
    failed: int


class ConditionCheck(Answer):
    """What one condition means, whether or not it is registered; or what is wrong with it."""

    condition_id: str | None
    known: Annotated[bool, Field(description="Whether it is registered")] = False
    condition: Annotated[str | None, Field(description="As text, short")] = None
    canonical: Annotated[str | None, Field(description="As text with every default written out")] = None
    series: Annotated[list[str], Field(description="The series that it reads, its own first")] = []
    momentary: Annotated[
        bool | None, Field(description="Fires on every TRUE candle; else only when it becomes TRUE")
    ] = None
    error: Annotated[str | None, Field(description="What is wrong, and how to fix it")] = None
    pointer: Annotated[str | None, Field(description="JSON pointer to what is wrong, from the root of the body")] = None
    data: Annotated[Data | None, Field(description="missing: some series has no candles; null if refused")] = None
    warnings: Annotated[list[str], Field(description="What is valid and probably not meant")] = []


class ConditionChecks(Answer):
    """The results in the order of the conditions."""

    results: list[ConditionCheck]


class SubscriptionAnswer(Answer):
    """One subscription of the user. The bot's configuration is never part of it."""

    bot_id: str
    condition_id: str
    bot_type: str
    state: Literal["active", "paused", "ended"]
    policy: PolicyBody
    active_from: Annotated[int, Field(description="Only triggers that close later are delivered")]
    created_at: int
    revision: Annotated[int, Field(description="Increases with every change to the subscription")]
    replaces: Annotated[
        list[str],
        Field(description="Conditions that it was a subscription of before upgrades of the hub, oldest first"),
    ] = []


class SubscribedBulkAnswer(Answer):
    """Subscriptions in the order of the request, and how many of them are new."""

    items: list[SubscriptionAnswer]
    created: int


class SubscribedAnswer(SubscriptionAnswer):
    """A subscription, and what its condition is now."""

    superseded_by: SupersededBy = None
    now: Now
    deliver: Annotated[
        bool,
        Field(description="Act at once: the condition is TRUE, and policy.fire_if_true (on rearm while_true) is set"),
    ]
    trigger_id: Annotated[str | None, Field(description="What to act on, once, if deliver is true")]


class SubscriptionPage(Answer):
    """Subscriptions ordered by bot and condition."""

    items: list[SubscriptionAnswer]
    next_cursor: Annotated[str | None, Field(description="Pass it as cursor for the next page; null on the last one")]


class WebhookAnswer(Answer):
    """An address that triggers are posted to."""

    webhook_id: str
    name: Annotated[str | None, Field(description="By which it can be changed")] = None
    url: Annotated[str, Field(description="With the names of its secrets, if it has any")]
    bot_id: Annotated[str | None, Field(description="Only this bot's triggers; null: those of all of the user's bots")]
    state: Annotated[
        Literal["active", "paused", "ended"],
        Field(description="paused: deliveries failed for a long time; resume it once it works"),
    ]
    created_at: int
    preset: Annotated[str | None, Field(description="From which it was made")] = None
    headers: Annotated[list[str], Field(description="Names of its own headers")] = []
    secrets: Annotated[list[str], Field(description="Names of its secrets")] = []
    body: Annotated[
        dict[str, Any] | list[Any] | str | None, Field(description="Its template; null: the standard body")
    ] = None


class NewWebhookAnswer(WebhookAnswer):
    """A webhook, and the secret that its deliveries are signed with; no other answer shows it."""

    secret: Annotated[
        str | None,
        Field(description="whsec_ and base64; null if the webhook existed: it is shown once, at its creation"),
    ]


WebhookPart = Literal["url", "bot_id", "preset", "headers", "secrets", "body", "state"]


class WebhookPreviewAnswer(Answer):
    """What a webhook would post about an event that is made up. Secrets are shown as ***."""

    webhook_id: Annotated[str | None, Field(description="The webhook that the request would change; null: a new one")]
    changes: Annotated[
        list[WebhookPart], Field(description="What it would change in that webhook; empty if it is as requested")
    ]
    url: str
    headers: dict[str, str]
    media_type: str
    body: Annotated[str, Field(description="As it is sent")]


class PresetAnswer(Answer):
    """What to post to one kind of receiver."""

    name: str
    text: Annotated[str, Field(description="What it does")]
    options: Annotated[dict[str, str], Field(description="Name -> what it is")]
    defaults: Annotated[dict[str, str], Field(description="The options that may be left out, and what they are then")]
    secrets: Annotated[dict[str, str], Field(description="Name -> what it is; all are needed")]
    url: str
    headers: dict[str, str]
    body: Annotated[dict[str, Any] | str, Field(description="Options stand in it as <name>")]


class PresetsAnswer(Answer):
    """The presets that webhooks can be made from, and what templates can name."""

    presets: list[PresetAnswer]
    names: Annotated[list[str], Field(description="What placeholders can name, beside event.values.OPERAND")]
    filters: list[str]


class WebhookPage(Answer):
    """Webhooks ordered by id."""

    items: list[WebhookAnswer]
    next_cursor: Annotated[str | None, Field(description="Pass it as cursor for the next page; null on the last one")]


class BacktestAnswer(Answer):
    """What a condition would have done on stored candles, with costs, and whether chance gives as much."""

    condition_id: str
    condition: str
    rules: Annotated[str, Field(description="How its triggers were traded")]
    figures: Annotated[dict[str, Any], Field(description="Triggers, trades and what they gained")]
    forward: Annotated[list[dict[str, Any]], Field(description="Returns after so many candles, beside any candle's")]
    cautions: Annotated[list[str], Field(description="Why not to trust it, in sentences")]
    lines: Annotated[list[str], Field(description="The same as text for people, at most 80 columns")]


class StatusAnswer(ConditionAnswer):
    """Whether a condition is judged, how far, and what it has fired."""

    state: Annotated[
        Literal["judged", "err", "retired", "superseded"],
        Field(
            description="err: the hub cannot judge it; retired: an operator has taken it out; superseded: another"
            " condition stands for it since an upgrade of the hub; reason says why"
        ),
    ]
    superseded_by: SupersededBy = None
    reason: Annotated[str | None, Field(description="Why it is not judged; null if it is")]
    state_since: Annotated[int | None, Field(description="When that was noted; null if it is judged")]
    active: Annotated[bool, Field(description="Whether candles that close from now on can trigger it")]
    active_until: Annotated[
        int | None, Field(description="It is judged until then unless somebody subscribes; only operators see it")
    ]
    judged_until: Annotated[int | None, Field(description="Close time of the newest judged candle of its group")]
    triggers: Annotated[int, Field(description="How often it has fired")]
    last_trigger: Annotated[int | None, Field(description="Close time of its newest trigger")]
    last_seq: Annotated[int | None, Field(description="seq of its newest trigger")]
    subscribers: Annotated[
        int | None, Field(description="Active subscriptions of all users; null for users while there are fewer than 5")
    ]


class TriggerAnswer(Answer):
    """A trigger, exactly as it is published."""

    trigger_id: Annotated[str, Field(description="{condition_id}:{close_time}; the same on every delivery")]
    seq: Annotated[int, Field(description="Increases over the triggers of all conditions")]
    condition_id: str
    exchange: str
    symbol: str
    timeframe: str
    open_time: int
    close_time: int
    values: dict[str, float | None]
    price: float
    settled: bool
    late: bool
    definition_version: str
    emitted_at: int


class TriggerPage(Answer):
    """Triggers of one condition, newest first."""

    items: list[TriggerAnswer]
    next_cursor: str | None
    superseded_by: SupersededBy = None


class TriggersAfter(Answer):
    """Triggers by ``seq``, oldest first."""

    items: list[TriggerAnswer]
    after_seq: Annotated[
        int, Field(description="Continue with this after_seq; the triggers up to it have been examined")
    ]
    more: Annotated[bool, Field(description="Whether there are already more")]

"""Bodies that the API answers with. Times are milliseconds since the epoch, UTC; what is not known is ``null``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.bodies.requests import PolicyBody

Truth = Literal["TRUE", "FALSE", "UNKNOWN"]
Verdict = Literal["fires", "true already", "unknown before", "false", "unknown", "no candle", "waiting"]
Data = Literal["ready", "missing"]


class Answer(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class ConditionAnswer(Answer):
    """A registered condition; the same for everybody who registers it in whatever spelling."""

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
        int | None, Field(description="Close time from which its indicators have settled; null while data is missing")
    ]


class BulkResult(Answer):
    """The result for one condition of a bulk: registered, or why not."""

    condition_id: str | None
    created: Annotated[bool, Field(description="False: it was known already, or could not be registered")]
    error: Annotated[str | None, Field(description="What was wrong, and how to mend it")] = None
    pointer: Annotated[str | None, Field(description="JSON pointer of what was wrong, from the root of the body")] = (
        None
    )


class BulkAnswer(Answer):
    """The results in the order of the conditions, and how many there are of each kind."""

    results: list[BulkResult]
    created: int
    known: int
    failed: int


class NowAnswer(Answer):
    """What a condition is on the newest closed candle."""

    truth: Truth
    since: Annotated[int | None, Field(description="Close time of the first candle of this truth, without a break")]
    close_time: Annotated[int | None, Field(description="Of the candle; null without candles")]
    price: float | None
    values: Annotated[dict[str, float | None], Field(description="Operands by their text")]
    settled: Annotated[bool | None, Field(description="Whether its indicators had settled")]


class SubscriptionAnswer(Answer):
    """One subscription of the user. The bot's configuration is never part of it."""

    bot_id: str
    condition_id: str
    bot_type: str
    state: Literal["active", "paused", "ended"]
    policy: PolicyBody
    active_from: Annotated[int, Field(description="Only triggers that close later are delivered")]
    created_at: int
    revision: Annotated[int, Field(description="Grows with every change of it")]


class SubscribedAnswer(SubscriptionAnswer):
    """A subscription with what its condition is now."""

    now: NowAnswer
    deliver: Annotated[
        bool,
        Field(description="Act now: policy.fire_if_true, on rearm policy.while_true, and the condition is TRUE"),
    ]
    trigger_id: Annotated[str | None, Field(description="What to act on once, where deliver is true")]


class SubscriptionPage(Answer):
    """Subscriptions ordered by bot and condition."""

    items: list[SubscriptionAnswer]
    next_cursor: Annotated[str | None, Field(description="Pass it as cursor for the next page; null on the last one")]


class WebhookAnswer(Answer):
    """An address that triggers are posted to."""

    webhook_id: str
    url: str
    bot_id: Annotated[str | None, Field(description="Of this bot only; null: of all of the user's bots")]
    state: Annotated[
        Literal["active", "paused", "ended"], Field(description="paused: it failed for long; resume it when it works")
    ]
    created_at: int


class NewWebhookAnswer(WebhookAnswer):
    """A webhook and what its deliveries are signed with, which no other answer shows."""

    secret: str


class WebhookPage(Answer):
    """Webhooks ordered by id."""

    items: list[WebhookAnswer]
    next_cursor: Annotated[str | None, Field(description="Pass it as cursor for the next page; null on the last one")]


class StatusAnswer(ConditionAnswer):
    """How a condition fares."""

    active: Annotated[bool, Field(description="Whether candles that close from now on can trigger it")]
    active_until: Annotated[
        int | None, Field(description="Without a subscriber it is judged until then; for operators")
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

    trigger_id: Annotated[str, Field(description="{condition_id}:{close_time}; the same however often it is delivered")]
    seq: Annotated[int, Field(description="Grows over all triggers")]
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


class TriggersAfter(Answer):
    """Triggers by ``seq``, oldest first."""

    items: list[TriggerAnswer]
    after_seq: Annotated[int, Field(description="Go on with this after_seq; triggers up to it have been looked at")]
    more: Annotated[bool, Field(description="Whether there are more already")]


class PreviewTrigger(Answer):
    """A trigger that would have been."""

    open_time: int
    close_time: int
    price: float
    settled: bool


class PreviewAnswer(Answer):
    """How often and when a condition would have fired on stored candles; nothing is registered."""

    condition_id: str
    condition: str
    canonical: str
    registered: bool
    start: int
    end: int
    candles: Annotated[int, Field(description="Candles of its own series in the span")]
    triggers: int
    per_day: Annotated[float | None, Field(description="Triggers a day of the span that has candles")]
    last: Annotated[list[PreviewTrigger], Field(description="The newest ones, newest first")]
    subscribers: Annotated[
        int | None, Field(description="Active subscriptions of all users; null for users while there are fewer than 5")
    ]


class ReadingAnswer(Answer):
    """What an operand was on the candle and one step before."""

    text: str
    now: float | None
    before: float | None
    unknown: Annotated[list[str], Field(description="Why it is not known now")]


class DistanceAnswer(Answer):
    """How far the sides of a comparison are apart: left less right, and that as a share of the right side's size."""

    left: str
    right: str
    absolute: float
    relative: float | None


class ExplainedAnswer(Answer):
    """One part of the condition."""

    text: str
    truth: Truth
    before: Truth
    readings: list[ReadingAnswer]
    distances: list[DistanceAnswer]
    children: list["ExplainedAnswer"]


class FreshnessAnswer(Answer):
    """The candles of a series that were there."""

    series: str
    first_open_time: int
    last_close_time: int
    candles: int


class ExplainAnswer(Answer):
    """Why a condition fires on a candle, or why it does not."""

    condition_id: str
    condition: str
    momentary: bool
    open_time: int
    close_time: int
    verdict: Verdict
    fires: bool
    reasons: list[str]
    truth: Truth
    before: Truth
    price: float | None
    settled: bool | None
    tree: ExplainedAnswer | None
    freshness: list[FreshnessAnswer]
    active: Annotated[bool, Field(description="Whether a candle that closes then can trigger the condition")]
    judged_until: int | None
    recorded: Annotated[bool, Field(description="Whether a trigger of the candle is recorded")]
    notes: Annotated[list[str], Field(description="What besides the candles keeps the hub from recording a trigger")]

"""What the hub answers, typed. Times are milliseconds since the epoch, UTC; ``None`` is what is not known."""

from collections.abc import ItemsView, KeysView, Mapping
from typing import Any, Literal

import msgspec

Truth = Literal["TRUE", "FALSE", "UNKNOWN"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What all answers have in common; fields that this client does not know are left out."""


class Registration(str):
    """A registered condition: its id, and by name all that registering answers.

        result = await register_condition("BTCUSDT 1h: rsi(14) < 30")
        result                    # "a80e6b…": goes wherever a condition id goes
        result["condition_id"]    # the same
        result["settled_at"]      # a field of the answer; also result.answer["settled_at"]

    ``answer`` has the fields ``condition_id condition canonical exchange symbol timeframe series momentary
    definition_versions active_from data settled_at``; from :meth:`HubClient.register_many` the id alone.
    ``created`` is false where an equal condition was registered before.
    """

    answer: Mapping[str, Any]
    created: bool

    def __new__(cls, answer: Mapping[str, Any], *, created: bool) -> "Registration":
        made = super().__new__(cls, answer["condition_id"])
        made.answer = answer
        made.created = created
        return made

    @property
    def condition_id(self) -> str:
        """The id as a plain text."""
        return str.__str__(self)

    def __getitem__(self, name: Any) -> Any:
        """A field by its name; a character or a slice of the id by its place, as of any text."""
        return self.answer[name] if isinstance(name, str) else super().__getitem__(name)

    def keys(self) -> KeysView[str]:
        """The names of the fields: ``dict(registration)`` and ``**registration`` work."""
        return self.answer.keys()

    def items(self) -> ItemsView[str, Any]:
        """Names and values of the fields."""
        return self.answer.items()

    def __reduce__(self) -> tuple[Any, ...]:
        return _registration, (dict(self.answer), self.created)


def _registration(answer: Mapping[str, Any], created: bool) -> Registration:
    return Registration(answer, created=created)


class Policy(Answer, frozen=True, kw_only=True):
    """Which triggers reach the bot; every field has a default."""

    cooldown_s: int = 0
    """Least time between the closes of two delivered triggers."""
    max_fires: int | None = None
    """The subscription ends after so many triggers; 1 is once."""
    expires_at: int | None = None
    """No trigger that closes later is delivered; the hub sets a year from now where nothing is said."""
    max_lag_s: int | None = None
    """Triggers whose candle closed longer ago are skipped."""
    settled_only: bool = False
    """Only triggers whose indicators had settled."""
    fire_if_true: bool = False
    """Deliver at once if the condition is TRUE when subscribing."""
    while_true: bool = False
    """Arming again delivers at once if the condition is still TRUE."""


class Subscription(Answer, frozen=True, kw_only=True):
    """One of the user's bots that wants a condition's triggers."""

    bot_id: str
    condition_id: str
    bot_type: str
    state: Literal["active", "paused", "ended"]
    policy: Policy
    active_from: int
    """Only triggers that close later are delivered."""
    created_at: int
    revision: int


class Now(Answer, frozen=True, kw_only=True):
    """What a condition is on the newest closed candle."""

    truth: Truth
    since: int | None
    """Close time of the first candle of this truth, without a break."""
    close_time: int | None
    price: float | None
    values: dict[str, float | None]
    settled: bool | None


class Subscribed(Subscription, frozen=True, kw_only=True):
    """A subscription with what its condition is now; ``deliver`` asks to act on ``trigger_id`` at once."""

    now: Now
    deliver: bool
    trigger_id: str | None


class Status(Answer, frozen=True, kw_only=True):
    """How a condition fares."""

    condition_id: str
    condition: str
    canonical: str
    exchange: str
    symbol: str
    timeframe: str
    series: list[str]
    momentary: bool
    definition_versions: str
    active_from: int
    data: Literal["ready", "missing"]
    settled_at: int | None
    active: bool
    """Whether candles that close now can trigger it."""
    active_until: int | None
    judged_until: int | None
    """Close time of the newest judged candle."""
    triggers: int
    last_trigger: int | None
    last_seq: int | None
    subscribers: int | None


class Trigger(Answer, frozen=True, kw_only=True):
    """A condition that fired on a candle, exactly as it is published."""

    trigger_id: str
    """The same however often it is delivered: act on it once."""
    seq: int
    """Grows over all triggers."""
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


class PreviewTrigger(Answer, frozen=True, kw_only=True):
    """A trigger that would have been."""

    open_time: int
    close_time: int
    price: float
    settled: bool


class Preview(Answer, frozen=True, kw_only=True):
    """How often and when a condition would have fired on stored candles."""

    condition_id: str
    condition: str
    canonical: str
    registered: bool
    start: int
    end: int
    candles: int
    triggers: int
    per_day: float | None
    last: list[PreviewTrigger]
    """The newest ones, newest first."""
    subscribers: int | None


class Reading(Answer, frozen=True, kw_only=True):
    """What an operand was on the candle and one step before."""

    text: str
    now: float | None
    before: float | None
    unknown: list[str]
    """Why it is not known now."""


class Distance(Answer, frozen=True, kw_only=True):
    """How far the sides of a comparison are apart: left less right, and that as a share of the right side's size."""

    left: str
    right: str
    absolute: float
    relative: float | None


class Explained(Answer, frozen=True, kw_only=True):
    """One part of a condition."""

    text: str
    truth: Truth
    before: Truth
    readings: list[Reading]
    distances: list[Distance]
    children: list["Explained"]


class Freshness(Answer, frozen=True, kw_only=True):
    """The candles of a series that were there."""

    series: str
    first_open_time: int
    last_close_time: int
    candles: int


class Explanation(Answer, frozen=True, kw_only=True):
    """Why a condition fires on a candle, or why it does not."""

    condition_id: str
    condition: str
    open_time: int
    close_time: int
    verdict: str
    fires: bool
    reasons: list[str]
    truth: Truth
    before: Truth
    price: float | None
    settled: bool | None
    tree: Explained | None
    freshness: list[Freshness]
    judged_until: int | None
    recorded: bool
    """Whether a trigger of the candle is recorded."""
    notes: list[str]
    """What besides the candles keeps the hub from recording a trigger."""
